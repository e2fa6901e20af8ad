"""`dolphin run` end to end on short slices, through real engines."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dolphin.app import outcome
from dolphin.app import run as running
from dolphin.app.data import Market, index_market
from dolphin.app.engine import Job, Ran, run
from dolphin.app.errors import UserError
from dolphin.app.journal_run import read_journal
from dolphin.app.market_args import day_ns
from dolphin.app.results import RunResult
from dolphin.app.script import Command
from dolphin.app.strategies import EXAMPLE, factory
from dolphin.app.timeline import rows
from dolphin.journal import read
from dolphin.kernel.policy import Posture
from dolphin.kernel.units import NS_PER_S

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the real market data are not beside the repo")
pytestmark = pytest.mark.filterwarnings("ignore::Warning")


@pytest.fixture(scope="module")
def market() -> Market:
    start, end = (day_ns(day) for day in ("1999-07-01", "2000-07-01"))
    return index_market("SPX.XNYS").between(start, end)


def ran(market: Market, folder: Path | None, **more: Any) -> Ran:
    guard = None
    if folder is not None:
        guard = running._guard(market, "daily", "test") | {"state_dir": str(folder)}
    return run(Job(market=market, strategy=factory(EXAMPLE, {"average": 50}), guard=guard, **more))


def result(market: Market, one: Ran) -> RunResult:
    return outcome.result_of("x", "G", market.currency.code, one)


def test_the_worst_day_is_explained_within_a_thousandth(market: Market, tmp_path: Path) -> None:
    """DESIGN 2.5: no return or drawdown is a test; this is."""
    for folder in (None, tmp_path):
        day = result(market, ran(market, folder)).figures.worst_day
        assert day is not None
        assert day.steps == 1
        assert abs(day.unexplained_ppm) <= outcome.EXPLAINED_PPM
        assert abs(day.leverage_bp * day.move_ppm / 10_000 - day.return_ppm) <= outcome.EXPLAINED_PPM


def test_a_guarded_run_leaves_a_journal_that_conforms(market: Market, tmp_path: Path) -> None:
    found = result(market, ran(market, tmp_path))
    assert found.figures.own_orders > 0
    assert sum(found.figures.posture_share_bp.values()) in range(9_998, 10_003)
    assert found.posture[0].value == Posture.APEX
    assert not [note for note in found.notes if "failed" in note]
    audit = outcome.audited(found)
    assert audit.verdict == "conforms"
    assert audit.head.startswith(f"{audit.records - 1}:")
    assert found.journal is not None
    alone = read_journal(found.journal)
    assert alone.figures.denied == found.figures.denied
    assert alone.confidence_ms == found.confidence_ms
    header = next(read(str(found.journal))).data
    assert (header["currency"], header["minor_per_unit"]) == ("USD", 100)


def test_a_script_shows_its_controls(market: Market, tmp_path: Path) -> None:
    def at(day: str) -> int:
        return day_ns(day) + 22 * 3_600 * NS_PER_S

    script = [
        Command(at("1999-12-01"), "shock", {}, "news"),
        Command(at("2000-01-12"), "kill", {}, "fills"),
        Command(at("2000-01-13"), "arm", {"observed_flat": 1, "episode": "last"}, "looked into"),
        Command(at("2000-01-14"), "confirm", {"nonce": "last"}, "green"),
    ]
    one = ran(market, tmp_path, script=script)
    assert one.journal is not None
    told = {row[1].partition(":")[0]: row for row in rows(one.journal)}
    assert "TURTLE" in told["shock"][2]
    assert "latched" in told["kill"][3]
    assert "ARMED" in told["arm"][3]
    assert "CONFIRMED" in told["confirm"][3]
    assert outcome.audited(result(market, one)).verdict == "conforms"


def test_a_slice_is_absent_outside_of_its_rows(market: Market) -> None:
    first, last = market.sensors["spans"]["SPX.XNYS"]
    assert (first, last) == (market.rows[0].ts_init, market.rows[-1].ts_init)
    with pytest.raises(UserError, match="no row is left"):
        market.between(0, 1)
    later = index_market("SPX.XNYS").between(*(day_ns(day) for day in ("2016-10-01", "2016-11-01")))
    spans = later.sensors["spans"]
    assert [spans["VIX"][end] - spans["SPX.XNYS"][end] for end in (0, 1)] == [900 * NS_PER_S] * 2


def bars(tmp_path: Path) -> Path:
    """Half an hour of a pair that goes up a little every minute; a shape, and no market's."""
    lines = ["timestamp,open,high,low,close"]
    for minute in range(120):
        price = 1.5 + minute / 10_000
        clock = f"2012-02-01T{10 + minute // 60:02}:{minute % 60:02}:00Z"
        lines.append(f"{clock},{price:.5f},{price + 0.0001:.5f},{price:.5f},{price + 0.0001:.5f}")
    path = tmp_path / "eurusd.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_users_bars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "run.toml"
    config.write_text('[run]\nseed = 7\n[policy]\nprofile = "intraday"\n[strategy]\naverage = 10\n', encoding="utf-8")
    out = tmp_path / "out"
    args = ["--bars", str(bars(tmp_path)), "--config", str(config), "--plain-too", "--out", str(out)]
    assert running.main(args) == 0
    said = capsys.readouterr().out
    assert "EUR/USD.SIM" in said
    assert "conforms" in said
    assert (out / "report.html").is_file()
    assert (out / "guarded" / "journal.jsonl").is_file()
    (out / "notes.txt").touch()
    with pytest.raises(UserError, match=r"came after the run that made it: notes\.txt"):
        running.main(args)
    (out / "notes.txt").unlink()
    assert running.main([*args, "--mode", "report", "--no-audit"]) == 0
    assert "report only" in capsys.readouterr().out
    assert not (out / "guarded").exists()


