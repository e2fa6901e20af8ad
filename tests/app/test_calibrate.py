"""`dolphin calibrate` through the real guard: known trips are counted, sweeps are exact, a proposal loosens nothing."""

from __future__ import annotations

import functools
import json
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dolphin.app import calibrate
from dolphin.app import run as run_command
from dolphin.app.calibrate_change import OFF, Surprise, level_bp, scaled, surprises
from dolphin.app.calibrate_fold import CURVES, DAY_NS, Fall, Hours, Nominal, tape
from dolphin.app.calibrate_prices import Prices
from dolphin.app.calibrate_propose import Facts, Said, propose, toml
from dolphin.app.calibrate_stats import below, chance, days_needed, quantile
from dolphin.app.calibrate_sweep import Bench, Row, Sweep, lowered
from dolphin.app.config import load_policy, load_run
from dolphin.app.data import index_market
from dolphin.app.errors import UserError
from dolphin.app.market_args import day_ns
from dolphin.app.outdir import MARKER
from dolphin.app.policy_cli import check
from dolphin.journal import checkpoint, read
from dolphin.journal.segments import name_of
from dolphin.kernel import machine
from dolphin.kernel.policy import DAILY, INTRADAY, Posture, problems
from dolphin.kernel.state import FeedKind, Mode
from dolphin.kernel.survival import r3_depth, r3_latency
from dolphin.kernel.units import NS_PER_S
from dolphin.nautilus import opening as beginning
from dolphin.sensors.windows import UNKNOWN, Levels
from tests.nautilus.test_checkpoints import EVERY, SCRIPT
from tests.nautilus.test_rotation import rotated_run, segments

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::Warning")
START = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
QUIET, JUMP = 140, 270
"""Where two bars are missing before a market that stands still, and six before one that falls by a tenth in a day."""


def bars(folder: Path) -> Path:
    """Nine days of half-hour bars, round the clock."""
    dice = random.Random(5)
    price, lines = 1_000.0, ["timestamp,open,high,low,close"]
    for at in range(9 * 48):
        if not QUIET - 2 <= at < QUIET + 20:
            price *= 1 + dice.gauss(0.0004, 0.001)
        if JUMP <= at < JUMP + 40:
            price *= 0.9975
        if QUIET - 2 <= at < QUIET or JUMP - 6 <= at < JUMP:
            continue
        when = (START + at * STEP).isoformat()
        lines.append(f"{when},{price:.2f},{price:.2f},{price:.2f},{price:.2f}")
    path = folder / "coin.csv"
    path.write_text("\n".join(lines))
    return path


def quotes(folder: Path) -> Path:
    """Fifteen minutes of quotes, four a second; for eight seconds they come three seconds late."""
    lines = ["timestamp,local_timestamp,bid,ask,bid_size,ask_size"]
    for at in range(15 * 240):
        sent_us = int(START.timestamp()) * 1_000_000 + at * 250_000
        late_us = 3_000_000 if 12 * 240 <= at < 12 * 240 + 32 else 20_000
        lines.append(f"{sent_us},{sent_us + late_us},{100 + at % 7 / 100:.2f},{100.1 + at % 7 / 100:.2f},5,5")
    path = folder / "coin-quotes.csv"
    path.write_text("\n".join(lines))
    return path


def run(folder: Path, *given: str) -> dict[str, Any]:
    out = folder / "out"
    assert calibrate.main([*given, "--out", str(out)]) == 0
    assert "calibration.json" in json.loads((out / MARKER).read_text().splitlines()[-1])
    found: dict[str, Any] = json.loads((out / "calibration.json").read_text())
    return found


def of_bars(path: Path) -> list[str]:
    return ["--bars", str(path), "--instrument", "COIN.TEST", "--sessions", "24/7", "--stamped", "close"]


