"""TLC as the judge of traces: an independent reading of the design conforms, and one changed number does not."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dolphin.audit.trace_tla import Action, TlcFailed, TraceRecord, check, chunks
from dolphin.kernel.policy import INTRADAY, Profile
from tools.trace_reference import DAY, MINUTE, Book, trace

TRACE = list(trace(1_200, seed=10))


def first(predicate: Callable[[TraceRecord], bool], after: int = 20) -> int:
    return next(index for index in range(after, len(TRACE)) if predicate(TRACE[index]))


def with_change(index: int, **change: Any) -> list[TraceRecord]:
    return [*TRACE[:index], TRACE[index]._replace(**change), *TRACE[index + 1 :]]


def armed(record: TraceRecord) -> bool:
    return record.action == Action.ARM and record.mode == 2


def confirmed(index: int) -> bool:
    return TRACE[index].action == Action.CONFIRM and TRACE[index].mode == 0 and TRACE[index - 1].mode == 2


CONFIRMED = next(index for index in range(1, len(TRACE)) if confirmed(index))
EARNING = next(
    index
    for index in range(20, len(TRACE))
    if TRACE[index].credit_ms > 0
    and TRACE[index - 1].confidence_ms < TRACE[index].confidence_ms < 600 * TRACE[index].held_bp
)
BUSY = first(lambda r: r.held_bp == 10_000 and r.confidence_ms > 0 and r.action == Action.VISIT)
ARMED = first(armed)

# where, what is changed, and which record and field must be named (an input may only matter later)
CHANGES: list[tuple[int, dict[str, int], int, str]] = [
    (BUSY, {"confidence_ms": TRACE[BUSY].confidence_ms - 1}, BUSY, "confidence_ms"),
    (BUSY, {"confidence_ms": -1}, BUSY, "confidence_ms"),
    (BUSY, {"confidence_ms": 1 << 70}, BUSY, "confidence_ms"),
    (BUSY, {"posture": (TRACE[BUSY].posture + 1) % 4}, BUSY, "posture"),
    (BUSY, {"mode": 1}, BUSY, "mode"),
    (BUSY, {"held_bp": TRACE[BUSY].held_bp - 1}, BUSY, "held_bp"),
    (BUSY, {"episode": TRACE[BUSY].episode + 1}, BUSY, "episode"),
    (BUSY, {"r2_bp": 9_999}, BUSY, "held_bp"),
    (BUSY, {"r3_bp": 9_999}, BUSY, "held_bp"),
    (BUSY, {"r4_bp": 9_999}, BUSY, "held_bp"),
    (BUSY, {"r5_bp": 9_999}, BUSY, "held_bp"),
    (BUSY, {"r5_bp": 10_001}, BUSY, "r5_bp"),
    (BUSY, {"missed": 1}, BUSY, "mode"),
    (BUSY, {"action": 9}, BUSY, "action"),
    (EARNING, {"credit_ms": TRACE[EARNING].credit_ms - 1}, EARNING, "confidence_ms"),
    (ARMED, {"episode_named": 99}, ARMED, "mode"),
    (ARMED, {"clear": 0}, ARMED, "mode"),
    (ARMED, {"green": 0}, ARMED, "mode"),
    (ARMED, {"r3_bp": (TRACE[ARMED].r3_bp + 1) % 10_000}, ARMED, "r234_bp"),
    (CONFIRMED, {"nonce": 12_345}, CONFIRMED, "mode"),
    (CONFIRMED, {"green": 0}, CONFIRMED, "mode"),
]


@pytest.mark.req("DOL-FILTER-002", "DOL-POSTURE-001", "DOL-REARM-003", "DOL-CAPITAL-005")
def test_an_independent_reading_of_the_design_conforms() -> None:
    verdict = check(TRACE)
    assert verdict.ok
    assert verdict.records == len(TRACE)
    assert {record.action for record in TRACE} == set(Action), "a trace that does not use every action shows little"
    assert {record.posture for record in TRACE} == {0, 1, 2, 3}
    assert {record.mode for record in TRACE} == {0, 1, 2}


def test_one_changed_number_is_rejected_at_its_record() -> None:
    def judged(change: tuple[int, dict[str, int], int, str]) -> str:
        index, fields, where, field = change
        verdict = check(with_change(index, **fields)[: where + 50])
        if (verdict.ok, verdict.first_bad, verdict.field) == (False, where, field):
            return ""
        return f"{fields} at {index}: {verdict}, expected {field} at {where}"

    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        assert [missed for missed in pool.map(judged, CHANGES) if missed] == []


@pytest.mark.req("DOL-REARM-003")
def test_the_wait_is_exact_to_the_nanosecond() -> None:
    """A confirm 60 s less one ns after its request is refused, and at 60 s it is not."""
    book = Book()
    records = [
        book.step(missed=1),
        book.step(2, nonce=5, episode=1, clear=1, green=1),
        book.step(ns=MINUTE - 1),
        book.step(3, nonce=5, green=1),
        book.step(ns=1),
        book.step(3, nonce=5, green=1),
    ]
    assert [record.mode for record in records] == [1, 2, 2, 2, 2, 0]
    assert check(records).ok
    records[4] = records[4]._replace(elapsed_ns=0)
    verdict = check(records)
    assert (verdict.first_bad, verdict.field, verdict.expected, verdict.logged) == (5, "mode", 2, 0)


def test_windows_hand_the_whole_state_over() -> None:
    whole, windowed = check(TRACE), check(TRACE, window=250)
    assert whole.ok
    assert windowed.ok
    bad = with_change(700, confidence_ms=TRACE[700].confidence_ms + 1)
    assert check(bad, window=250).first_bad == 700


def rebased(book: Book, *, asked_ns: int, nonce: int = 5) -> list[TraceRecord]:
    """A loss of which STALKER is left, the request after a while, the wait, the confirm."""
    return [
        book.step(r=[10_000, 10_000, 10_000, 8_000], flat=1),
        book.step(ns=asked_ns),
        book.step(4, nonce=nonce),
        book.step(ns=DAY - asked_ns),
        book.step(5, nonce=nonce, clear=1),
    ]


@pytest.mark.req("DOL-CAPITAL-004", "DOL-CAPITAL-005")
def test_the_waits_of_the_re_base_are_those_of_the_journals_policy() -> None:
    book = Book()
    records = rebased(book, asked_ns=1)
    assert records[-1].r5_bp == 10_000
    assert check(records).ok
    longer = INTRADAY._replace(rebase_trapped_ns=DAY + 1)
    assert check(records, policy=longer).first_bad == 4
    refused = rebased(book, asked_ns=1, nonce=6)
    assert refused[-1].r5_bp == 8_000, "the rate of one in thirty days is spent"
    assert check([*records, *refused]).ok
    assert check([*records, *refused], policy=INTRADAY._replace(rebase_gap_ns=DAY)).first_bad == 9


@pytest.mark.req("DOL-REARM-006", "DOL-CAPITAL-007")
def test_a_request_to_re_base_lapses_and_is_of_its_own_trap() -> None:
    late = rebased(Book(), asked_ns=0)
    assert late[-1].r5_bp == 8_000, "asked a whole day ago"
    assert check(late).ok
    assert not check([*late[:-1], late[-1]._replace(r5_bp=10_000)]).ok
    assert check(late, policy=INTRADAY._replace(profile=Profile.DAILY, rebase_gap_ns=0)).first_bad == 4
    book = Book()
    book_records = [
        book.step(r=[10_000, 10_000, 10_000, 9_000], flat=1),
        book.step(4, nonce=5),  # 6.2 %: in APEX, no trap
        book.step(r=[3_000, 10_000, 10_000, 9_000]),
        book.step(ns=DAY),
        book.step(5, nonce=5, clear=1),
        book.step(4, nonce=6),
        book.step(5, nonce=6, clear=1),
    ]
    assert [record.r5_bp for record in book_records[-3:]] == [9_000, 9_000, 10_000]
    assert check(book_records).ok


@pytest.mark.req("DOL-REARM-006", "DOL-REARM-007")
@pytest.mark.parametrize(
    ("took", "seen", "ns", "mode"),
    [
        (0, 0, DAY - 1, 0), (0, 0, DAY, 2), (77, 77, MINUTE, 0), (77, 0, MINUTE, 0), (77, 78, MINUTE, 2),
        (77, -1, MINUTE, 2), (-1, -1, MINUTE, 2),
    ],
)  # fmt: skip
def test_a_confirm_is_in_time_and_stands_on_what_is_held(took: int, seen: int, ns: int, mode: int) -> None:
    book = Book()
    records = [
        book.step(missed=1),
        book.step(2, nonce=5, episode=1, clear=1, green=1, holding=took),
        book.step(ns=ns),
        book.step(3, nonce=5, green=1, holding=seen),
    ]
    assert records[-1].mode == mode
    assert check(records).ok
    assert check(records, window=2).ok, "what was taken over is handed from window to window"
    other = records[-1]._replace(mode=2 - mode)
    assert check([*records[:-1], other]).first_bad == 3


def test_no_record_does_not_conform() -> None:
    assert not check([]).ok


def test_chunks_are_of_a_thousand() -> None:
    parts = list(chunks(TRACE))
    assert len(parts) == 2
    assert parts[1].startswith("Chunk2 == <<\n<<")


def test_what_tlc_cannot_judge_is_no_verdict() -> None:
    with pytest.raises(TlcFailed):
        check(TRACE, timeout_s=0.2)
