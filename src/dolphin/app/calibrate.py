"""`dolphin calibrate`: what the guard's thresholds do on a user's own data, and a policy file that these data support.

What belongs here: arguments and the order of things. What is computed is `calibrate_work`'s. Nautilus is imported late,
so that `--help` answers at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from dolphin.app import args
from dolphin.app.config import PROFILES, RunFile, load_policy, load_run, profile_name
from dolphin.app.errors import EXIT_OK, UserError
from dolphin.app.market_args import add_source, days, named, refuse_own_folder, user_market
from dolphin.app.outdir import finished, prepared
from dolphin.app.strategies import factory
from dolphin.kernel.units import NS_PER_S

if TYPE_CHECKING:
    from dolphin.app.calibrate_text import Sheet
    from dolphin.app.calibrate_work import Calibration
    from dolphin.app.data import Market

INDEX: Final = "SPX.XNYS"
INDICES: Final = (INDEX, "IXIC.XNAS")
FILES: Final = ("report.html", "proposed.toml", "calibration.json")
_WHAT: Final = """\
Calibrate the guard on your own data: hours in each posture, trips of each sensor and how many of them were for nothing,
the distribution of R in nominal time, what each threshold would have cost at other values, and a proposed policy file.

The data go through the real guard, which judges and changes nothing, with a strategy that holds one lot (or with yours:
then drawdown and the ceilings are put to the test as well). What the sensors said is then folded again under other
thresholds, which is exact, since what decides is a pure function of the readings.

Nothing is made looser by itself. What the data would support only by more patience stands in the file as a comment that
says LOOSER; --loosen puts it in force. Your own files are not touched.

