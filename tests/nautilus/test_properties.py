"""Random commands through a real engine: exits are never blocked, nothing increases after a kill, no accepted order
leaves leverage above what was allowed, the guard's own orders never cross zero, and the journal replays.
"""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.examples.algorithms.twap import TWAPExecAlgorithm
from nautilus_trader.model.enums import OmsType, OrderSide, TimeInForce, TriggerType
from nautilus_trader.model.identifiers import ExecAlgorithmId

from dolphin.kernel.units import MICRO
from tests.nautilus.rig import Rig, Scripted, audusd, quotes, replays
from tests.nautilus.test_gates import X1, px, q

INS = audusd()
SIDES = st.sampled_from([OrderSide.BUY, OrderSide.SELL])
SIZES = st.sampled_from([1_000, 50_000, X1 // 2, X1, 3 * X1, 9 * X1])
TICKS = st.integers(64_960, 65_040)

market = st.tuples(st.just("market"), SIDES, SIZES, st.booleans())
limit = st.tuples(st.just("limit"), SIDES, SIZES, TICKS)
stop = st.tuples(st.just("stop"), SIDES, SIZES, TICKS, st.booleans())
bracket = st.tuples(st.just("bracket"), SIDES, SIZES, st.integers(5, 60))
modify = st.tuples(st.just("modify"), SIZES, TICKS)
twap = st.tuples(st.just("twap"), SIDES, SIZES)
plain = st.sampled_from([("cancel",), ("cancel_all",), ("close",), ("kill",), ("shock",), ("arm",), ("confirm",)])
commands = st.lists(
    st.tuples(st.integers(1, 110), st.integers(0, 1), st.one_of(market, limit, stop, bracket, modify, twap, plain)),
    min_size=1, max_size=25,
)  # fmt: skip
walks = st.lists(st.integers(-4, 4), min_size=120, max_size=120)


class Actions:
    """What a drawn command does; notes every attempted exit of a known position."""

    def __init__(self, hedging):
        self.hedging = hedging
        self.exits = []
        self.nonce = 0

    def do(self, s, what):
        getattr(self, what[0])(s, *what[1:])

    def market(self, s, side, size, reduce_only):
        s.submit_order(s.order_factory.market(INS.id, side, q(size), reduce_only=reduce_only))

    def limit(self, s, side, size, tick):
        s.last = s.order_factory.limit(INS.id, side, q(size), px(tick))
        s.submit_order(s.last)

    def stop(self, s, side, size, tick, emulated):
        trigger = TriggerType.BID_ASK if emulated else TriggerType.NO_TRIGGER
        s.submit_order(s.order_factory.stop_market(INS.id, side, q(size), px(tick), emulation_trigger=trigger))

    def bracket(self, s, side, size, distance):
        mid = int(s.cache.quote_tick(INS.id).bid_price.as_double() * 1e5)
        sign = 1 if side == OrderSide.BUY else -1
        s.submit_order_list(
            s.order_factory.bracket(
                INS.id, side, q(size), sl_trigger_price=px(mid - sign * distance), tp_price=px(mid + sign * distance)
            )
        )

    def modify(self, s, size, tick):
        if getattr(s, "last", None) is not None and s.last.is_open:
            s.modify_order(s.last, quantity=q(size), price=px(tick))

    def twap(self, s, side, size):
        s.submit_order(
            s.order_factory.market(
                INS.id, side, q(size), time_in_force=TimeInForce.FOK, exec_algorithm_id=ExecAlgorithmId("TWAP"),
                exec_algorithm_params={"horizon_secs": 6, "interval_secs": 2},
            )
        )  # fmt: skip

    def cancel(self, s):
        if getattr(s, "last", None) is not None and not s.last.is_closed:
            s.cancel_order(s.last)

    def cancel_all(self, s):
        s.cancel_all_orders(INS.id)

    def close(self, s):
        """A market exit of the whole position: must leave, unless the guard's own order covers it already."""
        for position in s.cache.positions_open(None, INS.id, s.id):
            side = OrderSide.SELL if position.is_long else OrderSide.BUY
            order = s.order_factory.market(INS.id, side, position.quantity)
            self.exits.append(order)
            s.submit_order(order, position_id=position.id if self.hedging else None)

    def kill(self, s):
        s.command("kill")

    def shock(self, s):
        s.command("shock")

    def arm(self, s):
        episode = s.command("status").get("status", {}).get("episode", 0)
        answer = s.command("arm", episode=episode, observed_flat=1)
        self.nonce = answer.get("nonce", 0)

    def confirm(self, s):
        s.command("confirm", nonce=self.nonce)


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.req("DOL-KILL-002")
@pytest.mark.req("DOL-ORDER-001")
@pytest.mark.req("DOL-JOURNAL-008")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(commands, walks, st.booleans(), st.sampled_from([0, 0, 300_000_000, 1_200_000_000]))
def test_random_commands(drawn, steps, hedging, latency_ns):
    oms = OmsType.HEDGING if hedging else OmsType.NETTING
    actions = Actions(hedging)
    scripts = [{}, {}]
    for at, who, what in drawn:
        before = scripts[who].get(at)

        def act(s, what=what, before=before):
            if before is not None:
                before(s)
            actions.do(s, what)

        scripts[who][at] = act
    mids, mid = [], 65_000
    for step in steps:
        mid += step
        mids.append(mid)
    with tempfile.TemporaryDirectory() as folder:
        latency = LatencyModel(base_latency_nanos=latency_ns) if latency_ns else None
        rig = Rig(Path(folder), INS, oms=oms, latency=latency)
        rig.engine.add_exec_algorithm(TWAPExecAlgorithm())
        rig.add(*[Scripted(INS, script, name=f"00{i}") for i, script in enumerate(scripts, 1)])
        rig.run(quotes(INS, mids))
        assert rig.guard.failures == []
        replays(rig.journal)
        for order in actions.exits:
            if order.status_string() == "DENIED":
                assert "ALREADY_REDUCING" in order.last_event.reason, order.last_event
        killed = False
        held = {}
        for record in rig.records():
            if record.kind == "ORDER":
                check_order(record.data, killed)
            if "out" in record.data:
                killed = record.data["out"][2] != 0
            if record.kind == "FILL":
                check_own(record.data, held)


def check_order(data, killed):
    verdict = data["fx"][-1]
    lots, exit_lots, allowed_bp = verdict[1], verdict[2], verdict[4]
    if killed or data["out"][2] != 0:
        assert lots == exit_lots
    entering = lots - exit_lots
    if entering > 0:
        used = data["gross"] + data["working"] - (exit_lots * data["value_u"] // MICRO if data["taking"] == 1 else 0)
        assert (used + -(-entering * data["value_u"] // MICRO)) * 10_000 <= data["equity"] * allowed_bp
        assert allowed_bp <= 60_000


def check_own(data, held):
    before = held.get(data["position"], 0)
    lots = held[data["position"]] = before + data["side"] * data["lots"]
    if data["id"].startswith("DOLPHIN-"):
        assert abs(lots) < abs(before)
        assert lots * before >= 0
