"""The machine: `step(policy, state, event) -> (state, effects)`, total in every state that `start` and `step` reach.

Rules of this file: it decides the order of things and nothing else. What a reading is worth, when a posture moves, what
an order may do stands in the modules it calls.

Theory of operation (DESIGN.md 2.2). Between events R_total is held. `advance` brings a state to a time by visiting each
whole policy second at which R2 or R4 changes, each deadline at its own real time, and each moment at which earning
lifts the posture (`next_stop`), so that the state at t and all that happened before depend on the readings and on t,
not on how often one asks. A visit is always: credit under the held R, posture,
deadlines trip, new R, cut, posture. Then the event's handler applies the one reading that is new, and R, cut and
posture follow again. Time never runs back; `landed` clamps, so the range of a state holds whatever went before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dolphin.kernel import handlers
from dolphin.kernel.capital import sampled, since_trapped
from dolphin.kernel.confidence import cut, earn
from dolphin.kernel.contracts import ensure
from dolphin.kernel.events import Effect, Equity, Event, Moved, Seen, Tripped
from dolphin.kernel.killswitch import running, trip
from dolphin.kernel.policy import Policy, Posture, Profile
from dolphin.kernel.posture import move, rise_in_ms
from dolphin.kernel.reasons import Cause
from dolphin.kernel.sensing import spoken
from dolphin.kernel.state import Capital, Clock, Environment, Feed, FeedKind, Filter, Latch, Mode, Plan, Readings, State
from dolphin.kernel.survival import least, r1, r5, r_total
from dolphin.kernel.timing import (
    earned_ms,
    overdue,
    planned,
    policy_ms,
    r2_at,
    r4_at,
    regressed,
    rise_stop_ns,
    whole_second,
)
from dolphin.kernel.units import ABSENT, BP, FULL_MS, MS_PER_BP, clamp, dated, never, new

type Effects = tuple[Effect, ...]

_APEX: Final = Posture.APEX
_HIBERNATE: Final = Posture.HIBERNATE


@ensure(lambda result: result.confidence_ms >= 0)
@ensure(lambda result: result.confidence_ms <= FULL_MS)
@ensure(lambda result: result.held_bp >= 0)
@ensure(lambda result: result.held_bp <= BP)
@ensure(lambda running, result: running or result.confidence_ms == 0)
@ensure(lambda running, result: running or result.posture == Posture.HIBERNATE)
@ensure(lambda running, result: running or result.held_bp == 0)
def landed(filter_: Filter, running: bool) -> Filter:
    """The last act of each step: the filter in range, and HIBERNATE at confidence 0 where the latch is not RUNNING."""
    if not running:
        return Filter(0, Posture.HIBERNATE, 0, filter_.fell)
    confidence_ms, posture, held_bp, fell = filter_
    return new(Filter, (clamp(confidence_ms, 0, FULL_MS), posture, clamp(held_bp, 0, BP), fell))


@ensure(lambda confidence_ms, result: result.confidence_ms == confidence_ms)
@ensure(lambda after, result: result.posture == after)
@ensure(lambda filter_, result: result.held_bp == filter_.held_bp)
@ensure(lambda after, result: result.fell != 1 or after == Posture.HIBERNATE)
@ensure(lambda filter_, after, result: after != Posture.HIBERNATE or filter_.posture == after or result.fell == 1)
def moved_to(filter_: Filter, confidence_ms: int, after: Posture) -> Filter:
    """The filter with its new confidence and posture; `fell` begins with a fall into HIBERNATE and ends above it."""
    if after != _HIBERNATE:
        return new(Filter, (confidence_ms, after, filter_.held_bp, 0))
    if filter_.posture != Posture.HIBERNATE:
        return Filter(confidence_ms, after, filter_.held_bp, 1)
    return Filter(confidence_ms, after, filter_.held_bp, filter_.fell)


def _moved(state: State, confidence_ms: int) -> tuple[State, Effects]:
    """`state` with this confidence and the posture that it gives; a change of posture is an effect, at its own time.

    The way out of APEX is where a trap begins.
    """
    filter_ = state.filter
    before = filter_.posture
    after = move(before, confidence_ms)
    if after != before:
        state = _with_filter(state, moved_to(filter_, confidence_ms, after))
        capital = since_trapped(state.capital, after, state.clock.t_ns)
        return state._replace(capital=capital), (Moved(state.clock.t_ns, before, after, confidence_ms),)
    if confidence_ms == filter_.confidence_ms:
        return state, ()
    return _with_filter(state, moved_to(filter_, confidence_ms, after)), ()


def tripped(state: State, cause: Cause) -> tuple[State, Effects]:
    """`state` with the latch tripped: confidence 0 and HIBERNATE in the same step."""
    latch = trip(state.latch, cause, state.clock.t_ns)
    if latch == state.latch:
        return state, ()
    state = state._replace(latch=latch, filter=state.filter._replace(held_bp=0, fell=1))
    state, moved = _moved(state, 0)
    fallen = state.filter._replace(fell=1)
    return state._replace(filter=fallen), (Tripped(state.clock.t_ns, cause, latch.episode), *moved)


def _deadlines(state: State) -> tuple[State, Effects]:
    """Category 1 faults that time alone brings: a heartbeat lost, equity unreadable for 10 s."""
    if state.plan.lost == 1:
        return tripped(state, Cause.HEARTBEAT)
    if overdue(state.capital.error_ns, state.clock.t_ns):
        return tripped(state, Cause.EQUITY_UNREADABLE)
    return state, ()


def read(policy: Policy, state: State) -> Readings:
    """The five multipliers in force: R2 and R4 as of the last whole policy second."""
    t_ns = state.clock.t_ns
    second_ms = whole_second(policy_ms(policy.profile, t_ns - state.clock.anchor_ns))
    return new(
        Readings,
        (
            r1(running(state.latch)),
            r2_at(state.environment, t_ns, second_ms),
            state.plan.r3_bp,
            r4_at(state.environment, t_ns, second_ms),
            r5(state.capital.drawdown_bp),
        ),
    )


def _reread(policy: Policy, state: State) -> tuple[State, Effects]:
    """The second half of a visit, and what follows every handler.

    Under the readings that are held already nothing is cut and nothing moves: only the next stop is looked for.
    """
    readings = read(policy, state)
    if readings == state.readings:
        if running(state.latch):
            return _with_plan(state, _stopping(policy.profile, state.clock, state.filter, state.plan)), ()
    return _settled(policy, state, readings)


def _settled(policy: Policy, state: State, readings: Readings) -> tuple[State, Effects]:
    """New R, cut, posture, and the next stop."""
    clock, filter_, _, environment, capital, latch, feeds, plan = state
    held_bp = r_total(*readings)
    filter_ = new(Filter, (filter_.confidence_ms, filter_.posture, held_bp, filter_.fell))
    state = new(State, (clock, filter_, readings, environment, capital, latch, feeds, plan))
    state, moved = _moved(state, cut(filter_.confidence_ms, held_bp))
    filter_ = landed(state.filter, running(latch))
    plan = _stopping(policy.profile, clock, filter_, plan)
    return new(State, (clock, filter_, readings, environment, state.capital, latch, feeds, plan)), moved


@ensure(lambda plan, result: result.stop_ns <= plan.deadline_ns)
@ensure(lambda plan, result: result.stop_ns <= plan.second_ns)
@ensure(
    lambda clock, plan, result: (
        plan.deadline_ns <= clock.t_ns or plan.second_ns <= clock.t_ns or result.stop_ns > clock.t_ns
    )
)
def _stopping(profile: Profile, clock: Clock, filter_: Filter, plan: Plan) -> Plan:
    """`plan` with its first stop: a deadline, a whole policy second, or when earning lifts the posture."""
    deadline_ns, second_ns, credit_ns, r3_bp, lost, _ = plan
    if filter_.posture == _APEX:
        rise_ns = never(clock.t_ns)
    else:
        rise_ms = rise_in_ms(filter_.posture, filter_.confidence_ms, filter_.held_bp)
        rise_ns = rise_stop_ns(profile, clock.anchor_ns, clock.t_ns, credit_ns, rise_ms)
    stop_ns = least(rise_ns, least(deadline_ns, second_ns))
    if stop_ns == plan.stop_ns:
        return plan
    return new(Plan, (deadline_ns, second_ns, credit_ns, r3_bp, lost, stop_ns))


@ensure(lambda t_ns, result: result <= t_ns)
@ensure(lambda state, result: result <= state.plan.stop_ns)
def next_stop(state: State, t_ns: int) -> int:
    """The next time, at most `t_ns`, that `advance` must visit: the plan's first stop, or `t_ns` itself."""
    return least(t_ns, state.plan.stop_ns)


