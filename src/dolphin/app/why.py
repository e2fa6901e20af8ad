"""`dolphin why JOURNAL ORDER_ID | --at TIME`: why an order was passed, shrunk or denied, from the journal alone.

What belongs here: finding the record, and saying it in at most fifteen lines. The words are `audit.words`', what would
have to change is `audit.change`'s; every number is the journal's or the kernel's on its records.
"""

from __future__ import annotations

import difflib
import json
import os
from typing import Any, Final, NamedTuple

from dolphin.app import args
from dolphin.app.errors import EXIT_NEGATIVE, UserError
from dolphin.app.search import Hit, Search
from dolphin.audit.change import CHANGE, Case, regained, weakest
from dolphin.audit.finding import iso
from dolphin.audit.words import CAUSE, RULE, percent, span, times
from dolphin.journal import Record
from dolphin.journal.codec import decode
from dolphin.kernel import events as ev
from dolphin.kernel import machine
from dolphin.kernel.policy import Posture
from dolphin.kernel.reasons import REQUIREMENT, Reason
from dolphin.kernel.state import State
from dolphin.kernel.units import MICRO, NS_PER_MS

LINES_MAX: Final = 15
LATER_NS: Final = 86_400 * 10**9
"""So long after its end a journal is asked what would stand; later it knows nothing, and time is not run to no end."""

OWN_PREFIX: Final = "DOLPHIN-"


class Explanation(NamedTuple):
    """Why. `answer`: PASSED, SHRUNK, DENIED, SENT, NOT SENT, GRANTED, REFUSED, or STATE for `--at`."""

    path: str
    line: int
    seq: int
    ts_ns: int
    subject: str
    answer: str
    lots: int
    asked: int
    reason: str
    requirement: str
    rule: str
    reading: str
    readings_bp: tuple[int, ...]
    held_bp: int
    confidence_ms: int
    posture: str
    latch: str
    episode: int
    change: tuple[str, ...]
    note: str = ""

    def lines(self) -> list[str]:
        """At most fifteen lines for people."""
        said = [
            f"{self.subject}",
            f"  at          {iso(self.ts_ns)}, {self.path}:{self.line}",
            f"  answer      {self._answer()}",
        ]
        if self.rule:
            said.append(f"  rule        {self.rule} [{self.requirement}]")
        if self.reading:
            said.append(f"  decided by  {self.reading}")
        values = "  ".join(f"R{index} {value:,}" for index, value in enumerate(self.readings_bp, start=1))
        said += [
            f"  readings    {values}  bp, R_total {self.held_bp:,}",
            f"  confidence  {self.confidence_ms:,} ms, {percent(self.confidence_ms)}",
            f"  posture     {self.posture}, latch {self.latch}, episode {self.episode}",
        ]
        for index, change in enumerate(self.change):
            said.append(f"  {'to change' if index == 0 else '':<11} {change}")
        if self.note:
            said.append(f"  note        {self.note}")
        return said[:LINES_MAX]

    def _answer(self) -> str:
        if self.asked and self.answer in ("SHRUNK", "PASSED", "DENIED"):
            return f"{self.answer}: {self.lots:,} of {self.asked:,} lots may leave ({self.reason})"
        if self.reason:
            return f"{self.answer} ({self.reason})"
        return self.answer

    def plain(self) -> dict[str, Any]:
        """For `--json`."""
        return self._asdict() | {"ts_ns": str(self.ts_ns), "change": list(self.change)}


def explain(path: str | os.PathLike[str], order_id: str | None = None, at_ns: int | None = None) -> Explanation:
    """Why the order was answered as it was, or what stood at a time.

    UserError: no such order (with the nearest ids), nothing before that time. JournalUnreadable, JournalBroken.
    """
    search = Search(os.fspath(path), order_id, at_ns)
    search.run()
    if search.fold is None:
        raise UserError("it holds no decision", path=path, fix="name a journal of a run")
    if order_id is None:
        return _at(search)
    if not search.hits:
        raise _unknown(search)
    shown = _decisive(search.hits)
    note = search.wrong
    if len(search.hits) > 1:
        others = ", ".join(str(hit.record.line) for hit in search.hits if hit is not shown)
        note = f"{note} judged {len(search.hits)} times; also at line {others[:60]}".strip()
    return _explained(search, shown, note)


def _decisive(hits: list[Hit]) -> Hit:
    """The last record that let through less than was asked; else the last one."""
    for hit in reversed(hits):
        effect = hit.record.body.fx[-1]
        if effect[0] == "VERDICT" and int(effect[1]) < int(hit.record.body.lots):
            return hit
    return hits[-1]


