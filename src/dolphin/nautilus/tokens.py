"""What gate 1 passed, so that gate 2 need not judge it again: one token an order or modify, good for one passage.

What belongs here: under which standing something was passed, and whether that still stands. A token that does not hold
any more takes back what the limits counted of it, since gate 2 will judge the order, and count it, anew; so does one of
an order that Nautilus denied in between, which comes to no gate again. Whatever a gate does to an order (deny, shrink,
cancel another) its strategy hears at once and may answer, with a word to the operator's port, too: so a token is of the
state that the order was judged in, not of that in which it is written.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nautilus_trader.model.enums import OrderStatus

from dolphin.kernel.policy import Posture
from dolphin.kernel.state import State
from dolphin.nautilus.asking import Asker
from dolphin.nautilus.guard import Guard
from dolphin.nautilus.limiting import Limiting
from dolphin.nautilus.ports import Left


class Token(NamedTuple):
    """What gate 1 passed, and under which standing. `counted`: the entries that the limits counted of it."""

    episode: int
    posture: Posture
    quantity: Any
    ts_ns: int
    counted: tuple[Left, ...]
    order: Any


def worse(episode: int, posture: Posture, now: State) -> bool:
    """Whether a kill came, or a fall, since the latch and the posture were these."""
    if now.latch.episode != episode:
        return True
    return now.filter.posture > posture


class Tokens:
    """Those of one book, by the order's name."""

    def __init__(self, guard: Guard, asker: Asker, limiting: Limiting) -> None:
        self._guard = guard
        self._asker = asker
        self._limiting = limiting
        self._tokens: dict[str, Token] = {}

    def give(self, name: str, order: Any, now_ns: int, counted: tuple[Left, ...], state: State) -> None:
        """Gate 1 passes this order or modify as it is now, judged in this state."""
        self._tokens[name] = Token(state.latch.episode, state.filter.posture, order.quantity, now_ns, counted, order)

    def settle(self) -> None:
        """Before anything more is counted: what Nautilus denied has not left, and what is over needs no token."""
        for name, token in list(self._tokens.items()):
            if not token.order.is_closed:
                continue
            del self._tokens[name]
            if token.order.status == OrderStatus.DENIED:
                self._limiting.back(token.counted)

    def has(self, name: str) -> bool:
        """Whether gate 1 passed it and gate 2 has not seen it."""
        return name in self._tokens

    def holds(self, name: str, order: Any) -> bool:
        """Whether gate 1 passed this very order or modify, and nothing got worse since."""
        token = self._tokens.pop(name, None)
        if token is None:
            return False
        if self._stands(token, order):
            return True
        self._limiting.back(token.counted)
        return False

    def hold_all(self, orders: list[Any]) -> bool:
        """Whether gate 1 passed all of a list, and all of it still stands; else all of it is judged anew."""
        held = True
        counted: list[Left] = []
        for order in orders:
            token = self._tokens.pop(order.client_order_id.value, None)
            if token is None:
                held = False
                continue
            counted.extend(token.counted)
            if not self._stands(token, order):
                held = False
        if not held:
            self._limiting.back(counted)
        return held

    def _stands(self, token: Token, order: Any) -> bool:
        if self._guard.report:
            return True
        if token.ts_ns != self._asker.now_ns():
            self._asker.catch_up()
        if worse(token.episode, token.posture, self._guard.state):
            return False
        if not self._guard.running():
            return False
        if token.quantity is order.quantity:
            return True
        return bool(token.quantity == order.quantity)
