"""When a market is open, and when the next row of a feed is due in open time (DESIGN.md 2.2).

What belongs here: tables of opens and closes in ns since the epoch, and arithmetic on them. Calendars are read in
pieces of years into integers, on first use of that time, and asked by bisection: a calendar package's own answer costs
7 us and a default calendar starts twenty years before today, whatever the data.

Rules of `due_ns`. Ticks and bars below a day: `interval_ns` of open time after the last row; a weekend or a night adds
nothing. A daily bar: the next session's close (where sessions are shorter than a day). Longer bars: the first close
that is a whole interval away. `late_ns` is added to each: a bar published after its session's close is not late.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dolphin.kernel.contracts import ensure
from dolphin.kernel.units import NEVER_NS, NS_PER_S

DAY_NS = 86_400 * NS_PER_S
_BEFORE_DAYS = 30
_AHEAD_DAYS = 3 * 366
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

type Spans = tuple[list[int], list[int], list[int]]
"""Opens and closes of the open stretches (a lunch break makes two of one session), and the closes of trading days (of
which a week that is one session has several: spot FX counts days from 17:00 to 17:00)."""


def to_ns(moment: datetime) -> int:
    """An aware time as ns since the epoch, exactly (whole seconds)."""
    return int(moment.timestamp()) * NS_PER_S


def day_of(ts_ns: int) -> date:
    """The UTC date of a time."""
    return datetime.fromtimestamp(ts_ns // NS_PER_S, UTC).date()


class Always:
    """24 hours, 7 days."""

    def __init__(self, late_ns: int = 0) -> None:
        self._late_ns = late_ns

    def open_at(self, ts_ns: int) -> bool:
        """Always."""
        del ts_ns
        return True

    def due_ns(self, seen_ns: int, interval_ns: int) -> int:
        """One interval on, and what a row may be late."""
        return seen_ns + interval_ns + self._late_ns


class Table:
    """Sessions from `build(first day, last day)`, read in pieces as time goes on."""

    def __init__(self, build: Callable[[date, date], Spans], late_ns: int = 0) -> None:
        self._build = build
        self._late_ns = late_ns
        self._from_ns = NEVER_NS
        self._until_ns = -NEVER_NS
        self._opens: list[int] = []
        self._closes: list[int] = []
        self._ends: list[int] = []
        self._short = True

    def prepare(self, from_ns: int, until_ns: int) -> None:
        """Read the calendar from a month before `from_ns` to years after `until_ns`, in one piece."""
        first = day_of(from_ns) - timedelta(days=_BEFORE_DAYS)
        last = day_of(until_ns) + timedelta(days=_AHEAD_DAYS)
        self._opens, self._closes, self._ends = self._build(first, last)
        self._from_ns = from_ns
        self._until_ns = until_ns + (_AHEAD_DAYS - 366) * DAY_NS
        lengths = [close - start for start, close in zip(self._opens, self._closes, strict=True)]
        self._short = max(lengths, default=0) < DAY_NS

    def _cover(self, ts_ns: int) -> None:
        if ts_ns < self._from_ns:
            self.prepare(ts_ns, max(ts_ns, self._until_ns))
        elif ts_ns > self._until_ns:
            # Twice as far each time, so that a long history costs a few readings and not one for every three years.
            from_ns = min(ts_ns, self._from_ns)
            self.prepare(from_ns, ts_ns + (ts_ns - from_ns))

    def open_at(self, ts_ns: int) -> bool:
        """Whether the market is open; the moment of the close counts (a bar stamped with it trades at it)."""
        self._cover(ts_ns)
        index = bisect_right(self._opens, ts_ns) - 1
        if index < 0:
            return False
        return ts_ns <= self._closes[index]

    @ensure(lambda seen_ns, interval_ns, result: result > seen_ns or interval_ns <= 0)
    def due_ns(self, seen_ns: int, interval_ns: int) -> int:
        """When the next row is due after the one at `seen_ns`; NEVER_NS beyond the calendar's own end."""
        self._cover(seen_ns)
        if interval_ns >= DAY_NS:
            if self._short:
                return self._session(seen_ns, interval_ns)
        return self._open_time(seen_ns, interval_ns)

    @ensure(lambda ts_ns, result: result > ts_ns)
    def end_after(self, ts_ns: int) -> int:
        """The first close of a trading day after `ts_ns`; NEVER_NS beyond the calendar's own end."""
        self._cover(ts_ns)
        index = bisect_right(self._ends, ts_ns)
        if index >= len(self._ends):
            return NEVER_NS
        return self._ends[index]

    def _session(self, seen_ns: int, interval_ns: int) -> int:
        """The next session's close; for longer bars the first close a whole interval away."""
        if interval_ns < 2 * DAY_NS:
            index = bisect_right(self._ends, seen_ns)
        else:
            index = bisect_left(self._ends, seen_ns + interval_ns)
        if index >= len(self._ends):
            return NEVER_NS
        return self._ends[index] + self._late_ns

    def _open_time(self, seen_ns: int, interval_ns: int) -> int:
        index = max(bisect_right(self._opens, seen_ns) - 1, 0)
        left_ns = interval_ns
        while index < len(self._opens):
            from_ns = max(self._opens[index], seen_ns)
            here_ns = self._closes[index] - from_ns
            if here_ns > 0:
                if left_ns <= here_ns:
                    return from_ns + left_ns + self._late_ns
                left_ns -= here_ns
            index += 1
        return NEVER_NS


