"""Stalls that the data themselves have: times at which the next row was due and none came.

What belongs here: the comparison of a market's rows with its sessions, by the same rule as the guard's sensors. It is
the yardstick for what the guard found, and it sees gaps at which nothing was at stake.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dolphin.app.results import Mark
from dolphin.kernel.policy import STALE_NS
from dolphin.kernel.units import NS_PER_S
from dolphin.sensors.source import Source, interval_ns

if TYPE_CHECKING:
    from dolphin.app.data import Market


def late_rows(times: np.ndarray, source: Source, name: str, step_ns: int) -> list[Mark]:
    """Each stall: when the row was due, and by how much the next one was late. `step_ns`: what may pass without one."""
    spec = next(spec for spec in source.specs([name]) if spec.name == name)
    sessions = source.sessions(spec)
    found: list[Mark] = []
    for index in np.flatnonzero(np.diff(times) > step_ns + STALE_NS):
        due_ns = sessions.due_ns(int(times[index]), step_ns)
        late_ns = int(times[index + 1]) - due_ns
        if late_ns > STALE_NS:
            found.append(Mark(due_ns, "STALL", f"{name} silent, {late_ns / NS_PER_S:,.1f} s late"))
    return found


def stalls(market: Market) -> list[Mark]:
    """The stalls of the traded instrument: of its ticks if it has any, else of its bars."""
    name = market.traded.value
    source = Source(market.sensors)
    times, bars = row_times(market)
    every_ns = interval_ns(str(market.bar_type)) if bars else source.silence_ns(name)
    return late_rows(_unique(times), source, name, every_ns)


def row_times(market: Market) -> tuple[list[int], bool]:
    """When the rows of the traded instrument came: of its ticks if it has any, else of its bars (true)."""
    ticks: list[int] = []
    bars: list[int] = []
    for row in market.rows:
        made = getattr(row, "bar_type", None)
        if made is None:
            ticks.append(row.ts_init)
        elif made.instrument_id == market.traded:
            bars.append(row.ts_init)
    return (ticks, False) if ticks else (bars, True)


def _unique(times: Sequence[int]) -> np.ndarray:
    return np.unique(np.array(times, dtype="int64"))
