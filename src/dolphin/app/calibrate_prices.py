"""What the market did after a fall: was it worth it? And the worst that it did between two decisions.

What belongs here: a series of prices, and what is asked of it.

**False trip.** A fall of the posture is false where, until the posture before it was regained, the price went no
further from where it stood at the fall, up or down, than it goes in half of all spans of that length in the same data.
A sensor that trips at random is false in half of the cases; one that knows something, in fewer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from dolphin.app.calibrate_fold import Fall
from dolphin.kernel.units import NS_PER_S

if TYPE_CHECKING:
    from dolphin.app.data import Market

STARTS: Final = 200
"""Spans of one length that a fall is compared with, begun evenly over the data."""
STARTS_MIN: Final = 20
"""Fewer: nothing can be said."""
DECISION_NS: Final = 60 * NS_PER_S
"""Prices closer than this are one decision: the guard trims a position once a minute at most (DESIGN.md 2.3)."""


class Worst(NamedTuple):
    """The largest move between two decisions, either way, in ppm rounded up, when it ended, and of how many."""

    ppm: int
    ts_ns: int
    moves: int


class Prices:
    """Times (ns) and prices, oldest first."""

    def __init__(self, times: Sequence[int], values: Sequence[float]) -> None:
        self.times = np.array(times, dtype="int64")
        self.values = np.array(values, dtype="float64")
        self._usual: dict[int, float] = {}

    def excursion(self, from_ns: int, until_ns: int) -> float:
        """How far the price went from the last one at or before `from_ns`, as a share of it; -1 where there is none."""
        first = int(np.searchsorted(self.times, from_ns, side="right"))
        end = int(np.searchsorted(self.times, until_ns, side="right"))
        if first == 0 or end <= first:
            return -1.0
        base = self.values[first - 1]
        span = self.values[first:end]
        return float(max(span.max() - base, base - span.min()) / base)

    def usual(self, length_ns: int) -> float:
        """The median excursion of spans of this length; -1 where the data hold too few of them."""
        if length_ns not in self._usual:
            self._usual[length_ns] = self._median(length_ns)
        return self._usual[length_ns]

    def _median(self, length_ns: int) -> float:
        if not len(self.times):
            return -1.0
        last = bisect_right(self.times, int(self.times[-1]) - length_ns)
        if last < STARTS_MIN:
            return -1.0
        starts = np.unique(np.linspace(0, last - 1, STARTS).astype("int64"))
        found = [self.excursion(int(self.times[at]), int(self.times[at]) + length_ns) for at in starts]
        found = sorted(value for value in found if value >= 0)
        return found[(len(found) - 1) // 2] if len(found) >= STARTS_MIN else -1.0

    def false(self, fall: Fall) -> bool | None:
        """Whether the fall was for nothing; None where these data cannot say."""
        went = self.excursion(fall.ts_ns, fall.back_ns)
        usual = self.usual(fall.back_ns - fall.ts_ns)
        if went < 0 or usual < 0:
            return None
        return went <= usual

    def worst(self) -> Worst:
        """The largest move from one decision to the next."""
        if len(self.times) < 2:
            return Worst(0, 0, 0)
        cells = self.times // DECISION_NS
        last = np.append(np.flatnonzero(np.diff(cells)), len(cells) - 1)
        values, times = self.values[last], self.times[last]
        if len(values) < 2:
            return Worst(0, 0, 0)
        moves = np.abs(np.diff(values) / values[:-1])
        at = int(moves.argmax())
        return Worst(int(np.ceil(moves[at] * 1_000_000)), int(times[at + 1]), len(moves))


def of_market(market: Market) -> Prices:
    """The prices of the traded instrument: of the strategy's bars, else of quotes (the middle), else of trades."""
    times: list[int] = []
    values: list[float] = []
    bars = market.bar_type.is_externally_aggregated()
    quotes = any(hasattr(row, "bid_price") for row in market.rows)
    for row in market.rows:
        price = 0.0
        if bars:
            if getattr(row, "bar_type", None) == market.bar_type:
                price = row.close.as_double()
        elif quotes:
            if hasattr(row, "bid_price"):
                price = (row.bid_price.as_double() + row.ask_price.as_double()) / 2
        elif hasattr(row, "aggressor_side"):
            price = row.price.as_double()
        if price > 0:
            times.append(row.ts_init)
            values.append(price)
    return Prices(times, values)
