"""Orders of unknown fate that are opened again: as large as they are by then, tried until it is done, in nobody's way.

What a kill and a restart do with them is in test_reopening.py.
"""

import json

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.events import OrderCanceled
from nautilus_trader.model.identifiers import AccountId

from dolphin.journal.folding import folded
from dolphin.nautilus import reopening, unknown
from dolphin.nautilus.reopening import read, written
from tests.nautilus.rig import T0, Rig, S, Scripted, quotes, replays
from tests.nautilus.test_fate import GIVEN_UP, INS, Told, ended, filled, passes, see, tell
from tests.nautilus.test_gates import BUY, SELL, X1, limit, market, q
from tests.nautilus.test_kill import chain
from tests.nautilus.test_reopening import SLOW, Again, command, first, keep_cancels

NO_ANSWER = {"kind": OrderCanceled, "reconciliation": True}
"""Nautilus has had no answer to a cancel, or to a change, and gives the order up."""


def modify(lots):
    return lambda s: s.modify_order(s.last, quantity=q(lots))


def others(told):
    """What works, but the guard's own: lots, and the size that Nautilus has of it."""
    return [(working.lots, int(working.order.quantity)) for working in told[0].parts.book.working.values()
            if not working.own]  # fmt: skip


def killed(path, script, ended_at, how, *more, **settings):
    """A run of such an order that a kill opens again at `ended_at + 2`: its cancels; then what it `found`."""
    asked, found, told = [], [], []
    script = dict(script)
    script[ended_at] = tell(lambda order: ended(order, **how))
    script[ended_at + 1] = keep_cancels(told, asked)
    script[ended_at + 2] = command("kill")
    script[ended_at + 3] = see(found, lambda: others(told))
    for number, act in enumerate(more, ended_at + 4):
        script[number] = act
    script[20] = see(found, lambda: others(told))
    told.append(Told(path, script, **settings))
    told[0].run()
    return asked, found, told[0]


@pytest.mark.req("DOL-KILL-002", "DOL-ORDER-008")
def test_one_that_was_changed_and_partly_filled_is_asked_to_be_cancelled(tmp_path):
    script = {
        2: limit(BUY, X1, 64_000),
        4: modify(4 * X1),
        6: tell(lambda order: filled(order, 2 * X1, "t1")),
    }
    asked, found, _ = killed(tmp_path, script, 8, NO_ANSWER)
    assert {order.status for order in asked} == {OrderStatus.PENDING_CANCEL}
    assert found[0] == [(2 * X1, 4 * X1)]


@pytest.mark.req("DOL-ORDER-008")
def test_a_fill_of_what_it_was_changed_to_is_held_after_it_was_opened_again(tmp_path):
    script = {2: limit(BUY, X1, 64_000), 4: modify(4 * X1)}
    fill = tell(lambda order: filled(order, 4 * X1, "t1"))
    _, found, told = killed(tmp_path, script, 7, NO_ANSWER, fill)
    assert found == [[(4 * X1, 4 * X1)], []]
    assert [fill.data["lots"] for fill in told.rig.records("FILL")] == [4 * X1, 4 * X1]  # and its flatten


@pytest.mark.req("DOL-ORDER-008")
def test_one_that_the_guard_cut_is_no_larger_when_it_is_opened_again(tmp_path):
    """Nor does it work on once what was sent of it has filled."""
    cut = []
    script = {2: limit(BUY, 20 * X1, 64_000), 3: lambda s: cut.append(int(s.last.quantity))}
    fill = tell(lambda order: filled(order, cut[0], "t1"))
    _, found, _ = killed(tmp_path, script, 4, {}, fill)
    assert cut[0] < 20 * X1
    assert found == [[(cut[0], cut[0])], []]


@pytest.mark.req("DOL-ORDER-008")
def test_one_that_an_unanswered_change_may_have_made_larger_is_opened_again_as_large(tmp_path):
    """Nautilus has it as it was, and would drop a fill beyond that."""
    fill = tell(lambda order: filled(order, 4 * X1, "t1"))
    script = {2: limit(BUY, X1, 64_000), 5: modify(4 * X1)}
    _, found, told = killed(tmp_path, script, 6, NO_ANSWER, fill, latency=LatencyModel(60_000_000_000))
    assert told.strategy.last.quantity == q(X1)
    assert found == [[(4 * X1, 4 * X1)], []]
    assert next(fill.data["lots"] for fill in told.rig.records("FILL")) == 4 * X1


def test_one_in_quote_currency_is_as_large_as_it_was_asked_for(tmp_path):
    """What it is in lots is what a price made of it."""
    script = {3: lambda s: setattr(s, "last", s.order_factory.market(INS.id, BUY, q(3_000), quote_quantity=True)),
              4: lambda s: s.submit_order(s.last)}  # fmt: skip
    asked, _, _ = killed(tmp_path, script, 5, {}, latency=LatencyModel(60_000_000_000))
    assert (asked[0].quantity, asked[0].is_quote_quantity) == (q(3_000), True)


