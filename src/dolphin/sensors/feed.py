"""One feed: its windows, its detectors, when it last spoke and when its next row is due. Implements `ports.Sensor`.

What belongs here: which rows cannot be read, and how rows of several kinds of one instrument meet. An instrument that
has ticks is judged by its ticks (`max_silence_ns` between two of them); one that has bars only, by the bars' interval.

The error of a reading is that of the last row: one bad row is an error until a good one follows. A row is bad where a
number is missing (None: the host's was non-finite, negative or absent), a size is negative, or the ask is below the bid
(a negative spread).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from dolphin.kernel.contracts import ensure
from dolphin.kernel.state import FeedKind
from dolphin.kernel.units import BP, NEVER_NS
from dolphin.nautilus.ports import Bar, FeedSpec, QuoteRow, Reading, Sessions, Trade
from dolphin.sensors.shock import ReturnShock, RiseShock
from dolphin.sensors.windows import Levels, Microstructure


class Habits(NamedTuple):
    """How a feed is judged. `shock_from_ns`: bars at least this long are looked at for shocks (0: none are)."""

    max_silence_ns: int
    interval_ns: int
    shock_from_ns: int
    spread_floor_bp: int


@ensure(lambda row, result: result is None or min(result[2:4]) >= 0)
def of_quote(row: QuoteRow) -> tuple[int, int, int, int, int] | None:
    """Time, delay, spread, size and mid of a quote; None where it cannot be read."""
    ts_event_ns, ts_init_ns, bid, ask, bid_lots, ask_lots = row
    if bid is None or ask is None or bid_lots is None or ask_lots is None:
        return None
    if ask < bid or bid_lots < 0 or ask_lots < 0:
        return None
    return ts_init_ns, ts_init_ns - ts_event_ns, ask - bid, bid_lots + ask_lots, abs(bid + ask) // 2


def of_trade(row: Trade) -> tuple[int, int] | None:
    """Time and delay of a print; None where it cannot be read."""
    if row.price_ticks is None or row.lots is None:
        return None
    if row.lots < 0:
        return None
    return row.ts_init_ns, row.ts_init_ns - row.ts_event_ns


class FeedSensor:
    """The sensor of one feed."""

    def __init__(self, spec: FeedSpec, sessions: Sessions, habits: Habits) -> None:
        self._spec = spec
        self._sessions = sessions
        self._habits = habits
        self._windows = Microstructure(habits.spread_floor_bp)
        self._returns: dict[int, ReturnShock] = {}
        self._rise = RiseShock()
        self._tick_ns = -1
        self._bar_ns = -1
        self._bar_interval_ns = habits.interval_ns
        self._bar_events: dict[int, int] = {}
        self._asked_ns = -1
        self._error = 0

    def quotes(self, times_ns: Sequence[int], rows: Callable[[Sequence[int]], Sequence[QuoteRow]]) -> None:
        """Take a stride of quotes."""
        if not times_ns:
            return
        self._windows.quotes(times_ns, rows, of_quote)
        (last,) = rows([len(times_ns) - 1])
        self._tick(times_ns[-1], of_quote(last) is None)

    def trades(self, times_ns: Sequence[int], rows: Callable[[Sequence[int]], Sequence[Trade]]) -> None:
        """Take a stride of prints."""
        if not times_ns:
            return
        self._windows.trades(times_ns, rows, of_trade)
        (last,) = rows([len(times_ns) - 1])
        self._tick(times_ns[-1], of_trade(last) is None)

    def depth(self, ts_event_ns: int, ts_init_ns: int, top_lots: int | None) -> None:
        """Take the size of the top five levels of both sides."""
        del ts_event_ns
        bad = True
        if top_lots is not None:
            if top_lots >= 0:
                bad = False
                self._windows.depth(ts_init_ns, top_lots)
        self._tick(ts_init_ns, bad)

    def _tick(self, ts_ns: int, bad: bool) -> None:
        self._tick_ns = max(self._tick_ns, ts_ns)
        self._error = int(bad)

    def bar(self, row: Bar) -> bool:
        """Take a bar; True if it is a shock of category 4.

        Of several bars with one time and interval (bid and ask), the first is looked at for shocks.
        """
        self._bar_ns = max(self._bar_ns, row.ts_init_ns)
        if row.interval_ns > 0:
            self._bar_interval_ns = row.interval_ns
        self._error = 0
        if row.close_ticks is None:
            self._error = 1
            return False
        if self._bar_events.get(row.interval_ns, -1) >= row.ts_event_ns:
            return False
        self._bar_events[row.interval_ns] = row.ts_event_ns
        return self._shock(row, row.close_ticks)

    def _shock(self, row: Bar, close_ticks: int) -> bool:
        if self._spec.kind == FeedKind.ENVIRONMENT:
            if close_ticks < 0:
                self._error = 1
                return False
            return self._rise.bar(row.ts_event_ns, close_ticks, row.interval_ns)
        from_ns = self._habits.shock_from_ns
        if from_ns == 0:
            return False
        if row.interval_ns < from_ns:
            return False
        detector = self._returns.setdefault(row.interval_ns, ReturnShock())
        return detector.bar(close_ticks)

    @ensure(lambda result: result.error in (0, 1))
    @ensure(lambda result: result.due_ns > result.seen_ns)
    def reading(self, now_ns: int) -> Reading:
        """What the feed says now."""
        if self._asked_ns < 0:
            self._asked_ns = now_ns
        seen_ns, interval_ns = self._tick_ns, self._habits.max_silence_ns
        if seen_ns < 0:  # where there were ticks, a bar is no sign that they still come
            seen_ns, interval_ns = self._bar_ns, self._bar_interval_ns
        if seen_ns < 0:
            return Reading(0, self._first_due_ns(now_ns), BP, 0)
        return Reading(seen_ns, self._due_ns(seen_ns, interval_ns), self._windows.level_bp(), self._error)

    def levels(self) -> Levels:
        """The four measurements behind R3, as of the last row: for whoever wants to know which of them spoke."""
        return self._windows.levels()

    def _due_ns(self, seen_ns: int, interval_ns: int) -> int:
        if self._spec.last_ns > 0:
            if seen_ns >= self._spec.last_ns:
                return NEVER_NS
        if interval_ns <= 0:
            return NEVER_NS
        return self._sessions.due_ns(seen_ns, interval_ns)

    def _first_due_ns(self, now_ns: int) -> int:
        """A feed is absent before its first row; where that is not known, it is awaited from the first question on."""
        if self._spec.first_ns > now_ns:
            return NEVER_NS
        if self._spec.first_ns > 0:
            return self._spec.first_ns
        interval_ns = self._habits.interval_ns
        if interval_ns <= 0:
            interval_ns = self._habits.max_silence_ns
        return self._sessions.due_ns(self._asked_ns, interval_ns)
