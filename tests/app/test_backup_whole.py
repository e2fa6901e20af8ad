"""A backup has all segments of a journal: the rehearsal, what it is brought up to, and what a SIGKILL leaves."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dolphin.app import backup, copying
from dolphin.app.cli import main, trace_audit_main
from dolphin.app.state_dir import JOURNAL
from dolphin.journal import Journal, JournalBroken, LatchFile, read, read_latch, recover, verify
from dolphin.journal.beat import HEARTBEAT
from dolphin.journal.folding import folded
from dolphin.journal.retention import beyond, remove
from dolphin.journal.segments import name_of
from dolphin.kernel.policy import INTRADAY
from dolphin.kernel.state import Latch
from tests.audit.make_journal import Maker
from tests.journal.test_segments import turned

Said = pytest.CaptureFixture[str]
CALLS = ("open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.truncate", "fcntl.flock")

LONG_S = 120


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "book").mkdir(mode=0o700)
    return tmp_path / "book" / JOURNAL


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept" / JOURNAL


def saved(path: Path, kept: Path, *more: str) -> int:
    return main(["backup", "--state", str(path.parent), "--to", str(kept.parent), *more])


def restored(path: Path, kept: Path, *more: str) -> int:
    return main(["restore", "--from", str(kept.parent), "--state", str(path.parent), *more])


def grown(maker: Maker, segments: int) -> None:
    for _ in range(segments):
        maker.rotate()
        maker.tick(1)


def heads(path: Path) -> list[Any]:
    return [record.head for record in read(str(path))]


def segment(path: Path, number: int) -> Path:
    return Path(name_of(str(path), number))


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"seq":', b'"sqe":', 1))


@pytest.mark.req("DOL-JOURNAL-013", "DOL-JOURNAL-014", "DOL-JOURNAL-015")
def test_the_rehearsal(path: Path, kept: Path, capsys: Said) -> None:
    """Backup, destroy, restore, audit, take up, rotate, back up again."""
    maker = turned(str(path), 4)
    maker.close()
    before = heads(path)
    assert saved(path, kept) == 0
    assert "it is in 4 files, segments 1 to 4" in capsys.readouterr().out
    assert verify(str(kept), recover(str(path)).head.anchor).segment == 1
    assert trace_audit_main([str(kept), "--quiet"]) == 0
    shutil.rmtree(path.parent)
    assert restored(path, kept) == 0
    assert "it is in 4 files" in capsys.readouterr().out
    assert heads(path) == before
    assert trace_audit_main([str(path), "--quiet"]) == 0
    assert killed(path)
    maker.journal = Journal.resume(str(path), ts_ns=maker.now)
    grown(maker, 2)
    maker.journal.release()
    assert heads(path)[: len(before)] == before
    again = kept.parent.with_name("again") / JOURNAL
    assert saved(path, again) == 0
    assert heads(again) == heads(path)


@pytest.mark.req("DOL-JOURNAL-013")
def test_a_backup_that_is_there_is_brought_up(path: Path, kept: Path) -> None:
    """What it has already is not written again, and is compared."""
    maker = turned(str(path), 3)
    assert saved(path, kept) == 0
    seen = [segment(kept, number).stat() for number in (1, 2)]
    grown(maker, 2)
    assert saved(path, kept) == 0
    after = [segment(kept, number).stat() for number in (1, 2)]
    assert [(one.st_ino, one.st_mtime_ns) for one in after] == [(one.st_ino, one.st_mtime_ns) for one in seen]
    assert heads(kept) == heads(path)
    maker.journal.release()


@pytest.mark.req("DOL-JOURNAL-013")
@pytest.mark.parametrize("whose", ["book", "backup"])
def test_a_segment_that_is_not_the_books_is_not_overwritten(path: Path, kept: Path, capsys: Said, whose: str) -> None:
    """Either of the two may be the damaged one."""
    maker = turned(str(path), 3)
    assert saved(path, kept) == 0
    before = kept.read_bytes()
    damaged = segment({"book": path, "backup": kept}[whose], 2)
    text = damaged.read_bytes()
    damaged.write_bytes(text[:-80] + b"0" + text[-79:])
    there = segment(kept, 2).read_bytes()
    maker.tick(1)
    assert saved(path, kept) == 2
    assert "one of the two is damaged" in capsys.readouterr().err
    assert (kept.read_bytes(), segment(kept, 2).read_bytes()) == (before, there)
    maker.journal.release()


@pytest.mark.req("DOL-JOURNAL-013", "DOL-JOURNAL-017")
def test_a_backup_is_not_brought_up_over_what_retention_took(path: Path, kept: Path, capsys: Said) -> None:
    maker = turned(str(path), 2)
    assert saved(path, kept) == 0
    before = heads(kept)
    grown(maker, 3)
    remove(str(path), beyond(str(path), 1))
    assert saved(path, kept) == 2
    assert "it has what retention took since" in capsys.readouterr().err
    assert heads(kept) == before
    assert not segment(kept, 4).exists()
    other = kept.parent.with_name("other") / JOURNAL
    assert saved(path, other) == 0
    assert "it begins with segment 4" in capsys.readouterr().out
    assert heads(other) == heads(path)
    maker.journal.release()


@pytest.mark.req("DOL-JOURNAL-014", "DOL-JOURNAL-017")
def test_an_anchor_of_what_retention_took_is_not_checked(path: Path, kept: Path, capsys: Said) -> None:
    maker = turned(str(path), 4)
    maker.journal.release()
    before, *_ = heads(path)
    remove(str(path), beyond(str(path), 1))
    assert saved(path, kept) == 0
    shutil.rmtree(path.parent)
    assert restored(path, kept, "--anchor", before.anchor[:-1] + "0") == 0
    assert "the anchor is not checked: record 0 is in a segment that is not here" in capsys.readouterr().out


@pytest.mark.req("DOL-JOURNAL-013", "DOL-JOURNAL-014")
def test_a_change_of_policy_is_no_other_journal(path: Path, kept: Path) -> None:
    maker = turned(str(path), 2)
    maker.under(INTRADAY._replace(rebase_trapped_ns=INTRADAY.rebase_trapped_ns + 1))
    grown(maker, 1)
    maker.journal.release()
    right = heads(path)
    assert saved(path, kept) == 0
    shutil.rmtree(path.parent)
    assert restored(path, kept) == 0
    assert heads(path) == right
    assert verify(str(path)).segment == 1


@pytest.mark.req("DOL-JOURNAL-013", "DOL-JOURNAL-017")
def test_retention_beside_a_backup(path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the oldest while the newer ones are copied: the copy begins later, without a hole."""
    maker = turned(str(path), 4)
    real = copying.copied
    seen: list[Path] = []

    def slow(source: Path, part: Path) -> None:
        seen.append(source)
        if source == segment(path, 2):
            for number in (1, 2):
                segment(path, number).unlink()
        real(source, part)

    monkeypatch.setattr(copying, "copied", slow)
    assert saved(path, kept) == 0
    assert verify(str(kept)).segment == 3
    assert seen == [segment(path, 3), segment(path, 2)]
    maker.journal.release()


