"""A journal's readings folded anew: hours per posture, falls with the sensor that brought each, R in nominal time.

What belongs here: the walk through the kernel, stop by stop, and what is counted on the way. The kernel is pure, so a
fold of the same readings under another policy, or of readings that another threshold would have given, is exact.

Nominal time: the latch is RUNNING, the traded feed has spoken and is not late, and (in the intraday profile, where a
night earns nothing of interest) its market is open.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from dolphin.app.errors import UserError
from dolphin.audit.fold import MAKERS
from dolphin.journal import JournalTorn, Record, read
from dolphin.journal.checkpoint import read_checkpoint
from dolphin.journal.codec import Malformed, begin, decode, policy_of
from dolphin.journal.kinds import CHECKPOINT
from dolphin.journal.segments import FIRST, opening
from dolphin.kernel import handlers, machine
from dolphin.kernel.events import EVENTS, Effect, Event, Moved, Shock, Tick, Tripped, Verdict
from dolphin.kernel.killswitch import running
from dolphin.kernel.policy import STALE_NS, Policy, Posture, Profile
from dolphin.kernel.reasons import Reason
from dolphin.kernel.state import Readings, State
from dolphin.kernel.survival import r3_depth, r3_jitter, r3_latency, r3_spread
from dolphin.kernel.timing import instrument_bp
from dolphin.kernel.units import NS_PER_S
from dolphin.nautilus.ports import Sessions
from dolphin.sensors.windows import Levels

DAY_NS: Final = 86_400 * NS_PER_S
_PIECE_NS: Final = 300 * NS_PER_S
"""A stretch is asked for its session in pieces of this length."""
LOW_BP: Final = 9_200
"""R_total below this keeps a book out of APEX, or lets it fall (DESIGN.md 2.3)."""
NAMES: Final = ("R1", "R2", "R3", "R4", "R5", "R total")
CURVES: Final[Mapping[str, Callable[[int], int]]] = {
    "latency": r3_latency,
    "jitter": r3_jitter,
    "depth": r3_depth,
    "spread": r3_spread,
}
"""The sensors of category 3 that measure, in the order of `Levels`."""
SENSORS: Final = (
    "R1 invariants", "R2 envelope", "R3 silence", "R3 unreadable", "R3 latency", "R3 jitter", "R3 depth", "R3 spread",
    "R3 microstructure", "R4 shock", "R4 return", "R4 VIX", "R5 drawdown",
)  # fmt: skip
"""Who may bring a fall. `R3 microstructure` and `R4 shock`: of a journal alone, which does not say which sensor."""


class Tape(NamedTuple):
    """A journal as the kernel sees it. `feeds`: names; `traded`: index of the feed that is looked at, -1 for none.

    `later`: its first segments are not here, and `state` is that of the checkpoint with which the others begin.
    """

    header: Mapping[str, Any]
    policy: Policy
    state: State
    events: Sequence[Event]
    last_ns: int
    feeds: tuple[str, ...]
    traded: int
    torn: bool
    later: bool


def tape(path: Path) -> Tape:
    """The events of the journal at `path`, without the mere passing of time, and the policy in force at its end.
    JournalError where it is none; UserError where it begins with a later segment, and not with a checkpoint that can be
    read.
    """
    events: list[Event] = []
    header: Mapping[str, Any] = {}
    last: Mapping[str, Any] = {}
    held: Record | None = None
    torn, last_ns = False, 0
    try:
        for record in read(str(path)):
            last_ns = max(last_ns, record.ts_ns)
            if record.kind == "HEADER":
                header, last = header or record.data, record.data
            elif record.kind == CHECKPOINT:
                if held is None and not events:
                    held = record
            elif record.kind in EVENTS and record.kind != "TICK":
                maker = MAKERS.get(record.kind)
                if maker is None:
                    events.append(decode(record.kind, record.ts_ns, record.data))
                else:
                    events.append(maker(record.ts_ns, record.body))
    except JournalTorn:
        torn = True
    state, policy = begin(header).state, policy_of(last["policy"])
    later = opening(header) != FIRST
    if later:
        state = _goes_on(path, held)
    feeds = header["feeds"]
    traded = next((at for at, feed in enumerate(feeds) if feed["kind"] == "DATA"), -1)
    return Tape(header, policy, state, events, last_ns, tuple(feed["name"] for feed in feeds), traded, torn, later)


def _goes_on(path: Path, held: Record | None) -> State:
    """What the checkpoint holds with which a later segment begins: its header has the run's first moment."""
    try:
        if held is None:
            raise Malformed("kind", CHECKPOINT, "none")
        return read_checkpoint(held.data, held.raw).state
    except Malformed as error:
        raise UserError(
            f"begins with a later segment, and its checkpoint cannot be read ({error})", path=path,
            fix="put the segments before it beside it, or run trace-audit on it",
        ) from error  # fmt: skip


