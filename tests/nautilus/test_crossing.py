"""A limit that crosses is an exit on its way until the venue has accepted it: what follows it finds less to shrink."""

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.model.enums import OmsType

from tests.nautilus.rig import Rig, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, denials, limit, market, net, px, q
from tests.nautilus.test_kill import chain, command, make

INS = audusd()
SHORT, LONG = {2: market(SELL, X1 // 10)}, {2: market(BUY, X1 // 10)}
LATENCIES = [0, 400_000_000, 1_500_000_000]


def run(tmp_path, script, latency_ns=0, prices=(65_000,) * 40, oms=OmsType.NETTING):
    strategy = make(script)
    latency = LatencyModel(base_latency_nanos=latency_ns) if latency_ns else None
    rig = Rig(tmp_path, INS, oms=oms, latency=latency).add(strategy)
    rig.run(quotes(INS, list(prices)))
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, strategy


def wrong_side(rig, sign):
    """Whether a position of the other side was ever held."""
    held = 0
    for record in rig.records("FILL"):
        held += record.data["side"] * record.data["lots"]
        if held * sign < 0:
            return True
    return False


@pytest.mark.req("DOL-POSTURE-003", "DOL-KILL-002", "DOL-EXIT-001")
@pytest.mark.parametrize("latency_ns", LATENCIES)
@pytest.mark.parametrize("stop", [command("shock"), command("kill")], ids=["turtle", "kill"])
@pytest.mark.parametrize("after", [X1 // 10, X1], ids=["close again", "turn"])
@pytest.mark.parametrize(
    ("enter", "side", "price"), [(SHORT, BUY, 65_100), (LONG, SELL, 64_900)], ids=["short", "long"]
)
def test_a_crossing_limit_and_a_market_order_in_one_breath_open_nothing(
    tmp_path, latency_ns, stop, after, enter, side, price
):
    act = chain(limit(side, X1 // 10, price), market(side, after))
    rig, strategy = run(tmp_path, enter | {5: stop, 6: act, 7: act, 12: act}, latency_ns)
    assert net(rig) == 0
    assert not wrong_side(rig, 1 if side == SELL else -1)
    assert denials(strategy)


def moved(price):
    """The resting limit gets a price that crosses."""
    return lambda s: s.modify_order(s.last, price=px(price))


@pytest.mark.req("DOL-POSTURE-003", "DOL-EXIT-001")
@pytest.mark.parametrize("latency_ns", LATENCIES)
def test_a_resting_exit_that_is_moved_across_the_quote_is_on_its_way(tmp_path, latency_ns):
    act = chain(moved(65_100), market(BUY, X1 // 10))
    script = SHORT | {5: command("shock"), 6: limit(BUY, X1 // 10, 64_000), 10: act}
    rig, strategy = run(tmp_path, script, latency_ns)
    assert net(rig) == 0
    assert not wrong_side(rig, -1)
    assert denials(strategy)


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.parametrize("latency_ns", LATENCIES)
def test_one_exit_by_a_crossing_limit_passes_whole_and_so_does_the_next(tmp_path, latency_ns):
    """Half by a limit that crosses, the other half by the market, in one breath: nothing of it is refused."""
    act = chain(limit(BUY, X1 // 20, 65_100), market(BUY, X1 // 20))
    rig, strategy = run(tmp_path, SHORT | {5: command("shock"), 6: act}, latency_ns)
    assert net(rig) == 0
    assert denials(strategy) == []


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.parametrize("stop", [command("shock"), None], ids=["turtle", "apex"])
def test_a_limit_that_crossed_when_it_was_asked_and_rests_blocks_no_exit(tmp_path, stop):
    """The quote runs away while it is on its way: it rests at the venue, and the exit by the market displaces it."""
    script = SHORT | {6: limit(BUY, X1 // 10, 65_100), 10: market(BUY, X1 // 10)}
    if stop is not None:
        script |= {5: stop}
    rig, strategy = run(tmp_path, script, 1_500_000_000, [65_000] * 7 + [66_000] * 30)
    assert denials(strategy) == []
    assert net(rig) == 0
    assert "OrderCanceled" in strategy.names()
    assert not wrong_side(rig, -1)
    assert rig.guard.parts.book.crossing == set()


@pytest.mark.req("DOL-POSTURE-003")
def test_what_is_sent_between_the_acceptance_and_the_fill_finds_nothing_left(tmp_path):
    """The strategy closes by the market when its crossing limit is accepted; the fill comes in the same instant."""
    seen = []

    def accepted(s, event):
        if type(event).__name__ == "OrderAccepted" and not seen:
            if event.client_order_id == s.last.client_order_id:
                seen.append(event)
                market(BUY, X1 // 10)(s)

    strategy = make(SHORT | {5: command("shock"), 6: limit(BUY, X1 // 10, 65_100)}, on_event=accepted)
    rig = Rig(tmp_path, INS).add(strategy)
    rig.run(quotes(INS, [65_000] * 20))
    assert rig.guard.failures == []
    assert seen
    assert net(rig) == 0
    assert not wrong_side(rig, -1)
    assert denials(strategy)


@pytest.mark.req("DOL-POSTURE-003")
@pytest.mark.parametrize("latency_ns", LATENCIES)
def test_two_crossing_limits_in_one_list(tmp_path, latency_ns):
    def both(s):
        orders = [s.order_factory.limit(INS.id, BUY, q(X1 // 10), px(65_100)) for _ in range(2)]
        s.submit_order_list(s.order_factory.create_list(orders))

    rig, strategy = run(tmp_path, SHORT | {5: command("shock"), 6: both}, latency_ns)
    assert net(rig) == 0
    assert not wrong_side(rig, -1)
    assert denials(strategy)


RAN_AWAY = [65_000] * 7 + [64_700] * 33
"""The quote leaves a SELL limit at 64,900 behind before the venue has it."""


def cancelled(s):
    s.cancel_order(s.last)


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.parametrize("leave", [cancelled, moved(66_000)], ids=["cancelled", "moved away"])
def test_a_crossing_limit_that_came_to_rest_is_in_no_exits_way(tmp_path, leave):
    """What the strategy asks of it in the same breath is no answer of the venue's."""
    script = LONG | {5: command("shock"), 6: limit(SELL, X1 // 10, 64_900), 12: chain(leave, market(SELL, X1 // 10))}
    rig, strategy = run(tmp_path, script, 1_500_000_000, RAN_AWAY)
    assert denials(strategy) == []
    assert net(rig) == 0
    assert not wrong_side(rig, 1)


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.parametrize("latency_ns", LATENCIES)
def test_a_modify_that_is_refused_leaves_its_order_at_rest(tmp_path, latency_ns):
    def refused(s):
        s.modify_order(s.last, price=px(64_900), quantity=q(3 * X1 // 10))

    act = chain(refused, market(SELL, X1 // 10))
    script = LONG | {5: command("shock"), 6: limit(SELL, X1 // 10, 65_500), 12: act}
    rig, strategy = run(tmp_path, script, latency_ns)
    assert denials(strategy) == []
    assert net(rig) == 0
    assert not wrong_side(rig, 1)
