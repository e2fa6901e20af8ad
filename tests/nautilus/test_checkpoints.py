"""A guarded run writes checkpoints; a restart begins from the last one and is the same book; the audit refolds each."""

from __future__ import annotations

import functools
import os

import pytest

from dolphin.app.book import folded as book_of
from dolphin.app.state_dir import checked
from dolphin.app.status import of
from dolphin.audit import pipeline
from dolphin.journal import checkpoint, recover
from dolphin.journal.folding import Folding, folded
from dolphin.kernel.state import Mode
from dolphin.nautilus import opening
from tests.nautilus.rig import T0, Rig, S, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, limit, market
from tests.nautilus.test_kill import command, make

EVERY = 12
WILD = [65_000, 65_010] * 40


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(opening, "Keeper", functools.partial(checkpoint.Keeper, every=EVERY))


def whole(path):
    made = Folding()
    recover(str(path), each=made.each)
    return made


def same(path):
    """The short way and the long one; where the short one began."""
    book, right = folded(str(path)).book, whole(path)
    assert book.state == right.state
    assert book.aside.plain() == right.aside.plain()
    return book.begun


SCRIPT = {
    2: market(BUY, X1),
    5: limit(BUY, 1_000, 60_000),
    8: market(SELL, X1 // 2),
    11: market(BUY, X1 // 4),
    20: command("kill"),
    24: market(BUY, 1_000),
}


@pytest.mark.req("DOL-JOURNAL-011", "DOL-JOURNAL-012")
def test_a_run_writes_them_and_each_is_the_fold(tmp_path):
    rig = Rig(tmp_path).add(make(SCRIPT)).run(quotes(Rig(tmp_path / "x").instrument, WILD))
    seqs = [record.seq for record in rig.records("CHECKPOINT")]
    assert len(seqs) >= 2
    assert replays(rig.journal)
    for jobs in (1, 2):
        found = pipeline.audit(str(rig.journal), jobs=jobs)
        assert (found.verdict, found.findings) == ("conforms", ())
    assert same(rig.journal) == seqs[-1]
    assert rig.guard.failures == []


@pytest.mark.req("DOL-JOURNAL-012", "DOL-KILL-005")
def test_a_run_that_is_taken_up_again_begins_from_the_last_one(tmp_path):
    rig = Rig(tmp_path).add(make(SCRIPT)).run(quotes(Rig(tmp_path / "x").instrument, WILD))
    before = rig.records("CHECKPOINT")
    status = of(checked(tmp_path), None)
    assert status["chain"].startswith(f"checked from the checkpoint at record {before[-1].seq}")
    assert status["mode"] == "KILLED"
    assert book_of(rig.journal)[1].begun == before[-1].seq
    later = T0 + 200 * S
    again = Rig(tmp_path, resume="always").add(make({2: market(BUY, 1_000)}))
    again.run(quotes(again.instrument, WILD, start_ns=later))
    assert again.guard.parts.guard.state.latch.mode == Mode.KILLED
    after = again.records("CHECKPOINT")
    assert len(after) > len(before)
    assert after[len(before)].seq - before[-1].seq >= EVERY
    assert pipeline.audit(str(again.journal), jobs=2).verdict == "conforms"
    assert same(again.journal) == after[-1].seq


@pytest.mark.req("DOL-JOURNAL-011")
def test_none_says_more_than_the_journal(tmp_path):
    """Between a step and its record there is none: not while a kill is acted upon, nor while the disk is full."""

    def full(strategy):
        rig.guard.parts.guard.journal._write = refuse

    def room(strategy):
        rig.guard.parts.guard.journal._write = os.write

    def refuse(fd, data):
        raise OSError(28, "no space left on device")

    script = {3: market(BUY, X1), 9: full, 12: market(BUY, 1_000), 19: room, 30: market(SELL, X1)}
    rig = Rig(tmp_path).add(make(script))
    rig.run(quotes(rig.instrument, WILD))
    assert rig.records("GAP")
    assert rig.records("CHECKPOINT")
    found = pipeline.audit(str(rig.journal), jobs=1)
    assert found.findings == ()
    assert same(rig.journal) > 0


def test_a_forged_one_is_found_by_both_ways_to_audit(tmp_path):
    from tests.journal.test_folding import rewritten

    rig = Rig(tmp_path).add(make(SCRIPT)).run(quotes(Rig(tmp_path / "x").instrument, WILD))
    bad = rig.records("CHECKPOINT")[-1].seq

    def forge(number, value):
        if number == bad:
            value["data"]["aside"]["lots"]["AUD/USD.SIM-S-001"] = 77

    rewritten(str(rig.journal), forge)
    for jobs in (1, 2):
        found = pipeline.audit(str(rig.journal), jobs=jobs)
        assert found.verdict == "violates"
        assert found.findings[0].seq == bad
        assert found.findings[0].requirement == "DOL-JOURNAL-011"
