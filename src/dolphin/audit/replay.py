"""The fast engine: one pass over a journal in constant memory, all checks but TLC's.

What belongs here: the order of the checks on each record, the verdict, and the ways to run them (a file, a file that is
being written). The checks are `fold` (b), `safety` and `ledger` (d); the reader has done the form (a) before a record
comes here. The policy of the header before a record decides, so that old journals stay auditable.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from dolphin.audit.coverage import Counter
from dolphin.audit.finding import DECISIONS, FORM, SAFETY, Check, Finding, Report, Verdict, found
from dolphin.audit.fold import Fold, said
from dolphin.audit.heads import Heads
from dolphin.audit.ledger import Ledger
from dolphin.audit.limits import Caps
from dolphin.audit.policies import is_change, written
from dolphin.audit.safety import Safety
from dolphin.audit.turns import begin_from, begins, other_header, second
from dolphin.journal import Head, JournalBroken, JournalTorn, JournalUnreadable, Record, read
from dolphin.journal.aside import KINDS as ASIDE
from dolphin.journal.aside import Aside
from dolphin.journal.checkpoint import read_checkpoint
from dolphin.journal.codec import Malformed, integer
from dolphin.journal.entries import DAY
from dolphin.journal.kinds import CHECKPOINT, CLOSE, GAP, HEADER, KERNEL, NOTE
from dolphin.journal.segments import later

FINDINGS_MAX: Final = 100
NOT_AUDITED: Final = "not audited"


class Auditor:
    """Takes records in their order. `findings` stay at the first one unless `all_` is set."""

    def __init__(self, path: str, *, all_: bool = False, decisions: bool = True, safety: bool = True) -> None:
        self.path = path
        self.all = all_
        self.with_decisions = decisions
        self.with_safety = safety
        self.findings: list[Finding] = []
        self.reasons: list[str] = []
        self.counter = Counter()
        self.ledger = Ledger(path)
        self.caps = Caps(path)
        self.fold: Fold | None = None
        self.safety: Safety | None = None
        self.header: Record | None = None
        self.latest: Record | None = None
        self.last: Record | None = None
        self.gap: Record | None = None
        self.turned: Record | None = None
        self.blind = False

    @property
    def stopped(self) -> bool:
        """Whether no more records are wanted."""
        if self.all:
            return len(self.findings) >= FINDINGS_MAX
        return bool(self.findings)

    def take(self, record: Record) -> None:
        """Check one record that the reader has found to be in its place."""
        self.last = record
        if self.turned is not None:
            self._second(self.turned, record)
            if self.stopped:
                return
        if record.kind in KERNEL:
            self._kernel(record)
        else:
            self._aside(record)

    def _second(self, header: Record, record: Record) -> None:
        """The record after the HEADER of a later segment. Where the journal begins there, its fold does too."""
        self.turned = None
        finding = second(self.path, header, record)
        if finding is None and header is self.header:
            finding = self._later(record)
        self._add(finding)

    def _later(self, record: Record) -> Finding | None:
        """The journal begins with a later segment: nothing is claimed of what spans records that are not here."""
        self.ledger.after_gap = True
        self.ledger.forget()
        self.ledger.coarse.update(self.ledger.instruments)
        if self.safety is not None:
            self.safety.forget()
        finding = None
        if self.fold is not None:
            finding = begin_from(self.fold, record)
        aside = Aside()
        with contextlib.suppress(Malformed):
            _, aside, _ = read_checkpoint(record.data, record.raw)
        self.ledger.accounts.begin_later(aside.accounts)
        self.caps.begin(aside.limits)
        return finding

    def _kernel(self, record: Record) -> None:
        fold, safety = self.fold, self.safety
        if fold is not None:
            if not self.blind:
                finding = fold.take(record)
                if finding is not None:
                    self._decided(finding)
                    if self.stopped:
                        return
        if safety is not None:
            if safety.suspect is not None:
                self._add(safety.late(record))
            self._add(safety.take(record))
            self._add(self.ledger.kernel(record))
            self._add(self.caps.take(record))
            self.counter.take(record)

    def _add(self, finding: Finding | None) -> None:
        if finding is not None:
            self.findings.append(finding)

    def _clock(self, record: Record) -> Finding | None:
        if self.safety is None:
            return None
        return self.safety.aside(record)

    def _decided(self, finding: Finding) -> None:
        """A recomputed record differs: a violation, unless records are missing before it."""
        if self.gap is None:
            self.findings.append(finding)
            return
        self.blind = True
        self.reasons.append(
            f"decisions from line {finding.line} on cannot be recomputed: the GAP at line {self.gap.line} says that "
            f"{self.gap.body.count} records are missing"
        )

    def _aside(self, record: Record) -> None:
        if record.kind == HEADER:
            if self.header is not None:
                self.turned = record
                self.counter.take(record)
                self._turn(record)
                return
            self._begin(record)
        if self.with_safety:
            self.counter.take(record)
            for finding in (self.ledger.take(record), self._clock(record), self.caps.take(record)):
                if finding is not None:
                    self.findings.append(finding)
        if self.fold is not None:
            self._beside(self.fold, record)
        if record.kind == GAP:
            if record.body.count > 0:
                self.gap = self.gap or record
                self.caps.forget()
                if self.safety is not None:
                    self.safety.forget()
        if record.kind == CLOSE:
            if self.fold is not None and self.gap is None:
                finding = self.fold.close(record)
                if finding is not None:
                    self.findings.append(finding)

    def _turn(self, record: Record) -> None:
        """The HEADER of a later segment, perhaps under another policy, by which all after it is judged."""
        assert self.latest is not None
        before, self.latest = self.latest, record
        self._add(other_header(self.path, before, record))
        if not is_change(before, record) or self.findings:
            return
        policy = written(self.path, record)
        if isinstance(policy, Finding):
            self._add(policy)
            return
        if self.fold is not None:
            self._add(self.fold.under(record, policy, self.blind))
        if self.safety is not None:
            self._add(self.safety.under(record, policy))

    def _beside(self, fold: Fold, record: Record) -> None:
        """What checkpoints hold, and checkpoints; nothing is said of one where decisions cannot be recomputed."""
        if record.kind in ASIDE:
            fold.beside(record.kind, record.data)
        if self.blind:
            return
        finding = None
        if record.kind == CHECKPOINT:
            finding = fold.checkpoint(record)
        elif record.kind == NOTE and record.data.get("what") == DAY:
            finding = fold.day(record)
        if finding is not None:
            self._decided(finding)

    def _begin(self, record: Record) -> None:
        self.header = self.latest = record
        hint = "the header does not open a run that can be recomputed"
        try:
            fold = Fold(self.path, record)
            times = [integer(name, record.data[name]) for name in ("start_ns", "anchor_ns", "confidence_ms")]
        except Malformed as error:
            self.findings.append(
                found(self.path, record, error.field, error.expected, repr(error.actual), "DOL-AUDIT-005", hint)
            )
            return
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            expected = "policy, feeds and times of a run"
            self.findings.append(found(self.path, record, "header", expected, str(error), "DOL-AUDIT-005", hint))
            return
        if self.with_safety:
            self.safety = Safety(self.path, fold.policy, *times)
        if self.with_decisions:
            self.fold = fold
        if begins(record).number > 1:
            self.turned = record
        finding = fold.header_finding(record)
        if finding is not None:
            self.findings.append(finding)

    def broken(self, error: JournalBroken) -> None:
        """The reader refused a record: check a."""
        hint = "the line was changed, added or removed after it was written"
        before = ""
        if self.fold is not None:
            before = said(self.fold.state)
        kind = "line" if self.last is None else f"line after {self.last.kind}"
        ts_ns = 0 if self.last is None else self.last.ts_ns
        self.findings.append(
            Finding(
                error.path, error.line, error.seq, ts_ns, kind, FORM, error.field, error.expected, error.actual,
                error.requirement, hint, before,
            )
        )  # fmt: skip

    def incomplete(self, torn: JournalTorn | None = None, *, writing: bool = False) -> None:
        """Everything that keeps a sound journal from conforming, once its end is reached."""
        if begins(self.header).number > 1:
            assert self.header is not None
            self.reasons.append(later(self.header.data))
        if torn is not None:
            self.reasons.append(f"line {torn.line} has no end ({len(torn.torn)} bytes): it was never acknowledged")
        if self.gap is not None:
            self.reasons.append(f"the GAP at line {self.gap.line}: {self.gap.body.count} records could not be written")
        if self.last is not None:
            if self.last.kind != CLOSE:
                what = "it is still being written" if writing else "the run did not end, or its tail is missing"
                self.reasons.append(f"no CLOSE: {what}")
        events = sum(count for kind, count in self.counter.kinds.items() if kind in KERNEL)
        if self.fold is not None:
            events = self.fold.events
        if events == 0 and (self.with_decisions or self.with_safety):
            self.reasons.append("it holds no decision: nothing was checked")

    def verdict(self) -> Verdict:
        if self.findings:
            return Verdict.VIOLATES
        if self.reasons:
            return Verdict.INCOMPLETE
        return Verdict.CONFORMS

    def records(self) -> int:
        """How many have been taken, over all segments."""
        return 0 if self.last is None else self.last.seq - begins(self.header).before.seq

    def checks(self) -> dict[str, Check]:
        """What each check compared, and its verdict."""
        bad = {finding.check for finding in self.findings}
        records = self.records()
        events = 0 if self.fold is None else self.fold.events
        properties = self.ledger.checked + self.caps.checked + (0 if self.safety is None else self.safety.checked)
        rows = ((FORM, records, "records"), (DECISIONS, events, "decisions"), (SAFETY, properties, "property checks"))
        done = {FORM: True, DECISIONS: self.with_decisions, SAFETY: self.with_safety}
        return {
            check: Check(word(check in bad, count), count, unit) for check, count, unit in rows if done[check]
        }  # fmt: skip

    def report(self, seconds: float, engine: str = "replay") -> Report:
        """The report on what has been taken so far."""
        header = {} if self.header is None else self.header.data
        last = self.last
        return Report(
            path=self.path,
            engine=engine,
            verdict=self.verdict(),
            findings=tuple(self.findings),
            reasons=tuple(self.reasons),
            checks=self.checks(),
            records=self.records(),
            first_ts_ns=0 if self.header is None else self.header.ts_ns,
            last_ts_ns=0 if last is None else last.ts_ns,
            run=str(header.get("run", header.get("instance", ""))),
            policy_hash="" if self.latest is None else str(self.latest.data.get("policy_hash", "")),
            head=Head(-1, "") if last is None else last.head,
            absent=tuple(str(name) for name in _list(header.get("absent"))),
            coverage=self.counter.coverage(),
            back_ns=self.counter.back_ns,
            seconds=seconds,
            ledger=self.ledger.accounts.figures(),
        )


def _list(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    return []


def word(bad: bool, count: int) -> str:
    """A check's verdict."""
    if bad:
        return "violated"
    if count == 0:
        return NOT_AUDITED
    return "holds"


