"""The plainest rule: what passes where the guard is not there or has failed. Exits pass, entries are denied.

What belongs here: whether an order reduces, by nothing but Nautilus' cache; the gates before the start and after a
failed one. No state of the guard's own, since that is what is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nautilus_trader.execution.messages import ModifyOrder, SubmitOrder, SubmitOrderList

from dolphin.kernel.reasons import Reason
from dolphin.nautilus.action import Host, text_of
from dolphin.nautilus.working import OWN_PREFIX

type Forward = Callable[[Any], None]


def plainly_reduces(cache: Any, order: Any, position_id: Any) -> bool:
    """Whether an order shrinks its position, by nothing but the cache: for when everything else failed."""
    if order.client_order_id.value.startswith(OWN_PREFIX):
        return True
    if order.is_quote_quantity:
        return False
    for orders in (cache.orders_open(None, order.instrument_id), cache.orders_inflight(None, order.instrument_id)):
        for other in orders:
            if other.client_order_id.value.startswith(OWN_PREFIX):
                return False
    for position in cache.positions_open(None, order.instrument_id, order.strategy_id):
        if position_id is not None:
            if position.id != position_id:
                continue
        if position.is_opposite_side(order.side):
            if order.quantity <= position.quantity:
                return True
    return False


def plain_gate(command: Any, forward: Forward, cache: Any, host: Host) -> None:
    """The gates before the start and after a failed one: entries are denied, exits pass by the plainest rule."""
    text = text_of(Reason.INTERNAL, error="the guard has not started")
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
