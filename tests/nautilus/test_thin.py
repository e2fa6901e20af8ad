"""A book with little in it: what the guard sends is filled in parts, and goes on until nothing is left."""

import itertools

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, BookType, OrderStatus
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


def empty(at):
    """A book in which nobody buys or sells."""
    ts = T0 + at * S + 1_000
    return OrderBookDeltas(INS.id, [OrderBookDelta.clear(INS.id, 0, ts, ts)])


def run(tmp_path, script, venue, seconds=120, books=None, told=None):
    strategy = make(script)
    rig = Rig(tmp_path, INS, simulated=venue).add(strategy)
    if told is not None:
        rig.guard.on_change.append(lambda what, text: told.append(what))
    if "book_type" in venue:
        rig.engine.add_data(books or [depth(at) for at in range(seconds)], sort=False)
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
def test_where_nobody_buys_the_flatten_is_asked_for_ever_more_seldom_until_somebody_does(tmp_path):
    """At each row at first, at last every five seconds; and somebody is told."""
    told = []
    books = [depth(at) for at in range(14)] + [empty(14)] + [depth(at) for at in range(60, 90)]
    rig, _ = run(tmp_path, BOUGHT | {15: command("kill")}, THIN, books=books, told=told)
    assert net(rig) == 0
    refused = [order for order in owns(rig) if order.status == OrderStatus.REJECTED]
    pauses = [later.ts_init - before.ts_init for before, later in itertools.pairwise(refused)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (S, 6 * S)
    assert [what for what in told if what == "NOT FILLED"] == ["NOT FILLED"]
    assert [int(order.filled_qty) for order in owns(rig)[len(refused) :]] == [400_000, 400_000, 100_000]


@pytest.mark.req("DOL-KILL-003")
def test_beside_an_own_order_that_is_not_answered_no_second_one_is_sent(tmp_path, monkeypatch):
    """Twenty-five seconds to the venue: after ten it is cancelled, and is filled before the cancel is there."""
    cancel, asked = action.Host.cancel, []

    def watched(self, order):
        asked.append(self._clock.timestamp_ns())
        cancel(self, order)

    monkeypatch.setattr(action.Host, "cancel", watched)
    strategy = make({3: market(BUY, 100_000), 40: command("kill")})
    rig = Rig(tmp_path, INS, latency=LatencyModel(base_latency_nanos=25 * S)).add(strategy)
    rig.run(quotes(INS, [65_000] * 120))
    (own,) = owns(rig)
    assert own.status == OrderStatus.FILLED
    assert net(rig) == 0
    assert rig.guard.failures == []
    assert asked == [own.ts_init + 10 * S, own.ts_init + 20 * S]


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
    killed, sent = (rig.records(kind)[0].ts_ns for kind in ("COMMAND", "OWN"))
    assert sent - killed == 2 * S
