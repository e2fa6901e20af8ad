"""status.json as no guard wrote it: each field with each type of JSON is named and left out, and nothing else is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dolphin.app.cli import main
from dolphin.app.status_json import BYTES_MAX, DAY_FIELDS, FIELDS, JOURNAL_FIELDS
from dolphin.kernel.events import Equity, Seen
from dolphin.kernel.policy import INTRADAY
from tests.app.books import T0, Book
from tests.nautilus.rig import Rig, audusd, quotes
from tests.nautilus.test_kill import make

GOOD: dict[str, Any] = {
    "written_ns": "0", "pid": 5, "instance": "guard-1", "live": False, "ended": False, "ts": "1", "mode": "RUNNING",
    "episode": 0, "cause": "NONE", "posture": "APEX", "confidence_ms": 6_000_000, "readings_bp": [10_000] * 5,
    "equity": "1000000", "mark": "1000000", "drawdown_bp": 0, "flat": True, "positions": {"P-1": 7}, "working": 0,
    "waiting": ["P-1"], "report": False, "reasons": {"KILLED": 2}, "failures": 0, "head": "0:ab",
    "journal": {"failing": True, "refused": 3, "waiting": 2, "lost": 0, "error": "ENOSPC", "latch_error": ""},
    "unknown": {"O-1": 12_000}, "day": {"day": "20779", "equity": "1000", "mark": "1000", "made": "-5"},
}  # fmt: skip
INNER: dict[str, Any] = {"journal": JOURNAL_FIELDS, "day": DAY_FIELDS}
TYPES: dict[str, Any] = {
    "null": None, "true": True, "0": 0, "7": 7, "1.5": 1.5, "NaN": float("nan"), "-Infinity": float("-inf"),
    "text": "x", "": "", "number as text": "7", "long number as text": "9" * 5_000, "empty list": [],
    "list of null": [None], "list of text": ["x"], "list of numbers": [1], "list of lists": [[]], "empty object": {},
    "object of text": {"a": "b"}, "object of numbers": {"a": 1}, "object of objects": {"a": {}},
    "half a pair": "\ud800", "keys of half a pair": {"\ud800": 1},
}  # fmt: skip
TAKES: dict[str, set[str]] = {
    "text": {"text", "", "number as text", "long number as text", "half a pair"},
    "a whole number": {"0", "7"},
    "true or false": {"true", "0"},
    "a whole number, as text too": {"0", "7", "number as text"},
    "a list of texts": {"empty list", "list of text"},
    "a list of whole numbers": {"empty list", "list of numbers"},
    "an object of whole numbers": {"empty object", "object of numbers", "keys of half a pair"},
}
"""By what the message calls a kind: the types that it accepts."""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    made = Book(tmp_path_factory.mktemp("books") / "book", INTRADAY)
    yield made
    made.journal.release()


def told(book: Book, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What status says of a running book with this status.json."""
    (book.path / "status.json").write_text(text)
    assert main(["status", "--state", str(book.path), "--json"]) == 0
    json.loads(capsys.readouterr().out)
    assert main(["status", "--state", str(book.path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"running (process {os.getpid()})" in out
    return out


@pytest.mark.parametrize("field", [*FIELDS, *(f"{of}.{name}" for of in INNER for name in INNER[of])])
def test_each_field_with_each_type(book: Book, capsys: pytest.CaptureFixture[str], field: str) -> None:
    within, _, name = field.rpartition(".")
    kind = INNER[within][name] if within else FIELDS[name]
    for called, value in TYPES.items():
        changed = json.loads(json.dumps(GOOD))
        (changed[within] if within else changed)[name] = value
        out = told(book, json.dumps(changed), capsys)
        wrong = [line for line in out.splitlines() if line.startswith("status.json")]
        if kind.called == "an object":
            accepted = called == "empty object"
        else:
            accepted = called in TAKES[kind.called]
        if accepted:
            assert wrong == [] or (field == "instance" and "of a run that is gone" in wrong[0]) or "s old" in wrong[0]
        elif field in INNER and isinstance(value, dict):
            assert wrong == []  # fields that nobody knows
        else:
            found = json.dumps(value)[:60]
            assert wrong[0].startswith(f"status.json  not shown: it is not as a guard writes it: {field}: expected")
            assert f"expected {kind.called}, found {found}" in wrong[0]
            assert "P-1" not in out


def test_what_a_guard_writes_is_believed_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every field of the table is one that a guard writes, and the other way round."""
    Rig(tmp_path, audusd()).add(make({})).run(quotes(audusd(), [65_000] * 5))
    said = json.loads((tmp_path / "status.json").read_text())
    assert said.keys() == FIELDS.keys()
    assert said["journal"].keys() == JOURNAL_FIELDS.keys()
    for name, kind in [*FIELDS.items()]:
        assert kind.holds(said[name]), name
    for name, kind in [*JOURNAL_FIELDS.items()]:
        assert kind.holds(said["journal"][name]), name


def test_a_field_that_is_missing_is_unknown(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    for name in GOOD:
        out = told(book, json.dumps({key: value for key, value in GOOD.items() if key != name}), capsys)
        assert ("of a run that is gone" in out) == (name == "instance")
        assert "expected" not in out
    assert "status.json" not in told(book, json.dumps({**GOOD, "of_tomorrow": [{}]}), capsys)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON (Expecting value: line 1 column 1 (char 0))"),
        ("[", "no JSON ("),
        ("5", "expected an object, found 5"),
        ("null", "expected an object, found null"),
        ('["a"]', 'expected an object, found ["a"]'),
        ("[" * 200_000, "no JSON (nested without end)"),
        ('{"positions":' * 200_000, "no JSON (nested without end)"),
        ('{"written_ns":' + "9" * 5_000 + "}", "no JSON ("),
    ],
)
def test_what_is_no_status_at_all(book: Book, capsys: pytest.CaptureFixture[str], text: str, why: str) -> None:
    assert f"not shown: it is not as a guard writes it: {why}" in told(book, text, capsys)


def test_nesting_that_the_parser_takes(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    for depth in range(300, 1_500, 50):
        out = told(book, f'{{"positions":{"[" * depth}{"]" * depth}}}', capsys)
        assert "status.json  not shown: it is not as a guard writes it" in out


def test_what_is_no_file_that_a_guard_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe is not waited for, a link not followed, an endless file not read."""
    book = Book(tmp_path / "book", INTRADAY)
    where = book.path / "status.json"

    def said() -> str:
        began_s = time.monotonic()
        assert main(["status", "--state", str(book.path)]) == 0
        assert time.monotonic() - began_s < 5
        out = capsys.readouterr().out
        return next(line for line in out.splitlines() if line.startswith("status.json"))

    assert "there is none: the guard could not write it, or has not begun" in said()
    where.mkdir()
    assert "it is no regular file" in said() or "Is a directory" in said()
    where.rmdir()
    os.mkfifo(where)
    assert "it is no regular file" in said()
    where.unlink()
    where.symlink_to("/dev/zero")
    assert "it cannot be read" in said()
    where.unlink()
    with open(where, "wb") as file:
        file.truncate(BYTES_MAX + 1)
    assert "far too long" in said()
    where.write_bytes(b"\xff\xfe")
    assert "not as a guard writes it: no JSON ('utf-8' codec" in said()
    book.journal.release()


# --- the journal of a book that runs, whose chain nobody checks in passing --------------------------------------------


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value of a JSON document is, itself first."""
    yield at
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if key != "policy":
            yield from places(member, (*at, key))


def changed(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    made = json.loads(json.dumps(document))
    inner = made
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return made


@pytest.mark.parametrize("number", range(3))
def test_a_foreign_record_of_a_book_that_runs_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    book = Book(tmp_path / "book", INTRADAY, feeds=("a",))
    book.emit(Seen(T0 + 10**9, 0, T0 + 2 * 10**9))
    book.emit(Equity(T0 + 2 * 10**9, 1_000_000, flat=1))
    where = book.path / "journal.jsonl"
    lines = where.read_text().splitlines()
    record = json.loads(lines[number])
    codes = {0: 0, 2: 0}
    for at in places(record):
        for value in (*TYPES.values(), -(10**30), 10**30):
            written = json.dumps(changed(record, at, value))
            where.write_text("\n".join([*lines[:number], written, *lines[number + 1 :], ""]))
            code = main(["status", "--state", str(book.path)])
            out, err = capsys.readouterr()
            codes[code] += 1
            assert (code == 0) == ("book         running" in out)
            assert (code == 2) == err.startswith(f"error: {where}")
    assert min(codes.values()) > 20
    where.write_text("\n".join([*lines, ""]))
    book.journal.release()


def test_a_foreign_lock_file_names_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book(tmp_path / "book", INTRADAY)
    where = book.path / "journal.jsonl.lock"
    said = json.loads(where.read_text())
    texts = [json.dumps(changed(said, at, value)) for at in places(said) for value in TYPES.values()]
    for text in [*texts, "", "[" * 200_000, '{"pid":Infinity,"instance":"x"}']:
        where.write_text(text)
        assert main(["status", "--state", str(book.path)]) == 0
        assert "book         running (process " in capsys.readouterr().out
    book.journal.release()
