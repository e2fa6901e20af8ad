"""A disk that is slow is not a process that hangs; one that does not answer is. A real node, a real watchdog."""

import pytest

from dolphin.journal import killfile
from dolphin.journal.beat import LONGER_MS
from tests.loopback import Exchange
from tests.watchdog.rig import Process, eventually, notes, orders, watchdog

MISSED = 20
LIMIT_S = MISSED / 10 + LONGER_MS / 1_000


@pytest.mark.req("DOL-WATCH-010", "DOL-WATCH-001")
def test_a_rotation_on_a_slow_disk_is_no_hang_and_one_that_does_not_end_is(tmp_path):
    with Exchange() as exchange, Process("tests.watchdog.slow_disk_child", tmp_path) as process:
        protects = orders(exchange)
        process.until("running", 120)
        with watchdog(tmp_path, exchange, missed=MISSED) as dog:
            dog.until("sees: beats")
            process.say("slow 2")
            stood_s = float(process.until("stood", 120).split()[1])
            assert stood_s > 4.0  # two syncs: twice the beats that make a hang
            assert (tmp_path / "journal.0001.jsonl").exists()
            if stood_s > LIMIT_S - 0.5:
                return  # the machine gave it no time: that is a hang
            assert [note["what"] for note in notes(tmp_path)].count("trip") == 0
            assert len(exchange.working()) == 6
            process.say("hang")
            assert "waits for its disk and has not beaten for" in dog.until("trip", 120)
            eventually(lambda: set(exchange.working()) == protects)
            assert killfile.lies(str(tmp_path / "KILL"))
    trip = next(note for note in notes(tmp_path) if note["what"] == "trip")
    assert LONGER_MS + 100 * MISSED <= trip["silent_ms"]
