"""What `make setup` is doing, from pip's output: one moving line on a terminal, a line now and then elsewhere.

    python -m pip install ... -r requirements.lock | python tools/setup_progress.py requirements.lock

Started by its path and with the standard library alone: nothing is installed yet. pip's errors go to stderr, past it.
"""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

EVERY = 10
"""Packages between two lines where nobody watches a terminal."""
BEAT_S = 15
"""Seconds after which a silent step says that it still runs, there."""
_FETCHED = re.compile(r"(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9._-]+)==")


class Progress:
    """Steps so far. `total`: packages that the lock file pins; some are for other systems, so fewer may come."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.fetched = 0
        self.doing = "asking for packages"

    def take(self, line: str) -> bool:
        """One line of pip's; whether it is worth a line where nobody watches."""
        found = _FETCHED.match(line)
        if found is not None:
            self.fetched += 1
            self.doing = f"package {self.fetched} of {self.total}: {found[1]}"
            return self.fetched % EVERY == 1
        if line.startswith("Installing collected packages"):
            self.doing = f"unpacking {line.count(',') + 1} packages, the longer half"
            return True
        return False


def pieces() -> Iterator[str | None]:
    """Lines of standard input as they come; None where a second passed without one."""
    rest = b""
    stream = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([stream], [], [], 1.0)
        if not ready:
            yield None
            continue
        block = os.read(stream, 65_536)
        if not block:
            return
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")


def main(lock: str) -> int:
    """Show it until pip ends."""
    progress = Progress(len(re.findall(r"^[A-Za-z0-9][^\n]*==", Path(lock).read_text(), re.MULTILINE)))
    watched = sys.stdout.isatty()
    began = said = time.monotonic()
    for line in pieces():
        now = time.monotonic()
        worth = progress.take(line) if line is not None else now - said >= BEAT_S
        text = f"setup: {progress.doing} ({now - began:.0f} s)"
        if watched:
            print(f"\r\x1b[K{text}", end="", flush=True)
        elif worth:
            print(text, flush=True)
            said = now
    if watched:
        print("\r\x1b[K", end="", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
