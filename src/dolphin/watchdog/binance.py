"""Binance USDT-margined futures over REST, with the standard library: the first implementation of the venue port.

What belongs here: requests, signatures, retries, and what Binance's words mean. Nothing of Nautilus, so that a fault
there is not one here. One connection, kept open; not for two threads at once.

Binance's rules that shape this file: a request is signed with a time that the server compares with its own (-1021 where
it is too far off: the offset is asked for anew); orders with a trigger live in a service of their own (algoOrder); 5xx
and a broken connection say nothing of whether a request was carried out, and all of ours may be repeated. cancel-all
and countdownCancelAll spare no reduce-only order.

Each request has a weight, and an address may spend so much in a minute of the server's clock; each answer says how much
is spent (X-MBX-USED-WEIGHT-1M), by the trading process too. Who goes on after a 429 is shut out (418), and the trading
process with him: so nothing is sent before the time that such an answer names is over. One symbol is listed for 1, all
of them for 40: more than 40 symbols are listed at once.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
import time
import urllib.parse
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from dolphin.watchdog.venue import TOGETHER, Answer, Held, Reply, Unknown, Working

URL: Final = "https://fapi.binance.com"
TIMEOUT_S: Final = 2.0
WARM_S: Final = 0.2
BODY_TIMEOUTS: Final = 5
"""An answer may take so many timeouts in all."""
BODY_BYTES_MAX: Final = 1 << 26
BODY_PIECE: Final = 1 << 16
TRIES: Final = 3
BACK_OFF_S: Final = (0.02, 0.1)
HOLD_S: Final = 5.0
"""The pause after a 429 that names none."""
HOLD_S_MAX: Final = 300.0
"""A venue that asks for a longer pause is asked again after this: a wrong header must not end the watch for days."""
RECV_WINDOW_MS: Final = 5_000
LISTING_WEIGHT: Final = 2
"""Of one symbol: its orders, and its conditional ones."""
LISTING_ALL_WEIGHT: Final = LISTING_WEIGHT * TOGETHER
"""Of all symbols of the account."""
SHARE: Final = 1_200
"""What listing may spend a minute: half of what Binance accepts from one address."""
SPENT: Final = 2_000
"""Of 2,400: where so much is spent in this minute, by whomever, the next listing waits for the next minute."""
MINUTE_MS: Final = 60_000
USED: Final = "X-MBX-USED-WEIGHT-1M"
NO_SUCH_ORDER: Final = -2011
CLOCK: Final = -1021
HTTP_LIMITS: Final = (418, 429)
NOT_FOUND: Final = 404


class Keys(NamedTuple):
    """An API key that may trade and not withdraw, and its secret."""

    key: str
    secret: str


class Said(NamedTuple):
    """What came back. `status` 0: nothing did, and `text` says why. `code`: Binance's own, 0 where there is none."""

    status: int
    body: Any
    code: int
    text: str
    hold_s: float = 0.0
    away: bool = False

    @property
    def good(self) -> bool:
        return self.status == 200


class BadUrl(ValueError):
    """An address that keys must not be sent to."""


