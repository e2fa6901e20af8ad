"""`make setup` says what it does, and does not hide that pip failed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from tools.setup_progress import EVERY, Progress

ROOT = Path(__file__).parents[2]
TOOL = [sys.executable, "tools/setup_progress.py", "requirements.lock"]
PIP = (
    "Looking in indexes: somewhere\n"
    + "".join(f"Collecting name-{n}==1.{n} (from -r requirements.lock (line {n}))\n  Downloading\n" for n in range(25))
    + "Installing collected packages: name-1, name-2, name-3\nSuccessfully installed name-1\n"
)


def test_a_line_now_and_then_where_nobody_watches() -> None:
    done = subprocess.run(TOOL, cwd=ROOT, input=PIP, text=True, capture_output=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    assert [line.partition(":")[2].split()[:2] for line in lines[:-1]] == [["package", str(n)] for n in (1, 11, 21)]
    pinned = sum(line[0].isalnum() for line in (ROOT / "requirements.lock").read_text().splitlines())
    assert f"package 11 of {pinned}: name-10 (" in lines[1]
    assert "unpacking 3 packages" in lines[-1]


def test_one_moving_line_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(TOOL, cwd=ROOT, stdin=subprocess.PIPE, stdout=theirs) as running:
        os.close(theirs)
        running.communicate(PIP.encode(), timeout=60)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "\n" not in shown
    assert "package 25 of" in shown
    assert shown.endswith("\r\x1b[K")


def test_what_is_there_already_counts_and_what_is_no_step_does_not() -> None:
    progress = Progress(67)
    assert progress.take("Requirement already satisfied: arch==8.0.0 in somewhere (from -r requirements.lock (line 1))")
    assert progress.doing == "package 1 of 67: arch"
    assert not progress.take("  Downloading arch-8.0.0.whl (1.0 MB)")
    assert EVERY > 1


def test_the_makefile_uses_it_and_a_failure_of_pip_is_one_of_make(tmp_path: Path) -> None:
    """The recipe itself, with a pip that fails: `make` ends with an error and the environment is not marked as made."""
    (tmp_path / "tools").mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "tools/setup_progress.py", "tools/find_python.sh"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    fake = tmp_path / ".venv" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text(
        f'#!/bin/sh\ncase "$*" in\n  *pip\\ install*) echo "Collecting x==1"; echo "no network" >&2; exit 3;;\n'
        f'  *setup_progress*) exec {sys.executable} "$@";;\nesac\n'
    )
    fake.chmod(0o755)
    done = subprocess.run(["make", "setup"], cwd=tmp_path, text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "package 1 of" in done.stdout
    assert "no network" in done.stderr
    assert not (tmp_path / ".venv" / ".setup-done").exists()
