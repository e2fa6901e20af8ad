"""A scenario through Nautilus' BacktestEngine: the market as written, orders at their times, the guard between them.

What belongs here: the engine, the strategy that sends what the file says, a crash and the start after it. A crash is a
copy of the state directory at that moment: what a killed process leaves is what its files hold, since every record is
written before anything is done upon it. The book that is started again finds the positions that were held.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.models import FillModel, LatencyModel
from nautilus_trader.common.actor import Actor
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import AccountType, BookType, LiquiditySide, OmsType, OrderSide, OrderType
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    OrderListId,
    PositionId,
    StrategyId,
    TradeId,
    TraderId,
    VenueOrderId,
)
from nautilus_trader.model.objects import Currency, Money, Price, Quantity
from nautilus_trader.model.orders import OrderList
from nautilus_trader.model.position import Position
from nautilus_trader.trading.strategy import Strategy

from dolphin.app.actor import DolphinGuard, DolphinGuardConfig
from dolphin.app.engine import ScriptedOperator
from dolphin.app.script import Command
from tools.scenarios import market, seen, tamper
from tools.scenarios.form import Entry, Scenario
from tools.scenarios.seen import Seen, Sent

TRADER: Final = "SCENARIO-001"
SIDES: Final = {"buy": OrderSide.BUY, "sell": OrderSide.SELL}
CLOSED: Final = frozenset(("DENIED", "REJECTED", "CANCELED", "EXPIRED", "FILLED"))


class Venue(Actor):
    """What goes wrong at the simulated venue: the share of touched limits that fill, from a moment on."""

    def __init__(self, engine: BacktestEngine, scenario: Scenario, names: Sequence[Any]) -> None:
        super().__init__()
        self.engine = engine
        self.scenario = scenario
        self.names = names

    def on_start(self) -> None:
        """An alert for each change."""
        for number, fault in enumerate(one for one in self.scenario.faults if one["kind"] == "limit-fill"):
            for again in range(fault.get("times", 1)):
                seed = number * 100_000 + again
                at_ns = self.scenario.start_ns + fault["at"] + again * fault.get("every", 1)
                self.clock.set_time_alert_ns(f"fill-{seed}", at_ns, partial(self._change, fault["share"], seed))

    def _change(self, share: float, seed: int, _: Any) -> None:
        for name in self.names:
            self.engine.change_fill_model(name, FillModel(prob_fill_on_limit=share, random_seed=seed))


class Held(NamedTuple):
    """A position that outlives a crash."""

    instrument: Any
    name: str
    strategy: str
    lots: int
    price: str


class Sender(Strategy):
    """Sends the file's orders of one strategy, each at its time; knows nothing of the guard."""

    def __init__(self, name: str, entries: Sequence[Entry], cancels: Sequence[Entry], shared: Shared) -> None:
        super().__init__(StrategyConfig(strategy_id=name.upper(), order_id_tag=name))
        self.entries = entries
        self.cancels = cancels
        self.shared = shared

    def on_start(self) -> None:
        """An alert for each order and cancel; those of one list leave together."""
        lists: dict[str, list[Entry]] = {}
        for number, entry in enumerate(self.entries):
            if entry.get("list") is not None:
                lists.setdefault(entry["list"], []).append(entry)
                continue
            for again in range(entry.get("times", 1)):
                at_ns = self.shared.start_ns + entry["at"] + again * entry.get("every", 1)
                self._alert(f"order-{number}-{again}", at_ns, partial(self._send, entry, again))
        for name, entries in lists.items():
            self._alert(f"list-{name}", self.shared.start_ns + entries[0]["at"], partial(self._send_list, entries))
        for number, entry in enumerate(self.cancels):
            for again in range(entry.get("times", 1)):
                at_ns = self.shared.start_ns + entry["at"] + again * entry.get("every", 1)
                self._alert(f"cancel-{number}-{again}", at_ns, partial(self._cancel, entry))

    def _alert(self, name: str, at_ns: int, act: Callable[[], None]) -> None:
        if at_ns > self.clock.timestamp_ns():
            self.clock.set_time_alert_ns(name, at_ns, lambda _: act())

    def _send(self, entry: Entry, again: int) -> None:
        for order in self._orders(entry, again * entry.get("step", 0)):
            self.submit_order(order)

    def _send_list(self, entries: Sequence[Entry]) -> None:
        orders = [order for entry in entries for order in self._orders(entry)]
        self.submit_order_list(OrderList(OrderListId(entries[0]["list"]), orders))

    def _cancel(self, entry: Entry) -> None:
        for order in self.cache.orders():
            if self.shared.names.get(order.client_order_id.value) == entry["name"] and not order.is_closed:
                self.cancel_order(order)

    def _orders(self, entry: Entry, more: int = 0) -> list[Any]:
        if entry.get("each_instrument"):
            instruments = self.shared.instruments * entry.get("times", 1)
        elif entry.get("list") is not None:
            instruments = [self._named(entry)] * entry.get("times", 1)
        else:
            instruments = [self._named(entry)]
        return [self._order(entry, instrument, entry["quantity"] + more) for instrument in instruments]

    def _named(self, entry: Entry) -> Any:
        name = entry.get("instrument")
        if name is None:
            return self.shared.instruments[0]
        return next(one for one in self.shared.instruments if one.id.value == name)

    def _order(self, entry: Entry, instrument: Any, quantity: int) -> Any:
        self.shared.sent += 1
        number = f"{entry['name']}-{self.shared.sent}"
        self.shared.names[number] = entry["name"]
        shared: dict[str, Any] = {
            "instrument_id": instrument.id,
            "order_side": SIDES[entry["side"]],
            "quantity": Quantity.from_int(quantity),
            "client_order_id": ClientOrderId(number),
            "reduce_only": entry.get("reduce_only", False),
        }
        self.shared.asked[number] = quantity
        if entry["type"] == "market":
            return self.order_factory.market(**shared)
        price = Price(float(entry["price"]), instrument.price_precision)
        if entry["type"] == "limit":
            return self.order_factory.limit(price=price, **shared)
        return self.order_factory.stop_market(trigger_price=price, **shared)


