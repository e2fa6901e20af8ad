"""The windows of category 3: delay, depth and spread of one instrument, and what they are worth (DESIGN.md 2.1).

What belongs here: sampling of rows on a grid of time, order statistics over 10 s and 10 minutes, and their way through
the ramps of the kernel. No sessions, no errors: a row that cannot be read never comes here.

Rows are sampled, the first of each 250 ms cell of `ts_init`, because quotes may be 1 ms apart and none of these
statistics needs all of them. A baseline is the median over 10 minutes of one sample every 2 s, renewed every 10 s. Both
grids are absolute: strides of any length give the same readings. A caller hands over the times of its rows and a way to
make any of them: most rows of a stride are never more than their time.

"Now" is the last 10 s, not the last row: the size at the top of a real book jumps by factors of hundreds from one row
to the next (BTCUSDT, January 2021), and confidence that is cut is earned back at 1 % a minute only. Depth is the upper
quartile of its 10 s (what the book showed a quarter of the time), spread the median of its 10 s.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dolphin.kernel.contracts import ensure
from dolphin.kernel.policy import FLOOR_BP
from dolphin.kernel.survival import least, r3_depth, r3_jitter, r3_latency, r3_spread
from dolphin.kernel.units import BP, NEVER_NS, NS_PER_MS, NS_PER_S

GRID_NS = 250 * NS_PER_MS
SHORT_NS = 10 * NS_PER_S
LONG_NS = 600 * NS_PER_S
BASE_GRID_NS = 2 * NS_PER_S
RENEW_NS = 10 * NS_PER_S
SAMPLES_MIN = 20
"""Fewer samples than this, in the last 10 s or in a baseline: no verdict."""
UNKNOWN = -1
"""No such measurement in this row (a trade has no spread)."""
_KEEP = 4_096

type Rows[Row] = Callable[[Sequence[int]], Sequence[Row]]
"""Makes the rows at these indices of a stride."""
type Taker[Row] = Callable[[Row], tuple[int, ...] | None]


class Levels(NamedTuple):
    """What the windows say, in the units of the kernel's ramps; UNKNOWN where there is no verdict."""

    excess_ms: int = UNKNOWN
    jitter_ms: int = UNKNOWN
    depth_bp: int = UNKNOWN
    spread_bp: int = UNKNOWN


