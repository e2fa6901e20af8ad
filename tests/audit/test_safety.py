"""Each safety property of check d fires on a record that breaks it, and names its requirement.

The records are put together by hand: check b would refuse most of them, which is why it is not asked here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dolphin.audit.finding import Finding, Verdict
from dolphin.audit.replay import Auditor, audit
from dolphin.journal import read
from dolphin.kernel import events as ev
from dolphin.kernel.policy import INTRADAY, Posture
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Mode
from tests.audit.make_journal import MONEY, Maker, S
from tests.audit.mutate import rechained


def judged(path: Path) -> list[Finding]:
    auditor = Auditor(str(path), decisions=False, all_=True)
    for record in read(str(path)):
        auditor.take(record)
    return auditor.findings


def changed(maker: Maker, line: int, **fields: Any) -> list[str]:
    """The requirements found after `fields` of one record's data were changed: a key, `out3`, or `fx0_1`."""
    maker.journal.release()
    lines = maker.path.read_text().splitlines()
    record = json.loads(lines[line])
    data = record["data"]
    for name, value in fields.items():
        if name.startswith("out") and name[3:].isdigit():
            data["out"][int(name[3:])] = value
        elif name.startswith("fx") and name[2:3].isdigit():
            place, index = map(int, name[2:].split("_"))
            data["fx"][place][index] = value
        else:
            data[name] = value
    text = json.dumps(data, separators=(",", ":"))
    begin = lines[line].index('"data":') + 7
    lines[line] = f'{lines[line][:begin]}{text},"hash":"{"0" * 64}"}}'
    maker.path.write_text("\n".join(rechained(lines, line)) + "\n")
    return [finding.requirement for finding in judged(maker.path)]


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    made = Maker(tmp_path / "journal.jsonl")
    made.hear()
    made.equity(flat=1, stood=1)
    return made


def last(maker: Maker) -> int:
    return maker.journal.head.seq


@pytest.mark.req("DOL-KILL-002")
def test_no_entry_while_the_latch_is_not_running(maker: Maker) -> None:
    maker.event(ev.Kill(maker.wait(1)))
    maker.order(1, 10)
    assert "DOL-KILL-002" in changed(maker, last(maker), fx0_1=10, fx0_4=60_000, fx0_5=0)


@pytest.mark.req("DOL-ORDER-001")
def test_no_accepted_entry_leaves_leverage_above_the_allowed(maker: Maker) -> None:
    maker.order(1, 700)
    assert changed(maker, last(maker), fx0_1=601) == ["DOL-ORDER-001"]


@pytest.mark.req("DOL-ORDER-001")
def test_the_allowed_leverage_is_not_above_ceiling_and_share(maker: Maker) -> None:
    maker.order(1, 10)
    assert changed(maker, last(maker), fx0_4=60_001) == ["DOL-ORDER-001"]


@pytest.mark.req("DOL-EXIT-001")
def test_an_exit_within_the_free_position_is_whole(maker: Maker) -> None:
    maker.order(-1, 10, position_lots=20)
    assert "DOL-EXIT-001" in changed(maker, last(maker), fx0_1=9, fx0_2=9)


@pytest.mark.req("DOL-EXIT-004")
def test_an_exit_part_is_never_more_than_the_position(maker: Maker) -> None:
    maker.order(-1, 30, position_lots=20)
    assert "DOL-EXIT-004" in changed(maker, last(maker), fx0_2=21)


@pytest.mark.req("DOL-POSTURE-003")
def test_no_entry_in_turtle(maker: Maker) -> None:
    maker.event(ev.Shock(maker.now))
    maker.order(1, 10)
    assert "DOL-POSTURE-003" in changed(maker, last(maker), fx0_1=10, fx0_4=60_000)


@pytest.mark.req("DOL-POSTURE-004")
def test_stalker_takes_no_liquidity(maker: Maker) -> None:
    maker.event(ev.Counted(maker.now, 1, 1))
    maker.event(ev.Seen(maker.now, 1, maker.now + 60 * S, 6_000))
    maker.order(1, 10)
    assert "DOL-POSTURE-004" in changed(maker, last(maker), fx0_1=10, fx0_4=20_000)


