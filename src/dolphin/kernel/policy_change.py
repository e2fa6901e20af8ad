"""Another policy for a book that goes on: what makes one looser, and when a looser one may take over.

What belongs here: the comparison of two policies and the answer to a change; no state. Nothing in a book's state is the
policy's: confidence, posture, latch, mark and cooldowns are levels and times, so that a change moves none of them
(spec/PolicyChange.tla, AChangeMovesNothing). What a change can loosen is what they are judged by, and that waits for a
book that sees well: in APEX and RUNNING, hence in no trap, and in no gap after a re-base that would become shorter.
The profile never changes: confidence and cooldowns are counted in its milliseconds. docs/design/policy-change.md.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from dolphin.kernel.contracts import ensure
from dolphin.kernel.policy import Policy, Posture
from dolphin.kernel.state import Mode
from dolphin.kernel.units import ABSENT


class Change(IntEnum):
    """What becomes of a change of policy."""

    TAKEN = 0
    OTHER_PROFILE = 1  # another unit of policy time: that is another book
    KILLED = 2  # looser, and the latch is not RUNNING
    NOT_APEX = 3  # looser, and the posture is not APEX
    GAP_RUNS = 4  # the gap between two re-bases would become shorter while it runs


MORE: Final = (
    "apex_entry_bp", "stalker_entry_bp", "apex_held_bp", "stalker_held_bp", "turtle_held_bp", "trim_band_bp",
    "hibernate", "l_raw_bp", "kappa_bp",
)  # fmt: skip
"""Fields of which more lets more: leverage, the band above it, what HIBERNATE leaves, the sizer's estimate."""
LESS: Final = ("trim", "rebase_trapped_ns", "rebase_gap_ns")
"""Fields of which less lets more: no trim, a re-base that is had sooner."""


@ensure(lambda after_bp, result: not result or after_bp <= 0)
@ensure(lambda before_bp, result: not result or before_bp > 0)
@ensure(lambda before_bp, after_bp, result: result or before_bp <= 0 or after_bp > 0)
def frees_held(before_bp: int, after_bp: int) -> bool:
    """Whether there is no estimate any more: that stops entries, and leaves what is held to the ceiling alone."""
    if before_bp <= 0:
        return False
    return after_bp <= 0


def looser(before: Policy, after: Policy) -> bool:
    """Whether anything in `after` lets more than `before`. Composed: a comparison of every field but the profile."""
    for name in MORE:
        if getattr(after, name) > getattr(before, name):
            return True
    for name in LESS:
        if getattr(after, name) < getattr(before, name):
            return True
    return frees_held(before.l_raw_bp, after.l_raw_bp)


@ensure(lambda before_ns, after_ns, result: not result or after_ns < before_ns)
@ensure(lambda rebased_ns, result: not result or rebased_ns != ABSENT)
@ensure(
    lambda before_ns, after_ns, rebased_ns, t_ns, result: (
        result or after_ns >= before_ns or rebased_ns == ABSENT or t_ns - rebased_ns >= before_ns
    )
)
def cuts_gap(before_ns: int, after_ns: int, rebased_ns: int, t_ns: int) -> bool:
    """Whether the gap after the last re-base runs, and would become shorter."""
    if after_ns >= before_ns:
        return False
    if rebased_ns == ABSENT:
        return False
    return t_ns - rebased_ns < before_ns


@ensure(lambda result, same: result != Change.TAKEN or same)
@ensure(lambda result, loose, mode: result != Change.TAKEN or not loose or mode == Mode.RUNNING)
@ensure(lambda result, loose, posture: result != Change.TAKEN or not loose or posture == Posture.APEX)
@ensure(lambda result, cuts: result != Change.TAKEN or not cuts)
@ensure(
    lambda result, same, loose, cuts, mode, posture: (
        result == Change.TAKEN or not same or cuts or (loose and (mode != Mode.RUNNING or posture != Posture.APEX))
    )
)
def answered(same: bool, loose: bool, cuts: bool, mode: Mode, posture: Posture) -> Change:
    """`same`: one profile. `loose`: anything is looser. `cuts`: the gap after a re-base would become shorter."""
    if not same:
        return Change.OTHER_PROFILE
    if cuts:
        return Change.GAP_RUNS
    if not loose:
        return Change.TAKEN
    if mode != Mode.RUNNING:
        return Change.KILLED
    if posture != Posture.APEX:
        return Change.NOT_APEX
    return Change.TAKEN


def changed(before: Policy, after: Policy, mode: Mode, posture: Posture, rebased_ns: int, t_ns: int) -> Change:
    """Whether a book whose latch, posture and last re-base are these may go on under `after`; `t_ns`: its own time.

    Composed of `looser`, `cuts_gap` and `answered`.
    """
    cuts = cuts_gap(before.rebase_gap_ns, after.rebase_gap_ns, rebased_ns, t_ns)
    return answered(after.profile == before.profile, looser(before, after), cuts, mode, posture)
