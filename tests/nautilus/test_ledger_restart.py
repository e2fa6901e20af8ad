"""The ledger goes on over restarts: from a checkpoint, with other scales, over what was filled meanwhile."""

from __future__ import annotations

import asyncio
import functools
import json

import pytest
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Quantity

from dolphin.audit import pipeline
from dolphin.journal import checkpoint, read
from dolphin.journal.folding import folded
from dolphin.kernel.state import Mode
from dolphin.nautilus import ledger_start, opening
from tests.audit.mutate import rechained
from tests.nautilus.live_node import INS, Trader, guard_of
from tests.nautilus.rig import Rig, S, audusd, quotes
from tests.nautilus.test_checkpoints import whole
from tests.nautilus.test_gates import BUY, SELL, market
from tests.nautilus.test_kill import make
from tests.nautilus.test_live import run
from tests.nautilus.test_reconcile import looked, unheard

FLAT = [65_000, 65_010] * 20


def again(tmp_path, script, instrument=None):
    """One more run of the same journal, a second after its end."""
    path = tmp_path / "journal.jsonl"
    start = {}
    if path.exists():
        *_, last = read(str(path))
        start = {"start_ns": last.ts_ns + S}
    rig = Rig(tmp_path, instrument or audusd(), resume="always").add(make(script))
    rig.run(quotes(rig.instrument, FLAT, **start))
    assert rig.guard.failures == []
    return rig


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(opening, "Keeper", functools.partial(checkpoint.Keeper, every=12))


def closes(path):
    return [record.data["accounts"] for record in read(str(path)) if record.kind == "CLOSE"]


@pytest.mark.req("DOL-LEDGER-003", "DOL-LEDGER-005")
def test_a_restart_from_a_checkpoint_goes_on_with_the_ledger_of_all_runs(tmp_path, often):
    first = again(tmp_path, {2: market(BUY, 9_000), 4: market(SELL, 3_000), 6: market(SELL, 6_000)})
    assert first.records("CHECKPOINT")
    second = again(tmp_path, {2: market(SELL, 2_000), 4: market(BUY, 2_000)})
    begun = folded(str(second.journal)).book
    assert begun.begun > 0
    assert begun.aside.accounts.books == whole(second.journal).aside.accounts.books
    third = again(tmp_path, {2: market(SELL, 1_000)})
    assert third.guard.parts.guard.accounts.lots("AUD/USD.SIM-S-001-001") == -1_000
    for jobs in (1, 2):
        found = pipeline.audit(str(third.journal), jobs=jobs)
        assert found.findings == ()
    assert found.ledger["fills"] == 6
    assert not [note for note in third.records("NOTE") if note.data["what"] == "opening"]  # each run ended flat
    assert closes(third.journal)[-1] == found.ledger["checksum"]
    assert len(set(closes(third.journal))) == 3


@pytest.mark.req("DOL-LEDGER-005", "DOL-JOURNAL-012")
def test_a_checkpoint_of_before_is_audited_and_a_restart_folds_from_further_back(tmp_path, often):
    rig = again(tmp_path, {2: market(BUY, 9_000), 4: market(SELL, 9_000), 6: market(BUY, 1_000)})
    lines = rig.journal.read_text().splitlines()
    places = [index for index, line in enumerate(lines) if '"kind":"CHECKPOINT"' in line]
    for index in places:
        value = json.loads(lines[index])
        del value["data"]["ledger"]
        value["data"]["aside"]["lots"]["an old one"] = 0  # each position that had ever been was kept
        lines[index] = json.dumps(value, separators=(",", ":"))
    rig.journal.write_text("\n".join(rechained(lines, places[0])) + "\n")
    (tmp_path / "journal.jsonl.head").unlink()
    for jobs in (1, 2):
        assert pipeline.audit(str(rig.journal), jobs=jobs).findings == ()
    book = folded(str(rig.journal)).book
    assert book.begun == 0
    assert book.aside.accounts.books.fills == 3
    lines[places[-1]] = lines[places[-1]].replace('"an old one":0', '"an old one":7')
    rig.journal.write_text("\n".join(rechained(lines, places[0])) + "\n")
    (finding,) = pipeline.audit(str(rig.journal), jobs=1).findings
    assert (finding.kind, finding.requirement) == ("CHECKPOINT", "DOL-JOURNAL-011")


