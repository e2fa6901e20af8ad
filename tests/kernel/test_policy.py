"""The policy: its constants agree with each other, and contradictions are named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dolphin.kernel import policy as p
from dolphin.kernel.posture import entry_ceiling_bp, held_ceiling_bp, move
from dolphin.kernel.units import BP, FULL_MS, MS_PER_BP

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.req("DOL-POSTURE-001", "DOL-POSTURE-002")
def test_levels_are_the_declared_shares_and_the_gap_is_the_same_everywhere() -> None:
    falls = (p.FALL_APEX_MS, p.FALL_STALKER_MS, p.FALL_TURTLE_MS)
    returns = (p.RETURN_APEX_MS, p.RETURN_STALKER_MS, p.RETURN_TURTLE_MS)
    assert [level * 100 // FULL_MS for level in falls] == [85, 33, 10]
    assert [level * 100 // FULL_MS for level in returns] == [92, 40, 17]
    assert {up - down for up, down in zip(returns, falls, strict=True)} == {p.UPWARD_GAP_MS}
    assert p.TRAPPED_BELOW_BP * MS_PER_BP == p.RETURN_APEX_MS
    assert p.FLOOR_BP * MS_PER_BP > p.FALL_TURTLE_MS


def test_the_shipped_policies_contradict_nothing() -> None:
    assert p.problems(p.INTRADAY) == p.problems(p.DAILY) == ()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"apex_entry_bp": -1}, "apex_entry_bp"),
        ({"apex_held_bp": 60_001}, "apex_held_bp"),
        ({"stalker_entry_bp": 30_000}, "stalker_entry_bp"),
        ({"stalker_held_bp": 10_000}, "turtle_held_bp"),
        ({"trim_band_bp": -1}, "trim_band_bp"),
        ({"trim_band_bp": BP + 1}, "trim_band_bp"),
        ({"kappa_bp": -1}, "kappa_bp"),
        ({"kappa_bp": BP + 1}, "kappa_bp"),
        ({"rebase_gap_ns": -1}, "rebase_gap_ns"),
        ({"trim": 2}, "trim"),
    ],
)
def test_a_contradiction_is_named(change: dict[str, int], name: str) -> None:
    assert any(text.startswith(f"{name}: ") for text in p.problems(p.INTRADAY._replace(**change)))


@pytest.mark.parametrize("value", ["", "1", "dolphin.kernel.survival.r1"])
def test_contracts_are_on_where_the_environment_says_so(value: str) -> None:
    """Coverage cannot see both settings in one process; this one counts with them."""
    script = (
        "from dolphin.kernel import confidence, contracts, survival\n"
        "print(hasattr(survival.r1, '__wrapped__'), hasattr(survival.r_total, '__wrapped__'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "DOLPHIN_CONTRACTS": value, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    one, other = {"": (False, False), "1": (True, True)}.get(value, (True, False))
    assert done.stdout.split() == [str(one), str(other)]


@pytest.mark.req("DOL-POSTURE-001")
@pytest.mark.parametrize("before", list(p.Posture))
def test_every_level_that_is_met_is_passed_and_ties_go_to_the_worse(before: p.Posture) -> None:
    """Against the definition in per cent, at each level and one millisecond to either side."""
    for percent in (0, 10, 17, 33, 40, 85, 92, 100):
        for confidence_ms in (FULL_MS * percent // 100 + offset for offset in (-1, 0, 1)):
            share = 100 * confidence_ms
            after = int(before)
            while after < 3 and share <= (85, 33, 10)[after] * FULL_MS:
                after += 1
            if after == before:
                while after > 0 and share >= (92, 40, 17)[after - 1] * FULL_MS:
                    after -= 1
            assert move(before, confidence_ms) == after


@pytest.mark.req("DOL-POSTURE-003", "DOL-SIZE-001")
def test_a_worse_posture_never_allows_more() -> None:
    for policy in (p.INTRADAY, p.DAILY):
        for ceiling in (entry_ceiling_bp, held_ceiling_bp):
            allowed = [ceiling(policy, one) for one in p.Posture]
            assert allowed == sorted(allowed, reverse=True)
        assert [entry_ceiling_bp(policy, one) for one in p.Posture] == [60_000, 20_000, 0, 0]
        assert [held_ceiling_bp(policy, one) for one in p.Posture] == [60_000, 20_000, 20_000, 0]
