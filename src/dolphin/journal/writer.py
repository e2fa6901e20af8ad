"""Write a journal: one writer, one line a record, acknowledged when the operating system has it.

Theory of operation. `append` formats the line, chains its hash and writes it whole; when it returns, the record survives
the death of the process (mode `write`), and after `flush` that of the machine (mode `power`). What is in the file is at any
moment a chain of whole lines and at most one partial one at its end. A write that fails is undone by cutting the file to
its last whole line; where that fails too, nothing more is written until it succeeds. What could not be written is counted,
and the next record that can be is preceded by a GAP that says so. A write during which an exception (a signal
handler's) broke in is looked up in the file: the line is there, and counts, or is cut, and is a GAP.

The lock is on the journal itself, so that removing or renaming `<path>.lock`, which only says who holds it, opens no way to
two writers. A forked child does not inherit the right to write.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
import weakref
from collections.abc import Mapping
from hashlib import sha256
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

from dolphin.journal.encoding import (
    FORMAT,
    GENESIS,
    HASH_CHARS,
    LINE_BYTES_MAX,
    POLICY_CHARS,
    TAIL_BYTES,
    TS_MAX_NS,
    Head,
    encode,
    is_hex,
)
from dolphin.journal.errors import JournalError, JournalLocked, JournalUnreadable, JournalWriteError
from dolphin.journal.files import CREATE, OWNER_ONLY, PORT, READ, RESUME, Port, add, replace, sync_folder, word, write_whole
from dolphin.journal.kinds import CLOSE, GAP, HEADER, KINDS, NOTE
from dolphin.journal.recovery import Recovery, recover

type Durability = Literal["write", "power"]

GROUP_NS: Final = 5_000_000
"""Mode `power`: no record waits longer than this, real time, for the disk, once another one is written."""

HEAD_EVERY: Final = 4_096
"""Records between two writings of the head file."""

_PARTIAL: Final = b"partial"
_NAMES: Final = frozenset(KINDS.values())
_open: Final[weakref.WeakSet[Journal]] = weakref.WeakSet()


class _Gap(NamedTuple):
    """Records that could not be written: how many, since when, why; and how many written ones a failed sync left in doubt."""

    records: int
    since_ns: int
    error: str
    unsynced: int


class Journal:
    """The one writer of one file. Made by `create` and `resume`; not thread-safe: one thread writes.

    As a context manager it writes CLOSE when the block ends, and only lets go when the block fails.
    """

    __slots__ = (
        "__weakref__",
        "_digest",
        "_durable",
        "_fd",
        "_gap",
        "_head_due",
        "_inflight",
        "_middle",
        "_port",
        "_seq",
        "_since_ns",
        "_size",
        "_synced",
        "_ts_ns",
        "_write",
        "instance",
        "path",
    )

    def __init__(self, path: str, fd: int, durability: Durability, instance: str, port: Port) -> None:
        self.path = path
        self.instance = instance
        self._port = port
        self._write = port.write
        self._fd = fd
        self._durable = durability == "power"
        self._middle = ""
        self._seq = -1
        self._digest = GENESIS
        self._size = 0
        self._ts_ns = 0
        self._inflight = b""
        self._gap: _Gap | None = None
        self._head_due = 0
        self._synced = -1
        self._since_ns = 0
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

        `header`: what the run pins; `format`, `instance` and `policy_hash` (lower-case hex, 16 digits at least) are put
        before it. `ts_ns`: ns since the epoch. ValueError: a header or hash that cannot be written. JournalUnreadable: a
        file is there, or none can be made. JournalLocked. JournalWriteError: no header could be written; no file is left.
        """
        if not is_hex(policy_hash, POLICY_CHARS):
            raise ValueError(f"policy_hash {policy_hash!r}: accepted at least {POLICY_CHARS} lower-case hex digits")
        given = _instance(instance)
        own: dict[str, object] = {"format": FORMAT, "instance": given, "policy_hash": policy_hash}
        data = encode(own | {key: value for key, value in header.items() if key not in own})
        fd = _locked(path, CREATE, port)
        journal = cls(path, fd, durability, given, port)
        try:
            journal._begin(policy_hash)
            journal.append(ts_ns, HEADER, data)
            journal._settled()
        except BaseException:
            journal.release()
            port.unlink(path)
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
        """Take up the journal `path` after recovery: cut a torn last line (kept in `<path>.torn`) and note who writes now.

        `recovery`: what `recover` said of this very file; without it the file is checked here. `policy_hash`: refused where
        the journal was written under another. JournalUnreadable, JournalBroken as `recover`; JournalLocked; JournalError: the
        file changed since it was recovered, or has another policy; JournalWriteError.
        """
        given = _instance(instance)
        fd = _locked(path, RESUME, port)
        journal = cls(path, fd, durability, given, port)
        try:
            journal._take_up(recovery, policy_hash, ts_ns)
        except BaseException:
            journal.release()
            raise
        return journal

    @property
    def head(self) -> Head:
        """The last record that was written: what the run prints, and `--anchor` checks."""
        return Head(self._seq, self._digest.hex())

    @property
    def broken(self) -> bool:
        """Whether a record was lost and no GAP could say so yet."""
        return self._gap is not None

    def append(self, ts_ns: int, kind: str, data: str) -> int:
        """Write one record and return its sequence number; acknowledged when it returns.

        `data`: canonical JSON text of the object, as `encode` makes it (docs/journal-format.md). `ts_ns`: ns since the epoch.
        ValueError: nothing was written, since it could not be read again. JournalWriteError: nothing was written and the
        record counts as lost; the caller trips the latch. In mode `power` a sync is due every 5 ms; its failure raises too,
        and leaves the record in the file, in doubt.
        """
        if kind not in _NAMES:
            raise ValueError(f"kind {kind!r}: accepted {', '.join(sorted(_NAMES))}")
        if ts_ns < 0:
            raise ValueError(f"ts_ns {ts_ns} is negative")
        if ts_ns > TS_MAX_NS:
            raise ValueError(f"ts_ns {ts_ns} is beyond {TS_MAX_NS}")
        if "\n" in data:
            raise ValueError("data has a line end; canonical JSON writes it as \\n")
        if self._inflight:
            self._settle(ts_ns)
        if self._gap is not None:
            self._tell(ts_ns)
        seq = self._seq + 1
        body = f'{{"seq":{seq},"ts":"{ts_ns:d}","kind":"{kind}{self._middle}{data}'.encode()
        digest = sha256(self._digest + body).digest()
        line = body + f',"hash":"{digest.hex()}"}}\n'.encode()
        length = len(line)
        if length > LINE_BYTES_MAX:
            raise ValueError(f"record of {length} bytes; at most {LINE_BYTES_MAX} with its line end")
        self._inflight = line
        try:
            taken = self._write(self._fd, line)
            if taken != length:
                write_whole(self._port, self._fd, line[taken:])
        except OSError as error:
            raise self._failed(ts_ns, error) from error
        # No call between these: a signal handler cannot break in (theory of operation).
        self._size += length
        self._digest = digest
        self._seq = seq
        self._ts_ns = ts_ns
        self._inflight = b""
        if self._durable:
            self._group()
        if seq >= self._head_due:
            self._mark()
        return seq

    def flush(self) -> None:
        """Mode `power`: return when every record survives a loss of power; an entry waits for it. Mode `write`: nothing.

        JournalWriteError: the disk refused; what was written since the last sync is in doubt, and a GAP will say so.
        """
        if not self._durable:
            return
        if self._synced == self._seq:
            return
        self._sync()

    def close(self, ts_ns: int, data: str = "{}") -> Head:
        """Write CLOSE and the head file and let go of the file; the head is what the run prints.

        JournalWriteError: one of the two could not be written; the file is let go of all the same. Closing twice is an error.
        """
        try:
            self.append(ts_ns, CLOSE, data)
            self.flush()
            try:
                self._write_head(closed=True)
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
        try:
            self._port.unlink(f"{self.path}.lock")
        except OSError:
            pass  # it only says who held the lock
        finally:
            self._port.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._fd < 0:
            return
        if error is not None:
            self.release()
            return
        self.close(self._ts_ns)

    # --- opening -----------------------------------------------------------------------------------------------------

    def _begin(self, policy_hash: str) -> None:
        """The lock is held: say who holds it."""
        self._middle = f'","policy":"{policy_hash[:POLICY_CHARS]}","data":'
        who = encode({"pid": os.getpid(), "instance": self.instance})
        try:
            replace(self._port, f"{self.path}.lock", who.encode(), sync=False)
        except OSError:
            pass  # it only says who holds the lock

    def _take_up(self, recovery: Recovery | None, policy_hash: str | None, ts_ns: int) -> None:
        self._begin("")
        found = recovery
        if found is None:
            found = recover(self.path, port=self._port)
        self._unchanged(found)
        written = str(found.header.data.get("policy_hash"))
        if policy_hash is not None:
            if policy_hash != written:
                raise JournalError(
                    f"{self.path}: written under policy {written}, not {policy_hash}; a changed policy starts a new journal"
                )
        self._middle = f'","policy":"{written[:POLICY_CHARS]}","data":'
        self._seq = found.head.seq
        self._digest = bytes.fromhex(found.head.hash)
        self._size = found.size
        self._synced = -1
        try:
            self._cut(found)
        except OSError as error:
            raise JournalWriteError(self.path, word(error), 0, "the torn last line could not be cut") from error
        said = {"what": "resumed", "instance": self.instance, "torn": found.torn_bytes, "missing": found.missing}
        self.append(ts_ns, NOTE, encode(said))
        self._settled()

    def _unchanged(self, found: Recovery) -> None:
        try:
            size = self._port.size(self._fd)
            end = self._port.pread(self._fd, HASH_CHARS, found.size - HASH_CHARS - len('"}\n'))
        except OSError as error:
            raise JournalUnreadable(self.path, f"cannot be read ({word(error)})", "check the disk") from error
        if size != found.size + found.torn_bytes:
            raise JournalError(f"{self.path}: has {size} bytes, not those of its recovery; recover it again")
        if end != found.head.hash.encode():
            raise JournalError(f"{self.path}: ends otherwise than at its recovery; recover it again")

    def _cut(self, found: Recovery) -> None:
        if not found.torn_bytes:
            return
        torn = self._port.pread(self._fd, found.torn_bytes, found.size)
        add(self._port, f"{self.path}.torn", torn + b"\n")
        self._port.ftruncate(self._fd, found.size)

    def _settled(self) -> None:
        """After the first record of this writer: on disk, name included, where that was asked for."""
        self.flush()
        if not self._durable:
            return
        try:
            sync_folder(self._port, self.path)
        except OSError as error:
            raise JournalWriteError(self.path, word(error), 0, "its folder cannot be synced") from error

    # --- trouble -----------------------------------------------------------------------------------------------------

    def _failed(self, ts_ns: int, error: OSError) -> JournalWriteError:
        """A record is lost: count it, cut what was written of it, say so."""
        self._lose(ts_ns, word(error), 1, 0)
        try:
            self._port.ftruncate(self._fd, self._size)
        except OSError:
            self._inflight = _PARTIAL
        else:
            self._inflight = b""
        return self._error(word(error))

    def _lose(self, ts_ns: int, error: str, count: int, unsynced: int) -> None:
        gap = self._gap
        if gap is None:
            gap = _Gap(0, ts_ns, error, 0)
        self._gap = gap._replace(records=gap.records + count, unsynced=gap.unsynced + unsynced)

    def _error(self, error: str) -> JournalWriteError:
        fix = "free space or mend the disk; a GAP record will say what is missing"
        if self._fd < 0:
            fix = "this writer has let go of the file; resume the journal"
        lost = 0
        if self._gap is not None:
            lost = self._gap.records
        return JournalWriteError(self.path, error, lost, fix)

    def _settle(self, ts_ns: int) -> None:
        """A write was left unfinished: is its line in the file or not?"""
        line = self._inflight
        try:
            whole = self._size + len(line) == self._port.size(self._fd)
            if line is _PARTIAL:
                whole = False
            if not whole:
                self._port.ftruncate(self._fd, self._size)
        except OSError as error:
            self._lose(ts_ns, word(error), 1, 0)
            raise self._error(word(error)) from error
        if whole:
            self._digest = bytes.fromhex(line[-TAIL_BYTES - 1 :][9 : 9 + HASH_CHARS].decode())
            self._size += len(line)
            self._seq += 1
        if not whole:
            if line is not _PARTIAL:
                self._lose(int(line.split(b'"', 6)[5]), "INTERRUPTED", 1, 0)
        self._inflight = b""

    def _tell(self, ts_ns: int) -> None:
        """Write the GAP; the record that was to follow is lost too where that fails."""
        gap = self._gap
        if gap is None:
            return
        self._gap = None
        said = {
            "from": self._seq + 1,
            "count": gap.records,
            "since": gap.since_ns,
            "error": gap.error,
            "unsynced": gap.unsynced,
        }
        try:
            self.append(ts_ns, GAP, encode(said))
        except JournalWriteError as error:
            self._gap = gap._replace(records=gap.records + 1)
            raise self._error(error.error) from error

    # --- the disk and the head ---------------------------------------------------------------------------------------

    def _group(self) -> None:
        now_ns = time.monotonic_ns()
        if self._since_ns == 0:
            self._since_ns = now_ns
        if now_ns - self._since_ns >= GROUP_NS:
            self._sync()

    def _sync(self) -> None:
        seq = self._seq
        self._since_ns = 0
        try:
            self._port.fdatasync(self._fd)
        except OSError as error:
            self._lose(self._ts_ns, word(error), 0, seq - self._synced)
            self._synced = seq
            raise self._error(word(error)) from error
        self._synced = seq

    def _mark(self) -> None:
        """The head file, now and then: a journal that lost its tail is then found out without an anchor."""
        self._head_due = self._seq + HEAD_EVERY
        try:
            self._write_head(closed=False)
        except OSError:
            pass  # the record itself is acknowledged; an old head file still holds

    def _write_head(self, *, closed: bool) -> None:
        content = encode({"seq": self._seq, "hash": self._digest.hex(), "closed": closed})
        replace(self._port, f"{self.path}.head", content.encode() + b"\n", sync=self._durable)


