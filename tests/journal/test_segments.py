"""A journal in segments is one journal: to its readers, to a restart, to whoever dies in the middle of a rotation."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dolphin.journal import (
    Journal,
    JournalBroken,
    JournalError,
    JournalLocked,
    JournalTorn,
    JournalUnreadable,
    JournalWriteError,
    Record,
    follow,
    read,
    recover,
    verify,
)
from dolphin.journal.chain import header
from dolphin.journal.checkpoint import data
from dolphin.journal.codec import Malformed
from dolphin.journal.encoding import GENESIS, Head
from dolphin.journal.files import PORT, Port
from dolphin.journal.folding import Folding, folded
from dolphin.journal.retention import beyond, remove
from dolphin.journal.segments import FIRST, NUMBER_MAX, name_of, next_of, opening
from tests.audit.make_journal import T0, Maker, scripted
from tests.journal.test_faults import Faults

HASH = "ab" * 32


def often(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    """A Maker rotates at every so many events."""
    kept = Maker.event
    events = [0]

    def event(self: Maker, *args: Any) -> Any:
        effects = kept(self, *args)
        events[0] += 1
        if events[0] % every == 0:
            self.rotate()
        return effects

    monkeypatch.setattr(Maker, "event", event)


def in_segments(folder: Path, monkeypatch: pytest.MonkeyPatch, every: int = 25) -> str:
    """The run in which everything happens once, in some segments; and, beside it, in one."""
    folder.mkdir(parents=True, exist_ok=True)
    scripted(folder / "one.jsonl")
    often(monkeypatch, every)
    scripted(folder / "journal.jsonl")
    monkeypatch.undo()
    return str(folder / "journal.jsonl")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal.jsonl")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        in_segments(folder, patch)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> str:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return str(tmp_path / "journal.jsonl")


def whole(path: str) -> Folding:
    made = Folding()
    recover(path, each=made.each)
    return made


def turned(path: str, segments: int = 3, events: int = 4) -> Maker:
    """A run that goes on, in so many segments."""
    maker = Maker(Path(path))
    maker.hear()
    for number in range(1, segments):
        maker.rotate()
        for _ in range(events):
            maker.tick(1)
        assert Path(name_of(path, number)).exists()
    return maker


@pytest.mark.req("DOL-JOURNAL-015")
def test_names() -> None:
    assert name_of("/b/journal.jsonl", 7) == "/b/journal.0007.jsonl"
    assert name_of("/b.x/journal", 12) == "/b.x/journal.0012"
    assert next_of("/b/journal.jsonl") == "/b/journal.next"
    assert FIRST == (1, (-1, GENESIS.hex()))


@pytest.mark.req("DOL-JOURNAL-015")
def test_it_is_read_as_one_journal(run: str) -> None:
    plain = [(record.kind, record.raw) for record in read(str(Path(run).with_name("one.jsonl")))]
    found = [*read(run)]
    assert [record.seq for record in found] == [*range(len(found))]
    headers = [record for record in found if record.kind == "HEADER"]
    assert len(headers) > 5
    assert [record.data.get("segment", 1) for record in headers] == [*range(1, len(headers) + 1)]
    same = [(record.kind, record.raw) for record in found if record.kind not in ("HEADER", "CHECKPOINT")]
    ends = ("OWN", "FILL", "CLOSE")  # what names a sequence number
    assert [row for row in same if row[0] not in ends] == [row for row in plain[1:] if row[0] not in ends]
    for one, after in pairwise(found):
        if after.kind == "HEADER":
            assert after.data["previous"] == {"seq": one.seq, "hash": one.hash}
            assert (after.line, after.path != one.path) == (1, True)
        else:
            assert (after.line, after.path) == (one.line + 1, one.path)
    assert found[-1].path == run
    form = verify(run)
    assert (form.records, form.closed, form.segment, form.head) == (len(found), True, 1, found[-1].head)
    assert form.size == Path(run).stat().st_size


@pytest.mark.req("DOL-JOURNAL-015", "DOL-JOURNAL-012", "DOL-JOURNAL-008")
def test_the_live_file_alone_gives_the_book(run: str, tmp_path: Path) -> None:
    right = whole(run)
    one = whole(str(tmp_path / "one.jsonl"))
    assert (right.state, right.aside.plain()) == (one.state, one.aside.plain())
    assert right.begun == 0
    recovery, book = folded(run)
    assert recovery == recover(run)
    last = [record for record in read(run) if record.kind == "CHECKPOINT"][-1]
    assert (book.begun, last.line) == (last.seq, 2)
    assert (book.state, book.aside.plain(), book.header) == (right.state, right.aside.plain(), right.header)
    for number in range(1, opening(header(run).data).number):
        Path(name_of(run, number)).unlink()
    alone = whole(run)
    assert (alone.state, alone.aside.plain()) == (right.state, right.aside.plain())
    assert alone.begun == last.seq
    assert verify(run).segment > 5


@pytest.mark.req("DOL-JOURNAL-015")
def test_a_later_segment_that_has_no_checkpoint_opens_no_book(path: str) -> None:
    maker = turned(path)
    maker.close()
    book = Folding()
    records = [record for record in read(path) if record.path == path]
    book.each(records[0])
    with pytest.raises(Malformed, match="a CHECKPOINT after the header"):
        book.each(records[2])


@pytest.mark.req("DOL-JOURNAL-015")
@pytest.mark.parametrize("durability", ["write", "power"])
def test_it_is_taken_up_again_in_its_last_segment(path: str, durability: Any) -> None:
    maker = turned(path)
    head = maker.journal.head
    maker.journal.release()
    with Path(path).open("ab") as file:
        file.write(b'{"seq":torn')
    with Journal.resume(path, ts_ns=maker.now, durability=durability) as journal:
        assert journal.head.seq == head.seq + 1
        maker.journal = journal
        maker.other("NOTE", what="more")
        maker.rotate()
        size = journal.size
        assert size == Path(path).stat().st_size
    assert verify(path).closed
    assert [record.data["segment"] for record in read(path) if record.line == 1 and record.seq] == [2, 3, 4]
    assert Path(f"{path}.torn").exists()


# --- what is wrong with a chain -------------------------------------------------------------------------------------


@pytest.mark.req("DOL-JOURNAL-015")
def test_what_was_taken_from_the_front_is_said(run: str) -> None:
    for number in (1, 2):
        Path(name_of(run, number)).unlink()
    found = [*read(run)]
    assert found[0].data["segment"] == 3
    assert verify(run).segment == 3
    assert verify(run).records == len(found)


@pytest.mark.req("DOL-JOURNAL-015")
def test_a_hole_is_a_break(run: str) -> None:
    Path(name_of(run, 2)).unlink()
    with pytest.raises(JournalBroken) as refused:
        [*read(run)]
    assert refused.value.path == name_of(run, 2)
    assert (refused.value.actual, refused.value.requirement) == ("no such file", "DOL-JOURNAL-015")
    recovery, _ = folded(run)  # a restart needs the last checkpoint alone
    assert recovery.closed


def exchanged(run: str) -> str:
    os.rename(name_of(run, 2), f"{run}.x")
    os.rename(name_of(run, 3), name_of(run, 2))
    os.rename(f"{run}.x", name_of(run, 3))
    return name_of(run, 2)


def of_another_run(run: str) -> str:
    other = str(Path(run).parent / "other" / "journal.jsonl")
    Path(other).parent.mkdir()
    turned(other, 4).close()
    os.replace(name_of(other, 2), name_of(run, 2))
    return name_of(run, 2)


def shortened(run: str) -> str:
    name = Path(name_of(run, 2))
    name.write_bytes(b"".join(name.read_bytes().splitlines(keepends=True)[:-1]))
    return name_of(run, 3)


def torn(run: str) -> str:
    name = Path(name_of(run, 2))
    name.write_bytes(name.read_bytes()[:-5])
    return str(name)


def emptied(run: str) -> str:
    Path(name_of(run, 2)).write_bytes(b"")
    return name_of(run, 2)


def changed(run: str) -> str:
    name = Path(name_of(run, 2))
    name.write_bytes(name.read_bytes().replace(b'"kind":"TICK"', b'"kind":"KILL"', 1))
    return str(name)


def of_another_header(run: str) -> str:
    name = Path(name_of(run, 2))
    name.write_bytes(name.read_bytes().replace(b'"segment":2', b'"segment":1', 1))
    return str(name)


WRONG = (exchanged, of_another_run, shortened, torn, emptied, changed, of_another_header)


@pytest.mark.req("DOL-JOURNAL-015")
@pytest.mark.parametrize("wrong", WRONG)
def test_the_file_that_is_wrong_is_named(run: str, wrong: Callable[[str], str]) -> None:
    bad = wrong(run)
    with pytest.raises(JournalBroken) as refused:
        [*read(run)]
    assert refused.value.path == bad
    assert type(refused.value) is not JournalTorn
    with pytest.raises(JournalBroken):
        verify(run)


@pytest.mark.req("DOL-JOURNAL-015")
def test_a_rotated_file_that_cannot_be_read_is_no_hole(run: str) -> None:
    Path(name_of(run, 2)).unlink()
    Path(name_of(run, 2)).mkdir()
    with pytest.raises(JournalBroken, match="is a directory"):
        [*read(run)]
    os.rmdir(name_of(run, 2))
    os.symlink(name_of(run, 2), name_of(run, 2))
    with pytest.raises(JournalBroken, match="cannot be opened"):
        [*read(run)]


@pytest.mark.parametrize(
    "said",
    [
        {"segment": 1},
        {"segment": NUMBER_MAX + 1},
        {"segment": "two"},
        {"segment": 2},
        {"segment": 2, "previous": 5},
        {"segment": 2, "previous": {"hash": HASH, "seq": 5}},
        {"segment": 2, "previous": {"seq": -1, "hash": HASH}},
        {"segment": 2, "previous": {"seq": 5, "hash": HASH[1:]}},
        {"segment": 2, "previous": {"seq": 5, "hash": HASH + "a"}},
        {"segment": 2, "previous": {"seq": 5.5, "hash": HASH}},
    ],
)
def test_a_header_whose_segment_cannot_be_read_is_refused(path: str, said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"segment|previous|integer"):
        opening(said)
    Maker(Path(path), more=said).journal.release()
    with pytest.raises(JournalBroken) as refused:
        [*read(path)]
    assert (refused.value.line, refused.value.field) == (1, "data")


def test_one_that_can() -> None:
    assert opening({"segment": 2, "previous": {"seq": 5, "hash": HASH}}) == (2, Head(5, HASH))


# --- a rotation that dies, or is refused ----------------------------------------------------------------------------


def dying(at: int, after: bool) -> Port:
    """A port whose process is killed at its `at`-th call of any kind, before or after that was made."""
    calls = [0]

    def deadly(name: str) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            now = calls[0]
            calls[0] += 1
            if now == at and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return getattr(PORT, name)(*args)
            finally:
                if now == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        return wrapped

    return PORT._replace(**{name: deadly(name) for name in Port._fields})


def rotating(path: str, port: Port) -> None:
    """Take the journal up and rotate it, by `port`."""
    journal = Journal.resume(path, ts_ns=T0 + 1, durability="power")
    book = folded(path).book
    assert book.state is not None
    journal._port = port
    journal.rotate(T0 + 2, data(book.state, book.aside))
    journal.release()


def killed(path: str, port: Port) -> None:
    """A process that is killed while it rotates."""
    child = os.fork()
    if child == 0:  # nothing here comes back
        try:
            rotating(path, port)
        finally:
            os._exit(7)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def steps(folder: Path) -> list[str]:
    """The calls of one rotation."""
    path = str(folder / "plain.jsonl")
    turned(path, 2).journal.release()
    faults = Faults()
    rotating(path, faults.port())
    return faults.calls


@pytest.mark.req("DOL-JOURNAL-016", "DOL-JOURNAL-002")
@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_is_killed_at_any_step_of_a_rotation(tmp_path: Path, after: bool) -> None:
    calls = steps(tmp_path)
    decides = calls.index("replace") + 1 - after  # the first rename; the head file's comes later
    assert {"unlink", "open", "flock", "write", "fdatasync", "link", "replace", "close"} <= {*calls}
    for at in range(len(calls)):
        path = str(tmp_path / str(at) / "journal.jsonl")
        os.mkdir(tmp_path / str(at))
        maker = turned(path, 2)
        maker.journal.release()
        right, head = maker.state, maker.journal.head.seq
        for _ in range(2):  # the second one finds what the first one left
            killed(path, dying(at, after))
            there = recover(path)
            head += 1
            if at >= decides:
                head += 2
            assert there.head.seq == head, (at, calls[at])
            assert (there.torn_bytes, there.missing) == (0, 0)
            assert whole(path).state == folded(path).book.state == right
            assert [record.seq for record in read(path)] == [*range(head + 1)]
        before = opening(header(path).data).number
        rotating(path, PORT)
        assert opening(header(path).data).number == before + 1
        assert not Path(next_of(path)).exists()
        Journal.resume(path, ts_ns=T0).close(T0)
        assert verify(path).closed


@pytest.mark.req("DOL-JOURNAL-016")
@pytest.mark.parametrize(
    ("call", "durability"),
    [(call, "power") for call in ("unlink", "open", "flock", "write", "fdatasync", "same", "link", "replace")]
    + [("fdatasync", "write")],
)
def test_a_rotation_that_is_refused_changes_nothing(path: str, call: str, durability: Any) -> None:
    maker = turned(path, 2)
    maker.journal.release()
    faults = Faults(0, only=call)
    faults.on = False
    journal = maker.journal = Journal.resume(path, ts_ns=maker.now, durability=durability, port=faults.port())
    Path(next_of(path)).write_text("left by one that died")
    head = journal.head
    faults.on = True
    with pytest.raises(JournalError) as refused:
        maker.rotate()
    assert type(refused.value) is JournalError
    assert "EIO" in str(refused.value)
    assert journal.head == head
    faults.on = False
    maker.tick(1)
    maker.rotate()
    maker.close()
    assert verify(path).closed
    assert not Path(next_of(path)).exists()


@pytest.mark.req("DOL-JOURNAL-016")
def test_a_signal_that_breaks_into_a_rotation(path: str) -> None:
    """Its exception comes after the rename was done, or before; the writer goes on in the file that is the journal."""

    def interrupted(call: str, after: bool) -> Port:
        real = getattr(PORT, call)

        def wrapped(*args: Any) -> Any:
            if after:
                real(*args)
            raise KeyboardInterrupt

        return PORT._replace(**{call: wrapped})

    maker = turned(path, 2)
    for call, after in (("write", True), ("link", True), ("replace", False), ("replace", True)):
        before = maker.journal.head.seq
        maker.journal._port = interrupted(call, after)
        with pytest.raises(KeyboardInterrupt):
            maker.rotate()
        maker.journal._port = PORT
        assert maker.journal.head.seq == before + 2 * (call == "replace" and after)
        maker.tick(1)
    assert not Path(next_of(path)).exists()
    maker.turns = 2
    maker.close()
    assert verify(path).closed
    assert [record.seq for record in read(path)] == [*range(verify(path).records)]


@pytest.mark.req("DOL-JOURNAL-016")
def test_a_rename_that_was_done_counts_whatever_the_system_says(path: str) -> None:
    maker = turned(path, 2)
    calls = [0]

    def replace(name: str, target: str) -> None:
        os.replace(name, target)
        calls[0] += 1
        if calls[0] == 1:
            raise OSError(errno.EIO, "injected")

    maker.journal._port = PORT._replace(replace=replace)
    before = maker.journal.head.seq
    maker.rotate()
    assert maker.journal.head.seq == before + 2
    maker.tick(1)
    maker.close()
    assert verify(path).closed
    assert opening(header(path).data).number == 3


@pytest.mark.req("DOL-JOURNAL-003")
def test_nor_of_one_that_was_taken_away(path: str) -> None:
    turned(path, 2).journal.release()

    def flock(fd: int, what: int) -> None:
        os.unlink(path)
        PORT.flock(fd, what)

    with pytest.raises(JournalLocked, match="set it aside just now"):
        Journal.resume(path, ts_ns=T0, port=PORT._replace(flock=flock))


@pytest.mark.req("DOL-JOURNAL-016")
def test_where_nobody_can_say_which_file_it_is_the_writer_lets_go(path: str) -> None:
    maker = turned(path, 2)

    asked = [0]

    def refuse(*args: Any) -> Any:
        raise OSError(errno.EIO, "injected")

    def same(fd: int, name: str) -> bool:
        asked[0] += 1
        return PORT.same(fd, name) if asked[0] == 1 else refuse()

    maker.journal._port = PORT._replace(replace=refuse, same=same)
    with pytest.raises(JournalError, match="EIO"):
        maker.rotate()
    with pytest.raises(JournalWriteError, match="EBADF"):
        maker.tick(1)
    with pytest.raises(JournalError, match="has let go"):
        maker.rotate()
    assert recover(path).head.seq > 0


@pytest.mark.req("DOL-JOURNAL-016")
def test_a_name_that_the_disk_does_not_confirm_is_in_doubt(path: str) -> None:
    maker = turned(path, 2)
    maker.journal.release()
    opened: list[str] = []

    def open_(name: str, *args: Any) -> int:
        if journal_is_on and os.path.isdir(name):
            raise OSError(errno.EIO, "injected")
        opened.append(name)
        return os.open(name, *args)

    journal_is_on = False
    journal = maker.journal = Journal.resume(path, ts_ns=maker.now, durability="power", port=PORT._replace(open=open_))
    journal_is_on = True
    before = journal.head.seq
    with pytest.raises(JournalWriteError) as refused:
        maker.rotate()
    assert refused.value.kept
    assert journal.head.seq == before + 2
    journal_is_on = False
    maker.tick(1)
    journal.close(maker.now)
    gap = [record for record in read(path) if record.kind == "GAP"]
    assert [(record.data["count"], record.data["unsynced"]) for record in gap] == [(0, 2)]


@pytest.mark.req("DOL-JOURNAL-016")
def test_a_rotation_waits_until_every_record_is_there(path: str) -> None:
    maker = turned(path, 2)
    faults = Faults(0, only="write", error=errno.ENOSPC)
    maker.journal._write = faults.port().write
    with pytest.raises(JournalWriteError):
        maker.journal.append(maker.now, "NOTE", "{}")
    with pytest.raises(JournalError, match="no GAP has told"):
        maker.rotate()

    def broken(fd: int, content: bytes) -> int:
        raise KeyboardInterrupt

    maker.tick(1)
    maker.journal._write = broken
    with pytest.raises(KeyboardInterrupt):
        maker.journal.append(maker.now, "NOTE", "{}")
    with pytest.raises(JournalError, match="looked up"):
        maker.rotate()
    maker.journal._write = os.write
    maker.tick(1)
    maker.rotate()


@pytest.mark.req("DOL-JOURNAL-016")
def test_what_has_its_name_already_is_not_overwritten(path: str) -> None:
    maker = turned(path, 2)
    Path(name_of(path, 2)).write_text("a backup of somebody")
    with pytest.raises(JournalError, match="move it out of the folder"):
        maker.rotate()
    Path(name_of(path, 2)).unlink()
    os.link(path, name_of(path, 2))  # a rotation that died here
    maker.rotate()
    maker.close()
    assert verify(path).closed


@pytest.mark.req("DOL-JOURNAL-016", "DOL-JOURNAL-003")
def test_who_was_moved_away_does_not_take_the_name_of_another_writer(path: str) -> None:
    """Whose journal was moved under it goes on in a file that has no name; another has begun one meanwhile."""
    maker = turned(path, 2)
    os.rename(path, f"{path}.moved")
    other = Maker(Path(path))
    other.hear()
    there = Path(path).stat().st_ino
    with pytest.raises(JournalError, match="is another file than the one that is written"):
        maker.rotate()
    maker.journal.release()
    assert Path(path).stat().st_ino == there
    assert not Path(name_of(path, 2)).exists()
    assert not Path(next_of(path)).exists()
    other.tick(1)
    other.journal.release()
    with pytest.raises(JournalError, match="is another file"):
        rotating_gone(path)


def rotating_gone(path: str) -> None:
    """Nothing has the name any more."""
    journal = Journal.resume(path, ts_ns=T0 + 10**15)
    os.unlink(path)
    try:
        journal.rotate(T0 + 10**15, "{}")
    finally:
        journal.release()


@pytest.mark.req("DOL-JOURNAL-016", "DOL-JOURNAL-015")
@pytest.mark.parametrize("durability", ["write", "power"])
def test_what_was_rotated_away_is_on_the_disk_before_the_new_file_has_the_name(path: str, durability: Any) -> None:
    """Else a loss of power leaves it short before a sound segment."""
    maker = turned(path, 2)
    maker.journal.release()
    calls: list[str] = []
    live = os.stat(path).st_ino

    def fdatasync(fd: int) -> None:
        calls.append("old file" if os.fstat(fd).st_ino == live else "other")
        PORT.fdatasync(fd)

    def replace(name: str, target: str) -> None:
        calls.append("replace")
        PORT.replace(name, target)

    maker.journal = Journal.resume(path, ts_ns=maker.now, durability=durability)
    maker.tick(1)
    maker.journal._port = PORT._replace(fdatasync=fdatasync, replace=replace)
    maker.rotate()
    maker.journal.release()
    assert "old file" in calls[: calls.index("replace")]


def test_the_last_number_that_there_is(path: str) -> None:
    maker = Maker(Path(path), more={"segment": NUMBER_MAX, "previous": {"seq": 5, "hash": HASH}})
    with pytest.raises(JournalError, match="the last that has a name"):
        maker.rotate()


def test_a_checkpoint_that_makes_no_line_makes_no_segment(path: str) -> None:
    maker = turned(path, 2)
    with pytest.raises(ValueError, match="at most"):
        maker.journal.rotate(maker.now, "x" * (1 << 20))
    with pytest.raises(ValueError, match="negative"):
        maker.journal.rotate(-1, "{}")
    maker.rotate()
    maker.close()
    assert verify(path).closed


# --- others, meanwhile ----------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-JOURNAL-003", "DOL-JOURNAL-016")
def test_the_lock_of_a_file_that_was_rotated_away_is_none(path: str) -> None:
    """Who opened the live file before it got its number holds, in the end, the lock of a file that is no journal."""
    maker = turned(path, 2)
    rotated = [False]

    def flock(fd: int, what: int) -> None:
        if not rotated[0]:
            rotated[0] = True
            maker.rotate()
        PORT.flock(fd, what)

    with pytest.raises(JournalLocked, match="rotated this file"):
        Journal.resume(path, ts_ns=maker.now, port=PORT._replace(flock=flock))
    with pytest.raises(JournalLocked, match="pid"):
        Journal.resume(path, ts_ns=maker.now)
    maker.close()


@pytest.mark.req("DOL-JOURNAL-015")
def test_who_reads_while_it_is_rotated_reads_up_to_there(path: str) -> None:
    maker = turned(path, 3)
    head = maker.journal.head.seq
    records = read(path)
    found = [next(records).seq]
    maker.rotate()
    maker.close()
    found += [record.seq for record in records]
    assert found == [*range(head + 1)]


@pytest.mark.req("DOL-JOURNAL-015", "DOL-JOURNAL-017")
def test_who_reads_while_retention_takes_files_is_told_to_read_again(path: str) -> None:
    """It is no break of the chain: an audit must not say that the book violates anything."""
    maker = turned(path, 4)
    maker.journal.release()
    records = read(path)
    next(records)
    remove(path, beyond(path, 0))
    with pytest.raises(JournalUnreadable, match=r"journal.0002.jsonl: went away .*; read again"):
        list(records)
    assert verify(path).segment == 4


@pytest.mark.req("DOL-JOURNAL-015")
@pytest.mark.parametrize("turns", [1, 3])
def test_who_follows_goes_on_in_the_next_segment(path: str, turns: int) -> None:
    """However many rotations came since it looked last."""
    maker = turned(path, 2)
    seen: list[Record] = []

    def sleep(_: float) -> None:
        if maker.turns < 5:
            for _ in range(turns):
                maker.tick(1)
                maker.rotate()
                maker.tick(1)
        elif maker.journal._fd >= 0:
            maker.close()

    seen += follow(path, sleep=sleep)
    assert [record.seq for record in seen] == [*range(maker.journal.head.seq + 1)]
    assert seen[-1].kind == "CLOSE"
    assert [record.data.get("segment") for record in seen if record.line == 1][1:] == [*range(2, maker.turns + 2)]


def test_who_follows_may_stop_at_any_time(path: str) -> None:
    maker = turned(path, 2)
    assert len([*follow(path, stop=lambda: True)]) == maker.journal.head.seq + 1


@pytest.mark.req("DOL-JOURNAL-015")
def test_a_journal_that_is_moved_away_is_not_followed_into_another(path: str, tmp_path: Path) -> None:
    maker = turned(path, 2)

    def sleep(_: float) -> None:
        if not (tmp_path / "journal-1.jsonl").exists():
            os.rename(path, tmp_path / "journal-1.jsonl")
            Maker(Path(path)).journal.release()

    with pytest.raises(JournalUnreadable, match="was moved away"):
        [*follow(path, sleep=sleep)]
    maker.close()


@pytest.mark.req("DOL-JOURNAL-015")
def test_a_reader_beside_a_writer_that_rotates_all_the_time(path: str) -> None:
    """Real threads: whatever moment the reader takes, it sees a chain without a hole."""
    maker = Maker(Path(path))
    maker.hear()
    over = threading.Event()
    heads: list[int] = []
    wrong: list[BaseException] = []

    def look() -> Iterator[int]:
        while not over.is_set():
            yield verify(path).head.seq

    def reading() -> None:
        try:
            heads.extend(look())
        except BaseException as error:
            wrong.append(error)

    reader = threading.Thread(target=reading)
    reader.start()
    while maker.turns < 60:
        maker.tick(1)
        maker.rotate()
    over.set()
    reader.join(60)
    maker.close()
    assert wrong == []
    assert heads == sorted(heads)
    assert verify(path).segment == 1
