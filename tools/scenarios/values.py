"""How a value of a scenario file is read: offsets, spans, shares, numbers, lines, tables.

What belongs here: functions from what TOML gives to what a run takes; ValueError's text says what is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from dolphin.app.toml_file import duration_ns
from dolphin.kernel.units import NS_PER_S

_OFFSET: Final = re.compile(r"(\d+):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?")


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


def span_ns(value: Any) -> int:
    """A duration; one with a minus sign too (a source whose clock is ahead)."""
    if isinstance(value, str) and value.startswith("-"):
        return -duration_ns(value[1:])
    if not isinstance(value, str):
        raise ValueError('a duration such as "250 ms"')
    return duration_ns(value)


def text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("text in quotes")
    return value


def whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("a whole number")
    return value


def number(value: Any) -> int | float:
    """A price: TOML's `nan` and `inf` are what a poisoned feed sends."""
    if type(value) not in (int, float):
        raise ValueError("a number, or nan, inf, -inf")
    return value


def numbers(value: Any) -> tuple[int | float, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("a list of numbers")
    return tuple(number(each) for each in value)


def flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("true or false")
    return value


def share(value: Any) -> float:
    """`"48 %"` as 0.48."""
    if isinstance(value, str) and value.endswith("%"):
        word = value[:-1].strip()
        if word.isdecimal() and int(word) <= 100:
            return int(word) / 100
    raise ValueError('a share such as "48 %"')


def table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a table")
    return value


def counts(value: Any) -> Mapping[str, int]:
    return {name: whole(number) for name, number in table(value).items()}


def lines(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("a list of lines in quotes")
    return tuple(text(each) for each in value)


def one(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(" | ".join(words))
        return str(value)

    return read


def start(value: Any) -> int:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time with its zone, such as 2010-05-06T18:32:00Z")
    return int(value.astimezone(UTC).timestamp()) * NS_PER_S
