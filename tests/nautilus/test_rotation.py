"""A guarded run whose journal goes on in new files: the run, its restart and its operator notice nothing."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
from pathlib import Path

import pytest

from dolphin.app.book import tail
from dolphin.app.state_dir import Holder, checked, holder
from dolphin.app.status import of, told
from dolphin.audit import pipeline
from dolphin.journal import JournalError, checkpoint, read
from dolphin.journal.chain import header
from dolphin.journal.files import PORT
from dolphin.journal.folding import folded
from dolphin.journal.retention import Kept
from dolphin.journal.segments import name_of, opening
from dolphin.kernel.events import Seen
from dolphin.kernel.state import Mode, outcome
from dolphin.nautilus import guard as guarding
from dolphin.nautilus import opening as beginning
from dolphin.nautilus.config import ConfigError, PlugConfig
from tests.audit.make_journal import Maker
from tests.journal.test_segments import turned
from tests.nautilus.rig import T0, Rig, S, quotes, replays
from tests.nautilus.test_checkpoints import EVERY, SCRIPT, WILD, same
from tests.nautilus.test_gates import BUY, X1, limit, market
from tests.nautilus.test_kill import make


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(beginning, "Keeper", functools.partial(checkpoint.Keeper, every=EVERY))


def rotated_run(folder, script, run=None, start_ns=T0, **settings):
    """A run of which each checkpoint begins a segment; `run`: more that happens, by step."""
    rig = Rig(folder, **settings)

    def small(strategy):
        rig.guard.parts.guard._segment_bytes = 1

    rig.add(make({1: small, **script, **(run or {})})).run(quotes(rig.instrument, WILD, start_ns=start_ns))
    return rig


def segments(journal):
    return opening(header(str(journal)).data).number


@pytest.mark.req("DOL-JOURNAL-015", "DOL-JOURNAL-016")
def test_a_run_is_one_journal_over_its_files(tmp_path):
    rig = rotated_run(tmp_path, SCRIPT)
    assert segments(rig.journal) >= 3
    assert replays(rig.journal)
    found = pipeline.audit(str(rig.journal))
    assert (found.verdict, found.findings, found.reasons) == ("conforms", (), ())
    assert same(rig.journal) == rig.records("CHECKPOINT")[-1].seq
    plain = Rig(tmp_path / "plain").add(make(SCRIPT)).run(quotes(rig.instrument, WILD))
    assert folded(str(rig.journal)).book.state == folded(str(plain.journal)).book.state
    assert rig.guard.failures == []
    assert of(checked(tmp_path), None)["mode"] == "KILLED"


@pytest.mark.req("DOL-JOURNAL-015", "DOL-JOURNAL-012", "DOL-KILL-005")
def test_a_restart_needs_the_live_file_alone(tmp_path):
    rig = rotated_run(tmp_path, SCRIPT)
    before = segments(rig.journal)
    for number in range(1, before):
        os.rename(name_of(str(rig.journal), number), tmp_path / f"{number}.away")
    again = rotated_run(tmp_path, {2: market(BUY, 1_000)}, start_ns=T0 + 200 * S, resume="always")
    assert again.guard.parts.guard.state.latch.mode == Mode.KILLED
    assert segments(again.journal) > before
    assert pipeline.audit(str(again.journal)).findings == ()
    for number in range(1, before):
        os.rename(tmp_path / f"{number}.away", name_of(str(rig.journal), number))
    found = pipeline.audit(str(again.journal))
    assert (found.verdict, found.findings) == ("conforms", ())


@pytest.mark.req("DOL-JOURNAL-015", "DOL-STATE-003")
def test_a_backtest_sets_all_of_it_aside(tmp_path):
    rig = rotated_run(tmp_path, SCRIPT)
    heads = [record.head for record in read(str(rig.journal))]
    Rig(tmp_path).add(make({})).run(quotes(rig.instrument, WILD))
    assert [record.head for record in read(str(tmp_path / "journal-1.jsonl"))] == heads
    assert segments(rig.journal) == 1
    assert pipeline.audit(str(tmp_path / "journal-1.jsonl")).verdict == "conforms"
    assert not Path(name_of(str(rig.journal), 1)).exists()


@pytest.mark.req("DOL-STATE-003", "DOL-JOURNAL-015")
def test_a_live_hosts_journal_with_a_hole_is_spared_by_a_backtest(tmp_path):
    path = tmp_path / "journal.jsonl"
    maker = Maker(path, more={"host": "live"})
    maker.hear()
    for _ in range(3):
        maker.rotate()
        maker.tick(1)
    maker.journal.release()
    os.unlink(name_of(str(path), 2))
    with pytest.raises(beginning.LiveJournal):
        beginning._spare_the_live(path)


@pytest.mark.req("DOL-JOURNAL-016")
def test_a_rotation_that_is_refused_is_noted_and_tried_again(tmp_path):
    def refuse(*args):
        raise OSError(errno.EPERM, "injected")

    def no_links(strategy):
        rig.guard.parts.guard.journal._port = PORT._replace(link=refuse)

    def links(strategy):
        rig.guard.parts.guard.journal._port = PORT

    rig = Rig(tmp_path)

    def small(strategy):
        rig.guard.parts.guard._segment_bytes = 1
        no_links(strategy)

    seen = []

    def look(strategy):
        seen.append(of(checked(tmp_path), Holder(os.getpid(), "")).get("not_rotated"))

    rig.add(make({1: small, 3: market(BUY, X1), 29: look, 30: links})).run(quotes(rig.instrument, WILD))
    assert "EPERM" in seen[0]
    assert of(checked(tmp_path), None)["not_rotated"] == ""
    notes = [record for record in rig.records("NOTE") if record.data.get("what") == "not rotated"]
    assert notes
    assert all("EPERM" in record.data["error"] for record in notes)
    assert segments(rig.journal) > 1
    found = pipeline.audit(str(rig.journal))
    assert (found.verdict, found.findings) == ("conforms", ())
    same(rig.journal)


@pytest.mark.req("DOL-JOURNAL-016")
def test_the_status_says_that_a_file_is_in_the_way_and_of_a_run_that_rotates_no_more(tmp_path):
    """Running and stopped; and which file to move."""
    Maker(tmp_path / "journal.0001.jsonl", more={"run": "OTHER"}).close()
    rig = Rig(tmp_path, resume="always")
    seen = []

    def small(strategy):
        rig.guard.parts.guard._segment_bytes = 1

    def look(strategy):
        rig.guard.parts.write_status(True)
        seen.append(of(checked(tmp_path), holder(checked(tmp_path))))

    def stop(strategy):
        rig.guard.parts.guard.keeper.stop()

    rig.add(make({1: small, 3: market(BUY, X1), 29: look, 30: stop, 31: look})).run(quotes(rig.instrument, WILD))
    way_out = "journal.0001.jsonl: is there, and is not this segment; move it out of the folder, then it is tried again"
    assert way_out in seen[0]["not_rotated"]
    assert way_out in told(seen[0])
    assert seen[1]["not_rotated"] == checkpoint.UNSURE
    stopped = of(checked(tmp_path), None)
    assert way_out in stopped["not_rotated"]
    assert way_out in told(stopped)


@pytest.mark.req("DOL-JOURNAL-016", "DOL-JOURNAL-002")
@pytest.mark.parametrize("call", ["fdatasync", "open"])
def test_a_disk_that_does_not_confirm_the_new_name_trips_the_latch(tmp_path, call):
    """Mode `power`: before the rotation (the old file), or after it (the folder)."""
    kept = getattr(PORT, call)

    def refuse(target, *args):
        if call == "fdatasync":
            raise OSError(errno.EIO, "injected")
        if os.path.isdir(target):
            raise OSError(errno.EIO, "injected")
        return kept(target, *args)

    rig = Rig(tmp_path, durability="power")

    def small(strategy):
        guard = rig.guard.parts.guard
        guard._segment_bytes = 1
        rotated = guard.journal.rotate

        def rotate(*args):
            guard.journal._port = PORT._replace(**{call: refuse})
            guard.journal._synced -= 1  # a record that nobody waited for
            try:
                rotated(*args)
            finally:
                guard.journal._port = PORT

        guard.journal.rotate = rotate

    rig.add(make({1: small, 3: market(BUY, X1), 5: limit(BUY, 1_000, 60_000)})).run(quotes(rig.instrument, WILD))
    assert rig.records("FAULT")
    assert rig.guard.parts.guard.state.latch.mode == Mode.KILLED
    assert (segments(rig.journal) > 1) == (call == "open")
    found = pipeline.audit(str(rig.journal))
    assert found.findings == ()
    same(rig.journal)


@pytest.mark.req("DOL-JOURNAL-015")
def test_a_running_book_shows_what_its_new_file_begins_with(tmp_path):
    """Right after a rotation the file has a header and a checkpoint."""
    seen = []
    rig = Rig(tmp_path)

    def small(strategy):
        guard = rig.guard.parts.guard
        guard._segment_bytes = 1
        kept = guard.journal.rotate

        def rotate(*args):
            kept(*args)
            seen.append((tail(rig.journal), outcome(guard.state), guard.state.capital.equity))

        guard.journal.rotate = rotate

    rig.add(make({1: small, 3: market(BUY, X1)})).run(quotes(rig.instrument, WILD))
    assert len(seen) >= 2
    for said, right, equity in seen:
        assert said.outcome == right
        assert said.equity["equity"] == equity
        assert said.last_kind == "CHECKPOINT"


def notes(rig, what):
    return [record for record in rig.records("NOTE") if record.data.get("what") == what]


@pytest.mark.req("DOL-JOURNAL-017")
def test_only_so_many_segments_are_kept_and_what_went_is_named(tmp_path):
    rig = rotated_run(tmp_path, SCRIPT, segments_kept=1)
    last = segments(rig.journal)
    assert last >= 3
    assert [*tmp_path.glob("journal.0*")] == [Path(name_of(str(rig.journal), last - 1))]
    found = pipeline.audit(str(rig.journal))
    assert (found.verdict, found.findings) == ("incomplete", ())
    assert found.reasons[0].startswith(f"it begins with segment {last - 1}")
    said = [record.data["segment"] for record in notes(rig, "retired")]
    assert said == [last - 2]  # the others are named in the files that went
    before = opening(rig.records("HEADER")[0].data).before
    assert notes(rig, "retired")[0].data == {
        "what": "retired", "segment": last - 2, "seq": before.seq, "hash": before.hash,
    }  # fmt: skip
    again = rotated_run(tmp_path, {}, start_ns=T0 + 200 * S, resume="always", segments_kept=1)
    assert again.guard.parts.guard.state.latch.mode == Mode.KILLED


@pytest.mark.req("DOL-JOURNAL-017")
def test_segments_are_kept_for_so_many_days(tmp_path):
    """Those of the run before are of forty days ago; those of this one, of seconds."""
    rig = rotated_run(tmp_path, SCRIPT, segments_kept_days=30)
    old = segments(rig.journal)
    assert len([*tmp_path.glob("journal.0*")]) == old - 1
    later = rotated_run(tmp_path, SCRIPT, start_ns=T0 + 40 * 86_400 * S, resume="always", segments_kept_days=30)
    left = sorted(int(name.name[8:12]) for name in tmp_path.glob("journal.0*"))
    assert left == [*range(old, segments(later.journal))]
    assert [record.data["segment"] for record in notes(later, "retired")][-1] < old
    assert pipeline.audit(str(later.journal)).findings == ()


@pytest.mark.req("DOL-JOURNAL-017")
def test_where_they_cannot_go_the_run_goes_on(tmp_path, monkeypatch):
    def refuse(path, gone, **_):
        if gone:
            raise JournalError("planted")

    monkeypatch.setattr(guarding, "remove", refuse)
    rig = rotated_run(tmp_path, SCRIPT, segments_kept=1)
    assert {record.data["error"] for record in notes(rig, "not retired")} == {"planted"}
    found = pipeline.audit(str(rig.journal))
    assert (found.verdict, found.findings) == ("conforms", ())


@pytest.mark.req("DOL-JOURNAL-017")
def test_none_goes_before_the_journal_says_so(tmp_path, monkeypatch):
    """The NOTE is refused by the disk: the files stay until a rotation that can tell."""
    real = guarding.beyond
    full = []

    def fill(*args):
        gone = real(*args)
        if gone:
            if not full:
                full.append(len(gone))
                rig.guard.parts.guard.journal._write = refuse
        return gone

    def refuse(fd, data):
        rig.guard.parts.guard.journal._write = os.write
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(guarding, "beyond", fill)
    removed = []
    monkeypatch.setattr(guarding, "remove", lambda path, gone, **_: removed.append(len(gone)))
    rig = Rig(tmp_path, segments_kept=1)

    def small(strategy):
        rig.guard.parts.guard._segment_bytes = 1

    rig.add(make({1: small, **SCRIPT})).run(quotes(rig.instrument, WILD))
    assert full == [1]
    assert rig.records("GAP")
    assert 1 not in removed
    assert pipeline.audit(str(rig.journal)).findings == ()


@pytest.mark.req("DOL-JOURNAL-017", "DOL-JOURNAL-002")
@pytest.mark.parametrize("refused", [False, True])
def test_in_mode_power_none_goes_before_the_disk_says_so(tmp_path, monkeypatch, refused):
    real = guarding.remove
    removed = []

    def look(path, gone, **_):
        if gone:
            journal = rig.guard.parts.guard.journal
            removed.append(journal._synced == journal.head.seq)
            real(path, gone)

    def note(*args):
        gone = found(*args)
        if gone:
            if refused:
                rig.guard.parts.guard.journal._port = PORT._replace(fdatasync=refuse)
        return gone

    def refuse(fd):
        rig.guard.parts.guard.journal._port = PORT
        raise OSError(errno.EIO, "injected")

    found = guarding.beyond
    monkeypatch.setattr(guarding, "beyond", note)
    monkeypatch.setattr(guarding, "remove", look)
    rig = Rig(tmp_path, segments_kept=1, durability="power")

    def small(strategy):
        rig.guard.parts.guard._segment_bytes = 1

    rig.add(make({1: small, **SCRIPT})).run(quotes(rig.instrument, WILD))
    assert removed == [] if refused else removed
    assert all(removed)
    assert bool(rig.records("GAP")) == refused
    assert pipeline.audit(str(rig.journal)).findings == ()


@pytest.mark.req("DOL-JOURNAL-017")
def test_few_go_at_one_rotation(tmp_path):
    """Where fewer are to be kept than there are: the event loop waits for the removals."""
    path = str(tmp_path / "journal.jsonl")
    maker = turned(path, 6)
    keeper = checkpoint.Keeper(maker.aside, 0, EVERY)
    guard = guarding.Guard(
        maker.policy, maker.state, maker.journal, lambda *_: None, True, keeper=keeper, segment_bytes=1, kept=Kept(1)
    )
    left = []
    for turn in range(3 * EVERY):
        guard.emit(Seen(maker.now + turn, 0, maker.now + 1000 * S))
        there = sorted(int(name.name[8:12]) for name in tmp_path.glob("journal.0*"))
        if there not in left:
            left.append(there)
    maker.journal.release()
    assert left[:4] == [[1, 2, 3, 4, 5], [3, 4, 5, 6], [5, 6, 7], [7, 8]]


@pytest.mark.req("DOL-JOURNAL-003", "DOL-JOURNAL-016")
@pytest.mark.parametrize("always", [False, True])
def test_a_book_that_rotates_is_not_taken_for_a_stopped_one(tmp_path, monkeypatch, always):
    """Whoever opened the file before a rotation wins the lock of one that is no journal any more."""
    tmp_path.chmod(0o700)
    maker = turned(str(tmp_path / "journal.jsonl"), 2)
    lock = fcntl.flock
    looks = []

    def flock(fd, what):
        looks.append(what)
        if what & fcntl.LOCK_SH:
            if always or len(looks) == 1:
                maker.rotate()
        lock(fd, what)

    monkeypatch.setattr("dolphin.app.state_dir.fcntl.flock", flock)
    assert holder(checked(tmp_path)).pid == os.getpid()
    monkeypatch.undo()
    maker.close()
    assert holder(checked(tmp_path)) is None


def test_the_size_is_checked():
    assert PlugConfig(state_dir="x").segment_mib == 256
    for days in (-1, 36_501):
        with pytest.raises(ConfigError, match=f"segments_kept_days: found {days}; accepted: 0"):
            PlugConfig(state_dir="x", segments_kept_days=days)
    with pytest.raises(ConfigError, match="segments_kept: found -1; accepted: 0"):
        PlugConfig(state_dir="x", segments_kept=-1)
    with pytest.raises(ConfigError, match="segment_mib: found 0; accepted: 1 or more"):
        PlugConfig(state_dir="x", segment_mib=0)
