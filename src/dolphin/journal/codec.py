"""Kernel events to journal data and back: one record is one event with the effects and the outcome of its step.

What belongs here: the text of `data` for every kernel kind, and what a HEADER says of a run's first state. Written by
hand rather than by `json.dumps`, since an order's record is on the order's way out. Rules: fields named `*_ns` are
decimal strings, since they pass 2^53; any other integer is a number unless it is beyond 2^53. Of an order that no limit
binds, the cap is left out (kinds.OMITTED). docs/journal-format.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from dolphin.journal.kinds import OMITTED
from dolphin.kernel import machine
from dolphin.kernel.events import EFFECTS, EVENTS, KIND, Effect, Event
from dolphin.kernel.policy import VERSION, Hibernate, Policy, Posture, Profile
from dolphin.kernel.reasons import Cause, Reason
from dolphin.kernel.state import FeedKind, Outcome, State, outcome

EXACT: Final = 1 << 53
"""Largest integer that every JSON reader keeps exactly."""


def _slot(name: str) -> str:
    if name.endswith("_ns"):
        return '"%d"'
    return "%d"


def _format(names: tuple[str, ...]) -> str:
    return ",".join(_slot(name) for name in names)


def _plain(names: tuple[str, ...]) -> Callable[[tuple[int, ...]], tuple[int, ...]]:
    """From the values of these fields to those that are no time: the ones that the ready format writes as numbers.

    Every kind has none that is a time, or two or more that are not.
    """
    places: list[int] = []
    for place, name in enumerate(names):
        if not name.endswith("_ns"):
            places.append(place)
    if len(places) == len(names):
        return tuple
    return itemgetter(*places)


def _always(name: str, kind: type[NamedTuple]) -> tuple[str, ...]:
    """The fields of this kind that are written whatever their value; those that may be left out come after them."""
    return kind._fields[1 : len(kind._fields) - len(OMITTED.get(name, {}))]


_LEFT_OUT: Final = {EVENTS[name]: tuple(fields.values()) for name, fields in OMITTED.items()}
_ALWAYS: Final = {kind: _always(name, kind) for name, kind in EVENTS.items()}
_EVENT_FORMAT: Final = {kind: "".join(f'"{name}":{_slot(name)},' for name in names) for kind, names in _ALWAYS.items()}
_EFFECT_FORMAT: Final = {kind: f'["{KIND[kind]}",{_format(kind._fields)}]' for kind in EFFECTS.values()}
_OUT_FORMAT: Final = f"[{_format(Outcome._fields)}]"
_EVENT_PLAIN: Final = {kind: _plain(names) for kind, names in _ALWAYS.items()}
_EFFECT_PLAIN: Final = {kind: _plain(kind._fields) for kind in EFFECTS.values()}
_TYPES: Final[dict[str, type]] = {"cause": Cause, "reason": Reason, "before": Posture, "after": Posture}


def _exact(values: tuple[int, ...]) -> bool:
    """Whether the ready format serves: no number that would have to be written as a string is beyond 2^53."""
    if sum(map(abs, values)) <= EXACT:
        return True
    for value in values:
        if abs(value) > EXACT:
            return False
    return True


def _text(name: str, value: int) -> str:
    if name.endswith("_ns"):
        return f'"{value:d}"'
    if abs(value) > EXACT:
        return f'"{value:d}"'
    return f"{value:d}"


def _texts(names: tuple[str, ...], values: tuple[int, ...]) -> list[str]:
    return [_text(name, value) for name, value in zip(names, values, strict=True)]


def _event_text(event: Event) -> str:
    kind = type(event)
    values: tuple[int, ...] = event[1:]
    left_out = _LEFT_OUT.get(kind)
    if left_out is not None:
        if values[-len(left_out) :] != left_out:
            return _spelled(kind, values)
        values = values[: -len(left_out)]
    if _exact(_EVENT_PLAIN[kind](values)):
        return _EVENT_FORMAT[kind] % values
    return _spelled(kind, values)


def _spelled(kind: type, values: tuple[int, ...]) -> str:
    """Field by field: numbers beyond 2^53 as strings, and nothing of what is left out at its value."""
    omitted = OMITTED.get(KIND[kind], {})
    found = []
    for name, value in zip(EVENTS[KIND[kind]]._fields[1:], values, strict=False):
        if omitted.get(name) != value:
            found.append(f'"{name}":{_text(name, value)},')
    return "".join(found)


def _effect_text(effect: Effect) -> str:
    kind = type(effect)
    if _exact(_EFFECT_PLAIN[kind](effect)):
        return _EFFECT_FORMAT[kind] % effect
    return f'["{KIND[kind]}",{",".join(_texts(kind._fields, effect))}]'


@lru_cache(maxsize=16)
def _out_text(values: Outcome) -> str:
    """Kept for the last few: while nothing is earned or lost, record after record says the same."""
    if _exact(values):
        return _OUT_FORMAT % values
    return f"[{','.join(_texts(Outcome._fields, values))}]"


def encode(event: Event, effects: tuple[Effect, ...], state: State, note: str = "") -> str:
    """The `data` of a kernel record, compact JSON. `note`: a JSON object in text for people (order id and such)."""
    head, out = _event_text(event), _out_text(outcome(state))
    fx = ""
    if effects:
        fx = ",".join([_effect_text(effect) for effect in effects])
    if note:
        return f'{{{head}"out":{out},"fx":[{fx}],"x":{note}}}'
    return f'{{{head}"out":{out},"fx":[{fx}]}}'


class Malformed(ValueError):
    """A record's data is not what its kind demands. `field`, `expected`, `actual` name the fault."""

    def __init__(self, field: str, expected: str, actual: object) -> None:
        super().__init__(f"{field}: expected {expected}, found {actual!r}")
        self.field, self.expected, self.actual = field, expected, actual


