"""Every kernel function: confirmed over all paths by CrossHair, or on the short list COMPOSED with its evidence.

CrossHair runs on each function alone, with only its own contracts on (a callee's contracts multiply the paths), on a
copy of the kernel. Each `ensure` needs its own "Confirmed over all paths". Fails on: a condition that is refuted or not
confirmed, a function without contract that is not composed, an entry of COMPOSED that no longer exists, that is
confirmable after all (it has contracts), or whose evidence does not exist. Nothing passes by being left out: the
functions come from the syntax tree.

Exit codes: 0 all hold, 1 something does not, 2 called wrongly.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tools.findings import ROOT, python_files
from tools.prove_composed import COMPOSED
from tools.requirements_check import problem_with

PACKAGE = "dolphin.kernel"
TABLE_TESTS = ROOT / "tests" / "kernel" / "test_tables.py"
PLUGIN = ROOT / "tools" / "crosshair_plugin.py"
CACHE = ROOT / ".cache" / "prove.json"
TIMEOUT_S = 40
"""Processor seconds for one condition. The slowest needs a quarter of it; a loaded machine changes nothing."""
WORKERS = 2
MESSAGE = re.compile(r"^(?P<path>.+?):(?P<line>\d+): (?P<level>info|warning|error): (?P<text>.*)$")
CONFIRMED = "Confirmed over all paths."


class Function(NamedTuple):
    """A top-level function of the kernel. `conditions`: lines of its postconditions."""

    name: str
    path: str
    line: int
    conditions: tuple[int, ...]


class Result(NamedTuple):
    """What became of one function."""

    name: str
    conditions: int
    verdict: str
    seconds: float
    details: tuple[str, ...]


def _specification(tree: ast.Module) -> set[str]:
    """Private functions that only contracts call: part of what is demanded, not of what runs."""
    decorators = [item for node in tree.body for item in getattr(node, "decorator_list", [])]
    inside = [node for item in decorators for node in ast.walk(item) if isinstance(node, ast.Name)]
    known = {id(node) for node in inside}
    elsewhere = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in known}
    return {node.id for node in inside if node.id.startswith("_")} - elsewhere


def functions(source: Path) -> list[Function]:
    """All top-level functions below `source`/dolphin/kernel, in the order of files and lines."""
    found: list[Function] = []
    for path in python_files(source / "dolphin" / "kernel"):
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        specification = _specification(tree)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name not in specification:
                conditions = tuple(
                    item.lineno
                    for item in node.decorator_list
                    if isinstance(item, ast.Call) and isinstance(item.func, ast.Name) and item.func.id == "ensure"
                )
                found.append(Function(f"{PACKAGE}.{path.stem}.{node.name}", path.name, node.lineno, conditions))
    return found


def imports(source: Path, module: str) -> set[str]:
    """The kernel modules that `module` reads, itself included."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        text = (source / "dolphin" / "kernel" / f"{name}.py").read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                if node.module == PACKAGE:
                    todo += [alias.name for alias in node.names]
                elif node.module.startswith(f"{PACKAGE}."):
                    todo.append(node.module.removeprefix(f"{PACKAGE}."))
    return seen


def fingerprint(source: Path, function: Function, timeout_s: int) -> str:
    """What a confirmation depends on: the text of every kernel module that can be reached, the tools, the budget."""
    digest = hashlib.sha256()
    for name in sorted(imports(source, Path(function.path).stem)):
        digest.update((source / "dolphin" / "kernel" / f"{name}.py").read_bytes())
    tools = [version("crosshair-tool"), version("icontract"), version("z3-solver"), platform.python_version()]
    digest.update(json.dumps([function.name, timeout_s, *tools]).encode())
    digest.update(PLUGIN.read_bytes())
    return digest.hexdigest()


def parse(output: str, function: Function) -> tuple[int, tuple[str, ...]]:
    """How many conditions were confirmed, and everything else that was said."""
    confirmed = 0
    details: list[str] = []
    for line in output.splitlines():
        match = MESSAGE.match(line)
        if match is not None and match["text"] == CONFIRMED:
            confirmed += 1
        elif match is not None:
            details.append(f"{function.path}:{match['line']}: {match['text']}")
        elif line.strip():
            details.append(line.strip())
    return confirmed, tuple(details)


