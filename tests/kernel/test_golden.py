"""The golden times of the design, in both profiles, in three ways of asking that must end in equal states."""

from __future__ import annotations

from random import Random

import pytest

from dolphin.kernel import events as ev
from dolphin.kernel import machine
from dolphin.kernel.policy import DAILY, INTRADAY, Policy, Posture
from dolphin.kernel.state import State
from dolphin.kernel.timing import policy_ms, since_ns
from dolphin.kernel.units import FULL_MS, MS_PER_S
from tests.kernel.strategies import T0

PROFILES = [pytest.param(INTRADAY, id="intraday"), pytest.param(DAILY, id="daily")]


def _shock(policy: Policy) -> State:
    state, _ = machine.step(policy, machine.start(policy, T0, ()), ev.Shock(T0))
    assert state.filter.posture == Posture.TURTLE
    return state


def _blind(policy: Policy) -> State:
    return machine.start(policy, T0, (), envelope=True)


def _rearmed(policy: Policy) -> State:
    return machine.start(policy, T0, (), confidence_ms=0)


SCENARIOS = [
    pytest.param(_shock, [(602, Posture.STALKER), (3_722, Posture.APEX)], 4_202, id="shock"),
    pytest.param(
        _blind, [(536, Posture.STALKER), (3_481, Posture.TURTLE), (7_197, Posture.HIBERNATE)], None, id="blind"
    ),
    pytest.param(
        _rearmed, [(1_020, Posture.TURTLE), (2_400, Posture.STALKER), (5_520, Posture.APEX)], 6_000, id="re-arm"
    ),
]


def _at(policy: Policy, second: int) -> int:
    return T0 + since_ns(policy.profile, second * MS_PER_S)


def _asked(policy: Policy, state: State, times: list[int]) -> tuple[State, list[ev.Effect], int | None]:
    """The last state, all effects, and the first of `times` at which confidence was full."""
    effects: list[ev.Effect] = []
    full: int | None = None
    for t_ns in times:
        state, more = machine.step(policy, state, ev.Tick(t_ns))
        effects += more
        if full is None and state.filter.confidence_ms == FULL_MS:
            full = t_ns
    return state, effects, full


def _seconds(policy: Policy, effects: list[ev.Effect]) -> list[tuple[int, Posture]]:
    """The whole policy second at which each posture was first in force."""
    return [
        (-(-policy_ms(policy.profile, one.ts_ns - T0) // MS_PER_S), one.after)
        for one in effects
        if isinstance(one, ev.Moved)
    ]


@pytest.mark.req("DOL-POSTURE-007", "DOL-TIME-002")
@pytest.mark.parametrize("policy", PROFILES)
@pytest.mark.parametrize(("begin", "golden", "full_s"), SCENARIOS)
def test_golden_times_in_three_ways_of_asking(begin, golden, full_s, policy: Policy) -> None:
    end_s = 7_200
    state = begin(policy)
    # Every policy second is asked for where something happens; between, nothing may.
    near = {s for second, _ in golden for s in range(second - 3, second + 4)}
    near |= set(range(end_s)) if begin is _rearmed else set(range(0, end_s, 13))
    if full_s:
        near |= set(range(full_s - 3, full_s + 3))
    every, told, full = _asked(policy, state, [_at(policy, second) for second in sorted(near | {end_s})])
    assert _seconds(policy, told) == golden
    if full_s:
        assert full == _at(policy, full_s)
    rng = Random(policy.profile)
    times = sorted(rng.randrange(_at(policy, 0), _at(policy, end_s)) for _ in range(300))
    drawn, told_drawn, _ = _asked(policy, state, [*times, _at(policy, end_s)])
    jumped, told_jumped, _ = _asked(policy, state, [_at(policy, end_s)])
    assert every == drawn == jumped
    assert told == told_drawn == told_jumped


@pytest.mark.req("DOL-POSTURE-007")
def test_a_shock_between_two_policy_seconds_is_at_most_one_second_later() -> None:
    for offset_ms in (1, 499, 999):
        state = machine.start(INTRADAY, T0, ())
        shock_ns = T0 + offset_ms * 1_000_000
        state, _ = machine.step(INTRADAY, state, ev.Shock(shock_ns))
        _, told = machine.step(INTRADAY, state, ev.Tick(_at(INTRADAY, 5_000)))
        (stalker, _), (apex, _) = _seconds(INTRADAY, told)
        assert stalker in (602, 603)
        assert apex in (3_722, 3_723)


@pytest.mark.req("DOL-POSTURE-007")
def test_moves_carry_their_own_time() -> None:
    """Asked once, long after, the effects still tell the millisecond at which each posture was reached."""
    state = machine.start(INTRADAY, T0, (), confidence_ms=0)
    _, told = machine.step(INTRADAY, state, ev.Tick(_at(INTRADAY, 10_000)))
    assert [one.ts_ns - T0 for one in told if isinstance(one, ev.Moved)] == [
        1_020_000_000_000,
        2_400_000_000_000,
        5_520_000_000_000,
    ]
