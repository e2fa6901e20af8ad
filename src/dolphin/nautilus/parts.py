"""The parts of one run, put together, and what is done about the kernel's effects.

What belongs here: construction in order, the reaction to a fall, a kill and an excess, closing, status. No rule.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dolphin.journal import encode
from dolphin.kernel.events import Effect, Event, Excess, Fault, Moved, Resume, Seen, Tripped
from dolphin.kernel.policy import Posture
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import FeedKind
from dolphin.kernel.units import ABSENT, NEVER_NS
from dolphin.nautilus import ledger_start, mailbox
from dolphin.nautilus.action import Host
from dolphin.nautilus.asking import NO_FEED, Asker
from dolphin.nautilus.beating import Beating
from dolphin.nautilus.book import Book
from dolphin.nautilus.config import PlugConfig
from dolphin.nautilus.decided import take_up
from dolphin.nautilus.ending import ended
from dolphin.nautilus.equity import Sampler
from dolphin.nautilus.feeds import Feeds
from dolphin.nautilus.flow import TIMER, TIMER_NS, FlowOfEvents
from dolphin.nautilus.gates import Gates
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.hook import Hook
from dolphin.nautilus.killing import Killing
from dolphin.nautilus.latency import Latency
from dolphin.nautilus.limiting import Limiting
from dolphin.nautilus.opening import begun, money_entry
from dolphin.nautilus.operator import Operator
from dolphin.nautilus.own import WAITING, Own
from dolphin.nautilus.ports import FeedSpec
from dolphin.nautilus.standing import StatusFile, status_of
from dolphin.nautilus.translate import Scale, scale_of
from dolphin.nautilus.values import Values

PROCESS: Final = FeedSpec("process", FeedKind.HEARTBEAT)
WATCH_S: Final = 0.25
LATE_NS: Final = {True: 1_000_000_000, False: NEVER_NS}  # by live: a backtest's market waits for the disk


class Parts:
    """Everything of one run. `actor` gives clock, cache, message bus, log and the wrapped handlers."""

    def __init__(self, actor: Any, settings: PlugConfig, hook: Hook, live: bool) -> None:
        self.actor = actor
        self.settings = settings
        self.hook = hook
        self.live = live
        self.cache = actor.cache
        self.letter_flag = True
        self.closed = False
        self.ending = False
        self._subscribed: list[tuple[str, Any]] = []
        self._sleeping: list[str] = []
        self._watching = threading.Event()
        self._watcher: threading.Thread | None = None
        self.scales: dict[str, Scale] = {}
        for instrument in self.cache.instruments():
            scale = scale_of(instrument)
            self.scales[scale.id] = scale
        source = actor.sensor_source(settings.sensors)
        specs = source.specs(sorted(self.scales))
        first = 0
        self.all_specs = tuple(specs)
        if live:
            first = 1
            self.all_specs = (PROCESS, *specs)
        self.policy = settings.made_policy()
        self.book = Book(self.cache, self.scales)
        self.values = Values(self.cache, actor.portfolio, actor.clock, self.scales, self.book)
        self.feeds = Feeds(actor.msgbus, source, specs, self.scales, first)
        self.sampler = Sampler(self.policy)
        self.latency = Latency()
        self.host = Host(actor.msgbus, self.cache, actor.clock, hook)
        found = begun(
            settings, self.policy, self.all_specs, self.scales,
            money_entry(self.values, settings.venue, settings.currency), actor.trader_id.value, live,
            actor.clock.timestamp_ns(),
        )  # fmt: skip
        self.status_file = StatusFile(Path(settings.state_dir))
        self.status_file.remove()
        self.resumed, self.decided, self.held = found.resumed, found.decided, found.held
        self._other_scales = found.scales
        self.guard = Guard(
            self.policy, found.state, found.journal, self.react, settings.mode == "report", found.latch_file,
            self.reacted, found.keeper, settings.segment_mib << 20, settings.kept, LATE_NS[live],
        )  # fmt: skip
        self.beating = Beating(settings.state_dir, found.journal.instance, actor.tell, found.journal, found.latch_file)
        self.killing = Killing(self.guard, self.book, self.host)
        self.own = Own(
            self.guard, self.book, self.values, self.scales, self.host, self.cache, actor.clock, self.fresh,
            self.feed_of, settings.run_id, not live, actor.tell,
        )  # fmt: skip
        self.flow = FlowOfEvents(self)
        self.asker = Asker(
            self.book, self.values, actor.clock, self.flow.catch_up, self.feed_of, self.policy.l_raw_bp,
        )  # fmt: skip
        self.limiting = Limiting(actor, settings.limits, self.guard, self.book, self.values, self.scales)
        self.gates = Gates(
            self.guard, self.asker, self.book, self.host, self.latency, self.cache, actor.failed, self.own.displace,
            actor.tell, self.doubtful, self.limiting,
        )  # fmt: skip
        seed: int | None = settings.seed
        if live:
            seed = None
        self.operator = Operator(
            self.guard, self.own, self.feeds, actor.clock, seed, self.status, self.holding, self.flow.announce,
            self.limiting, self.flow.reconcile.now,
        )  # fmt: skip

    # --- beginning ----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Subscribe, say what is known of the feeds, test the host, know what is held."""
        actor = self.actor
        now_ns = actor.clock.timestamp_ns()
        for topic, handler in (
            ("data.bars.*", actor.hear_bar),
            ("events.order.*", actor.hear_order),
            ("events.position.*", actor.hear_position),
            ("events.account.*", actor.hear_account),
            ("events.system.*", actor.hear_system),
        ):
            actor.listen(topic, handler)
            self._subscribed.append((topic, handler))
        self.feeds.subscribe()
        self.sleep()
        self._spoken(now_ns)
        self.limiting.begin(self.decided.limits, self.guard.state.capital.equity)
        self._tested()
        self.book.loaded()
        self.flow.remember(self.decided.unknown)
        self.flow.begin()
        self._adopt(now_ns)
        self.flow.kill_file()
        self._emptied_before()
        self._watch()
        if self.live:
            actor.clock.set_timer_ns(TIMER, TIMER_NS, 0, 0, actor.hear_timer)
            self.beating.tick(not self.guard.running())
        self.flow.plan()
        self.write_status(True)

    def _spoken(self, now_ns: int) -> None:
        """A restart; the process's first beat; in a backtest a feed is absent before its first row."""
        if self.resumed:
            self.guard.emit(Resume(now_ns))
        ledger_start.rescaled(self.guard, self._other_scales, now_ns)
        self._hold(now_ns)
        if self.live:
            self.guard.emit(Seen(now_ns, 0, now_ns + 1_000_000_000))
            return
        for line in self.feeds.lines:
            self.guard.emit(Seen(now_ns, line.number, NEVER_NS))

    def _hold(self, now_ns: int) -> None:
        """A kill stands that the journal could not record: the run begins with it."""
        held = self.held
        if held is None:
            return
        what = "come up KILLED; find out why, then `dolphin arm` and `dolphin confirm`"
        self.actor.tell("LATCH", f"{held.why} [DOL-KILL-006]: {what}")
        self.note(held.said())
        self.guard.emit(Fault(now_ns, held.cause))

    def _tested(self) -> None:
        found = self.hook.self_test()
        if found:
            self.not_as_measured(found)

    def not_as_measured(self, found: list[str]) -> None:
        """A self-test failed: the guard may be blind or bypassed, so the latch trips."""
        self.actor.tell("SELF-TEST", "; ".join(found))
        self.note({"what": "self-test", "found": found})
        self.guard.emit(Fault(self.actor.clock.timestamp_ns(), Cause.SELF_TEST))

    def check_hook(self) -> None:
        """Whether the endpoints are still ours."""
        found = self.hook.not_ours()
        if found:
            if self.guard.running():
                self.not_as_measured(found)

    def _adopt(self, now_ns: int) -> None:
        """Positions that a first live start finds wait for the operator; those of an earlier run are known."""
        take_up(self.decided, self.own, self.book, self.guard, self.actor.tell, now_ns)
        ledger_start.opening_entry(self, now_ns)
        if not self.live:
            return
        if self.resumed:
            return
        held = self.own.positions()
        if held:
            self.guard.write(now_ns, "ADOPT", encode({"positions": held}))
            self.own.adopted.update(dict.fromkeys(held, WAITING))
            self.actor.tell("ADOPT", f"{len(held)} positions wait for `adopt` or `flatten`")

    def _emptied_before(self) -> None:
        """An earlier run ended killed or in HIBERNATE: what still works at the venue must not fill now."""
        if not self.resumed:
            if self.held is None:
                return
        if self.guard.emptying():
            self.killing.all()
            self.own.begin()

    def _watch(self) -> None:
        """In a backtest a thread looks for letters; live the timer does."""
        if self.live:
            return
        self._watcher = threading.Thread(target=self._look, name="dolphin-mailbox", daemon=True)
        self._watcher.start()

    def _look(self) -> None:
        while not self._watching.wait(WATCH_S):
            try:
                if mailbox.waiting(self.settings.state_dir):
                    self.letter_flag = True
            except Exception:
                self.letter_flag = True  # the next event looks itself, where a fault is caught

    def sleep(self) -> None:
        """Be woken by the next quote or trade."""
        if self._sleeping:
            return
        if self.live:
            return
        for line in self.feeds.lines:
            if line.scale is not None:
                where = line.scale.instrument_id
                for kind in ("quotes", "trades"):
                    topic = f"data.{kind}.{where.venue}.{where.symbol}"
                    self.actor.listen(topic, self.actor.hear_wake)
                    self._sleeping.append(topic)

    def sleepless(self) -> None:
        """No frame a row while rows come."""
        for topic in self._sleeping:
            self.actor.msgbus.unsubscribe(topic=topic, handler=self.actor.hear_wake)
        self._sleeping.clear()

    # --- what parts ask -----------------------------------------------------------------------------------------------

    def feed_of(self, instrument: str) -> int:
        """The header's index of the feed that judges orders on this instrument."""
        line = self.feeds.line_of(instrument)
        if line is None:
            return NO_FEED
        return line.number

    def fresh(self, instrument: str) -> bool:
        """Whether own orders on this instrument may leave."""
        line = self.feeds.line_of(instrument)
        if line is None:
            return False
        return self.feeds.fresh(line, self.guard.state.feeds[line.number], self.actor.clock.timestamp_ns())

    def doubtful(self) -> bool:
        """Whether a handler failed in this run, so that the book may be wrong."""
        return bool(self.actor.faults)

    def holding(self) -> int:
        """What is held as one number: 0 flat; ABSENT while something is in flight or unknown."""
        if self.guard.state.capital.error_ns >= 0:
            return ABSENT
        return self.book.holding()

    # --- reacting -----------------------------------------------------------------------------------------------------

    def react(self, event: Event, effects: tuple[Effect, ...]) -> None:
        """Act on what a step brought: tell, cancel, ask for own orders."""
        fell = False
        emptied = False
        for effect in effects:
            if isinstance(effect, Moved):
                self._tell_move(effect)
                if effect.after > effect.before:
                    fell = True
                if effect.after == Posture.HIBERNATE:
                    emptied = True
            elif isinstance(effect, Tripped):
                self._tell_kill(effect)
                emptied = True
            elif isinstance(effect, Excess):
                fell = True
        if emptied:
            self.killing.all()
        if self._acts(fell, emptied):
            self.own.begin()
        if not emptied:
            self.write_status(False)

    def reacted(self) -> None:
        """After a kill or a fall into HIBERNATE was acted upon, and was recorded or refused."""
        self.write_status(True)
        refusal = self.guard.latch_refusal
        if refusal:
            self.actor.tell("LATCH", f"{refusal} [DOL-KILL-006]")

    def _tell_kill(self, effect: Tripped) -> None:
        text = f"cause={effect.cause.name} episode={effect.episode} ts={effect.ts_ns}"
        if effect.cause == Cause.JOURNAL_WRITE:
            text = f"{text} error={self.guard.refusal}"
        self.actor.tell("KILLED", text)

    def _acts(self, fell: bool, emptied: bool) -> bool:
        """Whether own orders are asked for: not once the actor has stopped, when no venue would fill them."""
        if self.flow.ended:
            return False
        if emptied:
            return True
        return fell

    def _tell_move(self, effect: Moved) -> None:
        way = "MOVED UP"
        if effect.after > effect.before:
            way = "FELL"
        readings = self.guard.state.readings
        self.actor.tell(
            way,
            f"{effect.before.name} -> {effect.after.name} confidence_ms={effect.confidence_ms} "
            f"R={list(readings)} ts={effect.ts_ns}",
        )

    def fault(self, text: str) -> None:
        """An exception in a handler: Category 1, and a note of what it was."""
        self.guard.emit(Fault(self.actor.clock.timestamp_ns(), Cause.EXCEPTION), encode({"error": text}))

    def note(self, said: Mapping[str, Any]) -> None:
        """A NOTE record."""
        self.guard.write(self.actor.clock.timestamp_ns(), "NOTE", encode(said))

    # --- status and end -----------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What an operator wants to know."""
        return status_of(self)

    def write_status(self, always: bool) -> None:
        """See `StatusFile.write`."""
        error = self.status_file.write(self.status, always)
        if error:
            self.actor.failures.append(f"status: {error}")

    def system(self, event: Any) -> None:
        """The ExecEngine has stopped: what strategies sent at their end has been sent."""
        if event.state.name != "STOPPED":
            return
        if event.component_id.value in ("ExecEngine", "ExecutionEngine"):
            self.ending = True
            self.try_close()

    def stopping(self) -> None:
        """The actor stops; strategies stop after it."""
        try:
            self.flow.catch_up()
        finally:
            self.flow.ended = True
            if self.live:
                self.beating.ending(not self.guard.running())

    def try_close(self) -> None:
        """The host's engines have stopped (`ending`): close once nothing is in flight."""
        if self.book.moving:
            return
        self.close()

    def close(self) -> None:
        """The last sample, CLOSE with the totals, the head to the log."""
        if self.closed:
            return
        self.closed = True
        self._watching.set()
        self.flow.finish()
        now_ns = self.actor.clock.timestamp_ns()
        head, why_not = ended(self.guard, self.own.sent, now_ns)
        if why_not:
            self.actor.tell("JOURNAL", why_not)
        else:
            self.actor.log.info(f"journal {self.settings.state_dir} ends at {head}")
        self.write_status(True)
        self.beating.end(not self.guard.running())

    def unsubscribe(self) -> None:
        """Hear nothing any more: before another run of the same engine."""
        self.sleepless()
        for topic, handler in self._subscribed:
            self.actor.msgbus.unsubscribe(topic=topic, handler=handler)
        self._subscribed.clear()
        self.feeds.unsubscribe()
