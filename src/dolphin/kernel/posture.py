"""The posture machine: a Schmitt trigger on confidence, and the leverage that each posture allows (DESIGN.md 2.3).

Rules of this file: everything that can change a posture is in it, and it knows nothing of how confidence came about.

Theory of operation. Two ladders of levels stand apart by 0.07 of full confidence. `fallen` reads the lower ladder: the best
posture that may still be kept; `risen` reads the upper one: the worst that need still be endured. A posture between
the two stays as it is. Ties go to the worse posture on the way down and to the better on the way up ("at or below",
"at or above"), and every level that is met is passed in one move. Since confidence rises by at most one a millisecond,
crossing the gap takes 420,000 ms, and so do two upward entries into one posture (spec/Posture.tla,
UpwardEntriesAreSevenMinutesApart).
"""

from __future__ import annotations

from dolphin.kernel.contracts import ensure
from dolphin.kernel.policy import (
    FALL_APEX_MS,
    FALL_STALKER_MS,
    FALL_TURTLE_MS,
    RETURN_APEX_MS,
    RETURN_STALKER_MS,
    RETURN_TURTLE_MS,
    Policy,
    Posture,
)


@ensure(lambda confidence_ms, result: (result == Posture.APEX) == (confidence_ms > FALL_APEX_MS))
@ensure(lambda confidence_ms, result: (result == Posture.HIBERNATE) == (confidence_ms <= FALL_TURTLE_MS))
@ensure(lambda confidence_ms, result: (result <= Posture.STALKER) == (confidence_ms > FALL_STALKER_MS))
def fallen(confidence_ms: int) -> Posture:
    """The best posture that this confidence lets one keep: a level is lost at or below it."""
    if confidence_ms > FALL_APEX_MS:
        return Posture.APEX
    if confidence_ms > FALL_STALKER_MS:
        return Posture.STALKER
    if confidence_ms > FALL_TURTLE_MS:
        return Posture.TURTLE
    return Posture.HIBERNATE


@ensure(lambda confidence_ms, result: (result == Posture.APEX) == (confidence_ms >= RETURN_APEX_MS))
@ensure(lambda confidence_ms, result: (result == Posture.HIBERNATE) == (confidence_ms < RETURN_TURTLE_MS))
@ensure(lambda confidence_ms, result: (result <= Posture.STALKER) == (confidence_ms >= RETURN_STALKER_MS))
def risen(confidence_ms: int) -> Posture:
    """The worst posture that this confidence leaves one in: a level is regained at or above it."""
    if confidence_ms >= RETURN_APEX_MS:
        return Posture.APEX
    if confidence_ms >= RETURN_STALKER_MS:
        return Posture.STALKER
    if confidence_ms >= RETURN_TURTLE_MS:
        return Posture.TURTLE
    return Posture.HIBERNATE


@ensure(lambda posture, confidence_ms, result: result >= fallen(confidence_ms))
@ensure(lambda posture, confidence_ms, result: result <= risen(confidence_ms))
@ensure(lambda posture, confidence_ms, result: result == posture or result in (fallen(confidence_ms), risen(confidence_ms)))
def move(posture: Posture, confidence_ms: int) -> Posture:
    """The next posture: down to `fallen` at once, up to `risen`, otherwise unchanged."""
    worst_kept = fallen(confidence_ms)
    if posture < worst_kept:
        return worst_kept
    best_regained = risen(confidence_ms)
    if posture > best_regained:
        return best_regained
    return posture


def entry_ceiling_bp(policy: Policy, posture: Posture) -> int:
    """Leverage up to which entries may leave."""
    if posture == Posture.APEX:
        return policy.apex_entry_bp
    if posture == Posture.STALKER:
        return policy.stalker_entry_bp
    return 0


def held_ceiling_bp(policy: Policy, posture: Posture) -> int:
    """Leverage up to which positions may be kept; what is above is trimmed."""
    if posture == Posture.APEX:
        return policy.apex_held_bp
    if posture == Posture.STALKER:
        return policy.stalker_held_bp
    if posture == Posture.TURTLE:
        return policy.turtle_held_bp
    return 0
