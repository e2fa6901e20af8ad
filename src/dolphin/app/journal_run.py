"""From a journal to a `RunResult`: the fold of its records into series, events and counts.

What belongs here: reading. Nothing is recomputed (that is the audit's) and nothing is asked of Nautilus. One pass, in
memory that grows with what changed, not with the records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dolphin.app.results import Figures, Mark, Point, RunResult, drawdowns
from dolphin.audit.finding import iso
from dolphin.journal import JournalTorn, Record, read
from dolphin.journal.checkpoint import read_checkpoint
from dolphin.journal.codec import Malformed
from dolphin.journal.encoding import POLICY_CHARS
from dolphin.journal.kinds import CHECKPOINT
from dolphin.journal.segments import later
from dolphin.kernel.events import EVENTS
from dolphin.kernel.policy import STALE_NS, Posture, Profile
from dolphin.kernel.reasons import REQUIREMENT, Cause, Reason
from dolphin.kernel.state import Outcome
from dolphin.kernel.units import BP, NEVER_NS, NS_PER_S

_KERNEL: Final = frozenset(EVENTS)
_CONFIDENCE: Final = Outcome._fields.index("confidence_ms")
_POSTURE: Final = Outcome._fields.index("posture")
_ABSENT: Final = {"ENVELOPE": "R2 structural", "DATA": "R3 microstructure", "ENVIRONMENT": "R4 environment"}


def denied_text(reason: Reason) -> str:
    """A reason as tables print it, with its requirement."""
    return f"{reason.name} {REQUIREMENT[reason]}"


class Fold:
    """Series and counts so far."""

    def __init__(self) -> None:
        self.header: Mapping[str, Any] = {}
        self.feeds: list[str] = []
        self.spans: list[tuple[str, int, int]] = []
        self.equity: list[Point] = []
        self.confidence: list[Point] = []
        self.posture: list[Point] = []
        self.marks: list[Mark] = []
        self.turns: list[str] = []
        self.denied: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.due: dict[int, int] = {}
        self.counted: dict[int, int] = {}
        self.records = 0
        self.last_ns = 0
        self.closed = False
        self.later = ""

    def take(self, record: Record) -> None:
        """One record."""
        self.records += 1
        self.last_ns = max(self.last_ns, record.ts_ns)
        self.counts[record.kind] += 1
        if record.kind in _KERNEL:
            self._kernel(record)
        elif record.kind == "HEADER":
            self._header(record)
        elif record.kind == CHECKPOINT:
            self._goes_on(record)
        elif record.kind == "OWN":
            self.marks.append(Mark(record.ts_ns, "OWN", _own_text(record.data), record.seq))
        elif record.kind == "CLOSE":
            self.closed = True

    def _header(self, record: Record) -> None:
        """The first one; a later segment's says the same again, but perhaps another policy, which is then in force."""
        if self.header:
            self._policy(record)
            return
        self.header = record.data
        self.later = later(record.data)
        for feed in self.header.get("feeds", ()):
            self.feeds.append(str(feed.get("name", "")))
            span = (int(feed.get("first_ns", 0)), int(feed.get("last_ns", 0)))
            if span != (0, 0):
                self.spans.append((self.feeds[-1], *span))
        start_ns = int(self.header.get("start_ns", record.ts_ns))
        self.confidence.append(Point(start_ns, int(self.header.get("confidence_ms", 0))))
        full = 6_000_000
        first = Posture.APEX if self.confidence[-1].value == full else Posture.HIBERNATE
        self.posture.append(Point(start_ns, first))

    def _goes_on(self, record: Record) -> None:
        """Where the first segments are not here, what is told begins with the checkpoint that follows the header: what
        was before it, of the run's own start on, is not known.
        """
        if self.records != 2 or not self.later:
            return
        try:
            held = read_checkpoint(record.data, record.raw).state
        except Malformed:
            return
        self.confidence = [Point(record.ts_ns, held.filter.confidence_ms)]
        self.posture = [Point(record.ts_ns, int(held.filter.posture))]

    def _policy(self, record: Record) -> None:
        before, self.header = self.header, record.data
        one, other = before.get("policy", {}), self.header.get("policy", {})
        if one != other:
            names = [name for name in other if one.get(name) != other[name]]
            fields = ", ".join(f"{name} {one.get(name)} to {other[name]}" for name in names)
            hashes = [str(said.get("policy_hash", ""))[:POLICY_CHARS] for said in (before, self.header)]
            self.turns.append(f"{iso(record.ts_ns)}: the policy changed from {' to '.join(hashes)} ({fields})")

    def _kernel(self, record: Record) -> None:
        body = record.body
        confidence = Point(record.ts_ns, int(body.out[_CONFIDENCE]))
        if confidence.value != self.confidence[-1].value:
            self.confidence.append(confidence)
        for effect in body.fx:
            self._effect(record, effect)
        posture = int(body.out[_POSTURE])
        if posture != self.posture[-1].value:
            self.posture.append(Point(record.ts_ns, posture))
        if record.kind == "EQUITY":
            if int(body.error) == 0:
                self.equity.append(Point(record.ts_ns, int(body.equity)))
        elif record.kind == "ORDER":
            self._order(record)
        elif record.kind == "SEEN":
            self._seen(record)
        elif record.kind == "COUNTED":
            self.counted[int(body.feed)] = int(body.counted)
        elif record.kind == "SHOCK":
            self.marks.append(Mark(record.ts_ns, "SHOCK", "a shock: R4 starts again at 3,000", record.seq))

    def _effect(self, record: Record, effect: Sequence[Any]) -> None:
        kind, *values = effect
        if kind == "MOVED":
            ts_ns, before, after, _ = (int(value) for value in values)
            self.posture.append(Point(ts_ns, after))
            word = "FALL" if after > before else "RISE"
            text = f"{Posture(before).name} to {Posture(after).name}"
            self.marks.append(Mark(ts_ns, word, text, record.seq))
        elif kind == "TRIPPED":
            cause = Cause(int(values[1]))
            word = "KILL" if cause == Cause.OPERATOR else "FAULT"
            self.marks.append(Mark(int(values[0]), word, f"kill switch: {cause.name}", record.seq))
        elif kind == "ANSWER":
            reason = Reason(int(values[0]))
            granted = {Reason.ARMED: "ARM", Reason.CONFIRMED: "CONFIRM", Reason.REBASED: "REBASE"}.get(reason)
            if granted is not None:
                text = f"{record.kind}: {reason.name}"
                self.marks.append(Mark(record.ts_ns, granted, text, record.seq))
                self.counts[reason.name] += 1

    def _order(self, record: Record) -> None:
        verdict = next((effect for effect in record.body.fx if effect[0] == "VERDICT"), None)
        if verdict is None:
            return
        asked, passed = int(record.body.lots), int(verdict[1])
        reason = Reason(int(verdict[5]))
        if passed >= asked:
            self.counts["passed"] += 1
        elif passed > 0:
            self.counts["shrunk"] += 1
            self.marks.append(Mark(record.ts_ns, "SHRUNK", reason.name, record.seq))
        else:
            self.denied[denied_text(reason)] += 1
            self.marks.append(Mark(record.ts_ns, "DENIED", denied_text(reason), record.seq))

    def _seen(self, record: Record) -> None:
        feed = int(record.body.feed)
        due_ns = self.due.get(feed, NEVER_NS)
        if record.ts_ns > due_ns + STALE_NS:
            self._stall(feed, due_ns, record.ts_ns, record.seq)
        self.due[feed] = int(record.body.due_ns)

    def _stall(self, feed: int, due_ns: int, until_ns: int, seq: int) -> None:
        """A feed that the book depended on was late. Where nothing is at stake, a lazy SEEN proves nothing."""
        if not self.counted.get(feed, 0):
            return
        late_s = (until_ns - due_ns) / NS_PER_S
        name = self.feeds[feed] if feed < len(self.feeds) else str(feed)
        self.marks.append(Mark(due_ns, "STALL", f"{name} silent, {late_s:,.1f} s late", seq))

    def ended(self) -> None:
        """What is still late at the end is a stall too."""
        for feed, due_ns in self.due.items():
            if self.last_ns > due_ns + STALE_NS:
                self._stall(feed, due_ns, self.last_ns, -1)
        self.marks.sort(key=lambda mark: mark.ts_ns)

    def shares(self) -> dict[Posture, int]:
        """Share of the time in each posture, in bp."""
        held: Counter[int] = Counter()
        ends = [point.ts_ns for point in self.posture[1:]] + [self.last_ns]
        for point, end_ns in zip(self.posture, ends, strict=True):
            held[point.value] += max(end_ns - point.ts_ns, 0)
        total = sum(held.values()) or 1
        return {posture: (held[posture] * BP + total // 2) // total for posture in Posture}

    def absent(self) -> list[str]:
        """Categories without a source: the header's word, else what its feeds say."""
        said = self.header.get("absent")
        if said is not None:
            return [str(name) for name in said]
        kinds = {feed.get("kind") for feed in self.header.get("feeds", ())}
        return [text for kind, text in _ABSENT.items() if kind not in kinds]


def _own_text(data: Mapping[str, Any]) -> str:
    words = [str(data[name]) for name in ("tag", "side", "qty", "quantity", "lots", "instrument") if name in data]
    return " ".join(words) or "own order"


def folded(path: Path) -> tuple[Fold, list[str]]:
    """The fold of the journal at `path`, and notes on how it ends."""
    fold = Fold()
    notes: list[str] = []
    try:
        for record in read(str(path)):
            fold.take(record)
    except JournalTorn:
        notes.append("the journal's last line is torn: reported as far as it goes")
    fold.ended()
    if fold.later:
        notes.append(f"of the journal, {fold.later}: what is shown begins there")
    notes += fold.turns
    if not fold.closed:
        notes.append("the journal has no CLOSE record: the run was cut off or is still being written")
    return fold, notes


def journal_figures(fold: Fold, equity: Sequence[Point]) -> Figures:
    """What the journal knows of the table's row; worst day and ruin need a price series."""
    first = equity[0].value if equity else 0
    last = equity[-1].value if equity else 0
    return Figures(
        return_bp=(last - first) * BP // first if first > 0 else 0,
        drawdown_bp=max((point.value for point in drawdowns(equity)), default=0),
        worst_day=None,
        final_equity=last,
        posture_share_bp=fold.shares(),
        passed=fold.counts["passed"],
        shrunk=fold.counts["shrunk"],
        denied=dict(fold.denied.most_common()),
        rebases=fold.counts["REBASED"],
        own_orders=fold.counts["OWN"],
        fills=fold.counts["FILL"],
        records=fold.records,
    )


def profile_of(header: Mapping[str, Any]) -> str:
    """The profile's name."""
    value = header.get("policy", {}).get("profile", 0)
    return Profile(int(value)).name.lower()


def wait_of(header: Mapping[str, Any]) -> int:
    """How long the journal's own policy wants a book trapped before a re-base, ns."""
    return int(header.get("policy", {}).get("rebase_trapped_ns", 0))


def currency_of(header: Mapping[str, Any]) -> str:
    """What the amounts are in: the plug-in's header says it with its instruments."""
    instruments: Sequence[Mapping[str, Any]] = header.get("instruments") or ({},)
    return str(header.get("currency") or instruments[0].get("currency", ""))


def read_journal(path: Path) -> RunResult:
    """What a journal alone tells of its run, as far as it goes. JournalError where it is none."""
    fold, notes = folded(path)
    header = fold.header
    name = path.stem if path.stem != "journal" else path.resolve().parent.name
    return RunResult(
        name=name,
        group=str(header.get("run_id", header.get("run", ""))),
        currency=currency_of(header),
        minor_per_unit=int(header.get("minor_per_unit", 100)),
        equity=tuple(fold.equity),
        drawdown_bp=drawdowns(fold.equity),
        figures=journal_figures(fold, fold.equity),
        confidence_ms=tuple(fold.confidence),
        posture=tuple(fold.posture),
        events=tuple(fold.marks),
        journal=path,
        profile=profile_of(header),
        rebase_wait_ns=wait_of(header),
        mode=str(header.get("mode", "guard")),
        absent=fold.absent(),
        spans=fold.spans,
        notes=notes,
    )
