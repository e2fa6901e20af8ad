"""One condition per decision in the DAL A packages, so that branch coverage equals MC/DC (DAL.md).

Refused: `and`, `or`, chained comparisons, or-patterns, `any` and `all`, `&`, `|` or arithmetic on comparisons (each
joins conditions in one decision); ternaries and comprehension filters (branch coverage cannot see which way they went);
`min` and `max` of anything but two plain values (a loop with a decision in it).
Exempt: contract decorators, and private functions that only these call. They are specification, not decisions, and do
not run in production.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from tools.findings import ROOT, Finding, close, python_files

PACKAGES = ("kernel", "journal", "nautilus")

_CONNECTIVES = {ast.And: "and", ast.Or: "or"}
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _is_truth(node: ast.expr) -> bool:
    """Whether the expression is visibly a truth value."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    return isinstance(node, ast.Compare | ast.BoolOp)


class _Decisions(ast.NodeVisitor):
    """Collects (line, message) for each construct that hides a condition."""

    def __init__(self, specification: frozenset[str]) -> None:
        self.specification = specification
        self.found: list[tuple[int, str]] = []

    def _report(self, line: int, text: str) -> None:
        self.found.append((line, text))

    def _visit_definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        if node.name in self.specification:
            return
        # decorator_list is left out: contracts are conditions about the code, not decisions in it.
        for field, value in ast.iter_fields(node):
            if field == "decorator_list":
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_definition  # noqa: N815

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        name = _CONNECTIVES[type(node.op)]
        self._report(node.lineno, f"`{name}` joins {len(node.values)} conditions in one decision: nest or return early")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) > 1:
            self._report(node.lineno, "a chained comparison is more than one condition: compare once per `if`")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._report(node.lineno, "branch coverage cannot see a ternary: write an `if` statement")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if _is_truth(node.left) or _is_truth(node.right):
            self._report(node.lineno, "an operator on a comparison hides a decision: write an `if` statement")
        self.generic_visit(node)

    def visit_MatchOr(self, node: ast.MatchOr) -> None:
        self._report(node.lineno, "an or-pattern joins conditions in one decision: one pattern per `case`")
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._report(test.lineno, "branch coverage cannot see a comprehension's filter: write a loop with an `if`")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            self._builtin(node, node.func.id)
        self.generic_visit(node)

    def _builtin(self, node: ast.Call, name: str) -> None:
        if name in {"any", "all", "filter"}:
            self._report(node.lineno, f"`{name}()` hides a decision for each element: write a loop with an `if`")
        elif name in {"min", "max"}:
            hidden = any(_is_truth(a) or isinstance(a, (*_COMPREHENSIONS, ast.Starred)) for a in node.args)
            if len(node.args) != 2 or node.keywords or hidden:
                self._report(
                    node.lineno, f"`{name}()` of anything but two plain values hides decisions: fold it in twos"
                )


def _specification(tree: ast.Module) -> frozenset[str]:
    """The module's private functions that are named in decorators and nowhere else."""
    decorators = [item for node in ast.walk(tree) for item in getattr(node, "decorator_list", [])]
    inside = [node for item in decorators for node in ast.walk(item) if isinstance(node, ast.Name)]
    named = {node.id for node in inside}
    known = {id(node) for node in inside}
    elsewhere = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in known}
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("_")}
    return frozenset((defined & named) - elsewhere)


def check_source(source: str, path: str) -> list[Finding]:
    """The findings in one module's text."""
    tree = ast.parse(source, filename=path)
    visitor = _Decisions(_specification(tree))
    visitor.visit(tree)
    return [Finding(path, line, text) for line, text in visitor.found]


def check_tree(root: Path) -> tuple[list[Finding], list[Path]]:
    """The findings in the DAL A packages below `root`, and the files that were read."""
    files = [path for package in PACKAGES for path in python_files(root / "src" / "dolphin" / package)]
    findings: list[Finding] = []
    for path in files:
        findings += check_source(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    return findings, files


def main() -> int:
    """Check this repo."""
    findings, files = check_tree(ROOT)
    return close("mcdc_lint", findings, files)


if __name__ == "__main__":
    sys.exit(main())
