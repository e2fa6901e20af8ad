"""A policy second of `daily` is 24 real minutes: a move of 10 bp inside it is sampled all the same, within a stride."""

from __future__ import annotations

import pytest

from dolphin.kernel.events import EVENTS
from dolphin.kernel.state import Outcome
from tests.nautilus.rig import T0, Rig, S, Scripted, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, X1, market

INS = audusd()
HALF = S // 2
STRIDE_NS = {"daily": 4 * S, "intraday": S}


def run(path, profile, data, script=None):
    rig = Rig(path, INS, profile=profile, sensors={"sessions": "24/7"})
    rig.add(Scripted(INS, script or {2: market(BUY, 5 * X1)}))
    rig.run(data)
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig


def first_drawdown_ns(rig, at_least_bp):
    for record in rig.records("EQUITY"):
        if record.data["out"][9] >= at_least_bp:
            return record.ts_ns
    raise AssertionError("no such drawdown was told")


@pytest.mark.req("DOL-CAPITAL-006")
@pytest.mark.parametrize("profile", ["daily", "intraday"])
@pytest.mark.parametrize("moved_at", [200, 201, 203, 205, 207])
def test_a_move_of_10_bp_is_sampled_within_a_stride(tmp_path, profile, moved_at):
    """2.5 bp of the price are 12 bp of the account at 5x; the run is shorter than one policy second of `daily`."""
    rig = run(tmp_path, profile, quotes(INS, [65_000] * moved_at + [64_984] * 100, step_ns=HALF))
    moved_ns = T0 + moved_at * HALF
    told_ns = first_drawdown_ns(rig, 13)
    assert moved_ns <= told_ns <= moved_ns + STRIDE_NS[profile]


@pytest.mark.req("DOL-CAPITAL-006")
@pytest.mark.parametrize("profile", ["daily", "intraday"])
def test_a_move_at_the_first_row_after_a_silence_is_sampled_within_a_stride(tmp_path, profile):
    data = quotes(INS, [65_000] * 20, step_ns=HALF) + quotes(INS, [64_984] * 40, start_ns=T0 + 70 * S, step_ns=HALF)
    rig = run(tmp_path, profile, data)
    assert T0 + 70 * S <= first_drawdown_ns(rig, 13) <= T0 + 70 * S + STRIDE_NS[profile]


@pytest.mark.req("DOL-CAPITAL-006")
@pytest.mark.parametrize("profile", ["daily", "intraday"])
@pytest.mark.parametrize("moved_at", [200, 203, 206])
def test_a_drop_is_acted_on_within_a_stride(tmp_path, profile, moved_at):
    rig = run(tmp_path, profile, quotes(INS, [65_000] * moved_at + [64_000] * 40, step_ns=HALF, size=10**9))
    moved_ns = T0 + moved_at * HALF
    (fell, *_) = [r for r in rig.records("EQUITY") if any(effect[0] == "MOVED" for effect in r.data["fx"])]
    assert fell.ts_ns <= moved_ns + STRIDE_NS[profile]
    (own,) = rig.records("OWN")
    assert own.ts_ns == fell.ts_ns


@pytest.mark.req("DOL-CAPITAL-006")
@pytest.mark.parametrize("at", [210, 211, 212, 214, 219])
def test_a_verdict_knows_of_a_crash_that_no_stride_has_told_yet(tmp_path, at):
    """8 % at 2x: the book is in TURTLE from the first order on, not from the end of the stride on."""
    script = {2: market(BUY, 2 * X1), at: market(BUY, X1)}
    rig = run(tmp_path, "daily", quotes(INS, [65_000] * 210 + [60_000] * 40, step_ns=HALF, size=10**9), script)
    asked = rig.records("ORDER")[-1]
    assert int(asked.data["equity"]) < 85_000_000
    assert asked.data["fx"][-1] == ["VERDICT", 0, 0, 0, 0, 4]  # POSTURE_NO_ENTRY


@pytest.mark.req("DOL-CAPITAL-006")
def test_a_move_of_less_than_10_bp_waits_for_its_stride(tmp_path):
    script = {2: market(BUY, 2 * X1), 211: market(BUY, 1_000)}
    rig = run(tmp_path, "daily", quotes(INS, [65_000] * 210 + [64_970] * 40, step_ns=HALF, size=10**9), script)
    asked = rig.records("ORDER")[-1]
    told = [record for record in rig.records("EQUITY") if record.ts_ns == asked.ts_ns]
    assert told == []


@pytest.mark.req("DOL-SENSE-003")
def test_rows_that_come_in_time_are_never_silence(tmp_path):
    """A row each second: one that comes at the very second in which silence is believed hid those before it."""
    strategy = Scripted(INS, {10: market(BUY, 1_000)})
    rig = Rig(tmp_path, INS, sensors={"sessions": "24/7"}).add(strategy)
    rig.run(quotes(INS, [65_000] * 120))
    r3 = Outcome._fields.index("r3_bp")
    assert {record.data["out"][r3] for record in rig.records(*EVENTS)} == {10_000}
