"""A book's state directory: whose it is, who writes its journal now, and where things are.

What belongs here: checks and paths. Who may write here is the operator, so a directory that others can write to is
refused: a letter in it would be a stranger's command.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
from pathlib import Path
from typing import Final, NamedTuple

from dolphin.app.errors import UserError
from dolphin.journal.files import PORT

JOURNAL: Final = "journal.jsonl"
OPERATOR: Final = "operator-"
"""How the instance id of an operator's own command begins, so that a second one can tell it from a running book."""

_LOOKS: Final = 3
"""How often the journal is opened anew where it was rotated just then: the lock of the old file is free."""

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class StateDir(NamedTuple):
    """A state directory that passed the checks."""

    path: Path

    @property
    def journal(self) -> Path:
        return self.path / JOURNAL

    @property
    def status(self) -> Path:
        return self.path / "status.json"


class Holder(NamedTuple):
    """Who holds the journal's lock: what `<journal>.lock` says. Empty where it says nothing."""

    pid: int
    instance: str

    @property
    def operator(self) -> bool:
        return self.instance.startswith(OPERATOR)


def checked(path: str | Path) -> StateDir:
    """The state directory `path`: it exists, is this user's, nobody else may write in it, and it has a journal."""
    where = Path(path)
    try:
        return _checked(where)
    except PermissionError as error:
        raise UserError(f"cannot be entered ({error.strerror})", path=where, fix="run as its owner") from error


def folder(path: str | Path) -> StateDir:
    """As `checked`, of a directory in which no book need have run yet."""
    _mine(Path(path), "state directory", directory=True)
    return StateDir(Path(path))


def _checked(where: Path) -> StateDir:
    _mine(where, "state directory", directory=True)
    found = StateDir(where)
    if (where / "mailbox").exists():
        _mine(where / "mailbox", "mailbox", directory=True)
    if not found.journal.exists():
        raise UserError(
            f"has no {JOURNAL}: no book was ever run here",
            path=where,
            fix="name the directory that DolphinGuardConfig calls state_dir",
        )
    _mine(found.journal, "journal", directory=False)
    return found


def _mine(path: Path, what: str, *, directory: bool) -> None:
    try:
        seen = os.stat(path, follow_symlinks=directory)
    except FileNotFoundError:
        raise UserError(f"there is no such {what}", path=path, fix="name an existing one with --state") from None
    except OSError as error:
        raise UserError(f"{what} cannot be looked at ({error.strerror})", path=path, fix="run as its owner") from error
    right = stat.S_ISDIR(seen.st_mode) if directory else stat.S_ISREG(seen.st_mode)
    if not right:
        raise UserError(f"is no {'directory' if directory else 'regular file'}", path=path, fix=f"name a {what}")
    if seen.st_uid != os.geteuid():
        raise UserError(
            f"{what} of another user",
            path=path,
            expected=f"owner {os.geteuid()}",
            actual=seen.st_uid,
            fix="run the command as the owner of the book",
        )
    if seen.st_mode & _OTHERS_WRITE:
        mode = "700" if directory else "600"
        raise UserError(
            f"{what} that others may write to",
            path=path,
            expected=f"mode {mode}",
            actual=f"{stat.S_IMODE(seen.st_mode):o}",
            fix=f"find out who wrote there, then `chmod {mode} {path}`",
        )


def holder(state: StateDir) -> Holder | None:
    """Who writes the journal now; None where nobody does: the book is stopped."""
    for _ in range(_LOOKS):
        try:
            fd = os.open(state.journal, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UserError(f"cannot be read ({error.strerror})", path=state.journal, fix="run as its owner") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if PORT.same(fd, str(state.journal)):
                return None
        except BlockingIOError:
            break
        finally:
            os.close(fd)
    return _signed(state)


def _signed(state: StateDir) -> Holder:
    try:
        said = json.loads((state.path / f"{JOURNAL}.lock").read_text(encoding="utf-8"))
        return Holder(int(said["pid"]), str(said["instance"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Holder(0, "")


def fresh_instance() -> str:
    """The instance id of an operator's own short-lived writer."""
    return f"{OPERATOR}{secrets.token_hex(8)}"
