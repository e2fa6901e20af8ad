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
from dolphin.kernel.units import ABSENT, BP, MICRO, MS_PER_BP, NS_PER_S, clamp, new, positive


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


@ensure(lambda side, position_lots, result: not result or side * position_lots < 0)
@ensure(lambda named, result: not result or named == 1)
@ensure(lambda side, position_lots, named, result: result or named != 1 or side * position_lots >= 0)
def opposes(side: int, position_lots: int, named: int) -> bool:
    """Whether the order can shrink the position it names; one that names none is an entry."""
    if named != 1:
        return False
    return side * position_lots < 0


@ensure(lambda result: result.exit >= 0)
@ensure(lambda result: result.covered >= 0)
@ensure(lambda result: result.entry >= 0)
@ensure(lambda result: result.cancel >= 0)
@ensure(lambda lots, result: result.exit + result.covered + result.entry == positive(lots))
@ensure(lambda size, own, result: result.exit <= positive(size - positive(own)))
@ensure(lambda resting, result: result.cancel <= positive(resting))
@ensure(
    lambda lots, size, own, taking, result: taking != 1 or lots > size - positive(own) or result.exit == positive(lots)
)
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
    return new(Split, (exit_lots, wanted - exit_lots, lots - wanted, cancel))


@ensure(lambda standing, result: result != Reason.PASSED or standing.running)
@ensure(lambda standing, result: result != Reason.PASSED or standing.posture < Posture.TURTLE)
@ensure(lambda standing, result: result != Reason.PASSED or not standing.unreadable)
@ensure(lambda standing, result: result != Reason.PASSED or not standing.instrument_error)
@ensure(lambda standing, result: result != Reason.PASSED or not standing.stale)
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


