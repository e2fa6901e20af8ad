"""The ledger as the fold of a journal: records become entries of `kernel.ledger_books` (docs/design/ledger.md).

What belongs here: which records are entries, in what scales, and that each fill is counted once. The plug-in folds what
it writes and, after a restart, what it finds; the audit folds the file: both use this. A fill is known by its order and
trade id. A simulated venue begins anew with each run, so there the run is part of what names a fill.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from dolphin.journal.encoding import integer
from dolphin.kernel.ledger import minor
from dolphin.kernel.ledger_books import EMPTY, Books, Entry, booked, by_instrument, canonical, charged, deposited

KNOWN_MAX: Final = 100_000
"""Fills that are still told apart; the oldest are forgotten first, so that memory is constant."""

DIGEST_CHARS: Final = 32


class Unit(NamedTuple):
    """An instrument's scales as the header has them. `num`/`den`: micro-minor-units of `currency` to lot and unit."""

    price_power: int
    num: int
    den: int
    inverse: int
    currency: str


class Line(NamedTuple):
    """An instrument at the end: signed lots, realised profit in minor units of `currency`. `exact` 0: of a position
    that was found, of an instrument whose scales the header lacks or do not fit a price, profit is not known.
    """

    instrument: str
    lots: int
    realised: int
    currency: str
    exact: int


def price_units(text: str, power: int) -> tuple[int, int]:
    """A decimal price in units of one over `power`, floored, and 1 if it is exactly that. ValueError: it is none."""
    whole, _, digits = text.partition(".")
    units, rest = divmod(int(whole + digits) * power, 10 ** len(digits))
    if rest == 0:
        return units, 1
    return units, 0


class Accounts:
    """The books that the records of a journal make. `again`: fills that came again, and were not counted.
    `inexact`: instruments of which profit is not known.
    """

    def __init__(self) -> None:
        self.books: Books = EMPTY
        self.units: dict[str, Unit] = {}
        self.again = 0
        self.inexact: set[str] = set()
        self._found: set[str] = set()
        self._simulated = False
        self._run = 0
        self._known: dict[tuple[int, str, str], None] = {}

    def each(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take one record. KeyError, TypeError or ValueError where a field is missing or none of its kind."""
        if kind == "FILL":
            self.fill(data)
        elif kind == "FLOW":
            self.books = deposited(self.books, integer(data["flow"]))
        elif kind == "HEADER":
            self._header(data)
        elif kind == "ADOPT":
            self._found.update(data.get("positions", ()))
        elif kind == "NOTE":
            if data.get("what") == "resumed":
                self._run += 1

    def flow(self, amount: int) -> None:
        """A deposit or withdrawal."""
        self.books = deposited(self.books, amount)

    def knows(self, order: str, trade: str) -> bool:
        """Whether this fill is counted already."""
        return self._key(order, trade) in self._known

    def fill(self, data: Mapping[str, Any]) -> None:
        """A FILL record."""
        if data.get("spread") == 1:  # its legs have fills of their own
            return
        order, trade = str(data.get("id", "")), str(data.get("trade", ""))
        if self.knows(order, trade):
            self.again += 1
            return
        instrument, position = str(data["instrument"]), str(data["position"])
        lots = integer(data["side"]) * integer(data["lots"])
        price = 0
        inverse = 0
        unit = self.units.get(instrument)
        if unit is None:
            self.inexact.add(instrument)
        else:
            price, exact = price_units(str(data["price"]), unit.price_power)
            inverse = unit.inverse
            if exact == 0:
                self.inexact.add(instrument)
        if position in self._found:
            self.inexact.add(instrument)
        self.books = booked(self.books, Entry(position, instrument, lots, price, inverse))
        self.books = charged(self.books, str(data.get("currency", "")), integer(data.get("commission", 0)))
        self._count(order, trade)

    def lots(self, position: str) -> int:
        """Signed lots that the fills of this position add up to."""
        held = self.books.held.get(position)
        if held is None:
            return 0
        return held[1].lots

    def digest(self) -> str:
        """The checksum of the whole ledger."""
        return hashlib.sha256(canonical(self.books).encode()).hexdigest()[:DIGEST_CHARS]

    def lines(self) -> list[Line]:
        """What each instrument stands at, by name."""
        found: list[Line] = []
        for instrument, total in sorted(by_instrument(self.books).items()):
            unit = self.units.get(instrument, Unit(1, 0, 1, 0, ""))
            realised = minor(total.realised, unit.num, unit.den, unit.inverse)
            exact = 1
            if instrument in self.inexact:
                exact = 0
                realised = 0
            found.append(Line(instrument, total.lots, realised, unit.currency, exact))
        return found

    def _header(self, data: Mapping[str, Any]) -> None:
        self._simulated = data.get("host") == "backtest"
        for scale in data.get("instruments", ()):
            _, _, power = str(scale.get("tick", "1/1")).partition("/")
            self.units[str(scale["id"])] = Unit(
                int(power), int(scale.get("value_num", 0)), int(scale.get("value_den", 1)),
                int(scale.get("inverse", 0)), str(scale.get("currency", "")),
            )  # fmt: skip

    def _key(self, order: str, trade: str) -> tuple[int, str, str]:
        if self._simulated:
            return self._run, order, trade
        return 0, order, trade

    def _count(self, order: str, trade: str) -> None:
        """The fill is known from now on. Without a trade id nothing can be told apart."""
        if trade == "":
            return
        self._known[self._key(order, trade)] = None
        if len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]
