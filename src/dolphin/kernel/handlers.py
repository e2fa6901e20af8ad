"""One short function for each kind of event: what the new reading changes in the state, and what is answered.

Rules of this file: a handler touches the part of the state that its event is about and nothing of time, R, confidence
or posture, which `machine` brings up to date before and after. `HANDLERS` is the dispatch table; a kind that is not in
it changes nothing. What a handler decides is a function of small tuples (sensing, capital, killswitch, orders); the
handler only takes the state apart and puts it together again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dolphin.kernel import capital as capitals
from dolphin.kernel import events as ev
from dolphin.kernel import killswitch, orders, sensing, timing, trimming
from dolphin.kernel.contracts import ensure
from dolphin.kernel.policy import Policy
from dolphin.kernel.reasons import Cause, Reason
from dolphin.kernel.state import Feed, FeedKind, Filter, Plan, State
from dolphin.kernel.units import ABSENT, NOTHING, flag, new

type Effects = tuple[ev.Effect, ...]


def feed_at(state: State, index: int) -> Feed | None:
    """The feed of this index; None for one that the header does not list."""
    if index < 0:
        return None
    if index >= len(state.feeds):
        return None
    return state.feeds[index]


def with_feed_at(feeds: tuple[Feed, ...], index: int, feed: Feed) -> tuple[Feed, ...]:
    """All feeds, with this one in its place."""
    return (*feeds[:index], feed, *feeds[index + 1 :])


def _seen(policy: Policy, state: State, event: ev.Seen) -> tuple[State, Effects]:
    feed = feed_at(state, event.feed)
    if feed is None:
        return state, ()
    feed = sensing.spoken(feed, event.due_ns, event.r3_bp, event.error)
    state = state._replace(feeds=with_feed_at(state.feeds, event.feed, feed))
    if feed.kind == FeedKind.ENVELOPE:
        due_ms = timing.policy_ms(policy.profile, event.due_ns - state.clock.anchor_ns)
        environment = sensing.enveloped(state.environment, due_ms, feed.error, state.clock.t_ns)
        return state._replace(environment=environment), ()
    return state, ()


def _counted(policy: Policy, state: State, event: ev.Counted) -> tuple[State, Effects]:
    feed = feed_at(state, event.feed)
    if feed is None:
        return state, ()
    feed = sensing.counting(feed, flag(event.counted))
    return state._replace(feeds=with_feed_at(state.feeds, event.feed, feed)), ()


def _shock(policy: Policy, state: State, event: ev.Shock) -> tuple[State, Effects]:
    now_ms = timing.policy_ms(policy.profile, state.clock.t_ns - state.clock.anchor_ns)
    return state._replace(environment=sensing.shocked(state.environment, now_ms)), ()


def _sensor(policy: Policy, state: State, event: ev.SensorError) -> tuple[State, Effects]:
    environment = sensing.sensed(state.environment, event.category, event.error, state.clock.t_ns)
    return state._replace(environment=environment), ()


def _equity(policy: Policy, state: State, event: ev.Equity) -> tuple[State, Effects]:
    if event.error != 0:
        return state._replace(capital=capitals.unreadable(state.capital, state.clock.t_ns)), ()
    posture = state.filter.posture
    return state._replace(
        capital=capitals.sampled(state.capital, posture, state.clock.t_ns, event.equity, event.flat, event.stood)
    ), ()


def _flow(policy: Policy, state: State, event: ev.Flow) -> tuple[State, Effects]:
    posture = state.filter.posture
    return state._replace(capital=capitals.flowed(state.capital, posture, event.flow, state.clock.t_ns)), ()


@ensure(lambda blind, result: not result or not blind)
@ensure(lambda plan, result: not result or plan.lost != 1)
@ensure(lambda plan, t_ns, result: not result or t_ns < plan.credit_ns)
@ensure(lambda blind, plan, t_ns, result: result or blind or plan.lost == 1 or t_ns >= plan.credit_ns)
def sound(blind: bool, plan: Plan, t_ns: int) -> bool:
    """Whether every invariant holds: R2, R4 and R5 readable, no heartbeat lost, every feed heard and not 10 s late."""
    if blind:
        return False
    if plan.lost == 1:
        return False
    return t_ns < plan.credit_ns


def green(state: State) -> bool:
    """Whether every invariant of `state` holds, so that its latch may be left."""
    return sound(sensing.unreadable(state.environment, state.capital), state.plan, state.clock.t_ns)


@ensure(lambda observed_flat, accepted, result: not result or observed_flat == 1 or accepted == 1)
@ensure(lambda observed_flat, accepted, result: result or observed_flat != 1)
@ensure(lambda observed_flat, accepted, result: result or accepted != 1)
def settled(observed_flat: int, accepted: int) -> bool:
    """Whether the operator saw the book flat or takes its position over. Unknown is never flat."""
    if observed_flat == 1:
        return True
    return accepted == 1


@ensure(lambda accepted, result: accepted == 1 or result == NOTHING)
@ensure(lambda accepted, holding, result: accepted != 1 or result == holding)
def taken(accepted: int, holding: int) -> int:
    """The holding that an arm request takes over: what there is where the operator accepts it, else nothing."""
    if accepted == 1:
        return holding
    return NOTHING


@ensure(lambda filter_, result: result.confidence_ms == filter_.confidence_ms)
@ensure(lambda filter_, result: result.posture == filter_.posture)
@ensure(lambda filter_, result: result.held_bp == filter_.held_bp)
@ensure(lambda filter_, reason, accepted, result: result.fell == filter_.fell or reason == Reason.ARMED)
@ensure(lambda filter_, reason, accepted, result: result.fell == filter_.fell or accepted == 1)
def taken_over(filter_: Filter, reason: Reason, accepted: int) -> Filter:
    """The filter after an arm request: flattening ends only for a position that the operator takes over."""
    if reason != Reason.ARMED:
        return filter_
    if accepted != 1:
        return filter_
    return Filter(filter_.confidence_ms, filter_.posture, filter_.held_bp, 0)


def _arm(policy: Policy, state: State, event: ev.Arm) -> tuple[State, Effects]:
    stands = settled(event.observed_flat, event.accepted)
    kept = taken(event.accepted, event.holding)
    turned = killswitch.arm(state.latch, event.episode, event.nonce, stands, kept, green(state), state.clock.t_ns)
    filter_ = taken_over(state.filter, turned.reason, event.accepted)
    return state._replace(latch=turned.latch, filter=filter_), (ev.Answer(turned.reason),)


def _confirm(policy: Policy, state: State, event: ev.Confirm) -> tuple[State, Effects]:
    life_ns = killswitch.request_life_ns(policy.profile)
    turned = killswitch.confirm(state.latch, event.nonce, event.holding, green(state), life_ns, state.clock.t_ns)
    if turned.reason == Reason.CONFIRMED:
        feeds = tuple(sensing.restarted(feed, state.clock.t_ns) for feed in state.feeds)
        state = state._replace(latch=turned.latch, feeds=feeds, filter=state.filter._replace(confidence_ms=0))
    return state, (ev.Answer(turned.reason),)


def _rebase_arm(policy: Policy, state: State, event: ev.RebaseArm) -> tuple[State, Effects]:
    answer = capitals.rebase_armed(state.capital, event.nonce, state.clock.t_ns)
    return state._replace(capital=answer.capital), (ev.Answer(answer.reason),)


def _rebase_confirm(policy: Policy, state: State, event: ev.RebaseConfirm) -> tuple[State, Effects]:
    answer = capitals.rebased(policy, state.capital, event.nonce, state.clock.t_ns)
    return state._replace(capital=answer.capital), (ev.Answer(answer.reason),)


def _resume(policy: Policy, state: State, event: ev.Resume) -> tuple[State, Effects]:
    """A restart: every feed is silent since now. `machine.step` has not advanced: downtime earns and trips nothing."""
    clock = sensing.resumed(state.clock, event.ts_ns)
    feeds = tuple(sensing.silenced(feed, clock.t_ns) for feed in state.feeds)
    return state._replace(clock=clock, feeds=feeds, capital=state.capital._replace(error_ns=ABSENT)), ()


def standing(state: State, index: int) -> orders.Standing:
    """What book and instrument say now. An unknown instrument is stale and in error: fail closed."""
    feed = feed_at(state, index)
    confidence_ms, posture, _, fell = state.filter
    runs = killswitch.running(state.latch)
    blind = sensing.unreadable(state.environment, state.capital)
    if feed is None:
        return orders.Standing(posture, confidence_ms, runs, blind, True, True, 0, fell == 1)
    t_ns = state.clock.t_ns
    stale = timing.stale(feed, t_ns)
    bp = timing.instrument_bp(feed, t_ns)
    return new(orders.Standing, (posture, confidence_ms, runs, blind, feed.error == 1, stale, bp, fell == 1))


def _order(policy: Policy, state: State, event: ev.Order) -> Effects:
    return (orders.judge(policy, standing(state, event.feed), event),)


def _reduce(policy: Policy, state: State, event: ev.Reduce) -> Effects:
    return (trimming.reduce(policy, standing(state, event.feed), event, state.clock.t_ns),)


def _tick(policy: Policy, state: State, event: ev.Tick) -> Effects:
    return ()


def _none(policy: Policy, state: State, event: Any) -> tuple[State, Effects]:
    return state, ()


HANDLERS: Final[dict[type, Callable[[Policy, State, Any], tuple[State, Effects]]]] = {
    ev.Seen: _seen,
    ev.Counted: _counted,
    ev.Shock: _shock,
    ev.SensorError: _sensor,
    ev.Equity: _equity,
    ev.Flow: _flow,
    ev.Arm: _arm,
    ev.Confirm: _confirm,
    ev.RebaseArm: _rebase_arm,
    ev.RebaseConfirm: _rebase_confirm,
    ev.Resume: _resume,
}
"""Kinds that change the state, beyond what time, a kill or a fault makes of it."""

ANSWERS: Final[dict[type, Callable[[Policy, State, Any], Effects]]] = {
    ev.Tick: _tick,
    ev.Order: _order,
    ev.Reduce: _reduce,
}
"""Kinds that change nothing: they ask."""

REPLANNING: Final[frozenset[type]] = frozenset((ev.Seen, ev.Counted, ev.Shock, ev.SensorError, ev.Confirm, ev.Resume))
"""Kinds that change what the feeds or the environment mean, so that the plan is made anew."""


def handle(policy: Policy, state: State, event: ev.Event) -> tuple[State, Effects]:
    """Apply the event's own handler."""
    return HANDLERS.get(type(event), _none)(policy, state, event)


