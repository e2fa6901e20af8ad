"""When a sample is worth an EQUITY record: each rule of the sampler by itself, and that no other sample is told."""

from __future__ import annotations

import pytest

from dolphin.kernel.events import Equity, Seen
from dolphin.kernel.machine import start, step
from dolphin.kernel.policy import DAILY, INTRADAY, MARK_WINDOW_NS
from dolphin.kernel.state import FeedKind
from dolphin.kernel.units import NEVER_NS, NS_PER_S
from dolphin.nautilus.equity import TRIM_AGAIN_NS, Sampler, late, moved, second_ns
from dolphin.nautilus.values import NOT_YET, Sample

T0 = 1_700_000_000 * NS_PER_S
MARK = 100_000_000
S = NS_PER_S


def told(policy=INTRADAY, equity=MARK, gross=0, flat=1):
    """A sampler that has told this once, and the state after it."""
    state = start(policy, T0, (FeedKind.DATA,))
    state, _ = step(policy, state, Seen(T0, 0, NEVER_NS))
    sampler = Sampler(policy)
    event = sampler.event(state, Sample(1, equity, gross, flat, 0), T0, False)
    assert event == Equity(T0, equity, gross, flat, 0, 0)
    state, _ = step(policy, state, event._replace(stood=1))
    return sampler, state


def test_a_policy_second():
    assert second_ns(INTRADAY) == S
    assert second_ns(DAILY) == 1_440 * S


def test_what_is_not_known_yet_is_not_told():
    sampler, state = told()
    assert sampler.event(state, NOT_YET, T0 + S, False) is None


def test_the_same_again_is_not_told():
    sampler, state = told()
    assert sampler.event(state, Sample(1, MARK, 0, 1, 0), T0 + 100 * S, True) is None


@pytest.mark.parametrize(("lost", "tells"), [(1, True), (10_000, True), (0, False)])
def test_a_drawdown_that_changes_by_a_basis_point_is_told(lost, tells):
    sampler, state = told()
    event = sampler.event(state, Sample(1, MARK - lost, 0, 1, 0), T0 + 1, False)
    assert (event is not None) == tells
    if event is None:
        return
    state, _ = step(INTRADAY, state, event)
    assert state.capital.drawdown_bp == 1
    assert sampler.event(state, Sample(1, MARK - 9_999, 0, 1, 0), T0 + 2, False) is None  # still 1 bp, rounded up


def test_a_book_that_opens_or_closes_is_told():
    sampler, state = told()
    assert sampler.event(state, Sample(1, MARK, 1_000, 0, 0), T0 + 1, False) == Equity(T0 + 1, MARK, 1_000, 0, 0, 0)


@pytest.mark.req("DOL-SENSE-002")
def test_an_error_is_told_once_and_so_is_its_end():
    sampler, state = told(gross=1_000, flat=0)
    event = sampler.event(state, Sample(1, MARK, 1_000, 0, 1), T0 + 1, False)
    assert event == Equity(T0 + 1, 0, 1_000, 0, 0, 1)
    state, _ = step(INTRADAY, state, event)
    assert sampler.event(state, Sample(1, MARK, 1_000, 0, 1), T0 + 2, False) is None
    event = sampler.event(state, Sample(1, MARK, 1_000, 0, 0), T0 + 3, True)
    assert event == Equity(T0 + 3, MARK, 1_000, 0, 1, 0)


@pytest.mark.req("DOL-CAPITAL-002")
@pytest.mark.parametrize("policy", [INTRADAY, DAILY], ids=["intraday", "daily"])
def test_a_rise_is_told_once_a_policy_second_by_steps_of_a_basis_point(policy):
    sampler, state = told(policy)
    second = second_ns(policy)
    step_up = MARK // 10_000
    up = Sample(1, MARK + step_up, 0, 1, 0)
    assert sampler.event(state, up, T0 + second - 1, False) is None
    if policy is INTRADAY:
        less = Sample(1, MARK + step_up - 1, 0, 1, 0)
        assert sampler.event(state, less, T0 + second, False) is None
        assert sampler.event(state, less, T0 + MARK_WINDOW_NS, False) is None
        assert sampler.event(state, less, T0 + MARK_WINDOW_NS + 1, False) is not None
    sampler, state = told(policy)
    assert sampler.event(state, up, T0 + second, False) is not None


@pytest.mark.req("DOL-TRIM-001")
def test_more_than_may_be_held_is_told_again_every_minute():
    most = 6 * MARK
    sampler, state = told(gross=most, flat=0)
    band = most + most // 10
    assert sampler.event(state, Sample(1, MARK, band, 0, 0), T0 + 1, False) is None
    over = Sample(1, MARK, band + 1, 0, 0)
    assert sampler.event(state, over, T0 + 2, False) is not None
    assert sampler.event(state, over, T0 + 1 + TRIM_AGAIN_NS, False) is None
    assert sampler.event(state, over, T0 + 2 + TRIM_AGAIN_NS, False) is not None
    assert sampler.event(state, Sample(1, MARK, most, 0, 0), T0 + 3 + TRIM_AGAIN_NS, False) is None
    assert sampler.event(state, over, T0 + 4 + TRIM_AGAIN_NS, False) is not None  # it had ended, and begins again


@pytest.mark.req("DOL-CAPITAL-006")
@pytest.mark.parametrize(("equity", "far"), [(MARK - 99_999, False), (MARK - 100_000, True), (MARK + 100_000, True)])
def test_ten_basis_points_of_the_mark(equity, far):
    _, state = told()
    assert moved(state, Sample(1, equity, 0, 1, 0)) == far


def test_a_feed_is_late_at_its_due_time():
    _, state = told()
    (feed,) = state.feeds
    assert not late(state.feeds, T0)
    assert not late((feed._replace(due_ns=T0 + 5),), T0 + 4)
    assert late((feed, feed._replace(due_ns=T0 + 5)), T0 + 5)
