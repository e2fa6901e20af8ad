"""What limits on returns see of the market: one price an instrument, at every sample of the account.

What belongs here: which price that is; rows and windows are the limits'.
"""

from __future__ import annotations

from collections.abc import Mapping

from dolphin.nautilus.ports import Priced
from dolphin.nautilus.translate import Scale
from dolphin.nautilus.values import Values


def prices_now(values: Values, scales: Mapping[str, Scale]) -> list[Priced]:
    """The price of every instrument."""
    return [_priced(values, scale) for scale in scales.values()]


def _priced(values: Values, scale: Scale) -> Priced:
    seen = values.prices(scale)
    if seen.bid * seen.ask == 0:  # one of them is not known
        return Priced(scale.id, 2 * seen.last, int(scale.inverse))
    return Priced(scale.id, seen.bid + seen.ask, int(scale.inverse))
