"""Trend following at a fixed leverage, sized by equity: an ordinary Nautilus strategy that knows nothing of Dolphin.

Long while the close is above its moving average; below it flat, or short with `allow_short`. The target is a multiple
of the account's equity, and orders are sent when what is held, with what is on its way, is off by more than `band`. It
works whether its orders are filled, shrunk or denied: it looks at what it holds, not at what it asked for.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from nautilus_trader.config import PositiveFloat, PositiveInt, StrategyConfig
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.trading.strategy import Strategy


class TrendConfig(StrategyConfig, frozen=True):
    """`average`: bars of the moving average. `leverage`: of equity. `band`: share of the target that may be off."""

    instrument_id: InstrumentId
    bar_type: BarType
    average: PositiveInt = 200
    leverage: PositiveFloat = 6.0
    band: float = 0.1
    allow_short: bool = False


class Trend(Strategy):
    """See the module."""

    def __init__(self, config: TrendConfig) -> None:
        super().__init__(config)
        self.closes: deque[float] = deque(maxlen=config.average)
        self.total = 0.0

    def on_start(self) -> None:
        self.instrument = self.cache.instrument(self.config.instrument_id)
        self.lot = self.instrument.size_increment.as_decimal()
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar: Bar) -> None:
        close = bar.close.as_double()
        if len(self.closes) == self.config.average:
            self.total -= self.closes[0]
        self.closes.append(close)
        self.total += close
        if len(self.closes) < self.config.average:
            return
        target = self.target(close)
        off = target - self.coming()
        if abs(off) <= self.config.band * abs(target):
            return
        side = OrderSide.BUY if off > 0 else OrderSide.SELL
        quantity = self.instrument.make_qty(abs(off) * self.lot)
        self.submit_order(self.order_factory.market(self.config.instrument_id, side, quantity))

    def target(self, close: float) -> int:
        """What it wants to hold, in whole lots."""
        direction = 1
        if close <= self.total / self.config.average:
            direction = -1 if self.config.allow_short else 0
        if close <= 0:
            return 0
        wanted = max(self.equity(close), 0.0) * self.config.leverage / close
        return direction * int(Decimal(wanted) / self.lot)

    def equity(self, close: float) -> float:
        """The account's equity in the quote currency, open profit included; it may be kept in the base of a pair."""
        equity = self.portfolio.equity(self.instrument.venue)
        made = self.instrument
        for currency, price in ((made.quote_currency, 1.0), (made.get_base_currency(), close)):
            money = equity.get(currency)
            if money is not None:
                return money.as_double() * price
        return 0.0

    def coming(self) -> int:
        """What it holds, in lots, and what its orders on the way will make of it."""
        total = Decimal(self.portfolio.net_position(self.config.instrument_id))
        mine = {"instrument_id": self.config.instrument_id, "strategy_id": self.id}
        for order in [*self.cache.orders_open(**mine), *self.cache.orders_inflight(**mine)]:
            left = order.leaves_qty.as_decimal()
            total += left if order.side == OrderSide.BUY else -left
        return int(total / self.lot)
