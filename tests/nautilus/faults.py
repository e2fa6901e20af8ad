"""Every call of the shell, read from its source, as a place where a fault can be planted (see test_every_call.py).

A function is any that `dolphin.nautilus` defines. A site is a call in its source of something that is Nautilus' or the
journal's: a method of cache, portfolio, message bus, clock, log, journal, of an order, a position, an account, an
instrument, or anything imported from nautilus_trader. Sites are reached by exchanging the code of the functions that
they are in for the same code with a look at the fault before each such call: compiled objects cannot be patched.
"""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
from pathlib import Path
from types import CodeType, FunctionType

import dolphin.nautilus

FOLDER = Path(dolphin.nautilus.__file__).parent
MODULES = [importlib.import_module(f"dolphin.nautilus.{each.name}") for each in pkgutil.iter_modules([str(FOLDER)])]
RECEIVERS = frozenset(
    [
        "cache",
        "_cache",
        "portfolio",
        "_portfolio",
        "msgbus",
        "_msgbus",
        "clock",
        "_clock",
        "log",
        "journal",
        "order",
        "position",
        "factory",
        "account",
        "instrument",
    ]
)
LOOK = "__look__"


class Fault:
    """Raises at the first call of its place from the moment it is armed, and counts every place that is passed then."""

    def __init__(self, place=None):
        self.place = place
        self.armed = False
        self.fired = 0
        self.passed = set()

    def at(self, place):
        if not self.armed:
            return
        self.passed.add(place)
        if place == self.place:
            if not self.fired:
                self.fired += 1
                raise RuntimeError(f"planted at {place}")


def _short(module):
    return module.__name__.rpartition(".")[2]


def _ours(function):
    return Path(function.__code__.co_filename).parent == FOLDER


def functions():
    """Each function of the package: its name, and where it is looked up."""
    found = {}
    for module in MODULES:
        if _short(module) == "ports":  # protocols: nothing runs there
            continue
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) != module.__name__:
                continue
            if isinstance(value, FunctionType):
                users = [(each, name) for each in MODULES if vars(each).get(name) is value]
                found[f"{_short(module)}.{name}"] = users
            elif isinstance(value, type):
                for member, function in vars(value).items():
                    if isinstance(function, FunctionType) and not member.startswith("__") and _ours(function):
                        found[f"{value.__name__}.{member}"] = [(value, member)]
    return found


def _imported(tree):
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nautilus_trader"):
            names.update(alias.asname or alias.name for alias in node.names)
    return names


class _Sites(ast.NodeTransformer):
    """Finds the sites of a module, and puts a look before each: `f(x)` becomes `__look__(place, f)(x)`."""

    def __init__(self, short, names):
        self.short = short
        self.names = names
        self.found = {}
        self.inside = []

    def visit_FunctionDef(self, node):
        self.inside.append(node.name)
        self.generic_visit(node)
        self.inside.pop()
        return node

    visit_ClassDef = visit_FunctionDef  # noqa: N815

    def visit_Call(self, node):
        self.generic_visit(node)
        said = self._said(node.func)
        if not said or not self.inside:
            return node
        place = f"{self.short}:{node.lineno} {said}"
        self.found[place] = ".".join(self.inside)
        look = ast.Call(ast.Name(LOOK, ast.Load()), [ast.Constant(place), node.func], [])
        ast.copy_location(look, node)
        ast.fix_missing_locations(look)
        return ast.copy_location(ast.Call(look, node.args, node.keywords), node)

    def _said(self, func):
        if isinstance(func, ast.Name):
            return func.id if func.id in self.names else ""
        if not isinstance(func, ast.Attribute):
            return ""
        owner = func.value
        name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
        return f"{name}.{func.attr}" if name in RECEIVERS | self.names else ""


def _transformed(module):
    tree = ast.parse(Path(module.__file__).read_text())
    sites = _Sites(_short(module), _imported(tree))
    return sites.visit(tree), sites.found


def sites():
    """Each site: its place, and the function that it is in."""
    found = {}
    for module in MODULES:
        found |= _transformed(module)[1]
    return found


def _codes(code, found):
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found[constant.co_qualname, constant.co_firstlineno] = constant
            _codes(constant, found)
    return found


@functools.cache
def _looking(module):
    """The code of a module's functions with a look before each site, by name and line: compiled once for all faults."""
    tree, _ = _transformed(module)
    return _codes(compile(tree, module.__file__, "exec"), {})


def look_everywhere(monkeypatch, fault):
    """Exchange the code of all functions for code that looks at the fault at each site."""
    for module in MODULES:
        codes = _looking(module)

        def look(place, call):
            fault.at(place)
            return call

        monkeypatch.setitem(vars(module), LOOK, look)
        for value in list(vars(module).values()):
            members = vars(value).values() if isinstance(value, type) else [value]
            for member in list(members):
                function = member.fget if isinstance(member, property) else member
                if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                    code = codes.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
                    if code is not None:
                        monkeypatch.setattr(function, "__code__", code)


def watch_functions(monkeypatch, fault, names, table):
    """Let these functions look at the fault before they run."""
    for name in names:
        for owner, attribute in table[name]:
            kept = getattr(owner, attribute)

            def watched(*args, _kept=kept, _name=name, **kwargs):
                fault.at(_name)
                return _kept(*args, **kwargs)

            monkeypatch.setattr(owner, attribute, watched)
