"""What `dolphin status` says of a book, as a dict and in words.

What belongs here: gathering (journal, latch file, status.json) and wording. It reads only.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from dolphin.app.book import Folded, Tail, folded, tail
from dolphin.app.errors import UserError
from dolphin.app.journal_run import currency_of
from dolphin.app.policy_table import CATEGORIES
from dolphin.app.state_dir import Holder, StateDir
from dolphin.app.status_json import written
from dolphin.app.watched import looks_on
from dolphin.journal.errors import JournalError, JournalUnreadable
from dolphin.journal.latchfile import EXPECTED, Held, holding, read_latch
from dolphin.kernel.policy import ARM_WAIT_NS, Policy, Posture
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Capital, Latch, Mode, Outcome, State, outcome
from dolphin.kernel.units import ABSENT, FULL_MS, NEVER_NS

SILENT_S: Final = 10
"""A live guard writes status.json every second; one that is older than this is not of now."""

END_NS: Final = 253_402_300_799 * 10**9
"""The last second that a date has a name for."""
UNKNOWN: Final = "UNKNOWN"
"""The mode of a stopped book whose journal does not say KILLED, and whose latch file cannot be read."""

_LOOKS: Final = 3
_LOOK_S: Final = 0.02


def of(state: StateDir, who: Holder | None) -> dict[str, Any]:
    """The book now. A stopped one is folded whole; of a running one the last records and status.json are read.

    A kill that the journal could not record is in the latch file, which is asked in both cases.
    """
    if who is None:
        recovery, book = folded(state.journal)
        found = _common(book.header, outcome(book.state), recovery.last_ts_ns)
        found |= {"running": False, "closed": recovery.closed, "records": recovery.head.seq + 1}
        found |= {"gaps": recovery.gaps, "torn_bytes": recovery.torn_bytes, "chain": _checked(book)}
        found["watchdog"] = looks_on(state.path)
        with contextlib.suppress(UserError):  # damage before the checkpoint is not this command's
            found["not_rotated"] = tail(state.journal).not_rotated
        return found | _inner(book, book.state) | _held(state, book.header, book.state.latch, recovery.head.seq)
    seen = tail(state.journal)
    found = _common(seen.header, seen.outcome, seen.last_ns)
    found |= {"running": True, "pid": who.pid, "records": seen.records, "chain": "not checked; `trace-audit` does"}
    found["watchdog"] = looks_on(state.path)
    found["not_rotated"] = seen.not_rotated
    if seen.equity is not None:
        found |= seen.equity
    found["feeds"] = _heard(seen)
    guard, why_not = written(state.status)
    found |= {"guard": None, "guard_old": why_not} if guard is None else _current(guard, who)
    if found.get("mode", "RUNNING") != Mode.RUNNING.name:
        found |= _latch_of(state)
    if seen.outcome is None:
        return found
    latch = Latch(Mode(seen.outcome.mode), seen.outcome.episode)
    return found | _beside(state, seen.header, latch, seen.records - 1)


def _checked(book: Folded) -> str:
    """How far back the chain was looked at."""
    if book.begun:
        return f"checked from the checkpoint at record {book.begun:,} on; `trace-audit` checks all of it"
    return "checked"


def _current(guard: dict[str, Any], who: Holder) -> dict[str, Any]:
    """What status.json adds; where another run wrote it, or a live one long ago, only that it is so."""
    if who.instance and guard.get("instance") != who.instance:
        return {"guard": None, "guard_old": "it is of a run that is gone"}
    age_s = (time.time_ns() - int(guard.get("written_ns", 0))) // 10**9
    if guard.get("live") and age_s > SILENT_S:
        return {"guard": None, "guard_old": f"it is {age_s:,} s old: the guard has said nothing since"}
    positions: dict[str, Any] = {"positions": guard.get("positions", {}), "waiting_positions": guard.get("waiting", [])}
    refused = guard.get("journal", {}).get("not_rotated")
    if refused:
        positions["not_rotated"] = refused
    if guard.get("day"):
        positions["day"] = guard["day"]
    return {"guard": guard, "unknown_orders": guard.get("unknown", {}), **positions}


def _held(state: StateDir, header: Mapping[str, Any], latch: Latch, head_seq: int) -> dict[str, Any]:
    """KILLED, where the latch file says so and the journal of a stopped book does not: the next start will."""
    try:
        seen = read_latch(str(state.journal))
    except JournalUnreadable as error:
        found = {"next_start": f"is refused: {error}", "latch_unreadable": str(error)}
        return found if latch.mode == Mode.KILLED else {**found, "mode": UNKNOWN, "mode_journal": latch.mode.name}
    held = holding(seen, EXPECTED in header, str(header.get("instance", "")), latch, head_seq)
    return {} if held is None else _killed_by(held, latch)


def _beside(state: StateDir, header: Mapping[str, Any], latch: Latch, head_seq: int) -> dict[str, Any]:
    """What the latch file adds to a book that runs: KILLED, where a slot says so and the journal does not know it yet.

    A file that is missing, damaged or unreadable stops nobody who runs: it tells of the next start only.
    """
    instance = str(header.get("instance", ""))
    held = later = None
    for again in range(_LOOKS):
        # A slot, or the file and the journal, may be seen between two writes.
        if again:
            time.sleep(_LOOK_S)
        try:
            seen = read_latch(str(state.journal))
        except JournalUnreadable as error:
            return {"next_start": f"is refused: {error}"}
        later = holding(seen, EXPECTED in header, instance, latch, head_seq)
        if later is None:
            return {}
        held = None if seen is None else holding(seen._replace(damaged=0), False, instance, latch, head_seq)
    assert later is not None
    return {"next_start": f"comes up KILLED: {later.why}"} if held is None else _killed_by(held, latch)


def _killed_by(held: Held, latch: Latch) -> dict[str, Any]:
    return {
        "mode": Mode.KILLED.name, "episode": latch.episode + 1, "cause": held.cause.name, "latch_file": held.why,
        "cause_text": "", "later": [],
        "posture": Posture.HIBERNATE.name, "confidence_ms": 0, "r_total_bp": 0,
    }  # fmt: skip


def _latch_of(state: StateDir) -> dict[str, Any]:
    """Why a running book is latched: the tail may have forgotten, so the journal is folded, up to what is written."""
    try:
        _, book = folded(state.journal)
    except JournalError:
        return {}
    return _latch(book, book.state)


def _common(header: Mapping[str, Any], out: Outcome | None, last_ns: int) -> dict[str, Any]:
    found: dict[str, Any] = {"last_record_ns": str(last_ns), "policy_hash": header.get("policy_hash", "")}
    found["absent"] = header.get("absent", [])
    found |= {"currency": currency_of(header), "minor_per_unit": header.get("minor_per_unit")}
    if out is None:
        return found
    return found | {
        "posture": Posture(out.posture).name,
        "confidence_ms": out.confidence_ms,
        "r_bp": [out.r1_bp, out.r2_bp, out.r3_bp, out.r4_bp, out.r5_bp],
        "r_total_bp": out.held_bp,
        "mode": Mode(out.mode).name,
        "episode": out.episode,
        "drawdown_bp": out.drawdown_bp,
        "mark": out.mark,
    }


def _latch(book: Folded, state: State) -> dict[str, Any]:
    latch = state.latch
    said = book.kill_texts.get(latch.episode, [])
    own = int(latch.cause == Cause.OPERATOR)
    found: dict[str, Any] = {"cause": Cause(latch.cause).name, "cause_text": " ".join(said[:own]), "later": said[own:]}
    if latch.tripped_ns != ABSENT:
        found["tripped_ns"] = str(latch.tripped_ns)
    if latch.mode == Mode.ARM_PENDING:
        found["confirm_from_ns"] = str(latch.armed_ns + ARM_WAIT_NS)
    return found


def _inner(book: Folded, state: State) -> dict[str, Any]:
    capital = state.capital
    found: dict[str, Any] = {"equity": capital.equity, "gross": book.gross, "flat": capital.flat}
    found |= {"rebases": capital.rebases, "waiting_positions": list(book.waiting)}
    if capital.trapped_ns != ABSENT:
        found["trapped_since_ns"] = str(capital.trapped_ns)
        found["rebase_from_ns"] = str(_right_ns(book.policy, capital))
    began = book.accounts.day
    if began is not None:
        made = book.accounts.made_since(began, capital.equity)
        found["day"] = {"day": str(began.day), "equity": str(began.equity), "mark": str(began.mark), "made": str(made)}
    names = [feed.get("name", "?") for feed in book.header.get("feeds", [])]
    found["feeds"] = [
        {
            "name": name,
            "heard": feed.heard,
            "r3_bp": feed.r3_bp,
            "error": feed.error,
            "due_ns": None if feed.due_ns >= NEVER_NS else str(feed.due_ns),
        }
        for name, feed in zip(names, state.feeds, strict=False)
    ]
    return found | _latch(book, state)


def _right_ns(policy: Policy, capital: Capital) -> int:
    """From when on a book that is trapped may re-base: the policy's own wait, and its rate."""
    trapped_ns = capital.trapped_ns + policy.rebase_trapped_ns
    if capital.rebased_ns == ABSENT:
        return trapped_ns
    return max(trapped_ns, capital.rebased_ns + policy.rebase_gap_ns)