@pytest.mark.req("DOL-JOURNAL-013")
def test_a_damaged_segment_makes_no_backup_but_one_of_the_live_file(path: Path, kept: Path, capsys: Said) -> None:
    turned(str(path), 3).journal.release()
    damage(segment(path, 2))
    assert saved(path, kept) == 2
    assert os.listdir(kept.parent) == []
    assert saved(path, kept, "--live-only") == 0
    assert verify(str(kept)).segment == 3
    capsys.readouterr()


@pytest.mark.req("DOL-JOURNAL-013")
def test_a_numbered_file_of_another_journal_is_left_out(path: Path, kept: Path, tmp_path: Path) -> None:
    turned(str(path), 3).journal.release()
    Maker(tmp_path / "other.jsonl", more={"run": "OTHER"}).close()
    shutil.copy(tmp_path / "other.jsonl", segment(path, 1))
    assert saved(path, kept) == 0
    assert verify(str(kept)).segment == 2


@pytest.mark.req("DOL-JOURNAL-014")
def test_a_damaged_backup_gives_its_live_file(path: Path, kept: Path, capsys: Said) -> None:
    turned(str(path), 3).journal.release()
    right = folded(str(path)).book.state
    assert saved(path, kept) == 0
    shutil.rmtree(path.parent)
    damage(segment(kept, 1))
    anchor = folded(str(kept)).recovery.head.anchor
    assert restored(path, kept) == 2
    assert not path.exists()
    assert restored(path, kept, "--live-only", "--anchor", anchor) == 0
    assert "nothing is lost" in capsys.readouterr().out
    assert folded(str(path)).book.state == right
    assert not segment(path, 2).exists()


