"""A restart from a checkpoint gives the book that one from the header gives; it falls back where it would not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from dolphin.audit import pipeline
from dolphin.journal import (
    Journal,
    JournalBroken,
    JournalError,
    JournalUnreadable,
    codec,
    encode,
    folding,
    read,
    recover,
)
from dolphin.journal.aside import Aside
from dolphin.journal.checkpoint import data
from dolphin.journal.encoding import TAIL_BYTES
from dolphin.journal.folding import Folding, folded, places
from dolphin.kernel import machine
from dolphin.kernel.events import EVENTS, KIND
from dolphin.kernel.policy import Policy
from tests.audit.make_journal import T0, Maker, mixed, scripted
from tests.journal.test_faults import Faults
from tests.kernel import strategies as sq

EVERY, RECORDS = 40, 400


def whole(path: str) -> Folding:
    """The book by every record from the header on."""
    made = Folding()
    recover(path, each=made.each)
    return made


def same(one: Folding, other: Folding) -> None:
    assert one.state == other.state
    assert one.aside.plain() == other.aside.plain()
    assert one.header == other.header
    assert one.policy == other.policy
    assert one.since == other.since


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "journal.jsonl"
    mixed(path, RECORDS, every=EVERY)
    return path


@pytest.fixture
def long(made: Path, tmp_path: Path) -> str:
    """Some hundred records with nine checkpoints."""
    path = tmp_path / "journal.jsonl"
    shutil.copy(made, path)
    shutil.copy(f"{made}.head", f"{path}.head")
    return str(path)


def lines_of(path: str) -> list[bytes]:
    return Path(path).read_bytes().splitlines(keepends=True)


def rewritten(path: str, change: Callable[[int, dict[str, Any]], object]) -> None:
    """Change records and chain them anew: what somebody does who can write the file, and its head file."""
    digest = sha256(b"dolphin-journal-1").digest()
    made = []
    for number, line in enumerate(lines_of(path)):
        value = json.loads(line)
        change(number, value)
        del value["hash"]
        body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()[:-1]
        digest = sha256(digest + body).digest()
        made.append(body + f',"hash":"{digest.hex()}"}}\n'.encode())
    Path(path).write_bytes(b"".join(made))
    Path(f"{path}.head").unlink(missing_ok=True)


def checkpoints(path: str) -> list[int]:
    return [record.seq for record in read(path) if record.kind == "CHECKPOINT"]


@pytest.mark.req("DOL-JOURNAL-012", "DOL-JOURNAL-008")
def test_from_the_last_checkpoint_it_is_the_same_book(long: str) -> None:
    recovery, book = folded(long)
    assert book.begun == checkpoints(long)[-1] > RECORDS - 2 * EVERY
    same(book, whole(long))
    assert recovery == recover(long)


@pytest.mark.req("DOL-JOURNAL-012")
def test_without_a_checkpoint_all_of_it_is_folded(tmp_path: Path) -> None:
    path = str(tmp_path / "journal.jsonl")
    scripted(Path(path), gap=True)
    _, book = folded(path)
    assert book.begun == 0
    same(book, whole(path))


@pytest.mark.req("DOL-JOURNAL-012", "DOL-JOURNAL-008")
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rng=sq.randoms, policy=sq.policies)
def test_in_random_runs_too(tmp_path_factory: pytest.TempPathFactory, rng: Random, policy: Policy) -> None:
    path = tmp_path_factory.mktemp("random") / "journal.jsonl"
    made = random_run(path, rng, policy)
    found = folded(str(path)).book
    same(found, whole(str(path)))
    assert found.begun == made


def random_run(path: Path, rng: Random, policy: Policy) -> int:
    """A journal of random events, hostile ones too, with a checkpoint here and there; the last one's number."""
    state, events = sq.sequence(rng, policy, 10)
    header = {
        "start_ns": state.clock.start_ns, "anchor_ns": state.clock.anchor_ns,
        "confidence_ms": state.filter.confidence_ms, "envelope": int(state.environment.envelope_due_ms != -1),
        "feeds": [{"name": str(index), "kind": feed.kind.name} for index, feed in enumerate(state.feeds)],
        "policy": codec.policy_object(policy),
    }  # fmt: skip
    state = codec.begin(json.loads(encode(header))).state
    journal = Journal.create(str(path), header, policy_hash=codec.policy_hash(policy), ts_ns=T0)
    last = 0
    for event in events:
        at_ns = event.ts_ns
        if not 0 <= at_ns < 2**63:
            continue  # no journal takes such a time
        state, effects = machine.step(policy, state, event)
        journal.append(at_ns, KIND[type(event)], codec.encode(event, effects, state))
        if rng.randint(0, 3) == 0:
            aside = Aside()
            for record in read(str(path)):
                aside.each(record.kind, record.data)
            last = journal.append(at_ns, "CHECKPOINT", data(whole(str(path)).state, aside))  # type: ignore[arg-type]
    journal.close(T0)
    return last


