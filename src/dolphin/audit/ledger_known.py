"""Check d: what is remembered of a position and of an order, until a later record is held against it.

What belongs here: the two, and no check; ledger.py has those.
"""

from __future__ import annotations

from typing import NamedTuple


class Book:
    """One position as the fills make it. `exact`: its lots are the instrument's own precision."""

    __slots__ = ("exact", "known", "lots", "rounded")

    def __init__(self, known: bool, exact: bool) -> None:
        self.known = known
        self.exact = exact
        self.lots = 0
        self.rounded = 0


class Known(NamedTuple):
    """An order that a record named: what its fills must agree with. `denied` 1: nothing of it was let through."""

    side: int
    strategy: str
    instrument: str
    denied: bool
