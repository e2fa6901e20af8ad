"""The heartbeat of a process: a small file that says who beats, when last, and whether its run has ended.

What belongs here: the form of the file, writing it in place, reading it, and who a process is; docs/design/watchdog.md.
What a missing beat means is its reader's. The guard beats into `heartbeat`, the watchdog into `watchdog.heartbeat`.

Theory of operation. Two slots, written in turn, each with its own checksum: a write that is torn (the process was
stopped or died in it) leaves the older one. A beat overwrites bytes that are there, so a full disk refuses nothing. It
is a `pwrite` and no store into a mapped file: there, a file that somebody has cut would be a SIGBUS.

A process that waits for its disk says so before (`wait`), and when that is over (`waited`). Neither is a beat: the
times of the last one stay, and what was spent in such waits since, up to LONGER_MS, stands beside them. So a loop that
hangs in a callback which waits again and again is seen as one that hangs and does not (spec/Watchdog.tla).
"""

from __future__ import annotations

import errno
import os
import struct
import time
from enum import IntEnum
from typing import Final, NamedTuple, Self
from zlib import crc32

from dolphin.journal.errors import JournalUnreadable
from dolphin.journal.files import PORT, READ, Port, let_go, replace, word

HEARTBEAT: Final = "heartbeat"
"""The guard's file, in the state directory."""
WATCHDOG: Final = "watchdog.heartbeat"
"""The watchdog's own."""
PERIOD_MS: Final = 100
"""Between two beats, real milliseconds."""

LONGER_MS: Final = 5_000
"""So long in all may waits for the disk last between two beats; what is beyond it is silence."""

SLOT_BYTES: Final = 256
SLOTS: Final = 2
VERSION: Final = 1
MAGIC: Final = b"DOLPHNHB"

_FORM: Final = struct.Struct("<8sHHIQQ32s32sQqqqIq")
_SUM: Final = struct.Struct("<I")
_PAD: Final = bytes(SLOT_BYTES - _FORM.size - _SUM.size)
_PLACE: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_INSTANCE_CHARS: Final = 32
_PROC_BYTES: Final = 4_096
_STARTED_FIELD: Final = 19
"""Of /proc/PID/stat behind the command's closing parenthesis: clock ticks from the boot to the process' start."""


class BeatState(IntEnum):
    """What a beat says of its run. ENDING: it stops in good order, with no beat for a while; ENDED: it has; WAITS: for
    its disk.
    """

    BEATS = 1
    ENDED = 2
    ENDING = 3
    WAITS = 4


class Identity(NamedTuple):
    """One process, once: `boot` is this boot's id, 32 hex digits; `start_ticks`: when it started, in clock ticks since.

    Empty and 0 where the system does not say.
    """

    boot: str
    pid: int
    start_ticks: int


class Beat(NamedTuple):
    """One beat. `seq` counts what was written; `killed`: the latch was not RUNNING. The three clocks are the system's,
    in ns, when it beat; `waited_ns`: of the time since, what was spent waiting for the disk.
    """

    state: BeatState
    who: Identity
    instance: str
    period_ms: int
    seq: int
    killed: bool
    monotonic_ns: int
    boottime_ns: int
    real_ns: int
    waited_ns: int = 0


def slot_of(beat: Beat) -> bytes:
    """The bytes of a slot, all 256 of them."""
    body = _FORM.pack(
        MAGIC, VERSION, beat.state, beat.period_ms, beat.who.pid, beat.who.start_ticks, beat.who.boot.encode(),
        beat.instance.encode(), beat.seq, beat.monotonic_ns, beat.boottime_ns, beat.real_ns, beat.killed,
        beat.waited_ns,
    ) + _PAD  # fmt: skip
    return body + _SUM.pack(crc32(body))


