"""How a run begins: its HEADER, or the journal of an earlier run taken up again.

What belongs here: what the header says, setting an old journal of a backtest aside, and the fold of a recovered one.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from nautilus_trader.common.component import Logger

from dolphin.journal import Head, Journal, JournalError, LatchFile, recover
from dolphin.journal.aside import Aside
from dolphin.journal.chain import header as header_record
from dolphin.journal.checkpoint import Keeper
from dolphin.journal.codec import begin, policy_hash, policy_object
from dolphin.journal.entries import Accounts, unit_of
from dolphin.journal.files import PORT, RESUME, let_go
from dolphin.journal.folding import Folding, folded
from dolphin.journal.kinds import HEADER
from dolphin.journal.latchfile import EXPECTED, Held, take_up
from dolphin.journal.latchfile import begin as latch_begun
from dolphin.journal.lock import locked
from dolphin.journal.segments import name_of
from dolphin.journal.setaside import free, numbers
from dolphin.kernel.policy import Policy
from dolphin.kernel.state import FeedKind, Latch, Mode, State
from dolphin.kernel.units import FULL_MS
from dolphin.nautilus import mailbox
from dolphin.nautilus.config import PlugConfig
from dolphin.nautilus.other_policy import demand, go_on
from dolphin.nautilus.ports import FeedSpec
from dolphin.nautilus.translate import Scale
from dolphin.nautilus.values import Values

NAME = "journal.jsonl"
LIVE = "live"
"""What `host` says in the header of a node that trades."""
PACKAGES = ("dolphin-survival", "nautilus_trader", "arch", "exchange_calendars")


class Opened(NamedTuple):
    """A journal that is being written, and the state that it stands for. `resumed`: it was there before.

    `decided`: the positions that wait for the operator, and those that he wants gone. `keeper`: of its checkpoints.
    `held`: a kill that the journal does not know stands, and the run has to begin with its FAULT. `scales`: those of
    this run's instruments that the journal does not have so, and has to be told (`entries.SCALES`).
    """

    journal: Journal
    state: State
    resumed: bool
    decided: Aside
    keeper: Keeper
    latch_file: LatchFile
    held: Held | None
    scales: list[dict[str, Any]]


class OtherFeeds(ValueError):
    """The journal in the state directory is of a run with other feeds."""


class LiveJournal(ValueError):
    """A backtest was given the state directory of a live host: its journal is not for a backtest to set aside."""


def versions() -> dict[str, str]:
    """Versions of what decides and of what it is plugged into."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def feed_entry(spec: FeedSpec) -> dict[str, Any]:
    """A feed as the header writes it."""
    return {
        "name": spec.name, "kind": spec.kind.name, "instrument": spec.instrument, "source": spec.source,
        "first_ns": spec.first_ns, "last_ns": spec.last_ns,
    }  # fmt: skip


def scale_entry(scale: Scale) -> dict[str, Any]:
    """An instrument's scales as the header writes them: all exact, as text."""
    return {
        "id": scale.id,
        "lot": f"{scale.lot_units}/{scale.size_power}",
        "tick": f"{scale.tick_units}/{scale.price_power}",
        "currency": scale.currency.code,
        "inverse": int(scale.inverse),
        "min_lots": scale.min_lots,
        "value_num": str(scale.value_num),
        "value_den": str(scale.value_den),
    }


def money_entry(values: Values, venue: str, currency: str) -> dict[str, Any]:
    """What amounts are in, as the header writes it; nothing where the account is not known yet."""
    if values.found(venue, currency):
        return {"currency": values.base.code, "minor_per_unit": 10**values.base.precision}
    return {}


def header_of(
    policy: Policy,
    start_ns: int,
    confidence_ms: int,
    envelope: int,
    feeds: tuple[FeedSpec, ...],
    said: Mapping[str, Any],
) -> dict[str, Any]:
    """The header of a new journal; `said`: what else pins the run."""
    return {
        "versions": versions(),
        "policy": policy_object(policy),
        "start_ns": start_ns,
        "anchor_ns": start_ns,
        "confidence_ms": confidence_ms,
        "envelope": envelope,
        "feeds": [feed_entry(spec) for spec in feeds],
        **said,
    }


