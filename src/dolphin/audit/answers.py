"""Check d, commands: the operator was told what the kernel answered and what then stood.

What belongs here: the COMMAND record against the kernel's record before it; and how values of records are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dolphin.audit.gate import Wrong
from dolphin.journal import Record
from dolphin.kernel.policy import Posture
from dolphin.kernel.reasons import Reason
from dolphin.kernel.state import Mode

VERBS: Final = frozenset(
    {
        "kill", "arm", "confirm", "rebase-arm", "rebase-confirm", "adopt", "flatten", "status",
        "fault", "shock", "sensor-error", "stall", "flow", "reconcile",
        "limits-propose", "limits-confirm", "limits-enable",
    }
)  # fmt: skip
ANSWERED: Final = {"arm": "ARM", "confirm": "CONFIRM", "rebase-arm": "REBASE_ARM", "rebase-confirm": "REBASE_CONFIRM"}


def command(record: Record, last: Record | None) -> Wrong | None:
    """The operator was told what the records before say."""
    data = record.data
    verb = text(data, "verb")
    answer = data.get("answer", {})
    if type(answer) is not dict:
        raise TypeError(f"answer is {answer!r}, no object")
    if verb not in VERBS:
        if answer.get("ok") is not False:
            return Wrong("verb", ", ".join(sorted(VERBS)), verb, "DOL-PLUG-004", "no such command was answered")
        return None
    if answer.get("verb", verb) != verb:
        return Wrong("answer.verb", verb, str(answer["verb"]), "DOL-PLUG-004", "the answer to another command")
    if last is None:
        return None
    out = last.body.out
    standing = {"posture": member(Posture, out[1]), "mode": member(Mode, out[2]), "episode": int(out[11])}
    for name, right in standing.items():
        if name in answer and answer[name] != right:
            hint = f"what stands after line {last.line}"
            return Wrong(f"answer.{name}", str(right), str(answer[name]), "DOL-PLUG-004", hint)
    kind = ANSWERED.get(verb)
    if kind is not None and last.kind == kind:
        return _answered(last, answer, data.get("args", {}))
    return None


def _answered(last: Record, answer: Mapping[str, Any], args: Mapping[str, Any]) -> Wrong | None:
    reasons = [member(Reason, effect[1]) for effect in last.body.fx if effect[0] == "ANSWER"]
    if reasons and "reason" in answer and answer["reason"] != reasons[0]:
        hint = f"the kernel's answer at line {last.line}"
        return Wrong("answer.reason", reasons[0], str(answer["reason"]), "DOL-PLUG-004", hint)
    granted = bool(reasons) and reasons[0] in ("ARMED", "CONFIRMED", "REBASED")
    if reasons and answer.get("ok", granted) is not granted:
        hint = f"the kernel answered {reasons[0]} at line {last.line}"
        return Wrong("answer.ok", str(granted), str(answer["ok"]), "DOL-PLUG-004", hint)
    rows = (("answer", answer, "nonce"), ("args", args, "nonce"), ("args", args, "episode"))
    for where, said, name in rows:
        right = getattr(last.body, name, None)
        if right is not None and said.get(name) is not None:
            if int(said[name]) != int(right):
                hint = f"{last.kind} at line {last.line}"
                return Wrong(f"{where}.{name}", str(right), str(said[name]), "DOL-PLUG-004", hint)
    return None


def member(enumeration: Any, value: Any) -> str:
    """The name of an enumeration's member; ValueError for none."""
    return str(enumeration(int(value)).name)


def text(data: Mapping[str, Any], name: str) -> str:
    """The string of this name; TypeError for any other value."""
    value = data[name]
    if type(value) is not str:
        raise TypeError(f"{name} is {value!r}, no string")
    return value
