"""The window of returns: rows of one moment, what they say of an instrument, and what a restart takes up."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolphin.journal.encoding import LINE_BYTES_MAX, encode
from dolphin.kernel.units import MICRO
from dolphin.limits.check import ALL, BREACHED, CHECKS
from dolphin.limits.codes import Code, Mode
from dolphin.limits.config import Rule, change, from_object, horizon_ns, made, to_object
from dolphin.limits.held import Held
from dolphin.limits.limiter import Limiter
from dolphin.limits.returns import INSTRUMENTS_MAX, NOTHING_KNOWN, ROWS, Returns, move, noted, sigma
from dolphin.limits.simulated import Simulation
from dolphin.nautilus.ports import Priced
from tests.limits.orders import LOOKED, ROW, looked

HOUR = 3_600 * 10**9


def at(hour, **prices):
    return int(hour * HOUR), [Priced(f"{name}.X", price, 0) for name, price in prices.items()]


def filled(rows=ROWS, **moving):
    """A window in which each price does what its function says of the row's number."""
    found = Returns(HOUR)
    for i in range(rows + 2):
        found.look(*at(i, **{name: price(i) for name, price in moving.items()}))
    return found


def falls(row):
    """One fall of a tenth in the 250 rows, otherwise up and down by a hundredth."""
    if row < 200:
        return 100_000 + 1_000 * (row % 2)
    return 90_000 + 900 * (row % 2)


def test_a_move_is_rounded_away_from_zero_and_of_an_inverse_that_of_its_value():
    assert [move(3, 4), move(3, 2), move(100, 100)] == [333_334, -333_334, 0]
    assert [move(50, 100, 1), move(100, 50, 1)] == [500_000, -1_000_000]
    assert [move(-10, -5), move(-5, 5), move(0, 5), move(5, 0, 1)] == [500_000, 2_000_000, 0, 0]


def test_rows_are_of_one_moment_and_begin_with_a_whole_interval():
    """Two bars of one time come one after the other; the row is closed by the first look after it."""
    window = Returns(HOUR)
    for hour, prices in ((0.5, {"A": 90, "B": 50}), (0.9, {"A": 100, "B": 50}), (0.95, {"A": 100, "B": 200})):
        assert not window.look(*at(hour, **prices))
    assert window.look(*at(1.2, A=150, B=200)), "the first interval is no whole one: it only says where it ended"
    assert window.lasting()["returns"]["moves"] == {}
    assert not window.look(*at(1.3, A=110, B=200))
    assert not window.look(*at(1.4, A=110, B=180))
    assert window.look(*at(5, A=1, B=1)), "a row; hours without a look are none"
    assert window.lasting()["returns"]["moves"] == {"A.X": [100_000], "B.X": [-100_000]}


def test_no_row_where_no_price_changed_and_the_price_before_it_without_one():
    window = Returns(HOUR)
    for i, a in enumerate((100, 110, 110, 110, 121, 121)):
        window.look(*at(i, A=a, B=50))
    assert window.lasting()["returns"]["moves"] == {"A.X": [100_000, 100_000], "B.X": [0, 0]}
    for i, b in enumerate((0, 60, 66, 66), start=6):
        window.look(*at(i, A=121 + i, B=b))
    moves = window.lasting()["returns"]["moves"]
    assert moves["B.X"][2:] == [0, 200_000, 100_000], "the gap is in the return after it"
    assert len(moves["A.X"]) == len(moves["B.X"]) == 5


@pytest.mark.req("DOL-LIMIT-036")
@pytest.mark.parametrize("restarts", [False, True])
def test_a_full_window_outlives_an_hour_without_a_price(restarts):
    """One side of the quote is missing when the row is closed, or nothing was heard of it since the restart."""
    window = filled(A=falls, B=lambda i: 50 + i % 3)
    if restarts:
        window = noted(json.loads(json.dumps(window.lasting())))
    for hour, b in ((ROWS + 1.5, 60), (ROWS + 2, 61), (ROWS + 3, 62)):
        window.look(*at(hour, A=0, B=b))
    assert len(window.of("A.X").moves) == len(window.of("B.X").moves) == ROWS
    assert window.of("A.X").worst == 108_911


