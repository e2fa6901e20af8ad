"""From what an engine measured and what the journal says to a `RunResult`; and the verdict of the audit.

What belongs here: joining the two, and the honest words about what the guard cost and where it could not help.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from dolphin.app import worst
from dolphin.app.journal_run import folded, journal_figures, profile_of, wait_of
from dolphin.app.results import Figures, Mark, RunResult, drawdowns
from dolphin.kernel.policy import Posture
from dolphin.kernel.units import BP

if TYPE_CHECKING:
    from dolphin.app.engine import Ran

EXPLAINED_PPM = 1_000
"""The worst day is explained if this much (0.1 %) or less is left over."""


MUCH_BP = 2_000
"""A share of the time that is worth a line."""

RETURN_APEX_BP = 540
"""Drawdown below which R5 lets a book return to APEX (DESIGN.md 2.5)."""


class Audit(NamedTuple):
    """The verdict on one journal. `head`: sequence and hash of its last record, for `--anchor`."""

    journal: str
    verdict: str
    records: int
    findings: tuple[str, ...]
    head: str


def result_of(
    name: str, group: str, currency: str, ran: Ran, notes: Sequence[str] = (), stalls: Sequence[Mark] = ()
) -> RunResult:
    """One run. Equity comes from the engine's own samples, before each decision; the rest of a guarded one from its
    journal; `stalls` from the data, since a journal need not tell of those at which nothing was at stake.
    """
    equity = worst.points(ran.samples)
    falls = drawdowns(equity)
    marks = worst.ends(ran.samples)
    figures = Figures(
        return_bp=_return_bp(equity[0].value, equity[-1].value) if equity else 0,
        drawdown_bp=max((point.value for point in falls), default=0),
        worst_day=worst.worst_day(ran.samples, ran.minor_per_unit),
        ruin_day=_day(marks, "RUIN"),
        bankrupt_day=_day(marks, "BANKRUPT"),
        final_equity=equity[-1].value if equity else 0,
        passed=ran.orders - sum(ran.denials.values()),
        denied=ran.denials,
        fills=ran.fills,
        wall_ms=ran.wall_ms,
    )
    result = RunResult(
        name=name,
        group=group,
        currency=currency,
        minor_per_unit=ran.minor_per_unit,
        equity=equity,
        drawdown_bp=falls,
        figures=figures,
        events=tuple(marks),
        notes=[*notes, *(f"failed inside the guard: {text}" for text in ran.failures)],
    )
    if ran.journal is None:
        return result
    return _guarded(result, ran, stalls)


def _return_bp(first: int, last: int) -> int:
    return (last - first) * BP // first if first > 0 else 0


def _day(marks: Sequence[Mark], kind: str) -> str:
    return next((worst.day_text(mark.ts_ns) for mark in marks if mark.kind == kind), "")


def _guarded(result: RunResult, ran: Ran, stalls: Sequence[Mark]) -> RunResult:
    assert ran.journal is not None
    fold, notes = folded(ran.journal)
    said = journal_figures(fold, fold.equity)
    figures = replace(
        result.figures,
        posture_share_bp=said.posture_share_bp,
        passed=said.passed,
        shrunk=said.shrunk,
        denied=said.denied,
        rebases=said.rebases,
        own_orders=said.own_orders,
        fills=said.fills,
        records=said.records,
        decision_p50_ns=ran.latency.get("p50_ns", 0),
        decision_p99_ns=ran.latency.get("p99_ns", 0),
    )
    return replace(
        result,
        figures=figures,
        confidence_ms=tuple(fold.confidence),
        posture=tuple(fold.posture),
        events=tuple(sorted((*_joined(fold.marks, stalls), *result.events), key=lambda mark: mark.ts_ns)),
        journal=ran.journal,
        profile=profile_of(fold.header),
        rebase_wait_ns=wait_of(fold.header),
        mode=str(fold.header.get("mode", "guard")),
        absent=fold.absent(),
        spans=fold.spans,
        notes=[*result.notes, *notes],
    )


def _joined(marks: Sequence[Mark], stalls: Sequence[Mark]) -> list[Mark]:
    """The journal's marks, and the data's stalls that the journal does not have (a scripted stall is the journal's)."""
    known = {mark.ts_ns for mark in marks if mark.kind == "STALL"}
    return [*marks, *(mark for mark in stalls if mark.ts_ns not in known)]


def audited(result: RunResult) -> Audit:
    """The verdict of the fast replay on the run's journal, with the head that the run left as its anchor."""
    from dolphin.audit import pipeline
    from dolphin.journal import head_file

    assert result.journal is not None
    path = str(result.journal)
    head = head_file(path)
    anchor = None if head is None else f"{head.seq}:{head.hash}"
    report = pipeline.audit(path, anchor=anchor)
    found = tuple("\n".join(finding.lines()) for finding in report.findings)
    return Audit(path, report.verdict, report.records, found, anchor or "")


def honest(runs: Sequence[RunResult]) -> list[str]:
    """What the guard cost, what it saved, and where it could not help: runs of one group, the plain one first."""
    plain = next((run for run in runs if not run.guarded), None)
    said: list[str] = []
    if not any(run.figures.fills for run in runs):
        return ["nothing was traded: the strategy sent no order that was filled, so there is nothing to compare"]
    for run in runs:
        if run.guarded:
            if run.mode == "report":
                said.append(_would(run))
                continue
            if plain is not None:
                said.append(_against(run, plain))
            said += _gap(run)
            said += _standing(run)
        worst_day = run.figures.worst_day
        if worst_day is not None:
            if abs(worst_day.unexplained_ppm) > EXPLAINED_PPM:
                left = worst_day.unexplained_ppm / 10_000
                what = "of its worst day is not leverage times move: spread, slippage, fees"
                said.append(f"{run.name}: {left:+.2f} % {what}")
    return said


def _against(run: RunResult, plain: RunResult) -> str:
    more = (run.figures.return_bp - plain.figures.return_bp) / 100
    depth = (plain.figures.drawdown_bp - run.figures.drawdown_bp) / 100
    cost = "cost" if more < 0 else "brought"
    saved = "shallower" if depth >= 0 else "deeper"
    return (
        f"{run.name}: the guard {cost} {abs(more):,.1f} points of return over the whole time; "
        f"the largest drawdown was {abs(depth):.1f} points {saved}"
    )


def _would(run: RunResult) -> str:
    denied, shrunk = sum(run.figures.denied.values()), run.figures.shrunk
    text = f"as the account stood, {denied:,} orders would have been denied and {shrunk:,} shrunk"
    return f"{run.name}: nothing was changed; {text}. A guarded account would have taken another path"


def _gap(run: RunResult) -> list[str]:
    """A single move that no controller between two prices can stop."""
    day = run.figures.worst_day
    if day is None:
        return []
    if abs(day.leverage_bp) <= BP:
        return []
    if day.steps > 1:
        return []
    held, move, lost = abs(day.leverage_bp) / BP, day.move_ppm / 10_000, day.return_ppm / 10_000
    text = f"{held:.2f}x was held and allowed, the market moved {move:+.2f} % before the next decision"
    return [f"{run.name}: on {day.day} it could not help: {text}, and the day was {lost:+.1f} %"]


def _standing(run: RunResult) -> list[str]:
    """How long the book stood aside, which is where a guard's cost comes from."""
    return [*_without_entries(run), *_limits_only(run)]


def _limits_only(run: RunResult) -> list[str]:
    """A strategy of market orders is shut out in STALKER, for as long as its drawdown lasts (DESIGN.md 2.5)."""
    share = run.figures.posture_share_bp.get(Posture.STALKER, 0)
    denied = sum(count for name, count in run.figures.denied.items() if name.startswith("POSTURE_LIMIT_ONLY"))
    if share < MUCH_BP or denied == 0:
        return []
    text = f"{run.name}: {share / 100:.0f} % of the time in STALKER, which denied {denied:,} orders that take liquidity"
    return [f"{text}: a strategy that enters by resting limit orders would have been let in"]


def _without_entries(run: RunResult) -> list[str]:
    share = sum(run.figures.posture_share_bp.get(posture, 0) for posture in (Posture.TURTLE, Posture.HIBERNATE))
    if share < MUCH_BP:
        return []
    text = f"{run.name}: {share / 100:.0f} % of the time in TURTLE or HIBERNATE, where nothing is bought"
    if _trapped(run):
        since_ns = _above_since(run)
        text += f": trapped by its drawdown since {worst.day_text(since_ns)}, and nobody re-based its mark"
        text += f" (its policy allows that from {worst.day_text(since_ns + run.rebase_wait_ns)})"
    return [text]


def _trapped(run: RunResult) -> bool:
    """Whether the run ended in a posture without entries, under a drawdown that alone keeps it there."""
    if run.figures.rebases > 0 or not run.posture or not run.drawdown_bp:
        return False
    return run.posture[-1].value >= Posture.TURTLE and run.drawdown_bp[-1].value > RETURN_APEX_BP


def _above_since(run: RunResult) -> int:
    """Since when the drawdown has been too deep to return, without a break until the end."""
    since_ns = run.drawdown_bp[-1].ts_ns
    for point in reversed(run.drawdown_bp):
        if point.value <= RETURN_APEX_BP:
            break
        since_ns = point.ts_ns
    return since_ns
