"""Where commands come from: the message bus endpoint, and letters from outside.

What belongs here: the shape of a message, what is read before a command acts, its answer; no verb.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

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
        for letter in mailbox.take(parts.settings.state_dir):
            if letter.error:
                mailbox.answer(parts.settings.state_dir, letter, {"ok": False, "error": letter.error})
                continue
            parts.actor.wrapped(self._flow.look)
            answer = parts.operator.act(letter.verb, letter.args, letter.cause)
            mailbox.answer(parts.settings.state_dir, letter, answer)
            self._flow.due()
