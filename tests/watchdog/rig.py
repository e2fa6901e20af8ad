"""A beating child, a watchdog process, orders at a loopback exchange: what the tests of the watchdog share."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from dolphin.journal import read
from tests.loopback import Exchange
from tests.loopback.caller import Caller

ROOT = Path(__file__).resolve().parents[2]
PYTHON = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Process:
    """A child that is ended whatever happens, and whose lines are awaited."""

    def __init__(self, *command, **environment):
        self.popen = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", *map(str, command)], cwd=ROOT, env={**PYTHON, **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
        )  # fmt: skip
        self.lines = []
        self._rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self.popen.stdin.close()
        self.popen.stdout.close()

    @property
    def pid(self):
        return self.popen.pid

    def send(self, what):
        self.popen.send_signal(getattr(signal, what))

    def say(self, line):
        self.popen.stdin.write(f"{line}\n".encode())

    def until(self, word, timeout_s=30):
        """The next line that has this word."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            while b"\n" in self._rest:
                line, _, self._rest = self._rest.partition(b"\n")
                self.lines.append(line.decode())
                if word in self.lines[-1]:
                    return self.lines[-1]
            if select.select([self.popen.stdout], [], [], 0.05)[0]:
                more = os.read(self.popen.stdout.fileno(), 65_536)
                if not more:
                    break
                self._rest += more
        raise AssertionError(f"no {word!r} in {self.lines[-20:]}")

    def ended(self, timeout_s=30):
        out, _ = self.popen.communicate(timeout=timeout_s)
        self.lines += (self._rest + (out or b"")).decode().splitlines()
        return self.popen.returncode


def child(state_dir):
    made = Process("tests.watchdog.beating_child", state_dir)
    made.until("beats")
    return made


def watchdog(state_dir, exchange, *more, missed=20, symbols=SYMBOLS, hindered=""):
    """The command. More beats than in earnest: on a busy machine a child does not get to beat for 300 ms.

    `hindered`: see hindered.py.
    """
    hands = ("tests.watchdog.hindered", hindered) if hindered else ()
    return Process(
        *hands, "dolphin", "watchdog", "--state", state_dir, "--venue", "binance-futures",
        "--symbols", ",".join(symbols), "--url", exchange.url, "--missed", missed, *more,
        BINANCE_API_KEY=exchange.key, BINANCE_API_SECRET=exchange.secret,
    )  # fmt: skip


def caller(exchange: Exchange) -> Caller:
    return Caller(exchange.port, exchange.key, exchange.secret)


def orders(exchange):
    """A position, what protects it, and three entries, one of them conditional. The names of what protects."""
    call = caller(exchange)
    assert call.order("BUY", "0.010")[0] == 200
    for name, more in (
        ("stop", {"side": "SELL", "quantity": "0.010", "price": "60000.0", "reduceOnly": "true"}),
        ("entry-1", {"side": "BUY", "quantity": "0.010", "price": "40000.0"}),
        ("entry-2", {"side": "BUY", "quantity": "0.010", "price": "2000.00", "symbol": "ETHUSDT"}),
        ("entry-3", {"side": "BUY", "quantity": "0.010", "price": "2001.00", "symbol": "ETHUSDT"}),
    ):
        status, body = call.order(newClientOrderId=name, **more)
        assert status == 200, body
    for name, side, reduce in (("algo-entry", "BUY", "false"), ("algo-stop", "SELL", "true")):
        trigger = "60000.0" if side == "BUY" else "45000.0"
        status, body = call(
            "POST", "/fapi/v1/algoOrder", symbol="BTCUSDT", side=side, type="STOP_MARKET", quantity="0.010",
            triggerPrice=trigger, algoType="CONDITIONAL", clientAlgoId=name, reduceOnly=reduce,
        )  # fmt: skip
        assert status == 200, body
    assert len(exchange.working()) == 6
    return {"stop", "algo-stop"}


def eventually(what, timeout_s=20):
    until_s = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < until_s, "it did not come about"
        time.sleep(0.01)


def notes(state_dir):
    return [record.data for record in read(str(Path(state_dir) / "watchdog.jsonl")) if record.kind == "NOTE"]
