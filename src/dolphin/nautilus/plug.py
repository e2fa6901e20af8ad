"""The actor: hears Nautilus, hands everything to the parts, lets nothing escape.

What belongs here: the life of the actor and its handlers, each wrapped; what they do is in the parts (parts.py). An
exception in any handler is a Category 1 event; before the start and after a failed one the gates deny entries and let
exits pass by the plainest rule.

Live, Nautilus' clock calls timers and time alerts on threads of its own, a strategy's too: an order that is sent from
there, and every event of it, is handed to the event loop. Book, kernel and journal know one thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from operator import attrgetter
from threading import get_ident
from typing import Any, Final

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.enums import LogColor

from dolphin.journal import writable
from dolphin.nautilus.action import Host
from dolphin.nautilus.commands import deaf, left, listen
from dolphin.nautilus.config import ConfigError, PlugConfig
from dolphin.nautilus.hook import COMMAND, PRIORITY, Hook
from dolphin.nautilus.parts import Parts
from dolphin.nautilus.plain import plain_gate
from dolphin.nautilus.ports import BookOfRecord, Limiter, SensorSource

ENDED: Final = "the run has ended"

_BAR: Final = attrgetter("flow.bar")
_ORDER: Final = attrgetter("flow.order")
_POSITION: Final = attrgetter("flow.position")
_ACCOUNT: Final = attrgetter("flow.account")
_WAKE: Final = attrgetter("flow.wake")
_ALERT: Final = attrgetter("flow.alert")
_COMMAND: Final = attrgetter("flow.command")
_SIGNAL: Final = attrgetter("flow.signal")
_SYSTEM: Final = attrgetter("system")
"""Where the parts of a run handle what the actor hears: looked up when it comes, without a Python frame of its own."""

TEXT_MAX: Final = 500
"""Characters of an exception's text that are kept: in the log, the journal, and the list of failures."""


def told(where: str, error: BaseException) -> str:
    """An exception in one line that log and journal can write, whatever its author made of `__str__`. Never raises."""
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be had)"
    line = f"{where}: {type(error).__name__}: {text}"
    return writable(line[:TEXT_MAX])


