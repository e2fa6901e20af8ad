"""The report: one file, nothing from elsewhere, absent categories first, extremes kept, words that are true."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from dolphin.app import report, report_charts, report_svg, report_text
from dolphin.app.cli import main
from dolphin.app.journal_run import read_journal
from dolphin.app.results import Mark, Point, drawdowns
from dolphin.kernel.events import Equity, Kill, Shock
from dolphin.kernel.policy import INTRADAY, Posture
from tests.app import synthetic
from tests.app.books import T0, Book

S = 10**9
PLOT_END = 1000 - 196
"""Where the lines end in the wide drawing, px."""
VOID = frozenset(("meta", "br", "link", "img", "hr", "input"))


class Checker(HTMLParser):
    """Well-formed, and every id once."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [str(value) for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


@pytest.fixture(scope="module")
def text() -> str:
    return report.page(synthetic.runs())


def checked(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    return checker


def test_it_is_well_formed_and_ids_are_unique(text: str) -> None:
    checked(text)


def test_nothing_comes_from_elsewhere(text: str) -> None:
    assert "<script" not in text
    assert not re.search(r"https?:|//[a-z]|@import|src=|url\((?!#)", text)
    assert len(text) < 1_000_000


@pytest.mark.req("DOL-SENSE-005")
def test_the_first_line_names_what_is_absent(text: str) -> None:
    body = text[text.index("<body>") :]
    first = re.sub(r"<[^>]*>", "", body[: body.index("</p>")]).strip()
    assert first.startswith("Absent categories: R2 structural (no envelope); R3 microstructure (daily bars).")


def test_the_first_line_where_nothing_is_absent_or_guarded() -> None:
    runs = synthetic.runs()
    assert "All five" in report_text.absent_line([replace(runs[1], absent=())])
    assert "No run here was guarded" in report_text.absent_line(runs[:1])
    assert "VIX spoke from 1999-01-04 to 2001-09-30 only." in report_text.absent_line(runs)
    numbered = report_text.absent_line([replace(runs[1], absent=("2",))])
    assert "R2 structural (no MC-Forewarner envelope)." in numbered
    mixed = report_text.absent_line([runs[1], replace(runs[2], absent=())])
    assert "R2 structural (no envelope) (in guarded)" in mixed


def test_markup_in_names_is_harmless() -> None:
    run = replace(synthetic.runs()[1], name="<b>x</b>", group="<i>", notes=("a < b & c",))
    run = replace(run, events=(Mark(run.equity[0].ts_ns, "FAULT", "</title><script>", 1),))
    found = report.page([run])
    assert "<script" not in found
    assert "<b>" not in found
    checked(found)


def test_it_serves_phone_print_and_dark(text: str) -> None:
    assert 'name="viewport"' in text
    for media in ("@media print", "prefers-color-scheme: dark", "max-width: 640px"):
        assert media in text
    assert text.count('class="wide"') == text.count('class="narrow"') == 8


def test_every_drawing_has_title_and_description(text: str) -> None:
    drawings = re.findall(
        r'<svg class="(?:wide|narrow)"[^>]*role="img" aria-labelledby="([^"]+)">(.*?)</svg>', text, re.DOTALL
    )
    assert len(drawings) == 16
    for ids, body in drawings:
        for name in ids.split():
            assert f'id="{name}">' in body
    assert "What happened, as a table" in text


def test_thinning_keeps_every_extreme() -> None:
    points = [Point(n * S, (n * 7919) % 1000) for n in range(100_000)]
    points[54_321] = Point(54_321 * S, -5_000)
    points[77_777] = Point(77_777 * S, 9_999)
    for frame in report_svg.frames(0, 100_000 * S):
        kept = report_svg.thinned(points, frame)
        assert len(kept) <= 4 * frame.width
        assert {points[54_321], points[77_777], points[0], points[-1]} <= set(kept)
        assert kept == sorted(kept)


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(3e5, 2e8, [1e6, 1e7, 1e8]), (9e5, 1.3e6, None), (1e6, 1.0001e6, None), (1, 8, [1, 2, 5])],
)
def test_a_log_axis_has_ticks_at_any_range(low: float, high: float, wanted: list[float] | None) -> None:
    found = report_svg.log_ticks(low, high)
    assert 2 <= len(found) <= 12
    assert all(low * 0.999 <= tick <= high * 1.001 for tick in found)
    if wanted is not None:
        assert set(wanted) <= set(found)


