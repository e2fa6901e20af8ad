"""What is read is checked; what is wrong is named: file, line, field, expected, actual."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dolphin.journal import Journal, JournalBroken, JournalTorn, JournalUnreadable, follow, read, verify
from dolphin.journal.encoding import GENESIS, LINE_BYTES_MAX
from dolphin.journal.files import PORT
from dolphin.journal.kinds import OMITTED
from dolphin.kernel.events import EVENTS

POLICY = "0123456789abcdef" * 4
T0 = 1_600_000_000_000_000_000


def forge(path: str, bodies: list[str]) -> None:
    """Write lines with a right chain, whatever they say."""
    digest = GENESIS
    content = b""
    for body in bodies:
        digest = sha256(digest + body.encode()).digest()
        content += body.encode() + f',"hash":"{digest.hex()}"}}\n'.encode()
    Path(path).write_bytes(content)


def body(seq: object, kind: str, data: str, *, ts: object = '"5"', policy: str = POLICY[:16]) -> str:
    return f'{{"seq":{seq},"ts":{ts},"kind":"{kind}","policy":"{policy}","data":{data}'


HEAD = body(0, "HEADER", f'{{"format":1,"instance":"me","policy_hash":"{POLICY}"}}')


@pytest.mark.req("DOL-JOURNAL-001")
@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        (body(2, "NOTE", "{}"), "seq", "expected 1, found 2"),
        (body('"1"', "NOTE", "{}"), "seq", "a sequence number"),
        (body(1, "NOTE", "{}", ts=5), "ts", "decimal string"),
        (body(1, "NOTE", "{}", ts='"05"'), "ts", "decimal string"),
        (body(1, "NOTE", "{}", ts='"9999999999999999999"'), "ts", "at most"),
        (body(1, "NICE", "{}"), "kind", "one of TICK"),
        (body(1, "nice", "{}"), "kind", "name of a kind"),
        (body(1, "HEADER", "{}"), "kind", "one HEADER, at the beginning"),
        (body(1, "NOTE", "{}", policy="f" * 16), "policy", "as in the header"),
        (body(1, "NOTE", "{}", policy="F" * 16), "policy", "16 lower-case hex"),
        (body(1, "NOTE", "[]"), "data", "an object"),
        (body(1, "NOTE", '{"a": 1}'), "data", "not canonical"),
        (body(1, "NOTE", '{"a":1,"a":1}'), "data", "not canonical"),
        (body(1, "NOTE", "{}") + ',"more":1', "data", "canonical JSON"),
        (body(1, "NOTE", "{}").replace('"ts"', '"more":1,"ts"'), "ts", "decimal string"),
        (body(1, "NOTE", "{}").replace('"seq"', '"sec"'), "seq", "a sequence number"),
        (body(1, "TICK", "{}"), "data", "missing required field `out`"),
        (body(1, "TICK", '{"out":[],"fx":[],"y":1}'), "data", "unknown field `y`"),
        (body(1, "TICK", '{"fx":[],"out":[]}'), "data", "other order"),
        (body(1, "TICK", '{"out":[],"fx":[],"fx":[]}'), "data", "not canonical"),
        (body(1, "TICK", '{"out":[null],"fx":[]}'), "data", "got `null`"),
        (body(1, "FLOW", '{"flow":1.5,"out":[],"fx":[]}'), "data", "got `float`"),
        (body(1, "FLOW", '{"flow":true,"out":[],"fx":[]}'), "data", "got `bool`"),
        (body(1, "GAP", '{"from":1,"count":1}'), "data", "missing required field"),
    ],
)
def test_a_record_with_a_right_hash_must_still_be_right(path: str, line: str, field: str, expected: str) -> None:
    forge(path, [HEAD, line, body(2, "CLOSE", "{}")])
    with pytest.raises(JournalBroken) as found:
        list(read(path))
    error = found.value
    assert (error.path, error.line, error.seq, error.field, error.requirement) == (path, 2, 1, field, "DOL-JOURNAL-001")
    assert expected in str(error)
    assert str(error).startswith(f"{path}:2: record 1, field {field}: expected ")


def test_a_forged_journal_that_is_right_is_read(path: str) -> None:
    data = '{"flow":"9007199254740993","out":[],"fx":[["MOVED","1",2]],"x":{"order":"O-1"}}'
    forge(path, [HEAD, body(1, "FLOW", data)])
    record = [*read(path)][1]
    assert record.raw == data.encode()
    assert record.data["flow"] == "9007199254740993"
    assert record.data["x"] == {"order": "O-1"}
    assert (record.body.flow, record.body.out) == ("9007199254740993", [])


@pytest.mark.req("DOL-JOURNAL-001")
@pytest.mark.parametrize("kind", [*EVENTS])
def test_every_kernel_kind_has_exactly_its_fields(path: str, kind: str) -> None:
    fields = [*EVENTS[kind]._fields[1:], "out", "fx"]
    spelled = {name: "[]" if name in ("out", "fx") else "1" for name in fields}
    text = ",".join(f'"{name}":{value}' for name, value in spelled.items())
    forge(path, [HEAD, body(1, kind, f"{{{text}}}"), body(2, kind, f'{{{text},"x":{{}}}}')])
    assert [[*record.data] for record in read(path)][1:] == [fields, [*fields, "x"]]
    for missing in fields:
        less = ",".join(f'"{name}":{value}' for name, value in spelled.items() if name != missing)
        forge(path, [HEAD, body(1, kind, f"{{{less}}}")])
        if missing in OMITTED.get(kind, ()):
            assert missing not in [*read(path)][1].data
            continue
        with pytest.raises(JournalBroken, match=missing):
            list(read(path))


@pytest.mark.req("DOL-JOURNAL-001")
def test_a_forged_record_breaks_the_chain_at_the_next(path: str, written: str) -> None:
    lines = Path(path).read_bytes().splitlines(keepends=True)
    before = sha256(b"dolphin-journal-1").digest()
    for line in lines[:2]:
        before = sha256(before + line[: line.rindex(b',"hash"')]).digest()
    changed = lines[2][: lines[2].rindex(b',"hash"')].replace(b"10000", b"10001")
    lines[2] = changed + f',"hash":"{sha256(before + changed).hexdigest()}"}}\n'.encode()
    Path(path).write_bytes(b"".join(lines))
    with pytest.raises(JournalBroken, match=r"the hash of the one before") as found:
        list(read(path))
    assert (found.value.line, found.value.field) == (4, "hash")


@pytest.mark.req("DOL-JOURNAL-001")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400, deadline=None)
@given(data=st.data())
def test_every_changed_byte_is_named(written: str, data: st.DataObject) -> None:
    content = Path(written).read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != content[at]))
    changed = content[:at] + bytes([other]) + content[at + 1 :]
    check_named(written + ".changed", changed, content[:at].count(b"\n") + 1)


def check_named(path: str, changed: bytes, line: int) -> None:
    Path(path).write_bytes(changed)
    with pytest.raises((JournalBroken, JournalUnreadable)) as found:
        list(read(path))
    if isinstance(found.value, JournalBroken):
        assert found.value.line == line
    else:
        assert line == 1
    assert path in str(found.value)


@pytest.mark.req("DOL-JOURNAL-001")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(data=st.data())
def test_every_lost_or_added_stretch_is_named(written: str, data: st.DataObject) -> None:
    """Whole lines missing at the end are what a chain cannot see: the head file's part, not this one's."""
    content = Path(written).read_bytes()
    start = data.draw(st.integers(0, len(content) - 1))
    end = data.draw(st.integers(start, len(content) - 1))
    new = data.draw(st.binary(max_size=5))
    changed = content[:start] + new + content[end:]
    if changed != content:
        path = written + ".changed"
        Path(path).write_bytes(changed)
        with pytest.raises((JournalBroken, JournalUnreadable)):
            list(read(path))


@pytest.mark.req("DOL-JOURNAL-005")
def test_a_cut_at_every_byte(written: str) -> None:
    content = Path(written).read_bytes()
    path = written + ".cut"
    header = content.index(b"\n") + 1
    for size in range(len(content)):
        Path(path).write_bytes(content[:size])
        whole = content[:size].count(b"\n")
        if size == 0:
            with pytest.raises(JournalUnreadable, match="is empty"):
                verify(path)
        elif size < header:
            with pytest.raises(JournalUnreadable, match=r"cut off inside its header|is no journal"):
                verify(path)
        elif content[size - 1 : size] == b"\n":
            assert verify(path).records == whole
        else:
            with pytest.raises(JournalTorn, match="DOL-JOURNAL-005") as found:
                list(read(path))
            assert found.value.line == whole + 1
            assert found.value.torn == content[:size].rpartition(b"\n")[2]
            assert verify(path).torn == len(found.value.torn)
            assert not verify(path).closed


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello\n", "is no journal, it begins b'hello'"),
        (b"hello", "is no journal, it begins b'hello'"),
        (b"\x00" * 5000, "is no journal"),
        (b"x" * (LINE_BYTES_MAX * 2), "longer than"),
        (b"\n\n", "is no journal"),
        (b'{"seq":0,"ts":"x\n', "no readable HEADER"),
        ((body(0, "NOTE", "{}") + "\n").encode(), "no readable HEADER"),
        ((body(0, "HEADER", '{"format":2}') + ',"hash":"' + "a" * 64 + '"}\n').encode(), "has format 2"),
        ((body(0, "HEADER", '{"format": 1}') + ',"hash":"' + "a" * 64 + '"}\n').encode(), "field hash"),
        ((body(0, "HEADER", "{}") + "\n").encode(), "field|format"),
    ],
)
def test_a_foreign_file_is_called_one(path: str, content: bytes, said: str) -> None:
    Path(path).write_bytes(content)
    with pytest.raises((JournalUnreadable, JournalBroken), match=said):
        list(read(path))


def test_a_header_whose_data_is_not_canonical(path: str) -> None:
    forge(path, [HEAD.replace('"format":1', '"format": 1')])
    with pytest.raises(JournalBroken, match="not canonical"):
        list(read(path))


def test_each_unreadable_path_has_its_own_word(tmp_path: Path, written: str) -> None:
    with pytest.raises(JournalUnreadable, match="no such file"):
        list(read(str(tmp_path / "none")))
    with pytest.raises(JournalUnreadable, match="is a directory"):
        list(read(str(tmp_path)))
    with pytest.raises(JournalUnreadable, match=r"cannot be opened \(ENOTDIR\)"):
        list(read(f"{written}/x"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JournalUnreadable, match="ESPIPE"):
        list(read(str(tmp_path / "pipe")))

    def forbidden(path: str, flags: int) -> int:
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(JournalUnreadable, match="may not be read"):
        list(read(written, port=PORT._replace(open=forbidden)))


def failing(*args: object) -> int:
    raise OSError(errno.EIO, "injected")


def test_a_disk_that_fails_while_it_is_read(written: str) -> None:
    content = Path(written).read_bytes()
    open_ended = written + ".open"
    Path(open_ended).write_bytes(content[: content.rindex(b'{"seq":4')])
    with pytest.raises(JournalUnreadable, match=r"cannot be read \(EIO\)"):
        list(read(written, port=PORT._replace(pread=failing)))  # type: ignore[arg-type]
    with pytest.raises(JournalUnreadable, match=r"cannot be read \(EIO\)"):
        list(follow(open_ended, sleep=lambda _: None, port=PORT._replace(size=failing)))


def test_follow_reads_what_is_being_written(path: str, create: Callable[..., Journal]) -> None:
    def write() -> None:
        with create() as journal:
            for step in range(500):
                journal.append(T0 + step, "NOTE", '{"text":"%s"}' % ("x" * step))

    Path(path).unlink(missing_ok=True)
    writer = threading.Thread(target=write)
    writer.start()
    while not Path(path).exists():
        pass
    records = [record.seq for record in follow(path, poll_s=0.001)]
    writer.join()
    assert records == [*range(502)]


@pytest.mark.req("DOL-JOURNAL-005")
def test_follow_never_takes_a_line_without_its_end(path: str, written: str) -> None:
    """And takes what stands there later, when the writer cut its partial line and wrote another."""
    content = Path(path).read_bytes()
    last = content.rindex(b'{"seq":4')
    stages = [content[: last + 20], content[:last] + b'{"sex":', content[:-1], content]
    Path(path).write_bytes(b"")
    seen: list[int] = []

    def sleep(_: float) -> None:
        assert 4 not in seen
        Path(path).write_bytes(stages.pop(0))

    for record in follow(path, sleep=sleep):
        seen.append(record.seq)
    assert seen == [0, 1, 2, 3, 4]
    assert not stages


def test_follow_can_be_stopped_and_sees_a_file_that_shrinks(path: str, written: str) -> None:
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: content.rindex(b'{"seq":4')])
    assert len([*follow(path, stop=lambda: True)]) == 4

    def shrink(_: float) -> None:
        Path(path).write_bytes(b"")

    with pytest.raises(JournalUnreadable, match="became shorter"):
        list(follow(path, sleep=shrink))
