"""docs/journal-format.md says what the code does: kinds, fields, constants, errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dolphin.journal as api
from dolphin.journal import KERNEL, OTHER
from dolphin.journal.encoding import FORMAT, GENESIS, LINE_BYTES_MAX
from dolphin.journal.kinds import GAP_FIELDS
from dolphin.journal.tape import GROUP_NS, HEAD_EVERY
from dolphin.kernel.events import EFFECTS
from dolphin.kernel.state import Outcome

DOC = (Path(__file__).parents[2] / "docs" / "journal-format.md").read_text()
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", DOC, re.MULTILINE))


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.req("DOL-JOURNAL-001")
@pytest.mark.parametrize("kind", [*KERNEL])
def test_the_fields_of_every_kernel_kind(kind: str) -> None:
    assert quoted(ROWS[kind]) == [*KERNEL[kind][:-2]]


def test_there_is_no_other_kind() -> None:
    assert {*ROWS} == {*KERNEL, *OTHER}


def test_outcome_effects_and_gap() -> None:
    out = re.search(r"^\| `out` \|.*$", DOC, re.MULTILINE)
    effects = re.search(r"^\| `fx` \|.*$", DOC, re.MULTILINE)
    assert out is not None
    assert effects is not None
    assert quoted(out[0])[1:] == [*Outcome._fields]
    named = [part for kind, effect in EFFECTS.items() for part in (kind, *effect._fields)]
    assert quoted(effects[0])[1:] == named
    assert quoted(ROWS["GAP"]) == [*GAP_FIELDS]


def test_the_constants() -> None:
    assert f"This page is format **{FORMAT}**" in DOC
    assert GENESIS.hex() in DOC
    assert f"every {HEAD_EVERY:,} records" in DOC
    assert GROUP_NS == 5_000_000
    assert LINE_BYTES_MAX == 1 << 20
    assert "at most 1 MiB" in DOC


def test_every_error_is_explained() -> None:
    errors = {name for name in api.__all__ if name.startswith("Journal") and name != "Journal"}
    assert errors == {*re.findall(r"^\| `(Journal\w+)` \|", DOC, re.MULTILINE)}
