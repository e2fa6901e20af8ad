"""A user's files: what is recognised, what is dropped and counted, and errors that name found and accepted."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from dolphin.app import columns
from dolphin.app.errors import UserError

BAR = "open,high,low,close\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def csv(tmp_path: Path, text: str) -> Path:
    return write(tmp_path / "x.csv", text)


def test_bars_with_a_zone(tmp_path: Path) -> None:
    found = columns.load(csv(tmp_path, "timestamp,open,high,low,close\n2012-02-01 00:00:00+01:00,1,2,0.5,1.5\n"))
    assert found.kind == "bars"
    assert list(found.frame["ts_ns"]) == [1_328_050_800_000_000_000]
    assert found.frame["volume"].isna().all()


def test_times_without_a_zone_need_one(tmp_path: Path) -> None:
    path = csv(tmp_path, "time,bid,ask\n2012-02-01 09:30:00,1,2\n")
    with pytest.raises(UserError) as caught:
        columns.load(path)
    assert "--tz" in str(caught.value)
    assert "2012-02-01 09:30:00" in str(caught.value)
    found = columns.load(path, tz="America/New_York")
    assert list(found.frame["ts_ns"]) == [1_328_106_600_000_000_000]


def test_an_unknown_zone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown time zone"):
        columns.load(csv(tmp_path, "time,bid,ask\n2012-02-01 09:30:00,1,2\n"), tz="Mars")


def test_an_hour_that_summer_time_repeats_is_dropped_and_counted(tmp_path: Path) -> None:
    rows = "2012-11-04 01:30:00,1,2\n2012-11-04 09:30:00,1,2\n"
    found = columns.load(csv(tmp_path, f"time,bid,ask\n{rows}"), tz="America/New_York")
    assert len(found.frame) == 1
    assert found.dropped == {"without a time": 1}


@pytest.mark.parametrize("stamp", [1_328_054_400, 1_328_054_400_000, 1_328_054_400_000_000, 1_328_054_400_000_000_000])
def test_integer_times_of_any_unit(tmp_path: Path, stamp: int) -> None:
    found = columns.load(csv(tmp_path, f"ts_event,bid,ask\n{stamp},1,2\n"))
    assert list(found.frame["ts_ns"]) == [1_328_054_400_000_000_000]


def test_days_are_known_as_such(tmp_path: Path) -> None:
    assert columns.load(csv(tmp_path, f"Date,{BAR}2012-02-01,1,2,0.5,1.5\n")).dated


def test_when_it_was_received(tmp_path: Path) -> None:
    text = "timestamp,local_timestamp,price,amount\n1598918403696000,1598918403810979,5,1\n"
    frame = columns.load(csv(tmp_path, text)).frame
    assert frame["init_ns"][0] - frame["ts_ns"][0] == 114_979_000


def test_what_is_out_of_order_twice_there_or_unreadable(tmp_path: Path) -> None:
    rows = [
        "2012-02-01T00:02:00Z,1,2,0.5,1.5",
        "2012-02-01T00:01:00Z,1,2,0.5,1.5",
        "2012-02-01T00:01:00Z,1,2,0.5,1.6",
        "2012-02-01T00:03:00Z,1,2,0.5,",
        "2012-02-01T00:04:00Z,1,0.9,0.5,1.5",
        "2012-02-01T00:05:00Z,1,inf,0.5,1.5",
    ]
    found = columns.load(csv(tmp_path, "timestamp," + BAR + "\n".join(rows)))
    assert found.dropped == {"out of order (sorted, kept)": 1, "duplicate": 1}
    assert len(found.unreadable_ns) == 3
    assert list(found.frame["close"]) == [1.5, 1.5]


def test_a_negative_size_cannot_be_read(tmp_path: Path) -> None:
    text = "time,price,size\n2012-02-01T00:00:00Z,5,-1\n2012-02-01T00:00:01Z,5,1\n"
    assert len(columns.load(csv(tmp_path, text)).unreadable_ns) == 1


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("time,opn,high,low,close\n2012-02-01T00:00:00Z,1,2,0.5,1.5\n", ["opn", "open, high, low, close", "'open'"]),
        ("open,high,low,close\n1,2,0.5,1.5\n", ["has no time", "timestamp", "open"]),
        ("time,bid,ask\nyesterday,1,2\n", ["ISO 8601", "yesterday"]),
        ("time,bid,ask\n2012-02-01T00:00:00Z,x,2\n", ["'bid'", "numbers", "x"]),
        ("time,bid,ask\n-5,1,2\n", ["is no time"]),
        ("time,bid,ask\n", ["has no rows"]),
        ("", ["is empty"]),
        ("time,symbol,bid,ask\n2012-02-01T00:00:00Z,A,1,2\n2012-02-01T00:00:00Z,B,1,2\n", ["several instruments"]),
        ("time,bid,ask\n2012-02-01T00:00:00Z,,2\n2012-02-01T00:00:01Z,1,\n", ["no row that can be read"]),
    ],
)
def test_an_error_names_what_was_found_and_what_is_accepted(tmp_path: Path, text: str, names: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        columns.load(csv(tmp_path, text))
    for name in names:
        assert name in str(caught.value)


def test_another_kind_than_the_user_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds quotes"):
        columns.load(csv(tmp_path, "time,bid,ask\n2012-02-01T00:00:00Z,1,2\n"), expected="bars")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.csv", "no such file"),
        ("nowhere", "no such file"),
        ("x.xlsx", "unknown kind"),
        ("x.parquet", "cannot be read"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, said: str) -> None:
    if not name.startswith("nowhere"):
        write(tmp_path / name, "no parquet")
    with pytest.raises(UserError, match=said):
        columns.load(tmp_path / name)


@pytest.mark.parametrize("keep", [300, 12, 3])
def test_a_download_that_was_cut_short(tmp_path: Path, keep: int) -> None:
    rows = "".join(f"2012-02-01T00:{i // 60:02}:{i % 60:02}Z,{i * 7 % 31 + 1},40\n" for i in range(3000))
    whole = gzip.compress(f"time,bid,ask\n{rows}".encode())
    for name, data in (("x.csv.gz", whole[:keep]), ("y.csv.gz", whole[:20] + b"\xff" * 200), ("z.parquet", b"PAR1")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=name):
            columns.load(tmp_path / name)


def test_parquet_with_its_times_as_index(tmp_path: Path) -> None:
    index = pd.date_range("2012-02-01", periods=2, freq="min", tz="UTC")
    pd.DataFrame({"bid": [1.0, 1.0], "ask": [2.0, 2.0]}, index=index).to_parquet(tmp_path / "x.parquet")
    assert len(columns.load(tmp_path / "x.parquet").frame) == 2


@pytest.mark.parametrize(("values", "count"), [([1.0, 2.0], 0), ([1.25, 3.0], 2), ([0.1 + 0.2], 1), ([1 / 3], 8)])
def test_decimals(values: list[float], count: int) -> None:
    assert columns.decimals(pd.Series(values).to_numpy()) == count


BAD_QUOTES = ("0,0", "-5,-4", "-1,1", "1.2,1.1", "0,1")


def test_what_is_no_price_is_no_price(tmp_path: Path) -> None:
    """Zero and below, and a bid above its ask, are counted as unreadable; a spike is a price."""
    rows = ["1.0,1.1", *BAD_QUOTES, "1.1,1.1", "900,901"]
    text = "".join(f"2012-02-01T00:00:{i:02}Z,{row}\n" for i, row in enumerate(rows))
    item = columns.load(csv(tmp_path, "time,bid,ask\n" + text))
    assert len(item.unreadable_ns) == len(BAD_QUOTES)
    assert list(item.frame["ask"]) == [1.1, 1.1, 901.0]


@pytest.mark.parametrize("row", ["0,0,0,0", "-3,-3,-3,-3", "1,1,-1,1"])
def test_bars_at_or_below_zero(tmp_path: Path, row: str) -> None:
    text = f"time,{BAR}2012-02-01T00:00:00Z,1,1,1,1\n2012-02-01T00:01:00Z,{row}\n"
    item = columns.load(csv(tmp_path, text))
    assert (len(item.frame), len(item.unreadable_ns)) == (1, 1)


def test_trades_and_books_at_or_below_zero() -> None:
    trades = pd.DataFrame({"price": [1.0, 0.0, -1.0], "size": [1.0, 1.0, 1.0]})
    assert list(columns.unreadable(columns.TRADES, trades)) == [False, True, True]
    book = pd.DataFrame({"bid_0": [1.0, 0.0, 3.0], "ask_0": [2.0, 2.0, 2.0], "bid_size_0": 1.0, "ask_size_0": 1.0})
    assert list(columns.unreadable(columns.BOOK, book)) == [False, True, True]
