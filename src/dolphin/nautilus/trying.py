"""What was tried with each position, and what the venue said of it: when nothing is left to try.

What belongs here: what `own.py` remembers between two orders of its own. On a netting account the venue holds one
position an instrument, Nautilus one for each strategy. Two that stand against each other are shown, and the venue
holds what one exceeds the other by: it takes reduce-only orders of one side up to that, and refuses the rest,
rightly.

Rules. That nothing is held there is the venue's word, not a sum of what Nautilus shows: after a reconnection Nautilus
may show a position against one that the venue still has (made_up.py). A refusal of a reduce-only sale says that there
is nothing to sell, one of a purchase that there is nothing to buy back; both, with nothing changed in between and no
other order there that may claim what is held, say that the venue is flat.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nautilus_trader.model.events import OrderRejected

from dolphin.journal import encode
from dolphin.kernel.units import ABSENT
from dolphin.nautilus.book import Book
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.working import Group

NEVER_TRIED: Final = -(1 << 62)

NOTHING_TO_REDUCE: Final = re.compile(r"reduce.?only|-2022")
"""Words of a venue that has nothing which such an order would take off."""

type Held = tuple[tuple[str, int], ...]
"""The positions of one instrument and their lots, by name; and first the kill in which they are: each asks anew."""


@dataclass(slots=True)
class Tried:
    """What was tried with one position, in real ns: when the last own order left, and since when an exit is awaited; no
    new one before `not_before_ns`; `in_vain`: own orders in a row that filled nothing.
    """

    sent_ns: int
    arriving_ns: int = ABSENT
    not_before_ns: int = NEVER_TRIED
    in_vain: int = 0


class Refusals:
    """What venues refused to reduce, by position, and what was held when they did."""

    def __init__(self, guard: Guard, book: Book, tell: Callable[[str, str], None]) -> None:
        self._guard = guard
        self._book = book
        self._tell = tell
        self._said: dict[str, Held] = {}
        self._flat: dict[str, Held] = {}

    def heard(self, event: Any, group: Group) -> None:
        """An own order of this position came to its end."""
        if not isinstance(event, OrderRejected):
            return
        if NOTHING_TO_REDUCE.search(event.reason.lower()) is None:
            return
        self._said[group.key] = self._held(group.instrument)

    def flat(self, group: Group, now_ns: int) -> bool:
        """Whether the venue holds nothing of what Nautilus shows here. Told once, and true until something changes."""
        held = self._held(group.instrument)
        if self._flat.get(group.instrument) == held:
            return True
        if not _opposed(held):
            return False
        for key, _ in held[1:]:
            if self._said.get(key) != held:
                return False
        if self._claimed(group.instrument):
            return False
        self._flat[group.instrument] = held
        self._guard.write(now_ns, "NOTE", encode({"what": "flat at the venue", "positions": dict(held[1:])}))
        self._tell(
            "FLAT",
            f"{group.instrument}: the venue refuses to reduce either side of {dict(held[1:])}: it holds nothing there, "
            "and nothing more is sent until that changes",
        )
        return True

    def _held(self, instrument: str) -> Held:
        found = []
        for group in self._book.held():
            if group.instrument == instrument:
                found.append((group.key, group.lots))
        return (("kill", self._guard.state.latch.episode), *sorted(found))

    def _claimed(self, instrument: str) -> bool:
        """Whether another order works there: a venue may count what it would reduce as spoken for."""
        for group in self._book.groups.values():
            if group.instrument == instrument:
                if group.orders:
                    return True
        return False


def _opposed(held: Held) -> bool:
    """Whether there are positions on both sides."""
    least, most = 0, 0
    for _, lots in held[1:]:
        least = min(least, lots)
        most = max(most, lots)
    return least * most < 0
