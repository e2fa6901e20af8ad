"""The actor: hears Nautilus, hands everything to the parts, lets nothing escape.

What belongs here: the life of the actor and its handlers, each wrapped; what they do is in the parts (parts.py). An
exception in any handler is a Category 1 event; before the start and after a failed one the gates deny entries and let
exits pass by the plainest rule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.enums import LogColor

from dolphin.nautilus.action import Host
from dolphin.nautilus.config import ConfigError, PlugConfig
from dolphin.nautilus.hook import COMMAND, PRIORITY, Hook
from dolphin.nautilus.parts import Parts
from dolphin.nautilus.plain import plain_gate
from dolphin.nautilus.ports import SensorSource

TEXT_MAX: Final = 500
"""Characters of an exception's text that are kept: in the log, the journal, and the list of failures."""


def told(where: str, error: BaseException) -> str:
    """An exception in one line that log and journal can write, whatever its author made of `__str__`. Never raises."""
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be had)"
    line = f"{where}: {type(error).__name__}: {text}"
    return line[:TEXT_MAX].encode("utf-8", "backslashreplace").decode("utf-8")


class Plug(Actor):
    """A guard for one account. Subclasses say where sensors come from (`sensor_source`)."""

    def __init__(self, config: PlugConfig) -> None:
        super().__init__(config)
        self.settings = config
        self.parts: Parts | None = None
        self.hook: Hook | None = None
        self.failures: list[str] = []
        self.faults: list[str] = []
        self.on_change: list[Callable[[str, str], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticked = False

    def sensor_source(self, settings: dict[str, Any]) -> SensorSource:
        """Where the sensors come from."""
        raise NotImplementedError("subclass Plug, or name dolphin.app.actor:DolphinGuard")

    # --- taking the endpoints over: before any strategy exists --------------------------------------------------------

    def register_base(self, portfolio: Any, msgbus: Any, cache: Any, clock: Any) -> None:
        """Called by the kernel when it builds the actor. ConfigError: another guard has this engine."""
        super().register_base(portfolio, msgbus, cache, clock)
        # First what tells a second guard off: it must not take the gates from under the one that is at work.
        try:
            self.msgbus.register(COMMAND, self.hear_command)
        except KeyError as error:
            raise ConfigError("another Dolphin guard is on this engine already; accepted: one an engine") from error
        self.hook = Hook(self.msgbus)
        self.hook.take(self.gate_risk, self.gate_exec)

    def gate_risk(self, command: Any) -> None:
        """In place of RiskEngine.execute."""
        assert self.hook is not None
        if self.parts is None:
            self._plainly(command, self.hook.forward_risk)
            return
        self.parts.gates.at_risk(command, self.hook.forward_risk)

    def gate_exec(self, command: Any) -> None:
        """In place of ExecEngine.execute."""
        assert self.hook is not None
        if self.parts is None:
            self._plainly(command, self.hook.forward_exec)
            return
        self.parts.gates.at_exec(command, self.hook.forward_exec)

    def _plainly(self, command: Any, forward: Callable[[Any], None]) -> None:
        assert self.hook is not None
        if self.settings.mode == "report":
            forward(command)
            return
        plain_gate(command, forward, self.cache, Host(self.msgbus, self.cache, self.clock, self.hook))

    # --- life ---------------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Open the journal, know the instruments, subscribe, test. What fails here leaves the plain gates shut."""
        try:
            live = isinstance(self.clock, LiveClock)
            if live:
                self._loop = asyncio.get_running_loop()
            assert self.hook is not None
            self.parts = Parts(self, self.settings, self.hook, live)
            self.parts.begin()
        except Exception as error:
            self.failed("start", error)

    def on_stop(self) -> None:
        """Strategies may still send their last exits: the journal is closed when the ExecEngine has stopped."""
        self.wrapped(self._stopping)

    def _stopping(self) -> None:
        if self.parts is not None:
            self.parts.stopping()

    def on_dispose(self) -> None:
        """The last chance to close."""
        self.wrapped(self._closing)

    def _closing(self) -> None:
        if self.parts is not None:
            self.parts.close()

    def on_reset(self) -> None:
        """The engine runs again: what was is closed, and the next start begins anew."""
        self.wrapped(self._closing)
        self.wrapped(self._leaving)
        self.parts = None

    def _leaving(self) -> None:
        if self.parts is not None:
            self.parts.unsubscribe()

    # --- handlers -----------------------------------------------------------------------------------------------------

    def listen(self, topic: str, handler: Callable[[Any], None]) -> None:
        """Subscribe after Portfolio and before strategies."""
        self.msgbus.subscribe(topic=topic, handler=handler, priority=PRIORITY)

    def hear_bar(self, bar: Any) -> None:
        """A closed bar."""
        try:
            self._parts().flow.bar(bar)
        except Exception as error:
            self.failed("bar", error)

    def hear_order(self, event: Any) -> None:
        """An order event."""
        try:
            self._parts().flow.order(event)
        except Exception as error:
            self.failed("order event", error)

    def hear_position(self, event: Any) -> None:
        """A position event."""
        try:
            self._parts().flow.position(event)
        except Exception as error:
            self.failed("position event", error)

    def hear_account(self, event: Any) -> None:
        """An account state."""
        try:
            self._parts().flow.account(event)
        except Exception as error:
            self.failed("account event", error)

    def hear_system(self, event: Any) -> None:
        """A component changed its state."""
        try:
            self._parts().system(event)
        except Exception as error:
            self.failed("system event", error)

    def hear_wake(self, row: Any) -> None:
        """The first row after a silence."""
        try:
            self._parts().flow.wake(row)
        except Exception as error:
            self.failed("wake", error)

    def hear_alert(self, event: Any) -> None:
        """An alert of the guard's own."""
        try:
            self._parts().flow.alert(event)
        except Exception as error:
            self.failed("alert", error)

    def hear_timer(self, event: Any) -> None:
        """Live: every 10 ms, on a thread of Nautilus' clock. Everything else is handled on the loop, and so is this.

        One waits at most: a loop that is behind must not find a row of them.
        """
        assert self._loop is not None
        if self._ticked:
            return
        self._ticked = True
        try:
            self._loop.call_soon_threadsafe(self._tick, event)
        except RuntimeError:  # the loop is closed, and nothing is handled any more
            return

    def _tick(self, event: Any) -> None:
        self._ticked = False
        try:
            self._parts().flow.timer(event)
            self._parts().guard.settle(self.clock.timestamp_ns())
        except Exception as error:
            self.failed("timer", error)

    def hear_command(self, message: Any) -> None:
        """The message bus endpoint `Dolphin.command`."""
        try:
            self._parts().flow.command(message)
        except Exception as error:
            self.failed("command", error)

    def wrapped(self, act: Callable[[], None]) -> None:
        """Nothing escapes."""
        try:
            act()
        except Exception as error:
            self.failed(act.__name__, error)

    def failed(self, where: str, error: BaseException) -> None:
        """An exception in the guard: said, counted, and a Category 1 event."""
        text = told(where, error)
        self.failures.append(text)
        self.faults.append(text)
        try:
            # The latch first: a log that fails must not lose the fault.
            if self.parts is not None:
                self.parts.fault(text)
            self.log.error(f"Dolphin failed in {text}")
        except Exception as second:
            self.failures.append(told("fault", second))

    def tell(self, what: str, text: str) -> None:
        """A log line and the callbacks: a fall, a kill, a denial must not look like a dead strategy."""
        if what == "MOVED UP":
            self.log.info(f"{what} {text}", LogColor.GREEN)
        else:
            self.log.warning(f"{what} {text}")
        for callback in self.on_change:
            try:
                callback(what, text)
            except Exception as error:
                self.failures.append(told("callback", error))

    def _parts(self) -> Parts:
        if self.parts is None:
            raise RuntimeError("the guard has not started")
        return self.parts
