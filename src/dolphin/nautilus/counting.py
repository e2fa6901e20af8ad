"""How orders count together: groups that are linked, children of a parent, what goes beyond a position. No price.

What belongs here: rules over several orders, or over the hands in which one is; the sums are working.py's, which orders
there are is book.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nautilus_trader.model.enums import ContingencyType, OrderStatus

from dolphin.nautilus.translate import side_of

if TYPE_CHECKING:
    from dolphin.nautilus.working import Group, Working

_MOVING = frozenset((OrderStatus.SUBMITTED, OrderStatus.PENDING_UPDATE, OrderStatus.PENDING_CANCEL))


def contingency(order: Any) -> str:
    """One name for all members of an OCO or OUO group; empty for other orders.

    It names every member, so that only orders that name each other share it: one that claims to be linked with what
    does not claim it back counts for itself.
    """
    if order.contingency_type not in (ContingencyType.OCO, ContingencyType.OUO):
        return ""
    names = {order.client_order_id.value}
    names.update([linked.value for linked in order.linked_order_ids])  # Nautilus makes no such order without links
    return "group " + " ".join(sorted(names))


def larger(found: dict[str, int], working: Working) -> None:
    """Count a contingent group as its largest member; any other order for itself."""
    key = working.key
    found[key] = max(found.get(key, 0), working.most())


def beyond(plain: int, protective: int, size: int) -> int:
    """Opposing lots that would enter: what exceeds the position, as far as orders without the reduce-only flag go."""
    if size == 0:
        return 0
    return min(plain, max(0, plain + protective - size))


def entered(parent: Working, group: Group) -> int:
    """Lots of a parent that enter: what it closes of the position is no entry, and to take that back is one."""
    if parent.side * group.lots >= 0:
        return parent.most()
    return max(0, parent.most() - abs(group.lots))


def waiting(children: list[Working], group: Group) -> list[tuple[int, int]]:
    """Sides and lots that children of unfilled parents would trade beyond undoing what their parents enter.

    `children`: those that oppose their parent (`undoing`); what works on its side is no other than it.
    """
    opposing: dict[str, dict[str, int]] = {}
    parents: dict[str, Working] = {}
    found = []
    for child in children:
        parent = child.parent()
        if parent is None:
            continue
        parents[parent.cid] = parent
        larger(opposing.setdefault(parent.cid, {}), child)
    for cid, members in opposing.items():
        rest = sum(members.values()) - entered(parents[cid], group)
        if rest > 0:
            found.append((-parents[cid].side, rest))
    return found


def undoes(child: Working, parent: Working, group: Group) -> bool:
    """Whether a child takes its parent's side back, in the same position."""
    if parent.group is not group:
        return False
    return parent.side != child.side


def undoing(working: Working, group: Group) -> bool:
    """Whether it waits for a parent that has filled nothing yet, and takes its side back in the same position."""
    parent = working.parent()
    if parent is None:
        return False
    if not working.held():
        return False
    return undoes(working, parent, group)


def moves(working: Working) -> bool:
    """Whether it is in flight, or may be. What waits for its parent is not: that stays SUBMITTED until it fills."""
    if working.doubted:
        return True
    if working.order.status not in _MOVING:
        return False
    return not working.held()


# --- a list that is not in the book yet -------------------------------------------------------------------------------


def member(order: Any) -> str:
    """Members of one OCO or OUO group share a name."""
    name = contingency(order)
    if name:
        return name
    return str(order.client_order_id.value)


def in_parts(orders: list[Any], group_of: Callable[[Any], Group]) -> list[list[Any]]:
    """The orders of a list by side and instrument, without children that together only undo their parent."""
    undone = _undone(orders, group_of)
    parts: dict[tuple[str, int], list[Any]] = {}
    for order in orders:
        if order.client_order_id.value not in undone:
            parts.setdefault((order.instrument_id.value, side_of(order)), []).append(order)
    return list(parts.values())


def _undone(orders: list[Any], group_of: Callable[[Any], Group]) -> set[str]:
    """The children that only undo their parents: in sum no larger than what that enters, a contingent group as its
    largest member.
    """
    parents = {order.client_order_id.value: order for order in orders}
    counted: dict[str, dict[str, Any]] = {}
    found = set()
    for order in orders:
        parent_id = order.parent_order_id
        if parent_id is None:
            continue
        parent = parents.get(parent_id.value)
        if parent is None:
            continue
        if not _opposes(order, parent):
            continue
        members = dict(counted.get(parent_id.value, {}))
        quantity = order.quantity.as_decimal()
        members[member(order)] = max(members.get(member(order), 0), quantity)
        if sum(members.values()) <= _may_undo(order, parent, group_of(parent)):
            counted[parent_id.value] = members
            found.add(order.client_order_id.value)
    return found


def _may_undo(child: Any, parent: Any, group: Group) -> Any:
    """How much of a parent a child may take back unjudged: what it enters, and not what it closes of the position.

    A reduce-only child enters nothing, whatever its parent closed.
    """
    quantity = parent.quantity.as_decimal()
    if child.is_reduce_only:
        return quantity
    if side_of(parent) * group.lots >= 0:
        return quantity
    if parent.is_quote_quantity:  # how much of that many dollars closes the position is not known
        return 0
    return quantity - group.quantity.as_decimal()


def _opposes(order: Any, parent: Any) -> bool:
    if parent.instrument_id != order.instrument_id:
        return False
    if parent.is_quote_quantity != order.is_quote_quantity:
        return False
    return bool(parent.side != order.side)