def test_of_what_is_heard_no_more_only_so_many_are_kept():
    window = Returns(HOUR)
    for i in range(4):
        window.look(i * HOUR, [Priced(f"{i % 3}-{n}.X", 100 + i, 0) for n in range(40)])
    window.look(4 * HOUR, [])
    names = list(window.lasting()["returns"]["base"])
    assert len(names) == INSTRUMENTS_MAX
    assert sum(name.startswith("0-") for name in names) == 40, "those that are heard of stay"


@given(st.lists(st.integers(-500_000, 500_000), min_size=1, max_size=250))
def test_sigma_is_the_larger_of_equally_weighted_and_riskmetrics(moves):
    squares = np.array(moves, dtype=float) ** 2
    decayed = squares.mean()
    for square in squares:
        decayed = 0.94 * decayed + 0.06 * square
    assert sigma(moves) == pytest.approx(np.sqrt(max(squares.mean(), decayed)), rel=1e-6, abs=1.01)
    assert sigma([]) == 0


def test_only_a_full_window_has_rows():
    assert filled(ROWS - 1, A=falls).of("A.X").moves == ()
    known = filled(A=falls).of("A.X")
    assert len(known.moves) == ROWS
    assert known.worst == 108_911
    assert filled(ROWS + 40, A=falls).of("A.X").moves[0] == known.moves[40]
    assert filled(A=falls).of("B.X") == NOTHING_KNOWN


def test_no_more_instruments_have_a_window_than_a_line_of_the_journal_holds():
    names = [f"INSTRUMENT-{n:03}.VENUE" for n in range(INSTRUMENTS_MAX + 20)]
    window = Returns(HOUR)
    for i in range(3):
        window.look(i * HOUR, [Priced(name, 10**9, 0) for name in names])
    said = window.lasting()
    assert list(said["returns"]["base"]) == names[:INSTRUMENTS_MAX]
    said["returns"]["moves"] = {name: [-MICRO] * ROWS for name in names[:INSTRUMENTS_MAX]}
    assert len(encode(said)) < LINE_BYTES_MAX // 4


@pytest.mark.req("DOL-LIMIT-036")
def test_what_a_restart_takes_up_is_what_was_there():
    window = filled(A=falls, B=lambda i: 50 + i % 3)
    said = json.loads(json.dumps(window.lasting()))
    again = noted(said)
    assert again.lasting() == window.lasting()
    assert again.of("A.X") == window.of("A.X")
    later = at(ROWS + 9, A=95_000, B=52)
    window.look(*later)
    assert not again.look(*later), "what was seen since the note is lost, and no row is made of it"
    assert again.look(*at(ROWS + 10, A=95_000, B=52))
    assert again.lasting()["returns"]["moves"]["A.X"][-1] == move(falls(ROWS), 95_000)
    other = Returns(2 * HOUR)
    other.take_up(said)
    assert other.of("A.X") == NOTHING_KNOWN, "returns over another horizon"
    assert noted({}).lasting() == {}


# --- The limits -------------------------------------------------------------------------------------------------------

TAIL = Rule(Mode.ON, 500, HOUR, size=9_900, assumed=2_000)
GAP = Rule(Mode.ON, 500, HOUR, size=60_000, assumed=100)


def judged(code, rule, window, seen):
    limiter = Limiter(made({code: rule}, {}))
    limiter.returns = window
    return CHECKS[code](rule, *limiter.facts(seen, Held(seen.rows)))


@pytest.mark.req("DOL-LIMIT-032", "DOL-LIMIT-033")
@pytest.mark.parametrize("code", [Code.VAR, Code.CVAR])
def test_a_hedge_counts_and_passes_what_is_too_high(code):
    """Equity is 10,000 and 500 may be lost. In the worst row A falls by 11 %; the mean beyond 99 % is a little less."""
    rule = TAIL._replace(size=9_999)
    window = filled(A=falls, B=falls, C=lambda i: 200_000 - falls(i))
    long = (ROW._replace(instrument="B.X", held=4_000),)
    assert judged(code, rule, window, looked(rows=long)) == 5, "4,500 of it fall by 10.9 %"
    assert judged(code, rule, window, looked(rows=long, side=-1)) == ALL, "a short of what falls with it"
    assert judged(code, rule, window, looked(rows=(long[0]._replace(held=4_600),))) == BREACHED
    too_much = (long[0]._replace(held=5_000),)
    assert judged(code, rule, window, looked(rows=too_much, lots=0)) == BREACHED, "without an order"
    assert judged(code, rule, window, looked(rows=too_much, side=-1)) == ALL, "it lowers what is too high"
    against = (*long, ROW._replace(instrument="C.X", held=4_000))
    assert judged(code, rule, window, looked(rows=against, lots=40)) == ALL, "C rises where they fall"
    works = (ROW._replace(instrument="B.X", held=3_500, buys=500, sells=3_000),)
    assert judged(code, rule, window, looked(rows=works)) == 5, "what works fills where it hurts"
    leaving = looked(rows=(ROW._replace(held=4_000),), side=-1, lots=700, position_lots=40)
    assert judged(code, rule, window, leaving) == 500, "the exit part is gone, and a short loses 1 % at most"