def audit(
    path: str,
    *,
    anchor: str | None = None,
    all_: bool = False,
    progress: Callable[[Record], object] | None = None,
) -> Report:
    """Check the journal `path` by replay, in this process.

    ValueError: `anchor` is none. JournalUnreadable: there is no journal to audit (an empty one is `incomplete`).
    """
    began = time.perf_counter()
    path = os.fspath(path)
    auditor = Auditor(path, all_=all_)
    run(auditor, anchor, progress)
    return auditor.report(time.perf_counter() - began)


def run(auditor: Auditor, anchor: str | None, progress: Callable[[Record], object] | None = None) -> None:
    """Hand every record of the file to `auditor`, and what the reader says of the rest."""
    if progress is None:
        for _ in scan(auditor, anchor):
            pass
        return
    for record in scan(auditor, anchor):
        progress(record)


def scan(auditor: Auditor, anchor: str | None) -> Iterator[Record]:
    """As `run`; each record is handed out once `auditor` has it, so that others can follow."""
    torn = None
    heads = None
    if hollow(auditor):
        return
    try:
        heads = Heads(auditor.path, anchor)
        for record in read(auditor.path):
            if heads.due:
                finding = heads.take(record)
                if finding is not None:
                    auditor.findings.append(finding)
            auditor.take(record)
            yield record
            if auditor.findings:
                if auditor.stopped:
                    return
    except JournalTorn as error:
        torn = error
    except JournalBroken as error:
        auditor.broken(error)
        return
    assert auditor.last is not None
    assert heads is not None
    missing = heads.missing(auditor.last)
    if missing is not None:
        auditor.findings.append(missing)
    auditor.incomplete(torn)
    auditor.reasons.extend(heads.unchecked(auditor.last))


def hollow(auditor: Auditor) -> bool:
    """Whether the file is an empty or headless journal: nothing in it is wrong, and there is nothing in it."""
    try:
        next(iter(read(auditor.path)))
    except JournalUnreadable as error:
        for sign in ("is empty", "is cut off inside its header"):
            if error.found.startswith(sign):
                auditor.reasons.append(f"the journal {error.found}: nothing was checked")
                return True
        raise
    except JournalBroken:
        return False
    return False
