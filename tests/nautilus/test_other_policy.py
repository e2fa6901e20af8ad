"""A book is started with another policy than its journal's: refused, or taken up under it, through the real engine."""

from __future__ import annotations

import errno
import pwd

import pytest

from dolphin.app.cli import main as dolphin
from dolphin.app.state_dir import checked
from dolphin.app.status import of
from dolphin.app.why import explain
from dolphin.audit import pipeline
from dolphin.journal import recover
from dolphin.journal.chain import header
from dolphin.journal.codec import policy_hash
from dolphin.journal.files import PORT
from dolphin.journal.folding import folded
from dolphin.kernel.policy import INTRADAY, Posture
from dolphin.kernel.state import Mode
from dolphin.nautilus import other_policy
from dolphin.nautilus.config import ConfigError, PlugConfig
from dolphin.nautilus.other_policy import word_for
from tests.nautilus.rig import T0, Rig, S, audusd, quotes
from tests.nautilus.test_gates import BUY, SELL, X1, denials, limit, market, net
from tests.nautilus.test_kill import command, make

INS = audusd()
TIGHT = {"apex_entry_bp": 10_000, "stalker_entry_bp": 10_000}
TIGHT_POLICY = INTRADAY._replace(**TIGHT)
THERE, BACK = word_for(INTRADAY, TIGHT_POLICY), word_for(TIGHT_POLICY, INTRADAY)


def start(path, script, at_s=0, count=20, **settings):
    """One run of the book; the next one goes on with its journal."""
    s = make(script)
    rig = Rig(path, INS, resume="always", **settings)
    rig.add(s).run(quotes(INS, [65_000] * count, start_ns=T0 + at_s * S))
    return rig, s


