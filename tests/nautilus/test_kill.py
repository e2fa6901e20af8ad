"""The kill through a real engine: nothing increasing works or enters, positions go, exits pass; and the re-arm."""

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.model.enums import OmsType, OrderSide, TriggerType
from nautilus_trader.model.events import OrderDenied

from dolphin.kernel.reasons import Cause
from tests.nautilus.rig import Rig, S, Scripted, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, denials, emulated, limit, market, px, q, twap

INS = audusd()


def chain(*acts):
    def act(s):
        for each in acts:
            each(s)

    return act


def command(verb, **args):
    return lambda s: s.answers.append(s.command(verb, **args))


def make(script, name="001", **kw):
    s = Scripted(INS, script, name=name, **kw)
    s.answers = []
    return s


def everything(oms):
    """Two strategies, long and short, resting, emulated, an algorithm: killed while something is in flight."""
    a = make(
        {
            3: market(BUY, X1),
            4: chain(limit(BUY, X1, 64_000), limit(BUY, X1, 64_001), limit(SELL, X1, 66_000)),
            5: chain(emulated(BUY, X1, 65_500), emulated(SELL, X1, 64_500)),
            6: twap(X1 // 2),
            8: chain(market(BUY, X1 // 4), command("kill")),
            **{i: chain(market(BUY, 1000), limit(BUY, 1000, 64_000)) for i in range(10, 25)},
        }
    )
    b = make({3: market(SELL, X1), 4: chain(limit(SELL, X1, 66_000), limit(SELL, X1, 66_001))}, "002")
    return a, b


@pytest.mark.req("DOL-KILL-001")
@pytest.mark.req("DOL-KILL-002")
@pytest.mark.req("DOL-KILL-003")
@pytest.mark.parametrize("oms", [OmsType.NETTING, OmsType.HEDGING])
@pytest.mark.parametrize("latency_ns", [0, 3_000_000])
def test_a_kill_leaves_nothing(tmp_path, oms, latency_ns):
    from nautilus_trader.examples.algorithms.twap import TWAPExecAlgorithm

    latency = LatencyModel(base_latency_nanos=latency_ns) if latency_ns else None
    rig = Rig(tmp_path, INS, oms=oms, latency=latency)
    rig.engine.add_exec_algorithm(TWAPExecAlgorithm())
    a, b = everything(oms)
    rig.add(a, b).run(quotes(INS, [65_000] * 40))
    assert rig.guard.failures == []
    cache = rig.engine.cache
    assert cache.positions_open() == []
    assert [order for order in cache.orders() if not order.is_closed] == []
    assert cache.orders_open() == cache.orders_inflight() == cache.orders_emulated() == []
    late = [text for text in denials(a) if text.startswith("KILLED [DOL-KILL-002]")]
    assert len(late) >= 30
    flattened = rig.records("OWN")
    assert {r.data["tag"] for r in flattened} == {"DOLPHIN_KILL"}
    assert rig.guard.parts.guard.state.latch.cause == Cause.OPERATOR
    replays(rig.journal)
    for order in cache.orders():
        if order.client_order_id.value.startswith("DOLPHIN-"):
            assert order.is_reduce_only
            assert order.tags == ["DOLPHIN_KILL"]


@pytest.mark.req("DOL-TRIM-008")
def test_own_orders_carry_strategy_position_id_and_tag(tmp_path):
    s = make({3: market(BUY, X1), 5: command("kill")})
    rig = Rig(tmp_path, INS, run_id="R1").add(s)
    rig.run(quotes(INS, [65_000] * 10))
    (own,) = rig.records("OWN")
    (ask,) = rig.records("REDUCE")
    assert own.data["id"] == f"DOLPHIN-R1-{ask.seq}"
    assert own.data["strategy"] == "S-001-001"
    assert own.data["position"] == "AUD/USD.SIM-S-001-001"
    assert {"OrderInitialized", "OrderFilled"} <= {
        type(e).__name__
        for e in s.events
        if getattr(e, "client_order_id", None) and "DOLPHIN" in e.client_order_id.value
    }


@pytest.mark.req("DOL-EXIT-001")
def test_after_a_kill_a_strategys_own_exit_is_fine(tmp_path):
    s = make({3: market(BUY, X1), 5: command("kill"), 6: market(SELL, X1)})
    rig = Rig(tmp_path, INS, policy={"trim": 0}).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert rig.engine.cache.positions_open() == []
    (text,) = denials(s)
    assert text.startswith("KILLED")


@pytest.mark.req("DOL-EXIT-002")
def test_what_the_guards_own_order_covers_is_refused_as_already_reducing(tmp_path):
    s = make({3: market(BUY, X1), 5: chain(command("kill"), market(SELL, X1))})
    rig = Rig(tmp_path, INS, latency=LatencyModel(base_latency_nanos=5_000_000)).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    (text,) = denials(s)
    assert text.startswith("ALREADY_REDUCING [DOL-EXIT-002]")
    assert rig.engine.cache.positions_open() == []


@pytest.mark.req("DOL-KILL-003")
def test_an_entry_in_flight_at_the_kill_that_fills_afterwards_is_flattened(tmp_path):
    s = make({3: chain(market(BUY, X1), command("kill"))})
    rig = Rig(tmp_path, INS, latency=LatencyModel(base_latency_nanos=1_500_000_000)).add(s)
    rig.run(quotes(INS, [65_000] * 20))
    assert rig.guard.failures == []
    assert rig.engine.cache.positions_open() == []
    assert "OrderFilled" in s.names() or "OrderCanceled" in s.names()
    replays(rig.journal)


@pytest.mark.req("DOL-REARM-001")
@pytest.mark.req("DOL-REARM-002")
@pytest.mark.req("DOL-REARM-003")
@pytest.mark.req("DOL-REARM-004")
def test_the_re_arm_takes_two_steps_and_a_minute(tmp_path):
    def confirm(s):
        s.answers.append(s.command("confirm", nonce=s.answers[-1].get("nonce", s.nonce)))

    def arm(s):
        s.answers.append(s.command("arm", episode=1, observed_flat=1))
        s.nonce = s.answers[-1].get("nonce", -5)

    s = make(
        {
            2: command("arm", episode=1, observed_flat=1),
            3: market(BUY, X1),
            4: command("kill"),
            5: command("arm", episode=2, observed_flat=1),
            6: arm,
            7: confirm,
            8: command("confirm", nonce=123),
            70: lambda s: s.answers.append(s.command("confirm", nonce=s.nonce)),
            72: market(BUY, 1000),
        }
    )
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 80))
    assert rig.guard.failures == []
    assert [answer.get("reason") for answer in s.answers] == [
        "NOT_KILLED", None, "WRONG_EPISODE", "ARMED", "TOO_EARLY", "WRONG_NONCE", "CONFIRMED"
    ]  # fmt: skip
    (text,) = denials(s)
    assert text.startswith("POSTURE_NO_ENTRY [DOL-POSTURE-003]: posture=HIBERNATE")
    state = rig.guard.parts.guard.state
    assert state.filter.confidence_ms == 2_000
    replays(rig.journal)


@pytest.mark.req("DOL-REARM-006", "DOL-REARM-007")
def test_a_confirm_looks_again_at_the_position_that_was_taken_over(tmp_path):
    """Killed and armed on a Saturday, with what is held taken over. On Sunday the request has lapsed; the next one is
    of a position that has halved since; the last one stands.
    """
    friday, sunday = 1_700_258_370 * S, 1_700_434_900 * S  # its last row comes with the close, at 22:00 UTC

    def start(s):
        s.clock.set_time_alert_ns("kill", friday + 20 * 3600 * S, lambda _: command("kill")(s))
        s.clock.set_time_alert_ns("arm", friday + 20 * 3600 * S + S, lambda _: arm(s))

    def arm(s):
        s.answers.append(s.command("arm", episode=1, accepted=1))
        s.nonce = s.answers[-1]["nonce"]

    def confirm(s):
        s.answers.append(s.command("confirm", nonce=s.nonce))

    s = make(
        {2: start, 3: market(BUY, X1), 32: confirm, 33: arm, 34: market(SELL, X1 // 2), 100: confirm, 101: arm,
         130: confirm, 170: confirm}
    )  # fmt: skip
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 30, start_ns=friday) + quotes(INS, [64_990] * 150, start_ns=sunday))
    assert rig.guard.failures == []
    assert [answer.get("reason") for answer in s.answers] == [
        None, "ARMED", "LAPSED", "ARMED", "CHANGED", "ARMED", "TOO_EARLY", "CONFIRMED"
    ]  # fmt: skip
    (position,) = rig.engine.cache.positions_open()
    assert int(position.quantity) == X1 // 2
    first, second, third = [record.data["holding"] for record in rig.records("ARM")]
    assert first == second
    assert len({0, -1, first, third}) == 4
    replays(rig.journal)


