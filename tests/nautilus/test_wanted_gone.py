"""What the operator wanted gone is still to go after a restart, until it is flat; and nothing else is."""

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import LiquiditySide, OmsType, OrderSide, OrderType
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    PositionId,
    StrategyId,
    TradeId,
    TraderId,
    VenueOrderId,
)
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.position import Position

from dolphin.app.actor import DolphinGuard
from dolphin.audit import pipeline
from dolphin.journal.aside import Aside
from dolphin.nautilus.own import LEAVING, WAITING
from tests.nautilus.rig import T0, Rig, S, audusd, quotes
from tests.nautilus.test_gates import BUY, SELL, X1, market
from tests.nautilus.test_kill import command, make

INS = audusd()
NAME = "AUD/USD.SIM-S-001-001"
EXTERNAL = "AUD/USD.SIM-EXTERNAL"


def net(rig):
    return sum(position.signed_qty for position in rig.engine.cache.positions_open())


class Reconciled(DolphinGuard):
    """Starts when `held`, (position, lots), is in the cache: a backtest's engine empties that as it begins."""

    def on_start(self):
        for name, lots in self.held:
            event = OrderFilled(
                TraderId("T-1"), StrategyId(name.removeprefix("AUD/USD.SIM-")), INS.id, ClientOrderId(f"E-{name}"),
                VenueOrderId("V-1"), AccountId("SIM-001"), TradeId(f"T-{name}"), PositionId(name),
                OrderSide.BUY if lots > 0 else OrderSide.SELL, OrderType.MARKET, Quantity.from_int(abs(lots)),
                Price.from_str("0.65000"), USD, Money(0, USD), LiquiditySide.TAKER, UUID4(), T0, T0,
            )  # fmt: skip
            self.cache.add_position(Position(INS, event), OmsType.NETTING)
        super().on_start()


def first(path, script, slow=True):
    """A run whose orders take 5 s, so that what leaves near its end does not fill; what it holds."""
    latency = LatencyModel(base_latency_nanos=5 * S) if slow else None
    rig = Rig(path, INS, latency=latency).add(make(script))
    rig.run(quotes(INS, [65_000] * 20))
    held = net(rig)
    rig.guard.dispose()  # what works still keeps its journal open
    assert rig.guard.failures == []
    return held


def again(path, held=(), script=None, start=100):
    """The book is started again; `held`: (position, lots) that the venue is said to hold, as a reconciliation does."""
    heard = []
    rig = Rig(path, INS, resume="always", actor=Reconciled).add(make(script or {}))
    rig.guard.held = held
    rig.guard.on_change.append(lambda what, text: heard.append((what, text)))
    rig.run(quotes(INS, [65_000] * 20, start_ns=T0 + start * S))
    assert rig.guard.failures == []
    assert pipeline.audit(str(rig.journal)).findings == ()
    return rig, [text for what, text in heard if what == "FLATTEN"]


def sold(rig):
    """What own orders of this run were for: (position, lots)."""
    start = [record.seq for record in rig.records("RESUME")][-1]
    return [(r.data["position"], r.data["lots"], r.data["reason"]) for r in rig.records("OWN") if r.seq > start]


UNFILLED = {3: market(BUY, X1), 18: command("flatten")}


@pytest.mark.req("DOL-TRIM-009")
@pytest.mark.parametrize("name", [NAME, EXTERNAL])
def test_a_flatten_that_did_not_fill_is_still_meant_after_a_restart(tmp_path, name):
    assert first(tmp_path, UNFILLED) == X1
    rig, heard = again(tmp_path, [(name, X1)])
    assert sold(rig) == [(name, X1, "FLATTEN")]
    assert net(rig) == 0
    assert heard == []
    rig, heard = again(tmp_path, [(name, X1)], start=200)  # flat in between: this one is another
    assert sold(rig) == []
    assert net(rig) == X1
    assert heard == []


