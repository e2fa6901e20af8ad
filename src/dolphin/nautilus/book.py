"""What is held and what is working, by position: an incremental ledger of Nautilus' own objects.

What belongs here: positions, working orders and the sums that a verdict needs; no decision, no price. A group is one
position and the orders that name it: under NETTING `<instrument>-<strategy>`, under HEDGING the position's id; orders
under HEDGING that name none are in the group of that first name, which holds no position there.

Rules. An order counts until it is closed, in whatever hands it is: open, in flight, emulated, parked at an algorithm,
held by the venue for its parent. Contingent orders (OCO, OUO) count as the largest of them. What opposes the position
is a resting exit up to its size and an entry beyond; a reduce-only order, or a child of a parent that is not filled,
is never an entry. PENDING_CANCEL is no resting exit any more, but still an entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nautilus_trader.model.enums import ContingencyType, OrderStatus, OrderType, TimeInForce

from dolphin.nautilus.translate import Scale, lots_of, side_of

OWN_PREFIX = "DOLPHIN-"
AT_ONCE = frozenset((OrderType.MARKET, OrderType.MARKET_TO_LIMIT))
"""Types that execute at once or not at all; so does a limit that is immediate-or-cancel or fill-or-kill."""
_IMMEDIATE = frozenset((TimeInForce.IOC, TimeInForce.FOK))
_MOVING = frozenset((OrderStatus.SUBMITTED, OrderStatus.PENDING_UPDATE, OrderStatus.PENDING_CANCEL))


class Working:
    """One order that is not closed. `pending_lots`: what a modify in flight would make of it."""

    __slots__ = (
        "_all",
        "canceling",
        "cid",
        "contingency",
        "group",
        "key",
        "lots",
        "order",
        "own",
        "pending_lots",
        "side",
    )

    def __init__(self, order: Any, group: Group, everything: Mapping[str, Working]) -> None:
        self._all = everything
        self.order = order
        self.cid: str = order.client_order_id.value
        self.group = group
        self.side = side_of(order)
        self.own = self.cid.startswith(OWN_PREFIX)
        self.contingency = contingency(order)
        self.key = self.cid
        if self.contingency:
            self.key = self.contingency
        self.canceling = False
        self.lots = 0
        self.pending_lots = 0

    @property
    def reduce_only(self) -> bool:
        """The order's flag."""
        return bool(self.order.is_reduce_only)

    def most(self) -> int:
        """Lots as which it counts."""
        return max(self.lots, self.pending_lots)

    def leaving(self) -> bool:
        """Whether it executes at once: it will have been filled, or refused, before any later order.

        One that an algorithm holds and works off in parts does not.
        """
        if self.order.exec_algorithm_id is not None:
            return False
        if self.order.order_type in AT_ONCE:
            return True
        if self.order.order_type != OrderType.LIMIT:
            return False
        return self.order.time_in_force in _IMMEDIATE

    def held(self) -> bool:
        """Whether it waits for a parent that has filled nothing yet."""
        parent_id = self.order.parent_order_id
        if parent_id is None:
            return False
        parent = self._all.get(parent_id.value)
        if parent is None:
            return False
        return not parent.order.filled_qty.as_double() > 0


class Sums(NamedTuple):
    """What works in a group. `resting`: exits; `own`: what the guard's own orders cover; `buy`, `sell`: entries.

    `leaving`: exits that execute at once and are on their way: nothing displaces them, and a later order finds less.
    """

    resting: int
    own: int
    buy: int
    sell: int
    leaving: int


