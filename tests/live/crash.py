"""SIGKILL at every journalled step of kill, flatten and re-arm, and a restart on the same exchange: `make crash`.

A first life goes through scenarios/live/crash.toml and says how many records it wrote since its first command; then one
life for each of them, killed before it is written and after. What must hold of each, whatever it was killed at:

- the journal's records of before the death are all there afterwards, in the same chain, and its audit conforms;
- the latch is what the journal, or the latch file, says: KILLED stays so, and a re-arm goes no further than written;
- a kill whose death came before it was written may be forgotten (docs/limitations.md): then it is typed again;
- in the end nothing is held and nothing rests at the exchange, and no own order ever crossed zero.

The 60 s before a confirm pass by steps of the guard's clock. The second life has the machine's clock, which is a minute
behind: after a death in the re-arm it finds CLOCK_REGRESSION, and comes up KILLED. That is allowed, and all that is
shown there: that a re-arm of before is kept is shown by tests/nautilus/test_latch_restart.py.

python -m tests.live.crash [N ...]
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from dolphin.audit import pipeline
from dolphin.journal import head_file, read
from dolphin.journal.folding import folded
from dolphin.kernel.state import Mode
from tests.live.judge import ROOT, SCENARIOS, always
from tests.live.life import Life, live
from tests.live.script import read as read_script
from tests.loopback import Exchange
from tests.loopback.tape import Tape

SCRIPT = SCENARIOS / "crash.toml"


def first_life(folder: Path, port: int, die_at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.live.life", str(SCRIPT), "0", str(folder), str(port)]
    return subprocess.run(
        [*command, str(die_at)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip


def steps() -> int:
    """How many records a life writes since its first command."""
    with tempfile.TemporaryDirectory() as folder, Exchange() as exchange:
        exchange.pump(20)
        done = first_life(Path(folder), exchange.port, 0)
    if done.returncode:
        raise AssertionError(f"the life that does not die ended with {done.returncode}: {done.stderr[-2000:]}")
    return int(json.loads(done.stdout.splitlines()[-1])["records"])


async def afterwards(life: Life) -> None:
    """The second life: what it found, and that it ends flat."""
    mode = life.parts.guard.state.latch.mode
    life.answer["found"] = mode.name
    if mode == Mode.RUNNING:
        await life.do_command("kill")
    await life.do_wait("venue flat", 20)
    await life.do_wait("venue works", 20)
    await life.do_send("late", "buy", "1")
    await life.do_wait("order late DENIED")
    await asyncio.sleep(0.2)
    await life.do_see("venue flat")


def crashed(die_at: int, folder: Path) -> list[str]:
    """Die there, come up again; what was wrong, and how it was found."""
    script = read_script(SCRIPT)
    journal = folder / "journal.jsonl"
    wrong: list[str] = []
    with Exchange() as exchange:
        exchange.pump(20)
        done = first_life(folder, exchange.port, die_at)
        if done.returncode != -9:
            return [f"ended with {done.returncode}: {done.stderr[-500:]}"]
        before = [(record.seq, record.hash) for record in read(str(journal))]
        last = list(read(str(journal)))[-1].kind
        state = folded(str(journal)).book.state
        exchange.slow(False)
        exchange.pump(20)
        found: dict[str, Any] = {}

        async def act(life: Life) -> None:
            await afterwards(life)
            found.update(life.answer)

        live(script, 1, folder, exchange.port, instead=act)
        if exchange.net() != Decimal(0) or exchange.working():
            wrong.append(f"not flat: {exchange.net()} {exchange.working()}")
        wrong += always(Tape(exchange.tape))
    after = [(record.seq, record.hash) for record in read(str(journal))]
    if after[: len(before)] != before:
        wrong.append("a record of before the death is gone")
    if state.latch.mode.name != found["found"] and found["found"] != "KILLED":
        wrong.append(f"the journal said {state.latch.mode.name}, the restart found {found['found']}")
    head = head_file(str(journal))
    report = pipeline.audit(str(journal), anchor=None if head is None else f"{head.seq}:{head.hash}")
    if report.verdict != "conforms":
        wrong += [f"audit: {report.verdict}", *report.findings[0].lines()]
    print(f"{die_at:>4}  last record {last:<8} journal {state.latch.mode.name:<12} found {found['found']:<12} "
          f"{wrong or 'as it must'}", flush=True)  # fmt: skip
    return wrong


def main() -> int:
    given = [int(word) for word in sys.argv[1:]]
    if not given:
        number = steps()
        print(f"{number} records from the kill on", flush=True)
        given = [sign * at for at in range(1, number + 1) for sign in (-1, 1)]
    bad = 0
    for die_at in given:
        with tempfile.TemporaryDirectory() as folder:
            bad += bool(crashed(die_at, Path(folder)))
    print(f"{len(given)} deaths, {bad} not as they must be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
