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

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple, Protocol, overload

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
KINDS = ("quotes", "trades")
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


class Levels(NamedTuple):
    """What the windows say, in the units of the kernel's ramps; UNKNOWN where there is no verdict."""

    excess_ms: int = UNKNOWN
    jitter_ms: int = UNKNOWN
    depth_bp: int = UNKNOWN
    spread_bp: int = UNKNOWN


def quantile(ordered: list[int], of: int, among: int) -> int:
    """The smallest value that at least `of`/`among` of the sorted values do not exceed."""
    return ordered[-(-len(ordered) * of // among) - 1]


def _ms_up(ns: int) -> int:
    return -(-ns // NS_PER_MS)


class Window:
    """One measurement on the fine grid (10 s) and on the coarse one (10 minutes)."""

    __slots__ = ("base", "base_ts", "cell", "short", "short_ts")

    def __init__(self) -> None:
        self.short_ts: list[int] = []
        self.short: list[int] = []
        self.base_ts: list[int] = []
        self.base: list[int] = []
        self.cell = -1

    def add(self, ts_ns: int, value: int) -> None:
        """One sample; the first of each coarse cell goes to the baseline too."""
        self.short_ts.append(ts_ns)
        self.short.append(value)
        cell = ts_ns // BASE_GRID_NS
        if cell > self.cell:
            self.cell = cell
            self.base_ts.append(ts_ns)
            self.base.append(value)
        if len(self.short) > _KEEP:
            _forget(self.short_ts, self.short, ts_ns - SHORT_NS)
            _forget(self.base_ts, self.base, ts_ns - LONG_NS - RENEW_NS)

    def recent(self, now_ns: int) -> list[int]:
        """The samples of the 10 s up to `now_ns`, sorted."""
        return sorted(self.short[bisect_right(self.short_ts, now_ns - SHORT_NS) :])

    def baseline(self, until_ns: int) -> list[int]:
        """The coarse samples of the 10 minutes before `until_ns`, sorted."""
        first = bisect_left(self.base_ts, until_ns - LONG_NS)
        return sorted(self.base[first : bisect_left(self.base_ts, until_ns)])


def _forget(times: list[int], values: list[int], until_ns: int) -> None:
    first = bisect_right(times, until_ns)
    del times[:first]
    del values[:first]


class Microstructure:
    """All windows of one instrument. `level_bp` gives the minimum of its sensors."""

    def __init__(self, spread_floor_bp: int) -> None:
        self._floor_bp = spread_floor_bp
        self._delay = Window()
        self._trade_delay = Window()
        self._depth = Window()
        self._spread = Window()
        self._cells = dict.fromkeys(KINDS, -1)
        self._last_ns = -1
        self._mid_ticks = 0
        self._renewed = -1
        self._median_depth = UNKNOWN
        self._median_spread = UNKNOWN
        self._lowest_ns = UNKNOWN
        self._book = False
        self._levels = Levels()
        self._fresh = True

    def sampled[Row: tuple[int | None, ...]](
        self, kind: str, rows: Rows[Row], bad: Callable[[Row], bool], take: Callable[[Row], None]
    ) -> None:
        """Call `take` on the first good row of each fine cell. `rows`: oldest first, `ts_init` second."""
        done = self._cells[kind]
        index = 0
        count = len(rows)
        while index < count:
            row = rows[index]
            index += 1
            ts_ns = row[1]
            assert ts_ns is not None
            cell = ts_ns // GRID_NS
            if cell > done:
                if bad(row):
                    continue
                done = cell
                take(row)
            index = _skip(rows, index, count, (done + 1) * GRID_NS)
        self._cells[kind] = done

    def quote(self, ts_ns: int, delay_ns: int, spread_ticks: int, mid_ticks: int, top_lots: int) -> None:
        """One sampled quote."""
        self._arrived(ts_ns)
        self._delay.add(ts_ns, delay_ns)
        self._spread.add(ts_ns, spread_ticks)
        self._mid_ticks = mid_ticks
        if not self._book:
            self._depth.add(ts_ns, top_lots)

    def trade(self, ts_ns: int, delay_ns: int) -> None:
        """One sampled trade; its delay counts where there are no quotes."""
        self._arrived(ts_ns)
        self._trade_delay.add(ts_ns, delay_ns)

    def depth(self, ts_ns: int, top_lots: int) -> None:
        """Five levels of both sides. From the first of these on, the sizes of quotes no longer count as depth."""
        if not self._book:
            self._book = True
            self._depth = Window()
            self._renewed = -1
        self._depth.add(ts_ns, top_lots)
        self._arrived(ts_ns)

    def _arrived(self, ts_ns: int) -> None:
        self._last_ns = max(self._last_ns, ts_ns)
        self._fresh = False

    def levels(self) -> Levels:
        """The four measurements as of the last sampled row."""
        if not self._fresh:
            self._levels = self._computed()
            self._fresh = True
        return self._levels

    def _computed(self) -> Levels:
        now_ns = self._last_ns
        delay = self._delay
        if not delay.short:
            delay = self._trade_delay
        renewed = now_ns // RENEW_NS
        if renewed != self._renewed:
            self._renewed = renewed
            self._median_depth = _median(self._depth, renewed * RENEW_NS)
            self._median_spread = _median(self._spread, renewed * RENEW_NS)
            self._lowest_ns = min(delay.baseline(renewed * RENEW_NS), default=NEVER_NS)
        excess_ms, jitter_ms = self._delays(delay.recent(now_ns))
        return Levels(excess_ms, jitter_ms, self._depth_bp(now_ns), self._spread_bp(now_ns))

    def _delays(self, recent: list[int]) -> tuple[int, int]:
        if len(recent) < SAMPLES_MIN:
            return UNKNOWN, UNKNOWN
        excess_ns = quantile(recent, 9, 10) - min(self._lowest_ns, recent[0])
        return _ms_up(excess_ns), _ms_up(quantile(recent, 3, 4) - quantile(recent, 1, 4))

    def _depth_bp(self, now_ns: int) -> int:
        if self._median_depth <= 0:
            return UNKNOWN
        recent = self._depth.recent(now_ns)
        if not recent:
            return UNKNOWN
        return quantile(recent, 3, 4) * BP // self._median_depth

    def _spread_bp(self, now_ns: int) -> int:
        if self._median_spread < 0:
            return UNKNOWN
        recent = self._spread.recent(now_ns)
        if not recent:
            return UNKNOWN
        # In a market of one tick, two ticks are no stress: nothing below the floor is.
        usual = max(self._median_spread, self._mid_ticks * self._floor_bp // BP, 1)
        return -(-quantile(recent, 1, 2) * BP // usual)

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


def _median(window: Window, until_ns: int) -> int:
    samples = window.baseline(until_ns)
    if len(samples) < SAMPLES_MIN:
        return UNKNOWN
    return quantile(samples, 1, 2)


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
