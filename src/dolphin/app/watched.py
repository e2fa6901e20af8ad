"""Whether a watchdog looks on a book: what `dolphin status` says of it.

What belongs here: reading the watchdog's own heartbeat, and its words. Nothing depends on it.
"""

from __future__ import annotations

import time
from pathlib import Path

from dolphin.journal.beat import WATCHDOG, BeatState, identity, read_beat
from dolphin.journal.errors import JournalError

FRESH_NS = 10 * 10**9
"""One that sweeps at a slow venue beats late."""


def looks_on(where: Path) -> str:
    """`looks on (process 7)`, or why nobody does."""
    try:
        beat = read_beat(str(where / WATCHDOG))
    except JournalError as error:
        return f"unknown: {error}"
    if beat is None:
        return "none: nobody cancels where this process hangs or dies (`dolphin watchdog --help`)"
    if beat.state == BeatState.ENDED:
        return "none: it was ended"
    age_ns = time.monotonic_ns() - beat.monotonic_ns
    if beat.who.boot != identity().boot or age_ns > FRESH_NS:
        return f"none: process {beat.who.pid} looked on, and beats no more"
    doing = "ACTS: it cancels what a hung or dead process left" if beat.killed else "looks on"
    return f"{doing} (process {beat.who.pid})"
