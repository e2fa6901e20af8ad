"""Capital: the mark and its window, flows, drawdown, the trap and the right to re-base."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolphin.kernel import capital as cap
from dolphin.kernel import events as ev
from dolphin.kernel import machine
from dolphin.kernel.policy import DAILY, DAY_NS, INTRADAY, Policy, Posture
from dolphin.kernel.reasons import Reason
from dolphin.kernel.state import Capital, Sample
from dolphin.kernel.units import ABSENT, BP, NS_PER_S
from tests.kernel.strategies import T0, randoms

money = st.integers(1, 10**15)
POLICY = INTRADAY._replace(rebase_trapped_ns=3_600 * NS_PER_S, rebase_gap_ns=30 * DAY_NS)


def at(seconds: int) -> int:
    return T0 + seconds * NS_PER_S


def sampled(*samples: tuple[int, int], stood: int = 0) -> Capital:
    capital = Capital()
    for seconds, equity in samples:
        capital = cap.sampled(capital, Posture.APEX, at(seconds), equity, 1, stood)
    return capital


@pytest.mark.req("DOL-CAPITAL-002")
def test_one_bad_tick_does_not_ratchet_the_mark() -> None:
    assert sampled((0, 100), (1, 500), (2, 100), (300, 100)).mark == 100
    assert sampled((0, 100), (1, 500), (1, 100), (300, 100)).mark == 100


@pytest.mark.req("DOL-CAPITAL-002")
def test_the_mark_rises_to_the_smallest_sample_of_the_last_minute() -> None:
    climb = [(0, 100), *((second, 110 + second) for second in range(1, 62))]
    assert sampled(*climb[:60]).mark == 100
    assert sampled(*climb[:61]).mark == 100
    assert sampled(*climb).mark == 111
    assert sampled(*climb, (62, 105), (63, 300)).mark == 111
    assert sampled(*climb, (200, 300)).mark == 171, "the last value stood until the next"


@pytest.mark.req("DOL-CAPITAL-002")
def test_a_value_that_stands_unchanged_is_confirmed_after_a_minute() -> None:
    flat = [(0, 100), *((second, 110) for second in range(1, 62))]
    assert sampled(*flat[:-1]).mark == 100
    assert sampled(*flat).mark == 110


@pytest.mark.req("DOL-CAPITAL-002")
def test_a_bars_close_confirms_itself() -> None:
    assert sampled((0, 100), (1, 500), stood=1).mark == 500


@pytest.mark.req("DOL-CAPITAL-002")
def test_two_samples_of_one_second_count_as_the_smaller_and_bound_the_window() -> None:
    pending: tuple[Sample, ...] = ()
    for step in range(5_000):
        pending = cap.risen_pending(pending, T0 + step * NS_PER_S // 20, 1_000 + step)
        assert len(pending) <= 62
    assert pending[0].ts_ns >= T0 + 5_000 * NS_PER_S // 20 - 62 * NS_PER_S


@pytest.mark.req("DOL-CAPITAL-002")
@given(randoms)
def test_the_mark_is_the_running_maximum_of_the_windows_minimum(rng: Random) -> None:
    """Against the definition: the least of what was in force during the last 60 s, one sample a second."""
    capital = Capital()
    history: list[tuple[int, int]] = []
    seconds = 0
    expected = 0
    for _ in range(60):
        seconds += rng.choice((1, 1, 2, 7, 30, 61))
        history.append((seconds, rng.randint(1, 50)))
        capital = cap.sampled(capital, Posture.APEX, at(seconds), history[-1][1], 0, 0)
        if expected == 0:
            expected = history[0][1]
        old = [one for one in history if one[0] <= seconds - 60][-1:]
        window = old + [one for one in history if one[0] > seconds - 60]
        # The first sample is the mark; until a minute has passed the window reaches back to it.
        expected = max(expected, min(equity for _, equity in window))
        assert capital.mark == expected
        assert capital.drawdown_bp == cap.drawdown(expected, history[-1][1])


@pytest.mark.req("DOL-CAPITAL-003")
@given(money, money)
def test_drawdown_rounds_up(mark: int, equity: int) -> None:
    real = max(Fraction(mark - equity, mark) * BP, Fraction(0))
    assert real <= cap.drawdown(mark, equity) < real + 1
    assert cap.drawdown(mark, 0) == cap.drawdown(mark, -equity) == BP


@pytest.mark.req("DOL-CAPITAL-003", "DOL-FILTER-004")
@given(money, money, money)
def test_drawdown_is_monotone(mark: int, equity: int, other: int) -> None:
    assert cap.drawdown(mark, min(equity, other)) >= cap.drawdown(mark, equity)


@pytest.mark.req("DOL-CAPITAL-003")
@given(money, money, st.integers(-(10**15), 10**15))
def test_a_flow_never_makes_the_drawdown_smaller_and_moves_the_mark_by_less_than_one(
    mark: int, equity: int, flow: int
) -> None:
    mark = max(mark, equity)
    capital = sampled((0, mark), (1, equity))
    after = cap.flowed(capital, Posture.APEX, flow, 2)
    assert after.equity == equity + flow
    assert after.drawdown_bp >= capital.drawdown_bp or after.drawdown_bp == cap.drawdown(after.mark, after.equity)
    if after.equity > 0:
        real = Fraction(mark * after.equity, equity)
        assert real <= after.mark < real + 1
        assert after.drawdown_bp >= capital.drawdown_bp
    else:
        assert after.mark == mark
        assert after.drawdown_bp == BP


@pytest.mark.req("DOL-CAPITAL-003")
def test_a_flow_on_round_numbers_leaves_the_drawdown_unchanged() -> None:
    state = machine.start(INTRADAY, T0, ())
    for event in (ev.Equity(T0, 100_000), ev.Equity(at(1), 95_000), ev.Flow(at(2), 95_000), ev.Equity(at(3), 190_000)):
        state, _ = machine.step(INTRADAY, state, event)
    assert (state.capital.mark, state.capital.drawdown_bp) == (200_000, 500)
    state, _ = machine.step(INTRADAY, state, ev.Flow(at(4), -95_000))
    assert (state.capital.mark, state.capital.drawdown_bp) == (100_000, 500)


@pytest.mark.req("DOL-CAPITAL-004")
def test_a_flow_that_traps_begins_the_wait_at_once() -> None:
    state = machine.start(INTRADAY, T0, ())
    for event in (ev.Equity(T0, 100_000, flat=1), ev.Equity(at(1), 94_601, flat=1)):
        state, _ = machine.step(INTRADAY, state, event)
    assert state.capital.trapped_ns == ABSENT
    state, _ = machine.step(INTRADAY, state, ev.Flow(at(2), -94_598))
    assert state.capital.drawdown_bp > 540, "rounding up takes a book of three cents over the level"
    assert state.capital.trapped_ns == at(2)


def test_a_flow_without_equity_on_one_side_has_no_ratio_to_keep() -> None:
    assert cap.scaled_mark(100, 0, 50) == 150
    assert cap.scaled_mark(100, -10, -20) == 100
    assert cap.scaled_mark(100, 10, 0) == 100
    assert cap.flowed(Capital(), Posture.APEX, 70, 0) == Capital(equity=70, mark=70)


def test_what_a_quotient_must_prove() -> None:
    assert cap.certified_drawdown(100, 0, 5) == BP
    assert cap.certified_drawdown(100, 90, BP) == BP
    assert cap.certified_drawdown(100, 90, -1) == BP
    assert cap.certified_drawdown(100, 90, 999) == BP
    assert cap.certified_drawdown(100, 90, 1_000) == 1_000
    assert cap.certified_mark(10, 5, 7, 13) == 77
    assert cap.certified_mark(10, 5, 7, 14) == 14
    assert cap.certified_mark(2, 5, 7, 3) == 7


def test_no_equity_at_all() -> None:
    capital = sampled((0, -5))
    assert (capital.mark, capital.drawdown_bp) == (0, BP)
    assert cap.sampled(capital, Posture.APEX, at(1), 80, 1, 0).mark == 80


# --- The trap -------------------------------------------------------------------------------------------------------


def trapped_state(flat: int = 1) -> machine.State:
    state = machine.start(POLICY, T0, ())
    for event in (ev.Equity(T0, 100_000, flat=1), ev.Equity(at(1), 90_000, flat=flat)):
        state, _ = machine.step(POLICY, state, event)
    return state


def ask(state: machine.State, event: ev.Event) -> tuple[machine.State, Reason]:
    state, effects = machine.step(POLICY, state, event)
    (answer,) = [effect for effect in effects if isinstance(effect, ev.Answer)]
    return state, answer.reason


@pytest.mark.req("DOL-CAPITAL-004")
def test_a_book_is_trapped_when_it_is_flat_and_r5_alone_keeps_it_below_apex() -> None:
    assert trapped_state().capital.trapped_ns == at(1)
    assert trapped_state(flat=0).capital.trapped_ns == ABSENT
    assert trapped_state(flat=7).capital.trapped_ns == ABSENT, "unknown is never flat"
    assert not cap.trapped(Capital(drawdown_bp=540), Posture.STALKER)
    assert cap.trapped(Capital(drawdown_bp=541), Posture.STALKER)
    assert not cap.trapped(Capital(drawdown_bp=541), Posture.APEX)
    state, _ = machine.step(POLICY, trapped_state(), ev.Equity(at(2), 90_000, flat=1))
    assert state.capital.trapped_ns == at(1), "since when it began"
    state, _ = machine.step(POLICY, state, ev.Equity(at(3), 96_000, flat=1))
    assert state.capital.trapped_ns == ABSENT


@pytest.mark.req("DOL-CAPITAL-004")
def test_a_rebase_takes_two_steps_of_the_operator_while_trapped() -> None:
    state = trapped_state()
    assert ask(state, ev.RebaseConfirm(at(4_000), 5))[1] == Reason.NOT_PENDING
    state, reason = ask(state, ev.RebaseArm(at(10), 5))
    assert reason == Reason.ARMED
    assert ask(state, ev.RebaseConfirm(at(4_000), 6))[1] == Reason.WRONG_NONCE
    assert ask(state, ev.RebaseConfirm(at(3_600), 5))[1] == Reason.NOT_TRAPPED
    free, reason = ask(trapped_state(flat=0), ev.RebaseArm(at(10), 5))
    assert reason == Reason.NOT_TRAPPED
    assert ask(free, ev.RebaseConfirm(at(4_000), 5))[1] == Reason.NOT_PENDING
    before_ms = state.filter.confidence_ms
    state, reason = ask(state, ev.RebaseConfirm(at(3_601), 5))
    assert reason == Reason.REBASED
    assert (state.capital.mark, state.capital.drawdown_bp, state.capital.rebases) == (90_000, 0, 1)
    assert state.readings.r5_bp == BP
    assert state.filter.confidence_ms == before_ms, "confidence returns by slow recovery only"
    assert ask(state, ev.RebaseConfirm(at(3_602), 5))[1] == Reason.NOT_PENDING


@pytest.mark.req("DOL-CAPITAL-002", "DOL-CAPITAL-004")
def test_one_bad_tick_after_a_rebase_does_not_ratchet_the_mark() -> None:
    state, _ = ask(trapped_state(), ev.RebaseArm(at(10), 5))
    state, _ = ask(state, ev.RebaseConfirm(at(4_000), 5))
    for event in (ev.Equity(at(4_001), 900_000, flat=1), ev.Equity(at(4_002), 90_000, flat=1)):
        state, _ = machine.step(POLICY, state, event)
    assert (state.capital.mark, state.capital.drawdown_bp) == (90_000, 0)


@pytest.mark.req("DOL-CAPITAL-005")
def test_the_policy_limits_the_rate_of_rebases() -> None:
    state, _ = ask(trapped_state(), ev.RebaseArm(at(10), 5))
    state, _ = ask(state, ev.RebaseConfirm(at(4_000), 5))
    gap_s = 30 * 86_400
    for event in (ev.Equity(at(4_001), 80_000, flat=1), ev.RebaseArm(at(gap_s), 5)):
        state, _ = machine.step(POLICY, state, event)
    assert ask(state, ev.RebaseConfirm(at(4_000 + gap_s) - 1, 5))[1] == Reason.REBASE_RATE
    state, reason = ask(state, ev.RebaseConfirm(at(4_000 + gap_s), 5))
    assert (reason, state.capital.rebases) == (Reason.REBASED, 2)


@pytest.mark.req("DOL-CAPITAL-004")
def test_a_mark_is_not_rebased_on_an_equity_that_nobody_can_read() -> None:
    state, _ = ask(trapped_state(), ev.RebaseArm(at(10), 5))
    state, _ = machine.step(POLICY, state, ev.Equity(at(3_998), 0, flat=1, error=1))
    assert ask(state, ev.RebaseConfirm(at(4_000), 5))[1] == Reason.UNPRICED
    state, _ = machine.step(POLICY, state, ev.Equity(at(4_001), -3, flat=1))
    assert ask(state, ev.RebaseConfirm(at(4_001), 5))[1] == Reason.UNPRICED


SHUT = 94_000
"""Of 100,000: 6 %, between the 5.40 % below which APEX is regained and the 6.95 % at which it is lost."""


def in_apex(equity: int = SHUT, policy: Policy = POLICY, flat: int = 1) -> machine.State:
    state = machine.start(policy, T0, ())
    for event in (ev.Equity(T0, 100_000, flat=1), ev.Equity(at(1), equity, flat=flat)):
        state, _ = machine.step(policy, state, event)
    assert state.filter.posture == Posture.APEX
    return state


@pytest.mark.req("DOL-CAPITAL-004")
def test_a_flat_book_in_apex_is_not_trapped_however_long_its_drawdown_would_shut_it_out() -> None:
    """TLC's counterexample: between 5.40 and 6.95 % every entry passes, and yet it gained the right to re-base."""
    state = in_apex()
    assert state.readings.r5_bp < 9_200
    for seconds in (10, 3_700, 86_400):
        state, _ = machine.step(POLICY, state, ev.Equity(at(seconds), SHUT, flat=1))
        assert (state.filter.posture, state.capital.trapped_ns) == (Posture.APEX, ABSENT)
    assert ask(state, ev.RebaseArm(at(86_400), 5))[1] == Reason.NOT_TRAPPED
    assert ask(state, ev.RebaseConfirm(at(86_500), 5))[1] == Reason.NOT_PENDING


