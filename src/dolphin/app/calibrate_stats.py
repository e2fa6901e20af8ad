"""Shares, quantiles and honest bounds for `dolphin calibrate`. Descriptions: nothing here decides.

What belongs here: arithmetic on counts and weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95
GOAL: Final = 1e-4
"""The goal of the issue: on a nominal day, R_total below 0.92 with a chance of at most this."""


class Chance(NamedTuple):
    """`hits` of `days`, and between what the true share lies, each bound with 95 %."""

    hits: int
    days: int
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Whether the goal is met, as far as so many days can tell."""
        if self.days == 0:
            return "no nominal day"
        if self.high <= GOAL:
            return "met"
        if self.low > GOAL:
            return "not met"
        return "these data cannot tell"


def _at_most(most: int, days: int, share: float) -> float:
    """Chance of at most `most` hits in `days`, each of chance `share`."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return 1.0 if most >= days else 0.0
    logs = math.lgamma(days + 1)
    total = 0.0
    for hits in range(most + 1):
        ways = logs - math.lgamma(hits + 1) - math.lgamma(days - hits + 1)
        total += math.exp(ways + hits * math.log(share) + (days - hits) * math.log1p(-share))
    return min(total, 1.0)


def chance(hits: int, days: int) -> Chance:
    """Clopper and Pearson's bounds, each one-sided: exact for days that are independent of one another.

    Without a hit the upper one is 1 - 0.05 ** (1 / days), about 3 / days (the rule of three).
    """
    if days == 0:
        return Chance(0, 0, 0.0, 1.0)
    miss = 1 - CONFIDENCE
    high = 1.0 if hits == days else _root(lambda share: _at_most(hits, days, share) > miss)
    low = 0.0 if hits == 0 else _root(lambda share: 1 - _at_most(hits - 1, days, share) < miss)
    return Chance(hits, days, low, high)


def _root(below: Callable[[float], bool]) -> float:
    """Where `below` turns from true to false, between 0 and 1."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if below(middle):
            low = middle
        else:
            high = middle
    return high


def days_needed(goal: float = GOAL) -> int:
    """Days without a hit that would show the goal: 29,956 for 1e-4."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-goal))


def quantile(weights: Mapping[int, int], of: int, among: int) -> int:
    """The smallest value that at least `of`/`among` of the weight does not exceed; `weights` is not empty."""
    whole = sum(weights.values())
    wanted = -(-whole * of // among)
    passed = 0
    value = 0
    for value in sorted(weights):
        passed += weights[value]
        if passed >= wanted:
            break
    return value


def below(weights: Mapping[int, int], level: int) -> int:
    """The weight of values below `level`."""
    return sum(weight for value, weight in weights.items() if value < level)