def begun(
    settings: PlugConfig, policy: Policy, specs: tuple[FeedSpec, ...], scales: Mapping[str, Scale],
    money: Mapping[str, Any], trader: str, live: bool, now_ns: int,
) -> Opened:  # fmt: skip
    """Mailbox, and a new journal or the earlier one, as `settings` say; `money`: see `money_entry`. As `opened`."""
    mailbox.make(settings.state_dir)
    again = live
    if settings.resume == "always":
        again = True
    if settings.resume == "never":
        again = False
    confidence_ms = FULL_MS
    if live:
        confidence_ms = 0
    said = {**_said(settings, specs, scales, trader, live), **money}
    header = header_of(policy, now_ns, confidence_ms, int(settings.envelope), specs, said)
    return opened(
        Path(settings.state_dir), policy, header, now_ns, settings.durability, again, settings.accept_policy
    )  # fmt: skip


def _said(
    settings: PlugConfig, specs: tuple[FeedSpec, ...], scales: Mapping[str, Scale], trader: str, live: bool
) -> dict[str, Any]:
    kinds = {spec.kind for spec in specs}
    absent = []
    if not settings.envelope:
        absent.append(2)
    if FeedKind.DATA not in kinds:
        absent.append(3)
    if FeedKind.ENVIRONMENT not in kinds:
        absent.append(4)
    where = "backtest"
    if live:
        where = LIVE
    return {
        "mode": settings.mode,
        "host": where,
        "run": settings.run_id,
        "trader": trader,
        "profile": settings.profile,
        "absent": absent,
        "instruments": [scale_entry(scales[name]) for name in sorted(scales)],
        "configuration": json.loads(settings.json()),
    }


def set_aside(path: Path, latch: bool = True) -> Path | None:
    """Rename an earlier journal, so that a new one can begin; where it went, or None if there was none. `latch`: its
    latch file goes with it; else that stays, and says what the journal knows.

    JournalLocked: its writer is alive, and who that is; nothing was renamed. JournalUnreadable: it may not be written.
    JournalWriteError: the latch file cannot be made; nothing was renamed.
    """
    if not path.exists():
        return None
    # A rename takes a file from under its writer without a word: only who holds the lock may do it.
    fd = locked(str(path), RESUME, PORT)
    try:
        if not latch:
            _tell_latch_file(str(path))
        return _renamed(path, latch)
    finally:
        let_go(PORT, fd)


def _renamed(path: Path, latch: bool) -> Path:
    segments = numbers(str(path))
    target = Path(free(str(path), segments))
    # Its segments first: where this ends in between, the next start finds the journal and goes on under the same name.
    for segment in segments:
        _moved(Path(name_of(str(path), segment)), Path(name_of(str(target), segment)))
    os.rename(path, target)
    endings = ["head"]
    if latch:
        endings.append("latch")
    for ending in endings:
        _moved(path.with_name(f"{path.name}.{ending}"), target.with_name(f"{target.name}.{ending}"))
    Logger("Dolphin").warning(f"{path}: an earlier journal was there, it is now {target}")
    return target


def _moved(path: Path, target: Path) -> None:
    if path.exists():
        os.rename(path, target)


def _tell_latch_file(path: str) -> None:
    """Under the journal's lock: its latch file says what its fold says, so that a kill which the journal alone knows is
    not set aside with it. Of a journal that cannot be folded, from a checkpoint neither, the first part counts, and a
    latch file is expected: where there is none, nobody knows that no kill stands.
    """
    head = Head(0, "")
    expected = True
    try:
        recovery, made = folded(path)
        head = recovery.head
        expected = EXPECTED in made.header
    except (JournalError, ValueError):
        made = Folding()
        with contextlib.suppress(JournalError, ValueError):
            recover(path, each=made.each)
    latch = Latch()
    if made.state is not None:
        latch = made.state.latch
    latch_file, _ = take_up(path, str(made.header.get("instance", "")), expected, latch, head)
    latch_file.release()


