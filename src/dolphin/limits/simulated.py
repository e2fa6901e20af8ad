"""What a book would gain and lose by what the past knows of its instruments: the facts of `var`, `cvar`, `gap_sigma`.

What belongs here: sums over what is held and works, by row and by sigma; what they leave of an order is check.py's and
tail.py's. Money in minor units, returns and sigma in millionths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from dolphin.kernel.units import BP, MICRO, notional, positive
from dolphin.limits.codes import Code
from dolphin.limits.config import OFF, Rule
from dolphin.limits.held import Held, Place
from dolphin.limits.returns import Known, Returns
from dolphin.nautilus.ports import Looked


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


class Whole(NamedTuple):
    """Over all that is held and works, made once for all that is judged by it. `unseen`: value of what has no full
    window; `worst`: what each of the others loses by its worst row, together, in micro-minor-units.
    """

    unseen: int
    worst: int


def simulated(rules: Mapping[Code, Rule], returns: Returns, looked: Looked, held: Held) -> Simulated:
    """The facts for one order, its exit part done."""
    found = NOT_SIMULATED
    tails = [rules[code] for code in (Code.VAR, Code.CVAR) if code in rules]
    if tails:
        found = _tails(tails, returns, looked, held)
    if Code.GAP_SIGMA in rules:
        found = _sigmas(rules.get(Code.GAP_SIGMA, OFF).assumed, returns, looked, held)._replace(
            tail_most=found.tail_most, unseen=found.unseen, pnl=found.pnl, moves=found.moves
        )
    return found


def _tails(rules: Sequence[Rule], returns: Returns, looked: Looked, held: Held) -> Simulated:
    order = looked.order
    own = returns.of(looked.instrument)
    place = held.place(looked.instrument)
    gone = order.side * notional(looked.cut.exit, looked.exit_u)
    assumed = max(rule.assumed for rule in rules)
    least = min(positive(order.equity) * rule.value // BP for rule in rules)
    book = held.once("tails", lambda: _whole(returns, held))
    moved = _most(place, gone) - _most(place, 0)
    unseen = book.unseen + (0 if own.moves else moved)
    at_worst = book.worst + (moved * own.worst if own.moves else 0)
    at_worst += unseen * assumed * (MICRO // BP) + notional(looked.cut.entry, order.value_u) * _share(own, assumed)
    most = -(-at_worst // MICRO) + 1  # `pnl` is rounded down
    if most <= least:
        return Simulated(most, unseen)
    rows: list[int] = held.once("rows", lambda: _by_row(returns, held))
    if gone and own.moves:
        rows = rows or [0] * len(own.moves)
        before, after = _column(own.moves, place, 0), _column(own.moves, place, gone)
        rows = [row - was + now for row, was, now in zip(rows, before, after, strict=True)]
    return Simulated(most, unseen, tuple(row // MICRO for row in rows), own.moves)


def _share(known: Known, assumed_bp: int) -> int:
    return known.worst if known.moves else assumed_bp * (MICRO // BP)


def _whole(returns: Returns, held: Held) -> Whole:
    unseen = worst = 0
    for name, place in held.places.items():
        known = returns.of(name)
        if known.moves:
            worst += _most(place, 0) * known.worst
        else:
            unseen += _most(place, 0)
    return Whole(unseen, worst)


def _most(place: Place, gone: int) -> int:
    """The value that is held once the worse side of what works has filled; `gone`: signed value that an order moves."""
    net = place.held + gone
    return max(abs(net + place.buys), abs(net - place.sells))


def _by_row(returns: Returns, held: Held) -> list[int]:
    """Profit and loss by row, in micro-minor-units; nothing where nothing has a full window."""
    columns = []
    for name, place in held.places.items():
        known = returns.of(name)
        if known.moves:
            columns.append(_column(known.moves, place, 0))
    return [sum(row) for row in zip(*columns, strict=True)]


def _column(moves: Sequence[int], place: Place, gone: int) -> list[int]:
    """What works fills on the side that the row hurts."""
    falls = place.held + gone + place.buys
    rises = place.held + gone - place.sells
    return [one * (rises if one > 0 else falls) for one in moves]


def _sigmas(assumed_bp: int, returns: Returns, looked: Looked, held: Held) -> Simulated:
    floor = assumed_bp * (MICRO // BP)
    own = max(returns.of(looked.instrument).sigma, floor)
    loss: int = held.once("sigmas", lambda: _sigma_loss(returns, held, floor))
    loss -= notional(looked.cut.exit, looked.exit_u) * own
    return Simulated(sigma_loss=positive(-(-loss // MICRO)), sigma_ppm=own)


def _sigma_loss(returns: Returns, held: Held, floor: int) -> int:
    return sum(place.used * max(returns.of(name).sigma, floor) for name, place in held.places.items())
