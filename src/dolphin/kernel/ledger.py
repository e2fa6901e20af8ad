"""One position on the accounts: what it has cost, what was paid, what it has made (docs/design/ledger.md).

What belongs here: double entry for one fill, in atoms. An atom is one lot at a price of one unit (a unit is the last
digit of the instrument's price): `lots * price` is exact, at negative prices too. Of an inverse instrument it is the
10^-18th part of what one lot is worth at a price of one unit. Money is read from a sum of atoms, floored once
(`minor`): nothing is rounded when it is posted, but an inverse amount and the cost that a reduction leaves, both
against the book.

`cash + cost = realised`, for each position and so for all: what is not profit is still in the cost.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dolphin.kernel.contracts import ensure
from dolphin.kernel.units import MICRO

INVERSE_ONE: Final = 10**18
"""Atoms of an inverse instrument that one lot is worth at a price of one unit."""


class Position(NamedTuple):
    """`lots`: signed. `cost`: what they have cost on average, negative for short ones. `cash`: received less paid.
    `realised`: profit or loss of what was left again. All but lots in atoms.
    """

    lots: int
    cost: int
    cash: int
    realised: int


FLAT: Final = Position(0, 0, 0, 0)


@ensure(lambda price, result: result >= 1)
@ensure(lambda price, result: result == price or price < 1)
def inverse_price(price: int) -> int:
    """A price that can be divided by: nothing has an inverse price below one unit."""
    if price < 1:
        return 1
    return price


@ensure(lambda lots, price, inverse, result: inverse != 0 or result == lots * price)
@ensure(lambda lots, price, inverse, result: inverse == 0 or price < 1 or result * price <= -lots * INVERSE_ONE)
@ensure(lambda lots, price, inverse, result: inverse == 0 or price < 1 or (result + 1) * price > -lots * INVERSE_ONE)
def value(lots: int, price: int, inverse: int) -> int:
    """What is received for `lots` (what must be paid for short ones, negative) at `price`; atoms, never overstated."""
    if inverse == 0:
        return lots * price
    return -lots * INVERSE_ONE // inverse_price(price)


@ensure(lambda lots, price, inverse, result: result == -value(-lots, price, inverse))
@ensure(lambda lots, price, inverse, result: inverse != 0 or result == lots * price)
def paid(lots: int, price: int, inverse: int) -> int:
    """What a fill of `lots` costs (a sell: what it brings, negative), in atoms, never understated."""
    return -value(-lots, price, inverse)


@ensure(lambda lots, share, quotient, result: result * lots <= share or result == -abs(share))
@ensure(lambda lots, share, quotient, result: result == quotient or result == -abs(share))
def certified_kept(lots: int, share: int, quotient: int) -> int:
    """`quotient` if it is no more than `share / lots`: the check of `kept_cost`'s division."""
    if quotient * lots > share:
        return -abs(share)
    return quotient


