"""Due times: weekends, daylight saving, half days, lunch, the ends of a feed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dolphin.kernel.units import NEVER_NS, NS_PER_S
from dolphin.sensors.sessions import SPOT_FX, Always, Weekly, exchange, weekly

MINUTE, DAY = 60 * NS_PER_S, 86_400 * NS_PER_S


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S


def text(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M")


XNYS, FX = exchange("XNYS"), weekly(SPOT_FX)


@pytest.mark.req("DOL-SENSE-006")
@pytest.mark.parametrize(
    ("seen", "due"),
    [
        ("2012-02-01 21:00", "2012-02-02 21:00"),  # Wednesday to Thursday
        ("2012-02-03 21:00", "2012-02-06 21:00"),  # over a weekend
        ("2012-11-21 21:00", "2012-11-23 18:00"),  # over Thanksgiving, to the half day after it
        ("2012-10-26 20:00", "2012-10-31 20:00"),  # the hurricane: two days that no rule knows
        ("2012-03-09 21:00", "2012-03-12 20:00"),  # daylight saving begins
        ("2012-02-01 20:59", "2012-02-01 21:00"),  # stamped a minute early: the close is still due
    ],
)
def test_a_daily_bar_is_due_at_the_next_sessions_close(seen: str, due: str) -> None:
    assert text(XNYS.due_ns(at(seen), DAY)) == due


@pytest.mark.parametrize(
    ("seen", "due"),
    [
        ("2012-02-01 15:00", "2012-02-01 15:01"),
        ("2012-02-01 21:00", "2012-02-02 14:31"),  # the last minute of a day
        ("2012-02-03 20:59", "2012-02-03 21:00"),
        ("2012-02-04 12:00", "2012-02-06 14:31"),  # stamped on a Saturday
    ],
)
def test_minute_bars_skip_what_is_closed(seen: str, due: str) -> None:
    assert text(XNYS.due_ns(at(seen), MINUTE)) == due


@pytest.mark.req("DOL-SENSE-006")
@pytest.mark.parametrize(
    ("seen", "interval", "due"),
    [
        ("2012-02-03 22:00", MINUTE, "2012-02-05 22:01"),  # winter: 17:00 New York is 22:00
        ("2012-07-06 21:00", MINUTE, "2012-07-08 21:01"),  # summer: 21:00
        ("2012-03-09 22:00", MINUTE, "2012-03-11 21:01"),  # closes in winter, opens in summer
        ("2012-11-02 21:00", MINUTE, "2012-11-04 22:01"),  # and back
        ("2012-02-03 21:58", 5 * MINUTE, "2012-02-05 22:03"),  # two minutes before the weekend, three after
        ("2012-02-02 22:00", DAY, "2012-02-03 22:00"),
        ("2012-02-03 22:00", DAY, "2012-02-06 22:00"),  # FX days end at 17:00 New York
    ],
)
def test_the_fx_week(seen: str, interval: int, due: str) -> None:
    assert text(FX.due_ns(at(seen), interval)) == due


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2012-02-03 22:00", True),  # the moment of the close counts: a bar stamped with it trades at it
        ("2012-02-03 22:01", False),
        ("2012-02-05 21:59", False),
        ("2012-02-05 22:00", True),
    ],
)
def test_open_at(moment: str, is_open: bool) -> None:
    assert FX.open_at(at(moment)) is is_open


def test_lunch_is_closed_and_a_daily_bar_is_due_in_the_afternoon() -> None:
    tokyo = exchange("XTKS")
    assert text(tokyo.due_ns(at("2012-02-01 02:30"), MINUTE)) == "2012-02-01 03:31"
    assert not tokyo.open_at(at("2012-02-01 03:00"))
    assert text(tokyo.due_ns(at("2012-02-01 06:00"), DAY)) == "2012-02-02 06:00"


def test_a_weekly_bar_has_a_week_of_patience() -> None:
    assert text(XNYS.due_ns(at("2012-02-03 21:00"), 7 * DAY)) == "2012-02-10 21:00"


def test_a_row_that_is_published_after_the_close_is_not_late() -> None:
    vix = exchange("XNYS", 900 * NS_PER_S)
    assert text(vix.due_ns(at("2012-02-01 21:15"), DAY)) == "2012-02-02 21:15"


def test_around_the_clock() -> None:
    assert Always().open_at(0)
    assert Always().due_ns(5, 10) == 15


def test_a_history_may_begin_before_and_end_after_what_was_read() -> None:
    table = exchange("XNYS")
    assert text(table.due_ns(at("2012-02-01 21:00"), DAY)) == "2012-02-02 21:00"
    assert text(table.due_ns(at("1999-01-04 21:00"), DAY)) == "1999-01-05 21:00"
    assert text(table.due_ns(at("2018-12-28 21:00"), DAY)) == "2018-12-31 21:00"


def test_a_week_without_an_end_in_sight_is_never_due() -> None:
    empty = weekly(SPOT_FX)
    empty._build = lambda first, last: ([], [], [])
    assert empty.due_ns(at("2012-02-01 00:00"), MINUTE) == NEVER_NS
    assert empty.end_after(at("2012-02-01 00:00")) == NEVER_NS
    assert not empty.open_at(at("2012-02-01 00:00"))
    empty._short = True
    assert empty.due_ns(at("2012-02-01 00:00"), DAY) == NEVER_NS


def test_a_week_may_be_a_day_or_seven() -> None:
    short = weekly(Weekly(0, 9 * 60, 0, 17 * 60, "UTC"))
    assert text(short.due_ns(at("2012-01-30 17:00"), MINUTE)) == "2012-02-06 09:01"
    whole = weekly(Weekly(0, 9 * 60, 0, 9 * 60, "UTC"))
    assert text(whole.due_ns(at("2012-02-06 09:00"), MINUTE)) == "2012-02-06 09:01"


def test_a_calendar_that_ends_is_read_as_far_as_it_goes() -> None:
    hongkong = exchange("XHKG")
    assert text(hongkong.due_ns(at("2049-06-01 08:00"), DAY)) == "2049-06-02 08:00"
    assert hongkong.due_ns(at("2049-12-31 08:00"), DAY) == NEVER_NS
    assert text(hongkong.due_ns(at("1960-03-01 08:00"), DAY)) == "1960-03-02 08:00"


def test_the_close_of_a_trading_day() -> None:
    assert text(XNYS.end_after(at("2012-11-23 00:00"))) == "2012-11-23 18:00"
    assert text(XNYS.end_after(at("2012-11-23 18:00"))) == "2012-11-26 21:00"
