"""The theorems of the design over random event sequences, hostile values and steps back in time included."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dolphin.kernel import confidence, machine, sizer, survival, timing, units
from dolphin.kernel import events as ev
from dolphin.kernel.policy import INTRADAY, UPWARD_GAP_MS, Policy, Posture
from dolphin.kernel.reasons import Reason
from dolphin.kernel.state import FeedKind, Mode, State
from dolphin.kernel.timing import policy_ms
from dolphin.kernel.units import BP, FULL_MS, MICRO, MS_PER_BP, NS_PER_MS, NS_PER_S
from tests.kernel import strategies as sq

ROOT = Path(__file__).resolve().parents[2]
big = st.integers(-(10**24), 10**24) | st.integers(-200_000, 7_000_000)


@pytest.mark.req("DOL-FILTER-003", "DOL-POSTURE-005", "DOL-FILTER-002")
@given(sq.randoms, sq.policies)
def test_every_event_leaves_a_state_in_range_and_none_raises(rng: Random, policy: Policy) -> None:
    state, events = sq.sequence(rng, policy, 25)
    sq.check(policy, state)
    for one in events:
        before = state
        state, effects = machine.step(policy, state, one)
        sq.check(policy, state)
        assert state.clock.t_ns >= before.clock.t_ns
        # Up-slope: at most one millisecond a policy millisecond.
        anchor_ns = state.clock.anchor_ns
        lived_ms = policy_ms(policy.profile, state.clock.t_ns - anchor_ns)
        lived_ms -= policy_ms(policy.profile, before.clock.t_ns - anchor_ns)
        assert state.filter.confidence_ms - before.filter.confidence_ms <= lived_ms
        if any(isinstance(effect, ev.Tripped) for effect in effects):
            assert (state.filter.confidence_ms, state.filter.posture) == (0, Posture.HIBERNATE)


@pytest.mark.req("DOL-FILTER-002", "DOL-FILTER-004")
@given(big, st.integers(0, BP), big, st.integers(0, BP))
def test_the_filter_is_monotone_and_rises_by_at_most_the_time(c_ms: int, r_bp: int, dt_ms: int, other_bp: int) -> None:
    worse_bp = min(r_bp, other_bp)
    assert confidence.earn(c_ms, worse_bp, dt_ms) <= confidence.earn(c_ms, r_bp, dt_ms)
    assert confidence.cut(c_ms, worse_bp) <= confidence.cut(c_ms, r_bp)
    assert confidence.earn(c_ms, r_bp, dt_ms) <= c_ms + max(dt_ms, 0)
    assert confidence.cut(c_ms, r_bp) == min(c_ms, MS_PER_BP * r_bp)


@pytest.mark.req("DOL-FILTER-005")
@given(st.integers(0, FULL_MS), st.integers(0, FULL_MS), st.integers(0, BP), st.integers(-10, FULL_MS))
def test_one_turn_of_the_filter_is_non_expansive(a_ms: int, b_ms: int, r_bp: int, dt_ms: int) -> None:
    apart = abs(a_ms - b_ms)
    assert abs(confidence.earn(a_ms, r_bp, dt_ms) - confidence.earn(b_ms, r_bp, dt_ms)) <= apart
    assert abs(confidence.cut(a_ms, r_bp) - confidence.cut(b_ms, r_bp)) <= apart


@pytest.mark.req("DOL-FILTER-005")
@given(sq.randoms, sq.policies, st.integers(0, FULL_MS))
def test_the_same_events_never_move_two_states_further_apart(rng: Random, policy: Policy, c_ms: int) -> None:
    state, events = sq.sequence(rng, policy, 20)
    other = state._replace(filter=state.filter._replace(confidence_ms=c_ms))
    other, _ = machine._reread(policy, other)
    for one in events:
        apart = abs(state.filter.confidence_ms - other.filter.confidence_ms)
        state, _ = machine.step(policy, state, one)
        other, _ = machine.step(policy, other, one)
        assert abs(state.filter.confidence_ms - other.filter.confidence_ms) <= apart


@pytest.mark.req("DOL-TIME-002")
@given(sq.randoms, sq.policies)
def test_asking_more_often_changes_neither_state_nor_effects(rng: Random, policy: Policy) -> None:
    state, events = sq.sequence(rng, policy, 20)
    asked, told, told_asked = state, [], []
    for one in events:
        t_ns = asked.clock.t_ns
        # A restart's downtime is not lived through: nobody asks then.
        if not isinstance(one, ev.Resume):
            between = sorted(rng.randint(t_ns, max(one.ts_ns, t_ns)) for _ in range(rng.randint(0, 3)))
            for tick_ns in between:
                if tick_ns <= max(one.ts_ns, t_ns):
                    asked, more = machine.step(policy, asked, ev.Tick(tick_ns))
                    told_asked += more
        state, more = machine.step(policy, state, one)
        told += more
        asked, more = machine.step(policy, asked, one)
        told_asked += more
        if one.ts_ns < t_ns - NS_PER_S:
            return  # how far the clock stepped back depends on who looked last
        assert state == asked
        assert told == told_asked


@pytest.mark.req("DOL-TIME-002")
@given(sq.randoms, sq.policies)
def test_the_short_way_of_a_reading_says_what_the_whole_one_says(rng: Random, policy: Policy) -> None:
    state, events = sq.sequence(rng, policy, 25, sq.READINGS if rng.randint(0, 1) else sq.ALL)
    for one in events:
        before = state
        state, effects = machine.step(policy, before, one)
        if type(one) in machine._SHORT and one.ts_ns >= before.clock.t_ns - NS_PER_S:
            there, on_the_way = machine.advance(policy, before, one.ts_ns)
            whole, more = machine.whole(policy, there, one)
            assert repr((state, effects)) == repr((whole, on_the_way + more))


@pytest.mark.req("DOL-TIME-002", "DOL-SENSE-003")
@given(sq.randoms, sq.policies)
def test_a_plan_is_the_least_of_what_each_feed_adds(rng: Random, policy: Policy) -> None:
    state, events = sq.sequence(rng, policy, 15)
    for one in events:
        state, _ = machine.step(policy, state, one)
        t_ns, feeds = state.clock.t_ns, state.feeds
        errors = (state.capital.error_ns, state.environment.envelope_error_ns, state.environment.shock_error_ns)
        plan = machine.replanned(policy, state).plan
        deadlines = [timing.error_deadline_ns(error_ns, t_ns) for error_ns in errors]
        assert plan.deadline_ns == min(deadlines + [timing.feed_deadline_ns(feed, t_ns) for feed in feeds])
        assert plan.credit_ns == min(timing.feed_credit_ns(feed, state.clock.start_ns) for feed in feeds)
        assert plan.r3_bp == min([BP] + [timing.instrument_bp(feed, t_ns) for feed in feeds if feed.counted == 1])
        assert plan.lost == max(timing.heartbeat_lost(feed, t_ns) for feed in feeds)


@pytest.mark.req("DOL-POSTURE-002")
@given(sq.randoms, st.sampled_from(sq.POLICIES[:2]))
def test_two_upward_entries_into_a_posture_are_420000_credited_ms_apart(rng: Random, policy: Policy) -> None:
    state = machine.start(policy, sq.T0, (FeedKind.DATA,), confidence_ms=rng.randint(0, FULL_MS))
    state, _ = machine.step(policy, state, ev.Counted(sq.T0, 0, 1))
    credited = 0
    entered: dict[Posture, int] = {}
    real_ns = NS_PER_MS * (1_440 if policy.profile else 1)
    for _ in range(60):
        t_ns = state.clock.t_ns + rng.choice((1, 5_000, 60_000, 200_000, 419_999, 420_000, 700_000)) * real_ns
        # Good sensing until then, so that all of the time is credited; then one reading that may cut.
        state, _ = machine.step(policy, state, ev.Seen(state.clock.t_ns, 0, t_ns, state.feeds[0].r3_bp))
        while state.clock.t_ns < t_ns:
            stop_ns = machine.next_stop(state, t_ns)
            credited += machine.credited_ms(policy, state, stop_ns)
            state, effects = machine.visit(policy, state, stop_ns)
            for one in effects:
                if isinstance(one, ev.Moved) and one.after < one.before:
                    if one.after in entered:
                        assert credited - entered[one.after] >= UPWARD_GAP_MS
                    entered[one.after] = credited
        r3_bp = rng.choice((BP, BP, 9_300, 8_400, 4_100, 3_299, 2_000))
        state, _ = machine.step(policy, state, ev.Seen(t_ns, 0, t_ns + 10**18, r3_bp))


@pytest.mark.req("DOL-FILTER-004")
@given(sq.randoms, sq.policies, st.sampled_from(["r3", "shock"]))
def test_a_worse_reading_never_gives_more_confidence(rng: Random, policy: Policy, kind: str) -> None:
    kinds = tuple(kind for kind in sq.READINGS if kind is not ev.Counted) + sq.QUESTIONS
    state, events = sq.sequence(rng, policy, 20, kinds)
    place = rng.randrange(len(events))
    worse = copy.copy(events)
    one = events[place]
    if kind == "r3" and isinstance(one, ev.Seen) and 2_000 <= one.r3_bp <= BP:
        worse[place] = one._replace(r3_bp=rng.randint(2_000, one.r3_bp))
    else:
        worse.insert(place, ev.Shock(one.ts_ns))
        events = copy.copy(events)
        events.insert(place, ev.Tick(one.ts_ns))
    good = bad = state
    for left, right in zip(events, worse, strict=True):
        good, _ = machine.step(policy, good, left)
        bad, _ = machine.step(policy, bad, right)
        if (left.ts_ns, isinstance(right, ev.Shock)) == (right.ts_ns, isinstance(left, ev.Shock)):
            assert bad.filter.confidence_ms <= good.filter.confidence_ms
            assert bad.filter.posture >= good.filter.posture


def _bad(rng: Random, t_ns: int) -> ev.Event:
    """A time fault or a bad number."""
    return rng.choice(
        (
            ev.Seen(t_ns, rng.randint(0, 4), sq.due(rng, t_ns), rng.choice((BP, 2_000)), error=1),
            ev.Seen(t_ns, rng.randint(0, 4), sq.due(rng, t_ns), rng.choice((-1, 1_999, BP + 1, 10**30))),
            ev.SensorError(t_ns, rng.choice((2, 4)), 1),
            ev.Equity(t_ns, rng.choice(sq.HOSTILE), error=1),
            ev.Tick(t_ns - 1),
            ev.Tick(t_ns - 2 * NS_PER_S),
            ev.Order(t_ns - 3 * NS_PER_S, *(0,) * 16),
        )
    )


@pytest.mark.req("DOL-SENSE-002", "DOL-TIME-003")
@given(sq.randoms, sq.policies)
def test_a_time_fault_or_a_bad_number_never_raises_confidence(rng: Random, policy: Policy) -> None:
    state, events = sq.sequence(rng, policy, 20, sq.READINGS + sq.QUESTIONS, back=False)
    place = rng.randrange(len(events))
    without = with_ = state
    for index, one in enumerate(events):
        if index == place:
            with_, _ = machine.step(policy, with_, _bad(rng, with_.clock.t_ns))
            assert with_.filter.confidence_ms <= without.filter.confidence_ms
        without, _ = machine.step(policy, without, one)
        with_, _ = machine.step(policy, with_, one)
        assert with_.filter.confidence_ms <= without.filter.confidence_ms
        assert with_.filter.posture >= without.filter.posture


@pytest.mark.req("DOL-ORDER-001", "DOL-ORDER-002", "DOL-ORDER-007", "DOL-KILL-002", "DOL-POSTURE-003", "DOL-LIMIT-001")
@given(sq.randoms, sq.policies)
def test_no_accepted_order_leaves_leverage_above_the_allowed(rng: Random, policy: Policy) -> None:
    state, events = sq.sequence(rng, policy, 8)
    if rng.randint(0, 2):
        state = _healthy(policy)
        events = []
    state, _ = sq.fold(policy, state, events)
    for _ in range(12):
        order = sq.order(rng, state.clock.t_ns)
        after, (*_, verdict) = machine.step(policy, state, order)
        assert after == state
        assert isinstance(verdict, ev.Verdict)
        assert 0 <= verdict.exit_lots <= verdict.lots <= max(order.lots, 0)
        assert 0 <= verdict.cancel_lots <= max(order.resting_lots, 0)
        opposed = order.named == 1 and order.side * order.position_lots < 0
        assert verdict.exit_lots <= (abs(order.position_lots) if opposed else 0)
        entering = verdict.lots - verdict.exit_lots
        if entering == 0:
            continue
        assert state.latch.mode == Mode.RUNNING
        assert state.filter.posture < Posture.TURTLE
        ceiling_bp = policy.apex_entry_bp if state.filter.posture == Posture.APEX else policy.stalker_entry_bp
        share = Fraction(state.filter.confidence_ms, FULL_MS)
        assert verdict.allowed_bp <= min(Fraction(ceiling_bp), share * min(max(order.l_raw_bp, 0), 60_000))
        freed = Fraction(verdict.exit_lots * order.value_u, MICRO) if order.taking == 1 else Fraction(0)
        exposure = max(max(order.gross, 0) - freed, Fraction(0)) + max(order.working, 0)
        exposure += Fraction(entering * order.value_u, MICRO)
        assert exposure * BP <= order.equity * verdict.allowed_bp
        assert order.cap_lots == -1 or entering <= max(order.cap_lots, 0)


def _healthy(policy: Policy) -> State:
    state = machine.start(policy, sq.T0, (FeedKind.DATA,) * 5)
    for feed in range(5):
        state, _ = machine.step(policy, state, ev.Seen(sq.T0, feed, sq.T0 + 10**15))
    return state


@pytest.mark.req("DOL-EXIT-001")
@given(sq.randoms, sq.policies)
def test_a_truly_reducing_order_passes_whole_in_every_state(rng: Random, policy: Policy) -> None:
    state, events = sq.sequence(rng, policy, 10)
    for one in events:
        state, _ = machine.step(policy, state, one)
        order = sq.exit_order(rng, state.clock.t_ns)
        _, (*_, verdict) = machine.step(policy, state, order)
        assert isinstance(verdict, ev.Verdict)
        assert (verdict.lots, verdict.exit_lots, verdict.reason) == (order.lots, order.lots, Reason.REDUCING)


@pytest.mark.req("DOL-FILTER-006")
@settings(max_examples=3)
@given(sq.randoms, sq.policies)
def test_a_hundred_nominal_minutes_lead_to_apex(rng: Random, policy: Policy) -> None:
    state, events = sq.sequence(rng, policy, 15)
    state, _ = sq.fold(policy, state, events)
    t_ns, tick_ns = state.clock.t_ns, NS_PER_MS * (1_440 if policy.profile else 1)
    due_ns = t_ns + 10**9 * NS_PER_S
    good = [ev.Seen(t_ns, feed, due_ns) for feed in range(5)]
    good += [ev.SensorError(t_ns, 2, 0), ev.SensorError(t_ns, 4, 0), ev.Equity(t_ns, 10**40, stood=1)]
    state, _ = sq.fold(policy, state, good)
    if state.latch.mode != Mode.RUNNING:
        if state.latch.mode == Mode.KILLED:
            state, effects = machine.step(policy, state, ev.Arm(t_ns, state.latch.episode, 9, 1, 0))
            assert effects == (ev.Answer(Reason.ARMED),)
        t_ns += 61 * NS_PER_S
        state, effects = machine.step(policy, state, ev.Confirm(t_ns, state.latch.nonce, 0))
        assert effects[-1] == ev.Answer(Reason.CONFIRMED)
    state, _ = machine.step(policy, state, ev.Tick(t_ns + FULL_MS * tick_ns))
    assert state.filter.confidence_ms == FULL_MS
    assert state.filter.posture == Posture.APEX


@pytest.mark.req("DOL-FILTER-001")
@given(st.lists(st.integers(0, BP), min_size=5, max_size=5))
def test_the_product_of_the_five_is_floored_after_each_factor(readings: list[int]) -> None:
    product = BP
    for one in readings:
        product = units.scale(product, one)
    assert survival.r_total(*readings) == product


@pytest.mark.req("DOL-FILTER-010", "DOL-SIZE-001")
@given(big, big, big, big)
def test_integer_results_are_at_most_the_real_ones(a: int, b: int, c: int, d: int) -> None:
    share = Fraction(min(max(a, 0), FULL_MS), FULL_MS)
    raw = Fraction(min(max(b, 0), 60_000))
    assert 0 <= sizer.share_of(a, b) <= share * raw
    assert sizer.limit(a, b) <= max(Fraction(a * b, BP), Fraction(0))
    lots = sizer.fit(c, d)
    assert lots == 0 or Fraction(lots * d, MICRO) <= c
    target = sizer.target_lots(INTRADAY, Posture.STALKER, a, c, d, b)
    assert target == 0 or Fraction(target * d, MICRO) <= c * min(Fraction(2), share * raw / BP)
    assert units.notional(a, b) >= Fraction(a * b, MICRO) > units.notional(a, b) - 1


@pytest.mark.req("DOL-SIZE-002")
def test_raw_leverage_is_clipped_and_zero_without_a_sample() -> None:
    assert sizer.l_raw(5_000, 4, 1, 60, 60) == 20_000
    assert sizer.l_raw(5_000, 400, 1, 60, 60) == 60_000
    assert sizer.l_raw(5_000, 4, 1, 59, 60) == 0
    assert sizer.l_raw(5_000, 4, 0, 60, 60) == 0
    assert sizer.l_raw(5_000, -4, 1, 60, 60) == 0
    assert INTRADAY.l_raw_bp == 60_000


@pytest.mark.req("DOL-JOURNAL-008")
def test_the_same_corpus_gives_the_same_hash_without_contracts() -> None:
    """In two other processes, contracts off, under other hash seeds: the state is the fold of the events."""
    here = sq.corpus(range(5))
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", "from tests.kernel import strategies; print(strategies.corpus(range(5)))"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "PYTHONHASHSEED": seed, "DOLPHIN_CONTRACTS": ""},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == here
