"""What an order may do: which part of it reduces, how much of the rest may enter, and what the guard sends itself.

Rules of this file: exits are sacred (the reducing part passes whole, in every posture, whatever else is wrong), entries
are earned (every doubt denies them). It knows only what the event says and the book's standing; DESIGN.md 2.3, 2.4.

Theory of operation. `split` cuts an order into the lots that reduce the position it names, those that the guard's own
working order covers already, and the rest, which is an entry. `bar` says what forbids entries altogether, worst first;
`room` how much leverage is left. A contingent list or a modify (`whole`) is taken or refused undivided.
"""

from __future__ import annotations

from typing import NamedTuple

from dolphin.kernel.contracts import ensure
from dolphin.kernel.events import Order, Reduce, Reduced, Verdict
from dolphin.kernel.policy import TRIM_GAP_NS, Hibernate, Policy, Posture
from dolphin.kernel.reasons import Reason
from dolphin.kernel.sizer import allowed_entry_bp, allowed_held_bp, fit, limit, share_of
from dolphin.kernel.survival import least
from dolphin.kernel.units import BP, MICRO, clamp, notional


class Standing(NamedTuple):
    """What the book and the instrument say when an order is judged. `unreadable`: R2, R4 or R5 is in error."""

    posture: Posture
    confidence_ms: int
    running: bool
    unreadable: bool
    instrument_error: bool
    stale: bool
    instrument_bp: int
    fell: bool


class Split(NamedTuple):
    """An order's lots: exit + covered + entry = lots. `cancel`: resting exits that an outranking exit displaces."""

    exit: int
    covered: int
    entry: int
    cancel: int


@ensure(lambda a, result: result >= 0)
@ensure(lambda a, result: result == a or result == 0)
def positive(a: int) -> int:
    """a, or 0 where it is negative."""
    if a < 0:
        return 0
    return a


@ensure(lambda side, position_lots, named, result: not result or side * position_lots < 0)
@ensure(lambda side, position_lots, named, result: not result or named == 1)
def opposes(side: int, position_lots: int, named: int) -> bool:
    """Whether the order can shrink the position it names; one that names none is an entry."""
    if named != 1:
        return False
    return side * position_lots < 0


@ensure(lambda lots, size, own, resting, taking, result: result.exit >= 0)
@ensure(lambda lots, size, own, resting, taking, result: result.covered >= 0)
@ensure(lambda lots, size, own, resting, taking, result: result.entry >= 0)
@ensure(lambda lots, size, own, resting, taking, result: result.cancel >= 0)
@ensure(lambda lots, size, own, resting, taking, result: lots < 0 or result.exit + result.covered + result.entry == lots)
@ensure(lambda lots, size, own, resting, taking, result: result.exit <= positive(size))
@ensure(lambda lots, size, own, resting, taking, result: result.cancel <= positive(resting))
def split(lots: int, size: int, own: int, resting: int, taking: int) -> Split:
    """Cut an opposing order of `lots` against a position of `size` (unsigned), DESIGN.md 2.4.

    An exit that executes at once outranks `resting` exits and displaces them; one that rests takes what they leave.
    """
    size, own, resting, lots = positive(size), positive(own), positive(resting), positive(lots)
    free = positive(size - own)
    left = positive(free - resting)
    if taking == 1:
        exit_lots = least(lots, free)
        wanted = least(lots, size)
        cancel = least(positive(exit_lots - left), resting)
    else:
        exit_lots = least(lots, left)
        wanted = least(lots, positive(size - resting))
        cancel = 0
    return Split(exit_lots, wanted - exit_lots, lots - wanted, cancel)


