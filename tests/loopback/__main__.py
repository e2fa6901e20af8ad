"""The exchange as a process of its own, so that a client that hangs does not hang it.

python -m tests.loopback [--quotes-every-ms 20]

Prints `{"url": ..., "ws": ..., "key": ..., "secret": ...}`; then `remote.Remote(port)` tells it what to do. The end of
its standard input ends it.
"""

from __future__ import annotations

import argparse
import json
import sys

from tests.loopback import Exchange


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.loopback", description=__doc__)
    arguments.add_argument("--quotes-every-ms", type=int, default=0, help="a living feed: the touch again and again")
    given = arguments.parse_args()
    with Exchange() as exchange:
        if given.quotes_every_ms:
            exchange.pump(given.quotes_every_ms)
        about = {"url": exchange.url, "ws": exchange.ws, "key": exchange.key, "secret": exchange.secret}
        print(json.dumps(about), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
