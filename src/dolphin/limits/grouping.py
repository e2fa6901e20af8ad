"""Sectors, correlated groups and scenarios: of those that an order touches, the one that leaves least.

What belongs here: sums over what is held and works, by named groups of instruments and by named moves; no verdict.
"""

from __future__ import annotations

from typing import NamedTuple

from dolphin.kernel.orders import parts
from dolphin.kernel.units import BP, MICRO, notional
from dolphin.limits.config import Rule
from dolphin.nautilus.ports import Looked


class Used(NamedTuple):
    """A group, and what is held and works in it, in minor units."""

    name: str = ""
    minor: int = 0


class Stress(NamedTuple):
    """What a scenario costs, in minor units, and what it would take of an entry's value, in bp."""

    loss: int = 0
    taken_bp: int = 0


def used(rule: Rule, looked: Looked) -> Used:
    """Of the groups that the instrument is in the one with the least room; no name where it is in none."""
    worst = Used()
    least: int | None = None
    for name, members in rule.members:
        inside = dict(members)
        if looked.instrument not in inside:
            continue
        minor = sum(abs(row.held) + row.buys + row.sells for row in looked.rows if row.instrument in inside)
        room = rule.value_for(name) * looked.minor // MICRO - minor
        if least is None or room < least:
            worst, least = Used(name, minor), room
    return worst


def stress(rule: Rule, looked: Looked) -> Stress:
    """Of the scenarios that cost the entry something the one with the least room for it."""
    worst = Stress()
    least: int | None = None
    most = max(looked.order.equity, 0) * rule.value // BP
    for _, moves in rule.members:
        found = _scenario(dict(moves), looked)
        if found.taken_bp <= 0:
            continue
        room = (most - found.loss) * BP // found.taken_bp
        if least is None or room < least:
            worst, least = found, room
    return worst


def _scenario(moves: dict[str, int], looked: Looked) -> Stress:
    """What is held moves as the scenario says; of what works the side that it hurts fills first."""
    order = looked.order
    rest = moves.get("*", 0)
    total = 0
    for row in looked.rows:
        move = moves.get(row.instrument, rest)
        total -= row.held * move
        total += max(-move * row.buys, move * row.sells, 0)
    move = moves.get(looked.instrument, rest)
    total -= order.side * notional(parts(order).exit, order.value_u) * move
    return Stress(-(-total // BP), -order.side * move)