@ensure(lambda standing, taking, result: result != Reason.PASSED or standing.running)
@ensure(lambda standing, taking, result: result != Reason.PASSED or standing.posture < Posture.TURTLE)
@ensure(lambda standing, taking, result: result != Reason.PASSED or not standing.unreadable)
@ensure(lambda standing, taking, result: result != Reason.PASSED or not standing.instrument_error)
@ensure(lambda standing, taking, result: result != Reason.PASSED or not standing.stale)
@ensure(lambda standing, taking, result: result != Reason.PASSED or standing.posture == Posture.APEX or taking == 0)
def bar(standing: Standing, taking: int) -> Reason:
    """What forbids an entry of this style altogether, worst first; PASSED if nothing does."""
    if not standing.running:
        return Reason.KILLED
    if standing.posture >= Posture.TURTLE:
        return Reason.POSTURE_NO_ENTRY
    if standing.unreadable:
        return Reason.SENSOR_ERROR
    if standing.instrument_error:
        return Reason.INSTRUMENT_ERROR
    if standing.stale:
        return Reason.STALE
    if standing.posture == Posture.APEX:
        return Reason.PASSED
    if taking == 0:
        return Reason.PASSED
    return Reason.POSTURE_LIMIT_ONLY


class Entry(NamedTuple):
    """How many lots may enter, under which leverage, and what held back the rest."""

    lots: int
    allowed_bp: int
    reason: Reason


def enter(policy: Policy, standing: Standing, order: Order, cut: Split) -> Entry:
    """How much of the entry part may leave. Composed: `fit` divides by the value of a lot, and is certified.

    An instrument's own, unfiltered R3 caps the share besides the book's confidence: one thin book among many must not be
    traded as if it were deep.
    """
    standing_reason = bar(standing, order.taking)
    if standing_reason != Reason.PASSED:
        return Entry(0, 0, standing_reason)
    confidence_ms = least(standing.confidence_ms, 600 * standing.instrument_bp)
    allowed_bp = allowed_entry_bp(policy, standing.posture, confidence_ms, order.l_raw_bp)
    if order.reduce_only == 1:
        return Entry(0, allowed_bp, Reason.EXCESS)
    if order.value_u <= 0:
        return Entry(0, allowed_bp, Reason.UNPRICED)
    if order.equity <= 0:
        return Entry(0, allowed_bp, Reason.UNPRICED)
    used = positive(order.gross) + positive(order.working) - freed(order, cut.exit)
    lots = least(cut.entry, fit(limit(order.equity, allowed_bp) - positive(used), order.value_u))
    if lots == cut.entry:
        return Entry(lots, allowed_bp, Reason.PASSED)
    return Entry(lots, allowed_bp, Reason.LEVERAGE)


def freed(order: Order, exit_lots: int) -> int:
    """Exposure that the reducing part of an order which executes at once has given back before the rest enters."""
    if order.taking != 1:
        return 0
    return exit_lots * order.value_u // MICRO


@ensure(lambda cut, entry, lots, whole, min_lots, named, result: result.lots >= 0)
@ensure(lambda cut, entry, lots, whole, min_lots, named, result: whole == 1 or result.lots >= cut.exit)
@ensure(lambda cut, entry, lots, whole, min_lots, named, result: result.lots <= cut.exit + positive(entry.lots))
@ensure(lambda cut, entry, lots, whole, min_lots, named, result: whole != 1 or result.lots in (0, cut.exit + entry.lots))
@ensure(lambda cut, entry, lots, whole, min_lots, named, result: cut.exit != lots or result.lots == lots)
def settle(cut: Split, entry: Entry, lots: int, whole: int, min_lots: int, named: int) -> Verdict:
    """Put the parts together. The exit part is in every answer but that of an undivided order that does not fit."""
    if cut.exit == lots:
        return Verdict(lots, lots, cut.cancel, entry.allowed_bp, Reason.REDUCING)
    if entry.lots == lots - cut.exit:
        return Verdict(lots, cut.exit, cut.cancel, entry.allowed_bp, Reason.PASSED)
    reason = short(cut, entry, named)
    if whole == 1:
        return Verdict(0, 0, 0, entry.allowed_bp, reason)
    entering = positive(entry.lots)
    if cut.exit + entering < min_lots:
        if entering > 0:
            reason = Reason.BELOW_MINIMUM
        entering = 0
    return Verdict(cut.exit + entering, cut.exit, cut.cancel, entry.allowed_bp, reason)


def short(cut: Split, entry: Entry, named: int) -> Reason:
    """Why less than the whole order may leave: the guard covers it, it names no position, or what held the entry back."""
    if cut.entry == 0:
        return Reason.ALREADY_REDUCING
    if named != 1:
        return Reason.UNNAMED
    if entry.reason == Reason.PASSED:
        return Reason.ALREADY_REDUCING
    return entry.reason


