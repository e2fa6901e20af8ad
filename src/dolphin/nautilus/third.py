"""A third book of record, besides the ledger and Nautilus: when what it says can be compared, and in lots.

What belongs here: the age of what was said, and quantities as lots; reading it is the port's (`ports.BookOfRecord`). A
book that cannot be read, is old, or is older than the last fill says nothing: neither that it is the same nor that it
is another, and never that nothing is held. What it does not name it does not hold. Of an instrument that is not loaded
here nobody knows what a lot is: what the book says of it is told, and not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from dolphin.kernel.units import NS_PER_MS, NS_PER_S
from dolphin.nautilus.ports import BookOfRecord
from dolphin.nautilus.translate import Scale, ceil_div

if TYPE_CHECKING:
    from dolphin.nautilus.parts import Parts

AHEAD_NS: Final = 5 * NS_PER_S
"""Clocks of two machines may differ by this."""
UNKNOWN_MAX: Final = 20
"""Instruments that are not loaded and are named: a record of the journal is one line."""
NAME_MAX: Final = 100
TEXT_MAX: Final = 500
"""Characters that are kept of a name, of a problem."""


class Found(NamedTuple):
    """`lots`: signed, by instrument; None: nothing can be compared, because of `problem` (empty: there is no book).
    `unknown`: instruments of which it holds something and that are not loaded here, at most 20.
    """

    as_of_ns: int
    lots: Mapping[str, int] | None
    problem: str
    unknown: tuple[str, ...] = ()

    def said(self) -> str:
        """The problem with the statement it is about, where there is one: for people."""
        if self.problem == "":
            return ""
        if self.as_of_ns == 0:
            return self.problem[:TEXT_MAX]
        return f"{self.problem} (as_of {self.as_of_ns})"


class Third:
    """A book that may not be there (None). `stale_ms`: real milliseconds after which it says nothing any more."""

    def __init__(self, book: BookOfRecord | None, scales: Mapping[str, Scale], stale_ms: int) -> None:
        self._book = book
        self._scales = scales
        self._stale_ms = stale_ms

    def read(self, now_ns: int, filled_ns: int) -> Found:
        """What it says; `filled_ns`: when the last fill was heard, or the run began."""
        if self._book is None:
            return Found(0, None, "")
        stated = self._book.read()
        if stated.problem:
            return Found(0, None, stated.problem)
        as_of_ns = stated.as_of_ns
        if now_ns - as_of_ns > self._stale_ms * NS_PER_MS:
            return Found(as_of_ns, None, f"it is older than {self._stale_ms} ms")
        if as_of_ns - now_ns > AHEAD_NS:
            return Found(as_of_ns, None, "its time has not come yet")
        if as_of_ns < filled_ns:
            return Found(as_of_ns, None, "it is older than the last fill, or than this run")
        lots: dict[str, int] = {}
        unknown: list[str] = []
        for name, quantity in sorted(stated.quantities.items()):
            scale = self._scales.get(name)
            if scale is not None:
                lots[name] = _lots(quantity, scale)
            elif quantity != 0:
                unknown.append(name[:NAME_MAX])
        return Found(as_of_ns, lots, "", tuple(unknown[:UNKNOWN_MAX]))


def _lots(quantity: Decimal, scale: Scale) -> int:
    """Lots, rounded away from zero, as a position's are."""
    num, den = quantity.as_integer_ratio()
    num *= scale.size_power
    den *= scale.lot_units
    if num < 0:
        return -ceil_div(-num, den)
    return ceil_div(num, den)


def third_of(parts: Parts) -> Third:
    """The one that the configuration names."""
    settings = parts.settings
    return Third(parts.actor.third_book(settings.third_book), parts.scales, settings.third_book_stale_ms)
