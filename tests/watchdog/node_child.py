"""A guarded TradingNode that trades on a loopback exchange, as a process of its own. Run by test_node.py.

python -m tests.watchdog.node_child URL WS KEY SECRET STATE_DIR

Buys once, then sends a resting entry with every tenth quote, until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys

from tests.loopback.node import BUY, Idle, grown, lived, node_on


class Quoter(Idle):
    count = 0

    def on_quote_tick(self, tick):
        self.count += 1
        if self.count == 5:
            self.market(BUY, "0.010")
        elif self.count % 10 == 0:
            self.limit(BUY, "0.002", "40000.0")


async def main(url, ws, key, secret, state_dir):
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def act(node):
        print("running", flush=True)
        await reader.read()

    with grown():
        node = node_on(url, ws, key, secret, state_dir, Quoter())
        await lived(node, act)
    print("ended", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
