"""The act at the venue: what is cancelled, how it is seen that nothing is left, and when to look again.

What belongs here: one pass over the book's symbols (docs/design/watchdog.md, "The act"). Whether to act: process.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from dolphin.watchdog.venue import Answer, Reply, Unknown, Venue, Working

AGAIN_S: Final = 0.25
CALM_S: Final = 1.0
NAMED_MAX: Final = 50
"""So many orders are named in one record of the log."""


class Pass(NamedTuple):
    """One pass. `clear`: the venue listed no order that should go, before any cancel. `said`: for the log."""

    clear: bool
    said: dict[str, Any]


def sweep(venue: Venue, symbols: Sequence[str], *, everything: bool, dry: bool = False) -> Pass:
    """List and cancel once. `everything`: reduce-only orders too. `dry`: list only."""
    listed = venue.open_orders(symbols)
    if isinstance(listed, Unknown):
        said: dict[str, Any] = {"orders": "unknown", "because": listed.why}
        if not dry:
            said["answers"] = _tally([venue.cancel_all(symbol) for symbol in symbols])
        return Pass(False, said)
    going = [order for order in listed if everything or not order.reducing]
    said = {"orders": len(listed), "going": _named(going), "spared": len(listed) - len(going)}
    if going and not dry:
        said["answers"] = _tally(_cancelled(venue, listed, going))
    return Pass(not going, said)


def _cancelled(venue: Venue, listed: Sequence[Working], going: Sequence[Working]) -> list[Answer]:
    """One call a symbol where none of its orders is spared, else one an order."""
    answers = []
    for symbol in dict.fromkeys(order.symbol for order in going):
        mine = [order for order in going if order.symbol == symbol]
        spared = sum(order.symbol == symbol for order in listed) - len(mine)
        if spared == 0 and len(mine) > 1:
            answers.append(venue.cancel_all(symbol))
        else:
            answers += [venue.cancel(order) for order in mine]
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
