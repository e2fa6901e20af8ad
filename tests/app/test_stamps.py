"""When a bar closed, by the sessions of its market."""

from __future__ import annotations

from pathlib import Path

import pytest

from dolphin.app import columns, stamps
from dolphin.app.errors import UserError


def load(tmp_path: Path, stamps_: list[str], name: str = "timestamp") -> columns.Columns:
    rows = "".join(f"{stamp},1,2,0.5,1.5\n" for stamp in stamps_)
    (tmp_path / "x.csv").write_text(f"{name},open,high,low,close\n{rows}", encoding="utf-8")
    return columns.load(tmp_path / "x.csv")


def times(found: stamps.Placed) -> list[str]:
    import pandas as pd

    return [str(pd.Timestamp(ts, tz="UTC"))[:16] for ts in found.columns.frame["ts_ns"]]


def test_days_go_to_the_close_of_their_session_and_holidays_go(tmp_path: Path) -> None:
    days = ["2012-11-21", "2012-11-22", "2012-11-23", "2012-11-24", "2012-11-26"]
    found = stamps.placed(load(tmp_path, days), stamps.Plan("SPY.XNYS", "", ""))
    assert times(found) == ["2012-11-21 21:00", "2012-11-23 18:00", "2012-11-26 21:00"]
    assert found.interval == "1-DAY"
    assert any("2 rows dropped, outside sessions" in note for note in found.notes)


def test_fx_days_end_at_seventeen_in_new_york(tmp_path: Path) -> None:
    days = ["2012-07-05", "2012-07-06", "2012-07-07", "2012-07-09"]
    found = stamps.placed(load(tmp_path, days), stamps.Plan("EUR/USD.SIM", "", ""))
    assert times(found) == ["2012-07-05 21:00", "2012-07-06 21:00", "2012-07-09 21:00"]


def test_days_around_the_clock_end_at_midnight(tmp_path: Path) -> None:
    days = ["2012-02-03", "2012-02-04", "2012-02-05"]
    found = stamps.placed(load(tmp_path, days), stamps.Plan("BTC/USDT.SIM", "", ""))
    assert times(found) == ["2012-02-04 00:00", "2012-02-05 00:00", "2012-02-06 00:00"]


def test_days_of_an_unknown_exchange_are_refused(tmp_path: Path) -> None:
    days = ["2012-02-02", "2012-02-03", "2012-02-06"]
    with pytest.raises(UserError, match="--sessions XNYS"):
        stamps.placed(load(tmp_path, days), stamps.Plan("SPY.SIM", "", ""))


@pytest.mark.parametrize(
    ("first", "name", "stamped", "moved"),
    [
        ("2012-02-05 22:00:00+00:00", "timestamp", "", True),  # the very open of the week: no bar closes there
        ("2012-02-05 22:01:00+00:00", "timestamp", "", False),
        ("2012-02-05 22:01:00+00:00", "open_time", "", True),
        ("2012-02-05 22:00:00+00:00", "timestamp", "close", False),
        ("2012-02-05 22:01:00+00:00", "timestamp", "open", True),
    ],
)
def test_bars_stamped_with_their_open_are_moved(
    tmp_path: Path, first: str, name: str, stamped: str, moved: bool
) -> None:
    rows = [first, first.replace(":00:00+", ":02:00+").replace(":01:00+", ":02:00+")]
    rows.append("2012-02-05 22:03:00+00:00")
    item = load(tmp_path, rows, name)
    found = stamps.placed(item, stamps.Plan("EUR/USD.SIM", "", stamped))
    assert bool(found.columns.frame["ts_ns"][0] > item.frame["ts_ns"][0]) is moved


def test_one_bar_has_no_interval(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one bar only"):
        stamps.placed(load(tmp_path, ["2012-02-05 22:00:00+00:00"]), stamps.Plan("EUR/USD.SIM", "", ""))


def test_bars_of_half_a_second(tmp_path: Path) -> None:
    rows = [f"2012-02-06 10:00:00.{half}+00:00" for half in ("000", "500")]
    with pytest.raises(UserError, match="no whole number of seconds"):
        stamps.placed(load(tmp_path, rows), stamps.Plan("EUR/USD.SIM", "", ""))


def test_unknown_sessions(tmp_path: Path) -> None:
    rows = ["2012-02-06 10:00:00+00:00", "2012-02-06 10:01:00+00:00"]
    with pytest.raises(UserError, match="XNYZ"):
        stamps.placed(load(tmp_path, rows), stamps.Plan("EUR/USD.SIM", "XNYZ", ""))


def test_unreadable_rows_are_told_apart_by_sessions(tmp_path: Path) -> None:
    text = "timestamp,open,high,low,close\n2012-02-03 21:59:00+00:00,1,2,0.5,\n2012-02-04 10:00:00+00:00,1,2,0.5,\n"
    (tmp_path / "x.csv").write_text(text + "2012-02-06 10:00:00+00:00,1,2,0.5,1\n", encoding="utf-8")
    notes = stamps.counted(columns.load(tmp_path / "x.csv"), stamps.Plan("EUR/USD.SIM", "", ""))
    assert len(notes) == 2
    assert "1 unreadable rows dropped, outside sessions" in notes[0]
    assert "sees as silence" in notes[1]
