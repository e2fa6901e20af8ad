"""The sizing decision: how many lots the posture, the confidence and the evidence allow. Goal: p50 < 1 us, p99 < 5 us.

Each call is timed alone with contracts off and set against timing nothing in the same loop, so that what the
clock itself takes is seen. Percentiles are of the difference.
"""

from __future__ import annotations

import os
import sys

if os.environ.pop("DOLPHIN_CONTRACTS", ""):
    os.execv(sys.executable, [sys.executable, "-m", "benchmarks.sizing", *sys.argv[1:]])

from time import perf_counter_ns

from dolphin.kernel.policy import INTRADAY, Posture
from dolphin.kernel.sizer import target_lots

CALLS = 200_000


def percentile(values: list[int], share: float) -> int:
    """The value below which `share` of the sorted `values` lie."""
    return values[min(int(share * len(values)), len(values) - 1)]


def main() -> int:
    """Print the table; 0 always: a benchmark judges nothing."""
    empty: list[int] = []
    sized: list[int] = []
    for call in range(CALLS):
        confidence_ms = 3_000_000 + 15 * call
        began = perf_counter_ns()
        ended = perf_counter_ns()
        empty.append(ended - began)
        began = perf_counter_ns()
        target_lots(INTRADAY, Posture.APEX, confidence_ms, 100_000_000 + call, 158_000_000, 60_000)
        ended = perf_counter_ns()
        sized.append(ended - began)
    empty.sort()
    sized.sort()
    clock_ns = percentile(empty, 0.5)
    p50_ns, p99_ns = percentile(sized, 0.5) - clock_ns, percentile(sized, 0.99) - clock_ns
    print(f"sizing decision, {CALLS:,} calls, contracts off: p50 {p50_ns} ns, p99 {p99_ns} ns (goal < 1,000 / < 5,000)")
    print(f"the clock alone: p50 {clock_ns} ns; a decision costs {p50_ns / max(clock_ns, 1):.1f} times a look at it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
