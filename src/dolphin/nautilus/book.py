"""What is held and what is working, by position: an incremental ledger of Nautilus' own objects.

What belongs here: positions, working orders and the sums that a verdict needs; no decision, no price. A group is one
position and the orders that name it: under NETTING `<instrument>-<strategy>`, under HEDGING the position's id; orders
under HEDGING that name none are in the group of that first name, which holds no position there, until they have one:
by their own first fill, or by that of their parent.

Rules. An order counts until it is closed, in whatever hands it is: open, in flight, emulated, parked at an algorithm,
held by the venue for its parent; and longer where nobody knows whether it is (unknown.py). Contingent orders (OCO, OUO)
count as the largest of them. What opposes the position is a resting exit up to its size and an entry beyond; a
reduce-only order is never an entry, and the children of an unfilled parent are none as far as they only undo what
that enters. A child that trades on its parent's side counts as if it worked.
PENDING_CANCEL is no resting exit any more, but still an entry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nautilus_trader.model.enums import ContingencyType, OrderStatus

from dolphin.kernel.units import ABSENT
from dolphin.nautilus import counting, holding
from dolphin.nautilus.quiet import may_be_resized, priced_later
from dolphin.nautilus.translate import Scale, lots_of, scale_of
from dolphin.nautilus.working import OWN_PREFIX, Group, Working

__all__ = ["OWN_PREFIX", "Book"]

_UNSENT = (OrderStatus.INITIALIZED, OrderStatus.RELEASED)


class Book:
    """All groups of one account. `scales`: instrument id to its scales; one that comes later is added when it is met.

    `nameless`: open positions on instruments that Nautilus' cache does not have. Nobody knows what they are worth.
    """

    def __init__(self, cache: Any, scales: dict[str, Scale]) -> None:
        self._cache = cache
        self._scales = scales
        self.groups: dict[str, Group] = {}
        self.version = 0
        """Grows where a group comes or goes."""
        self._names: dict[tuple[Any, Any], str] = {}
        self.working: dict[str, Working] = {}
        self._by_strategy: dict[str, set[str]] = {}
        self._unknown: dict[str, Any] = {}
        self._judged: set[str] = set()
        self._quiet: set[str] = set()
        self.moving: set[str] = set()
        self.own_ids: set[str] = set()
        self.quote_lots: dict[str, int] = {}
        self.in_lots: Callable[[Any, Scale], int]
        """Lots of a quantity in quote currency, by prices that are not known here: `Values` puts its own in."""
        self.unsure: Callable[[str], int] = lambda cid: 0
        """Lots that may fill of an order that Nautilus has closed: `Unknown` puts its own in."""
        self.nameless: set[str] = set()
        self.crossing: set[str] = set()
        """Limits that crossed the quote when they were asked about, and have not been found to rest since."""

    def group(self, instrument_id: Any, strategy_id: Any, position_id: Any) -> Group:
        """The group of an order or position; made where it is new."""
        key = self._key(instrument_id, strategy_id, position_id)
        found = self.groups.get(key)
        if found is None:
            found = Group(key, instrument_id.value, strategy_id.value)
            self.groups[key] = found
            self._by_strategy.setdefault(found.name, set()).add(key)
            self.version += 1
        return found

    def found(self, instrument_id: Any, strategy_id: Any, position_id: Any) -> Group:
        """The group that an order would be in; one that nothing is in yet is not kept."""
        key = self._key(instrument_id, strategy_id, position_id)
        group = self.groups.get(key)
        if group is None:
            return Group(key, instrument_id.value, strategy_id.value)
        return group

    def _key(self, instrument_id: Any, strategy_id: Any, position_id: Any) -> str:
        """The group's key. Under NETTING a position is its strategy's: one that names another's will not fill there.

        The name of that position is made once, since it is asked for at every order.
        """
        pair = (instrument_id, strategy_id)
        name = self._names.get(pair)
        if name is None:
            name = f"{instrument_id.value}-{strategy_id.value}"
            self._names[pair] = name
        if position_id is None:
            return name
        key: str = position_id.value
        group = self.groups.get(key)
        if group is None:
            return key
        if key == group.name:
            return name
        return key

    def named(self, group: Group, position_id: Any) -> int:
        """1 if an order names the position of its group: it gives an id, or could mean no other."""
        if position_id is not None:
            return int(group.key == position_id.value)
        for key in self._by_strategy.get(group.name, ()):
            if key != group.name:
                if self.groups[key].lots != 0:
                    return 0
        return 1

    def loaded(self) -> None:
        """Take over what the cache has at the start."""
        for position in self._cache.positions_open():
            self.position(position)
        for orders in (self._cache.orders_open(), self._cache.orders_inflight(), self._cache.orders_emulated()):
            for order in orders:
                self._claim(order.client_order_id.value)
                self.seen(order, self._cache.position_id(order.client_order_id))

    def _claim(self, cid: str) -> None:
        """An order of the guard's in an earlier run: the gates let no strategy take such a name."""
        if cid.startswith(OWN_PREFIX):
            self.own_ids.add(cid)

    def announced(self, event: Any) -> None:
        """An order was initialized; it is looked up when the cache has it."""
        self._unknown[event.client_order_id.value] = event.client_order_id

    def judged(self, cid: str) -> None:
        """A gate has this order in hand: it need not be looked up, it will be `seen`."""
        self._unknown.pop(cid, None)
        self._judged.add(cid)

    def parked(self, cid: str) -> bool:
        """Whether an algorithm holds this order: it works, and neither came to a gate nor is known to have left."""
        working = self.working.get(cid)
        if working is None:
            return False
        if cid in self._judged:
            return False
        return working.order.status in _UNSENT

    def settle(self) -> None:
        """Look up the orders that were announced and not heard of since: those parked at an algorithm; and those that
        the emulator or an algorithm resizes, which it tells nobody.
        """
        for cid in list(self._quiet):
            self.again(self.working[cid])
        if not self._unknown:
            return
        for cid, client_order_id in list(self._unknown.items()):
            order = self._cache.order(client_order_id)
            if order is not None:
                self._unknown.pop(cid, None)
                self.seen(order, self._cache.position_id(client_order_id))

    def crosses(self, cid: str) -> None:
        """This limit is judged as one that executes at once: so it counts from now on, in whatever order it is seen."""
        self.crossing.add(cid)
        working = self.working.get(cid)
        if working is not None:
            working.crosses()

    def rested(self, now_ns: int) -> None:
        """Let go of those that crossed and rest, or are gone."""
        for cid in list(self.crossing):
            working = self.working.get(cid)
            if working is None:
                self.crossing.discard(cid)
            elif working.settled(now_ns):
                self.crossing.discard(cid)

    def seen(self, order: Any, position_id: Any) -> Working | None:
        """Bring one order up to date: entered, changed or closed. None for a closed one and an unknown instrument."""
        cid = order.client_order_id.value
        self._unknown.pop(cid, None)
        working = self.working.get(cid)
        if order.is_closed:
            return self._closed(cid, working)
        scale = self._scales.get(order.instrument_id.value)
        if scale is None:
            scale = self.scaled(order.instrument_id)
        if scale is None:
            return None
        group = self.group(order.instrument_id, order.strategy_id, position_id)
        if working is None:
            working = Working(order, group, self.working, cid in self.own_ids)
            working.crossing = cid in self.crossing
            self.working[cid] = working
        elif working.group is not group:
            working.group.orders.pop(cid, None)
            working.group.sums = None
            if working.group.lots == 0:
                self._prune(working.group)
        working.order = order
        working.group = group
        group.orders[cid] = working
        self._spawned(order)
        return self._counted(working, scale)

    def _spawned(self, order: Any) -> None:
        """An algorithm takes a part off its order and tells nobody: from now on what is left of that counts."""
        spawn_id = order.exec_spawn_id
        if spawn_id is None:
            return
        parent = self.working.get(spawn_id.value)
        if parent is None:
            return
        if parent.order is not order:
            self.again(parent)

    def again(self, working: Working) -> Working | None:
        """Bring an order that is known up to date: in the group in which it is, or that of a position it was given."""
        order = working.order
        if order.is_closed:
            return self._closed(working.cid, working)
        position_id = order.position_id
        if position_id is not None:
            if position_id.value != working.group.key:
                return self.seen(order, position_id)
        return self._counted(working, self._scales[working.group.instrument])

    def _closed(self, cid: str, working: Working | None) -> Working | None:
        """Nothing works of it any more, as a rule: where nobody knows, it counts as one that is being canceled."""
        lots = self.unsure(cid)
        if lots == 0:
            self._forget(cid, working)
            return None
        if working is None:
            return None
        working.lots = lots
        working.canceling = True
        working.doubted = True
        working.group.sums = None
        self.moving.add(cid)
        return working

    def _counted(self, working: Working, scale: Scale) -> Working:
        """What may still fill of it, and whether it is on its way."""
        order = working.order
        working.canceling = order.status == OrderStatus.PENDING_CANCEL
        working.doubted = self.unsure(working.cid) > 0
        working.lots = self._lots(order, working.cid, scale)
        working.group.sums = None
        if may_be_resized(order, working.contingency):
            self._quiet.add(working.cid)
        else:
            self._quiet.discard(working.cid)
        if counting.moves(working):
            self.moving.add(working.cid)
        else:
            self.moving.discard(working.cid)
        return working

    def _lots(self, order: Any, cid: str, scale: Scale) -> int:
        """Lots that are left of it. One in quote currency: as its verdict converted it; one that is parked had none."""
        if not order.is_quote_quantity:
            return lots_of(order.leaves_qty, scale)
        judged = self.quote_lots.get(cid)
        if judged is None:
            return self.in_lots(order.leaves_qty, scale)
        return priced_later(order, judged)

    def lost(self, cid: str) -> None:
        """This order works nowhere, though nobody says that it has ended."""
        self._forget(cid, self.working.get(cid))

    def _forget(self, cid: str, working: Working | None) -> None:
        self.moving.discard(cid)
        self._judged.discard(cid)
        self._quiet.discard(cid)
        if working is None:
            return
        del self.working[cid]
        working.group.orders.pop(cid, None)
        working.group.sums = None
        self.quote_lots.pop(cid, None)
        if working.group.lots == 0:
            self._prune(working.group)

    def position(self, position: Any) -> Group | None:
        """Bring one position up to date."""
        scale = self.scaled(position.instrument_id)
        if scale is None:
            self._without_name(position)
            return None
        self.nameless.discard(position.id.value)
        group = self.group(position.instrument_id, position.strategy_id, position.id)
        group.position = position
        group.quantity = position.quantity
        lots = lots_of(group.quantity, scale)
        if position.signed_qty < 0:
            lots = -lots
        group.lots = lots
        group.sums = None
        if lots == 0:
            self._prune(group)
        return group

    def scaled(self, instrument_id: Any) -> Scale | None:
        """An instrument's scales, kept from its first time on; None where the cache does not have it."""
        scale = self._scales.get(instrument_id.value)
        if scale is None:
            instrument = self._cache.instrument(instrument_id)
            if instrument is None:
                return None
            scale = scale_of(instrument)
            self._scales[scale.id] = scale
        return scale

    def _without_name(self, position: Any) -> None:
        """UNKNOWN is never FLAT: such a position cannot be counted, nor be taken for none."""
        if position.is_closed:
            self.nameless.discard(position.id.value)
        else:
            self.nameless.add(position.id.value)

    def refresh(self, position_id: Any) -> Group | None:
        """Bring the position of this id up to date from the cache."""
        if position_id is None:
            return None
        position = self._cache.position(position_id)
        if position is None:
            return None
        group = self.groups.get(position_id.value)
        if group is not None:
            if group.quantity is position.quantity:  # each fill makes a new one: nothing came since it was read
                return group
        return self.position(position)

    def filled(self, order: Any, event: Any) -> Group | None:
        """Bring up to date what a fill changed: its position, which is returned, and the orders that were given it.

        No event of theirs need follow. A fill that takes a position across zero may open another one (HEDGING with ids
        of Nautilus' own): the strategy hears of the fill, and may send more, before anybody hears of that position.
        """
        group = self.refresh(event.position_id)
        if order.contingency_type == ContingencyType.OTO:
            self._given(order.linked_order_ids)
        if group is not None:
            if group.lots == 0:
                now = self._cache.position_id(order.client_order_id)
                if now != event.position_id:
                    self.refresh(now)
        return group

    def _given(self, children: Any) -> None:
        """The parent's position is its children's from now on: under HEDGING they had none."""
        for client_order_id in children:
            child = self.working.get(client_order_id.value)
            if child is not None:
                self.again(child)

    def held(self) -> list[Group]:
        """The groups that hold a position."""
        found = []
        for group in self.groups.values():
            if group.lots != 0:
                found.append(group)
        return found

    def flat(self) -> bool:
        """No position, nothing in flight, and no order of the guard's own left."""
        if self.moving:
            return False
        if self.nameless:
            return False
        for cid in self.own_ids:  # it may open a position where reduce-only is not honoured
            if cid in self.working:
                return False
        return not self.held()

    def holding(self) -> int:
        """What is held as one number; ABSENT while something is in flight or cannot be counted."""
        if self.moving:
            return ABSENT
        if self.nameless:
            return ABSENT
        return holding.number([(group.key, group.lots) for group in self.held()])

    def _prune(self, group: Group) -> None:
        """Forget a group that holds nothing, if nothing works in it."""
        if group.orders:
            return
        self.groups.pop(group.key, None)
        self.version += 1
        keys = self._by_strategy.get(group.name)
        if keys is not None:
            keys.discard(group.key)


def own_lots(group: Group) -> int:
    """Lots of the guard's own orders that work there, whichever side the position has turned to since."""
    total = 0
    for working in group.orders.values():
        if working.own:
            total += working.lots
    return total
