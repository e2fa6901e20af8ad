"""The state of a book: a few small tuples, so that a handler touches one of them.

What belongs here: shapes and their first values; no behaviour. `State` is the fold of the journal: equal journals give
equal states, bit for bit.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from dolphin.kernel.policy import Posture
from dolphin.kernel.reasons import Cause
from dolphin.kernel.units import ABSENT, BP, FULL_MS, NEVER_NS, NOTHING, new


class FeedKind(IntEnum):
    """What silence of a feed means."""

    HEARTBEAT = 0  # the process's own timer, the venue session, a declared heartbeat: 10 s, then Category 1
    DATA = 1  # an instrument: STALE, R3 ramps
    ENVELOPE = 2  # the MC-Forewarner envelope: R2 ages
    ENVIRONMENT = 3  # a source of category 4: credit stops


class Mode(IntEnum):
    """The latch. R1 is 10,000 exactly in RUNNING."""

    RUNNING = 0
    KILLED = 1
    ARM_PENDING = 2


class Clock(NamedTuple):
    """`t_ns` never runs back. `start_ns`: START or RESUME, the credit horizon of a feed that has not spoken since."""

    anchor_ns: int
    start_ns: int
    t_ns: int


class Filter(NamedTuple):
    """Earned confidence, the posture it gives, and the R_total under which it is being earned.

    `fell` 1: HIBERNATE (or a kill) was reached by a fall, so that what is held goes; 0 for the posture of a first start
    and for a position that the operator took over when he armed.
    """

    confidence_ms: int = FULL_MS
    posture: Posture = Posture.APEX
    held_bp: int = BP
    fell: int = 0


class Readings(NamedTuple):
    """The five multipliers in force, in bp."""

    r1_bp: int = BP
    r2_bp: int = BP
    r3_bp: int = BP
    r4_bp: int = BP
    r5_bp: int = BP


class Environment(NamedTuple):
    """Category 2 and 4. `envelope_due_ms`, `shock_ms`: policy time. `*_error_ns`: since when unreadable, real time."""

    envelope_due_ms: int = ABSENT
    envelope_error_ns: int = ABSENT
    shock_ms: int = ABSENT
    shock_error_ns: int = ABSENT


class Sample(NamedTuple):
    """One equity that may become the mark: since when, how much."""

    ts_ns: int
    equity: int


class Capital(NamedTuple):
    """Category 5, in minor units. `pending`: rising minima of the last 60 s. `trapped_ns`: since when trapped.

    `rebase_nonce`, `asked_ns`: of the pending request to re-base, and when it was made; none outlives its trap.
    """

    equity: int = 0
    mark: int = 0
    drawdown_bp: int = 0
    pending: tuple[Sample, ...] = ()
    error_ns: int = ABSENT
    flat: int = 1
    trapped_ns: int = ABSENT
    rebased_ns: int = ABSENT
    rebase_nonce: int = ABSENT
    rebases: int = 0
    asked_ns: int = ABSENT


class Latch(NamedTuple):
    """The kill switch. `armed_ns` and `nonce` are those of a pending request; `kept`: the holding that it took over."""

    mode: Mode = Mode.RUNNING
    episode: int = 0
    cause: Cause = Cause.NONE
    tripped_ns: int = ABSENT
    armed_ns: int = ABSENT
    nonce: int = ABSENT
    kept: int = NOTHING


class Feed(NamedTuple):
    """One configured feed. `heard` 0: silent since the start. `due_ns`: when its next is due, real time."""

    kind: FeedKind
    heard: int = 0
    due_ns: int = NEVER_NS
    r3_bp: int = BP
    error: int = 0
    counted: int = 0


class Plan(NamedTuple):
    """What holds until a feed speaks or a stop comes; derived, kept so that a step need not ask every feed.

    `deadline_ns`: when silence next changes something. `second_ns`: when R2 or R4 next may. `credit_ns`: nothing is
    earned beyond it. `r3_bp`: the minimum over counted instruments. `lost` 1: a heartbeat is. `stop_ns`: the first of
    the deadline, the second, and the moment at which earning lifts the posture.
    """

    deadline_ns: int = NEVER_NS
    second_ns: int = NEVER_NS
    credit_ns: int = NEVER_NS
    r3_bp: int = BP
    lost: int = 0
    stop_ns: int = NEVER_NS


class State(NamedTuple):
    """All that a decision rests on."""

    clock: Clock
    filter: Filter
    readings: Readings
    environment: Environment
    capital: Capital
    latch: Latch
    feeds: tuple[Feed, ...]
    plan: Plan


class Outcome(NamedTuple):
    """What every journal record says of the state after its step; the audit recomputes it."""

    confidence_ms: int
    posture: Posture
    mode: Mode
    held_bp: int
    r1_bp: int
    r2_bp: int
    r3_bp: int
    r4_bp: int
    r5_bp: int
    drawdown_bp: int
    mark: int
    episode: int


def outcome(state: State) -> Outcome:
    """The part of `state` that a record carries."""
    _, filter_, readings, _, capital, latch, _, _ = state
    confidence_ms, posture, held_bp, _ = filter_
    return new(
        Outcome,
        (confidence_ms, posture, latch.mode, held_bp, *readings, capital.drawdown_bp, capital.mark, latch.episode),
    )
