"""The bytes of a journal: line, chain, values. docs/journal-format.md is this file in prose.

What belongs here: the format's constants and total functions between Python values and text; no files. A line is

    {"seq":N,"ts":"NS","kind":"K","policy":"P16","data":{...},"hash":"H64"}\\n

`hash` is sha256 over the 32 raw bytes of the line before's hash and this line's bytes up to, not including, `,"hash"`;
before the first line stands GENESIS. There is one way to write a record, so that a reader hashes what it reads and
never writes it again: no spaces, no duplicate keys, fields in the given order, numbers beyond 2^53 as decimal strings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

FORMAT: Final = 1
GENESIS: Final = sha256(b"dolphin-journal-1").digest()
"""What stands for the hash before the first record: sha256 of the format's name."""

POLICY_CHARS: Final = 16
"""How much of the policy's hash each line repeats; the header has all of it."""

HASH_CHARS: Final = 64
TAIL_BYTES: Final = len(',"hash":"') + HASH_CHARS + len('"}')
"""Length of a line's end, from `,"hash"` to the closing brace, without the newline."""

EXACT: Final = 1 << 53
"""The largest integer that is written as a number: beyond it a reader in JavaScript or jq would round."""

TS_MAX_NS: Final = (1 << 63) - 1
LINE_BYTES_MAX: Final = 1 << 20
"""Longest line, end included: a reader never holds more than this of a file that has no line ends."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Head(NamedTuple):
    """The last record: what `--anchor` and the head file name. `hash` in lower-case hex."""

    seq: int
    hash: str

    @property
    def anchor(self) -> str:
        """`SEQ:HASH`, as printed at the end of a run and given to `--anchor`."""
        return f"{self.seq}:{self.hash}"


def anchor(text: str) -> Head:
    """The head that `SEQ:HASH` names. ValueError where it is neither."""
    seq, colon, digest = text.partition(":")
    if not colon:
        raise ValueError(f"anchor {text!r}: accepted SEQ:HASH, as the run printed it")
    if not _is_number(seq):
        raise ValueError(f"anchor {text!r}: {seq!r} is not a sequence number; accepted SEQ:HASH, as the run printed it")
    if not is_hex(digest, HASH_CHARS):
        raise ValueError(f"anchor {text!r}: the hash is not {HASH_CHARS} lower-case hex digits; accepted SEQ:HASH")
    return Head(int(seq), digest)


def is_hex(value: str, least: int) -> bool:
    """Whether `value` is lower-case hex and at least `least` characters long."""
    if len(value) < least:
        return False
    return not value.strip("0123456789abcdef")


def _is_number(value: str) -> bool:
    if not value.isascii():
        return False
    return value.isdecimal()


def exact(value: int) -> int | str:
    """The form in which an integer is written: a number up to 2^53 in size, a decimal string beyond."""
    if abs(value) > EXACT:
        return f"{value:d}"
    return value


def ready(fields: Mapping[str, int | str]) -> str:
    """Compact JSON text of an object whose values have their form already (`exact`), so that `decode` gives it back:
    for what is hot. ValueError as `text`.
    """
    return _encode(fields).decode()


def integer(value: object) -> int:
    """The integer that a decoded value stands for: a number up to 2^53, or a decimal string. ValueError for the
    rest.
    """
    if type(value) is int:
        if abs(value) > EXACT:
            raise ValueError(f"{value} stands as a number; beyond 2^53 it is written as a string")
        return value
    if type(value) is not str:
        raise ValueError(f"{value!r} is no integer")
    if not _is_number(value.removeprefix("-")):
        raise ValueError(f"{value!r} is no decimal integer")
    result = int(value)
    if str(result) != value:
        raise ValueError(f"{value!r} is no decimal integer as Dolphin writes it, {result}")
    return result


def text(value: str) -> str:
    """JSON text of a string, quotes included. ValueError where UTF-8 has no form of it (a lone surrogate)."""
    return _encode(value).decode()


def writable(value: str) -> str:
    """Text that a journal can write, of what a terminal or an exception gave: what UTF-8 has no form of is spelled."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def encode(fields: Mapping[str, object]) -> str:
    """Compact JSON text of an object, as `append` takes it: for what is not hot (headers, notes, commands).

    Integers beyond 2^53, and all in fields named `*_ns`, become strings; tuples lists. ValueError for NaN, infinity
    and what JSON has no word for.
    """
    return _encode(_plain(fields)).decode()


def _plain(value: object) -> object:
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, int):
        return exact(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no JSON form; say what is missing in words")
        return value
    if isinstance(value, Mapping):
        return {_key(key): _member(key, member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    raise ValueError(f"{value!r} has no JSON form; accepted: None, bool, int, float, str, mapping, list, tuple")


def _member(key: object, value: object) -> object:
    if not str(key).endswith("_ns"):
        return _plain(value)
    if type(value) is not int:
        return _plain(value)
    return str(value)


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError(f"key {key!r} is no string")
    return str(key)


def decode(raw: bytes) -> dict[str, object]:
    """The object that `raw` spells. ValueError unless it is spelled the one canonical way."""
    try:
        value = _decode(raw)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    if type(value) is not dict:
        raise ValueError("no JSON object")
    if _encode(value) != raw:
        raise ValueError("not canonical: spaces, a duplicate key, or another spelling of a value")
    return value
