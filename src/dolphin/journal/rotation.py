"""The steps of a rotation that can be taken back: the next segment is made, the live one gets its number as a name.

What belongs here: files and their names, one step a function, in the order of docs/design/journal-years.md; the step
that decides is the writer's (`writer.py`). Each leaves what a reader takes for the journal of before.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Mapping

from dolphin.journal.encoding import encode
from dolphin.journal.errors import JournalError, JournalWriteError
from dolphin.journal.files import CREATE, OWNER_ONLY, Port, let_go, word
from dolphin.journal.kinds import CHECKPOINT, HEADER
from dolphin.journal.segments import POLICY_HASH, name_of, next_of
from dolphin.journal.tape import Tape, middle


def made(live: Tape, header: Mapping[str, object], checkpoint: str, ts_ns: int, port: Port) -> Tape:
    """Step 1: `journal.next`, locked, with HEADER and CHECKPOINT, on the disk in mode `write` too: its name must not
    come out of a loss of power without them. It is made anew: what an earlier rotation left continues a journal that
    has gone on since.

    JournalError: there is none, and why. ValueError: a record is too long, or could not be read again.
    """
    name = next_of(live.path)
    try:
        with contextlib.suppress(FileNotFoundError):
            port.unlink(name)
        fd = port.open(name, CREATE, OWNER_ONLY)
    except OSError as error:
        raise JournalError(f"{name}: cannot be made ({word(error)}); the journal goes on in its file") from error
    try:
        return _begun(live.following(name, fd), header, checkpoint, ts_ns, port)
    except JournalWriteError as error:
        undone(live.path, fd, port)
        raise _unwritten(name, error.error) from error
    except OSError as error:
        undone(live.path, fd, port)
        raise _unwritten(name, word(error)) from error
    except BaseException:
        undone(live.path, fd, port)
        raise


def _begun(tape: Tape, header: Mapping[str, object], checkpoint: str, ts_ns: int, port: Port) -> Tape:
    port.flock(tape.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    tape._middle = middle(str(header[POLICY_HASH]))
    tape.append(ts_ns, HEADER, encode(header))
    tape.append(ts_ns, CHECKPOINT, checkpoint)
    port.fdatasync(tape.fd)
    return tape


def _unwritten(name: str, error: str) -> JournalError:
    return JournalError(f"{name}: not written ({error}); the journal goes on in its file")


def numbered(path: str, fd: int, number: int, port: Port) -> None:
    """Step 2: the live file, open as `fd`, gets its number as a second name; it may have that from a rotation which did
    not come to its end. JournalError: it has none, or another file has the journal's name: who moved this one away
    may have let another writer begin, whose file must not lose its name.
    """
    name = name_of(path, number)
    try:
        if not port.same(fd, path):
            raise JournalError(f"{path}: is another file than the one that is written; somebody has moved that away")
        port.link(path, name)
    except FileExistsError:
        if not port.same(fd, name):
            raise JournalError(
                f"{name}: is there, and is not this segment; move it out of the folder, then it is tried again"
            ) from None
    except OSError as error:
        raise JournalError(f"{name}: cannot be given as a name ({word(error)})") from error


def undone(path: str, fd: int, port: Port) -> None:
    """Step 1 taken back. What cannot be removed is no harm: the next rotation does it, and no reader takes it."""
    let_go(port, fd)
    with contextlib.suppress(OSError):
        port.unlink(next_of(path))
