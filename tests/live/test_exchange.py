"""The loopback exchange itself: what it takes, refuses and tells, and that each fault does what it says."""

import json
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from tests.loopback import Exchange
from tests.loopback.caller import Caller
from tests.loopback.remote import Remote

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def exchange():
    with Exchange() as started:
        yield started


@pytest.fixture
def call(exchange):
    return Caller(exchange.port, exchange.key, exchange.secret)


def until(true):
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to be")


def test_an_order_is_filled_at_the_touch_and_the_account_knows(exchange, call):
    status, answer = call.order("BUY", "0.5", newClientOrderId="a")
    assert (status, answer["status"], answer["avgPrice"]) == (200, "FILLED", "50000.10")
    _, rows = call("GET", "/fapi/v3/positionRisk")
    assert [(row["symbol"], row["positionAmt"], row["entryPrice"]) for row in rows] == [("BTCUSDT", "0.5", "50000.10")]
    exchange.quote("51000.00", "51000.10")
    assert call.order("SELL", "0.5", reduceOnly="true")[1]["status"] == "FILLED"
    fee = Decimal("0.5") * Decimal("0.0005") * (Decimal("50000.10") + 51000)
    assert exchange.book.wallet == 1_000_000 + Decimal("0.5") * Decimal("999.90") - fee
    assert exchange.net() == 0
    assert [event.what for event in exchange.tape.events()][:3] == [
        "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"
    ]  # fmt: skip
    assert [(side, size) for _, side, size in exchange.tape.fills()] == [("BUY", "0.5"), ("SELL", "0.5")]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"side": "BUY", "quantity": "0.0005"}, -1111),
        ({"side": "SELL", "quantity": "1", "reduceOnly": "true"}, -2022),
        ({"side": "BUY", "quantity": "1", "price": "60000", "timeInForce": "GTX"}, -5022),
        ({"side": "BUY", "quantity": "1", "timestamp": 1}, -1021),
        ({"side": "BUY", "quantity": "1", "timestamp": 9_999_999_999_999}, -1021),
        ({"side": "BUY", "quantity": "1", "symbol": "DOGEUSDT"}, -1121),
        ({"side": "BUY", "quantity": "1", "positionSide": "LONG"}, -4061),
    ],
)
def test_what_the_venue_would_refuse_is_refused_in_its_words(exchange, call, more, code):
    status, answer = call.order(**more)
    assert (status, answer["code"]) == (400, code)
    assert exchange.book.orders == []


def test_another_key_and_another_secret_are_refused(exchange):
    assert Caller(exchange.port, "other", exchange.secret).order("BUY", "1")[1]["code"] == -2015
    assert Caller(exchange.port, exchange.key, "other").order("BUY", "1")[1]["code"] == -1022


def test_a_name_that_works_already_is_not_taken_again(exchange, call):
    assert call.order("BUY", "1", price="40000", newClientOrderId="a")[0] == 200
    assert call.order("BUY", "1", price="40000", newClientOrderId="a")[1]["code"] == -4116


def test_reduce_only_is_cut_to_what_is_held_and_what_rests_without_a_position_expires(exchange, call):
    call.order("BUY", "1")
    call.order("SELL", "1", price="60000", reduceOnly="true", newClientOrderId="target")
    assert call.order("SELL", "5", reduceOnly="true")[1]["origQty"] == "1"
    assert exchange.net() == 0
    assert exchange.working() == []
    assert exchange.book.find(None, "target").status == "EXPIRED"


def test_a_thin_book_fills_in_part_and_the_rest_expires_or_waits(exchange, call):
    exchange.quote("50000.00", "50000.10", ask_size="0.3")
    answer = call.order("BUY", "1")[1]
    assert (answer["status"], answer["executedQty"]) == ("EXPIRED", "0.3")
    exchange.book.slow = True
    exchange.quote("50000.00", "50000.10", ask_size="0.3")
    answer = call.order("BUY", "0.5", newClientOrderId="slow")[1]
    assert (answer["status"], answer["executedQty"]) == ("PARTIALLY_FILLED", "0.3")
    exchange.quote("50000.00", "50000.10", ask_size="0.3")
    assert exchange.book.find(None, "slow").status == "FILLED"
    assert exchange.net() == Decimal("0.8")


def test_a_resting_limit_fills_when_it_is_reached_and_an_ioc_does_not_rest(exchange, call):
    call.order("BUY", "1", price="49000", newClientOrderId="rest")
    assert call.order("BUY", "1", price="49000", timeInForce="IOC")[1]["status"] == "EXPIRED"
    assert exchange.working() == ["rest"]
    exchange.quote("48999.90", "49000.00")
    assert exchange.working() == []
    assert exchange.net() == 1


def test_a_stop_is_triggered_as_a_market_order_of_its_name(exchange, call):
    call.order("BUY", "1")
    stop = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "algoType": "CONDITIONAL", "quantity": "1"}
    path = "/fapi/v1/algoOrder"
    assert call("POST", path, **stop, triggerPrice="49000", clientAlgoId="stop", reduceOnly="true")[0] == 200
    assert exchange.working() == ["stop"]
    exchange.quote("48999.90", "49000.00")
    assert exchange.net() == 0
    assert exchange.working() == []
    assert exchange.tape.fills()[-1] == ("stop", "SELL", "1")


