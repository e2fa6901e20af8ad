"""The file KILL in a state directory: who puts it there kills the book, whoever holds the journal.

What belongs here: its name, putting it there, seeing it, reading its cause, moving it away. What a kill is, its
host knows (docs/design/watchdog.md). Anything of that name counts: an empty file from `touch`, a link, a directory.
So a full disk, which takes no cause, takes a kill all the same.
"""

from __future__ import annotations

import os
from typing import Final

from dolphin.journal.encoding import encode, writable
from dolphin.journal.files import ADD, OWNER_ONLY, PORT, READ, Port, let_go, replace, sync_folder

NAME: Final = "KILL"
TAKEN: Final = "KILL.taken"
"""What it is moved to when the latch has tripped."""
ANSWER: Final = "KILL.answer.json"

CAUSE_BYTES_MAX: Final = 1_000
NO_CAUSE: Final = "the file KILL, which says no cause"


def lies(path: str) -> bool:
    """Whether something of this name is there, a link to nowhere included; about a microsecond."""
    return os.access(path, os.F_OK, follow_symlinks=False)


def put(path: str, cause: str, *, port: Port = PORT) -> str:
    """Put it there, whole, in place of one that lies there already; where that fails an empty one, and why it failed.

    OSError: nothing of that name lies there. It stands for who looks; `keep` has it outlive a loss of power.
    """
    try:
        replace(port, path, writable(cause).encode()[:CAUSE_BYTES_MAX] + b"\n", sync=False)
    except OSError as error:
        if not lies(path):
            let_go(port, port.open(path, ADD, OWNER_ONLY))
        return str(error)
    return ""


def keep(path: str, *, port: Port = PORT) -> None:
    """Have what lies there outlive a loss of power, with its name. OSError: it may not; FileNotFoundError: it is gone.

    Not part of `put`: a disk may take seconds for it, and what is to be cancelled must not wait so long.
    """
    fd = port.open(path, READ | os.O_NOFOLLOW)
    try:
        port.fdatasync(fd)
    finally:
        let_go(port, fd)
    sync_folder(port, path)


def cause_of(path: str, *, port: Port = PORT) -> str:
    """What the file says, in a form that a journal can write. Never raises: an unreadable one kills as well."""
    try:
        fd = port.open(path, READ | os.O_NOFOLLOW)
    except OSError:
        return NO_CAUSE
    try:
        raw = port.read(fd, CAUSE_BYTES_MAX)
    except OSError:
        return NO_CAUSE
    finally:
        let_go(port, fd)
    said = " ".join(raw.decode("utf-8", "replace").split())
    if not said:
        return NO_CAUSE
    return said


def take(path: str, answer: dict[str, object], *, port: Port = PORT) -> None:
    """Move it away, and say beside it what was done. OSError: it may still lie there.

    To be called when the latch has tripped, and not before: who dies in between is killed twice, never not at all.
    """
    folder = os.path.dirname(path)
    port.replace(path, os.path.join(folder, TAKEN))
    replace(port, os.path.join(folder, ANSWER), encode(answer).encode() + b"\n", sync=False)
