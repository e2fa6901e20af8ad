"""What came of a run: the order tape, the posture's moves, trips of the latch, figures, and the journal's verdict.

What belongs here: `Seen`, and how a journal and a list of orders become one. An engine other than `backtest` gives its
orders as `Sent`s and its journal's path; the rest is the same.

A line of the tape is `OFFSET NAME SIDE QUANTITY TYPE[ @PRICE] OUTCOME`; equal ones in a row are one, numbered.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from dolphin.audit import pipeline
from dolphin.journal import Record, head_file, read
from dolphin.kernel.events import EVENTS
from dolphin.kernel.policy import Posture
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Mode, Outcome
from dolphin.kernel.units import BP
from tools.scenarios.form import Scenario
from tools.scenarios.values import offset_text

_NAMES: Final = Outcome._fields
_OWN: Final = "DOLPHIN-"


class Sent(NamedTuple):
    """One order as the host knows it at the end. `name`: the file's, or the tag of one of the guard's own.

    `asked`: the quantity that the strategy wrote; `quantity`: what was left of it; `outcome`: "filled", "denied",
    "rejected", "canceled", "working"; `reason`: the first word of a refusal.
    """

    ts_ns: int
    name: str
    side: str
    asked: int
    quantity: int
    type: str
    price: str
    filled: int
    outcome: str
    reason: str

    def what(self) -> str:
        """The line without its time."""
        said = f"{self.name} {self.side} {self.asked}"
        if self.quantity != self.asked:
            said += f" cut to {self.quantity}"
        said += f" {self.type}"
        if self.price:
            said += f" @{self.price}"
        said += f" {self.outcome}"
        if self.outcome != "filled" and self.filled:
            said += f" after {self.filled}"
        if self.reason:
            said += f" {self.reason}"
        return said


@dataclass(slots=True, kw_only=True)
class Seen:
    """All that an expectation may name."""

    verdict: str
    tape: list[str]
    moves: list[str]
    trips: list[str]
    answers: list[str]
    denied: dict[str, int]
    positions: dict[str, int]
    outs: list[tuple[int, Sequence[Any]]]
    counts: dict[str, int]
    journal: Path
    findings: list[str] = field(default_factory=list)

    def state(self, offset_ns: int) -> dict[str, Any]:
        """What stood then, by the last record up to that moment."""
        found: Sequence[Any] = ()
        for at_ns, out in self.outs:
            if at_ns > offset_ns:
                break
            found = out
        return named(found) if found else {}

    def final(self) -> dict[str, Any]:
        """What stood at the end."""
        return named(self.outs[-1][1]) if self.outs else {}


def named(out: Sequence[Any]) -> dict[str, Any]:
    """An outcome by its fields' names; posture and mode in words."""
    values: dict[str, Any] = {name: int(value) for name, value in zip(_NAMES, out, strict=True)}
    values["posture"] = Posture(values["posture"]).name
    values["mode"] = Mode(values["mode"]).name
    return values


def tape_of(start_ns: int, sent: Iterable[Sent]) -> list[str]:
    """The tape, oldest first; equal lines in a row as one, `FIRST..LAST ... xN`."""
    lines: list[str] = []
    group: list[Sent] = []

    def close() -> None:
        if group:
            first, last = (offset_text(one.ts_ns - start_ns) for one in (group[0], group[-1]))
            when = first if first == last else f"{first}..{last}"
            lines.append(f"{when} {group[0].what()}" + (f" x{len(group)}" if len(group) > 1 else ""))

    for one in sorted(sent, key=lambda each: each.ts_ns):
        if group and group[0].what() != one.what():
            close()
            group = []
        group.append(one)
    close()
    return lines


