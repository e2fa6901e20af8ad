"""An offline TradingNode: a live run starts at 0, the mailbox kills, the latch outlives SIGKILL."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nautilus_trader.model.events import OrderDenied

from dolphin.journal import read
from dolphin.journal.folding import folded
from dolphin.kernel.events import Kill
from dolphin.kernel.state import Mode
from dolphin.nautilus import mailbox
from tests.nautilus.live_node import Trader, guard_of, lived, node_with
from tests.nautilus.rig import replays
from tests.nautilus.test_latch_restart import live_before

ROOT = Path(__file__).resolve().parents[2]


def run(state_dir, act, seconds=0.3, trader=Trader, more=(), **settings):
    strategy = trader()
    held = {}

    async def go():
        node = held["node"] = node_with(state_dir, strategy, *more, **settings)
        held["guard"] = guard_of(node)
        held["result"] = await lived(node, act, seconds)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(go())
    failures = list(held["guard"].failures)
    held["node"].dispose()
    assert failures == []
    assert "result" in held
    return strategy, held["guard"], held["result"]


async def denial(node, why):
    """Until an order was denied for this: a busy machine brings few quotes, and so few orders."""
    (strategy,) = node.trader.strategies()
    async with asyncio.timeout(60):
        while not any(isinstance(event, OrderDenied) and event.reason.startswith(why) for event in strategy.events):
            await asyncio.sleep(0.02)


@pytest.mark.req("DOL-TIME-007")
@pytest.mark.req("DOL-PLUG-004")
@pytest.mark.req("DOL-JOURNAL-018")
def test_a_live_run_starts_at_zero_takes_letters_and_closes(tmp_path):
    async def act(node):
        await asyncio.sleep(0.7)
        await denial(node, "POSTURE_NO_ENTRY")
        loop = asyncio.get_running_loop()
        status = await loop.run_in_executor(None, mailbox.post, tmp_path, "status", {}, "t", 30)
        kill = await loop.run_in_executor(None, mailbox.post, tmp_path, "kill", {}, "drill", 30)
        await denial(node, "KILLED")
        return status, kill

    strategy, guard, (status, kill) = run(tmp_path, act)
    assert guard.parts.guard._late_ns == 1_000_000_000  # what it does: test_latch_restart.py
    assert status["status"]["posture"] == "HIBERNATE"
    assert status["status"]["confidence_ms"] > 0
    assert kill["mode"] == "KILLED"
    denied = [event.reason for event in strategy.events if isinstance(event, OrderDenied)]
    assert denied
    assert any(reason.startswith("KILLED") for reason in denied)
    assert any(reason.startswith("POSTURE_NO_ENTRY") for reason in denied)
    kinds = [record.kind for record in read(str(tmp_path / "journal.jsonl"))]
    assert kinds[-1] == "CLOSE"
    assert kinds.count("COMMAND") == 1
    replays(tmp_path / "journal.jsonl")
    header = next(iter(read(str(tmp_path / "journal.jsonl")))).data
    assert header["host"] == "live"
    assert header["feeds"][0] == {
        "name": "process", "kind": "HEARTBEAT", "instrument": "", "source": "", "first_ns": "0", "last_ns": "0"
    }  # fmt: skip
    assert json.loads((tmp_path / "status.json").read_text())["mode"] == "KILLED"


@pytest.mark.req("DOL-KILL-001")
@pytest.mark.req("DOL-JOURNAL-002")
def test_sigkill_and_restart_keep_the_latch(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.nautilus.live_node", str(tmp_path), "60"],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout.readline().strip() == "running"
        answer = mailbox.post(tmp_path, "kill", {}, "drill", 30)
        assert answer["mode"] == "KILLED"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    state = folded(str(tmp_path / "journal.jsonl")).book.state
    assert state.latch.mode == Mode.KILLED

    async def act(node):
        await denial(node, "KILLED")
        await asyncio.sleep(0.5)

    strategy, guard, _ = run(tmp_path, act)
    assert guard.parts.resumed
    assert guard.parts.guard.state.latch.mode == Mode.KILLED
    denied = [event.reason for event in strategy.events if isinstance(event, OrderDenied)]
    assert denied
    assert all(reason.startswith("KILLED") for reason in denied)
    assert replays(tmp_path / "journal.jsonl") > 5
    kinds = [record.kind for record in read(str(tmp_path / "journal.jsonl"))]
    assert "RESUME" in kinds


@pytest.mark.req("DOL-KILL-006")
def test_a_live_run_that_begins_anew_over_a_killed_journal_without_a_latch_file_is_killed(tmp_path):
    live_before(tmp_path, (Kill(5),))

    async def act(node):
        await denial(node, "KILLED")

    strategy, guard, _ = run(tmp_path, act, resume="never")
    assert guard.parts.guard.state.latch.mode == Mode.KILLED
    denied = [event.reason for event in strategy.events if isinstance(event, OrderDenied)]
    assert denied
    assert all(reason.startswith("KILLED") for reason in denied)
    kinds = [record.kind for record in read(str(tmp_path / "journal.jsonl"))]
    assert kinds[:3] == ["HEADER", "NOTE", "FAULT"]
    assert "KILL" in [record.kind for record in read(str(tmp_path / "journal-1.jsonl"))]
    replays(tmp_path / "journal.jsonl")


@pytest.mark.req("DOL-TIME-006")
def test_a_blocked_loop_is_a_heartbeat_loss(tmp_path, monkeypatch):
    """The process's own timer does not fire for 10 s: here the guard's clock jumps instead of waiting."""
    from dolphin.kernel.events import Seen

    async def act(node):
        await asyncio.sleep(0.3)
        guard = guard_of(node).parts.guard
        ahead = time.time_ns() + 12_000_000_000
        guard.emit(Seen(ahead, 0, ahead + 1_000_000_000))
        return guard.state.latch.cause.name

    _, _, cause = run(tmp_path, act, seconds=0.0)
    assert cause == "HEARTBEAT"
