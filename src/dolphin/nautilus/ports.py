"""What the plug-in (DAL A) needs of level B, as protocols: readings, detectors, sessions, limits. app/ wires them.

What belongs here: shapes without Nautilus types. Times in ns since the epoch, prices in ticks of the instrument, sizes
in its lots, all integers; a host number that is non-finite, negative or missing arrives as None and makes the reading
an error (DESIGN.md 2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

from dolphin.kernel.events import Order
from dolphin.kernel.orders import Split
from dolphin.kernel.state import FeedKind
from dolphin.kernel.units import ABSENT


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


class Row(NamedTuple):
    """One position with what works on it, and whose it is. Lots signed, `held` their signed value in minor units; what
    works by side, in lots and in value. `margin`: what all of it takes, where a limit wants that.
    """

    instrument: str
    venue: str
    strategy: str
    lots: int
    held: int
    buy_lots: int
    sell_lots: int
    buys: int
    sells: int
    margin: int


class Priced(NamedTuple):
    """An instrument's price now: twice the middle of its quote, or twice the last, in price units; 0: not known.
    `inverse` 1: what it is worth falls as its price rises.
    """

    instrument: str
    price: int
    inverse: int


class Loaded(NamedTuple):
    """Prices of before the first run were looked at: what is to be said, and journalled, of it; empty: nothing is."""

    said: str = ""
    note: Mapping[str, Any] = {}


NOT_LOADED: Final = Loaded()


class Looked(NamedTuple):
    """What the plug-in saw of an order for the limits. Prices in price units (0: not known); ABSENT where nothing is.

    `minor`: minor units in one of the account's currency, 0 without an account. `priced` 1: it has a limit `price`.
    `list_lots`, `list_minor`: entry parts of the list that it is in, on its side of the instrument, and of all of it.
    `rows`: where a limit wants them, shared by all that is looked at in one instant; the order itself works in none of
    them, the parts of its list that were judged before it do, each as a row, and `before` says how many those are.
    `fresh` 1: a new order, 0: a modification. `crosses` 1: it would trade with an order of this book. `free`: what the
    account says is free, `margin_u` what a lot takes in micro-units, 0 where nobody knows. `exit_u`: micro-units at
    which a lot of the position that the order reduces is counted, 0 where it reduces none.
    """

    order: Order
    cut: Split
    instrument: str
    venue: str
    strategy: str
    minor: int
    size_power: int
    lot_units: int
    priced: int
    price: int
    bid: int
    ask: int
    last: int
    price_age_ns: int
    list_lots: int
    list_minor: int
    rows: Sequence[Row]
    fresh: int
    crosses: int
    drawdown_bp: int
    free: int
    margin_u: int
    exit_u: int
    before: int


class Capped(NamedTuple):
    """What limits leave of an order's entry part: ORDER's `cap_lots` and `cap`, and the binding limit in words.

    `passive`: the limits that would have held it back. `said`: what this was judged on; nothing where nothing was held.
    """

    lots: int
    code: int
    words: str
    passive: str
    said: Mapping[str, Any]


class Left(NamedTuple):
    """What was counted of an entry that left, so that it can be taken back; `said`: what is to be told, or nothing."""

    ts_ns: int
    strategy: str
    content: tuple[Any, ...]
    said: str


UNCAPPED: Final = Capped(ABSENT, 0, "", "", {})


class Limiter(Protocol):
    """Pre-trade limits. `active`: there are any. The others: what has to be looked up for those that there are."""

    active: bool
    wants_rows: bool
    wants_lists: bool
    wants_age: bool
    wants_crossing: bool
    wants_margin: bool
    wants_prices: bool

    def cap(self, looked: Looked) -> Capped: ...
    def left(self, looked: Looked) -> Left:
        """An entry of this order leaves: it is counted, and its strategy may enter no more where that says so."""
        ...

    def back(self, left: Left) -> str:
        """That entry did not leave after all; what is to be said where its strategy may enter again."""
        ...

    def sampled(self, ts_ns: int, equity: int) -> bool:
        """A reading of equity; whether the journal must know, since another day has begun with it."""
        ...

    def priced(self, ts_ns: int, prices: Sequence[Priced]) -> bool:
        """Prices as they are now; whether they have closed a row of returns."""
        ...

    def load(self, ts_ns: int, ones: Mapping[str, Priced]) -> Loaded:
        """Once, at the start, after `take_up`: prices of before the first run, if there is a file of them. `ones`: what
        a price of one is, by instrument. ValueError: the file is wrong, and nothing else is known.
        """
        ...

    def flowed(self, amount: int) -> bool:
        """Money came or went; whether the journal must know."""
        ...

    def ended(self, equity: int) -> None:
        """The equity that an earlier run of this book ended with, in minor units."""
        ...

    def enable(self, strategy: str) -> dict[str, Any]:
        """A strategy that was stopped may enter again."""
        ...

    def canceled(self, ts_ns: int) -> str:
        """A cancel came; what is to be said of their rate."""
        ...

    def said(self) -> dict[str, Any]:
        """The limits in force, for the journal."""
        ...

    def take_up(self, said: Mapping[str, Any]) -> list[str]:
        """Those of an earlier run stay in force; the limits that would have been looser."""
        ...

    def exceeded(self, held: Sequence[Looked]) -> list[str]:
        """The limits that what is held exceeds now, in words."""
        ...

    def interval_ns(self, name: str) -> int:
        """How often something is looked at without an order; 0: nothing is said of it."""
        ...

    def propose(self, said: Mapping[str, Any], ts_ns: int, nonce: int, held: Sequence[Looked]) -> dict[str, Any]: ...
    def confirm(self, nonce: int, ts_ns: int, held: Sequence[Looked]) -> dict[str, Any]: ...


class Stated(NamedTuple):
    """What a third book of record says: signed quantities by instrument, all that it holds, as of when (Unix ns).
    `problem`: why nothing of it can be believed, for people; empty: it can.
    """

    as_of_ns: int
    quantities: Mapping[str, Decimal]
    problem: str


class BookOfRecord(Protocol):
    """A third book: a broker's, a custodian's, a portfolio system's. Asked on the event loop, so it must answer at once
    from what it has; it never raises.
    """

    def read(self) -> Stated: ...
