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
from dolphin.audit.finding import MODEL, Verdict
from dolphin.audit.live import Watch
from dolphin.audit.replay import NOT_AUDITED
from dolphin.journal import read, verify
from dolphin.journal.segments import name_of, opening
from tests.audit.test_agreement import needs_java
from tests.journal.test_segments import in_segments

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
    theirs = conformance.audit(run)
    assert theirs.checks[MODEL].verdict == NOT_AUDITED
    assert "check c needs the journal from its first segment on" in theirs.reasons
    rewritten(run, lambda value: value["kind"] == "TICK" and value["data"]["out"].__setitem__(0, 7))
    bad = replay.audit(run)
    assert bad.verdict == Verdict.VIOLATES
    assert conformance.agreement(bad, conformance.audit(run)).disagreement == ""


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
    with pytest.raises(UserError, match="no order"):
        explain(run, "O-1")
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
