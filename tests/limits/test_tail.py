"""Value at risk and expected shortfall against plain floating references, and what they leave at their boundary."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolphin.kernel.units import BP, MICRO
from dolphin.limits.tail import ALL, BREACHED, expected_shortfall, left, loss_with, losses, value_at_risk

MEASURES = pytest.mark.parametrize("measure", [value_at_risk, expected_shortfall])
ROWS = st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=60)
CONFIDENCE = st.integers(5_000, 9_999)


def reference_shortfall(of, confidence_bp):
    """Rockafellar and Uryasev 2000: VaR and the mean excess over it, over the whole distribution."""
    tail = len(of) * (BP - confidence_bp) / BP
    point = np.quantile(of, 1 - min(max(tail, 1 / BP) / len(of), 1), method="inverted_cdf")
    return point + sum(max(loss - point, 0) for loss in of) / max(tail, 1 / BP)


@pytest.mark.req("DOL-LIMIT-032")
@given(ROWS, CONFIDENCE)
def test_value_at_risk_is_the_quantile_of_the_empirical_distribution(of, confidence_bp):
    """numpy's float of 1 - tail/n may fall on the wrong side of a whole row: then its neighbour is meant."""
    found = value_at_risk(of, confidence_bp)
    exceeded = sum(loss > found for loss in of)
    assert exceeded * BP <= len(of) * (BP - confidence_bp), "at least that share of the rows is within it"
    reached = sum(loss >= found for loss in of)
    assert reached * BP > len(of) * (BP - confidence_bp), "and of nothing smaller"
    if (len(of) * confidence_bp) % BP:
        assert found == np.quantile(of, confidence_bp / BP, method="inverted_cdf")


@pytest.mark.req("DOL-LIMIT-033")
@given(ROWS, CONFIDENCE)
def test_expected_shortfall_is_the_mean_beyond_it(of, confidence_bp):
    found = expected_shortfall(of, confidence_bp)
    assert found >= value_at_risk(of, confidence_bp)
    assert found == pytest.approx(reference_shortfall(of, confidence_bp), rel=1e-9, abs=1.01)


def test_of_250_days():
    days = list(range(1, 251))
    assert value_at_risk(days, 9_900) == 248, "two and a half days are worse: the third worst"
    assert expected_shortfall(days, 9_750) == math.ceil((sum(range(245, 251)) + 244 * 0.25) / 6.25)
    assert value_at_risk(days, 9_999) == expected_shortfall(days, 9_999) == 250
    assert value_at_risk([], 9_900) == expected_shortfall([], 9_900) == 0


def test_a_loss_is_rounded_up_and_a_short_loses_where_a_long_gains():
    assert losses((10, -10), (1, -1), 1) == [-10 * MICRO, 10 * MICRO + 1]
    assert losses((0, 0), (5, -5), -2 * MICRO) == [10, -10]


@pytest.mark.req("DOL-LIMIT-033")
@given(ROWS, ROWS, CONFIDENCE)
def test_expected_shortfall_is_subadditive(one, other, confidence_bp):
    count = min(len(one), len(other))
    one, other = one[:count], other[:count]
    both = [a + b for a, b in zip(one, other, strict=True)]
    apart = expected_shortfall(one, confidence_bp) + expected_shortfall(other, confidence_bp)
    assert expected_shortfall(both, confidence_bp) <= apart


@MEASURES
@pytest.mark.req("DOL-LIMIT-032", "DOL-LIMIT-033")
@given(data=st.data())
def test_what_is_left_is_within_the_limit_and_one_lot_more_is_not(measure, data):
    count = data.draw(st.integers(1, 30))
    pnl = data.draw(st.lists(st.integers(-10_000, 10_000), min_size=count, max_size=count))
    moves = data.draw(st.lists(st.integers(-MICRO, MICRO), min_size=count, max_size=count))
    confidence_bp = data.draw(CONFIDENCE)
    lot_u = data.draw(st.integers(1, 10**9)) * data.draw(st.sampled_from((1, -1)))
    lots = data.draw(st.integers(0, 1_000))
    most_u = data.draw(st.integers(-(10**9), 10**10))
    found = left(measure, confidence_bp, pnl, moves, lot_u, lots, most_u)

    def at(lots):
        return loss_with(measure, confidence_bp, pnl, moves, lot_u * lots)

    if found == ALL:
        assert at(lots) <= max(most_u, at(0) - 1)
    elif found == BREACHED:
        assert at(0) > most_u
        assert at(lots) >= at(0)
    else:
        assert at(found) <= most_u < at(found + 1)


def test_what_is_left_by_hand():
    """A lot is worth 100 and falls by a tenth in the worst of four rows; 35 may be lost."""
    moves = (-100_000, 50_000, 20_000, 0)
    here = {"confidence_bp": 7_500, "lot_u": 100 * MICRO, "entry_lots": 9}
    for measure in (value_at_risk, expected_shortfall):
        given_ = {"measure": measure, "pnl": (), "moves": moves} | here
        assert left(**given_, most_u=90 * MICRO) == ALL
        assert left(**given_ | {"confidence_bp": 7_501}, most_u=35 * MICRO) == 3
        held = given_ | {"pnl": (-50, 0, 0, 0), "confidence_bp": 7_501}
        assert left(**held, most_u=35 * MICRO) == BREACHED
        assert left(**held | {"lot_u": -100 * MICRO, "entry_lots": 4}, most_u=5 * MICRO) == ALL, "a hedge lowers it"
        assert left(**held | {"moves": ()}, most_u=50 * MICRO) == ALL, "it has no rows of its own"
