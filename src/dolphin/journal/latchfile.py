"""The latch file beside a journal: whether the kill switch stands, said where a journal that refuses cannot say it.

What belongs here: the form of `<path>.latch`, reading it, writing it in place, and the one rule that compares it with
the fold of the journal (docs/design/latch-file.md). What the answer means for a run is its host's.

Theory of operation. Two slots of one page each, written in turn. All of the file is on the disk before the run begins,
and a slot is overwritten where it stands, so that a full disk has nothing to refuse. A slot is a line of JSON with a
counter and its own hash, padded with spaces to its size; a write that is torn leaves the older slot as it was. At rest
both slots are good: one that is not shows that a write was cut short or that the file is damaged, and nobody then knows
what it would have said. So the book comes up killed.
"""

from __future__ import annotations

import errno
import os
import re
from hashlib import sha256
from typing import Final, NamedTuple, Self

import msgspec

from dolphin.journal.encoding import Head
from dolphin.journal.errors import JournalUnreadable, JournalWriteError
from dolphin.journal.files import PORT, READ, Port, let_go, replace, sync_folder, word
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Latch, Mode

SLOT_BYTES: Final = 4_096
"""One page, and at least one sector: writing a slot needs no byte of the other."""
SLOTS: Final = 2
LATCH_FORMAT: Final = 1
EXPECTED: Final = "latch"
"""The field of a journal's header that says: this journal was begun with a latch file of this format."""

INSTANCE_CHARS: Final = 64
"""So much of a journal's instance is compared: a slot has its size."""

_PLACE: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SLOT: Final = re.compile(rb'(\{[^\n]*),"hash":"([0-9a-f]{64})"\} *\n')
_MODES: Final = {Mode.RUNNING.name: False, Mode.KILLED.name: True}


class Latched(NamedTuple):
    """What a slot says. `episode`, `cause` and `ts_ns` are the latch's; `seq`: the journal's last record at that time.

    `instance`: the journal's, as its header names it. `killed` False: a confirm left the latch, or it never tripped.
    """

    instance: str
    killed: bool
    episode: int
    cause: Cause
    ts_ns: int
    seq: int


class Found(NamedTuple):
    """What a latch file says. `said`: its newest good slot, None where both are bad. `damaged`: how many are bad."""

    said: Latched | None
    counter: int
    damaged: int


class Held(NamedTuple):
    """Why a run must come up killed though its journal does not say so, and the cause that its FAULT names."""

    cause: Cause
    why: str

    def said(self) -> dict[str, str]:
        """The NOTE before that FAULT, whoever writes it."""
        return {"what": "latch", "why": self.why, "cause": self.cause.name}


