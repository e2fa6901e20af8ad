"""`dolphin restore` as a process of its own that waits at a step of it. Run by test_restore_races.py.

python -m tests.app.restoring STEP DIR2 DIR

At the first call of `backup.STEP`, or where the copy is to be renamed, it prints `at STEP` and goes on when a line
comes; the end of its input is no line.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from dolphin.app import backup
from dolphin.app.cli import main
from dolphin.app.copying import PART


def waiting(step: str) -> None:
    where: Any = os if step == "rename" else backup
    real = getattr(where, step)

    def waits(*args: Any, **more: Any) -> Any:
        if step == "rename" and PART not in str(args[0]):
            return real(*args, **more)
        setattr(where, step, real)
        print(f"at {step}", flush=True)
        if not sys.stdin.readline():
            os._exit(3)
        return real(*args, **more)

    setattr(where, step, waits)


if __name__ == "__main__":
    waiting(sys.argv[1])
    sys.exit(main(["restore", "--from", sys.argv[2], "--state", sys.argv[3]]))
