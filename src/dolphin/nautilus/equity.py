"""When a sample of the account becomes an EQUITY record (docs/design/flight-core.md, quick readings, few records).

What belongs here: the rules of that, and Exposure, which says which instruments' R3 the book takes; no reading.

A sample is told where the kernel would know something else by it: a changed drawdown in bp, a changed flat, an error
that begins or ends, more held than may be; and a possible rise of the mark, at most once a policy second, by steps of
1 bp or once the mark's window has passed: a mark that is less than 1 bp too low changes no drawdown.
"""

from __future__ import annotations

from dolphin.kernel.capital import drawdown
from dolphin.kernel.events import Counted, Equity, Event
from dolphin.kernel.handlers import standing
from dolphin.kernel.policy import MARK_WINDOW_NS, Policy, Profile
from dolphin.kernel.sizer import limit
from dolphin.kernel.state import Feed, Filter, State
from dolphin.kernel.timing import DAILY_NS_PER_MS
from dolphin.kernel.trimming import excess, held_limit
from dolphin.kernel.units import ABSENT, BP, MS_PER_S, NS_PER_S
from dolphin.nautilus.book import Book
from dolphin.nautilus.feeds import Feeds
from dolphin.nautilus.values import Sample

TRIM_AGAIN_NS = 60 * NS_PER_S
MOVE_BP = 10
"""A verdict takes a sample where equity is this far from the last one: its posture must know of a crash, too."""


def second_ns(policy: Policy) -> int:
    """A policy second in real ns."""
    if policy.profile == Profile.DAILY:
        return DAILY_NS_PER_MS * MS_PER_S
    return NS_PER_S


class Sampler:
    """Remembers what was told last."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._second_ns = second_ns(policy)
        self._told_ns = ABSENT
        self._told = 0
        self._excess_ns = ABSENT
        self._filter: Filter | None = None
        self._held_bp = 0
        """Leverage that may be held under that filter: what it lets one hold of 10,000."""

    def event(self, state: State, sample: Sample, now_ns: int, stood: bool) -> Equity | None:
        """The event that this sample is worth, or None."""
        if sample.known == 0:
            return None
        if not self._tells(state, sample, now_ns):
            return None
        self._told_ns = now_ns
        self._told = sample.equity
        if sample.error == 1:
            return Equity(now_ns, 0, sample.gross, 0, 0, 1)
        return Equity(now_ns, sample.equity, sample.gross, sample.flat, int(stood), 0)

    def _tells(self, state: State, sample: Sample, now_ns: int) -> bool:
        capital = state.capital
        if sample.error == 1:
            return capital.error_ns == ABSENT
        if capital.error_ns != ABSENT:
            return True
        if sample.flat != capital.flat:
            return True
        if capital.mark == 0:
            return True
        if drawdown(capital.mark, sample.equity) != capital.drawdown_bp:
            return True
        if sample.equity > capital.mark:
            if self._may_rise(state, sample, now_ns):
                return True
        return self._exceeds(state, sample, now_ns)

    def _may_rise(self, state: State, sample: Sample, now_ns: int) -> bool:
        if now_ns - self._told_ns < self._second_ns:
            return False
        if abs(sample.equity - self._told) * BP >= state.capital.mark:
            return True
        return now_ns - self._told_ns > MARK_WINDOW_NS

    def _exceeds(self, state: State, sample: Sample, now_ns: int) -> bool:
        if sample.gross == 0:
            return False
        if state.filter != self._filter:
            self._filter = state.filter
            self._held_bp = held_limit(self._policy, standing(state, -1), BP, self._policy.l_raw_bp)
        most = limit(sample.equity, self._held_bp)
        if excess(self._policy, most, sample.gross) == 0:
            self._excess_ns = ABSENT
            return False
        if self._excess_ns != ABSENT:
            if now_ns - self._excess_ns < TRIM_AGAIN_NS:
                return False
        self._excess_ns = now_ns
        return True


class Exposure:
    """Knows which instruments' R3 counts for the book: those held or worked in."""

    def __init__(self, book: Book, feeds: Feeds) -> None:
        self._book = book
        self._feeds = feeds
        self._looked: tuple[int, tuple[Feed, ...]] = (-1, ())

    def events(self, state: State, now_ns: int) -> list[Event]:
        """COUNTED for each feed whose instrument began or ceased to have exposure or working orders."""
        looked = (self._book.version, state.feeds)
        if looked == self._looked:
            return []
        self._looked = looked
        exposed = dict.fromkeys([line.number for line in self._feeds.by_instrument.values()], 0)
        for group in self._book.groups.values():
            line = self._feeds.line_of(group.instrument)
            if line is not None:
                exposed[line.number] = 1
        events: list[Event] = []
        for index, value in exposed.items():
            if state.feeds[index].counted != value:
                events.append(Counted(now_ns, index, value))
        return events


def moved(state: State, sample: Sample) -> bool:
    """Whether equity is MOVE_BP of the mark or more from what the kernel was told last."""
    return abs(sample.equity - state.capital.equity) * BP >= MOVE_BP * state.capital.mark


def late(feeds: tuple[Feed, ...], now_ns: int) -> bool:
    """Whether a feed is due by what the kernel knows. Its sensor may know of rows that came since and were worth no
    SEEN when they were read: who asks it again does not take good ticks for silence.
    """
    for feed in feeds:
        if feed.due_ns <= now_ns:
            return True
    return False
