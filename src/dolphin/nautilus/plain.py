"""The plainest rule: what passes where the guard is not there or has failed. Exits pass, entries are denied.

What belongs here: whether an order reduces, by nothing but Nautilus' cache; the gates before the start, after a failed
one, and after the run's end. No state of the guard's own, since that is what is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from nautilus_trader.execution.messages import ModifyOrder, SubmitOrder, SubmitOrderList

from dolphin.kernel.reasons import Reason
from dolphin.nautilus.action import Host, text_of
from dolphin.nautilus.translate import TAKES_AT_ONCE
from dolphin.nautilus.working import OWN_PREFIX

type Forward = Callable[[Any], None]


def plainly_reduces(cache: Any, order: Any, position_id: Any) -> bool:
    """Whether an order shrinks its position, by nothing but the cache: for when everything else failed."""
    if order.client_order_id.value.startswith(OWN_PREFIX):
        return False
    if order.is_quote_quantity:
        return False
    for orders in (cache.orders_open(None, order.instrument_id), cache.orders_inflight(None, order.instrument_id)):
        for other in orders:
            if other.client_order_id.value.startswith(OWN_PREFIX):
                return False
    taken = _taken(cache, order)
    for position in cache.positions_open(None, order.instrument_id, order.strategy_id):
        if position_id is not None:
            if position.id != position_id:
                continue
        if position.is_opposite_side(order.side):
            if order.quantity.as_decimal() + taken <= position.quantity.as_decimal():
                return True
    return False


def _taken(cache: Any, order: Any) -> Decimal:
    """What its strategy's other working orders of that side would take before one that rests; none before the rest."""
    total = Decimal(0)
    if order.order_type in TAKES_AT_ONCE:
        return total
    where = (None, order.instrument_id, order.strategy_id)
    for orders in (cache.orders_open(*where), cache.orders_inflight(*where), cache.orders_emulated(*where)):
        for other in orders:
            if _beside(other, order):
                total += other.leaves_qty.as_decimal()
    return total


def _beside(other: Any, order: Any) -> bool:
    if other.client_order_id == order.client_order_id:
        return False
    return bool(other.side == order.side)


def plain_gate(command: Any, forward: Forward, cache: Any, host: Host, why: str) -> None:
    """The gates where no guard is at work, and why: entries are denied, exits pass by the plainest rule."""
    text = text_of(Reason.INTERNAL, error=why)
    try:
        passed = _plainly(command, cache, host, text)
    except Exception:
        passed = False
    if passed:
        forward(command)


def _plainly(command: Any, cache: Any, host: Host, text: str) -> bool:
    if isinstance(command, ModifyOrder):
        host.reject_modify(command, cache.order(command.client_order_id), text)
        return False
    orders = []
    if isinstance(command, SubmitOrder):
        orders = [command.order]
    if isinstance(command, SubmitOrderList):
        orders = command.order_list.orders
    for order in orders:
        if not plainly_reduces(cache, order, command.position_id):
            for each in orders:
                host.deny(each, text)
            return False
    return True
