"""The machine event by event: time, deadlines, sensors, the latch and its re-arm, restarts."""

from __future__ import annotations

from typing import Any

import pytest

from dolphin.kernel import events as ev
from dolphin.kernel import handlers, killswitch, machine, posture, sensing, timing, units
from dolphin.kernel.policy import DAILY, DAY_NS, INTRADAY, Policy, Posture, Profile
from dolphin.kernel.reasons import REQUIREMENT, Cause, Reason
from dolphin.kernel.state import FeedKind, Filter, Latch, Mode, Outcome, State, outcome
from dolphin.kernel.units import ABSENT, BP, FULL_MS, NEVER_NS, NS_PER_MS, NS_PER_S
from tests.kernel.strategies import T0

LATER = T0 + 10**6 * NS_PER_S
NONCE = 4_711


def at(seconds: float) -> int:
    return T0 + round(seconds * 1_000) * NS_PER_MS


def book(*kinds: FeedKind, due_ns: int = LATER, **start: Any) -> State:
    """A book all of whose feeds have been heard and are next due much later."""
    state = machine.start(INTRADAY, T0, kinds, **start)
    for feed in range(len(kinds)):
        state, _ = machine.step(INTRADAY, state, ev.Seen(T0, feed, due_ns))
    return state


def do(state: State, *events: ev.Event) -> tuple[State, list[ev.Effect]]:
    effects: list[ev.Effect] = []
    for one in events:
        state, more = machine.step(INTRADAY, state, one)
        effects += more
    return state, effects


def killed(*kinds: FeedKind) -> State:
    state, _ = do(book(*kinds), ev.Kill(T0))
    return state


# --- Time -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-TIME-003")
@pytest.mark.parametrize(
    ("back_ns", "cause"),
    [
        (NS_PER_MS, None),
        (NS_PER_S, None),
        (NS_PER_S + 1, Cause.CLOCK_REGRESSION),
        (2 * NS_PER_S, Cause.CLOCK_REGRESSION),
    ],
)
@pytest.mark.parametrize("kind", [ev.Tick, ev.Shock])
def test_a_step_back_of_up_to_a_second_is_judged_at_the_latest_time(back_ns, cause, kind) -> None:
    state, _ = do(book(), ev.Tick(at(10)))
    state, effects = do(state, kind(at(10) - back_ns))
    assert state.clock.t_ns == at(10)
    assert [one.cause for one in effects if isinstance(one, ev.Tripped)] == ([cause] if cause else [])
    assert (state.latch.mode == Mode.KILLED) == bool(cause)


@pytest.mark.req("DOL-TIME-004", "DOL-TIME-006")
def test_a_jump_forward_of_two_hours_earns_no_more_than_the_feeds_allow() -> None:
    state, effects = do(book(FeedKind.DATA, due_ns=at(1), confidence_ms=0), ev.Tick(at(7_200)))
    assert state.filter.confidence_ms == 11_000
    assert not [one for one in effects if isinstance(one, ev.Tripped)]
    state, effects = do(book(FeedKind.HEARTBEAT, due_ns=at(1)), ev.Tick(at(7_200)))
    assert ev.Tripped(at(11), Cause.HEARTBEAT, 1) in effects


@pytest.mark.req("DOL-TIME-005")
def test_a_heartbeat_that_comes_at_its_deadline_finds_the_fault_latched() -> None:
    for late, tripped in ((10.999, False), (11, True), (11.001, True)):
        state, effects = do(book(FeedKind.HEARTBEAT, due_ns=at(1)), ev.Seen(at(late), 0, at(60)))
        assert (state.latch.mode == Mode.KILLED) is tripped
        if tripped:
            assert effects[0] == ev.Tripped(at(11), Cause.HEARTBEAT, 1)
            assert state.plan.lost == 0


