"""journal.entries: records become entries, each fill once."""

from __future__ import annotations

from typing import Any

import pytest

from dolphin.journal import entries
from dolphin.journal.entries import Accounts, Day, Line, Unit, price_units

HEADER = {
    "host": "live",
    "instruments": [
        {"id": "CL", "tick": "1/100", "value_num": "1000000000", "value_den": "1", "inverse": 0, "currency": "USD"},
        {"id": "XBT", "tick": "5/10", "value_num": str(10**16), "value_den": "1", "inverse": 1, "currency": "BTC"},
    ],
}


def fill(trade: str, side: int = 1, lots: int = 10, price: str = "17.73", **more: Any) -> dict[str, Any]:
    return {
        "id": "O-1", "trade": trade, "instrument": "CL", "strategy": "S", "position": "CL-S", "side": side,
        "lots": lots, "price": price, "commission": 250, "currency": "USD", **more,
    }  # fmt: skip


def accounts(host: str = "live") -> Accounts:
    made = Accounts()
    made.each("HEADER", {**HEADER, "host": host})
    return made


@pytest.mark.parametrize(
    ("text", "power", "units", "exact"),
    [
        ("17.73", 100, 1773, 1),
        ("-37.63", 100, -3763, 1),
        ("-0.05", 100, -5, 1),
        ("7", 100, 700, 1),
        ("1.50", 10, 15, 1),
        ("1.234", 100, 123, 0),
        ("-1.234", 100, -124, 0),
    ],
)
def test_prices(text: str, power: int, units: int, exact: int) -> None:
    assert price_units(text, power) == (units, exact)


@pytest.mark.parametrize("text", ["1e5", "", "nan", "1.2.3"])
def test_what_is_no_price(text: str) -> None:
    with pytest.raises(ValueError, match="int"):
        price_units(text, 100)


@pytest.mark.req("DOL-LEDGER-001")
def test_figures_at_the_end() -> None:
    made = accounts()
    made.each("FILL", fill("1"))
    assert made.lots("CL-S") == 10
    made.each("FILL", fill("2", -1, 10, "-37.63", commission=-50, currency="EUR"))
    made.each("FLOW", {"flow": "5000000"})
    made.flow(-1)
    made.each("EQUITY", {"equity": 3})
    assert made.lines() == [Line("CL", 0, -55_360_000, "USD", 1)]
    assert made.books.fees == {"USD": 250, "EUR": -50}
    assert made.books.capital == 4_999_999
    assert made.lots("CL-S") == 0


def test_an_inverse_instrument() -> None:
    """One lot of one dollar: 100,000,000 minor units of the coin at a dollar. 100 lots, 10,000 to 20,000."""
    made = accounts()
    where = {"instrument": "XBT", "position": "XBT-S", "commission": 0}
    made.each("FILL", fill("1", 1, 100, "10000.0", **where))
    made.each("FILL", fill("2", -1, 100, "20000.0", **where))
    # 1e16/1e6 micro = 1e10 minor units at one *unit* (a tenth of a dollar): 1e9 a dollar, 100 * 1e9 * (1e-4 - 5e-5)
    assert made.lines() == [Line("XBT", 0, 5_000_000, "BTC", 1)]


@pytest.mark.req("DOL-LEDGER-002")
def test_a_fill_that_comes_again_is_counted_once_also_after_a_restart() -> None:
    made = accounts()
    made.each("FILL", fill("1"))
    assert made.knows("O-1", "1")
    made.each("FILL", fill("1"))
    made.each("NOTE", {"what": "resumed"})
    made.each("FILL", fill("1"))
    assert made.again == 2
    assert made.books.fills == 1
    made.each("FILL", fill("1", id="O-2"))  # one trade of two orders of ours
    assert made.books.fills == 2
    assert not made.knows("O-3", "1")


