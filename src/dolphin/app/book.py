"""What a journal says of its book now: by folding it, or from its last records alone.

What belongs here: reading only. `folded` checks the chain and rebuilds the state, from the last checkpoint on where
there is one; `tail` looks at the end of a file that may be being written (no chain is checked, the audit is for that).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dolphin.app.errors import UserError
from dolphin.app.status_json import HEADER_FIELDS, first_wrong
from dolphin.journal import codec, encode, folding
from dolphin.journal.checkpoint import read_checkpoint
from dolphin.journal.entries import Accounts
from dolphin.journal.kinds import CHECKPOINT, NOTE
from dolphin.journal.recovery import Recovery
from dolphin.kernel.events import EVENTS
from dolphin.kernel.policy import Policy, Posture
from dolphin.kernel.state import Mode, Outcome, State, outcome

TAIL_BYTES: Final = 4 << 20
_AUDIT: Final = "run `trace-audit` on it"


@dataclass(slots=True)
class Folded:
    """A book as its journal makes it. `waiting`: positions written in ADOPT that nobody has decided on. `kill_texts`:
    the causes that operators gave, by episode, the first of one first. `begun`: the checkpoint from which it was
    folded, 0: the header. `limits`: the pre-trade limits in force. `accounts`: the ledger.
    """

    header: Mapping[str, Any]
    policy: Policy
    state: State
    waiting: dict[str, None]
    gross: int
    kill_texts: dict[int, list[str]]
    begun: int
    limits: dict[str, Any]
    accounts: Accounts


def folded(path: Path) -> tuple[Recovery, Folded]:
    """The journal's end and the book that it makes. JournalError names the first bad record."""
    try:
        recovery, made = folding.folded(str(path))
    except codec.Malformed as error:
        raise _foreign(path, error) from error
    _check(path, made.header)
    assert made.policy is not None
    assert made.state is not None
    aside = made.aside
    return recovery, Folded(
        made.header,
        made.policy,
        made.state,
        aside.waiting,
        aside.gross,
        aside.kill_texts,
        made.begun,
        aside.limits,
        aside.accounts,
    )


def _foreign(path: Path, error: Exception) -> UserError:
    return UserError(f"a record's data is not what its kind demands ({error})", path=path, fix=_AUDIT)


def _check(path: Path, header: Any) -> None:
    wrong = first_wrong(header, HEADER_FIELDS) if isinstance(header, Mapping) else "expected an object"
    if wrong:
        raise UserError(f"the header is not as Dolphin writes it: {wrong}", path=path, line=1, fix=_AUDIT)


@dataclass(slots=True)
class Tail:
    """The end of a journal: header, the last outcome, the last equity; None where it is not in the last 4 MiB.

    `not_rotated`: why the file was to be changed and was not; nothing where that was not due, or came to pass.
    """

    header: Mapping[str, Any]
    outcome: Outcome | None = None
    outcome_ns: int = 0
    equity: Mapping[str, int] | None = None
    last_ns: int = 0
    last_kind: str = ""
    records: int = 0
    not_rotated: str = ""
    spoke_ns: dict[int, int] = field(default_factory=dict)


def tail(path: Path) -> Tail:
    """The end of the journal `path`, which may be growing. UserError where it is none."""
    try:
        with open(path, "rb") as file:
            first = file.readline(1 << 20)
            size = os.fstat(file.fileno()).st_size
            start = max(len(first), size - TAIL_BYTES)
            file.seek(start)
            block = file.read(TAIL_BYTES)
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", path=path, fix="run as its owner") from error
    header = _parsed(first)
    if header is None or header.get("kind") != "HEADER":
        raise UserError("is no journal that Dolphin wrote", path=path, line=1, fix="name a journal")
    lines = block.split(b"\n")[:-1]
    if start > len(first):
        lines = lines[1:]
    _check(path, header["data"])
    found = Tail(header["data"], records=1)
    try:
        found.last_ns = codec.integer("ts", header["ts"])
        for line in lines:
            record = _parsed(line)
            if record is not None:
                _take(found, record)
    except (KeyError, TypeError, ValueError) as error:
        raise _foreign(path, error) from error
    return found


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    if not {"seq", "ts", "kind", "data"} <= value.keys():
        return None
    return value


def _stood(found: Tail, data: Mapping[str, Any]) -> None:
    """After a rotation a checkpoint may be all that the end of the journal says of the book. One that another version
    of Dolphin wrote, in another form, says nothing.
    """
    try:
        state, aside, _ = read_checkpoint(data, encode(data).encode())
    except codec.Malformed:
        return
    found.outcome, found.outcome_ns = outcome(state), found.last_ns
    found.equity = {"equity": state.capital.equity, "gross": aside.gross, "flat": state.capital.flat}


def _take(found: Tail, record: Mapping[str, Any]) -> None:
    data, kind = record["data"], str(record["kind"])
    found.last_ns, found.last_kind = codec.integer("ts", record["ts"]), kind
    found.records = codec.integer("seq", record["seq"]) + 1
    if kind == CHECKPOINT:
        _stood(found, data)
    if kind == NOTE and data.get("what") == "not rotated":
        found.not_rotated = str(data.get("error", ""))
    if kind not in EVENTS:
        return
    out = Outcome(*(codec.integer("out", value) for value in data["out"]))  # type: ignore[arg-type]
    found.outcome = out._replace(posture=Posture(out.posture), mode=Mode(out.mode))
    found.outcome_ns = found.last_ns
    if kind == "EQUITY":
        found.equity = {name: codec.integer(name, data[name]) for name in ("equity", "gross", "flat")}
    if kind == "SEEN":
        found.spoke_ns[codec.integer("feed", data["feed"])] = found.last_ns
