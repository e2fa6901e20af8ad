"""The limits of a book as values: one rule a limit, and how they stand in the journal.

What belongs here: shapes, the tightest of two, and the object that a NOTE and a letter carry. Reading a file is
`app/limits_file`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from dolphin.journal.encoding import LINE_BYTES_MAX, encode
from dolphin.limits.codes import NAMES, SPECS, Code, Mode, Spec

BYTES_MAX: Final = LINE_BYTES_MAX // 4
"""All limits stand in one line of the journal, beside their returns and what they remember."""

INTERVALS: Final = ("risk_check_interval", "position_sync_interval", "health_check_interval")


class Rule(NamedTuple):
    """One limit's setting. `each`: values of its own for some names, sorted. `names`: its list, sorted. `size`: its
    second share, in bp. `members`: by name of a group 1 for each instrument, by name of a scenario its move in bp ("*":
    of every other instrument), sorted. `window_ns`: of a limit that is judged on returns their horizon. `assumed`: what
    stands in for returns that are not there, in bp.
    """

    mode: Mode = Mode.OFF
    value: int = 0
    window_ns: int = 0
    each: tuple[tuple[str, int], ...] = ()
    names: tuple[str, ...] = ()
    size: int = 0
    members: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    assumed: int = 0

    def value_for(self, name: str) -> int:
        """The value that holds for this name."""
        if not self.each:
            return self.value
        for known, value in self.each:
            if known == name:
                return value
        return self.value


OFF: Final = Rule()


class Limits(NamedTuple):
    """All rules that are not off, by code; and how often, in ns, what is held is looked at without an order."""

    rules: tuple[tuple[Code, Rule], ...] = ()
    intervals: tuple[tuple[str, int], ...] = ()

    def rule(self, code: Code) -> Rule:
        """The rule of this limit; OFF where there is none."""
        for known, rule in self.rules:
            if known == code:
                return rule
        return OFF

    def interval_ns(self, name: str) -> int:
        """An interval; 0 where the file says none."""
        return dict(self.intervals).get(name, 0)


NOTHING: Final = Limits()


def horizon_ns(limits: Limits) -> int:
    """The longest horizon of the limits that are judged on returns, which holds for all of them; 0: there are none."""
    return max((rule.window_ns for code, rule in limits.rules if SPECS[code].horizon_ns), default=0)


def made(rules: Mapping[Code, Rule], intervals: Mapping[str, int]) -> Limits:
    """Limits of these rules: in the order of their codes, without those that are off."""
    kept = tuple((code, rules[code]) for code in sorted(rules) if rules[code].mode != Mode.OFF)
    return Limits(kept, tuple(sorted(intervals.items())))


def to_object(limits: Limits) -> dict[str, Any]:
    """What the journal and a letter say of them: names and integers, times as text since they may pass 2^53."""
    found: dict[str, Any] = {}
    for code, rule in limits.rules:
        said = found[SPECS[code].name] = {
            "mode": rule.mode.name.lower(),
            "value": str(rule.value),
            "window_ns": str(rule.window_ns),
            "each": {name: str(value) for name, value in rule.each},
            "names": list(rule.names),
            "size": str(rule.size),
        }
        if rule.members:
            said["members"] = {name: {key: str(value) for key, value in inside} for name, inside in rule.members}
        if rule.assumed:
            said["assumed"] = str(rule.assumed)
    return {"rules": found, "intervals_ns": {name: str(value) for name, value in limits.intervals}}


def too_long(limits: Limits) -> str:
    """What is wrong with limits that a line of the journal may not hold; empty: it holds them."""
    found = len(encode(to_object(limits)))
    if found <= BYTES_MAX:
        return ""
    return f"they take {found} bytes in the journal, more than {BYTES_MAX}: name fewer instruments"


def from_object(said: Mapping[str, Any]) -> Limits:
    """The limits that such an object stands for. ValueError, KeyError, TypeError, AttributeError: it is none."""
    rules = {}
    for name, values in said["rules"].items():
        code = NAMES[name]
        rules[code] = Rule(
            Mode[values["mode"].upper()],
            int(values["value"]),
            int(values["window_ns"]),
            tuple(sorted((str(key), int(value)) for key, value in values["each"].items())),
            tuple(sorted(str(key) for key in values["names"])),
            int(values["size"]),
            grouped({name: {key: int(value) for key, value in inside.items()} for name, inside in _members(values)}),
            int(values.get("assumed", 0)),
        )
    return made(rules, {str(name): int(value) for name, value in said["intervals_ns"].items()})


def tightest(spec: Spec, old: Rule, new: Rule) -> Rule:
    """Of each part of a rule the one that binds earlier: what may be in force at once, whoever asks for it. A horizon
    stays: over another one no return is known yet, and what is assumed may be less than what was measured.
    """
    if old.mode == Mode.OFF:
        return new
    if new.mode == Mode.OFF:
        return old
    names = {name for name, _ in (*old.each, *new.each)}
    each = {name: _tighter(spec, old.value_for(name), new.value_for(name)) for name in names}
    return Rule(
        max(old.mode, new.mode),
        _tighter(spec, old.value, new.value),
        old.window_ns if spec.horizon_ns else max(old.window_ns, new.window_ns),
        tuple(sorted(each.items())),
        tuple(sorted({*old.names, *new.names})),
        max(old.size, new.size),
        _both(spec, dict(old.members), dict(new.members)),
        max(old.assumed, new.assumed),
    )


def grouped(members: Mapping[str, Mapping[str, int]]) -> tuple[tuple[str, tuple[tuple[str, int], ...]], ...]:
    """Groups or scenarios as a rule has them."""
    return tuple(sorted((str(name), tuple(sorted(inside.items()))) for name, inside in members.items()))


def _members(values: Mapping[str, Any]) -> Any:
    return values.get("members", {}).items()  # absent where there are none


def _both(
    spec: Spec, old: dict[str, tuple[tuple[str, int], ...]], new: dict[str, tuple[tuple[str, int], ...]]
) -> tuple[tuple[str, tuple[tuple[str, int], ...]], ...]:
    """Every group with all of its instruments; of a scenario that changed the old one: neither is plainly worse."""
    found: dict[str, dict[str, int]] = {name: dict(inside) for name, inside in new.items()}
    for name, inside in old.items():
        found[name] = dict(inside) if spec.scenarios else found.get(name, {}) | dict(inside)
    return grouped(found)


def _tighter(spec: Spec, one: int, other: int) -> int:
    return max(one, other) if spec.tighter > 0 else min(one, other)


class Change(NamedTuple):
    """What becomes of a proposal: `now` is in force at once; `looser` are the limits that wait for the second step."""

    now: Limits
    looser: tuple[Code, ...]
    tighter: tuple[Code, ...]


def change(old: Limits, new: Limits) -> Change:
    """Tightening at once, loosening not yet. Intervals only say how often something is looked at: they change at
    once. Another common horizon forgets every return: until it is confirmed a limit that is new to returns has the one
    in force, and all that are judged on returns are looser by it.
    """
    codes = sorted({code for code, _ in (*old.rules, *new.rules)})
    now = {code: tightest(SPECS[code], old.rule(code), new.rule(code)) for code in codes}
    forgets: set[Code] = set()
    common_ns = horizon_ns(old)
    if common_ns:
        judged = [code for code in codes if SPECS[code].horizon_ns and now[code].mode != Mode.OFF]
        for code in judged:
            now[code] = now[code]._replace(window_ns=min(now[code].window_ns, common_ns))
        if horizon_ns(new) != common_ns:
            forgets.update(judged)
    looser = tuple(code for code in codes if code in forgets or now[code] != _plain(now[code], new.rule(code)))
    tighter = tuple(code for code in codes if now[code] != _plain(now[code], old.rule(code)))
    return Change(made(now, dict(new.intervals)), looser, tighter)


def _plain(like: Rule, rule: Rule) -> Rule:
    """`rule` with a value of its own for each name that `like` has one for, so that equal rules compare equal."""
    if rule.mode == Mode.OFF:
        return OFF
    return rule._replace(each=tuple((name, rule.value_for(name)) for name, _ in like.each))
