"""A scenario file as data: TOML in, `Scenario` out, and nothing that the format does not know.

What belongs here: shapes, keys, types, and errors that name file, line, field, expected and found. Times in a file are
offsets from its start, `"0:04:00"` or `"0:04:00.250"`; they are whole ns from here on.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from dolphin.app.errors import UserError, meant
from dolphin.app.script import VERBS
from dolphin.app.toml_file import duration_ns
from dolphin.kernel.policy import Posture
from dolphin.kernel.state import Mode
from dolphin.kernel.units import NS_PER_S
from tools.scenarios.engines import ENGINES

_OFFSET: Final = re.compile(r"(\d+):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?")
_HEADER: Final = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One table of a list: `[[order]]`, `[[market]]`, ... `values`: by key, times in ns; `line`: of its header."""

    line: int
    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a key, or `default`."""
        return self.values.get(name, default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What must come of it; None where the file says nothing.

    `tape`, `moves`, `trips`, `answers`: every line, in order. `denied`, `positions`, `final`: the whole mapping.
    `counts`, `at_most`, `at_least`: the figures that are named. `states`: what stands at a moment.
    """

    verdict: str
    tape: tuple[str, ...] | None = None
    moves: tuple[str, ...] | None = None
    trips: tuple[str, ...] | None = None
    answers: tuple[str, ...] | None = None
    denied: Mapping[str, int] | None = None
    positions: Mapping[str, int] | None = None
    final: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    at_most: Mapping[str, int] = field(default_factory=dict)
    at_least: Mapping[str, int] = field(default_factory=dict)
    states: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One file. `not_built`: why it cannot run, where a part of Dolphin is not there yet."""

    path: str
    id: str
    name: str
    title: str
    source: str
    engine: str
    start_ns: int
    book: Mapping[str, Any]
    venue: Mapping[str, Any]
    instruments: tuple[Entry, ...]
    market: tuple[Entry, ...]
    orders: tuple[Entry, ...]
    cancels: tuple[Entry, ...]
    commands: tuple[Entry, ...]
    faults: tuple[Entry, ...]
    expect: Expect
    not_built: str = ""


class Key(NamedTuple):
    """A key of a table: how its value is read; ValueError's text says what is accepted."""

    read: Callable[[Any], Any]
    needed: bool = False


def offset_ns(value: Any) -> int:
    """`"0:04:00"` or `"1:02:03.250"` from the start, in ns."""
    found = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('an offset from the start such as "0:04:00" or "0:04:00.250"')
    hours, minutes, seconds, rest = found.groups()
    whole = int(hours) * 3_600 + int(minutes) * 60 + int(seconds)
    return whole * NS_PER_S + int((rest or "0").ljust(9, "0"))


def offset_text(ns: int) -> str:
    """The other way round."""
    seconds, nanos = divmod(ns, NS_PER_S)
    text = f"{seconds // 3_600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{nanos:09d}".rstrip("0") if nanos else text