def confirm(copy: Path, function: Function, timeout_s: int) -> Result:
    """Run CrossHair on one function of the copy, with its own contracts on and no other."""
    command = [
        sys.executable, "-m", "crosshair", "check", "--analysis_kind", "icontract", "--extra_plugin", str(PLUGIN),
        "--report_all", "--per_condition_timeout", str(timeout_s), function.name,
    ]  # fmt: skip
    environment = {**os.environ, "DOLPHIN_CONTRACTS": function.name, "PYTHONPATH": str(copy), "PYTHONHASHSEED": "0"}
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60 + 4 * timeout_s * len(function.conditions),
        )
    except subprocess.TimeoutExpired:
        details: tuple[str, ...] = ("CrossHair did not end",)
        return Result(function.name, len(function.conditions), "NOT CONFIRMED", time.monotonic() - began, details)
    seconds = time.monotonic() - began
    confirmed, details = parse(done.stdout, function)
    if confirmed == len(function.conditions) and done.returncode == 0 and not details:
        return Result(function.name, confirmed, "confirmed", seconds, ())
    verdict = "REFUTED" if done.returncode == 1 else "NOT CONFIRMED"
    said = details or tuple(done.stderr.strip().splitlines()[-3:]) or ("fewer conditions were reported than declared",)
    return Result(function.name, len(function.conditions), verdict, seconds, said)


