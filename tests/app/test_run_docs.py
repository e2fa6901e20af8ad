"""docs/guide/data.md and report-table.md say what the code accepts and prints."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from dolphin.app import columns, run, table
from dolphin.sensors.source import build

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"


def test_every_command_of_the_guide_parses() -> None:
    text = (GUIDE / "data.md").read_text(encoding="utf-8")
    lines = [line.partition("#")[0] for line in text.splitlines() if line.startswith("dolphin run ")]
    assert len(lines) >= 5
    for line in lines:
        run._parser().parse_args(shlex.split(line)[2:])


def test_every_time_column_and_kind_is_named() -> None:
    text = (GUIDE / "data.md").read_text(encoding="utf-8")
    for word in (*columns._TIME, *columns._ALIASES):
        if word != "date_time":
            assert f"`{word}`" in text, word


def test_the_settings_shown_are_accepted() -> None:
    text = (GUIDE / "data.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert build(json.loads(block)).specs(["SPY.ARCA"])


def test_every_row_of_the_table_is_explained() -> None:
    text = (GUIDE / "report-table.md").read_text(encoding="utf-8")
    for label, _ in (*table.ROWS, *table._AFTER):
        word = label.strip().partition(" (")[0]
        if word not in ("on", "wall time", "fills", "journal records") and not word.startswith("time in"):
            shown = word.removeprefix("orders ")
            assert shown in text, word
