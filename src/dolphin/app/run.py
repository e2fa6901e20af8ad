"""`dolphin run`: the main job, or the same on a user's data; table, journals, report, audit.

What belongs here: arguments, the list of jobs, and the order of things. What a job does is `engine`'s, what it gives
`outcome`'s, how it looks `table`'s and `report`'s. Nautilus is imported late, so that `--help` answers at once.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from dolphin.app import args, outcome, table
from dolphin.app.config import RunFile, load_run, profile_name
from dolphin.app.errors import EXIT_NEGATIVE, EXIT_OK, UserError
from dolphin.app.market_args import add_source, day_ns, days, named, refuse_own_folder, user_market
from dolphin.app.outdir import finished, prepared
from dolphin.app.results import RunResult
from dolphin.app.script import read_script
from dolphin.app.strategies import EXAMPLE, example, factory
from dolphin.app.timeline import rows as timeline_rows
from dolphin.kernel.policy import Policy
from dolphin.kernel.units import NS_PER_S

if TYPE_CHECKING:
    from dolphin.app.data import Market
    from dolphin.app.engine import Job

INDICES: Final = (("SPX.XNYS", "sp500"), ("IXIC.XNAS", "nasdaq"))
FAULT_DAYS: Final = ("2016-10-01", "2018-03-01")
FAULT_STRATEGY: Final = {"average": 50, "leverage": 2.5}
"""Quicker and smaller than the main one, so that something is held when each fault comes."""
TICK_AVERAGE: Final = 20
"""Bars of the example's moving average on ticks, of which there are seldom many hours."""
FAULTS: Final = "faults on the S&P 500, 2016 to 2018, 2.5x"
PLAIN, GUARDED, REBASED, REPORTED = "plain", "guarded", "re-based", "report only"

_WHAT: Final = """\
Without arguments, the main job: S&P 500 and NASDAQ, daily, 1999 to 2018, with the VIX, from the `arch` package (nothing
is fetched). A trend strategy at 6x leverage that knows nothing of Dolphin is run three times on each: plain Nautilus;
guarded and never re-based; guarded, with the operator's two-step re-base of the high-water mark once a year. A second,
short run shows every control at work on a scripted list of faults. Then one table, one HTML report, and the audit of
every journal.

With --bars, --quotes, --trades, --book or --catalog: the same on your data, with your strategy.

Fills are at the close of the bar that decided, without fees; see docs/guide/report-table.md for every figure."""
_EXAMPLE: Final = """\
dolphin run
dolphin run --bars eurusd.csv --tz UTC --strategy my.trend:Trend --config run.toml --plain-too
dolphin run --bars gbpusd-bid.csv.gz gbpusd-ask.csv.gz --profile intraday --plain-too
dolphin run --quotes btc-quotes.parquet --trades btc-trades.parquet --instrument BTC/USDT.BINANCE
dolphin run --bars spy.csv --instrument SPY.XNYS --profile daily --mode report
"""


class Planned(NamedTuple):
    """A job with its name and place in the table. `folder`: below the output folder, empty for a plain run."""

    name: str
    group: str
    folder: str
    job: Job


def _parser() -> args.Parser:
    parser = args.parser("dolphin run", _WHAT, _EXAMPLE, {EXIT_NEGATIVE: "a journal does not conform"})
    add = parser.add_argument
    add("--out", type=Path, help="folder for journals and report (default: out); an earlier run's is replaced")
    add_source(parser)
    add("--strategy", default="", metavar="M:C", help=f"module:Class or file.py:Class (default: {EXAMPLE})")
    add("--config", type=Path, metavar="TOML", help="a run file: [run], [policy], [strategy], [sensors]")
    add("--profile", choices=("intraday", "daily"), default="", help="what a policy ms is (default: intraday)")
    add("--mode", choices=("guard", "report"), default="", help="report: judge and journal only")
    add("--plain-too", action="store_true", help="run without the guard too, and compare")
    add("--faults", type=Path, metavar="TOML", help="a script of commands and faults, as examples/faults.toml")
    add("--no-audit", action="store_true", help="skip the audit of the journals")
    return parser


