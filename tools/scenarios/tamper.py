"""A journal harmed on purpose: each record kind deleted, altered, exchanged with the next, cut off; who notices.

What belongs here: copies with one harm each, and counting those that the audit found at the right record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dolphin.audit import pipeline
from dolphin.journal import JournalUnreadable, head_file


class Harm(NamedTuple):
    """One harmed copy. `seq`: the first record that is not as it was written; `lines`: what is left."""

    name: str
    seq: int
    lines: list[str]


def harms(lines: list[str]) -> Iterator[Harm]:
    """Every harm to the first record of each kind: the header too, and CLOSE, which is the last."""
    first: dict[str, int] = {}
    for number, line in enumerate(lines):
        first.setdefault(json.loads(line)["kind"], number)
    for kind, at in first.items():
        altered = lines[at].replace('"kind":"', '"kind":"X', 1) if kind == "HEADER" else _altered(lines[at])
        yield Harm(f"alter {kind}", at, [*lines[:at], altered, *lines[at + 1 :]])
        if at + 1 < len(lines):
            yield Harm(f"delete {kind}", at, [*lines[:at], *lines[at + 1 :]])
            yield Harm(f"exchange {kind}", at, [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])
        if at > 0:
            yield Harm(f"cut before {kind}", at, lines[:at])


def _altered(line: str) -> str:
    """Its time a nanosecond later: the smallest lie there is."""
    when = json.loads(line)["ts"]
    return line.replace(f'"ts":"{when}"', f'"ts":"{int(when) + 1}"', 1)


def counted(journal: Path, folder: Path) -> dict[str, int]:
    """How many harms were done, how many of them nobody found, or found at another record than the first bad one.

    `cuts_seen_without_anchor`: a chain cannot see that its end is missing, so none is.
    """
    folder.mkdir()
    lines = journal.read_text(encoding="utf-8").splitlines()
    head = head_file(str(journal))
    assert head is not None
    anchor = f"{head.seq}:{head.hash}"
    done = found = named = cuts = unseen = 0
    for number, harm in enumerate(harms(lines)):
        path = folder / f"{number}.jsonl"
        path.write_text("".join(f"{line}\n" for line in harm.lines), encoding="utf-8")
        done += 1
        where = first_bad(path, anchor)
        found += where is not None
        named += where == harm.seq
        if harm.name.startswith("cut"):
            cuts += 1
            unseen += first_bad(path, None) is None
    return {
        "harms": done,
        "harms_missed": done - found,
        "harms_misnamed": done - named,
        "cuts_seen_without_anchor": cuts - unseen,
    }


def first_bad(path: Path, anchor: str | None) -> int | None:
    """The sequence number of the first record that the audit refuses; of the first missing one where the end is."""
    try:
        report = pipeline.audit(str(path), anchor=anchor)
    except JournalUnreadable:
        return 0
    if not report.findings:
        return None
    finding = report.findings[0]
    return finding.seq


def rewind(journal: Path, until_ns: int) -> int:
    """Cut off what was written after `until_ns`: what a process that was killed then had not written. Records left.

    The head file may know of a later record, and is removed with it: it is written at the start and at the end alone.
    """
    kept = []
    for line in journal.read_text(encoding="utf-8").splitlines(keepends=True):
        record = json.loads(line)
        if int(record["ts"]) > until_ns or record["kind"] == "CLOSE":
            break
        kept.append(line)
    journal.write_text("".join(kept), encoding="utf-8")
    journal.with_name(f"{journal.name}.head").unlink(missing_ok=True)
    return len(kept)
