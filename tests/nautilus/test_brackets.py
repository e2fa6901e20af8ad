"""Brackets under NETTING and HEDGING: the children count with the position that their parent opens, in both alike."""

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import ModifyOrder
from nautilus_trader.model.enums import ContingencyType, OmsType, OrderType, TriggerType
from nautilus_trader.model.events import OrderFilled, OrderModifyRejected, OrderUpdated
from nautilus_trader.model.identifiers import ClientOrderId, OrderListId
from nautilus_trader.model.orders import OrderList

from dolphin.kernel.policy import Posture
from tests.nautilus.rig import T0, Rig, S, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, bracket, denials, limit, market, net, px, q
from tests.nautilus.test_gates import _linked as linked
from tests.nautilus.test_kill import chain, command, make

INS = audusd()
BOTH = [OmsType.NETTING, OmsType.HEDGING]
FALL = [65_000] * 10 + [65_000 - 150 * i for i in range(40)] + [59_000] * 30
FRIDAY = 1_700_254_000 * S  # 2023-11-17 20:46:40 UTC, 15:46 New York
SUNDAY = 1_700_434_900 * S  # 23:01 UTC
HOLD = {"trim": 0, "hibernate": "hold"}


def run(tmp_path, oms, script, data=None, latency_ns=0, on_event=None, rigs=None, strategy_oms=None, **settings):
    latency = LatencyModel(base_latency_nanos=latency_ns) if latency_ns else None
    strategy = make(script, on_event=on_event, oms=strategy_oms)
    rig = Rig(tmp_path, INS, oms=oms, latency=latency, **settings).add(strategy)
    if rigs is not None:
        rigs.append(rig)
    rig.run(data or quotes(INS, FALL))
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, strategy


def resting(side, n, at, **kw):
    """A limit that names the one position that is open."""

    def act(s):
        (position,) = s.cache.positions_open()
        s.last = s.order_factory.limit(INS.id, side, q(n), px(at), **kw)
        s.submit_order(s.last, position_id=position.id)

    return act


def entering(n, at, stop, target, **kw):
    """A bracket whose entry is a limit."""

    def act(s):
        s.list = s.order_factory.bracket(
            INS.id, BUY, q(n), sl_trigger_price=px(stop), tp_price=px(target), entry_order_type=OrderType.LIMIT,
            entry_price=px(at), **kw,
        )  # fmt: skip
        s.submit_order_list(s.list)

    return act


def working(rig):
    return [(order.order_type, int(order.leaves_qty)) for order in rig.engine.cache.orders_open()]


def protected(rig, lots):
    """The stop and the target work, for so many lots each."""
    return sorted(working(rig)) == sorted([(OrderType.STOP_MARKET, lots), (OrderType.LIMIT, lots)])


@pytest.mark.req("DOL-POSTURE-006")
@pytest.mark.parametrize("oms", BOTH)
@pytest.mark.parametrize("latency_ns", [0, 300_000_000])
def test_hibernate_that_holds_keeps_a_brackets_stop_and_target(tmp_path, oms, latency_ns):
    script = {2: bracket(BUY, 5 * X1, 50_000, 70_000), 4: limit(BUY, 1_000, 50_000)}
    rig, _ = run(tmp_path, oms, script, latency_ns=latency_ns, policy=HOLD)
    assert rig.guard.parts.guard.state.filter.posture == Posture.HIBERNATE
    assert net(rig) == 5 * X1
    assert protected(rig, 5 * X1)


def increasing(rig):
    """What a kill would cancel now, with the groups that these orders are in."""
    groups = rig.guard.parts.book.groups.values()
    return [(working.cid, working.group.lots) for group in groups for working in group.increasing()]


@pytest.mark.req("DOL-KILL-002")
@pytest.mark.parametrize("oms", BOTH)
def test_a_kill_while_the_market_is_closed_keeps_the_stop_until_the_position_goes(tmp_path, oms):
    seen = []

    def later(s):
        s.clock.set_time_alert_ns("kill", FRIDAY + 20 * 3600 * S, lambda _: command("kill")(s))
        s.clock.set_time_alert_ns("look", FRIDAY + 21 * 3600 * S, lambda _: seen.extend(s.cache.orders_open()))

    data = quotes(INS, [65_000] * 30, start_ns=FRIDAY) + quotes(INS, [64_990] * 30, start_ns=SUNDAY)
    rig, s = run(tmp_path, oms, {2: bracket(BUY, X1, 64_000, 66_000), 5: later}, data)
    assert {order.client_order_id for order in seen} == {order.client_order_id for order in s.list.orders[1:]}
    assert net(rig) == 0
    assert working(rig) == []


