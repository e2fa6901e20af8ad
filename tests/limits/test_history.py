"""Closes of before the first run: how a file says them, what makes them unfit, and when a start takes them."""

import json
from pathlib import Path

import pytest

from dolphin.app import returns_file
from dolphin.app.cli import main
from dolphin.app.errors import UserError
from dolphin.app.limits_file import load_limits, made_limiter
from dolphin.app.returns_file import load_history
from dolphin.limits.codes import DAY_NS
from dolphin.limits.history import OLD_ROWS, BadHistory, by_interval, windows
from dolphin.limits.limiter import Limiter
from dolphin.limits.returns import INSTRUMENTS_MAX, ROWS, Returns
from dolphin.nautilus.ports import NOT_LOADED, Priced

HOUR = 3_600 * 10**9
FIRST = 20_000
"""The day 2024-10-04."""

ONES = {"A.X": Priced("A.X", 2 * 10**5, 0), "B.X": Priced("B.X", 2 * 10**2, 1)}
HEAD = "date,instrument,close\n"
LIMIT = '[cvar]\nmode = "on"\nvalue = "4 %"\nconfidence = "97.5 %"\nassumed = "4 %"\n'


def day(number, at=""):
    from datetime import date, timedelta

    return f"{date(1970, 1, 1) + timedelta(number)}{at}"


def closes(days=ROWS + 1, start=FIRST, b_from=0):
    """A close a day of A, and of B, in which 90 is a Saturday: nothing is said of it."""
    lines = []
    for n in range(days):
        if n != 90:
            lines.append(f"{day(start + n)},A.X,{1 + n % 7 / 1000:.5f}")
        if n >= b_from and n not in (90, 95):
            lines.append(f"{day(start + n)},B.X,{200 + n % 5}.25")
    return HEAD + "\n".join(lines) + "\n"


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "closes.csv"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def limiter(tmp_path, file):
    """A limiter whose file names a file of closes."""

    def make(text, horizon="1 d"):
        (tmp_path / "limits.toml").write_text(
            f'{LIMIT}horizon = "{horizon}"\n[book]\nreturns = "{file(text).name}"\n', encoding="utf-8"
        )
        return made_limiter(str(tmp_path / "limits.toml"))

    return make


@pytest.mark.req("DOL-LIMIT-038")
def test_the_windows_are_those_that_the_guard_would_have_taken(file):
    """Closes in any order. Ninety-five has no price of B; B begins later."""
    lines = closes(b_from=40).splitlines()
    history = load_history(file("\n".join([lines[0], "", *reversed(lines[1:])])))
    found, left_out = windows(history, DAY_NS, (FIRST + ROWS + 1) * DAY_NS + 5 * HOUR, ONES)
    seen = Returns(DAY_NS)
    for n in range(ROWS + 2):
        prices = []
        if n != 90 and n <= ROWS:
            prices.append(Priced("A.X", 2 * round(10**5 + n % 7 * 100), 0))
        if 40 <= n <= ROWS and n not in (90, 95):
            prices.append(Priced("B.X", 2 * (20_025 + n % 5 * 100), 1))
        seen.look((FIRST + n) * DAY_NS + HOUR, prices)
    assert found.lasting() == seen.lasting()
    assert found.rows() == {"A.X": ROWS - 1, "B.X": ROWS - 41}
    assert left_out == ()
    now = found.lasting()["returns"]
    for n, more in ((1, False), (2, True)):
        window = Returns(DAY_NS)
        window.take_up({"returns": now})
        assert window.look((FIRST + ROWS + 1) * DAY_NS + HOUR, [Priced("A.X", 210_000, 0)]) is False
        assert window.look((FIRST + ROWS + n) * DAY_NS + 2 * HOUR, [Priced("A.X", 210_000, 0)]) is more


