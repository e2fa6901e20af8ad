"""Adoption at a first live start, a second run of one engine, earlier journals, letters in a backtest."""

import threading

import pytest

from dolphin.audit import pipeline
from dolphin.journal import read
from dolphin.nautilus import mailbox
from tests.nautilus.rig import Rig, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, denials, market, net
from tests.nautilus.test_kill import command, make

INS = audusd()


@pytest.mark.req("DOL-TRIM-007")
@pytest.mark.parametrize(
    ("verb", "kill", "reasons"),
    [
        (None, False, []),
        ("adopt", False, []),
        ("flatten", False, ["FLATTEN"]),
        (None, True, ["KILL_FLATTEN"]),
        ("adopt", True, ["KILL_FLATTEN"]),
    ],
)
def test_found_positions_wait_for_the_operator(tmp_path, verb, kill, reasons):
    """They are left alone until he decides; a kill overrides the wait."""

    def found(s):
        parts = rig.guard.parts
        parts.live, parts.resumed = True, False
        parts._adopt(s.clock.timestamp_ns())
        parts.live = False

    def decide(s):
        if verb:
            s.answers.append(s.command(verb))

    script = {3: market(BUY, X1), 5: found, 7: decide}
    if kill:
        script[9] = command("kill")
    s = make(script)
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 20))
    assert rig.guard.failures == []
    assert len(rig.records("ADOPT")) == 1
    assert [record.data["reason"] for record in rig.records("OWN")] == reasons
    assert net(rig) == (0 if reasons else X1)
    replays(rig.journal)
    report = pipeline.audit(str(rig.journal))
    assert report.findings == (), [finding.lines() for finding in report.findings]


def test_an_engine_that_runs_again_begins_another_journal(tmp_path):
    s = make({3: market(BUY, X1), 5: market(SELL, X1)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    rig.engine.reset()
    s.seen = 0
    rig.engine.run()
    assert rig.guard.failures == []
    first, second = tmp_path / "journal-1.jsonl", tmp_path / "journal.jsonl"
    assert replays(first) == replays(second)
    assert [r.kind for r in read(str(first))] == [r.kind for r in read(str(second))]


def test_a_backtest_may_take_up_an_earlier_journal(tmp_path):
    rig = Rig(tmp_path, INS).add(make({3: command("kill")}))
    rig.run(quotes(INS, [65_000] * 10))
    s = make({3: market(BUY, X1)})
    again = Rig(tmp_path, INS, resume="always").add(s)
    again.run(quotes(INS, [65_000] * 10, start_ns=rig.records()[-1].ts_ns + 10**9))
    assert again.guard.parts.resumed
    assert denials(s)[0].startswith("KILLED")
    replays(again.journal)


@pytest.mark.req("DOL-PLUG-004")
def test_a_letter_takes_effect_in_a_backtest_at_an_events_time(tmp_path):
    answers = []

    def post():
        answers.append(mailbox.post(tmp_path, "kill", {}, "from outside", 20))

    def wait(s):
        thread = threading.Thread(target=post)
        thread.start()
        while not mailbox.waiting(tmp_path):
            pass
        while not rig.guard.parts.letter_flag:
            pass
        s.thread = thread

    s = make({3: market(BUY, X1), 5: wait, 7: market(BUY, 1000)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 12))
    s.thread.join()
    assert answers[0]["mode"] == "KILLED"
    assert net(rig) == 0
    (kill,) = rig.records("KILL")
    assert kill.ts_ns % 10**9 == 0
    assert rig.records("COMMAND")[0].data["cause"] == "from outside"
    replays(rig.journal)


@pytest.mark.req("DOL-STATE-003")
def test_a_journal_of_another_policy_leaves_the_gates_shut(tmp_path):
    Rig(tmp_path, INS).add(make({})).run(quotes(INS, [65_000] * 5))
    s = make({3: market(BUY, X1)})
    rig = Rig(tmp_path, INS, resume="always", policy={"trim": 0}).add(s)
    rig.run(quotes(INS, [65_000] * 5))
    assert "the book is under policy" in rig.guard.failures[0]
    assert denials(s)[0].startswith("INTERNAL")
