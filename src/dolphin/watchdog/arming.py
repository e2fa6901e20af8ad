"""The venue's own countdown, armed again and again while beats come: a thread and a connection of its own.

What belongs here: when it is armed, ended, or left to run down. A slow venue must not delay the watchdog's look, and a
watchdog whose look hangs must not go on arming: it arms only where beats were seen a moment ago.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from dolphin.watchdog.venue import Reply, Venue

FRESH_NS: Final = 2 * 10**9
"""Beats that were seen longer ago than this arm nothing."""
SHARE: Final = 3
"""It is armed anew when a third of it has run."""
WEIGHT: Final = 10
"""What Binance counts for one call."""


def weight_a_minute(symbols: int, after_ms: int) -> int:
    """What the calls cost at the venue, a minute."""
    return symbols * WEIGHT * 60_000 * SHARE // after_ms


class Arming:
    """`after_ms` 0: none is armed. What the venue says is kept for `news`: the log has one writer."""

    def __init__(self, venue: Venue, symbols: Sequence[str], after_ms: int) -> None:
        self._venue = venue
        self._symbols = symbols
        self._after_ms = after_ms
        self._news: deque[str] = deque(maxlen=100)
        self._seen_ns = 0
        self._armed = False
        self._leaves = True
        self._ended = False
        self._words = ""
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dolphin-countdown", daemon=True)

    def start(self) -> None:
        """Begin; nothing is armed before the first `beats`."""
        if self._after_ms:
            self._thread.start()

    def beats(self, now_ns: int) -> None:
        """Beats were seen at this time (CLOCK_MONOTONIC): arm."""
        first = self._seen_ns == 0
        self._seen_ns = now_ns
        self._leaves = False
        if first:
            self._wake.set()

    def rest(self) -> None:
        """The run has ended in good order: what it left, it meant to leave. End what is armed."""
        self._seen_ns = 0
        if not self._leaves and self._armed:
            self._wake.set()

    def leave(self) -> None:
        """The process is gone: let it run down, also where the watch ends now."""
        self._seen_ns = 0
        self._leaves = True

    def end(self, timeout_s: float = 5.0) -> None:
        """The watch ends: what is armed for a process that beats is ended, since nobody will arm it again."""
        self._seen_ns = 0
        self._ended = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def news(self) -> list[str]:
        """What changed since the last call, in words."""
        found = []
        while self._news:
            found.append(self._news.popleft())
        return found

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(self._after_ms / 1_000 / SHARE)
            self._wake.clear()
            try:
                if time.monotonic_ns() - self._seen_ns < FRESH_NS:
                    self._arm(self._after_ms)
                elif self._seen_ns == 0:
                    self._disarm()
            except Exception as error:  # a fault of ours must not end the thread: the third line would go with it
                self._say(f"a fault, it is tried again: {type(error).__name__}: {error}")
        self._disarm()  # the watch may have ended while it was being armed
        self._venue.close()

    def _disarm(self) -> None:
        if self._armed and not self._leaves:
            self._arm(0)

    def _arm(self, after_ms: int) -> None:
        answers = [self._venue.countdown(symbol, after_ms) for symbol in self._symbols]
        bad = [answer.text for answer in answers if answer.reply != Reply.DONE]
        self._armed = len(bad) < len(answers) if after_ms else bool(bad)
        words = f"armed for {after_ms} ms" if after_ms else "ended"
        if bad:
            words = f"{len(bad)} of {len(answers)} symbols not {words}: {bad[0]}"
        self._say(words)

    def _say(self, words: str) -> None:
        if words != self._words:
            self._words = words
            self._news.append(words)
