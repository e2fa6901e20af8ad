"""What an order costs: Nautilus' own path, the guard without limits, the guard with every limit on. CPU time, ratios.

    python -m benchmarks.orders [--orders 4000] [--rounds 5] [--limits benchmarks/limits.toml]

Market orders on one instrument, in turn an entry and an exit, filled at once: Nautilus' own path is submit, risk
engine, execution engine, matching, fill, account and position. An order's cost is the CPU time of a backtest with
orders less that of the same quotes with a single one, over the orders. The gates' share is taken in a run of its own:
what passes between a command's arrival at a gate and its being forwarded, at both gates, the record of the verdict
included. Of several alternated rounds, each in a process of its own, the smallest counts: what else runs only adds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.guarded import engine_with

HERE = Path(__file__).parent
GOAL = 1.25
VARIANTS = {"plain": "Nautilus' own path", "guarded": "the guard without limits", "limits": "with every limit on"}
STEP_MS = 100


def ran(variant: str, quotes: int, orders: int, limits: str) -> float:
    """CPU seconds of one backtest."""
    kind = "plain" if variant == "plain" else "guarded"
    with tempfile.TemporaryDirectory() as state_dir:
        engine, guard = engine_with(kind, quotes, orders, STEP_MS, state_dir, limits if variant == "limits" else "")
        begin = time.process_time()
        engine.run()
        taken = time.process_time() - begin
        if guard is not None and guard.failures:
            raise SystemExit(f"the guard failed: {guard.failures[:3]}")
        closed = len([1 for order in engine.cache.orders() if order.status_string() == "FILLED"])
        if closed < orders:
            raise SystemExit(f"{closed} of {orders} orders filled: this is not the path that is to be measured")
        engine.dispose()
    return taken


def gates(variant: str, quotes: int, orders: int, limits: str) -> float:
    """CPU seconds between a command's arrival at a gate and its being forwarded."""
    from dolphin.nautilus.gates import Gates

    judged: Any = Gates._wrapped
    taken_ns = [0]

    def measured(*args: Any) -> Any:
        begin_ns = time.thread_time_ns()
        found = judged(*args)
        taken_ns[0] += time.thread_time_ns() - begin_ns
        return found

    Gates._wrapped = measured  # type: ignore[method-assign]
    try:
        ran(variant, quotes, orders, limits)
    finally:
        Gates._wrapped = judged  # type: ignore[method-assign]
    return taken_ns[0] / 1e9


def child(args: argparse.Namespace) -> None:
    """One variant; prints us of CPU an order, and of it those in the gates."""
    quotes = 2 * args.orders
    without = ran(args.child, quotes, 1, args.limits)
    with_orders = ran(args.child, quotes, args.orders, args.limits)
    in_gates = 0.0
    if args.child != "plain":
        in_gates = gates(args.child, quotes, args.orders, args.limits)
    print(json.dumps([(with_orders - without) * 1e6 / args.orders, in_gates * 1e6 / args.orders]))


def measured(variant: str, args: argparse.Namespace) -> tuple[float, float]:
    command = [
        sys.executable, "-W", "ignore", "-m", "benchmarks.orders", "--child", variant, "--orders", str(args.orders),
        "--limits", args.limits,
    ]  # fmt: skip
    env = {name: value for name, value in os.environ.items() if name != "DOLPHIN_CONTRACTS"}
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env, text=True)
    whole, in_gates = json.loads(found.stdout.strip().splitlines()[-1])
    return whole, in_gates


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--limits", default=str(HERE / "limits.toml"), help="the limits that are on (default: every one)"
    )
    parser.add_argument("--child", choices=VARIANTS, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        child(args)
        return 0
    whole: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    in_gates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for round_ in range(args.rounds):
        for variant in list(VARIANTS)[:: 1 if round_ % 2 == 0 else -1]:
            one, gate = measured(variant, args)
            whole[variant].append(one)
            in_gates[variant].append(gate)
    native = min(whole["plain"])
    for variant, words in VARIANTS.items():
        taken, gate = min(whole[variant]), min(in_gates[variant])
        said = f"{words:26} {taken:7.1f} us an order"
        if variant != "plain":
            said += (
                f", {taken / native:.2f} of the native path; the gates alone {gate:6.1f} us, {gate / native:.2f} of it"
            )
        print(said)
    gate = min(in_gates["limits"])
    print(f"gate cost over native path with every limit on: {gate / native:.2f}, goal {GOAL}")
    print(f"native path and gates over native path:         {(native + gate) / native:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
