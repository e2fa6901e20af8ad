"""The matching: quotes that a test scripts, orders, positions, the wallet. No network, no clock of its own.

One quote a symbol. A market order takes what is there at the touch; what is left of it expires, or, with `slow`, waits
for the next quotes as on a venue that answers in pieces. A limit rests and fills at its own price once the other side's
quote reaches it. Everything that happens is told to `tell(what, order or symbol, detail)`, in the order of the venue:
an order's birth, the account, its fill.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

ZERO = Decimal(0)
TAKER, MAKER = Decimal("0.0005"), Decimal("0.0002")


class Refused(Exception):
    """The venue's no: its code and its words."""

    def __init__(self, code: int, text: str):
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass
class Symbol:
    """A contract. Sizes in the base coin, prices in USDT."""

    name: str
    base: str
    tick: Decimal
    step: Decimal
    bid: Decimal
    ask: Decimal
    bid_size: Decimal = Decimal(1000)
    ask_size: Decimal = Decimal(1000)
    update: int = 0


@dataclass
class Order:
    id: int
    client_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal
    price: Decimal = ZERO
    stop: Decimal = ZERO
    tif: str = "GTC"
    reduce_only: bool = False
    close_position: bool = False
    position_side: str = "BOTH"
    status: str = "NEW"
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    algo_id: int = 0
    time_ms: int = 0
    update_ms: int = 0
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1

    @property
    def left(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def open(self) -> bool:
        return self.status in ("NEW", "PARTIALLY_FILLED")

    @property
    def average(self) -> Decimal:
        return self.cost / self.filled if self.filled else ZERO


@dataclass
class Position:
    symbol: str
    side: str  # BOTH, LONG, SHORT
    amount: Decimal = ZERO
    entry: Decimal = ZERO
    realised: Decimal = ZERO


class Book:
    """All symbols of one account. `now_ms` is the server's clock."""

    def __init__(self, symbols: list[Symbol], now_ms: Callable[[], int], wallet: Decimal = Decimal(1_000_000)):
        self.symbols = {symbol.name: symbol for symbol in symbols}
        self.now_ms = now_ms
        self.wallet = wallet
        self.hedging = False
        self.slow = False
        self.orders: list[Order] = []
        self.algos: list[Order] = []
        self.trades: list[dict[str, Any]] = []
        self.positions: dict[tuple[str, str], Position] = {}
        self.tell: Callable[..., None] = lambda what, about, detail=None: None
        self.ids = itertools.count(1000)
        self.trade_ids = itertools.count(1)

    # -- reading

    def position(self, symbol: str, side: str = "BOTH") -> Position:
        return self.positions.setdefault((symbol, side), Position(symbol, side))

    def net(self, symbol: str) -> Decimal:
        return sum((p.amount for p in self.positions.values() if p.symbol == symbol), ZERO)

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        return [order for order in self.orders if order.open and symbol in (None, order.symbol)]

    def open_algos(self, symbol: str | None = None) -> list[Order]:
        return [order for order in self.algos if order.open and symbol in (None, order.symbol)]

    def mark(self, symbol: str) -> Decimal:
        return (self.symbols[symbol].bid + self.symbols[symbol].ask) / 2

    def unrealised(self) -> Decimal:
        return sum(((self.mark(p.symbol) - p.entry) * p.amount for p in self.positions.values()), ZERO)

    def find(self, order_id: str | None, client_id: str | None, among: list[Order] | None = None) -> Order | None:
        """The newest that bears the number, or the client's name."""
        for order in reversed(self.orders if among is None else among):
            number = order.algo_id if among is self.algos else order.id
            if (order_id and str(number) == order_id) or (not order_id and order.client_id == client_id):
                return order
        return None

    # -- orders

    def submit(self, order: Order) -> Order:
        """Take an order and match it. Refused where the venue would refuse."""
        symbol = self.symbols.get(order.symbol)
        if symbol is None:
            raise Refused(-1121, "Invalid symbol.")
        if order.quantity <= 0:
            raise Refused(-4003, "Quantity less than or equal to zero.")
        if order.quantity % symbol.step or order.price % symbol.tick:
            raise Refused(-1111, "Precision is over the maximum defined for this asset.")
        if any(other.client_id == order.client_id for other in self.open_orders()):
            raise Refused(-4116, "ClientOrderId is duplicated.")
        if self.hedging != (order.position_side != "BOTH"):
            raise Refused(-4061, "Order's position side does not match user's setting.")
        if self._reduces(order):
            room = self._room(order)
            if room == 0:
                raise Refused(-2022, "ReduceOnly Order is rejected.")
            order.quantity = min(order.quantity, room)
        touch = symbol.ask if order.side == "BUY" else symbol.bid
        crosses = order.type == "MARKET" or (order.price - touch) * order.sign >= 0
        if order.tif == "GTX" and crosses:
            raise Refused(
                -5022, "Due to the order could not be executed as maker, the Post Only order will be rejected."
            )
        order.time_ms = order.update_ms = self.now_ms()
        self.orders.append(order)
        self.tell("NEW", order)
        if crosses:
            self._take(order, symbol)
        if order.open and (order.tif in ("IOC", "FOK") or (order.type == "MARKET" and not self.slow)):
            self._end(order, "EXPIRED")
        return order

    def place_algo(self, order: Order) -> Order:
        """A conditional order: it waits for its trigger and is a market or limit order then."""
        if any(other.client_id == order.client_id for other in self.open_algos()):
            raise Refused(-4116, "ClientOrderId is duplicated.")
        symbol = self.symbols[order.symbol]
        if self._triggered(order, symbol):
            raise Refused(-2021, "Order would immediately trigger.")
        order.time_ms = order.update_ms = self.now_ms()
        self.algos.append(order)
        self.tell("ALGO", order)
        return order

    def cancel(self, order: Order | None) -> Order:
        if order is None or not order.open:
            raise Refused(-2011, "Unknown order sent.")
        self._end(order, "CANCELED")
        return order

    def amend(self, order: Order | None, quantity: Decimal, price: Decimal) -> Order:
        if order is None or not order.open:
            raise Refused(-2013, "Order does not exist.")
        if quantity <= order.filled:
            self._end(order, "CANCELED")
            return order
        order.quantity, order.price, order.update_ms = quantity, price, self.now_ms()
        self.tell("AMENDMENT", order)
        self._match(order, self.symbols[order.symbol])
        return order

    def cancel_all(self, symbol: str | None = None) -> list[Order]:
        gone = self.open_orders(symbol)
        for order in gone:
            self._end(order, "CANCELED")
        return gone

    # -- the market

    def quote(self, name: str, bid: Decimal, ask: Decimal, bid_size: Decimal, ask_size: Decimal) -> None:
        """A new touch: what rests and is reached fills, what is triggered leaves."""
        symbol = self.symbols[name]
        symbol.bid, symbol.ask, symbol.bid_size, symbol.ask_size = bid, ask, bid_size, ask_size
        symbol.update += 1
        for order in self.open_orders(name):
            if order.open:
                self._match(order, symbol)
        for algo in self.open_algos(name):
            if self._triggered(algo, symbol):
                self._release(algo)

    def forced(self, name: str, prefix: str, side: str = "BOTH", told: bool = True) -> Order | None:
        """The venue closes a position by itself: `adl_autoclose` or `autoclose-`. Not `told`: the stream is silent."""
        held = self.position(name, side)
        if held.amount == 0:
            return None
        number = next(self.ids)
        order = Order(
            number, f"{prefix}{number}", name, "SELL" if held.amount > 0 else "BUY", "LIMIT", abs(held.amount),
            price=self.mark(name).quantize(self.symbols[name].tick), tif="IOC", position_side=side,
            time_ms=self.now_ms(),
        )  # fmt: skip
        self.orders.append(order)
        kept = self.tell
        if not told:
            self.tell = lambda *args: None
        self._fill(order, order.quantity, order.price, maker=False, how="CALCULATED")
        self.tell = kept
        return order

    # -- inside

    def _reduces(self, order: Order) -> bool:
        return (
            order.reduce_only or order.close_position or order.position_side == ("SHORT", "LONG")[order.side == "SELL"]
        )

    def _room(self, order: Order) -> Decimal:
        """What is held against the order, which it may close."""
        held = self.position(order.symbol, order.position_side).amount
        return max(ZERO, -held * order.sign)

    def _take(self, order: Order, symbol: Symbol) -> None:
        there = symbol.ask_size if order.side == "BUY" else symbol.bid_size
        if order.tif == "FOK" and there < order.left:
            return
        part = min(order.left, there)
        if part <= 0:
            return
        if order.side == "BUY":
            symbol.ask_size -= part
        else:
            symbol.bid_size -= part
        self._fill(order, part, symbol.ask if order.side == "BUY" else symbol.bid, maker=False)

    def _match(self, order: Order, symbol: Symbol) -> None:
        touch = symbol.ask if order.side == "BUY" else symbol.bid
        there = symbol.ask_size if order.side == "BUY" else symbol.bid_size
        if order.type == "MARKET":
            self._take(order, symbol)
        elif (order.price - touch) * order.sign >= 0 and there > 0:
            part = min(order.left, there)
            if self._reduces(order):
                part = min(part, self._room(order))
            if part > 0:
                self._fill(order, part, order.price, maker=True)

    def _triggered(self, order: Order, symbol: Symbol) -> bool:
        touch = symbol.ask if order.side == "BUY" else symbol.bid
        way = -order.sign if order.type.startswith("TAKE_PROFIT") else order.sign
        return (touch - order.stop) * way >= 0

    def _release(self, algo: Order) -> None:
        algo.status, algo.update_ms = "TRIGGERED", self.now_ms()
        held = self._room(algo)
        order = Order(
            next(self.ids), algo.client_id, algo.symbol, algo.side,
            "MARKET" if algo.type.endswith("MARKET") else "LIMIT", held if algo.close_position else algo.quantity,
            price=algo.price, stop=algo.stop, tif=algo.tif, reduce_only=algo.reduce_only or algo.close_position,
            position_side=algo.position_side, algo_id=algo.algo_id,
        )  # fmt: skip
        algo.id = order.id
        self.tell("ALGO", algo)
        try:
            self.submit(order)
        except Refused:
            algo.status = "EXPIRED"
        else:
            algo.status = "FINISHED"
        algo.update_ms = self.now_ms()
        self.tell("ALGO", algo)

    def _fill(self, order: Order, part: Decimal, price: Decimal, maker: bool, how: str = "TRADE") -> None:
        fee = part * price * (MAKER if maker else TAKER)
        held = self.position(order.symbol, order.position_side)
        before = held.amount
        closing = min(part, max(ZERO, -before * order.sign))
        gain = closing * (price - held.entry) * (-order.sign)
        held.amount = before + part * order.sign
        opening = part - closing
        if opening:
            base = before if closing == 0 else ZERO
            held.entry = (held.entry * abs(base) + price * opening) / (abs(base) + opening)
        if held.amount == 0:
            held.entry = ZERO
        held.realised += gain
        self.wallet += gain - fee
        order.filled += part
        order.cost += part * price
        order.update_ms = self.now_ms()
        order.status = "FILLED" if order.left == 0 else "PARTIALLY_FILLED"
        order.last = {
            "qty": part,
            "price": price,
            "fee": fee,
            "trade": next(self.trade_ids),
            "maker": maker,
            "gain": gain,
        }
        self.trades.append({"order": order, "time": order.update_ms, **order.last})
        self.tell("ACCOUNT", held)
        self.tell(how, order)
        order.last = {}
        self._shrink(order.symbol, order.position_side)

    def _shrink(self, symbol: str, side: str) -> None:
        """Resting reduce-only orders have no more to close than is held: the venue expires those without any."""
        for other in self.open_orders(symbol):
            if other.position_side == side and self._reduces(other) and self._room(other) == 0:
                self._end(other, "EXPIRED")

    def _end(self, order: Order, status: str) -> None:
        order.status, order.update_ms = status, self.now_ms()
        self.tell("ALGO" if order in self.algos else status, order)
