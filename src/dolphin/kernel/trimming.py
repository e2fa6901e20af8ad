"""What the guard sends itself: when a position is trimmed, flattened or left alone, and by how many lots.

Rules of this file: own orders only reduce, never beyond the position, never beside another own order, only in sessions
and on fresh data (DESIGN.md 2.3, 2.6). What an order of a strategy may do is `orders`'.
"""

from __future__ import annotations

from dolphin.kernel.contracts import ensure
from dolphin.kernel.events import Reduce, Reduced
from dolphin.kernel.orders import Standing
from dolphin.kernel.policy import TRIM_GAP_NS, Hibernate, Policy, Posture
from dolphin.kernel.reasons import Reason
from dolphin.kernel.sizer import allowed_held_bp, limit, share_of
from dolphin.kernel.survival import least
from dolphin.kernel.units import ABSENT, BP, MICRO, NS_PER_S, clamp, positive


@ensure(lambda result: result >= 0)
@ensure(lambda equity, result: equity > 0 or result == 0)
@ensure(
    lambda policy, standing, result: (
        standing.posture != Posture.HIBERNATE or policy.hibernate == Hibernate.GLIDE or result == 0
    )
)
def held_limit(policy: Policy, standing: Standing, equity: int, l_raw_bp: int) -> int:
    """Exposure in minor units that may be held now."""
    if standing.posture == Posture.HIBERNATE:
        return limit(equity, hibernate_bp(policy, standing, l_raw_bp))
    return limit(equity, allowed_held_bp(policy, standing.posture, standing.confidence_ms, l_raw_bp))


@ensure(lambda result: result >= 0)
@ensure(lambda policy, result: policy.hibernate == Hibernate.GLIDE or result == 0)
def hibernate_bp(policy: Policy, standing: Standing, l_raw_bp: int) -> int:
    """Leverage that HIBERNATE leaves: share * l_raw when gliding, else nothing."""
    if policy.hibernate == Hibernate.GLIDE:
        return share_of(standing.confidence_ms, l_raw_bp)
    return 0


@ensure(lambda result: result >= 0)
@ensure(lambda limit_minor, gross, result: result == 0 or gross > limit_minor)
@ensure(lambda limit_minor, gross, result: result == 0 or result == gross - positive(limit_minor))
def excess(policy: Policy, limit_minor: int, gross: int) -> int:
    """What is held above the limit, once above it by more than the band: the whole, not the part past the band."""
    allowed = positive(limit_minor)
    if BP * gross <= allowed * (BP + clamp(policy.trim_band_bp, 0, BP)):
        return 0
    return positive(gross - allowed)


@ensure(lambda left, result: left < 0 or result >= 0)
@ensure(lambda left, result: left < 0 or result <= left)
@ensure(lambda value_u, left, result: left < 0 or value_u > 0 or result == left)
@ensure(
    lambda excess_minor, value_u, left, quotient, result: (
        left < 0 or result == left or result * value_u >= excess_minor * MICRO
    )
)
def certified_lots_over(excess_minor: int, value_u: int, left: int, quotient: int) -> int:
    """`quotient` lots if they are worth the excess, else all that is `left`: the check of `lots_over`'s division."""
    if value_u <= 0:
        return left
    if quotient < 0:
        return left
    if quotient * value_u < excess_minor * MICRO:
        return left
    return least(quotient, left)


