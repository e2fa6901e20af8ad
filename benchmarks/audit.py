"""The fast audit against TLC on one 100,000-record journal, and where the time of the fast one goes.

Rates are wall time of this run (other load on the machine counts), parts are CPU time of one process. The goals are
150,000 records/s and ten times TLC; the last lines say what stands between.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from dolphin.audit import conformance, pipeline, replay
from dolphin.audit.coverage import Counter
from dolphin.audit.finding import Verdict
from dolphin.audit.fold import MAKERS, Fold
from dolphin.audit.ledger import Ledger
from dolphin.audit.safety import Safety
from dolphin.journal import read
from dolphin.journal.codec import encode
from dolphin.journal.encoding import GENESIS, TAIL_BYTES
from dolphin.journal.files import PORT
from dolphin.journal.reader import Source
from dolphin.kernel import machine
from tests.audit.make_journal import mixed

GOAL_RATE, GOAL_RATIO = 150_000, 10


def cpu(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def wall(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def parts(path: str) -> list[tuple[str, float]]:
    """CPU seconds of each part of the fast audit, measured apart."""
    records = list(read(path))
    header = records[0]
    kernel = [record for record in records if record.kind in MAKERS]
    events = [MAKERS[record.kind](record.ts_ns, record.body) for record in kernel]
    fold = Fold(path, header)
    policy, start = fold.policy, fold.state
    done: list[Any] = []

    def step() -> None:
        """Nothing is kept: a hundred thousand living states would be the collector's work, not the kernel's."""
        state = start
        for event in events:
            state, _ = machine.step(policy, state, event)

    def chain() -> None:
        digest = GENESIS
        for batch in Source(path, PORT).batches():
            for text in batch:
                digest = sha256(digest + text[:-TAIL_BYTES]).digest()

    def kept() -> None:
        state = start
        for event in events:
            state, effects = machine.step(policy, state, event)
            done.append((event, effects, state))

    def each(make: Any, take: str) -> Callable[[], None]:
        def run() -> None:
            check = getattr(make, take)
            for record in kernel:
                check(record)

        return run

    stepped = cpu(step)
    kept()
    clock = start.clock
    safety = Safety(path, policy, clock.start_ns, clock.anchor_ns, start.filter.confidence_ms)
    counter = Counter()
    return [
        ("the floor: lines and their hashes", cpu(chain)),
        ("read and check the form (a)", cpu(lambda: [None for _ in read(path)])),
        ("make the events", cpu(lambda: [MAKERS[record.kind](record.ts_ns, record.body) for record in kernel])),
        ("kernel: machine.step (b)", stepped),
        ("write again and compare (b)", cpu(lambda: [encode(*one).encode() for one in done])),
        ("safety properties (d)", cpu(each(safety, "take"))),
        ("ledger (d)", cpu(each(Ledger(path), "kernel"))),
        ("coverage", cpu(lambda: [counter.take(record) for record in records])),
        ("second process: take lines apart", cpu(lambda: [None for _ in pipeline.lines([path])])),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--no-tlc", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "journal.jsonl")
        mixed(Path(path), given.records, every=max(given.records // 16, 1))
        kinds = Counter()
        for record in read(path):
            kinds.take(record)
        n = sum(kinds.kinds.values())
        mix = ", ".join(f"{kind} {count:,}" for kind, count in kinds.kinds.items())
        print(f"{n:,} records, {os.path.getsize(path) / 1e6:.1f} MB: {mix}")
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        mine = time.process_time()
        one, report = wall(lambda: replay.audit(path))
        busy_one = time.process_time() - mine
        assert report.verdict == Verdict.CONFORMS, report.findings
        print(f"replay, one process    {one:7.2f} s  {n / one:9,.0f} records/s  ({n / busy_one:,.0f} a second of CPU)")
        two = one
        for jobs in sorted({2, os.cpu_count() or 2, 4}):
            before, mine = resource.getrusage(resource.RUSAGE_CHILDREN), time.process_time()
            two, report = wall(lambda jobs=jobs: pipeline.audit(path, jobs=jobs))
            after, first = resource.getrusage(resource.RUSAGE_CHILDREN), time.process_time() - mine
            assert report.verdict == Verdict.CONFORMS, report.findings
            child = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / jobs
            alone = n / max(first, child)
            print(
                f"and {jobs} for decisions    {two:7.2f} s  {n / two:9,.0f} records/s  (CPU: first {first:.2f} s, "
                f"others {child:.2f} s each: {alone:,.0f} records/s if each had a core)"
            )
        table = parts(path)
        for name, seconds in table:
            print(f"  {name:<34} {seconds:6.3f} s  {seconds / n * 1e6:6.2f} us a record")
        if shutil.which("java") and not given.no_tlc:
            mine, before = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
            tlc, report = wall(lambda: conformance.audit(path))
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            busy = time.process_time() - mine + after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            assert report.verdict == Verdict.CONFORMS, report.findings
            print(
                f"TLC                    {tlc:7.2f} s  {n / tlc:9,.0f} records/s, {report.checks['c'].compared:,} steps"
            )
            print(
                f"fast / TLC             {tlc / min(one, two):7.1f} x   (goal {GOAL_RATIO} x); "
                f"{busy / busy_one:.1f} x in CPU time ({busy:.1f} s, {busy_one:.1f} s)"
            )
        step = dict(table)["kernel: machine.step (b)"]
        share = step / n * 1e6
        print(
            f"goal {GOAL_RATE:,} records/s is {1e6 / GOAL_RATE:.2f} us a record; the kernel alone takes {share:.2f} us"
        )


if __name__ == "__main__":
    main()
