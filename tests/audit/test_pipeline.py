"""Replay in two processes says what it says in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dolphin.audit import pipeline, replay
from dolphin.audit.finding import Verdict
from tests.audit.make_journal import mixed, scripted
from tests.audit.test_replay import edited, line_of


def same(path: Path, **options: bool) -> None:
    one = replay.audit(str(path), all_=options.get("all_", False))
    two = pipeline.audit(str(path), jobs=2, all_=options.get("all_", False))
    assert (one.verdict, one.reasons, one.head, one.records) == (two.verdict, two.reasons, two.head, two.records)
    # The first process does not know the book, so that a fault of form is said without it.
    assert [f._replace(before="") for f in one.findings] == [f._replace(before="") for f in two.findings]
    assert one.checks["a"] == two.checks["a"]
    if not one.findings:
        assert one.checks == two.checks
        assert one.coverage == two.coverage


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