@ensure(lambda working, result: result >= positive(working))
@ensure(lambda gross, working, result: result <= positive(gross) + positive(working))
@ensure(lambda gross, working, taking, result: taking == 1 or result == positive(gross) + positive(working))
def used(gross: int, working: int, exit_lots: int, value_u: int, taking: int) -> int:
    """Exposure besides the entry: an exit part that executes at once has made room, a resting one has not yet.

    What the exit frees is rounded down and never more than what is held: it frees nothing of the working entries.
    """
    if taking != 1:
        return positive(gross) + positive(working)
    return positive(positive(gross) - positive(exit_lots * value_u // MICRO)) + positive(working)


def enter(policy: Policy, standing: Standing, order: Order, cut: Split) -> Entry:
    """How much of the entry part may leave. Composed: `fit` divides by the value of a lot, and is certified.

    An instrument's own, unfiltered R3 caps the share besides the book's confidence: one thin book among many must not
    be traded as if it were deep.
    """
    standing_reason = bar(standing, order.taking)
    if standing_reason != Reason.PASSED:
        return Entry(0, 0, standing_reason)
    confidence_ms = least(standing.confidence_ms, MS_PER_BP * standing.instrument_bp)
    allowed_bp = allowed_entry_bp(policy, standing.posture, confidence_ms, order.l_raw_bp)
    if order.reduce_only != 0:
        return Entry(0, allowed_bp, Reason.EXCESS)
    if order.value_u <= 0:
        return Entry(0, allowed_bp, Reason.UNPRICED)
    if order.equity <= 0:
        return Entry(0, allowed_bp, Reason.UNPRICED)
    taken = used(order.gross, order.working, cut.exit, order.value_u, order.taking)
    lots = least(cut.entry, fit(limit(order.equity, allowed_bp) - taken, order.value_u))
    if lots == cut.entry:
        return new(Entry, (lots, allowed_bp, Reason.PASSED))
    return new(Entry, (lots, allowed_bp, Reason.LEVERAGE))


@ensure(lambda lots, exit_lots, result: lots < 0 or exit_lots < 0 or result >= 0)
@ensure(lambda exit_lots, entry_lots, result: exit_lots < 0 or result <= exit_lots + positive(entry_lots))
@ensure(lambda exit_lots, whole, result: whole == 1 or result >= exit_lots)
@ensure(lambda lots, whole, result: whole != 1 or result in (0, lots))
@ensure(lambda lots, exit_lots, entry_lots, result: exit_lots != lots or entry_lots > 0 or result == lots)
def leaving(lots: int, exit_lots: int, entry_lots: int, whole: int, min_lots: int) -> int:
    """How many of an order's lots leave: the exit part, whatever else; an undivided order all or none."""
    entering = positive(entry_lots)
    if exit_lots + entering == lots:
        return lots
    if whole == 1:
        return 0
    if exit_lots + entering < min_lots:
        return exit_lots
    return exit_lots + entering


def settle(cut: Split, entry: Entry, lots: int, whole: int, min_lots: int, named: int) -> Verdict:
    """Put the parts together. The exit part is in every answer but that of an undivided order that does not fit."""
    out = leaving(lots, cut.exit, entry.lots, whole, min_lots)
    if out == lots:
        return new(Verdict, (out, cut.exit, cut.cancel, entry.allowed_bp, complete(cut.exit, lots)))
    if whole == 1:
        return new(Verdict, (0, 0, 0, entry.allowed_bp, short(cut.entry, entry.reason, named)))
    if out == cut.exit:
        return new(Verdict, (out, cut.exit, cut.cancel, entry.allowed_bp, refused(cut.entry, entry, named)))
    return new(Verdict, (out, cut.exit, cut.cancel, entry.allowed_bp, short(cut.entry, entry.reason, named)))


@ensure(lambda exit_lots, lots, result: (result == Reason.REDUCING) == (exit_lots == lots))
@ensure(lambda result: result in (Reason.REDUCING, Reason.PASSED))
def complete(exit_lots: int, lots: int) -> Reason:
    """Why a whole order may leave: it only reduces, or its entry part is allowed."""
    if exit_lots == lots:
        return Reason.REDUCING
    return Reason.PASSED


@ensure(lambda result: result != Reason.PASSED)
@ensure(lambda entry, result: result != Reason.BELOW_MINIMUM or entry.lots > 0 or entry.reason == Reason.BELOW_MINIMUM)
def refused(entry_lots: int, entry: Entry, named: int) -> Reason:
    """Why nothing of the entry part leaves: what is allowed of it is too small to send, or `short`."""
    if entry.lots > 0:
        return Reason.BELOW_MINIMUM
    return short(entry_lots, entry.reason, named)


@ensure(lambda entry_lots, result: entry_lots != 0 or result == Reason.ALREADY_REDUCING)
@ensure(lambda entry_lots, named, result: entry_lots == 0 or named == 1 or result == Reason.UNNAMED)
@ensure(lambda result: result != Reason.PASSED)
def short(entry_lots: int, reason: Reason, named: int) -> Reason:
    """Why less than the whole order may leave: the guard covers it, it names no position, or what held it back."""
    if entry_lots == 0:
        return Reason.ALREADY_REDUCING
    if named != 1:
        return Reason.UNNAMED
    if reason == Reason.PASSED:
        return Reason.ALREADY_REDUCING
    return reason


@ensure(lambda size, result: result <= positive(size))
@ensure(lambda result: result >= 0)
@ensure(lambda size, reduce_only, result: reduce_only != 1 or result == positive(size))
@ensure(lambda size, leaving, reduce_only, result: reduce_only == 1 or result + positive(leaving) >= size)
def remaining(size: int, leaving: int, reduce_only: int) -> int:
    """What of a position an order can still shrink. "Close, then open" in one breath is one exit and one entry.

    A second reduce-only exit passes all the same: it cannot open anything, and the first may yet be refused.
    """
    if reduce_only == 1:
        return positive(size)
    return positive(size - positive(leaving))


def judge(policy: Policy, standing: Standing, order: Order) -> Verdict:
    """The verdict on one order. Composed of `split`, `enter` and `settle`; total for every integer."""
    lots = order.lots
    if lots <= 0:
        return Verdict(0, 0, 0, 0, Reason.BELOW_MINIMUM)
    if opposes(order.side, order.position_lots, order.named):
        size = remaining(abs(order.position_lots), order.leaving_lots, order.reduce_only)
        cut = split(lots, size, order.own_lots, order.resting_lots, order.taking)
    else:
        cut = new(Split, (0, 0, lots, 0))
    if cut.entry == 0:
        return settle(cut, Entry(0, 0, Reason.PASSED), lots, order.whole, order.min_lots, order.named)
    return settle(cut, enter(policy, standing, order, cut), lots, order.whole, order.min_lots, order.named)


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
