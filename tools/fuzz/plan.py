"""What one episode does, drawn from its seed: the world's settings and a list of commands made of plain integers.

What belongs here: drawing, and the text of a plan. A command carries every number that it may need, so that deleting
another changes nothing in it; what the numbers mean is commands.py's. Prices follow from the seed and the settings
alone, for the same reason.
"""

from __future__ import annotations

import json
import random
from typing import Any, Final, NamedTuple

from dolphin.kernel.units import NS_PER_S

T0_NS: Final = 1_700_000_000 * NS_PER_S
"""A Tuesday evening in UTC: the longest episode stays within one FX session."""

ROWS: Final = 100
"""Rows of quotes an episode, at which its commands are sent; `TAIL_ROWS` without any follow."""
TAIL_ROWS: Final = 30

VERBS: Final = {
    "market": 10,
    "limit": 9,
    "stop_market": 4,
    "stop_limit": 3,
    "if_touched": 3,
    "limit_if_touched": 2,
    "trailing": 3,
    "trailing_limit": 2,
    "market_to_limit": 2,
    "twap": 3,
    "bracket": 4,
    "linked": 3,
    "parent": 3,
    "list": 2,
    "straight": 3,
    "modify": 9,
    "cancel": 7,
    "cancel_many": 2,
    "cancel_all": 2,
    "close": 7,
    "rest": 4,
    "protect": 3,
    "close_all": 1,
    "flatten": 1,
    "adopt": 1,
    "flow": 1,
}
"""The verbs of a strategy or an operator, and how often each is drawn."""

FALLS: Final = {"shock": (0, 0, 1, 2), "sensor": (0, 0, 1), "kill": (0, 0, 1, 1, 2)}
"""What stops entries, and how often in an episode: so seldom that most commands find a book that lets some in."""


class Setup(NamedTuple):
    """The world of an episode. `thin`: lots at a quote; `step_s`: seconds between two rows."""

    hedging: int
    instruments: int
    strategies: int
    latency_ms: int
    thin: int
    step_s: int
    glide: int


class Command(NamedTuple):
    """At this row this strategy does this. `late`: not at the row, but at the strategy's next order event."""

    row: int
    who: int
    verb: str
    late: int
    a: int
    b: int
    c: int
    d: int


class Plan(NamedTuple):
    """One episode."""

    seed: int
    setup: Setup
    commands: tuple[Command, ...]


def drawn(seed: int, count: int = 0) -> Plan:
    """The plan of a seed. `count`: its commands, if not as many as the seed says."""
    r = random.Random(seed)
    count = count or r.choice((150, 260, 260, 600, 1_500, 2_000))
    setup = Setup(
        r.randrange(2),
        r.choice((1, 1, 2)),
        r.choice((1, 2, 2)),
        r.choice((0, 0, 0, 300, 1_200, 2_500)),
        r.choice((0, 0, 0, 300_000, 1_000_000)),
        r.choice((1, 5, 20, 60, 180)),
        int(r.random() < 0.15),
    )
    names, weights = list(VERBS), list(VERBS.values())
    commands = []
    for _ in range(count):
        verb = r.choices(names, weights)[0]
        late = int(r.random() < 0.12)
        commands.append(Command(r.randrange(1, ROWS), r.randrange(setup.strategies), verb, late, *_numbers(r)))
    for _ in range(1 + count // 500):
        for verb, chance in (("restart", 0.5), ("crash", 0.6), ("crash", 0.3)):
            if r.random() < chance:
                commands.append(Command(r.randrange(3, ROWS), 0, verb, 0, *_numbers(r)))
    for verb, times in FALLS.items():
        for _ in range(r.choice(times)):
            row = int(ROWS * r.random() ** 0.5)
            commands.append(Command(row, 0, verb, int(r.random() < 0.3), *_numbers(r)))
            if verb == "kill":  # and back, as soon as the minute between the two steps is over, or later
                for step in range(r.choice((0, 4, 8))):
                    back = row + 1 + step * r.randint(1, 20)
                    commands.append(Command(back, 0, ("arm", "confirm")[step % 2], 0, *_numbers(r)))
    if r.random() < 0.4:  # a kill that stands long enough to be looked at
        commands.append(Command(ROWS, 0, "kill", 0, *_numbers(r)))
    commands.sort(key=lambda command: command.row)
    return Plan(seed, setup, tuple(commands))


def _numbers(r: random.Random) -> tuple[int, int, int, int]:
    return r.randrange(10_000), r.randrange(10_000), r.randrange(10_000), r.randrange(10_000)


def walk(plan: Plan, number: int) -> list[int]:
    """Mid prices of an instrument in ticks of 1e-5, a row each."""
    r = random.Random(f"{plan.seed} {number}")
    mid = (65_000, 110_000)[number]
    wide = r.choice((3, 8, 25))
    found = []
    for _ in range(ROWS + TAIL_ROWS):
        mid += r.randint(-wide, wide)
        if r.random() < 0.01:
            mid += r.choice((-1, 1)) * r.randint(100, 900)
        found.append(mid)
    return found


def saved(plan: Plan) -> str:
    """A plan as JSON, one command a line."""
    head = {"seed": plan.seed, "setup": plan.setup._asdict()}
    lines = ",\n".join("  " + json.dumps(list(command)) for command in plan.commands)
    return f'{json.dumps(head)[:-1]}, "commands": [\n{lines}\n]}}\n'


def loaded(text: str) -> Plan:
    """The plan that `saved` wrote. ValueError or KeyError: it is none."""
    raw: dict[str, Any] = json.loads(text)
    commands = tuple(Command(*each) for each in raw["commands"])
    return Plan(int(raw["seed"]), Setup(**raw["setup"]), commands)
