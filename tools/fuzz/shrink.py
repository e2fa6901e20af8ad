"""The smallest command list that still fails: deletion of ever smaller parts, until no single one can go."""

from __future__ import annotations

from collections.abc import Callable

from tools.fuzz.plan import Command, Plan


def shrunk(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """A plan of fewer commands that still `fails`; prices and the world stay as they were."""
    commands = list(plan.commands)
    size = max(1, len(commands) // 2)
    while True:
        kept = _without_parts(plan, commands, size, fails)
        if size == 1 and len(kept) == len(commands):
            return plan._replace(commands=tuple(kept))
        commands = kept
        size = max(1, size // 2)


def _without_parts(plan: Plan, commands: list[Command], size: int, fails: Callable[[Plan], bool]) -> list[Command]:
    """The commands after each part of `size`, from the end, was tried without."""
    at = len(commands)
    while at > 0:
        at = max(0, at - size)
        tried = commands[:at] + commands[at + size :]
        if len(tried) < len(commands) and fails(plan._replace(commands=tuple(tried))):
            commands = tried
    return commands
