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
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from dolphin.audit import replay
from dolphin.audit.finding import DECISIONS, FORM, Check, Finding, Report
from dolphin.audit.replay import FINDINGS_MAX, Auditor
from dolphin.journal import Record
from dolphin.journal.aside import KINDS as ASIDE
from dolphin.journal.encoding import TAIL_BYTES
from dolphin.journal.files import PORT
from dolphin.journal.kinds import CHECKERS as FULL
from dolphin.journal.kinds import KERNEL, KINDS, OMITTED
from dolphin.journal.reader import Source
from dolphin.kernel.events import EVENTS, Event

LONG_BYTES: Final = 8_000_000
"""From this size on the start of a second process (a third of a second) is worth its while."""


def _reader(kind: str) -> Callable[[int, bytes], Event]:
    """From time and data to the event, skipping what a record claims: comparing the text covers all of it.

    A string is read as the integer that it spells; that it should have been a number shows in the text as well.
    """
    made: Any = EVENTS[kind]
    names = made._fields[1:]
    new = tuple.__new__
    if not names:
        return lambda ts_ns, raw: new(made, (ts_ns,))
    omitted = OMITTED.get(kind, {})
    fields: list[Any] = [(name, int, omitted[name]) if name in omitted else (name, int) for name in names]
    shape = msgspec.defstruct(kind, fields, gc=False)
    decode = msgspec.json.Decoder(shape, strict=False).decode
    if len(names) == 1:
        one: Callable[[Any], Any] = attrgetter(*names)
        return lambda ts_ns, raw: new(made, (ts_ns, one(decode(raw))))
    get: Callable[[Any], Any] = attrgetter(*names)
    return lambda ts_ns, raw: new(made, (ts_ns, *get(decode(raw))))


_READERS: Final = {kind.encode(): (kind, _reader(kind)) for kind in KERNEL if kind != "FAULT"}


class Broken(Exception):
    """A line that is no record: the first process says what is wrong with it."""


class Line(NamedTuple):
    """A line taken apart without a check. `event`: None where it is no kernel event, or not easily one."""

    number: int
    ts_ns: int
    kind: str
    raw: bytes
    event: Event | None

    def record(self) -> Record:
        """As the reader would hand it out, its place in the chain left out. ValueError where its form is wrong."""
        body = FULL[self.kind](self.raw)
        return Record(self.number, self.number - 1, self.ts_ns, self.kind, "", "", self.raw, body)


def lines(path: str) -> Iterator[Line]:
    """The lines of a file, taken apart. Broken where that cannot be done."""
    source = Source(path, PORT)
    number = 0
    new = tuple.__new__
    fast = _READERS
    try:
        for batch in source.batches():
            for text in batch:
                try:
                    _, _, _, _, _, ts, _, _, _, kind, _, _, _, _, rest = text.split(b'"', 14)
                    raw = rest[8:-TAIL_BYTES]
                    ts_ns = int(ts)
                    known = fast.get(kind)
                    event = None
                    if known is None:
                        name = KINDS[kind]
                    else:
                        name, make = known
                        try:
                            event = make(ts_ns, raw)
                        except msgspec.ValidationError:
                            pass
                except (ValueError, KeyError) as error:
                    raise Broken(str(number + 1)) from error
                number += 1
                yield new(Line, (number, ts_ns, name, raw, event))
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
        for line in lines(path):
            _, _, kind, raw, event = line
            fold = auditor.fold
            if event is not None and fold is not None and not auditor.blind:
                before = fold.state
                if fold.agrees(event, raw):
                    if kind in ASIDE:
                        fold.beside(kind, msgspec.json.decode(raw))
                    continue
                fold.state = before
                fold.events -= 1
            auditor.take(_record(line))
            if auditor.stopped:
                break
    except Broken as error:
        stopped = int(str(error))
    events = 0 if auditor.fold is None else auditor.fold.events
    return Half(tuple(auditor.findings), tuple(auditor.reasons), events, stopped)


def _record(line: Line) -> Record:
    """The record of a line that has to be looked at closely. Broken where its form is wrong: the reader refuses it."""
    try:
        return line.record()
    except ValueError as error:
        raise Broken(str(line.number)) from error


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
