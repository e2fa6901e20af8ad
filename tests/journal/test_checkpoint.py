"""A checkpoint holds the fold, all of it and nothing else; what it holds is read strictly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from dolphin.journal import aside as module
from dolphin.journal import read
from dolphin.journal.aside import LEAVING, WAITING, Aside
from dolphin.journal.checkpoint import AT_ONCE, DATA_BYTES_MAX, NEVER, Checkpoint, Keeper, data, read_checkpoint
from dolphin.journal.codec import Malformed
from dolphin.journal.folding import Folding
from dolphin.kernel import machine
from dolphin.kernel.policy import INTRADAY, Policy
from dolphin.kernel.state import State
from dolphin.nautilus import own
from tests.audit.make_journal import scripted
from tests.kernel import strategies as sq


def back(text: str) -> Checkpoint:
    return read_checkpoint(json.loads(text), text.encode())


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Folding:
    """A book in which everything happened once."""
    path = tmp_path_factory.mktemp("run") / "journal.jsonl"
    scripted(path)
    made = Folding()
    for record in read(str(path)):
        made.each(record)
    return made


@pytest.mark.req("DOL-JOURNAL-011")
def test_every_state_of_a_run_comes_back(tmp_path: Path) -> None:
    scripted(tmp_path / "journal.jsonl")
    made = Folding()
    seen: set[str] = set()
    for record in read(str(tmp_path / "journal.jsonl")):
        made.each(record)
        assert made.state is not None
        text = data(made.state, made.aside)
        found = back(text)
        assert found.state == made.state
        assert type(found.state.latch.mode) is type(made.state.latch.mode)
        assert found.aside.plain() == made.aside.plain()
        seen.add(text)
    assert len(seen) > 50
    assert made.aside.kill_texts == {1: ["drill"]}
    assert made.aside.lots


@pytest.mark.req("DOL-JOURNAL-011")
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rng=sq.randoms, policy=sq.policies)
def test_every_state_that_the_kernel_reaches_comes_back(rng: Random, policy: Policy) -> None:
    state, events = sq.sequence(rng, policy, 10)
    for event in events:
        state, _ = machine.step(policy, state, event)
        assert back(data(state, Aside())).state == state


def leaves(value: object) -> int:
    if isinstance(value, tuple):
        return sum(map(leaves, value))
    return 1


def written(value: object) -> int:
    if isinstance(value, dict):
        return sum(map(written, value.values()))
    if isinstance(value, list):
        return sum(map(written, value))
    return 1


def test_no_field_of_the_state_is_left_out(book: Folding) -> None:
    assert book.state is not None
    plain = json.loads(data(book.state, book.aside))["state"]
    assert list(plain) == list(State._fields)
    assert written(plain) == leaves(book.state)


def without(*path: Any) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        for name in path[:-1]:
            value = value[name]
        del value[path[-1]]

    return change


def put(new: object, *path: Any) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        for name in path[:-1]:
            value = value[name]
        value[path[-1]] = new

    return change


@pytest.mark.req("DOL-JOURNAL-011")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        (without("aside"), "data"),
        (put(1, "more"), "data"),
        (put([], "state"), "state"),
        (without("state", "latch"), "state"),
        (put(1, "state", "more"), "state"),
        (put([1, 2, 3], "state", "clock"), "state.clock"),
        (without("state", "latch", "nonce"), "state.latch"),
        (put(1.5, "state", "latch", "nonce"), "state.latch.nonce"),
        (put(True, "state", "latch", "nonce"), "state.latch.nonce"),
        (put(None, "state", "filter", "confidence_ms"), "state.filter.confidence_ms"),
        (put(6_000_001, "state", "filter", "confidence_ms"), "state.filter.confidence_ms"),
        (put(-1, "state", "readings", "r1_bp"), "state.readings.r1_bp"),
        (put(10_001, "state", "capital", "drawdown_bp"), "state.capital.drawdown_bp"),
        (put(2, "state", "filter", "fell"), "state.filter.fell"),
        (put(4, "state", "filter", "posture"), "state.filter.posture"),
        (put(3, "state", "latch", "mode"), "state.latch.mode"),
        (put(99, "state", "latch", "cause"), "state.latch.cause"),
        (put({}, "state", "feeds"), "state.feeds"),
        (put([1], "state", "feeds"), "state.feeds[0]"),
        (put(7, "state", "feeds", 1, "kind"), "state.feeds[1].kind"),
        (put("x", "state", "feeds", 1, "due_ns"), "state.feeds[1].due_ns"),
        (put(5, "state", "clock", "t_ns"), "data"),  # a time is a string
        (put("7", "state", "latch", "nonce"), "data"),  # and a small number is none
        (put("007", "state", "clock", "t_ns"), "data"),
        (put(5, "aside"), "aside"),
        (without("aside", "lots"), "aside"),
        (put(1, "aside", "more"), "aside"),
        (put([], "aside", "standing"), "aside.standing"),
        (put({"P": "a"}, "aside", "standing"), "aside.standing.P"),
        (put({"P": 1.0}, "aside", "lots"), "aside.lots.P"),
        (put(2, "aside", "flat_before"), "aside.flat_before"),
        (put({}, "aside", "waiting"), "aside.waiting"),
        (put([5], "aside", "waiting"), "aside.waiting"),
        (put([], "aside", "gross"), "aside.gross"),
        (put(5, "aside", "kill_texts"), "aside.kill_texts"),
        (put([5], "aside", "kill_texts"), "aside.kill_texts"),
        (put([[1]], "aside", "kill_texts"), "aside.kill_texts"),
        (put([["a", []]], "aside", "kill_texts"), "aside.kill_texts"),
        (put([[1, [2]]], "aside", "kill_texts"), "aside.kill_texts"),
        (put([], "aside", "limits"), "aside.limits"),
        (put([], "aside", "unknown"), "aside.unknown"),
        (put({}, "aside", "unknown"), "data"),  # written only where something is
        (put({"O": [1]}, "aside", "unknown"), "aside.unknown.O"),
        (put({"O": [1, 2]}, "aside", "unknown"), "aside.unknown.O"),
        (put({"O": ["1", "{}"]}, "aside", "unknown"), "data"),
        (put({"O": ["x", "{}"]}, "aside", "unknown"), "aside.unknown.O"),
        (put(5, "ledger"), "ledger"),
        (without("ledger", "known"), "ledger"),
        (put(1, "ledger", "more"), "ledger"),
        (put(2, "ledger", "simulated"), "ledger.simulated"),
        (put([1, 2], "ledger", "opened"), "ledger.opened"),
        (put(["x"], "ledger", "opened"), "ledger.opened"),
        (put(None, "ledger", "opened"), "ledger.opened"),
        (put([], "ledger", "held"), "ledger.held"),
        (put({"P": [1, 2, 3, 4]}, "ledger", "held"), "ledger.held.P"),
        (put({"P": [1, 2, 3, 4, 5]}, "ledger", "held"), "ledger.held.P"),
        (put({"P": [1, 2, 3, "x", "I"]}, "ledger", "held"), "ledger.held.P"),
        (put({"I": [1, 2, 3]}, "ledger", "ended"), "ledger.ended.I"),
        (put({"I": [1, 2, 3, 4, 5]}, "ledger", "ended"), "ledger.ended.I"),
        (put({"I": [1, 2, 3, 4, 5, 6]}, "ledger", "units"), "ledger.units.I"),
        (put({"USD": 1.5}, "ledger", "fees"), "ledger.fees.USD"),
        (put(True, "ledger", "fills"), "ledger.fills"),
        (put([5], "ledger", "inexact"), "ledger.inexact"),
        (put("x", "ledger", "found"), "ledger.found"),
        (put(["x"], "ledger", "known"), "ledger.known"),
        (put([["O"]], "ledger", "known"), "ledger.known"),
        (put([["O", 1]], "ledger", "known"), "ledger.known"),
        (put(["b", "a"], "ledger", "inexact"), "data"),
        (put([], "ledger", "apart"), "ledger.apart"),
        (put({"I": 1.5}, "ledger", "apart"), "ledger.apart.I"),
        (put({}, "ledger", "apart"), "data"),
        (put("x", "ledger", "unexplained"), "ledger.unexplained"),
        (put(0, "ledger", "unexplained"), "data"),
        (put([1, 2, 3], "ledger", "day"), "ledger.day"),
        (put(5, "ledger", "day"), "ledger.day"),
        (put([1, 2, 3, "x"], "ledger", "day"), "ledger.day"),
    ],
)
def test_it_is_read_strictly(book: Folding, change: Callable[[Any], None], field: str) -> None:
    assert book.state is not None
    value = json.loads(data(book.state, book.aside))
    assert back(compact(value)).state == book.state
    change(value)
    with pytest.raises(Malformed) as refused:
        back(compact(value))
    assert refused.value.field == field


@pytest.mark.req("DOL-ORDER-008", "DOL-JOURNAL-011")
def test_orders_of_unknown_fate_come_back_until_their_fate_is_known() -> None:
    note = {"what": "order of unknown fate", "why": "no answer"}
    aside = Aside()
    aside.each("NOTE", {**note, "id": "A", "counts_lots": 3, "order": "{}"})
    aside.each("NOTE", {**note, "id": "B", "counts_lots": "9007199254740993", "order": "{}"})
    aside.each("NOTE", {**note, "id": "C", "counts_lots": 5})  # of before: it says nothing of the order
    assert back(data(STATE, aside)).aside.unknown == {"A": (3, "{}"), "B": (9007199254740993, "{}")}
    for name in "ABC":
        aside.each("NOTE", {**note, "id": name, "counts_lots": 0})
    assert back(data(STATE, aside)).aside.unknown == {}
    with pytest.raises(Malformed, match="counts_lots"):
        aside.each("NOTE", {**note, "id": "D", "order": "{}"})


UNIT = {"id": "I", "lot": "1/1", "tick": "1/100", "value_num": "10000", "value_den": "1", "currency": "USD"}


def fill(position: str, side: int, lots: int, trade: str, price: str = "1.50") -> dict[str, Any]:
    return {
        "id": "O", "trade": trade, "instrument": "I", "position": position, "side": side, "lots": lots,
        "price": price, "commission": 3, "currency": "USD",
    }  # fmt: skip


@pytest.mark.req("DOL-LEDGER-003", "DOL-JOURNAL-011")
def test_the_ledger_comes_back_with_all_that_it_goes_on_from() -> None:
    aside = Aside()
    opening = {"balance": "77", "positions": [{"position": "H", "instrument": "I", "lots": 7, "price": "1.00"}]}
    aside.each("HEADER", {"instruments": [UNIT], "host": "live"})
    aside.each("NOTE", {"what": "opening", **opening})
    aside.each("ADOPT", {"positions": ["H", "F"]})
    for number, (position, side, lots) in enumerate((("P", 1, 5), ("Q", -1, 3), ("Q", 1, 3), ("F", 1, 1))):
        aside.each("FILL", fill(position, side, lots, str(number)))
    aside.each("FILL", fill("P", 1, 5, "0"))
    aside.each("FLOW", {"flow": "9007199254740993"})
    aside.each("NOTE", {"what": "third book apart", "lots": {"I": "-9007199254740993"}})
    aside.each("NOTE", {"what": "day", "day": 9, "equity": 8, "mark": 7, "capital": 6})
    aside.each("NOTE", {"what": "balance", "apart": "-9007199254740993"})
    found = back(data(STATE, aside)).aside.accounts
    was = aside.accounts
    assert (found.books, found.units, found.known, found.again) == (was.books, was.units, was.known, 1)
    assert (found.inexact, found.found, found.opened, found.simulated) == ({"I"}, {"F"}, 77, False)
    assert (found.apart, found.unexplained) == ({"I": -9007199254740993}, -9007199254740993)
    assert found.day == (9, 8, 7, 6)
    for accounts in (found, was):
        accounts.each("FILL", fill("P", -1, 5, "9", "1.75"))
        accounts.each("FILL", fill("P", -1, 5, "0"))
    assert found.digest() == was.digest()
    assert found.lines() == was.lines()


@pytest.mark.req("DOL-JOURNAL-011")
def test_closed_positions_are_forgotten_in_the_order_of_their_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hedging book has a name for each position; one that waits for its flatten must not be taken for held."""
    monkeypatch.setattr(module, "CLOSED_MAX", 2)
    aside = Aside()
    for number, name in enumerate("ABC"):
        aside.each("FILL", fill(name, 1, 5, f"{number}"))
        aside.each("FILL", fill(name, -1, 5, f"{number}-"))
        if name == "B":
            aside.each("FILL", fill("A", 1, 1, "A+"))
    assert aside.lots == {"A": 1, "B": 0, "C": 0}
    aside.each("FILL", fill("A", -1, 1, "A-"))
    assert [*aside.lots] == ["C", "A"]
    assert back(data(STATE, aside)).aside.plain() == aside.plain()
    aside.each("COMMAND", {"verb": "flatten", "answer": {"positions": ["A", "B"]}})
    assert aside.leaving() == ["B"]
    aside.each("RESUME", {})
    for name in "DEF":
        aside.each("REDUCE", {"x": {"position": name}, "position_lots": 0})
    assert [*aside.lots] == ["E", "F"]


