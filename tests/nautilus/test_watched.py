"""What a watchdog needs of the guard: beats that stop with the loop, a file and a signal that kill."""

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dolphin.journal import killfile, read, read_latch
from dolphin.journal.beat import BeatState, Heart, read_beat
from dolphin.journal.files import PORT
from dolphin.journal.folding import folded
from dolphin.kernel.state import Mode
from dolphin.nautilus import commands, parts
from dolphin.nautilus.beating import Beating
from dolphin.nautilus.commands import left
from tests.nautilus.live_node import guard_of
from tests.nautilus.rig import T0, Rig, S, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, X1, limit, market
from tests.nautilus.test_kill import chain, command, make
from tests.nautilus.test_live import run

ROOT = Path(__file__).resolve().parents[2]
INS = audusd()


def put(path, cause):
    return lambda s: killfile.put(str(path / killfile.NAME), cause)


def kills(path):
    return [record.data for record in read(str(path / "journal.jsonl")) if record.kind == "COMMAND"]


# --- the file, in a backtest --------------------------------------------------------------------------------------


@pytest.mark.req("DOL-WATCH-005", "DOL-WATCH-003")
def test_a_file_kills_at_the_next_decision_and_is_answered(tmp_path):
    entry = chain(put(tmp_path, "fills do not match"), market(BUY, X1))
    s = make({2: market(BUY, X1), 3: limit(BUY, 1_000, 64_000), 5: entry, 8: market(BUY, X1)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 12))
    assert rig.guard.failures == []
    statuses = [order.status_string() for order in s.cache.orders() if not order.is_reduce_only]
    assert sorted(statuses) == ["CANCELED", "DENIED", "DENIED", "FILLED"]
    assert s.cache.positions_open() == []
    assert not killfile.lies(str(tmp_path / "KILL"))
    assert json.loads((tmp_path / killfile.ANSWER).read_text())["mode"] == "KILLED"
    (said,) = kills(tmp_path)
    assert (said["verb"], said["cause"]) == ("kill", "fills do not match")
    replays(tmp_path / "journal.jsonl")


@pytest.mark.req("DOL-WATCH-005", "DOL-WATCH-003")
def test_a_file_that_lies_there_at_the_start_kills_before_anything(tmp_path):
    killfile.put(str(tmp_path / "KILL"), "put there while stopped")
    s = make({0: market(BUY, X1)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 4))
    assert [order.status_string() for order in s.cache.orders()] == ["DENIED"]
    assert kills(tmp_path)[0]["cause"] == "put there while stopped"
    assert rig.guard.parts.guard.state.latch.mode == Mode.KILLED


@pytest.mark.req("DOL-WATCH-005")
def test_a_book_stays_killed_while_the_file_cannot_be_moved(tmp_path):
    (tmp_path / killfile.TAKEN).mkdir()  # no file can be renamed onto a directory
    said = []
    acts = {
        2: put(tmp_path, "stuck"),
        3: market(BUY, 1_000),
        4: command("arm", episode=1, observed_flat=1),
        66: lambda s: s.answers.append(s.command("confirm", nonce=s.answers[-1]["nonce"])),
        70: market(BUY, 1_000),
        72: lambda s: (tmp_path / killfile.TAKEN).rmdir(),
        74: market(BUY, 1_000),
    }
    s = make(acts)
    rig = Rig(tmp_path, INS).add(s)
    rig.guard.on_change.append(lambda what, text: said.append(what))
    rig.run(quotes(INS, [65_000] * 80))
    assert rig.guard.failures == []
    assert [order.status_string() for order in s.cache.orders()] == ["DENIED"] * 3
    assert said.count("KILL") == 1
    assert not killfile.lies(str(tmp_path / "KILL"))
    modes = [answer.get("mode") for answer in s.answers]
    assert modes[1] == "RUNNING"  # the confirm was granted, and what lies there killed again at once
    assert [each["verb"] for each in kills(tmp_path)] == ["kill", "arm", "confirm", "kill"]
    replays(tmp_path / "journal.jsonl")


