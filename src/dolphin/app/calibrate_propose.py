"""The proposed policy: which thresholds these data speak to, by rules that are written down, and the file.

What belongs here: the rules. docs/guide/calibrate.md is them in prose.

A threshold is *tuned* where its rule had enough data; it stays *as shipped* where it had not, or where no data speak
to it; a detector that no data exercised, or whose trips are false as often as chance, is *off*; *fixed* is what this
version of the policy lets nobody set. Nothing becomes looser than it was by itself: such a line is written as a comment
that says LOOSER, unless whoever calibrates asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from dolphin.app.calibrate_change import Change
from dolphin.app.calibrate_prices import Worst
from dolphin.app.calibrate_sweep import Row, Sweep, lowered
from dolphin.app.calibrate_watch import Fired
from dolphin.app.policy_table import leverage, percent, real
from dolphin.app.report_charts import r5_falls
from dolphin.kernel.policy import DAILY, LEVERAGE_MAX_BP, Hibernate, Policy, Posture, Profile
from dolphin.kernel.units import NS_PER_S
from dolphin.sensors.source import VIX

DAYS_MIN: Final = 5
"""Nominal days below which no silence is judged."""
FALSE_DAYS: Final = 10
"""A silence may bring one false trip in so many nominal days."""
JUDGED_MIN: Final = 5
"""Trips below which a detector is not judged."""
MOVES_MIN: Final = 1_000
"""Moves below which the largest of them says too little about the next."""
DAILY_STEP_NS: Final = 12 * 3_600 * NS_PER_S
"""Rows this far apart and farther are daily ones."""
TUNED, SHIPPED, SWITCHED_OFF, FIXED = "tuned", "as shipped", "off", "fixed"


class Said(NamedTuple):
    """One threshold of the proposal. `value`, `shipped`: as JSON writes them. `looser`: than it was, and only a comment
    in the file unless it is asked for.
    """

    table: str
    key: str
    value: str
    shipped: str
    status: str
    why: str
    looser: bool = False


class Facts(NamedTuple):
    """What the rules look at. `name`: of the traded feed. `days`: nominal ones. `step_ns`: median time between rows, 0
    where that is not known.

    `settings`: the sensors' as the user has them. `absent`: sensors without a reading.
    """

    policy: Policy
    name: str
    days: int
    step_ns: int
    worst: Worst
    settings: Mapping[str, Any]
    sweeps: Sequence[Sweep]
    absent: Sequence[str]
    fired: Sequence[Fired]


class Proposal(NamedTuple):
    """What is proposed, and what it makes of policy, settings and readings; `loosened`: what is looser counts too."""

    said: Sequence[Said]
    policy: Policy
    settings: Mapping[str, Any]
    change: Change
    loosened: bool


def propose(facts: Facts, loosen: bool) -> Proposal:
    """Apply every rule."""
    said = [*_policy(facts), *_silence(facts), *_shocks(facts), *_vix(facts), *_fixed(facts)]
    taken = {one.key: json.loads(one.value) for one in said if one.table == "sensors" and (loosen or not one.looser)}
    settings = {key: value for key, value in taken.items() if key in ("late_s", "max_silence_s", "shocks")}
    given = {one.key: one.shipped if one.looser and not loosen else one.value for one in said if one.table == "policy"}
    policy = lowered(_under(facts.policy, json.loads(given["profile"])), int(given["apex_entry_bp"]))
    fired: Sequence[Fired] = facts.fired
    if settings.get("shocks") == "none":
        fired = [one for one in fired if one.feed == VIX]
    sensors = {key: value for key, value in settings.items() if key != "shocks"}
    return Proposal(said, policy, settings, Change(sensors=sensors, fired=fired), loosen)


def _under(policy: Policy, word: str) -> Policy:
    """The policy under this profile. One that becomes daily re-bases no sooner than the shipped daily one does."""
    profile = Profile[word.upper()]
    if profile == policy.profile or profile != Profile.DAILY:
        return policy._replace(profile=profile)
    return policy._replace(
        profile=profile,
        rebase_trapped_ns=max(policy.rebase_trapped_ns, DAILY.rebase_trapped_ns),
        rebase_gap_ns=max(policy.rebase_gap_ns, DAILY.rebase_gap_ns),
    )


def _policy(facts: Facts) -> list[Said]:
    policy = facts.policy
    was, word = Profile(policy.profile).name.lower(), Profile(policy.profile).name.lower()
    found = []
    if facts.step_ns:
        word = "daily" if facts.step_ns >= DAILY_STEP_NS else "intraday"
        why = f"half of the rows are at most {_span(facts.step_ns)} apart"
        looser = word != was and word == "intraday"
        found.append(Said("policy", "profile", json.dumps(word), json.dumps(was), TUNED, why, looser))
    else:
        found.append(Said("policy", "profile", json.dumps(was), json.dumps(was), SHIPPED, "not asked of a journal"))
    found += _ceilings(facts)
    kept = (
        ("trim", json.dumps("on" if policy.trim == 1 else "off")),
        ("hibernate", json.dumps(Hibernate(policy.hibernate).name.lower())),
        ("trim_band_bp", str(policy.trim_band_bp)),
        ("l_raw_bp", str(policy.l_raw_bp)),
        ("kappa_bp", str(policy.kappa_bp)),
    )
    why = "a choice, no measurement: these data do not speak to it"
    found += [Said("policy", key, value, value, SHIPPED, why) for key, value in kept]
    made = _under(policy, word)
    for key in ("rebase_trapped_ns", "rebase_gap_ns"):
        value, shipped = (json.dumps(real(getattr(one, key))) for one in (made, policy))
        because = why if value == shipped else "the daily profile's own: less would be looser than it is shipped"
        found.append(Said("policy", key, value, shipped, SHIPPED, because))
    return found


def _span(ns: int) -> str:
    return f"{ns / NS_PER_S:,.3g} s" if ns < 3_600 * NS_PER_S else f"{ns / 3_600 / NS_PER_S:,.3g} h"


def _ceilings(facts: Facts) -> list[Said]:
    """The largest leverage at which the worst move between two decisions does not, by itself, end in HIBERNATE."""
    policy, worst = facts.policy, facts.worst
    deepest_bp = dict(r5_falls())[Posture.HIBERNATE]
    names = ("apex_entry_bp", "apex_held_bp", "stalker_entry_bp", "stalker_held_bp", "turtle_held_bp")
    if worst.moves < MOVES_MIN:
        why = f"{worst.moves:,} moves; the rule wants {MOVES_MIN:,}"
        return [
            Said("policy", key, str(getattr(policy, key)), str(getattr(policy, key)), SHIPPED, why) for key in names
        ]
    exact_bp = deepest_bp * 1_000_000 // worst.ppm if worst.ppm else LEVERAGE_MAX_BP
    ceiling_bp = min(exact_bp // 1_000 * 1_000, policy.apex_entry_bp)
    made = lowered(policy, ceiling_bp)
    lost = percent(-(-worst.ppm * policy.apex_entry_bp // 1_000_000))
    why = (
        f"the worst of {worst.moves:,} moves was {worst.ppm / 10_000:.2f} %: {lost} at {leverage(policy.apex_entry_bp)}"
        f"; at most {leverage(ceiling_bp)} keeps it above {percent(deepest_bp)}, where drawdown alone ends in HIBERNATE"
    )
    if ceiling_bp == policy.apex_entry_bp:
        why = f"the worst of {worst.moves:,} moves was {worst.ppm / 10_000:.2f} %: {lost} at {leverage(ceiling_bp)}"
    found = []
    for key in names:
        now, was = getattr(made, key), getattr(policy, key)
        found.append(
            Said("policy", key, str(now), str(was), TUNED, why if key.startswith("apex") else "no more than APEX")
        )
    return found


def _silence(facts: Facts) -> list[Said]:
    """The shortest silence that brings one false trip in ten nominal days at most, where all trips can be judged."""
    sweep = next((sweep for sweep in facts.sweeps if sweep.key == "silence"), None)
    if sweep is None:
        return []
    key = sweep.setting.partition(".")[2]
    now = next(row for row in sweep.rows if row.shipped)
    shown = _mine(facts, key, now)
    if facts.days < DAYS_MIN:
        return [Said("sensors", key, shown, shown, SHIPPED, f"{facts.days} nominal days; the rule wants {DAYS_MIN}")]
    allowed = facts.days // FALSE_DAYS
    if now.judged < now.trips and now.false <= allowed:
        # What cannot be judged speaks for no more patience either.
        usable = [row for row in sweep.rows if row.value <= now.value]
    else:
        usable = list(sweep.rows)
    best = next((row for row in usable if row.judged == row.trips and row.false <= allowed), None)
    if best is None:
        why = f"no value is shown to keep false trips to {allowed} in {facts.days} nominal days; {_trips(now)} now"
        return [Said("sensors", key, shown, shown, SHIPPED, why)]
    why = f"{_trips(best)} in {facts.days} nominal days (allowed: {allowed}); at {now.label} {_trips(now)}"
    return [Said("sensors", key, _mine(facts, key, best), shown, TUNED, why, best.value > now.value)]


def _mine(facts: Facts, key: str, row: Row) -> str:
    """The setting with this value for what was calibrated; every other feed keeps what it has."""
    was = facts.settings.get(key, {})
    others = was if isinstance(was, Mapping) else {"default": was}
    return json.dumps({**others, facts.name: int(row.value)})


def _trips(row: Row) -> str:
    unknown = f", {row.trips - row.judged} not judged" if row.judged < row.trips else ""
    return f"{row.false} false of {row.trips} trips{unknown}"


def _knows(row: Row | None) -> bool | None:
    """Whether a detector's trips are false less often than chance; None where there are too few to judge."""
    if row is None or row.judged < JUDGED_MIN:
        return None
    return 2 * row.false < row.judged


