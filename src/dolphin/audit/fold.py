"""Check b: every kernel record recomputed from its event, and compared bit for bit with what it claims.

What belongs here: the fold of a journal by the header's own policy, and the diagnosis of the first field that differs.
The comparison is of text: the recomputed record is written by the journal's own codec and must be, byte for byte, what
stands in the file; only where it is not are the claimed fields decoded.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from dolphin.audit.finding import (
    FOLD,
    OUT_HINT,
    OUT_REQUIREMENT,
    RECOMPUTED,
    Finding,
    effect_requirement,
    found,
)
from dolphin.audit.ledger_accounts import ANCHOR
from dolphin.audit.policies import RULED
from dolphin.journal import Record
from dolphin.journal.aside import KINDS as ASIDE
from dolphin.journal.aside import Aside
from dolphin.journal.checkpoint import LEDGER, read_checkpoint
from dolphin.journal.checkpoint import data as checkpoint_data
from dolphin.journal.codec import Malformed, begin, claimed, decode, encode, plain, policy_hash, state_hash
from dolphin.kernel import machine
from dolphin.kernel.events import EFFECTS, EVENTS, Event
from dolphin.kernel.policy import Policy, Posture
from dolphin.kernel.policy_change import Change, changed
from dolphin.kernel.state import Mode, Outcome, State, outcome
from dolphin.kernel.units import FULL_MS

INTEGERS = "DOL-JOURNAL-009"
CHECKPOINTS = "DOL-JOURNAL-011"
HEADER_POLICY = "DOL-AUDIT-005"


def _maker(kind: str) -> Callable[[int, Any], Event]:
    """A fast way from a record's body to its event. ValueError: the slow way must say what is wrong."""
    made: Any = EVENTS[kind]
    names = made._fields[1:]
    new = tuple.__new__
    if not names:
        return lambda ts_ns, body: new(made, (ts_ns,))
    get: Callable[[Any], Any] = attrgetter(*names)
    if len(names) == 1:
        return lambda ts_ns, body: new(made, (ts_ns, int(get(body))))
    return lambda ts_ns, body: new(made, (ts_ns, *map(int, get(body))))


MAKERS: Final = {kind: _maker(kind) for kind in EVENTS if kind != "FAULT"}
"""FAULT names a cause, which the codec checks."""


