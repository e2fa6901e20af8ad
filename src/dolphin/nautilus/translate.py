"""Nautilus objects to kernel integers: lots, ticks, minor units, micro-units a lot; and back to quantities.

What belongs here: scales of an instrument and conversions that round to the safe side; nothing is decided. Raw integers
of Nautilus' values are never read (their scale depends on the wheel). A double times a power of ten, rounded, is exact
below 2^50 units; beyond, or where it is not, Decimal does it.
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any, Final, NamedTuple

from nautilus_trader.model.enums import AssetClass, InstrumentClass, OrderType
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import Quantity

from dolphin.kernel.units import MICRO

DOUBLE_UNITS_MAX: Final = 1 << 50
RATE_ONE: Final = 10**12
"""Exchange rates are fractions of this."""

RESTS: Final = 0
TAKES: Final = 1
TRIGGERS: Final = 2
"""How an order executes: it rests; at once, or it may; it rests until it is triggered and takes then."""


class Scale(NamedTuple):
    """One instrument's scales. A lot is its size increment, a tick its price increment.

    `value_num`/`value_den`: micro-minor-units of `currency` that one lot is worth for each price unit (of
    10^-price_precision); for an inverse instrument, times one over the price units. `minor`: minor units in one of the
    currency. `signed`: whether a price below zero is one.
    """

    id: str
    lot_units: int
    size_power: int
    tick_units: int
    price_power: int
    inverse: bool
    value_num: int
    value_den: int
    currency: Any
    min_lots: int
    size_precision: int
    instrument_id: Any
    signed: bool


_SIGNED: Final = frozenset(
    (
        InstrumentClass.FUTURE,
        InstrumentClass.FUTURES_SPREAD,
        InstrumentClass.FORWARD,
        InstrumentClass.OPTION_SPREAD,
        InstrumentClass.CFD,
    )
)


def _may_be_negative(instrument: Instrument) -> bool:
    """Whether a price below zero is one: oil had it, spreads have it; a currency, a coin and a share have not."""
    if instrument.asset_class == AssetClass.COMMODITY:
        return True
    return instrument.instrument_class in _SIGNED


def _ratio(value: Any) -> tuple[int, int]:
    return Decimal(str(value)).as_integer_ratio()


def scale_of(instrument: Instrument) -> Scale:
    """The scales of an instrument, exactly."""
    size_power = 10**instrument.size_precision
    price_power = 10**instrument.price_precision
    lot_units = units(instrument.size_increment, size_power)
    tick_units = units(instrument.price_increment, price_power)
    multiplier_num, multiplier_den = _ratio(instrument.multiplier)
    currency = instrument.get_cost_currency()
    minor = 10**currency.precision
    inverse = bool(instrument.is_inverse)
    num = lot_units * multiplier_num * minor * MICRO
    den = size_power * multiplier_den
    if inverse:
        num *= price_power
    else:
        den *= price_power
    min_lots = 1
    if instrument.min_quantity is not None:
        min_lots = max(1, ceil_div(units(instrument.min_quantity, size_power), lot_units))
    return Scale(
        instrument.id.value, lot_units, size_power, tick_units, price_power, inverse, num, den, currency, min_lots,
        instrument.size_precision, instrument.id, _may_be_negative(instrument),
    )  # fmt: skip


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


def units(value: Any, power: int) -> int:
    """A Price, Quantity or Money in units of one over `power`, rounded to the nearest."""
    scaled = value.as_double() * power
    if abs(scaled) < DOUBLE_UNITS_MAX:
        return round(scaled)
    return int((value.as_decimal() * power).to_integral_value())


def lots_of(quantity: Any, scale: Scale) -> int:
    """Lots in a quantity, rounded up: exposure is never understated, and an order as large as its position stays so."""
    scaled = quantity.as_double() * scale.size_power
    if abs(scaled) < DOUBLE_UNITS_MAX:  # as `units` does it, without a call for each
        return -(-round(scaled) // scale.lot_units)
    return ceil_div(units(quantity, scale.size_power), scale.lot_units)


def quantity_of(lots: int, scale: Scale) -> Quantity:
    """The quantity of so many lots."""
    return Quantity.from_str(f"{Decimal(lots * scale.lot_units) / scale.size_power:.{scale.size_precision}f}")


def price_units(price: Any, scale: Scale) -> int:
    """A price in units of the instrument's precision."""
    return units(price, scale.price_power)


def ticks_of(price: Any, scale: Scale) -> int | None:
    """Ticks in a price; None where it is not finite, or not above zero and the instrument has no such prices."""
    if price is None:
        return None
    if not isfinite(price.as_double()):
        return None
    found = price_units(price, scale) // scale.tick_units
    if found > 0:
        return found
    if scale.signed:
        return found
    return None


def size_of(quantity: Any, scale: Scale) -> int | None:
    """Lots in a size of the market, rounded down; None where it is not finite."""
    if quantity is None:
        return None
    if not isfinite(quantity.as_double()):
        return None
    return units(quantity, scale.size_power) // scale.lot_units


def value_u(at_units: int, scale: Scale, rate: int) -> int:
    """Micro-minor-units of the base currency that one lot is worth at this price, rounded up; 0 where unpriced."""
    if at_units == 0:
        return 0
    if rate <= 0:
        return 0
    if at_units < 0:
        if not scale.signed:
            return 0
        at_units = -at_units
    if scale.inverse:
        if rate == RATE_ONE:
            return ceil_div(scale.value_num, scale.value_den * at_units)
        return ceil_div(scale.value_num * rate, scale.value_den * at_units * RATE_ONE)
    if rate == RATE_ONE:
        return -(-at_units * scale.value_num // scale.value_den)
    return ceil_div(at_units * scale.value_num * rate, scale.value_den * RATE_ONE)


def rate_of(rate: Any, from_precision: int, to_precision: int) -> int:
    """An exchange rate in fractions of RATE_ONE, between minor units of two precisions, rounded up; 0 for none."""
    if rate is None:
        return 0
    value = Decimal(str(rate))
    if not value.is_finite():
        return 0
    num, den = value.as_integer_ratio()
    if num <= 0:
        return 0
    return ceil_div(num * RATE_ONE * 10**to_precision, den * 10**from_precision)


def side_of(order: Any) -> int:
    """+1 buys, -1 sells."""
    if order.is_buy:
        return 1
    return -1


TAKES_AT_ONCE: Final = frozenset((OrderType.MARKET, OrderType.MARKET_TO_LIMIT))


def style_of(order_type: Any, side: int, limit: int | None, post_only: bool, bid: int, ask: int, last: int) -> int:
    """RESTS, TAKES or TRIGGERS. `limit`, `bid`, `ask`, `last` in price units; 0 for a side that is not known.

    A limit crosses where it reaches the opposite quote; without a quote it rests if it is beyond the last price;
    without any price it may take.
    """
    if order_type in TAKES_AT_ONCE:
        return TAKES
    if order_type != OrderType.LIMIT:
        return TRIGGERS
    if post_only:
        return RESTS
    if limit is None:
        return TAKES
    if side > 0:
        return _buy_style(limit, ask, last)
    return _sell_style(limit, bid, last)


def _buy_style(limit: int, ask: int, last: int) -> int:
    if ask != 0:
        if limit < ask:
            return RESTS
        return TAKES
    if last == 0:
        return TAKES
    if limit < last:
        return RESTS
    return TAKES


def _sell_style(limit: int, bid: int, last: int) -> int:
    if bid != 0:
        if limit > bid:
            return RESTS
        return TAKES
    if last == 0:
        return TAKES
    if limit > last:
        return RESTS
    return TAKES
