"""Postures, trimming and flattening through a real engine."""

import itertools

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.events import OrderFilled

from dolphin.kernel.policy import Posture
from tests.nautilus.rig import T0, Rig, S, Scripted, audusd, bars, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, bracket, denials, limit, market, net, px, q
from tests.nautilus.test_kill import chain, command, make

INS = audusd()


def drive(tmp_path, script, data, oms=OmsType.NETTING, latency=None, bar_type=None, **settings):
    s = make(script, bar_type=bar_type)
    rig = Rig(tmp_path, INS, oms=oms, latency=latency, **settings).add(s)
    rig.run(data)
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, s


def posture(rig):
    return rig.guard.parts.guard.state.filter.posture


def never_crossed(rig):
    """The sign of a position never turns by the guard's own orders."""
    held = {}
    for record in rig.records("FILL"):
        key = record.data["position"]
        before = held.get(key, 0)
        lots = held[key] = before + record.data["side"] * record.data["lots"]
        if record.data["id"].startswith("DOLPHIN-"):
            assert abs(lots) < abs(before)
            assert lots * before >= 0


STEADY = [65_000] * 700


@pytest.mark.req("DOL-POSTURE-004")
def test_stalker_denies_takers_and_passes_resting_limits(tmp_path):
    script = {
        2: command("shock"),
        620: market(BUY, 1000),
        621: limit(BUY, 1000, 65_002),
        622: lambda s: s.submit_order(s.order_factory.stop_market(INS.id, BUY, q(1000), px(65_500))),
        623: lambda s: s.submit_order(s.order_factory.market_if_touched(INS.id, BUY, q(1000), px(64_500))),
        624: limit(BUY, 1000, 65_000),
        625: limit(SELL, 1000, 65_000),
        626: limit(SELL, 1000, 64_999),
    }
    rig, s = drive(tmp_path, script, quotes(INS, STEADY))
    assert posture(rig) == Posture.STALKER
    texts = denials(s)
    assert len(texts) == 5
    assert all(text.startswith("POSTURE_LIMIT_ONLY [DOL-POSTURE-004]: posture=STALKER") for text in texts)
    assert sorted(str(order.price) for order in rig.engine.cache.orders_open()) == ["0.65000", "0.65000"]


@pytest.mark.req("DOL-POSTURE-004")
def test_stalker_without_a_quote_judges_by_the_last_close(tmp_path):
    kind = f"{INS.id}-1-MINUTE-LAST-EXTERNAL"
    script = {
        2: command("shock"),
        20: limit(BUY, 1000, 64_999),
        21: limit(BUY, 1000, 65_000),
        22: limit(SELL, 1000, 65_001),
    }
    rig, s = drive(
        tmp_path, script, bars(INS, [65_000] * 30, step_ns=60 * S, spec="1-MINUTE-LAST-EXTERNAL"),
        bar_type=BarType.from_str(kind), sensors={"sessions": "24/7"},
    )  # fmt: skip
    assert posture(rig) == Posture.STALKER
    assert len(denials(s)) == 1
    assert len(rig.engine.cache.orders_open()) == 2


