"""A list of orders as the pre-trade limits see it: what its entries come to, and what stands before each part of it.

What belongs here: sums over the questions that a list was made into (asking.py); no reading and no verdict.
"""

from __future__ import annotations

from typing import NamedTuple

from dolphin.kernel.orders import parts
from dolphin.kernel.units import notional
from dolphin.nautilus.asking import Asked


class Part(NamedTuple):
    """One side of one instrument of a list, and the lots of it that enter."""

    asked: Asked
    lots: int


class Basket:
    """What the entries of a list come to: lots by instrument and side, and what all of it is worth; and its orders.

    Of a list that is taken or refused `together`, `earlier` has by a part's name the entries that were judged before
    it: nothing works of them yet. Orders that leave one by one are in the book when the next is judged.
    """

    def __init__(self, asked: list[Asked], together: bool) -> None:
        self.lots: dict[tuple[str, int], int] = {}
        self.minor = 0
        self.ids: set[str] = set()
        self.earlier: dict[str, list[Part]] = {}
        entries: list[Part] = []
        for each in asked:
            for order in each.orders:
                self.ids.add(order.client_order_id.value)
            if together:
                self.earlier[each.name] = list(entries)
            event = each.event
            entry = parts(event).entry
            key = (each.scale.id, event.side)
            self.lots[key] = self.lots.get(key, 0) + entry
            self.minor += notional(entry, event.value_u)
            if entry > 0:
                entries.append(Part(each, entry))
