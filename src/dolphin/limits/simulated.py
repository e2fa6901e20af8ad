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
from dolphin.limits.returns import Returns
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


type Tail = tuple[int, int, tuple[int, ...], tuple[int, ...]]
"""The first four of `Simulated`."""

_NO_TAIL: Final[Tail] = (0, 0, (), ())


class Simulation:
    """The rules on returns, put in the form in which they are asked at every order."""

    def __init__(self, rules: Mapping[Code, Rule]) -> None:
        self._tails = [rules[code] for code in (Code.VAR, Code.CVAR) if code in rules]
        self._assumed_ppm = max((rule.assumed for rule in self._tails), default=0) * (MICRO // BP)
        self._share_bp = min((rule.value for rule in self._tails), default=0)
        self._gap = Code.GAP_SIGMA in rules
        self._floor_ppm = rules.get(Code.GAP_SIGMA, OFF).assumed * (MICRO // BP)

    def of(self, returns: Returns, looked: Looked, held: Held) -> Simulated:
        """The facts for one order, its exit part done."""
        tail = _NO_TAIL
        gone = 0
        if looked.cut.exit > 0:
            gone = notional(looked.cut.exit, looked.exit_u)
        if self._tails:
            tail = self._tail(returns, looked, held, looked.order.side * gone)
        if not self._gap:
            return Simulated(*tail)
        own = max(returns.of(looked.instrument).sigma, self._floor_ppm)
        loss = held.once("sigmas", _sigma_loss, returns, held, self._floor_ppm) - gone * own
        return Simulated(*tail, positive(-(-loss // MICRO)), own)

    def _tail(self, returns: Returns, looked: Looked, held: Held, gone: int) -> Tail:
        """`gone`: signed value that the order's exit part moves."""
        order = looked.order
        own = returns.of(looked.instrument)
        place = held.place(looked.instrument)
        unseen, at_worst = held.once("tails", _whole, returns, held)
        if gone:
            moved = _most(place, gone) - _most(place, 0)
            if own.moves:
                at_worst += moved * own.worst
            else:
                unseen += moved
        share_ppm = own.worst if own.moves else self._assumed_ppm
        at_worst += unseen * self._assumed_ppm + notional(looked.cut.entry, order.value_u) * share_ppm
        most = -(-at_worst // MICRO) + 1  # `pnl` is rounded down
        if most <= positive(order.equity) * self._share_bp // BP:
            return most, unseen, (), ()
        rows: list[int] = held.once("rows", _by_row, returns, held)
        if gone and own.moves:
            rows = rows or [0] * len(own.moves)
            before, after = _column(own.moves, place, 0), _column(own.moves, place, gone)
            rows = [row - was + now for row, was, now in zip(rows, before, after, strict=True)]
        return most, unseen, tuple(row // MICRO for row in rows), own.moves


def _whole(returns: Returns, held: Held) -> tuple[int, int]:
    """Value of what has no full window, and what each of the others loses by its worst row, together, in
    micro-minor-units.
    """
    unseen = worst = 0
    for name, place in held.places.items():
        known = returns.of(name)
        if known.moves:
            worst += _most(place, 0) * known.worst
        else:
            unseen += _most(place, 0)
    return unseen, worst


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


def _sigma_loss(returns: Returns, held: Held, floor: int) -> int:
    return sum(place.used * max(returns.of(name).sigma, floor) for name, place in held.places.items())
