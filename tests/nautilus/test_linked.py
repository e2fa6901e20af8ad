"""Linked orders where nothing may enter: what TLC found in spec/Linked.tla, and the code had, through a real engine."""

import pytest
from nautilus_trader.model.enums import OmsType

from dolphin.kernel.policy import Posture
from tests.nautilus.rig import audusd, quotes
from tests.nautilus.test_attacks import DEEP, family
from tests.nautilus.test_brackets import FALL, HOLD, run
from tests.nautilus.test_gates import BUY, SELL, X1, bracket, denials, limit, market, net, oco
from tests.nautilus.test_kill import chain, command

INS = audusd()
SHOCK = {4: command("shock")}
MIXED = [65_000] * 10 + [64_940] * 10


def fills(rig):
    return [(record.data["side"], record.data["lots"]) for record in rig.records("FILL")]


def statuses(s):
    return {order.client_order_id.value: order.status_string() for order in s.cache.orders()}


@pytest.mark.req("DOL-EXIT-007")
def test_the_child_of_an_exit_enters_no_position_again(tmp_path):
    """In TURTLE, an exit whose child buys back what it sold passed whole, unjudged; the child was filled."""
    act = family("P", SELL, X1, 64_900, [(BUY, X1, 64_950)])
    rig, s = run(tmp_path, OmsType.NETTING, {2: market(BUY, X1), **SHOCK, 6: act}, quotes(INS, MIXED, size=DEEP))
    assert fills(rig) == [(1, X1)]
    assert [text.split()[0] for text in denials(s)] == ["POSTURE_NO_ENTRY", "POSTURE_NO_ENTRY"]
    asked = [(record.data["side"], record.data["lots"]) for record in rig.records("ORDER")]
    assert asked == [(1, X1), (-1, X1), (1, X1)]


@pytest.mark.req("DOL-EXIT-007")
def test_a_turn_may_be_undone_as_far_as_it_enters(tmp_path):
    """Short 1x, a list that buys 3x: a stop of 2x for what it opens costs nothing; one of 3x would go short again."""
    act = lambda prefix, lots: family(prefix, BUY, 3 * X1, 64_900, [(SELL, lots, 65_300)])  # noqa: E731
    script = {2: market(SELL, X1), 4: act("P", 2 * X1), 6: lambda s: s.cancel_all_orders(INS.id), 8: act("Q", 3 * X1)}
    rig, s = run(tmp_path, OmsType.NETTING, script, quotes(INS, [65_000] * 12, size=DEEP))
    asked = [(record.data["side"], record.data["lots"]) for record in rig.records("ORDER")]
    assert asked == [(-1, X1), (1, 3 * X1), (1, 3 * X1), (-1, 3 * X1)]
    assert denials(s) != []


@pytest.mark.req("DOL-EXIT-007")
def test_a_child_that_waits_counts_as_an_entry_once_its_parent_is_an_exit(tmp_path):
    """Sent from flat, it only undid its parent; now that the book is short, it would go short again."""
    act = family("P", BUY, 2 * X1, 64_000, [(SELL, 2 * X1, 65_900)])
    rigs, seen = [], []

    def look(_):
        (group,) = rigs[0].guard.parts.book.groups.values()
        seen.append(group.summed())

    script = {2: act, 4: market(SELL, 2 * X1), 6: limit(SELL, X1, 66_000), 8: look}
    run(tmp_path, OmsType.NETTING, script, quotes(INS, [65_000] * 12, size=DEEP), rigs=rigs)
    (sums,) = seen
    assert (sums.resting, sums.sell, sums.buy) == (2 * X1, 3 * X1, 0)


@pytest.mark.req("DOL-EXIT-004")
def test_an_exit_that_waits_for_another_exit_counts_beside_a_third(tmp_path):
    """A ladder: half is sold, and when that is done the other half. A third exit was let out beside both."""
    ladder = family("P", SELL, X1, 65_100, [(SELL, X1, 65_200)])
    script = {2: market(BUY, 2 * X1), **SHOCK, 6: ladder, 8: limit(SELL, X1, 65_300)}
    rig, s = run(
        tmp_path, OmsType.NETTING, script, quotes(INS, [65_000] * 12 + [65_500] * 8, size=DEEP), policy={"trim": 0}
    )  # fmt: skip
    assert net(rig) == 0
    assert [text.split()[0] for text in denials(s)] == ["POSTURE_NO_ENTRY"]
    assert rig.records("ORDER")[-1].data["resting_lots"] == 2 * X1


