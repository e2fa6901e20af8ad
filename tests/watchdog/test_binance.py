"""Binance's words at a loopback exchange, with faults: what is not known is UNKNOWN, and what may be repeated is."""

import contextlib
import http.server
import threading
import time
from typing import ClassVar

import pytest

from dolphin.watchdog import binance
from dolphin.watchdog.binance import (
    HOLD_S,
    HOLD_S_MAX,
    LISTING_ALL_WEIGHT,
    LISTING_WEIGHT,
    MINUTE_MS,
    SHARE,
    SPENT,
    USED,
    BadUrl,
    Binance,
    Keys,
    address,
)
from dolphin.watchdog.sweep import sweep
from dolphin.watchdog.venue import TOGETHER, Answer, Held, Reply, Unknown, Working
from tests.loopback import Exchange
from tests.loopback.faults import Fault
from tests.watchdog.rig import SYMBOLS, caller, orders


@pytest.fixture
def exchange():
    with Exchange() as made:
        yield made


@pytest.fixture
def venue(exchange):
    made = Binance(Keys(exchange.key, exchange.secret), exchange.url, timeout_s=9, warm_s=9, sleep=lambda pause_s: None)
    yield made
    made.close()


def requests(exchange):
    return [entry.what for entry in exchange.tape.requests()]


def test_what_works_and_what_it_may_do(exchange, venue):
    protects = orders(exchange)
    found = venue.open_orders(SYMBOLS)
    assert {order.client_id for order in found if order.reducing} == protects
    assert {order.client_id for order in found if order.conditional} == {"algo-entry", "algo-stop"}
    assert {order.symbol for order in found} == set(SYMBOLS)
    assert {order.client_id for order in venue.open_orders(("ETHUSDT",))} == {"entry-2", "entry-3"}
    before = len(exchange.tape.requests())
    assert len(venue.open_orders(("ETHUSDT", "XRPUSDT", "ADAUSDT"))) == 2
    asked = [entry.data.get("symbol") for entry in exchange.tape.requests()[before:]]
    assert asked == ["ETHUSDT", "ETHUSDT", "XRPUSDT", "XRPUSDT", "ADAUSDT", "ADAUSDT"]  # all at once would cost 80
    assert venue.positions(SYMBOLS) == (Held("BTCUSDT", "BOTH", "0.010"),)
    assert venue.positions(("ETHUSDT",)) == ()


@pytest.mark.parametrize(
    ("side", "which", "reducing"),
    [("SELL", "LONG", True), ("BUY", "LONG", False), ("BUY", "SHORT", True), ("SELL", "SHORT", False)],
)
def test_in_hedge_mode_the_side_says_what_reduces(exchange, venue, side, which, reducing):
    row = {"symbol": "BTCUSDT", "orderId": 7, "side": side, "positionSide": which, "reduceOnly": False}
    answer_with(exchange, "GET /fapi/v1/openOrders", [row, {**row, "closePosition": True}])
    assert [order.reducing for order in venue.open_orders(("BTCUSDT",))] == [reducing, True]


def answer_with(exchange, what, body):
    exchange.do(lambda: exchange.answers.__setitem__(what, body))
    exchange.fault(kind="stale", on=what)


@pytest.mark.req("DOL-WATCH-007")
def test_more_than_forty_symbols_are_listed_at_once_and_nothing_of_another_book(exchange, venue):
    protects = orders(exchange)
    many = ("BTCUSDT", *(f"S{number}USDT" for number in range(TOGETHER)))
    before = len(exchange.tape.requests())
    found = venue.open_orders(many)
    assert {order.client_id for order in found} == {"entry-1", "algo-entry", *protects}
    asked = exchange.tape.requests()[before:]
    assert [entry.what for entry in asked] == ["GET /fapi/v1/openOrders", "GET /fapi/v1/openAlgoOrders"]
    assert not any("symbol" in entry.data for entry in asked)
    exchange.fault(kind="error", on="GET /fapi/v1/openAlgoOrders", status=404, code=-5000)
    assert {order.client_id for order in venue.open_orders(many)} == {"entry-1", "stop"}
    exchange.fault(kind="error", on="GET /fapi/v1/openOrders", status=500)
    found = venue.open_orders(many)
    assert isinstance(found, Unknown)
    assert not found.away


