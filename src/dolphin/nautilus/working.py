"""One working order, and one position with the orders that name it: the sums that a verdict needs. No price.

What belongs here: how an order counts: as exit, as entry, as protection, or as what waits for its parent; book.py says
which orders there are. The rules are told there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nautilus_trader.model.enums import OrderType, TimeInForce
from nautilus_trader.model.events import OrderAccepted, OrderFilled, OrderModifyRejected, OrderUpdated

from dolphin.nautilus import counting
from dolphin.nautilus.translate import side_of

OWN_PREFIX = "DOLPHIN-"
_IMMEDIATE = frozenset((TimeInForce.IOC, TimeInForce.FOK))
_ANSWERS = (OrderAccepted, OrderUpdated, OrderModifyRejected, OrderFilled)
"""What a venue says to a new order or a new price; what a strategy asks (PENDING_CANCEL, PENDING_UPDATE) is none."""


class Working:
    """One order that is not closed. `pending_lots`: what a modify in flight would make of it."""

    __slots__ = (
        "_all",
        "canceling",
        "cid",
        "contingency",
        "crossing",
        "doubted",
        "group",
        "heard",
        "key",
        "lots",
        "modifies",
        "order",
        "own",
        "pending_lots",
        "side",
        "wanted",
    )

    def __init__(self, order: Any, group: Group, everything: Mapping[str, Working], own: bool) -> None:
        self._all = everything
        self.order = order
        self.cid: str = order.client_order_id.value
        self.group = group
        self.side = side_of(order)
        self.own = own
        self.contingency = counting.contingency(order)
        self.key = self.cid
        if self.contingency:
            self.key = self.contingency
        self.canceling = False
        self.crossing = False
        self.doubted = False
        self.heard = 0
        self.lots = 0
        self.pending_lots = 0
        self.modifies = 0
        self.wanted: list[tuple[Any, Any, Any]] = []

    def asked(self, command: Any) -> None:
        """One more modify is in flight."""
        self.modifies += 1
        self.wanted.append((command.quantity, command.price, command.trigger_price))

    def becoming(self, lots: int) -> None:
        """A modify in flight would make so much of it; of several the largest counts, in whatever order they come."""
        self.pending_lots = max(self.pending_lots, lots)
        self.group.sums = None

    def answered(self, event: Any) -> None:
        """A modify was carried out or refused: what it would have been counts until none is in flight.

        An update to what nobody asked for is no answer: the venue, or Nautilus, resized the order for its own reasons,
        and the modify is still to come. One that is carried out otherwise than asked counts on, on the safe side,
        until the order closes.
        """
        if isinstance(event, OrderUpdated):
            if not self._was_wanted(event):
                return
        self.modifies = max(0, self.modifies - 1)
        if self.modifies == 0:
            self.pending_lots = 0
            self.wanted.clear()
        self.group.sums = None

    def _was_wanted(self, event: Any) -> bool:
        """Whether a modify asked for this; the same is not found twice."""
        said = (event.quantity, event.price, event.trigger_price)
        for wanted in self.wanted:
            if _agrees(wanted, said):
                self.wanted.remove(wanted)
                return True
        return False

    @property
    def reduce_only(self) -> bool:
        """The order's flag."""
        return bool(self.order.is_reduce_only)

    def most(self) -> int:
        """Lots as which it counts."""
        return max(self.lots, self.pending_lots)

    def leaving(self) -> bool:
        """Whether it executes at once: it will have been filled, or refused, before any later order.

        So does a limit that is immediate-or-cancel or fill-or-kill, and one that crossed the quote when it was asked
        about, until it is found to rest (`settled`). One that an algorithm holds and works off in parts does not; a
        part of it that has left does.
        """
        if self.doubted:  # nobody knows its fate: no later exit waits for it, opened again for its cancel or not
            return False
        if self.order.exec_algorithm_id is not None:
            if self.order.is_active_local:
                return False
        if self.crossing:
            return True
        if self.order.order_type == OrderType.MARKET_TO_LIMIT:
            return self.order.filled_qty == 0  # what is left after that rests
        if self.order.order_type != OrderType.LIMIT:
            return self.order.order_type == OrderType.MARKET
        return self.order.time_in_force in _IMMEDIATE

    def crosses(self) -> None:
        """It, or the new price of it, crosses the quote, and leaves."""
        self.crossing = True
        self.heard = len(self._answers())
        self.group.sums = None

    def _answers(self) -> list[Any]:
        found = []
        for event in self.order.events:
            if isinstance(event, _ANSWERS):
                found.append(event)
        return found

    def settled(self, now_ns: int) -> bool:
        """Whether a crossing one rests: the venue has answered, and what it filled at once came before this moment."""
        answers = self._answers()
        if len(answers) <= self.heard:
            return False
        if answers[-1].ts_init >= now_ns:
            return False
        self.crossing = False
        self.group.sums = None
        return True

    def held(self) -> bool:
        """Whether it waits for a parent that has filled nothing yet."""
        parent = self.parent()
        if parent is None:
            return False
        return not parent.order.filled_qty.as_double() > 0

    def parent(self) -> Working | None:
        """Its parent, while that works."""
        parent_id = self.order.parent_order_id
        if parent_id is None:
            return None
        return self._all.get(parent_id.value)

    def undoes(self, lots: int) -> bool:
        """Whether it waits for its parent and, with so many lots, would only undo it together with its siblings."""
        parent = self.parent()
        if parent is None:
            return False
        if not counting.undoing(self, self.group):
            return False
        if parent.modifies > 0:  # it may become smaller
            return False
        members = {self.key: lots}
        for other in self.group.orders.values():
            if other is not self:
                if (other.order.parent_order_id, other.side) == (self.order.parent_order_id, self.side):
                    counting.larger(members, other)
        if self.reduce_only:
            return sum(members.values()) <= parent.lots
        return sum(members.values()) <= counting.entered(parent, self.group)


