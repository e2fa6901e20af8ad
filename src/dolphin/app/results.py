"""What a run gives: series, events and figures. `run` fills it, the table prints it, the report draws it.

What belongs here: shapes; journal_run.py fills them from a journal, so that `dolphin report JOURNAL` and the report
of a run show the same thing. No Nautilus types. Times in ns since the epoch, money in minor units of `currency`
(`minor_per_unit` of them make one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dolphin.kernel.policy import Posture


class Point(NamedTuple):
    """One value of a series, valid from `ts_ns` on."""

    ts_ns: int
    value: int


class Mark(NamedTuple):
    """Something to point at in a picture or a timeline.

    `kind`: KILL, SHOCK, FAULT, REBASE, ARM, CONFIRM, FALL, RISE, OWN, DENIED, SHRUNK, STALL, RUIN, BANKRUPT.
    `seq`: the journal record that says so, -1 where none does.
    """

    ts_ns: int
    kind: str
    text: str
    seq: int = -1


class WorstDay(NamedTuple):
    """The day that cost most, and its explanation: leverage held at the last decision before it, times its move.

    Shares in parts per million of the equity at the last sample before it. `steps` is 1 where nothing was decided
    within the day; otherwise `explained_ppm` is the sum over the day's steps of what was held times its move.
    """

    day: str
    start_ns: int
    return_ppm: int
    leverage_bp: int
    move_ppm: int
    explained_ppm: int
    steps: int

    @property
    def unexplained_ppm(self) -> int:
        """Fees, spread, or an error of ours; within 1,000 (0.1 %) in the main job, which a test holds."""
        return self.return_ppm - self.explained_ppm


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One row of the table. Shares in bp of one unless the name says otherwise; empty dates mean "never"."""

    return_bp: int
    drawdown_bp: int
    worst_day: WorstDay | None
    ruin_day: str = ""
    bankrupt_day: str = ""
    final_equity: int = 0
    posture_share_bp: Mapping[Posture, int] = field(default_factory=dict)
    passed: int = 0
    shrunk: int = 0
    denied: Mapping[str, int] = field(default_factory=dict)
    rebases: int = 0
    own_orders: int = 0
    fills: int = 0
    records: int = 0
    decision_p50_ns: int = 0
    decision_p99_ns: int = 0
    wall_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One run. `group`: runs of one group are drawn together (the same market, plain and guarded).

    `equity`: samples of the account, exit side. `drawdown_bp`: from the running maximum of `equity`, 0..10,000.
    `confidence_ms` and `posture`: from the journal, empty for a plain run. `absent`: categories without a source.
    `rebase_wait_ns`: how long its policy wants a book trapped before its mark is re-based. `spans`: (feed, first_ns,
    last_ns). `notes`: what an honest reader must be told.
    """

    name: str
    group: str
    currency: str
    minor_per_unit: int
    equity: Sequence[Point]
    drawdown_bp: Sequence[Point]
    figures: Figures
    confidence_ms: Sequence[Point] = ()
    posture: Sequence[Point] = ()
    events: Sequence[Mark] = ()
    journal: Path | None = None
    profile: str = ""
    rebase_wait_ns: int = 0
    mode: str = "guard"
    absent: Sequence[str] = ()
    spans: Sequence[tuple[str, int, int]] = ()
    notes: Sequence[str] = ()

    @property
    def guarded(self) -> bool:
        """Whether Dolphin was there."""
        return self.journal is not None


def drawdowns(equity: Sequence[Point]) -> tuple[Point, ...]:
    """Drawdown of each sample from the largest before it, in bp rounded up; at most 10,000, also below zero equity."""
    found: list[Point] = []
    peak = 0
    for ts_ns, value in equity:
        peak = max(peak, value)
        lost = min(peak - value, peak)
        bp = -(-lost * 10_000 // peak) if peak > 0 else 10_000
        found.append(Point(ts_ns, bp))
    return tuple(found)
