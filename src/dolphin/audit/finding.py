"""What an audit says: verdicts, findings, and the requirement that each compared field answers to.

What belongs here: shapes, tables and the text of one finding (at most ten lines); no checks. A finding names the first
bad record by file and line, and what was expected of which field.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from dolphin.journal import Head, Record
from dolphin.kernel.events import EFFECTS
from dolphin.kernel.reasons import REQUIREMENT, Reason
from dolphin.kernel.state import Outcome
from dolphin.kernel.units import NS_PER_S

FORM: Final = "a"
DECISIONS: Final = "b"
MODEL: Final = "c"
SAFETY: Final = "d"
CHECKS: Final = {
    FORM: "chain, sequence, form",
    DECISIONS: "decisions recomputed",
    MODEL: "TLA+ model (TLC)",
    SAFETY: "safety properties",
}

RECOMPUTED: Final = "DOL-AUDIT-001"
CLOSED: Final = "DOL-AUDIT-004"
FOLD: Final = "DOL-JOURNAL-008"


class Verdict(StrEnum):
    """`incomplete`: nothing is wrong with what is there, and not all of it is there."""

    CONFORMS = "conforms"
    VIOLATES = "violates"
    INCOMPLETE = "incomplete"


class Finding(NamedTuple):
    """One thing that is wrong. `before`: what the book was before this record, in words."""

    path: str
    line: int
    seq: int
    ts_ns: int
    kind: str
    check: str
    field: str
    expected: str
    actual: str
    requirement: str
    hint: str
    before: str = ""

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}"

    def lines(self) -> list[str]:
        """At most ten lines for people."""
        found = [
            f"{self.where}: {self.kind}, record {self.seq}, {iso(self.ts_ns)}",
            f"  check        {self.check}: {CHECKS[self.check]}",
            f"  field        {self.field}",
            f"  expected     {_short(self.expected)}",
            f"  actual       {_short(self.actual)}",
            f"  requirement  {self.requirement}",
        ]
        if self.before:
            found.append(f"  before       {self.before}")
        found.append(f"  hint         {self.hint}")
        return found


def found(
    path: str,
    record: Record,
    field: str,
    expected: str,
    actual: str,
    requirement: str,
    hint: str,
    before: str = "",
    check: str = DECISIONS,
) -> Finding:
    """A finding on `record`. `path`: where the record does not say in which file it stands."""
    return Finding(
        record.path or path,
        record.line,
        record.seq,
        record.ts_ns,
        record.kind,
        check,
        field,
        expected,
        actual,
        requirement,
        hint,
        before,
    )


class Check(NamedTuple):
    """One of a to d: how many things were compared, and what came of it."""

    verdict: str
    compared: int
    unit: str


class Report(NamedTuple):
    """The whole answer. `reasons`: why it is incomplete. `records` counts the header. `ledger`: its closing figures."""

    path: str
    engine: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    reasons: tuple[str, ...]
    checks: dict[str, Check]
    records: int
    first_ts_ns: int
    last_ts_ns: int
    run: str
    policy_hash: str
    head: Head
    absent: tuple[str, ...]
    coverage: Coverage
    back_ns: int
    seconds: float
    ledger: Mapping[str, Any] = {}


class Coverage(NamedTuple):
    """What this journal exercised, and what it could not show."""

    kinds: dict[str, int]
    actions: dict[str, int]
    not_exercised: tuple[str, ...]
    not_compared: tuple[str, ...]


def _short(text: str) -> str:
    if len(text) <= 200:
        return text
    return f"{text[:160]} ... ({len(text)} characters)"


def iso(ts_ns: int) -> str:
    """ISO 8601 in UTC, to the nanosecond where the time has any; the bare number where no calendar has it."""
    seconds, nanos = divmod(ts_ns, NS_PER_S)
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{ts_ns} ns"
    if nanos:
        return f"{text}.{nanos:09d}".rstrip("0") + "Z"
    return f"{text}Z"


def instant(text: str) -> int:
    """Nanoseconds since 1970 of ISO 8601 with a zone, or of a bare number of ns. ValueError for anything else."""
    if text.isascii() and text.isdecimal():
        return int(text)
    head, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if dot else ""
    when = datetime.fromisoformat(head + rest[len(digits) :])
    if when.tzinfo is None or len(digits) > 9:
        raise ValueError(f"{text!r}: no zone, or finer than a nanosecond")
    since = when.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS_PER_S + int(digits.ljust(9, "0"))


OUT_REQUIREMENT: Final[dict[str, str]] = {
    "confidence_ms": "DOL-FILTER-002",
    "posture": "DOL-POSTURE-001",
    "mode": "DOL-KILL-001",
    "held_bp": "DOL-FILTER-001",
    "r1_bp": "DOL-KILL-001",
    "r2_bp": "DOL-FILTER-007",
    "r3_bp": "DOL-SENSE-003",
    "r4_bp": "DOL-FILTER-008",
    "r5_bp": "DOL-FILTER-009",
    "drawdown_bp": "DOL-CAPITAL-003",
    "mark": "DOL-CAPITAL-002",
    "episode": "DOL-KILL-001",
}
assert tuple(OUT_REQUIREMENT) == Outcome._fields

OUT_HINT: Final[dict[str, str]] = {
    "confidence_ms": "confidence = min(600 * R, confidence + credited policy ms), cut by the new R",
    "posture": "posture falls at or below 85, 33, 10 % and returns at or above 92, 40, 17 %",
    "mode": "the latch moves by a trip, an accepted arm and an accepted confirm alone",
    "held_bp": "R_total = R1*R2*R3*R4*R5, floored after each factor",
    "r1_bp": "R1 is 10,000 exactly while the latch is RUNNING",
    "r2_bp": "R2 follows the age of the envelope at the last whole policy second",
    "r3_bp": "R3 is the least over counted instruments, silence included",
    "r4_bp": "R4 is 3,000 at a shock and returns in one hour of policy time",
    "r5_bp": "R5 follows drawdown_bp by the table",
    "drawdown_bp": "drawdown from the mark, in bp, rounded up",
    "mark": "the mark rises to the least sample of 60 s, or to a bar's close",
    "episode": "an episode begins with each trip from RUNNING or ARM_PENDING",
}
_EFFECT_REQUIREMENT: Final = {
    "MOVED": "DOL-POSTURE-001",
    "TRIPPED": "DOL-KILL-001",
    "EXCESS": "DOL-TRIM-001",
}


def effect_requirement(effect: tuple[object, ...]) -> str:
    """The requirement that an effect answers to: that of its reason, where it carries one."""
    kind = str(effect[0])
    if kind in _EFFECT_REQUIREMENT:
        return _EFFECT_REQUIREMENT[kind]
    fields = EFFECTS[kind]._fields
    value = effect[1 + fields.index("reason")]
    assert isinstance(value, int)
    return REQUIREMENT[Reason(value)]
