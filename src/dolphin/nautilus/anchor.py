"""What a day began with: equity, the audited high-water mark, capital, at its first look (UTC). Live.

What belongs here: when the NOTE of a day is written, and what an operator is shown of it. The figures are those of the
journal's own fold: the last reading of equity before the look, a second after midnight at the latest where the book
runs, and where it begins later that of the run before, or its own first. So what was lost while it was down counts for
the day on which it is seen.
"""

from __future__ import annotations

from typing import Final

from dolphin.journal import encode
from dolphin.journal.entries import DAY
from dolphin.kernel.units import ABSENT, NS_PER_S
from dolphin.nautilus.guard import Guard

DAY_NS: Final = 86_400 * NS_PER_S


def look(guard: Guard, now_ns: int) -> None:
    """The NOTE of a day that the journal does not have, once equity was read; none while it cannot be."""
    capital = guard.state.capital
    day = now_ns // DAY_NS
    held = guard.accounts.day
    if held is not None:
        if day <= held.day:
            return
    if capital.mark == 0:
        return
    if capital.error_ns != ABSENT:
        return
    if guard.waiting() > 0:
        return
    said = {
        "what": DAY,
        "day": day,
        "equity": capital.equity,
        "mark": capital.mark,
        "capital": guard.accounts.books.capital,
    }
    guard.write(now_ns, "NOTE", encode(said))


def told(guard: Guard) -> dict[str, str]:
    """The day, what it began with and what it has brought since, less what came and went; nothing without one. Whole
    numbers as text: a day since 1970, minor units.
    """
    held = guard.accounts.day
    if held is None:
        return {}
    made = guard.accounts.made_since(held, guard.state.capital.equity)
    return {"day": str(held.day), "equity": str(held.equity), "mark": str(held.mark), "made": str(made)}
