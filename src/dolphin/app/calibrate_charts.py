"""The pictures of a calibration: R in nominal time, hours per posture, trips, what each threshold would have cost.

What belongs here: drawings as inline SVG, each wide and narrow, from figures that are there. Parts are `report_svg`'s.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

from dolphin.app.calibrate_sweep import Sweep
from dolphin.app.calibrate_text import bp, hours, share
from dolphin.app.calibrate_work import Calibration
from dolphin.app.report_charts import r5_falls
from dolphin.app.report_svg import Frame, apart, frames, svg
from dolphin.kernel.policy import Posture
from dolphin.kernel.units import BP

LEVELS: Final = ((9_200, "return 92 %"), (8_500, "fall 85 %"), (3_300, "fall 33 %"), (1_000, "fall 10 %"))
"""R at which confidence is lost or may return, best first (DESIGN.md 2.3)."""
_ROW_PX: Final = 26
_DECADES: Final = 6


class Bar(NamedTuple):
    """One bar: its name, its parts (style, share of the whole), what stands behind it, whether it is the value now."""

    label: str
    parts: Sequence[tuple[str, float]]
    text: str
    now: bool = False


def _both() -> tuple[Frame, Frame]:
    wide, narrow = frames(0, 1)
    return wide._replace(left=130, right=200), narrow._replace(left=70, right=124)


def bars(name: str, title: str, desc: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars, each a whole of 100 %, with what stands behind it."""
    drawn = ""
    for frame in _both():
        width = frame.width - frame.left - frame.right
        body = ""
        for at, row in enumerate(rows):
            top = 6 + at * _ROW_PX
            body += (
                f'<text class="tick" x="{frame.left - 6}" y="{top + 14}" text-anchor="end">{escape(row.label)}</text>'
            )
            x = float(frame.left)
            for style, part in row.parts:
                body += _part(style, x, top, part * width)
                x += part * width
            if row.now:
                edge = f'x="{frame.left - 1.5}" y="{top - 1.5}" width="{width + 3}" height="21"'
                body += f'<rect {edge} fill="none" stroke="var(--ink)" stroke-width="1.6"/>'
            body += f'<text class="tick" x="{frame.left + width + 8}" y="{top + 14}">{escape(row.text)}</text>'
        drawn += svg(frame, 12 + len(rows) * _ROW_PX, name, title, desc, body)
    return drawn


def _part(style: str, x: float, top: int, wide: float) -> str:
    if wide < 0.05:
        return ""
    shape = f'x="{x:.1f}" y="{top}" width="{max(wide, 0.6):.1f}" height="18"'
    drawn = f'<rect class="p-{style} edge" {shape}/>'
    if style in ("stalker", "turtle"):
        drawn += f'<rect fill="url(#h-{style})" {shape} pointer-events="none"/>'
    return drawn


def held(ns: Mapping[Posture, int]) -> list[tuple[str, float]]:
    """Postures as parts of a bar."""
    whole = sum(ns.values()) or 1
    return [(posture.name.lower(), ns.get(posture, 0) / whole) for posture in Posture]


def postures(found: Calibration) -> str:
    """Hours per posture, as it is and as proposed."""
    rows = []
    for label, one in (("as it is", found.now), ("proposed", found.then)):
        away = sum(one.ns.values()) - one.ns.get(Posture.APEX, 0)
        rows.append(Bar(label, held(one.ns), f"{hours(away)} h not APEX"))
    desc = "; ".join(
        f"{label}: " + ", ".join(f"{posture.name} {hours(one.ns.get(posture, 0))} h" for posture in Posture)
        for label, one in (("as it is", found.now), ("proposed", found.then))
    )
    return bars("postures", "Time in each posture", desc, rows)


def trips(found: Calibration) -> str:
    """Trips by sensor: false, justified, not to be judged."""
    shown = {name: one for name, one in found.trips.items() if one.trips}
    if not shown:
        return ""
    most = max(one.trips for one in shown.values())
    rows = []
    for name, one in shown.items():
        good, unknown = one.judged - one.false, one.trips - one.judged
        parts = [("turtle", one.false / most), ("apex", good / most), ("none", unknown / most)]
        rows.append(Bar(name, parts, f"{one.false} false of {one.trips}"))
    desc = "; ".join(f"{name}: {one.false} false of {one.trips}" for name, one in shown.items())
    return bars("trips", "Trips by sensor", desc, rows)


def sweep(one: Sweep) -> str:
    """What a threshold would have cost: a bar for each value. The value now has a frame."""
    if one.key == "ceiling":
        return _ceiling(one)
    rows = []
    for row in one.rows:
        text = f"{share(row.away, 1)} away, {row.false}/{row.trips}"
        rows.append(Bar(row.label, held(row.ns), text, row.shipped))
    desc = "; ".join(f"{row.label}: {row.text}" for row in rows)
    return bars(f"sweep-{one.key}", one.title, desc, rows)


