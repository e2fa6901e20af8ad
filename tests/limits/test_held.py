"""Sums over what is held: made once, whoever asks; and what an exit part takes out of them."""

import pytest

from dolphin.limits.codes import Code, Mode
from dolphin.limits.config import Rule, grouped, made
from dolphin.limits.grouping import Scenarios, Stress
from dolphin.limits.held import Held
from dolphin.limits.limiter import Limiter
from dolphin.limits.returns import Returns
from dolphin.limits.simulated import Simulation
from tests.limits.orders import ROW, looked

LONG = ROW._replace(lots=20, held=2_000)


def test_what_is_asked_twice_is_summed_once():
    held = Held((LONG, ROW._replace(instrument="B.X", held=-500, buys=100)))
    both = frozenset(("A.X", "B.X", "C.X"))
    assert held.within(both) == held.within(both) == 2_600
    assert held.loss_bp("crash", {"A.X": -1_000}, 0) == 2_000_000
    assert held.loss_bp("crash", {}, -9_999) == 2_000_000, "the scenario of that name has been asked for"
    made_of = []
    assert held.once("it", lambda one: made_of.append(one) or 7, 1) == 7
    assert held.once("it", lambda one: made_of.append(one) or 8, 2) == 7
    assert made_of == [1]
    assert held.place("C.X").side_lots(1) == 0


@pytest.mark.req("DOL-LIMIT-031")
def test_a_later_scenario_with_more_room_does_not_bind():
    rule = Rule(Mode.ON, 500, members=grouped({"a crash": {"*": -1_000}, "b slump": {"*": -100}}))
    seen = looked(rows=(LONG,))
    assert Scenarios(rule).worst(seen, Held(seen.rows)) == Stress(200, 1_000)


@pytest.mark.req("DOL-LIMIT-032", "DOL-LIMIT-034")
def test_what_an_order_through_zero_closes_is_held_no_more():
    """Without a window 10 % of all of it is assumed, and a sigma of 1 %: 2,000 are sold, 1,000 are short then."""
    rules = {Code.VAR: Rule(Mode.ON, 1, size=9_900, assumed=1_000), Code.GAP_SIGMA: Rule(Mode.ON, 1, assumed=100)}
    seen = looked(rows=(LONG,), side=-1, lots=30, position_lots=20)
    found = Simulation(rules).of(Returns(), seen, Held(seen.rows))
    assert (found.unseen, found.tail_most) == (0, 101)
    assert (found.sigma_loss, found.sigma_ppm) == (0, 10_000)
    before = looked(rows=(LONG,), side=-1, lots=20, position_lots=0)
    assert Simulation(rules).of(Returns(), before, Held(before.rows)).unseen == 2_000


@pytest.mark.req("DOL-LIMIT-008", "DOL-LIMIT-015", "DOL-LIMIT-022")
def test_what_is_taken_back_stops_nobody_and_what_is_left_does():
    rule = Rule(Mode.ON, 2, window_ns=100)
    limiter = Limiter(made({Code.REPEATED_EXECUTION: rule, Code.ORDER_RATE: rule}, {}))
    one, two, three = [limiter.left(looked(ts_ns=at)) for at in (1, 2, 3)]
    assert [bool(left.said) for left in (one, two, three)] == [False, True, False]
    assert limiter.back(three) == "", "two are left, as many as stop it"
    assert limiter.memory.stopped == {"S"}
    assert (
        limiter.back(two) == "repeated_execution [DOL-LIMIT-022]: S may enter again, one of its entries did not leave"
    )
    assert limiter.memory.stopped == set()
    assert limiter.back(two) == "", "it is not there any more"
    assert limiter.memory.entries.count(4, 100) == 1


@pytest.mark.req("DOL-LIMIT-022")
def test_a_strategy_that_is_stopped_is_not_stopped_less_by_standing_first_in_a_list():
    limiter = Limiter(made({Code.REPEATED_EXECUTION: Rule(Mode.ON, 2, window_ns=100)}, {}))

    def stopped(before):
        seen = looked(ts_ns=5)._replace(before=before)
        return limiter.facts(seen, Held(()))[1].stopped

    assert [stopped(before) for before in (0, 1, 2)] == [0, 0, 1]
    limiter.left(looked(ts_ns=4))
    assert [stopped(before) for before in (0, 1)] == [0, 1]
    limiter.left(looked(ts_ns=5))
    assert stopped(0) == 1


@pytest.mark.req("DOL-LIMIT-003", "DOL-LIMIT-005")
def test_without_an_equity_everything_that_judges_what_is_held_counts_as_breached():
    rules = {
        Code.POSITION: Rule(Mode.ON, 1),
        Code.VENUE_EXPOSURE: Rule(Mode.PASSIVE, 1),
        Code.ORDER_RATE: Rule(Mode.ON, 1),
    }
    limiter = Limiter(made(rules, {}))
    assert limiter.breached([looked(lots=0)]) == []
    assert limiter.breached([looked(lots=0, equity=0)]) == [Code.POSITION]
