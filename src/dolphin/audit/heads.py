"""Heads that are known from elsewhere: what the run printed (`--anchor`), and the head file.

What belongs here: which hash must stand at which record, and the findings where another does, or none.
"""

from __future__ import annotations

from dolphin.audit.finding import FORM, Finding, found
from dolphin.journal import Head, Record, head_file
from dolphin.journal import anchor as parsed


class Heads:
    """Which hash must stand at which record: the anchor's and the head file's."""

    def __init__(self, path: str, anchor: str | None, *, head_file_too: bool = True) -> None:
        """ValueError: no anchor. JournalBroken: the head file is none. A writer may be ahead of what was read."""
        self.path = path
        self.due: dict[int, list[tuple[str, Head]]] = {}
        self.beyond: list[tuple[str, Head]] = []
        if anchor is not None:
            self._add("anchor", parsed(anchor))
        if not head_file_too:
            return
        known = head_file(path)
        if known is not None:
            self._add("head file", Head(known.seq, known.hash))

    def _add(self, who: str, head: Head) -> None:
        self.due.setdefault(head.seq, []).append((who, head))

    def take(self, record: Record) -> Finding | None:
        """The finding where another record stands in the place of a known one."""
        for who, head in self.due.pop(record.seq, ()):
            if head.hash != record.hash:
                hint = "another history was written in the place of the one that was announced"
                expected = f"{head.hash}, which the {who} names"
                return found(self.path, record, "hash", expected, record.hash, "DOL-JOURNAL-007", hint, check=FORM)
        return None

    def missing(self, last: Record) -> Finding | None:
        """The finding where the journal ends before a known record."""
        for seq, heads in sorted(self.due.items()):
            if seq <= last.seq:
                continue  # it is of a segment before those that are here
            who, head = heads[0]
            hint = "the journal lost its tail; restore it from a copy"
            expected = f"record {seq} ({head.hash}), which the {who} names"
            actual = f"the end of the journal after record {last.seq}"
            return Finding(
                self.path,
                last.line + 1,
                last.seq + 1,
                last.ts_ns,
                "end",
                FORM,
                "seq",
                expected,
                actual,
                "DOL-JOURNAL-007",
                hint,
            )
        return None