class _Slot(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    format: int
    count: int
    instance: str
    mode: str
    episode: int
    cause: str
    ts: str
    seq: int


def latch_path(path: str) -> str:
    """The latch file of the journal `path`."""
    return f"{path}.latch"


def slot_of(latched: Latched, count: int) -> bytes:
    """The bytes of a slot, all 4,096 of them."""
    mode = Mode.RUNNING
    if latched.killed:
        mode = Mode.KILLED
    said = _Slot(
        LATCH_FORMAT, count, latched.instance, mode.name, latched.episode, latched.cause.name, str(latched.ts_ns),
        latched.seq,
    )  # fmt: skip
    body = msgspec.json.encode(said)[:-1]
    line = body + f',"hash":"{sha256(body).hexdigest()}"}}'.encode()
    return line.ljust(SLOT_BYTES - 1) + b"\n"


def read_latch(path: str, *, port: Port = PORT) -> Found | None:
    """What the latch file of the journal `path` says; None where there is none. JournalUnreadable: it cannot be read.

    Beside a run that goes on a slot may be seen half written: who only looks, looks again.
    """
    name = latch_path(path)
    try:
        fd = port.open(name, READ | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(name, error) from error
    try:
        slots = [port.pread(fd, SLOT_BYTES, number * SLOT_BYTES) for number in range(SLOTS)]
    except OSError as error:
        raise _unreadable(name, error) from error
    finally:
        let_go(port, fd)
    found = Found(None, 0, 0)
    for number, raw in enumerate(slots):
        found = _newer(found, number, raw)
    return found


def holding(found: Found | None, expected: bool, instance: str, latch: Latch, head_seq: int) -> Held | None:
    """Whether a run must come up killed though the fold of its journal is `latch` (head: record `head_seq`); and why.

    `expected`: the header says that there is a latch file. A kill that the journal knows stands by itself; one that it
    knows to have been confirmed is over, whether or not the file could be told.
    """
    if latch.mode == Mode.KILLED:
        return None
    if found is None:
        if expected:
            return Held(Cause.JOURNAL_CHAIN, "the latch file is missing, and this journal was begun with one")
        return None
    held = _standing(found.said, instance, latch, head_seq)
    if held is not None:
        return held
    if found.damaged:
        return Held(
            Cause.JOURNAL_CHAIN, f"{found.damaged} of the {SLOTS} slots of the latch file are damaged: a kill may stand"
        )
    return None


class LatchFile:
    """The writer's hand on it: only who holds the journal's lock has one. Made by `take_up` and `begin`."""

    def __init__(self, path: str, instance: str, fd: int, found: Found, port: Port) -> None:
        self.path = path
        self.instance = instance[:INSTANCE_CHARS]
        self._fd = fd
        self._port = port
        self._pid = os.getpid()
        self._count = found.counter
        self._due = max(1, found.damaged)
        self._said: tuple[bool, int] | None = None
        said = found.said
        if found.damaged == 0:
            assert said is not None
            if said.instance == self.instance:
                self._said = (said.killed, said.episode)

    @classmethod
    def create(cls, path: str, instance: str, latch: Latch, head_seq: int, *, port: Port = PORT) -> Self:
        """Make it, on disk with its name, whatever was there; both slots say `latch`. JournalWriteError."""
        name = latch_path(path)
        said = _latched(instance, latch, head_seq)
        try:
            replace(port, name, b"".join(slot_of(said, count) for count in range(SLOTS)), sync=True)
            sync_folder(port, name)
            fd = port.open(name, _PLACE)
        except OSError as error:
            raise _refused(name, error) from error
        return cls(name, instance, fd, Found(said, SLOTS - 1, 0), port)

    @classmethod
    def resume(cls, path: str, instance: str, found: Found, *, port: Port = PORT) -> Self:
        """Take up the one that is there; `found` is what `read_latch` said of it. JournalWriteError."""
        name = latch_path(path)
        try:
            fd = port.open(name, _PLACE)
        except OSError as error:
            raise _refused(name, error) from error
        return cls(name, instance, fd, found, port)

    @property
    def port(self) -> Port:
        """The calls of the system, as this writer makes them."""
        return self._port

    @port.setter
    def port(self, port: Port) -> None:
        self._port = port

    @property
    def killed(self) -> bool:
        """Whether it says KILLED; True where what it says is foreign or damaged."""
        if self._said is None:
            return True
        return self._said[0]

    def say(self, latch: Latch, head_seq: int) -> None:
        """Make it say `latch`, on disk; nothing is written where it says so already. JournalWriteError: it does not.

        A trip is said before the journal is asked to record it; RUNNING only once the journal has the confirm.
        """
        target = (latch.mode != Mode.RUNNING, latch.episode)
        if target == self._said:
            return
        said = _latched(self.instance, latch, head_seq)
        for _ in range(self._due):
            self._place(said)
        self._due = 1
        self._said = target

    def release(self) -> None:
        """Let go of it. Idempotent; what it says stays."""
        fd = self._fd
        if fd < 0:
            return
        self._fd = -1
        let_go(self._port, fd)

    def _place(self, said: Latched) -> None:
        """Overwrite the older slot, or the bad one. Where that fails the same slot is next: the other one stays."""
        if self._pid != os.getpid():
            raise JournalWriteError(self.path, "EPERM", 0, "a forked child has no latch; the parent writes it")
        count = self._count + 1
        try:
            taken = self._port.pwrite(self._fd, slot_of(said, count), count % SLOTS * SLOT_BYTES)
            if taken != SLOT_BYTES:
                raise OSError(errno.EIO, "a part of a slot was written")
            self._port.fdatasync(self._fd)
        except OSError as error:
            self._said = None
            raise _refused(self.path, error) from error
        self._count = count


def take_up(
    path: str, instance: str, expected: bool, latch: Latch, head: Head, *, port: Port = PORT
) -> tuple[LatchFile, Held | None]:
    """The latch file of a journal that goes on, under the journal's lock, and whether its run must come up killed.

    Where it must, the file is left as it is until the host's FAULT is said; a missing one is made, killed. Where not,
    it says `latch` from here on. JournalUnreadable, JournalWriteError: the run must not begin.
    """
    found = read_latch(path, port=port)
    held = holding(found, expected, instance, latch, head.seq)
    if found is None:
        if held is not None:
            latch = Latch(Mode.KILLED, latch.episode + 1, held.cause)
        return LatchFile.create(path, instance, latch, head.seq, port=port), held
    file = LatchFile.resume(path, instance, found, port=port)
    if held is None:
        try:
            file.say(latch, head.seq)
        except JournalWriteError:
            file.release()
            raise
    return file, held


def begin(path: str, instance: str, *, kept: bool, port: Port = PORT) -> tuple[LatchFile, Held | None]:
    """The latch file of a new journal. `kept`: a kill that one of an earlier journal says still stands (a live book);
    else what was there is replaced (a backtest). As `take_up`.
    """
    if kept:
        return take_up(path, instance, False, Latch(), Head(0, ""), port=port)
    return LatchFile.create(path, instance, Latch(), 0, port=port), None


def _standing(said: Latched | None, instance: str, latch: Latch, head_seq: int) -> Held | None:
    """Whether a kill that the file says is one that the journal does not know."""
    if said is None:
        return None
    if not said.killed:
        return None
    if said.instance != instance[:INSTANCE_CHARS]:
        return Held(said.cause, f"the latch file says KILLED by {said.cause.name} for an earlier journal of this book")
    if said.episode < latch.episode:
        return None
    if said.episode == latch.episode:
        if said.seq <= head_seq:
            return None
    return Held(said.cause, f"the latch file says KILLED by {said.cause.name}, and the journal could not record it")


def _latched(instance: str, latch: Latch, head_seq: int) -> Latched:
    return Latched(
        instance[:INSTANCE_CHARS], latch.mode != Mode.RUNNING, latch.episode, latch.cause, latch.tripped_ns, head_seq
    )


def _newer(found: Found, number: int, raw: bytes) -> Found:
    """`found`, and the slot of this number: bad, or the newest so far, or an older one."""
    read = _read(number, raw)
    if read is None:
        return found._replace(damaged=found.damaged + 1)
    counter, said = read
    if found.said is not None:
        if counter < found.counter:
            return found
    return found._replace(said=said, counter=counter)


def _read(number: int, raw: bytes) -> tuple[int, Latched] | None:
    """Counter and content of a slot; None where it is not as it was written."""
    if len(raw) != SLOT_BYTES:
        return None
    match = _SLOT.fullmatch(raw)
    if match is None:
        return None
    body, digest = match.groups()
    if sha256(body).hexdigest().encode() != digest:
        return None
    try:
        slot = msgspec.json.decode(body + b"}", type=_Slot)
        said = Latched(slot.instance, _MODES[slot.mode], slot.episode, Cause[slot.cause], int(slot.ts), slot.seq)
    except (ValueError, KeyError):
        return None
    if slot.format != LATCH_FORMAT:
        return None
    if slot.count % SLOTS != number:
        return None
    return slot.count, said


def _unreadable(name: str, error: OSError) -> JournalUnreadable:
    fix = "mend the disk, or run as its owner; a latch that cannot be read is not known to be open"
    return JournalUnreadable(name, f"cannot be read ({word(error)})", fix)


def _refused(name: str, error: OSError) -> JournalWriteError:
    return JournalWriteError(name, word(error), 0, "mend the disk; until then a kill is kept by the journal alone")
