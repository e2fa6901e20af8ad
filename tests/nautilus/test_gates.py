"""Every way in which an order leaves, through a real engine: passed, shrunk, denied, and what the journal says."""

from decimal import Decimal

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.examples.algorithms.twap import TWAPExecAlgorithm
from nautilus_trader.execution.messages import SubmitOrder
from nautilus_trader.model.enums import ContingencyType, OmsType, OrderSide, TimeInForce, TriggerType
from nautilus_trader.model.events import OrderDenied, OrderModifyRejected, OrderUpdated
from nautilus_trader.model.identifiers import ClientOrderId, ExecAlgorithmId, OrderListId, PositionId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import LimitOrder, OrderList, StopMarketOrder

from tests.nautilus.rig import Rig, Scripted, audusd, quotes, replays

INS = audusd()
BUY, SELL = OrderSide.BUY, OrderSide.SELL
X1 = 1_538_000  # about 1x of a million at 0.65
FLAT = [65_000] * 30


def px(ticks):
    return Price(ticks / 1e5, 5)


def q(n):
    return Quantity.from_int(n)


def market(side, n, position=None, **kw):
    def act(s):
        s.submit_order(s.order_factory.market(INS.id, side, q(n), **kw), position_id=position)

    return act


def limit(side, n, at, **kw):
    def act(s):
        s.last = s.order_factory.limit(INS.id, side, q(n), px(at), **kw)
        s.submit_order(s.last)

    return act


def denials(strategy):
    return [event.reason for event in strategy.events if isinstance(event, OrderDenied)]


def net(rig, strategy="S-001-001"):
    return sum(p.signed_qty for p in rig.engine.cache.positions_open() if p.strategy_id.value == strategy)


def drive(tmp_path, script, data=None, oms=OmsType.NETTING, more=(), name="001", strategy_oms=None, **settings):
    strategy = Scripted(INS, script, name=name, oms=strategy_oms)
    rig = Rig(tmp_path, INS, oms=oms, **settings)
    rig.add(strategy, *more)
    rig.run(data or quotes(INS, FLAT))
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, strategy


@pytest.mark.req("DOL-ORDER-001")
def test_an_entry_within_the_ceiling_passes_untouched(tmp_path):
    rig, s = drive(tmp_path, {3: market(BUY, 5 * X1)})
    assert denials(s) == []
    assert net(rig) == 5 * X1
    (order,) = rig.records("ORDER")
    assert order.data["fx"] == [["VERDICT", 5 * X1, 0, 0, 60_000, 0]]
    assert len(rig.records("FILL")) == 1


