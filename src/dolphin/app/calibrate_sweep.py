"""What each threshold would have cost: the same readings folded at other values of it, one at a time.

What belongs here: which thresholds there are, at which values they are tried, and one row of figures for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, Final, NamedTuple

from dolphin.app.calibrate_change import OFF, Change, Replay, rises, surprises
from dolphin.app.calibrate_fold import CURVES, Course, Fall, Hours, Says, Tape, fold
from dolphin.app.calibrate_prices import Prices, Worst
from dolphin.app.calibrate_watch import Fired
from dolphin.app.policy_table import leverage
from dolphin.journal.codec import begin, policy_object
from dolphin.kernel.events import Event, Order
from dolphin.kernel.policy import Policy, Posture, Profile
from dolphin.sensors.shock import RISE_BP, SIGMAS
from dolphin.sensors.source import UNITS_S, VIX, Source

SILENCES_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200)
LATES_S: Final = (0, 1, 5, 30, 60, 300, 900, 3_600)
TOLERANCES: Final = (0.5, 1.0, 2.0, 4.0, OFF)
SIGMAS_TRIED: Final = (3, 4, 5, 6, 8)
RISES_BP: Final = (12_000, 13_000, 14_000, 15_000)
CEILINGS_BP: Final = (5_000, 10_000, 15_000, 20_000, 30_000, 40_000, 50_000, 60_000)


class Row(NamedTuple):
    """One value of a threshold. `ns`: time in each posture. `false` of `judged` trips were for nothing.

    `loss_bp`: what the worst move between two decisions costs at this ceiling, -1 where that is not asked.
    """

    label: str
    value: float
    shipped: bool
    ns: Mapping[Posture, int]
    trips: int
    false: int
    judged: int
    denied: int
    shrunk: int
    loss_bp: int = -1

    @property
    def away(self) -> float:
        """Share of the time not in APEX."""
        whole = sum(self.ns.values())
        return 1 - self.ns.get(Posture.APEX, 0) / whole if whole else 0.0


class Sweep(NamedTuple):
    """One threshold. `setting`: the key that sets it, empty where it is fixed in this version of the policy."""

    key: str
    title: str
    setting: str
    sensor: str
    rows: Sequence[Row]

    def row(self, value: float) -> Row | None:
        """The row of this value."""
        return next((row for row in self.rows if row.value == value), None)


class Judged(NamedTuple):
    """Falls of one kind: how many, and how many of those that can be judged were for nothing."""

    trips: int
    false: int
    judged: int


def judged(falls: Sequence[Fall], prices: Prices, sensor: str = "") -> Judged:
    """The falls that `sensor` brought (all, where it is empty)."""
    mine = [fall for fall in falls if not sensor or fall.sensor == sensor]
    said = [prices.false(fall) for fall in mine]
    return Judged(len(mine), said.count(True), len(said) - said.count(None))


class Bench:
    """Folds the same material again and again. `told`: called with what is being folded."""

    def __init__(
        self, tape: Tape, replay: Replay | None, prices: Prices, told: Callable[[str], None] = lambda text: None
    ) -> None:
        self.tape = tape
        self.replay = replay
        self.prices = prices
        self.told = told
        # A journal's prices are its equity, which has the leverage in it already.
        self.worst = prices.worst() if replay is not None else Worst(0, 0, 0)
        # Of the profile that it was run under, so that hours can be compared.
        self.hours = Hours(Profile(tape.policy.profile), replay.sessions() if replay is not None else None)

    def course(self, change: Change | None = None, policy: Policy | None = None) -> Course:
        """The fold under this change and policy; as it was where none is given."""
        tape, says = self.tape, Says()
        events: Sequence[Event] = tape.events
        if self.replay is not None:
            says = self.replay.says(change or Change())
            if change is not None:
                events = self.replay.events(change)
        if policy is not None and not tape.later:
            tape = tape._replace(state=begin({**tape.header, "policy": policy_object(policy)}).state)
        return fold(policy or tape.policy, tape, events, says, self.hours)

    def row(
        self, label: str, value: float, shipped: bool, change: Change | None, policy: Policy | None = None,
        sensor: str = "", loss_bp: int = -1,
    ) -> Row:  # fmt: skip
        """One value."""
        self.told(label)
        found = self.course(change, policy)
        falls = judged(found.falls, self.prices, sensor)
        denied = sum(found.denied.values())
        return Row(label, value, shipped, found.ns, *falls, denied, found.shrunk, loss_bp)


def sweeps(bench: Bench) -> list[Sweep]:
    """All thresholds that these readings can speak to."""
    found: list[Sweep] = []
    if bench.replay is not None:
        found += [*_silence(bench, bench.replay), *_tolerances(bench, bench.replay), *_shocks(bench, bench.replay)]
    return [*found, _profiles(bench), _ceilings(bench)]


def silence_setting(replay: Replay) -> tuple[str, int, Sequence[int]]:
    """The setting that says when a row is late, its value now, and the values to try."""
    settings = replay.market.sensors
    if not replay.bars:
        now = Source(settings).silence_ns(replay.name) // 10**9
        return "max_silence_s", now, sorted({*SILENCES_S, now})
    late = settings.get("late_s", 0)
    now = late.get(replay.name, late.get("default", 0)) if isinstance(late, Mapping) else late
    return "late_s", now, sorted({*LATES_S, now})


def _silence(bench: Bench, replay: Replay) -> list[Sweep]:
    key, now, values = silence_setting(replay)
    rows: list[Row] = []
    for value in values:
        if value > now and not rows[-1].trips:
            break  # more patience cannot end trips that there are not
        rows.append(bench.row(f"{value} s", value, value == now, Change(sensors={key: value}), sensor="R3 silence"))
    what = "silence that is no stall" if key == "max_silence_s" else "how late a bar may be"
    return [Sweep("silence", f"R3 silence: {what}", f"sensors.{key}", "R3 silence", rows)]


def _tolerances(bench: Bench, replay: Replay) -> list[Sweep]:
    found = []
    for at, name in enumerate(CURVES):
        if not any(heard.levels[at] >= 0 for heard in replay.heard):
            continue
        rows = []
        for k in TOLERANCES:
            label = "off" if k == OFF else f"{k:g} x"
            change = Change(tolerance={name: k})
            rows.append(bench.row(label, k, k == 1, change, sensor=f"R3 {name}"))
        found.append(Sweep(name, f"R3 {name}: edges so many times as far away", "", f"R3 {name}", rows))
    return found


def _shocks(bench: Bench, replay: Replay) -> list[Sweep]:
    found = []
    settings = replay.market.sensors
    fired = replay.observed.fired
    vix = [one for one in fired if one.feed == VIX]
    returns = [one for one in fired if one.feed != VIX]
    now = str(settings.get("shocks", "1-DAY"))
    if replay.bars:
        mine = _length(replay)
        rows = [bench.row("none", 0, now == "none", Change(fired=vix), sensor="R4 return")]
        for length in dict.fromkeys((now, mine)):
            if length != "none":
                hits = [] if length == now else [Fired(one.ts_ns, replay.name) for one in _hits(replay, length, SIGMAS)]
                change = Change(fired=returns + vix if length == now else sorted(hits + vix))
                rows.append(bench.row(length, seconds(length), length == now, change, sensor="R4 return"))
        found.append(Sweep("shocks", "R4 return: bars looked at for shocks", "sensors.shocks", "R4 return", rows))
    if returns:
        rows = []
        for sigmas in SIGMAS_TRIED:
            hits = [Fired(one.ts_ns, replay.name) for one in _hits(replay, now, sigmas)]
            change = Change(fired=sorted(hits + vix))
            rows.append(bench.row(f"{sigmas} sigma", sigmas, sigmas == SIGMAS, change, sensor="R4 return"))
        rows.append(bench.row("off", inf, False, Change(fired=vix), sensor="R4 return"))
        found.append(Sweep("sigma", "R4 return: a shock is beyond so many sigma", "", "R4 return", rows))
    risen = rises(replay.market)
    if risen:
        rows = []
        for level in RISES_BP:
            hits = [Fired(ts_ns, VIX) for ts_ns, ratio in risen if ratio >= level]
            label, change = f"+{level / 100 - 100:.0f} %", Change(fired=sorted(hits + returns))
            rows.append(bench.row(label, level, level == RISE_BP, change, sensor="R4 VIX"))
        rows.append(bench.row("off", inf, False, Change(fired=returns), sensor="R4 VIX"))
        found.append(Sweep("vix", "R4 VIX: a shock is a rise in a day by", "", "R4 VIX", rows))
    return found


def seconds(length: str) -> int:
    """`1-HOUR` in seconds."""
    step, _, unit = length.partition("-")
    return int(step) * UNITS_S[unit]


def _length(replay: Replay) -> str:
    """The bars of the data as the setting `shocks` writes them."""
    return "-".join(str(replay.market.bar_type).rsplit("-", 4)[1:3])


def _hits(replay: Replay, length: str, sigmas: int) -> list[Any]:
    return [one for one in surprises(replay.market, seconds(length) * 10**9) if one.beyond(sigmas)]


def _profiles(bench: Bench) -> Sweep:
    rows = []
    for profile in Profile:
        policy = bench.tape.policy._replace(profile=profile)
        rows.append(bench.row(profile.name.lower(), profile, profile == bench.tape.policy.profile, None, policy))
    return Sweep("profile", "The profile: what a policy ms is", "policy.profile", "", rows)


def _ceilings(bench: Bench) -> Sweep:
    """Entries denied and shrunk, if the strategy sent any; what the worst move costs, in any case."""
    now, worst = bench.tape.policy, bench.worst
    asked = sum(type(event) is Order for event in bench.tape.events) > 1
    as_it_was = bench.course()
    rows = []
    for bp in sorted({*CEILINGS_BP, now.apex_entry_bp}):
        policy = lowered(now, bp)
        loss_bp = min(-(-worst.ppm * bp // 1_000_000), 10_000) if worst.moves else -1
        row = Row(leverage(bp), bp, bp == now.apex_entry_bp, as_it_was.ns, 0, 0, 0, 0, 0, loss_bp)
        if asked:
            row = bench.row(leverage(bp), bp, row.shipped, None, policy, "-", loss_bp)
        rows.append(row)
    return Sweep("ceiling", "The ceiling of leverage in APEX", "policy.apex_entry_bp", "", rows)


def lowered(policy: Policy, bp: int) -> Policy:
    """The policy with this ceiling in APEX, for entries and for what is held; no worse posture allows more."""
    return policy._replace(
        apex_entry_bp=bp,
        apex_held_bp=bp,
        stalker_entry_bp=min(policy.stalker_entry_bp, bp),
        stalker_held_bp=min(policy.stalker_held_bp, bp),
        turtle_held_bp=min(policy.turtle_held_bp, bp),
    )
