"""The result table and the timeline of faults, as `dolphin run` prints them.

What belongs here: words, numbers and columns (rich). What they mean is docs/guide/report-table.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.table import Table

from dolphin.app.results import Figures, RunResult, WorstDay
from dolphin.kernel.policy import Posture

type Cell = Callable[[RunResult], str]


def percent(bp: int) -> str:
    """bp as a percentage."""
    return f"{bp / 100:,.1f} %"


def ppm(value: int) -> str:
    """ppm as a signed percentage."""
    return f"{value / 10_000:+.2f} %"


def duration(ns: int) -> str:
    """A short time."""
    if ns <= 0:
        return "-"
    if ns < 1_000_000:
        return f"{ns / 1_000:.0f} us"
    return f"{ns / 1_000_000:.1f} ms"


def money(run: RunResult) -> str:
    """The final equity."""
    return f"{run.figures.final_equity / run.minor_per_unit:,.0f}"


def worst(day: WorstDay | None) -> str:
    """The worst day."""
    return "-" if day is None else ppm(day.return_ppm)


def explained(day: WorstDay | None) -> str:
    """Leverage times move; where decisions fell within the day, the sum over them."""
    if day is None:
        return "-"
    if day.steps > 1:
        return f"{ppm(day.explained_ppm)} in {day.steps:,} steps"
    return f"{day.leverage_bp / 10_000:.3f}x * {ppm(day.move_ppm)}"


def left_over(day: WorstDay | None) -> str:
    """What leverage times move does not explain."""
    return "-" if day is None else ppm(day.unexplained_ppm)


def _guarded(cell: Callable[[Figures], str]) -> Cell:
    return lambda run: cell(run.figures) if run.guarded else "-"


def _share(posture: Posture) -> Cell:
    return _guarded(lambda figures: percent(figures.posture_share_bp.get(posture, 0)))


def _events(*kinds: str) -> Cell:
    return lambda run: f"{sum(event.kind in kinds for event in run.events):,}" if run.guarded else "-"


ROWS: tuple[tuple[str, Cell], ...] = (
    ("return", lambda run: percent(run.figures.return_bp)),
    ("final equity", money),
    ("largest drawdown", lambda run: percent(run.figures.drawdown_bp)),
    ("worst day", lambda run: worst(run.figures.worst_day)),
    ("  on", lambda run: "-" if run.figures.worst_day is None else run.figures.worst_day.day),
    ("  held x the day's move", lambda run: explained(run.figures.worst_day)),
    ("  left over (spread, fees)", lambda run: left_over(run.figures.worst_day)),
    ("ruin (<= 1 % of peak)", lambda run: run.figures.ruin_day or "no"),
    ("bankrupt (<= 0)", lambda run: run.figures.bankrupt_day or "no"),
    ("stalls found", _events("STALL")),
    ("shocks", _events("SHOCK")),
    ("kills (operator + faults)", _events("KILL", "FAULT")),
    *((f"time in {posture.name}", _share(posture)) for posture in Posture),
    ("orders passed", lambda run: f"{run.figures.passed:,}"),
    ("orders shrunk", _guarded(lambda figures: f"{figures.shrunk:,}")),
    ("orders denied", lambda run: f"{sum(run.figures.denied.values()):,}"),
)
_AFTER: tuple[tuple[str, Cell], ...] = (
    ("guard's own orders", _guarded(lambda figures: f"{figures.own_orders:,}")),
    ("re-bases of the mark", _guarded(lambda figures: f"{figures.rebases:,}")),
    ("fills", lambda run: f"{run.figures.fills:,}"),
    ("journal records", _guarded(lambda figures: f"{figures.records:,}")),
    ("decision p50", _guarded(lambda figures: duration(figures.decision_p50_ns))),
    ("decision p99", _guarded(lambda figures: duration(figures.decision_p99_ns))),
    ("wall time", lambda run: f"{run.figures.wall_ms / 1_000:.1f} s"),
)


def results(groups: Sequence[tuple[str, Sequence[RunResult]]]) -> Table:
    """One table: a section for each group, a column for each of its runs."""
    width = max((len(runs) for _, runs in groups), default=0)
    table = Table(show_header=False, show_edge=False, pad_edge=False, box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for _ in range(width):
        table.add_column("", justify="right", overflow="fold")
    for title, runs in groups:
        blanks = [""] * (width - len(runs))
        table.add_row(f"[bold]{title}[/bold]", *(f"[bold]{run.name}[/bold]" for run in runs), *blanks)
        for label, cell in (*ROWS, *_denials(runs), *_AFTER):
            table.add_row(label, *(cell(run) for run in runs), *blanks)
        table.add_row("")
    return table


def _denials(runs: Sequence[RunResult]) -> list[tuple[str, Cell]]:
    reasons = sorted({reason for run in runs for reason in run.figures.denied})
    return [(f"  {reason.partition(' ')[0].lower()}", _denied(reason)) for reason in reasons]


def _denied(reason: str) -> Cell:
    return lambda run: f"{run.figures.denied.get(reason, 0):,}"


def timeline(rows: Sequence[tuple[str, str, str, str]]) -> Table:
    """What was done to the book, and what the guard made of it."""
    table = Table(show_edge=False, pad_edge=False, box=None, padding=(0, 2, 0, 0))
    for name in ("time (UTC)", "what", "posture", "what the guard did"):
        table.add_column(name, overflow="fold", no_wrap=name.startswith("time"))
    for row in rows:
        table.add_row(*row)
    return table
