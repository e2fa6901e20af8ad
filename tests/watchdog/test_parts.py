"""The log, the countdown, the loop's own faults, and the arguments: what needs no second process."""

import contextlib
import io
import os
import resource
import time
from contextlib import redirect_stderr, redirect_stdout

import pytest

from dolphin.app import cli, watchdog_cli
from dolphin.app.errors import UserError
from dolphin.app.watchdog_cli import keys_of
from dolphin.app.watched import looks_on
from dolphin.journal import Journal, JournalLocked, killfile, verify
from dolphin.journal.beat import Heart, read_beat, slot_of
from dolphin.watchdog.arming import Arming, weight_a_minute
from dolphin.watchdog.binance import Binance, Keys
from dolphin.watchdog.process import Settings, Watchdog
from dolphin.watchdog.record import DONE, Log
from dolphin.watchdog.sight import GIVEN, State
from dolphin.watchdog.sweep import sweep
from dolphin.watchdog.venue import TOGETHER, Answer, Held, Reply, Unknown, Working
from tests.loopback import Exchange
from tests.watchdog.rig import SYMBOLS, child, eventually, notes, orders


class Paper:
    """A venue on paper: what it has, what it answers, what it was asked."""

    def __init__(self, *listings):
        self.listings = list(listings)
        self.asked = []
        self.reply = Answer(Reply.DONE)

    def open_orders(self, symbols):
        self.asked.append("list")
        return self.listings.pop(0) if self.listings else ()

    def positions(self, symbols):
        return Unknown("nobody knows")

    def cancel(self, order):
        self.asked.append(f"cancel {order.id}")
        return self.reply

    def cancel_all(self, symbol):
        self.asked.append(f"cancel all {symbol}")
        return self.reply

    def countdown(self, symbol, after_ms):
        self.asked.append(f"{symbol} {after_ms}")
        return self.reply

    def pause_s(self, symbols):
        return 0.0

    def warm(self):
        return self.reply

    def close(self):
        self.asked.append("close")


