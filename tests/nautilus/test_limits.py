"""Every limit through the real order path: it fires, an exit passes at the same moment, passive says so, off is silent.

The cases are checked against the table of limits: one that is added there without a case here fails.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.objects import Price
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.app.limits_file import load_limits
from dolphin.audit.replay import audit
from dolphin.kernel.reasons import Reason
from dolphin.limits.codes import SPECS, Code
from dolphin.limits.config import to_object
from tests.nautilus.rig import T0, Rig, S, Scripted, bars, quotes, replays
from tests.nautilus.test_flows import booked
from tests.nautilus.test_gates import (
    BUY,
    FLAT,
    INS,
    SELL,
    bracket,
    denials,
    drive,
    emulated,
    limit,
    market,
    net,
    px,
    q,
)
from tests.nautilus.test_kill import chain

HELD, EXIT = 10_000, 4_000


class Case(NamedTuple):
    """`table`: what the file says besides the mode. `act`: the entry that is held back; `left`: lots that leave;
    `prices`: of the run.
    """

    table: str
    act: object
    lots: int
    left: int = 0
    prices: tuple[int, ...] = tuple(FLAT)


def later(act, ms):
    """The same so many milliseconds after the quote."""

    def wait(s):
        s.clock.set_time_alert_ns("later", s.clock.timestamp_ns() + ms * S // 1_000, lambda event: act(s))

    return wait


def cancels(count):
    """So many orders that rest, and their cancels: an entry that is not held back."""

    def act(s):
        for _ in range(count):
            limit(BUY, 1_000, 64_000)(s)
            s.cancel_order(s.last)

    return act


CASES = {
    Code.RESTRICTED: Case('instruments = ["AUD/USD.SIM"]', market(BUY, 1_000), 1_000),
    Code.ORDER_QUANTITY: Case("value = 5000", market(BUY, 6_000), 6_000),
    Code.ORDER_NOTIONAL: Case("value = 5000", market(BUY, 9_000), 9_000),
    Code.PRICE_COLLAR: Case('value = "1 %"', limit(BUY, 2_000, 65_700), 2_000),
    Code.STALE_PRICE: Case('value = "500 ms"', market(BUY, 2_000), 2_000),
    Code.ORDER_RATE: Case("value = 1", chain(market(BUY, 1_000), market(BUY, 2_000)), 2_000),
    Code.CANCEL_RATE: Case("value = 2", cancels(4), 1_000, 1_000),
    Code.POSITION: Case("value = 12000", market(BUY, 5_000), 5_000, 2_000),
    Code.GROSS_LEVERAGE: Case('value = "0.01x"', market(BUY, 9_000), 9_000, 5_384),
    Code.NET_LEVERAGE: Case('value = "0.01x"', market(BUY, 9_000), 9_000, 5_384),
    Code.DUPLICATE: Case('window = "5 s"', chain(market(BUY, 2_000), market(BUY, 2_000)), 2_000),
    Code.SELF_TRADE: Case("", chain(limit(SELL, 1_000, 66_000), limit(BUY, 2_000, 66_500)), 2_000),
    Code.REPEATED_EXECUTION: Case(
        "value = 2", chain(market(BUY, 1_000), market(BUY, 1_001), market(BUY, 2_000)), 2_000
    ),
    Code.DAILY_LOSS: Case("value = 5", market(BUY, 2_000), 2_000, prices=(*FLAT[:7], *[64_900] * 20)),
    Code.DRAWDOWN: Case('value = "0.01 %"', market(BUY, 2_000), 2_000, prices=(*FLAT[:7], *[64_900] * 20)),
    Code.GAP_LOSS: Case('value = "0.1 %"\ngap = "10 %"', market(BUY, 9_000), 9_000, 5_384),
    Code.FREE_MARGIN: Case('value = "99.99 %"', market(BUY, 300_000), 300_000, 246_410),
    Code.VENUE_EXPOSURE: Case("value = 10000", market(BUY, 9_000), 9_000, 5_384),
    Code.SECTOR_EXPOSURE: Case(
        'value = 10000\nsectors = { fx = ["AUD/USD.SIM"], metals = ["XAU/USD.SIM"] }', market(BUY, 9_000), 9_000, 5_384
    ),
    Code.GROUP_EXPOSURE: Case(
        'value = 99999\neach = { pacific = 10000 }\ngroups = { usd = ["AUD/USD.SIM"], pacific = ["AUD/USD.SIM"] }',
        market(BUY, 9_000),
        9_000,
        5_384,
    ),
    Code.STRESS_LOSS: Case(
        'value = "0.1 %"\nscenarios = { crash = { "*" = "-10 %" }, boom = { "*" = "50 %" } }',
        market(BUY, 9_000),
        9_000,
        5_384,
    ),
    Code.VAR: Case('value = "0.1 %"\nconfidence = "99 %"\nassumed = "10 %"', market(BUY, 9_000), 9_000, 5_384),
    Code.CVAR: Case('value = "0.1 %"\nconfidence = "97.5 %"\nassumed = "10 %"', market(BUY, 9_000), 9_000, 5_384),
    Code.GAP_SIGMA: Case('value = "0.1 %"\nsigmas = "2x"\nassumed = "5 %"', market(BUY, 9_000), 9_000, 5_384),
    Code.STRATEGY_EXPOSURE: Case('value = 1\neach = { "S-001-001" = 10000 }', market(BUY, 9_000), 9_000, 5_384),
}


def test_every_limit_has_a_case():
    assert set(CASES) == set(SPECS)


def written(tmp_path, text):
    file = tmp_path / "limits.toml"
    file.write_text(text)
    return file


def driven(tmp_path, code, mode):
    """A position; then the limit, which is tighter than none and so in force at once; then an entry and an exit."""
    case = CASES[code]
    said = to_object(load_limits(written(tmp_path, f'[{SPECS[code].name}]\nmode = "{mode}"\n{case.table}\n')))
    both = chain(case.act, market(SELL, EXIT))
    if code == Code.STALE_PRICE:
        both = later(both, 700)
    answers = []

    def propose(s):
        answers.append(s.command("limits-propose", limits=said))

    strategy = Scripted(INS, {3: market(BUY, HELD), 6: propose, 8: both})
    rig = Rig(tmp_path / "book", INS).add(strategy).run(quotes(INS, case.prices))
    assert answers[0]["ok"], answers
    assert rig.guard.failures == []
    replays(rig.journal)
    assert audit(str(rig.journal)).verdict == "conforms", audit(str(rig.journal)).findings
    return rig, strategy, case


def entries(rig, case):
    """Records of the entry in question."""
    return [r.data for r in rig.records("ORDER") if r.data["lots"] == case.lots and r.data["side"] == 1]


def the_exit_passed(rig):
    (out,) = [r.data for r in rig.records("ORDER") if (r.data["side"], r.data["lots"]) == (-1, EXIT)]
    assert out["fx"][-1][1:3] == [EXIT, EXIT]
    assert out["fx"][-1][5] == Reason.REDUCING
    assert "cap" not in out
    assert [o.status_string() for o in rig.engine.cache.orders() if o.is_sell and o.quantity == EXIT] == ["FILLED"]


REQUIRED = pytest.mark.req(
    "DOL-LIMIT-001", "DOL-LIMIT-002", "DOL-EXIT-001", "DOL-LIMIT-010", "DOL-LIMIT-011", "DOL-LIMIT-012",
    "DOL-LIMIT-013", "DOL-LIMIT-014", "DOL-LIMIT-015", "DOL-LIMIT-017", "DOL-LIMIT-018", "DOL-LIMIT-019",
    "DOL-LIMIT-020", "DOL-LIMIT-021", "DOL-LIMIT-022", "DOL-LIMIT-023", "DOL-LIMIT-024", "DOL-LIMIT-025",
    "DOL-LIMIT-026", "DOL-LIMIT-027", "DOL-LIMIT-028", "DOL-LIMIT-029", "DOL-LIMIT-030", "DOL-LIMIT-031",
    "DOL-LIMIT-032", "DOL-LIMIT-033", "DOL-LIMIT-034",
)  # fmt: skip
BINDING = [code for code in SPECS if not SPECS[code].watches]


@REQUIRED
@pytest.mark.parametrize("code", BINDING, ids=lambda code: SPECS[code].name)
def test_a_limit_that_is_on_holds_the_entry_back_and_the_exit_passes(tmp_path, code):
    rig, strategy, case = driven(tmp_path, code, "on")
    record = entries(rig, case)[-1]
    lots, exit_lots, _, _, reason = record["fx"][-1][1:]
    assert (lots, exit_lots, reason) == (case.left, 0, Reason.LIMIT)
    assert (record["cap_lots"], record["cap"]) == (case.left, code)
    assert record["x"]["limits"]["limit"] == SPECS[code].name
    the_exit_passed(rig)
    if case.left == 0:
        (said,) = denials(strategy)
        assert said.startswith(f"LIMIT [DOL-LIMIT-001]: limit={SPECS[code].name} [{SPECS[code].requirement}] posture=")


@REQUIRED
@pytest.mark.parametrize("code", BINDING, ids=lambda code: SPECS[code].name)
def test_a_passive_limit_says_what_it_would_have_done_and_blocks_nothing(tmp_path, code):
    rig, strategy, case = driven(tmp_path, code, "passive")
    record = entries(rig, case)[-1]
    assert record["fx"][-1][1:3] == [case.lots, 0]
    assert "cap" not in record
    assert record["x"]["limits"]["passive"] == [SPECS[code].name]
    assert "limit" not in record["x"]["limits"]
    assert denials(strategy) == []
    the_exit_passed(rig)


@pytest.mark.req("DOL-LIMIT-002")
@pytest.mark.parametrize("code", CASES, ids=lambda code: SPECS[code].name)
def test_a_limit_that_is_off_is_silent(tmp_path, code):
    rig, strategy, case = driven(tmp_path, code, "off")
    record = entries(rig, case)[-1]
    assert record["fx"][-1][1:3] == [case.lots, 0]
    assert all("limits" not in r.data["x"] for r in rig.records("ORDER"))
    assert [r for r in rig.records("NOTE") if r.data["what"] == "limit"] == []
    assert denials(strategy) == []
    the_exit_passed(rig)


@pytest.mark.req("DOL-LIMIT-016", "DOL-EXIT-001")
def test_a_cancel_rate_is_said_and_every_cancel_passes(tmp_path):
    rig, _, _ = driven(tmp_path, Code.CANCEL_RATE, "passive")
    (note,) = [r.data for r in rig.records("NOTE") if r.data["what"] == "limit"]
    assert note["said"].startswith("cancel_rate [DOL-LIMIT-016]: 3 cancels in ")
    assert [o.status_string() for o in rig.engine.cache.orders() if o.has_price] == ["CANCELED"] * 4


# --- Lists, changes and restarts --------------------------------------------------------------------------------------


def basket(count, size, *more):
    """Orders that rest, in one list without contingencies."""

    def act(s):
        orders = [s.order_factory.limit(INS.id, BUY, q(size), px(64_000 - i)) for i in range(count)]
        s.submit_order_list(s.order_factory.create_list([*orders, *[make(s) for make in more]]))

    return act


def leaves(s):
    return s.order_factory.market(INS.id, SELL, q(EXIT))


@pytest.mark.req("DOL-LIMIT-004", "DOL-EXIT-001")
@pytest.mark.parametrize("table", ["[order_notional]", "[order_quantity]"])
def test_a_basket_of_small_orders_is_refused_whole_by_what_it_comes_to(tmp_path, table):
    """2 May 2022: 349 orders, each below the limit of an order. The exit that is in the list passes."""
    file = written(tmp_path, f'{table}\nmode = "on"\nvalue = 50000\n')
    acts = {3: market(BUY, HELD), 6: basket(40, 1_000), 9: basket(80, 1_000, leaves)}
    rig, s = drive(tmp_path / "book", acts, limits=str(file))
    orders = [r.data for r in rig.records("ORDER")]
    assert [o["fx"][-1][1] for o in orders] == [HELD, *[1_000] * 40, *[0] * 80, EXIT]
    assert len(denials(s)) == 80
    assert audit(str(rig.journal)).verdict == "conforms"


@pytest.mark.req("DOL-LIMIT-011")
@pytest.mark.parametrize("side", [BUY, SELL])
def test_an_order_in_answer_to_a_denial_within_a_list_is_judged_by_itself(tmp_path, side):
    """The list's sum is not its own: on the other side that was nothing, and any size passed."""

    class Answering(Scripted):
        answered = False

        def on_order_denied(self, event):
            if self.answered:
                return
            self.answered = True
            basket(2, 1_000)(self)  # another list: what follows is judged by the first one's sum again
            limit(side, 7_000, 64_000 if side == BUY else 66_000)(self)

    file = written(tmp_path, '[order_quantity]\nmode = "on"\nvalue = 5000\n')
    s = Answering(INS, {6: basket(40, 1_000)})
    rig = Rig(tmp_path / "book", INS, limits=str(file)).add(s).run(quotes(INS, FLAT))
    assert s.answered
    assert [int(o.quantity) for o in s.cache.orders() if o.status_string() != "DENIED"] == [1_000, 1_000]
    assert len(denials(s)) == 41
    assert rig.guard.failures == []