def quotes(tmp_path: Path) -> Path:
    """Three hours of EUR/USD, rising and falling, a quote a second."""
    lines = ["timestamp,symbol,bid,ask"]
    for second in range(10_800):
        price = 1.3 + 0.01 * math.sin(second / 600)
        at = datetime(2012, 2, 1, 10, tzinfo=UTC) + timedelta(seconds=second)
        lines.append(f"{at.isoformat()},EUR/USD,{price:.5f},{price + 0.0001:.5f}")
    path = tmp_path / "eurusd.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("currency", "silence_s"), [("EUR", 45), ("USD", 50)])
def test_currency_and_sensors_of_a_run_file(tmp_path: Path, currency: str, silence_s: int) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        f"[run]\ncurrency = '{currency}'\n[sensors]\nmax_silence_s = {silence_s}\n[strategy]\naverage = 10\n",
        encoding="utf-8",
    )
    argv = ["--quotes", str(quotes(tmp_path)), "--config", str(config), "--out", str(tmp_path / "out")]
    assert running.main(argv) == 0
    found = read_journal(tmp_path / "out" / "guarded" / "journal.jsonl")
    assert found.currency == currency
    assert found.figures.fills > 0
    assert found.equity[0].value == 100_000_000
    header = next(read(str(found.journal))).data
    assert header["configuration"]["sensors"]["max_silence_s"] == silence_s
    assert header["currency"] == currency


