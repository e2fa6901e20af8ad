"""A book with little in it: what the guard sends is filled in parts, and goes on until nothing is left."""

import itertools

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, BookType, OrderStatus, TimeInForce
from nautilus_trader.model.events import OrderCancelRejected, OrderRejected
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.objects import Price, Quantity

from dolphin.nautilus import action
from tests.nautilus.rig import T0, Rig, S, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, market, net, q
from tests.nautilus.test_kill import command, make

INS = audusd()
BOUGHT = dict.fromkeys((3, 6, 9), market(BUY, 300_000))
THIN = {"book_type": BookType.L2_MBP}
USED_UP = {"liquidity_consumption": True}


def depth(at, size=100_000, levels=4):
    """The whole book anew: so much on each of so many levels a side."""
    ts = T0 + at * S + 1_000
    deltas = [OrderBookDelta.clear(INS.id, 0, ts, ts)]
    for level in range(levels):
        for side, price in ((BUY, 64_999 - level), (SELL, 65_001 + level)):
            order = BookOrder(side, Price(price / 1e5, 5), Quantity.from_int(size), len(deltas))
            deltas.append(OrderBookDelta(INS.id, BookAction.ADD, order, 0, 0, ts, ts))
    return OrderBookDeltas(INS.id, deltas)


def run(tmp_path, script, venue, seconds=120, before=None):
    strategy = make(script)
    rig = Rig(tmp_path, INS, simulated=venue).add(strategy)
    if before is not None:
        before(rig)
    if "book_type" in venue:
        rig.engine.add_data([depth(at) for at in range(seconds)], sort=False)
    rig.run(quotes(INS, [65_000] * seconds, size=100_000))
    assert rig.guard.failures == []
    return rig, strategy


def owns(rig):
    """The guard's orders, oldest first."""
    found = [order for order in rig.engine.cache.orders() if order.client_order_id.value.startswith("DOLPHIN-")]
    return sorted(found, key=lambda order: order.ts_init)


@pytest.mark.req("DOL-KILL-003")
def test_a_flatten_goes_on_until_nothing_is_left(tmp_path):
    rig, _ = run(tmp_path, BOUGHT | {15: command("kill")}, THIN)
    assert net(rig) == 0
    assert [int(order.filled_qty) for order in owns(rig)] == [400_000, 400_000, 100_000]
    replays(rig.journal)


@pytest.mark.req("DOL-KILL-003")
def test_a_venue_that_refuses_immediate_market_orders_gets_one_that_stays(tmp_path, monkeypatch):
    send = action.Host.send

    def refusing(self, order, position_id):
        if order.time_in_force != TimeInForce.IOC:
            send(self, order, position_id)
            return
        event = OrderRejected(
            order.trader_id, order.strategy_id, order.instrument_id, order.client_order_id, rig_of[0].account_id(),
            "no IOC", UUID4(), self._clock.timestamp_ns(), self._clock.timestamp_ns(),
        )  # fmt: skip
        rig_of[0].submitted(order)
        self._msgbus.send("ExecEngine.process", event)

    monkeypatch.setattr(action.Host, "send", refusing)
    rig_of = []
    rig, _ = run(tmp_path, BOUGHT | {15: command("kill")}, THIN, before=lambda rig: rig_of.append(Venue(rig)))
    first, second = owns(rig)
    assert (first.time_in_force, first.status) == (TimeInForce.IOC, OrderStatus.REJECTED)
    assert (second.time_in_force, int(second.filled_qty)) == (TimeInForce.GTC, 400_000)


@pytest.mark.req("DOL-KILL-003")
def test_an_own_order_that_was_never_answered_is_cancelled_and_not_sent_again_beside_it(tmp_path):
    """The simulator leaves a market order SUBMITTED that finds nothing, and knows of none when it is cancelled."""
    rig, _ = run(tmp_path, BOUGHT | {15: command("kill")}, USED_UP)
    own = owns(rig)[-1]
    assert own.status == OrderStatus.SUBMITTED
    refused = [event.ts_event for event in own.events if isinstance(event, OrderCancelRejected)]
    assert len(refused) > 2
    assert {later - before for before, later in itertools.pairwise(refused)} == {10 * S}


@pytest.mark.req("DOL-KILL-003")
def test_the_name_of_an_order_of_an_earlier_run_is_not_taken_again(tmp_path):
    def known(s):
        for number in range(200):
            name = ClientOrderId(f"DOLPHIN-run-{number}")
            s.cache.add_order(s.order_factory.market(INS.id, BUY, q(1_000), client_order_id=name))

    rig, _ = run(tmp_path, {3: market(BUY, 100_000), 10: known, 15: command("kill")}, {})
    assert net(rig) == 0
    (own,) = rig.records("OWN")
    assert own.data["id"] == f"DOLPHIN-run-{own.seq - 1}-1"


@pytest.mark.req("DOL-KILL-003")
@pytest.mark.req("DOL-EXIT-004")
def test_an_own_order_waits_for_an_exit_that_is_half_filled(tmp_path):
    """Two seconds, as for one that is still on its way: both together would cross zero at a venue that lets them."""
    sold = market(SELL, 900_000)
    rig, _ = run(tmp_path, BOUGHT | {15: sold, 16: command("kill")}, {**THIN, "use_reduce_only": False})
    at = {record.kind: record.ts_ns for record in rig.records("COMMAND", "OWN")}
    assert at["OWN"] - at["COMMAND"] == 2 * S


class Venue:
    """What a venue's own client says of an order before it refuses it."""

    def __init__(self, rig):
        self._engine = rig.engine

    def account_id(self):
        return self._engine.cache.accounts()[0].id

    def submitted(self, order):
        client = self._engine.kernel.exec_engine._clients[next(iter(self._engine.kernel.exec_engine._clients))]
        client.generate_order_submitted(
            order.strategy_id, order.instrument_id, order.client_order_id, self._engine.kernel.clock.timestamp_ns()
        )
