"""Event sequences for the properties of the kernel, hostile values included, and the folds that the tests share.

A sequence is drawn from a `random.Random`: hypothesis hands one that it can shrink, `corpus` a seeded one, so that the
same sequences run with contracts on and off and on every supported Python.
"""

from __future__ import annotations

import hashlib
import sys
from random import Random
from typing import Any

from hypothesis import strategies as st

from dolphin.kernel import events as ev
from dolphin.kernel import machine
from dolphin.kernel.policy import DAILY, INTRADAY, Hibernate, Policy, Posture
from dolphin.kernel.posture import fallen, risen
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import FeedKind, Mode, State
from dolphin.kernel.timing import policy_ms
from dolphin.kernel.units import BP, FULL_MS, MS_PER_BP, NEVER_NS, NS_PER_MS, NS_PER_S

T0 = 1_700_000_000 * NS_PER_S
FEEDS = (FeedKind.HEARTBEAT, FeedKind.DATA, FeedKind.DATA, FeedKind.ENVELOPE, FeedKind.ENVIRONMENT)
POLICIES = (
    INTRADAY,
    DAILY,
    INTRADAY._replace(hibernate=Hibernate.GLIDE, l_raw_bp=30_000),
    INTRADAY._replace(hibernate=Hibernate.HOLD, trim=0),
    DAILY._replace(rebase_trapped_ns=0, rebase_gap_ns=0),
)
HOSTILE = (-(10**30), -(10**18), -NS_PER_S, -1, 0, 1, 2, 3, 1_999, BP, BP + 1, 10**9, 10**18, 10**30)
STEPS_NS = (
    0, 0, 1, NS_PER_MS, 200 * NS_PER_MS, NS_PER_S, 1_500 * NS_PER_MS, 9_999 * NS_PER_MS, 10 * NS_PER_S,
    10 * NS_PER_S + 1, 30 * NS_PER_S, 60 * NS_PER_S, 61 * NS_PER_S,
)  # fmt: skip
BACK_NS = (-NS_PER_MS, -NS_PER_S, -NS_PER_S - 1, -2 * NS_PER_S, -(10**30))
READINGS = (ev.Tick, ev.Seen, ev.Seen, ev.Counted, ev.Shock, ev.SensorError, ev.Equity, ev.Equity, ev.Flow)
QUESTIONS = (ev.Order, ev.Order, ev.Reduce)
ALL = tuple(ev.EVENTS.values()) + READINGS + QUESTIONS * 3

randoms = st.randoms(use_true_random=False)
policies = st.sampled_from(POLICIES)


def integer(rng: Random, low: int, high: int) -> int:
    """A plausible integer; one time in eight a hostile one."""
    if rng.randint(0, 7) == 5:
        return rng.choice(HOSTILE)
    return rng.randint(low, high)


def flag(rng: Random) -> int:
    return rng.choice((0, 0, 1, 1, 1, integer(rng, 0, 1)))


def due(rng: Random, t_ns: int) -> int:
    kind = rng.randint(0, 19)
    if kind == 0:
        return rng.choice(HOSTILE)
    if kind == 1:
        return NEVER_NS
    if kind == 2:
        return t_ns - rng.choice((1, NS_PER_S, 10 * NS_PER_S, 100 * NS_PER_S))
    return t_ns + rng.choice((NS_PER_S, 5 * NS_PER_S, 60 * NS_PER_S, 3_600 * NS_PER_S))


def order(rng: Random, t_ns: int) -> ev.Order:
    return ev.Order(
        t_ns, integer(rng, 0, 4), rng.choice((1, -1, 1, -1, 0, -7)), integer(rng, 0, 30), rng.choice((0, 1, 1, 2, 9)),
        rng.choice((1, 1, 1, 1, 0, 5)), rng.choice((0, 0, 0, 0, 1, 5)), rng.choice((0, 0, 1, 3)),
        integer(rng, -20, 20), integer(rng, 0, 20),
        rng.choice((0, 0, 0, integer(rng, 0, 9))), integer(rng, 0, 3), integer(rng, 0, 5 * 10**9),
        integer(rng, 0, 10**5), integer(rng, 0, 10**4), integer(rng, 0, 10**5), integer(rng, 0, 60_000),
        rng.choice((0, 0, integer(rng, 0, 20))), rng.choice((-1, -1, -1, integer(rng, 0, 20))), integer(rng, 0, 25),
    )  # fmt: skip