@dataclass(slots=True)
class Shared:
    """What the strategies of one run share. `names`: the file's name of an order by its client order id."""

    start_ns: int
    instruments: list[Any]
    names: dict[str, str]
    asked: dict[str, int]
    sent: int = 0


class Guard(DolphinGuard):
    """The guard as users have it, and the venue's positions of before a crash in the cache when it starts."""

    def __init__(self, config: DolphinGuardConfig, held: Sequence[Held]) -> None:
        super().__init__(config)
        self.held = held

    def on_start(self) -> None:
        """As a reconciliation does: positions first, then whoever looks at them."""
        for one in self.held:
            self.cache.add_position(_position(one, self.clock.timestamp_ns()), OmsType.NETTING)
        super().on_start()


def _position(one: Held, now_ns: int) -> Any:
    currency = one.instrument.quote_currency
    event = OrderFilled(
        TraderId(TRADER), StrategyId(one.strategy), one.instrument.id, ClientOrderId(f"BEFORE-{one.name}"),
        VenueOrderId("BEFORE"), AccountId(f"{one.instrument.id.venue}-001"), TradeId(f"BEFORE-{one.strategy}"),
        PositionId(one.name), OrderSide.BUY if one.lots > 0 else OrderSide.SELL, OrderType.MARKET,
        Quantity.from_int(abs(one.lots)), Price.from_str(one.price), currency, Money(0, currency),
        LiquiditySide.TAKER, UUID4(), now_ns, now_ns,
    )  # fmt: skip
    return Position(one.instrument, event)


class Part(NamedTuple):
    """From one start to the crash that ends it, or to the end of the file (`crash_ns` 0)."""

    start_ns: int
    crash_ns: int
    folder: Path
    settings: dict[str, Any]


