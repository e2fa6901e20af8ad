"""What a user did wrong, said so that it can be mended: the exception that the command line shows without a traceback.

What belongs here: `UserError`, and how it reads. Every module of `app` raises it; `cli.main` prints it and exits with
its code. A fault of Dolphin itself is any other exception.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_OK = 0
EXIT_NEGATIVE = 1
"""The command ran and its verdict is no: violated, refused, not conforming."""

EXIT_USAGE = 2
"""The command could not run: usage, or bad input."""

EXIT_UNSAID = 4
"""The command ran to its end, and what it said could not be written (a full disk)."""


class UserError(Exception):
    """One clear paragraph: where, what, expected and found, what to do.

    `path`, `line` (from 1), `field`: where. `expected`, `actual`: shown as `expected X, found Y`. `fix`: an imperative.
    `requirement`: the id that is not met. `code`: the exit code, 2 for bad input, 1 for a negative verdict.
    """

    def __init__(
        self,
        what: str,
        *,
        path: object = None,
        line: int | None = None,
        field: str = "",
        expected: str = "",
        actual: object = None,
        fix: str = "",
        requirement: str = "",
        code: int = EXIT_USAGE,
    ) -> None:
        self.what = what
        self.path = None if path is None else str(path)
        self.line = line
        self.field = field
        self.expected = expected
        self.actual = actual
        self.fix = fix
        self.requirement = requirement
        self.code = code
        super().__init__(self.text())

    def text(self) -> str:
        """The paragraph: `FILE:LINE: FIELD: what: expected X, found Y [ID]; fix`."""
        said = ""
        if self.path is not None:
            said += f"{self.path}:"
            said += f"{self.line}: " if self.line is not None else " "
        if self.field:
            said += f"{self.field}: "
        said += self.what
        if self.expected:
            said += f": expected {self.expected}, found {self.actual!r}"
        if self.requirement:
            said += f" [{self.requirement}]"
        if self.fix:
            said += f"; {self.fix}"
        return said


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` for the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    if not near:
        return ""
    return f"did you mean {near[0]!r}?"
