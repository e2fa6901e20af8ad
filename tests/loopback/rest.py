"""The requests: each path with what it answers, and whether it must be signed. What goes wrong is not decided here.

`ROUTES` maps `METHOD /path` to (handler, signed). A handler takes the exchange and the parameters, and gives what is
answered as JSON; `Refused` becomes a 400 in the venue's words.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import urllib.parse
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.loopback import words
from tests.loopback.book import Order, Refused

Params = dict[str, str]
ALGO_IDS = itertools.count(900_000)


def checked(exchange: Any, raw_query: str, key: str | None, signed: bool) -> Params:
    """The parameters, with key, signature and time as the venue checks them."""
    params = dict(urllib.parse.parse_qsl(raw_query, keep_blank_values=True))
    if not signed:
        return params
    if key != exchange.key:
        raise Refused(-2015, "Invalid API-key, IP, or permissions for action.")
    told, _, signature = raw_query.rpartition("&signature=")
    right = hmac.new(exchange.secret.encode(), told.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, right):
        raise Refused(-1022, "Signature for this request is not valid.")
    now, then, window = exchange.now_ms(), int(params["timestamp"]), int(params.get("recvWindow", "5000"))
    if then > now + 1000:
        raise Refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - then > window:
        raise Refused(-1021, "Timestamp for this request is outside of the recvWindow.")
    return params


def _is(params: Params, name: str) -> bool:
    return params.get(name, "").lower() == "true"


def _order(exchange: Any, params: Params) -> Order:
    number = next(exchange.book.ids)
    return Order(
        number, params.get("newClientOrderId") or f"web_{number}", params["symbol"], params["side"], params["type"],
        Decimal(params["quantity"]), price=Decimal(params.get("price", "0")), tif=params.get("timeInForce", "GTC"),
        reduce_only=_is(params, "reduceOnly"), position_side=params.get("positionSide", "BOTH"),
    )  # fmt: skip


def new_order(exchange: Any, params: Params) -> Any:
    return words.order_info(exchange.book.submit(_order(exchange, params)))


def new_algo(exchange: Any, params: Params) -> Any:
    order = Order(
        0, params["clientAlgoId"], params["symbol"], params["side"], params["type"],
        Decimal(params.get("quantity", "0")), price=Decimal(params.get("price", "0")),
        stop=Decimal(params.get("triggerPrice", "0")), tif=params.get("timeInForce", "GTC"),
        reduce_only=_is(params, "reduceOnly"), close_position=_is(params, "closePosition"),
        position_side=params.get("positionSide", "BOTH"), algo_id=next(ALGO_IDS),
    )  # fmt: skip
    return words.algo_info(exchange.book.place_algo(order))


def _found(exchange: Any, params: Params) -> Order | None:
    return exchange.book.find(params.get("orderId"), params.get("origClientOrderId"))  # type: ignore[no-any-return]


def _found_algo(exchange: Any, params: Params) -> Order | None:
    book = exchange.book
    return book.find(params.get("algoId"), params.get("clientAlgoId"), book.algos)  # type: ignore[no-any-return]


def get_order(exchange: Any, params: Params) -> Any:
    order = _found(exchange, params)
    if order is None:
        raise Refused(-2013, "Order does not exist.")
    return words.order_info(order)


def cancel_order(exchange: Any, params: Params) -> Any:
    return words.order_info(exchange.book.cancel(_found(exchange, params)))


def amend_order(exchange: Any, params: Params) -> Any:
    order = _found(exchange, params)
    return words.order_info(exchange.book.amend(order, Decimal(params["quantity"]), Decimal(params["price"])))


def get_algo(exchange: Any, params: Params) -> Any:
    order = _found_algo(exchange, params)
    if order is None:
        raise Refused(-2013, "Order does not exist.")
    return words.algo_info(order)


def cancel_algo(exchange: Any, params: Params) -> Any:
    order = exchange.book.cancel(_found_algo(exchange, params))
    return {"algoId": order.algo_id, "clientAlgoId": order.client_id, "code": "200", "msg": "success"}


def cancel_all(exchange: Any, params: Params) -> Any:
    exchange.book.cancel_all(params["symbol"])
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def cancel_all_algos(exchange: Any, params: Params) -> Any:
    for order in exchange.book.open_algos(params["symbol"]):
        exchange.book.cancel(order)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def cancel_batch(exchange: Any, params: Params) -> Any:
    names = json.loads(params.get("origClientOrderIdList", "[]")) or json.loads(params.get("orderIdList", "[]"))
    by_name = "origClientOrderIdList" in params
    rows = []
    for name in names:
        order = exchange.book.find(None if by_name else str(name), name if by_name else None)
        try:
            rows.append(words.order_info(exchange.book.cancel(order)))
        except Refused as refused:
            rows.append({"code": refused.code, "msg": refused.text})
    return rows


def countdown(exchange: Any, params: Params) -> Any:
    """The venue's dead-man's switch: all of the symbol's orders are cancelled when nobody calls again in time."""
    exchange.arm(params["symbol"], int(params["countdownTime"]))
    return {"symbol": params["symbol"], "countdownTime": params["countdownTime"]}


def _of_symbol(orders: list[Order], params: Params) -> list[Order]:
    return [order for order in orders if params.get("symbol", order.symbol) == order.symbol]


def open_orders(exchange: Any, params: Params) -> Any:
    return [words.order_info(order) for order in exchange.book.open_orders(params.get("symbol"))]


