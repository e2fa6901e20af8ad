"""The guard's heartbeat, on the event loop: who looks on from outside sees a loop that is blocked, stopped or dead.

What belongs here: when a beat is due, and what is done about one that cannot be written; the file's form is in
journal/beat.py. A beat that fails is said once and tried again: nothing is judged by it in this process, and who looks
on will take the silence for a hang, which is the safe side.

What this loop waits for at the disk is announced (`Port` calls that sync, name or remove a file), so that a slow disk
is not taken for a hung process; docs/design/watchdog.md, "A slow disk".
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, Protocol

from dolphin.journal.beat import HEARTBEAT, PERIOD_MS, BeatState, Heart
from dolphin.journal.files import Port

PERIOD_NS: Final = PERIOD_MS * 1_000_000
SLACK_NS: Final = 5_000_000
"""The timer that beats comes every 10 ms: one that is a little early must not wait for the next."""


class Writer(Protocol):
    """What waits for the disk on the loop, through a port."""

    port: Port


class Beating:
    """The beats of one live run. `told`: a log line and the callbacks; `writers`: whose waits are announced."""

    def __init__(self, state_dir: str, instance: str, told: Callable[[str, str], None], *writers: Writer) -> None:
        self._path = os.path.join(state_dir, HEARTBEAT)
        self._instance = instance
        self._told = told
        self._writers = writers
        self._heart: Heart | None = None
        self._due_ns = 0
        self._state = BeatState.BEATS
        self.failed = ""

    def tick(self, killed: bool) -> None:
        """Beat, if one is due. Called on the event loop, every 10 ms."""
        now_ns = time.monotonic_ns()
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + PERIOD_NS - SLACK_NS
        try:
            self._hand().beat(killed, self._state)
        except OSError as error:
            self._failed(error)
        else:
            self.failed = ""

    def _hand(self) -> Heart:
        """The heart; a new one at first, and where its file has lost its name."""
        heart = self._heart
        if heart is not None:
            if not heart.lost():
                return heart
            self._heart = None
            heart.let_go()
        self._heart = Heart.create(self._path, self._instance)
        self._announce()
        return self._heart

    def ending(self, killed: bool) -> None:
        """The run begins to end in good order: its beats may stop now, and it may not die before it has ended."""
        self._state = BeatState.ENDING
        self._due_ns = 0
        self.tick(killed)

    def end(self, killed: bool) -> None:
        """The run has ended in good order."""
        heart = self._heart
        if heart is None:
            return
        self._heart = None
        try:
            heart.end(killed)
        except OSError as error:
            self._failed(error)

    def _announce(self) -> None:
        """Once there is a heart: what its writers wait for is said."""
        for writer in self._writers:
            port = writer.port
            writer.port = port._replace(
                fdatasync=self._said(port.fdatasync), link=self._said(port.link), replace=self._said(port.replace),
                unlink=self._said(port.unlink),
            )  # fmt: skip
        self._writers = ()

    def _said[**P](self, call: Callable[P, None]) -> Callable[P, None]:
        """The same call, announced."""

        def waiting(*given: P.args, **named: P.kwargs) -> None:
            heart = self._waits()
            try:
                call(*given, **named)
            finally:
                self._waited(heart)

        return waiting

    def _waits(self) -> Heart | None:
        """The heart that has said so; None where none does: a run that ends may be silent for longer anyway."""
        heart = self._heart
        if heart is None:
            return None
        if self._state != BeatState.BEATS:
            return None
        try:
            heart.wait()
        except OSError as error:
            self._failed(error)
            return None
        return heart

    def _waited(self, heart: Heart | None) -> None:
        if heart is None:
            return
        try:
            heart.waited()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        if self.failed:
            return
        self.failed = str(error)
        self._told("HEARTBEAT", f"{self.failed} [DOL-WATCH-001]: who looks on will take this process for a hung one")
