"""Journals for tests and benchmarks, made as a host makes them (step, encode, append) and without any host.

`Maker` writes one record an event; `scripted` covers every kind and transition, `mixed` is what a long run looks like:
mostly TICK, SEEN, EQUITY and ORDER.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dolphin.journal import Head, Journal
from dolphin.journal import encode as plain_text
from dolphin.journal.aside import Aside
from dolphin.journal.checkpoint import data as checkpoint_data
from dolphin.journal.codec import encode, policy_hash, policy_object, state_hash
from dolphin.journal.segments import under
from dolphin.kernel import events as ev
from dolphin.kernel import machine
from dolphin.kernel.policy import DAILY, INTRADAY, Policy
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import FeedKind
from dolphin.kernel.units import FULL_MS
from dolphin.limits.codes import Code, Mode
from dolphin.limits.config import Rule, made, to_object
from dolphin.limits.facts import NO_FACTS, Names, said

S = 1_000_000_000
MS = 1_000_000
T0 = 1_600_000_000 * S
MONEY = 10_000_000  # 100,000.00 in cents
FEEDS = (
    ("timer", FeedKind.HEARTBEAT),
    ("EURUSD.SIM", FeedKind.DATA),
    ("GBPUSD.SIM", FeedKind.DATA),
    ("forewarner", FeedKind.ENVELOPE),
    ("vix", FeedKind.ENVIRONMENT),
)
EUR, GBP = 1, 2
STRATEGY = "TREND-000"
POSITION = "EURUSD.SIM-TREND-000"


class Maker:
    """A host that keeps a journal: `event` steps the machine and writes what came of it."""

    def __init__(
        self,
        path: Path,
        policy: Policy = INTRADAY,
        feeds: tuple[tuple[str, FeedKind], ...] = FEEDS,
        *,
        confidence_ms: int = FULL_MS,
        envelope: bool = True,
        t_ns: int = T0,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.policy = policy
        self.now = t_ns
        self.feeds = feeds
        self.state = machine.start(
            policy, t_ns, tuple(kind for _, kind in feeds), confidence_ms=confidence_ms, envelope=envelope
        )
        header = {
            "run": "TEST-1",
            "host": "backtest",
            "mode": "guard",
            "start_ns": t_ns,
            "anchor_ns": t_ns,
            "confidence_ms": confidence_ms,
            "envelope": int(envelope),
            "feeds": [
                {"name": name, "kind": kind.name, "instrument": name if kind == FeedKind.DATA else ""}
                for name, kind in feeds
            ],
            "policy": policy_object(policy),
            "absent": [],
        }
        self.journal = Journal.create(
            str(path), header | dict(more or {}), policy_hash=policy_hash(policy), ts_ns=t_ns, instance="0" * 32
        )
        self.count = self.held = self.owns = self.turns = 0
        self.aside = Aside()
        self.aside.each("HEADER", header | dict(more or {}))

    def event(self, event: ev.Event, note: str = "") -> tuple[ev.Effect, ...]:
        self.state, effects = machine.step(self.policy, self.state, event)
        kind = ev.KIND[type(event)]
        text = encode(event, effects, self.state, note)
        self.journal.append(max(event.ts_ns, 0), kind, text)
        self.aside.each(kind, json.loads(text))
        return effects

    def other(self, kind: str, **fields: Any) -> None:
        self.journal.append(self.now, kind, plain_text(fields))
        self.aside.each(kind, json.loads(plain_text(fields)))

    def checkpoint(self) -> None:
        """The fold of all that was written."""
        self.journal.append(self.now, "CHECKPOINT", checkpoint_data(self.state, self.aside))

    def rotate(self) -> None:
        """Go on in a new segment."""
        self.journal.rotate(self.now, checkpoint_data(self.state, self.aside))
        self.turns += 1

    def under(self, policy: Policy) -> None:
        """Go on under another policy, as a start does that was told to: in a new segment."""
        word = f"{policy_hash(self.policy)[:16]}:{policy_hash(policy)[:16]}"
        header = under(
            self.journal._header, policy_object(policy), policy_hash(policy), self.journal.head.seq + 1, word, "tester"
        )
        self.journal.rotate(self.now, checkpoint_data(self.state, self.aside), header)
        self.policy = policy
        self.turns += 1

    def wait(self, s: float) -> int:
        self.now += int(s * S)
        return self.now

    def hear(self, due_s: float = 3_600, **one: Any) -> None:
        """Every feed speaks now."""
        for index in range(len(self.feeds)):
            self.event(ev.Seen(self.now, index, self.now + int(due_s * S), **one))

    def tick(self, s: float = 0) -> None:
        self.event(ev.Tick(self.wait(s)))

    def equity(self, equity: int = MONEY, gross: int = 0, *, flat: int = 0, stood: int = 0, error: int = 0) -> None:
        self.event(ev.Equity(self.now, equity, gross, flat, stood, error))

    def order(self, side: int = 1, lots: int = 10, **over: int) -> ev.Verdict:
        self.count += 1
        feed = over.get("feed", EUR)
        fields = {
            "feed": EUR, "side": side, "lots": lots, "taking": 1, "named": 1, "reduce_only": 0, "whole": 0,
            "position_lots": self.held if feed == EUR else 0, "resting_lots": 0, "own_lots": 0, "min_lots": 1,
            "value_u": 100_000 * 1_000_000, "gross": 0, "working": 0, "equity": MONEY, "l_raw_bp": 60_000,
        } | over  # fmt: skip
        note: dict[str, Any] = {"id": f"O-{self.count}", "strategy": STRATEGY, "gate": 1}
        if "cap" in over:
            note["limits"] = self.judged(ev.Order(self.now, **fields))
        verdict = self.event(ev.Order(self.now, **fields), plain_text(note))[-1]
        assert isinstance(verdict, ev.Verdict)
        return verdict

    def limits(self, lots: int) -> None:
        """A limit on the quantity of an order is in force."""
        quantity = made({Code.ORDER_QUANTITY: Rule(Mode.ON, lots * 1_000_000)}, {})
        self.other("NOTE", what="limits", limits=to_object(quantity))

    def judged(self, order: ev.Order) -> dict[str, Any]:
        """What the plug-in writes of an order that a limit holds back."""
        facts = NO_FACTS._replace(
            side=order.side, entry_lots=order.lots, value_u=order.value_u, equity=order.equity, gross=order.gross,
            working=order.working, size_power=1, lot_units=1, minor=100, list_lots=order.lots,
        )  # fmt: skip
        return {"limit": "order_quantity"} | said(Names("EURUSD.SIM", "SIM", STRATEGY), facts)

    def reduce(self, position_lots: int, **over: int) -> ev.Reduced:
        fields = {
            "feed": EUR, "position_lots": position_lots, "own_lots": 0, "value_u": 100_000 * 1_000_000, "gross": 0,
            "equity": MONEY, "l_raw_bp": 60_000, "fresh": 1, "last_ns": -1, "adopted": 1,
        } | over  # fmt: skip
        note = plain_text({"position": POSITION}) if position_lots == self.held else ""
        reduced = self.event(ev.Reduce(self.now, **fields), note)[-1]
        assert isinstance(reduced, ev.Reduced)
        return reduced

    def own(self, lots: int, reason: str, tag: str) -> int:
        """An own order leaves, and is filled."""
        self.owns += 1
        self.other(
            "OWN", id=f"DOLPHIN-TEST-1-{self.journal.head.seq}", position=POSITION, instrument="EURUSD.SIM",
            strategy=STRATEGY, side=-1, lots=lots, tag=tag, reason=reason,
        )  # fmt: skip
        return self.fill(-1, lots, f"DOLPHIN-TEST-1-{self.journal.head.seq - 1}")

    def fill(self, side: int, lots: int, name: str = "", **more: int) -> int:
        """A fill of the last order, or of `name`, as the plug-in writes it; what is held after it."""
        self.held += side * lots * more.get("applied", 1)
        self.other(
            "FILL", id=name or f"O-{self.count}", trade=f"T-{self.journal.head.seq}", instrument="EURUSD.SIM",
            strategy=STRATEGY, position=POSITION, side=side, lots=lots, price="1.00000", commission=0, currency="USD",
            **more,
        )  # fmt: skip
        return self.held

    def command(self, verb: str, cause: str, args: Mapping[str, Any], reason: str = "", **more: Any) -> None:
        """An operator's command, after what it brought about."""
        answer: dict[str, Any] = {"ok": True, "verb": verb}
        if reason:
            answer["reason"] = reason
        latch, posture = self.state.latch, self.state.filter.posture
        answer |= {"mode": latch.mode.name, "episode": latch.episode, "posture": posture.name, **more}
        self.other("COMMAND", verb=verb, args=dict(args), cause=cause, answer=answer)

    def close(self) -> Head:
        written = self.journal.head.seq - self.turns
        return self.journal.close(
            self.now, plain_text({"records": written, "own": self.owns, "state": state_hash(self.state)})
        )


