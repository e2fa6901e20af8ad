"""One thread: Nautilus' live clock calls timers on a thread of its own, and two writers of one journal tear it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.objects import Price, Quantity

from dolphin.journal import read, verify
from dolphin.kernel.state import Mode
from dolphin.nautilus import flow, gates, guard
from tests.nautilus.live_node import INS, Trader
from tests.nautilus.rig import replays
from tests.nautilus.test_live import run

TIMERS, EACH = 4, 30
SMALL = Quantity.from_int(1_000)
FAR = Price(0.6, 5)


class TimedTrader(Trader):
    """Sends from Nautilus' clock: four timers of 10 ms, each call on a thread of its own, `EACH` times each."""

    def __init__(self):
        super().__init__()
        self.threads = set()
        self.sent = Counter()
        self.resting = None

    def on_start(self):
        super().on_start()
        for at in range(TIMERS):
            self.clock.set_timer(f"T{at}", timedelta(milliseconds=10), callback=self.on_timer)

    def on_quote_tick(self, tick):
        pass

    def on_timer(self, event):
        at = int(event.name[1:])
        if self.sent[at] == EACH:
            return
        self.threads.add(threading.get_ident())
        self.sent[at] += 1
        if at < 2:
            side = (OrderSide.BUY, OrderSide.SELL)[at]
            self.submit_order(self.order_factory.market(INS.id, side, SMALL, client_order_id=self.named(at)))
            return
        limit = self.order_factory.limit(INS.id, OrderSide.BUY, SMALL, FAR, client_order_id=self.named(at))
        self.submit_order(limit)
        if at == 3:
            if self.resting is not None:
                self.cancel_order(self.resting)
            self.resting = limit

    def named(self, at):
        """Two timers at once may draw the same number from the order factory: that is the strategy's to see to."""
        return ClientOrderId(f"T{at}-{self.sent[at]}")


@pytest.mark.req("DOL-JOURNAL-003")
def test_live_the_guard_steps_and_writes_on_the_thread_of_the_loop_alone(tmp_path, monkeypatch):
    found = {"timer": set(), "emit": set()}
    timer, emit = flow.FlowOfEvents.timer, guard.Guard.emit

    def seen_timer(self, event):
        found["timer"].add(threading.get_ident())
        return timer(self, event)

    def seen_emit(self, *args, **kwargs):
        found["emit"].add(threading.get_ident())
        return emit(self, *args, **kwargs)

    monkeypatch.setattr(flow.FlowOfEvents, "timer", seen_timer)
    monkeypatch.setattr(guard.Guard, "emit", seen_emit)

    async def act(node):
        await asyncio.sleep(1.2)
        return threading.get_ident()

    _, _, loop_thread = run(tmp_path, act)
    assert found == {"timer": {loop_thread}, "emit": {loop_thread}}
    assert verify(str(tmp_path / "journal.jsonl")).closed


@pytest.mark.req("DOL-KILL-005")
def test_a_loop_that_is_behind_finds_one_tick_and_not_a_row_of_them(tmp_path, monkeypatch):
    ticks = []
    timer = flow.FlowOfEvents.timer

    def counted(self, event):
        ticks.append(time.monotonic())
        return timer(self, event)

    monkeypatch.setattr(flow.FlowOfEvents, "timer", counted)

    async def act(node):
        await asyncio.sleep(0.2)
        before = len(ticks)
        time.sleep(0.5)  # a callback that blocks: fifty ticks of the clock
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return before, len(ticks)

    _, _, (before, after) = run(tmp_path, act, seconds=0.0)
    assert before > 0
    assert after - before <= 2


def ended(tmp_path):
    """The guard of a live run that is over."""

    async def act(node):
        await asyncio.sleep(0)

    _, plug, _ = run(tmp_path, act, seconds=0.1)
    return plug


def test_a_tick_after_the_loop_is_closed_is_nothing(tmp_path):
    plug = ended(tmp_path)
    plug._loop = asyncio.new_event_loop()
    plug._loop.close()
    plug._ticked = False
    plug.hear_timer(None)
    plug.hear_timer(None)
    assert plug.failures == []