def is_live(header: Mapping[str, Any]) -> bool:
    """Whether a header is of a live host."""
    return header.get("host") == LIVE


def _live_before(path: Path) -> bool:
    """Whether the journal at `path`, if it is one, is of a live host."""
    try:
        return is_live(header_record(str(path)).data)
    except JournalError:
        return False


def _spare_the_live(path: Path) -> None:
    """LiveJournal where a live host's journal is in the way of a backtest."""
    if not path.exists():
        return
    if _live_before(path):
        raise LiveJournal(f"{path}: is the journal of a live host; name another state_dir, or move it away yourself")


def opened(
    state_dir: Path, policy: Policy, header: Mapping[str, Any], now_ns: int, durability: Any, again: bool,
    accepted: str = "",
) -> Opened:  # fmt: skip
    """Begin a journal, or take up the one that is there if `again`. `accepted`: a change of policy, by both hashes.
    JournalError; OtherFeeds; OtherPolicy; LiveJournal; OSError.
    """
    path = state_dir / NAME
    if again:
        if path.exists():
            return _resumed(path, policy, header, now_ns, durability, accepted)
    live = is_live(header)
    if not live:
        _spare_the_live(path)
    set_aside(path, latch=not live)
    header = {**header, EXPECTED: 1}
    journal = Journal.create(str(path), header, policy_hash=policy_hash(policy), ts_ns=now_ns, durability=durability)
    try:
        latch_file, held = latch_begun(str(path), journal.instance, kept=live)
    except BaseException:
        # The next start would take a journal without its latch file for one that lost it.
        with contextlib.suppress(OSError):
            os.unlink(path)
        journal.release()
        raise
    aside = Aside()
    aside.each(HEADER, header)
    return Opened(journal, begin(header).state, False, Aside(), Keeper(aside, 0), latch_file, held, [])


def _resumed(
    path: Path, policy: Policy, header: Mapping[str, Any], now_ns: int, durability: Any, accepted: str
) -> Opened:
    recovery, made = folded(str(path))
    was, state, before_policy = made.header, made.state, made.policy
    assert state is not None
    assert before_policy is not None
    before = [(feed["name"], feed["kind"]) for feed in was["feeds"]]
    now = [(feed["name"], feed["kind"]) for feed in header["feeds"]]
    if before != now:
        raise OtherFeeds(f"{path}: was written with feeds {before}, now there are {now}; move it away to begin anew")
    other = before_policy != policy
    if other:
        demand(str(path), before_policy, policy, accepted, state, state.latch.mode)
    ts_ns = max(now_ns, recovery.last_ts_ns)
    journal = Journal.resume(
        str(path), ts_ns=ts_ns, policy_hash=policy_hash(before_policy), durability=durability, recovery=recovery
    )
    try:
        latch_file, held = take_up(str(path), str(was.get("instance", "")), EXPECTED in was, state.latch, recovery.head)
    except BaseException:
        journal.release()
        raise
    made.aside.each("NOTE", {"what": "resumed"})  # which the journal has written itself
    if other:
        try:
            if held is not None:  # a kill that the journal does not know yet counts as well
                demand(str(path), before_policy, policy, accepted, state, Mode.KILLED)
            go_on(journal, made, was, policy, ts_ns, accepted)
        except BaseException:
            latch_file.release()
            journal.release()
            raise
        made.since = 0
    keeper = Keeper(deepcopy(made.aside), made.since, written=int(other))
    return Opened(
        journal,
        state,
        True,
        made.aside,
        keeper,
        latch_file,
        held,
        _other_scales(keeper.accounts, header.get("instruments", ())),
    )


def _other_scales(accounts: Accounts, now: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The scales that are not what the ledger of this journal counts in: instruments change, and new ones come."""
    found = []
    for scale in now:
        if accounts.units.get(scale["id"]) != unit_of(scale):
            found.append(scale)
    return found
