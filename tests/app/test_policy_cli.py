"""`dolphin policy`: the table is computed from what decides, the check names every contradiction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dolphin.app import policy_table
from dolphin.app.cli import main
from dolphin.kernel import policy as kernel
from dolphin.kernel.policy import DAILY, INTRADAY, Posture
from tests.app.books import Book


def test_golden_times_come_out_of_the_machine() -> None:
    shock = policy_table.course(INTRADAY, policy_table.machine.start(INTRADAY, 0, ()), policy_table.Shock(0))
    assert shock.entered == {Posture.TURTLE: 0, Posture.STALKER: 602, Posture.APEX: 3_722}
    assert shock.full_s == 4_202
    start = policy_table.machine.start(INTRADAY, 0, (), envelope=True)
    blind = policy_table.course(INTRADAY, start, policy_table.Tick(0))
    assert blind.entered == {Posture.STALKER: 536, Posture.TURTLE: 3_481, Posture.HIBERNATE: 7_197}


def test_every_field_and_every_constant_has_a_row() -> None:
    rows = policy_table.rows(DAILY)
    assert {row.name for row in rows} >= set(kernel.Policy._fields)
    shown = " ".join(row.value for row in rows)
    for text in ("85 %", "92 %", "33 %", "40 %", "10 %", "17 %", "7,170 s", "200 ms", "10 s", "1 min", "365 d"):
        assert text in shown


def test_the_price_of_the_knee() -> None:
    assert policy_table.chance_of_loss(60_000) == pytest.approx(0.8)
    assert policy_table.chance_of_loss(30_000) == pytest.approx(0.512)
    assert policy_table.chance_of_loss(0) == 0


@pytest.mark.parametrize(("bp", "text"), [(60_000, "6.0x"), (45_500, "4.55x"), (0, "0.0x"), (20_000, "2.0x")])
def test_leverage_reads_well(bp: int, text: str) -> None:
    assert policy_table.leverage(bp) == text


def test_show_prints_hash_and_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "show", "--profile", "daily"]) == 0
    said = capsys.readouterr().out
    assert "hash " in said
    assert "3,722 policy s (62.0 days)" in " ".join(said.split())


def test_show_reads_a_file_and_speaks_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.toml"
    path.write_text('[policy]\nprofile = "daily"\napex_entry_bp = "4.5x"\n')
    assert main(["policy", "show", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["policy"]["apex_entry_bp"] == 45_000
    assert len(said["hash"]) == 64


def test_show_reads_the_policy_of_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book(tmp_path / "b", DAILY._replace(apex_entry_bp=30_000))
    book.close()
    path = book.path / "journal.jsonl"
    assert main(["policy", "show", str(path)]) == 0
    assert "3.0x" in capsys.readouterr().out
    path.write_bytes(path.read_bytes().replace(b'"kappa_bp":5000', b'"kappa_bp":5001'))
    assert main(["policy", "show", str(path)]) == 2
    assert "journal.jsonl:1" in capsys.readouterr().err


def test_check_says_yes_and_no(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.toml"
    path.write_text('[policy]\nprofile = "daily"\n')
    assert main(["policy", "check", str(path)]) == 0
    path.write_text("[policy]\nkappa_bp = 20000\n\nturtle_held_bp = 30000\n")
    assert main(["policy", "check", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"{path}:2: kappa_bp: 20000 is above 10000")
    assert lines[2].startswith(f"{path}:4: turtle_held_bp: above stalker_held_bp")


@pytest.mark.parametrize(
    "argv", [["policy"], ["policy", "frobnicate"], ["policy", "show", "a", "--profile", "daily"], ["policy", "check"]]
)
def test_wrong_usage_is_one_paragraph(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
