"""Verdicts on orders, own orders, and what may be held."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolphin.kernel import events as ev
from dolphin.kernel import machine, orders, sizer, trimming
from dolphin.kernel.policy import INTRADAY, TRIM_GAP_NS, Hibernate, Policy, Posture
from dolphin.kernel.reasons import Reason
from dolphin.kernel.state import FeedKind, State
from dolphin.kernel.units import ABSENT, BP, FULL_MS, MICRO, NS_PER_S
from tests.kernel.strategies import T0

GOOD = orders.Standing(Posture.APEX, FULL_MS, True, False, False, False, BP, False)
STALKER = GOOD._replace(posture=Posture.STALKER, confidence_ms=4_000_000)
TURTLE = GOOD._replace(posture=Posture.TURTLE, confidence_ms=1_500_000)
HIBERNATE = GOOD._replace(posture=Posture.HIBERNATE, confidence_ms=300_000, fell=True)
KILLED = HIBERNATE._replace(confidence_ms=0, running=False)
BOOKS = [GOOD, STALKER, TURTLE, HIBERNATE, KILLED]

# Buys 10 lots worth 100 each on an equity of 10,000, with nothing held.
BUY = ev.Order(
    ts_ns=T0, feed=0, side=1, lots=10, taking=1, named=1, reduce_only=0, whole=0, position_lots=0, resting_lots=0,
    own_lots=0, min_lots=1, value_u=100 * MICRO, gross=0, working=0, equity=10_000, l_raw_bp=60_000,
)  # fmt: skip
SELL = BUY._replace(side=-1, position_lots=10, gross=1_000)
ASK = ev.Reduce(
    ts_ns=T0, feed=0, position_lots=-700, own_lots=0, value_u=100 * MICRO, gross=70_000, equity=10_000, l_raw_bp=60_000,
    fresh=1, last_ns=ABSENT, adopted=1,
)  # fmt: skip


def judge(standing: orders.Standing, order: ev.Order, **fields: int) -> tuple[int, int, int, Reason]:
    verdict = orders.judge(INTRADAY, standing, order._replace(**fields))
    return verdict.lots, verdict.exit_lots, verdict.cancel_lots, verdict.reason


def reduce(standing: orders.Standing, policy: Policy = INTRADAY, t_ns: int = T0, **fields: int) -> tuple[int, Reason]:
    return tuple(trimming.reduce(policy, standing, ASK._replace(**fields), t_ns))


# --- Entries --------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-ORDER-001", "DOL-ORDER-002")
def test_an_entry_is_shrunk_to_the_allowed_leverage() -> None:
    assert judge(GOOD, BUY, lots=600) == (600, 0, 0, Reason.PASSED)
    assert judge(GOOD, BUY, lots=601) == (600, 0, 0, Reason.LEVERAGE)
    assert judge(GOOD, BUY, lots=601, whole=1) == (0, 0, 0, Reason.LEVERAGE)
    assert judge(GOOD, BUY, lots=601, gross=30_000, working=20_000) == (100, 0, 0, Reason.LEVERAGE)
    assert judge(GOOD, BUY, gross=60_000) == (0, 0, 0, Reason.LEVERAGE)
    assert judge(GOOD, BUY, l_raw_bp=0) == (0, 0, 0, Reason.LEVERAGE), "no sample: no entry"
    assert judge(GOOD._replace(instrument_bp=2_000), BUY, lots=600) == (120, 0, 0, Reason.LEVERAGE)


@pytest.mark.req("DOL-LIMIT-001", "DOL-EXIT-001")
def test_a_limit_caps_the_entry_part_alone() -> None:
    assert judge(GOOD, BUY, lots=600, cap_lots=ABSENT) == (600, 0, 0, Reason.PASSED)
    assert judge(GOOD, BUY, lots=600, cap_lots=600, cap=1) == (600, 0, 0, Reason.PASSED)
    assert judge(GOOD, BUY, lots=600, cap_lots=599, cap=1) == (599, 0, 0, Reason.LIMIT)
    assert judge(GOOD, BUY, lots=700, cap_lots=599, cap=1) == (599, 0, 0, Reason.LIMIT)
    assert judge(GOOD, BUY, lots=700, cap_lots=650, cap=1) == (600, 0, 0, Reason.LEVERAGE), "the kernel leaves less"
    assert judge(GOOD, BUY, cap_lots=0, cap=1) == (0, 0, 0, Reason.LIMIT)
    assert judge(GOOD, BUY, cap_lots=-7, cap=1) == (0, 0, 0, Reason.LIMIT), "no number of lots: nothing enters"
    assert judge(GOOD, BUY, cap_lots=9, cap=1, whole=1) == (0, 0, 0, Reason.LIMIT)
    assert judge(GOOD, BUY, cap_lots=3, cap=1, min_lots=5) == (0, 0, 0, Reason.BELOW_MINIMUM)
    assert judge(TURTLE, BUY, cap_lots=0, cap=1) == (0, 0, 0, Reason.POSTURE_NO_ENTRY), "what is worse is said first"
    for standing in BOOKS:
        assert judge(standing, SELL, cap_lots=0, cap=1) == (10, 10, 0, Reason.REDUCING), "exits are sacred"
    assert judge(GOOD, SELL, lots=14, cap_lots=3, cap=1) == (13, 10, 0, Reason.LIMIT), "through zero: 10 out, 3 in"


@pytest.mark.req("DOL-ORDER-003")
def test_what_is_left_below_the_minimum_is_denied() -> None:
    assert judge(GOOD, BUY, lots=700, min_lots=600) == (600, 0, 0, Reason.LEVERAGE)
    assert judge(GOOD, BUY, lots=700, min_lots=601) == (0, 0, 0, Reason.BELOW_MINIMUM)
    assert judge(GOOD, SELL, lots=700, min_lots=611, gross=1_000) == (10, 10, 0, Reason.BELOW_MINIMUM)
    for lots in (0, -1, -(10**30)):
        assert judge(GOOD, BUY, lots=lots) == (0, 0, 0, Reason.BELOW_MINIMUM)


@pytest.mark.req("DOL-ORDER-004")
@pytest.mark.parametrize("bad", [{"value_u": 0}, {"value_u": -1}, {"equity": 0}, {"equity": -(10**30)}])
def test_an_unpriced_entry_is_denied_and_an_unpriced_exit_passes(bad) -> None:
    assert judge(GOOD, BUY, **bad) == (0, 0, 0, Reason.UNPRICED)
    assert judge(GOOD, SELL, **bad) == (10, 10, 0, Reason.REDUCING)


@pytest.mark.req(
    "DOL-POSTURE-003", "DOL-POSTURE-004", "DOL-KILL-002", "DOL-SENSE-002", "DOL-SENSE-003", "DOL-SENSE-004"
)
@pytest.mark.parametrize(
    ("standing", "taking", "reason"),
    [
        (STALKER, 0, Reason.PASSED),
        (STALKER, 1, Reason.POSTURE_LIMIT_ONLY),
        (STALKER, 2, Reason.POSTURE_LIMIT_ONLY),
        (TURTLE, 0, Reason.POSTURE_NO_ENTRY),
        (HIBERNATE, 0, Reason.POSTURE_NO_ENTRY),
        (KILLED, 0, Reason.KILLED),
        (GOOD._replace(running=False), 0, Reason.KILLED),
        (GOOD._replace(unreadable=True), 0, Reason.SENSOR_ERROR),
        (GOOD._replace(instrument_error=True), 0, Reason.INSTRUMENT_ERROR),
        (GOOD._replace(stale=True), 0, Reason.STALE),
    ],
)
def test_what_forbids_an_entry_and_never_an_exit(standing: orders.Standing, taking: int, reason: Reason) -> None:
    assert judge(standing, BUY, taking=taking)[3] == reason
    assert judge(standing, SELL, taking=taking) == (10, 10, 0, Reason.REDUCING)
    if reason != Reason.PASSED:
        assert judge(standing, SELL, lots=15, taking=taking) == (10, 10, 0, reason)


# --- Exits ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.parametrize("standing", BOOKS)
@pytest.mark.parametrize("taking", [0, 1, 2])
def test_an_exit_up_to_the_position_passes_whole(standing: orders.Standing, taking: int) -> None:
    for lots in (1, 9, 10):
        assert judge(standing, SELL, lots=lots, taking=taking) == (lots, lots, 0, Reason.REDUCING)
        assert judge(standing, SELL, lots=lots, taking=taking, whole=1, min_lots=99)[0] == lots


@pytest.mark.req("DOL-EXIT-002")
def test_what_an_own_order_covers_is_refused_and_the_rest_passes() -> None:
    assert judge(KILLED, SELL, own_lots=10) == (0, 0, 0, Reason.ALREADY_REDUCING)
    assert judge(KILLED, SELL, own_lots=4) == (6, 6, 0, Reason.ALREADY_REDUCING)
    assert judge(KILLED, SELL, own_lots=4, whole=1) == (0, 0, 0, Reason.ALREADY_REDUCING)
    assert judge(KILLED, SELL, own_lots=4, lots=6) == (6, 6, 0, Reason.REDUCING)
    assert judge(GOOD, SELL, own_lots=4, lots=15) == (11, 6, 0, Reason.ALREADY_REDUCING)
    assert judge(KILLED, SELL, own_lots=-5) == (10, 10, 0, Reason.REDUCING)


@pytest.mark.req("DOL-EXIT-003")
def test_an_order_that_names_no_position_is_an_entry_and_is_told_so() -> None:
    assert judge(TURTLE, SELL, named=0) == (0, 0, 0, Reason.UNNAMED)
    assert judge(GOOD, SELL, named=0) == (10, 0, 0, Reason.PASSED)


@pytest.mark.req("DOL-EXIT-004")
def test_what_exceeds_the_position_is_judged_as_an_entry() -> None:
    assert judge(GOOD, SELL, lots=15) == (15, 10, 0, Reason.PASSED)
    assert judge(TURTLE, SELL, lots=15) == (10, 10, 0, Reason.POSTURE_NO_ENTRY)
    assert judge(TURTLE, SELL, lots=15, whole=1) == (0, 0, 0, Reason.POSTURE_NO_ENTRY)
    assert judge(GOOD, SELL, lots=15, reduce_only=1) == (10, 10, 0, Reason.EXCESS)
    # Long 1 with a resting SELL 1: a second resting one would end at -1.
    assert judge(TURTLE, SELL, lots=1, position_lots=1, resting_lots=1, taking=0) == (0, 0, 0, Reason.POSTURE_NO_ENTRY)
    assert judge(TURTLE, SELL, lots=1, position_lots=1, resting_lots=1, taking=2) == (0, 0, 0, Reason.POSTURE_NO_ENTRY)


@pytest.mark.req("DOL-EXIT-005")
def test_close_then_open_in_one_breath_is_one_exit_and_one_entry() -> None:
    # Long 10, SELL 10 on its way: a second SELL finds nothing left to shrink, unless it is reduce-only.
    for standing in (TURTLE, HIBERNATE, KILLED):
        lots, exit_lots, cancel, reason = judge(standing, SELL, lots=50, leaving_lots=10)
        assert (lots, exit_lots, cancel) == (0, 0, 0)
        assert reason in (Reason.POSTURE_NO_ENTRY, Reason.KILLED)
        assert judge(standing, SELL, lots=10, leaving_lots=4) == (6, 6, 0, reason)
        assert judge(standing, SELL, leaving_lots=10, reduce_only=1) == (10, 10, 0, Reason.REDUCING)
    assert judge(GOOD, SELL, lots=50, leaving_lots=10)[:2] == (50, 0)
    assert judge(GOOD, SELL, lots=600, leaving_lots=10)[:2] == (590, 0), "the position counts until it is gone"
    assert judge(KILLED, SELL, leaving_lots=-3) == (10, 10, 0, Reason.REDUCING)


@pytest.mark.req("DOL-EXIT-005")
def test_an_exit_that_executes_at_once_displaces_resting_ones() -> None:
    assert judge(HIBERNATE, SELL, resting_lots=10) == (10, 10, 10, Reason.REDUCING)
    assert judge(HIBERNATE, SELL, lots=4, resting_lots=8) == (4, 4, 2, Reason.REDUCING)
    assert judge(HIBERNATE, SELL, lots=4, resting_lots=6) == (4, 4, 0, Reason.REDUCING)
    assert judge(HIBERNATE, SELL, lots=4, resting_lots=6, taking=0) == (4, 4, 0, Reason.REDUCING)
    assert judge(HIBERNATE, SELL, lots=15, resting_lots=10) == (10, 10, 10, Reason.POSTURE_NO_ENTRY)


@pytest.mark.req("DOL-ORDER-001")
def test_a_flip_may_use_what_its_exit_frees_and_no_more() -> None:
    full = {"position_lots": 600, "gross": 60_000}
    assert judge(GOOD, SELL, lots=1_200, **full) == (1_200, 600, 0, Reason.PASSED)
    assert judge(GOOD, SELL, lots=1_201, **full) == (1_200, 600, 0, Reason.LEVERAGE)
    assert judge(GOOD, SELL, lots=1_200, taking=2, **full) == (600, 600, 0, Reason.LEVERAGE)
    # Readings that contradict each other free nothing of the working entries.
    assert judge(GOOD, SELL, lots=1_200, position_lots=600, gross=0, working=60_000)[0] == 600
    for taking in (-5, 7, 10**9):
        assert judge(GOOD, SELL, lots=1_200, taking=taking, **full)[:2] == (600, 600)


lots = st.integers(-5, 40)


@pytest.mark.req("DOL-EXIT-001", "DOL-EXIT-004")
@given(lots, lots, lots, lots, st.integers(0, 2))
def test_the_parts_of_an_order_add_up_and_never_cross_zero(
    a: int, size: int, own: int, resting: int, taking: int
) -> None:
    cut = orders.split(a, size, own, resting, taking)
    assert cut.exit + cut.covered + cut.entry == max(a, 0)
    assert min(cut) >= 0
    held, guard, rest = max(size, 0), max(own, 0), max(resting, 0)
    assert cut.exit <= max(held - guard, 0)
    # What exits, the guard's own order and the resting exits that stay never exceed what was there before.
    assert cut.exit + rest - cut.cancel <= max(held - guard, rest)


@given(lots, lots, lots, st.integers(0, 1), lots)
def test_what_leaves_is_all_of_an_undivided_order_or_nothing(
    a: int, exit_: int, entry: int, whole: int, least: int
) -> None:
    out = orders.leaving(a, exit_, entry, whole, least)
    if whole:
        assert out in (0, a)
    else:
        assert exit_ <= out <= exit_ + max(entry, 0)


# --- Own orders -----------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-TRIM-001")
def test_the_whole_excess_is_trimmed_once_it_passes_the_band() -> None:
    assert reduce(GOOD, gross=66_000) == (0, Reason.NOTHING_TO_DO)
    assert reduce(GOOD, gross=66_001) == (61, Reason.TRIM)
    assert reduce(GOOD, gross=70_000) == (100, Reason.TRIM)
    assert reduce(GOOD, gross=10**9) == (700, Reason.TRIM), "never crossing zero"
    assert reduce(STALKER) == (500, Reason.TRIM)
    assert reduce(TURTLE) == (550, Reason.TRIM), "0.25 of 6.0x"
    assert reduce(TURTLE, l_raw_bp=0) == (550, Reason.TRIM), "no estimate does not liquidate"
    assert reduce(GOOD, value_u=0) == (700, Reason.TRIM), "unpriced: all of it"
    assert trimming.certified_lots_over(100, 5, 9, -1) == 9
    assert trimming.certified_lots_over(100, 5, 9, 3) == 9
    assert trimming.certified_lots_over(100, 0, 9, 3) == 9


@pytest.mark.req("DOL-TRIM-004")
def test_one_trim_a_real_minute_and_position() -> None:
    assert reduce(GOOD, t_ns=T0 + TRIM_GAP_NS - 1, last_ns=T0) == (0, Reason.TOO_SOON)
    assert reduce(GOOD, t_ns=T0 + TRIM_GAP_NS, last_ns=T0) == (100, Reason.TRIM)
    assert reduce(GOOD, t_ns=5) == (100, Reason.TRIM)
    assert reduce(HIBERNATE, t_ns=T0, last_ns=T0) == (700, Reason.FLATTEN), "a flatten does not wait"


@pytest.mark.req("DOL-TRIM-002", "DOL-KILL-003")
def test_hibernate_and_a_kill_hold_nothing_after_a_fall() -> None:
    assert reduce(HIBERNATE) == (700, Reason.FLATTEN)
    assert reduce(HIBERNATE._replace(fell=False)) == (0, Reason.NOTHING_TO_DO)
    assert reduce(KILLED) == (700, Reason.KILL_FLATTEN)
    assert reduce(KILLED._replace(fell=False)) == (0, Reason.NOTHING_TO_DO)
    assert reduce(KILLED, position_lots=0) == (0, Reason.NOTHING_TO_DO)


@pytest.mark.req("DOL-TRIM-003", "DOL-TRIM-005", "DOL-TRIM-007")
def test_when_no_own_order_leaves() -> None:
    for standing in BOOKS:
        assert reduce(standing, own_lots=1) == (0, Reason.WORKING)
        assert reduce(standing, fresh=0) == (0, Reason.NOT_FRESH)
        assert reduce(standing, fresh=7) == (0, Reason.NOT_FRESH)
        taken = (700, Reason.FLATTEN)
        waiting = (0, Reason.ADOPTED)
        if standing == KILLED:
            taken = waiting = (700, Reason.KILL_FLATTEN)
        if standing == HIBERNATE:
            waiting = (700, Reason.FLATTEN)
        assert reduce(standing, adopted=0) == waiting, "what waits is spared by the first posture, not by a fall"
        assert reduce(standing, adopted=2) == taken, "the operator chose it"


@pytest.mark.req("DOL-TRIM-006")
def test_the_modes_of_trimming_and_of_hibernate() -> None:
    off = INTRADAY._replace(trim=0)
    hold = INTRADAY._replace(hibernate=Hibernate.HOLD)
    glide = INTRADAY._replace(hibernate=Hibernate.GLIDE)
    assert reduce(GOOD, off) == (0, Reason.MODE_OFF)
    assert reduce(HIBERNATE, off) == (700, Reason.FLATTEN)
    assert reduce(HIBERNATE, hold) == (0, Reason.MODE_OFF)
    assert reduce(HIBERNATE, glide) == (670, Reason.TRIM), "0.05 of 6.0x stays"
    for policy in (off, hold, glide):
        assert reduce(KILLED, policy) == (700, Reason.KILL_FLATTEN)


@pytest.mark.req("DOL-TRIM-001", "DOL-SIZE-001")
def test_one_allowed_leverage() -> None:
    assert trimming.held_limit(INTRADAY, GOOD, 10_000, 60_000) == 60_000
    assert trimming.held_limit(INTRADAY, HIBERNATE, 10_000, 60_000) == 0
    assert trimming.held_limit(INTRADAY, GOOD, -1, 60_000) == 0
    assert sizer.allowed_entry_bp(INTRADAY, Posture.STALKER, FULL_MS, 10_000) == 10_000
    assert sizer.target_lots(INTRADAY, Posture.APEX, FULL_MS, 10_000, 100 * MICRO, 60_000) == 600
    assert sizer.target_lots(INTRADAY, Posture.TURTLE, FULL_MS, 10_000, 100 * MICRO, 60_000) == 0
    assert sizer.target_lots(INTRADAY, Posture.APEX, FULL_MS, 10_000, 0, 60_000) == 0
    assert sizer.certified_fit(10, MICRO, 11) == 0
    assert sizer.limit(100, 0) == 0


# --- EXCESS ---------------------------------------------------------------------------------------------------------


def _step(state: State, event: ev.Event) -> list[ev.Effect]:
    return list(machine.step(INTRADAY, state, event)[1])


@pytest.mark.req("DOL-TRIM-001")
def test_excess_is_judged_by_the_posture_that_the_sample_led_to() -> None:
    state = machine.start(INTRADAY, T0, (FeedKind.DATA,))
    state, effects = machine.step(INTRADAY, state, ev.Equity(T0, 10_000, 66_000))
    assert effects == ()
    assert _step(state, ev.Equity(T0, 10_000, 66_001)) == [ev.Excess(6_001)]
    assert _step(state, ev.Equity(T0, 10_000, 66_001, error=1)) == []
    # 8 % down is STALKER: 2.0x of 9,200 may be held, in the same step.
    moved, excess = _step(state, ev.Equity(T0 + NS_PER_S, 9_200, 50_000))
    assert isinstance(moved, ev.Moved)
    assert moved.after == Posture.STALKER
    assert excess == ev.Excess(50_000 - 18_400)
