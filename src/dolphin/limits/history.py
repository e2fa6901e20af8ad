"""Closes of before the first run, which a book's windows of returns begin with, as a file has them.

What belongs here: the closes as values, the intervals in which they lie, and what makes them unfit; reading the file is
app/returns_file.py's, what a row of returns is returns.py's.

Rules. A close is the last price of the interval in which its time lies, as the guard itself would have seen it. Nothing
of an interval that is not over counts: a backtest would know its future. An instrument whose newest close is old would
stand with returns of zero, so it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from dolphin.kernel.units import NS_PER_S
from dolphin.limits.codes import DAY_NS
from dolphin.limits.returns import INSTRUMENTS_MAX, Returns
from dolphin.nautilus.ports import Priced

CLOSE_ONE: Final = 10**18
"""Closes are integers of this: adjusted ones have more places than the instrument."""

OLD_NS: Final = 7 * DAY_NS
OLD_ROWS: Final = 10
"""The newest close may lie back a week, and ten horizons where that is more."""


class BadHistory(ValueError):
    """These closes are not of this horizon, this moment or these instruments: the text has file, line and field."""


class Close(NamedTuple):
    """The last price of an interval, in parts of CLOSE_ONE. `ts_ns`: a moment in it, of a date (`dated`) its begin."""

    line: int
    ts_ns: int
    dated: bool
    instrument: str
    close: int


class History(NamedTuple):
    """A file of them."""

    path: str
    sha256: str
    closes: tuple[Close, ...]


class Begun(NamedTuple):
    """Windows to begin with, and the instruments of the file that nobody knows here."""

    returns: Returns
    left_out: tuple[str, ...]


def by_interval(history: History, horizon_ns: int) -> dict[int, dict[str, Close]]:
    """The closes by interval, oldest first, and instrument. BadHistory: they are of another horizon."""
    rows: dict[int, dict[str, Close]] = {}
    seconds = f"{horizon_ns / NS_PER_S:g} s"
    for close in history.closes:
        if close.dated and horizon_ns != DAY_NS:
            raise _bad(
                history, close, "date", f"a time with its zone, since the horizon is {seconds}", "a date",
                "say when each close was, or take a horizon of 1 d",
            )  # fmt: skip
        row = rows.setdefault(close.ts_ns // horizon_ns, {})
        first = row.setdefault(close.instrument, close)
        if first is not close:
            raise _bad(
                history, close, "date", f"one close of {close.instrument} in a horizon of {seconds}",
                f"another in line {first.line}", "leave the last one of each",
            )  # fmt: skip
    found = {interval: rows[interval] for interval in sorted(rows)}
    neighbours = sum(after - before == 1 for before, after in pairwise(found))
    if 2 * neighbours < len(found) - 1:
        last = max(history.closes, key=lambda close: close.ts_ns)
        raise _bad(
            history, last, "date", f"closes {seconds} apart, as the horizon of the limits is",
            f"{neighbours} of {len(found) - 1} that follow upon one so soon", "give closes of that horizon",
        )  # fmt: skip
    return found


def windows(history: History, horizon_ns: int, now_ns: int, ones: Mapping[str, Priced]) -> Begun:
    """The windows that the guard would have now, had it seen these prices. `ones`: what a price of one is, by
    instrument, as `Priced` has it. BadHistory.
    """
    rows = by_interval(history, horizon_ns)
    now = now_ns // horizon_ns
    newest: dict[str, tuple[int, Close]] = {}
    for interval, row in rows.items():
        for name, close in row.items():
            if interval >= now:
                raise _bad(
                    history, close, "date", "a close of before now, whose horizon is over", "one of a later time",
                    "cut the file there",
                )  # fmt: skip
            newest[name] = interval, close
    known = {name: found for name, found in newest.items() if name in ones}
    some = next(iter(newest.values()))[1]
    if not 0 < len(known) <= INSTRUMENTS_MAX:
        raise _bad(
            history, some, "instrument", f"1 to {INSTRUMENTS_MAX} of the instruments that are known here",
            f"{len(known)} of {len(ones)}", "write them as Nautilus does, as EUR/USD.SIM",
        )  # fmt: skip
    bases = {}
    for name, (interval, close) in known.items():
        rows_ago = now - 1 - interval
        if rows_ago > max(OLD_ROWS, OLD_NS // horizon_ns):
            raise _bad(
                history, close, "date", f"a newest close of {name} that is a week or {OLD_ROWS} horizons old at most",
                f"one that is {rows_ago} horizons old", "bring the file up to date",
            )  # fmt: skip
        bases[name] = (close.close * ones[name].price + CLOSE_ONE // 2) // CLOSE_ONE
        if bases[name] == 0:
            raise _bad(history, close, "close", "a price of the instrument", "one that rounds to zero", "mend it")
    made = Returns(horizon_ns)
    made.begin_with(
        (
            (interval, {name: Priced(name, row[name].close, ones[name].inverse) for name in row if name in known})
            for interval, row in rows.items()
        ),
        bases,
    )
    return Begun(made, tuple(sorted(newest.keys() - known.keys())))


def _bad(history: History, close: Close, field: str, expected: str, actual: str, fix: str) -> BadHistory:
    return BadHistory(f"{history.path}:{close.line}: {field}: expected {expected}, found {actual}; {fix}")