class Group:
    """One position and the orders that name it, oldest first."""

    __slots__ = ("instrument", "key", "lots", "orders", "strategy", "sums")

    def __init__(self, key: str, instrument: str, strategy: str) -> None:
        self.key = key
        self.instrument = instrument
        self.strategy = strategy
        self.lots = 0
        self.orders: dict[str, Working] = {}
        self.sums: Sums | None = None

    def summed(self) -> Sums:
        """The sums over all orders, kept until something changes."""
        if self.sums is None:
            self.sums = self.without(frozenset())
        return self.sums

    def without(self, cids: frozenset[str]) -> Sums:
        """The sums over all orders but these."""
        exits: dict[str, int] = {}
        plain: dict[str, int] = {}
        protective: dict[str, int] = {}
        buy: dict[str, int] = {}
        sell: dict[str, int] = {}
        own = 0
        leaving = 0
        for working in self.orders.values():
            if working.cid in cids:
                continue
            if working.own:
                own += working.lots
                continue
            if working.held():
                continue
            if working.side * self.lots < 0:
                if working.leaving():
                    leaving += working.lots
                elif not working.canceling:
                    _larger(exits, working)
                if working.reduce_only:
                    _larger(protective, working)
                else:
                    _larger(plain, working)
                continue
            if working.reduce_only:
                continue
            if working.side > 0:
                _larger(buy, working)
            else:
                _larger(sell, working)
        beyond = _beyond(sum(plain.values()), sum(protective.values()), abs(self.lots))
        if self.lots > 0:
            return Sums(sum(exits.values()), own, sum(buy.values()), sum(sell.values()) + beyond, leaving)
        return Sums(sum(exits.values()), own, sum(buy.values()) + beyond, sum(sell.values()), leaving)

    def exits(self) -> list[Working]:
        """Working exits that may be displaced, newest first: not the guard's own, not being cancelled."""
        found = []
        for working in reversed(self.orders.values()):
            if working.side * self.lots < 0:
                if not working.own:
                    if not working.canceling:
                        if not working.leaving():
                            found.append(working)
        return found

    def increasing(self) -> list[Working]:
        """Working orders that a HIBERNATE or a kill cancels: all but the guard's own and what protects the position.

        Of the opposing orders that are not reduce-only the oldest stay, up to the position's size.
        """
        found = []
        left = abs(self.lots)
        for working in self.orders.values():
            if working.own:
                continue
            if working.side * self.lots >= 0:
                if not _protects(working, self.lots):
                    found.append(working)
                continue
            if working.reduce_only:
                continue
            if working.most() > left:
                found.append(working)
                continue
            if not working.contingency:
                left -= working.most()
        return found


def _protects(working: Working, lots: int) -> bool:
    """Whether an order that opposes nothing is reduce-only in a group that still holds something."""
    if lots == 0:
        return False
    return working.reduce_only


def _larger(found: dict[str, int], working: Working) -> None:
    """Count a contingent group as its largest member; any other order for itself."""
    key = working.key
    found[key] = max(found.get(key, 0), working.most())


def _beyond(plain: int, protective: int, size: int) -> int:
    """Opposing lots that would enter: what exceeds the position, as far as orders without the reduce-only flag go."""
    if size == 0:
        return 0
    return min(plain, max(0, plain + protective - size))


def contingency(order: Any) -> str:
    """One name for all members of an OCO or OUO group; empty for other orders."""
    if order.contingency_type not in (ContingencyType.OCO, ContingencyType.OUO):
        return ""
    name: str = order.client_order_id.value
    linked_ids = order.linked_order_ids
    if linked_ids is None:
        return f"group {name}"
    for linked in linked_ids:
        name = min(name, linked.value)
    return f"group {name}"


