"""A market and three accounts that never were, for tests of the report."""

from __future__ import annotations

import random
from pathlib import Path

from dolphin.app.results import Figures, Mark, Point, RunResult, WorstDay, drawdowns
from dolphin.kernel.policy import Posture
from dolphin.kernel.posture import move

DAY_NS = 86_400 * 10**9
START_NS = 915_408_000 * 10**9  # 1999-01-04


def run(name: str, group: str, leverage: float, *, guarded: bool, seed: int = 7, days: int = 5_000) -> RunResult:
    dice = random.Random(seed)
    equity, confidence, postures, events = [], [], [], []
    value, trust, posture = 100_000_000.0, 6_000_000, Posture.APEX
    for index in range(days):
        ts_ns = START_NS + index * 7 * DAY_NS // 5
        change = dice.gauss(0.0004, 0.011)
        held = leverage
        if guarded:
            trust = min(trust + 60_000, 6_000_000)
            if abs(change) > 0.031:
                trust = min(trust, 1_800_000)
                events.append(Mark(ts_ns, "SHOCK", f"a day of {change:+.1%}", index))
            if index % 1_700 == 1_699:
                trust = 0
                events.append(Mark(ts_ns, "KILL", "operator: bad fills", index))
                events.append(Mark(ts_ns + DAY_NS, "ARM", "episode 1", index + 1))
                events.append(Mark(ts_ns + 2 * DAY_NS, "CONFIRM", "episode 1", index + 2))
            if index % 2_300 == 2_299:
                events.append(Mark(ts_ns, "FAULT", "HEARTBEAT <feed & co>", index))
            if index % 1_100 == 1_099:
                events.append(Mark(ts_ns, "REBASE", "trapped for 365 days", index))
            posture = move(posture, trust)
            held = min(leverage, (6.0, 2.0, 1.0, 0.0)[posture])
            confidence.append(Point(ts_ns, trust))
            postures.append(Point(ts_ns, int(posture)))
        value = max(value * (1 + held * change), 10_000.0)
        equity.append(Point(ts_ns, round(value)))
    shares = {p: round(10_000 * sum(q.value == p for q in postures) / days) for p in Posture}
    worst = WorstDay("2008-10-15", START_NS, -228_900, 38_000, -60_300, -229_140, 1 if guarded else 3)
    return RunResult(
        name=name,
        group=group,
        currency="USD",
        minor_per_unit=100,
        equity=equity,
        drawdown_bp=drawdowns(equity),
        confidence_ms=confidence,
        posture=postures,
        events=events,
        journal=Path("out/x.jsonl") if guarded else None,
        profile="daily" if guarded else "",
        absent=("R2 structural (no envelope)", "R3 microstructure (daily bars)") if guarded else (),
        spans=(("VIX", START_NS, START_NS + 1_000 * DAY_NS),) if guarded else (),
        notes=("commissions are not simulated",) if guarded else (),
        figures=Figures(
            return_bp=round((value / 1e8 - 1) * 10_000),
            drawdown_bp=max(p.value for p in drawdowns(equity)),
            worst_day=worst,
            ruin_day="" if guarded else "2002-07-19",
            final_equity=round(value),
            posture_share_bp=shares if guarded else {},
            passed=1_204,
            shrunk=87,
            denied={"POSTURE_NO_ENTRY": 310, "LEVERAGE": 12} if guarded else {},
            rebases=4 if guarded else 0,
            own_orders=211,
            fills=2_411,
            records=31_224,
            decision_p50_ns=14_200,
            decision_p99_ns=71_900,
        ),
    )


def runs() -> list[RunResult]:
    group = "S&P 500, trend at 6x"
    return [
        run("plain Nautilus", group, 4.0, guarded=False),
        run("guarded", group, 4.0, guarded=True),
        run("guarded, re-based", group, 3.0, guarded=True, seed=8),
        run("faults", "Faults on a schedule", 2.0, guarded=True, seed=9, days=300),
    ]