def all_orders(exchange: Any, params: Params) -> Any:
    return [words.order_info(order) for order in _of_symbol(exchange.book.orders, params)]


def open_algos(exchange: Any, params: Params) -> Any:
    return [words.algo_info(order) for order in exchange.book.open_algos(params.get("symbol"))]


def all_algos(exchange: Any, params: Params) -> Any:
    return [words.algo_info(order) for order in _of_symbol(exchange.book.algos, params)]


def user_trades(exchange: Any, params: Params) -> Any:
    rows = [words.trade_info(row) for row in exchange.book.trades]
    return [row for row in rows if params.get("symbol", row["symbol"]) == row["symbol"]]


def _positions(exchange: Any, params: Params, version: int) -> Any:
    book = exchange.book
    sides = ("LONG", "SHORT") if book.hedging else ("BOTH",)
    names = [params["symbol"]] if "symbol" in params else list(book.symbols)
    held = [book.position(name, side) for name in names for side in sides]
    return [words.position_risk(book, row, version) for row in held if version == 2 or row.amount]


def exchange_info(exchange: Any, params: Params) -> Any:
    return {
        "timezone": "UTC", "serverTime": exchange.now_ms(), "exchangeFilters": [],
        "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400}],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "0"}],
        "symbols": [words.symbol_info(symbol) for symbol in exchange.book.symbols.values()],
    }  # fmt: skip


def symbol_config(exchange: Any, params: Params) -> Any:
    shape = {"marginType": "CROSSED", "isAutoAddMargin": False, "leverage": 20, "maxNotionalValue": "10000000"}
    return [{"symbol": name, **shape} for name in exchange.book.symbols]


def brackets(exchange: Any, params: Params) -> Any:
    row = {
        "bracket": 1,
        "initialLeverage": 20,
        "notionalCap": 10_000_000,
        "notionalFloor": 0,
        "maintMarginRatio": 0.025,
    }
    return [{"symbol": name, "brackets": [{**row, "cum": 0}]} for name in exchange.book.symbols]


def depth(exchange: Any, params: Params) -> Any:
    symbol, now = exchange.book.symbols[params["symbol"]], exchange.now_ms()
    touch = {
        "bids": [[words.text(symbol.bid), words.text(symbol.bid_size)]],
        "asks": [[words.text(symbol.ask), words.text(symbol.ask_size)]],
    }
    return {"lastUpdateId": symbol.update, "E": now, "T": now, **touch}


def _listen(exchange: Any, params: Params) -> Any:
    return {"listenKey": exchange.streams.listen_key}


ROUTES: dict[str, tuple[Callable[[Any, Params], Any], bool]] = {
    "GET /fapi/v1/ping": (lambda exchange, params: {}, False),
    "GET /fapi/v1/time": (lambda exchange, params: {"serverTime": exchange.now_ms()}, False),
    "GET /fapi/v1/exchangeInfo": (exchange_info, False),
    "GET /fapi/v1/depth": (depth, False),
    "GET /fapi/v1/ticker/bookTicker": (
        lambda exchange, params: words.quote_event(exchange.book.symbols[params["symbol"]], exchange.now_ms()),
        False,
    ),
    "GET /fapi/v2/account": (lambda exchange, params: words.account(exchange.book), True),
    "GET /fapi/v3/account": (lambda exchange, params: words.account(exchange.book), True),
    "GET /fapi/v2/positionRisk": (lambda exchange, params: _positions(exchange, params, 2), True),
    "GET /fapi/v3/positionRisk": (lambda exchange, params: _positions(exchange, params, 3), True),
    "GET /fapi/v1/symbolConfig": (symbol_config, True),
    "GET /fapi/v1/leverageBracket": (brackets, True),
    "GET /fapi/v1/positionSide/dual": (lambda exchange, params: {"dualSidePosition": exchange.book.hedging}, True),
    "POST /fapi/v1/leverage": (
        lambda exchange, params: {
            "symbol": params["symbol"],
            "leverage": int(params["leverage"]),
            "maxNotionalValue": "10000000",
        },
        True,
    ),
    "POST /fapi/v1/marginType": (lambda exchange, params: {"code": 200, "msg": "success"}, True),
    "POST /fapi/v1/listenKey": (_listen, False),
    "PUT /fapi/v1/listenKey": (_listen, False),
    "DELETE /fapi/v1/listenKey": (lambda exchange, params: {}, False),
    "POST /fapi/v1/order": (new_order, True),
    "GET /fapi/v1/order": (get_order, True),
    "PUT /fapi/v1/order": (amend_order, True),
    "DELETE /fapi/v1/order": (cancel_order, True),
    "DELETE /fapi/v1/allOpenOrders": (cancel_all, True),
    "DELETE /fapi/v1/batchOrders": (cancel_batch, True),
    "POST /fapi/v1/countdownCancelAll": (countdown, True),
    "GET /fapi/v1/openOrders": (open_orders, True),
    "GET /fapi/v1/allOrders": (all_orders, True),
    "GET /fapi/v1/userTrades": (user_trades, True),
    "POST /fapi/v1/algoOrder": (new_algo, True),
    "GET /fapi/v1/algoOrder": (get_algo, True),
    "DELETE /fapi/v1/algoOrder": (cancel_algo, True),
    "DELETE /fapi/v1/algoOpenOrders": (cancel_all_algos, True),
    "GET /fapi/v1/openAlgoOrders": (open_algos, True),
    "GET /fapi/v1/allAlgoOrders": (all_algos, True),
}
