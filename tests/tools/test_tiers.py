"""The report by assurance level: a small house, measured by coverage itself, whole and with gaps."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import tiers
from tools.findings import ROOT

DAL = """| package | level | a failure means |
|---|---|---|
| `dolphin.kernel` | A, pure | an order |
| `dolphin.audit` | B | a violation |
"""
KERNEL = "def sign(x):\n    if x < 0:\n        return -1\n    return 1\n"
REQUIREMENT = """[[requirement]]
id = "DOL-A-001"
text = "The sign shall be told."
level = "A"
source = "1"
verified_by = ["test:tests/test_sign.py::test_sign"]
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for name, text in {
        "DAL.md": DAL,
        "requirements.toml": REQUIREMENT,
        "pyproject.toml": "[tool.coverage.run]\nbranch = true\n",
        "src/dolphin/kernel/sign.py": KERNEL,
        "src/dolphin/audit/same.py": "def same(x):\n    return x\n",
        "tests/test_sign.py": "def test_sign():\n    pass\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def measure(house: Path, calls: str, *, branch: bool = True) -> list[str]:
    """Run `calls` under coverage; what `tiers` is then asked."""
    script = house / "calls.py"
    paths = "import sys; sys.path[:0] = ['src/dolphin/kernel', 'src/dolphin/audit']\n"
    script.write_text(f"{paths}from sign import sign\nfrom same import same\n{calls}\n", encoding="utf-8")
    how = ["--branch"] if branch else ["--rcfile=/dev/null"]
    command = [sys.executable, "-m", "coverage", "run", "--data-file=.coverage", *how, "--source=src", "calls.py"]
    subprocess.run(command, cwd=house, check=True)
    return ["--root", str(house), "--data", str(house / ".coverage")]


def test_whole(house, capsys):
    assert tiers.main(measure(house, "sign(1), sign(-1), same(1)")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["A,", "pure", "dolphin.kernel", "1", "4", "0", "2", "0", "100.00", "100.00"]
    assert lines[2].split() == ["B", "dolphin.audit", "1", "2", "0", "0", "0", "100.00", "85.00"]
    assert lines[5].split() == ["A", "1", "1", "1", "test"]


def test_a_branch_that_was_not_taken_is_below_the_bar_of_the_kernel(house, capsys):
    assert tiers.main([*measure(house, "sign(1), same(1)"), "--modules"]) == 1
    out = capsys.readouterr().out
    assert "66.66    100.00   BELOW" in out
    assert "  66.66 %  src/dolphin/kernel/sign.py" in out
    assert out.splitlines()[-1] == "tiers: not as demanded: dolphin.kernel"


def test_a_file_that_was_not_measured_counts_against_its_package(house, capsys):
    asked = measure(house, "sign(1), sign(-1), same(1)")
    (house / "src/dolphin/audit/new.py").write_text("x = 1\n", encoding="utf-8")
    assert tiers.main([*asked, "--json"]) == 1
    out = capsys.readouterr().out
    told = json.loads(out[: out.rindex("}") + 1])
    assert [(row["package"], row["unmeasured"], row["holds"]) for row in told["packages"]] == [
        ("dolphin.kernel", 0, True),
        ("dolphin.audit", 1, False),
    ]


def test_a_requirement_that_nothing_shows(house, capsys):
    text = REQUIREMENT.replace('verified_by = ["test:tests/test_sign.py::test_sign"]\n', 'status = "planned"\n')
    (house / "requirements.toml").write_text(text, encoding="utf-8")
    assert tiers.main(measure(house, "sign(1), sign(-1), same(1)")) == 1
    assert "requirements of level A" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda house: (house / ".coverage").unlink(), "no coverage data; `make tiers`"),
        (lambda house: (house / "DAL.md").write_text("no table"), "DAL.md: no row"),
        (lambda house: (house / "DAL.md").write_text(DAL.replace("| B |", "| Z |")), "dolphin.audit: level 'Z'"),
        (lambda house: measure(house, "same(1)", branch=False), "measured without branches"),
    ],
)
def test_what_cannot_be_told(house, capsys, harm, said):
    asked = measure(house, "same(1)")
    harm(house)
    assert tiers.main(asked) == 2
    assert said in capsys.readouterr().err


def test_every_package_of_the_source_has_a_level():
    folders = sorted(path.name for path in (ROOT / "src" / "dolphin").iterdir() if (path / "__init__.py").exists())
    assert sorted(name.removeprefix("dolphin.") for name in tiers.levels(ROOT)) == folders
