"""A backtest engine with a guard, for tests: instruments, data, strategies that do what a test says."""

from __future__ import annotations

from decimal import Decimal

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType, QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

from dolphin.app.actor import DolphinGuard, DolphinGuardConfig
from dolphin.journal import codec, read, verify
from dolphin.kernel.events import EVENTS
from dolphin.kernel.machine import step
from dolphin.kernel.state import outcome

SIM = Venue("SIM")
T0 = 1_700_000_000_000_000_000 // 10**9 * 10**9
S = 10**9
LOG = LoggingConfig(bypass_logging=True)


def audusd():
    return TestInstrumentProvider.default_fx_ccy("AUD/USD", SIM)


def quotes(instrument, prices, start_ns=T0, step_ns=S, spread=2, size=10_000_000):
    """Quotes at these mid prices (ticks of 1e-5)."""
    rows = []
    for i, mid in enumerate(prices):
        ts = start_ns + i * step_ns
        rows.append(
            QuoteTick(
                instrument.id,
                Price((mid - spread // 2) / 1e5, 5),
                Price((mid + spread // 2) / 1e5, 5),
                Quantity.from_int(size),
                Quantity.from_int(size),
                ts,
                ts,
            )
        )
    return rows


def bars(instrument, closes, start_ns=T0, step_ns=86_400 * S, spec="1-DAY-LAST-EXTERNAL"):
    kind = BarType.from_str(f"{instrument.id}-{spec}")
    rows = []
    for i, close in enumerate(closes):
        ts = start_ns + i * step_ns
        price = Price(close / 1e5, 5)
        rows.append(Bar(kind, price, price, price, price, Quantity.from_int(1_000_000), ts, ts))
    return rows


class ActorConfig(StrategyConfig, frozen=True):
    oms_type: str | None = None


class Scripted(Strategy):
    """Calls `script[i](self)` at the i-th quote or bar; keeps all its events."""

    def __init__(self, instrument, script, name="001", oms=None, on_event=None, bar_type=None):
        super().__init__(StrategyConfig(strategy_id=f"S-{name}", order_id_tag=name, oms_type=oms))
        self.instrument = instrument
        self.script = script
        self.seen = 0
        self.events = []
        self.react = on_event
        self.bar_type = bar_type

    def on_start(self):
        if self.bar_type:
            self.subscribe_bars(self.bar_type)
        else:
            self.subscribe_quote_ticks(self.instrument.id)

    def on_quote_tick(self, tick):
        self.tick()

    def on_bar(self, bar):
        self.tick()

    def tick(self):
        act = self.script.get(self.seen)
        self.seen += 1
        if act is not None:
            act(self)

    def on_event(self, event):
        self.events.append(event)
        if self.react:
            self.react(self, event)

    def command(self, verb, **args):
        message = {"verb": verb, "cause": "test", **args}
        self.msgbus.send("Dolphin.command", message)
        return message.get("answer", {})

    def names(self):
        return [type(event).__name__ for event in self.events]


class Rig:
    def __init__(self, tmp_path, instrument=None, oms=OmsType.NETTING, balance=1_000_000, guard=True, leverage=50,
                 account=AccountType.MARGIN, actor=DolphinGuard, latency=None, simulated=None, **settings):  # fmt: skip
        self.path = tmp_path
        self.instrument = instrument or audusd()
        self.engine = BacktestEngine(BacktestEngineConfig(trader_id="T-1", logging=LOG, run_analysis=False))
        self.engine.add_venue(
            SIM, oms, account, [Money(balance, USD)], base_currency=USD, default_leverage=Decimal(leverage),
            latency_model=latency, **(simulated or {}),
        )  # fmt: skip
        self.engine.add_instrument(self.instrument)
        self.guard = None
        if guard:
            self.guard = actor(DolphinGuardConfig(state_dir=str(tmp_path), **settings))
            self.engine.add_actor(self.guard)

    def add(self, *strategies):
        self.engine.add_strategies(list(strategies))
        return self

    def run(self, data):
        self.engine.add_data(data)
        self.engine.run()
        return self

    @property
    def journal(self):
        return self.path / "journal.jsonl"

    def records(self, *kinds):
        return [r for r in read(str(self.journal)) if not kinds or r.kind in kinds]

    def balance(self):
        return self.engine.cache.accounts()[0].balance_total(USD)


def replays(path):
    """The journal's fold equals what it recorded; it is closed and unbroken. Returns the number of kernel records."""
    found = verify(str(path))
    assert found.closed
    assert found.gaps == 0
    policy, state, count = None, None, 0
    for record in read(str(path)):
        if record.seq == 0:
            policy, state = codec.begin(record.data)
        elif record.kind in EVENTS:
            event = codec.decode(record.kind, record.ts_ns, record.data)
            state, effects = step(policy, state, event)
            claimed = codec.claimed(record.data)
            assert claimed.outcome == tuple(int(v) for v in outcome(state)), record
            assert claimed.effects == codec.plain(effects), record
            count += 1
    return count
