"""`dolphin why`: each reason from the journal alone, in at most fifteen lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dolphin.app import args, why
from dolphin.app.errors import UserError
from dolphin.audit.change import CHANGE
from dolphin.audit.finding import instant
from dolphin.audit.words import RULE
from dolphin.kernel import events as ev
from dolphin.kernel.policy import DAILY, INTRADAY, Hibernate
from dolphin.kernel.reasons import REQUIREMENT, Reason
from tests.audit.make_journal import EUR, GBP, MONEY, Maker, S


def fresh(path: Path, **options: object) -> Maker:
    maker = Maker(path, **options)  # type: ignore[arg-type]
    maker.hear()
    maker.event(ev.Counted(maker.now, EUR, 1))
    maker.equity(flat=1, stood=1)
    return maker


def r3(maker: Maker, bp: int) -> None:
    maker.event(ev.Seen(maker.now, EUR, maker.now + 3_600 * S, bp))


def passed(m: Maker) -> None:
    m.order(1, 10)


def reducing(m: Maker) -> None:
    m.order(-1, 10, position_lots=20)


def covered(m: Maker) -> None:
    m.order(-1, 10, position_lots=20, own_lots=20)


def killed(m: Maker) -> None:
    m.event(ev.Kill(m.wait(1)))
    m.order(1, 10)


def turtle(m: Maker) -> None:
    r3(m, 3_000)
    r3(m, 10_000)
    m.order(1, 10, taking=0)


def shocked(m: Maker) -> None:
    m.event(ev.Shock(m.now))
    m.order(1, 10, taking=0)


def stalker(m: Maker) -> None:
    r3(m, 6_000)
    r3(m, 10_000)
    m.order(1, 10)


def leverage(m: Maker) -> None:
    m.order(1, 700, gross=MONEY)


def stale(m: Maker) -> None:
    m.event(ev.Seen(m.now, GBP, m.now + S))
    m.wait(3)
    m.order(1, 10, feed=GBP)


def sensor(m: Maker) -> None:
    m.event(ev.SensorError(m.now, 4, 1))
    m.wait(2)
    m.order(1, 10)


def instrument(m: Maker) -> None:
    m.event(ev.Seen(m.now, GBP, m.now + S, 10_000, 1))
    m.order(1, 10, feed=GBP)


def unnamed(m: Maker) -> None:
    r3(m, 3_000)
    m.order(-1, 10, position_lots=20, named=0)


def excess(m: Maker) -> None:
    m.order(-1, 30, position_lots=20, reduce_only=1)


def minimum(m: Maker) -> None:
    m.order(1, 700, min_lots=650)


def unpriced(m: Maker) -> None:
    m.order(1, 10, value_u=0)


def limited(m: Maker) -> None:
    m.limits(6)
    m.order(1, 7, cap_lots=0, cap=2)


CASES: dict[Reason, tuple[Callable[[Maker], None], str]] = {
    Reason.LIMIT: (limited, "order_quantity [DOL-LIMIT-011] leaves 0 lots"),
    Reason.PASSED: (passed, "nothing"),
    Reason.REDUCING: (reducing, "nothing"),
    Reason.ALREADY_REDUCING: (covered, "the guard sends the rest"),
    Reason.KILLED: (killed, "dolphin arm"),
    Reason.POSTURE_NO_ENTRY: (turtle, "STALKER is regained at 40 % confidence: 10 min of good sensing"),
    Reason.POSTURE_LIMIT_ONLY: (stalker, "APEX is regained at 92 % confidence"),
    Reason.LEVERAGE: (leverage, "lots fewer (500 fit)"),
    Reason.STALE: (stale, "a good row of GBPUSD.SIM"),
    Reason.SENSOR_ERROR: (sensor, "R4 (shock detector) for 2 s"),
    Reason.INSTRUMENT_ERROR: (instrument, "a good row of GBPUSD.SIM"),
    Reason.UNNAMED: (unnamed, "name the position"),
    Reason.EXCESS: (excess, "at most 20 lots"),
    Reason.BELOW_MINIMUM: (minimum, "the smallest size is 650"),
    Reason.UNPRICED: (unpriced, "a price of EURUSD.SIM"),
}


@pytest.mark.parametrize("reason", CASES)
def test_each_reason_of_a_verdict(tmp_path: Path, reason: Reason) -> None:
    make, change = CASES[reason]
    maker = fresh(tmp_path / "journal.jsonl")
    make(maker)
    maker.close()
    found = why.explain(maker.path, "O-1")
    lines = found.lines()
    assert len(lines) <= why.LINES_MAX
    assert max(map(len, lines)) <= 160
    assert found.reason == reason.name
    assert found.requirement == REQUIREMENT[reason]
    assert RULE[reason] in "\n".join(lines)
    assert change in "\n".join(found.change)
    assert "R1 " in "\n".join(lines)
    assert found.note == ""


def test_a_shock_says_what_holds_confidence_down(tmp_path: Path) -> None:
    maker = fresh(tmp_path / "journal.jsonl")
    shocked(maker)
    maker.close()
    found = why.explain(maker.path, "O-1")
    assert "R_total must rise from 3,000 to 4,000 bp (R4 at 3,000 bp" in found.change[0]


def test_a_day_is_a_minute_in_the_daily_profile(tmp_path: Path) -> None:
    maker = fresh(tmp_path / "journal.jsonl", policy=DAILY)
    turtle(maker)
    maker.close()
    assert "10 d (10 min of policy time) of good sensing" in why.explain(maker.path, "O-1").change[0]


def own(m: Maker, **over: int) -> None:
    m.reduce(20, **over)


def glide(m: Maker) -> None:
    m.order(1, 20)
    m.fill(1, 20)
    m.event(ev.Kill(m.wait(1)))
    m.reduce(20)


REDUCED: dict[Reason, tuple[dict[str, int], int]] = {
    Reason.TRIM: ({"gross": MONEY * 8}, 0),
    Reason.NOTHING_TO_DO: ({"gross": MONEY}, 0),
    Reason.NOT_FRESH: ({"fresh": 0}, 0),
    Reason.TOO_SOON: ({"gross": MONEY * 8, "last_ns": -2}, 0),
    Reason.WORKING: ({"own_lots": 3}, 0),
    Reason.ADOPTED: ({"adopted": 0}, 0),
    Reason.KILL_FLATTEN: ({}, 1),
    Reason.FLATTEN: ({}, 2),
    Reason.MODE_OFF: ({}, 3),
}


@pytest.mark.parametrize("reason", REDUCED)
def test_each_reason_of_an_own_order(tmp_path: Path, reason: Reason) -> None:
    over, how = REDUCED[reason]
    policy = INTRADAY._replace(hibernate=Hibernate.HOLD) if how == 3 else INTRADAY
    maker = fresh(tmp_path / "journal.jsonl", policy=policy)
    maker.held = 20
    if how == 1:
        maker.event(ev.Kill(maker.wait(1)))
    if how > 1:
        maker.equity(MONEY * 3 // 4)
    if over.get("last_ns") == -2:
        over = over | {"last_ns": maker.now - 10 * S}
    maker.event(ev.Tick(maker.wait(1)))
    maker.now += 1
    maker.reduce(20, **over)
    at_ns = maker.now
    maker.journal.release()
    found = why.explain(maker.path, at_ns=at_ns)
    assert found.reason == reason.name
    assert len(found.lines()) <= why.LINES_MAX
    assert found.change


def test_an_own_order_is_found_by_its_id(tmp_path: Path) -> None:
    maker = fresh(tmp_path / "journal.jsonl")
    maker.order(1, 20)
    held = maker.fill(1, 20)
    maker.event(ev.Kill(maker.wait(1)))
    maker.reduce(held)
    name = f"DOLPHIN-TEST-1-{maker.journal.head.seq}"
    maker.own(20, "KILL_FLATTEN", "DOLPHIN_KILL")
    maker.close()
    found = why.explain(maker.path, name)
    assert found.answer == "SENT"
    assert found.reason == "KILL_FLATTEN"
    assert found.subject.startswith(name)


ANSWERS: dict[Reason, list[ev.Event]] = {
    Reason.NOT_KILLED: [ev.Arm(0, 0, 1, 1, 0)],
    Reason.WRONG_EPISODE: [ev.Kill(0), ev.Arm(0, 7, 1, 1, 0)],
    Reason.NOT_FLAT: [ev.Kill(0), ev.Arm(0, 1, 1, 0, 0)],
    Reason.NOT_GREEN: [ev.Kill(0), ev.SensorError(0, 2, 1), ev.Arm(0, 1, 1, 1, 0)],
    Reason.ARMED: [ev.Kill(0), ev.Arm(0, 1, 1, 1, 0)],
    Reason.NOT_PENDING: [ev.Confirm(0, 1, 0)],
    Reason.WRONG_NONCE: [ev.Kill(0), ev.Arm(0, 1, 1, 1, 0), ev.Confirm(0, 2, 0)],
    Reason.TOO_EARLY: [ev.Kill(0), ev.Arm(0, 1, 1, 1, 0), ev.Confirm(0, 1, 0)],
    Reason.NOT_TRAPPED: [ev.RebaseArm(0, 1)],
    Reason.CHANGED: [ev.Kill(0), ev.Arm(0, 1, 1, 0, 1, 8), *[ev.Tick(0)] * 60, ev.Confirm(0, 1, 9)],
}


@pytest.mark.parametrize("reason", ANSWERS)
def test_each_answer_to_an_operator(tmp_path: Path, reason: Reason) -> None:
    maker = fresh(tmp_path / "journal.jsonl")
    for event in ANSWERS[reason]:
        maker.event(event._replace(ts_ns=maker.wait(1)))
    maker.close()
    found = why.explain(maker.path, at_ns=maker.now)
    assert found.reason == reason.name
    assert found.answer == ("GRANTED" if reason == Reason.ARMED else "REFUSED")
    assert found.change


def test_confirmed_and_rebased_and_the_rate(tmp_path: Path) -> None:
    policy = INTRADAY._replace(rebase_trapped_ns=60 * S, rebase_gap_ns=7_200 * S)
    maker = fresh(tmp_path / "journal.jsonl", policy=policy)
    for equity in (MONEY * 9 // 10, MONEY * 8 // 10):
        maker.equity(equity, flat=1)
        maker.tick(61)
        maker.event(ev.RebaseArm(maker.now, 3))
        maker.event(ev.RebaseConfirm(maker.wait(1), 3))
        found = why.explain(maker.path, at_ns=maker.now)
        assert found.reason == ("REBASED" if equity == MONEY * 9 // 10 else "REBASE_RATE")
    assert "until the policy allows" in found.change[0]
    maker.event(ev.Kill(maker.wait(1)))
    maker.event(ev.Arm(maker.now, 1, 9, 1, 0))
    maker.event(ev.Confirm(maker.wait(60), 9, 0))
    assert why.explain(maker.path, at_ns=maker.now).reason == "CONFIRMED"


def test_a_request_that_has_lapsed(tmp_path: Path) -> None:
    maker = fresh(tmp_path / "journal.jsonl")
    maker.hear(40 * 86_400)
    maker.event(ev.Kill(maker.wait(1)))
    maker.event(ev.Arm(maker.now, 1, 9, 1, 0))
    maker.event(ev.Confirm(maker.wait(86_400), 9, 0))
    found = why.explain(maker.path, at_ns=maker.now)
    assert (found.answer, found.reason) == ("REFUSED", "LAPSED")
    assert "repeat the first step" in found.change[0]
    maker.order()
    found = why.explain(maker.path, "O-1")
    assert "the pending one has lapsed" in found.change[0]


def test_every_reason_has_its_words() -> None:
    assert set(RULE) == set(CHANGE) == set(Reason)


def test_between_records_the_state_at_that_time(tmp_path: Path) -> None:
    maker = fresh(tmp_path / "journal.jsonl")
    r3(maker, 3_000)
    r3(maker, 10_000)
    at_ns = maker.now + 700 * S
    maker.close()
    found = why.explain(maker.path, at_ns=at_ns)
    assert (found.answer, found.posture, found.confidence_ms) == ("STATE", "STALKER", 2_500_000)
    assert "APEX is regained at 92 % confidence: 50 min 20 s of good sensing from here" in found.change[0]
    assert "STALKER at" in found.subject


def test_an_unknown_order_suggests_close_ones(tmp_path: Path) -> None:
    maker = fresh(tmp_path / "journal.jsonl")
    with pytest.raises(UserError, match="no order in it carries an id"):
        why.explain(maker.path, "O-1")
    maker.order()
    with pytest.raises(UserError, match="did you mean O-1"):
        why.explain(maker.path, "O-l")
    with pytest.raises(UserError, match="look like O-1"):
        why.explain(maker.path, "zzzzzz")
    with pytest.raises(UserError, match="before that time"):
        why.explain(maker.path, at_ns=1)


def test_a_modified_order_says_where_else_it_was_judged(tmp_path: Path) -> None:
    maker = fresh(tmp_path / "journal.jsonl")
    maker.order(1, 10)
    maker.count = 0
    maker.order(1, 700)
    maker.count = 0
    maker.order(1, 5)
    found = why.explain(maker.path, "O-1")
    assert found.answer == "SHRUNK"
    assert "judged 3 times" in found.note


def test_a_journal_that_does_not_conform_is_said(tmp_path: Path) -> None:
    from tests.audit.test_replay import edited

    maker = fresh(tmp_path / "journal.jsonl")
    maker.order(1, 700)
    maker.journal.release()
    copy = edited(maker.path, maker.journal.head.seq + 1, '["VERDICT",600,', '["VERDICT",601,')
    assert "trace-audit" in why.explain(copy, "O-1").note


@pytest.mark.parametrize("text", ["2020-09-13", "2020-09-13T12:26:40", "yesterday", "2020-09-13T12:26:40.1234567891Z"])
def test_a_time_without_zone_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="zone"):
        args.time_of(text)


def test_times_are_exact_to_the_nanosecond() -> None:
    assert instant("2020-09-13T12:26:40.123456789Z") == 1_600_000_000_123_456_789
    assert instant("2020-09-13T14:26:40+02:00") == 1_600_000_000 * S
    assert instant("1600000000000000001") == 1_600_000_000_000_000_001


def test_a_time_after_the_journals_end_is_no_time_of_it(tmp_path: Path) -> None:
    """Asked for the year 3e9, it ran the clock there second by second."""
    maker = fresh(tmp_path / "journal.jsonl")
    maker.order(1, 700)
    maker.close()
    search = why.Search(str(maker.path), None, 10**26)
    search.run()
    end_ns = search.end_ns
    assert end_ns is not None
    for at_ns in (end_ns + why.LATER_NS + 1, 10**26):
        with pytest.raises(UserError, match="the journal ends at 2020-09-13T12:26:"):
            why.explain(maker.path, at_ns=at_ns)
    assert "so it would stand if nothing came after" in why.explain(maker.path, at_ns=end_ns + why.LATER_NS).note
    assert why.explain(maker.path, at_ns=end_ns).note == ""


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maker = fresh(tmp_path / "journal.jsonl")
    maker.order(1, 700)
    maker.close()
    assert why.main([str(maker.path), "O-1"]) == 0
    assert "SHRUNK: 600 of 700 lots may leave (LEVERAGE)" in capsys.readouterr().out
    assert why.main([str(maker.path), "O-1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["reason"], said["lots"], said["requirement"]) == ("LEVERAGE", 600, "DOL-ORDER-002")
    assert why.main([str(maker.path), "--at", "2020-09-13T12:26:41Z"]) == 0
    with pytest.raises(UserError, match="name an order, or a time"):
        why.main([str(maker.path)])
    with pytest.raises(UserError, match="name an order, or a time"):
        why.main([str(maker.path), "O-1", "--at", "1"])


def test_an_order_without_annotations_is_still_explained_by_time(tmp_path: Path) -> None:
    maker = fresh(tmp_path / "journal.jsonl")
    maker.event(ev.Order(maker.wait(1), 99, 1, 5, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, MONEY, 60_000))
    found = why.explain(maker.path, at_ns=maker.now)
    assert "which the header does not list" in found.subject
