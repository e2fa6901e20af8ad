"""Orders whose fate nobody knows: told as over, though the venue may fill them yet. UNKNOWN is never FLAT.

What belongs here: which end of an order is no venue's word, and how long such an order counts on; as what it counts is
working.py's: it may enter at full size, and is no exit that rests or is on its way (docs/design/order-authority.md).

Rules. Live only: a simulator knows what it refuses. An end counts for an end where a venue said so: a rejection in the
words of a refusal, a report of the venue. Not so an answer of "status unknown", a lost connection, a text in which
nobody is known to have refused, and an order that Nautilus gives up since it had no answer. Then the order counts until
its fills, its cancel or a plain refusal are heard, or the time for that has passed; if the venue told that it works
there, without end, since no report will close what Nautilus has closed. A restart takes them up from the journal, and
counts them for that time from its own start on: then the venue has said what it knows. Where nothing increasing may
work, each is opened again and canceled (reopening.py), but those that can only reduce.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from nautilus_trader.model.events import (
    OrderAccepted,
    OrderCanceled,
    OrderCancelRejected,
    OrderExpired,
    OrderFilled,
    OrderRejected,
)
from nautilus_trader.model.identifiers import ClientOrderId

from dolphin.journal import encode
from dolphin.journal.aside import UNKNOWN
from dolphin.kernel.units import NEVER_NS, NS_PER_MS, NS_PER_S
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.reopening import closed, read, reopened, written
from dolphin.nautilus.translate import lots_of, quantity_of
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

GONE: Final = re.compile(r"-2011|unknown order|not found|not exist|already|no such|closed")
"""What a venue answers to a cancel of what does not work there."""


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
    """One order: lots that may fill yet, until when it counts, what was heard of it: acceptances, and each trade once.

    `size`: as large as it may be, with what has filled. `alone`: Nautilus' cache has no such order, since it is of an
    earlier run. `taken`: it was opened again to be canceled, which is done once.
    """

    __slots__ = ("alone", "heard", "lots", "scale", "size", "taken", "trades", "until_ns")

    def __init__(self, order: Any, lots: int, scale: Any, until_ns: int, alone: bool = False) -> None:
        self.lots = lots
        self.scale = scale
        self.size = _largest(order, lots, scale)
        self.until_ns = until_ns
        self.alone = alone
        self.taken = False
        self.heard: list[Any] = []
        self.trades: set[str] = set()

    def accepted(self, event: Any) -> None:
        """The venue has it: it works until that is told otherwise."""
        self.until_ns = NEVER_NS
        self.heard.append(event)

    def filled(self, event: Any) -> None:
        """Told twice, a fill counts once."""
        trade = event.trade_id.value
        if trade in self.trades:
            return
        self.trades.add(trade)
        self.heard.append(event)
        self.lots -= lots_of(event.last_qty, self.scale)


class Unknown:
    """Those of one book. `span_ns`: so long one counts of which nothing is heard, by the machine's own clock, which no
    step of the wall's moves; 0: never. `cancel`: sends a cancel of an order; `failed`: is told what went wrong.
    """

    def __init__(
        self, guard: Guard, book: Book, clock: Any, cache: Any, cancel: Callable[[Any], None],
        tell: Callable[[str, str], None], failed: Callable[[str, BaseException], None], span_ns: int,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._guard = guard
        self._book = book
        self._clock = clock
        self._cache = cache
        self._cancel = cancel
        self._tell = tell
        self._failed = failed
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

    # --- over a restart -----------------------------------------------------------------------------------------------

    def begin(self, before: Mapping[str, tuple[int, str]]) -> None:
        """A start, after the venue has told what it has: those of the earlier run of which it told nothing count on.

        Where none counts they are done with, and no later start takes them up.
        """
        for cid, (lots, text) in before.items():
            if self._span_ns == 0:
                self._note(cid, "orders of unknown fate do not count in this run", 0)
            else:
                self._remember(cid, lots, text)

    def _remember(self, cid: str, lots: int, text: str) -> None:
        known = self._cache.order(ClientOrderId(cid))
        if known is not None:
            if not _open_end(known):
                self._note(cid, "the venue told of it", 0)
                return
        try:
            order = read(text)
        except (ValueError, KeyError, TypeError) as error:
            self._tell("UNKNOWN", f"{cid}: cannot be read: {error}; look at the venue [DOL-ORDER-008]")
            return
        working = self._book.seen(order, self._cache.position_id(order.client_order_id))
        if working is None:
            self._tell("UNKNOWN", f"{cid}: {order.instrument_id} is not known; look at the venue [DOL-ORDER-008]")
            return
        alone = known is None
        if alone:
            closed(order, "its fate was not known when the process ended", self._clock.timestamp_ns())
            known = order
        working.order = known
        scale = self._book.scaled(order.instrument_id)
        self._doubts[cid] = Doubt(known, lots, scale, self._now_ns() + self._span_ns, alone)
        self._book.again(working)
        self._say(cid, "its fate was not known when the process ended", lots)

    # --- while it runs ------------------------------------------------------------------------------------------------

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
        if doubt.alone:  # a report brought it: Nautilus has made an order of that name, and that one counts
            self._end(working.cid, "the venue told of it")
            self._book.lost(working.cid)
            return
        if not working.order.is_closed:
            self._open(event, working, doubt)
            return
        if isinstance(event, OrderFilled):
            doubt.filled(event)
        elif isinstance(event, OrderAccepted):
            doubt.accepted(event)
        elif isinstance(event, (OrderRejected, OrderCanceled, OrderExpired)):
            if not doubtful(event):
                doubt.lots = 0
            elif doubt.until_ns == NEVER_NS:
                doubt.taken = False  # its cancel was never answered, and it works: once more
        if doubt.lots <= 0:
            self._end(working.cid, "its fate was told")

    def _open(self, event: Any, working: Working, doubt: Doubt) -> None:
        """Open again: a canceled one that fills; or one that is canceled here, which a refusal leaves as it was."""
        if doubt.taken:
            if isinstance(event, OrderCancelRejected):
                if GONE.search(event.reason.lower()) is not None:  # it may not have come yet, but for so long
                    doubt.until_ns = min(doubt.until_ns, self._now_ns() + self._span_ns)
                return
        self._end(working.cid, "it works")

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
        doubt = Doubt(order, lots, self._book.scaled(order.instrument_id), until_ns)
        self._doubts[working.cid] = doubt
        self._note(working.cid, said(event), lots, order=written(order, doubt.size, event.account_id))
        self._say(working.cid, said(event), lots)

    def look(self) -> None:
        """Each second: let go of those of which nothing was heard for so long; a kill may have come before a doubt."""
        now_ns = self._now_ns()
        for cid, doubt in list(self._doubts.items()):
            if now_ns >= doubt.until_ns:
                self._end(cid, "nothing was heard of it")
                self._book.lost(cid)
        if self._guard.report:
            return
        if self._guard.emptying():
            self.cancel()

    def cancel(self) -> None:
        """Nothing increasing may work: open them again, and cancel them, each second anew, but what can only reduce.

        What goes wrong with one keeps neither the others nor the flatten.
        """
        for cid, doubt in list(self._doubts.items()):
            working = self._book.working[cid]
            if working.reduce_only:
                continue
            try:
                self._withdraw(working, doubt)
            except Exception as error:
                self._failed("unknown", error)

    def _withdraw(self, working: Working, doubt: Doubt) -> None:
        if not doubt.taken:
            self._reopen(working, doubt)
        if not working.order.is_closed:  # else Nautilus asked the venue, and gave it up
            self._cancel(working.order)

    def _reopen(self, working: Working, doubt: Doubt) -> None:
        """What fails here is tried again in a second: nothing is kept of it before it is done."""
        now_ns = self._clock.timestamp_ns()
        working.order = reopened(self._cache, working.order, doubt.size, doubt.heard, now_ns)
        doubt.heard.clear()  # the copy has it
        doubt.taken = True
        doubt.alone = False
        if doubt.until_ns != NEVER_NS:
            doubt.until_ns = self._now_ns() + self._span_ns
        self._book.again(working)

    def _say(self, cid: str, why: str, lots: int) -> None:
        span_s = self._span_ns // NS_PER_S
        self._tell(
            "UNKNOWN",
            f"{cid}: {why!r}: it may fill all the same, and counts as {lots} lots for {span_s} s, or until it is heard "
            "of; a kill cancels it [DOL-ORDER-008]",
        )

    def _end(self, cid: str, why: str) -> None:
        del self._doubts[cid]
        self._note(cid, why, 0)

    def _note(self, cid: str, why: str, lots: int, **order: str) -> None:
        record = encode({"what": UNKNOWN, "id": cid, "why": why, "counts_lots": lots, **order})
        self._guard.write(self._clock.timestamp_ns(), "NOTE", record)


def _largest(order: Any, lots: int, scale: Any) -> Any:
    """As large as an order of which so many lots may fill: a modify that nobody answered may have made it larger."""
    if order.is_quote_quantity:  # its lots are what a price made of it
        return order.quantity
    return max(order.quantity, quantity_of(lots_of(order.filled_qty, scale) + lots, scale))


def _open_end(order: Any) -> bool:
    """Whether an order that the cache has kept from an earlier run is still told as over without a venue's word."""
    if not order.is_closed:
        return False
    return doubtful(order.last_event)


def unknown_of(parts: Parts) -> Unknown:
    """Those of one run, which a sweep cancels too."""
    span_ns = 0
    if parts.live:
        span_ns = parts.settings.unknown_ms * NS_PER_MS
    made = Unknown(
        parts.guard, parts.book, parts.actor.clock, parts.cache, parts.host.cancel, parts.actor.tell,
        parts.actor.failed, span_ns,
    )  # fmt: skip
    parts.killing.doubts = made.cancel
    return made
