"""One short function for each kind of event: what the new reading changes in the state, and what is answered.

Rules of this file: a handler touches the part of the state that its event is about and nothing of time, R, confidence or
posture, which `machine` brings up to date before and after. `HANDLERS` is the dispatch table; a kind that is not in it
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dolphin.kernel import capital as capitals
from dolphin.kernel import events as ev
from dolphin.kernel import killswitch, orders, timing
from dolphin.kernel.policy import Policy
from dolphin.kernel.reasons import Cause, Reason
from dolphin.kernel.state import Clock, Feed, FeedKind, Filter, State
from dolphin.kernel.units import ABSENT, BP, clamp

type Effects = tuple[ev.Effect, ...]


def _feed(state: State, index: int) -> Feed | None:
    """The feed of this index; None for one that the header does not list."""
    if index < 0:
        return None
    if index >= len(state.feeds):
        return None
    return state.feeds[index]


def _with_feed(state: State, index: int, feed: Feed) -> State:
    return state._replace(feeds=(*state.feeds[:index], feed, *state.feeds[index + 1 :]))


def _tick(policy: Policy, state: State, event: ev.Tick) -> tuple[State, Effects]:
    return state, ()


def spoken(feed: Feed, due_ns: int, r3_bp: int, error: int) -> Feed:
    """The feed after it spoke; an error leaves its R3 at the floor at best. A due time never moves back to before now."""
    r3_bp = clamp(r3_bp, 0, BP)
    if error == 1:
        r3_bp = min(r3_bp, 2_000)
    return Feed(feed.kind, 1, due_ns, r3_bp, int(error == 1), feed.counted)


def _seen(policy: Policy, state: State, event: ev.Seen) -> tuple[State, Effects]:
    feed = _feed(state, event.feed)
    if feed is None:
        return state, ()
    state = _with_feed(state, event.feed, spoken(feed, event.due_ns, event.r3_bp, event.error))
    if feed.kind == FeedKind.ENVELOPE:
        due_ms = timing.policy_ms(policy.profile, event.due_ns - state.clock.anchor_ns)
        return state._replace(environment=state.environment._replace(envelope_due_ms=max(due_ms, 0))), ()
    return state, ()


def _counted(policy: Policy, state: State, event: ev.Counted) -> tuple[State, Effects]:
    feed = _feed(state, event.feed)
    if feed is None:
        return state, ()
    return _with_feed(state, event.feed, feed._replace(counted=int(event.counted == 1))), ()


def _shock(policy: Policy, state: State, event: ev.Shock) -> tuple[State, Effects]:
    now_ms = timing.policy_ms(policy.profile, state.clock.t_ns - state.clock.anchor_ns)
    return state._replace(environment=state.environment._replace(shock_ms=max(now_ms, 0))), ()


def error_since(error_ns: int, error: int, t_ns: int) -> int:
    """Since when a source is unreadable: the first bad reading, or ABSENT after a good one."""
    if error != 1:
        return ABSENT
    if error_ns != ABSENT:
        return error_ns
    return t_ns


def _sensor(policy: Policy, state: State, event: ev.SensorError) -> tuple[State, Effects]:
    now = state.environment
    if event.category == 2:
        since_ns = error_since(now.envelope_error_ns, event.error, state.clock.t_ns)
        return state._replace(environment=now._replace(envelope_error_ns=since_ns)), ()
    if event.category == 4:
        since_ns = error_since(now.shock_error_ns, event.error, state.clock.t_ns)
        return state._replace(environment=now._replace(shock_error_ns=since_ns)), ()
    return state, ()


def _equity(policy: Policy, state: State, event: ev.Equity) -> tuple[State, Effects]:
    if event.error == 1:
        return state._replace(capital=capitals.unreadable(state.capital, state.clock.t_ns)), ()
    flat = int(event.flat == 1)
    capital = capitals.sampled(state.capital, state.clock.t_ns, event.equity, flat, int(event.stood == 1))
    return state._replace(capital=capital), _excess(policy, state, event)


def _excess(policy: Policy, state: State, event: ev.Equity) -> Effects:
    """EXCESS where more is held than the posture before this sample lets one hold; own orders are then asked for."""
    most = orders.held_limit(policy, standing(state, -1), event.equity, policy.l_raw_bp)
    over = orders.excess(policy, most, event.gross)
    if over > 0:
        return (ev.Excess(over),)
    return ()


def _flow(policy: Policy, state: State, event: ev.Flow) -> tuple[State, Effects]:
    return state._replace(capital=capitals.flowed(state.capital, event.flow)), ()


def green(state: State) -> bool:
    """Whether every invariant holds: no heartbeat lost, equity readable, every feed heard and not 10 s late."""
    if state.capital.error_ns != ABSENT:
        return False
    if state.plan.lost == 1:
        return False
    return state.clock.t_ns < state.plan.credit_ns


def _arm(policy: Policy, state: State, event: ev.Arm) -> tuple[State, Effects]:
    settled = event.observed_flat == 1
    if event.accepted == 1:
        settled = True
    turned = killswitch.arm(state.latch, event.episode, event.nonce, settled, green(state), state.clock.t_ns)
    state = state._replace(latch=turned.latch)
    if turned.reason == Reason.ARMED:
        state = state._replace(filter=state.filter._replace(fell=0))
    return state, (ev.Answer(turned.reason),)


def restarted(feed: Feed, t_ns: int) -> Feed:
    """The feed with its deadline begun anew, never earlier than it was."""
    return feed._replace(due_ns=max(feed.due_ns, t_ns))


def _confirm(policy: Policy, state: State, event: ev.Confirm) -> tuple[State, Effects]:
    turned = killswitch.confirm(state.latch, event.nonce, green(state), state.clock.t_ns)
    state = state._replace(latch=turned.latch)
    if turned.reason == Reason.CONFIRMED:
        feeds = tuple(restarted(feed, state.clock.t_ns) for feed in state.feeds)
        state = state._replace(feeds=feeds, filter=state.filter._replace(confidence_ms=0, fell=0))
    return state, (ev.Answer(turned.reason),)


def _rebase_arm(policy: Policy, state: State, event: ev.RebaseArm) -> tuple[State, Effects]:
    return state._replace(capital=capitals.rebase_armed(state.capital, event.nonce)), (ev.Answer(Reason.ARMED),)


def _rebase_confirm(policy: Policy, state: State, event: ev.RebaseConfirm) -> tuple[State, Effects]:
    answer = capitals.rebased(policy, state.capital, event.nonce, state.clock.t_ns)
    return state._replace(capital=answer.capital), (ev.Answer(answer.reason),)


def _resume(policy: Policy, state: State, event: ev.Resume) -> tuple[State, Effects]:
    """A restart: every feed is silent since now. `machine.step` has not advanced: downtime earns and trips nothing."""
    t_ns = max(state.clock.t_ns, event.ts_ns)
    feeds = tuple(Feed(feed.kind, 0, t_ns, feed.r3_bp, feed.error, feed.counted) for feed in state.feeds)
    capital = state.capital._replace(error_ns=ABSENT)
    clock = Clock(state.clock.anchor_ns, t_ns, t_ns)
    return state._replace(clock=clock, feeds=feeds, capital=capital), ()


def standing(state: State, index: int) -> orders.Standing:
    """What book and instrument say now. An unknown instrument is stale and in error: fail closed."""
    feed = _feed(state, index)
    if feed is None:
        feed = Feed(FeedKind.DATA, r3_bp=0, error=1)
    book: Filter = state.filter
    return orders.Standing(
        book.posture,
        book.confidence_ms,
        killswitch.running(state.latch),
        unreadable(state),
        feed.error == 1,
        timing.stale(feed, state.clock.t_ns),
        timing.instrument_bp(feed, state.clock.t_ns),
        book.fell == 1,
    )


def unreadable(state: State) -> bool:
    """Whether R2, R4 or R5 is in error: the last values hold, and nothing enters."""
    if state.environment.envelope_error_ns != ABSENT:
        return True
    if state.environment.shock_error_ns != ABSENT:
        return True
    return state.capital.error_ns != ABSENT


def _order(policy: Policy, state: State, event: ev.Order) -> tuple[State, Effects]:
    return state, (orders.judge(policy, standing(state, event.feed), event),)


def _reduce(policy: Policy, state: State, event: ev.Reduce) -> tuple[State, Effects]:
    return state, (orders.reduce(policy, standing(state, event.feed), event, state.clock.t_ns),)


def _none(policy: Policy, state: State, event: Any) -> tuple[State, Effects]:
    return state, ()


HANDLERS: Final[dict[type, Callable[[Policy, State, Any], tuple[State, Effects]]]] = {
    ev.Tick: _tick,
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
    ev.Order: _order,
    ev.Reduce: _reduce,
}

REPLANNING: Final[frozenset[type]] = frozenset(
    (ev.Seen, ev.Counted, ev.Shock, ev.SensorError, ev.Equity, ev.Confirm, ev.Resume)
)
"""Kinds that change what the feeds or the environment mean, so that the plan is made anew."""

ASKING: Final[frozenset[type]] = frozenset((ev.Tick, ev.Order, ev.Reduce))
"""Kinds that change nothing: they ask."""


def handle(policy: Policy, state: State, event: ev.Event) -> tuple[State, Effects]:
    """Apply the event's own handler."""
    return HANDLERS.get(type(event), _none)(policy, state, event)


def replans(event: ev.Event) -> bool:
    """Whether the plan has to be made anew after this event."""
    return type(event) in REPLANNING


def arrives(state: State, event: ev.Event) -> int:
    """The time to which the state is advanced before the event is handled; a restart's downtime is not lived through."""
    if isinstance(event, ev.Resume):
        return state.clock.t_ns
    return event.ts_ns


def asks(event: ev.Event) -> bool:
    """Whether this event leaves the state as time alone has made it."""
    return type(event) in ASKING


def causes(event: ev.Event) -> tuple[Cause, ...]:
    """The cause for which this event trips the latch, if it does."""
    if isinstance(event, ev.Kill):
        return (Cause.OPERATOR,)
    if isinstance(event, ev.Fault):
        return (event.cause,)
    return ()