def main(argv: list[str]) -> int:
    """`dolphin run`; 0 if every journal conforms."""
    given = _parser().parse_args(argv)
    config = load_run(given.config) if given.config else RunFile()
    out = given.out or config.near("out") or Path("out")
    refuse_own_folder(out, given, config)
    # Nautilus calls a pandas function that pandas has deprecated, in every run; not the user's to mend.
    warnings.filterwarnings("ignore", message=".*utcnow.*")
    began = time.perf_counter()
    if named(given, config):
        planned, notes = _user_jobs(given, config)
    else:
        _refuse_without_data(given, config)
        planned, notes = _main_jobs()
    folder = prepared(out)
    results = list(_run_all(planned, folder, notes))
    code = _told(results, folder, audit=not given.no_audit)
    finished(folder)
    Console().print(f"{time.perf_counter() - began:.0f} s in all.")
    return code


def _refuse_without_data(given: Any, config: RunFile) -> None:
    for key in (
        "instrument", "tz", "sessions", "stamped", "bar_type", "start", "end", "strategy", "profile", "mode",
        "plain_too", "faults",
    ):  # fmt: skip
        if getattr(given, key):
            raise UserError(f"--{key.replace('_', '-')} says nothing to the main job", fix="name data, as --bars FILE")
    if config.policy is not None or config.strategy or config.sensors or config.run.keys() - {"out"}:
        raise UserError("says more than `out` to the main job", path=given.config, fix="name data, as --bars FILE")


# --- the main job --------------------------------------------------------------------------------------------------


def _main_jobs() -> tuple[list[Planned], list[str]]:
    from dolphin.app.data import index_market
    from dolphin.app.engine import Job

    make = factory(EXAMPLE, {})
    script = read_script(example("faults.toml"))
    planned: list[Planned] = []
    notes: list[str] = []
    for name, short in INDICES:
        market = index_market(name)
        notes += market.notes
        group = f"{market.title}, 1999 to 2018"
        planned.append(Planned(PLAIN, group, "", Job(market=market, strategy=make)))
        for run, folder, rebase in ((GUARDED, f"{short}-guarded", False), (REBASED, f"{short}-rebased", True)):
            guard = _guard(market, "daily", folder)
            planned.append(Planned(run, group, folder, Job(market=market, strategy=make, guard=guard, rebase=rebase)))
    market = index_market(INDICES[0][0]).between(*(day_ns(day) for day in FAULT_DAYS))
    short_make = factory(EXAMPLE, FAULT_STRATEGY)
    guard = _guard(market, "daily", "faults")
    planned.append(
        Planned("with faults", FAULTS, "faults", Job(market=market, strategy=short_make, guard=guard, script=script))
    )
    return planned, list(dict.fromkeys(notes))


def _guard(market: Market, profile: str, folder: str, **more: Any) -> dict[str, Any]:
    """The guard's settings; `state_dir` is filled in when the folder is known."""
    run_id = folder.replace("-", "_")
    return {"state_dir": folder, "profile": profile, "run_id": run_id, "sensors": market.sensors, "seed": 1, **more}


# --- a user's data -------------------------------------------------------------------------------------------------


def _user_jobs(given: Any, config: RunFile) -> tuple[list[Planned], list[str]]:
    from dolphin.app.engine import Job

    spec = given.strategy or config.run.get("strategy", EXAMPLE)
    settings = dict(config.strategy)
    # What is wrong is said before the data are read, which may take minutes.
    factory(spec, settings)
    script = read_script(given.faults) if given.faults else []
    days(given, config)
    market = user_market(given, config)
    if spec == EXAMPLE:
        if market.bar_type.is_internally_aggregated():
            settings.setdefault("average", TICK_AVERAGE)
    make = factory(spec, settings)
    mode = given.mode or config.run.get("mode", "guard")
    more: dict[str, Any] = {"mode": mode, "seed": config.run.get("seed", 1)}
    profile = given.profile or (profile_name(config.policy) if config.policy else "intraday")
    if config.policy is not None:
        more["policy"] = _overrides(config.policy)
    shared: dict[str, Any] = {
        "market": market,
        "strategy": make,
        "balance": config.run.get("starting_balance", 1_000_000),
        "leverage": config.run.get("venue_leverage", 100),
        "oms": config.run.get("oms", "netting"),
    }
    planned = []
    if given.plain_too:
        planned.append(Planned(PLAIN, market.title, "", Job(**shared)))
    name, folder = (REPORTED, "report-only") if mode == "report" else (GUARDED, "guarded")
    guard = _guard(market, profile, folder, **more)
    planned.append(Planned(name, market.title, folder, Job(**shared, guard=guard, script=script)))
    return planned, market.notes


