"""The public surface, for who embeds Dolphin without the plug-in, or asks it from a strategy.

What belongs here: thin classes over the kernel's pure functions; nothing is decided here. Units are in the names: bp
(10,000 is one), ms and ns, lots of the instrument, money in minor units at the exit side, `value_u` micro-units of
money a lot. Everything is an integer: a float, NaN included, is a TypeError, since rounding is the caller's to decide;
so is a bool where a number is meant.

A `Survival` is not thread-safe: one book, one thread. Times never run back; an event up to a second before the latest
is judged at the latest, more is a fault that latches the kill switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dolphin.journal import Journal
from dolphin.journal.codec import encode, policy_hash, policy_object
from dolphin.kernel import handlers, machine, sizer, trimming
from dolphin.kernel.events import (
    KIND,
    Answer,
    Arm,
    Confirm,
    Counted,
    Effect,
    Equity,
    Event,
    Fault,
    Flow,
    Kill,
    Order,
    Seen,
    Shock,
    Tick,
    Verdict,
)
from dolphin.kernel.policy import DAILY, INTRADAY, Policy, Posture, problems
from dolphin.kernel.reasons import REQUIREMENT, Cause, Reason
from dolphin.kernel.state import FeedKind, Mode, State
from dolphin.kernel.units import FULL_MS

__all__ = [
    "DAILY",
    "INTRADAY",
    "Cause",
    "Decision",
    "FeedKind",
    "Journal",
    "KillSwitch",
    "Mode",
    "Policy",
    "Posture",
    "Reason",
    "RiskGate",
    "RiskMetrics",
    "Sizer",
    "Survival",
    "create_journal",
    "load_policy",
]


def load_policy(path: str | Path) -> Policy:
    """The policy in `[policy]` of a TOML file. `UserError` (dolphin.app.errors) names file, line and key."""
    from dolphin.app.config import load_policy as load

    return load(path)


def _whole(**values: object) -> None:
    """TypeError for what is no integer: a float, NaN included, and a bool, which is a slip and not the number 1."""
    for name, value in values.items():
        if isinstance(value, bool):
            raise TypeError(f"{name}: {value!r} is no integer but a bool; it would have counted as {int(value)}")
        if not isinstance(value, int):
            raise TypeError(f"{name}: {value!r} is no integer; round it to the safe side first")


class Survival:
    """One book: readings in; confidence, posture and allowed leverage out.

    `feeds`: name to kind of each source (DATA for an instrument, HEARTBEAT, ENVELOPE, ENVIRONMENT). Nothing is earned
    before every feed has spoken, nor 10 real seconds after one fell silent. `confidence_ms`: 6,000,000 (full) for a
    backtest, 0 for a live start. `journal`: where each event is recorded, with its outcome, before the call returns;
    JournalError from it latches nothing by itself, the caller decides.
    """

    def __init__(
        self,
        policy: Policy = INTRADAY,
        *,
        start_ns: int,
        feeds: Mapping[str, FeedKind] | None = None,
        confidence_ms: int = FULL_MS,
        journal: Journal | None = None,
    ) -> None:
        found = problems(policy)
        if found:
            raise ValueError("; ".join(found))
        _whole(start_ns=start_ns, confidence_ms=confidence_ms)
        self.policy = policy
        self.journal = journal
        named = dict(feeds or {})
        self._index = {name: index for index, name in enumerate(named)}
        envelope = FeedKind.ENVELOPE in named.values()
        self._state = machine.start(
            policy, start_ns, tuple(named.values()), confidence_ms=confidence_ms, envelope=envelope
        )

    # --- readings -----------------------------------------------------------------------------------------------------

    def step(self, event: Event) -> tuple[Effect, ...]:
        """Apply one kernel event (dolphin.kernel.events) and record it; what is to be done about it. Total."""
        _whole(**dict(zip(event._fields, event, strict=True)))
        self._state, effects = machine.step(self.policy, self._state, event)
        if self.journal is not None:
            self.journal.append(event.ts_ns, KIND[type(event)], encode(event, effects, self._state))
        return effects

    def tick(self, ts_ns: int) -> tuple[Effect, ...]:
        """Time passed; nothing else is known."""
        return self.step(Tick(ts_ns))

    def seen(
        self, feed: str, ts_ns: int, due_ns: int, r3_bp: int = 10_000, *, error: bool = False
    ) -> tuple[Effect, ...]:
        """A feed spoke; its next is due at `due_ns`. `error`: the reading is non-finite, negative or missing.

        KeyError: no feed of that name.
        """
        return self.step(Seen(ts_ns, self.index(feed), due_ns, r3_bp, int(error)))

    def counted(self, feed: str, ts_ns: int, counted: bool) -> tuple[Effect, ...]:
        """The instrument has exposure or working orders, so that its R3 counts for the book; or has none any more."""
        return self.step(Counted(ts_ns, self.index(feed), int(counted)))

    def equity(
        self, ts_ns: int, equity: int, *, gross: int = 0, flat: bool = False, stood: bool = False
    ) -> tuple[Effect, ...]:
        """A sample of the account, minor units. `gross`: sum of |position| at the exit side. `stood`: a bar's close."""
        return self.step(Equity(ts_ns, equity, gross, int(flat), int(stood)))

    def equity_unreadable(self, ts_ns: int) -> tuple[Effect, ...]:
        """The account cannot be priced: no entry, and a fault after 10 real seconds."""
        return self.step(Equity(ts_ns, 0, error=1))

    def flow(self, ts_ns: int, amount: int) -> tuple[Effect, ...]:
        """A deposit (positive) or withdrawal: it scales the mark, so that it changes no drawdown."""
        return self.step(Flow(ts_ns, amount))

    def shock(self, ts_ns: int) -> tuple[Effect, ...]:
        """A detector of category 4 fired."""
        return self.step(Shock(ts_ns))

    def fault(self, ts_ns: int, cause: Cause) -> tuple[Effect, ...]:
        """A Category 1 fault: the kill switch latches in this step."""
        return self.step(Fault(ts_ns, cause))

    # --- answers ------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """All that a decision rests on; immutable."""
        return self._state

    @property
    def confidence_ms(self) -> int:
        """0 to 6,000,000, as of the last event."""
        return self._state.filter.confidence_ms

    @property
    def posture(self) -> Posture:
        """As of the last event."""
        return self._state.filter.posture

    @property
    def r_bp(self) -> tuple[int, int, int, int, int]:
        """R1 to R5, each 0 to 10,000."""
        found = self._state.readings
        return (found.r1_bp, found.r2_bp, found.r3_bp, found.r4_bp, found.r5_bp)

    def allowed_entry_bp(self, l_raw_bp: int | None = None) -> int:
        """Leverage in bp up to which entries may take the book; 0 in TURTLE and HIBERNATE."""
        return sizer.allowed_entry_bp(self.policy, self.posture, self.confidence_ms, self._l_raw(l_raw_bp))

    def allowed_held_bp(self, l_raw_bp: int | None = None) -> int:
        """Leverage in bp up to which positions may be held; what is above, by more than the band, is trimmed."""
        return sizer.allowed_held_bp(self.policy, self.posture, self.confidence_ms, self._l_raw(l_raw_bp))

    def index(self, feed: str) -> int:
        """The place of a feed in the header's list; KeyError names those there are."""
        if feed not in self._index:
            raise KeyError(f"{feed!r}: no such feed; there are {', '.join(self._index) or 'none'}")
        return self._index[feed]

    def header(self) -> dict[str, Any]:
        """What a journal's HEADER must say, so that its fold is this book (`create_journal` writes it)."""
        start = self._state.clock
        return {
            "policy": policy_object(self.policy),
            "start_ns": start.start_ns,
            "anchor_ns": start.anchor_ns,
            "confidence_ms": self.confidence_ms,
            "envelope": int(FeedKind.ENVELOPE in [feed.kind for feed in self._state.feeds]),
            "feeds": [
                {"name": name, "kind": self._state.feeds[index].kind.name} for name, index in self._index.items()
            ],
        }

    def _l_raw(self, given: int | None) -> int:
        if given is None:
            return self.policy.l_raw_bp
        _whole(l_raw_bp=given)
        return given