def scripted(path: Path, policy: Policy = INTRADAY, *, gap: bool = False) -> Head:
    """A run in which everything happens once: every kind, every posture, every turn of the latch, every answer."""
    day_s = max(policy.rebase_trapped_ns, policy.rebase_gap_ns) // S
    m = Maker(path, policy)
    m.other("NOTE", what="started")
    m.other("ADOPT", positions=["GBPUSD.SIM-TREND-000"])
    m.hear()
    m.event(ev.Counted(m.now, EUR, 1))
    m.event(ev.Counted(m.now, GBP, 1))
    m.equity(flat=1, stood=1)
    m.tick(1)
    m.order(1, 100)
    held = m.fill(1, 100)
    gross = 100 * 100_000
    m.equity(gross=gross)
    m.order(1, 600, position_lots=held, gross=gross)  # shrunk to the leverage that is left
    m.order(1, 600, position_lots=held, gross=gross, min_lots=595)
    m.order(-1, 150, position_lots=held, gross=gross, reduce_only=1)
    m.order(1, 10, position_lots=held, gross=gross, value_u=0)
    m.order(-1, 150, position_lots=held, gross=gross)  # through zero: exit and entry
    m.order(-1, 30, position_lots=held, gross=gross, resting_lots=90)  # outranks a resting exit
    m.order(-1, 30, position_lots=held, gross=gross, own_lots=90, reduce_only=1)
    m.order(-1, 30, position_lots=held, gross=gross, named=0)
    m.order(1, 1, position_lots=held, gross=gross, min_lots=5, whole=1, working=59_999_000)
    m.limits(6)
    m.order(1, 7, position_lots=held, gross=gross, cap_lots=0, cap=2)  # a limit leaves nothing
    m.limits(1_000)
    m.order(1, 10, feed=9)
    m.reduce(held, gross=gross)
    m.wait(1)
    m.event(ev.Seen(m.now, EUR, m.now + 30 * S, 5_000))  # a thin book: R3 halves the confidence
    m.order(1, 10, position_lots=held, gross=gross)
    m.order(1, 10, position_lots=held, gross=gross, taking=0)
    m.event(ev.Counted(m.now, GBP, 0))
    m.event(ev.Seen(m.now, GBP, m.now + 3_600 * S, 10_000, 1))
    m.order(1, 10, feed=GBP, gross=gross, taking=0)
    m.event(ev.Seen(m.now, GBP, m.now + S))
    m.order(1, 10, feed=GBP, gross=gross, taking=0)
    m.wait(2)
    m.order(1, 10, feed=GBP, gross=gross, taking=0)
    m.event(ev.Seen(m.now, GBP, m.now + 3_600 * S))
    m.event(ev.Counted(m.now, GBP, 1))
    m.event(ev.Seen(m.now, EUR, m.now + 3_600 * S))
    m.event(ev.SensorError(m.now, 4, 1))
    m.order(1, 10, position_lots=held, gross=gross, taking=0)
    m.event(ev.SensorError(m.wait(2), 4, 0))
    m.event(ev.SensorError(m.now, 2, 1))
    m.event(ev.SensorError(m.wait(2), 2, 0))
    m.tick(300)
    # An empty book: TURTLE at once, STALKER after 600 s, APEX after 3,720 s.
    m.event(ev.Seen(m.now, EUR, m.now + 3_600 * S, 3_000))
    m.order(1, 10, position_lots=held, gross=gross)
    m.order(-1, 10, position_lots=held, gross=gross)
    m.order(-1, 10, position_lots=held, gross=gross, named=0)
    m.equity(gross=gross * 2)
    reduced = m.reduce(held, gross=gross * 2)
    held = m.own(reduced.lots, "TRIM", "DOLPHIN_TRIM")
    m.reduce(held, gross=gross, last_ns=m.now)
    m.reduce(held, gross=gross * 4, last_ns=m.now)
    m.reduce(held, own_lots=5)
    m.reduce(held, fresh=0)
    m.reduce(held, adopted=0)
    m.reduce(0)
    m.hear(7_200)
    m.tick(599)
    m.tick(5)
    m.order(1, 10, taking=0, equity=MONEY * 3)
    m.tick(3_200)
    m.hear(7_200)
    # The operator kills; the re-arm takes two steps and a minute.
    m.event(ev.Kill(m.wait(1)))
    m.command("kill", "drill", {})
    m.event(ev.Kill(m.now))
    m.order(1, 10)
    m.order(-1, 10, position_lots=held)
    reduced = m.reduce(held)
    held = m.own(reduced.lots, "KILL_FLATTEN", "DOLPHIN_KILL")
    m.equity(flat=1)
    m.event(ev.Arm(m.now, 7, 1234, 1, 0))
    m.event(ev.Arm(m.now, 1, 1234, 0, 0))
    m.event(ev.Confirm(m.now, 1234, 0))
    m.event(ev.Arm(m.now, 1, 1234, 1, 0))
    m.command("arm", "drill over", {"episode": 1, "observed_flat": 1}, "ARMED", nonce=1234)
    m.event(ev.Confirm(m.wait(30), 1234, 0))
    m.event(ev.Confirm(m.now, 4321, 0))
    m.event(ev.Confirm(m.wait(30), 1234, 5))
    m.event(ev.Confirm(m.now, 1234, 0))
    m.event(ev.Arm(m.now, 1, 9, 1, 0))
    m.hear(7_200)
    m.tick(1_019)
    m.tick(1)
    m.tick(1_380)
    m.tick(3_600)
    # A fault while a request is pending: a new episode.
    m.hear(7_200)
    m.event(ev.Fault(m.now, Cause.LEDGER_DESYNC))
    m.event(ev.Arm(m.now, 2, 77, 0, 1, 4_503_599_627_370_496))
    m.event(ev.Fault(m.wait(5), Cause.EXCEPTION))
    m.event(ev.Arm(m.now, 3, 78, 1, 0))
    m.event(ev.Confirm(m.wait(61), 78, 0))
    m.tick(3_000)
    # Deposits, a clock that steps back, an equity that cannot be read, a heartbeat that is lost.
    m.hear(20_000)
    m.event(ev.Flow(m.now, 5_000_000))
    m.equity(MONEY + 5_000_000, flat=1)
    m.event(ev.Tick(m.now - 500 * MS))
    m.event(ev.Tick(m.now - 2 * S))
    m.event(ev.Arm(m.wait(1), 4, 79, 1, 0))
    m.event(ev.Confirm(m.wait(60), 79, 0))
    m.equity(error=1)
    m.order(1, 10)
    m.tick(11)
    m.event(ev.Resume(m.wait(100)))
    m.hear(due_s=2)
    m.tick(30)
    m.hear(200 * day_s)
    m.equity(MONEY + 5_000_000, flat=1)
    m.event(ev.Arm(m.now, 5, 80, 1, 0))
    m.event(ev.Confirm(m.wait(60), 80, 0))
    m.hear(200 * day_s)
    # The drawdown trap and the way out of it.
    m.tick(6_000)
    m.equity(MONEY + 3_800_000, flat=1)
    m.event(ev.RebaseConfirm(m.now, 5))
    m.event(ev.RebaseArm(m.now, 5))
    m.event(ev.RebaseConfirm(m.now, 5))
    m.tick(day_s)
    m.event(ev.RebaseConfirm(m.now, 5))
    m.event(ev.RebaseArm(m.now, 5))
    m.event(ev.RebaseConfirm(m.now, 6))
    m.event(ev.RebaseConfirm(m.now, 5))
    m.command("rebase-confirm", "a year is enough", {"nonce": 5}, "REBASED")
    m.tick(6_000)
    m.order(1, 100, equity=MONEY + 3_800_000)
    # A fall through TURTLE into HIBERNATE; a second re-base too soon; a heartbeat that is lost.
    m.equity(MONEY + 2_000_000)
    m.equity(MONEY + 1_200_000, gross)
    held = m.fill(1, 5, "EXTERNAL-1")
    m.reduce(held, gross=gross)
    held = m.fill(-1, 5, "EXTERNAL-2")
    m.equity(MONEY + 1_200_000, flat=1)
    m.tick(policy.rebase_trapped_ns // S)
    m.event(ev.RebaseArm(m.now, 6))
    m.event(ev.RebaseConfirm(m.now, 6))
    m.hear(due_s=2)
    m.tick(11)
    m.tick(3)
    m.event(ev.Arm(m.now, 6, 81, 1, 0))
    m.event(ev.Shock(m.now))
    m.tick(3)
    if gap:
        m.other(
            "GAP", **{"from": m.journal.head.seq + 1, "count": 2, "since_ns": m.now, "error": "ENOSPC", "unsynced": 0}
        )
        m.tick(1)
    return m.close()


def mixed(path: Path, records: int, seed: int = 1, policy: Policy = INTRADAY, every: int = 0) -> Head:
    """What a long run looks like: 45 % SEEN, 25 % TICK, 15 % EQUITY, 13 % ORDER, some FILL, few shocks. `every`:
    records between two checkpoints, 0: none.

    No re-arm: a kill would make the rest of the run dull.
    """
    rng = random.Random(seed)
    m = Maker(path, policy)
    m.hear()
    m.event(ev.Counted(m.now, EUR, 1))
    equity, held = MONEY, 0
    m.equity(equity, flat=1, stood=1)
    due = every or records
    while m.journal.head.seq < records - 2:
        if m.journal.head.seq >= due:
            due += every
            m.checkpoint()
        m.wait(rng.choice((0.001, 0.02, 0.2, 1.0, 3.0)))
        roll = rng.random()
        if roll < 0.45:
            r3_bp = 10_000 if rng.random() < 0.98 else 8_000
            m.event(ev.Seen(m.now, rng.randrange(5), m.now + 3_600 * S, r3_bp))
        elif roll < 0.70:
            m.tick()
        elif roll < 0.85:
            equity = max(equity + rng.randrange(-20_000, 21_000), MONEY * 9 // 10)
            m.equity(equity, abs(held) * 100_000, flat=int(held == 0))
        elif roll < 0.999_97:
            side = rng.choice((1, -1))
            verdict = m.order(side, rng.randrange(1, 80), position_lots=held, gross=abs(held) * 100_000, equity=equity,
                              taking=rng.randrange(2))  # fmt: skip
            if verdict.lots > 0:
                if rng.random() < 0.5:
                    held = m.fill(side, verdict.lots)
        else:
            m.event(ev.Shock(m.now))
        if roll > 0.98:
            for index in (0, 3, 4, EUR, GBP):
                m.event(ev.Seen(m.now, index, m.now + 3_600 * S))
    return m.close()


__all__ = ["DAILY", "FEEDS", "INTRADAY", "MONEY", "T0", "Maker", "mixed", "scripted"]
