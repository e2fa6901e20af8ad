"""Orders of unknown fate that a kill cancels, and that a restart does not forget. Through a real engine.

What makes them such is in test_fate.py; on a real adapter and a venue that answers 503 they are in scenarios/live: S8e,
S8f.
"""

import json

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.events import OrderCanceled, OrderCancelRejected
from nautilus_trader.model.identifiers import AccountId

from dolphin.journal.folding import folded
from dolphin.nautilus import reopening, unknown
from dolphin.nautilus.reopening import read
from tests.nautilus.rig import T0, Rig, S, Scripted, quotes
from tests.nautilus.test_fate import (
    GIVEN_UP,
    INS,
    MARGIN,
    SPAN_NS,
    Told,
    accepted,
    ended,
    filled,
    passes,
    see,
    tell,
)  # fmt: skip
from tests.nautilus.test_gates import BUY, SELL, X1, limit, market
from tests.nautilus.test_kill import chain

SLOW = LatencyModel(base_latency_nanos=1_500_000_000)
"""An answer comes two quotes later."""


def command(verb):
    return lambda s: s.command(verb)


def venue(told):
    """One that has the order, and takes its cancel. The simulator is none: it shares the object that is closed."""

    def answer(s):
        told[0].unknown._cancel = lambda order: s.msgbus.send("ExecEngine.process", ended(order, OrderCanceled))

    return answer


def keep_cancels(told, found):
    """What is asked of the venue goes to `found`, and is not answered."""
    return lambda s: setattr(told[0].unknown, "_cancel", found.append)


def cancel_rejected(order, reason):
    return OrderCancelRejected(
        order.trader_id, order.strategy_id, order.instrument_id, order.client_order_id, order.venue_order_id,
        AccountId("SIM-001"), reason, UUID4(), order.ts_init, order.ts_init,
    )  # fmt: skip


def standing(told):
    """What Nautilus has of the strategy's last order, and what the guard counts."""
    last = told.strategy.last
    return told.parts.cache.order(last.client_order_id).status, told.unknown.told()


@pytest.mark.req("DOL-KILL-002", "DOL-ORDER-008")
@pytest.mark.parametrize("how", [{}, GIVEN_UP], ids=["works", "nobody knows"])
def test_a_kill_cancels_what_nautilus_has_closed(tmp_path, how):
    found, told = [], []
    told.append(Told(tmp_path, {
        2: market(BUY, X1),
        3: limit(BUY, 2 * X1, 64_000),
        4: chain(venue(told), tell(lambda order: ended(order, **how))),
        5: command("kill"),
        7: lambda s: found.append((*standing(told[0]), told[0].parts.book.flat())),
    }))  # fmt: skip
    told[0].run()
    assert found == [(OrderStatus.CANCELED, {}, True)]
    assert told[0].strategy.names().count("OrderCanceled") == 1
    assert [note["counts_lots"] for note in told[0].notes()] == [2 * X1, 0]
    assert [note["why"] for note in told[0].notes()][-1] == "its fate was told"


def test_a_doubt_that_comes_after_the_kill_is_cancelled_as_well(tmp_path):
    """It was on its way, and its cancel too; the answer to both is that nobody knows."""
    found, told = [], []
    told.append(Told(tmp_path, {
        2: limit(BUY, X1, 64_000),
        3: venue(told),
        6: lambda s: setattr(told[0].parts.killing, "_sweeping", True),  # the sweep of the kill came before this order
        7: command("kill"),
        8: chain(tell(ended), lambda s: setattr(told[0].parts.killing, "_sweeping", False)),
        9: see(found, lambda: standing(told[0])),
        10: passes(told, 1),
        14: see(found, lambda: standing(told[0])),
    }, latency=SLOW))  # fmt: skip
    told[0].run()
    assert found[0][0] == OrderStatus.REJECTED
    assert list(found[0][1].values()) == [X1]
    assert found[1] == (OrderStatus.CANCELED, {})