def create_journal(path: str | Path, survival: Survival) -> Journal:
    """Start the journal of a `Survival` that has seen no event yet, and record into it from now on. JournalError."""
    header = survival.header()
    start_ns = survival.state.clock.start_ns
    journal = Journal.create(str(path), header, policy_hash=policy_hash(survival.policy), ts_ns=start_ns)
    survival.journal = journal
    return journal


class Sizer:
    """AlphaBetSizer: how much leverage the evidence and the posture allow."""

    def __init__(self, survival: Survival) -> None:
        self._survival = survival

    def l_raw_bp(self, mean_lcb: int, variance_ucb: int, samples: int, samples_min: int) -> int:
        """clip(kappa * LCB(mean) / UCB(variance), 0, 6.0) in bp; 0 where the sample is too small.

        Mean and variance per period, in one scale (1e-9, say).
        """
        _whole(mean_lcb=mean_lcb, variance_ucb=variance_ucb, samples=samples, samples_min=samples_min)
        return sizer.l_raw(self._survival.policy.kappa_bp, mean_lcb, variance_ucb, samples, samples_min)

    def target_lots(self, equity: int, value_u: int, l_raw_bp: int | None = None) -> int:
        """Most lots to hold now: equity * min(ceiling, share * l_raw), towards zero to the lot; 0 where unpriced."""
        _whole(equity=equity, value_u=value_u)
        book = self._survival
        wanted = book._l_raw(l_raw_bp)
        return sizer.target_lots(book.policy, book.posture, book.confidence_ms, equity, value_u, wanted)