def _instance(given: str | None) -> str:
    if given is None:
        return uuid.uuid4().hex
    return given


def _opened(path: str, flags: int, port: Port) -> int:
    try:
        return port.open(path, flags, OWNER_ONLY)
    except FileExistsError:
        raise JournalUnreadable(path, "exists already", "resume it, or name a new file") from None
    except FileNotFoundError:
        raise JournalUnreadable(path, "there is no such file or folder", "name an existing one") from None
    except IsADirectoryError:
        raise JournalUnreadable(path, "is a directory", "name a file in it") from None
    except PermissionError:
        raise JournalUnreadable(path, "may not be written by this user", "run as its owner") from None
    except OSError as error:
        raise JournalUnreadable(path, f"cannot be opened ({word(error)})", "check the path and the disk") from error


def _locked(path: str, flags: int, port: Port) -> int:
    """A descriptor that holds the one lock of the file. The file is left alone where it cannot be had."""
    fd = _opened(path, flags, port)
    try:
        port.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        port.close(fd)
        raise JournalLocked(path, _holder(path, port)) from None
    except OSError as error:
        port.close(fd)
        raise JournalLocked(path, f"nobody, but the lock cannot be had ({word(error)})") from error
    return fd


def _holder(path: str, port: Port) -> str:
    """What the lock file says of the writer that has the lock."""
    try:
        fd = port.open(f"{path}.lock", READ)
        try:
            return port.read(fd, 4096).decode("utf-8", "backslashreplace")
        finally:
            port.close(fd)
    except OSError:
        return "another process, which left no name"


def _orphan() -> None:
    """In a forked child: the parent writes, the child has no journal."""
    for journal in list(_open):
        if journal._fd >= 0:
            journal._port.close(journal._fd)
            journal._fd = -1


os.register_at_fork(after_in_child=_orphan)
