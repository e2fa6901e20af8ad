"""Limits and what leaves together: a list is judged on the sum of its parts, and only what leaves is counted."""

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import SubmitOrderList
from nautilus_trader.model.enums import ContingencyType
from nautilus_trader.model.identifiers import ClientOrderId, OrderListId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.orders import OrderList
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.audit.replay import audit
from dolphin.limits.codes import SPECS, Code
from tests.nautilus.rig import SIM, T0, Rig, S, Scripted, quotes
from tests.nautilus.test_corners import submit
from tests.nautilus.test_currencies import quote
from tests.nautilus.test_gates import BUY, FLAT, INS, SELL, _linked, denials, market, q
from tests.nautilus.test_limits import written

EUR = TestInstrumentProvider.default_fx_ccy("EUR/USD", SIM)


def listed(s, *legs):
    """Entries that rest and name each other, in one list: instrument, side, size and price of each."""
    number = OrderListId(f"OL-{s.seen}")
    ids = [ClientOrderId(f"O-{s.id}-{s.seen}-{i}") for i in range(2)]
    made = []
    for own, other, (instrument, side, size, price) in zip(ids, reversed(ids), legs, strict=True):
        order = s.order_factory.limit(instrument.id, side, q(size), Price.from_str(price), client_order_id=own)
        made.append(_linked(order, other, number, ContingencyType.OUO))
    return OrderList(number, made)


def pair_of(s, aud, eur):
    """About 0.65 and 1.10 dollars a unit."""
    return listed(s, (INS, BUY, aud, "0.64000"), (EUR, BUY, eur, "1.09000"))


def pair(aud, eur):
    return lambda s: s.submit_order_list(pair_of(s, aud, eur))


def run(path, script, table, **settings):
    """Both instruments are quoted; the strategy acts on the first."""
    file = written(path, table)
    strategy = Scripted(INS, script)
    rig = Rig(path / "book", INS, limits=str(file), **settings)
    rig.engine.add_instrument(EUR)
    rows = [quote(EUR, "1.10000", "1.10002", T0 + i * S - 1) for i in range(30)]
    rig.add(strategy).run(rows + quotes(INS, FLAT))
    assert rig.guard.failures == []
    assert audit(str(rig.journal)).verdict == "conforms", audit(str(rig.journal)).findings
    return rig, strategy


MILLION = {
    Code.NET_LEVERAGE: 'value = "1x"',
    Code.FREE_MARGIN: 'value = "99.94 %"',
    Code.VENUE_EXPOSURE: "value = 1000000",
    Code.STRATEGY_EXPOSURE: "value = 1000000",
    Code.SECTOR_EXPOSURE: 'value = 1000000\nsectors = { fx = ["AUD/USD.SIM", "EUR/USD.SIM"] }',
    Code.GROUP_EXPOSURE: 'value = 1000000\ngroups = { usd = ["AUD/USD.SIM", "EUR/USD.SIM"] }',
    Code.STRESS_LOSS: 'value = "10 %"\nscenarios = { crash = { "*" = "-10 %" } }',
}
"""Limits that leave about a million dollars of exposure."""


@pytest.mark.req("DOL-LIMIT-007")
@pytest.mark.parametrize("code", MILLION, ids=lambda code: SPECS[code].name)
def test_a_list_whose_parts_fit_one_by_one_and_not_together_is_refused_whole(tmp_path, code):
    """650,000 and 550,000 dollars; then half of each, which fits."""
    table = f'[{SPECS[code].name}]\nmode = "on"\n{MILLION[code]}\n'
    rig, s = run(tmp_path, {3: pair(1_000_000, 500_000), 5: pair(500_000, 250_000)}, table)
    said = denials(s)
    assert len(said) == 2
    assert all(f"limit={SPECS[code].name} [{SPECS[code].requirement}]" in each for each in said)
    assert sorted(int(o.quantity) for o in rig.engine.cache.orders_open()) == [250_000, 500_000]
    first, second = [r.data for r in rig.records("ORDER")][:2]
    assert "cap" not in first, "alone it fits"
    assert second["cap"] == code
    assert 0 < second["cap_lots"] < 500_000, "what the first part leaves"


