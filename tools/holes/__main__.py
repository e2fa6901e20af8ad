"""`python -m tools.holes`: the table of the holes, held to what is pinned for this version of Nautilus.

Exit code 0 where plain Nautilus and the guard do what pins.toml says, 1 with a CHANGED line where one of them does not:
a newer Nautilus closed a hole, or opened one, or the guard stops something else than it did.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from tools.findings import ROOT
from tools.holes.cases import CASES, Case
from tools.holes.desk import Desk, Outcome

PINS: Final = ROOT / "tools" / "holes" / "pins.toml"
DOC: Final = ROOT / "docs" / "guide" / "holes.md"
BEGIN: Final = "<!-- table: python -m tools.holes --doc -->"
END: Final = "<!-- end of table -->"


class Row(NamedTuple):
    """A case, what came of it, and what is said of it."""

    case: Case
    plain: Outcome
    guarded: Outcome
    changed: tuple[str, ...]
    note: str


def version() -> str:
    """Nautilus' version."""
    import nautilus_trader

    return str(nautilus_trader.__version__)


def pinned(path: Path) -> dict[str, Any]:
    """The pins of this version of Nautilus; those of the newest pinned one where it has none of its own."""
    pins = tomllib.loads(path.read_text(encoding="utf-8"))
    found: dict[str, Any] = pins.get(version()) or pins[max(pins)]
    return found


def ran(case: Case, pin: dict[str, str]) -> Row:
    """Run a case twice, and compare."""
    found = []
    for guarded in (False, True):
        with tempfile.TemporaryDirectory(prefix="dolphin-holes-") as folder:
            desk = Desk(Path(folder), guarded)
            try:
                found.append(case.run(desk))
            finally:
                desk.engine.dispose()
    plain, guarded_ = found
    changed = []
    for who, now, was in (
        ("plain Nautilus", plain.what, pin.get("plain")),
        ("with Dolphin", guarded_.what, pin.get("guarded")),
        ("what Dolphin says", guarded_.why, pin.get("why")),
    ):
        if now != was:
            changed.append(f"CHANGED {case.name}, {who}: {now!r}, pinned {was!r}")
    return Row(case, plain, guarded_, tuple(changed), pin.get("note", ""))


def rows(pins: dict[str, Any], say: Any = None) -> list[Row]:
    """The whole table."""
    found = []
    for case in CASES:
        if say is not None:
            say(case)
        found.append(ran(case, pins.get(case.name, {})))
    return found


def _verdict(row: Row) -> str:
    if row.changed:
        return "CHANGED"
    exit_passes = row.case.name.startswith("E")
    good = (row.guarded.what == "passes") == exit_passes
    return "as pinned" if good else f"OPEN, as pinned: {row.note}"


HEAD: Final = ("", "what is sent", "plain Nautilus", "with Dolphin", "by", "")


def cells(row: Row) -> tuple[str, ...]:
    """One line of the table."""
    return (row.case.name, row.case.sent, row.plain.what, row.guarded.what, row.guarded.why, _verdict(row))


def printed(table: list[Row]) -> str:
    """For a terminal."""
    lines = [HEAD, *[cells(row) for row in table]]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEAD))]
    text = [f"The holes of plain Nautilus {version()}: H is dangerous and to be stopped, E is an exit and to pass", ""]
    for line in lines:
        text.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return "\n".join(text)


def markdown(table: list[Row]) -> str:
    """For the guide."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in table]
    return "\n".join(lines)


def documented(text: str, table: list[Row]) -> str:
    """The guide with this table in it."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{markdown(table)}\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """0 as pinned, 1 changed."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.holes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pins", type=Path, default=PINS, help="what is expected, by version of Nautilus")
    parser.add_argument("--doc", action="store_true", help="write the table into docs/guide/holes.md")
    given = parser.parse_args(arguments)
    counter = iter(range(1, len(CASES) + 1))
    show = sys.stderr.isatty()

    def say(case: Case) -> None:
        if show:
            print(f"\rholes: {next(counter)} of {len(CASES)}, {case.name:4}", end="", file=sys.stderr, flush=True)

    table = rows(pinned(given.pins), say)
    if show:
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    print(printed(table))
    changed = [line for row in table for line in row.changed]
    for line in changed:
        print(line)
    if changed:
        print(f"pinned in {given.pins}: look at what changed, then say so there and in the guide")
    if given.doc:
        DOC.write_text(documented(DOC.read_text(encoding="utf-8"), table), encoding="utf-8")
    return int(bool(changed))


if __name__ == "__main__":
    sys.exit(main())