@pytest.mark.req("DOL-CAPITAL-004")
def test_time_in_apex_does_not_count_towards_the_wait() -> None:
    state, _ = machine.step(POLICY, in_apex(), ev.Shock(at(7_200)))
    assert (state.filter.posture, state.capital.trapped_ns) == (Posture.TURTLE, at(7_200))
    state, reason = ask(state, ev.RebaseArm(at(7_200), 5))
    assert reason == Reason.ARMED
    assert ask(state, ev.RebaseConfirm(at(10_800) - 1, 5))[1] == Reason.NOT_TRAPPED
    assert ask(state, ev.RebaseConfirm(at(10_800), 5))[1] == Reason.REBASED


@pytest.mark.req("DOL-CAPITAL-004", "DOL-TIME-002")
@pytest.mark.parametrize("asked", [(), (100, 300), tuple(range(1, 900, 7))])
def test_a_trap_that_time_alone_opens_begins_when_apex_is_left(asked: tuple[int, ...]) -> None:
    """The envelope ages under 6 % of drawdown: APEX goes between two samples, at a second that nobody asked at."""
    state = machine.start(POLICY, T0, (), envelope=True)
    moved = []
    for event in (ev.Equity(T0, 100_000, flat=1), ev.Equity(at(1), SHUT, flat=1)):
        state, _ = machine.step(POLICY, state, event)
    for seconds in (*asked, 900):
        state, effects = machine.step(POLICY, state, ev.Tick(at(seconds)))
        moved += [effect.ts_ns for effect in effects if isinstance(effect, ev.Moved) and effect.before == Posture.APEX]
    assert moved == [state.capital.trapped_ns]
    assert at(30) < state.capital.trapped_ns < at(900)


