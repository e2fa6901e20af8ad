"""What each thing that Nautilus says becomes: events to the kernel, changes of the book, and own orders asked for.

What belongs here: the order of things at a bar, an order event, an alert, a command. Always: read the feeds, then
sample the account, then what is due. Deciding is the kernel's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nautilus_trader.model.events import OrderFilled, OrderInitialized, OrderModifyRejected, OrderUpdated

from dolphin.journal import encode
from dolphin.kernel.events import Event, Seen, Tick
from dolphin.kernel.units import ABSENT, NEVER_NS, NS_PER_S
from dolphin.nautilus.balance import Balance
from dolphin.nautilus.commands import Commands
from dolphin.nautilus.equity import Exposure, late, moved, second_ns
from dolphin.nautilus.fills import Fills
from dolphin.nautilus.intervals import SYNC_MS, Intervals
from dolphin.nautilus.made_up import doubted
from dolphin.nautilus.moving import Moving
from dolphin.nautilus.reconcile import Reconcile
from dolphin.nautilus.third import third_of
from dolphin.nautilus.translate import price_units
from dolphin.nautilus.unknown import unknown_of

if TYPE_CHECKING:
    from dolphin.nautilus.parts import Parts

ALERT: Final = "DOLPHIN-ALERT"
STRIDE: Final = "DOLPHIN-STRIDE"
TIMER: Final = "DOLPHIN-TIMER"
TIMER_NS: Final = 10_000_000
BEAT_NS: Final = NS_PER_S
STRIDE_MAX_NS: Final = 4 * NS_PER_S
"""Where a policy second is long, a move of 10 bp must not wait for its end: a sample every few real seconds sees it."""
READ_STRIDES: Final = 4
READ_NS: Final = 250_000_000
"""Sensors sample their rows on a grid of 250 ms: feeds that were read this real time ago have nothing new to say."""

_ANSWERS: Final = (OrderUpdated, OrderModifyRejected)


class FlowOfEvents:
    """The handlers of one run."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._guard = parts.guard
        self._clock = parts.actor.clock
        self._stride_ns = min(second_ns(parts.guard.policy), STRIDE_MAX_NS)
        self.balance = Balance(parts.values, parts.settings, parts.live)
        self.announce = self.balance.announce
        self.begin = self.balance.begin
        self._fills = Fills(parts.guard, parts.scales, parts.cache, parts.actor.tell)
        self._fills.filled_ns = self._clock.timestamp_ns()
        self.reconcile = Reconcile(parts, self._fills, parts.cache, SYNC_MS, third_of(parts))
        self.intervals = Intervals(parts, self.reconcile)
        self._commands = Commands(parts, self)
        self.kill_file = self._commands.kill_file
        self.signal = self._commands.signal
        self._moving = Moving(parts)
        self._unknown = unknown_of(parts)
        self.unknown, self.remember = self._unknown.told, self._unknown.begin
        self._alert_ns = NEVER_NS
        self._sampled_ns = ABSENT
        self._beat_ns = ABSENT
        self._timed_ns = ABSENT
        self._dirty = True
        self.ended = False
        self._read_ns = -READ_NS
        self._due_ns = -1
        self._exposure = Exposure(parts.book, parts.feeds)

    # --- reading ------------------------------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Before a verdict or any other event: what the feeds said, what the account is worth."""
        now_ns = self._clock.timestamp_ns()
        self._commands.kill_file()
        self._letters()
        if self._late(now_ns):
            self._read(now_ns)
        if self._dirty:
            self._sample(now_ns, stood=False)
        elif now_ns - self._sampled_ns >= self._stride_ns:
            self._sample(now_ns, stood=False)
        elif moved(self._guard.state, self._parts.values.sample()):
            self._sample(now_ns, stood=False)

    def _late(self, now_ns: int) -> bool:
        """Whether the feeds must be read before a verdict: a while ago, the kernel thinks that one is due, or one that
        it takes for absent has spoken.
        """
        if now_ns - self._read_ns >= READ_NS:
            return True
        if now_ns > self._due_ns:
            return True
        return self._parts.feeds.first_waits()

    def _read(self, now_ns: int) -> None:
        feeds = self._guard.state.feeds
        self._parts.values.changed()
        self._read_ns = now_ns
        for event in self._parts.feeds.drain(feeds, now_ns, late(feeds, now_ns)):
            self._guard.emit(self._timed(event))
        self._due_ns = self._parts.feeds.first_due_ns(self._guard.state.feeds)

    def _timed(self, event: Event) -> Event:
        """A row's own time; that of the state where it was reached before the row was read. A row that comes late is no
        clock that steps back: only the process's own clock is judged for that.
        """
        t_ns = self._guard.state.clock.t_ns
        if event.ts_ns >= t_ns:
            return event
        return event._replace(ts_ns=t_ns)

    def _emit_all(self, events: list[Event]) -> None:
        for event in events:
            self._guard.emit(self._timed(event))

    def _sample(self, now_ns: int, stood: bool) -> None:
        parts = self._parts
        if not parts.values.found(parts.settings.venue, parts.settings.currency):
            return
        if self.balance.waits:
            self._flows(now_ns)
            if self.balance.open():
                return
        self._dirty = False
        self._sampled_ns = now_ns
        counted = self._exposure.events(self._guard.state, now_ns)
        if counted:
            self._emit_all(counted)
        parts.limiting.sampled(now_ns)
        event = parts.sampler.event(self._guard.state, parts.values.sample(), now_ns, stood)
        if event is not None:
            self._guard.emit(event)
        self.intervals.sampled(now_ns)

    def due(self) -> None:
        """Own orders that are due, and the alert for what comes next."""
        parts = self._parts
        if self.ended:
            return
        if parts.own.due:
            parts.own.ask()
        self.plan()

    def look(self) -> None:
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
        self._moving.bar(bar)
        self._sample(now_ns, stood=self._alone(bar.bar_type.instrument_id.value))
        parts.killing.calm()
        self.due()

    def _alone(self, instrument: str) -> bool:
        for group in self._parts.book.groups.values():
            if group.lots != 0:
                if group.instrument != instrument:
                    return False
        return True

    def wake(self, row: Any) -> None:
        """The first quote or trade after a silence: read in strides from now on."""
        self._parts.sleepless()
        self._moving.row(row)
        self._letters()
        self._stride(self._clock.timestamp_ns() + self._stride_ns)
        self._dirty = True
        if self._parts.own.due:
            self.catch_up()
            self.due()

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
        self._passed(now_ns)

    def _passed(self, now_ns: int) -> None:
        """The time of a deadline has come."""
        self._letters()
        self._read(now_ns)
        self._guard.emit(Tick(now_ns))
        self._flows(now_ns)
        self.due()

    def _strode(self, now_ns: int) -> None:
        """The end of a stride: the account is sampled; the feeds' windows are read every few strides, or when due."""
        parts = self._parts
        busy = parts.feeds.waiting()
        self._letters()
        parts.values.changed()
        if now_ns - self._read_ns >= READ_STRIDES * self._stride_ns:
            self._read(now_ns)
        elif now_ns >= self._due_ns:  # a second after it, silence is believed: a row of that very instant is too late
            self._read(now_ns)
        self._sample(now_ns, stood=False)
        parts.killing.calm()
        self.due()
        if busy:
            self._stride(now_ns + self._pace_ns())
            return
        parts.sleep()

    def _pace_ns(self) -> int:
        """A stride; ten where nothing is held, so that no price changes equity."""
        sample = self._parts.values.sample()
        if sample.error == 1:
            return self._stride_ns
        if sample.gross == 0:
            return 10 * self._stride_ns
        return self._stride_ns

    def timer(self, event: Any) -> None:
        """Live, every 10 real ms: letters, the process's heartbeat, strides."""
        now_ns = self._clock.timestamp_ns()
        parts = self._parts
        parts.letter_flag = True
        before_ns = self._timed_ns
        self._timed_ns = now_ns
        if now_ns < before_ns:
            self._stepped_back(now_ns)
        if now_ns - self._beat_ns >= BEAT_NS:
            self._beat_ns = now_ns
            self._unknown.look()
            self._read(now_ns)
            self._guard.emit(Seen(now_ns, 0, now_ns + BEAT_NS))
            self._flows(now_ns)
            self._sample(now_ns, stood=False)
            parts.killing.calm()
            self.intervals.beat(now_ns)
            parts.check_hook()
            parts.write_status(False)
            self.due()
        elif now_ns >= self._next_ns():
            self._passed(now_ns)
        elif parts.own.due:
            self._read(now_ns)
            self.due()
        self._letters()

    def _stepped_back(self, now_ns: int) -> None:
        """The kernel judges how far; what waited for a time that has passed once goes on from the new one."""
        self._guard.emit(Seen(now_ns, 0, now_ns + BEAT_NS))
        self._beat_ns = now_ns - BEAT_NS

    def _next_ns(self) -> int:
        """The kernel's next deadline, or the next own order that has to wait."""
        state = self._guard.state
        at_ns = state.plan.deadline_ns
        if state.environment.envelope_due_ms != ABSENT:
            at_ns = min(at_ns, state.plan.second_ns)
        due_ns = self._parts.own.due_ns
        if due_ns != ABSENT:
            at_ns = min(at_ns, due_ns)
        return at_ns

    def plan(self) -> None:
        """Set the alert for what comes next. Live the timer looks; once stopping, nothing comes."""
        if self._parts.live:
            return
        if self.ended:
            return
        at_ns = self._next_ns()
        if at_ns >= self._alert_ns:
            return
        now_ns = self._clock.timestamp_ns()
        if at_ns <= now_ns:
            at_ns = now_ns + 1
        if at_ns >= now_ns + NEVER_NS // 8:
            return
        if ALERT in self._clock.timer_names:  # a stopped actor's clock has none any more
            self._clock.cancel_timer(ALERT)
        self._alert_ns = at_ns
        self._clock.set_time_alert_ns(ALERT, at_ns, self._parts.actor.hear_alert)

    # --- orders -------------------------------------------------------------------------------------------------------

    def order(self, event: Any) -> None:
        """An order event: book, FILL record, the next own order."""
        parts = self._parts
        book = parts.book
        if isinstance(event, OrderInitialized):
            book.announced(event)
            return
        parts.values.changed()
        order = parts.cache.order(event.client_order_id)
        if order is None:
            return
        group = None
        name = event.client_order_id.value
        self._unknown.hear(event, book.working.get(name))
        working = book.working.get(name)
        if working is None:
            working = book.seen(order, parts.cache.position_id(event.client_order_id))
        else:
            working = book.again(working)
        if isinstance(event, OrderFilled):
            now_ns = self._clock.timestamp_ns()
            self._dirty = True
            self.balance.filled(now_ns)
            group = book.filled(order, event)
            self._fills.record(event, name, now_ns)
            doubted(self._guard, parts.actor.tell, parts.cache, book.groups.values(), event, order, group, now_ns)
        elif working is not None:
            if isinstance(event, _ANSWERS):
                working.answered(event)
        if name in book.own_ids:
            parts.own.heard(event, order, group)
        if self._guard.emptying():
            parts.killing.again(working)
        if group is not None:
            self._orphans(group)
        if parts.own.due:
            self._read(self._clock.timestamp_ns())
            self.due()
        elif self._alert_ns == NEVER_NS:
            self.plan()
        if parts.ending:
            parts.try_close()

    def _orphans(self, group: Any) -> None:
        """While nothing may be held, what protected a position goes with it."""
        if group.lots != 0:
            return
        if self._guard.emptying():
            self._parts.killing.all()

    def position(self, event: Any) -> None:
        """A position opened, changed or closed."""
        parts = self._parts
        group = parts.book.refresh(event.position_id)
        self._dirty = True
        parts.values.changed()
        if group is not None:
            if group.lots == 0:
                parts.own.gone(group)
        if parts.own.due:
            self._read(self._clock.timestamp_ns())
            self.due()
        if parts.ending:
            parts.try_close()

    def account(self, event: Any) -> None:
        """An account state: see balance.py."""
        self.balance.account(event, self._clock.timestamp_ns())
        self._parts.values.changed()
        self._dirty = True

    def _flows(self, now_ns: int) -> None:
        """Before the sample that contains it: the kernel scales the mark by the equity that it still has."""
        flow = self.balance.flow(now_ns, self._parts.closed)
        if flow is not None:
            self._guard.emit(flow, encode({"what": "balance changed without a fill"}))
            self._parts.limiting.flowed(flow.flow)

    def finish(self) -> None:
        """The last sample, so that a journal ends with what the account was worth."""
        now_ns = self._clock.timestamp_ns()
        self._read(now_ns)
        self._dirty = True
        self._sample(now_ns, stood=False)

    def command(self, message: Any) -> None:
        """The message bus endpoint: see commands.py."""
        self._commands.told(message)

    def _letters(self) -> None:
        """Commands from outside take effect at the time of the event at which they are found."""
        if self._parts.letter_flag:
            self._commands.letters()
