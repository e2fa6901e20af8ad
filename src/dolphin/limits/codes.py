"""Which limits there are: code, name, requirement, and what its table in the file may hold.

What belongs here: the table that file, checks, journal, audit, tests and documentation share. The codes are the
journal's: never renumber, only append.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

NS_PER_S: Final = 1_000_000_000
DAY_NS: Final = 86_400 * NS_PER_S
_CONFIDENCE: Final = (5_000, 9_999)


class Mode(IntEnum):
    """What a limit does: nothing, say what it would have done, or bind."""

    OFF = 0
    PASSIVE = 1
    ON = 2


class Unit(IntEnum):
    """What a limit's `value` counts."""

    NONE = 0  # there is none
    QUANTITY = 1  # millionths of the instrument's own unit
    AMOUNT = 2  # millionths of the account's currency
    SHARE = 3  # basis points: of equity, of a price, a leverage
    COUNT = 4
    TIME = 5  # ns


class Code(IntEnum):
    """The limits, in the order in which they are asked: of two that leave the same the first is said."""

    NONE = 0
    RESTRICTED = 1
    ORDER_QUANTITY = 2
    ORDER_NOTIONAL = 3
    PRICE_COLLAR = 4
    STALE_PRICE = 5
    ORDER_RATE = 6
    CANCEL_RATE = 7
    POSITION = 8
    GROSS_LEVERAGE = 9
    NET_LEVERAGE = 10
    DUPLICATE = 11
    SELF_TRADE = 12
    REPEATED_EXECUTION = 13
    DAILY_LOSS = 14
    DRAWDOWN = 15
    GAP_LOSS = 16
    FREE_MARGIN = 17
    VENUE_EXPOSURE = 18
    STRATEGY_EXPOSURE = 19
    SECTOR_EXPOSURE = 20
    GROUP_EXPOSURE = 21
    STRESS_LOSS = 22
    VAR = 23
    CVAR = 24
    GAP_SIGMA = 25


class Spec(NamedTuple):
    """One limit. `tighter`: -1 where a smaller value binds earlier, +1 where a larger one does. `window_ns`: the
    default of its window, 0 where it has none. `each`: whose own value may stand beside the general one. `listed`: the
    key of its list of names. `sized`: the key of a second share, of which a larger one binds earlier. `holds`: it
    judges what is held, so that it may be breached without an order; while it is, it may not be loosened. `watches`: it
    never blocks. `grouped`: the key of its named lists of instruments; `scenarios`: it has named moves of them.
    `horizon_ns`: it is judged on returns over so long unless the file says otherwise, and on a share that is assumed
    where there are none. `range_bp`: what its second share may be.
    """

    name: str
    requirement: str
    unit: Unit
    what: str
    tighter: int = -1
    window_ns: int = 0
    each: str = ""
    listed: str = ""
    sized: str = ""
    holds: bool = False
    watches: bool = False
    grouped: str = ""
    scenarios: str = ""
    horizon_ns: int = 0
    range_bp: tuple[int, int] = (1, 1 << 31)