@pytest.mark.req("DOL-CAPITAL-004")
@given(randoms)
def test_drawdown_alone_keeps_apex_shut(rng: Random) -> None:
    """So a trap never ends by time, and the wait of one begins anew after equity, a flow or a re-base has ended it."""
    state, _ = machine.step(POLICY, in_apex(), ev.Equity(at(2), 90_000, flat=1))
    seconds = 2
    for _ in range(20):
        seconds += rng.choice((1, 60, 3_600, 10 * 86_400))
        flat = rng.randint(0, 1)
        event = rng.choice((ev.Tick(at(seconds)), ev.Equity(at(seconds), SHUT, flat=flat)))
        state, _ = machine.step(POLICY, state, event)
        assert state.filter.posture != Posture.APEX
        assert (state.capital.trapped_ns != ABSENT) == (state.capital.flat == 1)
    state, _ = machine.step(POLICY, state, ev.Equity(at(seconds), 95_000, flat=1))
    state, _ = machine.step(POLICY, state, ev.Tick(at(seconds + 6_000)))
    assert (state.filter.posture, state.capital.trapped_ns) == (Posture.APEX, ABSENT)


@pytest.mark.req("DOL-CAPITAL-007")
@pytest.mark.parametrize(
    "end", [ev.Equity(at(20), 96_000, flat=1), ev.Equity(at(20), 90_000), ev.Flow(at(20), -89_990)]
)
def test_a_request_to_rebase_ends_with_its_trap(end: ev.Event) -> None:
    state, _ = ask(trapped_state(), ev.RebaseArm(at(10), 5))
    state, _ = machine.step(POLICY, state, end)
    if isinstance(end, ev.Flow):
        assert state.capital.rebase_nonce == 5, "the drawdown is what it was: the same trap"
        return
    assert (state.capital.rebase_nonce, state.capital.asked_ns) == (ABSENT, ABSENT)
    state, _ = machine.step(POLICY, state, ev.Equity(at(21), 90_000, flat=1))
    assert ask(state, ev.RebaseConfirm(at(4_000), 5))[1] == Reason.NOT_PENDING


