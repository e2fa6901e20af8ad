"""kernel.ledger and kernel.ledger_books: exact against fractions, prudent, nothing lost over years, total."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dolphin.kernel.ledger import (
    FLAT,
    INVERSE_ONE,
    Position,
    certified_kept,
    certified_minor,
    kept_cost,
    left_at_cost,
    minor,
    open_result,
    paid,
    posted,
    remains,
    settled,
    value,
)
from dolphin.kernel.ledger_books import (
    EMPTY,
    Books,
    Entry,
    booked,
    by_instrument,
    canonical,
    charged,
    deposited,
    rescaled,
    taken_over,
)
from dolphin.kernel.units import MICRO

FILLS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-50, 50)), max_size=20)
ANY = st.integers(-(10**30), 10**30)


class Exact:
    """Average cost in fractions: the reference, which shares nothing with the code."""

    def __init__(self) -> None:
        self.lots = 0
        self.cost = Fraction(0)
        self.realised = Fraction(0)
        self.reductions = 0

    def fill(self, lots: int, price: int) -> None:
        closing = 0
        if self.lots * lots < 0:
            closing = min(abs(lots), abs(self.lots)) * (1 if lots > 0 else -1)
            share = self.cost * abs(closing) / abs(self.lots)
            self.realised += -closing * price - share
            self.cost -= share
            self.reductions += 1
        self.cost += (lots - closing) * price
        self.lots += lots


@pytest.mark.req("DOL-LEDGER-001")
@settings(max_examples=60)
@given(FILLS)
def test_profit_is_the_exact_one_or_less_than_an_atom_late_for_each_reduction(fills: list[tuple[int, int]]) -> None:
    position, exact = FLAT, Exact()
    for lots, price in fills:
        position = posted(position, lots, price, 0)
        exact.fill(lots, price)
        assert position.lots == exact.lots
        assert exact.realised - exact.reductions <= position.realised <= exact.realised
        if position.lots == 0:
            assert position.cost == 0
            assert position.realised == position.cash


@pytest.mark.req("DOL-LEDGER-001")
@settings(max_examples=40)
@given(FILLS, st.integers(-50, 50))
def test_equity_is_cash_and_value_of_positions_and_debits_are_credits(fills: list[tuple[int, int]], mark: int) -> None:
    position = FLAT
    for lots, price in fills:
        position = posted(position, lots, price, 0)
    assert position.cash == -sum(lots * price for lots, price in fills)
    assert position.cash + position.cost == position.realised
    assert position.cash + position.lots * mark == position.realised + open_result(position, mark, 0)
    assert posted(position, -position.lots, mark, 0).cash == position.cash + position.lots * mark


@pytest.mark.req("DOL-LEDGER-001")
def test_no_cent_is_lost_over_years() -> None:
    """A third of a cent a lot, in and out, thousands of times: in cents a fill, nearly all of it would be lost."""
    position = FLAT
    rng = Random(4)
    cash = 0
    for _ in range(2_000):
        lots, price = rng.randint(1, 7), rng.randint(-3, 100)
        position = posted(posted(position, lots, price, 0), -lots, price + 1, 0)
        cash += lots
    assert position == Position(0, 0, cash, cash)
    assert minor(position.realised, MICRO, 3, 0) == cash // 3  # one atom is a third of a minor unit


@given(ANY, ANY, ANY, ANY, ANY, st.integers(-2, 2))
@settings(max_examples=200)
def test_any_integers_are_taken(lots: int, cost: int, fill: int, price: int, den: int, inverse: int) -> None:
    position = posted(Position(lots, cost, 0, cost), fill, price, inverse)
    assert position.lots == lots + fill
    assert position.cash + position.cost == position.realised
    assert minor(cost, price, den, inverse) == (0 if den <= 0 else cost * price // (den * _one(inverse)))
    assert kept_cost(cost, fill, lots) == (0 if lots <= 0 else cost * fill // lots)


def _one(inverse: int) -> int:
    return MICRO if inverse == 0 else MICRO * INVERSE_ONE


@pytest.mark.req("DOL-LEDGER-001")
def test_a_negative_price_is_a_price() -> None:
    """CL for May 2020: ten contracts of 1,000 barrels from 17.73 to the settlement of 20 April, -37.63."""
    position = posted(posted(FLAT, 10, 1773, 0), -10, -3763, 0)
    assert minor(position.realised, 1_000 * MICRO, 1, 0) == -55_360_000  # cents: 10 * 1,000 * 55.36 dollars
    short = posted(posted(FLAT, -10, 1773, 0), 10, -3763, 0)
    assert short.realised == -position.realised
    held = posted(FLAT, 10, 1773, 0)
    assert value(held.lots, -3763, 0) < 0  # to be rid of it costs
    assert open_result(held, -3763, 0) == position.realised


def test_a_flip_ends_one_position_and_begins_another() -> None:
    position = posted(posted(FLAT, 3, 100, 0), -5, 110, 0)
    assert position == Position(-2, -220, -300 + 550, 30)


@pytest.mark.req("DOL-LEDGER-001")
@given(st.integers(-1000, 1000), st.integers(1, 10**7), st.integers(1, 10**7))
def test_an_inverse_contract_is_exact_to_an_atom_and_never_flatters(lots: int, entry: int, leave: int) -> None:
    """A long one gains lots * (1/entry - 1/leave) of the coin."""
    position = posted(posted(FLAT, lots, entry, 1), -lots, leave, 1)
    real = lots * INVERSE_ONE * (Fraction(1, entry) - Fraction(1, leave))
    assert real - 2 < position.realised <= real
    assert position.lots == position.cost == 0


def test_an_inverse_price_below_a_unit_is_one_unit() -> None:
    assert value(3, 0, 1) == value(3, -7, 1) == value(3, 1, 1) == -3 * INVERSE_ONE
    assert paid(3, 0, 1) == -3 * INVERSE_ONE


def _random_books(rng: Random, count: int) -> tuple[Books, dict[str, Position], dict[str, str]]:
    books, alone, of = EMPTY, {}, {}
    for _ in range(count):
        name = rng.choice("abcd")
        instrument = "X" if name in "ab" else "Y"
        lots, price = rng.randint(-4, 4), rng.randint(-9, 9)
        books = booked(books, Entry(name, instrument, lots, price, 0))
        alone[name] = posted(alone.get(name, FLAT), lots, price, 0)
        of[name] = instrument
    return books, alone, of


@pytest.mark.req("DOL-LEDGER-001")
def test_the_books_hold_what_each_position_would_hold_alone() -> None:
    for seed in range(12):
        books, alone, of = _random_books(Random(seed), 40)
        totals = by_instrument(books)
        for instrument in {"X", "Y"} & set(of.values()):
            mine = [alone[name] for name in alone if of[name] == instrument]
            assert totals[instrument].lots == sum(position.lots for position in mine)
            assert totals[instrument].cash == sum(position.cash for position in mine)
            # cost and profit of a position that ended and began again are those of its lives together
            assert totals[instrument].realised == sum(position.realised for position in mine)
        assert {name for name in alone if alone[name].lots != 0} == set(books.held)
        assert books.fills == 40


def test_fees_are_kept_by_currency_and_rebates_are_negative() -> None:
    books = charged(charged(charged(EMPTY, "USD", 7), "BNB", 5), "USD", -2)
    assert books.fees == {"USD": 5, "BNB": 5}
    assert charged(books, "EUR", 0) is books


@pytest.mark.req("DOL-LEDGER-001")
def test_money_is_capital_less_fees_and_what_was_paid() -> None:
    books = deposited(EMPTY, 1_000)
    books = charged(booked(books, Entry("p", "X", 2, 100, 0)), "USD", 3)
    books = deposited(books, -50)
    cash = by_instrument(books)["X"].cash
    assert books.capital - books.fees["USD"] + cash == 1_000 - 50 - 3 - 200


def test_other_books_have_another_text_and_equal_ones_the_same() -> None:
    books, _, _ = _random_books(Random(1), 30)
    books = charged(deposited(books, 5), "USD", 1)
    other = Books(
        dict(reversed(books.held.items())), dict(reversed(books.ended.items())), books.fees, books.capital, books.fills
    )
    assert canonical(other) == canonical(books)
    name = next(iter(books.held))
    instrument, position = books.held[name]
    changed = [
        books._replace(capital=6),
        books._replace(fills=0),
        books._replace(fees={"USD": 2}),
        books._replace(fees={"EUR": 1}),
        books._replace(ended={}),
        books._replace(held={}),
        books._replace(held={**books.held, name: ("Z", position)}),
        *(
            books._replace(held={**books.held, name: (instrument, position._replace(**{field: 10**9}))})
            for field in position._fields
        ),
    ]
    assert len({canonical(item) for item in [books, *changed]}) == len(changed) + 1


def test_a_quotient_that_is_none_is_replaced_by_a_safe_one() -> None:
    assert certified_kept(3, 10, 3) == 3
    assert certified_kept(3, 10, 4) == -10
    assert certified_minor(10, 3, 3) == 3
    assert certified_minor(10, 3, 4) == -10
    assert kept_cost(5, 1, 0) == 0


def test_nothing_remains_of_a_flat_position() -> None:
    assert not remains(0, 5)
    assert remains(5, -4)
    assert not remains(5, -5)
    assert remains(-5, 4)


def _shown(*rows: tuple[str, int, int]) -> list[Entry]:
    return [Entry(name, "X", lots, price, 0) for name, lots, price in rows]


def _sums(books: Books) -> Position:
    return by_instrument(books).get("X", FLAT)


@pytest.mark.req("DOL-LEDGER-005")
def test_what_is_shown_at_a_start_as_it_is_held_changes_nothing() -> None:
    books = booked(booked(EMPTY, Entry("p", "X", 3, 100, 0)), Entry("q", "Y", 1, 5, 0))
    assert taken_over(books, "X", _shown(("p", 3, 777))) == (books, 1)
    assert taken_over(EMPTY, "X", []) == (EMPTY, 1)


@pytest.mark.req("DOL-LEDGER-005")
def test_the_first_that_is_shown_is_held_at_its_own_price_and_is_no_fill() -> None:
    books, exact = taken_over(EMPTY, "X", _shown(("p", 3, 100), ("q", -2, 90)))
    assert exact == 1
    assert books.fills == 0
    assert books.held == {"p": ("X", Position(3, 300, -300, 0)), "q": ("X", Position(-2, -180, 180, 0))}


@pytest.mark.req("DOL-LEDGER-005")
def test_the_same_lots_under_another_name_keep_their_cost() -> None:
    books = booked(booked(EMPTY, Entry("p", "X", 3, 100, 0)), Entry("q", "X", 2, 50, 0))
    moved, exact = taken_over(books, "X", _shown(("EXTERNAL", 5, 777)))
    assert exact == 1
    assert moved.held == {"EXTERNAL": ("X", Position(5, 400, -400, 0))}
    assert _sums(moved) == _sums(books)


@pytest.mark.req("DOL-LEDGER-005")
def test_two_that_are_nothing_together_leave_what_they_cost() -> None:
    books = booked(booked(EMPTY, Entry("p", "X", 3, 100, 0)), Entry("q", "X", -3, 110, 0))
    left, exact = taken_over(books, "X", [])
    assert (left.held, exact) == ({}, 1)
    assert left.ended == {"X": Position(0, 0, 30, 30)}


@pytest.mark.req("DOL-LEDGER-005")
@pytest.mark.parametrize("shown", [[], [("p", 5, 60)], [("p", 1, 60), ("q", 2, 60)], [("p", -3, 60)]])
def test_other_lots_leave_profit_as_it_was_and_begin_at_their_own_price(shown: list[tuple[str, int, int]]) -> None:
    books = booked(booked(EMPTY, Entry("p", "X", 4, 100, 0)), Entry("p", "X", -1, 120, 0))
    after, exact = taken_over(books, "X", _shown(*shown))
    total = _sums(after)
    assert exact == 0
    assert total.lots == sum(lots for _, lots, _ in shown)
    assert total.cost == sum(lots * price for _, lots, price in shown)
    assert total.realised == _sums(books).realised == 20
    assert total.cash + total.cost == total.realised
    assert after.fills == books.fills


def test_what_has_ended_makes_a_new_position_one_that_nobody_saw_begin() -> None:
    books = booked(booked(EMPTY, Entry("p", "X", 4, 100, 0)), Entry("p", "X", -4, 120, 0))
    after, exact = taken_over(books, "X", _shown(("q", 2, 60)))
    assert exact == 0
    assert _sums(after).realised == 80


@pytest.mark.req("DOL-LEDGER-005")
def test_other_scales_are_other_numbers_of_the_same_money() -> None:
    books = booked(
        booked(booked(EMPTY, Entry("p", "X", 4, 100, 0)), Entry("p", "X", -1, 120, 0)), Entry("q", "Y", 7, 7, 0)
    )
    books = booked(booked(books, Entry("r", "X", 1, 10, 0)), Entry("r", "X", -1, 12, 0))
    made, exact = rescaled(books, "X", (10, 1), (100, 1))
    assert exact == 1
    assert made.held == {"p": ("X", Position(30, 30_000, -28_000, 2_000)), "q": books.held["q"]}
    assert made.ended == {"X": Position(0, 0, 200, 200)}
    assert rescaled(made, "X", (1, 10), (1, 100)) == (books, 1)
    for lots, atoms in (((1, 7), (1, 1)), ((1, 1), (1, 7))):
        rough, exact = rescaled(books, "X", lots, atoms)
        assert exact == 0
        assert all(p.cash + p.cost == p.realised for _, p in rough.held.values())
    assert rescaled(books, "Z", (1, 7), (1, 7)) == (books, 1)


@given(st.tuples(ANY, ANY, ANY, ANY))
@settings(max_examples=50)
def test_what_is_left_and_what_is_settled_is_in_balance(values: tuple[int, int, int, int]) -> None:
    position = Position(*values)
    off = position.cash + position.cost - position.realised
    for made in (left_at_cost(position), settled(position)):
        assert made.cash + made.cost - made.realised == off
        assert made.cost == 0
    assert left_at_cost(position).realised == position.realised
    assert settled(position).cash == position.cash
