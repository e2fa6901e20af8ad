"""What would have to change for another answer: the arithmetic of `why`, from a state and its record alone.

What belongs here: one function a reason; each returns sentences. Nothing is decided: the kernel's own functions say how
many lots fit, and the numbers are found by turning their formulas round.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from dolphin.audit.words import CATEGORY, CAUSE, percent, policy_span, span, times
from dolphin.kernel.events import Arm, Confirm, Event, Order, Reduce
from dolphin.kernel.killswitch import request_life_ns
from dolphin.kernel.policy import (
    ARM_WAIT_NS,
    RETURN_APEX_MS,
    RETURN_STALKER_MS,
    RETURN_TURTLE_MS,
    TRIM_GAP_NS,
    Policy,
    Posture,
)
from dolphin.kernel.reasons import Reason
from dolphin.kernel.sizer import fit, limit
from dolphin.kernel.state import Mode, State
from dolphin.kernel.units import ABSENT, BP, MICRO, MS_PER_BP, NS_PER_MS, notional
from dolphin.limits.codes import SPECS, Code

RETURN_MS: Final = {
    Posture.APEX: RETURN_APEX_MS,
    Posture.STALKER: RETURN_STALKER_MS,
    Posture.TURTLE: RETURN_TURTLE_MS,
}
REARM: Final = "dolphin arm --state DIR (flat or accepted, feeds green), a minute later dolphin confirm"


class Case(NamedTuple):
    """One answer: what was asked in which state, and what was let through. `feed`: its name in the header."""

    policy: Policy
    state: State
    event: Event
    lots: int
    exit_lots: int
    allowed_bp: int
    feed: str


def weakest(state: State) -> str:
    """The category that holds confidence down most."""
    names = ("R1", "R2", "R3", "R4", "R5")
    worst = min(range(5), key=lambda index: state.readings[index])
    if state.readings[worst] == BP:
        return "no reading: all five are whole, confidence is being earned back"
    return f"{names[worst]} at {state.readings[worst]:,} bp ({CATEGORY[names[worst]]})"


def regained(policy: Policy, state: State, posture: Posture) -> str:
    """When this posture is regained, if nothing gets worse."""
    level_ms = RETURN_MS[posture]
    name = f"{posture.name} is regained at {100 * level_ms / 6_000_000:.0f} % confidence"
    if state.latch.mode != Mode.RUNNING:
        return f"{name}, after the re-arm"
    needed_bp = -(-level_ms // MS_PER_BP)
    left_ms = level_ms - state.filter.confidence_ms
    if left_ms <= 0:
        return f"{name}, which it has"
    wait = policy_span(policy, left_ms)
    if state.filter.held_bp < needed_bp:
        return (
            f"{name}: R_total must rise from {state.filter.held_bp:,} to {needed_bp:,} bp ({weakest(state)}), and then "
            f"at most {wait} of good sensing"
        )
    return f"{name}: {wait} of good sensing from here, if R_total stays at {needed_bp:,} bp or above"


def _posture(case: Case) -> list[str]:
    assert isinstance(case.event, Order)
    if case.event.taking != 0:
        wait = regained(case.policy, case.state, Posture.APEX)
        return [regained(case.policy, case.state, Posture.STALKER) + " (for limit orders that rest)", wait]
    return [regained(case.policy, case.state, Posture.STALKER)]


def _limit_only(case: Case) -> list[str]:
    return ["send a limit order that does not cross the quote, or", regained(case.policy, case.state, Posture.APEX)]


def _leverage(case: Case) -> list[str]:
    order = case.event
    assert isinstance(order, Order)
    if case.allowed_bp <= 0:
        if order.l_raw_bp <= 0:
            return ["the sizer's estimate l_raw is 0 (sample too small): it must rise above 0"]
        return [f"confidence is {percent(case.state.filter.confidence_ms)}: it must rise before anything enters"]
    used = max(order.gross, 0) + max(order.working, 0)
    leaving = order.taking * (case.exit_lots * order.value_u // MICRO)
    used = max(used - leaving, 0)
    whole = notional(order.lots - case.exit_lots, order.value_u)
    most = case.exit_lots + fit(limit(order.equity, case.allowed_bp) - used, order.value_u)
    equity = -(-(used + whole) * 10_000 // case.allowed_bp)
    more = 100 * (equity - order.equity) / order.equity
    said = [f"equity {more:.1f} % higher ({equity:,}), or {order.lots - most:,} lots fewer ({most:,} fit)"]
    lacking = used + whole - limit(order.equity, case.allowed_bp)
    if used:
        said.append(f"or {lacking:,} less in positions and working entries (now {used:,})")
    ceiling = case.policy.apex_entry_bp
    if case.allowed_bp < ceiling:
        said.append(
            f"or more leverage allowed: {times(case.allowed_bp)} now, {times(ceiling)} in APEX at full confidence"
        )
    return said


def _limit(case: Case) -> list[str]:
    order = case.event
    assert isinstance(order, Order)
    spec = SPECS[Code(order.cap)] if order.cap in SPECS else None
    name = f"limit {order.cap}" if spec is None else f"{spec.name} [{spec.requirement}]"
    said = f"{name} leaves {max(order.cap_lots, 0):,} lots of the entry"
    return [said, "the record's x.limits has what it was judged on; dolphin limits show --state DIR what is in force"]


def _killed(case: Case) -> list[str]:
    latch = case.state.latch
    if latch.mode == Mode.ARM_PENDING:
        left = max(ARM_WAIT_NS - (case.state.clock.t_ns - latch.armed_ns), 0)
        if case.state.clock.t_ns - latch.armed_ns >= request_life_ns(case.policy.profile):
            return ["a new arm request: the pending one has lapsed"]
        return [f"a request is pending: dolphin confirm in {span(left // NS_PER_MS)}"]
    return [f"re-arm (killed by {CAUSE[latch.cause]}, episode {latch.episode}): {REARM}"]


def _stale(case: Case) -> list[str]:
    return [f"a good row of {case.feed}; what reduces the position passes meanwhile"]


def _sensor(case: Case) -> list[str]:
    since = {
        "R2 (envelope)": case.state.environment.envelope_error_ns,
        "R4 (shock detector)": case.state.environment.shock_error_ns,
        "R5 (equity)": case.state.capital.error_ns,
    }
    now_ns = case.state.clock.t_ns
    found = [f"{name} for {span((now_ns - at) // NS_PER_MS)}" for name, at in since.items() if at != ABSENT]
    return [f"a good reading of what cannot be read: {', '.join(found)}"]


def _unnamed(case: Case) -> list[str]:
    return ["name the position that it shall shrink (HEDGING: position_id on the command), and it passes as an exit"]


def _excess(case: Case) -> list[str]:
    order = case.event
    assert isinstance(order, Order)
    size = abs(order.position_lots)
    beside = f"resting exits {order.resting_lots:,}, on their way {order.leaving_lots:,}, own {order.own_lots:,}"
    return [f"at most {case.exit_lots:,} lots: the position is {size:,}, {beside}"]


def _covered(case: Case) -> list[str]:
    order = case.event
    assert isinstance(order, Order)
    sells = f"the guard's own order sells {order.own_lots:,} lots"
    return [f"nothing to do: {sells}; if it is rejected the guard sends the rest"]


def _minimum(case: Case) -> list[str]:
    order = case.event
    assert isinstance(order, Order)
    return [f"the smallest size is {order.min_lots:,} lots, and less than that fits", *_leverage(case)]


def _unpriced(case: Case) -> list[str]:
    order = case.event
    assert isinstance(order, Order)
    if order.value_u <= 0:
        return [f"a price of {case.feed}: the value of a lot is {order.value_u}"]
    return [f"an equity above 0: it is {order.equity:,}"]


def _trim(case: Case) -> list[str]:
    ask = case.event
    assert isinstance(ask, Reduce)
    return [f"exposure {ask.gross:,} on equity {ask.equity:,} is above what {case.state.filter.posture.name} may hold"]


def _too_soon(case: Case) -> list[str]:
    ask = case.event
    assert isinstance(ask, Reduce)
    left = TRIM_GAP_NS - (case.state.clock.t_ns - ask.last_ns)
    return [f"{span(left // NS_PER_MS)} of real time until the next trim of this position"]


def _too_early(case: Case) -> list[str]:
    assert isinstance(case.event, Confirm)
    left = ARM_WAIT_NS - (case.state.clock.t_ns - case.state.latch.armed_ns)
    return [f"confirm again in {span(left // NS_PER_MS)}: the request stays pending"]


def _episode(case: Case) -> list[str]:
    assert isinstance(case.event, Arm)
    return [f"arm episode {case.state.latch.episode}, not {case.event.episode}"]


def _trapped(case: Case) -> list[str]:
    since_ns = case.state.capital.trapped_ns
    if since_ns == ABSENT:
        return ["the book is not trapped: it holds something, is in APEX, or R5 alone does not keep it from APEX"]
    left = case.policy.rebase_trapped_ns - (case.state.clock.t_ns - since_ns)
    return [f"{span(left // NS_PER_MS)} more of being trapped"]


def _rate(case: Case) -> list[str]:
    left = case.policy.rebase_gap_ns - (case.state.clock.t_ns - case.state.capital.rebased_ns)
    return [f"{span(left // NS_PER_MS)} until the policy allows the next re-base"]


def _say(text: str) -> Callable[[Case], list[str]]:
    return lambda case: [text]


CHANGE: Final[dict[Reason, Callable[[Case], list[str]]]] = {
    Reason.PASSED: _say("nothing: it passed whole"),
    Reason.REDUCING: _say("nothing: it passed whole"),
    Reason.ALREADY_REDUCING: _covered,
    Reason.KILLED: _killed,
    Reason.POSTURE_NO_ENTRY: _posture,
    Reason.POSTURE_LIMIT_ONLY: _limit_only,
    Reason.LEVERAGE: _leverage,
    Reason.STALE: _stale,
    Reason.SENSOR_ERROR: _sensor,
    Reason.INSTRUMENT_ERROR: _stale,
    Reason.UNNAMED: _unnamed,
    Reason.EXCESS: _excess,
    Reason.BELOW_MINIMUM: _minimum,
    Reason.UNPRICED: _unpriced,
    Reason.JOURNAL: _say("room on the disk: see the GAP record that follows"),
    Reason.INTERNAL: _say("see the NOTE beside it, and report it"),
    Reason.NOT_KILLED: _say("nothing: the latch is RUNNING"),
    Reason.WRONG_EPISODE: _episode,
    Reason.NOT_FLAT: _say("a flat book, or --accept-position to take what is held over"),
    Reason.NOT_GREEN: _say("every feed heard and not late, equity readable: see dolphin status"),
    Reason.NOT_PENDING: _say("the first step comes first"),
    Reason.WRONG_NONCE: _say("the nonce that the first step answered"),
    Reason.TOO_EARLY: _too_early,
    Reason.NOT_TRAPPED: _trapped,
    Reason.REBASE_RATE: _rate,
    Reason.TRIM: _trim,
    Reason.FLATTEN: _say("HIBERNATE ends at 17 % confidence; policy hibernate = hold would send nothing"),
    Reason.KILL_FLATTEN: _killed,
    Reason.NOTHING_TO_DO: _say("nothing: no position, or no more than may be held"),
    Reason.NOT_FRESH: _say("an open session and a fresh price"),
    Reason.TOO_SOON: _too_soon,
    Reason.WORKING: _say("the own order that works must end first"),
    Reason.MODE_OFF: _say("policy trim = on, or hibernate = flatten"),
    Reason.ARMED: _say("confirm with this nonce, a minute later"),
    Reason.CONFIRMED: _say("nothing"),
    Reason.REBASED: _say("nothing"),
    Reason.ADOPTED: _say("dolphin adopt --state DIR: adopt, or flatten"),
    Reason.LAPSED: _say("a new request: repeat the first step"),
    Reason.LIMIT: _limit,
    Reason.CHANGED: _say("a flat book; or arm again with --accept-position, which takes over what is held now"),
}
assert set(CHANGE) == set(Reason)
