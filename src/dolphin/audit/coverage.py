"""What a journal exercised, and what it therefore cannot show. Nothing passes vacuously (DOL-AUDIT-003).

What belongs here: counting kinds, actions and reasons, and the list of what never happened. Not exercised is no failure
of a journal: it says how far its verdict reaches.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET

from dolphin.audit.finding import Coverage
from dolphin.audit.ledger import COMPARED
from dolphin.journal import KERNEL, OTHER, Record
from dolphin.kernel.events import EFFECTS
from dolphin.kernel.policy import Posture
from dolphin.kernel.reasons import Cause, Reason

_MOVES: Final = tuple(
    f"MOVED {before.name} to {after.name}" for before in Posture for after in Posture if abs(before - after) == 1
)
_REASONS: Final = {
    "VERDICT": (
        "PASSED", "REDUCING", "ALREADY_REDUCING", "KILLED", "POSTURE_NO_ENTRY", "POSTURE_LIMIT_ONLY", "LEVERAGE",
        "STALE", "SENSOR_ERROR", "INSTRUMENT_ERROR", "UNNAMED", "EXCESS", "BELOW_MINIMUM", "UNPRICED",
    ),
    "REDUCED": (
        "TRIM", "FLATTEN", "KILL_FLATTEN", "NOTHING_TO_DO", "NOT_FRESH", "TOO_SOON", "WORKING", "MODE_OFF", "ADOPTED",
    ),
    "ANSWER": (
        "ARMED", "CONFIRMED", "REBASED", "NOT_KILLED", "WRONG_EPISODE", "NOT_FLAT", "NOT_GREEN", "NOT_PENDING",
        "WRONG_NONCE", "TOO_EARLY", "NOT_TRAPPED", "REBASE_RATE", "LAPSED", "CHANGED",
    ),
}  # fmt: skip
_TRIPS: Final = tuple(f"TRIPPED by {cause.name}" for cause in Cause if cause.name != "NONE")
ACTIONS: Final = (
    *_MOVES,
    *_TRIPS,
    *(f"{kind} {reason}" for kind, reasons in _REASONS.items() for reason in reasons),
    "EXCESS",
    "clock stepped back",
)
_FREE_KINDS: Final = ("HEADER", "FILL", "OWN", "ADOPT", "COMMAND", "NOTE", "CLOSE")
_OUT_ONLY: Final = {"GAP": ("since_ns", "error", "unsynced")}


class Counter:
    """What has happened so far."""

    def __init__(self) -> None:
        self.kinds: dict[str, int] = {}
        self.effects: dict[tuple[Any, ...], int] = {}
        self.free: dict[str, set[str]] = {}
        self.noted = False
        self.latest_ns = 0
        self.back_ns = 0
        self.backs = 0

    def take(self, record: Record) -> None:
        """Count one record of any kind."""
        _, _, ts_ns, kind, _, _, _, body, _ = record
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if ts_ns >= self.latest_ns:
            self.latest_ns = ts_ns
        else:
            self.backs += 1
            self.back_ns = max(self.back_ns, self.latest_ns - ts_ns)
        if kind in KERNEL:
            for effect in body.fx:
                key = _key(effect)
                self.effects[key] = self.effects.get(key, 0) + 1
            if not self.noted:
                self.noted = body.x is not UNSET
        elif kind in _FREE_KINDS:
            self.free.setdefault(kind, set()).update(body)

    def coverage(self) -> Coverage:
        """Counts by name, what never happened, and which fields no check reads."""
        actions: dict[str, int] = {}
        for key, count in sorted(self.effects.items(), key=str):
            name = _name(key)
            actions[name] = actions.get(name, 0) + count
        if self.backs:
            actions["clock stepped back"] = self.backs
        kinds = {kind: self.kinds[kind] for kind in (*OTHER[:1], *KERNEL, *OTHER[1:]) if kind in self.kinds}
        missing = [f"kind {kind}" for kind in (*KERNEL, "FILL", "OWN") if kind not in kinds]
        missing += [action for action in ACTIONS if action not in actions]
        free = self.free | ({"any": {"x"}} if self.noted else {})
        unread = [
            f"{kind}.{name}"
            for kind, names in sorted(free.items())
            for name in sorted(names - COMPARED.get(kind, frozenset()))
        ]
        unread += [f"{kind}.{name}" for kind, names in _OUT_ONLY.items() if kind in kinds for name in names]
        seen = {key[0] for key in self.effects}
        unread += [
            f"fx.{kind}.{name}" for kind, effect in EFFECTS.items() if kind not in seen for name in effect._fields
        ]
        return Coverage(kinds, actions, tuple(missing), tuple(unread))


def _key(effect: list[Any]) -> tuple[Any, ...]:
    """What tells one action from another."""
    kind = effect[0]
    if kind == "MOVED":
        return (kind, *effect[2:4])
    if kind == "TRIPPED":
        return (kind, effect[2])
    if kind == "EXCESS":
        return (kind,)
    return (kind, effect[-1])


def _member(enumeration: Any, value: Any) -> str:
    if value in enumeration.__members__.values():
        return str(enumeration(value).name)
    return str(value)


def _name(key: tuple[Any, ...]) -> str:
    kind = str(key[0])
    if kind == "MOVED":
        return f"MOVED {_member(Posture, key[1])} to {_member(Posture, key[2])}"
    if kind == "TRIPPED":
        return f"TRIPPED by {_member(Cause, key[1])}"
    if kind == "EXCESS":
        return kind
    return f"{kind} {_member(Reason, key[1])}"