def run(scenario: Scenario, folder: Path) -> Seen:
    """Run it in `folder`, which is empty; what came of it."""
    warnings.filterwarnings("ignore", message=".*utcnow.*")
    made = market.build(scenario)
    parts = _parts(scenario, folder)
    sent: list[Sent] = []
    held: list[Held] = []
    failures = kept = 0
    for number, part in enumerate(parts):
        after = parts[number + 1].folder if number + 1 < len(parts) else None
        found = _run(scenario, made, part, held, after)
        sent += found.sent
        held = found.held
        failures += found.failures
        kept = found.kept or kept
    positions: dict[str, int] = {}
    for one in held:
        name = one.instrument.id.value
        positions[name] = positions.get(name, 0) + one.lots
    counts = {"failures": failures, "refused_rows": made.refused}
    journal = parts[-1].folder / "journal.jsonl"
    if kept:
        counts["since_crash"] = len(journal.read_bytes().splitlines()) - kept
    for fault in scenario.faults:
        if fault["kind"] == "tamper":
            counts |= tamper.counted(journal, folder / "tampered")
    return seen.of(scenario, journal, sent, positions, counts)


def _parts(scenario: Scenario, folder: Path) -> list[Part]:
    parts = []
    start_ns = scenario.start_ns
    settings: dict[str, Any] = {}
    for number, fault in enumerate(one for one in scenario.faults if one["kind"] == "crash"):
        parts.append(Part(start_ns, scenario.start_ns + fault["at"], folder / f"book-{number}", settings))
        start_ns = scenario.start_ns + fault.get("restart", fault["at"])
        settings = {"resume": "always", **fault.get("settings", {})}
    parts.append(Part(start_ns, 0, folder / f"book-{len(parts)}", settings))
    return parts


class Found(NamedTuple):
    """What one part left; `kept`: how many records a crash left of its journal."""

    sent: list[Sent]
    held: list[Held]
    failures: int
    kept: int


def _run(scenario: Scenario, made: market.Market, part: Part, held: Sequence[Held], after: Path | None) -> Found:
    shared = Shared(scenario.start_ns, made.instruments, {}, {}, sent=0 if not held else 10_000)
    engine = BacktestEngine(
        BacktestEngineConfig(trader_id=TraderId(TRADER), logging=LoggingConfig(bypass_logging=True), run_analysis=False)
    )
    try:
        guard = Guard(DolphinGuardConfig(**_settings(scenario, part)), held)
        _venue(engine, scenario, made)
        engine.add_actor(guard)
        engine.add_actor(ScriptedOperator(_commands(scenario, part)))
        engine.add_actor(Venue(engine, scenario, list(dict.fromkeys(one.id.venue for one in made.instruments))))
        names = list(dict.fromkeys(one.get("by", "main") for one in scenario.orders)) or ["main"]
        for name in names:
            entries = [one for one in scenario.orders if one.get("by", "main") == name]
            cancels = [one for one in scenario.cancels if one.get("by", "main") == name]
            engine.add_strategy(Sender(name, _within(entries, scenario, part), cancels, shared))
        last_ns = part.crash_ns or made.end_ns
        engine.add_data([row for row in made.rows if part.start_ns <= row.ts_init <= last_ns])
        engine.run(end=last_ns)
        kept = _crash(part, after) if after is not None else 0
        failures = len(guard.failures)
        found = Found(_sent(engine, shared), _held(engine, made), failures, kept)
    finally:
        engine.dispose()
    return found


def _within(entries: Sequence[Entry], scenario: Scenario, part: Part) -> list[Entry]:
    """The orders of this part: none of a time before it or after its crash."""
    until_ns = part.crash_ns or 1 << 62
    return [one for one in entries if part.start_ns <= scenario.start_ns + one["at"] <= until_ns]


def _settings(scenario: Scenario, part: Part) -> dict[str, Any]:
    book = scenario.book
    policy = book.get("policy", {})
    return {
        "state_dir": str(part.folder),
        "profile": book.get("profile", "intraday"),
        "mode": book.get("mode", "guard"),
        "policy": dict(policy),
        "sensors": dict(book.get("sensors", {"sessions": "24/7"})),
        "run_id": scenario.id.lower(),
        "limits": str(Path(scenario.path).parent / book["limits"]) if "limits" in book else "",
        "seed": 1,
        **book.get("settings", {}),
        **part.settings,
    }


