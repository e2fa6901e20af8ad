"""The plug-in's configuration: plain values that fit a Nautilus configuration file, checked before anything trades.

What belongs here: the fields, what is accepted, and how they become a `Policy`. Every mistake names what was found and
what is accepted.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from nautilus_trader.common.config import ActorConfig

from dolphin.journal.retention import Kept
from dolphin.kernel.policy import DAILY, INTRADAY, Hibernate, Policy, problems
from dolphin.kernel.units import NS_PER_S

DAY_NS: Final = 86_400 * NS_PER_S
DAYS_MAX: Final = 36_500
"""Of retention: a hundred years."""
ACCEPTED: Final = re.compile("[0-9a-f]{16}:[0-9a-f]{16}")
PROFILES: Final = {"intraday": INTRADAY, "daily": DAILY}
_CHOICES: Final = {
    "profile": tuple(PROFILES),
    "mode": ("guard", "report"),
    "durability": ("write", "power"),
    "resume": ("auto", "always", "never"),
    "flows": ("deposits", "all", "announced"),
    "balance": ("off", "passive", "on"),
    "kill_signal": ("", "SIGUSR1", "SIGUSR2", "SIGHUP"),
}


class ConfigError(ValueError):
    """A value that means nothing: which field, what was found, what is accepted."""


class PlugConfig(ActorConfig, frozen=True, kw_only=True):  # type: ignore[call-arg]
    """What a user may say.

    `state_dir`: journal, mailbox and status, one directory a book. `mode`: `guard` acts, `report` judges and journals
    and changes nothing. `policy`: overrides of the profile's policy by field name. `venue`, `currency`: which account,
    and its base currency, where there are several. `run_id`: in the guard's client order ids. `resume`: whether an
    earlier journal in `state_dir` is taken up (`auto`: live yes; a backtest sets it aside). `sensors`: settings of the
    sensors. `seed`: a backtest draws the nonces of re-arms from it. `envelope`: category 2 is configured.
    `limits`: a file of pre-trade limits; empty: none.
    `flows`: which changes of the balance without a fill are deposits or withdrawals, beside those announced.
    `position_sync_ms`: live, how often positions are held against the fills, in real ms (once a second at most); 0:
    never; None: as `position_sync_interval` of the limits says, else every 5 s.
    `third_book`: a file of a third book of record, held against the ledger at the same time; empty: none.
    `third_book_stale_ms`: what it says is nothing any more after this, in real ms.
    `balance`: live, whether the account's balance is held against the ledger's too: `off`; `passive`, what no record
    explains is told and journalled; `on`, it is a ledger desync besides. `balance_tolerance_bp`: what of the balance
    may be unexplained, in bp.
    `unknown_ms`: live, so long an order of unknown fate counts (unknown.py), in real ms; 0: not at all.
    `segment_mib`: the journal goes on in a new file once it has so many MiB, at its next checkpoint.
    `segments_kept`: how many of the files before it stay. `segments_kept_days`: how long, by the host's clock. What
    both let go goes; where neither is said (0) all stay.
    `kill_signal`: live, this signal to the process is a kill; empty: none is.
    `accept_policy`: a journal of another policy goes on under this one; the two hashes, `BEFORE:AFTER`, as the refusal
    of such a start says them. Empty: such a start is refused.
    """

    state_dir: str
    profile: str = "intraday"
    mode: str = "guard"
    policy: dict[str, Any] = {}  # noqa: RUF012
    durability: str = "write"
    venue: str = ""
    currency: str = ""
    run_id: str = "run"
    resume: str = "auto"
    sensors: dict[str, Any] = {}  # noqa: RUF012
    seed: int = 0
    envelope: bool = False
    flows: str = "deposits"
    kill_signal: str = "SIGUSR1"
    limits: str = ""
    position_sync_ms: int | None = None
    unknown_ms: int = 10_000
    third_book: str = ""
    third_book_stale_ms: int = 60_000
    balance: str = "passive"
    balance_tolerance_bp: int = 1
    segment_mib: int = 256
    segments_kept: int = 0
    segments_kept_days: int = 0
    accept_policy: str = ""

    @classmethod
    def parse(cls, raw: bytes | str) -> Any:
        """As Nautilus parses a configuration, and an unknown key is an error that names the accepted ones."""
        given = msgspec.json.decode(raw)
        accepted = cls.__struct_fields__
        for name in given:
            if name not in accepted:
                raise ConfigError(f"{cls.__name__}: unknown key {name!r}; accepted: {', '.join(accepted)}")
        return super().parse(raw)

    def __post_init__(self) -> None:
        for name, accepted in _CHOICES.items():
            value = getattr(self, name)
            if value not in accepted:
                raise ConfigError(f"{name}: found {value!r}; accepted: {', '.join(accepted)}")
        if not self.state_dir:
            raise ConfigError("state_dir: empty; accepted: a directory for journal, mailbox and status")
        if not _is_word(self.run_id):
            raise ConfigError(f"run_id: found {self.run_id!r}; accepted: letters, digits, '.', '_', at most 32")
        if self.position_sync_ms is not None:
            if self.position_sync_ms < 0:
                raise ConfigError(f"position_sync_ms: found {self.position_sync_ms}; accepted: 0 (never) or more")
        if self.unknown_ms < 0:
            raise ConfigError(f"unknown_ms: found {self.unknown_ms}; accepted: 0 (they do not count) or more")
        if self.third_book_stale_ms <= 0:
            raise ConfigError(f"third_book_stale_ms: found {self.third_book_stale_ms}; accepted: 1 or more")
        if self.balance_tolerance_bp < 0:
            raise ConfigError(f"balance_tolerance_bp: found {self.balance_tolerance_bp}; accepted: 0 or more")
        if self.segments_kept < 0:
            raise ConfigError(f"segments_kept: found {self.segments_kept}; accepted: 0 (all) or more")
        for limit in (self.segments_kept_days, DAYS_MAX - self.segments_kept_days):
            if limit < 0:
                upto = f"0 (for ever) to {DAYS_MAX:,}"
                raise ConfigError(f"segments_kept_days: found {self.segments_kept_days}; accepted: {upto}")
        if self.segment_mib < 1:
            raise ConfigError(f"segment_mib: found {self.segment_mib}; accepted: 1 or more")
        if self.accept_policy:
            if not ACCEPTED.fullmatch(self.accept_policy):
                raise ConfigError(
                    f"accept_policy: found {self.accept_policy!r}; accepted: BEFORE:AFTER, the first 16 hex digits of "
                    "both hashes, as the refused start says them"
                )
        self.made_policy()

    @property
    def kept(self) -> Kept:
        """Which segments of the journal stay."""
        return Kept(self.segments_kept, self.segments_kept_days * DAY_NS)

    def made_policy(self) -> Policy:
        """The policy of the profile with the overrides. ConfigError names what contradicts."""
        base = PROFILES[self.profile]
        values: dict[str, Any] = {}
        for name, value in self.policy.items():
            values[name] = _policy_value(name, value)
        policy = base._replace(**values)
        found = problems(policy)
        if found:
            raise ConfigError(f"policy: {'; '.join(found)}")
        return policy


def _is_word(text: str) -> bool:
    if not text:
        return False
    if len(text) > 32:
        return False
    return text.replace(".", "").replace("_", "").isalnum()


def _policy_value(name: str, value: Any) -> Any:
    accepted = list(Policy._fields)
    accepted.remove("profile")
    if name not in accepted:
        raise ConfigError(f"policy.{name}: unknown; accepted: {', '.join(accepted)}")
    if name == "hibernate":
        return _hibernate(value)
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, str):
        if value.removeprefix("-").isdecimal():
            value = int(value)
    if not isinstance(value, int):
        raise ConfigError(f"policy.{name}: found {value!r}; accepted: a whole number")
    return value


def _hibernate(value: Any) -> Hibernate:
    name = str(value).upper()
    if name in Hibernate.__members__:
        return Hibernate[name]
    if value in tuple(Hibernate):
        return Hibernate(value)
    raise ConfigError(f"policy.hibernate: found {value!r}; accepted: flatten, glide, hold")
