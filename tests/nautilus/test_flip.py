"""Close, then open, in one breath, as most trend strategies turn: the second order is an entry, wherever it is."""

import pytest
from nautilus_trader.model.enums import OmsType

from tests.nautilus.rig import Rig, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, denials, net
from tests.nautilus.test_kill import command, make

INS = audusd()


def turn(side, units):
    """Close all, and open the other way with a plain market order before the close is filled."""

    def act(strategy):
        strategy.close_all_positions(INS.id)
        order = strategy.order_factory.market(INS.id, side, INS.make_qty(units))
        strategy.submit_order(order)

    return act


def run(tmp_path, script, **settings):
    strategy = make(script)
    rig = Rig(tmp_path, INS, oms=OmsType.NETTING, **settings).add(strategy)
    rig.run(quotes(INS, [65_000] * 40))
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, strategy


@pytest.mark.req("DOL-POSTURE-003", "DOL-EXIT-001")
def test_a_turn_in_turtle_ends_flat(tmp_path):
    enter = {2: lambda s: s.submit_order(s.order_factory.market(INS.id, SELL, INS.make_qty(X1 // 10)))}
    rig, strategy = run(tmp_path, enter | {5: command("shock"), 10: turn(BUY, X1)})
    assert net(rig) == 0
    assert any("POSTURE_NO_ENTRY" in text for text in denials(strategy))


@pytest.mark.req("DOL-KILL-002", "DOL-EXIT-001")
def test_a_turn_after_a_kill_opens_nothing(tmp_path):
    enter = {2: lambda s: s.submit_order(s.order_factory.market(INS.id, SELL, INS.make_qty(X1 // 10)))}
    rig, strategy = run(tmp_path, enter | {5: command("kill"), 10: turn(BUY, X1), 20: turn(BUY, X1)})
    assert net(rig) == 0
    assert denials(strategy)


@pytest.mark.req("DOL-ORDER-002")
def test_a_turn_in_apex_never_passes_the_allowed_leverage(tmp_path):
    script = {at: turn(BUY if at % 2 else SELL, 5 * X1) for at in range(2, 30)}
    rig, _ = run(tmp_path, script)
    held, peak = 0, 0
    for record in rig.records("FILL"):
        held += record.data["side"] * record.data["lots"]
        peak = max(peak, abs(held))
    equity_lots = 1_000_000 / 0.65
    assert 0 < peak <= 6.05 * equity_lots
