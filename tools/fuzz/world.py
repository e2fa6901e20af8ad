"""One episode in a real engine: venue, strategies, guard; crashes and restarts; what the operator says.

What belongs here: building an engine, running it, and taking what survives it into the next. The venue's book of
positions and the balance outlive a crash, as a venue's do; its working orders do not (it cancels on disconnect).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.config import RiskEngineConfig, StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.examples.algorithms.twap import TWAPExecAlgorithm
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, LiquiditySide, OmsType, OrderSide
from nautilus_trader.model.events import OrderFilled, OrderSubmitted
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    PositionId,
    StrategyId,
    TradeId,
    TraderId,
    Venue,
    VenueOrderId,
)
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import MarketOrder
from nautilus_trader.model.position import Position
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

from dolphin.app.actor import DolphinGuard, DolphinGuardConfig
from dolphin.audit import pipeline
from dolphin.audit.finding import Verdict
from dolphin.kernel.units import NS_PER_MS, NS_PER_S
from tools.fuzz import oracle as judge
from tools.fuzz.commands import Doing
from tools.fuzz.crash import Crash, dying
from tools.fuzz.plan import ROWS, T0_NS, TAIL_ROWS, Command, Plan, walk

SIM: Final = Venue("SIM")
NAMES: Final = ("AUD/USD", "EUR/USD")
QUIET_ROWS: Final = 25
SIM_ACCOUNT: Final = AccountId("SIM-001")
THICK: Final = 20_000_000


class Outcome(NamedTuple):
    """What came of a plan."""

    commands: int
    findings: tuple[judge.Finding, ...]
    orders: int
    fills: int
    engines: int
    killed: int
    refused: dict[str, int]


class Driven(Strategy):
    """Sends what the plan says, at its row or at its next order event."""

    def __init__(self, world: World, who: int) -> None:
        super().__init__(StrategyConfig(strategy_id=f"S{who}", order_id_tag=f"{who:03d}"))
        self.world = world
        self.who = who
        self.doing = Doing(self, world)
        self.late: list[Command] = []

    def on_start(self) -> None:
        for instrument in self.world.instruments:
            self.subscribe_quote_ticks(instrument.id)

    def on_quote_tick(self, tick: Any) -> None:
        if tick.instrument_id == self.world.instruments[-1].id:  # every instrument has its quote of this row
            self.world.row_came(self, tick.ts_event)

    def on_event(self, event: Any) -> None:
        if self.late and not self.world.dead:
            self.world.act(self, self.late.pop(0))


class World:
    """One episode."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.hedging = bool(plan.setup.hedging)
        self.instruments = [
            TestInstrumentProvider.default_fx_ccy(name, SIM) for name in NAMES[: plan.setup.instruments]
        ]
        self.latency_ns = plan.setup.latency_ms * NS_PER_MS
        self.step_ns = plan.setup.step_s * NS_PER_S
        self.oracle = judge.Oracle(self.hedging, 3 * self.latency_ns + 2 * self.step_ns)
        self.engine: Any = None
        self.guard: Any = None
        self.dead = False
        self.refused: Counter[str] = Counter()
        self.row = -1
        self.done = 0
        self.engines = 0
        self.fills = 0
        self.orders = 0
        self.kills = 0
        self.nonce = 0
        self.latch_known = True
        self.torn = False
        self.confidence_ms = -1
        self.balance = Money(1_000_000, USD)
        self.carried: list[tuple[Any, str, str, float, float]] = []
        self.mids = [walk(plan, number) for number in range(len(self.instruments))]

    def number_of(self, instrument_id: Any) -> int:
        """Which instrument of the world this is."""
        return [instrument.id for instrument in self.instruments].index(instrument_id)

    # --- the episode --------------------------------------------------------------------------------------------------

    def play(self) -> Outcome:
        """All of it, and the looks at its end."""
        while self.row < ROWS + TAIL_ROWS - 1:
            self._segment()
        if not self.dead:
            self.oracle.settled(self._ts(self.row), QUIET_ROWS * self.step_ns, not self.plan.setup.thin)
        self._audit()
        found = tuple(dict.fromkeys(self.oracle.findings))
        return Outcome(self.done, found, self.orders, self.fills, self.engines, self.kills, dict(self.refused))

    def _segment(self) -> None:
        """One engine, until the plan restarts it, it crashes, or the rows end."""
        self.dead = False
        self.engines += 1
        self._build()
        stops = [each.row for each in self.plan.commands if each.verb == "restart" and each.row > self.row]
        last = min([*stops, ROWS + TAIL_ROWS - 1])
        self.engine.add_data(self._rows(self.row + 1, last))
        try:
            self.engine.run()
        except Crash:
            self.dead = True
        except Exception as error:  # Nautilus ended its own run: the process dies of it, and another comes
            self.refused[f"run: {type(error).__name__}: {error}"] += 1
            self.dead = True
        if self.dead:
            self._drop()
        else:
            self.row = last
            self._carry()
            if self.guard.failures:
                self.oracle.found(judge.FAILED, "; ".join(self.guard.failures))
            self.oracle.off = True
            try:
                self.engine.dispose()
            except Crash:  # in the middle of its last records
                self._released()
        self.engine = None

    def _build(self) -> None:
        setup = self.plan.setup
        risk = RiskEngineConfig(max_order_submit_rate="100000/00:00:01", max_order_modify_rate="100000/00:00:01")
        logging = LoggingConfig(bypass_logging=True)
        self.engine = BacktestEngine(
            BacktestEngineConfig(trader_id="T-1", logging=logging, run_analysis=False, risk_engine=risk)
        )
        latency = LatencyModel(base_latency_nanos=self.latency_ns) if self.latency_ns else None
        oms = OmsType.HEDGING if self.hedging else OmsType.NETTING
        self.engine.add_venue(
            SIM, oms, AccountType.MARGIN, [self.balance], base_currency=USD, default_leverage=Decimal(50),
            latency_model=latency,
        )  # fmt: skip
        for instrument in self.instruments:
            self.engine.add_instrument(instrument)
        policy = {"hibernate": "glide"} if setup.glide else {}
        self.guard = DolphinGuard(
            DolphinGuardConfig(state_dir=str(self.folder), resume="always", seed=self.plan.seed, policy=policy)
        )
        self.engine.add_actor(self.guard)
        self.engine.add_exec_algorithm(TWAPExecAlgorithm())
        self.strategies = [Driven(self, who) for who in range(setup.strategies)]
        self.engine.add_strategies(self.strategies)
        self._put_back()
        self.oracle.listen(self.engine, self.guard)
        self.begun = False

    def _rows(self, first: int, last: int) -> list[Any]:
        size = Quantity.from_int(self.plan.setup.thin or THICK)
        found = []
        for row in range(first, last + 1):
            ts = self._ts(row)
            for instrument, mids in zip(self.instruments, self.mids, strict=True):
                bid, ask = Price((mids[row] - 1) / 1e5, 5), Price((mids[row] + 1) / 1e5, 5)
                found.append(QuoteTick(instrument.id, bid, ask, size, size, ts, ts))
        return found

    def _ts(self, row: int) -> int:
        return T0_NS + row * self.step_ns

    # --- rows and commands --------------------------------------------------------------------------------------------

    def row_came(self, strategy: Driven, ts_ns: int) -> None:
        """A strategy saw this row: it does what the plan says."""
        if self.dead:
            raise Crash
        row = (ts_ns - T0_NS) // self.step_ns
        self.row = row
        if not self.begun:
            self.begun = True
            self._taken_up()
        self.oracle.look(ts_ns)
        for command in self.plan.commands:
            if command.row == row and command.who == strategy.who:
                if command.late:
                    strategy.late.append(command)
                else:
                    self.act(strategy, command)

    def act(self, strategy: Driven, command: Command) -> None:
        """Carry one out."""
        if command.verb == "crash":
            self._crash(command)
        elif command.verb != "restart":
            try:
                self.done += strategy.doing.do(command)
            except Exception as error:  # Nautilus refused it before it was sent
                self.refused[f"{command.verb}: {type(error).__name__}: {error}"] += 1

    def _crash(self, command: Command) -> None:
        self.done += 1
        if command.d % 3 == 0:
            self.dead = True
            raise Crash
        journal = self.guard.parts.guard.journal
        journal._write = dying(journal._write, command.a % 30, command.c % 3, self._dies)

    def _dies(self) -> None:
        self.dead = True
        self.torn = True
        self.oracle.off = True

    def say(self, verb: str, **args: Any) -> int:
        """A command of the operator's, by the message bus."""
        self.message: dict[str, Any] = {"verb": verb, "cause": "fuzz", **args}
        self.engine.kernel.msgbus.send("Dolphin.command", self.message)
        return 1

    def _granted(self) -> bool:
        return bool(self.message.get("answer", {}).get("ok"))

    def kill(self) -> int:
        """The kill switch. Until it is answered nobody knows whether it stands."""
        self.latch_known = False
        self.say("kill")
        self.latch_known = True
        if self._granted():
            self.kills += 1
            self.oracle.killed(self.engine.kernel.clock.timestamp_ns())
        return 1

    def arm(self) -> int:
        """The first step back, where there is something to arm."""
        self.oracle.look(self.engine.kernel.clock.timestamp_ns())
        if self.oracle.killed_ns < 0:
            return 0
        self.say("status")
        episode = self.message.get("answer", {}).get("status", {}).get("episode", 0)
        self.say("arm", episode=episode, observed_flat=1)
        self.nonce = self.message.get("answer", {}).get("nonce", 0)
        return 1

    def confirm(self) -> int:
        """The second step."""
        if self.oracle.killed_ns < 0:
            return 0
        self.latch_known = False
        self.say("confirm", nonce=self.nonce)
        self.latch_known = True
        if self._granted() and self.guard.parts.guard.running():
            self.oracle.armed_again()
        return 1

    # --- the end of an engine -----------------------------------------------------------------------------------------

    def _carry(self) -> None:
        """What the venue has, into the next engine."""
        cache = self.engine.kernel.cache
        self.balance = cache.accounts()[0].balance_total(USD)
        self.orders += cache.orders_total_count()
        self.fills += sum(1 for order in cache.orders() if order.filled_qty > 0)
        self.carried = []
        for position in cache.positions_open():
            key = position.id.value
            name = key
            if self.hedging and not key.startswith("R"):
                name = f"R{self.engines}-{key}"
            lots = self.oracle.net.pop(key, 0.0)
            if abs(lots - position.signed_qty) >= judge.LOT:
                self.oracle.found(judge.LEDGER, f"{key}: fills sum to {lots}, Nautilus says {position.signed_qty}")
            entry = (
                position.instrument_id,
                position.strategy_id.value,
                name,
                position.signed_qty,
                position.avg_px_open,
            )
            self.carried.append(entry)
        for key, lots in self.oracle.net.items():
            if abs(lots) >= judge.LOT:
                self.oracle.found(judge.LEDGER, f"{key}: fills sum to {lots}, Nautilus has no such position")
        self.oracle.net = {name: lots for _, _, name, lots, _ in self.carried}
        self.oracle.where = {name: (where, strategy) for where, strategy, name, _, _ in self.carried}
        parts = self.guard.parts
        if parts is not None:
            self.confidence_ms = parts.guard.state.filter.confidence_ms

    def _drop(self) -> None:
        """The process is gone: its files are closed by the system, nothing more is written."""
        self.oracle.off = True
        self._carry()
        self._released()
        self.engine.dispose()

    def _released(self) -> None:
        parts = self.guard.parts
        if parts is not None:
            parts.guard.journal.release()
            if parts.guard._latch_file is not None:
                parts.guard._latch_file.release()
            parts._watching.set()  # its thread would look for letters until this process ends
        self.guard.parts = None

    def _put_back(self) -> None:
        """Positions of before, as a reconciliation leaves them in the cache."""
        cache = self.engine.kernel.cache
        for number, (instrument_id, strategy, name, lots, price) in enumerate(self.carried):
            instrument = self.instruments[self.number_of(instrument_id)]
            side = OrderSide.BUY if lots > 0 else OrderSide.SELL
            position_id = PositionId(name)
            quantity = Quantity(abs(lots), 0)
            ts = self._ts(self.row)
            cid = ClientOrderId(f"BEFORE-{self.engines}-{number}")
            order = MarketOrder(TraderId("T-1"), StrategyId(strategy), instrument_id, cid, side, quantity, UUID4(), ts)
            fill = OrderFilled(
                TraderId("T-1"), StrategyId(strategy), instrument_id, cid, VenueOrderId(f"V-{cid}"), SIM_ACCOUNT,
                TradeId(f"T-{cid}"), position_id, side, order.order_type, quantity, Price(price, 5),
                USD, Money(0, USD), LiquiditySide.TAKER, UUID4(), ts, ts,
            )  # fmt: skip
            cache.add_order(order, position_id)
            order.apply(
                OrderSubmitted(TraderId("T-1"), StrategyId(strategy), instrument_id, cid, SIM_ACCOUNT, UUID4(), ts, ts)
            )
            order.apply(fill)
            cache.update_order(order)
            oms = OmsType.HEDGING if self.hedging else OmsType.NETTING
            cache.add_position(Position(instrument, fill), oms)

    def _taken_up(self) -> None:
        """The first row of an engine: what the guard made of what was there."""
        if self.engines == 1 or self.guard.parts is None:
            return
        guard = self.guard.parts.guard
        if not self.latch_known:
            self.oracle.armed_again()
            if not guard.running():
                self.oracle.killed(self._ts(self.row))
            self.latch_known = True
        elif self.oracle.killed_ns >= 0 and guard.running():
            self.oracle.found(judge.LATCH, f"killed before, {guard.state.latch.mode.name} after restart {self.engines}")
        if self.torn:  # what was not acknowledged may be forgotten, a shock too
            self.torn = False
        elif guard.state.filter.confidence_ms > max(self.confidence_ms, 0) + 1_000 + self.step_ns // NS_PER_MS:
            said = f"confidence {self.confidence_ms} before, {guard.state.filter.confidence_ms} after"
            self.oracle.found(judge.LATCH, said)

    def _audit(self) -> None:
        report = pipeline.audit(str(self.folder / "journal.jsonl"))
        if report.verdict == Verdict.INCOMPLETE and self.dead:  # it crashed with its last rows, and nobody came after
            return
        if report.verdict != Verdict.CONFORMS:
            why = [line for finding in report.findings[:2] for line in finding.lines()] or list(report.reasons)
            self.oracle.found(judge.AUDIT, f"{report.verdict}: {' '.join(' '.join(why).split())[:600]}")


def play(plan: Plan) -> Outcome:
    """Play a plan in a directory of its own, and leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="dolphin-fuzz-") as folder:
        return World(plan, Path(folder)).play()
