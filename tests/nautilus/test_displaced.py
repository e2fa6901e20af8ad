"""Exits that are displaced and fill all the same, where a cancel comes three seconds late.

DESIGN.md 2.4 decides that a resting exit whose cancel has been asked for does not count for the order that displaces
it (docs/design/order-authority.md, finding 3). All the same: what comes after counts it, and a kill ends flat.
"""

import pytest
from nautilus_trader.backtest.models import LatencyModel

from tests.nautilus.rig import Rig, Scripted, quotes
from tests.nautilus.test_gates import BUY, INS, SELL, X1, denials, limit, market, net

LATE_NS = 3 * 10**9


def ran(tmp_path, script):
    strategy = Scripted(INS, script)
    slow = LatencyModel(0, insert_latency_nanos=0, update_latency_nanos=0, cancel_latency_nanos=LATE_NS)
    rig = Rig(tmp_path, INS, latency=slow).add(strategy)
    rig.run(quotes(INS, [65_000] * 10 + [65_200] * 20))
    assert rig.guard.failures == []
    return rig, strategy


@pytest.mark.req("DOL-EXIT-006", "DOL-ORDER-001")
def test_what_comes_after_a_turn_counts_the_exit_that_it_displaced(tmp_path):
    """Long 1x with a resting SELL 1x, turned to short 5x. Until the cancel has arrived that one may make it 6x."""
    rig, strategy = ran(
        tmp_path,
        {2: market(BUY, X1), 4: limit(SELL, X1, 65_100), 7: market(SELL, 6 * X1), 8: market(SELL, X1)},
    )
    assert denials(strategy) != []
    assert net(rig) == -6 * X1  # the displaced one was filled before its cancel


@pytest.mark.req("DOL-KILL-003")
def test_a_kill_beside_a_resting_exit_that_fills_ends_flat(tmp_path):
    rig, _ = ran(tmp_path, {2: market(BUY, 3 * X1), 4: limit(SELL, 3 * X1, 65_100), 8: lambda s: s.command("kill")})
    assert [(r.data["lots"], r.data["side"]) for r in rig.records("OWN")] == [(3 * X1, -1), (3 * X1, 1)]
    assert net(rig) == 0
