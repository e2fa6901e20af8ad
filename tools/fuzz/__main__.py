"""`python -m tools.fuzz`: many episodes over the cores; one seed again; its smallest command list; the plants."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from tools.fuzz.many import many, one
from tools.fuzz.plan import Plan, drawn, loaded, saved

OUT: Final = Path("out") / "fuzz"


def again(plan: Plan, plant: str, shrink: bool, out: Path) -> int:
    """One plan: what it finds; `shrink`: the smallest that finds the same, kept as a file."""
    done = one(plan, plant)
    if not done.findings:
        print(f"seed {plan.seed}: {done.commands} commands, nothing found")
        return 0
    if shrink:
        from tools.fuzz.shrink import shrunk

        kind = done.findings[0].oracle
        plan = shrunk(plan, lambda tried: any(each.oracle == kind for each in one(tried, plant).findings))
        done = one(plan, plant)
        out.mkdir(parents=True, exist_ok=True)
        path = out / f"seed-{plan.seed}.json"
        path.write_text(saved(plan), encoding="utf-8")
        print(saved(plan), end="")
        print(f"again: python -m tools.fuzz --plan {path}" + (f" --plant {plant}" if plant else ""))
    for found in done.findings:
        print(f"seed {plan.seed}: {found.oracle}: {found.text}")
    return 1


def plants(first: int, names: list[str]) -> int:
    """Each planted fault: found by its oracle within the stated number of commands, or not."""
    from tools.fuzz.faults import faults

    missed = 0
    print(f"{'fault':9} {'commands':>8} {'at most':>8}  seed  what is broken, and which oracle found it")
    for name, fault in faults().items():
        if names and name not in names:
            continue
        sent, seed, by = 0, first - 1, ""
        while not by and sent < fault.within:
            seed += 1
            done = one(drawn(seed, 260), name)
            sent += done.commands
            by = next((each.oracle for each in done.findings if each.oracle in fault.oracles), "")
        missed += not by
        print(f"{name:9} {sent:8} {fault.within:8}  {seed:4}  {fault.what}: {by or 'NOT FOUND'}", flush=True)
    return int(missed > 0)


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 where nothing was found (of `--plants`: where each was)."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("--commands", type=int, default=1_000_000, help="how many to send in all (default 1,000,000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--out", type=Path, default=OUT, help="where results are kept, to go on from after a stop")
    parser.add_argument("--seed", type=int, help="play this seed alone, as a failure says")
    parser.add_argument("--plan", type=Path, help="play a plan that --shrink wrote")
    parser.add_argument("--shrink", action="store_true", help="delete commands while the finding stays")
    parser.add_argument("--plant", default="", help="with this fault planted (--plants lists them)")
    parser.add_argument("--plants", nargs="*", metavar="NAME", help="each planted fault, or these, must be found")
    given = parser.parse_args(arguments)
    if given.plants is not None:
        return plants(given.first, given.plants)
    if given.plan is not None:
        return again(loaded(given.plan.read_text(encoding="utf-8")), given.plant, given.shrink, given.out)
    if given.seed is not None:
        return again(drawn(given.seed), given.plant, given.shrink, given.out)
    return many(given.commands, given.first, given.workers, given.out)


if __name__ == "__main__":
    sys.exit(main())
