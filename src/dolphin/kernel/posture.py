"""The posture machine: a Schmitt trigger on confidence, and the leverage that each posture allows (DESIGN.md 2.3).

Rules of this file: everything that can change a posture is in it, and it knows nothing of how confidence came about.

Theory of operation. Two ladders of levels stand apart by 0.07 of full confidence. `fallen` reads the lower ladder: the
best posture that may still be kept; `risen` reads the upper one: the worst that need still be endured. A posture
between the two stays as it is. Ties go to the worse posture on the way down and to the better on the way up ("at or
below", "at or above"), and every level that is met is passed in one move. Since confidence rises by at most one a
millisecond, crossing the gap takes 420,000 ms, and so do two upward entries into one posture (spec/Posture.tla,
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
from dolphin.kernel.units import ABSENT, FULL_MS, MS_PER_BP, NEVER_NS


@ensure(lambda confidence_ms, result: (result == Posture.APEX) == (100 * confidence_ms > 85 * FULL_MS))
@ensure(lambda confidence_ms, result: (result == Posture.HIBERNATE) == (100 * confidence_ms <= 10 * FULL_MS))
@ensure(lambda confidence_ms, result: (result <= Posture.STALKER) == (100 * confidence_ms > 33 * FULL_MS))
def fallen(confidence_ms: int) -> Posture:
    """The best posture that this confidence lets one keep: a level is lost at or below it."""
    if confidence_ms > FALL_APEX_MS:
        return Posture.APEX
    if confidence_ms > FALL_STALKER_MS:
        return Posture.STALKER
    if confidence_ms > FALL_TURTLE_MS:
        return Posture.TURTLE
    return Posture.HIBERNATE


@ensure(lambda confidence_ms, result: (result == Posture.APEX) == (100 * confidence_ms >= 92 * FULL_MS))
@ensure(lambda confidence_ms, result: (result == Posture.HIBERNATE) == (100 * confidence_ms < 17 * FULL_MS))
@ensure(lambda confidence_ms, result: (result <= Posture.STALKER) == (100 * confidence_ms >= 40 * FULL_MS))
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
@ensure(
    lambda posture, confidence_ms, result: result == posture or result in (fallen(confidence_ms), risen(confidence_ms))
)
def move(posture: Posture, confidence_ms: int) -> Posture:
    """The next posture: down to `fallen` at once, up to `risen`, otherwise unchanged."""
    worst_kept = fallen(confidence_ms)
    if posture <= worst_kept:
        return worst_kept
    best_regained = risen(confidence_ms)
    if posture > best_regained:
        return best_regained
    return posture


@ensure(lambda result: result > 0)
@ensure(lambda posture, result: posture == Posture.APEX or risen(result) < posture)
@ensure(lambda posture, result: posture == Posture.APEX or risen(result - 1) == posture)
def next_level_ms(posture: Posture) -> int:
    """The confidence at which a posture rises; one that is never reached for APEX."""
    if posture == Posture.APEX:
        return NEVER_NS
    if posture == Posture.STALKER:
        return RETURN_APEX_MS
    if posture == Posture.TURTLE:
        return RETURN_STALKER_MS
    return RETURN_TURTLE_MS


@ensure(lambda result: result == ABSENT or result > 0)
@ensure(lambda posture, confidence_ms, result: result == ABSENT or risen(confidence_ms + result) < posture)
@ensure(lambda held_bp, confidence_ms, result: result == ABSENT or confidence_ms + result <= MS_PER_BP * held_bp)
def rise_in_ms(posture: Posture, confidence_ms: int, held_bp: int) -> int:
    """Policy ms of earning until the posture rises; ABSENT for APEX, and where the R that is held will not let it."""
    if posture == Posture.APEX:
        return ABSENT
    level_ms = next_level_ms(posture)
    if level_ms > MS_PER_BP * held_bp:
        return ABSENT
    if level_ms <= confidence_ms:
        return ABSENT
    return level_ms - confidence_ms


@ensure(lambda posture, result: posture < Posture.TURTLE or result == 0)
@ensure(lambda policy, posture, result: posture != Posture.STALKER or result == policy.stalker_entry_bp)
@ensure(lambda policy, posture, result: posture != Posture.APEX or result == policy.apex_entry_bp)
def entry_ceiling_bp(policy: Policy, posture: Posture) -> int:
    """Leverage up to which entries may leave."""
    if posture == Posture.APEX:
        return policy.apex_entry_bp
    if posture == Posture.STALKER:
        return policy.stalker_entry_bp
    return 0


@ensure(lambda posture, result: posture < Posture.HIBERNATE or result == 0)
@ensure(lambda policy, posture, result: posture != Posture.TURTLE or result == policy.turtle_held_bp)
@ensure(lambda policy, posture, result: posture != Posture.STALKER or result == policy.stalker_held_bp)
@ensure(lambda policy, posture, result: posture != Posture.APEX or result == policy.apex_held_bp)
def held_ceiling_bp(policy: Policy, posture: Posture) -> int:
    """Leverage up to which positions may be kept; what is above is trimmed."""
    if posture == Posture.APEX:
        return policy.apex_held_bp
    if posture == Posture.STALKER:
        return policy.stalker_held_bp
    if posture == Posture.TURTLE:
        return policy.turtle_held_bp
    return 0