SPECS: Final[dict[Code, Spec]] = {
    Code.RESTRICTED: Spec(
        "restricted", "DOL-LIMIT-010", Unit.NONE, "no entry on these instruments", listed="instruments"
    ),
    Code.ORDER_QUANTITY: Spec(
        "order_quantity", "DOL-LIMIT-011", Unit.QUANTITY,
        "the entry part of one order, or of a list on one side of an instrument; a larger one is refused whole",
        each="instrument",
    ),
    Code.ORDER_NOTIONAL: Spec(
        "order_notional", "DOL-LIMIT-012", Unit.AMOUNT,
        "what the entry part of one order, or of a whole list, is worth; a larger one is refused whole",
        each="instrument",
    ),
    Code.PRICE_COLLAR: Spec(
        "price_collar", "DOL-LIMIT-013", Unit.SHARE,
        "how far a limit price may be beyond the market, on the side that trades, as a share of the market's price",
        each="instrument",
    ),
    Code.STALE_PRICE: Spec(
        "stale_price", "DOL-LIMIT-014", Unit.TIME, "how old the instrument's last price may be", each="instrument"
    ),
    Code.ORDER_RATE: Spec(
        "order_rate", "DOL-LIMIT-015", Unit.COUNT, "entries that leave within the window", window_ns=NS_PER_S
    ),
    Code.CANCEL_RATE: Spec(
        "cancel_rate", "DOL-LIMIT-016", Unit.COUNT,
        "cancels within the window: said when there are more, never blocked, since a cancel is an exit",
        window_ns=NS_PER_S, watches=True,
    ),
    Code.POSITION: Spec(
        "position", "DOL-LIMIT-017", Unit.QUANTITY,
        "what is held and works on one side of an instrument, over all strategies", each="instrument", holds=True,
    ),
    Code.GROSS_LEVERAGE: Spec(
        "gross_leverage", "DOL-LIMIT-018", Unit.SHARE,
        "positions, working entries and the order over equity, over all strategies", holds=True,
    ),
    Code.NET_LEVERAGE: Spec(
        "net_leverage", "DOL-LIMIT-019", Unit.SHARE,
        "what is held net over equity, with what works on the order's side and the order", holds=True,
    ),
    Code.DUPLICATE: Spec(
        "duplicate", "DOL-LIMIT-020", Unit.NONE,
        "an entry like one that left within the window: of the same strategy, instrument, side, lots and price",
        window_ns=NS_PER_S,
    ),
    Code.SELF_TRADE: Spec(
        "self_trade", "DOL-LIMIT-021", Unit.NONE,
        "an entry that would trade with an order of this book, of any strategy, that rests on the other side",
    ),
    Code.REPEATED_EXECUTION: Spec(
        "repeated_execution", "DOL-LIMIT-022", Unit.COUNT,
        "entries of one strategy within the window; then it enters no more until the operator enables it",
        window_ns=60 * NS_PER_S, each="strategy",
    ),
    Code.DAILY_LOSS: Spec(
        "daily_loss", "DOL-LIMIT-023", Unit.AMOUNT,
        "loss since the last equity of the UTC day before, open profit and loss included, flows taken out", holds=True,
    ),
    Code.DRAWDOWN: Spec(
        "drawdown", "DOL-LIMIT-024", Unit.SHARE, "drawdown from the audited high-water mark", holds=True
    ),
    Code.GAP_LOSS: Spec(
        "gap_loss", "DOL-LIMIT-025", Unit.SHARE,
        "what a gap of the stated size against everything held, working and ordered would cost, as a share of equity",
        sized="gap", holds=True,
    ),
    Code.FREE_MARGIN: Spec(
        "free_margin", "DOL-LIMIT-026", Unit.SHARE,
        "free balance that must be left after the entry's margin, as a share of equity", tighter=1, holds=True,
    ),
    Code.VENUE_EXPOSURE: Spec(
        "venue_exposure", "DOL-LIMIT-027", Unit.AMOUNT,
        "what is held and works on one venue, long and short added, and the order", each="venue", holds=True,
    ),
    Code.STRATEGY_EXPOSURE: Spec(
        "strategy_exposure", "DOL-LIMIT-028", Unit.AMOUNT,
        "what one strategy holds and has working, long and short added, and the order: its budget", each="strategy",
        holds=True,
    ),
    Code.SECTOR_EXPOSURE: Spec(
        "sector_exposure", "DOL-LIMIT-029", Unit.AMOUNT,
        "what is held and works in one sector, long and short added, and the order", each="sector", holds=True,
        grouped="sectors",
    ),
    Code.GROUP_EXPOSURE: Spec(
        "group_exposure", "DOL-LIMIT-030", Unit.AMOUNT,
        "what is held and works in one group of correlated instruments, long and short added, and the order",
        each="group", holds=True, grouped="groups",
    ),
    Code.STRESS_LOSS: Spec(
        "stress_loss", "DOL-LIMIT-031", Unit.SHARE,
        "what the worst of the stated scenarios would cost the book with what works and the order, over equity",
        holds=True, scenarios="scenarios",
    ),
    Code.VAR: Spec(
        "var", "DOL-LIMIT-032", Unit.SHARE,
        "value at risk of the book with what works and the order, over equity: historical, of the newest 250 returns",
        sized="confidence", holds=True, horizon_ns=DAY_NS, range_bp=_CONFIDENCE,
    ),
    Code.CVAR: Spec(
        "cvar", "DOL-LIMIT-033", Unit.SHARE,
        "expected shortfall of the book with what works and the order, over equity: the mean loss beyond that quantile",
        sized="confidence", holds=True, horizon_ns=DAY_NS, range_bp=_CONFIDENCE,
    ),
    Code.GAP_SIGMA: Spec(
        "gap_sigma", "DOL-LIMIT-034", Unit.SHARE,
        "what a gap of so many sigma of its own against everything held, working and ordered would cost, over equity",
        sized="sigmas", holds=True, horizon_ns=DAY_NS,
    ),
}  # fmt: skip
NAMES: Final[dict[str, Code]] = {spec.name: code for code, spec in SPECS.items()}