def credited_ms(policy: Policy, state: State, t_ns: int) -> int:
    """Policy ms that the way to `t_ns` may earn: up to the horizon of the feeds; a difference of floors."""
    clock = state.clock
    return earned_ms(policy.profile, clock.anchor_ns, clock.t_ns, t_ns, state.plan.credit_ns)


def visit(policy: Policy, state: State, t_ns: int) -> tuple[State, Effects]:
    """Bring `state` to a stop: credit under the held R, posture, deadlines trip, new R, cut, posture.

    Where no stop has come, R is held and the second half would change nothing. Where confidence is all that the held R
    allows, nothing more is earned and the posture stays.
    """
    clock, filter_, readings, environment, capital, latch, feeds, plan = state
    confidence_ms = filter_.confidence_ms
    now = new(Clock, (clock.anchor_ns, clock.start_ns, t_ns))
    state = new(State, (now, filter_, readings, environment, capital, latch, feeds, plan))
    moved: Effects = ()
    if confidence_ms != MS_PER_BP * filter_.held_bp:
        credit_ms = earned_ms(policy.profile, clock.anchor_ns, clock.t_ns, t_ns, plan.credit_ns)
        state, moved = _moved(state, earn(confidence_ms, filter_.held_bp, credit_ms))
    if t_ns < plan.stop_ns:
        return state, moved
    state, faults = _deadlines(replanned(policy, state))
    state, settled = _reread(policy, state)
    return state, moved + faults + settled


