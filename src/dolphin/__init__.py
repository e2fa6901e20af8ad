"""Dolphin: how much a trading system may risk, from how well it can see.

The public surface is `__all__`, described in docs/guide/embed.md and held by tests/app/test_public.py; it follows
semantic versions. Other modules may change with any release. Names are loaded when they are used: importing `dolphin`
costs nothing, and imports neither nautilus_trader nor pandas.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# Loaded now, so that loading it later does not put the package in the place of the function below.
from dolphin import audit as _package

if TYPE_CHECKING:
    from dolphin.api import (
        DAILY,
        INTRADAY,
        Cause,
        Decision,
        FeedKind,
        Journal,
        KillSwitch,
        Mode,
        Policy,
        Posture,
        Reason,
        RiskGate,
        RiskMetrics,
        Sizer,
        Survival,
        create_journal,
        load_policy,
    )
    from dolphin.audit.finding import Report

__version__ = "0.1.0"
__all__ = [
    "DAILY",
    "INTRADAY",
    "Cause",
    "Decision",
    "FeedKind",
    "Journal",
    "KillSwitch",
    "Mode",
    "Policy",
    "Posture",
    "Reason",
    "RiskGate",
    "RiskMetrics",
    "Sizer",
    "Survival",
    "__version__",
    "audit",
    "create_journal",
    "load_policy",
]


class _Audit:
    """`dolphin.audit(path)`; and still the package of that name, for `dolphin.audit.replay` and the like."""

    __name__ = "dolphin.audit"

    def __call__(self, path: str | os.PathLike[str], *, engine: str = "replay", anchor: str | None = None) -> Report:
        """Check the journal `path` from the file alone: chain, every decision recomputed, safety properties.

        `engine`: `replay` (default), or `tlc` for conformance to the TLA+ model (needs Java). `anchor`: the head that
        the run printed, `SEQ:HASH`. The report's `verdict` is conforms, violates or incomplete; `findings` name the
        first bad record. ValueError: engine or anchor; JournalError: no journal.
        """
        if engine == "replay":
            from dolphin.audit.pipeline import audit as replay

            return replay(os.fspath(path), anchor=anchor)
        if engine == "tlc":
            from dolphin.audit.conformance import audit as conform

            return conform(os.fspath(path), anchor=anchor)
        raise ValueError(f"engine {engine!r}: accepted replay, tlc")

    def __getattr__(self, name: str) -> Any:
        return getattr(_package, name)


audit = _Audit()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'dolphin' has no attribute {name!r}; public: {', '.join(__all__)}")
    from dolphin import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted(__all__)
