"""`tools.prove` fails on planted faults, and on a list of composed functions that is not what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools import prove

ROOT = Path(__file__).resolve().parents[2]


def _kernel(folder: Path) -> Path:
    shutil.copytree(ROOT / "src" / "dolphin" / "kernel", folder / "dolphin" / "kernel")
    return folder


def _plant(source: Path, module: str, pattern: str, replacement: str) -> None:
    path = source / "dolphin" / "kernel" / f"{module}.py"
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), count=1)
    assert count == 1
    path.write_text(text, encoding="utf-8")


def _prove(source: Path, only: str) -> int:
    return prove.main(["--source", str(source), "--only", only, "--no-cache", "--timeout", "20"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "pattern", "replacement", "only"),
    [
        pytest.param("tables", r"\b8647\b", "8648", "kernel.tables", id="one R5 entry, by one"),
        pytest.param("tables", r"\b9438\b", "9439", "kernel.tables", id="one R2 entry, by one"),
        pytest.param("tables", r"\b9438\b", "19438", "survival._on_chord", id="one R2 entry, out of range"),
        pytest.param("policy", "1_980_000", "1_970_000", "posture.fallen", id="FALL_STALKER_MS"),
        pytest.param("policy", "5_520_000", "5_510_000", "posture.risen", id="RETURN_APEX_MS"),
        pytest.param("policy", "GRACE_NS = 10_000", "GRACE_NS = 11_000", "timing.heartbeat_lost", id="GRACE_NS"),
        pytest.param("policy", "ARM_WAIT_NS = 60_000", "ARM_WAIT_NS = 6_000", "killswitch.confirm", id="ARM_WAIT_NS"),
        pytest.param(
            "policy", "CLOCK_BACK_NS = 1_000", "CLOCK_BACK_NS = 2_000", "timing.regressed", id="CLOCK_BACK_NS"
        ),
    ],
)
def test_a_planted_fault_fails_the_target(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], module: str, pattern: str, replacement: str, only: str
) -> None:
    source = _kernel(tmp_path)
    _plant(source, module, pattern, replacement)
    assert _prove(source, only) == 1
    assert "REFUTED" in capsys.readouterr().out


@pytest.mark.slow
def test_the_same_functions_are_confirmed_without_the_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = _kernel(tmp_path)
    for only in ("kernel.tables", "posture.fallen", "timing.heartbeat_lost"):
        assert _prove(source, only) == 0
    assert "1 confirmed over all paths" in capsys.readouterr().out


def test_nothing_is_left_out(tmp_path: Path) -> None:
    source = _kernel(tmp_path)
    known = prove.functions(source)
    assert len(known) > 140
    assert not [result for result in prove.listed(known, prove.COMPOSED) if prove.failed(result)]
    _plant(source, "units", r"def notional", "def bare(a: int) -> int:\n    return a\n\n\ndef notional")
    assert [result.verdict for result in prove.listed(prove.functions(source), prove.COMPOSED) if prove.failed(result)]


@pytest.mark.parametrize(
    ("name", "evidence", "said"),
    [
        (
            "dolphin.kernel.machine.gone",
            ("test:tests/kernel/test_prove.py::test_nothing_is_left_out",),
            "does not exist",
        ),
        ("dolphin.kernel.survival.r1", ("test:tests/kernel/test_prove.py::test_nothing_is_left_out",), "has contracts"),
        ("dolphin.kernel.machine.step", (), "without evidence"),
        ("dolphin.kernel.machine.step", ("test:tests/kernel/test_prove.py::test_gone",), "no such test function"),
        ("dolphin.kernel.machine.step", ("contract:dolphin.kernel.machine.visit",), "has no contract decorator"),
    ],
)
def test_a_wrong_entry_of_the_list_fails(name: str, evidence: tuple[str, ...], said: str) -> None:
    known = prove.functions(ROOT / "src")
    result = next(prove.listed(known, {name: evidence}))
    assert prove.failed(result)
    assert said in result.details[0]


def test_a_report_is_read_condition_by_condition() -> None:
    function = prove.Function("dolphin.kernel.m.f", "m.py", 3, (1, 2))
    good = "/x/m.py:1: info: Confirmed over all paths.\n/x/m.py:2: info: Confirmed over all paths.\n"
    assert prove.parse(good, function) == (2, ())
    half = "/x/m.py:1: info: Confirmed over all paths.\n/x/m.py:2: info: Not confirmed.\n"
    assert prove.parse(half, function) == (1, ("m.py:2: Not confirmed.",))
    assert prove.parse("Traceback\n", function) == (0, ("Traceback",))


def test_calls_that_name_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prove.main(["--only", "no.such.function", "--no-cache"]) == 1
    assert "nothing matches" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        prove.main(["--source", str(tmp_path)])
    assert ended.value.code == 2
