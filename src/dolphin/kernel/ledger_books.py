"""All accounts of a book: positions that are held, what has ended, fees by currency, capital (docs/design/ledger.md).

What belongs here: what an entry makes of the `Books` tuple; what becomes of one position is in ledger.py. Names are
opaque. A position that has ended is added to its instrument's, so that years of positions cost no memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dolphin.kernel.ledger import FLAT, Position, merged, posted


class Entry(NamedTuple):
    """A fill: `lots` signed, `price` in units of the instrument's price, `inverse` 1 for an inverse instrument."""

    position: str
    instrument: str
    lots: int
    price: int
    inverse: int


class Books(NamedTuple):
    """`held`: by position, with its instrument. `ended`: by instrument. `fees`: by currency, in its minor units, a
    rebate is negative. `capital`: deposits less withdrawals, in minor units of the account. `fills`: how many entries.
    """

    held: Mapping[str, tuple[str, Position]]
    ended: Mapping[str, Position]
    fees: Mapping[str, int]
    capital: int
    fills: int


EMPTY = Books({}, {}, {}, 0, 0)


def booked(books: Books, entry: Entry) -> Books:
    """The books after a fill. Composed: a posting and a place for it."""
    _, before = books.held.get(entry.position, ("", FLAT))
    after = posted(before, entry.lots, entry.price, entry.inverse)
    held = dict(books.held)
    if after.lots != 0:
        held[entry.position] = (entry.instrument, after)
        return books._replace(held=held, fills=books.fills + 1)
    held.pop(entry.position, None)
    ended = dict(books.ended)
    ended[entry.instrument] = merged(ended.get(entry.instrument, FLAT), after)
    return books._replace(held=held, ended=ended, fills=books.fills + 1)


def charged(books: Books, currency: str, fee: int) -> Books:
    """The books after a fee (a rebate: negative), in minor units of its own currency. Composed: one sum."""
    if fee == 0:
        return books
    fees = dict(books.fees)
    fees[currency] = fees.get(currency, 0) + fee
    return books._replace(fees=fees)


def deposited(books: Books, amount: int) -> Books:
    """The books after a deposit, or a withdrawal (negative). Composed: one sum."""
    return books._replace(capital=books.capital + amount)


def by_instrument(books: Books) -> dict[str, Position]:
    """What each instrument has cost and made, held and ended. Composed: sums."""
    totals = dict(books.ended)
    for instrument, position in books.held.values():
        totals[instrument] = merged(totals.get(instrument, FLAT), position)
    return totals


def canonical(books: Books) -> str:
    """The books as one text, the same for the same books: what a checksum is taken of. Composed: sorted lines."""
    lines = [f"capital {books.capital}", f"fills {books.fills}"]
    for currency in sorted(books.fees):
        lines.append(f"fee {currency!r} {books.fees[currency]}")
    for instrument in sorted(books.ended):
        lines.append(f"ended {instrument!r} {_numbers(books.ended[instrument])}")
    for name in sorted(books.held):
        instrument, position = books.held[name]
        lines.append(f"held {name!r} {instrument!r} {_numbers(position)}")
    return "\n".join(lines)


def _numbers(position: Position) -> str:
    return f"{position.lots} {position.cost} {position.cash} {position.realised}"
