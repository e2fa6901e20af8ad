"""A calibration as text: the tables that `dolphin calibrate` prints, and the same as JSON.

What belongs here: words, numbers and columns. What they mean is docs/guide/calibrate.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from dolphin import __version__
from dolphin.app.calibrate_fold import LOW_BP, NAMES
from dolphin.app.calibrate_propose import Said
from dolphin.app.calibrate_stats import GOAL, Chance, below, days_needed, quantile
from dolphin.app.calibrate_sweep import Row, Sweep
from dolphin.app.calibrate_work import Before, Calibration
from dolphin.kernel.policy import Posture
from dolphin.kernel.units import NS_PER_S

HOUR_NS = 3_600 * NS_PER_S


class Sheet(NamedTuple):
    """A table: a title, heads of its columns, rows of text, and a line below."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    below: str = ""


def share(part: float, whole: float) -> str:
    """`12.3 %`; small parts with the digits that they need."""
    if not whole or not part:
        return "0 %" if whole else "-"
    value = 100 * part / whole
    return f"{value:.1f} %" if value >= 0.1 else f"{value:.2g} %"


def hours(ns: int) -> str:
    """Hours, fewer digits where there are many."""
    value = ns / HOUR_NS
    return f"{value:,.0f}" if value >= 1_000 else f"{value:,.1f}" if value >= 1 else f"{value:.3f}"


def bp(value: int) -> str:
    """A multiplier as a share."""
    return f"{value / 100:.1f} %"


def lead(found: Calibration) -> list[str]:
    """What was looked at."""
    days = (found.to_ns - found.from_ns) / 86_400 / NS_PER_S
    nominal = f"{hours(found.nominal_ns)} h in nominal time on {found.chance.days:,} days"
    return [
        f"{found.title}, profile {found.profile}: {days:,.1f} days, of which {nominal}",
        f"not exercised by these data: {', '.join(found.absent) or 'nothing'}",
    ]


def goal(found: Chance) -> str:
    """The goal, the count, the bound."""
    said = (
        f"R total below {LOW_BP / 10_000:g} on {found.hits:,} of {found.days:,} nominal days; the chance of such a day"
        f" is between {found.low:.2g} and {found.high:.2g} (each bound 95 %). Goal {GOAL:.0e}: {found.verdict}"
    )
    if found.verdict == "these data cannot tell":
        said += f" ({days_needed():,} days without one would)"
    return said


def postures(now: Before, then: Before) -> Sheet:
    """Hours per posture, as it is and as proposed."""
    whole, later = sum(now.ns.values()), sum(then.ns.values())
    rows = []
    for posture in Posture:
        here, there = now.ns.get(posture, 0), then.ns.get(posture, 0)
        rows.append((posture.name, hours(here), share(here, whole), hours(there), share(there, later)))
    rows.append(("trips, false", f"{now.trips:,}", f"{now.false:,} false", f"{then.trips:,}", f"{then.false:,} false"))
    rows.append(("denied, shrunk", f"{now.denied:,}", f"{now.shrunk:,}", f"{then.denied:,}", f"{then.shrunk:,}"))
    return Sheet("hours per posture", ("", "as it is, h", "share", "proposed, h", "share"), rows)


def multipliers(found: Calibration) -> Sheet:
    """R in nominal time."""
    rows = []
    for name in NAMES:
        weights = found.weights[name]
        whole = sum(weights.values())
        if not whole:
            continue
        marks = [bp(quantile(weights, 1, among)) for among in (2, 20, 100, 1_000)]
        rows.append((name, *marks, bp(min(weights)), share(below(weights, LOW_BP), whole)))
    heads = ("category", "median", "5 %", "1 %", "0.1 %", "least", f"time below {LOW_BP / 100:.0f} %")
    return Sheet("R in nominal time", heads, rows, f"{goal(found.chance)}. {found.dips:,} separate dips.")


def measured(found: Calibration) -> Sheet:
    """What the sensors of category 3 measured."""
    rows = [
        (one.name, one.unit, f"{one.readings:,}", f"{one.usual:,}", f"{one.rare:,}", f"{one.worst:,}", bp(one.worst_bp))
        for one in found.measured
    ]
    heads = ("R3 sensor", "unit", "readings", "median", "99 in 100 within", "worst", "its R")
    return Sheet("what the sensors measured", heads, rows)


