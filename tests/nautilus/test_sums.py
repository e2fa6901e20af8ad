"""What works in a group, as exit, entry or protection: the sums of real orders in a real cache, each rule by itself."""

from __future__ import annotations

import pytest
from nautilus_trader.cache.cache import Cache
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import ModifyOrder
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import (
    ContingencyType,
    LiquiditySide,
    OmsType,
    OrderSide,
    TimeInForce,
)
from nautilus_trader.model.events import (
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderModifyRejected,
    OrderPendingCancel,
    OrderSubmitted,
    OrderUpdated,
)
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    ExecAlgorithmId,
    PositionId,
    StrategyId,
    TradeId,
    TraderId,
    VenueOrderId,
)
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import LimitOrder, MarketOrder
from nautilus_trader.model.position import Position
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.nautilus.book import Book
from dolphin.nautilus.translate import scale_of
from dolphin.nautilus.working import Sums

INS = TestInstrumentProvider.default_fx_ccy("AUD/USD")
TRADER, STRATEGY, ACCOUNT = TraderId("T-1"), StrategyId("S-1"), AccountId("SIM-1")
BUY, SELL = OrderSide.BUY, OrderSide.SELL
NETTED = PositionId(f"{INS.id}-{STRATEGY}")


class Desk:
    """A book over a cache of its own. Orders are made, worked and filled by Nautilus' own events."""

    def __init__(self):
        self.cache = Cache(None)
        self.cache.add_instrument(INS)
        self.book = Book(self.cache, {INS.id.value: scale_of(INS)})
        self.made = 0

    def name(self):
        self.made += 1
        return f"O-{self.made}"

    def limit(self, side, lots, name=None, **kw):
        linked = kw.pop("linked", None)
        parent = kw.pop("parent", None)
        algorithm = kw.pop("algorithm", None)
        order = LimitOrder(
            TRADER, STRATEGY, INS.id, ClientOrderId(name or self.name()), side, Quantity.from_int(lots),
            Price.from_str("0.65000"), UUID4(), 0,
            linked_order_ids=None if linked is None else [ClientOrderId(each) for each in linked],
            parent_order_id=None if parent is None else ClientOrderId(parent),
            exec_algorithm_id=None if algorithm is None else ExecAlgorithmId(algorithm),
            exec_spawn_id=None if algorithm is None else ClientOrderId(f"O-{self.made}"), **kw,
        )  # fmt: skip
        return self.worked(order)

    def market(self, side, lots, name=None, **kw):
        name = ClientOrderId(name or self.name())
        return self.worked(MarketOrder(TRADER, STRATEGY, INS.id, name, side, Quantity.from_int(lots), UUID4(), 0, **kw))

    def worked(self, order, position_id=None):
        self.cache.add_order(order, position_id)
        order.apply(OrderSubmitted(TRADER, STRATEGY, INS.id, order.client_order_id, ACCOUNT, UUID4(), 0, 0))
        venue = VenueOrderId(f"V-{order.client_order_id}")
        order.apply(OrderAccepted(TRADER, STRATEGY, INS.id, order.client_order_id, venue, ACCOUNT, UUID4(), 0, 0))
        self.cache.update_order(order)
        self.book.seen(order, position_id)
        return order

    def fill(self, order, lots, position_id=NETTED):
        return OrderFilled(
            TRADER, STRATEGY, INS.id, order.client_order_id, VenueOrderId(f"V-{order.client_order_id}"), ACCOUNT,
            TradeId(f"T-{self.name()}"), position_id, order.side, order.order_type, Quantity.from_int(lots),
            Price.from_str("0.65000"), USD, Money(0, USD), LiquiditySide.TAKER, UUID4(), 0, 0,
        )  # fmt: skip

    def hold(self, side, lots):
        order = self.market(side, lots, name=f"IN-{self.name()}")
        event = self.fill(order, lots)
        order.apply(event)
        position = Position(INS, event)
        self.cache.add_position(position, OmsType.NETTING)
        self.book.seen(order, None)
        return self.book.position(position)

    def sums(self):
        return self.book.group(INS.id, STRATEGY, None).summed()


@pytest.fixture
def desk():
    return Desk()


