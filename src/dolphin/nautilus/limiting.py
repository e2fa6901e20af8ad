"""Pre-trade limits at the gates: what they need to see of an order, and what comes of their answer.

What belongs here: which reading goes into which field of `Looked`, the cap in the ORDER event, the words of a denial,
and the operator's two steps. What each limit leaves is decided outside (ports.Limiter), what may leave by the kernel.

Rules. An order without an entry part is not asked about. What is journalled of a cap is what it was judged on, so that
anybody can compute it again. The limits in force stand in a NOTE at the start and after each change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from nautilus_trader.model.enums import OrderType

from dolphin.journal import encode
from dolphin.journal.aside import LIMITS
from dolphin.kernel.events import Order, Verdict
from dolphin.kernel.orders import Split, parts
from dolphin.kernel.units import ABSENT, MICRO, notional
from dolphin.nautilus.asking import Asked, price_of
from dolphin.nautilus.basket import Basket, Part
from dolphin.nautilus.book import Book
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.margins import Margins
from dolphin.nautilus.ports import Left, Limiter, Looked, Row
from dolphin.nautilus.returns import load_returns, prices_now
from dolphin.nautilus.translate import TAKES, Scale, price_units
from dolphin.nautilus.values import Values
from dolphin.nautilus.working import NOTHING, Group, Sums, Working


class Judged(NamedTuple):
    """The answer of the limits to one order: `looked`, what it was judged on where they were asked; `words`, the limit
    that caps it; `passive`, those that would have held it back.
    """

    name: str
    looked: Looked | None = None
    words: str = ""
    passive: str = ""


class Limiting:
    """The limits of one book."""

    def __init__(
        self, actor: Any, file: str, guard: Guard, book: Book, values: Values, scales: Mapping[str, Scale]
    ) -> None:
        """`actor` gives the limits of `file`, clock and cache, and hears what is to be said."""
        self._limiter: Limiter = actor.limiter(file)
        self._guard = guard
        self._book = book
        self._values = values
        self._scales = scales
        self._cache = actor.cache
        self._clock = actor.clock
        self._tell: Callable[[str, str], None] = actor.tell
        self._failed: Callable[[str, BaseException], None] = actor.failed
        self._venues: dict[str, str] = {}
        self._margins = Margins(values, actor.cache)
        self.basket: Basket | None = None

    # --- beginning ----------------------------------------------------------------------------------------------------

    def begin(self, before: Mapping[str, Any], equity: int) -> None:
        """Take up what was in force in an earlier run (`before`, empty: none was) that ended with this equity (0:
        nobody knew one), and say what is now.
        """
        if equity > 0:
            self._limiter.ended(equity)
        if before:
            self._take_up(before)
        load_returns(self._limiter, self._scales, self._clock.timestamp_ns(), self._tell, self._guard.write)
        if self._limiter.active:
            self._note()

    def _take_up(self, before: Mapping[str, Any]) -> None:
        looser = self._limiter.take_up(before)
        if looser:
            self._tell("LIMITS", f"looser in the file than in force: {', '.join(looser)}; `dolphin limits propose`")

    def _note(self) -> None:
        self._guard.write(self._clock.timestamp_ns(), "NOTE", encode({"what": LIMITS, LIMITS: self._limiter.said()}))

    # --- orders -------------------------------------------------------------------------------------------------------

    def asked(self, asked: Asked, note: str) -> tuple[Asked, str, Judged]:
        """The question with the cap in it, its note with what that was judged on, if anything was held back, and the
        answer. Nobody is told yet: a strategy may send another order upon it, and this one is not counted.
        """
        if not self._limiter.active:
            return asked, note, Judged(asked.name)
        cut = parts(asked.event)
        if cut.entry <= 0:
            return asked, note, Judged(asked.name)
        looked = self._looked(asked, cut)
        capped = self._limiter.cap(looked)
        if not capped.said:
            return asked, note, Judged(asked.name, looked)
        event = asked.event._replace(cap_lots=capped.lots, cap=capped.code)
        note = f'{note[:-1]},"limits":{encode(capped.said)}}}'
        return asked._replace(event=event), note, Judged(asked.name, looked, capped.words, capped.passive)

    def left(self, judged: Judged, verdict: Verdict) -> tuple[Left, ...]:
        """Where an entry leaves, what was counted of it, which a gate that refuses it later takes `back`."""
        if judged.looked is None:
            return ()
        if verdict.lots <= verdict.exit_lots:
            return ()
        return (self._limiter.left(judged.looked),)

    def said(self, judged: Iterable[Judged], counted: Iterable[Left]) -> None:
        """Once an order that was judged stands in the book, and in the counts: what is to be heard of it."""
        for each in judged:
            if each.passive:
                self._tell("LIMIT", f"{each.name}: passive limits would have held it back: {each.passive}")
        for left in counted:
            if left.said:
                self._tell("LIMIT", left.said)
                self._note()

    def back(self, counted: Iterable[Left]) -> None:
        """These entries did not leave."""
        for left in counted:
            said = self._limiter.back(left)
            if said:
                self._tell("LIMIT", said)
                self._note()

    def sampled(self, now_ns: int) -> None:
        """The account was read: the limits know what a day began with, also while none asks for it; and returns, where
        one does.
        """
        if self._limiter.wants_prices:
            if self._limiter.priced(now_ns, prices_now(self._values, self._scales)):
                self._note()
        sample = self._values.sample()
        if sample.known == 0:
            return
        if sample.error == 1:
            return
        if self._limiter.sampled(now_ns, sample.equity):
            self._note()

    def flowed(self, amount: int) -> None:
        """Money came or went."""
        if self._limiter.flowed(amount):
            self._note()

    def canceled(self) -> None:
        """A cancel has passed; a fault in what is said of their rate must not hold up the next."""
        try:
            if self._limiter.active:
                self._count()
        except Exception as error:
            self._failed("limits", error)

    def _count(self) -> None:
        now_ns = self._clock.timestamp_ns()
        said = self._limiter.canceled(now_ns)
        if said:
            self._tell("LIMIT", said)
            self._guard.write(now_ns, "NOTE", encode({"what": "limit", "said": said}))

    def interval_ns(self, name: str) -> int:
        """An interval of the limits in force; 0 where they say none."""
        return self._limiter.interval_ns(name)

    def exceeded(self) -> list[str]:
        """The limits that what is held exceeds now; of an account that cannot be read nothing is said."""
        sample = self._values.sample()
        if sample.known == 0:
            return []
        if sample.error == 1:
            return []
        return self._limiter.exceeded(self._standing())

    def listed(self, questions: Callable[[], list[Asked]]) -> None:
        """A list of orders that leave one by one: looked at as a whole first, where a limit wants that."""
        if self._limiter.wants_lists:
            self.basket = Basket(questions(), False)

    def together(self, questions: list[Asked]) -> None:
        """A list that is taken or refused whole: each part is judged with those before it."""
        if self._limiter.active:
            self.basket = Basket(questions, True)

    def _looked(self, asked: Asked, cut: Split) -> Looked:
        scale = asked.scale
        event = asked.event
        prices = self._values.prices(scale)
        price = price_of(asked)
        priced = 1
        if price is None:
            priced = 0
            price = 0
        exit_u = 0
        if cut.exit > 0:  # what it closes is counted at the side at which that is left, which is not the order's
            exit_u = self._values.worth(scale, -event.side)
        list_lots = ABSENT
        list_minor = ABSENT
        earlier: list[Part] = []
        basket = self._basket_of(asked.name)
        if basket is not None:
            list_lots = basket.lots.get((scale.id, event.side), 0)
            list_minor = basket.minor
            earlier = basket.earlier.get(asked.name, [])
        rows = self._rows(asked.without)
        free = self._free()
        if earlier:
            rows.extend([self._entering(part) for part in earlier])
            free -= sum([row.margin for row in rows[-len(earlier) :]])
        return Looked(
            event, cut, scale.id, self._venue(scale), asked.strategy, self._minor(), scale.size_power, scale.lot_units,
            priced, price, prices.bid, prices.ask, prices.last, self._age_ns(scale), list_lots, list_minor,
            rows, asked.fresh, self._crosses(asked, priced, price), self._guard.state.capital.drawdown_bp, free,
            self._taken(scale, event.value_u), exit_u, len(earlier),
        )  # fmt: skip

    def _entering(self, part: Part) -> Row:
        """A part of a list that was judged before this one, as if it worked."""
        asked, lots = part
        scale = asked.scale
        minor = notional(lots, asked.event.value_u)
        row = Row(scale.id, self._venue(scale), asked.strategy, 0, 0, lots, 0, minor, 0, self._taken(scale, minor))
        if asked.event.side > 0:
            return row
        return row._replace(buy_lots=0, sell_lots=lots, buys=0, sells=minor)

    def _basket_of(self, name: str) -> Basket | None:
        """The list that is judged now, if this order is in it: a strategy may answer a denial with an order besides."""
        basket = self.basket
        if basket is None:
            return None
        if name in basket.ids:
            return basket
        return None

    def _minor(self) -> int:
        base = self._values.base
        if base is None:
            return 0
        minor: int = 10**base.precision
        return minor

    def _venue(self, scale: Scale) -> str:
        venue = self._venues.get(scale.id)
        if venue is None:
            venue = scale.instrument_id.venue.value
            self._venues[scale.id] = venue
        return venue

    def _age_ns(self, scale: Scale) -> int:
        """How long ago the instrument's last quote, trade or bar came; ABSENT where there was none."""
        if not self._limiter.wants_age:
            return ABSENT
        newest = ABSENT
        where = scale.instrument_id
        for row in (self._cache.quote_tick(where), self._cache.trade_tick(where)):
            if row is not None:
                newest = max(newest, row.ts_init)
        if newest == ABSENT:
            newest = self._last_bar_ns(where)
        if newest == ABSENT:
            return ABSENT
        return max(self._clock.timestamp_ns() - newest, 0)

    def _last_bar_ns(self, instrument_id: Any) -> int:
        newest = ABSENT
        for bar_type in self._cache.bar_types(instrument_id=instrument_id):
            bar = self._cache.bar(bar_type)
            if bar is not None:
                newest = max(newest, bar.ts_init)
        return newest

    def _rows(self, without: Mapping[str, Sums]) -> list[Row]:
        """Every position with what works on it, without the order and what is judged together with it."""
        found: list[Row] = []
        if not self._limiter.wants_rows:
            return found
        for other in self._book.groups.values():
            sums = without.get(other.key)
            if sums is None:
                sums = other.summed()
            found.append(self._row(other, sums))
        return found

    def _row(self, group: Group, sums: Sums) -> Row:
        scale = self._scales[group.instrument]
        long_u = self._values.worth(scale, 1)
        short_u = self._values.worth(scale, -1)
        held = notional(group.lots, long_u)
        if group.lots < 0:
            held = -notional(-group.lots, short_u)
        buys = notional(sums.buy, long_u)
        sells = notional(sums.sell, short_u)
        return Row(
            group.instrument, self._venue(scale), group.strategy, group.lots, held, sums.buy, sums.sell,
            buys, sells,
            self._taken(scale, abs(held) + buys + sells),
        )  # fmt: skip

    # --- margin and crossing ------------------------------------------------------------------------------------------

    def _free(self) -> int:
        if self._limiter.wants_margin:
            return self._margins.free()
        return 0

    def _taken(self, scale: Scale, value: int) -> int:
        if self._limiter.wants_margin:
            return self._margins.taken(scale, value)
        return 0

    def _crosses(self, asked: Asked, priced: int, price: int) -> int:
        """1 where the order would trade with one of this book that rests on the other side."""
        if not self._limiter.wants_crossing:
            return 0
        side = asked.event.side
        for group in self._book.groups.values():
            if group.instrument != asked.scale.id:
                continue
            for working in group.orders.values():
                if _meets(working, asked, side, priced, price):
                    return 1
        return 0

    # --- the operator -------------------------------------------------------------------------------------------------

    def propose(self, said: Mapping[str, Any], nonce: int) -> dict[str, Any]:
        """Other limits: what is tighter holds at once. The answer of the limits."""
        answer = self._limiter.propose(said, self._clock.timestamp_ns(), nonce, self._standing())
        self._note()
        self.sampled(self._clock.timestamp_ns())
        return answer

    def confirm(self, nonce: int) -> dict[str, Any]:
        """The second step."""
        answer = self._limiter.confirm(nonce, self._clock.timestamp_ns(), self._standing())
        self._note()
        return answer

    def enable(self, strategy: str) -> dict[str, Any]:
        """A strategy that entered too often may enter again."""
        answer = self._limiter.enable(strategy)
        self._note()
        return answer

    def _standing(self) -> list[Looked]:
        """What is held now, as orders of no lots on both sides of each instrument, and one for the account. They share
        the rows, so that judging all of them takes one pass.
        """
        account = self._held()
        found = [account]
        for name, strategy in sorted({(group.instrument, group.strategy) for group in self._book.groups.values()}):
            scale = self._scales[name]
            for side in (1, -1):
                order = account.order._replace(side=side, value_u=self._values.worth(scale, side))
                found.append(
                    account._replace(
                        order=order, instrument=name, venue=self._venue(scale), strategy=strategy,
                        size_power=scale.size_power, lot_units=scale.lot_units,
                    )
                )  # fmt: skip
        return found

    def _held(self) -> Looked:
        sample = self._values.sample()
        equity = sample.equity
        if sample.error == 1:
            equity = 0
        working = self._values.working(Group("", "", ""), NOTHING)
        now_ns = self._clock.timestamp_ns()
        order = Order(
            now_ns, ABSENT, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, MICRO, sample.gross, working, equity, 0,
        )  # fmt: skip
        return Looked(
            order, Split(0, 0, 0, 0), "", "", "", self._minor(), 1, 1, 0, 0, 0, 0, 0, ABSENT, 0, 0,
            self._rows({}), 0, 0, self._guard.state.capital.drawdown_bp, self._free(), MICRO, 0, 0,
        )  # fmt: skip


def _meets(working: Working, asked: Asked, side: int, priced: int, price: int) -> bool:
    """Whether a working order rests on the other side, where this one trades: any price is met by a market order."""
    if working.side == side:
        return False
    if working.cid in asked.apart:
        return False
    if working.held():
        return False
    if working.order.order_type != OrderType.LIMIT:
        return False
    if not priced:
        return asked.event.taking == TAKES
    return side * (price - price_units(working.order.price, asked.scale)) >= 0
