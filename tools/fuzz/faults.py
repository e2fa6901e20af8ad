"""Planted faults: each oracle must find the one that it is there for. `--plants` runs them.

What belongs here: patches of the plug-in at work, each undone by the returned function. They stand for a defect that
somebody could write; the fuzzer knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from dolphin.kernel import orders
from dolphin.kernel.reasons import Reason
from dolphin.nautilus import gates, own, plug, tokens, working
from dolphin.nautilus.guard import Guard
from tools.fuzz import oracle


class Fault(NamedTuple):
    """What is broken, which oracles may find it, and within how many commands one of them must."""

    what: str
    oracles: tuple[str, ...]
    within: int
    where: Any
    name: str
    instead: Callable[..., Any]


def _no_gate(self: Any, command: Any) -> None:
    self.hook.forward_exec(command)


def _all_tokens(self: Any, name: str, order: Any) -> bool:
    return True


def _all_enter(policy: Any, standing: Any, order: Any, cut: Any) -> Any:
    return orders.Entry(cut.entry, 60_000, Reason.PASSED)


def _never_opposes(side: int, position_lots: int, named: int) -> bool:
    return False


def _without_working(gross: int, entries: int, exit_lots: int, value_u: int, taking: int) -> int:
    return max(gross, 0)


def _plain(real: Callable[..., Any]) -> Callable[..., Any]:
    def made(self: Any, *args: Any) -> Any:
        order = real(self, *args)
        said = order.init_event.to_dict(order.init_event)
        said["reduce_only"] = False
        return type(order).create(type(order.init_event).from_dict(said))

    return made


def _cancels_swallowed(real: Callable[..., Any]) -> Callable[..., Any]:
    def at(self: Any, command: Any, forward: Any, gate: int) -> None:
        if not type(command).__name__.startswith(("Cancel", "Batch")):
            real(self, command, forward, gate)

    return at


def _forgets(real: Callable[..., Any]) -> Callable[..., Any]:
    def opened(state_dir: Any, policy: Any, header: Any, now_ns: int, durability: Any, again: bool, *rest: Any) -> Any:
        return real(state_dir, policy, header, now_ns, durability, False, *rest)

    return opened


def _half_of_fills(real: Callable[..., Any]) -> Callable[..., Any]:
    count = [0]

    def write(self: Any, ts_ns: int, kind: str, data: str) -> Any:
        if kind == "FILL":
            count[0] += 1
            if count[0] % 2:
                return None
        return real(self, ts_ns, kind, data)

    return write


def _no_flatten(self: Any) -> None:
    return None


def _raises(real: Callable[..., Any]) -> Callable[..., Any]:
    def submit(self: Any, command: Any, gate: int) -> Any:
        if command.order.is_reduce_only and command.order.quantity > 4_000_000:
            raise RuntimeError("planted")
        return real(self, command, gate)

    return submit


def faults() -> dict[str, Fault]:
    """The planted faults by name."""
    from dolphin.nautilus import opening
    from dolphin.nautilus.action import Host

    kill, exits, lev, style = oracle.KILL, oracle.EXIT, oracle.LEVERAGE, oracle.STYLE
    return {
        "gate2": Fault("gate 2 forwards everything", (kill, lev, style), 4_000, plug.Plug, "gate_exec", _no_gate),
        "token": Fault("gate 2 asks for no token", (kill, lev, style), 4_000, tokens.Tokens, "holds", _all_tokens),
        "latch": Fault("neither latch nor posture forbids an entry", (kill,), 8_000, orders, "enter", _all_enter),
        "exits": Fault("no order is an exit", (exits,), 2_000, orders, "opposes", _never_opposes),
        "working": Fault("working entries do not count", (lev,), 2_000, orders, "used", _without_working),
        "cancels": Fault(
            "cancels are swallowed", (oracle.CANCEL,), 2_000, gates.Gates, "_at",
            _cancels_swallowed(gates.Gates._at),
        ),
        "restart": Fault(
            "a restart begins anew", (oracle.LATCH,), 20_000, opening, "opened", _forgets(opening.opened)
        ),
        "flatten": Fault("a kill sends no exit", (oracle.FLAT,), 20_000, own.Own, "ask", _no_flatten),
        "journal": Fault(
            "every other fill is not written", (oracle.AUDIT,), 2_000, Guard, "write", _half_of_fills(Guard.write)
        ),
        "raise": Fault(
            "an exception for large reduce-only orders", (oracle.FAILED,), 2_000, gates.Gates, "_submit",
            _raises(gates.Gates._submit),
        ),
        "flags": Fault(
            "own orders that are not reduce-only beside exits on their way", (oracle.ZERO,), 40_000, Host, "reducing",
            _plain(Host.reducing),
        ),
    }  # fmt: skip


@contextmanager
def planted(name: str) -> Iterator[None]:
    """With this fault in the plug-in; empty: none."""
    if not name:
        yield
        return
    fault = faults()[name]
    patches = [(fault.where, fault.name, fault.instead)]
    if name == "flags":  # the guard's own care beside the flag goes as well
        patches.append((working.Group, "arriving", lambda self: False))
    before = [(where, at, getattr(where, at)) for where, at, _ in patches]
    for where, at, instead in patches:
        setattr(where, at, instead)
    try:
        yield
    finally:
        for where, at, was in before:
            setattr(where, at, was)
