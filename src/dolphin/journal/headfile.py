"""The head file beside a journal: how much was written at least, since a chain alone cannot see a missing tail.

What belongs here: reading and writing `<path>.head`. It is replaced whole (a reader sees the old or the new one), every
few thousand records and at the end.
"""

from __future__ import annotations

import msgspec

from dolphin.journal.encoding import HASH_CHARS, Head, is_hex
from dolphin.journal.errors import HEAD, JournalBroken, JournalUnreadable
from dolphin.journal.files import PORT, READ, Port, let_go, replace, word

_BYTES_MAX = 4096


class HeadFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the head file says: at least this much was written. `closed`: that record was CLOSE."""

    seq: int
    hash: str
    closed: bool


def head_file(path: str, *, port: Port = PORT) -> HeadFile | None:
    """The head file beside the journal `path`; None where there is none. JournalBroken where it is no head file;
    JournalUnreadable where this user may not read it, which says nothing of the journal.
    """
    name = f"{path}.head"
    try:
        fd = port.open(name, READ)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise JournalUnreadable(name, "may not be read by this user", "run as the owner of the journal") from None
    except OSError as error:
        raise _bad(name, word(error)) from error
    try:
        found = msgspec.json.decode(port.read(fd, _BYTES_MAX), type=HeadFile)
    except OSError as error:
        raise _bad(name, word(error)) from error
    except ValueError as error:
        raise _bad(name, str(error)) from None
    finally:
        let_go(port, fd)
    if found.seq < 0:
        raise _bad(name, f"seq {found.seq}")
    if not is_hex(found.hash, HASH_CHARS):
        raise _bad(name, f"hash {found.hash!r}")
    return found


def write_head(path: str, head: Head, *, closed: bool, sync: bool, port: Port) -> None:
    """Replace the head file; `sync`: on disk before its name is. OSError."""
    content = msgspec.json.encode(HeadFile(head.seq, head.hash, closed))
    replace(port, f"{path}.head", content + b"\n", sync=sync)


def _bad(name: str, found: str) -> JournalBroken:
    expected = '{"seq":N,"hash":"64 hex digits","closed":true or false}'
    return JournalBroken(name, 1, 0, "head", expected, found, HEAD)