def test_what_was_heard_of_it_is_in_the_order_that_is_opened_again(tmp_path):
    found = []
    told = Told(tmp_path, {
        2: limit(BUY, 4 * X1, 64_000),
        3: tell(ended),
        4: chain(tell(accepted), tell(accepted)),
        5: tell(lambda order: filled(order, X1, "t1")),
        6: tell(lambda order: filled(order, X1, "t1")),
        7: lambda s: setattr(told.unknown, "_cancel", found.append),
        8: command("kill"),
        9: see(found, lambda: [working.lots for working in told.parts.book.working.values() if not working.own]),
    }, latency=SLOW)  # fmt: skip
    told.run()
    assert (found[0].filled_qty.as_double(), found[0].status) == (X1, OrderStatus.PENDING_CANCEL)
    assert [type(event).__name__ for event in found[0].events].count("OrderAccepted") == 1
    assert found[1] == [3 * X1]


@pytest.mark.parametrize(
    ("settings", "verb"), [({"mode": "report"}, "kill"), ({}, "status")], ids=["report only", "no kill"]
)
def test_nothing_is_cancelled_where_nothing_may_be(tmp_path, settings, verb):
    found, told = [], []
    told.append(Told(tmp_path, {
        2: limit(BUY, X1, 64_000),
        3: tell(ended),
        5: command(verb),
        6: passes(told, 1),
        8: see(found, lambda: standing(told[0])),
    }, **settings))  # fmt: skip
    told[0].run()
    assert found[0][0] == OrderStatus.REJECTED
    assert list(found[0][1].values()) == [X1]


def test_what_can_only_reduce_stays(tmp_path):
    found = []

    def exit_(s):
        s.last = s.order_factory.limit(
            INS.id, SELL, INS.make_qty(X1), INS.make_price(0.66), reduce_only=True
        )  # fmt: skip
        s.submit_order(s.last, position_id=s.cache.positions_open()[0].id)

    told = Told(tmp_path, {
        2: market(BUY, X1),
        3: exit_,
        4: tell(ended),
        5: command("kill"),
        7: lambda s: found.append(standing(told)[0]),
    })  # fmt: skip
    told.run()
    assert found == [OrderStatus.REJECTED]


@pytest.mark.parametrize(
    ("reason", "left"),
    [("{'code': -2011, 'msg': 'Unknown order sent.'}", 0), ("Internal error", 1)],
    ids=["not there", "no answer"],
)
def test_a_cancel_that_is_refused_is_asked_again_until_the_venue_says_that_there_is_none(tmp_path, reason, left):
    """It was accepted once, and would count without end: what the venue does not know any more works no longer."""
    found, told = [], []
    told.append(Told(tmp_path, {
        2: limit(BUY, X1, 64_000),
        5: tell(ended),
        6: keep_cancels(told, found),
        7: command("kill"),
        8: tell(lambda order: cancel_rejected(order, reason)),
        9: passes(told, SPAN_NS - 1),
        10: passes(told, SPAN_NS),
        11: lambda s: found.append(len(told[0].unknown.told())),
    }, latency=SLOW))  # fmt: skip
    told[0].run()
    assert found.pop() == left
    assert [order.client_order_id for order in found] == [told[0].strategy.last.client_order_id] * (2 + left)
    assert len({id(order) for order in found}) == 1


def test_one_that_works_is_opened_once_more_where_nautilus_gives_its_cancel_up(tmp_path):
    found, told = [], []
    told.append(Told(tmp_path, {
        2: limit(BUY, X1, 64_000),
        5: tell(ended),
        6: keep_cancels(told, found),
        7: command("kill"),
        8: tell(lambda order: ended(order, OrderCanceled, reconciliation=True)),
        9: passes(told, 1_000 * SPAN_NS),
        10: tell(lambda order: ended(order, OrderCanceled)),
        11: see(found, lambda: dict(told[0].unknown.told())),
    }, latency=SLOW))  # fmt: skip
    told[0].run()
    assert found.pop() == {}
    first, second = found
    assert first is not second
    assert first.client_order_id == second.client_order_id


