"""A guard that never binds, and one that only reports, change nothing: fills and balance to the last digit."""

from decimal import Decimal

import pytest
from nautilus_trader.examples.strategies.ema_cross import EMACross, EMACrossConfig
from nautilus_trader.examples.strategies.ema_cross_bracket import EMACrossBracket, EMACrossBracketConfig
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import OmsType, OrderSide
from nautilus_trader.model.objects import Quantity

from tests.nautilus.rig import T0, Rig, S, Scripted, audusd, quotes, replays

INS = audusd()
BARS = BarType.from_str(f"{INS.id}-1-MINUTE-BID-INTERNAL")


def walk(n, seed=7):
    """A deterministic walk in ticks that trends and turns."""
    mid, state, out = 65_000, seed, []
    for i in range(n):
        state = (1103515245 * state + 12345) % 2**31
        mid += (state >> 16) % 7 - 3 + (2 if (i // 300) % 2 == 0 else -2)
        out.append(mid)
    return out


def ema():
    return EMACross(
        EMACrossConfig(
            instrument_id=INS.id, bar_type=BARS, trade_size=Decimal(500_000), fast_ema_period=5, slow_ema_period=12
        )
    )


def bracket():
    return EMACrossBracket(
        EMACrossBracketConfig(
            instrument_id=INS.id, bar_type=BARS, trade_size=Decimal(400_000), fast_ema_period=5, slow_ema_period=12,
            atr_period=5,
        )
    )  # fmt: skip


STRATEGIES = {"EMACross": ema, "EMACrossBracket": bracket}


def traded(rig):
    """Each fill of the account, and its final balance."""
    orders = sorted(rig.engine.cache.orders(), key=lambda order: (order.ts_init, order.client_order_id.value))
    fills = [
        (order.client_order_id.value, order.status_string(), str(order.filled_qty), str(order.avg_px), order.ts_last)
        for order in orders
    ]
    return fills, str(rig.balance())


def ran(tmp_path, name, strategy, data, oms=OmsType.NETTING, **settings):
    guard = settings.pop("guard", True)
    rig = Rig(tmp_path / name, INS, oms=oms, guard=guard, **settings)
    rig.engine.add_strategy(strategy())
    rig.run(data)
    if guard:
        assert rig.guard.failures == []
    return rig


@pytest.mark.req("DOL-PLUG-001")
@pytest.mark.req("DOL-PLUG-002")
@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("oms", [OmsType.NETTING, OmsType.HEDGING])
def test_not_binding_and_report_only_equal_plain(tmp_path, name, oms):
    data = quotes(INS, walk(4_000), step_ns=5 * S)
    plain = ran(tmp_path, "plain", STRATEGIES[name], data, oms, guard=False)
    guarded = ran(tmp_path, "guarded", STRATEGIES[name], data, oms)
    report = ran(tmp_path, "report", STRATEGIES[name], data, oms, mode="report")
    fills, balance = traded(plain)
    assert sum(fill[1] == "FILLED" for fill in fills) > 20
    assert traded(guarded) == (fills, balance)
    assert traded(report) == (fills, balance)
    assert replays(guarded.journal) > 20
    assert replays(report.journal) > 20


@pytest.mark.req("DOL-PLUG-002")
def test_report_only_changes_nothing_and_tells_what_would_have_been(tmp_path):
    def market(side, n):
        return lambda s: s.submit_order(s.order_factory.market(INS.id, side, Quantity.from_int(n)))

    script = {
        3: market(OrderSide.BUY, 20_000_000),
        5: lambda s: s.msgbus.send("Dolphin.command", {"verb": "kill", "cause": "t"}) if s.guarded else None,
        7: market(OrderSide.BUY, 5_000_000),
        9: market(OrderSide.SELL, 25_000_000),
    }
    results = []
    for name in ("plain", "report"):
        s = Scripted(INS, script)
        s.guarded = name == "report"
        rig = Rig(tmp_path / name, INS, guard=s.guarded, mode="report").add(s)
        rig.run(quotes(INS, [65_000 + i % 5 for i in range(20)], start_ns=T0))
        results.append(traded(rig))
    assert results[0] == results[1]
    verdicts = [(r.data["x"]["mode"], r.data["fx"][-1][1], r.data["fx"][-1][5]) for r in rig.records("ORDER")]
    assert len(verdicts) == 3
    assert verdicts[1] == ("report", 0, 3)
    assert rig.records("OWN") == []
    assert rig.records("HEADER")[0].data["mode"] == "report"
    replays(rig.journal)