@pytest.mark.req("DOL-POSTURE-006")
def test_what_a_fall_leaves_beside_a_pair_of_exits_fits_the_position(tmp_path):
    """Long 3x, a pair for 3x, and a sale of 2x that was an entry. In HIBERNATE it stayed, and went short over a gap."""
    data = quotes(INS, FALL + [59_000] * 5 + [67_000] * 10, size=DEEP)
    script = {2: market(BUY, 3 * X1), 4: oco(3 * X1, 50_000, 66_000), 6: limit(SELL, 2 * X1, 66_500)}
    rig, _ = run(tmp_path, OmsType.NETTING, script, data, policy=HOLD, latency_ns=100_000_000)
    assert rig.guard.parts.guard.state.filter.posture == Posture.HIBERNATE
    assert fills(rig) == [(1, 3 * X1), (-1, 3 * X1)]
    assert net(rig) == 0


@pytest.mark.req("DOL-POSTURE-006")
def test_what_waits_for_an_entry_goes_with_it_at_a_fall(tmp_path):
    """Beside a position its plain stop would else be taken for an exit of that, and hold the place of one."""
    script = {
        2: market(BUY, 3 * X1), 4: family("P", BUY, X1, 50_000, [(SELL, X1, 70_000)]), 6: limit(SELL, 3 * X1, 66_000),
    }  # fmt: skip
    data = quotes(INS, FALL + [59_000] * 5 + [67_000] * 10, size=DEEP)
    rig, s = run(tmp_path, OmsType.NETTING, script, data, policy=HOLD)
    assert (statuses(s)["P"], statuses(s)["P-0"]) == ("CANCELED", "CANCELED")
    assert fills(rig) == [(1, 3 * X1), (-1, 3 * X1)]


@pytest.mark.req("DOL-EXIT-005")
@pytest.mark.parametrize("latency_ns", [0, 100_000_000])
def test_an_exit_at_once_displaces_a_pair_as_one(tmp_path, latency_ns):
    """Two legs of 1x make room for 1x, not for 2x: the older sale stayed, and went short in TURTLE."""
    data = quotes(INS, [65_000] * 14 + [65_500] * 6, size=DEEP)
    script = {
        2: market(BUY, 2 * X1), **SHOCK, 6: limit(SELL, X1, 65_300), 8: oco(X1, 60_000, 65_400),
        10: market(SELL, 2 * X1),
    }  # fmt: skip
    rig, s = run(tmp_path, OmsType.NETTING, script, data, latency_ns=latency_ns, policy={"trim": 0})
    assert denials(s) == []
    assert fills(rig) == [(1, 2 * X1), (-1, 2 * X1)]
    assert net(rig) == 0


@pytest.mark.req("DOL-EXIT-005")
def test_what_waits_for_its_parent_makes_no_room_for_an_exit(tmp_path):
    data = quotes(INS, [65_000] * 14 + [65_500] * 6, size=DEEP)
    script = {
        2: market(BUY, 2 * X1), 3: chain(limit(SELL, X1, 65_300), limit(SELL, X1, 65_300)),
        4: family("P", BUY, X1, 64_000, [(SELL, X1, 65_400)]), 6: command("shock"), 10: market(SELL, 2 * X1),
    }  # fmt: skip
    rig, s = run(tmp_path, OmsType.NETTING, script, data, policy={"trim": 0})
    assert fills(rig) == [(1, 2 * X1), (-1, 2 * X1)]
    assert statuses(s)["P-0"] == "SUBMITTED"


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.parametrize("oms", [OmsType.NETTING, OmsType.HEDGING])
def test_the_stop_and_target_of_a_turning_bracket_are_no_entries(tmp_path, oms):
    """Nautilus' own brackets are reduce-only: they open nothing, whatever their entry closed."""
    script = {2: market(SELL, X1), 4: bracket(BUY, 2 * X1, 64_000, 66_000)}
    rig, s = run(tmp_path, oms, script, quotes(INS, [65_000] * 12, size=DEEP))
    assert denials(s) == []
    assert [record.data["side"] for record in rig.records("ORDER")] == [-1, 1]
