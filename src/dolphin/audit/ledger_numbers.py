"""Numbers of a ledger as spec/trace/TraceLedger.tla has them: lots as pairs, money as residues; and back.

What belongs here: the two forms and where they are exact, and the quotients that TLC only multiplies back. Its integers
have 32 bits. Ten primes below 2^15.5 (so that a product of two residues fits) have a product of 155 bits: two integers
that are both below half of it are the same if and only if all ten residues are (Chinese remainder theorem).
"""

from __future__ import annotations

from math import prod
from typing import Any, Final

from dolphin.kernel.ledger import INVERSE_ONE, Position, adds, inverse_price, kept_cost, remains

PRIMES: Final = (46337, 46327, 46309, 46307, 46301, 46279, 46273, 46271, 46261, 46237)
GIGA: Final = 10**9
MONEY_MAX: Final = prod(PRIMES) // 16
"""What is posted and said stays below this, and so their sums, and the products that a share is checked by, exact."""

LOTS_MAX: Final = 10**17
"""A twentieth of what a pair holds, so that lots of a few positions may be added."""

_WEIGHTS: Final = tuple([prod(PRIMES) // prime * pow(prod(PRIMES) // prime, -1, prime) for prime in PRIMES])

type Number = tuple[int, ...]
type Row = tuple[Any, ...]

ZERO: Final[Number] = (0,) * len(PRIMES)
REFUSED: Final[Number] = (-1,) * len(PRIMES)
"""No residues: a statement that is too large to be right."""


class TooLarge(Exception):
    """A number that cannot be held exactly."""


def pair(lots: int) -> Number:
    """Lots as thousand millions and the rest, which is never negative. TooLarge where TLC could not add two."""
    if abs(lots) > LOTS_MAX:
        raise TooLarge(f"{lots} lots")
    return divmod(lots, GIGA)


def said_lots(lots: int) -> Number:
    """As `pair`, of what a record states; one that is too large is no pair."""
    return pair(lots) if abs(lots) <= LOTS_MAX else (-1, -1)


def residues(money: int) -> Number:
    """An amount by each prime. TooLarge where it would be another one's residues as well."""
    if abs(money) > MONEY_MAX:
        raise TooLarge(f"an amount of {money}")
    return tuple([money % prime for prime in PRIMES]) if money else ZERO


def said_money(money: int) -> Number:
    """As `residues`, of what a record states."""
    return residues(money) if abs(money) <= MONEY_MAX else REFUSED


def said_count(count: int) -> int:
    """A stated count, or the nearest that TLA+ can write: none that is so large is right."""
    return max(-1, min(count, (1 << 31) - 1))


def said_position(position: Position) -> Row:
    """A position as it is stated."""
    lots, *money = position
    return (said_lots(lots), *[said_money(amount) for amount in money])


def worth(price: int, inverse: int, *sizes: int) -> Row:
    """A price, and for an inverse one what each of these sizes comes to, as quotient and rest."""
    if inverse == 0:
        return 0, residues(price)
    price = inverse_price(price)
    shares = []
    for lots in sizes:
        quotient, rest = divmod(lots * INVERSE_ONE, price)
        shares.append((pair(lots), residues(quotient), pair(rest)))
    return 1, pair(price), *shares


def share(before: Position, fill: int) -> Row:
    """The quotient and the rest of the cost that a reduction leaves; nothing for any other fill."""
    if adds(before.lots, fill) or not remains(before.lots, fill):
        return ()
    kept, lots = abs(before.lots + fill), abs(before.lots)
    if abs(before.cost) * kept > MONEY_MAX or kept > LOTS_MAX:
        raise TooLarge("a share of the cost")
    quotient = kept_cost(before.cost, kept, lots)
    return residues(quotient), pair(before.cost * kept - quotient * lots)


def integer_of(number: Number) -> int:
    """The integer that a pair, residues or a plain number is."""
    if len(number) == 1:
        return number[0]
    if len(number) == 2:
        return number[0] * GIGA + number[1]
    found = sum([part * weight for part, weight in zip(number, _WEIGHTS, strict=True)]) % prod(PRIMES)
    return found - prod(PRIMES) if found > prod(PRIMES) // 2 else found


def literal(value: object) -> str:
    """A row as TLA+ writes it; amounts of nothing are most of what there is, and have a name."""
    if isinstance(value, tuple):
        return "O" if value == ZERO else f"<<{','.join([literal(part) for part in value])}>>"
    return str(value)
