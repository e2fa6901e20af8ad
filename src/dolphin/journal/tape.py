"""The end of a journal that is being written: one line a record, chained, and what becomes of a write that fails.

What belongs here: `append`, the sync of mode `power`, and the way back from a failed or interrupted write; not how a
journal begins and ends (`writer.py`).

Theory of operation. `append` formats the line, chains its hash and writes it whole; when it returns, the record
survives the death of the process (mode `write`), and after `flush` that of the machine (mode `power`). What is in the
file is at any moment a chain of whole lines and at most one partial one at its end. A write that fails is undone by
cutting the file to its last whole line; where that fails too, nothing more is written until it succeeds. What could
not be written is counted, and the next record that can be is preceded by a GAP that says so. A write during which an
exception (a signal handler's) broke in is looked up in the file: the line is there, and counts, or is cut, and is a
GAP.
"""

from __future__ import annotations

import contextlib
import time
from hashlib import sha256
from typing import Final

from dolphin.journal.encoding import GENESIS, HASH_CHARS, LINE_BYTES_MAX, POLICY_CHARS, TS_MAX_NS, Head
from dolphin.journal.errors import JournalWriteError
from dolphin.journal.files import Port, word, write_whole
from dolphin.journal.gap import Gap, more
from dolphin.journal.headfile import write_head
from dolphin.journal.kinds import GAP, KINDS

GROUP_NS: Final = 5_000_000
"""Mode `power`: no record waits longer than this, real time, for the disk, once another one is written."""

HEAD_EVERY: Final = 4_096
"""Records between two writings of the head file."""

NEVER: Final = 1 << 62
_PARTIAL: Final = b"partial"
_NAMES: Final = frozenset(KINDS.values())


def middle(policy_hash: str) -> str:
    """What stands in every line between kind and data."""
    return f'","policy":"{policy_hash[:POLICY_CHARS]}","data":'


class Tape:
    """A file to whose end one thread writes. `path`, `instance`: of the journal and of this writer."""

    def __init__(self, path: str, fd: int, durable: bool, instance: str, port: Port) -> None:
        self.path = path
        self.instance = instance
        self._port = port
        self._write = port.write
        self._fd = fd
        self._durable = durable
        self._middle = ""
        self._seq = -1
        self._digest = GENESIS
        self._size = 0
        self._ts_ns = 0
        self._inflight = b""
        self._gap: Gap | None = None
        self._head_due = 0
        self._synced = -1
        self._since_ns = 0

    def following(self, path: str, fd: int) -> Tape:
        """The empty file `path`, open as `fd`, as the next one of this chain: no head file, no sync of its own."""
        tape = Tape(path, fd, False, self.instance, self._port)
        tape._middle = self._middle
        tape._seq = self._seq
        tape._digest = self._digest
        tape._head_due = NEVER
        return tape

    @property
    def head(self) -> Head:
        """The last record that was written: what the run prints, and `--anchor` checks."""
        return Head(self._seq, self._digest.hex())

    @property
    def broken(self) -> bool:
        """Whether a record was lost and no GAP could say so yet."""
        return self._gap is not None

    @property
    def port(self) -> Port:
        """The calls of the system, as this writer makes them."""
        return self._port

    @port.setter
    def port(self, port: Port) -> None:
        self._port = port
        self._write = port.write

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    @property
    def fd(self) -> int:
        """The file, open and locked; negative once it was let go of."""
        return self._fd

    def append(self, ts_ns: int, kind: str, data: str) -> int:
        """Write one record and return its sequence number; acknowledged when it returns.

        `data`: canonical JSON text of the object, as `encode` makes it (docs/journal-format.md). `ts_ns`: ns since
        the epoch. ValueError: nothing was written, since it could not be read again. JournalWriteError: nothing was
        written and the record counts as lost; the caller trips the latch. In mode `power` a sync is due every 5 ms;
        its failure raises too (`kept`), and leaves the record in the file, in doubt.
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
        gap = self._gap
        if gap is not None:
            self._tell(gap, ts_ns)
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
        """Mode `power`: return when every record survives a loss of power; an entry waits for it. Mode `write`:
        nothing.

        JournalWriteError: the disk refused; what was written since the last sync is in doubt, and a GAP will say so.
        """
        if not self._durable:
            return
        if self._synced == self._seq:
            return
        self._sync()

    def _failed(self, ts_ns: int, error: OSError) -> JournalWriteError:
        """A record is lost: count it, cut what was written of it, say so."""
        try:
            self._port.ftruncate(self._fd, self._size)
        except OSError:
            self._inflight = _PARTIAL
        else:
            self._inflight = b""
        return self._lost(ts_ns, word(error), 1)

    def _lost(
        self, ts_ns: int, error: str, records: int, unsynced: int = 0, *, kept: bool = False
    ) -> JournalWriteError:
        """Add to what a GAP will say; the error to raise."""
        self._gap = more(self._gap, ts_ns, error, records, unsynced)
        fix = "free space or mend the disk; a GAP record will say what is missing"
        if self._fd < 0:
            fix = "this writer has let go of the file; resume the journal"
        return JournalWriteError(self.path, error, self._gap.records, fix, kept)

    def _settle(self, ts_ns: int) -> None:
        """A write was left unfinished, or could not be undone: is its line in the file, whole?"""
        line = self._inflight
        try:
            if line is not _PARTIAL:
                if self._port.size(self._fd) == self._size + len(line):
                    self._adopt(line)
                    return
                self._gap = more(self._gap, int(line.split(b'"', 6)[5]), "INTERRUPTED", 1)
                self._inflight = _PARTIAL
            self._port.ftruncate(self._fd, self._size)
        except OSError as error:
            raise self._lost(ts_ns, word(error), 1) from error
        self._inflight = b""

    def _adopt(self, line: bytes) -> None:
        """The line is whole in the file; only its writer was interrupted before it could note that."""
        digest = bytes.fromhex(line[-HASH_CHARS - 3 : -3].decode())
        length = len(line)
        self._digest = digest
        self._size += length
        self._seq += 1
        self._inflight = b""

    def _tell(self, gap: Gap, ts_ns: int) -> None:
        """Write the GAP. Where that fails, the record that was to follow is lost too."""
        seq = self._seq
        self._gap = None
        try:
            self.append(ts_ns, GAP, gap.data(seq + 1))
        except JournalWriteError as error:
            if self._seq == seq:
                self._gap = gap
            raise self._lost(ts_ns, error.error, 1) from error

    def _group(self) -> None:
        now_ns = time.monotonic_ns()
        if self._since_ns == 0:
            self._since_ns = now_ns
        if now_ns >= self._since_ns + GROUP_NS:
            self._sync()

    def _sync(self) -> None:
        seq = self._seq
        self._since_ns = 0
        try:
            self._port.fdatasync(self._fd)
        except OSError as error:
            unsynced = seq - self._synced
            self._synced = seq
            raise self._lost(self._ts_ns, word(error), 0, unsynced, kept=True) from error
        self._synced = seq

    def _mark(self) -> None:
        """The head file, now and then: a journal that lost its tail is then found out without an anchor."""
        self._head_due = self._seq + HEAD_EVERY
        with contextlib.suppress(OSError):  # the record itself is acknowledged, and an old head file still holds
            write_head(self.path, self.head, closed=False, sync=self._durable, port=self._port)
