"""The audit of a journal in segments: of all of them, of the last ones, of one; and of what somebody did to them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from dolphin.app.audit_cli import main
from dolphin.app.errors import UserError
from dolphin.app.journal_run import read_journal
from dolphin.app.timeline import entries
from dolphin.app.why import explain
from dolphin.audit import conformance, pipeline, replay
from dolphin.audit.finding import MODEL, Report, Verdict
from dolphin.audit.live import Watch
from dolphin.audit.replay import NOT_AUDITED
from dolphin.journal import read, verify
from dolphin.journal.retention import beyond, remove
from dolphin.journal.segments import name_of, opening
from dolphin.kernel import events as ev
from dolphin.kernel.state import Mode
from tests.audit.make_journal import T0, Maker
from tests.audit.test_agreement import needs_java
from tests.journal.test_segments import in_segments, turned

EVERY = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        in_segments(folder, patch, EVERY)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> str:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return str(tmp_path / "journal.jsonl")


def files_of(path: str) -> list[str]:
    return list(dict.fromkeys(record.path for record in read(path)))


def rewritten(path: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change records and chain all files anew: what somebody does who can write them all, and the head file."""
    before = opening(next(read(path)).data).before
    digest, seq = bytes.fromhex(before.hash), before.seq + 1
    for name in files_of(path):
        lines = []
        for line in Path(name).read_bytes().splitlines():
            value = json.loads(line)
            if "previous" in value["data"]:
                value["data"]["previous"] = {"seq": seq - 1, "hash": digest.hex()}
            change(value)
            value["seq"] = seq
            del value["hash"]
            body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()[:-1]
            digest = sha256(digest + body).digest()
            lines.append(body + f',"hash":"{digest.hex()}"}}\n'.encode())
            seq += 1
        Path(name).write_bytes(b"".join(lines))
    Path(f"{path}.head").unlink(missing_ok=True)


@pytest.mark.req("DOL-JOURNAL-015", "DOL-AUDIT-001")
def test_all_segments_are_one_journal(run: str) -> None:
    one = replay.audit(str(Path(run).with_name("one.jsonl")))
    found = pipeline.audit(run, jobs=4)
    assert (found.verdict, found.findings, found.reasons) == (Verdict.CONFORMS, (), ())
    assert found.records == verify(run).records == one.records + 2 * (len(files_of(run)) - 1)
    assert found.checks["b"] == one.checks["b"]
    assert found.checks["d"].compared > one.checks["d"].compared * 0.9
    assert found.ledger["fills"] == one.ledger["fills"] > 0
    assert replay.audit(run, anchor=found.head.anchor).verdict == Verdict.CONFORMS


@pytest.mark.req("DOL-JOURNAL-015", "DOL-AUDIT-003")
def test_what_begins_later_says_so_and_is_checked_from_its_checkpoint_on(run: str, tmp_path: Path) -> None:
    """Every number of segments taken from the front; the fold is that of the whole at each end."""
    whole = replay.audit(run)
    for name in files_of(run)[:-1]:
        Path(name).unlink()
        first = opening(next(read(run)).data)
        found = pipeline.audit(run, jobs=4)
        assert (found.verdict, found.findings) == (Verdict.INCOMPLETE, ())
        said = f"it begins with segment {first.number}: records 0 to {first.before.seq} are not here"
        assert found.reasons == (said,)
        assert found.records == whole.records - first.before.seq - 1
        assert 0 < found.checks["b"].compared < whole.checks["b"].compared
        assert found.head == whole.head


@pytest.mark.req("DOL-JOURNAL-015")
def test_one_alone(run: str) -> None:
    name = name_of(run, 2)
    found = pipeline.audit(name)
    assert (found.verdict, found.findings) == (Verdict.INCOMPLETE, ())
    assert found.reasons[0].startswith("it begins with segment 2")
    assert found.reasons[1].startswith("no CLOSE")
    assert pipeline.audit(name_of(run, 1)).reasons[0].startswith("no CLOSE")


@pytest.mark.req("DOL-JOURNAL-015")
def test_a_head_file_of_a_segment_before_is_no_tail(run: str) -> None:
    """It is written now and then: it may be of a segment that is not here any more."""
    first = next(record for record in read(run) if record.seq == 5)
    Path(f"{run}.head").write_text(f'{{"seq":5,"hash":"{first.hash}","closed":false}}\n')
    assert replay.audit(run).verdict == Verdict.CONFORMS
    for name in files_of(run)[:-1]:
        Path(name).unlink()
    assert replay.audit(run).findings == ()
    Path(f"{run}.head").write_text(f'{{"seq":99999,"hash":"{first.hash}","closed":false}}\n')
    assert replay.audit(run).findings[0].requirement == "DOL-JOURNAL-007"


