"""What must not happen, judged by what reached the simulated venue: nothing here asks the gates.

What belongs here: a listener to Nautilus' own events. Positions are sums of fills, working orders are Nautilus' own;
of the guard it reads the posture and the confidence (what was allowed) and the latch, never a verdict. Rules of the
file: where two readings are possible, the one that accuses less; so what it finds is wrong.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import ContingencyType, OrderSide, OrderStatus, OrderType
from nautilus_trader.model.events import (
    OrderCancelRejected,
    OrderDenied,
    OrderEmulated,
    OrderFilled,
    OrderInitialized,
    OrderModifyRejected,
    OrderPendingCancel,
    OrderPendingUpdate,
    OrderSubmitted,
    OrderUpdated,
)

from dolphin.kernel.policy import Posture
from tools.fuzz.reading import at_once, group, held_child, leaves, sign

OWN: Final = "DOLPHIN-"
CEILING: Final = {Posture.APEX: 6.0, Posture.STALKER: 2.0, Posture.TURTLE: 0.0, Posture.HIBERNATE: 0.0}
FULL_MS: Final = 6_000_000
ROUNDING: Final = 1.003
"""Equity may be 10 bp old when an order is judged (DESIGN.md 2.5), which is as much of leverage; rounding to lots."""
PRICED_LATER: Final = 1.02
"""How many lots a quantity in quote currency will be, its fill says: the guard keeps a hundredth back for it."""
LOT: Final = 1.0
"""Nautilus' conversions of quote quantities leave fractions of a lot, and the guard rounds up."""

KILL, EXIT, LEVERAGE, STYLE, ZERO, FLAT, AUDIT, FAILED, LATCH, CANCEL, LEDGER = (
    "increasing after a kill", "blocked exit", "leverage above allowed", "entry that its posture forbids",
    "own order crosses zero", "not flat after a kill", "journal does not conform", "exception in the guard",
    "latch or confidence after a restart", "cancel that was not carried out", "fills and journal differ",
)  # fmt: skip
WAIT_NS: Final = 2_000_000_000
"""Said in docs/limitations.md: so long the guard waits for an exit on its way before it sends its own beside it."""
TAKING: Final = (
    OrderType.MARKET, OrderType.MARKET_TO_LIMIT, OrderType.STOP_MARKET, OrderType.MARKET_IF_TOUCHED,
    OrderType.TRAILING_STOP_MARKET,
)  # fmt: skip


class Finding(NamedTuple):
    """Which oracle, and what it saw."""

    oracle: str
    text: str


