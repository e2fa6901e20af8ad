"""A file of closes with which a new book's windows of returns begin: CSV in, `History` out.

What belongs here: the form of that file and its strict reading. An example, of a horizon of a day, and of an hour:

    date,instrument,close
    2026-11-19,EUR/USD.SIM,1.08415

    date,instrument,close
    2026-11-20T14:59:59Z,EUR/USD.SIM,1.08415

A date is a UTC day; a time has its zone. The rows may come in any order.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from dolphin.app.errors import UserError
from dolphin.kernel.units import NS_PER_S
from dolphin.limits.codes import DAY_NS
from dolphin.limits.history import CLOSE_ONE, Close, History

COLUMNS: Final = ("date", "instrument", "close")
BYTES_MAX: Final = 1 << 26
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WRITTEN: Final = "see docs/guide/limits.md"


def load_history(path: Path) -> History:
    """The closes of the file `path`. UserError names line and column of the first mistake."""
    try:
        if not path.is_file():
            raise UserError("is no file", path=path, fix="name a file of closes")
        with path.open("rb") as file:
            raw = file.read(BYTES_MAX + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", path=path, fix="name a readable file") from error
    except UnicodeDecodeError as error:
        raise UserError("is no UTF-8 text", path=path, fix=_WRITTEN) from error
    if len(raw) > BYTES_MAX:
        raise UserError("is too long", path=path, expected=f"{BYTES_MAX:,} bytes", actual="more", fix="cut old rows")
    return History(str(path), hashlib.sha256(raw).hexdigest(), _closes(path, text))


def _closes(path: Path, text: str) -> tuple[Close, ...]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[Close] = []
    headed = False
    try:
        for row in reader:
            if headed and row:
                found.append(_close(path, reader.line_num, [cell.strip() for cell in row]))
            if row and not headed:
                headed = True
                if tuple(row) != COLUMNS:
                    raise _wrong(path, reader.line_num, "columns", ",".join(COLUMNS), ",".join(row))
    except csv.Error as error:
        raise UserError(f"is no CSV ({error})", path=path, line=reader.line_num, fix=_WRITTEN) from error
    if not found:
        raise _wrong(path, reader.line_num + 1, "rows", f"{','.join(COLUMNS)} and a close a row", "none")
    return tuple(found)


def _close(path: Path, line: int, cells: list[str]) -> Close:
    if len(cells) != len(COLUMNS):
        raise _wrong(path, line, "columns", str(len(COLUMNS)), len(cells))
    date, instrument, close = cells
    if not instrument:
        raise _wrong(path, line, "instrument", "Nautilus' id of one, as EUR/USD.SIM", instrument)
    dated = _DATE.fullmatch(date) is not None
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        moment = None
    if moment is None or (moment.tzinfo is None and not dated):
        raise _wrong(path, line, "date", "a date, as 2026-11-20, or a time with its zone, as 2026-11-20T21:00Z", date)
    passed = (moment.replace(tzinfo=UTC) if dated else moment) - _EPOCH
    ts_ns = passed.days * DAY_NS + passed.seconds * NS_PER_S + passed.microseconds * 1_000
    return Close(line, ts_ns, dated, instrument, _price(path, line, close))


def _price(path: Path, line: int, text: str) -> int:
    expected = "a price above zero and below 1e12"
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise _wrong(path, line, "close", expected, text) from None
    if not price.is_finite() or price.adjusted() >= 12 or price.adjusted() < -18 or price <= 0:
        raise _wrong(path, line, "close", expected, text)
    return int(price * CLOSE_ONE)


def _wrong(path: Path, line: int, field: str, expected: str, actual: Any) -> UserError:
    return UserError("wrong", path=path, line=line, field=field, expected=expected, actual=actual, fix=_WRITTEN)
