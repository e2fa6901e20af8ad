"""One process of a live scenario: a guarded node on the exchange that does the steps. Also run as a program:

python -m tests.live.life SCENARIO.toml LIFE STATE_DIR PORT [DIE_AT]

`DIE_AT` is for tests/live/crash.py (`Death`).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any

from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.events import OrderDenied, OrderRejected

from dolphin.nautilus import guard as guard_module
from dolphin.nautilus import mailbox
from tests.live.script import Script, read
from tests.loopback.node import BTC, BUY, ETH, SELL, Idle, ended, grown, guard_of, lived, node_on
from tests.loopback.remote import Remote


class Unexpected(AssertionError):
    """A step that did not come to be, or was seen otherwise."""


class Life:
    """The node, its strategy, the exchange, and the names of orders."""

    def __init__(self, script: Script, state_dir: Path, venue: Remote):
        self.script, self.state_dir, self.venue = script, state_dir, venue
        self.strategy = Idle(script.node.get("oms", "UNSPECIFIED"))
        self.node: Any = None
        self.orders: dict[str, Any] = {}
        self.answer: dict[str, Any] = {}
        self.death: Death | None = None
        self._names = state_dir / "names.json"
        self.names: dict[str, str] = json.loads(self._names.read_text()) if self._names.exists() else {}

    @property
    def parts(self) -> Any:
        return guard_of(self.node).parts

    async def tell(self, name: str, **keywords: Any) -> Any:
        return await asyncio.to_thread(getattr(self.venue, name), **keywords)

    # -- steps

    async def run(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            keys = {key: value for key, value in step.items() if key not in ("do", "number")}
            try:
                await getattr(self, f"do_{step['do'].lower()}")(**keys)
            except Unexpected as error:
                raise Unexpected(f"{self.script.path.name}: step {step['number']}: {error}") from None

    async def do_send(
        self, name: str, side: str, size: str, price: str = "", trigger: str = "", instrument: str = "BTC", **more: Any
    ) -> None:  # fmt: skip
        way, where = {"buy": BUY, "sell": SELL}[side], {"BTC": BTC, "ETH": ETH}[instrument]
        if trigger:
            order = self.strategy.stop_market(way, size, trigger, **more)
        elif price:
            order = self.strategy.limit(way, size, price, where, **more)
        else:
            order = self.strategy.market(way, size, where, **more)
        self.orders[name] = order
        self.names[order.client_order_id.value] = name
        self._names.write_text(json.dumps(self.names))

    async def do_cancel(self, name: str) -> None:
        self.strategy.cancel_order(self.orders[name])

    async def do_fault(self, **row: Any) -> None:
        await self.tell("fault", **row)

    async def do_mend(self) -> None:
        await self.tell("mend")

    async def do_venue(self, act: str, name: str = "", **keywords: Any) -> None:
        """`name`: of an order of this file, of this process or one before it."""
        if name:
            keywords["client_id"] = next(cid for cid, known in self.names.items() if known == name)
        await self.tell(act, **keywords)

    async def do_command(self, verb: str, cause: str = "drill", args: dict[str, Any] | None = None) -> None:
        """`"last"` as an argument is what the last answer said under that name."""
        if self.death is not None:
            self.death.counting = True
        filled = {name: self.answer[name] if value == "last" else value for name, value in (args or {}).items()}
        answer = await asyncio.to_thread(mailbox.post, self.state_dir, verb, filled, cause, 30)
        if not answer.get("ok"):
            raise Unexpected(f"{verb}: {answer}")
        self.answer.update(answer)
        await self.tell("mark", text=verb)

    async def do_guard_clock(self, by_ms: int) -> None:
        """The host's wall clock steps, as the guard reads it: the only clock here that is not the machine's own."""
        parts: dict[int, Any] = {
            id(part): part for part in (*vars(self.parts).values(), *vars(self.parts.flow).values())
        }
        for part in parts.values():
            if "_clock" in getattr(part, "__dict__", {}) and part is not self.parts.host:  # it hands it to Nautilus
                part._clock = Stepped(part._clock, by_ms)

    async def do_wait(self, until: str, within: float = 30.0) -> None:
        for _ in range(int(within * 50)):
            if await self.holds(until):
                return
            await asyncio.sleep(0.02)
        raise Unexpected(f"{until!r} did not come to be within {within} s; {await self.seen()}")

    async def do_see(self, that: str) -> None:
        if not await self.holds(that):
            raise Unexpected(f"{that!r} does not hold; {await self.seen()}")

    async def do_sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def do_sigkill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    # -- what is seen

    async def seen(self) -> str:
        orders = {name: order.status_string() for name, order in self.orders.items()}
        state = self.parts.guard.state
        return (
            f"orders {orders}, venue net {await self.tell('net')}, works {await self.works()}, "
            f"own {self.parts.own.sent}, mode {state.latch.mode.name}, posture {state.filter.posture.name}, "
            f"host net {self.host_net()}, "
            f"denied {self.strategy.denials()}"
        )

    async def works(self) -> list[str]:
        return sorted(self.label(cid) for cid in await self.tell("working"))

    def label(self, cid: str) -> str:
        return "DOLPHIN" if cid.startswith("DOLPHIN-") else self.names.get(cid, cid)

    def host_net(self) -> Decimal:
        held = self.node.cache.positions_open(instrument_id=BTC)
        return sum((position.signed_decimal_qty() for position in held), Decimal(0))

    async def holds(self, text: str) -> bool:
        """`quotes`, `order A FILLED`, `venue net 0.3`, `venue net below 2`, `venue flat`, `venue works a b`,
        `host net 0.3`, `posture X`, `mode X`, `cause X`, `own 1`, `unknown 1`, `agree`, `confidence below|above MS`.
        """
        word, *rest = text.split()
        state = self.parts.guard.state
        if word == "quotes":
            return self.node.cache.quote_tick(BTC) is not None and self.node.cache.quote_tick(ETH) is not None
        if word == "order":
            return bool(self.orders[rest[0]].status == OrderStatus[rest[1]])
        if text == "venue flat":
            return await self.tell("flat")  # type: ignore[no-any-return]
        if text.startswith("venue net below"):
            return Decimal(await self.tell("net")) < Decimal(rest[2])
        if text.startswith("venue net"):
            return Decimal(await self.tell("net")) == Decimal(rest[1])
        if text.startswith("host net"):
            return self.host_net() == Decimal(rest[1])
        if text.startswith("venue works"):
            return await self.works() == sorted(rest[1:])
        if word == "unknown":
            return len(self.parts.flow.unknown()) == int(rest[0])
        if word == "own":
            return bool(self.parts.own.sent == int(rest[0]))
        if word == "confidence":
            return (state.filter.confidence_ms < int(rest[1])) == (rest[0] == "below")
        if word == "agree":
            return await self.agrees()
        at = {"posture": state.filter.posture, "mode": state.latch.mode, "cause": state.latch.cause}
        return bool(at[word].name == rest[0])

    async def agrees(self) -> bool:
        """Whether Nautilus holds and works what the venue does."""
        works = sorted(order.client_order_id.value for order in self.node.cache.orders_open())
        return self.host_net() == Decimal(await self.tell("net")) and works == sorted(await self.tell("working"))

    def refusals(self, kind: type) -> dict[str, str]:
        found = {}
        for event in self.strategy.heard:
            if isinstance(event, kind):
                found[self.label(event.client_order_id.value)] = event.reason.split()[0].rstrip(":")
        return found

    def said(self) -> dict[str, Any]:
        """What only this process knows, for the judge."""
        state = self.parts.guard.state
        return {
            "denied": self.refusals(OrderDenied), "rejected": sorted(set(self.refusals(OrderRejected)) - {"DOLPHIN"}),
            "mode": state.latch.mode.name, "posture": state.filter.posture.name,
        }  # fmt: skip


class Stepped:
    """The machine's clock, and so much more."""

    def __init__(self, clock: Any, by_ms: int):
        self.inner, self.by_ns = clock, by_ms * 1_000_000

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def timestamp_ns(self) -> int:
        return int(self.inner.timestamp_ns()) + self.by_ns


