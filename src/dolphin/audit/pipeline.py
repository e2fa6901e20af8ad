"""Replay in several processes: one reads, checks the form and the safety properties, others recompute the decisions.

What belongs here: the division of work, and how the parts become one report. The chain is a fold and the kernel is a
fold, but neither needs the other's result. So a second process (`python -m dolphin.audit.pipeline PATH`) takes the
lines unchecked and as they are.

A journal in segments is read by each process from the files that the first one found; a place is a file and a line.

Where the journal has checkpoints, its decisions are recomputed in as many parts as there are cores. A part begins with
the fold that its first record, a CHECKPOINT, holds, and ends with the next part's first record, which must be its own
fold to the byte: so all parts without a finding are the whole without one. Where any process finds something, the whole
is done again in one, whose word counts: what follows a wrong record is a matter of what came before it. What the first
part finds that one must find too, or the audit fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from dolphin.audit import replay
from dolphin.audit.finding import DECISIONS, Check, Finding, Report
from dolphin.audit.replay import Auditor
from dolphin.audit.turns import begins
from dolphin.journal import JournalError, Record
from dolphin.journal.aside import KINDS as ASIDE
from dolphin.journal.chain import Chain, header
from dolphin.journal.checkpoint import read_checkpoint
from dolphin.journal.encoding import TAIL_BYTES
from dolphin.journal.files import PORT
from dolphin.journal.folding import places
from dolphin.journal.kinds import CHECKERS as FULL
from dolphin.journal.kinds import KERNEL, KINDS, OMITTED
from dolphin.journal.reader import START, Place, Source, opening_of
from dolphin.journal.segments import name_of
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


class Spot(NamedTuple):
    """A line of a journal: the index of its file, and its number in that, from 1."""

    file: int
    line: int


class Broken(Exception):
    """A line that is no record: the first process says what is wrong with it. `spot`: which."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot)
        self.spot = spot


class File(NamedTuple):
    """One of the files of a journal. `at`: from 0, oldest first. `first`: of its first record, by its own header."""

    path: str
    at: int
    first: int


NOWHERE: Final = Spot(0, 0)


class Cut(NamedTuple):
    """Where a part begins: at this place of the file of this index."""

    file: int
    place: Place

    @property
    def spot(self) -> Spot:
        """Its line."""
        return Spot(self.file, self.place.seq - self.place.first + 1)


ALL: Final = Cut(0, START)


class Line(NamedTuple):
    """A line taken apart without a check. `event`: None where it is no kernel event, or not easily one."""

    number: int
    ts_ns: int
    kind: str
    raw: bytes
    event: Event | None
    file: File

    @property
    def spot(self) -> Spot:
        """Where it stands."""
        return Spot(self.file.at, self.number)

    def record(self) -> Record:
        """As the reader would hand it out, its place in the chain left out. ValueError where its form is wrong."""
        body = FULL[self.kind](self.raw)
        path, _, first = self.file
        return Record(self.number, first + self.number - 1, self.ts_ns, self.kind, "", "", self.raw, body, path)


def files(path: str) -> list[str]:
    """The files of the journal `path`, oldest first. JournalError."""
    with closing(Chain(path, PORT, path)) as chain:
        return _named(path, chain.oldest, chain.number)


def _named(path: str, oldest: int, number: int) -> list[str]:
    return [*(name_of(path, each) for each in range(oldest, number)), path]


def lines(names: list[str], at: Cut = ALL) -> Iterator[Line]:
    """The lines of these files from `at` on, taken apart. Broken where that cannot be done."""
    place = at.place
    for index in range(at.file, len(names)):
        yield from _lines(names[index], index, place)
        place = START


def _lines(path: str, index: int, at: Place) -> Iterator[Line]:
    source = Source(path, PORT, at.offset)
    file = File(path, index, opening_of(source).before.seq + 1)
    number = at.seq - at.first
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
                    raise Broken(Spot(index, number + 1)) from error
                number += 1
                yield new(Line, (number, ts_ns, name, raw, event, file))
    finally:
        source.close()


class Half(NamedTuple):
    """What a second process found. `stopped`: the line that it could not take apart, NOWHERE if none."""

    findings: tuple[Finding, ...]
    reasons: tuple[str, ...]
    events: int
    stopped: Spot


def decisions(names: list[str], all_: bool, begin: Cut = ALL, end: Spot = NOWHERE) -> Half:
    """Check b in this process: on all of these files, or from the checkpoint at `begin` to that at `end` (NOWHERE: to
    the end of the last file).
    """
    auditor = Auditor(names[-1], all_=all_, safety=False)
    stopped = NOWHERE
    try:
        for line in _from(auditor, names, begin):
            _, _, kind, raw, event, _ = line
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
            if auditor.stopped or line.spot == end:
                break
    except Broken as error:
        stopped = error.spot
    events = 0 if auditor.fold is None else auditor.fold.events
    return Half(tuple(auditor.findings), tuple(auditor.reasons), events, stopped)


def _from(auditor: Auditor, names: list[str], begin: Cut) -> Iterator[Line]:
    """The lines to recompute, once `auditor` has what is before them: nothing, or header and checkpoint."""
    if begin == ALL:
        yield from lines(names)
        return
    # The segment's own header: its policy is the one in force.
    auditor.take(_record(next(_lines(names[begin.file], begin.file, START))))
    auditor.turned = None
    found = lines(names, begin)
    first = next(found)
    record = _record(first)
    if auditor.fold is None:
        raise Broken(first.spot)
    try:
        auditor.fold.state, auditor.fold.aside, _ = read_checkpoint(record.data, record.raw)
    except ValueError as error:
        raise Broken(first.spot) from error
    yield from found