def _shocks(facts: Facts) -> list[Said]:
    sweep = next((sweep for sweep in facts.sweeps if sweep.key == "shocks"), None)
    if sweep is None:
        return []
    now = next(row for row in sweep.rows if row.shipped)
    shown, finer = json.dumps(now.label), sweep.rows[-1]
    knows = _knows(now)
    if knows is False:
        why = f"{_trips(now)}: no better than chance"
        return [Said("sensors", "shocks", '"none"', shown, SWITCHED_OFF, why, True)]
    if knows:
        return [Said("sensors", "shocks", shown, shown, TUNED, f"{_trips(now)}: better than chance")]
    if "R4 return" in facts.absent:
        why = "these data have no bar so long: it judged nothing"
        if finer.label != now.label and _knows(finer):
            why += (
                f"; at {finer.label} {_trips(finer)}, better than chance, and {100 * finer.away:.0f} % away from APEX"
            )
        return [Said("sensors", "shocks", shown, shown, SWITCHED_OFF, why)]
    return [Said("sensors", "shocks", shown, shown, SHIPPED, f"{_trips(now)}; the rule wants {JUDGED_MIN} to judge")]


def _vix(facts: Facts) -> list[Said]:
    """A source that is configured stays; what it was worth is said."""
    sweep = next((sweep for sweep in facts.sweeps if sweep.key == "vix"), None)
    if sweep is None:
        return []
    now = next(row for row in sweep.rows if row.shipped)
    if _knows(now) is False:
        why = f"{_trips(now)}: no better than chance; to switch it off, leave `vix` out of [sensors]"
        return [Said("", "R4 VIX +30 %", "off", "on", SWITCHED_OFF, why, True)]
    return [Said("", "R4 VIX +30 %", "on", "on", FIXED, _trips(now))]


