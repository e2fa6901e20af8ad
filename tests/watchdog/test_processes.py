"""Real processes: one that trades hangs, stops, dies or ends; the watchdog acts at a loopback exchange, or does not."""

import os
import time

import pytest

from dolphin.journal import killfile
from dolphin.journal.beat import BeatState, read_beat
from tests.loopback import Exchange
from tests.watchdog.rig import caller, child, eventually, notes, orders, watchdog


@pytest.fixture
def exchange():
    with Exchange() as made:
        yield made


@pytest.mark.req("DOL-WATCH-001", "DOL-WATCH-003", "DOL-WATCH-004")
@pytest.mark.parametrize("how", ["blocked", "stopped", "killed"])
def test_what_a_gone_process_left_is_cancelled_and_it_wakes_killed(tmp_path, exchange, how):
    protects = orders(exchange)
    with child(tmp_path) as process, watchdog(tmp_path, exchange) as dog:
        dog.until("sees: beats")
        eventually(lambda: len(exchange.countdowns) == 2)
        assert len(exchange.working()) == 6
        if how == "blocked":
            process.say("block 4")
        else:
            process.send({"stopped": "SIGSTOP", "killed": "SIGKILL"}[how])
        dog.until("trip")
        eventually(lambda: set(exchange.working()) == protects)
        if how == "killed":
            dog.until("done")
            assert killfile.cause_of(str(tmp_path / "KILL")).startswith("watchdog: process")
        else:
            if how == "stopped":
                assert killfile.lies(str(tmp_path / "KILL"))
                # What had passed the gates leaves when the process wakes, or another client sends it meanwhile.
                caller(exchange).order("BUY", "0.010", price="39000.0", newClientOrderId="late")
                eventually(lambda: set(exchange.working()) == protects)
                process.send("SIGCONT")
            process.until("killed")
            dog.until("done")
            dog.until("sees: beats")
            assert read_beat(str(tmp_path / "heartbeat")).killed
        assert exchange.net() != 0  # it does not flatten
        dog.send("SIGTERM")
        assert dog.ended() == 0
    assert [note["what"] for note in notes(tmp_path)].count("trip") == 1
    done = next(note for note in notes(tmp_path) if note["what"] == "done")
    assert done["positions"] == {"BTCUSDT BOTH": "0.010"}
    assert bool(exchange.countdowns) == (how == "killed")  # of the dead it may run down


@pytest.mark.req("DOL-WATCH-002", "DOL-WATCH-004")
def test_a_process_that_beats_is_left_alone_even_by_a_watchdog_that_slept(tmp_path, exchange):
    orders(exchange)
    with child(tmp_path) as process, watchdog(tmp_path, exchange, missed=60) as dog:
        dog.until("sees: beats")
        for _ in range(3):
            dog.send("SIGSTOP")
            time.sleep(0.6)
            dog.send("SIGCONT")
            time.sleep(0.15)
        assert read_beat(str(tmp_path / "watchdog.heartbeat")).state == BeatState.BEATS
        process.say("end")
        dog.until("sees: ended")
        eventually(lambda: not exchange.countdowns)
        dog.send("SIGTERM")
        assert dog.ended() == 0
    assert len(exchange.working()) == 6
    assert not killfile.lies(str(tmp_path / "KILL"))
    assert "trip" not in [note["what"] for note in notes(tmp_path)]
    assert read_beat(str(tmp_path / "watchdog.heartbeat")).state == BeatState.ENDED


@pytest.mark.req("DOL-WATCH-001")
def test_a_watchdog_that_died_acts_when_it_is_started_again_and_only_once(tmp_path, exchange):
    protects = orders(exchange)
    with child(tmp_path) as process:
        with watchdog(tmp_path, exchange) as dog:
            dog.until("sees: beats")
            dog.send("SIGKILL")
        process.send("SIGKILL")
        process.popen.wait()
    with watchdog(tmp_path, exchange, "--once") as dog:
        assert dog.ended() == 1, dog.lines
    assert set(exchange.working()) == protects
    caller(exchange).order("BUY", "0.010", price="40000.0", newClientOrderId="by hand")
    with watchdog(tmp_path, exchange, "--once") as dog:
        assert dog.ended() == 0, dog.lines
    assert "by hand" in exchange.working()
    with child(tmp_path) as process:  # a new run: what it leaves is another matter
        process.send("SIGKILL")
        process.popen.wait()
    with watchdog(tmp_path, exchange, "--once") as dog:
        assert dog.ended() == 1, dog.lines
    assert set(exchange.working()) == protects


