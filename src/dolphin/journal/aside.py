"""What a journal says of its book beside the kernel's state: decisions on positions, exposure, causes of kills, ledger.

What belongs here: one fold of the few kinds that say so, shared by the run that writes, the restart, the operator's
commands and the audit, and its form in a checkpoint. What a standing means is for `nautilus/own.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dolphin.journal.codec import Malformed, integer, listed, texts
from dolphin.journal.entries import Accounts

WAITING: Final = 0
LEAVING: Final = 2
"""Standings of a position, as `nautilus/own.py` numbers them: it waits for the operator, or he wants it gone."""

WANTED_GONE: Final = "wanted gone"
"""What the NOTE of a start says: `positions` are those that are still to go; of earlier ones none is."""

LIMITS: Final = "limits"
"""What the NOTE of pre-trade limits says, and the field in which it has those that are in force."""

UNKNOWN: Final = "order of unknown fate"
"""What the NOTE says of an order that is told as over and may fill all the same: `id`, `counts_lots` as which it counts
(0: its fate is known), and `order`, the order itself, as `nautilus/reopening.py` writes it; earlier ones have none.
"""

KINDS: Final = frozenset(("HEADER", "ADOPT", "RESUME", "COMMAND", "REDUCE", "FILL", "FLOW", "NOTE", "EQUITY"))
"""The kinds of record that `Aside.each` looks at."""

CLOSED_MAX: Final = 1_000
"""Positions that are remembered as flat; the one that closed first is forgotten first. A hedging book closes thousands,
and a flatten that the simulator fills at once is told a moment later.
"""


class Aside:
    """`standing`: of the positions that somebody has to decide on, or has. `lots`: of a position, signed, as it was
    last read or filled; REDUCE reads each before it is flattened. A journal begins flat where it says nothing of what
    was found (`flat_before`). `waiting`: positions written in ADOPT that nobody has decided on. `gross`: exposure at
    the last sample, minor units. `kill_texts`: the causes that operators gave, by episode, the first of one first.
    `limits`: the pre-trade limits in force, as their last NOTE has them; empty: none were said. `unknown`: orders whose
    fate nobody knows, by id: their lots and the order as it was noted. `accounts`: the ledger, which has a place of its
    own in a checkpoint.
    """

    def __init__(self) -> None:
        self.standing: dict[str, int] = {}
        self.lots: dict[str, int] = {}
        self.flat_before = True
        self.waiting: dict[str, None] = {}
        self.gross = 0
        self.kill_texts: dict[int, list[str]] = {}
        self.limits: dict[str, Any] = {}
        self.unknown: dict[str, tuple[int, str]] = {}
        self.accounts = Accounts()
        self._closed: dict[str, None] = {}

    def each(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take one record of any kind. Malformed: it is not what its kind demands."""
        try:
            self.accounts.each(kind, data)
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(kind, "what the ledger reads of it", f"{type(error).__name__}: {error}") from error
        if kind == "ADOPT":
            self.standing = dict.fromkeys(data.get("positions", ()), WAITING)
            self.waiting = dict.fromkeys(data.get("positions", ()))
            self.flat_before = False
        elif kind == "RESUME":
            self.lots.clear()
            self._closed.clear()
            self.flat_before = False
        elif kind == "COMMAND":
            self._said(data)
        elif kind == "REDUCE":
            self.place(data.get("x", {}).get("position", ""), integer("position_lots", data.get("position_lots")))
        elif kind == "FILL":
            self._filled(data)
        elif kind == "NOTE":
            self._noted(data)
        elif kind == "EQUITY":
            self.gross = integer("gross", data["gross"])

    def leaving(self) -> list[str]:
        """The positions that the operator wants gone."""
        found = []
        for name, standing in self.standing.items():
            if standing == LEAVING:
                found.append(name)
        return found

    def plain(self) -> dict[str, object]:
        """As a checkpoint writes it. `unknown` is there only where something is: older ones do not have it."""
        made: dict[str, object] = {
            "standing": dict(self.standing),
            "lots": dict(self.lots),
            "flat_before": int(self.flat_before),
            "waiting": list(self.waiting),
            "gross": self.gross,
            "kill_texts": [[episode, list(texts)] for episode, texts in self.kill_texts.items()],
            "limits": self.limits,
        }
        if self.unknown:
            made["unknown"] = {name: [lots, order] for name, (lots, order) in self.unknown.items()}
        return made

    def place(self, name: str, lots: int) -> None:
        """What a position holds now. One that closes goes to the end: flat ones stand in the order of their closing."""
        self._closed.pop(name, None)
        if lots != 0:
            self.lots[name] = lots
            return
        self.lots.pop(name, None)
        self.lots[name] = 0
        self._closed[name] = None
        if len(self._closed) > CLOSED_MAX:
            first = next(iter(self._closed))
            del self._closed[first]
            del self.lots[first]

    def _said(self, data: Mapping[str, Any]) -> None:
        verb = data.get("verb")
        answer = data.get("answer", {})
        if verb == "kill":
            episode = int(answer.get("episode", 0))
            self.kill_texts.setdefault(episode, []).append(str(data.get("cause", "")))
        for name in answer.get("positions", ()):
            if verb == "adopt":
                self.waiting.pop(name, None)
                self.standing.pop(name, None)
            if verb == "flatten":
                self.waiting.pop(name, None)
                # A simulator fills before the command's own record is written.
                if self.lots.get(name) != 0:
                    self.standing[name] = LEAVING

    def _filled(self, data: Mapping[str, Any]) -> None:
        """Flat, or through zero: the next position of that name is another one."""
        if data.get("applied") == 0:
            return
        name = data.get("position", "")
        if name not in self.lots:
            if not self.flat_before:
                return  # nobody knows what the fill left
        before = self.lots.get(name, 0)
        after = before + integer("side", data.get("side")) * integer("lots", data.get("lots"))
        self.place(name, after)
        if after == 0:
            self.standing.pop(name, None)
        if before * after < 0:
            self.standing.pop(name, None)

    def _noted(self, data: Mapping[str, Any]) -> None:
        what = data.get("what")
        if what == LIMITS:
            self.limits = dict(data[LIMITS])
        if what == UNKNOWN:
            self._doubted(data)
        if what != WANTED_GONE:
            return
        for name in self.leaving():
            del self.standing[name]
        self.standing.update(dict.fromkeys(data.get("positions", ()), LEAVING))

    def _doubted(self, data: Mapping[str, Any]) -> None:
        name = str(data.get("id", ""))
        lots = integer("counts_lots", data.get("counts_lots"))
        if lots == 0:
            self.unknown.pop(name, None)
        elif "order" in data:
            self.unknown[name] = (lots, str(data["order"]))


