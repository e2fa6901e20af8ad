"""The guide is true: its keys are the code's, its commands exist, its links lead somewhere, its Python runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from dolphin.app.cli import COMMANDS
from dolphin.app.config import POLICY_KEYS, RUN_KEYS, load_policy, load_run
from dolphin.app.operator import _FIX
from dolphin.kernel.reasons import Reason

ROOT = Path(__file__).resolve().parents[2]
MINE = (
    "README.md",
    "docs/limitations.md",
    *(f"docs/guide/{name}.md" for name in ("configure", "calibrate", "operate", "report", "embed")),
)
PAGES = [ROOT / name for name in MINE]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.mark.parametrize("keys", [POLICY_KEYS, RUN_KEYS], ids=["policy", "run"])
def test_configure_names_every_key_and_no_other(keys: tuple[object, ...]) -> None:
    page = text("docs/guide/configure.md")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert {key.name for key in keys} <= named  # type: ignore[attr-defined]
    assert named <= {key.name for key in (*POLICY_KEYS, *RUN_KEYS)}


def test_configure_names_every_setting_of_the_sensors() -> None:
    from dolphin.sensors.source import ACCEPTED

    page = text("docs/guide/configure.md")
    assert [name for name in ACCEPTED if f"`{name}`" not in page] == []


def test_the_examples_of_configure_load(tmp_path: Path) -> None:
    found = blocks(text("docs/guide/configure.md"), "toml")
    assert len(found) == 2
    path = tmp_path / "x.toml"
    path.write_text(found[0])
    assert load_policy(path).apex_entry_bp == 45_000
    path.write_text(found[1])
    assert load_run(path).strategy == {"average": 200}
    assert load_run(path).sensors == {"max_silence_s": 30, "shocks": "1-HOUR"}


def test_the_example_of_embed_does_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for code in blocks(text("docs/guide/embed.md"), "python"):
        exec(compile(code, "embed.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["6000 LEVERAGE DOL-ORDER-002", "TURTLE 0 18000", "0"]
    assert lines[-1] == "conforms"


@pytest.mark.parametrize("page", PAGES, ids=MINE)
def test_every_command_exists(page: Path) -> None:
    body = page.read_text(encoding="utf-8")
    shown = re.findall(r"^\s{4}dolphin (.*)$", body, re.MULTILINE) + re.findall(r"`dolphin ([^`]*)`", body)
    for command in shown:
        word = shlex.split(command.split("#")[0].replace("'", ""))[0]
        assert word in COMMANDS or word.startswith("-") or word == "COMMAND", command


@pytest.mark.parametrize("page", PAGES, ids=MINE)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https:"):
            assert (page.parent / target).exists(), target


def test_operate_explains_every_refusal() -> None:
    page = text("docs/guide/operate.md")
    for reason in _FIX:
        assert f"`{reason.name}`" in page or reason is Reason.UNPRICED
