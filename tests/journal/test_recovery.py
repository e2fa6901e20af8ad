"""The end of a journal: torn lines, heads, anchors, and taking it up again."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from dolphin.journal import (
    Journal,
    JournalBroken,
    JournalError,
    JournalUnreadable,
    JournalWriteError,
    Record,
    head_file,
    read,
    recover,
    verify,
)
from dolphin.journal.files import PORT

POLICY = "0123456789abcdef" * 4
T0 = 1_600_000_000_000_000_000
Make = Callable[..., Journal]


@pytest.mark.req("DOL-JOURNAL-007")
def test_the_verdict_pieces(path: str, written: str) -> None:
    records: list[Record] = []
    found = verify(path, each=records.append)
    assert (found.records, found.closed, found.gaps, found.lost, found.torn, found.back_ns) == (5, True, 0, 0, 0, 0)
    assert (found.first_ts_ns, found.last_ts_ns) == (T0, T0 + 3)
    assert found.size == Path(path).stat().st_size
    assert [record.seq for record in records] == [0, 1, 2, 3, 4]
    assert found.head == records[-1].head
    assert verify(path, found.head.anchor) == found


@pytest.mark.req("DOL-JOURNAL-007")
def test_a_missing_tail_is_seen_by_anchor_and_by_head_file(path: str, written: str) -> None:
    head = verify(path).head
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: content.rindex(b'{"seq":4')])
    with pytest.raises(JournalBroken, match=r"which the head file names.*end of the journal after record 3") as found:
        verify(path)
    assert (found.value.requirement, found.value.line, found.value.seq) == ("DOL-JOURNAL-007", 5, 4)
    assert recover(path).missing == 1
    Path(f"{path}.head").unlink()
    assert not verify(path).closed
    assert recover(path).missing == 0
    with pytest.raises(JournalBroken, match="which the anchor names"):
        verify(path, head.anchor)


@pytest.mark.req("DOL-JOURNAL-007")
def test_another_record_in_the_place_of_the_anchor(path: str, written: str) -> None:
    with pytest.raises(JournalBroken, match="which the anchor names") as found:
        verify(path, "2:" + "a" * 64)
    assert (found.value.line, found.value.field) == (3, "hash")
    Path(f"{path}.head").write_text('{"seq":1,"hash":"' + "b" * 64 + '","closed":false}\n')
    for check in (verify, recover):
        with pytest.raises(JournalBroken, match="which the head file names"):
            check(path)
    with pytest.raises(ValueError, match="accepted SEQ:HASH"):
        verify(path, "nonsense")


@pytest.mark.req("DOL-JOURNAL-007")
def test_anchor_and_head_file_may_name_the_same_record(path: str, written: str) -> None:
    head = verify(path).head
    with pytest.raises(JournalBroken, match="which the anchor names"):
        verify(path, f"{head.seq}:" + "c" * 64)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"seq":1}',
        '{"seq":-1,"hash":"' + "b" * 64 + '","closed":false}',
        '{"seq":1,"hash":"x","closed":true}',
    ],
)
def test_a_head_file_that_is_none(path: str, written: str, content: str) -> None:
    Path(f"{path}.head").write_text(content)
    with pytest.raises(JournalBroken, match=r"run\.journal\.head:1: .*DOL-JOURNAL-007"):
        head_file(path)


def test_a_head_file_that_cannot_be_read(path: str, written: str) -> None:
    def failing(*args: object) -> int:
        raise OSError(errno.EIO, "injected")

    for port in (PORT._replace(open=failing), PORT._replace(read=failing)):  # type: ignore[arg-type]
        with pytest.raises(JournalBroken, match="EIO"):
            head_file(path, port=port)

    def forbidden(*args: object) -> int:
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(JournalUnreadable, match="head: may not be read"):
        head_file(path, port=PORT._replace(open=forbidden))


@pytest.mark.req("DOL-JOURNAL-005")
def test_recovery_reports_the_torn_line_and_resume_cuts_and_keeps_it(path: str, written: str) -> None:
    content = Path(path).read_bytes()
    last = content.rindex(b'{"seq":4')
    Path(path).write_bytes(content[: last + 30])
    Path(f"{path}.head").unlink()
    records: list[Record] = []
    found = recover(path, each=records.append)
    assert (found.torn_bytes, found.size, found.closed, found.missing, found.gaps) == (30, last, False, 0, 0)
    assert found.head == records[-1].head
    assert found.last_ts_ns == T0 + 3
    assert found.header.kind == "HEADER"
    assert [*found.records()] == records
    assert Path(path).read_bytes() == content[: last + 30]
    Journal.resume(path, ts_ns=T0 + 9, recovery=found).close(T0 + 10)
    assert Path(f"{path}.torn").read_bytes() == content[last : last + 30] + b"\n"
    assert [record.kind for record in read(path)] == ["HEADER", "TICK", "SEEN", "NOTE", "NOTE", "CLOSE"]
    assert [*read(path)][4].data["torn"] == 30


@pytest.mark.req("DOL-JOURNAL-005")
def test_a_complete_last_line_without_its_end_is_torn(path: str, written: str) -> None:
    Path(path).write_bytes(Path(path).read_bytes()[:-1])
    assert recover(path).closed is False
    assert recover(path).torn_bytes > 100


@pytest.mark.req("DOL-JOURNAL-005")
def test_recovery_refuses_a_broken_chain_and_names_the_first_bad_record(path: str, written: str) -> None:
    content = bytearray(Path(path).read_bytes())
    content[content.index(b'"r3_bp":10000') + 8] = ord("2")
    Path(path).write_bytes(content)
    for attempt in (lambda: recover(path), lambda: Journal.resume(path, ts_ns=T0)):
        with pytest.raises(JournalBroken) as found:
            attempt()
        assert (found.value.line, found.value.seq) == (3, 2)
    assert Path(path).read_bytes() == content


def test_each_file_that_cannot_be_resumed_has_its_own_word(tmp_path: Path, path: str) -> None:
    Path(path).write_bytes(b"")
    (tmp_path / "foreign").write_text("time,price\n")
    for name, said in (
        ("run.journal", "is empty"),
        ("foreign", "is no journal"),
        ("none", "no such file or folder"),
        (".", "is a directory"),
        ("foreign/x", "ENOTDIR"),
    ):
        with pytest.raises(JournalUnreadable, match=said):
            Journal.resume(str(tmp_path / name), ts_ns=T0)


@pytest.mark.parametrize(
    ("call", "said"), [("size", "cannot be read"), ("ftruncate", "torn last line"), ("flock", "lock")]
)
def test_a_fault_while_taking_up(path: str, written: str, call: str, said: str) -> None:
    Path(path).write_bytes(Path(path).read_bytes()[:-1])

    def failing(*args: object) -> None:
        raise OSError(errno.EIO, "injected")

    found = recover(path)
    with pytest.raises(JournalError, match=said):
        Journal.resume(path, ts_ns=T0, recovery=found, port=PORT._replace(**{call: failing}))  # type: ignore[arg-type]
    Journal.resume(path, ts_ns=T0, recovery=found).close(T0)
    assert verify(path).closed


def test_permission_is_its_own_word(path: str, written: str) -> None:
    def forbidden(*args: object) -> int:
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(JournalUnreadable, match="may not be written"):
        Journal.resume(path, ts_ns=T0, port=PORT._replace(open=forbidden))


@pytest.mark.req("DOL-JOURNAL-003")
def test_a_holder_whose_name_cannot_be_read(path: str, create: Make) -> None:
    def failing(*args: object) -> bytes:
        raise OSError(errno.EIO, "injected")

    with create(), pytest.raises(JournalError, match="whose name cannot be read"):
        Journal.resume(path, ts_ns=T0, port=PORT._replace(read=failing))


@pytest.mark.req("DOL-JOURNAL-002")
def test_in_mode_power_the_folder_is_synced_too(path: str, create: Make) -> None:
    calls: list[int] = []

    def fdatasync(fd: int) -> None:
        calls.append(fd)
        if len(calls) == 3:
            raise OSError(errno.EIO, "injected")

    with pytest.raises(JournalWriteError, match="folder"):
        create(durability="power", port=PORT._replace(fdatasync=fdatasync))
    assert not Path(path).exists()


def test_the_largest_step_back_of_the_clock_is_reported(path: str, create: Make) -> None:
    with create() as journal:
        for ts_ns in (T0 + 5, T0 + 2, T0 + 9, T0 + 1, T0 + 3):
            journal.append(ts_ns, "NOTE", "{}")
    assert verify(path).back_ns == 8


@pytest.mark.req("DOL-JOURNAL-007")
def test_a_torn_line_after_close_leaves_the_journal_incomplete(path: str, written: str) -> None:
    Path(path).write_bytes(Path(path).read_bytes() + b"{")
    found = verify(path)
    assert (found.closed, found.torn) == (False, 1)
