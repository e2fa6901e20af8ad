"""The venue's words: how an order, a position, the account and the events look in JSON. Shapes only, no decision.

Fields are those of Binance's USDT-margined futures documentation; numbers are strings, times are milliseconds.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.loopback.book import Book, Order, Position, Symbol

TYPES = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]


def text(number: Decimal) -> str:
    return format(number, "f")


def places(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))


def symbol_info(symbol: Symbol) -> dict[str, Any]:
    tick, lot = text(symbol.tick), {"minQty": text(symbol.step), "maxQty": "100000", "stepSize": text(symbol.step)}
    return {
        "symbol": symbol.name, "pair": symbol.name, "contractType": "PERPETUAL", "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000, "status": "TRADING", "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000", "baseAsset": symbol.base, "quoteAsset": "USDT", "marginAsset": "USDT",
        "pricePrecision": places(symbol.tick), "quantityPrecision": places(symbol.step), "baseAssetPrecision": 8,
        "quotePrecision": 8, "underlyingType": "COIN", "underlyingSubType": ["PoW"], "settlePlan": 0,
        "triggerProtect": "0.0500", "liquidationFee": "0.012500", "marketTakeBound": "0.05",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "4529764", "tickSize": tick},
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
        "orderTypes": TYPES, "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }  # fmt: skip


def order_info(order: Order) -> dict[str, Any]:
    return {
        "symbol": order.symbol, "orderId": order.id, "clientOrderId": order.client_id, "price": text(order.price),
        "origQty": text(order.quantity), "executedQty": text(order.filled), "cumQuote": text(order.cost),
        "avgPrice": text(order.average), "status": order.status, "timeInForce": order.tif, "type": order.type,
        "origType": order.type, "side": order.side, "stopPrice": text(order.stop), "reduceOnly": order.reduce_only,
        "closePosition": order.close_position, "positionSide": order.position_side, "time": order.time_ms,
        "updateTime": order.update_ms, "workingType": "CONTRACT_PRICE", "priceProtect": False,
    }  # fmt: skip


def algo_info(order: Order) -> dict[str, Any]:
    return {
        "algoId": order.algo_id, "clientAlgoId": order.client_id, "algoType": "CONDITIONAL", "orderType": order.type,
        "symbol": order.symbol, "side": order.side, "positionSide": order.position_side, "timeInForce": order.tif,
        "quantity": text(order.quantity), "algoStatus": order.status, "triggerPrice": text(order.stop),
        "price": text(order.price), "workingType": "CONTRACT_PRICE", "closePosition": order.close_position,
        "reduceOnly": order.reduce_only, "createTime": order.time_ms, "updateTime": order.update_ms, "triggerTime": 0,
        "goodTillDate": 0, "actualOrderId": str(order.id) if order.id else "",
    }  # fmt: skip


def trade_info(row: dict[str, Any]) -> dict[str, Any]:
    order = row["order"]
    return {
        "buyer": order.side == "BUY", "commission": text(row["fee"]), "commissionAsset": "USDT", "id": row["trade"],
        "maker": row["maker"], "orderId": order.id, "price": text(row["price"]), "qty": text(row["qty"]),
        "quoteQty": text(row["qty"] * row["price"]), "realizedPnl": text(row["gain"]), "side": order.side,
        "positionSide": order.position_side, "symbol": order.symbol, "time": row["time"],
    }  # fmt: skip


def position_risk(book: Book, held: Position, version: int) -> dict[str, Any]:
    mark = book.mark(held.symbol)
    row: dict[str, Any] = {
        "symbol": held.symbol, "positionSide": held.side, "positionAmt": text(held.amount),
        "entryPrice": text(held.entry), "breakEvenPrice": text(held.entry), "markPrice": text(mark),
        "unRealizedProfit": text((mark - held.entry) * held.amount), "liquidationPrice": "0", "isolatedMargin": "0",
        "notional": text(mark * held.amount), "isolatedWallet": "0", "updateTime": book.now_ms(),
    }  # fmt: skip
    if version == 2:
        return {
            **row,
            "marginType": "cross",
            "isAutoAddMargin": "false",
            "leverage": "20",
            "maxNotionalValue": "10000000",
        }
    margin = text(abs(mark * held.amount) / 20)
    return {
        **row, "marginAsset": "USDT", "initialMargin": margin, "maintMargin": "0", "positionInitialMargin": margin,
        "openOrderInitialMargin": "0", "adl": 1, "bidNotional": "0", "askNotional": "0",
    }  # fmt: skip


def account(book: Book) -> dict[str, Any]:
    open_profit = book.unrealised()
    margin = sum((abs(book.mark(p.symbol) * p.amount) / 20 for p in book.positions.values()), Decimal(0))
    free = book.wallet + min(open_profit, Decimal(0)) - margin
    sums = {
        "initialMargin": text(margin), "maintMargin": "0", "walletBalance": text(book.wallet),
        "unrealizedProfit": text(open_profit), "marginBalance": text(book.wallet + open_profit),
        "positionInitialMargin": text(margin), "openOrderInitialMargin": "0", "crossWalletBalance": text(book.wallet),
        "crossUnPnl": text(open_profit), "availableBalance": text(free), "maxWithdrawAmount": text(free),
    }  # fmt: skip
    total = {"total" + name[0].upper() + name[1:]: sums[name] for name in list(sums)[:9]}
    return {
        "feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True, "updateTime": book.now_ms(), **total,
        "availableBalance": text(free), "maxWithdrawAmount": text(free),
        "assets": [{"asset": "USDT", **sums, "marginAvailable": True, "updateTime": book.now_ms()}],
        "positions": [position_risk(book, held, 2) for held in book.positions.values()],
    }  # fmt: skip


def order_event(order: Order, how: str, now_ms: int) -> dict[str, Any]:
    last = order.last
    body = {
        "s": order.symbol, "c": order.client_id, "S": order.side, "o": order.type, "f": order.tif,
        "q": text(order.quantity), "p": text(order.price), "ap": text(order.average), "sp": text(order.stop), "x": how,
        "X": order.status, "i": order.id, "l": text(last.get("qty", Decimal(0))), "z": text(order.filled),
        "L": text(last.get("price", Decimal(0))), "T": now_ms, "t": last.get("trade", 0), "b": "0", "a": "0",
        "m": last.get("maker", False), "R": order.reduce_only, "wt": "CONTRACT_PRICE", "ot": order.type,
        "ps": order.position_side, "cp": order.close_position, "pP": False, "si": 0, "ss": 0,
        "rp": text(last.get("gain", Decimal(0))), "gtd": 0,
    }  # fmt: skip
    if last:
        body |= {"N": "USDT", "n": text(last["fee"])}
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": now_ms, "o": body}


def account_event(book: Book, held: Position, now_ms: int) -> dict[str, Any]:
    wallet = text(book.wallet)
    open_profit = text((book.mark(held.symbol) - held.entry) * held.amount)
    position = {
        "s": held.symbol, "pa": text(held.amount), "ep": text(held.entry), "cr": text(held.realised), "up": open_profit,
        "mt": "cross", "iw": "0", "ps": held.side,
    }  # fmt: skip
    body = {"m": "ORDER", "B": [{"a": "USDT", "wb": wallet, "cw": wallet, "bc": "0"}], "P": [position]}
    return {"e": "ACCOUNT_UPDATE", "E": now_ms, "T": now_ms, "a": body}


def algo_event(order: Order, now_ms: int) -> dict[str, Any]:
    body = {
        "caid": order.client_id, "aid": order.algo_id, "at": "CONDITIONAL", "o": order.type, "s": order.symbol,
        "S": order.side, "ps": order.position_side, "f": order.tif, "q": text(order.quantity), "X": order.status,
        "tp": text(order.stop), "p": text(order.price), "wt": "CONTRACT_PRICE", "pm": "NONE",
        "cp": order.close_position, "pP": False, "R": order.reduce_only, "tt": 0, "gtd": 0,
        "ai": str(order.id) if order.id else "",
    }  # fmt: skip
    return {"e": "ALGO_UPDATE", "E": now_ms, "T": now_ms, "o": body}


def quote_event(symbol: Symbol, now_ms: int) -> dict[str, Any]:
    """Each number with the contract's places: Nautilus drops a quote whose sizes differ in theirs, and only logs it."""
    bid, ask = (text(price.quantize(symbol.tick)) for price in (symbol.bid, symbol.ask))
    bid_size, ask_size = (text(size.quantize(symbol.step)) for size in (symbol.bid_size, symbol.ask_size))
    return {
        "e": "bookTicker", "u": symbol.update, "s": symbol.name, "b": bid, "B": bid_size, "a": ask, "A": ask_size,
        "T": now_ms, "E": now_ms,
    }  # fmt: skip


def trade_event(symbol: Symbol, price: Decimal, size: Decimal, number: int, now_ms: int) -> dict[str, Any]:
    return {
        "e": "aggTrade", "E": now_ms, "s": symbol.name, "a": number, "p": text(price), "q": text(size), "f": number,
        "l": number, "T": now_ms, "m": False,
    }  # fmt: skip