def trips(found: Calibration) -> Sheet:
    """False trips per sensor."""
    rows = []
    for name, one in found.trips.items():
        if one.trips:
            shown = share(one.false, one.judged) if one.judged else "cannot be told"
            rows.append((name, f"{one.trips:,}", f"{one.judged:,}", f"{one.false:,}", shown))
    if not rows:
        rows.append(("no sensor", "0", "0", "0", "-"))
    text = (
        "False: until the posture was regained, the price went no further than in half of all spans of that length."
        " Of trips by chance 50 % are."
    )
    return Sheet("trips", ("sensor", "trips", "judged", "false", "share false"), rows, text)


def cost(sweep: Sweep) -> Sheet:
    """One threshold at its values."""
    ceiling = sweep.key == "ceiling"
    heads: Sequence[str] = ("value", "APEX", "STALKER", "TURTLE", "HIBERNATE", "trips", "false", "denied", "shrunk")
    if ceiling:
        heads = ("value", "worst move costs", "denied", "shrunk")
    rows = [_ceiling(row) if ceiling else _row(row) for row in sweep.rows]
    below = f"set by {sweep.setting}" if sweep.setting else "fixed in this version of the policy"
    return Sheet(sweep.title, heads, rows, below)


def _marked(row: Row) -> str:
    return f"{row.label} *" if row.shipped else row.label


def _row(row: Row) -> tuple[str, ...]:
    whole = sum(row.ns.values())
    held = [share(row.ns.get(posture, 0), whole) for posture in Posture]
    return (_marked(row), *held, f"{row.trips:,}", f"{row.false:,}", f"{row.denied:,}", f"{row.shrunk:,}")


def _ceiling(row: Row) -> tuple[str, ...]:
    lost = bp(row.loss_bp) if row.loss_bp >= 0 else "-"
    return (_marked(row), lost, f"{row.denied:,}", f"{row.shrunk:,}")


def proposal(said: Sequence[Said]) -> Sheet:
    """Each threshold, and whether data support it."""
    rows = []
    for one in said:
        if one.table:
            mark = " LOOSER" if one.looser else ""
            changed = one.value if one.value == one.shipped else f"{one.shipped} -> {one.value}"
            rows.append((f"{one.table}.{one.key}", changed, f"{one.status}{mark}", one.why))
    return Sheet("proposed", ("threshold", "value", "status", "why"), rows)


def sheets(found: Calibration) -> list[Sheet]:
    """All of them, in the order of the questions."""
    shown = [postures(found.now, found.then), multipliers(found)]
    if found.measured:
        shown.append(measured(found))
    return [*shown, trips(found), *(cost(sweep) for sweep in found.sweeps), proposal(found.proposal.said)]


def as_json(found: Calibration) -> str:
    """The same for machines: times in ns, shares in bp, counts. Bounds are floats."""
    said: dict[str, Any] = {
        "dolphin": __version__,
        "title": found.title,
        "profile": found.profile,
        "from_ns": str(found.from_ns),
        "to_ns": str(found.to_ns),
        "nominal_ns": str(found.nominal_ns),
        "absent": list(found.absent),
        "exact": found.exact,
        "goal": {**found.chance._asdict(), "goal": GOAL, "verdict": found.chance.verdict, "dips": found.dips},
        "postures": _before(found.now),
        "proposed_postures": _before(found.then),
        "r_bp": {
            name: {
                "median": quantile(weights, 1, 2),
                "p5": quantile(weights, 1, 20),
                "p1": quantile(weights, 1, 100),
                "p01": quantile(weights, 1, 1_000),
                "least": min(weights),
                "below_9200_ns": str(below(weights, LOW_BP)),
            }
            for name, weights in found.weights.items()
            if weights
        },
        "measured": [one._asdict() for one in found.measured],
        "trips": {name: one._asdict() for name, one in found.trips.items() if one.trips},
        "worst_move": {**found.worst._asdict(), "ts_ns": str(found.worst.ts_ns)},
        "sweeps": [
            {
                "key": sweep.key,
                "title": sweep.title,
                "setting": sweep.setting,
                "rows": [_one(row) for row in sweep.rows],
            }
            for sweep in found.sweeps
        ],
        "proposal": [one._asdict() for one in found.proposal.said],
        "notes": list(found.notes),
    }
    return json.dumps(said, indent=2)


def _before(one: Before) -> dict[str, Any]:
    return {**one._asdict(), "ns": {posture.name: str(one.ns.get(posture, 0)) for posture in Posture}}


def _one(row: Row) -> dict[str, Any]:
    value = row.value if row.value != float("inf") else "off"
    return {**row._asdict(), "value": value, "ns": {posture.name: str(row.ns.get(posture, 0)) for posture in Posture}}
