"""What a command does: its numbers become an order, a change, a cancel or a word of the operator.

What belongs here: one method a verb. Each returns how many commands it sent, 0 where there was nothing to act on. An
instrument is i, a side s, a size q: the same numbers always pick the same way.
"""

from __future__ import annotations

from typing import Any, Final

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import SubmitOrder
from nautilus_trader.model.enums import (
    ContingencyType,
    OrderSide,
    OrderType,
    TimeInForce,
    TrailingOffsetType,
    TriggerType,
)
from nautilus_trader.model.identifiers import ExecAlgorithmId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import OrderList

from tools.fuzz.plan import Command

BUY, SELL = OrderSide.BUY, OrderSide.SELL
SIZES: Final = (1_000, 20_000, 300_000, 770_000, 1_540_000, 4_600_000, 14_000_000)
"""Lots; 1,540,000 are about 1x of the account."""
TIMES: Final = (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.DAY)
EMULATED: Final = (TriggerType.NO_TRIGGER, TriggerType.NO_TRIGGER, TriggerType.BID_ASK, TriggerType.BID_ASK)


def px(ticks: int) -> Any:
    """A price."""
    return Price(ticks / 1e5, 5)


def lots(n: int) -> Any:
    """A quantity."""
    return Quantity.from_int(max(n, 1_000))


