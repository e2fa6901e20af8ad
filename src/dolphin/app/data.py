"""Market data as Nautilus objects: from the main job's history, from a user's files, from a Nautilus catalog.

What belongs here: instruments, bars, ticks and what the sensors must know of them (sessions, spans). Which columns a
file has is `columns`'; what an engine does with a `Market` is `engine`'s. With `engine`, the only module of app/ that
imports nautilus_trader by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import (
    Bar,
    BarType,
    BookOrder,
    OrderBookDepth10,
    QuoteTick,
    TradeTick,
)
from nautilus_trader.model.enums import AggressorSide, AssetClass, OrderSide, PriceType
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId
from nautilus_trader.model.instruments import Cfd, CurrencyPair, Instrument
from nautilus_trader.model.objects import Currency, Price, Quantity

from dolphin.app import columns, naming, stamps
from dolphin.app.columns import BARS, BOOK, QUOTES, TRADES, Columns, decimals
from dolphin.app.errors import UserError
from dolphin.app.history import VIX_LATE_S, History, index_history, vix_history
from dolphin.kernel.units import NS_PER_S
from dolphin.sensors.source import is_fx

PLENTY: Final = 1_000_000_000
"""Size where the source has none: never the reason why an order fills in part."""
LEVERAGE: Final = Decimal("0.01")
"""Margin share of the simulated instruments; what may be borrowed is the guard's business here, not the venue's."""


@dataclass(slots=True, kw_only=True)
class Market:
    """What an engine is given. `traded`: the instrument of the strategy; `bar_type`: what it may subscribe to.

    `sensors`: settings for `dolphin.sensors.source.build`. `l2`: there is a book of several levels. `kept_in`: code of
    the account's currency where it is not the traded instrument's quote currency; `funded` checks it.
    """

    title: str
    traded: InstrumentId
    bar_type: BarType
    instruments: list[Instrument]
    rows: list[Any]
    sensors: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    l2: bool = False
    kept_in: str = ""

    @property
    def currency(self) -> Currency:
        """What the account is kept in."""
        return Currency.from_str(self.kept_in) if self.kept_in else self._traded().quote_currency

    def _traded(self) -> Instrument:
        return next(item for item in self.instruments if item.id == self.traded)

    def rate(self, price: float) -> float:
        """What one unit of the quote currency is worth in the account's, at this price of the pair."""
        return 1 / price if self.kept_in else 1.0

    def funded(self, code: str) -> Market:
        """The same with an account in the currency `code`: only these two can be priced from the data themselves."""
        made = self._traded()
        base = made.get_base_currency()
        known = [made.quote_currency.code, *([base.code] if base is not None and self._two_sided() else [])]
        if code not in known:
            accepted = f"{' | '.join(known)} (a pair's base currency needs quotes, or bid and ask bars)"
            raise UserError("the data cannot price this", field="currency", expected=accepted, actual=code)
        return replace(self, kept_in="" if code == known[0] else code)

    def _two_sided(self) -> bool:
        sides = {row.bar_type.spec.price_type for row in self.rows if isinstance(row, Bar)}
        return {PriceType.BID, PriceType.ASK} <= sides or any(isinstance(row, QuoteTick) for row in self.rows)

    def between(self, start_ns: int, end_ns: int) -> Market:
        """The rows from `start_ns` up to and not including `end_ns`; feeds are absent outside of what is left."""
        rows = [row for row in self.rows if start_ns <= row.ts_init < end_ns]
        if not rows:
            raise UserError("no row is left", field="--start, --end", fix="name days that the data have")
        spans = dict(self.sensors.get("spans", {}))
        heard = {"VIX": str(self.sensors.get("vix", {}).get("bar_type", "")).rsplit("-", 4)[0]}
        for name, span in spans.items():
            times = [row.ts_init for row in rows if _id_of(row).value == heard.get(name, name)]
            spans[name] = [times[0], times[-1]] if times else span
        return replace(self, rows=rows, sensors={**self.sensors, "spans": spans})


