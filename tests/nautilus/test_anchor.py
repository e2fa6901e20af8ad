"""What a day began with: its NOTE, over a real book and in a real TradingNode, and what is shown of it."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from dolphin.app import reconcile as cli
from dolphin.app.cli import main
from dolphin.app.status import day_line
from dolphin.audit import pipeline
from dolphin.journal import read
from dolphin.journal.entries import Day
from dolphin.journal.folding import folded
from dolphin.nautilus import anchor
from tests.audit.mutate import rechained
from tests.nautilus.live_node import guard_of
from tests.nautilus.rig import T0, Rig, S, audusd, quotes
from tests.nautilus.test_gates import BUY, market
from tests.nautilus.test_kill import make
from tests.nautilus.test_live import run
from tests.nautilus.test_money import bought, until
from tests.nautilus.test_reconcile import Still

PRICES = [65_000] * 5 + [65_100] * 20


def days(path):
    return [record for record in read(str(path)) if record.data.get("what") == "day"]


@pytest.fixture
def short(monkeypatch):
    """A day of ten seconds."""
    monkeypatch.setattr(anchor, "DAY_NS", 10 * S)


def booked(tmp_path, before=lambda guard: None):
    """A book that gains and loses over three short days, looked at each second; what was shown at each."""
    shown = []
    rig = Rig(tmp_path, audusd())

    def look(s):
        guard = rig.guard.parts.guard
        before(guard)
        anchor.look(guard, s.clock.timestamp_ns())
        shown.append(anchor.told(guard))

    def act(at):
        def inner(s):
            if at == 2:
                market(BUY, 1_000_000)(s)
            look(s)

        return inner

    rig.add(make({at: act(at) for at in range(24)})).run(quotes(audusd(), PRICES))
    assert rig.guard.failures == []
    return rig, shown


@pytest.mark.req("DOL-LEDGER-008")
def test_the_first_look_of_a_day_names_what_it_began_with(tmp_path, short):
    rig, shown = booked(tmp_path)
    found = days(rig.journal)
    capital = [(record.data["equity"], record.data["mark"], record.data["capital"]) for record in found]
    first = T0 // (10 * S)
    assert [record.data["day"] for record in found] == [first, first + 1, first + 2]
    assert capital[0] == (100_000_000, 100_000_000, 0)
    assert capital[2][0] > capital[1][0] == capital[0][0]  # the second day has made something
    assert shown[0] == {}  # nothing was read yet
    assert int(shown[19]["made"]) == capital[2][0] - capital[1][0] > 0
    assert shown[-1]["made"] == "0"
    assert shown[-1]["mark"] == str(capital[2][1])
    assert pipeline.audit(str(rig.journal)).findings == ()
    assert folded(str(rig.journal)).book.aside.accounts.day == Day(first + 2, *capital[2])


@pytest.mark.req("DOL-LEDGER-008")
@pytest.mark.parametrize("field", ["equity", "mark", "capital"])
def test_the_audit_recomputes_what_a_day_began_with(tmp_path, short, field):
    rig, _ = booked(tmp_path)
    lines = rig.journal.read_text().splitlines()
    at = [i for i, line in enumerate(lines) if '"what":"day"' in line][1]
    value = json.loads(lines[at])
    value["data"][field] += 1
    lines[at] = json.dumps(value, separators=(",", ":"))
    rig.journal.write_text("\n".join(rechained(lines, at)) + "\n")
    for jobs in (1, 2):
        (finding,) = pipeline.audit(str(rig.journal), jobs=jobs).findings
        assert (finding.kind, finding.field, finding.requirement) == ("NOTE", field, "DOL-LEDGER-008")


@pytest.mark.req("DOL-LEDGER-008")
def test_a_day_waits_for_equity_and_for_the_journal(tmp_path, short):
    def before(guard):
        capital = guard.state.capital
        found = len(days(tmp_path / "journal.jsonl"))
        if capital.mark == 0:
            return
        state, waiting = guard.state, guard.waiting
        guard.state = state._replace(capital=capital._replace(error_ns=5))
        anchor.look(guard, state.clock.t_ns)
        guard.state = state
        guard.waiting = lambda: 1
        anchor.look(guard, state.clock.t_ns)
        guard.waiting = waiting
        if found:  # a clock that stepped back
            anchor.look(SimpleNamespace(state=state, accounts=guard.accounts), 0)
        assert len(days(tmp_path / "journal.jsonl")) == found

    rig, _ = booked(tmp_path, before)
    assert len(days(rig.journal)) == 3


@pytest.mark.req("DOL-LEDGER-008")
def test_a_live_book_names_its_days_and_shows_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(anchor, "DAY_NS", 2 * S)
    path = tmp_path / "journal.jsonl"

    async def act(node):
        guard = guard_of(node)
        await bought(node)
        await until(lambda: guard.parts.guard.accounts.day is not None)
        first = guard.parts.guard.accounts.day.day
        await until(lambda: guard.parts.guard.accounts.day.day > first)
        arguments = ["--now", "--state", str(tmp_path), "--cause", "drill", "--timeout", "30"]
        await asyncio.to_thread(cli.main, arguments)
        return await asyncio.to_thread(main, ["status", "--state", str(tmp_path)])

    _, _, code = run(tmp_path, act, trader=Still, mode="report", position_sync_ms=0)
    assert code == 0
    out = capsys.readouterr().out
    assert "day, in minor units: " in out
    assert "minor units since it began with " in out
    assert " UTC); mark 100,0" in out
    assert "\nday          " in out
    assert " USD since it began with " in out
    assert len(days(path)) >= 2
    assert pipeline.audit(str(path)).findings == ()
    assert main(["status", "--state", str(tmp_path)]) == 0
    assert " USD since it began with " in capsys.readouterr().out


def test_a_day_in_words():
    found = {"currency": "USD", "minor_per_unit": 100}
    day = {"day": "20779", "equity": "100000", "made": "-150"}
    assert day_line(found, day) == "-1.50 USD since it began with 1,000.00 USD (2026-11-22, UTC)"
    assert day_line({}, {"day": "-1", "made": "7"}) == (
        "+7 minor units since it began with 0 minor units (day -1, UTC)"
    )  # fmt: skip