@pytest.mark.req("DOL-LIMIT-004")
def test_a_contingent_list_is_refused_whole(tmp_path):
    file = written(tmp_path, '[order_quantity]\nmode = "on"\nvalue = 5000\n')
    acts = {3: bracket(BUY, 5_000, 64_000, 66_000), 5: bracket(BUY, 6_000, 64_000, 66_000)}
    rig, s = drive(tmp_path / "book", acts, limits=str(file))
    assert len(denials(s)) == 3
    assert net(rig) == 5_000


@pytest.mark.req("DOL-LIMIT-001", "DOL-ORDER-006")
def test_a_modification_and_an_emulated_release_pass_the_same_limits(tmp_path):
    file = written(tmp_path, '[position]\nmode = "on"\nvalue = 5000\n')
    acts = {
        3: limit(BUY, 3_000, 64_000),
        4: lambda s: s.modify_order(s.last, quantity=q(6_000)),
        5: lambda s: s.modify_order(s.last, quantity=q(5_000)),
        6: emulated(BUY, 2_000, 65_500),
    }
    rig, s = drive(tmp_path / "book", acts, data=quotes(INS, [65_000] * 9 + [65_600] * 9), limits=str(file))
    assert s.names().count("OrderModifyRejected") == 1
    assert [r.data.get("cap") for r in rig.records("ORDER")] == [None, Code.POSITION, None, Code.POSITION]
    assert len(denials(s)) == 1