def tables(copy: Path) -> Result:
    """The two tables, entry by entry against the real curves: CrossHair sees one entry at a time."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TABLE_TESTS)]
    environment = {**os.environ, "DOLPHIN_CONTRACTS": "0", "PYTHONPATH": str(copy)}
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    said = tuple(line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR")))
    passed = re.search(r"(\d+) passed", done.stdout)
    verdict = "exhaustive" if done.returncode == 0 and passed else "REFUTED"
    count = int(passed[1]) if passed else 0
    return Result(f"{PACKAGE}.tables", count, verdict, time.monotonic() - began, said)


def listed(known: list[Function], composed: dict[str, tuple[str, ...]]) -> Iterator[Result]:
    """The composed functions, and everything that is wrong with the list."""
    by_name = {function.name: function for function in known}
    for name, evidence in composed.items():
        details: list[str] = []
        if name not in by_name:
            details.append("is on the list of composed functions and does not exist")
        elif by_name[name].conditions:
            details.append("is on the list of composed functions and has contracts to confirm")
        if not evidence:
            details.append("is on the list of composed functions without evidence")
        for item in evidence:
            problem = problem_with(ROOT, item)
            if problem is not None:
                details.append(f"{item}: {problem}")
        yield Result(name, 0, "BAD ENTRY" if details else "composed", 0.0, tuple(details))
    for function in known:
        if not function.conditions and function.name not in composed:
            yield Result(function.name, 0, "NO CONTRACT", 0.0, ("has no postcondition and is not composed",))


def _load(path: Path) -> dict[str, float]:
    try:
        found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def prove(
    source: Path, only: str, timeout_s: int, cache: Path | None, say: Callable[[str], None]
) -> tuple[list[Result], float]:
    """All results for the kernel below `source`, in the order of the files, and the wall seconds."""
    began = time.monotonic()
    known = functions(source)
    chosen = [function for function in known if function.conditions and only in function.name]
    stored = _load(cache) if cache is not None else {}
    results = [result for result in listed(known, COMPOSED) if only in result.name]
    # The kernel alone, under an empty `dolphin`: what the rest of the package imports is not CrossHair's business, and
    # an edit while it runs changes nothing.
    with tempfile.TemporaryDirectory(prefix="dolphin-prove-") as folder:
        copy = Path(folder)
        (copy / "dolphin").mkdir()
        (copy / "dolphin" / "__init__.py").write_text("", encoding="utf-8")
        shutil.copytree(
            source / "dolphin" / "kernel", copy / "dolphin" / "kernel", ignore=shutil.ignore_patterns("__pycache__")
        )
        marks = {function.name: fingerprint(copy, function, timeout_s) for function in chosen}
        if only in f"{PACKAGE}.tables":
            results.append(tables(copy))
            say(f"tables against the real curves: {results[-1].verdict} ({results[-1].seconds:.1f} s)")
        left = [function for function in chosen if marks[function.name] not in stored]
        for function in chosen:
            if marks[function.name] in stored:
                seconds = stored[marks[function.name]]
                results.append(Result(function.name, len(function.conditions), "confirmed", seconds, ("cached",)))
        with ThreadPoolExecutor(WORKERS) as pool:
            for count, result in enumerate(pool.map(lambda one: confirm(copy, one, timeout_s), left), 1):
                say(f"[{count}/{len(left)}] {result.name}: {result.verdict} ({result.seconds:.1f} s)")
                results.append(result)
                if result.verdict == "confirmed":
                    stored[marks[result.name]] = round(result.seconds, 2)
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        (cache.parent / ".gitignore").write_text("*\n", encoding="utf-8")
        cache.write_text(json.dumps(stored, indent=0, sort_keys=True), encoding="utf-8")
    order = {function.name: place for place, function in enumerate(known)}
    results.sort(key=lambda result: order.get(result.name, len(order)))
    return results, time.monotonic() - began


def failed(result: Result) -> bool:
    """Whether this result fails the target."""
    return result.verdict not in {"confirmed", "composed", "exhaustive"}


def _table(results: list[Result], wall_s: float) -> None:
    width = max((len(result.name) for result in results), default=len(PACKAGE) + 9) - len(PACKAGE) - 1
    print(f"\n{'function':<{width}}  conditions  {'verdict':<13}  seconds")
    for result in results:
        seconds = f"{result.seconds:7.1f}" if result.seconds else "      -"
        conditions = f"{result.conditions:>10}" if result.conditions else "         -"
        note = "  (cached)" if result.details == ("cached",) else ""
        name = result.name.removeprefix(f"{PACKAGE}.")
        print(f"{name:<{width}}  {conditions}  {result.verdict:<13}  {seconds}{note}")
    print("\ncomposed, with what holds them instead:")
    shown = {result.name for result in results}
    for name, evidence in COMPOSED.items():
        if name in shown:
            short = [item.replace(f"contract:{PACKAGE}.", "").replace("test:tests/kernel/", "") for item in evidence]
            print(f"  {name.removeprefix(f'{PACKAGE}.')}: {', '.join(short)}")
    bad = [result for result in results if failed(result)]
    for result in bad:
        for line in result.details:
            print(f"{result.name}: {result.verdict}: {line}")
    confirmed = [result for result in results if result.verdict == "confirmed"]
    conditions_all = sum(result.conditions for result in confirmed)
    composed = sum(result.verdict == "composed" for result in results)
    print(
        f"prove: {len(results)} functions: {len(confirmed)} confirmed over all paths ({conditions_all} conditions), "
        f"{composed} composed, {len(bad)} failing; {wall_s:.0f} s"
    )


def main(arguments: list[str] | None = None) -> int:
    """Prove this repo's kernel, or the one below --source."""
    parser = argparse.ArgumentParser(prog="prove", description="CrossHair on every function of the kernel.")
    parser.add_argument("--only", default="", metavar="TEXT", help="only functions whose full name contains TEXT")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--timeout", type=int, default=TIMEOUT_S, metavar="S", help="processor seconds for a condition")
    parser.add_argument("--source", type=Path, default=ROOT / "src", help="the folder that holds dolphin/kernel")
    parser.add_argument("--no-cache", action="store_true", help="confirm everything anew (CI)")
    options = parser.parse_args(arguments)
    if not (options.source / "dolphin" / "kernel").is_dir():
        parser.error(f"{options.source} holds no dolphin/kernel")
    cache = None if options.no_cache else CACHE
    report = sys.stderr if options.json else sys.stdout
    results, wall_s = prove(
        options.source, options.only, options.timeout, cache, lambda text: print(text, file=report, flush=True)
    )
    if options.json:
        print(json.dumps({"seconds": round(wall_s, 1), "results": [result._asdict() for result in results]}, indent=1))
    else:
        _table(results, wall_s)
    if not results:
        print(f"prove: nothing matches {options.only!r}", file=sys.stderr)
        return 1
    return 1 if any(map(failed, results)) else 0


if __name__ == "__main__":
    sys.exit(main())
