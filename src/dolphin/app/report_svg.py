"""Charts as inline SVG, drawn twice (wide and narrow) so that letters keep their size on a phone.

What belongs here: scales, thinning, axes, lines, bands and marks. No file, no HTML around it, no figures. Every shape
has a form of its own beside its colour: dashes for lines, hatches and letters for postures, glyphs for events.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final, NamedTuple

from dolphin.app.results import Mark, Point
from dolphin.kernel.policy import Posture

_NS: Final = 1_000_000_000
_DAY_S: Final = 86_400
_STEP_PX: Final = 1.5
STYLES: Final = 6
"""How many line styles there are (`s0` is for the run without the guard)."""
LEVELS_PX: Final = 76
"""What the names of levels take of the margin at the right; those of the lines stand beyond them."""

GLYPHS: Final = {
    "KILL": "M-5 -5H5L0 5Z",
    "FAULT": "M-4 -4H4V4H-4Z",
    "STALL": "M-5 -2H5V2H-5Z",
    "SHOCK": "M0 -5L4 0L0 5L-4 0Z",
    "REBASE": "M-5 0A5 5 0 1 1 5 0A5 5 0 1 1 -5 0Z",
    "ARM": "M-4 4L0 -5L4 4Z",
    "CONFIRM": "M-5 0L-1 4L5 -5L-1 1Z",
    "RUIN": "M-5 -5L0 -1L5 -5L1 0L5 5L0 1L-5 5L-1 0Z",
    "BANKRUPT": "M-1 -6H1V-2H4V0H1V6H-1V0H-4V-2H-1Z",
}
"""Marked kinds, each with its own form. What is not here (falls, denials) is counted, not marked."""

LANES: Final = {
    "KILL": "kill",
    "FAULT": "fault",
    "STALL": "stall",
    "SHOCK": "shock",
    "REBASE": "re-base",
    "ARM": "arm",
    "CONFIRM": "confirm",
    "RUIN": "ruin",
    "BANKRUPT": "bankrupt",
}


class Line(NamedTuple):
    """One series: its name, its style (0 to 5), its points in time order."""

    name: str
    style: int
    points: Sequence[Point]


class Frame(NamedTuple):
    """The drawing's width and margins in px, and the time that it spans."""

    width: int
    left: int
    right: int
    from_ns: int
    to_ns: int
    narrow: bool

    def x(self, ts_ns: int) -> float:
        whole = max(self.to_ns - self.from_ns, 1)
        return self.left + (self.width - self.left - self.right) * (ts_ns - self.from_ns) / whole


def frames(from_ns: int, to_ns: int) -> tuple[Frame, Frame]:
    """The wide and the narrow drawing of one span of time."""
    return Frame(1000, 64, 196, from_ns, to_ns, False), Frame(360, 48, 66, from_ns, to_ns, True)


def thinned(points: Sequence[Point], frame: Frame) -> list[Point]:
    """At most four points a pixel column: first, least, largest, last; so no extreme is lost."""
    columns = frame.width - frame.left - frame.right
    if len(points) <= 2 * columns:
        return list(points)
    kept: list[Point] = []
    column = -1
    held: list[Point] = []
    for point in points:
        at = int(frame.x(point.ts_ns))
        if at != column:
            kept += _extremes(held)
            held = []
            column = at
        held.append(point)
    return kept + _extremes(held)


def _extremes(held: list[Point]) -> list[Point]:
    if len(held) <= 4:
        return held
    least = min(held, key=lambda point: point.value)
    largest = max(held, key=lambda point: point.value)
    return sorted({held[0], least, largest, held[-1]})


# --- scales and ticks ----------------------------------------------------------------------------------------------