class Fold:
    """The state that the records give. `events` counts what was recomputed."""

    def __init__(self, path: str, header: Record) -> None:
        """Malformed where the header opens no run."""
        self.path = path
        self.policy, self.state = begin(header.data)
        self.aside = Aside()
        self.events = 0
        self.gap_line = 0
        self.broken = False

    def header_finding(self, header: Record) -> Finding | None:
        """Whether the hash that every line repeats is that of the policy in the header."""
        named = str(header.data.get("policy_hash"))
        computed = policy_hash(self.policy)
        if named == computed:
            return None
        if len(named) >= len(header.policy):
            if computed.startswith(named):
                return None
        hint = "the policy in the header is not the one whose hash it names; one of the two was changed"
        return found(self.path, header, "policy_hash", computed, named, HEADER_POLICY, hint)

    def under(self, record: Record, policy: Policy, blind: bool) -> Finding | None:
        """Go on under the policy of this HEADER; the finding where the kernel would not have. `blind`: nobody knows."""
        before, self.policy = self.policy, policy
        if blind:
            return None
        _, book, _, _, capital, latch, _, _ = self.state
        answer = changed(before, policy, latch.mode, book.posture, capital.rebased_ns, self.state.clock.t_ns)
        if answer == Change.TAKEN:
            return None
        hint = "the kernel does not let this policy take over from the one before it here"
        return found(self.path, record, "policy", "TAKEN", answer.name, RULED, hint, said(self.state))

    def take(self, record: Record) -> Finding | None:
        """Recompute one kernel record; the finding where it is not what the kernel makes of its event."""
        maker = MAKERS.get(record.kind)
        try:
            if maker is None:
                event = decode(record.kind, record.ts_ns, record.data)
            else:
                event = maker(record.ts_ns, record.body)
        except ValueError:
            return self._malformed(record)
        before = self.state
        if record.kind in ASIDE:
            self.beside_kernel(event, record.kind, record)
        if self.agrees(event, record.raw):
            return None
        return self._differs(record, before, event)

    def agrees(self, event: Event, raw: bytes) -> bool:
        """Take one event; whether `raw` is, byte for byte, what the codec writes of it, notes aside."""
        self.state, effects = machine.step(self.policy, self.state, event)
        self.events += 1
        text = encode(event, effects, self.state).encode()
        if raw == text:
            return True
        return raw.startswith(text[:-1] + b',"x":')

    def beside_kernel(self, event: Any, kind: str, record: Record) -> None:
        """As `beside`, of a kernel record: samples are many, and of them only the exposure counts."""
        if kind == "EQUITY":
            self.aside.gross = event.gross
        else:
            self.beside(kind, record.data)

    def beside(self, kind: str, data: Any) -> None:
        """What checkpoints hold beside the state. A record that says nothing readable is for other checks to name."""
        with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError):
            self.aside.each(kind, data)

    def checkpoint(self, record: Record) -> Finding | None:
        """CHECKPOINT holds the fold of what is before it, to the byte: a restart may believe it."""
        ledger = LEDGER in record.data
        right = checkpoint_data(self.state, self.aside, ledger)
        if record.raw == right.encode():
            return None
        if not ledger and _held(json.loads(right)) == _held(record.data):
            return None
        hint = "the checkpoint is not the fold of the records before it; a restart from it would be of another book"
        context = said(self.state)
        try:
            read_checkpoint(record.data, record.raw)
        except Malformed as error:
            return found(self.path, record, error.field, error.expected, repr(error.actual), CHECKPOINTS, hint, context)
        field, expected, actual = differs("", json.loads(right), record.data)
        return found(self.path, record, field, expected, actual, CHECKPOINTS, hint, context)

    def day(self, record: Record) -> Finding | None:
        """A day begins with the equity and the mark that the fold has; what is no number is for other checks."""
        for name in ("equity", "mark"):
            right, said_ = getattr(self.state.capital, name), record.data.get(name)
            if str(right) != str(said_):
                hint = "the fold of the records before it has another"
                return found(self.path, record, name, str(right), str(said_), ANCHOR, hint, said(self.state))
        return None

    def close(self, record: Record) -> Finding | None:
        """CLOSE may name the hash of the final state."""
        named = record.data.get("state")
        if named is None:
            return None
        computed = state_hash(self.state)
        if named == computed:
            return None
        hint = "the fold of the records is not the state that the run ended in"
        return found(self.path, record, "state", computed, str(named), FOLD, hint, said(self.state))

    def _malformed(self, record: Record) -> Finding:
        try:
            decode(record.kind, record.ts_ns, record.data)
        except Malformed as error:
            hint = "the record was not written by Dolphin's codec"
            return found(
                self.path, record, error.field, error.expected, repr(error.actual), INTEGERS, hint, said(self.state)
            )
        except ValueError as error:
            return found(self.path, record, "data", "integers", str(error), INTEGERS, "not written by Dolphin's codec")
        return found(self.path, record, "data", "integers", record.raw[:80].decode(), INTEGERS, "not canonical")

    def _differs(self, record: Record, before: State, event: Event) -> Finding:
        context = said(before)
        effects = machine.step(self.policy, before, event)[1]
        try:
            claims = claimed(record.data)
        except ValueError as error:
            field, expected, actual = "data", "out and fx as the codec writes them", str(error)
            if isinstance(error, Malformed):
                field, expected, actual = error.field, error.expected, repr(error.actual)
            hint = "the record was not written by Dolphin's codec"
            return found(self.path, record, field, expected, actual, RECOMPUTED, hint, context)
        for name, right, claim in zip(Outcome._fields, outcome(self.state), claims.outcome, strict=True):
            if right != claim:
                return found(
                    self.path, record, f"out.{name}", named(name, right), named(name, claim), OUT_REQUIREMENT[name],
                    OUT_HINT[name], context,
                )  # fmt: skip
        rights = plain(effects)
        for index, right_effect in enumerate(rights):
            if index >= len(claims.effects):
                return self._effect(record, f"fx[{index}]", effect_text(right_effect), "nothing", right_effect, context)
            if claims.effects[index] != right_effect:
                return self._unequal(record, index, right_effect, claims.effects[index], context)
        if len(claims.effects) > len(rights):
            extra = claims.effects[len(rights)]
            return found(
                self.path, record, f"fx[{len(rights)}]", "nothing", effect_text(extra), RECOMPUTED,
                "the kernel has no such effect of this event", context,
            )  # fmt: skip
        hint = "the values are right and are not written as the codec writes them"
        text = encode(event, effects, self.state)
        return found(self.path, record, "data", text, record.raw.decode(), INTEGERS, hint, context)

    def _unequal(self, record: Record, index: int, right: Any, claim: Any, context: str) -> Finding:
        """Two effects that differ: the field, where they are of one kind."""
        same = right[0] == claim[0]
        if not same or len(right) != len(claim):
            return self._effect(record, f"fx[{index}]", effect_text(right), effect_text(claim), right, context)
        for name, value, claimed_value in zip(EFFECTS[right[0]]._fields, right[1:], claim[1:], strict=True):
            if value != claimed_value:
                field = f"fx[{index}].{right[0]}.{name}"
                return self._effect(record, field, named(name, value), named(name, claimed_value), right, context)
        raise AssertionError("equal effects do not differ")

    def _effect(self, record: Record, field: str, expected: str, actual: str, right: Any, context: str) -> Finding:
        hint = "the kernel's answer to this very event, with the header's policy"
        return found(self.path, record, field, expected, actual, effect_requirement(right), hint, context)