def integer(field: str, value: object) -> int:
    """The integer that a JSON number or a decimal string stands for; anything else is Malformed (`true` included)."""
    if type(value) is int:
        return value
    if type(value) is not str:
        raise Malformed(field, "an integer", value)
    digits = value.removeprefix("-")
    if not digits.isdecimal():
        raise Malformed(field, "a decimal integer", value)
    if not digits.isascii():
        raise Malformed(field, "a decimal integer", value)
    return int(value)


def listed(field: str, value: object) -> list[Any]:
    """The list that it is; anything else is Malformed."""
    if type(value) is not list:
        raise Malformed(field, "a list", value)
    return value


def texts(field: str, value: object) -> list[str]:
    """A copy of the list of texts that it is; anything else is Malformed."""
    found = listed(field, value)
    for text in found:
        if type(text) is not str:
            raise Malformed(field, "texts", text)
    return list(found)


def _member(field: str, value: int) -> int:
    enumeration = _TYPES.get(field)
    if enumeration is None:
        return value
    try:
        member: int = enumeration(value)
    except ValueError:
        raise Malformed(field, f"a {enumeration.__name__}", value) from None
    return member


def decode(kind: str, ts_ns: int, data: Mapping[str, Any]) -> Event:
    """The event of a kernel record; Malformed names the field that is missing, unknown or no integer."""
    event_type: Any = EVENTS[kind]
    names = event_type._fields[1:]
    for name in data:
        if name not in names:
            if name not in ("out", "fx", "x"):
                raise Malformed(name, "no such field", data[name])
    omitted = OMITTED.get(kind, {})
    values = []
    for name in names:
        if name in data:
            values.append(_member(name, integer(name, data[name])))
        elif name in omitted:
            values.append(omitted[name])
        else:
            raise Malformed(name, "a field", "nothing")
    made: Event = event_type(ts_ns, *values)
    return made


class Recorded(NamedTuple):
    """What a record claims: the outcome and effects of its event's step."""

    outcome: tuple[int, ...]
    effects: tuple[tuple[object, ...], ...]


