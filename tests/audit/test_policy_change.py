"""The audit of a journal whose policy changed: each record under the policy of its time; changes that are forged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dolphin.app.audit_cli import main
from dolphin.app.calibrate_fold import tape
from dolphin.app.errors import UserError
from dolphin.app.journal_run import read_journal
from dolphin.app.why import explain
from dolphin.audit import conformance, pipeline, replay
from dolphin.audit.finding import MODEL, Verdict
from dolphin.audit.live import Watch
from dolphin.audit.trace_tla import Turn, _parts
from dolphin.journal import read
from dolphin.journal.codec import policy_hash, policy_object
from dolphin.journal.segments import name_of
from dolphin.kernel import events as ev
from dolphin.kernel.policy import INTRADAY, Policy, Posture, Profile
from dolphin.kernel.reasons import Reason
from dolphin.kernel.state import Mode
from tests.audit.make_journal import MONEY, Maker, S
from tests.audit.test_agreement import needs_java
from tests.audit.test_turns import rewritten

BASE = INTRADAY._replace(rebase_trapped_ns=100 * S, rebase_gap_ns=100 * S)
TIGHT = BASE._replace(apex_entry_bp=10_000, stalker_entry_bp=10_000)
TIGHTER = TIGHT._replace(apex_held_bp=50_000)
SLOW = BASE._replace(rebase_trapped_ns=200 * S, rebase_gap_ns=300 * S)
FORGED = BASE._replace(kappa_bp=9_000)


def run_of(path: Path) -> Maker:
    """A run with five policies: tighter, tighter while killed, back in APEX, slower in a trap, slower after it."""
    m = Maker(path, BASE)
    m.hear(100_000)
    m.equity(flat=1, stood=1)
    assert m.order(1, 300).lots == 300
    m.wait(1)
    m.under(TIGHT)
    assert m.order(1, 300).lots == 100  # 1.0x in place of 6.0x
    m.event(ev.Kill(m.wait(1)))
    m.under(TIGHTER)
    assert m.state.latch.mode == Mode.KILLED
    assert m.order(1, 10).lots == 0
    m.event(ev.Arm(m.now, 1, 77, 1, 0))
    m.under(TIGHT._replace(apex_held_bp=40_000))
    m.event(ev.Confirm(m.wait(61), 77, 0))
    m.hear(100_000)
    m.tick(6_000)
    assert m.state.filter.posture == Posture.APEX
    m.under(BASE)
    assert m.order(1, 300).lots == 300
    m.equity(MONEY * 85 // 100, flat=1)  # trapped
    m.event(ev.RebaseArm(m.wait(60), 5))
    m.under(SLOW)
    assert m.event(ev.RebaseConfirm(m.wait(60), 5))[-1] == ev.Answer(Reason.NOT_TRAPPED)
    assert m.event(ev.RebaseConfirm(m.wait(81), 5))[-1] == ev.Answer(Reason.REBASED)
    m.tick(150)
    m.under(SLOW._replace(rebase_gap_ns=400 * S))
    m.equity(MONEY * 70 // 100, flat=1)
    m.event(ev.RebaseArm(m.wait(201), 6))
    assert m.event(ev.RebaseConfirm(m.now, 6))[-1] == ev.Answer(Reason.REBASE_RATE)
    assert m.event(ev.RebaseConfirm(m.wait(50), 6))[-1] == ev.Answer(Reason.REBASED)
    m.close()
    return m


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    run_of(folder / "journal.jsonl")
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> str:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return str(tmp_path / "journal.jsonl")


@pytest.mark.req("DOL-POLICY-003", "DOL-AUDIT-001")
def test_each_record_is_judged_by_the_policy_of_its_time(run: str) -> None:
    found = replay.audit(run)
    assert (found.verdict, found.findings, found.reasons) == (Verdict.CONFORMS, (), ())
    assert found.policy_hash == policy_hash(SLOW._replace(rebase_gap_ns=400 * S))
    again = pipeline.audit(run, jobs=3)
    assert (again.findings, again.checks["b"]) == ((), found.checks["b"])
    names = pipeline.files(run)
    inner = pipeline.cuts(names, 5)
    assert len(inner) > 2
    for cut in inner:  # a part that begins under another policy than the journal
        assert pipeline.decisions(names, True, cut).findings == ()
    watch = Watch(run)
    assert [*watch.lines()]
    assert watch.report(1.0).verdict == Verdict.CONFORMS
    for number in (1, 2, 3):  # retention takes the oldest: what is left is judged all the same
        Path(name_of(run, number)).unlink()
        assert pipeline.audit(run).findings == ()


@needs_java
@pytest.mark.req("DOL-POLICY-003", "DOL-AUDIT-002")
def test_the_model_judges_so_too_and_counts_the_waits_of_the_policy_in_force(tmp_path: Path) -> None:
    """The re-base comes after 201 s in a trap; under a policy that waits 210 s the model refuses it, as replay does."""
    m = Maker(tmp_path / "journal.jsonl", BASE)
    m.hear(100_000)
    m.equity(flat=1, stood=1)
    m.equity(MONEY * 85 // 100, flat=1)
    m.event(ev.RebaseArm(m.wait(150), 5))
    m.under(SLOW)  # it was never re-based: the gap, which is longer now, is none
    m.event(ev.RebaseConfirm(m.wait(51), 5))
    m.close()
    path = str(m.path)
    theirs = conformance.audit(path)
    assert (replay.audit(path).verdict, theirs.verdict, theirs.findings) == (Verdict.CONFORMS, Verdict.CONFORMS, ())
    assert theirs.checks[MODEL].compared > 4

    def slower(value: dict[str, Any]) -> None:
        if value["kind"] == "HEADER" and value["data"].get("segment") == 2:
            under(value, SLOW._replace(rebase_trapped_ns=210 * S))

    rewritten(path, chained(slower))
    ours, theirs = replay.audit(path), conformance.audit(path)
    assert (ours.verdict, theirs.verdict) == (Verdict.VIOLATES, Verdict.VIOLATES)
    assert (ours.findings[0].kind, ours.findings[0].seq) == ("REBASE_CONFIRM", theirs.findings[0].seq)
    assert conformance.agreement(ours, theirs).disagreement == ""


def test_a_window_ends_where_the_policy_changes() -> None:
    turn: Any = Turn(BASE, 0, -1)
    row: Any = object()
    assert [*_parts([turn, row, row, row, turn, turn], 2)] == [turn, [row, row], [row], turn, turn]
    assert [*_parts([], 2)] == []


# --- what somebody did who can write all files anew -----------------------------------------------------------------


def under(value: dict[str, Any], policy: Policy) -> None:
    """This HEADER says `policy`, with its hash."""
    value["data"]["policy"] = policy_object(policy)
    value["data"]["policy_hash"] = policy_hash(policy)


def chained(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], None]:
    """`change`, then what belongs to it: the hash in each line, the hash before and the word in the headers after."""
    last = {"hash": "", "change": {}}

    def each(value: dict[str, Any]) -> None:
        change(value)
        if value["kind"] == "HEADER":
            data = value["data"]
            said = data.get("policy_change")
            if said is not None and data["policy_hash"] != last["hash"]:
                said["before"] = last["hash"]
                said["accepted"] = f"{str(last['hash'])[:16]}:{data['policy_hash'][:16]}"
            last["hash"] = data["policy_hash"]
        value["policy"] = str(last["hash"])[:16]

    return each


def at(segment: int, change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], None]:
    def each(value: dict[str, Any]) -> None:
        if value["kind"] == "HEADER" and value["data"].get("segment") == segment:
            change(value["data"])

    return each


def says(name: str, text: object) -> Callable[[dict[str, Any]], None]:
    return lambda data: data["policy_change"].__setitem__(name, text)


FORMS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another value": (lambda data: data["policy"].__setitem__("kappa_bp", 1), "policy_hash"),
    "no such value": (lambda data: data["policy"].__setitem__("kappa_bp", -1), "policy"),
    "no number": (lambda data: data["policy"].__setitem__("kappa_bp", "many"), "policy.kappa_bp"),
    "no such mode": (lambda data: data["policy"].__setitem__("hibernate", 7), "policy"),
    "another version": (lambda data: data["policy"].__setitem__("version", 2), "policy.version"),
    "another hash before": (says("before", "0" * 64), "policy_change.before"),
    "another place": (says("seq", 1), "policy_change.seq"),
    "another word": (says("accepted", "yes"), "policy_change.accepted"),
    "nothing said": (lambda data: data.pop("policy_change"), "policy_change"),
    "less said": (lambda data: data["policy_change"].pop("by"), "policy_change"),
    "more than the policy": (lambda data: data.__setitem__("start_ns", "5"), "start_ns"),
}


@pytest.mark.req("DOL-POLICY-003")
@pytest.mark.parametrize("name", FORMS)
def test_a_change_that_was_altered_is_named(run: str, name: str) -> None:
    change, field = FORMS[name]
    rewritten(run, lambda value: None)
    assert replay.audit(run).verdict == Verdict.CONFORMS
    rewritten(run, at(2, change))
    bad = pipeline.audit(run).findings[0]
    assert (bad.path, bad.line, bad.field) == (name_of(run, 2), 1, field)
    assert bad.requirement == ("DOL-JOURNAL-015" if field == "start_ns" else "DOL-POLICY-003")
    assert replay.audit(run, all_=True).findings[0] == bad
    if field in ("policy_hash", "policy.kappa_bp"):
        with pytest.raises(UserError, match="its header has no policy"):
            explain(run, "O-2")


@pytest.mark.req("DOL-POLICY-003")
def test_a_policy_in_force_that_differs_from_the_header_shows_in_the_next_order(run: str) -> None:
    """The change is taken out of the chain: the header repeats the one before, and the order was shrunk by nobody."""

    def unchanged(value: dict[str, Any]) -> None:
        if value["kind"] == "HEADER" and value["data"].get("segment") == 2:
            under(value, BASE)
            del value["data"]["policy_change"]

    rewritten(run, chained(unchanged))
    bad = replay.audit(run).findings[0]
    assert (bad.kind, bad.field) == ("ORDER", "fx[0].VERDICT.lots")
    assert (bad.expected, bad.actual) == ("300", "100")


LOOSE: dict[str, tuple[int, Policy, str]] = {
    "more while killed": (3, TIGHT._replace(kappa_bp=9_000), "KILLED"),
    "more while a request is pending": (4, TIGHTER._replace(kappa_bp=9_000), "KILLED"),
    "a shorter wait in a trap": (6, BASE._replace(rebase_trapped_ns=10), "NOT_APEX"),
    "a shorter gap that runs": (7, SLOW._replace(rebase_gap_ns=200 * S), "GAP_RUNS"),
    "another profile": (2, BASE._replace(profile=Profile.DAILY), "OTHER_PROFILE"),
}


@pytest.mark.req("DOL-POLICY-002")
@pytest.mark.parametrize("name", LOOSE)
def test_what_was_loosened_where_nothing_may_be_is_named(run: str, name: str) -> None:
    segment, policy, answer = LOOSE[name]

    def loosened(value: dict[str, Any]) -> None:
        if value["kind"] == "HEADER" and value["data"].get("segment") == segment:
            under(value, policy)

    rewritten(run, chained(loosened))
    path = run if segment == 7 else name_of(run, segment)
    found = replay.audit(run, all_=True).findings
    assert pipeline.audit(run, all_=True, jobs=2).findings == found
    ours = next(finding for finding in found if finding.requirement == "DOL-POLICY-002")
    assert (ours.path, ours.line, ours.check, ours.actual) == (path, 1, "b", answer)
    theirs = [finding for finding in found if finding.check == "d" and finding.requirement == "DOL-POLICY-002"]
    assert [(finding.path, finding.line) for finding in theirs] == [(path, 1)]


@pytest.mark.req("DOL-POLICY-002")
def test_a_gap_that_was_cut_short_in_apex_is_named(tmp_path: Path) -> None:
    m = Maker(tmp_path / "journal.jsonl", BASE)
    m.hear(100_000)
    m.equity(flat=1, stood=1)
    m.equity(MONEY * 85 // 100, flat=1)
    m.event(ev.RebaseArm(m.wait(100), 5))
    m.event(ev.RebaseConfirm(m.now, 5))
    slow = BASE._replace(rebase_gap_ns=100_000 * S)
    m.under(slow)
    m.tick(6_000)
    assert m.state.filter.posture == Posture.APEX
    m.under(BASE)
    m.close()
    found = replay.audit(str(m.path), all_=True).findings
    assert [(one.check, one.field, one.requirement) for one in found] == [
        ("b", "policy", "DOL-POLICY-002"),
        ("d", "policy.rebase_gap_ns", "DOL-POLICY-002"),
    ]


# --- who else reads it ----------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-POLICY-003")
def test_why_answers_by_the_policy_of_the_order(run: str) -> None:
    orders = [record for record in read(run) if record.kind == "ORDER"]
    one, other, back = (explain(run, f"O-{number}") for number in (1, 2, 4))
    assert (one.answer, other.answer, back.answer) == ("PASSED", "SHRUNK", "PASSED")
    for record in orders[:2]:  # a change comes after the time that is asked for
        assert explain(run, at_ns=record.ts_ns).answer == explain(run, record.body.x["id"]).answer


@pytest.mark.req("DOL-POLICY-003")
def test_the_report_and_calibrate_know_of_it(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    notes = [note for note in read_journal(Path(run)).notes if "the policy changed" in note]
    assert len(notes) == 6
    assert policy_hash(BASE)[:16] in notes[0]
    assert "apex_entry_bp 60000 to 10000" in notes[0]
    assert read_journal(Path(run)).rebase_wait_ns == 200 * S
    assert tape(Path(run)).policy == SLOW._replace(rebase_gap_ns=400 * S)
    assert main([run]) == 0
    assert policy_hash(SLOW._replace(rebase_gap_ns=400 * S)) in capsys.readouterr().out
