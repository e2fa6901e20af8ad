"""A journal for years is written in segments: how their files are called, and what each header says of the one before.

What belongs here: names and the header fields that differ from segment to segment; no files. `journal.jsonl` is
always the one that is written; `journal.0001.jsonl`, `journal.0002.jsonl`, ... are those that were rotated away, oldest
first. Sequence numbers and the chain go on from one to the next. A segment may begin under another policy than the one
before it: its header then has that policy, and `policy_change` says which was in force before.
docs/design/journal-years.md, docs/design/policy-change.md.
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

POLICY: Final = "policy"
POLICY_HASH: Final = "policy_hash"
POLICY_CHANGE: Final = "policy_change"
OF_POLICY: Final = (POLICY, POLICY_HASH, POLICY_CHANGE)
"""What a header has of its own where the policy changes with it; the headers after it repeat it."""

CHANGE_FIELDS: Final = ("seq", "before", "accepted", "by")
"""Of a change of policy: the header's own sequence number, the hash of the policy before, who accepted it and how."""

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


def under(
    header: Mapping[str, object], policy: Mapping[str, object], policy_hash: str, seq: int, accepted: str, by: str
) -> dict[str, object]:
    """`header` with another policy. `seq`: of the record that will say so. `accepted`, `by`: the word of whom."""
    before = header[POLICY_HASH]
    change = dict(zip(CHANGE_FIELDS, (seq, before, accepted, by), strict=True))
    return {**header, POLICY: dict(policy), POLICY_HASH: policy_hash, POLICY_CHANGE: change}


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


def run_of(header: Mapping[str, object]) -> dict[str, object]:
    """A header less what may differ between two segments of one run."""
    found = without(header)
    for name in OF_POLICY:
        found.pop(name, None)
    return found


def name_of(path: str, number: int) -> str:
    """What segment `number` of the journal `path` is called once it was rotated away: `journal.0001.jsonl`."""
    root, ending = os.path.splitext(path)
    return f"{root}.{number:04d}{ending}"


def next_of(path: str) -> str:
    """What the file is called that a rotation makes, until it is the journal: `journal.next`."""
    root, _ = os.path.splitext(path)
    return f"{root}.next"
