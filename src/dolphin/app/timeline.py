"""What was done to a book and what the guard made of it, from its journal: the rows of the fault run's table.

What belongs here: grouping records into entries. An entry begins with a command, a fault or a shock, and holds what
followed until the next one: the postures passed, own orders, denials.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dolphin.journal import Record, read
from dolphin.kernel.policy import Posture
from dolphin.kernel.reasons import Cause, Reason
from dolphin.kernel.state import Outcome
from dolphin.kernel.units import NS_PER_S

_POSTURE: Final = Outcome._fields.index("posture")
_SHOWS: Final = {
    "SHOCK": "shock", "FAULT": "fault", "KILL": "kill", "ARM": "arm", "CONFIRM": "confirm", "SENSOR": "sensor-error",
    "REBASE_ARM": "rebase-arm", "REBASE_CONFIRM": "rebase-confirm", "FLOW": "flow",
}  # fmt: skip
"""Kernel kinds that begin an entry, and the verb of the command that brings each."""


@dataclass(slots=True)
class Entry:
    """One row in the making."""

    ts_ns: int
    verb: str
    what: str
    postures: list[int]
    told: bool = False
    did: list[str] = field(default_factory=list)
    own: Counter[str] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)


def entries(path: Path) -> list[Entry]:
    """The entries of the journal at `path`."""
    found: list[Entry] = []
    posture = int(Posture.APEX)
    for record in read(str(path)):
        entry = _begun(record, found, posture)
        if entry is not None:
            found.append(entry)
        if not found:
            found.append(Entry(record.ts_ns, "", "start", [posture]))
        posture = _noted(record, found[-1], posture)
    return found


def _begun(record: Record, found: Sequence[Entry], posture: int) -> Entry | None:
    """A new entry, if this record begins one. A command's own record follows the event that it caused."""
    if record.kind in _SHOWS:
        return Entry(record.ts_ns, _SHOWS[record.kind], _said(record), [posture])
    if record.kind != "COMMAND":
        return None
    data = record.data
    verb = str(data.get("verb", ""))
    text = f"{verb}: {data.get('cause', '')}"
    if found:
        last = found[-1]
        if last.ts_ns == record.ts_ns and last.verb == verb and not last.told:
            last.what = text
            last.told = True
            return None
    entry = Entry(record.ts_ns, verb, text, [posture], told=True)
    answer = data.get("answer", {})
    if not answer.get("ok", True):
        entry.did.append(str(answer.get("error", "refused")))
    return entry


def _said(record: Record) -> str:
    """What an event without a command is: a detector's."""
    if record.kind == "SHOCK":
        return "shock: a detector fired (return beyond 4 sigma, or VIX up 30 %)"
    if record.kind == "FAULT":
        return f"fault: {Cause(int(record.body.cause)).name}"
    if record.kind == "SENSOR":
        return f"category {record.body.category}: {'unreadable' if int(record.body.error) else 'readable again'}"
    return record.kind.lower()


def _noted(record: Record, entry: Entry, posture: int) -> int:
    """Add what the record says to its entry; the posture after it."""
    if record.kind == "OWN":
        entry.own[str(record.data.get("reason", "OWN"))] += 1
        return posture
    out: Any = getattr(record.body, "out", None)
    if out is None:
        return posture
    for kind, *values in record.body.fx:
        if kind == "MOVED":
            posture = int(values[2])
            entry.postures.append(posture)
        elif kind == "TRIPPED":
            entry.did.append(f"kill switch latched, episode {int(values[2])}: no entry, cancel, flatten")
        elif kind == "ANSWER":
            entry.did.append(f"answer {Reason(int(values[0])).name}")
        elif kind == "VERDICT":
            if int(values[0]) == 0:
                entry.denied[Reason(int(values[4])).name] += 1
    return posture


def rows(path: Path) -> list[tuple[str, str, str, str]]:
    """Time, what, postures, what the guard did: text for each entry."""
    return [_row(entry) for entry in entries(path)]


def _row(entry: Entry) -> tuple[str, str, str, str]:
    when = datetime.fromtimestamp(entry.ts_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S")
    postures = " > ".join(Posture(value).name for value in entry.postures)
    did = list(entry.did)
    did += [f"{count} own {'order' if count == 1 else 'orders'} ({name.lower()})" for name, count in entry.own.items()]
    did += [f"{count} denied ({name.lower()})" for name, count in entry.denied.items()]
    return when, entry.what, postures, "; ".join(did) or "nothing was to do"
