"""Check d, orders: no entry that must not leave, no exit that was held back, judged from the record's own numbers.

What belongs here: the safety properties of one ORDER or REDUCE record, written anew from DESIGN 2.3 and 2.4 and not by
the kernel's functions, so that an error there is not repeated here. What an instrument's feed last said is remembered.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from dolphin.kernel.policy import Policy

FULL_MS: Final = 6_000_000
MICRO: Final = 1_000_000
FLOOR_BP: Final = 2_000
STALE_NS: Final = 200_000_000
TRIM_GAP_NS: Final = 60_000_000_000
RUNNING: Final = 0
APEX, STALKER, TURTLE, HIBERNATE = range(4)
TRIM: Final = 25
NO_CAP: Final = -1
EMPTIES: Final = (26, 27)
"""FLATTEN and KILL_FLATTEN: a fall into HIBERNATE and a kill leave nothing, also of what waits for the operator."""


class Wrong(NamedTuple):
    """A property that does not hold: field, expected, actual, requirement, hint."""

    field: str
    expected: str
    actual: str
    requirement: str
    hint: str


class Heard:
    """What feeds and sensors last said, from SEEN, SENSOR, EQUITY, CONFIRM and RESUME records alone."""

    def __init__(self) -> None:
        self.feeds: dict[int, tuple[int, int, int]] = {}
        self.errors: set[str] = set()

    def seen(self, body: Any) -> None:
        """A bad reading renews no due time, and its instrument takes no entry until a good one comes."""
        feed, r3_bp = int(body.feed), int(body.r3_bp)
        if body.error == 0 and FLOOR_BP <= r3_bp <= 10_000:
            self.feeds[feed] = (int(body.due_ns), r3_bp, 0)
        else:
            due_ns, _, _ = self.feeds.get(feed, (0, 0, 1))
            self.feeds[feed] = (due_ns, FLOOR_BP, 1)

    def failing(self, name: str, error: int) -> None:
        """A sensor of R2, R4 or R5 is in error, or is not (0)."""
        if error != 0:
            self.errors.add(name)
        else:
            self.errors.discard(name)

    def forbids(self, feed: int, t_ns: int, no_entry: str, lots: int) -> Wrong | None:
        """The sensor that forbids an entry on this feed's instrument."""
        if self.errors:
            which = ", ".join(sorted(self.errors))
            return Wrong("VERDICT.lots", no_entry, str(lots), "DOL-SENSE-002", f"{which} cannot be read")
        due_ns, _, error = self.feeds.get(feed, (0, 0, 1))
        if error == 1:
            return Wrong("VERDICT.lots", no_entry, str(lots), "DOL-SENSE-004", f"feed {feed} is in error or unheard")
        if t_ns > due_ns + STALE_NS:
            return Wrong("VERDICT.lots", no_entry, str(lots), "DOL-SENSE-003", f"feed {feed} was due at {due_ns}")
        return None

    def restarted(self, t_ns: int) -> None:
        """A confirmed re-arm begins every deadline anew."""
        self.feeds = {index: (max(due, t_ns), r3, error) for index, (due, r3, error) in self.feeds.items()}

    def resumed(self) -> None:
        """After a restart every feed is silent until it speaks again."""
        self.feeds.clear()
        self.errors.discard("R5")


def order(
    policy: Policy, heard: Heard | None, t_ns: int, body: Any, out: tuple[int, ...], verdict: list[Any]
) -> Wrong | None:
    """The first property that this ORDER's VERDICT breaks."""
    lots, exit_lots, cancel, allowed, reason = map(int, verdict[1:])
    asked = max(int(body.lots), 0)
    size = abs(int(body.position_lots))
    opposing = body.named == 1 and int(body.side) * int(body.position_lots) < 0
    if body.reduce_only != 1:
        size = max(size - max(int(body.leaving_lots), 0), 0)
    if not opposing:
        size = 0
    if exit_lots > min(size, asked):
        return Wrong(
            "VERDICT.exit_lots", f"at most {min(size, asked)}, the position that the order names", str(exit_lots),
            "DOL-EXIT-004", "what exceeds the position is an entry",
        )  # fmt: skip
    if lots > asked:
        return Wrong("VERDICT.lots", f"at most the order's {asked}", str(lots), "DOL-ORDER-002", "no order is enlarged")
    if not lots >= exit_lots >= 0:
        return Wrong(
            "VERDICT.lots", "lots >= exit_lots >= 0", f"{lots}, {exit_lots}", "DOL-EXIT-001", "parts of a whole"
        )
    resting = max(int(body.resting_lots), 0)
    if not 0 <= cancel <= resting:
        return Wrong("VERDICT.cancel_lots", f"0..{resting}", str(cancel), "DOL-EXIT-005", "only resting exits may go")
    free = max(size - max(int(body.own_lots), 0), 0)
    if body.taking != 1:
        free = max(free - resting, 0)
    if asked <= free or body.whole != 1:
        if lots < min(asked, free):
            return Wrong(
                "VERDICT.lots", f"at least {min(asked, free)}: the reducing part passes whole", str(lots),
                "DOL-EXIT-001", "exits are never denied",
            )  # fmt: skip
    if lots > exit_lots:
        return _entry(policy, heard, t_ns, body, out, (lots, exit_lots, allowed, reason))
    return None


