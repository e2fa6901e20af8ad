"""Many episodes over the cores: kept as they come, so that a stop loses a few; counts, and a line every few seconds."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from tools.findings import ROOT
from tools.fuzz.plan import Plan, drawn

CHUNK: Final = 20
"""Seeds that a worker takes at once, at most; fewer where few commands are asked for."""
PER_WORKER: Final = 15
"""Chunks after which a process is replaced: Nautilus keeps a little of each engine."""


def _quiet() -> None:
    """A crash drops engines in the middle of their work: what they say of it while they go is no finding."""
    sys.unraisablehook = lambda _: None


def one(plan: Plan, plant: str = "") -> Any:
    """Play one plan."""
    from tools.fuzz.faults import planted
    from tools.fuzz.world import play

    _quiet()
    with planted(plant):
        return play(plan)


def chunk(seeds: list[int]) -> list[dict[str, Any]]:
    """The results of some seeds, as they are kept."""
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        try:
            done = one(drawn(seed))
        except Exception as error:  # a defect of the fuzzer: said, and no reason to stop
            none = {"commands": 0, "orders": 0, "fills": 0, "engines": 0, "kills": 0}
            rows.append({"seed": seed, **none, "found": [["the fuzzer itself", f"{type(error).__name__}: {error}"]]})
            continue
        row = {"seed": seed, "commands": done.commands, "orders": done.orders, "fills": done.fills}
        row |= {"engines": done.engines, "kills": done.killed, "found": [list(each) for each in done.findings]}
        rows.append(row)
    return rows


def version() -> str:
    """A hash of what is tested and of the fuzzer: results of another are not taken up."""
    made = hashlib.sha256()
    for folder in (ROOT / "src" / "dolphin", ROOT / "tools" / "fuzz"):
        for path in sorted(folder.rglob("*.py")):
            made.update(path.read_bytes())
    return made.hexdigest()[:12]


def _earlier(path: Path) -> dict[int, dict[str, Any]]:
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return {row["seed"]: row for row in rows}


def _chunks(first: int, size: int, done: Iterable[int]) -> Iterator[list[int]]:
    known = set(done)
    seed = first
    while True:
        seeds = [each for each in range(seed, seed + size) if each not in known]
        seed += size
        if seeds:
            yield seeds


class Progress:
    """Counts, and a line every few seconds."""

    def __init__(self, goal: int, rows: Iterable[dict[str, Any]]) -> None:
        self.goal = goal
        self.sums: Counter[str] = Counter()
        self.failed: list[dict[str, Any]] = []
        for row in rows:
            self.add(row)
        self.before = self.sums["commands"]
        self.begun_s = self.said_s = time.monotonic()

    def add(self, row: dict[str, Any]) -> None:
        """One more episode."""
        self.sums["episodes"] += 1
        for name in ("commands", "orders", "fills", "engines", "kills"):
            self.sums[name] += row[name]
        if row["found"]:
            self.failed.append(row)
            for oracle, text in row["found"][:3]:
                print(f"FOUND seed {row['seed']}: {oracle}: {text}", flush=True)

    def say(self, always: bool = False) -> None:
        """How far, how fast, how long yet."""
        now_s = time.monotonic()
        if not always and now_s - self.said_s < 10:
            return
        self.said_s = now_s
        rate = (self.sums["commands"] - self.before) / max(now_s - self.begun_s, 0.001)
        left_s = max(0, self.goal - self.sums["commands"]) / max(rate, 0.001)
        print(
            f"fuzz: {self.sums['commands']:,} of {self.goal:,} commands, {self.sums['episodes']:,} episodes, "
            f"{self.sums['engines']:,} engines, {self.sums['fills']:,} orders filled, {self.sums['kills']:,} kills, "
            f"{len(self.failed)} failed; {rate:,.0f} a second, {left_s / 60:.0f} min left",
            flush=True,
        )


def many(goal: int, first: int, workers: int, out: Path) -> int:
    """Episodes until `goal` commands were sent; 1 if any failed."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"results-{version()}-{first}.jsonl"
    rows = _earlier(path)
    if rows:
        print(f"fuzz: {path} has {len(rows):,} episodes of this very version: going on from there")
    progress = Progress(goal, rows.values())
    todo = _chunks(first, max(1, min(CHUNK, goal // 10_000)), rows)
    context = get_context("spawn")
    with path.open("a", encoding="utf-8") as file:
        while progress.sums["commands"] < goal:
            with ProcessPoolExecutor(workers, mp_context=context) as pool:
                for made in pool.map(chunk, [next(todo) for _ in range(workers * PER_WORKER)]):
                    for row in made:
                        file.write(json.dumps(row) + "\n")
                        progress.add(row)
                    file.flush()
                    progress.say()
                    if progress.sums["commands"] >= goal:
                        pool.shutdown(cancel_futures=True)
                        break
    progress.say(always=True)
    for row in progress.failed:
        seed = row["seed"]
        print(f"again: python -m tools.fuzz --seed {seed}    smallest: python -m tools.fuzz --seed {seed} --shrink")
    return int(bool(progress.failed))
