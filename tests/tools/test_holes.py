"""The table of the holes, whole: as pinned, current in the guide, and a change is seen."""

from __future__ import annotations

import pytest

from tools.holes.__main__ import BEGIN, DOC, PINS, cells, documented, main, pinned, printed, ran, rows, version
from tools.holes.cases import CASES
from tools.holes.desk import Outcome


@pytest.fixture(scope="module")
def table():
    return rows(pinned(PINS))


@pytest.mark.req("DOL-ORDER-001")
@pytest.mark.req("DOL-KILL-002")
def test_every_hole_is_as_pinned_for_this_nautilus(table):
    assert [line for row in table for line in row.changed] == []
    assert {row.case.name for row in table} == set(pinned(PINS))


@pytest.mark.req("DOL-EXIT-001")
def test_what_is_dangerous_is_stopped_and_what_is_an_exit_passes(table):
    for row in table:
        if row.case.name.startswith("E"):
            assert (row.plain.what, row.guarded.what) == ("denied", "passes")
        else:
            assert row.plain.what in ("passes", "rests on")
            stopped = row.guarded.what in ("denied", "cut", "cancelled")
            assert stopped == (row.note == ""), row
            assert stopped == ("[DOL-" in row.guarded.why and "PASSED" not in row.guarded.why)


def test_the_guide_has_this_table(table):
    text = DOC.read_text(encoding="utf-8")
    assert BEGIN in text
    assert documented(text, table) == text, "run: python -m tools.holes --doc"


def test_a_hole_that_nautilus_closes_shows_up(tmp_path, capsys, monkeypatch):
    """The pin says that plain Nautilus denies; the same row is the first of a table of two."""
    pins = tmp_path / "pins.toml"
    text = PINS.read_text(encoding="utf-8")
    at = text.index(f'["{version()}".H5]')
    pins.write_text(text[:at] + text[at:].replace('plain = "passes"', 'plain = "denied"', 1), encoding="utf-8")
    monkeypatch.setattr("tools.holes.__main__.CASES", [case for case in CASES if case.name in ("H4", "H5")])
    assert main(["--pins", str(pins)]) == 1
    out = capsys.readouterr().out
    assert "CHANGED H5, plain Nautilus: 'passes', pinned 'denied'" in out
    assert "CHANGED H4" not in out


def test_an_order_that_the_guard_lets_through_shows_up(monkeypatch):
    """Planted: the guard passes what it stopped."""
    case = next(case for case in CASES if case.name == "H5")
    through = case._replace(run=lambda desk: case.run(desk)._replace(what="passes"))
    row = ran(through, pinned(PINS)["H5"])
    assert row.changed == ("CHANGED H5, with Dolphin: 'passes', pinned 'denied'",)
    assert cells(row)[-1] == "CHANGED"
    assert "CHANGED" in printed([row])


def test_a_version_without_pins_is_held_to_the_newest(tmp_path):
    path = tmp_path / "pins.toml"
    path.write_text('["1.0"]\nH1 = {plain = "a"}\n["1.1"]\nH1 = {plain = "b"}\n', encoding="utf-8")
    assert pinned(path) == {"H1": {"plain": "b"}}
    assert Outcome("passes", "x").what == "passes"