@pytest.mark.req("DOL-LIMIT-032", "DOL-LIMIT-005")
def test_confidence_is_what_sets_apart_the_quantile_and_the_mean_beyond_it():
    """One row of 250 is a crash: VaR at 99 % does not know it, expected shortfall does."""
    window = filled(A=falls)
    assert judged(Code.VAR, TAIL, window, looked(lots=400)) == ALL
    assert judged(Code.CVAR, TAIL, window, looked(lots=400)) == 100, "1.5 of the 2.5 worst rows are ordinary"
    assert judged(Code.CVAR, TAIL, window, looked(value_u=0)) == 0, "no price"
    assert judged(Code.CVAR, TAIL, window, looked(equity=0)) == 0, "no equity"


@pytest.mark.req("DOL-LIMIT-035")
@pytest.mark.parametrize("code", [Code.VAR, Code.CVAR])
def test_without_a_full_window_what_is_assumed_counts_and_hedges_nothing(code):
    """A fifth is assumed: 2,500 may be held."""
    empty = Returns(HOUR)
    assert judged(code, TAIL, empty, LOOKED) == ALL
    assert judged(code, TAIL, empty, looked(lots=30)) == 25
    held = (ROW._replace(instrument="B.X", held=-2_000, buys=300),)
    assert judged(code, TAIL, empty, looked(rows=held)) == 5
    assert judged(code, TAIL, empty, looked(rows=(held[0]._replace(held=-2_501),))) == BREACHED
    assert judged(code, TAIL._replace(assumed=0), empty, looked(equity=0)) == 0, "nothing is assumed: nothing is known"
    some = filled(B=falls)
    both = (ROW._replace(instrument="B.X", held=1_000), ROW._replace(instrument="D.X", held=500))
    sure = TAIL._replace(size=9_999)
    assert judged(code, sure, some, looked(rows=both, lots=30)) == 14, "109 by B's rows, a fifth of D and of the order"
    own = looked(rows=both, lots=50)._replace(instrument="B.X")
    assert judged(code, sure, some, own) == 26, "by its own rows: 400 are left for 3,672"


@pytest.mark.req("DOL-LIMIT-034", "DOL-LIMIT-035")
def test_a_gap_of_k_sigma_is_against_all_of_it():
    """Six sigma of 1 % that is assumed: 8,333 may be held for 500."""
    quiet = filled(A=lambda i: 100_000 + i % 2)
    held = (ROW._replace(instrument="B.X", held=-5_000, buys=1_000, sells=1_400),)
    assert judged(Code.GAP_SIGMA, GAP, quiet, looked(rows=held)) == 9, "a peg has what is assumed"
    assert judged(Code.GAP_SIGMA, GAP, quiet, looked(rows=(held[0]._replace(held=-6_000),))) == BREACHED
    wild = filled(3, A=lambda i: 100_000 + 2_000 * (i % 2))
    assert wild.of("A.X").sigma == 19_871
    assert judged(Code.GAP_SIGMA, GAP, wild, looked(lots=99)) == 41, "three returns are enough to raise it"
    leaving = looked(rows=(ROW._replace(held=4_000),), side=-1, lots=100, position_lots=40)
    assert judged(Code.GAP_SIGMA, GAP, wild, leaving) == 41, "the exit part is gone"
    assert judged(Code.GAP_SIGMA, GAP._replace(size=0), wild, leaving) == ALL, "no gap is stated"
    assert judged(Code.GAP_SIGMA, GAP._replace(assumed=0), Returns(HOUR), LOOKED) == 0, "nothing is known"


