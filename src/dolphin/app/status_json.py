"""status.json as the guard wrote it, or why it is not believed.

What belongs here: reading it, and what each of its fields may be (nautilus/standing.py writes them). The file is one of
two witnesses: what it says wrongly is told and left out, and never hides what the journal says.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

BYTES_MAX: Final = 4 << 20
"""Of a book with some thousand positions it has a tenth of this."""
_SHOWN: Final = 60


class Kind(NamedTuple):
    """What a field may be, and how that is called."""

    holds: Callable[[Any], bool]
    called: str


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _flag(value: Any) -> bool:
    return value in (0, 1) and isinstance(value, int)


def _amount(value: Any) -> bool:
    if _whole(value):
        return True
    try:
        return _text(value) and str(int(value)) == value
    except ValueError:  # no number, or one of thousands of digits
        return False


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(_text(member) for member in value)


def _wholes(value: Any) -> bool:
    return isinstance(value, list) and all(_whole(member) for member in value)


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and all(_whole(member) for member in value.values())


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(member, dict) for member in value)


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _unit(value: Any) -> bool:
    return value is None or (_whole(value) and value > 0)


TEXT: Final = Kind(_text, "text")
WHOLE: Final = Kind(_whole, "a whole number")
FLAG: Final = Kind(_flag, "true or false")
AMOUNT: Final = Kind(_amount, "a whole number, as text too")
TEXTS: Final = Kind(_texts, "a list of texts")
WHOLES: Final = Kind(_wholes, "a list of whole numbers")
COUNTS: Final = Kind(_counts, "an object of whole numbers")
OBJECT: Final = Kind(_object, "an object")

LIST: Final = Kind(_list, "a list")
OBJECTS: Final = Kind(_objects, "a list of objects")
UNIT: Final = Kind(_unit, "a whole number above 0")

FIELDS: Final[dict[str, Kind]] = {
    "written_ns": AMOUNT, "pid": WHOLE, "instance": TEXT, "live": FLAG, "ended": FLAG, "ts": AMOUNT, "mode": TEXT,
    "episode": WHOLE, "cause": TEXT, "posture": TEXT, "confidence_ms": WHOLE, "readings_bp": WHOLES, "equity": AMOUNT,
    "mark": AMOUNT, "drawdown_bp": WHOLE, "flat": FLAG, "positions": COUNTS, "working": WHOLE, "waiting": TEXTS,
    "report": FLAG, "reasons": COUNTS, "failures": WHOLE, "head": TEXT, "journal": OBJECT, "unknown": COUNTS,
    "day": OBJECT,
}  # fmt: skip
JOURNAL_FIELDS: Final[dict[str, Kind]] = {
    "failing": FLAG, "refused": WHOLE, "waiting": WHOLE, "lost": WHOLE, "error": TEXT, "latch_error": TEXT,
    "not_rotated": TEXT,
}  # fmt: skip
DAY_FIELDS: Final[dict[str, Kind]] = {"day": AMOUNT, "equity": AMOUNT, "mark": AMOUNT, "made": AMOUNT}
HEADER_FIELDS: Final[dict[str, Kind]] = {
    "instance": TEXT, "policy_hash": TEXT, "absent": LIST, "feeds": OBJECTS, "instruments": OBJECTS, "currency": TEXT,
    "minor_per_unit": UNIT,
}  # fmt: skip
"""What a status reads of a journal's header, besides what its fold reads."""


def written(path: Path) -> tuple[dict[str, Any] | None, str]:
    """What the file says, and nothing; or None and why not: it is missing, unreadable, or not as a guard writes it.

    A field that is missing is unknown, one that nobody knows is left alone: the guard may be of another version.
    """
    try:
        raw = _bytes(path)
    except FileNotFoundError:
        return None, "there is none: the guard could not write it, or has not begun"
    except OSError as error:
        return None, f"it cannot be read ({error.strerror})"
    if raw is None:
        return None, "it is no regular file, or far too long for one that a guard wrote"
    try:
        found = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        why = "nested without end" if isinstance(error, RecursionError) else str(error)
        return None, f"it is not as a guard writes it: no JSON ({why})"
    wrong = _wrong(found)
    if wrong:
        return None, f"it is not as a guard writes it: {wrong}"
    return found, ""


def _bytes(path: Path) -> bytes | None:
    """All of a regular file that is not too long; no pipe that would be waited for."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        seen = os.fstat(fd)
        if not stat.S_ISREG(seen.st_mode) or seen.st_size > BYTES_MAX:
            return None
        return file.read(BYTES_MAX)


def _wrong(found: Any) -> str:
    """The first field that is not what it may be: its name, what is accepted, what was found; nothing if all are."""
    if not isinstance(found, dict):
        return f"expected an object, found {_shown(found)}"
    said = first_wrong(found, FIELDS)
    said = said or first_wrong(found.get("journal", {}), JOURNAL_FIELDS, "journal.")
    return said or first_wrong(found.get("day", {}), DAY_FIELDS, "day.")


def first_wrong(found: Mapping[str, Any], kinds: Mapping[str, Kind], before: str = "") -> str:
    """`FIELD: expected X, found Y` of the first field that is there and not of its kind; nothing if there is none."""
    for name, kind in kinds.items():
        if name in found and not kind.holds(found[name]):
            return f"{before}{name}: expected {kind.called}, found {_shown(found[name])}"
    return ""


def _shown(value: Any) -> str:
    try:
        said = json.dumps(value)
    except RecursionError:
        return "something nested without end"
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."
