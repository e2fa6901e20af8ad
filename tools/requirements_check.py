"""Requirements against evidence, both ways (requirements.toml says what is demanded, this says whether it is shown).

Fails on: a requirement without evidence, evidence that does not exist, an id that no requirement has (in a test's `req`
mark, in src/, spec/, proofs/, docs/ or examples/), duplicates, and malformed entries. A test marked
`@pytest.mark.req("DOL-…")` is evidence without being listed. `status = "planned"` entries are counted and printed, and
fail under `--strict`.

Evidence is `tla:Module.Name`, `theorem:File.name`, `contract:dolphin.package.module.function` or
`test:tests/file.py::name`.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tools.findings import ROOT, Finding, python_files

SOURCE = "requirements.toml"
ID = re.compile(r"DOL-[A-Z]+-\d{3}")
KEYS = frozenset({"id", "text", "level", "source", "verified_by", "status"})
LEVELS = frozenset("ABCDE")
CONTRACTS = frozenset({"require", "ensure", "invariant"})
SEARCHED = ("src", "spec", "proofs", "docs", "examples")
TEXTS = frozenset({".py", ".tla", ".cfg", ".v", ".md", ".toml"})

type Function = ast.FunctionDef | ast.AsyncFunctionDef


class Requirement(NamedTuple):
    """One entry of requirements.toml."""

    id: str
    text: str
    level: str
    source: str
    verified_by: tuple[str, ...]
    planned: bool


class Report(NamedTuple):
    """What the check saw."""

    requirements: list[Requirement]
    evidence: dict[str, list[str]]
    findings: list[Finding]


def _read(root: Path) -> tuple[list[Requirement], list[Finding]]:
    """The requirements, and what is wrong with their form."""
    text = (root / SOURCE).read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = tomllib.loads(text).get("requirement", [])
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.startswith("[[requirement]]")]
    requirements: list[Requirement] = []
    findings: list[Finding] = []
    for line, entry in zip(lines, entries, strict=True):
        name = str(entry.get("id", "?"))
        problems = [f"unknown key `{key}`" for key in sorted(entry.keys() - KEYS)]
        if not ID.fullmatch(name):
            problems.append("the id is not of the form DOL-WORD-000")
        if " shall " not in str(entry.get("text", "")):
            problems.append("the text is not a `shall` sentence")
        if entry.get("level") not in LEVELS:
            problems.append("the level is not one of A to E")
        if not entry.get("source"):
            problems.append("no source")
        if entry.get("status", "planned") != "planned":
            problems.append('the only status is "planned"')
        findings += [Finding(SOURCE, line, f"{name}: {problem}") for problem in problems]
        verified_by = tuple(str(item) for item in entry.get("verified_by", []))
        planned = entry.get("status") == "planned"
        requirements.append(
            Requirement(
                name,
                str(entry.get("text", "")),
                str(entry.get("level", "?")),
                str(entry.get("source", "")),
                verified_by,
                planned,
            )
        )
        for item, count in Counter(verified_by).items():
            if count > 1:
                findings.append(Finding(SOURCE, line, f"{name}: lists {item} {count} times"))
    for name, count in Counter(requirement.id for requirement in requirements).items():
        if count > 1:
            findings.append(Finding(SOURCE, 1, f"{name}: defined {count} times"))
    return requirements, findings


def _functions(tree: ast.Module) -> Iterator[tuple[str, Function, list[ast.expr]]]:
    """Each function with its dotted name and the decorators of the classes around it."""

    def below(
        body: list[ast.stmt], prefix: str, outer: list[ast.expr]
    ) -> Iterator[tuple[str, Function, list[ast.expr]]]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + node.name, node, outer
            elif isinstance(node, ast.ClassDef):
                yield from below(node.body, f"{prefix}{node.name}.", outer + node.decorator_list)

    yield from below(tree.body, "", [])


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _req_calls(node: ast.AST) -> Iterator[ast.Call]:
    """Each `….mark.req(…)` below `node`."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "req":
            owner = call.func.value
            if isinstance(owner, ast.Attribute) and owner.attr == "mark":
                yield call


def _ids(call: ast.Call) -> list[str | None]:
    """The ids that a mark names; None for what is not a literal."""
    values = [argument.value if isinstance(argument, ast.Constant) else None for argument in call.args]
    return [value if isinstance(value, str) else None for value in values] or [None]


class _Marks(NamedTuple):
    named: list[tuple[str, int, str | None]]  # path, line, id
    tests: dict[str, set[str]]  # id -> tests that carry it


def _marks(root: Path) -> _Marks:
    """Every `req` mark in tests/, and which tests it makes evidence."""
    named: list[tuple[str, int, str | None]] = []
    tests: dict[str, set[str]] = defaultdict(set)
    for path in python_files(root / "tests"):
        relative = path.relative_to(root).as_posix()
        tree = _parse(path)
        named += [(relative, call.lineno, name) for call in _req_calls(tree) for name in _ids(call)]
        module: list[ast.AST] = [
            node
            for node in tree.body
            if isinstance(node, ast.Assign)
            and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets)
        ]
        for dotted, function, outer in _functions(tree):
            if not function.name.startswith("test"):
                continue
            for owner in [*module, *outer, *function.decorator_list]:
                for call in _req_calls(owner):
                    for name in _ids(call):
                        if name is not None:
                            tests[name].add(f"test:{relative}::{dotted.replace('.', '::')}")
    return _Marks(named, tests)


