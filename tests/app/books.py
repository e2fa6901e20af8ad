"""Books with a real journal, for tests of the operator's hand: written by the kernel and the journal, no Nautilus."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from dolphin.app.state_dir import JOURNAL
from dolphin.journal import Journal, codec, encode
from dolphin.kernel.events import KIND, Event
from dolphin.kernel.machine import step
from dolphin.kernel.policy import Policy
from dolphin.kernel.state import State

T0 = 1_700_000_000 * 10**9


class Book:
    """A state directory whose journal is written event by event."""

    def __init__(
        self,
        path: Path,
        policy: Policy,
        feeds: tuple[str, ...] = (),
        start_ns: int = T0,
        header: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.path = path
        path.mkdir(mode=0o700)
        begun = {
            "policy": codec.policy_object(policy),
            "start_ns": start_ns,
            "anchor_ns": start_ns,
            "confidence_ms": 6_000_000,
            "envelope": 0,
            "feeds": [{"name": name, "kind": "DATA"} for name in feeds],
            "absent": ["R2 structural"],
            **header,
        }
        self.policy = policy
        self.ts_ns = start_ns
        self.state: State = codec.begin(begun).state
        self.journal = Journal.create(
            str(path / JOURNAL), begun, policy_hash=codec.policy_hash(policy), ts_ns=start_ns, instance="guard-1"
        )

    def emit(self, event: Event) -> tuple[object, ...]:
        self.state, effects = step(self.policy, self.state, event)
        self.ts_ns = max(self.ts_ns, event.ts_ns)
        self.journal.append(event.ts_ns, KIND[type(event)], codec.encode(event, effects, self.state))
        return effects

    def write(self, kind: str, **said: object) -> None:
        self.journal.append(self.ts_ns, kind, encode(said))

    def close(self) -> None:
        self.journal.close(self.ts_ns)
