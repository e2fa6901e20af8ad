"""A TradingNode with Nautilus' own Binance futures adapter, guarded by Dolphin, on a loopback exchange. Nothing else.

Intervals are short by configuration. `Idle` sends nothing by itself: `buy` and its like send what a test says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from nautilus_trader.adapters.binance.common.enums import BinanceAccountType
from nautilus_trader.adapters.binance.config import BinanceDataClientConfig, BinanceExecClientConfig
from nautilus_trader.adapters.binance.factories import BinanceLiveDataClientFactory, BinanceLiveExecClientFactory
from nautilus_trader.common.config import ImportableActorConfig, InstrumentProviderConfig, LoggingConfig
from nautilus_trader.config import StrategyConfig, TradingNodeConfig
from nautilus_trader.live.config import LiveExecEngineConfig, LiveRiskEngineConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OmsType, OrderSide, TimeInForce
from nautilus_trader.model.events import OrderDenied
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.strategy import Strategy

from dolphin.kernel.units import FULL_MS
from dolphin.nautilus import opening

BTC = InstrumentId.from_str("BTCUSDT-PERP.BINANCE")
ETH = InstrumentId.from_str("ETHUSDT-PERP.BINANCE")
BUY, SELL = OrderSide.BUY, OrderSide.SELL


class Idle(Strategy):
    """Listens to quotes, keeps its events, sends what it is told to."""

    def __init__(self, oms_type: str = "UNSPECIFIED", tag: str = "001"):
        super().__init__(StrategyConfig(strategy_id=f"X-{tag}", order_id_tag=tag, oms_type=OmsType[oms_type].name))
        self.heard: list[Any] = []

    def on_start(self) -> None:
        self.subscribe_quote_ticks(BTC)
        self.subscribe_quote_ticks(ETH)

    def on_stop(self) -> None:
        pass

    def on_event(self, event: Any) -> None:
        self.heard.append(event)

    def held(self, instrument: InstrumentId) -> Any:
        """The position that an exit names: under HEDGING, for which Nautilus takes Binance's futures, it must."""
        positions = self.cache.positions_open(instrument_id=instrument, strategy_id=self.id)
        return positions[0].id if positions else None

    def market(self, side: OrderSide, size: str, instrument: InstrumentId = BTC, **more: Any) -> Any:
        quantity = self.cache.instrument(instrument).make_qty(Decimal(size))
        order = self.order_factory.market(instrument, side, quantity, **more)
        self.submit_order(order, position_id=self.held(instrument) if order.is_reduce_only else None)
        return order

    def limit(self, side: OrderSide, size: str, price: str, instrument: InstrumentId = BTC, **more: Any) -> Any:
        known = self.cache.instrument(instrument)
        order = self.order_factory.limit(
            instrument, side, known.make_qty(Decimal(size)), known.make_price(Decimal(price)),
            time_in_force=TimeInForce.GTC, **more,
        )  # fmt: skip
        self.submit_order(order, position_id=self.held(instrument) if order.is_reduce_only else None)
        return order

    def stop_market(self, side: OrderSide, size: str, trigger: str, **more: Any) -> Any:
        known = self.cache.instrument(BTC)
        order = self.order_factory.stop_market(
            BTC, side, known.make_qty(Decimal(size)), known.make_price(Decimal(trigger)), **more
        )
        self.submit_order(order, position_id=self.held(BTC) if order.is_reduce_only else None)
        return order

    def denials(self) -> list[str]:
        return [event.reason for event in self.heard if isinstance(event, OrderDenied)]


