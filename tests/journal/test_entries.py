"""journal.entries: records become entries, each fill once."""

from __future__ import annotations

from typing import Any

import pytest

from dolphin.journal import entries
from dolphin.journal.entries import Accounts, Line, price_units

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