@pytest.mark.parametrize(("code", "said"), [("EUR", "needs quotes, or bid and ask bars"), ("JPY", "expected USD")])
def test_a_currency_that_the_data_cannot_price(tmp_path: Path, code: str, said: str) -> None:
    config = tmp_path / "run.toml"
    config.write_text(f"[run]\ncurrency = '{code}'\n", encoding="utf-8")
    with pytest.raises(UserError, match="currency: the data cannot price this") as caught:
        running.main(["--bars", str(bars(tmp_path)), "--config", str(config), "--out", str(tmp_path / "out")])
    assert said in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_users_catalog(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    from dolphin.app.data import user_market

    market = user_market([bars(tmp_path)])
    catalog = ParquetDataCatalog(str(tmp_path / "catalog"))
    catalog.write_data(market.instruments)
    catalog.write_data(market.rows)
    args = ["--catalog", str(tmp_path / "catalog"), "--out", str(tmp_path / "out"), "--no-audit"]
    assert running.main(args) == 0
    assert "EUR/USD.SIM" in capsys.readouterr().out
    with pytest.raises(UserError, match="which instrument"):
        running.main([*args, "--instrument", "GBP/USD.SIM"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no instruments"):
        running.main(["--catalog", str(tmp_path / "empty"), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--tz", "UTC"], "says nothing to the main job"),
        (["--start", "2001-01-01"], "--start says nothing to the main job"),
        (["--plain-too"], "--plain-too says nothing to the main job"),
        (["--config", "{toml}"], "says more than `out` to the main job"),
        (["--bars", "nowhere"], "there is no such file"),
        (["--bars", "nowhere.csv"], "there is no such file"),
        (["--bars", "{bars}", "--tz", "Mars"], "unknown time zone"),
        (["--bars", "{bars}", "--bar-type", "x"], "is no bar type"),
        (["--bars", "{bars}", "--bar-type", "X.SIM-5-MINUTE-LAST-INTERNAL"], "is of another instrument"),
        (
            ["--bars", "{bars}", "--instrument", "A.SIM", "--bar-type", "A.SIM-10-MINUTE-LAST-EXTERNAL"],
            "the data have no such bars",
        ),
        (["--bars", "nowhere.csv", "--start", "soon"], "is no day"),
        (["--bars", "nowhere.csv", "--start", "2001-01-02", "--end", "2001-01-01"], "ends before it starts"),
        (["--bars", "nowhere.csv", "--strategy", "x"], "names no strategy"),
        (["--bars", "nowhere.csv", "--faults", "{toml}"], "has no [[command]]"),
        (["--bars", "x.csv", "--catalog", "y"], "contradict"),
        (["--catalog", "nowhere"], "is no folder"),
        (["--bars", "{bars}", "--instrument", "EURUSD"], "SYMBOL.VENUE"),
        (["--bars", "{bars}", "--start", "soon"], "is no day"),
        (["--bars", "{bars}", "--strategy", "x"], "names no strategy"),
        (["--quotes", "{bars}"], "holds bars"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_is_written(tmp_path: Path, args: list[str], said: str) -> None:
    (tmp_path / "run.toml").write_text('[policy]\nprofile = "daily"\n')
    given = [word.format(bars=bars(tmp_path), toml=tmp_path / "run.toml") for word in args]
    with pytest.raises(UserError) as caught:
        running.main([*given, "--out", str(tmp_path / "out")])
    assert said in str(caught.value)
    assert not (tmp_path / "out").exists()


@needs_data
@pytest.mark.parametrize(
    ("args", "stalls"),
    [
        (["--quotes", "btcusdt-quotes.parquet", "--trades", "btcusdt-trades.parquet"], 0),
        (["--quotes", "usdjpy-ticks.csv"], 0),
        (["--book", "binance-futures_book_snapshot_25_BTCUSDT.csv"], 0),
    ],
)
def test_real_ticks_start_healthy_and_stay_so(tmp_path: Path, args: list[str], stalls: int) -> None:
    given = [word if word.startswith("--") else str(SHARED / word) for word in args]
    assert running.main([*given, "--out", str(tmp_path / "out")]) == 0
    found = read_journal(tmp_path / "out" / "guarded" / "journal.jsonl")
    assert [point.value for point in found.posture] == [Posture.APEX]
    assert sum(mark.kind == "STALL" for mark in found.events) == stalls


@needs_data
def test_real_minutes_are_stamped_with_their_open_and_their_gaps_are_stalls(tmp_path: Path) -> None:
    from dolphin.app.data import user_market
    from dolphin.app.gaps import stalls

    market = user_market([SHARED / f"gbpusd-m1-{side}-2012.csv.gz" for side in ("bid", "ask")])
    assert str(market.bar_type) == "GBP/USD.SIM-1-MINUTE-BID-EXTERNAL"
    assert [str(row.bar_type)[-12:-9] for row in market.rows[:2]] == ["ASK", "BID"]
    # 111 steps are not a minute; three of them are weekends, two of which began a minute late.
    assert len(stalls(market)) in range(105, 112)