def exit_order(rng: Random, t_ns: int) -> ev.Order:
    """A truly reducing order that executes at once: it must pass whole, whatever the state and the other readings."""
    position = rng.choice((1, -1)) * rng.choice((1, 2, 7, 10**6, 10**30))
    own = rng.choice((0, 0, rng.randint(0, abs(position) - 1), -3))
    most = abs(position) - max(own, 0)
    leaving = rng.choice((0, 0, rng.randint(0, most - 1), -3))
    lots = rng.randint(1, most - max(leaving, 0))
    return order(rng, t_ns)._replace(
        side=-1 if position > 0 else 1, lots=lots, taking=1, named=1, position_lots=position, own_lots=own,
        leaving_lots=leaving,
    )  # fmt: skip


def event(rng: Random, kind: type, t_ns: int, state: State) -> ev.Event:
    """One event of a kind. Operators' requests are mostly the right ones, so that the latch is left again."""
    latch = state.latch
    made: dict[type, Any] = {
        ev.Tick: lambda: ev.Tick(t_ns),
        ev.Seen: lambda: ev.Seen(
            t_ns, integer(rng, 0, 4), due(rng, t_ns), integer(rng, 1_900, BP), rng.choice((0,) * 9 + (1, 7))
        ),
        ev.Counted: lambda: ev.Counted(t_ns, integer(rng, 0, 4), flag(rng)),
        ev.Shock: lambda: ev.Shock(t_ns),
        ev.SensorError: lambda: ev.SensorError(t_ns, rng.choice((2, 4, 2, 4, 0, 9)), rng.choice((0, 0, 0, 1, 5))),
        ev.Equity: lambda: ev.Equity(
            t_ns, integer(rng, 80_000, 120_000), integer(rng, 0, 700_000), flag(rng), flag(rng),
            rng.choice((0, 0, 0, 0, 1, 7)),
        ),
        ev.Flow: lambda: ev.Flow(t_ns, integer(rng, -50_000, 50_000)),
        ev.Fault: lambda: ev.Fault(t_ns, rng.choice(tuple(Cause))),
        ev.Kill: lambda: ev.Kill(t_ns),
        ev.Arm: lambda: ev.Arm(
            t_ns, rng.choice((latch.episode, latch.episode, 7)), 77, flag(rng), flag(rng), rng.choice((-1, 0, 5, 6))
        ),
        ev.Confirm: lambda: ev.Confirm(t_ns, rng.choice((77, 77, 77, 78)), rng.choice((-1, 0, 0, latch.kept, 6))),
        ev.RebaseArm: lambda: ev.RebaseArm(t_ns, 5),
        ev.RebaseConfirm: lambda: ev.RebaseConfirm(t_ns, rng.choice((5, 5, 6))),
        ev.Resume: lambda: ev.Resume(t_ns),
        ev.Order: lambda: order(rng, t_ns),
        ev.Reduce: lambda: ev.Reduce(
            t_ns, integer(rng, 0, 4), integer(rng, -20, 20), rng.choice((0, 0, integer(rng, 0, 9))),
            integer(rng, 0, 5 * 10**9), integer(rng, 0, 10**6), integer(rng, 0, 10**5), integer(rng, 0, 60_000),
            flag(rng), rng.choice((-1, t_ns, t_ns - 60 * NS_PER_S, integer(rng, 0, 9))), rng.choice((0, 1, 1, 2, 8)),
        ),
    }  # fmt: skip
    made_event: ev.Event = made[kind]()
    return made_event


