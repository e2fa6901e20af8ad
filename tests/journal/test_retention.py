"""What retention takes is what no recovery needs, and is named by its last record."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from dolphin.journal import JournalError, Record, read, recover, verify
from dolphin.journal.encoding import TS_MAX_NS
from dolphin.journal.files import PORT
from dolphin.journal.folding import folded
from dolphin.journal.retention import Kept, beyond, remove
from dolphin.journal.segments import name_of
from tests.audit.make_journal import T0, Maker, S
from tests.journal.test_faults import Faults
from tests.journal.test_segments import turned


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal.jsonl")


def last_of(path: str, number: int) -> Record:
    return [record for record in read(path) if record.path == name_of(path, number)][-1]


@pytest.mark.req("DOL-JOURNAL-017")
@pytest.mark.parametrize(("kept", "gone"), [(0, [1, 2, 3, 4]), (1, [1, 2, 3]), (3, [1]), (4, []), (9, [])])
def test_the_oldest_go(path: str, kept: int, gone: list[int]) -> None:
    turned(path, 5).close()
    right = folded(path).book.state
    heads = [last_of(path, number).head for number in gone]
    found = beyond(path, kept)
    assert [(one.segment, one.head) for one in found] == [*zip(gone, heads, strict=True)]
    for one in found:
        said = json.loads(one.data())
        assert said == {"what": "retired", "segment": one.segment, "seq": one.head.seq, "hash": one.head.hash}
    remove(path, found)
    assert verify(path).segment == len(gone) + 1
    assert folded(path).book.state == right
    assert beyond(path, kept) == []


@pytest.mark.req("DOL-JOURNAL-017")
def test_none_goes_that_ended_lately(path: str) -> None:
    """Both say what stays; and where a clock stepped back no hole is left."""
    maker = turned(path, 4)
    ended = [record.ts_ns for record in read(path) if record.line == 1][1:]
    maker.close()
    assert ended == sorted(ended)
    assert [one.segment for one in beyond(path, 0, ended[1])] == [1, 2]
    assert [one.segment for one in beyond(path, 0, ended[1] - 1)] == [1]
    assert [one.segment for one in beyond(path, 2, ended[2])] == [1]
    assert beyond(path, 0, ended[0] - 1) == []
    assert (Kept().before_ns(T0), Kept(0, 5).before_ns(T0)) == (TS_MAX_NS, T0 - 5)


@pytest.mark.req("DOL-JOURNAL-017")
def test_a_clock_that_stepped_back_makes_no_hole(path: str) -> None:
    maker = turned(path, 2)
    maker.now += 1_000 * S
    maker.rotate()
    maker.now -= 1_000 * S
    maker.rotate()
    maker.now += 1
    maker.rotate()
    maker.close()
    ended = [record.ts_ns for record in read(path) if record.line == 1][1:]
    assert ended[1] > ended[2]
    assert beyond(path, 0, ended[2]) == [beyond(path, 0)[0]]


@pytest.mark.req("DOL-JOURNAL-017")
def test_none_goes_below_a_hole(path: str) -> None:
    turned(path, 5).close()
    Path(name_of(path, 2)).unlink()
    assert [one.segment for one in beyond(path, 0)] == [3, 4]


@pytest.mark.req("DOL-JOURNAL-017")
def test_none_of_another_journal_goes(path: str, tmp_path: Path) -> None:
    """They have the names, since a backup of another book was restored here; no record of this one names them."""
    turned(path, 5).close()
    (tmp_path / "other").mkdir()
    other = str(tmp_path / "other" / "journal.jsonl")
    maker = Maker(Path(other), more={"run": "another"})
    maker.hear()
    for _ in range(3):
        maker.rotate()
    maker.close()
    for number in (1, 2):
        os.replace(name_of(other, number), name_of(path, number))
    assert [one.segment for one in beyond(path, 0)] == [3, 4]
    os.truncate(name_of(path, 3), 10)
    with pytest.raises(JournalError, match=r"journal.0003.jsonl"):
        beyond(path, 0)


@pytest.mark.req("DOL-JOURNAL-017")
def test_none_goes_where_the_live_file_does_not_begin_with_a_checkpoint(path: str) -> None:
    """None at all, another record, one that is not read as this version's."""
    turned(path, 3).close()
    lines = Path(path).read_bytes().splitlines(keepends=True)
    Path(f"{path}.head").unlink()
    assert len(beyond(path, 0)) == 2
    Path(path).write_bytes(lines[0])
    assert beyond(path, 0) == []
    for change in (
        lambda value: value.update(kind="NOTE"),
        lambda value: value["data"]["state"].pop("latch"),
    ):
        _chained(path, lines, change)
        assert recover(path).head.seq > 0
        assert beyond(path, 0) == []


def _chained(path: str, lines: list[bytes], change) -> None:  # type: ignore[no-untyped-def]
    """The first two lines, the second one changed and chained anew."""
    from hashlib import sha256

    value = json.loads(lines[1])
    change(value)
    del value["hash"]
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()[:-1]
    digest = sha256(bytes.fromhex(json.loads(lines[0])["hash"]) + body).hexdigest()
    Path(path).write_bytes(lines[0] + body + f',"hash":"{digest}"}}\n'.encode())


@pytest.mark.req("DOL-JOURNAL-017")
def test_what_cannot_be_removed_stays_with_those_after_it(path: str) -> None:
    turned(path, 4).close()
    found = beyond(path, 0)
    with pytest.raises(JournalError, match=r"journal.0001.jsonl: cannot be removed \(EIO\)"):
        remove(path, found, port=Faults(0, only="unlink", error=errno.EIO).port())
    assert [one.segment for one in beyond(path, 0)] == [1, 2, 3]
    assert os.path.exists(name_of(path, 3))
    remove(path, found, port=PORT)
    assert [*Path(path).parent.glob("journal.0*")] == []
