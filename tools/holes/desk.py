"""A backtest for one hole: venue, quotes, a strategy that does what the case says, and what reached the client.

What belongs here: running and observing. An order reached the execution client when Nautilus says OrderSubmitted, which
its client does and nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.config import RiskEngineConfig, StrategyConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide, TradingState
from nautilus_trader.model.events import OrderCanceled, OrderDenied, OrderSubmitted
from nautilus_trader.model.identifiers import ClientOrderId, Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

from dolphin.app.actor import DolphinGuard, DolphinGuardConfig
from dolphin.journal import read
from dolphin.kernel.reasons import REQUIREMENT, Reason
from dolphin.kernel.units import NS_PER_S
from dolphin.nautilus.action import TAG

SIM: Final = Venue("SIM")
T0_NS: Final = 1_700_000_000 * NS_PER_S
BUY, SELL = OrderSide.BUY, OrderSide.SELL
KILLED: Final = f"{Reason.KILLED.name} [{REQUIREMENT[Reason.KILLED]}]"
LOOKED_AT: Final = "THE-ORDER"
"""Client order id of the order that a case is about."""

type Act = Callable[[Any], Any]


class Outcome(NamedTuple):
    """`what`: passes, denied, cut, cancelled, or nothing; `why`: who says so, and how."""

    what: str
    why: str


class Acting(Strategy):
    """Does what its case says, at the n-th quote or before the first."""

    def __init__(self, desk: Desk, acts: Mapping[int, Act]) -> None:
        super().__init__(StrategyConfig(strategy_id="S", order_id_tag="001"))
        self.desk = desk
        self.acts = acts
        self.seen = 0

    def on_start(self) -> None:
        self.subscribe_quote_ticks(self.desk.instrument.id)
        self._act(-1)

    def on_quote_tick(self, tick: Any) -> None:
        self._act(self.seen)
        self.seen += 1

    def _act(self, at: int) -> None:
        act = self.acts.get(at)
        if act is not None:
            act(self)

    def market(self, side: Any, lots: int, looked_at: bool = False, **more: Any) -> None:
        """Send a market order."""
        order = self.order_factory.market(
            self.desk.instrument.id, side, Quantity.from_int(lots), client_order_id=_name(looked_at), **more
        )
        self.submit_order(order)

    def limit(self, side: Any, lots: int, price: float, looked_at: bool = False) -> None:
        """Send a limit order."""
        order = self.order_factory.limit(
            self.desk.instrument.id, side, Quantity.from_int(lots),
            self.desk.instrument.make_price(price),
            client_order_id=_name(looked_at),
        )  # fmt: skip
        self.submit_order(order)

    def parked_stop(self, side: Any, lots: int, price: float) -> None:
        """Send a stop that Nautilus' emulator keeps: the order that is looked at."""
        from nautilus_trader.model.enums import TriggerType

        order = self.order_factory.stop_market(
            self.desk.instrument.id, side, Quantity.from_int(lots), Price(price, 5),
            emulation_trigger=TriggerType.BID_ASK, client_order_id=_name(True),
        )  # fmt: skip
        self.submit_order(order)


def _name(looked_at: bool) -> Any:
    return ClientOrderId(LOOKED_AT) if looked_at else None


