"""From the segments of a file to Nautilus' instruments and rows.

What belongs here: making rows, nothing else. A segment begins where the one before it on the same instrument ended; its
price, spread, size and delay go in straight lines from their first value to their last. Prices are decimals in the
file and whole ticks from there on. What Nautilus refuses to make (a price that is NaN) is no row, and is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from nautilus_trader.model.currencies import USD, USDT
from nautilus_trader.model.data import Bar, BarType, BookOrder, OrderBookDelta, OrderBookDeltas, QuoteTick
from nautilus_trader.model.enums import AssetClass, BookAction, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import (
    Commodity,
    CryptoPerpetual,
    CurrencyPair,
    Equity,
    FuturesContract,
)
from nautilus_trader.model.objects import Currency, Price, Quantity

from dolphin.app.errors import UserError
from dolphin.kernel.units import NS_PER_S
from dolphin.sensors.source import interval_ns
from tools.scenarios.form import Entry, Scenario

YEAR_NS: Final = 366 * 86_400 * NS_PER_S
SIZE: Final = 10_000_000
SPREAD: Final = 2


@dataclass(slots=True)
class Market:
    """What a run is given. `refused`: rows that Nautilus would not make."""

    instruments: list[Any] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    refused: int = 0
    end_ns: int = 0


def instruments(scenario: Scenario) -> list[Any]:
    """What is traded; an entry with `count` stands for as many, its id numbered where it says `%`."""
    made = []
    for entry in scenario.instruments:
        count = entry.get("count", 1)
        for number in range(1, count + 1):
            made.append(_instrument(entry, entry["id"].replace("%", f"{number:03d}"), scenario.start_ns))
    return made


def _instrument(entry: Entry, name: str, start_ns: int) -> Any:
    number = InstrumentId.from_str(name)
    tick = entry.get("tick", "0.00001")
    precision = max(-int(Decimal(tick).as_tuple().exponent), 0)
    shared: dict[str, Any] = {
        "instrument_id": number,
        "raw_symbol": Symbol(number.symbol.value.replace("/", "")),
        "price_precision": precision,
        "price_increment": Price.from_str(tick),
        "ts_event": 0,
        "ts_init": 0,
    }
    one = Quantity.from_int(1)
    kind = entry["kind"]
    if kind == "equity":
        return Equity(currency=USD, lot_size=one, **shared)
    if kind == "future":
        return FuturesContract(
            asset_class=AssetClass.COMMODITY, currency=USD, multiplier=Quantity.from_int(entry.get("multiplier", 1)),
            lot_size=one, underlying=number.symbol.value, activation_ns=0, expiration_ns=start_ns + YEAR_NS, **shared,
        )  # fmt: skip
    if kind == "commodity":
        return Commodity(
            asset_class=AssetClass.COMMODITY, quote_currency=USD, size_precision=0, size_increment=one, **shared
        )
    base = Currency.from_str(number.symbol.value.partition("/")[0])
    quote = Currency.from_str(number.symbol.value.partition("/")[2])
    if kind == "perp":
        return CryptoPerpetual(
            base_currency=base, quote_currency=quote, settlement_currency=USDT, is_inverse=False, size_precision=0,
            size_increment=one, **shared,
        )  # fmt: skip
    return CurrencyPair(
        base_currency=base, quote_currency=quote, size_precision=0, size_increment=one, lot_size=one, **shared
    )


def build(scenario: Scenario) -> Market:
    """Instruments and rows, in order of time."""
    made = Market(instruments=instruments(scenario))
    known = {one.id.value: one for one in made.instruments}
    ends = dict.fromkeys(known, scenario.start_ns)
    for entry in scenario.market:
        named = entry.get("instrument")
        if named is not None and named not in known:
            raise UserError(
                "unknown instrument", path=scenario.path, line=entry.line, field="market.instrument",
                expected=", ".join(known), actual=named,
            )  # fmt: skip
        for name in [named] if named else list(known):
            segment = _Segment(known[name], entry, ends[name])
            for row in segment.rows():
                made.rows.append(row)
            made.refused += segment.refused
            ends[name] += entry["for"]
    made.end_ns = max(ends.values(), default=scenario.start_ns)
    made.rows.sort(key=lambda row: row.ts_init)
    return made


class _Segment:
    """One `[[market]]` of one instrument."""

    def __init__(self, instrument: Any, entry: Entry, start_ns: int) -> None:
        self.instrument = instrument
        self.entry = entry
        self.start_ns = start_ns
        self.refused = 0
        self.every_ns: int = entry.get("every", NS_PER_S)
        self.count: int = entry["for"] // self.every_ns

    def rows(self) -> Iterator[Any]:
        """The rows of this segment; a pause has none."""
        kind = self.entry.get("rows", "quotes")
        if kind == "pause":
            return
        for number in range(self.count):
            try:
                made = self._bar(number) if kind == "bars" else self._quote(number)
            except ValueError:
                self.refused += 1
                continue
            yield from made
            if kind == "quotes" and self._closes(number):
                yield from self._bar(number)

    def _closes(self, number: int) -> bool:
        """Whether a bar of the same price comes with this quote: at each whole interval from the segment's start."""
        if self.entry.get("bar") is None:
            return False
        every_ns: int = interval_ns(f"X-{self.entry['bar']}-EXTERNAL")
        return number * self.every_ns % every_ns == 0

    def _at(self, name: str, number: int, default: int) -> int:
        """A whole value on the way from `name` to `to_name`, in integers."""
        first: int = self.entry.get(name, default)
        last: int = self.entry.get(f"to_{name}", first)
        if self.count < 2:
            return first
        return first + (last - first) * number // (self.count - 1)

    def _price(self, number: int) -> int | float:
        """In ticks; NaN and infinities as they are."""
        listed = self.entry.get("prices")
        if listed is not None:
            return self._ticks(listed[number % len(listed)])
        first = self._ticks(self.entry["price"])
        last = self._ticks(self.entry.get("to", self.entry["price"]))
        if isinstance(first, float) or isinstance(last, float) or self.count < 2:
            return first
        return first + (last - first) * number // (self.count - 1)

    def _ticks(self, price: int | float) -> int | float:
        exact = Decimal(repr(price))
        if not exact.is_finite() or abs(exact) > 10**12:
            return float(price)
        return int((exact / self._tick).to_integral_value())

    @property
    def _tick(self) -> Decimal:
        found: Decimal = self.instrument.price_increment.as_decimal()
        return found

    def _made(self, ticks: int | float) -> Any:
        if isinstance(ticks, float):
            return Price(ticks, self.instrument.price_precision)
        return Price.from_str(str(ticks * self._tick))

    def _times(self, number: int) -> tuple[int, int]:
        """When it happened (as its source says), when it came."""
        at_ns = self.start_ns + number * self.every_ns
        return at_ns - self._at("delay", number, 0), at_ns

    def _quote(self, number: int) -> list[Any]:
        mid, spread = self._price(number), self._at("spread", number, SPREAD)
        size = Quantity.from_int(self._at("size", number, SIZE))
        bid = self.entry.get("bid")
        low = mid - spread // 2 if bid is None else self._ticks(bid)
        high = mid + spread - spread // 2
        happened_ns, came_ns = self._times(number)
        quote = QuoteTick(self.instrument.id, self._made(low), self._made(high), size, size, happened_ns, came_ns)
        levels = self.entry.get("levels", 0)
        if levels and isinstance(low, int) and isinstance(high, int):
            return [self._book(low, high, int(size), levels, happened_ns, came_ns), quote]
        return [quote]

    def _book(self, low: int, high: int, size: int, levels: int, happened_ns: int, came_ns: int) -> Any:
        """The whole book anew: the size on each of so many levels a side; none where the size is none."""
        name = self.instrument.id
        deltas = [OrderBookDelta.clear(name, 0, happened_ns, came_ns)]
        for level in range(levels if size else 0):
            for side, ticks in ((OrderSide.BUY, low - level), (OrderSide.SELL, high + level)):
                order = BookOrder(side, self._made(ticks), Quantity.from_int(size), len(deltas))
                deltas.append(OrderBookDelta(name, BookAction.ADD, order, 0, 0, happened_ns, came_ns))
        return OrderBookDeltas(name, deltas)

    def _bar(self, number: int) -> list[Any]:
        kind = BarType.from_str(f"{self.instrument.id}-{self.entry['bar']}-EXTERNAL")
        price = self._made(self._price(number))
        happened_ns, came_ns = self._times(number)
        size = Quantity.from_int(self._at("size", number, SIZE))
        return [Bar(kind, price, price, price, price, size, happened_ns, came_ns)]


def moments(scenario: Scenario, entry: Entry) -> Mapping[str, int]:
    """The offsets of an entry as times."""
    return {name: scenario.start_ns + entry[name] for name in ("at", "until") if name in entry.values}