@ensure(lambda left, result: left < 0 or result >= 0)
@ensure(lambda left, result: left < 0 or result <= left)
@ensure(lambda value_u, left, result: left < 0 or value_u > 0 or result == left)
@ensure(
    lambda excess_minor, value_u, left, result: left < 0 or result == left or result * value_u >= excess_minor * MICRO
)
def lots_over(excess_minor: int, value_u: int, left: int) -> int:
    """Lots to sell so that `excess_minor` is gone, at most `left`; all where unpriced."""
    if value_u <= 0:
        return left
    return certified_lots_over(excess_minor, value_u, left, -(-excess_minor * MICRO // value_u))


@ensure(lambda standing, result: result != Reason.KILL_FLATTEN or not standing.running)
@ensure(lambda standing, result: result not in (Reason.KILL_FLATTEN, Reason.FLATTEN) or standing.fell)
@ensure(lambda standing, result: standing.running or not standing.fell or result == Reason.KILL_FLATTEN)
@ensure(lambda standing, result: result != Reason.FLATTEN or standing.posture == Posture.HIBERNATE)
@ensure(lambda policy, result: result != Reason.FLATTEN or policy.hibernate == Hibernate.FLATTEN)
@ensure(
    lambda policy, standing, result: result != Reason.TRIM or policy.trim == 1 or standing.posture == Posture.HIBERNATE
)
def emptying(policy: Policy, standing: Standing) -> Reason:
    """KILL_FLATTEN or FLATTEN where nothing may be held, MODE_OFF or NOTHING_TO_DO where that is left, else TRIM.

    A kill flattens in every mode; a book that did not fall there (a first start, an accepted position) is left alone.
    """
    if not standing.running:
        if standing.fell:
            return Reason.KILL_FLATTEN
        return Reason.NOTHING_TO_DO
    if standing.posture != Posture.HIBERNATE:
        if policy.trim == 1:
            return Reason.TRIM
        return Reason.MODE_OFF
    if not standing.fell:
        return Reason.NOTHING_TO_DO
    if policy.hibernate == Hibernate.HOLD:
        return Reason.MODE_OFF
    if policy.hibernate == Hibernate.GLIDE:
        return Reason.TRIM
    return Reason.FLATTEN


def reduce(policy: Policy, standing: Standing, ask: Reduce, t_ns: int) -> Reduced:
    """What the guard may send on one position now: never more than the position, nothing beside a working own order.

    A position that waits to be adopted is protected from the posture of the start, not from a kill or a fall after it.
    """
    if ask.position_lots == 0:
        return Reduced(0, Reason.NOTHING_TO_DO)
    if ask.own_lots > 0:
        return Reduced(0, Reason.WORKING)
    why = wanted(policy, standing, ask.adopted)
    if why == Reason.ADOPTED:
        return Reduced(0, why)
    if ask.fresh != 1:
        return Reduced(0, Reason.NOT_FRESH)
    if why == Reason.TRIM:
        return trim(policy, standing, ask, t_ns)
    if why == Reason.FLATTEN:
        return Reduced(abs(ask.position_lots), why)
    if why == Reason.KILL_FLATTEN:
        return Reduced(abs(ask.position_lots), why)
    return Reduced(0, why)


@ensure(lambda policy, standing, result: standing.running or not standing.fell or result == Reason.KILL_FLATTEN)
@ensure(lambda adopted, result: result != Reason.ADOPTED or adopted == 0)
def wanted(policy: Policy, standing: Standing, adopted: int) -> Reason:
    """Why an own order would leave: a kill or a fall first, then what the operator said of one found."""
    why = emptying(policy, standing)
    if why == Reason.KILL_FLATTEN:
        return why
    if why == Reason.FLATTEN:
        return why
    if adopted == 2:
        return Reason.FLATTEN
    if adopted == 0:
        return Reason.ADOPTED
    return why


@ensure(lambda last_ns, result: not result or last_ns != ABSENT)
@ensure(lambda t_ns, last_ns, result: not result or t_ns - last_ns < 60 * NS_PER_S)
@ensure(lambda t_ns, last_ns, result: result or last_ns == ABSENT or t_ns - last_ns >= 60 * NS_PER_S)
def too_soon(t_ns: int, last_ns: int) -> bool:
    """Whether the last own trim of this position is less than a real minute old."""
    if last_ns == ABSENT:
        return False
    return t_ns - last_ns < TRIM_GAP_NS


def trim(policy: Policy, standing: Standing, ask: Reduce, t_ns: int) -> Reduced:
    """The whole excess on the largest position, at most once a real minute. Composed."""
    over = excess(policy, held_limit(policy, standing, ask.equity, ask.l_raw_bp), ask.gross)
    if over == 0:
        return Reduced(0, Reason.NOTHING_TO_DO)
    if too_soon(t_ns, ask.last_ns):
        return Reduced(0, Reason.TOO_SOON)
    return Reduced(lots_over(over, ask.value_u, abs(ask.position_lots)), Reason.TRIM)
