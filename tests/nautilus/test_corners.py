"""Corners of the shell that no story passes, each through the real objects of a running engine."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import CancelOrder, ModifyOrder, SubmitOrder, SubmitOrderList
from nautilus_trader.model.events import OrderDenied, OrderModifyRejected
from nautilus_trader.model.identifiers import ClientOrderId, PositionId, VenueOrderId
from nautilus_trader.model.orders import OrderList

from dolphin.journal import read
from dolphin.kernel.policy import Hibernate
from dolphin.nautilus import mailbox
from dolphin.nautilus.config import ConfigError, PlugConfig
from dolphin.nautilus.hook import EXEC, RISK, Hook, _Capture
from dolphin.nautilus.latency import Latency
from dolphin.nautilus.plain import plain_gate
from tests.nautilus.rig import Rig, S, audusd, quotes, replays
from tests.nautilus.test_flows import booked
from tests.nautilus.test_gates import BUY, SELL, X1, denials, limit, market, net, px, q
from tests.nautilus.test_kill import chain, command, make

INS = audusd()


def run(path, script, prices=(65_000,) * 20, replayed=True, **settings):
    """`script` takes the rig and gives what the strategy does."""
    made = []
    s = make({})
    rig = Rig(path, INS, **settings)
    made.append(rig)
    s.script = script(rig)
    rig.add(s).run(quotes(INS, prices))
    assert rig.guard.failures == []
    if replayed:
        replays(rig.journal)
    return rig, s


def submit(s, order, position_id=None):
    return SubmitOrder(s.trader_id, s.id, order, UUID4(), s.clock.timestamp_ns(), position_id)


def modify(s, order, quantity=None, price=None, venue_order_id=None):
    return ModifyOrder(
        s.trader_id, s.id, INS.id, order.client_order_id, venue_order_id, quantity, price, None, UUID4(),
        s.clock.timestamp_ns(),
    )  # fmt: skip


# --- the plainest rule ----------------------------------------------------------------------------------------------


def plainly(rig, s, message):
    passed = []
    plain_gate(message, passed.append, s.cache, rig.guard.parts.host, "a test")
    return passed == [message]


@pytest.mark.req("DOL-ORDER-005", "DOL-EXIT-001")
def test_the_plainest_rule(tmp_path):
    found = {}

    def look(rig):
        def act(s):
            make_market, make_limit = s.order_factory.market, s.order_factory.limit
            found["an exit"] = plainly(rig, s, submit(s, make_market(INS.id, SELL, q(X1))))
            found["too much"] = plainly(rig, s, submit(s, make_market(INS.id, SELL, q(X1 + 1_000))))
            found["an entry"] = plainly(rig, s, submit(s, make_market(INS.id, BUY, q(1_000))))
            named = PositionId("AUD/USD.SIM-S-001-001")
            found["its position"] = plainly(rig, s, submit(s, make_market(INS.id, SELL, q(X1)), named))
            found["another"] = plainly(rig, s, submit(s, make_market(INS.id, SELL, q(X1)), PositionId("P-9")))
            own = make_market(INS.id, SELL, q(X1), client_order_id=ClientOrderId("DOLPHIN-x"))
            found["our name"] = plainly(rig, s, submit(s, own))
            found["money"] = plainly(rig, s, submit(s, make_market(INS.id, SELL, q(1_000), quote_quantity=True)))
            found["resting beside"] = plainly(rig, s, submit(s, make_limit(INS.id, SELL, q(X1), px(66_100))))
            found["resting in the rest"] = plainly(rig, s, submit(s, make_limit(INS.id, SELL, q(X1 // 2), px(66_100))))
            found["itself"] = plainly(rig, s, submit(s, s.last))
            found["a change"] = plainly(rig, s, modify(s, s.last, q(1_000)))
            found["a cancel"] = plainly(
                rig, s, CancelOrder(s.trader_id, s.id, INS.id, s.last.client_order_id, None, UUID4(), 0)
            )
            pair = s.order_factory.create_list(
                [make_market(INS.id, SELL, q(1_000)), make_market(INS.id, SELL, q(1_000))]
            )
            found["a list of exits"] = plainly(
                rig, s, SubmitOrderList(s.trader_id, s.id, pair, UUID4(), s.clock.timestamp_ns())
            )
            passed = []
            plain_gate(
                submit(s, make_market(INS.id, SELL, q(1_000))), passed.append, None, rig.guard.parts.host, "a test"
            )
            found["no cache"] = passed != []

        return {2: market(BUY, X1), 4: limit(SELL, X1 // 2, 66_000), 6: act}  # fmt: skip

    run(tmp_path, look)
    yes = {"an exit", "its position", "resting in the rest", "itself", "a cancel", "a list of exits"}
    assert {name for name, passed in found.items() if passed} == yes


@pytest.mark.req("DOL-EXIT-002")
def test_in_doubt_nothing_passes_beside_an_own_order_on_its_way(tmp_path):
    found = []

    def script(rig):
        def look(s):
            found.append(plainly(rig, s, submit(s, s.order_factory.market(INS.id, SELL, q(X1)))))

        return {2: market(BUY, X1), 8: command("kill"), 9: look}

    run(tmp_path, script, latency=LatencyModel(base_latency_nanos=3 * S))
    assert found == [False]


# --- between the gates ------------------------------------------------------------------------------------------------


def between(rig, sent, act, later=0):
    """Gate 1, then `act`, then gate 2 with what gate 1 passed."""

    def first(s):
        passed = []
        rig.guard.parts.gates.at_risk(submit(s, s.cached(s.order_factory.market(INS.id, BUY, q(1_000)))), passed.append)
        act(s, passed[0])
        s.held = passed[0]

    def second(s):
        rig.guard.parts.gates.at_exec(s.held, sent.append)

    if later:
        return {4: first, 4 + later: second}
    return {4: chain(first, second)}


@pytest.mark.req("DOL-KILL-002")
@pytest.mark.parametrize("later", [0, 3])
@pytest.mark.parametrize(
    ("act", "passes"),
    [
        (lambda s, held: None, True),
        (lambda s, held: s.command("kill"), False),
        (lambda s, held: s.command("shock"), False),
    ],
    ids=["nothing", "a kill", "a shock"],
)
def test_what_happens_between_the_gates(tmp_path, act, passes, later):
    sent = []
    s = make({})

    def cached(order):
        s.cache.add_order(order)
        return order

    s.cached = cached
    rig = Rig(tmp_path, INS)
    s.script = between(rig, sent, act, later)
    rig.add(s).run(quotes(INS, [65_000] * 12))
    assert rig.guard.failures == []
    assert bool(sent) == passes


# --- acts on the host -------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-ORDER-002", "DOL-KILL-002")
def test_orders_that_the_cache_has_not_seen_are_shrunk_and_denied_too(tmp_path):
    made = []

    def straight(n):
        def act(s):
            made.append(s.order_factory.market(INS.id, BUY, q(n)))
            s.msgbus.send("ExecEngine.execute", submit(s, made[-1]))

        return act

    rig, _ = run(tmp_path, lambda rig: {3: straight(20 * X1), 6: command("kill"), 8: straight(1_000)})
    assert made[0].quantity < q(20 * X1)
    assert [order.status_string() for order in made] == ["FILLED", "DENIED"]
    assert rig.engine.cache.order(made[1].client_order_id) is made[1]


def test_an_order_that_has_left_cannot_be_denied(tmp_path):
    def script(rig):
        return {3: limit(BUY, 1_000, 64_000), 5: lambda s: rig.guard.parts.host.deny(s.last, "late")}

    _, s = run(tmp_path, script)
    assert denials(s) == []
    assert s.last.status_string() == "ACCEPTED"


@pytest.mark.req("DOL-ORDER-006")
def test_changes_are_refused_with_the_venues_id_or_without(tmp_path):
    def script(rig):
        host = rig.guard
        return {
            3: limit(BUY, 1_000, 64_000),
            5: lambda s: host.parts.host.reject_modify(modify(s, s.last), s.last, "one"),
            6: lambda s: host.parts.host.reject_modify(
                modify(s, s.last, None, None, VenueOrderId("V-1")), s.last, "two"
            ),
            7: lambda s: s.modify_order(s.last, price=px(64_010)),
        }

    _, s = run(tmp_path, script, replayed=False)
    assert s.last.price == px(64_010)


@pytest.mark.req("DOL-ORDER-006")
@pytest.mark.parametrize("mode", ["guard", "report"])
def test_a_change_of_an_order_that_nobody_knows_is_the_engines_to_refuse(tmp_path, mode):
    sent = []

    def script(rig):
        def act(s):
            unknown = s.order_factory.limit(INS.id, BUY, q(1_000), px(64_000))
            rig.guard.parts.gates.at_risk(modify(s, unknown, q(2_000)), sent.append)

        return {3: act, 4: limit(BUY, 1_000, 64_000), 6: lambda s: s.modify_order(s.last, quantity=q(64 * X1 // 10))}

    _, s = run(tmp_path, script, mode=mode)
    assert len(sent) == 1
    refused = [event for event in s.events if isinstance(event, OrderModifyRejected)]
    assert bool(refused) == (mode == "guard")


@pytest.mark.req("DOL-PLUG-002")
def test_in_report_mode_a_fault_lets_the_order_go(tmp_path):
    def break_it(rig):
        def act(s):
            rig.guard.parts.asker.catch_up = None

        return {2: act, 4: market(BUY, 1_000)}

    s = make({})
    rig = Rig(tmp_path, INS, mode="report")
    s.script = break_it(rig)
    rig.add(s).run(quotes(INS, [65_000] * 10))
    assert rig.guard.failures != []
    assert net(rig) == 1_000


@pytest.mark.req("DOL-KILL-002")
def test_a_list_with_a_name_of_the_guards_is_refused_whole(tmp_path):
    def send(s):
        names = [ClientOrderId("DOLPHIN-a"), ClientOrderId("mine")]
        orders = [s.order_factory.limit(INS.id, BUY, q(1_000), px(64_000), client_order_id=name) for name in names]
        s.submit_order_list(OrderList(s.order_factory.generate_order_list_id(), orders))

    _, s = run(tmp_path, lambda rig: {3: send})
    assert len(denials(s)) == 2


# --- commands, letters, settings --------------------------------------------------------------------------------------


def test_a_command_that_cannot_be_written_into_gets_its_answer_in_the_journal(tmp_path):
    message = MappingProxyType({"verb": "status", "cause": "t"})
    kill = MappingProxyType({"verb": "kill", "cause": "t", "odd": object(), "list": [1, (2, {"a": None})]})
    rig, _ = run(
        tmp_path, lambda rig: {3: lambda s: [s.msgbus.send("Dolphin.command", each) for each in (message, kill)]}
    )
    (record,) = rig.records("COMMAND")
    assert record.data["answer"]["ok"] is False
    assert record.data["args"]["odd"].startswith("<object object")
    assert record.data["args"]["list"] == [1, [2, {"a": None}]]


@pytest.mark.parametrize(
    ("args", "said"),
    [({"episode": [1]}, "accepted a whole number"), ({"episode": "x"}, "accepted a whole number"), ({}, "is missing")],
)
def test_numbers_that_are_none(tmp_path, args, said):
    rig, _ = run(tmp_path, lambda rig: {3: command("arm", **args)})
    assert said in rig.records("COMMAND")[0].data["answer"]["error"]


def test_a_letter_that_cannot_be_taken_stays(tmp_path, monkeypatch):
    mailbox.make(tmp_path)
    name = mailbox.send(tmp_path, "status", {}, "t")
    kept = mailbox.os.rename
    with monkeypatch.context() as patched:
        patched.setattr(mailbox.os, "rename", _refused)
        assert mailbox.take(tmp_path) == []
    (letter,) = mailbox.take(tmp_path)
    assert letter.id == name
    (mailbox.folder(tmp_path) / "x.json").write_text("no letter")

    def once(source, target):
        if str(target).endswith(".bad"):
            raise PermissionError("planted")
        kept(source, target)

    monkeypatch.setattr(mailbox.os, "rename", once)
    (bad,) = mailbox.take(tmp_path)
    assert bad.error.startswith("no letter")


def _refused(source, target):
    raise PermissionError("planted")


@pytest.mark.parametrize(("value", "found"), [("hold", Hibernate.HOLD), (Hibernate.GLIDE.value, Hibernate.GLIDE)])
def test_a_mode_by_name_or_number(value, found):
    assert PlugConfig(state_dir="x", policy={"hibernate": value}).made_policy().hibernate == found


def test_policy_values(tmp_path):
    made = PlugConfig(state_dir="x", policy={"trim": True, "trim_band_bp": "500"}).made_policy()
    assert (made.trim, made.trim_band_bp) == (1, 500)
    for bad in ({"trim": "yes"}, {"trim": 1.5}, {"hibernate": "sleep"}):
        with pytest.raises(ConfigError):
            PlugConfig(state_dir="x", policy=bad)


# --- accounts ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-ORDER-004")
def test_an_account_that_is_not_there_denies_every_entry(tmp_path):
    rig, s = run(tmp_path, lambda rig: {2: booked(5), 3: market(BUY, 1_000)}, venue="NOWHERE")
    assert denials(s)[0].startswith("UNPRICED")
    assert rig.records("EQUITY") == []


@pytest.mark.req("DOL-CAPITAL-003")
def test_another_accounts_money_is_none_of_ours(tmp_path):
    rig, _ = run(tmp_path, lambda rig: {5: booked(50_000, account_id="OTHER-001")}, venue="SIM", flows="all")
    assert rig.records("FLOW") == []
    assert rig.guard.parts.guard.state.capital.mark == 100_000_000


# --- the hook, and how long it took -----------------------------------------------------------------------------------


@pytest.mark.req("DOL-PLUG-003")
def test_the_self_test_says_what_is_not_as_measured(tmp_path):
    found = []

    def script(rig):
        def act(s):
            found.append(Hook(s.msgbus).self_test())
            rig.guard.hook._next[RISK] = print
            found.append(rig.guard.hook.self_test())

        return {19: act}

    run(tmp_path, script)
    assert found == [
        [f"{RISK} was not there", f"{EXEC} was not there"],
        [f"{RISK} led to module, expected RiskEngine or LiveRiskEngine"],
    ]


def test_what_is_put_in_for_a_moment_equals_everything_and_does_nothing():
    capture = _Capture()
    assert capture == print
    assert capture.got is print
    assert not capture != print  # noqa: SIM202
    with pytest.raises(RuntimeError):
        capture("a command")


def test_percentiles():
    latency = Latency()
    assert latency.percentiles() == {"count": 0, "p50_ns": 0, "p99_ns": 0}
    for _ in range(10):
        latency.end(latency.begin())
    found = latency.percentiles()
    assert found["count"] == 10
    assert 0 < found["p50_ns"] <= found["p99_ns"]


def test_a_denied_order_is_an_event(tmp_path):
    _, s = run(tmp_path, lambda rig: {2: command("kill"), 4: market(BUY, 1_000)})
    assert [type(event) for event in s.events if isinstance(event, OrderDenied)] == [OrderDenied]
    assert len(list(read(str(tmp_path / "journal.jsonl")))) > 3
