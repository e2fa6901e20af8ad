"""What is looked at without an order, and how often, as `[book]` of the file of limits says it (docs/design/limits.md).

What belongs here: when it is time, what a look at the limits says, and what health is; no limit and no verdict. Nothing
here holds up an order: a limit is judged again with each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dolphin.journal import encode
from dolphin.kernel.units import NS_PER_MS
from dolphin.nautilus.reconcile import Reconcile

if TYPE_CHECKING:
    from dolphin.nautilus.parts import Parts

RISK: Final = "risk_check_interval"
SYNC: Final = "position_sync_interval"
HEALTH: Final = "health_check_interval"
SYNC_MS: Final = 5_000
"""Where neither the file nor `position_sync_ms` says another."""


class Every:
    """One interval, asked for at each look, since limits change while a book runs; 0: never."""

    def __init__(self, interval_ns: Callable[[str], int], name: str) -> None:
        self._interval_ns = interval_ns
        self._name = name
        self._looked_ns = 0

    def due(self, now_ns: int) -> bool:
        """Whether it is time; then it is not again until so much later. A clock that stepped back makes nobody wait."""
        every_ns = self._interval_ns(self._name)
        if every_ns <= 0:
            return False
        since_ns = now_ns - self._looked_ns
        if since_ns >= 0:
            if since_ns < every_ns:
                return False
        self._looked_ns = now_ns
        return True


class Intervals:
    """Of one run."""

    def __init__(self, parts: Parts, reconcile: Reconcile) -> None:
        self._parts = parts
        self._reconcile = reconcile
        self._risk = Every(self._interval_ns, RISK)
        self._health = Every(self._interval_ns, HEALTH)
        self._breached: list[str] = []

    def _interval_ns(self, name: str) -> int:
        return self._parts.limiting.interval_ns(name)

    def sampled(self, now_ns: int) -> None:
        """The account was read: whether what is held exceeds a limit. A breach is said once, and once that it ended."""
        if not self._risk.due(now_ns):
            return
        found = self._parts.limiting.exceeded()
        if found == self._breached:
            return
        for name in found:
            if name not in self._breached:
                self._say(now_ns, f"{name}: breached without an order: no entry, and it cannot be loosened")
        for name in self._breached:
            if name not in found:
                self._say(now_ns, f"{name}: not breached any more")
        self._breached = found

    def _say(self, now_ns: int, said: str) -> None:
        self._parts.actor.tell("LIMIT", said)
        self._parts.guard.write(now_ns, "NOTE", encode({"what": "limit", "said": said}))

    def beat(self, now_ns: int) -> None:
        """Live, once a real second."""
        self._reconcile.every_ns = self.sync_ns()
        self._reconcile.look(now_ns)
        if self._health.due(now_ns):
            self._parts.actor.log.info(self.health())

    def sync_ns(self) -> int:
        """How often positions are held against the fills: as the limits say, else the setting."""
        said_ns = self._interval_ns(SYNC)
        if said_ns > 0:
            return said_ns
        given_ms = self._parts.settings.position_sync_ms
        if given_ms is None:
            given_ms = SYNC_MS
        return given_ms * NS_PER_MS

    def health(self) -> str:
        """The guard on itself, in one line."""
        parts = self._parts
        state = parts.guard.state
        late = 0
        for feed in state.feeds:
            if feed.due_ns < state.clock.t_ns:
                late += 1
        return (
            f"HEALTH latch={state.latch.mode.name} posture={state.filter.posture.name} "
            f"confidence_ms={state.filter.confidence_ms} drawdown_bp={state.capital.drawdown_bp} "
            f"feeds={len(state.feeds)} late={late} refused={parts.guard.refused} failures={len(parts.actor.failures)}"
        )
