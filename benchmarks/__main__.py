"""Run every benchmark, each in a process of its own, one after the other: two at once would measure each other."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """The modules of this folder that measure something."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def main() -> int:
    """0 if every benchmark ran to its end; what it measured is for the reader to judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"only these: {', '.join(names())}")
    asked = parser.parse_args().name or names()
    unknown = sorted(set(asked) - set(names()))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(names())}")
    environment = {key: value for key, value in os.environ.items() if key != "DOLPHIN_CONTRACTS"}
    failed = []
    for name in asked:
        print(f"\n== {name}", flush=True)
        # Nautilus warns of a coming pandas at every run of an engine.
        command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}"]
        done = subprocess.run(command, env=environment, check=False)
        if done.returncode != 0:
            failed.append(name)
    if failed:
        print(f"\nnot run to their end: {', '.join(failed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