def sequence(
    rng: Random, policy: Policy, count: int, kinds: tuple[type, ...] = ALL, *, back: bool = True
) -> tuple[State, list[ev.Event]]:
    """A first state and `count` events, of which operators' requests look at the state they meet."""
    state = first = begun(rng, policy)
    found: list[ev.Event] = []
    jumps = 1  # a visit costs half a millisecond with contracts on, and a jump up to nine hundred of them
    scale = rng.choice((1, 1, 1_440)) if policy.profile else 1
    for _ in range(count):
        t_ns = state.clock.t_ns + rng.choice(STEPS_NS) * scale
        if jumps and rng.randint(0, 40) == 17:
            t_ns += 900 * NS_PER_S
            jumps = 0
        if back and rng.randint(0, 20) == 13:
            t_ns = state.clock.t_ns + rng.choice(BACK_NS)
        found.append(event(rng, rng.choice(kinds), t_ns, state))
        state, _ = machine.step(policy, state, found[-1])
    return first, found


def begun(rng: Random, policy: Policy) -> State:
    """A first state; one time in two with every feed heard, so that there is something to lose."""
    state = machine.start(
        policy,
        T0 + rng.choice((0, 1, 999_999, 123_456_789)),
        FEEDS,
        confidence_ms=rng.choice((FULL_MS, FULL_MS, 0, 3_000_000, -5, 10**9)),
        envelope=rng.choice((True, False)),
        anchor_ns=rng.choice((-1, T0 - 86_400 * NS_PER_S, T0 + NS_PER_S)),
    )
    if rng.randint(0, 1):
        for feed in range(len(FEEDS)):
            later_ns = state.clock.t_ns + 3_600 * NS_PER_S
            state, _ = machine.step(policy, state, ev.Seen(state.clock.t_ns, feed, later_ns))
    return state


def fold(policy: Policy, state: State, events: list[ev.Event]) -> tuple[State, list[ev.Effect]]:
    """The state after all events, and all effects."""
    effects: list[ev.Effect] = []
    for one in events:
        state, more = machine.step(policy, state, one)
        effects += more
    return state, effects


def check(policy: Policy, state: State) -> None:
    """What is true of every state that can be reached."""
    book = state.filter
    assert 0 <= book.confidence_ms <= FULL_MS
    assert 0 <= book.held_bp <= BP
    assert book.confidence_ms <= MS_PER_BP * book.held_bp
    assert fallen(book.confidence_ms) <= book.posture <= risen(book.confidence_ms)
    assert book.fell in (0, 1)
    assert not (book.fell and book.posture != Posture.HIBERNATE)
    assert all(0 <= reading <= BP for reading in state.readings)
    assert (state.readings.r1_bp == BP) == (state.latch.mode == Mode.RUNNING)
    assert all(2_000 <= feed.r3_bp <= BP for feed in state.feeds)
    assert state.plan.stop_ns > state.clock.t_ns
    if state.latch.mode != Mode.RUNNING:
        assert (book.confidence_ms, book.posture) == (0, Posture.HIBERNATE)
    capital = state.capital
    assert 0 <= capital.drawdown_bp <= BP
    assert list(capital.pending) == sorted(capital.pending)
    assert policy_ms(policy.profile, state.clock.t_ns - state.clock.anchor_ns) is not None


def corpus(seeds: range, count: int = 30) -> str:
    """The hash of every state and effect of seeded sequences: equal wherever and however the kernel runs."""
    digest = hashlib.sha256()
    for seed in seeds:
        rng = Random(seed)
        policy = POLICIES[seed % len(POLICIES)]
        state, events = sequence(rng, policy, count)
        for one in events:
            state, effects = machine.step(policy, state, one)
            digest.update(repr((state, effects)).encode())
    return digest.hexdigest()


if __name__ == "__main__":  # pragma: no cover
    print(corpus(range(int(sys.argv[1]))))
