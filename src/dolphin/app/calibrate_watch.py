"""The guard with its sensors' readings kept: which measurement said what, and which detector fired.

What belongs here: wrapping, so that a journal's R3 and SHOCK can be told apart by sensor. The guard itself is the one
that users run; nothing that it decides is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dolphin.app.actor import DolphinGuard
from dolphin.nautilus.ports import Bar, FeedSpec, QuoteRow, Reading, SensorSource, Sessions, Trade
from dolphin.sensors.feed import FeedSensor
from dolphin.sensors.source import build
from dolphin.sensors.windows import Levels

ACTOR = f"{__name__}:ObservedGuard"


class Heard(NamedTuple):
    """One reading as the guard got it. `levels`: the measurements of category 3 behind it."""

    now_ns: int
    seen_ns: int
    due_ns: int
    r3_bp: int
    error: int
    levels: Levels


class Fired(NamedTuple):
    """A detector of category 4 that fired, and the feed that it looks at."""

    ts_ns: int
    feed: str


class Observed:
    """What a run's sensors said: readings by feed, oldest first, each once; shocks."""

    def __init__(self) -> None:
        self.heard: dict[str, list[Heard]] = {}
        self.fired: list[Fired] = []


class WatchedSensor:
    """One feed's sensor, listened to."""

    def __init__(self, inner: FeedSensor, name: str, into: Observed) -> None:
        self._inner = inner
        self._name = name
        self._fired = into.fired
        self._heard = into.heard.setdefault(name, [])

    def quotes(self, times_ns: Sequence[int], rows: Callable[[Sequence[int]], Sequence[QuoteRow]]) -> None:
        """As the sensor."""
        self._inner.quotes(times_ns, rows)

    def trades(self, times_ns: Sequence[int], rows: Callable[[Sequence[int]], Sequence[Trade]]) -> None:
        """As the sensor."""
        self._inner.trades(times_ns, rows)

    def depth(self, ts_event_ns: int, ts_init_ns: int, top_lots: int | None) -> None:
        """As the sensor."""
        self._inner.depth(ts_event_ns, ts_init_ns, top_lots)

    def bar(self, row: Bar) -> bool:
        """As the sensor; a shock is kept."""
        shock = self._inner.bar(row)
        if shock:
            self._fired.append(Fired(row.ts_init_ns, self._name))
        return shock

    def reading(self, now_ns: int) -> Reading:
        """As the sensor; a reading that differs from the one before it is kept."""
        found = self._inner.reading(now_ns)
        if found.seen_ns > 0:
            heard = Heard(now_ns, *found, self._inner.levels())
            if not self._heard or self._heard[-1][1:] != heard[1:]:
                self._heard.append(heard)
        return found


class WatchedSource:
    """A sensor source whose sensors are listened to."""

    def __init__(self, inner: SensorSource, into: Observed) -> None:
        self._inner = inner
        self._into = into

    def specs(self, instruments: Sequence[str]) -> tuple[FeedSpec, ...]:
        """As the source."""
        return self._inner.specs(instruments)

    def sensor(self, spec: FeedSpec) -> WatchedSensor:
        """The source's sensor, listened to."""
        made = self._inner.sensor(spec)
        assert isinstance(made, FeedSensor)
        return WatchedSensor(made, spec.name, self._into)

    def sessions(self, spec: FeedSpec) -> Sessions:
        """As the source."""
        return self._inner.sessions(spec)


class ObservedGuard(DolphinGuard):
    """The guard; `observed` is what its sensors said."""

    def sensor_source(self, settings: dict[str, Any]) -> SensorSource:
        """Dolphin's own sensors, listened to."""
        self.observed = Observed()
        return WatchedSource(build(settings), self.observed)
