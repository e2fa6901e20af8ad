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

from dolphin.kernel import handlers
from dolphin.kernel.confidence import cut, earn
from dolphin.kernel.contracts import ensure
from dolphin.kernel.events import Effect, Event, Moved, Tripped
from dolphin.kernel.killswitch import running, trip
from dolphin.kernel.policy import Policy, Posture, Profile
from dolphin.kernel.posture import move, rise_in_ms
from dolphin.kernel.reasons import Cause
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
from dolphin.kernel.units import ABSENT, BP, FULL_MS, clamp, dated

type Effects = tuple[Effect, ...]


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
    return Filter(
        clamp(filter_.confidence_ms, 0, FULL_MS), filter_.posture, clamp(filter_.held_bp, 0, BP), filter_.fell
    )


@ensure(lambda confidence_ms, result: result.confidence_ms == confidence_ms)
@ensure(lambda after, result: result.posture == after)
@ensure(lambda filter_, result: result.held_bp == filter_.held_bp)
@ensure(lambda after, result: result.fell != 1 or after == Posture.HIBERNATE)
@ensure(lambda filter_, after, result: after != Posture.HIBERNATE or filter_.posture == after or result.fell == 1)
def moved_to(filter_: Filter, confidence_ms: int, after: Posture) -> Filter:
    """The filter with its new confidence and posture; `fell` begins with a fall into HIBERNATE and ends above it."""
    if after != Posture.HIBERNATE:
        return Filter(confidence_ms, after, filter_.held_bp, 0)
    if filter_.posture != Posture.HIBERNATE:
        return Filter(confidence_ms, after, filter_.held_bp, 1)
    return Filter(confidence_ms, after, filter_.held_bp, filter_.fell)


def _moved(state: State, confidence_ms: int) -> tuple[State, Effects]:
    """`state` with this confidence and the posture that it gives; a change of posture is an effect, at its own time."""
    before = state.filter.posture
    after = move(before, confidence_ms)
    if after == before:
        if confidence_ms == state.filter.confidence_ms:
            return state, ()
        return state._replace(filter=moved_to(state.filter, confidence_ms, after)), ()
    state = state._replace(filter=moved_to(state.filter, confidence_ms, after))
    return state, (Moved(state.clock.t_ns, before, after, confidence_ms),)


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
    return Readings(
        r1(running(state.latch)),
        r2_at(state.environment, t_ns, second_ms),
        state.plan.r3_bp,
        r4_at(state.environment, t_ns, second_ms),
        r5(state.capital.drawdown_bp),
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
    held_bp = r_total(*readings)
    filter_ = state.filter._replace(held_bp=held_bp)
    state, moved = _moved(state._replace(readings=readings, filter=filter_), cut(filter_.confidence_ms, held_bp))
    filter_ = landed(state.filter, running(state.latch))
    return state._replace(filter=filter_, plan=_stopping(policy.profile, state.clock, filter_, state.plan)), moved


@ensure(lambda plan, result: result.stop_ns <= plan.deadline_ns)
@ensure(lambda plan, result: result.stop_ns <= plan.second_ns)
@ensure(
    lambda clock, plan, result: (
        plan.deadline_ns <= clock.t_ns or plan.second_ns <= clock.t_ns or result.stop_ns > clock.t_ns
    )
)
def _stopping(profile: Profile, clock: Clock, filter_: Filter, plan: Plan) -> Plan:
    """`plan` with its first stop: a deadline, a whole policy second, or when earning lifts the posture."""
    rise_ms = rise_in_ms(filter_.posture, filter_.confidence_ms, filter_.held_bp)
    rise_ns = rise_stop_ns(profile, clock.anchor_ns, clock.t_ns, plan.credit_ns, rise_ms)
    stop_ns = least(rise_ns, least(plan.deadline_ns, plan.second_ns))
    return Plan(plan.deadline_ns, plan.second_ns, plan.credit_ns, plan.r3_bp, plan.lost, stop_ns)


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

    Where no stop has come, R is held and the second half would change nothing.
    """
    confidence_ms = earn(state.filter.confidence_ms, state.filter.held_bp, credited_ms(policy, state, t_ns))
    clock = Clock(state.clock.anchor_ns, state.clock.start_ns, t_ns)
    stop_ns = state.plan.stop_ns
    state, moved = _moved(_at(state, clock), confidence_ms)
    if t_ns < stop_ns:
        return state, moved
    state = replanned(policy, state)
    state, faults = _deadlines(state)
    state, settled = _reread(policy, state)
    return state, moved + faults + settled


def advance(policy: Policy, state: State, t_ns: int) -> tuple[State, Effects]:
    """Bring `state` to `t_ns`, visiting every stop on the way. Composed: a loop of `visit`."""
    effects: Effects = ()
    while state.clock.t_ns < t_ns:
        state, more = visit(policy, state, next_stop(state, t_ns))
        effects += more
    return state, effects


def _at(state: State, clock: Clock) -> State:
    """`state` at another time (spelled out: this is the hottest line of the library)."""
    return State(
        clock, state.filter, state.readings, state.environment, state.capital, state.latch, state.feeds, state.plan
    )


def _with_plan(state: State, plan: Plan) -> State:
    """`state` with another plan (spelled out, as `_at`)."""
    return State(
        state.clock, state.filter, state.readings, state.environment, state.capital, state.latch, state.feeds, plan
    )


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
    if handlers.asks(event):
        return state, effects + handlers.handle(policy, state, event)[1]
    before = state
    state, answers = handlers.handle(policy, state, event)
    if handlers.replans(before, state, event):
        state = replanned(policy, state)
    state, faults = _deadlines(state)
    for cause in handlers.causes(event):
        state, more = tripped(state, cause)
        faults += more
    state, moved = _reread(policy, state)
    return state, effects + answers + faults + moved + handlers.consequences(policy, state, event)


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
