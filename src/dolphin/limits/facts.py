"""What an order is judged on: one tuple of integers, made of what the plug-in saw and what the limits remember.

What belongs here: the shape, and how a reading becomes it; no verdict. Money in minor units of the account's currency,
quantities in lots, prices in units of the instrument's precision, times in ns; ABSENT (-1) where there is none.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from dolphin.kernel.units import ABSENT, MICRO, notional, positive
from dolphin.limits.held import Held
from dolphin.limits.simulated import NOT_SIMULATED, Simulated
from dolphin.nautilus.ports import Looked

LEAST: Final = 3
"""So many names are always said."""


class Names(NamedTuple):
    """Whose limits hold for this order."""

    instrument: str
    venue: str
    strategy: str
    sector: str = ""
    group: str = ""


class Facts(NamedTuple):
    """See the module. `minor`: minor units in one of the currency, 0 where the account is not known.

    `size_power`, `lot_units`: an instrument's unit is size_power / lot_units lots. `list_lots`: the entry parts of the
    list's orders on this side of this instrument; `list_minor`: what those of the whole list are worth; of a single
    order its own. `side_lots`: what is held and works on the order's side of the instrument; `freed`: what the exit
    part makes free at once. `net`: signed value of all positions; `side_minor`: value of what works on the order's
    side. `left`: entries that left within the rate's window. `twin_age_ns`: since an entry like it left. `crosses` 1:
    it would trade with an order of this book. `stopped` 1: its strategy entered too often. `day_loss`: since the last
    equity of the day before, negative where it is a gain; `known` 0: nobody knows. `free`: balance that is free;
    `margin_u`: margin of a lot in micro-units, 0 where it is not known. `venue_used`, `strategy_used`: held and
    working there, as `sector_used` and `group_used` of the sector and group that leave least. `stress_loss`: what the
    scenario that leaves least would cost, the exit part done; `stress_bp`: what it would take of the entry's value.
    `tail_most` to `sigma_ppm`: see simulated.py. `exit_u`: micro-units at which a lot of what the exit part closes is
    counted; 0 in journals of before, where that was `value_u`, of the order's own side.
    """

    side: int
    entry_lots: int
    exit_lots: int
    value_u: int
    equity: int
    gross: int
    working: int
    freed: int
    minor: int
    size_power: int
    lot_units: int
    list_lots: int
    list_minor: int
    restricted: int
    priced: int
    price: int
    bid: int
    ask: int
    last: int
    price_age_ns: int
    left: int
    side_lots: int
    net: int
    side_minor: int
    twin_age_ns: int
    crosses: int
    stopped: int
    known: int
    day_loss: int
    drawdown_bp: int
    free: int
    margin_u: int
    venue_used: int
    strategy_used: int
    sector_used: int = 0
    group_used: int = 0
    stress_loss: int = 0
    stress_bp: int = 0
    tail_most: int = 0
    unseen: int = 0
    pnl: tuple[int, ...] = ()
    moves: tuple[int, ...] = ()
    sigma_loss: int = 0
    sigma_ppm: int = 0
    exit_u: int = 0


NO_FACTS: Final = Facts._make(Facts._field_defaults.get(name, 0) for name in Facts._fields)
"""Nothing is held, asked or known."""


def fact(name: str, value: Any) -> Any:
    """A fact as the journal has it: an integer, or those of the rows. ValueError, TypeError: it is none."""
    if isinstance(Facts._field_defaults.get(name), tuple):
        return tuple(int(each) for each in value)
    return int(value)


def said(names: Names, facts: Facts) -> dict[str, Any]:
    """What the journal says of them: what came with later limits only where it is not what it is without them, so that
    a record of before is what is written today.
    """
    known = list(names)
    while len(known) > LEAST and not known[-1]:
        known.pop()
    values = facts._asdict()
    for name, value in Facts._field_defaults.items():
        if values[name] == value:
            del values[name]
    return {"names": known, "facts": values}


class Remembered(NamedTuple):
    """What the limits themselves know of this order: see the fields of these names in `Facts`."""

    restricted: int = 0
    left: int = 0
    twin_age_ns: int = ABSENT
    stopped: int = 0
    known: int = 0
    day_loss: int = 0
    sector: str = ""
    sector_used: int = 0
    group: str = ""
    group_used: int = 0
    stress_loss: int = 0
    stress_bp: int = 0
    simulated: Simulated = NOT_SIMULATED


def names_of(looked: Looked, known: Remembered) -> Names:
    """The names of an order."""
    return Names(looked.instrument, looked.venue, looked.strategy, known.sector, known.group)


def freed(exit_lots: int, exit_u: int, gross: int, taking: int) -> int:
    """What an exit part that executes at once makes free: what it was counted as, rounded down; never more than is
    held.
    """
    if taking != 1:
        return 0
    return min(positive(exit_lots * exit_u // MICRO), positive(gross))


def facts_of(looked: Looked, known: Remembered, held: Held) -> Facts:
    """The facts of one order, on what is held and works besides it."""
    order = looked.order
    cut = looked.cut
    side = order.side
    list_lots, list_minor = looked.list_lots, looked.list_minor
    if list_lots == ABSENT:
        list_lots, list_minor = cut.entry, notional(cut.entry, order.value_u)
    return Facts(
        side, cut.entry, cut.exit, order.value_u, order.equity, order.gross, order.working,
        freed(cut.exit, looked.exit_u, order.gross, order.taking), looked.minor,
        looked.size_power, looked.lot_units, list_lots, list_minor, known.restricted, looked.priced, looked.price,
        looked.bid, looked.ask, looked.last, looked.price_age_ns, known.left,
        held.place(looked.instrument).side_lots(side), held.net, held.buys if side > 0 else held.sells,
        known.twin_age_ns, looked.crosses, known.stopped, known.known, known.day_loss, looked.drawdown_bp,
        min(looked.free, order.equity - held.margin), looked.margin_u, held.venues.get(looked.venue, 0),
        held.strategies.get(looked.strategy, 0), known.sector_used, known.group_used, known.stress_loss,
        known.stress_bp, *known.simulated, looked.exit_u,
    )  # fmt: skip