def coarser():
    """The same pair, in lots of 1,000."""
    kind = CurrencyPair.to_dict(audusd())
    return CurrencyPair.from_dict(kind | {"size_increment": "1000", "min_quantity": "1000"})


@pytest.mark.req("DOL-LEDGER-005")
def test_a_restart_with_other_scales_says_so_and_the_audit_counts_in_them(tmp_path):
    again(tmp_path, {2: market(BUY, 9_000), 4: market(SELL, 9_000)})
    rig = again(tmp_path, {2: market(SELL, 2_000)}, coarser())
    notes = [record.data for record in rig.records("NOTE") if record.data["what"] == "scales"]
    ((said,),) = [note["instruments"] for note in notes]
    assert (said["id"], said["lot"]) == ("AUD/USD.SIM", "1000/1")
    found = pipeline.audit(str(rig.journal))
    assert found.findings == ()
    (line,) = found.ledger["instruments"]
    assert line["lots"] == "-2"
    assert int(line["realised"]) != 0
    same = again(tmp_path, {2: market(BUY, 1_000)}, coarser())
    assert len([record for record in same.records("NOTE") if record.data["what"] == "scales"]) == 1


class Buys(Trader):
    """One order."""

    def on_quote_tick(self, tick):
        self.count += 1
        if self.count == 5:
            self.submit_order(self.order_factory.market(INS.id, OrderSide.BUY, Quantity.from_int(10_000)))


@pytest.mark.req("DOL-LEDGER-005")
def test_what_is_gone_at_a_live_restart_is_an_entry_is_told_and_accuses_nobody(tmp_path):
    """The sandbox begins flat, as a venue is that has closed the position while nobody listened."""

    async def bought(node):
        while not node.cache.positions_open():
            await asyncio.sleep(0.02)
        await looked(guard_of(node), 3)
        return guard_of(node).parts.guard.state.latch.mode

    settings = {"mode": "report", "position_sync_ms": 1_000}
    _, _, mode = run(tmp_path, bought, trader=Buys, **settings)
    assert mode == Mode.RUNNING
    path = tmp_path / "journal.jsonl"
    first = [record.data for record in read(str(path)) if record.data.get("what") == "opening"]
    assert first == [{"what": "opening", "instruments": [], "positions": [], "balance": 100_000_000}]
    told = []

    async def found(node):
        guard_of(node).on_change.append(lambda what, text: told.append(text))
        while not node.cache.positions_open():
            await asyncio.sleep(0.02)
        await looked(guard_of(node), 3)
        return guard_of(node).parts.guard

    _, _, guard = run(tmp_path, found, trader=Buys, **settings)
    assert guard.state.latch.mode == Mode.RUNNING
    assert guard.accounts.books.fills == 2
    assert [line.lots for line in guard.accounts.lines()] == [10_000]
    assert guard.accounts.inexact == {INS.id.value}
    second = [record.data for record in read(str(path)) if record.data.get("what") == "opening"][1:]
    assert second == [{"what": "opening", "instruments": [INS.id.value], "positions": []}]
    report = pipeline.audit(str(path))
    assert report.findings == ()
    assert report.ledger["instruments"][0]["realised"] is None


