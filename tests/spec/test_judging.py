"""Judging.tla cuts orders as kernel/orders.py does: every small case and random large ones, evaluated by TLC."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dolphin.audit.tlc_runner import find_jar, run_tlc
from dolphin.kernel import orders

SPEC = Path(__file__).resolve().parents[2] / "spec"
LARGE = 2**31 - 1


def splits() -> Iterator[tuple[int, ...]]:
    """What goes into `split`, then what comes out."""
    dice = random.Random(4)
    small = itertools.product(range(5), range(4), range(4), range(4), (0, 1))
    large = ((*(dice.randrange(LARGE // 2) for _ in range(4)), dice.randrange(2)) for _ in range(200))
    for case in itertools.chain(small, large):
        yield *case, *orders.split(*case)


def leavings() -> Iterator[tuple[int, ...]]:
    """What goes into `leaving`, then what comes out."""
    for lots, whole, minimum in itertools.product(range(5), (0, 1), (1, 2, 3)):
        for exit_lots in range(lots + 1):
            for entry_lots in range(lots - exit_lots + 1):
                case = (lots, exit_lots, entry_lots, whole, minimum)
                yield *case, orders.leaving(*case)


def remainings() -> str:
    """Position, exits on their way, the flag; and what is left to shrink."""
    cases = itertools.product(range(5), range(6), (0, 1))
    return ", ".join(f"<<{size}, {way}, {flag}, {orders.remaining(size, way, flag)}>>" for size, way, flag in cases)


def opposing() -> str:
    """The sides and positions that the kernel finds opposed."""
    pairs = itertools.product((-1, 1), range(-2, 3))
    return ", ".join(f"<<{side}, {position}>>" for side, position in pairs if orders.opposes(side, position, 1))


def module(cut: list[tuple[int, ...]], left: list[tuple[int, ...]]) -> str:
    def rows(cases: list[tuple[int, ...]]) -> str:
        return ",\n".join(f"<<{', '.join(map(str, case))}>>" for case in cases)

    return f"""---- MODULE Cases ----
EXTENDS Judging
VARIABLE x
Init == x = 0
Next == UNCHANGED x
Cut == {{
{rows(cut)}}}
Left == {{
{rows(left)}}}
SplitsAsTheKernel ==
    x = 0 /\\ \\A c \\in Cut:
        Split(c[1], c[2], c[3], c[4], c[5] = 1) = [exit |-> c[6], covered |-> c[7], entry |-> c[8], cancel |-> c[9]]
OpposesAsTheKernel ==
    x = 0 /\\ {{c \\in {{-1, 1}} \\X (-2..2): Opposes(c[1], c[2])}} = {{{opposing()}}}
RemainsAsTheKernel == x = 0 /\\ \\A c \\in {{{remainings()}}}: Remaining(c[1], c[2], c[3] = 1) = c[4]
LeavesAsTheKernel == x = 0 /\\ \\A c \\in Left: Leaving(c[1], c[2], c[3], c[4] = 1, c[5]) = c[6]
====
"""


def judged(cut: list[tuple[int, ...]], left: list[tuple[int, ...]]) -> tuple[str, str]:
    cfg = "INIT Init\nNEXT Next\nINVARIANTS SplitsAsTheKernel OpposesAsTheKernel RemainsAsTheKernel LeavesAsTheKernel\n"
    run = run_tlc("Cases", cfg, [SPEC / "Judging.tla"], {"Cases.tla": module(cut, left)}, jar=find_jar(), short=True)
    return run.verdict, run.violated or run.detail


@pytest.mark.req("DOL-EXIT-001", "DOL-EXIT-002", "DOL-EXIT-004", "DOL-EXIT-005")
def test_the_model_cuts_orders_as_the_kernel_does() -> None:
    assert judged(list(splits()), list(leavings())) == ("passed", "")


def test_one_lot_of_difference_is_found() -> None:
    cut, left = list(splits()), list(leavings())
    *case, last = cut[77]
    assert judged([*cut[:77], (*case, last + 1), *cut[78:]], left)[0] == "violated"
    *case, last = left[33]
    assert judged(cut, [*left[:33], (*case, last + 1), *left[34:]])[0] == "violated"
