"""What a reviewer broke, each through a real engine: none of it may work again."""

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import ModifyOrder
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import ContingencyType
from nautilus_trader.model.events import OrderUpdated
from nautilus_trader.model.identifiers import ClientOrderId, OrderListId, PositionId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.orders import LimitOrder, OrderList

from dolphin.kernel.events import Fault
from dolphin.kernel.reasons import Cause
from dolphin.nautilus.guard import UNWRITABLE
from dolphin.nautilus.plain import plainly_reduces
from tests.nautilus.rig import T0, Rig, S, Scripted, quotes, replays
from tests.nautilus.test_gates import BUY, FLAT, INS, SELL, X1, denials, drive, limit, market, net, px, q

DEEP = 2_000_000_000
"""A size of the market that fills everything at once."""


# --- 1: names with every sign -----------------------------------------------------------------------------------------


@pytest.mark.req("DOL-JOURNAL-008")
@pytest.mark.parametrize("mode", ["guard", "report"])
@pytest.mark.parametrize("name", ['O"1', "O\\1", "O-1\nx", "O\t1"])
def test_a_name_with_any_sign_is_written_and_read_again(tmp_path, name, mode):
    entry = market(BUY, X1, client_order_id=ClientOrderId(name))
    rig, _ = drive(tmp_path, {3: entry, 8: lambda s: s.command("kill")}, mode=mode)
    assert rig.records("ORDER")[0].data["x"]["id"] == name
    assert len(rig.records("TRIPPED", "KILL", "COMMAND")) > 0


@pytest.mark.req("DOL-JOURNAL-008")
def test_a_record_that_has_no_form_holds_nothing_up(tmp_path):
    def act(s):
        guard = rig.guard.parts.guard
        now_ns = s.clock.timestamp_ns()
        guard.write(now_ns, "NOTE", "{\n}")
        guard.emit(Fault(now_ns, Cause.EXCEPTION), '{\n"a":1}')

    strategy = Scripted(INS, {3: act})
    rig = Rig(tmp_path, INS)
    rig.add(strategy)
    rig.run(quotes(INS, FLAT))
    replays(rig.journal)
    assert [note.data["kind"] for note in rig.records("NOTE") if note.data["what"] == "unwritable"] == ["NOTE"]
    assert len(rig.records("FAULT")) == 1
    assert "x" not in rig.records("FAULT")[0].data
    assert UNWRITABLE % "NOTE" in rig.journal.read_text()


# --- 2: lists ---------------------------------------------------------------------------------------------------------


def order_of(s, name, side, lots, at, parent=None, kind=ContingencyType.NO_CONTINGENCY, linked=None, number=None):
    return LimitOrder(
        trader_id=s.trader_id, strategy_id=s.id, instrument_id=INS.id, client_order_id=ClientOrderId(name),
        order_side=side, quantity=q(lots), price=px(at), init_id=UUID4(), ts_init=s.clock.timestamp_ns(),
        contingency_type=kind, order_list_id=number, linked_order_ids=linked, parent_order_id=parent,
    )  # fmt: skip


def family(prefix, side, lots, at, children):
    """A parent and children that no link holds together: `children` are (side, lots, price)."""

    def act(s):
        number = OrderListId(f"L{prefix}")
        names = [ClientOrderId(f"{prefix}-{i}") for i in range(len(children))]
        parent = order_of(s, prefix, side, lots, at, None, ContingencyType.OTO, names, number)
        made = [
            order_of(s, name.value, way, size, price, ClientOrderId(prefix), number=number)
            for name, (way, size, price) in zip(names, children, strict=True)
        ]
        s.submit_order_list(OrderList(number, [parent, *made]))

    return act


def peak(rig):
    held, most = {}, 0
    for record in rig.records("FILL"):
        where = record.data["position"]
        held[where] = held.get(where, 0) + record.data["side"] * record.data["lots"]
        most = max(most, sum(map(abs, held.values())))
    return most / X1


@pytest.mark.req("DOL-ORDER-007")
def test_children_that_no_link_holds_together_do_not_undo_their_parent_six_times(tmp_path):
    act = family("P", BUY, 3 * X1, 65_100, [(SELL, 3 * X1, 65_050)] * 6)
    data = quotes(INS, [65_000] * 10 + [65_300] * 10, size=DEEP)
    rig, s = drive(tmp_path, {3: act}, data=data)
    assert peak(rig) <= 6.1
    assert len(denials(s)) == 7