def _held(said: Any) -> Any:
    """A checkpoint of before the ledger, without what is flat: it remembered each position that had ever been."""
    with contextlib.suppress(KeyError, TypeError, AttributeError):
        lots = {name: held for name, held in said["aside"]["lots"].items() if held != 0}
        return {**said, "aside": {**said["aside"], "lots": lots}}
    return said


def differs(field: str, right: Any, claim: Any) -> tuple[str, str, str]:
    """The first value that differs in two readings of JSON: its path, what it should be, what it is."""
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(right, dict) and isinstance(claim, dict) and right.keys() == claim.keys():
        pairs = [(f"{field}.{name}".removeprefix("."), right[name], claim[name]) for name in right]
    elif isinstance(right, list) and isinstance(claim, list) and len(right) == len(claim):
        pairs = [(f"{field}[{index}]", *both) for index, both in enumerate(zip(right, claim, strict=True))]
    for name, one, other in pairs:
        if one != other:
            return differs(name, one, other)
    return field, json.dumps(right), json.dumps(claim)


_NAMES: Final[dict[str, Any]] = {"posture": Posture, "mode": Mode, "before": Posture, "after": Posture}


def named(field: str, value: Any) -> str:
    """A value with its unit or its name: `41 %` of nothing helps nobody."""
    from dolphin.kernel.reasons import Cause, Reason

    names = {**_NAMES, "reason": Reason, "cause": Cause}.get(field)
    if names is not None:
        if value in names.__members__.values():
            return f"{int(value)} ({names(value).name})"
        return f"{value} (no such {names.__name__})"
    if isinstance(value, int) and not field.endswith("_ns"):
        return f"{int(value):,}"
    return f"{value}"


def effect_text(effect: tuple[Any, ...]) -> str:
    """An effect with its fields named."""
    kind = EFFECTS.get(str(effect[0]))
    if kind is None or len(effect) != len(kind._fields) + 1:
        return str(list(effect))
    parts = (f"{name} {named(name, value)}" for name, value in zip(kind._fields, effect[1:], strict=True))
    return f"{effect[0]}({', '.join(parts)})"


def said(state: State) -> str:
    """The book in words: what a reader needs to judge the next record."""
    book = state.filter
    return (
        f"{book.posture.name}, confidence {book.confidence_ms:,} ms ({100 * book.confidence_ms / FULL_MS:.2f} %), "
        f"R_total {book.held_bp:,} bp, latch {state.latch.mode.name}, episode {state.latch.episode}"
    )