def advance(policy: Policy, state: State, t_ns: int) -> tuple[State, Effects]:
    """Bring `state` to `t_ns`, visiting every stop on the way. Composed: a loop of `visit`."""
    effects: Effects = ()
    while state.clock.t_ns < t_ns:
        state, more = visit(policy, state, next_stop(state, t_ns))
        effects += more
    return state, effects


def _with_filter(state: State, filter_: Filter) -> State:
    """`state` with another filter (spelled out, as all that is hot here: `_replace` costs a microsecond more)."""
    clock, _, readings, environment, capital, latch, feeds, plan = state
    return new(State, (clock, filter_, readings, environment, capital, latch, feeds, plan))


def _with_plan(state: State, plan: Plan) -> State:
    """`state` with another plan (spelled out, as `_with_filter`)."""
    clock, filter_, readings, environment, capital, latch, feeds, _ = state
    return new(State, (clock, filter_, readings, environment, capital, latch, feeds, plan))


def replanned(policy: Policy, state: State) -> State:
    """`state` with its plan made anew: after a feed spoke, or when a stop has come."""
    return _with_plan(
        state, planned(policy.profile, state.clock, state.environment, state.capital.error_ns, state.feeds)
    )


def step(policy: Policy, state: State, event: Event) -> tuple[State, Effects]:
    """What an event makes of a book, and what is to be done about it. Total; DESIGN.md 1.3.

    An event's time before the latest one is judged at the latest; more than a second before, it is a Category 1 fault.
    A question (an order, a reduction, the mere passing of time) leaves the state as `advance` found it.
    """
    before_ns = state.clock.t_ns
    state, effects = advance(policy, state, handlers.arrives(state, event))
    if regressed(before_ns, event.ts_ns):
        state, more = _faulted(policy, state, Cause.CLOCK_REGRESSION)
        effects += more
    kind = type(event)
    answer = handlers.ANSWERS.get(kind)
    if answer is not None:
        return state, effects + answer(policy, state, event)
    short = _SHORT.get(kind)
    if short is not None:
        if running(state.latch):
            done = short(policy, state, event)
            if done is not None:
                return done[0], effects + done[1]
    state, more = whole(policy, state, event)
    return state, effects + more


def whole(policy: Policy, state: State, event: Event) -> tuple[State, Effects]:
    """What a reading or a request makes of a book that has been brought to its time: everything is planned and read."""
    before = state
    state, answers = handlers.handle(policy, state, event)
    if handlers.replans(before, state, event):
        state = replanned(policy, state)
    state, faults = _deadlines(state)
    for cause in handlers.causes(event):
        state, more = tripped(state, cause)
        faults += more
    state, moved = _reread(policy, state)
    return state, answers + faults + moved + handlers.consequences(policy, state, event)


