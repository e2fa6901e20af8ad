"""A backtest that is killed, and whose process dies at a named step of the kill. Run by test_latch_restart.py.

python -m tests.nautilus.latch_child STATE_DIR STEP (full | works)
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

from dolphin.journal import latchfile
from dolphin.journal.files import Port
from dolphin.kernel.events import Tripped
from dolphin.nautilus.guard import Guard
from tests.nautilus.rig import Rig, audusd, quotes
from tests.nautilus.test_gates import BUY, SELL, X1, limit, market
from tests.nautilus.test_kill import command, make

STEPS = ("trip", "acted", "torn", "placed", "synced", "appended", "after")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def at(owner, name, when, after):
    """Die in `owner.name` once `when` says so: before the call, or after it."""
    kept = getattr(owner, name)

    def wrapped(self, *args, **kwargs):
        ready = when(self, *args)
        if ready and not after:
            die()
        result = kept(self, *args, **kwargs)
        if ready and after:
            die()
        return result

    setattr(owner, name, wrapped)


def is_trip(parts, event, effects):
    return any(type(effect) is Tripped for effect in effects)


def plant(step, guard):
    """`guard` is at work; the next kill dies at `step`."""
    file = guard._latch_file
    if step in ("trip", "acted"):
        kept = guard.listener

        def listener(event, effects):
            if step == "trip":
                die()
            kept(event, effects)
            if is_trip(None, event, effects):
                die()

        guard.listener = listener
    elif step == "torn":

        def torn(fd, content, where):
            os.pwrite(fd, content[:150], where)
            die()

        file._port = file._port._replace(pwrite=torn)
    elif step == "placed":
        file._port = file._port._replace(fdatasync=lambda fd: die())
    elif step == "synced":
        at(latchfile.LatchFile, "say", lambda self, latch, seq: latch.mode.name == "KILLED", True)
    elif step == "appended":
        at(Guard, "_append", lambda self, record: record.kind == "KILL", True)
    else:
        guard._after = die


def main(state_dir, step, disk):
    def break_it(s):
        parts = rig.guard.parts
        assert type(parts.guard.journal._port) is Port

        def full(fd, content):
            raise OSError(errno.ENOSPC, "No space left on device")

        if disk == "full":
            parts.guard.journal._write = full
        plant(step, parts.guard)

    s = make({3: market(BUY, X1), 4: limit(BUY, 1000, 64_000), 6: break_it, 7: command("kill"), 9: market(SELL, 1000)})
    rig = Rig(Path(state_dir), audusd()).add(s)
    rig.run(quotes(audusd(), [65_000] * 20))
    print("still alive", rig.guard.failures, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
