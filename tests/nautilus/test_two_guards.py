"""Two guards, one state directory: the second must not take the journal from under the first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dolphin.app.actor import DolphinGuard, DolphinGuardConfig
from dolphin.journal import JournalLocked, verify
from dolphin.kernel.policy import INTRADAY
from dolphin.nautilus.config import ConfigError
from dolphin.nautilus.opening import LiveJournal, Opened, header_of, opened
from tests.nautilus.rig import Rig, audusd, quotes
from tests.nautilus.test_gates import BUY, X1, denials, market
from tests.nautilus.test_kill import command, make

WRITER = """
import sys
from pathlib import Path
from dolphin.kernel.policy import INTRADAY
from dolphin.nautilus.opening import header_of, opened
found = opened(Path(sys.argv[1]), INTRADAY, header_of(INTRADAY, 1, 0, 0, (), {}), 1, "write", False)
print("ready", flush=True)
sys.stdin.readline()
found.journal.append(2, "NOTE", "{}")
found.journal.close(3)
"""


def begin(folder: Path, host: str = "backtest") -> Opened:
    return opened(folder, INTRADAY, header_of(INTRADAY, 1, 0, 0, (), {"host": host}), 1, "write", False)


@pytest.mark.req("DOL-STATE-002")
@pytest.mark.req("DOL-JOURNAL-003")
def test_the_second_guard_is_refused_and_the_first_writes_on(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert first.stdout is not None
    assert first.stdout.readline() == b"ready\n"
    before = os.stat(tmp_path / "journal.jsonl").st_ino
    with pytest.raises(JournalLocked, match=str(first.pid)):
        begin(tmp_path)
    assert os.stat(tmp_path / "journal.jsonl").st_ino == before
    assert not (tmp_path / "journal-1.jsonl").exists()
    first.communicate(b"\n", timeout=60)
    assert first.returncode == 0
    assert verify(str(tmp_path / "journal.jsonl")).closed
    begin(tmp_path).journal.close(2)
    assert os.stat(tmp_path / "journal-1.jsonl").st_ino == before
    assert (tmp_path / "journal-1.jsonl.head").exists()


@pytest.mark.req("DOL-STATE-003")
@pytest.mark.req("DOL-JOURNAL-003")
def test_a_backtest_does_not_set_a_live_journal_aside(tmp_path: Path) -> None:
    begin(tmp_path, "live").journal.close(2)
    with pytest.raises(LiveJournal, match="live host"):
        begin(tmp_path)
    assert not (tmp_path / "journal-1.jsonl").exists()


@pytest.mark.req("DOL-STATE-003")
@pytest.mark.req("DOL-JOURNAL-003")
def test_a_foreign_file_is_set_aside_as_before(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text("hello\n")
    begin(tmp_path).journal.close(2)
    assert (tmp_path / "journal-1.jsonl").read_text() == "hello\n"


@pytest.mark.req("DOL-STATE-002")
def test_a_second_guard_on_one_engine_is_told_off_and_the_first_stays_at_work(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "one", audusd())
    second = DolphinGuard(DolphinGuardConfig(state_dir=str(tmp_path / "two"), component_id="G2"))
    with pytest.raises(ConfigError, match="another Dolphin guard is on this engine already"):
        rig.engine.add_actor(second)
    s = make({3: market(BUY, X1), 5: command("kill"), 7: market(BUY, 1000)})
    rig.add(s).run(quotes(audusd(), [65_000] * 12))
    assert rig.guard.failures == []
    assert rig.guard.parts.hook.not_ours() == []
    assert len(rig.records("ORDER")) >= 2
    assert denials(s)[0].startswith("KILLED")
    assert not (tmp_path / "two" / "journal.jsonl").exists()
