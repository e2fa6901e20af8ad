"""The watchdog's own log: a journal of NOTE records, hash-chained, one writer by its lock.

What belongs here: opening it, what was done before, writing to it. A log that refuses stops no cancel: what it should
have taken goes to standard error. Format: docs/journal-format.md; each NOTE has `what`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from dolphin.journal import Journal, JournalBroken, JournalError, Record, encode, recover

NAME: Final = "watchdog.jsonl"
DONE: Final = "done"
"""The `what` of the NOTE that ends an act: nothing was left of `run`."""


class Log:
    """One watchdog's log. JournalLocked: another watchdog has it."""

    def __init__(self, path: str, header: Mapping[str, object]) -> None:
        self.done = ""
        self._journal = self._opened(path, dict(header))

    def _opened(self, path: str, header: dict[str, object]) -> Journal:
        now_ns = time.time_ns()
        if os.path.exists(path):
            try:
                recovery = recover(path, each=self._each)
                journal = Journal.resume(path, ts_ns=max(now_ns, recovery.last_ts_ns), recovery=recovery)
            except JournalBroken as error:
                # What watches must start: a broken log is kept, and said.
                aside = f"{path}.broken-{now_ns}"
                os.rename(path, aside)
                print(f"watchdog: {error}; it is kept as {aside}", file=sys.stderr)
                self.done = ""
            else:
                journal.append(max(now_ns, recovery.last_ts_ns), "NOTE", encode({"what": "start", **header}))
                return journal
        told = sha256(encode(header).encode()).hexdigest()
        return Journal.create(path, {"host": "watchdog", **header}, policy_hash=told, ts_ns=now_ns)

    def _each(self, record: Record) -> None:
        if record.kind == "NOTE" and record.data.get("what") == DONE:
            self.done = str(record.data.get("run", ""))

    def note(self, what: str, **said: Any) -> None:
        """One NOTE. Never raises for what the log or its disk does."""
        self._write(encode({"what": what, **said}))

    def _write(self, data: str) -> None:
        try:
            self._journal.append(time.time_ns(), "NOTE", data)
        except (JournalError, ValueError) as error:
            print(f"watchdog: {data} ({error})", file=sys.stderr)

    def close(self) -> None:
        """CLOSE, and let go."""
        try:
            self._journal.close(time.time_ns())
        except JournalError as error:
            print(f"watchdog: its log is not closed ({error})", file=sys.stderr)