def _heard(seen: Tail) -> list[dict[str, Any]]:
    names = [feed.get("name", "?") for feed in seen.header.get("feeds", [])]
    return [
        {"name": name, "last_ns": None if index not in seen.spoke_ns else str(seen.spoke_ns[index])}
        for index, name in enumerate(names)
    ]


# --- in words ---------------------------------------------------------------------------------------------------------


def _time(text: Any) -> str:
    if not 0 <= int(text) <= END_NS:
        return f"{text} ns, which is no date"
    return f"{datetime.fromtimestamp(int(text) / 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"


def amount(found: Mapping[str, Any], minor: int) -> str:
    """`1,000,000.00 USD`, or minor units where the journal does not say what they are."""
    per = found.get("minor_per_unit")
    if per is None:
        return f"{minor:,} minor units"
    digits = len(str(per)) - 1
    return f"{Decimal(minor).scaleb(-digits):,.{digits}f} {found.get('currency', '')}".rstrip()


def day_line(found: Mapping[str, Any], day: Mapping[str, Any]) -> str:
    """What a day has brought so far: `+12.00 USD since it began with 1,000,000.00 USD (2026-11-22, UTC)`."""
    number = int(day.get("day", 0))
    date = str(datetime.fromtimestamp(0, UTC).date() + timedelta(number)) if 0 <= number < 10**6 else f"day {number}"
    made = int(day.get("made", 0))
    sign = "+" if made > 0 else ""
    return f"{sign}{amount(found, made)} since it began with {amount(found, int(day.get('equity', 0)))} ({date}, UTC)"


