"""Feeds beside the market's own through a real engine: the VIX, an unreadable bar of it, a stall."""

from __future__ import annotations

import pytest
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType, MarkPriceUpdate
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import IndexInstrument
from nautilus_trader.model.objects import Money, Price, Quantity

from dolphin.kernel.state import Mode
from tests.nautilus.rig import T0, Rig, S, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, bracket, denials, limit, market, net
from tests.nautilus.test_kill import chain, command, make

INS = audusd()
XCBF = Venue("XCBF")
VIX = IndexInstrument(
    InstrumentId(Symbol("VIX"), XCBF), Symbol("VIX"), USD, price_precision=2, size_precision=0,
    price_increment=Price.from_str("0.01"), size_increment=Quantity.from_int(1), ts_event=0, ts_init=0,
)  # fmt: skip
KIND = "VIX.XCBF-1-DAY-LAST-EXTERNAL"


def fear(closes):
    """A bar of the VIX every five seconds."""
    kind = BarType.from_str(KIND)
    rows = []
    for i, close in enumerate(closes):
        at = T0 + 5 * i * S + 1
        price = Price(close, 2)
        rows.append(Bar(kind, price, price, price, price, Quantity.from_int(1), at, at))
    return rows


def run(path, script, closes, **settings):
    s = make(script)
    rig = Rig(path, INS, sensors={"sessions": "24/7", "vix": {"bar_type": KIND, "sessions": "24/7"}}, **settings)
    rig.engine.add_venue(XCBF, OmsType.NETTING, AccountType.MARGIN, [Money(0, USD)], base_currency=USD)
    rig.engine.add_instrument(VIX)
    rig.add(s).run(quotes(INS, [65_000] * 40) + fear(closes))
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, s


@pytest.mark.req("DOL-SENSE-002")
def test_a_bar_of_the_vix_that_cannot_be_read_stops_entries_until_one_can(tmp_path):
    script = {8: market(BUY, 1_000), 13: market(BUY, 1_000)}
    rig, s = run(tmp_path, script, [15, -1, 15, 15], venue="SIM")
    assert [record.data["error"] for record in rig.records("SENSOR")] == [1, 0]
    (told,) = denials(s)
    assert told.startswith("SENSOR_ERROR [DOL-SENSE-002]")
    assert net(rig) == 1_000


@pytest.mark.req("DOL-FILTER-008")
def test_a_vix_that_rises_by_a_third_is_a_shock(tmp_path):
    rig, _ = run(tmp_path, {}, [15, 20, 20], venue="SIM")
    assert len(rig.records("SHOCK")) == 1


@pytest.mark.req("DOL-SENSE-003")
def test_bars_within_a_stall_are_not_heard(tmp_path):
    rig, _ = run(tmp_path, {2: command("stall", until_ns=T0 + 100 * S)}, [15, 30, 60, 120], venue="SIM")
    assert rig.records("SHOCK") == []


@pytest.mark.req("DOL-PLUG-005")
def test_where_there_are_mark_prices_equity_is_not_compared_with_quotes(tmp_path):
    def marked(s):
        now_ns = s.clock.timestamp_ns()
        s.cache.add_mark_price(MarkPriceUpdate(INS.id, Price(0.65, 5), now_ns, now_ns))

    s = make({2: market(BUY, X1), 4: marked})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10) + quotes(INS, [64_000] * 5, start_ns=T0 + 70 * S))
    assert rig.guard.parts.flow._moving._known == set()
    assert rig.guard.parts.guard.state.latch.mode == Mode.RUNNING


@pytest.mark.req("DOL-JOURNAL-004")
def test_a_contingent_list_that_the_journal_does_not_take_is_denied_whole(tmp_path):
    def full(s):
        rig.guard.parts.guard.journal._write = refuse

    def refuse(fd, data):
        raise OSError(28, "no space")

    s = make({4: full, 5: bracket(BUY, 1_000, 64_000, 66_000)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert len(denials(s)) == 3
    assert denials(s)[0].startswith(("JOURNAL [DOL-JOURNAL-004]", "KILLED"))
    assert net(rig) == 0


@pytest.mark.req("DOL-PLUG-002")
def test_in_report_mode_lists_and_kills_change_nothing(tmp_path):
    script = {
        2: market(BUY, X1), 3: bracket(BUY, 9 * X1 // 10, 64_000, 66_000), 5: limit(SELL, X1 // 2, 66_000),
        7: chain(command("kill"), market(BUY, 1_000)), 12: limit(BUY, 1_000, 64_000),
    }  # fmt: skip
    s = make(script)
    rig = Rig(tmp_path, INS, mode="report").add(s)
    rig.run(quotes(INS, [65_000] * 20))
    assert rig.guard.failures == []
    assert denials(s) == []
    assert "OrderCanceled" not in s.names()
    assert rig.records("OWN") == []
    replays(rig.journal)
