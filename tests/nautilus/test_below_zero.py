"""A quote below zero on a currency pair is no price: what is held is unpriced, not worthless."""

from __future__ import annotations

import pytest
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.objects import Price, Quantity

from tests.nautilus.rig import T0, Rig, S, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, denials, market
from tests.nautilus.test_kill import make

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
