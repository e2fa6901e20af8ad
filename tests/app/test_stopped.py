"""A kill on a stopped book where journal or latch file refuses, and what status says of a latch file that is not right.

What refuses is the operating system: a limit on the size of files, a directory where a file should be.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dolphin.app.cli import main
from dolphin.app.operator import tell_latch
from dolphin.app.state_dir import checked
from dolphin.app.status import of
from dolphin.app.stopped import act
from dolphin.journal import JournalUnreadable, JournalWriteError, LatchFile
from dolphin.journal.latchfile import SLOT_BYTES, latch_path, read_latch
from dolphin.journal.recovery import recover
from dolphin.kernel.events import Equity, Kill
from dolphin.kernel.policy import INTRADAY
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Latch, Mode
from dolphin.nautilus.opening import opened
from tests.app.books import T0, Book
from tests.watchdog.rig import Process, eventually

S = 10**9
SAMPLES = 60
"""Enough that the journal is longer than the latch file: a limit at its size stops the journal alone."""


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path / "book", INTRADAY, header={"latch": 1})
    for number in range(1, SAMPLES):
        made.emit(Equity(T0 + number * S, 1_000_000, flat=1))
    LatchFile.create(str(journal(made)), "guard-1", Latch(), 0).release()
    yield made
    made.journal.release()


@pytest.fixture
def limit() -> Iterator[Callable[[int], None]]:
    """No file of this process grows beyond so many bytes: the system then says EFBIG, as ENOSPC on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def to(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    yield to
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


def journal(book: Book) -> Path:
    return book.path / "journal.jsonl"


def kinds(book: Book) -> list[str]:
    return [record.kind for record in recover(str(journal(book))).records()]


def latched(book: Book) -> bool:
    found = read_latch(str(journal(book)))
    return found is not None and found.said is not None and found.said.killed


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("torn", [b"", b'{"seq":60,"ts"'])
def test_a_kill_on_a_full_disk_is_kept_where_the_last_line_is_torn_too(
    book: Book, limit: Callable[[int], None], torn: bytes
) -> None:
    book.journal.release()
    size = journal(book).stat().st_size
    assert size > 2 * SLOT_BYTES
    with open(journal(book), "ab") as file:
        file.write(torn)
    limit(size)
    for _ in range(2):  # the second finds the torn line cut
        answer = act(checked(book.path), "kill", {}, "full")
        assert (answer["mode"], answer["episode"]) == ("KILLED", 1)
        assert "EFBIG" in answer["unjournalled"]
    assert latched(book)
    assert journal(book).stat().st_size == size
    assert of(checked(book.path), None)["mode"] == "KILLED"


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("room", [700, 1_100, 1_500, 2_000])
def test_a_disk_that_fills_within_the_command_costs_no_kill(
    book: Book, limit: Callable[[int], None], room: int
) -> None:
    book.journal.release()
    limit(journal(book).stat().st_size + room)
    answer = act(checked(book.path), "kill", {}, "x" * 3_000)
    assert ("unjournalled" in answer) == ("KILL" not in kinds(book))
    assert ("uncommanded" in answer) == ("KILL" in kinds(book))
    assert latched(book)
    assert of(checked(book.path), None)["mode"] == "KILLED"


@pytest.mark.req("DOL-KILL-006")
def test_a_kill_that_only_the_latch_file_refuses_is_in_the_journal(
    tmp_path: Path, limit: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    book = Book(tmp_path / "small", INTRADAY, header={"latch": 1})
    book.close()
    # Its next slot is the second, which the limit cuts after some bytes; a torn write leaves the first as it was.
    latch_file = LatchFile.create(str(journal(book)), "guard-0", Latch(), 0)
    latch_file.say(Latch(Mode.KILLED, 1, Cause.OPERATOR, 1), 0)
    latch_file.release()
    book.journal.release()
    assert journal(book).stat().st_size < SLOT_BYTES - 2_000
    limit(SLOT_BYTES + 9)
    code = main(["kill", "--state", str(book.path), "--cause", "drill"])
    limit(resource.RLIM_INFINITY)
    assert code == 0
    out = capsys.readouterr().out
    assert "killed: episode 1" in out
    assert "kept by the journal alone, the latch file refuses" in out
    assert kinds(book)[-2:] == ["COMMAND", "CLOSE"]
    assert of(checked(book.path), None)["mode"] == "KILLED"


@pytest.mark.req("DOL-KILL-006")
def test_a_latch_file_that_cannot_be_read_stops_no_kill(book: Book) -> None:
    book.journal.release()
    where = Path(latch_path(str(journal(book))))
    where.unlink()
    where.mkdir()
    with pytest.raises(JournalUnreadable):
        act(checked(book.path), "arm", {"episode": 0}, "")
    assert "EISDIR" in act(checked(book.path), "kill", {}, "drill")["unlatched"]
    assert kinds(book)[-4:] == ["RESUME", "KILL", "COMMAND", "CLOSE"]


@pytest.mark.req("DOL-KILL-006")
def test_a_kill_that_both_refuse_is_not_called_done(book: Book, limit: Callable[[int], None]) -> None:
    book.journal.release()
    opened = len(os.listdir("/proc/self/fd"))
    limit(1)
    with pytest.raises(JournalWriteError):
        act(checked(book.path), "kill", {}, "")
    assert len(os.listdir("/proc/self/fd")) == opened
    limit(resource.RLIM_INFINITY)
    assert not latched(book)
    assert "KILL" not in kinds(book)


def changed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"1000000", b"1000001", 1))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("harm", [changed, emptied])
@pytest.mark.parametrize("twice", [False, True])
def test_a_kill_on_a_journal_that_cannot_be_folded_is_kept_by_the_latch_file(
    book: Book, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None], twice: bool
) -> None:
    """It holds whether the journal is restored from a copy or begun anew; any other verb is refused as before."""
    book.close()
    book.journal.release()
    good = journal(book).read_bytes()
    harm(journal(book))
    for number in range(1, 2 + twice):
        assert main(["kill", "--state", str(book.path), "--cause", "drill"]) == 0
        out = capsys.readouterr().out
        assert f"killed: episode {number}, latch KILLED, posture HIBERNATE" in out
        assert f"kept by the latch file alone, the next start journals it: {journal(book)}" in out
    assert main(["arm", "--state", str(book.path)]) == 2
    assert latched(book)
    begun = {**json.loads(good.splitlines()[0])["data"], "host": "live"}
    journal(book).write_bytes(good)
    assert of(checked(book.path), None)["mode"] == "KILLED"
    harm(journal(book))
    found = opened(book.path, INTRADAY, begun, T0, "write", False)
    found.latch_file.release()
    found.journal.release()
    assert found.held is not None
    assert found.held.cause == Cause.OPERATOR


