"""What is set aside is written over nothing, under one name for all of it."""

from __future__ import annotations

import os
from pathlib import Path

from dolphin.journal.segments import name_of
from dolphin.journal.setaside import free, numbers


def test_the_numbers_that_are_there_by_name(tmp_path: Path) -> None:
    path = str(tmp_path / "journal.jsonl")
    for name in (".jsonl", ".0001.jsonl", ".0003.jsonl", ".9999.jsonl", ".0000.jsonl", ".12.jsonl", ".0002.jsonl.torn"):
        (tmp_path / f"journal{name}").touch()
    (tmp_path / "journal-1.0002.jsonl").touch()
    (tmp_path / "xjournal.0002.jsonl").touch()
    assert numbers(path) == [9999, 3, 1]
    assert numbers(path, 3) == [9999, 3]
    assert numbers(os.path.relpath(path)) == [9999, 3, 1]


def test_the_first_name_that_nothing_has(tmp_path: Path) -> None:
    path = str(tmp_path / "journal.jsonl")
    assert free(path, [1, 2]) == str(tmp_path / "journal-1.jsonl")
    Path(name_of(str(tmp_path / "journal-1.jsonl"), 2)).touch()
    assert free(path, [2]) == str(tmp_path / "journal-2.jsonl")
    assert free(path, [1]) == str(tmp_path / "journal-1.jsonl")
    (tmp_path / "journal-1.jsonl").symlink_to("nowhere")
    assert free(path, [1]) == str(tmp_path / "journal-2.jsonl")