def cuts(names: list[str], parts: int) -> list[Cut]:
    """Checkpoints at which these files fall into so many parts of about one size; fewer where they have not as many."""
    found: list[tuple[int, Cut]] = []
    size = 0
    for index, name in enumerate(names):
        inner = [*places(name)][::-1]
        found += [(size + place.offset, Cut(index, place)) for place in inner]
        size += os.path.getsize(name)
    chosen: list[Cut] = []
    for number in range(1, parts):
        after = [cut for offset, cut in found if offset >= size * number // parts]
        if after and after[0] not in chosen:
            chosen.append(after[0])
    return chosen


def _record(line: Line) -> Record:
    """The record of a line that has to be looked at closely. Broken where its form is wrong: the reader refuses it."""
    try:
        return line.record()
    except ValueError as error:
        raise Broken(line.spot) from error


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
    number = _number(path)
    found = _found(path)
    if _processes(found, jobs) == 1:
        return replay.audit(path, anchor=anchor, all_=all_, progress=progress)
    began = time.perf_counter()
    others = _begun(path, found, number, all_, cuts(found, _processes(found, jobs)))
    try:
        auditor = Auditor(path, all_=all_, decisions=False)
        replay.run(auditor, anchor, progress)
        said = [] if auditor.findings else [other.communicate()[0] for other in others]
    finally:
        for other in others:
            with other:  # which closes its pipe and waits for it
                other.kill()
    # If it was rotated since, the others opened files by name, and may have had other ones.
    if auditor.findings or _number(path) != number:
        return replay.audit(path, anchor=anchor, all_=all_, progress=progress)
    halves = [_said(other, each) for other, each in zip(others, said, strict=True)]
    if any(map(_speaks, halves)):
        alone = replay.audit(path, anchor=anchor, all_=all_, progress=progress)
        _refuse_silence(alone, halves[0], found)
        return alone
    return _joined(auditor, sum(half.events for half in halves), time.perf_counter() - began)


def _found(path: str) -> list[str]:
    """The files of the journal; none where one process has to say what is wrong with them."""
    try:
        return files(path)
    except JournalError:
        return []


def _processes(names: list[str], jobs: int) -> int:
    if not names:
        return 1
    if jobs:
        return jobs
    try:
        long = sum(os.path.getsize(name) for name in names) >= LONG_BYTES
    except OSError:
        return 1
    return (os.cpu_count() or 1) if long else 1


def _number(path: str) -> int:
    """The segment that the live file is; the first where it does not say."""
    try:
        return begins(header(path)).number
    except JournalError:
        return 1


def _begun(path: str, names: list[str], number: int, all_: bool, inner: list[Cut]) -> list[subprocess.Popen[bytes]]:
    """One process for each part between the checkpoints `inner`."""
    ends = [cut.spot for cut in inner] + [NOWHERE]
    found = []
    oldest = number + 1 - len(names)
    for begin, end in zip([ALL, *inner], ends, strict=True):
        file, place = begin
        which = [path, str(oldest), str(number), str(int(all_)), str(file)]
        where = [str(place.offset), str(place.first), str(place.seq), place.digest.hex(), f"{end.file}:{end.line}"]
        command = [sys.executable, "-m", "dolphin.audit.pipeline", *which, *where]
        found.append(subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL))
    return found


def _said(other: subprocess.Popen[bytes], said: bytes) -> Half:
    if other.returncode != 0:
        raise ValueError(f"a second process failed with {other.returncode}; audit with --jobs 1, and report it")
    return _half(said)


def _speaks(half: Half) -> bool:
    return bool(half.findings or half.reasons) or half.stopped != NOWHERE


def _refuse_silence(alone: Report, half: Half, names: list[str]) -> None:
    """ValueError where one process finds nothing where the first part, which begins as it does, found something."""
    if alone.findings:
        return
    if half.stopped != NOWHERE:
        raise ValueError(f"{names[half.stopped.file]}:{half.stopped.line} cannot be taken apart: report this")
    if half.findings:
        raise ValueError(f"{half.findings[0].where} is wrong to a part alone: report this")


def _half(said: bytes) -> Half:
    value = json.loads(said)
    findings = tuple(Finding(*finding) for finding in value["findings"])
    return Half(findings, tuple(value["reasons"]), value["events"], Spot(*value["stopped"]))


def _joined(auditor: Auditor, events: int, seconds: float) -> Report:
    """The report of the first process, with the decisions that the others have recomputed, none of which differs."""
    checks = auditor.checks()
    checks[DECISIONS] = Check(replay.word(False, events), events, "decisions")
    return auditor.report(seconds)._replace(checks=dict(sorted(checks.items())))


def main(argv: list[str]) -> int:
    """A second process: its half as JSON on stdout."""
    path, oldest, number, all_, file, offset, first, seq, digest, end = argv
    begin = Cut(int(file), Place(int(offset), int(seq), bytes.fromhex(digest), int(first)))
    half = decisions(_named(path, int(oldest), int(number)), all_ == "1", begin, Spot(*map(int, end.split(":"))))
    json.dump(half._asdict(), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
