"""What a word, an error, a restart make of one feed, of categories 2 and 4, and of the clock.

What belongs here: functions of one small tuple each, which `handlers` applies to the state.

A bad reading (error set, or R3 out of its range) never does what a good one does: it renews no due time, so that
nothing is earned by it that silence would not have earned.
"""

from __future__ import annotations

from dolphin.kernel.contracts import ensure
from dolphin.kernel.policy import FLOOR_BP
from dolphin.kernel.state import Capital, Clock, Environment, Feed
from dolphin.kernel.survival import least
from dolphin.kernel.units import ABSENT, BP, dated, new


@ensure(lambda r3_bp, result: not result or r3_bp >= 2_000)
@ensure(lambda r3_bp, result: not result or r3_bp <= BP)
@ensure(lambda error, result: not result or error == 0)
def legible(r3_bp: int, error: int) -> bool:
    """Whether a reading is one: no error, and an R3 that the curves can give."""
    if error != 0:
        return False
    if r3_bp < FLOOR_BP:
        return False
    return r3_bp <= BP


@ensure(lambda feed, result: result.kind == feed.kind)
@ensure(lambda feed, result: result.counted == feed.counted)
@ensure(lambda r3_bp, result: result.error == 1 or result.r3_bp == r3_bp)
@ensure(lambda due_ns, result: result.error == 1 or result.due_ns == due_ns)
@ensure(lambda feed, result: result.error == 0 or result.r3_bp <= feed.r3_bp)
@ensure(lambda result: result.error == 0 or result.r3_bp <= 2_000)
@ensure(lambda feed, result: result.error == 0 or result.due_ns == feed.due_ns)
@ensure(lambda error, result: error == 0 or result.error == 1)
def spoken(feed: Feed, due_ns: int, r3_bp: int, error: int) -> Feed:
    """The feed after it spoke; after a bad reading as before, but in error and with its R3 at the floor."""
    if legible(r3_bp, error):
        return new(Feed, (feed.kind, 1, due_ns, r3_bp, 0, feed.counted))
    return Feed(feed.kind, feed.heard, feed.due_ns, least(feed.r3_bp, FLOOR_BP), 1, feed.counted)


@ensure(lambda error, result: error != 0 or result == ABSENT)
@ensure(lambda error_ns, error, result: error == 0 or error_ns == ABSENT or result == error_ns)
@ensure(lambda error, t_ns, result: error == 0 or result != ABSENT or t_ns == ABSENT)
def error_since(error_ns: int, error: int, t_ns: int) -> int:
    """Since when a source is unreadable: the first bad reading, or ABSENT after a good one."""
    if error == 0:
        return ABSENT
    if error_ns != ABSENT:
        return error_ns
    return t_ns


@ensure(lambda environment, error, result: error == 0 or result.envelope_due_ms == environment.envelope_due_ms)
@ensure(lambda due_ms, error, result: error != 0 or result.envelope_due_ms <= due_ms)
@ensure(lambda error, result: error != 0 or result.envelope_due_ms != ABSENT)
@ensure(lambda error, result: error != 0 or result.envelope_error_ns == ABSENT)
@ensure(lambda environment, result: result.shock_ms == environment.shock_ms)
@ensure(lambda environment, result: result.shock_error_ns == environment.shock_error_ns)
def enveloped(environment: Environment, due_ms: int, error: int, t_ns: int) -> Environment:
    """Category 2 after an envelope came: young again, or unreadable and ageing on."""
    since_ns = error_since(environment.envelope_error_ns, error, t_ns)
    if error != 0:
        due_ms = environment.envelope_due_ms
    else:
        due_ms = dated(due_ms)
    return Environment(due_ms, since_ns, environment.shock_ms, environment.shock_error_ns)


@ensure(
    lambda feed, counted, result: result == Feed(feed.kind, feed.heard, feed.due_ns, feed.r3_bp, feed.error, counted)
)
def counting(feed: Feed, counted: int) -> Feed:
    """The feed with its R3 counted for the book, or not."""
    return Feed(feed.kind, feed.heard, feed.due_ns, feed.r3_bp, feed.error, counted)


