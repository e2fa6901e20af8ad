"""`dolphin backup` and `dolphin restore`: a copy of a book that was read after it was made, and the way back from it.

What belongs here: copying, the checks before and after, and what is said. The order of a restore is the copy, then the
latch file, then the names: whatever is found after a crash in between is as it was, or comes up killed
(docs/design/journal-years.md).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from dolphin.app import args
from dolphin.app.copying import (
    Earlier,
    added,
    alone,
    differing,
    earlier_of,
    lacking,
    number_of,
    part_of,
    put,
    refuse_gap,
    second_name,
    segments,
    swept,
    synced,
)
from dolphin.app.copying import copied as _copied
from dolphin.app.errors import EXIT_OK, UserError
from dolphin.app.state_dir import JOURNAL, checked, fresh_instance
from dolphin.journal import (
    Head,
    JournalError,
    JournalLocked,
    LatchFile,
    Recovery,
    Verified,
    head_file,
    latch_path,
    read_latch,
    recover,
    verify,
)
from dolphin.journal import anchor as parsed
from dolphin.journal.beat import HEARTBEAT, BeatState, identity, read_beat, started
from dolphin.journal.chain import ALONE
from dolphin.journal.codec import Malformed
from dolphin.journal.files import CREATE, PORT, RESUME, let_go
from dolphin.journal.folding import folded
from dolphin.journal.headfile import write_head
from dolphin.journal.lock import locked, sign, unlocked
from dolphin.journal.segments import name_of
from dolphin.journal.setaside import free
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Latch, Mode

STILL_S: Final = 1.0
"""Who has not beaten for so long, and is not to be seen, is dead: ten beats."""

_BACKUP: Final = """\
Copy the journal of a book, running or stopped, with all of its segments, into a directory of its own. The copy ends at
the last whole line; its whole chain is checked and its book is folded after it was written to the disk, and only then
does it get its name. What is printed is the copy's own head: keep it where nobody who can write the backup can change
it.

A backup of the same book that is there is brought up to now: the segments that it has are compared and not copied
again, and the new copy must go on where it ended. It stays as it was until the new one is checked, whatever happens.
One of another book, one that is newer, and one that retention has left a gap to are refused: name another directory.

The latch file is not copied: a restored book comes up KILLED, whatever it was."""
_BACKUP_EXAMPLE: Final = """\
dolphin backup --state ~/book --to /mnt/backup/book                each night; copies what is new
dolphin backup --state ~/book --to /mnt/usb/book --live-only       the last segment: enough to go on
"""
_RESTORE: Final = """\
Put a backup in the place of a book that is lost or damaged. A journal that is there is set aside, never removed, as is
each segment of it that is not the backup's. A book that runs, and one that is newer than the backup, is refused: move
it away yourself if you mean it. One that was interrupted can be repeated.

