"""Fills that nobody here asked for: what they must not be taken for. UNKNOWN is never FLAT (DESIGN.md 1, idea 5).

What belongs here: how such a fill is known, and when it shows a ledger that is not the venue's. Two kinds, on 1.231:

- *Made up.* Where the venue's report of positions and Nautilus' own do not agree and no fill explains it, Nautilus
  sends itself one for the difference, tagged RECONCILIATION. An adapter that answers "none" where it could not ask (the
  one for Binance, after any error) thus closes positions that the venue still has.
- *Beside.* What the venue closes by itself (auto-deleveraging, liquidation) and what a person closes elsewhere is
  booked as a position of EXTERNAL, or of a strategy that claims the instrument, against the one that it closed, which
  stays: both are shown, and the venue holds neither. Its order was made from a report. One that a strategy sent may be
  held against another strategy's position: that is what they asked for, however late its fill is heard of.

A fill that finds more than was known is taken as found: it counts, and the guard takes it off if it may not be.

A third kind somebody did ask for, and once too often: parts of an order that together fill more than it was. What sends
them does not know what has filled (Knight, 2012), and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from nautilus_trader.model.events import OrderSubmitted, OrderUpdated

from dolphin.journal import encode
from dolphin.kernel.events import Fault
from dolphin.kernel.reasons import Cause
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.translate import side_of
from dolphin.nautilus.working import Group

TAG: Final = "RECONCILIATION"


def made_up(order: Any) -> bool:
    """Whether no venue filled it: Nautilus made the order, and its fill, to agree with a report."""
    tags = order.tags
    if tags is None:
        return False
    return TAG in tags


def unasked(order: Any) -> bool:
    """Whether nobody here sent it: it was made from a report. One that a strategy sent was submitted first."""
    for event in order.events:
        if isinstance(event, OrderSubmitted):
            return False
    return True


def net(groups: Iterable[Group], instrument: str) -> int:
    """Signed lots of an instrument over all its positions."""
    total = 0
    for group in groups:
        if group.instrument == instrument:
            total += group.lots
    return total


def lessened(side: int, lots: int) -> bool:
    """Whether a fill on this side (1, -1) that left so many signed lots took from what was held."""
    return side * lots <= 0


def beside(lots: int, all_lots: int) -> bool:
    """Whether a position of so many signed lots stands against the rest of what is held in its instrument."""
    return lots * (all_lots - lots) < 0


def why(event: Any, order: Any, group: Group, groups: Iterable[Group]) -> str:
    """What is wrong with what is held since this fill; nothing, as a rule."""
    if not event.reconciliation:
        return ""
    all_lots = net(groups, group.instrument)
    if made_up(order):
        if lessened(side_of(order), all_lots):
            return "no venue told of this fill, and less is held for it"
    if not unasked(order):
        return ""
    if beside(group.lots, all_lots):
        return "a fill that nobody here asked for is held against what it closed"
    return ""


def asked_for(parent: Any) -> Any:
    """As much as an order was meant to fill, in units: what it was made for, and what changes put to it.

    What an algorithm takes off it for a part, and puts back where that came to nothing, leaves this too large, never
    too small.
    """
    before = parent.init_event.quantity.as_decimal()
    total = before
    for event in parent.events:
        if isinstance(event, OrderUpdated):
            total += max(event.quantity.as_decimal() - before, 0)
            before = event.quantity.as_decimal()
    return total


def beyond_parent(cache: Any, order: Any) -> bool:
    """Whether an order and all its parts have filled more together than it was meant to."""
    spawn_id = order.exec_spawn_id
    if spawn_id is None:
        return False
    parent = cache.order(spawn_id)
    if parent is None:
        return False
    if parent.init_event.quote_quantity:  # what that is in units, the price of each fill says
        return False
    # `Cache.exec_spawn_total_filled_qty` sums 128 bits in 64, and begins anew at 1,844 units.
    filled = sum([each.filled_qty.as_decimal() for each in cache.orders_for_exec_spawn(spawn_id)])
    return bool(filled > asked_for(parent))


def doubted(
    guard: Guard, tell: Callable[[str, str], None], cache: Any, groups: Iterable[Group], event: Any, order: Any,
    group: Group | None, now_ns: int,
) -> None:  # fmt: skip
    """After a fill of `order` in `group`: where it is one that should not be, a Category 1 fault."""
    if group is None:
        return
    what = why(event, order, group, groups)
    requirement = "DOL-VENUE-001"
    if beyond_parent(cache, order):
        what = "the parts of an order have filled more than it was"
        requirement = "DOL-ORDER-009"
    if not what:
        return
    name = order.client_order_id.value
    tell("DESYNC", f"{group.key}: {what} ({name}) [{requirement}]")
    guard.emit(Fault(now_ns, Cause.LEDGER_DESYNC), encode({"what": what, "id": name, "position": group.key}))