def sweep_of(found: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    sweep = next(one for one in found["sweeps"] if one["key"] == key)
    return {row["label"]: row for row in sweep["rows"]}


@pytest.mark.req("DOL-CALIBRATE-001")
@pytest.mark.req("DOL-CALIBRATE-002")
def test_known_trips_are_counted_and_a_proposal_does_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bars(tmp_path)
    found = run(tmp_path / "as-it-is", *of_bars(path))
    said = capsys.readouterr().out
    assert re.search(r"R3 silence +│ +2 │ +2 │ +1 │ +50.0 %", said)
    assert "LOOSER" in said
    assert found["trips"] == {"R3 silence": {"trips": 2, "false": 1, "judged": 2}}
    assert found["exact"] is True
    assert found["goal"]["verdict"] == "these data cannot tell"
    rows = sweep_of(found, "silence")
    assert {label: (row["trips"], row["false"]) for label, row in rows.items()} == {
        "0 s": (2, 1), "1 s": (2, 1), "5 s": (2, 1), "30 s": (2, 1), "60 s": (2, 1), "300 s": (2, 1),
        "900 s": (2, 1), "3600 s": (1, 0),
    }  # fmt: skip
    assert rows["0 s"]["ns"] == found["postures"]["ns"]
    # Nothing is looser by itself: what the data want is a comment, and the file gives what was.
    proposed = tmp_path / "as-it-is" / "out" / "proposed.toml"
    assert '# LOOSER than it was, so it is yours to decide: late_s = { "COIN.TEST" = 3600 }' in proposed.read_text()
    assert load_run(proposed).sensors["late_s"] == {"COIN.TEST": 0}
    assert found["proposed_postures"] == found["postures"]
    assert check([str(proposed)]) == 0
    # Asked for, it folds the same readings with no false trip; and the real guard does what the fold foretold.
    loose = run(tmp_path / "loose", *of_bars(path), "--loosen")
    proposed = tmp_path / "loose" / "out" / "proposed.toml"
    assert load_run(proposed).sensors["late_s"] == {"COIN.TEST": 3_600}
    assert (loose["proposed_postures"]["trips"], loose["proposed_postures"]["false"]) == (1, 0)
    again = run(tmp_path / "again", *of_bars(path), "--config", str(proposed))
    assert again["trips"] == {"R3 silence": {"trips": 1, "false": 0, "judged": 1}}
    assert again["postures"]["ns"] == loose["proposed_postures"]["ns"]


@pytest.mark.req("DOL-CALIBRATE-001")
def test_a_sensor_of_microstructure_is_told_from_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--quotes", str(quotes(tmp_path)), "--instrument", "COIN.TEST", "--sessions", "24/7", "--json")
    found = run(tmp_path, *given)
    assert json.loads(capsys.readouterr().out) == found
    assert found["trips"]["R3 latency"]["trips"] == 1
    assert found["exact"] is True
    rows = sweep_of(found, "latency")
    assert [rows[label]["trips"] for label in ("1 x", "off")] == [1, 0]
    measured = {one["name"]: one for one in found["measured"]}
    assert measured["latency"]["worst"] == 2_980
    assert measured["latency"]["worst_bp"] == r3_latency(2_980)
    assert found["r_bp"]["R3"]["least"] == 2_000
    assert found["proposal"][0]["value"] == '"intraday"'
    html = (tmp_path / "out" / "report.html").read_text()
    assert html.count('<svg class="wide"') == html.count('<svg class="narrow"') >= 6
    assert "<script" not in html
    assert not re.search(r'(src|href)="', html)
    for name in ("Hours per posture", "R in nominal time", "Trips, by sensor", "R3 latency", "The proposed policy"):
        assert name in html


def test_a_strategy_that_trades_puts_ceilings_and_drawdown_to_the_test(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("[run]\nstarting_balance = 1000000\n[strategy]\naverage = 100\nleverage = 6.0\n")
    strategy = str(ROOT / "examples" / "trend.py") + ":Trend"
    span = ("--start", "2024-01-04", "--end", "2024-01-07")
    found = run(tmp_path, *of_bars(bars(tmp_path)), *span, "--strategy", strategy, "--config", str(config))
    assert "R5 drawdown" not in found["absent"]
    assert "R5 drawdown" in found["trips"]
    rows = sweep_of(found, "ceiling")
    denied = [rows[label]["denied"] + rows[label]["shrunk"] for label in ("0.5x", "2.0x", "6.0x")]
    assert denied[0] >= denied[1] > denied[2]
    assert rows["2.0x"]["loss_bp"] == pytest.approx(2 * rows["1.0x"]["loss_bp"], abs=1)


def test_without_data_it_takes_the_index_with_the_vix(tmp_path: Path) -> None:
    found = run(tmp_path, "--start", "2017-06-01", "--end", "2017-07-15", "--instrument", "IXIC.XNAS")
    assert (found["title"], found["profile"]) == ("NASDAQ Composite", "daily")
    assert {"shocks", "vix", "profile"} <= {one["key"] for one in found["sweeps"]}
    assert "R4 VIX" not in found["absent"]


def test_a_journal_alone_tells_what_it_can(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "traces" / "S01-knight.jsonl"
    found = run(tmp_path, "--journal", str(path))
    assert [one["key"] for one in found["sweeps"]] == ["profile", "ceiling"]
    course = Bench(tape(path), None, Prices([], [])).course()
    rows = sweep_of(found, "ceiling")
    assert rows["6.0x"]["denied"] == sum(course.denied.values()) > 0
    assert rows["6.0x"]["loss_bp"] == -1  # equity has the leverage in it already: times six would be none of anything
    assert load_policy(tmp_path / "out" / "proposed.toml") == INTRADAY
    assert "of a journal alone" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--journal", "traces/S01-knight.jsonl", "--instrument", "SPY.XNYS"], "says nothing to a journal"),
        (["--journal", "traces/S01-knight.jsonl", "--bars", "x.csv"], "contradict each other"),
        (["--journal", "traces/none.jsonl"], "none.jsonl"),
        (["--journal", "traces/S01-knight.jsonl", "--out", "traces"], "lies in the folder"),
        (["--instrument", "SPY.XNYS"], "no data are named"),
        (["--tz", "UTC"], "says nothing to the default data"),
        (["--start", "2018-01-01", "--end", "2017-01-01"], "ends before it starts"),
        (["--strategy", "nobody"], "names no strategy"),
    ],
)
def test_what_makes_no_sense_is_refused(
    given: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    out = [] if "--out" in given else ["--out", str(tmp_path / "out")]
    with pytest.raises(Exception, match=said) as caught:
        calibrate.main([*given, *out])
    assert type(caught.value).__name__ in ("UserError", "JournalMissing")
    assert not (tmp_path / "out").exists()


# --- rules ----------------------------------------------------------------------------------------------------------


def row(value: float, trips: int, false: int, *, shipped: bool = False, label: str = "") -> Row:
    return Row(label or f"{value:g}", value, shipped, {Posture.APEX: 9, Posture.TURTLE: 1}, trips, false, trips, 0, 0)


def facts(**more: Any) -> Facts:
    move = more.pop("move", 0.1)
    prices = Prices([at * 60 * NS_PER_S for at in range(3_000)], [100 + at % 2 * move for at in range(3_000)])
    given = {
        "policy": INTRADAY, "name": "GBP/USD.SIM", "days": 30, "step_ns": 60 * NS_PER_S,
        "worst": prices.worst(), "settings": {}, "sweeps": [],
        "absent": ["R2 envelope"], "fired": [], **more,
    }  # fmt: skip
    return Facts(**given)


def mine(silence_s: int) -> str:
    return json.dumps({"GBP/USD.SIM": silence_s})


def said_of(found: list[Said] | Any, key: str) -> Said:
    return next(one for one in found.said if one.key == key)


@pytest.mark.req("DOL-CALIBRATE-002")
def test_a_ceiling_is_lowered_to_what_the_worst_move_allows_and_never_raised() -> None:
    found = propose(facts(move=5.0), loosen=True)  # 4.77 % down again, 5 % up: 16.55 / 5 = 3.3
    assert found.policy == lowered(INTRADAY, 33_000)
    assert said_of(found, "apex_entry_bp").status == "tuned"
    assert problems(found.policy) == ()
    assert propose(facts(move=0.1), loosen=True).policy == INTRADAY
    low = lowered(INTRADAY, 10_000)
    assert propose(facts(policy=low), loosen=True).policy == low
    few = facts()._replace(worst=Prices([0, 60 * NS_PER_S], [100.0, 50.0]).worst())
    assert propose(few, loosen=True).policy == INTRADAY
    assert said_of(propose(few, loosen=True), "apex_entry_bp").status == "as shipped"


@pytest.mark.req("DOL-CALIBRATE-002")
def test_a_silence_is_tuned_to_a_false_trip_in_ten_days_and_tightened_at_once(tmp_path: Path) -> None:
    rows = [row(5, 9, 8), row(10, 4, 4, shipped=True), row(30, 3, 3), row(60, 0, 0)]
    sweep = Sweep("silence", "t", "sensors.max_silence_s", "R3 silence", rows)
    found = propose(facts(sweeps=[sweep]), loosen=False)
    assert (said_of(found, "max_silence_s").value, said_of(found, "max_silence_s").looser) == (mine(30), True)
    assert found.settings == {}
    assert propose(facts(sweeps=[sweep]), loosen=True).settings == {"max_silence_s": {"GBP/USD.SIM": 30}}
    assert propose(facts(sweeps=[sweep], days=90), loosen=False).settings == {"max_silence_s": {"GBP/USD.SIM": 5}}
    assert said_of(propose(facts(sweeps=[sweep], days=4), loosen=True), "max_silence_s").status == "as shipped"
    file = tmp_path / "p.toml"
    file.write_text(toml(found, ["of a test"], {"sessions": {"default": "fx"}, "spans": {}}))
    assert load_run(file).sensors == {"sessions": {"default": "fx"}, "max_silence_s": {"GBP/USD.SIM": 10}}


@pytest.mark.req("DOL-CALIBRATE-002")
@pytest.mark.parametrize(
    ("was", "others"),
    [({"default": 5, "GBP/USD.SIM": 60, "EUR/USD.SIM": 20}, {"default": 5, "EUR/USD.SIM": 20}), (60, {"default": 60})],
)
@pytest.mark.parametrize("days", [3, 30])
def test_a_silence_is_proposed_for_what_was_calibrated_alone(
    was: Any, others: dict[str, int], days: int, tmp_path: Path
) -> None:
    rows = [row(1, 3, 3), row(60, 9, 9, shipped=True), row(120, 0, 0)]
    sweep = Sweep("silence", "t", "sensors.max_silence_s", "R3 silence", rows[1:] if days == 3 else rows)
    settings = {"max_silence_s": was}
    found = propose(facts(sweeps=[sweep], settings=settings, days=days), loosen=False)
    file = tmp_path / "p.toml"
    file.write_text(toml(found, ["of a test"], settings))
    assert load_run(file).sensors == {"max_silence_s": {**others, "GBP/USD.SIM": 60 if days == 3 else 1}}


@pytest.mark.req("DOL-CALIBRATE-002")
def test_a_silence_is_not_tuned_by_trips_that_nobody_could_judge() -> None:
    unknown = [row(1, 3, 0)._replace(judged=0), row(60, 3, 0, shipped=True)._replace(judged=0), row(120, 0, 0)]
    sweep = Sweep("silence", "t", "sensors.max_silence_s", "R3 silence", unknown)
    one = said_of(propose(facts(sweeps=[sweep]), loosen=True), "max_silence_s")
    assert (one.value, one.status) == (mine(60), "as shipped")
    assert "0 false of 3 trips, 3 not judged now" in one.why
    known = sweep._replace(rows=[unknown[0], row(30, 2, 1), *unknown[1:]])
    one = said_of(propose(facts(sweeps=[known]), loosen=False), "max_silence_s")
    assert (one.value, one.status, one.looser) == (mine(30), "tuned", False)


@pytest.mark.req("DOL-CALIBRATE-002")
def test_a_policy_that_becomes_daily_rebases_no_sooner_than_the_daily_one(tmp_path: Path) -> None:
    daily = 86_400 * NS_PER_S
    found = propose(facts(step_ns=daily), loosen=False)
    assert (found.policy.rebase_trapped_ns, found.policy.rebase_gap_ns) == (365 * daily, 365 * daily)
    file = tmp_path / "p.toml"
    file.write_text(toml(found, ["of a test"], {}))
    assert load_policy(file) == found.policy
    assert '(was "30 d")' in file.read_text()
    # Longer than shipped stays; and who was daily before has what was chosen.
    patient = propose(facts(policy=INTRADAY._replace(rebase_gap_ns=400 * daily), step_ns=daily), loosen=False).policy
    assert (patient.rebase_trapped_ns, patient.rebase_gap_ns) == (365 * daily, 400 * daily)
    chosen = DAILY._replace(rebase_trapped_ns=30 * daily)
    assert propose(facts(policy=chosen, step_ns=daily), loosen=False).policy == chosen
    assert propose(facts(policy=DAILY), loosen=True).policy.rebase_gap_ns == 365 * daily


def test_a_weekend_has_no_nominal_day() -> None:
    first_ns = day_ns("2024-01-05")  # a Friday
    hour = 3_600 * NS_PER_S

    class Open:
        def open_at(self, ts_ns: int) -> bool:
            return ts_ns < first_ns + 21 * hour or ts_ns >= first_ns + 71 * hour

    state = machine.start(INTRADAY, first_ns, (FeedKind.DATA,))
    feed = state.feeds[0]._replace(heard=1, due_ns=first_ns + 90 * hour)
    hours = Hours(INTRADAY.profile, Open())  # type: ignore[arg-type]
    nominal = Nominal(0, hours)
    nominal.passed(state._replace(feeds=(feed,)), first_ns + 80 * hour)
    assert sorted(day - first_ns // DAY_NS for day in nominal.worst) == [0, 2, 3]


def test_a_journal_that_begins_with_a_later_segment_is_folded_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(beginning, "Keeper", functools.partial(checkpoint.Keeper, every=EVERY))
    journal = Path(rotated_run(tmp_path / "book", SCRIPT).journal)
    whole = tape(journal)
    assert whole.later is False
    for number in range(1, segments(journal)):
        Path(name_of(str(journal), number)).unlink()
    held = next(record for record in read(str(journal)) if record.kind == "CHECKPOINT")
    part = tape(journal)
    assert part.later is True
    assert part.state.clock.t_ns > whole.state.clock.t_ns
    assert part.events == whole.events[-len(part.events) :]
    now, then = (Bench(one, None, Prices([], [])).course() for one in (part, whole))
    assert now.moves == [move for move in then.moves if move.ts_ns > held.ts_ns]
    assert part.state.latch.mode == Mode.KILLED
    assert sum(now.ns.values()) == part.last_ns - part.state.clock.t_ns
    other = Bench(part, None, Prices([], [])).course(policy=lowered(part.policy, 10_000))
    assert sum(other.ns.values()) == sum(now.ns.values())
    run(tmp_path, "--journal", str(journal))
    assert "are not here: calibrated from the checkpoint that follows" in " ".join(capsys.readouterr().out.split())
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0])
    with pytest.raises(UserError, match="its checkpoint cannot be read"):
        tape(journal)


@pytest.mark.req("DOL-CALIBRATE-002")
def test_a_detector_no_better_than_chance_is_off_if_asked_for() -> None:
    rows = [row(0, 0, 0, label="none"), row(86_400, 8, 4, shipped=True, label="1-DAY")]
    sweep = Sweep("shocks", "t", "sensors.shocks", "R4 return", rows)
    one = said_of(propose(facts(sweeps=[sweep]), loosen=False), "shocks")
    assert (one.value, one.status, one.looser) == ('"none"', "off", True)
    assert propose(facts(sweeps=[sweep]), loosen=True).settings == {"shocks": "none"}
    good = sweep._replace(rows=[rows[0], row(86_400, 8, 3, shipped=True, label="1-DAY")])
    assert said_of(propose(facts(sweeps=[good]), loosen=True), "shocks").status == "tuned"
    few = sweep._replace(rows=[rows[0], row(86_400, 4, 4, shipped=True, label="1-DAY")])
    assert said_of(propose(facts(sweeps=[few]), loosen=True), "shocks").status == "as shipped"
    idle = facts(sweeps=[sweep._replace(rows=[rows[0], row(86_400, 0, 0, shipped=True, label="1-DAY"), row(60, 9, 1)])])
    one = said_of(propose(idle._replace(absent=["R4 return"]), loosen=True), "shocks")
    assert one.status == "off"
    assert "1 false of 9 trips" in one.why


@pytest.mark.req("DOL-CALIBRATE-002")
def test_a_profile_that_forgets_faster_is_looser() -> None:
    minute = facts(policy=DAILY)
    assert propose(minute, loosen=False).policy.profile == DAILY.profile
    assert propose(minute, loosen=True).policy.profile == INTRADAY.profile
    assert propose(facts(step_ns=86_400 * NS_PER_S), loosen=False).policy.profile == DAILY.profile


def test_bounds_are_exact_and_the_goal_is_not_claimed_of_few_days() -> None:
    assert chance(0, 100).high == pytest.approx(1 - 0.05**0.01)
    assert chance(0, 100).verdict == "these data cannot tell"
    assert chance(0, days_needed()).verdict == "met"
    assert chance(0, days_needed() - 1).verdict == "these data cannot tell"
    found = chance(10, 100)
    assert (found.low, found.high) == (pytest.approx(0.0552, abs=1e-3), pytest.approx(0.1637, abs=1e-3))
    assert found.verdict == "not met"
    assert chance(3, 3).high == 1.0
    assert chance(0, 0).verdict == "no nominal day"
    weights = {9_000: 10, 10_000: 90}
    assert [quantile(weights, 1, among) for among in (20, 10, 2)] == [9_000, 9_000, 10_000]
    assert below(weights, 9_200) == 10


def test_a_trip_is_false_where_the_market_did_less_than_usual() -> None:
    hour = 3_600 * NS_PER_S
    values = [100.0 + (at % 10) / 10 for at in range(200)]
    values[150:160] = [100.0] * 10
    values[170:175] = [120.0] * 5
    prices = Prices([at * hour for at in range(200)], values)
    assert prices.false(Fall(150 * hour, Posture.APEX, Posture.TURTLE, "x", 155 * hour)) is True
    assert prices.false(Fall(169 * hour, Posture.APEX, Posture.TURTLE, "x", 174 * hour)) is False
    assert prices.false(Fall(199 * hour, Posture.APEX, Posture.TURTLE, "x", 199 * hour)) is None
    assert prices.false(Fall(0, Posture.APEX, Posture.TURTLE, "x", 190 * hour)) is None
    assert prices.worst().ppm == 189_297  # from 100.9 to 120, rounded up
    assert Prices([], []).worst().moves == 0
    assert Prices([], []).usual(hour) == -1


def test_other_edges_are_the_kernels_own_ramps_of_another_measurement() -> None:
    levels = Levels(1_000, 20, 4_000, 20_000)
    assert level_bp(levels) == min(curve(value) for curve, value in zip(CURVES.values(), levels, strict=True))
    assert scaled(levels, {"latency": 2.0}) == levels._replace(excess_ms=500)
    assert scaled(levels, {"depth": 2.0}) == levels._replace(depth_bp=8_000)
    assert scaled(levels, {"latency": OFF, "jitter": OFF, "spread": OFF}) == Levels(UNKNOWN, UNKNOWN, 4_000, UNKNOWN)
    assert level_bp(scaled(levels, dict.fromkeys(CURVES, OFF))) == 10_000
    assert level_bp(scaled(levels, {"latency": OFF})) == r3_depth(4_000)


def test_shocks_are_found_anew_where_the_sensor_found_them() -> None:
    """What a sweep calls 4 sigma is what the guard's detector calls so: on twenty years, and a sum by hand."""
    from dolphin.sensors.shock import ReturnShock

    market = index_market("SPX.XNYS").between(day_ns("2006-01-01"), day_ns("2010-01-01"))
    detector = ReturnShock()
    closes = [one for one in market.rows if one.bar_type.instrument_id == market.traded]
    fired = [one.ts_init for one in closes if detector.bar(round(one.close.as_double() * 100))]
    found = [one.ts_ns for one in surprises(market, 86_400 * NS_PER_S) if one.beyond(4)]
    assert found == fired != []
    assert Surprise(0, 17, 1, False).beyond(4)
    assert not Surprise(0, 16, 1, False).beyond(4)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        calibrate.main(["--help"])
    said = capsys.readouterr().out
    for word in ("--loosen", "LOOSER", "--journal", "exit codes", "dolphin policy check"):
        assert word in said


def test_a_folder_that_holds_the_data_is_not_replaced(tmp_path: Path) -> None:
    path = bars(tmp_path)
    with pytest.raises(UserError, match="lies in the folder"):
        calibrate.main([*of_bars(path), "--out", str(tmp_path)])
    assert path.is_file()


@pytest.mark.parametrize("command", [calibrate.main, run_command.main])
@pytest.mark.parametrize("key", ["bars", "catalog", "strategy", "config"])
def test_what_the_run_file_names_is_not_deleted(command: Any, key: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / MARKER).touch()
    mine = out / "mine.py"
    mine.write_text("[run]\n")
    value = f"{mine}:Mine" if key == "strategy" else "out/mine.py"
    config = mine if key == "config" else tmp_path / "run.toml"
    if key != "config":
        config.write_text(f'[run]\n{key} = "{value}"\n')
    with pytest.raises(UserError, match="lies in the folder") as caught:
        command(["--config", str(config), "--out", str(out)])
    assert caught.value.path is not None
    assert Path(caught.value.path).resolve() == mine
    assert mine.is_file()
