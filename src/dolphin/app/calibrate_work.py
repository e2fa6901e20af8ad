"""From a replay, or a journal alone, to all that `dolphin calibrate` says: one `Calibration`.

What belongs here: the order of the folds, and figures of each sensor. How it looks is `calibrate_text`'s and
`calibrate_report`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from dolphin.app.calibrate_change import Change, Replay
from dolphin.app.calibrate_fold import CURVES, LOW_BP, SENSORS, Course, Nominal, Says, Tape, fold
from dolphin.app.calibrate_prices import Prices, Worst
from dolphin.app.calibrate_propose import Facts, Proposal, propose
from dolphin.app.calibrate_stats import Chance, chance, quantile
from dolphin.app.calibrate_sweep import Bench, Judged, Sweep, judged, seconds, sweeps
from dolphin.journal.segments import later
from dolphin.kernel.events import Equity
from dolphin.kernel.policy import Posture, Profile
from dolphin.kernel.units import NS_PER_S
from dolphin.sensors.source import VIX

UNITS: Final = {"latency": "ms", "jitter": "ms", "depth": "bp of its median", "spread": "bp of its median"}
_PART: Final = 100
"""Less than this part of the equity held is no test of drawdown."""


class Measured(NamedTuple):
    """What one sensor of category 3 measured: how often, the usual, the 99th percentile and the worst, in `unit`; and
    the least R that followed.
    """

    name: str
    unit: str
    readings: int
    usual: int
    rare: int
    worst: int
    worst_bp: int


class Before(NamedTuple):
    """The same readings under the policy as it is, or as it is proposed."""

    ns: Mapping[Posture, int]
    trips: int
    false: int
    denied: int
    shrunk: int


class Calibration(NamedTuple):
    """All of it. `weights`: how long each R held, in nominal time (ns). `exact`: the readings, put together anew, gave
    the very moves of the journal.
    """

    title: str
    profile: str
    journal: Path
    from_ns: int
    to_ns: int
    course: Course
    weights: Mapping[str, Counter[int]]
    chance: Chance
    dips: int
    measured: Sequence[Measured]
    trips: Mapping[str, Judged]
    absent: Sequence[str]
    worst: Worst
    sweeps: Sequence[Sweep]
    proposal: Proposal
    now: Before
    then: Before
    exact: bool
    notes: Sequence[str]

    @property
    def nominal_ns(self) -> int:
        """Nominal time in all."""
        return sum(self.weights["R total"].values())


def calibrated(
    path: Path, tape: Tape, replay: Replay | None, prices: Prices, loosen: bool, told: Callable[[str], None]
) -> Calibration:
    """Fold, judge, sweep, propose, and fold what is proposed."""
    told("readings")
    says = replay.says() if replay is not None else Says()
    bench = Bench(tape, replay, prices, told)
    nominal = Nominal(tape.traded, bench.hours)
    course = fold(tape.policy, tape, tape.events, says, bench.hours, nominal)
    exact = replay is None or bench.course(Change()).moves == course.moves
    absent = _absent(tape, replay)
    settings: Mapping[str, Any] = replay.market.sensors if replay is not None else {}
    found = sweeps(bench)
    facts = Facts(
        policy=tape.policy,
        name=replay.name if replay is not None else "",
        days=len(nominal.worst),
        step_ns=_step_ns(replay),
        worst=bench.worst,
        settings=settings,
        sweeps=found,
        absent=absent,
        fired=replay.observed.fired if replay is not None else (),
    )
    proposal = propose(facts, loosen)
    told("the proposal")
    after = bench.course(proposal.change if replay is not None else None, proposal.policy)
    low = sum(bp < LOW_BP for bp in nominal.worst.values())
    return Calibration(
        title=replay.market.title if replay is not None else path.stem,
        profile=Profile(tape.policy.profile).name.lower(),
        journal=path,
        from_ns=tape.state.clock.t_ns,
        to_ns=tape.last_ns,
        course=course,
        weights=nominal.weights(),
        chance=chance(low, len(nominal.worst)),
        dips=nominal.dips,
        measured=_measured(replay) if replay is not None else [],
        trips={name: judged(course.falls, prices, name) for name in SENSORS},
        absent=absent,
        worst=facts.worst,
        sweeps=found,
        proposal=proposal,
        now=_before(course, prices),
        then=_before(after, prices),
        exact=exact,
        notes=_notes(tape, replay, exact),
    )


def _before(course: Course, prices: Prices) -> Before:
    found = judged(course.falls, prices)
    return Before(course.ns, found.trips, found.false, sum(course.denied.values()), course.shrunk)


def _step_ns(replay: Replay | None) -> int:
    if replay is None or len(replay.times) < 2:
        return 0
    return int(np.median(np.diff(replay.times)))


def _measured(replay: Replay) -> list[Measured]:
    found = []
    for at, (name, curve) in enumerate(CURVES.items()):
        counts = Counter(heard.levels[at] for heard in replay.heard if heard.levels[at] >= 0)
        if not counts:
            continue
        # Depth is bad where it is small.
        low = name == "depth"
        rare = quantile(counts, 1, 100) if low else quantile(counts, 99, 100)
        worst = min(counts) if low else max(counts)
        usual = quantile(counts, 1, 2)
        found.append(Measured(name, UNITS[name], sum(counts.values()), usual, rare, worst, curve(worst)))
    return found


def _absent(tape: Tape, replay: Replay | None) -> list[str]:
    """Sensors that had nothing to read."""
    said = {str(name) for name in tape.header.get("absent", ())}
    found = ["R2 envelope"] if "2" in said else []
    if replay is not None:
        for at, name in enumerate(CURVES):
            if not any(heard.levels[at] >= 0 for heard in replay.heard):
                found.append(f"R3 {name}")
        shocks = str(replay.market.sensors.get("shocks", "1-DAY"))
        if shocks == "none" or replay.step_ns < seconds(shocks) * NS_PER_S:
            found.append("R4 return")
        if VIX not in tape.feeds:
            found.append("R4 VIX")
    if not any(type(event) is Equity and event.gross * _PART >= event.equity for event in tape.events):
        found.append("R5 drawdown")
    return found


def _notes(tape: Tape, replay: Replay | None, exact: bool) -> list[str]:
    found = list(replay.market.notes) if replay is not None else []
    if tape.torn:
        found.append("the journal's last line is torn: calibrated as far as it goes")
    if tape.later:
        said = later(tape.header)
        found.append(f"of the journal, {said}: calibrated from the checkpoint that follows, under any policy")
    if not exact:
        found.append("the readings, put together anew, do not give the journal's own moves: the sweeps are estimates")
    if replay is None:
        found.append(
            "of a journal alone: R3 and R4 are not told apart by sensor, sessions are not known, and a fall is judged"
            " by the account's own equity"
        )
    return found


def of_equity(tape: Tape) -> Prices:
    """A journal's own prices: the equity of its account, where it can be read and is not gone."""
    known = [event for event in tape.events if type(event) is Equity and event.error == 0 and event.equity > 0]
    return Prices([event.ts_ns for event in known], [float(event.equity) for event in known])
