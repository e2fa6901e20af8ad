"""docs/assurance/bad-input.md against the suite: each row names tests, and each of them is collected by pytest."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    line.strip("|").split("|")
    for line in (ROOT / "docs/assurance/bad-input.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| input", "|---"))
]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ASKED = (
    "NaN", "infinit", "negative", "missing", "unknown key", "contradict", "without a price", "back by 1 ms", "by 2 s",
    "forward by 2 h", "empty journal", "truncated", "two writers", "foreign", "may not be read", "full disk", "no Java",
    "port in use", "file in use",
)  # fmt: skip


def test_every_row_names_what_happens_and_a_test() -> None:
    assert len(ROWS) > 20
    for row in ROWS:
        assert len(row) == 3, row[0]
        assert row[1].strip(), row[0]
        names = row[2].split()
        assert names, row[0]
        assert all(NAMED.fullmatch(name) for name in names), row[2]


def test_every_input_that_was_asked_for_has_a_row() -> None:
    inputs = "\n".join(row[0] for row in ROWS)
    assert [word for word in ASKED if word not in inputs] == []


def test_every_named_test_is_collected() -> None:
    named = {f"{path}::{name}" for row in ROWS for path, name in NAMED.findall(row[2])}
    files = sorted({name.partition("::")[0] for name in named})
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *files,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    collected = {line.partition("[")[0] for line in done.stdout.splitlines()}
    assert sorted(named - collected) == []


def test_nothing_listens() -> None:
    """No module of Dolphin imports what a server needs; of asyncio only the loop that runs is asked for.

    One speaks to a venue, as a client: the watchdog, by an encrypted connection of its own.
    """
    servers = {"socket", "socketserver", "http", "ssl", "xmlrpc"}
    clients = {ROOT / "src/dolphin/watchdog/binance.py": {"http.client", "ssl"}}
    for path in sorted((ROOT / "src/dolphin").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
                assert not (node.module or "").startswith("asyncio"), path
            asked = set(names) - clients.get(path, set())
            assert not servers & {name.partition(".")[0] for name in asked}, path
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "asyncio":
                assert node.attr in {"AbstractEventLoop", "get_running_loop"}, path
