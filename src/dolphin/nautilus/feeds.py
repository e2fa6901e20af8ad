"""Market data to SEEN and SHOCK events: read in strides, stamped with the rows' own times.

What belongs here: subscriptions, the queues, and when a reading becomes an event. There is no Python frame per quote:
the message bus appends to a deque, which is read before any event is emitted, so that SEEN is never later than what
follows.

SEEN is emitted where the kernel would know something else by it: the feed's first row, another R3 or error, or a due
time that has passed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from nautilus_trader.model.enums import BarAggregation

from dolphin.kernel.events import Event, Seen, SensorError, Shock
from dolphin.kernel.state import Feed, FeedKind
from dolphin.kernel.units import NEVER_NS
from dolphin.nautilus.hook import PRIORITY
from dolphin.nautilus.ports import Bar, FeedSpec, Quote, QuoteRow, Reading, Sensor, SensorSource, Sessions, Trade
from dolphin.nautilus.translate import Scale, size_of, ticks_of

_UNITS_NS = {
    BarAggregation.MILLISECOND: 10**6,
    BarAggregation.SECOND: 10**9,
    BarAggregation.MINUTE: 60 * 10**9,
    BarAggregation.HOUR: 3_600 * 10**9,
    BarAggregation.DAY: 86_400 * 10**9,
    BarAggregation.WEEK: 7 * 86_400 * 10**9,
}


PLAIN_MAX = 1 << 40
"""Ticks and lots below this are exact by way of doubles whatever the increments are."""


class Line(NamedTuple):
    """One feed: its index in the header, what it is, its sensor and sessions, its instrument's scales, its queues."""

    number: int
    spec: FeedSpec
    sensor: Sensor
    sessions: Sessions
    scale: Scale | None
    quotes: deque[Any]
    trades: deque[Any]


def interval_ns(bar_type: Any) -> int:
    """The interval that a bar type declares; 0 for bars that are not of time."""
    spec = bar_type.spec
    return int(spec.step) * _UNITS_NS.get(spec.aggregation, 0)


def quotes_of(ticks: list[Any], scale: Scale) -> list[QuoteRow]:
    """Quotes in ticks and lots: the short way for plain numbers, the careful one for the rest."""
    price_power = scale.price_power
    tick_units = scale.tick_units
    size_power = scale.size_power
    lot_units = scale.lot_units
    rows: list[QuoteRow] = []
    for tick in ticks:
        try:
            bid = round(tick.bid_price.as_double() * price_power) // tick_units
            ask = round(tick.ask_price.as_double() * price_power) // tick_units
            bid_lots = round(tick.bid_size.as_double() * size_power) // lot_units
            ask_lots = round(tick.ask_size.as_double() * size_power) // lot_units
        except (ValueError, OverflowError):  # not a number, or infinite
            bid = ask = bid_lots = ask_lots = 0
        if bid <= 0:
            rows.append(_careful(tick, scale))
        elif bid + ask + bid_lots + ask_lots > PLAIN_MAX:
            rows.append(_careful(tick, scale))
        elif ask <= 0:
            rows.append(_careful(tick, scale))
        else:
            rows.append((tick.ts_event, tick.ts_init, bid, ask, bid_lots, ask_lots))
    return rows


def _careful(tick: Any, scale: Scale) -> Quote:
    return Quote(
        tick.ts_event,
        tick.ts_init,
        ticks_of(tick.bid_price, scale),
        ticks_of(tick.ask_price, scale),
        size_of(tick.bid_size, scale),
        size_of(tick.ask_size, scale),
    )


def trades_of(ticks: list[Any], scale: Scale) -> list[Trade]:
    """Prints in ticks and lots."""
    return [
        Trade(tick.ts_event, tick.ts_init, ticks_of(tick.price, scale), size_of(tick.size, scale)) for tick in ticks
    ]