def claimed(data: Mapping[str, Any]) -> Recorded:
    """`out` and `fx` of a record as plain tuples, comparable with `outcome(state)` and `plain(effects)`."""
    for name in ("out", "fx"):
        if type(data.get(name)) is not list:
            raise Malformed(name, "a list", data.get(name))
    if len(data["out"]) != len(Outcome._fields):
        raise Malformed("out", f"{len(Outcome._fields)} integers", data["out"])
    out = tuple(integer(name, value) for name, value in zip(Outcome._fields, data["out"], strict=True))
    effects = []
    for effect in data["fx"]:
        if type(effect) is not list:
            raise Malformed("fx", "a list", effect)
        if not effect:
            raise Malformed("fx", "an effect", effect)
        effects.append((effect[0], *(integer("fx", value) for value in effect[1:])))
    return Recorded(out, tuple(effects))


def plain(effects: tuple[Effect, ...]) -> tuple[tuple[object, ...], ...]:
    """Effects in the shape of `claimed`."""
    return tuple((KIND[type(effect)], *(int(value) for value in effect)) for effect in effects)


def policy_object(policy: Policy) -> dict[str, Any]:
    """The whole policy as the header writes it."""
    values: dict[str, Any] = {"version": VERSION}
    for name, value in zip(Policy._fields, policy, strict=True):
        values[name] = int(value)
        if name.endswith("_ns"):
            values[name] = str(value)
    return values


def policy_of(values: Mapping[str, Any]) -> Policy:
    """The policy that a header writes; Malformed for another version, a missing or an unknown field."""
    if values.get("version") != VERSION:
        raise Malformed("policy.version", str(VERSION), values.get("version"))
    for name in values:
        if name not in ("version", *Policy._fields):
            raise Malformed(f"policy.{name}", "no such field", values[name])
    found = {}
    for name in Policy._fields:
        if name not in values:
            raise Malformed(f"policy.{name}", "a field", "nothing")
        found[name] = integer(f"policy.{name}", values[name])
    return Policy(**found)._replace(  # type: ignore[arg-type]
        profile=Profile(found["profile"]), hibernate=Hibernate(found["hibernate"])
    )


def policy_hash(policy: Policy) -> str:
    """64 hex digits that stand for this policy in every record (the first 16 of them)."""
    text = json.dumps(policy_object(policy), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Begun(NamedTuple):
    """Where a fold begins."""

    policy: Policy
    state: State


def begin(header: Mapping[str, Any]) -> Begun:
    """Policy and first state of the run that this HEADER opens.

    Needs `policy`, `start_ns`, `anchor_ns`, `confidence_ms`, `envelope` (0 or 1) and `feeds` (objects with `name` and
    `kind`, one of the FeedKind names); Malformed where one is missing or wrong.
    """
    for name in ("policy", "start_ns", "anchor_ns", "confidence_ms", "envelope", "feeds"):
        if name not in header:
            raise Malformed(f"header.{name}", "a field", "nothing")
    policy = policy_of(header["policy"])
    kinds = []
    for feed in header["feeds"]:
        if feed.get("kind") not in FeedKind.__members__:
            raise Malformed("header.feeds.kind", " | ".join(FeedKind.__members__), feed.get("kind"))
        kinds.append(FeedKind[feed["kind"]])
    state = machine.start(
        policy,
        integer("header.start_ns", header["start_ns"]),
        tuple(kinds),
        confidence_ms=integer("header.confidence_ms", header["confidence_ms"]),
        anchor_ns=integer("header.anchor_ns", header["anchor_ns"]),
        envelope=integer("header.envelope", header["envelope"]) == 1,
    )
    return Begun(policy, state)


def state_hash(state: State) -> str:
    """64 hex digits that stand for a whole state: equal on every Python for equal folds (DESIGN.md 2.8)."""
    return hashlib.sha256(_nested(state).encode()).hexdigest()


def _nested(value: Any) -> str:
    """Tuples of integers as text, whatever their names: `(1,(2,),)`."""
    if isinstance(value, tuple):
        return "(" + "".join(f"{_nested(part)}," for part in value) + ")"
    return str(int(value))
