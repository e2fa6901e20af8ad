"""What stands in a journal: the verdict on its form, and the state of its end before a writer takes it up again.

What belongs here: `verify` and `recover`, both one pass in constant memory. Neither changes the file: the torn line is
cut by `Journal.resume`, under the writer's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

from dolphin.journal.chain import Chain, read
from dolphin.journal.encoding import HASH_CHARS, Head
from dolphin.journal.encoding import anchor as parsed
from dolphin.journal.errors import HEAD, JournalBroken, JournalError, JournalTorn, JournalUnreadable
from dolphin.journal.files import PORT, Port, add, word
from dolphin.journal.headfile import head_file
from dolphin.journal.kinds import CLOSE, GAP
from dolphin.journal.reader import Place, Record, Source, walk


class Verified(NamedTuple):
    """A journal whose form is right. Not `closed`: the run did not end, or its tail is missing: `incomplete`.

    `records`: how many. `gaps`: how many GAP records; `lost`: how many records those say are missing. `torn`: bytes
    of a last line without an end. `back_ns`: the largest step back of the host's clock. `size`: bytes of whole lines of
    the live file. `segment`: the number of the segment with which it begins; those before it are not here.
    """

    records: int
    closed: bool
    gaps: int
    head: Head
    torn: int
    lost: int
    back_ns: int
    first_ts_ns: int
    last_ts_ns: int
    size: int
    segment: int = 1


class Recovery(NamedTuple):
    """Where a writer may take up again. `header`: of the live file. `torn_bytes`: what `Journal.resume` will cut.

    `missing`: records that the head file knows of and the journal lacks (a loss of power in mode `write`).
    """

    path: str
    header: Record
    closed: bool
    head: Head
    last_ts_ns: int
    torn_bytes: int
    size: int
    gaps: int
    missing: int

    def records(self) -> Iterator[Record]:
        """The whole records, from the header on, to be folded; a torn last line is left out."""
        return whole(self.path)


def whole(path: str, *, port: Port = PORT) -> Iterator[Record]:
    """As `read`, and silent about a torn last line."""
    try:
        yield from read(path, port=port)
    except JournalTorn:
        return


def verify(
    path: str, anchor: str | None = None, *, each: Callable[[Record], object] | None = None, of: str | None = None,
    port: Port = PORT,
) -> Verified:  # fmt: skip
    """Check the whole form of `path`: lines, chain, sequence, kinds, and its head against `anchor` and the head file.

    `anchor`: `SEQ:HASH` that the run printed; ValueError where it is not of that form. `each` is called with every
    record. JournalUnreadable, JournalBroken: as `read`; also where the journal lacks the record that anchor or head
    file name, or has another in its place. A torn last line is counted, not refused. `of`: whose rotated segments are
    before it, its own by default (`chain.Chain`).
    """
    named = _head_file(path, port)
    if anchor is not None:
        named["anchor"] = parsed(anchor)
    if of is None:
        of = path
    found, header = _chained(path, named, each, port, of)
    for who, head in named.items():
        if head.seq > found.head.seq:
            raise _tail(path, found, header, who, head)
    return found


def _head_file(path: str, port: Port) -> dict[str, Head]:
    known = head_file(path, port=port)
    if known is None:
        return {}
    return {"head file": Head(known.seq, known.hash)}


def _tail(path: str, found: Verified, header: Record, who: str, head: Head) -> JournalBroken:
    return JournalBroken(
        path,
        found.head.seq - header.seq + 2,
        found.head.seq + 1,
        "seq",
        f"record {head.seq} ({head.hash}), which the {who} names",
        f"the end of the journal after record {found.head.seq}",
        HEAD,
    )


def recover(path: str, *, each: Callable[[Record], object] | None = None, port: Port = PORT) -> Recovery:
    """Check `path` and say where it ends; `each` is called with every record, so that one pass both checks and folds.

    Refuses as `read` does, naming the first bad record. A torn last line, a missing CLOSE and a tail that only the
    head file knows are reported, not refused: recovery must be possible after a crash.
    """
    named = _head_file(path, port)
    found, header = _chained(path, named, each, port, path)
    return _recovery(path, named, found, header)


def recover_from(path: str, place: Place, header: Record, each: Callable[[Record], object], *, port: Port) -> Recovery:
    """As `recover`, of what stands from the line `place` on; `each` is not called with `header`, and `gaps` are those
    since. A head file that names an earlier record is not compared.
    """
    named = _head_file(path, port)
    with closing(Source(path, port, place.offset)) as source:
        records = walk(source, source.batches(), at=place, prefix=header.policy)
        found, _ = _scan(source, records, named, each)
    return _recovery(path, named, found, header)


def _chained(
    path: str, named: dict[str, Head], each: Callable[[Record], object] | None, port: Port, of: str
) -> tuple[Verified, Record]:
    with closing(Chain(path, port, of)) as chain:
        found, header = _scan(chain.live, chain.records(), named, each)
        return found._replace(segment=chain.oldest), header


def _recovery(path: str, named: dict[str, Head], found: Verified, header: Record) -> Recovery:
    missing = 0
    for head in named.values():
        missing = max(0, head.seq - found.head.seq)
    return Recovery(
        path, header, found.closed, found.head, found.last_ts_ns, found.torn, found.size, found.gaps, missing
    )


def unchanged(found: Recovery, fd: int, port: Port) -> None:
    """Whether the file open as `fd`, now under the writer's lock, is still what `found` describes; JournalError if
    not.
    """
    try:
        size = port.size(fd)
        end = port.pread(fd, HASH_CHARS, found.size - HASH_CHARS - len('"}\n'))
    except OSError as error:
        raise JournalUnreadable(found.path, f"cannot be read ({word(error)})", "check the disk") from error
    if size != found.size + found.torn_bytes:
        raise JournalError(f"{found.path}: has {size} bytes, not those of its recovery; recover it again")
    if end != found.head.hash.encode():
        raise JournalError(f"{found.path}: ends otherwise than at its recovery; recover it again")


def cut(found: Recovery, fd: int, port: Port) -> None:
    """Cut the torn last line, if any, once it is kept in `<path>.torn`. OSError."""
    if not found.torn_bytes:
        return
    torn = port.pread(fd, found.torn_bytes, found.size)
    add(port, f"{found.path}.torn", torn + b"\n")
    port.ftruncate(fd, found.size)


def _scan(
    live: Source, records: Iterator[Record], named: dict[str, Head], each: Callable[[Record], object] | None
) -> tuple[Verified, Record]:
    """Take all `records`, of which `live` has the last; what they are, and the header of the file in which they end."""
    gaps = lost = back_ns = latest_ns = 0
    first: Record | None = None
    header: Record | None = None
    record: Record | None = None
    due = {head.seq for head in named.values()}
    try:
        for record in records:
            if record.line == 1:
                header = record
            if first is None:
                first = record
            if record.ts_ns < latest_ns:
                back_ns = max(back_ns, latest_ns - record.ts_ns)
            else:
                latest_ns = record.ts_ns
            if record.kind == GAP:
                gaps += 1
                lost += record.body.count
            if record.seq in due:
                _hold(record, named)
            if each is not None:
                each(record)
    except JournalTorn:
        if first is None:  # torn is the very checkpoint from which this was to begin: there is another way
            raise
    assert first is not None
    assert record is not None
    if header is None:
        header = first
    closed = record.kind == CLOSE
    if live.torn:
        closed = False
    found = Verified(
        record.seq + 1 - first.seq, closed, gaps, record.head, len(live.torn), lost, back_ns, first.ts_ns, record.ts_ns,
        live.size,
    )  # fmt: skip
    return found, header


def _hold(record: Record, named: dict[str, Head]) -> None:
    """Refuse a record in whose place anchor or head file name another."""
    for who, head in named.items():
        if head.seq == record.seq:
            if head.hash != record.hash:
                expected = f"{head.hash}, which the {who} names"
                raise JournalBroken(record.path, record.line, record.seq, "hash", expected, record.hash, HEAD)
