"""The act at the venue: what is cancelled, how it is seen that nothing is left, and when to look again.

What belongs here: one pass over the book's symbols (docs/design/watchdog.md, "The act"). Whether to act: process.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from dolphin.watchdog.venue import TOGETHER, Answer, Reply, Unknown, Venue, Working

AGAIN_S: Final = 0.25
CALM_S: Final = 1.0
NAMED_MAX: Final = 50
"""So many orders are named in one record of the log."""


class Pass(NamedTuple):
    """One pass. `known`: the venue listed the orders of every symbol; `clear`: and none of them should go, before any
    cancel. `said`: for the log. `ended`: the symbol at which the venue was away; empty where it got to the last one.
    """

    known: bool
    clear: bool
    said: dict[str, Any]
    ended: str = ""


def sweep(venue: Venue, symbols: Sequence[str], *, everything: bool, dry: bool = False, calm: bool = False) -> Pass:
    """List and cancel once: many symbols are listed together, few, or where that fails, one by one. `everything`:
    reduce-only orders too. `dry`: list only.

    `calm`: nothing was left when one looked last, and nobody has run since who could send more. A symbol that cannot be
    listed is then only looked at again; else all of it is cancelled, what protects a position too. A venue that gives
    no answer, to the cancel neither, ends the pass: each further symbol would wait as long for nothing.
    """
    groups: list[Sequence[str]] = [(symbol,) for symbol in symbols]
    if len(symbols) > TOGETHER:
        groups.insert(0, symbols)
    listed: list[Working] = []
    going: list[Working] = []
    answers: list[Answer] = []
    unknown: dict[str, str] = {}
    ended = ""
    for group in groups:
        found = venue.open_orders(group)
        if not isinstance(found, Unknown):
            gone = [order for order in found if everything or not order.reducing]
            listed += found
            going += gone
            if not dry:
                answers += _cancelled(venue, found, gone)
            if len(group) == len(symbols):
                break
        elif len(group) == 1:
            (symbol,) = group
            unknown[symbol] = found.why
            away = found.away
            if not dry and not calm:
                answers.append(venue.cancel_all(symbol))
                away = away and answers[-1].reply == Reply.UNKNOWN
            if away:
                ended = symbol
                unknown |= dict.fromkeys(symbols[symbols.index(symbol) :], found.why)
                break
    said: dict[str, Any] = {"orders": len(listed), "going": _named(going), "spared": len(listed) - len(going)}
    if unknown:
        said["unknown"] = sorted(unknown)[:NAMED_MAX]
        said["because"] = next(iter(unknown.values()))
    if len(unknown) == len(symbols):
        said["orders"] = "unknown"
    if answers:
        said["answers"] = _tally(answers)
    return Pass(not unknown, not unknown and not going, said, ended)


def _cancelled(venue: Venue, listed: Sequence[Working], going: Sequence[Working]) -> list[Answer]:
    """One call for a symbol where none of its orders is spared, else one an order."""
    answers: list[Answer] = []
    rest = Counter(order.symbol for order in listed)
    gone: dict[str, list[Working]] = {}
    for order in going:
        gone.setdefault(order.symbol, []).append(order)
    for symbol, orders in gone.items():
        if len(orders) == rest[symbol] > 1:
            answers.append(venue.cancel_all(symbol))
        else:
            answers += [venue.cancel(order) for order in orders]
    return answers


def held(venue: Venue, symbols: Sequence[str]) -> dict[str, Any]:
    """What is held, for the log: the watchdog leaves it alone."""
    found = venue.positions(symbols)
    if isinstance(found, Unknown):
        return {"positions": "unknown", "because": found.why}
    return {"positions": {f"{row.symbol} {row.side}": row.amount for row in found}}


def _named(orders: Sequence[Working]) -> list[str]:
    return [f"{order.symbol} {order.side} {order.id} {order.client_id}" for order in orders[:NAMED_MAX]]


def _tally(answers: Sequence[Answer]) -> dict[str, Any]:
    said: dict[str, Any] = dict(Counter(answer.reply.value for answer in answers))
    words = [answer.text for answer in answers if answer.reply != Reply.DONE]
    if words:
        said["words"] = words[:5]
    return said