@pytest.mark.req("DOL-ORDER-007")
def test_children_that_enter_count_while_their_parents_wait(tmp_path):
    script = {3 + i: family(f"P{i}", BUY, 1_000, 64_900, [(BUY, 5 * X1, 64_880)]) for i in range(3)}
    data = quotes(INS, [65_000] * 10 + [64_890] * 3 + [64_870] * 8, size=DEEP)
    rig, s = drive(tmp_path, script, data=data)
    assert peak(rig) <= 6.1
    assert len(denials(s)) == 4


@pytest.mark.req("DOL-ORDER-007")
def test_orders_that_claim_a_link_that_is_not_returned_count_each(tmp_path):
    def claim(i):
        def act(s):
            linked = [ClientOrderId("A0")]
            s.submit_order(order_of(s, f"Z{i}", BUY, 5 * X1, 64_900, None, ContingencyType.OCO, linked))

        return act

    data = quotes(INS, [65_000] * 10 + [64_800] * 8, size=DEEP)

    def named(s):
        s.submit_order(order_of(s, "A0", BUY, 1_000, 60_000))

    rig, _ = drive(tmp_path, {2: named, 3: claim(0), 4: claim(1), 5: claim(2)}, data=data)
    assert peak(rig) <= 6.1


# --- 3: quantities in quote currency ----------------------------------------------------------------------------------


@pytest.mark.req("DOL-ORDER-006")
def test_a_sale_in_quote_currency_ends_no_position_beyond_zero(tmp_path):
    sale = market(SELL, int(X1 * 0.6564), quote_quantity=True)
    data = quotes(INS, [65_000] * 25, spread=1_300, size=DEEP)
    rig, _ = drive(tmp_path, {3: market(BUY, X1), 6: lambda s: s.command("shock"), 8: sale}, data=data)
    assert net(rig) >= 0


@pytest.mark.req("DOL-ORDER-004")
def test_money_without_a_price_is_no_exit(tmp_path):
    blind = [
        QuoteTick(INS.id, Price(0, 5), Price(0.65, 5), q(10**9), q(10**9), T0 + (10 + i) * S, T0 + (10 + i) * S)
        for i in range(6)
    ]
    script = {3: market(SELL, X1), 12: market(BUY, 9_000_000, quote_quantity=True)}
    rig, s = drive(tmp_path, script, data=quotes(INS, [65_000] * 10) + blind)
    assert len(denials(s)) == 1
    assert net(rig) == -X1


# --- 4: protection stays ----------------------------------------------------------------------------------------------


def stop(lots):
    def act(s):
        s.submit_order(s.order_factory.stop_market(INS.id, SELL, q(lots), px(64_000), reduce_only=True))

    return act


@pytest.mark.req("DOL-POSTURE-006")
@pytest.mark.parametrize("last", [lambda s: s.command("shock"), market(SELL, X1), limit(SELL, X1, 64_000)])
def test_neither_trim_nor_exit_strips_a_reduce_only_stop(tmp_path, last):
    data = quotes(INS, FLAT, size=DEEP)
    rig, s = drive(tmp_path, {3: market(BUY, 5 * X1), 4: stop(5 * X1), 8: last}, data=data)
    assert "OrderCanceled" not in s.names()
    assert 0 < net(rig) < 5 * X1


@pytest.mark.req("DOL-EXIT-005")
def test_a_list_that_is_denied_displaces_nothing(tmp_path):
    def both(s):
        number = OrderListId("L9")
        a, b = ClientOrderId("A1"), ClientOrderId("B1")
        out = order_of(s, "A1", SELL, X1, 64_000, None, ContingencyType.OCO, [b], number)
        more = order_of(s, "B1", BUY, 9 * X1, 64_000, None, ContingencyType.OCO, [a], number)
        s.submit_order_list(OrderList(number, [out, more]))

    script = {3: market(BUY, X1), 4: limit(SELL, X1, 66_000), 8: both}
    rig, s = drive(tmp_path, script, data=quotes(INS, FLAT, size=DEEP))
    assert len(denials(s)) == 2
    assert "OrderCanceled" not in s.names()
    assert net(rig) == X1


@pytest.mark.req("DOL-EXIT-005")
def test_an_exit_that_nautilus_denies_displaces_nothing(tmp_path):
    def bad(s):
        s.submit_order(s.order_factory.limit(INS.id, SELL, q(X1), Price(0.6400001, 7)))

    script = {3: market(BUY, X1), 4: limit(SELL, X1, 66_000), 8: bad}
    rig, s = drive(tmp_path, script, data=quotes(INS, FLAT, size=DEEP))
    assert len(denials(s)) == 1
    assert "OrderCanceled" not in s.names()
    assert net(rig) == X1


