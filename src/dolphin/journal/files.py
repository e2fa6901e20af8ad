"""The operating system, as the journal sees it: one tuple of calls, so that a test can make each of them fail.

What belongs here: `Port`, and the few file recipes (open, whole write, atomic replacement) built from it alone.
Every file of a journal is readable by its owner only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from typing import Final, NamedTuple

OWNER_ONLY: Final = 0o600
CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
RESUME: Final = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a named pipe must not hold us
REPLACE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
ADD: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


def _same(fd: int, path: str) -> bool:
    """Whether what is open as `fd` is what the name `path` stands for now. OSError, but not where there is no such
    name.
    """
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


class Port(NamedTuple):
    """The calls, with `os`' own signatures. A test replaces one: `PORT._replace(write=...)`."""

    open: Callable[..., int] = os.open
    read: Callable[[int, int], bytes] = os.read
    pread: Callable[[int, int, int], bytes] = os.pread
    write: Callable[[int, bytes], int] = os.write
    pwrite: Callable[[int, bytes, int], int] = os.pwrite
    ftruncate: Callable[[int, int], None] = os.ftruncate
    fdatasync: Callable[[int], None] = os.fdatasync
    size: Callable[[int], int] = lambda fd: os.fstat(fd).st_size
    flock: Callable[[int, int], None] = fcntl.flock
    close: Callable[[int], None] = os.close
    link: Callable[[str, str], None] = os.link
    replace: Callable[[str, str], None] = os.replace
    unlink: Callable[[str], None] = os.unlink
    same: Callable[[int, str], bool] = _same


PORT: Final = Port()


def word(error: OSError) -> str:
    """ENOSPC, EIO, ...: the name of the error, or its number where it has none."""
    number = error.errno
    if number is None:
        return type(error).__name__
    return errno.errorcode.get(number, f"errno {number}")


def spelled(name: str) -> str:
    """`ENOSPC (No space left on device)`: a word and what the system says of it; a word that it does not know alone."""
    number = getattr(errno, name, None)
    if number is None:
        return name
    return f"{name} ({os.strerror(number)})"


def let_go(port: Port, fd: int) -> None:
    """Close what was only read, or is given up: the system has let go of it even where it complains."""
    with contextlib.suppress(OSError):
        port.close(fd)


def write_whole(port: Port, fd: int, content: bytes) -> None:
    """Write all of `content`, however little the system takes at a time. OSError; EIO where it takes nothing."""
    while content:
        taken = port.write(fd, content)
        if taken <= 0:
            raise OSError(errno.EIO, "write took no byte")
        content = content[taken:]


def add(port: Port, path: str, content: bytes) -> None:
    """Append `content` to the file `path`, made if need be. OSError."""
    _into(port, path, ADD, content, sync=False)


def replace(port: Port, path: str, content: bytes, *, sync: bool) -> None:
    """Replace the file `path` by one with `content`: a reader sees the old or the new one, whole. OSError."""
    _into(port, f"{path}.tmp", REPLACE, content, sync=sync)
    port.replace(f"{path}.tmp", path)


def sync_folder(port: Port, path: str) -> None:
    """Make the name of `path` itself survive a loss of power. OSError."""
    fd = port.open(os.path.dirname(os.path.abspath(path)), READ)
    try:
        port.fdatasync(fd)
    finally:
        let_go(port, fd)


def _into(port: Port, path: str, flags: int, content: bytes, *, sync: bool) -> None:
    fd = port.open(path, flags, OWNER_ONLY)
    try:
        write_whole(port, fd, content)
        if sync:
            port.fdatasync(fd)
    finally:
        port.close(fd)