class Book:
    """All groups of one account. `scales`: instrument id to its scales; orders on others are left out, and denied."""

    def __init__(self, cache: Any, scales: dict[str, Scale]) -> None:
        self._cache = cache
        self._scales = scales
        self.groups: dict[str, Group] = {}
        self.working: dict[str, Working] = {}
        self._by_strategy: dict[str, set[str]] = {}
        self._unknown: dict[str, Any] = {}
        self.moving: set[str] = set()
        self.quote_lots: dict[str, int] = {}

    def group(self, instrument_id: Any, strategy_id: Any, position_id: Any) -> Group:
        """The group of an order or position; made where it is new."""
        name = f"{instrument_id.value}-{strategy_id.value}"
        key = name
        if position_id is not None:
            key = position_id.value
        found = self.groups.get(key)
        if found is None:
            found = Group(key, instrument_id.value, strategy_id.value)
            self.groups[key] = found
            self._by_strategy.setdefault(name, set()).add(key)
        return found

    def found(self, instrument_id: Any, strategy_id: Any, position_id: Any) -> Group:
        """The group that an order would be in; one that nothing is in yet is not kept."""
        name = f"{instrument_id.value}-{strategy_id.value}"
        key = name
        if position_id is not None:
            key = position_id.value
        group = self.groups.get(key)
        if group is None:
            return Group(key, instrument_id.value, strategy_id.value)
        return group

    def named(self, instrument_id: Any, strategy_id: Any, position_id: Any) -> bool:
        """Whether an order names the position of its group: it gives an id, or could mean no other."""
        if position_id is not None:
            return True
        name = f"{instrument_id.value}-{strategy_id.value}"
        for key in self._by_strategy.get(name, ()):
            if key != name:
                if self.groups[key].lots != 0:
                    return False
        return True

    def loaded(self) -> None:
        """Take over what the cache has at the start."""
        for position in self._cache.positions_open():
            self.position(position)
        for orders in (self._cache.orders_open(), self._cache.orders_inflight(), self._cache.orders_emulated()):
            for order in orders:
                self.seen(order, self._cache.position_id(order.client_order_id))

    def announced(self, event: Any) -> None:
        """An order was initialized; it is looked up when the cache has it."""
        self._unknown[event.client_order_id.value] = event.client_order_id

    def settle(self) -> None:
        """Look up the orders that were announced and not heard of since: those parked at an algorithm."""
        if not self._unknown:
            return
        for cid, client_order_id in list(self._unknown.items()):
            order = self._cache.order(client_order_id)
            if order is not None:
                self._unknown.pop(cid, None)
                self.seen(order, self._cache.position_id(client_order_id))

    def seen(self, order: Any, position_id: Any) -> Working | None:
        """Bring one order up to date: entered, changed or closed. None for a closed one and an unknown instrument."""
        cid = order.client_order_id.value
        self._unknown.pop(cid, None)
        working = self.working.get(cid)
        scale = self._scales.get(order.instrument_id.value)
        if order.is_closed:
            self._forget(cid, working)
            return None
        if scale is None:
            return None
        group = self.group(order.instrument_id, order.strategy_id, position_id)
        if working is None:
            working = Working(order, group, self.working)
            self.working[cid] = working
        elif working.group is not group:
            working.group.orders.pop(cid, None)
            working.group.sums = None
            self._prune(working.group)
        working.order = order
        working.group = group
        group.orders[cid] = working
        group.sums = None
        status = order.status
        working.canceling = status == OrderStatus.PENDING_CANCEL
        working.lots = self._leaves(order, scale)
        if status in _MOVING:
            self.moving.add(cid)
        else:
            self.moving.discard(cid)
        return working

    def again(self, working: Working) -> Working | None:
        """Bring an order that is known up to date, in the group in which it is."""
        order = working.order
        if order.is_closed:
            self._forget(working.cid, working)
            return None
        status = order.status
        working.canceling = status == OrderStatus.PENDING_CANCEL
        working.lots = self._leaves(order, self._scales[working.group.instrument])
        working.group.sums = None
        if status in _MOVING:
            self.moving.add(working.cid)
        else:
            self.moving.discard(working.cid)
        return working

    def _forget(self, cid: str, working: Working | None) -> None:
        self.moving.discard(cid)
        if working is None:
            return
        del self.working[cid]
        working.group.orders.pop(cid, None)
        working.group.sums = None
        self.quote_lots.pop(cid, None)
        self._prune(working.group)

    def position(self, position: Any) -> Group | None:
        """Bring one position up to date."""
        scale = self._scales.get(position.instrument_id.value)
        if scale is None:
            return None
        group = self.group(position.instrument_id, position.strategy_id, position.id)
        lots = lots_of(position.quantity, scale)
        if position.signed_qty < 0:
            lots = -lots
        group.lots = lots
        group.sums = None
        self._prune(group)
        return group

    def refresh(self, position_id: Any) -> Group | None:
        """Bring the position of this id up to date from the cache."""
        if position_id is None:
            return None
        position = self._cache.position(position_id)
        if position is None:
            return None
        return self.position(position)

    def held(self) -> list[Group]:
        """The groups that hold a position."""
        found = []
        for group in self.groups.values():
            if group.lots != 0:
                found.append(group)
        return found

    def flat(self) -> bool:
        """No position, and nothing in flight."""
        if self.moving:
            return False
        return not self.held()

    def _leaves(self, order: Any, scale: Scale) -> int:
        """Lots that may still fill; a quantity in quote currency counts as its verdict converted it."""
        if order.is_quote_quantity:
            return self.quote_lots.get(order.client_order_id.value, 0)
        return lots_of(order.leaves_qty, scale)

    def _prune(self, group: Group) -> None:
        """Forget a group that holds nothing and in which nothing works."""
        if group.lots != 0:
            return
        if group.orders:
            return
        self.groups.pop(group.key, None)
        keys = self._by_strategy.get(f"{group.instrument}-{group.strategy}")
        if keys is not None:
            keys.discard(group.key)
