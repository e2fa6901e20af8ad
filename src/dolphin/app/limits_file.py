"""A file of pre-trade limits: TOML in, `Limits` out, every mistake named by file, line, key and what is accepted.

What belongs here: which tables and keys there are, made from the one table of limits (`dolphin.limits.codes`), so that
a new limit has its keys at once. docs/guide/limits.md is this file in prose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from dolphin.app.config import ConfigErrors
from dolphin.app.errors import UserError
from dolphin.app.returns_file import load_history
from dolphin.app.toml_file import (
    Document,
    Key,
    basis_points,
    choice,
    duration_ns,
    integer,
    read_document,
    read_table,
    text,
)
from dolphin.kernel.units import MICRO, NS_PER_S
from dolphin.limits.codes import NAMES, SPECS, Code, Mode, Spec, Unit
from dolphin.limits.config import INTERVALS, NOTHING, Limits, Rule, grouped, horizon_ns, made, too_long
from dolphin.limits.history import BadHistory, History, by_interval
from dolphin.limits.limiter import Limiter

BOOK: Final = "book"
RETURNS: Final = "returns"
TABLES: Final = (BOOK, *NAMES)
ASSUMED: Final = "assumed"
LEAST_HORIZON_NS: Final = 60 * NS_PER_S
MILLIONTHS_MAX: Final = 10**28
"""So many places a decimal keeps exactly. Of a share in bp, a count or a time in ns it is beyond all sense."""

BEYOND: Final = "less than 1e22"

MODES: Final = ("off", "passive", "on")
_ACCEPTED: Final = {
    Unit.QUANTITY: 'a number of the instrument\'s units, 100000 or "0.5"',
    Unit.AMOUNT: 'a number of the account\'s currency, 5000 or "99.50"',
    Unit.SHARE: 'a share like "2 %", a leverage like "3.0x", or an integer in basis points',
    Unit.COUNT: "a whole number",
    Unit.TIME: 'a duration like "5 s"',
}


def millionths(value: Any) -> int:
    """A whole number, or a decimal in quotes, in millionths: exactly, or not at all."""
    accepted = 'a whole number, or a decimal in quotes like "0.5", to six places'
    if type(value) is not int and not isinstance(value, str):
        raise ValueError(accepted)
    try:
        exact = Decimal(value) * MICRO
    except ArithmeticError:  # no number, or one beyond what a decimal can be
        raise ValueError(accepted) from None
    if not exact.is_finite():
        raise ValueError(accepted)
    if abs(exact) >= MILLIONTHS_MAX:
        raise ValueError(BEYOND)
    if exact != int(exact):
        raise ValueError(accepted)
    return int(exact)


_READ: Final[dict[Unit, Callable[[Any], int]]] = {
    Unit.QUANTITY: millionths,
    Unit.AMOUNT: millionths,
    Unit.SHARE: basis_points,
    Unit.COUNT: integer,
    Unit.TIME: duration_ns,
}


def _at_least_nothing(read: Callable[[Any], int]) -> Callable[[Any], int]:
    def checked(value: Any) -> int:
        found = read(value)
        if found < 0:
            raise ValueError("nothing below zero")
        if found >= MILLIONTHS_MAX:
            raise ValueError(BEYOND)
        return found

    return checked


def _window(value: Any) -> int:
    found = duration_ns(value)
    if found <= 0:
        raise ValueError("more than nothing: nothing falls into a window of no length")
    return found


def _horizon(value: Any) -> int:
    found = duration_ns(value)
    if found < LEAST_HORIZON_NS:
        raise ValueError("a minute or more: the journal keeps every return")
    return found


def _interval(value: Any) -> int:
    found = duration_ns(value)
    if found <= 0:
        raise ValueError("more than nothing; what is not to be looked at is left out")
    return found


def _each(read: Callable[[Any], int]) -> Callable[[Any], tuple[tuple[str, int], ...]]:
    def values(value: Any) -> tuple[tuple[str, int], ...]:
        if not isinstance(value, dict):
            raise ValueError('a table { "NAME" = value }')
        return tuple(sorted((name, read(member)) for name, member in value.items()))

    return values


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError('a list of names, ["A.VENUE", "B.VENUE"]')
    return tuple(sorted(set(value)))


def _groups(value: Any) -> Any:
    if not isinstance(value, dict) or not value:
        raise ValueError('a table { NAME = ["A.VENUE", "B.VENUE"] }')
    return grouped({name: dict.fromkeys(_names(inside), 1) for name, inside in value.items()})


def _scenarios(value: Any) -> Any:
    if not isinstance(value, dict) or not value or not all(isinstance(inside, dict) for inside in value.values()):
        raise ValueError('a table { NAME = { "*" = "-10 %" } }')
    return grouped({name: {key: basis_points(move) for key, move in inside.items()} for name, inside in value.items()})


def keys_of(spec: Spec) -> tuple[Key, ...]:
    """The keys of a limit's table."""
    modes = MODES[:2] if spec.watches else MODES
    found = [Key("mode", choice(*modes), " or ".join(f'"{mode}"' for mode in modes))]
    if spec.unit != Unit.NONE:
        read = _at_least_nothing(_READ[spec.unit])
        found.append(Key("value", read, f"{_ACCEPTED[spec.unit]}: {spec.what}"))
        if spec.each:
            found.append(Key("each", _each(read), f"values of their own, by the {spec.each}'s name"))
    if spec.window_ns:
        found.append(Key("window", _window, 'how long the window is, "1 s" unless it is said'))
    if spec.sized:
        found.append(Key(spec.sized, _at_least_nothing(basis_points), 'a share like "10 %"'))
    if spec.horizon_ns:
        found.append(Key("horizon", _horizon, 'over how long returns are taken, "1 d" unless it is said'))
        found.append(
            Key(ASSUMED, _at_least_nothing(basis_points), 'a share like "10 %": stands in for missing returns')
        )
    if spec.grouped:
        found.append(Key(spec.grouped, _groups, 'named lists of instruments, { NAME = ["A.VENUE", "B.VENUE"] }'))
    if spec.scenarios:
        found.append(Key(spec.scenarios, _scenarios, 'named moves, { NAME = { "*" = "-10 %", "A.VENUE" = "-25 %" } }'))
    if spec.listed:
        found.append(Key(spec.listed, _names, "a list of names"))
    return tuple(found)


