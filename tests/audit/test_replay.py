"""The fast engine on whole journals: what conforms, what violates, what is incomplete, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dolphin.audit import replay
from dolphin.audit.finding import Verdict
from dolphin.journal import Journal, JournalUnreadable, codec
from dolphin.kernel import events as ev
from dolphin.kernel import machine
from dolphin.kernel.policy import DAILY, INTRADAY
from tests.audit.make_journal import MONEY, Maker, S, mixed, scripted
from tests.audit.mutate import rechained


def edited(path: Path, line: int, before: str, after: str) -> Path:
    """A copy with the first `before` of a line replaced and every later hash made anew."""
    lines = path.read_text().splitlines()
    assert before in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(before, after, 1)
    copy = path.with_name("edited.jsonl")
    copy.write_text("\n".join(rechained(lines, line - 1)) + "\n")
    return copy


def line_of(path: Path, kind: str, skip: int = 0) -> int:
    found = [i for i, line in enumerate(path.read_text().splitlines(), 1) if json.loads(line)["kind"] == kind]
    return found[skip]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    scripted(path)
    return path


@pytest.mark.req("DOL-AUDIT-001")
@pytest.mark.parametrize("policy", [INTRADAY, DAILY])
def test_a_run_in_which_everything_happens_conforms(tmp_path: Path, policy: object) -> None:
    path = tmp_path / "journal.jsonl"
    head = scripted(path, policy)  # type: ignore[arg-type]
    report = replay.audit(str(path))
    assert report.verdict == Verdict.CONFORMS, report.findings
    assert report.head == head
    assert {name: check.verdict for name, check in report.checks.items()} == dict.fromkeys("abd", "holds")
    assert set(report.coverage.kinds) > set(ev.EVENTS)


@pytest.mark.req("DOL-AUDIT-003")
def test_what_was_not_exercised_is_said(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    mixed(path, 300)
    report = replay.audit(str(path))
    assert report.verdict == Verdict.CONFORMS, report.findings
    assert "kind KILL" in report.coverage.not_exercised
    assert "ANSWER REBASED" in report.coverage.not_exercised
    assert "any.x" in report.coverage.not_compared


@pytest.mark.req("DOL-AUDIT-001")
def test_the_first_bad_record_is_named_in_at_most_ten_lines(whole: Path) -> None:
    line = line_of(whole, "ORDER", 1)
    report = replay.audit(str(edited(whole, line, '["VERDICT",500,', '["VERDICT",501,')))
    assert report.verdict == Verdict.VIOLATES
    (finding,) = report.findings
    assert (finding.line, finding.kind, finding.field) == (line, "ORDER", "fx[0].VERDICT.lots")
    assert (finding.expected, finding.actual, finding.requirement) == ("500", "501", "DOL-ORDER-002")
    assert len(finding.lines()) <= 10
    assert f"edited.jsonl:{line}" in finding.lines()[0]


@pytest.mark.req("DOL-AUDIT-001")
def test_all_goes_on_after_the_first_finding(whole: Path) -> None:
    first = edited(whole, line_of(whole, "ORDER", 1), '["VERDICT",500,', '["VERDICT",501,')
    second = edited(first, line_of(whole, "FLOW"), '"out":[', '"out":[1')
    assert len(replay.audit(str(second)).findings) == 1
    found = replay.audit(str(second), all_=True).findings
    assert {finding.kind for finding in found} >= {"ORDER", "FLOW"}


@pytest.mark.req("DOL-JOURNAL-001")
def test_one_character_changed_anywhere_names_its_line(whole: Path) -> None:
    lines = whole.read_text().splitlines(keepends=True)
    for line in range(2, len(lines) + 1):
        text = lines[line - 1]
        digits = [index for index, sign in enumerate(text) if sign.isdigit()]
        at = digits[(line * 7919) % len(digits)]
        other = "0" if text[at] != "0" else "1"
        changed = [*lines[: line - 1], text[:at] + other + text[at + 1 :], *lines[line:]]
        copy = whole.with_name("changed.jsonl")
        copy.write_text("".join(changed))
        report = replay.audit(str(copy))
        assert report.verdict == Verdict.VIOLATES
        assert report.findings[0].line == line


@pytest.mark.req("DOL-AUDIT-004")
def test_no_close_is_incomplete(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.journal.release()
    report = replay.audit(str(maker.path))
    assert report.verdict == Verdict.INCOMPLETE
    assert "no CLOSE" in report.reasons[0]


@pytest.mark.req("DOL-AUDIT-003")
def test_a_torn_last_line_is_incomplete_and_never_taken(whole: Path) -> None:
    text = whole.read_text()
    whole.write_text(text[: len(text) - 20])
    whole.with_name("journal.jsonl.head").unlink()
    report = replay.audit(str(whole))
    assert report.verdict == Verdict.INCOMPLETE
    assert "has no end" in report.reasons[0]
    assert report.records == text.count("\n") - 1


@pytest.mark.req("DOL-AUDIT-003")
def test_an_empty_and_a_headless_journal_are_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("")
    assert replay.audit(str(path)).verdict == Verdict.INCOMPLETE
    path.write_text('{"seq":0,"ts":"16')
    report = replay.audit(str(path))
    assert report.verdict == Verdict.INCOMPLETE
    assert "inside its header" in report.reasons[0]


@pytest.mark.req("DOL-AUDIT-003")
def test_a_journal_without_a_decision_is_incomplete(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.close()
    report = replay.audit(str(maker.path))
    assert report.verdict == Verdict.INCOMPLETE
    assert report.reasons == ("it holds no decision: nothing was checked",)


@pytest.mark.req("DOL-JOURNAL-006")
def test_a_gap_is_incomplete_and_what_follows_it_cannot_be_recomputed(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    lost = {"from": maker.journal.head.seq + 1, "count": 2, "since_ns": maker.now, "error": "ENOSPC", "unsynced": 0}
    maker.other("GAP", **lost)
    maker.equity(flat=1)
    maker.order(1, 10, value_u=0)
    maker.journal.close(maker.now)
    report = replay.audit(str(maker.path))
    assert report.verdict == Verdict.INCOMPLETE
    assert "GAP" in report.reasons[0]
    copy = edited(maker.path, line_of(maker.path, "ORDER"), ",13]]", ",6]]")
    report = replay.audit(str(copy))
    assert report.verdict == Verdict.INCOMPLETE
    assert any("cannot be recomputed" in reason for reason in report.reasons)


@pytest.mark.req("DOL-JOURNAL-006")
def test_records_lost_in_a_gap_are_no_violation(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.state, _ = machine.step(maker.policy, maker.state, ev.Kill(maker.now))  # this record is lost
    lost = {"from": maker.journal.head.seq + 1, "count": 1, "since_ns": maker.now, "error": "ENOSPC", "unsynced": 0}
    maker.other("GAP", **lost)
    maker.tick(1)
    maker.event(ev.Arm(maker.now, 1, 5, 1, 0))
    maker.event(ev.Confirm(maker.wait(60), 5, 0))
    maker.journal.close(maker.now)
    assert replay.audit(str(maker.path)).verdict == Verdict.INCOMPLETE


@pytest.mark.req("DOL-JOURNAL-006")
def test_a_request_that_took_anothers_place_in_a_gap_is_no_violation(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.event(ev.Kill(maker.now))
    maker.event(ev.Arm(maker.now, 1, 5, 1, 0, 0))
    maker.state, _ = machine.step(maker.policy, maker.state, ev.Arm(maker.now, 1, 6, 1, 0, 0))  # this record is lost
    lost = {"from": maker.journal.head.seq + 1, "count": 1, "since_ns": maker.now, "error": "ENOSPC", "unsynced": 0}
    maker.other("GAP", **lost)
    maker.equity(flat=1)
    maker.event(ev.Confirm(maker.wait(60), 6, 0))
    maker.journal.close(maker.now)
    report = replay.audit(str(maker.path))
    assert report.findings == ()
    assert report.verdict == Verdict.INCOMPLETE


@pytest.mark.req("DOL-JOURNAL-007")
def test_the_anchor_finds_a_missing_tail_and_another_history(whole: Path) -> None:
    head = replay.audit(str(whole)).head
    whole.with_name("journal.jsonl.head").unlink()
    assert replay.audit(str(whole), anchor=head.anchor).verdict == Verdict.CONFORMS
    wrong = f"{head.seq}:{'0' * 64}"
    report = replay.audit(str(whole), anchor=wrong)
    assert report.verdict == Verdict.VIOLATES
    assert report.findings[0].requirement == "DOL-JOURNAL-007"
    lines = whole.read_text().splitlines(keepends=True)
    whole.write_text("".join(lines[:-3]))
    report = replay.audit(str(whole), anchor=head.anchor)
    assert report.verdict == Verdict.VIOLATES
    assert report.findings[0].line == len(lines) - 2


@pytest.mark.req("DOL-AUDIT-005")
def test_the_policy_of_the_header_decides(tmp_path: Path) -> None:
    tight = INTRADAY._replace(apex_entry_bp=10_000)
    path = tmp_path / "journal.jsonl"
    maker = Maker(path, tight)
    maker.hear()
    maker.equity(flat=1, stood=1)
    assert maker.order(1, 600).lots == 100
    maker.close()
    assert replay.audit(str(path)).verdict == Verdict.CONFORMS
    other = codec.policy_object(INTRADAY)["apex_entry_bp"]
    report = replay.audit(str(edited(path, 1, '"apex_entry_bp":10000', f'"apex_entry_bp":{other}')))
    assert report.findings[0].field == "policy_hash"
    assert report.findings[0].requirement == "DOL-AUDIT-005"


@pytest.mark.req("DOL-AUDIT-005")
def test_a_header_that_opens_no_run_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal.create(str(path), {"run": "X"}, policy_hash="0" * 64, ts_ns=1):
        pass
    report = replay.audit(str(path))
    assert report.verdict == Verdict.VIOLATES
    assert report.findings[0].field == "header.policy"


@pytest.mark.req("DOL-AUDIT-003")
def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalUnreadable, match="no such file"):
        replay.audit(str(tmp_path / "nowhere"))
    with pytest.raises(JournalUnreadable, match="directory"):
        replay.audit(str(tmp_path))
    foreign = tmp_path / "foreign"
    foreign.write_text("date,close\n2020-01-01,1\n")
    with pytest.raises(JournalUnreadable, match="no journal"):
        replay.audit(str(foreign))


def changed_kernel(monkeypatch: pytest.MonkeyPatch, **out: int) -> None:
    """A kernel whose records would be wrong: the audit folds with the same wrong kernel, so that check b is blind."""
    real = machine.step

    def step(policy: object, state: object, event: object) -> object:
        after, effects = real(policy, state, event)  # type: ignore[arg-type]
        return after._replace(filter=after.filter._replace(**out)), effects

    monkeypatch.setattr(machine, "step", step)


@pytest.mark.req("DOL-POSTURE-005")
@pytest.mark.req("DOL-AUDIT-001")
def test_safety_is_checked_without_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed_kernel(monkeypatch, confidence_ms=7)
    maker = Maker(tmp_path / "journal.jsonl")
    maker.event(ev.Kill(maker.wait(1)))
    maker.close()
    report = replay.audit(str(maker.path))
    assert report.checks["b"].verdict == "holds"
    assert [finding.check for finding in report.findings] == ["d"]


def test_a_clock_that_steps_back_is_reported(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.tick(5)
    maker.event(ev.Tick(maker.now - 3 * S))
    maker.close()
    report = replay.audit(str(maker.path))
    assert report.verdict == Verdict.CONFORMS
    assert report.back_ns == 3 * S
    assert report.coverage.actions["TRIPPED by CLOCK_REGRESSION"] == 1


def test_money_beyond_2_53_is_folded(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.equity(MONEY * 10**12, flat=1, stood=1)
    maker.order(1, 10, equity=MONEY * 10**12)
    maker.close()
    assert replay.audit(str(maker.path)).verdict == Verdict.CONFORMS
