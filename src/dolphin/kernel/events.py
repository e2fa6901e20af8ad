"""What can happen to a book, and what a step answers: plain tuples of integers.

What belongs here: event and effect types and the name of each kind; no logic. A journal record is one event with the
effects and the outcome of its step, so that these names and fields are the journal's (docs/journal-format.md).
Every event begins with `ts_ns`, the host's clock in ns since the epoch (simulated time in a backtest).
`feed` is an index into the header's list of feeds, `ins` one into its list of instruments.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dolphin.kernel.policy import Posture
from dolphin.kernel.reasons import Cause, Reason
from dolphin.kernel.units import ABSENT


class Tick(NamedTuple):
    """Time passed; nothing else is known. Sent at alerts set for the kernel's next deadline."""

    ts_ns: int


class Seen(NamedTuple):
    """A feed spoke. `due_ns`: when its next is due (its own interval and sessions; NEVER_NS closes it).

    `r3_bp` is the instrument's microstructure multiplier (10,000 for feeds that measure none); `error` is 1 where the
    reading is non-finite, negative or missing.
    """

    ts_ns: int
    feed: int
    due_ns: int
    r3_bp: int = 10_000
    error: int = 0


class Counted(NamedTuple):
    """An instrument has exposure or working orders (1), so that its R3 counts for the book, or has none (0)."""

    ts_ns: int
    feed: int
    counted: int


class Shock(NamedTuple):
    """A detector of category 4 fired: R4 starts again at 3,000."""

    ts_ns: int


class SensorError(NamedTuple):
    """Category 2 or 4 cannot be read (`error` 1) or can again (0)."""

    ts_ns: int
    category: int
    error: int


class Equity(NamedTuple):
    """A sample of the account, in minor units at the exit side. `error` 1: unreadable or unpriced.

    `stood` 1: a bar's close, which has stood and confirms itself. `flat` 1: no position, nothing in flight.
    `gross`: sum over positions of |quantity| at the exit side.
    """

    ts_ns: int
    equity: int
    gross: int = 0
    flat: int = 0
    stood: int = 0
    error: int = 0


class Flow(NamedTuple):
    """A deposit (positive) or withdrawal, in minor units: it scales the mark, so that no flow changes the drawdown."""

    ts_ns: int
    flow: int


class Fault(NamedTuple):
    """A Category 1 event that the shell detected."""

    ts_ns: int
    cause: Cause


class Kill(NamedTuple):
    """The operator's kill."""

    ts_ns: int


class Arm(NamedTuple):
    """First step of the re-arm. `observed_flat` and `accepted`: what the operator saw, what he takes over.

    `holding`: what the book holds as one number: 0 flat, with nothing in flight; equal numbers, equal positions; -1:
    nobody can see it.
    """

    ts_ns: int
    episode: int
    nonce: int
    observed_flat: int
    accepted: int
    holding: int = -1


class Confirm(NamedTuple):
    """Second step of the re-arm, with the nonce of the first. `holding`: what the book holds now, as in `Arm`."""

    ts_ns: int
    nonce: int
    holding: int = -1


class RebaseArm(NamedTuple):
    """First step of the re-base of the high-water mark."""

    ts_ns: int
    nonce: int


class RebaseConfirm(NamedTuple):
    """Second step of the re-base."""

    ts_ns: int
    nonce: int


class Resume(NamedTuple):
    """A restart after recovery: downtime earns nothing, every feed must speak again."""

    ts_ns: int


