"""`python -m tools.scenarios.traces`: the journal of each scenario, the same on every machine, with its verdict.

What belongs here: making `traces/` and saying whether it is current. What a machine puts into a journal (the writer's
id, the configuration with its paths, versions) is emptied, and the chain computed anew; nothing else is touched.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from dolphin.app.errors import EXIT_NEGATIVE, EXIT_OK
from dolphin.audit import pipeline
from dolphin.journal import read
from dolphin.kernel.events import EVENTS
from tools.scenarios.__main__ import done, files
from tools.scenarios.form import read as read_scenario

FOLDER: Final = Path(__file__).resolve().parents[2] / "traces"
VERDICTS: Final = "verdicts.toml"
_GENESIS: Final = hashlib.sha256(b"dolphin-journal-1").digest()
_HASH: Final = re.compile(r',"hash":"[0-9a-f]{64}"\}$')
_INSTANCE: Final = re.compile(r'"instance":"[0-9a-f]{32}"')
_HEADER: Final[dict[str, Any]] = {"versions": {}, "configuration": {}}
"""What a header says of the machine and of settings that have no part in a decision."""


def neutral(lines: Iterable[str]) -> list[str]:
    """The lines of a journal without what is of a machine, chained anew."""
    digest = _GENESIS
    made: list[str] = []
    for line in lines:
        body = _INSTANCE.sub('"instance":"' + "0" * 32 + '"', _HASH.sub("", line))
        if not made:
            header = json.loads(body + "}")
            header["data"] |= _HEADER
            body = json.dumps(header, separators=(",", ":"), ensure_ascii=False)[:-1]
        digest = hashlib.sha256(digest + body.encode()).digest()
        made.append(f'{body},"hash":"{digest.hex()}"}}')
    return made


def decisions(path: Path) -> list[tuple[Any, ...]]:
    """What was decided, in order: time, kind, outcome and effects of each kernel event."""
    return [
        (record.ts_ns, record.kind, list(record.body.out), [list(effect) for effect in record.body.fx])
        for record in read(str(path))
        if record.kind in EVENTS
    ]


def verdicts(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """The verdict that each trace must have, by file name."""
    return tomllib.loads((folder / VERDICTS).read_text(encoding="utf-8"))


def audited(path: Path, anchor: str | None) -> str:
    """The verdict of the fast replay."""
    return str(pipeline.audit(str(path), anchor=anchor).verdict)


def made(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Name and lines of each trace, from a run of its scenario; an engine whose times are its own has none."""
    for path in files():
        scenario = read_scenario(path)
        if scenario.engine != "backtest" or scenario.not_built:
            continue
        one = done(scenario, folder / path.stem)
        assert one.seen is not None
        yield f"{path.stem}.jsonl", neutral(one.seen.journal.read_text(encoding="utf-8").splitlines())


def write(folder: Path) -> None:
    """Make all of them anew."""
    folder.mkdir(exist_ok=True)
    said = ["# Written by `make traces`: the verdict of trace-audit on each journal, with its head as the anchor.\n"]
    for old in folder.glob("*.jsonl"):
        old.unlink()
    with tempfile.TemporaryDirectory() as temporary:
        for name, lines in made(Path(temporary)):
            (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            last = json.loads(lines[-1])
            anchor = f"{last['seq']}:{last['hash']}"
            verdict = audited(folder / name, anchor)
            said.append(f'["{name}"]\nverdict = "{verdict}"\nrecords = {len(lines)}\nanchor = "{anchor}"\n')
            print(f"{name:<28} {verdict:<10} {len(lines):>6,} records")
    (folder / VERDICTS).write_text("\n".join(said), encoding="utf-8")


def stale(folder: Path) -> list[str]:
    """What is not as a run makes it now, byte for byte."""
    with tempfile.TemporaryDirectory() as temporary:
        fresh = dict(made(Path(temporary)))
    kept = {path.name: path.read_text(encoding="utf-8").splitlines() for path in folder.glob("*.jsonl")}
    return sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))


def main(argv: Sequence[str]) -> int:
    """Write them, or say what is stale."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.scenarios.traces",
        description="Write traces/: one journal a scenario, with its expected verdict.",
        epilog="exit codes: 0 written, or current; 1 --check found one that is not as a run makes it now",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; say which are not current, byte for byte")
    if not parser.parse_args(argv).check:
        write(FOLDER)
        return EXIT_OK
    names = stale(FOLDER)
    for name in names:
        print(f"traces/{name}: not what its scenario gives now; run `make traces` and look at what changed")
    return EXIT_NEGATIVE if names else EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
