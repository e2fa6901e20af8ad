"""Verdicts as acts on the host: deny, reject, shrink, cancel, send an order of the guard's own.

What belongs here: how an act is done in Nautilus, each as Nautilus does it itself; when is decided elsewhere.
"""

from __future__ import annotations

from typing import Any, Final

from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import CancelOrder, SubmitOrder
from nautilus_trader.model.enums import OrderSide, OrderStatus, TriggerType
from nautilus_trader.model.events import OrderDenied, OrderModifyRejected, OrderUpdated
from nautilus_trader.model.identifiers import ClientOrderId

from dolphin.kernel.reasons import REQUIREMENT, Reason
from dolphin.nautilus.hook import Hook

TAG: Final = {Reason.TRIM: "DOLPHIN_TRIM", Reason.FLATTEN: "DOLPHIN_FLATTEN", Reason.KILL_FLATTEN: "DOLPHIN_KILL"}


def text_of(reason: Reason, **values: object) -> str:
    """The text of a denial: reason, requirement id, and the readings that decided."""
    said = " ".join(f"{name}={value}" for name, value in values.items())
    return f"{reason.name} [{REQUIREMENT[reason]}]: {said}"


class Host:
    """What the guard may do to Nautilus."""

    def __init__(self, msgbus: Any, cache: Any, clock: Any, hook: Hook) -> None:
        self._msgbus = msgbus
        self._cache = cache
        self._clock = clock
        self._hook = hook

    def deny(self, order: Any, text: str) -> None:
        """OrderDenied, as the RiskEngine does it; only from the states in which an order can be denied."""
        if order.status not in (OrderStatus.INITIALIZED, OrderStatus.RELEASED):
            return
        if not self._cache.order_exists(order.client_order_id):
            self._cache.add_order(order)
        event = OrderDenied(
            order.trader_id, order.strategy_id, order.instrument_id, order.client_order_id, text, UUID4(),
            self._clock.timestamp_ns(),
        )  # fmt: skip
        self._msgbus.send("ExecEngine.process", event)

    def reject_modify(self, command: Any, order: Any, text: str) -> None:
        """OrderModifyRejected: the order goes back to what it was."""
        now_ns = self._clock.timestamp_ns()
        venue_order_id = command.venue_order_id
        account_id = None
        if order is not None:
            account_id = order.account_id
            if venue_order_id is None:
                venue_order_id = order.venue_order_id
        event = OrderModifyRejected(
            command.trader_id, command.strategy_id, command.instrument_id, command.client_order_id, venue_order_id,
            account_id, text, UUID4(), now_ns, now_ns,
        )  # fmt: skip
        self._msgbus.send("ExecEngine.process", event)

    def shrink(self, order: Any, quantity: Any) -> None:
        """OrderUpdated with a smaller quantity on an order that has not left yet."""
        now_ns = self._clock.timestamp_ns()
        event = OrderUpdated(
            order.trader_id, order.strategy_id, order.instrument_id, order.client_order_id, order.venue_order_id,
            order.account_id, quantity, None, None, UUID4(), now_ns, now_ns,
            is_quote_quantity=order.is_quote_quantity,
        )  # fmt: skip
        order.apply(event)
        if not self._cache.order_exists(order.client_order_id):
            self._cache.add_order(order)
        self._cache.update_order(order)
        self._msgbus.publish(f"events.order.{order.strategy_id.value}", event)

    def cancel(self, order: Any) -> None:
        """Cancel an order wherever it is: emulated, parked at an algorithm, open or in flight."""
        command = CancelOrder(
            order.trader_id, order.strategy_id, order.instrument_id, order.client_order_id, order.venue_order_id,
            UUID4(), self._clock.timestamp_ns(), self._cache.client_id(order.client_order_id),
        )  # fmt: skip
        if self._is_emulated(order):
            self._msgbus.send("OrderEmulator.execute", command)
            return
        if order.exec_algorithm_id is not None:
            if order.is_active_local:
                self._msgbus.send(f"{order.exec_algorithm_id}.execute", command)
                return
        self._hook.forward_exec(command)

    def _is_emulated(self, order: Any) -> bool:
        if order.is_emulated:
            return True
        return order.emulation_trigger != TriggerType.NO_TRIGGER

    def reducing(self, position: Any, side: int, quantity: Any, client_order_id: str, tag: str) -> Any:
        """An order of the guard's own: reduce-only, for the position's strategy. Nobody has heard of it yet."""
        factory = OrderFactory(
            position.trader_id, position.strategy_id, self._clock, self._cache, use_uuid_client_order_ids=True
        )
        order_side = OrderSide.SELL
        if side > 0:
            order_side = OrderSide.BUY
        return factory.market(
            position.instrument_id, order_side, quantity, reduce_only=True, tags=[tag],
            client_order_id=ClientOrderId(client_order_id),
        )  # fmt: skip

    def send(self, order: Any, position_id: Any) -> None:
        """Make an order of the guard's own known, and send it past every gate, by its position's id."""
        self._msgbus.publish(f"events.order.{order.strategy_id.value}", order.init_event)
        self._cache.add_order(order, position_id, None)
        command = SubmitOrder(
            order.trader_id, order.strategy_id, order, UUID4(), self._clock.timestamp_ns(), position_id
        )
        self._hook.forward_exec(command)