def told(found: Mapping[str, Any]) -> str:
    """The status as lines for a terminal."""
    lines = []
    running = f"running (process {found['pid']})" if found["running"] else "stopped"
    if not found["running"]:
        running += ", closed properly" if found["closed"] else ", NOT closed: it crashed or was killed"
    lines.append(("book", running))
    if "posture" in found:
        share = found["confidence_ms"] / FULL_MS
        lines.append(("posture", f"{found['posture']}, confidence {share:.2%} ({found['confidence_ms']:,} ms)"))
        factors = "  ".join(f"R{n} {bp / 100:g} %" for n, bp in enumerate(found["r_bp"], start=1))
        lines.append(("multipliers", f"{factors}  = {found['r_total_bp'] / 100:g} %"))
        lines.append(("latch", _latch_line(found)))
    if "next_start" in found:
        lines.append(("next start", found["next_start"]))
    if "equity" in found:
        held = "flat" if found["flat"] == 1 else f"holding {amount(found, found['gross'])}"
        lines.append(("equity", f"{amount(found, found['equity'])}, {held}"))
    if "day" in found:
        lines.append(("day", day_line(found, found["day"])))
    if found.get("guard"):
        journal = _journal_line(found["guard"])
        if journal:
            lines.append(("journal", journal))
    if found.get("not_rotated"):
        lines.append(("one file", f"the journal goes on in it: {found['not_rotated']}"))
    if "guard_old" in found:
        lines.append(("status.json", f"not shown: {found['guard_old']}"))
    if found.get("positions"):
        lines.append(("positions", ", ".join(f"{name} {held}" for name, held in found["positions"].items())))
    if found.get("unknown_orders"):
        orders = ", ".join(f"{name} ({lots:,} lots)" for name, lots in found["unknown_orders"].items())
        lines.append(("unknown", f"may fill, though told as over: {orders}; what works at the venue, cancel there"))
    if "mark" in found:
        lines.append(("drawdown", f"{found['drawdown_bp'] / 100:g} % from the mark of {amount(found, found['mark'])}"))
    if "trapped_since_ns" in found:
        since, right = _time(found["trapped_since_ns"]), _time(found["rebase_from_ns"])
        lines.append(("trapped", f"since {since}; its policy lets it re-base from {right} on"))
    if found.get("waiting_positions"):
        lines.append(("adopt", f"waiting for you: {', '.join(found['waiting_positions'])}"))
    lines.append(("watchdog", found["watchdog"]))
    lines.append(
        ("last record", f"{_time(found['last_record_ns'])}, {found['records']:,} records, chain {found['chain']}")
    )
    if found["absent"]:
        lines.append(("absent", ", ".join(CATEGORIES.get(str(name), str(name)) for name in found["absent"])))
    lines += [("feed", _feed_line(feed)) for feed in found.get("feeds", ())]
    return "\n".join(f"{name:<12} {text}" for name, text in lines)