def _unknown(search: Search) -> UserError:
    assert search.order_id is not None
    near = difflib.get_close_matches(search.order_id, list(dict.fromkeys(search.ids)), n=3, cutoff=0.5)
    if near:
        fix = f"did you mean {', '.join(near)}?"
    elif search.ids:
        fix = f"ids in it look like {search.ids[-1]}"
    else:
        fix = "no order in it carries an id; ask by time (--at)"
    if search.begins:
        fix += f"; {search.begins}: ask the archive that has them"
    return UserError(f"there is no order {search.order_id!r}", path=search.path, fix=fix, code=EXIT_NEGATIVE)


def _feed(search: Search, index: int) -> str:
    feeds = search.header.get("feeds", ())
    if 0 <= index < len(feeds):
        return str(feeds[index].get("instrument") or feeds[index].get("name"))
    return f"feed {index}, which the header does not list"


def _explained(search: Search, hit: Hit, note: str = "") -> Explanation:
    """What one record answers: an ORDER, a REDUCE, an operator's request."""
    policy = hit.policy
    record = hit.record
    event = decode(record.kind, record.ts_ns, record.data)
    state, _ = machine.advance(policy, hit.before, event.ts_ns)
    if isinstance(event, ev.Order | ev.Reduce):
        state = hit.after
    effect = record.body.fx[-1]
    for one in record.body.fx:
        if one[0] in ("VERDICT", "REDUCED", "ANSWER"):
            effect = one
    reason = Reason(int(effect[-1]))
    lots = exit_lots = allowed_bp = asked = 0
    if effect[0] == "VERDICT":
        lots, exit_lots, allowed_bp = int(effect[1]), int(effect[2]), int(effect[4])
    if effect[0] == "REDUCED":
        lots = int(effect[1])
    if isinstance(event, ev.Order):
        asked = event.lots
    name = _feed(search, getattr(event, "feed", -1))
    case = Case(policy, state, event, lots, exit_lots, allowed_bp, name)
    return _filled(
        search,
        record,
        state,
        subject=_subject(search, record, event, name),
        answer=_word(effect[0], lots, asked, reason),
        lots=lots,
        asked=asked,
        reason=reason.name,
        requirement=REQUIREMENT[reason],
        rule=RULE[reason],
        reading=_reading(case),
        change=tuple(CHANGE[reason](case)),
        note=note,
    )


def _filled(search: Search, record: Record, state: State, **said: Any) -> Explanation:
    return Explanation(
        path=record.path, line=record.line, seq=record.seq, ts_ns=said.pop("ts_ns", record.ts_ns),
        readings_bp=tuple(state.readings), held_bp=state.filter.held_bp, confidence_ms=state.filter.confidence_ms,
        posture=Posture(state.filter.posture).name, latch=machine.Mode(state.latch.mode).name,
        episode=state.latch.episode, **said,
    )  # fmt: skip


def _word(kind: str, lots: int, asked: int, reason: Reason) -> str:
    if kind == "VERDICT":
        if lots == 0:
            return "DENIED"
        return "PASSED" if lots >= asked else "SHRUNK"
    if kind == "REDUCED":
        return "SENT" if lots else "NOT SENT"
    return "GRANTED" if reason in (Reason.ARMED, Reason.CONFIRMED, Reason.REBASED) else "REFUSED"


def _subject(search: Search, record: Record, event: ev.Event, name: str) -> str:
    if isinstance(event, ev.Order):
        note = record.data.get("x", {})
        side = "BUY" if event.side > 0 else "SELL"
        style = "takes liquidity" if event.taking else "rests"
        by = f" of {note['strategy']}" if "strategy" in note else ""
        flags = [word for flag, word in ((event.whole, "undivided"), (event.reduce_only, "reduce-only")) if flag == 1]
        extra = "".join(f", {word}" for word in flags)
        return f"{note.get('id', 'order')}: {side} {event.lots:,} lots {name}{by}, {style}{extra}"
    if isinstance(event, ev.Reduce):
        own = search.own
        which = f"{own.data.get('id')}: " if own is not None else ""
        return f"{which}the guard's own order on {event.position_lots:,} lots of {name}"
    return f"{record.kind} by the operator"