@pytest.mark.req("DOL-WATCH-005")
def test_a_new_file_kills_while_a_re_arm_waits_also_after_one_that_could_not_be_moved(tmp_path):
    (tmp_path / killfile.TAKEN).mkdir()

    def removed(s):
        (tmp_path / "KILL").unlink()
        (tmp_path / killfile.TAKEN).rmdir()

    acts = {
        2: put(tmp_path, "stuck"),
        3: market(BUY, 1_000),
        4: removed,
        5: market(BUY, 1_000),  # somebody looks, and nothing lies there
        6: command("arm", episode=1, observed_flat=1),
        10: put(tmp_path, "another"),
        11: market(BUY, 1_000),
        72: lambda s: s.answers.append(s.command("confirm", nonce=s.answers[0]["nonce"])),
        75: market(BUY, 1_000),
    }
    s = make(acts)
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 80))
    assert rig.guard.failures == []
    assert [each["verb"] for each in kills(tmp_path)] == ["kill", "arm", "kill", "confirm"]
    assert rig.guard.parts.guard.state.latch.mode == Mode.KILLED
    assert [order.status_string() for order in s.cache.orders()] == ["DENIED"] * 4


def refuse_all(rig):
    """A disk that takes nothing any more: neither the journal's line nor the latch file's slot."""

    def act(s):
        guard = rig[0].guard.parts.guard
        guard.journal._write = full
        guard._latch_file._port = PORT._replace(pwrite=full)

    return act


def full(fd, *content):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.req("DOL-WATCH-005", "DOL-WATCH-008")
@pytest.mark.parametrize("lost", [False, True])
def test_a_kill_that_journal_and_latch_file_refuse_leaves_the_file_for_the_next_start(tmp_path, lost):
    box, said = [], []

    def forget(s):
        if lost:  # as after 200,000 records that could not be written
            guard = box[0].guard.parts.guard
            guard._waiting.clear()
            guard.lost = 1

    acts = {
        2: market(BUY, X1),
        4: chain(refuse_all(box), put(tmp_path, "the disk is full")),
        5: market(BUY, 1_000),
        6: forget,
        7: market(BUY, 1_000),
    }
    s = make(acts)
    box.append(Rig(tmp_path, INS).add(s))
    box[0].guard.on_change.append(lambda what, text: said.append(text) if what == "KILL" else None)
    box[0].run(quotes(INS, [65_000] * 12))
    assert s.cache.positions_open() == []
    assert killfile.cause_of(str(tmp_path / "KILL")) == "the disk is full"
    assert folded(str(tmp_path / "journal.jsonl")).book.state.latch.mode == Mode.RUNNING
    assert read_latch(str(tmp_path / "journal.jsonl")).said.killed is False
    assert [text for text in said if "neither journal nor latch file" in text] == said
    assert len(said) == 1
    again = Rig(tmp_path, INS, resume="always").add(make({0: market(BUY, X1)}))
    again.run(quotes(INS, [65_000] * 4, start_ns=T0 + 100 * S))
    assert again.guard.parts.guard.state.latch.mode == Mode.KILLED
    assert [order.status_string() for order in again.engine.cache.orders()] == ["DENIED"]
    assert not killfile.lies(str(tmp_path / "KILL"))


