"""What a book holds, as one number: so that the latch can tell whether it is still what an operator took over.

What belongs here: the number. 0 is a flat book, equal positions give equal numbers in every process, and two books that
differ give the same one with a chance of one in 2^52.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from dolphin.kernel.units import NOTHING

BITS: Final = 52


def number(positions: Iterable[tuple[str, int]]) -> int:
    """The number of these positions: name and signed lots of each, in any order."""
    lines = sorted(f"{name} {lots}" for name, lots in positions)
    if not lines:
        return NOTHING
    digest = hashlib.sha256("\n".join(lines).encode()).digest()
    return 1 + int.from_bytes(digest[:8], "big") % (1 << BITS)