def _reading(case: Case) -> str:
    """The numbers that the answer rests on."""
    event, state = case.event, case.state
    if isinstance(event, ev.Order):
        if case.allowed_bp and event.equity > 0:
            entry = -(-(event.lots - case.exit_lots) * event.value_u // MICRO)
            total = event.gross + event.working + entry
            return (
                f"positions {event.gross:,} + working {event.working:,} + this {entry:,} = "
                f"{total / event.equity:.2f}x of equity {event.equity:,}; allowed {times(case.allowed_bp)}"
            )
        held = f"position {event.position_lots:,} lots, {case.exit_lots:,} of this order reduce it"
        return f"{held}; {_barred(case)}"
    if isinstance(event, ev.Reduce):
        held = f"exposure {event.gross:,} on equity {event.equity:,}"
        return f"{held}, position {event.position_lots:,}, fresh {event.fresh}"
    return f"latch {machine.Mode(state.latch.mode).name}, episode {state.latch.episode}"


def _barred(case: Case) -> str:
    """What keeps entries out, worst first, as the kernel asks."""
    state, event = case.state, case.event
    latch = state.latch
    if latch.mode != machine.Mode.RUNNING:
        return f"latch {machine.Mode(latch.mode).name} since {iso(latch.tripped_ns)} by {CAUSE[latch.cause]}"
    if state.filter.posture >= Posture.TURTLE:
        return f"confidence {percent(state.filter.confidence_ms)}; weakest: {weakest(state)}"
    if isinstance(event, ev.Order) and 0 <= event.feed < len(state.feeds):
        feed = state.feeds[event.feed]
        if feed.error:
            return f"the last reading of {case.feed} was an error"
        if state.clock.t_ns > feed.due_ns:
            late_ms = (state.clock.t_ns - feed.due_ns) // NS_PER_MS
            return f"{case.feed} was due at {iso(feed.due_ns)}: {span(late_ms)} late"
    return f"weakest: {weakest(state)}"


def _at(search: Search) -> Explanation:
    """What stood at a time: the last record before it, and the way from there."""
    assert search.fold is not None
    if search.last is None or search.at_ns is None:
        fix = "name a later time"
        if search.begins:
            fix += f"; {search.begins}: ask the archive that has them"
        raise UserError("nothing was decided before that time", path=search.path, fix=fix)
    note = search.wrong
    if search.end_ns is not None and search.at_ns > search.end_ns:
        ends = f"the journal ends at {iso(search.end_ns)}"
        if search.at_ns > search.end_ns + LATER_NS:
            raise UserError(ends, path=search.path, field="--at", fix="what stood so long after is not in it")
        note = f"{ends}: so it would stand if nothing came after. {note}".strip()
    policy = search.fold.policy
    record = search.last.record
    answers = [effect for effect in record.body.fx if effect[0] in ("VERDICT", "REDUCED", "ANSWER")]
    if answers and record.ts_ns == search.at_ns:
        return _explained(search, search.last, search.wrong)
    state, effects = machine.advance(policy, search.last.after, search.at_ns)
    posture = state.filter.posture
    change = ["nothing: APEX"] if posture == Posture.APEX else [regained(policy, state, Posture(posture - 1))]
    moved = "".join(f"; {Posture(e.after).name} at {iso(e.ts_ns)}" for e in effects if isinstance(e, ev.Moved))
    return _filled(
        search, record, state, ts_ns=search.at_ns, subject=f"the book, {record.kind} last{moved}", answer="STATE",
        lots=0, asked=0, reason="", requirement="", rule="", reading=f"weakest: {weakest(state)}", change=tuple(change),
        note=note,
    )  # fmt: skip


def main(argv: list[str]) -> int:
    """`dolphin why JOURNAL ORDER_ID | --at TIME`."""
    parser = args.parser(
        "dolphin why",
        "Why an order was passed, shrunk or denied, from the journal alone: the reading that decided, R1 to R5,\n"
        "confidence, posture, the rule with its requirement, and what would have to change. The guard's own orders\n"
        "(DOLPHIN-...) too.\n"
        "--at TIME: what stood at that time; at a record's own time, why it was answered as it was.",
        """
        dolphin why out/guarded.jsonl O-1999-17
        dolphin why out/guarded.jsonl DOLPHIN-RUN-412
        dolphin why out/guarded.jsonl --at 2008-10-10T20:00:00Z
        dolphin why out/guarded.jsonl O-1999-17 --json | jq .change
        """,
        {0: "explained", EXIT_NEGATIVE: "the journal has no such order"},
    )
    parser.add_argument("journal", metavar="JOURNAL", help="the journal file")
    parser.add_argument("order", metavar="ORDER_ID", nargs="?", help="client order id, as in the strategy's log")
    parser.add_argument("--at", metavar="TIME", help="ISO 8601 with a zone, or nanoseconds since 1970")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    given = parser.parse_args(argv)
    if (given.order is None) == (given.at is None):
        parser.error("name an order, or a time with --at")
    at_ns = None if given.at is None else args.time_of(given.at)
    found = explain(given.journal, given.order, at_ns)
    print(json.dumps(found.plain(), indent=2, ensure_ascii=False) if given.json else "\n".join(found.lines()))
    return 0
