"""The operator's letters: one file a command, moved by rename, answered by a file (docs/design/flight-core.md).

What belongs here: files and their names; nothing is decided, and Nautilus is not imported. A letter is written under
a temporary name and renamed to `<id>.json`; the guard takes it by renaming it to `<id>.taken`, so that it is acted upon
at most once, and answers in `<id>.answer.json`. What cannot be read as a letter is moved to `<id>.bad` and answered
with an error. Directory 0700, files 0600: who may write there is the operator.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from dolphin.journal import killfile

VERBS: Final = (
    "kill", "arm", "confirm", "rebase-arm", "rebase-confirm", "adopt", "flatten", "status", "flow", "reconcile",
    "limits-propose", "limits-confirm", "limits-enable",
)  # fmt: skip
"""What a letter may ask."""

LETTER_BYTES_MAX: Final = 65_536
ID_CHARS: Final = frozenset("0123456789abcdefghijklmnopqrstuvwxyz-")
POLL_S: Final = 0.002
LOOK_S: Final = 0.1
"""How often who waits looks whether the reader of letters is still there."""


class MailboxError(Exception):
    """A letter could not be posted, or was not answered in time. The text says what to do."""


class Letter(NamedTuple):
    """One command. `error`: why it cannot be acted upon, empty for a good one."""

    id: str
    verb: str
    args: Mapping[str, Any]
    cause: str
    error: str


def folder(state_dir: str | os.PathLike[str]) -> Path:
    """Where the letters of this book are."""
    return Path(state_dir) / "mailbox"


def make(state_dir: str | os.PathLike[str]) -> Path:
    """The state directory and its mailbox, for their owner only; made where they are missing."""
    where = folder(state_dir)
    for path in (where.parent, where):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(where, 0o700)
    return where


def write(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON to `path` so that a reader sees all of it or nothing; 0600. OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(value, file, separators=(",", ":"))
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _always() -> bool:
    return True


def post(
    state_dir: str | os.PathLike[str],
    verb: str,
    args: Mapping[str, Any],
    cause: str,
    timeout_s: float = 10.0,
    there: Callable[[], bool] = _always,
) -> dict[str, Any] | None:
    """Send a command and wait for its answer. MailboxError: no guard answered in time, or the letter cannot be written.

    A letter that was not taken is withdrawn, so that it is not acted upon later, when nobody expects it; also where who
    waits is interrupted. None where `there` says that nobody reads letters (any more), and it was withdrawn untaken.
    """
    name = send(state_dir, verb, args, cause)
    where = folder(state_dir)
    until_s = time.monotonic() + timeout_s
    try:
        found = _awaited(where, name, until_s, there)
    except (ValueError, RecursionError) as error:
        raise MailboxError(f"{verb}: its answer cannot be read ({error}); see the journal for what was done") from error
    except KeyboardInterrupt:
        if _withdrawn(where, name):
            raise
        raise MailboxError(f"{verb}: interrupted, but it was taken; see the journal for what was done") from None
    except Exception:  # who reads letters cannot be told: this one must not be read later, when nobody expects it
        _withdrawn(where, name)
        raise
    if found is not None:
        return found
    waited = f"{round(timeout_s, 2):g} s"
    if not _withdrawn(where, name):
        raise MailboxError(f"{verb}: taken but not answered within {waited}; see the journal for what was done")
    if time.monotonic() < until_s:
        return None
    raise MailboxError(f"{verb}: nobody took it within {waited}, withdrawn; is the book running?")


def _awaited(where: Path, name: str, until_s: float, there: Callable[[], bool]) -> dict[str, Any] | None:
    """The answer, once there is one; None if there was none in time, or the letter lies where nobody reads it.

    ValueError, RecursionError: it is no answer.
    """
    look_s = time.monotonic() + LOOK_S
    while time.monotonic() < until_s:
        found = _answer_in(where / f"{name}.answer.json")
        if found is not None:
            return found
        if time.monotonic() >= look_s:
            look_s += LOOK_S
            if _in_vain(where / f"{name}.json", there):
                return None
        time.sleep(POLL_S)
    return None


def _in_vain(letter: Path, there: Callable[[], bool]) -> bool:
    """Whether nobody will take the letter. One that was taken is awaited, whoever holds the journal now."""
    if not letter.exists():
        return False
    return not there()


def _withdrawn(where: Path, name: str) -> bool:
    """Whether the letter could be taken back: False where the guard has it."""
    try:
        os.unlink(where / f"{name}.json")
    except FileNotFoundError:
        return False
    return True


def send(state_dir: str | os.PathLike[str], verb: str, args: Mapping[str, Any], cause: str) -> str:
    """Post without waiting; the id under which the answer will come. MailboxError."""
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    try:
        where = make(state_dir)
        write(where / f"{name}.json", {"verb": verb, "args": dict(args), "cause": cause})
    except OSError as error:
        raise MailboxError(f"{state_dir}: cannot post ({error.strerror}); run as the book's owner") from error
    return name


def waiting(state_dir: str | os.PathLike[str]) -> bool:
    """Whether there is a letter, or the file KILL: two looks, for a watcher that runs often."""
    if killfile.lies(os.path.join(state_dir, killfile.NAME)):
        return True
    try:
        names = os.listdir(folder(state_dir))
    except OSError:
        return False
    for name in names:
        if _is_letter(name):
            return True
    return False


def take(state_dir: str | os.PathLike[str]) -> list[Letter]:
    """The letters that wait, oldest first, each taken so that nobody gets it again. Never raises."""
    where = folder(state_dir)
    try:
        names = sorted(os.listdir(where))
    except OSError:
        return []
    letters = []
    for name in names:
        if _is_letter(name):
            letter = _taken(where, name.removesuffix(".json"))
            if letter is not None:
                letters.append(letter)
    return letters


def answer(state_dir: str | os.PathLike[str], letter: Letter, value: Mapping[str, Any]) -> bool:
    """Answer a letter and forget it. False where the answer could not be written: the journal has it all the same."""
    where = folder(state_dir)
    try:
        write(where / f"{letter.id}.answer.json", value)
        (where / f"{letter.id}.taken").unlink(missing_ok=True)
    except OSError:
        return False
    except (TypeError, ValueError):
        return False
    return True


def _is_letter(name: str) -> bool:
    if not name.endswith(".json"):
        return False
    stem = name.removesuffix(".json")
    if not stem:
        return False
    return frozenset(stem) <= ID_CHARS


def _taken(where: Path, name: str) -> Letter | None:
    taken = where / f"{name}.taken"
    try:
        os.rename(where / f"{name}.json", taken)
    except OSError:
        return None
    try:
        return _letter(name, _text(taken))
    except (OSError, ValueError, RecursionError) as error:
        try:
            os.rename(taken, where / f"{name}.bad")
        except OSError:
            pass
        return Letter(name, "", {}, "", f"no letter: {error}; it is kept as {name}.bad")


def _text(path: Path) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("not a regular file")
        raw = os.read(fd, LETTER_BYTES_MAX + 1)
    finally:
        os.close(fd)
    if len(raw) > LETTER_BYTES_MAX:
        raise ValueError(f"more than {LETTER_BYTES_MAX} bytes")
    return raw.decode("utf-8")


def _letter(name: str, text: str) -> Letter:
    value = json.loads(text)
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    for field in value:
        if field not in ("verb", "args", "cause"):
            raise ValueError(f"field {field!r}; accepted verb, args, cause")
    verb = value.get("verb")
    if verb not in VERBS:
        raise ValueError(f"verb {verb!r}; accepted {', '.join(VERBS)}")
    args = value.get("args", {})
    if type(args) is not dict:
        raise ValueError("args is not an object")
    cause = value.get("cause", "")
    if type(cause) is not str:
        raise ValueError("cause is not text")
    return Letter(name, verb, args, cause[:1_000], "")


def _answer_in(path: Path) -> dict[str, Any] | None:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    path.unlink(missing_ok=True)
    found = json.loads(text)
    if type(found) is not dict:
        raise ValueError("not a JSON object")
    return found