def test_one_that_nautilus_gave_up_counts_for_its_time_and_is_not_asked_for_again(tmp_path):
    found, told = [], []
    told.append(Told(tmp_path, {
        2: limit(BUY, X1, 64_000),
        3: tell(ended),  # not accepted yet
        4: keep_cancels(told, found),
        5: chain(lambda s: s.clock, command("kill")),
        6: tell(lambda order: ended(order, **GIVEN_UP)),
        7: passes(told, SPAN_NS - 1),
        8: see(found, lambda: len(told[0].unknown.told())),
        9: passes(told, SPAN_NS),
        10: see(found, lambda: len(told[0].unknown.told())),
    }, latency=LatencyModel(base_latency_nanos=60_000_000_000)))  # fmt: skip
    told[0].run()
    assert len(found) == 3
    assert found[1:] == [1, 0]


def test_a_venue_that_refused_every_cancel_is_asked_again_with_the_next_row(tmp_path):
    asked = []

    def refuse(s):
        guard = told.rig.guard.parts

        def cancel(order):
            asked.append(order)
            if len(asked) < 20:
                s.msgbus.send("ExecEngine.process", cancel_rejected(order, "Internal error"))

        guard.host.cancel = cancel

    told = Told(tmp_path, {2: limit(BUY, X1, 64_000), 4: chain(refuse, command("kill"))})
    told.run((65_000,) * 40)
    assert len(asked) == 20


@pytest.mark.req("DOL-KILL-002", "DOL-KILL-005")
@pytest.mark.parametrize("name", ["reopened", "OrderPendingCancel", "_apply", "host.cancel"])
def test_what_goes_wrong_with_it_does_not_keep_the_kill(tmp_path, monkeypatch, name):
    found, told = [], []

    def planted(*_, **__):
        raise ValueError("planted")

    def plant(s):
        if name == "host.cancel":
            told[0].unknown._cancel = planted
        else:
            monkeypatch.setattr(unknown if name == "reopened" else reopening, name, planted)

    told.append(Told(tmp_path, {
        2: market(BUY, X1),
        3: limit(BUY, X1, 64_000),
        4: chain(plant, tell(ended)),
        5: command("kill"),
        7: see(found, lambda: len(told[0].parts.book.held())),
    }))  # fmt: skip
    rig = told[0].rig
    rig.run(quotes(INS, [65_000] * 24))
    assert found == [0]
    assert {"planted" in text for text in rig.guard.failures} == {True}


# --- restarts ---------------------------------------------------------------------------------------------------------


class Again(Told):
    """The same book in another run."""

    def __init__(self, path, script, **settings):
        super().__init__(path, script, resume="always", **settings)

    def begin(self, s):
        super().begin(s)
        self.unknown.begin(self.parts.decided.unknown)

    def run(self, prices=(65_000,) * 24):
        self.rig.run(quotes(INS, list(prices), start_ns=T0 + 200 * S))
        assert self.rig.guard.failures == []
        self.rig.engine.dispose()
        return self


def first(path, *more, how=GIVEN_UP):
    """A run that ends while nobody knows of an entry of four times; its id."""
    script = {2: limit(BUY, 4 * X1, 64_000), 3: tell(lambda order: ended(order, **how))}
    script |= dict(enumerate(more, 4))
    return Told(path, script).run().strategy.last.client_order_id.value


@pytest.mark.req("DOL-ORDER-008")
def test_a_restart_counts_what_the_run_before_it_did_not_know(tmp_path):
    name = first(tmp_path)
    found, told = [], []
    told.append(Again(tmp_path, {
        1: see(found, lambda: (told[0].unknown.told(), told[0].parts.book.flat(), told[0].parts.holding())),
        2: market(BUY, 5 * X1),
        4: passes(told, SPAN_NS - 1),
        5: market(BUY, 5 * X1),
        6: passes(told, SPAN_NS),
        7: market(BUY, 3 * X1),
    }))  # fmt: skip
    granted = told[0].run().granted()[1:]
    assert found[0][0] == {name: 4 * X1}
    assert not found[0][1]
    assert X1 < granted[0] < 2.01 * X1
    assert granted[1] == 0
    assert granted[2] == 3 * X1
    assert [text for what, text in told[0].said if what == "UNKNOWN"] != []
    assert folded(str(told[0].rig.journal)).book.aside.unknown == {}