def _ceiling(one: Sweep) -> str:
    """What the worst move costs at each ceiling, with the drawdowns at which capital alone lowers the posture."""
    rows = [row for row in one.rows if row.loss_bp >= 0]
    if not rows:
        return ""
    falls = r5_falls()
    most = max(falls[-1][1] * 5 // 4, *(row.loss_bp for row in rows))
    drawn = [
        Bar(row.label, [("hibernate" if row.loss_bp >= falls[-1][1] else "stalker", row.loss_bp / most)],
            f"costs {bp(row.loss_bp)}", row.shipped)
        for row in rows
    ]  # fmt: skip
    return bars("sweep-ceiling", one.title, "; ".join(f"{row.label}: {row.text}" for row in drawn), drawn)


def _lines(found: Calibration) -> list[tuple[str, Counter[int]]]:
    """R total first, then each category that was ever below 100 %."""
    known = [(name, weights) for name, weights in found.weights.items() if weights]
    return [(name, weights) for name, weights in reversed(known) if min(weights) < BP or name == "R total"]


def distribution(found: Calibration) -> str:
    """Share of nominal time at or below each R, logarithmic: R total and each category ever below 100 %."""
    lines = _lines(found)
    said = "; ".join(f"{name}: least {bp(min(weights))}" for name, weights in lines)
    wide, narrow = frames(0, 1)
    drawn = ""
    for frame in (wide._replace(right=120), narrow._replace(left=58, right=24)):
        height = 250 if frame.narrow else 300
        body = _grid(frame, height)
        for at, (_, weights) in enumerate(lines):
            body += _line(frame, height, 1 + at % 5, weights)
        names = [(name, 1 + at % 5) for at, (name, _) in enumerate(lines)]
        if not frame.narrow:
            heights = apart([20.0] * len(names), 16, 20, height - 30)
            for y, (name, style) in zip(heights, names, strict=True):
                body += (
                    f'<text class="name t{style}" x="{frame.width - frame.right + 10}" y="{y}">{escape(name)}</text>'
                )
        drawn += svg(frame, height, "r-distribution", "R in nominal time", said, body)
    return drawn


def legend(found: Calibration) -> str:
    """The lines of the distribution by name, for the phone, where no name stands beside them."""
    items = "".join(
        f'<li><svg viewBox="0 0 34 14" aria-hidden="true"><path class="line s{1 + at % 5}" d="M0 7H34"/></svg>'
        f"{escape(name)}</li>"
        for at, (name, _) in enumerate(_lines(found))
    )
    return f'<ul class="legend">{items}</ul>'


def _grid(frame: Frame, height: int) -> str:
    parts = ""
    for decade in range(_DECADES + 1):
        y = _y(10**-decade, height)
        label = f"{100 * 10**-decade:g} %"
        parts += f'<path class="grid" d="M{frame.left} {y:.1f}H{frame.width - frame.right}"/>'
        parts += f'<text class="tick" x="{frame.left - 5}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    for at in range(0, BP + 1, 2_500 if frame.narrow else 1_000):
        x = _x(at, frame)
        parts += f'<text class="tick" x="{x:.1f}" y="{height - 6}" text-anchor="middle">{at // 100} %</text>'
    for number, (level, name) in enumerate(LEVELS):
        x = _x(level, frame)
        parts += f'<path class="level" d="M{x:.1f} 12V{height - 24}"/>'
        y = 20 + 11 * (number % 2)
        parts += f'<text class="levelname" x="{x - 3:.1f}" y="{y}" text-anchor="end">{name}</text>'
    return parts


def _x(value: int, frame: Frame) -> float:
    return frame.left + (frame.width - frame.left - frame.right) * value / BP


def _y(part: float, height: int) -> float:
    """The share of time 1 at the top; what is rarer than six decades at the foot."""
    low = max(math.log10(part) if part > 0 else -_DECADES, -_DECADES)
    return 12 + (height - 36) * -low / _DECADES


def _line(frame: Frame, height: int, style: int, weights: Counter[int]) -> str:
    whole = sum(weights.values())
    passed = 0
    said = [f"{_x(0, frame):.1f} {_y(0, height):.1f}"]
    before = said[0].partition(" ")[2]
    for value in sorted(weights):
        x = f"{_x(value, frame):.1f}"
        passed += weights[value]
        y = f"{_y(passed / whole, height):.1f}"
        if y != before:
            said += [f"{x} {before}", f"{x} {y}"]
            before = y
    return f'<path class="line s{style}" d="M{" ".join(said)}"/>'