def _id_of(row: Any) -> InstrumentId:
    if isinstance(row, Bar):
        return row.bar_type.instrument_id
    return row.instrument_id


def cfd(name: str, price_precision: int, size_precision: int, asset: AssetClass = AssetClass.INDEX) -> Cfd:
    """A contract on `name` in US dollars, without fees; one unit is worth its price."""
    venue_id = InstrumentId.from_str(name)
    return Cfd(
        venue_id,
        Symbol(venue_id.symbol.value),
        asset,
        USD,
        price_precision,
        size_precision,
        Price(10**-price_precision, price_precision),
        Quantity(10**-size_precision, size_precision),
        0,
        0,
        margin_init=LEVERAGE,
        margin_maint=LEVERAGE,
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
    )


def pair(name: str, price_precision: int, size_precision: int) -> CurrencyPair:
    """A currency pair, without fees."""
    venue_id = InstrumentId.from_str(name)
    base, _, quote = venue_id.symbol.value.partition("/")
    return CurrencyPair(
        venue_id,
        Symbol(base + quote),
        Currency.from_str(base),
        Currency.from_str(quote),
        price_precision,
        size_precision,
        Price(10**-price_precision, price_precision),
        Quantity(10**-size_precision, size_precision),
        0,
        0,
        margin_init=LEVERAGE,
        margin_maint=LEVERAGE,
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
    )


def _history_bars(history: History, instrument: Instrument, bar_type: BarType) -> list[Bar]:
    volume = Quantity(PLENTY, instrument.size_precision)
    digits = instrument.price_precision
    return [
        Bar(bar_type, *(Price(value, digits) for value in prices), volume, ts_ns, ts_ns)
        for ts_ns, *prices in history.rows
    ]


def index_market(name: str) -> Market:
    """`SPX.XNYS` or `IXIC.XNAS` with the VIX beside it, daily; the simulated venue is named for its calendar."""
    venue = name.rpartition(".")[2]
    vix_name = f"VIX.{venue}"
    history = index_history(name)
    vix = vix_history(vix_name, history.rows[-1][0])
    traded, watched = cfd(name, 2, 2), cfd(vix_name, 2, 2)
    bar_type = BarType.from_str(f"{name}-1-DAY-LAST-EXTERNAL")
    vix_type = BarType.from_str(f"{vix_name}-1-DAY-LAST-EXTERNAL")
    rows = _history_bars(history, traded, bar_type) + _history_bars(vix, watched, vix_type)
    rows.sort(key=lambda bar: bar.ts_init)
    sensors = {
        "vix": {"bar_type": str(vix_type), "sessions": venue, "late_s": VIX_LATE_S},
        "sessions": {name: venue},
        "shocks": "1-DAY",
        "spans": {
            name: [history.rows[0][0], history.rows[-1][0]],
            "VIX": [vix.rows[0][0], vix.rows[-1][0]],
        },
    }
    notes = [
        f"{item.title}: {count} rows dropped, {why}" for item in (history, vix) for why, count in item.dropped.items()
    ]
    return Market(
        title=history.title,
        traded=traded.id,
        bar_type=bar_type,
        instruments=[traded, watched],
        rows=rows,
        sensors=sensors,
        notes=notes,
    )


def instrument_for(name: str, found: Sequence[Columns]) -> Instrument:
    """A simulated instrument whose increments are those of the data: a pair if the symbol is one, else a contract."""
    price_precision = max(decimals(naming.prices(item)) for item in found)
    sizes = [decimals(values) for item in found if len(values := naming.sizes(item))]
    if "/" in name:
        return pair(name, price_precision, max(sizes, default=0 if is_fx(name) else 6))
    return cfd(name, price_precision, max([2, *sizes]), AssetClass.EQUITY)


