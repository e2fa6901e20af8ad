"""DAL A: the append-only, hash-chained log that is ledger, audit trail and recovery source.

`Journal` writes, `read` and `follow` read, `recover` finds the end after a crash, `verify` gives the verdict on the
form. docs/journal-format.md says what is in the file.
"""

from dolphin.journal.chain import follow, read
from dolphin.journal.encoding import Head, anchor, decode, encode, exact, integer, ready, text, writable
from dolphin.journal.errors import (
    JournalBroken,
    JournalError,
    JournalLocked,
    JournalTorn,
    JournalUnreadable,
    JournalWriteError,
)
from dolphin.journal.headfile import HeadFile, head_file
from dolphin.journal.kinds import KERNEL, KINDS, OTHER
from dolphin.journal.latchfile import LatchFile, latch_path, read_latch
from dolphin.journal.reader import Record
from dolphin.journal.recovery import Recovery, Verified, recover, verify, whole
from dolphin.journal.writer import Durability, Journal

__all__ = [
    "KERNEL",
    "KINDS",
    "OTHER",
    "Durability",
    "Head",
    "HeadFile",
    "Journal",
    "JournalBroken",
    "JournalError",
    "JournalLocked",
    "JournalTorn",
    "JournalUnreadable",
    "JournalWriteError",
    "LatchFile",
    "Record",
    "Recovery",
    "Verified",
    "anchor",
    "decode",
    "encode",
    "exact",
    "follow",
    "head_file",
    "integer",
    "latch_path",
    "read",
    "read_latch",
    "ready",
    "recover",
    "text",
    "verify",
    "whole",
    "writable",
]
