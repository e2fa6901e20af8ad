"""The ledger of a journal, through a real engine: its closing figures are the account's; each fill is counted once."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random

import pytest
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.instruments import FuturesContract
from nautilus_trader.model.objects import Money, Price
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.audit import pipeline, report
from dolphin.audit.finding import Verdict
from dolphin.journal import read
from dolphin.journal.entries import Accounts
from tests.audit.mutate import rechained
from tests.nautilus.rig import SIM, Rig, S, audusd, quotes
from tests.nautilus.test_currencies import Desk, flat, order
from tests.nautilus.test_dropped_fills import TWICE, desk, dropped
from tests.nautilus.test_gates import BUY, SELL, X1, market
from tests.nautilus.test_kill import make

INS = audusd()
NAME = INS.id.value


def walk(seed, count):
    """A way up and down, and a script of buys and sells that cross zero and leave in parts; flat at the end."""
    rng = Random(seed)
    prices, held, script = [65_000], 0, {}
    for i in range(1, count):
        prices.append(prices[-1] + rng.randint(-3, 3))
        if i % 3 == 2:
            size = rng.randrange(1_000, 60_000, 1_000)
            side = rng.choice((1, -1))
            held += side * size
            script[i] = market(BUY if side > 0 else SELL, size)
    if held:
        script[count] = market(SELL if held > 0 else BUY, abs(held))
    return [*prices, *[prices[-1]] * 5], script


def audited(path):
    return pipeline.audit(str(path / "journal.jsonl"))


def figures(path):
    found = audited(path)
    assert found.verdict == Verdict.CONFORMS, [finding.lines() for finding in found.findings]
    return found.ledger


def changed(path, kind, before, after):
    """The journal with one text changed in the first record of this kind, and every hash computed anew."""
    lines = (path / "journal.jsonl").read_text().splitlines()
    index = next(i for i, line in enumerate(lines) if f'"kind":"{kind}"' in line and before in line)
    lines[index] = lines[index].replace(before, after, 1)
    made = path / "changed.jsonl"
    made.write_text("\n".join(rechained(lines, index)) + "\n")
    (finding,) = pipeline.audit(str(made)).findings
    return finding


@pytest.mark.req("DOL-LEDGER-001")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_realised_profit_less_fees_is_what_the_account_has_more(tmp_path, seed):
    prices, script = walk(seed, 60)
    rig = Rig(tmp_path, INS).add(make(script)).run(quotes(INS, prices))
    assert rig.guard.failures == []
    assert rig.engine.cache.positions_open() == []
    said = figures(tmp_path)
    (line,) = said["instruments"]
    assert (line["lots"], line["currency"]) == ("0", "USD")
    gained = int(line["realised"]) - int(said["fees"]["USD"])
    balance = int((rig.balance().as_decimal() - 1_000_000) * 100)
    assert said["fills"] == len(rig.records("FILL")) >= 15
    # Nautilus rounds each fill's profit to a cent; the ledger rounds once.
    assert abs(gained - balance) <= said["fills"]
    assert gained != 0


@pytest.mark.req("DOL-LEDGER-001")
def test_open_positions_are_those_that_nautilus_holds(tmp_path):
    rig = Rig(tmp_path, INS).add(make({3: market(BUY, 30_000), 5: market(SELL, 50_000), 7: market(BUY, 4_000)}))
    rig.run(quotes(INS, [65_000] * 10))
    (position,) = rig.engine.cache.positions_open()
    (line,) = figures(tmp_path)["instruments"]
    assert int(line["lots"]) == int(position.signed_qty) == -16_000


@pytest.mark.req("DOL-LEDGER-003")
def test_close_names_the_ledger_and_a_changed_fill_gives_another(tmp_path):
    rig = Rig(tmp_path, INS).add(make({3: market(BUY, X1), 6: market(SELL, X1)})).run(quotes(INS, [65_000] * 10))
    assert rig.records("CLOSE")[0].data["accounts"] == figures(tmp_path)["checksum"]
    for before, after in (('"price":"0.65001"', '"price":"0.65002"'), ('"currency":"USD"', '"currency":"EUR"')):
        finding = changed(tmp_path, "FILL", before, after)
        assert (finding.kind, finding.field, finding.requirement) == ("CLOSE", "accounts", "DOL-LEDGER-003")
    assert changed(tmp_path, "FILL", '"price":"0.65001"', '"price":"x"').field == "data"


def test_a_journal_of_before_says_no_checksum_and_is_audited_as_it_was(tmp_path):
    Rig(tmp_path, INS).add(make({3: market(BUY, X1)})).run(quotes(INS, [65_000] * 6))
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    body = json.loads(lines[-1])
    lines[-1] = lines[-1].replace(f',"accounts":"{body["data"]["accounts"]}"', "")
    old = tmp_path / "old.jsonl"
    old.write_text("\n".join(rechained(lines, len(lines) - 1)) + "\n")
    found = pipeline.audit(str(old))
    assert found.verdict == Verdict.CONFORMS
    assert found.ledger["fills"] == 1


@pytest.mark.req("DOL-LEDGER-002")
def test_a_fill_that_is_published_twice_is_counted_once_and_said(tmp_path):
    told = []

    def echo(s, event):
        if isinstance(event, OrderFilled):
            s.react = None
            s.msgbus.publish(topic=f"events.order.{s.id.value}", msg=event)

    s = make({3: market(BUY, X1), 6: market(SELL, 1_000)})
    s.react = echo
    rig = Rig(tmp_path, INS).add(s)
    rig.guard.on_change.append(lambda what, text: told.append((what, text)))
    rig.run(quotes(INS, [65_000] * 10))
    assert rig.guard.failures == []
    assert [fill.data.get("again") for fill in rig.records("FILL")] == [None, 1, None]
    (text,) = [text for what, text in told if what == "LEDGER"]
    assert "DOL-LEDGER-002" in text
    said = figures(tmp_path)
    assert (said["fills"], said["again"]) == (2, 1)
    assert said["instruments"][0]["lots"] == str(X1 - 1_000)
    assert "1 came again and were not counted" in report.text(audited(tmp_path))
    finding = changed(tmp_path, "FILL", ',"again":1', "")
    assert (finding.field, finding.requirement) == ("again", "DOL-LEDGER-002")


@pytest.mark.req("DOL-LEDGER-002")
def test_a_fill_that_says_it_came_before_and_did_not_is_found(tmp_path):
    Rig(tmp_path, INS).add(make({3: market(BUY, X1)})).run(quotes(INS, [65_000] * 6))
    finding = changed(tmp_path, "FILL", '"currency":"USD"', '"currency":"USD","again":1')
    assert (finding.field, finding.expected) == ("again", "no such field")


@pytest.mark.req("DOL-LEDGER-003")
def test_the_ledger_goes_on_over_sessions(tmp_path):
    """What the first holds at its end is gone: the simulated venue of the next engine begins flat."""
    first = Rig(tmp_path, INS).add(make({3: market(BUY, 5_000), 5: market(SELL, 2_000)}))
    first.run(quotes(INS, [65_000] * 10))
    once = figures(tmp_path)
    then_ns = first.records()[-1].ts_ns + S
    again = Rig(tmp_path, INS, resume="always").add(make({3: market(SELL, 4_000)}))
    again.run(quotes(INS, [65_000] * 10, start_ns=then_ns))
    assert again.guard.parts.resumed
    said = figures(tmp_path)
    assert (once["fills"], said["fills"], said["again"]) == (2, 3, 0)
    assert (once["instruments"][0]["lots"], said["instruments"][0]["lots"]) == ("3000", "-4000")
    assert said["instruments"][0]["realised"] is None  # nobody knows at which price those 3,000 went
    assert int(said["fees"]["USD"]) > int(once["fees"]["USD"])
    assert again.records("CLOSE")[-1].data["accounts"] == said["checksum"]
    made = Accounts()
    for record in read(str(again.journal)):
        made.each(record.kind, record.data)
    assert made.digest() == said["checksum"]


@pytest.mark.req("DOL-LEDGER-002", "DOL-KILL-007")
def test_a_fill_that_no_position_took_is_the_venues_and_counts(tmp_path):
    made = desk(tmp_path, TWICE)
    assert dropped(made) == ["-3"]
    (line,) = figures(tmp_path)["instruments"]
    moved = sum(fill["side"] * fill["lots"] for fill in made.records("FILL"))
    assert int(line["lots"]) == moved == -X1


def crude():
    """A future of 1,000 barrels whose price may be below zero."""
    kind = FuturesContract.to_dict(TestInstrumentProvider.es_future(expiry_year=2026, expiry_month=12))
    kind |= {"id": "CL.SIM", "raw_symbol": "CL", "underlying": "CL", "multiplier": "1000", "asset_class": "COMMODITY"}
    kind |= {"activation_ns": 0}
    return FuturesContract.from_dict(kind)


@pytest.mark.req("DOL-LEDGER-001")
def test_oil_below_zero(tmp_path):
    oil = crude()
    rows = [*flat({oil: ("17.72", "17.73")}, 10), *flat({oil: ("-37.63", "-37.62")}, 10, start=10)]
    script = {3: order(oil, BUY, "10"), 15: order(oil, SELL, "10")}
    money = [Money(10_000_000, USD)]
    made = Desk(tmp_path, [oil], money, USD, oil, script, mode="report").run(rows)
    assert made.positions() == []
    (line,) = figures(tmp_path)["instruments"]
    assert line["realised"] == str(-55_360_000)
    fees = int(figures(tmp_path)["fees"].get("USD", 0))
    assert made.account.balance_total(USD).as_decimal() == Decimal(10_000_000) - Decimal(55_360_000 + fees) / 100
    assert made.records("FILL")[1]["price"] == str(Price.from_str("-37.63"))
    assert SIM.value in line["instrument"]


def test_the_report_shows_the_closing_figures(tmp_path):
    Rig(tmp_path, INS).add(make({3: market(BUY, X1)})).run(quotes(INS, [65_000] * 6))
    found = audited(tmp_path)
    text = report.text(found)
    assert "  ledger       1 fills, fees " in text
    assert f"{NAME}: {X1:,} lots, realised 0 USD" in text
    assert report.plain(found)["ledger"]["instruments"][0]["lots"] == str(X1)