@pytest.mark.req("DOL-KILL-006")
def test_a_file_that_is_no_journal_gets_no_latch_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "journal.jsonl").write_text("hello\n")
    tmp_path.chmod(0o700)
    assert main(["kill", "--state", str(tmp_path)]) == 2
    assert "is no journal" in capsys.readouterr().err
    assert read_latch(str(tmp_path / "journal.jsonl")) is None


# --- status -----------------------------------------------------------------------------------------------------------


def missing(where: Path) -> None:
    where.unlink()


def damaged(where: Path) -> None:
    where.write_bytes(b"?" * SLOT_BYTES + where.read_bytes()[SLOT_BYTES:])


def unreadable(where: Path) -> None:
    where.unlink()
    where.mkdir()


@pytest.mark.req("DOL-STATE-005")
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (missing, "comes up KILLED: the latch file is missing"),
        (damaged, "comes up KILLED: 1 of the 2 slots of the latch file are damaged"),
        (unreadable, "is refused: "),
    ],
)
def test_a_book_that_runs_is_not_called_killed_for_a_harmed_latch_file(
    book: Book, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None], said: str
) -> None:
    harm(Path(latch_path(str(journal(book)))))
    assert main(["status", "--state", str(book.path)]) == 0
    out = capsys.readouterr().out
    assert "book         running" in out
    assert "latch        RUNNING" in out
    assert f"next start   {said}" in out


@pytest.mark.req("DOL-STATE-005")
@pytest.mark.parametrize("harm", [lambda _: None, damaged])
def test_a_slot_that_says_killed_is_believed_of_a_running_book(
    book: Book, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None]
) -> None:
    path = str(journal(book))
    latch_file = LatchFile.create(path, "guard-1", Latch(Mode.KILLED, 1, Cause.OPERATOR, 1), SAMPLES)
    latch_file.release()
    harm(Path(latch_path(path)))
    assert main(["status", "--state", str(book.path)]) == 0
    out = capsys.readouterr().out
    assert "latch        KILLED, episode 1" in out
    assert "next start" not in out