@pytest.mark.req("DOL-LIMIT-003")
def test_loosening_takes_two_steps_and_a_minute_through_the_running_book(tmp_path):
    low = written(tmp_path, '[position]\nmode = "on"\nvalue = 5000\n')
    high = to_object(load_limits(written(tmp_path, '[position]\nmode = "on"\nvalue = 9000\n')))
    low.write_text('[position]\nmode = "on"\nvalue = 5000\n')
    told = {}

    def confirm(name):
        def act(s):
            told[name] = s.command("limits-confirm", nonce=told["asked"]["nonce"])

        return act

    def propose(s):
        told["asked"] = s.command("limits-propose", limits=high)

    acts = {3: propose, 4: market(BUY, 9_000), 10: confirm("early"), 70: confirm("late"), 72: market(BUY, 9_000)}
    rig, _ = drive(tmp_path / "book", acts, data=quotes(INS, [65_000] * 90), limits=str(low))
    assert told["asked"]["looser"] == ["position"]
    assert not told["early"]["ok"]
    assert told["late"] == {"ok": True, "verb": "limits-confirm", "loosened": ["position"]}
    assert [r.data["fx"][-1][1] for r in rig.records("ORDER")] == [5_000, 4_000]
    notes = [r.data["limits"]["rules"]["position"]["value"] for r in rig.records("NOTE") if r.data["what"] == "limits"]
    assert notes == ["5000000000", "5000000000", "5000000000", "9000000000"]
    assert audit(str(rig.journal)).verdict == "conforms"


