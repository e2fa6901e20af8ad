"""Equity moves with the row being handled, or the latch trips: a guard that reads yesterday's equity says so."""

from __future__ import annotations

import pytest
from nautilus_trader.model.data import BarType, QuoteTick
from nautilus_trader.model.enums import OmsType

from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Mode
from tests.nautilus.rig import T0, Rig, S, Scripted, audusd, bars, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, denials, market

INS = audusd()
RISING = [65_000 + 10 * i for i in range(20)]


def run(path, script, spec="1-DAY-MID-EXTERNAL", closes=RISING, more=(), **settings):
    """On bars of mid prices, which the cache gives nobody for a price: Portfolio has them by its own handler alone."""
    kind = BarType.from_str(f"{INS.id}-{spec}")
    rig = Rig(path, INS, profile="daily", sensors={"sessions": "24/7"}, **settings)
    strategy = Scripted(INS, script, bar_type=kind)
    rig.add(strategy)
    rig.run(bars(INS, closes, spec=spec) + list(more))
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, strategy


def at_priority(priority):
    """Subscribes Portfolio's handler of bars again, later than it was, or not at all."""

    def act(s):
        handler = next(
            each.handler
            for each in s.msgbus.subscriptions("data.bars.*EXTERNAL")
            if type(getattr(each.handler, "__self__", None)).__name__ == "Portfolio"
        )
        s.msgbus.unsubscribe("data.bars.*EXTERNAL", handler)
        if priority is not None:
            s.msgbus.subscribe("data.bars.*EXTERNAL", handler, priority=priority)

    return act


@pytest.mark.req("DOL-PLUG-005")
@pytest.mark.parametrize("priority", [3, None], ids=["after the guard", "not at all"])
@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_portfolio_that_lags_behind_the_bar_trips_the_latch(tmp_path, priority, side):
    script = {1: at_priority(priority), 2: market(side, X1), 6: market(side, 1_000)}
    rig, s = run(tmp_path, script)
    assert rig.guard.parts.guard.state.latch.cause == Cause.SELF_TEST
    (note,) = rig.records("NOTE")
    assert note.data["found"][0].startswith("equity does not move with AUD/USD.SIM")
    assert denials(s)[-1].startswith("KILLED")
    (fault,) = rig.records("FAULT")
    assert fault.ts_ns == T0 + 3 * 86_400 * S  # the first bar that moves what is held


@pytest.mark.req("DOL-PLUG-005")
@pytest.mark.parametrize("spec", ["1-DAY-MID-EXTERNAL", "1-DAY-LAST-EXTERNAL"])
def test_on_a_good_host_nothing_trips(tmp_path, spec):
    rig, _ = run(tmp_path, {2: market(BUY, X1)}, spec=spec)
    state = rig.guard.parts.guard.state
    assert state.latch.mode == Mode.RUNNING
    assert rig.guard.parts.flow._moving._known == {str(INS.id)}


@pytest.mark.req("DOL-PLUG-005")
def test_bars_that_do_not_price_the_instrument_alone_are_no_test(tmp_path):
    """Quotes come before bars: with them the bar's close is not the price, and no fault either."""
    more = quotes(INS, [64_000] * 3, start_ns=T0 + S)
    rig, _ = run(tmp_path, {2: market(BUY, X1)}, more=more)
    assert rig.guard.parts.guard.state.latch.mode == Mode.RUNNING
    assert rig.guard.parts.flow._moving._known == set()


def test_a_close_that_does_not_change_shows_nothing(tmp_path):
    rig, _ = run(tmp_path, {2: market(BUY, X1)}, closes=[65_000] * 10)
    assert rig.guard.parts.flow._moving._known == set()


# --- quotes: looked at one by one only after a silence ------------------------------------------------------------


def silent(path, script, prices=(64_900, 65_100)):
    """Ten seconds of quotes, a minute of silence, ten seconds of quotes: the first of these wakes the guard."""
    rig = Rig(path, INS)
    rig.add(Scripted(INS, script))
    rig.run(quotes(INS, [65_000] * 10) + quotes(INS, prices * 5, start_ns=T0 + 70 * S))
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig


@pytest.mark.req("DOL-PLUG-005")
@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_quote_is_in_equity_when_the_guard_wakes_at_it(tmp_path, side):
    rig = silent(tmp_path, {2: market(side, X1)})
    assert rig.guard.parts.guard.state.latch.mode == Mode.RUNNING
    assert rig.guard.parts.flow._moving._known == {str(INS.id)}


@pytest.mark.req("DOL-PLUG-005")
def test_a_quote_that_the_cache_does_not_have_trips_the_latch(tmp_path):
    """As if somebody published rows past the data engine: what equity is made of does not know them."""

    def past(s):
        row = quotes(INS, [60_000])[0]
        now_ns = s.clock.timestamp_ns()
        late = QuoteTick(row.instrument_id, row.bid_price, row.ask_price, row.bid_size, row.ask_size, now_ns, now_ns)
        rig.guard.hear_wake(late)

    rig = Rig(tmp_path, INS)
    rig.add(Scripted(INS, {2: market(BUY, X1), 5: past}))
    rig.run(quotes(INS, [65_000] * 10))
    assert rig.guard.parts.guard.state.latch.cause == Cause.SELF_TEST


@pytest.mark.req("DOL-PLUG-005")
def test_positions_of_both_sides_show_nothing(tmp_path):
    def both(s):
        market(BUY, X1)(s)
        market(SELL, X1 // 2)(s)

    rig = Rig(tmp_path, INS, oms=OmsType.HEDGING)
    rig.add(Scripted(INS, {2: both}))
    rig.run(quotes(INS, [65_000] * 10) + quotes(INS, [65_000] * 5, start_ns=T0 + 70 * S))
    assert rig.guard.parts.flow._moving._known == set()
    assert len(rig.guard.parts.book.held()) == 2
