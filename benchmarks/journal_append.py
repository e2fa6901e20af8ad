"""What a journal costs: one append in both modes, where its time goes, one entry that waits for the disk, reading.

    python -m benchmarks.journal_append [--records N] [--folder PATH]

CPU time for what is CPU (append, read), wall time for what waits (flush). Best of five rounds, so that what else the
machine does counts least; percentiles are over all rounds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from dolphin.journal import Journal, LatchFile, read, verify
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Latch, Mode

POLICY = "0123456789abcdef" * 4
T0 = 1_600_000_000_000_000_000
TICK = '{"out":[6000000,0,0,10000,10000,10000,10000,10000,10000,0,100000000,0],"fx":[]}'
ORDER = (
    '{"feed":0,"side":1,"lots":100,"taking":1,"named":0,"reduce_only":0,"whole":0,"position_lots":0,"resting_lots":0,'
    '"own_lots":0,"min_lots":1,"value_u":123456789,"gross":0,"working":0,"equity":100000000,"l_raw_bp":60000,'
    '"leaving_lots":0,'
    '"out":[6000000,0,0,10000,10000,10000,10000,10000,10000,0,100000000,0],"fx":[["VERDICT",100,0,0,60000,0]],'
    '"x":{"order":"O-19990104-1","strategy":"TREND-000"}}'
)
ROUNDS = 5


def rate_us(action: Callable[[], object], count: int) -> float:
    """CPU microseconds for each of `count`, best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        action()
        best = min(best, (time.process_time_ns() - start) / count / 1_000)
    return best


def share(values_ns: list[int], part: float) -> float:
    return sorted(values_ns)[int((len(values_ns) - 1) * part)] / 1_000


def appended(folder: str, kind: str, data: str, count: int) -> tuple[float, list[int], str]:
    latencies: list[int] = []
    best = float("inf")
    path = ""
    for turn in range(ROUNDS):
        path = str(Path(folder) / f"{kind}-{turn}")
        journal = Journal.create(path, {}, policy_hash=POLICY, ts_ns=T0)
        append = journal.append
        start = time.process_time_ns()
        for step in range(count):
            append(T0 + step, kind, data)
        best = min(best, (time.process_time_ns() - start) / count / 1_000)
        clock = time.perf_counter_ns
        for step in range(count // 10):
            before = clock()
            append(T0 + step, kind, data)
            latencies.append(clock() - before)
        journal.close(T0)
        if turn < ROUNDS - 1:
            Path(path).unlink()
    return best, latencies, path


def waiting(folder: str, count: int) -> list[int]:
    """Wall time of append and flush in mode `power`."""
    found: list[int] = []
    with Journal.create(str(Path(folder) / "power"), {}, policy_hash=POLICY, ts_ns=T0, durability="power") as journal:
        for step in range(count):
            before = time.perf_counter_ns()
            journal.append(T0 + step, "ORDER", ORDER)
            journal.flush()
            found.append(time.perf_counter_ns() - before)
    return found


def grouped(folder: str, count: int) -> float:
    """Wall microseconds of an append in mode `power` that nobody waits for."""
    journal = Journal.create(str(Path(folder) / "grouped"), {}, policy_hash=POLICY, ts_ns=T0, durability="power")
    start = time.perf_counter_ns()
    for step in range(count):
        journal.append(T0 + step, "ORDER", ORDER)
    journal.flush()
    taken = time.perf_counter_ns() - start
    journal.close(T0)
    return taken / count / 1_000


def latched(folder: str, count: int) -> list[int]:
    """Wall time in which the latch file is told of a kill, or of its end: one slot in place, and a sync."""
    found: list[int] = []
    file = LatchFile.create(str(Path(folder) / "latch"), "0" * 32, Latch(), 0)
    for episode in range(1, count + 1):
        before = time.perf_counter_ns()
        file.say(Latch(Mode(episode % 2), episode, Cause.OPERATOR, T0), episode)
        found.append(time.perf_counter_ns() - before)
    file.release()
    return found


def parts(folder: str, count: int) -> list[tuple[str, float]]:
    """What the three acts of an append cost by themselves."""
    line = f'{{"seq":12345,"ts":"{T0}","kind":"ORDER","policy":"{POLICY[:16]}","data":{ORDER}'.encode()
    digest = bytes(32)
    fd = os.open(str(Path(folder) / "raw"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def formats() -> None:
        for step in range(count):
            f'{{"seq":{step},"ts":"{T0:d}","kind":"ORDER","policy":"{POLICY}","data":{ORDER}'.encode()

    def hashes() -> None:
        for _ in range(count):
            sha256(digest + line).digest()

    def writes() -> None:
        for _ in range(count):
            os.write(fd, line)

    found = [
        ("format", rate_us(formats, count)),
        ("sha256", rate_us(hashes, count)),
        ("os.write", rate_us(writes, count)),
    ]
    os.close(fd)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000, help="records a round (default 100000)")
    parser.add_argument("--folder", help="where the files go (default: a temporary folder): the disk that is measured")
    arguments = parser.parse_args()
    count = arguments.records
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        print(f"journal, {count:,} records a round, best of {ROUNDS}")
        for kind, data in (("TICK", TICK), ("ORDER", ORDER)):
            best, latencies, path = appended(folder, kind, data, count)
            size = Path(path).stat().st_size / (count + count // 10)
            records = verify(path).records
            print(
                f"  append {kind:<6} {size:4.0f} bytes  {best:6.2f} us CPU   p50 {share(latencies, 0.5):.2f}"
                f"  p99 {share(latencies, 0.99):.2f}  p99.9 {share(latencies, 0.999):.1f} us wall"
            )
            reading = rate_us(lambda path=path: [None for _ in read(path)], records)  # type: ignore[misc]
            print(f"  read   {kind:<6} chain, fields and spelling checked  {1e6 / reading:12,.0f} records/s")
        for name, cost in parts(folder, count):
            print(f"    of which {name:<9} {cost:6.2f} us")
        found = waiting(folder, 1_000)
        print(f"  power: append + flush  p50 {share(found, 0.5):.0f}  p99 {share(found, 0.99):.0f} us wall")
        said = latched(folder, 1_000)
        print(f"  latch file: told and synced  p50 {share(said, 0.5):.0f}  p99 {share(said, 0.99):.0f} us wall")
        print(f"  power: append, grouped within 5 ms  {grouped(folder, count):.2f} us wall on average")


if __name__ == "__main__":
    main()
