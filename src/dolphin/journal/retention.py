"""Which segments of a journal may go, and what the journal says of one that went.

What belongs here: the rule and the removal; when is for the plug-in (`nautilus/guard.py`). A segment may go when the
live one begins with a checkpoint that reads back from the file: recovery then needs nothing before it. The oldest go
first, so that no hole is left. What went is named by its last record, which is what the header after it names too.
"""

from __future__ import annotations

from contextlib import closing
from typing import Final, NamedTuple

from dolphin.journal.chain import header, is_there
from dolphin.journal.checkpoint import read_checkpoint
from dolphin.journal.codec import Malformed
from dolphin.journal.encoding import TS_MAX_NS, Head, encode
from dolphin.journal.errors import JournalError
from dolphin.journal.files import PORT, Port, word
from dolphin.journal.kinds import CHECKPOINT
from dolphin.journal.reader import read_file
from dolphin.journal.segments import name_of, opening, run_of

RETIRED = "retired"
"""What the NOTE of a segment that goes says: `segment`, and `seq` and `hash` of its last record."""


class Retired(NamedTuple):
    """A segment that may go. `head`: its last record."""

    segment: int
    head: Head

    def data(self) -> str:
        """The `data` of its NOTE."""
        said = {"what": RETIRED, "segment": self.segment, "seq": self.head.seq, "hash": self.head.hash}
        return encode(said)


class Kept(NamedTuple):
    """Which segments before the live one stay: the newest `segments`, and those that ended at most `age_ns` ago."""

    segments: int = 0
    age_ns: int = 0

    def before_ns(self, ts_ns: int) -> int:
        """At `ts_ns`, what ended by then may go."""
        if self.age_ns == 0:
            return TS_MAX_NS
        return ts_ns - self.age_ns


ALL_KEPT: Final = Kept()
"""Nothing is said, and all stay."""


def beyond(path: str, kept: int, before_ns: int = TS_MAX_NS, *, port: Port = PORT) -> list[Retired]:
    """The rotated segments of the journal `path` that are more than `kept` and ended by `before_ns`, oldest first; none
    where the live file does not begin with a checkpoint. One of another journal, by its header, stays, with those
    before it. JournalError: a header cannot be read.

    A segment ends when the next one's header is written. A clock that stepped back may make an older one seem younger:
    it stays, and what follows it stays with it.
    """
    said = header(path, port=port).data
    live = opening(said).number
    if not _recoverable(path, port):
        return []
    found: list[Retired] = []
    for number in range(live - kept - 1, 0, -1):
        if not is_there(name_of(path, number), port):
            break
        if run_of(header(name_of(path, number), port=port).data) != run_of(said):
            break
        follower = path
        if number + 1 < live:
            follower = name_of(path, number + 1)
        after = header(follower, port=port)
        if after.ts_ns > before_ns:
            found.clear()
            continue
        found.append(Retired(number, opening(after.data).before))
    return found[::-1]


def remove(path: str, gone: list[Retired], *, port: Port = PORT) -> None:
    """Take the files of these segments away. JournalError: one is left, and those after it."""
    for one in gone:
        name = name_of(path, one.segment)
        try:
            port.unlink(name)
        except OSError as error:
            raise JournalError(f"{name}: cannot be removed ({word(error)}); it is tried again later") from error


def _recoverable(path: str, port: Port) -> bool:
    """Whether the second record of the live file is a checkpoint that can be read."""
    with closing(read_file(path, port=port)) as records:  # type: ignore[type-var]
        next(records)
        second = next(records, None)
    if second is None:
        return False
    if second.kind != CHECKPOINT:
        return False
    try:
        read_checkpoint(second.data, second.raw)
    except Malformed:
        return False
    return True
