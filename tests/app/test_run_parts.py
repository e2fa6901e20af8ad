"""The pieces of `dolphin run` that need no engine: explanation, folders, scripts, strategies, words."""

from __future__ import annotations

import argparse
import io
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from dolphin.app import args, journal_run, outcome, table, worst
from dolphin.app.cli import main
from dolphin.app.engine import Recorder
from dolphin.app.errors import UserError
from dolphin.app.journal_run import read_journal
from dolphin.app.outdir import MARKER, finished, prepared
from dolphin.app.results import Figures, Mark, Point, RunResult, WorstDay, drawdowns
from dolphin.app.script import read_script
from dolphin.app.strategies import example, factory
from dolphin.app.worst import DAY_NS, Sample
from dolphin.kernel.policy import DAILY, Posture
from tests.app.books import Book

DAY = DAY_NS
NOON = DAY // 2


def test_the_worst_day_is_leverage_times_move() -> None:
    days = [
        Sample(0 * DAY + NOON, 100_00, 0.0, 10.0),
        Sample(1 * DAY + NOON, 100_00, 0.0, 10.0),
        Sample(2 * DAY + NOON, 70_00, 60.0, 9.5),
        Sample(3 * DAY + NOON, 76_00, 60.0, 9.6),
    ]
    found = worst.worst_day(days, 100)
    assert found is not None
    assert (found.day, found.return_ppm, found.leverage_bp, found.move_ppm) == ("1970-01-03", -300_000, 60_000, -50_000)
    assert found.unexplained_ppm == 0


def test_what_was_paid_is_left_over() -> None:
    found = worst.worst_day([Sample(1, 100_00, 0.0, 10.0), Sample(DAY + 1, 94_00, 10.0, 9.5)], 100)
    assert found is not None
    assert found.unexplained_ppm == -10_000


def test_an_account_in_a_pairs_base_currency_is_explained_too() -> None:
    """10 GBP at 6x of GBP/USD from 1.50 to 1.60: 60 * 0.10 USD is 3.75 GBP at 1.60."""
    rows = [Sample(1, 10_00, 0.0, 1.5, 1 / 1.5), Sample(DAY + 1, 13_75, 60.0, 1.6, 1 / 1.6)]
    found = worst.worst_day(rows, 100)
    assert found is not None
    assert (found.return_ppm, found.leverage_bp, found.unexplained_ppm) == (375_000, 60_000, 0)


def test_a_day_of_several_decisions_is_the_sum_of_its_steps() -> None:
    rows = [
        Sample(1, 100_00, 0.0, 10.0),
        Sample(DAY + 1, 90_00, 10.0, 9.0),
        Sample(DAY + 2, 85_00, 5.0, 8.0),
        Sample(2 * DAY + 1, 85_00, 0.0, 8.0),
    ]
    found = worst.worst_day(rows, 100)
    assert found is not None
    assert (found.return_ppm, found.explained_ppm, found.steps) == (-150_000, -150_000, 2)


def test_midnight_ends_the_day_before_it() -> None:
    assert worst.day_text(DAY) == "1970-01-01"
    assert worst.day_text(DAY + 1) == "1970-01-02"


@pytest.mark.parametrize(
    "samples", [[], [Sample(1, 5, 0.0, 1.0)], [Sample(1, 0, 0.0, 1.0), Sample(DAY + 1, -5, 0.0, 1.0)]]
)
def test_no_day_to_speak_of(samples: list[Sample]) -> None:
    assert worst.worst_day(samples, 100) is None