def test_hedging_keeps_two_positions(exchange, call):
    exchange.book.hedging = True
    call.order("BUY", "1", positionSide="LONG")
    call.order("SELL", "0.4", positionSide="SHORT")
    rows = call("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT")[1]
    assert {row["positionSide"]: row["positionAmt"] for row in rows} == {"LONG": "1", "SHORT": "-0.4"}
    assert call.order("BUY", "9", positionSide="SHORT")[1]["origQty"] == "0.4"


def test_everything_that_rests_is_cancelled_at_once_in_a_batch_or_when_the_countdown_ends(exchange, call):
    for name in "abcd":
        call.order("BUY", "1", price="40000", newClientOrderId=name)
    assert call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="a")[1]["status"] == "CANCELED"
    rows = call("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT", origClientOrderIdList='["a","b"]')[1]
    assert [row.get("code", row.get("status")) for row in rows] == [-2011, "CANCELED"]
    assert call("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=60_000)[0] == 200
    assert call("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=800)[0] == 200
    assert exchange.working() == ["c", "d"]
    until(lambda: exchange.working() == [])
    assert exchange.tape.events("COUNTDOWN")[0].data["canceled"] == ["c", "d"]
    call.order("BUY", "1", price="40000", newClientOrderId="e")
    call("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=600)
    call("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=0)
    time.sleep(0.8)
    assert exchange.working() == ["e"]
    assert call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")[0] == 200
    assert exchange.working() == []


def test_the_answer_of_some_submits_is_lost_and_the_orders_are_not(exchange, call):
    exchange.fault(kind="lose", on="POST /fapi/v1/order", skip_first=1, every=2, count=2)
    seen = [call.order("BUY", "0.1", newClientOrderId=f"o{i}")[0] for i in range(6)]
    assert seen == [200, 0, 200, 0, 200, 200]
    assert exchange.net() == Decimal("0.6")
    assert [entry.status for entry in exchange.tape.requests("POST /fapi/v1/order")] == [200, -1, 200, -1, 200, 200]


def test_refused_errors_resends_and_stale_answers(exchange, call):
    exchange.fault(kind="refuse", on="POST /fapi/v1/order", count=1)
    assert call.order("BUY", "1")[0] == 0
    assert exchange.net() == 0
    exchange.fault(kind="error", on="POST /fapi/v1/order", count=1, done=True)
    assert call.order("BUY", "1")[0] == 503
    assert exchange.net() == 1
    exchange.fault(kind="resend", on="POST /fapi/v1/order", count=1)
    assert call.order("BUY", "1", price="40000", newClientOrderId="twice")[0] == 200
    assert exchange.working() == ["twice"]
    assert exchange.tape.requests("POST /fapi/v1/order")[-1].answer["code"] == -4116
    before = call("GET", "/fapi/v2/account")[1]
    stale = exchange.fault(kind="stale", on="GET /fapi/v2/account")
    call.order("BUY", "1")
    assert call("GET", "/fapi/v2/account")[1] == before
    exchange.mend(stale)
    assert call("GET", "/fapi/v2/account")[1] != before


def test_a_share_of_requests_fails_by_a_seed(exchange, call):
    exchange.fault(kind="error", percent=60, seed=4)
    seen = [call("GET", "/fapi/v1/time", signed=False)[0] for _ in range(50)]
    assert 20 <= seen.count(503) <= 40
    assert seen.count(200) == 50 - seen.count(503)
    exchange.mend()
    assert call("GET", "/fapi/v1/time", signed=False)[0] == 200


def test_the_server_clock_steps_and_a_true_time_is_refused(exchange, call):
    exchange.step_clock(7_200_000)
    assert call.order("BUY", "1")[1]["code"] == -1021
    exchange.step_clock(-7_205_000)
    assert call.order("BUY", "1")[1]["code"] == -1021


def test_an_adl_closes_the_position_with_or_without_a_word(exchange, call):
    call.order("BUY", "1")
    exchange.adl()
    assert exchange.net() == 0
    assert exchange.tape.fills()[-1][0].startswith("adl_autoclose")
    call.order("BUY", "1")
    told = len(exchange.tape.events())
    exchange.adl(told=False)
    assert exchange.net() == 0
    assert len(exchange.tape.events()) == told


@pytest.mark.parametrize("row", [{"kind": "nonsense"}, {"kind": "lose", "struck": 1}, {"on": ""}])
def test_a_fault_that_means_nothing_is_an_error(exchange, row):
    with pytest.raises(ValueError, match="fault: "):
        exchange.fault(**row)


def test_it_runs_as_a_process_and_is_told_what_to_do():
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.loopback", "--quotes-every-ms", "20"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        about = json.loads(child.stdout.readline())
        port = int(about["url"].rpartition(":")[2])
        call, remote = Caller(port, about["key"], about["secret"]), Remote(port)
        assert call.order("BUY", "1")[0] == 200
        assert remote.net() == "1"
        remote.fault(kind="lose")
        assert call.order("BUY", "1")[0] == 0
        assert [row["status"] for row in remote.tape() if row["what"] == "POST /fapi/v1/order"] == [200, -1]
        with pytest.raises(RuntimeError, match="answered 500 to no_such"):
            remote.no_such()
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()
    assert child.returncode == 0
