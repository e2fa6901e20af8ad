"""VaR, expected shortfall and gaps in sigma through the real order path, with windows that the guard took itself."""

import hashlib
from datetime import UTC, datetime

import pytest
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.app.limits_cli import main
from dolphin.audit.replay import audit
from dolphin.limits.codes import Code
from dolphin.limits.returns import ROWS
from tests.audit.mutate import rechained
from tests.nautilus.rig import SIM, T0, Rig, S, Scripted, audusd, bars, quotes
from tests.nautilus.test_gates import BUY, SELL, market
from tests.nautilus.test_kill import chain

INS = audusd()
KIWI = TestInstrumentProvider.default_fx_ccy("NZD/USD", SIM)
MINUTE = 60 * S
START = T0 // MINUTE * MINUTE
FULL = ROWS + 4
"""Quotes of a minute each after which the window is full."""


def wave(row):
    """Up and down by a thousandth, and one fall of a fiftieth."""
    return (65_000 if row < 100 else 63_700) + 65 * (row % 2)


def other(s, side, size):
    """An order on the kiwi."""
    s.submit_order(s.order_factory.market(KIWI.id, side, KIWI.make_qty(size)))


def on(tmp_path, name, more):
    file = tmp_path / "limits.toml"
    file.write_text(f'[{name}]\nmode = "on"\nhorizon = "1 min"\n{more}\n')
    return str(file)


def driven(tmp_path, script, limits, rows, resume="never"):
    rig = Rig(tmp_path / "book", INS, limits=limits, resume=resume)
    rig.engine.add_instrument(KIWI)
    strategy = Scripted(INS, script)
    rig.add(strategy).run(rows)
    assert rig.guard.failures == []
    assert audit(str(rig.journal)).verdict == "conforms", audit(str(rig.journal)).findings
    return rig


def paths(count=FULL + 6, start=0):
    """The same path for both, the kiwi a tick lower."""
    at = [wave(i) for i in range(start, start + count)]
    begin = START + start * MINUTE
    other = quotes(KIWI, [each - 1 for each in at], begin, MINUTE)
    return quotes(INS, at, begin + 1, MINUTE) + other


@pytest.mark.req("DOL-LIMIT-032", "DOL-LIMIT-033", "DOL-LIMIT-035", "DOL-EXIT-001")
@pytest.mark.parametrize("code", [Code.VAR, Code.CVAR])
def test_a_full_window_decides_and_a_hedge_passes(tmp_path, code):
    """0.01 % of a million is 100. The worst row of 250 costs 2 %, and before there are 250 a tenth is assumed."""
    name = code.name.lower()
    limits = on(tmp_path, name, 'value = "0.01 %"\nconfidence = "99.9 %"\nassumed = "10 %"')
    script = {
        5: market(BUY, 9_000),
        6: market(SELL, 1_000),
        FULL: market(BUY, 9_000),
        FULL + 1: chain(lambda s: other(s, SELL, 7_000), market(BUY, 5_000)),
        FULL + 2: market(BUY, 9_000),
        FULL + 3: market(SELL, 14_000),
    }
    rig = driven(tmp_path, script, limits, paths())
    found = [(r.data["side"], r.data["lots"], *r.data["fx"][-1][1:3]) for r in rig.records("ORDER")]
    assert found == [
        (1, 9_000, 1_536, 0),  # 1,000.00 of value at 0.65064
        (-1, 1_000, 1_000, 1_000),  # an exit
        (1, 9_000, 6_945, 0),  # with the 536 that are held 100.00, of which each loses 2.098 % of 0.63699
        (-1, 7_000, 7_000, 0),  # it lowers what a fall costs, and a rise costs less
        (1, 5_000, 0, 0),  # what works hedges nothing: it may fill, or not
        (1, 9_000, 7_000, 0),  # filled, it does
        (-1, 14_000, 14_000, 14_000),
    ]
    caps = [r.data.get("cap") for r in rig.records("ORDER")]
    assert caps == [code, None, code, None, code, code, None]


@pytest.mark.req("DOL-LIMIT-036")
def test_returns_outlive_a_restart_and_a_cap_on_others_is_a_finding(tmp_path, capsys):
    limits = on(tmp_path, "cvar", 'value = "0.01 %"\nconfidence = "99.9 %"\nassumed = "10 %"')
    driven(tmp_path, {}, limits, paths())
    again = paths(6, FULL + 10)
    rig = driven(tmp_path, {3: market(BUY, 9_000)}, limits, again, resume="always")
    (order,) = [r.data for r in rig.records("ORDER")]
    assert order["cap_lots"] == 7_475, "100.00 of 2.098 % at 0.63764"
    assert len(order["x"]["limits"]["facts"]["moves"]) == ROWS
    assert main(["show", "--state", str(tmp_path / "book")]) == 0
    assert "returns of AUD/USD.SIM          250 of 250: they count\n" in capsys.readouterr().out
    lines = rig.journal.read_text().splitlines()
    (index,) = [i for i, line in enumerate(lines) if '"ORDER"' in line]
    was = '"moves":[' + str(order["x"]["limits"]["facts"]["moves"][0])
    lines[index] = lines[index].replace(was, '"moves":[1')
    rig.journal.write_text("\n".join(rechained(lines, index)) + "\n")
    (found,) = audit(str(rig.journal)).findings
    assert found.field == "x.limits.facts.moves"
    assert found.requirement == "DOL-LIMIT-002"


