"""Check c: a journal as a behaviour of spec/Posture.tla, its orders as spec/Judging.tla judges them, its ledger as
spec/Accounts.tla posts it, by TLC.

What belongs here: the map from journal records to trace records, and TLC's verdict as a finding. TLC and its files are
`trace_tla`'s, `order_tla`'s, `ledger_tla`'s and `tlc_runner`'s.

The map. A record's way to its own time is walked by the kernel's `next_stop` and `visit`; each visit is one trace
record, with what it credited, how much real time it took and the readings after it. The event itself is the last one,
and carries what the *journal* says came out, never what the kernel recomputed; on the way there the journal says
nothing, so that those records compare the kernel with the model. An event that only brings readings, a fault or a kill
is one step of the model together with the last visit before it, if that visit came to no stop (both are credit,
posture, trip, new R, cut, posture). The state goes on from the recomputed one, so that one wrong record does not make
the next ones wrong.

Large gaps. Credit above full confidence changes nothing (`earn` is capped by the R held, at most full), so that
`trace_tla` caps it there; elapsed real time is exact as <<seconds, nanoseconds>> up to 2^30 s (34 years), beyond every
wait that it is compared with. So no gap needs to be split, and none is misjudged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from dolphin.audit import ledger_tla, order_tla
from dolphin.audit.agreement import LATER, MODELLED, Agreement, agreement, joined
from dolphin.audit.finding import MODEL, Check, Finding, Report, found
from dolphin.audit.fold import named, said
from dolphin.audit.replay import NOT_AUDITED, Auditor, scan
from dolphin.audit.tlc_runner import find_jar, find_java
from dolphin.audit.trace_tla import WINDOW, Action, TlcVerdict, TraceRecord, TraceStart, Turn, check
from dolphin.audit.turns import begins
from dolphin.journal import Record
from dolphin.journal.codec import Malformed, claimed, decode, policy_of
from dolphin.journal.kinds import HEADER, KERNEL
from dolphin.kernel import events as ev
from dolphin.kernel import handlers, machine
from dolphin.kernel.policy import Policy
from dolphin.kernel.state import Mode, Outcome, State, outcome
from dolphin.kernel.units import ABSENT, NEVER_NS, NOTHING, scale

__all__ = ["LATER", "MODELLED", "Agreement", "agreement", "audit", "joined", "started", "steps"]

_ACTIONS: Final[dict[type, Action]] = {
    ev.Arm: Action.ARM,
    ev.Confirm: Action.CONFIRM,
    ev.RebaseArm: Action.REBASE_ARM,
    ev.RebaseConfirm: Action.REBASE_CONFIRM,
}
REQUIREMENT: Final = {
    "confidence_ms": "DOL-FILTER-002",
    "posture": "DOL-POSTURE-001",
    "mode": "DOL-KILL-001",
    "held_bp": "DOL-FILTER-001",
    "episode": "DOL-KILL-001",
    "flat": "DOL-EXIT-006",
}


FAR_NS: Final = NEVER_NS << 2
"""Beyond every stop: what `next_stop` then names is the plan's own."""


class _Said(NamedTuple):
    """What a trace record says came out, with the readings in force."""

    outcome: tuple[int, ...]
    flat: int


def _trace(action: Action, credit_ms: int, elapsed_ns: int, said_: _Said, missed: bool, **request: int) -> TraceRecord:
    confidence, posture, mode, held, _, r2, r3, r4, r5, _, _, episode = said_.outcome
    return TraceRecord(
        int(action), credit_ms, elapsed_ns, r2, r3, r4, r5, said_.flat, int(missed), request.get("nonce", ABSENT),
        request.get("episode_named", 0), request.get("clear", 0), request.get("green", 0),
        request.get("holding", ABSENT),
        confidence, posture, mode, held, episode,
    )  # fmt: skip


def _say(state: State) -> _Said:
    return _Said(outcome(state), state.capital.flat)


