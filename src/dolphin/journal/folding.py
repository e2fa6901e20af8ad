"""The book that a journal makes, and the short way to it: from the last checkpoint that verifies.

What belongs here: the fold of a journal's records for whoever takes the book up again, and the search for the
checkpoint from which it may begin. A checkpoint is used where its own line and every line after it follow in the chain,
where it reads as this kernel's state over the header's feeds, and where every outcome recorded since is the one that
the fold from it gives. Where one of these fails the one before it is tried, and then the whole journal, which names
what is wrong with it. What stands before the checkpoint is not looked at: that is for the audit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from dolphin.journal import codec
from dolphin.journal.aside import KINDS, Aside
from dolphin.journal.chain import header as header_of
from dolphin.journal.checkpoint import read_checkpoint
from dolphin.journal.encoding import HASH_CHARS, is_hex
from dolphin.journal.errors import JournalError
from dolphin.journal.files import PORT, Port
from dolphin.journal.kinds import CHECKPOINT, HEADER
from dolphin.journal.reader import Place, Record, Source, opening_of
from dolphin.journal.recovery import Recovery, recover, recover_from
from dolphin.journal.segments import FIRST, POLICY, SEGMENT, opening
from dolphin.kernel.events import EVENTS
from dolphin.kernel.machine import step
from dolphin.kernel.policy import Policy
from dolphin.kernel.state import State, outcome

TRIED: Final = 3
"""Checkpoints that are tried, the last one first, before the whole journal is folded."""

BLOCK_BYTES: Final = 1 << 20
OVERLAP_BYTES: Final = 256
"""More than the part of a line that `_MARK` matches."""

_MARK: Final = re.compile(
    rb'\n\{"seq":([1-9][0-9]{0,15}),"ts":"[0-9]{1,19}","kind":"CHECKPOINT","policy":"[0-9a-f]{16}"'
)


class Disagrees(ValueError):
    """A record's outcome is not the one that the fold from a checkpoint gives."""


class Folding:
    """A book as the records of its journal make it. `since`: records since its last checkpoint. `header`, `policy`: of
    the last segment.

    `begun`: the record from which it was folded; 0 where that is the header. Whatever is folded here has to be in the
    checkpoint too (`Aside.plain`): who begins from one sees no record before it. Where the first record is the header
    of a later segment, the fold begins with the checkpoint that follows it.
    """

    def __init__(self) -> None:
        self.header: Mapping[str, Any] = {}
        self.policy: Policy | None = None
        self.state: State | None = None
        self.aside = Aside()
        self.since = 0
        self.begun = 0
        self._waits = False

    def each(self, record: Record) -> None:
        """Take one record, in order, from the header on."""
        kind = record.kind
        self.since += 1
        if kind == HEADER:
            self._open(record.data)
            return
        if self._waits:
            self._begin(record)
            return
        if kind == CHECKPOINT:
            self.since = 0
            return
        if kind in EVENTS:
            self._event(record)
        if kind in KINDS:
            self.aside.each(kind, record.data)

    def after(self, record: Record) -> None:
        """As `each`, of what follows the checkpoint in `from_checkpoint`, which it may refuse: Disagrees, Malformed."""
        if record.seq == self.begun:
            self._begin(record)
            return
        self.each(record)
        if record.kind in EVENTS:
            self._compare(record)

    def _open(self, header: Mapping[str, Any]) -> None:
        """The first HEADER, or that of a segment which goes on with the same book, perhaps under another policy."""
        self.header = header
        if self.state is not None:
            self.policy = codec.policy_of(header[POLICY])
            return
        self.policy, self.state = codec.begin(header)
        self.aside.each(HEADER, header)
        self._waits = opening(header) != FIRST

    def _event(self, record: Record) -> None:
        assert self.policy is not None
        assert self.state is not None
        event = codec.decode(record.kind, record.ts_ns, record.data)
        self.state, _ = step(self.policy, self.state, event)

    def _begin(self, record: Record) -> None:
        """Take over what the checkpoint holds: it has the header's feeds and the header's zero of time."""
        was = self.state
        assert was is not None
        self._waits = False
        if record.kind != CHECKPOINT:
            raise codec.Malformed(SEGMENT, "a CHECKPOINT after the header of a later segment", record.kind)
        found = read_checkpoint(record.data, record.raw)
        if [feed.kind for feed in found.state.feeds] != [feed.kind for feed in was.feeds]:
            raise Disagrees("the checkpoint has other feeds than the header")
        if found.state.clock.anchor_ns != was.clock.anchor_ns:
            raise Disagrees("the checkpoint counts time from elsewhere than the header")
        if not found.ledger:
            raise Disagrees("the checkpoint is of before there was a ledger in it")
        self.state, self.aside = found.state, found.aside
        self.begun = record.seq
        self.since = 0

    def _compare(self, record: Record) -> None:
        assert self.state is not None
        recorded = [int(value) for value in record.body.out]
        if recorded != list(outcome(self.state)):
            raise Disagrees(f"record {record.seq} has another outcome than the fold from the checkpoint")


class Folded(NamedTuple):
    """Where a journal ends, and the book that it makes."""

    recovery: Recovery
    book: Folding


def folded(path: str, *, port: Port = PORT) -> Folded:
    """The end of the journal `path` and its book, from the last checkpoint that verifies, or from the header.

    JournalError, naming the first bad record of what was read; Malformed: a record's data is not what its kind
    demands.
    """
    for place in _tried(path, port):
        try:
            return _from(path, place, port)
        except (JournalError, ValueError):
            continue
    book = Folding()
    return Folded(recover(path, each=book.each, port=port), book)


def _from(path: str, place: Place, port: Port) -> Folded:
    book = Folding()
    header = header_of(path, port=port)
    book.each(header)
    book.begun = place.seq
    return Folded(recover_from(path, place, header, book.after, port=port), book)


def _tried(path: str, port: Port) -> list[Place]:
    found: list[Place] = []
    for place in places(path, port=port):
        found.append(place)
        if len(found) == TRIED:
            break
    return found


def places(path: str, *, port: Port = PORT) -> Iterator[Place]:
    """Where checkpoints seem to stand in `path`, the last one first. JournalUnreadable: no such file.

    A look at the bytes alone; what is found there is for `walk` to check.
    """
    source = Source(path, port)
    try:
        first = opening_of(source).before.seq + 1
        end = source.length()
        while end > 0:
            start = max(end - BLOCK_BYTES, 0)
            # A mark that begins in this block may end in the next one.
            block = source.bytes_at(start, end - start + OVERLAP_BYTES)
            for found in reversed([*_MARK.finditer(block, 0)]):
                if found.start() < end - start:
                    yield from _place(source, start + found.start() + 1, int(found[1]), first)
            end = start
    finally:
        source.close()


def _place(source: Source, offset: int, seq: int, first: int) -> Iterator[Place]:
    """The line at `offset`, if the one before it ends in a hash."""
    said = source.bytes_at(offset - HASH_CHARS - len('"}\n'), HASH_CHARS)
    digest = said.decode("ascii", "replace")
    if is_hex(digest, HASH_CHARS):
        yield Place(offset, seq, bytes.fromhex(digest), first)
