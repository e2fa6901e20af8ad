"""The requirements checker: every way in which requirement and evidence can come apart is found."""

from pathlib import Path

import pytest

from tools import requirements_check

ID = "DOL-" + "AAA-001"
OTHER = "DOL-" + "BBB-002"


def entry(name: str = ID, evidence: str = '"test:tests/test_a.py::test_one"', extra: str = "") -> str:
    return (
        f'[[requirement]]\nid = "{name}"\ntext = "The guard shall hold."\nlevel = "A"\nsource = "2.1"\n'
        f"verified_by = [{evidence}]\n{extra}\n"
    )


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    files = {
        "requirements.toml": entry(),
        "tests/test_a.py": "def test_one():\n    pass\n\n\nclass TestB:\n    def test_two(self):\n        pass\n",
        "src/dolphin/kernel/m.py": "@ensure(lambda result: result)\ndef held():\n    pass\n\n\ndef bare():\n    pass\n",
        "spec/Posture.tla": "---- MODULE Posture ----\nTypeOK == TRUE\nFall(x) == x\n\\* Absent\n====\n",
        "proofs/Filter.v": "Theorem never_above : True.\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def texts(repo: Path, *, strict: bool = False) -> list[str]:
    return [finding.text for finding in requirements_check.check_tree(repo, strict=strict).findings]


def test_a_sound_repo_has_no_finding(repo: Path) -> None:
    assert texts(repo, strict=True) == []


@pytest.mark.parametrize(
    "evidence",
    [
        "test:tests/test_a.py::test_one",
        "test:tests/test_a.py::test_one[case-1]",
        "test:tests/test_a.py::TestB::test_two",
        "contract:dolphin.kernel.m.held",
        "tla:Posture.TypeOK",
        "tla:Posture.Fall",
        "theorem:Filter.never_above",
    ],
)
def test_evidence_that_exists(repo: Path, evidence: str) -> None:
    (repo / "requirements.toml").write_text(entry(evidence=f'"{evidence}"'))
    assert texts(repo) == []


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        ("test:tests/test_a.py::test_gone", "no such test function"),
        ("test:tests/test_a.py::test_two", "no such test function"),
        ("test:tests/gone.py::test_one", "no such file"),
        ("contract:dolphin.kernel.m.bare", "no contract decorator"),
        ("contract:dolphin.kernel.m.gone", "no such function"),
        ("contract:dolphin.kernel.gone.held", "no such module"),
        ("tla:Posture.Absent", "not defined"),
        ("tla:Posture.Type", "not defined"),
        ("tla:Gone.TypeOK", "no Gone.tla"),
        ("tla:TypeOK", "below spec"),
        ("theorem:Filter.never", "not defined"),
        ("rumour:somewhere", "unknown kind"),
    ],
)
def test_evidence_that_does_not_exist(repo: Path, evidence: str, why: str) -> None:
    (repo / "requirements.toml").write_text(entry(evidence=f'"{evidence}"'))
    (found,) = texts(repo)
    assert evidence in found
    assert why in found


def test_a_requirement_without_evidence(repo: Path) -> None:
    (repo / "requirements.toml").write_text(entry(evidence=""))
    assert texts(repo) == [f"{ID}: no evidence"]


@pytest.mark.parametrize(
    "test",
    [
        f'import pytest\n\n@pytest.mark.req("{ID}")\ndef test_x():\n    pass\n',
        f'import pytest\n\n@pytest.mark.req("{ID}")\nclass TestX:\n    def test_x(self):\n        pass\n',
        f'import pytest\n\npytestmark = pytest.mark.req("{ID}")\n\ndef test_x():\n    pass\n',
        f'import pytest\n\npytestmark = [pytest.mark.slow, pytest.mark.req("{ID}")]\n\ndef test_x():\n    pass\n',
    ],
    ids=["function", "class", "module", "list"],
)
def test_a_marked_test_is_evidence(repo: Path, test: str) -> None:
    (repo / "requirements.toml").write_text(entry(evidence=""))
    (repo / "tests/test_m.py").write_text(test)
    report = requirements_check.check_tree(repo)
    assert report.findings == []
    assert [item.startswith("test:tests/test_m.py::") for item in report.evidence[ID]] == [True]


def test_a_mark_on_a_helper_is_not_evidence(repo: Path) -> None:
    (repo / "requirements.toml").write_text(entry(evidence=""))
    (repo / "tests/test_m.py").write_text(f'@pytest.mark.req("{ID}")\ndef helper():\n    pass\n')
    assert texts(repo) == [f"{ID}: no evidence"]


def test_a_mark_with_an_unknown_id(repo: Path) -> None:
    (repo / "tests/test_m.py").write_text(f'@pytest.mark.req("{OTHER}")\ndef test_x():\n    pass\n')
    assert texts(repo) == [f"{OTHER} is not in requirements.toml"]


def test_a_mark_that_cannot_be_read(repo: Path) -> None:
    (repo / "tests/test_m.py").write_text("@pytest.mark.req(NAME)\ndef test_x():\n    pass\n")
    assert len(texts(repo)) == 1


@pytest.mark.parametrize("folder", ["src/dolphin", "spec", "proofs", "docs", "examples"])
def test_an_unknown_id_in_the_sources(repo: Path, folder: str) -> None:
    path = repo / folder / "x.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'REASON = "{OTHER}"\n')
    report = requirements_check.check_tree(repo)
    assert [str(finding) for finding in report.findings] == [f"{folder}/x.py:1: {OTHER} is not in requirements.toml"]


def test_duplicates(repo: Path) -> None:
    one = '"test:tests/test_a.py::test_one"'
    (repo / "requirements.toml").write_text(entry() + entry(OTHER, f"{one}, {one}") + entry())
    assert sorted(texts(repo)) == [f"{ID}: defined 2 times", f"{OTHER}: lists {one.strip('"')} 2 times"]


def test_planned_is_counted_and_fails_only_when_strict(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repo / "requirements.toml").write_text(entry() + entry(OTHER, "", 'status = "planned"'))
    assert texts(repo) == []
    assert texts(repo, strict=True) == [f"{OTHER}: still planned"]
    assert requirements_check.main(["--root", str(repo)]) == 0
    assert f"planned: {OTHER}" in capsys.readouterr().out
    assert requirements_check.main(["--root", str(repo), "--strict"]) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("shall hold", "holds"),
        ('level = "A"', 'level = "F"'),
        ('source = "2.1"', 'source = ""'),
        (ID, "DOL-1"),
        ("verified_by", 'colour = "red"\nverified_by'),
        ("verified_by", 'status = "done"\nverified_by'),
    ],
)
def test_malformed_entries(repo: Path, old: str, new: str) -> None:
    (repo / "requirements.toml").write_text(entry().replace(old, new))
    assert len(texts(repo)) == 1


def test_an_empty_file_is_no_pass(repo: Path) -> None:
    (repo / "requirements.toml").write_text("")
    assert texts(repo) == ["no requirement at all"]


def test_the_matrix_prints_evidence_under_its_requirement(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert requirements_check.main(["--root", str(repo), "--matrix"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"{ID}  DAL A  2.1", "    The guard shall hold.", "      test:tests/test_a.py::test_one"]