def _venue(engine: BacktestEngine, scenario: Scenario, made: market.Market) -> None:
    book, venue = scenario.book, scenario.venue
    currency = Currency.from_str(book.get("currency", "USD"))
    fill = FillModel(prob_fill_on_limit=venue.get("limit_fill", 1.0), random_seed=venue.get("seed", 1))
    latency_ns = venue.get("latency", 0)
    for name in dict.fromkeys(one.id.venue for one in made.instruments):
        engine.add_venue(
            name,
            OmsType.HEDGING if book.get("oms") == "hedging" else OmsType.NETTING,
            AccountType.MARGIN,
            [Money(book.get("balance", 1_000_000), currency)],
            base_currency=currency,
            default_leverage=Decimal(book.get("leverage", 50)),
            book_type=BookType.L2_MBP if venue.get("book") == "L2" else BookType.L1_MBP,
            fill_model=fill,
            latency_model=LatencyModel(base_latency_nanos=latency_ns) if latency_ns else None,
            use_reduce_only=venue.get("reduce_only", True),
            liquidity_consumption=venue.get("used_up", False),
            # Where there are quotes, they make the market; a bar beside them is for the sensors alone.
            bar_execution=all(one.get("rows") == "bars" for one in scenario.market),
        )
    for instrument in made.instruments:
        engine.add_instrument(instrument)


def _commands(scenario: Scenario, part: Part) -> list[Command]:
    """As `dolphin run --faults` sends them, by offsets."""
    made = []
    for entry in scenario.commands:
        args = {name: value for name, value in entry.values.items() if name not in ("at", "verb", "cause", "until")}
        when = market.moments(scenario, entry)
        if "until" in when:
            args["until_ns"] = when["until"]
        if "fault" in args:
            args["name"] = args.pop("fault")
        if part.start_ns < when["at"] <= (part.crash_ns or 1 << 62):
            made.append(Command(when["at"], entry["verb"], args, entry["cause"]))
    return made


def _crash(part: Part, after: Path) -> int:
    """The files as at the crash: what came after it is cut off, the lock is nobody's. How many records are left."""
    shutil.copytree(part.folder, after, ignore=shutil.ignore_patterns("*.lock", "status.json"))
    return tamper.rewind(after / "journal.jsonl", part.crash_ns)


def _place(order: Any) -> tuple[int, int]:
    """In the order in which they were made: names end in a number that counts."""
    last = order.client_order_id.value.rpartition("-")[2]
    return order.init_event.ts_init, int(last) if last.isdecimal() else 0


def _sent(engine: BacktestEngine, shared: Shared) -> list[Sent]:
    found = []
    for order in sorted(engine.cache.orders(), key=_place):
        number = order.client_order_id.value
        tags = order.tags or [number]
        status = order.status_string()
        outcome = status.lower() if status in CLOSED else "working"
        reason = ""
        if outcome in ("denied", "rejected"):
            reason = seen.reason_of(str(getattr(order.last_event, "reason", "")))
        price = order.price if order.has_price else order.trigger_price if order.has_trigger_price else ""
        found.append(
            Sent(
                order.init_event.ts_init, shared.names.get(number, tags[0]), order.side_string().lower(),
                shared.asked.get(number, int(order.init_event.quantity)), int(order.quantity),
                order.type_string().lower().replace("_", "-"), str(price), int(order.filled_qty), outcome, reason,
            )
        )  # fmt: skip
    return found


def _held(engine: BacktestEngine, made: market.Market) -> list[Held]:
    known = {one.id.value: one for one in made.instruments}
    found = []
    for one in engine.cache.positions_open():
        instrument = known[InstrumentId.from_str(str(one.instrument_id)).value]
        price = instrument.make_price(one.avg_px_open)
        found.append(Held(instrument, one.id.value, one.strategy_id.value, int(one.signed_qty), str(price)))
    return found
