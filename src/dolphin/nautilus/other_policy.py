"""A start with another policy than its journal's: refused unless somebody accepted it, and then one segment later.

What belongs here: what is said of two policies that differ, who may go on under the other one, and the change itself.
Whether a looser one may take over is the kernel's answer (`kernel.policy_change`); how a segment begins is the
journal's. docs/design/policy-change.md.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from typing import Any, Final

from dolphin.journal import Journal
from dolphin.journal.checkpoint import data as checkpoint_of
from dolphin.journal.codec import policy_hash, policy_object
from dolphin.journal.encoding import POLICY_CHARS
from dolphin.journal.folding import Folding
from dolphin.journal.segments import under
from dolphin.kernel.policy import Policy
from dolphin.kernel.policy_change import Change, changed, looser
from dolphin.kernel.state import Mode, State

_WHY: Final = {
    Change.OTHER_PROFILE: "the profile is the unit in which confidence and waits were counted: that is another book",
    Change.KILLED: "the kill switch holds, and nothing is loosened while it does: arm, confirm and recover first",
    Change.NOT_APEX: "the book is not in APEX, and nothing is loosened before it is",
    Change.GAP_RUNS: "the gap after the last re-base is not over, and is not cut short",
}


class OtherPolicy(ValueError):
    """The journal is of another policy, and this one was not accepted or may not take over now."""


def word_for(before: Policy, after: Policy) -> str:
    """What `accept_policy` has to say for this change: the beginnings of both hashes."""
    return f"{_short(before)}:{_short(after)}"


def _short(policy: Policy) -> str:
    return policy_hash(policy)[:POLICY_CHARS]


def differences(before: Policy, after: Policy) -> str:
    """The fields that differ, each with both values and whether the new one is looser."""
    found: list[str] = []
    for name, one, other in zip(Policy._fields, before, after, strict=True):
        if one != other:
            way = "tighter"
            alone: Any = {name: other}
            if looser(before, before._replace(**alone)):
                way = "looser"
            found.append(f"{name} {int(one)} -> {int(other)} ({way})")
    return ", ".join(found)


def demand(path: str, before: Policy, after: Policy, accepted: str, state: State, mode: Mode) -> None:
    """OtherPolicy unless the user named just this change and the book may go on under `after`. `mode`: of the latch."""
    one, other = _short(before), _short(after)
    said = f"{path}: the book is under policy {one}, this start has {other}"
    differ = f"they differ in {differences(before, after)}"
    answer = changed(before, after, mode, state.filter.posture, state.capital.rebased_ns, state.clock.t_ns)
    if answer == Change.OTHER_PROFILE:
        raise OtherPolicy(f"{said}: {_WHY[answer]}; move the journal away to begin anew, or put the profile back")
    word = word_for(before, after)
    if accepted != word:
        raise OtherPolicy(
            f"{said}; to go on with the new one say accept_policy = {word!r} (it says {accepted!r}), to keep the old "
            f"one put its values back; {differ}"
        )
    if answer != Change.TAKEN:
        raise OtherPolicy(f"{said}: {_WHY[answer]}; put the old values back until then; {differ}")


def go_on(journal: Journal, made: Folding, header: Mapping[str, Any], after: Policy, ts_ns: int, accepted: str) -> None:
    """The journal goes on in a new segment, under `after`. JournalError, ValueError: it does not, and nothing changed.

    Until the new file has the journal's name the old policy is in force, from then on the new one: a crash at any point
    leaves one of the two (spec/PolicyChange.tla).
    """
    assert made.state is not None
    seq = journal.head.seq + 1
    changed_header = under(header, policy_object(after), policy_hash(after), seq, accepted, who())
    journal.rotate(ts_ns, checkpoint_of(made.state, made.aside), changed_header)


def who() -> str:
    """The system's name of the user whose process this is, or his number where it has none."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
