"""A change of policy in a journal: what its HEADER must say, and what it may not have loosened.

What belongs here: the form of the change, the policy that the header writes and its hash, and check d of the change,
with literal numbers: like all of check d it shares no function with the kernel (check b asks the kernel itself).
docs/design/policy-change.md.
"""

from __future__ import annotations

from typing import Any, Final

from dolphin.audit.finding import FORM, Finding, found
from dolphin.audit.gate import APEX, RUNNING, Wrong
from dolphin.journal import Record
from dolphin.journal.codec import Malformed, policy_hash, policy_of
from dolphin.journal.encoding import POLICY_CHARS
from dolphin.journal.segments import CHANGE_FIELDS, POLICY, POLICY_CHANGE, POLICY_HASH
from dolphin.kernel.policy import Policy, problems

RULED: Final = "DOL-POLICY-002"
SAID: Final = "DOL-POLICY-003"
MORE: Final = (
    "apex_entry_bp", "stalker_entry_bp", "apex_held_bp", "stalker_held_bp", "turtle_held_bp", "trim_band_bp",
    "hibernate", "l_raw_bp", "kappa_bp",
)  # fmt: skip
"""Looser where there is more of it."""
LESS: Final = ("trim", "rebase_trapped_ns", "rebase_gap_ns")
"""Looser where there is less of it."""


def is_change(before: Record, record: Record) -> bool:
    """Whether the HEADER `record` says another policy than the one before it."""
    return bool(before.data[POLICY_HASH] != record.data.get(POLICY_HASH))


def announced(path: str, before: Record, record: Record) -> Finding | None:
    """The HEADER of a change names the hash before, its own place, and the word that accepted just this change."""
    hint = f"this segment is under another policy than {before.path}, and does not say so as a start would have"
    said = record.data.get(POLICY_CHANGE)
    if not isinstance(said, dict) or tuple(said) != CHANGE_FIELDS:
        actual = repr(said)
        return found(path, record, POLICY_CHANGE, ", ".join(CHANGE_FIELDS), actual, SAID, hint, check=FORM)
    one, other = str(before.data[POLICY_HASH]), str(record.data.get(POLICY_HASH))
    expected = {"seq": record.seq, "before": one, "accepted": f"{one[:POLICY_CHARS]}:{other[:POLICY_CHARS]}"}
    for name, value in expected.items():
        if said[name] != value:
            field = f"{POLICY_CHANGE}.{name}"
            return found(path, record, field, str(value), str(said[name]), SAID, hint, check=FORM)
    return None


def written(path: str, record: Record) -> Policy | Finding:
    """The policy that the HEADER writes, if it is one, is that of its hash, and contradicts nothing."""
    hint = "the policy in the header is none that a run could begin with"
    try:
        policy = policy_of(record.data[POLICY])
    except Malformed as error:
        return found(path, record, error.field, error.expected, repr(error.actual), SAID, hint, check=FORM)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return found(path, record, POLICY, "a policy", str(error), SAID, hint, check=FORM)
    wrong = problems(policy)
    if wrong:
        return found(path, record, POLICY, "a policy that contradicts nothing", wrong[0], SAID, hint, check=FORM)
    named, computed = str(record.data.get(POLICY_HASH)), policy_hash(policy)
    if named != computed:
        hint = "the policy in the header is not the one whose hash it names; one of the two was changed"
        return found(path, record, POLICY_HASH, computed, named, SAID, hint, check=FORM)
    return policy


def loosened(before: Policy, after: Policy) -> str:
    """The first field by which `after` lets more than `before`; empty if none does."""
    for name in MORE:
        if getattr(after, name) > getattr(before, name):
            return name
    for name in LESS:
        if getattr(after, name) < getattr(before, name):
            return name
    return "l_raw_bp" if after.l_raw_bp == 0 and before.l_raw_bp > 0 else ""


def ruled(before: Policy, after: Policy, book: Any, rebased_ns: int, t_ns: int) -> Wrong | None:
    """What this change may not have done to a book whose last record says `book.mode` and `book.posture`."""
    if after.profile != before.profile:
        hint = "the profile is the unit of confidence and waits: another one is another book"
        return Wrong("policy.profile", str(int(before.profile)), str(int(after.profile)), RULED, hint)
    name = loosened(before, after)
    if not name:
        return None
    field, expected, actual = f"policy.{name}", str(int(getattr(before, name))), str(int(getattr(after, name)))
    if book.mode != RUNNING:
        return Wrong(field, expected, actual, RULED, "nothing is loosened while the kill switch holds")
    if book.posture != APEX:
        return Wrong(field, expected, actual, RULED, f"nothing is loosened out of APEX (posture {book.posture})")
    if after.rebase_gap_ns < before.rebase_gap_ns and 0 <= rebased_ns and t_ns - rebased_ns < before.rebase_gap_ns:
        said = (str(before.rebase_gap_ns), str(after.rebase_gap_ns))
        return Wrong("policy.rebase_gap_ns", *said, RULED, "a gap that runs is not cut short")
    return None
