"""Each limit at its boundary: what it leaves just within, at, and just beyond."""

import pytest

from dolphin.kernel.units import ABSENT
from dolphin.limits.check import ALL, BREACHED, CHECKS, asked, binding
from dolphin.limits.codes import SPECS, Code, Mode
from dolphin.limits.config import Rule, made
from dolphin.limits.facts import Remembered, facts_of, names_of
from dolphin.limits.held import Held
from tests.limits.orders import LOOKED, ROW, looked

NONE = Remembered()


def left(code, value, seen=LOOKED, known=NONE, **rule):
    return CHECKS[code](Rule(Mode.ON, value, **rule), names_of(seen, known), facts_of(seen, known, Held(seen.rows)))


def units(n):
    return n * 1_000_000


def test_every_limit_has_a_check_a_requirement_and_a_name_of_its_own():
    assert set(CHECKS) == set(SPECS) == set(Code) - {Code.NONE}
    assert len({spec.name for spec in SPECS.values()}) == len(SPECS)
    assert len({spec.requirement for spec in SPECS.values()}) == len(SPECS)


@pytest.mark.req("DOL-LIMIT-010")
def test_the_restricted_list():
    assert left(Code.RESTRICTED, 0, known=Remembered(1, 0)) == 0
    assert left(Code.RESTRICTED, 0) == ALL


@pytest.mark.req("DOL-LIMIT-011", "DOL-LIMIT-004")
def test_order_quantity_takes_all_or_nothing_in_units():
    assert left(Code.ORDER_QUANTITY, units(10)) == ALL
    assert left(Code.ORDER_QUANTITY, units(10) - 1) == 0, "millionths of a unit count"
    tenths = LOOKED._replace(size_power=10)  # a lot is a tenth
    assert left(Code.ORDER_QUANTITY, units(1), tenths) == ALL
    assert left(Code.ORDER_QUANTITY, units(1), looked(tenths, lots=11)) == 0
    assert left(Code.ORDER_QUANTITY, units(10), LOOKED._replace(list_lots=11, list_minor=1)) == 0, "its list"
    assert left(Code.ORDER_QUANTITY, units(10), LOOKED._replace(lot_units=0)) == 0, "no scales: no entry"
    own = (("A.X", units(3)),)
    assert left(Code.ORDER_QUANTITY, units(99), each=own) == 0
    assert left(Code.ORDER_QUANTITY, units(99), LOOKED._replace(instrument="B.X"), each=own) == ALL


@pytest.mark.req("DOL-LIMIT-012", "DOL-LIMIT-004", "DOL-LIMIT-005")
def test_order_notional_takes_all_or_nothing_in_money():
    assert left(Code.ORDER_NOTIONAL, units(10)) == ALL, "10 lots of 1.00"
    assert left(Code.ORDER_NOTIONAL, units(10) - 10_000) == 0
    assert left(Code.ORDER_NOTIONAL, units(10), LOOKED._replace(list_lots=1, list_minor=1_001)) == 0, "its list"
    assert left(Code.ORDER_NOTIONAL, units(10), looked(value_u=0)) == 0, "no price"
    assert left(Code.ORDER_NOTIONAL, units(10), LOOKED._replace(minor=0)) == 0, "no account"


@pytest.mark.req("DOL-LIMIT-013", "DOL-LIMIT-005")
@pytest.mark.parametrize(("side", "within", "beyond"), [(1, 1_101, 1_102), (-1, 900, 899)])
def test_the_collar_is_beyond_the_market_on_the_side_that_trades(side, within, beyond):
    def at(price, **seen):
        return left(Code.PRICE_COLLAR, 1_000, looked(LOOKED._replace(priced=1, price=price, **seen), side=side))

    assert at(within) == ALL
    assert at(beyond) == 0
    assert at(1_000 - side * 900) == ALL, "it rests far away, or does nothing"
    assert at(within - side, bid=0, ask=0) == ALL, "the last price, without a quote"
    assert at(beyond, bid=0, ask=0, last=0) == 0, "no market to compare with"
    assert at(-5, bid=-6, ask=-5, last=-5) == ALL, "negative prices"
    assert left(Code.PRICE_COLLAR, 0, looked(side=side)) == ALL, "a market order has no price"


