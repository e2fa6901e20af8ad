"""Sectors, correlated groups and scenarios: of those that an order touches, the one that leaves least.

What belongs here: the rules of named groups of instruments and of named moves, put in the form in which they are asked
at every order; the sums are held.py's, the verdict check.py's.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dolphin.kernel.units import BP, MICRO, notional, positive
from dolphin.limits.config import Rule
from dolphin.limits.held import Held, share_up
from dolphin.nautilus.ports import Looked


class Used(NamedTuple):
    """A group, and what is held and works in it, in minor units."""

    name: str = ""
    minor: int = 0


class Stress(NamedTuple):
    """What a scenario costs, in minor units, and what it would take of an entry's value, in bp."""

    loss: int = 0
    taken_bp: int = 0


UNUSED: Final = Used()
UNSTRESSED: Final = Stress()


class Groups:
    """The groups of a rule, by the instruments in them, each with its value in millionths of the currency."""

    def __init__(self, rule: Rule) -> None:
        self._of: dict[str, list[tuple[str, frozenset[str], int]]] = {}
        for name, members in rule.members:
            inside = frozenset(instrument for instrument, _ in members)
            for instrument in inside:
                self._of.setdefault(instrument, []).append((name, inside, rule.value_for(name)))

    def used(self, looked: Looked, held: Held) -> Used:
        """Of the groups that the instrument is in the one with the least room; no name where it is in none."""
        groups = self._of.get(looked.instrument)
        if groups is None:
            return UNUSED
        worst, most = "", 0
        least: int | None = None
        for name, inside, value in groups:
            minor = held.within(inside)
            room = value * looked.minor // MICRO - minor
            if least is None or room < least:
                worst, most, least = name, minor, room
        return Used(worst, most)


class Scenarios:
    """The named moves of a rule, each in bp by instrument, with that of all the others."""

    def __init__(self, rule: Rule) -> None:
        self._value_bp = rule.value
        self._moves = [(name, dict(moves), dict(moves).get("*", 0)) for name, moves in rule.members]

    def worst(self, looked: Looked, held: Held) -> Stress:
        """Of the scenarios that cost the entry something the one with the least room for it: what is held moves as it
        says, the exit part of the order gone.
        """
        worst = UNSTRESSED
        least: int | None = None
        if not self._moves:
            return worst
        side = looked.order.side
        gone = side * notional(looked.cut.exit, looked.exit_u)
        most = positive(looked.order.equity) * self._value_bp // BP
        for name, moves, rest in self._moves:
            move = moves.get(looked.instrument, rest)
            taken_bp = -side * move
            if taken_bp <= 0:
                continue
            loss = share_up(held.loss_bp(name, moves, rest) - gone * move)
            room = (most - loss) * BP // taken_bp
            if least is None or room < least:
                worst, least = Stress(loss, taken_bp), room
        return worst
