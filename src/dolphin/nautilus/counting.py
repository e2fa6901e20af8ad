"""How orders count together: groups that are linked, children of a parent, what goes beyond a position. No price.

What belongs here: rules over several orders, or over the hands in which one is; the sums are working.py's, which orders
there are is book.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nautilus_trader.model.enums import ContingencyType, OrderStatus

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


def waiting(children: list[Working], group: Group) -> list[tuple[int, int]]:
    """Sides and lots that children of unfilled parents would enter with.

    Children that oppose their parent only undo it as far as they go; the rest, and any other child, enters.
    """
    opposing: dict[str, dict[str, int]] = {}
    parents: dict[str, Working] = {}
    found = []
    for child in children:
        parent = child.parent()
        if parent is None:
            continue
        if undoes(child, parent, group):
            parents[parent.cid] = parent
            larger(opposing.setdefault(parent.cid, {}), child)
        else:
            found.append((child.side, child.most()))
    for cid, members in opposing.items():
        rest = sum(members.values()) - parents[cid].most()
        if rest > 0:
            found.append((-parents[cid].side, rest))
    return found


def undoes(child: Working, parent: Working, group: Group) -> bool:
    """Whether a child takes its parent's side back, in the same position."""
    if parent.group is not group:
        return False
    return parent.side != child.side


def moves(working: Working) -> bool:
    """Whether it is in flight. What waits for its parent is not, though it stays SUBMITTED until that fills."""
    if working.order.status not in _MOVING:
        return False
    return not working.held()
