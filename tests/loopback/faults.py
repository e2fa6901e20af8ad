"""What goes wrong, declared: a row says what is struck, which times, and how. Rows are data (TOML tables in scenarios).

On requests (`on`: the beginning of `METHOD /path`, `` for all):

| kind | what happens |
|---|---|
| `lose` | it is carried out, and the socket is closed without an answer |
| `refuse` | the socket is closed before it is carried out |
| `error` | `status` (503) and `code`, `text` in the venue's words, not carried out; with `done = true` it is |
| `resend` | a proxy sends it to the book twice; the client gets the first answer |
| `late` | carried out, answered after `ms` |
| `stale` | the answer is the last one given to the same path before the fault began |

On streams (`on`: `user`, `bookTicker`, `aggTrade`, a full stream name, `` for all; `event` narrows `user` to one):

| kind | what happens |
|---|---|
| `freeze` | nothing is sent; the socket stays open and answers pings |
| `skip` | these messages are lost |
| `twice` | these messages are sent twice |

`skip_first` passes before the first, `count` is how many are struck (0: all), `every` takes each n-th, `percent`
strikes by a generator with `seed`, `for_ms` ends it. What happens once (`step_clock`, `close_sockets`, `adl`,
`liquidate`, `external`) and what a book does (`slow`, sizes at the touch) are methods and fields of the exchange.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, fields
from typing import Any

ON_REQUESTS = ("lose", "refuse", "error", "resend", "late", "stale")
ON_STREAMS = ("freeze", "skip", "twice")


@dataclass
class Fault:
    kind: str
    on: str = ""
    event: str = ""
    skip_first: int = 0
    count: int = 0
    every: int = 1
    percent: int = 100
    seed: int = 0
    for_ms: int = 0
    status: int = 503
    code: int = -1001
    text: str = "Internal error; unable to process your request. Please try again."
    done: bool = False
    ms: int = 0
    seen: int = 0
    struck: int = 0
    since_ns: int = 0
    draw: random.Random = field(default_factory=random.Random)

    @classmethod
    def of(cls, row: dict[str, Any]) -> Fault:
        known = [f.name for f in fields(cls)][:13]
        for name in row:
            if name not in known:
                raise ValueError(f"fault: unknown key {name!r}; accepted: {', '.join(known)}")
        if row.get("kind") not in ON_REQUESTS + ON_STREAMS:
            raise ValueError(f"fault: kind {row.get('kind')!r}; accepted: {', '.join(ON_REQUESTS + ON_STREAMS)}")
        fault = cls(**row)
        fault.since_ns = time.monotonic_ns()
        fault.draw = random.Random(fault.seed)
        return fault

    def strikes(self) -> bool:
        """Whether it strikes this one; it counts what it sees."""
        if self.for_ms and time.monotonic_ns() - self.since_ns > self.for_ms * 1_000_000:
            return False
        if self.count and self.struck >= self.count:
            return False
        self.seen += 1
        if self.seen <= self.skip_first or (self.seen - self.skip_first - 1) % self.every:
            return False
        if self.percent < 100 and self.draw.randrange(100) >= self.percent:
            return False
        self.struck += 1
        return True


class Faults(list[Fault]):
    """Those that are declared now. A row may be added and taken away while a client runs."""

    def request(self, what: str) -> Fault | None:
        for fault in self:
            if fault.kind in ON_REQUESTS and what.startswith(fault.on) and fault.strikes():
                return fault
        return None

    def message(self, stream: str, event: str) -> Fault | None:
        for fault in self:
            if fault.kind not in ON_STREAMS or (fault.event and fault.event != event):
                continue
            if fault.on in ("", stream, stream.partition("@")[2]) and fault.strikes():
                return fault
        return None
