"""The command line: every command teaches, every error is one paragraph with an exit code, none a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

import pytest

import dolphin
from dolphin.app import cli
from dolphin.app.errors import UserError, meant
from dolphin.journal import read
from dolphin.kernel.policy import INTRADAY
from tests.app.books import Book


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    said = capsys.readouterr().out
    for name, command in cli.COMMANDS.items():
        assert f"  {name} " in said
        assert command.line in said
    assert "exit codes" in said


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if util.find_spec(cli.COMMANDS[name].module) is None:
        pytest.skip("not landed yet")
    assert cli.main([name, "--help"]) == 0
    said = capsys.readouterr().out.lower()
    assert "usage" in said
    assert "example" in said
    assert "exit code" in said
    assert f"dolphin {name}" in said or name == "audit"


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"dolphin {metadata.version('dolphin-survival')}\n"
    assert dolphin.__version__ == metadata.version("dolphin-survival")


def test_an_unknown_command_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reprt"]) == 2
    assert "did you mean 'report'?" in capsys.readouterr().err


def test_nothing_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage: dolphin" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            UserError("x is wrong", path="f", line=3, field="k", expected="1", actual=2, fix="mend it"),
            2,
            "f:3: k: x is wrong: expected 1, found 2; mend it",
        ),
        (UserError("no", requirement="DOL-X-001", code=1), 1, "no [DOL-X-001]"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)  # fmt: skip
def test_errors_end_in_codes(error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    def failing(argv: list[str]) -> int:
        raise error

    assert cli.guarded(failing, []) == code
    assert said in capsys.readouterr().err


def test_a_fault_of_ours_is_not_hidden() -> None:
    def failing(argv: list[str]) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cli.guarded(failing, [])


def test_help_imports_no_heavy_package() -> None:
    code = "import sys; from dolphin.app.cli import main; main(['--help']); print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("nautilus_trader", "pandas", "numpy", "dolphin.kernel", "argparse"):
        assert f"'{heavy}'" not in said


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m dolphin policy show | head -1"
    quick = {**os.environ, "DOLPHIN_CONTRACTS": "0"}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, env=quick)
    assert done.stderr == ""


def ended(command: str, unbuffered: str) -> tuple[int, str]:
    """Exit code of the first command of a pipe, and what it said on stderr. In both of Python's ways to buffer."""
    env = {**os.environ, "DOLPHIN_CONTRACTS": "0", "PYTHONUNBUFFERED": unbuffered}
    text = command.replace("dolphin", f"{sys.executable} -m dolphin") + "; exit ${PIPESTATUS[0]}"
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False, env=env)
    return done.returncode, done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_is_gone_before_the_first_word_is_no_error(unbuffered: str) -> None:
    for command in ("(sleep 0.2; dolphin --help) | true", "(sleep 0.2; dolphin run --help) | true"):
        assert ended(command, unbuffered) == (0, "")
    assert ended("dolphin --help >&-", unbuffered) == (0, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_that_finds_no_room_does_not_undo_what_was_done(tmp_path: Path, unbuffered: str) -> None:
    """A kill must not end as if it were refused, nor a report that nobody got as if all were well."""
    book = Book(tmp_path / "book", INTRADAY)
    book.close()
    book.journal.release()
    code, err = ended(f"dolphin kill --state {book.path} > /dev/full", unbuffered)
    assert (code, err) == (4, "error: done, but its output could not be written (No space left on device)\n")
    assert "KILL" in [record.kind for record in read(str(book.path / "journal.jsonl"))]
    assert ended(f"dolphin confirm 5 --state {book.path} > /dev/full", unbuffered)[0] == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_a_terminal_cannot_show_is_escaped(tmp_path: Path, encoding: str) -> None:
    book = Book(tmp_path / "book", INTRADAY)
    book.close()
    book.journal.release()
    env = {**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C.UTF-8"}
    for argv in (["kill", "--cause", "Füße 日本 \udcff"], ["status"]):
        command = [sys.executable, "-m", "dolphin", *argv, "--state", str(book.path)]
        done = subprocess.run(command, capture_output=True, check=False, env=env)
        assert (done.returncode, done.stderr) == (0, b"")
    shown = "Füße 日本".encode(encoding, errors="backslashreplace")
    assert b"cause OPERATOR (" + shown in done.stdout


def test_meant_is_silent_about_strangers() -> None:
    assert meant("zzz", ["kill", "arm"]) == ""
