"""What was expected against what was seen: every deviation, by the name of its observable.

What belongs here: comparison, in words. Nothing is compared loosely, unless the file says so (`at_most`, `at_least`, an
asterisk in the place of a time).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tools.scenarios.form import Expect
from tools.scenarios.seen import Seen
from tools.scenarios.values import offset_text


class Deviation(NamedTuple):
    """One observable that is not what the file says."""

    observable: str
    expected: Any
    seen: Any

    def text(self) -> str:
        """One line."""
        return f"{self.observable}: expected {self.expected!r}, seen {self.seen!r}"


def deviations(expect: Expect, seen: Seen) -> list[Deviation]:
    """All of them; empty where the run is as expected."""
    return list(_all(expect, seen))


def _all(expect: Expect, seen: Seen) -> Iterator[Deviation]:
    if expect.verdict != seen.verdict:
        yield Deviation("verdict", expect.verdict, seen.verdict)
    for name in ("tape", "moves", "trips", "answers"):
        wanted = getattr(expect, name)
        if wanted is not None:
            yield from _lines(name, wanted, getattr(seen, name))
    for name in ("denied", "positions"):
        wanted = getattr(expect, name)
        if wanted is not None:
            yield from _mapping(name, wanted, getattr(seen, name))
    yield from _named("final", expect.final, seen.final())
    for entry in expect.states:
        wanted = {name: value for name, value in entry.values.items() if name != "at"}
        yield from _named(f"state at {offset_text(entry['at'])}", wanted, seen.state(entry["at"]))
    yield from _named("counts", expect.counts, seen.counts)
    for name, bound in expect.at_most.items():
        if seen.counts.get(name, bound + 1) > bound:
            yield Deviation(f"at_most.{name}", bound, seen.counts.get(name))
    for name, bound in expect.at_least.items():
        if seen.counts.get(name, bound - 1) < bound:
            yield Deviation(f"at_least.{name}", bound, seen.counts.get(name))


def _lines(name: str, wanted: Sequence[str], found: Sequence[str]) -> Iterator[Deviation]:
    """The first line that differs: those after it mostly differ for the same reason."""
    for number in range(max(len(wanted), len(found))):
        want = wanted[number] if number < len(wanted) else None
        have = found[number] if number < len(found) else None
        if not _same(want, have):
            yield Deviation(f"{name}, line {number + 1}", want, have)
            return


def _same(want: str | None, have: str | None) -> bool:
    if want is None or have is None:
        return want == have
    if want.startswith("* "):
        return want[2:] == have.partition(" ")[2]
    return want == have


def _mapping(name: str, wanted: Mapping[str, int], found: Mapping[str, int]) -> Iterator[Deviation]:
    for key in {**wanted, **found}:
        if wanted.get(key, 0) != found.get(key, 0):
            yield Deviation(f"{name}.{key}", wanted.get(key, 0), found.get(key, 0))


def _named(name: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Deviation]:
    for key, value in wanted.items():
        if found.get(key) != value:
            yield Deviation(f"{name}.{key}", value, found.get(key))
