"""A kill survives a restart whatever the disk took of it: the latch file, through the real order path."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import pytest

from dolphin.app.cli import main as dolphin
from dolphin.app.state_dir import checked
from dolphin.app.status import of
from dolphin.audit import pipeline
from dolphin.journal import Journal, JournalWriteError, codec, latch_path, read_latch
from dolphin.journal.codec import policy_hash, state_hash
from dolphin.journal.folding import folded
from dolphin.journal.latchfile import SLOT_BYTES, LatchFile
from dolphin.kernel.events import KIND, Arm, Confirm, Equity, Fault, Kill
from dolphin.kernel.machine import step
from dolphin.kernel.policy import INTRADAY
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Latch, Mode
from dolphin.nautilus.opening import header_of, opened
from tests.nautilus.latch_child import STEPS
from tests.nautilus.rig import T0, Rig, S, audusd, quotes
from tests.nautilus.test_gates import BUY, SELL, X1, denials, limit, market, net
from tests.nautilus.test_kill import command, make

ROOT = Path(__file__).resolve().parents[2]
INS = audusd()


def full(fd, content):
    raise OSError(errno.ENOSPC, "No space left on device")


def break_disk(rig):
    def act(s):
        rig[0].guard.parts.guard.journal._write = full

    return act


def killed_on_a_full_disk(path):
    """A book that was killed when its journal took nothing any more, and whose process then ended."""
    box = []

    def kill(s):
        """At once: a command's first sample would find the disk full before the kill does."""
        break_disk(box)(s)
        box[0].guard.parts.guard.emit(Kill(s.clock.timestamp_ns()))

    s = make({3: market(BUY, X1), 6: kill, 9: market(BUY, 1000)})
    box.append(Rig(path, INS))
    box[0].add(s).run(quotes(INS, [65_000] * 20))
    assert box[0].guard.failures == [] or "No space" in box[0].guard.failures[0]
    assert net(box[0]) == 0
    return box[0]


def again(path, script=None, count=20, start=100, **settings):
    """Start the book again; its strategy buys at once unless the script says otherwise."""
    s = make(script if script is not None else {3: market(BUY, X1)})
    heard = []
    rig = Rig(path, INS, resume="always", **settings)
    rig.guard.on_change.append(lambda what, text: heard.append((what, text)))
    rig.add(s).run(quotes(INS, [65_000] * count, start_ns=T0 + start * S))
    return rig, s, heard


def latch_of(rig):
    return rig.guard.parts.guard.state.latch


def conforms(path):
    report = pipeline.audit(str(path / "journal.jsonl"))
    assert report.findings == (), [finding.lines() for finding in report.findings]
    return report