def replans(before: State, after: State, event: ev.Event) -> bool:
    """Whether the plan has to be made anew: after these kinds, and when equity becomes unreadable or readable."""
    if type(event) in REPLANNING:
        return True
    return before.capital.error_ns != after.capital.error_ns


def arrives(state: State, event: ev.Event) -> int:
    """The time to which the state is advanced before the event is handled; a restart's downtime is not lived."""
    if type(event) is ev.Resume:
        return state.clock.t_ns
    return event.ts_ns


def asks(event: ev.Event) -> bool:
    """Whether this event leaves the state as time alone has made it."""
    return type(event) in ANSWERS


def causes(event: ev.Event) -> tuple[Cause, ...]:
    """The cause for which this event trips the latch, if it does."""
    if isinstance(event, ev.Kill):
        return (Cause.OPERATOR,)
    if isinstance(event, ev.Fault):
        return (event.cause,)
    return ()


def consequences(policy: Policy, state: State, event: ev.Event) -> Effects:
    """EXCESS where a sample shows more held than the posture it led to lets one hold: own orders are then asked for."""
    if type(event) is not ev.Equity:
        return ()
    if event.error != 0:
        return ()
    if event.gross <= 0:
        return ()
    most = trimming.held_limit(policy, standing(state, -1), event.equity, policy.l_raw_bp)
    over = trimming.excess(policy, most, event.gross)
    if over > 0:
        return (ev.Excess(over),)
    return ()
