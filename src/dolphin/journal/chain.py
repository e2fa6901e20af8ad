"""Read a journal, all of its segments: the rotated ones, oldest first, and then the one that is written.

What belongs here: `read` (a finished or abandoned journal), `follow` (one that is being written), and how one file
follows another. The live file is opened first and kept open: a rotation meanwhile gives it another name and takes
nothing away. Where the oldest segment that is there is not the first (retention took those before it), reading begins
with it. A file that is missing between two others is a break of the chain. One file alone is a journal of one segment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

from dolphin.journal.errors import SEGMENTS, JournalBroken, JournalMissing, JournalTorn, JournalUnreadable
from dolphin.journal.files import PORT, READ, Port, let_go
from dolphin.journal.kinds import CLOSE
from dolphin.journal.reader import Record, Source, opening_of, read_file, walk
from dolphin.journal.segments import PREVIOUS, SEGMENT, name_of, opening

_LOOKS: Final = 2
"""How often the file after a rotated one is looked for under both of its names: the next rotation may come between."""

ALONE: Final = ""
"""Of no journal: the live file is read without those before it."""


class Chain:
    """The files of the journal `path`. `number`: the segment of the live one; `oldest`: the first one that is there.
    `last`: the last record of a file that has been read to its end. `of`: the journal whose rotated segments are before
    it, which a copy has under another name; none where that is ALONE.
    """

    def __init__(self, path: str, port: Port, of: str) -> None:
        """JournalUnreadable: there is no such file. JournalBroken: one is missing between two others."""
        self.path = path
        self.of = of
        self.port = port
        self.last: Record | None = None
        self.live = Source(path, port)
        try:
            self.number = opening_of(self.live).number
            self.oldest = self._oldest()
        except BaseException:
            self.live.close()
            raise

    def records(self) -> Iterator[Record]:
        """All records, first to last. JournalBroken, JournalUnreadable, JournalTorn: as `read_file`."""
        yield from self.rotated()
        yield from self.segment(self.live, self.number, self.live.batches())

    def rotated(self) -> Iterator[Record]:
        """Those of the segments that were rotated away. JournalUnreadable: one has gone since this began."""
        for number in range(self.oldest, self.number):
            name = name_of(self.of, number)
            try:
                with closing(Source(name, self.port)) as source:
                    yield from self.segment(source, number, source.batches())
            except JournalTorn as error:
                raise _unfinished(name, error.line, error.seq, error.actual) from None
            except JournalMissing:  # it was there when reading began, and a hole is found before
                raise JournalUnreadable(name, "went away while it was read (retention)", "read again") from None
            except JournalUnreadable as error:
                raise _unfinished(name, 1, 0, error.found) from None

    def segment(
        self, source: Source, number: int, batches: Iterator[list[bytes]], growing: bool = False
    ) -> Iterator[Record]:
        """The records of segment `number`, in `source`, which follows the record `last`."""
        record = self.last
        for record in walk(source, batches, growing=growing):
            if record.line == 1:
                _follows(record, number, self.last)
            yield record
        self.last = record

    def _oldest(self) -> int:
        """The first of the segments that follow one another up to the live one. JournalBroken where there is a hole."""
        if self.of == ALONE:
            return self.number
        missing = 0
        for number in range(self.number - 1, 0, -1):
            if not is_there(name_of(self.of, number), self.port):
                missing = max(missing, number)
            elif missing:
                name = name_of(self.of, missing)
                before = name_of(self.of, number)
                raise JournalBroken(name, 1, 0, SEGMENT, f"a file, since {before} is there", "no such file", SEGMENTS)
        return missing + 1

    def close(self) -> None:
        self.live.close()


def read(path: str, *, port: Port = PORT) -> Iterator[Record]:
    """The records of the journal `path`, first to last, those of its rotated segments before its own; each checked; in
    constant memory (one block of 256 KiB).

    JournalUnreadable: no journal. JournalBroken: names file and line of the first bad record, or the segment that does
    not follow the one before. JournalTorn, after the last whole record: the last line has no end.
    """
    with closing(Chain(path, port, path)) as chain:
        yield from chain.records()


def header(path: str, *, port: Port = PORT) -> Record:
    """The HEADER of the file `path` itself: of a journal's live segment. As `read_file`."""
    with closing(read_file(path, port=port)) as records:  # type: ignore[type-var]
        return next(records)


def follow(
    path: str,
    *,
    poll_s: float = 0.05,
    stop: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
    port: Port = PORT,
) -> Iterator[Record]:
    """As `read`, on a journal that is still being written: waits for more until CLOSE is its last record, or `stop()`;
    after a rotation it goes on with the next segment.

    A line without its end is not a record yet. `poll_s`: real seconds between two looks.
    """
    kind = ""
    rotated = False

    def ended() -> bool:
        nonlocal rotated
        if kind == CLOSE:
            return True
        if stop():
            return True
        if rotated:  # and what was written before that has been read since
            return True
        rotated = not port.same(source.fd, path)
        return False

    with closing(Chain(path, port, path)) as chain:
        source = chain.live
        yield from chain.rotated()
        while True:
            batches = source.growing(poll_s, sleep, ended)
            for record in chain.segment(source, chain.number, batches, growing=True):
                kind = record.kind
                yield record
            if not rotated:
                return
            rotated = False
            source.close()
            chain.number += 1
            source = chain.live = _successor(path, chain.number, port)


def _successor(path: str, number: int, port: Port) -> Source:
    """Segment `number`, which is the live one, or was. JournalUnreadable: the journal was moved away."""
    for _ in range(_LOOKS):
        source = Source(path, port)
        if opening_of(source).number == number:
            return source
        source.close()
        name = name_of(path, number)
        if is_there(name, port):
            return Source(name, port)
    raise JournalUnreadable(path, "was moved away while it was read", "read it where it is now")


def is_there(name: str, port: Port) -> bool:
    """Whether there is a file of this name."""
    try:
        let_go(port, port.open(name, READ))
    except FileNotFoundError:
        return False
    except OSError:
        return True  # who opens it to read it says what is wrong
    return True


def _unfinished(path: str, line: int, seq: int, actual: str) -> JournalBroken:
    return JournalBroken(path, line, seq, "line", "whole lines: a later segment follows", actual, SEGMENTS)


def _follows(record: Record, number: int, last: Record | None) -> None:
    """Refuse a HEADER that is not of segment `number`, or does not follow the record `last`."""
    found = opening(record.data)
    if found.number != number:
        raise JournalBroken(record.path, 1, record.seq, SEGMENT, str(number), str(found.number), SEGMENTS)
    if last is None:
        return
    if found.before != last.head:
        expected = f"{last.head.anchor}, the end of {last.path}"
        raise JournalBroken(record.path, 1, record.seq, PREVIOUS, expected, found.before.anchor, SEGMENTS)
