"""The lint that makes branch coverage equal MC/DC: what it refuses is refused, what it allows passes."""

from pathlib import Path

import pytest

from tools import mcdc_lint

REFUSED = {
    "and": "if a and b:\n    pass",
    "or": "while a or b:\n    pass",
    "or in a value": "x = a or b",
    "or in a return": "def f(a, b):\n    return a or b",
    "not over and": "if not (a and b):\n    pass",
    "assert": "assert a and b",
    "chained comparison": "if 0 < a < 9:\n    pass",
    "chained comparison as a value": "x = 0 <= a <= 9",
    "ternary": "x = 1 if a else 2",
    "ternary with compound test": "x = 1 if a and b else 2",
    "any": "if any(x > 0 for x in xs):\n    pass",
    "all": "if all(xs):\n    pass",
    "filter builtin": "ys = filter(None, xs)",
    "comprehension filter": "ys = [x for x in xs if x]",
    "dict comprehension filter": "ys = {x: 1 for x in xs if x}",
    "generator filter": "n = sum(x for x in xs if x)",
    "compound comprehension filter": "ys = {x for x in xs if x if x > 2}",
    "bitwise and of comparisons": "if (a > 1) & (b > 1):\n    pass",
    "bitwise or of comparisons": "if (a > 1) | b:\n    pass",
    "arithmetic on a comparison": "x = (a > 1) * 5",
    "arithmetic on a negation": "x = 5 - (not a)",
    "or-pattern": "match a:\n    case 1 | 2:\n        pass",
    "match guard": "match a:\n    case 1 if b and c:\n        pass",
    "max of a generator": "x = max(y for y in ys)",
    "max of a list": "x = max(ys)",
    "min of three": "x = min(a, b, c)",
    "min with key": "x = min(a, b, key=f)",
    "min of a comparison": "x = min(a > 1, b)",
    "lambda in the body": "x = sorted(ys, key=lambda y: y.a or y.b)",
    "inside a decorated method": "class C:\n    @ensure(lambda r: r)\n    def f(self):\n        return a and b",
    "a helper of contracts and of code": "def _h(a): return a or 1\n@e(lambda a: _h(a))\ndef f(a): _h(a)",
    "a public helper of contracts": "def h(a): return a or 1\n@e(lambda a: h(a))\ndef f(a): ...",
    "a default argument": "def f(x=a or b):\n    pass",
}

ALLOWED = {
    "one condition": "if a > 1:\n    x = 1\nelif not b:\n    x = 2\nelse:\n    x = 3",
    "nested ifs": "if a:\n    if b:\n        x = 1",
    "a comparison as a value": "x = a > 1",
    "membership": "if a in (1, 2, 3):\n    pass",
    "bits of integers": "x = a & 7 | b",
    "min and max of two": "x = max(0, min(a, b))",
    "a comprehension without filter": "ys = [x + 1 for x in xs]",
    "contracts": "@ensure(lambda a, result: 0 <= result <= a or a < 0)\n@require(lambda a: a and b)\ndef f(): ...",
    "a helper of contracts": "def _ok(a):\n    return 0 <= a <= 9\n\n@ensure(lambda a: _ok(a))\ndef f(a): ...",
    "contracts of a class": "@invariant(lambda self: self.a or self.b)\nclass C:\n    pass",
}


@pytest.mark.parametrize("source", REFUSED.values(), ids=REFUSED.keys())
def test_refuses(source: str) -> None:
    found = mcdc_lint.check_source(source, "x.py")
    assert found
    assert {finding.path for finding in found} == {"x.py"}


@pytest.mark.parametrize("source", ALLOWED.values(), ids=ALLOWED.keys())
def test_allows(source: str) -> None:
    assert mcdc_lint.check_source(source, "x.py") == []


def test_names_the_line() -> None:
    (finding,) = mcdc_lint.check_source("x = 1\n\nif a and b:\n    pass\n", "m.py")
    assert str(finding).startswith("m.py:3: `and` joins 2 conditions")


@pytest.mark.parametrize("package", mcdc_lint.PACKAGES)
def test_reads_every_dal_a_package(tmp_path: Path, package: str) -> None:
    module = tmp_path / "src" / "dolphin" / package / "deep" / "m.py"
    module.parent.mkdir(parents=True)
    module.write_text("x = a or b\n")
    findings, files = mcdc_lint.check_tree(tmp_path)
    assert files == [module]
    assert [finding.path for finding in findings] == [f"src/dolphin/{package}/deep/m.py"]


def test_no_file_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcdc_lint, "ROOT", tmp_path)
    assert mcdc_lint.main() == 1
