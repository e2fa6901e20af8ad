"""What a reviewer did to the plug-in's time, money, restart and end; each was a fault once."""

import asyncio
import gc
from decimal import Decimal

import pytest
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.modules import SimulationModule, SimulationModuleConfig
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import AccountId, TraderId, VenueOrderId
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.stubs.events import TestEventStubs

from dolphin.app.actor import DolphinGuard, DolphinGuardConfig
from dolphin.journal import read
from dolphin.kernel.state import Mode
from tests.nautilus import live_node
from tests.nautilus.rig import LOG, SIM, T0, Rig, S, Scripted, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, X1, market
from tests.nautilus.test_kill import command, make
from tests.nautilus.test_live import run as run_live

INS = audusd()


def events_of(path, *kinds):
    return [record for record in read(str(path / "journal.jsonl")) if record.kind in kinds]


async def pumping(self, many=100, late_ns=0, late_from=0):
    """The feed of live_node, which ends, or lags, after some quotes."""
    size = Quantity.from_int(10_000_000)
    for i in range(many):
        now = self._clock.timestamp_ns()
        if i >= late_from:
            now -= late_ns
        self._handle_data(live_node.QuoteTick(INS.id, Price(0.64999, 5), Price(0.65001, 5), size, size, now, now))
        if i == late_from - 1:
            await asyncio.sleep(3)
        await asyncio.sleep(0.005)


# --- alerts and the end -----------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-SENSE-003")
@pytest.mark.req("DOL-KILL-005")
def test_live_a_silent_feed_is_no_fault(tmp_path, monkeypatch):
    """Nautilus keeps an alert's name inside its own callback: to plan again there was a KeyError, and a kill."""
    monkeypatch.setattr(live_node.Feed, "pumping", pumping)

    async def act(node):
        await asyncio.sleep(4)
        guard = live_node.guard_of(node)
        return list(guard.clock.timer_names)

    sensors = {"sessions": "24/7", "max_silence_s": 1}
    _, guard, names = run_live(tmp_path, act, sensors=sensors)
    assert guard.parts.guard.state.latch.mode == Mode.RUNNING
    assert "DOLPHIN-ALERT" not in names
    assert min(feed.due_ns for feed in guard.parts.guard.state.feeds) < guard.parts.guard.state.clock.t_ns - S
    assert replays(tmp_path / "journal.jsonl") > 3


@pytest.mark.req("DOL-KILL-005")
def test_what_fills_after_the_stop_is_no_fault(tmp_path):
    """Strategies leave at their stop, after the actor's clock has ended: nothing is planned there any more."""

    class Leaving(Scripted):
        def on_stop(self):
            self.close_all_positions(self.instrument.id)

    s = Leaving(INS, {3: market(BUY, X1)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 20))
    assert rig.guard.failures == []
    assert rig.engine.cache.positions_open() == []
    assert rig.records()[-1].kind == "CLOSE"
    assert rig.guard.parts.guard.state.latch.mode == Mode.RUNNING
    replays(rig.journal)


@pytest.mark.req("DOL-KILL-005")
def test_nothing_is_planned_once_stopped(tmp_path):
    """An alert that was set is gone with the clock's timers, and a fall after the stop sends nothing."""
    s = make({3: market(BUY, X1)})
    rig = Rig(tmp_path, INS).add(s)
    planned = []

    def on_stop():
        flow = rig.guard.parts.flow
        flow._alert_ns = 1 << 62  # as if a later one stood
        rig.guard.clock.cancel_timers()
        flow.plan()
        planned.append(list(rig.guard.clock.timer_names))
        rig.guard.parts.stopping()
        rig.guard.clock.cancel_timers()
        flow._alert_ns = 1 << 62
        flow.plan()
        planned.append(list(rig.guard.clock.timer_names))
        s.command("kill")

    s.on_stop = on_stop
    rig.run(quotes(INS, [65_000] * 20))
    assert rig.guard.failures == []
    assert planned[1] == []
    assert rig.records("OWN") == []
    assert rig.records()[-1].kind == "CLOSE"
    replays(rig.journal)


# --- restart ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-KILL-001")
@pytest.mark.req("DOL-KILL-002")
@pytest.mark.parametrize("killed", [True, False])
def test_a_restart_while_killed_cancels_what_works_at_the_venue(tmp_path, killed):
    first = make({3: command("kill")} if killed else {})
    Rig(tmp_path, INS).add(first).run(quotes(INS, [65_000] * 20))
    s = make({})
    rig = Rig(tmp_path, INS, resume="always").add(s)
    cache = rig.engine.kernel.cache
    order = OrderFactory(TraderId("T-1"), s.id, rig.engine.kernel.clock, cache).limit(
        INS.id, BUY, Quantity.from_int(100_000), Price(0.649, 5)
    )
    cache.add_order(order)
    account = AccountId("SIM-001")
    for event in (
        TestEventStubs.order_submitted(order, account_id=account),
        TestEventStubs.order_accepted(order, account_id=account, venue_order_id=VenueOrderId("V-1")),
    ):
        order.apply(event)
        cache.update_order(order)
    rig.run(quotes(INS, [65_000] * 20, start_ns=T0 + 3_600 * S))
    assert rig.guard.failures == []
    assert order.is_closed == killed
    replays(rig.journal)


