"""Value at risk and expected shortfall by historical simulation, and how many lots of an entry they leave.

What belongs here: integer arithmetic on rows of profit and loss; where the rows come from is returns.py's.

Rules. A row is what the book gains in one stretch of the past (`pnl`, minor units) and what the order's instrument
returned in it (`moves`, millionths of its value). Losses are in micro-minor-units, above zero where something is lost,
each rounded up. Confidence in bp. No row loses nothing: both figures of no rows are 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dolphin.kernel.contracts import ensure
from dolphin.kernel.units import BP, MICRO

ALL: Final = 1 << 127
"""More lots than any order has."""

BREACHED: Final = -1

type Measure = Callable[[list[int], int], int]


def losses(pnl: Sequence[int], moves: Sequence[int], signed_u: int) -> list[int]:
    """Of each row what the book loses together with `signed_u` micro-minor-units more of the order's instrument."""
    return [-gain * MICRO - signed_u * move // MICRO for gain, move in zip(pnl, moves, strict=True)]


def _worst_rows(count: int, confidence_bp: int) -> int:
    """Rows beyond the confidence, in bp of a row; some, however high it is."""
    return max(count * (BP - confidence_bp), 1)


@ensure(lambda of, result: result in of or not of)
def value_at_risk(of: list[int], confidence_bp: int) -> int:
    """The smallest loss that at least this share of the rows does not exceed (the inverse of their distribution)."""
    if not of:
        return 0
    beyond = _worst_rows(len(of), confidence_bp) // BP
    return sorted(of, reverse=True)[min(beyond, len(of) - 1)]


@ensure(lambda of, confidence_bp, result: result >= value_at_risk(of, confidence_bp))
def expected_shortfall(of: list[int], confidence_bp: int) -> int:
    """The mean of the worst rows, as many as are beyond the confidence, the last of them in part; rounded up."""
    if not of:
        return 0
    weight = min(_worst_rows(len(of), confidence_bp), len(of) * BP)
    ranked = sorted(of, reverse=True)
    whole, part = divmod(weight, BP)
    total = sum(ranked[:whole]) * BP
    if part:
        total += ranked[whole] * part
    return -(-total // weight)


def _sized(moves: Sequence[int], pnl: Sequence[int]) -> Sequence[int]:
    """Nothing moves the book where the order's instrument has no rows of its own."""
    return moves or (0,) * len(pnl)


def loss_with(measure: Measure, confidence_bp: int, pnl: Sequence[int], moves: Sequence[int], signed_u: int = 0) -> int:
    """The figure of the book with so much more of the order's instrument."""
    return measure(losses(pnl or (0,) * len(moves), _sized(moves, pnl), signed_u), confidence_bp)


@ensure(lambda entry_lots, result: result in (ALL, BREACHED) or 0 <= result < entry_lots)
def left(
    measure: Measure, confidence_bp: int, pnl: Sequence[int], moves: Sequence[int], lot_u: int, entry_lots: int,
    most_u: int,
) -> int:  # fmt: skip
    """Lots of the entry with which the figure is within `most_u`; `lot_u`: what a lot is worth, signed by its side.

    All of an entry with which it is, or which lowers one that is above it. BREACHED where it is above it already.
    """
    now_u = loss_with(measure, confidence_bp, pnl, moves)
    then_u = loss_with(measure, confidence_bp, pnl, moves, lot_u * entry_lots)
    if then_u <= most_u:
        return ALL
    if now_u > most_u:
        return ALL if then_u < now_u else BREACHED
    within, beyond = 0, entry_lots
    while beyond - within > 1:
        middle = (within + beyond) // 2
        if loss_with(measure, confidence_bp, pnl, moves, lot_u * middle) <= most_u:
            within = middle
        else:
            beyond = middle
    return within
