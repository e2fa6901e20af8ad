"""Backup and restore of a book whose journal is in segments."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dolphin.app.cli import main
from dolphin.app.state_dir import JOURNAL
from dolphin.journal import Journal, read, recover, verify
from dolphin.journal.folding import folded
from dolphin.journal.segments import name_of
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
    assert main(["backup", "--state", str(path.parent), "--to", str(kept)]) == 0
    assert "it is segment 3 alone" in capsys.readouterr().out
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
