"""Equity that the book puts together itself is what portfolio.equity says, to the unit, at every sample."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nautilus_trader.model.data import MarkPriceUpdate
from nautilus_trader.model.enums import OmsType, OrderSide

from dolphin.nautilus.values import Values
from tests.nautilus.rig import T0, Rig, S, Scripted, audusd, quotes
from tests.nautilus.test_gates import X1, px, q

INS = audusd()
SIZES = st.sampled_from([1_000, 37_000, X1 // 2, X1, 3 * X1])
commands = st.lists(
    st.tuples(st.integers(1, 70), st.integers(0, 1), st.sampled_from(["market", "limit", "close"]), st.booleans(),
              SIZES, st.integers(64_970, 65_030)),
    min_size=1, max_size=14,
)  # fmt: skip
walks = st.lists(st.integers(-7, 7), min_size=80, max_size=80)


class Compared:
    """Both readings of each sample, as pairs."""

    def __init__(self, monkeypatch):
        self.pairs = pairs = []

        def equity(values):
            own, nautilus = values._own_equity(), values._portfolio_equity()
            pairs.append((own, nautilus))
            return nautilus

        monkeypatch.setattr(Values, "_equity", equity)


def act(s, what, buys, size, tick, hedging):
    side = OrderSide.BUY if buys else OrderSide.SELL
    if what == "close":
        for position in s.cache.positions_open(None, INS.id, s.id):
            opposite = OrderSide.SELL if position.is_long else OrderSide.BUY
            order = s.order_factory.market(INS.id, opposite, position.quantity)
            s.submit_order(order, position_id=position.id if hedging else None)
    elif what == "market":
        s.submit_order(s.order_factory.market(INS.id, side, q(size)))
    else:
        s.submit_order(s.order_factory.limit(INS.id, side, q(size), px(tick)))


@pytest.mark.req("DOL-CAPITAL-001")
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(commands, walks, st.booleans(), st.sampled_from([20_000, 10_000_000]))
def test_equal_at_every_sample(drawn, steps, hedging, top):
    scripts = [{}, {}]
    for at, who, *what in drawn:
        scripts[who].setdefault(at, []).append(what)
    mids, mid = [], 65_000
    for step in steps:
        mid += step
        mids.append(mid)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        seen = Compared(patch)
        rig = Rig(Path(folder), INS, oms=OmsType.HEDGING if hedging else OmsType.NETTING)
        rig.add(*[
            Scripted(INS, {
                at: lambda s, todo=todo: [act(s, *each, hedging) for each in todo] for at, todo in script.items()
            }, name=f"00{i}")
            for i, script in enumerate(scripts, 1)
        ])  # fmt: skip
        rig.run(quotes(INS, mids, size=top))
        assert rig.guard.failures == []
    told = [pair for pair in seen.pairs if pair[0] is not None]
    assert len(told) == len(seen.pairs)
    for own, nautilus in told:
        assert own == nautilus


def test_where_there_is_a_mark_price_nautilus_is_asked(tmp_path, monkeypatch):
    seen = Compared(monkeypatch)
    rig = Rig(tmp_path, INS)

    def marked(s):
        s.cache.add_mark_price(MarkPriceUpdate(INS.id, px(65_003), T0, T0))

    buy = {2: lambda s: s.submit_order(s.order_factory.market(INS.id, OrderSide.BUY, q(X1))), 20: marked}
    rig.add(Scripted(INS, buy)).run(quotes(INS, range(65_000, 65_040), step_ns=S))
    held = [own for own, _ in seen.pairs]
    first = held.index(None)
    assert first > 3
    assert held[first:] == [None] * (len(held) - first)
    assert len(held) - first > 3
