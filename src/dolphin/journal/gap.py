"""What could not be written, kept until a GAP record can say so.

What belongs here: the count and its text. `records` were lost and are nowhere; `unsynced` are in the file, but a failed
sync (mode `power`) left in doubt whether they survive a loss of power.
"""

from __future__ import annotations

from typing import NamedTuple

from dolphin.journal.encoding import encode


class Gap(NamedTuple):
    """How many records are missing, since when (the host's clock, ns), and the first reason."""

    records: int
    since_ns: int
    error: str
    unsynced: int

    def data(self, seq: int) -> str:
        """The `data` of the GAP record that stands in the place of record `seq`."""
        return encode(
            {
                "from": seq,
                "count": self.records,
                "since_ns": self.since_ns,
                "error": self.error,
                "unsynced": self.unsynced,
            }
        )


def more(gap: Gap | None, ts_ns: int, error: str, records: int, unsynced: int = 0) -> Gap:
    """`gap` and what was lost now; a new one where there was none."""
    if gap is None:
        return Gap(records, ts_ns, error, unsynced)
    return gap._replace(records=gap.records + records, unsynced=gap.unsynced + unsynced)