@pytest.mark.req("DOL-TIME-005")
def test_a_heartbeat_that_says_it_was_due_long_ago_is_lost_at_once() -> None:
    state, effects = do(book(FeedKind.HEARTBEAT), ev.Seen(at(20), 0, at(10)))
    assert effects[0] == ev.Tripped(at(20), Cause.HEARTBEAT, 1)
    assert not handlers.green(state)


@pytest.mark.req("DOL-TIME-001")
def test_policy_time_is_a_difference_of_floors() -> None:
    state = machine.start(INTRADAY, T0, (), confidence_ms=0, anchor_ns=T0 - 1)
    state, _ = do(state, ev.Tick(T0 + NS_PER_MS - 2), ev.Tick(T0 + NS_PER_MS - 1))
    assert state.filter.confidence_ms == 1
    for profile in Profile:
        for ms in (-5, -1, 0, 1, 10**12):
            assert timing.policy_ms(profile, timing.since_ns(profile, ms)) == ms
            assert timing.policy_ms(profile, timing.since_ns(profile, ms) - 1) == ms - 1


@pytest.mark.req("DOL-TIME-007")
def test_where_a_run_starts() -> None:
    assert machine.start(INTRADAY, T0, ()).filter == Filter(FULL_MS, Posture.APEX, BP, 0)
    live = machine.start(INTRADAY, T0, (FeedKind.DATA,), confidence_ms=0)
    assert live.filter == Filter(0, Posture.HIBERNATE, BP, 0)
    live, _ = do(live, ev.Tick(at(100)))
    assert live.filter.confidence_ms == 0, "silent since the start: nothing is earned"
    before = machine.start(INTRADAY, T0, (), envelope=True, anchor_ns=T0 + NS_PER_MS)
    assert before.environment.envelope_due_ms not in (ABSENT, 0)


@pytest.mark.req("DOL-TIME-007")
def test_downtime_earns_and_trips_nothing_and_every_feed_must_speak_again() -> None:
    state = book(FeedKind.HEARTBEAT, FeedKind.DATA, due_ns=at(5), confidence_ms=1_000)
    state, effects = do(state, ev.Equity(T0, 10), ev.Equity(T0, 0, error=1), ev.Resume(at(3_600)))
    assert not [one for one in effects if isinstance(one, ev.Tripped)]
    assert state.filter.confidence_ms == 1_000
    assert state.clock.start_ns == state.clock.t_ns == at(3_600)
    assert [feed.heard for feed in state.feeds] == [0, 0]
    assert state.capital.error_ns == ABSENT
    state, _ = do(state, ev.Seen(at(3_601), 0, LATER), ev.Tick(at(3_609)))
    assert state.filter.confidence_ms == 1_000, "one feed is still silent"
    state, _ = do(state, ev.Seen(at(3_609), 1, LATER), ev.Tick(at(3_610)))
    assert state.filter.confidence_ms == 2_000
    state, effects = do(state, ev.Resume(at(10)))
    assert state.latch.cause == Cause.CLOCK_REGRESSION


# --- Sensors --------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-SENSE-003")
def test_silence_of_an_instrument_is_stale_and_ramps_its_r3() -> None:
    state, _ = do(book(FeedKind.DATA, due_ns=at(1)), ev.Counted(T0, 0, 1))
    for seconds, stale, r3_bp in (
        (1.2, False, BP),
        (1.201, True, BP),
        (2, True, 9_346),
        (5.5, True, 6_897),
        (11, True, 2_000),
    ):
        now, effects = do(state, ev.Tick(at(seconds)))
        assert handlers.standing(now, 0).stale is stale
        assert now.readings.r3_bp == r3_bp
        assert not [one for one in effects if isinstance(one, ev.Tripped)]
    now, _ = do(state, ev.Tick(at(60)), ev.Counted(at(60), 0, 0))
    assert now.readings.r3_bp == BP, "no exposure: the book is not halted by it"
    assert handlers.standing(now, 0).instrument_bp == 2_000


