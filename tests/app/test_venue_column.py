"""The venue's own column of `dolphin reconcile --now`, asked of a loopback exchange."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dolphin.app.cli import main
from dolphin.app.errors import UserError
from dolphin.app.venue_column import symbols_of, with_venue
from dolphin.journal.entries import unit_of
from dolphin.kernel.policy import INTRADAY
from dolphin.nautilus import mailbox
from dolphin.watchdog.venue import Held, Unknown
from tests.app.books import Book
from tests.loopback import Exchange
from tests.watchdog.rig import orders

BTC, ETH, SPOT = "BTCUSDT-PERP.BINANCE", "ETHUSDT-PERP.BINANCE", "BTCUSDT.BINANCE"
UNITS = [{"id": BTC, "lot": "1/1000"}, {"id": ETH, "lot": "5/100"}, {"id": "AUD/USD.SIM"}]
ANSWER: dict[str, Any] = {
    "ok": True, "rows": [[BTC, 10, 10, None]], "inflight": 0, "third": "", "unknown": [], "same": True,
    "money": [None, None], "day": {}, "fills": 0,
}  # fmt: skip


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Path]]:
    """A guard of straw that holds a book's lock and gives every letter this answer."""
    book = Book(tmp_path / "book", INTRADAY, header={"instruments": UNITS})
    mailbox.make(book.path)
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def serve(answer: dict[str, Any]) -> Path:
        def loop() -> None:
            while not stop.is_set():
                for letter in mailbox.take(book.path):
                    mailbox.answer(book.path, letter, answer)
                time.sleep(0.002)

        threads.append(threading.Thread(target=loop))
        threads[0].start()
        return book.path

    yield serve
    stop.set()
    for thread in threads:
        thread.join()
    book.journal.release()


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    with Exchange() as made:
        monkeypatch.setenv("BINANCE_API_KEY", made.key)
        monkeypatch.setenv("BINANCE_API_SECRET", made.secret)
        yield made


def asked(path: Path, exchange: Exchange, *more: str) -> int:
    where = ["--state", str(path), "--timeout", "30", "--venue", "binance-futures", "--url", exchange.url]
    return main(["reconcile", "--now", *where, *more])


@pytest.mark.req("DOL-LEDGER-009")
def test_what_the_venue_holds_stands_beside_the_books(
    running: Callable[[dict[str, Any]], Path], exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    orders(exchange)  # 0.010 BTC are held
    path = running(ANSWER)
    assert asked(path, exchange) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["instrument", "ledger", "nautilus", "third", "book", "venue", "difference"]
    assert out[1].split() == [BTC, "10", "10", "-", "10", "-"]
    assert out[-1] == "in lots; the same"
    before = len(exchange.tape.requests())
    assert asked(path, exchange, "--json") == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [[BTC, 10, 10, None, 10]]
    assert [entry.what for entry in exchange.tape.requests()[before:]] == ["GET /fapi/v3/positionRisk"]


@pytest.mark.req("DOL-LEDGER-009")
def test_what_differs_or_does_not_answer_is_said(
    running: Callable[[dict[str, Any]], Path], exchange: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    orders(exchange)
    path = running({**ANSWER, "rows": [[BTC, 7, 7, None]]})
    assert asked(path, exchange) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[1].split() == [BTC, "7", "7", "-", "10", "+3"]
    assert out[-1] == "in lots; they differ"
    exchange.fault(kind="error", on="GET /fapi/v3/positionRisk", status=503, count=9)
    assert asked(path, exchange) == 3
    out = capsys.readouterr().out
    assert "the venue says nothing: /fapi/v3/positionRisk: HTTP 50" in out
    where = ["--state", str(path), "--venue", "binance-futures", "--url", "http://example.com"]
    assert main(["reconcile", "--now", *where]) == 2
    assert "anything else shows the key" in capsys.readouterr().err


class Says:
    def __init__(self, *held: Held) -> None:
        self.held = held

    def positions(self, symbols: Any) -> tuple[Held, ...]:
        self.symbols = symbols
        return self.held


def test_lots_are_the_books_own_and_both_sides_of_a_hedge_are_one() -> None:
    units = {str(scale["id"]): unit_of(scale) for scale in UNITS}
    venue = Says(Held("BTCUSDT", "LONG", "0.010"), Held("BTCUSDT", "SHORT", "-0.003"), Held("ETHUSDT", "BOTH", "-0.26"))
    found = with_venue({**ANSWER, "rows": [["AUD/USD.SIM", 5, 5, None], [BTC, 7, 7, 7]]}, units, venue)
    assert found["rows"] == [["AUD/USD.SIM", 5, 5, None, None], [BTC, 7, 7, 7, 7], [ETH, 0, 0, None, -6]]
    assert found["same"] is False
    assert set(venue.symbols) == {"BTCUSDT", "ETHUSDT"}
    assert Decimal("-0.26") * 100 / 5 == Decimal("-5.2")  # lots round away from zero
    assert with_venue({**ANSWER, "same": False}, units, Says(Held("BTCUSDT", "BOTH", "0.0095")))["rows"] == [
        [BTC, 10, 10, None, 10]
    ]
    with pytest.raises(UserError, match="no instrument of this venue"):
        symbols_of({"AUD/USD.SIM": units["AUD/USD.SIM"]})


@pytest.mark.req("DOL-LEDGER-009")
@pytest.mark.parametrize("names", [(BTC, SPOT, ETH), (SPOT, ETH, BTC)])
def test_what_futures_are_held_stands_in_the_row_of_the_future_and_not_of_the_spot_of_that_name(
    names: tuple[str, ...],
) -> None:
    units = {name: unit_of({"id": name, "lot": "1/1000"}) for name in names}
    assert symbols_of(units) == {"BTCUSDT": BTC, "ETHUSDT": ETH}
    answer = {**ANSWER, "rows": [[BTC, 10, 10, None], [SPOT, 7, 7, None]]}
    found = with_venue(answer, units, Says(Held("BTCUSDT", "BOTH", "0.010")))
    assert found["rows"] == [[BTC, 10, 10, None, 10], [SPOT, 7, 7, None, None]]
    assert found["same"] is True
    del units[BTC]
    assert symbols_of(units)["BTCUSDT"] == SPOT  # it may be a contract of that name


def test_a_venue_that_says_nothing_is_neither_same_nor_other() -> None:
    class Silent:
        def positions(self, symbols: Any) -> Unknown:
            return Unknown("no answer")

    units = {str(scale["id"]): unit_of(scale) for scale in UNITS}
    found = with_venue(ANSWER, units, Silent())
    assert (found["rows"], found["venue"], found["same"]) == ([[BTC, 10, 10, None, None]], "no answer", True)