@pytest.mark.req("DOL-LIMIT-003")
def test_a_restart_with_a_looser_file_or_none_keeps_what_was_in_force(tmp_path):
    file = written(tmp_path, '[position]\nmode = "on"\nvalue = 5000\n')
    drive(tmp_path / "book", {3: market(BUY, 1_000)}, limits=str(file))
    for day, again in enumerate(('[position]\nmode = "on"\nvalue = 9000\n', ""), start=1):
        file.write_text(again)
        said = []
        strategy = Scripted(INS, {3: market(BUY, 9_000)})
        rig = Rig(tmp_path / "book", INS, resume="always", limits=str(file))
        rig.guard.on_change.append(lambda what, text, said=said: said.append((what, text)))
        rig.add(strategy).run(quotes(INS, FLAT, start_ns=T0 + day * 1_000 * S))
        assert rig.records("ORDER")[-1].data["cap_lots"] == 5_000
        assert ("LIMITS", "looser in the file than in force: position; `dolphin limits propose`") in said


@pytest.mark.req("DOL-LIMIT-003")
@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "limits is missing"),
        ({"limits": 3}, "limits is missing"),
        ({"limits": {}, "now": 1}, "argument 'now'"),
        ({"limits": {"rules": {}}}, "these are no limits"),
    ],
)
def test_a_proposal_that_means_nothing_is_refused(tmp_path, args, said):
    told = []
    _, _ = drive(tmp_path, {3: lambda s: told.append(s.command("limits-propose", **args))})
    assert not told[0]["ok"]
    assert said in told[0]["error"]