@pytest.mark.req("DOL-LIMIT-007")
def test_what_was_judged_before_a_part_counts_by_its_side(tmp_path):
    """A sale and a purchase: net they take nothing of each other, on their venue they add up."""
    table = '[net_leverage]\nmode = "on"\nvalue = "1x"\n[venue_exposure]\nmode = "on"\nvalue = 1150000\n'

    def straddle(s):
        s.submit_order_list(listed(s, (INS, BUY, 900_000, "0.64000"), (INS, SELL, 900_000, "0.66000")))

    rig, s = run(tmp_path, {3: straddle}, table)
    assert [r.data.get("cap") for r in rig.records("ORDER")] == [None, Code.VENUE_EXPOSURE]
    assert len(denials(s)) == 2


COUNTS = """
[venue_exposure]
mode = "on"
value = 1000000
[order_rate]
mode = "on"
value = 2
window = "10 s"
[duplicate]
mode = "on"
window = "10 s"
[repeated_execution]
mode = "on"
value = 2
window = "10 s"
"""


@pytest.mark.req("DOL-LIMIT-008", "DOL-LIMIT-015", "DOL-LIMIT-022")
def test_what_a_refused_list_would_have_entered_is_not_counted(tmp_path):
    """Its first part alone would have: two more entries may follow, one of them its twin; a third may not."""
    acts = {3: pair(1_000_000, 500_000), 4: pair(1_000_000, 250_000), 5: market(BUY, 1_000)}
    rig, s = run(tmp_path, acts, COUNTS)
    assert [r.data.get("cap") for r in rig.records("ORDER")] == [
        None, Code.VENUE_EXPOSURE, None, None, Code.ORDER_RATE,
    ]  # fmt: skip
    assert len(denials(s)) == 3
    assert rig.guard.parts.limiting._limiter.memory.stopped == {"S-001-001"}


@pytest.mark.req("DOL-LIMIT-008", "DOL-LIMIT-015", "DOL-LIMIT-022")
@pytest.mark.parametrize("table", ["order_rate", "repeated_execution"])
def test_the_parts_of_a_list_count_one_after_the_other(tmp_path, table):
    rule = f'[{table}]\nmode = "on"\nvalue = 1\nwindow = "1 s"\n'
    rig, s = run(tmp_path, {3: pair(1_000, 1_000), 6: market(BUY, 1_000)}, rule)
    assert [bool(r.data.get("cap")) for r in rig.records("ORDER")] == [False, True, False]
    assert len(denials(s)) == 2


@pytest.mark.req("DOL-LIMIT-008")
def test_in_report_mode_a_list_counts_as_the_verdict_has_it(tmp_path):
    acts = {3: pair(1_000_000, 500_000), 4: pair(500_000, 250_000), 5: market(BUY, 1_000)}
    rig, s = run(tmp_path, acts, COUNTS, mode="report")
    assert denials(s) == []
    caps = [r.data.get("cap") for r in rig.records("ORDER") if r.data["x"]["gate"] == 1]
    assert caps[:2] == [None, Code.VENUE_EXPOSURE]
    assert len(caps) == 5


# --- between the gates ------------------------------------------------------------------------------------------------

RATES = """
[order_rate]
mode = "on"
value = 1
window = "1 h"
[duplicate]
mode = "on"
window = "1 h"
[repeated_execution]
mode = "on"
value = 1
window = "1 h"
"""


def between(path, table, order_of, act, again):
    """Gate 1, then `act`, then gate 2 with what gate 1 passed. The commands that leave."""
    sent = []

    def both(s):
        gates = rig.guard.parts.gates
        passed = []
        gates.at_risk(order_of(s), passed.append)
        act(rig, s, passed[0])
        gates.at_exec(passed[0], sent.append)

    rig = Rig(path / "book", INS, limits=str(written(path, table)))
    rig.engine.add_instrument(EUR)
    rows = [quote(EUR, "1.10000", "1.10002", T0 + i * S - 1) for i in range(12)]
    rig.add(Scripted(INS, {4: both, 8: again})).run(rows + quotes(INS, [65_000] * 12))
    assert rig.guard.failures == []
    assert audit(str(rig.journal)).verdict == "conforms"
    return rig, sent