class Death:
    """Counts the journal's records from the first command on, and dies at one: before it is written, or after.

    `at`: `5` after the fifth, `-5` before it, `0` never; then it says how many there were.
    """

    def __init__(self, at: int):
        self.at, self.count, self.counting = at, 0, False
        kept = guard_module.Guard._append

        def append(guard: Any, record: Any) -> Any:
            self.count += self.counting
            if self.counting and self.count == -self.at:
                os.kill(os.getpid(), signal.SIGKILL)
            result = kept(guard, record)
            if self.counting and self.count == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        guard_module.Guard._append = append  # type: ignore[method-assign]


def live(
    script: Script, number: int, state_dir: Path, port: int, death: Death | None = None, instead: Any = None
) -> dict[str, Any]:  # fmt: skip
    """A whole process' life in this thread; what it knew at its end. The guard must not have failed.

    `instead`: a coroutine function of the life, in place of the file's steps.
    """
    life = Life(script, state_dir, Remote(port))
    life.death = death
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    full = script.node.get("confidence", "full") == "full" and number == 0

    async def act(node: Any) -> dict[str, Any]:
        await life.do_wait("quotes")
        await (instead(life) if instead else life.run(script.lives[number]))
        said = life.said()
        said["agree"] = await life.agrees()
        return said

    async def go() -> dict[str, Any]:
        venue = life.venue
        with grown() if full else nullcontext():
            life.node = node_on(
                venue.url, venue.ws, venue.key, venue.secret, state_dir, life.strategy,
                engine=script.node.get("engine"), client=script.node.get("client"), **script.node.get("settings", {}),
            )  # fmt: skip
            return await lived(life.node, act)  # type: ignore[no-any-return]

    try:
        said = loop.run_until_complete(go())
        failures = list(guard_of(life.node).failures)
    finally:
        ended(loop, life.node)
    assert failures == []
    return said


def main() -> None:
    path, number, state_dir, port, *die_at = sys.argv[1:]
    death = Death(int(die_at[0])) if die_at else None
    said = live(read(Path(path)), int(number), Path(state_dir), int(port), death)
    print(json.dumps({**said, "records": death.count if death else 0}), flush=True)


if __name__ == "__main__":
    main()
