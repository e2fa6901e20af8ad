"""Money that moves: what comes or goes without a fill.

What belongs here: the rule by which a change of balance is a deposit or withdrawal. A fill claims every change at its
own time (live: within two real seconds), before it or after it. What none has claimed is a flow if it was announced, or
if the configuration (`flows`) takes such a change for one.
"""

from __future__ import annotations

from typing import Any, Final

from dolphin.kernel.events import Flow
from dolphin.kernel.units import ABSENT, NS_PER_S
from dolphin.nautilus.config import PlugConfig
from dolphin.nautilus.values import Values

CLAIM_LIVE_NS: Final = 2 * NS_PER_S


class Balance:
    """Watches the balance of the account. What may be a flow waits until no fill can claim it any more; what a fill has
    claimed, and what nobody calls a flow, is profit or loss. `held`: the balance as last read, minor units; None: there
    is no account yet.
    """

    def __init__(self, values: Values, settings: PlugConfig, live: bool) -> None:
        self._values = values
        self._settings = settings
        self._claim_ns = 0
        if live:
            self._claim_ns = CLAIM_LIVE_NS
        self.held: int | None = None
        self._announced: list[int] = []
        self._certain = 0
        self._flow = 0
        self._flow_ns = ABSENT
        self._filled_ns = ABSENT
        self.waits = False
        """Whether there may be a flow to tell: without one, nobody need ask."""

    def begin(self) -> None:
        """What the account holds at the start, so that the first change after it is one."""
        if self._values.found(self._settings.venue, self._settings.currency):
            self.held = self._values.balance()

    def announce(self, amount: int) -> None:
        """An operator says that the balance will change by exactly this, and that it is a flow."""
        self._announced.append(amount)

    def filled(self, now_ns: int) -> None:
        """A fill claims what changed just before it."""
        self._filled_ns = now_ns
        self._flow = 0
        self._flow_ns = ABSENT

    def account(self, event: Any, now_ns: int) -> None:
        """An account state came."""
        values = self._values
        if not values.found(self._settings.venue, self._settings.currency):
            return
        if event.account_id != values.account.id:
            return
        before = self.held
        self.held = values.balance()
        if before is None:
            return
        if self.held is None:
            return
        if self.held != before:
            self._changed(self.held - before, now_ns)

    def _changed(self, change: int, now_ns: int) -> None:
        if change in self._announced:
            self._announced.remove(change)
            self._certain += change
            self.waits = True
            return
        if not self._may_flow(change):
            return
        if self._filled_ns != ABSENT:
            if now_ns - self._filled_ns <= self._claim_ns:
                return
        self._flow += change
        self.waits = True
        if self._flow_ns == ABSENT:  # the first one's time: a venue that changes its balance for ever blinds nobody
            self._flow_ns = now_ns

    def _may_flow(self, change: int) -> bool:
        """Whether the configuration takes such a change for a flow. A loss without a fill (funding, a liquidation fee)
        looks as a withdrawal does: it is a loss until somebody says otherwise.
        """
        if self._settings.flows == "all":
            return True
        if self._settings.flows == "announced":
            return False
        return change > 0

    def open(self) -> bool:
        """Whether a change waits for its fill: equity that contains it must not be told before it is known."""
        return self._flow_ns != ABSENT

    def flow(self, now_ns: int, last: bool = False) -> Flow | None:
        """What was announced, and a change of the balance that no fill has claimed in time (or can, at the `last`)."""
        flow = self._certain
        self._certain = 0
        if self._late(now_ns, last):
            flow += self._flow
            self._flow = 0
            self._flow_ns = ABSENT
        self.waits = self.open()
        if flow == 0:
            return None
        return Flow(now_ns, flow)

    def _late(self, now_ns: int, last: bool) -> bool:
        if self._flow_ns == ABSENT:
            return False
        if last:
            return True
        return now_ns - self._flow_ns > self._claim_ns
