"""Copies of a journal's files: all of its segments, under names that no reader takes until they are whole.

What belongs here: bytes and names, for `dolphin backup` and `dolphin restore`, which say and judge (`backup.py`).
Hard links are made where they save a copy of what is there already, and done without where the file system has none
(exFAT, SMB). Segments are copied, never linked, between a book and its backup: a link is the same bytes on the same
disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from dolphin.app.errors import UserError
from dolphin.app.state_dir import JOURNAL
from dolphin.journal import Head, JournalError, verify
from dolphin.journal.chain import ALONE, header
from dolphin.journal.errors import JournalMissing
from dolphin.journal.files import PORT, let_go, sync_folder
from dolphin.journal.folding import folded
from dolphin.journal.lock import locked
from dolphin.journal.segments import name_of, opening, run_of
from dolphin.journal.setaside import numbers

PART: Final = ".part"
"""In the name of a copy that is not whole and checked yet."""
LOCK: Final = "backup.lock"
"""In the directory of a backup, while one is made."""

_BLOCK: Final = 1 << 20
_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)
"""What file systems say that have no hard links, or no more of them."""
_NO_SYNC: Final = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""What file systems say that cannot sync a folder."""


def part_of(target: Path) -> Path:
    """A name for a copy that is to become `target`, which no other process has."""
    return target.with_name(f"{target.name}{PART}-{secrets.token_hex(4)}")


def copied(source: Path, part: Path) -> None:
    """What `source` holds now, up to the end of its last whole line, on the disk. OSError."""
    with open(source, "rb") as book, open(part, "w+b", opener=_owner_only) as copy:
        left = os.fstat(book.fileno()).st_size
        while block := book.read(min(left, _BLOCK)):
            copy.write(block)
            left -= len(block)
        size = copy.tell()
        copy.seek(max(size - _BLOCK - 1, 0))
        copy.truncate(size - len(copy.read().rpartition(b"\n")[2]))
        copy.flush()
        os.fsync(copy.fileno())


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def same(one: Path, other: Path) -> bool:
    """Whether both files hold the same bytes. OSError."""
    with open(one, "rb") as ours, open(other, "rb") as theirs:
        while True:
            block = ours.read(_BLOCK)
            if block != theirs.read(_BLOCK):
                return False
            if not block:
                return True


def synced(target: Path) -> None:
    """The names in the folder of `target` survive a loss of power, where its file system can promise that. OSError."""
    try:
        sync_folder(PORT, str(target))
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def second_name(target: Path, aside: Path) -> None:
    """`target` under another name too, which is free; where it cannot have two, a copy of it. OSError."""
    try:
        os.link(target, aside)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        part = part_of(aside)
        _copied_whole(target, part)
        os.rename(part, aside)


def _copied_whole(source: Path, part: Path) -> None:
    """As `copied`, with a torn last line: what is set aside is kept as it is."""
    with open(source, "rb") as there, open(part, "xb", opener=_owner_only) as copy:
        while block := there.read(_BLOCK):
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())


def number_of(path: Path) -> int:
    """The segment that the live file `path` is. JournalError."""
    return opening(header(str(path)).data).number


def before(source: Path, live: Path) -> list[int]:
    """The segments of the journal `source` before the copy `live` of its live file, newest first, without a hole; one
    of another journal, by its header, ends them. JournalError.
    """
    said = run_of(header(str(live)).data)
    found: list[int] = []
    for number in range(number_of(live) - 1, 0, -1):
        name = name_of(str(source), number)
        try:
            if run_of(header(name).data) != said:
                break
        except JournalMissing:
            break
        found.append(number)
    return found


def segments(source: Path, part: Path) -> list[int]:
    """Copies of all segments before the copy `part` of the journal `source`, under names of their own; newest first, so
    that retention, which takes the oldest, leaves no hole. Which ones there are. OSError, JournalError.
    """
    found: list[int] = []
    for number in before(source, part):
        try:
            copied(Path(name_of(str(source), number)), Path(name_of(str(part), number)))
        except FileNotFoundError:
            break
        found.append(number)
    return found


class Earlier(NamedTuple):
    """The backup that is there: its head, and the segment that its live file is."""

    head: Head
    number: int


