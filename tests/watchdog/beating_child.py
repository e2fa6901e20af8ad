"""A process that beats as the guard does: on an event loop, every 100 ms, and takes the file KILL. Run by the tests.

python -m tests.watchdog.beating_child STATE_DIR

Obeys lines of standard input: `block SECONDS` blocks the loop, `end` ends in good order, `exit` does not.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from dolphin.journal import killfile
from dolphin.journal.beat import HEARTBEAT, BeatState, Heart


async def main(state_dir: str) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    kill = os.path.join(state_dir, killfile.NAME)
    heart = Heart.create(os.path.join(state_dir, HEARTBEAT), f"child{os.getpid()}")
    killed = False

    async def beating() -> None:
        nonlocal killed
        while True:
            if killfile.lies(kill):
                killed = True
                killfile.take(kill, {"ok": True})
                print(f"killed {time.monotonic_ns()}", flush=True)
            heart.beat(killed)
            await asyncio.sleep(0.1)

    task = asyncio.ensure_future(beating())
    print("beats", flush=True)
    while True:
        words = (await reader.readline()).decode().split()
        if not words or words[0] == "exit":
            return
        if words[0] == "block":
            print(f"blocked {time.monotonic_ns()}", flush=True)
            time.sleep(float(words[1]))
        if words[0] == "end":
            task.cancel()
            heart.beat(killed, BeatState.ENDING)
            heart.end(killed)
            print("ended", flush=True)
            return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
