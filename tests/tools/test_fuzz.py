"""The fuzzer: what it found stays mended, its oracles find what is planted, a seed says the same twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.fuzz.faults import planted
from tools.fuzz.many import one
from tools.fuzz.plan import drawn, loaded, saved
from tools.fuzz.shrink import shrunk

PLANS = Path(__file__).parent / "plans"
ROOT = Path(__file__).resolve().parents[2]

FIRST = 900
"""Seeds of the short configuration."""


def fuzz(*args):
    """In a process of its own, without contracts: they cost, and would find a planted fault before an oracle can."""
    environment = {**os.environ, "DOLPHIN_CONTRACTS": "0"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tools.fuzz", *args], cwd=ROOT, env=environment, capture_output=True,
        text=True, check=False, timeout=600,
    )  # fmt: skip


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.req("DOL-KILL-002")
@pytest.mark.req("DOL-KILL-003")
@pytest.mark.req("DOL-ORDER-001")
@pytest.mark.req("DOL-ORDER-002")
def test_the_short_configuration_finds_nothing(tmp_path):
    """Some thousand commands; `make fuzz` sends a million. What is there is not done again."""
    args = ["--commands", "4000", "--workers", "1", "--first", str(FIRST), "--out", str(tmp_path)]
    found = fuzz(*args)
    assert found.returncode == 0, found.stdout + found.stderr
    (path,) = tmp_path.glob("results-*.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert sum(row["commands"] for row in rows) > 4_000
    assert sum(row["fills"] for row in rows) > 100
    assert sum(row["engines"] for row in rows) > len(rows)  # some crashed, or were started again
    assert [row for row in rows if row["found"]] == []
    again = fuzz(*args)
    assert f"has {len(rows):,} episodes of this very version" in again.stdout
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(rows)


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.req("DOL-KILL-003")
@pytest.mark.req("DOL-ORDER-001")
@pytest.mark.req("DOL-ORDER-002")
@pytest.mark.parametrize("plan", sorted(path.stem for path in PLANS.glob("*.json")))
def test_what_it_found_stays_mended(plan):
    """The smallest command lists of its findings; each of them failed before its mend."""
    done = one(loaded((PLANS / f"{plan}.json").read_text(encoding="utf-8")))
    assert done.findings == ()
    assert done.commands > 0


def test_a_seed_says_the_same_twice_and_a_plan_survives_its_file():
    plan = drawn(FIRST)
    assert drawn(FIRST) == plan
    assert loaded(saved(plan)) == plan
    assert drawn(FIRST + 1) != plan
    short = drawn(FIRST, 80)
    first, second = one(short), one(short)
    assert first == second
    assert first.orders > 5


def test_deletion_leaves_what_a_finding_needs():
    """Of many commands those two without which it does not fail."""
    plan = drawn(FIRST, 90)
    needed = {plan.commands[7], plan.commands[61]}
    small = shrunk(plan, lambda tried: needed <= set(tried.commands))
    assert set(small.commands) == needed
    assert small.setup == plan.setup


def test_planted_faults_are_found_by_their_oracles():
    """`--plants` without names has them all; the others take longer."""
    names = ["gate2", "token", "latch", "exits", "working", "cancels", "restart", "journal", "flags"]
    found = fuzz("--plants", *names)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "NOT FOUND" not in found.stdout
    assert [line.split()[0] for line in found.stdout.splitlines()[1:]] == names


def test_a_failure_is_told_with_its_seed_and_made_small(tmp_path):
    """With a fault planted: found, said, and made small; the file finds it again."""
    large = tmp_path / "large.json"
    large.write_text(saved(drawn(3, 24)), encoding="utf-8")
    found = fuzz("--plan", str(large), "--plant", "exits", "--shrink", "--out", str(tmp_path))
    assert found.returncode == 1, found.stderr
    assert "seed 3: blocked exit" in found.stdout
    assert f"again: python -m tools.fuzz --plan {tmp_path / 'seed-3.json'} --plant exits" in found.stdout
    small = loaded((tmp_path / "seed-3.json").read_text(encoding="utf-8"))
    assert len(small.commands) < 8
    again = one(small)
    assert again.findings == ()
    with planted("exits"):
        assert "blocked exit" in {each.oracle for each in one(small).findings}
