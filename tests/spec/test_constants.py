"""The numbers of spec/ are those of the kernel: the shipped ones equal, the scaled ones exact fractions of them."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from dolphin.kernel import policy, state, units

SPEC = Path(__file__).resolve().parents[2] / "spec"
LEVELS = (
    "FullMs", "FallApexMs", "FallStalkerMs", "FallTurtleMs", "ReturnApexMs", "ReturnStalkerMs", "ReturnTurtleMs",
)  # fmt: skip
KERNEL = {
    "Bp": units.BP,
    "FullMs": units.FULL_MS,
    "MsPerBp": units.MS_PER_BP,
    "FallApexMs": policy.FALL_APEX_MS,
    "FallStalkerMs": policy.FALL_STALKER_MS,
    "FallTurtleMs": policy.FALL_TURTLE_MS,
    "ReturnApexMs": policy.RETURN_APEX_MS,
    "ReturnStalkerMs": policy.RETURN_STALKER_MS,
    "ReturnTurtleMs": policy.RETURN_TURTLE_MS,
    "TrappedBelowBp": policy.TRAPPED_BELOW_BP,
    "NanosPerSecond": units.NS_PER_S,
}
WAITS_NS = {"ArmWait": policy.ARM_WAIT_NS, "ClockBack": policy.CLOCK_BACK_NS}


def numbers(name: str) -> dict[str, int]:
    text = (SPEC / name).read_text(encoding="utf-8")
    return {key: int(value) for key, value in re.findall(r"^ +(\w+) = (\d+)$", text, re.MULTILINE)}


def definitions(name: str) -> dict[str, str]:
    text = (SPEC / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+) == ([^\\\n]+?) *(?:\\.*)?$", text, re.MULTILINE))


def substitutions(name: str) -> dict[str, str]:
    return dict(re.findall(r"^ +(\w+) <- (\w+)$", (SPEC / name).read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.req("DOL-POSTURE-001")
def test_the_shipped_instance_has_the_kernels_numbers() -> None:
    shipped = numbers("trace/Shipped.cfg")
    assert {key: shipped[key] for key in KERNEL} == KERNEL
    assert set(shipped) - set(KERNEL) == {"EpisodeModulus"}, "a constant that no test compares"
    assert shipped["EpisodeModulus"] < 2**31


@pytest.mark.req("DOL-REARM-003")
def test_the_shipped_waits_are_the_kernels() -> None:
    named, written = substitutions("trace/Shipped.cfg"), definitions("trace/TracePosture.tla")
    for wait, expected_ns in WAITS_NS.items():
        seconds, nanos = map(int, re.findall(r"\d+", written[named[wait]]))
        assert seconds * units.NS_PER_S + nanos == expected_ns


def test_the_sample_of_a_trace_has_the_default_policys_waits() -> None:
    sample = definitions("trace/Records.tla")
    for name, expected_ns in (
        ("JournalRequestLife", policy.INTRADAY_REQUEST_NS),
        ("JournalRebaseTrapped", policy.INTRADAY.rebase_trapped_ns),
        ("JournalRebaseGap", policy.INTRADAY.rebase_gap_ns),
    ):
        seconds, nanos = map(int, re.findall(r"\d+", sample[name]))
        assert seconds * units.NS_PER_S + nanos == expected_ns


def test_the_scaled_levels_are_one_exact_fraction_of_the_shipped_ones() -> None:
    scaled = numbers("MC/Scaled.cfg")
    factors = {Fraction(KERNEL[name], scaled[name]) for name in LEVELS}
    assert factors == {Fraction(60_000)}
    filter_ = numbers("MC/Filter.cfg")
    assert Fraction(policy.UPWARD_GAP_MS, filter_["ClaimedGapMs"]) == 60_000


def test_the_scaled_multipliers_are_one_exact_fraction_and_keep_what_a_bp_deserves() -> None:
    scaled = numbers("MC/Scaled.cfg")
    assert {Fraction(KERNEL[name], scaled[name]) for name in ("Bp", "TrappedBelowBp")} == {Fraction(100)}
    assert scaled["Bp"] * scaled["MsPerBp"] == scaled["FullMs"]
    assert KERNEL["Bp"] * KERNEL["MsPerBp"] == KERNEL["FullMs"]
    assert set(scaled) == set(KERNEL) - {"NanosPerSecond"}


def test_the_scaled_waits_keep_the_order_of_the_shipped_ones() -> None:
    named, written = substitutions("MC/Scaled.cfg"), definitions("MC/MCPosture.tla")
    names = ("ArmWait", "RequestLife", "RebaseTrapped", "RebaseGap")
    wait = [tuple(map(int, re.findall(r"\d+", written[named[key]]))) for key in names]
    assert wait[0] < wait[1] == wait[2] < wait[3]
    shipped = policy.INTRADAY
    assert policy.ARM_WAIT_NS < policy.INTRADAY_REQUEST_NS == shipped.rebase_trapped_ns < shipped.rebase_gap_ns


@pytest.mark.req("DOL-CAPITAL-005")
def test_daily_is_the_case_that_daily_cfg_checks() -> None:
    named = substitutions("MC/Scaled.cfg") | substitutions("MC/Daily.cfg")
    assert named["RebaseGap"] == named["RebaseTrapped"]
    assert policy.DAILY.rebase_gap_ns == policy.DAILY.rebase_trapped_ns


@pytest.mark.parametrize("spelling", [policy.Posture, state.Mode])
def test_postures_and_modes_have_the_same_numbers(spelling: type[policy.Posture] | type[state.Mode]) -> None:
    written = definitions("Posture.tla")
    for member in spelling:
        assert int(written[member.name]) == member.value


def test_every_number_of_the_model_fits_tlcs_32_bits() -> None:
    assert units.BP * units.BP < 2**31
    assert 2 * units.FULL_MS < 2**31
    assert 2 * units.NS_PER_S < 2**31