@pytest.mark.req("DOL-LIMIT-005")
def test_without_any_price_nothing_enters_and_bars_are_prices(tmp_path):
    file = written(tmp_path, '[stale_price]\nmode = "on"\nvalue = "1 h"\n')
    rows = bars(INS, [65_000] * 6)
    strategy = Scripted(
        INS, {0: market(BUY, 2_000), 3: later(market(BUY, 3_000), 3_600_001)}, bar_type=rows[0].bar_type
    )
    rig = Rig(tmp_path / "book", INS, limits=str(file), profile="daily").add(strategy).run(rows)
    assert rig.guard.failures == []
    assert [r.data.get("cap") for r in rig.records("ORDER")] == [None, Code.STALE_PRICE]


def test_a_fault_in_counting_cancels_holds_up_none(tmp_path, monkeypatch):
    file = written(tmp_path, '[cancel_rate]\nmode = "passive"\nvalue = 1\n')
    strategy = Scripted(INS, {5: cancels(2)})
    rig = Rig(tmp_path / "book", INS, limits=str(file)).add(strategy)

    def broken(ts_ns):
        raise RuntimeError("planted")

    strategy.script[4] = lambda s: monkeypatch.setattr(rig.guard.parts.limiting._limiter, "canceled", broken)
    rig.run(quotes(INS, FLAT))
    assert rig.engine.cache.orders()[0].status_string() == "CANCELED"
    assert "planted" in rig.guard.failures[0]


