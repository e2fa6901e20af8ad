"""From the kill latch to the last cancel command: real time in one process, resting orders both ways.

    python -m benchmarks.kill [--orders 20] [--rounds 200]

Each round is a backtest: the orders rest, `Dolphin.command` is sent, and the clock runs from the step that latches to
the return of the last cancel. The position is flattened after that; its order is timed apart. Goal: p99 below 1 ms.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from decimal import Decimal


def percentile(values: list[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) * share // 100]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=200)
    args = parser.parse_args(argv)

    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.common.config import LoggingConfig
    from nautilus_trader.config import StrategyConfig
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import QuoteTick
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money, Price, Quantity
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    from dolphin.app.actor import DolphinGuard, DolphinGuardConfig

    sim = Venue("SIM")
    instrument = TestInstrumentProvider.default_fx_ccy("AUD/USD", sim)
    start, size = 1_700_000_000_000_000_000, Quantity.from_int(10_000_000)
    bid, ask = Price(0.64999, 5), Price(0.65001, 5)
    rows = [QuoteTick(instrument.id, bid, ask, size, size, start + i * 10**9, start + i * 10**9) for i in range(8)]
    latched: list[float] = []
    cancelled: list[float] = []
    sent: list[float] = []

    class Trader(Strategy):
        """Buys, rests orders, kills."""

        def on_start(self) -> None:
            self.count = 0
            self.subscribe_quote_ticks(instrument.id)

        def on_quote_tick(self, tick: QuoteTick) -> None:
            self.count += 1
            if self.count == 2:
                self.submit_order(self.order_factory.market(instrument.id, OrderSide.BUY, Quantity.from_int(100_000)))
                for i in range(args.orders):
                    price = Price(0.60 + i / 1e5, 5)
                    order = self.order_factory.limit(instrument.id, OrderSide.BUY, Quantity.from_int(1_000), price)
                    self.submit_order(order)
            if self.count == 5:
                self.timed()

        def timed(self) -> None:
            parts = guard.parts
            marks: dict[str, int] = {}
            cancel, step_done, send = parts.host.cancel, parts.react, parts.host.send

            def cancelling(order) -> None:
                cancel(order)
                marks["cancel"] = time.perf_counter_ns()

            def reacting(event, effects) -> None:
                marks.setdefault("latch", time.perf_counter_ns())
                step_done(event, effects)

            def sending(*given) -> None:
                send(*given)
                marks["flat"] = time.perf_counter_ns()

            parts.host.cancel, parts.guard.listener, parts.host.send = cancelling, reacting, sending
            begin = time.perf_counter_ns()
            self.msgbus.send("Dolphin.command", {"verb": "kill", "cause": "benchmark"})
            latched.append((marks["latch"] - begin) / 1e3)
            cancelled.append((marks["cancel"] - marks["latch"]) / 1e3)
            sent.append((marks["flat"] - marks["latch"]) / 1e3)

    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as state_dir:
            engine = BacktestEngine(
                BacktestEngineConfig(trader_id="K-1", logging=LoggingConfig(bypass_logging=True), run_analysis=False)
            )
            engine.add_venue(
                sim, OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USD)], base_currency=USD,
                default_leverage=Decimal(50),
            )  # fmt: skip
            engine.add_instrument(instrument)
            guard = DolphinGuard(DolphinGuardConfig(state_dir=state_dir))
            engine.add_actor(guard)
            engine.add_strategy(Trader(StrategyConfig(strategy_id="K-001")))
            engine.add_data(rows)
            engine.run()
            if guard.failures:
                raise SystemExit(f"the guard failed: {guard.failures[:3]}")
            engine.dispose()
    print(f"kill with {args.orders} resting orders and a position, {args.rounds} rounds, real us (p50 / p99):")
    for name, values in (
        ("command to latch", latched), ("latch to last cancel", cancelled), ("latch to flatten sent", sent)
    ):  # fmt: skip
        print(f"  {name:22} {percentile(values, 50):8.1f} / {percentile(values, 99):8.1f}")
    print("  goal: latch to last cancel p99 < 1000 us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
