"""How commands are caught on Nautilus 1.x: the two endpoints that every order passes, taken over from an actor.

What belongs here: taking `RiskEngine.execute` and `ExecEngine.execute` over, forwarding, and the checks that they are
ours and that the host is what was measured. Nothing is judged. This is the only module bound to 1.x
(docs/limitations.md); it goes through `==` of `deregister`, since an actor is handed no engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

RISK: Final = "RiskEngine.execute"
EXEC: Final = "ExecEngine.execute"
COMMAND: Final = "Dolphin.command"
PRIORITY: Final = 5
"""After Portfolio (10), before strategies (0)."""

_EXPECTED: Final = {RISK: ("RiskEngine", "LiveRiskEngine"), EXEC: ("ExecutionEngine", "LiveExecutionEngine")}
_MEASURED: Final = ("data.quotes.*", "data.bars.*EXTERNAL", "events.order.*", "events.position.*")

type Handler = Callable[[Any], None]


class _Capture:
    """Equal to any handler, so that `deregister` hands over the one it compares with."""

    def __init__(self) -> None:
        self.got: Any = None

    def __call__(self, message: Any) -> None:
        raise RuntimeError("a placeholder was called")

    def __eq__(self, other: object) -> bool:
        self.got = other
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = object.__hash__


class Hook:
    """The two endpoints of one message bus. `take` before any strategy exists; `forward_*` goes where they led."""

    def __init__(self, msgbus: Any) -> None:
        self._msgbus = msgbus
        self._gates: dict[str, Handler] = {}
        self._next: dict[str, Any] = {}

    def take(self, at_risk: Handler, at_exec: Handler) -> None:
        """Put the gates in front. KeyError: an endpoint is missing; nothing is then changed for it."""
        for endpoint, gate in ((RISK, at_risk), (EXEC, at_exec)):
            capture = _Capture()
            self._msgbus.deregister(endpoint, capture)
            self._next[endpoint] = capture.got
            self._gates[endpoint] = gate
            self._msgbus.register(endpoint, gate)

    def forward_risk(self, command: Any) -> None:
        """Where RiskEngine.execute led."""
        self._next[RISK](command)

    def forward_exec(self, command: Any) -> None:
        """Where ExecEngine.execute led: past the RiskEngine and past our own gates."""
        self._next[EXEC](command)

    def self_test(self) -> list[str]:
        """What is not as measured on Nautilus 1.231; empty if everything is."""
        found = []
        for endpoint, names in _EXPECTED.items():
            handler = self._next.get(endpoint)
            if handler is None:
                found.append(f"{endpoint} was not there")
                continue
            kind = type(getattr(handler, "__self__", None)).__name__
            if kind not in names:
                found.append(f"{endpoint} led to {kind}, expected {' or '.join(names)}")
        found.extend(self.not_ours())
        found.extend(self._order_of_handlers())
        return found

    def not_ours(self) -> list[str]:
        """Endpoints that somebody replaced since."""
        found = []
        for endpoint, gate in self._gates.items():
            try:
                self._msgbus.deregister(endpoint, gate)
            except (KeyError, ValueError):
                found.append(f"{endpoint} is no longer Dolphin's")
            else:
                self._msgbus.register(endpoint, gate)
        return found

    def _order_of_handlers(self) -> list[str]:
        """Portfolio must have handled an event before the guard reads equity."""
        found = []
        for topic in _MEASURED:
            priority = self._portfolio_priority(topic)
            if priority <= PRIORITY:
                found.append(f"Portfolio handles {topic} at priority {priority}, expected above {PRIORITY}")
        return found

    def _portfolio_priority(self, topic: str) -> int:
        best = -1
        for subscription in self._msgbus.subscriptions(topic):
            if type(getattr(subscription.handler, "__self__", None)).__name__ == "Portfolio":
                best = max(best, int(subscription.priority))
        return best
