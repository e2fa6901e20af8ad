"""The command line: which subcommands there are, where each lives, and how errors end.

What belongs here: the table of commands and the one place that turns exceptions into exit codes. A command's module is
imported when it is asked for, so that `--help` answers at once and a kill does not wait for pandas.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TextIO, cast

from dolphin.app.errors import EXIT_OK, EXIT_UNSAID, EXIT_USAGE, UserError, meant


class Command(NamedTuple):
    """A subcommand: the module and function that run it with the arguments after its name, and its line in the help."""

    module: str
    function: str
    line: str


COMMANDS: Final[dict[str, Command]] = {
    "run": Command("dolphin.app.run", "main", "trade history with and without the guard, report, audit (the main job)"),
    "audit": Command("dolphin.app.audit_cli", "main", "check a journal: chain, every decision, the TLA+ model, safety"),
    "why": Command("dolphin.app.why", "main", "why an order was passed, shrunk or denied, from the journal alone"),
    "report": Command("dolphin.app.report", "main", "build the HTML report of a journal"),
    "calibrate": Command(
        "dolphin.app.calibrate", "main", "what each threshold does on your data; a proposed policy file"
    ),
    "policy": Command("dolphin.app.policy_cli", "main", "show the policy in force, or check a policy file"),
    "limits": Command("dolphin.app.limits_cli", "main", "show or check pre-trade limits, change them in two steps"),
    "status": Command("dolphin.app.operator", "status", "posture, confidence, R1..R5, latch, equity of a book"),
    "kill": Command("dolphin.app.operator", "kill", "trip the kill switch of a book: no entries, flatten"),
    "arm": Command("dolphin.app.operator", "arm", "first step of the re-arm after a kill"),
    "confirm": Command("dolphin.app.operator", "confirm", "second step of the re-arm"),
    "rebase": Command("dolphin.app.operator", "rebase", "re-base the high-water mark of a trapped book, two steps"),
    "flow": Command("dolphin.app.flow", "main", "announce a deposit or withdrawal, so that it is no profit or loss"),
    "reconcile": Command("dolphin.app.reconcile", "main", "hold a running book's ledger against the other books"),
    "backup": Command("dolphin.app.backup", "backup", "copy a book, running or stopped, and check the copy"),
    "restore": Command("dolphin.app.backup", "restore", "put a backup in the place of a lost book; it comes up killed"),
    "adopt": Command("dolphin.app.operator", "adopt", "decide on positions found at a first live start"),
    "watchdog": Command(
        "dolphin.app.watchdog_cli", "main", "watch a trading process from outside; cancel when it is gone"
    ),
}

_GROUPS: Final = (
    ("look", ("run", "report", "audit", "why", "calibrate", "policy", "limits")),
    ("the operator's hand", ("status", "kill", "arm", "confirm", "rebase", "flow", "reconcile", "adopt", "watchdog")),
    ("the book itself", ("backup", "restore")),
)


def usage() -> str:
    """What `dolphin --help` prints."""
    lines = [
        "usage: dolphin COMMAND [ARGUMENTS]",
        "",
        "Dolphin decides how much a trading system may risk, from how well it can see, and journals every decision.",
    ]
    for title, names in _GROUPS:
        lines += ["", f"{title}:"]
        lines += [f"  {name:<10}{COMMANDS[name].line}" for name in names]
    lines += [
        "",
        "examples:",
        "  dolphin run                                   twenty years, guarded and not; writes out/",
        "  dolphin why out/guarded.jsonl O-1999-17       why that order was denied",
        "  dolphin kill --state STATE --cause 'bad fills'",
        "",
        "`dolphin COMMAND --help` says what a command does, with examples and exit codes. `dolphin --version`.",
        "exit codes: 0 done, 1 the verdict is negative (violated, refused), 2 usage or bad input, 3 a running book did",
        "not answer, 4 done, but the output could not be written, 130 interrupted. An audit has its own.",
    ]
    return "\n".join(lines)


def _version() -> str:
    from dolphin import __version__

    return f"dolphin {__version__}"


def _command(name: str) -> Command:
    found = COMMANDS.get(name)
    if found is not None:
        return found
    raise UserError(
        f"dolphin: there is no command {name!r}",
        expected=" | ".join(COMMANDS),
        actual=name,
        fix=meant(name, COMMANDS) or "see `dolphin --help`",
    )


def _entry(command: Command) -> Callable[[list[str]], int]:
    try:
        module = importlib.import_module(command.module)
    except ModuleNotFoundError as error:
        if error.name != command.module:
            raise UserError(
                f"this command needs the Python package {error.name!r}, which is not installed",
                fix="install Dolphin with its dependencies (`make setup` in the repo)",
            ) from error
        raise UserError(f"{command.module} is not part of this installation", fix="reinstall Dolphin") from error
    entry: Callable[[list[str]], int] = getattr(module, command.function)
    return entry


class _Said:
    """Standard output whose faults stop no command: a kill that is done must not end as if it were refused, because the
    file that takes the answer is on a full disk. A pipe that nobody reads any more ends the command, as everywhere.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.fault: OSError | None = None

    def write(self, text: str) -> int:
        """All of it, or the fault is kept."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            self.fault = error
            return len(text)

    def flush(self) -> None:
        """As `write`."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            self.fault = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guarded(entry: Callable[[list[str]], int], argv: list[str]) -> int:
    """Run `entry`; a user's error becomes one paragraph on stderr and its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A cause or a name may hold what this terminal cannot show; an answer must not be lost for a letter.
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is None:  # closed by who called
        return _ended(entry, argv)
    said = _Said(sys.stdout)
    code = EXIT_OK
    with contextlib.redirect_stdout(cast(TextIO, said)):
        try:
            code = _ended(entry, argv)
            said.flush()
        except BrokenPipeError:
            # The reader (`head`, a pager) has gone: nobody is left to tell, and Python must not try at exit.
            _silence()
    if said.fault is None:
        return code
    _silence()
    print(f"error: done, but its output could not be written ({said.fault.strerror})", file=sys.stderr)
    return code or EXIT_UNSAID


def _silence() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _ended(entry: Callable[[list[str]], int], argv: list[str]) -> int:
    try:
        return int(entry(argv) or 0)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except SystemExit as stop:  # argparse, after --help
        return stop.code if isinstance(stop.code, int) else EXIT_OK
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:
        said = _journal_error(error)
        if said is None:
            raise
        print(f"error: {said}", file=sys.stderr)
        return EXIT_USAGE


def _journal_error(error: Exception) -> str | None:
    """A journal's own refusals are users' errors too; the package is imported only if it already was."""
    errors = sys.modules.get("dolphin.journal.errors")
    if errors is None:
        return None
    if isinstance(error, errors.JournalError):
        return str(error)
    return None


def _dispatch(argv: list[str]) -> int:
    if not argv:
        print(usage(), file=sys.stderr)
        return EXIT_USAGE
    name, *rest = argv
    if name in ("-h", "--help", "help"):
        if rest:
            return _entry(_command(rest[0]))(["--help"])
        print(usage())
        return EXIT_OK
    if name in ("-V", "--version"):
        print(_version())
        return EXIT_OK
    return _entry(_command(name))(rest)


def main(argv: Sequence[str] | None = None) -> int:
    """`dolphin`: run one command and return its exit code."""
    return guarded(_dispatch, list(sys.argv[1:] if argv is None else argv))


def _audit(argv: list[str]) -> int:
    return _entry(COMMANDS["audit"])(argv)


def trace_audit_main(argv: Sequence[str] | None = None) -> int:
    """`trace-audit`: the audit as a command of its own."""
    return guarded(_audit, list(sys.argv[1:] if argv is None else argv))
