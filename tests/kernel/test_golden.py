"""The golden times of the design, in both profiles, in three ways of asking that must end in equal states."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from dolphin.kernel import events as ev
from dolphin.kernel import machine
from dolphin.kernel.policy import DAILY, INTRADAY, Policy, Posture
from dolphin.kernel.state import State
from dolphin.kernel.timing import policy_ms, since_ns
from dolphin.kernel.units import FULL_MS, MS_PER_S
from tests.kernel.strategies import T0

PROFILES = {"intraday": INTRADAY, "daily": DAILY}
ROOT = Path(__file__).resolve().parents[2]


def _shock(policy: Policy) -> State:
    state, _ = machine.step(policy, machine.start(policy, T0, ()), ev.Shock(T0))
    assert state.filter.posture == Posture.TURTLE
    return state


def _blind(policy: Policy) -> State:
    return machine.start(policy, T0, (), envelope=True)


def _rearmed(policy: Policy) -> State:
    return machine.start(policy, T0, (), confidence_ms=0)


GOLDEN = {
    "shock": (_shock, [(602, Posture.STALKER), (3_722, Posture.APEX)], 4_202),
    "blind": (_blind, [(536, Posture.STALKER), (3_481, Posture.TURTLE), (7_197, Posture.HIBERNATE)], None),
    "re-arm": (_rearmed, [(1_020, Posture.TURTLE), (2_400, Posture.STALKER), (5_520, Posture.APEX)], 6_000),
}
"""How it begins, the whole policy second at which each posture is first in force, and when confidence is full."""


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


def ways(name: str, policy: Policy) -> None:
    """Ask every policy second, at random times, and once: equal states and effects, and the golden times."""
    begin, golden, full_s = GOLDEN[name]
    end_s = 7_300
    state = begin(policy)
    every, told, full = _asked(policy, state, [_at(policy, second) for second in range(end_s + 1)])
    assert _seconds(policy, told) == golden, _seconds(policy, told)
    assert full == (_at(policy, full_s) if full_s else full), full
    rng = Random(policy.profile)
    times = sorted(rng.randrange(_at(policy, 0), _at(policy, end_s)) for _ in range(2_000))
    assert _asked(policy, state, [*times, _at(policy, end_s)])[:2] == (every, told)
    assert _asked(policy, state, [_at(policy, end_s)])[:2] == (every, told)


@pytest.mark.req("DOL-POSTURE-007", "DOL-TIME-002")
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_times_in_three_ways_of_asking(name: str, profile: str) -> None:
    """In a process of its own, contracts off: with them, eighty thousand visits take a minute."""
    script = f"from tests.kernel import test_golden as g; g.ways({name!r}, g.PROFILES[{profile!r}])"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "DOLPHIN_CONTRACTS": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.req("DOL-POSTURE-007")
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_times_with_contracts_on(name: str) -> None:
    """The first fall or rise of each: the rest is the same code, half a millisecond a visit."""
    begin, golden, _ = GOLDEN[name]
    _, told, _ = _asked(INTRADAY, begin(INTRADAY), [_at(INTRADAY, golden[0][0])])
    assert _seconds(INTRADAY, told) == golden[:1]


@pytest.mark.req("DOL-POSTURE-007")
def test_a_shock_between_two_policy_seconds_is_at_most_one_second_later() -> None:
    for offset_ms in (1, 999):
        state = machine.start(INTRADAY, T0, ())
        state, _ = machine.step(INTRADAY, state, ev.Shock(T0 + offset_ms * 1_000_000))
        _, told = machine.step(INTRADAY, state, ev.Tick(_at(INTRADAY, 610)))
        ((stalker, _),) = _seconds(INTRADAY, told)
        assert stalker in (602, 603)


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
