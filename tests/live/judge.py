"""What came of a live scenario, and what differs from what its file expects. What must hold of every one is here, too.

Of every run: the journal folds and its audit gives the expected verdict; no own order crosses zero; no client order id
is taken twice; after a kill was answered nothing arrives that could increase what is held.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from dolphin.audit import pipeline
from dolphin.journal import codec, head_file
from dolphin.journal import read as records_of
from dolphin.kernel.events import EVENTS
from dolphin.kernel.machine import step
from tests.live.life import live
from tests.live.script import Script, read
from tests.loopback import Exchange
from tests.loopback.tape import Tape

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "scenarios" / "live"
ENTRIES = ("POST /fapi/v1/order", "POST /fapi/v1/algoOrder", "PUT /fapi/v1/order")


class Run:
    """A scenario that was run: the exchange's tape, the journal, and what the last process said."""

    def __init__(self, script: Script, folder: Path):
        self.script, self.folder = script, folder
        self.seconds = 0.0
        self.lines: list[str] = []
        self.seen: dict[str, Any] = {}

    def go(self) -> Run:
        began = time.perf_counter()
        with Exchange() as exchange:
            exchange.pump(self.script.node.get("quotes_every_ms", 20))
            for number in range(len(self.script.lives) - 1):
                self._child(number, exchange.port)
            said = live(self.script, len(self.script.lives) - 1, self.folder, exchange.port)
            self.seen = {**said, "net": format(exchange.net().normalize(), "f"), "works": exchange.working()}
            self.tape = Tape(exchange.tape)
        self._look()
        self._judge()
        self.seconds = time.perf_counter() - began
        return self

    def _child(self, number: int, port: int) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "tests.live.life"]
        done = subprocess.run(
            [*command, str(self.script.path), str(number), str(self.folder), str(port)],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode != -9:
            raise AssertionError(
                f"{self.script.path.name}: life {number} ended with {done.returncode}: {done.stderr[-2000:]}"
            )

    def _look(self) -> None:
        names = json.loads((self.folder / "names.json").read_text()) if (self.folder / "names.json").exists() else {}
        journal = self.folder / "journal.jsonl"
        records = list(records_of(str(journal)))
        head = head_file(str(journal))
        report = pipeline.audit(str(journal), anchor=None if head is None else f"{head.seq}:{head.hash}")
        self.findings = ["\n".join(finding.lines()) for finding in report.findings]
        self.seen["verdict"] = report.verdict
        self.seen["works"] = sorted(names.get(cid, cid) for cid in self.seen["works"])
        self.seen["own"] = sum(1 for record in records if record.kind == "OWN")
        self.seen["trips"] = trips(records)
        self.seen["orders"] = submits(self.tape, names)
        self.seen["fills"] = [f"{label(cid, names)} {side} {size}" for cid, side, size in self.tape.fills()]

    def _judge(self) -> None:
        for name, wanted in self.script.expect.items():
            if name == "own_at_most":
                if self.seen["own"] > wanted:
                    self.lines.append(f"own: at most {wanted}, seen {self.seen['own']}")
            elif name == "net_about":
                if abs(Decimal(self.seen["net"]) - Decimal(wanted)) > Decimal("0.01"):
                    self.lines.append(f"net: about {wanted}, seen {self.seen['net']}")
            elif self.seen[name] != wanted:
                self.lines.append(f"{name}: expected {wanted}, seen {self.seen[name]}")
        self.lines += always(self.tape)
        if self.lines:
            self.lines += self.findings[:1]


def trips(records: list[Any]) -> list[str]:
    """The causes for which the latch tripped, in order: whatever record it was that brought the episode."""
    found, policy, state = [], None, None
    for record in records:
        if record.kind == "HEADER":
            policy, state = codec.begin(record.data)
        elif record.kind in EVENTS:
            before = state.latch.episode
            state, _ = step(policy, state, codec.decode(record.kind, record.ts_ns, record.data))
            if state.latch.episode > before:
                found.append(state.latch.cause.name)
    return found


def label(cid: str, names: dict[str, str]) -> str:
    """An order's name in the file; who sent it, where that was not the strategy."""
    for prefix in ("DOLPHIN", "adl"):
        if cid.startswith(prefix):
            return prefix
    return names.get(cid, cid)


def submits(tape: Tape, names: dict[str, str]) -> list[str]:
    """`NAME SIDE SIZE TYPE STATUS`, each submit that reached the venue; -1: it was carried out and never answered."""
    rows = []
    for entry in tape.requests("POST "):
        if entry.what.endswith(("/order", "/algoOrder")) and "symbol" in entry.data:
            cid = entry.data.get("newClientOrderId") or entry.data["clientAlgoId"]
            rows.append(
                f"{label(cid, names)} {entry.data['side']} {entry.data['quantity']} {entry.data['type']} {entry.status}"
            )
        elif entry.what.endswith(("/order", "/algoOrder")):
            rows.append(f"? {entry.status}")
    return rows


def always(tape: Tape) -> list[str]:
    """What is wrong in any run."""
    found = []
    net: dict[str, Decimal] = {}
    taken: set[str] = set()
    killed = False
    for entry in tape:
        killed |= entry.kind == "mark" and entry.what == "kill"
        if killed and entry.what in ENTRIES and "symbol" in entry.data and entry.data.get("reduceOnly") != "True":
            found.append(f"after the kill: {entry.what} {entry.data}")
        if entry.kind == "event" and entry.what == "ORDER_TRADE_UPDATE":
            order = entry.data["o"]
            if order["x"] in ("TRADE", "CALCULATED"):
                before = net.get(order["s"], Decimal(0))
                after = before + Decimal(order["l"]) * (1 if order["S"] == "BUY" else -1)
                if order["c"].startswith("DOLPHIN-") and (after * before < 0 or abs(after) >= abs(before)):
                    found.append(f"own order {order['c']} brought {before} to {after}")
                net[order["s"]] = after
        if entry.kind == "request" and entry.what == "POST /fapi/v1/order" and entry.status in (200, -1):
            cid = entry.data.get("newClientOrderId", "")
            if cid in taken:
                found.append(f"{cid} was taken twice")
            taken.add(cid)
    return found


def main() -> int:
    """`python -m tests.live.judge [ID or file's stem ...] [--seen]`: a line each; with `--seen` all that was seen."""
    code = 0
    names = [name for name in sys.argv[1:] if name != "--seen"]
    scripts = [read(path) for path in sorted(SCENARIOS.glob("S*.toml"))]
    unknown = set(names) - {script.id for script in scripts} - {script.path.stem for script in scripts}
    if unknown:
        print(f"no such live scenario: {', '.join(unknown)}; known: {', '.join(script.id for script in scripts)}")
        return 2
    for script in scripts:
        if names and script.id not in names and script.path.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = Run(script, Path(folder)).go()
        word = "DEVIATES" if run.lines else "as expected"
        print(f"{run.script.id:<6} {run.script.name:<16} node     {word:<11} journal {run.seen['verdict']:<10} "
              f"{run.seconds:6.2f} s  {run.script.title}", flush=True)  # fmt: skip
        for line in run.lines:
            print(f"       {line}")
            code = 1
        if "--seen" in sys.argv:
            for name, value in run.seen.items():
                print(f"       {name} = {value}")
    return code


if __name__ == "__main__":
    sys.exit(main())
