"""Real processes: one that trades hangs, stops, dies or ends; the watchdog acts at a loopback exchange, or does not."""

import os
import resource
import time
from decimal import Decimal

import pytest

from dolphin.journal import killfile
from dolphin.journal.beat import BeatState, read_beat
from tests.loopback import Exchange
from tests.loopback.book import Symbol
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
            dog.until("done:")
            assert killfile.cause_of(str(tmp_path / "KILL")).startswith("watchdog: process")
        else:
            if how == "stopped":
                assert killfile.lies(str(tmp_path / "KILL"))
                # What had passed the gates leaves when the process wakes, or another client sends it meanwhile.
                caller(exchange).order("BUY", "0.010", price="39000.0", newClientOrderId="late")
                eventually(lambda: set(exchange.working()) == protects)
                process.send("SIGCONT")
            process.until("killed")
            dog.until("done:")
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


@pytest.mark.req("DOL-WATCH-008")
def test_where_it_cannot_be_written_whole_an_empty_file_kills(tmp_path, exchange):
    protects = orders(exchange)
    with child(tmp_path) as process, watchdog(tmp_path, exchange) as dog:
        dog.until("sees: beats")
        (tmp_path / "KILL.tmp").mkdir()  # the file cannot be made
        process.send("SIGKILL")
        dog.until("done:")
        assert set(exchange.working()) == protects
        dog.send("SIGTERM")
        dog.ended()
    trip = next(note for note in notes(tmp_path) if note["what"] == "trip")
    assert trip["kill"].startswith("put without its cause")
    assert killfile.lies(str(tmp_path / "KILL"))
    assert killfile.cause_of(str(tmp_path / "KILL")) == killfile.NO_CAUSE


@pytest.mark.req("DOL-WATCH-008", "DOL-WATCH-003")
def test_a_directory_that_refuses_kill_is_asked_again_until_it_lies_there(tmp_path, exchange):
    protects = orders(exchange)
    with child(tmp_path) as process, watchdog(tmp_path, exchange, hindered="unprivileged") as dog:
        dog.until("sees: beats")
        tmp_path.chmod(0o500)
        process.send("SIGSTOP")
        assert "not put" in dog.until("trip")
        eventually(lambda: set(exchange.working()) == protects)
        stopped = read_beat(str(tmp_path / "heartbeat")).seq
        process.send("SIGCONT")
        # It wakes and trades on: under a sentence, what it sends is cancelled.
        eventually(lambda: read_beat(str(tmp_path / "heartbeat")).seq > stopped)
        assert not read_beat(str(tmp_path / "heartbeat")).killed
        for name in ("late-1", "late-2"):
            caller(exchange).order("BUY", "0.010", price="39000.0", newClientOrderId=name)
            eventually(lambda: set(exchange.working()) == protects, 60)
        assert not killfile.lies(str(tmp_path / "KILL"))
        assert not any("done:" in line for line in dog.lines)
        tmp_path.chmod(0o700)
        process.until("killed")
        dog.until("kill: put, at last")
        dog.until("done:", 60)
        dog.send("SIGTERM")
        assert dog.ended() == 0
    trip = next(note for note in notes(tmp_path) if note["what"] == "trip")
    assert "Permission denied" in trip["kill"]