# --- two steps --------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-REARM-002")
@pytest.mark.req("DOL-CAPITAL-004")
def test_who_confirms_says_what(tmp_path):
    """Neither the nonce nor the episode is filled in for who does not know it."""

    def armed(s):
        s.answers.append(s.command("arm", episode=1, observed_flat=1))

    def nonce(s):
        s.answers.append(s.command("confirm", nonce=s.answers[-2]["nonce"]))

    s = make(
        {
            3: command("kill"),
            4: command("arm", observed_flat=1),
            5: armed,
            70: command("confirm"),
            71: nonce,
            72: command("rebase-arm"),
            73: command("rebase-confirm"),
            74: command("confirm", nonce="last"),
        }
    )
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 80))
    assert rig.guard.failures == []
    kill, arm, arming, confirm, confirmed, _, rebase, last = s.answers
    assert kill["ok"]
    assert arming["reason"] == "ARMED"
    assert confirmed["reason"] == "CONFIRMED"
    assert arm["error"] == "episode is missing; say the episode that is armed: `status` shows it"
    assert confirm["error"] == "nonce is missing; say the nonce that `arm` answered"
    assert rebase["error"] == "nonce is missing; say the nonce that `rebase-arm` answered"
    assert last["error"] == "nonce 'last'; accepted a whole number"
    replays(rig.journal)


# --- money ------------------------------------------------------------------------------------------------------------


class Moving(SimulationModule):
    """Money comes or goes at the exchange, 8 s after the start."""

    def __init__(self, amount):
        super().__init__(SimulationModuleConfig())
        self.amount = amount

    def pre_process(self, data):
        pass

    def process(self, ts):
        if ts >= T0 + 8 * S:
            if self.amount:
                self.exchange.adjust_account(Money(self.amount, USD))
            self.amount = 0

    def log_diagnostics(self, log):
        pass

    def reset(self):
        pass


def moved(path, script, amount, rows=20, **settings):
    """A backtest in which the exchange's balance changes without a fill."""
    rig = Rig.__new__(Rig)
    rig.path, rig.instrument = path, INS
    rig.engine = BacktestEngine(BacktestEngineConfig(trader_id="T-1", logging=LOG, run_analysis=False))
    rig.engine.add_venue(
        SIM, OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USD)], base_currency=USD,
        default_leverage=Decimal(50), modules=[Moving(amount)],
    )  # fmt: skip
    rig.engine.add_instrument(INS)
    rig.guard = DolphinGuard(DolphinGuardConfig(state_dir=str(path), **settings))
    rig.engine.add_actor(rig.guard)
    rig.add(make(script)).run(quotes(INS, [65_000] * rows))
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, rig.guard.parts.guard.state


@pytest.mark.req("DOL-CAPITAL-003")
@pytest.mark.parametrize("rows", [20, 9])  # 9: the last row is the change's own
@pytest.mark.parametrize(
    ("flows", "amount", "announced", "flowed"),
    [
        ("deposits", 300_000, 0, True),
        ("deposits", -300_000, 0, False),
        ("deposits", -300_000, -300_000, True),
        ("deposits", -300_000, -200_000, False),
        ("all", -300_000, 0, True),
        ("announced", 300_000, 0, False),
        ("announced", 300_000, 300_000, True),
    ],
)
def test_which_change_of_the_balance_is_a_flow(tmp_path, flows, amount, announced, flowed, rows):
    """Funding and liquidation fees look as withdrawals do: what nobody announced is a loss."""
    script = {2: market(BUY, 1000)}
    if announced:
        script[5] = command("flow", amount=announced * 100)
    rig, state = moved(tmp_path, script, amount, rows, flows=flows)
    found = [record.data["flow"] for record in rig.records("FLOW")]
    assert found == ([amount * 100] if flowed else [])
    lost = amount < 0 and not flowed
    assert (state.capital.drawdown_bp > 2_900) == lost
    assert (state.capital.drawdown_bp < 2) == (not lost)
    assert state.capital.equity == pytest.approx((1_000_000 + amount) * 100, rel=1e-4)


def exchange_of(node):
    """The sandbox's exchange: the one that writes to this node's cache."""
    for one in gc.get_objects():
        if type(one).__name__ == "SimulatedExchange" and one.cache is node.kernel.cache:
            return one
    raise LookupError


