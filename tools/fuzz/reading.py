"""What an order says of itself, as far as the oracle asks: Nautilus' own fields, nothing of the guard's."""

from __future__ import annotations

from typing import Any

from nautilus_trader.model.enums import ContingencyType, OrderSide, OrderType, TimeInForce


def sign(order: Any) -> int:
    """+1 buys, -1 sells."""
    return 1 if order.side == OrderSide.BUY else -1


def leaves(order: Any) -> float:
    """Lots that are left of it."""
    return float(order.leaves_qty.as_double())


def at_once(order: Any) -> bool:
    """Whether it is done with as soon as the venue has it."""
    if order.exec_algorithm_id is not None and order.is_active_local:
        return False
    if order.order_type in (OrderType.MARKET, OrderType.MARKET_TO_LIMIT):
        return not (order.order_type == OrderType.MARKET_TO_LIMIT and order.is_open)
    return order.order_type == OrderType.LIMIT and order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)


def held_child(order: Any, working: dict[str, Any]) -> bool:
    """Whether it waits for a parent that works and has filled nothing, and is on the other side of it."""
    if order.parent_order_id is None:
        return False
    parent = working.get(order.parent_order_id.value)
    return parent is not None and parent.side != order.side and not parent.filled_qty > 0


def group(order: Any) -> str:
    """One name for orders of which one is to be filled."""
    if order.contingency_type in (ContingencyType.OCO, ContingencyType.OUO):
        return " ".join(sorted([order.client_order_id.value, *[each.value for each in order.linked_order_ids or ()]]))
    return str(order.client_order_id.value)