def test_one_of_before_the_ledger_is_read_and_says_so() -> None:
    text = data(STATE, Aside(), ledger=False)
    assert list(json.loads(text)) == ["state", "aside"]
    assert not back(text).ledger
    assert back(data(STATE, Aside())).ledger


@pytest.mark.parametrize("missing", ["instrument", "price"])
def test_a_fill_that_the_ledger_cannot_read_is_named(missing: str) -> None:
    said = fill("P", 1, 5, "1")
    del said[missing]
    with pytest.raises(Malformed) as refused:
        Aside().each("FILL", said)
    assert refused.value.field == "FILL"


def test_the_standings_are_the_plug_ins() -> None:
    assert (WAITING, LEAVING) == (own.WAITING, own.LEAVING)


STATE = machine.start(INTRADAY, 0, sq.FEEDS)
FILL = '{"instrument":"I","position":"P","side":1,"lots":5,"price":"1.5"}'


def test_a_keeper_says_when_one_is_due() -> None:
    keeper = Keeper(Aside(), 30, 100)
    assert keeper.due == 70
    text = keeper.take(STATE, 75)
    assert back(text).state == STATE
    assert keeper.due == 175


def test_a_keeper_folds_what_was_written() -> None:
    keeper = Keeper(Aside(), 0)
    keeper.took("FILL", FILL)
    keeper.took("EQUITY", '{"gross":7}')
    keeper.took("EQUITY", '{"gross":8}')
    keeper.took("NOTE", '{"what":"limits","limits":{"old":1}}')
    keeper.took("NOTE", '{"what":"limits","limits":{"position":{"max_lots":"9007199254740993","x_ns":"5"}}}')
    keeper.took("NOTE", '{"what":"resumed"}')
    found = back(keeper.take(STATE, 0)).aside
    assert found.limits == {"position": {"max_lots": "9007199254740993", "x_ns": "5"}}
    assert found.lots == {"P": 5}
    assert found.gross == 8


