"""TOML with positions: which line a key stands on, so that an error can name it; and values of a declared type.

What belongs here: reading, `Key` and the checks of one table against its keys. Which keys there are is `config`'s.
Integers come out of it and nothing else that decides: leverage `"6.0x"` is 60,000 bp, `"10 %"` 1,000 bp, `"365 d"` ns.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, NamedTuple

from dolphin.app.errors import UserError, meant

_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ns|us|ms|s|min|h|d)")
_WHERE: Final = re.compile(r"\(at line (\d+), column (\d+)\)")
_HEADER: Final = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")


class Document(NamedTuple):
    """A TOML file: its tables as parsed, and its lines."""

    path: str
    lines: tuple[str, ...]
    tables: Mapping[str, Any]

    def line(self, table: str, key: str = "") -> int | None:
        """The line, from 1, of `key` in `table` (of the table's own header where `key` is empty); None if not found."""
        current = ""
        for number, text in enumerate(self.lines, start=1):
            header = _HEADER.match(text)
            if header is not None:
                current = header[1].replace('"', "")
                if not key:
                    if current == table:
                        return number
                continue
            if current != table:
                continue
            if re.match(rf'\s*"?{re.escape(key)}"?\s*[.=]', text):
                return number if key else None
        return None

    def error(self, table: str, key: str, what: str, **more: Any) -> UserError:
        """A `UserError` at this key."""
        return UserError(what, path=self.path, line=self.line(table, key), field=key, **more)


def read_document(path: str | Path, tables: Sequence[str]) -> Document:
    """The TOML file `path`, which may hold these tables and no other key at its top. UserError says what is wrong."""
    name = str(path)
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError("there is no such file", path=name, fix="name an existing TOML file") from None
    except IsADirectoryError:
        raise UserError("is a directory", path=name, fix="name a TOML file in it") from None
    except PermissionError:
        raise UserError("may not be read by this user", path=name, fix="run as its owner") from None
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", path=name, fix="check the path and the disk") from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            "is no UTF-8 text", path=name, line=raw[: error.start].count(b"\n") + 1, fix="name a TOML file"
        ) from None
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = _WHERE.search(str(error))
        line = int(where[1]) if where else None
        said = _WHERE.sub("", str(error)).strip()
        raise UserError(
            f"is no TOML: {said}", path=name, line=line, fix="mend this line, or name a TOML file"
        ) from None
    document = Document(name, tuple(text.splitlines()), parsed)
    for key, value in parsed.items():
        if key not in tables:
            what = "unknown table" if isinstance(value, dict) else "unknown key at the top of the file"
            line = document.line(key) if isinstance(value, dict) else document.line("", key)
            accepted = ", ".join(f"[{table}]" for table in tables)
            fix = f"accepted tables: {accepted}; {meant(key, tables)}".rstrip("; ")
            raise UserError(f"{what} {key!r}", path=name, line=line, field=key, fix=fix)
        if not isinstance(value, dict):
            raise UserError(
                "is no table", path=name, line=document.line("", key), field=key, fix=f"write [{key}] above its keys"
            )
    return document


class Key(NamedTuple):
    """A key that a table may have. `read` turns the TOML value into ours; ValueError's text says what is accepted."""

    name: str
    read: Callable[[Any], Any]
    what: str


def read_table(document: Document, table: str, keys: Sequence[Key]) -> tuple[dict[str, Any], tuple[UserError, ...]]:
    """The values of `table` that are right, and an error for each key that is unknown or of another type."""
    known = {key.name: key for key in keys}
    values: dict[str, Any] = {}
    errors: list[UserError] = []
    for name, value in document.tables.get(table, {}).items():
        key = known.get(name)
        if key is None:
            near = meant(name, known)
            fix = f"accepted keys of [{table}]: {', '.join(known)}"
            errors.append(document.error(table, name, "unknown key", fix=f"{near} {fix}".strip()))
            continue
        try:
            values[name] = key.read(value)
        except ValueError as error:
            errors.append(
                document.error(table, name, "wrong value", expected=str(error), actual=value, fix=f"{name}: {key.what}")
            )
    return values, tuple(errors)


def integer(value: Any) -> int:
    """A TOML integer (`true` is none)."""
    if type(value) is not int:
        raise ValueError("an integer")
    return value


def text(value: Any) -> str:
    """A TOML string that is not empty."""
    if not isinstance(value, str):
        raise ValueError("a string in quotes")
    if not value:
        raise ValueError("a string that is not empty")
    return value


def switch(value: Any) -> int:
    """`"on"`, `"off"`, true or false, as 1 or 0."""
    if value in ("on", "off"):
        return int(value == "on")
    if value is True or value is False:
        return int(value)
    raise ValueError('"on" or "off"')


def choice(*words: str) -> Callable[[Any], str]:
    """One of these words."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(" or ".join(f'"{word}"' for word in words))
        return str(value)

    return read


def basis_points(value: Any) -> int:
    """An integer in bp, a leverage (`"6.0x"`) or a share (`"10 %"`); exactly, or not at all."""
    if type(value) is int:
        return value
    accepted = 'an integer in basis points, a leverage like "6.0x" or a share like "10 %"'
    if not isinstance(value, str):
        raise ValueError(accepted)
    word = value.strip()
    scale = {"x": 10_000, "%": 100}.get(word[-1:])
    if scale is None:
        raise ValueError(accepted)
    try:
        exact = Decimal(word[:-1].strip()) * scale
    except InvalidOperation:
        raise ValueError(accepted) from None
    if not exact.is_finite() or exact != int(exact):
        raise ValueError(f"{accepted}, in whole basis points")
    return int(exact)


def duration_ns(value: Any) -> int:
    """A duration like `"365 d"`, in ns; a bare integer is ns."""
    if type(value) is int:
        return value
    accepted = f'a duration like "365 d" (units {", ".join(_NS)}) or an integer in ns'
    if not isinstance(value, str):
        raise ValueError(accepted)
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        raise ValueError(accepted)
    exact = Decimal(found[1]) * _NS[found[2]]
    if exact != int(exact):
        raise ValueError(f"{accepted}, in whole nanoseconds")
    return int(exact)
