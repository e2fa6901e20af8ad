"""The house rules: each one fires on what it forbids and on nothing else."""

import subprocess
from pathlib import Path

import pytest

from tools import house_lint

KERNEL = "src/dolphin/kernel/m.py"
DOC = '"""What belongs here."""\n'

REFUSED_IN_KERNEL = {
    "float": "x = 0.5",
    "exponent": "x = 1e3",
    "complex": "x = 2j",
    "true division": "x = a / b",
    "true division in place": "x /= 2",
    "time": "import time",
    "from time": "from time import monotonic_ns",
    "os": "import os",
    "os.path": "import os.path",
    "math": "from math import floor",
    "random": "import random",
    "datetime": "import datetime as d",
    "third party": "import numpy as np",
    "another package": "from dolphin.journal import append",
    "the root": "import dolphin",
    "a package whose name begins alike": "import dolphin.kernels",
    "relative": "from . import units",
    "global": "def f():\n    global x\n    x = 1",
    "nonlocal": "def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = 2",
    "open": "f = open('a')",
    "print": "print(1)",
    "float call": "x = float(a)",
    "round": "x = round(a)",
}

ALLOWED_IN_KERNEL = {
    "integers": "x = a // b % 7",
    "stdlib": "from enum import IntEnum\nfrom typing import Final\nimport dataclasses",
    "icontract": "import icontract",
    "itself": "from dolphin.kernel.units import BP\nimport dolphin.kernel.policy",
    "a method called open": "x.open()",
    "a slash in text": "x = '/'",
}


@pytest.mark.parametrize("code", REFUSED_IN_KERNEL.values(), ids=REFUSED_IN_KERNEL.keys())
def test_kernel_refuses(code: str) -> None:
    found = house_lint.check_source(DOC + code + "\n", KERNEL)
    assert [finding.text.partition(":")[0] for finding in found] == ["kernel"]
    assert found[0].line > 1


@pytest.mark.parametrize("code", REFUSED_IN_KERNEL.values(), ids=REFUSED_IN_KERNEL.keys())
def test_other_packages_are_free_of_the_kernels_rules(code: str) -> None:
    assert house_lint.check_source(DOC + code + "\n", "src/dolphin/sensors/m.py") == []


@pytest.mark.parametrize("code", ALLOWED_IN_KERNEL.values(), ids=ALLOWED_IN_KERNEL.keys())
def test_kernel_allows(code: str) -> None:
    assert house_lint.check_source(DOC + code + "\n", KERNEL) == []


def test_only_the_contracts_switch_reads_the_environment() -> None:
    source = DOC + "from os import environ\n"
    assert house_lint.check_source(source, "src/dolphin/kernel/contracts.py") == []
    assert house_lint.check_source(source, KERNEL)


@pytest.mark.parametrize("code", ["import nautilus_trader", "def f():\n    from nautilus_trader.model import Bar"])
def test_only_one_package_imports_nautilus(code: str) -> None:
    for path in ("src/dolphin/nautilus/hook.py", "src/dolphin/app/engine.py"):
        assert house_lint.check_source(DOC + code + "\n", path) == []
    (finding,) = house_lint.check_source(DOC + code + "\n", "src/dolphin/app/run.py")
    assert "only dolphin.nautilus" in finding.text


@pytest.mark.parametrize(("lines", "findings"), [(399, 0), (400, 1), (401, 1)])
def test_length(lines: int, findings: int) -> None:
    source = DOC + "x = 1\n" * (lines - 1)
    assert len(house_lint.check_source(source, "src/dolphin/audit/m.py")) == findings


@pytest.mark.parametrize("source", ["", "x = 1\n", "# a comment\n", '""""""\n'])
def test_a_module_starts_with_a_docstring(source: str) -> None:
    (finding,) = house_lint.check_source(source, "src/dolphin/audit/m.py")
    assert "docstring" in finding.text


@pytest.mark.parametrize(
    "text",
    [
        "see https://" + "pypi" + ".org/project/x",
        "files." + "python" + "hosted.org",
        "cd /" + "root/x",
        'path = "/' + 'work/main"',
        "(/" + "home/ann/x)",
        "PIP_FIND_LINKS=/opt" + "/wheels",
    ],
)
def test_hosts_and_machine_paths_are_found(text: str) -> None:
    (finding,) = house_lint.check_text(f"fine\n{text}\n", "docs/x.md")
    assert finding.line == 2


@pytest.mark.parametrize(
    "text", ["a/root/b", "./work/x", "~/home/x", "docs/work/x.md", "root/work/home", "PyPI package arch"]
)
def test_other_words_are_not(text: str) -> None:
    assert house_lint.check_text(text, "docs/x.md") == []


@pytest.mark.parametrize("text", ["--index-url x", "# from http://x", "--find-links y"])
def test_a_lock_file_names_no_address(text: str) -> None:
    assert len(house_lint.check_text(text, "requirements.lock")) == 1
    assert house_lint.check_text(text, "docs/x.md") == []


def test_the_tree_is_what_git_would_commit(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    bad = "at /" + "root/x\n"
    (tmp_path / "committed.md").write_text(bad)
    (tmp_path / "ignored.md").write_text(bad)
    (tmp_path / "binary.bin").write_bytes(b"\xff\xfe\x00" + bad.encode())
    (tmp_path / ".gitignore").write_text("ignored.md\n")
    findings, files = house_lint.check_tree(tmp_path)
    assert [path.name for path in files] == [".gitignore", "binary.bin", "committed.md"]
    assert [(finding.path, finding.line) for finding in findings] == [("committed.md", 1)]


def test_outside_a_checkout_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        house_lint.check_tree(tmp_path)
