"""`python -m tools.scenarios`: run the scenarios, a line each; exit code 1 where one is not as its file says.

What belongs here: which files, in which order, and what is printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from dolphin.app.errors import EXIT_NEGATIVE, EXIT_OK, EXIT_USAGE, UserError
from tools.scenarios import judge, live
from tools.scenarios.engines import ENGINES
from tools.scenarios.form import Scenario, read
from tools.scenarios.seen import Seen

FOLDER: Final = Path(__file__).resolve().parents[2] / "scenarios"
EXCUSED: Final = "not-built.toml"
"""Scenarios whose absence does not make the exit code negative, each with the reason."""


ASKED: Final = [f"S{number}" for number in range(1, 18)]
"""The table that issue 4 asks for: an id of it without a file is NOT BUILT, too."""


class Done(NamedTuple):
    """One scenario that was run, or not. `word`: "as expected", "DEVIATES", "NOT BUILT"."""

    scenario: Scenario
    word: str
    lines: Sequence[str]
    seen: Seen | None
    seconds: float


def files(folder: Path = FOLDER) -> list[Path]:
    """The scenario files, in order."""
    return sorted(path for path in folder.glob("S*.toml"))


def done(scenario: Scenario, folder: Path) -> Done:
    """Run it and judge it."""
    engine = ENGINES[scenario.engine]
    began = time.perf_counter()
    if scenario.not_built:
        return Done(scenario, "NOT BUILT", (scenario.not_built,), None, 0.0)
    seen = engine.load()(scenario, folder)
    lines = [each.text() for each in judge.deviations(scenario.expect, seen)]
    if lines:
        lines += seen.findings[:1]
    word = "DEVIATES" if lines else "as expected"
    return Done(scenario, word, lines, seen, time.perf_counter() - began)


def excused(folder: Path = FOLDER) -> Mapping[str, str]:
    """Ids of scenarios that may be NOT BUILT, with why."""
    try:
        found = tomllib.loads((folder / EXCUSED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {str(key): str(value) for key, value in found.items()}


def missing(scenarios: Sequence[Scenario]) -> list[str]:
    """The ids of the table that no file has, live ones included. S8b is another one of S8."""
    known = {one.id.rstrip("abcdefgh") for one in scenarios}
    known |= live.by_test(FOLDER).keys()
    known |= {live.name_of(path).rstrip("abcdefgh") for path in live.files(FOLDER)}
    return [name for name in ASKED if name not in known]


def line(one: Done) -> str:
    """The line of one scenario."""
    verdict = one.seen.verdict if one.seen else "-"
    records = f"{one.seen.counts['records']:,} records" if one.seen else ""
    name = f"{one.scenario.id:<6} {one.scenario.name:<16} {one.scenario.engine:<8}"
    return f"{name} {one.word:<11} journal {verdict:<10} {records:>15} {one.seconds:6.2f} s  {one.scenario.title}"


def detail(seen: Seen) -> str:
    """What was seen, in the words of a file: what to write in `[expect]`, once it has been thought through."""
    parts = [f"{name} = [\n" + "".join(f'  "{each}",\n' for each in getattr(seen, name)) + "]" for name in
             ("tape", "moves", "trips", "answers")]  # fmt: skip
    parts += [f"{name} = {getattr(seen, name)}" for name in ("denied", "positions", "counts")]
    return "\n".join([*parts, f"final = {seen.final()}"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.scenarios",
        description="Run famous failures through Dolphin: a line for each, and what differs where one is not as its "
        "file says. The format is in docs/design/scenarios.md.",
        epilog="exit codes: 0 all as expected; 1 one deviates, or is not built and not excused in "
        f"scenarios/{EXCUSED}; 2 a file is wrong",
    )
    parser.add_argument("ids", nargs="*", help="ids or file names, such as S3 (default: all)")
    parser.add_argument("--seen", action="store_true", help="print all that was seen, too")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the journals below this new folder")
    return parser


def _short(path: Path) -> str:
    """S3 for S03-flash-crash.toml."""
    return path.stem.partition("-")[0].replace("S0", "S")


def _chosen(ids: Sequence[str]) -> list[Path]:
    known = [*files(), *live.files(FOLDER)]
    if not ids:
        return known
    found: list[Path] = []
    for name in ids:
        if name in live.by_test(FOLDER):
            continue
        path = Path(name)
        match = [path] if path.is_file() else [one for one in known if _short(one) == name.replace("S0", "S")]
        if not match:
            raise UserError("no such scenario", field=name, fix=f"known: {', '.join(one.stem for one in known)}")
        found += match
    return found


def main(argv: Sequence[str]) -> int:
    """Run what was asked for; the exit code."""
    given = _parser().parse_args(argv)
    try:
        chosen = _chosen(given.ids)
        scenarios = [read(path) for path in chosen if path.parent.name != "live"]
    except UserError as error:
        print(f"scenarios: {error}", file=sys.stderr)
        return EXIT_USAGE
    code = EXIT_OK
    excuses = excused()
    if not given.ids:
        for name in missing(scenarios):
            print(f"{name:<6} {'-':<16} {'-':<8} NOT BUILT   no file says it yet")
            print(f"       {'excused: ' + excuses[name] if name in excuses else 'not excused'}")
            if name not in excuses:
                code = EXIT_NEGATIVE
    with tempfile.TemporaryDirectory() as temporary:
        for scenario in scenarios:
            folder = (given.keep or Path(temporary)) / Path(scenario.path).stem
            folder.mkdir(parents=True)
            one = done(scenario, folder)
            print(line(one), flush=True)
            for text in one.lines:
                print(f"       {text}")
            if given.seen and one.seen is not None:
                print(detail(one.seen))
            if one.word == "DEVIATES" or (one.word == "NOT BUILT" and one.scenario.id not in excuses):
                code = EXIT_NEGATIVE
            elif one.word == "NOT BUILT":
                print(f"       excused: {excuses[one.scenario.id]}")
    for path in chosen:
        if path.parent.name == "live":
            negative, said = live.run(path)
            print(said, flush=True)
            if negative:
                code = EXIT_NEGATIVE
    for name, by_test in live.by_test(FOLDER).items():
        if not given.ids or name in given.ids:
            negative, said = live.tested(name, by_test)
            print(said, flush=True)
            if negative:
                code = EXIT_NEGATIVE
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