def test_ruin_and_bankruptcy_at_their_first_sample() -> None:
    rows = [Sample(i * DAY + 1, value, 0.0, 1.0) for i, value in enumerate((100, 200, 3, 2, 1, 0, -5))]
    assert [(mark.kind, mark.ts_ns // DAY) for mark in worst.ends(rows)] == [("RUIN", 3), ("BANKRUPT", 5)]
    assert worst.ends(rows[:3]) == []


def test_drawdowns_round_up_and_end_at_everything() -> None:
    found = drawdowns([Point(0, 30_000), Point(1, 29_999), Point(2, 60_000), Point(3, -1)])
    assert [point.value for point in found] == [0, 1, 0, 10_000]
    assert [point.value for point in drawdowns([Point(0, -1)])] == [10_000]


def test_a_folder_is_made_and_replaced_if_it_is_ours(tmp_path: Path) -> None:
    out = prepared(tmp_path / "out")
    (out / "old").write_text("x")
    assert not (prepared(out) / "old").exists()
    assert (out / MARKER).is_file()
    (tmp_path / "empty").mkdir()
    prepared(tmp_path / "empty")


def test_what_came_after_the_end_of_a_run_is_not_removed(tmp_path: Path) -> None:
    out = prepared(tmp_path / "out")
    (out / "guarded").mkdir()
    (out / "guarded" / "journal.jsonl").write_text("x")
    os.symlink(tmp_path, out / "folder")
    finished(out)
    finished(prepared(out))
    assert [path.name for path in out.iterdir()] == [MARKER], "all of it was the run's own"
    mine = out / "notes" / "thesis.tex"
    mine.parent.mkdir()
    mine.write_text("x")
    for name in ("b.py", "c.py", "d\udcff.py"):
        (out / name).touch()
    os.symlink(tmp_path, out / "elsewhere")
    for _ in range(2):  # a refusal changes nothing
        with pytest.raises(UserError, match=r"came after the run that made it: b\.py, c\.py, .* and 2 more; move"):
            prepared(out)
    assert mine.is_file()
    for name in ("b.py", "c.py", "d\udcff.py", "elsewhere"):
        (out / name).unlink()
    with pytest.raises(UserError, match=r"made it: notes/thesis\.tex; move them elsewhere, or name another folder"):
        prepared(out)
    (out / MARKER).write_text((out / MARKER).read_text()[:-2])  # the list was cut off: so was the run
    prepared(out)
    assert not mine.exists()


def test_a_list_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    out = prepared(tmp_path / "out")
    (out / MARKER).unlink()
    (out / MARKER).mkdir()
    with pytest.raises(UserError, match=r"\.dolphin-run: cannot be written \(Is a directory\)"):
        finished(out)


def test_nobody_elses_folder_is_touched(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="did not write"):
        prepared(theirs)
    assert (theirs / "thesis.tex").exists()
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "link"):
        if path.name == "link":
            path.symlink_to(theirs)
        with pytest.raises(UserError, match="is no folder"):
            prepared(path)
    with pytest.raises(UserError, match="cannot be written"):
        prepared(tmp_path / "file" / "below")


def test_the_example_script_reads() -> None:
    script = read_script(example("faults.toml"))
    assert [one.ts_ns for one in script] == sorted(one.ts_ns for one in script)
    assert {one.verb for one in script} == {"stall", "shock", "fault", "kill", "arm", "confirm", "sensor-error"}
    assert next(one for one in script if one.verb == "fault").args == {"name": "journal-chain"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x", ["is no TOML"]),
        ("a = 1", ["[[command]]"]),
        ('[[command]]\nat = "2017-01-01T00:00:00Z"\nverb = "kil"', ["command 1", "kil", "'kill'"]),
        ('[[command]]\nat = "2017-01-01T00:00:00"\nverb = "kill"', ["is no time", "with a zone"]),
        ('[[command]]\nat = "soon"\nverb = "kill"', ["is no time", "soon"]),
        ('[[command]]\nat = 2017-01-01T00:00:00Z\nverb = "kill"\nwhy = "x"', ["unknown key", "cause"]),
    ],
)
def test_a_script_that_means_nothing(tmp_path: Path, text: str, names: list[str]) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(UserError) as caught:
        read_script(tmp_path / "x.toml")
    for name in names:
        assert name in str(caught.value)


def test_no_script_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_script(tmp_path / "x.toml")
    with pytest.raises(UserError, match="comes with the repo"):
        example("nothing.py")