@pytest.mark.parametrize("kind", ["lose", "refuse"])
def test_a_venue_that_gives_no_answer_is_away(exchange, venue, kind):
    exchange.fault(kind=kind, on="GET /fapi/v1/openOrders", count=3)
    found = venue.open_orders(("BTCUSDT",))
    assert isinstance(found, Unknown)
    assert found.away


def test_one_is_cancelled_and_one_that_is_gone_is_done(exchange, venue):
    orders(exchange)
    for order in venue.open_orders(SYMBOLS):
        assert venue.cancel(order).reply == Reply.DONE
        assert venue.cancel(order).reply == Reply.DONE
    assert exchange.working() == []


def test_all_are_cancelled_of_both_kinds(exchange, venue):
    orders(exchange)
    assert venue.cancel_all("BTCUSDT") == Answer(Reply.DONE)
    assert sorted(exchange.working()) == ["entry-2", "entry-3"]


def test_the_countdown(exchange, venue):
    assert venue.countdown("BTCUSDT", 60_000).reply == Reply.DONE
    assert list(exchange.countdowns) == ["BTCUSDT"]
    assert venue.countdown("BTCUSDT", 0).reply == Reply.DONE
    assert exchange.countdowns == {}


@pytest.mark.parametrize("kind", ["lose", "refuse", "error"])
def test_what_goes_wrong_twice_is_tried_a_third_time(exchange, venue, kind):
    orders(exchange)
    exchange.fault(kind=kind, on="DELETE /fapi/v1/allOpenOrders", count=2)
    assert venue.cancel_all("ETHUSDT").reply == Reply.DONE


@pytest.mark.req("DOL-WATCH-006")
@pytest.mark.parametrize("kind", ["lose", "refuse", "error"])
def test_what_goes_wrong_for_good_is_unknown(exchange, venue, kind):
    exchange.fault(kind=kind, on="")
    assert venue.cancel_all("ETHUSDT").reply == Reply.UNKNOWN
    assert venue.countdown("ETHUSDT", 5_000).reply == Reply.UNKNOWN
    assert isinstance(venue.open_orders(SYMBOLS), Unknown)
    assert isinstance(venue.positions(SYMBOLS), Unknown)
    assert venue.warm().reply == Reply.UNKNOWN
    assert not sweep(venue, SYMBOLS, everything=False).clear


@pytest.mark.req("DOL-WATCH-006")
@pytest.mark.parametrize("body", [{}, [{}], [7], {"rows": []}, None, [{"symbol": "BTCUSDT"}]])
def test_what_makes_no_sense_is_unknown(exchange, venue, body):
    answer_with(exchange, "GET /fapi/v1/openOrders", body)
    answer_with(exchange, "GET /fapi/v3/positionRisk", body)
    answer_with(exchange, "GET /fapi/v1/time", body)
    if body != {} and body != {"rows": []}:
        assert isinstance(venue.open_orders(SYMBOLS), Unknown)
        assert isinstance(venue.positions(SYMBOLS), Unknown)
    assert venue.warm().reply == Reply.UNKNOWN


def test_a_venue_without_conditional_orders_has_none(exchange, venue):
    orders(exchange)
    exchange.fault(kind="error", on="GET /fapi/v1/openAlgoOrders", status=404, code=-5000)
    assert len(venue.open_orders(SYMBOLS)) == 4


def test_a_clock_that_is_off_is_asked_for(exchange, venue):
    exchange.offset_ms = 3_600_000
    assert venue.countdown("BTCUSDT", 60_000).reply == Reply.DONE
    assert requests(exchange).count("GET /fapi/v1/time") == 1
    assert venue.countdown("BTCUSDT", 60_000).reply == Reply.DONE
    assert requests(exchange).count("GET /fapi/v1/time") == 1
    assert int(venue.warm().text.split()[2]) > 3_590_000


def test_a_key_that_is_refused_is_refused_at_once(exchange):
    stranger = Binance(Keys(exchange.key, "wrong"), exchange.url)
    answer = stranger.cancel_all("BTCUSDT")
    assert answer.reply == Reply.REFUSED
    assert "Signature" in answer.text
    assert requests(exchange).count("DELETE /fapi/v1/allOpenOrders") == 1
    stranger.close()


