"""Settings: what works without any, what is refused and how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dolphin.kernel.state import FeedKind
from dolphin.kernel.units import NEVER_NS, NS_PER_S
from dolphin.nautilus.ports import Bar, FeedSpec, Quote
from dolphin.sensors.sessions import Always, Table
from dolphin.sensors.source import SettingError, Source, build, interval_ns, is_fx

T0 = 1_328_054_400 * NS_PER_S  # 2012-02-01 00:00 UTC
DAY = 86_400 * NS_PER_S


def test_without_a_setting_there_is_one_data_feed_for_each_instrument() -> None:
    source = build({})
    assert source.specs(["A.SIM", "B.SIM"]) == (
        FeedSpec("A.SIM", FeedKind.DATA, "A.SIM"),
        FeedSpec("B.SIM", FeedKind.DATA, "B.SIM"),
    )


@pytest.mark.parametrize(
    ("name", "kind", "silence_s"),
    [
        ("BTC/USDT.BINANCE", Always, 10),
        ("EUR/USD.SIM", Table, 300),
        ("GBPUSD.FXCM", Table, 300),
        ("SPY.XNYS", Table, 10),
        ("SPY.ARCA", Always, 10),
    ],
)
def test_sessions_and_patience_follow_from_the_id(name: str, kind: type, silence_s: int) -> None:
    source = build({})
    (spec,) = source.specs([name])
    assert isinstance(source.sessions(spec), kind)
    one = source.sensor(spec)
    noon = T0 + 17 * 3_600 * NS_PER_S
    one.quotes([noon], lambda indices: [Quote(noon, noon, 1, 2, 3, 4) for _ in indices])
    assert one.reading(noon).due_ns == noon + silence_s * NS_PER_S


def test_feeds_of_one_market_share_one_table() -> None:
    source = build({})
    first, second = source.specs(["A.XNYS", "B.XNYS"])
    assert source.sessions(first) is source.sessions(second)


def test_the_vix_is_an_environment_feed_and_no_data_feed() -> None:
    source = build({"vix": {"bar_type": "VIX.XNYS-1-DAY-LAST-EXTERNAL", "sessions": "XNYS", "late_s": 900}})
    specs = source.specs(["SPX.XNYS", "VIX.XNYS"])
    assert [spec.kind for spec in specs] == [FeedKind.DATA, FeedKind.ENVIRONMENT]
    assert specs[1] == FeedSpec("VIX", FeedKind.ENVIRONMENT, "VIX.XNYS", "VIX.XNYS-1-DAY-LAST-EXTERNAL")
    one = source.sensor(specs[1])
    close = T0 + (21 * 3_600 + 900) * NS_PER_S
    assert not one.bar(Bar(close, close, 1_000, DAY))
    assert one.reading(close).due_ns == close + DAY


@pytest.mark.req("DOL-SENSE-006")
def test_a_feed_is_absent_before_its_first_and_after_its_last_row() -> None:
    source = build({"spans": {"A.SIM": [T0, T0 + 2 * DAY]}})
    (spec,) = source.specs(["A.SIM"])
    one = source.sensor(spec)
    assert one.reading(T0 - DAY).due_ns == NEVER_NS
    assert one.reading(T0 + 1).due_ns == T0
    one.bar(Bar(T0, T0, 5, DAY))
    assert one.reading(T0).due_ns == T0 + DAY
    one.bar(Bar(T0 + 2 * DAY, T0 + 2 * DAY, 5, DAY))
    assert one.reading(T0 + 2 * DAY).due_ns == NEVER_NS


def test_a_feed_without_a_known_beginning_is_awaited_from_the_first_question_on() -> None:
    source = build({"interval_s": 60})
    (spec,) = source.specs(["A.SIM"])
    one = source.sensor(spec)
    assert one.reading(T0).due_ns == T0 + 60 * NS_PER_S
    assert one.reading(T0 + 30 * NS_PER_S).due_ns == T0 + 60 * NS_PER_S


def test_bars_of_no_interval_are_never_late() -> None:
    source = build({})
    (spec,) = source.specs(["A.SIM"])
    one = source.sensor(spec)
    one.bar(Bar(T0, T0, 5, 0))
    assert one.reading(T0).due_ns == NEVER_NS


def test_settings_for_one_instrument_and_for_the_rest() -> None:
    source = build({"max_silence_s": {"A.SIM": 5, "default": 7}, "sessions": {"A.SIM": "fx"}})
    for name, silence_s in (("A.SIM", 5), ("B.SIM", 7)):
        (spec,) = source.specs([name])
        one = source.sensor(spec)
        one.quotes([T0], lambda indices: [Quote(T0, T0, 1, 2, 3, 4) for _ in indices])
        assert one.reading(T0).due_ns == T0 + silence_s * NS_PER_S


def test_a_market_without_a_close_may_be_late_too() -> None:
    """Its setting was taken and did nothing: a bar a second after the half hour was a stall."""
    source = build({"late_s": {"BTC/USDT.X": 5}})
    late, other = (source.sessions(spec) for spec in source.specs(["BTC/USDT.X", "ETH/USDT.X"]))
    assert (late.due_ns(10, 60), other.due_ns(10, 60)) == (70 + 5 * NS_PER_S, 70)


def test_a_week_of_ones_own() -> None:
    week = {"open": "Sunday 18:00", "close": "Friday 17:00", "zone": "America/New_York"}
    source = build({"weekly": {"globex": week}, "sessions": "globex"})
    (spec,) = source.specs(["A.SIM"])
    assert not source.sessions(spec).open_at(T0 + 3 * DAY)


def test_settings_are_plain_json() -> None:
    settings = {"vix": {"bar_type": "VIX.XNYS-1-DAY-LAST-EXTERNAL"}, "spans": {"A.SIM": [1, 2]}}
    assert build(json.loads(json.dumps(settings))).specs(["A.SIM"])[0].last_ns == 2


@pytest.mark.parametrize(
    ("settings", "key", "accepted"),
    [
        ({"sesions": "XNYS"}, "sesions", "sessions"),
        ({"sessions": "XNYZ"}, "sessions", "XNYS"),
        ({"sessions": {"A.SIM": "fxx"}}, "sessions", "fx"),
        ({"max_silence_s": -1}, "max_silence_s", "not negative"),
        ({"max_silence_s": {"default": "10"}}, "max_silence_s", "a whole number"),
        ({"late_s": True}, "late_s", "a whole number"),
        ({"shocks": "DAILY"}, "shocks", "1-DAY"),
        ({"shocks": "1-YEAR"}, "shocks", "MINUTE"),
        ({"vix": {"bar_type": "VIX"}}, "vix.bar_type", "VIX.XCBF-1-DAY-LAST-EXTERNAL"),
        ({"vix": {"bartype": "x"}}, "vix.bartype", "bar_type"),
        ({"weekly": {"w": {"open": "Sun 17:00", "close": "Friday 17:00"}}}, "weekly.w.open", "Sunday 17:00"),
        ({"weekly": {"w": {"open": "Sunday 17:00", "close": "Friday 25:00"}}}, "weekly.w.close", "23:59"),
        ({"weekly": {"w": {"open": "Sunday 17:00", "close": "Friday 17"}}}, "weekly.w.close", "Sunday 17:00"),
        ({"weekly": {"w": "Sunday"}}, "weekly.w", "open"),
        ({"weekly": {"w": {"begin": 1}}}, "weekly.w.begin", "open, close, zone"),
        (
            {"weekly": {"w": {"open": "Sunday 17:00", "close": "Friday 17:00", "zone": "Mars"}}},
            "weekly.w.zone",
            "Europe/London",
        ),
        ({"spans": {"A.SIM": [1]}}, "spans.A.SIM", "first_ns"),
        ({"spread_floor_bp": 1.5}, "spread_floor_bp", "a whole number"),
    ],
)
def test_what_means_nothing_is_refused_with_key_and_what_is_accepted(
    settings: dict[str, Any], key: str, accepted: str
) -> None:
    with pytest.raises(SettingError) as caught:
        build(settings)
    assert f"sensors.{key}" in str(caught.value)
    assert accepted in str(caught.value)


def test_no_settings_at_all() -> None:
    assert build(None).specs([]) == ()


@pytest.mark.parametrize(
    ("name", "fx"),
    [
        ("EUR/USD.SIM", True),
        ("EURUSD.SIM", True),
        ("BTC/USD.SIM", False),
        ("AAPL.XNAS", False),
        ("USDT/USD.SIM", False),
    ],
)
def test_pairs_of_national_currencies(name: str, fx: bool) -> None:
    assert is_fx(name) is fx


@pytest.mark.parametrize(
    ("bar_type", "ns"),
    [
        ("SPX.XNYS-1-DAY-LAST-EXTERNAL", DAY),
        ("EUR/USD.SIM-15-MINUTE-BID-EXTERNAL", 900 * NS_PER_S),
        ("A-B.SIM-100-MILLISECOND-MID-INTERNAL", 100_000_000),
        ("A.SIM-1000-TICK-LAST-INTERNAL", 0),
        ("A.SIM-X-DAY-LAST-INTERNAL", 0),
        ("VIX", 0),
    ],
)
def test_the_interval_of_a_bar_type(bar_type: str, ns: int) -> None:
    assert interval_ns(bar_type) == ns


def test_the_silence_that_a_source_allows() -> None:
    assert Source({}).silence_ns("EUR/USD.SIM") == 300 * NS_PER_S


def test_shocks_may_be_switched_off() -> None:
    one = build({"shocks": "none"}).sensor(FeedSpec("A.SIM", FeedKind.DATA, "A.SIM"))
    prices = [100_000 if i % 2 else 99_000 for i in range(61)] + [500_000]
    assert not any(one.bar(Bar(T0 + i * DAY, T0 + i * DAY, price, DAY)) for i, price in enumerate(prices))


def test_a_venue_that_only_looks_like_a_calendar() -> None:
    source = build({})
    assert isinstance(source.sessions(source.specs(["A.XXXX"])[0]), Always)


def test_a_calendar_is_read_once_where_the_span_is_known() -> None:
    source = build({"spans": {"A.XNYS": [T0, T0 + 30 * DAY]}})
    table = source.sessions(source.specs(["A.XNYS"])[0])
    assert isinstance(table, Table)
    before = table._opens
    table.due_ns(T0 + 400 * DAY, DAY)
    assert table._opens is before