@pytest.mark.req("DOL-LIMIT-036")
def test_rows_are_recorded_only_where_a_bound_does_not_decide():
    window = filled(A=falls)
    rules = {Code.CVAR: TAIL}
    near = Simulation(rules).of(window, looked(lots=46), Held(()))
    assert len(near.moves) == len(near.pnl) + ROWS == ROWS
    far = Simulation(rules).of(window, looked(lots=45), Held(()))
    assert (far.moves, far.pnl) == ((), ())
    assert far.tail_most == -(-4_500 * 108_911 // MICRO) + 1
    held = (ROW._replace(held=100),)
    assert len(Simulation(rules).of(window, looked(rows=held, lots=46), Held(held)).pnl) == ROWS


@pytest.mark.req("DOL-LIMIT-003")
def test_a_larger_assumption_tightens_another_horizon_waits_and_one_horizon_holds_for_all():
    day, hour = TAIL._replace(window_ns=24 * HOUR), GAP
    limiter = Limiter(made({Code.CVAR: day, Code.GAP_SIGMA: hour}, {}))
    assert limiter.returns.horizon_ns == 24 * HOUR
    assert limiter.wants_prices
    wider = made({Code.CVAR: TAIL._replace(assumed=3_000)}, {})
    assert change(made({Code.CVAR: TAIL}, {}), wider).looser == ()
    assert change(wider, made({Code.CVAR: TAIL}, {})).looser == (Code.CVAR,)
    assert change(wider, made({Code.CVAR: day._replace(assumed=3_000)}, {})) == (wider, (Code.CVAR,), ())
    assert from_object(to_object(wider)) == wider
    assert not Limiter(made({Code.POSITION: Rule(Mode.ON, 1)}, {})).wants_prices


def wild_book(code=Code.GAP_SIGMA, rule=GAP):
    """A book whose limit is exceeded by the returns that it measured, and not by what is assumed of them."""
    limiter = Limiter(made({code: rule}, {}))
    limiter.returns = filled(A=lambda i: 100_000 + 9_000 * (i % 2))
    held = [looked(lots=0, rows=(ROW._replace(held=1_500),))]
    assert limiter.breached(held) == [code]
    return limiter, held


@pytest.mark.req("DOL-LIMIT-003")
@pytest.mark.parametrize("code", [Code.GAP_SIGMA, Code.VAR])
@pytest.mark.parametrize("mode", [Mode.PASSIVE, Mode.ON])
@pytest.mark.parametrize("hours", [2, 1])
def test_another_horizon_forgets_no_return_of_a_limit_that_is_exceeded(code, mode, hours):
    """Whether it is the limit's own, or that of another limit, and whether it comes or goes."""
    limiter, held = wild_book()
    other = (GAP if code == Code.GAP_SIGMA else TAIL)._replace(window_ns=hours * HOUR, mode=mode)
    wanted = made({Code.GAP_SIGMA: GAP} | {code: other}, {})
    answer = limiter.propose(to_object(wanted), 0, 7, held)
    assert limiter.breached(held) == [Code.GAP_SIGMA], "not in one step"
    assert answer.get("ok", True) == (horizon_ns(wanted) == HOUR and limiter.limits == wanted)
    if horizon_ns(wanted) == HOUR:
        return
    assert "gap_sigma" in answer["error"]
    assert limiter.propose(to_object(wanted), 0, 8, [LOOKED])["nonce"] == 8
    assert "gap_sigma" in limiter.confirm(8, 60 * 10**9, held)["error"], "nor in two, while it is exceeded"
    assert limiter.breached(held) == [Code.GAP_SIGMA]
    assert "gap_sigma" in limiter.confirm(8, 60 * 10**9, [LOOKED])["loosened"]
    assert limiter.returns.horizon_ns == 2 * HOUR
    assert "gap_sigma" in limiter.propose(to_object(made({Code.GAP_SIGMA: GAP}, {})), 0, 9, [LOOKED])["looser"]
    assert limiter.returns.horizon_ns == 2 * HOUR, "a shorter one waits too"


@pytest.mark.req("DOL-LIMIT-003", "DOL-LIMIT-036")
def test_a_restart_with_another_horizon_in_the_file_keeps_the_returns():
    limiter, held = wild_book()
    for rules, looser in (
        ({Code.GAP_SIGMA: GAP._replace(window_ns=2 * HOUR)}, ["gap_sigma"]),
        ({Code.GAP_SIGMA: GAP, Code.VAR: TAIL._replace(window_ns=2 * HOUR)}, ["var", "gap_sigma"]),
    ):
        again = Limiter(made(rules, {}))
        assert again.take_up(limiter.said()) == looser
        assert Code.GAP_SIGMA in again.breached(held)
        assert again.returns.horizon_ns == HOUR