def earlier_of(target: Path) -> Earlier | None:
    """The backup at `target`; None where there is none. UserError: it cannot be read."""
    if not target.exists():
        return None
    try:
        return Earlier(folded(str(target)).recovery.head, number_of(target))
    except (JournalError, ValueError) as error:
        raise UserError(
            f"holds a backup that cannot be read ({error})", path=target.parent,
            fix="name another directory; what is in a backup is never overwritten",
        ) from error  # fmt: skip


def refuse_gap(source: Path, part: Path, earlier: Earlier, target: Path, alone: bool) -> None:
    """UserError where the book has not all that was written since the earlier backup: what that has would be lost."""
    live = number_of(part)
    there = [live] if alone else [live, *before(source, part)]
    if earlier.number not in there:
        raise UserError(
            "holds an earlier backup, and records between the two would be missing", path=target.parent,
            expected=f"segment {earlier.number} of the book, which that ends in", actual=f"segments {there[::-1]}",
            fix="name another directory, and keep this one: it has what retention took since",
        )  # fmt: skip


def added(source: Path, part: Path, target: Path) -> Iterator[Path]:
    """Give the backup `target` the segments before `part` that it has not: each is handed out once it has its name,
    which the backup that is there does not read. UserError: one is there and holds something else.
    """
    for number in before(source, part):
        there = Path(name_of(str(source), number))
        name = Path(name_of(str(target), number))
        copy = part_of(name)
        try:
            if name.exists():
                _unequal(there, name)
                continue
            copied(there, copy)
            os.rename(copy, name)
        except FileNotFoundError:
            return  # retention took it, and those before it
        finally:
            copy.unlink(missing_ok=True)
        yield name


def _unequal(there: Path, name: Path) -> None:
    """UserError where the book's segment is another than the one in the backup."""
    if not same(there, name):
        raise UserError(
            f"is not the segment {there} of the book; one of the two is damaged, or of another journal", path=name,
            fix="run `trace-audit` on both, and name another directory; what is in a backup is never overwritten",
        )  # fmt: skip


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """No other backup is made into `home` meanwhile; what one that died left half copied goes. JournalLocked."""
    lock = home / LOCK
    fd = locked(str(lock), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PORT)
    try:
        for left in home.glob(f"{Path(JOURNAL).stem}*{PART}-*"):
            left.unlink()
        yield
    finally:
        lock.unlink(missing_ok=True)
        let_go(PORT, fd)


def differing(target: Path, part: Path, live: int) -> list[int]:
    """The segments of the journal `target` that the copy `part` cannot have beside it, highest first: those from its
    own number `live` on, which it will be rotated to; those of which it has another; and those before its first that do
    not lead to it.
    """
    found = []
    for number in numbers(str(target)):
        copy = Path(name_of(str(part), number))
        if number >= live or (copy.exists() and not same(copy, Path(name_of(str(target), number)))):
            found.append(number)
    own = numbers(str(part))
    if own:
        return found + _apart(target, own[-1], Path(name_of(str(part), own[-1])))
    return found + _apart(target, live, part)


def _apart(target: Path, first: int, copy: Path) -> list[int]:
    """The segments of the journal `target` before number `first` from which no whole chain leads to the first record of
    that, in `copy`; highest first. Once one does not, those before it do not either. JournalError: the copy has none.
    """
    found = [number for number in numbers(str(target)) if number < first]
    before = opening(header(str(copy)).data).before
    while found:
        name = name_of(str(target), first - 1)
        try:
            there = verify(name, of=ALONE)
            if there.head != before or there.torn:
                break
            before = opening(header(name).data).before
        except JournalError:
            break
        first -= 1
        found.remove(first)
    return found


def lacking(target: Path, part: Path) -> bool:
    """Whether the copy `part` has a segment that the journal `target` has not, or has otherwise."""
    for number in numbers(str(part)):
        name = Path(name_of(str(target), number))
        if not name.exists() or not same(Path(name_of(str(part), number)), name):
            return True
    return False


def put(part: Path, target: Path) -> None:
    """The segments of the copy `part` get their names beside `target`, where they are not there already. OSError."""
    for number in numbers(str(part)):
        name = name_of(str(target), number)
        if not os.path.lexists(name):
            os.rename(name_of(str(part), number), name)


def swept(part: Path) -> None:
    """Nothing is left of the copy `part`. OSError."""
    for number in numbers(str(part)):
        os.unlink(name_of(str(part), number))
    part.unlink(missing_ok=True)