def of(
    scenario: Scenario,
    journal: Path,
    sent: Sequence[Sent],
    positions: Mapping[str, int],
    counts: Mapping[str, int],
) -> Seen:
    """The observables. `positions`: lots held at the end by instrument, none where flat; `counts`: the engine's own."""
    fold = _Fold(scenario.start_ns)
    for record in read(str(journal)):
        fold.take(record)
    head = head_file(str(journal))
    report = pipeline.audit(str(journal), anchor=None if head is None else f"{head.seq}:{head.hash}")
    by = Counter(one.outcome for one in sent)
    denied = Counter(one.reason for one in sent if one.outcome == "denied")
    figures = {
        "orders": sum(1 for one in sent if not one.name.startswith("DOLPHIN_")),
        "own": sum(1 for one in sent if one.name.startswith("DOLPHIN_")),
        "sent": sum(1 for one in sent if one.outcome != "denied"),
        "denied": by["denied"],
        "filled": sum(1 for one in sent if one.filled),
        "working": by["working"],
        "rejected": by["rejected"],
        **Counter(f"{one.name}.{one.outcome}" for one in sent),
        **fold.figures(),
        **counts,
    }
    findings = ["\n".join(finding.lines()) for finding in report.findings]
    return Seen(
        verdict=report.verdict, tape=tape_of(scenario.start_ns, sent), moves=fold.moves, trips=fold.trips,
        answers=fold.answers, denied=dict(denied), positions={k: v for k, v in positions.items() if v},
        outs=fold.outs, counts=figures, journal=journal, findings=findings,
    )  # fmt: skip


class _Fold:
    """What a journal tells."""

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.outs: list[tuple[int, Sequence[Any]]] = []
        self.moves: list[str] = []
        self.trips: list[str] = []
        self.answers: list[str] = []
        self.held: dict[str, int] = {}
        self.crossings = 0
        self.peak_bp = 0
        self.drawdown_bp = 0
        self.kinds: Counter[str] = Counter()
        self.ups: dict[int, int] = {}
        self.up_gap_ms = -1

    def take(self, record: Record) -> None:
        """One record."""
        self.kinds[record.kind] += 1
        if record.kind in EVENTS:
            self._event(record)
        elif record.kind == "FILL":
            self._fill(record.data)
        elif record.kind == "COMMAND":
            self._command(record)

    def _event(self, record: Record) -> None:
        body = record.body
        self.outs.append((record.ts_ns - self.start_ns, body.out))
        self.drawdown_bp = max(self.drawdown_bp, int(body.out[_NAMES.index("drawdown_bp")]))
        for effect in body.fx:
            self._effect(effect)
        if record.kind == "EQUITY" and int(body.error) == 0 and int(body.equity) > 0:
            self.peak_bp = max(self.peak_bp, int(body.gross) * BP // int(body.equity))

    def _effect(self, effect: Sequence[Any]) -> None:
        if effect[0] == "MOVED":
            ts_ns, before, after = (int(value) for value in effect[1:4])
            self.moves.append(f"{offset_text(ts_ns - self.start_ns)} {Posture(before).name} > {Posture(after).name}")
            if after < before:
                if after in self.ups:
                    gap_ms = (ts_ns - self.ups[after]) // 1_000_000
                    self.up_gap_ms = gap_ms if self.up_gap_ms < 0 else min(gap_ms, self.up_gap_ms)
                self.ups[after] = ts_ns
        elif effect[0] == "TRIPPED":
            ts_ns = int(effect[1])
            self.trips.append(f"{offset_text(ts_ns - self.start_ns)} {Cause(int(effect[2])).name}")

    def _fill(self, data: Mapping[str, Any]) -> None:
        if data.get("applied", 1) == 0:
            return
        name = str(data["position"])
        before = self.held.get(name, 0)
        after = self.held[name] = before + int(data["side"]) * int(data["lots"])
        if before * after < 0:
            self.crossings += 1

    def _command(self, record: Record) -> None:
        said = record.data
        answer = said["answer"]
        text = f"{offset_text(record.ts_ns - self.start_ns)} {said['verb']}"
        if answer.get("ok"):
            text += " ok"
        else:
            text += f" refused {answer.get('reason', '')}".rstrip()
        self.answers.append(text)

    def figures(self) -> dict[str, int]:
        """Counts of the journal. `up_gap_ms`: the least time between two rises into one posture, -1 without two."""
        return {
            "records": sum(self.kinds.values()),
            "verdicts": self.kinds["ORDER"],
            "fills": self.kinds["FILL"],
            "crossings": self.crossings,
            "peak_leverage_bp": self.peak_bp,
            "worst_drawdown_bp": self.drawdown_bp,
            "trips": len(self.trips),
            "up_gap_ms": self.up_gap_ms,
        }


def reason_of(text: str) -> str:
    """The first word of a refusal, without requirement and readings."""
    return re.split(r"[\s:\[]", text.strip(), maxsplit=1)[0]
