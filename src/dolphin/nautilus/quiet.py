"""Orders that Nautilus resizes without telling anybody: what is read of them must be read again before each question.

What belongs here: which orders those are. As seen in 1.231: an algorithm takes each part off its order, and gives a
part that is denied or rejected back; the emulator gives the members of a group, and the children of a parent that it
holds, the size of the one that changed. Both only while the order has not left.
"""

from __future__ import annotations

from typing import Any


def may_be_resized(order: Any, contingency: str) -> bool:
    """Whether this is such an order. `contingency`: the name of its group, empty for none."""
    if not order.is_active_local:
        return False
    if contingency:
        return True
    if order.parent_order_id is not None:
        return True
    return order.exec_algorithm_id is not None