def restored(value: object) -> Aside:
    """What `Aside.plain` wrote. Malformed names the field that is not as it would have written it."""
    found = Aside()
    value = _object("aside", value)
    if value.keys() - {"unknown"} != found.plain().keys():
        raise Malformed("aside", ", ".join(found.plain()), list(value))
    found.standing = _numbers("aside.standing", value["standing"])
    for name, lots in _numbers("aside.lots", value["lots"]).items():
        found.place(name, lots)
    flat_before = integer("aside.flat_before", value["flat_before"])
    if flat_before not in (0, 1):
        raise Malformed("aside.flat_before", "0 or 1", flat_before)
    found.flat_before = flat_before == 1
    found.waiting = dict.fromkeys(texts("aside.waiting", value["waiting"]))
    found.gross = integer("aside.gross", value["gross"])
    for pair in listed("aside.kill_texts", value["kill_texts"]):
        if len(listed("aside.kill_texts", pair)) != 2:
            raise Malformed("aside.kill_texts", "pairs of episode and causes", pair)
        found.kill_texts[integer("aside.kill_texts", pair[0])] = texts("aside.kill_texts", pair[1])
    found.limits = _object("aside.limits", value["limits"])
    for name, row in _object("aside.unknown", value.get("unknown", {})).items():
        field = f"aside.unknown.{name}"
        if len(listed(field, row)) != 2:
            raise Malformed(field, "lots, and the order", row)
        (order,) = texts(field, row[1:])
        found.unknown[name] = (integer(field, row[0]), order)
    return found


def _object(field: str, value: object) -> dict[str, Any]:
    if type(value) is not dict:
        raise Malformed(field, "an object", value)
    return value


def _numbers(field: str, value: object) -> dict[str, int]:
    return {name: integer(f"{field}.{name}", number) for name, number in _object(field, value).items()}