@pytest.mark.req("DOL-LIMIT-034")
def test_a_gap_in_sigma_caps_before_the_gap(tmp_path):
    """Six sigma of what the bars did; what is assumed is less."""
    limits = on(tmp_path, "gap_sigma", 'value = "0.1 %"\nsigmas = "6x"\nassumed = "0.01 %"')
    rows = bars(INS, [wave(i) for i in range(30)], START, MINUTE, "1-MINUTE-LAST-EXTERNAL")
    rig = Rig(tmp_path / "book", INS, limits=limits)
    rig.add(Scripted(INS, {20: market(BUY, 900_000)}, bar_type=rows[0].bar_type)).run(rows)
    assert rig.guard.failures == []
    (order,) = [r.data for r in rig.records("ORDER")]
    assert (order["cap"], order["cap_lots"]) == (Code.GAP_SIGMA, 256_400)
    assert order["x"]["limits"]["facts"]["sigma_ppm"] == 1_000
    assert audit(str(rig.journal)).verdict == "conforms"


def history(tmp_path, count, start=0):
    """The closes of `paths`, a minute each, as a file; the kiwi's a tick lower."""
    lines = ["date,instrument,close"]
    for i in range(start, start + count):
        when = datetime.fromtimestamp((START + i * MINUTE) // S, UTC).isoformat()
        lines += [f"{when},AUD/USD.SIM,{wave(i) / 10**5:.5f}", f"{when},NZD/USD.SIM,{(wave(i) - 1) / 10**5:.5f}"]
    path = tmp_path / "closes.csv"
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.req("DOL-LIMIT-038", "DOL-LIMIT-033", "DOL-LIMIT-036")
def test_a_new_book_begins_with_the_returns_of_a_file(tmp_path):
    """Its first entry is judged on a full window; a restart takes the journal's rows and not the file's again."""
    more = 'value = "0.01 %"\nconfidence = "99.9 %"\nassumed = "10 %"\n[book]\nreturns = "closes.csv"'
    limits = on(tmp_path, "cvar", more)
    history(tmp_path, FULL)
    rig = driven(tmp_path, {3: market(BUY, 9_000)}, limits, paths(6, FULL))
    (order,) = [r.data for r in rig.records("ORDER")]
    assert order["cap_lots"] == 7_475, "as after a day of quotes: 100.00 of 2.098 % at 0.63764"
    assert len(order["x"]["limits"]["facts"]["moves"]) == ROWS
    (note,) = [r.data for r in rig.records("NOTE") if r.data["what"] == "returns"]
    assert note["rows"] == {"AUD/USD.SIM": ROWS, "NZD/USD.SIM": ROWS}
    assert note["sha256"] == hashlib.sha256((tmp_path / "closes.csv").read_bytes()).hexdigest()

    rig = driven(tmp_path, {3: market(SELL, 100)}, limits, paths(6, FULL + 8), resume="always")
    assert len([r for r in rig.records("NOTE") if r.data["what"] == "returns"]) == 1
    last = [r.data["limits"] for r in rig.records("NOTE") if r.data["what"] == "limits"][-1]
    assert len(last["returns"]["moves"]["AUD/USD.SIM"]) == ROWS
    assert last["returns"]["base"]["AUD/USD.SIM"] == str(2 * wave(FULL + 12))


@pytest.mark.req("DOL-LIMIT-038")
def test_a_new_book_does_not_start_with_closes_of_its_future(tmp_path):
    limits = on(
        tmp_path, "cvar", 'value = "90 %"\nconfidence = "99 %"\nassumed = "1 %"\n[book]\nreturns = "closes.csv"'
    )
    history(tmp_path, FULL + 1)
    rig = Rig(tmp_path / "book", INS, limits=limits)
    rig.engine.add_instrument(KIWI)
    denied = Scripted(INS, {3: market(BUY, 100)})
    rig.add(denied).run(paths(6, FULL))
    (failure,) = rig.guard.failures
    assert f"closes.csv:{2 * FULL + 2}: date: expected a close of before now" in failure
    assert rig.engine.cache.positions() == []
