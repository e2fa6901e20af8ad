"""Under which names a journal in segments is set aside: none that is there is ever written over.

What belongs here: which numbers are there, by name alone, and the first free name for all that is to be moved. The
moving is for who holds the lock (`nautilus/opening.py`, `app/backup.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from dolphin.journal.segments import name_of


def numbers(path: str, begin: int = 1) -> list[int]:
    """The numbers from `begin` on of which the journal `path` has a rotated segment, highest first, holes or not.
    OSError: its folder cannot be read.
    """
    folder, name = os.path.split(os.path.abspath(path))
    root, ending = os.path.splitext(name)
    shape = re.compile(rf"{re.escape(root)}\.([0-9]{{4}}){re.escape(ending)}")
    found: list[int] = []
    for entry in os.listdir(folder):
        match = shape.fullmatch(entry)
        if match is None:
            continue
        if int(match[1]) >= begin:
            found.append(int(match[1]))
    found.sort(reverse=True)
    return found


def free(path: str, segments: Iterable[int]) -> str:
    """`journal-N.jsonl`, with the first N under which neither the journal nor one of these segments of it is yet."""
    root, ending = os.path.splitext(path)
    moved = [*segments]
    number = 1
    while _taken(f"{root}-{number}{ending}", moved):
        number += 1
    return f"{root}-{number}{ending}"


def _taken(target: str, segments: list[int]) -> bool:
    if os.path.lexists(target):
        return True
    for segment in segments:
        if os.path.lexists(name_of(target, segment)):
            return True
    return False
