"""Tightening at once, loosening in two steps, and never while it is breached."""

import pytest

from dolphin.limits.codes import SPECS, Code, Mode
from dolphin.limits.config import NOTHING, OFF, Rule, change, from_object, grouped, made, tightest, to_object
from dolphin.limits.limiter import LIFE_NS, WAIT_NS, Limiter
from tests.limits.orders import LOOKED, ROW, looked

LOW, HIGH = Rule(Mode.ON, 5_000_000), Rule(Mode.ON, 9_000_000)
WATCH = Rule(Mode.PASSIVE, 5_000_000)


def limits(rule, code=Code.POSITION):
    return made({code: rule}, {"risk_check_interval": 10**9})


def test_limits_come_back_from_the_journal_as_they_were():
    rules = {code: Rule(Mode.ON, 3, 7, (("A.X", 2),), ("B.X",), 9, (("fx", (("A.X", -5),)),)) for code in SPECS}
    given = made(rules, {"risk_check_interval": 10**9})
    assert from_object(to_object(given)) == given
    assert made({Code.POSITION: OFF}, {}) == NOTHING
    assert given.interval_ns("risk_check_interval") == 10**9
    assert given.interval_ns("health_check_interval") == 0


@pytest.mark.req("DOL-LIMIT-003")
@pytest.mark.parametrize(
    ("old", "new", "looser", "tighter"),
    [
        (HIGH, LOW, False, True),
        (LOW, HIGH, True, False),
        (LOW, LOW, False, False),
        (OFF, LOW, False, True),
        (LOW, OFF, True, False),
        (LOW, WATCH, True, False),
        (WATCH, LOW, False, True),
        (LOW, HIGH._replace(window_ns=5), True, True),
        (LOW._replace(window_ns=5), LOW, True, False),
        (LOW, LOW._replace(names=("A.X",)), False, True),
        (LOW._replace(names=("A.X",)), LOW._replace(names=("B.X",)), True, True),
        (LOW, LOW._replace(each=(("A.X", 1),)), False, True),
        (LOW, LOW._replace(each=(("A.X", 5_000_001),)), True, False),
        (LOW._replace(each=(("A.X", 1),)), LOW, True, False),
    ],
)
def test_what_is_looser_and_what_is_tighter(old, new, looser, tighter):
    found = change(limits(old), limits(new))
    assert (bool(found.looser), bool(found.tighter)) == (looser, tighter)
    assert change(found.now, limits(new)).tighter == (), "what is tighter is in force"
    assert change(found.now, limits(old)).tighter == (), "and nothing of the old was given up"


GROUPS = Rule(Mode.ON, 5, members=(("fx", (("A.X", 1), ("B.X", 1))),))


@pytest.mark.req("DOL-LIMIT-003")
@pytest.mark.parametrize(
    ("code", "members", "looser", "tighter"),
    [
        (Code.SECTOR_EXPOSURE, {"fx": {"A.X": 1, "B.X": 1, "C.X": 1}}, False, True),
        (Code.SECTOR_EXPOSURE, {"fx": {"A.X": 1}}, True, False),
        (Code.SECTOR_EXPOSURE, {"fx": {"A.X": 1, "B.X": 1}, "new": {"A.X": 1}}, False, True),
        (Code.STRESS_LOSS, {"fx": {"A.X": 2, "B.X": 1}}, True, False),
        (Code.STRESS_LOSS, {"fx": {"A.X": 1, "B.X": 1}, "new": {"*": -5}}, False, True),
    ],
)
def test_groups_grow_at_once_and_scenarios_that_change_wait(code, members, looser, tighter):
    new = GROUPS._replace(members=grouped(members))
    found = change(limits(GROUPS, code), limits(new, code))
    assert (bool(found.looser), bool(found.tighter)) == (looser, tighter)


def test_where_a_larger_value_binds_earlier():
    spec = SPECS[Code.POSITION]._replace(tighter=1)
    assert tightest(spec, LOW, HIGH) == HIGH


