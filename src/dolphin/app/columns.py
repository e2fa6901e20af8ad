"""A user's file of bars, quotes, trades or book snapshots, as one clean frame: what it is, when, and what was dropped.

What belongs here: reading, recognising columns, time zones, order and duplicates. No Nautilus, no sessions. An error
names what was found and what is accepted (docs/guide/data.md lists the same).

A frame has `ts_ns` (when it happened), `init_ns` (when it was received, by which it is sorted; the same where the file
does not say) and the columns of its kind: bars open, high, low, close, volume; quotes bid, ask, bid_size, ask_size;
trades price, size, buyer_maker, trade_id; book bid_0..bid_9, bid_size_0.., ask_0.., ask_size_0...
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from dolphin.app.errors import UserError, meant

BARS, QUOTES, TRADES, BOOK = "bars", "quotes", "trades", "book"
LEVELS: Final = 10

_TIME: Final = ("timestamp", "ts_event", "datetime", "date_time", "date", "time", "open_time", "close_time", "ts")
_RECEIVED: Final = ("local_timestamp", "ts_init", "received", "received_at")
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c", "last"),
    "volume": ("volume", "vol", "v", "tick_volume"),
    "bid": ("bid", "bid_price", "bidprice", "best_bid"),
    "ask": ("ask", "ask_price", "askprice", "best_ask", "offer"),
    "bid_size": ("bid_size", "bidsize", "bid_qty", "bid_quantity", "bid_amount", "bid_volume"),
    "ask_size": ("ask_size", "asksize", "ask_qty", "ask_quantity", "ask_amount", "ask_volume"),
    "price": ("price", "trade_price"),
    "size": ("size", "quantity", "qty", "amount"),
    "buyer_maker": ("buyer_maker", "is_buyer_maker"),
    "side": ("side", "aggressor_side"),
    "trade_id": ("trade_id", "id", "agg_trade_id"),
    "symbol": ("symbol", "instrument", "ticker"),
}
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    BARS: ("open", "high", "low", "close"),
    QUOTES: ("bid", "ask"),
    TRADES: ("price", "size"),
}
_EPOCH_UNITS: Final = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (10**20, 1))
"""An integer time below the first is in units of the second, in ns: seconds, ms, us, ns (from 1973 to 5138)."""

SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """One file. `dropped`: reason to count. `dated`: the file has days without a time of day.

    `unreadable_ns`: times of rows with a number that is missing, infinite, contradictory (a high below its low, a bid
    above its ask) or no price (zero and below).
    """

    path: Path
    kind: str
    frame: pd.DataFrame
    symbol: str = ""
    dated: bool = False
    time_name: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)
    unreadable_ns: tuple[int, ...] = ()


def load(path: Path, *, tz: str = "", expected: str = "") -> Columns:
    """The file `path`. `tz`: the zone of times that have none. `expected`: the kind it must be, empty for any."""
    if tz:
        zone(tz)  # one that no time asks for must be one too
    raw = _read(path)
    if raw.empty:
        raise UserError("has no rows", path=path, fix="name a file with data")
    named = {_plain(name): name for name in raw.columns}
    ts_ns, dated = _times(path, raw, named, tz, _TIME)
    init_ns = ts_ns
    if any(word in named for word in _RECEIVED):
        init_ns, _ = _times(path, raw, named, tz, _RECEIVED)
    kind, frame = _recognised(path, raw, named)
    if expected:
        if kind != expected:
            raise UserError(f"holds {kind}", path=path, expected=expected, actual=list(raw.columns))
    frame.insert(0, "ts_ns", ts_ns)
    frame.insert(1, "init_ns", np.maximum(init_ns, ts_ns))
    time_name = next(word for word in _TIME if word in named)
    return _cleaned(path, kind, frame, _only(raw, named), dated, time_name)


def _plain(name: object) -> str:
    return re.sub(r"[^a-z0-9\[\].]+", "_", str(name).strip().lower()).strip("_")


def _read(path: Path) -> pd.DataFrame:
    name = path.name.lower()
    if not path.exists():
        raise UserError("there is no such file", path=path, fix="name an existing file")
    if not name.endswith(SUFFIXES):
        raise UserError("is of an unknown kind", path=path, expected=" or ".join(SUFFIXES), actual=path.suffix)
    try:
        if name.endswith(".parquet"):
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path)
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"cannot be read ({error.strerror})", path=path, fix="name a readable file") from None
    except pd.errors.EmptyDataError:
        raise UserError("is empty", path=path, fix="name a file with data") from None
    except (ValueError, OSError, EOFError, zlib.error, pa.ArrowException) as error:
        # A download that was cut short ends in the middle of its gzip stream (EOFError) or of a parquet page.
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"cannot be read ({first})", path=path, fix="check that it is what its suffix says") from error
    if frame.index.name is not None:
        return frame.reset_index()
    if isinstance(frame.index, pd.DatetimeIndex):
        return frame.reset_index(names="timestamp")
    return frame


def _find(named: Mapping[str, str], word: str) -> str | None:
    for alias in _ALIASES[word]:
        if alias in named:
            return named[alias]
    return None


def _recognised(path: Path, raw: pd.DataFrame, named: Mapping[str, str]) -> tuple[str, pd.DataFrame]:
    if "asks[0].price" in named:
        return BOOK, _book(raw, named)
    for kind, needed in _KINDS.items():
        found = {word: _find(named, word) for word in needed}
        if all(name is not None for name in found.values()):
            return kind, _kind(kind, path, raw, named)
    raise _unknown_columns(path, raw, named)


def _unknown_columns(path: Path, raw: pd.DataFrame, named: Mapping[str, str]) -> UserError:
    known = [alias for aliases in _ALIASES.values() for alias in aliases]
    strange = [name for plain, name in named.items() if plain not in known and plain not in _TIME]
    hints = [f"{name!r}: {meant(_plain(name), known)}" for name in strange if meant(_plain(name), known)]
    return UserError(
        "has no known set of columns",
        path=path,
        expected="open, high, low, close (bars), bid, ask (quotes), price, size (trades) or asks[0].price ... (book)",
        actual=[str(name) for name in raw.columns],
        fix="; ".join(hints) or "rename the columns",
    )


def _numbers(path: Path, raw: pd.DataFrame, name: str) -> pd.Series:
    """A column as doubles; what is no number is NaN, unless nothing is one."""
    values = pd.to_numeric(raw[name], errors="coerce").astype("float64")
    if values.isna().all():
        raise UserError(f"column {name!r} has no number", path=path, expected="numbers", actual=str(raw[name].iloc[0]))
    return values


def _kind(kind: str, path: Path, raw: pd.DataFrame, named: Mapping[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame()
    for word in _KINDS[kind]:
        frame[word] = _numbers(path, raw, str(_find(named, word)))
    optional = {BARS: ("volume",), QUOTES: ("bid_size", "ask_size"), TRADES: ()}[kind]
    for word in optional:
        name = _find(named, word)
        # FX quotes and index bars have no size: NaN says that there is none, and the instrument's default is used.
        frame[word] = np.nan if name is None else _numbers(path, raw, name)
    if kind == TRADES:
        frame["buyer_maker"] = _buyer_maker(raw, named)
        name = _find(named, "trade_id")
        frame["trade_id"] = raw[name].astype(str) if name is not None else [str(i) for i in range(len(raw))]
    return frame


def _buyer_maker(raw: pd.DataFrame, named: Mapping[str, str]) -> list[bool]:
    name = _find(named, "buyer_maker")
    if name is not None:
        return [str(value).lower() in ("true", "1", "t") for value in raw[name]]
    name = _find(named, "side")
    if name is not None:
        return [str(value).lower() in ("sell", "s", "seller") for value in raw[name]]
    return [False] * len(raw)


def _book(raw: pd.DataFrame, named: Mapping[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame()
    for level in range(LEVELS):
        for side in ("bid", "ask"):
            for ours, theirs in ((f"{side}_{level}", "price"), (f"{side}_size_{level}", "amount")):
                name = named.get(f"{side}s[{level}].{theirs}")
                frame[ours] = np.nan if name is None else pd.to_numeric(raw[name], errors="coerce")
    return frame


def _times(
    path: Path, raw: pd.DataFrame, named: Mapping[str, str], tz: str, words: tuple[str, ...]
) -> tuple[np.ndarray, bool]:
    name = next((named[word] for word in words if word in named), None)
    if name is None:
        raise UserError(
            "has no time", path=path, expected=f"a column named {', '.join(_TIME)}", actual=list(raw.columns)
        )
    column = raw[name]
    if pd.api.types.is_integer_dtype(column):
        return _epochs(path, name, column), False
    try:
        times = pd.to_datetime(column, format=None if pd.api.types.is_datetime64_any_dtype(column) else "ISO8601")
    except (ValueError, TypeError):
        # Zones that change with daylight saving (+01:00, then +02:00) are one time each, and so are mixed ones.
        times = _mixed(path, name, column)
    if times.dt.tz is None:
        return _localised(path, name, times, tz)
    return times.dt.tz_convert("UTC").dt.as_unit("ns").astype("int64").to_numpy(), False


def _mixed(path: Path, name: str, column: pd.Series) -> pd.Series:
    try:
        return pd.to_datetime(column, format="ISO8601", utc=True)
    except (ValueError, TypeError) as error:
        bad = next((value for value in column if pd.isna(pd.to_datetime(value, errors="coerce"))), column.iloc[0])
        raise UserError(
            f"column {name!r} has a time that cannot be read",
            path=path,
            expected="ISO 8601 (2012-02-01 00:00:00+00:00) or an integer of s, ms, us or ns since 1970",
            actual=str(bad),
        ) from error


def _epochs(path: Path, name: str, column: pd.Series) -> np.ndarray:
    values = column.to_numpy(dtype="int64")
    largest = int(values.max())
    for below, factor in _EPOCH_UNITS:
        if largest < below:
            if int(values.min()) < 0:
                break
            return values * factor
    raise UserError(f"column {name!r} is no time", path=path, expected="s, ms, us or ns since 1970", actual=largest)


def zone(tz: str) -> ZoneInfo:
    """A time zone by its name."""
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError):
        raise UserError(
            "unknown time zone", field="--tz", expected="an IANA name: UTC, America/New_York", actual=tz
        ) from None


def _localised(path: Path, name: str, times: pd.Series, tz: str) -> tuple[np.ndarray, bool]:
    """Times without a zone: days (their session gives the time of day, or `tz` its midnight), or `tz` says where."""
    dated = bool((times.dt.normalize() == times).all())
    if not tz:
        if dated:
            return times.dt.as_unit("ns").astype("int64").to_numpy(), True
        raise UserError(
            f"column {name!r} has times without a zone",
            path=path,
            expected="an offset in the times (+00:00), or --tz ZONE",
            actual=str(times.iloc[0]),
            fix="say where these clocks hang, for example --tz UTC or --tz America/New_York",
        )
    # What daylight saving skips or repeats cannot be told apart: such a row is dropped and counted as unreadable.
    local = times.dt.tz_localize(zone(tz), ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
    return local.dt.as_unit("ns").astype("int64").to_numpy(), False


def _only(raw: pd.DataFrame, named: Mapping[str, str]) -> str:
    name = _find(named, "symbol")
    if name is None:
        return ""
    values = raw[name].dropna().unique()
    if len(values) > 1:
        raise UserError("holds several instruments", expected="one a file", actual=[str(value) for value in values[:5]])
    return str(values[0]) if len(values) else ""


def _cleaned(path: Path, kind: str, frame: pd.DataFrame, symbol: str, dated: bool, time_name: str) -> Columns:
    dropped: dict[str, int] = {}
    timeless = frame["ts_ns"] <= 0
    if timeless.any():
        dropped["without a time"] = int(timeless.sum())
        frame = frame[~timeless]
    steps = np.diff(frame["init_ns"].to_numpy())
    if (steps < 0).any():
        dropped["out of order (sorted, kept)"] = int((steps < 0).sum())
        frame = frame.sort_values("init_ns", kind="stable")
    unique = {BARS: ["ts_ns"], TRADES: ["trade_id"]}.get(kind)
    again = frame.duplicated(subset=unique)
    if again.any():
        dropped["duplicate"] = int(again.sum())
        frame = frame[~again]
    bad = unreadable(kind, frame)
    times = tuple(int(value) for value in frame["ts_ns"][bad])
    frame = frame[~bad].reset_index(drop=True)
    if frame.empty:
        raise UserError(
            "has no row that can be read", path=path, expected="finite numbers, prices above zero", actual=dropped
        )
    return Columns(
        path=path,
        kind=kind,
        frame=frame,
        symbol=symbol,
        dated=dated,
        time_name=time_name,
        dropped=dropped,
        unreadable_ns=times,
    )


def unreadable(kind: str, frame: pd.DataFrame) -> pd.Series:
    """Rows with a missing, infinite or contradictory number, or a price at or below zero. Sizes that the file does
    not have are not missing.
    """
    needed = list(_KINDS.get(kind, ("bid_0", "ask_0", "bid_size_0", "ask_size_0")))
    for word in ("volume", "bid_size", "ask_size"):
        if word in frame:
            if not frame[word].isna().all():
                needed.append(word)
    bad = ~np.isfinite(frame[needed].to_numpy(dtype="float64")).all(axis=1)
    result = pd.Series(bad, index=frame.index)
    if kind == BARS:
        result |= frame["high"] < frame[["open", "low", "close"]].max(axis=1)
        result |= frame["low"] > frame[["open", "high", "close"]].min(axis=1)
    for bid, ask in (("bid", "ask"), ("bid_0", "ask_0")):
        if bid in frame:
            result |= frame[bid] > frame[ask]
    for word in needed:
        if "size" in word or word == "volume":
            result |= frame[word] < 0
        else:
            # A zero is what feeds write for "no price"; taken as one it is a move of -100 % and a false ruin.
            result |= frame[word] <= 0
    return result


def decimals(values: np.ndarray, most: int = 8) -> int:
    """The fewest decimals that hold all of these doubles, at most `most`."""
    values = values[np.isfinite(values)]
    for count in range(most):
        scaled = values * 10.0**count
        if (np.abs(scaled - np.rint(scaled)) <= 1e-6 * np.maximum(1.0, np.abs(scaled) * 1e-6)).all():
            return count
    return most
