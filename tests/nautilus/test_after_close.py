"""What comes after CLOSE: a strategy's thread, a late answer of the venue, a command. What the run left stands."""

from __future__ import annotations

import threading

import pytest

from dolphin.journal import verify
from dolphin.kernel.events import Fault
from dolphin.kernel.reasons import Cause
from dolphin.nautilus.guard import Guard
from tests.nautilus.live_node import INS as PAIR
from tests.nautilus.live_node import guard_of
from tests.nautilus.rig import Rig, audusd, bars, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, market, q
from tests.nautilus.test_kill import make
from tests.nautilus.test_live import run

INS = audusd()


def left(folder):
    """Every file of a state directory, whole."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def ended(tmp_path, **settings):
    s = make({3: market(BUY, X1)})
    rig = Rig(tmp_path, INS, **settings).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert verify(str(rig.journal)).closed
    return rig, s, left(tmp_path)


@pytest.mark.req("DOL-JOURNAL-007", "DOL-EXIT-001")
def test_an_entry_is_denied_an_exit_passes_and_nothing_is_written(tmp_path):
    rig, s, before = ended(tmp_path)
    state = rig.guard.parts.guard.state
    entry, exit_ = (s.order_factory.market(INS.id, side, q(X1)) for side in (BUY, SELL))
    s.submit_order(entry)
    assert entry.status_string() == "DENIED"
    assert "the run has ended" in entry.last_event.reason
    with pytest.raises(ValueError, match="not connected"):  # it came as far as the venue's client
        s.submit_order(exit_)
    assert rig.guard.failures == []
    assert left(tmp_path) == before
    assert rig.guard.parts.guard.state == state


@pytest.mark.req("DOL-PLUG-002")
def test_in_report_mode_everything_passes_and_nothing_is_written(tmp_path):
    _, s, before = ended(tmp_path, mode="report")
    entry = s.order_factory.market(INS.id, BUY, q(X1))
    with pytest.raises(ValueError, match="not connected"):
        s.submit_order(entry)
    assert left(tmp_path) == before


@pytest.mark.req("DOL-PLUG-004", "DOL-JOURNAL-007")
def test_a_command_is_told_that_the_run_has_ended(tmp_path):
    rig, s, before = ended(tmp_path)
    assert s.command("kill") == {"ok": False, "error": "the run has ended"}
    rig.guard.hear_command("no command")
    assert rig.guard.failures == []
    assert left(tmp_path) == before


@pytest.mark.req("DOL-JOURNAL-007")
def test_what_nautilus_tells_the_guard_is_heard_no_more(tmp_path):
    rig, _, before = ended(tmp_path)
    plug, core = rig.guard, rig.guard.parts.guard
    plug.hear_bar(bars(INS, [65_000])[0])
    plug._tick(None)
    plug.failed("somewhere", RuntimeError("late"))
    core.write(0, "NOTE", "{}")
    core.settle(0)
    assert core.emit(Fault(core.state.clock.t_ns, Cause.EXCEPTION)) == ()
    assert core.running()
    assert core.waiting() == 0
    assert left(tmp_path) == before


@pytest.mark.req("DOL-JOURNAL-007")
def test_live_a_thread_that_sends_through_the_end_leaves_what_close_left(tmp_path, monkeypatch):
    """It sends until long after the node was disposed, and an operator kills when it is too late."""
    done = threading.Event()
    held, over = {}, []
    emit = Guard.emit

    def seen(self, *args, **kwargs):
        over.append(self.over)
        return emit(self, *args, **kwargs)

    def send():
        s, guard = held["strategy"], held["guard"]
        while not done.wait(0.002):
            held["sent"] = s.order_factory.market(PAIR.id, BUY, q(1_000))
            s.submit_order(held["sent"])
            if guard.parts.closed:
                s.msgbus.send("Dolphin.command", {"verb": "kill", "cause": "late"})

    sender = threading.Thread(target=send)

    async def act(node):
        held["strategy"], held["guard"] = node.trader.strategies()[0], guard_of(node)
        sender.start()

    monkeypatch.setattr(Guard, "emit", seen)
    try:
        run(tmp_path, act)
        before = left(tmp_path)
        done.wait(0.2)
    finally:
        done.set()
        sender.join(10)
    assert held["sent"].status_string() in ("DENIED", "INITIALIZED")  # nobody carries a denial any more
    assert held["guard"].failures == []
    assert left(tmp_path) == before
    assert over
    assert True not in over
    replays(tmp_path / "journal.jsonl")
