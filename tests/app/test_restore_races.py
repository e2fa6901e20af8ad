"""A restore beside somebody else: a host that starts, or dies with it, at each of its steps; two processes, real locks.

What a host was told is in its journal must be in a file with a name, whoever comes first; and what comes up after a
restore comes up killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from dolphin.app.cli import main
from dolphin.app.state_dir import JOURNAL
from dolphin.journal import JournalError, LatchFile, encode, read, read_latch, recover, verify
from dolphin.journal.beat import HEARTBEAT, Heart, read_beat
from dolphin.kernel.events import Equity
from dolphin.kernel.policy import INTRADAY
from dolphin.kernel.state import Latch, Mode
from dolphin.nautilus.opening import Opened, opened
from tests.app.books import T0, Book
from tests.watchdog.rig import Process, eventually

S = 10**9
STEPS = ("_copied", "_read", "_held", "_compare", "_killed", "_set_aside", "rename", "_finished", "write_head")
UNDER_THE_LOCK = STEPS[3:]
KINDS = ("an older book", "a damaged book", "no book")
CASES = [(step, kind) for step in STEPS for kind in KINDS if (step, kind) != ("_set_aside", "no book")]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A backup, and beside it the state directory `home` with an older journal of the same book."""
    book = Book(tmp_path / "home", INTRADAY, header={"latch": 1, "host": "live"})
    for number in range(1, 10):
        book.emit(Equity(T0 + number * S, 1_000_000, flat=1))
    LatchFile.create(str(book.path / JOURNAL), "guard-1", Latch(), 0).release()
    before = (book.path / JOURNAL).read_bytes()
    for number in range(10, 20):
        book.emit(Equity(T0 + number * S, 1_000_000, flat=1))
    assert main(["backup", "--state", str(book.path), "--to", str(tmp_path / "kept")]) == 0
    book.journal.release()
    (book.path / JOURNAL).write_bytes(before)
    (book.path / f"{JOURNAL}.head").unlink()
    return tmp_path / "kept"


def made(kept: Path, kind: str) -> Path:
    home = kept.parent / "home"
    path = home / JOURNAL
    if kind == "no book":
        path.unlink()
    elif kind == "a damaged book":
        path.write_bytes(path.read_bytes().replace(b'"equity":1000000', b'"equity":1000001', 1))
    return home


def started(home: Path, header: Any) -> Opened:
    """What a host does when it starts: it takes the journal up, or begins one, and writes."""
    found = opened(home, INTRADAY, header, T0 + 500 * S, "write", True)
    found.journal.append(T0 + 500 * S, "NOTE", encode({"what": "the host was told that this is kept"}))
    return found


def told(home: Path) -> list[str]:
    """The notes of every journal that has a name."""
    found = []
    for path in sorted(home.glob("journal*.jsonl")):
        try:
            found += [str(record.data.get("what")) for record in read(str(path)) if record.kind == "NOTE"]
        except JournalError:
            assert path.name != JOURNAL  # a damaged one that was set aside
    return [what for what in found if what != "resumed"]


@pytest.mark.req("DOL-JOURNAL-014")
@pytest.mark.parametrize(("step", "kind"), CASES)
def test_a_host_that_starts_while_a_book_is_restored_loses_nothing(kept: Path, step: str, kind: str) -> None:
    home = made(kept, kind)
    header = next(iter(recover(str(kept / JOURNAL)).records())).data
    host = None
    with Process("tests.app.restoring", step, kept, home) as restore:
        restore.until(f"at {step}")
        try:
            host = started(home, header)
        except JournalError:
            assert step in UNDER_THE_LOCK or kind == "a damaged book"
        restore.say("go on")
        code = restore.ended()
    if host is not None:
        assert code == 2, restore.lines
        assert any("locked by" in line for line in restore.lines)
        assert read_latch(str(home / JOURNAL)).said.killed is False  # type: ignore[union-attr]
        host.journal.append(T0 + 501 * S, "NOTE", encode({"what": "and this"}))
        host.journal.release()
        assert told(home) == ["the host was told that this is kept", "and this"]
    else:
        assert code == 0, restore.lines
        verify(str(home / JOURNAL), recover(str(kept / JOURNAL)).head.anchor)
        again = started(home, header)
        assert again.held is not None or again.state.latch.mode == Mode.KILLED
        again.journal.release()
    assert not [name for name in os.listdir(home) if ".part" in name or name.endswith(".lock")]