@pytest.mark.req("DOL-SENSE-003")
@pytest.mark.parametrize("kind", [FeedKind.HEARTBEAT, FeedKind.ENVIRONMENT, FeedKind.ENVELOPE])
def test_whatever_feed_is_counted_its_silence_ramps_without_another_event(kind: FeedKind) -> None:
    state, _ = do(book(kind, due_ns=at(1)), ev.Counted(T0, 0, 1))
    for seconds, r3_bp in ((1.2, BP), (2, 9_346), (5.5, 6_897)):
        now, _ = do(state, ev.Tick(at(seconds)))
        assert now.readings.r3_bp == r3_bp


@pytest.mark.req("DOL-SENSE-007")
def test_the_books_r3_is_the_minimum_over_counted_instruments() -> None:
    state = book(FeedKind.DATA, FeedKind.DATA, FeedKind.DATA)
    state, _ = do(state, ev.Seen(T0, 0, LATER, 5_000), ev.Seen(T0, 1, LATER, 7_000), ev.Seen(T0, 2, LATER, 3_000))
    assert state.readings.r3_bp == BP
    state, _ = do(state, ev.Counted(T0, 0, 1), ev.Counted(T0, 1, 1))
    assert state.readings.r3_bp == 5_000
    assert handlers.standing(state, 2).instrument_bp == 3_000
    state, _ = do(state, ev.Counted(T0, 2, 5))
    assert state.readings.r3_bp == 3_000, "whatever is not 0 counts"


@pytest.mark.req("DOL-SENSE-004")
@pytest.mark.parametrize("bad", [{"error": 1}, {"error": 9}, {"r3_bp": -1}, {"r3_bp": 1_999}, {"r3_bp": BP + 1}])
def test_a_bad_reading_is_an_error_and_renews_nothing(bad) -> None:
    state, _ = do(book(FeedKind.DATA, due_ns=at(1)), ev.Counted(T0, 0, 1), ev.Seen(T0, 0, LATER, **bad))
    assert state.feeds[0].due_ns == at(1)
    assert handlers.standing(state, 0).instrument_error
    assert state.readings.r3_bp == 2_000
    assert state.filter.posture == Posture.TURTLE, "microstructure alone never ends in HIBERNATE"
    state, _ = do(state, ev.Seen(T0, 0, LATER))
    assert not handlers.standing(state, 0).instrument_error


@pytest.mark.req("DOL-SENSE-002")
def test_an_unreadable_envelope_ages_on_and_is_zero_after_ten_seconds_without_a_latch() -> None:
    state = book(FeedKind.ENVELOPE, due_ns=at(10))
    state, _ = do(state, ev.Seen(at(1), 0, LATER, error=1))
    assert state.environment.envelope_due_ms == 10_000
    assert handlers.standing(state, 0).unreadable
    before, _ = do(state, ev.Tick(at(10.999)))
    assert before.readings.r2_bp == BP
    after, effects = do(state, ev.Tick(at(11)))
    assert after.readings.r2_bp == 0
    assert after.latch.mode == Mode.RUNNING
    assert effects == [ev.Moved(at(11), Posture.APEX, Posture.HIBERNATE, 0)]
    after, _ = do(after, ev.Seen(at(12), 0, at(60)))
    assert after.readings.r2_bp == BP
    assert not handlers.standing(after, 0).unreadable


@pytest.mark.req("DOL-SENSE-002")
@pytest.mark.parametrize(("category", "field"), [(2, "r2_bp"), (4, "r4_bp")])
def test_a_sensor_error_of_ten_seconds_is_zero_without_a_latch(category: int, field: str) -> None:
    state = machine.start(INTRADAY, T0, (), envelope=True)
    state, _ = do(state, ev.SensorError(at(1), category, 1), ev.SensorError(at(5), category, 3), ev.Tick(at(10.999)))
    assert getattr(state.readings, field) == BP
    state, _ = do(state, ev.Tick(at(11)))
    assert getattr(state.readings, field) == 0
    assert state.latch.mode == Mode.RUNNING
    state, _ = do(state, ev.SensorError(at(12), category, 0))
    assert getattr(state.readings, field) == BP
    other, _ = do(state, ev.SensorError(at(12), 3, 1))
    assert other == state


