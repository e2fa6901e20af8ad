"""The same readings under other thresholds: the events that the kernel would have been given.

What belongs here: rebuilding SEEN and SHOCK from what the sensors measured, for another tolerance, another silence,
another detector. What the kernel makes of them is `calibrate_fold`'s.

A tolerance of k: a sensor of category 3 whose edges (deadband and floor) are k times as far away. The kernel's own
ramp is asked, of the measurement divided by k (of depth: times k), rounded to the worse side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from dolphin.app.calibrate_fold import CURVES, Says, Tape
from dolphin.app.calibrate_watch import Fired, Heard, Observed
from dolphin.app.gaps import row_times
from dolphin.kernel.events import Event, Seen, Shock
from dolphin.kernel.policy import STALE_NS
from dolphin.kernel.units import BP, NEVER_NS
from dolphin.nautilus.ports import Sessions
from dolphin.sensors.shock import RETURNS, log_return
from dolphin.sensors.source import VIX, Source, interval_ns
from dolphin.sensors.windows import UNKNOWN, Levels

if TYPE_CHECKING:
    from dolphin.app.data import Market

OFF: Final = inf
"""A tolerance that nothing exceeds."""
WORDS: Final = {VIX: "R4 VIX"}


class Change(NamedTuple):
    """What is other than it was. `tolerance`: by sensor of category 3. `sensors`: settings. `fired`: all shocks."""

    tolerance: Mapping[str, float] = MappingProxyType({})
    sensors: Mapping[str, Any] = MappingProxyType({})
    fired: Sequence[Fired] | None = None


class Replay:
    """A market, what the guard's sensors said of it, and the journal of that."""

    def __init__(self, tape: Tape, market: Market, observed: Observed) -> None:
        self.tape = tape
        self.market = market
        self.observed = observed
        self.name = market.traded.value
        times, self.bars = row_times(market)
        self.times = np.unique(np.array(times, dtype="int64"))
        self.step_ns = interval_ns(str(market.bar_type)) if self.bars else 0

    @property
    def heard(self) -> Sequence[Heard]:
        """The readings of the traded feed."""
        return self.observed.heard.get(self.name, [])

    def sessions(self, settings: Mapping[str, Any] = MappingProxyType({})) -> Sessions:
        """Of the traded feed, with other settings of the sensors."""
        source = Source({**self.market.sensors, **settings})
        return source.sessions(next(spec for spec in source.specs([self.name]) if spec.name == self.name))

    def says(self, change: Change = Change()) -> Says:  # noqa: B008
        """Which sensor spoke, under `change`."""
        fired = self.observed.fired if change.fired is None else change.fired
        levels = [(heard.seen_ns, scaled(heard.levels, change.tolerance)) for heard in self.heard]
        return Says(levels, [(one.ts_ns, WORDS.get(one.feed, "R4 return")) for one in fired])

    def events(self, change: Change = Change()) -> list[Event]:  # noqa: B008
        """What the kernel would have been given, in order of time; of one moment readings, then shocks, then the rest.

        A journal's other records keep their order; nothing else depends on these thresholds in a run that only reports.
        """
        tape = self.tape
        fired = set(self.observed.fired)
        times = {one.ts_ns for one in fired}
        rest: list[Event] = []
        for event in tape.events:
            if type(event) is Seen and event.feed == tape.traded:
                continue
            if type(event) is Shock and event.ts_ns in times:
                continue
            rest.append(event)
        shocks = [Shock(one.ts_ns) for one in (self.observed.fired if change.fired is None else change.fired)]
        found = [*self._seens(change), *shocks, *rest]
        return sorted(found, key=_order)

    def _seens(self, change: Change) -> list[Seen]:
        due_ns = self._due(change.sensors) if change.sensors else None
        found: list[Seen] = []
        feed = self.tape.traded
        for heard in self.heard:
            r3_bp = level_bp(scaled(heard.levels, change.tolerance))
            due = heard.due_ns if due_ns is None else due_ns(heard.seen_ns)
            if due_ns is not None and found:
                found += self._between(found[-1], heard.seen_ns, due_ns)
            found.append(Seen(heard.seen_ns, feed, due, r3_bp, heard.error))
        if due_ns is not None and found:
            found += self._between(found[-1], self.tape.last_ns, due_ns)
        return found

    def _due(self, settings: Mapping[str, Any]) -> Any:
        """When the row after one is due, as the sensor says it, with other settings."""
        sessions = self.sessions(settings)
        source = Source({**self.market.sensors, **settings})
        step_ns = self.step_ns or source.silence_ns(self.name)
        last_ns = self.market.sensors.get("spans", {}).get(self.name, (0, 0))[1]

        def due(seen_ns: int) -> int:
            if last_ns > 0 and seen_ns >= last_ns:
                return NEVER_NS
            return sessions.due_ns(seen_ns, step_ns)

        return due

    def _between(self, said: Seen, until_ns: int, due_ns: Any) -> list[Seen]:
        """The rows that keep a feed from being late until `until_ns`, of which its guard had no need to speak."""
        found: list[Seen] = []
        while said.due_ns + STALE_NS < until_ns:
            at = int(np.searchsorted(self.times, said.due_ns, side="right")) - 1
            if at < 0 or self.times[at] <= said.ts_ns:
                at = int(np.searchsorted(self.times, said.ts_ns, side="right"))
            if at >= len(self.times) or self.times[at] >= until_ns:
                break
            row_ns = int(self.times[at])
            said = said._replace(ts_ns=row_ns, due_ns=due_ns(row_ns))
            found.append(said)
        return found