@pytest.mark.req("DOL-ORDER-002")
def test_an_entry_beyond_the_ceiling_is_shrunk_to_it(tmp_path):
    rig, s = drive(tmp_path, {3: market(BUY, 10 * X1)})
    assert denials(s) == []
    (order,) = rig.records("ORDER")
    lots = order.data["fx"][0][1]
    assert 0 < lots < 10 * X1
    assert net(rig) == lots
    value_u, equity = order.data["value_u"], order.data["equity"]
    assert -(-lots * value_u // 10**6) <= 6 * equity < -(-(lots + 1) * value_u // 10**6) + 10**6
    assert any(isinstance(event, OrderUpdated) for event in s.events)


@pytest.mark.req("DOL-ORDER-003")
def test_what_would_be_left_below_the_smallest_size_is_denied(tmp_path):
    rig, s = drive(tmp_path, {3: market(BUY, 6 * X1), 5: market(BUY, 100_000)})
    assert len(denials(s)) == 1
    assert denials(s)[0].startswith("BELOW_MINIMUM [DOL-ORDER-003]")
    assert net(rig) == 6 * X1


@pytest.mark.req("DOL-ORDER-002")
def test_the_text_of_a_denial_names_reason_requirement_and_readings(tmp_path):
    _, s = drive(tmp_path, {2: lambda s: s.command("shock"), 3: market(BUY, 1000)})
    (reason,) = denials(s)
    assert reason.startswith("POSTURE_NO_ENTRY [DOL-POSTURE-003]: posture=TURTLE lots=1000 position=0 ")


@pytest.mark.req("DOL-EXIT-001")
def test_an_exit_passes_whole_and_what_exceeds_the_position_is_an_entry(tmp_path):
    rig, s = drive(
        tmp_path, {3: market(BUY, X1), 4: lambda s: s.command("shock"), 6: market(SELL, 3 * X1), 8: market(SELL, 1000)}
    )
    assert net(rig) == 0
    assert [r.data["fx"][-1][1:3] for r in rig.records("ORDER")] == [[X1, 0], [X1, X1], [0, 0]]
    assert len(denials(s)) == 1


@pytest.mark.req("DOL-EXIT-004")
def test_a_reduce_only_order_beyond_its_position_is_cut_to_it(tmp_path):
    rig, _ = drive(tmp_path, {3: market(BUY, X1), 6: market(SELL, 3 * X1, reduce_only=True)})
    assert net(rig) == 0
    assert rig.records("ORDER")[1].data["fx"][0][1] == X1


@pytest.mark.req("DOL-EXIT-004")
def test_a_resting_exit_beyond_what_other_resting_exits_leave_is_an_entry(tmp_path):
    rig, s = drive(
        tmp_path,
        {3: market(BUY, X1), 4: limit(SELL, X1, 65_100), 5: lambda s: s.command("shock"), 6: limit(SELL, X1, 65_200)},
        data=quotes(INS, [65_000] * 10 + [65_300] * 10),
    )
    assert len(denials(s)) == 1
    assert net(rig) == 0


@pytest.mark.req("DOL-EXIT-004")
def test_a_stop_rests_and_displaces_no_other_exit(tmp_path):
    def stop(s):
        s.submit_order(s.order_factory.stop_market(INS.id, SELL, q(X1), px(64_900)))

    rig, s = drive(tmp_path, {3: market(BUY, X1), 4: limit(SELL, X1, 65_100), 5: lambda s: s.command("shock"), 6: stop})
    assert len(denials(s)) == 1
    assert "OrderCanceled" not in s.names()
    assert len(rig.engine.cache.orders_open()) == 1


@pytest.mark.req("DOL-EXIT-005")
def test_an_exit_at_once_outranks_resting_exits_newest_first(tmp_path):
    rig, s = drive(
        tmp_path,
        {3: market(BUY, X1), 4: limit(SELL, X1 // 2, 65_100), 5: limit(SELL, X1 - X1 // 2, 65_200),
         6: lambda s: s.command("shock"), 7: market(SELL, X1 // 4)},
        data=quotes(INS, [65_000] * 20),
    )  # fmt: skip
    assert denials(s) == []
    canceled = [event.client_order_id.value for event in s.events if type(event).__name__ == "OrderCanceled"]
    assert len(canceled) == 1
    assert canceled[0].endswith("-3")
    assert net(rig) == X1 - X1 // 4


@pytest.mark.req("DOL-ORDER-007")
def test_two_strategies_share_one_book_gross(tmp_path):
    other = Scripted(INS, {5: market(SELL, 4 * X1)}, name="002")
    rig, s = drive(tmp_path, {3: market(BUY, 4 * X1), 7: market(SELL, 4 * X1)}, more=[other])
    assert net(rig) == 0
    short = net(rig, "S-002-002")
    assert -2.1 * X1 < short < -1.9 * X1
    assert denials(s) == []


@pytest.mark.req("DOL-ORDER-007")
def test_working_entries_count(tmp_path):
    rig, _s = drive(tmp_path, {3: limit(BUY, 5 * X1, 64_000), 5: market(BUY, 5 * X1)})
    filled = net(rig)
    assert 0.9 * X1 < filled < 1.2 * X1
    assert rig.records("ORDER")[1].data["working"] > 0


def bracket(side, n, stop, target):
    def act(s):
        s.list = s.order_factory.bracket(INS.id, side, q(n), sl_trigger_price=px(stop), tp_price=px(target))
        s.submit_order_list(s.list)

    return act


@pytest.mark.req("DOL-ORDER-002")
def test_a_bracket_is_judged_on_its_aggregate_and_denied_whole(tmp_path):
    rig, s = drive(tmp_path, {3: bracket(BUY, X1, 64_000, 66_000), 6: bracket(BUY, 9 * X1, 64_000, 66_000)})
    assert net(rig) == X1
    assert len(denials(s)) == 3
    assert all(text.startswith("LEVERAGE") for text in denials(s))
    assert [r.data["whole"] for r in rig.records("ORDER")] == [1, 1]


@pytest.mark.req("DOL-EXIT-001")
def test_a_position_under_a_bracket_can_be_closed_at_once(tmp_path):
    rig, s = drive(
        tmp_path,
        {
            3: bracket(BUY, X1, 64_000, 66_000),
            5: lambda s: s.command("shock"),
            8: lambda s: s.close_all_positions(INS.id),
        },
    )
    assert net(rig) == 0
    assert denials(s) == []
    assert rig.engine.cache.orders_open() == []


def oco(n, stop, target):
    def act(s):
        a, b = (ClientOrderId(f"O-{s.id}-{s.seen}-{i}") for i in (1, 2))
        number = OrderListId(f"OL-{s.seen}")
        f = s.order_factory
        first = f.limit(INS.id, SELL, q(n), px(target), client_order_id=a)
        second = f.stop_market(INS.id, SELL, q(n), px(stop), client_order_id=b)
        made = []
        for order, other in ((first, b), (second, a)):
            made.append(_linked(order, other, number))
        s.submit_order_list(OrderList(number, made))

    return act


def _linked(order, other, number, kind=ContingencyType.OCO):
    common = {
        "trader_id": order.trader_id,
        "strategy_id": order.strategy_id,
        "instrument_id": order.instrument_id,
        "client_order_id": order.client_order_id,
        "order_side": order.side,
        "quantity": order.quantity,
        "init_id": UUID4(),
        "ts_init": order.ts_init,
        "contingency_type": kind,
        "order_list_id": number,
        "linked_order_ids": [other],
    }
    if type(order) is LimitOrder:
        return LimitOrder(price=order.price, **common)
    return StopMarketOrder(trigger_price=order.trigger_price, trigger_type=TriggerType.DEFAULT, **common)


@pytest.mark.req("DOL-EXIT-001")
def test_an_oco_pair_of_exits_counts_once(tmp_path):
    rig, s = drive(
        tmp_path,
        {3: market(BUY, X1), 4: lambda s: s.command("shock"), 6: oco(X1, 64_900, 65_100)},
        data=quotes(INS, [65_000] * 10 + [64_800] * 10),
    )
    assert denials(s) == []
    assert net(rig) == 0
    assert rig.records("ORDER")[1].data["lots"] == X1


def plain_list(s):
    f = s.order_factory
    orders = [f.limit(INS.id, BUY, q(4 * X1), px(64_900 - i)) for i in range(2)]
    s.submit_order_list(OrderList(OrderListId("OL-1"), orders))


@pytest.mark.req("DOL-ORDER-002")
def test_a_list_without_contingencies_is_judged_order_by_order(tmp_path):
    rig, _s = drive(tmp_path, {3: plain_list})
    working = sorted(int(order.quantity) for order in rig.engine.cache.orders_open())
    assert working[-1] == 4 * X1
    assert 1.8 * X1 < working[0] < 2.2 * X1


@pytest.mark.req("DOL-ORDER-006")
def test_a_modify_is_judged_by_its_result(tmp_path):
    def grow(s):
        s.modify_order(s.last, quantity=q(9 * X1))

    def cheaper(s):
        s.modify_order(s.last, quantity=q(2 * X1), price=px(64_100))

    rig, s = drive(tmp_path, {3: limit(BUY, X1, 64_000), 5: grow, 7: cheaper})
    rejected = [event for event in s.events if isinstance(event, OrderModifyRejected)]
    assert len(rejected) == 1
    assert rejected[0].reason.startswith("LEVERAGE [DOL-ORDER-002]")
    (order,) = rig.engine.cache.orders_open()
    assert order.quantity == q(2 * X1)
    assert order.price == px(64_100)


@pytest.mark.req("DOL-EXIT-001")
def test_cancels_always_pass(tmp_path):
    _rig, s = drive(
        tmp_path,
        {3: limit(BUY, X1, 64_000), 4: limit(BUY, X1, 64_001), 5: lambda s: s.command("shock"),
         6: lambda s: s.cancel_order(s.last), 8: lambda s: s.cancel_all_orders(INS.id)},
    )  # fmt: skip
    assert s.names().count("OrderCanceled") == 2


def emulated(side, n, trigger):
    def act(s):
        s.submit_order(
            s.order_factory.stop_market(INS.id, side, q(n), px(trigger), emulation_trigger=TriggerType.BID_ASK)
        )

    return act


@pytest.mark.req("DOL-ORDER-002")
def test_an_emulated_order_is_judged_at_its_release(tmp_path):
    rig, _s = drive(tmp_path, {3: emulated(BUY, 10 * X1, 65_100)}, data=quotes(INS, [65_000] * 8 + [65_200] * 8))
    (order,) = rig.records("ORDER")
    assert order.data["x"]["gate"] == 2
    assert net(rig) == order.data["fx"][0][1] < 7 * X1


@pytest.mark.req("DOL-POSTURE-003")
def test_an_emulated_order_released_after_a_fall_is_denied(tmp_path):
    rig, s = drive(
        tmp_path, {3: emulated(BUY, X1, 65_100), 5: lambda s: s.command("shock")},
        data=quotes(INS, [65_000] * 8 + [65_200] * 8),
    )  # fmt: skip
    assert net(rig) == 0
    assert len(denials(s)) == 1


@pytest.mark.req("DOL-KILL-002")
def test_an_emulated_order_is_cancelled_by_a_kill(tmp_path):
    rig, s = drive(
        tmp_path, {3: emulated(BUY, X1, 65_100), 5: lambda s: s.command("kill")},
        data=quotes(INS, [65_000] * 8 + [65_200] * 8),
    )  # fmt: skip
    assert net(rig) == 0
    assert rig.engine.cache.orders_emulated() == []
    assert "OrderCanceled" in s.names()


def twap(n, side=BUY):
    def act(s):
        order = s.order_factory.market(
            INS.id, side, q(n), time_in_force=TimeInForce.FOK, exec_algorithm_id=ExecAlgorithmId("TWAP"),
            exec_algorithm_params={"horizon_secs": 10, "interval_secs": 2},
        )  # fmt: skip
        s.submit_order(order)

    return act


def with_twap(tmp_path, script):
    s = Scripted(INS, script)
    rig = Rig(tmp_path, INS).add(s)
    rig.engine.add_exec_algorithm(TWAPExecAlgorithm())
    rig.run(quotes(INS, [65_000] * 40))
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, s


@pytest.mark.req("DOL-ORDER-007")
def test_children_of_an_algorithm_are_judged_each(tmp_path):
    rig, _s = with_twap(tmp_path, {3: twap(3 * X1)})
    assert net(rig) == 3 * X1
    assert len(rig.records("ORDER")) >= 5


@pytest.mark.req("DOL-ORDER-007")
def test_what_is_parked_at_an_algorithm_counts_for_others(tmp_path):
    rig, _s = with_twap(tmp_path, {3: twap(5 * X1), 4: market(BUY, 5 * X1)})
    assert 0.9 * X1 < int(rig.records("ORDER")[1].data["fx"][0][1]) < 1.1 * X1


@pytest.mark.req("DOL-KILL-002")
def test_a_kill_stops_an_algorithm(tmp_path):
    rig, _s = with_twap(tmp_path, {3: twap(3 * X1), 7: lambda s: s.command("kill")})
    assert net(rig) == 0
    assert [order for order in rig.engine.cache.orders() if not order.is_closed] == []


@pytest.mark.req("DOL-ORDER-001")
def test_a_strategy_that_goes_straight_to_the_endpoint_is_judged(tmp_path):
    def direct(s):
        order = s.order_factory.market(INS.id, BUY, q(X1))
        s.cache.add_order(order)
        command = SubmitOrder(s.trader_id, s.id, order, UUID4(), s.clock.timestamp_ns())
        s.msgbus.send("ExecEngine.execute", command)

    rig, s = drive(tmp_path, {3: direct, 4: lambda s: s.command("shock"), 5: direct})
    assert net(rig) == X1
    assert len(denials(s)) == 1
    assert [r.data["x"]["gate"] for r in rig.records("ORDER")] == [2, 2]


@pytest.mark.req("DOL-EXIT-003")
def test_hedging_an_order_that_names_no_position_is_an_entry(tmp_path):
    rig, s = drive(
        tmp_path,
        {3: market(BUY, X1), 4: lambda s: s.command("shock"), 5: market(SELL, X1),
         6: lambda s: s.close_position(s.cache.positions_open()[0])},
        oms=OmsType.HEDGING,
    )  # fmt: skip
    assert len(denials(s)) == 1
    assert denials(s)[0].startswith("UNNAMED [DOL-EXIT-003]")
    assert rig.engine.cache.positions_open() == []


def test_hedging_named_positions_are_apart(tmp_path):
    a, b = PositionId("P-A"), PositionId("P-B")
    rig, s = drive(
        tmp_path,
        {3: market(BUY, X1, a), 4: market(SELL, X1, b), 5: lambda s: s.command("shock"), 6: market(SELL, 2 * X1, a),
         8: market(BUY, X1, b)},
        oms=OmsType.HEDGING,
    )  # fmt: skip
    assert denials(s) == []
    assert rig.engine.cache.positions_open() == []
    assert rig.records("ORDER")[1].data["gross"] > 0


def test_a_strategy_may_override_the_venues_oms(tmp_path):
    rig, s = drive(
        tmp_path, {3: market(BUY, X1), 4: lambda s: s.command("shock"), 5: market(SELL, X1)},
        oms=OmsType.HEDGING, strategy_oms="NETTING",
    )  # fmt: skip
    assert denials(s) == []
    assert net(rig) == 0


def in_quote(n):
    return market(BUY, n, quote_quantity=True)


@pytest.mark.req("DOL-ORDER-006")
def test_a_quantity_in_quote_currency_is_converted(tmp_path):
    rig, s = drive(tmp_path, {3: in_quote(100_000), 5: in_quote(9_000_000)})
    first, second = rig.records("ORDER")
    assert abs(first.data["lots"] - 100_000 / 0.65) < 100
    assert second.data["whole"] == 1
    assert len(denials(s)) == 1


@pytest.mark.req("DOL-ORDER-004")
def test_an_instrument_without_a_price_takes_no_entry(tmp_path):
    other = audusd().__class__.from_dict({**audusd().to_dict(audusd()), "id": "EUR/USD.SIM", "raw_symbol": "EUR/USD"})

    def act(s):
        s.submit_order(s.order_factory.limit(other.id, BUY, q(X1), px(64_000)))

    s = Scripted(INS, {3: act})
    rig = Rig(tmp_path, INS)
    rig.engine.add_instrument(other)
    rig.add(s).run(quotes(INS, FLAT))
    assert rig.guard.failures == []
    (text,) = denials(s)
    assert text.startswith(("UNPRICED", "STALE", "INSTRUMENT_ERROR"))


def test_the_journal_says_what_pins_the_run(tmp_path):
    rig, _ = drive(tmp_path, {3: market(BUY, X1)}, run_id="r7", profile="daily")
    header = rig.records("HEADER")[0].data
    assert header["mode"] == "guard"
    assert header["host"] == "backtest"
    assert header["run"] == "r7"
    assert header["policy"]["profile"] == 1
    assert header["versions"]["nautilus_trader"].startswith("1.")
    assert header["instruments"][0]["lot"] == "1/1"
    assert header["feeds"][0]["kind"] == "DATA"
    assert 2 in header["absent"]
    assert Decimal(header["instruments"][0]["value_den"]) > 0