class Doing:
    """Carries out the commands of one strategy."""

    def __init__(self, strategy: Any, world: Any) -> None:
        self.s = strategy
        self.world = world

    def do(self, command: Command) -> int:
        """The number of commands sent."""
        done: int = getattr(self, command.verb)(command)
        return done

    # --- what the numbers mean ----------------------------------------------------------------------------------------

    def _basics(self, c: Command) -> tuple[Any, Any, Any, int]:
        instrument = self.world.instruments[c.d % len(self.world.instruments)]
        side = (BUY, SELL)[c.a % 2]
        quote = self.s.cache.quote_tick(instrument.id)
        mid = round((quote.bid_price.as_double() + quote.ask_price.as_double()) * 5e4)
        return instrument.id, side, lots(SIZES[c.b % len(SIZES)] + c.b // 7 % 3 * 1_000), mid

    def _away(self, c: Command, side: Any, mid: int) -> int:
        """A price on the passive side of the market, mostly; ticks."""
        away = c.c % 80 - 10
        return mid - away if side == BUY else mid + away

    def _beyond(self, c: Command, side: Any, mid: int) -> int:
        """A price on the aggressive side: of a stop's trigger; ticks."""
        away = c.c % 60 + 1
        return mid + away if side == BUY else mid - away

    def _flags(self, c: Command) -> dict[str, Any]:
        return {"reduce_only": c.c // 97 % 6 == 0, "tags": ["fuzz"] if c.c % 2 else None}

    def _picked(self, c: Command) -> Any:
        """One of this strategy's orders that are not closed, or None."""
        cache = self.s.cache
        found = []
        for order in cache.orders(None, None, self.s.id):
            if not order.is_closed:
                found.append(order)
        return found[c.a % len(found)] if found else None

    def _held(self, c: Command) -> Any:
        """One of this strategy's positions, or None."""
        found = self.s.cache.positions_open(None, None, self.s.id)
        return found[c.a % len(found)] if found else None

    def _named(self, c: Command, instrument_id: Any, side: Any) -> Any:
        """Under HEDGING, sometimes a position of the other side."""
        if not self.world.hedging or c.d // 2 % 3:
            return None
        for position in self.s.cache.positions_open(None, instrument_id, self.s.id):
            if position.is_opposite_side(side):
                return position.id
        return None

    def _send(self, order: Any, position_id: Any = None) -> int:
        self.s.submit_order(order, position_id=position_id)
        return 1

    # --- orders -------------------------------------------------------------------------------------------------------

    def market(self, c: Command) -> int:
        i, s, q, _ = self._basics(c)
        quote = c.c // 11 % 9 == 0
        time = (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)[c.c % 3]
        order = self.s.order_factory.market(i, s, q, time_in_force=time, quote_quantity=quote, **self._flags(c))
        return self._send(order, self._named(c, i, s))

    def limit(self, c: Command) -> int:
        i, s, q, mid = self._basics(c)
        order = self.s.order_factory.limit(
            i, s, q, px(self._away(c, s, mid)), time_in_force=TIMES[c.c // 7 % 6], post_only=c.c // 5 % 5 == 0,
            emulation_trigger=EMULATED[c.d // 7 % 4], quote_quantity=c.c // 11 % 19 == 0, **self._flags(c),
        )  # fmt: skip
        return self._send(order, self._named(c, i, s))

    def stop_market(self, c: Command) -> int:
        i, s, q, mid = self._basics(c)
        order = self.s.order_factory.stop_market(
            i, s, q, px(self._beyond(c, s, mid)), emulation_trigger=EMULATED[c.d // 7 % 4], **self._flags(c)
        )
        return self._send(order, self._named(c, i, s))

    def stop_limit(self, c: Command) -> int:
        i, s, q, mid = self._basics(c)
        at = self._beyond(c, s, mid)
        order = self.s.order_factory.stop_limit(
            i, s, q, px(at + c.b % 5 - 2), px(at), emulation_trigger=EMULATED[c.d // 7 % 4], **self._flags(c)
        )
        return self._send(order, self._named(c, i, s))

    def if_touched(self, c: Command) -> int:
        i, s, q, mid = self._basics(c)
        order = self.s.order_factory.market_if_touched(
            i, s, q, px(self._away(c, s, mid)), emulation_trigger=EMULATED[c.d // 7 % 4], **self._flags(c)
        )
        return self._send(order, self._named(c, i, s))

    def limit_if_touched(self, c: Command) -> int:
        i, s, q, mid = self._basics(c)
        at = self._away(c, s, mid)
        order = self.s.order_factory.limit_if_touched(
            i, s, q, px(at), px(at), emulation_trigger=EMULATED[c.d // 7 % 4], **self._flags(c)
        )
        return self._send(order, self._named(c, i, s))

    def trailing(self, c: Command) -> int:
        i, s, q, mid = self._basics(c)
        order = self.s.order_factory.trailing_stop_market(
            i, s, q, trigger_price=px(self._beyond(c, s, mid)), trailing_offset=_offset(c),
            trailing_offset_type=TrailingOffsetType.PRICE, emulation_trigger=EMULATED[c.d // 7 % 4], **self._flags(c),
        )  # fmt: skip
        return self._send(order, self._named(c, i, s))

    def trailing_limit(self, c: Command) -> int:
        i, s, q, mid = self._basics(c)
        at = self._beyond(c, s, mid)
        order = self.s.order_factory.trailing_stop_limit(
            i, s, q, price=px(at), trigger_price=px(at), limit_offset=_offset(c), trailing_offset=_offset(c),
            emulation_trigger=EMULATED[c.d // 7 % 4], **self._flags(c),
        )  # fmt: skip
        return self._send(order, self._named(c, i, s))

    def market_to_limit(self, c: Command) -> int:
        i, s, q, _ = self._basics(c)
        return self._send(self.s.order_factory.market_to_limit(i, s, q, **self._flags(c)), self._named(c, i, s))

    def twap(self, c: Command) -> int:
        i, s, q, _ = self._basics(c)
        step_s = self.world.plan.setup.step_s
        order = self.s.order_factory.market(
            i, s, q, time_in_force=TimeInForce.FOK, exec_algorithm_id=ExecAlgorithmId("TWAP"),
            exec_algorithm_params={"horizon_secs": 6 * step_s, "interval_secs": 2 * step_s}, **self._flags(c),
        )  # fmt: skip
        return self._send(order, self._named(c, i, s))

    def straight(self, c: Command) -> int:
        """To the execution engine's endpoint, past everything that a strategy usually passes."""
        i, s, q, mid = self._basics(c)
        if c.c % 2:
            order = self.s.order_factory.market(i, s, q)
        else:
            order = self.s.order_factory.limit(i, s, q, px(self._away(c, s, mid)))
        self.s.cache.add_order(order)
        command = SubmitOrder(self.s.trader_id, self.s.id, order, UUID4(), self.s.clock.timestamp_ns())
        self.s.msgbus.send("ExecEngine.execute", command)
        return 1

    # --- lists --------------------------------------------------------------------------------------------------------

    def bracket(self, c: Command) -> int:
        i, s, q, mid = self._basics(c)
        sign = 1 if s == BUY else -1
        away = c.c % 60 + 5
        kind = (OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT)[c.d // 3 % 3]
        entry = {}
        if kind == OrderType.LIMIT:
            entry["entry_price"] = px(mid - sign * 3)
        if kind == OrderType.STOP_LIMIT:
            entry["entry_price"] = px(mid + sign * 4)
            entry["entry_trigger_price"] = px(mid + sign * 3)
        self.s.submit_order_list(
            self.s.order_factory.bracket(
                i, s, q, sl_trigger_price=px(mid - sign * away), tp_price=px(mid + sign * away), entry_order_type=kind,
                contingency_type=(ContingencyType.OUO, ContingencyType.OCO)[c.c // 3 % 2],
                emulation_trigger=EMULATED[c.d // 7 % 4], **entry,
            )
        )  # fmt: skip
        return 3

    def linked(self, c: Command) -> int:
        """Two orders of which one is to be filled: entries, or exits."""
        i, s, q, mid = self._basics(c)
        sign = 1 if s == BUY else -1
        away = c.c % 40 + 3
        f = self.s.order_factory
        kind = (ContingencyType.OCO, ContingencyType.OUO)[c.c % 2]
        one = f.limit(i, s, q, px(mid - sign * away), reduce_only=c.d % 3 == 0)
        two = f.stop_market(i, s, q, px(mid + sign * away), reduce_only=c.d % 3 == 0)
        return self._list(_tied(f, one, two, kind), c, i, s)

    def parent(self, c: Command) -> int:
        """A parent with a child that is no protection: of any side, of any size."""
        i, s, q, mid = self._basics(c)
        sign = 1 if s == BUY else -1
        f = self.s.order_factory
        first = f.limit(i, s, q, px(mid - sign * (c.c % 20 - 5)))
        side = (BUY, SELL)[c.d // 3 % 2]
        second = f.limit(i, side, lots(SIZES[c.c % len(SIZES)]), px(mid + (30 if side == SELL else -30)))
        return self._list(_oto(f, first, second), c, i, s)

    def list(self, c: Command) -> int:
        """A list without contingencies."""
        i, s, q, mid = self._basics(c)
        f = self.s.order_factory
        orders = [f.limit(i, s, q, px(self._away(c, s, mid))), f.market(i, (SELL, BUY)[c.c % 2], lots(SIZES[c.c % 5]))]
        return self._list(f.create_list(orders), c, i, s)

    def _list(self, made: Any, c: Command, instrument_id: Any, side: Any) -> int:
        self.s.submit_order_list(made, position_id=self._named(c, instrument_id, side))
        return len(made.orders)

    # --- changes ------------------------------------------------------------------------------------------------------

    def modify(self, c: Command) -> int:
        order = self._picked(c)
        if order is None or not (order.is_open or order.is_emulated):
            return 0
        changes: dict[str, Any] = {}
        if c.c % 3 != 1:
            changes["quantity"] = lots(SIZES[c.b % len(SIZES)])
        if c.c % 3 != 0:
            name = "price" if order.has_price else "trigger_price" if order.has_trigger_price else ""
            if name:
                changes[name] = px(round(getattr(order, name).as_double() * 1e5) + c.c % 41 - 20)
        if not changes:
            return 0
        self.s.modify_order(order, **changes)
        return 1

    def cancel(self, c: Command) -> int:
        order = self._picked(c)
        if order is None:
            return 0
        self.s.cancel_order(order)
        return 1

    def cancel_many(self, c: Command) -> int:
        i, _, _, _ = self._basics(c)
        found = self.s.cache.orders_open(None, i, self.s.id)
        if not found:
            return 0
        self.s.cancel_orders(found[:3])
        return len(found[:3])

    def cancel_all(self, c: Command) -> int:
        i, _, _, _ = self._basics(c)
        self.s.cancel_all_orders(i)
        return 1

    # --- exits --------------------------------------------------------------------------------------------------------

    def close(self, c: Command) -> int:
        """A market exit of a whole position, or of a part of it."""
        position = self._held(c)
        if position is None:
            return 0
        q = position.quantity if c.c % 3 else lots(int(position.quantity) // 2)
        order = self.s.order_factory.market(
            position.instrument_id, _against(position), q, reduce_only=c.c % 2 == 0, tags=["exit"]
        )
        return self._send(order, position.id if self.world.hedging else None)

    def rest(self, c: Command) -> int:
        """A limit exit that waits for a better price."""
        position = self._held(c)
        if position is None:
            return 0
        _, _, _, mid = self._basics(c._replace(d=self.world.number_of(position.instrument_id)))
        side = _against(position)
        at = mid + (c.c % 30 + 3) * (1 if side == SELL else -1)
        order = self.s.order_factory.limit(position.instrument_id, side, position.quantity, px(at), tags=["exit"])
        return self._send(order, position.id if self.world.hedging else None)

    def protect(self, c: Command) -> int:
        """A protective stop."""
        position = self._held(c)
        if position is None:
            return 0
        _, _, _, mid = self._basics(c._replace(d=self.world.number_of(position.instrument_id)))
        side = _against(position)
        at = mid - (c.c % 60 + 10) * (1 if side == SELL else -1)
        order = self.s.order_factory.stop_market(
            position.instrument_id, side, position.quantity, px(at), reduce_only=c.c % 2 == 0,
            emulation_trigger=EMULATED[c.d // 7 % 4], tags=["exit"],
        )  # fmt: skip
        return self._send(order, position.id if self.world.hedging else None)

    def close_all(self, c: Command) -> int:
        i, _, _, _ = self._basics(c)
        self.s.close_all_positions(i)
        return 1

    # --- the operator -------------------------------------------------------------------------------------------------

    def kill(self, c: Command) -> int:
        return self.world.kill()

    def arm(self, c: Command) -> int:
        return self.world.arm()

    def confirm(self, c: Command) -> int:
        return self.world.confirm()

    def shock(self, c: Command) -> int:
        return int(self.world.say("shock"))

    def flatten(self, c: Command) -> int:
        position = self._held(c)
        return int(self.world.say("flatten", position=position.id.value)) if position is not None else 0

    def adopt(self, c: Command) -> int:
        return int(self.world.say("adopt"))

    def flow(self, c: Command) -> int:
        return self.world.say("flow", amount=(c.a - 5_000) * 100) if c.c % 4 == 0 else 0

    def sensor(self, c: Command) -> int:
        return self.world.say("sensor-error", category=(2, 4, 5)[c.a % 3], error=c.b % 2)


def _against(position: Any) -> Any:
    return SELL if position.is_long else BUY


def _offset(c: Command) -> Any:
    from decimal import Decimal

    return Decimal(c.b % 40 + 2) / 100_000


def _tied(factory: Any, one: Any, two: Any, kind: Any) -> Any:
    """Both name each other."""
    number = factory.generate_order_list_id()
    names = [one.client_order_id, two.client_order_id]
    return OrderList(number, [again(one, number, kind, [names[1]]), again(two, number, kind, [names[0]])])


def _oto(factory: Any, first: Any, second: Any) -> Any:
    number = factory.generate_order_list_id()
    parent = again(first, number, ContingencyType.OTO, [second.client_order_id])
    child = again(second, number, ContingencyType.NO_CONTINGENCY, None, first.client_order_id)
    return OrderList(number, [parent, child])


def again(order: Any, number: Any, kind: Any, linked: Any, parent: Any = None) -> Any:
    """The same order as a member of a list: made anew from its description."""
    said = order.init_event.to_dict(order.init_event)
    said["order_list_id"] = number.value
    said["contingency_type"] = kind.name
    said["linked_order_ids"] = [each.value for each in linked] if linked else None
    said["parent_order_id"] = parent.value if parent is not None else None
    said["event_id"] = UUID4().value
    return type(order).create(type(order.init_event).from_dict(said))