@pytest.mark.req("DOL-LIMIT-014", "DOL-LIMIT-005")
def test_a_price_may_be_so_old():
    assert left(Code.STALE_PRICE, 500, LOOKED._replace(price_age_ns=500)) == ALL
    assert left(Code.STALE_PRICE, 500, LOOKED._replace(price_age_ns=501)) == 0
    assert left(Code.STALE_PRICE, 500, LOOKED._replace(price_age_ns=ABSENT)) == 0


@pytest.mark.req("DOL-LIMIT-015")
def test_so_many_entries_within_the_window():
    assert left(Code.ORDER_RATE, 3, known=Remembered(0, 2)) == ALL
    assert left(Code.ORDER_RATE, 3, known=Remembered(0, 3)) == 0


@pytest.mark.req("DOL-LIMIT-017")
def test_position_counts_each_side_over_strategies_and_working_orders():
    rows = (ROW._replace(lots=4, buy_lots=1), ROW._replace(strategy="T", lots=-9, sell_lots=2, buy_lots=1))
    elsewhere = ROW._replace(instrument="B.X", lots=50, buy_lots=50)
    assert left(Code.POSITION, units(16), looked(rows=(*rows, elsewhere))) == 10, "6 held or working"
    assert left(Code.POSITION, units(15), looked(rows=rows)) == 9
    assert left(Code.POSITION, units(6), looked(rows=rows)) == 0
    assert left(Code.POSITION, units(5), looked(rows=rows)) == BREACHED
    assert left(Code.POSITION, units(15), looked(rows=rows, side=-1)) == 4, "11 on the other side"


@pytest.mark.req("DOL-LIMIT-018", "DOL-LIMIT-005")
def test_gross_leverage():
    assert left(Code.GROSS_LEVERAGE, 10_000, looked(gross=8_000, working=1_000)) == 10
    assert left(Code.GROSS_LEVERAGE, 10_000, looked(gross=8_000, working=1_001)) == 9
    assert left(Code.GROSS_LEVERAGE, 10_000, looked(gross=9_000, working=1_001)) == BREACHED
    through = looked(side=-1, lots=30, position_lots=20, gross=2_000)
    assert left(Code.GROSS_LEVERAGE, 1_000, through) == 10, "what the exit part frees is free"
    assert left(Code.GROSS_LEVERAGE, 1_000, through._replace(order=through.order._replace(taking=0))) == BREACHED
    assert left(Code.GROSS_LEVERAGE, 10_000, looked(equity=0)) == 0, "no equity"
    assert left(Code.GROSS_LEVERAGE, 10_000, looked(value_u=0)) == 0, "no price"


@pytest.mark.req("DOL-LIMIT-019", "DOL-LIMIT-005")
def test_net_leverage_is_by_side():
    rows = (ROW._replace(held=6_000, buys=500, sells=700), ROW._replace(strategy="T", held=-2_000))
    assert left(Code.NET_LEVERAGE, 5_500, looked(rows=rows)) == 10, "4,000 net and 500 on this side"
    assert left(Code.NET_LEVERAGE, 5_499, looked(rows=rows)) == 9
    assert left(Code.NET_LEVERAGE, 4_499, looked(rows=rows)) == BREACHED
    assert left(Code.NET_LEVERAGE, 1, looked(rows=rows, side=-1, lots=2)) == 2, "the other side has room"
    through = looked(rows=(ROW._replace(held=2_000),), side=-1, lots=30, position_lots=20)
    assert left(Code.NET_LEVERAGE, 1_000, through) == 10, "the exit part moves the net as well"


@pytest.mark.req("DOL-LIMIT-001", "DOL-LIMIT-002")
def test_the_limit_that_leaves_least_binds_of_equals_the_first_and_passive_ones_are_said():
    names, facts = names_of(LOOKED, NONE), facts_of(LOOKED, NONE, Held(()))
    rules = {
        Code.POSITION: Rule(Mode.ON, units(4)),
        Code.GROSS_LEVERAGE: Rule(Mode.ON, 300),
        Code.NET_LEVERAGE: Rule(Mode.ON, 300),
        Code.ORDER_QUANTITY: Rule(Mode.PASSIVE, units(1)),
    }
    found = binding(asked(made(rules, {})), names, facts)
    assert found == (3, Code.GROSS_LEVERAGE, (Code.ORDER_QUANTITY,))
    only = {Code.ORDER_QUANTITY: rules[Code.ORDER_QUANTITY]}
    assert binding(asked(made(only, {})), names, facts) == (ABSENT, Code.NONE, (Code.ORDER_QUANTITY,))
    exit_ = facts_of(looked(side=-1, lots=10, position_lots=10), Remembered(1, 99), Held(()))
    assert binding(asked(made(rules, {})), names, exit_) == (ABSENT, Code.NONE, ()), "an exit is none of theirs"