def log_ticks(low: float, high: float) -> list[float]:
    """Values to label on a log axis: decades, then 1-2-5, then round steps where the range is small."""
    decades = [10.0**n for n in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = [d * f for d in decades for f in factors if low <= d * f <= high]
        if 3 <= len(found):
            return found
    return round_ticks(low, high, 4)


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round values from low to high."""
    if high <= low:
        return [low]
    raw = (high - low) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw)
    first = math.ceil(low / step)
    return [n * step for n in range(first, math.floor(high / step) + 1)]


def time_ticks(frame: Frame) -> list[tuple[int, str]]:
    """Times to label, UTC: years, months, days, hours or minutes, as many as there is room for."""
    most = 5 if frame.narrow else 11
    span_s = max((frame.to_ns - frame.from_ns) / _NS, 1)
    if span_s > 2 * 365 * _DAY_S:
        return _years(frame, most)
    if span_s > 60 * _DAY_S:
        return _months(frame, most)
    if span_s > 2 * _DAY_S:
        step_s = _DAY_S * max(1, math.ceil(span_s / _DAY_S / most))
        return _steps(frame, step_s, "%d %b")
    for step_s, form in ((1, "%H:%M:%S"), (5, "%H:%M:%S"), (15, "%H:%M:%S"), (60, "%H:%M"), (300, "%H:%M")):
        if span_s / step_s <= most:
            return _steps(frame, step_s, form)
    for step_s in (900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200):
        if span_s / step_s <= most:
            return _steps(frame, step_s, "%H:%M")
    return _steps(frame, _DAY_S, "%d %b")


def _moment(ts_ns: int) -> datetime:
    return datetime.fromtimestamp(ts_ns // _NS, UTC)


def _years(frame: Frame, most: int) -> list[tuple[int, str]]:
    first, last = _moment(frame.from_ns).year + 1, _moment(frame.to_ns).year
    step = max(1, math.ceil((last - first + 1) / most))
    return [
        (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * _NS, str(year)) for year in range(first, last + 1, step)
    ]


def _months(frame: Frame, most: int) -> list[tuple[int, str]]:
    at = _moment(frame.from_ns).replace(day=1, hour=0, minute=0, second=0)
    found = []
    while True:
        at = (at + timedelta(days=32)).replace(day=1)
        ts_ns = int(at.timestamp()) * _NS
        if ts_ns > frame.to_ns:
            break
        found.append((ts_ns, at.strftime("%b %Y") if at.month == 1 else at.strftime("%b")))
    return found[:: max(1, math.ceil(len(found) / most))]


def _steps(frame: Frame, step_s: int, form: str) -> list[tuple[int, str]]:
    step_ns = step_s * _NS
    first = -(-frame.from_ns // step_ns) * step_ns
    return [(ts, _moment(ts).strftime(form)) for ts in range(first, frame.to_ns + 1, step_ns)]


# --- parts ---------------------------------------------------------------------------------------------------------


def svg(frame: Frame, height: int, name: str, title: str, desc: str, body: str) -> str:
    """One drawing with its title and description for those who do not see it."""
    kind = "narrow" if frame.narrow else "wide"
    ids = f"{name}-{kind}"
    return (
        f'<svg class="{kind}" viewBox="0 0 {frame.width} {height}" role="img" aria-labelledby="{ids}-t {ids}-d">'
        f'<title id="{ids}-t">{escape(title)}</title><desc id="{ids}-d">{escape(desc)}</desc>{body}</svg>'
    )


def time_axis(frame: Frame, top: int, bottom: int) -> str:
    """Hairlines and labels of time."""
    parts = []
    last = -1e9
    for ts_ns, label in time_ticks(frame):
        x = frame.x(ts_ns)
        if not frame.left - 1 <= x <= frame.width - frame.right + 1:
            continue
        parts.append(f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/>')
        half = 3.2 * len(label)
        if x - half > last:
            anchor = "end" if x + half > frame.width else "middle"
            parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="{anchor}">{label}</text>')
            last = x + half
    return "".join(parts)


def value_axis(frame: Frame, ticks: Sequence[float], y: Callable[[float], float], label: Callable[[float], str]) -> str:
    """Hairlines and labels of value."""
    return "".join(
        f'<path class="grid" d="M{frame.left} {y(value):.1f}H{frame.width - frame.right}"/>'
        f'<text class="tick" x="{frame.left - 5}" y="{y(value) + 4:.1f}" text-anchor="end">'
        f"{escape(label(value))}</text>"
        for value in ticks
    )


def polyline(frame: Frame, line: Line, y: Callable[[float], float]) -> str:
    """A series as a line, in its style. A value holds until the next one, so what is far apart is joined by a step."""
    points = thinned(line.points, frame)
    if not points:
        return ""
    said = []
    before_x, before = -1e9, ""
    for ts_ns, value in points:
        x, height = frame.x(ts_ns), f"{y(value):.1f}"
        if height != before:
            if before:
                if x - before_x > _STEP_PX:
                    said.append(f"{x:.1f} {before}")
            said.append(f"{x:.1f} {height}")
            before_x, before = x, height
    said.append(f"{frame.x(line.points[-1].ts_ns):.1f} {before}")
    return f'<path class="line s{line.style}" d="M{" ".join(said)}"/>'


def end_labels(frame: Frame, lines: Sequence[Line], y: Callable[[float], float], bottom: int, beyond: int = 6) -> str:
    """Names at the right of the lines, `beyond` px from them, moved apart; on a phone there is the legend alone."""
    if frame.narrow:
        return ""
    wanted = sorted((y(line.points[-1].value), line) for line in lines if line.points)
    x = frame.width - frame.right + beyond
    parts = []
    for at, (_, line) in zip(apart([height for height, _ in wanted], 14, 10, bottom), wanted, strict=True):
        where = f'class="name t{line.style}" x="{x}" y="{at + 4:.1f}"'
        parts.append(f"<text {where}>{escape(short(line.name))}</text>")
    return "".join(parts)


def levels(frame: Frame, named: Sequence[tuple[float, str]], bottom: int) -> str:
    """Dotted lines, each led to its name in the margin, where no curve runs through it. `named`: from the top down."""
    parts = []
    right = frame.width - frame.right
    for at, (y, name) in zip(apart([y for y, _ in named], 11, 8, bottom), named, strict=True):
        parts.append(f'<path class="level" d="M{frame.left} {y:.1f}H{right}L{right + 6} {at:.1f}"/>')
        parts.append(f'<text class="levelname" x="{right + 8}" y="{at + 3.5:.1f}">{escape(name)}</text>')
    return "".join(parts)


def apart(wanted: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Heights for labels, as near to those `wanted` (ascending) as a `gap` between them and both ends allow."""
    found: list[float] = []
    for index, height in enumerate(wanted):
        at = max(height, found[-1] + gap if found else top)
        found.append(min(at, bottom - gap * (len(wanted) - 1 - index)))
    return found


def short(name: str) -> str:
    """A run's name for the rest of the margin, 120 px."""
    return name if len(name) <= 17 else name[:16] + "…"


def bands(frame: Frame, postures: Sequence[Point], top: int, height: int) -> str:
    """Postures as a strip: a fill and a hatch each, and the first letter where there is room."""
    parts = []
    for start_ns, end_ns, value in runs_of(postures, frame.to_ns):
        x, wide = frame.x(start_ns), frame.x(end_ns) - frame.x(start_ns)
        if wide < 0.05:
            continue
        posture = Posture(value)
        name = posture.name.lower()
        shape = f'x="{x:.1f}" y="{top}" width="{max(wide, 0.6):.1f}" height="{height}"'
        parts.append(f'<rect class="p-{name}" {shape}><title>{posture.name} from {day(start_ns)}</title></rect>')
        if value in (1, 2):
            parts.append(f'<rect fill="url(#h-{name})" {shape} pointer-events="none"/>')
        if wide > 14:
            middle = f'x="{x + wide / 2:.1f}" y="{top + height / 2 + 4:.1f}"'
            parts.append(f'<text class="letter l-{name}" {middle} text-anchor="middle">{posture.name[0]}</text>')
    return "".join(parts)


def swatch(posture: Posture) -> str:
    """A posture's fill and hatch, 34 by 14 px, for the legend."""
    name = posture.name.lower()
    shape = 'x="0.5" y="0.5" width="33" height="13"'
    hatch = f'<rect fill="url(#h-{name})" {shape}/>' if posture in (Posture.STALKER, Posture.TURTLE) else ""
    return f'<rect class="p-{name} edge" {shape}/>{hatch}'


def runs_of(points: Sequence[Point], to_ns: int) -> list[tuple[int, int, int]]:
    """(from, to, value) of a series of steps, equal neighbours joined."""
    found: list[tuple[int, int, int]] = []
    for ts_ns, value in points:
        if found:
            start_ns, _, before = found[-1]
            if value == before:
                continue
            found[-1] = (start_ns, ts_ns, before)
        found.append((ts_ns, to_ns, value))
    return found


def marks(frame: Frame, events: Sequence[Mark], kind: str, y: int) -> str:
    """The events of one kind on their lane; at most one a pixel, the first, told how many it stands for."""
    shape = GLYPHS[kind]
    columns: dict[int, list[Mark]] = {}
    for event in events:
        if event.kind == kind:
            columns.setdefault(int(frame.x(event.ts_ns)), []).append(event)
    parts = []
    for x, found in sorted(columns.items()):
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        told = escape(f"{LANES[kind]} {day(found[0].ts_ns)}: {found[0].text}{more}")
        parts.append(
            f'<path class="m-{kind.lower()}" transform="translate({x} {y})" d="{shape}"><title>{told}</title></path>'
        )
    return "".join(parts)


def span(from_ns: int, to_ns: int) -> str:
    """`1999-01-04 to 2018-12-31`, with times where it is short."""
    if to_ns - from_ns > 3 * _DAY_S * _NS:
        return f"{_moment(from_ns):%Y-%m-%d} to {_moment(to_ns):%Y-%m-%d}"
    return f"{day(from_ns)} to {day(to_ns)}"


def day(ts_ns: int) -> str:
    """`2008-10-15`, with the time where it is not midnight."""
    at = _moment(ts_ns)
    if at.hour + at.minute + at.second == 0:
        return at.strftime("%Y-%m-%d")
    return at.strftime("%Y-%m-%d %H:%M:%S")
