"""What each reason means in words: the rule that a reader is told, beside its requirement id.

What belongs here: one sentence a reason, in the words of DESIGN 2, and how durations and shares are written. No logic.
"""

from __future__ import annotations

from typing import Final

from dolphin.kernel.policy import Policy, Profile
from dolphin.kernel.reasons import Cause, Reason
from dolphin.kernel.units import FULL_MS

RULE: Final[dict[Reason, str]] = {
    Reason.PASSED: "an entry passes while gross, working orders and itself stay within the allowed leverage",
    Reason.REDUCING: "an order that only shrinks the position it names passes whole, in every posture",
    Reason.ALREADY_REDUCING: "what the guard's own working order already covers is not sold twice",
    Reason.KILLED: "while the latch is not RUNNING no increasing order is accepted",
    Reason.POSTURE_NO_ENTRY: "TURTLE and HIBERNATE take no entry; exits of every type pass",
    Reason.POSTURE_LIMIT_ONLY: "STALKER takes as entries only limit orders that rest",
    Reason.LEVERAGE: "an entry beyond the allowed leverage is shrunk to it, or denied where it cannot be shrunk",
    Reason.STALE: "an instrument whose feed is silent past its due time takes no entry",
    Reason.SENSOR_ERROR: "while R2, R4 or R5 cannot be read nothing enters",
    Reason.INSTRUMENT_ERROR: "an instrument whose own reading is in error takes no entry",
    Reason.UNNAMED: "an order that names no position is an entry, whatever its side",
    Reason.EXCESS: "what exceeds the position that an order names is an entry, and was not allowed as one",
    Reason.BELOW_MINIMUM: "an entry of which less than the smallest size would be left is denied",
    Reason.UNPRICED: "nothing enters while the instrument or the equity has no price",
    Reason.JOURNAL: "an entry that the journal has not acknowledged does not leave",
    Reason.INTERNAL: "when the guard itself fails nothing enters",
    Reason.NOT_KILLED: "arm is for a latch that is not RUNNING",
    Reason.WRONG_EPISODE: "arm names the present episode",
    Reason.NOT_FLAT: "arm needs a book that is flat, or whose position the operator accepts",
    Reason.NOT_GREEN: "arm and confirm need every feed and invariant green",
    Reason.NOT_PENDING: "a confirm needs a request that is pending",
    Reason.WRONG_NONCE: "a confirm carries the nonce of its own request",
    Reason.TOO_EARLY: "a confirm waits 60 real seconds; the request stays pending",
    Reason.NOT_TRAPPED: "the mark is re-based only while the book is trapped, for as long as the policy asks",
    Reason.REBASE_RATE: "re-bases keep the policy's rate",
    Reason.TRIM: "leverage above what may be held by over a tenth is sold down to it, largest position first",
    Reason.FLATTEN: "HIBERNATE holds nothing",
    Reason.KILL_FLATTEN: "a kill holds nothing until every position is 0",
    Reason.NOTHING_TO_DO: "what is held may be held",
    Reason.NOT_FRESH: "own orders leave only inside a session and on fresh data",
    Reason.TOO_SOON: "one trim a real minute and position",
    Reason.WORKING: "one own order a position",
    Reason.MODE_OFF: "the policy's mode sends no own order here",
    Reason.ARMED: "first of two steps: a confirm follows",
    Reason.CONFIRMED: "a confirmed re-arm is RUNNING at confidence 0",
    Reason.REBASED: "the mark became the equity; confidence comes back by itself",
    Reason.ADOPTED: "positions found at a first live start wait for the operator",
    Reason.LAPSED: "a request lapses after a real day, on daily bars after thirty",
    Reason.CHANGED: "a confirm needs a book that is flat, or holds just what its request took over",
    Reason.LIMIT: "no more of an entry leaves than the pre-trade limit that leaves least; exits pass every limit",
}
assert set(RULE) == set(Reason)

CAUSE: Final[dict[Cause, str]] = {
    Cause.NONE: "nothing",
    Cause.OPERATOR: "the operator's kill",
    Cause.JOURNAL_CHAIN: "a broken journal chain",
    Cause.LEDGER_DESYNC: "a ledger that differs from the venue's",
    Cause.HEARTBEAT: "a heartbeat lost for 10 s",
    Cause.EQUITY_UNREADABLE: "equity unreadable for 10 s",
    Cause.CLOCK_REGRESSION: "a clock that stepped back over 1 s",
    Cause.EXCEPTION: "an exception in the guard",
    Cause.JOURNAL_WRITE: "a journal that could not be written",
    Cause.SELF_TEST: "a start-up self-test that failed",
}
CATEGORY: Final = {
    "R1": "invariants (the latch)",
    "R2": "the forewarner's envelope is old",
    "R3": "microstructure",
    "R4": "the last shock",
    "R5": "drawdown",
}


def span(ms: int) -> str:
    """Milliseconds as people say them: 14 min 3 s."""
    seconds, rest = divmod(ms, 1_000)
    if seconds == 0:
        return f"{rest} ms"
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def policy_span(policy: Policy, ms: int) -> str:
    """Policy time, and the real time that it is where the two differ."""
    if policy.profile == Profile.INTRADAY:
        return span(ms)
    return f"{span(ms * 1_440)} ({span(ms)} of policy time)"


def percent(confidence_ms: int) -> str:
    """Confidence as a share."""
    return f"{100 * confidence_ms / FULL_MS:.2f} %"


def times(leverage_bp: int) -> str:
    """Leverage: 2.00x."""
    return f"{leverage_bp / 10_000:.2f}x"
