"""The ledger of all runs against the other books: the positions that Nautilus shows, a third book of record.

What belongs here: when it is looked, what a difference is, and when it is one that accuses. Compared are the lots of an
instrument over all its positions, since a fill may go to another position than it names. What was held at the start has
its opening entry (ledger_start.py). A look while an order is in flight is none. Two looks in a row at one book that
differ are a ledger desync; from then on the difference is known, so that an operator who re-arms is not told of it
again. Of the third book, whose differences a start does not level, that is journalled: what is known while the latch is
RUNNING is what an operator has re-armed over, and it is known after a restart too. One that has gone is forgotten; one
that changes trips anew. A look that an operator asks for (`reconcile`) is one as any other.

Not compared: an instrument whose lot is coarser than its precision, since its fills round, and one of which a fee was
taken from the position itself; nothing once a spread was filled, since its legs' fills move positions and not each is
told here. What the venue holds is for Nautilus' own reconciliation, whose fills are heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from dolphin.journal import encode, writable
from dolphin.journal.entries import APART
from dolphin.kernel.events import Fault
from dolphin.kernel.ledger import FLAT
from dolphin.kernel.ledger_books import by_instrument
from dolphin.kernel.reasons import Cause
from dolphin.kernel.units import NS_PER_MS
from dolphin.nautilus import anchor
from dolphin.nautilus.fills import Fills
from dolphin.nautilus.ledger_start import shown_in
from dolphin.nautilus.money import Money
from dolphin.nautilus.third import Third
from dolphin.nautilus.translate import Scale

if TYPE_CHECKING:
    from dolphin.nautilus.parts import Parts

SHOWN: Final = ("positions and fills differ", "lots more are shown than the fills add up to [DOL-LEDGER-004]")
STATED: Final = ("third book and ledger differ", "lots more are in the third book than in the ledger [DOL-LEDGER-006]")
"""Of each book: what the FAULT says, and the log."""

TOLD: Final = ("says nothing:", "can be compared")


class Looks:
    """The looks at one book. `known`: differences that were told, by instrument."""

    def __init__(self, known: Mapping[str, int]) -> None:
        self.known = dict(known)
        self._before: dict[str, int] = {}

    def none(self) -> None:
        """Nothing can be said now: two that differ have to come anew."""
        self._before = {}

    def took(self, apart: Mapping[str, int]) -> dict[str, int]:
        """One look; by instrument, how many lots more than is known it and the look before it found."""
        differs: dict[str, int] = {}
        accused: dict[str, int] = {}
        for name, lots in apart.items():
            if lots == 0:  # books that agree accuse nobody, whatever was known
                self.known.pop(name, None)
                continue
            more = lots - self.known.get(name, 0)
            if more != 0:
                differs[name] = more
                if name in self._before:
                    self.known[name] = lots
                    accused[name] = more
        self._before = differs
        return accused


class Reconcile:
    """Compares every so many real milliseconds, 0: only when asked."""

    def __init__(self, parts: Parts, fills: Fills, cache: Any, sync_ms: int, third: Third) -> None:
        self._parts = parts
        self._guard = parts.guard
        self._fills = fills
        self._scales = parts.scales
        self._cache = cache
        self._tell = parts.actor.tell
        self.every_ns = sync_ms * NS_PER_MS
        self._looked_ns = -self.every_ns
        self._shown = Looks({})
        self._stated = Looks(self._guard.accounts.apart)
        self._third = third
        self._stated_ns = -1
        self._problem = ""
        self._said = ""
        self._unknown: list[str] = []
        self.money = Money(parts, fills)
        self.looks = 0

    def look(self, now_ns: int) -> None:
        """Look, if it is time. Live this is called once a second, so an acknowledgement waits no longer."""
        self._acknowledge(now_ns)
        anchor.look(self._guard, now_ns)
        if self.every_ns <= 0:
            return
        since_ns = now_ns - self._looked_ns
        if since_ns >= 0:  # a clock that stepped back makes nobody wait
            if since_ns < self.every_ns:
                return
        self._looked_ns = now_ns
        self._take(now_ns)

    def now(self, now_ns: int) -> dict[str, Any]:
        """A look that was asked for. `rows`: instrument, lots of the ledger, of Nautilus, of the third book; no number
        where that cannot be compared. `inflight`: orders because of which the look is none. `third`: why that book says
        nothing. `unknown`: instruments in it that are not loaded. `same`: whether all lots that could be compared are.
        `money`: the balance by the ledger and the account's, minor units (money.py). `day`: what the
        day began with (anchor.py).
        """
        inflight = self._cache.orders_inflight_count()
        fills = self._guard.accounts.books.fills  # of the rows' moment: a difference may flatten, and that may fill
        rows = self._take(now_ns)
        same = True
        for _, ledger, *others in rows:
            for lots in others:
                if lots not in (None, ledger):
                    same = False
        return {
            "rows": rows, "inflight": inflight, "third": self._said, "unknown": self._unknown, "same": same,
            "money": self.money.both(), "day": anchor.told(self._guard), "fills": fills,
        }  # fmt: skip

    def _take(self, now_ns: int) -> list[list[Any]]:
        """One look at all books, and what it accuses; all rows in which anything stands."""
        self._acknowledge(now_ns)
        if self._cache.orders_inflight_count() > 0:
            self._shown.none()
            self._stated.none()
            return []
        self.looks += 1
        self.money.look(now_ns)
        counted = {name: total.lots for name, total in by_instrument(self._guard.accounts.books).items()}
        shown = self._apart(counted)
        for name, lots in self._shown.took(shown).items():
            self._accuse(name, lots, now_ns, SHOWN)
        stated = self._third_apart(counted, now_ns)
        rows: list[list[Any]] = []
        for name in sorted({*counted, *shown, *stated}):
            ledger = counted.get(name, 0)
            row = [name, ledger, _sum(ledger, shown.get(name)), _sum(ledger, stated.get(name))]
            if {*row[1:]} - {0, None}:
                rows.append(row)
        return rows

    def _apart(self, counted: Mapping[str, int]) -> dict[str, int]:
        """By instrument: lots that Nautilus shows more than the ledger has."""
        shown: dict[str, int] = {}
        for name, rows in shown_in(self._cache, self._scales).items():
            shown[name] = sum([lots for lots, _ in rows.values()])
        apart: dict[str, int] = {}
        for name, scale in self._scales.items():
            if self._exact(name, scale):
                apart[name] = shown.get(name, 0) - counted.get(name, FLAT.lots)
        return apart

    def _third_apart(self, counted: Mapping[str, int], now_ns: int) -> dict[str, int]:
        """The same of the third book; nothing where it says nothing. What it said once is no second look."""
        found = self._third.read(now_ns, self._fills.filled_ns)
        if found.problem != self._problem:
            self._problem = found.problem
            self._said = found.said()
            self._tell("THIRD BOOK", f"{TOLD[found.problem == '']} {self._said}".rstrip())
            self._guard.write(now_ns, "NOTE", encode({"what": "third book", "problem": writable(self._said)}))
        if found.lots is None:
            return {}
        apart: dict[str, int] = {}
        for name, scale in self._scales.items():
            if self._exact(name, scale):
                apart[name] = found.lots.get(name, 0) - counted.get(name, 0)
        self._tell_unknown(list(found.unknown), now_ns)
        if found.as_of_ns != self._stated_ns:
            self._stated_ns = found.as_of_ns
            for name, lots in self._stated.took(apart).items():
                self._accuse(name, lots, now_ns, STATED)
        return apart

    def _tell_unknown(self, unknown: list[str], now_ns: int) -> None:
        """What the third book holds beyond what is loaded here: told once, and again where that changes."""
        if unknown == self._unknown:
            return
        self._unknown = unknown
        names = [writable(name) for name in unknown]
        self._guard.write(now_ns, "NOTE", encode({"what": "third book", "problem": "", "unknown": names}))
        if unknown:
            self._tell("THIRD BOOK", f"not compared, for they are not loaded: {', '.join(names)} [DOL-LEDGER-006]")

    def _acknowledge(self, now_ns: int) -> None:
        """A latch that is RUNNING beside differences that were told was re-armed over them, knowingly."""
        if not self._guard.running():
            return
        if self._stated.known == self._guard.accounts.apart:
            return
        self._guard.write(now_ns, "NOTE", encode({"what": APART, "lots": self._stated.known}))

    def _exact(self, name: str, scale: Scale) -> bool:
        if scale.lot_units != 1:
            return False
        if self._fills.spreads:
            return False
        return name not in self._fills.paid_in_kind

    def _accuse(self, name: str, lots: int, now_ns: int, what: tuple[str, str]) -> None:
        self._tell("DESYNC", f"{name}: {lots} {what[1]}")
        said = {"what": what[0], "instrument": name, "lots": lots}
        self._guard.emit(Fault(now_ns, Cause.LEDGER_DESYNC), encode(said))


def _sum(ledger: int, apart: int | None) -> int | None:
    if apart is None:
        return None
    return ledger + apart
