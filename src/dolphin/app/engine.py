"""One run through Nautilus' BacktestEngine: a market, a strategy, with the guard or without.

What belongs here: the engine, the recorder that samples the account, the operator that follows a script or re-bases a
trapped book. The strategy is the user's and knows nothing of any of these. Fees are the instrument's (none for those
that `data` makes); a market order from `on_bar` fills at that bar's close.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.common.actor import Actor
from nautilus_trader.config import BacktestEngineConfig, ImportableActorConfig, LoggingConfig
from nautilus_trader.model.enums import AccountType, BookType, OmsType, OrderSide
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.objects import Money
from nautilus_trader.trading.strategy import Strategy

from dolphin.app.data import Market
from dolphin.app.errors import UserError
from dolphin.app.script import Command
from dolphin.app.strategies import blamed
from dolphin.app.worst import Sample
from dolphin.kernel.units import ABSENT, NS_PER_S

GUARD = "dolphin.app.actor:DolphinGuard"
GUARD_CONFIG = "dolphin.app.actor:DolphinGuardConfig"
COMMAND = "Dolphin.command"
FIRST, LAST = 8, 1
"""Priorities: after Portfolio (10) and before the guard (5); after the guard and before strategies (0)."""
_TICK_GAP_NS = NS_PER_S


@dataclass(slots=True, kw_only=True)
class Job:
    """What to run. `guard`: the guard's settings; None runs plain Nautilus. `rebase`: the operator's yearly re-base.

    `actor`: the guard's class, by name; one that has `observed` leaves it in `Ran`.
    """

    market: Market
    strategy: Callable[[Market], Any]
    guard: Mapping[str, Any] | None = None
    actor: str = GUARD
    script: Sequence[Command] = ()
    rebase: bool = False
    balance: int = 1_000_000
    leverage: int = 100
    oms: str = "netting"
    progress: Callable[[int], None] | None = None


@dataclass(slots=True, kw_only=True)
class Ran:
    """What came of it. `latency`: the guard's decisions, count, p50_ns, p99_ns. `failures`: what went wrong in it."""

    samples: list[Sample] = field(default_factory=list)
    orders: int = 0
    fills: int = 0
    denials: dict[str, int] = field(default_factory=dict)
    wall_ms: int = 0
    latency: Mapping[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    journal: Path | None = None
    observed: Any = None
    minor_per_unit: int = 100


class Recorder(Actor):
    """Samples the account at each price, before anybody decides; of ticks, one a second."""

    def __init__(self, market: Market, progress: Callable[[int], None] | None) -> None:
        super().__init__()
        self.market = market
        self.samples: list[Sample] = []
        self.progress = progress

    def on_start(self) -> None:
        """Hear what prices the traded instrument."""
        traded = self.market.traded
        venue, symbol = traded.venue.value, traded.symbol.value
        for topic, handler in (
            (f"data.bars.{traded.value}-*EXTERNAL", self.hear_bar),
            (f"data.quotes.{venue}.{symbol}", self.hear_tick),
            (f"data.trades.{venue}.{symbol}", self.hear_tick),
        ):
            self.msgbus.subscribe(topic=topic, handler=handler, priority=FIRST)

    def hear_bar(self, bar: Any) -> None:
        """A bar: of a bid and an ask bar of one minute, the later counts."""
        self.sample(bar.ts_init, bar.close.as_double())

    def hear_tick(self, tick: Any) -> None:
        """A quote or a trade."""
        if self.samples:
            if tick.ts_init < self.samples[-1].ts_ns + _TICK_GAP_NS:
                return
        price = getattr(tick, "price", None)
        if price is None:
            self.sample(tick.ts_init, (tick.bid_price.as_double() + tick.ask_price.as_double()) / 2)
        else:
            self.sample(tick.ts_init, price.as_double())

    def sample(self, ts_ns: int, price: float) -> None:
        """What the account is now; nothing where the price is none, since the equity from it is an error, no ruin."""
        if not price > 0:
            return
        equity = self.portfolio.equity(self.market.traded.venue).get(self.market.currency)
        if equity is None:
            return
        minor = int(equity.as_decimal() * 10**self.market.currency.precision)
        held = float(self.portfolio.net_position(self.market.traded))
        if self.samples:
            if self.samples[-1].ts_ns == ts_ns:
                self.samples.pop()
        self.samples.append(Sample(ts_ns, minor, held, price, self.market.rate(price)))
        if self.progress is not None:
            if len(self.samples) % 64 == 0:
                self.progress(ts_ns)


LATEST: Final = "last"
CONFIRMS: Final = {"arm": "confirm", "rebase-arm": "rebase-confirm"}


class ScriptedOperator(Actor):
    """Sends the commands of a script, each at its simulated time, to the guard's endpoint."""

    def __init__(self, script: Sequence[Command]) -> None:
        super().__init__()
        self.script = script
        self.nonces: dict[str, Any] = {}

    def on_start(self) -> None:
        """Set an alert for each."""
        for number, command in enumerate(self.script):
            self.clock.set_time_alert_ns(f"script-{number}", command.ts_ns, self.sender(command))

    def sender(self, command: Command) -> Callable[[Any], None]:
        """A callback that sends it."""

        def send(_: Any) -> None:
            message = {"verb": command.verb, "cause": command.cause, **command.args}
            self.meant(message)
            self.msgbus.send(COMMAND, message)
            answer = message.get("answer", {})
            if "nonce" in answer:
                self.nonces[CONFIRMS[command.verb]] = answer["nonce"]

        return send

    def meant(self, message: dict[str, Any]) -> None:
        """A script cannot know a nonce or an episode: "last" is what an operator would have read on his screen."""
        if message.get("nonce") == LATEST:
            message["nonce"] = self.nonces.get(message["verb"], 0)
        if message.get("episode") == LATEST:
            asked: dict[str, Any] = {"verb": "status"}
            self.msgbus.send(COMMAND, asked)
            message["episode"] = asked["answer"]["status"]["episode"]


class Rebaser(Actor):
    """The operator's two-step re-base, at most once a year: armed when the book has the right, confirmed a bar later.

    It acts after the guard has taken the bar, on what the guard says of its own state; the kernel decides.
    """

    def __init__(self, market: Market) -> None:
        super().__init__()
        self.market = market
        self.guard: Any = None
        self.armed = False
        self.nonce = 0

    def on_start(self) -> None:
        """Hear the bars."""
        topic = f"data.bars.{self.market.traded.value}-*EXTERNAL"
        self.msgbus.subscribe(topic=topic, handler=self.hear_bar, priority=LAST)

    def hear_bar(self, bar: Any) -> None:
        """One step at most."""
        if self.armed:
            self.armed = False
            self.say({"verb": "rebase-confirm", "nonce": self.nonce})
        elif self.has_right(bar.ts_init):
            self.armed = True
            self.nonce = self.say({"verb": "rebase-arm"}).get("nonce", 0)

    def say(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send it; the guard's answer."""
        message["cause"] = "trapped for the policy's time; the drawdown is accepted"
        self.msgbus.send(COMMAND, message)
        answer: dict[str, Any] = message.get("answer", {})
        return answer

    def has_right(self, now_ns: int) -> bool:
        """Whether the book is trapped for long enough and no re-base is too recent."""
        if self.guard.parts is None:
            return False
        guard = self.guard.parts.guard
        capital, policy = guard.state.capital, guard.policy
        if capital.trapped_ns == ABSENT:
            return False
        if now_ns - capital.trapped_ns < policy.rebase_trapped_ns:
            return False
        if capital.rebased_ns == ABSENT:
            return True
        return bool(now_ns - capital.rebased_ns >= policy.rebase_gap_ns)


class Holder(Strategy):
    """Buys the least that the instrument allows at the first price, and does nothing more.

    A guard counts the readings of what is held, so that its sensors are at work; the account hardly moves.
    """

    def __init__(self, market: Market) -> None:
        super().__init__()
        self.market = market
        self.asked = False

    def on_start(self) -> None:
        """Hear what can price an order: the bars of the data, or their ticks."""
        if self.market.bar_type.is_externally_aggregated():
            self.subscribe_bars(self.market.bar_type)
        else:
            self.subscribe_quote_ticks(self.market.traded)
            self.subscribe_trade_ticks(self.market.traded)

    def on_bar(self, bar: Any) -> None:
        """The first one buys."""
        self.hold()

    def on_quote_tick(self, tick: Any) -> None:
        """As a bar."""
        self.hold()

    def on_trade_tick(self, tick: Any) -> None:
        """As a bar."""
        self.hold()

    def hold(self) -> None:
        """One market order."""
        if self.asked:
            return
        self.asked = True
        made = self.cache.instrument(self.market.traded)
        least = made.min_quantity or made.size_increment
        self.submit_order(self.order_factory.market(made.id, OrderSide.BUY, least))


def run(job: Job) -> Ran:
    """Run it to its end."""
    began = time.perf_counter()
    recorder = Recorder(job.market, job.progress)
    engine = built(job)
    try:
        guard = next((actor for actor in engine.trader.actors() if hasattr(actor, "parts")), None)
        engine.add_actor(recorder)
        if job.script:
            engine.add_actor(ScriptedOperator(job.script))
        if job.rebase:
            rebaser = Rebaser(job.market)
            rebaser.guard = guard
            engine.add_actor(rebaser)
        strategy = job.strategy(job.market)
        if not isinstance(strategy, Strategy):
            raise UserError(
                f"{type(strategy).__name__} is no Nautilus strategy", field="--strategy", fix="subclass Strategy"
            )
        engine.add_strategy(strategy)
        with blamed(type(strategy)):
            engine.run()
        ran = _ran(engine, recorder, guard)
    finally:
        engine.dispose()
    ran.wall_ms = int((time.perf_counter() - began) * 1_000)
    if job.guard is not None:
        ran.journal = Path(job.guard["state_dir"]) / "journal.jsonl"
    return ran


def built(job: Job) -> BacktestEngine:
    """The engine with its venue, instruments and rows."""
    actors = []
    if job.guard is not None:
        actors.append(ImportableActorConfig(actor_path=job.actor, config_path=GUARD_CONFIG, config=dict(job.guard)))
    engine = BacktestEngine(
        BacktestEngineConfig(
            trader_id=TraderId("DOLPHIN-001"),
            logging=LoggingConfig(bypass_logging=True),
            run_analysis=False,
            actors=actors,
        )
    )
    market = job.market
    engine.add_venue(
        market.traded.venue,
        OmsType.HEDGING if job.oms == "hedging" else OmsType.NETTING,
        AccountType.MARGIN,
        [Money(job.balance, market.currency)],
        base_currency=market.currency,
        default_leverage=Decimal(job.leverage),
        book_type=BookType.L2_MBP if market.l2 else BookType.L1_MBP,
    )
    for instrument in market.instruments:
        engine.add_instrument(instrument)
    engine.add_data(market.rows, sort=False)
    engine.sort_data()
    return engine


def _ran(engine: BacktestEngine, recorder: Recorder, guard: Any) -> Ran:
    ran = Ran(samples=recorder.samples, minor_per_unit=10**recorder.market.currency.precision)
    own = 0
    for order in engine.cache.orders():
        if order.client_order_id.value.startswith("DOLPHIN-"):
            own += 1
        if order.filled_qty > 0:
            ran.fills += 1
        if order.status_string() in ("DENIED", "REJECTED"):
            reason = str(getattr(order.last_event, "reason", "")).partition(":")[0]
            ran.denials[reason] = ran.denials.get(reason, 0) + 1
    ran.orders = len(engine.cache.orders()) - own
    if guard is not None:
        ran.failures = list(guard.failures)
        ran.observed = getattr(guard, "observed", None)
        if guard.parts is not None:
            ran.latency = guard.parts.latency.percentiles()
    return ran
