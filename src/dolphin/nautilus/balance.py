"""Money that moves: FILL records, and what comes or goes without a fill.

What belongs here: the text of a FILL, and the rule by which a change of balance is a deposit or withdrawal. It claims
every change at its own time (live: within two real seconds), before it or after it; what no fill has
claimed is a flow. Interest and funding are flows too (docs/limitations.md).
"""

from __future__ import annotations

from typing import Any, Final

from nautilus_trader.model.enums import OrderSide

from dolphin.journal import text
from dolphin.kernel.events import Flow
from dolphin.kernel.units import ABSENT, NS_PER_S
from dolphin.nautilus.config import PlugConfig
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.translate import Scale, lots_of, units
from dolphin.nautilus.values import Values

CLAIM_LIVE_NS: Final = 2 * NS_PER_S


class Fills:
    """Writes FILL records."""

    def __init__(self, guard: Guard, scales: dict[str, Scale]) -> None:
        self._guard = guard
        self._scales = scales
        self._texts: dict[Any, str] = {}

    def record(self, event: Any, now_ns: int) -> None:
        """One fill."""
        scale = self._scales.get(event.instrument_id.value)
        if scale is None:
            return
        side = 1
        if event.order_side == OrderSide.SELL:
            side = -1
        commission = 0
        currency = ""
        if event.commission is not None:
            currency = event.commission.currency.code
            commission = units(event.commission, 10**event.commission.currency.precision)
        data = (
            f'{{"id":{text(event.client_order_id.value)},"trade":{text(event.trade_id.value)},'
            f'"instrument":{self._text(event.instrument_id)},"strategy":{self._text(event.strategy_id)},'
            f'"position":{text(_value(event.position_id))},"side":{side},"lots":{lots_of(event.last_qty, scale)},'
            f'"price":{text(str(event.last_px))},"commission":{commission},"currency":{text(currency)}}}'
        )
        self._guard.write(now_ns, "FILL", data)

    def _text(self, identifier: Any) -> str:
        """JSON text of an identifier that comes again and again."""
        found = self._texts.get(identifier)
        if found is None:
            found = text(identifier.value)
            self._texts[identifier] = found
        return found


class Balance:
    """Watches the balance of the account."""

    def __init__(self, values: Values, settings: PlugConfig, live: bool) -> None:
        self._values = values
        self._settings = settings
        self._claim_ns = 0
        if live:
            self._claim_ns = CLAIM_LIVE_NS
        self._balance: int | None = None
        self._flow = 0
        self._flow_ns = ABSENT
        self._filled_ns = ABSENT

    def filled(self, now_ns: int) -> None:
        """A fill claims what changed just before it."""
        self._filled_ns = now_ns
        self._flow = 0
        self._flow_ns = ABSENT

    def account(self, event: Any, now_ns: int) -> None:
        """An account state came."""
        values = self._values
        if not values.found(self._settings.venue, self._settings.currency):
            return
        if event.account_id != values.account.id:
            return
        total = values.account.balance_total(values.base)
        if total is None:
            return
        amount = units(total, 10**values.base.precision)
        before = self._balance
        self._balance = amount
        if before is None:
            return
        if amount == before:
            return
        if self._filled_ns != ABSENT:
            if now_ns - self._filled_ns <= self._claim_ns:
                return
        self._flow += amount - before
        self._flow_ns = now_ns

    def flow(self, now_ns: int) -> Flow | None:
        """A change of the balance that no fill has claimed in time."""
        if self._flow_ns == ABSENT:
            return None
        if now_ns - self._flow_ns <= self._claim_ns:
            return None
        flow = self._flow
        self._flow = 0
        self._flow_ns = ABSENT
        return Flow(now_ns, flow)


def _value(identifier: Any) -> str:
    if identifier is None:
        return ""
    return str(identifier.value)