@pytest.mark.parametrize(
    ("spec", "settings", "said"),
    [
        ("trend", {}, "names no strategy"),
        ("nowhere_at_all:Trend", {}, "there is no module 'nowhere_at_all'"),
        ("nowhere.py:Trend", {}, "there is no such file"),
        ("examples/trend.py:Trand", {}, "did you mean 'Trend'"),
        ("examples/trend.py:Trend", {"leverag": 2}, "did you mean 'leverage'"),
    ],
)
def test_a_strategy_that_is_not_there(spec: str, settings: dict[str, int], said: str) -> None:
    with pytest.raises(UserError) as caught:
        factory(spec, settings)
    assert said in str(caught.value)


MODULES = {
    "no syntax": ("def f(:\n", "strategy.py:1: --strategy: cannot be imported: SyntaxError: invalid syntax"),
    "no such import": (
        "import os\nimport nosuch\n",
        "strategy.py:2: --strategy: cannot be imported: ModuleNotFoundError",
    ),
    "a fault at import": ("x = 1 / 0\n", "strategy.py:1: --strategy: cannot be imported: ZeroDivisionError"),
}


@pytest.mark.parametrize("what", MODULES)
def test_a_strategy_file_that_cannot_be_imported(what: str, tmp_path: Path) -> None:
    text, said = MODULES[what]
    (tmp_path / "strategy.py").write_text(text)
    with pytest.raises(UserError) as caught:
        factory(f"{tmp_path}/strategy.py:S", {})
    assert said in str(caught.value)


