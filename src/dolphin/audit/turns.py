"""Segments of one journal: each has the header of the one before it, and goes on from a checkpoint.

What belongs here: what is expected of a later segment's HEADER and of the record after it, and the beginning of an
audit that has no first segment. That one file follows another is the reader's (`journal.chain`).
"""

from __future__ import annotations

from dolphin.audit.finding import FORM, Finding, found
from dolphin.audit.fold import CHECKPOINTS, Fold, differs
from dolphin.audit.policies import announced, is_change
from dolphin.journal import Record
from dolphin.journal.checkpoint import read_checkpoint
from dolphin.journal.codec import Malformed
from dolphin.journal.errors import SEGMENTS
from dolphin.journal.kinds import CHECKPOINT
from dolphin.journal.segments import FIRST, Opening, opening, run_of, without


def begins(header: Record | None) -> Opening:
    """Where the journal begins that has this HEADER first."""
    if header is None:
        return FIRST
    return opening(header.data)


def other_header(path: str, before: Record, record: Record) -> Finding | None:
    """The HEADER of a later segment says what the one before it says, but for its own number and what it follows; where
    the policy changes with it, but for that as well.
    """
    part = without
    if is_change(before, record):
        part = run_of
    right, claim = part(before.data), part(record.data)
    if right == claim:
        return announced(path, before, record) if part is run_of else None
    field, expected, actual = differs("", right, claim)
    hint = f"a segment goes on with the run of {before.path}; its header repeats that one's"
    return found(path, record, field or "header", expected, actual, SEGMENTS, hint, check=FORM)


def second(path: str, header: Record, record: Record) -> Finding | None:
    """A later segment's second record is the checkpoint from which it alone can be folded."""
    if record.kind == CHECKPOINT:
        return None
    hint = f"segment {opening(header.data).number} cannot be folded without those before it"
    return found(path, record, "kind", "CHECKPOINT, the second of a segment", record.kind, SEGMENTS, hint, check=FORM)


def begin_from(fold: Fold, record: Record) -> Finding | None:
    """Go on from a checkpoint that nothing before it confirms: what is before it is not here."""
    try:
        fold.state, fold.aside, _ = read_checkpoint(record.data, record.raw)
    except Malformed as error:
        hint = "the checkpoint with which this journal begins cannot be read"
        return found(fold.path, record, error.field, error.expected, repr(error.actual), CHECKPOINTS, hint)
    return None