def _heard(policy: Policy, state: State, event: Seen) -> tuple[State, Effects] | None:
    """`whole` of a word that changes R3 at most, in a book that runs; None where it may change more.

    Between two stops R2 and R4 are what they were.
    """
    feed = handlers.feed_at(state, event.feed)
    if feed is None:
        return None
    if feed.kind == FeedKind.ENVELOPE:
        return None
    clock, filter_, readings, environment, capital, latch, feeds, _ = state
    after = spoken(feed, event.due_ns, event.r3_bp, event.error)
    feeds = handlers.with_feed_at(feeds, event.feed, after)
    plan = planned(policy.profile, clock, environment, capital.error_ns, feeds)
    if plan.lost == 1:
        return None
    if plan.r3_bp == readings.r3_bp:
        plan = _stopping(policy.profile, clock, filter_, plan)
        return new(State, (clock, filter_, readings, environment, capital, latch, feeds, plan)), ()
    state = State(clock, filter_, readings, environment, capital, latch, feeds, plan)
    r1_bp, r2_bp, _, r4_bp, r5_bp = readings
    return _settled(policy, state, Readings(r1_bp, r2_bp, plan.r3_bp, r4_bp, r5_bp))


def _sampled(policy: Policy, state: State, event: Equity) -> tuple[State, Effects] | None:
    """`whole` of an equity that can be read, as the one before it could, in a book that runs: R5 alone may change."""
    if event.error != 0:
        return None
    clock, filter_, readings, environment, capital, latch, feeds, plan = state
    if capital.error_ns != ABSENT:
        return None
    capital = sampled(capital, filter_.posture, clock.t_ns, event.equity, event.flat, event.stood)
    r5_bp = r5(capital.drawdown_bp)
    if r5_bp == readings.r5_bp:
        plan = _stopping(policy.profile, clock, filter_, plan)
        state = new(State, (clock, filter_, readings, environment, capital, latch, feeds, plan))
        return state, handlers.consequences(policy, state, event)
    state = State(clock, filter_, readings, environment, capital, latch, feeds, plan)
    r1_bp, r2_bp, r3_bp, r4_bp, _ = readings
    state, moved = _settled(policy, state, Readings(r1_bp, r2_bp, r3_bp, r4_bp, r5_bp))
    return state, moved + handlers.consequences(policy, state, event)


_SHORT: Final[dict[type, Callable[[Policy, State, Any], tuple[State, Effects] | None]]] = {
    Seen: _heard,
    Equity: _sampled,
}
"""The two readings that most of a journal is: the short way to what `whole` would say."""


def _faulted(policy: Policy, state: State, cause: Cause) -> tuple[State, Effects]:
    """`state` with the latch tripped and everything read anew."""
    state, faults = tripped(state, cause)
    state, moved = _reread(policy, state)
    return state, faults + moved


def start(
    policy: Policy,
    ts_ns: int,
    feeds: tuple[FeedKind, ...],
    *,
    confidence_ms: int = FULL_MS,
    anchor_ns: int = ABSENT,
    envelope: bool = False,
) -> State:
    """The first state of a run: a backtest starts at full confidence, a live run at 0 (DESIGN.md 2.2).

    `envelope`: category 2 is configured, and ages from the start. The feeds count as silent since `ts_ns`.
    """
    if anchor_ns == ABSENT:
        anchor_ns = ts_ns
    due_ms = ABSENT
    if envelope:
        due_ms = dated(policy_ms(policy.profile, ts_ns - anchor_ns))
    state = State(
        Clock(anchor_ns, ts_ns, ts_ns),
        Filter(clamp(confidence_ms, 0, FULL_MS)),
        Readings(),
        Environment(envelope_due_ms=due_ms),
        Capital(),
        Latch(),
        tuple(Feed(FeedKind(kind), due_ns=ts_ns) for kind in feeds),
        Plan(),
    )
    state = replanned(policy, state)
    state, _ = _settled(policy, state, read(policy, state))
    return state._replace(filter=state.filter._replace(fell=0))


__all__ = ["Mode", "advance", "landed", "next_stop", "read", "start", "step", "visit"]
