"""A journal that goes on under another policy: one file further, whole or not at all."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from dolphin.journal import Journal, read, recover, verify
from dolphin.journal.chain import header
from dolphin.journal.checkpoint import data
from dolphin.journal.codec import policy_hash, policy_object
from dolphin.journal.files import PORT, Port
from dolphin.journal.folding import folded
from dolphin.journal.retention import beyond
from dolphin.journal.segments import CHANGE_FIELDS, opening, run_of, under, without
from dolphin.kernel.policy import INTRADAY, Policy
from tests.audit.make_journal import T0, Maker
from tests.journal.test_faults import Faults
from tests.journal.test_folding import whole
from tests.journal.test_segments import dying

TIGHT = INTRADAY._replace(apex_entry_bp=30_000, apex_held_bp=30_000)
WORD = "0123456789abcdef:fedcba9876543210"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal.jsonl")


def change(path: str, port: Port, policy: Policy = TIGHT) -> None:
    """Take the journal up and go on under `policy`, by `port`."""
    journal = Journal.resume(path, ts_ns=T0 + 1, durability="power")
    book = folded(path).book
    assert book.state is not None
    said = under(book.header, policy_object(policy), policy_hash(policy), journal.head.seq + 1, WORD, "tester")
    journal._port = port
    journal.rotate(T0 + 2, data(book.state, book.aside), said)
    journal.release()


@pytest.mark.req("DOL-POLICY-003")
def test_it_is_in_the_header_with_both_hashes_and_in_every_line_after_it(path: str) -> None:
    maker = Maker(Path(path))
    maker.hear()
    maker.under(TIGHT)
    maker.tick(1)
    maker.rotate()
    maker.tick(1)
    maker.close()
    assert verify(path).closed
    found = [*read(path)]
    headers = [record for record in found if record.kind == "HEADER"]
    one, two, three = (record.data for record in headers)
    assert "policy_change" not in one
    assert tuple(two["policy_change"]) == CHANGE_FIELDS
    assert two["policy_change"]["before"] == one["policy_hash"] == policy_hash(INTRADAY)
    assert two["policy_change"]["seq"] == headers[1].seq
    assert (two["policy"], two["policy_hash"]) == (policy_object(TIGHT), policy_hash(TIGHT))
    assert without(two) == without(three)  # a rotation repeats it
    assert run_of(one) == run_of(three)
    for record in found:
        hashed = policy_hash(INTRADAY if record.seq < headers[1].seq else TIGHT)
        assert record.policy == hashed[:16]


@pytest.mark.req("DOL-POLICY-003", "DOL-JOURNAL-012")
def test_the_book_is_folded_under_the_policy_of_its_time(path: str) -> None:
    maker = Maker(Path(path))
    maker.hear()
    maker.equity(flat=1)
    maker.under(TIGHT)
    maker.tick(1)
    maker.under(INTRADAY)  # and back
    maker.tick(1)
    maker.journal.release()
    for book in (whole(path), folded(path).book):
        assert (book.policy, book.state) == (INTRADAY, maker.state)
    with Journal.resume(path, ts_ns=maker.now, policy_hash=policy_hash(INTRADAY)) as journal:
        assert journal.head.seq == maker.journal.head.seq + 1


@pytest.mark.req("DOL-POLICY-003", "DOL-JOURNAL-017")
def test_segments_of_another_policy_are_of_the_same_journal(path: str) -> None:
    maker = Maker(Path(path))
    maker.hear()
    maker.under(TIGHT)
    maker.rotate()
    maker.journal.release()
    assert [one.segment for one in beyond(path, 0)] == [1, 2]


def steps(folder: Path) -> list[str]:
    """The calls of one change."""
    path = str(folder / "plain.jsonl")
    maker = Maker(Path(path))
    maker.journal.release()
    faults = Faults()
    change(path, faults.port())
    return faults.calls


@pytest.mark.req("DOL-POLICY-003", "DOL-JOURNAL-016")
@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_is_killed_at_any_step_leaves_the_old_policy_or_the_new_one(tmp_path: Path, after: bool) -> None:
    calls = steps(tmp_path)
    decides = calls.index("replace") + 1 - after
    for at in range(len(calls)):
        path = str(tmp_path / str(at) / "journal.jsonl")
        os.mkdir(tmp_path / str(at))
        maker = Maker(Path(path))
        maker.hear()
        maker.tick(1)
        maker.journal.release()
        child = os.fork()
        if child == 0:  # nothing here comes back
            try:
                change(path, dying(at, after))
            finally:
                os._exit(7)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        right = INTRADAY
        if at >= decides:
            right = TIGHT
        book = folded(path).book
        assert (book.policy, book.state) == (right, maker.state), (at, calls[at])
        assert header(path).data["policy_hash"] == policy_hash(right)
        assert recover(path).torn_bytes == 0
        change(path, PORT, TIGHT._replace(kappa_bp=1))  # the next start finds what this one left
        assert opening(header(path).data).number == 2 + (at >= decides)
        assert whole(path).policy == TIGHT._replace(kappa_bp=1)
