"""What is held and works, added up once: by instrument, venue, strategy and over all of it.

What belongs here: sums over rows (dolphin.nautilus.ports.Row), whatever order is judged by them; no limit and no
verdict. All that is looked at in one instant shares the rows and with them these sums, so that judging every position
costs a pass over the positions and not one each. Money in minor units, quantities in lots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dolphin.kernel.units import BP
from dolphin.nautilus.ports import Row


class Place:
    """One instrument. `longs`, `shorts`: lots held by side; `buy_lots`, `sell_lots`: what works. `held`: signed value
    of what is held; `used`: value of all of it, long and short added; `buys`, `sells`: value of what works.
    """

    __slots__ = ("buy_lots", "buys", "held", "longs", "sell_lots", "sells", "shorts", "used")

    def __init__(self) -> None:
        self.longs = self.shorts = self.buy_lots = self.sell_lots = 0
        self.held = self.used = self.buys = self.sells = 0

    def side_lots(self, side: int) -> int:
        """What is held and works on this side."""
        return self.longs + self.buy_lots if side > 0 else self.shorts + self.sell_lots

    def loss_bp(self, move_bp: int) -> int:
        """What a move of the price costs, times 10,000: of what works the side that it hurts fills first."""
        working = -move_bp * self.buys if move_bp < 0 else move_bp * self.sells
        return working - self.held * move_bp


NOWHERE = Place()


class Held:
    """Sums over rows. `net`: signed value of all that is held; `buys`, `sells`: of what works; `margin`: it takes."""

    __slots__ = ("_kept", "_losses", "_within", "buys", "margin", "net", "places", "sells", "strategies", "venues")

    def __init__(self, rows: Sequence[Row]) -> None:
        self.net = self.buys = self.sells = self.margin = 0
        self.venues: dict[str, int] = {}
        self.strategies: dict[str, int] = {}
        self.places: dict[str, Place] = {}
        self._within: dict[frozenset[str], int] = {}
        self._losses: dict[str, int] = {}
        self._kept: dict[str, Any] = {}
        for instrument, venue, strategy, lots, held, buy_lots, sell_lots, buys, sells, margin in rows:
            used = abs(held) + buys + sells
            self.net += held
            self.buys += buys
            self.sells += sells
            self.margin += margin
            self.venues[venue] = self.venues.get(venue, 0) + used
            self.strategies[strategy] = self.strategies.get(strategy, 0) + used
            place = self.places.get(instrument)
            if place is None:
                place = self.places[instrument] = Place()
            if lots > 0:
                place.longs += lots
            else:
                place.shorts -= lots
            place.buy_lots += buy_lots
            place.sell_lots += sell_lots
            place.held += held
            place.used += used
            place.buys += buys
            place.sells += sells

    def place(self, instrument: str) -> Place:
        """Of one instrument."""
        return self.places.get(instrument, NOWHERE)

    def within(self, members: frozenset[str]) -> int:
        """What is held and works in these instruments, long and short added."""
        known = self._within.get(members)
        if known is None:
            known = 0
            for name in members:
                place = self.places.get(name)
                if place is not None:
                    known += place.used
            self._within[members] = known
        return known

    def loss_bp(self, name: str, moves: Mapping[str, int], rest: int) -> int:
        """What the scenario of this name costs all that is held and works, times 10,000; `rest`: the move of what it
        does not name.
        """
        known = self._losses.get(name)
        if known is None:
            known = 0
            for instrument, place in self.places.items():
                known += place.loss_bp(moves.get(instrument, rest))
            self._losses[name] = known
        return known

    def once(self, name: str, make: Callable[..., Any], *args: Any) -> Any:
        """What else is summed over all of it, made of `args` when it is first asked for."""
        if name not in self._kept:
            self._kept[name] = make(*args)
        return self._kept[name]


def share_up(times_bp: int) -> int:
    """A sum times 10,000 in minor units, rounded up."""
    return -(-times_bp // BP)