def single(s):
    order = s.order_factory.market(INS.id, BUY, q(1_000))
    s.cache.add_order(order)
    return submit(s, order)


def linked(s):
    made = pair_of(s, 1_000, 1_000)
    for order in made.orders:
        s.cache.add_order(order)
    return SubmitOrderList(s.trader_id, s.id, made, UUID4(), s.clock.timestamp_ns())


def kill(rig, s, command):
    s.command("kill")


def shrink(rig, s, command):
    """Somebody changes the order after gate 1 passed it: gate 2 judges what it is now."""
    order = command.order if hasattr(command, "order") else command.order_list.orders[0]
    rig.guard.parts.host.shrink(order, q(900))


@pytest.mark.req("DOL-LIMIT-008", "DOL-LIMIT-015", "DOL-LIMIT-020", "DOL-LIMIT-022")
@pytest.mark.parametrize(("order_of", "parts"), [(single, 1), (linked, 2)], ids=["an order", "a list"])
def test_what_the_second_gate_judges_anew_is_counted_once(tmp_path, order_of, parts):
    """It has not used up its own rate, nor stopped its own strategy; the next one finds it counted."""
    table = RATES.replace("value = 1", f"value = {parts}")
    rig, sent = between(tmp_path, table, order_of, shrink, market(BUY, 7_000))
    assert len(sent) == 1
    assert [r.data["x"]["gate"] for r in rig.records("ORDER")][: 2 * parts] == [1] * parts + [2] * parts
    assert [r.data.get("cap") for r in rig.records("ORDER")] == [None] * 2 * parts + [Code.ORDER_RATE]


@pytest.mark.req("DOL-LIMIT-008", "DOL-LIMIT-015", "DOL-LIMIT-022")
@pytest.mark.parametrize(("order_of", "parts"), [(single, 1), (linked, 2)], ids=["an order", "a list"])
def test_what_the_second_gate_refuses_is_not_counted(tmp_path, order_of, parts):
    table = RATES.replace("value = 1", f"value = {parts}")
    rig, sent = between(tmp_path, table, order_of, kill, lambda s: None)
    assert sent == []
    memory = rig.guard.parts.limiting._limiter.memory
    assert memory.stopped == set()
    assert memory.entries.count(T0, 3_600 * S) == 0
    assert memory.twins == {}
    notes = [r.data["limits"]["stopped"] for r in rig.records("NOTE") if r.data["what"] == "limits"]
    assert notes == [[], ["S-001-001"], []]


def fine(side, lots):
    """A limit whose price is finer than the instrument has: Nautilus' RiskEngine denies it, after the first gate."""
    return lambda s: submit(s, s.order_factory.limit(INS.id, side, q(lots), Price.from_str("0.6412345")))


@pytest.mark.parametrize("code", [Code.ORDER_RATE, Code.REPEATED_EXECUTION])
def test_what_nautilus_denies_has_not_left(tmp_path, code):
    """Two of three entries may leave in a while; those that Nautilus denied in between do not count, lists neither."""
    table = f'[{SPECS[code].name}]\nmode = "on"\nwindow = "20 s"\nvalue = 2\n'
    _, s = run(tmp_path, {
        2: fine(BUY, 1_000),
        3: fine(BUY, 1_000),
        4: lambda s: s.submit_order_list(listed(s, (INS, BUY, 1_000, "0.6412345"), (INS, BUY, 1_000, "0.6412345"))),
        5: fine(BUY, 1_000),
        6: market(BUY, 1_000),
        7: market(BUY, 2_000),
        8: market(BUY, 2_000),
    }, table)  # fmt: skip
    last = [order for order in s.cache.orders() if order.status_string() == "FILLED"]
    assert len(last) == 2
    assert [text.split()[0] for text in denials(s) if "LIMIT" in text] == ["LIMIT"]
