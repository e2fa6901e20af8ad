"""Nothing escapes: an exception at any call of the shell, a journal that cannot be written, a host that is not as
measured. Entries are denied, exits pass, the latch trips, the run goes on.
"""

import errno
import shutil

import pytest
from nautilus_trader.model.events import OrderDenied

from dolphin.app.actor import DolphinGuard
from dolphin.journal import Journal, JournalWriteError, verify
from dolphin.kernel.reasons import Cause
from dolphin.nautilus import action, asking, book, equity, feeds, flow, guard, killing, own, values
from dolphin.nautilus.config import ConfigError
from tests.nautilus.rig import Rig, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, bracket, denials, limit, market, net, px, q
from tests.nautilus.test_kill import chain, command, make

INS = audusd()

CALLS = [
    (asking.Asker, "submit"), (asking.Asker, "whole"), (asking.Asker, "modify"), (book.Book, "seen"),
    (book.Book, "refresh"), (book.Book, "settle"), (book.Book, "named"), (book.Group, "without"), (book.Group, "exits"),
    (book.Group, "increasing"), (values.Values, "sample"), (values.Values, "worth"), (values.Values, "working"),
    (values.Values, "prices"), (values.Values, "found"), (feeds.Feeds, "drain"), (feeds.Feeds, "fresh"),
    (equity.Sampler, "event"), (guard.Guard, "judge"), (guard.Guard, "emit"), (guard.Guard, "write"),
    (own.Own, "ask"), (own.Own, "begin"), (own.Own, "displace"), (own.Own, "_send"), (killing.Killing, "all"),
    (killing.Killing, "again"), (action.Host, "shrink"), (action.Host, "cancel"), (action.Host, "deny"),
    (action.Host, "reject_modify"), (action.Host, "reducing"), (action.Host, "send"), (flow.FlowOfEvents, "catch_up"),
    (flow.FlowOfEvents, "order"), (flow.FlowOfEvents, "position"), (flow.FlowOfEvents, "account"),
    (flow.FlowOfEvents, "alert"), (flow.FlowOfEvents, "wake"), (flow.FlowOfEvents, "plan"),
    (flow.FlowOfEvents, "_strode"), (flow.FlowOfEvents, "finish"), (flow.FlowOfEvents, "command"),
]  # fmt: skip


@pytest.mark.req("DOL-KILL-005")
@pytest.mark.req("DOL-ORDER-005")
@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.parametrize(("owner", "name"), CALLS, ids=[f"{owner.__name__}.{name}" for owner, name in CALLS])
@pytest.mark.parametrize("after", [0, 9])
def test_an_exception_anywhere_denies_entries_and_lets_exits_pass(tmp_path, monkeypatch, owner, name, after):
    """From its `after`-th call on, the function raises, for ever."""
    kept = getattr(owner, name)
    calls = [0]

    def broken(*args, **kwargs):
        calls[0] += 1
        if calls[0] > after:
            raise RuntimeError("planted")
        return kept(*args, **kwargs)

    exits = []

    def leave(s):
        for position in s.cache.positions_open():
            order = s.order_factory.market(INS.id, SELL, position.quantity)
            exits.append(order)
            s.submit_order(order)

    s = make(
        {
            3: market(BUY, X1),
            4: chain(limit(BUY, 1000, 64_000), limit(SELL, 1000, 66_000)),
            5: lambda s: s.modify_order(s.last, quantity=q(2000)),
            6: bracket(BUY, 1000, 64_000, 66_000),
            7: market(BUY, 9 * X1),
            9: command("shock") if name != "command" else market(BUY, 1000),
            11: lambda s: s.msgbus.send("Dolphin.command", {"verb": "kill", "cause": "t"}),
            13: market(BUY, 1000),
            15: leave,
        }
    )
    if name == "command":
        s.script.pop(11)
    rig = Rig(tmp_path, INS).add(s)
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, broken)
        rig.run(quotes(INS, [65_000] * 30))
    assert s.seen == 30  # the run went on
    if calls[0] > after:
        assert rig.guard.failures
        if not (owner is guard.Guard and name == "emit"):
            late = [e for e in s.events if isinstance(e, OrderDenied) and "DOL-" in e.reason]
            opened = [order for order in s.cache.orders() if order.ts_init > s.cache.orders()[0].ts_init]
            assert late or opened
    for order in exits:
        assert order.status_string() in ("FILLED", "DENIED", "REJECTED"), order
        if order.status_string() == "DENIED":
            # The guard's own order had covered it.
            assert "ALREADY_REDUCING" in [e.reason for e in s.events if isinstance(e, OrderDenied)][-1]


