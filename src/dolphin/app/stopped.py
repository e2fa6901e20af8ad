"""Commands on a stopped book: its journal is recovered, folded, and taken up by the operator for a few records.

What belongs here: the same verbs as the running guard's, with the same answers and the same COMMAND record, so that
nobody who reads the journal need know which of the two it was. RESUME comes first: downtime earns nothing. A kill that
only the latch file knows is journalled next, before anything is decided (docs/design/latch-file.md). A kill fails only
where journal and latch file both refuse it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from dolphin.app.book import Folded, folded
from dolphin.app.errors import UserError
from dolphin.app.state_dir import StateDir, fresh_instance
from dolphin.journal import Head, Journal, JournalBroken, JournalUnreadable, JournalWriteError, LatchFile, codec, encode
from dolphin.journal.files import PORT, RESUME, let_go
from dolphin.journal.latchfile import EXPECTED, Held, read_latch, take_up
from dolphin.journal.lock import locked
from dolphin.journal.recovery import Recovery
from dolphin.kernel.events import (
    KIND,
    Answer,
    Arm,
    Confirm,
    Event,
    Fault,
    Flow,
    Kill,
    RebaseArm,
    RebaseConfirm,
    Resume,
    Tripped,
)
from dolphin.kernel.killswitch import trip
from dolphin.kernel.machine import step
from dolphin.kernel.policy import Policy, Posture
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Latch, Mode, State
from dolphin.kernel.units import ABSENT

GRANTED: Final = frozenset(("ARMED", "REBASED"))
"""What a stopped book can grant. A confirm is not among it: nobody sees here what is held, and unknown is CHANGED."""

_NONCE_BITS: Final = 53


class Hand:
    """One command on one stopped book. `unlatched`: why the latch file does not know of a kill; empty where it does."""

    def __init__(self, journal: Journal, book: Folded, policy: Policy, state: State, now_ns: int) -> None:
        self.journal = journal
        self.latch_file: LatchFile | None = None
        self.unlatched = ""
        self.book = book
        self.policy = policy
        self.state = state
        self.now_ns = now_ns

    def emit(self, event: Event) -> tuple[object, ...]:
        """Step, tell the latch file of a kill, record. A latch file that refuses leaves the kill to the journal."""
        self.state, effects = step(self.policy, self.state, event)
        if self.latch_file is not None and any(isinstance(effect, Tripped) for effect in effects):
            try:
                self.latch_file.say(self.state.latch, self.journal.head.seq)
            except JournalWriteError as error:
                self.unlatched = str(error)
        self.journal.append(self.now_ns, KIND[type(event)], codec.encode(event, effects, self.state))
        return effects

    def standing(self) -> dict[str, Any]:
        latch = self.state.latch
        return {"mode": latch.mode.name, "episode": latch.episode, "posture": self.state.filter.posture.name}

    def answered(self, event: Event) -> dict[str, Any]:
        for effect in self.emit(event):
            if isinstance(effect, Answer):
                name = effect.reason.name
                if name in GRANTED:
                    return {"reason": name, **self.standing()}
                return {"ok": False, "reason": name, "error": f"refused: {name}", **self.standing()}
        raise AssertionError("the kernel answers every request")


def _kill(hand: Hand, said: Mapping[str, Any]) -> dict[str, Any]:
    hand.emit(Kill(hand.now_ns))
    return hand.standing()


def _arm(hand: Hand, said: Mapping[str, Any]) -> dict[str, Any]:
    nonce = secrets.randbelow(1 << _NONCE_BITS)
    episode = int(said["episode"])
    # Nobody looks at a venue here: flat is what the journal last knew, and what is held cannot be seen.
    flat = int(said.get("observed_flat", 0)) * hand.state.capital.flat
    answer = hand.answered(Arm(hand.now_ns, episode, nonce, flat, int(said.get("accepted", 0)), ABSENT))
    if answer["reason"] == "ARMED":
        answer["nonce"] = nonce
    return answer


def _confirm(hand: Hand, said: Mapping[str, Any]) -> dict[str, Any]:
    return hand.answered(Confirm(hand.now_ns, int(said["nonce"]), ABSENT))


def _rebase_arm(hand: Hand, said: Mapping[str, Any]) -> dict[str, Any]:
    nonce = secrets.randbelow(1 << _NONCE_BITS)
    answer = hand.answered(RebaseArm(hand.now_ns, nonce))
    if answer["reason"] == "ARMED":
        answer["nonce"] = nonce
    return answer


def _rebase_confirm(hand: Hand, said: Mapping[str, Any]) -> dict[str, Any]:
    return hand.answered(RebaseConfirm(hand.now_ns, int(said["nonce"])))


def _adopt(hand: Hand, said: Mapping[str, Any]) -> dict[str, Any]:
    name = said.get("position")
    if not hand.book.waiting:
        return {"ok": False, "error": "no position waits for a decision: there is nothing to adopt"}
    found = [position for position in hand.book.waiting if name in (None, position)]
    if not found:
        waiting = ", ".join(hand.book.waiting)
        return {"ok": False, "error": f"position {name!r}: nothing of that name waits (waiting: {waiting})"}
    return {"positions": found, **hand.standing()}


def _flow(hand: Hand, said: Mapping[str, Any]) -> dict[str, Any]:
    """The money has moved since the book stopped: the next start could not tell it from profit or loss."""
    amount = int(said["amount"])
    capital = hand.state.capital
    if capital.equity + amount <= 0:
        return {"ok": False, "error": f"equity is {capital.equity} minor units; {amount} more would leave none"}
    hand.emit(Flow(hand.now_ns, amount))
    after = hand.state.capital
    return {"announced": str(amount), "equity": str(after.equity), "mark": str(after.mark), **hand.standing()}


def _flatten(hand: Hand, said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ok": False,
        "error": "a stopped book cannot send orders; start it, then repeat, or `dolphin kill` it first",
    }


_VERBS: Final[dict[str, Callable[[Hand, Mapping[str, Any]], dict[str, Any]]]] = {
    "kill": _kill,
    "arm": _arm,
    "confirm": _confirm,
    "rebase-arm": _rebase_arm,
    "rebase-confirm": _rebase_confirm,
    "adopt": _adopt,
    "flatten": _flatten,
    "flow": _flow,
}


def act(state: StateDir, verb: str, said: Mapping[str, Any], cause: str) -> dict[str, Any]:
    """Do `verb` on the stopped book; the answer, as the running guard gives it.

    A kill needs one of journal and latch file: one that the journal cannot record (full, broken) is kept by the latch
    file alone, and the answer's `unjournalled` says why; `unlatched` says why the latch file does not have it,
    `uncommanded` why only the command's own record is missing. Of any verb `held` says that a kill which the journal
    did not know was journalled before it, and why. JournalLocked: somebody else took it up. JournalError:
    it changed between its recovery and now, or is broken. JournalWriteError: a kill was not kept, or another verb may
    be recorded in part. UserError: a verb for which a book must run; nothing is changed.
    """
    if verb not in _VERBS:
        raise UserError(
            f"this book has stopped just now, and {verb} is for a running one: nothing is changed",
            path=state.path,
            fix="start it, then repeat",
        )
    try:
        recovery, book = folded(state.journal)
    except (JournalBroken, JournalUnreadable, UserError) as error:
        if verb != "kill":
            raise
        return _latched_blindly(state, error)
    now_ns = max(time.time_ns(), recovery.last_ts_ns)
    try:
        return _journalled(state, verb, said, cause, recovery, book, now_ns)
    except JournalWriteError as error:
        if verb != "kill":
            raise
        return _latched_only(state, now_ns, error)


def _journalled(
    state: StateDir, verb: str, said: Mapping[str, Any], cause: str, recovery: Recovery, book: Folded, now_ns: int
) -> dict[str, Any]:
    path = str(state.journal)
    journal = Journal.resume(path, ts_ns=now_ns, recovery=recovery, instance=fresh_instance())
    hand = Hand(journal, book, book.policy, book.state, now_ns)
    held: Held | None = None
    try:
        try:
            hand.latch_file, held = _latch_of(path, book, recovery.head)
        except (JournalUnreadable, JournalWriteError) as error:
            # Any other verb waits for a latch file that can be read: a kill that only it knows may stand.
            if verb != "kill":
                raise
            hand.unlatched = str(error)
        hand.emit(Resume(now_ns))
        if held is not None:
            journal.append(now_ns, "NOTE", encode(held.said()))
            hand.emit(Fault(now_ns, held.cause))
        answer: dict[str, Any] = {"ok": True, "verb": verb, **_VERBS[verb](hand, said)}
        if hand.unlatched:
            answer["unlatched"] = hand.unlatched
        if held is not None:
            answer["held"] = held.why
        record = {"verb": verb, "args": dict(said), "cause": cause, "answer": answer, "by": "operator, book stopped"}
        journal.append(now_ns, "COMMAND", encode(record))
        journal.close(now_ns, encode({"state": codec.state_hash(hand.state)}))
    finally:
        if hand.latch_file is not None:
            hand.latch_file.release()
        journal.release()
    return {**answer, "ts_ns": now_ns}


def _latch_of(path: str, book: Folded, head: Head) -> tuple[LatchFile, Held | None]:
    instance = str(book.header.get("instance", ""))
    return take_up(path, instance, EXPECTED in book.header, book.state.latch, head)


def _latched_only(state: StateDir, now_ns: int, error: JournalWriteError) -> dict[str, Any]:
    """Kill by the latch file, under the journal's lock: the next start comes up killed and journals it.

    The journal is folded again: before it refused, its torn last line may have been cut, or some records written, the
    KILL among them; then there is nothing to add.
    """
    path = str(state.journal)
    fd = locked(path, RESUME, PORT)
    try:
        recovery, book = folded(state.journal)
        latch = book.state.latch
        lacking = "uncommanded"
        if latch.mode != Mode.KILLED:
            lacking = "unjournalled"
            latch_file, held = _latch_of(path, book, recovery.head)
            try:
                latch = trip(latch, Cause.OPERATOR if held is None else held.cause, now_ns)
                latch_file.say(latch, recovery.head.seq)
            finally:
                latch_file.release()
    finally:
        let_go(PORT, fd)
    standing = {"mode": latch.mode.name, "episode": latch.episode, "posture": Posture.HIBERNATE.name}
    return {"ok": True, "verb": "kill", **standing, lacking: str(error), "ts_ns": now_ns}


def _latched_blindly(state: StateDir, error: Exception) -> dict[str, Any]:
    """Kill by the latch file where the journal cannot be folded. Raises `error` where that is no journal and no latch
    file is there either: somebody named a wrong directory.

    The slot names no instance: whatever journal is restored there, or begun anew, does not know this kill.
    """
    path = str(state.journal)
    fd = locked(path, RESUME, PORT)
    try:
        found = read_latch(path)
        if found is None and isinstance(error, JournalUnreadable):
            raise error
        before = 0 if found is None or found.said is None else found.said.episode
        latch = Latch(Mode.KILLED, before + 1, Cause.OPERATOR, time.time_ns())
        if found is None:
            latch_file = LatchFile.create(path, "", latch, 0)
        else:
            latch_file = LatchFile.resume(path, "", found)
        try:
            latch_file.say(latch, 0)
        finally:
            latch_file.release()
    finally:
        let_go(PORT, fd)
    standing = {"mode": latch.mode.name, "episode": latch.episode, "posture": Posture.HIBERNATE.name}
    return {"ok": True, "verb": "kill", **standing, "unjournalled": str(error), "ts_ns": latch.tripped_ns}
