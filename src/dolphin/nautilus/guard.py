"""The core of the plug-in: one event, one step, one record, and then what is to be done about it. No Nautilus type.

Rules of this file: state changes only in `emit`; records stand in the order of the steps: the journal's fold is the
state. What cannot be written is kept, and written first later. Once `over`, state and journal stay what CLOSE left.

Theory of operation. `emit` steps, encodes and records. Where the step tripped the latch or fell into HIBERNATE, the
listener acts first, then the latch file is told, and the record follows (DESIGN.md 2.6, docs/design/latch-file.md);
events that the acting brings about are stepped at once and recorded after it. An entry asks with `must`: everything
that waits is written before it (`power`: onto the disk); `acknowledged`: whether it was. A record that cannot be trips
the latch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic_ns
from typing import Any, Final

from dolphin.journal import JournalError, JournalWriteError, LatchFile, writable
from dolphin.journal import text as text_of
from dolphin.journal.aside import KINDS as ASIDE
from dolphin.journal.aside import Aside
from dolphin.journal.checkpoint import NEVER, Keeper
from dolphin.journal.codec import encode
from dolphin.journal.entries import Accounts
from dolphin.journal.kinds import CHECKPOINT, NOTE
from dolphin.journal.retention import ALL_KEPT, Kept, beyond, remove
from dolphin.kernel.events import KIND, Effect, Event, Fault, Moved, Order, Tick, Tripped, Verdict
from dolphin.kernel.machine import step
from dolphin.kernel.policy import Policy, Posture
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Mode, State
from dolphin.nautilus.unwritten import Waiting

type Effects = tuple[Effect, ...]
type Listener = Callable[[Event, Effects], None]

WAITING_MAX: Final = 200_000
"""Records kept while the journal cannot be written; after that the newest are lost, and the fold ends at the GAP."""

RETIRED_AT_ONCE: Final = 2
"""Segments that go at one rotation: to remove a large file takes time, and the event loop waits for it."""

NOT_ROTATED: Final = '{"what":"not rotated","error":%s}'
NOT_RETIRED: Final = '{"what":"not retired","error":%s}'
UNWRITABLE: Final = '{"what":"unwritable","kind":"%s"}'


class Guard:
    """State, journal and counters of one book."""

    def __init__(
        self, policy: Policy, state: State, journal: Any, listener: Listener, report: bool,
        latch_file: LatchFile | None = None, after: Callable[[], None] = lambda: None, keeper: Keeper | None = None,
        segment_bytes: int = NEVER, kept: Kept = ALL_KEPT, late_ns: int = NEVER,
    ) -> None:  # fmt: skip
        """`latch_file`: what keeps a kill where the journal cannot; None: nothing does. `after`: called when a trip or
        a fall has been acted upon and was recorded, or could not be. `keeper`: of its checkpoints; None: none.
        `segment_bytes`: a journal of so many is rotated, with a checkpoint. `kept`: which of those before it stay.
        `late_ns`: an entry that waited longer for the disk does not leave: what it was judged on is old.
        """
        self.policy = policy
        self.state = state
        self.journal = journal
        self.listener = listener
        self.report = report
        self.acknowledged = True
        self.failing = False
        self.lost = 0
        self.refused = 0
        self.refusal = ""
        self.latch_refusal = ""
        self.reasons: dict[str, int] = {}
        self._waiting: deque[Waiting] = deque()
        self._acting = 0
        self._silent = False
        self._after = after
        self._latch_file = latch_file
        if keeper is None:
            keeper = Keeper(Aside(), 0, NEVER)
        self.keeper = keeper
        self.records = keeper.written
        self._segment_bytes = segment_bytes
        self._kept = kept
        self._late_ns = late_ns
        # A held latch (opening.py) is not in the state yet: what the file says stays until the FAULT has been stepped.
        self._standing = not self.running()
        self.over = False

    def emit(self, event: Event, note: str = "", must: bool = False) -> Effects:
        """Step, record, act. With `must`, `acknowledged` then says whether the journal has it."""
        if self.over:
            return ()
        self.state, effects = step(self.policy, self.state, event)
        if type(event) is Tick:
            if not effects:
                self._silent = True
                return effects
        self._silent = False
        record = Waiting(event.ts_ns, KIND[type(event)], encode(event, effects, self.state, note), note)
        if not effects:
            self._record(record, must)
            return effects
        if _acts_first(effects):
            self._act_first(event, effects, record)
            return effects
        self._record(record, must)
        if type(event) is not Order:
            self.listener(event, effects)
        elif len(effects) > 1:
            self.listener(event, effects)
        return effects

    def judge(self, order: Order, note: str) -> Verdict:
        """The verdict on an order. One with an entry part waits to be `acknowledged`, in mode `power` by the disk."""
        since_ns = monotonic_ns()
        effects = self.emit(order, note, must=True)
        verdict = effects[-1]
        if type(verdict) is not Verdict:
            raise TypeError(f"the kernel answered {verdict!r} to an order")
        if verdict.lots > verdict.exit_lots:
            self._await_disk(order.ts_ns, since_ns)
        return verdict

    def timed(self) -> None:
        """Before CLOSE names the state: time that passed and brought nothing has no record; the fold must get there."""
        if self._silent:
            tick = Tick(self.state.clock.t_ns)
            self._silent = False
            self._record(Waiting(tick.ts_ns, "TICK", encode(tick, (), self.state)), False)

    def write(self, ts_ns: int, kind: str, data: str, fields: Mapping[str, Any] | None = None) -> None:
        """Record something that is no kernel event (FILL, OWN, ADOPT, COMMAND, NOTE). `fields`: what `data` says."""
        if not self.over:
            self._record(Waiting(ts_ns, kind, data, "", fields), False)

    @property
    def accounts(self) -> Accounts:
        """The ledger of what the journal has."""
        return self.keeper.accounts

    def next_seq(self) -> int:
        """The number of the next record, if everything that waits can be written."""
        return self._head_seq() + 1 + len(self._waiting)

    def count(self, name: str) -> None:
        """One more of this reason."""
        self.reasons[name] = self.reasons.get(name, 0) + 1

    def running(self) -> bool:
        """Whether the latch is RUNNING."""
        return self.state.latch.mode == Mode.RUNNING

    def emptying(self) -> bool:
        """Whether nothing increasing may work: a kill, or HIBERNATE."""
        if self.state.latch.mode != Mode.RUNNING:
            return True
        return self.state.filter.posture == Posture.HIBERNATE

    def waiting(self) -> int:
        """How many records are not in the journal yet."""
        return len(self._waiting)

    def flush(self) -> bool:
        """Write what waits, oldest first. False where the journal refused."""
        waiting = self._waiting
        while waiting:
            ts_ns = waiting[0].ts_ns
            if not self._append(waiting[0]):
                self._failed(ts_ns)
                return False
            waiting.popleft()
        if self._standing:
            self._left()
        if self.records >= self.keeper.due:
            return self._checkpoint()
        return True

    def settle(self, ts_ns: int) -> None:
        """Live, with the timer: a latch file that refused is asked again; mode `power` syncs what nobody waits for."""
        if self.over:
            return
        if self.latch_refusal:
            self._remember()
        self._synced(ts_ns)

    def release(self) -> None:
        """The run has ended: let go of the latch file."""
        self.over = True
        if self._latch_file is not None:
            self._latch_file.release()

    def _act_first(self, event: Event, effects: Effects, record: Waiting) -> None:
        self._keep(record)
        self._acting += 1
        try:
            self.listener(event, effects)
        finally:
            self._acting -= 1
            self._remember()
            if self._acting == 0:
                self.acknowledged = self.flush()
                self._after()

    def _record(self, record: Waiting, must: bool) -> None:
        self._keep(record)
        if self._acting > 0:
            if not must:
                return
        self.acknowledged = self.flush()

    def _keep(self, record: Waiting) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self.keeper.stop()
            self.lost += 1
            return
        self._waiting.append(record)

    def _checkpoint(self) -> bool:
        """The journal has every step, so that its fold is the state: a checkpoint says so (journal-years.md). Not while
        a kill is being acted upon, and not where time has passed that has no record.
        """
        if self._acting > 0:
            return True
        if self._silent:
            return True
        text = self.keeper.take(self.state, self.records)
        if not text:
            return True
        ts_ns = self.state.clock.t_ns
        if self.journal.size >= self._segment_bytes:
            return self._rotate(ts_ns, text)
        return self._checkpointed(ts_ns, text)

    def _checkpointed(self, ts_ns: int, text: str) -> bool:
        self._keep(Waiting(ts_ns, CHECKPOINT, text))
        return self.flush()

    def _rotate(self, ts_ns: int, text: str) -> bool:
        """Go on in a new segment, which begins with this checkpoint. Where that cannot be, a NOTE says why, the
        checkpoint stands in the old one, and it is tried again with the next.
        """
        before = self._head_seq()
        try:
            self.journal.rotate(ts_ns, text)
        except JournalWriteError as error:
            self.records += min(self._head_seq() - before, 1)
            self._note_refusal(error)
            self._failed(ts_ns)
            return False
        except (JournalError, OSError, ValueError) as error:
            self.keeper.unrotated = str(error)
            self._keep(Waiting(ts_ns, NOTE, NOT_ROTATED % text_of(writable(self.keeper.unrotated))))
            return self._checkpointed(ts_ns, text)
        self.records += 1
        self.keeper.unrotated = ""
        if self._kept == ALL_KEPT:
            return True
        return self._retire(ts_ns)

    def _retire(self, ts_ns: int) -> bool:
        """Segments beyond those kept go, once the journal names their last records (`power`: once the disk has it)."""
        path = self.journal.path
        try:
            gone = beyond(path, self._kept.segments, self._kept.before_ns(ts_ns))[:RETIRED_AT_ONCE]
            for one in gone:
                self._keep(Waiting(ts_ns, NOTE, one.data()))
            written = self.flush()
            if written:
                written = self._synced(ts_ns)
            if written:
                remove(path, gone, port=self.journal.port)
        except JournalError as error:
            self._keep(Waiting(ts_ns, NOTE, NOT_RETIRED % text_of(writable(str(error)))))
            return self.flush()
        return written

    def _append(self, record: Waiting) -> bool:
        """Append it. One that has no form in the journal must not hold up those behind it, the trip of a latch among
        them: an event goes without its note, so that the fold stays exact; of anything else a NOTE says the kind.
        """
        try:
            try:
                self.journal.append(record.ts_ns, record.kind, record.data)
            except ValueError:
                self._bare(record)
            else:
                self._took(record)
        except JournalWriteError as error:
            return self._doubted(error)
        except (JournalError, OSError) as error:
            self._note_refusal(error)
            return False
        self.failing = False
        self.records += 1
        return True

    def _bare(self, record: Waiting) -> None:
        self.keeper.stop()
        if record.note:
            self.journal.append(record.ts_ns, record.kind, record.bare())
            self._took(record._replace(data=record.bare()))
            return
        self.journal.append(record.ts_ns, "NOTE", UNWRITABLE % record.kind)

    def _took(self, record: Waiting) -> None:
        """The journal has it: so have the checkpoints to come, and the ledger."""
        if record.kind in ASIDE:
            self.keeper.took(record.kind, record.data, record.fields)

    def _doubted(self, error: JournalWriteError) -> bool:
        """Refused. What is in the file all the same must not be appended again: the fold would count it twice."""
        self._note_refusal(error)
        if error.kept:
            self.keeper.stop()
            self.records += 1
            self._took(self._waiting.popleft())
        return False

    def _note_refusal(self, error: Exception) -> None:
        self.refused += 1
        self.refusal = str(error)

    def _await_disk(self, ts_ns: int, since_ns: int) -> None:
        """An entry is to leave: its record is on the disk, where the mode asks it, and in time, or not acknowledged."""
        if self.report:
            return
        if not self.acknowledged:
            return
        self.acknowledged = self._synced(ts_ns)
        if monotonic_ns() - since_ns > self._late_ns:
            self.acknowledged = False

    def _synced(self, ts_ns: int) -> bool:
        """Whether what is written is on the disk, as far as the journal's mode asks for it."""
        try:
            self.journal.flush()
        except (JournalError, OSError) as error:
            self._note_refusal(error)
            self._failed(ts_ns)
            return False
        return True

    def _remember(self) -> None:
        """A kill stands: the latch file says so before the journal is asked, since the journal may refuse."""
        if not self.running():
            self._tell_latch_file()

    def _left(self) -> None:
        """The journal has everything, the confirm included, so that the latch file may say RUNNING."""
        if self.lost:
            return
        if self.running():
            self._tell_latch_file()

    def _tell_latch_file(self) -> None:
        file = self._latch_file
        if file is None:
            return
        try:
            file.say(self.state.latch, self._head_seq())
        except (JournalError, OSError) as error:
            self.latch_refusal = str(error)
        else:
            self.latch_refusal = ""
        self._standing = file.killed

    def _head_seq(self) -> int:
        seq: int = self.journal.head.seq
        return seq

    def _failed(self, ts_ns: int) -> None:
        """The journal refused: the latch trips, once; what waits is tried again with the next record."""
        if self.failing:
            return
        self.failing = True
        if self.state.latch.mode != Mode.KILLED:
            self.emit(Fault(ts_ns, Cause.JOURNAL_WRITE))


def _acts_first(effects: Effects) -> bool:
    """Whether the step tripped the latch or fell into HIBERNATE, so that cancels and exits leave before the record."""
    for effect in effects:
        kind = type(effect)
        if kind is Tripped:
            return True
        if kind is Moved:
            if effect.after == Posture.HIBERNATE:  # type: ignore[union-attr]
                return True
    return False