@pytest.mark.req("DOL-CAPITAL-003")
@pytest.mark.parametrize(("flows", "amount"), [("all", -300_000), ("deposits", 300_000)])
def test_live_equity_waits_for_the_flow_that_it_contains(tmp_path, monkeypatch, flows, amount):
    monkeypatch.setattr(live_node.Trader, "on_quote_tick", lambda self, tick: None)

    async def act(node):
        await asyncio.sleep(1.5)
        exchange_of(node).adjust_account(Money(amount, USD))
        await asyncio.sleep(4)

    _, guard, _ = run_live(tmp_path, act, flows=flows)
    told = events_of(tmp_path, "EQUITY", "FLOW")
    kinds = [record.kind for record in told]
    assert kinds.count("FLOW") == 1
    at = kinds.index("FLOW")
    assert told[at].data["flow"] == amount * 100
    assert {record.data["equity"] for record in told[:at]} == {100_000_000}
    capital = guard.parts.guard.state.capital
    assert capital.drawdown_bp == 0
    assert capital.mark == capital.equity == (1_000_000 + amount) * 100
    replays(tmp_path / "journal.jsonl")


# --- clock ------------------------------------------------------------------------------------------------------------


class Stepped:
    """The process's clock, which somebody has set."""

    def __init__(self, clock, by_ns):
        self._clock = clock
        self._by_ns = by_ns

    def timestamp_ns(self):
        return self._clock.timestamp_ns() + self._by_ns

    def __getattr__(self, name):
        return getattr(self._clock, name)


@pytest.mark.req("DOL-TIME-006")
@pytest.mark.parametrize(
    ("by_ns", "cause"),
    [(-1_000_000, "NONE"), (-500_000_000, "NONE"), (-2 * S, "CLOCK_REGRESSION"), (-7_200 * S, "CLOCK_REGRESSION"),
     (7_200 * S, "HEARTBEAT")],
)  # fmt: skip
def test_live_the_clock_steps(tmp_path, monkeypatch, by_ns, cause):
    monkeypatch.setattr(live_node.Trader, "on_quote_tick", lambda self, tick: None)

    async def act(node):
        await asyncio.sleep(1.3)
        parts = live_node.guard_of(node).parts
        parts.flow._clock = Stepped(parts.flow._clock, by_ns)
        await asyncio.sleep(0.1)  # ten timers: at once, not when the old time comes again
        first = parts.guard.state.latch.cause.name
        sampled_ns = parts.flow._sampled_ns
        await asyncio.sleep(1.5)
        return first, parts.flow._sampled_ns != sampled_ns

    _, guard, (first, goes_on) = run_live(tmp_path, act, seconds=0)
    assert guard.parts.guard.state.latch.cause.name == cause
    if by_ns < 0:
        assert first == cause
    assert goes_on


@pytest.mark.req("DOL-TIME-006")
def test_live_a_late_row_is_no_clock_that_steps_back(tmp_path, monkeypatch):
    async def late(self):
        await pumping(self, many=400, late_ns=2_500_000_000, late_from=200)

    monkeypatch.setattr(live_node.Feed, "pumping", late)
    monkeypatch.setattr(live_node.Trader, "on_quote_tick", lambda self, tick: None)

    async def act(node):
        await asyncio.sleep(6)

    _, guard, _ = run_live(tmp_path, act, sensors={"sessions": "24/7", "max_silence_s": 1})
    assert guard.parts.guard.state.latch.mode == Mode.RUNNING
    assert len(events_of(tmp_path, "SEEN")) > 5
    replays(tmp_path / "journal.jsonl")


# --- cadence ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-CAPITAL-001")
@pytest.mark.parametrize(("profile", "lots"), [("daily", 5 * X1), ("intraday", 5 * X1), ("intraday", X1 // 20)])
def test_a_fall_is_seen_within_seconds_whatever_a_policy_second_is(tmp_path, profile, lots):
    """In `daily` a policy second is 24 real minutes, in which a book at 5x can lose everything."""
    prices = [65_000] * 30 + [65_000 - 160 * i for i in range(60)] + [55_400] * 60
    s = make({3: market(BUY, lots)})
    rig = Rig(tmp_path, INS, profile=profile).add(s)
    rig.run(quotes(INS, prices, size=2 * 10**9))
    assert rig.guard.failures == []
    fell = [
        record.ts_ns for record in rig.records("EQUITY") if record.ts_ns > T0 + 30 * S and record.ts_ns < T0 + 90 * S
    ]
    assert len(fell) >= 5
    if lots > X1:
        assert rig.records("OWN")
        assert rig.records("OWN")[0].ts_ns < T0 + 50 * S
    replays(rig.journal)
