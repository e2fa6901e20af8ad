"""Corrupt every field of every record kind, and give the chain its hashes anew, so that only the content is wrong.

`python -m tests.audit.mutate [--tlc] [--write]` prints the kill rate and the misses; `--tlc` asks TLC, too, for the
fields that it models (about two seconds each); `--write` brings the list in docs/guide/audit.md up to date.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dolphin.audit import conformance, replay
from dolphin.audit.conformance import MODELLED
from dolphin.audit.finding import Verdict
from dolphin.journal import KERNEL, JournalUnreadable
from dolphin.kernel.events import EFFECTS
from dolphin.kernel.state import Outcome
from tests.audit.make_journal import scripted

GENESIS = hashlib.sha256(b"dolphin-journal-1").digest()
TAIL = re.compile(r',"hash":"[0-9a-f]{64}"\}$')
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "audit.md"


class Mutant(NamedTuple):
    """`name`: KIND.field. `line`: 1-based. `said`: before and after."""

    name: str
    line: int
    said: str
    lines: list[str]


def rechained(lines: list[str], index: int) -> list[str]:
    """The lines with every hash from `index` on computed anew."""
    digest = GENESIS
    if index > 0:
        digest = bytes.fromhex(lines[index - 1][-66:-2])
    made = lines[:index]
    for line in lines[index:]:
        body = TAIL.sub("", line)
        digest = hashlib.sha256(digest + body.encode()).digest()
        made.append(f'{body},"hash":"{digest.hex()}"}}')
    return made


def changes(value: Any) -> list[Any]:
    """Other values in the place of this one: the next integer, a flag turned, a letter changed, an element less."""
    match value:
        case bool():
            return [not value]
        case int():
            return [1 - value] if value in (0, 1) else [value + 1, value - 1]
        case str() if re.fullmatch(r"-?\d+", value):
            return [str(int(value) + 1), str(int(value) - 1_000_000_007)]
        case str():
            return [value[:-1] + ("b" if value[-1:] != "b" else "c")]
        case []:
            return []
        case list():
            return [value[:-1]]
        case _:
            return []


def places(kind: str, data: dict[str, Any]) -> Iterator[tuple[str, Callable[[dict[str, Any], Any], None], Any]]:
    """Each field of a record: its name, how to set it, its value."""

    def setter(*path: Any) -> Callable[[dict[str, Any], Any], None]:
        def put(copy: Any, value: Any) -> None:
            for step in path[:-1]:
                copy = copy[step]
            copy[path[-1]] = value

        return put

    for name, value in data.items():
        if name == "out":
            for index, (field, claim) in enumerate(zip(Outcome._fields, value, strict=True)):
                yield f"out.{field}", setter("out", index), claim
        elif name == "fx":
            yield "fx", setter("fx"), value
            for place, effect in enumerate(value):
                yield f"fx.{effect[0]}", setter("fx", place, 0), effect[0]
                for index, field in enumerate(EFFECTS[effect[0]]._fields, start=1):
                    yield f"fx.{effect[0]}.{field}", setter("fx", place, index), effect[index]
        elif isinstance(value, dict):
            for key, part in value.items():
                yield f"{name}.{key}", setter(name, key), part
        elif kind == "HEADER" and name == "feeds":
            yield "feeds", setter("feeds"), value
            yield "feeds.name", setter("feeds", 0, "name"), value[0]["name"]
            yield "feeds.kind", setter("feeds", 0, "kind"), value[0]["kind"]
        else:
            yield name, setter(name), value


def mutants(lines: list[str], per_field: int = 2) -> Iterator[Mutant]:
    """For each field of each kind `per_field` records, spread over the journal, each with every change of it."""
    found: dict[str, list[int]] = {}
    records = [json.loads(line) for line in lines]
    for index, record in enumerate(records):
        for name, _, _ in places(record["kind"], record["data"]):
            found.setdefault(f"{record['kind']}.{name}", []).append(index)
        for name in ("seq", "ts", "kind", "policy"):
            found.setdefault(f"{record['kind']}.{name} (line)", []).append(index)
    for name, indices in found.items():
        spread = sorted({indices[(len(indices) - 1) * part // max(per_field - 1, 1)] for part in range(per_field)})
        for index in spread:
            yield from _of(name, index, lines, records[index])


def _of(name: str, index: int, lines: list[str], record: dict[str, Any]) -> Iterator[Mutant]:
    kind, _, field = name.partition(".")
    done = set()
    if field.endswith(" (line)"):
        field = field.removesuffix(" (line)")
        for value in changes(record[field]):
            yield _mutant(name, index, lines, record | {field: value}, record[field], value)
        return
    for place, put, value in places(kind, record["data"]):
        if place != field or place in done:
            continue
        done.add(place)
        for other in changes(value):
            copy = json.loads(json.dumps(record["data"]))
            put(copy, other)
            yield _mutant(name, index, lines, record | {"data": copy}, value, other)


def _mutant(name: str, index: int, lines: list[str], record: dict[str, Any], before: Any, after: Any) -> Mutant:
    data = json.dumps(record["data"], separators=(",", ":"), ensure_ascii=False)
    line = (
        f'{{"seq":{record["seq"]},"ts":"{record["ts"]}","kind":"{record["kind"]}","policy":"{record["policy"]}",'
        f'"data":{data},"hash":"{"0" * 64}"}}'
    )
    return Mutant(
        name, index + 1, f"{before} -> {after}", rechained([*lines[:index], line, *lines[index + 1 :]], index)
    )


class Result(NamedTuple):
    """How many mutants there were, how many were found, how many at their own line, and those that were not."""

    total: int
    killed: int
    at_line: int
    missed: list[Mutant]
    fields: dict[str, tuple[int, int]]


def run(folder: Path, per_field: int = 2) -> Result:
    """Audit every mutant by replay."""
    original = folder / "original.jsonl"
    scripted(original)
    assert judged(original) == -1, "the journal that is corrupted must conform itself"
    lines = original.read_text().splitlines()
    path = folder / "mutant.jsonl"
    total = killed = at_line = 0
    missed = []
    fields: dict[str, tuple[int, int]] = {}
    for mutant in mutants(lines, per_field):
        path.write_text("\n".join(mutant.lines) + "\n")
        total += 1
        line = judged(path)
        if line >= 0:
            killed += 1
            at_line += line == mutant.line
        else:
            missed.append(mutant)
        tried, hit = fields.get(mutant.name, (0, 0))
        fields[mutant.name] = (tried + 1, hit + (line >= 0))
    return Result(total, killed, at_line, missed, fields)


def judged(path: Path) -> int:
    """The line at which replay finds the first violation, 0 if it refuses the file, -1 if it finds nothing."""
    try:
        report = replay.audit(str(path))
    except JournalUnreadable:
        return 0
    if report.verdict == Verdict.VIOLATES:
        return report.findings[0].line
    return -1


class Pair(NamedTuple):
    """What both engines say of one mutant. `contradiction`: empty if they agree."""

    mutant: Mutant
    replay: str
    tlc: str
    contradiction: str


def both(folder: Path, per_field: int = 1, only: Callable[[Mutant], bool] = lambda _: True) -> Iterator[Pair]:
    """Audit by both engines every mutant of a field that the model has."""
    original = folder / "original.jsonl"
    scripted(original)
    lines = original.read_text().splitlines()
    path = folder / "mutant.jsonl"
    for mutant in mutants(lines, per_field):
        if not modelled(mutant.name):
            continue
        if not only(mutant):
            continue
        path.write_text("\n".join(mutant.lines) + "\n")
        ours, theirs = replay.audit(str(path)), conformance.audit(str(path))
        pair = conformance.agreement(ours, theirs)
        yield Pair(mutant, ours.verdict, theirs.verdict, pair.disagreement)


def modelled(name: str) -> bool:
    """Whether TLC must see a change of this field."""
    return name.partition(".")[2] in {f"out.{field}" for field in MODELLED}


def table(result: Result) -> str:
    """The misses by field, as the guide has them."""
    share = 100 * result.killed / result.total
    parts = []
    for label in ("claim", "reading", "host"):
        pairs = [pair for name, pair in result.fields.items() if sort(name) == label]
        tried, hit = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
        parts.append(f"{label} fields {hit} of {tried} ({100 * hit / tried:.1f} %)")
    rows = [f"Of {result.total} corrupted journals {result.killed} were found ({share:.1f} %): {', '.join(parts)}."]
    rows += ["", "| field | missed | of |", "|---|---|---|"]
    for name, (tried, hit) in sorted(result.fields.items()):
        if hit < tried:
            rows.append(f"| `{name}` | {tried - hit} | {tried} |")
    return "\n".join(rows)


def sort(name: str) -> str:
    """claim: what a record says came out, and its place; reading: what went in; host: what the host tells people."""
    kind, _, field = name.partition(".")
    if field.startswith(("out.", "fx")) or field in ("seq (line)", "kind (line)", "policy (line)"):
        return "claim"
    if (kind in KERNEL and not field.startswith("x.")) or field == "ts (line)":
        return "reading"
    return "host"


BEGIN, END = "<!-- misses: written by tests/audit/mutate.py --write -->", "<!-- end of misses -->"


def written(text: str, block: str) -> str:
    """`text` with `block` between the marks."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{block}\n{END}{tail}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tlc", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(Path(folder))
        print(table(result))
        print(f"at their own line: {result.at_line}")
        for mutant in result.missed:
            print(f"  missed {mutant.name} at line {mutant.line}: {mutant.said}")
        if given.write:
            GUIDE.write_text(written(GUIDE.read_text(), table(result)))
    if given.tlc:
        with tempfile.TemporaryDirectory() as folder:
            count = 0
            for pair in both(Path(folder)):
                count += 1
                if pair.contradiction or pair.replay != pair.tlc:
                    print(f"  {pair.mutant.name} line {pair.mutant.line} {pair.mutant.said}: {pair}"[:300])
            print(f"{count} mutants by both engines")


if __name__ == "__main__":
    main()

__all__ = ["BEGIN", "END", "GUIDE", "Mutant", "both", "mutants", "rechained", "run", "table", "written"]
