"""Detectors of category 4: a return beyond 4 sigma of the 60 before it; a rise of 30 % in a day (DESIGN.md 2.1).

What belongs here: detectors that take closes, oldest first, and say whether the last one is a shock. No sessions.

Determinism. A log return is `decimal`'s logarithm (correctly rounded by its specification, so the same on every
machine and Python) brought to whole nano-units; everything after it is integer: |r| > 4 sigma is compared as
r^2 n^2 > 16 (n sum(r^2) - sum(r)^2). The kernel sees the SHOCK event only, so replay does not even depend on that.
"""

from __future__ import annotations

from collections import deque
from decimal import ROUND_HALF_EVEN, Context, Decimal

from dolphin.kernel.contracts import ensure
from dolphin.kernel.units import NS_PER_S

SIGMAS = 4
RETURNS = 60
RISE_BP = 13_000
DAY_NS = 86_400 * NS_PER_S
NANO = 1_000_000_000

_CONTEXT = Context(prec=20, rounding=ROUND_HALF_EVEN)


@ensure(lambda before_ticks, after_ticks, result: result <= 0 or after_ticks > before_ticks)
@ensure(lambda before_ticks, after_ticks, result: result >= 0 or after_ticks < before_ticks)
def log_return(before_ticks: int, after_ticks: int) -> int:
    """The log return in nano-units, rounded half to even. Both prices positive."""
    if before_ticks == after_ticks:
        return 0
    ratio = _CONTEXT.divide(Decimal(after_ticks), Decimal(before_ticks))
    return int(_CONTEXT.multiply(_CONTEXT.ln(ratio), NANO).to_integral_value(rounding=ROUND_HALF_EVEN))


class ReturnShock:
    """Absolute log return over 4 population sigma of the 60 before it; fewer than 60: no verdict.

    A move of one tick is the smallest there is and never a shock, whatever went before it.
    """

    def __init__(self) -> None:
        self._close = 0
        self._returns: deque[int] = deque(maxlen=RETURNS)
        self._sum = 0
        self._squares = 0

    def bar(self, close_ticks: int) -> bool:
        """Take a close; True if it is a shock. A close that has no logarithm is skipped, and starts anew."""
        before = self._close
        self._close = close_ticks
        if before <= 0:
            return False
        if close_ticks <= 0:
            return False
        value = log_return(before, close_ticks)
        found = self._beyond(value)
        if abs(close_ticks - before) <= 1:
            found = False
        self._add(value)
        return found

    def _beyond(self, value: int) -> bool:
        if len(self._returns) < RETURNS:
            return False
        spread = RETURNS * self._squares - self._sum * self._sum
        return value * value * RETURNS * RETURNS > SIGMAS * SIGMAS * spread

    def _add(self, value: int) -> None:
        if len(self._returns) == RETURNS:
            oldest = self._returns[0]
            self._sum -= oldest
            self._squares -= oldest * oldest
        self._returns.append(value)
        self._sum += value
        self._squares += value * value


class RiseShock:
    """Up 30 % in a day: against the last close that is at least a day old (daily bars: the one before).

    Bars finer than a day fire when the level is crossed, not as long as it lasts.
    """

    def __init__(self) -> None:
        self._reference = 0
        self._within: deque[tuple[int, int]] = deque()
        self._up = False

    def bar(self, ts_ns: int, close_ticks: int, interval_ns: int) -> bool:
        """Take a close; True if it is a shock."""
        if interval_ns >= DAY_NS:
            before = self._reference
            self._reference = close_ticks
            return self._risen(before, close_ticks)
        while self._within:
            if self._within[0][0] > ts_ns - DAY_NS:
                break
            self._reference = self._within.popleft()[1]
        self._within.append((ts_ns, close_ticks))
        was_up = self._up
        self._up = self._risen(self._reference, close_ticks)
        if was_up:
            return False
        return self._up

    @staticmethod
    def _risen(before: int, after: int) -> bool:
        if before <= 0:
            return False
        return after * 10_000 >= before * RISE_BP
