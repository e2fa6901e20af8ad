"""Trace validation by TLC: records of a journal as TLA+ literals, checked against spec/trace/TracePosture.tla.

What belongs here: the record that TLC reads and how it is written, windows for long journals, and TLC's answer as the
first bad record. How a journal becomes records is the audit's business (one for each `machine.visit` and each event).

A record says what went in and what the journal says came out; TLC computes what should have come out by the actions of
spec/Posture.tla. Integers of TLC have 32 bits: credited time is capped at full confidence and elapsed time at 34 years,
neither of which can matter; nonces and holdings become small indices; a number that still does not fit cannot be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import IntEnum
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from dolphin.audit.tlc_runner import TlcRun, find_jar, run_tlc
from dolphin.kernel.killswitch import request_life_ns
from dolphin.kernel.policy import INTRADAY, Policy
from dolphin.kernel.units import ABSENT, BP, FULL_MS, NOTHING, NS_PER_S

PER_CHUNK: Final = 1_000
WINDOW: Final = 100_000
_LONGEST_S: Final = 1 << 30
_INT32: Final = (1 << 31) - 1


class Action(IntEnum):
    """What a record is. VISIT is also any event that only brings a reading, a fault or the operator's kill."""

    VISIT = 0
    STEP_BACK = 1
    ARM = 2
    CONFIRM = 3
    REBASE_ARM = 4
    REBASE_CONFIRM = 5


class TraceRecord(NamedTuple):
    """One visit or event. Readings are those in force after it; the last five fields are what the journal says.

    `elapsed_ns`: real time since the record before (STEP_BACK: by how much the clock is behind). `missed` 1: a Category
    1 event or the operator's kill came with it. `nonce`, `episode_named`: of an operator's request. `clear`: for ARM
    the book is flat or its position accepted, for REBASE_CONFIRM the equity is above zero. `green`: every feed and
    invariant. `holding`: for ARM what is taken over, for CONFIRM what is held (0 nothing, ABSENT nobody can see it).
    """

    action: int
    credit_ms: int
    elapsed_ns: int
    r2_bp: int
    r3_bp: int
    r4_bp: int
    r5_bp: int
    flat: int
    missed: int
    nonce: int
    episode_named: int
    clear: int
    green: int
    holding: int
    confidence_ms: int
    posture: int
    mode: int
    held_bp: int
    episode: int


class TraceStart(NamedTuple):
    """The state before the first record. Waits in ns of real time; `rebased_ns` ABSENT: never re-based."""

    confidence_ms: int = FULL_MS
    posture: int = 0
    held_bp: int = BP
    r234_bp: int = BP
    r5_bp: int = BP
    flat: int = 1
    mode: int = 0
    episode: int = 0
    waited_ns: int = 0
    nonce: int = ABSENT
    kept: int = NOTHING
    trapped_ns: int = 0
    rebased_ns: int = ABSENT
    request: int = ABSENT
    asked_ns: int = 0


class Turn(NamedTuple):
    """From here on another policy is in force. `trapped_ns`, `rebased_ns`: real time since, as the book knows it (0: in
    no trap; ABSENT: never re-based): the model counts waits no further than the policy before asked for.
    """

    policy: Policy
    trapped_ns: int
    rebased_ns: int


class TlcVerdict(NamedTuple):
    """`first_bad`: index (from 0) of the first record that does not conform, -1 if all do.

    `field`: what differs there; `expected`: what the model computes, `logged`: what the journal says.
    """

    ok: bool
    records: int
    first_bad: int
    field: str = ""
    expected: int = 0
    logged: int = 0
    seconds: float = 0.0
    version: str = ""


class TlcFailed(Exception):
    """TLC could not judge (timeout, not enough memory, a specification that does not parse). Not a verdict."""


def spec_folder() -> Path:
    """Where the specification is: packaged beside this module, or in the repository."""
    packaged = Path(__file__).resolve().parent / "spec"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[3] / "spec"


class _Names:
    """Nonces and holdings as small indices, the same for the whole journal. An absent nonce is 0, TLA+'s NoNonce."""

    def __init__(self) -> None:
        self._nonces = {ABSENT: 0}
        self._holdings: dict[int, int] = {}

    def nonce(self, nonce: int) -> int:
        return self._nonces.setdefault(nonce, len(self._nonces))

    def holding(self, holding: int) -> int:
        """0 is Nothing; what nobody can see is Unseen, -1."""
        if holding <= NOTHING:
            return max(holding, ABSENT)
        return self._holdings.setdefault(holding, len(self._holdings) + 1)


def _fits(value: int) -> int:
    """`value`, or the nearest that TLA+ can write: no state of the model is that large, so it stays a mismatch."""
    return max(-_INT32, min(_INT32, value))


def _wait(ns: int) -> tuple[int, int]:
    """Real time as <<seconds, nanoseconds>>, which is exact and fits."""
    seconds, nanos = divmod(max(ns, 0), NS_PER_S)
    return min(seconds, _LONGEST_S), nanos


def _pair(ns: int) -> str:
    seconds, nanos = _wait(ns)
    return f"<<{seconds}, {nanos}>>"


def _literal(record: TraceRecord, names: _Names) -> str:
    seconds, nanos = _wait(record.elapsed_ns)
    row: tuple[int, ...] = (record.action, max(0, min(record.credit_ms, FULL_MS)), seconds, nanos, *record[3:9])
    row += record[14:]
    if record.action >= Action.ARM:
        row += (names.nonce(record.nonce), *record[10:13], names.holding(record.holding))
    return "<<" + ",".join([str(_fits(int(value))) for value in row]) + ">>"