class Feeds:
    """All feeds of a run. `emit` takes the events; `first` is the header's index of the first of these feeds."""

    def __init__(
        self, msgbus: Any, source: SensorSource, specs: tuple[FeedSpec, ...], scales: dict[str, Scale], first: int
    ) -> None:
        self._msgbus = msgbus
        self.lines: list[Line] = []
        self.by_instrument: dict[str, Line] = {}
        self._by_source: dict[str, Line] = {}
        self._first: deque[Any] = deque()
        self._awaited: dict[int, tuple[str, ...]] = {}
        self.stalled: dict[int, int] = {}
        self._said: dict[int, Reading] = {}
        self._subscribed: list[tuple[str, Callable[[Any], None]]] = []
        for offset, spec in enumerate(specs):
            scale = scales.get(spec.instrument)
            line = Line(first + offset, spec, source.sensor(spec), source.sessions(spec), scale, deque(), deque())
            self.lines.append(line)
            if spec.source:
                self._by_source[spec.source] = line
            if spec.kind == FeedKind.DATA:
                self.by_instrument.setdefault(spec.instrument, line)

    def subscribe(self) -> None:
        """Let the message bus fill the queues: quotes and trades of each instrument that has a feed of DATA."""
        for line in self.lines:
            if line.spec.kind != FeedKind.DATA:
                continue
            if line.scale is None:
                continue
            instrument_id = line.scale.instrument_id
            topic = f"{instrument_id.venue}.{instrument_id.symbol}"
            quotes, trades = f"data.quotes.{topic}", f"data.trades.{topic}"
            self._listen(quotes, line.quotes.append)
            self._listen(trades, line.trades.append)
            self._listen(quotes, self._first.append)
            self._listen(trades, self._first.append)
            self._awaited[line.number] = (quotes, trades)

    def _listen(self, topic: str, handler: Callable[[Any], None]) -> None:
        self._msgbus.subscribe(topic=topic, handler=handler, priority=PRIORITY)
        self._subscribed.append((topic, handler))

    def _spoken(self, line: Line) -> None:
        """A feed has spoken: its rows are no first ones any more."""
        for topic in self._awaited.pop(line.number, ()):
            self._msgbus.unsubscribe(topic=topic, handler=self._first.append)
            self._subscribed.remove((topic, self._first.append))

    def unsubscribe(self) -> None:
        """Take the queues off the message bus."""
        for topic, handler in self._subscribed:
            self._msgbus.unsubscribe(topic=topic, handler=handler)
        self._subscribed.clear()

    def waiting(self) -> bool:
        """Whether a row waits in any queue."""
        for line in self.lines:
            if line.quotes:
                return True
            if line.trades:
                return True
        return False

    def first_waits(self) -> bool:
        """Whether the first row of a feed waits: to the kernel it is absent, though it has spoken. Asked at each order,
        so no feed is looked at.
        """
        return len(self._first) > 0

    def first_due_ns(self, feeds: tuple[Feed, ...]) -> int:
        """The earliest time at which the kernel thinks that one of these feeds is due."""
        first_ns = NEVER_NS
        for line in self.lines:
            first_ns = min(first_ns, feeds[line.number].due_ns)
        return first_ns

    def line_of(self, instrument: str) -> Line | None:
        """The feed that judges orders on this instrument."""
        return self.by_instrument.get(instrument)

    def drain(self, feeds: tuple[Feed, ...], now_ns: int, always: bool = False) -> list[Event]:
        """Read all queues; the events that follow, oldest first."""
        events: list[Event] = []
        self._first.clear()
        for line in self.lines:
            if not self._taken(line):
                if not always:
                    continue
            self._read(line, feeds[line.number], now_ns, events)
        if len(events) > 1:
            events.sort(key=_time)
        return events

    def _taken(self, line: Line) -> bool:
        """Hand the rows that wait to their sensor. False if there were none."""
        if line.scale is None:
            return False
        if line.quotes:
            self._quotes(line, line.scale)
            if line.trades:
                self._trades(line, line.scale)
            return True
        if not line.trades:
            return False
        self._trades(line, line.scale)
        return True

    def bar(self, bar: Any, feeds: tuple[Feed, ...], now_ns: int) -> list[Event]:
        """Take a bar; the events that follow."""
        bar_type = bar.bar_type
        line = self._by_source.get(str(bar_type))
        if line is None:
            line = self.by_instrument.get(bar_type.instrument_id.value)
        if line is None:
            return []
        if line.scale is None:
            return []
        if self._is_stalled(line, bar.ts_init):
            return []
        row = Bar(bar.ts_event, bar.ts_init, ticks_of(bar.close, line.scale), interval_ns(bar_type))
        events: list[Event] = []
        shock = line.sensor.bar(row)
        self._read(line, feeds[line.number], now_ns, events)
        if shock:
            events.append(Shock(bar.ts_init))
        return events

    def _is_stalled(self, line: Line, ts_ns: int) -> bool:
        return ts_ns < self.stalled.get(line.number, 0)

    def _quotes(self, line: Line, scale: Scale) -> None:
        ticks = self._heard(line, line.quotes)
        if ticks:
            line.sensor.quotes(
                [tick.ts_init for tick in ticks], lambda at: quotes_of([ticks[index] for index in at], scale)
            )

    def _trades(self, line: Line, scale: Scale) -> None:
        ticks = self._heard(line, line.trades)
        if ticks:
            line.sensor.trades(
                [tick.ts_init for tick in ticks], lambda at: trades_of([ticks[index] for index in at], scale)
            )

    def _heard(self, line: Line, queue: deque[Any]) -> list[Any]:
        """The rows of a queue, less those of a scripted stall."""
        rows = list(queue)
        queue.clear()
        if line.number not in self.stalled:
            return rows
        heard = []
        for row in rows:
            if not self._is_stalled(line, row.ts_init):
                heard.append(row)
        return heard

    def _read(self, line: Line, feed: Feed, now_ns: int, events: list[Event]) -> None:
        reading = line.sensor.reading(now_ns)
        if reading.seen_ns <= 0:
            return
        if line.number in self._awaited:
            self._spoken(line)
        if not _tells(reading, feed, now_ns):
            return
        events.append(Seen(reading.seen_ns, line.number, reading.due_ns, reading.r3_bp, reading.error))
        if line.spec.kind == FeedKind.ENVIRONMENT:
            before = self._said.get(line.number)
            if reading.error != _error_of(before):
                events.append(SensorError(reading.seen_ns, 4, reading.error))
            self._said[line.number] = reading

    def fresh(self, line: Line, feed: Feed, now_ns: int) -> bool:
        """Whether an own order may leave: not late, and inside a session, or at the very row that ends one."""
        if feed.heard == 0:
            return False
        if now_ns > feed.due_ns:
            return False
        reading = line.sensor.reading(now_ns)
        if reading.error == 1:
            return False
        if reading.seen_ns == now_ns:
            return True
        if reading.seen_ns <= 0:
            return False
        return line.sessions.open_at(now_ns)


def _error_of(reading: Reading | None) -> int:
    if reading is None:
        return 0
    return reading.error


def _time(event: Event) -> int:
    return event.ts_ns


def _tells(reading: Reading, feed: Feed, now_ns: int) -> bool:
    """Whether the kernel would know something else by this reading."""
    if feed.heard == 0:
        return True
    if reading.error != feed.error:
        return True
    if reading.error == 1:
        return False
    if reading.r3_bp != feed.r3_bp:
        return True
    if feed.due_ns >= NEVER_NS:
        return reading.due_ns < NEVER_NS
    if reading.due_ns >= NEVER_NS:
        return True
    if reading.due_ns <= feed.due_ns:
        return False
    return feed.due_ns <= now_ns
