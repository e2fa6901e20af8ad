"""The operator's hand: on a stopped book, on a running one, refusals with their requirement, and who may not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dolphin.app.book import folded
from dolphin.app.cli import main
from dolphin.app.state_dir import checked, holder
from dolphin.journal import Journal, killfile, verify
from dolphin.journal.files import PORT, RESUME
from dolphin.journal.lock import locked
from dolphin.journal.recovery import recover
from dolphin.kernel.events import Equity, Fault, Kill
from dolphin.kernel.policy import DAY_NS, INTRADAY
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Mode
from dolphin.nautilus import mailbox
from tests.app.books import T0, Book

S = 10**9


@pytest.fixture
def book(tmp_path: Path) -> Book:
    made = Book(tmp_path / "book", INTRADAY)
    made.emit(Equity(T0 + S, 1_000_000, flat=1))
    return made


def said(path: Path) -> list[tuple[str, dict[str, object]]]:
    return [(record.kind, record.data) for record in recover(str(path / "journal.jsonl")).records()]


# --- a stopped book ---------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-KILL-001")
def test_a_kill_of_a_stopped_book_latches_its_journal(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.close()
    assert main(["kill", "--state", str(book.path), "--cause", "bad fills"]) == 0
    assert "episode 1" in capsys.readouterr().out
    kinds = [kind for kind, _ in said(book.path)]
    assert kinds[-5:] == ["NOTE", "RESUME", "KILL", "COMMAND", "CLOSE"]
    command = said(book.path)[-2][1]
    assert command["cause"] == "bad fills"
    assert command["verb"] == "kill"
    found = verify(str(book.path / "journal.jsonl"))
    assert found.closed
    _, made = folded(book.path / "journal.jsonl")
    assert made.state is not None
    assert made.state.latch.mode is Mode.KILLED


@pytest.mark.req("DOL-TIME-007")
def test_downtime_earns_nothing(book: Book) -> None:
    book.emit(Kill(T0 + 2 * S))
    book.close()
    main(["rebase", "--state", str(book.path)])
    _, made = folded(book.path / "journal.jsonl")
    assert made.state is not None
    assert made.state.filter.confidence_ms == 0


@pytest.mark.req("DOL-REARM-001", "DOL-REARM-003", "DOL-REARM-006", "DOL-REARM-007")
def test_the_two_steps_on_a_stopped_book(
    book: Book, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    book.close()
    where = ["--state", str(book.path)]
    main(["kill", *where, "--cause", "drill"])
    capsys.readouterr()
    assert main(["arm", *where, "--episode", "7"]) == 1
    assert "WRONG_EPISODE [DOL-REARM-001]" in capsys.readouterr().out
    assert main(["arm", *where, "--cause", "drill over"]) == 0
    out = capsys.readouterr().out
    assert "episode 1, cause OPERATOR (drill)" in out
    assert "held: nothing, the book is flat" in out
    assert "accepted from" in out
    command = out.splitlines()[-1].split()
    assert command[:2] == ["dolphin", "confirm"]
    assert main(["confirm", "1", *where]) == 1
    assert "WRONG_NONCE [DOL-REARM-002]" in capsys.readouterr().out
    assert main(command[1:]) == 1
    assert "TOO_EARLY [DOL-REARM-003]" in capsys.readouterr().out
    later = time.time_ns() + 61 * S
    monkeypatch.setattr(time, "time_ns", lambda: later)
    # A book without feeds is green at once; but nobody sees what a stopped book holds: it must be started first.
    assert main(command[1:]) == 1
    assert "CHANGED [DOL-REARM-007]" in capsys.readouterr().out
    assert main(["arm", *where]) == 0, "a new request takes the place of the pending one"
    anew = capsys.readouterr().out.splitlines()[-1].split()
    assert main(command[1:]) == 1
    assert "WRONG_NONCE" in capsys.readouterr().out
    much_later = later + DAY_NS
    monkeypatch.setattr(time, "time_ns", lambda: much_later)
    assert main(anew[1:]) == 1
    assert "LAPSED [DOL-REARM-006]" in capsys.readouterr().out


@pytest.mark.req("DOL-REARM-002")
def test_a_stopped_book_with_feeds_is_not_green(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book(tmp_path / "b", INTRADAY, ("SPX",))
    book.emit(Kill(T0 + S))
    book.close()
    assert main(["arm", "--state", str(book.path)]) == 1
    assert "NOT_GREEN [DOL-REARM-002]" in capsys.readouterr().out


def test_a_position_must_be_taken_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book(tmp_path / "b", INTRADAY)
    book.emit(Equity(T0 + S, 1_000_000, gross=500_000, flat=0))
    book.emit(Kill(T0 + 2 * S))
    book.close()
    where = ["--state", str(book.path)]
    assert main(["arm", *where]) == 1
    out = capsys.readouterr().out
    assert "held: 500,000 minor units of exposure" in out
    assert "NOT_FLAT [DOL-REARM-001]" in out
    assert main(["arm", *where, "--accept-position"]) == 0
    assert main(["arm", *where, "--flat", "--accept-position"]) == 2


@pytest.mark.req("DOL-CAPITAL-004", "DOL-CAPITAL-005")
def test_a_rebase_is_refused_until_trapped_then_granted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = Book(tmp_path / "b", INTRADAY, start_ns=time.time_ns() - 40 * DAY_NS)
    t_ns = book.ts_ns
    book.emit(Equity(t_ns + S, 1_000_000, flat=1, stood=1))
    book.close()
    where = ["--state", str(book.path)]
    assert main(["rebase", *where, "--confirm", "5"]) == 1
    assert "NOT_PENDING" in capsys.readouterr().out
    assert main(["rebase", *where]) == 1
    assert "NOT_TRAPPED [DOL-CAPITAL-004]" in capsys.readouterr().out

    trapped = Book(tmp_path / "c", INTRADAY, start_ns=t_ns)
    trapped.emit(Equity(t_ns + S, 1_000_000, flat=1, stood=1))
    trapped.emit(Equity(t_ns + 2 * S, 800_000, flat=1, stood=1))
    trapped.close()
    where = ["--state", str(trapped.path)]
    main(["rebase", *where, "--cause", "review"])
    command = capsys.readouterr().out.splitlines()[-1].split()
    assert main(command[1:]) == 0
    assert "re-based" in capsys.readouterr().out
    assert main(["status", *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rebases"] == 1


def test_adopt_on_a_stopped_book(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.write("ADOPT", positions=["P-1", "P-2"])
    book.close()
    where = ["--state", str(book.path)]
    assert main(["adopt", *where, "--position", "P-9"]) == 1
    assert "waiting: P-1, P-2" in capsys.readouterr().out
    assert main(["adopt", *where, "--flatten"]) == 1
    assert main(["adopt", *where, "--position", "P-1"]) == 0
    assert "adopted: P-1" in capsys.readouterr().out
    assert main(["status", *where]) == 0
    assert "waiting for you: P-2" in capsys.readouterr().out


def test_adopt_where_nothing_waits_says_so(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.close()
    assert main(["adopt", "--state", str(book.path)]) == 1
    assert capsys.readouterr().out == "refused: no position waits for a decision: there is nothing to adopt\n"


def test_the_cause_of_an_episode_is_the_one_that_began_it(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.close()
    where = ["--state", str(book.path)]
    main(["kill", *where, "--cause", "bad fills"])
    main(["kill", *where, "--cause", "venue is down"])
    capsys.readouterr()
    assert main(["status", *where]) == 0
    out = capsys.readouterr().out
    assert "episode 1, cause OPERATOR (bad fills)" in out
    assert "killed again, which changed nothing (venue is down)" in out
    # A pending request is ended by a kill, and that is a new episode with a cause of its own.
    assert main(["arm", *where]) == 0
    main(["kill", *where, "--cause", "not yet"])
    capsys.readouterr()
    main(["status", *where])
    out = capsys.readouterr().out
    assert "episode 2, cause OPERATOR (not yet)" in out
    assert "killed again" not in out


def test_a_kill_after_a_fault_does_not_pass_for_its_cause(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.emit(Fault(T0 + 2 * S, Cause.HEARTBEAT))
    book.close()
    main(["kill", "--state", str(book.path), "--cause", "saw it too"])
    capsys.readouterr()
    main(["status", "--state", str(book.path)])
    out = capsys.readouterr().out
    assert "cause HEARTBEAT; killed again, which changed nothing (saw it too)" in out


def test_a_trapped_book_is_told_its_own_policys_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Book(tmp_path / "t", INTRADAY._replace(rebase_trapped_ns=7 * DAY_NS))
    made.emit(Equity(T0 + S, 1_000_000, flat=1, stood=1))
    made.emit(Equity(T0 + 2 * S, 800_000, flat=1, stood=1))
    made.close()
    main(["status", "--state", str(made.path)])
    since, until = "2023-11-14 22:13:22 UTC", "2023-11-21 22:13:22 UTC"
    assert f"since {since}; its policy lets it re-base from {until} on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("currency", "per", "said"),
    [("USD", 100, "10,000.00 USD"), ("JPY", 1, "1,000,000 JPY"), ("BTC", 10**8, "0.01000000 BTC")],
)
def test_amounts_are_in_the_books_currency(
    tmp_path: Path, currency: str, per: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Book(tmp_path / "c", INTRADAY, header={"currency": currency, "minor_per_unit": per})
    made.emit(Equity(T0 + S, 1_000_000, gross=500_000, flat=0, stood=1))
    made.close()
    main(["status", "--state", str(made.path)])
    out = capsys.readouterr().out
    assert f"equity       {said}, holding" in out
    assert f"from the mark of {said}" in out
    assert main(["status", "--state", str(made.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["equity"] == 1_000_000


def test_status_of_a_stopped_book(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.journal.release()
    assert main(["status", "--state", str(book.path)]) == 0
    out = capsys.readouterr().out
    for text in (
        "NOT closed",
        "APEX, confidence 100.00%",
        "R1 100 %",
        "latch        RUNNING",
        "1,000,000",
        "R2 struct",
    ):
        assert text in out


# --- a running book ---------------------------------------------------------------------------------------------------


@pytest.fixture
def running(book: Book) -> Iterator[Callable[[dict[str, object]], list[mailbox.Letter]]]:
    """A guard of straw that holds the lock and answers every letter with what it is given."""
    stop = threading.Event()
    threads: list[threading.Thread] = []
    heard: list[mailbox.Letter] = []

    def serve(answer: dict[str, object]) -> list[mailbox.Letter]:
        def loop() -> None:
            while not stop.is_set():
                for letter in mailbox.take(book.path):
                    heard.append(letter)
                    mailbox.answer(book.path, letter, answer)
                time.sleep(0.002)

        threads.append(threading.Thread(target=loop))
        threads[0].start()
        return heard

    mailbox.make(book.path)
    yield serve
    stop.set()
    for thread in threads:
        thread.join()
    book.journal.release()


RUNNING = {"ok": True, "mode": "KILLED", "episode": 3, "posture": "HIBERNATE"}


def test_a_running_book_is_asked_by_letter(
    book: Book, running: Callable[..., list[mailbox.Letter]], capsys: pytest.CaptureFixture[str]
) -> None:
    heard = running(RUNNING)
    assert main(["kill", "--state", str(book.path), "--cause", "drill"]) == 0
    assert "episode 3" in capsys.readouterr().out
    assert (heard[0].verb, heard[0].cause) == ("kill", "drill")


def test_arm_on_a_running_book_prints_the_second_step(
    book: Book, running: Callable[..., list[mailbox.Letter]], capsys: pytest.CaptureFixture[str]
) -> None:
    book.emit(Kill(T0 + 2 * S))
    heard = running({**RUNNING, "mode": "ARM_PENDING", "nonce": 42})
    assert main(["arm", "--state", str(book.path)]) == 0
    out = capsys.readouterr().out
    assert "episode 1, cause OPERATOR" in out
    assert f"dolphin confirm 42 --state {book.path}" in out
    assert dict(heard[0].args) == {"observed_flat": 1, "accepted": 0, "episode": 1}


def test_a_refusal_of_a_running_book_names_its_requirement(
    book: Book, running: Callable[..., list[mailbox.Letter]], capsys: pytest.CaptureFixture[str]
) -> None:
    running({"ok": False, "reason": "WRONG_NONCE", "error": "refused: WRONG_NONCE"})
    assert main(["confirm", "5", "--state", str(book.path)]) == 1
    assert "WRONG_NONCE [DOL-REARM-002]" in capsys.readouterr().out


@pytest.mark.req("DOL-STATE-005")
def test_status_of_a_running_book(
    book: Book, running: Callable[..., list[mailbox.Letter]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--state", str(book.path)]) == 0
    out = capsys.readouterr().out
    assert f"running (process {os.getpid()})" in out
    assert "APEX" in out
    journal = {"failing": True, "refused": 3, "waiting": 2, "lost": 0, "error": "ENOSPC"}
    guard = {"instance": "guard-1", "positions": {"P-1": 7}, "waiting": ["P-1"], "live": True, "journal": journal}
    guard["unknown"] = {"O-1": 12_000}
    mailbox.write(book.path / "status.json", {**guard, "written_ns": str(time.time_ns())})
    assert main(["status", "--state", str(book.path)]) == 0
    out = capsys.readouterr().out
    assert "positions    P-1 7" in out
    assert "waiting for you: P-1" in out
    assert "unknown      may fill, though told as over: O-1 (12,000 lots); what works at the venue" in out
    assert "journal      REFUSES: 3 times, 2 wait, 0 lost; ENOSPC" in out
    for change, why in (({"instance": "guard-0"}, "of a run that is gone"), ({"written_ns": "0"}, "s old")):
        mailbox.write(book.path / "status.json", {**guard, "written_ns": str(time.time_ns()), **change})
        assert main(["status", "--state", str(book.path)]) == 0
        out = capsys.readouterr().out
        assert f"status.json  not shown: it is {why}" in out or f"{why}: the guard has said nothing since" in out
        assert "P-1 7" not in out
    (book.path / "status.json").write_text("[")
    assert main(["status", "--state", str(book.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["guard"] is None


@pytest.mark.req("DOL-WATCH-005", "DOL-WATCH-008")
def test_a_book_that_does_not_answer(
    book: Book, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["kill", "--state", str(book.path), "--timeout", "0.05"]) == 3
    err = capsys.readouterr().err
    assert f"process {os.getpid()} runs this book and does not answer" in err
    assert "withdrawn" in err
    assert "KILL lies there now" in err
    assert killfile.cause_of(str(book.path / "KILL")) == killfile.NO_CAUSE
    (book.path / "KILL").unlink()
    (book.path / "KILL.tmp").mkdir()  # it cannot be made whole
    assert main(["kill", "--state", str(book.path), "--timeout", "0.05"]) == 3
    out, err = capsys.readouterr()
    assert "not all of it is on the disk" in out
    assert "KILL lies there now" in err
    (book.path / "KILL.tmp").rmdir()

    def fails(*args: object) -> None:
        raise error

    error: OSError = OSError(5, "Input/output error")
    for call, word in (("keep", "not all of it is on the disk"), ("put", "could not be left")):
        (book.path / "KILL").unlink()
        with monkeypatch.context() as patch:
            patch.setattr(killfile, call, fails)
            assert main(["kill", "--state", str(book.path), "--timeout", "0.05"]) == 3
        out, err = capsys.readouterr()
        assert word in out
        assert ("end it and repeat the command" in err) == (call == "put")
    error = FileNotFoundError(2, "No such file or directory")  # it woke, and took it
    with monkeypatch.context() as patch:
        patch.setattr(killfile, "keep", fails)
        assert main(["kill", "--state", str(book.path), "--timeout", "0.05"]) == 3
    assert "on the disk" not in capsys.readouterr().out
    (book.path / "KILL").unlink()
    assert main(["arm", "--state", str(book.path), "--timeout", "0.05"]) == 3
    assert not (book.path / "KILL").exists()
    book.journal.release()


@pytest.mark.parametrize("taken", [False, True])
def test_a_letter_of_who_loses_patience_is_withdrawn(book: Book, taken: bool) -> None:
    """Ctrl-C: what was not taken must not be acted upon an hour later; of what was taken one is told."""
    letters = mailbox.folder(book.path)
    argv = [sys.executable, "-m", "dolphin", "kill", "--state", str(book.path), "--timeout", "60"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        found: list[Path] = []
        while not found:
            assert child.poll() is None
            found = list(letters.glob("*.json"))
            time.sleep(0.01)
        if taken:
            found[0].rename(found[0].with_suffix(".taken"))
        time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
    assert out == ""
    assert child.returncode == (3 if taken else 130)
    assert ("interrupted, but it was taken; see the journal" in err) == taken
    assert list(letters.glob("*.json")) == []
    book.journal.release()


# --- who may not ------------------------------------------------------------------------------------------------------


def test_two_operators_at_once(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.close()
    first = Journal.resume(str(book.path / "journal.jsonl"), ts_ns=time.time_ns(), instance="operator-1")
    assert main(["kill", "--state", str(book.path), "--timeout", "0.1"]) == 2
    assert f"another operator's command is at work on this book (process {os.getpid()})" in capsys.readouterr().err
    # Who comes a moment later waits for his turn: a kill must not be refused because somebody looks in.
    threading.Timer(0.2, first.release).start()
    assert main(["kill", "--state", str(book.path)]) == 0


@pytest.mark.parametrize("stands", [None, '{"pid": 4711, "instance": "of a guard that died"}'])
def test_a_lock_that_is_not_signed_yet_is_no_running_book(book: Book, stands: str | None) -> None:
    """Seen under load: four kills at once, and one wrote a letter to another that had locked and not yet signed."""
    book.close()
    path = str(book.path / "journal.jsonl")
    fd = locked(path, RESUME, PORT)
    if stands is not None:
        Path(f"{path}.lock").write_text(stands)
    threading.Timer(0.3, os.close, [fd]).start()
    assert main(["kill", "--state", str(book.path), "--cause", "drill"]) == 0
    assert [data["cause"] for kind, data in said(book.path) if kind == "COMMAND"] == ["drill"]
    assert list((book.path / "mailbox").iterdir()) == []


def test_many_operators_at_once_all_get_their_turn(book: Book) -> None:
    book.close()
    codes: list[int] = []
    command = [sys.executable, "-m", "dolphin", "kill", "--state", str(book.path), "--cause"]
    running = [subprocess.Popen([*command, str(n)], stdout=subprocess.DEVNULL) for n in range(4)]
    codes = [each.wait(timeout=60) for each in running]
    assert codes == [0, 0, 0, 0]
    records = said(book.path)
    assert sorted(str(data["cause"]) for kind, data in records if kind == "COMMAND") == ["0", "1", "2", "3"]
    _, made = folded(book.path / "journal.jsonl")
    assert made.state is not None
    assert made.state.latch.episode == 1


@pytest.mark.req("DOL-STATE-001")
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_directory_that_others_write_to_is_refused(book: Book, mode: int, capsys: pytest.CaptureFixture[str]) -> None:
    book.close()
    book.path.chmod(mode)
    assert main(["status", "--state", str(book.path)]) == 2
    err = capsys.readouterr().err
    assert "others may write to" in err
    assert f"found '{mode:o}'" in err
    assert "chmod 700" in err


@pytest.mark.req("DOL-STATE-001")
def test_a_mailbox_or_journal_that_others_write_to_is_refused(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.close()
    mailbox.make(book.path).chmod(0o777)
    assert main(["kill", "--state", str(book.path)]) == 2
    (book.path / "mailbox").chmod(0o700)
    (book.path / "journal.jsonl").chmod(0o666)
    assert main(["kill", "--state", str(book.path)]) == 2
    assert "journal that others may write to" in capsys.readouterr().err


@pytest.mark.req("DOL-STATE-001")
def test_another_users_directory_is_refused(
    book: Book, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    book.close()
    monkeypatch.setattr(os, "geteuid", lambda: 4_242_424)
    assert main(["kill", "--state", str(book.path)]) == 2
    assert "another user" in capsys.readouterr().err


@pytest.mark.req("DOL-STATE-004")
@pytest.mark.parametrize("what", ["missing", "file", "empty"])
def test_what_is_no_state_directory_is_refused(tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x"
    if what == "file":
        path.write_text("")
    if what == "empty":
        path.mkdir(mode=0o700)
    assert main(["status", "--state", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


@pytest.mark.req("DOL-STATE-003")
def test_a_broken_journal_is_not_acted_upon(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.close()
    path = book.path / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"1000000", b"1000001", 1))
    before = path.read_bytes()
    assert main(["rebase", "--state", str(book.path)]) == 2
    assert "journal.jsonl:2: record 1" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert main(["kill", "--state", str(book.path)]) == 0  # kept by the latch file
    assert "journal.jsonl:2: record 1" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_the_lock_tells_running_from_stopped(book: Book) -> None:
    who = holder(checked(book.path))
    assert who is not None
    assert (who.pid, who.instance, who.operator) == (os.getpid(), "guard-1", False)
    book.close()
    assert holder(checked(book.path)) is None
