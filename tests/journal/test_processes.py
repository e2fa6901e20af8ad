"""Real processes: killed at random moments, and two of them at one journal."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dolphin.journal import Journal, read, recover, verify

APPEND = """
import sys
from dolphin.journal import Journal
path, first = sys.argv[1], sys.argv[2] == "0"
if first:
    journal = Journal.create(path, {}, policy_hash="0123456789abcdef" * 4, ts_ns=0)
else:
    journal = Journal.resume(path, ts_ns=0)
out = sys.stdout.fileno()
import os
os.write(out, b"ready\\n")
step = 0
while True:
    step += 1
    seq = journal.append(step, "NOTE", '{"step":%d,"text":"%s"}' % (step, "x" * (step % 700)))
    os.write(out, b"%d\\n" % seq)
"""

COMPETE = """
import sys, time
from dolphin.journal import Journal, JournalLocked
sys.stdin.readline()
try:
    journal = Journal.resume(sys.argv[1], ts_ns=0, instance=sys.argv[2])
except JournalLocked as error:
    print("locked", error.holder, flush=True)
else:
    print("wrote", journal.append(1, "NOTE", "{}"), flush=True)
    sys.stdin.readline()
    journal.close(2)
"""


@pytest.mark.req("DOL-JOURNAL-002")
@pytest.mark.req("DOL-JOURNAL-005")
def test_sigkill_at_random_moments_loses_nothing_acknowledged(path: str) -> None:
    rng = random.Random(20261121)
    acknowledged: set[int] = set()
    for life in range(12):
        child = subprocess.Popen([sys.executable, "-c", APPEND, path, str(life)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        os.set_blocking(child.stdout.fileno(), False)
        until = time.monotonic() + rng.uniform(0.0, 0.03)
        said = b""
        while time.monotonic() < until:
            said += child.stdout.read() or b""
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        os.set_blocking(child.stdout.fileno(), True)
        said += child.stdout.read()
        child.stdout.close()
        acknowledged |= {int(line) for line in said.split(b"\n")[:-1]}
        found = recover(path)
        assert max(acknowledged, default=0) <= found.head.seq
    written = {record.seq: record for record in recover(path).records()}
    assert {*written} >= acknowledged
    assert all(written[seq].kind == "NOTE" for seq in acknowledged)
    assert len(acknowledged) > 100
    Journal.resume(path, ts_ns=9).close(9)
    assert verify(path).closed


@pytest.mark.req("DOL-JOURNAL-003")
def test_of_two_processes_one_writes(path: str) -> None:
    Journal.create(path, {}, policy_hash="0123456789abcdef" * 4, ts_ns=0).release()
    both = [
        subprocess.Popen(
            [sys.executable, "-c", COMPETE, path, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    for child in both:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    said = [child.stdout.readline() for child in both if child.stdout is not None]
    for child in both:
        child.communicate("end\n", timeout=20)
    assert sorted(line.split()[0] for line in said) == ["locked", "wrote"]
    winner = [line.startswith("wrote") for line in said].index(True)
    loser = said[1 - winner]
    assert f'"pid":{both[winner].pid}' in loser or "left no name" in loser
    assert [record.kind for record in read(path)] == ["HEADER", "NOTE", "NOTE", "CLOSE"]
    assert not Path(f"{path}.lock").exists()
