"""The kernel itself conforms to the model: random lives of a book, each visit and event judged by TLC."""

from __future__ import annotations

import random

import pytest

from dolphin.audit.trace_tla import Action, TraceRecord, check
from dolphin.kernel import events as ev
from dolphin.kernel import handlers, machine
from dolphin.kernel.policy import DAY_NS, INTRADAY
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import FeedKind, Mode, State
from dolphin.kernel.units import NS_PER_S as S

FEEDS = (FeedKind.HEARTBEAT, FeedKind.DATA, FeedKind.ENVELOPE)


def record(state: State, before: State, action: Action = Action.VISIT, **given: int) -> TraceRecord:
    """What a visit or an event has left behind; `given` is what went in."""
    went_in = {"credit_ms": 0, "elapsed_ns": 0, "nonce": -1, "episode_named": 0, "clear": 0, "green": 0}
    went_in |= {"holding": -1} | given
    missed = int(state.latch.episode != before.latch.episode) if action == Action.VISIT else 0
    book, r = state.filter, state.readings
    return TraceRecord(
        action=action, r2_bp=r.r2_bp, r3_bp=r.r3_bp, r4_bp=r.r4_bp, r5_bp=r.r5_bp, flat=state.capital.flat,
        missed=missed, confidence_ms=book.confidence_ms, posture=book.posture, mode=state.latch.mode,
        held_bp=book.held_bp, episode=state.latch.episode, **went_in,
    )  # fmt: skip


class Life:
    """A book, its records, and the dice that decide what happens to it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.state = machine.start(INTRADAY, 0, FEEDS, envelope=True)
        self.records: list[TraceRecord] = []
        self.nonce = 0
        self.equity = 1_000_000

    def happens(self, event: ev.Event) -> None:
        """One record for each visit on the way, and one for the event."""
        arrives_ns = handlers.arrives(self.state, event)
        while self.state.clock.t_ns < arrives_ns:
            before = self.state
            stop_ns = machine.next_stop(before, arrives_ns)
            self.state, _ = machine.visit(INTRADAY, before, stop_ns)
            credit_ms = machine.credited_ms(INTRADAY, before, stop_ns)
            elapsed_ns = stop_ns - before.clock.t_ns
            self.records.append(record(self.state, before, credit_ms=credit_ms, elapsed_ns=elapsed_ns))
        before = self.state
        self.state, _ = machine.step(INTRADAY, before, event)
        self.records.append(self.described(before, event))

    def described(self, before: State, event: ev.Event) -> TraceRecord:
        green = int(handlers.green(before))
        match event:
            case ev.Arm():
                clear = int(event.observed_flat == 1 or event.accepted == 1)
                kept = event.holding if event.accepted == 1 else 0
                said = {"nonce": event.nonce, "episode_named": event.episode, "clear": clear, "green": green}
                return record(self.state, before, Action.ARM, holding=kept, **said)
            case ev.Confirm():
                said = {"nonce": event.nonce, "green": green, "holding": event.holding}
                return record(self.state, before, Action.CONFIRM, **said)
            case ev.RebaseArm():
                return record(self.state, before, Action.REBASE_ARM, nonce=event.nonce)
            case ev.RebaseConfirm():
                clear = int(before.capital.equity > 0)
                return record(self.state, before, Action.REBASE_CONFIRM, nonce=event.nonce, clear=clear)
            case ev.Tick() if event.ts_ns < before.clock.t_ns:
                return record(self.state, before, Action.STEP_BACK, elapsed_ns=before.clock.t_ns - event.ts_ns)
            case ev.Resume():
                return record(self.state, before, elapsed_ns=self.state.clock.t_ns - before.clock.t_ns)
        return record(self.state, before)

    def feeds_speak(self) -> None:
        t_ns, dice = self.state.clock.t_ns, self.dice
        for feed in range(len(FEEDS)):
            r3_bp = dice.choice((9_000, 5_003, 2_000)) if dice.random() < 0.05 else 10_000
            due_ns = t_ns + dice.choice((300, 400, 4_000)) * S
            self.happens(ev.Seen(t_ns, feed, due_ns, r3_bp, int(dice.random() < 0.01)))

    def something_happens(self) -> None:
        t_ns, dice, latch = self.state.clock.t_ns, self.dice, self.state.latch
        chance = dice.random()
        if chance < 0.60:
            self.happens(ev.Tick(t_ns + dice.choice((1, S // 2, S, 60 * S, 300 * S)) + dice.randrange(10**6)))
        elif chance < 0.72:
            self.equity = int(self.equity * dice.choice((0.9, 0.97, 1, 1, 1.03, 1.1)))
            flat, unreadable = dice.randrange(2), int(dice.random() < 0.02)
            gross = 0 if flat else self.equity
            self.happens(ev.Equity(t_ns, self.equity, gross, flat, dice.randrange(2), unreadable))
        elif chance < 0.73:
            self.happens(dice.choice((ev.Shock(t_ns), ev.Kill(t_ns), ev.Fault(t_ns, Cause.LEDGER_DESYNC))))
        elif chance < 0.74:
            self.happens(ev.Tick(max(0, t_ns - dice.choice((1, S, S + 1, 2 * S)))))
        elif chance < 0.82 and latch.mode == Mode.ARM_PENDING and dice.random() < 0.8:
            self.happens(ev.Tick(t_ns + dice.choice((59, 61, 61, 61)) * S))
        elif chance < 0.82:
            self.nonce += 1
            episode = latch.episode - (dice.random() < 0.1)
            held = dice.choice((-1, 0, 7, 1 << 52))
            self.happens(ev.Arm(t_ns, episode, self.nonce, dice.randrange(2), dice.randrange(2), held))
        elif chance < 0.90:
            held = dice.choice((-1, 0, 0, latch.kept, 7))
            self.happens(ev.Confirm(t_ns, latch.nonce if dice.random() < 0.9 else 3, held))
        elif chance < 0.92:
            self.nonce += 1
            self.happens(ev.RebaseArm(t_ns, self.nonce))
        elif chance < 0.96:
            self.happens(ev.RebaseConfirm(t_ns, self.state.capital.rebase_nonce if dice.random() < 0.9 else 3))
        elif chance < 0.98:
            self.happens(ev.Counted(t_ns, 1, dice.randrange(2)))
        else:
            self.happens(ev.Resume(t_ns + dice.choice((S, 61 * S, DAY_NS, 31 * DAY_NS))))


def life(seed: int, count: int) -> list[TraceRecord]:
    book = Life(seed)
    book.happens(ev.Equity(0, book.equity, flat=1, stood=1))
    while len(book.records) < count:
        book.feeds_speak()
        book.something_happens()
    return book.records


@pytest.mark.req("DOL-FILTER-002", "DOL-TIME-002", "DOL-TIME-003", "DOL-KILL-001", "DOL-REARM-005")
@pytest.mark.parametrize("seed", [4, 5])
def test_the_kernel_conforms_to_the_model(seed: int) -> None:
    records = life(seed, 8_000)
    verdict = check(records)
    around = "\n".join(map(str, records[max(0, verdict.first_bad - 2) : verdict.first_bad + 1]))
    assert verdict.ok, f"{verdict}\n{around}"
    assert {one.action for one in records} == set(Action)
    assert {one.mode for one in records} == {0, 1, 2}
    assert {one.posture for one in records} == {0, 1, 2, 3}
