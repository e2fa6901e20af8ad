"""The watchdog's own log: a journal of NOTE records, hash-chained, one writer by its lock.

What belongs here: opening it, what was done before, writing to it. A log that refuses stops no cancel and no start:
what it should have taken goes to standard error, and it is opened with the next record again. Format:
docs/journal-format.md; each NOTE has `what`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

from dolphin.journal import (
    Journal,
    JournalBroken,
    JournalError,
    JournalLocked,
    JournalUnreadable,
    Record,
    encode,
    recover,
)

NAME: Final = "watchdog.jsonl"
DONE: Final = "done"
"""The `what` of the NOTE that ends an act: nothing was left of `run`."""
ANOTHER: Final = (JournalLocked, JournalError)
"""Somebody else writes it: the second is said of one that has changed between its recovery and now."""


class Log:
    """One watchdog's log. JournalLocked, or JournalError itself: another watchdog has it."""

    def __init__(self, path: str, header: Mapping[str, object]) -> None:
        self.done = ""
        self._path = path
        self._header = dict(header)
        self._journal: Journal | None = None
        self._why_not = ""
        self._open()

    def _open(self) -> None:
        """Begin it, or take it up. Where the disk refuses, what was done before is known all the same, if it reads."""
        try:
            self._journal = self._opened()
            self._why_not = ""
        except (JournalError, OSError) as error:
            if type(error) in ANOTHER:
                raise
            if str(error) != self._why_not:
                self._why_not = str(error)
                _say(f"no log [DOL-WATCH-009]: {error}; it looks on without one, and tries again")

    def _opened(self) -> Journal:
        now_ns = time.time_ns()
        if os.path.exists(self._path):
            try:
                recovery = recover(self._path, each=self._each)
            except (JournalBroken, JournalUnreadable) as error:
                # What watches must start: a broken log is kept, and said.
                aside = f"{self._path}.broken-{now_ns}"
                self.done = ""
                os.rename(self._path, aside)
                _say(f"{error}; it is kept as {aside}")
            else:
                now_ns = max(now_ns, recovery.last_ts_ns)
                journal = Journal.resume(self._path, ts_ns=now_ns, recovery=recovery)
                try:
                    journal.append(now_ns, "NOTE", encode({"what": "start", **self._header}))
                except JournalError:
                    journal.release()
                    raise
                return journal
        told = sha256(encode(self._header).encode()).hexdigest()
        return Journal.create(self._path, {"host": "watchdog", **self._header}, policy_hash=told, ts_ns=now_ns)

    def _each(self, record: Record) -> None:
        if record.kind == "NOTE" and record.data.get("what") == DONE:
            self.done = str(record.data.get("run", ""))

    def note(self, what: str, **said: Any) -> None:
        """One NOTE. Never raises for what the log or its disk does."""
        data = encode({"what": what, **said})
        try:
            if self._journal is None:
                self._open()
            if self._journal is not None:
                self._journal.append(time.time_ns(), "NOTE", data)
                return
        except (JournalError, ValueError) as error:
            data = f"{data} ({error})"
        _say(data)

    def close(self) -> None:
        """CLOSE, and let go."""
        if self._journal is None:
            return
        try:
            self._journal.close(time.time_ns())
        except JournalError as error:
            _say(f"its log is not closed ({error})")


def _say(text: str) -> None:
    with suppress(OSError):  # it may be a file on the same disk
        print(f"watchdog: {text}", file=sys.stderr, flush=True)