@pytest.fixture
def heard(monkeypatch):
    """By function: the threads on which it ran."""
    found = {}

    def spy(owner, name):
        real = getattr(owner, name)
        found[name] = set()

        def seen(self, *args, **kwargs):
            found[name].add(threading.get_ident())
            return real(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, seen)

    spy(gates.Gates, "_at")
    spy(guard.Guard, "emit")
    spy(flow.FlowOfEvents, "order")
    return found


@pytest.mark.req("DOL-PLUG-006")
@pytest.mark.parametrize("mode", ["guard", "report"])
def test_live_orders_from_a_strategys_timers_meet_the_gates_on_the_loop(tmp_path, heard, mode):
    async def act(node):
        for _ in range(300):  # a busy machine needs its time
            await asyncio.sleep(0.1)
            ended = [order for order in node.cache.orders() if order.is_closed or order.status_string() == "ACCEPTED"]
            if len(ended) == TIMERS * EACH:
                break
        ends = Counter((order.client_order_id.value[:2], order.status_string()) for order in node.cache.orders())
        return threading.get_ident(), ends

    strategy, plug, (loop_thread, ends) = run(tmp_path, act, trader=TimedTrader, mode=mode)
    assert strategy.threads
    assert loop_thread not in strategy.threads
    assert heard == {"_at": {loop_thread}, "emit": {loop_thread}, "order": {loop_thread}}
    assert plug.parts.guard.state.latch.mode == Mode.RUNNING
    path = str(tmp_path / "journal.jsonl")
    assert verify(path).closed
    assert replays(path) > 0
    judged = Counter(record.kind for record in read(path))
    assert judged["ORDER"] == TIMERS * EACH
    rested = ends.pop(("T3", "ACCEPTED"), 0)  # a cancel that overtakes its order is refused, by plain Nautilus too
    if mode == "guard":  # a live guard starts at HIBERNATE and denies entries
        assert ends == {(f"T{at}", "DENIED"): strategy.sent[at] for at in range(TIMERS)}
        return
    assert ends.pop(("T3", "CANCELED"), 0) == strategy.sent[3] - rested
    assert ends == {
        ("T0", "FILLED"): strategy.sent[0],
        ("T1", "FILLED"): strategy.sent[1],
        ("T2", "ACCEPTED"): strategy.sent[2],
    }


class KillingTrader(TimedTrader):
    """Kills from its timer."""

    def __init__(self):
        super().__init__()
        self.message = {"verb": "kill", "cause": "drill"}

    def on_timer(self, event):
        if event.name == "T0" and not self.threads:
            self.threads.add(threading.get_ident())
            self.msgbus.send("Dolphin.command", self.message)


@pytest.mark.req("DOL-PLUG-006")
def test_live_a_kill_from_a_strategys_timer_is_acted_on_and_answered_on_the_loop(tmp_path, heard):
    async def act(node):
        await asyncio.sleep(0.5)
        return threading.get_ident()

    strategy, plug, loop_thread = run(tmp_path, act, trader=KillingTrader)
    assert loop_thread not in strategy.threads
    assert heard["emit"] == {loop_thread}
    assert strategy.message["answer"]["mode"] == "KILLED"
    assert plug.parts.guard.state.latch.mode == Mode.KILLED


def test_what_comes_on_another_thread_after_the_loop_is_closed_is_handled_where_it_came(tmp_path):
    plug = ended(tmp_path)
    plug._loop = asyncio.new_event_loop()
    plug._loop.close()
    plug.parts.closed = False  # as where the loop ends before the run does
    came = []
    plug.parts.system = lambda event: came.append((event, threading.get_ident()))
    other = threading.Thread(target=plug.hear_system, args=("an event",))
    other.start()
    other.join()
    assert came == [("an event", other.ident)]


def test_a_tick_after_a_reset_is_nothing(tmp_path):
    plug = ended(tmp_path)
    plug.parts = None
    plug._ticked = True
    plug._tick(None)
    assert plug.failures == []
    assert not plug._ticked
