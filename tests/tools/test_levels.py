"""The import contracts of pyproject.toml: each one broken on purpose in a house of empty packages, and found broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.findings import ROOT

PACKAGES = ("kernel", "journal", "nautilus", "sensors", "limits", "audit", "watchdog", "app")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("", *PACKAGES):
        path = tmp_path / "dolphin" / package / "__init__.py"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def lint(house: Path) -> subprocess.CompletedProcess[str]:
    # The working directory comes first on the linter's path, so it reads this house and not the installed one.
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)


def test_an_empty_house_holds(house: Path) -> None:
    done = lint(house)
    assert done.returncode == 0, done.stdout
    assert "4 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("package", "imported"),
    [
        ("kernel", "dolphin.journal"),
        ("kernel", "dolphin.app"),
        ("kernel", "numpy"),
        ("kernel", "nautilus_trader"),
        ("journal", "dolphin.audit"),
        ("journal", "nautilus_trader"),
        ("nautilus", "dolphin.sensors"),
        ("nautilus", "dolphin.audit"),
        ("nautilus", "dolphin.app"),
        ("sensors", "dolphin.app"),
        ("nautilus", "dolphin.limits"),
        ("limits", "dolphin.app"),
        ("limits", "nautilus_trader"),
        ("audit", "dolphin.app"),
        ("audit", "nautilus_trader.model"),
        ("watchdog", "dolphin.nautilus"),
        ("watchdog", "nautilus_trader.model"),
        ("nautilus", "dolphin.watchdog"),
    ],
)
def test_an_import_upwards_is_refused(house: Path, package: str, imported: str) -> None:
    (house / "dolphin" / package / "__init__.py").write_text(f"import {imported}\n")
    done = lint(house)
    assert done.returncode == 1, done.stdout
    assert f"dolphin.{package} -> {imported.removesuffix('.model')}" in done.stdout


@pytest.mark.parametrize(
    ("package", "imported"),
    [
        ("journal", "dolphin.kernel"),
        ("nautilus", "dolphin.journal"),
        ("nautilus", "nautilus_trader"),
        ("sensors", "dolphin.kernel"),
        ("limits", "dolphin.kernel"),
        ("audit", "dolphin.journal"),
        ("app", "dolphin.nautilus"),
    ],
)
def test_an_import_downwards_is_not(house: Path, package: str, imported: str) -> None:
    (house / "dolphin" / package / "__init__.py").write_text(f"import {imported}\n")
    assert lint(house).returncode == 0


def test_an_indirect_import_of_nautilus_is_refused(house: Path) -> None:
    (house / "dolphin/nautilus/__init__.py").write_text("import nautilus_trader\n")
    (house / "dolphin/audit/__init__.py").write_text("import dolphin.nautilus\n")
    assert lint(house).returncode == 1
