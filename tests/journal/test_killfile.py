"""The file KILL: anything of that name kills, and it is moved away only by who has tripped the latch."""

import errno
import json
import os

import pytest

from dolphin.journal import killfile
from dolphin.journal.files import PORT


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / killfile.NAME)


def failing(*args, **kwargs):
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("how", ["file", "link to nowhere", "directory", "pipe"])
def test_anything_of_that_name_lies_there(path, how):
    assert not killfile.lies(path)
    {
        "file": lambda: open(path, "w").close(),
        "link to nowhere": lambda: os.symlink("nowhere", path),
        "directory": lambda: os.mkdir(path),
        "pipe": lambda: os.mkfifo(path),
    }[how]()
    assert killfile.lies(path)
    assert killfile.cause_of(path) == killfile.NO_CAUSE
    killfile.take(path, {"ok": True})
    assert not killfile.lies(path)
    assert os.path.lexists(path + ".taken")


def test_its_cause_is_read_in_a_form_that_a_journal_writes(path):
    killfile.put(path, "no beat\nfor 300 ms \udcff")
    assert killfile.cause_of(path) == "no beat for 300 ms \\udcff"
    with open(path, "wb") as file:
        file.write(b"\xff\xfe " + b"x" * 5_000)
    assert len(killfile.cause_of(path)) <= killfile.CAUSE_BYTES_MAX
    assert killfile.cause_of(path).startswith("��")


def test_it_is_its_owners(path):
    killfile.put(path, "why")
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("call", ["open", "read"])
def test_one_that_cannot_be_read_kills_as_well(path, call):
    killfile.put(path, "why")
    assert killfile.cause_of(path, port=PORT._replace(**{call: failing})) == killfile.NO_CAUSE


def test_what_was_done_is_said_beside_it(path, tmp_path):
    killfile.put(path, "why")
    killfile.take(path, {"ok": True, "mode": "KILLED"})
    assert json.loads((tmp_path / killfile.ANSWER).read_text()) == {"ok": True, "mode": "KILLED"}
    assert (tmp_path / killfile.TAKEN).read_text() == "why\n"


def test_one_that_cannot_be_moved_lies_there(path):
    killfile.put(path, "why")
    with pytest.raises(OSError, match="Input"):
        killfile.take(path, {}, port=PORT._replace(replace=failing))
    assert killfile.lies(path)


@pytest.mark.req("DOL-WATCH-008")
@pytest.mark.parametrize("call", ["write", "replace", "close"])
def test_where_it_cannot_be_put_whole_an_empty_one_kills(path, call):
    why = killfile.put(path, "why", port=PORT._replace(**{call: failing}))
    assert "Input" in why
    assert killfile.lies(path)
    assert killfile.cause_of(path) == killfile.NO_CAUSE
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert killfile.put(path, "why") == ""
    assert killfile.cause_of(path) == "why"


@pytest.mark.req("DOL-WATCH-008")
def test_one_that_lies_there_stays_where_another_cannot_be_put(path):
    killfile.put(path, "the first")
    assert "Input" in killfile.put(path, "the second", port=PORT._replace(write=failing))
    assert killfile.cause_of(path) == "the first"
    os.unlink(path)
    os.mkdir(path)
    assert "directory" in killfile.put(path, "the third")
    assert killfile.lies(path)


@pytest.mark.req("DOL-WATCH-008")
def test_where_nothing_at_all_can_be_put_it_is_told(path):
    with pytest.raises(OSError, match="Input"):
        killfile.put(path, "why", port=PORT._replace(open=failing))
    assert not killfile.lies(path)


@pytest.mark.req("DOL-WATCH-008")
def test_it_and_its_name_outlive_a_loss_of_power(path, tmp_path):
    killfile.put(path, "why")
    synced = []

    def fdatasync(fd):
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))

    killfile.keep(path, port=PORT._replace(fdatasync=fdatasync))
    assert synced == [path, str(tmp_path)]
    with pytest.raises(OSError, match="Input"):
        killfile.keep(path, port=PORT._replace(fdatasync=failing))
    killfile.take(path, {})
    with pytest.raises(FileNotFoundError):
        killfile.keep(path)
