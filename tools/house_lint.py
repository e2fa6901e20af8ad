"""House rules that no general linter knows (DESIGN: style, kernel, house).

Sources: under 400 lines, a docstring first, nautilus_trader imported by few. Kernel: integers only
(no float literal, no true division, no float(), no round()), no clock, file, randomness or global, and imports of the
standard library, icontract and itself only. Everything committed: no package registry's host and no path of somebody's
machine.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from tools.findings import ROOT, Finding, close, python_files

LINES_MAX = 400

KERNEL_CALLS = frozenset({"open", "print", "input", "float", "round", "eval", "exec", "__import__"})
KERNEL_MODULES = frozenset(
    {
        "time",
        "datetime",
        "os",
        "random",
        "math",
        "secrets",
        "pathlib",
        "io",
        "socket",
        "threading",
        "asyncio",
        "decimal",
    }
)
# The switch for contracts is read from the environment, once, at import; it changes no decision.
KERNEL_EXEMPT = frozenset({("src/dolphin/kernel/contracts.py", "os")})

# The plug-in, and what builds the backtests of `dolphin run` (DESIGN 3: app wires and may import all).
NAUTILUS = ("src/dolphin/nautilus/", "src/dolphin/app/data.py", "src/dolphin/app/engine.py")

# Split, so that this file does not find itself.
_HOSTS = (
    "pypi" + r"\.org",
    "python" + r"hosted\.org",
    "registry" + r"\.npmjs",
    "crates" + r"\.io/api",
    "maven" + r"\.org",
)
_HOST = re.compile("|".join(_HOSTS))
_PATH = re.compile(r"(?<![\w./~-])/(?:" + "root|work" + r")/\w|(?<![\w./~-])/" + r"home/[a-z]|/opt/" + "wheels")
_ADDRESS = re.compile(r"://|--index-url|--find-links|--extra-index")


def _names_nautilus(node: ast.AST) -> bool:
    """Whether this is an import of nautilus_trader."""
    match node:
        case ast.Import():
            modules = [alias.name for alias in node.names]
        case ast.ImportFrom():
            modules = [node.module or ""]
        case _:
            modules = []
    return any(module.partition(".")[0] == "nautilus_trader" for module in modules)


class _Kernel(ast.NodeVisitor):
    """Collects (line, message) for what a pure integer function cannot contain."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.found: list[tuple[int, str]] = []

    def _report(self, node: ast.stmt | ast.expr, text: str) -> None:
        self.found.append((node.lineno, "kernel: " + text))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, float | complex):
            self._report(node, f"the literal {node.value!r} is not an integer")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Div):
            self._report(node, "`/` makes a float: use `//`")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.op, ast.Div):
            self._report(node, "`/=` makes a float: use `//=`")
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self._report(node, "`global` is state outside the state")

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self._report(node, "`nonlocal` is state outside the state")

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in KERNEL_CALLS:
            self._report(node, f"`{node.func.id}()` does not belong in a pure integer function")
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            self._report(node, "relative import")
        else:
            self._import(node, node.module or "")

    def _import(self, node: ast.stmt, module: str) -> None:
        top = module.partition(".")[0]
        if top in KERNEL_MODULES:
            if (self.path, top) not in KERNEL_EXEMPT:
                self._report(node, f"`{top}`: no clock, file, randomness or float in the kernel")
        elif top == "dolphin":
            if not f"{module}.".startswith("dolphin.kernel."):
                self._report(node, f"`{module}` is outside the kernel")
        elif top != "icontract" and top not in sys.stdlib_module_names:
            self._report(node, f"`{module}`: the standard library and icontract only")


def check_source(source: str, path: str) -> list[Finding]:
    """The findings in one module below src/."""
    findings: list[Finding] = []
    lines = source.count("\n")
    if lines >= LINES_MAX:
        findings.append(Finding(path, lines, f"{lines} lines; a module has fewer than {LINES_MAX}: split it"))
    tree = ast.parse(source, filename=path)
    if not ast.get_docstring(tree):
        findings.append(Finding(path, 1, "no module docstring: say what belongs here"))
    if not path.startswith(NAUTILUS):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom) and _names_nautilus(node):
                findings.append(
                    Finding(path, node.lineno, "only dolphin.nautilus, app.data and app.engine import nautilus_trader")
                )
    if path.startswith("src/dolphin/kernel/"):
        kernel = _Kernel(path)
        kernel.visit(tree)
        findings += [Finding(path, line, text) for line, text in kernel.found]
    return findings


def check_text(text: str, path: str) -> list[Finding]:
    """The findings in any committed text: hosts and paths that mean nothing elsewhere."""
    findings: list[Finding] = []
    for number, line in enumerate(text.splitlines(), 1):
        if _HOST.search(line):
            findings.append(Finding(path, number, "names a package registry's host"))
        if _PATH.search(line):
            findings.append(Finding(path, number, "names an absolute path of one machine"))
        if path.endswith(".lock") and _ADDRESS.search(line):
            findings.append(Finding(path, number, "a lock file names no address: the installer's configuration does"))
    return findings


def committed_files(root: Path) -> list[Path]:
    """What git tracks or would track. Outside a checkout that is an error, never an empty list."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [root / name for name in sorted(set(names.split("\0"))) if name and (root / name).is_file()]


def check_tree(root: Path) -> tuple[list[Finding], list[Path]]:
    """The findings in the whole repo at `root`, and the files that were read."""
    findings: list[Finding] = []
    for path in python_files(root / "src"):
        findings += check_source(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    files = committed_files(root)
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # binary: nothing that a person reads
            continue
        findings += check_text(text, path.relative_to(root).as_posix())
    return findings, files


def main() -> int:
    """Check this repo."""
    findings, files = check_tree(ROOT)
    return close("house_lint", findings, files)


if __name__ == "__main__":
    sys.exit(main())
