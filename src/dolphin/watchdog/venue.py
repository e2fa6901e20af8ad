"""The venue as the watchdog sees it: a port of seven calls, each with a typed answer, whatever happens on the way.

What belongs here: the protocol and its answers; no venue. A call never raises for what a venue or a network does: what
is not known is `Unknown` or `Reply.UNKNOWN`, and UNKNOWN is never flat (DESIGN.md 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple, Protocol

TOGETHER: Final = 40
"""More symbols than these are listed in one call: for so many that is the cheaper way."""


class Reply(Enum):
    """What became of a command. DONE: the venue says so, or that there is nothing to do. UNKNOWN: it may be."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Answer(NamedTuple):
    """A command's answer, and the venue's words."""

    reply: Reply
    text: str = ""


class Unknown(NamedTuple):
    """What was asked could not be learnt, and why. `away`: the venue gave no answer, or asked for a pause."""

    why: str
    away: bool = False


class Working(NamedTuple):
    """An open order. `reducing`: it can only make a position smaller. `conditional`: it waits for its trigger."""

    symbol: str
    id: str
    client_id: str
    side: str
    reducing: bool
    conditional: bool


class Held(NamedTuple):
    """An open position: its size as the venue writes it, signed."""

    symbol: str
    side: str
    amount: str


class Venue(Protocol):
    """One account at one venue. Each call ends within its timeout and its tries; commands may be repeated at will."""

    def open_orders(self, symbols: Sequence[str]) -> tuple[Working, ...] | Unknown:
        """What works on these symbols, conditional orders too."""
        ...

    def positions(self, symbols: Sequence[str]) -> tuple[Held, ...] | Unknown:
        """What is held on these symbols; a position of zero is none."""
        ...

    def cancel(self, order: Working) -> Answer:
        """Cancel one order. DONE also where the venue knows no such order any more."""
        ...

    def cancel_all(self, symbol: str) -> Answer:
        """Cancel all orders of the symbol, reduce-only and conditional ones too."""
        ...

    def countdown(self, symbol: str, after_ms: int) -> Answer:
        """Have the venue cancel all of the symbol by itself unless it is asked again in time; 0 ends it."""
        ...

    def pause_s(self, symbols: Sequence[str]) -> float:
        """How long to wait before these symbols are listed again, so that the venue goes on answering."""
        ...

    def warm(self) -> Answer:
        """Keep the connection and the knowledge of the venue's clock fresh, in a fifth of a second at most."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...
