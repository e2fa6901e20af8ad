"""The policy in force as rows: each value with unit, source, and what it costs.

What belongs here: rows and the figures in them, all computed from the kernel's constants by the kernel's own functions
(a golden time is found by running the machine), so that this table cannot disagree with what decides.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from dolphin.kernel import machine, timing
from dolphin.kernel import policy as p
from dolphin.kernel.events import Event, Shock, Tick
from dolphin.kernel.policy import INTRADAY, Hibernate, Policy, Posture, Profile
from dolphin.kernel.state import State
from dolphin.kernel.survival import r2, r5
from dolphin.kernel.units import BP, FULL_MS, MS_PER_BP, MS_PER_S, NS_PER_MS, NS_PER_S

_REAL_NS = (
    ("d", p.DAY_NS),
    ("h", 3_600 * NS_PER_S),
    ("min", 60 * NS_PER_S),
    ("s", NS_PER_S),
    ("ms", NS_PER_MS),
    ("ns", 1),
)
_HORIZON_S = 8_000

CATEGORIES = {
    "1": "R1 invariants",
    "2": "R2 structural (no MC-Forewarner envelope)",
    "3": "R3 microstructure",
    "4": "R4 environment",
    "5": "R5 capital",
}
"""Categories as journals number them."""


class Row(NamedTuple):
    """One line: what it is called, its value with unit, the design's section, what it costs or means."""

    group: str
    name: str
    value: str
    source: str
    costs: str


def rows(policy: Policy) -> tuple[Row, ...]:
    """All of it, grouped: what a policy file may change first, what is fixed in this version after."""
    return (*_yours(policy), *_levels(policy), *_categories(policy), *_waits())


def leverage(bp: int) -> str:
    """`6.0x`, with as many digits as are needed."""
    return f"{bp / BP:.4f}".rstrip("0").ljust(3, "0") + "x" if bp % 1_000 else f"{bp / BP:.1f}x"


def percent(bp: int) -> str:
    """`12.5 %` of bp."""
    return f"{bp / 100:.2f}".rstrip("0").rstrip(".") + " %"


def real(ns: int) -> str:
    """A real duration in its largest whole unit."""
    for unit, size in _REAL_NS:
        if ns % size == 0:
            if ns >= size:
                return f"{ns // size} {unit}"
    return f"{ns} ns"


def policy_time(policy: Policy, seconds: int) -> str:
    """Policy seconds, and what they are on the wall where the profile stretches them."""
    if policy.profile == Profile.DAILY:
        days = timing.since_ns(policy.profile, seconds * MS_PER_S) / p.DAY_NS
        return f"{seconds:,} policy s ({days:,.1f} days)"
    return f"{seconds:,} s"


def chance_of_loss(leverage_bp: int, loss: float = 0.2) -> float:
    """Chance of ever losing `loss`, if 6.0x is the growth optimum L*: (1 - loss) ** (2 / f - 1) at f = L / L*.

    The first-passage probability of a geometric Brownian motion; a description, it decides nothing.
    """
    if leverage_bp <= 0:
        return 0.0
    return float((1 - loss) ** (2 * p.LEVERAGE_MAX_BP / leverage_bp - 1))


class Course(NamedTuple):
    """When, in policy seconds, each posture is first entered, and when confidence is full again (-1: never)."""

    entered: dict[Posture, int]
    full_s: int


@lru_cache
def course(policy: Policy, state: State, first: Event) -> Course:
    """What becomes of a book to which `first` happens at 0 and nothing after: asked once a policy second."""
    entered: dict[Posture, int] = {}
    posture = state.filter.posture
    state, _ = machine.step(policy, state, first)
    for second in range(_HORIZON_S):
        state, _ = machine.advance(policy, state, timing.since_ns(policy.profile, second * MS_PER_S))
        if state.filter.posture != posture:
            posture = state.filter.posture
            entered.setdefault(posture, second)
        if state.filter.confidence_ms == FULL_MS:
            if entered:
                return Course(entered, second)
    return Course(entered, -1)


def _told(policy: Policy, found: Course) -> str:
    said = ", ".join(f"{posture.name} {policy_time(policy, at_s)}" for posture, at_s in found.entered.items())
    if found.full_s >= 0:
        said += f", full {policy_time(policy, found.full_s)}"
    return said


