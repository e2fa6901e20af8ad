"""Replay in two processes says what it says in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dolphin.audit import pipeline, replay
from dolphin.audit.finding import Report, Verdict
from dolphin.journal import encode, read
from tests.audit.make_journal import Maker, mixed, scripted
from tests.audit.test_replay import edited, line_of


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other processes start twice as fast without contracts; this one has them."""
    monkeypatch.delenv("DOLPHIN_CONTRACTS", raising=False)


def same(path: Path, **options: bool) -> Report:
    all_ = options.get("all_", False)
    one = replay.audit(str(path), all_=all_)
    two = pipeline.audit(str(path), jobs=3, all_=all_)
    assert one._replace(seconds=0) == two._replace(seconds=0)
    return two


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    scripted(path)
    return path


@pytest.mark.req("DOL-AUDIT-001")
def test_a_good_journal(whole: Path, tmp_path: Path) -> None:
    same(whole)
    long = tmp_path / "long.jsonl"
    mixed(long, 2_000)
    same(long)


@pytest.mark.req("DOL-AUDIT-001")
@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("ORDER", '["VERDICT",', '["VERDICT",1'),  # a decision
        ("FLOW", '"flow":', '"flow":"x",'),  # the form
        ("FILL", '"side":1', '"side":3'),  # the ledger
        ("HEADER", '"kind":"DATA"', '"kind":"DATE"'),
    ],
)
def test_a_bad_journal(whole: Path, kind: str, before: str, after: str) -> None:
    copy = edited(whole, line_of(whole, kind), before, after)
    same(copy)
    assert pipeline.audit(str(copy), jobs=2).verdict == Verdict.VIOLATES


@pytest.mark.req("DOL-JOURNAL-001")
def test_a_broken_chain_hides_what_follows_it(whole: Path) -> None:
    lines = whole.read_text().splitlines(keepends=True)
    lines[40] = lines[40].replace('"hash":"', '"hash":"0', 1)
    lines[60] = "nonsense\n"
    whole.write_text("".join(lines))
    same(whole)
    assert pipeline.audit(str(whole), jobs=2).findings[0].line == 41


def test_a_short_journal_takes_one_process(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.subprocess, "Popen", None)
    assert pipeline.audit(str(whole)).verdict == Verdict.CONFORMS


def test_an_incomplete_journal(whole: Path) -> None:
    text = whole.read_text().splitlines(keepends=True)
    whole.with_name("journal.jsonl.head").unlink()
    whole.write_text("".join(text[:-1]))
    same(whole)
    assert same(edited(whole, line_of(whole, "ORDER"), '["VERDICT",', '["VERDICT",1')).reasons == ()


@pytest.mark.req("DOL-JOURNAL-007")
@pytest.mark.parametrize("wrong", [False, True])
def test_a_damaged_head_file(whole: Path, wrong: bool) -> None:
    """It is no file of the journal, and is read before the first line."""
    if wrong:
        whole = edited(whole, line_of(whole, "ORDER"), '["VERDICT",', '["VERDICT",1')
    head = whole.with_name(f"{whole.name}.head")
    head.write_text("garbage\n")
    (finding,) = same(whole, all_=True).findings
    assert (finding.path, finding.line, finding.requirement) == (str(head), 1, "DOL-JOURNAL-007")


@pytest.mark.req("DOL-AUDIT-001")
def test_a_head_of_another_history_hides_nothing_that_follows(whole: Path) -> None:
    copy = edited(whole, line_of(whole, "ORDER"), '"out":[', '"out":[1')
    head = f'{{"seq":1,"hash":"{"0" * 64}","closed":false}}\n'
    copy.with_name(f"{copy.name}.head").write_text(head)
    assert len(same(copy, all_=True).findings) >= 2