def _find_test(root: Path, target: str) -> str | None:
    file, _, name = target.partition("::")
    path = root / file
    if not path.is_file():
        return "no such file"
    names = {dotted for dotted, function, _ in _functions(_parse(path)) if function.name.startswith("test")}
    return None if name.partition("[")[0].replace("::", ".") in names else "no such test function"


def _find_contract(root: Path, target: str) -> str | None:
    parts = target.split(".")
    for split in range(len(parts) - 1, 0, -1):
        stem = root.joinpath("src", *parts[:split])
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                wanted = ".".join(parts[split:])
                for dotted, function, outer in _functions(_parse(path)):
                    if dotted == wanted:
                        decorators = [*outer, *function.decorator_list]
                        return None if any(map(_is_contract, decorators)) else "has no contract decorator"
                return "no such function"
    return "no such module"


def _is_contract(node: ast.expr) -> bool:
    function = node.func if isinstance(node, ast.Call) else node
    if isinstance(function, ast.Attribute):
        return function.attr in CONTRACTS
    return isinstance(function, ast.Name) and function.id in CONTRACTS


def _find_defined(root: Path, folder: str, suffix: str, target: str, pattern: str) -> str | None:
    module, _, name = target.rpartition(".")
    files = sorted((root / folder).rglob(f"{module}{suffix}")) if module else []
    if not files:
        return f"no {module or '?'}{suffix} below {folder}/"
    defined = re.compile(pattern.format(re.escape(name)), re.MULTILINE)
    found = any(defined.search(path.read_text(encoding="utf-8")) for path in files)
    return None if found else f"{name} is not defined there"


def problem_with(root: Path, evidence: str) -> str | None:
    """Why this piece of evidence does not exist, or None where it does."""
    kind, _, target = evidence.partition(":")
    match kind:
        case "test":
            return _find_test(root, target)
        case "contract":
            return _find_contract(root, target)
        case "tla":
            return _find_defined(root, "spec", ".tla", target, r"^[ \t]*{}[ \t]*(?:\([^)]*\))?[ \t]*==")
        case "theorem":
            return _find_defined(
                root, "proofs", ".v", target, r"^[ \t]*(?:Theorem|Lemma|Corollary|Proposition|Fact)[ \t]+{}\b"
            )
        case _:
            return "unknown kind; there are tla, theorem, contract and test"


def _used_ids(root: Path) -> Iterator[tuple[str, int, str]]:
    for folder in SEARCHED:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in TEXTS and path.is_file():
                for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                    for name in ID.findall(line):
                        yield path.relative_to(root).as_posix(), number, name


def check_tree(root: Path, *, strict: bool = False) -> Report:
    """Check the repo at `root`."""
    requirements, findings = _read(root)
    known = {requirement.id for requirement in requirements}
    marks = _marks(root)
    if not requirements:
        findings.append(Finding(SOURCE, 1, "no requirement at all"))
    for path, line, name in marks.named:
        if name is None:
            findings.append(Finding(path, line, "a req mark names its ids as string literals"))
        elif name not in known:
            findings.append(Finding(path, line, f"{name} is not in {SOURCE}"))
    for path, line, name in _used_ids(root):
        if name not in known:
            findings.append(Finding(path, line, f"{name} is not in {SOURCE}"))
    evidence: dict[str, list[str]] = {}
    for requirement in requirements:
        for item in requirement.verified_by:
            problem = problem_with(root, item)
            if problem is not None:
                findings.append(Finding(SOURCE, 1, f"{requirement.id}: {item}: {problem}"))
        found = sorted({*requirement.verified_by, *marks.tests.get(requirement.id, ())})
        evidence[requirement.id] = found
        if requirement.planned:
            if strict:
                findings.append(Finding(SOURCE, 1, f"{requirement.id}: still planned"))
        elif not found:
            findings.append(Finding(SOURCE, 1, f"{requirement.id}: no evidence"))
    return Report(requirements, evidence, findings)


def _print_matrix(report: Report) -> None:
    for requirement in report.requirements:
        state = " (planned)" if requirement.planned else ""
        print(f"{requirement.id}  DAL {requirement.level}  {requirement.source}{state}\n    {requirement.text}")
        for item in report.evidence[requirement.id]:
            print(f"      {item}")


def main(arguments: list[str] | None = None) -> int:
    """Check this repo; 0 where every requirement holds up."""
    parser = argparse.ArgumentParser(prog="requirements_check", description="Requirements against their evidence.")
    parser.add_argument("--matrix", action="store_true", help="print every requirement with its evidence")
    parser.add_argument("--strict", action="store_true", help="planned requirements fail too")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    report = check_tree(options.root, strict=options.strict)
    if options.matrix:
        _print_matrix(report)
    for finding in sorted(report.findings):
        print(finding)
    planned = [requirement.id for requirement in report.requirements if requirement.planned]
    if planned:
        print(f"planned: {' '.join(planned)}")
    pieces = sum(len(items) for items in report.evidence.values())
    print(
        f"requirements: {len(report.requirements)} in all, {len(planned)} planned, "
        f"{pieces} pieces of evidence, {len(report.findings)} findings"
    )
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
