"""Check c, orders: each ORDER's verdict as one step of spec/trace/TraceOrder.tla, judged by TLC.

What belongs here: the row that TLC reads of an ORDER record, how rows are written, TLC's answer as the first bad one.
Lots are divided by their greatest common divisor, which changes no verdict (cutting an order only compares, adds and
takes away); a row that does not fit TLC's 32 bits even so is not judged, and counted.
"""

from __future__ import annotations

from math import gcd
from pathlib import Path
from typing import Final, NamedTuple

from dolphin.audit.tlc_runner import find_jar, run_tlc
from dolphin.audit.trace_tla import PER_CHUNK, TlcFailed, TlcVerdict, spec_folder, verdict_of
from dolphin.journal import Record
from dolphin.journal.codec import claimed
from dolphin.kernel import events as ev
from dolphin.kernel import handlers, orders
from dolphin.kernel.policy import Policy
from dolphin.kernel.state import State

FIELDS: Final = ("lots", "exit_lots", "cancel_lots")
"""What TLC computes of a VERDICT."""

WINDOW: Final = 50_000
CFG: Final = "SPECIFICATION TraceSpec\n"
_LARGEST: Final = (1 << 31) - 1
_OTHER: Final = -1


class OrderRow(NamedTuple):
    """One ORDER. `room`: lots that money, sensors and limits leave of its entry part; the last three: what its VERDICT
    says, -1 where it says nothing.
    """

    side: int
    lots: int
    taking: int
    named: int
    reduce_only: int
    whole: int
    position_lots: int
    resting_lots: int
    own_lots: int
    leaving_lots: int
    min_lots: int
    running: int
    posture: int
    room: int
    out: int
    exit: int
    cancel: int


class Judged(NamedTuple):
    """An ORDER of a journal: its row and record, the state it was judged in; `at`: its VERDICT's place in `fx`."""

    row: OrderRow
    record: Record
    state: State
    at: int


def judged(policy: Policy, state: State, event: ev.Order, record: Record) -> Judged:
    """The row of an ORDER. `state`: as its step leaves it, which is the one it was judged in."""
    cut = orders.Split(0, 0, event.lots, 0)
    if orders.opposes(event.side, event.position_lots, event.named):
        size = orders.remaining(abs(event.position_lots), event.leaving_lots, event.reduce_only)
        cut = orders.split(event.lots, size, event.own_lots, event.resting_lots, event.taking)
    standing = handlers.standing(state, event.feed)
    room = orders.enter(policy, standing, event, cut).lots
    effects = claimed(record.data).effects
    said, place = (_OTHER, _OTHER, _OTHER), max(len(effects) - 1, 0)
    for at, effect in enumerate(effects):
        if effect[0] == "VERDICT" and len(effect) > len(FIELDS):
            said, place = (_number(effect[1]), _number(effect[2]), _number(effect[3])), at
    row = OrderRow(
        event.side, event.lots, event.taking, event.named, event.reduce_only, event.whole, event.position_lots,
        event.resting_lots, event.own_lots, event.leaving_lots, event.min_lots, int(standing.running),
        int(standing.posture), room, *said,
    )  # fmt: skip
    return Judged(row, record, state, place)


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def unit_of(row: OrderRow) -> int:
    """The greatest common divisor of what was asked, in lots."""
    return gcd(*_lots(row)) or 1


def _lots(row: OrderRow) -> tuple[int, ...]:
    return (row.lots, row.position_lots, row.resting_lots, row.own_lots, row.leaving_lots, row.min_lots, row.room)


def scaled(row: OrderRow) -> OrderRow | None:
    """The row in its own unit; None where it does not fit."""
    unit = unit_of(row)
    lots, position, resting, own, leaving, smallest, room = (value // unit for value in _lots(row))
    if max(map(abs, row[:1] + row[2:6] + (lots, position, resting, own, leaving, smallest, room))) > _LARGEST // 2:
        return None
    return row._replace(
        lots=lots, position_lots=position, resting_lots=resting, own_lots=own, leaving_lots=leaving,
        min_lots=smallest, room=room, out=_in_units(row.out, unit), exit=_in_units(row.exit, unit),
        cancel=_in_units(row.cancel, unit),
    )  # fmt: skip


def _in_units(value: int, unit: int) -> int:
    """A part of what was judged is a whole number of units; anything else is no verdict, and cannot be right."""
    if value % unit != 0:
        return _OTHER
    return max(_OTHER, min(_LARGEST, value // unit))


def module(rows: list[OrderRow]) -> str:
    """The module OrderRecords.tla."""
    literals = ["<<" + ",".join([str(int(value)) for value in row]) + ">>" for row in rows]
    parts = [literals[at : at + PER_CHUNK] for at in range(0, len(literals), PER_CHUNK)]
    chunks = ""
    for number, part in enumerate(parts, 1):
        body = ",\n".join(part)
        chunks += f"Chunk{number} == <<\n{body}>>\n"
    listed = ", ".join(f"Chunk{number + 1}" for number in range(len(parts)))
    return (
        f"---- MODULE OrderRecords ----\nEXTENDS Integers\nCount == {len(rows)}\nPerChunk == {PER_CHUNK}\n"
        f"{chunks}Chunks == <<{listed}>>\n====\n"
    )


def check(rows: list[OrderRow], *, jar: Path | None = None, timeout_s: float = 600) -> TlcVerdict:
    """Whether TLC judges each (scaled) row as it says. TlcMissing, TlcFailed: there can be no verdict."""
    folder = spec_folder()
    run = run_tlc(
        "TraceOrder", CFG, [folder / "Judging.tla", folder / "trace" / "TraceOrder.tla"],
        {"OrderRecords.tla": module(rows)}, jar=find_jar(jar), timeout_s=timeout_s, heap_mb=3_000,
    )  # fmt: skip
    if run.verdict != "passed":
        raise TlcFailed(f"TLC at {len(rows)} orders: {run.verdict}: {run.detail}")
    if run.distinct != len(rows) + 1:
        return verdict_of(run, 0, len(rows))
    return TlcVerdict(True, len(rows), -1, version=run.version)


class Orders:
    """The orders of one journal, `window` at a time. `first_bad`: which of all of them TLC rejects, -1 if none."""

    def __init__(self, jar: Path, window: int = WINDOW) -> None:
        self.jar = jar
        self.window = window
        self.count = 0
        self.unjudged = 0
        self.first_bad = -1
        self.verdict = TlcVerdict(True, 0, -1)
        self._rows: list[OrderRow] = []
        self._places: list[int] = []

    def take(self, row: OrderRow) -> None:
        """The next one."""
        small = scaled(row)
        if small is None:
            self.unjudged += 1
        elif self.first_bad < 0:
            self._rows.append(small)
            self._places.append(self.count)
        self.count += 1
        if len(self._rows) == self.window:
            self.judge()

    def judge(self) -> None:
        """Have TLC judge what has been taken since the last time."""
        if not self._rows:
            return
        self.verdict = check(self._rows, jar=self.jar)
        if not self.verdict.ok:
            self.first_bad = self._places[self.verdict.first_bad]
        self._rows, self._places = [], []
