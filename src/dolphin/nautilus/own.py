"""The guard's own orders: trim, flatten, kill (DESIGN.md 2.3, 2.7). Reduce-only, never crossing zero.

What belongs here: when the kernel is asked by REDUCE, and what is sent upon its answer; how much and whether is the
kernel's. One own order a position works at a time. What a rejection, a partial fill or an entry that fills late leaves
is asked for again, by the next event or row, until nothing is due.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.events import (
    OrderCanceled,
    OrderCancelRejected,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderRejected,
)
from nautilus_trader.model.identifiers import ClientOrderId, PositionId

from dolphin.journal import encode
from dolphin.kernel.events import Reduce, Reduced
from dolphin.kernel.policy import TRIM_GAP_NS
from dolphin.kernel.reasons import Reason
from dolphin.kernel.units import ABSENT, NS_PER_S, notional
from dolphin.nautilus.action import TAG, Host
from dolphin.nautilus.book import Book, own_lots
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.translate import Scale, quantity_of
from dolphin.nautilus.trying import Refusals, Tried
from dolphin.nautilus.values import Values
from dolphin.nautilus.working import OWN_PREFIX, Group

WAITING, TAKEN, LEAVING = 0, 1, 2
"""A position found at a first live start waits for the operator, or he took it over, or he wants it gone."""

NEVER_TRIMMED = -(1 << 62)

ARRIVING_NS = 2 * NS_PER_S
"""So long an own order waits for a strategy's exit on its way to the venue: where reduce-only is not honoured, both
together would cross zero. No longer: a strategy that sends exits for ever must not hold off a kill.
"""

STUCK_NS, PART_NS = 10 * NS_PER_S, NS_PER_S
"""So long an own order may work unfilled, and half filled: then it is cancelled, and the rest is asked for anew. Live,
no second one is sent beside one of which the venue says nothing: nobody knows whether it will fill.
"""

PAUSE_NS, PAUSE_STEPS, QUICK = 20_000_000, 8, 2
"""After more own orders in a row than `QUICK` that filled nothing: a pause that doubles with each, to five seconds. A
venue that refuses each at once must not be sent hundreds.
"""

_ENDS = (OrderFilled, OrderRejected, OrderDenied, OrderCanceled, OrderExpired)


def named(standings: dict[str, int], which: int) -> list[str]:
    """The positions of this standing."""
    found = []
    for name, standing in standings.items():
        if standing == which:
            found.append(name)
    return found


class Own:
    """Own orders of one book."""

    def __init__(
        self, guard: Guard, book: Book, values: Values, scales: dict[str, Scale], host: Host, cache: Any, clock: Any,
        fresh: Callable[[str], bool], feed_of: Callable[[str], int], run_id: str, simulated: bool,
        tell: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._guard = guard
        self._book = book
        self._values = values
        self._scales = scales
        self._host = host
        self._cache = cache
        self._clock = clock
        self._fresh = fresh
        self._feed_of = feed_of
        self._run_id = run_id
        self._simulated = simulated
        self._tell = tell
        self._last_ns: dict[str, int] = {}
        self._asking = False
        self._again = False
        self._done: set[str] = set()
        self.adopted: dict[str, int] = {}
        self.due = False
        self.due_ns = ABSENT
        self.sent = 0
        self._tries: dict[str, Tried] = {}
        self._refusals = Refusals(guard, book, tell)

    def begin(self) -> None:
        """Something fell, or more is held than may be: every position is asked about."""
        self.due = True
        self._done.clear()
        self.ask()

    def ask(self) -> None:
        """Ask about every position, largest notional first, and send what may be sent. Not re-entered."""
        if not self.due:
            return
        if self._guard.report:
            return
        if self._asking:
            self._again = True
            return
        self._asking = True
        try:
            self._round()
            rounds = 0
            while self._again:
                self._again = False
                rounds += 1
                if rounds > len(self._book.groups) + 8:
                    break
                self._round()
        finally:
            self._asking = False
            self._again = False

    def _round(self) -> None:
        now_ns = self._clock.timestamp_ns()
        self.due_ns = ABSENT
        left = self._pointless(now_ns)
        for group in self._largest_first():
            if group.key in self._done:
                continue
            left = True
            self._position(group, now_ns)
        if not left:
            self._rest()

    def _tried(self, key: str, now_ns: int) -> Tried:
        found = self._tries.get(key)
        if found is None:
            found = Tried(now_ns)
            self._tries[key] = found
        return found

    def _leftover(self) -> list[Group]:
        """Where own orders work whose position is gone, or that name none."""
        found = []
        for group in self._book.groups.values():
            if group.lots == 0:
                if own_lots(group) > 0:
                    found.append(group)
        return found

    def _pointless(self, now_ns: int) -> bool:
        """Whether own orders are left over: they are cancelled, and again."""
        found = self._leftover()
        for group in found:
            self._stuck(group, now_ns, 0)
        return len(found) > 0

    def gone(self, group: Group) -> None:
        """A position was closed: what was known of it does not hold for the next of its name."""
        self.adopted.pop(group.key, None)
        self._tries.pop(group.key, None)
        if own_lots(group) > 0:
            self.due = True

    def _rest(self) -> None:
        """Nothing to ask about: while a target of zero holds, a late fill may bring something."""
        self.due = self._guard.emptying()
        if self.adopted:
            self.due = True

    def _largest_first(self) -> list[Group]:
        ranked = []
        for group in self._book.held():
            worth = self._values.worth(self._scales[group.instrument], group.lots)
            ranked.append((-notional(abs(group.lots), worth), group.key, group))
        ranked.sort()
        return [group for _, _, group in ranked]

    def _position(self, group: Group, now_ns: int) -> None:
        if own_lots(group) > 0:
            self._stuck(group, now_ns, STUCK_NS)
            return
        if self._nameless(group):
            return
        if self._refusals.flat(group, now_ns):
            return
        if not self._fresh(group.instrument):
            return
        tried = self._tried(group.key, now_ns)
        if now_ns < tried.not_before_ns:
            return
        if self._waits(group, tried, now_ns):
            return
        last_ns = self._last_ns.get(group.key, NEVER_TRIMMED)
        if not self._guard.emptying():
            if self.adopted.get(group.key, TAKEN) == TAKEN:
                if self._values.sample().error == 1:  # a trim is judged by equity: one bad tick elsewhere sells nothing
                    return
                if now_ns - last_ns < TRIM_GAP_NS:
                    self._later(last_ns + TRIM_GAP_NS)
                    return
        answer = self._answer(group, now_ns, last_ns)
        if answer.lots > 0:
            self._send(group, answer, now_ns)
            return
        if answer.reason in (Reason.NOTHING_TO_DO, Reason.MODE_OFF, Reason.ADOPTED):
            self._done.add(group.key)

    def _nameless(self, group: Group) -> bool:
        """Whether an own order of an earlier run works here that came back without its position: it must go first."""
        for other in self._leftover():
            if (other.instrument, other.strategy) == (group.instrument, group.strategy):
                return True
        return False

    def _waits(self, group: Group, tried: Tried, now_ns: int) -> bool:
        """Whether a strategy's own exit is on its way, and not for too long yet."""
        if not group.arriving():
            tried.arriving_ns = ABSENT
            return False
        if tried.arriving_ns == ABSENT:
            tried.arriving_ns = now_ns
        until_ns = tried.arriving_ns + ARRIVING_NS
        if now_ns >= until_ns:
            return False
        self._later(until_ns)
        return True

    def _stuck(self, group: Group, now_ns: int, patience_ns: int) -> None:
        """Cancel an own order that has worked for too long; again after a while."""
        if group.key in self._tries:
            patience_ns = STUCK_NS
        tried = self._tried(group.key, now_ns)
        for working in list(group.orders.values()):
            if working.own:
                if working.order.status == OrderStatus.PARTIALLY_FILLED:
                    patience_ns = min(patience_ns, PART_NS)
                if now_ns < tried.sent_ns + patience_ns:
                    self._later(tried.sent_ns + patience_ns)
                    return
                tried.sent_ns = now_ns
                self._later(now_ns + STUCK_NS)
                self._host.cancel(working.order)

    def _later(self, at_ns: int) -> None:
        if self.due_ns == ABSENT:
            self.due_ns = at_ns
        self.due_ns = min(self.due_ns, at_ns)

    def _answer(self, group: Group, now_ns: int, last_ns: int) -> Reduced:
        scale = self._scales[group.instrument]
        sample = self._values.sample()
        equity = sample.equity
        if sample.error == 1:
            equity = 0
        worth = self._values.worth(scale, group.lots)
        event = Reduce(
            now_ns, self._feed_of(group.instrument), group.lots, 0, worth, max(0, sample.gross - self._leaving()),
            equity, self._guard.policy.l_raw_bp, 1, last_ns, self.adopted.get(group.key, TAKEN),
        )  # fmt: skip
        note = encode({"position": group.key})
        effects = self._guard.emit(event, note)
        answer = effects[-1]
        if not isinstance(answer, Reduced):
            raise TypeError(f"the kernel answered {answer!r} to a reduction")
        return answer

    def _leaving(self) -> int:
        """What the own orders that work already will take off."""
        total = 0
        for group in self._book.groups.values():
            own = group.summed().own
            if own > 0:
                total += notional(own, self._values.worth(self._scales[group.instrument], group.lots))
        return total

    def _send(self, group: Group, answer: Reduced, now_ns: int) -> None:
        scale = self._scales[group.instrument]
        position = self._cache.position(PositionId(group.key))
        if position is None:
            self._done.add(group.key)
            return
        self.displace(group, group.summed().resting - abs(group.lots) + answer.lots)
        if self._waits(group, self._tried(group.key, now_ns), now_ns):  # a strategy answered a cancel with an exit
            return
        self._last_ns[group.key] = now_ns
        self._tried(group.key, now_ns).sent_ns = now_ns
        self.sent += 1
        name = self._new_name()
        self._guard.count(answer.reason.name)
        side = 1
        if group.lots > 0:
            side = -1
        tag = TAG[answer.reason]
        said = {
            "id": name, "position": group.key, "instrument": group.instrument, "strategy": group.strategy, "side": side,
            "lots": answer.lots, "tag": tag, "reason": answer.reason.name,
        }  # fmt: skip
        self._guard.write(now_ns, "OWN", encode(said))
        self._book.own_ids.add(name)
        quantity = self._quantity(position, group, answer, scale)
        try:
            order = self._host.reducing(position, side, quantity, name, tag)
        except Exception:
            self._vain(group.key)  # asked again by every timer, it would fill the journal a hundred times a second
            raise
        # Counted before anybody hears of it: live it is only queued, and what asks meanwhile must find it.
        self._book.seen(order, position.id)
        try:
            self._host.send(order, position.id)
        except Exception:
            self._host.deny(order, "could not be sent")  # or it would count as on its way for ever
            raise

    def _new_name(self) -> str:
        """The number of the record that brought it; a later one where an earlier run of that name used it."""
        seq = self._guard.next_seq() - 1
        name = f"{OWN_PREFIX}{self._run_id}-{seq}"
        again = 0
        while self._cache.order(ClientOrderId(name)) is not None:
            again += 1
            name = f"{OWN_PREFIX}{self._run_id}-{seq}-{again}"
        return name

    def _quantity(self, position: Any, group: Group, answer: Reduced, scale: Scale) -> Any:
        """The position's own quantity where all of it goes: it need not be whole lots."""
        if answer.lots >= abs(group.lots):
            return position.quantity
        return quantity_of(answer.lots, scale)

    def displace(self, group: Group, lots: int, apart: frozenset[str] = frozenset()) -> None:
        """Cancel so many lots of resting exits but these, newest first; never reduce-only ones."""
        for working in group.displaced(lots, apart):
            if not working.order.is_closed:  # the other one of two that are linked may have gone with the first
                self._host.cancel(working.order)

    def heard(self, event: Any, order: Any, group: Group | None) -> None:
        """An event of an own order. At its end what remains is asked for, after a rejection not at this very instant.

        `group`: where it filled. A simulator that does not know an order that it is to cancel will not fill it either.
        """
        if isinstance(event, OrderCancelRejected):
            if not self._simulated:
                return
            self._book.lost(order.client_order_id.value)
        elif not isinstance(event, _ENDS):
            return
        if group is None:
            position_id = self._cache.position_id(order.client_order_id)
            group = self._book.group(order.instrument_id, order.strategy_id, position_id)
        self._in_vain(group.key, order)
        self._refusals.heard(event, group)
        self._done.discard(group.key)
        self.due = True

    def _in_vain(self, key: str, order: Any) -> None:
        """After one that filled nothing not at this very instant; after several of them a pause."""
        if order.filled_qty.as_double() > 0:
            self._tried(key, self._clock.timestamp_ns()).in_vain = 0
            return
        self._vain(key)

    def _vain(self, key: str) -> None:
        now_ns = self._clock.timestamp_ns()
        tried = self._tried(key, now_ns)
        tried.in_vain += 1
        pause_ns = 1
        if tried.in_vain > QUICK:
            pause_ns = PAUSE_NS << min(tried.in_vain - QUICK, PAUSE_STEPS)
        tried.not_before_ns = now_ns + pause_ns
        if tried.in_vain == QUICK + 1:
            self._tell("NOT FILLED", f"{tried.in_vain} own orders for {key} filled nothing: look at the venue")

    def waiting(self) -> list[str]:
        """The positions that wait for the operator."""
        return named(self.adopted, WAITING)

    def positions(self) -> list[str]:
        """The keys of all positions that are held."""
        return [group.key for group in self._book.held()]