def test_nothing_works(desk):
    assert desk.sums() == Sums(0, 0, 0, 0, 0)


def test_flat_orders_are_entries_on_their_side(desk):
    desk.limit(BUY, 30)
    desk.limit(SELL, 20)
    assert desk.sums() == Sums(0, 0, 30, 20, 0)


@pytest.mark.parametrize(("side", "other"), [(BUY, SELL), (SELL, BUY)])
def test_what_opposes_is_an_exit_up_to_the_position_and_an_entry_beyond(desk, side, other):
    desk.hold(side, 100)
    desk.limit(side, 10)
    desk.limit(other, 60)
    desk.limit(other, 70)
    beyond = {BUY: (10, 30), SELL: (30, 10)}[side]
    assert desk.sums() == Sums(130, 0, *beyond, 0)


def test_a_reduce_only_order_is_never_an_entry(desk):
    desk.hold(BUY, 100)
    desk.limit(SELL, 500, reduce_only=True)
    desk.limit(BUY, 7, reduce_only=True)
    assert desk.sums() == Sums(500, 0, 0, 0, 0)


def test_protection_beside_plain_exits_counts_the_plain_ones_only(desk):
    desk.hold(BUY, 100)
    desk.limit(SELL, 80, reduce_only=True)
    desk.limit(SELL, 50)
    assert desk.sums() == Sums(130, 0, 0, 30, 0)


def test_what_executes_at_once_is_leaving_and_not_resting(desk):
    desk.hold(BUY, 100)
    desk.market(SELL, 40)
    desk.limit(SELL, 30, time_in_force=TimeInForce.IOC)
    desk.limit(SELL, 20, algorithm="TWAP")
    assert desk.sums() == Sums(20, 0, 0, 0, 70)


@pytest.mark.parametrize("kind", [ContingencyType.OCO, ContingencyType.OUO])
def test_a_contingent_group_counts_as_its_largest_member(desk, kind):
    desk.limit(BUY, 40, "A", contingency_type=kind, linked=["B"])
    desk.limit(BUY, 60, "B", contingency_type=kind, linked=["A"])
    assert desk.sums() == Sums(0, 0, 60, 0, 0)


def test_a_link_that_is_not_returned_groups_nothing(desk):
    desk.limit(BUY, 40, "A", contingency_type=ContingencyType.OCO, linked=["B"])
    desk.limit(BUY, 60, "B")
    assert desk.sums() == Sums(0, 0, 100, 0, 0)


def test_children_that_undo_their_unfilled_parent_are_no_entries_as_far_as_they_go(desk):
    desk.limit(BUY, 50, "P", contingency_type=ContingencyType.OTO, linked=["A", "B"])
    desk.limit(SELL, 50, "A", parent="P")
    assert desk.sums() == Sums(0, 0, 50, 0, 0)
    desk.limit(SELL, 20, "B", parent="P")
    assert desk.sums() == Sums(0, 0, 50, 20, 0)
    desk.limit(BUY, 8, "C", parent="P")
    assert desk.sums() == Sums(0, 0, 58, 20, 0)
    desk.limit(SELL, 90, "D", parent="P", reduce_only=True)
    assert desk.sums() == Sums(0, 0, 58, 20, 0)


def test_a_child_whose_parent_has_filled_is_an_order_like_any_other(desk):
    parent = desk.limit(BUY, 50, "P", contingency_type=ContingencyType.OTO, linked=["A"])
    desk.limit(SELL, 50, "A", parent="P")
    parent.apply(desk.fill(parent, 20))
    desk.book.seen(parent, None)
    assert desk.sums() == Sums(0, 0, 30, 50, 0)


def test_a_child_whose_parent_is_in_another_group_undoes_nothing(desk):
    parent = desk.limit(BUY, 50, "P", contingency_type=ContingencyType.OTO, linked=["A"])
    desk.limit(SELL, 50, "A", parent="P")
    desk.book.seen(parent, PositionId("P-2"))
    assert desk.sums() == Sums(0, 0, 0, 50, 0)
    assert desk.book.group(INS.id, STRATEGY, PositionId("P-2")).summed() == Sums(0, 0, 50, 0, 0)


