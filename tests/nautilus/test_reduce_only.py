"""A venue that does not honour reduce-only: the guard's own orders cross zero all the same never."""

from __future__ import annotations

import random

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import OmsType, OrderSide
from nautilus_trader.model.objects import Money, Price, Quantity

from dolphin.journal import Journal, JournalWriteError, read
from tests.nautilus.rig import S, audusd, quotes
from tests.nautilus.test_currencies import Desk
from tests.nautilus.test_gates import BUY, SELL, X1, limit, market
from tests.nautilus.test_kill import chain

INS = audusd()
DEEP = 10**9


def kill(s):
    s.command("kill")


def shock(s):
    s.command("shock")


def stop(side, n, ticks, **kw):
    def act(s):
        s.submit_order(s.order_factory.stop_market(INS.id, side, Quantity.from_int(n), Price(ticks / 1e5, 5), **kw))

    return act


def drive(path, script, data, latency_ns=0, honoured=False, oms=OmsType.NETTING):
    exchange = {"use_reduce_only": honoured}
    if latency_ns:
        exchange["latency_model"] = LatencyModel(base_latency_nanos=latency_ns)
    return Desk(path, [INS], [Money(1_000_000, USD)], USD, INS, script, exchange=exchange, oms=oms).run(data)


def crossed(desk):
    """The own orders whose fills took a position beyond zero, and what the fills add up to at the end.

    By fills: Nautilus 1.231 leaves a reduce-only fill that would open a position out of its cache, and says flat.
    """
    held, found = {}, []
    for fill in desk.records("FILL"):
        where = fill["position"]
        before = held.get(where, 0)
        held[where] = before + fill["side"] * fill["lots"]
        if fill["id"].startswith("DOLPHIN-"):
            if before * held[where] < 0 or before == 0:
                found.append((fill["id"], before, held[where]))
    return found, held


@pytest.mark.req("DOL-KILL-003")
@pytest.mark.req("DOL-TRIM-001")
@pytest.mark.parametrize("latency_ns", [0, 3_000_000, 1_500_000_000])
@pytest.mark.parametrize("fall", [kill, shock])
@pytest.mark.parametrize("part", [1, 2])
def test_an_own_order_waits_for_an_exit_that_is_on_its_way(tmp_path, fall, part, latency_ns):
    script = {3: market(BUY, 5 * X1), 9: chain(market(SELL, 5 * X1 // part), fall)}
    desk = drive(tmp_path, script, quotes(INS, [65_000] * 40, size=DEEP), latency_ns)
    found, held = crossed(desk)
    assert found == []
    (left,) = held.values()
    if fall is kill:
        assert left == 0
    else:
        assert 0 <= left <= 2.2 * X1


@pytest.mark.req("DOL-KILL-003")
def test_it_does_not_wait_for_ever(tmp_path):
    """A strategy that always has an exit on its way does not hold off a kill for more than two seconds."""

    drip = market(SELL, 1_000)
    script = {3: market(BUY, 5 * X1)} | dict.fromkeys(range(16, 38), drip) | {20: chain(drip, kill)}
    desk = drive(tmp_path, script, quotes(INS, [65_000] * 60, size=DEEP), 1_500_000_000, honoured=True)
    assert desk.positions() == []
    at = {}
    for record in read(str(tmp_path / "journal.jsonl")):
        at.setdefault(record.kind, record.ts_ns)
    assert 0 < at["OWN"] - at["KILL"] <= 2 * S


@pytest.mark.req("DOL-EXIT-002")
def test_an_exit_that_the_venue_refuses_leaves_it_to_the_guard(tmp_path):
    """The exit on its way is rejected: the own order leaves at that very event, not two seconds later."""
    script = {3: market(BUY, X1), 9: chain(market(SELL, X1, reduce_only=True), kill)}
    desk = drive(tmp_path, script, quotes(INS, [65_000] * 30, size=DEEP), 700_000_000, honoured=True)
    assert desk.positions() == []
    assert crossed(desk)[0] == []


@pytest.mark.req("DOL-TRIM-001")
@pytest.mark.parametrize("oms", [OmsType.NETTING, OmsType.HEDGING])
@pytest.mark.parametrize("seed", range(8))
def test_no_own_order_crosses_zero_whatever_a_strategy_sends(tmp_path, seed, oms):
    draw = random.Random(seed)
    acts = [
        market,
        lambda side, n: market(side, n, reduce_only=True),
        lambda side, n: limit(side, n, 65_000 + draw.choice((-30, 30))),
        lambda side, n: stop(side, n, 65_000 + (30 if side == OrderSide.BUY else -30)),
        lambda side, n: lambda s: s.close_all_positions(INS.id),
    ]
    script = {}
    for at in range(3, 60, 2):  # in between nothing is on its way: see the test before
        script[at] = draw.choice(acts)(draw.choice((BUY, SELL)), draw.randrange(1, 4 * X1 // 1000) * 1000)
    at = draw.randrange(21, 50, 2)
    fall = shock if seed in (1, 3, 5) else kill
    script[at] = chain(script[at], fall) if seed < 6 else fall
    ticks, prices = 65_000, []
    for _ in range(90):
        ticks += draw.randrange(-20, 21)
        prices.append(ticks)
    desk = drive(tmp_path, script, quotes(INS, prices, size=DEEP), draw.choice((0, 3_000_000)), oms=oms)
    assert crossed(desk)[0] == []
    if seed == 6:  # not all of them hold something when they fall
        assert desk.records("REDUCE")


@pytest.mark.req("DOL-KILL-003")
def test_an_own_order_knows_of_the_exit_whose_own_record_tripped_the_latch(tmp_path, monkeypatch):
    """The journal refuses the exit's ORDER record: the exit is on its way all the same, and the flattening waits."""
    script = {3: market(BUY, 5 * X1), 9: market(SELL, 5 * X1)}
    kept = Journal.append

    def append(journal, ts_ns, kind, data):
        if kind == "ORDER":
            if '"side":-1' in data:
                monkeypatch.setattr(Journal, "append", kept)
                raise JournalWriteError(journal.path, "ENOSPC", 1, "free space")
        return kept(journal, ts_ns, kind, data)

    monkeypatch.setattr(Journal, "append", append)
    desk = drive(tmp_path, script, quotes(INS, [65_000] * 40, size=DEEP), 3_000_000)
    assert desk.records("FAULT")
    found, held = crossed(desk)
    assert found == []
    assert list(held.values()) == [0]
    assert desk.records("OWN") == []  # the strategy's exit did it
