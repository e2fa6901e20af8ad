"""Live: positions that the fills of the run do not explain are a ledger desync, in a real TradingNode."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import AUD, USD
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.objects import Money, Quantity

from dolphin.journal import read
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Mode
from dolphin.nautilus.config import ConfigError, PlugConfig
from dolphin.nautilus.reconcile import Reconcile
from dolphin.nautilus.third import Third
from tests.nautilus.live_node import INS, Trader, guard_of
from tests.nautilus.rig import Rig, S, audusd, quotes
from tests.nautilus.test_gates import BUY, SELL, market
from tests.nautilus.test_kill import make
from tests.nautilus.test_live import run

NONE = Third(None, {}, 1)


class Swings(Trader):
    """Buys and sells across zero, all the time."""

    def on_quote_tick(self, tick):
        self.count += 1
        if self.count % 20 == 0:
            side = OrderSide.SELL if self.count % 40 else OrderSide.BUY
            self.submit_order(self.order_factory.market(INS.id, side, Quantity.from_int(10_000 + self.count * 100)))


class Still(Trader):
    """One order."""

    def on_quote_tick(self, tick):
        self.count += 1
        if self.count == 5:
            self.submit_order(self.order_factory.market(INS.id, OrderSide.BUY, Quantity.from_int(10_000)))


def unheard(position):
    """A fill that the position takes and that nobody publishes."""
    values = OrderFilled.to_dict(position.last_event)
    values |= {"trade_id": TradeId("X-1").value, "event_id": UUID4().value, "last_qty": "3000"}
    position.apply(OrderFilled.from_dict(values))


async def looked(guard, count):
    reconcile = guard.parts.flow.reconcile
    until = reconcile.looks + count
    while reconcile.looks < until:
        await asyncio.sleep(0.02)


@pytest.mark.req("DOL-LEDGER-004")
def test_a_position_that_no_fill_explains_trips_the_latch_at_the_second_look(tmp_path):
    async def act(node):
        guard = guard_of(node)
        while not node.cache.positions_open():
            await asyncio.sleep(0.02)
        await looked(guard, 1)
        unheard(node.cache.positions_open()[0])
        await looked(guard, 1)
        first = guard.parts.guard.state.latch.mode
        await looked(guard, 1)
        return first, guard.parts.guard.state.latch

    _, _, (first, latch) = run(tmp_path, act, trader=Still, mode="report", position_sync_ms=1_000)
    assert first == Mode.RUNNING
    assert (latch.mode, latch.cause) == (Mode.KILLED, Cause.LEDGER_DESYNC)
    faults = [record.data["x"] for record in read(str(tmp_path / "journal.jsonl")) if record.kind == "FAULT"]
    assert faults == [{"what": "positions and fills differ", "instrument": INS.id.value, "lots": 3_000}]


@pytest.mark.req("DOL-LEDGER-004")
def test_once_a_spread_was_filled_nothing_is_compared(tmp_path):
    """Its legs' fills move positions, and are not each told: a difference accuses nobody."""

    async def act(node):
        guard = guard_of(node)
        while not node.cache.positions_open():
            await asyncio.sleep(0.02)
        await looked(guard, 1)
        guard.parts.flow.reconcile._fills.spreads = True
        unheard(node.cache.positions_open()[0])
        await looked(guard, 3)
        return guard.parts.guard.state.latch.mode

    _, _, mode = run(tmp_path, act, trader=Still, mode="report", position_sync_ms=1_000)
    assert mode == Mode.RUNNING


@pytest.mark.req("DOL-LEDGER-004")
def test_a_book_that_swings_is_not_accused(tmp_path):
    """However long a busy machine takes for it: over several looks, with fills before, between and after them."""

    async def act(node):
        (strategy,) = node.trader.strategies()
        for least in (5, 10, 15):
            while sum(isinstance(event, OrderFilled) for event in strategy.events) < least:
                await asyncio.sleep(0.02)
            await looked(guard_of(node), 2)
        return guard_of(node).parts.guard.state.latch.mode

    _, _, mode = run(tmp_path, act, trader=Swings, mode="report", position_sync_ms=1_000)
    assert mode == Mode.RUNNING


class Shown:
    """A cache over that of a real engine, which may say that an order is in flight."""

    def __init__(self, cache):
        self._cache = cache
        self.inflight = 0

    def orders_inflight_count(self):
        return self.inflight

    def positions_open(self):
        return self._cache.positions_open()