@pytest.mark.req("DOL-JOURNAL-014", "DOL-JOURNAL-015")
def test_damaged_and_missing_segments_are_restored_beside_a_sound_live_file(path: Path, kept: Path) -> None:
    """The damaged one is kept; the one that is equal is not touched."""
    turned(str(path), 4).journal.release()
    before = heads(path)
    assert saved(path, kept) == 0
    assert restored(path, kept) == 2  # it is this very book
    damage(segment(path, 2))
    bad = segment(path, 2).read_bytes()
    segment(path, 1).unlink()
    inode = segment(path, 3).stat().st_ino
    with pytest.raises(JournalBroken):
        heads(path)
    assert restored(path, kept) == 0
    assert heads(path) == before
    assert (path.parent / "journal-1.0002.jsonl").read_bytes() == bad
    assert segment(path, 3).stat().st_ino == inode
    assert not [*path.parent.glob("*.part*")]


def later(path: Path, kept: Path) -> Maker:
    """A backup that begins with segment 3, of a book that goes on."""
    maker = turned(str(path), 5)
    remove(str(path), beyond(str(path), 2))
    assert saved(path, kept) == 0
    assert verify(str(kept)).segment == 3
    return maker


@pytest.mark.req("DOL-JOURNAL-014", "DOL-JOURNAL-015", "DOL-JOURNAL-017")
@pytest.mark.parametrize("more", [(), ("--live-only",)])
def test_what_is_before_a_backup_that_begins_later_and_does_not_lead_to_it_is_set_aside(
    path: Path, kept: Path, more: tuple[str, ...]
) -> None:
    """Older segments of another journal: reading would begin with them, and the chain break at the backup's first."""
    later(path, kept).journal.release()
    shutil.rmtree(path.parent)
    path.parent.mkdir(mode=0o700)
    other = Maker(path, more={"run": "OTHER"})
    grown(other, 2)
    other.journal.release()
    damage(path)
    there = [segment(path, number).read_bytes() for number in (1, 2)]
    assert restored(path, kept, *more) == 0
    assert trace_audit_main([str(path), "--quiet"]) == 2
    assert heads(path) == heads(kept)[-len(heads(path)) :]
    assert verify(str(path)).segment == (5 if more else 3)
    aside = path.with_name("journal-1.jsonl")
    assert [segment(aside, number).read_bytes() for number in (1, 2)] == there


@pytest.mark.req("DOL-JOURNAL-014", "DOL-JOURNAL-015")
def test_what_leads_to_it_stays(path: Path, kept: Path) -> None:
    turned(str(path), 4).journal.release()
    before = heads(path)
    assert saved(path, kept, "--live-only") == 0
    damage(path)
    assert restored(path, kept, "--live-only") == 0
    assert heads(path) == before
    assert not [*path.parent.glob("journal-1.0*")]


