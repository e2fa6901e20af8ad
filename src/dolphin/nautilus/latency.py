"""How long decisions take: real nanoseconds from a gate's entry to its answer. Measured, never journalled.

What belongs here: a sample store and its percentiles.
"""

from __future__ import annotations

from array import array
from time import perf_counter_ns


class Latency:
    """Every decision's time; eight bytes each."""

    def __init__(self) -> None:
        self._taken_ns = array("q")

    begin = staticmethod(perf_counter_ns)
    """Now."""

    def end(self, begin_ns: int) -> None:
        """A decision that began then has been taken."""
        self._taken_ns.append(perf_counter_ns() - begin_ns)

    def percentiles(self) -> dict[str, int]:
        """Count, p50 and p99 in ns; zeros where nothing was decided."""
        taken = sorted(self._taken_ns)
        if not taken:
            return {"count": 0, "p50_ns": 0, "p99_ns": 0}
        last = len(taken) - 1
        return {"count": len(taken), "p50_ns": taken[last // 2], "p99_ns": taken[last * 99 // 100]}