@pytest.mark.req("DOL-WATCH-008", "DOL-WATCH-009")
def test_on_a_full_disk_it_starts_looks_on_cancels_and_kills(tmp_path, exchange):
    protects = orders(exchange)
    with child(tmp_path) as process, watchdog(tmp_path, exchange, hindered="full") as dog:
        assert "DOL-WATCH-009" in dog.until("no log")
        dog.until("sees: beats")
        assert not (tmp_path / "watchdog.jsonl").exists()
        process.send("SIGKILL")
        dog.until("done:", 60)
        assert set(exchange.working()) == protects
        assert os.stat(tmp_path / "KILL").st_size == 0
        _, hard = resource.prlimit(dog.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(dog.pid, resource.RLIMIT_FSIZE, (hard, hard))  # there is room again
        dog.send("SIGTERM")
        assert dog.ended() == 0
    taken = [note["what"] for note in notes(tmp_path)]
    assert taken[-1] == "end"
    assert "trip" not in taken
    trip = next(line for line in dog.lines if "trip" in line)
    assert "process" in trip


@pytest.mark.req("DOL-WATCH-009")
def test_one_that_starts_on_a_full_disk_knows_what_was_done(tmp_path, exchange):
    with child(tmp_path) as process:
        process.send("SIGKILL")
        process.popen.wait()
    with watchdog(tmp_path, exchange, "--once") as dog:
        assert dog.ended(60) == 1, dog.lines
    with watchdog(tmp_path, exchange, "--once", hindered="full") as dog:
        assert dog.ended(60) == 0, dog.lines
    assert any("no log" in line for line in dog.lines)


# --- many symbols -----------------------------------------------------------------------------------------------------

MANY = tuple(f"S{number}USDT" for number in range(5))


@pytest.fixture
def wide():
    made = [Symbol(name, name[:2], *map(Decimal, ("0.01", "0.001", "2500.00", "2500.01"))) for name in MANY]
    with Exchange(made) as exchange:
        yield exchange


def spread(exchange):
    """A position, its stop and an entry on each symbol; the names of the stops."""
    call = caller(exchange)
    for name in MANY:
        assert call.order("BUY", "0.010", symbol=name)[0] == 200
        stop = {"side": "SELL", "price": "2900.00", "reduceOnly": "true"}
        for kind, more in (("stop", stop), ("entry", {"side": "BUY", "price": "2000.00"})):
            status, body = call.order(quantity="0.010", symbol=name, newClientOrderId=f"{kind}-{name}", **more)
            assert status == 200, body
    return {f"stop-{name}" for name in MANY}


def listings(exchange):
    return len(exchange.tape.requests("GET /fapi/v1/openOrders"))


@pytest.mark.req("DOL-WATCH-007", "DOL-WATCH-001")
def test_a_process_that_hangs_for_long_is_swept_within_the_weight_and_keeps_its_stops(tmp_path, wide):
    stops = spread(wide)
    wide.weight.limit = 330
    with child(tmp_path) as process, watchdog(tmp_path, wide, "--countdown-ms", 0, symbols=MANY) as dog:
        dog.until("sees: beats")
        process.send("SIGSTOP")
        dog.until("trip")
        eventually(lambda: set(wide.working()) == stops)
        # Eight passes and more: 80 each, where all are listed at once, would be 640 by now, and a 429 the end of the
        # stops.
        eventually(lambda: listings(wide) >= 8 * len(MANY), 120)
        assert wide.weight.refused == 0
        assert wide.weight.used < 330
        assert set(wide.working()) == stops
        process.send("SIGCONT")
        process.until("killed")
        dog.until("done:", 60)
        dog.send("SIGTERM")
        assert dog.ended() == 0
    assert set(wide.working()) == stops
    assert all("symbol" in entry.data for entry in wide.tape.requests("GET /fapi/v1/open"))


@pytest.mark.req("DOL-WATCH-007", "DOL-WATCH-006")
def test_a_venue_that_asks_for_a_pause_gets_it_and_the_stops_stay_also_where_none_are_listed(tmp_path, wide):
    stops = spread(wide)
    with child(tmp_path) as process, watchdog(tmp_path, wide, "--countdown-ms", 0, symbols=MANY) as dog:
        dog.until("sees: beats")
        process.send("SIGSTOP")
        dog.until("trip")
        eventually(lambda: set(wide.working()) == stops)
        eventually(lambda: listings(wide) >= 5 * len(MANY), 120)  # nothing was left at the last two looks, and more
        wide.do(lambda: wide.weight.__dict__.update(limit=1, hold_s=1))
        eventually(lambda: wide.weight.refused >= 3, 120)  # refused, waited, refused
        assert wide.weight.early == 0  # nobody asked before the pause was over: else the venue shuts him out
        assert set(wide.working()) == stops
        wide.do(lambda: wide.weight.__dict__.update(limit=0))
        before = listings(wide)
        eventually(lambda: listings(wide) >= before + 2 * len(MANY), 120)
        away = wide.fault(kind="error", on="GET /fapi/v1/openOrders", status=503)
        eventually(lambda: away.struck >= 2 * 3 * len(MANY), 120)  # two passes, three tries each: none could be listed
        assert set(wide.working()) == stops  # it only looks again: nothing was left, and nobody has run since
        wide.mend(away)
        process.send("SIGCONT")
        process.until("killed")
        dog.until("done:", 60)
        dog.send("SIGTERM")
        assert dog.ended() == 0
    assert set(wide.working()) == stops


@pytest.mark.req("DOL-WATCH-007", "DOL-WATCH-001")
def test_a_venue_that_refuses_the_first_look_is_swept_after_its_pause(tmp_path, wide):
    stops = spread(wide)
    with child(tmp_path) as process, watchdog(tmp_path, wide, "--countdown-ms", 0, symbols=MANY) as dog:
        dog.until("sees: beats")
        wide.do(lambda: wide.weight.__dict__.update(limit=1, hold_s=2))
        process.send("SIGKILL")
        dog.until("trip")
        wide.do(lambda: wide.weight.__dict__.update(limit=0))
        dog.until("done:", 60)
        dog.send("SIGTERM")
        assert dog.ended() == 0
    assert set(wide.working()) == stops
    assert wide.weight.early == 0
    assert wide.weight.refused >= 1


@pytest.mark.req("DOL-WATCH-007", "DOL-WATCH-001")
def test_four_hundred_symbols_are_listed_at_once_within_the_weight(tmp_path):
    names = tuple(f"T{number:03d}USDT" for number in range(400))
    made = [Symbol(name, name[:4], *map(Decimal, ("0.01", "0.001", "2500.00", "2500.01"))) for name in names]
    with Exchange(made) as exchange:
        call = caller(exchange)
        for name in names:
            status, body = call.order("BUY", "0.010", symbol=name, price="2000.00", newClientOrderId=f"entry-{name}")
            assert status == 200, body
        held = names[::50]
        for name in held:
            assert call.order("BUY", "0.010", symbol=name)[0] == 200
            stop = {"symbol": name, "price": "2900.00", "reduceOnly": "true", "newClientOrderId": f"stop-{name}"}
            assert call.order("SELL", "0.010", **stop)[0] == 200
        exchange.weight.used = 0
        exchange.weight.limit = 2_400
        with child(tmp_path) as process, watchdog(tmp_path, exchange, "--countdown-ms", 0, symbols=names) as dog:
            dog.until("sees: beats")
            before = len(exchange.tape.requests())
            process.send("SIGKILL")
            dog.until("done:", 120)
            dog.send("SIGTERM")
            assert dog.ended() == 0
        assert set(exchange.working()) == {f"stop-{name}" for name in held}
        asked = [entry.what for entry in exchange.tape.requests()[before:]]
        assert asked.count("DELETE /fapi/v1/order") >= len(names)  # more where an answer came too late
        # The first look, one at once behind it, two empty ones, and what a late answer makes look again.
        assert asked.count("GET /fapi/v1/openOrders") <= 10
        assert exchange.weight.refused == 0