@pytest.mark.parametrize(
    "text", ['{"position":"P","side":1}', "[]", '{"applied":0', '{"position":[],"side":1,"lots":5}']
)
def test_a_keeper_that_cannot_fold_writes_no_checkpoint(text: str) -> None:
    keeper = Keeper(Aside(), 0)
    keeper.took("FILL", text)
    assert keeper.due == NEVER


def numbered(index: int) -> dict[str, Any]:
    """A fill of its own order, in turn of one position and of another."""
    return {**json.loads(FILL), "id": f"O-{index}", "trade": str(index), "position": f"P{index % 2}"}


@pytest.mark.req("DOL-LEDGER-001")
@pytest.mark.parametrize("count", [1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1])
def test_fills_that_wait_are_folded_before_anybody_looks(count: int) -> None:
    """As if each had been folded when it was written: by a look at the ledger, a checkpoint, or a record after them."""
    at_once = Keeper(Aside(), 0)
    looked, taken, followed = Keeper(Aside(), 0), Keeper(Aside(), 0), Keeper(Aside(), 0)
    resumed = '{"what":"resumed"}'
    for index in range(count):
        said = numbered(index)
        at_once.took("FILL", json.dumps(said))
        for keeper in (looked, taken, followed):
            keeper.took("FILL", json.dumps(said), said)
    assert looked.accounts.books == at_once.accounts.books
    assert looked.accounts.books.fills == count
    assert taken.take(STATE, 1) == at_once.take(STATE, 1)
    followed.took("NOTE", resumed)
    at_once.took("NOTE", resumed)
    assert followed.take(STATE, 2) == at_once.take(STATE, 2)


