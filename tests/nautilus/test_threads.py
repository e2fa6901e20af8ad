"""One thread: Nautilus' live clock calls timers on a thread of its own, and two writers of one journal tear it."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from dolphin.journal import verify
from dolphin.nautilus import flow, guard
from tests.nautilus.live_node import guard_of
from tests.nautilus.test_live import run


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


def test_a_tick_after_the_loop_is_closed_is_nothing(tmp_path):
    held = []

    async def act(node):
        held.append(guard_of(node))

    run(tmp_path, act, seconds=0.1)
    plug = held[0]
    plug._loop = asyncio.new_event_loop()
    plug._loop.close()
    plug._ticked = False
    plug.hear_timer(None)
    plug.hear_timer(None)
    assert plug.failures == []
