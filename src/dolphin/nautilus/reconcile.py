"""Live: the ledger of all runs against the positions that Nautilus shows (docs/design/ledger.md).

What belongs here: when it is looked, what a difference is, and when it is one that accuses. Compared are the lots of an
instrument over all its positions, since a fill may go to another position than it names. What was held at the start has
its opening entry (ledger_start.py). A look while an order is in flight is none. Two looks in a row that differ are a
ledger desync; from then on the difference is known, so that an operator who re-arms is not told of it again.

Not compared: an instrument whose lot is coarser than its precision, since its fills round, and one of which a fee was
taken from the position itself; nothing once a spread was filled, since its legs' fills move positions and not each is
told here. What the venue holds is for Nautilus' own reconciliation, whose fills are heard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dolphin.journal import encode
from dolphin.kernel.events import Fault
from dolphin.kernel.ledger import FLAT
from dolphin.kernel.ledger_books import by_instrument
from dolphin.kernel.reasons import Cause
from dolphin.kernel.units import NS_PER_MS
from dolphin.nautilus.fills import Fills
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.ledger_start import shown_in
from dolphin.nautilus.translate import Scale


class Reconcile:
    """Compares every so many real milliseconds; 0: never."""

    def __init__(
        self, guard: Guard, fills: Fills, scales: dict[str, Scale], cache: Any, tell: Callable[[str, str], None],
        sync_ms: int,
    ) -> None:  # fmt: skip
        self._guard = guard
        self._fills = fills
        self._scales = scales
        self._cache = cache
        self._tell = tell
        self.every_ns = sync_ms * NS_PER_MS
        self._looked_ns = -self.every_ns
        self._known: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self.looks = 0

    def look(self, now_ns: int) -> None:
        """Look, if it is time."""
        if self.every_ns <= 0:
            return
        since_ns = now_ns - self._looked_ns
        if since_ns >= 0:  # a clock that stepped back makes nobody wait
            if since_ns < self.every_ns:
                return
        self._looked_ns = now_ns
        if self._cache.orders_inflight_count() > 0:
            self._before = {}
            return
        self.looks += 1
        self._compare(now_ns)

    def _compare(self, now_ns: int) -> None:
        apart = self._apart()
        differs: dict[str, int] = {}
        for name, lots in apart.items():
            more = lots - self._known.get(name, 0)
            if more != 0:
                differs[name] = more
        before = self._before
        self._before = differs
        for name, lots in differs.items():
            if name in before:
                self._known[name] = apart[name]
                self._accuse(name, lots, now_ns)

    def _apart(self) -> dict[str, int]:
        """By instrument: lots that Nautilus shows more than the ledger has."""
        shown: dict[str, int] = {}
        for name, rows in shown_in(self._cache, self._scales).items():
            shown[name] = sum([lots for lots, _ in rows.values()])
        counted = by_instrument(self._guard.accounts.books)
        apart: dict[str, int] = {}
        for name, scale in self._scales.items():
            if self._exact(name, scale):
                apart[name] = shown.get(name, 0) - counted.get(name, FLAT).lots
        return apart

    def _exact(self, name: str, scale: Scale) -> bool:
        if scale.lot_units != 1:
            return False
        if self._fills.spreads:
            return False
        return name not in self._fills.paid_in_kind

    def _accuse(self, name: str, lots: int, now_ns: int) -> None:
        what = f"{name}: {lots} lots more are shown than the fills add up to"
        self._tell("DESYNC", f"{what} [DOL-LEDGER-004]")
        said = {"what": "positions and fills differ", "instrument": name, "lots": lots}
        self._guard.emit(Fault(now_ns, Cause.LEDGER_DESYNC), encode(said))