@ensure(lambda result: result.shock_ms != ABSENT)
@ensure(lambda now_ms, result: result.shock_ms in (now_ms, now_ms - 1))
@ensure(lambda environment, result: result.envelope_due_ms == environment.envelope_due_ms)
@ensure(lambda environment, result: result.envelope_error_ns == environment.envelope_error_ns)
@ensure(lambda environment, result: result.shock_error_ns == environment.shock_error_ns)
def shocked(environment: Environment, now_ms: int) -> Environment:
    """Category 4 after a shock: R4 starts again; shocks do not stack."""
    return Environment(
        environment.envelope_due_ms, environment.envelope_error_ns, dated(now_ms), environment.shock_error_ns
    )


@ensure(lambda environment, result: result.envelope_due_ms == environment.envelope_due_ms)
@ensure(lambda environment, result: result.shock_ms == environment.shock_ms)
@ensure(
    lambda environment, category, result: category == 2 or result.envelope_error_ns == environment.envelope_error_ns
)
@ensure(lambda environment, category, result: category == 4 or result.shock_error_ns == environment.shock_error_ns)
@ensure(lambda category, error, result: category != 2 or error != 0 or result.envelope_error_ns == ABSENT)
@ensure(lambda category, error, result: category != 4 or error != 0 or result.shock_error_ns == ABSENT)
def sensed(environment: Environment, category: int, error: int, t_ns: int) -> Environment:
    """Category 2 or 4 as unreadable since its first bad reading, or readable again."""
    if category == 2:
        since_ns = error_since(environment.envelope_error_ns, error, t_ns)
        return Environment(environment.envelope_due_ms, since_ns, environment.shock_ms, environment.shock_error_ns)
    if category == 4:
        since_ns = error_since(environment.shock_error_ns, error, t_ns)
        return Environment(environment.envelope_due_ms, environment.envelope_error_ns, environment.shock_ms, since_ns)
    return environment


@ensure(lambda environment, result: result or environment.envelope_error_ns == ABSENT)
@ensure(lambda environment, result: result or environment.shock_error_ns == ABSENT)
@ensure(lambda capital, result: result or capital.error_ns == ABSENT)
def unreadable(environment: Environment, capital: Capital) -> bool:
    """Whether R2, R4 or R5 is in error: the last values hold, and nothing enters."""
    if environment.envelope_error_ns != ABSENT:
        return True
    if environment.shock_error_ns != ABSENT:
        return True
    return capital.error_ns != ABSENT


@ensure(lambda feed, result: result.due_ns >= feed.due_ns)
@ensure(lambda t_ns, result: result.due_ns >= t_ns)
@ensure(lambda feed, t_ns, result: result.due_ns in (feed.due_ns, t_ns))
@ensure(lambda feed, result: result.heard == feed.heard)
@ensure(lambda feed, result: result.r3_bp == feed.r3_bp)
@ensure(lambda feed, result: result.error == feed.error)
def restarted(feed: Feed, t_ns: int) -> Feed:
    """The feed with its deadline begun anew, never earlier than it was."""
    if feed.due_ns >= t_ns:
        return feed
    return Feed(feed.kind, feed.heard, t_ns, feed.r3_bp, feed.error, feed.counted)


@ensure(lambda result: result.heard == 0)
@ensure(lambda t_ns, result: result.due_ns == t_ns)
@ensure(lambda feed, result: result.kind == feed.kind)
@ensure(lambda feed, result: result.r3_bp == feed.r3_bp)
@ensure(lambda feed, result: result.error == feed.error)
@ensure(lambda feed, result: result.counted == feed.counted)
def silenced(feed: Feed, t_ns: int) -> Feed:
    """The feed after a restart: it counts as silent since then."""
    return Feed(feed.kind, 0, t_ns, feed.r3_bp, feed.error, feed.counted)


@ensure(lambda clock, ts_ns, result: result.t_ns >= clock.t_ns)
@ensure(lambda clock, ts_ns, result: result.t_ns >= ts_ns)
@ensure(lambda result: result.start_ns == result.t_ns)
@ensure(lambda clock, result: result.anchor_ns == clock.anchor_ns)
def resumed(clock: Clock, ts_ns: int) -> Clock:
    """The clock after a restart: credit begins anew, the anchor stays."""
    if ts_ns < clock.t_ns:
        ts_ns = clock.t_ns
    return Clock(clock.anchor_ns, ts_ns, ts_ns)