@pytest.mark.req("DOL-LIMIT-020")
def test_a_twin_is_one_within_the_window():
    def at(age_ns):
        return left(Code.DUPLICATE, 0, known=Remembered(twin_age_ns=age_ns), window_ns=500)

    assert [at(ABSENT), at(500), at(499), at(0)] == [ALL, ALL, 0, 0]


@pytest.mark.req("DOL-LIMIT-021", "DOL-LIMIT-022")
def test_what_would_meet_its_own_book_and_who_is_stopped():
    assert left(Code.SELF_TRADE, 0, LOOKED._replace(crosses=1)) == 0
    assert left(Code.SELF_TRADE, 0) == ALL
    assert left(Code.REPEATED_EXECUTION, 5, known=Remembered(stopped=1)) == 0
    assert left(Code.REPEATED_EXECUTION, 5) == ALL


@pytest.mark.req("DOL-LIMIT-023", "DOL-LIMIT-024", "DOL-LIMIT-005")
def test_losses_stop_entries_when_they_reach_the_limit():
    def day(loss, known=1):
        return left(Code.DAILY_LOSS, units(5), known=Remembered(known=known, day_loss=loss))

    assert [day(499), day(500), day(-900), day(0, known=0)] == [ALL, BREACHED, ALL, BREACHED]
    fallen = [left(Code.DRAWDOWN, 700, LOOKED._replace(drawdown_bp=bp)) for bp in (699, 700)]
    assert fallen == [ALL, BREACHED]


@pytest.mark.req("DOL-LIMIT-025")
def test_gap_loss_caps_what_is_held_before_the_gap():
    """A gap of 10 % may cost 5 % of 10,000: half of equity may be held."""
    assert left(Code.GAP_LOSS, 500, looked(gross=3_000, working=1_000), size=1_000) == 10
    assert left(Code.GAP_LOSS, 500, looked(gross=3_000, working=1_001), size=1_000) == 9
    assert left(Code.GAP_LOSS, 500, looked(gross=5_001), size=1_000) == BREACHED
    assert left(Code.GAP_LOSS, 500, looked(equity=0), size=1_000) == 0
    assert left(Code.GAP_LOSS, 500, looked(gross=5_001)) == ALL, "no gap is stated"


@pytest.mark.req("DOL-LIMIT-026", "DOL-LIMIT-005")
def test_free_margin_is_what_the_account_says_and_what_all_that_works_leaves():
    """A lot takes 50 of 10,000."""
    assert left(Code.FREE_MARGIN, 9_500) == 10
    assert left(Code.FREE_MARGIN, 9_500, LOOKED._replace(free=9_999)) == 9
    assert left(Code.FREE_MARGIN, 9_500, looked(rows=(ROW._replace(margin=1),))) == 9
    assert left(Code.FREE_MARGIN, 9_500, LOOKED._replace(free=9_499)) == BREACHED
    assert left(Code.FREE_MARGIN, 0, LOOKED._replace(margin_u=0)) == 0, "nobody knows what a lot takes"


@pytest.mark.req("DOL-LIMIT-027", "DOL-LIMIT-028")
@pytest.mark.parametrize(("code", "own"), [(Code.VENUE_EXPOSURE, "X"), (Code.STRATEGY_EXPOSURE, "S")])
def test_exposure_of_a_venue_and_of_a_strategy(code, own):
    here = ROW._replace(held=-2_000, buys=300, sells=200)
    elsewhere = ROW._replace(instrument="B.Y", venue="Y", strategy="T", held=9_000)
    seen = looked(rows=(here, elsewhere))
    assert left(code, units(35), seen) == 10
    assert left(code, units(35) - 10_000, seen) == 9
    assert left(code, units(24), seen) == BREACHED
    assert left(code, 0, seen, each=((own, units(35)),)) == 10