def read_beat(path: str, *, port: Port = PORT) -> Beat | None:
    """The newest beat in the file; None where there is no file, or no slot of it is good. JournalUnreadable."""
    try:
        fd = port.open(path, READ | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        raw = port.pread(fd, SLOT_BYTES * SLOTS, 0)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        let_go(port, fd)
    newest: Beat | None = None
    for number in range(SLOTS):
        newest = _newer(newest, _read(raw[number * SLOT_BYTES : (number + 1) * SLOT_BYTES]))
    return newest


def identity(*, port: Port = PORT) -> Identity:
    """Who this process is."""
    boot = _said("/proc/sys/kernel/random/boot_id", port).strip().replace("-", "")
    return Identity(boot[:32], os.getpid(), started(os.getpid(), port=port))


def started(pid: int, *, port: Port = PORT) -> int:
    """When the process `pid` started, in clock ticks since the boot; 0 where there is none, or nobody says."""
    fields = _stat(pid, port)
    if len(fields) <= _STARTED_FIELD:
        return 0
    return int(fields[_STARTED_FIELD])


def stopped(pid: int, *, port: Port = PORT) -> bool:
    """Whether the process `pid` was stopped by a signal (SIGSTOP, ^Z): it waits for nothing then."""
    return _stat(pid, port)[:1] == ["T"]


class Heart:
    """The hand that beats: one per process and file. Made by `create`."""

    def __init__(self, path: str, fd: int, first: Beat, port: Port) -> None:
        self.path = path
        self._fd = fd
        self._port = port
        self.last = first
        self._since_ns = 0

    @classmethod
    def create(cls, path: str, instance: str, *, period_ms: int = PERIOD_MS, port: Port = PORT) -> Self:
        """Make the file, whatever was there, with a first beat in both slots. OSError."""
        who = identity(port=port)
        first = _now(Beat(BeatState.BEATS, who, instance[:_INSTANCE_CHARS], period_ms, 1, False, 0, 0, 0))
        replace(port, path, slot_of(first._replace(seq=0)) + slot_of(first), sync=False)
        return cls(path, port.open(path, _PLACE), first, port)

    def beat(self, killed: bool, state: BeatState = BeatState.BEATS) -> None:
        """One beat, now. OSError: it was not written, or in part; the older slot stands."""
        self._write(_now(self.last._replace(state=state, killed=killed, waited_ns=0)))

    def wait(self) -> None:
        """Say that the process will wait for its disk. OSError as of `beat`."""
        self._since_ns = time.monotonic_ns()
        self._write(self.last._replace(state=BeatState.WAITS))

    def waited(self) -> None:
        """Say that this is over. OSError as of `beat`."""
        spent_ns = self.last.waited_ns + time.monotonic_ns() - self._since_ns
        self._write(self.last._replace(state=BeatState.BEATS, waited_ns=min(spent_ns, LONGER_MS * 1_000_000)))

    def _write(self, said: Beat) -> None:
        now = said._replace(seq=self.last.seq + 1)
        taken = self._port.pwrite(self._fd, slot_of(now), now.seq % SLOTS * SLOT_BYTES)
        if taken != SLOT_BYTES:
            raise OSError(errno.EIO, "a part of a beat was written")
        self.last = now

    def lost(self) -> bool:
        """Whether the file has lost its name, so that nobody reads it: removed, or its directory moved away. OSError:
        nobody can say; FileExistsError: another file has the name, and it may be another process'.
        """
        if self._port.same(self._fd, self.path):
            return False
        try:
            fd = self._port.open(self.path, READ | os.O_NOFOLLOW)
        except FileNotFoundError:
            return True
        let_go(self._port, fd)
        raise FileExistsError(errno.EEXIST, "another file has the name of this heart's; remove it", self.path)

    def let_go(self) -> None:
        """Beat no more, and say nothing."""
        let_go(self._port, self._fd)

    def end(self, killed: bool) -> None:
        """The run ends in good order: the last beat says so, and the file is let go. OSError: nobody was told."""
        try:
            self.beat(killed, BeatState.ENDED)
        finally:
            let_go(self._port, self._fd)


def _now(beat: Beat) -> Beat:
    return beat._replace(
        monotonic_ns=time.monotonic_ns(),
        boottime_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME),
        real_ns=time.time_ns(),
    )


def _stat(pid: int, port: Port) -> list[str]:
    """/proc/PID/stat behind the command's closing parenthesis; nothing where there is none."""
    return _said(f"/proc/{pid}/stat", port).rpartition(")")[2].split()


def _said(path: str, port: Port) -> str:
    """The beginning of a file of the system's; empty where it cannot be read."""
    try:
        fd = port.open(path, READ)
    except OSError:
        return ""
    try:
        return port.read(fd, _PROC_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        let_go(port, fd)


def _newer(one: Beat | None, other: Beat | None) -> Beat | None:
    if one is None:
        return other
    if other is None:
        return one
    if other.seq > one.seq:
        return other
    return one


def _read(raw: bytes) -> Beat | None:
    """What a slot says; None where it is not as it was written."""
    if len(raw) != SLOT_BYTES:
        return None
    body = raw[: -_SUM.size]
    if _SUM.unpack(raw[-_SUM.size :])[0] != crc32(body):
        return None
    fields = _FORM.unpack(body[: _FORM.size])
    magic, version, state, period_ms, pid, start_ticks, boot, instance, seq, mono, boottime, real, killed, spent = (
        fields
    )
    if magic != MAGIC:
        return None
    if version != VERSION:
        return None
    try:
        who = Identity(_text(boot), pid, start_ticks)
        what = BeatState(state)
        return Beat(what, who, _text(instance), period_ms, seq, bool(killed), mono, boottime, real, spent)
    except ValueError:
        return None


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("utf-8")


def _unreadable(path: str, error: OSError) -> JournalUnreadable:
    return JournalUnreadable(path, f"cannot be read ({word(error)})", "mend the disk, or run as its owner")
