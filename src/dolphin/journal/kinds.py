"""Which records there are, and the fields of each, in the order in which they are written.

What belongs here: the table that reader, documentation and tests share. The fields of a kernel kind are its event's
(dolphin.kernel.events) without `ts_ns`, which is the line's `ts`; then `out`, the Outcome; `fx`, the effects; and,
where there is one, `x`: annotations for people, which no decision reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dolphin.journal.encoding import decode
from dolphin.kernel.events import EVENTS, Order

HEADER: Final = "HEADER"
GAP: Final = "GAP"
NOTE: Final = "NOTE"
CHECKPOINT: Final = "CHECKPOINT"
CLOSE: Final = "CLOSE"

OTHER: Final = (HEADER, "FILL", "OWN", "ADOPT", "COMMAND", NOTE, CHECKPOINT, GAP, CLOSE)
"""Kinds that are no kernel event."""

KERNEL: Final[dict[str, tuple[str, ...]]] = {kind: (*event._fields[1:], "out", "fx") for kind, event in EVENTS.items()}
OMITTED: Final[dict[str, dict[str, int]]] = {
    "ORDER": {name: Order._field_defaults[name] for name in ("cap_lots", "cap")},
}
"""Fields, the last of their kind, that are not written where they have this value. They came after the format: a
journal of before them is, byte for byte, what is written today of an order without a cap.
"""
KINDS: Final[dict[bytes, str]] = {kind.encode(): kind for kind in (*KERNEL, *OTHER)}
GAP_FIELDS: Final = ("from", "count", "since_ns", "error", "unsynced")

_encode: Final = msgspec.json.Encoder().encode


def _checker(shape: Any) -> Callable[[bytes], Any]:
    """A function from the text of `data` to its value: of this shape, spelled the one canonical way, or ValueError."""
    decoder = msgspec.json.Decoder(shape).decode

    def check(raw: bytes) -> Any:
        value = decoder(raw)
        if _encode(value) != raw:
            raise ValueError("not canonical: spaces, a duplicate key, other order, or another spelling of a value")
        return value

    return check


def _kernel_shape(kind: str, fields: tuple[str, ...]) -> Any:
    number: Any = int | str
    types: dict[str, Any] = {"out": list[number], "fx": list[list[number]]}
    omitted = OMITTED.get(kind, {})
    plain: list[Any] = []
    for name in fields:
        if name in omitted:
            plain.append((name, number, omitted[name]))
        else:
            plain.append((name, types.get(name, number)))
    notes = ("x", dict[str, Any] | msgspec.UnsetType, msgspec.UNSET)
    return msgspec.defstruct(
        kind, [*plain, notes], forbid_unknown_fields=True, omit_defaults=True, kw_only=True, gc=False
    )


def _gap_shape() -> Any:
    types = (int, int, str, str, int)
    names = ("from_", *GAP_FIELDS[1:])
    return msgspec.defstruct(
        GAP, [*zip(names, types, strict=True)], rename={"from_": "from"}, forbid_unknown_fields=True
    )


CHECKERS: Final[dict[str, Callable[[bytes], Any]]] = (
    {kind: _checker(_kernel_shape(kind, fields)) for kind, fields in KERNEL.items()}
    | dict.fromkeys(OTHER, decode)
    | {GAP: _checker(_gap_shape())}
)
"""Text of `data` to value, for each kind: a struct for kernel kinds and GAP, a dict for the others, whose fields are
free.
"""