def _entry(
    policy: Policy, heard: Heard | None, t_ns: int, body: Any, out: tuple[int, ...], verdict: tuple[int, ...]
) -> Wrong | None:
    lots, exit_lots, allowed, _ = verdict
    confidence, posture, mode = out[0], out[1], out[2]
    no_entry = f"{exit_lots}: no entry"
    if mode != RUNNING:
        return Wrong("VERDICT.lots", no_entry, str(lots), "DOL-KILL-002", "the latch is not RUNNING")
    if posture >= TURTLE:
        return Wrong("VERDICT.lots", no_entry, str(lots), "DOL-POSTURE-003", "TURTLE and HIBERNATE take no entry")
    if posture == STALKER:
        if body.taking != 0:
            return Wrong("VERDICT.lots", no_entry, str(lots), "DOL-POSTURE-004", "in STALKER entries rest")
    r3_bp = 10_000
    if heard is not None:
        wrong = heard.forbids(int(body.feed), t_ns, no_entry, lots)
        if wrong is not None:
            return wrong
        r3_bp = heard.feeds[int(body.feed)][1]
    value_u, equity, l_raw = int(body.value_u), int(body.equity), int(body.l_raw_bp)
    if value_u <= 0 or equity <= 0:
        return Wrong("VERDICT.lots", no_entry, str(lots), "DOL-ORDER-004", "no price for the instrument or the equity")
    if body.reduce_only == 1:
        return Wrong("VERDICT.lots", no_entry, str(lots), "DOL-EXIT-004", "a reduce-only order enters nothing")
    ceiling = policy.apex_entry_bp if posture == APEX else policy.stalker_entry_bp
    share = min(confidence, 600 * r3_bp) * max(min(l_raw, 60_000), 0) // FULL_MS
    if allowed > min(ceiling, share):
        return Wrong(
            "VERDICT.allowed_bp", f"at most min(ceiling {ceiling}, share * l_raw {share})", str(allowed),
            "DOL-ORDER-001", "allowed leverage = min(ceiling(posture), share * l_raw)",
        )  # fmt: skip
    if int(body.cap_lots) != NO_CAP:
        if lots - exit_lots > max(int(body.cap_lots), 0):
            return Wrong(
                "VERDICT.lots", f"at most {exit_lots + max(int(body.cap_lots), 0)}", str(lots), "DOL-LIMIT-001",
                f"limit {body.cap} leaves {body.cap_lots} lots of the entry",
            )  # fmt: skip
    entering = -(-(lots - exit_lots) * value_u // MICRO)
    leaving = 0
    if body.taking == 1:
        leaving = exit_lots * value_u // MICRO
    exposure = max(max(int(body.gross), 0) + max(int(body.working), 0) - leaving, 0) + entering
    if exposure * 10_000 > equity * allowed:
        return Wrong(
            "VERDICT.lots", f"gross + working + entry at most {equity * allowed // 10_000:,}", f"{exposure:,}",
            "DOL-ORDER-001", f"leverage would be {exposure / equity:.4f}, allowed {allowed / 10_000:.4f}",
        )  # fmt: skip
    return None


def own(t_ns: int, body: Any, emptied: bool, reduced: list[Any]) -> Wrong | None:
    """The first property that this REDUCE's answer breaks. `emptied`: a trip or a fall of this run has emptied the
    book, and nobody took over what it held; the posture in which a run starts is none.
    """
    lots = int(reduced[1])
    left = max(abs(int(body.position_lots)) - max(int(body.own_lots), 0), 0)
    if not 0 <= lots <= left:
        return Wrong(
            "REDUCED.lots", f"0..{left}: never across zero", str(lots), "DOL-TRIM-001", "own orders only reduce"
        )
    if lots == 0:
        return None
    if body.fresh != 1:
        return Wrong("REDUCED.lots", "0", str(lots), "DOL-TRIM-003", "outside a session or on stale data")
    if int(body.own_lots) > 0:
        return Wrong("REDUCED.lots", "0", str(lots), "DOL-TRIM-005", "one own order is working already")
    if body.adopted == 0:
        if not emptied or int(reduced[2]) not in EMPTIES:
            return Wrong(
                "REDUCED.lots", "0", str(lots), "DOL-TRIM-007", "found at a first live start: wait for the operator"
            )
    if int(reduced[2]) == TRIM:
        if t_ns - int(body.last_ns) < TRIM_GAP_NS:
            return Wrong("REDUCED.lots", "0", str(lots), "DOL-TRIM-004", "one trim a minute and position")
    return None