def beside(parts, scales, told):
    """The real guard, with these scales; what is told is kept."""
    return SimpleNamespace(
        guard=parts.guard,
        values=parts.values,
        flow=parts.flow,
        settings=parts.settings,
        scales=scales,
        actor=SimpleNamespace(tell=lambda what, text: told.append((what, text))),
    )


def bench(tmp_path, sync_ms=5_000, script=None):
    """A reconciliation over a real book, looked at by hand; what it told."""
    rig = Rig(tmp_path, audusd()).add(make(script or {3: market(BUY, 9_000)}))
    told, seen = [], []

    def at(i, act):
        def inner(s):
            act()

        rig_script[i] = inner

    rig_script = rig.engine.trader.strategies()[0].script

    def build():
        parts = rig.guard.parts
        shown = Shown(parts.cache)
        fills = parts.flow._fills
        made = Reconcile(beside(parts, parts.scales, told), fills, shown, sync_ms, NONE)
        seen.append((made, shown, parts))

    at(6, build)
    return rig, told, seen, at


@pytest.mark.req("DOL-LEDGER-004")
def test_a_look_in_flight_is_none_and_a_difference_is_said_once(tmp_path):
    rig, told, seen, at = bench(tmp_path)
    steps = []

    def scene():
        made, shown, parts = seen[0]
        made.look(0)  # what is there is taken as it is
        unheard(parts.cache.positions_open()[0])
        made.look(5 * S)
        shown.inflight = 1
        made.look(10 * S)
        shown.inflight = 0
        made.look(15 * S)
        steps.append((made.looks, list(told)))
        made.look(16 * S)  # too soon
        made.look(3 * S)  # a clock that stepped back
        made.look(8 * S)
        made.look(20 * S)
        made.look(25 * S)
        made.look(30 * S)
        steps.append((made.looks, list(told)))

    at(7, scene)
    rig.run(quotes(audusd(), [65_000] * 12))
    assert rig.guard.failures == []
    (first, before), (last, after) = steps
    assert (first, before) == (3, [])
    assert last == 8
    ((what, text),) = after
    assert what == "DESYNC"
    assert "3000 lots more" in text
    assert text.endswith("[DOL-LEDGER-004]")


def test_what_cannot_be_compared_is_not(tmp_path):
    rig, told, seen, at = bench(tmp_path, script={3: market(SELL, 9_000)})

    def scene():
        made, _, parts = seen[0]
        made.look(0)
        parts.flow._fills.paid_in_kind.add("AUD/USD.SIM")
        unheard(parts.cache.positions_open()[0])
        for i in range(1, 4):
            made.look(i * 5 * S)
        parts.flow._fills.paid_in_kind.clear()
        coarse = {name: scale._replace(lot_units=1_000) for name, scale in parts.scales.items()}
        fills, shown = parts.flow._fills, seen[0][1]
        other = Reconcile(beside(parts, coarse, told), fills, shown, 5_000, NONE)
        nobody = Reconcile(beside(parts, {}, told), fills, shown, 5_000, NONE)
        never = Reconcile(beside(parts, parts.scales, told), fills, shown, 0, NONE)
        for each in (other, nobody, never):
            for i in range(3):
                each.look(i * 5 * S)
        assert (other.looks, nobody.looks, never.looks) == (3, 3, 0)

    at(7, scene)
    rig.run(quotes(audusd(), [65_000] * 12))
    assert rig.guard.failures == []
    assert told == []


def test_a_fee_in_what_was_bought_is_taken_from_the_position(tmp_path):
    rig = Rig(tmp_path, audusd())
    found = []

    def scene(s):
        fills = rig.guard.parts.flow._fills
        values = OrderFilled.to_dict(s.cache.positions_open()[0].last_event)
        for currency in (USD, AUD):
            fill = OrderFilled.from_dict(values | {"commission": str(Money(1, currency))})
            fills._write(fill, "O-X", 1, {})
            found.append(set(fills.paid_in_kind))

    rig.add(make({3: market(BUY, 9_000), 6: scene})).run(quotes(audusd(), [65_000] * 8))
    assert found == [set(), {"AUD/USD.SIM"}]


def test_the_setting_is_checked(tmp_path):
    with pytest.raises(ConfigError, match="position_sync_ms"):
        PlugConfig(state_dir=str(tmp_path), position_sync_ms=-1)
