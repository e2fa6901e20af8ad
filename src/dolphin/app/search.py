"""One pass over a journal for `dolphin why`: the record that was asked for, and the book before and after it.

What belongs here: finding, over all segments that are there; what it means is said in `why.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from dolphin.app.errors import UserError
from dolphin.audit.finding import Finding
from dolphin.audit.fold import Fold
from dolphin.audit.policies import written
from dolphin.audit.turns import begin_from
from dolphin.journal import Record, whole
from dolphin.journal.codec import Malformed
from dolphin.journal.kinds import CHECKPOINT, HEADER, KERNEL
from dolphin.journal.segments import later
from dolphin.kernel.policy import Policy
from dolphin.kernel.state import State

IDS_MAX: Final = 20_000
"""How many of the last order ids are remembered for `did you mean`."""


class Hit(NamedTuple):
    """A record, the states before and after it, and the policy by which it was judged."""

    record: Record
    before: State
    after: State
    policy: Policy


class Search:
    """One pass over a journal that keeps what was asked for."""

    def __init__(self, path: str, order_id: str | None, at_ns: int | None) -> None:
        self.path = path
        self.order_id = order_id
        self.at_ns = at_ns
        self.hits: list[Hit] = []
        self.ids: deque[str] = deque(maxlen=IDS_MAX)
        self.last: Hit | None = None
        self.reduce: Hit | None = None
        self.own: Record | None = None
        self.wrong = ""
        self.fold: Fold | None = None
        self.header: Mapping[str, Any] = {}
        self.end_ns: int | None = None
        self.later = False
        self.begins = ""

    def run(self) -> None:
        """Read all of it, or up to the time that was asked for."""
        last_ns = 0
        for record in whole(self.path):
            if record.kind == HEADER:
                if self.fold is None:
                    self._begin(record)
                elif self._beyond(record):
                    return
                else:
                    self._turn(self.fold, record)
            elif record.kind == CHECKPOINT:
                self._goes_on(record)
            elif record.kind in KERNEL:
                if self._beyond(record):
                    return
                self._kernel(record)
            elif record.kind == "OWN":
                self._own(record)
            last_ns = record.ts_ns
        self.end_ns = last_ns

    def _beyond(self, record: Record) -> bool:
        """Whether it comes after the time that was asked for."""
        return self.at_ns is not None and record.ts_ns > self.at_ns

    def _begin(self, record: Record) -> None:
        try:
            self.fold = Fold(self.path, record)
        except Malformed as error:
            raise UserError(
                f"its header opens no run ({error})", path=self.path, line=1, fix="run trace-audit on it"
            ) from error
        self.header = record.data
        self.begins = later(record.data)
        self.later = self.begins != ""

    def _turn(self, fold: Fold, record: Record) -> None:
        """A later segment may be under another policy; whether it may is for the audit."""
        policy = written(self.path, record)
        if isinstance(policy, Finding):
            raise UserError(
                f"its header has no policy ({policy.field})", path=record.path, line=1, fix="run trace-audit on it"
            )
        fold.policy = policy

    def _goes_on(self, record: Record) -> None:
        """Where the first segments are not here, the book is that of the checkpoint with which the others begin."""
        if self.later:
            assert self.fold is not None
            self.later = False
            finding = begin_from(self.fold, record)
            if finding is not None:
                raise UserError(
                    f"its first checkpoint cannot be read ({finding.field})", path=record.path, line=record.line,
                    fix="run trace-audit on it",
                )  # fmt: skip

    def _kernel(self, record: Record) -> None:
        assert self.fold is not None
        before = self.fold.state
        finding = self.fold.take(record)
        if finding is not None and not self.wrong:
            self.wrong = f"line {finding.line} does not conform ({finding.field}): run trace-audit on this journal"
        hit = Hit(record, before, self.fold.state, self.fold.policy)
        self.last = hit
        if record.kind == "REDUCE":
            self.reduce = hit
        if record.kind == "ORDER":
            name = id_of(record)
            if name:
                self.ids.append(name)
                if name == self.order_id:
                    self.hits.append(hit)

    def _own(self, record: Record) -> None:
        name = str(record.data.get("id", ""))
        self.ids.append(name)
        if name == self.order_id and self.reduce is not None:
            self.own = record
            self.hits.append(self.reduce)


def id_of(record: Record) -> str:
    if b',"x":' not in record.raw:
        return ""
    return str(record.body.x.get("id", ""))