@ensure(lambda cost, kept, lots, result: lots <= 0 or result * lots <= cost * kept or result == -abs(cost * kept))
@ensure(lambda lots, result: lots > 0 or result == 0)
def kept_cost(cost: int, kept: int, lots: int) -> int:
    """The cost of `kept` of `lots` lots (both without sign), floored: profit is shown late, never early."""
    if lots <= 0:
        return 0
    share = cost * kept
    return certified_kept(lots, share, share // lots)


@ensure(lambda lots, fill, result: result == (lots * fill >= 0))
def adds(lots: int, fill: int) -> bool:
    """Whether a fill takes a position of `lots` further from zero."""
    if lots > 0:
        return fill >= 0
    if lots < 0:
        return fill <= 0
    return True


@ensure(lambda lots, fill, result: result == (lots * (lots + fill) > 0))
def remains(lots: int, fill: int) -> bool:
    """Whether a fill leaves something of a position of `lots` on its own side."""
    if lots > 0:
        return lots + fill > 0
    if lots < 0:
        return lots + fill < 0
    return False


@ensure(lambda lots, cost, fill, amount, new, result: lots + fill != 0 or adds(lots, fill) or result == new)
@ensure(lambda lots, cost, fill, amount, new, result: not adds(lots, fill) or result == cost + amount)
@ensure(lambda lots, cost, fill, amount, new, result: adds(lots, fill) or remains(lots, fill) or result == new)
def cost_after(lots: int, cost: int, fill: int, amount: int, new: int) -> int:
    """The cost after a fill that was paid `amount`; `new`: what those lots cost of it that are beyond zero."""
    if adds(lots, fill):
        return cost + amount
    if remains(lots, fill):
        return kept_cost(cost, abs(lots + fill), abs(lots))
    return new


@ensure(lambda position, fill, amount, cost, result: result.lots == position.lots + fill)
@ensure(lambda position, fill, amount, cost, result: result.cost == cost)
@ensure(lambda position, fill, amount, cost, result: result.cash == position.cash - amount)
@ensure(
    lambda position, fill, amount, cost, result: (
        result.cash + result.cost - result.realised == position.cash + position.cost - position.realised
    )
)
def entered(position: Position, fill: int, amount: int, cost: int) -> Position:
    """The entry itself: `amount` leaves cash, `cost` is what the position now stands for, the rest is profit."""
    profit = cost - position.cost - amount
    return Position(position.lots + fill, cost, position.cash - amount, position.realised + profit)


@ensure(lambda position, fill, price, inverse, result: result.lots == position.lots + fill)
@ensure(lambda position, fill, price, inverse, result: result.cash == position.cash - paid(fill, price, inverse))
@ensure(
    lambda position, fill, price, inverse, result: (
        result.cash + result.cost - result.realised == position.cash + position.cost - position.realised
    )
)
@ensure(
    lambda position, fill, price, inverse, result: not adds(position.lots, fill) or result.realised == position.realised
)
@ensure(
    lambda position, fill, price, inverse, result: (
        position.lots + fill != 0 or adds(position.lots, fill) or result.cost == 0
    )
)
def posted(position: Position, fill: int, price: int, inverse: int) -> Position:
    """A position after a fill of so many signed lots at this price."""
    amount = paid(fill, price, inverse)
    new = paid(position.lots + fill, price, inverse)
    return entered(position, fill, amount, cost_after(position.lots, position.cost, fill, amount, new))


@ensure(lambda a, b, result: result.lots == a.lots + b.lots)
@ensure(lambda a, b, result: result.cost == a.cost + b.cost)
@ensure(lambda a, b, result: result.cash == a.cash + b.cash)
@ensure(lambda a, b, result: result.realised == a.realised + b.realised)
def merged(a: Position, b: Position) -> Position:
    """Two positions of one instrument as one: what has ended is kept with its instrument."""
    return Position(a.lots + b.lots, a.cost + b.cost, a.cash + b.cash, a.realised + b.realised)


@ensure(lambda position, result: result.lots == 0)
@ensure(lambda position, result: result.cost == 0)
@ensure(lambda position, result: result.realised == position.realised)
@ensure(
    lambda position, result: (
        result.cash + result.cost - result.realised == position.cash + position.cost - position.realised
    )
)
def left_at_cost(position: Position) -> Position:
    """A position that is not held any more, nobody knows at which price: what it has cost came back, and no profit."""
    return Position(0, 0, position.cash + position.cost, position.realised)


@ensure(lambda position, result: result.lots == position.lots)
@ensure(lambda position, result: result.cost == 0)
@ensure(lambda position, result: result.cash == position.cash)
@ensure(
    lambda position, result: (
        result.cash + result.cost - result.realised == position.cash + position.cost - position.realised
    )
)
def settled(position: Position) -> Position:
    """What several positions of one instrument come to that are nothing together: what was paid is what was lost."""
    return Position(position.lots, 0, position.cash, position.realised - position.cost)


@ensure(lambda position, price, inverse, result: result == value(position.lots, price, inverse) - position.cost)
@ensure(
    lambda position, price, inverse, result: (
        position.cash + position.cost != position.realised
        or position.realised + result == position.cash + value(position.lots, price, inverse)
    )
)
def open_result(position: Position, price: int, inverse: int) -> int:
    """Open profit or loss at the price at which the position would be left, in atoms."""
    return value(position.lots, price, inverse) - position.cost


@ensure(lambda amount, den, quotient, result: result * den <= amount or result == -abs(amount))
@ensure(lambda amount, den, quotient, result: result == quotient or result == -abs(amount))
def certified_minor(amount: int, den: int, quotient: int) -> int:
    """`quotient` if it is no more than `amount / den`: the check of `minor`'s division."""
    if quotient * den > amount:
        return -abs(amount)
    return quotient


@ensure(lambda inverse, result: result == MICRO or inverse != 0)
@ensure(lambda inverse, result: result == MICRO * INVERSE_ONE or inverse == 0)
def atom_den(inverse: int) -> int:
    """By how much more an atom of this kind is divided than a micro-minor-unit."""
    if inverse == 0:
        return MICRO
    return MICRO * INVERSE_ONE


@ensure(lambda den, result: den > 0 or result == 0)
def minor(atoms: int, num: int, den: int, inverse: int) -> int:
    """Minor units in a sum of atoms, floored; `num`/`den`: micro-minor-units to the lot and price unit (the header's
    `value_num`, `value_den`); 0 for a scale that is none.
    """
    if den <= 0:
        return 0
    whole = den * atom_den(inverse)
    amount = atoms * num
    return certified_minor(amount, whole, amount // whole)