@pytest.mark.req("DOL-LIMIT-038")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "closes.csv:1: rows: wrong: expected date,instrument,close and a close a row, found 'none'"),
        (HEAD, "closes.csv:2: rows: wrong: expected"),
        ("time,close\n", "closes.csv:1: columns: wrong: expected date,instrument,close, found 'time,close'"),
        (HEAD + "2026-01-02,A.X\n", "closes.csv:2: columns: wrong: expected 3, found 2"),
        (HEAD + "2026-01-02,,5\n", "closes.csv:2: instrument: wrong: expected Nautilus' id of one"),
        (HEAD + "\n2026-02-30,A.X,5\n", "closes.csv:3: date: wrong: expected a date, as 2026-11-20, or a time"),
        (HEAD + "2026-02-03T10:00,A.X,5\n", "closes.csv:2: date: wrong"),
        (HEAD + "20260203,A.X,5\n", "closes.csv:2: date: wrong"),
        (HEAD + "2026-02-03,A.X,five\n", "closes.csv:2: close: wrong: expected a price above zero"),
        (HEAD + "2026-02-03,A.X,0\n", "found '0'; see docs/guide/limits.md"),
        (HEAD + "2026-02-03,A.X,-5\n", "closes.csv:2: close: wrong"),
        (HEAD + "2026-02-03,A.X,nan\n", "closes.csv:2: close: wrong"),
        (HEAD + "2026-02-03,A.X,1e12\n", "closes.csv:2: close: wrong"),
        (HEAD + "2026-02-03,A.X,1e-19\n", "closes.csv:2: close: wrong"),
        (HEAD + '2026-02-03,"A.X"x,5\n', "closes.csv:2: is no CSV"),
        (HEAD + "2026-02-03,\udcff.X,5\n", "closes.csv: is no UTF-8 text"),
    ],
)
def test_every_mistake_has_its_line_and_column(tmp_path, text, said):
    path = tmp_path / "closes.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError) as caught:
        load_history(path)
    assert said in str(caught.value)


def test_files_that_cannot_be_read(tmp_path, file, monkeypatch):
    with pytest.raises(UserError, match=r"closes\.csv: is no file; name a file of closes"):
        load_history(tmp_path / "closes.csv")
    path = file(HEAD)

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refused)
        with pytest.raises(UserError, match=r"closes\.csv: cannot be read \(Permission denied\)"):
            load_history(path)
    monkeypatch.setattr(returns_file, "BYTES_MAX", 10)
    with pytest.raises(UserError, match="is too long: expected 10 bytes, found 'more'"):
        load_history(path)


@pytest.mark.req("DOL-LIMIT-038")
@pytest.mark.parametrize(
    ("horizon_ns", "text", "said"),
    [
        (HOUR, "2026-01-02,A.X,5\n", ":2: date: expected a time with its zone, since the horizon is 3600 s, found a"),
        (
            HOUR,
            "2026-01-02T10:05Z,A.X,5\n2026-01-02T12:55+02:00,A.X,6\n",
            ":3: date: expected one close of A.X in a horizon of 3600 s, found another in line 2; leave the last one",
        ),
        (
            HOUR,
            "2026-01-02T10:05Z,A.X,5\n2026-01-03T10:05Z,A.X,6\n2026-01-04T10:05Z,A.X,6\n2026-01-04T11:05Z,A.X,6\n",
            ":5: date: expected closes 3600 s apart, as the horizon of the limits is, found 1 of 3 that follow",
        ),
    ],
)
def test_closes_of_another_horizon(file, horizon_ns, text, said):
    history = load_history(file(HEAD + text))
    with pytest.raises(BadHistory) as caught:
        by_interval(history, horizon_ns)
    assert said in str(caught.value)
    assert by_interval(load_history(file(HEAD + text.splitlines()[0])), DAY_NS)


@pytest.mark.req("DOL-LIMIT-038")
@pytest.mark.parametrize(
    ("text", "late", "said"),
    [
        (closes(), 0, f":{2 * ROWS - 1}: date: expected a close of before now, whose horizon is over, found one"),
        (closes(), OLD_ROWS + 1, ""),
        (closes(), OLD_ROWS + 2, "a newest close of A.X that is a week or 10 horizons old at most, found one that"),
        (closes().replace("B.X", "C.X"), 1, ""),
        (closes().replace("B.X", "C.X").replace("A.X", "D.X"), 1, "instrument: expected 1 to 100 of the ins"),
        (closes(3).replace("1.00200", "0.000002"), 4 - ROWS, ":6: close: expected a price of the instrument"),
    ],
)
def test_closes_of_another_moment_or_book(file, text, late, said):
    history = load_history(file(text))
    now_ns = (FIRST + ROWS + late) * DAY_NS + DAY_NS - 1
    if not said:
        assert windows(history, DAY_NS, now_ns, ONES).left_out == (("C.X",) if "C.X" in text else ())
        return
    with pytest.raises(BadHistory) as caught:
        windows(history, DAY_NS, now_ns, ONES)
    assert f"{history.path}:" in str(caught.value)
    assert said in str(caught.value)


