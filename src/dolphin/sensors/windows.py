"""The windows of category 3: delay, depth and spread of one instrument, and what they are worth (DESIGN.md 2.1).

What belongs here: sampling of rows on a grid of time, order statistics over 10 s and 10 minutes, and their way through
the ramps of the kernel. No sessions, no errors: a row that cannot be read never comes here.

Rows are sampled, the first of each 250 ms cell of `ts_init`, because quotes may be 1 ms apart and none of these
statistics needs all of them. A baseline is the median over 10 minutes of one sample every 2 s, renewed every 10 s. Both
grids are absolute: strides of any length give the same readings. A caller may hand over a lazy sequence: only sampled
rows and the last one are touched, beside O(log n) timestamps a sample.

"Now" is the last 10 s, not the last row: the size at the top of a real book jumps by factors of hundreds from one row
to the next (BTCUSDT, January 2021), and confidence that is cut is earned back at 1 % a minute only. Depth is the upper
quartile of its 10 s (what the book showed a quarter of the time), spread the median of its 10 s.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple, Protocol, overload

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
_LOOK_AHEAD = 4

_ts_init: Callable[[tuple[int, ...]], int] = itemgetter(1)


class Rows[Row](Protocol):
    """What is needed of a stride: `collections.abc.Sequence` without its mix-ins."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> Row: ...
    @overload
    def __getitem__(self, index: slice, /) -> object: ...


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

    A sample is a tuple that begins with its time.
    """

    __slots__ = ("base", "cell", "coarse", "short")

    def __init__(self) -> None:
        self.short: list[tuple[int, ...]] = []
        self.base: list[tuple[int, ...]] = []
        self.cell = -1
        self.coarse = -1

    def add(self, sample: tuple[int, ...]) -> None:
        """One sample; the first of each coarse cell goes to the baseline too."""
        self.short.append(sample)
        coarse = sample[0] // BASE_GRID_NS
        if coarse > self.coarse:
            self.coarse = coarse
            self.base.append(sample)
            if len(self.base) > _KEEP:
                del self.base[: bisect_left(self.base, (sample[0] - LONG_NS - RENEW_NS,))]
            if len(self.short) > _KEEP:
                del self.short[: bisect_left(self.short, (sample[0] - SHORT_NS,))]

    def recent(self, now_ns: int) -> list[tuple[int, ...]]:
        """The samples of the 10 s up to `now_ns`."""
        return self.short[bisect_left(self.short, (now_ns - SHORT_NS + 1,)) :]

    def baseline(self, until_ns: int) -> list[tuple[int, ...]]:
        """The coarse samples of the 10 minutes before `until_ns`."""
        return self.base[bisect_left(self.base, (until_ns - LONG_NS,)) : bisect_left(self.base, (until_ns,))]


def column(samples: list[tuple[int, ...]], index: int) -> list[int]:
    """One measurement of the samples, sorted."""
    return sorted([sample[index] for sample in samples])


class Microstructure:
    """All windows of one instrument. `level_bp` gives the minimum of its sensors."""

    def __init__(self, spread_floor_bp: int) -> None:
        self._floor_bp = spread_floor_bp
        self._quotes = Window()  # time, delay, spread, size, mid
        self._trades = Window()  # time, delay
        self._books = Window()  # time, size
        self._renewed = -1
        self._median_depth = UNKNOWN
        self._median_spread = UNKNOWN
        self._lowest_ns = NEVER_NS
        self._levels = Levels()
        self._fresh = True

    def quotes[Row: tuple[int | None, ...]](self, rows: Rows[Row], take: Taker[Row]) -> None:
        """Take a stride of quotes; `take` makes (time, delay, spread, size, mid) of a row, None of a bad one."""
        if sampled(self._quotes, rows, take):
            self._fresh = False

    def trades[Row: tuple[int | None, ...]](self, rows: Rows[Row], take: Taker[Row]) -> None:
        """Take a stride of prints; `take` makes (time, delay). Their delay counts where there are no quotes."""
        if sampled(self._trades, rows, take):
            self._fresh = False

    def depth(self, ts_ns: int, top_lots: int) -> None:
        """Five levels of both sides. From the first of these on, the sizes of quotes no longer count as depth."""
        self._fresh = False
        if not self._books.short:
            self._renewed = -1
        self._books.add((ts_ns, top_lots))

    def levels(self) -> Levels:
        """The four measurements as of the last sampled row."""
        if not self._fresh:
            self._levels = self._computed()
            self._fresh = True
        return self._levels

    def _computed(self) -> Levels:
        timed = self._quotes if self._quotes.short else self._trades
        sized, at = (self._books, 1) if self._books.short else (self._quotes, 3)
        now_ns = max(window.short[-1][0] for window in (timed, sized, self._quotes) if window.short)
        renewed = now_ns // RENEW_NS
        if renewed != self._renewed:
            self._renewed = renewed
            until_ns = renewed * RENEW_NS
            self._median_depth = _median(sized.baseline(until_ns), at)
            self._median_spread = _median(self._quotes.baseline(until_ns), 2)
            self._lowest_ns = min(column(timed.baseline(until_ns), 1), default=NEVER_NS)
        excess_ms, jitter_ms = self._delays(column(timed.recent(now_ns), 1))
        depth_bp = self._depth_bp(column(sized.recent(now_ns), at))
        return Levels(excess_ms, jitter_ms, depth_bp, self._spread_bp(self._quotes.recent(now_ns)))

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


def _median(samples: list[tuple[int, ...]], index: int) -> int:
    if len(samples) < SAMPLES_MIN:
        return UNKNOWN
    return quantile(column(samples, index), 1, 2)


def sampled[Row: tuple[int | None, ...]](window: Window, rows: Rows[Row], take: Taker[Row]) -> bool:
    """Add the first good row of each cell of time; True if there was one. `rows`: oldest first, `ts_init` second.

    Only the end of a long stride can still be in the 10 s of a later question: what lies before it is sampled on the
    coarse grid, which is the fine one's subset, so that the length of a stride changes no reading.
    """
    count = len(rows)
    fine_ns = _ts_init(rows[count - 1]) - SHORT_NS - GRID_NS  # type: ignore[arg-type]
    cell = window.cell
    index = 0
    while index < count:
        row = rows[index]
        index += 1
        ts_ns: int = _ts_init(row)  # type: ignore[arg-type]
        if ts_ns // GRID_NS > cell:
            sample = take(row)
            if sample is None:
                continue
            window.add(sample)
            cell = ts_ns // GRID_NS
        end_ns = (cell + 1) * GRID_NS
        if end_ns < fine_ns:
            end_ns = min((window.coarse + 1) * BASE_GRID_NS, fine_ns // GRID_NS * GRID_NS)
        index = _skip(rows, index, count, end_ns)
    added = cell != window.cell
    window.cell = cell
    return added


def _skip[Row: tuple[int | None, ...]](rows: Rows[Row], index: int, count: int, end_ns: int) -> int:
    """The index of the first row at or after `end_ns`: a few looks ahead, then bisection."""
    near = min(index + _LOOK_AHEAD, count)
    while index < near:
        if _ts_init(rows[index]) >= end_ns:  # type: ignore[arg-type]
            return index
        index += 1
    if index == count:
        return count
    return bisect_left(rows, end_ns, index, count, key=_ts_init)  # type: ignore[arg-type]
