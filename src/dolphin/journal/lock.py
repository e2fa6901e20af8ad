"""Opening a journal for writing, and the lock that makes its writer the only one.

What belongs here: descriptors and the lock; no records. The lock is on the journal itself (flock): removing or renaming
`<path>.lock`, which only says who holds it, opens no way to two writers, and the death of the holder frees it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid

from dolphin.journal.encoding import encode
from dolphin.journal.errors import JournalLocked, JournalUnreadable
from dolphin.journal.files import OWNER_ONLY, READ, RESUME, Port, let_go, replace, word


def locked(path: str, flags: int, port: Port) -> int:
    """A descriptor that holds the lock of the file; the file is left alone where it cannot be had. A lock is of no use
    on a file that has lost its name meanwhile: its writer has rotated it away, or another one has set it aside.

    JournalUnreadable: it cannot be opened, and why. JournalLocked: another writer has it, and who.
    """
    fd = _opened(path, flags, port)
    try:
        port.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        same = port.same(fd, path)
    except BlockingIOError:
        let_go(port, fd)
        raise JournalLocked(path, _holder(path, port)) from None
    except OSError as error:
        let_go(port, fd)
        raise JournalLocked(path, f"nobody, but the lock cannot be had ({word(error)})") from error
    if not same:
        let_go(port, fd)
        raise JournalLocked(path, "another process, which rotated this file or set it aside just now")
    return fd


def sign(path: str, instance: str, port: Port) -> None:
    """Say in `<path>.lock` who holds the lock. A failure is no harm: the lock is elsewhere."""
    who = encode({"pid": os.getpid(), "instance": instance})
    with contextlib.suppress(OSError):
        replace(port, f"{path}.lock", who.encode() + b"\n", sync=False)


def unlocked(path: str, fd: int, port: Port) -> None:
    """Let go of file and lock."""
    with contextlib.suppress(OSError):
        port.unlink(f"{path}.lock")
    let_go(port, fd)


def instance_id(given: str | None) -> str:
    """The id of one writer: the given one, or 32 random hex digits."""
    if given is None:
        return uuid.uuid4().hex
    return given


def _opened(path: str, flags: int, port: Port) -> int:
    try:
        return port.open(path, flags, OWNER_ONLY)
    except FileExistsError:
        raise _existing(path, port) from None
    except FileNotFoundError:
        raise JournalUnreadable(path, "there is no such file or folder", "name an existing one") from None
    except IsADirectoryError:
        raise JournalUnreadable(path, "is a directory", "name a file in it") from None
    except PermissionError:
        raise JournalUnreadable(path, "may not be written by this user", "run as its owner") from None
    except OSError as error:
        raise JournalUnreadable(path, f"cannot be opened ({word(error)})", "check the path and the disk") from error


def _existing(path: str, port: Port) -> JournalUnreadable:
    """Why a new journal cannot be made where a file is; JournalLocked where that file is being written."""
    let_go(port, locked(path, RESUME, port))
    return JournalUnreadable(path, "exists already", "resume it, or name a new file")


def _holder(path: str, port: Port) -> str:
    """What `<path>.lock` says of the writer that has the lock."""
    try:
        fd = port.open(f"{path}.lock", READ)
    except OSError:
        return "another process, which left no name"
    try:
        said = port.read(fd, 4096)
    except OSError:
        return "another process, whose name cannot be read"
    finally:
        let_go(port, fd)
    return said.decode("utf-8", "backslashreplace").strip()