@pytest.mark.req("DOL-POSTURE-003")
def test_turtle_is_exit_only(tmp_path):
    script = {
        2: market(BUY, X1), 3: command("shock"), 5: market(BUY, 1000), 6: limit(BUY, 1000, 64_000),
        7: bracket(BUY, 1000, 64_000, 66_000), 8: limit(SELL, X1 // 2, 65_200),
        9: lambda s: s.submit_order(s.order_factory.stop_market(INS.id, SELL, q(X1 // 4), px(64_000))),
        10: market(SELL, X1 // 4),
    }  # fmt: skip
    rig, s = drive(tmp_path, script, quotes(INS, [65_000] * 20))
    assert posture(rig) == Posture.TURTLE
    assert len(denials(s)) == 5
    assert net(rig) == X1 - X1 // 4
    assert len(rig.engine.cache.orders_open()) == 2


@pytest.mark.req("DOL-TRIM-001")
@pytest.mark.req("DOL-TRIM-005")
@pytest.mark.parametrize("oms", [OmsType.NETTING, OmsType.HEDGING])
def test_a_fall_trims_the_whole_excess_largest_first(tmp_path, oms):
    b = Scripted(INS, {2: market(SELL, X1)}, name="002")
    a = make({2: market(BUY, 4 * X1), 4: command("shock")})
    rig = Rig(tmp_path, INS, oms=oms).add(a, b)
    rig.run(quotes(INS, [65_000] * 80))
    assert rig.guard.failures == []
    replays(rig.journal)
    own = rig.records("OWN")
    assert {r.data["tag"] for r in own} == {"DOLPHIN_TRIM"}
    assert own[0].data["strategy"] == "S-001-001"
    gross = sum(abs(p.signed_qty) for p in rig.engine.cache.positions_open())
    assert 1.7 * X1 < gross < 2.05 * X1
    never_crossed(rig)


@pytest.mark.req("DOL-TRIM-004")
def test_at_most_one_trim_a_minute_and_position(tmp_path):
    """Leverage rises as equity falls: the guard trims again, but not within the minute."""
    path = [65_000] * 10 + [65_000 - 20 * i for i in range(300)]
    rig, _ = drive(tmp_path, {2: market(BUY, 6 * X1 - 20_000)}, quotes(INS, path))
    times = [r.ts_ns for r in rig.records("OWN") if r.data["tag"] == "DOLPHIN_TRIM"]
    assert len(times) >= 2
    assert min(b - a for a, b in itertools.pairwise(times)) >= 60 * S
    never_crossed(rig)


@pytest.mark.req("DOL-TRIM-006")
@pytest.mark.parametrize(
    ("policy", "left"), [({"trim": 0}, 4 * X1), ({"hibernate": "hold"}, None), ({"hibernate": "glide"}, None)]
)
def test_modes_decide_what_is_sent(tmp_path, policy, left):
    rig, _ = drive(tmp_path, {2: market(BUY, 4 * X1), 4: command("shock")}, quotes(INS, [65_000] * 20), policy=policy)
    if left is None:
        assert net(rig) < 2.1 * X1
    else:
        assert net(rig) == left
        assert rig.records("OWN") == []


@pytest.mark.req("DOL-POSTURE-006")
@pytest.mark.req("DOL-TRIM-002")
@pytest.mark.parametrize("latency_ns", [0, 700_000_000])
def test_hibernate_cancels_what_increases_flattens_and_keeps_protection_until_then(tmp_path, latency_ns):
    latency = LatencyModel(base_latency_nanos=latency_ns) if latency_ns else None
    fall = [65_000 - 150 * i for i in range(40)]
    script = {
        2: market(BUY, 5 * X1),
        3: chain(limit(BUY, 1000, 50_000), limit(SELL, X1, 66_000)),
        50: market(BUY, 1000),
        55: limit(BUY, 1000, 50_000),
    }
    rig, s = drive(
        tmp_path, script, quotes(INS, [65_000] * 10 + fall + [60_000] * 60), latency=latency, policy={"trim": 0}
    )
    assert posture(rig) == Posture.HIBERNATE
    assert rig.guard.parts.guard.running()
    assert rig.engine.cache.positions_open() == []
    assert [order for order in rig.engine.cache.orders() if not order.is_closed] == []
    assert {r.data["tag"] for r in rig.records("OWN")} == {"DOLPHIN_FLATTEN"}
    assert len(denials(s)) == 2
    never_crossed(rig)


@pytest.mark.req("DOL-POSTURE-006")
def test_hibernate_that_holds_keeps_reduce_only_protection(tmp_path):
    fall = [65_000 - 150 * i for i in range(40)]

    def stop(s):
        s.submit_order(s.order_factory.stop_market(INS.id, SELL, q(5 * X1), px(50_000), reduce_only=True))

    rig, _ = drive(
        tmp_path, {2: market(BUY, 5 * X1), 3: chain(stop, limit(BUY, 1000, 50_000))},
        quotes(INS, [65_000] * 10 + fall + [60_000] * 30), policy={"trim": 0, "hibernate": "hold"},
    )  # fmt: skip
    assert posture(rig) == Posture.HIBERNATE
    assert net(rig) == 5 * X1
    (order,) = rig.engine.cache.orders_open()
    assert order.is_reduce_only


@pytest.mark.req("DOL-TRIM-001")
def test_brackets_follow_a_trim(tmp_path):
    rig, _ = drive(tmp_path, {2: bracket(BUY, 5 * X1, 60_000, 70_000), 5: command("shock")}, quotes(INS, [65_000] * 20))
    held = net(rig)
    assert held < 2.05 * X1
    assert [int(order.leaves_qty) for order in rig.engine.cache.orders_open()] == [held, held]


@pytest.mark.req("DOL-TRIM-003")
def test_own_orders_wait_for_fresh_data_and_an_open_session(tmp_path):
    """Killed on a Saturday: the position goes on Sunday evening, with the first row."""
    friday = 1_700_254_000 * S  # Friday 2023-11-17 20:46:40 UTC, 15:46 New York
    data = quotes(INS, [65_000] * 30, start_ns=friday)
    sunday = 1_700_434_900 * S  # Sunday 23:01 UTC
    data += quotes(INS, [64_990] * 30, start_ns=sunday)

    def later(s):
        s.clock.set_time_alert_ns("kill", friday + 20 * 3600 * S, lambda _: command("kill")(s))

    rig, _ = drive(tmp_path, {2: market(BUY, X1), 5: later}, data)
    (kill,) = rig.records("KILL")
    (own,) = rig.records("OWN")
    assert kill.ts_ns == friday + 20 * 3600 * S
    assert own.ts_ns >= sunday
    assert own.ts_ns <= sunday + 2 * S
    assert net(rig) == 0


@pytest.mark.req("DOL-SENSE-003")
def test_a_stalled_feed_takes_no_entry_and_falls_when_held(tmp_path):
    script = {
        2: market(BUY, X1),
        3: lambda s: s.command("stall", feed="AUD/USD.SIM", until_ns=T0 + 420 * S),
        350: market(BUY, 1000),
        430: market(BUY, 1000),
    }
    rig, s = drive(tmp_path, script, quotes(INS, [65_000] * 440))
    assert len(denials(s)) == 2
    assert denials(s)[0].startswith(("STALE [DOL-SENSE-003]", "POSTURE_NO_ENTRY"))
    assert any(r.data["fx"] and r.data["fx"][0][0] == "MOVED" for r in rig.records("TICK", "SEEN"))


@pytest.mark.req("DOL-SENSE-002")
def test_an_unreadable_sensor_denies_entries_and_passes_exits(tmp_path):
    script = {2: market(BUY, X1), 3: command("sensor-error", category=4), 5: market(BUY, 1000), 6: market(SELL, X1),
              7: command("sensor-error", category=4, error=0), 8: market(BUY, 1000)}  # fmt: skip
    rig, s = drive(tmp_path, script, quotes(INS, [65_000] * 9))
    (text,) = denials(s)
    assert text.startswith("SENSOR_ERROR [DOL-SENSE-002]")
    assert net(rig) == 1000


def test_daily_bars_with_the_daily_profile_are_healthy(tmp_path):
    kind = BarType.from_str(f"{INS.id}-1-DAY-LAST-EXTERNAL")
    rig, s = drive(
        tmp_path, {5: market(BUY, 2 * X1), 50: market(SELL, X1), 80: market(SELL, X1)},
        bars(INS, [65_000 + i % 3 for i in range(120)]), bar_type=kind, profile="daily", sensors={"sessions": "24/7"},
    )  # fmt: skip
    assert posture(rig) == Posture.APEX
    assert denials(s) == []
    assert any(isinstance(event, OrderFilled) for event in s.events)
    assert net(rig) == 0
