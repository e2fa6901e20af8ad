"""The live halves, for the same table: scenarios/live, run by tests/live on the loopback exchange.

What belongs here: asking it for a line each, in a process of its own, whose log is shown where something deviates. The
format is one of steps, since a node's times are its own (docs/design/loopback.md); reader and judge are tests/live's.
"""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
WAIT_S: Final = 300


def files(folder: Path) -> list[Path]:
    """The live scenarios beside those by backtest."""
    return sorted((folder / "live").glob("S*.toml"))


def name_of(path: Path) -> str:
    """Its id."""
    return str(tomllib.loads(path.read_text(encoding="utf-8"))["id"])


def by_test(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Scenarios that a test of real processes is, by id: name, title, source, test."""
    found: Mapping[str, Mapping[str, str]] = tomllib.loads((folder / "by-test.toml").read_text(encoding="utf-8"))
    return found


def tested(name: str, said: Mapping[str, str]) -> tuple[int, str]:
    """Run such a test; 0 where it passes, and what to print."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", said["test"]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False)
    word = "DEVIATES" if done.returncode else "as expected"
    seconds = time.perf_counter() - began
    line = f"{name:<6} {said['name']:<16} {'test':<8} {word:<11} journal {'-':<10} {seconds:6.2f} s  {said['title']}"
    if done.returncode:
        line += f"\n{done.stdout[-4_000:]}"
    return done.returncode, line


def run(path: Path) -> tuple[int, str]:
    """Run it; 0 where it is as its file says, and what to print."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.live.judge", path.stem]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False)
    said = done.stdout.rstrip("\n")
    if done.returncode:
        said += f"\n{done.stderr[-4_000:]}"
    return done.returncode, said
