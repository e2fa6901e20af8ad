"""What a book would gain and lose by what the past knows of its instruments: the facts of `var`, `cvar`, `gap_sigma`.

What belongs here: sums over what is held and works, by row and by sigma; what they leave of an order is check.py's and
tail.py's. Money in minor units, returns and sigma in millionths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from dolphin.kernel.orders import parts
from dolphin.kernel.units import BP, MICRO, notional
from dolphin.limits.codes import Code
from dolphin.limits.config import OFF, Rule
from dolphin.limits.returns import Known, Returns
from dolphin.nautilus.ports import Looked, Row


class Simulated(NamedTuple):
    """`tail_most`: no row, and nothing that is assumed, costs the book with the whole entry more. `pnl`, `moves`: see
    tail.py, only where `tail_most` does not decide by itself. `unseen`: value of what has no full window.

    `sigma_loss`: what one sigma against all of it costs; `sigma_ppm`: of the order's instrument.
    """

    tail_most: int = 0
    unseen: int = 0
    pnl: tuple[int, ...] = ()
    moves: tuple[int, ...] = ()
    sigma_loss: int = 0
    sigma_ppm: int = 0


NOT_SIMULATED: Final = Simulated()


class Held(NamedTuple):
    """Of one instrument: the signed value that is held, and what works by side."""

    net: int = 0
    buys: int = 0
    sells: int = 0


def simulated(rules: Mapping[Code, Rule], returns: Returns, looked: Looked) -> Simulated:
    """The facts for one order, its exit part done."""
    found = NOT_SIMULATED
    tails = [rules[code] for code in (Code.VAR, Code.CVAR) if code in rules]
    if tails:
        found = _tails(tails, returns, looked)
    if Code.GAP_SIGMA in rules:
        found = _sigmas(rules.get(Code.GAP_SIGMA, OFF).assumed, returns, looked)._replace(
            tail_most=found.tail_most, unseen=found.unseen, pnl=found.pnl, moves=found.moves
        )
    return found


def _tails(rules: Sequence[Rule], returns: Returns, looked: Looked) -> Simulated:
    order = looked.order
    cut = parts(order)
    own = returns.of(looked.instrument)
    assumed = max(rule.assumed for rule in rules)
    least = min(max(order.equity, 0) * rule.value // BP for rule in rules)
    books = _books(looked, order.side * notional(cut.exit, order.value_u))
    unseen = sum(_most(held) for name, held in books.items() if not returns.of(name).moves)
    entry = notional(cut.entry, order.value_u)
    at_worst = unseen * assumed * (MICRO // BP) + entry * _share(own, assumed)
    at_worst += sum(_most(held) * returns.of(name).worst for name, held in books.items() if returns.of(name).moves)
    most = -(-at_worst // MICRO) + 1  # `pnl` is rounded down
    if most <= least:
        return Simulated(most, unseen)
    full = [(held, returns.of(name).moves) for name, held in books.items() if returns.of(name).moves]
    return Simulated(most, unseen, _by_row(full), own.moves)


def _share(known: Known, assumed_bp: int) -> int:
    return known.worst if known.moves else assumed_bp * (MICRO // BP)


def _books(looked: Looked, exit_: int) -> dict[str, Held]:
    """What is held and works by instrument; `exit_`: signed value that the order's exit part moves."""
    books: dict[str, Held] = {}
    for row in looked.rows:
        before = books.get(row.instrument, Held())
        books[row.instrument] = Held(before.net + row.held, before.buys + row.buys, before.sells + row.sells)
    if exit_:
        own = books.get(looked.instrument, Held())
        books[looked.instrument] = own._replace(net=own.net + exit_)
    return books


def _most(held: Held) -> int:
    """The value that is held once the worse side of what works has filled."""
    return max(abs(held.net + held.buys), abs(held.net - held.sells))


def _by_row(full: Sequence[tuple[Held, tuple[int, ...]]]) -> tuple[int, ...]:
    """Profit and loss by row, rounded down. What works fills on the side that the row hurts."""
    if not full:
        return ()
    columns = [
        [one * (held.net - held.sells if one > 0 else held.net + held.buys) for one in moves] for held, moves in full
    ]
    return tuple(sum(row) // MICRO for row in zip(*columns, strict=True))


def _sigmas(assumed_bp: int, returns: Returns, looked: Looked) -> Simulated:
    floor = assumed_bp * (MICRO // BP)
    own = max(returns.of(looked.instrument).sigma, floor)
    loss = sum(_used(row) * max(returns.of(row.instrument).sigma, floor) for row in looked.rows)
    loss -= notional(parts(looked.order).exit, looked.order.value_u) * own
    return Simulated(sigma_loss=max(-(-loss // MICRO), 0), sigma_ppm=own)


def _used(row: Row) -> int:
    return abs(row.held) + row.buys + row.sells
