"""Fills that Nautilus publishes and that no position took: a ledger that is not the venue's trips the latch."""

from __future__ import annotations

import asyncio
import json

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.cache.cache import Cache
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import LiquiditySide, OmsType
from nautilus_trader.model.events import OrderFilled, OrderSubmitted
from nautilus_trader.model.identifiers import TradeId, VenueOrderId
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.audit import pipeline
from dolphin.audit.replay import Auditor
from dolphin.journal import read
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Mode
from dolphin.nautilus.fills import Fills, took
from dolphin.nautilus.guard import Guard
from tests.audit.make_journal import Maker
from tests.audit.mutate import rechained
from tests.nautilus.faults import Fault, functions, watch_functions
from tests.nautilus.live_node import Trader
from tests.nautilus.rig import T0, S, audusd, quotes
from tests.nautilus.test_currencies import Desk
from tests.nautilus.test_gates import BUY, SELL, X1, denials, limit, market
from tests.nautilus.test_kill import chain
from tests.nautilus.test_live import run
from tests.nautilus.test_sums import Desk as Stand

INS = audusd()


class Still(Trader):
    """Sends nothing by itself."""

    def on_quote_tick(self, tick):
        pass


DEEP = 10**9
LATE_NS = 1_500_000_000
LATE = {"latency_model": LatencyModel(base_latency_nanos=LATE_NS)}
PRICES = [65_000] * 21 + [65_060] * 20


def desk(path, script, prices=PRICES, oms=OmsType.NETTING, honoured=False, late=True, **settings):
    """A venue that does not honour reduce-only, as some do not; what it has is not what Nautilus then shows."""
    exchange = {"use_reduce_only": honoured} | (LATE if late else {})
    money = [Money(1_000_000, USD)]
    made = Desk(path, [INS], money, USD, INS, script, exchange=exchange, oms=oms, **settings)
    made.told = []
    made.guard.on_change.append(lambda what, text: made.told.append((what, text)))
    return made.run(quotes(INS, prices, size=DEEP))


def dropped(made):
    return [fill["id"][-2:] for fill in made.records("FILL") if fill.get("applied", 1) == 0]


def conforms(made):
    report = pipeline.audit(str(made.path / "journal.jsonl"))
    assert report.findings == (), [finding.lines() for finding in report.findings]


def latch(made):
    return made.guard.parts.guard.state.latch


TWICE = {
    3: market(BUY, X1),
    9: limit(SELL, X1, 65_050, reduce_only=True),
    20: market(SELL, X1, reduce_only=True),  # on its way when the limit is filled
    30: market(BUY, X1),
    34: market(SELL, X1),
}


@pytest.mark.req("DOL-KILL-007", "DOL-KILL-002")
def test_a_fill_that_no_position_took_trips_the_latch(tmp_path):
    made = desk(tmp_path, TWICE)
    assert dropped(made) == ["-3"]
    assert (latch(made).mode, latch(made).cause, latch(made).episode) == (Mode.KILLED, Cause.LEDGER_DESYNC, 1)
    (fault,) = [record for record in read(str(tmp_path / "journal.jsonl")) if record.kind == "FAULT"]
    assert fault.data["x"]["id"].endswith("-3")
    assert next(text for what, text in made.told if what == "DESYNC").endswith("[DOL-KILL-007]")
    assert denials(made.strategy)[0].startswith("KILLED")
    conforms(made)


@pytest.mark.req("DOL-KILL-005", "DOL-KILL-007")
@pytest.mark.parametrize("place", ["Fills._dropped", "Fills._of_spread", "fills._among"])
def test_a_fault_while_such_a_fill_is_told_trips_the_latch_too(tmp_path, monkeypatch, place):
    fault = Fault(place)
    fault.armed = True
    watch_functions(monkeypatch, fault, [place], functions())
    made = Desk(tmp_path, [INS], [Money(1_000_000, USD)], USD, INS, TWICE, exchange=LATE | {"use_reduce_only": False})
    made.engine.add_data(quotes(INS, PRICES, size=DEEP))
    made.engine.run()
    assert fault.fired
    assert made.guard.failures
    assert (latch(made).mode, latch(made).cause) == (Mode.KILLED, Cause.EXCEPTION)
    assert denials(made.strategy)
    made.engine.dispose()


@pytest.mark.req("DOL-KILL-007", "DOL-PLUG-002")
def test_in_report_mode_it_is_journalled_and_nothing_is_changed(tmp_path):
    twice = chain(market(SELL, X1, reduce_only=True), market(SELL, X1, reduce_only=True))
    made = desk(tmp_path, {3: market(BUY, X1), 9: twice, 20: market(BUY, X1), 30: market(SELL, 1_000)}, mode="report")
    assert dropped(made) == ["-3"]
    assert latch(made).cause == Cause.LEDGER_DESYNC
    assert [float(position.signed_qty) for position in made.positions()] == [X1 - 1_000]
    assert denials(made.strategy) == []
    conforms(made)


