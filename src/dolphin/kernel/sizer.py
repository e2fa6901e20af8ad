"""AlphaBetSizer: how much leverage the evidence and the posture allow (DESIGN.md 2.3 "one allowed leverage", 2.5).

What belongs here: the estimate `l_raw`, the one allowed leverage that gate, sizer and trimming share, and lots from
money. Divisions by a variable are checked by multiplication afterwards (`certified`), so that the proof needs no
nonlinear division: a quotient that fails its check is replaced by the safe value.
"""

from __future__ import annotations

from dolphin.kernel.contracts import ensure
from dolphin.kernel.policy import LEVERAGE_MAX_BP, Policy, Posture
from dolphin.kernel.posture import entry_ceiling_bp, held_ceiling_bp
from dolphin.kernel.survival import least
from dolphin.kernel.units import BP, FULL_MS, MICRO, clamp, notional


@ensure(lambda confidence_ms, l_raw_bp, result: result >= 0)
@ensure(lambda confidence_ms, l_raw_bp, result: result <= LEVERAGE_MAX_BP)
@ensure(lambda confidence_ms, l_raw_bp, result: l_raw_bp > 0 or result == 0)
@ensure(lambda confidence_ms, l_raw_bp, result: confidence_ms > 0 or result == 0)
def share_of(confidence_ms: int, l_raw_bp: int) -> int:
    """share * l_raw in bp, floored; both are clamped to their ranges first."""
    return clamp(confidence_ms, 0, FULL_MS) * clamp(l_raw_bp, 0, LEVERAGE_MAX_BP) // FULL_MS


@ensure(lambda policy, posture, result: result <= entry_ceiling_bp(policy, posture))
@ensure(lambda result: result <= LEVERAGE_MAX_BP)
@ensure(lambda posture, result: posture < Posture.TURTLE or result <= 0)
def allowed_entry_bp(policy: Policy, posture: Posture, confidence_ms: int, l_raw_bp: int) -> int:
    """Leverage up to which an entry may take the book."""
    return least(entry_ceiling_bp(policy, posture), share_of(confidence_ms, l_raw_bp))


@ensure(lambda policy, posture, result: result <= held_ceiling_bp(policy, posture))
@ensure(lambda posture, result: posture < Posture.HIBERNATE or result <= 0)
def allowed_held_bp(policy: Policy, posture: Posture, confidence_ms: int, l_raw_bp: int) -> int:
    """Leverage up to which positions may be held. No estimate (`l_raw` 0) does not liquidate: the ceiling stands in."""
    if l_raw_bp <= 0:
        l_raw_bp = LEVERAGE_MAX_BP
    return least(held_ceiling_bp(policy, posture), share_of(confidence_ms, l_raw_bp))


@ensure(lambda equity, leverage_bp, result: result >= 0)
@ensure(lambda equity, leverage_bp, result: equity > 0 or result == 0)
@ensure(lambda equity, leverage_bp, result: leverage_bp > 0 or result == 0)
@ensure(lambda equity, leverage_bp, result: result == 0 or result * BP <= equity * leverage_bp)
def limit(equity: int, leverage_bp: int) -> int:
    """Exposure in minor units that `leverage_bp` allows on `equity`, floored; 0 for no equity."""
    if equity <= 0:
        return 0
    if leverage_bp <= 0:
        return 0
    return equity * leverage_bp // BP


@ensure(lambda room, value_u, quotient, result: result >= 0)
@ensure(lambda room, value_u, quotient, result: result == 0 or notional(result, value_u) <= room)
def certified_fit(room: int, value_u: int, quotient: int) -> int:
    """`quotient` lots if they are worth no more than `room`, else 0: the check of `fit`'s division."""
    if quotient <= 0:
        return 0
    if notional(quotient, value_u) > room:
        return 0
    return quotient


@ensure(lambda result: result >= 0)
@ensure(lambda room, value_u, result: result == 0 or notional(result, value_u) <= room)
@ensure(lambda room, value_u, result: value_u <= 0 or room < 0 or notional(result + 1, value_u) > room)
def fit(room: int, value_u: int) -> int:
    """Most lots of `value_u` micro-units each that are worth no more than `room` minor units; 0 where unpriced."""
    if value_u <= 0:
        return 0
    return certified_fit(room, value_u, room * MICRO // value_u)


@ensure(lambda l_raw_bp, result: result >= 0)
@ensure(lambda l_raw_bp, result: result <= LEVERAGE_MAX_BP)
def clipped(l_raw_bp: int) -> int:
    """clip(l_raw, 0, 6)."""
    return clamp(l_raw_bp, 0, LEVERAGE_MAX_BP)


@ensure(lambda result: result >= 0)
@ensure(lambda result: result <= LEVERAGE_MAX_BP)
@ensure(lambda samples, samples_min, result: samples >= samples_min or result == 0)
@ensure(lambda variance_ucb, result: variance_ucb > 0 or result == 0)
@ensure(lambda mean_lcb, result: mean_lcb > 0 or result == 0)
def l_raw(kappa_bp: int, mean_lcb: int, variance_ucb: int, samples: int, samples_min: int) -> int:
    """clip(kappa * LCB(mean) / UCB(variance), 0, 6) in bp; 0 where the sample is too small or the variance unusable.

    `mean_lcb` and `variance_ucb` in the same scale (1e-9 per period, say).
    """
    if samples < samples_min:
        return 0
    if variance_ucb <= 0:
        return 0
    if mean_lcb <= 0:
        return 0
    return clipped(clamp(kappa_bp, 0, BP) * mean_lcb // variance_ucb)


def target_lots(policy: Policy, posture: Posture, confidence_ms: int, equity: int, value_u: int, l_raw_bp: int) -> int:
    """Lots of `value_u` micro-units each that the book should hold at most: towards zero to the lot. Composed."""
    return fit(limit(equity, allowed_entry_bp(policy, posture, confidence_ms, l_raw_bp)), value_u)