class Fall(NamedTuple):
    """A fall of the posture: when, from which to which, brought by which sensor; `back_ns`: when the posture before it
    was regained (the end of the data where it was not).
    """

    ts_ns: int
    before: Posture
    after: Posture
    sensor: str
    back_ns: int


class Says:
    """Which sensor of categories 3 and 4 spoke, where that was watched. Both are asked in order of time."""

    def __init__(self, levels: Sequence[tuple[int, Levels]] = (), fired: Sequence[tuple[int, str]] = ()) -> None:
        self._levels = levels
        self._fired = dict(reversed(fired))
        self._at = -1

    def microstructure(self, ts_ns: int) -> str:
        """The sensor with the least value at `ts_ns`."""
        while self._at + 1 < len(self._levels):
            if self._levels[self._at + 1][0] > ts_ns:
                break
            self._at += 1
        if self._at < 0:
            return "R3 microstructure"
        worst, name = 10_001, "microstructure"
        for sensor, value in zip(CURVES, self._levels[self._at][1], strict=True):
            if value >= 0:
                bp = CURVES[sensor](value)
                if bp < worst:
                    worst, name = bp, sensor
        return f"R3 {name}"

    def shock(self, ts_ns: int) -> str:
        """The detector that fired at `ts_ns`; one of a script or a journal alone has no name."""
        return self._fired.get(ts_ns, "R4 shock")


