"""All accounts of a book: positions that are held, what has ended, fees by currency, capital (docs/design/ledger.md).

What belongs here: what an entry makes of the `Books` tuple; what becomes of one position is in ledger.py. Names are
opaque. A position that has ended is added to its instrument's, so that years of positions cost no memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dolphin.kernel.ledger import FLAT, Position, left_at_cost, merged, posted, settled


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
        return Books(held, books.ended, books.fees, books.capital, books.fills + 1)
    held.pop(entry.position, None)
    ended = dict(books.ended)
    ended[entry.instrument] = merged(ended.get(entry.instrument, FLAT), after)
    return Books(held, ended, books.fees, books.capital, books.fills + 1)


def charged(books: Books, currency: str, fee: int) -> Books:
    """The books after a fee (a rebate: negative), in minor units of its own currency. Composed: one sum."""
    if fee == 0:
        return books
    fees = dict(books.fees)
    fees[currency] = fees.get(currency, 0) + fee
    return Books(books.held, books.ended, fees, books.capital, books.fills)


def deposited(books: Books, amount: int) -> Books:
    """The books after a deposit, or a withdrawal (negative). Composed: one sum."""
    return books._replace(capital=books.capital + amount)


def taken_over(books: Books, instrument: str, shown: Sequence[Entry]) -> tuple[Books, int]:
    """The books once the positions of `instrument` are those that are `shown` at a start, none of which is a fill; and
    1, or 0 where profit is not known from here on. Composed: places for what was posted.

    The same lots under another name keep their cost: a reconciliation may name a position anew. Else what was held is
    left at its cost, and what is shown begins with its own price. What an instrument begins with is its own price too.
    """
    named = {entry.position: entry for entry in shown}
    held, before, total = _apart(books, instrument)
    if before == {name: entry.lots for name, entry in named.items()}:
        return books, 1
    if total.lots == sum(entry.lots for entry in shown):
        if len(named) == 1:
            held[shown[0].position] = (instrument, total)
            return books._replace(held=held), 1
        if not named:
            return books._replace(held=held, ended=_ended(books, instrument, settled(total))), 1
    for entry in named.values():
        held[entry.position] = (instrument, posted(FLAT, entry.lots, entry.price, entry.inverse))
    if not before:
        if instrument not in books.ended:
            return books._replace(held=held), 1
    return books._replace(held=held, ended=_ended(books, instrument, left_at_cost(total))), 0


def _apart(books: Books, instrument: str) -> tuple[dict[str, tuple[str, Position]], dict[str, int], Position]:
    """What other instruments hold; the lots of this one's positions by name, and all of them as one."""
    others: dict[str, tuple[str, Position]] = {}
    lots: dict[str, int] = {}
    total = FLAT
    for name, place in books.held.items():
        if place[0] == instrument:
            lots[name] = place[1].lots
            total = merged(total, place[1])
        else:
            others[name] = place
    return others, lots, total


def _ended(books: Books, instrument: str, position: Position) -> dict[str, Position]:
    """The ended positions, with one more of this instrument."""
    return {**books.ended, instrument: merged(books.ended.get(instrument, FLAT), position)}


def rescaled(books: Books, instrument: str, lots: tuple[int, int], atoms: tuple[int, int]) -> tuple[Books, int]:
    """The books once lots and atoms of `instrument` are others: each is multiplied by a fraction (numerator and
    denominator, both above 0), floored; and 1 where nothing was. Composed: products.
    """
    held = dict(books.held)
    ended = dict(books.ended)
    exact = 1
    for name, (where, position) in books.held.items():
        if where == instrument:
            made, whole = _scaled(position, lots, atoms)
            held[name] = (instrument, made)
            exact = min(exact, whole)
    if instrument in ended:
        ended[instrument], whole = _scaled(ended[instrument], lots, atoms)
        exact = min(exact, whole)
    return books._replace(held=held, ended=ended), exact


def _scaled(position: Position, lots: tuple[int, int], atoms: tuple[int, int]) -> tuple[Position, int]:
    """A position in other lots and atoms; what is not realised stays cash and cost."""
    cash = position.cash * atoms[0] // atoms[1]
    cost = position.cost * atoms[0] // atoms[1]
    made = Position(position.lots * lots[0] // lots[1], cost, cash, cash + cost)
    rest = position.lots * lots[0] % lots[1] + position.cash * atoms[0] % atoms[1] + position.cost * atoms[0] % atoms[1]
    if rest == 0:
        return made, 1
    return made, 0


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
