"""Fold a journal and print `RECORDS HEAD STATE`: what `tools.pythons` compares between Pythons. Needs no Nautilus."""

from __future__ import annotations

import sys

from dolphin.journal import read
from dolphin.journal.codec import Begun, begin, decode, state_hash
from dolphin.kernel.events import EVENTS
from dolphin.kernel.machine import step


def folded(path: str) -> str:
    """Count of records, hash of the last one, hash of the state that the journal folds to."""
    begun: Begun | None = None
    count, head = 0, ""
    for record in read(path):
        count, head = count + 1, record.hash
        if record.kind == "HEADER":
            begun = begin(record.data)
        elif record.kind in EVENTS:
            if begun is None:
                raise SystemExit(f"{path}:{record.line}: {record.kind} before any HEADER")
            event = decode(record.kind, record.ts_ns, record.data)
            begun = Begun(begun.policy, step(begun.policy, begun.state, event)[0])
    if begun is None:
        raise SystemExit(f"{path}: no HEADER")
    return f"{count} {head} {state_hash(begun.state)}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(folded(name))