@pytest.mark.req("DOL-CAPITAL-007")
def test_a_request_without_a_trap_is_dropped_whatever_state_it_comes_from() -> None:
    """No step leads there; `since_trapped` is right for any capital, as its contract says."""
    free = Capital(equity=100, mark=100, rebase_nonce=5, asked_ns=at(1))
    assert cap.since_trapped(free, Posture.STALKER, at(2)) == Capital(equity=100, mark=100)
    assert cap.rebased(POLICY, free, 5, at(4_000)) == cap.Rebase(free, Reason.NOT_TRAPPED)


@pytest.mark.req("DOL-REARM-006", "DOL-CAPITAL-007")
@pytest.mark.parametrize(("policy", "days"), [(POLICY, 1), (DAILY._replace(rebase_trapped_ns=0), 30)])
def test_a_request_to_rebase_lapses_to_the_nanosecond(policy: Policy, days: int) -> None:
    state = machine.start(policy, T0, ())
    for event in (ev.Equity(T0, 100_000, flat=1), ev.Equity(at(1), 90_000, flat=1), ev.RebaseArm(at(10), 5)):
        state, _ = machine.step(policy, state, event)
    life_ns = days * DAY_NS

    def answer(t_ns: int, book: machine.State = state) -> Reason:
        _, effects = machine.step(policy, book, ev.RebaseConfirm(t_ns, 5))
        found = [effect.reason for effect in effects if isinstance(effect, ev.Answer)]
        return found[0]

    assert answer(at(10) + life_ns - 1) == Reason.REBASED
    assert answer(at(10) + life_ns) == Reason.LAPSED
    assert answer(at(10) + 200 * life_ns) == Reason.LAPSED
    again, _ = machine.step(policy, state, ev.RebaseArm(at(10) + life_ns, 5))
    assert answer(at(10) + 2 * life_ns - 1, again) == Reason.REBASED


@pytest.mark.req("DOL-CAPITAL-005")
@given(randoms)
def test_where_the_gap_is_as_long_as_the_wait_the_rate_refuses_nobody(rng: Random) -> None:
    """As spec/MC/Daily.cfg says of the model; the shipped `daily` is such a policy."""
    assert DAILY.rebase_gap_ns <= DAILY.rebase_trapped_ns
    policy = DAILY._replace(rebase_trapped_ns=DAY_NS, rebase_gap_ns=DAY_NS)
    state = machine.start(policy, T0, ())
    state, _ = machine.step(policy, state, ev.Equity(T0, 10**9, flat=1))
    seconds, equity, rebases = 1, 10**9, 0
    for _ in range(60):
        seconds += rng.choice((0, 1, 43_200, 86_400))
        equity = equity * rng.choice((70, 100, 100, 100)) // 100
        for event in (
            ev.Equity(at(seconds), equity, flat=1), ev.RebaseArm(at(seconds), 5), ev.RebaseConfirm(at(seconds), 5)
        ):  # fmt: skip
            state, effects = machine.step(policy, state, event)
            assert ev.Answer(Reason.REBASE_RATE) not in effects
            rebases += ev.Answer(Reason.REBASED) in effects
    assert rebases == state.capital.rebases
