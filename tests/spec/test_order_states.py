"""Nautilus' state machine of an order against the model's: each transition is one that the model has, or is argued.

What belongs here: walking the real machine by real events, and the map from its states to OrderAuthority.tla's places;
docs/design/order-authority.md has it in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nautilus_trader.core.fsm import InvalidStateTrigger
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import OrderStatus as Status
from nautilus_trader.model.events import OrderDenied, OrderEmulated
from nautilus_trader.model.identifiers import PositionId, TradeId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import StopLimitOrder
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.test_kit.stubs.events import TestEventStubs as Stubs
from nautilus_trader.test_kit.stubs.execution import TestExecStubs

SPEC = Path(__file__).resolve().parents[2] / "spec"
INS = TestInstrumentProvider.default_fx_ccy("AUD/USD")

PLACES = {
    Status.INITIALIZED: {"Gate1", "Parked"},  # an algorithm holds its order so
    Status.DENIED: {"Nowhere"},
    Status.EMULATED: {"Parked"},
    Status.RELEASED: {"Parked", "Queue"},
    Status.SUBMITTED: {"Wire"},
    Status.ACCEPTED: {"Venue"},
    Status.TRIGGERED: {"Venue"},
    Status.PENDING_UPDATE: {"Wire", "Venue"},
    Status.PENDING_CANCEL: {"Wire", "Venue"},
    Status.PARTIALLY_FILLED: {"Venue"},
    Status.FILLED: {"Gone", "Nowhere"},
    Status.REJECTED: {"Gone", "Nowhere"},
    Status.CANCELED: {"Gone", "Nowhere"},
    Status.EXPIRED: {"Gone", "Nowhere"},
}
"""Where an order is of which Nautilus says this."""

REOPENED = {(Status.CANCELED, Status.PARTIALLY_FILLED)}
"""A fill that is told after its cancel. The model tells both in one step; Nautilus calls the order open again, and the
guard counts what would be left of it: more than is true.
"""


def made() -> Any:
    """A stop-limit, which can be triggered as well."""
    found = TestExecStubs.limit_order(INS)
    return StopLimitOrder(
        found.trader_id, found.strategy_id, INS.id, found.client_order_id, found.side, Quantity.from_int(100),
        Price.from_str("1.00000"), Price.from_str("1.00000"), 1, UUID4(), 0,
    )  # fmt: skip


def denied(each: Any) -> Any:
    return OrderDenied(each.trader_id, each.strategy_id, each.instrument_id, each.client_order_id, "no", UUID4(), 0)


def emulated(each: Any) -> Any:
    return OrderEmulated(each.trader_id, each.strategy_id, each.instrument_id, each.client_order_id, UUID4(), 0)


def fill(each: Any, lots: int) -> Any:
    return Stubs.order_filled(
        each, INS, position_id=PositionId("P-1"), trade_id=TradeId(str(UUID4())[:30]),
        last_qty=Quantity.from_int(lots), last_px=Price.from_str("1.00000"),
    )  # fmt: skip


EVENTS: tuple[Callable[[Any], Any], ...] = (
    denied, emulated, Stubs.order_released, Stubs.order_submitted, Stubs.order_accepted, Stubs.order_rejected,
    Stubs.order_pending_update, Stubs.order_pending_cancel, Stubs.order_triggered, Stubs.order_canceled,
    Stubs.order_expired, lambda each: fill(each, 10), lambda each: fill(each, int(each.leaves_qty)),
)  # fmt: skip


def after(path: tuple[int, ...]) -> Any:
    """An order that had these events, one after the other."""
    each = made()
    for number in path:
        each.apply(EVENTS[number](each))
    return each


def walked() -> set[tuple[Status, Status]]:
    """Every transition that the real machine takes, from every state that it reaches."""
    ways: dict[Status, tuple[int, ...]] = {Status.INITIALIZED: ()}
    found = set()
    todo = [Status.INITIALIZED]
    while todo:
        state = todo.pop()
        for number in range(len(EVENTS)):
            each = after(ways[state])
            assert each.status == state
            try:
                each.apply(EVENTS[number](each))
            except (InvalidStateTrigger, ValueError):
                continue
            found.add((state, each.status))
            if each.status not in ways:
                ways[each.status] = (*ways[state], number)
                todo.append(each.status)
    assert set(ways) == set(PLACES)
    assert [state.name for state in Status if state not in PLACES] == ["VOIDED"]  # no event of an order leads there
    return found


def moves() -> set[tuple[str, str]]:
    """The model's moves, and those that follow one another before anybody is told. At Nowhere an order ends."""
    text = (SPEC / "MC" / "MCOrders.tla").read_text(encoding="utf-8")
    body = text[text.index("\nMoves ==") : text.index("\nOwnMoves ==")]
    found = set(re.findall(r'<<"(\w+)", "(\w+)">>', body))
    assert len(found) == 12
    found = {(before, then) for before, then in found if before != "Nowhere"}
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


def test_every_transition_of_nautilus_is_one_of_the_models() -> None:
    allowed = moves()
    strange = set()
    for before, then in walked():
        steps = {(a, b) for a in PLACES[before] for b in PLACES[then]}
        if not any(a == b or (a, b) in allowed for a, b in steps):
            strange.add((before, then))
    assert strange == REOPENED


def test_a_transition_that_the_model_has_not_is_found() -> None:
    assert {("Gate1", "Venue"), ("Wire", "Gone")} < moves()
    assert moves().isdisjoint({("Gone", "Venue"), ("Venue", "Wire"), ("Venue", "Queue"), ("Nowhere", "Nowhere")})
