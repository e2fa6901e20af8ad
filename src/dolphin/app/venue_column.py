"""The venue's own column in `dolphin reconcile --now`: what it says is held, asked by this command, not by the book.

What belongs here: which of the book's instruments the venue knows under which symbol, its quantities in the book's
lots, and the rows that they make. It reads: one request for all positions, over a connection of its own and without
Nautilus (dolphin.watchdog.binance). Nothing of it is journalled, and it accuses nobody: a fill between the two answers
shows as a difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

from dolphin.app.errors import UserError
from dolphin.journal.entries import Unit
from dolphin.watchdog.venue import Held, Unknown

ISSUER: Final = "BINANCE"
PERPETUAL: Final = "-PERP"


class Positions(Protocol):
    """What is asked of a venue here."""

    def positions(self, symbols: Sequence[str]) -> tuple[Held, ...] | Unknown: ...


def symbols_of(units: Mapping[str, Unit]) -> dict[str, str]:
    """By the venue's symbol the instrument of the book: `BTCUSDT` for `BTCUSDT-PERP.BINANCE`.

    Where the book has `BTCUSDT.BINANCE` too that is the spot of it, and not this venue's.
    """
    found: dict[str, str] = {}
    for name in units:
        symbol, _, issuer = name.rpartition(".")
        at_venue = symbol.removesuffix(PERPETUAL)
        if issuer.startswith(ISSUER) and (symbol != at_venue or at_venue not in found):
            found[at_venue] = name
    if not found:
        raise UserError(
            "the book has no instrument of this venue", field="--venue", expected=f"names that end in .{ISSUER}",
            actual=", ".join(sorted(units)[:3]) or "none", fix="leave out --venue",
        )  # fmt: skip
    return found


def with_venue(answer: Mapping[str, Any], units: Mapping[str, Unit], venue: Positions) -> dict[str, Any]:
    """The answer of a running book with one more number in each row: lots at the venue, None where it does not know of
    the instrument or did not answer. `venue`: why it said nothing. `same` counts it.
    """
    symbols = symbols_of(units)
    held = venue.positions(tuple(symbols))
    if isinstance(held, Unknown):
        return {**answer, "rows": [[*row, None] for row in answer["rows"]], "venue": held.why}
    lots = dict.fromkeys(symbols.values(), Decimal(0))
    for one in held:
        unit = units[symbols[one.symbol]]
        lots[symbols[one.symbol]] += Decimal(one.amount) * unit.lot_den / unit.lot_num
    rows = [[*row, _whole(lots.pop(row[0], None))] for row in answer["rows"]]
    rows += [[name, 0, 0, None, _whole(count)] for name, count in sorted(lots.items()) if count != 0]
    same = answer["same"] and all(row[-1] in (None, row[1]) for row in rows)
    return {**answer, "rows": rows, "venue": "", "same": same}


def _whole(count: Decimal | None) -> int | None:
    """Lots, rounded away from zero, as the book rounds what it holds."""
    if count is None:
        return None
    whole = int(count)
    if whole == count:
        return whole
    return whole + (1 if count > 0 else -1)