def _latch_line(found: Mapping[str, Any]) -> str:
    if found["mode"] == Mode.RUNNING.name:
        return "RUNNING"
    if found["mode"] == UNKNOWN:
        said = found["mode_journal"]
        return f"{UNKNOWN}: the journal says {said}, but a kill may stand that it could not record"
    return f"{found['mode']}, {_episode(found)}{_unrecorded(found)}"


def _unrecorded(found: Mapping[str, Any]) -> str:
    if "latch_file" not in found:
        return ""
    return f"; not in the journal: {found['latch_file']}"


def _journal_line(guard: Mapping[str, Any]) -> str:
    """How often the journal refused; nothing where it never did."""
    said = guard.get("journal", {})
    if not said.get("refused") and not said.get("latch_error"):
        return ""
    now = "REFUSES" if said.get("failing") else "refused, writes again"
    counts = [
        f"{said.get(name, 0):,} {what}" for name, what in (("refused", "times"), ("waiting", "wait"), ("lost", "lost"))
    ]
    return f"{now}: {', '.join(counts)}; {said.get('error') or said.get('latch_error')}"


def _episode(found: Mapping[str, Any]) -> str:
    said = f"episode {found['episode']}"
    if "cause" in found:
        said += f", cause {found['cause']}"
        if found["cause"] == Cause.OPERATOR.name:
            said += f" ({found.get('cause_text') or 'none given'})"
    if found.get("later"):
        said += f"; killed again, which changed nothing ({'; '.join(text or 'none given' for text in found['later'])})"
    if "tripped_ns" in found:
        said += f", since {_time(found['tripped_ns'])}"
    if "confirm_from_ns" in found:
        said += f"; confirm is accepted from {_time(found['confirm_from_ns'])}"
    return said


def _feed_line(feed: Mapping[str, Any]) -> str:
    if "heard" in feed:
        state = "silent since the start" if feed["heard"] == 0 else f"R3 {feed['r3_bp'] / 100:g} %"
        due = "" if feed["due_ns"] is None else f", next due {_time(feed['due_ns'])}"
        return f"{feed['name']}: {state}{', in error' if feed['error'] else ''}{due}"
    last = feed["last_ns"]
    return f"{feed['name']}: {'not in the last records' if last is None else f'last spoke {_time(last)}'}"


def killed(found: Mapping[str, Any]) -> list[str]:
    """What an operator must see before he arms: episode, cause, what is held."""
    if found.get("mode") == Mode.RUNNING.name:
        return ["latch: RUNNING"]
    lines = ["latch: unknown"]
    if "mode" in found:
        lines = [f"latch: {_latch_line(found)}"]
    if "equity" in found:
        held = "nothing, the book is flat" if found["flat"] == 1 else f"{amount(found, found['gross'])} of exposure"
        lines.append(f"held: {held}; equity {amount(found, found['equity'])}")
    else:
        lines.append("held: unknown (no sample among the last records); unknown is not flat")
    return lines
