"""A journal for years is written in segments: how their files are called, and what each header says of the one before.

What belongs here: names and the two header fields; no files. `journal.jsonl` is always the one that is written;
`journal.0001.jsonl`, `journal.0002.jsonl`, ... are those that were rotated away, oldest first. Sequence numbers and the
chain go on from one to the next. docs/design/journal-years.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from dolphin.journal.encoding import GENESIS, HASH_CHARS, Head, integer, is_hex

SEGMENT: Final = "segment"
PREVIOUS: Final = "previous"
FIELDS: Final = (SEGMENT, PREVIOUS)
"""What a header has more than that of the first segment."""

NUMBER_MAX: Final = 9_999
"""The last number that a file's name has room for; a journal that has come so far is not rotated any more."""


class Opening(NamedTuple):
    """Where a segment begins. `number`: from 1. `before`: the last record before it, which its own chain follows."""

    number: int
    before: Head


FIRST: Final = Opening(1, Head(-1, GENESIS.hex()))


def opening(header: Mapping[str, object]) -> Opening:
    """Where the segment of this HEADER begins. ValueError where the fields that say so cannot be read."""
    if SEGMENT not in header:
        return FIRST
    number = integer(header[SEGMENT])
    if number < 2:
        raise ValueError(f"{SEGMENT} {number}: a segment that names its number is the second at least")
    if number > NUMBER_MAX:
        raise ValueError(f"{SEGMENT} {number}: at most {NUMBER_MAX}")
    return Opening(number, _head(header.get(PREVIOUS)))


def _head(said: object) -> Head:
    if type(said) is not dict:
        raise ValueError(f"{PREVIOUS} {said!r}: no object")
    if [*said] != ["seq", "hash"]:
        raise ValueError(f"{PREVIOUS} {said!r}: accepted seq and hash")
    seq, digest = integer(said["seq"]), str(said["hash"])
    if seq < 0:
        raise ValueError(f"{PREVIOUS}.seq {seq}: no sequence number")
    if not is_hex(digest, HASH_CHARS):
        raise ValueError(f"{PREVIOUS}.hash {digest!r}: accepted {HASH_CHARS} lower-case hex digits")
    if len(digest) != HASH_CHARS:
        raise ValueError(f"{PREVIOUS}.hash {digest!r}: accepted {HASH_CHARS} lower-case hex digits")
    return Head(seq, digest)


def header_of(header: Mapping[str, object], number: int, before: Head) -> dict[str, object]:
    """The header of segment `number`, which follows `before`, of the journal that has `header`."""
    said = {SEGMENT: number, PREVIOUS: {"seq": before.seq, "hash": before.hash}}
    return {**without(header), **said}


def without(header: Mapping[str, object]) -> dict[str, object]:
    """A header less what differs from segment to segment."""
    found = dict(header)
    for name in FIELDS:
        found.pop(name, None)
    return found


def later(header: Mapping[str, object]) -> str:
    """What readers say of a journal whose first HEADER this is; nothing of one that has its first segment. ValueError:
    as `opening`.
    """
    first = opening(header)
    if first.number == 1:
        return ""
    return f"it begins with segment {first.number}: records 0 to {first.before.seq} are not here"


def name_of(path: str, number: int) -> str:
    """What segment `number` of the journal `path` is called once it was rotated away: `journal.0001.jsonl`."""
    root, ending = os.path.splitext(path)
    return f"{root}.{number:04d}{ending}"


def next_of(path: str) -> str:
    """What the file is called that a rotation makes, until it is the journal: `journal.next`."""
    root, _ = os.path.splitext(path)
    return f"{root}.next"
