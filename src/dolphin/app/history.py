"""The main job's market data: twenty years of two indices and five of the VIX, from the `arch` package.

What belongs here: reading those three series and stamping each row with the close of its session. No Nautilus. Nothing
is fetched and nothing is copied into the repo: `arch` carries them as test data of its own.
"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from dolphin.kernel.units import NS_PER_S
from dolphin.sensors.sessions import Table, exchange, to_ns

VIX_LATE_S: Final = 900
"""The VIX closes 15 minutes after the shares; its bar acts from the next session's bar on."""


class History(NamedTuple):
    """One series. `rows`: (close time in ns, open, high, low, close). `dropped`: reason to count."""

    name: str
    title: str
    rows: list[tuple[int, float, float, float, float]]
    dropped: dict[str, int]


TITLES: Final = {"SPX.XNYS": "S&P 500", "IXIC.XNAS": "NASDAQ Composite"}


def closes(sessions: Table, days: pd.DatetimeIndex) -> np.ndarray:
    """The close of the session of each day, in ns; 0 where the market was shut that day."""
    found = np.zeros(len(days), dtype="int64")
    for index, day in enumerate(days):
        midnight_ns = to_ns(day.to_pydatetime())
        close_ns = sessions.end_after(midnight_ns)
        if pd.Timestamp(close_ns, tz="UTC").date() == day.date():
            found[index] = close_ns
    return found


def _prices(name: str) -> pd.DataFrame:
    from arch.data import nasdaq, sp500

    frame = {"SPX.XNYS": sp500, "IXIC.XNAS": nasdaq}[name].load()
    return frame[["Open", "High", "Low", "Close"]]


def index_history(name: str) -> History:
    """`SPX.XNYS` or `IXIC.XNAS`, 1999 to 2018, stamped with the session's close (half days as they were)."""
    return _stamped(name, TITLES[name], _prices(name), 0)


def vix_history(name: str, until_ns: int) -> History:
    """The VIX, January 2014 on, up to `until_ns`: closes only, published 15 minutes after the shares' close."""
    from arch.data import vix

    series = vix.load()["vix"]
    frame = pd.DataFrame(dict.fromkeys(("Open", "High", "Low", "Close"), series))
    history = _stamped(name, "CBOE VIX", frame, VIX_LATE_S)
    kept = [row for row in history.rows if row[0] <= until_ns]
    dropped = dict(history.dropped)
    if len(kept) < len(history.rows):
        dropped["after the last bar of the index"] = len(history.rows) - len(kept)
    return history._replace(rows=kept, dropped=dropped)


def _stamped(name: str, title: str, frame: pd.DataFrame, late_s: int) -> History:
    days = pd.DatetimeIndex(frame.index).tz_localize("UTC")
    sessions = exchange("XNYS")
    sessions.prepare(to_ns(days[0].to_pydatetime()), to_ns(days[-1].to_pydatetime()))
    times = closes(sessions, days)
    dropped: dict[str, int] = {}
    shut = times == 0
    if shut.any():
        dropped["outside sessions (holidays)"] = int(shut.sum())
    values = frame.to_numpy(dtype="float64")
    missing = ~np.isfinite(values).all(axis=1) & ~shut
    if missing.any():
        dropped["missing within sessions"] = int(missing.sum())
    rows: list[tuple[int, float, float, float, float]] = []
    for ts_ns, (first, high, low, last) in zip(times[~(shut | missing)], values[~(shut | missing)], strict=True):
        # The published high and low are rounded apart from open and close: a bar holds its own prices.
        top, bottom = max(first, high, low, last), min(first, high, low, last)
        rows.append((int(ts_ns) + late_s * NS_PER_S, float(first), float(top), float(bottom), float(last)))
    return History(name, title, rows, dropped)


def day_text(ts_ns: int) -> str:
    """The UTC date of a time, as people write it."""
    return date.fromordinal(719_163 + ts_ns // (86_400 * NS_PER_S)).isoformat()