class Disk:
    """A journal whose disk is full from a call on, for so many calls."""

    def __init__(self, monkeypatch, at, times):
        kept = Journal.append
        self.calls = 0

        def append(journal, ts_ns, kind, data):
            self.calls += 1
            if at <= self.calls < at + times:
                raise JournalWriteError(journal.path, errno.errorcode[errno.ENOSPC], 1, "free space")
            return kept(journal, ts_ns, kind, data)

        monkeypatch.setattr(Journal, "append", append)


@pytest.mark.req("DOL-JOURNAL-004")
@pytest.mark.req("DOL-KILL-004")
@pytest.mark.parametrize("at", range(2, 16))
def test_a_journal_that_cannot_be_written_denies_entries_trips_and_lets_exits_pass(tmp_path, monkeypatch, at):
    Disk(monkeypatch, at, 10_000)
    s = make({3: market(BUY, X1), 5: market(BUY, X1), 7: market(BUY, X1), 9: lambda s: s.close_all_positions(INS.id),
              11: market(BUY, 1000)})  # fmt: skip
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 30))
    assert rig.guard.failures == []
    state = rig.guard.parts.guard.state
    assert state.latch.cause == Cause.JOURNAL_WRITE
    assert net(rig) == 0
    assert any(text.startswith(("JOURNAL [DOL-JOURNAL-004]", "KILLED")) for text in denials(s))
    assert denials(s)[-1].startswith("KILLED")


@pytest.mark.req("DOL-JOURNAL-006")
@pytest.mark.parametrize("at", [4, 5, 6, 8, 11])
def test_when_writing_works_again_what_waited_is_written_in_order(tmp_path, monkeypatch, at):
    Disk(monkeypatch, at, 3)
    s = make({3: market(BUY, X1), 5: market(BUY, X1), 8: market(BUY, 1000)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 30))
    assert rig.guard.failures == []
    assert rig.guard.parts.guard.lost == 0
    assert net(rig) == 0
    replays(rig.journal)  # the fold equals what was recorded, the fault that this was included
    assert [r.data["cause"] for r in rig.records("FAULT")] == [int(Cause.JOURNAL_WRITE)]


@pytest.mark.req("DOL-JOURNAL-006")
def test_a_real_full_disk(tmp_path, monkeypatch):
    """The port's own write fails: the journal says so by a GAP, and the chain holds."""
    s = make({3: market(BUY, X1), 6: market(BUY, X1), 12: market(SELL, 1000)})
    rig = Rig(tmp_path, INS).add(s)
    fails = [0]

    def full(self_, fd=None, data=None):
        raise OSError(errno.ENOSPC, "no space")

    def break_it(s):
        journal = rig.guard.parts.guard.journal
        fails[0] = journal._write
        journal._write = full

    def mend_it(s):
        rig.guard.parts.guard.journal._write = fails[0]

    s.script[5] = break_it
    s.script[9] = mend_it
    said = []
    s.script[8] = lambda s: said.append(rig.guard.parts.status()["journal"])
    rig.run(quotes(INS, [65_000] * 20))
    assert rig.guard.failures == []
    assert net(rig) == 0
    found = verify(str(rig.journal))
    assert found.closed
    assert said[0]["failing"]
    assert said[0]["refused"] >= 1
    assert said[0]["waiting"] >= 1
    assert said[0]["lost"] == 0
    assert "ENOSPC (No space left on device)" in said[0]["error"]
    after = rig.guard.parts.status()["journal"]
    assert (after["failing"], after["waiting"]) == (False, 0)
    assert found.gaps >= 1


