"""What the limits remember between orders: when entries and cancels left, twins, who was stopped, how a day began.

What belongs here: windows of time and the day's anchor; no verdict. Times in ns as the plug-in says them, and none is
asked for here. What must outlive a restart (who is stopped, the anchor) is said by `lasting`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

DAY_NS: Final = 86_400 * 1_000_000_000
NEVER_NS: Final = -(1 << 62)


class Window:
    """The moments of the last while, oldest first."""

    def __init__(self) -> None:
        self._times: deque[int] = deque()

    def add(self, ts_ns: int) -> None:
        """One more at this moment."""
        self._times.append(ts_ns)

    def count(self, ts_ns: int, window_ns: int) -> int:
        """How many lie less than `window_ns` before this moment; those that do not are forgotten."""
        times = self._times
        while times and times[0] <= ts_ns - window_ns:
            times.popleft()
        return len(times)

    def remove(self, ts_ns: int) -> bool:
        """One of this moment less; whether there was one."""
        try:
            self._times.remove(ts_ns)
        except ValueError:
            return False
        return True


class Day:
    """Equity that the UTC day began with: the last that was seen before it, else the first that was seen in it.

    What was seen last before a restart is for its journal to say (`ended`).
    """

    def __init__(self) -> None:
        self.number = -1
        self.anchor = 0
        self._last: int | None = None

    def sample(self, ts_ns: int, equity: int) -> bool:
        """A reading of equity; whether another day has begun with it."""
        day = ts_ns // DAY_NS
        began = day != self.number
        if began:
            self.number = day
            self.anchor = equity if self._last is None else self._last
        self._last = equity
        return began

    def ended(self, equity: int) -> None:
        """The last equity of an earlier run."""
        self._last = equity

    def flow(self, amount: int) -> None:
        """Money came or went: no profit and no loss."""
        self.anchor += amount
        if self._last is not None:
            self._last += amount

    def loss(self, ts_ns: int, equity: int) -> int | None:
        """What the day has cost until now; None where its beginning is not known, or equity is not."""
        if ts_ns // DAY_NS != self.number or equity <= 0:
            return None
        return self.anchor - equity


class Memory:
    """Of one book. `entries`: those that left; `cancels`: those that came; `said_ns`: when their rate was last said.

    `twins`: when an entry of this content last left. `repeats`: entries by strategy, and `stopped` the strategies that
    entered too often.
    """

    def __init__(self) -> None:
        self.entries = Window()
        self.cancels = Window()
        self.said_ns = NEVER_NS
        self.twins: dict[tuple[Any, ...], int] = {}
        self.repeats: dict[str, Window] = {}
        self.stopped: set[str] = set()
        self.day = Day()

    def twin(self, content: tuple[Any, ...], ts_ns: int, window_ns: int) -> None:
        """An entry of this content left; those that are out of the window are forgotten, oldest first."""
        self.twins.pop(content, None)
        self.twins[content] = ts_ns
        while self.twins and next(iter(self.twins.values())) <= ts_ns - window_ns:
            del self.twins[next(iter(self.twins))]

    def untwin(self, content: tuple[Any, ...], ts_ns: int) -> None:
        """The entry of this content that left at this moment did not."""
        if self.twins.get(content) == ts_ns:
            del self.twins[content]

    def within(self, strategy: str, ts_ns: int, window_ns: int) -> int:
        """How many entries of this strategy there are within the window."""
        window = self.repeats.get(strategy)
        if window is None:
            return 0
        return window.count(ts_ns, window_ns)

    def repeated(self, strategy: str, ts_ns: int, window_ns: int) -> int:
        """One more entry of this strategy; how many there are within the window."""
        window = self.repeats.setdefault(strategy, Window())
        window.add(ts_ns)
        return window.count(ts_ns, window_ns)

    def unrepeated(self, strategy: str, ts_ns: int) -> bool:
        """One entry of this strategy less; whether there was one of this moment."""
        window = self.repeats.get(strategy)
        return window is not None and window.remove(ts_ns)

    def enable(self, strategy: str) -> bool:
        """The operator lets a strategy enter again; whether it was stopped."""
        self.repeats.pop(strategy, None)
        if strategy not in self.stopped:
            return False
        self.stopped.discard(strategy)
        return True

    def lasting(self) -> dict[str, Any]:
        """What a restart must know."""
        return {"stopped": sorted(self.stopped), "day": self.day.number, "anchor": str(self.day.anchor)}

    def take_up(self, said: Mapping[str, Any]) -> None:
        """What an earlier run knew, as far as it says so."""
        self.stopped = {str(name) for name in said.get("stopped", ())}
        self.day.number, self.day.anchor = int(said.get("day", -1)), int(said.get("anchor", 0))
