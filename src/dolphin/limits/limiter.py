"""The limits of one book at work: what the plug-in asks (dolphin.nautilus.ports.Limiter).

What belongs here: which limits are in force, what is proposed, and the answer to an order in the plug-in's words. What
each limit leaves is check.py's, what changes at once config.py's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from dolphin.kernel.units import ABSENT
from dolphin.limits.check import CHECKS, asked, binding
from dolphin.limits.codes import SPECS, Code, Mode
from dolphin.limits.config import NOTHING, OFF, Limits, Rule, change, from_object, horizon_ns, to_object, too_long
from dolphin.limits.facts import Facts, Names, Remembered, facts_of, names_of
from dolphin.limits.facts import said as in_journal
from dolphin.limits.grouping import Groups, Scenarios
from dolphin.limits.held import Held
from dolphin.limits.history import BadHistory, History, windows
from dolphin.limits.memory import Memory
from dolphin.limits.returns import Returns
from dolphin.limits.simulated import NOT_SIMULATED, Simulation
from dolphin.nautilus.ports import NOT_LOADED, UNCAPPED, Capped, Left, Loaded, Looked, Priced

WAIT_NS: Final = 60 * 1_000_000_000
LIFE_NS: Final = 86_400 * 1_000_000_000
"""A proposal is confirmed a minute after it was made at the earliest, and within a day."""

_ROWS: Final = frozenset(
    (
        Code.POSITION,
        Code.NET_LEVERAGE,
        Code.FREE_MARGIN,
        Code.VENUE_EXPOSURE,
        Code.STRATEGY_EXPOSURE,
        Code.SECTOR_EXPOSURE,
        Code.GROUP_EXPOSURE,
        Code.STRESS_LOSS,
        Code.VAR,
        Code.CVAR,
        Code.GAP_SIGMA,
    )
)
_RETURNS: Final = (Code.VAR, Code.CVAR, Code.GAP_SIGMA)
_LISTS: Final = frozenset((Code.ORDER_QUANTITY, Code.ORDER_NOTIONAL))


class Proposal(NamedTuple):
    """Looser limits that wait for the second step."""

    nonce: int
    ts_ns: int
    limits: Limits


class Limiter:
    """Judges orders by the limits in force, and changes these in one step or two."""

    def __init__(self, limits: Limits = NOTHING, history: History | None = None) -> None:
        self._history = history
        self.memory = Memory()
        self.returns = Returns()
        self._proposal: Proposal | None = None
        self._use(limits)

    def _use(self, limits: Limits) -> None:
        self.limits = limits
        self._asked = asked(limits)
        self._rules = dict(limits.rules)
        codes = set(self._rules)
        self.active = bool(codes)
        self.wants_rows = bool(codes & _ROWS)
        self.wants_lists = bool(codes & _LISTS)
        self.wants_age = Code.STALE_PRICE in codes
        self.wants_crossing = Code.SELF_TRADE in codes
        self.wants_margin = Code.FREE_MARGIN in codes
        self._simulates = not codes.isdisjoint(_RETURNS)
        self._simulation = Simulation(self._rules)
        self._keep(horizon_ns(limits))
        self._keeps_day = Code.DAILY_LOSS in codes
        self._sectors = Groups(self._rule(Code.SECTOR_EXPOSURE))
        self._groups = Groups(self._rule(Code.GROUP_EXPOSURE))
        self._scenarios = Scenarios(self._rule(Code.STRESS_LOSS))
        self._restricted = frozenset(self._rule(Code.RESTRICTED).names)
        self._rate = self._rule(Code.ORDER_RATE)
        self._duplicate = self._rule(Code.DUPLICATE)
        self._repeated = self._rule(Code.REPEATED_EXECUTION)

    def _keep(self, horizon_ns: int) -> None:
        """Returns over the longest of the horizons, which holds for all; those over another are forgotten."""
        self.wants_prices = horizon_ns > 0
        if horizon_ns != self.returns.horizon_ns:
            self.returns = Returns(horizon_ns)

    def _rule(self, code: Code) -> Rule:
        return self._rules.get(code, OFF)

    # --- orders -------------------------------------------------------------------------------------------------------

    def facts(self, looked: Looked, held: Held) -> tuple[Names, Facts]:
        """What this order is judged on; `held`: the sums over its rows."""
        memory = self.memory
        ts_ns = looked.order.ts_ns
        twin_age_ns = ABSENT
        if looked.fresh and memory.twins:
            twin_ns = memory.twins.get(_content(looked), None)
            if twin_ns is not None:
                twin_age_ns = max(ts_ns - twin_ns, 0)
        loss = memory.day.loss(ts_ns, looked.order.equity)
        sector = self._sectors.used(looked, held)
        group = self._groups.used(looked, held)
        worst = self._scenarios.worst(looked, held)
        simulated = NOT_SIMULATED
        if self._simulates:
            simulated = self._simulation.of(self.returns, looked, held)
        known = Remembered(
            int(looked.instrument in self._restricted),
            memory.entries.count(ts_ns, self._rate.window_ns) + looked.before, twin_age_ns, self._stopped(looked),
            int(loss is not None), loss or 0, sector.name, sector.minor, group.name, group.minor, worst.loss,
            worst.taken_bp, simulated,
        )  # fmt: skip
        return names_of(looked, known), facts_of(looked, known, held)

    def _stopped(self, looked: Looked) -> int:
        """1 where its strategy entered too often, the parts of its list that were judged before it counted."""
        if looked.strategy in self.memory.stopped:
            return 1
        if not looked.before or self._repeated.mode == Mode.OFF:
            return 0
        count = self.memory.within(looked.strategy, looked.order.ts_ns, self._repeated.window_ns) + looked.before
        return int(count >= self._repeated.value_for(looked.strategy))

    def cap(self, looked: Looked) -> Capped:
        """What the limits leave of an order's entry part."""
        names, facts = self.facts(looked, Held(looked.rows))
        if facts.entry_lots <= 0:
            return UNCAPPED
        found = binding(self._asked, names, facts)
        if found.code == Code.NONE:
            if not found.passive:
                return UNCAPPED
        passive = [SPECS[code].name for code in found.passive]
        said: dict[str, Any] = {}
        if found.code != Code.NONE:
            said["limit"] = SPECS[found.code].name
        if passive:
            said["passive"] = passive
        said |= in_journal(names, facts)
        return Capped(found.lots, int(found.code), words(found.code), " ".join(passive), said)

    def left(self, looked: Looked) -> Left:
        """An entry of this order leaves: it is counted, and its strategy may enter no more where that says so."""
        memory = self.memory
        ts_ns = looked.order.ts_ns
        content: tuple[Any, ...] = ()
        memory.entries.add(ts_ns)
        if looked.fresh and self._duplicate.mode != Mode.OFF:
            content = _content(looked)
            memory.twin(content, ts_ns, self._duplicate.window_ns)
        return Left(ts_ns, looked.strategy, content, self._repeats(looked.strategy, ts_ns))

    def _repeats(self, strategy: str, ts_ns: int) -> str:
        rule = self._repeated
        if rule.mode == Mode.OFF:
            return ""
        most = rule.value_for(strategy)
        memory = self.memory
        if memory.repeated(strategy, ts_ns, rule.window_ns) < most or strategy in memory.stopped:
            return ""
        memory.stopped.add(strategy)
        return f"{words(Code.REPEATED_EXECUTION)}: {strategy} had {most} entries; `dolphin limits enable`"

    def back(self, left: Left) -> str:
        """An entry that was counted did not leave: it is counted no more, and stops nobody."""
        memory = self.memory
        memory.entries.remove(left.ts_ns)
        memory.untwin(left.content, left.ts_ns)
        if not memory.unrepeated(left.strategy, left.ts_ns) or left.strategy not in memory.stopped:
            return ""
        if memory.within(left.strategy, left.ts_ns, self._repeated.window_ns) >= self._repeated.value_for(
            left.strategy
        ):
            return ""
        memory.stopped.discard(left.strategy)
        return f"{words(Code.REPEATED_EXECUTION)}: {left.strategy} may enter again, one of its entries did not leave"

    def enable(self, strategy: str) -> dict[str, Any]:
        """The operator lets a strategy enter again."""
        if self.memory.enable(strategy):
            return {"enabled": strategy}
        stopped = ", ".join(sorted(self.memory.stopped)) or "none"
        return {"ok": False, "error": f"strategy {strategy!r} is not stopped; stopped are: {stopped}"}

    def sampled(self, ts_ns: int, equity: int) -> bool:
        """A reading of equity; whether the journal must know, since another day has begun with it.

        The day is kept while its limit is off, so that one that is switched on measures from where the day began.
        """
        return self.memory.day.sample(ts_ns, equity) and self._keeps_day

    def priced(self, ts_ns: int, prices: Sequence[Priced]) -> bool:
        """Prices as they are; whether a row of returns was closed, which the journal must know."""
        return self.returns.look(ts_ns, prices)

    def load(self, ts_ns: int, ones: Mapping[str, Priced]) -> Loaded:
        """At a start: the returns that the file of closes gives, where they say more than those of the journal.
        BadHistory: it is wrong, and the journal has none.
        """
        before, history = self.returns, self._history
        self._history = None  # the file is looked at once, and may be long
        if history is None or not before.horizon_ns:
            return NOT_LOADED
        try:
            begun = windows(history, before.horizon_ns, ts_ns, ones)
        except BadHistory as error:
            if not before.rows():
                raise
            return Loaded(f"{error}. The returns of the journal stand")
        if not begun.returns.knows_more(before):
            return NOT_LOADED
        self.returns = begun.returns
        rows = begun.returns.rows()
        said = f"returns begin with {history.path}: {', '.join(f'{n} of {name}' for name, n in rows.items())}"
        left_out = (*begun.left_out, *sorted(before.rows().keys() - rows.keys()))
        if left_out:
            said += f"; nothing is known of {', '.join(dict.fromkeys(left_out))}"
        return Loaded(said, {"file": history.path, "sha256": history.sha256, "rows": rows})

    def flowed(self, amount: int) -> bool:
        """Money came or went, in minor units; whether the journal must know."""
        self.memory.day.flow(amount)
        return self._keeps_day

    def ended(self, equity: int) -> None:
        """The equity that an earlier run of this book ended with, in minor units."""
        self.memory.day.ended(equity)

    def canceled(self, ts_ns: int) -> str:
        """A cancel came. What is to be said of their rate, at most once a window; nothing where there is nothing."""
        rule = self._rule(Code.CANCEL_RATE)
        memory = self.memory
        memory.cancels.add(ts_ns)
        count = memory.cancels.count(ts_ns, rule.window_ns)
        if rule.mode == Mode.OFF or count <= rule.value:
            return ""
        if ts_ns - memory.said_ns < rule.window_ns:
            return ""
        memory.said_ns = ts_ns
        return f"{words(Code.CANCEL_RATE)}: {count} cancels in {rule.window_ns} ns, more than {rule.value}; all passed"

    # --- what is in force, and how it changes -------------------------------------------------------------------------

    def said(self) -> dict[str, Any]:
        """The limits in force, as a NOTE has them."""
        return to_object(self.limits) | self.memory.lasting() | self.returns.lasting()

    def take_up(self, said: Mapping[str, Any]) -> list[str]:
        """At a restart: what the journal says was in force stays; a file that is tighter tightens. Names of the limits
        that the file would have loosened.
        """
        made = change(from_object(said), self.limits)
        self.memory.take_up(said)
        self._use(made.now)
        self.returns.take_up(said)
        return [SPECS[code].name for code in made.looser]

    def breached(self, held: Sequence[Looked]) -> list[Code]:
        """The limits that are on and that what is held exceeds now. What cannot be read counts as too much: without an
        equity nobody knows how far from any of them the book is.
        """
        holds = [(code, rule) for code, rule in self.limits.rules if SPECS[code].holds and rule.mode == Mode.ON]
        if any(looked.order.equity <= 0 for looked in held):
            return [code for code, _ in holds]
        found: dict[Code, None] = {}
        sums: dict[int, Held] = {}
        for looked in held if holds else ():
            known = sums.get(id(looked.rows))
            if known is None:
                known = sums[id(looked.rows)] = Held(looked.rows)
            names, facts = self.facts(looked, known)
            found.update((code, None) for code, rule in holds if CHECKS[code](rule, names, facts) < 0)
        return sorted(found)

    def exceeded(self, held: Sequence[Looked]) -> list[str]:
        """The limits that are breached now, by name and requirement."""
        return [words(code) for code in self.breached(held)]

    def interval_ns(self, name: str) -> int:
        """How often something is looked at; 0 where the limits say nothing of it."""
        return self.limits.interval_ns(name)

    def propose(self, said: Mapping[str, Any], ts_ns: int, nonce: int, held: Sequence[Looked]) -> dict[str, Any]:
        """Other limits are asked for: what is tighter is in force at once, what is looser waits for `confirm`.

        The answer has `ok`, and `error` where it is refused. Nothing of a proposal is loosened that is breached.
        """
        try:
            wanted = from_object(said)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return {"ok": False, "error": f"these are no limits: {type(error).__name__}: {error}"}
        made = change(self.limits, wanted)
        wrong = too_long(wanted) or too_long(made.now)  # both lists of names hold until the second step
        if wrong:
            return {"ok": False, "error": wrong}
        breached = set(self.breached(held)) & set(made.looser)
        self._use(made.now)
        self._proposal = None
        answer: dict[str, Any] = {
            "tightened": [SPECS[code].name for code in made.tighter],
            "looser": [SPECS[code].name for code in made.looser],
        }
        if breached:
            return answer | {"ok": False, "error": _breached(breached)}
        if made.looser:
            self._proposal = Proposal(nonce, ts_ns, wanted)
            answer |= {"nonce": nonce, "wait_s": WAIT_NS // 1_000_000_000}
        return answer

    def confirm(self, nonce: int, ts_ns: int, held: Sequence[Looked]) -> dict[str, Any]:
        """The second step: the proposal of this nonce is in force, if nothing that it loosens is breached."""
        proposal = self._proposal
        if proposal is None:
            return {"ok": False, "error": "no proposal waits: `propose` comes first"}
        if nonce != proposal.nonce:
            return {"ok": False, "error": "that nonce is of another proposal"}
        waited_ns = ts_ns - proposal.ts_ns
        if waited_ns < WAIT_NS:
            return {"ok": False, "error": f"a minute must pass after the proposal; {waited_ns // 10**9} s have"}
        if waited_ns >= LIFE_NS:
            return {"ok": False, "error": "that proposal is more than a day old: propose again"}
        looser = change(self.limits, proposal.limits).looser
        breached = set(self.breached(held)) & set(looser)
        if breached:
            return {"ok": False, "error": _breached(breached)}
        self._proposal = None
        self._use(proposal.limits)
        return {"loosened": [SPECS[code].name for code in looser]}


def _content(looked: Looked) -> tuple[Any, ...]:
    """What makes two orders the same."""
    order = looked.order
    return (looked.strategy, looked.instrument, order.side, order.lots, looked.priced, looked.price)


def words(code: int) -> str:
    """A limit by its name and requirement."""
    if code == Code.NONE:
        return ""
    spec = SPECS[Code(code)]
    return f"{spec.name} [{spec.requirement}]"


def _breached(codes: set[Code]) -> str:
    return f"breached now, and not loosened while they are: {', '.join(SPECS[code].name for code in sorted(codes))}"
