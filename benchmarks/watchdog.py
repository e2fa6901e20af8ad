"""From a trading process that is gone to the last cancel at the venue: blocked, stopped, killed; and what a look costs.

A child beats on an event loop; the loopback exchange is a process of its own, so that nothing else hangs with it; the
watchdog is the shipped command. "From the event" begins when the loop is blocked or the signal is sent, "from the last
beat" when the child last beat: up to one beat earlier. Both end when the exchange gets the last cancel.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dolphin.journal import killfile
from dolphin.journal.beat import HEARTBEAT, Heart, read_beat
from tests.loopback.remote import Remote

HERE = Path(__file__).resolve().parents[1]
WAYS = ("blocked", "stopped", "killed")
PRICES = {"BTCUSDT": "40000.0", "ETHUSDT": "2000.00"}
ORDERS = 3


def percentile(values: list[float], share: int) -> float:
    """The smallest value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * share // 100) - 1)]


class Venue:
    """The exchange process, asked over its own port."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.loopback"], cwd=HERE, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.about = json.loads(self._process.stdout.readline())
        self._remote = Remote(int(self.about["url"].rpartition(":")[2]))

    def ask(self, name: str) -> Any:
        return getattr(self._remote, name)()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def cost_of_beats() -> str:
    """What a beat costs the event loop, what a look costs the gate, and the watchdog."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/{HEARTBEAT}"
        heart = Heart.create(path, "benchmark")
        rounds = 2_000
        found = []
        for name, act in (
            ("a beat", lambda: heart.beat(False)),
            ("a look for KILL", lambda: killfile.lies(f"{folder}/KILL")),
            ("reading a beat", lambda: read_beat(path)),
        ):
            began_ns = time.perf_counter_ns()
            for _ in range(rounds):
                act()
            found.append(f"{name} {(time.perf_counter_ns() - began_ns) / rounds / 1e3:.1f} us")
        heart.end(False)
    return ", ".join(found)


class Starved(Exception):
    """The machine was too busy: the child did not get to beat for 300 ms before anything was done to it."""


class Rig:
    """One watchdog, one child and their directory, for many episodes."""

    def __init__(self, venue: Venue, folder: str) -> None:
        from tests.loopback.caller import Caller
        from tests.watchdog.rig import Process, child

        self.venue, self.folder, self.made = venue, folder, child
        url, key, secret = (venue.about[name] for name in ("url", "key", "secret"))
        self.call = Caller(int(url.rpartition(":")[2]), key, secret)
        self.child = child(folder)
        self.dog = Process(
            "dolphin", "watchdog", "--state", folder, "--venue", "binance-futures", "--symbols", ",".join(PRICES),
            "--url", url, BINANCE_API_KEY=key, BINANCE_API_SECRET=secret,
        )  # fmt: skip

    def close(self) -> None:
        self.child.__exit__()
        self.dog.__exit__()
        for symbol in PRICES:
            self.call("DELETE", "/fapi/v1/allOpenOrders", symbol=symbol)

    def episode(self, way: str, pause_s: float) -> tuple[float, float]:
        """In ms: from the event, and from the last beat, to the last cancel."""
        self.dog.until("sees: beats", 10)
        for symbol, price in PRICES.items():
            for _ in range(ORDERS):
                status, body = self.call.order("BUY", "0.010", price=price, symbol=symbol)
                assert status == 200, body
        before = len(self.venue.ask("tape"))
        time.sleep(pause_s)
        if way == "blocked":
            self.child.say("block 0.7")
            event_ns = int(self.child.until("blocked", 10).split()[1])
        else:
            event_ns = time.monotonic_ns()
            self.child.send({"stopped": "SIGSTOP", "killed": "SIGKILL"}[way])
        self.dog.until("trip", 10)
        beat = read_beat(f"{self.folder}/{HEARTBEAT}")
        assert beat is not None
        cancels = [row["at_ns"] for row in self.venue.ask("tape")[before:] if row["what"].startswith("DELETE")]
        if not cancels or min(cancels) < event_ns or self.venue.ask("working"):
            raise Starved
        if way == "stopped":
            self.child.send("SIGCONT")
        if way != "killed":
            self.child.until("killed", 10)
        self.dog.until("done:", 10)
        if way == "killed":
            self.child.__exit__()
            Path(self.folder, "KILL").unlink()
            self.child = self.made(self.folder)
        return (max(cancels) - event_ns) / 1e6, (max(cancels) - beat.monotonic_ns) / 1e6


def episodes(way: str, rounds: int) -> tuple[list[tuple[float, float]], int]:
    """So many episodes, and how often the machine was too busy for one."""
    found: list[tuple[float, float]] = []
    starved = 0
    draw = random.Random(7)
    venue = Venue()
    while len(found) < rounds:
        with tempfile.TemporaryDirectory() as folder:
            rig = Rig(venue, folder)
            try:
                while len(found) < rounds:
                    found.append(rig.episode(way, draw.uniform(0.15, 0.25)))
            except (Starved, AssertionError):
                starved += 1
                if starved > rounds:
                    raise
            finally:
                rig.close()
    venue.close()
    return found, starved


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watchdog", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="episodes of each way")
    rounds = parser.parse_args().rounds
    print(cost_of_beats())
    print(f"{rounds} episodes each, {len(PRICES)} symbols with {ORDERS} orders each; ms (p50 / p99 / worst):")
    for way in WAYS:
        found, starved = episodes(way, rounds)
        for name, number in (("from the event", 0), ("from the last beat", 1)):
            values = [each[number] for each in found]
            said = " / ".join(
                f"{value:7.1f}" for value in (percentile(values, 50), percentile(values, 99), max(values))
            )
            print(f"  {way:8} {name:19} {said}", flush=True)
        if starved:
            print(f"  {way:8} left out: {starved} in which the child did not get to beat, on a machine this busy")
    print("  goal: detection to cancel p99 < 400 ms with beats of 100 ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
