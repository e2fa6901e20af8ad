"""Bad input to any command: one paragraph that names the file and what to do, exit code 2, nothing changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dolphin.app.cli import main
from dolphin.kernel.events import Equity
from dolphin.kernel.policy import INTRADAY
from tests.app.books import T0, Book

READERS: tuple[Callable[[Path], list[str]], ...] = (
    lambda path: ["report", str(path)],
    lambda path: ["why", str(path), "O-1"],
    lambda path: ["policy", "show", str(path)],
    lambda path: ["policy", "check", str(path)],
)
IDS = ("report", "why", "policy show", "policy check")


def refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("reader", READERS, ids=IDS)
@pytest.mark.parametrize("what", ["missing", "folder", "foreign", "binary", "empty"])
def test_a_file_that_is_not_what_is_asked_for(
    tmp_path: Path, reader: Callable[[Path], list[str]], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file"
    if what == "folder":
        path.mkdir()
    if what == "foreign":
        path.write_text("ts,open,close\n1,2,3\n")
    if what == "binary":
        path.write_bytes(b"\x7fELF\x02\xff\xfe\x00\n" * 9)
    if what == "empty":
        path.write_text("")
    assert str(path) in refused(reader(path), capsys)
    assert not path.with_suffix(".html").exists()


@pytest.mark.parametrize("reader", READERS, ids=IDS)
def test_a_file_that_may_not_be_read(
    tmp_path: Path,
    reader: Callable[[Path], list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "file"
    path.write_text("[policy]\n")

    def denied(*args: object, **more: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    # Tests may run as root, who may read anything: the operating system's refusal is played.
    monkeypatch.setattr(Path, "read_bytes", denied)
    if os.geteuid() != 0:
        path.chmod(0)
    elif reader(path)[0] in ("report", "why"):
        pytest.skip("root may read it; the journal's own tests play the refusal")
    said = refused(reader(path), capsys)
    assert str(path) in said
    assert "owner" in said


def test_a_report_over_the_journal_of_a_running_book(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book(tmp_path / "b", INTRADAY)
    book.emit(Equity(T0 + 1, 1_000_000, flat=1))
    path = book.path / "journal.jsonl"
    assert "is the journal itself" in refused(["report", str(path), "-o", str(path)], capsys)
    # Reading it while it is being written is no error, and says that it has not ended.
    assert main(["report", str(path), "-o", str(tmp_path / "r.html")]) == 0
    assert "no CLOSE record" in (tmp_path / "r.html").read_text()
    book.journal.release()


@pytest.mark.parametrize(
    "argv",
    [
        ["status"],
        ["kill", "--state"],
        ["confirm", "--state", "x"],
        ["confirm", "abc", "--state", "x"],
        ["rebase", "--state", "x", "--confirm", "soon"],
        ["arm", "--state", "x", "--episode", "1.5"],
        ["report"],
        ["kill", "--stat", "x"],
    ],
)
def test_arguments_that_mean_nothing(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(argv, capsys)
    assert f"dolphin {argv[0]} --help" in said