def address(url: str) -> tuple[bool, str, int]:
    """Whether to encrypt, host and port. BadUrl: plain HTTP shows the key, and is for the loopback."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if not host or parts.path not in ("", "/") or parts.query:
        raise BadUrl(f"{url!r}: accepted https://HOST, with a port or without, and no path")
    if parts.scheme == "https":
        return True, host, parts.port or 443
    if parts.scheme == "http" and host == "127.0.0.1":
        return False, host, parts.port or 80
    raise BadUrl(f"{url!r}: accepted https:// only (http:// on 127.0.0.1, for tests): anything else shows the key")


class Binance:
    """One account. `warm_s`: the timeout of `warm`. `sleep`: how to wait between tries; a test waits less."""

    def __init__(
        self, keys: Keys, url: str = URL, *, timeout_s: float = TIMEOUT_S, warm_s: float = WARM_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._keys = keys
        self._secure, self._host, self._port = address(url)
        self._timeout_s = timeout_s
        self._warm_s = warm_s
        self._sleep = sleep
        self._offset_ms = 0
        self._held_until_s = 0.0
        self._used = 0
        self._used_minute = 0
        self._wire: http.client.HTTPConnection | None = None

    # --- the port -----------------------------------------------------------------------------------------------------

    def open_orders(self, symbols: Sequence[str]) -> tuple[Working, ...] | Unknown:
        """See `Venue`. One symbol at a time, or the whole account at once where that is cheaper."""
        asked: list[dict[str, str]] = [{"symbol": symbol} for symbol in symbols]
        if len(symbols) > TOGETHER:
            asked = [{}]
        wanted = frozenset(symbols)
        found: list[Working] = []
        for params in asked:
            for path, conditional in (("/fapi/v1/openOrders", False), ("/fapi/v1/openAlgoOrders", True)):
                said = self._asked("GET", path, params)
                if conditional and said.status == NOT_FOUND:
                    continue  # a venue without such a service has no such orders
                if not said.good:
                    return Unknown(f"{path}: {said.text}", said.away)
                try:
                    found += [_working(row, conditional) for row in said.body if row["symbol"] in wanted]
                except (KeyError, TypeError) as error:
                    return Unknown(f"{path}: makes no sense ({type(error).__name__}: {error})")
        return tuple(found)

    def positions(self, symbols: Sequence[str]) -> tuple[Held, ...] | Unknown:
        """See `Venue`."""
        said = self._asked("GET", "/fapi/v3/positionRisk", {})
        if not said.good:
            return Unknown(f"/fapi/v3/positionRisk: {said.text}")
        try:
            rows = [Held(row["symbol"], row["positionSide"], row["positionAmt"]) for row in said.body]
            return tuple(row for row in rows if row.symbol in symbols and float(row.amount) != 0)
        except (KeyError, TypeError, ValueError) as error:
            return Unknown(f"/fapi/v3/positionRisk: makes no sense ({type(error).__name__}: {error})")

    def cancel(self, order: Working) -> Answer:
        """See `Venue`."""
        if order.conditional:
            return self._told("DELETE", "/fapi/v1/algoOrder", {"symbol": order.symbol, "algoId": order.id})
        return self._told("DELETE", "/fapi/v1/order", {"symbol": order.symbol, "orderId": order.id})

    def cancel_all(self, symbol: str) -> Answer:
        """See `Venue`: both kinds; the worse of the two answers."""
        plain = self._told("DELETE", "/fapi/v1/allOpenOrders", {"symbol": symbol})
        conditional = self._told("DELETE", "/fapi/v1/algoOpenOrders", {"symbol": symbol})
        return conditional if plain.reply == Reply.DONE else plain

    def countdown(self, symbol: str, after_ms: int) -> Answer:
        """See `Venue`. It takes conditional orders only as far as the venue says: look there too."""
        return self._told("POST", "/fapi/v1/countdownCancelAll", {"symbol": symbol, "countdownTime": str(after_ms)})

    def pause_s(self, symbols: Sequence[str]) -> float:
        """See `Venue`: its share of the weight, what is spent already, and what the venue has asked for."""
        now_ms = self._server_ms()
        weight = min(len(symbols) * LISTING_WEIGHT, LISTING_ALL_WEIGHT)
        pause_s = weight * 60 / SHARE
        if self._used_minute == now_ms // MINUTE_MS and self._used + weight > SPENT:
            pause_s = max(pause_s, (MINUTE_MS - now_ms % MINUTE_MS) / 1_000)
        return max(pause_s, self._held_s())

    def warm(self) -> Answer:
        """See `Venue`: the server's time, once, with a short timeout."""
        said = self._once("GET", "/fapi/v1/time", {}, signed=False, timeout_s=self._warm_s)
        return self._learnt(said)

    def close(self) -> None:
        """Let go of the connection."""
        if self._wire is not None:
            self._wire.close()
        self._wire = None

    # --- inside -------------------------------------------------------------------------------------------------------

    def _learnt(self, said: Said) -> Answer:
        try:
            if said.good:
                self._offset_ms = int(said.body["serverTime"]) - time.time_ns() // 1_000_000
                return Answer(Reply.DONE, f"clock offset {self._offset_ms} ms")
        except (KeyError, TypeError, ValueError):
            return Answer(Reply.UNKNOWN, "/fapi/v1/time: makes no sense")
        return Answer(Reply.UNKNOWN, said.text)

    def _told(self, method: str, path: str, params: dict[str, str]) -> Answer:
        said = self._asked(method, path, params)
        if said.good:
            return Answer(Reply.DONE)
        if said.code == NO_SUCH_ORDER:
            return Answer(Reply.DONE, said.text)
        if said.status in range(400, 500) and said.status not in HTTP_LIMITS:
            return Answer(Reply.REFUSED, f"{path}: {said.text}")
        return Answer(Reply.UNKNOWN, f"{path}: {said.text}")

    def _asked(self, method: str, path: str, params: dict[str, str]) -> Said:
        """Ask, and again where that may help; the last answer."""
        said = self._once(method, path, params, signed=True, timeout_s=self._timeout_s)
        for pause_s in BACK_OFF_S[: TRIES - 1]:
            if said.code == CLOCK:
                self._learnt(self._once("GET", "/fapi/v1/time", {}, signed=False, timeout_s=self._timeout_s))
            elif said.status == 0 or said.status >= 500:
                self._sleep(pause_s)
            else:
                break
            said = self._once(method, path, params, signed=True, timeout_s=self._timeout_s)
        return said

    def _once(self, method: str, path: str, params: dict[str, str], *, signed: bool, timeout_s: float) -> Said:
        """One request, one answer; none while the venue has asked for a pause. A connection that the venue has closed
        while it was idle is opened again, once.
        """
        if self._held_s():
            return Said(HTTP_LIMITS[-1], None, 0, "the venue asked for a pause", away=True)
        fresh = self._wire is None
        said = self._exchanged(method, path, params, signed, timeout_s)
        if said.status == 0 and not fresh and said.hold_s < 0:
            said = self._exchanged(method, path, params, signed, timeout_s)
        said = said._replace(hold_s=max(said.hold_s, 0.0))
        if said.status in HTTP_LIMITS:
            self._held_until_s = time.monotonic() + min(said.hold_s or HOLD_S, HOLD_S_MAX)
        return said

    def _held_s(self) -> float:
        return max(self._held_until_s - time.monotonic(), 0.0)

    def _server_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._offset_ms

    def _exchanged(self, method: str, path: str, params: dict[str, str], signed: bool, timeout_s: float) -> Said:
        try:
            wire = self._connected(timeout_s)
            wire.request(method, self._target(path, params, signed), headers={"X-MBX-APIKEY": self._keys.key})
            answer = wire.getresponse()
            raw = _whole(answer, time.monotonic() + BODY_TIMEOUTS * timeout_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            closed = isinstance(error, http.client.RemoteDisconnected | ConnectionError)
            text = f"no answer ({type(error).__name__}: {error})"
            return Said(0, None, 0, text, -1.0 if closed else 0.0, away=True)
        if answer.will_close:
            self.close()
        used = answer.headers.get(USED, "")
        if used.isdecimal():
            self._used, self._used_minute = int(used), self._server_ms() // MINUTE_MS
        return _read(answer.status, raw, answer.headers.get("Retry-After", ""))

    def _connected(self, timeout_s: float) -> http.client.HTTPConnection:
        wire = self._wire
        if wire is None:
            if self._secure:
                context = ssl.create_default_context()
                wire = http.client.HTTPSConnection(self._host, self._port, timeout=timeout_s, context=context)
            else:
                wire = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
            wire.connect()
            self._wire = wire
        wire.sock.settimeout(timeout_s)
        return wire

    def _target(self, path: str, params: dict[str, str], signed: bool) -> str:
        if not signed:
            return path
        query = urllib.parse.urlencode({**params, "recvWindow": RECV_WINDOW_MS, "timestamp": self._server_ms()})
        signature = hmac.new(self._keys.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return f"{path}?{query}&signature={signature}"


def _whole(answer: http.client.HTTPResponse, until_s: float) -> bytes:
    """The body. A socket's timeout is one of each piece: who sends byte by byte would hold us for ever."""
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(BODY_PIECE):
        parts.append(part)
        size += len(part)
        if size > BODY_BYTES_MAX or time.monotonic() > until_s:
            raise http.client.HTTPException(f"an answer without an end: {size} bytes")
    parts.append(answer.read())  # nothing is left: it lets go of the connection for the next request
    return b"".join(parts)


def _read(status: int, raw: bytes, retry_after: str) -> Said:
    hold_s = float(retry_after) if retry_after.isdecimal() else 0.0
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return Said(0 if status == 200 else status, None, 0, f"HTTP {status}, no JSON", hold_s)
    code = body.get("code", 0) if isinstance(body, dict) else 0
    text = f"HTTP {status}, {body.get('msg', '')}" if isinstance(body, dict) else f"HTTP {status}"
    return Said(status, body, code if isinstance(code, int) else 0, text, hold_s)


def _working(row: dict[str, Any], conditional: bool) -> Working:
    side, which = str(row["side"]), row.get("positionSide", "BOTH")
    closing = (which == "LONG" and side == "SELL") or (which == "SHORT" and side == "BUY")
    reducing = row.get("reduceOnly") is True or row.get("closePosition") is True or closing
    number = row["algoId"] if conditional else row["orderId"]
    name = row.get("clientAlgoId" if conditional else "clientOrderId", "")
    return Working(str(row["symbol"]), str(number), str(name), side, reducing, conditional)