@pytest.mark.req("DOL-SENSE-002")
def test_equity_unreadable_for_ten_seconds_trips_and_one_unpriced_sample_does_not() -> None:
    state, _ = do(book(), ev.Equity(T0, 100), ev.Equity(at(1), 0, gross=10**9, error=1))
    assert state.capital.equity == 100
    assert handlers.standing(state, 0).unreadable
    healed, effects = do(state, ev.Equity(at(5), 100), ev.Tick(at(60)))
    assert (healed.latch.mode, effects) == (Mode.RUNNING, [])
    tripped, effects = do(state, ev.Equity(at(9), 0, error=1), ev.Equity(at(11), 100))
    assert effects[0] == ev.Tripped(at(11), Cause.EQUITY_UNREADABLE, 1)
    assert tripped.latch.mode == Mode.KILLED


def test_an_envelope_due_before_the_anchor_is_old_and_not_absent() -> None:
    state, _ = do(book(FeedKind.ENVELOPE), ev.Seen(at(0), 0, T0 - NS_PER_MS))
    assert state.environment.envelope_due_ms == -2
    state, _ = do(state, ev.Seen(at(0), 0, -(10**30)))
    assert state.readings.r2_bp == 0
    assert state.plan.second_ns >= NEVER_NS, "nothing is left to fall"
    state, _ = do(state, ev.Seen(at(1), 0, at(100)), ev.Tick(at(140)))
    assert 9_000 < state.readings.r2_bp < BP


@pytest.mark.req("DOL-FILTER-008")
def test_shocks_do_not_stack() -> None:
    state, _ = do(book(), ev.Shock(T0), ev.Tick(at(180)))
    assert state.readings.r4_bp == 3_350
    state, _ = do(state, ev.Shock(at(180)))
    assert state.readings.r4_bp == 3_000
    state, _ = do(state, ev.Tick(at(360)))
    assert state.readings.r4_bp == 3_350


def test_unknown_feeds_and_kinds_change_nothing_and_admit_nothing() -> None:
    class Unheard:
        ts_ns = T0

    state = book(FeedKind.DATA)
    same, effects = do(state, ev.Seen(T0, -1, LATER), ev.Seen(T0, 1, LATER), ev.Counted(T0, 9, 1), Unheard())
    assert (same, effects) == (state, [])
    assert handlers.standing(state, 5)[4:7] == (True, True, 0)


# --- The latch ------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-KILL-001", "DOL-POSTURE-005")
@pytest.mark.parametrize("event", [ev.Kill(T0), *(ev.Fault(T0, cause) for cause in Cause)])
def test_a_kill_or_fault_latches_in_the_same_step_and_a_second_one_changes_nothing(event) -> None:
    state, effects = do(book(), event)
    cause = getattr(event, "cause", Cause.OPERATOR)
    assert effects == [ev.Tripped(T0, cause, 1), ev.Moved(T0, Posture.APEX, Posture.HIBERNATE, 0)]
    assert state.filter == Filter(0, Posture.HIBERNATE, 0, 1)
    assert state.readings.r1_bp == 0
    again, effects = do(state, ev.Kill(at(1)), ev.Tick(at(10**5)))
    assert (again.latch, again.filter, effects) == (state.latch, state.filter, [])


def armed(state: State, *, flat: int = 1, accepted: int = 0, holding: int = 0) -> State:
    state, effects = do(state, ev.Arm(state.clock.t_ns, state.latch.episode, NONCE, flat, accepted, holding))
    assert effects == [ev.Answer(Reason.ARMED)]
    return state