@pytest.mark.req("DOL-LIMIT-022")
def test_a_strategy_that_entered_too_often_is_stopped_over_a_restart_until_it_is_enabled(tmp_path):
    file = written(tmp_path, '[repeated_execution]\nmode = "on"\nvalue = 2\n')
    told = []
    acts = {3: market(BUY, 1_000), 4: market(BUY, 1_000), 5: market(BUY, 1_000), 20: market(BUY, 1_000)}
    rig, _ = drive(tmp_path / "book", acts, limits=str(file))
    assert [r.data["fx"][-1][1] for r in rig.records("ORDER")] == [1_000, 1_000, 0, 0]
    again = {
        3: market(BUY, 1_000),
        4: lambda s: told.append(s.command("limits-enable", strategy="S-002-002")),
        5: lambda s: told.append(s.command("limits-enable", strategy="S-001-001")),
        6: market(BUY, 1_000),
    }
    rig = Rig(tmp_path / "book", INS, resume="always", limits=str(file)).add(Scripted(INS, again))
    rig.run(quotes(INS, FLAT, start_ns=T0 + 1_000 * S))
    assert [bool(answer["ok"]) for answer in told] == [False, True]
    assert "stopped are: S-001-001" in told[0]["error"]
    assert [r.data.get("cap") for r in rig.records("ORDER")] == [None, None, 13, 13, 13, None]


@pytest.mark.req("DOL-LIMIT-023")
def test_a_withdrawal_is_no_loss_of_the_day_and_a_new_day_begins_anew(tmp_path):
    file = written(tmp_path, '[daily_loss]\nmode = "on"\nvalue = 5\n')
    acts = {
        3: market(BUY, HELD),
        5: booked(-500),
        9: market(BUY, 1_000),
        15: market(BUY, 1_000),
        25: later(market(BUY, 1_000), 86_400_000),
    }
    strategy = Scripted(INS, acts)
    rig = Rig(tmp_path / "book", INS, limits=str(file), flows="all").add(strategy)
    prices = [65_000] * 12 + [64_900] * 20
    rows = quotes(INS, prices)
    rig.run(rows + quotes(INS, [64_900] * 4, start_ns=T0 + 86_400 * S + 25 * S - 2 * S))
    assert rig.guard.failures == []
    assert [r.data.get("cap") for r in rig.records("ORDER")] == [None, None, Code.DAILY_LOSS, None]


@pytest.mark.req("DOL-LIMIT-021")
def test_who_would_meet_whom(tmp_path):
    """A market order meets any limit order on the other side; stops, its own side, other instruments: none."""
    file = written(tmp_path, '[self_trade]\nmode = "on"\n')

    def stop(s):
        s.submit_order(s.order_factory.stop_market(INS.id, SELL, q(1_000), px(64_000)))

    acts = {
        3: chain(market(BUY, HELD), limit(BUY, 1_000, 64_100)),
        4: stop,
        5: market(BUY, 1_001),
        6: limit(SELL, 1_000, 66_000),
        7: market(BUY, 1_002),
        8: limit(BUY, 1_003, 65_999),
    }
    rig, _ = drive(tmp_path / "book", acts, limits=str(file))
    bought = {r.data["lots"]: r.data.get("cap") for r in rig.records("ORDER") if r.data["side"] == 1}
    assert bought == {HELD: None, 1_000: None, 1_001: None, 1_002: Code.SELF_TRADE, 1_003: None}


@pytest.mark.req("DOL-LIMIT-026")
def test_on_a_cash_account_an_entry_takes_all_of_its_value(tmp_path):
    file = written(tmp_path, '[free_margin]\nmode = "on"\nvalue = "50 %"\n')
    share = TestInstrumentProvider.equity("AAPL", "SIM")
    strategy = Scripted(share, {3: buy(share, 60), 5: buy(share, 1_000)})
    rig = Rig(tmp_path / "book", share, account=AccountType.CASH, balance=20_000, leverage=1, limits=str(file))
    rig.add(strategy).run(shares(share, 10))
    assert rig.guard.failures == []
    assert [r.data["fx"][-1][1] for r in rig.records("ORDER")] == [60, 40]


def buy(instrument, lots):
    return lambda s: s.submit_order(s.order_factory.market(instrument.id, BUY, q(lots)))


def shares(instrument, count):
    """Quotes at 100.00 without a spread."""
    price = Price.from_str("100.00")
    rows = range(T0, T0 + count * S, S)
    return [QuoteTick(instrument.id, price, price, q(10_000), q(10_000), at, at) for at in rows]