def test_one_that_is_opened_twice_has_each_fill_once(tmp_path):
    """Nautilus gave up its cancel, and it may work still."""
    asked, found, told = [], [], []
    told.append(Told(tmp_path, {
        2: limit(BUY, 4 * X1, 64_000),
        5: tell(ended),
        6: tell(lambda order: filled(order, X1, "t1")),
        7: keep_cancels(told, asked),
        8: command("kill"),
        9: tell(lambda order: ended(order, **NO_ANSWER)),
        10: passes(told, 1),
        12: see(found, lambda: others(told)),
    }))  # fmt: skip
    told[0].run()
    assert len({id(order) for order in asked}) == 2
    assert found == [[(3 * X1, 4 * X1)]]


@pytest.mark.req("DOL-KILL-002")
@pytest.mark.parametrize("name", ["reopened", "OrderPendingCancel"])
def test_what_went_wrong_once_is_tried_again(tmp_path, monkeypatch, name):
    asked, failed, told = [], [], []
    module = unknown if name == "reopened" else reopening
    real = getattr(module, name)

    def planted(*args):
        failed.append(name)
        if len(failed) == 1:
            raise ValueError("planted")
        return real(*args)

    told.append(Told(tmp_path, {
        3: limit(BUY, X1, 64_000),
        4: chain(lambda s: monkeypatch.setattr(module, name, planted), keep_cancels(told, asked), tell(ended)),
        5: command("kill"),
        7: passes(told, 1),
    }))  # fmt: skip
    told[0].rig.run(quotes(INS, [65_000] * 16))
    assert "planted" in told[0].rig.guard.failures[0]
    assert asked[0].status == OrderStatus.PENDING_CANCEL


@pytest.mark.req("DOL-ORDER-008", "DOL-EXIT-001")
@pytest.mark.parametrize("kill", [True, False])
def test_an_exit_of_unknown_fate_makes_no_other_wait(tmp_path, kill):
    """Opened again for its cancel or not: nobody knows whether it is on its way, and the position goes."""
    asked, found, told = [], [], []

    def exit_(s):
        s.last = s.order_factory.market(INS.id, SELL, q(X1))
        s.submit_order(s.last)

    def leaving():
        return [working.leaving() for working in told[0].parts.book.working.values() if not working.own]

    told.append(Told(tmp_path, {
        2: market(BUY, X1),
        8: chain(exit_, keep_cancels(told, asked), tell(ended), *([command("kill")] if kill else [])),
        9: chain(see(found, leaving), exit_),
        10: see(found, lambda: [record.data["leaving_lots"] for record in told[0].rig.records("ORDER")][-1]),
    }, latency=SLOW))  # fmt: skip
    told[0].run()
    assert found == [[False], 0]


# --- restarts ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-ORDER-008")
def test_after_a_restart_it_is_as_large_as_it_was_when_it_was_noted(tmp_path):
    cut, found, told = [], [], []
    script = {2: limit(BUY, 20 * X1, 64_000), 3: lambda s: cut.append(int(s.last.quantity))}
    Told(tmp_path, script | {4: tell(lambda order: ended(order, **GIVEN_UP))}).run()
    told.append(Again(tmp_path, {
        2: keep_cancels(told, []),
        3: command("kill"),
        4: see(found, lambda: others(told)),
    }))  # fmt: skip
    told[0].run()
    assert found == [[(cut[0], cut[0])]]


def test_a_line_of_an_earlier_version_is_as_it_was_made(tmp_path):
    name = first(tmp_path)
    ((_, text),) = folded(str(tmp_path / "journal.jsonl")).book.aside.unknown.values()
    said = json.loads(text)
    assert said.pop("quantity") == str(4 * X1)
    assert said.pop("quote_quantity") is False
    order = read(json.dumps(said))
    assert (order.client_order_id.value, order.quantity, order.status) == (name, q(4 * X1), OrderStatus.SUBMITTED)


def test_one_that_was_made_in_quote_currency_and_converted_is_read_as_what_it_is(tmp_path):
    s = Scripted(INS, {3: market(BUY, 3_000, quote_quantity=True)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 8))
    (order,) = s.cache.orders()
    assert not order.is_quote_quantity
    found = read(written(order, order.quantity, AccountId("SIM-001")))
    assert found.init_event.quote_quantity
    assert (found.quantity, found.is_quote_quantity) == (order.quantity, False)
    assert order.quantity != q(3_000)


@pytest.mark.req("DOL-ORDER-008")
def test_where_none_counts_what_an_earlier_run_noted_is_done_with(tmp_path):
    """Turned on again, it does not count what was then."""
    first(tmp_path)
    rig = Rig(tmp_path, INS, resume="always").add(Scripted(INS, {2: market(BUY, 5 * X1)}))  # simulated: none counts
    rig.run(quotes(INS, [65_000] * 6, start_ns=T0 + 200 * S))
    assert rig.records("ORDER")[-1].data["fx"][-1][1] == 5 * X1
    assert folded(str(rig.journal)).book.aside.unknown == {}
    replays(rig.journal)