class KillSwitch:
    """The latch of a `Survival`: trip it at once, end an episode in two steps."""

    def __init__(self, survival: Survival) -> None:
        self._survival = survival

    @property
    def mode(self) -> Mode:
        """RUNNING, KILLED or ARM_PENDING."""
        return self._survival.state.latch.mode

    @property
    def episode(self) -> int:
        """Counts kills; the arm must name the present one."""
        return self._survival.state.latch.episode

    def kill(self, ts_ns: int) -> None:
        """Latch: confidence 0 and HIBERNATE in this step. While KILLED it changes nothing."""
        self._survival.step(Kill(ts_ns))

    def arm(
        self, ts_ns: int, *, episode: int, nonce: int, observed_flat: bool, accepted: bool = False, holding: int = -1
    ) -> Reason:
        """First step: ARMED, or why not. `nonce`: drawn afresh (secrets.randbelow(2**53)). `holding`: -1 unknown."""
        return self._answer(Arm(ts_ns, episode, nonce, int(observed_flat), int(accepted), holding))

    def confirm(self, ts_ns: int, *, nonce: int, holding: int) -> Reason:
        """Second step, 60 s later at least: CONFIRMED at confidence 0, or why not. `holding`: 0, or as accepted."""
        return self._answer(Confirm(ts_ns, nonce, holding))

    def _answer(self, event: Event) -> Reason:
        for effect in self._survival.step(event):
            if isinstance(effect, Answer):
                return effect.reason
        raise AssertionError("the kernel answers every request")


class Decision(NamedTuple):
    """What may leave: `lots` of the order (0: denied), of which `exit_lots` reduce; `cancel_lots` of resting exits go.

    `allowed_bp`: the entry leverage that was allowed. `requirement`: the id that the reason answers to.
    """

    lots: int
    exit_lots: int
    cancel_lots: int
    allowed_bp: int
    reason: Reason
    requirement: str


class RiskMetrics(NamedTuple):
    """A book at a glance, as of the last event."""

    posture: Posture
    confidence_ms: int
    r_bp: tuple[int, int, int, int, int]
    drawdown_bp: int
    equity: int
    mark: int
    mode: Mode
    episode: int
    allowed_entry_bp: int
    allowed_held_bp: int


class RiskGate:
    """Judges orders and limits of a book, as the plug-in's gate does, for who sends his orders himself."""

    def __init__(self, survival: Survival) -> None:
        self._survival = survival

    def validate_order(
        self,
        ts_ns: int,
        *,
        feed: str,
        side: int,
        lots: int,
        value_u: int,
        equity: int,
        gross: int,
        working: int = 0,
        position_lots: int = 0,
        named: bool = True,
        taking: bool = True,
        reduce_only: bool = False,
        whole: bool = False,
        resting_lots: int = 0,
        own_lots: int = 0,
        min_lots: int = 1,
        l_raw_bp: int | None = None,
        leaving_lots: int = 0,
    ) -> Decision:
        """Judge one order. What shrinks the named position passes whole; the rest is an entry, and is earned.

        `side` +1 buys, -1 sells. `position_lots`: signed, of the position that the order names (`named`). `gross`: sum
        of |position|, `working`: all other working entries, both in minor units. `taking`: executes at once or may.
        `resting_lots`: the other working exits of that position; `leaving_lots`: those that execute at once and are on
        their way, so that "close, then open" is one exit and one entry. ValueError: side; KeyError: feed; TypeError:
        float.
        """
        if side not in (1, -1):
            raise ValueError(f"side: {side!r}; accepted 1 (buy), -1 (sell)")
        book = self._survival
        wanted = book._l_raw(l_raw_bp)
        effects = book.step(
            Order(
                ts_ns, book.index(feed), side, lots, int(taking), int(named), int(reduce_only), int(whole),
                position_lots, resting_lots, own_lots, min_lots, value_u, gross, working, equity, wanted,
                leaving_lots,
            )
        )  # fmt: skip
        for effect in effects:
            if isinstance(effect, Verdict):
                return Decision(*effect, REQUIREMENT[effect.reason])
        raise AssertionError("the kernel answers every order")

    def check_risk_limits(self, *, equity: int, gross: int, l_raw_bp: int | None = None) -> tuple[str, ...]:
        """What is above its limit now, each as `what: found, allowed [requirement]`; empty if nothing is."""
        _whole(equity=equity, gross=gross)
        book = self._survival
        wanted = book._l_raw(l_raw_bp)
        found = []
        if book.state.latch.mode != Mode.RUNNING:
            found.append(f"latch: {book.state.latch.mode.name}, allowed RUNNING [{REQUIREMENT[Reason.KILLED]}]")
        standing = handlers.standing(book.state, -1)
        if standing.unreadable:
            found.append(f"readings: unreadable, no entry [{REQUIREMENT[Reason.SENSOR_ERROR]}]")
        most = trimming.held_limit(book.policy, standing, equity, wanted)
        if trimming.excess(book.policy, most, gross) > 0:
            found.append(f"held: {gross}, allowed {most} and the band [{REQUIREMENT[Reason.TRIM]}]")
        return tuple(found)

    def get_risk_metrics(self) -> RiskMetrics:
        """The book at a glance."""
        book = self._survival
        state = book.state
        return RiskMetrics(
            book.posture,
            book.confidence_ms,
            book.r_bp,
            state.capital.drawdown_bp,
            state.capital.equity,
            state.capital.mark,
            state.latch.mode,
            state.latch.episode,
            book.allowed_entry_bp(),
            book.allowed_held_bp(),
        )