@pytest.mark.parametrize("seconds", [1, 30, 600, 7_200, 90_000, 400_000, 8_000_000, 40_000_000, 700_000_000])
def test_a_time_axis_has_ticks_at_any_span(seconds: int) -> None:
    for frame in report_svg.frames(T0, T0 + seconds * S):
        assert 1 <= len(report_svg.time_ticks(frame)) <= 13


def test_levels_of_capital_are_the_kernels() -> None:
    assert report_charts.r5_falls() == ((Posture.STALKER, 695), (Posture.TURTLE, 1_284), (Posture.HIBERNATE, 1_655))


def test_a_bankrupt_account_is_drawn_at_the_foot() -> None:
    run = synthetic.runs()[0]
    equity = (*run.equity[:100], Point(run.equity[100].ts_ns, -500), Point(run.equity[101].ts_ns, 0))
    found = report.page([replace(run, equity=equity, drawdown_bp=drawdowns(equity))])
    assert "the line runs along the foot" in found
    assert "nan" not in found
    assert "inf" not in re.sub(r"info|infer|inform", "", found)


def test_honest_words() -> None:
    plain, guarded, rebased, _ = synthetic.runs()
    said = report_text.honest([plain, guarded, rebased])
    assert "points of return over the whole time" in said
    assert "on 2008-10-15 it could not help: 3.80x was held and allowed, the market moved −6.03 %" in said
    assert "4 re-bases" in said
    assert said.count("commissions are not simulated") == 1
    assert "report-only" in report_text.honest([replace(guarded, mode="report")])
    assert report_text.honest([plain]) == ""


def test_the_worst_day_is_explained() -> None:
    said = report_text.worst_days(synthetic.runs())
    assert "Held 3.80x at the last decision before it, times a move of −6.03 %, gives −22.91 %; 0.02 % is" in said
    assert "3 decisions fell within the day" in said


def test_a_journal_becomes_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book(tmp_path / "b", INTRADAY)
    book.emit(Equity(T0 + S, 1_000_000, flat=1, stood=1))
    book.emit(Shock(T0 + 60 * S))
    book.emit(Kill(T0 + 120 * S))
    book.emit(Equity(T0 + 180 * S, 900_000, flat=1, stood=1))
    book.close()
    target = tmp_path / "out" / "r.html"
    assert main(["report", str(book.path / "journal.jsonl"), "-o", str(target)]) == 0
    assert capsys.readouterr().out.strip() == str(target)
    found = target.read_text()
    checked(found)
    assert "</svg>kill: 1</li>" in found
    assert target.stat().st_mode & 0o777 == 0o644
    assert main(["report", str(book.path / "journal.jsonl")]) == 0
    assert (book.path / "journal.html").exists()


@pytest.mark.parametrize("what", ["missing", "folder", "foreign", "empty", "unwritable", "itself"])
def test_what_is_no_journal_is_refused(tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.jsonl"
    argv = ["report", str(path), "-o", str(tmp_path / "r.html")]
    if what == "folder":
        path.mkdir()
    if what == "foreign":
        path.write_text('{"hello": "world"}\n')
    if what == "empty":
        path.write_text("")
    if what in ("unwritable", "itself"):
        book = Book(tmp_path / "b", INTRADAY)
        book.close()
        argv[1] = str(book.path / "journal.jsonl")
        argv[3] = argv[1] if what == "itself" else str(book.path / "journal.jsonl" / "r.html")
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "r.html").exists()


def test_a_value_holds_until_the_next_one() -> None:
    frame = report_svg.frames(0, 1_000 * S)[0]
    line = report_svg.Line("x", 1, (Point(0, 100), Point(300 * S, 100), Point(600 * S, 0), Point(1_000 * S, 0)))
    drawn = report_svg.polyline(frame, line, lambda value: 200 - value)
    middle = 64 + 0.6 * (PLOT_END - 64)
    assert f'd="M64.0 100.0 {middle:.1f} 100.0 {middle:.1f} 200.0 {PLOT_END}.0 200.0"' in drawn


