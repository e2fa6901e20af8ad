"""What the repo's own lints have in common: a finding, the files they read, and how they end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Finding(NamedTuple):
    """One violation, printed the way editors and CI understand."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def python_files(folder: Path) -> list[Path]:
    """Every module below `folder`, in a stable order; none where the folder does not exist."""
    return sorted(folder.rglob("*.py"))


def close(name: str, findings: Iterable[Finding], checked: Sequence[object]) -> int:
    """Print the findings and one closing line; the exit code. Nothing to check is a finding too: no vacuous pass."""
    ordered = sorted(findings)
    for finding in ordered:
        print(finding)
    print(f"{name}: {len(checked)} files checked, {len(ordered)} findings")
    return 1 if ordered or not checked else 0
