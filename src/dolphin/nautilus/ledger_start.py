"""What the ledger is told at a start: scales that have changed, and what is held that no fill has brought.

What belongs here: the two NOTEs, and when they are written. Nautilus has reconciled itself with the venue before any
actor starts, and what that brought nobody has heard. So the positions that it shows are held against the ledger of all
earlier runs, by name, and where an instrument differs they are its opening entry, at Nautilus' average price. It
accuses nobody: what was on the wire at a crash fills while nobody listens. It is told, and the journal has it. So is a
backtest that takes a journal up: its venue is simulated, begins flat, and has another account than the run before had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

from dolphin.journal import encode
from dolphin.journal.entries import OPENING, SCALES
from dolphin.kernel.ledger import FLAT
from dolphin.kernel.ledger_books import by_instrument
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.translate import Scale, lots_of

if TYPE_CHECKING:
    from dolphin.nautilus.parts import Parts

type Rows = dict[str, dict[str, tuple[int, str]]]
"""By instrument and position: signed lots, and the average price as text."""


def rescaled(guard: Guard, scales: Sequence[Mapping[str, Any]], now_ns: int) -> None:
    """A journal that is taken up has other instruments, or others of their scales: it is told, before any fill."""
    if scales:
        guard.write(now_ns, "NOTE", encode({"what": SCALES, "instruments": list(scales)}))


def opening_entry(parts: Parts, now_ns: int) -> None:
    """The opening entry of a start, with the balance where no earlier one has it. What a journal that was taken up has
    otherwise is told. Nothing is written where nothing is new, and at the first start of a backtest, which is flat.
    """
    guard, scales = parts.guard, parts.scales
    if not parts.live:
        if not parts.resumed:
            return
    shown = shown_in(parts.cache, scales)
    counted: dict[str, dict[str, int]] = {}
    for name, (instrument, position) in guard.accounts.books.held.items():
        counted.setdefault(instrument, {})[name] = position.lots
    totals = by_instrument(guard.accounts.books)
    differing: list[str] = []
    rows: list[dict[str, Any]] = []
    for instrument in sorted(scales):
        here = shown.get(instrument, {})
        if _lots(here) == counted.get(instrument, {}):
            continue
        differing.append(instrument)
        for name, (lots, price) in here.items():
            rows.append({"position": name, "instrument": instrument, "lots": lots, "price": price})
        more = sum(_lots(here).values()) - totals.get(instrument, FLAT).lots
        if more != 0:
            if parts.resumed:
                parts.actor.tell(
                    "LEDGER", f"{instrument}: {more} lots more are held than the journal knows of [DOL-LEDGER-005]"
                )
    said: dict[str, Any] = {"what": OPENING, "instruments": differing, "positions": rows}
    balance = _first_balance(parts)
    if balance is not None:
        said["balance"] = balance
    if differing:
        guard.write(now_ns, "NOTE", encode(said))
    elif "balance" in said:
        guard.write(now_ns, "NOTE", encode(said))


def _first_balance(parts: Parts) -> int | None:
    """The balance of a live account in minor units, where the journal has nothing yet that has changed it."""
    accounts = parts.guard.accounts
    if not parts.live:
        return None
    if accounts.opened is not None:
        return None
    if accounts.books.fills > 0:
        return None
    return parts.flow.balance.held


def shown_in(cache: Any, scales: Mapping[str, Scale]) -> Rows:
    """What Nautilus shows of the instruments that are known."""
    found: Rows = {}
    for position in cache.positions_open():
        scale = scales.get(position.instrument_id.value)
        if scale is not None:
            lots = lots_of(position.quantity, scale)
            if position.is_short:
                lots = -lots
            found.setdefault(scale.id, {})[position.id.value] = (lots, _price(position.avg_px_open, scale))
    return found


def _lots(rows: Mapping[str, tuple[int, str]]) -> dict[str, int]:
    return {name: lots for name, (lots, _) in rows.items()}


def _price(price: float, scale: Scale) -> str:
    """An average, to the last digit that a price of the instrument has."""
    if not isfinite(price):
        return "0"
    digits = len(str(scale.price_power)) - 1
    return f"{Decimal(round(Decimal(price) * scale.price_power)).scaleb(-digits):f}"