@pytest.mark.req("DOL-WATCH-005", "DOL-WATCH-008")
@pytest.mark.parametrize("mended", ["journal", "latch file"])
def test_it_is_moved_away_as_soon_as_one_of_them_has_the_kill(tmp_path, mended):
    box = []

    def mend(s):
        guard = box[0].guard.parts.guard
        if mended == "journal":
            guard.journal._write = os.write
        else:
            guard._latch_file._port = PORT
            guard.settle(s.clock.timestamp_ns())  # live the timer does, every 10 ms
        assert killfile.lies(str(tmp_path / "KILL"))

    acts = {
        4: chain(refuse_all(box), put(tmp_path, "full for a while")),
        5: market(BUY, 1_000),
        7: mend,
        8: market(BUY, 1_000),
        9: market(BUY, 1_000),
    }
    s = make(acts)
    box.append(Rig(tmp_path, INS).add(s))
    box[0].run(quotes(INS, [65_000] * 12))
    assert [order.status_string() for order in s.cache.orders()] == ["DENIED"] * 3
    assert not killfile.lies(str(tmp_path / "KILL"))
    answer = json.loads((tmp_path / killfile.ANSWER).read_text())
    assert (answer["verb"], answer["mode"]) == ("kill", "KILLED")


@pytest.mark.req("DOL-WATCH-005")
def test_a_quiet_backtest_sees_it_too(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "WATCH_S", 0.01)

    def wait(s):
        put(tmp_path, "nobody trades")(s)
        until_s = time.monotonic() + 10
        while not rig.guard.parts.letter_flag:
            assert time.monotonic() < until_s
            time.sleep(0.001)

    s = make({3: wait})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 6))
    assert kills(tmp_path)[0]["cause"] == "nobody trades"


# --- live ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-WATCH-005", "DOL-WATCH-001")
@pytest.mark.parametrize("how", ["file", "signal"])
def test_a_live_book_is_killed_from_outside_and_beats_until_it_ends(tmp_path, how):
    async def act(node):
        await asyncio.sleep(0.3)
        before = read_beat(str(tmp_path / "heartbeat"))
        if how == "file":
            (tmp_path / "KILL").touch()
        else:
            os.kill(os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(60):
            while not (after := read_beat(str(tmp_path / "heartbeat"))).killed:
                await asyncio.sleep(0.02)
        return before, after

    _, guard, (before, after) = run(tmp_path, act)
    assert (before.state, before.killed, after.killed) == (BeatState.BEATS, False, True)
    assert after.seq > before.seq
    assert before.who.pid == os.getpid()
    assert before.instance == guard.parts.guard.journal.instance
    cause = {"file": killfile.NO_CAUSE, "signal": "signal SIGUSR1"}[how]
    assert [(each["verb"], each["cause"]) for each in kills(tmp_path)] == [("kill", cause)]
    assert read_beat(str(tmp_path / "heartbeat")).state == BeatState.ENDED
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    replays(tmp_path / "journal.jsonl")


@pytest.mark.req("DOL-WATCH-001")
def test_a_blocked_loop_does_not_beat_and_one_that_ends_says_so(tmp_path):
    heartbeat = str(tmp_path / "heartbeat")

    async def act(node):
        await asyncio.sleep(0.2)
        beats = []
        stop = threading.Event()

        def look():
            while not stop.wait(0.01):
                beats.append(read_beat(heartbeat).seq)

        time.sleep(0.05)
        thread = threading.Thread(target=look)
        thread.start()
        time.sleep(0.5)  # the loop is blocked
        stop.set()
        thread.join()
        return beats

    _, _, beats = run(tmp_path, act, kill_signal="")
    assert len(set(beats)) == 1
    assert read_beat(heartbeat).state == BeatState.ENDED


@pytest.mark.req("DOL-WATCH-003")
def test_a_process_that_was_stopped_and_wakes_is_killed_before_it_enters(tmp_path):
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.nautilus.live_node", str(tmp_path), "2"],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout.readline().strip() == "running"
        time.sleep(0.3)
        child.send_signal(signal.SIGSTOP)
        killfile.put(str(tmp_path / "KILL"), "no beat")
        time.sleep(0.2)
        stopped_ns = time.time_ns()
        child.send_signal(signal.SIGCONT)
        child.wait(30)
    finally:
        child.kill()
        child.wait()
    records = list(read(str(tmp_path / "journal.jsonl")))
    after = [record for record in records if record.ts_ns >= stopped_ns]
    assert next(record.kind for record in after if record.kind in ("KILL", "ORDER")) == "KILL"
    replays(tmp_path / "journal.jsonl")


STOPPING = """
import asyncio, os, signal, sys
from tests.nautilus.live_node import Trader, lived, node_with

def hear(when):
    os.kill(os.getpid(), signal.SIGUSR1)
    print(when, flush=True)

class Last(Trader):
    def on_stop(self):
        hear("stopping")

async def go():
    node = node_with(sys.argv[1], Last())
    async def act(node):
        await asyncio.sleep(0.1)
    await lived(node, act, 0.1)
    hear("stopped")
    await asyncio.sleep(0.1)
    return node

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(go()).dispose()
print("disposed", signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL, flush=True)
"""


@pytest.mark.req("DOL-WATCH-005")
def test_a_signal_while_it_stops_and_after_ends_no_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", STOPPING, str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
        timeout=120, env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}, check=False,
    )  # fmt: skip
    assert done.stdout.split("\n")[:3] == ["stopping", "stopped", "disposed True"], (done.returncode, done.stderr)
    assert done.returncode == 0
    assert [record.kind for record in read(str(tmp_path / "journal.jsonl"))][-1] == "CLOSE"
    assert killfile.cause_of(str(tmp_path / "KILL")) == "signal SIGUSR1 after the run had ended"  # kills the next start
    replays(tmp_path / "journal.jsonl")