def test_a_fill_that_waited_and_cannot_be_folded_ends_them() -> None:
    keeper = Keeper(Aside(), 0)
    keeper.took("FILL", "", {"position": "P", "side": 1})
    keeper.took("FILL", FILL, json.loads(FILL))
    assert keeper.take(STATE, 5) == ""
    assert keeper.due == NEVER
    assert keeper.accounts.books.fills == 1  # the ledger goes on


def test_a_command_whose_answer_is_none_ends_them_too() -> None:
    keeper = Keeper(Aside(), 0)
    keeper.took("COMMAND", '{"verb":"kill","answer":5}')
    assert keeper.due == NEVER


def test_what_makes_no_line_is_no_checkpoint() -> None:
    aside = Aside()
    aside.lots = {f"P{index}": index for index in range(DATA_BYTES_MAX // 8)}
    keeper = Keeper(aside, 0, 10)
    assert keeper.take(STATE, 10) == ""
    assert keeper.due == 20


def test_what_was_to_go_is_named_anew_and_what_waits_still_waits() -> None:
    aside = Aside()
    aside.each("ADOPT", {"positions": ["P", "Q"]})
    aside.each("COMMAND", {"verb": "flatten", "answer": {"positions": ["Q"]}})
    assert aside.leaving() == ["Q"]
    aside.each("NOTE", {"what": "wanted gone", "positions": ["R"]})
    assert aside.standing == {"P": WAITING, "R": LEAVING}
    assert [*aside.waiting] == ["P"]
