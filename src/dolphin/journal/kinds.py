"""Which records there are, and the fields of each, in the order in which they are written.

What belongs here: the table that reader, documentation and tests share. The fields of a kernel kind are its event's
(dolphin.kernel.events) without `ts_ns`, which is the line's `ts`; then `out`, the Outcome; `fx`, the effects; and, where
there is one, `x`: annotations for people, which no decision reads.
"""

from __future__ import annotations

from typing import Final

from dolphin.kernel.events import EVENTS

HEADER: Final = "HEADER"
GAP: Final = "GAP"
NOTE: Final = "NOTE"
CLOSE: Final = "CLOSE"

GAP_FIELDS: Final = ("from", "count", "since", "error", "unsynced")
OTHER: Final = ("HEADER", "FILL", "OWN", "ADOPT", "COMMAND", "NOTE", "GAP", "CLOSE")
"""Kinds that are no kernel event."""

KERNEL: Final[dict[str, tuple[str, ...]]] = {
    kind: (*event._fields[1:], "out", "fx")
    for kind, event in EVENTS.items()
}
KINDS: Final[dict[bytes, str]] = {kind.encode(): kind for kind in (*KERNEL, *OTHER)}
SHAPES: Final[dict[str, frozenset[tuple[str, ...]]]] = {
    kind: frozenset({fields, (*fields, "x")}) for kind, fields in KERNEL.items()
} | {GAP: frozenset({GAP_FIELDS})}
"""The field lists that a kind may have. A kind that is not here may have any fields."""
