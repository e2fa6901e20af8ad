"""Kernel events to journal data and back: nothing is lost, and what is not canonical is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolphin.journal import codec
from dolphin.journal.kinds import CHECKERS
from dolphin.kernel import machine
from dolphin.kernel.events import EFFECTS, EVENTS, KIND, Moved, Order, Verdict
from dolphin.kernel.policy import DAILY, INTRADAY, Hibernate, Posture
from dolphin.kernel.reasons import Cause, Reason
from dolphin.kernel.state import FeedKind, outcome
from dolphin.kernel.units import FULL_MS

HUGE = 1 << 70
NUMBERS = st.one_of(
    st.integers(-3, 20_000), st.integers(-HUGE, HUGE), st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1])
)


def header(**changes: Any) -> dict[str, Any]:
    """A minimal header as JSON would give it back."""
    made = {
        "policy": codec.policy_object(DAILY),
        "start_ns": "1000",
        "anchor_ns": "1000",
        "confidence_ms": FULL_MS,
        "envelope": 0,
        "feeds": [{"name": "a", "kind": "DATA"}],
    }
    made.update(changes)
    return json.loads(json.dumps(made))


@st.composite
def any_event(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(sorted(EVENTS)))
    values = []
    for name in EVENTS[kind]._fields:
        values.append(draw(st.sampled_from(list(Cause))) if name == "cause" else draw(NUMBERS))
    return EVENTS[kind](*values)


@pytest.mark.req("DOL-JOURNAL-001")
@given(any_event())
def test_every_event_comes_back_as_it_was(event: Any) -> None:
    state = machine.start(INTRADAY, 0, (FeedKind.DATA,))
    text = codec.encode(event, (), state)
    data = json.loads(text)
    assert codec.decode(KIND[type(event)], event.ts_ns, data) == event
    assert codec.claimed(data).outcome == tuple(outcome(state))
    for value in data.values():
        assert not isinstance(value, int) or abs(value) <= 2**53, "a number that a JSON reader may round"


@pytest.mark.req("DOL-LIMIT-001", "DOL-JOURNAL-001")
@pytest.mark.parametrize("cap", [0, 5, HUGE])
@pytest.mark.parametrize("cap_lots", [-1, 0, 7, -HUGE])
def test_a_cap_is_written_where_there_is_one_and_nowhere_else(cap_lots: int, cap: int) -> None:
    order = Order(1, *range(17), cap_lots, cap)
    text = codec.encode(order, (), machine.start(INTRADAY, 0, (FeedKind.DATA,)))
    data = json.loads(text)
    assert ("cap_lots" in data, "cap" in data) == (cap_lots != -1, cap != 0)
    assert codec.decode("ORDER", 1, data) == order
    body = CHECKERS["ORDER"](text.encode())
    assert (int(body.cap_lots), int(body.cap)) == (cap_lots, cap)


@pytest.mark.req("DOL-JOURNAL-001")
@pytest.mark.parametrize("field", ['"cap_lots":-1,', '"cap":0,'])
def test_an_order_without_a_cap_has_one_spelling_that_of_before(field: str) -> None:
    """A journal of before these fields is canonical to the byte; one that spells them out is not."""
    text = codec.encode(Order(1, *range(17)), (), machine.start(INTRADAY, 0, (FeedKind.DATA,)))
    assert '"leaving_lots":16,"out":' in text
    CHECKERS["ORDER"](text.encode())
    with pytest.raises(ValueError, match="not canonical"):
        CHECKERS["ORDER"](text.replace('"out":', f'{field}"out":', 1).encode())


@given(st.lists(NUMBERS, min_size=4, max_size=4))
def test_every_effect_comes_back_as_it_was(numbers: list[int]) -> None:
    state = machine.start(INTRADAY, 0, ())
    effects = (
        Verdict(numbers[0], numbers[1], numbers[2], numbers[3], Reason.LEVERAGE),
        Moved(numbers[0], Posture.APEX, Posture.TURTLE, numbers[1]),
    )
    data = json.loads(codec.encode(EVENTS["TICK"](0), effects, state, '{"id":"O-1"}'))
    assert codec.claimed(data).effects == codec.plain(effects)
    assert data["x"] == {"id": "O-1"}


def test_a_mark_beyond_two_to_the_53_is_written_as_text() -> None:
    state = machine.start(INTRADAY, 0, ())
    state, effects = machine.step(INTRADAY, state, EVENTS["EQUITY"](1, 2**60, 0, 0, 1, 0))
    data = json.loads(codec.encode(EVENTS["EQUITY"](1, 2**60, 0, 0, 1, 0), effects, state))
    assert data["equity"] == str(2**60)
    assert codec.claimed(data).outcome == tuple(outcome(state))


def test_a_header_gives_policy_and_first_state() -> None:
    begun = codec.begin(header())
    assert begun.policy == DAILY
    assert begun.state == machine.start(DAILY, 1000, (FeedKind.DATA,))
    assert begun.policy.hibernate is Hibernate.FLATTEN


@pytest.mark.parametrize("name", ["policy", "start_ns", "anchor_ns", "confidence_ms", "envelope", "feeds"])
def test_a_header_without_a_field_is_refused_by_name(name: str) -> None:
    broken = header()
    del broken[name]
    with pytest.raises(codec.Malformed, match=name):
        codec.begin(broken)


def test_a_feed_of_no_kind_is_refused() -> None:
    with pytest.raises(codec.Malformed, match="kind"):
        codec.begin(header(feeds=[{"name": "a", "kind": "NOISE"}]))


@pytest.mark.parametrize(
    ("change", "field"),
    [({"version": 99}, "version"), ({"surplus": 1}, "surplus"), ({"kappa_bp": "x"}, "kappa_bp")],
)
def test_a_policy_that_is_not_this_version_is_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(codec.Malformed, match=field):
        codec.policy_of(codec.policy_object(INTRADAY) | change)


def test_a_policy_without_a_field_is_refused() -> None:
    values = codec.policy_object(INTRADAY)
    del values["trim"]
    with pytest.raises(codec.Malformed, match="trim"):
        codec.policy_of(values)


def test_policies_differ_by_their_hash() -> None:
    assert codec.policy_hash(INTRADAY) != codec.policy_hash(DAILY)
    assert len(codec.policy_hash(INTRADAY)) == 64


@pytest.mark.parametrize("value", [True, None, 1.5, "", "-", "1e3", "٣", [1], "0x1"])
def test_what_is_no_integer_is_refused(value: object) -> None:
    with pytest.raises(codec.Malformed):
        codec.integer("lots", value)


def test_integers_come_as_numbers_or_text() -> None:
    assert codec.integer("lots", -5) == -5
    assert codec.integer("lots", "-90071992547409931") == -90071992547409931


def test_an_unknown_or_missing_field_of_an_event_is_refused() -> None:
    with pytest.raises(codec.Malformed, match="surplus"):
        codec.decode("COUNTED", 0, {"feed": 0, "counted": 1, "surplus": 1})
    with pytest.raises(codec.Malformed, match="counted"):
        codec.decode("COUNTED", 0, {"feed": 0})
    with pytest.raises(codec.Malformed, match="cause"):
        codec.decode("FAULT", 0, {"cause": 999})


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"out": []},
        {"out": [], "fx": []},
        {"out": {}, "fx": []},
        {"out": [0] * 12, "fx": [1]},
        {"out": [0] * 12, "fx": [[]]},
    ],
)
def test_a_record_without_outcome_or_effects_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(codec.Malformed):
        codec.claimed(data)


@pytest.mark.req("DOL-JOURNAL-001")
def test_equal_states_have_equal_hashes_and_others_have_not() -> None:
    first = machine.start(INTRADAY, 0, (FeedKind.DATA,))
    assert codec.state_hash(first) == codec.state_hash(machine.start(INTRADAY, 0, (FeedKind.DATA,)))
    assert codec.state_hash(first) != codec.state_hash(machine.start(INTRADAY, 1, (FeedKind.DATA,)))


def test_every_kind_has_a_name() -> None:
    assert set(KIND.values()) == set(EVENTS) | set(EFFECTS)