class Oracle:
    """One episode's judge; `listen` for each engine of it."""

    def __init__(self, hedging: bool, race_ns: int) -> None:
        self.hedging = hedging
        self.race_ns = race_ns
        self.net: dict[str, float] = {}
        self.where: dict[str, tuple[Any, str]] = {}
        self.working: dict[str, Any] = {}
        self.pending: dict[str, tuple[float, bool]] = {}
        self.announced: dict[str, Any] = {}
        self.canceling: dict[str, int] = {}
        self.crossing: set[str] = set()
        self.changes: dict[str, int] = {}
        self.excused: set[str] = set()
        self.killed_ns = -1
        self.findings: list[Finding] = []
        self.guard: Any = None
        self.cache: Any = None
        self.clock: Any = None
        self.off = True

    def listen(self, engine: Any, guard: Any) -> None:
        """Hear this engine's events, before anybody else."""
        self.guard = guard
        self.cache = engine.kernel.cache
        self.clock = engine.kernel.clock
        self.working.clear()
        self.pending.clear()
        self.canceling.clear()
        self.crossing.clear()
        self.changes.clear()
        self.off = False
        engine.kernel.msgbus.subscribe("events.order.*", self._heard, priority=100)

    def found(self, oracle: str, text: str) -> None:
        """Something must not be."""
        self.findings.append(Finding(oracle, text))

    # --- the latch, as the operator knows it --------------------------------------------------------------------------

    def killed(self, now_ns: int) -> None:
        """A kill was acknowledged."""
        if self.killed_ns < 0:
            self.killed_ns = now_ns

    def armed_again(self) -> None:
        """A confirm was granted."""
        self.killed_ns = -1

    def look(self, now_ns: int) -> None:
        """At a row: a kill that came of itself (a fault) counts from when it is seen; no cancel is open for long."""
        if self.guard.parts is not None and not self.guard.parts.guard.running():
            self.killed(now_ns)
        for name, order in self.working.items():
            since_ns = self.canceling.get(name, now_ns)
            if order.status == OrderStatus.PENDING_CANCEL and since_ns < now_ns - self.race_ns:
                self.found(CANCEL, f"{name} {order.type_string()} was to be cancelled, and still works")

    # --- events -------------------------------------------------------------------------------------------------------

    def _heard(self, event: Any) -> None:
        if self.off:
            return
        try:
            self._judge(event)
        except Exception as error:  # a defect of the oracle must not look like a quiet run
            self.found("the oracle itself", f"{type(error).__name__}: {error} at {event}")

    def _judge(self, event: Any) -> None:
        kind = type(event)
        if kind is OrderInitialized and event.client_order_id.value.startswith(OWN):
            self.announced[event.client_order_id.value] = event
        order = self.cache.order(event.client_order_id)
        if order is None:
            return
        name = order.client_order_id.value
        if kind is OrderSubmitted and name.startswith(OWN):
            self.announced.pop(name, None)
            self._own_sent(event, order)
        if kind is OrderFilled:
            self._filled(event, order)
        elif kind is OrderSubmitted:
            if self._crosses(order):
                self.crossing.add(name)
            self._submitted(order)
        elif kind is OrderDenied:
            if "[DOL-" in event.reason:
                self._exit_was_free(order, 0, event.reason)
        elif kind is OrderPendingUpdate:
            self.pending[name] = (leaves(order), self.killed_ns >= 0)
            self.changes[name] = self.changes.get(name, 0) + 1
        elif kind is OrderPendingCancel:
            self.canceling[name] = event.ts_event
        elif kind is OrderCancelRejected:
            self.canceling.pop(name, None)
        elif kind is OrderUpdated:
            self._updated(event, order)
        if kind in (OrderUpdated, OrderModifyRejected):
            self.changes[name] = max(0, self.changes.get(name, 0) - 1)
        if kind in (OrderSubmitted, OrderEmulated):
            self.working[name] = order
        if order.is_closed:
            self.working.pop(name, None)

    def _filled(self, event: Any, order: Any) -> None:
        key = event.position_id.value
        before = self.net.get(key, 0)
        if order.is_reduce_only and before == 0 and not self.hedging:
            return  # Nautilus publishes this fill and drops it (docs/limitations.md): no position takes it
        sign = 1 if event.order_side == OrderSide.BUY else -1
        after = round(before + sign * event.last_qty.as_double(), 6)
        self.net[key] = after
        self.where[key] = (event.instrument_id, event.strategy_id.value)
        name = order.client_order_id.value
        said = f"{name} {order.type_string()} {order.side_string()} fills {event.last_qty}: {key} {before} -> {after}"
        if name.startswith(OWN):
            if name in self.excused or self._shared(event):
                return
            if abs(after) >= abs(before) or (after * before < 0 and abs(after) > LOT):
                self.found(ZERO, said)
        elif 0 <= self.killed_ns < event.ts_event - self.race_ns:
            if abs(after) > abs(before) + LOT or (after * before < 0 and abs(after) > LOT):
                self.found(KILL, said)

    def _shared(self, event: Any) -> bool:
        """Whether another strategy holds this instrument on a netting account: the simulator judges reduce-only, and
        resizes, by whichever of their positions it finds first (docs/limitations.md).
        """
        others = [key for key, where in self.where.items() if where[0] == event.instrument_id and self.net.get(key)]
        return not self.hedging and len(set(others) - {event.position_id.value}) > 0

    def _updated(self, event: Any, order: Any) -> None:
        name = order.client_order_id.value
        if order.status in (OrderStatus.INITIALIZED, OrderStatus.RELEASED):
            if not name.startswith(OWN) and event.quantity < order.init_event.quantity:
                self._exit_was_free(order, event.quantity.as_double(), "shrunk")
            return
        before, killed = self.pending.pop(name, (0, False))
        if killed and leaves(order) > before and name in self.working and self._entering(order) >= LOT:
            self.found(KILL, f"{name} was changed from {before} to {leaves(order)} lots")

    def _own_sent(self, event: Any, order: Any) -> None:
        """Never more than its position. It waits two seconds for an exit on its way, not longer: then both may fill."""
        held = self._held(order)
        if sign(order) * held >= 0 or leaves(order) > abs(held) + LOT:
            self.found(
                ZERO, f"{order.client_order_id.value} {order.side_string()} {leaves(order)} left, position {held}"
            )
        for other in self.working.values():
            if other.is_inflight and other.side == order.side and self._key(other) == self._key(order):
                if event.ts_event - other.ts_last >= WAIT_NS:
                    self.excused.add(order.client_order_id.value)

    def _submitted(self, order: Any) -> None:
        if order.client_order_id.value.startswith(OWN):
            return
        entering = self._entering(order)
        if entering < LOT:
            return
        said = f"{order.client_order_id.value} {order.type_string()} {order.side_string()} {order.quantity} left"
        state = self.guard.parts.guard.state
        posture = state.filter.posture
        if self.killed_ns >= 0:
            self.found(KILL, f"{said}, position {self._held(order)}")
            return
        if held_child(order, self.working):
            return
        if CEILING[posture] == 0 or (posture == Posture.STALKER and self._taking(order)):
            self.found(STYLE, f"{said} in {posture.name}, position {self._held(order)}")
            return
        allowed = min(CEILING[posture], 6.0 * state.filter.confidence_ms / FULL_MS)
        used, equity = self._exposure(order), self._equity()
        if used > allowed * equity * ROUNDING + 1_000:
            self.found(LEVERAGE, f"{said}: exposure {used:.0f} over equity {equity:.0f}, allowed {allowed:.4f}")

    # --- exits --------------------------------------------------------------------------------------------------------

    def _exit_was_free(self, order: Any, left: float, why: str) -> None:
        """An order was denied, or shrunk to `left`: what of it was a free exit must have passed."""
        if order.is_quote_quantity or order.contingency_type != ContingencyType.NO_CONTINGENCY:
            return
        if order.order_list_id is not None and order.parent_order_id is not None:
            return
        held = self._held(order)
        if sign(order) * held >= 0:
            return
        free = abs(held) - self._before(order, self._takes(order))
        must = min(order.init_event.quantity.as_double(), free)
        if left < must - LOT:
            said = (
                f"{order.client_order_id.value} {order.type_string()} {order.side_string()} {order.init_event.quantity}"
            )
            self.found(EXIT, f"{said}: {must} lots were free of position {held}, {left} passed: {why}")

    def _before(self, order: Any, taking: bool) -> float:
        """Lots of the position that others take before this one, at most: the guard's, those on their way, resting,
        parked at an emulator or an algorithm, or of the same list.
        """
        total = 0.0
        for said in self.announced.values():  # the guard's, on its way and not yet in the cache
            if (said.instrument_id, said.strategy_id, said.side) == (
                order.instrument_id,
                order.strategy_id,
                order.side,
            ):
                total += said.quantity.as_double()
        for other in self.cache.orders(None, order.instrument_id, order.strategy_id):
            if other.is_closed or other is order or self._key(other) != self._key(order) or other.side != order.side:
                continue
            if self.changes.get(other.client_order_id.value):  # to what size, no event says
                return math.inf
            if taking and not other.client_order_id.value.startswith(OWN) and not self._arriving(other):
                continue
            total += self._lots(other) * (PRICED_LATER if other.is_quote_quantity else ROUNDING)
        return total

    def _arriving(self, order: Any) -> bool:
        return at_once(order) or order.is_inflight or order.order_type == OrderType.LIMIT

    def _takes(self, order: Any) -> bool:
        return order.order_type in (OrderType.MARKET, OrderType.MARKET_TO_LIMIT)

    # --- exposure -----------------------------------------------------------------------------------------------------

    def _key(self, order: Any) -> str:
        if not self.hedging:
            return f"{order.instrument_id}-{order.strategy_id}"
        named = order.position_id or self.cache.position_id(order.client_order_id)
        return named.value if named is not None else f"none {order.instrument_id} {order.strategy_id}"

    def _held(self, order: Any) -> float:
        return self.net.get(self._key(order), 0)

    def _entering(self, order: Any) -> float:
        """Lots of an order that cannot be an exit: all but what its position holds. A reduce-only one has none."""
        if order.is_reduce_only:
            return 0
        held = self._held(order)
        if sign(order) * held < 0:
            return self._lots(order) - abs(held)
        return self._lots(order)

    def _lots(self, order: Any) -> float:
        if order.is_quote_quantity:
            return float(leaves(order) / self.cache.quote_tick(order.instrument_id).ask_price.as_double())
        return leaves(order)

    def _exposure(self, new: Any) -> float:
        """Gross and working entries at the exit side with `new`, at least: what is on its way is taken as filled."""
        after = dict(self.net)
        groups: dict[tuple[str, int], dict[str, float]] = {}
        where = dict(self.where)
        for order in {**self.working, new.client_order_id.value: new}.values():
            key, lots = self._key(order), self._lots(order)
            where.setdefault(key, (order.instrument_id, order.strategy_id.value))
            if order.is_reduce_only or order.client_order_id.value.startswith(OWN):
                continue
            if order.is_emulated and order.ts_last >= self.now_ns():  # parked while this one was being judged
                continue
            if order.status == OrderStatus.PENDING_CANCEL or held_child(order, self.working):
                continue
            if at_once(order) or self._on_its_way(order):
                if self.hedging and key not in self.net:  # each opens a position of its own
                    key = order.client_order_id.value
                    where[key] = (order.instrument_id, order.strategy_id.value)
                after[key] = after.get(key, 0) + sign(order) * lots
                continue
            found = groups.setdefault((key, sign(order)), {})
            found[group(order)] = max(found.get(group(order), 0), lots)
        total = 0.0
        for key, held in after.items():
            total += abs(held) * self._price(where[key][0], held)
        for (key, side), found in groups.items():
            held = self.net.get(key, 0)  # as it was: an exit that executes at once displaces those that rest
            lots = sum(found.values())
            if side * held < 0:
                lots = max(0.0, lots - abs(held))
            total += lots * self._price(where[key][0], side)
        return total

    def now_ns(self) -> int:
        """Now, by the engine's clock."""
        return int(self.clock.timestamp_ns())

    def _crosses(self, order: Any) -> bool:
        if order.order_type != OrderType.LIMIT:
            return False
        quote = self.cache.quote_tick(order.instrument_id)
        return bool(order.price >= quote.ask_price if order.side == OrderSide.BUY else order.price <= quote.bid_price)

    def _on_its_way(self, order: Any) -> bool:
        """Whether it is a limit that crossed as it left, and the venue has not answered yet."""
        return order.status == OrderStatus.SUBMITTED and order.client_order_id.value in self.crossing

    def _taking(self, order: Any) -> bool:
        """Whether it takes liquidity, as STALKER does not let an entry do."""
        return order.order_type in TAKING or (self._crosses(order) and not order.is_post_only)

    def _price(self, instrument_id: Any, held: float) -> float:
        quote = self.cache.quote_tick(instrument_id)
        price = quote.bid_price if held > 0 else quote.ask_price
        return float(price.as_double())

    def _equity(self) -> float:
        total = self.cache.accounts()[0].balance_total(USD).as_double()
        for position in self.cache.positions_open():
            quote = self.cache.quote_tick(position.instrument_id)
            total += position.unrealized_pnl(quote.bid_price if position.is_long else quote.ask_price).as_double()
        return float(total)

    # --- when it is quiet ---------------------------------------------------------------------------------------------

    def settled(self, now_ns: int, quiet_ns: int, fills: bool) -> None:
        """At the end: a kill that has stood for long enough, in a market that `fills`, left nothing."""
        if not fills or not 0 <= self.killed_ns < now_ns - quiet_ns:
            return
        held = {key: lots for key, lots in self.net.items() if abs(lots) >= LOT}
        if held:
            self.found(FLAT, f"held: {held}")
        for name, order in self.working.items():
            if order.venue_order_id is None and not order.is_emulated:
                continue  # a child whose parent ended: the simulator never knew it, and refuses to cancel it
            if not order.is_reduce_only and not name.startswith(OWN):
                self.found(FLAT, f"{name} {order.type_string()} still works, {order.status_string()}")