@pytest.mark.req("DOL-SENSE-003")
def test_no_entry_on_a_silent_instrument(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.event(ev.Seen(maker.now, 1, maker.now + S))
    maker.wait(3)
    maker.order(1, 10)
    assert "DOL-SENSE-003" in changed(maker, last(maker), fx0_1=10, fx0_4=20_000)


@pytest.mark.req("DOL-FILTER-002")
def test_confidence_rises_by_no_more_than_time(maker: Maker) -> None:
    maker.event(ev.Counted(maker.now, 1, 1))
    maker.event(ev.Seen(maker.now, 1, maker.now + 60 * S, 6_000))
    maker.event(ev.Seen(maker.now, 1, maker.now + 60 * S))
    maker.tick(10)
    confidence = maker.state.filter.confidence_ms
    assert "DOL-FILTER-002" in changed(maker, last(maker), out0=confidence + 1)


@pytest.mark.req("DOL-FILTER-001")
def test_the_total_is_the_product(maker: Maker) -> None:
    maker.tick(1)
    assert "DOL-FILTER-001" in changed(maker, last(maker), out6=9_999)


@pytest.mark.req("DOL-POSTURE-001")
def test_a_posture_does_not_move_unsaid(maker: Maker) -> None:
    maker.tick(1)
    assert "DOL-POSTURE-001" in changed(maker, last(maker), out1=1)


@pytest.mark.req("DOL-POSTURE-005")
def test_killed_means_hibernate_and_no_confidence(maker: Maker) -> None:
    maker.event(ev.Kill(maker.wait(1)))
    assert "DOL-POSTURE-005" in changed(maker, last(maker), out4=10_000)


@pytest.mark.req("DOL-POSTURE-002")
def test_upward_entries_are_seven_minutes_apart(maker: Maker) -> None:
    maker.hear(due_s=20_000)
    for r3_bp in (4_500, 10_000, 4_500, 10_000):
        maker.event(ev.Counted(maker.now, 1, 1))
        maker.event(ev.Seen(maker.now, 1, maker.now + 9_000 * S, r3_bp))
        maker.tick(3_000 if r3_bp == 10_000 else 1)
    where = [
        index
        for index, line in enumerate(maker.path.read_text().splitlines())
        if '"fx":[["MOVED"' in line and ",1,0,5520000]" in line
    ]
    assert len(where) == 2
    entered = json.loads(maker.path.read_text().splitlines()[where[0]])["data"]["fx"][0][1]
    early = str(int(entered) + 419_999 * 1_000_000)
    assert "DOL-POSTURE-002" in changed(maker, where[1], fx0_1=early)


def armed(maker: Maker) -> None:
    maker.event(ev.Kill(maker.wait(1)))
    maker.event(ev.Arm(maker.now, 1, 42, 1, 0))


@pytest.mark.req("DOL-REARM-002")
def test_a_confirm_without_its_request(maker: Maker) -> None:
    armed(maker)
    maker.event(ev.Confirm(maker.wait(60), 42, 0))
    assert "DOL-REARM-002" in changed(maker, last(maker), nonce=41)


@pytest.mark.req("DOL-REARM-003")
def test_a_confirm_within_60_s(maker: Maker) -> None:
    armed(maker)
    maker.event(ev.Confirm(maker.wait(59.999), 42, 0))
    assert "DOL-REARM-003" in changed(maker, last(maker), out2=0, fx0_1=34)


@pytest.mark.req("DOL-REARM-001")
@pytest.mark.parametrize("field", [{"episode": 2}, {"observed_flat": 0}])
def test_an_arm_for_another_episode_or_a_book_that_is_not_flat(maker: Maker, field: dict[str, int]) -> None:
    armed(maker)
    assert "DOL-REARM-001" in changed(maker, last(maker), **field)


@pytest.mark.req("DOL-CAPITAL-004")
def test_a_rebase_needs_its_request_and_the_trap(maker: Maker) -> None:
    maker.event(ev.RebaseArm(maker.now, 7))
    maker.event(ev.RebaseConfirm(maker.now, 7))
    assert "DOL-CAPITAL-004" in changed(maker, last(maker), fx0_1=35)


@pytest.mark.req("DOL-CAPITAL-007")
def test_a_request_to_rebase_is_made_in_a_trap(maker: Maker) -> None:
    maker.equity(flat=1)
    maker.equity(MONEY * 94 // 100, flat=1)
    maker.event(ev.RebaseArm(maker.now, 7))
    assert maker.state.filter.posture == Posture.APEX
    assert "DOL-CAPITAL-007" in changed(maker, last(maker), fx0_1=33)


@pytest.mark.req("DOL-CAPITAL-004", "DOL-TIME-002")
def test_a_trap_that_begins_on_the_way_to_a_record(tmp_path: Path) -> None:
    """APEX is left before the record that says so; in the same record the operator asks, and the wait is over."""
    maker = Maker(tmp_path / "j.jsonl", INTRADAY._replace(rebase_trapped_ns=0), feeds=(), envelope=True)
    maker.equity(flat=1)
    maker.equity(MONEY * 94 // 100, flat=1)
    maker.event(ev.RebaseArm(maker.wait(900), 7))
    assert maker.state.capital.trapped_ns < maker.now
    maker.event(ev.RebaseConfirm(maker.now, 7))
    assert maker.state.capital.rebases == 1
    maker.close()
    assert audit(str(maker.path)).verdict == Verdict.CONFORMS


@pytest.mark.req("DOL-REARM-006")
def test_a_request_that_lapsed(maker: Maker) -> None:
    maker.hear(40 * 86_400)
    armed(maker)
    maker.event(ev.Confirm(maker.wait(86_400), 42, 0))
    assert "DOL-REARM-006" in changed(maker, last(maker), out2=0, fx0_1=34)


@pytest.mark.req("DOL-REARM-006")
def test_a_request_to_rebase_that_lapsed(maker: Maker) -> None:
    maker.equity(flat=1)
    maker.equity(MONEY // 2, flat=1)
    maker.event(ev.RebaseArm(maker.now, 7))
    maker.hear(40 * 86_400)
    maker.event(ev.RebaseConfirm(maker.wait(86_400), 7))
    assert "DOL-REARM-006" in changed(maker, last(maker), fx0_1=35)


@pytest.mark.req("DOL-EXIT-006", "DOL-REARM-007")
@pytest.mark.parametrize("late", [0, 1])
def test_a_book_that_the_fills_leave_with_a_position_is_not_flat_to_the_operator(maker: Maker, late: int) -> None:
    maker.order(1, 20)
    maker.event(ev.Kill(maker.wait(1)))
    if not late:
        maker.fill(1, 20)
    maker.event(ev.Arm(maker.now, 1, 42, 1, 0))
    if late:
        maker.fill(1, 20)
        maker.event(ev.Confirm(maker.wait(60), 42, 0))
    maker.journal.release()
    (finding,) = [found for found in judged(maker.path) if found.requirement == "DOL-EXIT-006"]
    assert (finding.field, finding.kind) == (("holding", "CONFIRM") if late else ("observed_flat", "ARM"))


@pytest.mark.req("DOL-REARM-007")
@pytest.mark.parametrize("holding", [-1, 6])
def test_a_confirm_of_another_holding(maker: Maker, holding: int) -> None:
    maker.event(ev.Kill(maker.wait(1)))
    maker.event(ev.Arm(maker.now, 1, 42, 0, 1, 5))
    maker.event(ev.Confirm(maker.wait(60), 42, 5))
    assert maker.state.latch.mode == Mode.RUNNING
    assert "DOL-REARM-007" in changed(maker, last(maker), holding=holding)


@pytest.mark.req("DOL-CAPITAL-002")
def test_the_mark_neither_falls_nor_passes_a_sample(maker: Maker) -> None:
    maker.equity(MONEY - 1)
    seq = last(maker)
    assert "DOL-CAPITAL-002" in changed(maker, seq, out10=MONEY - 1, out9=0)


@pytest.mark.req("DOL-CAPITAL-003")
def test_drawdown_is_the_mark_s(maker: Maker) -> None:
    maker.equity(MONEY - 100_000)
    assert "DOL-CAPITAL-003" in changed(maker, last(maker), out9=101)


@pytest.mark.req("DOL-TIME-003")
def test_a_step_back_of_over_a_second_trips(maker: Maker) -> None:
    maker.tick(5)
    maker.other("NOTE", what="later")
    maker.now -= 3 * S
    maker.other("NOTE", what="before")
    maker.now += 4 * S
    maker.tick()
    assert changed(maker, last(maker)) == ["DOL-TIME-003"]


@pytest.mark.req("DOL-EXIT-006")
def test_a_position_is_what_the_fills_add_up_to(maker: Maker) -> None:
    maker.order(1, 10)
    maker.fill(1, 10)
    maker.order(-1, 5)
    assert changed(maker, last(maker), position_lots=11) == ["DOL-EXIT-006"]


@pytest.mark.req("DOL-ORDER-001")
def test_a_denied_order_is_not_filled(maker: Maker) -> None:
    maker.order(1, 10, value_u=0)
    maker.fill(1, 10)
    assert changed(maker, last(maker)) == ["DOL-ORDER-001"]


@pytest.mark.req("DOL-TRIM-001")
@pytest.mark.parametrize(
    ("field", "requirement"),
    [({"lots": 9}, "DOL-TRIM-001"), ({"side": 1}, "DOL-TRIM-001"), ({"tag": "DOLPHIN_TRIM"}, "DOL-TRIM-008")],
)
def test_an_own_order_is_what_reduce_answered(maker: Maker, field: dict[str, Any], requirement: str) -> None:
    maker.order(1, 10)
    held = maker.fill(1, 10)
    maker.event(ev.Kill(maker.wait(1)))
    reduced = maker.reduce(held)
    seq = last(maker) + 1
    maker.own(reduced.lots, "KILL_FLATTEN", "DOLPHIN_KILL")
    assert requirement in changed(maker, seq, **field)


@pytest.mark.req("DOL-KILL-007")
def test_a_fill_that_no_position_took_is_answered_by_the_latch(maker: Maker) -> None:
    maker.order(1, 10)
    maker.fill(1, 10, applied=0)
    maker.event(ev.Fault(maker.now, Cause.LEDGER_DESYNC))
    maker.fill(1, 10, applied=0)
    maker.tick(1)
    maker.order(-1, 10, position_lots=0)
    assert judged(maker.path) == []


@pytest.mark.req("DOL-KILL-007")
def test_one_that_the_latch_does_not_answer_is_found_at_its_own_line(maker: Maker) -> None:
    maker.order(1, 10)
    maker.fill(1, 10, applied=0)
    seq = last(maker)
    maker.tick(1)
    (found,) = judged(maker.path)
    assert (found.requirement, found.seq) == ("DOL-KILL-007", seq)


@pytest.mark.req("DOL-KILL-007")
def test_a_run_does_not_end_on_one(maker: Maker) -> None:
    maker.order(1, 10)
    maker.fill(1, 10, applied=0)
    maker.close()
    assert [finding.requirement for finding in judged(maker.path)] == ["DOL-KILL-007"]


@pytest.mark.req("DOL-KILL-007")
def test_a_spread_s_own_fill_needs_no_answer(maker: Maker) -> None:
    maker.order(1, 10)
    maker.fill(1, 10, applied=0, spread=1)
    maker.tick(1)
    maker.order(1, 10, position_lots=0)
    assert judged(maker.path) == []


@pytest.mark.req("DOL-JOURNAL-009")
@pytest.mark.parametrize("more", [{"applied": 1}, {"applied": 2}, {"applied": 0, "spread": 0}])
def test_what_a_fill_says_of_its_position_is_one_of_its_words(maker: Maker, more: dict[str, int]) -> None:
    maker.order(1, 10)
    maker.fill(1, 10, **more)
    assert [finding.requirement for finding in judged(maker.path)] == ["DOL-JOURNAL-009"]


@pytest.mark.req("DOL-TRIM-007")
@pytest.mark.parametrize("reason", [25, 26, 27])
def test_a_found_position_waits_in_the_posture_of_the_start(tmp_path: Path, reason: int) -> None:
    maker = Maker(tmp_path / "journal.jsonl", confidence_ms=0)
    maker.hear()
    maker.reduce(10, adopted=0)
    assert changed(maker, last(maker), fx0_1=10, fx0_2=reason) == ["DOL-TRIM-007"]


@pytest.mark.req("DOL-TRIM-007")
def test_a_kill_ends_the_wait_of_a_found_position_and_a_trim_does_not(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl", confidence_ms=0)
    maker.hear()
    maker.event(ev.Kill(maker.wait(1)))
    assert maker.reduce(10, adopted=0).lots == 10
    assert judged(maker.path) == []
    assert changed(maker, last(maker), fx0_2=25) == ["DOL-TRIM-007"]


@pytest.mark.req("DOL-TRIM-007")
def test_a_found_position_that_the_operator_took_over_waits_again(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "journal.jsonl", confidence_ms=0)
    maker.hear()
    maker.event(ev.Kill(maker.wait(1)))
    maker.event(ev.Arm(maker.now, 1, 42, 0, 1, 7))
    assert maker.state.latch.mode == Mode.ARM_PENDING
    assert maker.reduce(10, adopted=0).lots == 0
    assert judged(maker.path) == []
    assert changed(maker, last(maker), fx0_1=10, fx0_2=27) == ["DOL-TRIM-007"]


@pytest.mark.req("DOL-TRIM-007")
def test_a_fall_ends_the_wait_of_a_found_position(maker: Maker) -> None:
    maker.event(ev.Seen(maker.now, 3, maker.now - 8_000 * S))
    maker.tick(7_200)
    assert maker.state.filter.posture == Posture.HIBERNATE
    assert maker.reduce(10, adopted=0).lots == 10
    assert judged(maker.path) == []


@pytest.mark.req("DOL-PLUG-004")
def test_the_operator_was_told_what_happened(maker: Maker) -> None:
    armed(maker)
    maker.command("arm", "why", {"episode": 1}, "ARMED", nonce=42)
    answer = {"ok": True, "verb": "arm", "reason": "ARMED", "mode": "RUNNING"}
    assert changed(maker, last(maker), answer=answer) == ["DOL-PLUG-004"]


def test_close_names_the_totals(maker: Maker) -> None:
    maker.close()
    assert changed(maker, last(maker), records=3) == ["DOL-JOURNAL-007"]
