"""The server: one thread with its own loop, HTTP and WebSocket on one port of 127.0.0.1, the book and what goes wrong.

Everything is touched by the server's thread only; the methods that a test calls hand their work over and wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.loopback import words
from tests.loopback.book import Book, Order, Position, Refused, Symbol
from tests.loopback.faults import Fault, Faults
from tests.loopback.rest import ROUTES, checked
from tests.loopback.streams import Streams
from tests.loopback.tape import Entry, Tape
from tests.loopback.weight import Weight

KEY, SECRET = "loopback-key", "loopback-secret"


def bitcoin() -> Symbol:
    return Symbol("BTCUSDT", "BTC", Decimal("0.10"), Decimal("0.001"), Decimal("50000.00"), Decimal("50000.10"))


def ether() -> Symbol:
    return Symbol("ETHUSDT", "ETH", Decimal("0.01"), Decimal("0.001"), Decimal("2500.00"), Decimal("2500.01"))


class Exchange:
    """Start with `with`, or `start` and `stop`. `url` and `ws` are what a client is told; the keys are dummies."""

    def __init__(self, symbols: list[Symbol] | None = None, wallet: str = "1000000", port: int = 0):
        self.key, self.secret = KEY, SECRET
        self.offset_ms = 0
        self.tape = Tape()
        self.faults = Faults()
        self.weight = Weight()
        self.streams = Streams(self.tape, self.faults)
        self.book = Book(symbols or [bitcoin(), ether()], self.now_ms, Decimal(wallet))
        self.book.tell = self._tell
        self.port = port
        self.answers: dict[str, Any] = {}
        self.countdowns: dict[str, asyncio.TimerHandle] = {}
        self.trades = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="loopback-exchange", daemon=True)
        self._ready = threading.Event()
        self._pump: asyncio.Task[None] | None = None

    # -- life

    def __enter__(self) -> Exchange:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Exchange:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the loopback exchange did not start within 10 s")
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def now_ms(self) -> int:
        """The server's clock, which a fault may have stepped."""
        return time.time_ns() // 1_000_000 + self.offset_ms

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        if self._pump is not None:
            self._pump.cancel()
        self.streams.close()
        self._loop.run_until_complete(runner.cleanup())
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _listen(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return runner

    def do(self, act: Callable[[], Any]) -> Any:
        """Run it in the server's thread and give what it gives."""

        async def acted() -> Any:
            return act()

        return asyncio.run_coroutine_threadsafe(acted(), self._loop).result(10)

    # -- what a test does to it

    def quote(
        self, bid: str, ask: str, bid_size: str = "1000", ask_size: str = "1000", symbol: str = "BTCUSDT"
    ) -> None:
        """A new touch: the book matches what it reaches, and the streams tell it."""
        self.do(lambda: self._quote(symbol, *(Decimal(x) for x in (bid, ask, bid_size, ask_size))))

    def pump(self, every_ms: int, symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT"), sizes: str = "1000") -> None:
        """The touch of each symbol again and again, one tick to and fro, so that the feed lives. 0 ends it.

        `sizes`: what is at the touch of it: thin books fill in pieces.
        """

        def set_pump() -> None:
            if self._pump is not None:
                self._pump.cancel()
                self._pump = None
            if every_ms:
                self._pump = self._loop.create_task(self._pumping(every_ms, symbols, sizes))

        self.do(set_pump)

    def fault(self, **row: Any) -> Fault:
        """Declare what goes wrong (`faults`); what is given back can be handed to `mend`."""
        fault = Fault.of(row)
        self.do(lambda: self.faults.append(fault))
        return fault

    def slow(self, slow: bool = True) -> None:
        """Whether what is left of a market order waits for the next quotes, or expires."""
        self.book.slow = slow

    def mend(self, fault: Fault | None = None) -> None:
        self.do(lambda: self.faults.remove(fault) if fault else self.faults.clear())

    def step_clock(self, by_ms: int) -> None:
        self.offset_ms += by_ms
        self.tape.add("fault", "step", {"by_ms": by_ms})

    def mark(self, text: str) -> None:
        """On the tape: a client says where it is."""
        self.do(lambda: self.tape.add("mark", text))

    def close_sockets(self, stream: str = "") -> int:
        self.tape.add("fault", "close", {"stream": stream})
        return int(self.do(lambda: self.streams.close(stream)))

    def adl(self, symbol: str = "BTCUSDT", told: bool = True) -> None:
        """Auto-deleveraging: the position is gone. Not `told`: no event says so."""
        self.tape.add("fault", "adl", {"symbol": symbol, "told": told})
        self.do(lambda: self.book.forced(symbol, "adl_autoclose", told=told))

    def liquidate(self, symbol: str = "BTCUSDT") -> None:
        self.tape.add("fault", "liquidate", {"symbol": symbol})
        self.do(lambda: self.book.forced(symbol, "autoclose-"))

    def external(
        self, side: str, quantity: str, symbol: str = "BTCUSDT", price: str = "", client_id: str = ""
    ) -> Order:
        """An order that somebody else sent to this account: another program, or a person on the web page. `client_id`:
        one of a process that is gone, which was on the wire until now.
        """

        def send() -> Order:
            number = next(self.book.ids)
            kind = "LIMIT" if price else "MARKET"
            return self.book.submit(
                Order(
                    number,
                    client_id or f"web_{number}",
                    symbol,
                    side,
                    kind,
                    Decimal(quantity),
                    price=Decimal(price or "0"),
                )
            )

        return self.do(send)  # type: ignore[no-any-return]

    def net(self, symbol: str = "BTCUSDT") -> Decimal:
        return self.do(lambda: self.book.net(symbol))  # type: ignore[no-any-return]

    def flat(self) -> bool:
        """Whether nothing at all is held."""
        return self.do(lambda: all(held.amount == 0 for held in self.book.positions.values()))  # type: ignore[no-any-return]

    def working(self, symbol: str | None = None) -> list[str]:
        """The client ids of all that rests, conditional orders too."""
        return self.do(lambda: [o.client_id for o in self.book.open_orders(symbol) + self.book.open_algos(symbol)])  # type: ignore[no-any-return]

    def arm(self, symbol: str, after_ms: int) -> None:
        """countdownCancelAll: called by the request, in the server's thread."""
        timer = self.countdowns.pop(symbol, None)
        if timer is not None:
            timer.cancel()
        if after_ms:
            self.countdowns[symbol] = self._loop.call_later(after_ms / 1000, self._ran_down, symbol)

    # -- inside: the server's thread

    def _ran_down(self, symbol: str) -> None:
        del self.countdowns[symbol]
        gone = self.book.cancel_all(symbol)
        for algo in self.book.open_algos(symbol):
            gone.append(self.book.cancel(algo))
        self.tape.add("event", "COUNTDOWN", {"symbol": symbol, "canceled": [order.client_id for order in gone]})

    def _quote(self, name: str, bid: Decimal, ask: Decimal, bid_size: Decimal, ask_size: Decimal) -> None:
        self.book.quote(name, bid, ask, bid_size, ask_size)
        symbol, now = self.book.symbols[name], self.now_ms()
        self.streams.send(f"{name.lower()}@bookTicker", words.quote_event(symbol, now))
        trade = words.trade_event(symbol, symbol.bid, symbol.step, next(self.trades), now)
        self.streams.send(f"{name.lower()}@aggTrade", trade)

    async def _pumping(self, every_ms: int, symbols: Sequence[str], sizes: str) -> None:
        for beat in itertools.count():
            for name in symbols:
                symbol = self.book.symbols[name]
                move = symbol.tick if beat % 2 else -symbol.tick
                self._quote(name, symbol.bid + move, symbol.ask + move, Decimal(sizes), Decimal(sizes))
            await asyncio.sleep(every_ms / 1000)

    def _tell(self, what: str, about: Order | Position, detail: Any = None) -> None:
        now = self.now_ms()
        if isinstance(about, Position):
            event = words.account_event(self.book, about, now)
        elif what == "ALGO":
            event = words.algo_event(about, now)
        else:
            event = words.order_event(about, what, now)
        self.streams.send("user", event)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.streams.serve(request)
        what = f"{request.method} {request.path}"
        if what == "POST /loopback":
            return await self._told(request)
        raw = request.raw_path.partition("?")[2] or (await request.text())
        entry = self.tape.add("request", what)
        status = self.weight.spend(what, dict(urllib.parse.parse_qsl(raw)))
        if status != 200:
            return self._answer(entry, status, {"code": -1003, "msg": "Too many requests."})
        fault = self.faults.request(what)
        kind = fault.kind if fault else ""
        if kind == "refuse":
            return self._cut(request, entry)
        if fault and kind == "error" and not fault.done:
            return self._answer(entry, fault.status, {"code": fault.code, "msg": fault.text})
        status, body = self._carried_out(what, raw, request.headers.get("X-MBX-APIKEY"), entry)
        if kind == "resend":
            again = self.tape.add("request", what, {"resent": True})
            self._answer(again, *self._carried_out(what, raw, request.headers.get("X-MBX-APIKEY"), again))
        if kind == "lose":
            return self._cut(request, entry)
        if fault and kind == "error":
            return self._answer(entry, fault.status, {"code": fault.code, "msg": fault.text})
        if fault and kind == "late":
            await asyncio.sleep(fault.ms / 1000)
        if kind == "stale":
            body = self.answers.get(what, body)
        else:
            self.answers[what] = body
        return self._answer(entry, status, body)

    async def _told(self, request: web.Request) -> web.Response:
        """`["method of Exchange", {arguments}]` of another process (`remote`); `["tape", {}]` gives the whole tape."""
        name, keywords = json.loads(await request.text())
        if name == "tape":
            return web.Response(text=self.tape.lines())
        answer = await self._loop.run_in_executor(None, lambda: getattr(self, name)(**keywords))
        return web.Response(text=json.dumps(answer, default=str))

    def _carried_out(self, what: str, raw: str, key: str | None, entry: Entry) -> tuple[int, Any]:
        if what not in ROUTES:
            return 404, {"code": -1, "msg": f"{what}: not a path of this exchange"}
        handler, signed = ROUTES[what]
        try:
            params = checked(self, raw, key, signed)
            entry.data.update(params)
            return 200, handler(self, params)
        except Refused as refused:
            return 400, {"code": refused.code, "msg": refused.text}
        except KeyError as missing:
            return 400, {
                "code": -1102,
                "msg": f"Mandatory parameter {missing} was not sent, was empty/null, or malformed.",
            }

    def _answer(self, entry: Entry, status: int, body: Any) -> web.Response:
        entry.status, entry.answer = status, body
        headers = self.weight.headers(status)
        return web.Response(status=status, text=json.dumps(body), content_type="application/json", headers=headers)

    def _cut(self, request: web.Request, entry: Entry) -> web.Response:
        entry.status = -1
        with contextlib.suppress(AttributeError):
            request.transport.abort()  # type: ignore[union-attr]
        return web.Response(status=500)
