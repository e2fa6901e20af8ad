"""Every reason and cause that a decision can carry, with the requirement it answers to.

What belongs here: enumerations and their requirement ids; no logic. The numbers are the journal's: never renumber, only
append. `REQUIREMENT` gives the id that stands in denial texts, journal records and audit findings.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Reason(IntEnum):
    """Why an order was passed, shrunk or denied, or why an operator was refused."""

    PASSED = 0
    REDUCING = 1  # a truly reducing order: passes whole in every posture
    ALREADY_REDUCING = 2  # the guard's own working order covers it
    KILLED = 3  # latch not RUNNING
    POSTURE_NO_ENTRY = 4  # TURTLE, HIBERNATE
    POSTURE_LIMIT_ONLY = 5  # STALKER: the order would take liquidity
    LEVERAGE = 6  # beyond the allowed leverage
    STALE = 7  # the instrument's feed is silent
    SENSOR_ERROR = 8  # R2, R4 or R5 unreadable: no entry at all
    INSTRUMENT_ERROR = 9  # the instrument's own reading is in error
    UNNAMED = 10  # HEDGING: an order that names no position is an entry
    EXCESS = 11  # the part beyond the position was not allowed as an entry
    BELOW_MINIMUM = 12  # what would be left is below the instrument's smallest size
    UNPRICED = 13  # no value for a lot, or no equity
    JOURNAL = 14  # an entry that the journal did not acknowledge does not leave
    INTERNAL = 15  # an exception in the guard: fail closed
    NOT_KILLED = 16  # arm: nothing to arm, the latch is RUNNING
    WRONG_EPISODE = 17  # arm: names another episode
    NOT_FLAT = 18  # arm: position neither flat nor accepted
    NOT_GREEN = 19  # arm, confirm: a feed or an invariant is not green
    NOT_PENDING = 20  # confirm: no request is pending
    WRONG_NONCE = 21  # confirm: another request's nonce
    TOO_EARLY = 22  # confirm: before the wait is over
    NOT_TRAPPED = 23  # re-base: the book is not trapped, or not for long enough
    REBASE_RATE = 24  # re-base: the policy's rate is spent
    TRIM = 25  # own order: leverage above what may be held
    FLATTEN = 26  # own order: HIBERNATE holds nothing
    KILL_FLATTEN = 27  # own order: a kill holds nothing
    NOTHING_TO_DO = 28  # own order: nothing in excess
    NOT_FRESH = 29  # own order: outside a session or on stale data
    TOO_SOON = 30  # own order: one a minute and position
    WORKING = 31  # own order: one is already working
    MODE_OFF = 32  # own order: the policy's mode sends none
    ARMED = 33
    CONFIRMED = 34
    REBASED = 35
    ADOPTED = 36  # own order: positions found at a first live start wait for the operator
    LAPSED = 37  # confirm, re-base: the request is too old
    CHANGED = 38  # confirm: what is held is neither nothing nor what the request took over
    LIMIT = 39  # a pre-trade limit leaves less: which one, the order's `cap` says


class Cause(IntEnum):
    """Why the kill switch tripped. All but OPERATOR are Category 1 (DESIGN.md 2.1)."""

    NONE = 0
    OPERATOR = 1
    JOURNAL_CHAIN = 2
    LEDGER_DESYNC = 3
    HEARTBEAT = 4
    EQUITY_UNREADABLE = 5
    CLOCK_REGRESSION = 6
    EXCEPTION = 7
    JOURNAL_WRITE = 8
    SELF_TEST = 9


REQUIREMENT: Final[dict[Reason, str]] = {
    Reason.PASSED: "DOL-ORDER-001",
    Reason.REDUCING: "DOL-EXIT-001",
    Reason.ALREADY_REDUCING: "DOL-EXIT-002",
    Reason.KILLED: "DOL-KILL-002",
    Reason.POSTURE_NO_ENTRY: "DOL-POSTURE-003",
    Reason.POSTURE_LIMIT_ONLY: "DOL-POSTURE-004",
    Reason.LEVERAGE: "DOL-ORDER-002",
    Reason.STALE: "DOL-SENSE-003",
    Reason.SENSOR_ERROR: "DOL-SENSE-002",
    Reason.INSTRUMENT_ERROR: "DOL-SENSE-004",
    Reason.UNNAMED: "DOL-EXIT-003",
    Reason.EXCESS: "DOL-EXIT-004",
    Reason.BELOW_MINIMUM: "DOL-ORDER-003",
    Reason.UNPRICED: "DOL-ORDER-004",
    Reason.JOURNAL: "DOL-JOURNAL-004",
    Reason.INTERNAL: "DOL-ORDER-005",
    Reason.NOT_KILLED: "DOL-REARM-001",
    Reason.WRONG_EPISODE: "DOL-REARM-001",
    Reason.NOT_FLAT: "DOL-REARM-001",
    Reason.NOT_GREEN: "DOL-REARM-002",
    Reason.NOT_PENDING: "DOL-REARM-002",
    Reason.WRONG_NONCE: "DOL-REARM-002",
    Reason.TOO_EARLY: "DOL-REARM-003",
    Reason.NOT_TRAPPED: "DOL-CAPITAL-004",
    Reason.REBASE_RATE: "DOL-CAPITAL-005",
    Reason.TRIM: "DOL-TRIM-001",
    Reason.FLATTEN: "DOL-TRIM-002",
    Reason.KILL_FLATTEN: "DOL-KILL-003",
    Reason.NOTHING_TO_DO: "DOL-TRIM-001",
    Reason.NOT_FRESH: "DOL-TRIM-003",
    Reason.TOO_SOON: "DOL-TRIM-004",
    Reason.WORKING: "DOL-TRIM-005",
    Reason.MODE_OFF: "DOL-TRIM-006",
    Reason.ARMED: "DOL-REARM-001",
    Reason.CONFIRMED: "DOL-REARM-002",
    Reason.REBASED: "DOL-CAPITAL-004",
    Reason.ADOPTED: "DOL-TRIM-007",
    Reason.LAPSED: "DOL-REARM-006",
    Reason.CHANGED: "DOL-REARM-007",
    Reason.LIMIT: "DOL-LIMIT-001",
}
