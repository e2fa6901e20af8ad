"""Argument parsers that teach: what a command does, an example, its exit codes; and whose errors are `UserError`s.

What belongs here: `parser`, used by every subcommand, and how arguments of several are read. No command.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from typing import NoReturn

from dolphin.app.errors import UserError

SECONDS_MAX = 86_400

EXITS = {0: "done", 2: "usage or bad input; nothing was changed"}


class Parser(argparse.ArgumentParser):
    """argparse, but an error is one paragraph for `cli.main` to print, with the way to the help."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{self.prog}: {message}", fix=f"see `{self.prog} --help`")


def parser(prog: str, what: str, example: str, exits: dict[int, str] | None = None) -> Parser:
    """A parser for `prog` (`dolphin report`, say). `what`: paragraphs. `example`: shell lines, shown as they are."""
    codes = "\n".join(f"  {code}  {meaning}" for code, meaning in sorted((EXITS | (exits or {})).items()))
    shown = textwrap.indent(textwrap.dedent(example).strip(), "  ")
    return Parser(
        prog=prog,
        description=textwrap.dedent(what).strip(),
        epilog=f"examples:\n{shown}\n\nexit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def text(given: str) -> str:
    """Words for the journal: a byte that is none of the terminal's letters is spelled out, since a journal writes none.

    A kill must not fail for a letter of its cause.
    """
    from dolphin.journal import writable

    return writable(given)


def whole(text: str) -> int:
    """A whole number in digits, as a command printed it."""
    if re.fullmatch(r"[+-]?[0-9]{1,30}", text) is None:
        raise argparse.ArgumentTypeError(f"accepted a whole number, found {text!r}")
    return int(text)


def seconds(text: str) -> float:
    """A time to wait: a number of seconds from 0 to a day. `nan` would never end, below zero means nothing."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if 0 <= value <= SECONDS_MAX:
        return value
    raise argparse.ArgumentTypeError(f"accepted seconds from 0 to {SECONDS_MAX}, found {text!r}")


def time_of(text: str) -> int:
    """Nanoseconds since 1970 that `--at` names; UserError where it names none."""
    from dolphin.audit.finding import instant

    try:
        return instant(text)
    except ValueError as error:
        raise UserError(
            "no such time", field="--at", actual=text, fix="add Z or an offset such as +01:00",
            expected="ISO 8601 with a zone (2020-09-13T12:26:40Z) or nanoseconds",
        ) from error  # fmt: skip
