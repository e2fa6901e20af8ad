"""Commands as questions: from an order and the book's readings to the kernel's ORDER event.

What belongs here: which reading goes into which field (DESIGN.md 2.4); no answer. Every question is asked after the
feeds have been read, so that the state knows what the market's last row was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nautilus_trader.model.enums import OrderType

from dolphin.kernel.events import Order
from dolphin.kernel.units import MICRO
from dolphin.nautilus.book import Book
from dolphin.nautilus.counting import in_parts, member
from dolphin.nautilus.translate import (
    TAKES,
    TAKES_AT_ONCE,
    Scale,
    ceil_div,
    lots_of,
    price_units,
    side_of,
    style_of,
)
from dolphin.nautilus.values import Values
from dolphin.nautilus.working import Group, Sums, Working

NO_FEED = -1


class Unscaled(Exception):
    """An order on an instrument whose scales are not known: entries are denied, exits pass by the plainest rule."""


class Asked(NamedTuple):
    """A question, whom it is about, and what its answer is applied to. `new_price`: what a modification asks for.

    `fresh` 1: an order that is new, 0: a modification. `without`: the groups in which something of it works already, by
    key, each with its sums as if it did not.
    """

    event: Order
    name: str
    strategy: str
    group: Group
    scale: Scale
    apart: frozenset[str]
    orders: list[Any]
    new_price: Any
    fresh: int
    without: Mapping[str, Sums]


class Asker:
    """Builds ORDER events. `catch_up` reads the feeds; `feed_of` gives an instrument's feed in the header."""

    def __init__(
        self, book: Book, values: Values, clock: Any, catch_up: Callable[[], None], feed_of: Callable[[str], int],
        l_raw_bp: int,
    ) -> None:  # fmt: skip
        self._book = book
        self._values = values
        self._clock = clock
        self.catch_up = catch_up
        self._feed_of = feed_of
        self._l_raw_bp = l_raw_bp

    def now_ns(self) -> int:
        """The host's clock."""
        ts_ns: int = self._clock.timestamp_ns()
        return ts_ns

    def submit(self, order: Any, name: str, position_id: Any) -> Asked:
        """One order. Itself does not count as working beside it, nor what an algorithm still holds of what it is of."""
        book = self._book
        self.catch_up()
        scale = self._scale(order.instrument_id)
        book.judged(name)
        self._settle()
        group = book.found(order.instrument_id, order.strategy_id, position_id)
        apart = self._beside(order, name)
        side = side_of(order)
        value = self._values.worth(scale, side)
        lots = self._lots(order, order.quantity, scale)
        taking = self._style(order, scale, side, None)
        self.crossing(order, taking)
        return self._asked(
            [order], scale, group, apart, side, lots, taking,
            int(order.is_quote_quantity), book.named(group, position_id), value, 0,
        )  # fmt: skip

    def _beside(self, order: Any, name: str) -> frozenset[str]:
        """What does not count beside it. An algorithm's order that has itself left works beside its parts."""
        spawn_id = order.exec_spawn_id
        if spawn_id is None:
            return frozenset((name,))
        if self._book.parked(spawn_id.value):
            return frozenset((name, spawn_id.value))
        return frozenset((name,))

    def modify(self, command: Any, order: Any) -> Asked:
        """A modification, by its result: what would still work of the order, whole or not at all."""
        self.catch_up()
        scale = self._scale(order.instrument_id)
        self._settle()
        position_id = self._position_id(order)
        group = self._book.found(order.instrument_id, order.strategy_id, position_id)
        side = side_of(order)
        value = self._values.worth(scale, side)
        lots = self._after(command, order, scale)
        apart, largest = self._members(order.client_order_id.value)
        before = 0
        if largest > lots:
            before = (largest - lots) * value // MICRO + 1
        taking = self._style(order, scale, side, command.price)
        return self._asked(
            [order], scale, group, apart, side, lots, taking, 1,
            self._book.named(group, position_id), value, before, command.price, 0,
        )  # fmt: skip

    def undone(self, command: Any, order: Any, working: Working) -> int:
        """What a change makes of an order that only undoes the parent it waits for: lots, 0 where it is none such.

        As in a list, that is no question: it opens nothing, and its parent is judged by itself.
        """
        lots = self._after(command, order, self._scale(order.instrument_id))
        if working.undoes(lots):
            return lots
        return 0

    def _after(self, command: Any, order: Any, scale: Scale) -> int:
        """Lots that would still work of an order after a change."""
        quantity = command.quantity
        if quantity is None:
            quantity = order.quantity
        return max(self._lots(order, quantity, scale) - lots_of(order.filled_qty, scale), 0)

    def _members(self, name: str) -> tuple[frozenset[str], int]:
        """The members of an order's OCO or OUO group on its side, and the lots of the largest of the others.

        Together they count as the largest: a stop that is moved is no second exit beside its own target.
        """
        apart = {name}
        largest = 0
        working = self._book.working.get(name)
        if working is None:
            return frozenset(apart), largest
        if not working.contingency:
            return frozenset(apart), largest
        for other in working.group.orders.values():
            if other is working:
                continue
            if (other.key, other.side) == (working.key, working.side):
                apart.add(other.cid)
                largest = max(largest, other.most())
        return frozenset(apart), largest

    def whole(self, command: Any) -> list[Asked]:
        """A list with contingencies: one question for each side, on its aggregate; each counts those before it."""
        book = self._book
        self.catch_up()
        self._settle()
        orders = command.order_list.orders
        apart = frozenset([order.client_order_id.value for order in orders])
        asked = []
        before = 0
        for part in in_parts(
            orders, lambda each: book.found(each.instrument_id, each.strategy_id, command.position_id)
        ):
            made = self._part(part, command.position_id, apart, before)
            asked.append(made)
            before += made.event.lots * made.event.value_u // MICRO + 1
        return asked

    def crossing(self, order: Any, taking: int) -> None:
        """A limit that crosses is on its way like a market order, until it is found to rest."""
        if taking == TAKES:
            if order.order_type == OrderType.LIMIT:
                self._book.crosses(order.client_order_id.value)

    def _settle(self) -> None:
        """Bring the book up to this question: orders not heard of since, and limits that crossed and rest."""
        self._book.settle()
        if self._book.crossing:
            self._book.rested(self._clock.timestamp_ns())

    def _part(self, part: list[Any], position_id: Any, apart: frozenset[str], before: int) -> Asked:
        order = part[0]
        scale = self._scale(order.instrument_id)
        group = self._book.found(order.instrument_id, order.strategy_id, position_id)
        side = side_of(order)
        value = self._values.worth(scale, side)
        lots = 0
        taking = 0
        members: dict[str, int] = {}
        at_once: dict[str, int] = {}
        reduce_only = 1
        for each in part:
            key = member(each)
            members[key] = max(members.get(key, 0), self._lots(each, each.quantity, scale))
            style = self._style(each, scale, side, None)
            if style == TAKES:
                if each.parent_order_id is None:
                    at_once[key] = members[key]
            self.crossing(each, style)
            taking = _worse(taking, style)
            if not each.is_reduce_only:
                reduce_only = 0
        lots = sum(members.values())
        before += _not_freed(group, side, lots, sum(at_once.values())) * value // MICRO
        made = self._asked(
            part, scale, group, apart, side, lots, taking, 1, self._book.named(group, position_id), value,
            before,
        )  # fmt: skip
        return made._replace(event=made.event._replace(reduce_only=reduce_only))

    def _asked(
        self, orders: list[Any], scale: Scale, group: Group, apart: frozenset[str], side: int, lots: int, taking: int,
        whole: int, named: int, value: int, before: int, new_price: Any = None, fresh: int = 1,
    ) -> Asked:  # fmt: skip
        order = orders[0]
        if self._unconverted(orders, scale):
            named = 0
            value = 0
        sums = group.without(apart)
        without = self._without(apart)
        without[group.key] = sums
        sample = self._values.sample()
        equity = sample.equity
        if sample.error == 1:
            equity = 0
        event = Order(
            self._clock.timestamp_ns(), self._feed_of(scale.id), side, lots, taking, named,
            int(order.is_reduce_only), whole, group.lots, sums.resting, sums.own, scale.min_lots, value,
            sample.gross, self._values.working(group, sums, without) + before, equity, self._l_raw_bp, sums.leaving,
        )  # fmt: skip
        return Asked(
            event, order.client_order_id.value, order.strategy_id.value, group, scale, apart, orders, new_price,
            fresh, without,
        )  # fmt: skip

    def _without(self, apart: frozenset[str]) -> dict[str, Sums]:
        """The groups in which these orders work, each with its sums as if they did not. A list may be of several."""
        found: dict[str, Sums] = {}
        for cid in apart:
            working = self._book.working.get(cid)
            if working is not None:
                group = working.group
                if group.key not in found:
                    found[group.key] = group.without(apart)
        return found

    def _scale(self, instrument_id: Any) -> Scale:
        scale = self._book.scaled(instrument_id)
        if scale is None:
            raise Unscaled(instrument_id.value)
        return scale

    def _position_id(self, order: Any) -> Any:
        working = self._book.working.get(order.client_order_id.value)
        if working is not None:
            return _Id(working.group.key)
        return order.position_id

    def _lots(self, order: Any, quantity: Any, scale: Scale) -> int:
        """Lots of an order; a quantity in quote currency converted at the cheaper side, rounded up.

        Whichever side Nautilus converts at when it fills (a sell at the bid), it is not more than this.
        """
        if not order.is_quote_quantity:
            return lots_of(quantity, scale)
        cheapest = self._cheapest(scale)
        if cheapest <= 0:
            return 1
        lots = ceil_div(self._values.minor(quantity, scale) * MICRO, cheapest)
        self._book.quote_lots[order.client_order_id.value] = lots
        return lots

    def _cheapest(self, scale: Scale) -> int:
        return min(self._values.worth(scale, 1), self._values.worth(scale, -1))

    def _unconverted(self, orders: list[Any], scale: Scale) -> bool:
        """Whether an order's quantity is money that has no price: nobody knows how much, so no part is an exit."""
        for order in orders:
            if order.is_quote_quantity:
                return self._cheapest(scale) <= 0
        return False

    def _style(self, order: Any, scale: Scale, side: int, price: Any) -> int:
        """How it executes, at this price where it is to have a new one."""
        if order.order_type in TAKES_AT_ONCE:
            return TAKES
        limit = _limit(order, price, scale)
        prices = self._values.prices(scale)
        post_only = False
        if order.has_price:
            post_only = bool(order.is_post_only)
        return style_of(order.order_type, side, limit, post_only, prices.bid, prices.ask, prices.last)


class _Id(NamedTuple):
    """A position id by its text."""

    value: str


def price_of(asked: Asked) -> int | None:
    """The limit price of a question in price units: of several orders the worst, None where none has one."""
    worst = None
    for order in asked.orders:
        price = _limit(order, asked.new_price, asked.scale)
        if price is None:
            continue
        if worst is None:
            worst = price
        elif asked.event.side * (price - worst) > 0:
            worst = price
    return worst


def _limit(order: Any, price: Any, scale: Scale) -> int | None:
    if price is not None:
        return price_units(price, scale)
    if not order.has_price:
        return None
    if order.price is None:
        return None
    return price_units(order.price, scale)


def _not_freed(group: Group, side: int, lots: int, at_once: int) -> int:
    """Of the lots that shrink the position those that rest, or wait for a parent: they make no room before they fill.

    The whole is judged as one that executes at once where any part does, which would count all of it as gone.
    """
    if side * group.lots >= 0:
        return 0
    return max(0, min(lots, abs(group.lots)) - at_once)


def _worse(one: int, other: int) -> int:
    """The style of two orders together: taking at once outranks being triggered outranks resting."""
    if TAKES in (one, other):
        return TAKES
    return max(one, other)