The book comes up KILLED: nobody knows what was decided after the backup, a kill among it. Look at the venue, then
`dolphin arm` and `dolphin confirm`. With --anchor, the newest head that you know of, it is said what is lost."""
_RESTORE_EXAMPLE: Final = """\
dolphin restore --from /mnt/backup/book --state ~/book
dolphin restore --from /mnt/backup/book --state ~/book --anchor 81233:5f0c...
dolphin restore --from /mnt/backup/book --state ~/book --live-only     where an old segment of it is damaged
"""


class Copy(NamedTuple):
    """A copy that was read from end to end: its form, the latch that its fold gives, the segment of its live file."""

    found: Verified
    mode: Mode
    episode: int
    live: int


def backup(argv: list[str]) -> int:
    """`dolphin backup --state DIR --to DIR2`."""
    parser = args.parser("dolphin backup", _BACKUP, _BACKUP_EXAMPLE)
    parser.add_argument("--state", metavar="DIR", required=True, help="state directory of the book")
    parser.add_argument(
        "--to", metavar="DIR", required=True, help="a directory of its own; a backup that is there is brought up to now"
    )
    parser.add_argument("--live-only", action="store_true", help="the live file alone: enough to go on, not to audit")
    given = parser.parse_args(argv)
    state = checked(given.state)
    target = Path(given.to) / JOURNAL
    _refuse_book(target.parent)
    known = head_file(str(state.journal))
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(target.parent):
            copy = _made(state.journal, target, given.live_only)
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror})", path=target, fix="check the path and the disk"
        ) from error
    _tell("backup", target, copy)
    if known is not None and known.seq > copy.found.head.seq:
        missing = known.seq - copy.found.head.seq
        print(f"MISSING: the book's own journal lacks {missing:,} records that its head file names")
    return EXIT_OK


def _refuse_book(home: Path) -> None:
    """A backup is no book: what is made into the directory of one would take the place of its journal."""
    path = str(home / JOURNAL)
    for name in (str(home / "status.json"), str(home / "mailbox"), str(home / HEARTBEAT), latch_path(path)):
        if os.path.lexists(name):
            there = os.path.basename(name)
            raise UserError(f"is the directory of a book: there is {there}", path=home, fix="name one of its own")


def restore(argv: list[str]) -> int:
    """`dolphin restore --from DIR2 --state DIR [--anchor SEQ:HASH]`."""
    parser = args.parser("dolphin restore", _RESTORE, _RESTORE_EXAMPLE)
    parser.add_argument("--from", dest="source", metavar="DIR", required=True, help="directory of the backup")
    parser.add_argument("--state", metavar="DIR", required=True, help="state directory of the book; made if need be")
    parser.add_argument("--anchor", metavar="SEQ:HASH", help="the newest head of the book that you know of")
    parser.add_argument("--live-only", action="store_true", help="the live file alone, where an old segment is damaged")
    given = parser.parse_args(argv)
    source, target = Path(given.source) / JOURNAL, Path(given.state) / JOURNAL
    of = ALONE if given.live_only else str(source)
    found = verify(str(source), of=of)
    lost = _lost(source, found, given.anchor, of)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy = _restored(source, target, given.live_only)
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror})", path=target, fix="check the path and the disk"
        ) from error
    _tell("restored", target, copy)
    print(_said_of(lost))
    print(f"the latch is KILLED: look at the venue, then `dolphin arm --state {given.state}` and `dolphin confirm`")
    return EXIT_OK


@contextlib.contextmanager
def _part(source: Path, target: Path, alone: bool) -> Iterator[tuple[Path, Copy]]:
    """A copy beside `target`, and its segments, on the disk, read from end to end; in the end nothing is left of it."""
    part = part_of(target)  # two that copy at once do not meet
    try:
        _copied(source, part)
        if not alone:
            segments(source, part)
        yield part, _read(part, part)
    finally:
        swept(part)


def _made(source: Path, target: Path, alone: bool) -> Copy:
    """Copy the live file, add the segments before it, check all of it, and only then give the live one its name: until
    that rename the backup that is there is as it was, since it does not read the segments that are added.
    """
    earlier = earlier_of(target)
    part = part_of(target)
    new: list[Path] = []
    try:
        _copied(source, part)
        if earlier is not None:
            refuse_gap(source, part, earlier, target, alone)
        if not alone:
            new.extend(added(source, part, target))
        copy = _read(part, target, earlier)
        os.rename(part, target)
    except BaseException:
        if part.exists():  # else it has its name, and is not whole without them
            for name in new:
                name.unlink(missing_ok=True)
        raise
    finally:
        part.unlink(missing_ok=True)
    _finished(target, copy)
    return copy


def _finished(target: Path, copy: Copy) -> None:
    synced(target)
    write_head(str(target), copy.found.head, closed=copy.found.closed, sync=True, port=PORT)


def _read(path: Path, of: Path, earlier: Earlier | None = None) -> Copy:
    """The whole chain is right, over the segments of the journal `of` before it, and goes on from the earlier backup; a
    book can be folded from it. JournalError; UserError.
    """
    found = verify(str(path), None if earlier is None else earlier.head.anchor, of=str(of))
    try:
        _, book = folded(str(path))
    except Malformed as error:
        raise UserError(
            f"cannot be folded ({error})", path=path, fix="run `trace-audit` on the book's journal"
        ) from error
    assert book.state is not None
    return Copy(found, book.state.latch.mode, book.state.latch.episode, number_of(path))


def _lost(source: Path, found: Verified, anchor: str | None, of: str) -> int:
    """Records that the book had after the backup, by `anchor`; -1: nobody knows. The anchor is checked where it can."""
    if anchor is None:
        return -1
    try:
        known = parsed(anchor)
    except ValueError as error:
        raise UserError(str(error), field="--anchor") from error
    if known.seq <= found.head.seq - found.records:
        print(f"the anchor is not checked: record {known.seq} is in a segment that is not here")
    elif known.seq <= found.head.seq:
        verify(str(source), anchor, of=of)
    return max(known.seq - found.head.seq, 0)


def _said_of(lost: int) -> str:
    if lost < 0:
        return "what is lost is not known: no --anchor was given"
    if lost == 0:
        return "nothing is lost that the anchor knows of"
    return f"LOST: {lost:,} records that were written after this backup; fills and kills may be among them"


def _restored(source: Path, target: Path, alone: bool) -> Copy:
    """Copy and check first: nothing has changed then. The rest is done under the lock of the journal that is there.

    The name never stands for nothing: a host that starts meanwhile finds a journal that is locked, and is refused. It
    cannot begin one of its own, which would be lost when the copy gets the name.
    """
    with _part(source, target, alone) as (part, copy):
        new = locked(str(part), RESUME, PORT)
        try:
            _replaced(target, part, copy)
        finally:
            let_go(PORT, new)
    return copy


def _replaced(target: Path, part: Path, copy: Copy) -> None:
    fd, claimed = _held(target)
    try:
        _compare(target, part, copy.found, claimed)
        _killed(target)
        others = differing(target, part, copy.live)
        aside = free(str(target), others)
        if not claimed:
            _set_aside(target, Path(aside))
        _others_aside(target, aside, others)
        put(part, target)
        os.rename(part, target)
        claimed = False
        _finished(target, copy)
    finally:
        if claimed:
            target.unlink()
        unlocked(str(target), fd, PORT)


def _held(target: Path) -> tuple[int, bool]:
    """The lock of the journal that the name stands for; where there is none, of an empty one, so that nobody begins
    another, and True. JournalLocked: somebody runs this book, or restores it.
    """
    path = str(target)
    claimed = not target.exists()
    fd = locked(path, CREATE if claimed else RESUME, PORT)
    if not PORT.same(fd, path):
        let_go(PORT, fd)
        raise JournalLocked(path, "another process, which has put another journal there just now")
    sign(path, fresh_instance(), PORT)
    return fd, claimed


def _compare(target: Path, part: Path, found: Verified, claimed: bool) -> None:
    """UserError where the backup must not replace what is there."""
    _refuse_beating(target)
    if not claimed:
        _refuse_newer(target, part, found)


def _refuse_beating(target: Path) -> None:
    """Who beats here runs this book, whether or not its journal is where it was: it would write into a file without a
    name. A process that is stopped and may wake is refused too.
    """
    path = str(target.with_name(HEARTBEAT))
    beat = read_beat(path)
    if beat is None or beat.state == BeatState.ENDED or beat.who.boot != identity().boot:
        return
    if started(beat.who.pid) != beat.who.start_ticks:  # dead; or of a container whose processes are not seen from here
        silent_s = (time.monotonic_ns() - beat.monotonic_ns) / 10**9
        time.sleep(min(max(STILL_S - silent_s, 0.0), STILL_S))
        if read_beat(path) == beat:
            return
    raise UserError(
        f"process {beat.who.pid} beats here: it runs this book", path=target.parent, expected="a stopped book",
        actual=f"a heartbeat of {_time(beat.real_ns)}", fix="end that process first; if it hangs, `kill -9` it",
    )  # fmt: skip


def _refuse_newer(target: Path, part: Path, found: Verified) -> None:
    """A journal that can be taken up and goes further, in records or in time, is not what a backup replaces."""
    there = _end(target)
    if there is None:
        return  # damaged: it is set aside
    if there.head.seq > found.head.seq or there.last_ts_ns > found.last_ts_ns:
        raise UserError(
            "is newer than the backup", path=target, expected=f"at most record {found.head.seq}",
            actual=f"{there.head.seq}, at {_time(there.last_ts_ns)}", fix="move it away yourself, if you mean it",
        )  # fmt: skip
    if there.head == found.head and not lacking(target, part):
        raise UserError("is this very book already", path=target, fix="there is nothing to restore")


def _end(target: Path) -> Recovery | None:
    """The end of the journal that is there, if a book can be restarted from it (an old segment may be damaged or gone),
    or if it is whole.
    """
    with contextlib.suppress(JournalError, ValueError):
        return folded(str(target)).recovery
    with contextlib.suppress(JournalError):
        return recover(str(target))
    return None


def _killed(target: Path) -> None:
    """The latch file says KILLED, of no instance: that is news to whatever journal stands there next."""
    path = str(target)
    found = read_latch(path)
    before = 0
    if found is not None and found.said is not None:
        before = found.said.episode
    latch = Latch(Mode.KILLED, before + 1, Cause.OPERATOR, time.time_ns())
    LatchFile.create(path, "", latch, 0).release()


def _set_aside(target: Path, aside: Path) -> None:
    """A second name for the journal that is there, and another for its head file. The first stays until the copy has
    it. After a restore that died here it may have two of them already; none of them is removed.
    """
    second_name(target, aside)
    head = target.with_name(f"{target.name}.head")
    if head.exists():
        os.rename(head, aside.with_name(f"{aside.name}.head"))
    print(f"set aside: {aside} ({aside.stat().st_size:,} bytes)")


def _others_aside(target: Path, aside: str, others: list[int]) -> None:
    """Segments from the copy's own number on are of what came after it: the copy will be rotated to that name. Of those
    before it the copy has its own, which were read from end to end; before its first stays what leads to it.
    """
    for segment in others:
        moved = Path(name_of(aside, segment))
        os.rename(name_of(str(target), segment), moved)
        print(f"set aside: {moved} ({moved.stat().st_size:,} bytes)")


def _tell(word: str, target: Path, copy: Copy) -> None:
    found: Any = copy.found
    end = "closed" if found.closed else "not closed: the book was running, or had died"
    print(f"{word}: {target}, {found.records:,} records, the last of {_time(found.last_ts_ns)}, {end}")
    if copy.live > found.segment:
        print(f"it is in {copy.live - found.segment + 1:,} files, segments {found.segment} to {copy.live}")
    if found.segment > 1:
        print(
            f"it begins with segment {found.segment}, which is enough to go on; those before it are not in it, and an "
            "audit begins there"
        )
    print(f"its chain is whole; its latch was {copy.mode.name}, episode {copy.episode}")
    print(f"head: {Head(*found.head).anchor}")


def _time(ts_ns: int) -> str:
    from dolphin.audit.finding import iso

    return iso(ts_ns)
