"""Replay in several processes: one reads, checks the form and the safety properties, others recompute the decisions.

What belongs here: the division of work, and how the parts become one report. The chain is a fold and the kernel is a
fold, but neither needs the other's result. So a second process (`python -m dolphin.audit.pipeline PATH`) takes the
lines unchecked and as they are; whatever it says of a line at or after the first one that the first process refuses is
dropped, and a line that it cannot take apart must be one that the first process refuses, or the audit fails.

Where the journal has checkpoints, its decisions are recomputed in as many parts as there are cores. A part begins with
the fold that its first record, a CHECKPOINT, holds, and ends with the next part's first record, which must be its own
fold to the byte: so all parts without a finding are the whole without one. Where any part has something to say, the
whole is done again in one process, whose word counts: what follows a wrong record is a matter of what came before it.
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
from dolphin.audit.turns import begins
from dolphin.journal import JournalError, Record
from dolphin.journal.aside import KINDS as ASIDE
from dolphin.journal.chain import header
from dolphin.journal.checkpoint import read_checkpoint
from dolphin.journal.encoding import TAIL_BYTES
from dolphin.journal.files import PORT
from dolphin.journal.folding import places
from dolphin.journal.kinds import CHECKERS as FULL
from dolphin.journal.kinds import KERNEL, KINDS, OMITTED
from dolphin.journal.reader import START, Place, Source
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


def lines(path: str, at: Place = START) -> Iterator[Line]:
    """The lines of a file from `at` on, taken apart. Broken where that cannot be done."""
    source = Source(path, PORT, at.offset)
    number = at.seq
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
    """What a second process found. `stopped`: the line that it could not take apart, 0 if none."""

    findings: tuple[Finding, ...]
    reasons: tuple[str, ...]
    events: int
    stopped: int


def decisions(path: str, all_: bool, begin: Place = START, end: int = 0) -> Half:
    """Check b in this process: on the whole file, or from the checkpoint at `begin` to that at line `end` (0: to the
    end of the file).
    """
    auditor = Auditor(path, all_=all_, safety=False)
    stopped = 0
    try:
        for line in _from(auditor, begin):
            number, _, kind, raw, event = line
            fold = auditor.fold
            if event is not None and fold is not None and not auditor.blind:
                before = fold.state
                if fold.agrees(event, raw):
                    if kind in ASIDE:
                        fold.beside_kernel(event, kind, _record(line))
                    continue
                fold.state = before
                fold.events -= 1
            auditor.take(_record(line))
            if auditor.stopped or number == end:
                break
    except Broken as error:
        stopped = int(str(error))
    events = 0 if auditor.fold is None else auditor.fold.events
    return Half(tuple(auditor.findings), tuple(auditor.reasons), events, stopped)


def _from(auditor: Auditor, begin: Place) -> Iterator[Line]:
    """The lines to recompute, once `auditor` has what is before them: nothing, or header and checkpoint."""
    if begin == START:
        yield from lines(auditor.path)
        return
    auditor.take(_record(next(lines(auditor.path))))
    found = lines(auditor.path, begin)
    first = _record(next(found))
    if auditor.fold is None:
        raise Broken(str(first.line))
    try:
        auditor.fold.state, auditor.fold.aside, _ = read_checkpoint(first.data, first.raw)
    except ValueError as error:
        raise Broken(str(first.line)) from error
    yield from found


def cuts(path: str, parts: int) -> list[Place]:
    """Checkpoints at which `path` falls into so many parts of about one size; fewer where it has not as many."""
    found = [*places(path)][::-1]
    size = os.path.getsize(path)
    chosen: list[Place] = []
    for number in range(1, parts):
        after = [place for place in found if place.offset >= size * number // parts]
        if after and after[0] not in chosen:
            chosen.append(after[0])
    return chosen


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
    """As `replay.audit`, in several processes. `jobs`: how many recompute decisions, beside this one; 1: this one does
    all; 0: as many as there are cores, for a long journal.
    """
    path = os.fspath(path)
    count = _processes(path, jobs)
    if count == 1:
        return replay.audit(path, anchor=anchor, all_=all_, progress=progress)
    began = time.perf_counter()
    others = _begun(path, all_, cuts(path, count))
    try:
        auditor = Auditor(path, all_=all_, decisions=False)
        replay.run(auditor, anchor, progress)
        half = _whole([_said(other) for other in others])
    finally:
        for other in others:
            other.kill()
            other.wait()
    if _segmented(path):  # it was rotated since: the others opened the file by its name, and may have had the new one
        return replay.audit(path, anchor=anchor, all_=all_, progress=progress)
    if half is None:
        half = decisions(path, all_)
    return _joined(auditor, half, time.perf_counter() - began)


def _processes(path: str, jobs: int) -> int:
    if _segmented(path):
        return 1
    if jobs:
        return jobs
    try:
        long = os.path.getsize(path) >= LONG_BYTES
    except OSError:
        return 1
    return (os.cpu_count() or 1) if long else 1


def _segmented(path: str) -> bool:
    """Whether it is of several files, or begins with a later segment: one process then does all."""
    try:
        return begins(header(path)).number > 1
    except JournalError:
        return False


def _begun(path: str, all_: bool, inner: list[Place]) -> list[subprocess.Popen[bytes]]:
    """One process for each part between the checkpoints `inner`."""
    ends = [place.seq + 1 for place in inner] + [0]
    found = []
    for begin, end in zip([START, *inner], ends, strict=True):
        place = [str(begin.offset), str(begin.seq), begin.digest.hex()]
        command = [sys.executable, "-m", "dolphin.audit.pipeline", path, str(int(all_)), *place, str(end)]
        found.append(subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL))
    return found


def _said(other: subprocess.Popen[bytes]) -> Half:
    said, _ = other.communicate()
    if other.returncode != 0:
        raise ValueError(f"a second process failed with {other.returncode}; audit with --jobs 1, and report it")
    return _half(said)


def _whole(halves: list[Half]) -> Half | None:
    """All parts as one; None where one of several has something to say."""
    if len(halves) == 1:
        return halves[0]
    for half in halves:
        if half.findings or half.reasons or half.stopped:
            return None
    return Half((), (), sum(half.events for half in halves), 0)


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
    """A second process: its half as JSON on stdout."""
    begin = Place(int(argv[2]), int(argv[3]), bytes.fromhex(argv[4]))
    half = decisions(argv[0], argv[1] == "1", begin, int(argv[5]))
    json.dump(half._asdict(), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
