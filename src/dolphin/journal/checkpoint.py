"""A checkpoint: the fold of all records before it, written among them, so that a restart need not read a year.

What belongs here: the `data` of a CHECKPOINT record, there and back, and when one is due. The form is made of the
state's own tuples: every field of every one by its name, so that a kernel with another state does not take it for its
own. Reading is strict; who reads one that he did not write falls back (`folding.py`), and the audit refolds it.
docs/design/journal-years.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from functools import cache
from typing import Any, Final, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from dolphin.journal import kept
from dolphin.journal.aside import Aside, restored
from dolphin.journal.codec import Malformed, integer
from dolphin.journal.encoding import LINE_BYTES_MAX, encode
from dolphin.journal.entries import Accounts
from dolphin.kernel.state import State
from dolphin.kernel.units import BP, FULL_MS, clamp

EVERY: Final = 50_000
"""Records between two checkpoints: about a second of folding, and one record in fifty thousand."""

LEDGER: Final = "ledger"
"""The field that came after the format: what a checkpoint says of the ledger (kept.py)."""

AT_ONCE: Final = 32
"""Records that wait for their fold: about half a millisecond of it, the longest that an order waits for others."""

NEVER: Final = 1 << 62
DATA_BYTES_MAX: Final = LINE_BYTES_MAX - 512
"""Longer than this it would make no line; the journal then does without it."""

_decode: Final = msgspec.json.Decoder().decode

_BETWEEN: Final = {
    "confidence_ms": FULL_MS, "held_bp": BP, "r1_bp": BP, "r2_bp": BP, "r3_bp": BP, "r4_bp": BP, "r5_bp": BP,
    "drawdown_bp": BP, "fell": 1, "flat": 1, "episode": NEVER,
}  # fmt: skip
"""Fields that are 0 to this in every state that the kernel reaches; the others may be any integer."""


class Checkpoint(NamedTuple):
    """What a CHECKPOINT record holds. `ledger` False: one of before, without it; nobody can go on from that."""

    state: State
    aside: Aside
    ledger: bool


def data(state: State, aside: Aside, ledger: bool = True) -> str:
    """The `data` of the CHECKPOINT record of this fold: canonical JSON. `ledger` False: as it was written before."""
    made: dict[str, object] = {"state": _plain(state), "aside": aside.plain()}
    if ledger:
        made[LEDGER] = kept.plain(aside.accounts)
    return encode(made)


def read_checkpoint(found: Mapping[str, Any], raw: bytes) -> Checkpoint:
    """The fold that a CHECKPOINT record holds. `raw`: the text of its data. Malformed names the first wrong field."""
    ledger = LEDGER in found
    fields = ["state", "aside"]
    if ledger:
        fields.append(LEDGER)
    if [*found] != fields:
        raise Malformed("data", f"state, aside, {LEDGER}", ", ".join(found))
    made = Checkpoint(_tuple("state", State, found["state"]), restored(found["aside"]), ledger)
    if ledger:
        made.aside.accounts = kept.restored(found[LEDGER])
    if data(*made).encode() != raw:
        raise Malformed("data", "the values as a checkpoint writes them", "another spelling of one")
    return made


UNSURE: Final = "a record is in doubt: no checkpoint is written, and no new file begun, until the next start"


class Keeper:
    """What one writer keeps for its checkpoints: the fold of what it has written aside, and when the next is due.

    `due`: at how many records of this writer. A writer that is no longer sure of its fold stops: the journal is whole
    without checkpoints. The ledger is folded on: it is of what the journal has, and CLOSE has its checksum.
    `unrotated`: why the journal was not rotated when that was due, or will not be any more; else nothing.
    """

    def __init__(self, aside: Aside, since: int, every: int = EVERY, written: int = 0) -> None:
        """`aside`: of the journal as it is taken up. `since`: records since its last checkpoint. `written`: how many of
        this writer's are there already: 1 after a change of policy, which begins a segment with its checkpoint.
        """
        self.written = written
        self.due = every - since
        self._every = every
        self.unrotated = ""
        self._aside = aside
        self._sample = ""
        self._later: list[tuple[str, Mapping[str, Any]]] = []

    @property
    def accounts(self) -> Accounts:
        """The ledger of what the journal has."""
        self._fold()
        return self._aside.accounts

    def took(self, kind: str, text: str, fields: Mapping[str, Any] | None = None) -> None:
        """A record of one of `aside.KINDS` was written. `fields`: what `text` says, where its writer has them at hand:
        such (fills, on the way of an order) are folded a few at once, which is far quicker. Never raises: what cannot
        be folded ends the checkpoints.
        """
        if kind == "EQUITY":
            self._sample = text  # the last one counts: it is read when it is asked for
            return
        if fields is not None:
            self._later.append((kind, fields))
            if len(self._later) >= AT_ONCE:
                self._fold()
            return
        self._fold()
        try:
            self._aside.each(kind, _decode(text))
        except (ValueError, TypeError, AttributeError, KeyError):
            self.stop()

    def _fold(self) -> None:
        """Fold what waits, in the order of the records: before another is, and before anybody asks for the fold."""
        later = self._later
        self._later = []
        for kind, fields in later:
            try:
                self._aside.each(kind, fields)
            except (ValueError, TypeError, AttributeError, KeyError):
                self.stop()

    def stop(self) -> None:
        """No more checkpoints from this writer."""
        self.due = NEVER
        self.unrotated = UNSURE

    def take(self, state: State, records: int) -> str:
        """The `data` of the checkpoint that is due; the next one is due later. Empty where it would make no line, or
        what waited for its fold could not be folded.
        """
        self._fold()
        if self.due == NEVER:
            return ""
        self.due = records + self._every
        if self._sample:
            self._aside.each("EQUITY", _decode(self._sample))
        text = data(state, self._aside)
        if len(text.encode()) > DATA_BYTES_MAX:
            return ""
        return text


def _plain(value: Any) -> Any:
    """Tuples with names as objects, others as lists, numbers as integers."""
    if not isinstance(value, tuple):
        return int(value)
    names = getattr(value, "_fields", None)
    if names is None:
        return [_plain(member) for member in value]
    return {name: _plain(member) for name, member in zip(names, value, strict=True)}


def _value(field: str, shape: Any, value: object) -> Any:
    if get_origin(shape) is tuple:
        return _row(field, get_args(shape)[0], value)
    if issubclass(shape, tuple):
        return _tuple(field, shape, value)
    return _number(field, shape, value)


def _tuple(field: str, shape: Any, value: object) -> Any:
    if type(value) is not dict:
        raise Malformed(field, "an object", value)
    if tuple(value) != shape._fields:
        raise Malformed(field, ", ".join(shape._fields), ", ".join(value))
    kinds = _kinds(shape)
    return shape(*[_value(f"{field}.{name}", kinds[name], member) for name, member in value.items()])


@cache
def _kinds(shape: Any) -> dict[str, Any]:
    """The types of a tuple's fields: few tuples, many feeds."""
    return get_type_hints(shape)


def _row(field: str, shape: Any, value: object) -> tuple[Any, ...]:
    if type(value) is not list:
        raise Malformed(field, "a list", value)
    return tuple([_value(f"{field}[{index}]", shape, member) for index, member in enumerate(value)])


def _number(field: str, shape: Any, value: object) -> int:
    number = integer(field, value)
    most = _BETWEEN.get(field.rpartition(".")[2])
    if most is not None:
        if clamp(number, 0, most) != number:
            raise Malformed(field, f"0 to {most}", number)
    if not issubclass(shape, IntEnum):
        return number
    try:
        member: int = shape(number)
    except ValueError:
        raise Malformed(field, f"a {shape.__name__}", number) from None
    return member
