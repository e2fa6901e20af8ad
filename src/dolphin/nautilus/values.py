"""What positions, orders and the account are worth now: the readings of a verdict, in minor units of one currency.

What belongs here: prices at the exit side, exchange rates, gross and working notional, equity; no decision. Everything
rounds against the book: exposure up. What cannot be priced is 0 for a lot and makes the sample an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from nautilus_trader.model.enums import PriceType
from nautilus_trader.model.identifiers import Venue

from dolphin.kernel.units import MICRO, notional
from dolphin.nautilus.book import Book
from dolphin.nautilus.translate import (
    DOUBLE_UNITS_MAX,
    RATE_ONE,
    Scale,
    ceil_div,
    price_units,
    rate_of,
    units,
    value_u,
)
from dolphin.nautilus.working import Group, Sums


class Prices(NamedTuple):
    """An instrument's bid, ask and last price in price units; 0 for one that is not known."""

    bid: int
    ask: int
    last: int


class Worth(NamedTuple):
    """What a lot is worth at one quote and one reading of the exchange rates; HOME where none is needed."""

    quote: Any
    reading: int
    bid_u: int
    ask_u: int


NO_OTHERS: Final[Mapping[str, Sums]] = MappingProxyType({})
HOME = -2
"""In place of a reading's number, for an instrument in the base currency: its worth changes with the quote only."""


class Sample(NamedTuple):
    """A reading of the account. `known` 0: there is none yet, which is not an error."""

    known: int
    equity: int
    gross: int
    flat: int
    error: int


NOT_YET = Sample(0, 0, 0, 0, 0)