def test_a_simulated_venue_begins_anew_with_each_run() -> None:
    made = accounts("backtest")
    made.each("FILL", fill("1"))
    made.each("NOTE", {"what": "resumed"})
    assert not made.knows("O-1", "1")
    made.each("FILL", fill("1"))
    made.each("NOTE", {"what": "self-test"})
    made.each("FILL", fill("1"))
    assert (made.books.fills, made.again) == (2, 1)


def test_without_a_trade_id_nothing_is_told_apart() -> None:
    made = accounts()
    made.each("FILL", fill(""))
    made.each("FILL", fill(""))
    assert made.books.fills == 2


def test_a_spreads_own_fill_is_none() -> None:
    made = accounts()
    made.each("FILL", fill("1", applied=0, spread=1))
    assert made.books.fills == 0
    made.each("FILL", fill("2", applied=0))  # the venue has it, whatever Nautilus' position says
    assert made.lots("CL-S") == 10


def test_profit_that_is_not_known_is_not_said() -> None:
    made = accounts()
    made.each("ADOPT", {"positions": ["CL-S"]})
    made.each("FILL", fill("1", -1, 10))
    made.each("FILL", fill("2", instrument="NEW", position="NEW-S"))
    assert made.lines() == [Line("CL", -10, 0, "USD", 0), Line("NEW", 10, 0, "", 0)]


def test_a_price_of_more_digits_than_the_scale_is_counted_and_its_profit_not_said() -> None:
    made = accounts()
    made.each("FILL", fill("1", price="17.735"))
    assert made.lines() == [Line("CL", 10, 0, "USD", 0)]


def row(position: str, lots: int, price: str, instrument: str = "CL") -> dict[str, Any]:
    return {"position": position, "instrument": instrument, "lots": lots, "price": price}


def opening(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"what": "opening", "instruments": ["CL"], "positions": list(rows), **more}


@pytest.mark.req("DOL-LEDGER-005")
def test_what_was_held_before_the_first_fill_has_an_entry_and_its_profit_is_known() -> None:
    made = accounts()
    before = made.digest()
    made.each("NOTE", opening(row("CL-S", 10, "17.73"), balance="5000"))
    made.each("ADOPT", {"positions": ["CL-S"]})
    assert (made.opened, made.books.fills) == (5_000, 0)
    assert made.digest() != before
    made.each("FILL", fill("1", -1, 10, "18.73"))
    assert made.lines() == [Line("CL", 0, 10 * 1_000 * 100, "USD", 1)]


@pytest.mark.req("DOL-LEDGER-005")
def test_the_balance_is_part_of_the_checksum() -> None:
    digests = set()
    for more in ({}, {"balance": 1}, {"balance": 2}):
        made = accounts()
        made.each("NOTE", opening(**more))
        digests.add(made.digest())
    assert len(digests) == 3


@pytest.mark.req("DOL-LEDGER-001")
def test_the_balance_is_what_it_began_with_flows_and_profit_less_fees() -> None:
    made = accounts()
    assert made.money("USD") is None  # nobody knows what it began with
    made.each("NOTE", opening(balance=5_000))
    made.each("FLOW", {"flow": -1_000})
    made.each("FILL", fill("1"))
    made.each("FILL", fill("2", -1, 10, "18.73"))
    assert made.money("USD") == 5_000 - 1_000 - 500 + 1_000_000
    assert made.money("EUR") is None
    made.each("FILL", fill("3", instrument="XBT", position="X", price="10000.0", commission=0))
    assert made.money("USD") is None  # its money is another
    other = accounts()
    other.each("NOTE", opening(balance=5_000))
    other.each("FILL", fill("1", price="17.735"))
    assert other.money("USD") is None  # profit is not known