@pytest.mark.req("DOL-WATCH-005")
def test_a_signal_that_cannot_be_left_for_the_next_start_is_said(tmp_path):
    said = []
    left(str(tmp_path / "gone"), "SIGUSR1", lambda what, text: said.append(text))
    assert len(said) == 1
    assert "cannot be left for the next start" in said[0]
    left(str(tmp_path), "SIGUSR1", lambda what, text: said.append(text))
    assert said[1].endswith("KILL kills the next start [DOL-WATCH-005]")


# --- what cannot be had -------------------------------------------------------------------------------------------


def test_a_beat_that_cannot_be_written_is_said_once_and_tried_again(tmp_path, monkeypatch):
    said = []
    beating = Beating(str(tmp_path / "gone"), "i", lambda what, text: said.append((what, text)))
    beating.end(False)
    for _ in range(3):
        beating._due_ns = 0
        beating.tick(False)
    assert [what for what, _ in said] == ["HEARTBEAT"]
    assert "DOL-WATCH-001" in said[0][1]
    (tmp_path / "gone").mkdir()
    beating._due_ns = 0
    beating.tick(True)
    beating.tick(False)  # not due
    assert beating.failed == ""
    assert read_beat(str(tmp_path / "gone" / "heartbeat")).killed

    def full(fd, content, where):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Heart, "beat", lambda self, killed, state: self._port.pwrite(0, b"", 0))
    beating._heart._port = PORT._replace(pwrite=full)
    beating.end(False)
    assert len(said) == 2


@pytest.mark.req("DOL-WATCH-010")
def test_what_a_live_book_waits_for_at_its_disk_is_announced(tmp_path, monkeypatch):
    over = Heart.waited
    seen = []

    def waited(heart):
        during = read_beat(heart.path)
        over(heart)
        after = read_beat(heart.path)
        seen.append((during.state, after.state, after.monotonic_ns == during.monotonic_ns))

    monkeypatch.setattr(Heart, "waited", waited)

    async def act(node):
        guard = guard_of(node).parts.guard
        while guard.journal.port is PORT:
            await asyncio.sleep(0.01)
        guard._segment_bytes = guard.keeper.due = 0
        while guard.keeper.due == 0:
            await asyncio.sleep(0.01)

    _, guard, _ = run(tmp_path, act)
    assert len(seen) >= 5  # journal.next removed, both files synced, the old one linked, the new one renamed
    assert set(seen) == {(BeatState.WAITS, BeatState.BEATS, True)}
    assert (tmp_path / "journal.0001.jsonl").exists()
    assert guard.parts.guard._latch_file.port.fdatasync is not PORT.fdatasync
    replays(tmp_path / "journal.jsonl")


