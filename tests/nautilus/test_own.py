"""Own orders beside what else works: one of an earlier run, a strategy's own exit, a position that goes meanwhile."""

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import SubmitOrder
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.events import OrderDenied, OrderInitialized
from nautilus_trader.model.identifiers import ClientOrderId

from dolphin.nautilus import action
from tests.nautilus.rig import T0, Rig, S, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, market, net, px, q
from tests.nautilus.test_kill import command, make

INS = audusd()


@pytest.fixture
def cancelled(monkeypatch):
    """Names and times of the orders that the guard cancels."""
    cancel, found = action.Host.cancel, []

    def watched(self, order):
        found.append((order.client_order_id.value, (self._clock.timestamp_ns() - T0) // S))
        cancel(self, order)

    monkeypatch.setattr(action.Host, "cancel", watched)
    return found


def run(tmp_path, script, data, latency_ns=0, on_event=None, rigs=None, **venue):
    strategy = make(script, on_event=on_event)
    latency = LatencyModel(base_latency_nanos=latency_ns) if latency_ns else None
    rig = Rig(tmp_path, INS, latency=latency, **venue).add(strategy)
    if rigs is not None:
        rigs.append(rig)
    rig.run(data)
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, strategy


@pytest.mark.req("DOL-KILL-003")
@pytest.mark.req("DOL-TRIM-001")
def test_an_own_order_of_an_earlier_run_goes_before_a_second_one_leaves(tmp_path, cancelled):
    """Reconciliation brings it back without its position: under HEDGING it stands where nothing is held."""

    def earlier(s):
        (guard,) = (rig.guard for rig in rigs)
        name = ClientOrderId("DOLPHIN-earlier-7")
        guard.parts.book.own_ids.add(name.value)
        order = s.order_factory.limit(INS.id, SELL, q(X1), px(66_000), client_order_id=name)
        s.cache.add_order(order)
        guard.hook.forward_exec(SubmitOrder(s.trader_id, s.id, order, UUID4(), s.clock.timestamp_ns()))

    rigs = []
    script = {2: market(BUY, X1), 6: earlier, 10: command("kill")}
    rig, s = run(tmp_path, script, quotes(INS, [65_000] * 40), 300_000_000, oms=OmsType.HEDGING, rigs=rigs)
    assert net(rig) == 0
    assert cancelled == [("DOLPHIN-earlier-7", 10)]
    gone = next(event.ts_event for event in s.events if type(event).__name__ == "OrderCanceled")
    (own,) = rig.records("OWN")
    assert own.ts_ns >= gone


@pytest.mark.req("DOL-EXIT-002")
def test_an_own_order_is_counted_before_a_strategy_hears_of_it(tmp_path):
    def react(s, event):
        if isinstance(event, OrderInitialized):
            if event.client_order_id.value.startswith("DOLPHIN-"):
                market(SELL, X1)(s)

    script = {2: market(BUY, X1), 6: command("kill")}
    rig, s = run(tmp_path, script, quotes(INS, [65_000] * 20), on_event=react, simulated={"use_reduce_only": False})
    assert net(rig) == 0
    (denied,) = [event.reason for event in s.events if isinstance(event, OrderDenied)]
    assert denied.startswith("ALREADY_REDUCING")


@pytest.mark.req("DOL-KILL-003")
@pytest.mark.req("DOL-REARM-001")
def test_an_own_order_whose_position_goes_meanwhile_is_cancelled_and_the_book_not_flat_until_it_is_gone(
    tmp_path, cancelled
):
    """Twenty-five seconds to the venue: the strategy's stop is there before the own order."""

    def stop(s):
        s.submit_order(s.order_factory.stop_market(INS.id, SELL, q(X1), px(64_500), reduce_only=True))

    looks = {at: lambda s: flat.append(rigs[0].guard.parts.book.flat()) for at in (75, 100)}
    flat, rigs = [], []
    data = quotes(INS, [65_000] * 70) + quotes(INS, [64_400] * 50, start_ns=T0 + 70 * S)
    script = {2: market(BUY, X1), 30: stop, 60: command("kill"), **looks}
    rig, _ = run(tmp_path, script, data, 25 * S, rigs=rigs)
    assert net(rig) == 0
    (own,) = rig.records("OWN")
    assert (own.data["id"], 70) in cancelled
    assert flat == [False, True]


@pytest.mark.req("DOL-KILL-003")
def test_what_was_tried_with_a_position_does_not_hold_for_the_next_of_its_name(tmp_path):
    rig, _ = run(tmp_path, {2: market(BUY, X1), 6: command("kill")}, quotes(INS, [65_000] * 20))
    assert net(rig) == 0
    assert rig.guard.parts.own._tries == {}
