"""An execution algorithm's part beside the order that it is a part of, where that works itself: both count.

Found by the model (docs/design/order-authority.md): the part was judged without it, and the book held ten times equity.
"""

import pytest
from nautilus_trader.examples.algorithms.twap import TWAPExecAlgorithm
from nautilus_trader.execution.algorithm import ExecAlgorithm
from nautilus_trader.execution.config import ExecAlgorithmConfig
from nautilus_trader.execution.messages import SubmitOrder
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.identifiers import ExecAlgorithmId
from nautilus_trader.model.objects import Price

from dolphin.nautilus.gates import Gates
from dolphin.nautilus.made_up import asked_for
from tests.nautilus.rig import Rig, Scripted, quotes, replays
from tests.nautilus.test_gates import BUY, INS, X1, limit, px, q


class Twice(ExecAlgorithm):
    """Sends the order that it was given, and a part as large beside it."""

    def __init__(self):
        super().__init__(ExecAlgorithmConfig(exec_algorithm_id=ExecAlgorithmId("TWICE")))

    def on_order(self, order):
        self.submit_order(order)
        part = self.spawn_market(order, quantity=q(5 * X1), time_in_force=TimeInForce.FOK, reduce_primary=False)
        self.submit_order(part)


def whole(s):
    s.submit_order(
        s.order_factory.limit(INS.id, BUY, q(5 * X1), px(64_500), exec_algorithm_id=ExecAlgorithmId("TWICE"))
    )


@pytest.mark.req("DOL-ORDER-001")
def test_a_part_is_judged_beside_the_order_that_it_is_a_part_of_where_that_works(tmp_path):
    s = Scripted(INS, {3: whole})
    rig = Rig(tmp_path, INS).add(s)
    rig.engine.add_exec_algorithm(Twice())
    rig.run(quotes(INS, [65_000] * 20 + [64_400] * 5))
    assert rig.guard.failures == []
    replays(rig.journal)
    held = [float(event.quantity) for event in s.events if hasattr(event, "peak_qty")]
    assert max(held) <= 6.1 * X1  # 10 * X1 until the guard trims it


@pytest.mark.req("DOL-ORDER-001")
def test_between_the_gates_the_order_is_parked_no_more(tmp_path, monkeypatch):
    """Live, an order waits in a queue there, and says of itself that it was never sent."""
    seen = []
    at_exec = Gates.at_exec

    def looked(self, command, forward):
        if isinstance(command, SubmitOrder):
            seen.append((command.order.status_string(), self._book.parked(command.order.client_order_id.value)))
        at_exec(self, command, forward)

    monkeypatch.setattr(Gates, "at_exec", looked)
    rig = Rig(tmp_path, INS).add(Scripted(INS, {3: whole}))
    rig.engine.add_exec_algorithm(Twice())
    rig.run(quotes(INS, [65_000] * 10))
    assert seen[0] == ("INITIALIZED", False)
    assert rig.guard.parts.book._judged <= set(rig.guard.parts.book.working)


class Refused(ExecAlgorithm):
    """Takes a part off its order at a price that Nautilus refuses, and is given the part back: nobody is told.

    Nautilus 1.231 hears of its parts from its second order on, and gives back less where a quantity takes 128 bits.
    """

    def __init__(self):
        super().__init__(ExecAlgorithmConfig(exec_algorithm_id=ExecAlgorithmId("REFUSED")))

    def on_order(self, order):
        self.submit_order(self.spawn_limit(order, quantity=q(X1), price=Price.from_str("0.6450001")))


@pytest.mark.req("DOL-ORDER-001")
def test_an_order_counts_with_what_is_given_back_to_it(tmp_path):
    counted = []

    def given(s):
        s.order = s.order_factory.market(INS.id, BUY, q(2 * X1), exec_algorithm_id=ExecAlgorithmId("REFUSED"))
        s.submit_order(s.order)

    def another(s):
        s.submit_order(s.order_factory.market(INS.id, BUY, q(1_000)))
        counted.append(rig.guard.parts.book.working[s.order.client_order_id.value].lots)

    s = Scripted(INS, {3: given, 4: given, 6: another})
    rig = Rig(tmp_path, INS).add(s)
    rig.engine.add_exec_algorithm(Refused())
    rig.run(quotes(INS, [65_000] * 10))
    assert {order.status_string() for order in rig.engine.cache.orders() if order.is_spawned} == {"DENIED"}
    assert s.order.leaves_qty > q(X1)
    assert counted == [int(s.order.leaves_qty)]  # X1, as if it still were without the part
    replays(rig.journal)