def steps(
    policy: Policy, state: State, event: ev.Event, claims: tuple[int, ...], after: State
) -> Iterator[TraceRecord]:
    """The trace records of one journal record, from the state before it to the recomputed one after it."""
    last = _Said(claims, after.capital.flat)
    asks = handlers.asks(event)
    if event.ts_ns < state.clock.t_ns:
        back_ns = state.clock.t_ns - event.ts_ns
        if asks:
            yield _trace(Action.STEP_BACK, 0, back_ns, last, False)
            return
        state, _ = machine.step(policy, state, ev.Tick(event.ts_ns))
        yield _trace(Action.STEP_BACK, 0, back_ns, _say(state), False)
    until_ns = handlers.arrives(state, event)
    way = (0, 0, False)
    while state.clock.t_ns < until_ns:
        stop_ns = machine.next_stop(state, until_ns)
        credit_ms, elapsed_ns = machine.credited_ms(policy, state, stop_ns), stop_ns - state.clock.t_ns
        settled = stop_ns == machine.next_stop(state, FAR_NS)
        if asks and stop_ns == until_ns:
            settled = False
        state, faults = machine.visit(policy, state, stop_ns)
        tripped = any(isinstance(effect, ev.Tripped) for effect in faults)
        if settled:
            yield _trace(Action.VISIT, credit_ms, elapsed_ns, _say(state), tripped)
        else:
            way = (credit_ms, elapsed_ns, tripped)
    if asks:
        yield _trace(Action.VISIT, *way[:2], last, way[2])
        return
    missed = after.latch.mode == Mode.KILLED and state.latch.mode != Mode.KILLED
    yield from _event(state, event, last, way[:2], missed or bool(handlers.causes(event)))


def _event(state: State, event: ev.Event, last: _Said, way: tuple[int, int], missed: bool) -> Iterator[TraceRecord]:
    """The event's own record. `way`: credit and real time of a visit that came to no stop, not written yet."""
    action = _ACTIONS.get(type(event))
    if action is None:
        if isinstance(event, ev.Resume):
            way = (0, max(event.ts_ns - state.clock.t_ns, 0))
        yield _trace(Action.VISIT, *way, last, missed)
        return
    if way != (0, 0):
        yield _trace(Action.VISIT, *way, _say(state), False)
    request = {"nonce": _nonce(event), "green": int(handlers.green(state))}
    if isinstance(event, ev.Arm):
        request |= {"episode_named": event.episode, "clear": int(event.observed_flat == 1 or event.accepted == 1)}
        request["holding"] = handlers.taken(event.accepted, event.holding)
    if isinstance(event, ev.Confirm):
        request["holding"] = event.holding
    if isinstance(event, ev.RebaseConfirm):
        request["clear"] = int(state.capital.equity > 0)
    yield _trace(action, 0, 0, last, False, **request)


def _nonce(event: Any) -> int:
    nonce: int = event.nonce
    return nonce


def started(state: State) -> TraceStart:
    """The state of a run as the model has it: its first one, or that of the checkpoint with which a journal begins. A
    request that is not pending has no wait, and nothing else in the model asks for one.
    """
    readings, capital, latch, t_ns = state.readings, state.capital, state.latch, state.clock.t_ns
    pending = latch.mode == Mode.ARM_PENDING
    asked = capital.rebase_nonce != ABSENT
    return TraceStart(
        confidence_ms=state.filter.confidence_ms,
        posture=int(state.filter.posture),
        held_bp=state.filter.held_bp,
        r234_bp=scale(scale(readings.r2_bp, readings.r3_bp), readings.r4_bp),
        r5_bp=readings.r5_bp,
        flat=capital.flat,
        mode=int(latch.mode),
        episode=latch.episode,
        waited_ns=t_ns - latch.armed_ns if pending else 0,
        nonce=latch.nonce if pending else ABSENT,
        kept=latch.kept if pending else NOTHING,
        trapped_ns=0 if capital.trapped_ns == ABSENT else t_ns - capital.trapped_ns,
        rebased_ns=ABSENT if capital.rebased_ns == ABSENT else t_ns - capital.rebased_ns,
        request=capital.rebase_nonce,
        asked_ns=t_ns - capital.asked_ns if asked else 0,
    )