@pytest.mark.req("DOL-JOURNAL-012")
def test_one_that_is_not_the_fold_is_passed_over(long: str) -> None:
    right = whole(long).state
    bad = checkpoints(long)[-1]

    def forge(number: int, value: dict[str, Any]) -> None:
        if number == bad:
            value["data"]["state"]["latch"]["episode"] = 5

    rewritten(long, forge)
    _, book = folded(long)
    assert book.begun == checkpoints(long)[-2]
    assert book.state == right
    found = pipeline.audit(long, jobs=1)
    assert found.verdict == "violates"
    assert (found.findings[0].seq, found.findings[0].field) == (bad, "state.latch.episode")
    assert found.findings[0].requirement == "DOL-JOURNAL-011"


@pytest.mark.req("DOL-JOURNAL-012")
@pytest.mark.parametrize(
    "forge",
    [
        lambda state: state.pop("plan"),
        lambda state: state["feeds"].pop(),
        lambda state: state["feeds"][0].update(kind=1),
        lambda state: state["clock"].update(anchor_ns=str(T0 - 1)),
        lambda state: state["filter"].update(confidence_ms=1_000_000),
    ],
)
def test_where_none_is_right_all_of_it_is_folded(long: str, forge: Callable[[Any], object]) -> None:
    right = whole(long).state

    def change(number: int, value: dict[str, Any]) -> None:
        if value["kind"] == "CHECKPOINT":
            forge(value["data"]["state"])

    rewritten(long, change)
    _, book = folded(long)
    assert book.begun == 0
    assert book.state == right
    assert pipeline.audit(long, jobs=1).verdict == "violates"


@pytest.mark.req("DOL-JOURNAL-012")
def test_one_of_before_there_was_a_ledger_in_it_is_passed_over(long: str) -> None:
    def older(number: int, value: dict[str, Any]) -> None:
        value["data"].pop("ledger", None)

    rewritten(long, older)
    _, book = folded(long)
    assert book.begun == 0
    same(book, whole(long))


