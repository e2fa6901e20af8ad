"""Check d, records that are no kernel event: fills add up, own orders were asked for, gaps and the end say what is so.

What belongs here: the shape of FILL, OWN, ADOPT, COMMAND, NOTE, GAP and CLOSE, and what ties them to the kernel's
records. A field that is not named here is free, is not compared, and is listed as such in the coverage.

`FILL`: side * lots leads from position_before to position_after, and position_before is where the last FILL (or ADOPT)
of that strategy and position left it. An `x` of ORDER or REDUCE that names a position must read it as it was left.
`OWN`: the last REDUCE of this feed, not used yet, was answered with these lots.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dolphin.audit.finding import SAFETY, Finding, found
from dolphin.audit.gate import Wrong
from dolphin.journal import Record, integer

VERBS: Final = frozenset(
    {"kill", "arm", "confirm", "rebase-arm", "rebase-confirm", "adopt", "flatten", "status"}
)  # fmt: skip
COMPARED: Final[dict[str, frozenset[str]]] = {
    "HEADER": frozenset(
        {"format", "policy", "policy_hash", "start_ns", "anchor_ns", "confidence_ms", "envelope", "feeds"}
    ),
    "FILL": frozenset({"strategy", "position", "side", "lots", "position_before", "position_after"}),
    "OWN": frozenset({"feed", "lots", "side"}),
    "ADOPT": frozenset({"strategy", "position", "position_lots"}),
    "COMMAND": frozenset({"verb"}),
    "GAP": frozenset({"from", "count"}),
    "CLOSE": frozenset({"records", "kinds", "state"}),
}
"""Which fields of these kinds a check reads."""

type Key = tuple[str, str]


class Ledger:
    """Positions folded from fills, and what own orders may use."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.positions: dict[Key, int] = {}
        self.asked: dict[int, tuple[int, int]] = {}
        self.last_feed = -1
        self.kinds: dict[str, int] = {}
        self.after_gap = False
        self.checked = 0

    def take(self, record: Record) -> Finding | None:
        """The finding on one record; every kind is counted here, since CLOSE may name the totals."""
        handler = HANDLERS.get(record.kind)
        wrong = None
        if handler is not None:
            self.checked += 1
            try:
                wrong = handler(self, record)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                text = f"{type(error).__name__}: {error}"
                wrong = Wrong("data", "the fields of its kind", text, "DOL-JOURNAL-009", "see docs/journal-format.md")
        self.kinds[record.kind] = self.kinds.get(record.kind, 0) + 1
        if wrong is None:
            return None
        return found(self.path, record, *wrong, check=SAFETY)

    def _fill(self, record: Record) -> Wrong | None:
        data = record.data
        side, lots = integer(data["side"]), integer(data["lots"])
        before, after = integer(data["position_before"]), integer(data["position_after"])
        if side not in (1, -1):
            return Wrong("side", "1 or -1", str(side), "DOL-JOURNAL-009", "a fill buys or sells")
        if lots <= 0:
            return Wrong("lots", "more than 0", str(lots), "DOL-JOURNAL-009", "a fill moves something")
        if after != before + side * lots:
            expected = str(before + side * lots)
            return Wrong("position_after", expected, str(after), "DOL-JOURNAL-008", "before + side * lots")
        key = (_text(data, "strategy"), _text(data, "position"))
        known = self.positions.get(key, before)
        self.positions[key] = after
        if before != known and not self.after_gap:
            hint = f"{key[1]} of {key[0]}: fills do not follow one another"
            return Wrong("position_before", str(known), str(before), "DOL-JOURNAL-008", hint)
        return None

    def _adopt(self, record: Record) -> Wrong | None:
        data = record.data
        if "position" in data:
            self.positions[_text(data, "strategy"), _text(data, "position")] = integer(data["position_lots"])
        return None

    def _reading(self, record: Record) -> Wrong | None:
        """An order or a reduction whose annotation names its position must read it as the fills left it."""
        body = record.body
        if record.kind == "REDUCE":
            self.last_feed = int(body.feed)
            self.asked[self.last_feed] = (int(body.fx[-1][1]), int(body.position_lots))
        if b',"x":' not in record.raw:
            return None
        note = body.x
        known = self.positions.get((str(note.get("strategy")), str(note.get("position"))))
        if known is None or self.after_gap:
            return None
        self.checked += 1
        if int(body.position_lots) != known:
            hint = "the reading is not the position that the fills add up to"
            return Wrong("position_lots", str(known), str(body.position_lots), "DOL-EXIT-006", hint)
        return None

    def _own(self, record: Record) -> Wrong | None:
        data = record.data
        feed = integer(data.get("feed", self.last_feed))
        lots = integer(data["lots"])
        allowed, position = self.asked.pop(feed, (0, 0))
        if allowed <= 0 and not self.after_gap:
            hint = f"no REDUCE of feed {feed} before it was answered with lots"
            return Wrong("lots", "no own order", str(lots), "DOL-TRIM-001", hint)
        if lots != allowed and not self.after_gap:
            return Wrong("lots", str(allowed), str(lots), "DOL-TRIM-001", "an own order is what REDUCE answered")
        if "side" in data:
            if integer(data["side"]) * position >= 0 and not self.after_gap:
                return Wrong("side", "against the position", str(data["side"]), "DOL-TRIM-001", f"position {position}")
        return None

    def _command(self, record: Record) -> Wrong | None:
        verb = _text(record.data, "verb")
        if verb not in VERBS:
            return Wrong("verb", ", ".join(sorted(VERBS)), verb, "DOL-PLUG-004", "no such command")
        return None

    def _gap(self, record: Record) -> Wrong | None:
        body = record.body
        self.after_gap = self.after_gap or body.count > 0
        if body.from_ != record.seq:
            return Wrong(
                "from", str(record.seq), str(body.from_), "DOL-JOURNAL-006", "a GAP stands where records are missing"
            )
        if body.count < 0:
            return Wrong("count", "0 or more", str(body.count), "DOL-JOURNAL-006", "records are missing or are not")
        return None

    def _close(self, record: Record) -> Wrong | None:
        data = record.data
        if "records" in data and integer(data["records"]) != record.seq:
            return Wrong("records", str(record.seq), str(data["records"]), "DOL-JOURNAL-007", "records before CLOSE")
        kinds = data.get("kinds", self.kinds)
        if kinds != self.kinds:
            return Wrong("kinds", str(self.kinds), str(kinds), "DOL-JOURNAL-007", "counts of each kind before CLOSE")
        return None


def _text(data: dict[str, Any], name: str) -> str:
    value = data[name]
    if type(value) is not str:
        raise TypeError(f"{name} is {value!r}, no string")
    return value


HANDLERS: Final[dict[str, Callable[[Ledger, Record], Wrong | None]]] = {
    "FILL": Ledger._fill,
    "OWN": Ledger._own,
    "ADOPT": Ledger._adopt,
    "ORDER": Ledger._reading,
    "REDUCE": Ledger._reading,
    "COMMAND": Ledger._command,
    "GAP": Ledger._gap,
    "CLOSE": Ledger._close,
}