@pytest.mark.req("DOL-REARM-005")
def test_a_fault_while_a_request_is_pending_is_a_new_episode(tmp_path):
    s = make(
        {
            3: command("kill"),
            4: command("arm", episode=1, observed_flat=1),
            5: command("fault", name="ledger-desync"),
        }
    )
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    latch = rig.guard.parts.guard.state.latch
    assert (latch.mode.name, latch.episode, latch.cause.name) == ("KILLED", 2, "LEDGER_DESYNC")


@pytest.mark.req("DOL-EXIT-006")
def test_unknown_is_not_flat(tmp_path):
    s = make(
        {3: chain(market(BUY, X1), command("kill"), command("arm", episode=1, observed_flat=1))},
    )
    rig = Rig(tmp_path, INS, latency=LatencyModel(base_latency_nanos=5_000_000)).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert s.answers[1]["reason"] == "NOT_FLAT"


@pytest.mark.parametrize(
    "message",
    [3, "kill", [], {}, {"verb": "x"}, {"verb": "kill", "now": 1}, {"verb": "arm", "episode": "x"},
     {"verb": "fault", "name": "t", "cause": "t"}, {"verb": "stall", "feed": "none"},
     {"verb": "adopt"}, {"verb": "sensor-error"}],
)  # fmt: skip
def test_commands_that_mean_nothing_are_refused_and_trip_nothing_but_a_broken_shape(tmp_path, message):
    s = make({3: lambda s: s.msgbus.send("Dolphin.command", message), 5: market(BUY, 1000)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    if isinstance(message, dict):
        assert message["answer"]["ok"] is False
        assert rig.guard.failures == []
        assert denials(s) == []
        assert rig.records("COMMAND")[0].data["answer"]["error"]
    else:
        assert len(rig.guard.failures) == 1
        assert len(denials(s)) == 1
    replays(rig.journal)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"verb": "adopt"}, "no position waits for a decision: there is nothing to adopt"),
        ({"verb": "flatten"}, "no position is held: there is nothing to flatten"),
    ],
)
def test_where_there_is_nothing_to_decide_on_the_answer_says_so(tmp_path, message, said):
    s = make({3: lambda s: s.msgbus.send("Dolphin.command", message)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert message["answer"]["error"] == said


def test_a_position_that_is_not_there_is_told_which_are(tmp_path):
    message = {"verb": "flatten", "position": "P-9"}
    s = make({3: market(BUY, 1000), 5: lambda s: s.msgbus.send("Dolphin.command", message)})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert "'P-9': nothing of that name waits or is held; there are: AUD/USD" in message["answer"]["error"]


@pytest.mark.req("DOL-KILL-002")
def test_orders_that_a_strategy_sends_out_of_a_cancel_are_denied_too(tmp_path):
    def again(s, event):
        if type(event).__name__ == "OrderCanceled":
            s.submit_order(s.order_factory.limit(INS.id, OrderSide.BUY, q(1000), px(64_000)))

    s = make({3: chain(limit(BUY, X1, 64_000), limit(BUY, X1, 64_001)), 5: command("kill")}, on_event=again)
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10))
    assert rig.guard.failures == []
    assert len([event for event in s.events if isinstance(event, OrderDenied)]) == 2
    assert rig.engine.cache.orders_open() == []
    replays(rig.journal)


def test_kinds_of_emulation_are_all_cancelled(tmp_path):
    def stop_limit(s):
        s.submit_order(
            s.order_factory.stop_limit(
                INS.id, BUY, q(1000), px(65_200), px(65_100), emulation_trigger=TriggerType.LAST_PRICE
            )
        )

    s = make({3: chain(stop_limit, emulated(BUY, 1000, 65_500)), 5: command("kill")})
    rig = Rig(tmp_path, INS).add(s)
    rig.run(quotes(INS, [65_000] * 10, step_ns=S))
    assert [order for order in rig.engine.cache.orders() if not order.is_closed] == []
