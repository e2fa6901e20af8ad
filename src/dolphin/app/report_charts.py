"""The four figures of a group of runs: equity on a log axis, drawdown, confidence, postures with what happened.

What belongs here: which lines, levels and lanes a figure has, and its description in words. Shapes are `report_svg`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape
from typing import NamedTuple

from dolphin.app.report_svg import (
    LANES,
    LEVELS_PX,
    STYLES,
    Frame,
    Line,
    bands,
    end_labels,
    frames,
    levels,
    log_ticks,
    marks,
    polyline,
    round_ticks,
    runs_of,
    span,
    svg,
    time_axis,
    value_axis,
)
from dolphin.app.report_text import compact
from dolphin.app.results import Mark, Point, RunResult
from dolphin.kernel.policy import FALL_APEX_MS, FALL_STALKER_MS, FALL_TURTLE_MS, Posture
from dolphin.kernel.survival import r5
from dolphin.kernel.units import BP, FULL_MS, MS_PER_BP

_FLOOR = 10_000
"""A log axis shows at most this ratio: what lies below (a bankrupt account) is drawn at its foot."""


class Figure(NamedTuple):
    """A drawing in both widths, with its heading (what, in which unit) and its caption (how to read it)."""

    name: str
    title: str
    caption: str
    drawings: str


def styles(runs: Sequence[RunResult]) -> list[int]:
    """A line style for each run: 0 for the one without the guard, then one after the other."""
    found = []
    next_style = 1
    for run in runs:
        if run.guarded:
            found.append(1 + (next_style - 1) % (STYLES - 1))
            next_style += 1
        else:
            found.append(0)
    return found


def figures(runs: Sequence[RunResult], prefix: str) -> list[Figure]:
    """The figures of one group; `prefix` keeps their ids apart from other groups'. Those without data are left out."""
    known = [extent(run) for run in runs if any(_series(run))]
    if not known:
        return []
    both = frames(min(first for first, _ in known), max(last for _, last in known))
    found = [equity(runs, both, prefix), drawdown(runs, both, prefix)]
    if any(run.confidence_ms for run in runs):
        found.append(confidence(runs, both, prefix))
    if any(run.posture for run in runs):
        found.append(postures(runs, both, prefix))
    return [figure for figure in found if figure is not None]


def _series(run: RunResult) -> tuple[Sequence[Point] | Sequence[Mark], ...]:
    return (run.equity, run.confidence_ms, run.posture, run.events)


def extent(run: RunResult) -> tuple[int, int]:
    """First and last time that anything is known of; a flat book has no equity to sample for years."""
    known = [series[at].ts_ns for series in _series(run) if series for at in (0, -1)]
    return min(known), max(known)


def _lines(runs: Sequence[RunResult], series: Callable[[RunResult], Sequence[Point]]) -> list[Line]:
    """The series as lines; the last value holds until the run's end."""
    found = []
    for run, style in zip(runs, styles(runs), strict=True):
        points = series(run)
        if points:
            end_ns = extent(run)[1]
            held = (Point(end_ns, points[-1].value),) if end_ns > points[-1].ts_ns else ()
            found.append(Line(run.name, style, (*points, *held)))
    return found


def _plot(
    frame: Frame,
    lines: Sequence[Line],
    height: int,
    y: Callable[[float], float],
    ticks: Sequence[float],
    label: Callable[[float], str],
    over: str = "",
) -> str:
    bottom = height - 24
    return (
        time_axis(frame, 8, bottom)
        + value_axis(frame, ticks, y, label)
        + "".join(polyline(frame, line, y) for line in lines)
        + over
        + end_labels(frame, lines, y, bottom, LEVELS_PX if over else 6)
    )


