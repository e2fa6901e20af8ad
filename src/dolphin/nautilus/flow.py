"""What each thing that Nautilus says becomes: events to the kernel, changes of the book, and own orders asked for.

What belongs here: the order of things at a bar, an order event, an alert, a command. Always: read the feeds, then
sample the account, then what is due. Deciding is the kernel's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from nautilus_trader.model.events import (
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderInitialized,
    OrderModifyRejected,
    OrderRejected,
    OrderUpdated,
)

from dolphin.journal import encode, text
from dolphin.kernel.events import Event, Flow, Seen, Tick
from dolphin.kernel.units import ABSENT, NEVER_NS, NS_PER_S
from dolphin.nautilus import mailbox
from dolphin.nautilus.book import OWN_PREFIX
from dolphin.nautilus.equity import counted, late, second_ns
from dolphin.nautilus.translate import lots_of, price_units, units

if TYPE_CHECKING:
    from dolphin.nautilus.parts import Parts

ALERT: Final = "DOLPHIN-ALERT"
STRIDE: Final = "DOLPHIN-STRIDE"
TIMER: Final = "DOLPHIN-TIMER"
TIMER_NS: Final = 10_000_000
BEAT_NS: Final = NS_PER_S
FLOW_WAIT_NS: Final = 2 * NS_PER_S

_ENDS: Final = (OrderFilled, OrderRejected, OrderDenied, OrderCanceled, OrderExpired)
_REFUSALS: Final = (OrderRejected, OrderDenied)


class FlowOfEvents:
    """The handlers of one run."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._guard = parts.guard
        self._clock = parts.actor.clock
        self._stride_ns = second_ns(parts.guard.policy)
        self._claim_ns = 0
        if parts.live:
            self._claim_ns = FLOW_WAIT_NS
        self._alert_ns = NEVER_NS
        self._awake = False
        self._sampled_ns = ABSENT
        self._beat_ns = ABSENT
        self._dirty = True
        self._busy = False
        self._balance: int | None = None
        self._flow = 0
        self._flow_ns = ABSENT
        self._filled_ns = ABSENT
        self._exposed: dict[int, int] = {}

    # --- reading ------------------------------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Before a verdict or any other event: what the feeds said, what the account is worth."""
        now_ns = self._clock.timestamp_ns()
        self._letters()
        self._read(now_ns)
        if self._dirty:
            self._sample(now_ns, stood=False)
        elif now_ns - self._sampled_ns >= self._stride_ns:
            self._sample(now_ns, stood=False)

    def _read(self, now_ns: int) -> None:
        feeds = self._guard.state.feeds
        self._emit_all(self._parts.feeds.drain(feeds, now_ns, late(feeds, now_ns)))

    def _emit_all(self, events: list[Event]) -> None:
        for event in events:
            self._guard.emit(event)

    def _sample(self, now_ns: int, stood: bool) -> None:
        parts = self._parts
        if not parts.values.found(parts.settings.venue, parts.settings.currency):
            return
        self._dirty = False
        self._sampled_ns = now_ns
        self._count(now_ns)
        event = parts.sampler.event(self._guard.state, parts.values.sample(), now_ns, stood)
        if event is not None:
            self._guard.emit(event)

    def _count(self, now_ns: int) -> None:
        """Which instruments' R3 counts for the book: those held or worked in."""
        if not self._exposed:
            self._exposed = dict.fromkeys([line.number for line in self._parts.feeds.by_instrument.values()], 0)
        exposed = dict.fromkeys(self._exposed, 0)
        for group in self._parts.book.groups.values():
            line = self._parts.feeds.line_of(group.instrument)
            if line is not None:
                exposed[line.number] = 1
        self._emit_all(counted(self._guard.state, exposed, now_ns))

    def _due(self) -> None:
        """Own orders that are due, and the alert for what comes next."""
        parts = self._parts
        if parts.own.due:
            parts.own.ask()
        self.plan()

    def _look(self) -> None:
        """Read and sample: an operator wants to act on what is."""
        self._read(self._clock.timestamp_ns())
        self._sample(self._clock.timestamp_ns(), stood=False)

    # --- data ---------------------------------------------------------------------------------------------------------

    def bar(self, bar: Any) -> None:
        """A closed bar has stood: it confirms itself where one instrument is all that is held."""
        parts = self._parts
        now_ns = self._clock.timestamp_ns()
        self._letters()
        self._read(now_ns)
        self._emit_all(parts.feeds.bar(bar, self._guard.state.feeds, now_ns))
        scale = parts.scales.get(bar.bar_type.instrument_id.value)
        if scale is not None:
            parts.values.closes[scale.id] = price_units(bar.close, scale)
        parts.values.changed()
        self._flows(now_ns)
        self._sample(now_ns, stood=self._alone(bar.bar_type.instrument_id.value))
        parts.killing.calm()
        self._due()

    def _alone(self, instrument: str) -> bool:
        for group in self._parts.book.groups.values():
            if group.lots != 0:
                if group.instrument != instrument:
                    return False
        return True

    def wake(self, row: Any) -> None:
        """The first quote or trade after a silence: read in strides from now on."""
        self._awake = True
        self._parts.sleepless()
        self._letters()
        self._stride(self._clock.timestamp_ns() + self._stride_ns)
        self._dirty = True
        if self._parts.own.due:
            self.catch_up()
            self._due()

    def _stride(self, at_ns: int) -> None:
        if self._parts.live:
            return
        self._clock.set_time_alert_ns(STRIDE, at_ns, self._parts.actor.hear_alert)

    def alert(self, event: Any) -> None:
        """An alert that was set: for the kernel's next deadline, or for the end of a stride."""
        now_ns = self._clock.timestamp_ns()
        if event.name == STRIDE:
            self._strode(now_ns)
            return
        self._alert_ns = NEVER_NS
        self._letters()
        self._read(now_ns)
        self._guard.emit(Tick(now_ns))
        self._flows(now_ns)
        self._due()

    def _strode(self, now_ns: int) -> None:
        parts = self._parts
        busy = parts.feeds.waiting()
        self._letters()
        self._read(now_ns)
        self._flows(now_ns)
        self._sample(now_ns, stood=False)
        parts.killing.calm()
        self._due()
        if busy:
            self._stride(now_ns + self._stride_ns)
            return
        self._awake = False
        parts.sleep()

    def timer(self, event: Any) -> None:
        """Live, every 10 real ms: letters, the process's heartbeat, strides."""
        now_ns = self._clock.timestamp_ns()
        parts = self._parts
        parts.letter_flag = True
        if now_ns - self._beat_ns >= BEAT_NS:
            self._beat_ns = now_ns
            self._read(now_ns)
            self._guard.emit(Seen(now_ns, 0, now_ns + BEAT_NS))
            self._flows(now_ns)
            self._sample(now_ns, stood=False)
            parts.killing.calm()
            parts.check_hook()
            parts.write_status(False)
            self._due()
        elif parts.own.due:
            self._read(now_ns)
            self._due()
        self._letters()

    def plan(self) -> None:
        """Set the alert for the kernel's next deadline, or for the next own order that has to wait."""
        state = self._guard.state
        at_ns = state.plan.deadline_ns
        if state.environment.envelope_due_ms != ABSENT:
            at_ns = min(at_ns, state.plan.second_ns)
        due_ns = self._parts.own.due_ns
        if due_ns != ABSENT:
            at_ns = min(at_ns, due_ns)
        if at_ns >= self._alert_ns:
            return
        now_ns = self._clock.timestamp_ns()
        if at_ns <= now_ns:
            at_ns = now_ns + 1
        if at_ns >= now_ns + NEVER_NS // 8:
            return
        if self._alert_ns != NEVER_NS:
            self._clock.cancel_timer(ALERT)
        self._alert_ns = at_ns
        self._clock.set_time_alert_ns(ALERT, at_ns, self._parts.actor.hear_alert)

    # --- orders -------------------------------------------------------------------------------------------------------

    def order(self, event: Any) -> None:
        """An order event: book, FILL record, the next own order."""
        parts = self._parts
        if isinstance(event, OrderInitialized):
            parts.book.announced(event)
            return
        parts.values.changed()
        order = parts.cache.order(event.client_order_id)
        if order is None:
            return
        group = None
        working = parts.book.seen(order, parts.cache.position_id(event.client_order_id))
        if isinstance(event, OrderFilled):
            self._dirty = True
            self._flow_ns = ABSENT
            self._filled_ns = self._clock.timestamp_ns()
            group = parts.book.refresh(event.position_id)
            self._fill(event)
        elif working is not None:
            if isinstance(event, OrderUpdated | OrderModifyRejected):
                working.pending_lots = 0
                working.group.sums = None
        if event.client_order_id.value.startswith(OWN_PREFIX):
            if isinstance(event, _ENDS):
                self._own_ended(order, group, isinstance(event, _REFUSALS))
        if self._guard.emptying():
            parts.killing.again(working)
        self._orphans(group)
        if parts.own.due:
            self._read(self._clock.timestamp_ns())
            self._due()
        elif self._alert_ns == NEVER_NS:
            self.plan()
        parts.try_close()

    def _orphans(self, group: Any) -> None:
        """While nothing may be held, what protected a position goes with it."""
        if group is None:
            return
        if group.lots != 0:
            return
        if self._guard.emptying():
            self._parts.killing.all()

    def _own_ended(self, order: Any, group: Any, rejected: bool) -> None:
        parts = self._parts
        if group is None:
            group = parts.book.group(
                order.instrument_id, order.strategy_id, parts.cache.position_id(order.client_order_id)
            )
        parts.own.ended(group, rejected)

    def _fill(self, event: Any) -> None:
        scale = self._parts.scales.get(event.instrument_id.value)
        if scale is None:
            return
        side = 1
        if event.order_side.name == "SELL":
            side = -1
        commission = 0
        currency = ""
        if event.commission is not None:
            currency = event.commission.currency.code
            commission = units(event.commission, 10**event.commission.currency.precision)
        data = (
            f'{{"id":{text(event.client_order_id.value)},"trade":{text(event.trade_id.value)},'
            f'"instrument":{text(event.instrument_id.value)},"strategy":{text(event.strategy_id.value)},'
            f'"position":{text(_value(event.position_id))},"side":{side},"lots":{lots_of(event.last_qty, scale)},'
            f'"price":{text(str(event.last_px))},"commission":{commission},"currency":{text(currency)}}}'
        )
        self._guard.write(self._clock.timestamp_ns(), "FILL", data)

    def position(self, event: Any) -> None:
        """A position opened, changed or closed."""
        parts = self._parts
        group = parts.book.refresh(event.position_id)
        self._dirty = True
        parts.values.changed()
        if group is not None:
            if group.lots == 0:
                parts.own.adopted.pop(group.key, None)
        if parts.own.due:
            self._read(self._clock.timestamp_ns())
            self._due()
        parts.try_close()

    def account(self, event: Any) -> None:
        """Money that comes or goes without a fill is a deposit or a withdrawal."""
        parts = self._parts
        values = parts.values
        if not values.found(parts.settings.venue, parts.settings.currency):
            return
        if event.account_id != values.account.id:
            return
        total = values.account.balance_total(values.base)
        if total is None:
            return
        amount = units(total, 10**values.base.precision)
        before = self._balance
        self._balance = amount
        if before is None:
            return
        if amount == before:
            return
        now_ns = self._clock.timestamp_ns()
        if self._filled_ns != ABSENT:
            if now_ns - self._filled_ns <= self._claim_ns:  # a fill's own change comes before or after its event
                return
        self._flow += amount - before
        self._flow_ns = now_ns

    def _flows(self, now_ns: int) -> None:
        """A change of the balance that no fill has claimed."""
        if self._flow_ns == ABSENT:
            self._flow = 0
            return
        if now_ns - self._flow_ns <= self._claim_ns:
            return
        flow = self._flow
        self._flow = 0
        self._flow_ns = ABSENT
        self._guard.emit(Flow(now_ns, flow), encode({"what": "balance changed without a fill"}))

    def finish(self) -> None:
        """The last sample, so that a journal ends with what the account was worth."""
        now_ns = self._clock.timestamp_ns()
        self._read(now_ns)
        self._dirty = True
        self._sample(now_ns, stood=False)

    # --- commands -----------------------------------------------------------------------------------------------------

    def command(self, message: Any) -> None:
        """A dict with verb, cause and the verb's arguments; the answer is the journal's, and `message["answer"]`."""
        if not isinstance(message, Mapping):
            raise TypeError(f"{COMMAND_SHAPE}, found {type(message).__name__}")
        args = {str(key): value for key, value in message.items()}
        verb = str(args.pop("verb", ""))
        cause = str(args.pop("cause", ""))
        args.pop("answer", None)
        self._parts.actor.wrapped(self.catch_up)
        answer = self._parts.operator.act(verb, args, cause)
        if isinstance(message, dict):
            message["answer"] = answer
        self._due()
        self._parts.write_status(False)

    def _letters(self) -> None:
        """Commands from outside take effect at the time of the event at which they are found."""
        parts = self._parts
        if not parts.letter_flag:
            return
        parts.letter_flag = False
        for letter in mailbox.take(parts.settings.state_dir):
            if letter.error:
                mailbox.answer(parts.settings.state_dir, letter, {"ok": False, "error": letter.error})
                continue
            self._parts.actor.wrapped(self._look)
            answer = parts.operator.act(letter.verb, letter.args, letter.cause)
            mailbox.answer(parts.settings.state_dir, letter, answer)
            self._due()


COMMAND_SHAPE: Final = "Dolphin.command takes a dict with 'verb', 'cause' and the verb's arguments"


def _value(identifier: Any) -> str:
    if identifier is None:
        return ""
    return str(identifier.value)