def begun(path, script=None):
    rig, _ = start(path, script or {3: market(BUY, X1 // 2), 8: market(SELL, X1 // 2)})
    assert rig.guard.failures == []
    return rig


def conforms(path):
    found = pipeline.audit(str(path / "journal.jsonl"))
    assert (found.verdict, found.findings) == ("conforms", ()), [finding.lines() for finding in found.findings]
    return found


@pytest.mark.req("DOL-POLICY-001")
def test_a_start_that_nobody_accepted_is_refused_and_says_what_differs(tmp_path):
    head = recover(str(begun(tmp_path).journal)).head
    rig, s = start(tmp_path, {3: market(BUY, X1)}, 100, policy={**TIGHT, "kappa_bp": 6_000, "hibernate": "hold"})
    (failure, *_) = rig.guard.failures
    other = TIGHT_POLICY._replace(kappa_bp=6_000, hibernate=2)
    for said in (
        policy_hash(INTRADAY)[:16], policy_hash(other)[:16], "apex_entry_bp 60000 -> 10000 (tighter)",
        "kappa_bp 5000 -> 6000 (looser)", "hibernate 0 -> 2 (looser)", f"accept_policy = '{word_for(INTRADAY, other)}'",
    ):  # fmt: skip
        assert said in failure
    assert denials(s)[0].startswith("INTERNAL")
    assert recover(str(rig.journal)).head == head  # the journal knows nothing of it
    again, s = start(tmp_path, {3: market(BUY, X1)}, 200)
    assert (again.guard.failures, denials(s)) == ([], [])
    conforms(tmp_path)


@pytest.mark.req("DOL-POLICY-001", "DOL-POLICY-003")
def test_one_that_was_accepted_binds_the_next_order_and_the_starts_after_it(tmp_path, capsys):
    begun(tmp_path)
    rig, s = start(tmp_path, {3: market(BUY, 3 * X1)}, 100, policy=TIGHT, accept_policy=THERE)
    assert rig.guard.failures == []
    assert 0.98 * X1 < net(rig) < 1.02 * X1  # 1.0x in place of 3.0x
    changed = header(str(rig.journal)).data
    assert changed["policy_hash"] == policy_hash(TIGHT_POLICY)
    said = changed["policy_change"]
    assert (said["before"], said["accepted"]) == (policy_hash(INTRADAY), THERE)
    assert said["by"] == other_policy.who()
    assert changed["segment"] == 2
    conforms(tmp_path)
    assert of(checked(tmp_path), None)["policy_hash"] == policy_hash(TIGHT_POLICY)
    assert dolphin(["policy", "show", str(rig.journal)]) == 0
    assert policy_hash(TIGHT_POLICY) in capsys.readouterr().out
    order = next(record for record in rig.records("ORDER") if record.path == str(rig.journal))
    assert explain(str(rig.journal), order.body.x["id"]).answer == "SHRUNK"
    # The word is left where it stands: it accepts nothing that is there already, and no way back.
    again, s = start(tmp_path, {3: market(BUY, 3 * X1)}, 200, policy=TIGHT, accept_policy=THERE)
    assert again.guard.failures == []
    assert header(str(rig.journal)).data["segment"] == 2
    refused, _ = start(tmp_path, {3: market(BUY, X1)}, 300, accept_policy=THERE)
    assert f"accept_policy = '{BACK}'" in refused.guard.failures[0]
    back, s = start(tmp_path, {3: market(BUY, 2 * X1)}, 400, accept_policy=BACK)
    assert (back.guard.failures, denials(s)) == ([], [])
    assert net(back) == 2 * X1
    assert header(str(rig.journal)).data["segment"] == 3
    conforms(tmp_path)


@pytest.mark.req("DOL-POLICY-002")
def test_another_profile_is_another_book(tmp_path):
    begun(tmp_path)
    rig, s = start(tmp_path, {3: market(BUY, X1)}, 100, profile="daily", accept_policy=THERE)
    assert "the profile is the unit in which confidence and waits were counted" in rig.guard.failures[0]
    assert denials(s)[0].startswith("INTERNAL")


@pytest.mark.req("DOL-POLICY-002", "DOL-KILL-005")
def test_while_killed_nothing_is_loosened_and_what_is_tighter_leaves_the_kill_alone(tmp_path):
    begun(tmp_path, {3: market(BUY, X1), 6: limit(BUY, 1_000, 60_000), 9: command("kill")})
    loose = INTRADAY._replace(trim_band_bp=5_000)
    word = word_for(INTRADAY, loose)
    rig, s = start(tmp_path, {3: market(BUY, X1)}, 100, policy={"trim_band_bp": 5_000}, accept_policy=word)
    assert "the kill switch holds" in rig.guard.failures[0]
    assert denials(s)[0].startswith("INTERNAL")
    rig, s = start(tmp_path, {3: market(BUY, X1)}, 200, policy=TIGHT, accept_policy=THERE)
    state = rig.guard.parts.guard.state
    assert (state.latch.mode, state.latch.episode, state.filter.posture) == (Mode.KILLED, 1, Posture.HIBERNATE)
    assert denials(s)[0].startswith("KILLED")
    conforms(tmp_path)


@pytest.mark.req("DOL-POLICY-002")
def test_out_of_apex_nothing_is_loosened_and_confidence_and_cooldown_go_on(tmp_path):
    rig = begun(tmp_path, {3: market(BUY, X1 // 2), 5: command("shock")})
    before = rig.guard.parts.guard.state
    assert before.filter.posture == Posture.TURTLE
    loose = INTRADAY._replace(trim=0)
    rig, _ = start(tmp_path, {}, 100, policy={"trim": 0}, accept_policy=word_for(INTRADAY, loose))
    assert "the book is not in APEX" in rig.guard.failures[0]
    rig, s = start(tmp_path, {3: market(BUY, 1_000)}, 200, policy=TIGHT, accept_policy=THERE)
    after = rig.guard.parts.guard.state
    assert after.filter.posture == Posture.TURTLE
    assert after.environment.shock_ms == before.environment.shock_ms
    assert after.capital.mark == before.capital.mark
    assert denials(s)[0].startswith("POSTURE_NO_ENTRY")
    conforms(tmp_path)


@pytest.mark.req("DOL-POLICY-002", "DOL-KILL-006")
def test_a_kill_that_the_journal_does_not_know_counts_as_well(tmp_path):
    rig = begun(tmp_path)
    state = folded(str(rig.journal)).book.state
    assert state.latch.mode == Mode.RUNNING
    (tmp_path / "journal.jsonl.latch").unlink()  # nobody knows that no kill stands
    loose = INTRADAY._replace(kappa_bp=9_000)
    rig, s = start(
        tmp_path, {3: market(BUY, X1)}, 100, policy={"kappa_bp": 9_000}, accept_policy=word_for(INTRADAY, loose)
    )
    assert "the kill switch holds" in rig.guard.failures[0]
    assert denials(s)[0].startswith("INTERNAL")
    rig, s = start(tmp_path, {3: market(BUY, X1)}, 200)
    assert denials(s)[0].startswith("KILLED")  # it was let go of, and is taken up as it was
    conforms(tmp_path)


@pytest.mark.req("DOL-POLICY-003", "DOL-JOURNAL-016")
def test_where_no_segment_can_begin_the_old_policy_stands(tmp_path, monkeypatch):
    begun(tmp_path)

    def refuse(*args):
        raise OSError(errno.EPERM, "injected")

    def no_links(journal, *args):
        journal._port = PORT._replace(link=refuse)
        taken(journal, *args)

    taken = other_policy.go_on
    monkeypatch.setattr("dolphin.nautilus.opening.go_on", no_links)
    rig, s = start(tmp_path, {3: market(BUY, X1)}, 100, policy=TIGHT, accept_policy=THERE)
    assert "EPERM" in rig.guard.failures[0]
    assert denials(s)[0].startswith("INTERNAL")
    assert folded(str(rig.journal)).book.policy == INTRADAY
    monkeypatch.undo()
    rig, s = start(tmp_path, {3: market(BUY, X1)}, 200, policy=TIGHT, accept_policy=THERE)
    assert rig.guard.failures == []
    assert folded(str(rig.journal)).book.policy == TIGHT_POLICY
    conforms(tmp_path)


@pytest.mark.req("DOL-POLICY-001")
@pytest.mark.parametrize("word", ["yes", "0123456789abcdef", "0123456789ABCDEF:0123456789abcdef", f"{THERE}:{THERE}"])
def test_a_word_that_means_nothing_is_refused_before_anything_starts(tmp_path, word):
    with pytest.raises(ConfigError, match=r"accept_policy: found .*; accepted: BEFORE:AFTER"):
        PlugConfig(state_dir=str(tmp_path), accept_policy=word)


def test_a_user_without_a_name_is_his_number(monkeypatch):
    def nobody(number):
        raise KeyError(number)

    assert other_policy.who()
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert other_policy.who().isdecimal()