@pytest.mark.req("DOL-JOURNAL-014", "DOL-JOURNAL-015")
@pytest.mark.parametrize("how", ["damaged", "torn", "cut", "missing"])
def test_nor_does_what_is_before_one_that_does_not(path: Path, kept: Path, how: str) -> None:
    """Else there were a hole."""
    turned(str(path), 4).journal.release()
    assert saved(path, kept, "--live-only") == 0
    bad = segment(path, 2)
    if how == "damaged":
        damage(bad)
    elif how == "torn":
        bad.write_bytes(bad.read_bytes() + b'{"seq":torn')
    elif how == "cut":
        bad.write_bytes(b"".join(bad.read_bytes().splitlines(keepends=True)[:-1]))
    else:
        bad.unlink()
    damage(path)
    assert restored(path, kept, "--live-only") == 0
    assert verify(str(path)).segment == 3
    assert trace_audit_main([str(path), "--quiet"]) == 2
    assert [*path.parent.glob("journal-1.000[12].jsonl")]


@pytest.mark.req("DOL-JOURNAL-013")
@pytest.mark.parametrize("done", [False, True])
def test_a_backup_that_is_interrupted_at_its_last_rename_is_whole(
    path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """Once the live file has its name, it needs the segments that were added; before, the earlier one is there."""
    maker = turned(str(path), 2)
    assert saved(path, kept) == 0
    old = heads(kept)
    grown(maker, 2)
    maker.journal.release()
    rename = os.rename

    def interrupted(source: Path, target: Path) -> None:
        if target == kept and not done:
            raise KeyboardInterrupt
        rename(source, target)
        if target == kept:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", interrupted)
        assert saved(path, kept) == 130
    assert heads(kept) == (heads(path) if done else old)
    assert segment(kept, 2).exists() == done
    assert saved(path, kept) == 0
    assert heads(kept) == heads(path)


@pytest.mark.req("DOL-JOURNAL-013", "DOL-JOURNAL-014")
@pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_hard_links_and_folder_syncs(
    path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """exFAT and SMB: what is set aside is copied, and the name is never free."""
    maker = turned(str(path), 3)
    maker.journal.release()
    torn = path.read_bytes() + b'{"seq":torn'
    monkeypatch.setattr(os, "link", refuses(error))
    monkeypatch.setattr(copying, "sync_folder", refuses(errno.EINVAL))
    assert saved(path, kept) == 0
    path.write_bytes(torn.replace(b'"seq":', b'"sqe":', 1))
    assert restored(path, kept) == 0
    assert (path.parent / "journal-1.jsonl").read_bytes() == torn.replace(b'"seq":', b'"sqe":', 1)
    assert heads(path) == heads(kept)
    assert not [*path.parent.glob("*.part*")]


@pytest.mark.req("DOL-JOURNAL-014")
@pytest.mark.parametrize("what", ["link", "sync"])
def test_another_error_is_no_such_disk(
    path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, what: str
) -> None:
    turned(str(path), 2).journal.release()
    assert saved(path, kept) == 0
    path.write_bytes(b"damaged")
    if what == "link":
        monkeypatch.setattr(os, "link", refuses(errno.EIO))
    else:
        monkeypatch.setattr(copying, "sync_folder", refuses(errno.EIO))
    assert restored(path, kept) == 2
    assert "cannot be written" in capsys.readouterr().err


def refuses(error: int) -> Callable[..., None]:
    def refused(*args: Any) -> None:
        raise OSError(error, os.strerror(error))

    return refused


@pytest.mark.req("DOL-JOURNAL-013")
def test_one_backup_at_a_time(path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    turned(str(path), 2).journal.release()
    real = backup._read
    codes = []

    def meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(backup, "_read", real)
        codes.append(saved(path, kept))
        return real(*args)

    monkeypatch.setattr(backup, "_read", meanwhile)
    assert saved(path, kept) == 0
    assert codes == [2]
    assert "backup.lock" in capsys.readouterr().err
    assert sorted(os.listdir(kept.parent)) == ["journal.0001.jsonl", JOURNAL, f"{JOURNAL}.head"]


# --- SIGKILL ----------------------------------------------------------------------------------------------------------


def dies(argv: list[str], folder: Path, count: int) -> bool:
    """Run the command in a process that dies before its call number `count` of those that change a file in
    `folder`, or open one to write; whether it came so far.
    """
    child = os.fork()
    if child == 0:
        left = [count]

        def each(event: str, args: tuple[Any, ...]) -> None:
            if event not in CALLS or (event != "fcntl.flock" and str(folder) not in str(args[0])):
                return
            if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR):
                return
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        signal.alarm(LONG_S)  # whatever a thread of this process held when it was forked: the suite goes on
        sys.addaudithook(each)
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            main(argv)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    ended = os.waitstatus_to_exitcode(status)
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


@pytest.mark.req("DOL-JOURNAL-013")
@pytest.mark.parametrize("earlier", [False, True])
def test_a_backup_that_is_killed_leaves_book_and_earlier_backup(
    tmp_path: Path, path: Path, kept: Path, earlier: bool
) -> None:
    """At each of its calls; and the next one comes to its end, and leaves nothing of the one that died."""
    maker = turned(str(path), 3)
    if earlier:
        assert saved(path, kept) == 0
        grown(maker, 2)
    maker.journal.release()
    right = heads(path)
    old = heads(kept) if earlier else []
    kept.parent.mkdir(exist_ok=True)
    shutil.copytree(kept.parent, tmp_path / "base")
    count = 0
    argv = ["backup", "--state", str(path.parent), "--to", str(kept.parent)]
    while True:
        count += 1
        shutil.rmtree(kept.parent, ignore_errors=True)
        shutil.copytree(tmp_path / "base", kept.parent)
        died = dies(argv, tmp_path, count)
        assert heads(path) == right
        if earlier or kept.exists():
            assert heads(kept) in (old, right)
            verify(str(kept))
        if not died:
            break
        assert saved(path, kept) == 0
        assert heads(kept) == right
        assert not [*kept.parent.glob("*.part*")]
        assert not (kept.parent / copying.LOCK).exists()
    assert count > 12


@pytest.mark.req("DOL-JOURNAL-014")
@pytest.mark.parametrize("there", ["nothing", "a damaged book", "an older book"])
def test_a_restore_that_is_killed_can_be_repeated(tmp_path: Path, path: Path, kept: Path, there: str) -> None:
    """At each of its calls: the name stands for the old journal, or for the backup; then it comes up killed."""
    maker = turned(str(path), 2)
    LatchFile.create(str(path), maker.journal.instance, Latch(), 0).release()
    if there == "an older book":
        shutil.copytree(path.parent, tmp_path / "base")
    grown(maker, 2)
    maker.journal.release()
    assert saved(path, kept) == 0
    right = heads(kept)
    if there == "a damaged book":
        shutil.copytree(path.parent, tmp_path / "base")
        damage(tmp_path / "base" / JOURNAL)
        damage(segment(tmp_path / "base" / JOURNAL, 2))
        segment(tmp_path / "base" / JOURNAL, 1).unlink()
    if there == "nothing":
        (tmp_path / "base").mkdir()
    argv = ["restore", "--from", str(kept.parent), "--state", str(path.parent)]
    count = 0
    while True:
        count += 1
        shutil.rmtree(path.parent)
        shutil.copytree(tmp_path / "base", path.parent)
        before = path.read_bytes() if path.exists() else b""
        died = dies(argv, tmp_path, count)
        assert heads(kept) == right
        if path.exists() and path.read_bytes() not in (before, b""):
            assert heads(path) == right
            assert killed(path)
        if there == "an older book":
            assert folded(str(path)).book.state is not None  # it can be taken up
        if not died:
            break
        again = restored(path, kept)
        assert again == 0 or heads(path) == right
        assert heads(path) == right
        assert killed(path)
    assert count > 12
    assert not (path.parent / HEARTBEAT).exists()


def killed(path: Path) -> bool:
    told = read_latch(str(path))
    return told is not None and told.said is not None and told.said.killed
