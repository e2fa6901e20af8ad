"""A scenario file as data: TOML in, `Scenario` out, and nothing that the format does not know.

What belongs here: shapes, keys, types, and errors that name file, line, field, expected and found. Times in a file are
offsets from its start, `"0:04:00"` or `"0:04:00.250"`; they are whole ns from here on.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from dolphin.app.errors import UserError, meant
from dolphin.app.script import VERBS
from dolphin.kernel.policy import Posture
from dolphin.kernel.state import Mode
from tools.scenarios import values
from tools.scenarios.engines import ENGINES
from tools.scenarios.values import offset_ns

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


_POSTURE: Final = values.one(*(posture.name for posture in Posture))
_MODE: Final = values.one(*(mode.name for mode in Mode))

_TOP: Final = {
    "id": Key(values.text, True),
    "name": Key(values.text, True),
    "title": Key(values.text, True),
    "source": Key(values.text, True),
    "engine": Key(values.one(*ENGINES), True),
    "start": Key(values.start, True),
    "not_built": Key(values.text),
}
_BOOK: Final = {
    "balance": Key(values.whole),
    "currency": Key(values.text),
    "leverage": Key(values.whole),
    "oms": Key(values.one("netting", "hedging")),
    "profile": Key(values.one("intraday", "daily")),
    "mode": Key(values.one("guard", "report")),
    "policy": Key(values.table),
    "sensors": Key(values.table),
    "limits": Key(values.text),
    "settings": Key(values.table),
}
_VENUE: Final = {
    "book": Key(values.one("L1", "L2")),
    "limit_fill": Key(values.share),
    "seed": Key(values.whole),
    "latency": Key(values.span_ns),
    "reduce_only": Key(values.flag),
    "used_up": Key(values.flag),
}
LISTS: Final[dict[str, dict[str, Key]]] = {
    "instrument": {
        "id": Key(values.text, True),
        "kind": Key(values.one("fx", "equity", "future", "commodity", "perp"), True),
        "tick": Key(values.text),
        "multiplier": Key(values.whole),
        "count": Key(values.whole),
    },
    "market": {
        "instrument": Key(values.text),
        "rows": Key(values.one("quotes", "bars", "pause")),
        "bar": Key(values.text),
        "every": Key(values.span_ns),
        "for": Key(values.span_ns, True),
        "price": Key(values.number),
        "to": Key(values.number),
        "prices": Key(values.numbers),
        "spread": Key(values.whole),
        "to_spread": Key(values.whole),
        "size": Key(values.whole),
        "to_size": Key(values.whole),
        "levels": Key(values.whole),
        "bid": Key(values.number),
        "delay": Key(values.span_ns),
        "to_delay": Key(values.span_ns),
    },
    "order": {
        "at": Key(offset_ns, True),
        "name": Key(values.text, True),
        "by": Key(values.text),
        "instrument": Key(values.text),
        "side": Key(values.one("buy", "sell"), True),
        "type": Key(values.one("market", "limit", "stop-market"), True),
        "quantity": Key(values.whole, True),
        "price": Key(values.number),
        "reduce_only": Key(values.flag),
        "times": Key(values.whole),
        "every": Key(values.span_ns),
        "step": Key(values.whole),
        "list": Key(values.text),
        "each_instrument": Key(values.flag),
    },
    "cancel": {
        "at": Key(offset_ns, True),
        "name": Key(values.text, True),
        "by": Key(values.text),
        "times": Key(values.whole),
        "every": Key(values.span_ns),
    },
    "command": {
        "at": Key(offset_ns, True),
        "verb": Key(values.one(*VERBS, "status"), True),
        "cause": Key(values.text, True),
        "feed": Key(values.text),
        "until": Key(offset_ns),
        "fault": Key(values.text),
        "category": Key(values.whole),
        "error": Key(values.whole),
        "episode": Key(lambda value: value if value == "last" else values.whole(value)),
        "observed_flat": Key(values.whole),
        "accepted": Key(values.whole),
        "nonce": Key(lambda value: value if value == "last" else values.whole(value)),
        "position": Key(values.text),
        "amount": Key(values.whole),
    },
    "fault": {"at": Key(offset_ns, True), "kind": Key(values.text, True)},
}
_EXPECT: Final = {
    "verdict": Key(values.one("conforms", "violates", "incomplete"), True),
    "tape": Key(values.lines),
    "moves": Key(values.lines),
    "trips": Key(values.lines),
    "answers": Key(values.lines),
    "denied": Key(values.counts),
    "positions": Key(values.counts),
    "final": Key(values.table),
    "counts": Key(values.counts),
    "at_most": Key(values.counts),
    "at_least": Key(values.counts),
}
STATE: Final = {
    "at": Key(offset_ns, True),
    "posture": Key(_POSTURE),
    "mode": Key(_MODE),
    **{
        name: Key(values.whole)
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
        "duration": values.span_ns,
        "count": values.whole,
        "text": values.text,
        "table": values.table,
        "share": values.share,
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
