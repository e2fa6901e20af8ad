"""From ticks of the host to rows: what is plain, what is not, and what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.model.data import QuoteTick, TradeTick
from nautilus_trader.model.enums import AggressorSide, OrderSide
from nautilus_trader.model.identifiers import TradeId, Venue
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.kernel.reasons import Reason
from dolphin.nautilus.feeds import quotes_of, trades_of
from dolphin.nautilus.translate import scale_of
from tests.nautilus.rig import T0, Rig, S, Scripted, audusd, quotes, replays

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


# --- the first row of a feed, through the engine ----------------------------------------------------------------------

INS = audusd()
LATER = TestInstrumentProvider.default_fx_ccy("GBP/USD", Venue("SIM"))
FIRST_NS = T0 + 5 * S + 100_000_000
"""The other instrument is read at whole seconds, so a read is 100 ms old when this row comes: younger than READ_NS."""


def bad_quote() -> QuoteTick:
    prices = Price.from_str("1.50010"), Price.from_str("1.50000")
    return QuoteTick(LATER.id, *prices, *[Quantity.from_int(10_000_000)] * 2, FIRST_NS, FIRST_NS)


def bad_trade() -> TradeTick:
    sold = AggressorSide.SELLER, TradeId("1"), FIRST_NS, FIRST_NS
    return TradeTick(LATER.id, Price.from_str("-1.50000"), Quantity.from_int(1), *sold)


class Second(Scripted):
    """Buys the other instrument at its first row, and at every row of the first."""

    def on_start(self) -> None:
        super().on_start()
        self.subscribe_quote_ticks(LATER.id)
        self.subscribe_trade_ticks(LATER.id)

    def on_quote_tick(self, tick: QuoteTick) -> None:
        self.buy(tick)

    def on_trade_tick(self, tick: TradeTick) -> None:
        self.buy(tick)

    def buy(self, tick: Any) -> None:
        self.submit_order(self.order_factory.market(tick.instrument_id, OrderSide.BUY, Quantity.from_int(1_000)))


@pytest.mark.req("DOL-SENSE-004")
@pytest.mark.parametrize("row", [bad_quote, bad_trade])
def test_an_order_at_a_feeds_first_row_is_judged_with_it(tmp_path: Path, row: Callable[[], Any]) -> None:
    rig = Rig(tmp_path, INS, sensors={"sessions": "24/7"})
    rig.engine.add_instrument(LATER)
    rig.add(Second(INS, {}))
    rig.engine.add_data([row()])
    rig.run(quotes(INS, [65_000] * 12))
    assert rig.guard.failures == []
    replays(rig.journal)
    number = [feed["instrument"] for feed in rig.records("HEADER")[0].data["feeds"]].index(LATER.id.value)
    told = [record for record in rig.records("SEEN", "ORDER") if record.data["feed"] == number]
    assert [(record.kind, record.ts_ns) for record in told][1:3] == [("SEEN", FIRST_NS), ("ORDER", FIRST_NS)]
    assert told[1].data["error"] == 1
    assert told[2].data["fx"][-1][-1] == Reason.INSTRUMENT_ERROR


def test_only_the_first_row_of_a_feed_is_waited_for(tmp_path: Path) -> None:
    """A feed that has spoken is read in strides: what comes after its first row is no reason to read at each order."""
    waits = []

    def look(strategy: Scripted) -> None:
        waits.append((rig.guard.parts.feeds.first_waits(), len(rig.guard.parts.feeds.lines[0].quotes)))

    rig = Rig(tmp_path, INS, sensors={"sessions": "24/7"})
    rig.engine.add_instrument(LATER)
    rig.add(Scripted(INS, {0: look, 2: look}))
    rig.run(quotes(INS, [65_000] * 12))
    assert waits[0] == (True, 1)
    assert waits[1][0] is False
    assert waits[1][1] > 0