BOOK_KEYS: Final = (
    Key(RETURNS, text, 'a file of closes that returns begin with, "closes.csv": from where this file is'),
    *(
        Key(name, _interval, what)
        for name, what in zip(
            INTERVALS,
            (
                "how often what is held is looked at without an order",
                "live, how often positions are held against the fills",
                "live, how often the guard's own health is said",
            ),
            strict=True,
        )
    ),
)


def load_limits(path: str | Path) -> Limits:
    """The limits in the TOML file `path`. UserError (`ConfigErrors`: all of them) names what is wrong with it, or with
    the file of closes that it names.
    """
    return _loaded(path)[0]


def _loaded(path: str | Path) -> tuple[Limits, History | None]:
    document = read_document(path, TABLES)
    rules: dict[Code, Rule] = {}
    intervals, errors = read_table(document, BOOK, BOOK_KEYS)
    closes = intervals.pop(RETURNS, "")
    for name in document.tables:
        if name == BOOK:
            continue
        code = NAMES[name]
        rule, wrong = _rule(document, SPECS[code])
        errors += wrong
        if rule is not None:
            rules[code] = rule
    if errors:
        raise ConfigErrors(errors)
    limits = made(rules, intervals)
    said = too_long(limits)
    if said:
        raise ConfigErrors((UserError(said, path=document.path),))
    return limits, _history(Path(path).parent / closes, horizon_ns(limits)) if closes else None


def _history(path: Path, horizon_ns: int) -> History:
    history = load_history(path)
    try:
        if horizon_ns:
            by_interval(history, horizon_ns)
    except BadHistory as error:
        raise UserError(str(error)) from error
    return history


def _rule(document: Document, spec: Spec) -> tuple[Rule | None, tuple[UserError, ...]]:
    values, errors = read_table(document, spec.name, keys_of(spec))
    if "mode" not in document.tables[spec.name]:
        errors += (_missing(document, spec, "mode", f"accepted: {', '.join(MODES)}"),)
    mode = Mode[values.get("mode", "off").upper()]
    if mode != Mode.OFF and spec.unit != Unit.NONE:
        if not document.tables[spec.name].keys() & {"value", "each"}:
            errors += (_missing(document, spec, "value", _ACCEPTED[spec.unit]),)
    named = spec.grouped or spec.scenarios
    if mode != Mode.OFF and named and named not in document.tables[spec.name]:
        errors += (_missing(document, spec, named, next(key.what for key in keys_of(spec) if key.name == named)),)
    if mode != Mode.OFF and spec.sized:
        if not values.get(spec.sized, 1) or spec.sized not in document.tables[spec.name]:
            errors += (_missing(document, spec, spec.sized, 'a share above zero, like "10 %"'),)
        elif not spec.range_bp[0] <= values.get(spec.sized, spec.range_bp[0]) <= spec.range_bp[1]:
            errors += (_beyond(document, spec, values[spec.sized]),)
    if mode != Mode.OFF and spec.horizon_ns and not values.get(ASSUMED):
        errors += (_missing(document, spec, ASSUMED, 'a share above zero, like "10 %"'),)
    if errors:
        return None, errors
    return _made(spec, mode, values), ()


def _missing(document: Document, spec: Spec, key: str, accepted: str) -> UserError:
    return UserError(
        "is missing", path=document.path, line=document.line(spec.name), field=f"{spec.name}.{key}", fix=accepted
    )


def _beyond(document: Document, spec: Spec, found: int) -> UserError:
    low, high = spec.range_bp
    return UserError(
        f"wrong value: expected {low / 100:g} % to {high / 100:g} %, found {found / 100:g} %",
        path=document.path, line=document.line(spec.name), field=f"{spec.name}.{spec.sized}",
    )  # fmt: skip


def _made(spec: Spec, mode: Mode, values: Mapping[str, Any]) -> Rule:
    return Rule(
        mode,
        values.get("value", 0),
        values.get("horizon", spec.horizon_ns) or values.get("window", spec.window_ns),
        values.get("each", ()),
        values.get(spec.listed, ()) if spec.listed else (),
        values.get(spec.sized, 0) if spec.sized else 0,
        values.get(spec.grouped or spec.scenarios, ()),
        values.get(ASSUMED, 0),
    )


def made_limiter(path: str) -> Limiter:
    """The limiter of a book: with the limits of this file, or with none."""
    if not path:
        return Limiter(NOTHING)
    return Limiter(*_loaded(path))