def test_no_more_instruments_than_have_a_window(file):
    names = [f"I{n}.X" for n in range(INSTRUMENTS_MAX + 1)]
    history = load_history(file(HEAD + "".join(f"{day(FIRST)},{name},5\n" for name in names)))
    with pytest.raises(BadHistory, match="found 101 of 101"):
        windows(history, DAY_NS, (FIRST + 1) * DAY_NS, {name: Priced(name, 2, 0) for name in names})


def now(days):
    return (FIRST + days) * DAY_NS + HOUR


@pytest.mark.req("DOL-LIMIT-038")
def test_a_start_takes_the_file_where_it_says_more_than_the_journal(limiter):
    first = limiter(closes(ROWS + 3))
    loaded = first.load(now(ROWS + 3), ONES)
    assert loaded.said.endswith("closes.csv: 250 of A.X, 250 of B.X")
    assert loaded.note["rows"] == {"A.X": ROWS, "B.X": ROWS}
    assert len(loaded.note["sha256"]) == 64
    assert first.load(now(ROWS + 3), ONES) is NOT_LOADED, "once"
    said = json.loads(json.dumps(first.said()))

    again = limiter(closes(ROWS + 3))
    again.take_up(said)
    assert again.load(now(ROWS + 4), ONES) is NOT_LOADED, "nothing is newer"
    assert again.said() == said

    newer = limiter(closes(ROWS + 4).replace("B.X", "C.X"))
    newer.take_up(said)
    assert newer.load(now(ROWS + 4), ONES).said.endswith("250 of A.X; nothing is known of C.X, B.X")
    assert newer.returns.rows() == {"A.X": ROWS}

    short = Limiter(first.limits)
    for n in range(ROWS, ROWS + 4):
        short.priced(now(n), [Priced("A.X", 100_000 + n, 0)])
    longer = limiter(closes(ROWS + 3))
    longer.take_up(short.said())
    assert longer.returns.rows() == {"A.X": 2}
    assert longer.load(now(ROWS + 3), ONES).note["rows"]["A.X"] == ROWS, "as new, with more rows"


@pytest.mark.req("DOL-LIMIT-038")
def test_a_file_that_is_wrong_stops_a_new_book_and_not_one_with_returns(limiter):
    stale = limiter(closes(ROWS + 3))
    with pytest.raises(BadHistory, match="bring the file up to date"):
        stale.load(now(2 * ROWS), ONES)
    first = limiter(closes(ROWS + 3))
    first.load(now(ROWS + 3), ONES)
    again = limiter(closes(ROWS + 3))
    again.take_up(first.said())
    loaded = again.load(now(2 * ROWS), ONES)
    assert loaded.said.endswith("bring the file up to date. The returns of the journal stand")
    assert loaded.note == {}
    assert again.returns.rows() == {"A.X": ROWS, "B.X": ROWS}


def test_what_the_limits_file_says_of_it(tmp_path, file, limiter, capsys):
    with pytest.raises(UserError, match="expected a time with its zone, since the horizon is 3600 s"):
        limiter(closes(5), "1 h")
    path = tmp_path / "limits.toml"
    assert main(["limits", "check", str(path)]) == 2
    assert "closes.csv:2: date: expected a time" in capsys.readouterr().err
    path.write_text('[book]\nreturns = "closes.csv"\n')
    assert load_limits(path).intervals == ()
    assert made_limiter(str(path)).load(now(5), ONES) is NOT_LOADED, "no limit is judged on returns"
    path.write_text("[book]\nreturns = 5\n")
    with pytest.raises(UserError, match=r"limits\.toml:2: returns: wrong value: expected a string"):
        load_limits(path)
