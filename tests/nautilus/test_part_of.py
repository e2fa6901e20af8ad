"""An execution algorithm's part beside the order that it is a part of, where that works itself: both count.

Found by the model (docs/design/order-authority.md): the part was judged without it, and the book held ten times equity.
"""

import pytest
from nautilus_trader.execution.algorithm import ExecAlgorithm
from nautilus_trader.execution.config import ExecAlgorithmConfig
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.identifiers import ExecAlgorithmId

from tests.nautilus.rig import Rig, Scripted, quotes, replays
from tests.nautilus.test_gates import BUY, INS, X1, px, q


class Twice(ExecAlgorithm):
    """Sends the order that it was given, and a part as large beside it."""

    def __init__(self):
        super().__init__(ExecAlgorithmConfig(exec_algorithm_id=ExecAlgorithmId("TWICE")))

    def on_order(self, order):
        self.submit_order(order)
        part = self.spawn_market(order, quantity=q(5 * X1), time_in_force=TimeInForce.FOK, reduce_primary=False)
        self.submit_order(part)


@pytest.mark.req("DOL-ORDER-001")
def test_a_part_is_judged_beside_the_order_that_it_is_a_part_of_where_that_works(tmp_path):
    def act(s):
        order = s.order_factory.limit(INS.id, BUY, q(5 * X1), px(64_500), exec_algorithm_id=ExecAlgorithmId("TWICE"))
        s.submit_order(order)

    s = Scripted(INS, {3: act})
    rig = Rig(tmp_path, INS).add(s)
    rig.engine.add_exec_algorithm(Twice())
    rig.run(quotes(INS, [65_000] * 20 + [64_400] * 5))
    assert rig.guard.failures == []
    replays(rig.journal)
    held = [float(event.quantity) for event in s.events if hasattr(event, "peak_qty")]
    assert max(held) <= 6.1 * X1  # 10 * X1 until the guard trims it