@pytest.mark.req("DOL-REARM-001", "DOL-EXIT-006")
def test_what_an_arm_request_needs() -> None:
    state = killed(FeedKind.DATA)
    assert do(book(), ev.Arm(T0, 0, NONCE, 1, 0))[1] == [ev.Answer(Reason.NOT_KILLED)]
    assert do(state, ev.Arm(T0, 2, NONCE, 1, 0))[1] == [ev.Answer(Reason.WRONG_EPISODE)]
    assert do(state, ev.Arm(T0, 1, NONCE, 0, 0))[1] == [ev.Answer(Reason.NOT_FLAT)]
    assert do(state, ev.Arm(T0, 1, NONCE, 2, 7))[1] == [ev.Answer(Reason.NOT_FLAT)], "unknown is never flat"
    assert armed(state).latch.mode == Mode.ARM_PENDING
    assert armed(state, flat=0, accepted=1).latch.mode == Mode.ARM_PENDING


@pytest.mark.req("DOL-REARM-002")
@pytest.mark.parametrize(
    "bad",
    [
        ev.Equity(at(1), 0, error=1), ev.SensorError(at(1), 2, 1), ev.SensorError(at(1), 4, 1),
        ev.Seen(at(1), 0, at(-30)), ev.Seen(at(1), 1, at(-30)),
    ],
)  # fmt: skip
def test_nothing_is_armed_or_confirmed_while_a_feed_or_an_invariant_is_not_green(bad) -> None:
    state = killed(FeedKind.HEARTBEAT, FeedKind.DATA)
    refused, _ = do(state, bad)
    assert do(refused, ev.Arm(at(2), refused.latch.episode, NONCE, 1, 0))[1] == [ev.Answer(Reason.NOT_GREEN)]
    if isinstance(bad, ev.Seen) and bad.feed == 0:
        return  # a heartbeat: another trip, below
    pending, _ = do(armed(state), bad._replace(ts_ns=at(61)))
    pending, effects = do(pending, ev.Confirm(at(61), NONCE, 0))
    assert effects == [ev.Answer(Reason.NOT_GREEN)]
    assert pending.latch.mode == Mode.ARM_PENDING


@pytest.mark.req("DOL-REARM-002", "DOL-REARM-003", "DOL-REARM-004")
def test_a_confirm_needs_its_nonce_and_a_minute_and_leads_to_zero() -> None:
    pending = armed(killed(FeedKind.DATA))
    assert do(killed(), ev.Confirm(at(61), NONCE, 0))[1] == [ev.Answer(Reason.NOT_PENDING)]
    assert do(pending, ev.Confirm(at(61), 1, 0))[1] == [ev.Answer(Reason.WRONG_NONCE)]
    early, effects = do(pending, ev.Confirm(at(59.999), NONCE, 0))
    assert effects == [ev.Answer(Reason.TOO_EARLY)]
    assert early.latch == pending.latch
    state, effects = do(early, ev.Confirm(at(60), NONCE, 0))
    assert effects == [ev.Answer(Reason.CONFIRMED)]
    assert state.latch == Latch(episode=1)
    assert (state.filter.confidence_ms, state.filter.posture, state.filter.held_bp) == (0, Posture.HIBERNATE, BP)


