"""A command whose hands are tied by the operating system itself.

python -m tests.watchdog.hindered full|unprivileged MODULE ...

`full`: no file of it grows (the system says EFBIG, as ENOSPC on a full disk), until somebody lifts the limit.
`unprivileged`: what a file's mode forbids its owner is forbidden; root may do anything, and gives that away first.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE = 1


def main() -> None:
    if sys.argv[1] == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    elif os.geteuid() == 0:
        assert ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0
    os.execv(sys.executable, [sys.executable, "-W", "ignore", "-m", *sys.argv[2:]])


if __name__ == "__main__":
    main()