def equity(runs: Sequence[RunResult], both: Sequence[Frame], prefix: str) -> Figure | None:
    """Equity of all runs, logarithmic: equal distances are equal ratios."""
    lines = _lines(runs, lambda run: run.equity)
    values = [point.value for line in lines for point in line.points if point.value > 0]
    if not values:
        return None
    unit = runs[0].minor_per_unit
    high = max(values) / unit * 1.05
    low = max(min(values) / unit / 1.05, high / _FLOOR)
    whole = math.log(high / low)
    drawn = ""
    said = [
        f"{line.name}: from {compact(line.points[0].value / unit)} to {compact(line.points[-1].value / unit)}"
        for line in lines
    ]
    desc = f"{runs[0].currency or 'Base currency'}, logarithmic. " + "; ".join(said) + "."
    close = high / low < 1.5
    ticks = log_ticks(low, high)
    for frame in both:
        height = 260 if frame.narrow else 340

        def y(value: float, height: int = height) -> float:
            return 8 + (height - 32) * math.log(high / min(max(value, low), high)) / whole

        def scaled(value: float, y: Callable[[float], float] = y) -> float:
            return y(value / unit)

        label = (lambda value: f"{value:,.0f}") if close and high < 1e7 else compact
        if frame.narrow:
            label = compact
        body = (
            time_axis(frame, 8, height - 24)
            + value_axis(frame, ticks, y, label)
            + "".join(polyline(frame, line, scaled) for line in lines)
            + "".join(_lost(frame, run, scaled) for run in runs)
            + end_labels(frame, lines, scaled, height - 24)
        )
        drawn += svg(frame, height, f"{prefix}-equity", "Equity", desc, body)
    foot = ""
    if any(point.value / unit < low for line in lines for point in line.points):
        foot = f" Below {compact(low)} the line runs along the foot."
    where = f" in {runs[0].currency}" if runs[0].currency else ""
    caption = f"Logarithmic: equal distances are equal ratios.{foot}"
    return Figure("equity", f"Equity{where}", caption, drawn)


def _lost(frame: Frame, run: RunResult, y: Callable[[float], float]) -> str:
    """Ruin and bankruptcy, on the line where they happened, in words too."""
    parts = []
    for event in run.events:
        if event.kind in ("RUIN", "BANKRUPT"):
            value = next((point.value for point in reversed(run.equity) if point.ts_ns <= event.ts_ns), 0)
            parts.append(marks(frame, [event], event.kind, round(y(value))))
            x, height = frame.x(event.ts_ns) + 6, y(value) - 9
            text = f"{LANES[event.kind]} {span(event.ts_ns, event.ts_ns)[:10]}"
            parts.append(f'<text class="levelname" x="{x:.1f}" y="{height:.1f}">{escape(text)}</text>')
    return "".join(parts)


@lru_cache
def r5_falls() -> tuple[tuple[Posture, int], ...]:
    """Drawdown in bp at which capital alone loses each posture."""
    found = []
    for posture, level_ms in (
        (Posture.STALKER, FALL_APEX_MS),
        (Posture.TURTLE, FALL_STALKER_MS),
        (Posture.HIBERNATE, FALL_TURTLE_MS),
    ):
        found.append((posture, next(bp for bp in range(BP + 1) if r5(bp) * MS_PER_BP <= level_ms)))
    return tuple(found)


def drawdown(runs: Sequence[RunResult], both: Sequence[Frame], prefix: str) -> Figure | None:
    """Drawdown of all runs, downwards, with the levels at which capital alone lowers the posture."""
    lines = _lines(runs, lambda run: run.drawdown_bp)
    if not lines:
        return None
    deepest = max((point.value for line in lines for point in line.points), default=0)
    high = min(max(deepest * 1.05, 200), BP)
    falls = r5_falls() if any(run.guarded for run in runs) else ()
    worst = "; ".join(f"{line.name}: {max(p.value for p in line.points) / 100:.1f} % at worst" for line in lines)
    drawn = ""
    for frame in both:
        height = 180 if frame.narrow else 220

        def y(value: float, height: int = height) -> float:
            return 8 + (height - 32) * value / high

        over = levels(frame, [(y(bp), posture.name) for posture, bp in falls if bp < high], height - 24)
        body = _plot(frame, lines, height, y, round_ticks(0, high, 4), lambda v: f"−{v / 100:g} %" if v else "0", over)
        drawn += svg(frame, height, f"{prefix}-drawdown", "Drawdown", worst + ".", body)
    caption = "0 is the highest equity so far."
    if any(bp < high for _, bp in falls):
        told = ", ".join(f"{posture.name} {bp / 100:g} %" for posture, bp in falls)
        caption += f" Dotted: where capital alone lowers the posture ({told}), counted from the guard's own mark."
    return Figure("drawdown", "Drawdown, % of the highest equity", caption, drawn)


