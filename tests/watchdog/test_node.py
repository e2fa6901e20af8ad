"""A real TradingNode with Nautilus' Binance adapter under a real watchdog, both on one loopback exchange."""

import pytest

from dolphin.journal import read
from dolphin.journal.folding import folded
from dolphin.kernel.state import Mode
from tests.loopback import Exchange
from tests.watchdog.rig import Process, eventually, notes, watchdog


@pytest.mark.req("DOL-WATCH-001", "DOL-WATCH-003")
def test_a_node_that_was_stopped_has_its_orders_cancelled_and_wakes_killed(tmp_path):
    with Exchange() as exchange:
        exchange.pump(20, sizes="1000.000")
        where = (exchange.url, exchange.ws, exchange.key, exchange.secret, tmp_path)
        with Process("tests.watchdog.node_child", *where) as node:
            node.until("running", 60)
            with watchdog(tmp_path, exchange, missed=20, symbols=("BTCUSDT",)) as dog:
                dog.until("sees: beats")
                eventually(lambda: len(exchange.working()) >= 3 and exchange.net() > 0)
                assert len(notes(tmp_path)) <= 4  # healthy: nothing was done
                node.send("SIGSTOP")
                dog.until("trip")
                eventually(lambda: exchange.working() == [])
                assert exchange.net() > 0  # the watchdog does not flatten
                stopped = len(exchange.tape)
                node.send("SIGCONT")
                eventually(lambda: exchange.net() == 0)  # the guard does, when it finds itself killed
                dog.until("done:")
                assert exchange.working() == []
                node.popen.stdin.close()
                node.until("ended", 60)
                dog.until("sees: ended")
                dog.send("SIGTERM")
                dog.ended()
        sent = [entry for entry in exchange.tape[stopped:] if entry.what == "POST /fapi/v1/order"]
        entries = [entry for entry in sent if entry.data.get("reduceOnly", "").lower() != "true"]
        assert len(entries) <= 1  # what had passed the gates when it was stopped
    state = folded(str(tmp_path / "journal.jsonl")).book.state
    assert state.latch.mode == Mode.KILLED
    records = list(read(str(tmp_path / "journal.jsonl")))
    causes = [record.data["cause"] for record in records if record.kind == "COMMAND"]
    assert [cause.partition(" ")[0] for cause in causes] == ["watchdog:"]