def user_market(
    paths: Sequence[Path],
    *,
    instrument: str = "",
    tz: str = "",
    sessions: str = "",
    stamped: str = "",
    kinds: Mapping[Path, str] = MappingProxyType({}),
    bar_type: str = "",
) -> Market:
    """A user's files, all of one instrument: bars (also a bid and an ask file), quotes, trades, book snapshots.

    `kinds`: what a file must hold, where the user said so.
    """
    found = [columns.load(path, tz=tz, expected=kinds.get(path, "")) for path in paths]
    notes: list[str] = []
    name = naming.checked_id(instrument) if instrument else naming.guessed(found)
    if not instrument:
        notes.append(f"instrument {name}: guessed from the data, --instrument says otherwise")
    made = instrument_for(name, found)
    rows: list[Any] = []
    types: list[BarType] = []
    plan = stamps.Plan(name, sessions, stamped)
    for item in found:
        if item.kind == BARS:
            placed = stamps.placed(item, plan)
            notes += placed.notes
            text = f"{name}-{placed.interval}-{naming.side(item.path)}-EXTERNAL"
            types.append(BarType.from_str(text))
            rows += _bars(placed.columns.frame, made, types[-1])
        else:
            rows += _MAKERS[item.kind](item.frame, made)
        notes += stamps.counted(item, plan)
    rows.sort(key=lambda row: row.ts_init)
    chosen = _bar_type(bar_type, types, made) if bar_type else _default_bars(types, made, rows)
    _last(rows, chosen)
    first_ns, last_ns = rows[0].ts_init, rows[-1].ts_init
    settings: dict[str, Any] = {"spans": {name: [first_ns, last_ns]}}
    if sessions:
        settings["sessions"] = {name: sessions}
    return Market(
        title=made.id.value,
        traded=made.id,
        bar_type=chosen,
        instruments=[made],
        rows=rows,
        sensors=settings,
        notes=notes,
        l2=any(item.kind == BOOK for item in found),
    )


def _bar_type(text: str, types: list[BarType], instrument: Instrument) -> BarType:
    """What the user named: bars of this instrument that the data have, or that Nautilus can make of them."""
    example = f"{instrument.id}-5-MINUTE-LAST-INTERNAL"
    try:
        chosen = BarType.from_str(text)
    except ValueError:
        raise UserError("is no bar type", field="--bar-type", expected=example, actual=text) from None
    if chosen.instrument_id != instrument.id:
        raise UserError("is of another instrument", field="--bar-type", expected=example, actual=text)
    if chosen.is_externally_aggregated() and chosen not in types:
        known = " | ".join([*map(str, types), example])
        raise UserError("the data have no such bars", field="--bar-type", expected=known, actual=text)
    return chosen


