"""The README's picture is lifted from a report: well-formed, alone, and nothing that no run gave."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from dolphin.app import report
from tests.app import synthetic
from tools import picture

ROOT = Path(__file__).resolve().parents[2]


def test_it_is_lifted_whole(tmp_path: Path) -> None:
    page = report.page(synthetic.runs())
    source, target = tmp_path / "r.html", tmp_path / "p.svg"
    source.write_text(page, encoding="utf-8")
    assert picture.main([str(source), str(target), "0"]) == 0
    text = target.read_text(encoding="utf-8")
    ET.fromstring(text)
    assert "var(--paper)" in text
    assert "prefers-color-scheme" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    for line in text.split('<path class="line')[1:]:
        assert line[: line.index("/>")] in page


def test_what_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="the report has 2"):
        picture.picture(report.page(synthetic.runs()), 7)
    assert picture.main([]) == 2
    assert "python -m tools.picture" in capsys.readouterr().err


def test_the_committed_picture_is_one() -> None:
    text = (ROOT / "docs/picture.svg").read_text(encoding="utf-8")
    ET.fromstring(text)
    for word in ("plain", "guarded", "re-based", "NASDAQ"):
        assert word in text
