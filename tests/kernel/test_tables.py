"""The curves: tables recomputed with 60 digits, compared exhaustively, and the ramps against real values."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolphin.kernel import survival
from dolphin.kernel.posture import Posture, move
from dolphin.kernel.tables import R2, R5
from dolphin.kernel.units import BP, MS_PER_BP

R2_END_S = 30 + 4 * 7_170 + 100
R5_END_BP = 3_600
bp = st.integers(0, BP)
ANY = st.integers(-(10**30), 10**30) | st.integers(-5_000, 120_000)


def _floor(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_FLOOR))


def _decade(s: int) -> Decimal:
    """10,000 * 10^(-(s-30)/7170)."""
    return 10_000 * Decimal(10) ** (Decimal(30 - s) / 7_170)


def _sigmoid(d_bp: int) -> Decimal:
    """10,000 * (1+e^(k(0.01-c)))/(1+e^(k(d-c))), k = 40, c = 0.11."""
    k, c = Decimal(40), Decimal("0.11")
    return 10_000 * (1 + (k * (Decimal("0.01") - c)).exp()) / (1 + (k * (Decimal(d_bp) / 10_000 - c)).exp())


@pytest.mark.req("DOL-FILTER-007")
def test_r2_table_is_the_floored_curve_with_two_entries_lowered() -> None:
    with localcontext() as context:
        context.prec = 60
        exact = [_floor(10_000 * Decimal(10) ** (Decimal(-i) / 239)) for i in range(240)]
    assert exact[239] in (999, 1_000)  # 10^-1 in 60 digits may print as 999.99…
    exact[239] = 1_000
    exact[0] -= 1
    exact[74] -= 1
    assert list(R2) == exact


@pytest.mark.req("DOL-FILTER-009")
def test_r5_table_is_the_floored_curve() -> None:
    with localcontext() as context:
        context.prec = 60
        exact = [_floor(_sigmoid(d)) for d in range(100, 100 + len(R5))]
    assert list(R5) == exact
    assert R5[-1] == 0
    assert R5[-2] == 1


def test_adjacent_table_entries_never_rise() -> None:
    assert all(a >= b for a, b in pairwise(R2))
    assert all(a >= b for a, b in pairwise(R5))
    assert all(a > b for a, b in pairwise(R2)), "each chord falls"


@pytest.mark.req("DOL-FILTER-007", "DOL-FILTER-010")
def test_r2_is_monotone_and_never_above_the_curve_on_its_whole_domain() -> None:
    values = [survival.r2(s) for s in range(-10, R2_END_S)]
    assert all(a >= b for a, b in pairwise(values))
    assert values[-1] == 0
    assert survival.r2(30) == BP
    assert survival.r2(31) < BP
    assert survival.r2(7_200) == 1_000
    with localcontext() as context:
        context.prec = 60
        for s in range(31, R2_END_S):
            # At 7,200 s and its decades the curve is an integer, which 60 digits may put just below.
            assert survival.r2(s) <= _decade(s) + Decimal(10) ** -40, s


def test_off_the_table_a_chord_is_worth_nothing() -> None:
    assert survival._on_chord(-1, 0) == 0
    assert survival._on_chord(239, 0) == 0
    assert survival._on_chord(0, -1) == 0
    assert survival._on_chord(0, 31) == 0


@pytest.mark.req("DOL-FILTER-009", "DOL-FILTER-010")
def test_r5_is_monotone_and_never_above_the_curve_on_its_whole_domain() -> None:
    values = [survival.r5(d) for d in range(-10, R5_END_BP)]
    assert all(a >= b for a, b in pairwise(values))
    with localcontext() as context:
        context.prec = 60
        for d in range(101, R5_END_BP):
            assert survival.r5(d) <= _sigmoid(d)
    assert [survival.r5(d) for d in (100, 668, 1_200, 1_620)] == [BP, 8_647, 4_086, 1_130]
    assert survival.r5(10**30) == 0
    assert survival.r5(-(10**30)) == BP


@pytest.mark.req("DOL-FILTER-009")
@pytest.mark.parametrize(
    ("above", "below", "fall_bp", "return_bp"),
    [
        (Posture.APEX, Posture.STALKER, 695, 540),
        (Posture.STALKER, Posture.TURTLE, 1_284, 1_208),
        (Posture.TURTLE, Posture.HIBERNATE, 1_655, 1_501),
    ],
)
def test_drawdown_alone_moves_the_posture_at_these_basis_points(
    above: Posture, below: Posture, fall_bp: int, return_bp: int
) -> None:
    def posture(before: Posture, drawdown_bp: int) -> Posture:
        return move(before, MS_PER_BP * survival.r5(drawdown_bp))

    assert posture(above, fall_bp - 1) == above
    assert posture(above, fall_bp) == below
    assert posture(below, return_bp + 1) == below
    assert posture(below, return_bp) == above


@pytest.mark.req("DOL-FILTER-008", "DOL-FILTER-010")
@given(ANY)
def test_r4_is_the_floored_ramp(since_ms: int) -> None:
    real = Fraction(3_000) + Fraction(7 * since_ms, 3_600)
    value = survival.r4(since_ms)
    assert 3_000 <= value <= BP
    if 0 <= since_ms <= 3_600_000:
        assert value <= real < value + 1


RAMPS = [
    (survival.r3_latency, 200, 2_000),
    (survival.r3_jitter, 50, 500),
    (survival.r3_depth, 8_000, 1_000),
    (survival.r3_spread, 30_000, 100_000),
    (survival.r3_silence, 200, 10_000),
]


@pytest.mark.req("DOL-SENSE-001", "DOL-FILTER-010")
@pytest.mark.parametrize(("ramp", "edge", "floor"), RAMPS)
def test_an_r3_ramp_runs_from_its_deadband_to_its_floor(ramp, edge, floor) -> None:
    low, high = sorted((edge, floor))
    # Every reading of the short ramps; the spread's, ten times as long, in steps that meet every remainder.
    stride = 11 if high > 50_000 else 1
    values = [ramp(reading) for reading in range(low - 5, high + 6, stride)]
    falling = values if edge < floor else values[::-1]
    assert all(a >= b for a, b in pairwise(falling))
    assert ramp(edge) == BP
    assert ramp(floor) == 2_000
    assert ramp(edge + (1 if edge < floor else -1)) < BP
    for reading in range(low, high + 1, stride):
        real = BP - Fraction(8_000 * (reading - edge), floor - edge)
        assert ramp(reading) <= real < ramp(reading) + 1
    assert ramp(10**30 if edge < floor else -(10**30)) == 2_000
    assert ramp(-(10**30) if edge < floor else 10**30) == BP


@pytest.mark.req("DOL-SENSE-001")
@given(bp, bp)
def test_category_3_takes_the_minimum_of_its_sensors(a: int, b: int) -> None:
    assert survival.least(a, b) == min(a, b)


@pytest.mark.req("DOL-FILTER-001", "DOL-FILTER-010")
@given(st.tuples(bp, bp, bp, bp, bp))
def test_r_total_is_below_the_real_product_and_every_factor(r: tuple[int, ...]) -> None:
    total = survival.r_total(*r)
    real = Fraction(BP)
    for factor in r:
        real = real * factor / BP
    assert 0 <= total <= real
    assert total <= min(r)
    assert survival.r_total(BP, BP, BP, BP, r[0]) == r[0]


@pytest.mark.req("DOL-FILTER-004")
@given(st.tuples(bp, bp, bp, bp, bp), st.integers(0, 4), bp)
def test_r_total_is_monotone_in_each_factor(r: tuple[int, ...], index: int, other: int) -> None:
    worse = [*r]
    worse[index] = min(r[index], other)
    assert survival.r_total(*worse) <= survival.r_total(*r)
