"""The engines that can run a scenario, by the name that a file gives in `engine`.

What belongs here: names, where the runner is, and which faults it can make. A runner is a function of a `Scenario` and
an empty folder that gives a `Seen`; it is imported when it is needed. To add one: write it, name it here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tools.scenarios.form import Scenario
    from tools.scenarios.seen import Seen


@dataclass(frozen=True, slots=True)
class Engine:
    """`runner`: "module:function". `faults`: kind to its keys and their types."""

    runner: str
    faults: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def load(self) -> Callable[[Scenario, Path], Seen]:
        """The runner itself."""
        module, _, name = self.runner.partition(":")
        found: Callable[[Scenario, Path], Seen] = getattr(importlib.import_module(module), name)
        return found


ENGINES: Final[dict[str, Engine]] = {
    "backtest": Engine(
        "tools.scenarios.backtest:run",
        {
            "crash": {"restart": "offset", "settings": "table"},
            "limit-fill": {"share": "share", "times": "count", "every": "duration"},
            "tamper": {},
        },
    ),
}