Without data: the S&P 500, daily, 1999 to 2018, with the VIX (or the NASDAQ: --instrument IXIC.XNAS)."""
_EXAMPLE: Final = """\
dolphin calibrate
dolphin calibrate --bars gbpusd-bid.csv.gz gbpusd-ask.csv.gz --tz UTC --out calibrated
dolphin calibrate --bars spy.csv --instrument SPY.XNYS --profile daily --strategy my.trend:Trend
dolphin calibrate --journal book/journal.jsonl
dolphin policy check calibrated/proposed.toml
"""


def _parser() -> args.Parser:
    parser = args.parser("dolphin calibrate", _WHAT, _EXAMPLE)
    add = parser.add_argument
    add("--out", type=Path, default=Path("calibrated"), help=f"folder for {', '.join(FILES)} (default: calibrated)")
    add("--journal", type=Path, help="a journal in place of data: a live book's, as far as it tells")
    add_source(parser)
    add("--strategy", default="", metavar="M:C", help="module:Class or file.py:Class (default: one that holds one lot)")
    add("--config", type=Path, metavar="TOML", help="a run file: [run], [policy], [strategy], [sensors]")
    add("--profile", choices=tuple(PROFILES), default="", help="what a policy ms is (default: intraday)")
    add("--loosen", action="store_true", help="put in force what is looser than it was, too")
    add("--json", action="store_true", help="print the figures as JSON in place of tables")
    return parser


def main(argv: list[str]) -> int:
    """`dolphin calibrate`."""
    given = _parser().parse_args(argv)
    config = load_run(given.config) if given.config else RunFile()
    # Nautilus calls a pandas function that pandas has deprecated, in every run; not the user's to mend.
    warnings.filterwarnings("ignore", message=".*utcnow.*")
    refuse_own_folder(given.out, given, config)
    if given.journal is not None:
        _refuse_with_journal(given, config)
        with _progress() as told:
            found = _of_journal(given, told)
            folder = prepared(given.out)
    else:
        with _progress() as told:
            found, folder = _of_data(given, config, told)
    _written(found, folder, config)
    finished(folder)
    _told(found, folder, json=given.json)
    return EXIT_OK


def _refuse_with_journal(given: Any, config: RunFile) -> None:
    says = ("instrument", "tz", "sessions", "stamped", "bar_type", "start", "end", "strategy", "profile", "config")
    for key in says:
        if getattr(given, key):
            raise UserError(f"--{key.replace('_', '-')} says nothing to a journal", fix="name data, or leave it out")
    if named(given, config):
        raise UserError("--journal and data contradict each other", fix="name one of them")


def _of_journal(given: Any, told: Callable[..., None]) -> Calibration:
    from dolphin.app.calibrate_fold import tape
    from dolphin.app.calibrate_work import calibrated, of_equity

    told(f"reading {given.journal}")
    read = tape(given.journal)
    return calibrated(given.journal, read, None, of_equity(read), given.loosen, told)


def _market(given: Any, config: RunFile) -> tuple[Market, str]:
    """The data, and the profile that goes with them where none is named."""
    if named(given, config):
        return user_market(given, config), "intraday"
    from dolphin.app.data import index_market

    for key in ("tz", "sessions", "stamped", "bar_type"):
        if getattr(given, key):
            raise UserError(f"--{key.replace('_', '-')} says nothing to the default data", fix="name data, as --bars")
    name = given.instrument or INDEX
    if name not in INDICES:
        raise UserError(
            "no data are named",
            field="--instrument",
            expected=" | ".join(INDICES),
            actual=name,
            fix="name them: --bars",
        )
    market = index_market(name)
    span = days(given, config)
    return market if span is None else market.between(*span), "daily"


def _of_data(given: Any, config: RunFile, told: Callable[..., None]) -> tuple[Calibration, Path]:
    spec = given.strategy or config.run.get("strategy", "")
    if spec:
        factory(spec, config.strategy)  # what is wrong is said before the data are read, which may take minutes
    days(given, config)
    told("reading the data")
    market, usual = _market(given, config)
    profile = given.profile or (profile_name(config.policy) if config.policy else usual)
    folder = prepared(given.out)
    from dolphin.app.calibrate_change import Replay
    from dolphin.app.calibrate_fold import tape
    from dolphin.app.calibrate_prices import of_market
    from dolphin.app.calibrate_watch import ACTOR
    from dolphin.app.calibrate_work import calibrated
    from dolphin.app.engine import Holder, Job, run

    guard: dict[str, Any] = {
        "state_dir": str(folder), "profile": profile, "mode": "report", "run_id": "calibrate", "seed": 1,
        "sensors": market.sensors,
    }  # fmt: skip
    if config.policy is not None:
        values = config.policy._asdict()
        guard["policy"] = {name: int(value) for name, value in values.items() if name != "profile"}
    first_ns, last_ns = market.rows[0].ts_init, market.rows[-1].ts_init
    told(f"running {market.title} through the guard", first_ns, last_ns)
    job = Job(
        market=market,
        strategy=factory(spec, config.strategy) if spec else Holder,
        guard=guard,
        actor=ACTOR,
        balance=config.run.get("starting_balance", 1_000_000),
        leverage=config.run.get("venue_leverage", 100),
        oms=config.run.get("oms", "netting"),
        progress=lambda ts_ns: told("", first_ns, last_ns, ts_ns),
    )
    ran = run(job)
    if ran.failures:
        raise UserError(f"the guard failed inside: {ran.failures[0]}", fix="report this, with the data if you can")
    assert ran.journal is not None
    read = tape(ran.journal)
    replay = Replay(read, market, ran.observed)
    return calibrated(ran.journal, read, replay, of_market(market), given.loosen, told), folder


def _written(found: Calibration, folder: Path, config: RunFile) -> None:
    """The files. What is proposed is read again as `policy check` and `run` will: one that they refuse is our fault."""
    from dolphin.app.calibrate_propose import toml
    from dolphin.app.calibrate_report import page
    from dolphin.app.calibrate_text import as_json, goal, lead
    from dolphin.app.report import write

    report, proposed, data = (folder / name for name in FILES)
    heading = (
        "Proposed by `dolphin calibrate`. Check it: `dolphin policy check`; try it: `dolphin run --config`.",
        *lead(found),
        goal(found.chance) + ".",
        "tuned: the data support the value. as shipped: they do not speak to it. off: nothing exercised it.",
    )
    proposed.write_text(toml(found.proposal, heading, config.sensors), encoding="utf-8")
    load_run(proposed)
    load_policy(proposed)
    data.write_text(as_json(found) + "\n", encoding="utf-8")
    write(page(found), report)


def _told(found: Calibration, folder: Path, *, json: bool) -> None:
    from dolphin.app.calibrate_text import as_json, lead, sheets

    if json:
        print(as_json(found))
        return
    console = Console(width=None if Console().is_terminal else 120, highlight=False)
    for line in lead(found):
        console.print(line, markup=False)
    for sheet in sheets(found):
        console.print()
        console.print(_table(sheet))
        if sheet.below:
            console.print(sheet.below, markup=False)
    console.print()
    for note in dict.fromkeys(found.notes):
        console.print(f"- note: {note}", markup=False)
    if any(one.looser for one in found.proposal.said):
        what = (
            "is in force in the proposal" if found.proposal.loosened else "is a comment only; --loosen puts it in force"
        )
        console.print(f"- LOOSER than it was: what is marked so {what}", markup=False)
    for name in FILES:
        console.print(f"{name:<18}{folder / name}", markup=False, soft_wrap=True)


def _table(sheet: Sheet) -> Table:
    made = Table(title=escape(sheet.title), title_justify="left", title_style="bold")
    for number, head in enumerate(sheet.heads):
        words = number == 0 or head in ("why", "value", "status", "unit")
        made.add_column(escape(head), justify="left" if words else "right", overflow="fold")
    for row in sheet.rows:
        made.add_row(*(escape(cell) for cell in row))
    return made


@contextmanager
def _progress() -> Iterator[Callable[..., None]]:
    """Says on stderr what is being done: a bar where it is a terminal, plain lines where not."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=None)

        def told(text: str, first_ns: int = 0, last_ns: int = 0, ts_ns: int = 0) -> None:
            if text and not console.is_terminal:
                console.print(text, markup=False)
            more: Mapping[str, Any] = {"description": escape(text)} if text else {}
            total = max((last_ns - first_ns) // NS_PER_S, 1) if last_ns else None
            progress.update(task, total=total, completed=max(ts_ns - first_ns, 0) // NS_PER_S, **more)

        yield told
