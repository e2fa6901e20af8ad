"""What the operator decided on positions, over restarts: which wait for him, and which he wants gone.

What belongs here: the fold of a journal's ADOPT, COMMAND and what shows that a position was flat in between, and what a
start makes of it. `own.py` says what the standings mean, and acts on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dolphin.journal import encode
from dolphin.journal.codec import integer
from dolphin.nautilus.book import Book
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.own import LEAVING, WAITING, Own, named

WHAT: Final = "wanted gone"
"""What the NOTE of a start says: `positions` are those that are still to go; of earlier ones none is."""


class Decided:
    """The standings that the records of a journal make. `lots`: of a position, signed, as it was last read or filled;
    REDUCE reads each before it is flattened. A journal begins flat where it says nothing of what was found.
    """

    def __init__(self) -> None:
        self.standing: dict[str, int] = {}
        self.lots: dict[str, int] = {}
        self._flat_before = True

    def each(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take one record."""
        if kind == "ADOPT":
            self.standing = dict.fromkeys(data.get("positions", ()), WAITING)
            self._flat_before = False
        elif kind == "RESUME":
            self.lots.clear()
            self._flat_before = False
        elif kind == "COMMAND":
            self._said(data)
        elif kind == "REDUCE":
            self.lots[data.get("x", {}).get("position", "")] = integer("position_lots", data.get("position_lots"))
        elif kind == "FILL":
            self._filled(data)
        elif kind == "NOTE":
            self._noted(data)

    def leaving(self) -> list[str]:
        """The positions that he wants gone."""
        return named(self.standing, LEAVING)

    def _said(self, data: Mapping[str, Any]) -> None:
        verb = data.get("verb")
        for name in data.get("answer", {}).get("positions", ()):
            if verb == "adopt":
                self.standing.pop(name, None)
            if verb == "flatten":
                # A simulator fills before the command's own record is written.
                if self.lots.get(name) != 0:
                    self.standing[name] = LEAVING

    def _filled(self, data: Mapping[str, Any]) -> None:
        """Flat, or through zero: the next position of that name is another one."""
        if data.get("applied") == 0:
            return
        name = data.get("position", "")
        if name not in self.lots:
            if not self._flat_before:
                return  # nobody knows what the fill left
        before = self.lots.get(name, 0)
        after = before + integer("side", data.get("side")) * integer("lots", data.get("lots"))
        self.lots[name] = after
        if after == 0:
            self.standing.pop(name, None)
        if before * after < 0:
            self.standing.pop(name, None)

    def _noted(self, data: Mapping[str, Any]) -> None:
        if data.get("what") != WHAT:
            return
        for name in self.leaving():
            del self.standing[name]
        self.standing.update(dict.fromkeys(data.get("positions", ()), LEAVING))


def take_up(
    decided: Decided, own: Own, book: Book, guard: Guard, tell: Callable[[str, str], None], now_ns: int
) -> None:
    """At a start: who waited waits, what was to go is still to go. What is not held any more is told, and forgotten.

    A reconciliation may bring the position back under another name (netting: as that of EXTERNAL): it is taken for it
    where its instrument holds exactly the lots that were to go.
    """
    own.adopted.update(decided.standing)
    before = decided.leaving()
    if not before:
        return
    for name in before:
        del own.adopted[name]
    found: dict[str, str] = {}
    for group in book.held():
        if group.key in before:
            found[group.key] = group.key
        else:
            for name in before:
                if name.startswith(f"{group.instrument}-"):
                    if decided.lots.get(name) == group.lots:
                        found.setdefault(name, group.key)
    own.adopted.update(dict.fromkeys(found.values(), LEAVING))
    guard.write(now_ns, "NOTE", encode({"what": WHAT, "positions": list(found.values())}))
    own.due = True
    for name in before:
        if name not in found:
            tell(
                "FLATTEN", f"{name} was to be flattened and is not held now; if the venue holds it, say `flatten` again"
            )