class Desk:
    """One run of one case, plain or guarded."""

    def __init__(self, folder: Path, guarded: bool) -> None:
        self.folder = folder
        self.guarded = guarded
        self.instrument = TestInstrumentProvider.default_fx_ccy("AUD/USD", SIM)
        self.gap_s = 0
        self.events: list[Any] = []
        self.engine: Any = None
        self.guard: Any = None

    def run(
        self, acts: Mapping[int, Act], mids: list[float] | None = None, *, account: Any = AccountType.MARGIN,
        risk: dict[str, Any] | None = None, limits: str = "", balance: int = 1_000_000, base: Any = USD, start: int = 0,
        **settings: Any,
    ) -> Desk:  # fmt: skip
        """Run one engine over quotes a second apart; `start`: seconds after the first engine's."""
        logging = LoggingConfig(bypass_logging=True)
        self.engine = BacktestEngine(
            BacktestEngineConfig(
                trader_id="T-1", logging=logging, run_analysis=False, risk_engine=RiskEngineConfig(**(risk or {}))
            )
        )
        self.engine.add_venue(
            SIM, OmsType.NETTING, account, [Money(balance, USD)], base_currency=base,
            default_leverage=Decimal(50) if account == AccountType.MARGIN else Decimal(1),
        )  # fmt: skip
        self.engine.add_instrument(self.instrument)
        if self.guarded:
            if limits:
                path = self.folder / "limits.toml"
                path.write_text(limits, encoding="utf-8")
                settings["limits"] = str(path)
            self.guard = DolphinGuard(DolphinGuardConfig(state_dir=str(self.folder / "book"), **settings))
            self.engine.add_actor(self.guard)
        self.engine.add_strategy(Acting(self, acts))
        self.engine.kernel.msgbus.subscribe("events.order.*", self.events.append, priority=100)
        self.engine.add_data(self._quotes(mids or [0.65] * 12, start))
        try:
            self.engine.run()
        except RuntimeError:  # the simulator has no market for this instrument: the order has reached it
            if not self._of(OrderSubmitted):
                raise
        return self

    def _quotes(self, mids: list[float], start: int) -> list[Any]:
        size = Quantity.from_int(20_000_000)
        found = []
        digits = self.instrument.price_precision
        tick = self.instrument.price_increment.as_double()
        rows = list(enumerate(mids))
        if self.gap_s:
            rows.append((self.gap_s, mids[-1]))
        for at, mid in rows:
            ts = T0_NS + (start + at) * NS_PER_S
            bid, ask = Price(mid - tick, digits), Price(mid + tick, digits)
            found.append(QuoteTick(self.instrument.id, bid, ask, size, size, ts, ts))
        return found

    # --- what a case does beside orders -------------------------------------------------------------------------------

    def no_more(self, state: Any = TradingState.HALTED) -> Act:
        """What is there to stop entries: Nautilus' trading state; guarded, the kill switch or, for REDUCING, TURTLE."""

        def act(strategy: Any) -> None:
            if not self.guarded:
                self.engine.kernel.risk_engine.set_trading_state(state)
            elif state == TradingState.HALTED:
                strategy.msgbus.send("Dolphin.command", {"verb": "kill", "cause": "holes"})
            else:
                strategy.msgbus.send("Dolphin.command", {"verb": "shock", "cause": "holes"})

        return act

    def net(self) -> float:
        """What is held, in lots."""
        return sum(float(position.signed_qty) for position in self.engine.cache.positions_open())

    def _of(self, kind: Any) -> list[Any]:
        return [each for each in self.events if type(each) is kind and each.client_order_id.value == LOOKED_AT]

    def looked_at(self) -> Outcome:
        """What became of the order that the case is about."""
        denied = self._of(OrderDenied)
        if denied:
            return Outcome("denied", reason_of(denied[-1].reason))
        submitted = self._of(OrderSubmitted)
        if submitted:
            order = self.engine.cache.order(submitted[-1].client_order_id)
            asked, left = int(order.init_event.quantity), int(order.quantity)
            what = "cut" if left < asked else "passes"
            return Outcome(what, f"{self._judged()}{order.side_string()} {left:,} reached the client")
        if self._of(OrderCanceled):
            return Outcome("cancelled", f"{KILLED}: before it was released")
        return Outcome("nothing", "it was parked, and nothing came of it")

    def cancels(self) -> Outcome:
        """Whether the order was cancelled at the venue."""
        found = len(self._of(OrderCanceled))
        if found:
            return Outcome("cancelled", f"{KILLED}: at the venue")
        return Outcome("rests on", "no cancel was sent")

    def own(self) -> Outcome:
        """Whether the guard's own exit reached the client."""
        sent = [
            each for each in self.events
            if type(each) is OrderSubmitted and each.client_order_id.value.startswith("DOLPHIN-")
        ]  # fmt: skip
        order = self.engine.cache.order(sent[-1].client_order_id) if sent else None
        if order is None:
            return Outcome("nothing", "no own order")
        why = next(reason for reason, tag in TAG.items() if tag in order.tags)
        said = f"{why.name} [{REQUIREMENT[why]}]: {order.side_string()} {int(order.quantity):,}"
        return Outcome("passes", f"{said} reached the client")

    def _judged(self) -> str:
        """The verdict on the order, as the journal has it."""
        if not self.guarded:
            return ""
        reason = Reason.INTERNAL
        for record in read(str(self.folder / "book" / "journal.jsonl")):
            if record.kind == "ORDER" and record.data.get("x", {}).get("id") == LOOKED_AT:
                reason = Reason(record.data["fx"][-1][5])
        return f"{reason.name} [{REQUIREMENT[reason]}]: "


def reason_of(text: str) -> str:
    """The reason of a denial with its requirements, without its readings."""
    words = text.split()
    kept = []
    for word in words:
        if word.startswith(("posture=", "lots=")):
            break
        kept.append(word)
    return " ".join(kept).rstrip(":") if "[DOL-" in text else text[:60]
