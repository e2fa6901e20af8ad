"""A third book of record in a file: what somebody else's system says is held, as JSON, or as CSV (`.csv`).

What belongs here: the two forms of that file and their strict reading. It is read again at each look, whole; whoever
writes it writes a temporary file and renames it. An example:

    {"as_of": "2026-11-21T22:00:05Z", "positions": {"BTCUSDT-PERP.BINANCE": "-0.250"}}

    as_of,instrument,quantity
    2026-11-21T22:00:05Z,BTCUSDT-PERP.BINANCE,-0.250

`as_of`: when this was so, with its time zone. Positions: by Nautilus' instrument id, the signed quantity as text, of
all that is held: what is not named is not held. In CSV each row repeats `as_of`, and a book that holds nothing is one
row without instrument and quantity.
"""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from dolphin.nautilus.ports import BookOfRecord, Stated

BYTES_MAX: Final = 1 << 20
DIGITS_MAX: Final = 64
"""Characters of a quantity. What is done with it takes the square of that, on the event loop."""
FIELDS: Final = ("as_of", "positions")
COLUMNS: Final = ("as_of", "instrument", "quantity")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class BadBook(ValueError):
    """The file is no book of record: which field, what is expected there, what was found."""


def made_book(path: str) -> BookOfRecord | None:
    """The book in the file `path`; none where that is empty."""
    if not path:
        return None
    return FileBook(path)


class FileBook:
    """Reads its file at each look."""

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self) -> Stated:
        """What the file says, or why it says nothing."""
        try:
            text = _text(self.path)
            return stated_rows(text) if self.path.lower().endswith(".csv") else stated(text)
        except OSError as error:
            return Stated(
                0, {}, f"{self.path}: cannot be read ({error.strerror}); expected: a file as docs/guide/reconcile.md"
            )
        except ValueError as error:
            return Stated(0, {}, f"{self.path}: {error}; see docs/guide/reconcile.md")


def stated(text: str) -> Stated:
    """What the text of such a file says. BadBook names the field or the line."""
    try:
        said = json.loads(text, object_pairs_hook=_once)
    except RecursionError as error:
        raise BadBook("expected an object of as_of and positions, found one nested too deep") from error
    except json.JSONDecodeError as error:
        raise BadBook(f"line {error.lineno}: expected JSON, found {error.msg}") from error
    if not isinstance(said, dict) or sorted(said) != sorted(FIELDS):
        found = ", ".join(said) if isinstance(said, dict) else type(said).__name__
        raise BadBook(f"expected the fields {', '.join(FIELDS)}, found {found}")
    positions = said["positions"]
    if not isinstance(positions, dict):
        raise BadBook(f"positions: expected an object, found {positions!r}")
    quantities = {name: _quantity(f"positions.{name}", value) for name, value in positions.items()}
    return Stated(_moment("as_of", said["as_of"]), quantities, "")


def stated_rows(text: str) -> Stated:
    """The same of CSV. BadBook names the line and the column."""
    if not text.endswith("\n"):
        raise BadBook(f"line {text.count(chr(10)) + 1}: expected a line end, found the end of the file: it may be torn")
    rows = _rows(text)
    line, head = rows.pop(0) if rows else (1, [])
    if tuple(head) != COLUMNS:
        raise BadBook(f"line {line}: expected the columns {','.join(COLUMNS)}, found {','.join(head) or 'nothing'}")
    if not rows:
        raise BadBook(
            f"line {line + 1}: as_of: expected a row, found none; a book that holds nothing has one of as_of,,"
        )
    first_line, (first, *_) = rows[0]
    quantities: dict[str, Decimal] = {}
    lines: dict[str, int] = {}
    for line, (as_of, instrument, quantity) in rows:
        if as_of != first:
            raise BadBook(f"line {line}: as_of: expected {first!r} as in line {first_line}, found {as_of!r}")
        if not instrument and not quantity and len(rows) == 1:
            continue
        if not instrument:
            raise BadBook(f"line {line}: instrument: expected Nautilus' id of one, found nothing")
        if instrument in lines:
            raise BadBook(
                f"line {line}: instrument: expected {instrument} once, found it in line {lines[instrument]} too"
            )
        lines[instrument] = line
        quantities[instrument] = _quantity(f"line {line}: quantity", quantity)
    return Stated(_moment(f"line {first_line}: as_of", first), quantities, "")


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """The rows with the lines that they end in; empty lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            if row and len(row) != len(COLUMNS):
                raise BadBook(f"line {reader.line_num}: expected {len(COLUMNS)} columns, found {len(row)}")
            if row:
                rows.append((reader.line_num, [cell.strip() for cell in row]))
    except csv.Error as error:
        raise BadBook(f"line {reader.line_num}: expected CSV, found {error}") from error
    return rows


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadBook(f"{twice}: expected once, found twice")
    return found


def _moment(field: str, value: Any) -> int:
    """Nanoseconds since 1970 of a time with its zone."""
    expected = f"{field}: expected a time with its zone, as 2026-11-21T22:00:05Z"
    if not isinstance(value, str):
        raise BadBook(f"{expected}, found {value!r}")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise BadBook(f"{expected}, found {value!r}") from error
    if moment.tzinfo is None:
        raise BadBook(f"{expected}, found {value!r}")
    passed = moment - _EPOCH
    return ((passed.days * 86_400 + passed.seconds) * 10**6 + passed.microseconds) * 1_000


def _quantity(field: str, value: Any) -> Decimal:
    expected = f'{field}: expected a quantity as text, as "-0.250"'
    if not isinstance(value, str):
        raise BadBook(f"{expected}, found {value!r}")
    if len(value) > DIGITS_MAX:
        raise BadBook(f"{expected}, found {len(value):,} characters (at most {DIGITS_MAX} are read)")
    try:
        quantity = Decimal(value)
    except InvalidOperation as error:
        raise BadBook(f"{expected}, found {value!r}") from error
    if not quantity.is_finite() or abs(quantity.adjusted()) > 30:
        raise BadBook(f"{expected}, found {value!r}")
    return quantity


def _text(path: str) -> str:
    """A regular file, whole: a pipe would hold the event loop up."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise BadBook("expected a regular file, found something else")
        raw = os.read(fd, BYTES_MAX + 1)
    finally:
        os.close(fd)
    if len(raw) > BYTES_MAX:
        raise BadBook(f"expected at most {BYTES_MAX:,} bytes, found more")
    return raw.decode("utf-8-sig")  # what a spreadsheet writes as UTF-8 begins with a mark of that