class Plug(Actor):
    """A guard for one account. Subclasses say where sensors (`sensor_source`) and limits (`limiter`) come from."""

    def __init__(self, config: PlugConfig) -> None:
        super().__init__(config)
        self.settings = config
        self.parts: Parts | None = None
        self.hook: Hook | None = None
        self.failures: list[str] = []
        self.faults: list[str] = []
        self.on_change: list[Callable[[str, str], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._signal = ""
        self._ticked = False

    def sensor_source(self, settings: dict[str, Any]) -> SensorSource:
        """Where the sensors come from."""
        raise NotImplementedError("subclass Plug, or name dolphin.app.actor:DolphinGuard")

    def limiter(self, path: str) -> Limiter:
        """The pre-trade limits of this file; none where it is empty."""
        raise NotImplementedError("subclass Plug, or name dolphin.app.actor:DolphinGuard")

    def third_book(self, path: str) -> BookOfRecord | None:
        """A third book of record of this name; None: there is none."""
        return None

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
        if self._loop is not None:
            if self._handed(self.gate_risk, command):
                return
        if self.parts is None:
            self._plainly(command, self.hook.forward_risk, "the guard has not started")
            return
        if self.parts.closed:
            self._plainly(command, self.hook.forward_risk, ENDED)
            return
        self.parts.gates.at_risk(command, self.hook.forward_risk)

    def gate_exec(self, command: Any) -> None:
        """In place of ExecEngine.execute."""
        assert self.hook is not None
        if self._loop is not None:
            if self._handed(self.gate_exec, command):
                return
        if self.parts is None:
            self._plainly(command, self.hook.forward_exec, "the guard has not started")
            return
        if self.parts.closed:
            self._plainly(command, self.hook.forward_exec, ENDED)
            return
        self.parts.gates.at_exec(command, self.hook.forward_exec)

    def _plainly(self, command: Any, forward: Callable[[Any], None], why: str) -> None:
        assert self.hook is not None
        if self.settings.mode == "report":
            forward(command)
            return
        plain_gate(command, forward, self.cache, Host(self.msgbus, self.cache, self.clock, self.hook), why)

    def _handed(self, handler: Callable[..., None], *args: Any) -> bool:
        """Live: whether this came on another thread and was handed to the loop, which takes what it gets in order.

        A closed loop takes nothing. Nothing runs there any more either, so it is handled where it came: an exit that is
        sent at the very end must not be lost by us.
        """
        assert self._loop is not None
        if get_ident() == self._loop_thread:
            return False
        try:
            self._loop.call_soon_threadsafe(handler, *args)
        except RuntimeError:
            return False
        return True

    # --- life ---------------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Open the journal, know the instruments, subscribe, test. What fails here leaves the plain gates shut."""
        try:
            live = isinstance(self.clock, LiveClock)
            if live:
                self._loop = asyncio.get_running_loop()
                self._loop_thread = get_ident()
            self._ticked = False
            assert self.hook is not None
            self.parts = Parts(self, self.settings, self.hook, live)
            self.parts.begin()
            self._listen()
        except Exception as error:
            self.failed("start", error)

    def _listen(self) -> None:
        """Live: the signal that kills."""
        name = self.settings.kill_signal
        if self._loop is None:
            return
        if not name:
            return
        why_not = listen(self._loop, name, self.hear_signal)
        if why_not:
            self.tell("SIGNAL", f"{name} does not kill [DOL-WATCH-005]: {why_not}")
        else:
            self._signal = name

    def _deafen(self) -> None:
        name = self._signal
        if not name:
            return
        self._signal = ""
        assert self._loop is not None
        deaf(self._loop, name)

    def on_stop(self) -> None:
        """Strategies may still send their last exits: the journal is closed when the ExecEngine has stopped."""
        self.wrapped(self._stopping)

    def _stopping(self) -> None:
        if self.parts is not None:
            self.parts.stopping()

    def on_dispose(self) -> None:
        """The last chance to close. Only then the signal has its default again, which would end the process."""
        self.wrapped(self._closing)
        self.wrapped(self._deafen)

    def _closing(self) -> None:
        if self.parts is not None:
            self.parts.close()

    def on_reset(self) -> None:
        """The engine runs again: what was is closed, and the next start begins anew."""
        self.wrapped(self._closing)
        self.wrapped(self._deafen)
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
        self._hear("bar", _BAR, bar)

    def hear_order(self, event: Any) -> None:
        """An order event."""
        self._hear("order event", _ORDER, event)

    def hear_position(self, event: Any) -> None:
        """A position event."""
        self._hear("position event", _POSITION, event)

    def hear_account(self, event: Any) -> None:
        """An account state."""
        self._hear("account event", _ACCOUNT, event)

    def hear_system(self, event: Any) -> None:
        """A component changed its state."""
        self._hear("system event", _SYSTEM, event)

    def hear_wake(self, row: Any) -> None:
        """The first row after a silence."""
        self._hear("wake", _WAKE, row)

    def hear_alert(self, event: Any) -> None:
        """An alert of the guard's own."""
        self._hear("alert", _ALERT, event)

    def hear_command(self, message: Any) -> None:
        """The message bus endpoint `Dolphin.command`."""
        if self._over():
            if isinstance(message, dict):
                message["answer"] = {"ok": False, "error": ENDED}
            return
        self._hear("command", _COMMAND, message)

    def hear_signal(self) -> None:
        """The signal that kills came; the loop calls this in its turn. After CLOSE it is left for the next start."""
        if self._over():
            left(self.settings.state_dir, self._signal, self.tell)
            return
        self._hear("signal", _SIGNAL, self._signal)

    def _hear(self, where: str, handler: Callable[[Parts], Callable[[Any], None]], message: Any) -> None:
        """On the loop, and nothing escapes. What comes after CLOSE is no part of the run."""
        if self._loop is not None:
            if self._handed(self._hear, where, handler, message):
                return
        try:
            parts = self.parts
            if parts is None:
                raise RuntimeError("the guard has not started")
            if not parts.closed:
                handler(parts)(message)
        except Exception as error:
            self.failed(where, error)

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
        except RuntimeError:  # the loop is closed: a tick has nothing to do any more
            self._ticked = False

    def _tick(self, event: Any) -> None:
        self._ticked = False
        if self.parts is None:  # reset since the clock called
            return
        if self.parts.closed:
            return
        try:
            self.parts.flow.timer(event)
            self.parts.beating.tick(not self.parts.guard.running())
            self.parts.guard.settle(self.clock.timestamp_ns())
        except Exception as error:
            self.failed("timer", error)

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

    def _over(self) -> bool:
        """Whether the run has its CLOSE: nothing is written after it, and what it left stands."""
        if self.parts is None:
            return False
        return self.parts.closed
