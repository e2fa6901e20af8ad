"""Policy time, and what silence makes of a feed (DESIGN.md 2.2).

What belongs here: the map from real ns to policy ms, the whole policy second, the deadlines of one feed, and `planned`,
the one loop over all feeds. Deadlines are real time in every profile; R2 and R4 live on whole policy seconds.
"""

from __future__ import annotations

from dolphin.kernel.contracts import ensure
from dolphin.kernel.policy import CLOCK_BACK_NS, ENVELOPE_FRESH_S, GRACE_NS, STALE_NS, Profile
from dolphin.kernel.state import Clock, Environment, Feed, FeedKind, Plan
from dolphin.kernel.survival import least, r2, r3_silence, r4
from dolphin.kernel.units import ABSENT, BP, MS_PER_S, NEVER_NS, NS_PER_MS, NS_PER_S, never, new

DAILY_NS_PER_MS = 1_440 * NS_PER_MS
"""1.44 s: a minute of policy time is a day."""

_HEARTBEAT = FeedKind.HEARTBEAT
_INTRADAY = Profile.INTRADAY


@ensure(lambda profile, since_ns, result: profile != Profile.INTRADAY or result * NS_PER_MS <= since_ns)
@ensure(lambda profile, since_ns, result: profile != Profile.INTRADAY or since_ns < (result + 1) * NS_PER_MS)
@ensure(lambda profile, since_ns, result: profile == Profile.INTRADAY or result * DAILY_NS_PER_MS <= since_ns)
@ensure(lambda profile, since_ns, result: profile == Profile.INTRADAY or since_ns < (result + 1) * DAILY_NS_PER_MS)
def policy_ms(profile: Profile, since_ns: int) -> int:
    """Whole policy ms in `since_ns` of real time since the anchor; floor, also before the anchor."""
    if profile == Profile.INTRADAY:
        return since_ns // NS_PER_MS
    return since_ns // DAILY_NS_PER_MS


@ensure(lambda before_ns, ts_ns, result: not result or before_ns - ts_ns > NS_PER_S)
@ensure(lambda before_ns, ts_ns, result: result or before_ns - ts_ns <= NS_PER_S)
def regressed(before_ns: int, ts_ns: int) -> bool:
    """Whether a clock that read `before_ns` and now reads `ts_ns` stepped back by more than a second: Category 1."""
    return ts_ns < before_ns - CLOCK_BACK_NS


@ensure(lambda profile, ms, result: policy_ms(profile, result) == ms)
def since_ns(profile: Profile, ms: int) -> int:
    """Real ns since the anchor at which policy time becomes `ms`."""
    if profile == Profile.INTRADAY:
        return ms * NS_PER_MS
    return ms * DAILY_NS_PER_MS


@ensure(lambda ms, result: result <= ms)
@ensure(lambda ms, result: result > ms - MS_PER_S)
@ensure(lambda ms, result: result % MS_PER_S == 0)
def whole_second(ms: int) -> int:
    """The last whole policy second at or before `ms`, in ms."""
    return ms // MS_PER_S * MS_PER_S


