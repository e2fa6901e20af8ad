"""The one place of every constant: levels, ceilings, deadbands, waits; and the two profiles.

What belongs here: numbers with unit and source, the `Policy` tuple of what a user may vary (profile, modes, limits),
and `problems`, which says what is wrong with one. No behaviour. The levels and tables are one versioned policy
(`VERSION`): changing one is a new version, and spec/ and proofs/ are checked against this file.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from dolphin.kernel.units import BP, NS_PER_MS

VERSION = 1


class Posture(IntEnum):
    """Worse is larger, so that the order of the numbers is the order of severity (DESIGN.md 2.3)."""

    APEX = 0
    STALKER = 1
    TURTLE = 2
    HIBERNATE = 3


class Profile(IntEnum):
    """What one policy millisecond is: 1 ms of real time, or 1.44 s (a minute of policy reads as a day)."""

    INTRADAY = 0
    DAILY = 1


class Hibernate(IntEnum):
    """What HIBERNATE does with what is held: sell all, sell down to share * l_raw, or send nothing."""

    FLATTEN = 0
    GLIDE = 1
    HOLD = 2


# Posture levels, in ms of confidence (DESIGN.md 2.3): fall at or below, return at or above.
FALL_APEX_MS, RETURN_APEX_MS = 5_100_000, 5_520_000
FALL_STALKER_MS, RETURN_STALKER_MS = 1_980_000, 2_400_000
FALL_TURTLE_MS, RETURN_TURTLE_MS = 600_000, 1_020_000
UPWARD_GAP_MS = 420_000
"""Theorem: two upward entries into one posture are at least this much credited time apart (gap over slew)."""

# Categories (DESIGN.md 2.1).
FLOOR_BP = 2_000
"""Lowest value of R3: microstructure alone ends in TURTLE, never in HIBERNATE."""
LATENCY_MS = (200, 2_000)
JITTER_MS = (50, 500)
DEPTH_BP = (8_000, 1_000)
SPREAD_BP = (30_000, 100_000)
SILENCE_MS = (200, 10_000)
ENVELOPE_FRESH_S = 30
ENVELOPE_DECADE_S = 7_170
SHOCK_BP = 3_000
SHOCK_RAMP_MS = 3_600_000
DRAWDOWN_FREE_BP = 100
TRAPPED_BELOW_BP = 9_200
"""R5 below this keeps confidence below APEX' return level whatever else is true (DESIGN.md 2.5)."""

# Real time, in every profile (DESIGN.md 2.2).
GRACE_NS = 10_000 * NS_PER_MS
"""From due (or from the first bad reading) to the Category 1 fault, and the end of credited time."""
STALE_NS = 200 * NS_PER_MS
"""Deadband of silence: an instrument whose tick is later than this takes no entry."""
CLOCK_BACK_NS = 1_000 * NS_PER_MS
"""A step back of up to this is judged at t_max; more is the Category 1 fault clock regression."""
ARM_WAIT_NS = 60_000 * NS_PER_MS
"""A confirm of the re-arm comes no earlier than this after its request."""
INTRADAY_REQUEST_NS = 24 * 3_600 * 1_000 * NS_PER_MS
DAILY_REQUEST_NS = 30 * INTRADAY_REQUEST_NS
"""A request of the operator (re-arm, re-base) lapses at this age: a day, so that no request is confirmed by another
day's shift; on daily bars thirty, since from one bar to the next it may be four, and a policy's month is one."""
MARK_WINDOW_NS = 60_000 * NS_PER_MS
"""The high-water mark rises to the smallest sample of this long: one bad tick must not ratchet it."""
TRIM_GAP_NS = 60_000 * NS_PER_MS
DAY_NS = 86_400_000 * NS_PER_MS


class Policy(NamedTuple):
    """What a user may vary. Shapes: all scalar integers; units in the names.

    `l_raw_bp` is the sizer's estimate where none is configured (60,000: the ceiling decides).
    """

    profile: Profile = Profile.INTRADAY
    trim: int = 1
    hibernate: Hibernate = Hibernate.FLATTEN
    apex_entry_bp: int = 60_000
    stalker_entry_bp: int = 20_000
    apex_held_bp: int = 60_000
    stalker_held_bp: int = 20_000
    turtle_held_bp: int = 20_000
    trim_band_bp: int = 1_000
    l_raw_bp: int = 60_000
    kappa_bp: int = 5_000
    rebase_trapped_ns: int = DAY_NS
    rebase_gap_ns: int = 30 * DAY_NS


INTRADAY = Policy()
DAILY = Policy(profile=Profile.DAILY, rebase_trapped_ns=365 * DAY_NS, rebase_gap_ns=365 * DAY_NS)
LEVERAGE_MAX_BP = 60_000
"""The seed's 6.0x knee: a ceiling, never a target."""


def problems(policy: Policy) -> tuple[str, ...]:
    """What contradicts in `policy`, each as `field: what is wrong`; empty if nothing does."""
    found: list[str] = []
    for name in ("apex_entry_bp", "stalker_entry_bp", "apex_held_bp", "stalker_held_bp", "turtle_held_bp", "l_raw_bp"):
        value = getattr(policy, name)
        if value < 0:
            found.append(f"{name}: {value} is negative; accepted 0..{LEVERAGE_MAX_BP}")
        if value > LEVERAGE_MAX_BP:
            found.append(f"{name}: {value} is above the ceiling of {LEVERAGE_MAX_BP} (6.0x)")
    for entry, held in (("apex_entry_bp", "apex_held_bp"), ("stalker_entry_bp", "stalker_held_bp")):
        if getattr(policy, entry) > getattr(policy, held):
            found.append(f"{entry}: above {held}: an entry would be trimmed at once")
    for better, worse in (
        ("apex_entry_bp", "stalker_entry_bp"),
        ("apex_held_bp", "stalker_held_bp"),
        ("stalker_held_bp", "turtle_held_bp"),
    ):
        if getattr(policy, better) < getattr(policy, worse):
            found.append(f"{worse}: above {better}: a worse posture may not allow more")
    if policy.trim_band_bp < 0:
        found.append(f"trim_band_bp: {policy.trim_band_bp} is negative")
    if policy.trim_band_bp > BP:
        found.append(f"trim_band_bp: {policy.trim_band_bp} is above {BP} (100 %)")
    if policy.kappa_bp < 0:
        found.append(f"kappa_bp: {policy.kappa_bp} is negative")
    if policy.kappa_bp > BP:
        found.append(f"kappa_bp: {policy.kappa_bp} is above {BP}: more than full Kelly")
    for name in ("rebase_trapped_ns", "rebase_gap_ns"):
        if getattr(policy, name) < 0:
            found.append(f"{name}: {getattr(policy, name)} is negative")
    if policy.trim not in (0, 1):
        found.append(f"trim: {policy.trim}; accepted 0 (off), 1 (on)")
    return tuple(found)
