"""Check d, the operator's two steps: what a granted re-arm and a granted re-base must rest on.

What belongs here: the pending requests and the drawdown trap, remembered from the records and judged with literal
numbers (DESIGN 2.5, 2.6). Like all of check d it shares no function with the kernel.
"""

from __future__ import annotations

from typing import Any, Final

from dolphin.audit.gate import APEX, RUNNING, Wrong
from dolphin.kernel.policy import Policy, Profile

SECOND_NS: Final = 1_000_000_000
ARM_WAIT_NS: Final = 60 * SECOND_NS
DAY_NS: Final = 86_400 * SECOND_NS
TRAPPED_BP: Final = 9_200


class Steps:
    """`armed`: nonce, time and holding of the pending arm request; `asked`: nonce and time of that to re-base."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.life_ns = DAY_NS if policy.profile == Profile.INTRADAY else 30 * DAY_NS
        self.armed: tuple[int, int, int] | None = None
        self.asked: tuple[int, int] | None = None
        self.trapped_ns = self.rebased_ns = -1
        self.left_ns = -1
        self.flat = self.shut = False

    def arm(self, body: Any, mode: int, episode: int, t_ns: int) -> Wrong | None:
        """An arm request was granted."""
        if mode == RUNNING:
            return Wrong("ANSWER", "NOT_KILLED", "ARMED", "DOL-REARM-001", "arm is for a latch that is not RUNNING")
        if int(body.episode) != episode:
            return Wrong("episode", str(episode), str(body.episode), "DOL-REARM-001", "arm names the episode")
        if body.observed_flat != 1:
            if body.accepted != 1:
                return Wrong("ANSWER", "NOT_FLAT", "ARMED", "DOL-REARM-001", "neither flat nor accepted")
        self.armed = (int(body.nonce), t_ns, int(body.holding) if body.accepted == 1 else 0)
        return None

    def confirm(self, body: Any, t_ns: int, blind: bool) -> Wrong | None:
        """A confirm was granted. `blind`: records are missing, so that its request may be among them."""
        if self.armed is None and not blind:
            return Wrong("ANSWER", "NOT_PENDING", "CONFIRMED", "DOL-REARM-002", "a re-arm takes two steps")
        nonce, since_ns, kept = self.armed or (int(body.nonce), t_ns - ARM_WAIT_NS, int(body.holding))
        if int(body.nonce) != nonce:
            return Wrong("nonce", str(nonce), str(body.nonce), "DOL-REARM-002", "the nonce of the request")
        said = f"CONFIRMED after {(t_ns - since_ns) / SECOND_NS:.3f} s"
        if t_ns - since_ns < ARM_WAIT_NS:
            return Wrong("ANSWER", "TOO_EARLY", said, "DOL-REARM-003", "60 real seconds at least")
        if t_ns - since_ns >= self.life_ns:
            return Wrong("ANSWER", "LAPSED", said, "DOL-REARM-006", "a request lapses")
        if int(body.holding) < 0 or int(body.holding) not in (0, kept):
            hint = "flat, or just what the request took over"
            return Wrong("holding", f"0 or {kept}", str(body.holding), "DOL-REARM-007", hint)
        if int(body.out[0]) != 0:
            return Wrong("out.confidence_ms", "0", str(body.out[0]), "DOL-REARM-004", "RUNNING at confidence 0")
        self.armed = None
        return None

    def ask(self, body: Any, t_ns: int) -> Wrong | None:
        """A request to re-base was granted."""
        if self._since_ns() < 0:
            return Wrong("ANSWER", "NOT_TRAPPED", "ARMED", "DOL-CAPITAL-007", "a request is made in a trap")
        self.asked = (int(body.nonce), t_ns)
        return None

    def rebase(self, body: Any, t_ns: int) -> Wrong | None:
        """The mark was moved by the operator."""
        nonce, since_ns = self.asked or (-1, t_ns)
        if int(body.nonce) != nonce:
            hint = "a re-base takes two steps with one nonce, in one trap"
            return Wrong("nonce", str(nonce), str(body.nonce), "DOL-CAPITAL-004", hint)
        if t_ns - since_ns >= self.life_ns:
            said = f"REBASED after {(t_ns - since_ns) / SECOND_NS:.3f} s"
            return Wrong("ANSWER", "LAPSED", said, "DOL-REARM-006", "a request lapses")
        trapped_ns = self._since_ns()
        if trapped_ns < 0 or t_ns - trapped_ns < self.policy.rebase_trapped_ns:
            hint = f"trapped since {trapped_ns}; the policy asks for {self.policy.rebase_trapped_ns} ns"
            return Wrong("ANSWER", "NOT_TRAPPED", "REBASED", "DOL-CAPITAL-004", hint)
        if self.rebased_ns >= 0 and t_ns - self.rebased_ns < self.policy.rebase_gap_ns:
            hint = f"the last one was at {self.rebased_ns}; the policy asks for {self.policy.rebase_gap_ns} ns between"
            return Wrong("ANSWER", "REBASE_RATE", "REBASED", "DOL-CAPITAL-005", hint)
        self.rebased_ns = t_ns
        self._free()
        return None

    def left_apex(self, ts_ns: int) -> None:
        """The posture left APEX at its own time, on the way to a record's."""
        self.left_ns = ts_ns

    def stands(self, flat: bool, r5_bp: int, posture: int, t_ns: int) -> None:
        """What a record leaves: a trap begins, goes on or ends."""
        shut = r5_bp < TRAPPED_BP
        if not flat or not shut or posture == APEX:
            self._free()
        elif self.trapped_ns < 0:
            since_ns = self._since_ns()
            self.trapped_ns = since_ns if since_ns >= 0 else t_ns
        self.flat, self.shut, self.left_ns = flat, shut, -1

    def _since_ns(self) -> int:
        """Since when trapped, -1: not. A book that was flat and shut is so from where it left APEX on the way."""
        if self.trapped_ns < 0 and self.flat and self.shut:
            return self.left_ns
        return self.trapped_ns

    def _free(self) -> None:
        self.trapped_ns, self.asked = -1, None
