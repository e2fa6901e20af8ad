"""A strategy answers what a gate does to an order of its own, before that has left: a kill or a fall comes in between.

Found by the fuzzer: the order left all the same, under the verdict of before.
"""

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import SubmitOrder, SubmitOrderList
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.events import OrderCanceled, OrderUpdated

from dolphin.kernel.policy import Posture
from tests.nautilus.rig import Rig, Scripted, quotes, replays
from tests.nautilus.test_gates import BUY, FLAT, INS, SELL, X1, denials, market, net, px, q

WORDS = ({"verb": "kill"}, {"verb": "shock"})


def answering(kind, word):
    """Says `word` to the operator's port at its first event of this kind."""

    def react(s, event):
        if isinstance(event, kind) and not hasattr(s, "answer"):
            s.answer = s.command(**word)

    return react


def straight(s, order):
    s.cache.add_order(order)
    s.msgbus.send("ExecEngine.execute", SubmitOrder(s.trader_id, s.id, order, UUID4(), s.clock.timestamp_ns()))


def drive(tmp_path, script, kind, word):
    s = Scripted(INS, script, on_event=answering(kind, word))
    rig = Rig(tmp_path, INS).add(s).run(quotes(INS, FLAT))
    assert rig.guard.failures == []
    replays(rig.journal)
    assert s.answer["ok"]
    return rig, s


@pytest.mark.req("DOL-KILL-002")
@pytest.mark.req("DOL-ORDER-002")
@pytest.mark.parametrize("word", WORDS, ids=lambda word: word["verb"])
@pytest.mark.parametrize("gate", [1, 2])
def test_an_entry_that_was_shrunk_and_answered_so_does_not_leave(tmp_path, gate, word):
    def large(s):
        s.order = s.order_factory.market(INS.id, BUY, q(9 * X1))
        if gate == 1:
            s.submit_order(s.order)
        else:
            straight(s, s.order)

    rig, s = drive(tmp_path, {3: large}, OrderUpdated, word)
    assert s.order.status_string() == "DENIED"
    assert net(rig) == 0
    (why,) = denials(s)
    assert why.startswith("KILLED" if word["verb"] == "kill" else "POSTURE_NO_ENTRY")
    assert len(rig.records("ORDER")) == 2


@pytest.mark.req("DOL-KILL-002")
@pytest.mark.parametrize("word", WORDS, ids=lambda word: word["verb"])
def test_nor_does_the_order_before_it_in_its_list(tmp_path, word):
    def pair(s):
        f = s.order_factory
        s.orders = [f.limit(INS.id, BUY, q(X1), px(64_900)), f.market(INS.id, BUY, q(9 * X1))]
        made = f.create_list(s.orders)
        for order in made.orders:
            s.cache.add_order(order)
        command = SubmitOrderList(s.trader_id, s.id, made, UUID4(), s.clock.timestamp_ns())
        s.msgbus.send("ExecEngine.execute", command)

    rig, s = drive(tmp_path, {3: pair}, OrderUpdated, word)
    assert [order.status_string() for order in s.orders] == ["DENIED", "DENIED"]
    assert net(rig) == 0


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.parametrize("word", WORDS, ids=lambda word: word["verb"])
def test_an_exit_leaves_whatever_is_answered_and_what_it_would_open_does_not(tmp_path, word):
    """It displaces an exit that rests at the emulator, whose strategy hears of the cancel at once."""

    def rests(s):
        s.submit_order(
            s.order_factory.limit(INS.id, SELL, q(2 * X1), px(65_500), emulation_trigger=TriggerType.BID_ASK)
        )

    def turns(s):
        s.order = s.order_factory.market(INS.id, SELL, q(3 * X1))
        s.submit_order(s.order)

    rig, s = drive(tmp_path, {3: market(BUY, 2 * X1), 5: rests, 7: turns}, OrderCanceled, word)
    assert s.order.status_string() == "FILLED"
    assert s.order.filled_qty == q(2 * X1)
    assert net(rig) == 0
    assert rig.guard.parts.guard.state.filter.posture >= Posture.TURTLE
