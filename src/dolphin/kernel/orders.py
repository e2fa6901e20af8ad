"""What an order may do: which part of it reduces, and how much of the rest may enter.

Rules of this file: exits are sacred (the reducing part passes whole, in every posture, whatever else is wrong), entries
are earned (every doubt denies them). It knows only what the event says and the book's standing; DESIGN.md 2.3, 2.4.

Theory of operation. `split` cuts an order into the lots that reduce the position it names, those that the guard's own
working order covers already, and the rest, which is an entry. `bar` says what forbids entries altogether, worst first;
`enter` how much leverage and the pre-trade limits leave. A contingent list or a modify (`whole`) is taken or refused
undivided.
"""

from __future__ import annotations

from typing import NamedTuple

from dolphin.kernel.contracts import ensure
from dolphin.kernel.events import Order, Verdict
from dolphin.kernel.policy import Policy, Posture
from dolphin.kernel.reasons import Reason
from dolphin.kernel.sizer import allowed_entry_bp, fit, limit
from dolphin.kernel.survival import least
from dolphin.kernel.units import ABSENT, MICRO, MS_PER_BP, new, positive


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


@ensure(lambda lots, result: result <= lots or lots < 0)
@ensure(lambda lots, result: result >= 0 or lots < 0)
@ensure(lambda cap_lots, result: cap_lots == ABSENT or result <= positive(cap_lots))
@ensure(lambda lots, cap_lots, result: cap_lots != ABSENT or result == lots)
def capped(lots: int, cap_lots: int) -> int:
    """What the pre-trade limits leave of an entry of `lots`: all of it where none binds, nothing below zero."""
    if cap_lots == ABSENT:
        return lots
    return least(lots, positive(cap_lots))


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
    room = least(cut.entry, fit(limit(order.equity, allowed_bp) - taken, order.value_u))
    lots = capped(room, order.cap_lots)
    if lots < room:
        return new(Entry, (lots, allowed_bp, Reason.LIMIT))
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


def parts(order: Order) -> Split:
    """What an order is made of: its exit, what the guard covers of it, and its entry. Composed of `split`."""
    if opposes(order.side, order.position_lots, order.named):
        size = remaining(abs(order.position_lots), order.leaving_lots, order.reduce_only)
        return split(order.lots, size, order.own_lots, order.resting_lots, order.taking)
    return new(Split, (0, 0, positive(order.lots), 0))


def judge(policy: Policy, standing: Standing, order: Order) -> Verdict:
    """The verdict on one order. Composed of `parts`, `enter` and `settle`; total for every integer."""
    lots = order.lots
    if lots <= 0:
        return Verdict(0, 0, 0, 0, Reason.BELOW_MINIMUM)
    cut = parts(order)
    if cut.entry == 0:
        return settle(cut, Entry(0, 0, Reason.PASSED), lots, order.whole, order.min_lots, order.named)
    return settle(cut, enter(policy, standing, order, cut), lots, order.whole, order.min_lots, order.named)
