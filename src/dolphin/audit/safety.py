"""Check d: the safety properties over a whole run, read straight from the records.

What belongs here: properties that span records (the filter's slope, the gap between upward entries, the latch and its
two steps, the mark and its re-base), each with its requirement. They are written anew from DESIGN 2 with literal
numbers, and share no function with the kernel: check b shows that the kernel decided this, check d that this was right.
What a record says of itself is believed here; check b has compared it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dolphin.audit import gate
from dolphin.audit.finding import SAFETY, Finding, found
from dolphin.audit.gate import APEX, HIBERNATE, RUNNING, STALKER, TURTLE, Wrong
from dolphin.audit.policies import ruled
from dolphin.audit.steps import SECOND_NS, Steps
from dolphin.journal import Record
from dolphin.kernel.policy import Policy, Profile
from dolphin.kernel.reasons import Reason

KILLED, ARM_PENDING = 1, 2
GAP_MS: Final = 420_000
FALL_MS: Final = (5_100_000, 1_980_000, 600_000)
RETURN_MS: Final = (5_520_000, 2_400_000, 1_020_000)


class Safety:
    """What the properties remember. `checked` counts properties that were evaluated."""

    def __init__(self, path: str, policy: Policy, start_ns: int, anchor_ns: int, confidence_ms: int) -> None:
        self.path = path
        self.policy = policy
        self.anchor_ns = anchor_ns
        self.ns_per_ms = 1_440_000_000 if policy.profile == Profile.DAILY else 1_000_000
        self.t_ns = start_ns
        self.policy_ms = (start_ns - anchor_ns) // self.ns_per_ms
        self.confidence = max(0, min(confidence_ms, 6_000_000))
        self.posture = fallen(self.confidence)
        self.rise = 0
        self.mode, self.episode = RUNNING, 0
        self.drawdown = self.mark = 0
        self.out: list[Any] = []
        self.lost = self.blind = self.emptied = False
        self.entered: dict[int, int] = {}
        self.steps = Steps(policy)
        self.flat = True
        self.heard = gate.Heard()
        self.checked = 0
        self.aside_ns = 0
        self.suspect: tuple[Record, int] | None = None

    def under(self, record: Record, policy: Policy) -> Finding | None:
        """Go on under the policy of this HEADER; the finding where the change loosened what it may not."""
        before = self.policy
        self.policy = self.steps.policy = policy
        self.checked += 1
        wrong = ruled(before, policy, self, self.steps.rebased_ns, self.t_ns)
        return None if wrong is None or self.blind else found(self.path, record, *wrong, check=SAFETY)

    def take(self, record: Record) -> Finding | None:
        """The first property that this kernel record breaks."""
        body = record.body
        try:
            wrong = None
            if record.ts_ns >= self.t_ns:
                self.checked += 1
                self.t_ns = record.ts_ns
            else:
                wrong = self._back(record.ts_ns, body.out[2])
            if wrong is None:
                wrong = self._book(body)
            if wrong is None:
                handler = HANDLERS.get(record.kind)
                if handler is not None:
                    self.checked += 1
                    wrong = handler(self, body)
            self.steps.stands(self.flat, int(body.out[8]), int(body.out[1]), self.t_ns)
        except (ValueError, IndexError, TypeError) as error:
            wrong = Wrong("data", "a record as the codec writes it", str(error), "DOL-JOURNAL-009", "see check b")
        if wrong is None:
            return None
        return found(self.path, record, *wrong, check=SAFETY)

    def aside(self, record: Record) -> Finding | None:
        """A record that is no kernel event: one that steps back by over a second is answered by the latch, at once or
        with the next kernel record (`late`).
        """
        latest_ns = max(self.t_ns, self.aside_ns)
        self.aside_ns = max(self.aside_ns, record.ts_ns)
        if record.ts_ns >= latest_ns - SECOND_NS:
            return None
        if record.kind == "CLOSE":
            return self._stepped(record, latest_ns)
        if self.suspect is None:
            self.suspect = (record, latest_ns)
        return None

    def late(self, record: Record) -> Finding | None:
        """The finding on a record aside that stepped back, if the latch did not trip after it."""
        if self.suspect is None:
            return None
        other, latest_ns = self.suspect
        self.suspect = None
        self.aside_ns = record.ts_ns
        if record.body.out[2] != RUNNING:
            return None
        return self._stepped(other, latest_ns)

    def _stepped(self, record: Record, latest_ns: int) -> Finding | None:
        if self.mode != RUNNING:
            return None
        hint = "the clock stepped back by over a second and the latch did not trip"
        expected = f"at least {latest_ns - SECOND_NS}"
        return found(self.path, record, "ts", expected, str(record.ts_ns), "DOL-TIME-003", hint, check=SAFETY)

    def _back(self, ts_ns: int, mode: int) -> Wrong | None:
        """A clock that steps back by over a second trips the latch."""
        self.checked += 1
        if ts_ns < self.t_ns - SECOND_NS:
            if mode == RUNNING:
                hint = "a step back of over a second trips the latch"
                return Wrong("ts", f"at least {self.t_ns - SECOND_NS}", str(ts_ns), "DOL-TIME-003", hint)
        return None

    def _book(self, body: Any) -> Wrong | None:
        """Filter, posture and latch after this record against those before it."""
        before_ms = self.policy_ms
        self.policy_ms = (self.t_ns - self.anchor_ns) // self.ns_per_ms
        self.rise = 0
        if not body.fx:
            if body.out == self.out:
                return None
        self.checked += 6
        values = tuple(map(int, body.out))
        confidence, posture, mode, held, r1, r2, r3, r4, r5, _, _, episode = values
        if self.lost:
            self._found_again(values)
            return None
        if body.fx:
            wrong = self._effects(body)
            if wrong is not None:
                return wrong
        if mode != RUNNING and (confidence, posture, r1) != (0, HIBERNATE, 0):
            actual = f"confidence {confidence}, posture {posture}, R1 {r1}"
            return Wrong("out", "confidence 0, HIBERNATE, R1 0", actual, "DOL-POSTURE-005", "killed means HIBERNATE")
        if (posture, mode, episode) != (self.posture, self.mode, self.episode):
            return self._unexplained(posture, mode, episode)
        rose = confidence - self.confidence
        if rose > 0 and rose > self.policy_ms - before_ms:
            rise = self.policy_ms - before_ms
            hint = f"confidence rose by {confidence - self.confidence} in {rise} policy ms"
            return Wrong(
                "out.confidence_ms", f"at most {self.confidence + rise}", f"{confidence}", "DOL-FILTER-002", hint
            )
        product = r1 * r2 // 10_000 * r3 // 10_000 * r4 // 10_000 * r5 // 10_000
        if held != product:
            return Wrong("out.held_bp", str(product), str(held), "DOL-FILTER-001", "R_total = R1*R2*R3*R4*R5")
        if not 0 <= confidence <= 600 * held:
            return Wrong("out.confidence_ms", f"0..{600 * held}", str(confidence), "DOL-FILTER-002", "600 ms per bp")
        if not fallen(confidence) <= posture <= risen(confidence):
            allowed = f"{fallen(confidence)}..{risen(confidence)}"
            return Wrong("out.posture", allowed, str(posture), "DOL-POSTURE-001", "levels of the Schmitt trigger")
        if mode == RUNNING and r1 != 10_000:
            return Wrong("out.r1_bp", "10000", str(r1), "DOL-KILL-001", "R1 is 10,000 exactly in RUNNING")
        self.rise = rose
        self.out, self.confidence = body.out, confidence
        return None

    def forget(self) -> None:
        """Records are missing: what spans them is no longer claimed; the next record is where it begins again."""
        self.lost = self.blind = self.emptied = True
        self.steps.armed = None  # a later request may have taken its place

    def _found_again(self, values: tuple[int, ...]) -> None:
        self.lost = False
        self.confidence, self.posture, self.mode = values[:3]
        self.drawdown, self.mark, self.episode = values[9:]
        self.entered.clear()

    def _unexplained(self, posture: int, mode: int, episode: int) -> Wrong | None:
        rows = (
            ("posture", self.posture, posture, "DOL-POSTURE-001"),
            ("mode", self.mode, mode, "DOL-KILL-001"),
            ("episode", self.episode, episode, "DOL-KILL-001"),
        )
        for field, right, claim, which in rows:
            if right != claim:
                return Wrong(f"out.{field}", f"{right}", f"{claim}", which, "nothing in fx says that it changed")
        return None

    def _effects(self, body: Any) -> Wrong | None:
        """Walk the effects in their order: posture, latch and answers as they say."""
        for effect in body.fx:
            kind = effect[0]
            if kind == "MOVED":
                wrong = self._moved(*map(int, effect[1:]))
                if wrong is not None:
                    return wrong
            elif kind == "TRIPPED":
                if self.mode == KILLED:
                    return Wrong(
                        "TRIPPED", "nothing: latched already", str(effect), "DOL-KILL-001", "one trip an episode"
                    )
                self.mode, self.steps.armed, self.emptied = KILLED, None, True
                self.episode += 1
                if int(effect[3]) != self.episode:
                    return Wrong("TRIPPED.episode", str(self.episode), str(effect[3]), "DOL-KILL-001", "counted by one")
            elif kind == "ANSWER":
                wrong = self._answer(body, int(effect[1]))
                if wrong is not None:
                    return wrong
        return None

    def _moved(self, ts_ns: int, before: int, after: int, confidence: int) -> Wrong | None:
        if before != self.posture or after == before:
            hint = "postures follow one another"
            return Wrong("MOVED.before", str(self.posture), f"{before} to {after}", "DOL-POSTURE-001", hint)
        self.posture, self.emptied = after, after == HIBERNATE
        if before == APEX:
            self.steps.left_apex(ts_ns)
        if after > before:
            return None
        at_ms = (ts_ns - self.anchor_ns) // self.ns_per_ms
        last_ms = self.entered.get(after)
        self.entered[after] = at_ms
        if last_ms is None:
            return None
        if at_ms - last_ms < GAP_MS:
            hint = f"upward into posture {after} twice within {at_ms - last_ms} policy ms"
            return Wrong("MOVED.ts_ns", f"{GAP_MS} policy ms apart", str(ts_ns), "DOL-POSTURE-002", hint)
        return None

    def _answer(self, body: Any, reason: int) -> Wrong | None:
        """The operator's two steps, re-arm and re-base."""
        name = type(body).__name__
        if name == "ARM" and reason == Reason.ARMED:
            return self._armed(body)
        if name == "CONFIRM" and reason == Reason.CONFIRMED:
            return self._confirmed(body)
        if name == "REBASE_ARM" and reason == Reason.ARMED and not self.blind:
            return self.steps.ask(body, self.t_ns)
        if name == "REBASE_CONFIRM" and reason == Reason.REBASED:
            return self._rebased(body)
        return None

    def _armed(self, body: Any) -> Wrong | None:
        wrong = self.steps.arm(body, self.mode, self.episode, self.t_ns)
        if wrong is None:
            self.mode = ARM_PENDING
            if body.accepted == 1:
                self.emptied = False
        return wrong

    def _confirmed(self, body: Any) -> Wrong | None:
        wrong = self.steps.confirm(body, self.t_ns, self.blind)
        if wrong is None:
            self.mode = RUNNING
            self.heard.restarted(self.t_ns)
        return wrong

    def _rebased(self, body: Any) -> Wrong | None:
        self.mark, self.drawdown = int(body.out[10]), int(body.out[9])
        if self.blind:
            return None
        wrong = self.steps.rebase(body, self.t_ns)
        if wrong is None and self.drawdown != 0:
            return Wrong("out.drawdown_bp", "0", str(self.drawdown), "DOL-CAPITAL-004", "the mark becomes the equity")
        return wrong

    # One a kind: what only this kind can break.

    def _seen(self, body: Any) -> Wrong | None:
        self.heard.seen(body)
        return None

    def _sensor(self, body: Any) -> Wrong | None:
        if body.category in (2, 4):
            self.heard.failing(f"R{body.category}", int(body.error))
        return None

    def _equity(self, body: Any) -> Wrong | None:
        self.heard.failing("R5", int(body.error))
        drawdown, mark = int(body.out[9]), int(body.out[10])
        if body.error != 0:
            if (drawdown, mark) != (self.drawdown, self.mark):
                return Wrong(
                    "out.mark", str(self.mark), str(mark), "DOL-CAPITAL-002", "an unreadable sample holds the last"
                )
            return None
        equity = int(body.equity)
        if body.flat == 1 and int(body.gross) != 0:
            return Wrong("flat", "0, with exposure", "1", "DOL-EXIT-006", f"gross is {body.gross}")
        if mark < self.mark:
            return Wrong(
                "out.mark", f"at least {self.mark}", str(mark), "DOL-CAPITAL-002", "only a flow or re-base lowers it"
            )
        if mark > max(self.mark, equity):
            hint = "the mark rises to a sample, never above this one"
            return Wrong("out.mark", f"at most {max(self.mark, equity)}", str(mark), "DOL-CAPITAL-002", hint)
        right = 10_000 if equity <= 0 else min(max(-(-(mark - equity) * 10_000 // max(mark, 1)), 0), 10_000)
        if drawdown != right:
            hint = "drawdown from the mark in bp, rounded up"
            return Wrong("out.drawdown_bp", str(right), str(drawdown), "DOL-CAPITAL-003", hint)
        self.drawdown, self.mark = drawdown, mark
        self.flat = body.flat == 1
        return None

    def _money(self, body: Any) -> Wrong | None:
        """A flow scales the mark."""
        self.drawdown, self.mark = int(body.out[9]), int(body.out[10])
        return None

    def _resume(self, body: Any) -> Wrong | None:
        self.heard.resumed()
        if self.rise > 0:
            return Wrong(
                "out.confidence_ms",
                "no more than before",
                f"{self.rise} more",
                "DOL-TIME-007",
                "downtime earns nothing",
            )
        return None

    def _latched(self, body: Any) -> Wrong | None:
        if body.out[2] != KILLED:
            return Wrong(
                "out.mode", "1 (KILLED)", str(body.out[2]), "DOL-KILL-001", "a kill or fault latches in its step"
            )
        return None

    def _order(self, body: Any) -> Wrong | None:
        if not body.fx or body.fx[-1][0] != "VERDICT":
            return Wrong("fx", "a VERDICT, last", str(body.fx[-1:]), "DOL-ORDER-001", "every order is answered")
        out = (self.confidence, self.posture, self.mode)
        self.checked += 6
        heard = None if self.blind else self.heard
        return gate.order(self.policy, heard, self.t_ns, body, out, body.fx[-1])

    def _reduce(self, body: Any) -> Wrong | None:
        if not body.fx or body.fx[-1][0] != "REDUCED":
            return Wrong("fx", "a REDUCED, last", str(body.fx[-1:]), "DOL-TRIM-001", "every question is answered")
        return gate.own(self.t_ns, body, self.emptied, body.fx[-1])


HANDLERS: Final[dict[str, Callable[[Safety, Any], Wrong | None]]] = {
    "SEEN": Safety._seen,
    "SENSOR": Safety._sensor,
    "EQUITY": Safety._equity,
    "FLOW": Safety._money,
    "RESUME": Safety._resume,
    "KILL": Safety._latched,
    "FAULT": Safety._latched,
    "ORDER": Safety._order,
    "REDUCE": Safety._reduce,
}


def fallen(confidence: int) -> int:
    """The best posture that this confidence keeps."""
    if confidence > FALL_MS[0]:
        return APEX
    if confidence > FALL_MS[1]:
        return STALKER
    return TURTLE if confidence > FALL_MS[2] else HIBERNATE


def risen(confidence: int) -> int:
    """The worst posture that this confidence leaves one in."""
    if confidence >= RETURN_MS[0]:
        return APEX
    if confidence >= RETURN_MS[1]:
        return STALKER
    return TURTLE if confidence >= RETURN_MS[2] else HIBERNATE
