"""What an operator wants to know of a running book: the text of status.json and of the verb `status`, and the file.

What belongs here: gathering and writing; nothing is decided. status.json says who wrote it and when, by the host's real
clock, so that a reader can tell a status that is old, or of a run that is gone; one that cannot be written is removed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dolphin.nautilus import anchor, mailbox

if TYPE_CHECKING:
    from dolphin.nautilus.guard import Guard
    from dolphin.nautilus.parts import Parts

STATUS_S: Final = 1.0
"""Between two writings of status.json, where nothing important happened: real seconds."""


class StatusFile:
    """status.json of one run."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "status.json"
        self._written_s = 0.0

    def write(self, said: Callable[[], dict[str, Any]], always: bool) -> str:
        """Write it, whole or not at all, at most once a real second unless `always`; why not, or nothing.

        Where it cannot be written it is removed: what was true a while ago must not be read as what is.
        """
        now_s = time.monotonic()
        if not always:
            if now_s - self._written_s < STATUS_S:
                return ""
        self._written_s = now_s
        try:
            mailbox.write(self.path, said())
        except OSError as error:
            self.remove()
            return str(error)
        return ""

    def remove(self) -> None:
        """Away with it, if it is there and may be removed."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            return


def status_of(parts: Parts) -> dict[str, Any]:
    """Who says it and when; latch, posture, capital, positions, counters, the journal's head."""
    state = parts.guard.state
    return {
        "written_ns": str(time.time_ns()),
        "pid": os.getpid(),
        "instance": parts.guard.journal.instance,
        "live": parts.live,
        "ended": parts.closed,
        "ts": str(state.clock.t_ns),
        "mode": state.latch.mode.name,
        "episode": state.latch.episode,
        "cause": state.latch.cause.name,
        "posture": state.filter.posture.name,
        "confidence_ms": state.filter.confidence_ms,
        "readings_bp": list(state.readings),
        "equity": str(state.capital.equity),
        "mark": str(state.capital.mark),
        "day": anchor.told(parts.guard),
        "drawdown_bp": state.capital.drawdown_bp,
        "flat": parts.book.flat(),
        "positions": {group.key: group.lots for group in parts.book.held()},
        "working": len(parts.book.working),
        "unknown": parts.flow.unknown(),
        "waiting": parts.own.waiting(),
        "report": parts.guard.report,
        "reasons": dict(parts.guard.reasons),
        "failures": len(parts.actor.failures),
        "head": parts.guard.journal.head.anchor,
        "journal": journal_of(parts.guard),
    }


def journal_of(guard: Guard) -> dict[str, Any]:
    """Whether the journal takes what it is given: how often it refused, what waits, what was lost, why."""
    return {
        "failing": guard.failing,
        "refused": guard.refused,
        "waiting": guard.waiting(),
        "lost": guard.lost,
        "error": guard.refusal,
        "latch_error": guard.latch_refusal,
        "not_rotated": guard.keeper.unrotated,
    }
