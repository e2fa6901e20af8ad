"""Category 5: equity, the audited high-water mark, drawdown, the drawdown trap and the re-base (DESIGN.md 2.5).

What belongs here: what a sample, a flow or an operator's re-base makes of the `Capital` tuple. Money in minor units.
Divisions by a variable are certified by multiplication (see sizer.py).
"""

from __future__ import annotations

from typing import NamedTuple

from dolphin.kernel.contracts import ensure
from dolphin.kernel.killswitch import request_life_ns
from dolphin.kernel.policy import MARK_WINDOW_NS, TRAPPED_BELOW_BP, Policy, Posture
from dolphin.kernel.reasons import Reason
from dolphin.kernel.state import Capital, Sample
from dolphin.kernel.survival import r5
from dolphin.kernel.units import ABSENT, BP, NS_PER_S, positive


class Rebase(NamedTuple):
    """Capital after an operator's request, and what he is told."""

    capital: Capital
    reason: Reason


@ensure(lambda mark, equity, quotient_bp, result: result >= 0)
@ensure(lambda mark, equity, quotient_bp, result: result <= BP)
@ensure(lambda mark, equity, quotient_bp, result: equity > 0 or result == BP)
@ensure(lambda mark, equity, quotient_bp, result: result == BP or result * mark >= BP * (mark - equity))
def certified_drawdown(mark: int, equity: int, quotient_bp: int) -> int:
    """`quotient_bp` if it covers the loss, else 10,000: the check of `drawdown`'s division."""
    if equity <= 0:
        return BP
    if quotient_bp >= BP:
        return BP
    if quotient_bp < 0:
        return BP
    if quotient_bp * mark < BP * (mark - equity):
        return BP
    return quotient_bp