def test_nobody_beat_yet(tmp_path, exchange):
    with watchdog(tmp_path, exchange, "--once") as dog:
        assert dog.ended() == 0
    assert any("nobody has beaten yet" in line for line in dog.lines)


@pytest.mark.req("DOL-WATCH-006")
def test_an_act_that_cannot_be_done_is_said(tmp_path, exchange):
    orders(exchange)
    exchange.fault(kind="refuse", on="DELETE")
    exchange.fault(kind="error", on="GET /fapi/v1/openOrders", status=503)
    with child(tmp_path) as process:
        process.send("SIGKILL")
        process.popen.wait()
    with watchdog(tmp_path, exchange, "--once", "--timeout", "6") as dog:
        assert dog.ended() == 1, dog.lines
    trip = next(note for note in notes(tmp_path) if note["what"] == "trip")
    assert trip["orders"] == "unknown"
    assert trip["answers"]["unknown"] == 2
    assert notes(tmp_path)[-1]["words"] == "the act is not done: orders may work"
    assert len(exchange.working()) == 6


@pytest.mark.req("DOL-WATCH-006")
def test_where_orders_cannot_be_listed_all_are_cancelled(tmp_path, exchange):
    orders(exchange)
    exchange.fault(kind="error", on="GET /fapi/v1/openAlgoOrders", status=500, count=3)
    with child(tmp_path) as process:
        process.send("SIGKILL")
        process.popen.wait()
    with watchdog(tmp_path, exchange, "--once") as dog:
        assert dog.ended() == 1
    assert exchange.working() == []  # the stops too: it could not tell them apart
    assert "done" in [note["what"] for note in notes(tmp_path)]


def test_everything_goes_where_that_is_asked_for(tmp_path, exchange):
    orders(exchange)
    with child(tmp_path) as process:
        process.send("SIGKILL")
        process.popen.wait()
    with watchdog(tmp_path, exchange, "--once", "--cancel-all") as dog:
        assert dog.ended() == 1
    assert exchange.working() == []


def test_a_dry_run_changes_nothing(tmp_path, exchange):
    orders(exchange)
    with child(tmp_path) as process:
        process.send("SIGKILL")
        process.popen.wait()
    with watchdog(tmp_path, exchange, "--once", "--dry-run") as dog:
        assert dog.ended() == 1
    assert len(exchange.working()) == 6
    assert not killfile.lies(str(tmp_path / "KILL"))
    assert any("entry-1" in line for line in dog.lines)


def test_a_second_watchdog_is_refused(tmp_path, exchange):
    with watchdog(tmp_path, exchange) as dog:
        dog.until("sees: nobody")
        with watchdog(tmp_path, exchange) as second:
            assert second.ended() == 2
        assert any("watchdog.jsonl" in line for line in second.lines)
        dog.send("SIGINT")
        assert dog.ended() == 0


def test_a_directory_that_cannot_be_written_stops_no_cancel(tmp_path, exchange):
    protects = orders(exchange)
    with child(tmp_path) as process, watchdog(tmp_path, exchange) as dog:
        dog.until("sees: beats")
        (tmp_path / "KILL.tmp").mkdir()  # the file cannot be made
        process.send("SIGKILL")
        dog.until("done")
        assert set(exchange.working()) == protects
        dog.send("SIGTERM")
        dog.ended()
    trip = next(note for note in notes(tmp_path) if note["what"] == "trip")
    assert trip["kill"].startswith("not put")
    assert os.path.isdir(tmp_path / "KILL.tmp")
