"""A quote below zero on a currency pair is no price: what is held is unpriced, not worthless."""

from __future__ import annotations

import pytest
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AssetClass
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import Equity, FuturesContract
from nautilus_trader.model.objects import Currency, Price, Quantity

from tests.nautilus.rig import T0, Rig, S, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, denials, market
from tests.nautilus.test_kill import command, make

INS = audusd()


@pytest.mark.req("DOL-ORDER-004")
@pytest.mark.req("DOL-SENSE-002")
def test_a_quote_below_zero_ruins_nobody_and_takes_no_entry(tmp_path):
    at = T0 + 10 * S
    size = Quantity.from_int(10_000_000)
    bad = QuoteTick(INS.id, Price(-0.65, 5), Price(-0.64998, 5), size, size, at, at)
    rows = [*quotes(INS, [65000] * 10), bad, *quotes(INS, [65000] * 20, start_ns=T0 + 11 * S)]
    told = []
    s = make({2: market(BUY, 1_000_000), 10: market(BUY, 1_000), 15: market(BUY, 1_000), 20: market(SELL, 1_001_000)})
    rig = Rig(tmp_path, INS).add(s)
    rig.guard.on_change.append(lambda what, text: told.append((what, text)))
    rig.run(rows)
    assert rig.guard.failures == []
    fallen = [text for what, text in told if what in ("FELL", "KILLED")]
    assert len(fallen) == 1
    assert fallen[0].startswith("APEX -> TURTLE")  # the feed is in error (R3), the account is not ruined (R5)
    assert rig.guard.parts.guard.state.capital.drawdown_bp < 10
    first, second = denials(s)
    assert "posture=TURTLE" in first
    assert "posture=TURTLE" in second
    errors = [record for record in rig.records("EQUITY") if record.data["error"] == 1]
    assert len(errors) == 1
    assert rig.engine.cache.positions_open() == []
    replays(rig.journal)


USD, ONE, CENT = Currency.from_str("USD"), Quantity.from_int(1), Price.from_str("0.01")
OIL = FuturesContract(
    InstrumentId.from_str("CLK0.SIM"), Symbol("CLK0"), AssetClass.COMMODITY, USD, 2, CENT, Quantity.from_int(1_000),
    ONE, "CL", 0, T0 + 10**18, 0, 0,
)  # fmt: skip
SHARE = Equity(InstrumentId.from_str("OIL.SIM"), Symbol("OIL"), USD, 2, CENT, ONE, 0, 0)


def cents(instrument, mids):
    """Quotes a second, a cent to each side."""
    return [
        QuoteTick(instrument.id, Price((mid - 1) / 100, 2), Price((mid + 1) / 100, 2), ONE, ONE, T0 + i * S, T0 + i * S)
        for i, mid in enumerate(mids)
    ]


def oil(side, lots, instrument=OIL):
    def act(s):
        s.submit_order(s.order_factory.market(instrument.id, side, Quantity.from_int(lots)))

    return act


@pytest.mark.req("DOL-SENSE-002")
@pytest.mark.req("DOL-KILL-003")
def test_a_future_below_zero_is_no_error_and_a_kill_sells_it_there(tmp_path):
    """20 April 2020: the feed was read as an error below zero, so that no own order was ever fresh enough to leave."""
    s = make({2: oil(BUY, 1), 30: command("kill")})
    s.instrument = OIL
    rig = Rig(tmp_path, OIL).add(s)
    rig.run(cents(OIL, [500 - 50 * i for i in range(40)]))
    assert [record for record in rig.records("SEEN") if record.data["error"] == 1] == []
    assert rig.engine.cache.positions_open() == []
    (own,) = rig.records("OWN")
    assert own.ts_ns == T0 + 30 * S
    replays(rig.journal)


@pytest.mark.req("DOL-TRIM-001")
def test_a_bad_tick_of_one_instrument_trims_nothing_of_another(tmp_path):
    """Equity is unreadable then, and was taken for zero: the whole of what had a price was sold."""
    s = make({2: oil(BUY, 1), 3: oil(BUY, 100, SHARE)})
    s.instrument = OIL
    rig = Rig(tmp_path, OIL)
    rig.engine.add_instrument(SHARE)
    rig.add(s).engine.add_data(cents(SHARE, [400] * 20 + [-400] * 5 + [400] * 40), sort=False)
    rig.run(cents(OIL, [1_000] * 65))
    assert [record.data["error"] for record in rig.records("EQUITY")].count(1) == 1
    assert rig.records("OWN") == []
    assert len(rig.engine.cache.positions_open()) == 2
    replays(rig.journal)
