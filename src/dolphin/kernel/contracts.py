"""The contract decorators of the kernel, switched by one variable of the environment, read once at import.

`DOLPHIN_CONTRACTS=1` (tests) checks every condition; unset, a decorator returns the function itself, so that production
pays nothing (a checked condition costs about 5 us; the audit rechecks production decisions instead). A function's full
name (`dolphin.kernel.survival.r2`) checks that one alone: CrossHair executes callees, and nested contracts multiply
its paths, so each function is confirmed with only its own conditions on.
"""

from __future__ import annotations

from collections.abc import Callable
from os import environ
from typing import Any

import icontract

_CHECKED = frozenset(environ.get("DOLPHIN_CONTRACTS", "").split(","))


def checked(function: Callable[..., Any]) -> bool:
    """Whether the conditions of `function` are on."""
    if "1" in _CHECKED:
        return True
    return f"{function.__module__}.{function.__qualname__}" in _CHECKED


def ensure[F: Callable[..., Any]](condition: Callable[..., Any]) -> Callable[[F], F]:
    """Postcondition; `condition` may name the arguments and `result`."""

    def decorate(function: F) -> F:
        if not checked(function):
            return function
        decorated: F = icontract.ensure(condition)(function)
        return decorated

    return decorate


def require[F: Callable[..., Any]](condition: Callable[..., Any]) -> Callable[[F], F]:
    """Precondition: only for functions whose callers clamp the arguments themselves."""

    def decorate(function: F) -> F:
        if not checked(function):
            return function
        decorated: F = icontract.require(condition)(function)
        return decorated

    return decorate