@pytest.mark.req("DOL-PLUG-003")
def test_a_host_that_is_not_as_measured_fails_closed(tmp_path, monkeypatch):
    from dolphin.nautilus.hook import Hook

    monkeypatch.setattr(Hook, "self_test", lambda self: ["Portfolio handles data.quotes.* at priority 3"])
    s = make({3: market(BUY, X1), 4: limit(BUY, X1, 64_000)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert len(denials(s)) == 2
    assert rig.guard.parts.guard.state.latch.cause == Cause.SELF_TEST
    assert "priority 3" in rig.records("NOTE")[0].data["found"][0]
    replays(rig.journal)


@pytest.mark.req("DOL-PLUG-003")
def test_a_guard_that_cannot_start_denies_entries_and_lets_exits_pass(tmp_path):
    class Blind(DolphinGuard):
        def sensor_source(self, settings):
            raise OSError("no sensors")

    def own_stop(s):
        s.close_all_positions(INS.id)

    s = make({3: market(BUY, X1), 4: bracket(BUY, 1000, 64_000, 66_000), 5: own_stop})
    rig = Rig(tmp_path, INS, actor=Blind).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert rig.guard.failures == ["start: OSError: no sensors"]
    assert len(denials(s)) == 4
    assert all(text.startswith("INTERNAL [DOL-ORDER-005]") for text in denials(s))


@pytest.mark.req("DOL-PLUG-003")
def test_an_endpoint_that_somebody_replaced_is_noticed(tmp_path):
    s = make({})
    rig = Rig(tmp_path, INS).add(s)

    def steal(s):
        bus = s.msgbus
        bus.deregister("RiskEngine.execute", rig.guard.gate_risk)
        bus.register("RiskEngine.execute", lambda command: None)
        rig.guard.parts.check_hook()

    s.script = {3: steal}
    rig.run(quotes(INS, [65_000] * 10))
    assert rig.guard.parts.guard.state.latch.cause == Cause.SELF_TEST


@pytest.mark.req("DOL-STATE-004")
def test_a_state_directory_that_cannot_be_made_is_refused_when_the_engine_takes_the_guard_in(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="state_dir"):
        Rig(tmp_path / "file" / "state", INS)


@pytest.mark.req("DOL-STATE-004")
def test_a_state_directory_that_is_lost_before_the_start_leaves_the_gates_shut(tmp_path):
    s = make({3: market(BUY, X1)})
    rig = Rig(tmp_path / "state", INS).add(s)
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "state").write_text("")
    rig.run(quotes(INS, [65_000] * 10))
    assert rig.guard.failures
    assert len(denials(s)) == 1


def test_a_callback_that_raises_changes_nothing(tmp_path):
    s = make({3: market(BUY, 9 * X1), 5: command("kill")})
    rig = Rig(tmp_path, INS)
    heard = []
    rig.guard.on_change.append(lambda what, text: heard.append(what))
    rig.guard.on_change.append(lambda what, text: 1 // 0)
    rig.add(s).run(quotes(INS, [65_000] * 10))
    assert {"SHRUNK", "KILLED", "FELL"} <= set(heard)
    assert all("ZeroDivisionError" in text for text in rig.guard.failures)
    assert net(rig) == 0
    replays(rig.journal)


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.req("DOL-KILL-005")
@pytest.mark.parametrize(
    "error",
    [ValueError("lone \ud800 surrogate"), ValueError("x" * 3_000_000), Silent(), ValueError("\0\n\u2028")],
    ids=["surrogate", "huge", "silent", "control"],
)  # fmt: skip
def test_an_exception_with_a_strange_text_is_a_fault_all_the_same(tmp_path, monkeypatch, error):
    def broken(self, *args):
        raise error

    s = make({3: market(BUY, X1), 9: market(BUY, 1000), 11: lambda s: s.close_all_positions(INS.id)})
    rig = Rig(tmp_path, INS).add(s)
    s.script[5] = lambda s: monkeypatch.setattr(flow.FlowOfEvents, "command", broken) or s.command("status")
    rig.run(quotes(INS, [65_000] * 20))
    assert s.seen == 20
    assert len(rig.guard.failures) == 1
    assert rig.guard.parts.guard.state.latch.cause == Cause.EXCEPTION
    (fault,) = rig.records("FAULT")
    text = fault.data["x"]["error"]
    assert text.startswith("command: ")
    assert len(text) < 6_000
    assert text == rig.guard.failures[0]
    assert denials(s)[0].startswith("KILLED")
    assert net(rig) == 0
    replays(rig.journal)


def test_a_price_helper_is_exact():
    assert px(65_000).as_double() == 0.65
