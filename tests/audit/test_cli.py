"""The command `trace-audit`: exit codes, forms of the report, follow, and what it says when it cannot audit."""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from dolphin.app.audit_cli import main
from dolphin.audit import live, replay, tlc_runner
from dolphin.audit.finding import Verdict
from dolphin.kernel import events as ev
from tests.app.unprivileged import said_by
from tests.audit.make_journal import Maker, scripted
from tests.audit.test_replay import edited, line_of


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    scripted(path)
    return path


@pytest.fixture
def bad(whole: Path) -> Path:
    return edited(whole, line_of(whole, "ORDER", 1), '["VERDICT",500,', '["VERDICT",501,')


def test_conforms_is_0_and_says_what_was_checked(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(whole)]) == 0
    said = capsys.readouterr().out
    for word in ("conforms", "TEST-1", "a chain", "b decisions", "d safety", "head ", "not exercised", "not compared"):
        assert word in said
    assert main([str(whole), "--quiet"]) == 0
    assert capsys.readouterr().out == f"{whole}: conforms\n"


def test_violates_is_1_and_names_the_record(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(bad)]) == 1
    said = capsys.readouterr().out
    assert f"{bad}:{line_of(bad, 'ORDER', 1)}: ORDER" in said
    assert "DOL-ORDER-002" in said
    assert main([str(bad), "--all", "--quiet"]) == 1


def test_incomplete_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("")
    assert main([str(path)]) == 2
    assert "is empty" in capsys.readouterr().out
    maker = Maker(tmp_path / "open.jsonl")
    maker.hear()
    assert main([str(maker.path)]) == 2


def test_quiet_says_in_one_line_why_it_is_incomplete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maker = Maker(tmp_path / "open.jsonl")
    maker.hear()
    assert main([str(maker.path), "--quiet"]) == 2
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert said.startswith(f"{maker.path}: incomplete: ")
    assert "no CLOSE" in said


def test_what_no_check_reads_is_one_line(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(whole)]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "not compared" in line]
    assert main([str(whole), "--json"]) == 0
    names = json.loads(capsys.readouterr().out)["coverage"]["not_compared"]
    for name in names:
        kind, _, field = name.partition(".")
        if kind not in ("fx", "any"):
            assert field in row.partition(f"{kind} ")[2].partition(",")[0].split()
    assert "FILL" in row


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nowhere.jsonl"],
        ["."],
        ["{}", "--anchor", "7"],
        ["{}", "--engine", "magic"],
        ["{}", "--follow", "--engine", "tlc"],
        ["{}", "--junit", "nowhere/report.xml"],
    ],
)
def test_not_audited_is_3_and_says_what_to_do(
    whole: Path, argv: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([part.format(whole) for part in argv]) == 3
    said = capsys.readouterr().err
    assert said.startswith("trace-audit: not audited: ")
    assert said.count("\n") == 1


def test_a_foreign_file_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("date,close\n2020-01-01,1\n")
    assert main([str(path)]) == 3
    assert "is no journal" in capsys.readouterr().err


@pytest.mark.parametrize("which", ["journal.jsonl", "journal.jsonl.head"])
def test_an_unreadable_path_is_3(whole: Path, which: str) -> None:
    """A head file that the auditor may not read is no reason to say that the journal was tampered with."""
    assert said_by("dolphin", "audit", str(whole), "--quiet").code == 0
    (whole.parent / which).chmod(0)
    found = said_by("dolphin", "audit", str(whole))
    assert found.code == 3
    assert f"{which}: may not be read" in found.err


def test_no_java_is_3_and_says_what_to_install(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert main([str(whole), "--engine", "tlc"]) == 3
    assert "openjdk-17-jre-headless" in capsys.readouterr().err


def test_a_missing_jar_is_3(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("dolphin.audit.conformance.find_java", lambda: "java")
    monkeypatch.setenv(tlc_runner.JAR_VARIABLE, str(tmp_path / "no.jar"))
    assert main([str(whole), "--engine", "both"]) == 3
    assert "there is no jar" in capsys.readouterr().err


def test_the_anchor(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = replay.audit(str(whole)).head
    assert main([str(whole), "--anchor", head.anchor]) == 0
    assert main([str(whole), "--anchor", f"{head.seq + 5}:{head.hash}"]) == 1
    assert "DOL-JOURNAL-007" in capsys.readouterr().out


def test_json_and_junit(whole: Path, bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.xml"
    assert main([str(bad), "--json", "--junit", str(out)]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "violates"
    assert said["findings"][0]["requirement"] == "DOL-ORDER-002"
    suite = ET.parse(out).getroot()
    assert suite.get("failures") == "1"
    assert [case.find("failure") is not None for case in suite] == [False, True, False, False]
    assert main([str(whole), "--quiet", "--junit", str(out)]) == 0
    assert ET.parse(out).getroot().get("failures") == "0"


def test_incomplete_fails_a_build(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "open.jsonl")
    maker.hear()
    out = tmp_path / "report.xml"
    assert main([str(maker.path), "--quiet", "--junit", str(out)]) == 2
    assert ET.parse(out).getroot().get("failures") == "1"


def test_the_engines_disagreeing_is_3(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bad: Path
) -> None:
    from dolphin.audit import conformance

    other = replay.audit(str(bad))
    monkeypatch.setattr(conformance, "audit", lambda *_, **__: other)
    assert main([str(whole), "--engine", "both"]) == 3
    assert "THE ENGINES DISAGREE" in capsys.readouterr().err


def test_follow_reports_changes_and_ends_with_close(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()

    def more() -> None:
        maker.event(ev.Kill(maker.wait(1)))
        maker.close()

    timer = threading.Timer(0.2, more)
    timer.start()
    assert main([str(maker.path), "--follow"]) == 0
    timer.join()
    said = capsys.readouterr().out
    assert "APEX, confidence 100.0 %, latch RUNNING" in said
    assert "HIBERNATE, confidence 0.0 %, latch KILLED (KILL)" in said
    assert "conforms" in said


def test_follow_never_takes_a_line_without_its_end(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.close()
    text = maker.path.read_text()
    maker.path.write_text(text[:-1])
    watch = live.Watch(str(maker.path), stop=lambda: True)
    list(watch.lines())
    report = watch.report(1.0)
    assert report.verdict == Verdict.INCOMPLETE
    assert report.records == text.count("\n") - 1
    assert "still being written" in report.reasons[0]


def test_follow_stops_at_the_first_finding(bad: Path) -> None:
    watch = live.Watch(str(bad))
    lines = list(watch.lines())
    assert any("DOL-ORDER-002" in line for line in lines)
    assert watch.report(1.0).verdict == Verdict.VIOLATES


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for word in ("examples:", "exit codes:", "--anchor", "incomplete", "--follow"):
        assert word in said
