"""The start-up self-test's second half (DESIGN.md 2.7): equity moves with the row being handled.

What belongs here: one comparison for each instrument, at the first row by which it can be made. The order of handlers
(hook.py) says that Portfolio should have the row before the guard; this sees that it has it: the open profit that
equity is made of is the one at this row's own price. Otherwise the guard would judge by yesterday's equity, or by one
that leaves the position out, and nothing else would say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AggregationSource

if TYPE_CHECKING:
    from dolphin.nautilus.parts import Parts


class Moving:
    """What was seen of each instrument of one run."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._cache = parts.cache
        self._portfolio = parts.actor.portfolio
        self._known: set[str] = set()
        self._closes: dict[str, Any] = {}

    def bar(self, bar: Any) -> None:
        """A bar that is being handled, in time for what follows: a fault here denies this bar's entries."""
        instrument_id = bar.bar_type.instrument_id
        if instrument_id.value in self._known:
            return
        before = self._closes.get(instrument_id.value)
        self._closes[instrument_id.value] = bar.close
        if before in (None, bar.close):
            return
        if not self._by_bars(bar.bar_type):
            return
        if self._side(instrument_id.value) != 0:
            self._compare(instrument_id, bar.close)

    def row(self, row: Any) -> None:
        """The first row after a silence."""
        if not isinstance(row, QuoteTick):
            return
        if row.instrument_id.value in self._known:
            return
        if self._cache.mark_price(row.instrument_id) is not None:
            return
        side = self._side(row.instrument_id.value)
        if side > 0:
            self._compare(row.instrument_id, row.bid_price)
        if side < 0:
            self._compare(row.instrument_id, row.ask_price)

    def _by_bars(self, bar_type: Any) -> bool:
        """Whether these bars alone price their instrument: ticks come first, and of several types one is taken."""
        instrument_id = bar_type.instrument_id
        if bar_type.aggregation_source != AggregationSource.EXTERNAL:
            return False
        for known in (self._cache.quote_tick, self._cache.trade_tick, self._cache.mark_price):
            if known(instrument_id) is not None:
                return False
        return len(self._cache.bar_types(instrument_id)) == 1

    def _side(self, instrument: str) -> int:
        """1 or -1 where all that is held of it is on one side, else 0."""
        side = 0
        for group in self._parts.book.held():
            if group.instrument != instrument:
                continue
            if group.lots * side < 0:
                return 0
            side = 1
            if group.lots < 0:
                side = -1
        return side

    def _compare(self, instrument_id: Any, price: Any) -> None:
        parts = self._parts
        if parts.values.account is None:
            return
        account_id = parts.values.account.id
        right = self._portfolio.unrealized_pnl(instrument_id, price=price, account_id=account_id)
        if right is None:
            return
        self._known.add(instrument_id.value)
        told = self._portfolio.unrealized_pnl(instrument_id, account_id=account_id)
        if told == right:
            return
        said = (
            f"equity does not move with {instrument_id}: its open profit at {price} is {right}, Portfolio says {told}"
        )
        parts.not_as_measured([said])
