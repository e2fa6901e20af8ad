"""The ledger as the fold of a journal: records become entries of `kernel.ledger_books` (docs/design/ledger.md).

What belongs here: which records are entries, in what scales, and that each fill is counted once. The plug-in folds what
it writes and, after a restart, what it finds; the audit folds the file: both use this. A fill is known by its order and
trade id. A simulated venue begins anew with each run, and so do its names. The form in a checkpoint is in kept.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from dolphin.journal.encoding import integer
from dolphin.kernel.ledger import minor
from dolphin.kernel.ledger_books import (
    EMPTY,
    Books,
    Entry,
    booked,
    by_instrument,
    canonical,
    charged,
    deposited,
    rescaled,
    taken_over,
)

KNOWN_MAX: Final = 1_024
"""Fills that are still told apart; the oldest are forgotten first. A checkpoint holds them all, and is written on the
event loop. One that comes again later than that is counted twice, and the comparison with positions finds it.
"""

DIGEST_CHARS: Final = 32

OPENING: Final = "opening"
"""What the NOTE of a live start says: what is held that no fill has brought, and what the account had before any."""

SCALES: Final = "scales"
"""What the NOTE of a start says whose instruments or scales are not those that the journal has."""


BALANCE: Final = "balance"
"""What the NOTE says that tells of a balance which no record explains: from there on the ledger counts it."""

DAY: Final = "day"
"""What the NOTE says that names what a day (UTC) began with."""

APART: Final = "third book apart"
"""What the NOTE says that names the differences of the third book which an operator has re-armed over: all of them."""


class Unit(NamedTuple):
    """An instrument's scales as the header has them. `num`/`den`: micro-minor-units of `currency` to lot and unit;
    `lot_num`/`lot_den`: what a lot is of the quantity that Nautilus writes.
    """

    price_power: int
    num: int
    den: int
    inverse: int
    lot_num: int
    lot_den: int
    currency: str


class Day(NamedTuple):
    """What a day began with. `day`: since 1970, UTC; `equity`, `mark` (audited) and `capital` in minor units."""

    day: int
    equity: int
    mark: int
    capital: int


NO_UNIT: Final = Unit(1, 0, 1, 0, 1, 1, "")


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


def unit_of(scale: Mapping[str, Any]) -> Unit:
    """The scales of one instrument as a HEADER or a NOTE has them."""
    _, _, power = str(scale.get("tick", "1/1")).partition("/")
    lot, _, of = str(scale.get("lot", "1/1")).partition("/")
    return Unit(
        int(power), int(scale.get("value_num", 0)), int(scale.get("value_den", 1)), int(scale.get("inverse", 0)),
        int(lot), int(of), str(scale.get("currency", "")),
    )  # fmt: skip


class Accounts:
    """The books that the records of a journal make. `again`: fills that came again, and were not counted.
    `inexact`: instruments of which profit is not known. `opened`: the balance before the first record, minor units;
    None: no record says it. `known`: order and trade ids of the last fills, the oldest first. `apart`: lots that the
    third book has more than the ledger, by instrument, where an operator knows of it. `unexplained`: minor units that
    the account had more than the ledger, and nobody knew why. `day`: the last one that the journal names.
    """

    def __init__(self) -> None:
        self.books: Books = EMPTY
        self.units: dict[str, Unit] = {}
        self.again = 0
        self.inexact: set[str] = set()
        self.opened: int | None = None
        self.found: set[str] = set()
        self.simulated = False
        self.known: dict[tuple[str, str], None] = {}
        self.apart: dict[str, int] = {}
        self.unexplained = 0
        self.day: Day | None = None

    def each(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take one record. KeyError, TypeError or ValueError where a field is missing or none of its kind."""
        if kind == "FILL":
            self.fill(data)
        elif kind == "FLOW":
            self.flow(integer(data["flow"]))
        elif kind == "HEADER":
            self._header(data)
        elif kind == "ADOPT":
            self._adopt(data)
        elif kind == "NOTE":
            self._noted(data)

    def flow(self, amount: int) -> None:
        """A deposit or withdrawal."""
        self.books = deposited(self.books, amount)

    def knows(self, order: str, trade: str) -> bool:
        """Whether this fill is counted already."""
        return (order, trade) in self.known

    def fill(self, data: Mapping[str, Any]) -> None:
        """A FILL record."""
        if data.get("spread") == 1:  # its legs have fills of their own
            return
        order, trade = str(data.get("id", "")), str(data.get("trade", ""))
        if (order, trade) in self.known:
            self.again += 1
            return
        instrument, position = str(data["instrument"]), str(data["position"])
        entry = self._entry(position, instrument, integer(data["side"]) * integer(data["lots"]), str(data["price"]))
        if position in self.found:
            self.inexact.add(instrument)
        self.books = booked(self.books, entry)
        self.books = charged(self.books, str(data.get("currency", "")), integer(data.get("commission", 0)))
        remember(self.known, order, trade)

    def lots(self, position: str) -> int:
        """Signed lots that the fills of this position add up to."""
        held = self.books.held.get(position)
        if held is None:
            return 0
        return held[1].lots

    def digest(self) -> str:
        """The checksum of the whole ledger."""
        said = canonical(self.books)
        if self.opened is not None:
            said = f"{said}\nopened {self.opened}"
        if self.unexplained != 0:
            said = f"{said}\nunexplained {self.unexplained}"
        return hashlib.sha256(said.encode()).hexdigest()[:DIGEST_CHARS]

    def lines(self) -> list[Line]:
        """What each instrument stands at, by name."""
        found: list[Line] = []
        for instrument, total in sorted(by_instrument(self.books).items()):
            unit = self.units.get(instrument, NO_UNIT)
            realised = minor(total.realised, unit.num, unit.den, unit.inverse)
            exact = 1
            if instrument in self.inexact:
                exact = 0
                realised = 0
            found.append(Line(instrument, total.lots, realised, unit.currency, exact))
        return found

    def made_since(self, day: Day, equity: int) -> int:
        """What an equity of now is more than the day began with, less what came and went since; minor units."""
        return equity - day.equity - (self.books.capital - day.capital)

    def money(self, currency: str) -> int | None:
        """What a margin account in this currency should hold, minor units: what it began with, flows, profit less fees,
        and what was told as unexplained.
        None: nobody knows what it began with, a profit is not known, or something is in another currency.
        """
        if self.opened is None:
            return None
        total = self.opened + self.books.capital + self.unexplained
        for code, fee in self.books.fees.items():
            if code != currency:
                return None
            total -= fee
        for line in self.lines():
            if line.exact == 0:
                return None
            if line.currency != currency:
                return None
            total += line.realised
        return total

    def _entry(self, position: str, instrument: str, lots: int, text: str) -> Entry:
        """An entry in the scales of its instrument; without them its price is 0, and profit is not known."""
        unit = self.units.get(instrument)
        if unit is None:
            self.inexact.add(instrument)
            return Entry(position, instrument, lots, 0, 0)
        price, exact = price_units(text, unit.price_power)
        if exact == 0:
            self.inexact.add(instrument)
        return Entry(position, instrument, lots, price, unit.inverse)

    def _header(self, data: Mapping[str, Any]) -> None:
        self.simulated = data.get("host") == "backtest"
        for scale in data.get("instruments", ()):
            self.units[str(scale["id"])] = unit_of(scale)

    def _adopt(self, data: Mapping[str, Any]) -> None:
        """Positions that were found, and which no opening entry has a price of."""
        for position in data.get("positions", ()):
            if position not in self.books.held:
                self.found.add(position)

    def _noted(self, data: Mapping[str, Any]) -> None:
        what = data.get("what")
        if what == "resumed":
            if self.simulated:
                self.known.clear()
        elif what == OPENING:
            self._opening(data)
        elif what == BALANCE:
            self.unexplained += integer(data["apart"])
        elif what == DAY:
            self.day = Day._make([integer(data[name]) for name in Day._fields])
        elif what == APART:
            self.apart = {str(name): integer(lots) for name, lots in data["lots"].items()}
        elif what == SCALES:
            for scale in data["instruments"]:
                self._rescale(str(scale["id"]), unit_of(scale))

    def _opening(self, data: Mapping[str, Any]) -> None:
        """What is held at a start, of each instrument that is named; what the account has, where it is said."""
        shown: dict[str, list[Entry]] = {}
        for name in data.get("instruments", ()):
            shown[str(name)] = []
        for row in data["positions"]:
            name = str(row["instrument"])
            entry = self._entry(str(row["position"]), name, integer(row["lots"]), str(row["price"]))
            shown.setdefault(name, []).append(entry)
        for name, entries in shown.items():
            self.books, exact = taken_over(self.books, name, entries)
            if exact == 0:
                self.inexact.add(name)
        if "balance" in data:
            self.opened = integer(data["balance"])

    def _rescale(self, name: str, unit: Unit) -> None:
        """An instrument has other scales from here on: what it holds and has made is in these."""
        was = self.units.get(name)
        self.units[name] = unit
        self.apart.pop(name, None)  # lots of before
        if was is None:
            return
        lots = (was.lot_num * unit.lot_den, was.lot_den * unit.lot_num)
        atoms = (was.num * unit.den, was.den * unit.num)
        if lots[0] * lots[1] * atoms[0] * atoms[1] == 0:  # scales that are none value nothing
            self.inexact.add(name)
            return
        if was.inverse != unit.inverse:
            self.inexact.add(name)
        if was.currency != unit.currency:
            self.inexact.add(name)
        self.books, exact = rescaled(self.books, name, lots, atoms)
        if exact == 0:
            self.inexact.add(name)


def remember(known: dict[tuple[str, str], None], order: str, trade: str) -> None:
    """The fill is known from now on. Without a trade id nothing can be told apart."""
    if trade == "":
        return
    known[(order, trade)] = None
    if len(known) > KNOWN_MAX:
        del known[next(iter(known))]
