"""What the beats say: whether a trading process lives. Times go in, an opinion comes out; no clock, file or process.

What belongs here: the rules of docs/design/watchdog.md, "Gone". Times are CLOCK_MONOTONIC in ns, as who looks has it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from dolphin.journal.beat import LONGER_MS, Beat, BeatState, Identity

MISSED: Final = 3
ENDING_NS: Final = 30 * 10**9
"""A run that ends in good order may be silent for so long: Nautilus stops strategies and clients meanwhile."""
NS_PER_MS: Final = 1_000_000
LONGER_NS: Final = LONGER_MS * NS_PER_MS


class State(Enum):
    """NOBODY has beaten yet; ENDED in good order; BEATS; LATE, but who looks was not looking; GONE: hung or dead."""

    NOBODY = "nobody"
    ENDED = "ended"
    BEATS = "beats"
    LATE = "late"
    GONE = "gone"


GIVEN: Final = 5
"""How often a beat more is given between two beats."""


class Sight(NamedTuple):
    """What is to be seen, of whom, since when it was silent, and in words."""

    state: State
    run: str
    silent_ns: int
    why: str


def excused_ns(beat: Beat, stopped: bool) -> int:
    """So much longer may it be silent: a process that waits for its disk has said so. LONGER_NS in all since it beat,
    however often it waited, and whatever the file says. One that was `stopped` by a signal waits for no disk.
    """
    if beat.state == BeatState.WAITS and not stopped:
        return LONGER_NS
    return min(max(beat.waited_ns, 0), LONGER_NS)


def run_of(beat: Beat) -> str:
    """One run of one process, for ever: boot, pid, start of the process, instance of the journal."""
    return f"{beat.who.boot[:8]}-{beat.who.pid}-{beat.who.start_ticks}-{beat.instance}"


class Eye:
    """Looks at one heartbeat file. `here`: who looks."""

    def __init__(self, here: Identity, missed: int = MISSED) -> None:
        self._here = here
        self._missed = missed
        self._beat: Beat | None = None
        self._changed_ns = 0
        self._looked_ns = 0
        self._unsure_until_ns = 0
        self._given = 0

    @property
    def beat(self) -> Beat | None:
        """The newest beat that was seen."""
        return self._beat

    def look(self, beat: Beat | None, now_ns: int, dead: bool, stopped: bool = False) -> Sight:
        """`beat`: what the file says now, None where it says nothing; `dead`: its process was, before that; `stopped`:
        by a signal, as the system says.
        """
        self._take(beat, now_ns)
        known = self._beat
        if known is None:
            self._looked_ns = now_ns
            return Sight(State.NOBODY, "", 0, "nobody has beaten yet")
        self._slept(known, now_ns)
        return self._judged(known, now_ns, dead, stopped)

    def _take(self, beat: Beat | None, now_ns: int) -> None:
        if beat is None or beat == self._beat:
            return
        before_ns, before = self._changed_ns, self._beat
        same = before is not None and run_of(before) == run_of(beat)
        self._beat = beat
        if same and before is not None and before.monotonic_ns == beat.monotonic_ns:
            return  # what tells of a wait has the times of the last beat, and is none
        self._given = 0
        # Its own clock where that can be right; another namespace has another zero.
        plausible = beat.monotonic_ns <= now_ns and (not same or beat.monotonic_ns >= before_ns)
        self._changed_ns = beat.monotonic_ns if plausible else now_ns

    def _slept(self, beat: Beat, now_ns: int) -> None:
        """Who did not look for a beat cannot say that none came: one beat more is given.

        Some times, and not for ever: who is always late to look (a disk that stalls both) must see a hang all the same.
        Nor of one that is gone already, before it beats anew: a slow venue makes each look late that comes behind it.
        """
        period_ns = beat.period_ms * NS_PER_MS
        if now_ns - self._looked_ns > period_ns and self._given < GIVEN:
            self._given += 1
            self._unsure_until_ns = now_ns + period_ns
        self._looked_ns = now_ns

    def _judged(self, beat: Beat, now_ns: int, dead: bool, stopped: bool) -> Sight:
        run, silent_ns = run_of(beat), now_ns - self._changed_ns
        who = f"process {beat.who.pid}"
        if beat.state == BeatState.ENDED:
            return Sight(State.ENDED, run, silent_ns, f"{who} ended in good order")
        if beat.who.boot and self._here.boot and beat.who.boot != self._here.boot:
            return Sight(State.GONE, run, silent_ns, f"{who} beat before this machine was started, and did not end")
        if dead:
            return Sight(State.GONE, run, silent_ns, f"{who} is dead and did not end in good order")
        ms = silent_ns // NS_PER_MS
        limit_ns = self._missed * beat.period_ms * NS_PER_MS
        if beat.state == BeatState.ENDING:
            limit_ns = max(limit_ns, ENDING_NS)
        limit_ns += excused_ns(beat, stopped)
        if silent_ns < limit_ns:
            return Sight(State.BEATS, run, silent_ns, f"{who} beats")
        if beat.state == BeatState.WAITS:
            who = f"{who} waits for its disk and"
        if now_ns < self._unsure_until_ns:
            return Sight(State.LATE, run, silent_ns, f"{who} beat {ms} ms ago, and nobody looked meanwhile")
        self._given = GIVEN  # until it beats: a look that comes late later on has no beat of it to miss
        return Sight(State.GONE, run, silent_ns, f"{who} has not beaten for {ms} ms")
