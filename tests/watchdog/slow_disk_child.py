"""A guarded TradingNode whose journal lies on a slow disk, as a process of its own. Run by test_slow_disk.py.

python -m tests.watchdog.slow_disk_child STATE_DIR

Obeys lines of standard input: `slow SECONDS` rotates the journal with syncs that take so long, and says how long the
loop stood still; `hang` rotates it with a sync that does not end; the end of input ends the run.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

FOR_EVER_S = 1_000.0


class Disk:
    """What the journal's port calls: a sync that takes `seconds` more."""

    def __init__(self):
        self.seconds = 0.0
        self.sync = os.fdatasync
        os.fdatasync = self.fdatasync

    def fdatasync(self, fd):
        time.sleep(self.seconds)
        self.sync(fd)


DISK = Disk()  # before the port is made, with the first import of dolphin


async def main(state_dir):
    from tests.nautilus.live_node import Trader, guard_of, lived, node_with

    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def rotated(guard):
        """How long the loop stood still meanwhile, and for a second after it."""
        guard._segment_bytes = 0
        guard.keeper.due = 0
        began = last = time.monotonic()
        stood = 0.0
        while guard.keeper.due == 0 or last < began + 1.0:
            await asyncio.sleep(0.005)
            now = time.monotonic()
            stood = max(stood, now - last)
            if guard.keeper.due == 0:
                began = now
            last = now
        return stood

    async def act(node):
        guard = guard_of(node).parts.guard
        print("running", flush=True)
        while words := (await reader.readline()).decode().split():
            DISK.seconds = float(words[1]) if words[0] == "slow" else FOR_EVER_S
            stood = await rotated(guard)
            DISK.seconds = 0.0
            print(f"stood {stood:.3f}", flush=True)

    await lived(node_with(state_dir, Trader()), act, 0.1)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
