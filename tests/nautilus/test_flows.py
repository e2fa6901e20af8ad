"""Deposits, withdrawals, and what only looks like one, in a backtest: account states that no fill explains."""

from __future__ import annotations

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.events import AccountState
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.objects import AccountBalance, Money

from tests.nautilus.rig import Rig, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, market
from tests.nautilus.test_kill import chain, command, make

INS = audusd()


def booked(dollars, account_id="SIM-001", reported=True):
    """The venue changes the balance and says so."""

    def act(s):
        account = s.cache.accounts()[0]
        total = Money(account.balance_total(USD).as_double() + dollars, USD)
        balance = AccountBalance(total, Money(0, USD), total)
        event = AccountState(
            AccountId(account_id), AccountType.MARGIN, USD, reported, [balance], [], {}, UUID4(),
            s.clock.timestamp_ns(), s.clock.timestamp_ns(),
        )  # fmt: skip
        s.msgbus.send("Portfolio.update_account", event)

    return act


def run(path, script, prices=(65_000,) * 30, **settings):
    s = make(script)
    rig = Rig(path, INS, **settings).add(s)
    rig.run(quotes(INS, prices))
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, s


def capital(rig):
    return rig.guard.parts.guard.state.capital


@pytest.mark.req("DOL-CAPITAL-003")
@pytest.mark.parametrize(
    ("flows", "dollars", "is_flow"),
    [("deposits", 50_000, True), ("deposits", -50_000, False), ("all", -50_000, True), ("announced", 50_000, False)],
)
def test_what_is_taken_for_a_flow(tmp_path, flows, dollars, is_flow):
    rig, _ = run(tmp_path, {5: booked(dollars)}, flows=flows)
    found = [int(record.data["flow"]) for record in rig.records("FLOW")]
    assert found == ([dollars * 100] if is_flow else [])
    lost = capital(rig).drawdown_bp
    if is_flow:
        assert capital(rig).mark == (1_000_000 + dollars) * 100
        assert lost == 0
    if dollars < 0:
        if not is_flow:
            assert lost == 500


@pytest.mark.req("DOL-CAPITAL-003")
def test_a_withdrawal_that_was_announced_leaves_the_drawdown_alone(tmp_path):
    script = {2: market(BUY, X1), 20: chain(command("flow", amount=-50_000 * 100), booked(-50_000))}
    rig, s = run(tmp_path, script, [65_000] * 10 + [64_000] * 20)
    assert s.answers == [{"ok": True, "verb": "flow", "announced": str(-50_000 * 100)}]
    before = [record.data["out"][9] for record in rig.records("EQUITY")]
    assert [int(record.data["flow"]) for record in rig.records("FLOW")] == [-50_000 * 100]
    assert abs(capital(rig).drawdown_bp - max(before)) <= 1
    assert capital(rig).drawdown_bp > 150


@pytest.mark.req("DOL-CAPITAL-003")
def test_what_a_fill_brought_is_no_flow(tmp_path):
    rig, _ = run(tmp_path, {2: market(BUY, X1), 15: market(SELL, X1)}, [65_000] * 10 + [65_500] * 20, flows="all")
    assert rig.records("FLOW") == []
    assert capital(rig).equity > 1_000_000 * 100


@pytest.mark.req("DOL-CAPITAL-003")
def test_the_same_balance_again_is_none(tmp_path):
    rig, _ = run(tmp_path, {5: booked(0)}, flows="all")
    assert rig.records("FLOW") == []


@pytest.mark.req("DOL-CAPITAL-003")
def test_two_deposits_at_one_time_are_one_flow(tmp_path):
    rig, _ = run(tmp_path, {5: chain(booked(10_000), booked(20_000))})
    assert [int(record.data["flow"]) for record in rig.records("FLOW")] == [30_000 * 100]


@pytest.mark.req("DOL-CAPITAL-003")
def test_a_deposit_at_the_last_row_is_told_before_the_close(tmp_path):
    rig, _ = run(tmp_path, {29: booked(10_000)})
    assert [int(record.data["flow"]) for record in rig.records("FLOW")] == [10_000 * 100]
    assert capital(rig).drawdown_bp == 0
