"""Two engines, one verdict: whether replay and TLC say the same of what both can see, and their one report.

What belongs here: what of a journal is TLC's as well, and the comparison; no check of a journal.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dolphin.audit import ledger_tla, order_tla
from dolphin.audit.finding import FORM, MODEL, Check, Report, Verdict
from dolphin.audit.replay import NOT_AUDITED

MODELLED: Final = ("confidence_ms", "posture", "mode", "held_bp", "episode")
"""Fields of `out` that the model computes; the readings R2 to R5 are its inputs, tied to `held_bp` by their product."""

LATER: Final = "check c has no state to begin with: the checkpoint with which the journal begins is none"


class Agreement(NamedTuple):
    """Both reports, and why they contradict each other, if they do (DOL-AUDIT-002)."""

    replay: Report
    tlc: Report
    disagreement: str


def agreement(replayed: Report, tlc: Report) -> Agreement:
    """Whether the two engines say the same of what both can see.

    Replay checks more (other effects, readings); TLC checks the filter, posture, latch, re-arm and re-base, and how
    much of an order leaves. So a violation that replay finds in a field of the model must be TLC's too, at the same
    record or before; and TLC may find none that replay does not.
    """
    ours = replayed.findings[0] if replayed.findings else None
    theirs = tlc.findings[0] if tlc.findings else None
    if theirs is not None:
        if ours is None:
            said_ = f"TLC rejects line {theirs.line} ({theirs.field}), replay accepts it"
            return Agreement(replayed, tlc, said_)
        if theirs.seq < ours.seq:
            said_ = f"TLC rejects line {theirs.line} ({theirs.field}), replay only line {ours.line} ({ours.field})"
            return Agreement(replayed, tlc, said_)
        return Agreement(replayed, tlc, "")
    if ours is None or LATER in tlc.reasons:
        return Agreement(replayed, tlc, "")
    modelled = ours.check == FORM or ours.field in {f"out.{name}" for name in MODELLED}
    verdict = ours.field.rpartition("VERDICT.")
    if ledger_tla.modelled(ours) and not [reason for reason in tlc.reasons if ledger_tla.UNJUDGED in reason]:
        modelled = True
    if modelled or (verdict[1] and verdict[2] in order_tla.FIELDS):
        return Agreement(replayed, tlc, f"replay rejects line {ours.line} ({ours.field}), TLC accepts it")
    return Agreement(replayed, tlc, "")


def joined(pair: Agreement) -> Report:
    """One report of both engines: the replay's, with TLC's check added."""
    findings = pair.replay.findings + tuple(f for f in pair.tlc.findings if f.check == MODEL)
    verdict = pair.replay.verdict
    if pair.tlc.verdict == Verdict.VIOLATES:
        verdict = Verdict.VIOLATES
    checks = dict(sorted((pair.replay.checks | {MODEL: pair.tlc.checks.get(MODEL, Check(NOT_AUDITED, 0, ""))}).items()))
    seconds = pair.replay.seconds + pair.tlc.seconds
    return pair.replay._replace(engine="both", verdict=verdict, findings=findings, checks=checks, seconds=seconds)
