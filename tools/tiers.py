"""The coverage report by assurance level, for whoever signs off: `make tiers`.

For each package of DAL.md's table its level, what the suite reached of its statements and branches, and what its level
demands; below, the requirements of each level and what shows that they hold. Nothing is measured here: coverage comes
from the data file that the suite left, levels from DAL.md, requirements from requirements.toml. Exit code 1 where a
package is under its bar, was not measured, or a requirement has no evidence.

    python -m tools.tiers [--data .coverage] [--json] [--modules]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import coverage

from tools.findings import ROOT, python_files
from tools.requirements_check import Report, check_tree

BARS = {"A, pure": 100.0, "A, shell": 96.5, "B": 85.0, "wiring": 80.0}
"""Least share of statements and branches together, %. Only ever raised."""

STRICTER = {"dolphin.journal": 100.0}
"""Shells that reach more than their level's ratchet: what they have is held."""

ROW = re.compile(r"^\| `(dolphin\.\w+)` \| ([^|]+?) \|")


class Module(NamedTuple):
    """One file's counts."""

    path: str
    statements: int
    statements_missing: int
    branches: int
    branches_missing: int


class Package(NamedTuple):
    """One package: its level, the sums over its files, and the least share that it may have, in %."""

    name: str
    level: str
    bar: float
    files: int
    unmeasured: int
    sums: Module

    @property
    def covered(self) -> float:
        """Share of statements and branches that were taken, in %, floored to hundredths: 99.999 is not 100."""
        return share(self.sums)

    @property
    def holds(self) -> bool:
        return not self.unmeasured and self.covered >= self.bar


def share(sums: Module) -> float:
    """Statements and branches reached, %, floored to hundredths. 0 where there is nothing."""
    whole = sums.statements + sums.branches
    if whole == 0:
        return 0.0
    return (whole - sums.statements_missing - sums.branches_missing) * 10_000 // whole / 100


def levels(root: Path) -> dict[str, str]:
    """Package to level, as DAL.md's table says. ValueError where it has no row, or a level without a bar."""
    found = {}
    for line in (root / "DAL.md").read_text(encoding="utf-8").splitlines():
        row = ROW.match(line)
        if row is None:
            continue
        name, level = row.groups()
        if level not in BARS:
            raise ValueError(f"DAL.md: {name}: level {level!r}; tools/tiers.py knows {', '.join(BARS)}")
        found[name] = level
    if not found:
        raise ValueError("DAL.md: no row of the form | `dolphin.package` | level |")
    return found


def modules(data: Path, root: Path) -> dict[str, Module]:
    """What the suite reached, by path below `root`. ValueError where there is no data, or it has no branches."""
    if not data.is_file():
        raise ValueError(f"{data}: no coverage data; `make tiers` runs the suite first")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "coverage.json"
        measured = coverage.Coverage(data_file=str(data), config_file=str(root / "pyproject.toml"))
        measured.load()
        try:
            measured.json_report(outfile=str(out), include=[str(root / "src" / "dolphin" / "*")])
        except coverage.exceptions.CoverageException as error:
            raise ValueError(f"{data}: {error}") from None
        told: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    found = {}
    for name, file in told["files"].items():
        sums = file["summary"]
        if "num_branches" not in sums:
            raise ValueError(f"{data}: measured without branches; `make tiers` runs the suite with them")
        path = Path(name)
        if path.is_absolute():
            path = path.relative_to(root)
        found[path.as_posix()] = Module(
            path.as_posix(), sums["num_statements"], sums["missing_lines"], sums["num_branches"],
            sums["missing_branches"],
        )  # fmt: skip
    return found


def summed(name: str, rows: Iterable[Module]) -> Module:
    counts = [row[1:] for row in rows]
    return Module(name, *(sum(column) for column in zip(*counts, strict=True))) if counts else Module(name, 0, 0, 0, 0)


def packages(root: Path, found: dict[str, Module]) -> list[Package]:
    """DAL.md's packages in its order. A file that was not measured counts against its package."""
    rows = []
    for name, level in levels(root).items():
        folder = root / "src" / Path(*name.split("."))
        paths = [path.relative_to(root).as_posix() for path in python_files(folder)]
        measured = [found[path] for path in paths if path in found]
        bar = STRICTER.get(name, BARS[level])
        rows.append(Package(name, level, bar, len(paths), len(paths) - len(measured), summed(name, measured)))
    return rows


def by_level(report: Report) -> list[tuple[str, int, int, Counter[str]]]:
    """Of each level: requirements, how many are shown, and by how many pieces of evidence of each kind."""
    rows = []
    for level in sorted({requirement.level for requirement in report.requirements}):
        own = [requirement for requirement in report.requirements if requirement.level == level]
        shown = [one for one in own if report.evidence[one.id] and not one.planned]
        kinds = Counter(item.partition(":")[0] for one in own for item in report.evidence[one.id])
        rows.append((level, len(own), len(shown), kinds))
    return rows


def told(rows: list[Package], report: Report) -> str:
    """The two tables."""
    lines = [
        "level      package              files  statements  missing  branches  missing  covered %   least %",
    ]
    for row in rows:
        sums = row.sums
        verdict = "" if row.holds else "   BELOW"
        if row.unmeasured:
            verdict = f"   {row.unmeasured} files NOT MEASURED"
        lines.append(
            f"{row.level:<10} {row.name:<20} {row.files:>5}  {sums.statements:>10,}  {sums.statements_missing:>7,}  "
            f"{sums.branches:>8,}  {sums.branches_missing:>7,}  {row.covered:>9.2f}  {row.bar:>8.2f}{verdict}"
        )
    lines += ["", "level      requirements  shown   evidence"]
    for level, count, shown, kinds in by_level(report):
        evidence = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        lines.append(f"{level:<10} {count:>12}  {shown:>5}   {evidence}")
    lines += [
        "",
        "Besides coverage: `make prove` (contracts over all paths), `make tlc` (models), `make lint` (one condition",
    ]
    lines += ["per decision, so that branch coverage of level A is MC/DC as DAL.md defines it)."]
    return "\n".join(lines)


def as_json(rows: list[Package], report: Report) -> str:
    return json.dumps(
        {
            "packages": [
                {"level": row.level, "package": row.name, "files": row.files, "unmeasured": row.unmeasured}
                | row.sums._asdict() | {"covered_percent": row.covered, "least_percent": row.bar, "holds": row.holds}
                for row in rows
            ],
            "requirements": [
                {"level": level, "requirements": count, "shown": shown, "evidence": kinds}
                for level, count, shown, kinds in by_level(report)
            ],
        },
        indent=1,
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Print the report; 0 where each package and each requirement holds."""
    parser = argparse.ArgumentParser(
        prog="tiers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT / ".coverage", help="what the suite left (.coverage)")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--modules", action="store_true", help="modules that are not wholly covered, the worst first")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        found = modules(options.data, options.root)
        rows = packages(options.root, found)
    except ValueError as error:
        print(f"tiers: {error}", file=sys.stderr)
        return 2
    report = check_tree(options.root)
    print(as_json(rows, report) if options.json else told(rows, report))
    if options.modules:
        for module in sorted(found.values(), key=share):
            if share(module) < 100.0:
                print(f"{share(module):>7.2f} %  {module.path}")
    failed = [row.name for row in rows if not row.holds]
    missing = [level for level, count, shown, _ in by_level(report) if shown < count]
    if failed or missing or report.findings:
        print(f"tiers: not as demanded: {', '.join(failed + [f'requirements of level {level}' for level in missing])}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