@ensure(lambda due_ms, second_ms, result: result * MS_PER_S >= second_ms - due_ms)
@ensure(lambda due_ms, second_ms, result: (result - 1) * MS_PER_S < second_ms - due_ms)
def age_s(due_ms: int, second_ms: int) -> int:
    """Age in whole policy seconds, rounded up, counted from when the next was due."""
    return -((due_ms - second_ms) // MS_PER_S)


@ensure(lambda environment, t_ns, second_ms, result: result >= 0)
@ensure(lambda environment, t_ns, second_ms, result: result <= BP)
@ensure(lambda environment, result: environment.envelope_due_ms != ABSENT or result == BP)
def r2_at(environment: Environment, t_ns: int, second_ms: int) -> int:
    """R2 as of the last whole policy second; 0 once the envelope has been unreadable for 10 real seconds."""
    if environment.envelope_due_ms == ABSENT:
        return BP
    if overdue(environment.envelope_error_ns, t_ns):
        return 0
    return r2(age_s(environment.envelope_due_ms, second_ms))


@ensure(lambda environment, t_ns, second_ms, result: result >= 0)
@ensure(lambda environment, t_ns, second_ms, result: result <= BP)
def r4_at(environment: Environment, t_ns: int, second_ms: int) -> int:
    """R4 as of the last whole policy second; 0 once its source has been unreadable for 10 real seconds."""
    if overdue(environment.shock_error_ns, t_ns):
        return 0
    if environment.shock_ms == ABSENT:
        return BP
    return r4(second_ms - environment.shock_ms)


@ensure(lambda error_ns, t_ns, result: not result or t_ns >= error_ns + 10 * NS_PER_S)
@ensure(lambda error_ns, t_ns, result: not result or error_ns != ABSENT)
@ensure(lambda error_ns, t_ns, result: result or error_ns == ABSENT or t_ns < error_ns + 10 * NS_PER_S)
def overdue(error_ns: int, t_ns: int) -> bool:
    """Whether something has been unreadable since `error_ns` for 10 real seconds."""
    if error_ns == ABSENT:
        return False
    return t_ns >= error_ns + GRACE_NS


@ensure(lambda environment, now_ms, result: result > now_ms)
@ensure(lambda result: result >= NEVER_NS or result % MS_PER_S == 0)
def next_second(environment: Environment, now_ms: int) -> int:
    """The next whole policy second, in ms, at which R2 or R4 may change; NEVER_NS if nothing is changing."""
    soon_ms = whole_second(now_ms) + MS_PER_S
    if environment.shock_ms != ABSENT:
        if r4(soon_ms - MS_PER_S - environment.shock_ms) < BP:
            return soon_ms
    if environment.envelope_due_ms == ABSENT:
        return never(now_ms)
    if r2(age_s(environment.envelope_due_ms, soon_ms - MS_PER_S)) == 0:
        return never(now_ms)
    ageing_ms = whole_second(environment.envelope_due_ms + ENVELOPE_FRESH_S * MS_PER_S) + MS_PER_S
    if ageing_ms > soon_ms:
        return ageing_ms
    return soon_ms


@ensure(lambda feed, t_ns, result: not result or feed.kind == FeedKind.HEARTBEAT)
@ensure(lambda feed, t_ns, result: not result or t_ns >= feed.due_ns + 10 * NS_PER_S)
@ensure(lambda feed, t_ns, result: result or feed.kind != FeedKind.HEARTBEAT or t_ns < feed.due_ns + 10 * NS_PER_S)
def heartbeat_lost(feed: Feed, t_ns: int) -> bool:
    """Whether a heartbeat is 10 real seconds late: Category 1."""
    if feed.kind != FeedKind.HEARTBEAT:
        return False
    return t_ns >= feed.due_ns + GRACE_NS


@ensure(lambda feed, t_ns, result: result or t_ns <= feed.due_ns + 200 * NS_PER_MS)
@ensure(lambda feed, t_ns, result: not result or feed.heard == 0 or t_ns > feed.due_ns + 200 * NS_PER_MS)
def stale(feed: Feed, t_ns: int) -> bool:
    """Whether the feed is silent past its deadband: no entry on its instrument."""
    if feed.heard == 0:
        return True
    return t_ns > feed.due_ns + STALE_NS


@ensure(lambda feed, result: result >= 2_000 or result == feed.r3_bp)
@ensure(lambda result: result <= BP)
@ensure(lambda feed, result: result <= feed.r3_bp)
@ensure(lambda feed, t_ns, result: t_ns < feed.due_ns + 10 * NS_PER_S or result <= 2_000)
def instrument_bp(feed: Feed, t_ns: int) -> int:
    """R3 of one instrument: its reading, or what its silence leaves, in steps at whole real seconds past due."""
    late_ns = t_ns - feed.due_ns
    if late_ns < NS_PER_S:
        return least(feed.r3_bp, BP)
    return least(feed.r3_bp, r3_silence(late_ns // NS_PER_S * MS_PER_S))


@ensure(lambda feed, t_ns, result: result > t_ns)
@ensure(lambda feed, result: result >= NEVER_NS or result <= feed.due_ns + 10 * NS_PER_S)
def feed_deadline_ns(feed: Feed, t_ns: int) -> int:
    """The next real time at which this feed's silence changes something, if it goes on."""
    end_ns = feed.due_ns + GRACE_NS
    if end_ns <= t_ns:
        return never(t_ns)
    if feed.counted != 1:
        return end_ns
    if t_ns < feed.due_ns:
        return feed.due_ns + NS_PER_S
    return feed.due_ns + ((t_ns - feed.due_ns) // NS_PER_S + 1) * NS_PER_S


@ensure(lambda feed, start_ns, result: feed.heard == 1 or result == start_ns)
@ensure(lambda feed, start_ns, result: feed.heard != 1 or result == feed.due_ns + 10 * NS_PER_S)
def feed_credit_ns(feed: Feed, start_ns: int) -> int:
    """Real time up to which this feed lets confidence be earned; its start for one that has not spoken."""
    if feed.heard == 1:
        return feed.due_ns + GRACE_NS
    return start_ns


@ensure(lambda clock, result: result > clock.t_ns)
def second_stop_ns(profile: Profile, clock: Clock, environment: Environment) -> int:
    """Real time of the next whole policy second at which R2 or R4 may change."""
    if environment.envelope_due_ms == ABSENT:
        if environment.shock_ms == ABSENT:
            return never(clock.t_ns)
    second_ms = next_second(environment, policy_ms(profile, clock.t_ns - clock.anchor_ns))
    if second_ms >= NEVER_NS:
        return never(clock.t_ns)
    return clock.anchor_ns + since_ns(profile, second_ms)


@ensure(lambda t_ns, result: result > t_ns)
@ensure(lambda profile, anchor_ns, t_ns, result, rise_ms: result >= NEVER_NS or rise_ms > 0)
@ensure(lambda credit_ns, result: result >= NEVER_NS or result <= credit_ns)
def rise_stop_ns(profile: Profile, anchor_ns: int, t_ns: int, credit_ns: int, rise_ms: int) -> int:
    """Real time at which `rise_ms` more policy ms will have been earned; never where credit ends before that."""
    if rise_ms <= 0:
        return never(t_ns)
    stop_ns = anchor_ns + since_ns(profile, policy_ms(profile, t_ns - anchor_ns) + rise_ms)
    if stop_ns > credit_ns:
        return never(t_ns)
    return stop_ns


@ensure(lambda result: result >= 0)
@ensure(lambda from_ns, to_ns, result: result == 0 or to_ns > from_ns)
@ensure(lambda from_ns, credit_ns, result: result == 0 or credit_ns > from_ns)
@ensure(lambda from_ns, to_ns, result: result * NS_PER_MS <= to_ns - from_ns + NS_PER_MS or to_ns < from_ns)
def earned_ms(profile: Profile, anchor_ns: int, from_ns: int, to_ns: int, credit_ns: int) -> int:
    """Policy ms between two times that confidence may be earned for: up to the horizon; a difference of floors."""
    until_ns = to_ns
    if credit_ns < to_ns:
        until_ns = credit_ns
    if until_ns <= from_ns:
        return 0
    if profile == _INTRADAY:
        return (until_ns - anchor_ns) // NS_PER_MS - (from_ns - anchor_ns) // NS_PER_MS
    return policy_ms(profile, until_ns - anchor_ns) - policy_ms(profile, from_ns - anchor_ns)


@ensure(lambda t_ns, result: result > t_ns)
@ensure(lambda error_ns, result: result >= NEVER_NS or result == error_ns + 10 * NS_PER_S)
def error_deadline_ns(error_ns: int, t_ns: int) -> int:
    """When something unreadable since `error_ns` becomes a fault; never once it has."""
    if error_ns == ABSENT:
        return never(t_ns)
    if error_ns + GRACE_NS <= t_ns:
        return never(t_ns)
    return error_ns + GRACE_NS


def planned(
    profile: Profile, clock: Clock, environment: Environment, equity_error_ns: int, feeds: tuple[Feed, ...]
) -> Plan:
    """The plan at `clock.t_ns`: one pass over all feeds.

    Composed. What a feed adds is `feed_deadline_ns`, `feed_credit_ns`, `instrument_bp` and `heartbeat_lost`, spelled
    out where a feed is not counted: every feed of a book goes through this loop whenever one of them speaks.
    """
    t_ns = clock.t_ns
    start_ns = clock.start_ns
    deadline_ns = credit_ns = never(t_ns)
    if equity_error_ns != ABSENT:
        deadline_ns = least(deadline_ns, error_deadline_ns(equity_error_ns, t_ns))
    if environment.envelope_error_ns != ABSENT:
        deadline_ns = least(deadline_ns, error_deadline_ns(environment.envelope_error_ns, t_ns))
    if environment.shock_error_ns != ABSENT:
        deadline_ns = least(deadline_ns, error_deadline_ns(environment.shock_error_ns, t_ns))
    r3_bp = BP
    lost = 0
    for feed in feeds:
        kind, heard, due_ns, _, _, counted = feed
        end_ns = due_ns + GRACE_NS
        if heard == 1:
            if end_ns < credit_ns:
                credit_ns = end_ns
        elif start_ns < credit_ns:
            credit_ns = start_ns
        if end_ns > t_ns:
            if end_ns < deadline_ns:
                deadline_ns = end_ns
        elif kind == _HEARTBEAT:
            lost = 1
        if counted == 1:
            deadline_ns = least(deadline_ns, feed_deadline_ns(feed, t_ns))
            r3_bp = least(r3_bp, instrument_bp(feed, t_ns))
    second_ns = second_stop_ns(profile, clock, environment)
    return new(Plan, (deadline_ns, second_ns, credit_ns, r3_bp, lost, least(deadline_ns, second_ns)))