@pytest.mark.req("DOL-AUDIT-001")
@pytest.mark.parametrize("what", ["stopped", "finding"])
def test_what_a_part_alone_finds_is_no_conforming_journal(
    whole: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    finding = replay.audit(str(edited(whole, line_of(whole, "ORDER"), '"out":[', '"out":[1'))).findings
    stopped = pipeline.Spot(0, 7) if what == "stopped" else pipeline.NOWHERE
    half = pipeline.Half(() if what == "stopped" else finding, (), 1, stopped)
    monkeypatch.setattr(pipeline, "_half", lambda said: half)
    with pytest.raises(ValueError, match="report this"):
        pipeline.audit(str(whole), jobs=2)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five checkpoints."""
    path = tmp_path_factory.mktemp("long") / "journal.jsonl"
    mixed(path, 1_200, every=200)
    return path


def checkpoints(path: Path) -> list[int]:
    return [record.line for record in read(str(path)) if record.kind == "CHECKPOINT"]


def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The places from which processes are begun."""
    found: list[str] = []
    real = pipeline.subprocess.Popen

    def watch(command: list[str], **how: Any) -> Any:
        found.append(command[-3])
        return real(command, **how)

    monkeypatch.setattr(pipeline.subprocess, "Popen", watch)
    return found


@pytest.mark.req("DOL-AUDIT-001", "DOL-JOURNAL-011")
def test_parts_from_checkpoint_to_checkpoint_are_the_whole(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_refuse_silence", None)  # the parts are enough
    where = begun(monkeypatch)
    same(long)
    assert len(where) == 3
    assert where[0] == "0"
    assert {int(line) + 1 for line in where[1:]} <= {*checkpoints(long)}


@pytest.mark.req("DOL-AUDIT-001", "DOL-JOURNAL-015")
def test_a_journal_that_is_rotated_before_the_parts_open_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They open it by its name, and would judge the new file alone: a wrong decision in the old one must be found."""
    path = tmp_path / "journal.jsonl"
    maker = Maker(path)
    maker.hear()
    wrong = json.loads([record for record in read(str(path)) if record.kind == "SEEN"][-1].raw)
    wrong["out"][0] = int(wrong["out"][0]) - 5
    maker.journal.append(maker.now, "SEEN", encode(wrong))
    real = pipeline.cuts

    def cuts(*given: Any) -> Any:
        found = real(*given)
        maker.rotate()
        maker.tick(1)
        return found

    assert pipeline.audit(str(path), jobs=1).findings
    monkeypatch.setattr(pipeline, "cuts", cuts)
    found = pipeline.audit(str(path), jobs=2)
    maker.journal.release()
    monkeypatch.undo()
    assert found.findings == replay.audit(str(path)).findings
    assert found.findings


@pytest.mark.parametrize(("parts", "expected"), [(1, 0), (2, 1), (4, 3), (99, 5)])
def test_a_journal_is_cut_where_it_has_checkpoints(long: Path, parts: int, expected: int) -> None:
    found = pipeline.cuts([str(long)], parts)
    assert len(found) == expected
    assert found == sorted(found)
    assert len({*found}) == expected


def test_a_journal_without_checkpoints_is_one_part(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = begun(monkeypatch)
    same(whole)
    assert where == ["0"]


def at_part(path: Path, number: int, kind: str) -> int:
    """A line of this kind after the checkpoint of this number (0: the header)."""
    after = [0, *checkpoints(path)][number]
    return next(record.line for record in read(str(path)) if record.line > after and record.kind == kind)


@pytest.mark.req("DOL-AUDIT-001")
@pytest.mark.parametrize("number", [0, 3, 5])
def test_a_bad_record_in_any_part(long: Path, number: int) -> None:
    line = at_part(long, number, "ORDER")
    found = same(edited(long, line, '"out":[', '"out":[1'))
    assert (found.verdict, found.findings[0].line) == (Verdict.VIOLATES, line)


@pytest.mark.req("DOL-JOURNAL-011")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"episode":0', '"episode":1'),
        ('"flat_before":1', '"flat_before":0'),
        ('"state":', '"stale":'),
        ('"rebases":0', '"rebases":0.5'),
    ],
)
def test_a_forged_checkpoint(long: Path, before: str, after: str) -> None:
    line = pipeline.cuts([str(long)], 3)[0].spot.line
    found = same(edited(long, line, before, after)).findings[0]
    assert (found.line, found.requirement) == (line, "DOL-JOURNAL-011")


def test_all_findings_of_all_parts(long: Path) -> None:
    copy = edited(long, at_part(long, 1, "ORDER"), '["VERDICT",', '["VERDICT",1')
    copy = edited(copy, at_part(long, 4, "ORDER"), '["VERDICT",', '["VERDICT",1')
    assert len(same(copy, all_=True).findings) >= 2


def test_a_header_that_opens_no_run_is_no_part(long: Path) -> None:
    copy = edited(long, 1, '"kind":"DATA"', '"kind":"DATE"')
    same(copy)


def test_a_process_that_fails_is_said(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.sys, "executable", "/bin/false")
    with pytest.raises(ValueError, match="failed with 1"):
        pipeline.audit(str(whole), jobs=2)