# --- the disk is full ------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-KILL-006")
def test_a_kill_on_a_full_disk_survives_the_restart(tmp_path, capsys):
    rig = killed_on_a_full_disk(tmp_path)
    assert latch_of(rig).cause == Cause.OPERATOR
    state = folded(str(rig.journal)).book.state
    assert state.latch.mode == Mode.RUNNING  # the journal knows nothing of it
    assert of(checked(tmp_path), None)["mode"] == "KILLED"
    assert dolphin(["status", "--state", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "latch        KILLED, episode 1, cause OPERATOR" in out
    assert "not in the journal" in out
    assert "posture      HIBERNATE, confidence 0.00%" in out
    rig, s, heard = again(tmp_path)
    assert denials(s)[0].startswith("KILLED")
    assert latch_of(rig) == Latch(Mode.KILLED, 1, Cause.OPERATOR, T0 + 100 * S)
    assert "the journal could not record it" in dict(heard)["LATCH"]
    assert "DOL-KILL-006" in dict(heard)["LATCH"]
    kinds = [record.kind for record in rig.records()]
    at = kinds.index("RESUME")
    assert kinds[at : at + 3] == ["RESUME", "NOTE", "FAULT"]
    note = rig.records()[at + 1].data
    assert (note["what"], note["cause"]) == ("latch", "OPERATOR")
    conforms(tmp_path)
    assert of(checked(tmp_path), None)["mode"] == "KILLED"


@pytest.mark.req("DOL-KILL-006")
def test_restarted_twice_it_is_one_fault_and_one_episode(tmp_path):
    killed_on_a_full_disk(tmp_path)
    again(tmp_path)
    rig, s, heard = again(tmp_path, start=200)
    assert latch_of(rig).episode == 1
    assert len(rig.records("FAULT")) == 1
    assert "LATCH" not in dict(heard)
    assert denials(s)[0].startswith("KILLED")
    conforms(tmp_path)


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.req("DOL-REARM-003")
def test_it_is_left_by_arm_and_confirm_and_then_stays_left(tmp_path):
    killed_on_a_full_disk(tmp_path)
    said = {}

    def arm(s):
        said.update(s.command("arm", episode=1, observed_flat=1))

    def confirm(s):
        said["confirmed"] = s.command("confirm", nonce=said["nonce"])

    rig, _, _ = again(tmp_path, {5: arm, 70: confirm}, count=80)
    assert said["confirmed"]["reason"] == "CONFIRMED"
    found = read_latch(str(rig.journal))
    assert not found.said.killed
    assert found.said.seq >= next(record.seq for record in rig.records("CONFIRM"))
    rig, _, heard = again(tmp_path, start=300)
    assert latch_of(rig).mode == Mode.RUNNING
    assert "KILLED" not in dict(heard)
    conforms(tmp_path)


@pytest.mark.req("DOL-KILL-006")
def test_the_confirm_clears_it_only_once_it_is_in_the_journal(tmp_path):
    """The disk fills between arm and confirm: the book runs, and a restart does not know why it may."""
    said = {}
    box = []

    def arm(s):
        said.update(s.command("arm", episode=1, observed_flat=1))

    def confirm(s):
        said["confirmed"] = s.command("confirm", nonce=said["nonce"])
        said["file"] = read_latch(str(tmp_path / "journal.jsonl")).said

    s = make({3: command("kill"), 5: arm, 68: break_disk(box), 70: confirm})
    box.append(Rig(tmp_path, INS).add(s))
    box[0].run(quotes(INS, [65_000] * 75))
    assert said["confirmed"]["reason"] == "CONFIRMED"
    assert said["file"].killed
    rig, s, _ = again(tmp_path)
    assert latch_of(rig).mode != Mode.RUNNING
    assert denials(s)[0].startswith("KILLED")
    conforms(tmp_path)


@pytest.mark.req("DOL-KILL-004")
def test_the_log_says_what_the_system_said(tmp_path):
    box, heard = [], []
    s = make({3: market(BUY, X1), 5: break_disk(box), 6: market(BUY, 1000)})
    box.append(Rig(tmp_path, INS))
    box[0].guard.on_change.append(lambda what, text: heard.append((what, text)))
    box[0].add(s).run(quotes(INS, [65_000] * 12))
    kill = dict(heard)["KILLED"]
    assert "cause=JOURNAL_WRITE" in kill
    assert "ENOSPC (No space left on device)" in kill
    assert "not closed" in dict(heard)["JOURNAL"]
    assert "ENOSPC" in dict(heard)["JOURNAL"]
    rig, s, heard = again(tmp_path)
    assert latch_of(rig).cause == Cause.JOURNAL_WRITE
    conforms(tmp_path)


@pytest.mark.req("DOL-STATE-005")
@pytest.mark.req("DOL-KILL-006")
def test_a_real_full_disk_a_real_restart(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:

        def fill(s):
            with open(disk / "ballast", "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                deque((file.write(b"x" * 4_096) for _ in range(1_000)), maxlen=0)

        orders = {step: limit(BUY, 1000, 64_000) for step in range(6, 60)}  # what is left of the last page
        s = make({3: market(BUY, X1), 5: fill, **orders, 61: market(BUY, 1000)})
        rig = Rig(disk, INS).add(s)
        rig.run(quotes(INS, [65_000] * 70))
        assert latch_of(rig).cause == Cause.JOURNAL_WRITE
        status = disk / "status.json"  # it could not be written at first: it is away, or new
        assert not status.exists() or json.loads(status.read_text())["mode"] == "KILLED"
        assert any(text.startswith("status: ") for text in rig.guard.failures)
        assert net(rig) == 0
        assert of(checked(disk), None)["mode"] == "KILLED"
        (disk / "ballast").unlink()
        rig, s, _ = again(disk)
        assert denials(s)[0].startswith("KILLED")
        assert latch_of(rig).cause == Cause.JOURNAL_WRITE
        conforms(disk)
    finally:
        subprocess.run(["umount", disk], check=True)


# --- the process dies ------------------------------------------------------------------------------------------------

FORGOTTEN = ("trip", "acted")
"""Nothing was written yet: cancels and exits come first (DESIGN.md 2.6), and nobody was told that it is done."""


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("disk", ["works", "full"])
@pytest.mark.parametrize("step", STEPS)
def test_sigkill_at_each_step_of_a_kill(tmp_path, step, disk):
    if step == "appended" and disk == "full":
        step = "synced"
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.nautilus.latch_child", str(tmp_path), step, disk],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert child.returncode == -9, child.stdout + child.stderr
    status = of(checked(tmp_path), None)
    rig, s, _ = again(tmp_path)
    if step in FORGOTTEN:
        assert status["mode"] == "RUNNING"
        assert latch_of(rig).mode == Mode.RUNNING
    else:
        assert status["mode"] == "KILLED"
        assert latch_of(rig).mode == Mode.KILLED
        assert latch_of(rig).cause == (Cause.JOURNAL_CHAIN if step == "torn" else Cause.OPERATOR)
        assert denials(s)[0].startswith("KILLED")
        assert status["cause"] == latch_of(rig).cause.name
    conforms(tmp_path)
    state = folded(str(rig.journal)).book.state
    assert state.latch == latch_of(rig)


# --- the file is not what it should be -----------------------------------------------------------------------------


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("what", ["both", "one", "missing", "cut"])
def test_a_damaged_or_missing_latch_file_comes_up_killed(tmp_path, what):
    Rig(tmp_path, INS).add(make({})).run(quotes(INS, [65_000] * 5))
    path = Path(latch_path(str(tmp_path / "journal.jsonl")))
    raw = bytearray(path.read_bytes())
    if what == "missing":
        path.unlink()
    elif what == "cut":
        os.truncate(path, 10)
    else:
        raw[40] ^= 1
        if what == "both":
            raw[SLOT_BYTES + 40] ^= 1
        path.write_bytes(raw)
    assert of(checked(tmp_path), None)["mode"] == "KILLED"
    rig, s, heard = again(tmp_path)
    assert latch_of(rig).cause == Cause.JOURNAL_CHAIN
    assert denials(s)[0].startswith("KILLED")
    assert "`dolphin arm` and `dolphin confirm`" in dict(heard)["LATCH"]
    found = read_latch(str(rig.journal))
    assert (found.damaged, found.said.killed) == (0, True)
    conforms(tmp_path)


def test_a_journal_of_before_is_taken_up_and_gets_one(tmp_path):
    """A journal whose header does not promise a latch file."""
    begun = header_of(INTRADAY, 1, 0, 0, (), {"host": "live"})
    path = tmp_path / "journal.jsonl"
    Journal.create(str(path), begun, policy_hash=policy_hash(INTRADAY), ts_ns=1).close(2)
    found = opened(tmp_path, INTRADAY, begun, 3, "write", True)
    assert found.resumed
    assert found.held is None
    assert not read_latch(str(path)).said.killed
    found.latch_file.release()
    found.journal.close(4)


@pytest.mark.req("DOL-KILL-006")
def test_a_live_book_that_begins_anew_keeps_its_kill_and_a_backtest_does_not(tmp_path):
    live = header_of(INTRADAY, 1, 0, 0, (), {"host": "live"})
    first = opened(tmp_path, INTRADAY, live, 1, "write", True)
    first.latch_file.say(Latch(Mode.KILLED, 1, Cause.LEDGER_DESYNC, 1), 0)
    first.latch_file.release()
    first.journal.close(2)
    (tmp_path / "journal.jsonl").rename(tmp_path / "moved.jsonl")  # as the refusal of other feeds tells one to do
    second = opened(tmp_path, INTRADAY, live, 3, "write", True)
    assert second.held.cause == Cause.LEDGER_DESYNC
    assert not second.resumed
    second.latch_file.release()
    second.journal.close(4)
    third = opened(tmp_path, INTRADAY, live, 5, "write", False)
    assert third.held.cause == Cause.LEDGER_DESYNC
    third.latch_file.release()
    third.journal.close(6)
    (tmp_path / "journal.jsonl").unlink()
    back = opened(tmp_path, INTRADAY, {**live, "host": "backtest"}, 7, "write", False)
    assert back.held is None
    back.latch_file.release()
    back.journal.close(8)
    again = opened(tmp_path, INTRADAY, {**live, "host": "backtest"}, 9, "write", False)
    again.latch_file.release()
    again.journal.close(10)
    assert (tmp_path / "journal-2.jsonl.latch").exists()


def live_before(path, events=(), **header):
    """The journal of a live host, with what happened in it; no latch file beside it."""
    begun = header_of(INTRADAY, 1, 0, 0, (), {"host": "live", **header})
    journal = Journal.create(str(path / "journal.jsonl"), begun, policy_hash=policy_hash(INTRADAY), ts_ns=1)
    state = codec.begin(begun).state
    for event in events:
        state, effects = step(INTRADAY, state, event)
        journal.append(event.ts_ns, KIND[type(event)], codec.encode(event, effects, state))
    journal.close(9)
    return begun, journal.instance, state


def anew(path, begun):
    """A live start with `resume="never"`; what it holds, after a restart that follows a crash before its FAULT too."""
    first = opened(path, INTRADAY, begun, 10, "write", False)
    first.latch_file.release()
    first.journal.release()
    second = opened(path, INTRADAY, begun, 11, "write", True)
    second.latch_file.release()
    second.journal.release()
    assert first.held == second.held or (second.held.cause == first.held.cause)
    assert not first.resumed
    return first.held


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("events", [(Kill(5),), (Fault(5, Cause.LEDGER_DESYNC),)])
@pytest.mark.parametrize("pending", [False, True])
def test_a_live_book_that_begins_anew_over_a_journal_of_before_keeps_its_kill(tmp_path, events, pending):
    """No latch file was there when it was written: only the journal that is set aside knows."""
    if pending:
        events = (Equity(2, 1_000_000, flat=1), *events, Arm(6, 1, 7, 1, 1, 0))
    begun, _, state = live_before(tmp_path, events)
    assert state.latch.mode == (Mode.ARM_PENDING if pending else Mode.KILLED)
    held = anew(tmp_path, begun)
    assert held.cause == state.latch.cause
    assert "for an earlier journal of this book" in held.why


@pytest.mark.req("DOL-KILL-006")
def test_a_live_book_that_begins_anew_over_a_journal_that_runs_begins_running(tmp_path):
    begun, _, _ = live_before(tmp_path)
    assert anew(tmp_path, begun) is None


@pytest.mark.req("DOL-KILL-006")
def test_a_live_book_that_begins_anew_takes_the_journals_word_over_the_file(tmp_path):
    """The latch file refused the kill, which the journal has."""
    begun, instance, _ = live_before(tmp_path, (Kill(5),), latch=1)
    LatchFile.create(str(tmp_path / "journal.jsonl"), instance, Latch(), 0).release()
    assert anew(tmp_path, begun).cause == Cause.OPERATOR


@pytest.mark.req("DOL-KILL-006")
def test_a_live_book_that_begins_anew_knows_of_a_confirm_that_the_file_was_not_told(tmp_path):
    confirmed = (Equity(2, 1_000_000, flat=1), Kill(5), Arm(6, 1, 7, 1, 1, 0), Confirm(60 * S + 6, 7, 0))
    begun, instance, state = live_before(tmp_path, confirmed, latch=1)
    assert state.latch.mode == Mode.RUNNING
    said = Latch(Mode.KILLED, 1, Cause.OPERATOR, 5)
    LatchFile.create(str(tmp_path / "journal.jsonl"), instance, said, 2).release()
    assert anew(tmp_path, begun) is None


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("file", [False, True])
@pytest.mark.parametrize("what", ["foreign", "empty", "broken", "killed and broken", "promised"])
def test_a_live_book_that_begins_anew_over_what_cannot_be_folded(tmp_path, what, file):
    """A latch file that is there and right decides; else nobody knows that no kill stood."""
    path = tmp_path / "journal.jsonl"
    events = {"killed and broken": (Kill(5),)}.get(what, ())
    begun, instance, _ = live_before(tmp_path, events, **({"latch": 1} if what == "promised" else {}))
    if what == "foreign":
        path.write_text("hello\n")
    elif what == "empty":
        path.write_text("")
    elif what != "promised":
        with open(path, "ab") as rest:
            rest.write(b"{}\n")
    if file:
        LatchFile.create(str(path), instance, Latch(), 0).release()
    held = anew(tmp_path, begun)
    if what == "killed and broken":
        assert held.cause == Cause.OPERATOR
    elif file:
        assert held is None
    else:
        assert held.cause == Cause.JOURNAL_CHAIN


@pytest.mark.req("DOL-KILL-006")
def test_a_live_book_does_not_begin_anew_where_the_file_cannot_be_told(tmp_path, monkeypatch):
    """The journal stays where it is, so that the next start finds what this one found."""
    begun, _, _ = live_before(tmp_path, (Kill(5),))

    def refused(*args, **kwargs):
        raise JournalWriteError(str(tmp_path), "ENOSPC", 0, "free space")

    with monkeypatch.context() as patched:
        patched.setattr(LatchFile, "create", refused)
        with pytest.raises(JournalWriteError):
            opened(tmp_path, INTRADAY, begun, 10, "write", False)
    assert (tmp_path / "journal.jsonl").exists()
    assert not (tmp_path / "journal-1.jsonl").exists()
    assert anew(tmp_path, begun).cause == Cause.OPERATOR


@pytest.mark.req("DOL-STATE-004")
def test_a_run_without_a_latch_file_does_not_begin(tmp_path, monkeypatch):
    def refused(*args, **kwargs):
        raise JournalWriteError(str(tmp_path), "ENOSPC", 0, "free space")

    with monkeypatch.context() as patched:
        patched.setattr(LatchFile, "create", refused)
        s = make({3: market(BUY, X1)})
        rig = Rig(tmp_path, INS).add(s)
        rig.run(quotes(INS, [65_000] * 6))
        assert "ENOSPC" in rig.guard.failures[0]
        assert denials(s)[0].startswith("INTERNAL")
        assert not (tmp_path / "journal.jsonl").exists()
    Rig(tmp_path, INS).add(make({})).run(quotes(INS, [65_000] * 5))
    with monkeypatch.context() as patched:
        patched.setattr(LatchFile, "resume", refused)
        rig, s, _ = again(tmp_path)
        assert "ENOSPC" in rig.guard.failures[0]
        assert denials(s)[0].startswith("INTERNAL")
    again(tmp_path)


@pytest.mark.req("DOL-KILL-006")
def test_a_latch_file_that_refuses_is_said_and_asked_again(tmp_path):
    heard, box = [], []

    def break_file(s):
        file = rig.guard.parts.guard._latch_file
        box.append(file._port)
        file._port = file._port._replace(pwrite=lambda fd, content, at: full(fd, content))

    def look(s):
        guard = rig.guard.parts.guard
        box.append((guard.latch_refusal, json.loads((tmp_path / "status.json").read_text())["journal"]["latch_error"]))
        guard._latch_file._port = box[0]
        guard.settle(s.clock.timestamp_ns())
        box.append((guard.latch_refusal, read_latch(str(rig.journal)).said.killed))

    s = make({3: break_file, 4: command("kill"), 6: look, 8: command("arm", episode=0)})
    rig = Rig(tmp_path, INS)
    rig.guard.on_change.append(lambda what, text: heard.append((what, text)))
    rig.add(s).run(quotes(INS, [65_000] * 10))
    assert "ENOSPC (No space left on device)" in dict(heard)["LATCH"]
    assert "ENOSPC" in box[1][0]
    assert box[1][0] == box[1][1]
    assert box[2] == ("", True)
    killed, armed = s.answers
    assert (killed["ok"], killed["unlatched"]) == (True, box[1][0])
    assert "unlatched" not in armed
    assert rig.guard.failures == []
    conforms(tmp_path)


# --- the journal's end ---------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-JOURNAL-008")
@pytest.mark.parametrize("script", [{}, {3: market(BUY, X1)}, {3: market(BUY, X1), 5: command("kill")}])
def test_close_names_the_state_that_the_fold_gives(tmp_path, script):
    rig = Rig(tmp_path, INS).add(make(script))
    rig.run(quotes(INS, [65_000] * 10))
    (close,) = rig.records("CLOSE")
    state = folded(str(rig.journal)).book.state
    assert close.data["state"] == state_hash(state) == state_hash(rig.guard.parts.guard.state)
    assert conforms(tmp_path).verdict == "conforms"


@pytest.mark.req("DOL-JOURNAL-008")
@pytest.mark.parametrize("count", [40, 61, 65])
def test_time_that_passed_and_brought_nothing_is_in_the_fold_before_close_names_the_state(tmp_path, count):
    """An envelope's age is looked at with every policy second, which has no record of its own."""
    rig = Rig(tmp_path, INS, envelope=True).add(make({3: market(BUY, X1)}))
    rig.run(quotes(INS, [65_000] * count))
    (close,) = rig.records("CLOSE")
    state = folded(str(rig.journal)).book.state
    assert close.data["state"] == state_hash(state) == state_hash(rig.guard.parts.guard.state)
    assert conforms(tmp_path).verdict == "conforms"


@pytest.mark.req("DOL-JOURNAL-008")
def test_a_stopped_books_command_closes_with_the_state_too(tmp_path):
    Rig(tmp_path, INS).add(make({})).run(quotes(INS, [65_000] * 5))
    assert dolphin(["kill", "--state", str(tmp_path), "--cause", "drill"]) == 0
    rig = Rig(tmp_path / "x", INS)
    rig.path = tmp_path
    state = folded(str(rig.journal)).book.state
    assert rig.records("CLOSE")[-1].data["state"] == state_hash(state)
    assert state.latch.mode == Mode.KILLED
    conforms(tmp_path)


# --- power --------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-JOURNAL-004")
@pytest.mark.req("DOL-JOURNAL-010")
def test_in_mode_power_an_entry_waits_for_the_disk(tmp_path):
    """What reaches the venue is on the disk; nobody waits for an exit's record."""
    left = []

    def seen(s, event):
        if type(event).__name__ == "OrderSubmitted":
            journal = rig.guard.parts.guard.journal
            orders = [record.seq for record in rig.records("ORDER")]
            left.append((journal._synced >= orders[-1], event.client_order_id.value))

    s = make({3: market(BUY, X1), 5: limit(BUY, 1000, 64_000), 7: market(SELL, 1000)})
    s.react = seen
    rig = Rig(tmp_path, INS, durability="power").add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert rig.guard.failures == []
    assert [ok for ok, _ in left][:2] == [True, True]
    assert len(left) == 3


@pytest.mark.req("DOL-JOURNAL-004")
@pytest.mark.req("DOL-JOURNAL-010")
@pytest.mark.parametrize("group_ns", [5_000_000, 0])
def test_in_mode_power_a_disk_that_does_not_sync_denies_entries_and_lets_exits_pass(tmp_path, monkeypatch, group_ns):
    """With a group of 0 the append itself is what fails: its record is in the file, and must not be written twice."""
    monkeypatch.setattr("dolphin.journal.tape.GROUP_NS", group_ns)

    def no_sync(s):
        def refuse(fd):
            raise OSError(errno.EIO, "Input/output error")

        journal = rig.guard.parts.guard.journal
        journal._port = journal._port._replace(fdatasync=refuse)

    heard = []
    s = make({3: market(BUY, X1), 5: no_sync, 6: limit(BUY, 1000, 64_000), 8: lambda s: s.close_all_positions(INS.id)})
    rig = Rig(tmp_path, INS, durability="power")
    rig.guard.on_change.append(lambda what, text: heard.append((what, text)))
    rig.add(s).run(quotes(INS, [65_000] * 12))
    assert net(rig) == 0
    assert denials(s)
    assert denials(s)[0].split()[0] in ("JOURNAL", "KILLED")
    assert latch_of(rig).cause == Cause.JOURNAL_WRITE
    assert "EIO (Input/output error)" in dict(heard)["KILLED"]
    report = pipeline.audit(str(rig.journal))
    assert report.findings == (), [finding.lines() for finding in report.findings]


@pytest.mark.req("DOL-JOURNAL-018")
@pytest.mark.parametrize("group_ns", [5_000_000_000, 0])
def test_in_mode_power_an_entry_that_waited_too_long_for_the_disk_does_not_leave(tmp_path, monkeypatch, group_ns):
    """What it was judged on is old by then. The next one, on a quick disk, is judged anew and leaves; exits always do.

    With a group of 0 it is the append that waits, and not the sync that is asked for after it.
    """
    monkeypatch.setattr("dolphin.journal.tape.GROUP_NS", group_ns)

    def slow(s):
        guard = rig.guard.parts.guard
        guard._late_ns = 20_000_000
        port = guard.journal._port

        def sync(fd):
            time.sleep(0.05)
            port.fdatasync(fd)

        guard.journal._port = port._replace(fdatasync=sync)

    def quick(s):
        guard = rig.guard.parts.guard
        guard._late_ns = 60_000_000_000

    s = make({3: slow, 4: market(BUY, X1), 6: quick, 7: market(BUY, 1000), 9: lambda s: s.close_all_positions(INS.id)})
    rig = Rig(tmp_path, INS, durability="power").add(s)
    rig.run(quotes(INS, [65_000] * 12))
    assert rig.guard.failures == []
    assert [text.split()[0] for text in denials(s)] == ["JOURNAL"]
    assert sum(type(event).__name__ == "OrderFilled" for event in s.events) == 2  # the second entry, and its exit
    assert net(rig) == 0
    assert latch_of(rig).mode == Mode.RUNNING
    report = pipeline.audit(str(rig.journal))
    assert report.findings == (), [finding.lines() for finding in report.findings]


def test_report_mode_waits_for_nothing(tmp_path):
    synced = []

    def count(s):
        journal = rig.guard.parts.guard.journal
        journal._port = journal._port._replace(fdatasync=synced.append)
        journal._since_ns = 1 << 62

    s = make({4: count, 5: market(BUY, X1), 7: lambda s: synced.append("end")})
    rig = Rig(tmp_path, INS, durability="power", mode="report").add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert synced[0] == "end"


@pytest.mark.req("DOL-JOURNAL-010")
def test_the_timer_brings_to_the_disk_what_nobody_waits_for(tmp_path):
    s = make({3: market(BUY, X1), 4: command("shock"), 5: lambda s: got.append(settled())})
    got = []

    def settled():
        guard = rig.guard.parts.guard
        before = guard.journal._synced < guard.journal.head.seq
        guard.settle(s.clock.timestamp_ns())
        return before, guard.journal._synced == guard.journal.head.seq

    rig = Rig(tmp_path, INS, durability="power").add(s)
    rig.run(quotes(INS, [65_000] * 8))
    assert got[0][1]


def test_a_kill_says_its_name_in_a_stopped_books_journal_too(tmp_path, monkeypatch):
    """`dolphin kill` on a stopped book whose disk is full: the latch file alone has it, and the operator is told."""
    Rig(tmp_path, INS).add(make({})).run(quotes(INS, [65_000] * 5))

    def refused(*args, **kwargs):
        raise JournalWriteError(str(tmp_path), "ENOSPC", 1, "free space")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "resume", refused)
        assert dolphin(["kill", "--state", str(tmp_path), "--cause", "drill"]) == 0
        assert dolphin(["arm", "--state", str(tmp_path)]) == 2
    assert of(checked(tmp_path), None)["mode"] == "KILLED"
    rig, s, _ = again(tmp_path)
    assert latch_of(rig).cause == Cause.OPERATOR
    assert denials(s)[0].startswith("KILLED")
    conforms(tmp_path)


@pytest.mark.req("DOL-KILL-006")
def test_an_operators_command_on_a_stopped_book_journals_the_kill_first(tmp_path, capsys):
    killed_on_a_full_disk(tmp_path)
    assert dolphin(["arm", "--state", str(tmp_path), "--accept-position"]) == 1
    out = capsys.readouterr().out
    assert "latch: KILLED, episode 1, cause OPERATOR" in out
    assert "NOT_GREEN" in out  # not WRONG_EPISODE: status and journal agree on it
    state = folded(str(tmp_path / "journal.jsonl")).book.state
    assert (state.latch.mode, state.latch.cause) == (Mode.KILLED, Cause.OPERATOR)
    conforms(tmp_path)
