"""Objects to integers at their boundaries: what rounds, what is too large for a double, what means nothing."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.kernel.units import MICRO
from dolphin.nautilus.translate import (
    DOUBLE_UNITS_MAX,
    RATE_ONE,
    RESTS,
    TAKES,
    TRIGGERS,
    ceil_div,
    lots_of,
    price_units,
    quantity_of,
    rate_of,
    scale_of,
    size_of,
    style_of,
    ticks_of,
    units,
    value_u,
)

AUDUSD = TestInstrumentProvider.default_fx_ccy("AUD/USD")
USDJPY = TestInstrumentProvider.default_fx_ccy("USD/JPY")
XBT = TestInstrumentProvider.xbtusd_bitmex()
COIN = TestInstrumentProvider.btcusdt_binance()
FUTURE = TestInstrumentProvider.es_future(2026, 12)
NAN, INF = (SimpleNamespace(as_double=lambda v=v: v) for v in (float("nan"), float("inf")))


@pytest.mark.req("DOL-JOURNAL-009")
@pytest.mark.parametrize(
    ("instrument", "lot_units", "size_power", "tick_units", "price_power", "currency", "min_lots"),
    [
        (AUDUSD, 1, 1, 1, 10**5, "USD", 1_000),
        (USDJPY, 1, 1, 1, 10**3, "JPY", 1_000),
        (XBT, 1, 1, 5, 10, "BTC", 1),
        (COIN, 1, 10**6, 1, 10**2, "USDT", 1),
        (FUTURE, 1, 1, 1, 100, "USD", 1),
    ],
)
def test_the_scales_of_an_instrument(instrument, lot_units, size_power, tick_units, price_power, currency, min_lots):
    scale = scale_of(instrument)
    found = (scale.lot_units, scale.size_power, scale.price_power, scale.currency.code)
    assert found == (lot_units, size_power, price_power, currency)
    assert scale.tick_units == round(float(instrument.price_increment) * price_power)
    assert scale.min_lots >= 1
    assert scale.inverse == (instrument is XBT)
    if instrument.min_quantity is not None:
        assert scale.min_lots * lot_units >= round(float(instrument.min_quantity) * size_power)
        assert (scale.min_lots - 1) * lot_units < max(1, round(float(instrument.min_quantity) * size_power))


@pytest.mark.parametrize("instrument", [AUDUSD, USDJPY, COIN, FUTURE, XBT])
@given(ticks=st.integers(1, 10**9))
def test_what_a_lot_is_worth_is_the_real_worth_rounded_up(instrument, ticks):
    scale = scale_of(instrument)
    at = ticks * scale.tick_units
    price = Fraction(at, scale.price_power)
    size = Fraction(scale.lot_units, scale.size_power) * Fraction(Decimal(str(instrument.multiplier)))
    real = size / price if scale.inverse else size * price
    real *= 10**scale.currency.precision * MICRO
    found = value_u(at, scale, RATE_ONE)
    assert real <= found < real + 1


@given(at=st.integers(1, 10**9), rate=st.integers(1, 10**15))
@pytest.mark.parametrize("instrument", [USDJPY, XBT])
def test_a_rate_that_is_not_one_rounds_up_once(instrument, at, rate):
    scale = scale_of(instrument)
    if scale.inverse:
        real = Fraction(scale.value_num * rate, scale.value_den * at * RATE_ONE)
    else:
        real = Fraction(scale.value_num * at * rate, scale.value_den * RATE_ONE)
    assert real <= value_u(at, scale, rate) < real + 1


@pytest.mark.req("DOL-ORDER-004")
@pytest.mark.parametrize("instrument", [AUDUSD, XBT])
def test_nothing_is_worth_nothing_and_a_negative_price_is_exposure_where_there_is_one(instrument):
    scale = scale_of(instrument)
    assert value_u(0, scale, RATE_ONE) == 0
    assert value_u(65_000, scale, 0) == 0
    assert value_u(65_000, scale, -1) == 0
    assert value_u(-65_000, scale, RATE_ONE) == 0
    signed = scale._replace(signed=True)
    assert value_u(-65_000, signed, RATE_ONE) == value_u(65_000, scale, RATE_ONE) > 0
    assert value_u(-65_000, signed, RATE_ONE // 2) == value_u(65_000, scale, RATE_ONE // 2) > 0


@pytest.mark.req("DOL-ORDER-004")
def test_only_what_may_trade_below_zero_is_priced_there():
    assert not scale_of(AUDUSD).signed
    assert not scale_of(XBT).signed
    assert scale_of(TestInstrumentProvider.es_future(2030, 3)).signed
    assert scale_of(TestInstrumentProvider.commodity()).signed


@pytest.mark.parametrize(
    ("rate", "before", "after", "expected"),
    [
        (None, 2, 2, 0),
        (0.0, 2, 2, 0),
        (-1.5, 2, 2, 0),
        (float("nan"), 2, 2, 0),
        (float("inf"), 2, 2, 0),
        (1.0, 2, 2, RATE_ONE),
        (0.0067, 0, 2, 67 * 10**8 * 100),  # yen have no minor unit, dollars have cents
        (150.0, 2, 0, 150 * 10**10),
        (5e-13, 2, 2, 1),  # never nothing where there is something
        (5e-324, 2, 2, 1),
        (1e15, 2, 2, 10**27),
    ],
)
def test_rates_between_minor_units(rate, before, after, expected):
    assert rate_of(rate, before, after) == expected


@given(st.floats(1e-9, 1e9), st.sampled_from([0, 2, 8]), st.sampled_from([0, 2, 8]))
def test_a_rate_rounds_up(rate, before, after):
    real = Fraction(Decimal(str(rate))) * 10**after * RATE_ONE / 10**before
    assert real <= rate_of(rate, before, after) < real + 1


@pytest.mark.parametrize("near", [DOUBLE_UNITS_MAX - 2, DOUBLE_UNITS_MAX - 1, DOUBLE_UNITS_MAX, DOUBLE_UNITS_MAX + 1])
def test_units_on_both_sides_of_what_a_double_holds(near):
    text = f"{Decimal(near) / 10**8:.8f}"
    assert units(Quantity.from_str(text), 10**8) == near
    assert units(Money.from_str(f"{text} BTC"), 10**8) == near
    assert units(Money.from_str(f"-{text} BTC"), 10**8) == -near


def test_huge_values_are_exact_where_a_double_is_not():
    quantity = Quantity.from_str("17179869183.99999999")
    assert units(quantity, 10**8) == 1_717_986_918_399_999_999
    assert lots_of(quantity, scale_of(COIN)._replace(size_power=10**8)) == 1_717_986_918_399_999_999
    assert units(Money.from_str("90071992547.40993001 BTC"), 10**8) == 9_007_199_254_740_993_001
    assert size_of(quantity, scale_of(COIN)._replace(size_power=10**8)) == 1_717_986_918_399_999_999


@given(st.integers(0, 10**13), st.integers(1, 10**6))
def test_lots_round_up_and_back(amount, lot_units):
    scale = scale_of(AUDUSD)._replace(lot_units=lot_units)
    lots = lots_of(Quantity.from_int(amount), scale)
    assert lots * lot_units >= amount > (lots - 1) * lot_units or amount == lots == 0
    assert int(quantity_of(lots, scale)) == lots * lot_units


def test_a_quantity_keeps_its_precision():
    assert str(quantity_of(123, scale_of(COIN))) == "0.000123"
    assert str(quantity_of(5, scale_of(AUDUSD))) == "5"


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_division_upwards(a, b):
    assert ceil_div(a, b) * b >= a > (ceil_div(a, b) - 1) * b


@pytest.mark.parametrize("price", [None, NAN, INF])
def test_a_price_that_is_none_has_no_ticks_and_a_size_no_lots(price):
    assert ticks_of(price, scale_of(AUDUSD)) is None
    assert size_of(price, scale_of(AUDUSD)) is None


@pytest.mark.req("DOL-SENSE-002")
def test_ticks_are_none_at_zero_below_it_for_some_and_sizes_round_down():
    """A share below zero is unreadable; oil at -37.63 is a price: a kill must be able to sell there."""
    scale = scale_of(FUTURE)
    tick = FUTURE.price_increment
    assert ticks_of(tick, scale) == 1
    assert ticks_of(Price(0, 2), scale) == 0
    assert ticks_of(Price(-1, 2), scale) == -4
    assert ticks_of(Price(0, 2), scale_of(AUDUSD)) is None
    assert ticks_of(Price(-1, 2), scale_of(AUDUSD)) is None
    assert price_units(Price(-37.63, 2), scale) == -3_763
    assert size_of(Quantity.from_int(999), scale_of(AUDUSD)._replace(lot_units=100)) == 9


LIMIT, STOP, MARKET, TO_LIMIT = OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.MARKET, OrderType.MARKET_TO_LIMIT


@pytest.mark.req("DOL-POSTURE-004")
@pytest.mark.parametrize(
    ("kind", "side", "limit", "post_only", "bid", "ask", "last", "expected"),
    [
        (MARKET, 1, None, False, 99, 101, 100, TAKES),
        (TO_LIMIT, -1, None, False, 99, 101, 100, TAKES),
        (STOP, 1, None, False, 99, 101, 100, TRIGGERS),
        (LIMIT, 1, 500, True, 99, 101, 100, RESTS),  # the venue refuses it where it would take
        (LIMIT, 1, None, False, 99, 101, 100, TAKES),
        (LIMIT, 1, 100, False, 99, 101, 100, RESTS),
        (LIMIT, 1, 101, False, 99, 101, 100, TAKES),
        (LIMIT, -1, 100, False, 99, 101, 100, RESTS),
        (LIMIT, -1, 99, False, 99, 101, 100, TAKES),
        (LIMIT, 1, 99, False, 0, 0, 100, RESTS),
        (LIMIT, 1, 100, False, 0, 0, 100, TAKES),
        (LIMIT, -1, 101, False, 0, 0, 100, RESTS),
        (LIMIT, -1, 100, False, 0, 0, 100, TAKES),
        (LIMIT, 1, 1, False, 0, 0, 0, TAKES),
        (LIMIT, -1, 10**9, False, 0, 0, 0, TAKES),
    ],
)
def test_how_an_order_executes(kind, side, limit, post_only, bid, ask, last, expected):
    assert style_of(kind, side, limit, post_only, bid, ask, last) == expected
