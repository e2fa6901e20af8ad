"""What a reviewer did to the plug-in's time, money, restart and end; each was a fault once."""

import asyncio

import pytest
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.model.identifiers import AccountId, TraderId, VenueOrderId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.test_kit.stubs.events import TestEventStubs

from dolphin.journal import read
from dolphin.kernel.state import Mode
from tests.nautilus import live_node
from tests.nautilus.rig import T0, Rig, S, Scripted, audusd, quotes, replays
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