@pytest.fixture
def full_disk():
    """No file of this process grows: the system says EFBIG, as ENOSPC on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextlib.contextmanager
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return full


def entry(number):
    return Working("BTCUSDT", str(number), f"c{number}", "BUY", False, False)


def silent(path):
    """A heart that last beat long ago, for a watchdog of 600 beats: no pause of a busy machine looks like that."""
    heart = Heart.create(str(path / "heartbeat"), "i")
    (path / "heartbeat").write_bytes(slot_of(heart.last._replace(monotonic_ns=heart.last.monotonic_ns - 10**12)))
    return heart


def dog_of(path, venue, **more):
    said = []
    log = Log(str(path / "watchdog.jsonl"), {"symbols": ["BTCUSDT"]})
    settings = Settings(path, **{"symbols": ("BTCUSDT",), **more})
    return Watchdog(settings, venue, Arming(Paper(), (), 0), log, said.append), said


# --- one pass -------------------------------------------------------------------------------------------------------

AWAY = Unknown("no answer", away=True)
NAMES = tuple(f"S{number}" for number in range(3))


@pytest.mark.req("DOL-WATCH-006")
def test_a_venue_that_gives_no_answer_ends_the_pass_and_one_that_cancels_does_not():
    venue = Paper((), AWAY)
    venue.reply = Answer(Reply.UNKNOWN, "no answer")
    found = sweep(venue, NAMES, everything=False)
    assert venue.asked == ["list", "list", "cancel all S1"]
    assert (found.known, found.clear, found.ended) == (False, False, "S1")
    assert found.said["unknown"] == ["S1", "S2"]
    venue = Paper(AWAY, AWAY, AWAY)
    found = sweep(venue, NAMES, everything=False)
    assert venue.asked == ["list", "cancel all S0", "list", "cancel all S1", "list", "cancel all S2"]
    assert (found.known, found.ended, found.said["orders"]) == (False, "", "unknown")
    for more in ({"dry": True}, {"calm": True}):
        venue = Paper(AWAY)
        assert sweep(venue, NAMES, everything=False, **more).ended == "S0"
        assert venue.asked == ["list"]


@pytest.mark.req("DOL-WATCH-006", "DOL-WATCH-001")
def test_the_next_pass_begins_behind_the_symbol_that_got_no_answer(tmp_path):
    class Deaf(Paper):
        def open_orders(self, symbols):
            self.asked.append(symbols[0])
            return AWAY if symbols[0] == "S1" else ()

    venue = Deaf()
    venue.reply = Answer(Reply.UNKNOWN, "no answer")
    silent(tmp_path)
    dog, _ = dog_of(tmp_path, venue, symbols=NAMES)
    while dog.acts == 0:
        dog.step()
    for _ in range(3):
        dog._sweep_ns = 0
        dog.step()
    listed = [asked for asked in venue.asked if asked in NAMES]
    assert listed[:2] == ["S0", "S1"]
    assert listed[2:5] == ["S2", "S0", "S1"]
    assert listed[5:8] == ["S2", "S0", "S1"]
    dog._end()


@pytest.mark.req("DOL-WATCH-007", "DOL-WATCH-006")
def test_many_that_cannot_be_listed_together_are_listed_one_by_one():
    many = tuple(f"S{number}" for number in range(TOGETHER + 1))
    stop = Working("S7", "2", "c2", "SELL", True, False)
    first, other = entry(1)._replace(symbol="S7"), entry(3)._replace(symbol="S9")
    venue = Paper((first, stop, other, other._replace(id="4")))
    found = sweep(venue, many, everything=False)
    assert venue.asked == ["list", "cancel 1", "cancel all S9"]
    assert (found.known, found.clear, found.said["spared"]) == (True, False, 1)
    venue = Paper(Unknown("HTTP 500"), *[()] * TOGETHER, (stop._replace(symbol=many[-1]),))
    found = sweep(venue, many, everything=False)
    assert venue.asked == ["list"] * (TOGETHER + 2)
    assert (found.known, found.clear, found.said["spared"]) == (True, True, 1)


# --- who died, and who beats ------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-WATCH-002")
def test_one_that_was_started_again_before_anybody_looked_is_not_dead(tmp_path):
    dog, _ = dog_of(tmp_path, Paper(), missed=600)
    with child(tmp_path) as first:
        eventually(lambda: dog.step().state == State.BEATS)
        first.send("SIGKILL")
        first.popen.wait()
    with child(tmp_path) as second:
        assert dog.step().state in (State.BEATS, State.LATE)
        assert dog.acts == 0
        second.send("SIGKILL")
        second.popen.wait()
    assert dog.step().state == State.GONE
    assert dog.acts == 1
    dog._end()


@pytest.mark.req("DOL-WATCH-004")
def test_a_fault_of_its_own_does_not_end_the_arming():
    faults = [RecursionError("a fault"), UnicodeError("another")]
    venue = Paper()
    armed = venue.countdown

    def countdown(symbol, after_ms):
        if faults:
            raise faults.pop()
        return armed(symbol, after_ms)

    venue.countdown = countdown
    arming = Arming(venue, ("A",), 300)
    news = []
    arming.start()

    def told():
        arming.beats(time.monotonic_ns())
        news.extend(arming.news())
        return "armed for 300 ms" in news

    eventually(told)
    assert "a fault, it is tried again: UnicodeError: another" in news
    arming.end()


# --- the loop -------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-WATCH-001")
def test_it_sweeps_until_two_listings_in_a_row_are_empty_and_the_process_took_the_file(tmp_path):
    heart = Heart.create(str(tmp_path / "heartbeat"), "i")
    paper = Paper((entry(1),), (entry(1),), Unknown("away"), (), (entry(2),), (), ())
    dog, _ = dog_of(tmp_path, paper)
    eventually(lambda: dog.step().state == State.GONE)  # this very process: it lives, and does not beat
    assert killfile.lies(str(tmp_path / "KILL"))
    eventually(lambda: dog.step() and len(paper.listings) == 0)
    for _ in range(3):
        dog._sweep_ns = 0
        dog.step()
    assert dog.left  # nothing is left, but the process may wake
    heart.beat(True)
    dog._sweep_ns = 0
    dog.step()
    assert dog.left  # it beats, and has not taken the file
    killfile.take(str(tmp_path / "KILL"), {})
    heart.beat(True)
    dog._sweep_ns = 0
    dog.step()
    assert not dog.left
    dog._end()
    cancels = [what for what in paper.asked if what.startswith("cancel")]
    assert cancels == ["cancel 1", "cancel 1", "cancel all BTCUSDT", "cancel 2"]
    assert notes(tmp_path)[-2]["positions"] == "unknown"
    heart.end(True)


def test_a_fault_of_its_own_does_not_end_the_watch(tmp_path):
    dog, said = dog_of(tmp_path, Paper())
    steps = []

    def step():
        steps.append(1)
        if len(steps) > 3:
            dog.stop = True
        raise RuntimeError("planted")

    dog.step = step
    dog.run()
    assert len(steps) == 4
    assert [line for line in said if "fault" in line] == ["fault: RuntimeError: planted"]


def test_a_heartbeat_that_cannot_be_read_is_said_once(tmp_path):
    os.symlink("/dev/zero", tmp_path / "heartbeat")
    dog, said = dog_of(tmp_path, Paper())
    assert [dog.step().state for _ in range(3)] == [State.NOBODY] * 3
    assert len([line for line in said if "unreadable" in line]) == 1
    dog._end()


@pytest.mark.req("DOL-WATCH-008")
def test_kill_is_put_again_at_each_look_until_it_lies_there_and_no_act_is_done_before(tmp_path, monkeypatch):
    heart = silent(tmp_path)
    tries = []

    def refused(path, cause):
        tries.append(cause)
        if len(tries) < 5:
            raise OSError(28, "No space left on device")
        return put(path, cause)

    put = killfile.put
    monkeypatch.setattr(killfile, "put", refused)
    dog, said = dog_of(tmp_path, Paper(), missed=600)
    eventually(lambda: dog.step().state == State.GONE)
    assert len(tries) == 1
    heart.beat(False)  # it wakes, and trades on: it is under a sentence all the same
    for count in (2, 3, 4):
        dog._sweep_ns = 0
        assert dog.step().state == State.BEATS
        assert len(tries) == count
        assert dog.left
    dog.step()
    assert killfile.cause_of(str(tmp_path / "KILL")).startswith("watchdog: process")
    assert len([line for line in said if line == "kill: put, at last"]) == 1
    killfile.take(str(tmp_path / "KILL"), {})
    dog._sweep_ns = 0
    dog.step()
    assert not dog.left
    assert len(tries) == 5
    dog._end()
    assert next(note for note in notes(tmp_path) if note["what"] == "trip")["kill"].startswith("not put: [Errno 28]")
    heart.end(True)


@pytest.mark.req("DOL-WATCH-008")
def test_kill_is_had_onto_the_disk_and_tried_again(tmp_path, monkeypatch):
    heart = silent(tmp_path)
    tries = []

    def keep(path):
        tries.append(path)
        if len(tries) < 3:
            raise OSError(5, "Input/output error")
        real(path)

    real = killfile.keep
    monkeypatch.setattr(killfile, "keep", keep)
    dog, said = dog_of(tmp_path, Paper(), missed=600)
    eventually(lambda: dog.step().state == State.GONE)
    eventually(lambda: len(tries) == 3)
    dog._keeper.join()
    dog.step()
    assert len([line for line in said if "outlive a loss of power" in line]) == 1
    killfile.take(str(tmp_path / "KILL"), {})
    dog._keep()  # one that was taken is kept by the book's latch file
    dog._end()
    heart.end(True)


@pytest.mark.req("DOL-WATCH-006", "DOL-WATCH-007")
def test_after_two_clear_looks_what_cannot_be_listed_is_looked_at_again_and_not_cancelled(tmp_path):
    heart = silent(tmp_path)
    away = Unknown("away")
    paper = Paper(away, (), away, (), (), away, away, (entry(1),), away, (), (), away)
    dog, _ = dog_of(tmp_path, paper, missed=600)
    eventually(lambda: dog.step().state == State.GONE)
    dog._eye._given = GIVEN  # a pause of this machine between two looks gives no beat more: it is gone at each
    cancels = []
    while paper.listings:
        before = len(paper.asked)
        dog._sweep_ns = 0
        dog.step()
        cancels.append([what for what in paper.asked[before:] if what.startswith("cancel")])
    everything = ["cancel all BTCUSDT"]
    assert cancels == [[], everything, [], [], [], [], ["cancel 1"], everything, [], [], []]
    heart.beat(False)  # it has run: what had passed its gates may work now
    paper.listings += [away, (), (), away, ()]
    before = len(paper.asked)
    while paper.listings:
        dog._sweep_ns = 0
        assert dog.step().state == State.BEATS
    assert paper.asked[before:] == ["list", *everything, "list", "list", "list", *everything, "list"]
    assert dog.left
    dog._end()
    heart.end(True)


@pytest.mark.req("DOL-WATCH-007")
def test_it_looks_at_once_only_once_and_waits_as_long_as_the_venue_says(tmp_path):
    heart = silent(tmp_path)
    paper = Paper(*[(entry(1),)] * 20)  # the venue says that it is cancelled, again and again
    dog, _ = dog_of(tmp_path, paper, missed=600)
    paper.pause_s = lambda symbols: 3_600.0
    eventually(lambda: dog.step().state == State.GONE)
    for _ in range(10):
        dog.step()
    assert paper.asked.count("list") == 2
    assert dog._sweep_ns - time.monotonic_ns() > 3_000 * 10**9
    dog._end()
    heart.end(True)


# --- the countdown --------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-WATCH-004")
def test_the_countdown_is_armed_while_beats_come_and_ended_with_the_watch():
    paper = Paper()
    arming = Arming(paper, SYMBOLS, 150)
    arming.start()
    eventually(lambda: arming.beats(time.monotonic_ns()) or len(paper.asked) >= 6)
    arming.end()
    assert paper.asked[:2] == ["BTCUSDT 150", "ETHUSDT 150"]
    assert paper.asked[-3:] == ["BTCUSDT 0", "ETHUSDT 0", "close"]
    assert arming.news() == ["armed for 150 ms", "ended"]


@pytest.mark.req("DOL-WATCH-004")
def test_a_watch_that_ends_while_it_arms_ends_the_countdown():
    class Slow(Paper):
        def countdown(self, symbol, after_ms):
            if after_ms:
                arming._ended = True
            return super().countdown(symbol, after_ms)

    paper = Slow()
    arming = Arming(paper, SYMBOLS, 60_000)
    arming.start()
    arming.beats(time.monotonic_ns())
    arming._thread.join(20)
    assert paper.asked == ["BTCUSDT 60000", "ETHUSDT 60000", "BTCUSDT 0", "ETHUSDT 0", "close"]


@pytest.mark.req("DOL-WATCH-004")
def test_the_countdown_of_the_dead_runs_down():
    paper = Paper()
    arming = Arming(paper, SYMBOLS, 150)
    arming.start()
    eventually(lambda: arming.beats(time.monotonic_ns()) or len(paper.asked) >= 2)
    arming.leave()
    time.sleep(0.2)
    count = len(paper.asked)
    time.sleep(0.3)
    assert len(paper.asked) == count
    arming.end()
    assert paper.asked[-1] == "close"
    assert "BTCUSDT 0" not in paper.asked


@pytest.mark.req("DOL-WATCH-004")
def test_a_run_that_ended_in_good_order_ends_the_countdown_and_a_refused_one_is_said():
    paper = Paper()
    arming = Arming(paper, SYMBOLS, 150)
    arming.start()
    arming.rest()
    eventually(lambda: arming.beats(time.monotonic_ns()) or len(paper.asked) >= 2)
    arming.rest()
    eventually(lambda: "ETHUSDT 0" in paper.asked)
    paper.reply = Answer(Reply.REFUSED, "no rights")
    eventually(lambda: arming.beats(time.monotonic_ns()) or len(arming._news) >= 3)
    assert arming.news()[-1] == "2 of 2 symbols not armed for 150 ms: no rights"
    arming.end()


@pytest.mark.req("DOL-WATCH-004")
def test_where_both_died_the_venue_cancels():
    with Exchange() as exchange:
        orders(exchange)
        arming = Arming(Binance(Keys(exchange.key, exchange.secret), exchange.url), SYMBOLS, 600)
        arming.start()
        arming.beats(time.monotonic_ns())
        eventually(lambda: len(exchange.countdowns) == 2)
        arming.leave()
        eventually(lambda: exchange.working() == [])  # the stops too: Binance spares none
        arming.end()


def test_what_it_costs_at_the_venue():
    assert weight_a_minute(20, 30_000) == 1_200


# --- who looks on -----------------------------------------------------------------------------------------------------


def test_the_status_says_whether_one_looks_on(tmp_path):
    path = tmp_path / "watchdog.heartbeat"
    assert looks_on(tmp_path).startswith("none: nobody")
    heart = Heart.create(str(path), "w")
    assert looks_on(tmp_path) == f"looks on (process {os.getpid()})"
    heart.beat(True)
    assert looks_on(tmp_path).startswith("ACTS")
    newest = read_beat(str(path))
    for old in (newest._replace(monotonic_ns=0), newest._replace(who=newest.who._replace(boot="0" * 32))):
        path.write_bytes(slot_of(old))
        assert looks_on(tmp_path) == f"none: process {os.getpid()} looked on, and beats no more"
    heart = Heart.create(str(path), "w")
    heart.end(False)
    assert looks_on(tmp_path) == "none: it was ended"
    path.unlink()
    path.symlink_to("/dev/zero")
    assert looks_on(tmp_path).startswith("unknown")


# --- the log --------------------------------------------------------------------------------------------------------


def test_the_log_is_taken_up_and_remembers_what_was_done(tmp_path):
    path = str(tmp_path / "watchdog.jsonl")
    log = Log(path, {"symbols": ["A"]})
    assert log.done == ""
    log.note(DONE, run="r1")
    with pytest.raises(JournalLocked):
        Log(path, {})
    log.close()
    log = Log(path, {"symbols": ["B"]})
    assert log.done == "r1"
    log.note("sees", state="beats")
    log.close()
    assert Log(path, {}).done == "r1"
    assert verify(path).gaps == 0


def test_a_broken_log_is_kept_aside(tmp_path, capsys):
    path = tmp_path / "watchdog.jsonl"
    log = Log(str(path), {})
    log.note(DONE, run="r1")
    log.close()
    path.write_bytes(path.read_bytes().replace(b'"r1"', b'"r2"'))
    log = Log(str(path), {})
    assert log.done == ""
    log.close()
    assert "kept as" in capsys.readouterr().err
    assert len(list(tmp_path.glob("watchdog.jsonl.broken-*"))) == 1


@pytest.mark.req("DOL-WATCH-009")
def test_a_log_that_refuses_stops_nothing(tmp_path, capsys):
    log = Log(str(tmp_path / "watchdog.jsonl"), {})

    def full(fd, content):
        raise OSError(28, "No space left on device")

    log._journal._write = full
    log.note("trip", run="r")
    log.close()
    said = capsys.readouterr().err
    assert '"trip"' in said
    assert "not closed" in said


@pytest.mark.req("DOL-WATCH-009")
@pytest.mark.parametrize("before", ["none", "good", "broken", "empty"])
def test_a_log_that_cannot_be_opened_keeps_nobody_from_looking_on(tmp_path, capsys, full_disk, before):
    path = tmp_path / "watchdog.jsonl"
    if before != "none":
        log = Log(str(path), {"symbols": ["A"]})
        log.note(DONE, run="r1")
        log.close()
    if before == "broken":
        path.write_bytes(path.read_bytes().replace(b'"r1"', b'"r2"'))
    if before == "empty":
        path.write_bytes(b"")
    with full_disk():
        log = Log(str(path), {"symbols": ["A"]})
        log.note("sees", state="beats")
        log.note("trip", run="r2")
        log.close()
    assert log.done == ("r1" if before == "good" else "")
    said = capsys.readouterr().err
    assert said.count("DOL-WATCH-009") == 1
    assert '"beats"' in said
    assert '"trip"' in said
    log.note("sweep")  # there is room again
    other = Journal.resume  # one writer, from here on
    with pytest.raises(JournalLocked):
        other(str(path), ts_ns=time.time_ns())
    log.note("end")
    log.close()
    assert [note["what"] for note in notes(tmp_path)][-2:] == ["sweep", "end"]
    assert verify(str(path)).closed
    assert len(list(tmp_path.glob("watchdog.jsonl.broken-*"))) == (before in ("broken", "empty"))


def test_a_log_that_another_watchdog_opened_meanwhile_is_left_to_it(tmp_path, capsys, full_disk):
    path = str(tmp_path / "watchdog.jsonl")
    with full_disk():
        log = Log(path, {})
    other = Log(path, {})
    log.note("sees")
    assert "locked by" in capsys.readouterr().err
    other.close()
    assert [note["what"] for note in notes(tmp_path)] == []


def test_a_reader_that_has_gone_ends_no_watch(tmp_path, monkeypatch):
    class Gone:
        def write(self, text):
            raise BrokenPipeError

        flush = write

    monkeypatch.setattr("sys.stderr", Gone())
    monkeypatch.setattr("sys.stdout", Gone())
    watchdog_cli._say("sees: beats")
    os.mkdir(tmp_path / "watchdog.jsonl")
    Log(str(tmp_path / "watchdog.jsonl"), {}).note("trip")


# --- the arguments --------------------------------------------------------------------------------------------------


def dolphin(*argv):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.main(["watchdog", *map(str, argv)])
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def no_keys(monkeypatch):
    monkeypatch.delenv("BINANCE_API_KEY", raising=False)
    monkeypatch.delenv("BINANCE_API_SECRET", raising=False)


VENUE = ("--venue", "binance-futures")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "names no venue"),
        ((*VENUE,), "names no symbol"),
        ((*VENUE, "--symbols", "BTCUSDT-PERP"), "no symbol of the venue's"),
        ((*VENUE, "--symbols", "BTCUSDT"), "no API key"),
        (("--venue", "nowhere"), "invalid choice"),
        ((*VENUE, "--missed", "0"), "accepted 1 to 600"),
        ((*VENUE, "--countdown-ms", "100"), "accepted 0, or 5000"),
        ((*VENUE, "--symbols", "A1,A2,A3,A4,A5", "--countdown-ms", "5000"), "say --countdown-ms 7500 or more"),
        (("--verify",), "no watchdog ever looked on here"),
    ],
)
def test_a_mistake_is_one_paragraph(tmp_path, no_keys, argv, said):
    code, _, err = dolphin("--state", tmp_path, *argv)
    assert code == 2
    assert said in err


def test_there_must_be_a_directory(tmp_path):
    assert "no such state directory" in dolphin("--state", tmp_path / "none", *VENUE)[2]


def test_keys_from_a_file_that_others_cannot_read(tmp_path, no_keys):
    keys = tmp_path / "keys"
    argv = ("--state", tmp_path, *VENUE, "--symbols", "BTCUSDT", "--keys", keys)
    assert "cannot be read" in dolphin(*argv)[2]
    keys.write_text("key\nsecret\n")
    keys.chmod(0o644)
    assert "open to others" in dolphin(*argv)[2]
    keys.chmod(0o600)
    assert "accepted https" in dolphin(*argv, "--url", "http://example.com")[2]
    keys.write_text("key\n")
    assert "two lines" in dolphin(*argv)[2]
    keys.write_text("key\ns\u00e9cret\n")
    said = dolphin(*argv)[2]
    assert "the secret has signs" in said
    assert "cret\n" not in said


def test_a_key_from_the_environment_has_no_end_of_line(monkeypatch):
    monkeypatch.setenv("BINANCE_API_KEY", "key\n")
    monkeypatch.setenv("BINANCE_API_SECRET", " secret\n")
    assert keys_of(None) == ("key", "secret")
    monkeypatch.setenv("BINANCE_API_KEY", "k e")
    with pytest.raises(UserError, match="the key has signs"):
        keys_of(None)


def test_once_in_this_process_and_its_log(tmp_path, monkeypatch):
    with Exchange() as exchange:
        monkeypatch.setenv("BINANCE_API_KEY", exchange.key)
        monkeypatch.setenv("BINANCE_API_SECRET", exchange.secret)
        argv = ("--state", tmp_path, *VENUE, "--symbols", "BTCUSDT", "--url", exchange.url, "--once")
        assert dolphin(*argv)[0] == 0
    code, out, _ = dolphin("--state", tmp_path, "--verify")
    assert code == 0
    assert "in good order" in out
    assert "chain good" in out
    path = tmp_path / "watchdog.jsonl"
    path.write_bytes(path.read_bytes().replace(b"good order", b"good odour"))
    code, _, err = dolphin("--state", tmp_path, "--verify")
    assert code == 2
    assert "watchdog.jsonl" in err


def test_the_help_teaches():
    code, out, _ = dolphin("--help")
    assert code == 0
    for word in ("--dry-run", "BINANCE_API_KEY", "exit codes", "It does\nnot flatten"):
        assert word in out
    assert Held("A", "BOTH", "1").amount == "1"