def test_what_is_being_cancelled_is_no_exit_but_still_an_entry(desk):
    desk.hold(BUY, 100)
    leaving, entering = desk.limit(SELL, 100), desk.limit(BUY, 10)
    for order in (leaving, entering):
        venue = VenueOrderId(f"V-{order.client_order_id}")
        order.apply(OrderPendingCancel(TRADER, STRATEGY, INS.id, order.client_order_id, venue, ACCOUNT, UUID4(), 0, 0))
        desk.book.seen(order, None)
    assert desk.sums() == Sums(0, 0, 10, 0, 0)
    assert desk.book.group(INS.id, STRATEGY, None).exits() == []
    assert not desk.book.flat()


def asks(working, lots=None, price=None, trigger=None):
    """A modify on its way, as the gates tell of it."""
    order = working.order
    quantity = None if lots is None else Quantity.from_int(lots)
    command = ModifyOrder(
        TRADER, STRATEGY, INS.id, order.client_order_id, None, quantity, price, trigger, UUID4(), 0
    )  # fmt: skip
    working.asked(command)
    working.becoming(int(order.leaves_qty) if lots is None else lots)


def updated(working, lots, price="0.65000", trigger=None):
    """What the venue says of the order."""
    order = working.order
    return OrderUpdated(
        TRADER, STRATEGY, INS.id, order.client_order_id, None, ACCOUNT, Quantity.from_int(lots),
        None if price is None else Price.from_str(price), trigger, UUID4(), 0, 0,
    )  # fmt: skip


def refused(working):
    name = working.order.client_order_id
    return OrderModifyRejected(TRADER, STRATEGY, INS.id, name, None, ACCOUNT, "no", UUID4(), 0, 0)


@pytest.mark.parametrize("sizes", [(40, 30), (30, 40)])
def test_a_modify_in_flight_counts_as_the_larger_until_it_is_answered(desk, sizes):
    order = desk.limit(BUY, 10)
    working = desk.book.working[order.client_order_id.value]
    for lots in sizes:
        asks(working, lots)
    for lots in sizes:
        assert desk.sums().buy == 40
        working.answered(updated(working, lots))
    assert desk.sums().buy == 10


def test_a_refused_modify_is_in_flight_no_more(desk):
    order = desk.limit(BUY, 10)
    working = desk.book.working[order.client_order_id.value]
    asks(working, 40)
    asks(working, 50)
    working.answered(refused(working))
    assert desk.sums().buy == 50
    working.answered(updated(working, 40))
    assert desk.sums().buy == 10
    asks(working, 40)
    working.answered(updated(working, 50))  # nobody waits for it any more
    assert desk.sums().buy == 40


@pytest.mark.parametrize(
    ("lots", "price", "trigger", "said"),
    [
        (40, None, None, (12, "0.65000", None)),
        (40, "0.66000", None, (40, "0.65000", None)),
        (None, "0.66000", None, (12, "0.65000", None)),
        (40, None, "0.61000", (40, "0.65000", "0.62000")),
    ],
)
def test_an_update_that_nobody_asked_for_answers_no_modify(desk, lots, price, trigger, said):
    order = desk.limit(BUY, 10)
    working = desk.book.working[order.client_order_id.value]
    asks(working, 50)
    working.answered(updated(working, 50))
    price, trigger = (None if each is None else Price.from_str(each) for each in (price, trigger))
    asks(working, lots, price, trigger)
    working.becoming(45)
    size, at, stop = said
    working.answered(updated(working, size, at, None if stop is None else Price.from_str(stop)))
    assert desk.sums().buy == 45
    working.answered(updated(working, lots or 10, None if price is None else str(price), trigger))
    assert desk.sums().buy == 10


def test_an_order_that_closes_is_forgotten_and_so_is_its_group(desk):
    order = desk.limit(BUY, 10)
    venue = VenueOrderId(f"V-{order.client_order_id}")
    order.apply(OrderCanceled(TRADER, STRATEGY, INS.id, order.client_order_id, venue, ACCOUNT, UUID4(), 0, 0))
    assert desk.book.again(desk.book.working[order.client_order_id.value]) is None
    assert desk.book.groups == {}
    assert desk.book.working == {}
    assert desk.book.flat()


