"""Each benchmark comes to its end, small: it reaches into the plug-in by name, and must follow. No time is judged."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "guarded": (
        ("--quotes", "3000", "--orders", "60", "--rounds", "1", "--step-ms", "1", "--limits", "benchmarks/limits.toml"),
        "records",
    ),
    "orders": (("--orders", "60", "--rounds", "1"), "gate cost over native path"),
    "kill": (("--orders", "3", "--rounds", "2"), "latch to last cancel"),
    "audit": (("--records", "2000", "--no-tlc"), "records/s"),
    "watchdog": (("--rounds", "2"), "killed   from the last beat"),
    "journal_append": (("--records", "500"), "append TICK"),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_comes_to_its_end(name: str) -> None:
    args, said = SMALL[name]
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}", *args]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr[-2_000:]
    assert said in ran.stdout
