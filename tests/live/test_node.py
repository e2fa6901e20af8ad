"""A TradingNode with Nautilus' own Binance adapter and an unchanged strategy, guarded, on the loopback exchange."""

import asyncio
from decimal import Decimal

import pytest
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.events import OrderFilled

from dolphin.app.cli import trace_audit_main
from dolphin.nautilus import mailbox
from tests.loopback import Exchange
from tests.loopback.node import BTC, BUY, SELL, Idle, guard_of, run, until
from tests.nautilus.rig import replays


@pytest.fixture
def exchange():
    with Exchange() as started:
        started.pump(20)
        yield started


async def letter(path, verb, **more):
    return await asyncio.get_running_loop().run_in_executor(None, mailbox.post, path, verb, more, "drill", 30)


def audited(path):
    assert replays(path / "journal.jsonl") > 0
    assert trace_audit_main([str(path / "journal.jsonl")]) == 0


@pytest.mark.req("DOL-PLUG-004")
def test_it_trades_and_a_kill_flattens_and_cancels_at_the_venue(exchange, tmp_path):
    strategy = Idle()

    async def act(node):
        assert await until(lambda: node.cache.quote_tick(BTC) is not None)
        first = strategy.market(BUY, "0.5")
        assert await until(lambda: first.status == OrderStatus.FILLED)
        rest = strategy.limit(BUY, "0.1", "40000")
        assert await until(lambda: rest.status == OrderStatus.ACCEPTED)
        stop = strategy.stop_market(SELL, "0.5", "45000", reduce_only=True)
        assert await until(lambda: stop.status == OrderStatus.ACCEPTED)
        part = strategy.market(SELL, "0.2", reduce_only=True)
        assert await until(lambda: part.status == OrderStatus.FILLED)
        assert exchange.net() == Decimal("0.3")
        await letter(tmp_path, "kill")
        assert await until(lambda: exchange.net() == 0 and exchange.working() == [])
        late = strategy.market(BUY, "0.1")
        assert await until(lambda: late.status == OrderStatus.DENIED)

    run(exchange, tmp_path, [strategy], act)
    assert [(side, size) for _, side, size in exchange.tape.fills()] == [
        ("BUY", "0.500"),
        ("SELL", "0.200"),
        ("SELL", "0.300"),
    ]
    assert [reason.split()[0] for reason in strategy.denials()] == ["KILLED"]
    audited(tmp_path)


@pytest.mark.req("DOL-VENUE-001")
def test_a_fill_that_is_recovered_after_a_lost_stream_may_stand_against_another_strategy(exchange, tmp_path):
    """What was told by no stream, Nautilus finds by asking. The order was a strategy's own: nothing is made up."""
    long, short = Idle("NETTING"), Idle("NETTING", "002")

    async def act(node):
        assert await until(lambda: node.cache.quote_tick(BTC) is not None)
        first = long.market(BUY, "0.5")
        assert await until(lambda: first.status == OrderStatus.FILLED)
        exchange.fault(kind="freeze", on="user")
        against = short.market(SELL, "0.2")
        assert await until(lambda: exchange.net() == Decimal("0.3"))
        exchange.mend()
        assert await until(lambda: against.status == OrderStatus.FILLED)
        filled = [event for event in short.heard if isinstance(event, OrderFilled)]
        assert [event.reconciliation for event in filled] == [True]
        assert guard_of(node).parts.guard.running()
        rest = long.market(BUY, "0.1")
        assert await until(lambda: rest.status == OrderStatus.FILLED)

    run(exchange, tmp_path, [long, short], act)
    audited(tmp_path)


@pytest.mark.req("DOL-KILL-003")
@pytest.mark.parametrize(("bought", "sold", "taken"), [("0.5", "0.5", []), ("0.5", "0.2", [("SELL", "0.300")])])
def test_two_strategies_that_hold_against_each_other_are_flat_where_the_venue_says_so(
    exchange, tmp_path, bought, sold, taken
):
    """One-way: the venue holds the difference. A kill takes exactly that, and then sends nothing more."""
    long, short = Idle("NETTING"), Idle("NETTING", "002")
    told, counts = [], []

    async def act(node):
        assert await until(lambda: node.cache.quote_tick(BTC) is not None)
        first = long.market(BUY, bought)
        assert await until(lambda: first.status == OrderStatus.FILLED)
        second = short.market(SELL, sold)
        assert await until(lambda: second.status == OrderStatus.FILLED)
        guard_of(node).on_change.append(lambda what, text: told.append(what))
        await letter(tmp_path, "kill")
        assert await until(lambda: "FLAT" in told, 60)
        assert exchange.net() == 0
        counts.append(guard_of(node).parts.own.sent)
        await asyncio.sleep(2)  # many times the pause between two orders in vain, so early
        counts.append(guard_of(node).parts.own.sent)

    run(exchange, tmp_path, [long, short], act)
    assert [(side, size) for _, side, size in exchange.tape.fills()][2:] == taken
    assert counts[0] == counts[1]
    assert told.count("FLAT") == 1
    audited(tmp_path)