def confidence(runs: Sequence[RunResult], both: Sequence[Frame], prefix: str) -> Figure:
    """Confidence of the guarded runs, 0 to 100 %, with the levels at which a posture is lost."""
    lines = _lines(runs, lambda run: run.confidence_ms)
    begins = ((FALL_APEX_MS, "STALKER"), (FALL_STALKER_MS, "TURTLE"), (FALL_TURTLE_MS, "HIBERNATE"))
    least = "; ".join(f"{line.name}: least {min(p.value for p in line.points) / FULL_MS:.0%}" for line in lines)
    drawn = ""
    for frame in both:
        height = 170 if frame.narrow else 200

        def y(value: float, height: int = height) -> float:
            return 8 + (height - 32) * (1 - value / FULL_MS)

        over = levels(frame, [(y(ms), name) for ms, name in begins], height - 24)
        ticks = [FULL_MS * share / 4 for share in range(5)]
        body = _plot(frame, lines, height, y, ticks, lambda v: f"{v / FULL_MS * 100:.0f} %", over)
        drawn += svg(frame, height, f"{prefix}-confidence", "Confidence", least + ".", body)
    told = ", ".join(f"{name} {ms * 100 // FULL_MS} %" for ms, name in begins)
    caption = (
        f"Lost at once, earned back at 1 % a {_minute(runs)}. Dotted: at or below it the posture falls to ({told});"
        " it rises again 7 % higher."
    )
    return Figure("confidence", "Confidence, % of full", caption, drawn)


def _minute(runs: Sequence[RunResult]) -> str:
    """What 1 % of confidence takes, in the words of the profile."""
    if all(run.profile == "daily" for run in runs if run.guarded):
        return "calendar day"
    return "policy minute"


def postures(runs: Sequence[RunResult], both: Sequence[Frame], prefix: str) -> Figure:
    """A strip of postures for each guarded run, and a lane for each kind of event below it."""
    shown = [run for run in runs if run.posture]
    told = []
    for run in shown:
        held = dict.fromkeys(Posture, 0)
        for start_ns, end_ns, value in runs_of(run.posture, both[0].to_ns):
            held[Posture(value)] += end_ns - start_ns
        total = max(sum(held.values()), 1)
        told.append(f"{run.name}: " + ", ".join(f"{p.name} {ns / total:.0%}" for p, ns in held.items()))
    drawn = ""
    for frame in both:
        at = 4
        body = ""
        for run in shown:
            kinds = [kind for kind in LANES if any(event.kind == kind for event in run.events)]
            at += 14
            body += f'<text class="strip" x="{frame.left}" y="{at - 2}">{escape(run.name)}</text>'
            body += bands(frame, run.posture, at + 2, 24)
            at += 28
            for kind in kinds:
                at += 15
                body += f'<path class="grid" d="M{frame.left} {at - 4}H{frame.width - frame.right}"/>'
                body += f'<text class="tick" x="{frame.left - 5}" y="{at}" text-anchor="end">{LANES[kind]}</text>'
                body += marks(frame, run.events, kind, at - 4)
            at += 12
        body = time_axis(frame, 4, at) + body
        drawn += svg(frame, at + 24, f"{prefix}-postures", "Postures and events", "; ".join(told) + ".", body)
    caption = (
        "Darker is safer and trades less. Below each run's strip, what happened to it, a lane for each kind."
        f" {span(both[0].from_ns, both[0].to_ns)}."
    )
    return Figure("postures", "Postures, and what happened", caption, drawn)