@pytest.mark.req("DOL-KILL-007")
def test_live_two_exits_of_one_turn_that_the_sandbox_fills_both(tmp_path):
    """In report mode, where an entry passes at a live start. The sandbox looks for the position before either fill."""

    async def act(node):
        (trader,) = node.trader.strategies()
        market(BUY, 1_000)(trader)
        await asyncio.sleep(0.2)
        trader.close_all_positions(INS.id)
        trader.close_all_positions(INS.id)

    _, guard, _ = run(tmp_path, act, trader=Still, mode="report")
    fills = [record.data for record in read(str(tmp_path / "journal.jsonl")) if record.kind == "FILL"]
    assert [fill.get("applied", 1) for fill in fills] == [1, 1, 0]
    assert guard.parts.guard.state.latch.cause == Cause.LEDGER_DESYNC
    report = pipeline.audit(str(tmp_path / "journal.jsonl"))
    assert report.findings == (), [finding.lines() for finding in report.findings]


@pytest.mark.req("DOL-KILL-007")
def test_one_for_which_there_never_was_a_position_is_one(tmp_path):
    made = desk(tmp_path, {3: market(SELL, X1, reduce_only=True)}, mode="report")
    assert dropped(made) == ["-1"]
    assert latch(made).cause == Cause.LEDGER_DESYNC
    conforms(made)


def healthy(made):
    assert dropped(made) == []
    assert latch(made).mode == Mode.RUNNING
    conforms(made)


@pytest.mark.req("DOL-KILL-007")
def test_where_the_venue_honours_the_flag_nothing_is_dropped(tmp_path):
    healthy(desk(tmp_path, TWICE, honoured=True))


FLIPS = {
    3: market(BUY, X1), 6: market(SELL, 3 * X1), 9: market(BUY, 2 * X1), 12: market(BUY, X1), 15: market(BUY, 1_000),
    18: market(SELL, 2 * X1), 21: lambda s: s.close_all_positions(INS.id), 24: market(BUY, X1),
}  # fmt: skip


@pytest.mark.req("DOL-KILL-007")
@pytest.mark.parametrize("oms", [OmsType.NETTING, OmsType.HEDGING])
@pytest.mark.parametrize("late", [False, True])
def test_flips_and_reopened_positions_take_their_fills(tmp_path, oms, late):
    """Nautilus splits a fill at zero; under HEDGING with ids of its own the rest opens another position."""
    made = desk(tmp_path, FLIPS, oms=oms, late=late, mode="report")
    assert len(made.records("FILL")) >= 8
    healthy(made)


@pytest.mark.req("DOL-KILL-007")
@pytest.mark.parametrize("oms", [OmsType.NETTING, OmsType.HEDGING])
def test_parts_of_one_order_are_taken_one_by_one(tmp_path, oms):
    made = Desk(
        tmp_path, [INS], [Money(1_000_000, USD)], USD, INS,
        {3: limit(BUY, 100_000, 65_000), 20: lambda s: s.close_all_positions(INS.id)},
        oms=oms, exchange={"liquidity_consumption": True},
    )  # fmt: skip
    made.run(quotes(INS, [65_010] * 5 + [64_990, 64_980, 64_970] * 12, size=30_000))
    assert len(made.records("FILL")) > 2
    healthy(made)


@pytest.mark.req("DOL-KILL-007")
@pytest.mark.parametrize("rounds", [1, 3])
def test_a_fill_of_which_others_hear_first_is_found_in_an_earlier_life_of_the_position(tmp_path, rounds):
    """A handler of the fills topic brings about fills before anybody else hears of the one that it was told.

    Simulated venues fill later; a client whose answer comes within its call does not.
    """
    heard = []

    def subscribed(s):
        s.msgbus.subscribe(topic=f"events.fills.{INS.id}", handler=lambda event: again(s, event))

    def again(s, event):
        heard.append(event.client_order_id.value)
        if len(heard) <= 2 * rounds:
            answered(s, s.order_factory.market(INS.id, SELL if event.is_buy else BUY, event.last_qty), event)

    def answered(s, order, event):
        s.cache.add_order(order)
        name, now_ns = order.client_order_id, s.clock.timestamp_ns()
        for told in (
            OrderSubmitted(s.trader_id, s.id, INS.id, name, event.account_id, UUID4(), now_ns, now_ns),
            OrderFilled(
                s.trader_id, s.id, INS.id, name, VenueOrderId(f"V-{name}"), event.account_id, TradeId(f"T-{name}"),
                None, order.side, order.order_type, event.last_qty, event.last_px, USD, Money(0, USD),
                LiquiditySide.TAKER, UUID4(), now_ns, now_ns,
            ),
        ):  # fmt: skip
            s.msgbus.send("ExecEngine.process", told)

    made = desk(tmp_path, {1: subscribed, 3: market(BUY, X1)}, late=False, mode="report")
    assert len(heard) == 2 * rounds + 1
    assert [fill["id"] for fill in made.records("FILL")] == list(reversed(heard))  # the first is told last
    assert dropped(made) == []
    assert latch(made).mode == Mode.RUNNING


