"""docs/assurance/single-failure.md against the suite: each row names tests that exist, and scenarios that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tools.scenarios import form

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/assurance/single-failure.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| component")
]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
FILE = re.compile(r"`(scenarios/S\d\d[\w-]*\.toml)`")
COMPONENTS = (
    "feed", "sensor", "strategy", "gate", "hook", "book", "clock", "journal", "latch file", "process", "watchdog",
    "venue", "operator", "limits", "kernel", "emulated",
)  # fmt: skip


def test_each_row_names_component_failure_answer_and_a_test() -> None:
    assert len(ROWS) > 25
    for row in ROWS:
        assert len(row) == 4, row[0]
        assert all(row), row[0]
        names = row[3].split()
        assert all(TEST.fullmatch(name) or FILE.fullmatch(name) for name in names), row[3]
        assert any(TEST.fullmatch(name) for name in names), row[0]
    listed = "\n".join(row[0] for row in ROWS)
    assert [word for word in COMPONENTS if word not in listed] == []


def test_each_named_test_is_in_its_file() -> None:
    named = {pair for row in ROWS for pair in TEST.findall(row[3])}
    functions: dict[str, set[str]] = {}
    for path, _ in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions[path] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert sorted(pair for pair in named if pair[1] not in functions[pair[0]]) == []


def test_each_named_scenario_runs_and_each_that_runs_by_backtest_is_named() -> None:
    named = {path for row in ROWS for path in FILE.findall(row[3])}
    built = set()
    for path in sorted((ROOT / "scenarios").glob("S*.toml")):
        one = form.read(path)
        if one.engine == "backtest" and not one.not_built:
            built.add(f"scenarios/{path.name}")
    assert named == built