def judge(policy: Policy, standing: Standing, order: Order) -> Verdict:
    """The verdict on one order. Composed of `split`, `enter` and `settle`; total for every integer."""
    lots = positive(order.lots)
    if opposes(order.side, order.position_lots, order.named):
        cut = split(lots, abs(order.position_lots), order.own_lots, order.resting_lots, order.taking)
    else:
        cut = Split(0, 0, lots, 0)
    if cut.entry == 0:
        return settle(cut, Entry(0, 0, Reason.PASSED), lots, order.whole, order.min_lots, order.named)
    return settle(cut, enter(policy, standing, order, cut), lots, order.whole, order.min_lots, order.named)


@ensure(lambda policy, standing, equity, l_raw_bp, result: result >= 0)
def held_limit(policy: Policy, standing: Standing, equity: int, l_raw_bp: int) -> int:
    """Exposure in minor units that may be held now."""
    if standing.posture == Posture.HIBERNATE:
        return positive(limit(equity, hibernate_bp(policy, standing, l_raw_bp)))
    return positive(limit(equity, allowed_held_bp(policy, standing.posture, standing.confidence_ms, l_raw_bp)))


def hibernate_bp(policy: Policy, standing: Standing, l_raw_bp: int) -> int:
    """Leverage that HIBERNATE leaves: share * l_raw when gliding, else nothing."""
    if policy.hibernate == Hibernate.GLIDE:
        return share_of(standing.confidence_ms, l_raw_bp)
    return 0


@ensure(lambda policy, limit_minor, gross, result: result >= 0)
@ensure(lambda policy, limit_minor, gross, result: result == 0 or gross > limit_minor)
def excess(policy: Policy, limit_minor: int, gross: int) -> int:
    """What is held above the limit, once it is above it by more than the band; the whole of it, not the part past the band."""
    allowed = positive(limit_minor)
    if BP * gross <= allowed * (BP + clamp(policy.trim_band_bp, 0, BP)):
        return 0
    return positive(gross - allowed)


def lots_over(excess_minor: int, value_u: int, left: int) -> int:
    """Lots to sell so that `excess_minor` is gone, at most `left`. Composed: divides by a variable; all where unpriced."""
    if value_u <= 0:
        return left
    return least(left, -(-excess_minor * MICRO // value_u))


def emptying(policy: Policy, standing: Standing) -> Reason:
    """KILL_FLATTEN or FLATTEN where nothing may be held, MODE_OFF or NOTHING_TO_DO where HIBERNATE leaves it, else TRIM."""
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
    """What the guard may send on one position now. Never more than the position less its own working order. Composed."""
    left = positive(abs(ask.position_lots) - positive(ask.own_lots))
    if ask.position_lots == 0:
        return Reduced(0, Reason.NOTHING_TO_DO)
    if ask.adopted == 0:
        return Reduced(0, Reason.ADOPTED)
    if ask.own_lots > 0:
        return Reduced(0, Reason.WORKING)
    if ask.fresh != 1:
        return Reduced(0, Reason.NOT_FRESH)
    if ask.adopted == 2:
        return Reduced(left, Reason.FLATTEN)
    why = emptying(policy, standing)
    if why == Reason.TRIM:
        return trim(policy, standing, ask, t_ns, left)
    if why == Reason.FLATTEN:
        return Reduced(left, why)
    if why == Reason.KILL_FLATTEN:
        return Reduced(left, why)
    return Reduced(0, why)


def trim(policy: Policy, standing: Standing, ask: Reduce, t_ns: int, left: int) -> Reduced:
    """The whole excess on the largest position, at most once a real minute. Composed."""
    over = excess(policy, held_limit(policy, standing, ask.equity, ask.l_raw_bp), ask.gross)
    if over == 0:
        return Reduced(0, Reason.NOTHING_TO_DO)
    if t_ns - ask.last_ns < TRIM_GAP_NS:
        return Reduced(0, Reason.TOO_SOON)
    return Reduced(lots_over(over, ask.value_u, left), Reason.TRIM)
