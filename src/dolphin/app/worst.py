"""What an account did, from samples taken before every decision: worst day and its explanation, ruin, bankruptcy.

What belongs here: arithmetic on samples. Each sample is taken when a price arrives, before anybody acts on it: its
`units` is what the decisions until then had made of the position, so that equity moves from one sample to the next by
units times the price's move, and by what was paid (fees, spread, slippage).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from dolphin.app.results import Mark, Point, WorstDay
from dolphin.kernel.units import NS_PER_S

DAY_NS = 86_400 * NS_PER_S
PPM = 1_000_000
RUIN_PPM = 10_000
"""Ruin: equity at or below 1 % of its peak, at any sample."""


class Sample(NamedTuple):
    """`equity` in minor units, `units` signed and in whole units of the instrument, `price` in the quote currency, of
    which one is worth `rate` in the account's.
    """

    ts_ns: int
    equity: int
    units: float
    price: float
    rate: float = 1.0


def day_of(ts_ns: int) -> int:
    """The UTC day of a sample; midnight itself ends the day before it (a bar that is stamped with its close)."""
    return (ts_ns - 1) // DAY_NS


def day_text(ts_ns: int) -> str:
    """That day as people write it."""
    return datetime.fromtimestamp(day_of(ts_ns) * 86_400, UTC).date().isoformat()


def worst_day(samples: Sequence[Sample], minor_per_unit: int) -> WorstDay | None:
    """The day with the smallest return among those that began with something to lose."""
    found: WorstDay | None = None
    start = 0
    for index in range(1, len(samples) + 1):
        if index < len(samples):
            if day_of(samples[index].ts_ns) == day_of(samples[start].ts_ns):
                continue
        if start > 0:
            day = _day(samples[start - 1 : index], minor_per_unit)
            if day is not None:
                if found is None or day.return_ppm < found.return_ppm:
                    found = day
        start = index
    return found


def _day(samples: Sequence[Sample], minor_per_unit: int) -> WorstDay | None:
    """One day, from the last sample before it."""
    before = samples[0]
    if before.equity <= 0:
        return None
    equity = before.equity / minor_per_unit
    gained = 0.0
    for last, now in pairwise(samples):
        gained += now.units * (now.price - last.price) * now.rate
    held = samples[1].units
    last = samples[-1]
    return WorstDay(
        day=day_text(last.ts_ns),
        start_ns=before.ts_ns,
        return_ppm=round((last.equity - before.equity) * PPM / before.equity),
        leverage_bp=round(held * before.price * before.rate / equity * 10_000),
        move_ppm=round((last.price / before.price - 1) * PPM) if before.price > 0 else 0,
        explained_ppm=round(gained / equity * PPM),
        steps=len(samples) - 1,
    )


def ends(samples: Sequence[Sample]) -> list[Mark]:
    """RUIN and BANKRUPT, each at its first sample."""
    marks: list[Mark] = []
    peak = 0
    ruined = False
    for sample in samples:
        peak = max(peak, sample.equity)
        if not ruined:
            if sample.equity * PPM <= peak * RUIN_PPM:
                ruined = True
                marks.append(Mark(sample.ts_ns, "RUIN", "equity at or below 1 % of its peak"))
        if sample.equity <= 0:
            marks.append(Mark(sample.ts_ns, "BANKRUPT", "equity at or below zero; Nautilus lets it trade on"))
            return marks
    return marks


def points(samples: Sequence[Sample]) -> tuple[Point, ...]:
    """The equity of the samples."""
    return tuple(Point(sample.ts_ns, sample.equity) for sample in samples)
