"""Check c, the ledger: what of a journal is an entry or a statement, as rows of spec/trace/TraceLedger.tla.

What belongs here: which row a record becomes. An entry's row says what came in, never what the kernel made of it; only
quotients are brought along, which TLC multiplies back. A statement's row says what the record states.

Names become small numbers: a position has a place while it is open. Nothing is stated where replay claims nothing
(check d, ledger.py): of a reading after a restart, of anything but `again` after a GAP that says that records are
missing. Where scales change, what is held is counted in others by the kernel alone; TLC goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from dolphin.audit.ledger_names import CAPITAL, Items, Places, index
from dolphin.audit.ledger_numbers import (
    MONEY_MAX,
    ZERO,
    Row,
    TooLarge,
    pair,
    residues,
    said_count,
    said_lots,
    said_money,
    said_position,
    share,
    worth,
)
from dolphin.audit.turns import begins
from dolphin.journal import Record, integer
from dolphin.journal.codec import Malformed
from dolphin.journal.entries import KNOWN_MAX, NO_UNIT, OPENING, SCALES, Accounts, price_units, unit_of
from dolphin.journal.kept import restored
from dolphin.kernel.ledger import FLAT, INVERSE_ONE, Position
from dolphin.kernel.ledger_books import by_instrument

FILL, FLOW, SHOWN, OPEN, ENDED, TOTALS, FEES, KNOWN, DIGEST, READING, EMPTY, LOTS, FILLS, RESUMED = range(1, 15)
"""The first number of a row, as TraceLedger.tla names them."""

UNJUDGED: Final = "is not judged by TLC"


class Place(NamedTuple):
    """Of which record a row is. `field`: what it states there. `ours`: what the audit's own fold says, which is TLC's
    as well or one of the two is wrong. `right`, `said`: texts of what TLC has no number of.
    """

    record: Record
    field: str
    ours: bool = False
    right: str = ""
    said: str = ""


class Rows:
    """The rows of one journal. `rows`, `places`: what was not judged yet. `stopped`: why no more rows come."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self.rows: list[Row] = []
        self.places: list[Place] = []
        self.stopped = ""
        self.places_of = Places()
        self.items = Items()
        self.mine = Items()
        self.forgotten = 0
        self.instruments: dict[str, int] = {}
        self.currencies: dict[str, int] = {}
        self.anew = False
        self._turnover = 0
        self._feeds: list[str] = []
        self._flat_start = self._after_gap = self._resumed = self._begun = self._later = self._partial = False
        self._unclosed = False
        self._loose: set[str] = set()
        self._touched: set[str] = set()
        self._moves = 0
        self._read: dict[str, tuple[int, int]] = {}
        self._emptied = -1

    def take(self, record: Record) -> None:
        """The next record of any kind. What is no record of the ledger becomes no row; what cannot be one ends them."""
        handler = _HANDLERS.get(record.kind)
        if handler is None or self.stopped:
            return
        try:
            handler(self, record)
        except TooLarge as error:
            self.stopped = f"the ledger from line {record.line} on {UNJUDGED}: {error} is too large"
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            self.stopped = f"the ledger from line {record.line} on {UNJUDGED}: {type(error).__name__}: {error}"

    def _row(self, record: Record, field: str, *row: Any) -> None:
        self.rows.append(row)
        self.places.append(Place(record, field))

    # --- Entries ---

    def _header(self, record: Record) -> None:
        """The first one; a later segment's says the same."""
        if self._begun:
            return
        self._begun = True
        self._later = self._partial = begins(record).number > 1
        self._flat_start = record.data.get("host") == "backtest" and not self._later
        self._feeds = [str(feed.get("instrument", "")) for feed in record.data["feeds"]]
        self.accounts.each(record.kind, record.data)

    def _adopt(self, record: Record) -> None:
        self.accounts.each(record.kind, record.data)

    def _flow(self, record: Record) -> None:
        amount = integer(record.data["flow"])
        self._post(amount)
        self._row(record, "flow", FLOW, residues(amount))
        self.accounts.flow(amount)

    def _fill(self, record: Record) -> None:
        data, books = record.data, self.accounts.books
        side, lots = integer(data["side"]), integer(data["lots"])
        position, instrument = str(data["position"]), str(data["instrument"])
        key = (str(data.get("id", "")), str(data.get("trade", "")))
        item, mine = self.items.number(key), self.mine.number(key)
        again = int(data.get("again") == 1) or 2 * int("again" in data)
        if self._partial and not self.accounts.knows(*key):
            again = 0  # it may be of this run, and of before the first record that is here
        head = (FILL, self.places_of.take(position), self._instrument(instrument), side, said_lots(lots))
        if data.get("spread") == 1:
            self._row(record, "", *head, (0, ZERO), item, mine, again, 0, CAPITAL, ZERO, ())
            return
        fee = integer(data.get("commission", 0))
        code = self._currency(str(data.get("currency", ""))) if fee else CAPITAL
        before = books.held.get(position, ("", FLAT))[1]
        price, inverse = self._price(instrument, str(data["price"]))
        fill = side * lots
        pair(before.lots + fill)
        sizes = (price, inverse, fill, before.lots + fill)
        self._row(
            record, "", *head, worth(*sizes), item, mine, again, 1, code, residues(fee), share(before, fill)
        )  # fmt: skip
        self._post(abs(fee) + abs(fill) * (INVERSE_ONE if inverse else abs(price)))
        if not self.accounts.knows(*key):
            self.items.remember(key)
        if not self.mine.lately(key):
            self.mine.remember(key)
        self.accounts.each(record.kind, data)
        self.places_of.keep(self.accounts.books.held)
        self._moved(data, position, instrument)

    def _moved(self, data: Mapping[str, Any], position: str, instrument: str) -> None:
        """What a later reading of this position can be held against."""
        self._moves += 1
        self._touched.add(position)
        unit = self.accounts.units.get(instrument, NO_UNIT)
        foreign = data.get("commission", 0) != 0 and data.get("currency") != unit.currency
        if "applied" in data or foreign:
            self._loose.add(position)

    def _note(self, record: Record) -> None:
        data = record.data
        what = data.get("what")
        if what == "resumed":
            simulated = self.accounts.simulated
            self._row(record, "what", RESUMED, int(simulated))
            self._resumed, self._flat_start, self._partial, self.mine = True, False, False, Items()
            if simulated:
                self.forgotten = self.items.remembered
        elif what == OPENING:
            self._opening(record)
        elif what == SCALES:
            held = by_instrument(self.accounts.books)
            for scale in data["instruments"]:
                name = str(scale["id"])
                if name in held and self.accounts.units.get(name) not in (None, unit_of(scale)):
                    self.anew = True
        self.accounts.each(record.kind, data)
        self.places_of.keep(self.accounts.books.held)
        if self.anew:
            for name, position in by_instrument(self.accounts.books).items():
                self._bound(name, position)

    def _opening(self, record: Record) -> None:
        shown: dict[str, dict[str, Row]] = {str(name): {} for name in record.data.get("instruments", ())}
        for said in record.data["positions"]:
            name, lots = str(said["instrument"]), integer(said["lots"])
            price, inverse = self._price(name, str(said["price"]))
            self._post(abs(lots) * (INVERSE_ONE if inverse else abs(price)))
            row = (self.places_of.take(str(said["position"])), pair(lots), worth(price, inverse, lots, 0))
            shown.setdefault(name, {})[str(said["position"])] = row
        for name, rows in shown.items():
            self._row(record, "positions", SHOWN, self._instrument(name), *rows.values())
        self._moves += 1

    # --- Statements ---

    def states(self, record: Record, accounts: Accounts, known: tuple[int, int], ours: bool = False) -> None:
        """What this ledger says, number by number."""

        def row(field: str, *numbers: Any) -> None:
            self.rows.append(numbers)
            self.places.append(Place(record, field, ours))

        books = accounts.books
        for name, (instrument, position) in books.held.items():
            head = (OPEN, self.places_of.of.get(name, 0), self._instrument(instrument))
            row(f"ledger.held.{name}", *head, *said_position(position))
        for name in {**self.instruments, **books.ended}:
            row(f"ledger.ended.{name}", ENDED, self._instrument(name), *said_position(books.ended.get(name, FLAT)))
        for code in {**self.currencies, **books.fees}:
            row(f"ledger.fees.{code}", FEES, self._currency(code), said_money(books.fees.get(code, 0)))
        counts = (said_count(books.fills), said_count(accounts.again))
        row("ledger", TOTALS, len(books.held), *counts, said_money(books.capital))
        row("ledger", KNOWN, *known)

    def known(self) -> tuple[int, int]:
        """The numbers of the first and the last fill that are told apart; the first is above the last: none."""
        return max(self.forgotten, self.items.remembered - KNOWN_MAX) + 1, self.items.remembered

    def _checkpoint(self, record: Record) -> None:
        if self._later:
            self._later = False
            self._begin(restored(record.data["ledger"]))
            return
        if self._after_gap or "ledger" not in record.data:
            return
        try:
            said = restored(record.data["ledger"])
        except Malformed as error:
            self._row(record, error.field, TOTALS, -1, 0, 0, ZERO)
            return
        numbers = [self.items.number(key) for key in said.known]
        first = numbers[0] if numbers else self.items.remembered + 1
        last = numbers[-1] if numbers else self.items.remembered
        whole = numbers == [*range(first, last + 1)]
        self.states(record, said, (first, last) if whole else (-1, -1))

    def _begin(self, accounts: Accounts) -> None:
        """The journal begins with a later segment, whose checkpoint has the ledger of all before it."""
        self.accounts, books = accounts, accounts.books
        self._unclosed = self.anew = True
        for name, (instrument, position) in books.held.items():
            self.places_of.take(name)
            self._bound(instrument, position)
        for instrument, position in books.ended.items():
            self._bound(instrument, position)
        for code, fee in books.fees.items():
            self._currency(code)
            self._post(fee)
        self._post(books.capital)
        for key in accounts.known:
            self.items.remember(key)

    def _bound(self, instrument: str, position: Position) -> None:
        """An account that the next window begins with."""
        self._instrument(instrument)
        pair(position.lots)
        for money in position[1:]:
            self._post(money)

    def _close(self, record: Record) -> None:
        """The checksum of the books. TLC computes none: what the fold holds is stated, and whether this is its own."""
        field = "accounts" if "accounts" in record.data else "ledger"
        if self._unclosed or self._after_gap or field not in record.data or (field == "ledger" and self._resumed):
            return
        right, said = self.accounts.digest(), str(record.data[field])
        self.states(record, self.accounts, self.known(), ours=True)
        self.rows.append((DIGEST, int(right == said)))
        self.places.append(Place(record, field, right=right, said=said))

    def _command(self, record: Record) -> None:
        """The ledger's side of a reconciliation."""
        answer = record.data.get("answer", {})
        if record.data.get("verb") != "reconcile" or answer.get("inflight", 1):
            return
        if self._after_gap or self._unclosed:
            return
        lots = {str(row[0]): integer(row[1]) for row in answer["rows"]}
        fills = said_count(integer(answer["fills"]))
        self._row(record, "answer", FILLS, fills)
        for name in sorted({*self.instruments, *lots}):
            self._row(record, f"answer.rows.{name}", LOTS, self._instrument(name), said_lots(lots.get(name, 0)), fills)

    def _reading(self, record: Record) -> None:
        """A reading of a position, where what its fills add up to is known; the same one twice is one row."""
        if not self._flat_start or b',"x":' not in record.raw:
            return
        body, note = record.body, record.body.x
        name = str(note.get("position", ""))
        if "position" not in note and record.kind == "ORDER" and int(body.named) == 1:
            name = f"{self._feed(int(body.feed))}-{note.get('strategy')}"
            if name not in self._touched:
                return
        said = (int(body.position_lots), self._moves)
        if not name or self._vague(name, self._feed(int(body.feed))) or self._read.get(name) == said:
            return
        self._read[name] = said
        self._row(record, "", READING, self.places_of.of.get(name, 0), said_lots(said[0]))

    def _sample(self, record: Record) -> None:
        if int(record.body.flat) == 1 and int(record.body.error) == 0:
            self._flat(record)

    def _request(self, record: Record) -> None:
        body = record.body
        if int(body.observed_flat if record.kind == "ARM" else body.holding == 0) == 1:
            self._flat(record)

    def _flat(self, record: Record) -> None:
        """The book is said to be flat."""
        if not self._flat_start or self._emptied == self._moves:
            return
        for name, (instrument, _) in self.accounts.books.held.items():
            if self._vague(name, instrument):
                return
        self._emptied = self._moves
        self._row(record, "", EMPTY)

    def _vague(self, name: str, instrument: str) -> bool:
        """Whether a position need not be what its fills add up to: its lot is coarse, or a fill was not taken."""
        held = self.accounts.books.held.get(name)
        unit = self.accounts.units.get(held[0] if held else instrument, NO_UNIT)
        return unit.lot_num != 1 or name in self._loose

    def _gap(self, record: Record) -> None:
        if record.body.count > 0:
            self._after_gap, self._flat_start = True, False

    # --- Numbers for names, and limits ---

    def opens(self) -> dict[int, tuple[int, Position]]:
        """What is open, by place, with its instrument."""
        held = self.accounts.books.held
        return {
            self.places_of.of[name]: (self._instrument(where), position) for name, (where, position) in held.items()
        }

    def _instrument(self, name: str) -> int:
        return index(self.instruments, name)

    def _currency(self, code: str) -> int:
        return index(self.currencies, code, 1 + CAPITAL)

    def _feed(self, feed: int) -> str:
        return self._feeds[feed] if 0 <= feed < len(self._feeds) else ""

    def _price(self, instrument: str, text: str) -> tuple[int, int]:
        """The price in its instrument's units, and whether that is an inverse one."""
        unit = self.accounts.units.get(instrument)
        return (0, 0) if unit is None else (price_units(text, unit.price_power)[0], unit.inverse)

    def _post(self, amount: int) -> None:
        """No sum of the journal is larger than all that was ever posted."""
        self._turnover += abs(amount)
        if self._turnover > MONEY_MAX:
            raise TooLarge("all that was posted")


_HANDLERS: Final[dict[str, Callable[[Rows, Record], None]]] = {
    "HEADER": Rows._header,
    "ADOPT": Rows._adopt,
    "NOTE": Rows._note,
    "FILL": Rows._fill,
    "FLOW": Rows._flow,
    "CHECKPOINT": Rows._checkpoint,
    "CLOSE": Rows._close,
    "COMMAND": Rows._command,
    "ORDER": Rows._reading,
    "REDUCE": Rows._reading,
    "EQUITY": Rows._sample,
    "ARM": Rows._request,
    "CONFIRM": Rows._request,
    "GAP": Rows._gap,
}