def _span_ns(value: Any) -> int:
    """A duration; one with a minus sign too (a source whose clock is ahead)."""
    if isinstance(value, str) and value.startswith("-"):
        return -duration_ns(value[1:])
    if not isinstance(value, str):
        raise ValueError('a duration such as "250 ms"')
    return duration_ns(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("text in quotes")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("a whole number")
    return value


def _number(value: Any) -> int | float:
    """A price: TOML's `nan` and `inf` are what a poisoned feed sends."""
    if type(value) not in (int, float):
        raise ValueError("a number, or nan, inf, -inf")
    return value


def _numbers(value: Any) -> tuple[int | float, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("a list of numbers")
    return tuple(_number(each) for each in value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("true or false")
    return value


def _share(value: Any) -> float:
    """`"48 %"` as 0.48."""
    if isinstance(value, str) and value.endswith("%"):
        word = value[:-1].strip()
        if word.isdecimal() and int(word) <= 100:
            return int(word) / 100
    raise ValueError('a share such as "48 %"')


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a table")
    return value


def _counts(value: Any) -> Mapping[str, int]:
    return {name: _whole(number) for name, number in _table(value).items()}


def _lines(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("a list of lines in quotes")
    return tuple(_text(each) for each in value)


def _one(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(" | ".join(words))
        return str(value)

    return read


def _start(value: Any) -> int:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time with its zone, such as 2010-05-06T18:32:00Z")
    return int(value.astimezone(UTC).timestamp()) * NS_PER_S


_POSTURE: Final = _one(*(posture.name for posture in Posture))
_MODE: Final = _one(*(mode.name for mode in Mode))

_TOP: Final = {
    "id": Key(_text, True),
    "name": Key(_text, True),
    "title": Key(_text, True),
    "source": Key(_text, True),
    "engine": Key(_one(*ENGINES), True),
    "start": Key(_start, True),
    "not_built": Key(_text),
}
_BOOK: Final = {
    "balance": Key(_whole),
    "currency": Key(_text),
    "leverage": Key(_whole),
    "oms": Key(_one("netting", "hedging")),
    "profile": Key(_one("intraday", "daily")),
    "mode": Key(_one("guard", "report")),
    "policy": Key(_table),
    "sensors": Key(_table),
    "settings": Key(_table),
}
_VENUE: Final = {
    "book": Key(_one("L1", "L2")),
    "limit_fill": Key(_share),
    "seed": Key(_whole),
    "latency": Key(_span_ns),
    "reduce_only": Key(_flag),
    "used_up": Key(_flag),
}
LISTS: Final[dict[str, dict[str, Key]]] = {
    "instrument": {
        "id": Key(_text, True),
        "kind": Key(_one("fx", "equity", "future", "commodity", "perp"), True),
        "tick": Key(_text),
        "multiplier": Key(_whole),
        "count": Key(_whole),
    },
    "market": {
        "instrument": Key(_text),
        "rows": Key(_one("quotes", "bars", "pause")),
        "bar": Key(_text),
        "every": Key(_span_ns),
        "for": Key(_span_ns, True),
        "price": Key(_number),
        "to": Key(_number),
        "prices": Key(_numbers),
        "spread": Key(_whole),
        "to_spread": Key(_whole),
        "size": Key(_whole),
        "to_size": Key(_whole),
        "levels": Key(_whole),
        "bid": Key(_number),
        "delay": Key(_span_ns),
        "to_delay": Key(_span_ns),
    },
    "order": {
        "at": Key(offset_ns, True),
        "name": Key(_text, True),
        "by": Key(_text),
        "instrument": Key(_text),
        "side": Key(_one("buy", "sell"), True),
        "type": Key(_one("market", "limit", "stop-market"), True),
        "quantity": Key(_whole, True),
        "price": Key(_number),
        "reduce_only": Key(_flag),
        "times": Key(_whole),
        "every": Key(_span_ns),
        "list": Key(_text),
        "each_instrument": Key(_flag),
    },
    "cancel": {
        "at": Key(offset_ns, True),
        "name": Key(_text, True),
        "by": Key(_text),
        "times": Key(_whole),
        "every": Key(_span_ns),
    },
    "command": {
        "at": Key(offset_ns, True),
        "verb": Key(_one(*VERBS, "status"), True),
        "cause": Key(_text, True),
        "feed": Key(_text),
        "until": Key(offset_ns),
        "fault": Key(_text),
        "category": Key(_whole),
        "error": Key(_whole),
        "episode": Key(lambda value: value if value == "last" else _whole(value)),
        "observed_flat": Key(_whole),
        "accepted": Key(_whole),
        "nonce": Key(lambda value: value if value == "last" else _whole(value)),
        "position": Key(_text),
        "amount": Key(_whole),
    },
    "fault": {"at": Key(offset_ns, True), "kind": Key(_text, True)},
}
_EXPECT: Final = {
    "verdict": Key(_one("conforms", "violates", "incomplete"), True),
    "tape": Key(_lines),
    "moves": Key(_lines),
    "trips": Key(_lines),
    "answers": Key(_lines),
    "denied": Key(_counts),
    "positions": Key(_counts),
    "final": Key(_table),
    "counts": Key(_counts),
    "at_most": Key(_counts),
    "at_least": Key(_counts),
}
STATE: Final = {
    "at": Key(offset_ns, True),
    "posture": Key(_POSTURE),
    "mode": Key(_MODE),
    **{
        name: Key(_whole)
        for name in ("confidence_ms", "held_bp", "r1_bp", "r2_bp", "r3_bp", "r4_bp", "r5_bp", "drawdown_bp", "episode")
    },
}
_FINAL: Final = {name: key for name, key in STATE.items() if name != "at"}


class _File:
    """A file that is read: its text for line numbers, its tables."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            raw = path.read_text(encoding="utf-8")
            self.tables = tomllib.loads(raw)
        except OSError as error:
            raise UserError(f"cannot be read ({error.strerror})", path=path, fix="name a scenario file") from None
        except tomllib.TOMLDecodeError as error:
            raise UserError(f"is no TOML: {error}", path=path, fix="mend it") from None
        self.lines = raw.splitlines()

    def line(self, table: str, number: int, key: str) -> int | None:
        """The line of `key` in the `number`-th (from 0) table of that name, or of its header; "" is the file's top."""
        current, header = "", None
        found = -1 if table else 0
        for at, text in enumerate(self.lines, 1):
            match = _HEADER.match(text)
            if match is not None:
                current = match[1]
                if current == table:
                    found += 1
                    if found == number:
                        header = at
            elif current == table and found == number and re.match(rf"\s*{key}\s*=", text):
                return at
        return header

    def read(self, table: str, number: int, given: Any, keys: Mapping[str, Key]) -> dict[str, Any]:
        """The values of one table. UserError for an unknown, missing or wrong key."""
        if not isinstance(given, dict):
            raise UserError("is no table", path=self.path, field=table, fix=f"write [{table}] above its keys")
        values: dict[str, Any] = {}
        for name, value in given.items():
            where = {"path": self.path, "line": self.line(table, number, name), "field": f"{table}.{name}".lstrip(".")}
            if name not in keys:
                fix = f"{meant(name, keys)} accepted: {', '.join(keys)}".strip()
                raise UserError("unknown key", fix=fix, **where)  # type: ignore[arg-type]
            try:
                values[name] = keys[name].read(value)
            except ValueError as error:
                raise UserError("wrong value", expected=str(error), actual=value, **where) from None  # type: ignore[arg-type]
        for name, key in keys.items():
            if key.needed and name not in values:
                line = self.line(table, number, "")
                raise UserError("is missing", path=self.path, line=line, field=f"{table}.{name}".lstrip("."))
        return values

    def entries(self, table: str, given: Any, keys: Mapping[str, Key]) -> tuple[Entry, ...]:
        """The tables of a list."""
        if not isinstance(given, list):
            raise UserError("is no list of tables", path=self.path, field=table, fix=f"write [[{table}]]")
        made = []
        for number, each in enumerate(given):
            line = self.line(table, number, "") or 0
            made.append(Entry(line=line, values=self.read(table, number, each, keys)))
        return tuple(made)


def read(path: Path) -> Scenario:
    """The scenario of one file. UserError says file, line, field, what is accepted and what was found."""
    file = _File(path)
    tables = dict(file.tables)
    nested = {name: tables.pop(name, {}) for name in ("book", "venue", "expect")}
    lists = {name: tables.pop(name, []) for name in LISTS}
    for name, value in tables.items():
        if isinstance(value, list | dict):
            known = ("book", "venue", "expect", *LISTS)
            fix = f"{meant(name, known)} accepted: {', '.join(known)}".strip()
            raise UserError("unknown table", path=path, line=file.line(name, 0, ""), field=name, fix=fix)
    top = file.read("", 0, tables, _TOP)
    states = nested["expect"].pop("state", [])
    expect = file.read("expect", 0, nested["expect"], _EXPECT)
    if "final" in expect:
        expect["final"] = file.read("expect.final", 0, expect["final"], _FINAL)
    faults = ENGINES[top["engine"]].faults
    found = {name: file.entries(name, lists[name], LISTS[name]) for name in LISTS if name != "fault"}
    made = Scenario(
        path=str(path),
        start_ns=top.pop("start"),
        book=file.read("book", 0, nested["book"], _BOOK),
        venue=file.read("venue", 0, nested["venue"], _VENUE),
        instruments=found["instrument"],
        market=found["market"],
        orders=found["order"],
        cancels=found["cancel"],
        commands=found["command"],
        faults=_faults(file, lists["fault"], faults),
        expect=Expect(states=file.entries("expect.state", states, STATE), **expect),
        **top,
    )
    if not made.instruments and not made.not_built:
        raise UserError("has no [[instrument]]", path=path, fix="say what is traded")
    return made


def _faults(file: _File, given: Any, known: Mapping[str, Mapping[str, str]]) -> tuple[Entry, ...]:
    """What goes wrong besides the market: each engine says which kinds it can, and with which keys.

    A key's type is named: "offset", "duration", "count", "share", "text", "table".
    """
    types = {
        "offset": offset_ns,
        "duration": _span_ns,
        "count": _whole,
        "text": _text,
        "table": _table,
        "share": _share,
    }
    made = []
    for number, each in enumerate(given):
        line = file.line("fault", number, "kind")
        kind = each.get("kind")
        if kind not in known:
            accepted = ", ".join(known) or "none with this engine"
            raise UserError(
                "unknown fault", path=file.path, line=line, field="fault.kind", expected=accepted, actual=kind
            )
        keys = LISTS["fault"] | {name: Key(types[word]) for name, word in known[kind].items()}
        made.append(Entry(line=line or 0, values=file.read("fault", number, each, keys)))
    return tuple(made)