def test_a_flat_book_is_drawn_to_its_end_and_ruin_is_seen_in_a_journal_too(tmp_path: Path) -> None:
    book = Book(tmp_path / "b", INTRADAY)
    book.emit(Equity(T0 + S, 1_000_000, flat=1, stood=1))
    book.emit(Equity(T0 + 2 * S, 9_000, flat=1, stood=1))
    book.emit(Kill(T0 + 9 * 86_400 * S))
    book.close()
    run = read_journal(book.path / "journal.jsonl")
    assert report_charts.extent(run)[1] == T0 + 9 * 86_400 * S
    found = report.page([run])
    assert "2023-11-14 to 2023-11-23 UTC" in found
    assert re.search(r'Ruin [^<]*</th><td class="bad">2023-11-14', found)
    assert re.search(rf'class="line s1" d="M[^"]* {PLOT_END}\.0 [0-9.]+"', found)


def test_several_journals_are_drawn_together(tmp_path: Path) -> None:
    paths = []
    for name in ("one", "two"):
        book = Book(tmp_path / name, INTRADAY)
        book.emit(Equity(T0 + S, 1_000_000, flat=1, stood=1))
        book.close()
        paths.append(str(book.path / "journal.jsonl"))
    target = tmp_path / "r.html"
    assert main(["report", *paths, "-o", str(target)]) == 0
    found = target.read_text()
    assert found.count('id="g0-equity-wide-t"') == 1
    assert "g1-" not in found
    assert "<title>Dolphin report: one, two</title>" in found


@pytest.mark.parametrize(("ns", "said"), [(24_421_000, "24.4 ms"), (12_300, "12.3 µs")])
def test_a_duration_in_its_own_unit(ns: int, said: str) -> None:
    assert report_text._duration(ns) == said


def test_every_figure_has_a_heading_that_says_what_and_in_which_unit(text: str) -> None:
    found = re.findall(r"<figure><h3>([^<]*)</h3><svg", text)
    assert found == [
        "Equity in USD", "Drawdown, % of the highest equity", "Confidence, % of full", "Postures, and what happened",
    ] * 2  # fmt: skip


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_every_level_is_named_beside_the_curves(text: str, width: str) -> None:
    """No name stands on a curve, none is left out, none covers another, none is cut off."""
    frame = next(each for each in report_svg.frames(0, 1) if each.narrow == (width == "narrow"))
    drawings = re.findall(rf'<svg class="{width}"[^>]*aria-labelledby="g0-(?:drawdown|confidence).*?</svg>', text)
    assert len(drawings) == 2
    for drawing in drawings:
        names = re.findall(r'<text class="levelname" x="([0-9.]+)" y="([0-9.]+)">([A-Z]+)<', drawing)
        assert [name for _, _, name in names] == ["STALKER", "TURTLE", "HIBERNATE"]
        heights = [float(y) for _, y, _ in names]
        assert all(below - above >= 11 for above, below in pairwise(heights))
        assert all(frame.width - frame.right < float(x) < frame.width - 57 for x, _, _ in names)


def test_labels_keep_apart_and_within() -> None:
    assert report_svg.apart([20, 50, 51], 10, 8, 100) == [20, 50, 60]
    assert report_svg.apart([95, 96, 97], 10, 8, 100) == [80, 90, 100]
    assert report_svg.apart([0], 10, 8, 100) == [8]


def test_the_legend_counts_events_in_each_run(text: str) -> None:
    runs = synthetic.runs()
    shocks = [sum(event.kind == "SHOCK" for event in run.events) for run in runs]
    assert min(shocks[1:3]) > 0
    assert f"shock: guarded {shocks[1]}, guarded, re-based {shocks[2]}</li>" in text
    for posture in Posture:
        assert f"{posture.name[0]} {posture.name}</li>" in text


def test_the_table_explains_the_worst_day(text: str) -> None:
    row = re.search(r"leverage held × the day’s move</th>(.*?)</tr>", text)
    assert row is not None
    cells = re.findall(r"<td>(.*?)</td>", row[1])
    assert cells[1] == "−22.91 %<br><small>3.80x × −6.03\u00a0%</small>"
    assert cells[0] == "−22.91 %<br><small>in 3 steps</small>"
    assert "left over: spread, slippage, fees</th><td>0.02 %</td><td>0.02 %</td>" in text
