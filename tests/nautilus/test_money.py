"""The balance by the ledger against the account's, in a real TradingNode and a real engine."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.objects import Money as Amount

from dolphin.audit import pipeline, report
from dolphin.journal import read
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Mode
from dolphin.nautilus.config import ConfigError, PlugConfig
from dolphin.nautilus.money import WHAT, Money
from tests.audit.mutate import rechained
from tests.nautilus.live_node import INS, guard_of
from tests.nautilus.rig import Rig, S, audusd, quotes
from tests.nautilus.test_attacks_live import exchange_of
from tests.nautilus.test_gates import BUY, SELL, market
from tests.nautilus.test_kill import make
from tests.nautilus.test_live import run
from tests.nautilus.test_reconcile import Still, looked

SETTINGS = {"mode": "report", "position_sync_ms": 1_000}


def notes(path):
    return [record.data for record in read(str(path)) if record.data.get("what") == "balance"]


async def bought(node):
    while not node.cache.positions_open():
        await asyncio.sleep(0.02)


async def until(found):
    while not found():
        await asyncio.sleep(0.02)


@pytest.mark.req("DOL-LEDGER-007")
def test_what_no_record_explains_is_told_once_and_is_an_entry_over_restarts(tmp_path):
    path = tmp_path / "journal.jsonl"
    told = []

    async def act(node):
        guard = guard_of(node)
        guard.on_change.append(lambda what, text: told.append(text) if what == "BALANCE" else None)
        money = guard.parts.flow.reconcile.money
        await bought(node)
        await until(lambda: money.before is not None)
        assert money.before in (-1, 0, 1)  # a fee was paid, and is known
        exchange_of(node).adjust_account(Amount(-50, USD))  # within a basis point of a million
        await until(lambda: money.before <= -4_999)
        exchange_of(node).adjust_account(Amount(-700, USD))  # with it, beyond
        await until(lambda: told)
        await looked(guard, 3)
        ledger, account = money.both()
        return ledger == account, guard.parts.guard.state.latch.mode

    _, _, (same, mode) = run(tmp_path, act, trader=Still, **SETTINGS)
    assert same
    assert mode == Mode.RUNNING
    (note,) = notes(path)
    assert (note["what"], note["currency"]) == ("balance", "USD")
    assert note["apart"] == note["account"] - note["ledger"]
    assert abs(note["apart"] + 75_000) <= 1
    (text,) = told
    assert text.startswith(f"{note['apart']:+} minor units of USD that no record explains (funding, interest, ")
    assert text.endswith("taken as an entry [DOL-LEDGER-007]")
    found = pipeline.audit(str(path))
    assert found.findings == ()
    assert found.ledger["unexplained"] == str(note["apart"])
    assert f"{note['apart']:+,} in the account that no record explains" in report.text(found)

    changes = (
        ('"ledger":', "ledger", lambda said: {**said, "ledger": said["ledger"] + 1}),
        ('"ledger":', "apart", lambda said: {**said, "apart": said["apart"] + 1}),
        ('"ledger":', "ledger", lambda said: {**said, "currency": "EUR"}),
    )
    for mark, field, change in changes:
        lines = path.read_text().splitlines()
        at = next(i for i, line in enumerate(lines) if '"what":"balance"' in line and mark in line)
        value = json.loads(lines[at])
        value["data"] = change(value["data"])
        lines[at] = json.dumps(value, separators=(",", ":"))
        other = tmp_path / "changed.jsonl"
        other.write_text("\n".join(rechained(lines, at)) + "\n")
        finding = pipeline.audit(str(other)).findings[0]
        assert (finding.kind, finding.field, finding.requirement) == ("NOTE", field, "DOL-LEDGER-007")


@pytest.mark.req("DOL-LEDGER-007")
def test_where_the_user_says_so_it_is_a_desync(tmp_path):
    async def act(node):
        guard = guard_of(node)
        await bought(node)
        await until(lambda: guard.parts.flow.reconcile.money.before is not None)
        exchange_of(node).adjust_account(Amount(-700, USD))
        await until(lambda: guard.parts.guard.state.latch.mode == Mode.KILLED)
        return guard.parts.guard.state.latch.cause

    _, _, cause = run(tmp_path, act, trader=Still, balance="on", **SETTINGS)
    assert cause == Cause.LEDGER_DESYNC
    path = tmp_path / "journal.jsonl"
    (fault,) = [record.data["x"] for record in read(str(path)) if record.kind == "FAULT"]
    (note,) = notes(path)
    assert fault == {"what": WHAT, "apart": note["apart"]}
    assert pipeline.audit(str(path)).findings == ()


class Account:
    """A margin account in dollars, or what a test makes of it."""

    is_margin_account = True
    base_currency = USD


def bench(tmp_path, scene, **settings):
    """A look at money over a real book whose balance is what a test says."""
    rig = Rig(tmp_path, audusd())
    told = []

    def act(s):
        parts = rig.guard.parts
        accounts = parts.guard.accounts
        accounts.opened = 100_000_000
        held = SimpleNamespace(amount=accounts.money("USD"))
        values = SimpleNamespace(account=Account(), base=USD, balance=lambda: held.amount)
        balance = SimpleNamespace(waits=False)
        wanted = {"balance": "passive", "balance_tolerance_bp": 0, **settings}
        beside = SimpleNamespace(
            guard=parts.guard, values=values, scales=dict(parts.scales), settings=SimpleNamespace(**wanted),
            flow=SimpleNamespace(balance=balance), actor=SimpleNamespace(tell=lambda what, text: told.append(text)),
        )  # fmt: skip
        fills = SimpleNamespace(filled_ns=0, spreads=False)
        scene(Money(beside, fills), held, beside, fills, told)
        accounts.opened = None

    rig.add(make({2: market(BUY, 9_000), 4: market(SELL, 4_000), 6: act})).run(quotes(audusd(), [65_000] * 9))
    assert rig.guard.failures == []
    return told


@pytest.mark.req("DOL-LEDGER-007")
def test_two_looks_that_find_the_same_difference_beyond_rounding_tell_it(tmp_path):
    def scene(money, held, beside, fills, told):
        start = held.amount
        for amount in (start + 3, start + 3, start - 3, start - 3):  # two fills and an instrument round
            held.amount = amount
            money.look(10 * S)
        assert told == []
        for amount in (start + 50, start + 60, start + 50):  # never the same twice
            held.amount = amount
            money.look(10 * S)
        assert told == []
        held.amount = start + 48
        money.look(10 * S)
        assert len(told) == 1
        assert beside.guard.accounts.unexplained == 48
        money.look(10 * S)
        money.look(10 * S)
        held.amount = start + 50  # no fill since: nothing but the instrument rounds
        money.look(10 * S)
        money.look(10 * S)
        assert len(told) == 2

    bench(tmp_path, scene)


@pytest.mark.req("DOL-LEDGER-007")
def test_a_share_of_the_balance_may_be_unexplained(tmp_path):
    def scene(money, held, beside, fills, told):
        start = held.amount
        held.amount = start + 10_003
        money.look(10 * S)
        money.look(10 * S)
        assert told == []
        held.amount = start - 10_003
        money.look(10 * S)
        money.look(10 * S)
        assert len(told) == 1

    bench(tmp_path, scene, balance_tolerance_bp=1)


@pytest.mark.req("DOL-LEDGER-007")
def test_when_no_look_is_taken(tmp_path):
    def scene(money, held, beside, fills, told):
        held.amount += 1_000
        book, account = beside.guard.accounts, beside.values.account

        def none(now_ns=10 * S):
            money.look(now_ns)
            money.look(now_ns)
            assert (money.before, told) == (None, [])

        beside.flow.balance.waits = True
        none()
        beside.flow.balance.waits = False
        fills.filled_ns = 8 * S + 1
        none()
        fills.filled_ns = 0
        fills.spreads = True
        none()
        fills.spreads = False
        scale = beside.scales.pop(INS.id.value)
        none()
        beside.scales[INS.id.value] = scale._replace(lot_units=1_000)
        none()
        beside.scales[INS.id.value] = scale
        waiting = beside.guard.waiting
        beside.guard.waiting = lambda: 1
        none()
        beside.guard.waiting = waiting
        for name, value in (("is_margin_account", False), ("base_currency", None)):
            setattr(account, name, value)
            none()
            delattr(account, name)
        beside.values.account = None
        none()
        beside.values.account = account
        book.inexact.add(INS.id.value)
        none()
        book.inexact.clear()
        amount, held.amount = held.amount, None
        none()
        held.amount = amount
        beside.settings.balance = "off"
        none()
        beside.settings.balance = "passive"
        money.look(10 * S)
        money.look(10 * S)
        assert len(told) == 1

    bench(tmp_path, scene)


def test_the_settings_are_checked(tmp_path):
    with pytest.raises(ConfigError, match="balance_tolerance_bp: found -1; accepted: 0 or more"):
        PlugConfig(state_dir=str(tmp_path), balance_tolerance_bp=-1)
    with pytest.raises(ConfigError, match="balance: found 'loud'; accepted: off, passive, on"):
        PlugConfig(state_dir=str(tmp_path), balance="loud")