@pytest.mark.req("DOL-KILL-002", "DOL-ORDER-008")
def test_after_a_restart_a_kill_cancels_it_by_the_name_that_it_had(tmp_path):
    name = first(tmp_path)
    found, told = [], []
    told.append(Again(tmp_path, {
        2: lambda s: setattr(told[0].unknown, "_cancel", found.append),
        3: command("kill"),
        4: see(found, lambda: bool(told[0].parts.book.flat())),
    }))  # fmt: skip
    told[0].run()
    assert [found[0].client_order_id.value, found[0].status, found[1]] == [name, OrderStatus.PENDING_CANCEL, False]
    assert found[0].strategy_id == told[0].strategy.id


def test_a_report_of_the_venue_brings_it_back_as_what_it_is(tmp_path):
    """Nautilus makes an order of its name from the report; that one counts from then on."""
    name = first(tmp_path)
    found, told = [], []

    def report(s):
        order = read(told[0].parts.decided.unknown[name][1])
        s.cache.add_order(order)
        s.msgbus.send("ExecEngine.process", accepted(order))
        found.append(told[0].unknown.told())
        found.append([(w.cid, w.lots, w.canceling) for w in told[0].parts.book.working.values()])

    told.append(Again(tmp_path, {2: report}))
    told[0].run()
    assert found == [{}, [(name, 4 * X1, False)]]
    assert told[0].notes()[-1]["why"] == "the venue told of it"


@pytest.mark.parametrize(
    ("event", "counts"),
    [(accepted, 0), (lambda order: ended(order, reason=MARGIN), 0), (ended, 1)],
    ids=["open", "refused", "closed by nobody's word"],
)
def test_what_the_cache_has_kept_of_it_decides(tmp_path, event, counts):
    name = first(tmp_path)
    found, told = [], []

    def keep(s):
        order = read(told[0].parts.decided.unknown[name][1])
        s.cache.add_order(order)
        order.apply(event(order))
        s.cache.update_order(order)
        told[0].unknown.begin(told[0].parts.decided.unknown)
        found.append(len(told[0].unknown.told()))
        s.last = order

    told.append(Again(tmp_path, {2: keep, 4: tell(accepted), 5: passes(told, 1_000 * SPAN_NS),
                                 6: see(found, lambda: len(told[0].unknown.told()))}))  # fmt: skip
    told[0].begin = lambda s: Told.begin(told[0], s)
    told[0].strategy.script[0] = told[0].begin
    told[0].run()
    assert found == [counts, counts]


def test_one_that_cannot_be_read_or_counted_is_told(tmp_path):
    name = first(tmp_path)
    told = []

    def damage(s):
        text = told[0].parts.decided.unknown[name][1]
        other = text.replace("AUD/USD.SIM", "EUR/USD.SIM")
        told[0].unknown.begin({"A": (1, "no order"), "B": (1, json.dumps({"account": "A-1"})), name: (1, other)})

    told.append(Again(tmp_path, {2: damage}))
    told[0].begin = lambda s: Told.begin(told[0], s)
    told[0].strategy.script[0] = told[0].begin
    told[0].run()
    said = [text.partition(":")[0] for what, text in told[0].said if what == "UNKNOWN"]
    assert said == ["A", "B", name]


def test_in_a_backtest_none_is_taken_up(tmp_path):
    first(tmp_path)
    rig = Rig(tmp_path, INS, resume="always").add(Scripted(INS, {2: market(BUY, 5 * X1)}))
    rig.run(quotes(INS, [65_000] * 6, start_ns=T0 + 200 * S))
    assert rig.records("ORDER")[-1].data["fx"][-1][1] == 5 * X1