def header(value: dict[str, Any]) -> None:
    if value["data"].get("segment") == 2:
        value["data"]["start_ns"] = "5"


def no_checkpoint(value: dict[str, Any]) -> None:
    if value["kind"] == "CHECKPOINT":
        value["kind"] = "NOTE"


def forged(value: dict[str, Any]) -> None:
    if value["kind"] == "CHECKPOINT":
        value["data"]["state"]["filter"]["confidence_ms"] //= 2


def unread(value: dict[str, Any]) -> None:
    if value["kind"] == "CHECKPOINT":
        value["data"]["state"]["filter"]["confidence_ms"] = -1


@pytest.mark.req("DOL-JOURNAL-015", "DOL-JOURNAL-011")
@pytest.mark.parametrize(
    ("change", "line", "field", "requirement"),
    [
        (header, 1, "start_ns", "DOL-JOURNAL-015"),
        (no_checkpoint, 2, "kind", "DOL-JOURNAL-015"),
        (forged, 2, "state.filter.confidence_ms", "DOL-JOURNAL-011"),
        (unread, 2, "state.filter.confidence_ms", "DOL-JOURNAL-011"),
    ],
)
def test_a_segment_that_was_forged_is_named(
    run: str, change: Callable[[dict[str, Any]], object], line: int, field: str, requirement: str
) -> None:
    rewritten(run, lambda value: None)
    assert replay.audit(run).verdict == Verdict.CONFORMS
    rewritten(run, change)
    found = pipeline.audit(run)
    assert found.verdict == Verdict.VIOLATES
    bad = found.findings[0]
    assert (bad.path, bad.line, bad.field, bad.requirement) == (name_of(run, 2), line, field, requirement)
    assert replay.audit(run, all_=True).findings[0] == bad


@pytest.mark.req("DOL-JOURNAL-015", "DOL-JOURNAL-011")
@pytest.mark.parametrize(("change", "line"), [(no_checkpoint, 2), (unread, 2), (forged, 4)])
def test_so_is_one_with_which_a_journal_begins(run: str, change: Callable[[dict[str, Any]], object], line: int) -> None:
    rewritten(run, change)
    Path(name_of(run, 1)).unlink()
    bad = replay.audit(run).findings[0]
    assert bad.path == name_of(run, 2)
    assert bad.line <= line or change is forged  # what a checkpoint says wrongly shows in the first record after it


