"""What a journal refuses, each with where, what was expected, what was found, and what to do.

What belongs here: exception types and their one-paragraph messages; no behaviour. Everything is a `JournalError`, so
that a caller who only wants to fail closed catches one name.
"""

from __future__ import annotations

from dolphin.journal.files import spelled

CHAIN = "DOL-JOURNAL-001"
ACKNOWLEDGED = "DOL-JOURNAL-002"
ONE_WRITER = "DOL-JOURNAL-003"
TORN = "DOL-JOURNAL-005"
GAP_SHOWN = "DOL-JOURNAL-006"
HEAD = "DOL-JOURNAL-007"
SEGMENTS = "DOL-JOURNAL-015"


class JournalError(Exception):
    """Base of all. `requirement`: the id of the requirement that was not met."""

    requirement = CHAIN


class JournalUnreadable(JournalError):
    """The file is no journal that can be read: missing, empty, a directory, foreign, unreadable, of another format.

    `path`: the file. `found`: what is there.
    """

    def __init__(self, path: str, found: str, fix: str) -> None:
        super().__init__(f"{path}: {found}; {fix}")
        self.path = path
        self.found = found


class JournalMissing(JournalUnreadable):
    """There is no such file."""


class JournalBroken(JournalError):
    """One record is wrong, the first of its file. `line` counts from 1; `seq` is the sequence number expected there."""

    fix = "what stands before this line can be trusted, this record and what follows cannot; restore it from a copy"

    def __init__(
        self, path: str, line: int, seq: int, field: str, expected: str, actual: str, requirement: str = CHAIN
    ) -> None:
        super().__init__(
            f"{path}:{line}: record {seq}, field {field}: expected {expected}, found {actual} [{requirement}];"
            f" {self.fix}"
        )
        self.path = path
        self.line = line
        self.seq = seq
        self.field = field
        self.expected = expected
        self.actual = actual
        self.requirement = requirement


class JournalTorn(JournalBroken):
    """The last line has no end: its writer died in it, or is writing it now. `torn`: its bytes. Not acknowledged."""

    fix = "it was never acknowledged; recovery cuts it and keeps it in the .torn file beside the journal"

    def __init__(self, path: str, line: int, seq: int, torn: bytes) -> None:
        shown = repr(torn[:40])
        super().__init__(path, line, seq, "line", "an end of line", f"{len(torn)} bytes without one, {shown}", TORN)
        self.torn = torn


class JournalLocked(JournalError):
    """Another writer has it. `holder`: what that writer says of itself (process id and instance)."""

    requirement = ONE_WRITER

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"{path}: locked by {holder} [{ONE_WRITER}]; stop that process, or name another file")
        self.path = path
        self.holder = holder


class JournalWriteError(JournalError):
    """A record is not in the journal. The caller trips the latch; exits still pass; a GAP follows when writing works.

    `error`: the operating system's word (ENOSPC, EIO, EBADF). `lost`: records lost since the last one that was written.
    `kept`: the record is in the file, and only its sync failed (mode `power`): it must not be appended again.
    """

    requirement = ACKNOWLEDGED

    def __init__(self, path: str, error: str, lost: int, fix: str, kept: bool = False) -> None:
        super().__init__(f"{path}: not written, {spelled(error)}, {lost} lost so far [{ACKNOWLEDGED}]; {fix}")
        self.path = path
        self.error = error
        self.lost = lost
        self.kept = kept
