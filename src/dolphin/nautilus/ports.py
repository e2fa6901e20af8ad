"""What the plug-in (DAL A) needs of level B, as protocols: readings, detectors, sessions. app/ wires them.

What belongs here: shapes without Nautilus types. Times in ns since the epoch, prices in ticks of the instrument, sizes
in its lots, all integers; a host number that is non-finite, negative or missing arrives as None and makes the reading
an error (DESIGN.md 2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from dolphin.kernel.state import FeedKind


class FeedSpec(NamedTuple):
    """One feed as the header lists it. `instrument`: the Nautilus id's text, empty for feeds of none.

    `source`: the bar type or topic that feeds it, empty for "whatever comes of this instrument". Spans: 0 if unknown.
    """

    name: str
    kind: FeedKind
    instrument: str = ""
    source: str = ""
    first_ns: int = 0
    last_ns: int = 0


class Quote(NamedTuple):
    """Top of the book."""

    ts_event_ns: int
    ts_init_ns: int
    bid_ticks: int | None
    ask_ticks: int | None
    bid_lots: int | None
    ask_lots: int | None


type QuoteRow = tuple[int, int, int | None, int | None, int | None, int | None]
"""A Quote, or a tuple in its order: names take a fifth of the time in which a row is made."""


class Trade(NamedTuple):
    """A print."""

    ts_event_ns: int
    ts_init_ns: int
    price_ticks: int | None
    lots: int | None


class Bar(NamedTuple):
    """A closed bar; `interval_ns` as its bar type declares it."""

    ts_event_ns: int
    ts_init_ns: int
    close_ticks: int | None
    interval_ns: int


class Reading(NamedTuple):
    """What a feed says now: when it last spoke, when its next is due, its R3, whether it is unreadable."""

    seen_ns: int
    due_ns: int
    r3_bp: int
    error: int


class Sensor(Protocol):
    """One feed's readings. Nothing is called per quote: rows are handed over in strides, as their times (`ts_init`,
    oldest first) and a way to make the rows at given indices. Making one costs more than all else, so few are made.
    """

    def quotes(self, times_ns: Sequence[int], rows: Callable[[Sequence[int]], Sequence[QuoteRow]]) -> None: ...
    def trades(self, times_ns: Sequence[int], rows: Callable[[Sequence[int]], Sequence[Trade]]) -> None: ...
    def bar(self, row: Bar) -> bool:
        """Take a bar; True if it is a shock of category 4 (return beyond 4 sigma, VIX up 30 %)."""
        ...

    def depth(self, ts_event_ns: int, ts_init_ns: int, top_lots: int | None) -> None:
        """Take the size of the top five levels of both sides."""
        ...

    def reading(self, now_ns: int) -> Reading: ...


class Sessions(Protocol):
    """When a feed's market is open."""

    def open_at(self, ts_ns: int) -> bool: ...
    def due_ns(self, seen_ns: int, interval_ns: int) -> int:
        """When the next row is due, if the last came at `seen_ns` and one comes every `interval_ns` of open time."""
        ...


class SensorSource(Protocol):
    """Builds what the plug-in needs, once instruments are known."""

    def specs(self, instruments: Sequence[str]) -> tuple[FeedSpec, ...]:
        """The feeds of a run, in the header's order, for the instruments known at its start."""
        ...

    def sensor(self, spec: FeedSpec) -> Sensor: ...
    def sessions(self, spec: FeedSpec) -> Sessions: ...