def _default_bars(types: list[BarType], instrument: Instrument, rows: list[Any]) -> BarType:
    """The file's own bars; of ticks, bars made by Nautilus, a few hundred over the data."""
    if types:
        return types[0]
    span_s = max((rows[-1].ts_init - rows[0].ts_init) // NS_PER_S, 1)
    step, unit = next(((n, u) for n, u, s in stamps.STEPS if span_s <= s * 500), (1, "HOUR"))
    price = "MID" if any(isinstance(row, QuoteTick) for row in rows) else "LAST"
    return BarType.from_str(f"{instrument.id}-{step}-{unit}-{price}-INTERNAL")


def _last(rows: list[Any], chosen: BarType) -> None:
    """Of rows of one time, put the strategy's bar last.

    The simulated exchange prices a minute when it has both its bid and its ask bar. A strategy that was handed the
    first of them would trade on this minute's close at the last minute's price: it would see into the future.
    """
    rows.sort(key=lambda row: (row.ts_init, isinstance(row, Bar) and row.bar_type == chosen))


def _bars(frame: pd.DataFrame, instrument: Instrument, bar_type: BarType) -> list[Bar]:
    digits, lots = instrument.price_precision, instrument.size_precision
    volumes = frame["volume"].fillna(PLENTY)
    names = [frame[word] for word in ("open", "high", "low", "close")]
    return [
        Bar(
            bar_type,
            Price(o, digits),
            Price(h, digits),
            Price(low, digits),
            Price(c, digits),
            Quantity(volume, lots),
            ts_ns,
            init_ns,
        )
        for o, h, low, c, volume, ts_ns, init_ns in zip(*names, volumes, frame["ts_ns"], frame["init_ns"], strict=True)
    ]


def _quotes(frame: pd.DataFrame, instrument: Instrument) -> list[QuoteTick]:
    digits, lots, made = instrument.price_precision, instrument.size_precision, instrument.id
    sizes = [frame[word].fillna(PLENTY) for word in ("bid_size", "ask_size")]
    return [
        QuoteTick(
            made, Price(bid, digits), Price(ask, digits), Quantity(bids, lots), Quantity(asks, lots), ts_ns, init_ns
        )
        for bid, ask, bids, asks, ts_ns, init_ns in zip(
            frame["bid"], frame["ask"], *sizes, frame["ts_ns"], frame["init_ns"], strict=True
        )
    ]


def _trades(frame: pd.DataFrame, instrument: Instrument) -> list[TradeTick]:
    digits, lots, made = instrument.price_precision, instrument.size_precision, instrument.id
    names = [frame[word] for word in ("price", "size", "buyer_maker", "trade_id", "ts_ns", "init_ns")]
    return [
        TradeTick(
            made,
            Price(price, digits),
            Quantity(size, lots),
            AggressorSide.SELLER if maker else AggressorSide.BUYER,
            TradeId(trade_id),
            ts_ns,
            init_ns,
        )
        for price, size, maker, trade_id, ts_ns, init_ns in zip(*names, strict=True)
        if size > 0
    ]


def _book(frame: pd.DataFrame, instrument: Instrument) -> list[Any]:
    """Ten levels, and the top of them as a quote: what prices the account."""
    digits, lots = instrument.price_precision, instrument.size_precision
    found: list[Any] = []
    for row in frame.to_dict("records"):
        sides = [
            [
                BookOrder(side, Price(row[f"{word}_{i}"], digits), Quantity(row[f"{word}_size_{i}"], lots), 0)
                for i in range(columns.LEVELS)
                if np.isfinite(row[f"{word}_{i}"])
            ]
            for word, side in (("bid", OrderSide.BUY), ("ask", OrderSide.SELL))
        ]
        times = (int(row["ts_ns"]), int(row["init_ns"]))
        counts = [[1] * len(side) for side in sides]
        found.append(OrderBookDepth10(instrument.id, *sides, *counts, 0, len(found), *times))
        bid, ask = sides[0][0], sides[1][0]
        found.append(QuoteTick(instrument.id, bid.price, ask.price, bid.size, ask.size, *times))
    return found


_MAKERS: Final = {QUOTES: _quotes, TRADES: _trades, BOOK: _book}


def catalog_market(path: Path, instrument: str = "", bar_type: str = "") -> Market:
    """A Nautilus catalog: one instrument with everything that is stored of it."""
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    if not path.is_dir():
        raise UserError("is no folder", path=path, field="--catalog", fix="name a Nautilus data catalog")
    catalog = ParquetDataCatalog(str(path))
    known = {item.id.value: item for item in catalog.instruments()}
    if not known:
        raise UserError("holds no instruments", path=path, field="--catalog", fix="write them to the catalog too")
    name = instrument or (next(iter(known)) if len(known) == 1 else "")
    if name not in known:
        raise UserError("which instrument", path=path, field="--instrument", expected=" | ".join(known), actual=name)
    rows: list[Any] = []
    for read in (catalog.quote_ticks, catalog.trade_ticks):
        rows += read(instrument_ids=[name])
    bars = catalog.bars(instrument_ids=[name])
    rows += bars
    if not rows:
        raise UserError(f"holds no bars, quotes or trades of {name}", path=path, field="--catalog", fix="name another")
    rows.sort(key=lambda row: row.ts_init)
    made = known[name]
    types = sorted({bar.bar_type for bar in bars}, key=str)
    chosen = _bar_type(bar_type, types, made) if bar_type else _default_bars(types, made, rows)
    _last(rows, chosen)
    return Market(
        title=name,
        traded=made.id,
        bar_type=chosen,
        instruments=[made],
        rows=rows,
        sensors={"spans": {name: [rows[0].ts_init, rows[-1].ts_init]}},
    )