class Hours:
    """Time as it counts: of an intraday profile what the market is open, of a daily one all of it.

    `sessions`: of the traded feed, None where they are not known (a journal alone).
    """

    def __init__(self, profile: Profile, sessions: Sessions | None) -> None:
        self._sessions = sessions if profile == Profile.INTRADAY else None

    def between(self, from_ns: int, until_ns: int) -> int:
        """How much of it there is between two times, asked piece by piece; 0 where there is none between them."""
        if self._sessions is None:
            return max(until_ns - from_ns, 0)
        found = 0
        while from_ns < until_ns:
            piece_ns = min(_PIECE_NS, until_ns - from_ns)
            if self._sessions.open_at(from_ns + piece_ns // 2):
                found += piece_ns
            from_ns += piece_ns
        return found


class Course:
    """What one fold gives. Times in ns. `denied`, `shrunk`, `passed`: entries and all other orders that were judged.

    `ns`: time in each posture, of what `hours` counts.
    """

    def __init__(self, state: State, says: Says, hours: Hours) -> None:
        self.ns: Counter[Posture] = Counter()
        self.moves: list[Moved] = []
        self.denied: Counter[str] = Counter()
        self.shrunk = 0
        self.passed = 0
        self.trips = 0
        self._says = says
        self._hours = hours
        self._posture = state.filter.posture
        self._since_ns = state.clock.t_ns
        self._falls: list[tuple[int, Posture, Posture, str]] = []
        self.falls: list[Fall] = []

    def felt(self, before: State, after: State, effects: Iterable[Effect], event: Event | None) -> None:
        """The effects of one visit or step."""
        for effect in effects:
            if type(effect) is Moved:
                self._moved(effect, before, after, event)
            elif type(effect) is Tripped:
                self.trips += 1
            elif type(effect) is Verdict:
                self._judged(effect, event)

    def _moved(self, moved: Moved, before: State, after: State, event: Event | None) -> None:
        self.ns[self._posture] += self._hours.between(self._since_ns, moved.ts_ns)
        self._posture, self._since_ns = moved.after, max(moved.ts_ns, self._since_ns)
        self.moves.append(moved)
        if moved.after > moved.before:
            sensor = blamed(before, after, event, self._says)
            self._falls.append((moved.ts_ns, moved.before, moved.after, sensor))

    def _judged(self, verdict: Verdict, event: Any) -> None:
        if verdict.lots >= event.lots:
            self.passed += 1
        elif verdict.lots > 0:
            self.shrunk += 1
        else:
            self.denied[Reason(verdict.reason).name] += 1

    def ended(self, last_ns: int) -> None:
        """The last posture holds until `last_ns`; each fall is told when it was made good.

        Falls by one sensor without a rise between them are one: a silence that goes on falls twice.
        """
        self.ns[self._posture] += self._hours.between(self._since_ns, last_ns)
        rises = [move for move in self.moves if move.after < move.before]
        rose = -1
        for ts_ns, before, after, sensor in self._falls:
            at = bisect_right(rises, ts_ns, key=lambda rise: rise.ts_ns)
            if self.falls and at == rose and sensor == self.falls[-1].sensor:
                self.falls[-1] = self.falls[-1]._replace(after=after)
                continue
            rose = at
            back_ns = next((rise.ts_ns for rise in rises[at:] if rise.after <= before), max(last_ns, ts_ns))
            self.falls.append(Fall(ts_ns, before, after, sensor, back_ns))


def blamed(before: State, after: State, event: Event | None, says: Says) -> str:
    """The sensor whose multiplier fell most, as a share of what it was: the one that brought the fall."""
    if not running(after.latch):
        return "R1 invariants"
    falls = [now * 10_000 // max(was, 1) for was, now in zip(before.readings, after.readings, strict=True)]
    which = falls.index(min(falls))
    if which == 1:
        return "R2 envelope"
    if which == 2:
        return _of_r3(after, says)
    if which == 3:
        return says.shock(event.ts_ns) if isinstance(event, Shock) else "R4 shock"
    return "R5 drawdown"


def _of_r3(state: State, says: Says) -> str:
    t_ns = state.clock.t_ns
    feed = min((feed for feed in state.feeds if feed.counted == 1), key=lambda one: instrument_bp(one, t_ns))
    if feed.error == 1:
        return "R3 unreadable"
    if instrument_bp(feed, t_ns) < feed.r3_bp:
        return "R3 silence"
    return says.microstructure(t_ns)


class Nominal:
    """R in nominal time, as weights in ns: of each category and of R_total; and the least R_total of each day."""

    def __init__(self, traded: int, hours: Hours) -> None:
        self._hours = hours
        self._traded = traded
        self._held: Counter[tuple[Readings, int]] = Counter()
        self.worst: dict[int, int] = {}
        self.dips = 0
        self._low = False

    def passed(self, state: State, until_ns: int) -> None:
        """`state`, and the R in it, held from its time until `until_ns`."""
        from_ns, until_ns = state.clock.t_ns, self._in_time(state, until_ns)
        length_ns = self._hours.between(from_ns, until_ns)
        if length_ns <= 0:
            return
        total_bp = state.filter.held_bp
        self._held[state.readings, total_bp] += length_ns
        low = total_bp < LOW_BP
        if low and not self._low:
            self.dips += 1
        self._low = low
        for day in range(from_ns // DAY_NS, (until_ns - 1) // DAY_NS + 1):
            # A feed that is not late over a weekend makes no nominal day of a Saturday.
            if self._hours.between(max(from_ns, day * DAY_NS), min(until_ns, (day + 1) * DAY_NS)) > 0:
                self.worst[day] = min(self.worst.get(day, 10_000), total_bp)

    def _in_time(self, state: State, until_ns: int) -> int:
        if not running(state.latch):
            return 0
        if self._traded < 0:
            return until_ns
        feed = state.feeds[self._traded]
        return min(until_ns, feed.due_ns + STALE_NS) if feed.heard == 1 else 0

    def weights(self) -> dict[str, Counter[int]]:
        """How long each value held: by category, and of R_total."""
        found: dict[str, Counter[int]] = {name: Counter() for name in NAMES}
        for (readings, total_bp), ns in self._held.items():
            for name, bp in zip(NAMES, (*readings, total_bp), strict=True):
                found[name][bp] += ns
        return found


def fold(
    policy: Policy,
    tape: Tape,
    events: Sequence[Event],
    says: Says,
    hours: Hours,
    nominal: Nominal | None = None,
) -> Course:
    """Walk through `events` under `policy` from the tape's first state to its last moment."""
    state = tape.state
    course = Course(state, says, hours)
    for event in (*events, Tick(tape.last_ns)):
        until_ns = handlers.arrives(state, event)
        while state.clock.t_ns < until_ns:
            before = state
            state, effects = machine.visit(policy, state, machine.next_stop(state, until_ns))
            if nominal is not None:
                nominal.passed(before, state.clock.t_ns)
            if effects:
                course.felt(before, state, effects, None)
        before = state
        state, effects = machine.step(policy, state, event)
        if effects:
            course.felt(before, state, effects, event)
    course.ended(tape.last_ns)
    return course
