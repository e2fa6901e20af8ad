"""The folder that a run writes to: made, or replaced where an earlier run made it; nobody else's is touched.

What belongs here: the marker, and the refusal. The marker is written before anything else, so that a run that was cut
off can be repeated.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from dolphin.app.errors import UserError

MARKER: Final = ".dolphin-run"
_TEXT: Final = (
    "This folder was made by `dolphin run`, which replaces it with the next run. Remove this file to keep it.\n"
)


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
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / MARKER).write_text(_TEXT, encoding="utf-8")
    return path