@pytest.mark.req("DOL-STATE-005")
def test_a_harmed_latch_file_of_a_stopped_book_is_killed(book: Book) -> None:
    book.journal.release()
    missing(Path(latch_path(str(journal(book)))))
    assert of(checked(book.path), None)["mode"] == "KILLED"


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("killed", [False, True])
def test_a_latch_file_that_cannot_be_read_hides_nothing_of_a_stopped_book(
    book: Book, capsys: pytest.CaptureFixture[str], killed: bool
) -> None:
    """The journal's word is told; the latch is unknown where the journal does not say KILLED; the exit code is 2."""
    if killed:
        book.emit(Kill(T0 + SAMPLES * S))
    book.journal.release()
    unreadable(Path(latch_path(str(journal(book)))))
    assert main(["status", "--state", str(book.path)]) == 2
    out, err = capsys.readouterr()
    assert "equity       1,000,000 minor units, flat" in out
    assert "drawdown     0 %" in out
    assert "next start   is refused: " in out
    if killed:
        assert "latch        KILLED, episode 1, cause OPERATOR (none given)" in out
    else:
        assert "latch        UNKNOWN: the journal says RUNNING, but a kill may stand that it could not record" in out
    assert err.startswith("error: ")
    assert "journal.jsonl.latch: cannot be read (EISDIR)" in err
    assert "not known to be open" in err
    assert main(["status", "--state", str(book.path), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["mode"] == ("KILLED" if killed else "UNKNOWN")
    assert found["next_start"].startswith("is refused: ")
    assert main(["arm", "--state", str(book.path)]) == 2
    out, err = capsys.readouterr()
    assert ("latch: KILLED, episode 1" if killed else "latch: UNKNOWN: the journal says RUNNING") in out
    assert "cannot be read (EISDIR)" in err


# --- what an operator is told of it -----------------------------------------------------------------------------------


VERBS = {
    "arm": ["arm", "--accept-position"],
    "confirm": ["confirm", "5"],
    "rebase": ["rebase"],
    "rebase confirm": ["rebase", "--confirm", "5"],
    "adopt": ["adopt"],
    "flow": ["flow", "5", "--confirm=5"],
    "kill": ["kill"],
}


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("argv", VERBS.values(), ids=VERBS)
def test_each_verb_says_that_the_latch_file_refuses_and_what_was_journalled_of_it(
    tmp_path: Path, limit: Callable[[int], None], capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    """A damaged slot is a kill that the journal does not know; the command journals it, and cannot mend the slot."""
    book = Book(tmp_path / "small", INTRADAY, header={"latch": 1})
    book.emit(Equity(T0, 1_000_000, flat=1))
    book.close()
    book.journal.release()
    LatchFile.create(str(journal(book)), "guard-1", Latch(), 0).release()
    where = Path(latch_path(str(journal(book))))
    where.write_bytes(where.read_bytes()[:SLOT_BYTES] + b"?" * SLOT_BYTES)
    limit(2 * SLOT_BYTES - 1)
    main([*argv, "--state", str(book.path), "--cause", "drill"])
    limit(resource.RLIM_INFINITY)
    out = capsys.readouterr().out
    assert "kept by the journal alone, the latch file refuses: " in out
    assert "EIO" in out
    assert "the kill that the journal did not know of is journalled now: 1 of the 2 slots" in out
    assert kinds(book).count("FAULT") == 1
    command = [record.data for record in recover(str(journal(book))).records() if record.kind == "COMMAND"][-1]
    assert "EIO" in command["answer"]["unlatched"]
    assert "1 of the 2 slots" in command["answer"]["held"]


def test_a_latch_file_that_does_not_take_the_confirm_is_told_as_what_it_costs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A running book's answer: the kill is left, and the next start may not know."""
    tell_latch({"mode": "RUNNING", "unlatched": "EIO"})
    assert capsys.readouterr().out == "the latch file refuses, so the next start may come up KILLED: EIO\n"


@pytest.mark.req("DOL-LIMIT-003")
@pytest.mark.parametrize("verb", ["propose", "confirm", "enable"])
def test_limits_of_a_book_that_stops_while_it_is_asked_are_not_changed(book: Book, verb: str) -> None:
    (book.path / "limits.toml").write_text('[order_quantity]\nmode = "on"\nvalue = 5\n')
    said = {"propose": [book.path / "limits.toml"], "confirm": ["--nonce", "7"], "enable": ["TREND-000"]}[verb]
    before = journal(book).read_bytes()
    with Process("dolphin", "limits", verb, *said, "--state", book.path, "--timeout", 60) as asking:
        eventually(lambda: list((book.path / "mailbox").glob("*.json")), 60)
        book.journal.release()  # it ends, and nobody will read the letter
        assert asking.ended(60) == 2, asking.lines
    assert any(f"limits-{verb} is for a running one" in line for line in asking.lines), asking.lines
    assert journal(book).read_bytes() == before
    assert list((book.path / "mailbox").iterdir()) == []