def test_an_idle_connection_that_the_venue_closed_is_opened_again(exchange, venue):
    assert venue.warm().reply == Reply.DONE
    exchange.fault(kind="refuse", on="GET /fapi/v1/time", count=1)
    assert venue.warm().reply == Reply.DONE
    assert requests(exchange).count("GET /fapi/v1/time") == 3


def test_a_slow_venue_does_not_hold_up_the_watch(exchange):
    venue = Binance(Keys(exchange.key, exchange.secret), exchange.url)
    exchange.do(lambda: exchange.faults.append(Fault("late", "GET /fapi/v1/time", ms=2_000)))
    assert "timed out" in venue.warm().text
    venue.close()


class Limits(http.server.BaseHTTPRequestHandler):
    answers: ClassVar = []
    asked: ClassVar = []

    def do_DELETE(self):
        self.asked.append(self.path)
        status, headers, raw = self.answers.pop(0) if self.answers else (200, {}, b"{}")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self):
        self.do_DELETE()

    def log_message(self, *_):
        pass


ORDER = Working("A", "1", "", "BUY", False, False)


@contextlib.contextmanager
def told(answers, **more):
    server = http.server.HTTPServer(("127.0.0.1", 0), Limits)
    Limits.answers, Limits.asked = list(answers), []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    venue = Binance(Keys("k", "s"), f"http://127.0.0.1:{server.server_port}", timeout_s=9, **more)
    try:
        yield venue
    finally:
        venue.close()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("answers", "pauses", "reply"),
    [
        ([(200, {}, b"<html>")] * 3, [0.02, 0.1], Reply.UNKNOWN),
        ([(502, {}, b"<html>")], [0.02], Reply.DONE),
        ([(403, {}, b"<html>")], [], Reply.REFUSED),
        ([(429, {"Retry-After": "x"}, b'{"code": "a"}')], [], Reply.UNKNOWN),
    ],
)
def test_what_may_help_is_tried_again_after_a_pause(answers, pauses, reply):
    waited = []
    with told(answers, sleep=waited.append) as venue:
        assert venue.cancel(ORDER).reply == reply
    assert waited == pauses


@pytest.mark.req("DOL-WATCH-007")
@pytest.mark.parametrize(
    ("status", "headers", "held_s"),
    [
        (429, {"Retry-After": "7"}, 7.0),
        (418, {"Retry-After": "600"}, HOLD_S_MAX),
        (429, {}, HOLD_S),
        (429, {"Retry-After": "soon"}, HOLD_S),
    ],
)
def test_nothing_is_sent_before_the_pause_that_the_venue_asks_for_is_over(status, headers, held_s):
    with told([(status, headers, b"{}")]) as venue:
        assert venue.pause_s(("A",)) < 1
        assert venue.cancel(ORDER).reply == Reply.UNKNOWN
        assert held_s - 5 < venue.pause_s(("A",)) <= held_s
        for _ in range(3):
            assert "asked for a pause" in venue.cancel(ORDER).text
            assert isinstance(venue.open_orders(("A",)), Unknown)
            assert venue.warm().reply == Reply.UNKNOWN
        assert len(Limits.asked) == 1
        venue._held_until_s -= held_s  # it is over
        assert venue.cancel(ORDER).reply == Reply.DONE
        assert len(Limits.asked) == 2


@pytest.mark.req("DOL-WATCH-007")
def test_listings_keep_to_a_share_of_the_weight_and_wait_for_the_next_minute_where_little_is_left():
    many = tuple(f"S{number}" for number in range(50))
    answers = [(200, {USED: str(used)}, b"{}") for used in (SPENT - 80, SPENT - 79, SPENT)]
    answers.append((200, {USED: "nonsense"}, b"{}"))
    with told(answers) as venue:
        assert venue.pause_s(("A",)) == LISTING_WEIGHT * 60 / SHARE
        assert venue.pause_s(many) == LISTING_ALL_WEIGHT * 60 / SHARE == 4.0
        assert venue.pause_s(many[:40]) == venue.pause_s(many * 10)
        venue.cancel(ORDER)
        assert venue._used == SPENT - 80
        assert venue.pause_s(many) == 4.0
        venue._offset_ms = 30_000 - time.time_ns() // 1_000_000 % MINUTE_MS  # in the middle of a minute of the venue's
        venue.cancel(ORDER)
        assert 25 < venue.pause_s(many) <= 30
        assert venue.pause_s(("A",)) < 1  # there is room for two
        venue.cancel(ORDER)
        assert 25 < venue.pause_s(("A",)) <= 30
        venue.cancel(ORDER)
        assert venue._used == SPENT
        venue._offset_ms += MINUTE_MS  # a new minute has begun
        assert venue.pause_s(("A",)) < 1


