"""An order that Nautilus has closed, or has forgotten with a restart, open again: so that a cancel reaches it.

What belongs here: how such an order is made anew from what is known of it, as text for the journal and in Nautilus'
cache; which orders, and when, is unknown.py's. Adapters of 1.231 send no cancel for an order that is closed in the
cache, or not in it (Binance's `_cancel_order_single`), and Nautilus asks the venue about none either. One that stands
there as PENDING_CANCEL is canceled by its client order id, asked about by the in-flight check, and each answer of the
venue changes it as it does any other.
"""

from __future__ import annotations

import json
from typing import Any

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.events import (
    OrderAccepted,
    OrderFilled,
    OrderInitialized,
    OrderPendingCancel,
    OrderRejected,
    OrderSubmitted,
    OrderUpdated,
)
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import OrderUnpacker

_FACTS = (OrderSubmitted, OrderAccepted, OrderFilled)
"""What happened to an order at its venue, as far as a cancel of it is concerned; not how Nautilus took it for over."""


def written(order: Any, size: Any, account_id: Any) -> str:
    """The order as a line of the journal: what it was when it was made, its account, and how large it may be now."""
    return json.dumps({
        "account": account_id.value, "quantity": str(size), "quote_quantity": order.is_quote_quantity,
        "initialized": OrderInitialized.to_dict(order.init_event),
    })  # fmt: skip


def read(text: str) -> Any:
    """The order of a line, as it left: SUBMITTED. ValueError, KeyError, TypeError: no such line.

    Earlier ones do not say how large it was: it is as it was made.
    """
    said = json.loads(text)
    order = OrderUnpacker.from_init(OrderInitialized.from_dict(said["initialized"]))
    if "quantity" in said:
        _resize(order, Quantity.from_str(said["quantity"]), bool(said["quote_quantity"]))
    event = OrderSubmitted(
        order.trader_id, order.strategy_id, order.instrument_id, order.client_order_id, AccountId(said["account"]),
        UUID4(), order.ts_init, order.ts_init,
    )  # fmt: skip
    order.apply(event)
    return order


def closed(order: Any, why: str, now_ns: int) -> None:
    """Tell such an order that it is over, as Nautilus was told once; nobody else hears of it."""
    event = OrderRejected(
        order.trader_id, order.strategy_id, order.instrument_id, order.client_order_id, order.account_id, why,
        UUID4(), now_ns, now_ns,
    )  # fmt: skip
    order.apply(event)


def reopened(cache: Any, order: Any, size: Any, heard: list[Any], now_ns: int) -> Any:
    """A copy of a closed order that is being canceled, in the cache in its place. `heard`: what came since it closed.

    Whoever holds the old one sees it closed as before; events go to the copy, which the cache has.
    """
    copy = OrderUnpacker.from_init(order.init_event)
    _resize(copy, size, order.is_quote_quantity)
    for fact in (*order.events, *heard):
        if isinstance(fact, _FACTS):
            _apply(copy, fact)
    event = OrderPendingCancel(
        copy.trader_id, copy.strategy_id, copy.instrument_id, copy.client_order_id, copy.venue_order_id,
        copy.account_id, UUID4(), now_ns, now_ns,
    )  # fmt: skip
    copy.apply(event)
    client_id = cache.client_id(order.client_order_id)
    cache.add_order(copy, order.position_id, client_id, overwrite=True)
    cache.update_order(copy)
    return copy


def _resize(copy: Any, size: Any, in_quote: bool) -> None:
    """As large as it may be: the guard cut it, or the strategy changed it. Nautilus drops a fill beyond its size, and
    one that it takes for larger than it is would work on, filled or not.
    """
    event = OrderUpdated(
        copy.trader_id, copy.strategy_id, copy.instrument_id, copy.client_order_id, None, None, size, None, None,
        UUID4(), copy.ts_init, copy.ts_init, is_quote_quantity=in_quote,
    )  # fmt: skip
    copy.apply(event)


def _apply(copy: Any, event: Any) -> None:
    """A venue tells an acceptance twice, or after a fill: it counts where it says something new."""
    if isinstance(event, OrderAccepted):
        if copy.status != OrderStatus.SUBMITTED:
            return
    copy.apply(event)