@ensure(lambda ordered, of, among, result: result in ordered)
def quantile(ordered: list[int], of: int, among: int) -> int:
    """The smallest value that at least `of`/`among` of the sorted values do not exceed."""
    return ordered[-(-len(ordered) * of // among) - 1]


def _ms_up(ns: int) -> int:
    return -(-ns // NS_PER_MS)


class Window:
    """Samples of one kind of row: all of the last 10 s, and the first of each coarse cell of the last 10 minutes.

    A sample is a tuple that begins with its time. The baseline, of which hundreds are read at a time, is kept as one
    list a measurement.
    """

    __slots__ = ("base", "cell", "coarse", "last_ns", "short")

    def __init__(self, width: int) -> None:
        self.short: list[tuple[int, ...]] = []
        self.base: list[list[int]] = [[] for _ in range(width)]
        self.cell = -1
        self.coarse = -1
        self.last_ns = -1

    def add(self, samples: list[tuple[int, ...]]) -> None:
        """Samples, oldest first; the first of each coarse cell goes to the baseline too."""
        self.short += samples
        for sample in samples:
            coarse = sample[0] // BASE_GRID_NS
            if coarse > self.coarse:
                self.coarse = coarse
                for values, value in zip(self.base, sample, strict=True):
                    values.append(value)
        self.last_ns = samples[-1][0]
        self.cell = self.last_ns // GRID_NS
        if len(self.short) > _KEEP:
            del self.short[: bisect_left(self.short, (self.last_ns - SHORT_NS,))]
        if len(self.base[0]) > _KEEP:
            first = bisect_left(self.base[0], self.last_ns - LONG_NS - RENEW_NS)
            for values in self.base:
                del values[:first]

    def recent(self, now_ns: int) -> list[tuple[int, ...]]:
        """The samples of the 10 s up to `now_ns`."""
        return self.short[bisect_left(self.short, (now_ns - SHORT_NS + 1,)) :]

    def baseline(self, index: int, until_ns: int) -> list[int]:
        """One measurement of the coarse grid in the 10 minutes before `until_ns`, sorted."""
        times_ns = self.base[0]
        return sorted(self.base[index][bisect_left(times_ns, until_ns - LONG_NS) : bisect_left(times_ns, until_ns)])


def column(samples: list[tuple[int, ...]], index: int) -> list[int]:
    """One measurement of the samples, sorted."""
    return sorted([sample[index] for sample in samples])


class Microstructure:
    """All windows of one instrument. `level_bp` gives the minimum of its sensors."""

    def __init__(self, spread_floor_bp: int) -> None:
        self._floor_bp = spread_floor_bp
        self._quotes = Window(5)  # time, delay, spread, size, mid
        self._trades = Window(2)  # time, delay
        self._books = Window(2)  # time, size
        self._renewed = -1
        self._median_depth = UNKNOWN
        self._median_spread = UNKNOWN
        self._lowest_ns = NEVER_NS
        self._levels = Levels()
        self._fresh = True

    def quotes[Row](self, times_ns: Sequence[int], rows: Rows[Row], take: Taker[Row]) -> None:
        """Take a stride of quotes; `take` makes (time, delay, spread, size, mid) of a row, None of a bad one."""
        if sampled(self._quotes, times_ns, rows, take):
            self._fresh = False

    def trades[Row](self, times_ns: Sequence[int], rows: Rows[Row], take: Taker[Row]) -> None:
        """Take a stride of prints; `take` makes (time, delay). Their delay counts where there are no quotes."""
        if sampled(self._trades, times_ns, rows, take):
            self._fresh = False

    def depth(self, ts_ns: int, top_lots: int) -> None:
        """Five levels of both sides. From the first of these on, the sizes of quotes no longer count as depth."""
        self._fresh = False
        if self._books.last_ns < 0:
            self._renewed = -1
        self._books.add([(ts_ns, top_lots)])

    def levels(self) -> Levels:
        """The four measurements as of the last sampled row."""
        if not self._fresh:
            self._levels = self._computed()
            self._fresh = True
        return self._levels

    def _computed(self) -> Levels:
        quotes = self._quotes
        timed = self._trades if quotes.last_ns < 0 else quotes
        sized, at = (quotes, 3) if self._books.last_ns < 0 else (self._books, 1)
        now_ns = max(timed.last_ns, sized.last_ns, quotes.last_ns)
        renewed = now_ns // RENEW_NS
        if renewed != self._renewed:
            self._renewed = renewed
            until_ns = renewed * RENEW_NS
            self._median_depth = _median(sized.baseline(at, until_ns))
            self._median_spread = _median(quotes.baseline(2, until_ns))
            self._lowest_ns = next(iter(timed.baseline(1, until_ns)), NEVER_NS)
        quoted = quotes.recent(now_ns)
        delays = column(quoted if timed is quotes else timed.recent(now_ns), 1)
        sizes = column(quoted if sized is quotes else sized.recent(now_ns), at)
        excess_ms, jitter_ms = self._delays(delays)
        return Levels(excess_ms, jitter_ms, self._depth_bp(sizes), self._spread_bp(quoted))

    def _delays(self, recent: list[int]) -> tuple[int, int]:
        if len(recent) < SAMPLES_MIN:
            return UNKNOWN, UNKNOWN
        excess_ns = quantile(recent, 9, 10) - min(self._lowest_ns, recent[0])
        return _ms_up(excess_ns), _ms_up(quantile(recent, 3, 4) - quantile(recent, 1, 4))

    def _depth_bp(self, recent: list[int]) -> int:
        if self._median_depth <= 0:
            return UNKNOWN
        if not recent:
            return UNKNOWN
        return quantile(recent, 3, 4) * BP // self._median_depth

    def _spread_bp(self, recent: list[tuple[int, ...]]) -> int:
        if self._median_spread < 0:
            return UNKNOWN
        if not recent:
            return UNKNOWN
        # In a market of one tick, two ticks are no stress: nothing below the floor is.
        usual = max(self._median_spread, recent[-1][4] * self._floor_bp // BP, 1)
        return -(-quantile(column(recent, 2), 1, 2) * BP // usual)

    @ensure(lambda self, result: result >= FLOOR_BP)
    @ensure(lambda self, result: result <= BP)
    def level_bp(self) -> int:
        """R3: the minimum of the sensors that have a verdict."""
        levels = self.levels()
        level_bp = BP
        if levels.excess_ms >= 0:
            level_bp = least(r3_latency(levels.excess_ms), r3_jitter(levels.jitter_ms))
        if levels.depth_bp >= 0:
            level_bp = least(level_bp, r3_depth(levels.depth_bp))
        if levels.spread_bp >= 0:
            level_bp = least(level_bp, r3_spread(levels.spread_bp))
        return level_bp


def _median(values: list[int]) -> int:
    if len(values) < SAMPLES_MIN:
        return UNKNOWN
    return quantile(values, 1, 2)


def first_of_cells(times_ns: Sequence[int], cell: int, coarse: int) -> list[int]:
    """The indices of the first row of each cell after `cell`; `coarse`: the last cell of the coarse grid.

    Only the end of a long stride can still be in the 10 s of a later question: what lies before it is sampled on the
    coarse grid, which is the fine one's subset, so that the length of a stride changes no reading.
    """
    count = len(times_ns)
    fine_ns = times_ns[-1] - SHORT_NS - GRID_NS
    found = []
    index = 0
    while index < count:
        ts_ns = times_ns[index]
        here = ts_ns // GRID_NS
        if here > cell:
            found.append(index)
            cell = here
        end_ns = (cell + 1) * GRID_NS
        if end_ns < fine_ns:
            coarse = max(coarse, ts_ns // BASE_GRID_NS)
            end_ns = min((coarse + 1) * BASE_GRID_NS, fine_ns // GRID_NS * GRID_NS)
        index = bisect_left(times_ns, end_ns, index + 1)
    return found


def sampled[Row](window: Window, times_ns: Sequence[int], rows: Rows[Row], take: Taker[Row]) -> bool:
    """Add the first good row of each cell of time; True if there was one. `times_ns`: `ts_init`, oldest first.

    The 10 s of a later question end at the last good row: bad ones after it are none, for the grid as for the window.
    Only a stride of more than 10 s has rows outside of them.
    """
    count = len(times_ns)
    if times_ns[-1] - times_ns[0] > SHORT_NS:
        count = _good_until(count, rows, take)
        if count == 0:
            return False
        times_ns = times_ns[:count]
    indices = first_of_cells(times_ns, window.cell, window.coarse)
    samples = []
    ends = [*indices[1:], count]
    for row, index, end in zip(rows(indices), indices, ends, strict=False):
        sample = take(row)
        if sample is None:
            sample = _next_good(index + 1, end, rows, take)
            if sample is None:
                continue
        samples.append(sample)
    if not samples:
        return False
    window.add(samples)
    return True


def _good_until[Row](count: int, rows: Rows[Row], take: Taker[Row]) -> int:
    """How many of the first `count` rows there are up to the last good one, with it."""
    while count > 0:
        (row,) = rows([count - 1])
        if take(row) is not None:
            break
        count -= 1
    return count


def _next_good[Row](index: int, end: int, rows: Rows[Row], take: Taker[Row]) -> tuple[int, ...] | None:
    """A sample of the first good row after a bad one, before the next one that is sampled anyway."""
    while index < end:
        (row,) = rows([index])
        sample = take(row)
        if sample is not None:
            return sample
        index += 1
    return None