def chunks(records: Iterable[TraceRecord], names: _Names | None = None, per_chunk: int = PER_CHUNK) -> Iterator[str]:
    """The records as TLA+ definitions Chunk1, Chunk2, ... of `per_chunk` each."""
    known = names or _Names()
    rest = iter(records)
    number = 0
    while part := list(islice(rest, per_chunk)):
        number += 1
        body = ",\n".join([_literal(record, known) for record in part])
        yield f"Chunk{number} == <<\n{body}>>\n"


def _turned(state: tuple[int, ...], turn: Turn) -> tuple[int, ...]:
    """The state that TLC handed over, with the two waits whose limits are others now."""
    rebased_ns = turn.policy.rebase_gap_ns if turn.rebased_ns == ABSENT else turn.rebased_ns
    return (*state[:12], *_wait(turn.trapped_ns), *_wait(rebased_ns), *state[16:])


def _parts(records: Iterable[TraceRecord | Turn], window: int) -> Iterator[list[TraceRecord] | Turn]:
    """So many records at a time, fewer before a change of policy."""
    part: list[TraceRecord] = []
    for record in records:
        turn = isinstance(record, Turn)
        if not isinstance(record, Turn):
            part.append(record)
        if part and (turn or len(part) == window):
            yield part
            part = []
        if isinstance(record, Turn):
            yield record
    if part:
        yield part


def _start_row(start: TraceStart, policy: Policy, names: _Names) -> tuple[int, ...]:
    rebased_ns = policy.rebase_gap_ns if start.rebased_ns == ABSENT else start.rebased_ns
    return (
        start.confidence_ms, start.posture, start.held_bp, start.r234_bp, start.r5_bp, start.flat, start.mode,
        start.episode,
        *_wait(start.waited_ns), names.nonce(start.nonce), names.holding(start.kept), *_wait(start.trapped_ns),
        *_wait(rebased_ns), names.nonce(start.request), *_wait(start.asked_ns),
    )  # fmt: skip


def records_module(records: list[TraceRecord], start: tuple[int, ...], policy: Policy, names: _Names) -> str:
    """The module Records.tla of one window."""
    parts = list(chunks(records, names))
    listed = ", ".join(f"Chunk{number + 1}" for number in range(len(parts)))
    return (
        "---- MODULE Records ----\nEXTENDS Integers\n"
        f"JournalRequestLife == {_pair(request_life_ns(policy.profile))}\n"
        f"JournalRebaseTrapped == {_pair(policy.rebase_trapped_ns)}\n"
        f"JournalRebaseGap == {_pair(policy.rebase_gap_ns)}\n"
        f"Start == <<{', '.join(str(_fits(value)) for value in start)}>>\n"
        f"Count == {len(records)}\nPerChunk == {PER_CHUNK}\n{''.join(parts)}Chunks == <<{listed}>>\n====\n"
    )


_DIFFERS: Final = re.compile(r'^<<"differs", (\d+), "(\w+)", (-?\d+), (-?\d+)>>', re.MULTILINE)
_HANDOVER: Final = re.compile(r'^<<\s*"handover",([-\d,\s]+)>>', re.MULTILINE)


def _window(
    records: list[TraceRecord], start: tuple[int, ...], policy: Policy, names: _Names, jar: Path, timeout_s: float
) -> TlcRun:
    folder = spec_folder()
    return run_tlc(
        "TracePosture",
        (folder / "trace" / "Shipped.cfg").read_text(encoding="utf-8"),
        [folder / "Posture.tla", folder / "trace" / "TracePosture.tla"],
        {"Records.tla": records_module(records, start, policy, names)},
        jar=jar,
        timeout_s=timeout_s,
        heap_mb=3_000,
    )


def verdict_of(run: TlcRun, before: int, count: int) -> TlcVerdict:
    """What a window that is not accepted says: the count names the record, the last line printed the field."""
    first_bad = before + run.distinct - 1
    for found in _DIFFERS.finditer(run.output):
        if before + int(found.group(1)) - 1 == first_bad:
            return TlcVerdict(
                False,
                before + count,
                first_bad,
                found.group(2),
                int(found.group(3)),
                int(found.group(4)),
                version=run.version,
            )
    return TlcVerdict(False, before + count, first_bad, version=run.version)


def check(
    records: Iterable[TraceRecord | Turn],
    *,
    policy: Policy = INTRADAY,
    start: TraceStart = TraceStart(),  # noqa: B008  (immutable)
    jar: Path | None = None,
    window: int = WINDOW,
    timeout_s: float = 600,
) -> TlcVerdict:
    """Whether the records conform to the model, in constant memory: `window` records at a time, each under one policy.

    TLC itself hands the state at the end of a window (waits and nonces included) to the next one. No record at all does
    not conform: nothing passes vacuously. Raises TlcMissing or TlcFailed where there can be no verdict.
    """
    found = find_jar(jar)
    names = _Names()
    state = _start_row(start, policy, names)
    done, seconds, version = 0, 0.0, ""
    for part in _parts(records, window):
        if isinstance(part, Turn):
            policy, state = part.policy, _turned(state, part)
            continue
        run = _window(part, state, policy, names, found, timeout_s)
        seconds += run.seconds
        version = run.version
        if run.verdict != "passed":
            raise TlcFailed(
                f"TLC at records {done}..{done + len(part) - 1}: {run.verdict}: {run.violated or run.detail}"
            )
        if run.distinct != len(part) + 1:
            return verdict_of(run, done, len(part))._replace(seconds=seconds)
        handed = _HANDOVER.search(run.output)
        if handed is None:
            raise TlcFailed("TLC accepted a window and did not print the state that it ends in")
        state = tuple(int(value) for value in handed.group(1).split(","))
        done += len(part)
    return TlcVerdict(done > 0, done, -1 if done else 0, "" if done else "records", seconds=seconds, version=version)