@pytest.mark.req("DOL-EXIT-003")
def test_under_netting_the_position_of_another_strategy_is_not_shrunk(tmp_path):
    other = Scripted(INS, {8: market(SELL, X1, PositionId("AUD/USD.SIM-S-001-001"))}, name="002")
    script = {3: market(BUY, X1), 4: limit(SELL, X1, 66_000), 6: lambda s: s.command("shock")}
    rig, s = drive(tmp_path, script, data=quotes(INS, FLAT, size=DEEP), more=[other])
    assert len(denials(other)) == 1
    assert "OrderCanceled" not in s.names()
    assert net(rig) == X1


# --- 5, 6, 7: doubt, modifies on their way, names of the guard's ----------------------------------------------------


@pytest.mark.req("DOL-EXIT-004")
def test_a_callback_that_fails_puts_nothing_in_doubt(tmp_path):
    def callback(what, said):
        raise RuntimeError("user callback")

    script = {3: market(BUY, X1), 5: lambda s: s.command("shock")}
    script.update({7 + i: limit(SELL, X1, 65_100 + i) for i in range(3)})
    strategy = Scripted(INS, script)
    rig = Rig(tmp_path, INS)
    rig.guard.on_change.append(callback)
    rig.add(strategy)
    rig.run(quotes(INS, [65_000] * 12 + [65_300] * 8, size=DEEP))
    replays(rig.journal)
    assert rig.guard.failures != []
    assert not rig.guard.parts.doubtful()
    assert len(denials(strategy)) == 2
    assert net(rig) == 0


@pytest.mark.req("DOL-EXIT-004")
def test_in_doubt_resting_exits_are_counted_together(tmp_path):
    found = []

    def look(s):
        order = s.order_factory.limit(INS.id, SELL, q(X1), px(66_000))
        found.append(plainly_reduces(s.cache, order, None))

    strategy = Scripted(INS, {3: market(BUY, X1), 5: look, 6: limit(SELL, X1, 66_000), 8: look})
    rig = Rig(tmp_path, INS)
    rig.add(strategy)
    rig.run(quotes(INS, FLAT))
    replays(rig.journal)
    assert found == [True, False]


@pytest.mark.req("DOL-ORDER-006")
def test_a_fall_between_the_gates_stops_a_modify_that_grows(tmp_path):
    sent = []

    def grow(s):
        gates = rig.guard.parts.gates
        command = ModifyOrder(
            s.trader_id, s.id, INS.id, s.last.client_order_id, s.last.venue_order_id, q(5 * X1), None, None, UUID4(),
            s.clock.timestamp_ns(),
        )  # fmt: skip
        gates.at_risk(command, sent.append)
        s.command("shock")
        gates.at_exec(sent[0], rig.guard.hook.forward_exec)

    strategy = Scripted(INS, {3: limit(BUY, 1_000, 64_900), 5: grow})
    rig = Rig(tmp_path, INS)
    rig.add(strategy)
    rig.run(quotes(INS, [65_000] * 10 + [64_850] * 10, size=DEEP))
    replays(rig.journal)
    assert len(sent) == 1
    assert peak(rig) < 0.01


@pytest.mark.req("DOL-ORDER-006")
def test_of_several_modifies_in_flight_the_largest_counts(tmp_path):
    done = []

    def react(s, event):
        if isinstance(event, OrderUpdated):
            if not done:
                done.append(1)
                limit(BUY, 5 * X1, 63_900)(s)

    script = {
        3: limit(BUY, 1_000, 64_000),
        12: lambda s: s.modify_order(s.last, quantity=q(2_000)),
        14: lambda s: s.modify_order(s.last, quantity=q(5 * X1)),
    }
    strategy = Scripted(INS, script, on_event=react)
    rig = Rig(tmp_path, INS, latency=LatencyModel(base_latency_nanos=2 * S))
    rig.add(strategy)
    rig.run(quotes(INS, [65_000] * 40 + [63_800] * 10, step_ns=S // 2, size=DEEP))
    replays(rig.journal)
    assert done == [1]
    assert peak(rig) <= 6.1


@pytest.mark.req("DOL-KILL-002")
def test_no_strategy_takes_a_name_of_the_guards(tmp_path):
    script = {
        3: limit(BUY, 5 * X1, 64_900, client_order_id=ClientOrderId("DOLPHIN-x")),
        5: lambda s: s.command("kill"),
    }
    rig, s = drive(tmp_path, script, data=quotes(INS, [65_000] * 10 + [64_850] * 6, size=DEEP))
    assert len(denials(s)) == 1
    assert rig.records("FILL") == []
