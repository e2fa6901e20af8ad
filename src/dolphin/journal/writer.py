"""Write a journal: how a writer begins and ends, and that there is only one.

What belongs here: `create`, `resume`, `close`, and what a forked child inherits: no right to write. What becomes of one
record, and of a write that fails, is in `tape.py`.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Literal, Self

from dolphin.journal.encoding import FORMAT, POLICY_CHARS, Head, decode, encode, is_hex
from dolphin.journal.errors import JournalError, JournalWriteError
from dolphin.journal.files import CREATE, PORT, RESUME, Port, let_go, sync_folder, word
from dolphin.journal.headfile import write_head
from dolphin.journal.kinds import CLOSE, HEADER, NOTE
from dolphin.journal.lock import instance_id, locked, sign, unlocked
from dolphin.journal.recovery import Recovery, cut, recover, unchanged
from dolphin.journal.rotation import made, numbered, undone
from dolphin.journal.segments import NUMBER_MAX, header_of, opening
from dolphin.journal.tape import Tape, middle

type Durability = Literal["write", "power"]

_open: Final[weakref.WeakSet[Journal]] = weakref.WeakSet()


class Journal(Tape):
    """The one writer of one file. Made by `create` and `resume`; not thread-safe: one thread writes.

    As a context manager it writes CLOSE when the block ends, and only lets go when the block fails.
    """

    def __init__(self, path: str, fd: int, durable: bool, instance: str, port: Port) -> None:
        super().__init__(path, fd, durable, instance, port)
        self._header: dict[str, object] = {}
        _open.add(self)

    @classmethod
    def create(
        cls,
        path: str,
        header: Mapping[str, object],
        *,
        policy_hash: str,
        ts_ns: int,
        durability: Durability = "write",
        instance: str | None = None,
        port: Port = PORT,
    ) -> Self:
        """Start the journal `path`, which must not exist, with its HEADER.

        `header`: what the run pins; `format`, `instance` and `policy_hash` (lower-case hex, 16 digits at least) are
        put before it. `ts_ns`: ns since the epoch. ValueError: a header or hash that cannot be written.
        JournalUnreadable: a file is there, or none can be made. JournalLocked. JournalWriteError: no header could be
        written; no file is left.
        """
        if not is_hex(policy_hash, POLICY_CHARS):
            raise ValueError(f"policy_hash {policy_hash!r}: accepted at least {POLICY_CHARS} lower-case hex digits")
        durable = _durable(durability)
        given = instance_id(instance)
        own: dict[str, object] = {"format": FORMAT, "instance": given, "policy_hash": policy_hash}
        data = encode(own | dict(header) | own)
        fd = locked(path, CREATE, port)
        journal = cls(path, fd, durable, given, port)
        try:
            journal._middle = middle(policy_hash)
            journal._header = decode(data.encode())
            sign(path, given, port)
            journal.append(ts_ns, HEADER, data)
            journal._settled()
        except BaseException:
            with contextlib.suppress(OSError):
                port.unlink(path)
            journal.release()
            raise
        return journal

    @classmethod
    def resume(
        cls,
        path: str,
        *,
        ts_ns: int,
        policy_hash: str | None = None,
        durability: Durability = "write",
        recovery: Recovery | None = None,
        instance: str | None = None,
        port: Port = PORT,
    ) -> Self:
        """Take up the journal `path` after recovery: cut a torn last line (kept in `<path>.torn`) and note who writes
        now.

        `recovery`: what `recover` said of this very file; without it the file is checked here. `policy_hash`: refused
        where the journal was written under another. JournalUnreadable, JournalBroken as `recover`; JournalLocked;
        JournalError: the file changed since it was recovered, or has another policy; JournalWriteError.
        """
        durable = _durable(durability)
        given = instance_id(instance)
        fd = locked(path, RESUME, port)
        journal = cls(path, fd, durable, given, port)
        try:
            journal._take_up(recovery, policy_hash, ts_ns)
        except BaseException:
            journal.release()
            raise
        return journal

    def rotate(self, ts_ns: int, checkpoint: str, header: Mapping[str, object] | None = None) -> None:
        """Go on in a new file: this one keeps its records under its number (`journal.0001.jsonl`), and the new one
        begins with its HEADER and a CHECKPOINT. What every step leaves behind is in docs/design/journal-years.md.

        `checkpoint`: data of the CHECKPOINT, the fold of every record so far. `header`: what the new file says in place
        of this one's header: another policy (`segments.under`). JournalError: nothing has changed, and
        the live file is written on; but JournalWriteError with `kept`: the new file is the journal, and the disk did
        not confirm its name. ValueError: a line would be too long.
        """
        self._whole()
        number = opening(self._header).number
        if number >= NUMBER_MAX:
            raise JournalError(f"{self.path}: segment {number} is the last that has a name")
        self.flush()
        if not self._durable:
            self._last_sync()
        if header is None:
            header = self._header
        following = header_of(header, number + 1, self.head)
        begun = made(self, following, checkpoint, ts_ns, self._port)
        try:
            numbered(self.path, self._fd, number, self._port)
        except BaseException:
            undone(self.path, begun.fd, self._port)
            raise
        self._replaced(begun, following)
        if self._durable:
            self._named(ts_ns)
        self._mark()

    def _last_sync(self) -> None:
        """Mode `write`: the new file is synced, so the old one has to be before: a loss of power would else leave it
        short before a sound one, which is a break of the chain and not a lost end.
        """
        try:
            self._port.fdatasync(self._fd)
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be synced ({word(error)}); it is written on") from error

    def _whole(self) -> None:
        """JournalError where not every record so far is in the file, whole."""
        if self._fd < 0:
            raise JournalError(f"{self.path}: this writer has let go of the file")
        if self._gap is not None:
            raise JournalError(f"{self.path}: records are missing that no GAP has told of yet")
        if self._inflight:
            raise JournalError(f"{self.path}: the last write has to be looked up first")

    def _replaced(self, begun: Tape, header: dict[str, object]) -> None:
        """The moment that decides: before it the old file is the journal, after it the new one is. Where the system, or
        a signal, breaks into it, the name itself says which of the two it is.
        """
        old = self._fd
        fd, size = begun.fd, begun.size
        taken = False
        try:
            self._port.replace(begun.path, self.path)
            taken = True
        except OSError as error:
            taken = self._stands(begun.fd)
            if not taken:
                raise JournalError(f"{self.path}: {begun.path} cannot take its name ({word(error)})") from error
        except BaseException:
            taken = self._stands(begun.fd)
            raise
        finally:
            # No call in the first half: a signal handler cannot break in.
            if taken:
                self._fd = fd
                self._size = size
                self._seq = begun._seq
                self._digest = begun._digest
                self._middle = begun._middle
                self._header = header
                let_go(self._port, old)
            else:
                undone(self.path, begun.fd, self._port)

    def _stands(self, fd: int) -> bool:
        """Whether the new file has the journal's name. Where nobody can say, this writer must not go on in either."""
        try:
            return self._port.same(fd, self.path)
        except OSError:
            self.release()
            return False

    def _named(self, ts_ns: int) -> None:
        """Mode `power`: the new name is on the disk, or what is written from now on may be in a file without a name."""
        self._synced = self._seq
        try:
            sync_folder(self._port, self.path)
        except OSError as error:
            raise self._lost(ts_ns, word(error), 0, 2, kept=True) from error

    def close(self, ts_ns: int, data: str = "{}") -> Head:
        """Write CLOSE and the head file and let go of the file; the head is what the run prints.

        JournalWriteError: one of the two could not be written; the file is let go of all the same. Closing twice is
        an error.
        """
        try:
            self.append(ts_ns, CLOSE, data)
            self.flush()
            write_head(self.path, self.head, closed=True, sync=self._durable, port=self._port)
        except OSError as error:
            raise JournalWriteError(f"{self.path}.head", word(error), 0, "the journal itself is closed") from error
        finally:
            self.release()
        return self.head

    def release(self) -> None:
        """Let go of file and lock without CLOSE: the journal stays `incomplete`, as after a crash. Idempotent."""
        fd = self._fd
        if fd < 0:
            return
        self._fd = -1
        unlocked(self.path, fd, self._port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd < 0:
            return
        if error is not None:
            self.release()
            return
        self.close(self._ts_ns)

    def _take_up(self, recovery: Recovery | None, policy_hash: str | None, ts_ns: int) -> None:
        found = recovery
        if found is None:
            found = recover(self.path, port=self._port)
        unchanged(found, self._fd, self._port)
        written = str(found.header.data["policy_hash"])
        if policy_hash is not None:
            if policy_hash != written:
                raise JournalError(
                    f"{self.path}: written under policy {written}, not {policy_hash}; a new policy needs a new segment"
                )
        self._middle = middle(written)
        self._header = found.header.data
        sign(self.path, self.instance, self._port)
        self._seq = found.head.seq
        self._digest = bytes.fromhex(found.head.hash)
        self._size = found.size
        try:
            cut(found, self._fd, self._port)
        except OSError as error:
            raise JournalWriteError(self.path, word(error), 0, "the torn last line could not be cut") from error
        said = {"what": "resumed", "instance": self.instance, "torn": found.torn_bytes, "missing": found.missing}
        self.append(ts_ns, NOTE, encode(said))
        self._settled()

    def _settled(self) -> None:
        """After the first record of this writer: on disk, name included, where that was asked for."""
        self.flush()
        if not self._durable:
            return
        try:
            sync_folder(self._port, self.path)
        except OSError as error:
            raise JournalWriteError(self.path, word(error), 0, "its folder cannot be synced") from error


def _durable(durability: str) -> bool:
    if durability not in ("write", "power"):
        raise ValueError(f"durability {durability!r}: accepted write, power")
    return durability == "power"


def _orphan() -> None:
    """In a forked child: the parent writes, the child has no journal."""
    for journal in list(_open):
        if journal._fd >= 0:
            let_go(journal._port, journal._fd)
            journal._fd = -1


os.register_at_fork(after_in_child=_orphan)