class Stale(ExecAlgorithm):
    """Sends a child of a thousand, and upon each fill the next: so many, and whether it takes them off their parent."""

    def __init__(self, times, reduce_primary=False):
        super().__init__(ExecAlgorithmConfig(exec_algorithm_id=ExecAlgorithmId("STALE")))
        self.times = times
        self.reduce_primary = reduce_primary
        self.parent = None

    def on_order(self, order):
        self.parent = order
        self.send()

    def on_order_filled(self, event):
        self.send()

    def send(self):
        if self.times > 0:
            self.times -= 1
            self.submit_order(self.spawn_market(self.parent, quantity=q(1_000), reduce_primary=self.reduce_primary))


def of_a_parent(path, times, quantity=3_000, reduce_primary=False, **more):
    """A parent, and what comes of its children: the run, and how many of them filled."""

    def send(s):
        more.setdefault("quote_quantity", False)
        s.last = s.order_factory.market(INS.id, BUY, q(quantity), exec_algorithm_id=ExecAlgorithmId("STALE"), **more)
        s.submit_order(s.last)

    s = Scripted(INS, {3: send})
    rig = Rig(path, INS).add(s)
    rig.engine.add_exec_algorithm(Stale(times, reduce_primary))
    rig.run(quotes(INS, [65_000] * 20))
    assert rig.guard.failures == []
    replays(rig.journal)
    parts = [order for order in s.cache.orders() if "-E" in order.client_order_id.value]
    return rig, [order.status_string() for order in parts].count("FILLED")


@pytest.mark.req("DOL-ORDER-009", "DOL-KILL-001")
def test_children_that_fill_more_than_their_parent_trip_the_latch(tmp_path):
    """What sends them has lost count. The first that is too much fills; the kill takes back what they bought."""
    rig, filled = of_a_parent(tmp_path, 10)
    assert filled == 4
    assert rig.guard.parts.guard.state.latch.cause.name == "LEDGER_DESYNC"
    fault = next(r.data for r in rig.records("FAULT"))
    assert fault["x"]["what"] == "the parts of an order have filled more than it was"
    assert rig.engine.cache.positions_open() == []


@pytest.mark.parametrize("reduce_primary", [True, False])
def test_children_that_fill_their_parent_are_what_they_should_be(tmp_path, reduce_primary):
    rig, filled = of_a_parent(tmp_path, 3, reduce_primary=reduce_primary, quantity=4_000)
    assert filled == 3
    assert rig.guard.parts.guard.running()


def test_a_parent_that_is_made_larger_was_meant_to_fill_more(tmp_path):
    """Through the cache: what a change put to it counts, and what an algorithm took off it does not."""
    found = []

    def change(s):
        s.modify_order(s.last, quantity=q(5_000))

    s = Scripted(INS, {
        3: limit(BUY, 3_000, 64_000),
        5: change,
        6: lambda s: s.modify_order(s.last, quantity=q(4_000)),
        8: lambda s: found.append(asked_for(s.last)),
    })  # fmt: skip
    Rig(tmp_path, INS).add(s).run(quotes(INS, [65_000] * 10))
    assert found == [5_000]


def test_of_a_parent_in_quote_currency_nobody_knows_how_much_it_was(tmp_path):
    rig, filled = of_a_parent(tmp_path, 5, quantity=3_000, quote_quantity=True)
    assert filled == 5
    assert rig.guard.parts.guard.running()


@pytest.mark.req("DOL-ORDER-009")
@pytest.mark.parametrize("quote_quantity", [True, False])
@pytest.mark.parametrize("interval_secs", [2, 4], ids=["in parts", "at once"])
def test_an_order_of_nautilus_own_algorithm_is_what_it_should_be(tmp_path, quote_quantity, interval_secs):
    """Its last part is the order itself, which the venue converts: before, it was so much of another currency."""

    def send(s):
        s.last = s.order_factory.market(
            INS.id, BUY, q(3_000), quote_quantity=quote_quantity, exec_algorithm_id=ExecAlgorithmId("TWAP"),
            exec_algorithm_params={"horizon_secs": 4, "interval_secs": interval_secs},
        )  # fmt: skip
        s.submit_order(s.last)

    s = Scripted(INS, {3: send})
    rig = Rig(tmp_path, INS).add(s)
    rig.engine.add_exec_algorithm(TWAPExecAlgorithm())
    rig.run(quotes(INS, [65_000] * 20))
    assert s.last.status_string() == "FILLED"
    assert rig.guard.failures == []
    assert rig.guard.parts.guard.running()
    replays(rig.journal)
