"""Backup and restore by the command line: the rehearsal, what is refused, and what a crash in between leaves."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from dolphin.app import backup, copying
from dolphin.app.cli import main, trace_audit_main
from dolphin.app.state_dir import JOURNAL, checked
from dolphin.app.status import of
from dolphin.journal import Journal, LatchFile, read_latch, recover, verify
from dolphin.kernel.events import Arm, Confirm, Equity, Kill, Tick
from dolphin.kernel.policy import INTRADAY
from dolphin.kernel.state import Latch, Mode
from dolphin.nautilus.opening import opened
from tests.app.books import T0, Book
from tests.nautilus.rig import T0 as BEGIN
from tests.nautilus.rig import Rig, quotes
from tests.nautilus.rig import S as SECOND
from tests.nautilus.test_gates import BUY, X1, market
from tests.nautilus.test_kill import make

S = 10**9
Said = pytest.CaptureFixture[str]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """A book that runs, with its latch file."""
    made = Book(tmp_path / "book", INTRADAY, header={"latch": 1})
    for number in range(1, 20):
        made.emit(Equity(T0 + number * S, 1_000_000, flat=1))
    LatchFile.create(str(made.path / JOURNAL), "guard-1", Latch(), 0).release()
    return made


def saved(book: Book, to: Path) -> str:
    """A backup; the head that it named."""
    assert main(["backup", "--state", str(book.path), "--to", str(to)]) == 0
    return recover(str(to / JOURNAL)).head.anchor


def ran(path: Path, start_ns: int, **settings: str) -> Rig:
    rig = Rig(path, **settings).add(make({2: market(BUY, X1)}))
    return rig.run(quotes(rig.instrument, [65_000, 65_010] * 15, start_ns=start_ns))


@pytest.mark.req("DOL-JOURNAL-013", "DOL-JOURNAL-014")
def test_the_rehearsal(tmp_path: Path, capsys: Said) -> None:
    """Run, backup, destroy, restore, audit, look, resume."""
    home, kept = tmp_path / "book", tmp_path / "kept"
    home.mkdir(mode=0o700)
    first = ran(home, BEGIN)
    assert main(["backup", "--state", str(home), "--to", str(kept)]) == 0
    said = capsys.readouterr().out
    head = recover(str(home / JOURNAL)).head
    assert f"head: {head.anchor}" in said
    assert "its chain is whole; its latch was RUNNING, episode 0" in said
    ran(home, BEGIN + 100 * SECOND, resume="always")
    newest = recover(str(home / JOURNAL)).head
    shutil.rmtree(home)
    assert main(["restore", "--from", str(kept), "--state", str(home), "--anchor", newest.anchor]) == 0
    said = capsys.readouterr().out
    assert f"LOST: {newest.seq - head.seq:,} records" in said
    assert f"head: {head.anchor}" in said
    assert trace_audit_main([str(home / JOURNAL), "--anchor", head.anchor]) == 0
    assert main(["status", "--state", str(home)]) == 0
    assert "KILLED" in capsys.readouterr().out
    again = ran(home, BEGIN + 200 * SECOND, resume="always")
    assert again.guard.parts.guard.state.latch.mode == Mode.KILLED  # type: ignore[union-attr]
    assert [record.data["what"] for record in again.records("NOTE")].count("latch") == 1
    assert [order.status_string() for order in again.engine.cache.orders()] == ["DENIED"]
    assert [order.status_string() for order in first.engine.cache.orders()] == ["FILLED"]
    assert trace_audit_main([str(home / JOURNAL)]) == 0


@pytest.mark.req("DOL-JOURNAL-013")
def test_a_running_book_is_copied_up_to_its_last_whole_line(book: Book, tmp_path: Path, capsys: Said) -> None:
    with (book.path / JOURNAL).open("ab") as file:
        file.write(b'{"seq":20,"ts":"17')  # it writes the next one just now
    head = saved(book, tmp_path / "kept")
    assert head == book.journal.head.anchor
    assert "not closed" in capsys.readouterr().out
    copy = tmp_path / "kept" / JOURNAL
    assert verify(str(copy), head).torn == 0
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert sorted(os.listdir(copy.parent)) == [JOURNAL, f"{JOURNAL}.head"]


def test_a_long_last_line_is_cut_too(book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_BLOCK", 4_096)
    with (book.path / JOURNAL).open("ab") as file:
        file.write(b'{"seq":20,' + b"x" * 3_000)
    assert saved(book, tmp_path / "kept") == book.journal.head.anchor


@pytest.mark.req("DOL-JOURNAL-013")
def test_a_backup_is_brought_up_by_its_own_book_alone(book: Book, tmp_path: Path, capsys: Said) -> None:
    """One of another book, of an older state, or that cannot be read, is left as it is."""
    path, kept = book.path / JOURNAL, tmp_path / "kept" / JOURNAL
    saved(book, kept.parent)
    older = path.read_bytes()
    book.emit(Tick(T0 + 60 * S))
    assert saved(book, kept.parent) == book.journal.head.anchor
    before = kept.read_bytes()
    other = Book(tmp_path / "other", INTRADAY, header={"latch": 1})
    for number in range(1, 30):
        other.emit(Equity(T0 + number * S, 2_000_000, flat=1))
    assert main(["backup", "--state", str(other.path), "--to", str(kept.parent)]) == 2
    assert "which the anchor names" in capsys.readouterr().err
    path.write_bytes(older)
    assert main(["backup", "--state", str(book.path), "--to", str(kept.parent)]) == 2
    assert "which the anchor names" in capsys.readouterr().err
    assert kept.read_bytes() == before
    kept.write_bytes(b"damaged")
    assert main(["backup", "--state", str(book.path), "--to", str(kept.parent)]) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert kept.read_bytes() == b"damaged"


@pytest.mark.req("DOL-JOURNAL-013")
def test_a_book_is_no_backup(book: Book, tmp_path: Path, capsys: Said) -> None:
    """Not itself, and not a book that was restored from it, which is of the same history."""
    before = (book.path / JOURNAL).read_bytes()
    assert main(["backup", "--state", str(book.path), "--to", str(book.path)]) == 2
    assert "is the directory of a book" in capsys.readouterr().err
    assert (book.path / JOURNAL).read_bytes() == before
    saved(book, tmp_path / "kept")
    assert main(["restore", "--from", str(tmp_path / "kept"), "--state", str(tmp_path / "new")]) == 0
    assert main(["backup", "--state", str(book.path), "--to", str(tmp_path / "new")]) == 2


@pytest.mark.req("DOL-JOURNAL-013")
def test_a_copy_that_is_no_good_is_no_backup(book: Book, tmp_path: Path, capsys: Said) -> None:
    path = book.path / JOURNAL
    path.write_bytes(path.read_bytes().replace(b'"equity":1000000', b'"equity":1000001', 1))
    assert main(["backup", "--state", str(book.path), "--to", str(tmp_path / "kept")]) == 2
    assert "hash" in capsys.readouterr().err
    assert os.listdir(tmp_path / "kept") == []


def test_what_the_book_itself_lacks_is_said(book: Book, tmp_path: Path, capsys: Said) -> None:
    (book.path / f"{JOURNAL}.head").write_text('{"seq":25,"hash":"' + "0" * 64 + '","closed":false}\n')
    saved(book, tmp_path / "kept")
    assert "MISSING: the book's own journal lacks 6 records" in capsys.readouterr().out


def test_a_journal_of_other_records_cannot_be_folded(tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "book").mkdir(mode=0o700)
    path = tmp_path / "book" / JOURNAL
    Journal.create(str(path), {}, policy_hash="0" * 64, ts_ns=T0).close(T0)
    assert main(["backup", "--state", str(tmp_path / "book"), "--to", str(tmp_path / "kept")]) == 2
    assert "cannot be folded" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_where_nothing_can_be_written(book: Book, tmp_path: Path, capsys: Said, verb: str) -> None:
    (tmp_path / "file").write_text("")
    saved(book, tmp_path / "kept")
    ways = {
        "backup": ["--state", str(book.path), "--to", str(tmp_path / "file" / "x")],
        "restore": ["--from", str(tmp_path / "kept"), "--state", str(tmp_path / "file" / "x")],
    }
    assert main([verb, *ways[verb]]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.req("DOL-JOURNAL-014")
def test_a_running_book_is_not_restored_over(book: Book, tmp_path: Path, capsys: Said) -> None:
    saved(book, tmp_path / "kept")
    assert main(["restore", "--from", str(tmp_path / "kept"), "--state", str(book.path)]) == 2
    assert "locked by" in capsys.readouterr().err
    assert read_latch(str(book.path / JOURNAL)).said.killed is False  # type: ignore[union-attr]


@pytest.mark.req("DOL-JOURNAL-014")
@pytest.mark.parametrize("more", [1, 0])
def test_nor_over_a_newer_one_nor_over_itself(book: Book, tmp_path: Path, capsys: Said, more: int) -> None:
    saved(book, tmp_path / "kept")
    if more:
        book.emit(Tick(T0 + 60 * S))
    book.journal.release()
    assert main(["restore", "--from", str(tmp_path / "kept"), "--state", str(book.path)]) == 2
    said = capsys.readouterr().err
    assert ("newer than the backup" in said) == (more == 1)
    assert ("this very book" in said) == (more == 0)


@pytest.mark.req("DOL-JOURNAL-014")
def test_a_book_that_began_anew_since_is_newer(book: Book, tmp_path: Path, capsys: Said) -> None:
    """It has fewer records, and they are of later."""
    saved(book, tmp_path / "kept")
    book.journal.release()
    other = Book(tmp_path / "other", INTRADAY, start_ns=T0 + 3_600 * S)
    other.close()
    assert main(["restore", "--from", str(tmp_path / "kept"), "--state", str(other.path)]) == 2
    assert "newer" in capsys.readouterr().err


@pytest.mark.req("DOL-JOURNAL-014")
def test_a_damaged_book_is_set_aside(book: Book, tmp_path: Path, capsys: Said) -> None:
    head = saved(book, tmp_path / "kept")
    book.emit(Tick(T0 + 60 * S))
    book.close()
    path = book.path / JOURNAL
    damaged = path.read_bytes().replace(b'"equity":1000000', b'"equity":1000001', 1)
    path.write_bytes(damaged)
    (book.path / "journal-1.jsonl").write_text("of before")
    assert main(["restore", "--from", str(tmp_path / "kept"), "--state", str(book.path), "--anchor", head]) == 0
    said = capsys.readouterr().out
    assert "nothing is lost that the anchor knows of" in said
    assert (book.path / "journal-2.jsonl").read_bytes() == damaged
    assert (book.path / "journal-2.jsonl.head").exists()
    assert (book.path / "journal-1.jsonl").read_text() == "of before"
    assert verify(str(path), head).records == 20


@pytest.mark.parametrize("ending", [b"", b'{"seq":0,"ts":"'])
def test_a_journal_that_is_none_is_set_aside_too(book: Book, tmp_path: Path, ending: bytes) -> None:
    saved(book, tmp_path / "kept")
    book.journal.release()
    (book.path / JOURNAL).write_bytes(ending)
    assert main(["restore", "--from", str(tmp_path / "kept"), "--state", str(book.path)]) == 0
    assert (book.path / "journal-1.jsonl").read_bytes() == ending


@pytest.mark.req("DOL-JOURNAL-014", "DOL-KILL-006")
def test_a_kill_after_the_backup_is_not_forgotten(book: Book, tmp_path: Path) -> None:
    """Nor is one before it that was confirmed since: whatever was decided, it comes up killed."""
    saved(book, tmp_path / "before")
    book.emit(Kill(T0 + 60 * S))
    saved(book, tmp_path / "killed")
    book.emit(Arm(T0 + 61 * S, 1, 5, 1, 0))
    book.emit(Confirm(T0 + 130 * S, 5, 0))
    assert book.state.latch.mode == Mode.RUNNING
    book.journal.release()
    for source in ("before", "killed"):
        home = tmp_path / f"of-{source}"
        assert main(["restore", "--from", str(tmp_path / source), "--state", str(home)]) == 0
        assert of(checked(home), None)["mode"] == "KILLED"
        header = next(iter(recover(str(home / JOURNAL)).records())).data
        found = opened(home, INTRADAY, header, T0 + 200 * S, "write", True)
        assert found.held is not None or found.state.latch.mode == Mode.KILLED
        found.journal.release()


def test_an_anchor_that_is_none_or_of_another_book(book: Book, tmp_path: Path, capsys: Said) -> None:
    saved(book, tmp_path / "kept")
    book.journal.release()
    to = ["restore", "--from", str(tmp_path / "kept"), "--state", str(tmp_path / "new"), "--anchor"]
    assert main([*to, "7"]) == 2
    assert "accepted SEQ:HASH" in capsys.readouterr().err
    assert main([*to, f"7:{'0' * 64}"]) == 2
    assert "which the anchor names" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_without_an_anchor_nobody_knows_what_is_lost(book: Book, tmp_path: Path, capsys: Said) -> None:
    saved(book, tmp_path / "kept")
    assert main(["restore", "--from", str(tmp_path / "kept"), "--state", str(tmp_path / "new")]) == 0
    assert "not known" in capsys.readouterr().out


@pytest.mark.req("DOL-JOURNAL-014")
@pytest.mark.parametrize("at", ["_copied", "_read", "_compare", "_killed", "_set_aside", "write_head"])
def test_a_restore_that_dies_leaves_a_killed_book(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Before the latch file is told nothing has changed; after that whatever is found there is killed, and it can be
    done again. The name always stands for a journal.
    """
    saved(book, tmp_path / "kept")
    book.journal.release()
    path = book.path / JOURNAL
    path.write_bytes(path.read_bytes().replace(b'"equity":1000000', b'"equity":1000001', 1))
    real: Callable[..., object] = getattr(backup, at)

    def dies(*args: object, **more: object) -> object:
        if at not in ("_killed", "write_head"):
            real(*args, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(backup, at, dies)
        assert main(["restore", "--from", str(tmp_path / "kept"), "--state", str(book.path)]) == 130
    told = read_latch(str(path))
    assert told is not None
    assert told.said is not None
    assert told.said.killed == (at in ("_set_aside", "write_head"))
    assert path.exists()
    assert not list(book.path.glob("*.part*"))
    if at != "write_head":  # then it was done already
        assert main(["restore", "--from", str(tmp_path / "kept"), "--state", str(book.path)]) == 0
    assert of(checked(book.path), None)["mode"] == "KILLED"