def _yours(policy: Policy) -> tuple[Row, ...]:
    group = "yours: what a policy file may set"
    tick = "1 ms" if policy.profile == Profile.INTRADAY else f"{real(timing.since_ns(policy.profile, 1))} of real time"
    half = policy.kappa_bp / BP
    full = policy_time(policy, FULL_MS // MS_PER_S)
    costs = {
        "profile": f"1 policy ms is {tick}; from nothing to full confidence takes {full}",
        "trim": "on: what exceeds the held ceiling is sold, at the price of the spread and of a missed rebound;"
        " off: gates alone, which in the study of 1999-2018 did not save a position that was held",
        "hibernate": "flatten: sells all at the worst time there is, and ends the risk; glide: sells down to share"
        " * l_raw; hold: sends nothing, and the loss goes on",
        "apex_entry_bp": _cost_of(policy.apex_entry_bp),
        "stalker_entry_bp": _cost_of(policy.stalker_entry_bp) + "; limit orders only",
        "apex_held_bp": "a drift above it by more than the band is trimmed",
        "stalker_held_bp": "a fall into STALKER sells what is above it",
        "turtle_held_bp": "a fall into TURTLE sells what is above it; nothing enters",
        "trim_band_bp": "how far leverage may drift above the ceiling before it is trimmed; narrower trades more often",
        "l_raw_bp": "stands in where no estimate is configured; 6.0x: the ceilings decide alone",
        "kappa_bp": f"keeps {100 * (2 * half - half * half):.0f} % of the growth at the optimum; the chance of ever"
        f" losing 20 % there is {100 * chance_of_loss(policy.kappa_bp * p.LEVERAGE_MAX_BP // BP):.0f} %",
        "rebase_trapped_ns": "a flat book that its drawdown keeps out waits this long before a re-base of the mark",
        "rebase_gap_ns": "each re-base spends capital for good: the drawdown behind it counts no more",
    }
    sources = {
        "profile": "2.2",
        "kappa_bp": "2.5",
        "l_raw_bp": "2.5",
        "rebase_trapped_ns": "2.5",
        "rebase_gap_ns": "2.5",
    }
    return tuple(
        Row(group, name, _shown(name, value), f"design {sources.get(name, '2.3')}", costs[name])
        for name, value in zip(Policy._fields, policy, strict=True)
    )


def _shown(name: str, value: int) -> str:
    if name == "profile":
        return Profile(value).name.lower()
    if name == "trim":
        return "on" if value == 1 else "off"
    if name == "hibernate":
        return Hibernate(value).name.lower()
    if name.endswith("_ns"):
        return real(value)
    if name in ("trim_band_bp", "kappa_bp"):
        return percent(value)
    return leverage(value)


def _cost_of(bp: int) -> str:
    knee = " at the knee" if bp == p.LEVERAGE_MAX_BP else ""
    return (
        f"a 1 % move against it costs {bp / BP:.1f} %;{knee} the chance of ever losing 20 % is"
        f" {100 * chance_of_loss(bp):.0f} % (if 6.0x is the growth optimum; worse if the optimum is lower)"
    )


def _levels(policy: Policy) -> tuple[Row, ...]:
    group = f"levels of confidence: fixed, policy version {p.VERSION}"
    found = []
    for name, fall_ms, back_ms in (
        ("APEX / STALKER", p.FALL_APEX_MS, p.RETURN_APEX_MS),
        ("STALKER / TURTLE", p.FALL_STALKER_MS, p.RETURN_STALKER_MS),
        ("TURTLE / HIBERNATE", p.FALL_TURTLE_MS, p.RETURN_TURTLE_MS),
    ):
        worst = next(d for d in range(BP + 1) if r5(d) * MS_PER_BP <= fall_ms)
        best = next(d for d in range(BP, -1, -1) if r5(d) * MS_PER_BP >= back_ms)
        costs = (
            f"drawdown alone falls at {percent(worst)}, returns at {percent(best)}; from nothing, regained after"
            f" {policy_time(policy, back_ms // MS_PER_S)}"
        )
        shown = f"falls at {percent(fall_ms * BP // FULL_MS)}, returns at {percent(back_ms * BP // FULL_MS)}"
        found.append(Row(group, name, shown, "design 2.3", costs))
    gap = policy_time(policy, p.UPWARD_GAP_MS // MS_PER_S)
    costs = "two upward entries into one posture are at least this far apart (proved); a fall is immediate"
    return (*found, Row(group, "upward gap", gap, "design 2.3", costs))


def _categories(policy: Policy) -> tuple[Row, ...]:
    group = f"categories: fixed, policy version {p.VERSION}"
    # Policy seconds are the same in every profile, so one course serves all.
    blind = _told(policy, course(INTRADAY, machine.start(INTRADAY, 0, (), envelope=True), Tick(0)))
    shock = _told(policy, course(INTRADAY, machine.start(INTRADAY, 0, ()), Shock(0)))
    rearm = policy_time(policy, p.RETURN_APEX_MS // MS_PER_S)
    floor = f"at the floor of {percent(p.FLOOR_BP)} R3 alone ends in TURTLE"
    ramp = policy_time(policy, p.SHOCK_RAMP_MS // MS_PER_S)
    latency, jitter, depth, spread, silence = p.LATENCY_MS, p.JITTER_MS, p.DEPTH_BP, p.SPREAD_BP, p.SILENCE_MS
    found = (
        ("R1 invariants", "0 or 100 %", f"a fault latches: flat, and back in APEX {rearm} after the re-arm"),
        (
            "R2 envelope",
            f"100 % to {p.ENVELOPE_FRESH_S} s, a tenth each {p.ENVELOPE_DECADE_S:,} s",
            f"after an hour {percent(r2(3_600))}; blindness alone: {blind}",
        ),
        ("R3 latency", f"{latency[0]} ms to {latency[1]:,} ms", f"p90 of 10 s above its 10-minute least; {floor}"),
        ("R3 jitter", f"{jitter[0]} ms to {jitter[1]} ms", "interquartile range of the delay"),
        ("R3 depth", f"{percent(depth[0])} to {percent(depth[1])}", "of the 10-minute median, top five levels"),
        ("R3 spread", f"{spread[0] // BP} to {spread[1] // BP} times", "its 10-minute median"),
        (
            "R3 silence",
            f"{silence[0]} ms to {silence[1]:,} ms",
            "real time past due; no entry on the instrument meanwhile",
        ),
        ("R4 shock", f"{percent(p.SHOCK_BP)}, full after {ramp}", f"one shock: {shock}"),
        (
            "R5 drawdown",
            f"100 % to {percent(p.DRAWDOWN_FREE_BP)}",
            "then a sigmoid: " + ", ".join(f"at {percent(bp)} {percent(r5(bp))}" for bp in (668, 1_200, 1_620)),
        ),
    )
    trapped = "R5 under which a flat book can never return to APEX by itself: re-base, or wait for a deposit"
    return (
        *(Row(group, name, value, "design 2.1", costs) for name, value, costs in found),
        Row(group, "trapped below", percent(p.TRAPPED_BELOW_BP), "design 2.5", trapped),
    )


def _waits() -> tuple[Row, ...]:
    group = "waits in real time: fixed, the same in every profile"
    found = (
        ("grace", p.GRACE_NS, "2.2", "from due to the fault, and the end of credited time"),
        ("stale", p.STALE_NS, "2.2", "a tick later than this takes no entry"),
        ("clock back", p.CLOCK_BACK_NS, "2.2", "a step back up to this is judged at the latest time; more is a fault"),
        ("arm wait", p.ARM_WAIT_NS, "2.6", "between the two steps of a re-arm: time to change one's mind"),
        ("request life", p.INTRADAY_REQUEST_NS, "2.6", "an older request (arm, re-base) is repeated; `daily`: 30 d"),
        ("mark window", p.MARK_WINDOW_NS, "2.5", "the mark rises to the least sample of this long"),
        ("trim gap", p.TRIM_GAP_NS, "2.3", "at most one own order a position in this time"),
    )
    return tuple(Row(group, name, real(ns), f"design {source}", costs) for name, ns, source, costs in found)