def _overrides(policy: Policy) -> dict[str, int]:
    return {name: int(value) for name, value in zip(policy._fields, policy, strict=True) if name != "profile"}


# --- running and telling -------------------------------------------------------------------------------------------


def _run_all(planned: Sequence[Planned], folder: Path, notes: Sequence[str]) -> Iterator[RunResult]:
    from dolphin.app.engine import run
    from dolphin.app.gaps import stalls

    with _progress() as bar:
        for number, one in enumerate(planned, 1):
            job = one.job
            if job.guard is not None:
                job.guard = {**job.guard, "state_dir": str(folder / one.folder)}
            with bar(f"{number}/{len(planned)} {one.group}: {one.name}", *_span(job)) as each:
                job.progress = each
                ran = run(job)
            found = stalls(job.market) if job.guard is not None else []
            code = job.market.currency.code
            yield outcome.result_of(one.name, one.group, code, ran, notes if number == 1 else (), found)


def _span(job: Job) -> tuple[int, int]:
    return job.market.rows[0].ts_init, job.market.rows[-1].ts_init


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], Any]]:
    """A bar for each run, on stderr; plain lines where that is no terminal."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        @contextmanager
        def bar(title: str, first_ns: int, last_ns: int) -> Iterator[Callable[[int], None]]:
            if not console.is_terminal:
                console.print(f"running {title}")
            task = progress.add_task(title, total=max((last_ns - first_ns) // NS_PER_S, 1))
            yield lambda ts_ns: progress.update(task, completed=(ts_ns - first_ns) // NS_PER_S)
            progress.update(task, completed=progress.tasks[task].total)

        yield bar


def _told(results: Sequence[RunResult], folder: Path, *, audit: bool) -> int:
    """Table, timeline, honest words, report, audit."""
    from dolphin.app.report import build

    console = Console(width=None if Console().is_terminal else 120, highlight=False)
    groups: dict[str, list[RunResult]] = {}
    for result in results:
        groups.setdefault(result.group, []).append(result)
    console.print()
    console.print(table.results(list(groups.items())))
    for result in results:
        if result.group == FAULTS:
            assert result.journal is not None
            console.print(f"[bold]{FAULTS}[/bold]: the market's own days; the faults are those of the script")
            console.print(table.timeline(timeline_rows(result.journal)))
            console.print()
    for group, runs in groups.items():
        for line in outcome.honest(runs):
            console.print(f"- {group}, {line}", markup=False)
    for line in dict.fromkeys(note for result in results for note in result.notes):
        console.print(f"- note: {line}", markup=False)
    console.print()
    report = build(results, folder / "report.html")
    console.print(f"report    {report}", markup=False)
    return _audited(console, results) if audit else EXIT_OK


def _audited(console: Console, results: Sequence[RunResult]) -> int:
    code = EXIT_OK
    for result in results:
        if result.journal is None:
            continue
        found = outcome.audited(result)
        console.print(f"journal   {found.journal}: {found.verdict}, {found.records:,} records", markup=False)
        console.print(f"          --anchor {found.head}", markup=False, soft_wrap=True)
        for text in found.findings[:1]:
            console.print(text, markup=False)
        if found.verdict != "conforms":
            code = EXIT_NEGATIVE
    return code
