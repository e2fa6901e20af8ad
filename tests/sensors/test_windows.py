"""Category 3: what the windows say at the edges of their ramps, and that strides change nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dolphin.kernel.state import FeedKind
from dolphin.kernel.units import NS_PER_MS, NS_PER_S
from dolphin.nautilus.ports import FeedSpec, Quote, Reading, Trade
from dolphin.sensors.feed import FeedSensor, Habits
from dolphin.sensors.sessions import Always
from dolphin.sensors.windows import Levels, quantile

T0 = 1_600_000_000 * NS_PER_S
SPEC = FeedSpec("BTC/USDT.SIM", FeedKind.DATA, "BTC/USDT.SIM")


def sensor(floor_bp: int = 1) -> FeedSensor:
    return FeedSensor(SPEC, Always(), Habits(10 * NS_PER_S, 0, 0, floor_bp))


def quote(
    at_ms: int, *, delay_ms: int = 0, spread: int | None = 100, size: int | None = 10, mid: int = 1_000_000
) -> Quote:
    ts = T0 + at_ms * NS_PER_MS
    ask = None if spread is None else mid + spread
    return Quote(ts - delay_ms * NS_PER_MS, ts, mid, ask, size, size)


def handed[Row: Quote | Trade](rows: list[Row]) -> tuple[list[int], Callable[[Sequence[int]], list[Row]]]:
    """Rows as a sensor takes them: their times, and what makes those that it asks for."""
    return [row.ts_init_ns for row in rows], lambda indices: [rows[index] for index in indices]


def calm(minutes: int = 5, gap_ms: int = 250) -> list[Quote]:
    return [quote(at) for at in range(0, minutes * 60_000, gap_ms)]


def after(rows: list[Quote], one: FeedSensor | None = None) -> Reading:
    one = one or sensor()
    one.quotes(*handed(calm()))
    one.quotes(*handed(rows))
    return one.reading(rows[-1].ts_init_ns)


def later(count: int = 60, gap_ms: int = 250, **fields: int) -> list[Quote]:
    """15 s after the calm, all alike: they fill the 10 s window, and leave the baseline as it was."""
    return [quote(5 * 60_000 + at * gap_ms, **fields) for at in range(count)]


@pytest.mark.req("DOL-SENSE-001")
@pytest.mark.parametrize(
    ("fields", "r3_bp"),
    [
        ({}, 10_000),
        ({"delay_ms": 200}, 10_000),
        ({"delay_ms": 201}, 9_995),
        ({"delay_ms": 1_100}, 6_000),
        ({"delay_ms": 2_000}, 2_000),
        ({"delay_ms": 9_000}, 2_000),
        ({"spread": 300}, 10_000),
        ({"spread": 301}, 9_988),
        ({"spread": 1_000}, 2_000),
        ({"size": 8}, 10_000),
        ({"size": 7}, 8_857),
        ({"size": 1}, 2_000),
        ({"size": 0}, 2_000),
    ],
)
def test_each_measurement_ramps_from_its_deadband_to_the_floor(fields: dict[str, int], r3_bp: int) -> None:
    assert after(later(**fields)).r3_bp == r3_bp


@pytest.mark.req("DOL-SENSE-001")
def test_the_worst_measurement_decides() -> None:
    assert after(later(delay_ms=1_100, spread=301, size=7)).r3_bp == 6_000


def test_jitter_is_the_interquartile_range_of_the_delay() -> None:
    rows = [quote(300_000 + i * 250, delay_ms=50 if i % 2 else 0) for i in range(60)]
    assert after(rows).r3_bp == 10_000
    rows = [quote(300_000 + i * 250, delay_ms=140 if i % 2 else 0) for i in range(60)]
    assert after(rows).r3_bp == 10_000 - 1_600


def test_fewer_than_twenty_samples_in_ten_seconds_are_no_verdict_on_the_delay() -> None:
    late = [quote(330_000 + i * 500, delay_ms=5_000) for i in range(19)]
    assert after(late).r3_bp == 10_000
    late.append(quote(330_000 + 19 * 500, delay_ms=5_000))
    assert after(late).r3_bp == 2_000


def test_two_ticks_in_a_market_of_one_tick_are_no_stress() -> None:
    """The floor of 1 bp of the price: BTCUSDT jumps from 1 tick to 300 and back all day."""
    one = sensor()
    one.quotes(*handed([quote(at, spread=1) for at in range(0, 300_000, 250)]))
    rows = later(spread=99)
    one.quotes(*handed(rows))
    assert one.reading(rows[-1].ts_init_ns).r3_bp == 10_000


def test_before_there_is_a_baseline_there_is_no_verdict() -> None:
    one = sensor()
    rows = [quote(at, size=1 if at > 20_000 else 1_000) for at in range(0, 35_000, 250)]
    one.quotes(*handed(rows))
    assert one.reading(rows[-1].ts_init_ns).r3_bp == 10_000


def test_five_levels_replace_the_top_of_the_book() -> None:
    one = sensor()
    one.quotes(*handed([quote(at, size=1 + at % 3) for at in range(0, 300_000, 250)]))
    for at in range(0, 300_000, 250):
        one.depth(T0 + at * NS_PER_MS, T0 + at * NS_PER_MS, 1_000)
    for at in range(300_000, 315_000, 250):
        one.depth(T0 + at * NS_PER_MS, T0 + at * NS_PER_MS, 450)
    assert one.reading(T0 + 315 * NS_PER_S).r3_bp == 6_000


def test_prints_tell_the_delay_where_there_are_no_quotes() -> None:
    one = sensor()
    one.trades(*handed([Trade(T0 + at * NS_PER_MS, T0 + at * NS_PER_MS, 5, 1) for at in range(0, 100_000, 250)]))
    late = [T0 + at * NS_PER_MS for at in range(100_000, 115_000, 250)]
    one.trades(*handed([Trade(ts - 2_000 * NS_PER_MS, ts, 5, 1) for ts in late]))
    assert one.reading(late[-1]).r3_bp == 2_000


@pytest.mark.req("DOL-SENSE-004")
@pytest.mark.parametrize(
    "row",
    [
        quote(1_000, size=None),
        quote(1_000, spread=None),
        quote(1_000, spread=-1),
        quote(1_000, size=-1),
        Quote(T0, T0 + NS_PER_S, None, 5, 1, 1),
    ],
)
def test_what_cannot_be_read_is_an_error_until_a_good_row_follows(row: Quote) -> None:
    one = sensor()
    one.quotes(*handed([quote(0), row]))
    assert one.reading(row.ts_init_ns).error == 1
    one.quotes(*handed([quote(1_001)]))
    assert one.reading(row.ts_init_ns).error == 0


@pytest.mark.parametrize("row", [Trade(T0, T0, None, 1), Trade(T0, T0, 5, None), Trade(T0, T0, 5, -1)])
def test_a_print_that_cannot_be_read_is_an_error(row: Trade) -> None:
    one = sensor()
    one.trades(*handed([row]))
    assert one.reading(T0).error == 1


@pytest.mark.parametrize("lots", [None, -1])
def test_a_book_that_cannot_be_read_is_an_error(lots: int | None) -> None:
    one = sensor()
    one.depth(T0, T0, lots)
    assert one.reading(T0).error == 1


def test_few_rows_are_made_and_a_bad_one_gives_its_cell_to_the_next() -> None:
    one = sensor()
    rows = [quote(at, size=None if at == 500 else 10) for at in range(0, 1_000, 10)]
    made: list[int] = []

    def of(indices: Sequence[int]) -> list[Quote]:
        made.extend(indices)
        return [rows[index] for index in indices]

    one.quotes([row.ts_init_ns for row in rows], of)
    assert sorted(made) == [0, 25, 50, 51, 75, 99]
    assert [sample[0] - T0 for sample in one._windows._quotes.short] == [
        0,
        250 * NS_PER_MS,
        510 * NS_PER_MS,
        750 * NS_PER_MS,
    ]


def test_a_long_stride_without_a_good_row_is_no_sample() -> None:
    one = sensor()
    one.quotes(*handed([quote(at, spread=-1) for at in range(0, 20_000, 500)]))
    assert one._windows._quotes.short == []
    assert one.levels() == Levels()
    assert one.reading(T0 + 20 * NS_PER_S).error == 1


def test_no_rows_are_no_news() -> None:
    one = sensor()
    one.quotes(*handed([]))
    one.trades(*handed([]))
    assert one.reading(T0) == Reading(0, T0 + 10 * NS_PER_S, 10_000, 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from([1, 40, 250, 700]), st.sampled_from([0.0, 0.1, 0.9]))
@example(42_828, 40, 0.9)  # a stride that ends in 1.6 s of bad rows: the fine grid began as much too late
def test_how_rows_are_batched_changes_no_reading(seed: int, gap_ms: int, bad_share: float) -> None:
    chance = random.Random(seed)
    rows = []
    at = 0
    for _ in range(1_500):
        at += chance.randrange(gap_ms * 2)
        bad = chance.random() < bad_share
        spread = -1 if bad else chance.randrange(1, 900)
        rows.append(quote(at, delay_ms=chance.randrange(300), spread=spread, size=chance.randrange(20)))
    whole, torn = sensor(), sensor()
    whole.quotes(*handed(rows))
    start = 0
    while start < len(rows):
        end = start + chance.randrange(1, 400)
        torn.quotes(*handed(rows[start:end]))
        torn.reading(rows[min(end, len(rows)) - 1].ts_init_ns)
        start = end
    now = rows[-1].ts_init_ns
    assert whole.reading(now) == torn.reading(now)


def test_a_quantile_is_a_value_that_was_there() -> None:
    assert [quantile([1, 2, 3, 4], k, 4) for k in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert quantile([7], 9, 10) == 7


def test_what_is_remembered_is_bounded() -> None:
    one = sensor()
    for start in range(0, 40_000_000, 4_000_000):
        one.quotes(*handed([quote(at) for at in range(start, start + 4_000_000, 1_000)]))
        one.quotes(*handed([quote(at) for at in range(start + 4_000_000, start + 4_000_000 + 20_000, 250)]))
    window = one._windows._quotes
    assert len(window.base[0]) <= 4_097
    assert len(window.short) <= 4_097 + 8
    assert one.reading(T0).r3_bp == 10_000


def test_a_book_that_stopped_says_nothing_of_depth() -> None:
    one = sensor()
    for at in range(0, 120_000, 250):
        one.depth(T0 + at * NS_PER_MS, T0 + at * NS_PER_MS, 1_000)
    one.quotes(*handed([quote(140_000 + at, size=1) for at in range(0, 12_000, 250)]))
    assert one.reading(T0).r3_bp == 10_000