FAILING = """
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.data import BarType
from nautilus_trader.trading.strategy import Strategy

class FailsConfig(StrategyConfig, frozen=True):
    bar_type: str

class Fails(Strategy):
    def on_start(self):
        self.subscribe_bars(BarType.from_str(self.config.bar_type))

    def on_bar(self, bar):
        raise ZeroDivisionError("mine")

class NoneConfig(StrategyConfig, frozen=True):
    pass

class None_:
    def __init__(self, config):
        pass

None_Config = NoneConfig
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Fails", "failing.py:14: --strategy: the strategy failed, and with it the run: ZeroDivisionError: mine"),
        ("None_", "--strategy: None_ is no Nautilus strategy; subclass Strategy"),
    ],
)
def test_a_strategy_that_fails_ends_the_run_as_its_own_fault(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    rows = [f"2024-01-{day:02d},1,2,0.5,{day / 100 + 1}" for day in range(2, 12)]
    (tmp_path / "bars.csv").write_text("\n".join(["date,open,high,low,close", *rows]) + "\n")
    argv = [
        "run", "--bars", f"{tmp_path}/bars.csv", "--instrument", "ABC.SIM", "--tz", "UTC", "--profile", "daily",
        "--strategy", f"{tmp_path}/failing.py:{name}", "--out", f"{tmp_path}/out",
    ]  # fmt: skip
    assert main(argv) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    if name == "Fails":
        assert read_journal(tmp_path / "out" / "guarded" / "journal.jsonl").equity


def run(name: str, *, journal: Path | None = None, **figures: object) -> RunResult:
    values: dict[str, object] = {"return_bp": 0, "drawdown_bp": 0, "worst_day": None, "fills": 1, **figures}
    return RunResult(
        name=name, group="G", currency="USD", minor_per_unit=100, equity=(), drawdown_bp=(), journal=journal,
        figures=Figures(**values), events=(Mark(0, "STALL", "x"),),  # type: ignore[arg-type]
    )  # fmt: skip


def test_honest_words_say_cost_gap_and_what_is_left_over() -> None:
    gap = WorstDay("2000-01-04", 0, -333_263, 60_000, -55_544, -331_000, 1)
    guarded = run("guarded", journal=Path("x"), return_bp=-500, drawdown_bp=3_300, worst_day=gap)
    said = "\n".join(outcome.honest([run("plain", return_bp=1_000, drawdown_bp=9_000), guarded]))
    assert "cost 15.0 points" in said
    assert "57.0 points shallower" in said
    assert "2000-01-04 it could not help: 6.00x" in said
    assert "-0.23 % of its worst day is not leverage times move" in said


def test_a_report_only_run_says_what_would_have_been() -> None:
    reported = replace(
        run("report only", journal=Path("x"), denied={"KILLED DOL-KILL-002": 3}, shrunk=2), mode="report"
    )
    assert "3 orders would have been denied and 2 shrunk" in outcome.honest([run("plain"), reported])[0]


def test_standing_aside_is_said() -> None:
    shares = {Posture.STALKER: 5_000, Posture.TURTLE: 4_000, Posture.HIBERNATE: 1_000}
    denied = {"POSTURE_LIMIT_ONLY DOL-POSTURE-004": 7}
    guarded = run("guarded", journal=Path("x"), posture_share_bp=shares, denied=denied)
    said = outcome.honest([guarded])
    assert any("50 % of the time in TURTLE or HIBERNATE" in line and "trapped" not in line for line in said)
    assert any("50 % of the time in STALKER, which denied 7" in line for line in said)
    stuck = replace(guarded, posture=(Point(0, Posture.TURTLE),), drawdown_bp=(Point(0, 541),))
    assert any("trapped" in line for line in outcome.honest([stuck]))
    assert not any("trapped" in line for line in outcome.honest([replace(stuck, drawdown_bp=(Point(0, 540),))]))


def test_trapped_since_when_and_until_when() -> None:
    day = worst.DAY_NS
    stuck = replace(
        run("guarded", journal=Path("x"), posture_share_bp={Posture.TURTLE: 9_000}),
        posture=(Point(0, Posture.TURTLE),),
        drawdown_bp=(Point(day, 900), Point(2 * day, 500), Point(3 * day, 600), Point(9 * day, 700)),
        profile="daily",
        rebase_wait_ns=100 * day,  # the policy's own, not its profile's
    )
    said = "\n".join(outcome.honest([stuck]))
    assert "trapped by its drawdown since 1970-01-03" in said
    assert "its policy allows that from 1970-04-13" in said


def test_the_wait_for_a_rebase_is_the_policys_own(tmp_path: Path) -> None:
    book = Book(tmp_path / "b", DAILY._replace(rebase_trapped_ns=7 * worst.DAY_NS))
    book.close()
    assert read_journal(book.path / "journal.jsonl").rebase_wait_ns == 7 * worst.DAY_NS


@pytest.mark.parametrize("text", ["nan", "-5", "inf", "x"])
def test_a_time_to_wait_that_is_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="accepted seconds"):
        args.seconds(text)
    assert args.seconds("0.5") == 0.5


def test_the_currency_is_that_of_the_instruments() -> None:
    assert journal_run.currency_of({"instruments": [{"currency": "GBP"}]}) == "GBP"
    assert journal_run.currency_of({"currency": "JPY", "instruments": []}) == "JPY"
    assert journal_run.currency_of({}) == ""


def test_nothing_traded_is_said() -> None:
    assert "nothing was traded" in outcome.honest([run("plain", fills=0)])[0]


def test_the_table_has_a_column_for_each_run_and_a_row_for_each_reason() -> None:
    from rich.console import Console

    console = Console(width=120, record=True, file=io.StringIO())
    runs = [run("plain"), run("guarded", journal=Path("x"), denied={"KILLED DOL-KILL-002": 3}, decision_p50_ns=12_000)]
    console.print(table.results([("G", runs)]))
    text = console.export_text()
    assert "killed" in text
    assert "12 us" in text
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("stalls")] == ["1"]


def test_the_table_says_what_leverage_times_move_leaves_over() -> None:
    day = WorstDay("2000-01-04", 0, -333_263, 60_000, -55_544, -331_000, 1)
    assert table.explained(day) == "6.000x * -5.55 %"
    assert table.left_over(day) == "-0.23 %"
    assert table.explained(day._replace(steps=3)) == "-33.10 % in 3 steps"
    assert (table.explained(None), table.left_over(None)) == ("-", "-")


@pytest.mark.parametrize("price", [0.0, -3.0, float("nan")])
def test_the_equity_at_no_price_is_no_ruin(price: float) -> None:
    """A catalog may hold such a price too; the account that Nautilus makes of it is an error, not a loss."""
    asked = SimpleNamespace(samples=[], portfolio=None)
    Recorder.sample(asked, 1, price)  # type: ignore[arg-type]
    assert asked.samples == []
