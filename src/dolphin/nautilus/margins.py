"""What the account says is free, and what an entry takes of it.

What belongs here: margin as Nautilus reckons it, in minor units of the base currency; no limit. An instrument's ratio
is kept until the instrument or the leverage that the account grants it is another.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from dolphin.nautilus.translate import Scale, ceil_div, units
from dolphin.nautilus.values import Values


class Margin(NamedTuple):
    """An instrument's margin over its value as a fraction, and what it was made of."""

    instrument: Any
    granted: Any
    num: int
    den: int


class Margins:
    """Those of one account."""

    def __init__(self, values: Values, cache: Any) -> None:
        self._values = values
        self._cache = cache
        self._known: dict[str, Margin] = {}

    def free(self) -> int:
        """What the account says is free; nothing without an account."""
        account = self._values.account
        if account is None:
            return 0
        free = account.balance_free(self._values.base)
        if free is None:
            return 0
        return units(free, 10**self._values.base.precision)

    def taken(self, scale: Scale, value: int) -> int:
        """What an entry of this value takes, in the value's own unit and rounded up; 0 where nobody knows."""
        num, den = self._ratio(scale)
        return ceil_div(value * num, den)

    def _ratio(self, scale: Scale) -> tuple[int, int]:
        """An instrument's margin over its value: initial margin over leverage; all of it on a cash account."""
        account = self._values.account
        if account is None:
            return 0, 1
        if not account.is_margin_account:
            return 1, 1
        instrument = self._cache.instrument(scale.instrument_id)
        granted = account.leverage(scale.instrument_id)
        if granted is None:  # none of its own
            granted = account.default_leverage
        known = self._known.get(scale.id)
        if known is None:
            known = self._made(scale, instrument, granted)
        elif known.instrument is not instrument:
            known = self._made(scale, instrument, granted)
        elif known.granted != granted:
            known = self._made(scale, instrument, granted)
        return known.num, known.den

    def _made(self, scale: Scale, instrument: Any, granted: Any) -> Margin:
        initial, one = Decimal(str(instrument.margin_init)).as_integer_ratio()
        leverage, part = Decimal(str(granted)).as_integer_ratio()
        known = Margin(instrument, granted, initial * part, one * leverage)
        self._known[scale.id] = known
        return known
