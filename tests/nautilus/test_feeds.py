"""From ticks of the host to rows: what is plain, what is not, and what cannot be read."""

from __future__ import annotations

import pytest
from nautilus_trader.model.data import QuoteTick, TradeTick
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import TradeId, Venue
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.nautilus.feeds import quotes_of, trades_of
from dolphin.nautilus.translate import scale_of

AUDUSD = TestInstrumentProvider.default_fx_ccy("AUD/USD", Venue("SIM"))
HUGE = 17_000_000_000


@pytest.mark.parametrize(
    ("bid", "ask", "size", "row"),
    [
        ("0.65001", "0.65003", 7, (65_001, 65_003, 7, 8)),
        ("0.00001", "0.00001", 0, (1, 1, 0, 1)),
        ("-0.65001", "0.65003", 7, (None, 65_003, 7, 8)),
        ("0.65001", "0.00000", 7, (65_001, None, 7, 8)),
        (f"{HUGE}.00001", f"{HUGE}.00003", HUGE, (HUGE * 10**5 + 1, HUGE * 10**5 + 3, HUGE, HUGE + 1)),
    ],
)
def test_a_quote_in_ticks_and_lots(bid: str, ask: str, size: int, row: tuple[int | None, ...]) -> None:
    def tick(ts: int) -> QuoteTick:
        sizes = Quantity.from_int(size), Quantity.from_int(size + 1)
        return QuoteTick(AUDUSD.id, Price.from_str(bid), Price.from_str(ask), *sizes, ts, ts + 5)

    plain = QuoteTick(AUDUSD.id, *[Price.from_str("0.65001")] * 2, *[Quantity.from_int(1)] * 2, 1, 2)
    rows = quotes_of([plain, tick(3), plain], scale_of(AUDUSD))
    assert [tuple(found) for found in rows] == [
        (1, 2, 65_001, 65_001, 1, 1),
        (3, 8, *row),
        (1, 2, 65_001, 65_001, 1, 1),
    ]


def test_a_print_in_ticks_and_lots() -> None:
    tick = TradeTick(
        AUDUSD.id, Price.from_str("0.65001"), Quantity.from_int(3), AggressorSide.BUYER, TradeId("1"), 4, 9
    )
    assert [tuple(row) for row in trades_of([tick], scale_of(AUDUSD))] == [(4, 9, 65_001, 3)]


def test_more_lots_than_a_double_tells_apart_are_counted_exactly() -> None:
    coin = TestInstrumentProvider.btcusdt_binance()
    price = Price.from_str("1.00")
    sizes = Quantity.from_str("17000000000.000001"), Quantity.from_str("17000000000.000003")
    (row,) = quotes_of([QuoteTick(coin.id, price, price, *sizes, 1, 1)], scale_of(coin))
    assert row[4:] == (17 * 10**15 + 1, 17 * 10**15 + 3)
