"""Backup and restore of a book whose journal is in segments."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from dolphin.app.book import tail
from dolphin.app.cli import main
from dolphin.app.state_dir import JOURNAL
from dolphin.journal import Journal, LatchFile, encode, read, read_latch, recover, verify
from dolphin.journal.checkpoint import data
from dolphin.journal.folding import folded
from dolphin.journal.latchfile import EXPECTED
from dolphin.journal.retention import beyond, remove
from dolphin.journal.segments import name_of
from dolphin.kernel.events import Kill
from dolphin.kernel.state import Latch, outcome
from dolphin.nautilus.opening import set_aside
from tests.audit.make_journal import Maker
from tests.journal.test_segments import turned

Said = pytest.CaptureFixture[str]


def home(tmp_path: Path) -> Path:
    where = tmp_path / "book"
    where.mkdir(mode=0o700)
    return where


@pytest.mark.req("DOL-JOURNAL-013", "DOL-JOURNAL-014", "DOL-JOURNAL-015")
def test_the_live_segment_is_enough(tmp_path: Path, capsys: Said) -> None:
    path = home(tmp_path) / JOURNAL
    maker = turned(str(path), 3)
    maker.journal.release()
    right = folded(str(path)).book.state
    kept = tmp_path / "kept"
    assert main(["backup", "--state", str(path.parent), "--to", str(kept), "--live-only"]) == 0
    assert "it begins with segment 3" in capsys.readouterr().out
    assert verify(str(kept / JOURNAL)).segment == 3
    shutil.rmtree(path.parent)
    assert main(["restore", "--from", str(kept), "--state", str(path.parent)]) == 0
    assert folded(str(path)).book.state == right


@pytest.mark.req("DOL-JOURNAL-014", "DOL-JOURNAL-015")
@pytest.mark.parametrize("lost", [False, True])
def test_what_came_after_the_backup_is_set_aside(tmp_path: Path, capsys: Said, lost: bool) -> None:
    """The restored segment has a number, and will want its name; those before it are its own."""
    path = home(tmp_path) / JOURNAL
    maker = turned(str(path), 2)
    kept = tmp_path / "kept"
    assert main(["backup", "--state", str(path.parent), "--to", str(kept)]) == 0
    for _ in range(2):
        maker.rotate()
        maker.tick(1)
    maker.journal.release()
    if lost:
        path.unlink()
    else:
        path.write_bytes(b"damaged")
    assert main(["restore", "--from", str(kept), "--state", str(path.parent)]) == 0
    said = capsys.readouterr().out
    assert "journal-1.0002.jsonl" in said
    assert "journal-1.0003.jsonl" in said
    assert not Path(name_of(str(path), 2)).exists()
    assert Path(name_of(str(path), 1)).exists()
    assert verify(str(path)).segment == 1
    assert recover(str(path)).head == recover(str(kept / JOURNAL)).head
    maker.journal = Journal.resume(str(path), ts_ns=maker.now)
    book = folded(str(path)).book
    assert book.state is not None
    maker.state, maker.aside = book.state, book.aside
    maker.rotate()
    maker.journal.release()
    assert [record.seq for record in read(str(path))] == [*range(recover(str(path)).head.seq + 1)]


def taken_up(maker: Maker) -> None:
    """The maker goes on with what was restored."""
    maker.journal = Journal.resume(str(maker.path), ts_ns=maker.now)
    book = folded(str(maker.path)).book
    assert book.state is not None
    maker.state, maker.aside = book.state, book.aside


def inodes(folder: Path, names: str = "journal*.jsonl") -> set[int]:
    return {path.stat().st_ino for path in folder.glob(names)}


@pytest.mark.req("DOL-JOURNAL-014", "DOL-STATE-003")
def test_what_a_restore_set_aside_outlives_a_backtest(tmp_path: Path) -> None:
    """Both look for free names, and there is no `journal-1.jsonl` where the live file was lost."""
    path = home(tmp_path) / JOURNAL
    maker = turned(str(path), 2)
    kept = tmp_path / "kept"
    assert main(["backup", "--state", str(path.parent), "--to", str(kept)]) == 0
    for _ in range(2):
        maker.rotate()
        maker.tick(1)
    maker.journal.release()
    path.unlink()
    assert main(["restore", "--from", str(kept), "--state", str(path.parent)]) == 0
    taken_up(maker)
    for _ in range(2):
        maker.rotate()
        maker.tick(1)
    maker.journal.release()
    records = [record.head for record in read(str(path))]
    before = inodes(path.parent)
    assert len(before) == 6
    aside = set_aside(path)
    assert inodes(path.parent) == before
    assert aside is not None
    assert aside.name == "journal-2.jsonl"
    assert [record.head for record in read(str(aside))] == records


@pytest.mark.req("DOL-STATE-003", "DOL-JOURNAL-015")
def test_a_set_aside_that_died_is_finished_under_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home(tmp_path) / JOURNAL
    turned(str(path), 4).journal.release()
    records = [record.head for record in read(str(path))]
    rename = os.rename

    def dies(source: Path, target: Path) -> None:
        if source.name == "journal.0002.jsonl":
            raise KeyboardInterrupt
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", dies)
        with pytest.raises(KeyboardInterrupt):
            set_aside(path)
    assert path.exists()
    aside = set_aside(path)
    assert aside is not None
    assert [record.head for record in read(str(aside))] == records
    assert not [*path.parent.glob("journal.*")]


@pytest.mark.req("DOL-STATE-003", "DOL-JOURNAL-016")
def test_the_link_of_a_rotation_that_died_is_set_aside_with_it(tmp_path: Path) -> None:
    """Else the journal after it could never be rotated."""
    path = home(tmp_path) / JOURNAL
    maker = turned(str(path), 1)
    maker.journal.release()
    os.link(path, name_of(str(path), 1))
    set_aside(path)
    assert not [*path.parent.glob("journal.*")]
    turned(str(path), 2).journal.release()


@pytest.mark.req("DOL-JOURNAL-014", "DOL-JOURNAL-015")
def test_segments_behind_a_hole_are_set_aside_too_and_restores_do_not_mix(tmp_path: Path) -> None:
    """Retention took the one after the backup: those behind it would be in the way of the rotations to come."""
    path = home(tmp_path) / JOURNAL
    maker = turned(str(path), 2)
    kept = tmp_path / "kept"
    assert main(["backup", "--state", str(path.parent), "--to", str(kept)]) == 0
    for turn in (1, 2):
        for _ in range(3):
            maker.rotate()
            maker.tick(1)
        maker.journal.release()
        os.unlink(name_of(str(path), 2))
        if turn == 1:
            path.unlink()
        else:
            path.write_bytes(b"damaged")
        behind = inodes(path.parent, "journal.000[34].jsonl")
        assert main(["restore", "--from", str(kept), "--state", str(path.parent)]) == 0
        assert inodes(path.parent, f"journal-{turn}.000[34].jsonl") == behind
        assert (path.parent / f"journal-{turn}.jsonl").exists() == (turn == 2)
        taken_up(maker)
    for number in (2, 3, 4):
        maker.rotate()
        maker.tick(1)
        assert Path(name_of(str(path), number)).exists()
    maker.journal.release()


@pytest.mark.req("DOL-JOURNAL-017")
def test_limits_are_shown_when_the_segment_that_said_them_is_gone(tmp_path: Path, capsys: Said) -> None:
    path = home(tmp_path) / JOURNAL
    maker = turned(str(path), 1)
    assert main(["limits", "show", "--state", str(path.parent)]) == 0
    nothing = capsys.readouterr().out
    maker.limits(50)
    assert main(["limits", "show", "--state", str(path.parent)]) == 0
    said = capsys.readouterr().out
    assert said != nothing
    for _ in range(2):
        maker.rotate()
        maker.tick(1)
    remove(str(path), beyond(str(path), 1))
    maker.journal.release()
    assert not Path(name_of(str(path), 1)).exists()
    assert main(["limits", "show", "--state", str(path.parent)]) == 0
    assert capsys.readouterr().out == said


@pytest.mark.req("DOL-JOURNAL-014", "DOL-JOURNAL-015")
def test_a_newer_book_is_not_replaced_though_an_old_segment_is_gone(tmp_path: Path, capsys: Said) -> None:
    """It can be restarted from its live file."""
    path = home(tmp_path) / JOURNAL
    maker = turned(str(path), 2)
    kept = tmp_path / "kept"
    assert main(["backup", "--state", str(path.parent), "--to", str(kept)]) == 0
    for _ in range(3):
        maker.rotate()
        maker.tick(1)
    maker.journal.release()
    os.unlink(name_of(str(path), 2))
    there = path.read_bytes()
    assert main(["restore", "--from", str(kept), "--state", str(path.parent)]) == 2
    assert "is newer than the backup" in capsys.readouterr().err
    assert path.read_bytes() == there


@pytest.mark.req("DOL-STATE-003", "DOL-KILL-005")
@pytest.mark.parametrize("hole", [False, True])
def test_a_kill_that_the_journal_alone_has_is_not_set_aside_with_it(tmp_path: Path, hole: bool) -> None:
    path = home(tmp_path) / JOURNAL
    maker = Maker(path, more={"host": "live", EXPECTED: 1})
    maker.hear()
    for _ in range(3):
        maker.rotate()
        maker.tick(1)
    LatchFile.create(str(path), maker.journal.instance, Latch(), 0).release()
    maker.event(Kill(maker.now))
    maker.journal.release()
    if hole:
        os.unlink(name_of(str(path), 2))
    set_aside(path, latch=False)
    told = read_latch(str(path))
    assert told is not None
    assert told.said is not None
    assert told.said.killed


@pytest.mark.req("DOL-JOURNAL-011")
def test_the_status_passes_over_a_checkpoint_of_another_version(tmp_path: Path) -> None:
    path = home(tmp_path) / JOURNAL
    maker = turned(str(path), 1)
    other = json.loads(data(maker.state, maker.aside))
    other["aside"].pop("limits")
    maker.journal.append(maker.now, "CHECKPOINT", encode(other))
    last = tail(path)
    assert (last.last_kind, last.outcome) == ("CHECKPOINT", outcome(maker.state))
    maker.journal.release()
