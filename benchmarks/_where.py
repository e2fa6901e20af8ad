"""Where a guarded backtest's time goes: CPU time of the guard's own functions, each without those that it calls.

A profiler that traces every call charges Nautilus' compiled code to whatever Python frame it was called from. Here only
the guard's functions are wrapped, and what they forward to Nautilus is a line of its own. What a wrapper itself costs
is measured and taken off; it is a little more in the run, where little is in the caches, so that the sum is a little
high.
"""

from __future__ import annotations

import time
from typing import Any

HANDLERS = "the bus' calls, the rest of a handler"
READ = "reading the feeds"
SAMPLE = "the sample: prices, equity, whether it is told"
ASK = "the question: position, sums, lots"
GATES = "the gates: whose order, note, token"
BOOK = "the ledger: orders and positions"
FILL = "the text of FILL"
STEP = "the kernel's step"
ENCODE = "the text of an event and its outcome"
APPEND = "the journal: chain and write"
EMIT = "what emits and records"
FORWARD = "Nautilus behind the gates (in a plain run, too)"


def _table() -> list[tuple[str, Any, tuple[str, ...]]]:
    """What is wrapped, and under which line it counts."""
    from dolphin.journal import Journal
    from dolphin.nautilus import asking, balance, book, equity, feeds, fills, flow, gates, guard, hook, plug, values

    handlers = ("hear_order", "hear_account", "hear_position", "hear_alert", "hear_wake")
    return [
        (HANDLERS, plug.Plug, handlers),
        (GATES, plug.Plug, ("gate_risk", "gate_exec")),
        (GATES, gates.Gates, ("_verdict",)),
        (READ, flow.FlowOfEvents, ("_read",)),
        (READ, feeds.Feeds, ("drain",)),
        (SAMPLE, flow.FlowOfEvents, ("catch_up", "_sample", "_strode")),
        (SAMPLE, equity.Sampler, ("event",)),
        (SAMPLE, values.Values, ("sample", "worth")),
        (ASK, asking.Asker, ("submit",)),
        (ASK, values.Values, ("working",)),
        (BOOK, book.Book, ("settle", "seen", "again", "refresh", "filled", "announced")),
        (BOOK, balance.Balance, ("account", "filled")),
        (FILL, fills.Fills, ("record",)),
        (EMIT, guard.Guard, ("emit", "write")),
        (STEP, guard, ("step",)),
        (ENCODE, guard, ("encode",)),
        (APPEND, Journal, ("append",)),
        (FORWARD, hook.Hook, ("forward_risk", "forward_exec")),
    ]


class Where:
    """Self times by line, in ns of CPU."""

    def __init__(self) -> None:
        self.taken_ns: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        self._inner = [0]
        self._cost_ns = self._own_cost()

    def wrap(self) -> None:
        """Before an engine is made: handlers are bound when they subscribe."""
        for line, owner, names in _table():
            for name in names:
                setattr(owner, name, self._wrapped(line, getattr(owner, name)))

    def _wrapped(self, line: str, function: Any) -> Any:
        self.taken_ns.setdefault(line, 0)
        self.calls.setdefault(line, 0)
        taken_ns, calls, inner, now_ns = self.taken_ns, self.calls, self._inner, time.thread_time_ns

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            begin_ns = now_ns()
            inner.append(0)
            try:
                return function(*args, **kwargs)
            finally:
                whole_ns = now_ns() - begin_ns
                taken_ns[line] += whole_ns - inner.pop()
                calls[line] += 1
                inner[-1] += whole_ns

        return wrapper

    def _own_cost(self) -> float:
        """What one wrapper adds to the self times of all lines together, in ns, by an empty function in another."""
        empty = self._wrapped("", lambda: None)
        rounds = 20_000

        def many() -> None:
            for _ in range(rounds):
                empty()

        self._wrapped("outer", many)()
        cost_ns = (self.taken_ns["outer"] + self.taken_ns[""]) / rounds
        for line in ("", "outer"):
            del self.taken_ns[line], self.calls[line]
        return cost_ns

    def lines(self) -> dict[str, float]:
        """Seconds by line, the most first, without what measuring them cost."""
        found = {line: (ns - self._cost_ns * self.calls[line]) / 1e9 for line, ns in self.taken_ns.items()}
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def told(lines: dict[str, float], orders: int, more_s: float) -> str:
    """The table. `more_s`: CPU seconds that the guarded run took more than the plain one, without wrappers."""
    own = {line: taken_s for line, taken_s in lines.items() if line != FORWARD}
    rows = [f"  where the {more_s:.2f} s more go, us an order ({orders} orders):"]
    rows += [f"    {taken_s * 1e6 / orders:7.1f}  {line}" for line, taken_s in own.items()]
    rest_s = more_s - sum(own.values())
    rows.append(
        f"    {rest_s * 1e6 / orders:7.1f}  elsewhere: queues of quotes, calls in between, colder caches of Nautilus"
    )
    rows.append(f"    {lines[FORWARD] * 1e6 / orders:7.1f}  besides: {FORWARD}")
    return "\n".join(rows)
