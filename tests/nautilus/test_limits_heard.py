"""A strategy that answers what the limits say with another order: what it answered counts, and stands in the book."""

from __future__ import annotations

import pytest
from nautilus_trader.model.enums import OrderSide

from dolphin.audit.replay import audit
from tests.nautilus.rig import Rig, quotes
from tests.nautilus.test_gates import BUY, FLAT, INS, SELL, bracket, limit, market, net, q
from tests.nautilus.test_kill import make


def answering(tmp_path, table, script, act):
    """A run whose strategy does `act` whenever it hears that a passive limit would have held an order back."""
    (tmp_path / "limits.toml").write_text(table)
    rig = Rig(tmp_path / "book", limits=str(tmp_path / "limits.toml"))
    heard = []

    def listen(s):
        def hear(what, said):
            if what == "LIMIT":
                heard.append(said)
                act(s)

        rig.guard.on_change.append(hear)

    rig.add(make({1: listen, **script})).run(quotes(rig.instrument, FLAT))
    assert heard
    assert rig.guard.failures == []
    assert audit(str(rig.journal)).verdict == "conforms"
    return rig


@pytest.mark.req("DOL-LIMIT-015")
def test_an_exit_in_answer_hides_no_entry_from_a_rate(tmp_path):
    """Each entry is answered with an exit, which no limit is asked about."""

    def leave(s):
        s.submit_order(s.order_factory.market(INS.id, SELL, q(100), reduce_only=True))

    def enter(s):
        for lots in range(2_000, 2_006):
            market(BUY, lots)(s)

    table = '[order_rate]\nmode = "on"\nvalue = 2\nwindow = "1 s"\n[order_quantity]\nmode = "passive"\nvalue = 1999\n'
    rig = answering(tmp_path, table, {2: market(BUY, 1_990), 3: enter}, leave)
    entered = [order for order in rig.engine.cache.orders() if order.side == OrderSide.BUY and order.filled_qty > 0]
    assert len(entered) == 3, "one, and two of the six of one second"


def grow(s):
    s.modify_order(s.last, q(10_000))


TABLE = '[position]\nmode = "on"\nvalue = 12000\n[order_quantity]\nmode = "passive"\nvalue = 9999\n'


@pytest.mark.req("DOL-LIMIT-017")
@pytest.mark.parametrize(
    "script",
    [{3: limit(BUY, 1_000, 64_900), 4: grow}, {3: bracket(BUY, 10_000, 64_000, 66_000)}],
    ids=["modify", "list"],
)
def test_an_entry_in_answer_stands_beside_what_the_first_becomes(tmp_path, script):
    """10,000 are on their way when it hears: of 9,000 more the limit leaves 2,000."""
    rig = answering(tmp_path, TABLE, script, market(BUY, 9_000))
    working = sum(int(order.leaves_qty) for order in rig.engine.cache.orders_open() if order.side == OrderSide.BUY)
    assert net(rig) + working == 12_000