class Values:
    """Prices and money of one account, read from Nautilus' cache and portfolio when asked."""

    def __init__(self, cache: Any, portfolio: Any, clock: Any, scales: dict[str, Scale], book: Book) -> None:
        self._cache = cache
        self._clock = clock
        self._read_ns = -1
        self._reading = 0
        self._sample = NOT_YET
        self._worth: dict[str, Worth] = {}
        self._portfolio = portfolio
        self._scales = scales
        self._book = book
        book.in_lots = self.in_lots
        self.closes: dict[str, int] = {}
        self.base: Any = None
        self._minor = 1
        self.account: Any = None
        self.venue: Any = None

    def found(self, venue: str, currency: str) -> bool:
        """Find the account (of this venue, if one is named) and its base currency. False: there is none yet."""
        if self.account is not None:
            return True
        for account in self._cache.accounts():
            if self._is_meant(account, venue):
                base = account.base_currency
                for candidate in account.balances_total():
                    if base is None:
                        base = candidate
                    if candidate.code == currency:
                        base = candidate
                if base is not None:
                    self._worth.clear()
                    self.account = account
                    self.base = base
                    self._minor = 10**base.precision
                    self.venue = Venue(account.id.get_issuer())
                    return True
        return False

    def _is_meant(self, account: Any, venue: str) -> bool:
        if not venue:
            return True
        return account.id.get_issuer() == venue

    def prices(self, scale: Scale) -> Prices:
        """What is known of the market now."""
        quote = self._cache.quote_tick(scale.instrument_id)
        last = self.closes.get(scale.id, 0)
        trade = self._cache.trade_tick(scale.instrument_id)
        if trade is not None:
            last = _price(trade.price, scale)
        if quote is None:
            return Prices(0, 0, last)
        return Prices(_price(quote.bid_price, scale), _price(quote.ask_price, scale), last)

    def worth(self, scale: Scale, side: int) -> int:
        """Micro-units of one lot that is (or would be) long or short, at the side at which it is left."""
        quote = self._cache.quote_tick(scale.instrument_id)
        if quote is None:
            return value_u(self.prices(scale).last, scale, self.rate(scale))
        known = self._worth.get(scale.id)
        if known is None:
            known = self._valued(scale, quote)
        elif known.quote is not quote:
            known = self._valued(scale, quote)
        elif known.reading not in (HOME, self._reading):
            known = self._valued(scale, quote)
        if side > 0:  # long is left at the bid, short at the ask
            return known.bid_u
        return known.ask_u

    def _valued(self, scale: Scale, quote: Any) -> Worth:
        reading = self._reading
        if scale.currency == self.base:
            reading = HOME
        rate = self.rate(scale)
        bid = value_u(_price(quote.bid_price, scale), scale, rate)
        ask = value_u(_price(quote.ask_price, scale), scale, rate)
        known = Worth(quote, reading, bid, ask)
        self._worth[scale.id] = known
        return known

    def rate(self, scale: Scale) -> int:
        """From minor units of the instrument's currency to those of the base currency; 0 where unknown."""
        if self.base is None:
            return 0
        if scale.currency == self.base:
            return RATE_ONE
        return self._rate(scale.instrument_id.venue, scale.currency, PriceType.MID)

    def _rate(self, venue: Any, currency: Any, side: Any) -> int:
        rate = self._cache.get_xrate(venue, currency, self.base, side)
        return rate_of(rate, currency.precision, self.base.precision)

    def minor(self, quantity: Any, scale: Scale) -> int:
        """A quantity in the instrument's quote currency, in minor units of the base currency."""
        amount = units(quantity, 10**scale.currency.precision)
        return ceil_div(amount * self.rate(scale), RATE_ONE)

    def in_lots(self, quantity: Any, scale: Scale) -> int:
        """Lots of a quantity in quote currency, at the cheaper side and rounded up; 0 without a price."""
        cheapest = min(self.worth(scale, 1), self.worth(scale, -1))
        if cheapest <= 0:
            return 0
        return ceil_div(self.minor(quantity, scale) * MICRO, cheapest)

    def gross(self) -> tuple[int, int]:
        """What all positions are worth, long and short added, and 1 where one of them has no price."""
        total = 0
        error = int(bool(self._book.nameless))
        for group in self._book.groups.values():
            if group.lots == 0:
                continue
            worth = self.worth(self._scales[group.instrument], group.lots)
            if worth == 0:
                error = 1
            total += notional(abs(group.lots), worth)
        return total, error

    def working(self, group: Group, sums: Sums, others: Mapping[str, Sums] = NO_OTHERS) -> int:
        """What all working entries are worth, with `sums` in place of the group's own, and those of `others` by key."""
        total = 0
        for other in self._book.groups.values():
            if not other.orders:
                continue
            if other is group:
                total += self._entries(other, sums)
            elif other.key in others:
                total += self._entries(other, others[other.key])
            else:
                total += self._entries(other, other.summed())
        return total

    def _entries(self, group: Group, sums: Sums) -> int:
        if sums.buy + sums.sell == 0:
            return 0
        scale = self._scales[group.instrument]
        return notional(sums.buy, self.worth(scale, 1)) + notional(sums.sell, self.worth(scale, -1))

    def sample(self) -> Sample:
        """The account now; read once for what happens at one instant, until something changes (`changed`)."""
        now_ns = self._clock.timestamp_ns()
        if now_ns == self._read_ns:
            return self._sample
        self._reading += 1
        self._sample = self._sampled()
        self._read_ns = now_ns
        return self._sample

    def changed(self) -> None:
        """A fill, a row or a bar came: what was read is of before."""
        self._read_ns = -1
        self._reading += 1

    def _sampled(self) -> Sample:
        if self.account is None:
            return NOT_YET
        gross, error = self.gross()
        flat = int(self._book.flat())
        equity = self._equity()
        if equity is None:
            return Sample(1, 0, gross, 0, 1)
        if error == 1:
            return Sample(1, equity, gross, 0, 1)
        return Sample(1, equity, gross, flat, 0)

    def balance(self) -> int | None:
        """The account's balance in minor units of the base currency; None where it has none."""
        balance = self.account.balance_total(self.base)
        if balance is None:
            return None
        return units(balance, self._minor)

    def _equity(self) -> int | None:
        """Equity in minor units of the base currency; None where a part of it cannot be read."""
        equity = self._own_equity()
        if equity is None:
            return self._portfolio_equity()
        return equity

    def _own_equity(self) -> int | None:
        """What portfolio.equity says of a margin account all of whose positions are in its base currency and have a
        quote, put together from the positions that the book knows. None: not of this kind, or they are not all.
        """
        account = self.account
        if not account.is_margin_account:
            return None
        if account.base_currency != self.base:
            return None
        total = self.balance()
        if total is None:
            return None
        held = 0
        for group in self._book.groups.values():
            if group.lots == 0:
                continue
            brings = self._brings(group)
            if brings is None:
                return None
            total += brings
            held += 1
        if held != len(self._cache.position_open_ids()):
            return None
        return total

    def _brings(self, group: Group) -> int | None:
        """Open profit or loss of a position at the exit side of the quote; None where portfolio.equity knows better."""
        position = group.position
        if group.quantity is not position.quantity:  # a fill that the book has not heard of
            return None
        if position.account_id != self.account.id:
            return None
        if self._scales[group.instrument].currency != self.base:
            return None
        if position.settlement_currency != self.base:
            return None
        instrument_id = position.instrument_id
        if self._cache.mark_price(instrument_id) is not None:  # a portfolio may be told to use it
            return None
        quote = self._cache.quote_tick(instrument_id)
        if quote is None:
            return None
        price = quote.ask_price
        if group.lots > 0:
            price = quote.bid_price
        if not price.as_double() > 0:
            return None
        return units(position.unrealized_pnl(price), self._minor)

    def _portfolio_equity(self) -> int | None:
        """The same of any account, by Nautilus' own reckoning."""
        found, total = self._amounts()
        if not found:
            return None
        for currency, money in found.items():
            if not isfinite(money.as_double()):
                return None
            amount = units(money, 10**currency.precision)
            if currency == self.base:
                total += amount
                continue
            if amount == 0:
                continue
            rate = self._rate_out(currency, amount)
            if rate == 0:
                return None
            total += amount * rate // RATE_ONE
        return total

    def _amounts(self) -> tuple[Any, int]:
        """Money by currency, and what is held besides, in minor units of the base currency.

        A cash account of several currencies has what it bought in its balances; Nautilus' equity adds the position to
        them, which is the same coin once more.
        """
        account = self.account
        if account.is_margin_account:
            return self._portfolio.equity(account_id=account.id), 0
        if account.base_currency is not None:
            return self._portfolio.equity(account_id=account.id), 0
        return account.balances_total(), self._undelivered()

    def _undelivered(self) -> int:
        """What positions are worth that no balance shows: those of instruments without a base currency (shares)."""
        total = 0
        for group in self._book.held():
            scale = self._scales[group.instrument]
            if self._cache.instrument(scale.instrument_id).get_base_currency() is None:
                total += group.lots * self.worth(scale, group.lots) // MICRO
        return total

    def _rate_out(self, currency: Any, amount: int) -> int:
        """The rate at which a balance can be turned into the base currency: the worse side of the quote; 0 for none."""
        bid = self._rate(self.venue, currency, PriceType.BID)
        ask = self._rate(self.venue, currency, PriceType.ASK)
        if amount < 0:
            return max(bid, ask)
        return min(bid, ask)


def _price(price: Any, scale: Scale) -> int:
    scaled = price.as_double() * scale.price_power
    if abs(scaled) < DOUBLE_UNITS_MAX:
        return round(scaled)
    if not isfinite(price.as_double()):
        return 0
    return price_units(price, scale)
