"""The confidence filter: lost at once, earned back at one millisecond per millisecond of good sensing (DESIGN.md 1.1).

What belongs here: the two halves of `confidence' = min(600 * R_total_bp, confidence + dt_ms)`, kept apart because time
is credited under the R that was held, and the cut is made by the R that is new.
"""

from __future__ import annotations

from dolphin.kernel.contracts import ensure
from dolphin.kernel.units import MS_PER_BP


@ensure(lambda confidence_ms, held_bp, dt_ms, result: result <= MS_PER_BP * held_bp)
@ensure(lambda confidence_ms, held_bp, dt_ms, result: dt_ms < 0 or result <= confidence_ms + dt_ms)
@ensure(lambda confidence_ms, held_bp, dt_ms, result: dt_ms > 0 or result <= confidence_ms)
@ensure(lambda confidence_ms, held_bp, dt_ms, result: confidence_ms > MS_PER_BP * held_bp or result >= confidence_ms)
def earn(confidence_ms: int, held_bp: int, dt_ms: int) -> int:
    """Confidence after `dt_ms` of policy time under `held_bp`: up-slope at most one, a negative time earns nothing."""
    if dt_ms > 0:
        confidence_ms = confidence_ms + dt_ms
    ceiling_ms = MS_PER_BP * held_bp
    if confidence_ms > ceiling_ms:
        return ceiling_ms
    return confidence_ms


@ensure(lambda confidence_ms, r_bp, result: result <= MS_PER_BP * r_bp)
@ensure(lambda confidence_ms, r_bp, result: result <= confidence_ms)
@ensure(lambda confidence_ms, r_bp, result: result == confidence_ms or result == MS_PER_BP * r_bp)
def cut(confidence_ms: int, r_bp: int) -> int:
    """Fast attack: confidence is never above what R_total deserves."""
    ceiling_ms = MS_PER_BP * r_bp
    if confidence_ms > ceiling_ms:
        return ceiling_ms
    return confidence_ms