def _turn(policy: Policy, state: State) -> Turn:
    """The book goes on under `policy`."""
    t_ns, capital = state.clock.t_ns, state.capital
    trapped_ns = 0 if capital.trapped_ns == ABSENT else t_ns - capital.trapped_ns
    rebased_ns = ABSENT if capital.rebased_ns == ABSENT else t_ns - capital.rebased_ns
    return Turn(policy, trapped_ns, rebased_ns)


class _Pass:
    """One reading of a journal for TLC. `wanted`: the trace record whose journal record becomes `hit`; `asked`: the
    order that becomes `order`.
    """

    def __init__(
        self,
        path: str,
        anchor: str | None,
        wanted: int = -1,
        orders: order_tla.Orders | None = None,
        asked: int = -1,
        ledger: ledger_tla.Judge | None = None,
    ) -> None:
        self.auditor = Auditor(path, decisions=False, safety=False)
        self.anchor = anchor
        self.wanted = wanted
        self.count = 0
        self.events = 0
        self.hit: Record | None = None
        self.state: State | None = None
        self.before: State | None = None
        self.orders = orders
        self.ledger = ledger
        self.asked = asked
        self.order: order_tla.Judged | None = None

    def traces(
        self, policy: Policy, state: State, progress: Callable[[Record], object]
    ) -> Iterator[TraceRecord | Turn]:
        """Trace records until the end, the first fault of form, or the record that holds the one wanted; and where
        another policy is in force from.
        """
        path = self.auditor.path
        for record in scan(self.auditor, self.anchor):
            progress(record)
            if self.ledger is not None:
                self.ledger.take(record)
            if record.kind == HEADER and record.seq > 0 and not self.auditor.findings:
                if policy != policy_of(record.data["policy"]):
                    policy = policy_of(record.data["policy"])
                    yield _turn(policy, state)
            if record.kind not in KERNEL:
                continue
            try:
                event = decode(record.kind, record.ts_ns, record.data)
                claims = claimed(record.data).outcome
            except Malformed as error:
                hint = "the record was not written by Dolphin's codec"
                self.auditor.findings.append(
                    found(path, record, error.field, error.expected, repr(error.actual), "DOL-JOURNAL-009", hint,
                          said(state), MODEL)
                )  # fmt: skip
                return
            self.events += 1
            first = self.count
            after, _ = machine.step(policy, state, event)
            if isinstance(event, ev.Order):
                self._order(order_tla.judged(policy, after, event, record))
                if self.order is not None:
                    return
            for trace in steps(policy, state, event, claims, after):
                self.count += 1
                yield trace
            if first <= self.wanted < self.count:
                self.hit, self.before = record, state
                return
            state = after

    def _order(self, judged: order_tla.Judged) -> None:
        if self.orders is not None:
            self.orders.take(judged.row)
        if self.asked == 0:
            self.order = judged
        self.asked -= 1


def _nothing(record: Record) -> None:
    pass


