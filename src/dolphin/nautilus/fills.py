"""FILL records, and fills that Nautilus publishes and drops: a ledger that is not the venue's (DESIGN.md 2.1).

What belongs here: the text of a FILL, and whether a position took the fill. Nautilus tells everybody of a fill after it
has brought the position up to date, also where it refused to: a reduce-only fill that would open a position under
NETTING, one of which the position has the trade id already, one whose instrument or account it does not know. The order
is filled then, the venue has it, and no position shows it. So each fill must be found in its position; the last one is,
but for those that a handler brought about before this one was told.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from dolphin.journal import encode, exact, ready
from dolphin.journal.entries import remember
from dolphin.kernel.events import Fault
from dolphin.kernel.reasons import Cause
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.translate import Scale, lots_of, units

RECENT: Final = 8
"""Earlier lives of a position under NETTING that are looked through; each was closed since the fill was applied."""

APPLIED: Final[Mapping[str, int]] = MappingProxyType({})
AGAIN: Final[Mapping[str, int]] = MappingProxyType({"again": 1})
DROPPED: Final[Mapping[str, int]] = MappingProxyType({"applied": 0})
OF_SPREAD: Final[Mapping[str, int]] = MappingProxyType({"applied": 0, "spread": 1})
"""What a FILL record says besides: nothing where a position took it and it was not known."""


def took(cache: Any, event: Any) -> bool:
    """Whether the position of this fill has it, or had it in a life that ended since."""
    position = cache.position(event.position_id)
    if position is None:
        return False
    if _same(position.last_event, event):
        return True
    if _among(position.events, event):
        return True
    for kept in cache.position_snapshot_bytes(event.position_id)[-RECENT:]:
        if _among(pickle.loads(kept).events, event):
            return True
    return False


def _among(fills: Iterable[Any], event: Any) -> bool:
    for fill in fills:
        if _same(fill, event):
            return True
    return False


def _same(fill: Any, event: Any) -> bool:
    """Whether a position's fill is this one, or one of the two into which Nautilus splits it at zero.

    Trade ids alone do not tell: one trade may be of two orders.
    """
    if fill is None:
        return False
    if fill.trade_id != event.trade_id:
        return False
    return bool(fill.client_order_id == event.client_order_id)


class Fills:
    """Writes FILL records; trips the latch at a fill that no position took. The ledger is the fold of what the journal
    has (`Guard.accounts`); which fills it knows is kept here too, since a record may have to wait. `paid_in_kind`:
    instruments of which a fee was taken from the position. `spreads`: one was filled, and of its legs' fills, which
    move positions, not each may be told. `filled_ns`: when the last fill came, or the run began.
    """

    def __init__(
        self, guard: Guard, scales: dict[str, Scale], cache: Any, tell: Callable[[str, str], None]
    ) -> None:  # fmt: skip
        self._guard = guard
        self._scales = scales
        self._cache = cache
        self._tell = tell
        self._known = dict(guard.accounts.known)
        self.filled_ns = 0
        self.paid_in_kind: set[str] = set()
        self.spreads = False

    def record(self, event: Any, name: str, now_ns: int) -> None:
        """One fill of the order of this name."""
        self.filled_ns = now_ns
        if (name, event.trade_id.value) in self._known:
            self._write(event, name, now_ns, AGAIN)
            self._tell("LEDGER", f"fill {event.trade_id.value} of {name} came again; counted once [DOL-LEDGER-002]")
            return
        if took(self._cache, event):
            self._write(event, name, now_ns, APPLIED)
            self._remember(event, name)
            return
        if self._of_spread(event):
            self.spreads = True
            self._write(event, name, now_ns, OF_SPREAD)
            return  # that fill is no entry: nobody need know it again
        self._write(event, name, now_ns, DROPPED)
        self._remember(event, name)
        self._dropped(event, name, now_ns)

    def _remember(self, event: Any, name: str) -> None:
        """As the fold does: what is not written, since nobody knows its scales, is not known either."""
        if event.instrument_id.value in self._scales:
            remember(self._known, name, event.trade_id.value)

    def _of_spread(self, event: Any) -> bool:
        """A spread's own fill moves no position: its legs' do."""
        instrument = self._cache.instrument(event.instrument_id)
        if instrument is None:
            return False
        return bool(instrument.is_spread())

    def _dropped(self, event: Any, name: str, now_ns: int) -> None:
        where = _value(event.position_id)
        self._tell("DESYNC", f"no position took the fill {event.trade_id.value} of {name} ({where}) [DOL-KILL-007]")
        said = {"what": "no position took this fill", "id": name, "position": where}
        self._guard.emit(Fault(now_ns, Cause.LEDGER_DESYNC), encode(said))

    def _write(self, event: Any, name: str, now_ns: int, more: Mapping[str, int]) -> None:
        """The record, as its own fields: the ledger folds these, and need not read the text again."""
        scale = self._scales.get(event.instrument_id.value)
        if scale is None:
            return
        side = -1
        if event.is_buy:
            side = 1
        commission = 0
        code = ""
        paid = event.commission
        if paid is not None:
            currency = paid.currency
            code = currency.code
            commission = units(paid, 10**currency.precision)
            if currency != scale.currency:
                self._in_kind(event, paid)
        said = {
            "id": name,
            "trade": event.trade_id.value,
            "instrument": scale.id,
            "strategy": event.strategy_id.value,
            "position": _value(event.position_id),
            "side": side,
            "lots": exact(lots_of(event.last_qty, scale)),
            "price": str(event.last_px),
            "commission": exact(commission),
            "currency": code,
            **more,
        }
        self._guard.write(now_ns, "FILL", ready(said), said)

    def _in_kind(self, event: Any, paid: Any) -> None:
        instrument = self._cache.instrument(event.instrument_id)
        if instrument is None:
            return
        if instrument.get_base_currency() == paid.currency:
            self.paid_in_kind.add(event.instrument_id.value)


def _value(identifier: Any) -> str:
    if identifier is None:
        return ""
    return str(identifier.value)
