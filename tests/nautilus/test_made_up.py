"""Fills that nobody here asked for: which of them show a ledger that is not the venue's (DOL-VENUE-001).

Through a real node they are in scenarios/live: S06 (beside), S09 (made up).
"""

from types import SimpleNamespace

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderFilled, OrderSubmitted
from nautilus_trader.model.identifiers import AccountId, ClientOrderId, StrategyId, TraderId

from dolphin.kernel.events import Fault
from dolphin.kernel.reasons import Cause
from dolphin.nautilus.made_up import beside, doubted, lessened, made_up, net
from dolphin.nautilus.working import Group
from tests.nautilus.rig import Rig, Scripted, audusd, quotes
from tests.nautilus.test_fate import filled
from tests.nautilus.test_gates import BUY, SELL, X1, market, px, q

INS = audusd()

HERE, THERE = "BTCUSDT-PERP.BINANCE", "ETHUSDT-PERP.BINANCE"


def group(lots, instrument=HERE, key="P"):
    found = Group(key, instrument, "X-001")
    found.lots = lots
    return found


def submitted():
    return OrderSubmitted(
        TraderId("T-1"), StrategyId("X-001"), INS.id, ClientOrderId("made"), AccountId("SIM-001"), UUID4(), 1, 1
    )


class Ears:
    """The guard, as far as it is told."""

    def __init__(self):
        self.told = []
        self.events = []

    def tell(self, what, text):
        self.told.append((what, text))

    def emit(self, event, note):
        self.events.append(event)


def heard(side, groups, tags=("RECONCILIATION",), reconciliation=True, of=0, sent=False):
    ears = Ears()
    order = SimpleNamespace(
        tags=None if tags is None else list(tags),
        side=side,
        client_order_id=ClientOrderId("made"),
        is_buy=side == OrderSide.BUY,
        events=[submitted()] if sent else [],
        exec_spawn_id=None,
    )
    event = SimpleNamespace(reconciliation=reconciliation)
    doubted(ears, ears.tell, None, groups, event, order, groups[of] if groups else None, 5)
    assert len(ears.told) == len(ears.events)
    assert all(what == "DESYNC" and "[DOL-VENUE-001]" in text for what, text in ears.told)
    return ears.events


@pytest.mark.req("DOL-VENUE-001")
@pytest.mark.parametrize(
    ("side", "groups", "of"),
    [
        (OrderSide.SELL, [group(0)], 0),
        (OrderSide.SELL, [group(15), group(-15, key="EXTERNAL")], 1),
        (OrderSide.SELL, [group(0), group(7, THERE)], 0),
        (OrderSide.BUY, [group(-3)], 0),
    ],
)
def test_what_is_gone_by_a_made_up_fill_is_a_desync(side, groups, of):
    assert heard(side, groups, of=of) == [Fault(5, Cause.LEDGER_DESYNC)]


@pytest.mark.req("DOL-VENUE-001")
@pytest.mark.parametrize("side", [OrderSide.BUY, OrderSide.SELL])
def test_what_the_venue_closed_and_nautilus_holds_against_it_is_a_desync(side):
    lots = 2 if side == OrderSide.SELL else -2
    groups = [group(lots), group(-lots, key="EXTERNAL")]
    assert heard(side, groups, tags=("VENUE",), of=1) == [Fault(5, Cause.LEDGER_DESYNC)]
    assert heard(side, groups, tags=None, of=1) == [Fault(5, Cause.LEDGER_DESYNC)]


@pytest.mark.parametrize(
    ("side", "groups", "tags", "reconciliation"),
    [
        (OrderSide.BUY, [group(15)], ("RECONCILIATION",), True),  # found: it counts
        (OrderSide.SELL, [group(-15)], ("RECONCILIATION",), True),
        (OrderSide.SELL, [group(0)], ("VENUE",), True),  # an order of before that rested, in its own position
        (OrderSide.SELL, [group(0)], None, True),  # a strategy's own, found filled
        (OrderSide.SELL, [group(0)], None, False),  # any fill that the venue told of
        (OrderSide.SELL, [group(3), group(-3)], None, False),  # two strategies against each other
        (OrderSide.SELL, [group(3), group(-3, THERE)], ("VENUE",), True),
        (OrderSide.SELL, [], ("RECONCILIATION",), True),  # of an instrument that nobody knows
    ],
)
def test_any_other_fill_is_none(side, groups, tags, reconciliation):
    assert heard(side, groups, tags, reconciliation) == []


@pytest.mark.parametrize("side", [OrderSide.BUY, OrderSide.SELL])
def test_a_strategys_own_fill_that_is_heard_of_late_may_stand_against_another_strategy(side):
    lots = 2 if side == OrderSide.SELL else -2
    groups = [group(lots), group(-lots, key="Q")]
    assert heard(side, groups, tags=None, of=1, sent=True) == []
    assert heard(side, groups, tags=None, of=1) == [Fault(5, Cause.LEDGER_DESYNC)]  # nobody here sent it


@pytest.mark.req("DOL-VENUE-001")
@pytest.mark.parametrize(("reported", "cause"), [(False, Cause.NONE), (True, Cause.LEDGER_DESYNC)])
def test_two_strategies_that_oppose_each_other_and_a_fill_that_is_recovered(tmp_path, reported, cause):
    """Through a real engine. After a lost stream Nautilus tells of the fill itself, marked as reconciliation."""
    long = Scripted(INS, {1: market(BUY, X1)})

    def recovered(s):
        order = s.order_factory.limit(INS.id, SELL, q(X1), px(66_000))
        if reported:  # what an engine makes of a report: a strategy that claims the instrument is given it
            s.cache.add_order(order)
        else:
            s.submit_order(order)
        fill = filled(order, X1, "recovered")
        s.msgbus.send("ExecEngine.process", OrderFilled.from_dict(OrderFilled.to_dict(fill) | {"reconciliation": True}))

    other = Scripted(INS, {3: recovered}, name="002")
    rig = Rig(tmp_path, INS).add(long, other)
    rig.run(quotes(INS, [65_000] * 8))
    assert rig.guard.parts.guard.state.latch.cause == cause
    assert rig.records("FILL")[1].data["lots"] == X1


def test_the_parts_of_the_rule():
    assert made_up(SimpleNamespace(tags=["RECONCILIATION"]))
    assert not made_up(SimpleNamespace(tags=["VENUE"]))
    assert not made_up(SimpleNamespace(tags=None))
    assert net([group(3), group(-1), group(9, THERE)], HERE) == 2
    assert lessened(-1, 0)
    assert lessened(-1, 2)
    assert not lessened(-1, -2)
    assert beside(-2, 0)
    assert not beside(2, 5)
    assert not beside(0, 5)
