"""Policy files and run files: TOML in, typed values out, every mistake named by file, line, key and what is accepted.

What belongs here: which tables and keys there are, and how they become a `Policy` and a `RunFile`. `[policy]` is the
same in both. docs/guide/configure.md is this file in prose; a test holds it against `POLICY_KEYS` and `RUN_KEYS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dolphin.app.errors import UserError, meant
from dolphin.app.toml_file import (
    Document,
    Key,
    basis_points,
    choice,
    duration_ns,
    integer,
    read_document,
    read_table,
    switch,
    text,
)
from dolphin.kernel.policy import DAILY, INTRADAY, LEVERAGE_MAX_BP, Hibernate, Policy, Profile, problems

PROFILES: Final = {"intraday": INTRADAY, "daily": DAILY}
_LEVERAGE: Final = f'0 to {LEVERAGE_MAX_BP} bp, or "0x" to "{LEVERAGE_MAX_BP / 10_000:.1f}x"'

POLICY_KEYS: Final = (
    Key(
        "profile", choice(*PROFILES), 'what one policy ms is: "intraday" 1 ms, "daily" 1.44 s (a minute reads as a day)'
    ),
    Key("trim", switch, 'whether the guard sells what exceeds the held ceiling: "on" or "off"'),
    Key("hibernate", choice("flatten", "glide", "hold"), "what HIBERNATE does with what is held"),
    Key("apex_entry_bp", basis_points, f"entries in APEX up to; {_LEVERAGE}"),
    Key("stalker_entry_bp", basis_points, f"entries in STALKER up to; {_LEVERAGE}"),
    Key("apex_held_bp", basis_points, f"held in APEX up to; {_LEVERAGE}"),
    Key("stalker_held_bp", basis_points, f"held in STALKER up to; {_LEVERAGE}"),
    Key("turtle_held_bp", basis_points, f"held in TURTLE up to; {_LEVERAGE}"),
    Key("trim_band_bp", basis_points, 'how far above the ceiling before trimming; 0 to 10000, or "10 %"'),
    Key("l_raw_bp", basis_points, f"the sizer's estimate where none is configured; {_LEVERAGE}"),
    Key("kappa_bp", basis_points, 'share of the estimated optimum that the sizer takes; 0 to 10000, or "50 %"'),
    Key("rebase_trapped_ns", duration_ns, 'how long a book must be trapped before a re-base; "365 d"'),
    Key("rebase_gap_ns", duration_ns, 'time between two re-bases; "365 d"'),
)

RUN_KEYS: Final = (
    Key("strategy", text, 'the strategy, as "module:Class"; its config class is found beside it, "ClassConfig"'),
    Key("bars", text, "a CSV or Parquet file of bars, trades or quotes, relative to this file"),
    Key("catalog", text, "a Nautilus data catalog, relative to this file"),
    Key("instrument", text, 'the Nautilus id, "SPX.XNAS"'),
    Key("venue_leverage", integer, "leverage that the simulated venue grants"),
    Key("currency", text, "what the account is kept in: the instrument's quote currency (default), or a pair's base"),
    Key("starting_balance", integer, "in whole units of that currency"),
    Key("start", text, 'first day, "1999-01-04"'),
    Key("end", text, 'last day, "2018-12-31"'),
    Key("out", text, "folder for journals and report, relative to this file"),
    Key("mode", choice("guard", "report"), '"guard" acts, "report" judges and journals only'),
    Key("oms", choice("netting", "hedging"), "order management of the simulated venue"),
    Key("seed", integer, "seed of the run's nonces, so that it can be repeated"),
)


RUN_TABLES: Final = ("run", "policy", "strategy", "sensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """A run file: `[run]` as read (absent keys are not in it), its policy, the settings of strategy and sensors."""

    path: Path | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    policy: Policy | None = None
    strategy: Mapping[str, Any] = field(default_factory=dict)
    sensors: Mapping[str, Any] = field(default_factory=dict)

    def near(self, key: str) -> Path | None:
        """The path that `key` names, relative to the file; None where it is not given."""
        value = self.run.get(key)
        if value is None:
            return None
        if self.path is None:
            return Path(value)
        return self.path.parent / value


class ConfigErrors(UserError):
    """Everything that is wrong with one file, one paragraph each."""

    def __init__(self, found: tuple[UserError, ...]) -> None:
        errors = tuple(sorted(found, key=lambda error: error.line or 0))
        first = errors[0]
        super().__init__(first.what, path=first.path, line=first.line, field=first.field)
        self.errors = errors
        self.args = ("\nerror: ".join(str(error) for error in errors),)


def load_policy(path: str | Path) -> Policy:
    """The policy in the table `[policy]` of the TOML file `path`. UserError names file, line, key and what is accepted.

    Keys that are absent have the values of the profile. A file without the table is refused: a policy that is silently
    the default has cost money before. Of a run file, which has other tables too, all of it is checked.
    """
    document = read_document(path, RUN_TABLES)
    if "policy" not in document.tables:
        raise UserError("has no table [policy]", path=path, fix='write one, with `profile = "intraday"` or "daily"')
    if len(document.tables) > 1:
        load_run(path)
    return _policy(document)


def load_run(path: str | Path) -> RunFile:
    """The run file `path`: tables `[run]`, `[policy]`, `[strategy]` and `[sensors]`, all optional. UserError.

    What stands in `[strategy]` is checked by the strategy's own configuration, `[sensors]` by `dolphin.sensors`.
    """
    document = read_document(path, RUN_TABLES)
    values, errors = read_table(document, "run", RUN_KEYS)
    for first, second in (("bars", "catalog"),):
        if first in values and second in values:
            errors += (document.error("run", second, f"contradicts {first}", fix="name one source of data"),)
    errors += _sensors(document)
    if errors:
        raise ConfigErrors(errors)
    policy = _policy(document) if "policy" in document.tables else None
    tables = document.tables
    return RunFile(
        path=Path(path),
        run=values,
        policy=policy,
        strategy=tables.get("strategy", {}),
        sensors=tables.get("sensors", {}),
    )


def _sensors(document: Document) -> tuple[UserError, ...]:
    """What the sensors say of their table: an unknown key, or a value that means nothing, at its line."""
    given = document.tables.get("sensors", {})
    if not given:
        return ()
    from dolphin.sensors.source import ACCEPTED, build

    found = []
    for key in given:
        if key not in ACCEPTED:
            fix = f"{meant(key, ACCEPTED)} accepted keys of [sensors]: {', '.join(ACCEPTED)}".strip()
            found.append(document.error("sensors", key, "unknown key", fix=fix))
    if found:
        return tuple(found)
    try:
        build(given)
    except ValueError as error:
        name, _, said = str(error).removeprefix("sensors.").partition(": ")
        key = name.partition(".")[0]
        line = document.line("sensors", key) or document.line(f"sensors.{key}")
        return (UserError(said, path=document.path, line=line, field=f"sensors.{name}"),)
    except (TypeError, AttributeError):
        fix = "docs/guide/data.md shows each key's form"
        return (UserError("a value of another form than its key has", path=document.path, field="sensors", fix=fix),)
    return ()


def made_policy(values: Mapping[str, Any]) -> Policy:
    """A policy of values as `POLICY_KEYS` reads them; not yet checked with `problems`."""
    given = dict(values)
    base = PROFILES[given.pop("profile", "intraday")]
    if "hibernate" in given:
        given["hibernate"] = Hibernate[str(given["hibernate"]).upper()]
    return base._replace(**given)


def _policy(document: Document) -> Policy:
    values, errors = read_table(document, "policy", POLICY_KEYS)
    policy = made_policy(values)
    errors += tuple(_problem(document, problem, values) for problem in problems(policy))
    if errors:
        raise ConfigErrors(errors)
    return policy


def _problem(document: Document, problem: str, given: Mapping[str, Any]) -> UserError:
    """A contradiction at the line of the key that the file sets; the key that `problems` names may be a default."""
    name, _, said = problem.partition(": ")
    at = name
    if name not in given:
        for other in given:
            if other in said:
                at = other
    fix = f"{name} is {getattr(PROFILES[given.get('profile', 'intraday')], name)} by default" if at != name else ""
    return UserError(said, path=document.path, line=document.line("policy", at), field=name, fix=fix)


def profile_name(policy: Policy) -> str:
    """`intraday` or `daily`."""
    return Profile(policy.profile).name.lower()