@pytest.mark.req("DOL-REARM-006")
@pytest.mark.parametrize(("policy", "days"), [(INTRADAY, 1), (DAILY, 30)])
def test_an_arm_request_lapses_to_the_nanosecond_and_only_a_new_one_can_be_confirmed(policy: Policy, days: int) -> None:
    life_ns = days * DAY_NS
    pending, _ = machine.step(policy, killed(), ev.Arm(T0, 1, NONCE, 1, 0, 0))
    _, effects = machine.step(policy, pending, ev.Confirm(T0 + life_ns - 1, NONCE, 0))
    assert effects == (ev.Answer(Reason.CONFIRMED),)
    late, effects = machine.step(policy, pending, ev.Confirm(T0 + life_ns, NONCE, 0))
    assert effects == (ev.Answer(Reason.LAPSED),)
    assert late.latch == pending.latch
    assert machine.step(policy, pending, ev.Confirm(T0 + 400 * DAY_NS, NONCE, 0))[1] == (ev.Answer(Reason.LAPSED),)
    anew, effects = machine.step(policy, late, ev.Arm(T0 + life_ns, 1, NONCE + 1, 1, 0, 0))
    assert effects == (ev.Answer(Reason.ARMED),)
    assert (anew.latch.episode, anew.latch.armed_ns, anew.latch.nonce) == (1, T0 + life_ns, NONCE + 1)
    soon_ns = T0 + life_ns + 60 * NS_PER_S
    assert machine.step(policy, anew, ev.Confirm(soon_ns, NONCE, 0))[1] == (ev.Answer(Reason.WRONG_NONCE),)
    assert machine.step(policy, anew, ev.Confirm(soon_ns - 1, NONCE + 1, 0))[1] == (ev.Answer(Reason.TOO_EARLY),)
    assert machine.step(policy, anew, ev.Confirm(soon_ns, NONCE + 1, 0))[1] == (ev.Answer(Reason.CONFIRMED),)


@pytest.mark.req("DOL-REARM-007")
@pytest.mark.parametrize(
    ("accepted", "before", "now", "reason"),
    [
        (0, 0, 0, Reason.CONFIRMED),
        (0, 0, 7, Reason.CHANGED),  # a late fill after `observed flat`
        (0, 0, -1, Reason.CHANGED),
        (0, 7, 7, Reason.CHANGED),  # nobody took it over
        (1, 7, 7, Reason.CONFIRMED),
        (1, 7, 0, Reason.CONFIRMED),  # it has gone since
        (1, 7, 8, Reason.CHANGED),
        (1, 7, -1, Reason.CHANGED),
        (1, -1, -1, Reason.CHANGED),  # unknown is not unchanged
        (1, -1, 0, Reason.CONFIRMED),
        (1, 0, 7, Reason.CHANGED),
        (1, -7, -7, Reason.CHANGED),
    ],
)
def test_a_confirm_looks_again_at_what_is_held(accepted: int, before: int, now: int, reason: Reason) -> None:
    pending = armed(killed(), accepted=accepted, holding=before)
    state, effects = do(pending, ev.Confirm(at(60), NONCE, now))
    assert effects == [ev.Answer(reason)]
    if reason == Reason.CHANGED:
        assert state.latch == pending.latch


@pytest.mark.req("DOL-REARM-001", "DOL-REARM-007")
def test_a_new_arm_request_takes_the_place_of_a_pending_one() -> None:
    first = armed(killed(), flat=0, accepted=1, holding=7)
    again, _ = do(first, ev.Arm(at(30), 1, NONCE + 1, 1, 0, 0))
    assert again.latch == first.latch._replace(armed_ns=at(30), nonce=NONCE + 1, kept=0)
    refused, effects = do(first, ev.Arm(at(30), 1, NONCE + 1, 0, 0, 0))
    assert effects == [ev.Answer(Reason.NOT_FLAT)]
    assert refused.latch == first.latch


@pytest.mark.req("DOL-REARM-004")
def test_a_confirm_restarts_all_deadlines() -> None:
    pending, _ = do(armed(killed(FeedKind.HEARTBEAT, FeedKind.DATA)), ev.Seen(at(59), 0, at(59.5)))
    state, _ = do(pending, ev.Confirm(at(60), NONCE, 0))
    assert [feed.due_ns for feed in state.feeds] == [at(60), LATER]
    state, effects = do(state, ev.Tick(at(70)))
    assert effects[0] == ev.Tripped(at(70), Cause.HEARTBEAT, 2)