@pytest.mark.req("DOL-WATCH-002", "DOL-WATCH-001")
def test_a_heartbeat_that_somebody_removed_is_made_again_with_its_directory_too(tmp_path):
    said = []
    where = tmp_path / "book"
    where.mkdir()
    heartbeat = where / "heartbeat"
    beating = Beating(str(where), "i", lambda what, text: said.append(what))

    def beats():
        beating._due_ns = 0
        beating.tick(False)
        return read_beat(str(heartbeat))

    assert beats().seq == 1 + 1
    heartbeat.unlink()
    assert beats().seq == 1 + 1
    where.rename(tmp_path / "away")
    assert beats() is None
    assert beats() is None
    assert said == ["HEARTBEAT"]
    (tmp_path / "away").rename(where)
    assert beats().seq == 1 + 1
    assert beats().seq == 1 + 2
    heartbeat.unlink()
    other = Heart.create(str(heartbeat), "other")
    assert beats() == other.last  # which may be of a process that lives
    assert said == ["HEARTBEAT"] * 2
    heartbeat.unlink()
    assert beats().instance == "i"
    assert beating.failed == ""
    beating.end(False)
    other.let_go()


@pytest.mark.req("DOL-WATCH-010")
@pytest.mark.parametrize("when", ["before it", "after it"])
def test_a_wait_that_cannot_be_announced_is_waited_for_all_the_same(tmp_path, when):
    said, asked = [], []

    class Disk:
        port = PORT._replace(fdatasync=asked.append)

    disk = Disk()
    beating = Beating(str(tmp_path), "i", lambda what, text: said.append(what), disk)
    disk.port.fdatasync(1)
    beating.tick(False)
    heart = beating._heart

    def failing(*given):
        raise OSError(5, "Input/output error")

    if when == "before it":
        heart._port = PORT._replace(pwrite=failing)
        disk.port.fdatasync(2)
    else:
        broken = PORT._replace(pwrite=failing)
        disk.port = disk.port._replace(link=beating._said(lambda: setattr(heart, "_port", broken)))
        disk.port.link()
        disk.port.fdatasync(2)
    assert asked == [1, 2]
    assert said == ["HEARTBEAT"]
    heart._port = PORT
    beating.ending(False)
    before = read_beat(str(tmp_path / "heartbeat"))
    disk.port.fdatasync(3)  # one that ends may be silent for longer anyway
    assert read_beat(str(tmp_path / "heartbeat")) == before
    beating.end(False)
    disk.port.fdatasync(4)
    assert asked == [1, 2, 3, 4]


def test_a_signal_that_the_host_listens_to_is_left_to_it():
    loop = asyncio.new_event_loop()
    kept = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        assert "already" in commands.listen(loop, "SIGUSR2", lambda: None)
    finally:
        signal.signal(signal.SIGUSR2, kept)
        loop.close()


def test_a_loop_that_is_not_the_main_threads_hears_no_signal():
    said = []

    def elsewhere():
        loop = asyncio.new_event_loop()
        said.append(commands.listen(loop, "SIGUSR2", lambda: None))
        loop.close()
        commands.deaf(loop, "SIGUSR2")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in said[0]


def test_where_no_signal_can_be_had_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(commands.signal, "getsignal", lambda number: print)
    told = []

    async def act(node):
        from tests.nautilus.live_node import guard_of

        guard = guard_of(node)
        guard.on_change.append(lambda what, text: told.append(what))
        guard._listen()
        await asyncio.sleep(0.1)

    run(tmp_path, act)
    assert told.count("SIGNAL") == 1
