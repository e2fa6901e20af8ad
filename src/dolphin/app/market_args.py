"""Which data: the arguments that `dolphin run` and `dolphin calibrate` share, and the `Market` that they name.

What belongs here: arguments, what a run file says in their place, and their contradictions, also with --out. What a
file holds is `data`'s. Nautilus is imported late, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dolphin.app.config import RunFile
from dolphin.app.errors import UserError
from dolphin.kernel.units import NS_PER_S

if TYPE_CHECKING:
    from dolphin.app.data import Market

NEVER_NS: Final = 1 << 62


def add_source(parser: argparse.ArgumentParser) -> None:
    """The arguments that name data."""
    source = parser.add_argument_group("your data, all of one instrument")
    for kind in ("bars", "quotes", "trades", "book"):
        source.add_argument(
            f"--{kind}", type=Path, nargs="+", default=[], metavar="FILE", help="CSV, CSV.GZ or Parquet"
        )
    source.add_argument("--catalog", type=Path, help="a Nautilus data catalog")
    source.add_argument("--instrument", default="", metavar="ID", help="SYMBOL.VENUE, as SPY.XNYS or EUR/USD.SIM")
    source.add_argument("--tz", default="", metavar="ZONE", help="zone of times that have none: UTC, America/New_York")
    source.add_argument("--sessions", default="", metavar="NAME", help='"24/7", "fx", or a calendar as XNYS')
    source.add_argument("--stamped", choices=("open", "close"), default="", help="what bars are stamped with")
    source.add_argument(
        "--bar-type", default="", metavar="TYPE", help="what the strategy is given, as Nautilus writes it"
    )
    source.add_argument("--start", default="", metavar="DAY", help="first day, UTC")
    source.add_argument("--end", default="", metavar="DAY", help="last day, UTC")


def named(given: Any, config: RunFile) -> bool:
    """Whether the command or the run file names data."""
    return any((given.bars, given.quotes, given.trades, given.book, given.catalog)) or any(
        key in config.run for key in ("bars", "catalog")
    )


def refuse_own_folder(out: Path, given: Any, config: RunFile) -> None:
    """The folder `out` is replaced: UserError where something lies in it that the command or the run file names."""
    spec = str(given.strategy or config.run.get("strategy", ""))
    code = Path(spec.partition(":")[0])
    paths = [
        given.config, given.catalog, getattr(given, "journal", None), getattr(given, "faults", None),
        *given.bars, *given.quotes, *given.trades, *given.book, config.near("bars"), config.near("catalog"),
        code if code.suffix == ".py" else None,
    ]  # fmt: skip
    for path in paths:
        if path is not None and path.resolve().is_relative_to(out.resolve()):
            raise UserError("lies in the folder that --out would replace", path=path, fix="name another folder")


def day_ns(day: str) -> int:
    """The first moment of a day, UTC, in ns."""
    try:
        moment = datetime.fromisoformat(day)
    except ValueError:
        raise UserError("is no day", field="--start, --end", expected="1999-01-04", actual=day) from None
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * NS_PER_S


def user_market(given: Any, config: RunFile) -> Market:
    """The data that the command or the run file names. UserError says what is wrong with them."""
    from dolphin.app.data import catalog_market
    from dolphin.app.data import user_market as made

    instrument = given.instrument or config.run.get("instrument", "")
    catalog = given.catalog or config.near("catalog")
    files = {kind: getattr(given, kind) for kind in ("bars", "quotes", "trades", "book")}
    paths = [path for kind in files for path in files[kind]]
    if not paths and not given.catalog and config.near("bars") is not None:
        paths = [config.near("bars")]
    if paths and given.catalog:
        raise UserError("--catalog and files contradict each other", fix="name one source of data")
    if paths:
        market = made(
            paths,
            instrument=instrument,
            tz=given.tz,
            sessions=given.sessions or _sessions(config, instrument),
            stamped=given.stamped,
            kinds={path: kind for kind, found in files.items() for path in found},
            bar_type=given.bar_type,
        )
    else:
        assert catalog is not None
        market = catalog_market(catalog, instrument, given.bar_type)
        if given.sessions:
            market.sensors["sessions"] = {market.traded.value: given.sessions}
    # Spans are the data's; sessions are the command's where it names them.
    market.sensors = {**config.sensors, **market.sensors}
    if "currency" in config.run:
        market = market.funded(config.run["currency"])
    span = days(given, config)
    return market if span is None else market.between(*span)


def days(given: Any, config: RunFile) -> tuple[int, int] | None:
    """The span that --start and --end name; None where they name none."""
    start, end = (getattr(given, key) or config.run.get(key, "") for key in ("start", "end"))
    if not start and not end:
        return None
    until_ns = day_ns(end) + 86_400 * NS_PER_S if end else NEVER_NS
    from_ns = day_ns(start) if start else 0
    if from_ns >= until_ns:
        raise UserError("ends before it starts", field="--start, --end", expected="an earlier --start", actual=start)
    return from_ns, until_ns


def _sessions(config: RunFile, instrument: str) -> str:
    """What the run file's sensors say of the instrument's sessions; a week of their own is the sensors' alone."""
    said = config.sensors.get("sessions", "")
    if isinstance(said, Mapping):
        said = said.get(instrument, said.get("default", ""))
    return "" if said in config.sensors.get("weekly", {}) else str(said)
