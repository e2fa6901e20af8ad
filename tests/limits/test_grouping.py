"""Sectors and scenarios: the one that leaves least, and what it leaves at its boundary."""

import pytest

from dolphin.limits.check import ALL, BREACHED, CHECKS
from dolphin.limits.codes import Code, Mode
from dolphin.limits.config import Rule, grouped, made
from dolphin.limits.grouping import Groups, Scenarios, Stress, Used
from dolphin.limits.held import Held
from dolphin.limits.limiter import Limiter
from tests.limits.orders import LOOKED, ROW, looked

ROWS = (
    ROW._replace(held=-2_000, buys=300, sells=200),
    ROW._replace(instrument="B.X", held=1_000),
    ROW._replace(instrument="C.X", held=9_000),
)


def left(code, rule, seen):
    return CHECKS[code](rule, *Limiter(made({code: rule}, {})).facts(seen, Held(seen.rows)))


@pytest.mark.req("DOL-LIMIT-029", "DOL-LIMIT-030")
@pytest.mark.parametrize("code", [Code.SECTOR_EXPOSURE, Code.GROUP_EXPOSURE])
def test_the_group_with_the_least_room_binds(code):
    members = grouped({"ab": {"A.X": 1, "B.X": 1}, "a": {"A.X": 1}, "c": {"C.X": 1}})
    rule = Rule(Mode.ON, 45_000_000, members=members)
    seen = looked(rows=ROWS)
    assert Groups(rule).used(seen, Held(seen.rows)) == Used("ab", 3_500)
    assert left(code, rule, seen) == 10
    assert left(code, rule._replace(value=45_000_000 - 10_000), seen) == 9
    assert left(code, rule._replace(value=34_000_000), seen) == BREACHED
    assert left(code, rule._replace(each=(("a", 26_000_000),)), seen) == 1, "its own value makes it the tighter one"
    assert left(code, rule, seen._replace(instrument="D.X")) == ALL


@pytest.mark.req("DOL-LIMIT-031")
def test_the_scenario_with_the_least_room_binds():
    members = grouped({"crash": {"*": -1_000, "C.X": 0}, "boom": {"*": 2_000, "C.X": 0}})
    rule = Rule(Mode.ON, 200, members=members)
    buys = looked(rows=ROWS)
    assert Scenarios(rule).worst(buys, Held(buys.rows)) == Stress(-70, 1_000), (
        "short 2,000 gains 200, long 1,000 loses 100, buys of 300 lose 30"
    )
    assert left(Code.STRESS_LOSS, rule, looked(rows=ROWS, lots=40)) == 27, (
        "200 of equity and the 70, over a tenth of 100 a lot"
    )
    sells = looked(rows=ROWS, side=-1)
    assert Scenarios(rule).worst(sells, Held(sells.rows)) == Stress(240, 2_000)
    assert left(Code.STRESS_LOSS, rule._replace(value=260), sells) == 1
    assert left(Code.STRESS_LOSS, rule._replace(value=239), sells) == BREACHED
    only = rule._replace(members=grouped({"crash": {"*": -1_000}}))
    assert left(Code.STRESS_LOSS, only, sells) == ALL, "it costs a sale nothing"


@pytest.mark.req("DOL-LIMIT-031")
def test_an_order_through_zero_gives_up_the_hedge_that_it_sells():
    rule = Rule(Mode.ON, 1_000, members=grouped({"boom": {"*": 1_000}}))
    seen = looked(rows=(ROW._replace(held=2_000),), side=-1, lots=30, position_lots=20)
    assert Scenarios(rule).worst(seen, Held(seen.rows)) == Stress(0, 1_000), "the 2,000 that gain 200 are sold"
    assert Scenarios(rule).worst(LOOKED, Held(LOOKED.rows)) == Stress()
