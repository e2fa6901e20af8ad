"""Live, where a venue answers later: the guard's own orders leave once each, and not once a look."""

import asyncio

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import SubmitOrder
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.objects import Quantity
from nautilus_trader.trading.strategy import Strategy

from dolphin.journal import read
from dolphin.kernel.policy import Posture
from dolphin.nautilus import action, mailbox, parts
from tests.nautilus.live_node import INS, Trader, guard_of
from tests.nautilus.rig import replays
from tests.nautilus.test_live import run

LOT = 100_000


class Quiet(Trader):
    """Sends nothing by itself."""

    def on_quote_tick(self, tick):
        pass


class Second(Strategy):
    def __init__(self):
        super().__init__(StrategyConfig(strategy_id="L-002", order_id_tag="002"))


def enter(node, strategy, lots):
    """An order from before, past the gates: a live guard lets nothing enter for a while."""
    order = strategy.order_factory.market(INS.id, OrderSide.BUY, Quantity.from_int(lots))
    strategy.cache.add_order(order)
    guard_of(node).hook.forward_exec(
        SubmitOrder(strategy.trader_id, strategy.id, order, UUID4(), strategy.clock.timestamp_ns())
    )


async def by_letter(node, path):
    await asyncio.get_running_loop().run_in_executor(None, mailbox.post, path, "kill", {}, "drill", 5)


async def by_command(node, path):
    guard_of(node).msgbus.send("Dolphin.command", {"verb": "kill", "cause": "drill"})


async def by_fault(node, path):
    guard_of(node).parts.fault("a fault")


async def by_flatten(node, path):
    guard_of(node).msgbus.send("Dolphin.command", {"verb": "flatten", "cause": "drill"})


def owns(path):
    return [record.data["lots"] for record in read(str(path / "journal.jsonl")) if record.kind == "OWN"]


@pytest.mark.req("DOL-KILL-003")
@pytest.mark.parametrize("honoured", [True, False], ids=["reduce-only honoured", "ignored"])
@pytest.mark.parametrize("kill", [by_letter, by_command, by_fault, by_flatten])
def test_live_a_position_is_flattened_by_one_order(tmp_path, kill, honoured):
    """What is only queued counts as well: the next look finds it, and sends no second one."""

    async def act(node):
        await asyncio.sleep(0.2)
        enter(node, node.trader.strategies()[0], LOT)
        await asyncio.sleep(0.2)
        await kill(node, tmp_path)
        await asyncio.sleep(0.4)
        filled = [order for order in node.cache.orders() if order.is_closed and order.filled_qty > 0]
        return sum(order.signed_decimal_qty() for order in filled)

    _, _, net = run(tmp_path, act, trader=Quiet, use_reduce_only=honoured)
    assert net == 0
    assert owns(tmp_path) == [LOT]
    replays(tmp_path / "journal.jsonl")


@pytest.mark.req("DOL-TRIM-001")
def test_live_an_excess_is_trimmed_once_and_not_once_a_position(tmp_path, monkeypatch):
    begun = parts.begun
    monkeypatch.setattr(parts, "begun", lambda *args: begun(*args[:6], False, *args[7:]))  # as after 100 good minutes

    async def act(node):
        await asyncio.sleep(0.2)
        one, two = node.trader.strategies()
        for strategy, lots in ((one, 2_100_000), (two, 1_900_000)):
            strategy.submit_order(strategy.order_factory.market(INS.id, OrderSide.BUY, Quantity.from_int(lots)))
        await asyncio.sleep(0.2)
        guard = guard_of(node)
        guard.msgbus.send("Dolphin.command", {"verb": "shock", "cause": "test"})
        await asyncio.sleep(0.4)
        sample = guard.parts.values.sample()
        return guard.parts.guard.state.filter.posture, sample.gross / sample.equity

    _, _, (posture, leverage) = run(tmp_path, act, trader=Quiet, more=[Second()])
    assert posture == Posture.TURTLE
    assert len(owns(tmp_path)) == 1
    assert 1.79 < leverage < 1.81


@pytest.mark.req("DOL-KILL-005")
def test_live_an_own_order_that_cannot_be_made_is_tried_ever_more_seldom(tmp_path, monkeypatch):
    """The timer asks every 10 ms: each time it wrote an OWN and tripped the latch again."""

    def broken(self, *args):
        raise RuntimeError("planted")

    async def act(node):
        await asyncio.sleep(0.2)
        enter(node, node.trader.strategies()[0], LOT)
        await asyncio.sleep(0.2)
        with monkeypatch.context() as planted:
            planted.setattr(action.Host, "reducing", broken)
            mailbox.send(tmp_path, "kill", {}, "drill")
            await asyncio.sleep(0.7)
            tried = len(owns(tmp_path))
        for _ in range(1500):
            await asyncio.sleep(0.01)
            if not node.cache.positions_open():
                break
        guard = guard_of(node)
        assert guard.failures
        guard.failures.clear()
        return tried, len(node.cache.positions_open())

    _, _, (tried, held) = run(tmp_path, act, trader=Quiet)
    assert 2 <= tried <= 16
    assert held == 0
    replays(tmp_path / "journal.jsonl")
