"""Check d, records that are no kernel event: fills add up, own orders were asked for, answers and totals are right.

What belongs here: FILL, OWN, COMMAND, GAP and CLOSE, each tied to the kernel's records around it. A field that is not
named in `COMPARED` is not compared, and is listed as such in the coverage.

Positions are folded from fills. A backtest begins flat; elsewhere, and after a restart or a GAP, the first reading of a
position is where its fold begins. Every later reading in ORDER (netting: the strategy's own position in the feed's
instrument) and REDUCE must be what the fills add up to. Where an instrument's lot is coarser than its precision, fills
round, and a reading may differ by one lot a fill; where a commission is not in the money of the instrument, it may
have been taken from the position, and nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dolphin.audit.answers import command, member, text
from dolphin.audit.finding import SAFETY, Finding, found
from dolphin.audit.gate import Wrong
from dolphin.audit.ledger_accounts import Sessions
from dolphin.audit.ledger_known import Book, Known
from dolphin.journal import Record, integer
from dolphin.journal.entries import BALANCE, DAY, SCALES
from dolphin.kernel.reasons import Reason

TAGS: Final = {"TRIM": "DOLPHIN_TRIM", "FLATTEN": "DOLPHIN_FLATTEN", "KILL_FLATTEN": "DOLPHIN_KILL"}
COMPARED: Final[dict[str, frozenset[str]]] = {
    "HEADER": frozenset(
        {"format", "policy", "policy_hash", "start_ns", "anchor_ns", "confidence_ms", "envelope", "feeds", "host"}
        | {"mode"}
    ),
    "FILL": frozenset(
        {"id", "strategy", "instrument", "position", "side", "lots", "position_before", "position_after", "applied"}
        | {"spread", "trade", "again"}
    ),
    "OWN": frozenset({"id", "position", "instrument", "strategy", "lots", "side", "reason", "tag"}),
    "COMMAND": frozenset({"verb", "answer"}),
    "GAP": frozenset({"from", "count"}),
    "CLOSE": frozenset({"records", "own", "state", "ledger", "accounts"}),
}
"""Which fields of these kinds a check reads."""

OWN_PREFIX: Final = "DOLPHIN-"
ORDERS_MAX: Final = 50_000
"""Orders whose fills are still checked against them."""

FIELDS: Final = "DOL-JOURNAL-009"


class Ledger:
    """Positions folded from fills, what own orders may use, and what the host has written."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.books: dict[str, Book] = {}
        self.feeds: list[str] = []
        self.instruments: list[str] = []
        self.coarse: set[str] = set()
        self.money: dict[str, str] = {}
        self.flat_start = False
        self.asked: dict[str, Record] = {}
        self.orders: dict[str, Known] = {}
        self.report = False
        self.last: Record | None = None
        self.written = self.own = 0
        self.after_gap = False
        self.dropped: Record | None = None
        self.checked = 0
        self.accounts = Sessions()

    def take(self, record: Record) -> Finding | None:
        """The finding on one record of any kind."""
        kind = record.kind
        handler = HANDLERS.get(kind)
        wrong = None
        if handler is not None:
            self.checked += 1
            try:
                wrong = handler(self, record)
                if wrong is None:
                    self.accounts.take(record)
            except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
                said = f"{type(error).__name__}: {error}"
                wrong = Wrong("data", "the fields of its kind", said, FIELDS, "see docs/journal-format.md")
        if kind not in ("HEADER", "GAP", "CLOSE"):
            self.written += 1
        if wrong is None:
            return None
        return found(self.path, record, *wrong, check=SAFETY)

    def kernel(self, record: Record) -> Finding | None:
        """As `take`, for a kernel record."""
        self.last = record
        if self.dropped is not None:
            finding = self._unanswered(self.dropped, int(record.body.out[2]))
            self.dropped = None
            if finding is not None:
                return finding
        if record.kind in READING:
            return self.take(record)
        if record.kind == "FLOW":
            self.accounts.flow(int(record.body.flow))
        self.written += 1
        return None

    def _header(self, record: Record) -> Wrong | None:
        data = record.data
        self.flat_start = data.get("host") == "backtest"
        self.report = data.get("mode") == "report"
        self.feeds = [str(feed.get("kind")) for feed in data["feeds"]]
        self.instruments = [str(feed.get("instrument", "")) for feed in data["feeds"]]
        self._scaled(data.get("instruments", ()))
        return None

    def _scaled(self, scales: Any) -> None:
        for scale in scales:
            name = str(scale["id"])
            self.money[name] = str(scale.get("currency", ""))
            self.coarse.discard(name)
            if not str(scale.get("lot", "1/1")).startswith("1/"):
                self.coarse.add(name)

    def _note(self, record: Record) -> Wrong | None:
        """A writer that took the journal up again counts from here, and knows positions that this journal may not."""
        if record.data.get("what") == "resumed":
            self.written, self.own = -1, 0
            self.forget()
        if record.data.get("what") == SCALES:
            self._scaled(record.data["instruments"])
        if record.data.get("what") == BALANCE:
            return self.accounts.balance(record.data)
        if record.data.get("what") == DAY:
            return self.accounts.day(record.data)
        return None

    def forget(self) -> None:
        """Records may be missing: positions are read anew before anything is claimed of them."""
        self.books.clear()
        self.asked.clear()
        self.orders.clear()
        self.flat_start = False
        self.dropped = None

    def book(self, key: str, instrument: str) -> Book:
        """The fold of one position."""
        found_ = self.books.get(key)
        if found_ is None:
            found_ = Book(self.flat_start, instrument not in self.coarse)
            self.books[key] = found_
        return found_

    def _fill(self, record: Record) -> Wrong | None:
        data = record.data
        side, lots = integer(data["side"]), integer(data["lots"])
        if side not in (1, -1):
            return Wrong("side", "1 or -1", str(side), FIELDS, "a fill buys or sells")
        if lots <= 0:
            return Wrong("lots", "more than 0", str(lots), FIELDS, "a fill moves something")
        key, instrument = text(data, "position"), text(data, "instrument")
        book = self.book(key, instrument)
        wrong = self.accounts.again(data)
        if wrong is not None or "again" in data:
            return wrong
        if "applied" in data:
            return self._not_taken(record, side)
        if data.get("commission", 0) != 0:
            if data.get("currency") != self.money.get(instrument, data.get("currency")):
                book.known = False
        before = book.lots
        book.lots += side * lots
        book.rounded += not book.exact
        wrong = self._of_order(data, side)
        if wrong is not None:
            return wrong
        return self._arithmetic(data, book, before, side * lots)

    def _not_taken(self, record: Record, side: int) -> Wrong | None:
        """A fill that no position took moves none here. The latch answers it, but for a spread's, whose legs move."""
        data = record.data
        if data["applied"] != 0:
            return Wrong("applied", "0, or no such field", str(data["applied"]), FIELDS, "only a fill that was dropped")
        if data.get("spread", 1) != 1:
            return Wrong("spread", "1, or no such field", str(data["spread"]), FIELDS, "only a spread's own fill")
        if "spread" not in data:
            self.dropped = record
        return self._of_order(data, side)

    def _unanswered(self, fill: Record, mode: int) -> Finding | None:
        """A ledger that differs from the venue's is Category 1: the next kernel record finds the latch tripped."""
        if mode != 0:
            return None
        hint = "no position took this fill, and the latch did not trip"
        return found(self.path, fill, "applied", "a FAULT next", "0, in RUNNING", "DOL-KILL-007", hint, check=SAFETY)

    def _of_order(self, data: Mapping[str, Any], side: int) -> Wrong | None:
        """A fill belongs to an order that was let through, where the journal knows of it."""
        name = str(data.get("id", ""))
        known = self.orders.get(name)
        if known is None:
            if name.startswith(OWN_PREFIX) and self.flat_start:
                return Wrong("id", "an own order that an OWN record names", name, "DOL-TRIM-008", "no such OWN")
            return None
        said = Known(side, str(data.get("strategy")), str(data.get("instrument")), known.denied)
        if said != known._replace(instrument=known.instrument or said.instrument):
            return Wrong("id", f"a fill of {known[:3]}", f"{said[:3]}", "DOL-ORDER-001", f"order {name} says otherwise")
        if known.denied and not self.report:
            return Wrong("id", "no fill: the order was denied", name, "DOL-ORDER-001", "a denied order was filled")
        return None

    def _remember(self, name: str, known: Known) -> None:
        """Orders are remembered up to a limit, oldest forgotten first: memory is constant."""
        earlier = self.orders.pop(name, None)
        if earlier is not None and not earlier.denied:
            known = known._replace(denied=False)
        self.orders[name] = known
        if len(self.orders) > ORDERS_MAX:
            del self.orders[next(iter(self.orders))]

    def _arithmetic(self, data: Mapping[str, Any], book: Book, before: int, moved: int) -> Wrong | None:
        """Hosts that write the position before and after a fill are held to both."""
        if "position_before" not in data:
            return None
        was, became = integer(data["position_before"]), integer(data["position_after"])
        known = book.known
        book.known, book.lots = True, became
        if became != was + moved:
            return Wrong("position_after", str(was + moved), str(became), "DOL-JOURNAL-008", "before + side * lots")
        if known and was != before:
            return Wrong("position_before", str(before), str(was), "DOL-JOURNAL-008", "fills follow one another")
        return None

    def _sample(self, record: Record) -> Wrong | None:
        """A book that the fills leave with a position is not flat."""
        if record.body.flat != 1 or record.body.error != 0:
            return None
        return self._flat("flat", "1")

    def _request(self, record: Record) -> Wrong | None:
        """Nor is one that an arm or a confirm has looked at."""
        if record.kind == "ARM" and record.body.observed_flat == 1:
            return self._flat("observed_flat", "1")
        if record.kind == "CONFIRM" and record.body.holding == 0:
            return self._flat("holding", "0")
        return None

    def _flat(self, field: str, said: str) -> Wrong | None:
        for key, book in self.books.items():
            if book.known and abs(book.lots) > book.rounded:
                return Wrong(
                    field, f"not flat: {key} is {book.lots}", said, "DOL-EXIT-006", "the fills leave a position"
                )
        return None

    def _reading(self, record: Record) -> Wrong | None:
        """A reading of a position must be what its fills add up to."""
        body = record.body
        key = self._named(record)
        if 0 <= int(body.feed) < len(self.feeds):
            if self.feeds[int(body.feed)] != "DATA":
                hint = f"feed {body.feed} is a {self.feeds[int(body.feed)]} feed"
                return Wrong("feed", "an instrument's feed, or -1", str(body.feed), "DOL-SENSE-007", hint)
        if record.kind == "REDUCE":
            self.asked[key] = record
        elif b',"x":' in record.raw and "id" in body.x:
            # Undivided is a list, or a change: one that is denied leaves its order as it was, and it may yet fill.
            denied = int(body.fx[-1][1]) == 0 and int(body.whole) == 0
            if int(body.side) not in (1, -1):
                return Wrong("side", "1 or -1", str(body.side), FIELDS, "an order buys or sells")
            known = Known(int(body.side), str(body.x.get("strategy")), self._instrument(body), denied)
            self._remember(str(body.x["id"]), known)
        if not key:
            return None
        lots = int(body.position_lots)
        book = self.books.get(key)
        if book is None:
            if not self.flat_start:
                return None
            book = self.book(key, self._instrument(body))
        if not book.known:
            book.known, book.lots, book.rounded = True, lots, 0
            return None
        if lots == 0:
            if book.lots == 0:
                book.rounded = 0
        if abs(lots - book.lots) > book.rounded:
            expected = str(book.lots)
            hint = f"{key}: the reading is not the position that the fills add up to"
            book.lots = lots
            return Wrong("position_lots", expected, str(lots), "DOL-EXIT-006", hint)
        return None

    def _instrument(self, body: Any) -> str:
        feed = int(body.feed)
        if 0 <= feed < len(self.instruments):
            return self.instruments[feed]
        return ""

    def _named(self, record: Record) -> str:
        """The position that an ORDER or REDUCE is about; empty where the record does not say."""
        if b',"x":' not in record.raw:
            return ""
        note, body = record.body.x, record.body
        if "position" in note:
            return str(note["position"])
        if record.kind == "REDUCE" or body.named != 1 or "strategy" not in note:
            return ""
        key = f"{self._instrument(body)}-{note['strategy']}"
        if key in self.books:
            return key
        return ""

    def _own(self, record: Record) -> Wrong | None:
        data = record.data
        self.own += 1
        key, lots = str(data.get("position", "")), integer(data["lots"])
        asked = self.asked.pop(key, None) or self.asked.pop("", None)
        if asked is None:
            if self.after_gap:
                return None
            return Wrong("position", "one that a REDUCE has asked about", key, "DOL-TRIM-001", "no REDUCE before it")
        position, answer = int(asked.body.position_lots), asked.body.fx[-1]
        if lots != int(answer[1]):
            hint = f"REDUCE at line {asked.line} was answered with these lots"
            return Wrong("lots", str(answer[1]), str(lots), "DOL-TRIM-001", hint)
        if integer(data["side"]) != (-1 if position > 0 else 1):
            return Wrong("side", "against the position", str(data["side"]), "DOL-TRIM-001", f"position {position}")
        reason = member(Reason, answer[2])
        if data.get("reason", reason) != reason:
            return Wrong("reason", reason, str(data["reason"]), "DOL-TRIM-008", f"REDUCE at line {asked.line}")
        if data.get("tag", TAGS.get(reason)) != TAGS.get(reason):
            return Wrong("tag", str(TAGS.get(reason)), str(data["tag"]), "DOL-TRIM-008", "the tag says why it left")
        instrument = self._instrument(asked.body)
        strategy = str(data.get("strategy"))
        self._remember(str(data.get("id")), Known(integer(data["side"]), strategy, instrument, False))
        if data.get("instrument", instrument) != instrument:
            return Wrong("instrument", instrument, str(data["instrument"]), "DOL-TRIM-008", "the feed's instrument")
        return None

    def _command(self, record: Record) -> Wrong | None:
        wrong = command(record, self.last)
        if wrong is None and not self.after_gap:
            wrong = self.accounts.reconciled(record.data)
        return wrong

    def _gap(self, record: Record) -> Wrong | None:
        body = record.body
        if body.from_ != record.seq:
            return Wrong(
                "from", str(record.seq), str(body.from_), "DOL-JOURNAL-006", "it stands where records are missing"
            )
        if body.count < 0:
            return Wrong("count", "0 or more", str(body.count), "DOL-JOURNAL-006", "records are missing or are not")
        if body.count > 0:
            self.after_gap = True
            self.forget()
        return None

    def _close(self, record: Record) -> Wrong | None:
        data = record.data
        if self.dropped is not None:
            return Wrong(
                "applied", "a FAULT", "CLOSE", "DOL-KILL-007", f"line {self.dropped.line}: no position took it"
            )
        for name, right in (("records", self.written), ("own", self.own)):
            if name in data and integer(data[name]) != right and not self.after_gap:
                hint = "what this writer wrote, without header, GAP and CLOSE"
                return Wrong(name, str(right), str(data[name]), "DOL-JOURNAL-007", hint)
        if self.after_gap:
            return None
        return self.accounts.close(data)


READING: Final = frozenset({"ORDER", "REDUCE", "EQUITY", "ARM", "CONFIRM"})
HANDLERS: Final[dict[str, Callable[[Ledger, Record], Wrong | None]]] = {
    "HEADER": Ledger._header,
    "NOTE": Ledger._note,
    "FILL": Ledger._fill,
    "OWN": Ledger._own,
    "ORDER": Ledger._reading,
    "REDUCE": Ledger._reading,
    "EQUITY": Ledger._sample,
    "ARM": Ledger._request,
    "CONFIRM": Ledger._request,
    "COMMAND": Ledger._command,
    "GAP": Ledger._gap,
    "CLOSE": Ledger._close,
}