@pytest.mark.req("DOL-LIMIT-003")
def test_two_steps_a_minute_apart_and_within_a_day():
    limiter = Limiter(limits(LOW))
    assert limiter.propose(to_object(limits(HIGH)), 0, 7, [LOOKED]) == {
        "tightened": [], "looser": ["position"], "nonce": 7, "wait_s": 60,
    }  # fmt: skip
    assert limiter.limits == limits(LOW)
    assert "another" in limiter.confirm(8, WAIT_NS, [LOOKED])["error"]
    assert "a minute" in limiter.confirm(7, WAIT_NS - 1, [LOOKED])["error"]
    assert "a day" in limiter.confirm(7, LIFE_NS, [LOOKED])["error"]
    assert limiter.confirm(7, WAIT_NS, [LOOKED]) == {"loosened": ["position"]}
    assert limiter.limits == limits(HIGH)
    assert "comes first" in limiter.confirm(7, WAIT_NS, [LOOKED])["error"]


@pytest.mark.req("DOL-LIMIT-003")
def test_nothing_is_loosened_while_it_is_breached():
    held = [looked(lots=0, rows=(ROW._replace(lots=6),))]
    limiter = Limiter(limits(LOW))
    assert limiter.breached(held) == [Code.POSITION]
    answer = limiter.propose(to_object(limits(HIGH)), 0, 7, held)
    assert answer["error"] == "breached now, and not loosened while they are: position"
    assert "nonce" not in answer
    limiter.propose(to_object(limits(HIGH)), 0, 7, [LOOKED])
    assert "breached" in limiter.confirm(7, WAIT_NS, held)["error"]
    assert limiter.confirm(7, WAIT_NS, [LOOKED]) == {"loosened": ["position"]}
    assert limiter.breached(held) == []
    assert limiter.propose(to_object(limits(LOW)), 0, 7, held) == {"tightened": ["position"], "looser": []}


@pytest.mark.req("DOL-LIMIT-003")
def test_a_new_proposal_replaces_the_one_that_waits_and_no_proposal_changes_nothing():
    limiter = Limiter(limits(LOW))
    limiter.propose(to_object(limits(HIGH)), 0, 7, [LOOKED])
    assert "these are no limits" in limiter.propose({"rules": {"posit": {}}}, 0, 8, [LOOKED])["error"]
    assert limiter.limits == limits(LOW)
    limiter.propose(to_object(limits(LOW)), 0, 8, [LOOKED])
    assert "comes first" in limiter.confirm(7, WAIT_NS, [LOOKED])["error"]


@pytest.mark.req("DOL-LIMIT-003")
def test_a_restart_with_another_file_tightens_and_loosens_nothing():
    limiter = Limiter(limits(HIGH))
    assert limiter.take_up(to_object(limits(LOW))) == ["position"]
    assert limiter.limits == limits(LOW)
    assert limiter.active
    without = Limiter()
    assert without.take_up(to_object(limits(LOW))) == ["position"]
    assert without.limits.rules == limits(LOW).rules
    tighter = Limiter(limits(LOW))
    assert tighter.take_up(to_object(limits(HIGH))) == []
    assert tighter.limits == limits(LOW)


@pytest.mark.req("DOL-LIMIT-016")
def test_a_cancel_rate_is_said_once_a_window():
    limiter = Limiter(made({Code.CANCEL_RATE: Rule(Mode.PASSIVE, 2, 100)}, {}))
    assert [bool(limiter.canceled(at)) for at in (0, 1, 2, 3, 50, 101, 102, 103, 250)] == [
        False, False, True, False, False, False, True, False, False,
    ]  # fmt: skip
    assert Limiter().canceled(0) == ""


@pytest.mark.req("DOL-LIMIT-003")
def test_limits_that_no_line_of_the_journal_holds_are_not_taken_over():
    """Nor those that are too long beside the ones in force, since the names of both hold until the second step."""
    several, others, many = (
        tuple(f"{n:020}.{ven}" for n in range(size)) for ven, size in (("X", 6_000), ("Y", 6_000), ("Z", 11_000))
    )
    limiter = Limiter(limits(Rule(Mode.ON, names=several), Code.RESTRICTED))
    before = limiter.limits
    for names in (many, others):
        answer = limiter.propose(to_object(limits(Rule(Mode.ON, names=names), Code.RESTRICTED)), 0, 7, [LOOKED])
        assert "bytes in the journal" in answer["error"]
        assert limiter.limits == before
