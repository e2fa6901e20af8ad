"""One writer, its lines, its end."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from dolphin.journal import (
    Journal,
    JournalError,
    JournalLocked,
    JournalUnreadable,
    JournalWriteError,
    head_file,
    read,
    recover,
    verify,
)
from dolphin.journal.encoding import GENESIS, LINE_BYTES_MAX
from dolphin.journal.files import PORT
from dolphin.journal.tape import HEAD_EVERY
from dolphin.journal.writer import _orphan

POLICY = "0123456789abcdef" * 4
T0 = 1_600_000_000_000_000_000
Make = Callable[..., Journal]


@pytest.mark.req("DOL-JOURNAL-001")
def test_the_lines_are_as_the_format_says(written: str) -> None:
    digest = GENESIS
    for seq, line in enumerate(Path(written).read_bytes().splitlines(keepends=True)):
        fields = json.loads(line)
        assert list(fields) == ["seq", "ts", "kind", "policy", "data", "hash"]
        assert fields["seq"] == seq
        assert fields["policy"] == POLICY[:16]
        digest = sha256(digest + line[: line.rindex(b',"hash"')]).digest()
        assert fields["hash"] == digest.hex()
        assert line.endswith(b'"}\n')


def test_the_header_says_format_instance_and_policy(path: str, create: Make) -> None:
    create(instance="me").close(T0)
    header = next(read(path))
    assert header.data == {"format": 1, "instance": "me", "policy_hash": POLICY, "who": "test"}
    assert (header.line, header.seq, header.ts_ns, header.kind, header.policy) == (1, 0, T0, "HEADER", POLICY[:16])


def test_a_header_cannot_overrule_the_journal(path: str) -> None:
    header = {"format": 9, "policy_hash": "x", "a": 1}
    Journal.create(path, header, policy_hash=POLICY, ts_ns=T0, instance="me").close(T0)
    assert next(read(path)).data == {"format": 1, "instance": "me", "policy_hash": POLICY, "a": 1}


@pytest.mark.req("DOL-STATE-001")
def test_every_file_is_its_owners_only(tmp_path: Path, path: str, create: Make) -> None:
    journal = create()
    (tmp_path / "run.journal.lock").read_text()
    modes = {name.name: stat.S_IMODE(name.stat().st_mode) for name in tmp_path.iterdir()}
    assert set(modes) == {"run.journal", "run.journal.lock", "run.journal.head"}
    assert set(modes.values()) == {0o600}
    journal.close(T0)
    assert not (tmp_path / "run.journal.lock").exists()


@pytest.mark.req("DOL-JOURNAL-007")
def test_close_writes_the_head_and_returns_it(path: str, create: Make) -> None:
    journal = create()
    head = journal.close(T0 + 5, '{"why":"done"}')
    assert head == journal.head
    found = head_file(path)
    assert found is not None
    assert (found.seq, found.hash, found.closed) == (*head, True)
    assert verify(path, head.anchor).closed


@pytest.mark.req("DOL-JOURNAL-007")
def test_the_head_file_is_written_now_and_then(path: str, create: Make) -> None:
    journal = create()
    for step in range(HEAD_EVERY + 10):
        journal.append(T0 + step, "NOTE", "{}")
    found = head_file(path)
    assert found is not None
    assert (found.seq, found.closed) == (HEAD_EVERY, False)
    journal.release()


def test_a_block_that_fails_leaves_the_run_incomplete(path: str, create: Make) -> None:
    def fail() -> None:
        with create() as journal:
            journal.append(T0, "NOTE", "{}")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not verify(path).closed


def test_a_block_may_close_itself(path: str, create: Make) -> None:
    with create() as journal:
        journal.close(T0 + 9)
    assert verify(path).records == 2


@pytest.mark.parametrize(
    ("ts_ns", "kind", "data"),
    [
        (-1, "NOTE", "{}"),
        (2**63, "NOTE", "{}"),
        (1.5, "NOTE", "{}"),
        (0, "note", "{}"),
        (0, "NOTE", '{"a":\n1}'),
        (0, "NOTE", '{"a":"\ud800"}'),
        (0, "NOTE", '{"a":"' + "x" * LINE_BYTES_MAX + '"}'),
    ],
)
def test_what_could_not_be_read_again_is_not_written(path: str, create: Make, ts_ns: int, kind: str, data: str) -> None:
    with create() as journal:
        with pytest.raises(ValueError, match=r"accepted|negative|beyond|line end|format code|surrogates|at most"):
            journal.append(ts_ns, kind, data)
        assert journal.append(T0, "NOTE", "{}") == 1
    assert verify(path).records == 3


def test_a_wrong_durability_or_policy_is_named(path: str, create: Make) -> None:
    with pytest.raises(ValueError, match="accepted write, power"):
        create(durability="powr")
    with pytest.raises(ValueError, match="16 lower-case hex"):
        Journal.create(path, {}, policy_hash="XYZ", ts_ns=T0)
    assert not Path(path).exists()


def test_nothing_is_left_of_a_journal_that_could_not_begin(tmp_path: Path, create: Make) -> None:
    def full(fd: int, content: bytes) -> int:
        raise OSError(28, "full")

    with pytest.raises(JournalWriteError, match="ENOSPC"):
        create(port=PORT._replace(write=full))
    assert [name.name for name in tmp_path.iterdir()] in ([], ["run.journal.lock.tmp"])


@pytest.mark.req("DOL-JOURNAL-003")
def test_a_second_writer_is_told_who_holds_it(path: str, create: Make) -> None:
    with create(instance="first") as journal:
        for second in (partial(Journal.resume, path, ts_ns=T0), create):
            with pytest.raises(
                JournalLocked, match=rf'"pid":{os.getpid()},"instance":"first".*DOL-JOURNAL-003'
            ) as found:
                second()
            assert found.value.path == path
        assert journal.append(T0, "NOTE", "{}") == 1
        assert Path(f"{path}.lock").exists()


@pytest.mark.req("DOL-JOURNAL-003")
def test_the_lock_does_not_rest_on_the_lock_file(path: str, create: Make) -> None:
    with create():
        Path(f"{path}.lock").unlink()
        with pytest.raises(JournalLocked, match="left no name"):
            Journal.resume(path, ts_ns=T0)


def test_an_existing_file_is_never_overwritten(path: str, written: str, create: Make) -> None:
    before = Path(path).read_bytes()
    with pytest.raises(JournalUnreadable, match="exists already; resume it"):
        create()
    assert Path(path).read_bytes() == before


def _child(journal: Journal, queue: multiprocessing.Queue[str]) -> None:
    try:
        journal.append(T0, "NOTE", "{}")
    except JournalWriteError as error:
        queue.put(error.error)
    journal.release()


@pytest.mark.req("DOL-JOURNAL-003")
def test_a_forked_child_does_not_write(path: str, create: Make) -> None:
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[str] = context.Queue()
    gone = create
    with create() as journal:
        child = context.Process(target=_child, args=(journal, queue))
        child.start()
        assert queue.get(timeout=20) == "EBADF"
        child.join()
        assert Path(f"{path}.lock").exists()
        with pytest.raises(JournalLocked):
            gone()
        journal.append(T0, "NOTE", "{}")
    assert verify(path).records == 3


def test_a_forked_child_forgets_closed_journals_too(path: str, create: Make) -> None:
    journal = create()
    journal.release()
    child = multiprocessing.get_context("fork").Process(target=journal.release)
    child.start()
    child.join()
    assert child.exitcode == 0


def test_what_the_child_does_at_its_fork(path: str, create: Make) -> None:
    """As above, where coverage can see it."""
    closed, journal = create(), None
    closed.release()
    Path(path).unlink()
    journal = create()
    _orphan()
    with pytest.raises(JournalWriteError, match="EBADF"):
        journal.append(T0, "NOTE", "{}")
    assert Path(f"{path}.lock").exists()


def test_a_closed_writer_refuses(create: Make) -> None:
    journal = create()
    journal.close(T0)
    with pytest.raises(JournalWriteError, match="let go of the file"):
        journal.append(T0, "NOTE", "{}")
    with pytest.raises(JournalWriteError, match="let go of the file"):
        journal.close(T0)


@pytest.mark.req("DOL-JOURNAL-005")
def test_resume_goes_on_where_the_file_ends(path: str, written: str) -> None:
    with Journal.resume(path, ts_ns=T0 + 10, policy_hash=POLICY, instance="second") as journal:
        assert journal.append(T0 + 11, "NOTE", "{}") == 6
    records = list(read(path))
    assert records[5].data == {"what": "resumed", "instance": "second", "torn": 0, "missing": 0}
    assert verify(path).closed


def test_resume_refuses_another_policy(path: str, written: str) -> None:
    with pytest.raises(JournalError, match="a new policy needs a new segment"):
        Journal.resume(path, ts_ns=T0, policy_hash="f" * 64)


@pytest.mark.req("DOL-JOURNAL-003")
def test_resume_refuses_a_file_that_changed_since_its_recovery(path: str, written: str) -> None:
    found = recover(path)
    Journal.resume(path, ts_ns=T0).close(T0)
    with pytest.raises(JournalError, match="not those of its recovery"):
        Journal.resume(path, ts_ns=T0, recovery=found)
    size = Path(path).stat().st_size
    fake = found._replace(size=size - 3, torn_bytes=3)
    with pytest.raises(JournalError, match="ends otherwise"):
        Journal.resume(path, ts_ns=T0, recovery=fake)


@pytest.mark.req("DOL-JOURNAL-002")
def test_mode_power_syncs_when_asked_and_in_groups(path: str, create: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    clock = [1]
    monkeypatch.setattr("dolphin.journal.tape.time.monotonic_ns", lambda: clock[0])

    def fdatasync(fd: int) -> None:
        synced.append(fd)

    journal = create(durability="power", port=PORT._replace(fdatasync=fdatasync))
    synced.clear()
    journal.flush()
    assert len(synced) == 0
    journal.append(T0, "NOTE", "{}")
    clock[0] += 4_999_999
    journal.append(T0, "NOTE", "{}")
    assert len(synced) == 0
    clock[0] += 1
    journal.append(T0, "NOTE", "{}")
    assert len(synced) == 1
    journal.flush()
    assert len(synced) == 1
    journal.append(T0, "NOTE", "{}")
    journal.flush()
    assert len(synced) == 2
    journal.close(T0)
    assert verify(path).closed


def test_mode_write_never_syncs(create: Make) -> None:
    def fdatasync(fd: int) -> None:
        raise AssertionError

    journal = create(port=PORT._replace(fdatasync=fdatasync))
    journal.append(T0, "NOTE", "{}")
    journal.flush()
    journal.close(T0)
