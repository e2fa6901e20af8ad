"""The five survival functions and their product: readings in, basis points out (DESIGN.md 2.1).

What belongs here: one function a curve, each a table, a ramp or a formula, rounded to the safe side, defined for every
integer. No state, no time: ages and distances are handed in.
"""

from __future__ import annotations

from dolphin.kernel.contracts import ensure, require
from dolphin.kernel.policy import DRAWDOWN_FREE_BP, ENVELOPE_DECADE_S, ENVELOPE_FRESH_S, FLOOR_BP, SHOCK_BP
from dolphin.kernel.tables import R2, R5
from dolphin.kernel.units import BP

_DECADE = (1, 10, 100, 1_000)
_STEP_S = 30
_LAST_CHORD = 238


@ensure(lambda running, result: not running or result == BP)
@ensure(lambda running, result: running or result == 0)
def r1(running: bool) -> int:
    """Invariants: 10,000 exactly while the latch is RUNNING, 0 otherwise; no damping."""
    if running:
        return BP
    return 0


@ensure(lambda chord, into_s, result: result >= 0)
@ensure(lambda chord, into_s, result: result < BP)
def _on_chord(chord: int, into_s: int) -> int:
    """The R2 table between entries `chord` and `chord` + 1, `into_s` of 30 s along, rounded down."""
    if chord < 0:
        return 0
    if chord > _LAST_CHORD:
        return 0
    if into_s < 0:
        return 0
    if into_s > _STEP_S:
        return 0
    drop = (R2[chord] - R2[chord + 1]) * into_s
    return R2[chord] - (drop + _STEP_S - 1) // _STEP_S


@ensure(lambda age_s, result: result >= 0)
@ensure(lambda age_s, result: result <= BP)
@ensure(lambda age_s, result: age_s > 30 or result == BP)
@ensure(lambda age_s, result: age_s <= 30 or result < BP)
def r2(age_s: int) -> int:
    """Structural: age of the envelope in whole policy seconds, rounded up, from when the next one was due.

    10,000 up to 30 s, then 10^(-(age-30)/7170): 1,000 at 7,200 s, 0 after four decades. Never above the curve.
    """
    if age_s <= ENVELOPE_FRESH_S:
        return BP
    past_s = age_s - ENVELOPE_FRESH_S
    decade = (past_s - 1) // ENVELOPE_DECADE_S
    if decade >= len(_DECADE):
        return 0
    within_s = past_s - ENVELOPE_DECADE_S * decade
    chord = within_s // _STEP_S
    if chord > _LAST_CHORD:
        chord = _LAST_CHORD
    return _on_chord(chord, within_s - _STEP_S * chord) // _DECADE[decade]


@ensure(lambda excess_ms, result: result >= 2_000)
@ensure(lambda excess_ms, result: result <= BP)
@ensure(lambda excess_ms, result: excess_ms > 200 or result == BP)
@ensure(lambda excess_ms, result: excess_ms < 2_000 or result == 2_000)
def r3_latency(excess_ms: int) -> int:
    """Excess latency: p90 of the last 10 s minus the 10-minute minimum; 200 ms to 2 s."""
    if excess_ms <= 200:
        return BP
    if excess_ms >= 2_000:
        return FLOOR_BP
    return BP - (8_000 * (excess_ms - 200) + 1_799) // 1_800


@ensure(lambda jitter_ms, result: result >= 2_000)
@ensure(lambda jitter_ms, result: result <= BP)
@ensure(lambda jitter_ms, result: jitter_ms > 50 or result == BP)
@ensure(lambda jitter_ms, result: jitter_ms < 500 or result == 2_000)
def r3_jitter(jitter_ms: int) -> int:
    """Interquartile range of the delay; 50 to 500 ms."""
    if jitter_ms <= 50:
        return BP
    if jitter_ms >= 500:
        return FLOOR_BP
    return BP - (8_000 * (jitter_ms - 50) + 449) // 450


@ensure(lambda ratio_bp, result: result >= 2_000)
@ensure(lambda ratio_bp, result: result <= BP)
@ensure(lambda ratio_bp, result: ratio_bp < 8_000 or result == BP)
@ensure(lambda ratio_bp, result: ratio_bp > 1_000 or result == 2_000)
def r3_depth(ratio_bp: int) -> int:
    """Top five levels over their 10-minute median; 0.8 down to 0.1."""
    if ratio_bp >= 8_000:
        return BP
    if ratio_bp <= 1_000:
        return FLOOR_BP
    return BP - (8_000 * (8_000 - ratio_bp) + 6_999) // 7_000