@pytest.mark.req("DOL-LEDGER-005")
def test_a_start_that_finds_other_lots_knows_no_profit_from_there_on() -> None:
    made = accounts()
    made.each("FILL", fill("1"))
    made.each("NOTE", opening(row("CL-EXTERNAL", 10, "99.00")))
    assert made.lines() == [Line("CL", 10, 0, "USD", 1)]
    made.each("NOTE", opening(row("CL-EXTERNAL", 7, "99.00")))
    assert made.lines() == [Line("CL", 7, 0, "USD", 0)]
    made.each("NOTE", opening())
    assert made.lots("CL-EXTERNAL") == 0
    made.each("NOTE", opening(row("NEW-S", 1, "5", "NEW")))  # no scales, no price
    assert made.lines()[1] == Line("NEW", 1, 0, "", 0)


def scale(**other: Any) -> dict[str, Any]:
    return {"what": "scales", "instruments": [HEADER["instruments"][0] | other]}  # type: ignore[index, operator]


@pytest.mark.req("DOL-LEDGER-005")
def test_other_scales_do_not_change_what_was_made() -> None:
    """A tick of a tenth, and half a contract to the lot: twice the lots, each worth a twentieth of a unit's move."""
    made = accounts()
    made.each("FILL", fill("1"))
    made.each("FILL", fill("2", -1, 5, "18.73"))
    assert made.lines() == [Line("CL", 5, 500_000, "USD", 1)]
    made.each("NOTE", {"what": "third book apart", "lots": {"CL": 5, "NG": 1}})
    finer = {"tick": "1/1000", "lot": "5/10", "value_num": "1000000000", "value_den": "20"}
    made.each("NOTE", scale(**finer))
    assert made.lines() == [Line("CL", 10, 500_000, "USD", 1)]
    assert made.apart == {"NG": 1}  # five lots of before are no lots of now
    made.each("FILL", fill("3", -1, 10, "18.730"))
    assert made.lines() == [Line("CL", 0, 1_000_000, "USD", 1)]
    made.each("NOTE", {"what": "scales", "instruments": [{"id": "NEW"}]})
    assert made.units["NEW"] == Unit(1, 0, 1, 0, 1, 1, "")


@pytest.mark.parametrize(
    "other",
    [{"currency": "EUR"}, {"inverse": 1}, {"value_num": "0"}, {"lot": "3/1"}, {"value_num": "7"}],
)
def test_scales_that_do_not_fit_make_profit_unknown(other: dict[str, Any]) -> None:
    made = accounts()
    made.each("FILL", fill("1"))
    made.each("NOTE", scale(**other))
    assert made.lines()[0].exact == 0


@pytest.mark.req("DOL-LEDGER-008")
def test_what_came_and_went_is_not_what_a_day_has_made() -> None:
    made = accounts()
    made.each("FLOW", {"flow": 70})
    made.each("NOTE", {"what": "day", "day": 3, "equity": "1000", "mark": 1_200, "capital": 70})
    made.each("FLOW", {"flow": -30})
    assert made.day == Day(3, 1_000, 1_200, 70)
    assert made.made_since(made.day, 965) == -5


def test_old_fills_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "KNOWN_MAX", 2)
    made = accounts()
    for trade in "123":
        made.each("FILL", fill(trade))
    assert not made.knows("O-1", "1")
    assert made.knows("O-1", "2")


@pytest.mark.parametrize("missing", ["instrument", "position", "side", "lots", "price"])
def test_a_field_that_is_missing_is_an_error_and_changes_nothing(missing: str) -> None:
    made = accounts()
    data = fill("1")
    del data[missing]
    before = made.digest()
    with pytest.raises(KeyError):
        made.each("FILL", data)
    assert made.digest() == before


def test_the_digest_is_of_everything() -> None:
    digests = set()
    for more in ({}, {"price": "17.74"}, {"lots": 11}, {"commission": 1}, {"currency": "X"}, {"position": "Q"}):
        made = accounts()
        made.each("FILL", fill("1", **more))
        digests.add(made.digest())
    assert len(digests) == 6
    assert {len(digest) for digest in digests} == {entries.DIGEST_CHARS}