@needs_java
@pytest.mark.req("DOL-JOURNAL-015", "DOL-AUDIT-002")
def test_both_engines_agree(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = replay.audit(run), conformance.audit(run)
    assert (ours.verdict, theirs.verdict) == (Verdict.CONFORMS, Verdict.CONFORMS)
    assert theirs.checks[MODEL].compared > 100
    Path(name_of(run, 1)).unlink()
    assert main([run, "--engine", "both", "--quiet"]) == 2
    said = capsys.readouterr().out
    assert "it begins with segment 2" in said
    rest = conformance.audit(run)
    assert rest.checks[MODEL].verdict == "holds"
    assert 20 < rest.checks[MODEL].compared < theirs.checks[MODEL].compared
    rewritten(run, lambda value: value["kind"] == "TICK" and value["data"]["out"].__setitem__(0, 7))
    bad = replay.audit(run)
    assert bad.verdict == Verdict.VIOLATES
    theirs = conformance.audit(run)
    assert theirs.findings[0].check == MODEL
    assert conformance.agreement(bad, theirs).disagreement == ""


@needs_java
@pytest.mark.req("DOL-JOURNAL-015", "DOL-AUDIT-002")
def test_tlc_takes_a_pending_request_over_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its wait, its nonce and what it took over: the model would refuse the confirm that the kernel grants."""
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.event(ev.Kill(maker.wait(1)))
    maker.event(ev.Arm(maker.now, 1, 11, 0, 1, 7))
    maker.tick(30)
    maker.rotate()
    maker.tick(31)
    maker.event(ev.Confirm(maker.now, 11, 7))
    assert maker.state.latch.mode == Mode.RUNNING
    maker.close()
    Path(name_of(str(maker.path), 1)).unlink()
    assert conformance.audit(str(maker.path)).checks[MODEL].verdict == "holds"
    real = conformance.started
    monkeypatch.setattr(conformance, "started", lambda state: real(state)._replace(waited_ns=0))
    assert conformance.audit(str(maker.path)).findings[0].field == "out.mode"


@needs_java
@pytest.mark.req("DOL-JOURNAL-015", "DOL-AUDIT-002")
def test_tlc_takes_a_trap_over_from_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = in_segments(tmp_path, monkeypatch, 9)
    for record in read(run):
        if record.kind == "CHECKPOINT" and record.data["state"]["capital"]["rebase_nonce"] == 5:
            break
        if record.path != run and record.line == 1 and opening(record.data).number > 1:
            Path(name_of(run, opening(record.data).number - 1)).unlink()
    assert conformance.audit(run).checks[MODEL].verdict == "holds"
    after = next(record for record in read(run) if record.kind == "CHECKPOINT")
    assert after.data["state"]["capital"]["rebase_nonce"] == 5


@pytest.mark.req("DOL-JOURNAL-015", "DOL-AUDIT-002")
@pytest.mark.parametrize("change", ["kind", "data"])
def test_tlc_has_nothing_to_begin_with(run: str, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    monkeypatch.setattr(conformance, "find_java", lambda: None)
    monkeypatch.setattr(conformance, "find_jar", lambda jar: jar)
    Path(name_of(run, 1)).unlink()
    rewritten(run, {"kind": no_checkpoint, "data": unread}[change])
    theirs = conformance.audit(run)
    assert conformance.LATER in theirs.reasons
    assert theirs.checks[MODEL].verdict == NOT_AUDITED
    assert conformance.agreement(replay.audit(run), theirs).disagreement == ""


@pytest.mark.req("DOL-JOURNAL-007", "DOL-JOURNAL-017")
def test_an_anchor_in_a_segment_that_is_gone_is_not_checked(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And is said so; but what follows names the last record before it, which can be."""
    anchors = {record.seq: record.head.anchor for record in read(run)}
    Path(name_of(run, 1)).unlink()
    last = opening(next(read(run)).data).before.seq
    for seq in (5, last - 1):
        assert main([run, "--anchor", anchors[seq], "--quiet"]) == 2
        assert f"the anchor is not checked: record {seq} is in a segment that is not here" in capsys.readouterr().out
    for seq in (last, last + 3):
        found = replay.audit(run, anchor=anchors[seq])
        assert (found.verdict, len(found.reasons)) == (Verdict.INCOMPLETE, 1)
        forged = anchors[seq][:-4] + "0000"
        assert replay.audit(run, anchor=forged).findings[0].requirement == "DOL-JOURNAL-007"
        assert Watch(run, anchor=forged).report(0).reasons
    watch = Watch(run, anchor=anchors[5])
    for _ in watch.lines():
        pass
    assert "the anchor is not checked" in watch.report(0).reasons[-1]


@pytest.mark.req("DOL-JOURNAL-007", "DOL-JOURNAL-017")
def test_what_retention_says_of_a_segment_confirms_its_anchor(tmp_path: Path) -> None:
    path = str(tmp_path / "journal.jsonl")
    maker = turned(path, 4)
    gone = beyond(path, 1)
    for one in gone:
        maker.other("NOTE", **json.loads(one.data()))
    maker.other("NOTE", what="retired")
    remove(path, gone)
    maker.close()
    right = gone[0].head.anchor
    assert [one.segment for one in gone] == [1, 2]
    assert len(replay.audit(path, anchor=right).reasons) == 1
    finding = replay.audit(path, anchor=right[:-4] + "0000").findings[0]
    assert (finding.field, finding.line) == ("data.hash", maker_note(path))


def maker_note(path: str) -> int:
    """The line of the first NOTE of retention."""
    return next(record.line for record in read(path) if record.kind == "NOTE")


@pytest.mark.req("DOL-JOURNAL-015")
def test_trace_audit_says_which_file(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([run]) == 0
    Path(name_of(run, 2)).unlink()
    assert main([run, "--quiet"]) == 1
    assert f"{name_of(run, 2)}:1" in capsys.readouterr().out


def test_it_is_followed_over_segments(run: str) -> None:
    watch = Watch(run)
    assert [line for line in watch.lines() if "latch" in line]
    assert watch.report(1.0).verdict == Verdict.CONFORMS


@pytest.mark.req("DOL-JOURNAL-015")
def test_why_finds_an_order_in_an_older_segment(run: str) -> None:
    one = explain(str(Path(run).with_name("one.jsonl")), "O-12")
    found = explain(run, "O-12")
    assert found.path in files_of(run)[:-1]
    assert found._replace(path="", line=0, seq=0) == one._replace(path="", line=0, seq=0)
    record = next(record for record in read(run) if record.seq == found.seq)
    assert (record.path, record.line) == (found.path, found.line)


@pytest.mark.req("DOL-JOURNAL-015")
def test_why_begins_where_the_journal_does(run: str) -> None:
    orders = [record for record in read(run) if record.kind == "ORDER" and record.path == run]
    name = orders[-1].body.x["id"]
    right = explain(run, name)
    for other in files_of(run)[:-1]:
        Path(other).unlink()
    assert explain(run, name) == right
    with pytest.raises(UserError, match=r"no order.*it begins with segment"):
        explain(run, "O-1")
    with pytest.raises(UserError, match=r"nothing was decided before that time.*it begins with segment"):
        explain(run, at_ns=T0)
    rewritten(run, unread)
    with pytest.raises(UserError, match="its first checkpoint cannot be read"):
        explain(run, name)


def test_the_report_is_the_same(run: str) -> None:
    one, found = read_journal(Path(run).with_name("one.jsonl")), read_journal(Path(run))
    assert (found.equity, found.posture, found.confidence_ms) == (one.equity, one.posture, one.confidence_ms)
    assert found.spans == one.spans
    assert [entry.what for entry in entries(Path(run))] == [
        entry.what for entry in entries(Path(run).with_name("one.jsonl"))
    ]


def agreed(path: str, jobs: int = 3, **options: bool) -> Report:
    """In several processes as in one, in all that is said."""
    one, some = replay.audit(path, **options), pipeline.audit(path, jobs=jobs, **options)
    assert one._replace(seconds=0) == some._replace(seconds=0)
    return some


@pytest.mark.req("DOL-JOURNAL-015", "DOL-AUDIT-001")
def test_in_several_processes_as_in_one(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOLPHIN_CONTRACTS", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "_refuse_silence", None)  # the parts are enough
        assert agreed(run).verdict == Verdict.CONFORMS
        Path(name_of(run, 1)).unlink()
        assert agreed(run).reasons[0].startswith("it begins with segment 2")


@pytest.mark.req("DOL-JOURNAL-015", "DOL-AUDIT-001")
@pytest.mark.parametrize("what", ["all", "header", "checkpoint", "exchanged", "hole", "later"])
def test_what_is_wrong_is_said_in_several_processes_as_in_one(
    run: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.delenv("DOLPHIN_CONTRACTS", raising=False)
    seen = []

    def wrong(value: dict[str, Any]) -> None:
        if value["kind"] == "TICK":
            seen.append(value["seq"])
            if len(seen) % 4 == 0:
                value["data"]["out"][0] = 7

    if what == "all":
        rewritten(run, wrong)
    elif what == "later":
        Path(name_of(run, 1)).unlink()
        rewritten(run, wrong)
    elif what in ("header", "checkpoint"):
        rewritten(run, {"header": header, "checkpoint": forged}[what])
    elif what == "exchanged":
        one, other = Path(name_of(run, 1)), Path(name_of(run, 2))
        texts = one.read_bytes(), other.read_bytes()
        one.write_bytes(texts[1])
        other.write_bytes(texts[0])
    else:
        Path(name_of(run, 2)).unlink()
    assert agreed(run, all_=what == "all").verdict == Verdict.VIOLATES


@pytest.mark.req("DOL-JOURNAL-015")
def test_a_rotation_beside_the_parts_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention took a file that a part was to read: one process has the word."""
    monkeypatch.delenv("DOLPHIN_CONTRACTS", raising=False)
    path = str(tmp_path / "journal.jsonl")
    maker = turned(path, 4)
    real = pipeline.cuts

    def cuts(*given: Any) -> Any:
        found = real(*given)
        maker.rotate()
        remove(path, beyond(path, 1))
        return found

    monkeypatch.setattr(pipeline, "cuts", cuts)
    found = pipeline.audit(path, jobs=2)
    assert found.reasons[0].startswith("it begins with segment 4")
    assert found.findings == ()
    maker.journal.release()


def test_a_report_of_what_begins_later_begins_there(run: str) -> None:
    """Not at the run's start, with the confidence of then: shares and figures are of what is here."""
    whole = read_journal(Path(run))
    Path(name_of(run, 1)).unlink()
    found = read_journal(Path(run))
    records = [*read(run)]
    assert "records 0 to" in found.notes[0]
    assert found.confidence_ms[0].ts_ns == found.posture[0].ts_ns == records[1].ts_ns
    assert found.posture[1:] == tuple(point for point in whole.posture if point.ts_ns > records[1].ts_ns)
    assert sum(found.figures.posture_share_bp.values()) in range(9_998, 10_003)
    rewritten(run, unread)
    assert read_journal(Path(run)).posture[0].ts_ns == T0
