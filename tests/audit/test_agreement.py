"""Two engines, one verdict: on good journals, and on journals corrupted in every field of every record kind.

Replay judges every mutant (in a process without contracts, which would make it twenty times slower); TLC those of the
fields that the model has, on a short journal. The misses stand in docs/guide/audit.md, and this test keeps them true.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dolphin.audit import conformance, replay
from dolphin.audit.finding import Verdict
from dolphin.kernel import events as ev
from dolphin.kernel.policy import DAILY, INTRADAY, Policy
from tests.audit import mutate
from tests.audit.make_journal import EUR, Maker, S, mixed, scripted

ROOT = Path(__file__).resolve().parents[2]
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="TLC needs Java")


def latched(path: Path) -> None:
    """The filter, a fall, a kill, the two steps and a Category 1 event while pending, in a few records."""
    maker = Maker(path, envelope=False)
    maker.hear()
    maker.equity(flat=1, stood=1)
    maker.event(ev.Counted(maker.now, EUR, 1))
    maker.event(ev.Seen(maker.now, EUR, maker.now + 3_600 * S, 4_000))
    maker.tick(5)
    maker.event(ev.Seen(maker.now, EUR, maker.now + 3_600 * S))
    maker.tick(30)
    maker.event(ev.Kill(maker.wait(1)))
    maker.event(ev.Arm(maker.now, 1, 11, 1, 0))
    maker.event(ev.Confirm(maker.wait(10), 11, 0))
    maker.event(ev.Confirm(maker.wait(50), 11, 0))
    maker.hear()
    maker.event(ev.Tick(maker.now - 2 * S))
    maker.event(ev.Arm(maker.now, 2, 12, 1, 0))
    maker.event(ev.Fault(maker.wait(1), maker.state.latch.cause))
    maker.close()


def test_every_field_of_every_kind_is_corrupted_and_the_misses_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DOLPHIN_CONTRACTS"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.audit.mutate"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    block = done.stdout.partition("at their own line")[0].strip()
    with capsys.disabled():
        print(f"\n{block.splitlines()[0]}")
    print(done.stdout)
    text = mutate.GUIDE.read_text()
    assert mutate.written(text, block) == text, (
        "docs/guide/audit.md is out of date: python -m tests.audit.mutate --write"
    )
    first = block.splitlines()[0]
    tried, killed = first.split("claim fields ")[1].split(" (")[0].split(" of ")
    assert tried == killed, "what a record claims must never be wrong unnoticed"


@needs_java
@pytest.mark.req("DOL-AUDIT-002")
@pytest.mark.parametrize("policy", [INTRADAY, DAILY])
def test_both_engines_accept_what_the_kernel_wrote(tmp_path: Path, policy: Policy) -> None:
    path = tmp_path / "journal.jsonl"
    scripted(path, policy)
    ours, theirs = replay.audit(str(path)), conformance.audit(str(path))
    assert (ours.verdict, theirs.verdict) == (Verdict.CONFORMS, Verdict.CONFORMS), theirs.findings
    assert conformance.agreement(ours, theirs).disagreement == ""


@needs_java
@pytest.mark.req("DOL-AUDIT-002")
def test_windows_hand_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    mixed(path, 900)
    assert conformance.audit(str(path), window=400).verdict == Verdict.CONFORMS


@needs_java
@pytest.mark.req("DOL-AUDIT-002")
def test_both_engines_reject_each_modelled_field(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    latched(path)
    lines = path.read_text().splitlines()
    assert replay.audit(str(path)).verdict == Verdict.CONFORMS
    assert conformance.audit(str(path)).verdict == Verdict.CONFORMS
    seen: set[str] = set()
    copy = tmp_path / "mutant.jsonl"
    for mutant in mutate.mutants(lines, 1):
        field = mutant.name.partition(".")[2]
        if not mutate.modelled(mutant.name) or field in seen:
            continue
        seen.add(field)
        copy.write_text("\n".join(mutant.lines) + "\n")
        ours, theirs = replay.audit(str(copy)), conformance.audit(str(copy))
        assert (ours.verdict, theirs.verdict) == (Verdict.VIOLATES, Verdict.VIOLATES), mutant[:3]
        assert theirs.findings[0].line == ours.findings[0].line == mutant.line, mutant[:3]
        assert conformance.agreement(ours, theirs).disagreement == ""
    assert seen == {f"out.{name}" for name in conformance.MODELLED}


@needs_java
@pytest.mark.req("DOL-REARM-003")
@pytest.mark.req("DOL-AUDIT-002")
@pytest.mark.parametrize(
    ("kind", "field", "value"), [("CONFIRM", "nonce", 13), ("ARM", "episode", 3), ("ARM", "observed_flat", 0)]
)
def test_both_engines_reject_a_forged_rearm(tmp_path: Path, kind: str, field: str, value: int) -> None:
    path = tmp_path / "journal.jsonl"
    latched(path)
    lines = path.read_text().splitlines()
    index = [i for i, line in enumerate(lines) if json.loads(line)["kind"] == kind][-1 if kind == "CONFIRM" else 0]
    record = json.loads(lines[index])
    lines[index] = lines[index].replace(f'"{field}":{record["data"][field]}', f'"{field}":{value}', 1)
    path.write_text("\n".join(mutate.rechained(lines, index)) + "\n")
    path.with_name("journal.jsonl.head").unlink()
    ours, theirs = replay.audit(str(path)), conformance.audit(str(path))
    assert (ours.verdict, theirs.verdict) == (Verdict.VIOLATES, Verdict.VIOLATES)
    assert conformance.agreement(ours, theirs).disagreement == ""


@pytest.mark.req("DOL-AUDIT-002")
def test_a_disagreement_is_said(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    latched(path)
    good = replay.audit(str(path))
    text = path.read_text().replace('"kind":"KILL"', '"kind":"SHOCK"')
    path.write_text(text)
    bad = replay.audit(str(path))
    assert "TLC accepts" in conformance.agreement(bad, good).disagreement
    assert "replay accepts" in conformance.agreement(good, bad).disagreement