class Order(NamedTuple):
    """A command that may change exposure, with the readings that decide it. All money in minor units at the exit side.

    `side` +1 buys, -1 sells. `taking` 1: executes at once or may (market, crossing limit); 2: rests
    until it is triggered and takes then (stop, touched), so that it outranks no resting exit; 0: rests.
    `named` 1: it shrinks what `position_lots` says (NETTING, or HEDGING with a position id). `reduce_only`: the flag on
    the order. `whole` 1: contingent list or modify, all or nothing. `resting_lots`: the other working exits of that
    position; `own_lots`: what the guard's own working order covers. `value_u`: micro-units of money a lot.
    `leaving_lots`: exits of that position that execute at once and are on their way: they will have been filled before
    this order, so that what it can still shrink is the rest (a reduce-only order cannot do more, whatever it says).
    `working`: value of all other working entries. `cap_lots`: how much of the entry part the pre-trade limits leave
    (ABSENT: none of them binds), and `cap` the code of the one that binds (`dolphin.limits.codes`; 0: none).
    """

    ts_ns: int
    feed: int
    side: int
    lots: int
    taking: int
    named: int
    reduce_only: int
    whole: int
    position_lots: int
    resting_lots: int
    own_lots: int
    min_lots: int
    value_u: int
    gross: int
    working: int
    equity: int
    l_raw_bp: int
    leaving_lots: int = 0
    cap_lots: int = ABSENT
    cap: int = 0


class Reduce(NamedTuple):
    """May the guard send an own order on this position, and for how much? Asked largest notional first.

    `fresh` 1: inside a session and on fresh data. `own_lots`: what an own working order covers already.
    `last_ns`: the last own trim of this position. `adopted` 0: found at a first live start, waiting for the operator.
    """

    ts_ns: int
    feed: int
    position_lots: int
    own_lots: int
    value_u: int
    gross: int
    equity: int
    l_raw_bp: int
    fresh: int
    last_ns: int
    adopted: int


type Event = (
    Tick | Seen | Counted | Shock | SensorError | Equity | Flow | Fault | Kill | Arm | Confirm | RebaseArm
    | RebaseConfirm | Resume | Order | Reduce
)  # fmt: skip


class Moved(NamedTuple):
    """The posture changed, at its own time (which may lie before the event that brought it to light)."""

    ts_ns: int
    before: Posture
    after: Posture
    confidence_ms: int


class Tripped(NamedTuple):
    """The kill switch latched."""

    ts_ns: int
    cause: Cause
    episode: int


class Verdict(NamedTuple):
    """What may leave: `lots` of the order (0: denied), of which `exit_lots` reduce; `cancel_lots` of resting exits go.

    `allowed_bp`: the entry leverage that was allowed.
    """

    lots: int
    exit_lots: int
    cancel_lots: int
    allowed_bp: int
    reason: Reason


class Reduced(NamedTuple):
    """What the guard may send itself (0: nothing), and why."""

    lots: int
    reason: Reason


class Answer(NamedTuple):
    """What the operator is told: ARMED, CONFIRMED, REBASED, or the reason of a refusal."""

    reason: Reason


class Excess(NamedTuple):
    """What is held exceeds what may be held by more than the band: own orders are due."""

    excess: int


type Effect = Moved | Tripped | Verdict | Reduced | Answer | Excess

EVENTS: Final[dict[str, type[NamedTuple]]] = {
    "TICK": Tick,
    "SEEN": Seen,
    "COUNTED": Counted,
    "SHOCK": Shock,
    "SENSOR": SensorError,
    "EQUITY": Equity,
    "FLOW": Flow,
    "FAULT": Fault,
    "KILL": Kill,
    "ARM": Arm,
    "CONFIRM": Confirm,
    "REBASE_ARM": RebaseArm,
    "REBASE_CONFIRM": RebaseConfirm,
    "RESUME": Resume,
    "ORDER": Order,
    "REDUCE": Reduce,
}
EFFECTS: Final[dict[str, type[NamedTuple]]] = {
    "MOVED": Moved,
    "TRIPPED": Tripped,
    "VERDICT": Verdict,
    "REDUCED": Reduced,
    "ANSWER": Answer,
    "EXCESS": Excess,
}
KIND: Final[dict[type, str]] = {kind: name for name, kind in (EVENTS | EFFECTS).items()}
