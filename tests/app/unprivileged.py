"""A command run by a user who may read little: root may read anything, so a child gives that right away first."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

_DROPS = """
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: what lets root read anything
        assert ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0) == 0, "PR_CAPBSET_DROP"
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


def said_by(*command: str) -> Said:
    """`python -m <command>` by a user who may read only what a file's mode lets its owner read."""
    done = subprocess.run(
        [sys.executable, "-c", _DROPS, "-m", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    return Said(done.returncode, done.stdout, done.stderr)
