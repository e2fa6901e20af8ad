"""What a command writes to: made, or replaced where an earlier one made it; nobody else's is touched.

What belongs here: a run's folder with its marker, which is locked while a run writes; a file; the refusals. The marker
is written before all else, so that a run that was cut off can be repeated. At the run's end it lists the files that
are there: what is not in the list came later, from somebody else, and is a reason not to replace the folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Final

from dolphin.app.errors import UserError

MARKER: Final = ".dolphin-run"
_TEXT: Final = (
    "This folder was made by `dolphin run`, which replaces it with the next run. Remove this file to keep it.\n"
)
NAMED_MAX: Final = 3
"""So many files a refusal names."""

_HELD: Final[dict[Path, int]] = {}
"""Locked markers of this process, by folder: they say to another run that this one is writing."""


def prepared(path: Path) -> Path:
    """An empty folder with the marker. UserError where there is something that we did not write."""
    try:
        return _prepared(path)
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror})", path=path, field="--out", fix="name another"
        ) from error


def _prepared(path: Path) -> Path:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise UserError("is no folder", path=path, field="--out", fix="name a folder, or a path that does not exist")
    if path.exists() and any(path.iterdir()):
        if not (path / MARKER).is_file():
            raise UserError(
                "holds files that `dolphin run` did not write", path=path, field="--out",
                fix=f"name another folder, or put a file {MARKER} in it to have it replaced",
            )  # fmt: skip
        _let_go(path)
        _claim(path)
        try:
            _refuse_added(path)
        except UserError:
            _let_go(path)
            raise
        shutil.rmtree(path)
        _let_go(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / MARKER).write_text(_TEXT, encoding="utf-8")
    _claim(path)
    return path


def finished(path: Path) -> None:
    """List in the marker of the folder `path` what is there now: all of it is the run's. UserError: it cannot be."""
    try:
        (path / MARKER).write_text(_TEXT + json.dumps(_files(path)) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", path=path / MARKER) from error


def _files(path: Path) -> list[str]:
    """The files and links below `path`, by their names from there, without the marker."""
    found = []
    for folder, inside, files in os.walk(path):
        links = [name for name in inside if os.path.islink(os.path.join(folder, name))]
        found += [os.path.relpath(os.path.join(folder, name), path) for name in (*files, *links)]
    return sorted(name for name in found if name != MARKER)


def _refuse_added(path: Path) -> None:
    """UserError where files were put there after the run's end. A run that was cut off has listed none, and nobody
    knows which are its own.
    """
    try:
        listed = json.loads((path / MARKER).read_bytes().decode("utf-8").removeprefix(_TEXT))
    except ValueError:
        return
    added = sorted(set(_files(path)).difference(listed if isinstance(listed, list) else ()))
    if added:
        more = f" and {len(added) - NAMED_MAX} more" if len(added) > NAMED_MAX else ""
        raise UserError(
            f"holds files that came after the run that made it: {', '.join(added[:NAMED_MAX])}{more}",
            path=path, field="--out", fix="move them elsewhere, or name another folder",
        )  # fmt: skip


def ours(path: Path, begins: str, called: str) -> None:
    """UserError where the file `path` is there, and not empty, and does not begin as what is written there: a journal
    named by a slip would be gone. OSError.
    """
    try:
        with open(path, "rb") as file:
            found = file.read(len(begins.encode()))
    except FileNotFoundError:
        return
    if found and found.lower() != begins.lower().encode():
        raise UserError(f"is there already and is no {called}", path=path, fix="name another file, or remove it first")


def _claim(path: Path) -> None:
    """Lock the marker until this process ends: two runs that write to one folder would each remove the other's."""
    fd = os.open(path / MARKER, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise UserError(
            "another `dolphin run` is writing here", path=path, field="--out", fix="wait for it, or name another folder"
        ) from None
    _HELD[path.resolve()] = fd


def _let_go(path: Path) -> None:
    fd = _HELD.pop(path.resolve(), None)
    if fd is not None:
        os.close(fd)
