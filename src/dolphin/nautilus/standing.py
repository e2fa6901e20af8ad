"""What an operator wants to know of a running book: the text of status.json and of the verb `status`. Nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dolphin.nautilus.parts import Parts


def status_of(parts: Parts) -> dict[str, Any]:
    """Latch, posture, capital, positions, counters, the journal's head."""
    state = parts.guard.state
    return {
        "ts": str(state.clock.t_ns),
        "mode": state.latch.mode.name,
        "episode": state.latch.episode,
        "cause": state.latch.cause.name,
        "posture": state.filter.posture.name,
        "confidence_ms": state.filter.confidence_ms,
        "readings_bp": list(state.readings),
        "equity": str(state.capital.equity),
        "mark": str(state.capital.mark),
        "drawdown_bp": state.capital.drawdown_bp,
        "flat": parts.book.flat(),
        "positions": {group.key: group.lots for group in parts.book.held()},
        "working": len(parts.book.working),
        "waiting": parts.own.waiting(),
        "report": parts.guard.report,
        "reasons": dict(parts.guard.reasons),
        "failures": len(parts.actor.failures),
        "head": parts.guard.journal.head.anchor,
    }
