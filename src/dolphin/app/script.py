"""Scripts of commands and faults for a backtest: TOML in, `Command`s out. examples/faults.toml is one.

What belongs here: reading and checking times and verbs. What a verb does is the guard's.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from dolphin.app.errors import UserError, meant
from dolphin.kernel.units import NS_PER_S

VERBS: Final = (
    "kill",
    "arm",
    "confirm",
    "rebase-arm",
    "rebase-confirm",
    "adopt",
    "flatten",
    "fault",
    "shock",
    "sensor-error",
    "stall",
    "flow",
)
_ARGUMENTS: Final = (
    "feed",
    "until",
    "fault",
    "category",
    "error",
    "episode",
    "observed_flat",
    "accepted",
    "nonce",
    "position",
    "amount",
)


class Command(NamedTuple):
    """One line of a script: what an operator, or a fault, does at a simulated time."""

    ts_ns: int
    verb: str
    args: Mapping[str, Any]
    cause: str


def read_script(path: Path) -> list[Command]:
    """The commands of the file `path`, in order of time. UserError names file, entry and what is accepted."""
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", path=path, fix="name a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"is no TOML: {error}", path=path, fix="mend it") from None
    entries = document.get("command")
    if not isinstance(entries, list):
        raise UserError("has no [[command]]", path=path, fix="see examples/faults.toml")
    return sorted((_command(path, number, entry) for number, entry in enumerate(entries, 1)), key=lambda one: one.ts_ns)


def _command(path: Path, number: int, entry: Mapping[str, Any]) -> Command:
    where = f"command {number}"
    verb = entry.get("verb")
    if verb not in VERBS:
        hint = meant(str(verb), VERBS)
        raise UserError("unknown verb", path=path, field=where, expected=" | ".join(VERBS), actual=verb, fix=hint)
    args: dict[str, Any] = {}
    for name, value in entry.items():
        if name in ("at", "verb", "cause"):
            continue
        if name not in _ARGUMENTS:
            accepted = ", ".join(("at", "verb", "cause", *_ARGUMENTS))
            raise UserError("unknown key", path=path, field=where, expected=accepted, actual=name)
        args[name] = value
    if "until" in args:
        args["until_ns"] = moment(path, where, args.pop("until"))
    if "fault" in args:
        args["name"] = args.pop("fault")
    return Command(moment(path, where, entry.get("at")), str(verb), args, str(entry.get("cause", "")))


def moment(path: Path, where: str, value: Any) -> int:
    """A time of day with its zone, in ns."""
    found = value
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            found = None
    if isinstance(found, datetime):
        if found.tzinfo is not None:
            return int(found.astimezone(UTC).timestamp()) * NS_PER_S
    raise UserError("is no time", path=path, field=where, expected="2017-06-01T22:00:00Z, with a zone", actual=value)
