"""The kill latch and its two-step re-arm (DESIGN.md 2.6).

Rules of this file: everything that can change the latch is in it; it knows no clock and no feed, only what it is told.

    RUNNING --trip--> KILLED --arm (episode, flat or accepted, green)--> ARM_PENDING
    KILLED <--trip (a new episode)-- ARM_PENDING --confirm (nonce, in time, flat or still as accepted, green)--> RUNNING

A trip while KILLED changes nothing: the episode and its first cause stand until an operator ends them. ARM_PENDING is
as safe as KILLED, so that a request that has lapsed or no longer stands stays there, and a new arm takes its place.
"""

from __future__ import annotations

from typing import NamedTuple

from dolphin.kernel.contracts import ensure
from dolphin.kernel.policy import ARM_WAIT_NS, DAILY_REQUEST_NS, INTRADAY_REQUEST_NS, Profile
from dolphin.kernel.reasons import Cause, Reason
from dolphin.kernel.state import Latch, Mode
from dolphin.kernel.units import ABSENT, NOTHING, NS_PER_S


class Turned(NamedTuple):
    """The latch after an operator's request, and what he is told."""

    latch: Latch
    reason: Reason


@ensure(lambda latch, result: result == (latch.mode == Mode.RUNNING))
def running(latch: Latch) -> bool:
    """Whether entries may be judged at all."""
    return latch.mode == Mode.RUNNING


@ensure(lambda result: result.mode == Mode.KILLED)
@ensure(lambda latch, result: latch.mode != Mode.KILLED or result == latch)
@ensure(lambda latch, result: latch.mode == Mode.KILLED or result.episode == latch.episode + 1)
@ensure(lambda latch, result: latch.mode == Mode.KILLED or result.nonce == ABSENT)
def trip(latch: Latch, cause: Cause, t_ns: int) -> Latch:
    """Latch. From RUNNING and from ARM_PENDING a new episode begins."""
    if latch.mode == Mode.KILLED:
        return latch
    return Latch(Mode.KILLED, latch.episode + 1, cause, t_ns, ABSENT, ABSENT)


@ensure(lambda latch, result: result.latch.mode != Mode.RUNNING or result.latch == latch)
@ensure(lambda latch, result: result.reason != Reason.ARMED or latch.mode != Mode.RUNNING)
@ensure(lambda latch, episode, result: result.reason != Reason.ARMED or latch.episode == episode)
@ensure(lambda settled, result: result.reason != Reason.ARMED or settled)
@ensure(lambda green, result: result.reason != Reason.ARMED or green)
@ensure(lambda t_ns, result: result.reason != Reason.ARMED or result.latch.armed_ns == t_ns)
@ensure(lambda nonce, result: result.reason != Reason.ARMED or result.latch.nonce == nonce)
@ensure(lambda kept, result: result.reason != Reason.ARMED or result.latch.kept == kept)
@ensure(lambda latch, result: result.reason == Reason.ARMED or result.latch == latch)
@ensure(lambda latch, result: result.latch.episode == latch.episode)
def arm(latch: Latch, episode: int, nonce: int, settled: bool, kept: int, green: bool, t_ns: int) -> Turned:
    """First step. `settled`: the book is flat or the operator accepts its position, which is then `kept`.

    `green`: every invariant holds. A request that is pending is replaced: its nonce is void, and the wait begins anew.
    """
    if latch.mode == Mode.RUNNING:
        return Turned(latch, Reason.NOT_KILLED)
    if episode != latch.episode:
        return Turned(latch, Reason.WRONG_EPISODE)
    if not settled:
        return Turned(latch, Reason.NOT_FLAT)
    if not green:
        return Turned(latch, Reason.NOT_GREEN)
    return Turned(
        Latch(Mode.ARM_PENDING, latch.episode, latch.cause, latch.tripped_ns, t_ns, nonce, kept), Reason.ARMED
    )


@ensure(lambda profile, result: profile != Profile.INTRADAY or result == 86_400 * NS_PER_S)
@ensure(lambda profile, result: profile == Profile.INTRADAY or result == 30 * 86_400 * NS_PER_S)
def request_life_ns(profile: Profile) -> int:
    """The real age at which a request of the operator lapses."""
    if profile == Profile.INTRADAY:
        return INTRADAY_REQUEST_NS
    return DAILY_REQUEST_NS


@ensure(lambda holding, result: not result or holding >= NOTHING)
@ensure(lambda kept, holding, result: not result or holding in (NOTHING, kept))
@ensure(lambda holding, result: result or holding != NOTHING)
@ensure(lambda kept, holding, result: result or holding <= NOTHING or holding != kept)
def stands(kept: int, holding: int) -> bool:
    """Whether what is held now is nothing, or just what the request took over. Unknown is neither."""
    if holding == NOTHING:
        return True
    if holding < NOTHING:
        return False
    return holding == kept


@ensure(lambda latch, result: result.reason == Reason.CONFIRMED or result.latch == latch)
@ensure(lambda result: result.reason != Reason.CONFIRMED or result.latch.mode == Mode.RUNNING)
@ensure(lambda latch, result: result.reason != Reason.CONFIRMED or latch.mode == Mode.ARM_PENDING)
@ensure(lambda latch, nonce, result: result.reason != Reason.CONFIRMED or nonce == latch.nonce)
@ensure(lambda latch, holding, result: result.reason != Reason.CONFIRMED or holding in (NOTHING, latch.kept))
@ensure(lambda holding, result: result.reason != Reason.CONFIRMED or holding != ABSENT)
@ensure(lambda green, result: result.reason != Reason.CONFIRMED or green)
@ensure(lambda latch, t_ns, result: result.reason != Reason.CONFIRMED or t_ns - latch.armed_ns >= 60 * NS_PER_S)
@ensure(lambda latch, t_ns, life_ns, result: result.reason != Reason.CONFIRMED or t_ns - latch.armed_ns < life_ns)
@ensure(lambda latch, t_ns, result: result.reason != Reason.TOO_EARLY or t_ns - latch.armed_ns < 60 * NS_PER_S)
@ensure(lambda latch, t_ns, life_ns, result: result.reason != Reason.LAPSED or t_ns - latch.armed_ns >= life_ns)
@ensure(lambda latch, result: result.latch.episode == latch.episode)
def confirm(latch: Latch, nonce: int, holding: int, green: bool, life_ns: int, t_ns: int) -> Turned:
    """Second step: the nonce of the first, in time, and what is held now stands; refused it stays pending."""
    if latch.mode != Mode.ARM_PENDING:
        return Turned(latch, Reason.NOT_PENDING)
    if nonce != latch.nonce:
        return Turned(latch, Reason.WRONG_NONCE)
    if t_ns - latch.armed_ns < ARM_WAIT_NS:
        return Turned(latch, Reason.TOO_EARLY)
    if t_ns - latch.armed_ns >= life_ns:
        return Turned(latch, Reason.LAPSED)
    if not green:
        return Turned(latch, Reason.NOT_GREEN)
    if not stands(latch.kept, holding):
        return Turned(latch, Reason.CHANGED)
    return Turned(Latch(Mode.RUNNING, latch.episode, Cause.NONE, ABSENT, ABSENT, ABSENT), Reason.CONFIRMED)