@pytest.mark.req("DOL-KILL-002")
@pytest.mark.parametrize("oms", BOTH)
def test_of_a_half_filled_bracket_only_the_rest_of_the_entry_increases(tmp_path, oms):
    """All three are with the position. (The simulated venue cancels the children itself, with that rest.)"""
    seen = []
    data = quotes(INS, [65_000] * 3, size=X1 // 4) + quotes(INS, [65_100] * 20, start_ns=T0 + 3 * S)
    script = {2: entering(X1, 65_001, 64_000, 66_000), 5: lambda s: seen.append(increasing(rigs[0]))}
    rigs = []
    rig, s = run(tmp_path, oms, script, data, rigs=rigs)
    filled = net(rig)
    assert 0 < filled < X1
    assert seen == [[(s.list.orders[0].client_order_id.value, filled)]]
    (group,) = rig.guard.parts.book.groups.values()
    assert len(group.orders) == 3
    assert (group.summed().resting, group.summed().buy, group.summed().sell) == (filled, X1 - filled, 0)


@pytest.mark.parametrize("oms", BOTH)
def test_children_that_are_gone_take_nothing_of_a_later_fill(tmp_path, oms):
    data = quotes(INS, [65_000] * 3, size=X1 // 4) + quotes(INS, [65_100] * 5, start_ns=T0 + 3 * S)
    data += quotes(INS, [65_000] * 5, start_ns=T0 + 8 * S)
    script = {2: entering(X1, 65_001, 64_000, 66_000), 5: lambda s: s.cancel_order(s.list.orders[2])}
    rig, s = run(tmp_path, oms, script, data)
    assert [order.status_string() for order in s.list.orders] == ["FILLED", "CANCELED", "CANCELED"]
    assert net(rig) == X1
    assert rig.guard.parts.book.working == {}


@pytest.mark.req("DOL-EXIT-004")
@pytest.mark.parametrize("oms", BOTH)
@pytest.mark.parametrize("lots", [X1, X1 // 2])
def test_a_resting_exit_beside_a_target_is_one_too_many(tmp_path, oms, lots):
    script = {2: bracket(BUY, X1, 64_000, 66_000), 4: command("shock"), 6: resting(SELL, lots, 65_200)}
    rig, s = run(tmp_path, oms, script, quotes(INS, [65_000] * 10))
    asked = rig.records("ORDER")[-1].data
    assert (asked["position_lots"], asked["resting_lots"], asked["named"]) == (X1, X1, 1)
    assert len(denials(s)) == 1
    assert protected(rig, X1)


@pytest.mark.req("DOL-EXIT-005")
@pytest.mark.parametrize("oms", BOTH)
def test_an_exit_at_once_passes_beside_a_brackets_children(tmp_path, oms):
    script = {
        2: bracket(BUY, X1, 64_000, 66_000), 4: command("shock"),
        6: lambda s: s.close_position(s.cache.positions_open()[0]),
    }  # fmt: skip
    rig, s = run(tmp_path, oms, script, quotes(INS, [65_000] * 10))
    assert denials(s) == []
    assert net(rig) == 0
    assert working(rig) == []


@pytest.mark.req("DOL-POSTURE-006")
@pytest.mark.parametrize("oms", BOTH)
def test_a_brackets_stop_may_be_moved_where_nothing_may_enter(tmp_path, oms):
    def move(s):
        s.modify_order(s.list.orders[1], trigger_price=px(64_500))

    script = {2: bracket(BUY, X1, 64_000, 66_000), 4: command("shock"), 6: move}
    rig, s = run(tmp_path, oms, script, quotes(INS, [65_000] * 10))
    assert "OrderModifyRejected" not in s.names()
    assert str(s.list.orders[1].trigger_price) == "0.64500"
    assert protected(rig, X1)


@pytest.mark.req("DOL-ORDER-002")
def test_a_modify_in_flight_counts_also_when_the_venue_resizes_the_order_meanwhile(tmp_path):
    """Linked entries: the upper fills in part and the venue sets the lower to its rest, while that is on its way to 4x.

    The OrderUpdated is no answer to that modify: an entry that is sent now finds 4x counted, and 2x are left.
    """

    def enter(s):
        f, number = s.order_factory, OrderListId("OL-1")
        a, b = (ClientOrderId(f"O-{s.id}-{i}") for i in (1, 2))
        first = linked(f.limit(INS.id, BUY, q(X1), px(64_990), client_order_id=a), b, number, ContingencyType.OUO)
        s.lower = linked(f.limit(INS.id, BUY, q(X1), px(64_000), client_order_id=b), a, number, ContingencyType.OUO)
        s.submit_order_list(OrderList(number, [first, s.lower]))

    def look(s):
        updates.extend(int(event.quantity) for event in s.lower.events if isinstance(event, OrderUpdated))

    updates = []
    grow = lambda s: s.modify_order(s.lower, quantity=q(4 * X1))  # noqa: E731
    late = chain(look, market(BUY, 5 * X1))
    data = quotes(INS, [65_000] * 11, size=X1 // 8) + quotes(INS, [64_989] * 2, start_ns=T0 + 11 * S, size=X1 // 8)
    data += quotes(INS, [65_000] * 10, start_ns=T0 + 13 * S)
    rig, s = run(tmp_path, OmsType.NETTING, {2: enter, 10: grow, 11: late}, data, latency_ns=1_500_000_000)
    assert len(updates) > 0
    assert max(updates) < X1
    asked = rig.records("ORDER")[-1].data
    assert asked["working"] > 3.9 * 10**8
    assert 1.5 * X1 < asked["fx"][-1][1] < 2.01 * X1
    assert s.lower.quantity > q(3 * X1)  # it was on its way indeed


@pytest.mark.req("DOL-ORDER-002")
def test_an_order_of_a_contingent_group_is_changed_as_a_member_of_it(tmp_path):
    """Entries of 4x and 3x of which one will be filled: the smaller is moved, and the larger goes on to count."""

    def enter(s):
        f, number = s.order_factory, OrderListId("OL-1")
        a, b = (ClientOrderId(f"O-{s.id}-{i}") for i in (1, 2))
        large = linked(f.limit(INS.id, BUY, q(4 * X1), px(64_000), client_order_id=a), b, number)
        s.small = linked(f.limit(INS.id, BUY, q(3 * X1), px(63_000), client_order_id=b), a, number)
        s.submit_order_list(OrderList(number, [large, s.small]))

    def move(s):
        s.modify_order(s.small, price=px(63_500))

    script = {2: enter, 4: limit(BUY, X1 // 2, 62_000), 6: move}
    rig, s = run(tmp_path, OmsType.NETTING, script, quotes(INS, [65_000] * 10))
    assert str(s.small.price) == "0.63500"
    asked = rig.records("ORDER")[-1].data
    assert asked["lots"] == 3 * X1
    assert 1.49 * 10**8 < asked["working"] < 1.51 * 10**8  # the half, and the one more of the larger


@pytest.mark.req("DOL-ORDER-002")
def test_a_modify_of_an_order_that_is_closed_is_judged_by_itself(tmp_path):
    """A strategy's own check stands before it; a command that was on its way when the order was filled has none."""

    def change(s):
        command = ModifyOrder(
            s.trader_id, s.id, INS.id, s.last.client_order_id, s.last.venue_order_id, q(7 * X1), None, None, UUID4(), 0
        )
        s.msgbus.send("RiskEngine.execute", command)

    rig, s = run(tmp_path, OmsType.NETTING, {2: limit(BUY, X1, 65_100), 4: change}, quotes(INS, [65_000] * 10))
    assert s.last.status_string() == "FILLED"
    assert rig.records("ORDER")[-1].data["lots"] == 6 * X1
    assert net(rig) == X1


@pytest.mark.req("DOL-EXIT-004")
@pytest.mark.parametrize("oms", BOTH)
def test_at_the_parents_fill_its_children_count_before_they_are_heard_of(tmp_path, oms):
    """A resting exit that is sent from the fill itself: the venue has not accepted the target yet."""

    def react(s, event):
        if isinstance(event, OrderFilled):
            at.extend(order.status_string() for order in s.list.orders)
            resting(SELL, X1, 65_200)(s)

    at = []
    rig, _ = run(tmp_path, oms, {2: bracket(BUY, X1, 64_000, 66_000)}, quotes(INS, [65_000] * 10), on_event=react)
    assert at == ["FILLED", "SUBMITTED", "SUBMITTED"]
    asked = rig.records("ORDER")[-1].data
    assert (asked["position_lots"], asked["resting_lots"], asked["named"]) == (X1, X1, 1)
    assert asked["fx"][-1][2] == 0  # no part of it is an exit


@pytest.mark.req("DOL-POSTURE-006")
@pytest.mark.parametrize("oms", BOTH)
def test_the_children_of_an_emulated_parent_are_with_its_position(tmp_path, oms):
    script = {2: entering(5 * X1, 64_990, 50_000, 70_000, emulation_trigger=TriggerType.BID_ASK)}
    rig, _ = run(tmp_path, oms, script, policy=HOLD)
    assert rig.guard.parts.guard.state.filter.posture == Posture.HIBERNATE
    assert net(rig) == 5 * X1
    found = [(order.order_type, order.status_string()) for order in rig.engine.cache.orders_emulated()]
    assert sorted(found) == sorted([(OrderType.STOP_MARKET, "EMULATED"), (OrderType.LIMIT, "EMULATED")])


@pytest.mark.req("DOL-ORDER-002")
@pytest.mark.parametrize("strategy_oms", [None, "HEDGING"], ids=["the venue's ids", "Nautilus' own ids"])
def test_what_a_flip_opens_counts_from_the_fill_on(tmp_path, strategy_oms):
    """Nautilus opens what goes beyond zero under another id, if ids are its own; the fill comes before that is told."""

    def react(s, event):
        if isinstance(event, OrderFilled):
            if event.last_qty == q(5 * X1):
                s.submit_order(s.order_factory.market(INS.id, SELL, q(6 * X1)))

    def flip(s):
        (position,) = s.cache.positions_open()
        s.submit_order(s.order_factory.market(INS.id, SELL, q(5 * X1)), position_id=position.id)

    oms = OmsType.NETTING if strategy_oms else OmsType.HEDGING
    rig, _ = run(
        tmp_path, oms, {2: market(BUY, X1), 4: flip}, quotes(INS, [65_000] * 10), on_event=react,
        strategy_oms=strategy_oms, policy={"trim": 0},
    )  # fmt: skip
    positions = rig.engine.cache.positions_open()
    assert len(positions) == 2
    assert -6 * X1 - 20_000 < sum(position.signed_qty for position in positions) <= -5.9 * X1
    assert rig.records("ORDER")[-1].data["gross"] > 3 * 10**8
    assert {group.key: group.lots for group in rig.guard.parts.book.held()} == {
        position.id.value: int(position.signed_qty) for position in positions
    }


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.parametrize("oms", BOTH)
@pytest.mark.parametrize("down", [False, True], ids=["APEX", "TURTLE"])
def test_the_stop_of_a_bracket_that_waits_can_be_moved(tmp_path, oms, down):
    """It only undoes its entry, whatever the posture and however large."""
    fall = {4: command("shock")} if down else {}
    move = lambda s: s.modify_order(s.list.orders[1], trigger_price=px(64_500))  # noqa: E731
    script = {2: entering(4 * X1, 64_800, 64_000, 66_000), **fall, 6: move}
    rig, s = run(tmp_path, oms, script, quotes(INS, [65_000] * 10))
    assert str(s.list.orders[1].trigger_price) == "0.64500"
    assert refused(s) == []
    assert [working.modifies for working in rig.guard.parts.book.working.values()] == [0, 0, 0]


def refused(s):
    return [event.reason for event in s.events if isinstance(event, OrderModifyRejected)]


@pytest.mark.req("DOL-ORDER-002")
@pytest.mark.parametrize("oms", BOTH)
@pytest.mark.parametrize("more", [1_000, 3 * X1])
def test_a_stop_that_is_made_larger_than_its_bracket_is_an_entry(tmp_path, oms, more):
    """Of 4x and 4x and a little no more than 6x may work; a reduce-only one can open nothing, so it needs none."""
    grow = lambda s: s.modify_order(s.list.orders[1], quantity=q(4 * X1 + more))  # noqa: E731
    rig, s = run(tmp_path, oms, {2: entering(4 * X1, 64_800, 64_000, 66_000), 6: grow}, quotes(INS, [65_000] * 10))
    assert len(refused(s)) == 1
    assert rig.records("ORDER")[-1].data["lots"] == 4 * X1 + more
    assert s.list.orders[1].quantity == q(4 * X1)


@pytest.mark.req("DOL-ORDER-002")
def test_a_stop_is_an_entry_while_its_bracket_may_become_smaller(tmp_path):
    """The entry's own change is on its way when the stop is moved."""

    def both(s):
        s.modify_order(s.list.orders[0], quantity=q(X1))
        s.modify_order(s.list.orders[1], trigger_price=px(64_500))

    script = {2: entering(4 * X1, 64_800, 64_000, 66_000), 6: both}
    rig, _ = run(tmp_path, OmsType.NETTING, script, quotes(INS, [65_000] * 20), latency_ns=S)
    assert [record.data["lots"] for record in rig.records("ORDER")][-2:] == [X1, 4 * X1]


def test_a_book_in_which_a_bracket_waits_is_flat_and_its_journal_closed(tmp_path):
    """Its stop and target stay SUBMITTED until the entry fills: they are not on their way."""
    flat = []
    look = lambda s: flat.append(rigs[0].guard.parts.book.flat())  # noqa: E731
    rigs = []
    script = {2: entering(X1, 64_800, 64_000, 66_000), 6: look}
    _, s = run(tmp_path, OmsType.NETTING, script, quotes(INS, [65_000] * 10), rigs=rigs)
    assert [order.status_string() for order in s.list.orders] == ["ACCEPTED", "SUBMITTED", "SUBMITTED"]
    assert flat == [True]
