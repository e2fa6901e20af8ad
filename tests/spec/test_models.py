"""tools/tlc.py and spec/MC/models.toml: every surprise is one, and no theorem stands without a flaw that it rejects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dolphin.audit import tlc_runner
from dolphin.audit.tlc_runner import TlcMissing, TlcRun, find_jar, find_java, read_output
from dolphin.audit.trace_tla import TlcVerdict
from tools import tlc

MODELS = {model.name: model for model in tlc.load()}
UNREJECTABLE = {
    "TypeOK",  # checked with every flaw: a flaw that broke a type would be a surprise
    "KilledEventuallyHibernate",  # follows from KilledMeansHibernateInTheSameStep, which has its flaw
}


def run(verdict: str = "passed", violated: str = "", distinct: int = 10, detail: str = "") -> TlcRun:
    return TlcRun(verdict, violated, 20, distinct, 3, 0.1, "Version 2.15", detail, "")


def test_every_theorem_rejects_a_flaw() -> None:
    held = {name for model in MODELS.values() if model.kind == "pass" for name in tlc.theorems(tlc.cfg_of(model))}
    rejecting = {model.theorem for model in MODELS.values() if model.kind == "flaw"}
    assert held - rejecting == UNREJECTABLE
    assert rejecting <= held, "a flaw is rejected by something that no passing model checks"


def test_every_theorem_and_flaw_that_is_written_is_used() -> None:
    for module in sorted((tlc.SPEC / "MC").glob("*.tla")):
        name, text = module.stem, module.read_text(encoding="utf-8")
        cfgs = "".join(path.read_text(encoding="utf-8") for path in (tlc.SPEC / "MC").glob("*.cfg"))
        toml = (tlc.SPEC / "MC" / "models.toml").read_text(encoding="utf-8")
        defined = [
            line.split(" ==")[0].split("(")[0] for line in text.splitlines() if " ==" in line and line[0].isalpha()
        ]
        for word in defined:
            assert text.count(word) > 1 or word in cfgs or word in toml, f"{name}.{word} is used nowhere"


def test_models_run_small() -> None:
    small = ("Rebase", "NeverRebased", "EightMinutes", "IgnoredWhilePending")
    for name in (*small, "OneBeatIsEnough", "SweptOnce", "PostsFirst"):
        result = tlc.run_model(MODELS[name], find_jar(), find_java(), 1)
        assert result.surprise == ""
        assert result.run.version.startswith("Version 2.")


def test_long_models_are_run_when_asked_for_and_only_then(capsys: pytest.CaptureFixture[str]) -> None:
    long = {model.name for model in MODELS.values() if model.long}
    assert long == {"LinkedAll", "WatchdogWaits", "Wide"}
    assert tlc.main(["--list"]) == tlc.main(["--list", "--long", "--only", "Wide"]) == 0
    listed = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert listed.count("Wide") == 1
    assert listed[-1] == "Wide"
    assert tlc.main(["--long", "--only", "Filter"]) == 2


def test_a_run_leaves_nothing_in_spec() -> None:
    before = sorted(tlc.SPEC.rglob("*"))
    tlc.run_model(MODELS["NoCut"], find_jar(), find_java(), 1)
    assert sorted(tlc.SPEC.rglob("*")) == before


@pytest.mark.parametrize(
    ("model", "said", "word"),
    [
        ("Rebase", run(distinct=MODELS["Rebase"].states + 1), "pinned"),
        ("Rebase", run("violated", "TypeOK"), "rejected by TypeOK"),
        ("NoCut", run(), "accepted"),
        ("NoCut", run("violated", "TypeOK"), "not by ConfidenceNeverAboveHeldR"),
        ("NeverRebased", run(), "accepted"),
        ("NoCut", run("error", detail="Parsing failed"), "error: Parsing failed"),
        ("Filter", run("timeout", detail="not finished"), "timeout"),
        ("NeverARebase", run("violated", "KilledEventuallyRunning"), "not by"),
    ],
)
def test_surprises(model: str, said: TlcRun, word: str) -> None:
    assert word in tlc.surprise(MODELS[model], said)


def test_no_surprise() -> None:
    assert tlc.surprise(MODELS["Rebase"], run(distinct=MODELS["Rebase"].states)) == ""
    assert tlc.surprise(MODELS["NoCut"], run("violated", "ConfidenceNeverAboveHeldR")) == ""
    assert tlc.surprise(MODELS["NeverARebase"], run("violated", "temporal")) == ""


@pytest.mark.parametrize(
    ("verdict", "changed", "spent_s", "word"),
    [
        (TlcVerdict(True, 10, -1), -1, 20.0, ""),
        (TlcVerdict(True, 10, -1), -1, 61.0, "processor time"),
        (TlcVerdict(False, 10, 3, "mode"), -1, 1.0, "expected -1"),
        (TlcVerdict(True, 10, -1), 9, 1.0, "expected 9"),
        (TlcVerdict(False, 10, 9, "mode"), 9, 1.0, "named mode"),
        (TlcVerdict(False, 10, 9, "held_bp"), 9, 1.0, ""),
    ],
)
def test_surprises_of_traces(verdict: TlcVerdict, changed: int, spent_s: float, word: str) -> None:
    said = tlc.trace_surprise(verdict, changed, spent_s)
    assert word in said
    assert bool(said) == bool(word)


def test_a_model_that_does_not_parse_is_an_error() -> None:
    said = tlc_runner.run_tlc(
        "Broken",
        "INIT Init\nNEXT Init\n",
        (),
        {"Broken.tla": "---- MODULE Broken ----\nInit == (\n====\n"},
        jar=find_jar(),
    )
    assert said.verdict == "error"
    assert said.detail


def test_a_run_that_takes_too_long_is_stopped() -> None:
    text = "---- MODULE Long ----\nEXTENDS Integers\nVARIABLE x\nInit == x = 0\nNext == x' = x + 1\n====\n"
    said = tlc_runner.run_tlc("Long", "INIT Init\nNEXT Next\n", (), {"Long.tla": text}, jar=find_jar(), timeout_s=2)
    assert said.verdict == "timeout"


def test_output_that_says_nothing_is_an_error() -> None:
    assert read_output("", 0.0).verdict == "error"
    assert read_output("Model checking completed. No error has been found.", 0.0).verdict == "error"


def test_no_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(TlcMissing, match="openjdk-17-jre-headless"):
        find_java()


def test_a_jar_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TLA2TOOLS_JAR", str(tmp_path / "none.jar"))
    with pytest.raises(TlcMissing, match="TLA2TOOLS_JAR"):
        find_jar()
    (tmp_path / "none.jar").write_bytes(b"any")
    assert find_jar() == (tmp_path / "none.jar").resolve()


def test_the_packaged_jar_must_have_the_pinned_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TLA2TOOLS_JAR", raising=False)
    monkeypatch.setattr(tlc_runner, "JAR_SHA256", "0" * 64)
    with pytest.raises(TlcMissing, match="sha256"):
        find_jar()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[flow]]\nname = "A"\n', "accepted: pass, reach, flaw"),
        ('[[flaw]]\nname = "A"\nmodule = "M"\ncfg = "C"\nstate = 3\n', "unknown state"),
        (
            '[[flaw]]\nname = "A"\nmodule = "M"\ncfg = "C"\n[[reach]]\nname = "A"\nmodule = "M"\ncfg = "C"\n',
            "more than once",
        ),
    ],
)
def test_models_toml_is_strict(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "models.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        tlc.load(tmp_path / "models.toml")


def test_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert tlc.main(["--list", "--only", "flaw"]) == 0
    assert "NoCut" in capsys.readouterr().out
    assert tlc.main(["--show", "NoCut"]) == 0
    assert "CONSTANT Cut <- NoCut" in capsys.readouterr().out
    assert tlc.main(["--only", "NoSuchModel"]) == 2
    assert tlc.main(["--jar", str(tmp_path / "none.jar")]) == 2
    capsys.readouterr()
    assert tlc.main(["--only", "NoCut", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["results"][0]["run"]["violated"] == "ConfidenceNeverAboveHeldR"


def test_the_readme_names_every_theorem_and_every_flaw() -> None:
    text = (tlc.SPEC / "README.md").read_text(encoding="utf-8")
    for model in MODELS.values():
        if model.kind == "flaw":
            operator = model.override.split()[0]
            assert f"| {operator} | {model.name} | {model.theorem} |" in text
        if model.kind == "pass":
            for theorem in tlc.theorems(tlc.cfg_of(model)):
                assert theorem in text.split("## What keeps")[0]
