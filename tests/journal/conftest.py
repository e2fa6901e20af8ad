"""Ready journals: one policy, one clock, short records."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dolphin.journal import Journal

POLICY = "0123456789abcdef" * 4
T0 = 1_600_000_000_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "run.journal")


@pytest.fixture
def create(path: str) -> Callable[..., Journal]:
    def make(**options: object) -> Journal:
        return Journal.create(path, {"who": "test"}, policy_hash=POLICY, ts_ns=T0, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def written(path: str, create: Callable[..., Journal]) -> str:
    """A closed journal of five records: HEADER, TICK, SEEN, NOTE, CLOSE."""
    with create() as journal:
        journal.append(T0 + 1, "TICK", '{"out":[6000000,0],"fx":[]}')
        seen = '{"feed":0,"due_ns":"1600000001000000000","r3_bp":10000,"error":0,"out":[1],"fx":[["EXCESS",5]]}'
        journal.append(T0 + 2, "SEEN", seen)
        journal.append(T0 + 3, "NOTE", '{"text":"\\n é"}')
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)
