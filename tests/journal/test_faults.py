"""A fault at every call of the system: nothing acknowledged is lost, the file is recovered, a GAP says the rest."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dolphin.journal import Journal, JournalError, JournalUnreadable, JournalWriteError, read, recover, verify
from dolphin.journal.files import PORT, Port, word, write_whole

POLICY = "0123456789abcdef" * 4
T0 = 1_600_000_000_000_000_000
Make = Callable[..., Journal]


class Faults:
    """A port that fails at the `at`-th call (from 0), or from there on, or at those of one name."""

    def __init__(self, at: int = -1, *, lasting: bool = False, only: str = "", error: int = errno.EIO) -> None:
        self.at, self.lasting, self.only, self.error = at, lasting, only, error
        self.calls: list[str] = []
        self.on = True

    def port(self) -> Port:
        return Port(**{name: self._wrapped(name, getattr(PORT, name)) for name in Port._fields})

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            if not self.on:
                return call(*args)
            if self.only and name != self.only:
                return call(*args)
            at = len(self.calls)
            self.calls.append(name)
            if at == self.at or (self.lasting and at > self.at >= 0):
                if name == "close":
                    call(*args)
                raise OSError(self.error, "injected")
            return call(*args)

        return wrapped


def scenario(path: str, port: Port) -> tuple[list[int], list[Exception]]:
    """Create, write, sync, rotate, close, resume a torn file, write, rotate, close; what was acknowledged, what was
    refused.
    """
    acknowledged: list[int] = []
    refused: list[Exception] = []

    def attempt(call: Callable[[], object]) -> Any:
        try:
            return call()
        except JournalError as error:
            refused.append(error)

    def session(journal: Journal | None) -> None:
        if journal is None:
            return
        for step in range(3):
            seq = attempt(partial(journal.append, T0 + step, "NOTE", f'{{"step":{step}}}'))
            if seq is not None:
                acknowledged.append(seq)
            attempt(journal.flush)
            if step == 1:
                attempt(partial(journal.rotate, T0 + step, "{}"))
        attempt(lambda: journal.close(T0 + 9))
        journal.release()

    session(attempt(lambda: Journal.create(path, {}, policy_hash=POLICY, ts_ns=T0, durability="power", port=port)))
    if Path(path).exists():
        with Path(path).open("ab") as file:
            file.write(b'{"seq":torn')
    session(attempt(lambda: Journal.resume(path, ts_ns=T0 + 10, durability="power", port=port)))
    return acknowledged, refused


def calls_of_scenario(folder: Path) -> list[str]:
    faults = Faults()
    acknowledged, refused = scenario(str(folder / "plain"), faults.port())
    assert not refused
    assert len(acknowledged) == 6
    return faults.calls


@pytest.mark.req("DOL-JOURNAL-002")
@pytest.mark.req("DOL-JOURNAL-006")
@pytest.mark.parametrize("lasting", [False, True])
def test_a_fault_at_every_call(tmp_path: Path, lasting: bool) -> None:
    calls = calls_of_scenario(tmp_path)
    assert {*calls} == {*Port._fields} - {"pwrite"}  # the latch file's: test_latchfile.py
    for at in range(len(calls)):
        path = str(tmp_path / f"{at}-{lasting}")
        acknowledged, refused = scenario(path, Faults(at, lasting=lasting).port())
        if not Path(path).exists():
            assert refused
            continue
        if not Path(path).stat().st_size:
            assert refused
            assert not acknowledged
            continue
        try:
            written = [record.seq for record in recover(path).records() if record.kind == "NOTE"]
        except JournalUnreadable:
            assert not acknowledged
            continue
        assert {*acknowledged} <= {*written}, (at, calls[at])


@pytest.mark.req("DOL-JOURNAL-006")
def test_a_gap_says_what_is_missing(path: str, create: Make) -> None:
    faults = Faults(0, lasting=True, only="write", error=errno.ENOSPC)
    faults.on = False
    journal = create(port=faults.port())
    faults.on = True
    for step in range(3):
        assert journal.broken == (step > 0)
        with pytest.raises(JournalWriteError, match="ENOSPC") as found:
            journal.append(T0 + 7 + step, "NOTE", "{}")
        assert (found.value.error, found.value.lost) == ("ENOSPC", step + 1)
    faults.on = False
    assert journal.append(T0 + 20, "NOTE", "{}") == 2
    assert not journal.broken
    journal.close(T0 + 21)
    gap = [*read(path)][1]
    assert gap.kind == "GAP"
    assert gap.ts_ns == T0 + 20
    assert gap.data == {"from": 1, "count": 3, "since_ns": str(T0 + 7), "error": "ENOSPC", "unsynced": 0}
    verdict = verify(path)
    assert (verdict.gaps, verdict.lost, verdict.closed) == (1, 3, True)


def test_the_record_after_a_gap_may_fail_alone(path: str, create: Make) -> None:
    failing = [False]
    countdown = [0]

    def write(fd: int, content: bytes) -> int:
        if failing[0]:
            countdown[0] -= 1
            if countdown[0] < 0:
                raise OSError(errno.EIO, "injected")
        return os.write(fd, content)

    journal = create(port=PORT._replace(write=write))
    failing[0] = True
    with pytest.raises(JournalWriteError):
        journal.append(T0, "NOTE", "{}")
    countdown[0] = 1
    with pytest.raises(JournalWriteError) as found:
        journal.append(T0 + 1, "NOTE", "{}")
    assert found.value.lost == 1
    failing[0] = False
    journal.close(T0 + 2)
    assert [record.kind for record in read(path)] == ["HEADER", "GAP", "GAP", "CLOSE"]
    assert verify(path).lost == 2


@pytest.mark.req("DOL-JOURNAL-005")
def test_a_partial_line_is_undone_or_waits(path: str, create: Make) -> None:
    trouble = {"write": False, "ftruncate": False}

    def write(fd: int, content: bytes) -> int:
        if not trouble["write"]:
            return os.write(fd, content)
        if len(content) < 100:
            raise OSError(errno.ENOSPC, "injected")
        return os.write(fd, content[:60])

    def ftruncate(fd: int, size: int) -> None:
        if trouble["ftruncate"]:
            raise OSError(errno.EIO, "injected")
        os.ftruncate(fd, size)

    journal = create(port=PORT._replace(write=write, ftruncate=ftruncate))
    size = Path(path).stat().st_size
    trouble["write"] = True
    with pytest.raises(JournalWriteError):
        journal.append(T0, "NOTE", "{}")
    assert Path(path).stat().st_size == size
    trouble["ftruncate"] = True
    with pytest.raises(JournalWriteError):
        journal.append(T0, "NOTE", "{}")
    assert recover(path).torn_bytes > 0
    trouble["write"] = False
    with pytest.raises(JournalWriteError, match="EIO"):
        journal.append(T0, "NOTE", "{}")
    trouble["ftruncate"] = False
    journal.close(T0)
    found = verify(path)
    assert (found.gaps, found.lost, found.torn, found.closed) == (1, 3, 0, True)


def test_a_short_write_is_continued(path: str, create: Make) -> None:
    with create(port=PORT._replace(write=lambda fd, content: os.write(fd, content[:7]))) as journal:
        journal.append(T0, "NOTE", "{}")
    assert verify(path).records == 3


def test_a_write_that_takes_nothing_is_an_error() -> None:
    with pytest.raises(OSError, match="no byte"):
        write_whole(PORT._replace(write=lambda fd, content: 0), 1, b"x")


@pytest.mark.req("DOL-JOURNAL-006")
@pytest.mark.parametrize("written", [0, 20, None])
def test_an_interrupted_write_is_looked_up(path: str, create: Make, written: int | None) -> None:
    interrupted = [False]

    def write(fd: int, content: bytes) -> int:
        if not interrupted[0]:
            return os.write(fd, content)
        interrupted[0] = False
        os.write(fd, content[:written])
        raise KeyboardInterrupt

    journal = create(port=PORT._replace(write=write))
    interrupted[0] = True
    with pytest.raises(KeyboardInterrupt):
        journal.append(T0 + 1, "NOTE", '{"a":1}')
    journal.close(T0 + 2)
    records = [*read(path)]
    if written is None:
        assert [record.kind for record in records] == ["HEADER", "NOTE", "CLOSE"]
    else:
        assert [record.kind for record in records] == ["HEADER", "GAP", "CLOSE"]
        assert records[1].data["error"] == "INTERRUPTED"
        assert records[1].data["since_ns"] == str(T0 + 1)


@pytest.mark.req("DOL-JOURNAL-006")
def test_a_failed_sync_leaves_its_records_in_doubt(path: str, create: Make) -> None:
    faults = Faults(0, lasting=True, only="fdatasync")
    faults.on = False
    journal = create(durability="power", port=faults.port())
    faults.on = True
    journal.append(T0 + 1, "NOTE", "{}")
    journal.append(T0 + 2, "NOTE", "{}")
    with pytest.raises(JournalWriteError, match="EIO") as found:
        journal.flush()
    assert found.value.kept
    faults.on = False
    journal.close(T0 + 3)
    gap = [record for record in read(path) if record.kind == "GAP"]
    assert [record.data["unsynced"] for record in gap] == [2]
    assert verify(path).lost == 0


def test_a_sync_that_fails_after_the_gap_was_written(path: str, create: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dolphin.journal.tape.GROUP_NS", 0)
    faults = Faults(0, lasting=True, only="fdatasync")
    faults.on = False
    journal = create(durability="power", port=faults.port())
    faults.on = True
    for kept in (True, False):  # the second time it was the GAP before the record that could not be synced
        with pytest.raises(JournalWriteError, match="EIO") as found:
            journal.append(T0 + 1, "NOTE", "{}")
        assert found.value.kept is kept
    faults.on = False
    journal.close(T0 + 3)
    assert [record.kind for record in read(path)] == ["HEADER", "NOTE", "GAP", "GAP", "CLOSE"]
    assert verify(path).lost == 1


def test_a_head_file_that_cannot_be_written_stops_no_record(path: str, create: Make) -> None:
    faults = Faults(0, lasting=True, only="replace")
    journal = create(port=faults.port())
    assert journal.append(T0, "NOTE", "{}") == 1
    with pytest.raises(JournalWriteError, match=r"head: not written, EIO \(Input/output error\)"):
        journal.close(T0)
    assert verify(path).closed


CHILD = """
import resource, signal, sys
from dolphin.journal import Journal, JournalWriteError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal.create(sys.argv[1], {}, policy_hash="0123456789abcdef" * 4, ts_ns=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 100000))
acknowledged, lost = [], 0
for step in range(200):
    try:
        acknowledged.append(journal.append(step, "NOTE", '{"step":%d}' % step))
    except JournalWriteError as error:
        assert error.error == "EFBIG", error
        lost += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