@pytest.mark.req("DOL-JOURNAL-014")
@pytest.mark.parametrize(("step", "kind"), [case for case in CASES if case[1] != "an older book"])
def test_a_restore_that_is_killed_leaves_what_was_there_or_a_killed_book(kept: Path, step: str, kind: str) -> None:
    home = made(kept, kind)
    header = next(iter(recover(str(kept / JOURNAL)).records())).data
    with Process("tests.app.restoring", step, kept, home) as restore:
        restore.until(f"at {step}")
        restore.send("SIGKILL")
        restore.popen.wait()
    killed = read_latch(str(home / JOURNAL)).said.killed  # type: ignore[union-attr]
    assert killed == (step in STEPS[5:])
    shutil.copytree(home, kept.parent / "copy", symlinks=True)
    for where in (home, kept.parent / "copy"):
        if where == home:  # the restore can be done again
            assert main(["restore", "--from", str(kept), "--state", str(where)]) == (
                2 if step in ("_finished", "write_head") else 0
            )
        try:
            host = started(where, header)
        except JournalError:
            assert where != home  # damaged as it was, or a name that was claimed
            continue
        assert not killed or host.held is not None or host.state.latch.mode == Mode.KILLED
        host.journal.release()


@pytest.mark.req("DOL-JOURNAL-014")
def test_of_two_restores_one_is_refused(kept: Path) -> None:
    home = made(kept, "no book")
    with (
        Process("tests.app.restoring", "_killed", kept, home) as one,
        Process("tests.app.restoring", "_held", kept, home) as other,
    ):
        one.until("at _killed")
        other.until("at _held")
        other.say("go on")
        assert other.ended() == 2
        assert any("locked by" in line and "operator-" in line for line in other.lines), other.lines
        one.say("go on")
        assert one.ended() == 0, one.lines
    verify(str(home / JOURNAL), recover(str(kept / JOURNAL)).head.anchor)


@pytest.mark.req("DOL-JOURNAL-014")
def test_a_journal_that_was_put_there_while_the_lock_was_taken_is_not_replaced(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rotation, or another restore, between the opening of the file and its lock."""
    from dolphin.app import backup

    home = made(kept, "an older book")
    real = backup.locked

    def late(path: str, flags: int, port: Any) -> int:
        fd = real(path, flags, port)
        if path == str(home / JOURNAL):
            os.rename(path, f"{path}.away")
            shutil.copy(f"{path}.away", path)
        return fd

    monkeypatch.setattr(backup, "locked", late)
    assert main(["restore", "--from", str(kept), "--state", str(home)]) == 2
    assert "just now" in capsys.readouterr().err
    assert read_latch(str(home / JOURNAL)).said.killed is False  # type: ignore[union-attr]
    monkeypatch.setattr(backup, "locked", lambda *args: (real(*args), os.unlink(home / JOURNAL))[0])
    assert main(["restore", "--from", str(kept), "--state", str(home)]) == 2


# --- whose journal is not where it was, and who runs all the same ----------------------------------------------------


@pytest.mark.req("DOL-JOURNAL-014")
@pytest.mark.parametrize("stopped", [False, True])
def test_a_book_that_beats_is_not_restored_over_though_its_journal_is_gone(
    kept: Path, capsys: pytest.CaptureFixture[str], stopped: bool
) -> None:
    home = made(kept, "no book")
    with Process("tests.watchdog.beating_child", home) as host:
        host.until("beats")
        if stopped:
            host.send("SIGSTOP")
        assert main(["restore", "--from", str(kept), "--state", str(home)]) == 2
        said = capsys.readouterr().err
        assert f"process {host.pid} beats here" in said
        assert os.listdir(home).count(JOURNAL) == 0
        host.send("SIGKILL")
        host.popen.wait()
    assert main(["restore", "--from", str(kept), "--state", str(home)]) == 0


@pytest.mark.req("DOL-JOURNAL-014")
def test_nor_one_of_a_container_whose_processes_are_not_seen(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = made(kept, "no book")
    with subprocess.Popen(["true"]) as ended:
        pass
    heart = Heart.create(str(home / HEARTBEAT), "i")
    heart.last = heart.last._replace(who=heart.last.who._replace(pid=ended.pid))
    done = threading.Event()

    def beats() -> None:
        while not done.wait(0.02):
            heart.beat(False)

    thread = threading.Thread(target=beats)
    thread.start()
    try:
        eventually(lambda: read_beat(heart.path).who.pid == ended.pid)  # type: ignore[union-attr]
        assert main(["restore", "--from", str(kept), "--state", str(home)]) == 2
    finally:
        done.set()
        thread.join()
    assert f"process {ended.pid} beats here" in capsys.readouterr().err
    assert main(["restore", "--from", str(kept), "--state", str(home)]) == 0  # it has fallen silent