@ensure(lambda ratio_bp, result: result >= 2_000)
@ensure(lambda ratio_bp, result: result <= BP)
@ensure(lambda ratio_bp, result: ratio_bp > 30_000 or result == BP)
@ensure(lambda ratio_bp, result: ratio_bp < 100_000 or result == 2_000)
def r3_spread(ratio_bp: int) -> int:
    """Spread over its 10-minute median; 3 to 10 times."""
    if ratio_bp <= 30_000:
        return BP
    if ratio_bp >= 100_000:
        return FLOOR_BP
    return BP - (8_000 * (ratio_bp - 30_000) + 69_999) // 70_000


@ensure(lambda late_ms, result: result >= 2_000)
@ensure(lambda late_ms, result: result <= BP)
@ensure(lambda late_ms, result: late_ms > 200 or result == BP)
@ensure(lambda late_ms, result: late_ms < 10_000 or result == 2_000)
def r3_silence(late_ms: int) -> int:
    """Silence of an instrument past its due time, real ms; 200 ms to 10 s."""
    if late_ms <= 200:
        return BP
    if late_ms >= 10_000:
        return FLOOR_BP
    return BP - (8_000 * (late_ms - 200) + 9_799) // 9_800


@ensure(lambda a_bp, b_bp, result: result <= a_bp)
@ensure(lambda a_bp, b_bp, result: result <= b_bp)
@ensure(lambda a_bp, b_bp, result: result == a_bp or result == b_bp)
def least(a_bp: int, b_bp: int) -> int:
    """The worse of two sensors: category 3 takes the minimum, never a product."""
    if a_bp < b_bp:
        return a_bp
    return b_bp


@ensure(lambda since_ms, result: result >= 3_000)
@ensure(lambda since_ms, result: result <= BP)
@ensure(lambda since_ms, result: since_ms > 0 or result == 3_000)
@ensure(lambda since_ms, result: since_ms < 3_600_000 or result == BP)
def r4(since_ms: int) -> int:
    """Environment: policy time since the last shock; 3,000 rising to 10,000 in one hour."""
    if since_ms <= 0:
        return SHOCK_BP
    if since_ms >= 3_600_000:
        return BP
    return SHOCK_BP + 7 * since_ms // 3_600


@ensure(lambda drawdown_bp, result: result >= 0)
@ensure(lambda drawdown_bp, result: result <= BP)
@ensure(lambda drawdown_bp, result: drawdown_bp > 100 or result == BP)
@ensure(lambda drawdown_bp, result: drawdown_bp < 3_408 or result == 0)
@ensure(lambda drawdown_bp, result: drawdown_bp < 695 or result <= 8_500)
@ensure(lambda drawdown_bp, result: drawdown_bp < 1_284 or result <= 3_300)
@ensure(lambda drawdown_bp, result: drawdown_bp < 1_655 or result <= 1_000)
@ensure(lambda drawdown_bp, result: drawdown_bp > 540 or result >= 9_200)
def r5(drawdown_bp: int) -> int:
    """Capital: drawdown from the audited high-water mark, in bp rounded up, open P&L included."""
    index = drawdown_bp - DRAWDOWN_FREE_BP
    if index <= 0:
        return BP
    if index >= len(R5):
        return 0
    return R5[index]


@require(lambda r1_bp: 0 <= r1_bp <= BP)
@require(lambda r2_bp: 0 <= r2_bp <= BP)
@require(lambda r3_bp: 0 <= r3_bp <= BP)
@require(lambda r4_bp: 0 <= r4_bp <= BP)
@require(lambda r5_bp: 0 <= r5_bp <= BP)
@ensure(lambda result: result >= 0)
@ensure(lambda r1_bp, result: result <= r1_bp)
@ensure(lambda r2_bp, result: result <= r2_bp)
@ensure(lambda r3_bp, result: result <= r3_bp)
@ensure(lambda r4_bp, result: result <= r4_bp)
@ensure(lambda r5_bp, result: result <= r5_bp)
def r_total(r1_bp: int, r2_bp: int, r3_bp: int, r4_bp: int, r5_bp: int) -> int:
    """The product of the five, floored after each factor: never above the real product, never above any factor.

    The one precondition of the kernel, which each of the five functions above and `timing.instrument_bp` guarantee.
    """
    return r1_bp * r2_bp // BP * r3_bp // BP * r4_bp // BP * r5_bp // BP