@pytest.mark.req("DOL-REARM-005")
@pytest.mark.parametrize("event", [ev.Kill(at(30)), ev.Fault(at(30), Cause.LEDGER_DESYNC), ev.Tick(at(-2))])
def test_a_fault_while_a_request_is_pending_is_a_new_episode(event) -> None:
    state, _ = do(armed(killed()), event)
    assert (state.latch.mode, state.latch.episode, state.latch.nonce) == (Mode.KILLED, 2, ABSENT)
    assert state.filter.fell == 1


@pytest.mark.req("DOL-KILL-003")
def test_only_a_position_that_is_taken_over_is_no_longer_flattened() -> None:
    """What fills late after `observed flat` still goes, before the confirm and after it."""
    assert armed(killed()).filter.fell == 1
    taken = armed(killed(), flat=0, accepted=1)
    assert taken.filter.fell == 0
    for pending, fell in ((armed(killed()), 1), (taken, 0)):
        state, _ = do(pending, ev.Confirm(at(60), NONCE, 0))
        assert state.filter.fell == fell
        state, _ = do(state, ev.Tick(at(60 + 1_020)))
        assert (state.filter.posture, state.filter.fell) == (Posture.TURTLE, 0)


# --- What is left ---------------------------------------------------------------------------------------------------


def test_an_outcome_carries_what_a_record_says_of_the_state() -> None:
    state = book()
    assert outcome(state) == Outcome(FULL_MS, Posture.APEX, Mode.RUNNING, BP, BP, BP, BP, BP, BP, 0, 0, 0)


def test_every_reason_names_its_requirement_and_every_event_its_kind() -> None:
    assert set(REQUIREMENT) == set(Reason)
    assert {ev.KIND[kind] for kind in handlers.HANDLERS} <= set(ev.EVENTS)
    assert set(handlers.ANSWERS) | handlers.REPLANNING <= set(ev.EVENTS.values())
    assert [handlers.asks(one) for one in (ev.Tick(0), ev.Kill(0))] == [True, False]
    assert set(ev.EVENTS) == {ev.KIND[kind] for kind in ev.EVENTS.values()}


def test_small_words() -> None:
    assert [units.clamp(a, 0, 5) for a in (-1, 3, 9)] == [0, 3, 5]
    assert units.clamp(3, 5, 1) == 5
    assert [units.flag(a) for a in (-1, 0, 1, 7)] == [1, 0, 1, 1]
    assert units.never(-(10**30)) == NEVER_NS
    assert posture.rise_in_ms(Posture.TURTLE, 3_000_000, BP) == ABSENT
    assert posture.rise_in_ms(Posture.APEX, 0, BP) == ABSENT
    assert posture.rise_in_ms(Posture.HIBERNATE, 20_000, 1_699) == ABSENT
    assert posture.rise_in_ms(Posture.HIBERNATE, 20_000, 1_700) == 1_000_000
    assert posture.next_level_ms(Posture.APEX) == NEVER_NS
    assert machine.landed(Filter(10**9, Posture.APEX, -5), True) == Filter(FULL_MS, Posture.APEX, 0)
    assert machine.landed(Filter(10**9, Posture.APEX, 5, 1), False) == Filter(0, Posture.HIBERNATE, 0, 1)
    assert timing.earned_ms(Profile.INTRADAY, 0, 5 * NS_PER_MS, 9 * NS_PER_MS, 4 * NS_PER_MS) == 0
    assert sensing.error_since(5, 1, 9) == 5
    assert killswitch.trip(Latch(Mode.KILLED, 3), Cause.OPERATOR, 1) == Latch(Mode.KILLED, 3)


def test_after_the_credit_ends_no_rise_is_waited_for() -> None:
    state = book(FeedKind.DATA, due_ns=at(1_009), confidence_ms=0)
    assert state.plan.stop_ns == at(1_019)
    state, effects = do(state, ev.Tick(at(10**5)))
    assert (state.filter.confidence_ms, effects) == (1_019_000, [])