@pytest.mark.req("DOL-LEDGER-005")
def test_what_nautilus_shows_at_a_first_start_is_the_opening_entry(tmp_path):
    """Of a real position: its lots, and its average price to the last digit that a price has."""
    rig = Rig(tmp_path, audusd())
    seen, told = [], []

    def scene(s):
        parts = rig.guard.parts
        rig.guard.on_change.append(lambda what, text: told.append((what, text)))
        for scales in (parts.scales, {}):
            seen.append(ledger_start.shown_in(parts.cache, scales))
        kept = parts.guard.accounts.books
        for live, resumed, fills in ((True, False, 0), (True, True, 0), (True, True, 2), (False, False, 0)):
            parts.guard.accounts.books = kept._replace(held={}, fills=fills)
            parts.guard.accounts.opened = None
            parts.live, parts.resumed = live, resumed
            ledger_start.opening_entry(parts, s.clock.timestamp_ns())
        parts.live, parts.guard.accounts.opened = True, None
        parts.guard.accounts.books = kept._replace(fills=0)
        parts.flow.balance.held = None
        ledger_start.opening_entry(parts, s.clock.timestamp_ns())
        parts.live, parts.resumed = False, False

    rig.add(make({2: market(SELL, 9_000), 6: market(SELL, 1_000), 8: scene})).run(quotes(audusd(), FLAT))
    assert rig.guard.failures == []
    row = {"position": "AUD/USD.SIM-S-001-001", "instrument": "AUD/USD.SIM", "lots": -10_000, "price": "0.64999"}
    notes = [record.data for record in rig.records("NOTE") if record.data["what"] == "opening"]
    said = {"what": "opening", "instruments": ["AUD/USD.SIM"], "positions": [row]}
    assert [note | {"balance": 0} for note in notes] == [said | {"balance": 0}] * 3
    assert ["balance" in note for note in notes] == [True, True, False]  # what fills have changed is no beginning
    assert seen == [{"AUD/USD.SIM": {"AUD/USD.SIM-S-001-001": (-10_000, "0.64999")}}, {}]
    assert [what for what, _ in told] == ["LEDGER"] * 2
    (text,) = {text for _, text in told}
    assert text == "AUD/USD.SIM: -10000 lots more are held than the journal knows of [DOL-LEDGER-005]"


@pytest.mark.req("DOL-LEDGER-005")
def test_a_backtest_that_takes_a_journal_up_begins_flat_is_told_and_accuses_nobody(tmp_path):
    """Its venue is simulated and empty. What differs inside the run is a desync as ever."""
    again(tmp_path, {2: market(BUY, 9_000)})
    modes = []

    def ask(s):
        assert s.command("reconcile")["ok"]
        modes.append(rig.guard.parts.guard.state.latch.mode)

    def lost(s):
        unheard(s.cache.positions_open()[0])

    *_, last = read(str(tmp_path / "journal.jsonl"))
    told = []
    script = {2: ask, 3: ask, 5: market(SELL, 2_000), 7: ask, 8: ask, 10: lost, 12: ask, 13: ask}
    rig = Rig(tmp_path, audusd(), resume="always", mode="report").add(make(script))
    rig.guard.on_change.append(lambda what, text: told.append((what, text)))
    rig.run(quotes(rig.instrument, FLAT, start_ns=last.ts_ns + S))
    assert rig.guard.failures == []
    assert modes == [Mode.RUNNING] * 5 + [Mode.KILLED]
    assert [text for what, text in told if what == "LEDGER"] == [
        "AUD/USD.SIM: -9000 lots more are held than the journal knows of [DOL-LEDGER-005]"
    ]
    (said,) = [record.data for record in rig.records("NOTE") if record.data["what"] == "opening"]
    assert said == {"what": "opening", "instruments": ["AUD/USD.SIM"], "positions": []}
    (fault,) = [record.data["x"] for record in rig.records("FAULT")]
    assert fault["what"] == "positions and fills differ"
    assert pipeline.audit(str(rig.journal)).findings == ()


def test_an_average_that_is_no_number_has_no_price(tmp_path):
    rig = Rig(tmp_path, audusd()).add(make({})).run(quotes(audusd(), FLAT))
    (scale,) = rig.guard.parts.scales.values()
    assert ledger_start._price(float("nan"), scale) == "0"
    assert ledger_start._price(-0.650014, scale) == "-0.65001"