def touched(record, kind, change):
    return record["kind"] == kind and change(record["data"])


def corrupted(made, kind, change):
    """The requirements that check d finds in a journal of which one record of this kind was changed."""
    path = made.path / "journal.jsonl"
    lines = path.read_text().splitlines()
    index = next(index for index, line in enumerate(lines) if touched(json.loads(line), kind, change))
    record = json.loads(lines[index])
    change(record["data"])
    text = json.dumps(record["data"], separators=(",", ":"))
    begin = lines[index].index('"data":') + 7
    lines[index] = f'{lines[index][:begin]}{text},"hash":"{"0" * 64}"}}'
    path.write_text("\n".join(rechained(lines, index)) + "\n")
    auditor = Auditor(str(path), decisions=False, all_=True)
    for record in read(str(path)):
        auditor.take(record)
    return [finding.requirement for finding in auditor.findings]


@pytest.mark.req("DOL-KILL-007", "DOL-EXIT-006")
def test_a_dropped_fill_that_is_told_as_one_that_was_taken_is_found(tmp_path):
    made = desk(tmp_path, TWICE)
    assert "DOL-EXIT-006" in corrupted(made, "FILL", lambda data: data.pop("applied", 1) == 0)


@pytest.mark.req("DOL-KILL-007", "DOL-EXIT-006")
def test_a_fill_that_was_taken_and_is_told_as_dropped_is_found(tmp_path):
    made = desk(tmp_path, TWICE)
    found = corrupted(made, "FILL", lambda data: data.update(applied=0) is None)
    assert found[0] == "DOL-KILL-007"
    assert "DOL-EXIT-006" in found


@pytest.mark.req("DOL-KILL-007")
def test_the_fill_of_a_spread_moves_no_position_and_is_none(tmp_path):
    """Its legs' fills do. Nautilus makes no position of the spread itself."""
    spread = TestInstrumentProvider.futures_spread()
    size = Quantity.from_int(1_000)
    rows = []
    for i in range(20):
        ts = T0 + i * S
        rows.append(QuoteTick(spread.id, Price(5.00, 2), Price(5.01, 2), size, size, ts, ts))

    def bought(s):
        s.submit_order(s.order_factory.market(spread.id, BUY, Quantity.from_int(1)))

    money = [Money(1_000_000, USD)]
    made = Desk(tmp_path, [spread], money, USD, spread, {3: bought, 6: bought}, venue=spread.venue, mode="report")
    made.run(rows)
    assert [(fill["applied"], fill["spread"]) for fill in made.records("FILL")] == [(0, 1)] * 2
    assert made.guard.parts.flow.reconcile._fills.spreads
    assert latch(made).mode == Mode.RUNNING
    conforms(made)


def test_what_a_position_does_not_have_it_did_not_take():
    """The corners that no venue of a backtest shows: events that were purged, one trade of two orders."""
    made = Stand()
    group = made.hold(BUY, 20)
    event = group.position.last_event
    other = made.fill(made.market(BUY, 20), 20)
    assert took(made.cache, event)
    assert not took(made.cache, other)
    told = OrderFilled.to_dict(other) | {"trade_id": event.trade_id.value}
    assert not took(made.cache, OrderFilled.from_dict(told))
    group.position.purge_events_for_order(event.client_order_id)
    assert group.position.last_event is None
    assert not took(made.cache, event)


def test_an_instrument_that_nobody_knows_is_no_spread(tmp_path):
    """Of such a fill there is no record, since nobody knows its lots; the latch trips all the same."""
    heard = []
    path = tmp_path / "journal.jsonl"
    made = Maker(path)
    guard = Guard(made.policy, made.state, made.journal, lambda event, effects: heard.append(event), report=False)
    stand = Stand()
    event = stand.fill(stand.market(BUY, 20), 20)
    Fills(guard, {}, Cache(None), lambda what, text: heard.append(what)).record(event, "O-1", made.now)
    assert heard[0] == "DESYNC"
    assert heard[1].cause == Cause.LEDGER_DESYNC
    assert "FILL" not in [record.kind for record in read(str(path))]
