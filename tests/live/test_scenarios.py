"""The live scenarios of scenarios/live, each on the loopback exchange; and that the reader and the judge can say no."""

from decimal import Decimal

import pytest

from tests.live.judge import SCENARIOS, Run, always
from tests.live.script import read
from tests.loopback.tape import Tape

FILES = sorted(SCENARIOS.glob("S*.toml"))


@pytest.mark.req("DOL-VENUE-001")
@pytest.mark.req("DOL-KILL-002")
@pytest.mark.req("DOL-KILL-003")
@pytest.mark.req("DOL-TIME-006")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_live_scenario_is_as_its_file_says(path, tmp_path):
    run = Run(read(path), tmp_path).go()
    assert run.lines == [], run.seen


def test_there_are_scenarios():
    assert len(FILES) >= 11


def test_what_a_file_expects_wrongly_is_said(tmp_path):
    path = tmp_path / "S99.toml"
    text = (SCENARIOS / "S11-clock-back.toml").read_text()
    text = (
        text.replace("CLOCK_REGRESSION", "HEARTBEAT")
        .replace('net = "0"', 'net = "2"')
        .replace("own = 1", "own_at_most = 0")
    )
    path.write_text(text)
    run = Run(read(path), tmp_path).go()
    assert [line.split(":")[0] for line in run.lines] == ["trips", "net", "own"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('do = "wait"', 'do = "hope"', "step 2: do = 'hope'; accepted: send"),
        ("by_ms", "by_hours", r"step 3 \(guard_clock\): unknown key 'by_hours'"),
        ("[expect]", "[expects]", "top: unknown key 'expects'"),
        ("mode =", "mood =", r"\[expect\]: unknown key 'mood'"),
        ('id = "S11"', "", "id is missing"),
    ],
)
def test_a_file_that_means_nothing_is_an_error(tmp_path, old, new, said):
    path = tmp_path / "S99.toml"
    path.write_text((SCENARIOS / "S11-clock-back.toml").read_text().replace(old, new))
    with pytest.raises(ValueError, match=said):
        read(path)


def event(cid, side, size):
    return {"e": "ORDER_TRADE_UPDATE", "o": {"s": "BTCUSDT", "c": cid, "S": side, "l": size, "x": "TRADE"}}


def test_the_judge_sees_an_own_order_that_crosses_zero_and_a_name_taken_twice():
    tape = Tape()
    tape.add("event", "ORDER_TRADE_UPDATE", event("a", "BUY", "1"))
    tape.add("event", "ORDER_TRADE_UPDATE", event("DOLPHIN-run-1", "SELL", "1.5"))
    for _ in range(2):
        tape.add("request", "POST /fapi/v1/order", {"newClientOrderId": "a"}, 200)
    assert always(tape) == [f"own order DOLPHIN-run-1 brought {Decimal(1)} to {Decimal('-0.5')}", "a was taken twice"]


def test_the_judge_sees_an_entry_after_a_kill():
    tape = Tape()
    entry = {"symbol": "BTCUSDT", "side": "BUY", "newClientOrderId": "a", "reduceOnly": "False"}
    tape.add("request", "POST /fapi/v1/order", entry, 200)
    assert always(tape) == []
    tape.add("mark", "kill")
    tape.add("request", "POST /fapi/v1/order", {**entry, "newClientOrderId": "out", "reduceOnly": "True"}, 200)
    assert always(tape) == []
    tape.add("request", "POST /fapi/v1/order", {**entry, "newClientOrderId": "b"}, 400)
    assert [line.partition(":")[0] for line in always(tape)] == ["after the kill"]
