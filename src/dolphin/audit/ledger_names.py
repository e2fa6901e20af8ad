"""Small numbers for the names of a ledger, as spec/trace/TraceLedger.tla has them.

What belongs here: places of open positions, indices of instruments and currencies, and the numbers of fills.
"""

from __future__ import annotations

from collections.abc import Container, Sized
from typing import Final, Protocol

from dolphin.journal.entries import KNOWN_MAX

CAPITAL: Final = 1
"""The purse of deposits; those of fees come after it."""

type Key = tuple[str, str]


class Held(Container[str], Sized, Protocol):
    """Which positions are open."""


class Places:
    """A position has a place while it is open, and then another one may. `width`: how many there are."""

    def __init__(self) -> None:
        self.width = 0
        self.of: dict[str, int] = {}
        self._free: list[int] = []

    def take(self, name: str) -> int:
        """The place of this position, from now on."""
        if name not in self.of:
            if not self._free:
                self.width += 1
                self._free.append(self.width)
            self.of[name] = self._free.pop()
        return self.of[name]

    def keep(self, held: Held) -> None:
        """Places of positions that are no longer open are free."""
        if len(self.of) == len(held):
            return
        for name in [name for name in self.of if name not in held]:
            self._free.append(self.of.pop(name))


class Items:
    """Fills by order and trade id. `remembered`: how many were, ever. A fill's number is how many had been when it last
    was. TLC decides whether that is too long ago; of those that the ledger has forgotten as many numbers are kept.
    """

    def __init__(self) -> None:
        self.remembered = 0
        self._numbers: dict[Key, int] = {}

    def number(self, key: Key) -> int:
        """0: it never was. -1: it has no trade id, and never will be."""
        if not key[1]:
            return -1
        return self._numbers.get(key, 0)

    def lately(self, key: Key) -> bool:
        """Whether it is one of the last that are told apart."""
        number = self._numbers.get(key, 0)
        return number > max(self.remembered - KNOWN_MAX, 0)

    def remember(self, key: Key) -> None:
        """It is the last."""
        if not key[1]:
            return
        self.remembered += 1
        self._numbers.pop(key, None)
        self._numbers[key] = self.remembered
        if len(self._numbers) > 2 * KNOWN_MAX:
            del self._numbers[next(iter(self._numbers))]


def index(numbers: dict[str, int], name: str, first: int = 1) -> int:
    """A name's number: the next one if it has none."""
    return numbers.setdefault(name, len(numbers) + first)
