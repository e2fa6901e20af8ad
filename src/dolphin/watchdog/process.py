"""The watchdog's loop: look, act, sweep until nothing is left, watch again.

What belongs here: the order of things (docs/design/watchdog.md), and the two states of the loop. What beats say is
sight.py's, what is done at the venue sweep.py's, and the venue is behind a port.

Theory of operation. Every few milliseconds the loop reads the heartbeat file; between two looks it sleeps on a pidfd,
so that a death wakes it. When the process is gone it puts the file KILL into the state directory, then sweeps,
again and again, until the process beats again and has taken the file, or is dead; and nothing is left either way. A
KILL that could not be put is put again at each look, and the act is not done before it lies there.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from dolphin.journal import JournalError, killfile
from dolphin.journal.beat import (
    HEARTBEAT,
    PERIOD_MS,
    WATCHDOG,
    Beat,
    BeatState,
    Heart,
    identity,
    read_beat,
    started,
    stopped,
)
from dolphin.watchdog.arming import Arming
from dolphin.watchdog.record import DONE, Log
from dolphin.watchdog.sight import MISSED, NS_PER_MS, Eye, Sight, State
from dolphin.watchdog.sweep import AGAIN_S, CALM_S, Pass, held, sweep
from dolphin.watchdog.venue import Reply, Venue

POLL_MS: Final = 5
WARM_NS: Final = 10 * 10**9
END_S: Final = 5.0
"""Who ends waits so long for a disk."""
CLEAR_TWICE: Final = 2
"""So many empty listings in a row are believed."""


class Settings(NamedTuple):
    """What a watchdog is told. `everything`: reduce-only orders go too. `dry`: nothing is changed anywhere."""

    state_dir: Path
    symbols: Sequence[str]
    missed: int = MISSED
    everything: bool = False
    dry: bool = False
    poll_ms: int = POLL_MS


class Watchdog:
    """Watches one book. `tell`: lines for whoever started it."""

    def __init__(self, settings: Settings, venue: Venue, arming: Arming, log: Log, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._venue = venue
        self._arming = arming
        self._log = log
        self._tell = tell
        self._symbols = tuple(settings.symbols)
        self._here = identity()
        self._eye = Eye(self._here, settings.missed)
        self._path = str(settings.state_dir / HEARTBEAT)
        self._kill = str(settings.state_dir / killfile.NAME)
        self._heart: Heart | None = None
        self._beaten_ns = 0
        self._warmed_ns = 0
        self._poller = select.poll()
        self._pidfd = -1
        self._of: tuple[int, int] = (0, 0)
        self._seen = ""
        self._dead_seen = False
        self._unreadable = ""
        self._warmth = ""
        self._fault = ""
        self._acting = False
        self._done = log.done
        self._clear = 0
        self._hurried = False
        self._gone = False
        self._last: Beat | None = None
        self._owed = ""
        self._disk: deque[str] = deque(maxlen=10)
        self._keeper: threading.Thread | None = None
        self._sweep_ns = 0
        self._said: dict[str, Any] = {}
        self.acts = 0
        self.stop = False

    @property
    def left(self) -> bool:
        """Whether an act is not done: something may still work at the venue."""
        return self._acting

    def run(self) -> None:
        """Until `stop` is set. Nothing that a venue, a file or a disk does ends it."""
        self._arming.start()
        self._warm(time.monotonic_ns())
        try:
            while not self.stop:
                try:
                    self.step()
                except Exception as error:  # a fault of ours must not end the watch: the next look may go well
                    self._failed(error)
                self._sleep()
        finally:
            self._end()

    def once(self, patience_s: float) -> Sight:
        """One judgement: of a process that beats a new beat is awaited; one that is gone is acted upon, until that is
        done or `patience_s` are over.
        """
        until_ns = time.monotonic_ns() + int(patience_s * 10**9)
        self._warm(time.monotonic_ns())
        try:
            sight = self.step()
            first = self._eye.beat
            while not self.stop and time.monotonic_ns() < until_ns:
                waits = sight.state in (State.BEATS, State.LATE) and self._eye.beat == first
                if not self._acting and not waits:
                    break
                self._sleep()
                sight = self.step()
            return sight
        finally:
            self._end()

    def step(self) -> Sight:
        """One look, and what follows from it."""
        dead = self._dead()  # before the beat: one that ended in good order has said so by then
        beat = self._beat()
        # What died may have been started again since one looked last: that it is dead says nothing of who beats now.
        dead = dead and (beat is None or (beat.who.pid, beat.who.start_ticks) == self._of)
        sight = self._eye.look(beat, time.monotonic_ns(), dead, self._stopped(beat))
        self._attach()
        self._awoken(sight)
        now_ns = time.monotonic_ns()
        if sight.state == State.GONE and not self._acting and sight.run != self._done:
            self._trip(sight)
        elif self._acting:
            self._pay()
            if now_ns >= self._sweep_ns:
                self._swept(sight)
        else:
            self._watched(sight, now_ns)
        self._own_beat(now_ns)
        self._hear()
        return sight

    def _awoken(self, sight: Sight) -> None:
        """One that was gone and beats has run: what had passed its gates leaves now, and what was seen is old."""
        if self._gone and self._eye.beat != self._last:
            self._clear = 0
        self._gone = sight.state == State.GONE
        self._last = self._eye.beat

    # --- the two states -----------------------------------------------------------------------------------------------

    def _watched(self, sight: Sight, now_ns: int) -> None:
        if sight.state == State.BEATS:
            self._done = ""  # it lives: what it leaves from now on is another matter
            self._arming.beats(now_ns)
        elif sight.state == State.ENDED:
            self._arming.rest()
        if f"{sight.state.value} {sight.run}" != self._seen:
            self._seen = f"{sight.state.value} {sight.run}"
            self._note("sees", f"{sight.state.value}: {sight.why}", state=sight.state.value, run=sight.run)
        if now_ns - self._warmed_ns >= WARM_NS:
            self._warm(now_ns)

    def _trip(self, sight: Sight) -> None:
        """The act. KILL first, so that a process that wakes now is killed before it enters; the log last."""
        began_ns = time.monotonic_ns()
        self._acting = True
        self.acts += 1
        self._clear = 0
        self._seen = ""
        self._arming.leave()
        said: dict[str, Any] = {"run": sight.run, "why": sight.why, "silent_ms": sight.silent_ns // NS_PER_MS}
        if not self._settings.dry:
            self._owed = f"watchdog: {sight.why} [DOL-WATCH-001]"
            said["kill"] = self._put()
        found = self._pass()
        self._said = found.said
        said["took_ms"] = (time.monotonic_ns() - began_ns) // NS_PER_MS
        words = f"KILL {said['kill']}, " if "kill" in said else ""
        self._note("trip", f"{sight.why}: {words}{_words(found.said)}", **said, **found.said)

    def _put(self) -> str:
        """KILL, which is owed: what became of it."""
        try:
            less = killfile.put(self._kill, self._owed)
        except OSError as error:
            return f"not put: {error}"
        self._owed = ""
        self._keeper = threading.Thread(target=self._keep, name="dolphin-kill", daemon=True)
        self._keeper.start()
        return f"put without its cause: {less}" if less else "put"

    def _pay(self) -> None:
        """At each look, until it lies there: without it who wakes would trade on, and who starts would."""
        if self._owed:
            words = self._put()
            if not self._owed:
                self._note("kill", f"{words}, at last")

    def _keep(self) -> None:
        """Have KILL outlive a loss of power; on a thread of its own, since a disk may take seconds for it."""
        said = ""
        while not self.stop:
            try:
                return killfile.keep(self._kill)
            except FileNotFoundError:
                return None  # it was taken: the book's latch file has it
            except OSError as error:
                if str(error) != said:
                    said = str(error)
                    self._disk.append(f"KILL may not outlive a loss of power: {said}")
            time.sleep(AGAIN_S)
        return None

    def _swept(self, sight: Sight) -> None:
        found = self._pass()
        if found.said != self._said:
            self._said = found.said
            self._note("sweep", _words(found.said), **found.said)
        if found.known and self._clear >= CLEAR_TWICE and self._rests(sight):
            self._acting = False
            self._done = sight.run if sight.state == State.GONE else ""
            told = held(self._venue, self._settings.symbols)
            self._note(DONE, f"nothing is left, {sight.why}; {_words(told)}", run=self._done, **told)

    def _pass(self) -> Pass:
        settings = self._settings
        calm = self._gone and self._clear >= CLEAR_TWICE
        found = sweep(self._venue, self._symbols, everything=settings.everything, dry=settings.dry, calm=calm)
        if found.ended:  # the next pass begins behind it: one symbol that gets no answer must not keep others waiting
            at = self._symbols.index(found.ended) + 1
            self._symbols = self._symbols[at:] + self._symbols[:at]
        if found.clear or (settings.dry and found.known):
            self._clear += 1
        elif found.known or not calm:
            self._clear = 0
        pause_s = CALM_S if self._clear >= CLEAR_TWICE else AGAIN_S
        pause_s = max(pause_s, self._venue.pause_s(settings.symbols))
        done = found.known and found.said.get("answers", {}).keys() == {Reply.DONE.value}
        self._hurried = done and not self._hurried
        if self._hurried:
            pause_s = 0.0  # all done, it says: see at once whether it is so, and once only
        self._sweep_ns = time.monotonic_ns() + int(pause_s * 10**9)
        return found

    def _rests(self, sight: Sight) -> bool:
        """Whether nobody is there who may still send what had passed the gates when it stopped."""
        if self._settings.dry:
            return True
        if self._owed:
            return False
        if sight.state == State.GONE:
            return self._over()
        return sight.state != State.LATE and not killfile.lies(self._kill)

    # --- the process --------------------------------------------------------------------------------------------------

    def _beat(self) -> Beat | None:
        try:
            return read_beat(self._path)
        except JournalError as error:
            if str(error) != self._unreadable:
                self._unreadable = str(error)
                self._note("unreadable", self._unreadable)
            return None

    def _attach(self) -> None:
        """Hold on to the process that beats, if it is one of this machine that can be seen from here."""
        beat = self._eye.beat
        if beat is None or (beat.who.pid, beat.who.start_ticks) == self._of:
            return
        self._let_go()
        self._of = (beat.who.pid, beat.who.start_ticks)
        self._dead_seen = False
        if self._over():
            return
        with suppress(OSError):
            self._pidfd = os.pidfd_open(beat.who.pid)
            if self._over():  # the number was given to another process in between
                self._let_go()
                return
            self._poller.register(self._pidfd, select.POLLIN)

    def _dead(self) -> bool:
        """Whether the end of the process was seen: a pidfd can be read when it is dead."""
        if self._pidfd >= 0 and self._poller.poll(0):
            self._dead_seen = True
            self._let_go()
        return self._dead_seen

    def _stopped(self, beat: Beat | None) -> bool:
        """Whether one that says it waits for its disk was stopped by a signal, as far as can be seen from here."""
        return beat is not None and beat.state == BeatState.WAITS and self._pidfd >= 0 and stopped(beat.who.pid)

    def _over(self) -> bool:
        """Whether the process that beat last cannot wake any more, as far as can be seen from here."""
        beat = self._eye.beat
        if beat is None or self._dead_seen or beat.who.boot != self._here.boot:
            return True
        return started(beat.who.pid) != beat.who.start_ticks

    def _let_go(self) -> None:
        if self._pidfd >= 0:
            with suppress(KeyError):
                self._poller.unregister(self._pidfd)
            os.close(self._pidfd)
        self._pidfd = -1

    def _sleep(self) -> None:
        if self._pidfd >= 0:
            self._poller.poll(self._settings.poll_ms)
        else:
            time.sleep(self._settings.poll_ms / 1_000)

    # --- its own life -------------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        for words in self._arming.news():
            self._note("countdown", words)
        while self._disk:
            self._note("kill", self._disk.popleft())

    def _warm(self, now_ns: int) -> None:
        self._warmed_ns = now_ns
        answer = self._venue.warm()
        if answer.reply.value != self._warmth:
            self._warmth = answer.reply.value
            self._note("venue", f"{answer.reply.value}, {answer.text}")

    def _own_beat(self, now_ns: int) -> None:
        """So that others see that somebody looks on; nothing depends on it."""
        if now_ns - self._beaten_ns < PERIOD_MS * NS_PER_MS:
            return
        self._beaten_ns = now_ns
        with suppress(OSError):
            if self._heart is None:
                path = str(self._settings.state_dir / WATCHDOG)
                self._heart = Heart.create(path, f"watchdog-{self._here.pid}")
            self._heart.beat(self._acting)

    def _failed(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text != self._fault:
            self._fault = text
            self._note("fault", text)
        time.sleep(AGAIN_S)

    def _note(self, what: str, words: str, **said: Any) -> None:
        self._log.note(what, words=words, **said)
        self._tell(f"{what}: {words}")

    def _end(self) -> None:
        if self._acting:
            self._arming.leave()
        self._arming.end()
        if self._keeper is not None:
            self._keeper.join(END_S)
        self._hear()
        self._venue.close()
        self._let_go()
        self._note("end", "the act is not done: orders may work" if self._acting else "in good order")
        self._log.close()
        if self._heart is not None:
            with suppress(OSError):
                self._heart.end(self._acting)


def _words(said: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in said.items())
