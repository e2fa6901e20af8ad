"""Bad input to any command: one paragraph that names the file and what to do, exit code 2, nothing changed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dolphin.app.cli import main
from dolphin.app.errors import UserError
from dolphin.app.outdir import prepared
from dolphin.kernel.events import Equity
from dolphin.kernel.policy import INTRADAY
from tests.app.books import T0, Book
from tests.app.unprivileged import said_by

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
def test_a_file_that_may_not_be_read(tmp_path: Path, reader: Callable[[Path], list[str]]) -> None:
    path = tmp_path / "file"
    path.write_text("[policy]\n")
    path.chmod(0)
    found = said_by("dolphin", *reader(path))
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(f"error: {path}: may not be read")
    assert "owner" in found.err
    assert found.err.count("\n") == 1


@pytest.mark.parametrize("which", ["folder", "journal"])
def test_a_book_that_may_not_be_read(tmp_path: Path, which: str) -> None:
    book = Book(tmp_path / "b", INTRADAY)
    book.close()
    (book.path if which == "folder" else book.path / "journal.jsonl").chmod(0)
    found = said_by("dolphin", "status", "--state", str(book.path))
    book.path.chmod(0o700)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(f"error: {book.path}")
    assert "owner" in found.err
    assert found.err.count("\n") == 1


def test_data_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("time,open,high,low,close\n")
    path.chmod(0)
    found = said_by("dolphin", "run", "--bars", str(path), "--out", str(tmp_path / "out"))
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(f"error: {path}")
    assert not (tmp_path / "out").exists()


def test_a_report_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    """A limit on the size of files, which the system enforces as it does a full disk."""
    book = Book(tmp_path / "b", INTRADAY)
    book.emit(Equity(T0 + 1, 1_000_000, flat=1))
    book.close()
    before = sorted(path.name for path in book.path.iterdir())
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    script = f"import sys; {limited}; from dolphin.app.cli import main; sys.exit(main(sys.argv[1:]))"
    argv = ["report", str(book.path / "journal.jsonl"), "-o", str(book.path / "r.html")]
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, *argv], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "r.html: cannot be written (File too large)" in done.stderr
    assert sorted(path.name for path in book.path.iterdir()) == before


def test_a_run_does_not_take_the_folder_from_under_another(tmp_path: Path) -> None:
    out = tmp_path / "out"
    holds = "import sys; from pathlib import Path; from dolphin.app.outdir import prepared; prepared(Path(sys.argv[1]))"
    script = f"{holds}; (Path(sys.argv[1]) / 'journal').touch(); print('ready', flush=True); sys.stdin.readline()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"ready\n"
        with pytest.raises(UserError, match="another `dolphin run` is writing here"):
            prepared(out)
        assert (out / "journal").exists()
        first.communicate(b"\n", timeout=60)
    prepared(out)
    assert not (out / "journal").exists()
    prepared(out)  # the same process may repeat its run


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


def test_nothing_but_a_report_is_replaced_by_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the hand that names another journal, a device, a pipe: as they were, and what they are."""
    book = Book(tmp_path / "b", INTRADAY)
    book.emit(Equity(T0 + 1, 1_000_000, flat=1))
    book.close()
    journal = book.path / "journal.jsonl"
    other = tmp_path / "other.jsonl"
    other.write_bytes(journal.read_bytes())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for target, why in ((other, "is there already and is no"), (pipe, "is no regular file")):
        assert main(["report", str(journal), "-o", str(target)]) == 2
        assert f"error: {target}: {why}" in capsys.readouterr().err
    assert main(["audit", str(journal), "--junit", str(other)]) == 3
    assert f"{other}: is there already and is no JUnit file" in capsys.readouterr().err
    assert other.read_bytes() == journal.read_bytes()
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    report, junit, link = tmp_path / "r.html", tmp_path / "j.xml", tmp_path / "link.html"
    report.touch()
    link.symlink_to(report)
    for _ in range(2):
        assert main(["report", str(journal), "-o", str(report)]) == 0
        assert main(["audit", str(journal), "--junit", str(junit), "--quiet"]) == 0
    assert report.read_text().startswith("<!doctype html>")
    assert main(["report", str(journal), "-o", str(link)]) == 0
