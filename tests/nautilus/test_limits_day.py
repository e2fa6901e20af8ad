"""What a day has cost, over switching the limit off and on and over restarts; and what is loosened while blind."""

import pytest
from nautilus_trader.model.currencies import USD

from dolphin.app.limits_file import load_limits
from dolphin.audit.replay import audit
from dolphin.limits.codes import Code
from dolphin.limits.config import to_object
from tests.nautilus.rig import T0, Rig, S, Scripted, quotes
from tests.nautilus.test_currencies import EURGBP, FX, GBPUSD, MILLION, QUOTED, USDJPY, Desk, flat, order
from tests.nautilus.test_gates import BUY, INS, market
from tests.nautilus.test_limits import HELD, later, written

DAY = 86_400
MIDNIGHT = T0 // (DAY * S) * DAY + DAY - T0 // S
"""Seconds from T0 to the end of its UTC day."""
FIVE = '[daily_loss]\nmode = "on"\nvalue = 5\n'


def proposed(path, table, answers):
    said = to_object(load_limits(written(path, table)))
    return lambda s: answers.append(s.command("limits-propose", limits=said))


def confirmed(answers):
    return lambda s: answers.append(s.command("limits-confirm", nonce=answers[-1]["nonce"]))


@pytest.mark.req("DOL-LIMIT-009", "DOL-LIMIT-023")
def test_switched_off_and_on_again_it_measures_from_where_the_day_began(tmp_path):
    """10 dollars are lost while it is off and before midnight; the new day has cost nothing."""
    answers = []
    acts = {
        3: market(BUY, HELD),
        5: proposed(tmp_path, "", answers),
        70: confirmed(answers),
        85: later(proposed(tmp_path, FIVE, answers), MIDNIGHT * 1_000),
        95: market(BUY, 1_000),
    }
    file = written(tmp_path, FIVE)
    file.rename(tmp_path / "on.toml")
    rig = Rig(tmp_path / "book", INS, limits=str(tmp_path / "on.toml")).add(Scripted(INS, acts))
    rows = quotes(INS, [65_000] * 75 + [64_900] * 15)
    rig.run(rows + quotes(INS, [64_900] * 10, start_ns=T0 + (MIDNIGHT + 88) * S))
    assert rig.guard.failures == []
    assert [bool(answer["ok"]) for answer in answers] == [True] * 3
    assert [r.data.get("cap") for r in rig.records("ORDER")] == [None, None]
    last = [r.data["limits"] for r in rig.records("NOTE") if r.data["what"] == "limits"][-1]
    assert int(last["day"]) == T0 // (DAY * S) + 1
    assert 99_998_000 < int(last["anchor"]) < 100_000_000


@pytest.mark.req("DOL-LIMIT-009", "DOL-LIMIT-023")
@pytest.mark.parametrize(
    ("after_s", "lost", "held_back"),
    [(1_000, 10, True), (1_000, 2, False), (MIDNIGHT + 1_000, 10, True), (MIDNIGHT + 1_000, 2, False)],
    ids=["the same day", "the same day, little", "over midnight", "over midnight, little"],
)
def test_what_a_night_cost_counts_after_a_restart(tmp_path, after_s, lost, held_back):
    """While the process was down, 10 dollars went: the day began with what the journal says was there before."""
    file = written(tmp_path, FIVE)
    first = Rig(tmp_path / "book", INS, limits=str(file)).add(Scripted(INS, {}))
    first.run(quotes(INS, [65_000] * 10))
    again = Rig(tmp_path / "book", INS, limits=str(file), resume="always", balance=1_000_000 - lost)
    again.add(Scripted(INS, {3: market(BUY, 1_000)})).run(quotes(INS, [65_000] * 6, start_ns=T0 + after_s * S))
    assert again.guard.failures == []
    assert again.records("ORDER")[-1].data.get("cap") == (Code.DAILY_LOSS if held_back else None)
    assert audit(str(again.journal)).verdict == "conforms"


@pytest.mark.req("DOL-LIMIT-003", "DOL-LIMIT-005", "DOL-LIMIT-023")
def test_nothing_that_judges_what_is_held_is_loosened_while_the_equity_cannot_be_read(tmp_path):
    """Without GBP/USD nobody knows what EUR/GBP is worth, nor what the day has cost."""
    answers = []
    table = FIVE + '[gross_leverage]\nmode = "on"\nvalue = "5x"\n[order_quantity]\nmode = "on"\nvalue = 1000000\n'
    looser = table.replace("value = 5\n", "value = 50\n").replace("5x", "6x").replace("1000000", "2000000")
    only = table.replace("1000000", "2000000")
    quoted = {each: QUOTED[each] for each in (USDJPY, EURGBP, GBPUSD)}
    blind = quoted | {GBPUSD: ("0.00000", "0.00000")}
    script = {
        3: order(EURGBP, BUY, 1_000),
        13: proposed(tmp_path, looser, answers),
        14: proposed(tmp_path, only, answers),
        25: proposed(tmp_path, looser, answers),
    }
    (tmp_path / "on.toml").write_text(table)
    desk = Desk(tmp_path / "book", FX, MILLION, USD, USDJPY, script, limits=str(tmp_path / "on.toml"))
    desk.run(flat(quoted, 10) + flat(blind, 5, 10) + flat(quoted, 20, 15))
    refused, granted, seeing = answers
    assert refused["error"] == "breached now, and not loosened while they are: gross_leverage, daily_loss"
    assert granted["ok"], "an order's own size is not held"
    assert granted["looser"] == ["order_quantity"]
    assert seeing["ok"]