def _order(event: Event) -> tuple[int, int]:
    kind = type(event)
    return event.ts_ns, 0 if kind is Seen else 1 if kind is Shock else 2


def scaled(levels: Levels, tolerance: Mapping[str, float]) -> Levels:
    """The measurements as a sensor with other edges takes them."""
    if not tolerance:
        return levels
    return Levels(*(_scaled(name, value, tolerance.get(name, 1)) for name, value in zip(CURVES, levels, strict=True)))


def _scaled(name: str, value: int, k: float) -> int:
    if value < 0 or k == 1:
        return value
    if k == OFF:
        return UNKNOWN
    num, den = float(k).as_integer_ratio()
    return value * num // den if name == "depth" else -(-value * den // num)


def level_bp(levels: Levels) -> int:
    """R3 of these measurements, as `Microstructure.level_bp` says it."""
    found = [curve(value) for curve, value in zip(CURVES.values(), levels, strict=True) if value >= 0]
    return min(found, default=BP)


class Surprise(NamedTuple):
    """A bar's return against the 60 before it: beyond s sigma where `square` > s^2 * `spread`, unless `least` (a move
    of one tick, or too few returns).
    """

    ts_ns: int
    square: int
    spread: int
    least: bool

    def beyond(self, sigmas: int) -> bool:
        """Whether it is a shock at this many sigma."""
        return not self.least and self.square > sigmas * sigmas * self.spread


def surprises(market: Market, from_ns: int) -> list[Surprise]:
    """Each bar of the traded instrument at least `from_ns` long, as `dolphin.sensors.shock.ReturnShock` measures it."""
    made = next(item for item in market.instruments if item.id == market.traded)
    tick = made.price_increment.as_decimal()
    found: list[Surprise] = []
    kept: dict[int, list[int]] = {}
    close: dict[int, int] = {}
    seen: dict[int, int] = {}
    for row in market.rows:
        kind = getattr(row, "bar_type", None)
        if kind is None or kind.instrument_id != market.traded:
            continue
        length_ns = interval_ns(str(kind))
        if length_ns < from_ns or seen.get(length_ns, -1) >= row.ts_event:
            continue
        seen[length_ns] = row.ts_event
        now, before = int(row.close.as_decimal() / tick), close.get(length_ns, 0)
        close[length_ns] = now
        if before <= 0 or now <= 0:
            continue
        value = log_return(before, now)
        returns = kept.setdefault(length_ns, [])
        spread = RETURNS * sum(one * one for one in returns) - sum(returns) ** 2
        least = len(returns) < RETURNS or abs(now - before) <= 1
        found.append(Surprise(row.ts_init, value * value * RETURNS * RETURNS, spread, least))
        returns.append(value)
        del returns[:-RETURNS]
    return found


def rises(market: Market) -> list[tuple[int, int]]:
    """Each daily bar of the VIX against the one before it: (ts_ns, ratio in bp, rounded down)."""
    kind = market.sensors.get("vix", {}).get("bar_type")
    found: list[tuple[int, int]] = []
    before = 0.0
    for row in market.rows:
        if str(getattr(row, "bar_type", "")) == kind:
            now = row.close.as_decimal()
            if before > 0:
                found.append((row.ts_init, int(now * 10_000 / before)))
            before = now
    return found