journal.append(999, "NOTE", "{}")
journal.close(1000)
print(len(acknowledged), lost)
"""


@pytest.mark.req("DOL-JOURNAL-006")
def test_a_real_limit_on_the_size_of_files(path: str) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, path], capture_output=True, text=True, check=True)
    acknowledged, lost = map(int, done.stdout.split())
    assert acknowledged + lost == 200
    assert lost > 100
    found = verify(path)
    assert (found.gaps, found.lost, found.closed, found.torn) == (1, lost, True, 0)
    assert found.records == 1 + acknowledged + 1 + 1 + 1


@pytest.mark.req("DOL-JOURNAL-006")
def test_a_real_full_disk(small_disk: Path) -> None:
    path = str(small_disk / "j")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 20_000)
    journal = Journal.create(path, {}, policy_hash=POLICY, ts_ns=T0)
    lost = 0
    for step in range(1000):
        try:
            journal.append(T0 + step, "NOTE", "{}")
        except JournalWriteError as error:
            lost += error.error == "ENOSPC"
    assert lost > 0
    ballast.unlink()
    journal.close(T0 + 1000)
    found = verify(path)
    assert (found.lost, found.closed, found.torn) == (lost, True, 0)
    assert found.records == 1 + (1000 - lost) + 2


def test_every_error_has_a_word() -> None:
    assert word(OSError(errno.ENOSPC, "")) == "ENOSPC"
    assert word(OSError(9999, "")) == "errno 9999"
    assert word(OSError()) == "OSError"
