"""Orders that Nautilus resizes: what it tells nobody of, and what cannot be known before it does.

What belongs here: which orders must be read again before each question, and as how many lots one counts whose size its
fill decides. As seen in 1.231: an algorithm takes each part off its order, and gives a part that is denied or rejected
back; the emulator gives the members of a group, and the children of a parent that it holds, the size of the one that
changed. Both only while the order has not left, and without an event. A quantity in quote currency is as many lots as
the price of now makes of it while it is parked, and becomes lots at the venue, at the price of its fill.
"""

from __future__ import annotations

from typing import Any, Final

from dolphin.nautilus.translate import TAKES_AT_ONCE, ceil_div

FILL_MOVES: Final = 100
"""A price moves by less than one part in so many while a market order is on its way, nearly always."""


def may_be_resized(order: Any, contingency: str) -> bool:
    """Whether Nautilus, or the market where it is in quote currency, may resize it without an event.

    `contingency`: the name of its group, empty for none.
    """
    if not order.is_active_local:
        return False
    if order.is_quote_quantity:
        return True
    if contingency:
        return True
    if order.parent_order_id is not None:
        return True
    return order.exec_algorithm_id is not None


def priced_later(order: Any, judged: int) -> int:
    """Lots as which an order in quote currency counts that was judged as `judged`: a second exit must not find more."""
    if order.order_type in TAKES_AT_ONCE:
        return judged + ceil_div(judged, FILL_MOVES)
    return judged
