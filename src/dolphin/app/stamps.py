"""When a user's bar closed: days without a time, bars stamped with their open, rows outside sessions.

What belongs here: moving bars to the close of what they cover, by sessions, and saying what was done. No Nautilus.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from dolphin.app.columns import Columns
from dolphin.app.errors import UserError
from dolphin.kernel.state import FeedKind
from dolphin.kernel.units import NS_PER_S
from dolphin.nautilus.ports import FeedSpec, Sessions
from dolphin.sensors.sessions import Always, Table
from dolphin.sensors.source import SettingError, build

STEPS: Final = (
    (1, "SECOND", 1), (5, "SECOND", 5), (15, "SECOND", 15), (1, "MINUTE", 60), (5, "MINUTE", 300),
    (15, "MINUTE", 900), (1, "HOUR", 3_600),
)  # fmt: skip
_UNITS: Final = ((604_800, "WEEK"), (86_400, "DAY"), (3_600, "HOUR"), (60, "MINUTE"), (1, "SECOND"))
_DAY_NS: Final = 86_400 * NS_PER_S
OPEN, CLOSE = "open", "close"


class Plan(NamedTuple):
    """What the user said: the instrument, its sessions (empty: derived from it), and what bars are stamped with."""

    instrument: str
    sessions: str
    stamped: str

    def table(self, first_ns: int, last_ns: int) -> Sessions:
        """The sessions that the guard will use."""
        settings = {"sessions": {self.instrument: self.sessions}} if self.sessions else {}
        try:
            source = build(settings)
        except SettingError as error:
            raise UserError(str(error), field="--sessions") from None
        return source.sessions(FeedSpec(self.instrument, FeedKind.DATA, self.instrument, "", first_ns, last_ns))


class Placed(NamedTuple):
    """Bars at their closes. `interval` as in a bar type: 1-MINUTE."""

    columns: Columns
    interval: str
    notes: list[str]


def interval_ns(item: Columns) -> int:
    """The commonest distance of two bars."""
    times = item.frame["ts_ns"].to_numpy()
    if len(times) < 2:
        raise UserError("has one bar only: its interval is not known", path=item.path, fix="name a file with more")
    steps = Counter(int(step) for step in np.diff(times))
    return steps.most_common(1)[0][0]


def interval_text(item: Columns, step_ns: int) -> str:
    """An interval as Nautilus writes it."""
    for size_s, unit in _UNITS:
        if step_ns % (size_s * NS_PER_S) == 0:
            if step_ns > 0:
                return f"{step_ns // (size_s * NS_PER_S)}-{unit}"
    raise UserError(
        "bars at no whole number of seconds", path=item.path, expected="seconds to weeks", actual=f"{step_ns} ns"
    )


def placed(item: Columns, plan: Plan) -> Placed:
    """The bars of `item`, each stamped with its close."""
    times = item.frame["ts_ns"].to_numpy()
    step_ns = interval_ns(item)
    text = interval_text(item, step_ns)
    table = plan.table(int(times[0]), int(times[-1]))
    if item.dated:
        return _dated(item, plan, table, text)
    stamped = plan.stamped or _stamp_of(item, table, step_ns)
    notes: list[str] = []
    if not plan.stamped:
        notes.append(f"{item.path.name}: bars taken as stamped with their {stamped}; --stamped says otherwise")
    if stamped == OPEN:
        item = _moved(item, times + step_ns)
    return Placed(item, text, notes)


def _stamp_of(item: Columns, table: Sessions, step_ns: int) -> str:
    """`open` where the column says so, or where a bar stands at the very open of a session: it cannot close there."""
    if "open" in item.time_name:
        return OPEN
    if isinstance(table, Always):
        return CLOSE
    if step_ns >= _DAY_NS:
        return CLOSE
    for ts_ns in item.frame["ts_ns"]:
        if table.open_at(int(ts_ns)):
            if not table.open_at(int(ts_ns) - 1):
                return OPEN
    return CLOSE


def _dated(item: Columns, plan: Plan, table: Sessions, text: str) -> Placed:
    """Days: each bar goes to the close of that day's session; around the clock, to the end of the day in UTC."""
    days = item.frame["ts_ns"].to_numpy()
    if isinstance(table, Always):
        if not plan.sessions:
            if not np.isin((days // _DAY_NS + 3) % 7, (5, 6)).any():
                raise UserError(
                    f"has days without a time, none of them on a weekend, and {plan.instrument} names no exchange",
                    path=item.path,
                    field="--sessions",
                    expected='a calendar (XNYS), "fx" or "24/7"',
                    actual="",
                    fix="say --sessions XNYS, or --instrument SYMBOL.XNYS",
                )
        note = f"{item.path.name}: days without a time of day, stamped with their end in UTC"
        return Placed(_moved(item, days + _DAY_NS), text, [note])
    assert isinstance(table, Table)
    closes = np.array([table.end_after(int(day)) for day in days])
    shut = closes // _DAY_NS != days // _DAY_NS
    moved = _moved(item, closes)
    notes = [f"{item.path.name}: days without a time of day, stamped with the close of their session"]
    if shut.any():
        moved = replace(moved, frame=moved.frame[~shut].reset_index(drop=True))
        notes.append(f"{item.path.name}: {int(shut.sum())} rows dropped, outside sessions")
    return Placed(moved, text, notes)


def _moved(item: Columns, times: np.ndarray) -> Columns:
    frame = item.frame.copy()
    late = frame["init_ns"] - frame["ts_ns"]
    frame["ts_ns"] = times
    frame["init_ns"] = times + late.to_numpy()
    return replace(item, frame=frame)


def counted(item: Columns, plan: Plan) -> list[str]:
    """What was dropped from a file, in words; a row that cannot be read within a session is silence to the guard."""
    name = item.path.name
    notes = [f"{name}: {count} rows dropped, {why}" for why, count in item.dropped.items() if "kept" not in why]
    notes += [f"{name}: {count} rows {why}" for why, count in item.dropped.items() if "kept" in why]
    times = item.unreadable_ns
    if not times:
        return notes
    table = plan.table(times[0], times[-1])
    inside = sum(1 for ts_ns in times if table.open_at(ts_ns))
    if inside < len(times):
        notes.append(f"{name}: {len(times) - inside} unreadable rows dropped, outside sessions")
    if inside:
        notes.append(
            f"{name}: {inside} unreadable rows within sessions: no price arrives, which the guard sees as silence"
        )
    return notes
