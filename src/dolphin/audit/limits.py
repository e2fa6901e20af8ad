"""Check d, pre-trade limits: each cap computed anew from the limits in force and what the order was judged on.

What belongs here: which limits a NOTE says are in force, and the five ways in which a cap can be wrong: nothing says
what it was judged on, what it was judged on is not what the order or the returns of the last NOTE say, it is another
cap, or there is none where the order's own readings show that one was due. That the kernel obeyed the cap is check b's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dolphin.audit.finding import SAFETY, Finding, found
from dolphin.audit.fold import MAKERS
from dolphin.journal import Record
from dolphin.kernel.events import Order
from dolphin.kernel.orders import parts
from dolphin.kernel.units import ABSENT, BP, MICRO
from dolphin.limits.check import Asked, asked, binding, gross_leverage
from dolphin.limits.codes import SPECS, Code, Mode
from dolphin.limits.config import Limits, from_object
from dolphin.limits.facts import NO_FACTS, Facts, Names, fact, freed
from dolphin.limits.returns import Returns, noted

REQUIREMENT: Final = "DOL-LIMIT-002"
_BAD: Final = (ValueError, KeyError, TypeError, AttributeError)
_MOST_U: Final = 1 << 127
"""Of a record without facts nobody knows at what its exit part was counted: it has freed all that is held."""


class Caps:
    """Takes NOTE and ORDER records in their order. `checked`: caps computed anew."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.checked = 0
        self._limits: Limits | None = None
        self._returns = Returns()
        self._asked: Asked = ()

    def begin(self, limits: Mapping[str, Any]) -> None:
        """The limits in force, and their returns, at the checkpoint with which the journal begins; empty: none were
        said.
        """
        if not limits:
            return
        with contextlib.suppress(*_BAD):
            self._returns = noted(limits)
            self._limits = from_object(limits)
            self._asked = asked(self._limits)

    def forget(self) -> None:
        """Records are missing: a change of the limits may be among them."""
        self._limits = None

    def take(self, record: Record) -> Finding | None:
        """The finding where a cap, or what the limits in force are said to be, is wrong."""
        if record.kind == "NOTE":
            return self._note(record)
        if record.kind == "ORDER":
            return self._order(record)
        return None

    def _note(self, record: Record) -> Finding | None:
        if record.data.get("what") != "limits":
            return None
        try:
            self._limits = from_object(record.data["limits"])
            self._returns = noted(record.data["limits"])
        except _BAD as error:
            hint = "the limits in force cannot be read"
            return self._wrong(record, "limits", "rules by name", f"{type(error).__name__}: {error}", hint)
        self._asked = asked(self._limits)
        return None

    def _order(self, record: Record) -> Finding | None:
        body = record.body
        notes = body.x
        said = None if notes is msgspec.UNSET else notes.get("limits")
        if said is None:
            if int(body.cap_lots) == ABSENT and int(body.cap) == 0:
                return self._omitted(record)
            hint = "a cap stands on facts, and the record has none"
            return self._wrong(record, "x.limits", "what the cap was judged on", "nothing", hint)
        if self._limits is None:
            return None
        self.checked += 1
        try:
            given = said["facts"]
            facts = Facts(**{name: fact(name, given[name]) for name in Facts._fields if _due(name, given)})
            names = Names(*map(str, said["names"]))
            passive = [str(name) for name in said.get("passive", ())]
        except _BAD as error:
            hint = "not written by Dolphin's limits"
            return self._wrong(record, "x.limits.facts", "integers by name", f"{type(error).__name__}: {error}", hint)
        return self._judged(record, facts, names, passive)

    def _judged(self, record: Record, facts: Facts, names: Names, passive: list[str]) -> Finding | None:
        event = _event(record)
        for name, value in _own(event, facts.exit_u or event.value_u).items():
            if getattr(facts, name) != value:
                hint = "the order says something else than what it was judged on"
                return self._wrong(record, f"x.limits.facts.{name}", str(value), str(getattr(facts, name)), hint)
        assert self._limits is not None
        for name, value in self._known(names.instrument, facts, self._limits).items():
            if getattr(facts, name) != value:
                hint = "the returns that the last NOTE has of this instrument say something else"
                return self._wrong(record, f"x.limits.facts.{name}", str(value), str(getattr(facts, name)), hint)
        cap = binding(self._asked, names, facts)
        if (event.cap_lots, event.cap) != (cap.lots, cap.code):
            hint = "the limits in force leave something else of this entry"
            return self._wrong(record, "cap_lots", _said(cap.lots, cap.code), _said(event.cap_lots, event.cap), hint)
        would = [SPECS[code].name for code in cap.passive]
        if would != passive:
            hint = "which passive limits would have held it back"
            return self._wrong(record, "x.limits.passive", str(would), str(passive), hint)
        return None

    def _known(self, instrument: str, facts: Facts, limits: Limits) -> Mapping[str, Any]:
        """The facts that the returns in the last NOTE say. Rows are left out where a bound decided without them."""
        found: dict[str, Any] = {}
        known = self._returns.of(instrument)
        if facts.pnl or facts.moves:
            found["moves"] = known.moves
        floor = limits.rule(Code.GAP_SIGMA)
        if floor.mode != Mode.OFF:
            found["sigma_ppm"] = max(known.sigma, floor.assumed * (MICRO // BP))
        return found

    def _omitted(self, record: Record) -> Finding | None:
        """Gross leverage is judged on what the order itself says: a cap that is left out shows."""
        if self._limits is None:
            return None
        rule = self._limits.rule(Code.GROSS_LEVERAGE)
        if rule.mode != Mode.ON:
            return None
        event = _event(record)
        facts = NO_FACTS._replace(**_own(event, _MOST_U))
        left = gross_leverage(rule, Names("", "", ""), facts)
        if facts.entry_lots <= max(left, 0):
            return None
        self.checked += 1
        hint = f"{SPECS[Code.GROSS_LEVERAGE].name} leaves {max(left, 0)} lots of an entry of {facts.entry_lots}"
        return self._wrong(record, "cap_lots", str(max(left, 0)), "no cap", hint)

    def _wrong(self, record: Record, field: str, expected: str, actual: str, hint: str) -> Finding:
        return found(self.path, record, field, expected, actual, REQUIREMENT, hint, check=SAFETY)


def _due(name: str, said: Mapping[str, Any]) -> bool:
    """Whether a fact must be there: those that came with later limits have a value in journals of before."""
    return name in said or name not in Facts._field_defaults


def _event(record: Record) -> Order:
    event = MAKERS["ORDER"](record.ts_ns, record.body)
    assert isinstance(event, Order)
    return event


def _own(event: Order, exit_u: int) -> Mapping[str, Any]:
    """The facts that the order itself says, what it closes being counted at `exit_u` a lot."""
    cut = parts(event)
    return {
        "side": event.side, "entry_lots": cut.entry, "exit_lots": cut.exit, "value_u": event.value_u,
        "equity": event.equity, "gross": event.gross, "working": event.working,
        "freed": freed(cut.exit, exit_u, event.gross, event.taking),
    }  # fmt: skip


def _said(lots: int, code: int) -> str:
    if code == 0:
        return "no cap"
    name = SPECS[Code(code)].name if code in SPECS else str(code)
    return f"{lots} by {name}"