@ensure(lambda result: result >= 0)
@ensure(lambda result: result <= BP)
@ensure(lambda equity, result: equity > 0 or result == BP)
@ensure(lambda mark, equity, result: equity <= 0 or equity < mark or result == 0)
@ensure(lambda mark, equity, result: result == BP or mark <= 0 or result * mark >= BP * (mark - equity))
def drawdown(mark: int, equity: int) -> int:
    """Drawdown from the mark in bp, rounded up; 10,000 for no equity."""
    if equity <= 0:
        return BP
    if equity >= mark:
        return 0
    return certified_drawdown(mark, equity, -((equity - mark) * BP // mark))


@ensure(lambda mark, after, result: mark < 0 or after < 0 or result >= after)
@ensure(lambda mark, before, after, result: before <= 0 or after < 0 or mark < 0 or result * before >= mark * after)
def certified_mark(mark: int, before: int, after: int, quotient: int) -> int:
    """`quotient` as the mark after a flow if no drawdown is lost by it: the check of `scaled_mark`'s division."""
    if quotient * before < mark * after:
        return (mark + 1) * after
    if quotient < after:
        return after
    return quotient


@ensure(lambda mark, after, result: mark < 0 or after <= 0 or result >= after or result >= mark)
@ensure(lambda mark, before, after, result: mark < 0 or before <= 0 or after <= 0 or result * before >= mark * after)
def scaled_mark(mark: int, before: int, after: int) -> int:
    """The mark after a flow took equity from `before` to `after`: ceil(mark * after / before).

    Without equity on either side there is no ratio to keep; the mark follows the money and never falls below it.
    """
    if before <= 0:
        return mark + positive(after - before)
    if after <= 0:
        return mark
    return certified_mark(mark, before, after, -(-mark * after // before))


def risen_pending(pending: tuple[Sample, ...], t_ns: int, equity: int) -> tuple[Sample, ...]:
    """The rising minima of the mark's window after one more sample. Composed: a loop over at most a minute of samples.

    Each says since when nothing was less. A value holds until the next one, so the newest that is older than the window
    is in force at its start, a smaller one has been the least since the larger ones that it replaces, and an equal
    one adds nothing. Two samples of one second count as the smaller, which bounds the tuple.
    """
    kept = pending
    since_ns = t_ns
    while kept:
        if kept[-1].equity <= equity:
            break
        since_ns = kept[-1].ts_ns
        kept = kept[:-1]
    if not kept:
        return (Sample(since_ns, equity),)
    if kept[-1].equity < equity:
        if kept[-1].ts_ns // NS_PER_S != since_ns // NS_PER_S:
            kept = (*kept, Sample(since_ns, equity))
    while len(kept) > 1:
        if kept[1].ts_ns > t_ns - MARK_WINDOW_NS:
            break
        kept = kept[1:]
    return kept


@ensure(lambda capital, result: not result or capital.flat == 1)
@ensure(lambda posture, result: not result or posture != Posture.APEX)
@ensure(lambda capital, result: not result or r5(capital.drawdown_bp) < 9_200)
@ensure(
    lambda capital, posture, result: (
        result or capital.flat != 1 or posture == Posture.APEX or r5(capital.drawdown_bp) >= 9_200
    )
)
def trapped(capital: Capital, posture: Posture) -> bool:
    """Flat, out of APEX, and R5 alone keeps confidence below its return level: nothing that happens can heal the book.

    In APEX nothing is denied, so that nothing is trapped: between 5.40 and 6.95 % a book may still be there.
    """
    if capital.flat != 1:
        return False
    if posture == Posture.APEX:
        return False
    return r5(capital.drawdown_bp) < TRAPPED_BELOW_BP


@ensure(lambda capital, result: result.mark == capital.mark)
@ensure(lambda capital, result: result.trapped_ns == ABSENT or capital.flat == 1)
@ensure(lambda posture, result: result.trapped_ns == ABSENT or posture != Posture.APEX)
@ensure(lambda capital, t_ns, result: result.trapped_ns in (ABSENT, capital.trapped_ns, t_ns))
@ensure(lambda capital, result: result.rebase_nonce in (ABSENT, capital.rebase_nonce))
@ensure(lambda capital, result: result.rebase_nonce == ABSENT or capital.flat == 1)
@ensure(lambda posture, result: result.rebase_nonce == ABSENT or posture != Posture.APEX)
def since_trapped(capital: Capital, posture: Posture, t_ns: int) -> Capital:
    """`trapped_ns` brought up to date: kept while trapped, begun when it begins, forgotten when it ends.

    A request to re-base ends with its trap: what the operator accepted was that drawdown.
    """
    if trapped(capital, posture):
        if capital.trapped_ns != ABSENT:
            return capital
        return capital._replace(trapped_ns=t_ns)
    if capital.trapped_ns == ABSENT:
        if capital.rebase_nonce == ABSENT:
            return capital
    return capital._replace(trapped_ns=ABSENT, rebase_nonce=ABSENT, asked_ns=ABSENT)


@ensure(lambda mark, head, equity, stood, result: result >= mark)
@ensure(lambda mark, head, equity, stood, result: result <= mark or result == head or result == equity)
def next_mark(mark: int, head: int, equity: int, stood: int) -> int:
    """The mark after a sample: up to the window's minimum, or to a value that has stood (a bar's close)."""
    if stood == 1:
        head = equity
    if head > mark:
        return head
    return mark


@ensure(lambda flat, result: (result == 1) == (flat == 1))
@ensure(lambda result: result in (0, 1))
def known_flat(flat: int) -> int:
    """1 only for a book that is said to be flat: UNKNOWN is never FLAT."""
    if flat == 1:
        return 1
    return 0


def sampled(capital: Capital, posture: Posture, t_ns: int, equity: int, flat: int, stood: int) -> Capital:
    """Capital after a readable sample. The first one is the mark. Composed of the functions above."""
    mark = capital.mark
    if mark == 0:
        mark = positive(equity)
    pending = risen_pending(capital.pending, t_ns, equity)
    mark = next_mark(mark, pending[0].equity, equity, stood)
    return since_trapped(
        Capital(
            equity, mark, drawdown(mark, equity), pending, ABSENT, known_flat(flat),
            capital.trapped_ns, capital.rebased_ns, capital.rebase_nonce, capital.rebases, capital.asked_ns,
        ),
        posture,
        t_ns,
    )  # fmt: skip


@ensure(lambda capital, result: result.mark == capital.mark)
@ensure(lambda capital, result: result.drawdown_bp == capital.drawdown_bp)
@ensure(lambda capital, t_ns, result: result.error_ns != ABSENT or t_ns == ABSENT)
def unreadable(capital: Capital, t_ns: int) -> Capital:
    """Capital after an unreadable sample: the last value holds; its age counts from the first bad one."""
    if capital.error_ns != ABSENT:
        return capital
    return capital._replace(error_ns=t_ns)


def flowed(capital: Capital, posture: Posture, flow: int, t_ns: int) -> Capital:
    """Capital after a deposit or withdrawal. Composed. Pending samples move with the money."""
    after = capital.equity + flow
    mark = scaled_mark(capital.mark, capital.equity, after)
    pending = tuple(Sample(sample.ts_ns, sample.equity + flow) for sample in capital.pending)
    moved = capital._replace(equity=after, mark=mark, pending=pending, drawdown_bp=drawdown(mark, after))
    return since_trapped(moved, posture, t_ns)


@ensure(lambda capital, result: result != Reason.REBASED or capital.trapped_ns != ABSENT)
@ensure(
    lambda policy, capital, t_ns, result: (
        result != Reason.REBASED or t_ns - capital.trapped_ns >= policy.rebase_trapped_ns
    )
)
@ensure(
    lambda policy, capital, t_ns, result: (
        result != Reason.REBASED or capital.rebased_ns == ABSENT or t_ns - capital.rebased_ns >= policy.rebase_gap_ns
    )
)
@ensure(
    lambda policy, capital, result: (
        result != Reason.REBASE_RATE
        or policy.rebase_gap_ns > policy.rebase_trapped_ns
        or capital.trapped_ns < capital.rebased_ns
    )
)
def rebase_right(policy: Policy, capital: Capital, t_ns: int) -> Reason:
    """REBASED if the book has the right to one now: trapped long enough, and the rate not spent; else why not.

    Where the gap is no longer than the wait, as in `daily`, the rate refuses nobody: a trap begins after the re-base
    before it (spec/MC/Daily.cfg).
    """
    if capital.trapped_ns == ABSENT:
        return Reason.NOT_TRAPPED
    if t_ns - capital.trapped_ns < policy.rebase_trapped_ns:
        return Reason.NOT_TRAPPED
    if capital.rebased_ns == ABSENT:
        return Reason.REBASED
    if t_ns - capital.rebased_ns < policy.rebase_gap_ns:
        return Reason.REBASE_RATE
    return Reason.REBASED


@ensure(lambda capital, result: result.capital.mark == capital.mark)
@ensure(lambda capital, result: result.capital.trapped_ns == capital.trapped_ns)
@ensure(lambda capital, result: result.reason == Reason.ARMED or result.capital == capital)
@ensure(lambda capital, result: (result.reason == Reason.ARMED) == (capital.trapped_ns != ABSENT))
@ensure(lambda nonce, result: result.reason != Reason.ARMED or result.capital.rebase_nonce == nonce)
@ensure(lambda t_ns, result: result.reason != Reason.ARMED or result.capital.asked_ns == t_ns)
def rebase_armed(capital: Capital, nonce: int, t_ns: int) -> Rebase:
    """First step, in a trap only: the request is remembered, nothing else; the right is tested at the second."""
    if capital.trapped_ns == ABSENT:
        return Rebase(capital, Reason.NOT_TRAPPED)
    return Rebase(capital._replace(rebase_nonce=nonce, asked_ns=t_ns), Reason.ARMED)


@ensure(lambda capital, result: result.reason == Reason.REBASED or result.capital == capital)
@ensure(lambda capital, result: result.reason != Reason.REBASED or result.capital.mark == capital.equity)
@ensure(lambda capital, nonce, result: result.reason != Reason.REBASED or nonce == capital.rebase_nonce)
@ensure(lambda capital, result: result.reason != Reason.REBASED or capital.equity > 0)
@ensure(lambda capital, result: result.reason != Reason.REBASED or capital.error_ns == ABSENT)
@ensure(lambda capital, result: result.reason != Reason.REBASED or capital.trapped_ns != ABSENT)
@ensure(lambda t_ns, result: result.reason != Reason.REBASED or result.capital.rebased_ns == t_ns)
@ensure(
    lambda policy, capital, t_ns, result: (
        result.reason != Reason.REBASED or t_ns - capital.asked_ns < request_life_ns(policy.profile)
    )
)
def rebased(policy: Policy, capital: Capital, nonce: int, t_ns: int) -> Rebase:
    """Second step: the mark becomes the equity, which must be readable. Confidence returns by slow recovery only.

    The equity is the first sample of the mark's new window, so that the next one, alone, does not lift the mark.
    """
    if capital.rebase_nonce == ABSENT:
        return Rebase(capital, Reason.NOT_PENDING)
    if nonce != capital.rebase_nonce:
        return Rebase(capital, Reason.WRONG_NONCE)
    if t_ns - capital.asked_ns >= request_life_ns(policy.profile):
        return Rebase(capital, Reason.LAPSED)
    right = rebase_right(policy, capital, t_ns)
    if right != Reason.REBASED:
        return Rebase(capital, right)
    if capital.equity <= 0:
        return Rebase(capital, Reason.UNPRICED)
    if capital.error_ns != ABSENT:
        return Rebase(capital, Reason.UNPRICED)
    equity = capital.equity
    pending = (Sample(t_ns, equity),)
    return Rebase(
        Capital(equity, equity, 0, pending, ABSENT, capital.flat, ABSENT, t_ns, ABSENT, capital.rebases + 1),
        Reason.REBASED,
    )