def _fixed(facts: Facts) -> list[Said]:
    """What cannot be set: said all the same, with what it cost."""
    found = []
    for sweep in facts.sweeps:
        if not sweep.setting and sweep.key != "vix":
            now = next(row for row in sweep.rows if row.shipped)
            found.append(Said("", sweep.title, now.label, now.label, FIXED, _trips(now)))
    for name in facts.absent:
        found.append(Said("", name, "off", "off", SWITCHED_OFF, "no reading in these data: it judged nothing"))
    return found


def toml(proposal: Proposal, heading: Sequence[str], kept: Mapping[str, Any]) -> str:
    """The file, which `dolphin policy check` and `dolphin run --config` take. `kept`: the user's own [sensors]."""
    lines = [*(f"# {line}".rstrip() for line in heading), ""]
    for table in ("policy", "sensors"):
        said = [one for one in proposal.said if one.table == table]
        mine = {one.key for one in said}
        rest = {key: value for key, value in kept.items() if table == "sensors" and key not in (*mine, "spans")}
        if said or rest:
            lines.append(f"[{table}]")
        lines += [f"{key} = {_toml(value)}" for key, value in rest.items()]
        for one in said:
            lines += _lines(one, proposal.loosened)
        lines.append("")
    lines.append("# What this version of the policy fixes, or nothing here exercised:")
    lines += [f"# {one.key}: {one.value} ({one.status}): {one.why}" for one in proposal.said if not one.table]
    return "\n".join(lines) + "\n"


def _lines(one: Said, loosened: bool) -> list[str]:
    value, shipped = (_toml(json.loads(text)) for text in (one.value, one.shipped))
    about = f"# {one.status}: {one.why}" + (f" (was {shipped})" if value != shipped else "")
    if not one.looser:
        return [about, f"{one.key} = {value}"]
    if loosened:
        return [about, "# LOOSER than it was, as asked for with --loosen:", f"{one.key} = {value}"]
    return [
        about,
        f"# LOOSER than it was, so it is yours to decide: {one.key} = {value}",
        f"{one.key} = {shipped}",
    ]


def _toml(value: Any) -> str:
    """A value of a setting; a mapping as an inline table."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)