def audit(
    path: str,
    *,
    anchor: str | None = None,
    jar: Path | None = None,
    window: int = WINDOW,
    progress: Callable[[Record], object] = _nothing,
) -> Report:
    """Check the form (a) and the behaviour (c) of the journal `path` by TLC.

    TlcMissing, TlcFailed: there can be no verdict, and why. ValueError, JournalUnreadable: as `replay.audit`.
    """
    began = time.perf_counter()
    find_java()
    jar = find_jar(jar)
    orders = order_tla.Orders(jar)
    ledger = ledger_tla.Judge(path, jar)
    one = _Pass(path, anchor, orders=orders, ledger=ledger)
    probe = Auditor(path)
    begin = scan(probe, None)
    first = next(begin, None)
    if first is None or probe.fold is None:
        return probe.report(time.perf_counter() - began, "tlc")
    if begins(first).number > 1:
        second = next(begin, None)
        if second is None or probe.findings:
            return _form_alone(one, progress, time.perf_counter() - began)
    policy, state = probe.fold.policy, probe.fold.state
    verdict = check(one.traces(policy, state, progress), policy=policy, start=started(state), jar=jar, window=window)
    if verdict.records > 0 and not verdict.ok:
        two = _Pass(path, None, verdict.first_bad)
        for _ in two.traces(policy, state, _nothing):
            pass
        assert two.hit is not None
        assert two.before is not None
        one.auditor.findings = [_finding(path, two.hit, two.before, verdict)]
        one.auditor.reasons.clear()
    elif not one.auditor.findings:
        orders.judge()
        ledger.finish(one.auditor.last)
        if orders.first_bad >= 0:
            _reject(one, orders, policy, state)
        elif orders.unjudged > 0:
            one.auditor.reasons.append(f"{orders.unjudged} orders are too large for TLC's 32 bits")
        if ledger.finding is not None:
            one.auditor.findings = sorted([*one.auditor.findings, ledger.finding], key=lambda bad: bad.seq)[:1]
            one.auditor.reasons.clear()
        elif ledger.rows.stopped:
            one.auditor.reasons.append(ledger.rows.stopped)
    return _report(one, verdict, time.perf_counter() - began)


def _form_alone(one: _Pass, progress: Callable[[Record], object], seconds: float) -> Report:
    """A journal that begins with a later segment, and not with a checkpoint that can be read."""
    for record in scan(one.auditor, one.anchor):
        progress(record)
    one.auditor.reasons.append(LATER)
    report = one.auditor.report(seconds, "tlc")
    return report._replace(checks=report.checks | {MODEL: Check(NOT_AUDITED, 0, "trace records")})


def _reject(one: _Pass, orders: order_tla.Orders, policy: Policy, state: State) -> None:
    """An order of a journal that conforms otherwise is not judged as the model judges."""
    two = _Pass(one.auditor.path, None, asked=orders.first_bad)
    for _ in two.traces(policy, state, _nothing):
        pass
    assert two.order is not None
    one.auditor.findings = [_of_order(one.auditor.path, two.order, orders.verdict)]
    one.auditor.reasons.clear()


def _of_order(path: str, bad: order_tla.Judged, verdict: TlcVerdict) -> Finding:
    """A verdict that the model does not give. TLC's number is in the order's own unit, what the record says in lots."""
    logged = dict(zip(order_tla.FIELDS, bad.row[-len(order_tla.FIELDS) :], strict=True))
    unit = order_tla.unit_of(bad.row)
    hint = f"{verdict.version}, spec/Judging.tla: an order of these readings is not judged so"
    return found(
        path, bad.record, f"fx[{bad.at}].VERDICT.{verdict.field}", named("lots", verdict.expected * unit),
        named("lots", logged[verdict.field]), "DOL-EXIT-001", hint, said(bad.state), MODEL,
    )  # fmt: skip


def _finding(path: str, record: Record, before: State, verdict: TlcVerdict) -> Finding:
    field = f"out.{verdict.field}" if verdict.field in Outcome._fields else verdict.field
    hint = f"{verdict.version}, spec/Posture.tla: no step of the model leads to what this record says"
    return found(
        path, record, field, named(verdict.field, verdict.expected), named(verdict.field, verdict.logged),
        REQUIREMENT.get(verdict.field, "DOL-AUDIT-002"), hint, said(before), MODEL,
    )  # fmt: skip


def _report(one: _Pass, verdict: TlcVerdict, seconds: float) -> Report:
    auditor = one.auditor
    if one.events == 0 and not auditor.findings:
        nothing = "it holds no decision: nothing was checked"
        if nothing not in auditor.reasons:
            auditor.reasons.append(nothing)
    word = "violated" if any(finding.check == MODEL for finding in auditor.findings) else "holds"
    if verdict.records == 0:
        word = NOT_AUDITED
    report = auditor.report(seconds, "tlc")
    return report._replace(checks=report.checks | {MODEL: Check(word, verdict.records, "trace records")})
