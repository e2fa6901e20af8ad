"""How a run ends: CLOSE with its totals, the hash of the state and the checksum of the ledger that its fold must give.

What belongs here: that one record, and when it is not written. A journal that lacks records which still wait is not
closed: the verdict on it is `incomplete`, which is what it is.
"""

from __future__ import annotations

from dolphin.journal import JournalError, encode
from dolphin.journal.codec import state_hash
from dolphin.nautilus.guard import Guard


def ended(guard: Guard, sent: int, ts_ns: int) -> tuple[str, str]:
    """Close the journal of `guard`, which sent so many own orders: its anchor, or nothing and why it is not closed."""
    try:
        return _closed(guard, sent, ts_ns)
    except (JournalError, ValueError) as error:
        return "", f"not closed: {error}"
    finally:
        guard.release()


def _closed(guard: Guard, sent: int, ts_ns: int) -> tuple[str, str]:
    guard.timed()
    if not guard.flush():
        guard.journal.release()
        return "", f"not closed, {guard.waiting()} records could not be written: {guard.refusal}"
    said = {
        "reasons": dict(guard.reasons), "records": guard.records, "own": sent, "state": state_hash(guard.state),
        "accounts": guard.accounts.digest(),
    }  # fmt: skip
    return guard.journal.close(ts_ns, encode(said)).anchor, ""