class Sums(NamedTuple):
    """What works in a group. `resting`: exits; `own`: what the guard's own orders cover; `buy`, `sell`: entries.

    `leaving`: exits that execute at once and are on their way: nothing displaces them, and a later order finds less.
    """

    resting: int
    own: int
    buy: int
    sell: int
    leaving: int


NOTHING = Sums(0, 0, 0, 0, 0)


class Group:
    """One position and the orders that name it, oldest first. `name`: its key if the position is its strategy's only
    one (NETTING). `position`: the host's object, with the quantity that `lots` is.
    """

    __slots__ = ("instrument", "key", "lots", "name", "orders", "position", "quantity", "strategy", "sums")

    def __init__(self, key: str, instrument: str, strategy: str) -> None:
        self.key = key
        self.instrument = instrument
        self.strategy = strategy
        self.name = f"{instrument}-{strategy}"
        self.lots = 0
        self.position: Any = None
        self.quantity: Any = None
        self.orders: dict[str, Working] = {}
        self.sums: Sums | None = None

    def summed(self) -> Sums:
        """The sums over all orders, kept until something changes."""
        if self.sums is None:
            self.sums = self.without(frozenset())
        return self.sums

    def without(self, cids: frozenset[str]) -> Sums:
        """The sums over all orders but these."""
        if not self.orders:
            return NOTHING
        exits: dict[str, int] = {}
        plain: dict[str, int] = {}
        protective: dict[str, int] = {}
        buy: dict[str, int] = {}
        sell: dict[str, int] = {}
        waiting: list[Working] = []
        own = 0
        leaving = 0
        for working in self.orders.values():
            if working.cid in cids:
                continue
            if working.own:
                if working.side * self.lots < 0:  # one from which the position has turned away covers no exit of it
                    own += working.lots
                continue
            if counting.undoing(working, self):
                if not working.reduce_only:
                    waiting.append(working)
                continue
            if working.side * self.lots < 0:
                if working.leaving():
                    leaving += working.lots
                elif not working.canceling:
                    counting.larger(exits, working)
                if working.reduce_only:
                    counting.larger(protective, working)
                else:
                    counting.larger(plain, working)
                continue
            if working.reduce_only:
                continue
            if working.side > 0:
                counting.larger(buy, working)
            else:
                counting.larger(sell, working)
        for number, (side, lots) in enumerate(counting.waiting(waiting, self)):
            key = f"waiting {number}"
            if side * self.lots < 0:
                exits[key] = lots
                plain[key] = lots
            elif side > 0:
                buy[key] = lots
            else:
                sell[key] = lots
        beyond = counting.beyond(sum(plain.values()), sum(protective.values()), abs(self.lots))
        if self.lots > 0:
            return Sums(sum(exits.values()), own, sum(buy.values()), sum(sell.values()) + beyond, leaving)
        return Sums(sum(exits.values()), own, sum(buy.values()) + beyond, sum(sell.values()), leaving)

    def exits(self) -> list[Working]:
        """Working exits that may be displaced, newest first: not the guard's own, not being cancelled.

        Nor reduce-only ones: they cannot exceed the position at the venue, and they are what protects it.
        """
        found = []
        for working in reversed(self.orders.values()):
            if working.side * self.lots < 0:
                if _may_go(working):
                    if not counting.undoing(working, self):  # it does not rest yet, and makes no room
                        found.append(working)
        return found

    def displaced(self, lots: int, apart: frozenset[str]) -> list[Working]:
        """Which of them go for so many lots, but these: contingent ones are the largest of them, and go together."""
        found = []
        gone: dict[str, int] = {}
        for working in self.exits():
            if working.cid in apart:
                continue
            if working.key not in gone:
                if lots <= 0:
                    continue
            before = gone.get(working.key, 0)
            gone[working.key] = max(before, working.most())
            lots -= gone[working.key] - before
            found.append(working)
        return found

    def arriving(self) -> bool:
        """Whether an exit that executes at once has left and is not done: filled, or refused, any moment."""
        for working in self.orders.values():
            if working.own:
                continue
            if working.side * self.lots < 0:
                if working.leaving():
                    return True
        return False

    def increasing(self) -> list[Working]:
        """Working orders that a HIBERNATE or a kill cancels: all but the guard's own and what protects the position.

        Of the opposing orders that are not reduce-only the oldest stay, up to the position's size; contingent ones are
        the largest of them. What only undoes a parent goes with it.
        """
        found = []
        left = abs(self.lots)
        kept: dict[str, int] = {}
        for working in self.orders.values():
            if working.own:
                continue
            if working.order.is_closed:  # nobody knows its fate, and no cancel reaches it
                continue
            if working.side * self.lots >= 0:
                if not _protects(working, self.lots):
                    found.append(working)
                continue
            if working.reduce_only:
                continue
            if counting.undoing(working, self):
                found.append(working)
                continue
            before = kept.get(working.key, 0)
            largest = max(before, working.most())
            if largest - before > left:
                found.append(working)
                continue
            left -= largest - before
            kept[working.key] = largest
        return found


def _agrees(wanted: tuple[Any, Any, Any], said: tuple[Any, Any, Any]) -> bool:
    """Whether an update says quantity, price and trigger as wanted, as far as both name them."""
    for one, other in zip(wanted, said, strict=True):
        if None in (one, other):
            continue
        if one != other:
            return False
    return True


def _may_go(working: Working) -> bool:
    if working.own:
        return False
    if working.canceling:
        return False
    if working.reduce_only:
        return False
    return not working.leaving()


def _protects(working: Working, lots: int) -> bool:
    """Whether an order that opposes nothing is reduce-only in a group that still holds something."""
    if lots == 0:
        return False
    return working.reduce_only
