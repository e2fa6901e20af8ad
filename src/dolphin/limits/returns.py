"""The returns of a book's instruments, one row a horizon: what `var`, `cvar` and `gap_sigma` know of the past.

What belongs here: the window of rows, what it says of one instrument, and its form in the journal; no verdict.

Rules. A row is closed by the first look in a later interval, with the last prices seen in the one before, so that all
of it is of one moment. Returns in millionths, rounded away from zero. A row in which no price changed is none. An
instrument without a price at the end of a row keeps the one that it had, also over a restart: its next return has the
gap in it. So full windows are always of the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isqrt
from typing import Any, Final, NamedTuple

from dolphin.kernel.contracts import ensure
from dolphin.kernel.units import ABSENT, MICRO
from dolphin.nautilus.ports import Priced

ROWS: Final = 250
"""Basel: a year of days, at least (MAR31.10: one year)."""

INSTRUMENTS_MAX: Final = 100
"""So many have a window: all of them stand in one record, and a line of the journal has a length."""

DECAY_PERCENT: Final = 94
"""RiskMetrics Technical Document, 4th ed. 1996: the weight that a daily variance keeps."""

_DEEPER: Final = 1 << 20
"""Variances carry so many parts of a unit, so that what decays does not vanish by rounding."""


@ensure(lambda before, after, result: result <= 0 or after > before)
@ensure(lambda before, after, result: result >= 0 or after < before)
def move(before: int, after: int, inverse: int = 0) -> int:
    """What a long position gains from one price to the next, in millionths of its value before; of an inverse
    instrument, whose value is 1/p, that is (after - before) / after. 0 where a price of zero makes it mean nothing.
    """
    base = abs(after if inverse else before)
    if base == 0:
        return 0
    gained = (after - before) * MICRO
    return -(gained // -base) if gained > 0 else gained // base


@ensure(lambda moves, result: result >= 0)
@ensure(lambda moves, result: not moves or result <= max(abs(one) for one in moves))
def sigma(moves: Sequence[int]) -> int:
    """Standard deviation with a mean of zero, in millionths, rounded up: the larger of the equally weighted and the
    one that decays by row from the oldest, which begins with the first.
    """
    if not moves:
        return 0
    squares = [one * one for one in moves]
    level = -(-sum(squares) * _DEEPER // len(squares))
    decayed = level
    for square in squares:
        decayed = -(-(decayed * DECAY_PERCENT + square * _DEEPER * (100 - DECAY_PERCENT)) // 100)
    return _root_up(-(-max(level, decayed) // _DEEPER))


def _root_up(value: int) -> int:
    root = isqrt(value)
    return root if root * root == value else root + 1


class Known(NamedTuple):
    """What the window says of one instrument: its returns where it is full, the largest of them, sigma of what is
    there.
    """

    moves: tuple[int, ...] = ()
    worst: int = 0
    sigma: int = 0


NOTHING_KNOWN: Final = Known()


class Returns:
    """The window of one book. `horizon_ns` 0: none is kept."""

    def __init__(self, horizon_ns: int = 0) -> None:
        self.horizon_ns = horizon_ns
        self._interval = ABSENT
        self._base: dict[str, int] = {}
        self._last: dict[str, Priced] = {}
        self._moves: dict[str, tuple[int, ...]] = {}
        self._known: dict[str, Known] = {}

    def of(self, instrument: str) -> Known:
        """What is known of it."""
        return self._known.get(instrument, NOTHING_KNOWN)

    def look(self, ts_ns: int, prices: Sequence[Priced]) -> bool:
        """Prices as they are now; whether a row was closed, or an instrument began anew."""
        interval = ts_ns // self.horizon_ns
        closed = False
        if interval > self._interval:
            self._interval = interval
            closed = self._close()
        seen = {each.instrument: each for each in prices[:INSTRUMENTS_MAX] if each.price != 0}
        for name, before in self._last.items():
            if len(seen) < INSTRUMENTS_MAX:  # those of which nothing is heard go first
                seen.setdefault(name, before)
        self._last = seen
        return closed

    def begin_with(self, rows: Iterable[tuple[int, Mapping[str, Priced]]], bases: Mapping[str, int]) -> None:
        """Take rows of prices by interval, oldest first, as if they had been looked at. `bases`: the last of them as
        prices are from now on.
        """
        for interval, row in rows:
            self._interval = interval + 1
            self._last = {**self._last, **row}
            self._fold()
        self._stand_at(bases)
        self._learn()

    def _stand_at(self, bases: Mapping[str, int]) -> None:
        self._base = dict(bases)
        self._last = {name: Priced(name, price, 0) for name, price in bases.items()}  # no move, inverse or not

    def knows_more(self, before: Returns) -> bool:
        """Whether it goes on to a later interval than `before`, or to the same with more rows of an instrument."""
        if self._interval != before._interval:
            return self._interval > before._interval
        return any(len(moves) > len(before._moves.get(name, ())) for name, moves in self._moves.items())

    def rows(self) -> dict[str, int]:
        """How many returns there are of each instrument that has a price."""
        return {name: len(self._moves.get(name, ())) for name in sorted(self._base)}

    def _close(self) -> bool:
        """Whether there was a row of what was seen last."""
        closed = self._fold()
        if closed:
            self._learn()
        return closed

    def _fold(self) -> bool:
        """A row of what was seen last; none where nothing was ever seen, or no price changed."""
        last = self._last
        if {name: now.price for name, now in last.items()} == self._base:
            return False
        row = {
            name: move(self._base[name], now.price, now.inverse) for name, now in last.items() if self._base.get(name)
        }
        gone = set(self._base) - set(last)
        self._base = {name: now.price for name, now in last.items()}
        for name in gone:
            self._moves.pop(name, None)
        if any(row.values()):
            for name in last:
                kept = self._moves.get(name, ())
                self._moves[name] = (*kept, row[name])[-ROWS:] if name in row else ()
        return True

    def _learn(self) -> None:
        self._known = {
            name: Known(moves if len(moves) == ROWS else (), max(map(abs, moves), default=0), sigma(moves))
            for name, moves in self._moves.items()
        }

    def lasting(self) -> dict[str, Any]:
        """What a restart must know, and the audit; nothing where none is kept."""
        if not self.horizon_ns:
            return {}
        return {
            "returns": {
                "horizon_ns": str(self.horizon_ns),
                "interval": self._interval,
                "base": {name: str(price) for name, price in sorted(self._base.items())},
                "moves": {name: list(moves) for name, moves in sorted(self._moves.items())},
            }
        }

    def take_up(self, said: Mapping[str, Any]) -> None:
        """What an earlier run knew, if its rows are of this horizon."""
        before = said.get("returns", {})
        if not before or int(before["horizon_ns"]) != self.horizon_ns:
            return
        self._interval = int(before["interval"])
        self._stand_at({str(name): int(price) for name, price in before["base"].items()})
        self._moves = {str(name): tuple(map(int, moves))[-ROWS:] for name, moves in before["moves"].items()}
        self._learn()


def noted(said: Mapping[str, Any]) -> Returns:
    """The window that a NOTE of the limits has, for the audit. ValueError, KeyError, TypeError: it has none."""
    found = Returns(int(said.get("returns", {"horizon_ns": 0})["horizon_ns"]))
    found.take_up(said)
    return found
