"""Where commands come from: the message bus endpoint, letters from outside, the file KILL, a signal.

What belongs here: the shape of a message, what is read before a command acts, its answer; no verb.

The file KILL (docs/design/watchdog.md) is looked for before each verdict and with each look for letters, so that a
process that was stopped and wakes is killed before it enters. The latch trips first, then the file is moved away; one
that cannot be moved stands: the book is killed for as long as it lies there. While neither the journal nor the latch
file has the kill, KILL is the only thing that a restart would find, and is left there.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from dolphin.journal import killfile
from dolphin.nautilus import mailbox

if TYPE_CHECKING:
    from dolphin.nautilus.flow import FlowOfEvents
    from dolphin.nautilus.parts import Parts

COMMAND_SHAPE: Final = "Dolphin.command takes a dict with 'verb', 'cause' and the verb's arguments"


class Commands:
    """The commands of one run."""

    def __init__(self, parts: Parts, flow: FlowOfEvents) -> None:
        self._parts = parts
        self._flow = flow
        self._kill = os.path.join(parts.settings.state_dir, killfile.NAME)
        self._stuck = False
        self._answer: dict[str, Any] = {}

    def told(self, message: Any) -> None:
        """A dict with verb, cause and the verb's arguments; the answer is the journal's, and `message["answer"]`."""
        if not isinstance(message, Mapping):
            raise TypeError(f"{COMMAND_SHAPE}, found {type(message).__name__}")
        args = {str(key): value for key, value in message.items()}
        verb = str(args.pop("verb", ""))
        cause = str(args.pop("cause", ""))
        args.pop("answer", None)
        self._parts.actor.wrapped(self._flow.catch_up)
        answer = self._parts.operator.act(verb, args, cause)
        if isinstance(message, dict):
            message["answer"] = answer
        self._flow.due()
        self._parts.write_status(False)

    def letters(self) -> None:
        """Take all letters that wait."""
        parts = self._parts
        parts.letter_flag = False
        self.kill_file()
        for letter in mailbox.take(parts.settings.state_dir):
            if letter.error:
                mailbox.answer(parts.settings.state_dir, letter, {"ok": False, "error": letter.error})
                continue
            parts.actor.wrapped(self._flow.look)
            answer = parts.operator.act(letter.verb, letter.args, letter.cause)
            mailbox.answer(parts.settings.state_dir, letter, answer)
            self._flow.due()

    def kill_file(self) -> None:
        """KILL lies in the state directory: kill, then move it away."""
        if not killfile.lies(self._kill):
            self._stuck = False
            return
        parts = self._parts
        if self._stuck:
            if not parts.guard.running():
                self._take()
                return
        self._answer = parts.operator.act("kill", {}, killfile.cause_of(self._kill))
        self._take()

    def signal(self, name: str) -> None:
        """A signal that kills came; heard on the event loop."""
        self._parts.actor.wrapped(self._flow.catch_up)
        self._parts.operator.act("kill", {}, f"signal {name}")
        self._flow.due()

    def _take(self) -> None:
        if not self._kept():
            self._left("neither journal nor latch file has this kill: KILL stays until one of them has it")
            return
        try:
            killfile.take(self._kill, self._answer)
        except OSError as error:
            self._left(f"{error}: killed for as long as it lies there; remove it yourself")
        else:
            self._stuck = False

    def _kept(self) -> bool:
        """Whether a restart finds the kill without the file: the latch file has it, or the journal has everything."""
        guard = self._parts.guard
        if not guard.latch_refusal:
            return True
        if guard.lost:
            return False
        return guard.waiting() == 0

    def _left(self, why: str) -> None:
        """It may lie there still: say so once."""
        if not self._stuck:
            self._parts.actor.tell("KILL", f"{self._kill} [DOL-WATCH-005]: {why}")
        self._stuck = killfile.lies(self._kill)


def listen(loop: asyncio.AbstractEventLoop, name: str, handler: Callable[[], None]) -> str:
    """Have `handler` called on the loop when the signal comes; why not, or nothing.

    Not from a handler of the signal itself: there an order, a lock or a write might be cut in half. One that the host
    listens to already is left to it.
    """
    number = signal.Signals[name]
    if signal.getsignal(number) != signal.SIG_DFL:
        return "the host listens to it already"
    try:
        loop.add_signal_handler(number, handler)
    except (ValueError, RuntimeError, OSError) as error:
        return str(error)
    return ""


def left(state_dir: str, name: str, tell: Callable[[str, str], None]) -> None:
    """The signal came when nothing is written any more: KILL lies there for the next start, or it is said that not."""
    path = os.path.join(state_dir, killfile.NAME)
    try:
        killfile.put(path, f"signal {name} after the run had ended")
        killfile.keep(path)
    except OSError as error:
        tell("KILL", f"{path} [DOL-WATCH-005]: cannot be left for the next start: {error}")
    else:
        tell("KILL", f"signal {name}: the run has ended; {path} kills the next start [DOL-WATCH-005]")


def deaf(loop: asyncio.AbstractEventLoop, name: str) -> None:
    """Listen no more: the signal does again what it does by default, and another node may listen to it."""
    number = signal.Signals[name]
    loop.remove_signal_handler(number)
    if signal.getsignal(number) != signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)  # uvloop lets its own stand where it does not run any more
