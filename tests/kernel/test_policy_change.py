"""A change of policy: which way each field is looser, when a looser one may take over, and that it moves nothing."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from dolphin.audit.policies import loosened
from dolphin.journal import read
from dolphin.journal.codec import begin, decode
from dolphin.kernel.events import EVENTS, RebaseConfirm
from dolphin.kernel.machine import step
from dolphin.kernel.policy import INTRADAY, Hibernate, Policy, Posture, Profile
from dolphin.kernel.policy_change import Change, changed, looser
from dolphin.kernel.state import Mode
from dolphin.kernel.units import ABSENT

TRACE = Path(__file__).resolve().parents[2] / "traces" / "S13-whipsaw.jsonl"
BASE = Policy(
    hibernate=Hibernate.GLIDE, apex_entry_bp=30_000, stalker_entry_bp=10_000, apex_held_bp=40_000,
    stalker_held_bp=15_000, turtle_held_bp=10_000, l_raw_bp=30_000, trim=1, rebase_gap_ns=100, rebase_trapped_ns=100,
)  # fmt: skip
MORE = {
    "hibernate": (Hibernate.FLATTEN, Hibernate.HOLD), "trim_band_bp": (999, 1_001), "kappa_bp": (4_999, 5_001),
    "apex_entry_bp": (29_999, 30_001), "stalker_entry_bp": (9_999, 10_001), "apex_held_bp": (39_999, 40_001),
    "stalker_held_bp": (14_999, 15_001), "turtle_held_bp": (9_999, 10_001), "l_raw_bp": (29_999, 30_001),
    "rebase_trapped_ns": (101, 99), "rebase_gap_ns": (101, 99),
}  # fmt: skip
"""Of each field: a tighter value and a looser one."""


def with_(**change: Any) -> Policy:
    return BASE._replace(**change)


@pytest.mark.req("DOL-POLICY-002")
def test_every_field_has_a_looser_side_in_kernel_and_audit() -> None:
    assert {*MORE, "trim", "profile"} == set(Policy._fields)
    assert not looser(BASE, BASE)
    assert loosened(BASE, BASE) == ""
    for name, (tight, loose) in MORE.items():
        assert not looser(BASE, with_(**{name: tight})), name
        assert looser(BASE, with_(**{name: loose})), name
        assert loosened(BASE, with_(**{name: tight})) == ""
        assert loosened(BASE, with_(**{name: loose})) == name
    assert looser(BASE, with_(trim=0))
    assert not looser(with_(trim=0), BASE)
    assert looser(BASE, with_(apex_entry_bp=1, kappa_bp=5_001))  # one looser field is enough


@pytest.mark.req("DOL-POLICY-002")
def test_no_estimate_stops_entries_and_frees_what_is_held_so_it_is_looser_too() -> None:
    none = with_(l_raw_bp=0)
    assert looser(BASE, none)
    assert loosened(BASE, none) == "l_raw_bp"
    assert looser(none, BASE)
    assert not looser(none, none)


@pytest.mark.req("DOL-POLICY-002")
def test_what_is_looser_waits_for_apex_and_running_and_what_is_tighter_for_nothing() -> None:
    tight, loose = with_(apex_held_bp=30_000), with_(apex_held_bp=50_000)
    for mode, posture in product(Mode, Posture):
        assert changed(BASE, tight, mode, posture, ABSENT, 0) == Change.TAKEN
        assert changed(BASE, BASE, mode, posture, ABSENT, 0) == Change.TAKEN
        answer = changed(BASE, loose, mode, posture, ABSENT, 0)
        if mode != Mode.RUNNING:
            assert answer == Change.KILLED
        elif posture != Posture.APEX:
            assert answer == Change.NOT_APEX
        else:
            assert answer == Change.TAKEN
        other = with_(profile=Profile.DAILY)
        assert changed(BASE, other, mode, posture, ABSENT, 0) == Change.OTHER_PROFILE


@pytest.mark.req("DOL-POLICY-002")
def test_a_gap_that_runs_is_not_cut_short() -> None:
    def at(t_ns: int, after: Policy, rebased_ns: int = 1_000) -> Change:
        return changed(BASE, after, Mode.RUNNING, Posture.APEX, rebased_ns, t_ns)

    short = with_(rebase_gap_ns=10)
    assert at(1_099, short) == Change.GAP_RUNS
    assert at(1_100, short) == Change.TAKEN
    assert at(0, short, ABSENT) == Change.TAKEN
    assert at(1_050, with_(rebase_gap_ns=200)) == Change.TAKEN
    assert at(1_050, with_(rebase_trapped_ns=10)) == Change.TAKEN  # in APEX nothing is trapped


@pytest.mark.req("DOL-POLICY-002")
def test_nothing_in_a_books_state_is_the_policys() -> None:
    """One course of events under two policies of one profile is one course of states, re-bases aside."""
    first = next(iter(read(str(TRACE))))
    policy, state = begin(first.data)
    other, same = policy._replace(apex_held_bp=70, apex_entry_bp=1, l_raw_bp=5, hibernate=Hibernate.HOLD), state
    moved = 0
    for record in read(str(TRACE)):
        if record.kind in EVENTS:
            event = decode(record.kind, record.ts_ns, record.data)
            assert not isinstance(event, RebaseConfirm)
            before = state
            state, _ = step(policy, state, event)
            same, _ = step(other, same, event)
            assert state == same
            moved += before.filter.posture != state.filter.posture
    assert moved > 5
    assert policy == INTRADAY or policy.profile == other.profile