def test_the_guards_own_orders_are_apart(desk):
    desk.hold(BUY, 100)
    desk.book.own_ids.add("DOLPHIN-x")
    desk.market(SELL, 100, name="DOLPHIN-x", reduce_only=True)
    assert desk.sums() == Sums(0, 100, 0, 0, 0)
    assert desk.book.group(INS.id, STRATEGY, None).increasing() == []


def test_without_leaves_out_what_is_named(desk):
    desk.limit(BUY, 10, "A")
    desk.limit(BUY, 20, "B")
    assert desk.book.group(INS.id, STRATEGY, None).without(frozenset(("A",))) == Sums(0, 0, 20, 0, 0)


def test_which_orders_a_kill_cancels(desk):
    """All but protection: of plain opposing orders the oldest stay, up to the position."""
    desk.hold(BUY, 100)
    desk.limit(SELL, 60, "first")
    desk.limit(SELL, 60, "second")
    desk.limit(SELL, 500, "stop", reduce_only=True)
    desk.limit(BUY, 1, "more")
    desk.limit(BUY, 1, "odd", reduce_only=True)
    desk.limit(SELL, 30, "A", contingency_type=ContingencyType.OCO, linked=["B"])
    desk.limit(SELL, 40, "B", contingency_type=ContingencyType.OCO, linked=["A"])
    found = [working.cid for working in desk.book.group(INS.id, STRATEGY, None).increasing()]
    assert found == ["second", "more"]


def test_flat_a_reduce_only_order_protects_nothing(desk):
    desk.limit(SELL, 500, "stop", reduce_only=True)
    assert [working.cid for working in desk.book.group(INS.id, STRATEGY, None).increasing()] == ["stop"]


def test_which_exits_may_be_displaced(desk):
    desk.hold(BUY, 100)
    desk.limit(SELL, 10, "old")
    desk.limit(SELL, 10, "new")
    desk.limit(SELL, 10, "stop", reduce_only=True)
    desk.market(SELL, 10, name="gone")
    desk.book.own_ids.add("DOLPHIN-x")
    desk.market(SELL, 10, name="DOLPHIN-x")
    assert [working.cid for working in desk.book.group(INS.id, STRATEGY, None).exits()] == ["new", "old"]


def test_the_cache_is_taken_over_at_the_start(desk):
    desk.hold(SELL, 100)
    desk.limit(BUY, 40)
    desk.market(BUY, 100, name="DOLPHIN-old", reduce_only=True)
    book = Book(desk.cache, {INS.id.value: scale_of(INS)})
    book.loaded()
    assert book.own_ids == {"DOLPHIN-old"}
    (group,) = book.groups.values()
    assert group.lots == -100
    assert group.summed() == Sums(40, 100, 0, 0, 0)


def test_children_that_were_given_a_position_are_with_it_at_the_start(desk):
    """HEDGING: their parent was filled in an earlier run. So they stay, whatever is heard of them next."""
    desk.hold(BUY, 100)
    child = desk.limit(SELL, 100, "A", parent="P", reduce_only=True)
    desk.cache.add_position_id(PositionId("P-1"), INS.id.venue, child.client_order_id, STRATEGY)
    book = Book(desk.cache, {INS.id.value: scale_of(INS)})
    book.loaded()
    for _ in range(2):
        assert book.working["A"].group.key == "P-1"
        book.again(book.working["A"])


def test_what_is_left_of_an_order_is_with_the_position_that_it_opened(desk):
    order = desk.limit(BUY, 50, "A")
    working = desk.book.working["A"]
    first = working.group
    order.apply(desk.fill(order, 20, PositionId("P-7")))
    assert desk.book.again(working) is working
    assert (working.group.key, list(working.group.orders), first.orders) == ("P-7", ["A"], {})
    assert list(desk.book.groups) == ["P-7"]
    assert working.group.summed() == Sums(0, 0, 30, 0, 0)


def test_a_fill_that_made_no_position_changes_none(desk):
    order = desk.limit(BUY, 50)
    assert desk.book.filled(order, desk.fill(order, 20, PositionId("P-7"))) is None
    assert desk.book.held() == []
