"""The heartbeat file: what is written is read, what is torn leaves the older beat, and who a process is."""

import errno
import os
import signal
import stat
import struct
import subprocess
import sys
import time
import zlib

import pytest

from dolphin.journal import beat as beats
from dolphin.journal.beat import (
    LONGER_MS,
    SLOT_BYTES,
    SLOTS,
    Beat,
    BeatState,
    Heart,
    Identity,
    identity,
    read_beat,
    slot_of,
    started,
    stopped,
)
from dolphin.journal.errors import JournalUnreadable
from dolphin.journal.files import PORT

WHO = Identity("b" * 32, 77, 88)
BEAT = Beat(BeatState.BEATS, WHO, "c" * 32, 100, 5, True, 1, 2, 3)


def fails(name, number=errno.EIO):
    def failing(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return PORT._replace(**{name: failing})


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "heartbeat")


def test_a_beat_is_read_as_it_was_written(path):
    before_ns = time.monotonic_ns()
    heart = Heart.create(path, "x" * 40, period_ms=50)
    first = read_beat(path)
    assert first == heart.last
    assert (first.seq, first.state, first.killed, first.period_ms) == (1, BeatState.BEATS, False, 50)
    assert first.instance == "x" * 32
    assert before_ns <= first.monotonic_ns <= time.monotonic_ns()
    assert first.boottime_ns >= first.monotonic_ns - 10**9
    assert abs(first.real_ns - time.time_ns()) < 60 * 10**9
    heart.beat(True)
    second = read_beat(path)
    assert (second.seq, second.killed) == (2, True)
    assert second.monotonic_ns >= first.monotonic_ns
    heart.end(True)
    assert (read_beat(path).seq, read_beat(path).state) == (3, BeatState.ENDED)


@pytest.mark.req("DOL-WATCH-010")
def test_a_wait_is_no_beat_and_what_was_waited_is_bounded(path):
    heart = Heart.create(path, "i")
    heart.beat(True)
    last = heart.last
    heart.wait()
    assert read_beat(path) == last._replace(state=BeatState.WAITS, seq=last.seq + 1)
    heart.waited()
    over = read_beat(path)
    assert 0 <= over.waited_ns < 60 * 10**9
    assert over == last._replace(seq=last.seq + 2, waited_ns=over.waited_ns)
    heart.wait()
    assert read_beat(path).waited_ns == over.waited_ns
    heart._since_ns -= 1_000 * 10**9
    heart.waited()
    assert read_beat(path).waited_ns == LONGER_MS * 1_000_000
    heart.beat(False)
    assert read_beat(path).waited_ns == 0
    assert read_beat(path).monotonic_ns > last.monotonic_ns


@pytest.mark.req("DOL-WATCH-002")
def test_a_file_that_lost_its_name(path):
    heart = Heart.create(path, "i")
    assert not heart.lost()
    os.rename(path, f"{path}.away")
    assert heart.lost()
    other = Heart.create(path, "j")
    with pytest.raises(FileExistsError, match="remove it"):
        heart.lost()
    assert not other.lost()
    heart._port = fails("same")
    with pytest.raises(OSError, match=r"\[Errno 5\]"):
        heart.lost()
    other.let_go()
    with pytest.raises(OSError, match="Bad file descriptor"):
        other.beat(False)


@pytest.mark.req("DOL-WATCH-010")
def test_who_was_stopped_by_a_signal():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        try:
            assert not stopped(child.pid)
            child.send_signal(signal.SIGSTOP)
            os.waitpid(child.pid, os.WUNTRACED)
            assert stopped(child.pid)
        finally:
            child.kill()
    assert not stopped(child.pid)


def test_the_file_is_its_owners_and_never_grows(path):
    heart = Heart.create(path, "i")
    for _ in range(5):
        heart.beat(False)
    assert os.stat(path).st_size == SLOT_BYTES * SLOTS
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    heart.end(False)


def test_there_is_none(path):
    assert read_beat(path) is None


@pytest.mark.parametrize("cut", range(0, SLOT_BYTES, 15))
def test_a_torn_beat_leaves_the_older_one(path, cut):
    heart = Heart.create(path, "i")
    heart.beat(False)

    def torn(fd, content, where):
        # What stood there differs in every byte: by chance the last one may be the same, and then nothing is torn.
        stood = bytes(byte ^ 0xFF for byte in content[cut:])
        os.pwrite(fd, content[:cut] + stood, where)
        return cut

    heart._port = PORT._replace(pwrite=torn)
    with pytest.raises(OSError, match="a part of a beat"):
        heart.beat(True)
    assert heart.last.seq == 2
    assert read_beat(path).seq == 2
    heart._port = PORT
    heart.beat(False)
    assert read_beat(path).seq == 3


@pytest.mark.parametrize("at", range(SLOT_BYTES))
def test_no_changed_byte_goes_unseen(path, at):
    raw = bytearray(slot_of(BEAT) + slot_of(BEAT._replace(seq=6)))
    raw[SLOT_BYTES + at] ^= 0x10
    with open(path, "wb") as file:
        file.write(raw)
    assert read_beat(path) == BEAT


def summed(body):
    return body + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        slot_of(BEAT)[:-1],
        summed(b"NOTDOLPH" + slot_of(BEAT)[8:-4]),
        summed(slot_of(BEAT)[:8] + b"\2\0" + slot_of(BEAT)[10:-4]),
        summed(slot_of(BEAT)[:10] + b"\7\0" + slot_of(BEAT)[12:-4]),
        summed(slot_of(BEAT)[:40] + b"\xff" + slot_of(BEAT)[41:-4]),
    ],
    ids=["empty", "short", "magic", "version", "state", "no text"],
)
def test_what_is_no_beat_is_none(path, raw):
    with open(path, "wb") as file:
        file.write(raw)
    assert read_beat(path) is None


def test_the_newest_counts_wherever_it_stands(path):
    for slots in ((BEAT, BEAT._replace(seq=9)), (BEAT._replace(seq=9), BEAT)):
        with open(path, "wb") as file:
            file.write(b"".join(map(slot_of, slots)))
        assert read_beat(path).seq == 9


@pytest.mark.parametrize("call", ["open", "pread"])
def test_one_that_cannot_be_read_says_so(path, call):
    Heart.create(path, "i")
    with pytest.raises(JournalUnreadable, match="EIO"):
        read_beat(path, port=fails(call))


def test_a_link_is_not_followed(path, tmp_path):
    os.symlink("/dev/zero", path)
    with pytest.raises(JournalUnreadable, match="ELOOP"):
        read_beat(path)


def test_who_this_process_is():
    me = identity()
    assert me.pid == os.getpid()
    assert len(me.boot) == 32
    assert me.start_ticks == started(os.getpid()) > 0
    assert identity(port=fails("open")) == Identity("", os.getpid(), 0)
    assert identity(port=fails("read")) == Identity("", os.getpid(), 0)


def test_a_later_process_started_later_and_a_dead_one_never():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert started(child.pid) >= identity().start_ticks
    child.communicate(b"\n")
    assert started(child.pid) == 0


def test_a_beat_that_fails_is_the_callers(path):
    heart = Heart.create(path, "i")
    heart._port = fails("pwrite", errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        heart.beat(False)
    closed = []
    heart._port = heart._port._replace(close=closed.append)
    with pytest.raises(OSError, match="No space"):
        heart.end(False)
    assert closed
    with pytest.raises(OSError, match="No space"):
        Heart.create(path, "i", port=fails("write", errno.ENOSPC))
    assert beats.PERIOD_MS == 100
