"""Guarded against unguarded: CPU time of one backtest, as a ratio, in alternated rounds of child processes.

    python -m benchmarks.guarded [--quotes 500000] [--orders 10000] [--step-ms 1] [--rounds 5] [--no-where]
                                [--limits FILE]

One instrument, a market order every so many quotes that never leaves the position flat (closing and reopening is
quadratic in Nautilus 1.231). Both children make the same data and orders; only `engine.run()` is measured. One more
guarded child says where the time goes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from benchmarks._where import Where, told

VARIANTS = ("plain", "guarded")


def engine_with(variant: str, quotes: int, orders: int, step_ms: int, state_dir: str, limits: str = ""):
    """The engine, its guard and how many quotes there are between two orders."""
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

    sim = Venue("SIM")
    instrument = TestInstrumentProvider.default_fx_ccy("AUD/USD", sim)
    engine = BacktestEngine(
        BacktestEngineConfig(trader_id="B-1", logging=LoggingConfig(bypass_logging=True), run_analysis=False)
    )
    engine.add_venue(
        sim, OmsType.NETTING, AccountType.MARGIN, [Money(10_000_000, USD)], base_currency=USD,
        default_leverage=Decimal(50),
    )  # fmt: skip
    engine.add_instrument(instrument)
    every = max(1, quotes // orders)

    class Trader(Strategy):
        """Buys and sells in turn around a position that is never flat."""

        def on_start(self) -> None:
            self.subscribe_quote_ticks(instrument.id)
            self.count = 0
            self.base = Quantity.from_int(200_000)
            self.part = Quantity.from_int(100_000)
            self.bought = False

        def on_quote_tick(self, tick) -> None:
            self.count += 1
            if self.count % every:
                return
            self.bought = not self.bought
            side = OrderSide.BUY if self.bought else OrderSide.SELL
            size = self.part
            if self.count == every:
                size = self.base
            self.submit_order(self.order_factory.market(instrument.id, side, size))

    guard = None
    if variant != "plain":
        from dolphin.app.actor import DolphinGuard, DolphinGuardConfig

        guard = DolphinGuard(DolphinGuardConfig(state_dir=state_dir, limits=limits))
        engine.add_actor(guard)
    engine.add_strategy(Trader(StrategyConfig(strategy_id="B-001")))
    start = 1_700_000_000_000_000_000
    size = Quantity.from_int(1_000_000)
    state, mid, rows = 7, 65_000, []
    prices = [Price(tick / 1e5, 5) for tick in range(63_000, 67_000)]
    for i in range(quotes):
        state = (1103515245 * state + 12345) % 2**31
        mid += (state >> 16) % 3 - 1
        mid = min(max(mid, 63_100), 66_900)
        ts = start + i * step_ms * 1_000_000
        rows.append(QuoteTick(instrument.id, prices[mid - 1 - 63_000], prices[mid + 1 - 63_000], size, size, ts, ts))
    engine.add_data(rows, validate=False)
    return engine, guard


def child(args: argparse.Namespace) -> None:
    """One run; prints its CPU seconds and what the journal has."""
    where = None
    if args.where:
        where = Where()
        where.wrap()
    with tempfile.TemporaryDirectory() as state_dir:
        engine, guard = engine_with(args.child, args.quotes, args.orders, args.step_ms, state_dir, args.limits)
        begin = time.process_time()
        engine.run()
        taken = time.process_time() - begin
        kinds: dict[str, int] = {}
        latency = {}
        if guard is not None:
            if guard.failures:
                raise SystemExit(f"the guard failed: {guard.failures[:3]}")
            from dolphin.journal import read

            for record in read(str(Path(state_dir) / "journal.jsonl")):
                kinds[record.kind] = kinds.get(record.kind, 0) + 1
            latency = guard.parts.latency.percentiles()
        fills = len([1 for order in engine.cache.orders() if order.is_closed])
        lines = {} if where is None else where.lines()
        print(json.dumps({"cpu_s": taken, "kinds": kinds, "latency": latency, "orders": fills, "where": lines}))


def measured(variant: str, args: argparse.Namespace, step_ms: int, where: bool = False) -> dict:
    command = [
        sys.executable, "-m", "benchmarks.guarded", "--child", variant, "--quotes", str(args.quotes), "--orders",
        str(args.orders), "--step-ms", str(step_ms), "--limits", args.limits,
    ]  # fmt: skip
    if where:
        command.append("--where")
    env = {name: value for name, value in os.environ.items() if name != "DOLPHIN_CONTRACTS"}
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env, text=True)
    return json.loads(found.stdout.strip().splitlines()[-1])


def compare(args: argparse.Namespace, step_ms: int, goal: float) -> None:
    times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    last: dict[str, dict] = {}
    for round_ in range(args.rounds):
        for variant in VARIANTS if round_ % 2 == 0 else VARIANTS[::-1]:
            last[variant] = measured(variant, args, step_ms)
            times[variant].append(last[variant]["cpu_s"])
    plain, guarded = times["plain"], times["guarded"]
    ratios = [g / p for g, p in zip(guarded, plain, strict=True)]
    best = min(guarded) / min(plain)
    kinds = last["guarded"]["kinds"]
    orders = last["guarded"]["orders"]
    print(
        f"quotes {step_ms} ms apart: {args.quotes} quotes, {orders} orders: plain {min(plain):.2f} s, guarded "
        f"{min(guarded):.2f} s CPU; ratio of the best {best:.3f}, median {statistics.median(ratios):.3f} "
        f"[{min(ratios):.3f}-{max(ratios):.3f}], goal {goal}"
    )
    print(f"  records an order: {sum(kinds.values()) / max(orders, 1):.2f} {kinds}")
    latency = last["guarded"]["latency"]
    print(f"  decision: p50 {latency['p50_ns'] / 1e3:.1f} us, p99 {latency['p99_ns'] / 1e3:.1f} us (real)")
    if not args.no_where:
        lines = measured("guarded", args, step_ms, where=True)["where"]
        print(told(lines, orders, min(guarded) - min(plain)))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quotes", type=int, default=500_000)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--step-ms", type=int, default=0, help="quotes so far apart; without it 1 ms and 100 ms")
    parser.add_argument("--limits", default="", help="the guard with these limits (benchmarks/limits.toml: all are on)")
    parser.add_argument("--no-where", action="store_true", help="do not say where the time goes: one run less")
    parser.add_argument("--where", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=VARIANTS, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        child(args)
        return 0
    for step_ms, goal in ((1, 1.15), (100, 1.25)):
        if args.step_ms in (0, step_ms):
            compare(args, step_ms, goal)
    return 0


if __name__ == "__main__":
    sys.exit(main())