class Weekly(NamedTuple):
    """One session a week in a time zone: `open_day` 0 is Monday; times of day in minutes."""

    open_day: int
    open_minute: int
    close_day: int
    close_minute: int
    zone: str


SPOT_FX = Weekly(6, 17 * 60, 4, 17 * 60, "America/New_York")
"""Sunday 17:00 to Friday 17:00 New York: no calendar package has it."""


def _local(day: date, minute: int, zone: ZoneInfo) -> int:
    """A wall-clock time as ns: zoneinfo knows daylight saving, in the past too."""
    return to_ns(datetime.combine(day, time(minute // 60, minute % 60), zone))


def weekly(week: Weekly, late_ns: int = 0) -> Table:
    """Sessions that repeat every week."""
    zone = ZoneInfo(week.zone)
    length_days = (week.close_day - week.open_day) % 7
    if length_days == 0:
        if week.close_minute <= week.open_minute:
            length_days = 7

    def build(first: date, last: date) -> Spans:
        day = first + timedelta(days=(week.open_day - first.weekday()) % 7 - 7)
        opens: list[int] = []
        closes: list[int] = []
        ends: list[int] = []
        while day <= last:
            opens.append(_local(day, week.open_minute, zone))
            days = [_local(day + timedelta(days=count), week.close_minute, zone) for count in range(length_days + 1)]
            closes.append(days[-1])
            ends += [end_ns for end_ns in days if end_ns > opens[-1]]
            day += timedelta(days=7)
        return opens, closes, ends

    return Table(build, late_ns)


def calendar_names() -> frozenset[str]:
    """The exchange calendars that can be named, aliases (NYSE) too."""
    import exchange_calendars  # late: it takes a second

    return frozenset(exchange_calendars.get_calendar_names(include_aliases=True))


def exchange(name: str, late_ns: int = 0) -> Table:
    """The sessions of an exchange, half days and lunch breaks as they were."""
    import exchange_calendars
    import pandas as pd

    def read(first: date, last: date) -> exchange_calendars.ExchangeCalendar:
        try:
            return exchange_calendars.get_calendar(name, start=first.isoformat(), end=last.isoformat())
        except ValueError:
            # Some calendars know no day before or after theirs (lunar holidays); the class says which.
            known = type(exchange_calendars.get_calendar(name))
        first = max([first, *(bound.date() for bound in (known.bound_min(),) if bound is not None)])
        last = min([last, *(bound.date() for bound in (known.bound_max(),) if bound is not None)])
        return exchange_calendars.get_calendar(name, start=first.isoformat(), end=last.isoformat())

    def numbers(times: pd.Series) -> list[int]:
        return [int(value) for value in times.astype("int64")]

    def build(first: date, last: date) -> Spans:
        calendar = read(first, last)
        starts, ends = numbers(calendar.opens), numbers(calendar.closes)
        if calendar.break_starts.isna().all():
            return starts, ends, ends
        opens: list[int] = []
        closes: list[int] = []
        pauses = zip(calendar.break_starts, calendar.break_ends, strict=True)
        for start_ns, end_ns, (pause, resume) in zip(starts, ends, pauses, strict=True):
            opens.append(start_ns)
            if pause is not pd.NaT:
                closes.append(pause.value)
                opens.append(resume.value)
            closes.append(end_ns)
        return opens, closes, ends

    return Table(build, late_ns)