def test_nobody_there_is_unknown():
    venue = Binance(Keys("k", "s"), "http://127.0.0.1:9", sleep=lambda pause_s: None)
    assert venue.cancel_all("BTCUSDT").reply == Reply.UNKNOWN


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://fapi.binance.com", (True, "fapi.binance.com", 443)),
        ("https://example.com:8443/", (True, "example.com", 8443)),
        ("http://127.0.0.1:80", (False, "127.0.0.1", 80)),
        ("http://127.0.0.1", (False, "127.0.0.1", 80)),
    ],
)
def test_addresses(url, found):
    assert address(url) == found


@pytest.mark.parametrize(
    "url",
    ["http://fapi.binance.com", "http://localhost:8080", "ftp://127.0.0.1", "fapi.binance.com", "https://", "",
     "https://a.b/path", "https://a.b/?x=1", "http://127.0.0.1.evil.org"],
)  # fmt: skip
def test_a_key_goes_nowhere_unencrypted(url):
    with pytest.raises(BadUrl, match="accepted https"):
        Binance(Keys("k", "s"), url)


def test_an_encrypted_connection_is_made(monkeypatch):
    with Exchange() as exchange:  # speaks no TLS: the handshake fails, and that is unknown
        venue = Binance(Keys("k", "s"), f"https://127.0.0.1:{exchange.port}", sleep=lambda pause_s: None)
        answer = venue.cancel_all("BTCUSDT")
    assert answer.reply == Reply.UNKNOWN
    assert "SSL" in answer.text


def test_a_symbol_with_a_stop_is_cancelled_one_by_one(exchange, venue):
    orders(exchange)
    assert caller(exchange).order("BUY", "0.010", price="41000.0", newClientOrderId="entry-4")[0] == 200
    found = sweep(venue, SYMBOLS, everything=False)
    assert found.said["answers"] == {"done": 4}  # three of BTCUSDT, and ETHUSDT at once
    assert (found.clear, found.said["spared"]) == (False, 2)
    assert sorted(exchange.working()) == ["algo-stop", "stop"]
    assert sweep(venue, SYMBOLS, everything=False).clear
    assert sweep(venue, SYMBOLS, everything=True, dry=True).said["going"]
    assert not sweep(venue, SYMBOLS, everything=True).clear
    assert exchange.working() == []


@pytest.mark.req("DOL-WATCH-006")
@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff\xfe", b"NaN"], ids=["deep", "no text", "no list"])
def test_a_body_that_is_none_is_unknown(body):
    with told([(200, {}, body)] * 8) as venue:
        found = venue.open_orders(("A",))
        assert isinstance(found, Unknown)
        assert not found.away
        assert venue.warm().reply == Reply.UNKNOWN


@pytest.mark.req("DOL-WATCH-006")
def test_an_answer_without_an_end_is_no_answer(monkeypatch):
    with told([(200, {}, b"[" + b" " * 5_000 + b"]")] * 10, sleep=lambda pause_s: None) as venue:
        assert venue.open_orders(("A",)) == ()
        monkeypatch.setattr(binance, "BODY_BYTES_MAX", 4_000)
        found = venue.open_orders(("A",))
        assert isinstance(found, Unknown)
        assert found.away
        assert "without an end" in found.why
        monkeypatch.setattr(binance, "BODY_BYTES_MAX", 1 << 26)
        monkeypatch.setattr(binance, "BODY_TIMEOUTS", -1)
        assert isinstance(venue.positions(("A",)), Unknown)


def test_a_name_of_a_host_that_is_none_is_unknown():
    venue = Binance(Keys("k", "s"), "https://a..b", sleep=lambda pause_s: None)
    assert venue.cancel_all("BTCUSDT").reply == Reply.UNKNOWN
    assert venue.warm().reply == Reply.UNKNOWN