def test_no_more_than_three_are_tried(long: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def count(path: str, place: Any, port: Any) -> Any:
        tried.append(place.seq)
        raise JournalError("planted")

    monkeypatch.setattr(folding, "_from", count)
    folded(long)
    assert tried == checkpoints(long)[:-4:-1]


@pytest.mark.req("DOL-JOURNAL-005")
def test_what_is_broken_after_it_is_refused_as_ever(long: str) -> None:
    lines = lines_of(long)
    at = checkpoints(long)[-1] + 3
    lines[at] = lines[at].replace(b'"ts":"1', b'"ts":"2')
    Path(long).write_bytes(b"".join(lines))
    with pytest.raises(JournalBroken) as refused:
        folded(long)
    assert refused.value.seq == at


def test_what_is_broken_before_it_is_for_the_audit(long: str) -> None:
    right = whole(long)
    lines = lines_of(long)
    lines[5] = lines[5].replace(b'"ts":"1', b'"ts":"2')
    Path(long).write_bytes(b"".join(lines))
    same(folded(long).book, right)
    found = pipeline.audit(long, jobs=1)
    assert (found.verdict, found.findings[0].seq) == ("violates", 5)


def test_a_checkpoint_that_was_changed_is_passed_over(long: str) -> None:
    """And then the whole journal says where it is broken."""
    lines = lines_of(long)
    at = checkpoints(long)[-1]
    lines[at] = lines[at].replace(b'"flat_before":1', b'"flat_before":0')
    Path(long).write_bytes(b"".join(lines))
    with pytest.raises(JournalBroken) as refused:
        folded(long)
    assert refused.value.seq == at


def test_a_torn_end_and_a_tail_that_is_missing(long: str) -> None:
    lines = lines_of(long)
    Path(long).write_bytes(b"".join(lines[:-3]) + lines[-3][:30])
    recovery, book = folded(long)
    assert book.begun == checkpoints_of(lines)[-1]
    assert (recovery.torn_bytes, recovery.missing, recovery.closed) == (30, 3, False)
    assert recovery == recover(long)
    with Journal.resume(long, ts_ns=T0, recovery=recovery) as journal:
        assert journal.head.seq == len(lines) - 3


@pytest.mark.req("DOL-JOURNAL-012")
@pytest.mark.parametrize("kept", [100, 150, 1_000, -2, -1])
def test_a_checkpoint_that_was_being_written_when_its_writer_died_is_cut(long: str, kept: int) -> None:
    """It is the longest line that there is, and so the likeliest to be torn; the one before it serves."""
    lines = lines_of(long)
    before, at = checkpoints_of(lines)[-2:]
    Path(long).write_bytes(b"".join(lines[:at]) + lines[at][:kept])
    recovery, book = folded(long)
    assert book.begun == before
    assert recovery.torn_bytes == len(lines[at][:kept])
    assert recovery == recover(long)


def checkpoints_of(lines: list[bytes]) -> list[int]:
    return [number for number, line in enumerate(lines) if b'"kind":"CHECKPOINT"' in line]


def test_a_head_file_of_another_journal_is_refused(long: str) -> None:
    Path(f"{long}.head").write_text(json.dumps({"seq": RECORDS - 5, "hash": "0" * 64, "closed": True}))
    with pytest.raises(JournalBroken, match="head file"):
        folded(long)


def test_a_head_file_that_is_older_than_the_checkpoint_is_no_matter(long: str) -> None:
    first = next(read(long))
    Path(f"{long}.head").write_text(json.dumps({"seq": 0, "hash": first.hash, "closed": False}))
    assert folded(long).book.begun == checkpoints(long)[-1]


def test_a_run_that_resumed_counts_from_the_last_checkpoint(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.checkpoint()
    maker.tick(1)
    maker.tick(1)
    maker.journal.release()
    assert folded(str(maker.path)).book.since == 2


def test_a_text_that_looks_like_one_is_none(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.tick(1)
    said = '\n{"seq":7,"ts":"5","kind":"CHECKPOINT","policy":"0123456789abcdef"'
    maker.other("NOTE", text=said, inner={"kind": "CHECKPOINT", "policy": "0123456789abcdef"})
    maker.close()
    assert [*places(str(maker.path))] == []


def test_a_line_after_what_is_no_record_is_no_place(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    mark = b'\n{"seq":7,"ts":"5","kind":"CHECKPOINT","policy":"0123456789abcdef"'
    path.write_bytes(b"z" * 100 + mark + b"a" * 64 + b'"}' + mark)
    assert [place.offset for place in places(str(path))] == [100 + len(mark) + 66 + 1]


@pytest.mark.parametrize("block", [300, 1_000, 4_096])
def test_wherever_a_block_ends(long: str, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    right = [*places(long)]
    assert [place.seq for place in right] == checkpoints(long)[::-1]
    monkeypatch.setattr(folding, "BLOCK_BYTES", block)
    assert [*places(long)] == right
    for place in right:
        line = lines_of(long)[place.seq]
        body = Path(long).read_bytes()[place.offset : place.offset + len(line)]
        assert body == line
        assert sha256(place.digest + line[: -TAIL_BYTES - 1]).hexdigest().encode() in line


def test_no_file() -> None:
    with pytest.raises(JournalUnreadable):
        folded("/no/such/journal")


def calls(long: str) -> Iterator[tuple[int, bool]]:
    faults = Faults()
    folded(long, port=faults.port())
    assert {*faults.calls} == {"open", "read", "pread", "size", "close"}
    for at in range(len(faults.calls)):
        yield at, False
        yield at, True


@pytest.mark.req("DOL-JOURNAL-012")
def test_a_fault_at_every_call(long: str) -> None:
    """It is refused, or it is the same book."""
    right = whole(long)
    refused = 0
    for at, lasting in calls(long):
        try:
            found = folded(long, port=Faults(at, lasting=lasting).port()).book
        except JournalError:
            refused += 1
            continue
        same(found, right)
    assert refused > 4


def test_the_outcome_of_each_event_since_is_compared(long: str) -> None:
    """A checkpoint that is read and is of another moment gives another outcome sooner or later."""
    seqs = checkpoints(long)
    state = [record.data for record in read(long) if record.kind == "CHECKPOINT"][-2]

    def older(number: int, value: dict[str, Any]) -> None:
        if number == seqs[-1]:
            value["data"] = state

    right = whole(long)
    rewritten(long, older)
    found = folded(long).book
    assert found.begun == seqs[-2]
    same(found, right)


def test_every_kind_of_event_is_in_the_runs_above() -> None:
    assert {KIND[kind] for kind in sq.ALL} == {*EVENTS}
