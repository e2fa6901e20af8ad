"""An offline TradingNode with the sandbox execution client: no network, no port. Also run as a program by the tests.

python -m tests.nautilus.live_node STATE_DIR SECONDS [buy-at-start]
"""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal

from nautilus_trader.adapters.sandbox.config import SandboxExecutionClientConfig
from nautilus_trader.adapters.sandbox.factory import SandboxLiveExecClientFactory
from nautilus_trader.common.config import ImportableActorConfig, LoggingConfig
from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import StrategyConfig, TradingNodeConfig
from nautilus_trader.live.config import LiveDataClientConfig, LiveExecEngineConfig, LiveRiskEngineConfig
from nautilus_trader.live.data_client import LiveMarketDataClient
from nautilus_trader.live.factories import LiveDataClientFactory
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import ClientId, TraderId, Venue
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

SIM = Venue("SIM")
INS = TestInstrumentProvider.default_fx_ccy("AUD/USD", SIM)


class FeedConfig(LiveDataClientConfig, frozen=True):
    pass


class Feed(LiveMarketDataClient):
    """A quote every 5 ms."""

    def __init__(self, loop, msgbus, cache, clock, config, name):
        super().__init__(
            loop=loop, client_id=ClientId(name), venue=SIM, msgbus=msgbus, cache=cache, clock=clock,
            instrument_provider=InstrumentProvider(), config=config,
        )  # fmt: skip
        self.pump = None

    async def _connect(self):
        self.pump = self._loop.create_task(self.pumping())

    async def _disconnect(self):
        if self.pump:
            self.pump.cancel()

    async def pumping(self):
        i = 0
        while True:
            now = self._clock.timestamp_ns()
            size = Quantity.from_int(10_000_000)
            mid = 65_000 + i % 3
            self._handle_data(
                QuoteTick(INS.id, Price((mid - 1) / 1e5, 5), Price((mid + 1) / 1e5, 5), size, size, now, now)
            )
            i += 1
            await asyncio.sleep(0.005)

    async def _subscribe_quote_ticks(self, command):
        pass

    async def _unsubscribe_quote_ticks(self, command):
        pass


class FeedFactory(LiveDataClientFactory):
    @staticmethod
    def create(loop, name, config, msgbus, cache, clock):
        cache.add_instrument(INS)
        return Feed(loop, msgbus, cache, clock, config, name)


class Trader(Strategy):
    """Sends a small order now and then; keeps its events."""

    def __init__(self):
        super().__init__(StrategyConfig(strategy_id="L-001", order_id_tag="001"))
        self.events = []
        self.count = 0

    def on_start(self):
        self.subscribe_quote_ticks(INS.id)

    def on_quote_tick(self, tick):
        self.count += 1
        if self.count % 20 == 0:
            self.submit_order(self.order_factory.market(INS.id, OrderSide.BUY, Quantity.from_int(10_000)))

    def on_event(self, event):
        self.events.append(event)


def node_with(state_dir, *strategies, use_reduce_only=True, **settings):
    actor = ImportableActorConfig(
        actor_path="dolphin.app.actor:DolphinGuard",
        config_path="dolphin.app.actor:DolphinGuardConfig",
        config={"state_dir": str(state_dir), "sensors": {"sessions": "24/7"}, **settings},
    )
    node = TradingNode(
        TradingNodeConfig(
            trader_id=TraderId("L-1"),
            logging=LoggingConfig(log_level="OFF", print_config=False),
            exec_engine=LiveExecEngineConfig(reconciliation=False),
            risk_engine=LiveRiskEngineConfig(max_order_submit_rate="10000/00:00:01"),
            data_clients={"SIM": FeedConfig()},
            exec_clients={
                "SIM": SandboxExecutionClientConfig(
                    venue="SIM", starting_balances=["1_000_000 USD"], base_currency="USD", account_type="MARGIN",
                    oms_type="NETTING", default_leverage=Decimal(50), use_reduce_only=use_reduce_only,
                )
            },
            actors=[actor],
            timeout_connection=60.0,
            timeout_disconnection=1.0,
            timeout_post_stop=0.5,
        )
    )  # fmt: skip
    node.add_data_client_factory("SIM", FeedFactory)
    node.add_exec_client_factory("SIM", SandboxLiveExecClientFactory)
    for strategy in strategies:
        node.trader.add_strategy(strategy)
    node.build()
    return node


def guard_of(node):
    return next(actor for actor in node.trader.actors() if type(actor).__name__ == "DolphinGuard")


async def lived(node, act, seconds):
    """Run the node, call `act(node)` (a coroutine function) once it runs, stop it."""
    task = asyncio.ensure_future(node.run_async())
    for _ in range(6_000):  # a busy machine needs its time
        await asyncio.sleep(0.01)
        if node.trader.is_running:
            break
    assert node.trader.is_running
    result = await act(node)
    await asyncio.sleep(seconds)
    await node.stop_async()
    task.cancel()
    return result


async def main():
    state_dir, seconds = sys.argv[1], float(sys.argv[2])
    strategy = Trader()
    node = node_with(state_dir, strategy)

    async def act(node):
        print("running", flush=True)

    await lived(node, act, seconds)


if __name__ == "__main__":
    asyncio.run(main())
