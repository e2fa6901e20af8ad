"""What a kill and HIBERNATE do to working orders: every increasing one is cancelled, until none is left.

What belongs here: which orders, and when again; how an order is cancelled is action's. What protects a position stays
while there is one.
"""

from __future__ import annotations

from collections.abc import Callable

from dolphin.nautilus.action import Host
from dolphin.nautilus.book import Book
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.working import Working

AGAIN_MAX = 8
"""Cancels of one order between two rows of data: a venue that rejects each at once must not be asked for ever."""


class Killing:
    """Cancels of one book."""

    def __init__(self, guard: Guard, book: Book, host: Host) -> None:
        self._guard = guard
        self._book = book
        self._host = host
        self._asked: dict[str, int] = {}
        self._sweeping = False
        self.doubts: Callable[[], None] = lambda: None
        """Cancels what is told as over and may work: `Unknown` puts its own in."""

    def all(self) -> None:
        """Cancel every increasing order."""
        if self._guard.report:
            return
        if self._sweeping:
            return
        self._sweeping = True
        try:
            self._book.settle()
            for group in list(self._book.groups.values()):
                for working in group.increasing():
                    self._cancel(working)
            self.doubts()
        finally:
            self._sweeping = False

    def again(self, working: Working | None) -> None:
        """An order was accepted, updated, triggered, or its cancel rejected, while nothing increasing may work."""
        if working is None:
            return
        if self._guard.report:
            return
        if working in working.group.increasing():
            self._cancel(working)

    def calm(self) -> None:
        """A row of data came, or live a second passed: cancels that were rejected may be tried again, and are."""
        refused = AGAIN_MAX in self._asked.values()
        self._asked.clear()
        if refused:
            if self._guard.emptying():
                self.all()

    def _cancel(self, working: Working) -> None:
        if working.order.is_closed:
            return
        if self._book.unsure(working.cid) > 0:  # `doubts` asks for it, not all at once: the venue may not know it yet
            return
        times = self._asked.get(working.cid, 0)
        if times >= AGAIN_MAX:
            return
        self._asked[working.cid] = times + 1
        self._host.cancel(working.order)
