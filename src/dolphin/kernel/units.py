"""Units and the few arithmetic words that every other kernel module is built from.

What belongs here: scales (how many of what make one), sentinels, and total integer functions of two arguments.
Basis points (bp): 10,000 is one. Confidence: milliseconds of policy time, 6,000,000 is full (DESIGN.md 1.1).
Money: the currency's minor unit. Quantity: lots of the instrument. Leverage: bp, 60,000 is 6.0x.
"""

from __future__ import annotations

from typing import Final

from dolphin.kernel.contracts import ensure

new: Final = tuple.__new__
"""`new(Clock, (a, b, c))` is `Clock(a, b, c)` at half its cost, for the few tuples that every step makes.

Nothing counts the values: where it stands, all fields do, in their order.
"""

BP = 10_000
FULL_MS = 6_000_000
"""Full confidence: 100 minutes of policy time, earned one for one."""

MS_PER_BP = 600
"""Confidence per bp of R_total: FULL_MS // BP."""

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
MS_PER_S = 1_000
MICRO = 1_000_000
"""Micro-units in a minor unit: the value of one lot is given in these, since a lot may be worth less than a cent."""

ABSENT = -1
"""No such time or reading: the category is not configured, or nothing of the kind has happened."""

NOTHING = 0
"""The holding of a flat book; any other holding is a positive number, and one that nobody can see is ABSENT."""

NEVER_NS = 1 << 62
"""A due time that never comes (a feed that is absent or outside its span)."""


@ensure(lambda value, low, high, result: result >= low)
@ensure(lambda value, low, high, result: result <= high or low > high)
def clamp(value: int, low: int, high: int) -> int:
    """`value` moved into low..high; low wins where the two contradict."""
    if value > high:
        value = high
    if value < low:
        return low
    return value


@ensure(lambda value, result: result in (0, 1))
@ensure(lambda value, result: (result == 0) == (value == 0))
def flag(value: int) -> int:
    """A flag from outside as 0 or 1: whatever is not 0 is set."""
    if value == 0:
        return 0
    return 1


@ensure(lambda now, result: result > now)
@ensure(lambda result: result >= NEVER_NS)
def never(now: int) -> int:
    """A time that never comes, seen from `now`, however far off that is."""
    if now > 0:
        return NEVER_NS + now
    return NEVER_NS


@ensure(lambda result: result != ABSENT)
@ensure(lambda time, result: result <= time)
@ensure(lambda time, result: result == time or time == ABSENT)
def dated(time: int) -> int:
    """`time`, told apart from ABSENT: the one moment that looks like it counts as one earlier."""
    if time == ABSENT:
        return ABSENT - 1
    return time


@ensure(lambda result: result >= 0)
@ensure(lambda a, result: result in (a, 0))
@ensure(lambda a, result: result >= a)
def positive(a: int) -> int:
    """a, or 0 where it is negative."""
    if a < 0:
        return 0
    return a


@ensure(lambda a_bp, b_bp, result: not (0 <= a_bp <= BP and 0 <= b_bp <= BP) or 0 <= result)
@ensure(lambda a_bp, b_bp, result: not (0 <= a_bp <= BP and 0 <= b_bp <= BP) or result <= a_bp)
@ensure(lambda a_bp, b_bp, result: not (0 <= a_bp <= BP and 0 <= b_bp <= BP) or result <= b_bp)
def scale(a_bp: int, b_bp: int) -> int:
    """Product of two shares in bp, floored: never above the real product (DESIGN.md 1.2)."""
    return a_bp * b_bp // BP


@ensure(lambda lots, value_u, result: result * MICRO >= lots * value_u)
@ensure(lambda lots, value_u, result: (result - 1) * MICRO < lots * value_u)
def notional(lots: int, value_u: int) -> int:
    """Minor units that `lots` are worth at `value_u` micro-units a lot, rounded up: exposure is never understated."""
    return -(-lots * value_u // MICRO)
