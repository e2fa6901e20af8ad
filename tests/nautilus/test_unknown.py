"""UNKNOWN is never FLAT: positions on instruments that came after the start, or that nobody knows at all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import LiquiditySide, OmsType, OrderSide, OrderType
from nautilus_trader.model.events import OrderFilled, PositionClosed, PositionOpened
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    PositionId,
    StrategyId,
    TradeId,
    VenueOrderId,
)
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.position import Position
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from tests.nautilus.rig import SIM, Rig, audusd, quotes, replays
from tests.nautilus.test_currencies import quote
from tests.nautilus.test_gates import BUY, SELL, denials, market
from tests.nautilus.test_kill import chain, make

INS = audusd()
LATER = TestInstrumentProvider.default_fx_ccy("GBP/USD", SIM)


def fill(s, side, number):
    return OrderFilled(
        s.trader_id, StrategyId("EXTERNAL"), LATER.id, ClientOrderId(f"E-{number}"), VenueOrderId(f"V-{number}"),
        AccountId("SIM-001"), TradeId(f"T-{number}"), PositionId("P-EXT"), side, OrderType.MARKET,
        Quantity.from_int(100_000), Price.from_str("1.27000"), USD, Money(0, USD), LiquiditySide.TAKER, UUID4(),
        s.clock.timestamp_ns(), s.clock.timestamp_ns(),
    )  # fmt: skip


def known(s):
    s.cache.add_instrument(LATER)


def opened(s):
    """A position that the venue reports, as reconciliation brings it: no order of ours, no instrument at the start."""
    event = fill(s, OrderSide.BUY, 1)
    s.external = Position(LATER, event)
    s.cache.add_position(s.external, OmsType.NETTING)
    told = PositionOpened.create(s.external, event, UUID4(), s.clock.timestamp_ns())
    s.msgbus.publish("events.position.EXTERNAL", told)


def closed(s):
    event = fill(s, OrderSide.SELL, 2)
    s.external.apply(event)
    s.cache.update_position(s.external)
    told = PositionClosed.create(s.external, event, UUID4(), s.clock.timestamp_ns())
    s.msgbus.publish("events.position.EXTERNAL", told)


def look(rig, found):
    return lambda s: found.append((rig.guard.parts.holding() == 0, rig.guard.parts.book.flat()))


@pytest.mark.req("DOL-EXIT-006")
@pytest.mark.parametrize("first", [known, lambda s: None], ids=["known by now", "known to nobody"])
def test_a_position_on_an_instrument_that_came_later_is_not_flat_and_denies_entries(tmp_path, first):
    found = []
    s = make({})
    rig = Rig(tmp_path, INS)
    s.script = {
        2: market(BUY, 10_000), 3: look(rig, found), 4: chain(first, opened), 6: market(BUY, 1_000),
        7: market(SELL, 10_000), 8: look(rig, found), 9: closed, 12: look(rig, found), 13: market(BUY, 1_000),
    }  # fmt: skip
    rig.add(s).run(quotes(INS, [65_000] * 30))
    assert rig.guard.failures == []
    assert [flat for _, flat in found] == [False, False, True]
    assert [flat for flat, _ in found] == [False, False, True]
    (told,) = denials(s)
    assert told.startswith(("UNPRICED [DOL-ORDER-004]", "SENSOR_ERROR [DOL-SENSE-002]"))
    held = {position.instrument_id: position.signed_qty for position in rig.engine.cache.positions_open()}
    assert held == {INS.id: 1_000}  # the exit passed, and so did the entry once that was gone
    replays(rig.journal)


@pytest.mark.req("DOL-EXIT-006")
def test_a_position_that_nobody_knew_is_counted_once_its_instrument_is_known(tmp_path):
    def heard(s):
        known(s)
        event = fill(s, OrderSide.BUY, 3)
        told = PositionOpened.create(s.external, event, UUID4(), s.clock.timestamp_ns())
        s.msgbus.publish("events.position.EXTERNAL", told)

    s = make({4: opened, 6: heard})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    book = rig.guard.parts.book
    assert book.nameless == set()
    assert [group.lots for group in book.held()] == [100_000]
    replays(rig.journal)


@pytest.mark.req("DOL-ORDER-007")
def test_once_it_has_a_price_a_position_on_an_instrument_that_came_later_counts(tmp_path):
    def priced(s):
        s.cache.add_quote_tick(quote(LATER, "1.27000", "1.27010", s.clock.timestamp_ns()))

    s = make({4: chain(known, opened), 6: priced, 8: market(BUY, 1_000)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 20))
    assert denials(s) == []
    (asked,) = rig.records("ORDER")
    assert int(asked.data["gross"]) == Decimal("1.27000") * 100_000 * 100
    replays(rig.journal)


@pytest.mark.req("DOL-SENSE-007")
def test_an_entry_on_an_instrument_that_came_later_is_denied(tmp_path):
    def enter(s):
        known(s)
        s.submit_order(s.order_factory.market(LATER.id, OrderSide.BUY, Quantity.from_int(1_000)))

    s = make({4: enter})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert len(denials(s)) == 1
    replays(rig.journal)
