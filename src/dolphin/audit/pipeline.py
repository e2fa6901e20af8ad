"""Replay in two processes: one reads, checks the form and the safety properties, the other recomputes the decisions.

What belongs here: the division of work, and how two halves become one report. The chain is a fold and the kernel is a
fold, but neither needs the other's result. So the second process (`python -m dolphin.audit.pipeline PATH`) takes the
lines unchecked and as they are; whatever it says of a line at or after the first one that the first process refuses is
dropped, and a line that it cannot take apart must be one that the first process refuses, or the audit fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from dolphin.audit import replay
from dolphin.audit.finding import DECISIONS, FORM, Check, Finding, Report
from dolphin.audit.fold import Fold
from dolphin.audit.replay import FINDINGS_MAX, Auditor
from dolphin.journal import Record
from dolphin.journal.encoding import TAIL_BYTES
from dolphin.journal.files import PORT
from dolphin.journal.kinds import CHECKERS as FULL
from dolphin.journal.kinds import KERNEL, KINDS
from dolphin.journal.reader import Source
from dolphin.kernel.events import EVENTS
from dolphin.kernel.state import State

LONG_BYTES: Final = 8_000_000
"""From this size on the start of a second process (a third of a second) is worth its while."""


def _decoder(kind: str) -> Callable[[bytes], Any]:
    """From data to the event's own fields, skipping what a record claims: comparing the text covers all of it."""
    number: Any = int | str
    fields = [(name, number) for name in EVENTS[kind]._fields[1:]]
    notes = ("x", dict[str, Any] | msgspec.UnsetType, msgspec.UNSET)
    return msgspec.json.Decoder(msgspec.defstruct(kind, [*fields, notes], gc=False)).decode


_DECODERS: Final = {kind.encode(): (kind, _decoder(kind)) for kind in KERNEL if kind != "FAULT"}


class Broken(Exception):
    """A line that is no record: the first process says what is wrong with it."""


def lines(path: str) -> Iterator[Record]:
    """The records of a file, taken apart without a check. Broken where that cannot be done."""
    source = Source(path, PORT)
    number = 0
    make = tuple.__new__
    fast = _DECODERS
    try:
        for batch in source.batches():
            for text in batch:
                try:
                    ts, _, _, _, kind = text.split(b'"', 9)[5:]
                    kind = kind[: kind.index(b'"')]
                    raw = text[text.index(b'"data":') + 7 : -TAIL_BYTES]
                    known = fast.get(kind)
                    if known is None:
                        name = KINDS[kind]
                        body = FULL[name](raw)
                    else:
                        name, decode = known
                        body = decode(raw)
                    ts_ns = int(ts)
                except (ValueError, IndexError, KeyError) as error:
                    raise Broken(str(number + 1)) from error
                number += 1
                yield make(Record, (number, number - 1, ts_ns, name, "", "", raw, body))
    finally:
        source.close()


class Half(NamedTuple):
    """What the second process found. `stopped`: the line that it could not take apart, 0 if none."""

    findings: tuple[Finding, ...]
    reasons: tuple[str, ...]
    events: int
    stopped: int


def decisions(path: str, all_: bool) -> Half:
    """Check b on the whole file, in this process."""
    auditor = Auditor(path, all_=all_, safety=False)
    stopped = 0
    try:
        for record in lines(path):
            fold = auditor.fold
            before = None if fold is None else fold.state
            count = len(auditor.findings)
            auditor.take(record)
            if len(auditor.findings) > count:
                if fold is not None:
                    if before is not None:
                        auditor.findings[count:] = _again(fold, before, record)
                if auditor.stopped:
                    break
    except Broken as error:
        stopped = int(str(error))
    events = 0 if auditor.fold is None else auditor.fold.events
    return Half(tuple(auditor.findings), tuple(auditor.reasons), events, stopped)


def _again(fold: Fold, before: State, record: Record) -> list[Finding]:
    """The findings on a record, now with what it claims; none where its form is wrong, which the first process says."""
    if record.kind not in KERNEL:
        again = fold.close(record)
        return [] if again is None else [again]
    try:
        full = record._replace(body=FULL[record.kind](record.raw))
    except ValueError:
        return []
    fold.state = before
    fold.events -= 1
    again = fold.take(full)
    return [] if again is None else [again]


def audit(
    path: str,
    *,
    anchor: str | None = None,
    all_: bool = False,
    jobs: int = 0,
    progress: Callable[[Record], object] | None = None,
) -> Report:
    """As `replay.audit`, in one or two processes (`jobs` 0: two for a long journal on more than one core)."""
    path = os.fspath(path)
    if not _two(path, jobs):
        return replay.audit(path, anchor=anchor, all_=all_, progress=progress)
    began = time.perf_counter()
    command = [sys.executable, "-m", "dolphin.audit.pipeline", path, str(int(all_))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as other:
        try:
            auditor = Auditor(path, all_=all_, decisions=False)
            replay.run(auditor, anchor, progress)
            said, _ = other.communicate()
        finally:
            other.kill()
    if other.returncode != 0:
        raise ValueError(f"the second process failed with {other.returncode}; audit with --jobs 1, and report it")
    return _joined(auditor, _half(said), time.perf_counter() - began)


def _two(path: str, jobs: int) -> bool:
    if jobs:
        return jobs > 1
    try:
        long = os.path.getsize(path) >= LONG_BYTES
    except OSError:
        return False
    return long and (os.cpu_count() or 1) > 1


def _half(said: bytes) -> Half:
    value = json.loads(said)
    findings = tuple(Finding(*finding) for finding in value["findings"])
    return Half(findings, tuple(value["reasons"]), value["events"], value["stopped"])


def _joined(auditor: Auditor, half: Half, seconds: float) -> Report:
    """One report: in the order of the lines, form before decisions before safety."""
    refused = [finding.line for finding in auditor.findings if finding.check == FORM]
    if half.stopped and not refused:
        raise ValueError(f"line {half.stopped} cannot be taken apart and is no fault of form: report this")
    until = min(refused, default=sys.maxsize)
    theirs = [finding for finding in half.findings if finding.line < until]
    # Both processes read the header; what it says of it is said once.
    ours = [finding for finding in auditor.findings if finding not in theirs]
    found = sorted([*theirs, *ours], key=lambda finding: (finding.line, finding.check))
    auditor.findings = found[: FINDINGS_MAX if auditor.all else 1]
    if not found:
        auditor.reasons[:0] = half.reasons
    checks = auditor.checks()
    bad = any(finding.check == DECISIONS for finding in auditor.findings)
    checks[DECISIONS] = Check(replay.word(bad, half.events), half.events, "decisions")
    return auditor.report(seconds)._replace(checks=dict(sorted(checks.items())))


def main(argv: list[str]) -> int:
    """The second process: the half as JSON on stdout."""
    half = decisions(argv[0], argv[1] == "1")
    json.dump(half._asdict(), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