@pytest.mark.req("DOL-TRIM-009")
@pytest.mark.parametrize("held", [(EXTERNAL, X1 + 1000), (EXTERNAL, -X1), (NAME + "9", 1000)])
def test_what_is_not_surely_that_position_is_left_alone_and_the_operator_is_told(tmp_path, held):
    first(tmp_path, UNFILLED)
    rig, (heard,) = again(tmp_path, [held])
    assert sold(rig) == []
    assert net(rig) == held[1]
    assert f"{NAME} was to be flattened and is not held now; if the venue holds it, say `flatten` again" in heard


@pytest.mark.req("DOL-TRIM-009")
def test_only_the_one_that_was_named_goes(tmp_path):
    first(tmp_path, UNFILLED)
    rig, _ = again(tmp_path, [(NAME, X1), ("AUD/USD.SIM-S-002-002", X1)])
    assert sold(rig) == [(NAME, X1, "FLATTEN")]
    assert net(rig) == X1


@pytest.mark.req("DOL-TRIM-009")
def test_gone_at_a_start_it_is_forgotten_at_the_next(tmp_path):
    first(tmp_path, UNFILLED)
    _, heard = again(tmp_path)
    assert len(heard) == 1
    rig, heard = again(tmp_path, [(NAME, X1)], start=200)
    assert sold(rig) == []
    assert heard == []


@pytest.mark.req("DOL-TRIM-009")
@pytest.mark.parametrize(
    "script",
    [
        {3: market(BUY, X1), 6: command("flatten"), 9: market(BUY, X1)},
        {3: market(BUY, X1), 6: command("flatten"), 9: market(SELL, X1)},
    ],
)
def test_one_that_was_flat_in_between_is_another(tmp_path, script):
    held = first(tmp_path, script, slow=False)
    assert abs(held) == X1
    rig, heard = again(tmp_path, [(NAME, held)])
    assert sold(rig) == []
    assert net(rig) == held
    assert heard == []


def reduce(lots, name="P"):
    return "REDUCE", {"position_lots": lots, "x": {"position": name}}


def filled(side, lots, **more):
    return "FILL", {"instrument": "I", "position": "P", "side": side, "lots": lots, "price": "1", **more}


def said(verb):
    return "COMMAND", {"verb": verb, "answer": {"positions": ["P"]}}


ADOPT = "ADOPT", {"positions": ["P"]}


@pytest.mark.req("DOL-TRIM-009")
@pytest.mark.parametrize(
    ("records", "standing"),
    [
        ([ADOPT], {"P": WAITING}),
        ([ADOPT, said("adopt")], {}),
        ([ADOPT, said("flatten")], {"P": LEAVING}),
        ([ADOPT, reduce(5), said("flatten"), filled(-1, 3)], {"P": LEAVING}),
        ([ADOPT, reduce(5), said("flatten"), filled(-1, 3), filled(-1, 2)], {}),
        ([ADOPT, reduce(5), said("flatten"), filled(-1, 8)], {}),
        ([ADOPT, reduce(5), said("flatten"), filled(-1, 5, applied=0)], {"P": LEAVING}),
        ([ADOPT, filled(1, 5), filled(-1, 5)], {"P": WAITING}),
        ([said("flatten"), ("RESUME", {}), filled(1, 5), filled(-1, 5)], {"P": LEAVING}),
        ([said("flatten"), ("NOTE", {"what": "latch"})], {"P": LEAVING}),
        ([said("flatten"), ("NOTE", {"what": "wanted gone", "positions": ["Q"]})], {"Q": LEAVING}),
        ([said("flatten"), said("adopt")], {}),
        ([filled(1, 5), filled(-1, 5), said("flatten")], {}),
        ([filled(1, 5), said("kill"), said("flatten")], {"P": LEAVING}),
    ],
)
def test_what_the_records_make(records, standing):
    decided = Aside()
    for kind, data in records:
        decided.each(kind, data)
    assert decided.standing == standing
