"""The audit of a journal that is still being written: as `replay`, on lines as they come.

What belongs here: `Watch`, which says each finding and each change of posture or latch in one line. A line without its
end is never taken: it is not acknowledged yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dolphin.audit.finding import Finding, Report, iso
from dolphin.audit.heads import Heads
from dolphin.audit.replay import Auditor
from dolphin.journal import JournalBroken, Record, follow
from dolphin.journal.kinds import CLOSE, KERNEL
from dolphin.kernel.policy import Posture
from dolphin.kernel.state import Mode
from dolphin.kernel.units import FULL_MS


class Watch:
    """Follows one journal until CLOSE, the first finding (unless `all_`), or `stop`."""

    def __init__(
        self,
        path: str,
        *,
        anchor: str | None = None,
        all_: bool = False,
        poll_s: float = 0.05,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.auditor = Auditor(path, all_=all_)
        self.heads = Heads(path, anchor, head_file_too=False)
        self.poll_s = poll_s
        self.stop = stop
        self.posture = self.mode = -1
        self.ended = False

    def lines(self) -> Iterator[str]:
        """What happens, a line each; JournalUnreadable where the file is no journal."""
        auditor = self.auditor
        told = 0
        try:
            for record in follow(auditor.path, poll_s=self.poll_s, stop=self.stop):
                finding = self.heads.take(record)
                if finding is not None:
                    auditor.findings.append(finding)
                auditor.take(record)
                yield from self._changes(record)
                while told < len(auditor.findings):
                    yield from _said(auditor.findings[told])
                    told += 1
                if auditor.stopped:
                    return
                self.ended = record.kind == CLOSE
        except JournalBroken as error:
            auditor.broken(error)
            yield from _said(auditor.findings[-1])

    def _changes(self, record: Record) -> Iterator[str]:
        if record.kind not in KERNEL:
            if record.kind in ("GAP", "CLOSE", "OWN", "COMMAND"):
                text = record.raw[:160].decode(errors="replace")
                yield f"{iso(record.ts_ns)} line {record.line}: {record.kind} {text}"
            return
        fold = self.auditor.fold
        if fold is None:
            return
        book, latch = fold.state.filter, fold.state.latch
        if (book.posture, latch.mode) != (self.posture, self.mode):
            self.posture, self.mode = book.posture, latch.mode
            yield (
                f"{iso(record.ts_ns)} line {record.line}: {Posture(book.posture).name}, "
                f"confidence {100 * book.confidence_ms / FULL_MS:.1f} %, latch {Mode(latch.mode).name} ({record.kind})"
            )

    def report(self, seconds: float) -> Report:
        """The report on what has been seen; `incomplete` while there is no CLOSE."""
        auditor = self.auditor
        last = auditor.last
        if last is not None and self.ended:
            missing = self.heads.missing(last)
            if missing is not None:
                auditor.findings.append(missing)
        if last is None:
            auditor.reasons.append("nothing has been written yet")
        auditor.incomplete(writing=True)
        if last is not None:
            auditor.reasons.extend(self.heads.unchecked(last))
        return auditor.report(seconds)


def _said(finding: Finding) -> list[str]:
    return finding.lines()
