"""Category 4: 4 sigma of the 60 returns before, 30 % in a day."""

from __future__ import annotations

import math

import pytest

from dolphin.kernel.state import FeedKind
from dolphin.kernel.units import NS_PER_S
from dolphin.nautilus.ports import Bar, FeedSpec
from dolphin.sensors.feed import FeedSensor, Habits
from dolphin.sensors.sessions import Always
from dolphin.sensors.shock import DAY_NS, ReturnShock, RiseShock, log_return

T0 = 1_600_000_000 * NS_PER_S


def saw(count: int, one: ReturnShock) -> None:
    """`count` returns of about +-1 %: sigma is one per cent."""
    for index in range(count + 1):
        assert not one.bar(1_000_000 if index % 2 else 990_050)


def test_a_log_return_is_that_of_the_mathematics_in_nano_units() -> None:
    for before, after in ((100, 101), (3, 7), (10**9, 1), (1_228_10, 1_244_78)):
        assert abs(log_return(before, after) - math.log(after / before) * 1e9) <= 0.51
    assert log_return(5, 5) == 0


def test_a_shock_is_beyond_four_sigma_and_not_at_it() -> None:
    below, above = ReturnShock(), ReturnShock()
    saw(60, below)
    saw(60, above)
    assert not below.bar(round(990_050 * math.exp(0.0399)))
    assert above.bar(round(990_050 * math.exp(0.0401)))


def test_fewer_than_sixty_returns_are_no_verdict() -> None:
    one = ReturnShock()
    saw(59, one)
    assert not one.bar(10)
    other = ReturnShock()
    saw(60, other)
    assert other.bar(10)


def test_the_return_that_is_judged_is_not_among_those_that_judge_it() -> None:
    one = ReturnShock()
    for _ in range(61):
        one.bar(1_000)
    assert one.bar(1_002)


def test_one_tick_is_never_a_shock() -> None:
    one = ReturnShock()
    for _ in range(61):
        one.bar(1_000)
    assert not one.bar(1_001)


@pytest.mark.parametrize("price", [0, -5])
def test_a_price_without_a_logarithm_starts_anew_and_is_no_shock(price: int) -> None:
    one = ReturnShock()
    saw(60, one)
    assert not one.bar(price)
    assert not one.bar(1_000)


def test_old_returns_leave_the_window() -> None:
    one = ReturnShock()
    one.bar(100)
    one.bar(100_000)
    for index in range(60):
        one.bar(100_000 + index % 2)
    assert one.bar(100_900)


def test_up_thirty_per_cent_in_a_day() -> None:
    for close, shock in ((1_299, False), (1_300, True)):
        one = RiseShock()
        assert not one.bar(T0, 1_000, DAY_NS)
        assert one.bar(T0 + DAY_NS, close, DAY_NS) is shock


def test_a_finer_bar_fires_when_the_level_is_crossed_and_not_as_long_as_it_lasts() -> None:
    hour = 3_600 * NS_PER_S
    one = RiseShock()
    found = [one.bar(T0 + i * hour, 1_000 if i < 30 else 1_400, hour) for i in range(50)]
    assert found.count(True) == 1
    assert found.index(True) == 30


def feed(kind: FeedKind, shock_from_ns: int = DAY_NS) -> FeedSensor:
    return FeedSensor(FeedSpec("X.SIM", kind), Always(), Habits(0, 0, shock_from_ns, 1))


def test_only_bars_of_the_configured_length_are_looked_at() -> None:
    minute = 60 * NS_PER_S
    for step, shock_from, found in ((DAY_NS, DAY_NS, 1), (minute, DAY_NS, 0), (minute, minute, 1), (DAY_NS, 0, 0)):
        one = feed(FeedKind.DATA, shock_from)
        prices = [1_000_000 if i % 2 else 990_050 for i in range(61)] + [2_000_000]
        shocks = [one.bar(Bar(T0 + i * step, T0 + i * step, price, step)) for i, price in enumerate(prices)]
        assert shocks.count(True) == found


def test_of_a_bid_and_an_ask_bar_the_first_is_looked_at() -> None:
    one = feed(FeedKind.DATA)
    for i in range(70):
        for price in (1_000, 2_000):
            assert not one.bar(Bar(T0 + i * DAY_NS, T0 + i * DAY_NS, price, DAY_NS))


def test_a_bar_without_a_close_is_an_error() -> None:
    one = feed(FeedKind.DATA)
    assert not one.bar(Bar(T0, T0, None, DAY_NS))
    assert one.reading(T0).error == 1
    vix = feed(FeedKind.ENVIRONMENT)
    assert not vix.bar(Bar(T0, T0, -1, DAY_NS))
    assert vix.reading(T0).error == 1
