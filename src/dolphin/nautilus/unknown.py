"""Orders whose fate nobody knows: told as over, though the venue may fill them yet. UNKNOWN is never FLAT.

What belongs here: which end of an order is no venue's word, and how long such an order counts on; as what it counts is
working.py's: it may enter at full size, and is no exit that rests or is on its way (docs/design/order-authority.md).

Rules. Live only: a simulator knows what it refuses. An end counts for an end where a venue said so: a rejection in the
words of a refusal, a report of the venue. Not so an answer of "status unknown", a lost connection, a text in which
nobody is known to have refused, and an order that Nautilus gives up since it had no answer. Then the order counts until
its fills, its cancel or a plain refusal are heard, or the time for that has passed; if the venue told that it works
there, without end, since no report will close what Nautilus has closed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from nautilus_trader.model.events import OrderAccepted, OrderCanceled, OrderExpired, OrderFilled, OrderRejected

from dolphin.journal import encode
from dolphin.kernel.units import NEVER_NS, NS_PER_MS, NS_PER_S
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.translate import lots_of
from dolphin.nautilus.working import Working

if TYPE_CHECKING:
    from dolphin.nautilus.book import Book
    from dolphin.nautilus.parts import Parts

DOUBT: Final = re.compile(
    r"unknown|time.?out|timed.out|deadline|connect|network|transport|internal|unavailable|unexpected|gateway|duplicat"
    r"|(?:http|status)\D{0,8}5\d\d\b|code\D{0,4}5\d\d\b|retr\w* .*exceed|pars(?:e|ing)|serializ|decod|json|chunk"
)
"""Words of an answer behind which an order may live. "Duplicate" is the answer to a second try: the first one came. A
code of 5xx is of what stands before the venue, and an answer that cannot be read says nothing of the order.
"""

CODE: Final = re.compile(r"code[^\w-]{0,4}(-?\d+)")
DOUBTFUL_CODES: Final = frozenset(("-1000", "-1001", "-1006", "-1007"))
"""Binance's for "unknown", "disconnected", "unexpected response" and "timeout"; with any other code it refused."""

REFUSAL: Final = re.compile(
    r"reject|refus|insufficient|not enough|margin|balance|funds|exceed|minimum|maximum|precision|invalid|not found"
    r"|not permitted|not allowed|supported|unauthorized|reduce.?only|post.?only|would|no market"
    r"|in the market|market closed|halt|expired|not yet active|already closed|denied"
)
"""Words of a refusal, where a venue gives no code: Nautilus' adapters and its sandbox."""


def refused(reason: str) -> bool:
    """Whether this text says that a venue refused the order. One that nobody knows says nothing."""
    text = reason.lower()
    if DOUBT.search(text) is not None:
        return False
    code = CODE.search(text)
    if code is not None:
        return code[1] not in DOUBTFUL_CODES
    return REFUSAL.search(text) is not None


def doubtful(event: Any) -> bool:
    """Whether this event ends an order without a venue's word for it.

    What Nautilus makes up bears the moment at which it was made; one of a report bears the venue's.
    """
    if not isinstance(event, (OrderRejected, OrderCanceled)):
        return False
    if event.reconciliation:
        return bool(event.ts_event == event.ts_init)
    if isinstance(event, OrderCanceled):
        return False
    if event.due_post_only:
        return False
    return not refused(event.reason)


def said(event: Any) -> str:
    """The words in which it was told."""
    if isinstance(event, OrderRejected):
        return str(event.reason)
    return "no answer to its cancel"


class Doubt:
    """One order: lots that may fill yet, until when it counts, the trades that were heard of it."""

    __slots__ = ("lots", "scale", "trades", "until_ns")

    def __init__(self, lots: int, scale: Any, until_ns: int) -> None:
        self.lots = lots
        self.scale = scale
        self.until_ns = until_ns
        self.trades: set[str] = set()

    def filled(self, event: Any) -> None:
        """Told twice, a fill counts once."""
        trade = event.trade_id.value
        if trade in self.trades:
            return
        self.trades.add(trade)
        self.lots -= lots_of(event.last_qty, self.scale)


class Unknown:
    """Those of one book. `span_ns`: so long one counts of which nothing is heard, by the machine's own clock, which no
    step of the wall's moves; 0: never.
    """

    def __init__(
        self, guard: Guard, book: Book, clock: Any, tell: Callable[[str, str], None], span_ns: int,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._guard = guard
        self._book = book
        self._clock = clock
        self._tell = tell
        self._span_ns = span_ns
        self._now_ns = now_ns
        self._doubts: dict[str, Doubt] = {}
        book.unsure = self.lots

    def lots(self, cid: str) -> int:
        """Lots that may fill of an order that Nautilus has closed."""
        doubt = self._doubts.get(cid)
        if doubt is None:
            return 0
        return doubt.lots

    def told(self) -> dict[str, int]:
        """Each of them, and the lots as which it counts."""
        return {cid: doubt.lots for cid, doubt in self._doubts.items()}

    def hear(self, event: Any, working: Working | None) -> None:
        """An event of an order, before the book is brought up to date by it."""
        if self._span_ns == 0:
            return
        if working is None:
            return
        doubt = self._doubts.get(working.cid)
        if doubt is None:
            self._begin(event, working)
            return
        if not working.order.is_closed:  # a canceled one that fills is open again
            self._end(working.cid, "it works")
            return
        if isinstance(event, OrderFilled):
            doubt.filled(event)
        elif isinstance(event, OrderAccepted):
            doubt.until_ns = NEVER_NS
        elif isinstance(event, (OrderRejected, OrderCanceled, OrderExpired)):
            if not doubtful(event):
                doubt.lots = 0
        if doubt.lots <= 0:
            self._end(working.cid, "its fate was told")

    def _begin(self, event: Any, working: Working) -> None:
        if not doubtful(event):
            return
        if working.own:  # reduce-only, and asked for again where something is left
            return
        order = working.order
        if not order.is_closed:  # part of it was filled before: Nautilus goes on with it
            return
        until_ns = self._now_ns() + self._span_ns
        if order.ts_accepted > 0:
            if not event.reconciliation:
                until_ns = NEVER_NS
        lots = working.most()
        self._doubts[working.cid] = Doubt(lots, self._book.scaled(order.instrument_id), until_ns)
        self._note(working.cid, said(event), lots)
        span_s = self._span_ns // NS_PER_S
        self._tell(
            "UNKNOWN",
            f"{working.cid}: {said(event)!r}: it may fill all the same, and counts as {lots} lots for {span_s} s, or "
            "until it is heard of; if it works at the venue, cancel it there [DOL-ORDER-008]",
        )

    def look(self) -> None:
        """Let go of those of which nothing was heard for so long."""
        now_ns = self._now_ns()
        for cid, doubt in list(self._doubts.items()):
            if now_ns >= doubt.until_ns:
                self._end(cid, "nothing was heard of it")
                self._book.lost(cid)

    def _end(self, cid: str, why: str) -> None:
        del self._doubts[cid]
        self._note(cid, why, 0)

    def _note(self, cid: str, why: str, lots: int) -> None:
        record = encode({"what": "order of unknown fate", "id": cid, "why": why, "counts_lots": lots})
        self._guard.write(self._clock.timestamp_ns(), "NOTE", record)


def unknown_of(parts: Parts) -> Unknown:
    """Those of one run."""
    span_ns = 0
    if parts.live:
        span_ns = parts.settings.unknown_ms * NS_PER_MS
    return Unknown(parts.guard, parts.book, parts.actor.clock, parts.actor.tell, span_ns)
