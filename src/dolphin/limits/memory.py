"""What the limits remember between orders: when entries and cancels left.

What belongs here: windows of time; no verdict. Times in ns as the plug-in says them, and none is asked for here.
"""

from __future__ import annotations

from collections import deque


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


class Memory:
    """Of one book. `entries`: those that left; `cancels`: those that came; `said_ns`: when their rate was last said."""

    def __init__(self) -> None:
        self.entries = Window()
        self.cancels = Window()
        self.said_ns = -(1 << 62)
