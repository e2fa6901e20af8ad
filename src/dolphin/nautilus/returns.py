"""What limits on returns see of the market: one price an instrument, at every sample of the account.

What belongs here: which price that is, and what a price of one is; rows and windows are the limits'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dolphin.journal import encode
from dolphin.nautilus.ports import Limiter, Priced
from dolphin.nautilus.translate import Scale
from dolphin.nautilus.values import Values


def prices_now(values: Values, scales: Mapping[str, Scale]) -> list[Priced]:
    """The price of every instrument."""
    return [_priced(values, scale) for scale in scales.values()]


def load_returns(
    limiter: Limiter,
    scales: Mapping[str, Scale],
    now_ns: int,
    tell: Callable[[str, str], None],
    write: Callable[[int, str, str], None],
) -> None:
    """At the start: returns of before the first run, from a file. ValueError: it is wrong, and the journal has none."""
    ones = {name: Priced(name, 2 * scale.price_power, int(scale.inverse)) for name, scale in scales.items()}
    loaded = limiter.load(now_ns, ones)
    if loaded.said:
        tell("LIMITS", loaded.said)
    if loaded.note:
        write(now_ns, "NOTE", encode({"what": "returns", **loaded.note}))


def _priced(values: Values, scale: Scale) -> Priced:
    seen = values.prices(scale)
    if seen.bid * seen.ask == 0:  # one of them is not known
        return Priced(scale.id, 2 * seen.last, int(scale.inverse))
    return Priced(scale.id, seen.bid + seen.ask, int(scale.inverse))
