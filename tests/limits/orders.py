"""An order as limits see it, for tests: buys 10 lots worth 100 minor units each on an equity of 10,000."""

from dolphin.kernel.events import Order
from dolphin.kernel.orders import Split, parts
from dolphin.kernel.units import ABSENT, MICRO
from dolphin.nautilus.ports import Looked, Row

ORDER = Order(
    ts_ns=10**18, feed=0, side=1, lots=10, taking=1, named=1, reduce_only=0, whole=0, position_lots=0, resting_lots=0,
    own_lots=0, min_lots=1, value_u=100 * MICRO, gross=0, working=0, equity=10_000, l_raw_bp=60_000,
)  # fmt: skip
LOOKED = Looked(
    order=ORDER, cut=Split(0, 0, 10, 0), instrument="A.X", venue="X", strategy="S", minor=100, size_power=1,
    lot_units=1, priced=0, price=0, bid=999, ask=1_001, last=1_000, price_age_ns=0, list_lots=ABSENT,
    list_minor=ABSENT, rows=(), fresh=1, crosses=0, drawdown_bp=0, free=10**9, margin_u=50 * MICRO, exit_u=0, before=0,
)  # fmt: skip
ROW = Row("A.X", "X", "S", 0, 0, 0, 0, 0, 0, 0)


def looked(seen=LOOKED, rows=(), **order):
    """LOOKED with another order, and rows. What it closes is counted at what the order says a lot is worth."""
    made = seen.order._replace(**order)
    cut = parts(made)
    return seen._replace(order=made, cut=cut, rows=rows, exit_u=made.value_u if cut.exit else 0)