def node_on(
    url: str, ws: str, key: str, secret: str, state_dir: Any, *strategies: Strategy,
    engine: dict[str, Any] | None = None, client: dict[str, Any] | None = None, log: str = "OFF", **guard: Any,
) -> TradingNode:  # fmt: skip
    """A built node. `engine`, `client`, `guard`: settings of the execution engine, of its client, of DolphinGuard."""
    provider = InstrumentProviderConfig(load_ids=frozenset({BTC, ETH}))
    common: dict[str, Any] = {
        "api_key": key, "api_secret": secret, "account_type": BinanceAccountType.USDT_FUTURES, "base_url_http": url,
        "base_url_ws": ws, "instrument_provider": provider,
    }  # fmt: skip
    actor = ImportableActorConfig(
        actor_path="dolphin.app.actor:DolphinGuard",
        config_path="dolphin.app.actor:DolphinGuardConfig",
        config={"state_dir": str(state_dir), "sensors": {"sessions": "24/7"}, **guard},
    )
    quick: dict[str, Any] = {
        "reconciliation": True, "reconciliation_startup_delay_secs": 0.1, "inflight_check_interval_ms": 200,
        "inflight_check_threshold_ms": 600, "inflight_check_retries": 3, "open_check_interval_secs": 0.5,
        "open_check_threshold_ms": 600, "filter_unclaimed_external_orders": True,
    }  # fmt: skip
    node = TradingNode(
        TradingNodeConfig(
            trader_id=TraderId("X-1"),
            logging=LoggingConfig(log_level=log, print_config=False),
            exec_engine=LiveExecEngineConfig(**{**quick, **(engine or {})}),
            risk_engine=LiveRiskEngineConfig(max_order_submit_rate="10000/00:00:01"),
            data_clients={"BINANCE": BinanceDataClientConfig(**common)},
            exec_clients={
                "BINANCE": BinanceExecClientConfig(**common, base_url_ws_stream=f"{ws}/private", **(client or {}))
            },
            actors=[actor],
            timeout_connection=30.0,
            timeout_reconciliation=20.0,
            timeout_portfolio=20.0,
            timeout_disconnection=1.0,
            timeout_post_stop=0.3,
        )
    )
    node.add_data_client_factory("BINANCE", BinanceLiveDataClientFactory)
    node.add_exec_client_factory("BINANCE", BinanceLiveExecClientFactory)
    for strategy in strategies:
        node.trader.add_strategy(strategy)
    node.build()
    return node


@contextmanager
def grown() -> Iterator[None]:
    """A live book begins at confidence 0; within this it begins as after 100 good minutes, and is live all the same."""
    kept = opening.header_of
    with patch.object(opening, "header_of", lambda policy, now_ns, _, *rest: kept(policy, now_ns, FULL_MS, *rest)):
        yield


def guard_of(node: TradingNode) -> Any:
    return next(actor for actor in node.trader.actors() if type(actor).__name__ == "DolphinGuard")


async def until(true: Any, seconds: float = 30.0) -> bool:
    """Wait until it is so, looking every 10 ms; whether it came to be."""
    for _ in range(int(seconds * 100)):
        if true():
            return True
        await asyncio.sleep(0.01)
    return bool(true())


async def lived(node: TradingNode, act: Any) -> Any:
    """Run the node, `await act(node)` once it runs, stop it."""
    task = asyncio.ensure_future(node.run_async())
    try:
        if not await until(lambda: node.trader.is_running, 60):
            raise RuntimeError("the node did not start within 60 s")
        return await act(node)
    finally:
        await node.stop_async()
        task.cancel()
        await asyncio.wait([task], timeout=2)


def ended(loop: asyncio.AbstractEventLoop, node: TradingNode | None) -> None:
    """Dispose of the node, which closes the loop; what it left there (executors that wait) is cancelled before."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.wait(left, timeout=2) if left else asyncio.sleep(0))
    if node is not None:
        node.dispose()


def run(exchange: Any, state_dir: Any, strategies: Any, act: Any, full: bool = True, **settings: Any) -> Any:
    """A whole life of a node on `exchange`, in this thread. What `act` gives; the guard must not have failed.

    `full`: a book that is new begins with full confidence (`grown`).
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    held: dict[str, TradingNode] = {}

    async def go() -> Any:
        with grown() if full else nullcontext():
            held["node"] = node_on(
                exchange.url, exchange.ws, exchange.key, exchange.secret, state_dir, *strategies, **settings
            )
            return await lived(held["node"], act)

    try:
        result = loop.run_until_complete(go())
        failures = list(guard_of(held["node"]).failures)
    finally:
        ended(loop, held.get("node"))
    assert failures == []
    return result
