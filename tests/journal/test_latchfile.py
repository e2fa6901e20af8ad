"""The latch file: what a kill leaves on a disk that takes nothing, however the write of it ends."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dolphin.journal import Head, Journal, JournalUnreadable, JournalWriteError, LatchFile, latch_path, read_latch
from dolphin.journal.files import PORT, Port, spelled
from dolphin.journal.latchfile import (
    INSTANCE_CHARS,
    SLOT_BYTES,
    SLOTS,
    Found,
    Held,
    Latched,
    begin,
    holding,
    slot_of,
    take_up,
)
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Latch, Mode

POLICY = "0123456789abcdef" * 4
ME = "a" * 32
RUNNING = Latch()
KILLED = Latch(Mode.KILLED, 1, Cause.OPERATOR, 1_700_000_000_000_000_000)
PENDING = KILLED._replace(mode=Mode.ARM_PENDING, armed_ns=1, nonce=2)
CONFIRMED = Latch(Mode.RUNNING, 1)
AGAIN = Latch(Mode.KILLED, 2, Cause.JOURNAL_WRITE, 1_700_000_001_000_000_000)


def said(path: str) -> Latched:
    found = read_latch(path)
    assert found is not None
    assert found.damaged == 0
    assert found.said is not None
    return found.said


def content(path: str) -> bytes:
    return Path(latch_path(path)).read_bytes()


@pytest.fixture
def file(path: str) -> Iterator[LatchFile]:
    made = LatchFile.create(path, ME, RUNNING, 0)
    yield made
    made.release()


@pytest.mark.req("DOL-STATE-001")
@pytest.mark.req("DOL-KILL-006")
def test_it_is_all_there_before_it_is_needed_and_its_owners_only(path: str, file: LatchFile) -> None:
    seen = os.stat(latch_path(path))
    assert seen.st_size == SLOTS * SLOT_BYTES
    assert stat.S_IMODE(seen.st_mode) == 0o600
    assert said(path) == Latched(ME, False, 0, Cause.NONE, -1, 0)
    blocks = seen.st_blocks
    for latch in (KILLED, CONFIRMED, AGAIN):
        file.say(latch, 7)
        assert os.stat(latch_path(path)).st_size == SLOTS * SLOT_BYTES
    assert os.stat(latch_path(path)).st_blocks == blocks


@pytest.mark.req("DOL-KILL-006")
def test_it_says_what_it_was_told(path: str, file: LatchFile) -> None:
    assert not file.killed
    file.say(KILLED, 12)
    assert file.killed
    assert said(path) == Latched(ME, True, 1, Cause.OPERATOR, KILLED.tripped_ns, 12)
    written = content(path)
    file.say(PENDING, 13)  # an arm request is in the journal; here KILLED stands until it is confirmed
    file.say(KILLED, 14)
    assert content(path) == written
    file.say(CONFIRMED, 15)
    assert not file.killed
    assert said(path) == Latched(ME, False, 1, Cause.NONE, -1, 15)
    file.say(AGAIN, 16)
    assert said(path).cause is Cause.JOURNAL_WRITE


def test_the_slots_are_written_in_turn(path: str, file: LatchFile) -> None:
    for latch in (KILLED, CONFIRMED, AGAIN):
        before = content(path)
        file.say(latch, 3)
        after = content(path)
        halves = [before[at : at + SLOT_BYTES] == after[at : at + SLOT_BYTES] for at in (0, SLOT_BYTES)]
        assert sorted(halves) == [False, True]


def torn_slots(path: str, old: Latch, new: Latch) -> Iterator[tuple[int, bytes, bytes, Found]]:
    """The file, for every number of bytes of a write of `new` over `old` that reached it."""
    file = LatchFile.create(path, ME, old, 5)
    before = content(path)
    file.say(new, 6)
    after = content(path)
    file.release()
    at = next(start for start in (0, SLOT_BYTES) if before[start:][:SLOT_BYTES] != after[start:][:SLOT_BYTES])
    texts = max(len(half[at : at + SLOT_BYTES].rstrip()) for half in (before, after))
    for length in [*range(texts + 2), SLOT_BYTES - 1, SLOT_BYTES]:  # between these, spaces over spaces
        torn = before[:at] + after[at : at + length] + before[at + length :]
        Path(latch_path(path)).write_bytes(torn)
        found = read_latch(path)
        assert found is not None
        yield length, torn, after, found


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize(
    ("old", "new", "journal"), [(RUNNING, KILLED, RUNNING), (CONFIRMED, AGAIN, CONFIRMED), (KILLED, CONFIRMED, PENDING)]
)
def test_a_write_torn_after_any_byte_never_forgets_a_kill(path: str, old: Latch, new: Latch, journal: Latch) -> None:
    """The older slot stays readable; a kill that was begun to be written holds, whatever of it arrived."""
    whole = 0
    for length, torn, after, found in torn_slots(path, old, new):
        held = holding(found, True, ME, journal, 6)
        if torn == after:
            whole += 1
            assert found.damaged == 0
            assert found.said == Latched(ME, new.mode != Mode.RUNNING, new.episode, new.cause, new.tripped_ns, 6)
        elif found.damaged:
            assert found.said == Latched(ME, old.mode != Mode.RUNNING, old.episode, old.cause, old.tripped_ns, 5)
            assert held is not None, length
        else:
            # Nothing that tells the two apart arrived: the slot is what it was.
            assert found.said is not None
            assert found.said.killed == (old.mode != Mode.RUNNING)
        if new.mode == Mode.KILLED and (found.damaged or torn == after):
            assert held is not None, length
    assert whole


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("slot", [0, 1])
def test_any_changed_byte_damages_its_slot(path: str, file: LatchFile, slot: int) -> None:
    file.say(KILLED, 5)
    good = content(path)
    for at in [*range(300), 1_000, SLOT_BYTES - 1]:
        bad = bytearray(good)
        bad[slot * SLOT_BYTES + at] ^= 1
        Path(latch_path(path)).write_bytes(bytes(bad))
        found = read_latch(path)
        assert found is not None
        assert found.damaged == 1, at
        assert holding(found, True, ME, RUNNING, 9) is not None


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("raw", [b"", b"x" * 100, b"\0" * SLOTS * SLOT_BYTES, b" " * SLOTS * SLOT_BYTES])
def test_a_file_without_a_good_slot_holds_and_is_mended_by_the_next_word(path: str, raw: bytes) -> None:
    Path(latch_path(path)).write_bytes(raw)
    file, held = take_up(path, ME, True, RUNNING, Head(4, ""))
    assert held == Held(Cause.JOURNAL_CHAIN, "2 of the 2 slots of the latch file are damaged: a kill may stand")
    assert file.killed
    assert content(path) == raw  # until the FAULT is said: a process that dies now comes up killed again
    file.say(KILLED, 5)
    assert said(path).killed
    file.release()
    file, held = take_up(path, ME, True, KILLED, Head(6, ""))
    assert held is None
    file.release()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b'"format":1', b'"format":2'),
        lambda text: text.replace(b'"count":0', b'"count":1'),
        lambda text: text.replace(b'"mode":"RUNNING"', b'"mode":"PAUSED!"'),
        lambda text: text.replace(b'"cause":"NONE"', b'"cause":"NUNE"'),
        lambda text: text.replace(b'"ts":"-1"', b'"ts":"--"'),
        lambda text: text.replace(b'"seq":0', b'"sek":0'),
    ],
)
def test_a_slot_with_a_good_hash_and_a_strange_word_is_bad(path: str, change: Callable[[bytes], bytes]) -> None:
    from hashlib import sha256

    good = slot_of(Latched(ME, False, 0, Cause.NONE, -1, 0), 0)
    body = change(good[: good.index(b',"hash"')])
    assert body != good[: good.index(b',"hash"')]
    bad = (body + b',"hash":"' + sha256(body).hexdigest().encode() + b'"}').ljust(SLOT_BYTES - 1) + b"\n"
    Path(latch_path(path)).write_bytes(bad + slot_of(Latched(ME, False, 0, Cause.NONE, -1, 0), 1))
    found = read_latch(path)
    assert found is not None
    assert found.damaged == 1


KNOWN = Latched(ME, True, 3, Cause.HEARTBEAT, 5, 40)


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize(
    ("file_says", "journal", "head", "cause"),
    [
        (KNOWN, Latch(Mode.RUNNING, 2), 40, Cause.HEARTBEAT),  # the journal refused the trip
        (KNOWN, Latch(Mode.ARM_PENDING, 2, Cause.OPERATOR), 40, Cause.HEARTBEAT),  # tripped while a request was pending
        (KNOWN, Latch(Mode.KILLED, 2, Cause.OPERATOR), 40, None),  # it stands anyway
        (KNOWN, Latch(Mode.KILLED, 3, Cause.HEARTBEAT), 41, None),
        (KNOWN, Latch(Mode.ARM_PENDING, 3, Cause.HEARTBEAT), 45, None),
        (KNOWN, Latch(Mode.RUNNING, 3), 45, None),  # confirmed; the file could not be told
        (KNOWN, Latch(Mode.RUNNING, 3), 40, None),
        (KNOWN, Latch(Mode.RUNNING, 3), 39, Cause.HEARTBEAT),  # the journal has lost its tail: a copy was put back
        (KNOWN, Latch(Mode.RUNNING, 4), 45, None),
        (KNOWN._replace(killed=False), Latch(Mode.RUNNING, 2), 1, None),
        (KNOWN._replace(killed=False, instance="b"), Latch(), 1, None),
        (KNOWN._replace(instance="b"), Latch(Mode.RUNNING, 9), 99, Cause.HEARTBEAT),  # an earlier journal of this book
    ],
)
def test_the_rule(file_says: Latched, journal: Latch, head: int, cause: Cause | None) -> None:
    held = holding(Found(file_says, 1, 0), True, ME, journal, head)
    assert (held and held.cause) == cause
    damaged = holding(Found(file_says, 1, 1), True, ME, journal, head)
    if journal.mode == Mode.KILLED:
        assert damaged is None
    else:
        assert damaged is not None
        assert damaged.cause == (cause or Cause.JOURNAL_CHAIN)


@pytest.mark.req("DOL-KILL-006")
def test_a_missing_file_holds_where_the_journal_was_begun_with_one(path: str) -> None:
    assert read_latch(path) is None
    assert holding(None, False, ME, RUNNING, 5) is None
    assert holding(None, True, ME, KILLED, 5) is None
    file, held = take_up(path, ME, True, CONFIRMED, Head(5, ""))
    file.release()
    assert held is not None
    assert "missing" in held.why
    assert said(path) == Latched(ME, True, 2, Cause.JOURNAL_CHAIN, -1, 5)  # also if nobody gets to say the FAULT


def test_a_journal_from_before_there_were_latch_files_gets_one(path: str) -> None:
    for latch in (CONFIRMED, KILLED):
        file, held = take_up(path, ME, False, latch, Head(5, ""))
        file.release()
        assert held is None
        assert said(path).killed == (latch is KILLED)
        Path(latch_path(path)).unlink()


def test_what_the_journal_knows_better_is_put_right(path: str, file: LatchFile) -> None:
    file.say(KILLED, 5)
    again, held = take_up(path, ME, True, CONFIRMED, Head(8, ""))
    again.release()
    assert held is None
    assert said(path) == Latched(ME, False, 1, Cause.NONE, -1, 8)


@pytest.mark.req("DOL-KILL-006")
def test_a_new_journal_of_a_live_book_keeps_the_kill_of_the_one_before(path: str, file: LatchFile) -> None:
    file.say(KILLED, 5)
    kept, held = begin(path, "b" * 32, kept=True)
    assert held is not None
    assert (held.cause, "earlier journal" in held.why) == (Cause.OPERATOR, True)
    assert said(path).instance == ME
    kept.say(KILLED, 2)  # episode 1 of the new journal: the same number, and another journal's
    assert said(path).instance == "b" * 32
    kept.release()
    replaced, held = begin(path, "c" * 32, kept=False)
    replaced.release()
    assert held is None
    assert said(path) == Latched("c" * 32, False, 0, Cause.NONE, -1, 0)


def test_a_new_journal_of_a_live_book_without_one(path: str) -> None:
    made, held = begin(path, ME, kept=True)
    made.release()
    assert held is None
    assert not said(path).killed


def test_a_long_instance_fits_its_slot(path: str) -> None:
    name = "\N{SNOWMAN}" * 5_000
    file = LatchFile.create(path, name, KILLED, 3)
    file.release()
    assert said(path).instance == name[:INSTANCE_CHARS]
    assert holding(read_latch(path), True, name, Latch(Mode.RUNNING, 1), 4) is None


class Fault:
    """A port whose `at`-th call of a name fails."""

    def __init__(self, name: str, at: int, error: int = errno.EIO) -> None:
        self.name, self.left, self.error = name, at, error

    def port(self) -> Port:
        return PORT._replace(**{self.name: self._call})

    def _call(self, *args: object) -> object:
        self.left -= 1
        if self.left == -1:
            raise OSError(self.error, "injected")
        return getattr(PORT, self.name)(*args)


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize(
    ("name", "at"),
    [("open", 0), ("open", 1), ("open", 2), ("write", 0), ("fdatasync", 0), ("fdatasync", 1), ("replace", 0)],
)
def test_one_that_cannot_be_made_is_no_start(path: str, name: str, at: int) -> None:
    with pytest.raises(JournalWriteError, match=r"latch: not written, EIO \(Input"):
        LatchFile.create(path, ME, RUNNING, 0, port=Fault(name, at).port())


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("name", ["open", "pread"])
def test_one_that_cannot_be_read_is_no_start(path: str, file: LatchFile, name: str) -> None:
    with pytest.raises(JournalUnreadable, match="EIO"):
        take_up(path, ME, True, RUNNING, Head(3, ""), port=Fault(name, 0).port())


def test_one_that_cannot_be_taken_up_is_no_start(path: str, file: LatchFile) -> None:
    with pytest.raises(JournalWriteError):
        take_up(path, ME, True, RUNNING, Head(3, ""), port=Fault("open", 1).port())
    file.say(KILLED, 3)
    before = set(os.listdir("/proc/self/fd"))
    for name in ("pwrite", "fdatasync"):
        with pytest.raises(JournalWriteError):
            take_up(path, ME, True, CONFIRMED, Head(5, ""), port=Fault(name, 0).port())
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("kind", ["directory", "symlink", "pipe"])
def test_what_is_no_file_is_refused(path: str, tmp_path: Path, kind: str) -> None:
    name = latch_path(path)
    if kind == "directory":
        os.mkdir(name)
    if kind == "symlink":
        (tmp_path / "other").write_bytes(b" " * SLOTS * SLOT_BYTES)
        os.symlink(tmp_path / "other", name)
    if kind == "pipe":
        os.mkfifo(name)
    with pytest.raises(JournalUnreadable):
        read_latch(path)


@pytest.mark.req("DOL-KILL-006")
@pytest.mark.parametrize("name", ["pwrite", "fdatasync"])
def test_a_word_that_is_refused_is_said_again_into_the_same_slot(path: str, name: str) -> None:
    file = LatchFile.create(path, ME, RUNNING, 0, port=Fault(name, 2 if name == "fdatasync" else 0).port())
    with pytest.raises(JournalWriteError, match="EIO"):
        file.say(KILLED, 4)
    assert file.killed  # nobody may think that it says RUNNING
    file.say(KILLED, 4)
    assert said(path).killed
    assert content(path)[SLOT_BYTES:] == slot_of(Latched(ME, False, 0, Cause.NONE, -1, 0), 1)
    file.release()
    file.release()


def test_a_part_of_a_slot_is_no_word(path: str) -> None:
    def part(fd: int, content: bytes, at: int) -> int:
        return os.pwrite(fd, content[:100], at)

    file = LatchFile.create(path, ME, RUNNING, 0, port=PORT._replace(pwrite=part))
    with pytest.raises(JournalWriteError, match="EIO"):
        file.say(KILLED, 4)
    file.release()
    found = read_latch(path)
    assert found is not None
    assert found.damaged == 1
    assert found.said is not None
    assert not found.said.killed
    assert holding(found, True, ME, RUNNING, 4) is not None


def test_a_forked_child_does_not_write_it(path: str, file: LatchFile) -> None:
    child = os.fork()
    if child == 0:
        try:
            file.say(KILLED, 4)
        except JournalWriteError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert not said(path).killed
    file._pid += 1
    with pytest.raises(JournalWriteError, match="forked child"):
        file.say(KILLED, 4)


CHILD = """
import resource, signal, sys
from dolphin.journal import Journal, JournalWriteError, LatchFile
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Latch, Mode
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal.create(sys.argv[1], {}, policy_hash="0123456789abcdef" * 4, ts_ns=1, instance="me")
latch_file = LatchFile.create(sys.argv[1], "me", Latch(), 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
step = 0
try:
    while True:
        step = journal.append(1, "NOTE", '{"text":"%s"}' % ("x" * 500))
except JournalWriteError as error:
    assert error.error == "EFBIG", error
latch_file.say(Latch(Mode.KILLED, 1, Cause.JOURNAL_WRITE, 5), step)
print("said", flush=True)
signal.raise_signal(signal.SIGKILL)
"""


@pytest.mark.req("DOL-KILL-006")
def test_a_kill_survives_where_no_file_may_grow(path: str) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, path], capture_output=True, text=True, check=False)
    assert done.stdout == "said\n", done.stderr
    assert done.returncode == -9
    found = read_latch(path)
    assert found is not None
    assert found.said is not None
    assert found.said.cause is Cause.JOURNAL_WRITE


def fill(path: Path) -> None:
    """A file that takes what room the disk has."""
    with open(path, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        deque((file.write(b"x" * 4_096) for _ in range(1_000)), maxlen=0)


@pytest.mark.req("DOL-KILL-006")
def test_a_kill_survives_a_real_full_disk(small_disk: Path) -> None:
    path = str(small_disk / "j")
    journal = Journal.create(path, {}, policy_hash=POLICY, ts_ns=1, instance=ME)
    file = LatchFile.create(path, ME, RUNNING, 0)
    fill(small_disk / "ballast")
    with pytest.raises(JournalWriteError, match=r"ENOSPC \(No space left on device\)"):
        deque((journal.append(2, "NOTE", "{}") for _ in range(10_000)), maxlen=0)
    file.say(KILLED, journal.head.seq)
    journal.release()
    file.release()
    assert said(path).killed
    again, held = take_up(path, ME, True, RUNNING, journal.head)
    assert held is not None
    assert held.cause is Cause.OPERATOR
    again.say(AGAIN, 9)  # still full, and it can be told
    again.release()
    os.unlink(latch_path(path))
    fill(small_disk / "more")
    with pytest.raises(JournalWriteError, match="ENOSPC"):
        LatchFile.create(path, ME, RUNNING, 0)


def test_a_word_of_the_system_is_spelled_out() -> None:
    assert spelled("ENOSPC") == "ENOSPC (No space left on device)"
    assert spelled("INTERRUPTED") == "INTERRUPTED"
