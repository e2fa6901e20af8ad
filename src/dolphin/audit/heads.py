"""Heads that are known from elsewhere: what the run printed (`--anchor`), and the head file.

What belongs here: which hash must stand at which record, and the findings where another does, or none.
"""

from __future__ import annotations

from typing import Any, Final

from dolphin.audit.finding import FORM, Finding, found
from dolphin.journal import Head, Record, head_file
from dolphin.journal import anchor as parsed
from dolphin.journal.encoding import integer
from dolphin.journal.kinds import HEADER
from dolphin.journal.retention import RETIRED
from dolphin.journal.segments import PREVIOUS, opening

ANCHOR: Final = "anchor"


class Heads:
    """Which hash must stand at which record: the anchor's and the head file's."""

    def __init__(self, path: str, anchor: str | None, *, head_file_too: bool = True) -> None:
        """ValueError: no anchor. JournalBroken: the head file is none. A writer may be ahead of what was read."""
        self.path = path
        self.due: dict[int, list[tuple[str, Head]]] = {}
        self.beyond: list[tuple[str, Head]] = []
        if anchor is not None:
            self._add(ANCHOR, parsed(anchor))
        if not head_file_too:
            return
        known = head_file(path)
        if known is not None:
            self._add("head file", Head(known.seq, known.hash))

    def _add(self, who: str, head: Head) -> None:
        self.due.setdefault(head.seq, []).append((who, head))

    def take(self, record: Record) -> Finding | None:
        """The finding where another record stands in the place of a known one, or this record names another one: the
        HEADER of a later segment the last before it, a NOTE of retention the last of what it took.
        """
        at = {**_named(record), "hash": record.head}
        for field, stands in at.items():
            for who, head in self.due.pop(stands.seq, ()):
                if head.hash != stands.hash:
                    hint = "another history was written in the place of the one that was announced"
                    expected = f"{head.hash}, which the {who} names"
                    return found(self.path, record, field, expected, stands.hash, "DOL-JOURNAL-007", hint, check=FORM)
        return None

    def unchecked(self, last: Record) -> list[str]:
        """Anchors of which nothing here says whether they are right: they are of a segment that is gone. A head file
        may be of one, since it is written now and then.
        """
        return [
            f"the anchor is not checked: record {seq} is in a segment that is not here"
            for seq, heads in sorted(self.due.items())
            if seq <= last.seq and ANCHOR in [who for who, _ in heads]
        ]

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


def _named(record: Record) -> dict[str, Head]:
    """Field and record, where this one names another that may not be here."""
    if record.kind == HEADER:
        return {f"{PREVIOUS}.hash": opening(record.data).before}
    if record.kind != "NOTE":
        return {}
    data: Any = record.data
    if data.get("what") != RETIRED:
        return {}
    try:
        return {"data.hash": Head(integer(data["seq"]), str(data["hash"]))}
    except (KeyError, ValueError):
        return {}
