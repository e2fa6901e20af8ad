"""At what limits value things: an exit at the side at which it was counted, margin as the account has it now; and at
what cost: judging all that is held takes one pass over it.
"""

from decimal import Decimal

import pytest
from nautilus_trader.model.enums import OmsType

from dolphin.app.limits_file import load_limits
from dolphin.audit.replay import audit
from dolphin.kernel.sizer import fit
from dolphin.limits.codes import Code
from dolphin.limits.config import to_object
from dolphin.limits.limiter import Limiter
from dolphin.nautilus.limiting import Limiting
from tests.limits.orders import ROW, looked
from tests.nautilus.rig import Rig, Scripted, quotes
from tests.nautilus.test_gates import BUY, INS, SELL, market
from tests.nautilus.test_kill import chain
from tests.nautilus.test_limits import written

WIDE = 2_000
"""A spread of 3 %."""


@pytest.mark.req("DOL-LIMIT-018")
@pytest.mark.parametrize(("side", "back"), [(BUY, SELL), (SELL, BUY)])
def test_what_an_exit_frees_is_what_it_was_counted_as(tmp_path, side, back):
    """Through zero with all that may be held: what is left for the other side is as much money, not a spread more."""
    file = written(tmp_path, '[gross_leverage]\nmode = "on"\nvalue = "0.01x"\n')
    strategy = Scripted(INS, {3: market(side, 20_000), 8: market(back, 60_000)})
    rig = Rig(tmp_path / "book", INS, limits=str(file)).add(strategy)
    rig.run(quotes(INS, [65_000] * 5 + [65_000] * 15, spread=WIDE))
    assert rig.guard.failures == []
    assert audit(str(rig.journal)).verdict == "conforms"
    first, second = [r.data for r in rig.records("ORDER")]
    held = first["cap_lots"]
    assert second["x"]["limits"]["facts"]["exit_lots"] == held
    assert second["cap"] == Code.GROSS_LEVERAGE
    room = second["equity"] // 100 - second["gross"] + second["x"]["limits"]["facts"]["freed"]
    assert second["gross"] - 1 <= second["x"]["limits"]["facts"]["freed"] <= second["gross"], "all that was held"
    assert second["cap_lots"] == fit(room, second["value_u"])


def lend_nothing(s):
    s.cache.accounts()[0].set_leverage(INS.id, Decimal(1))


def ask_for_more(s):
    """The venue's margin rises to fifty times what it was."""
    said = type(INS).to_dict(INS)
    s.cache.add_instrument(type(INS).from_dict(said | {"margin_init": str(INS.margin_init * 50)}))


@pytest.mark.req("DOL-LIMIT-026")
@pytest.mark.parametrize("act", [lend_nothing, ask_for_more])
def test_margin_follows_the_account_and_the_instrument(tmp_path, act):
    """Initial margin 3 %: at 50x an entry takes 0.06 % of its value, then fifty times as much."""
    file = written(tmp_path, '[free_margin]\nmode = "on"\nvalue = "99.9 %"\n')
    strategy = Scripted(INS, {3: market(BUY, 1_000), 5: chain(act, market(BUY, 500_000))})
    rig = Rig(tmp_path / "book", INS, limits=str(file)).add(strategy).run(quotes(INS, [65_000] * 9))
    assert rig.guard.failures == []
    first, second = [r.data for r in rig.records("ORDER")]
    assert "cap" not in first
    assert second["cap"] == Code.FREE_MARGIN
    assert 49_000 < second["cap_lots"] < 52_000, "1,000 dollars are free beyond the limit, a lot takes 0.0195"


class Counted(list):
    """Rows that count how often they are gone through."""

    passes = 0

    def __iter__(self):
        self.passes += 1
        return super().__iter__()


EVERY = """
[position]
mode = "on"
value = 1000000
[venue_exposure]
mode = "on"
value = 1000000
[strategy_exposure]
mode = "on"
value = 1000000
[sector_exposure]
mode = "on"
value = 1000000
sectors = { fx = ["AUD/USD.SIM"] }
[stress_loss]
mode = "on"
value = "90 %"
scenarios = { crash = { "*" = "-2 %" }, boom = { "AUD/USD.SIM" = "2 %" } }
"""


@pytest.mark.req("DOL-LIMIT-003")
def test_all_that_is_held_is_judged_in_one_pass(tmp_path):
    rows = Counted(ROW._replace(instrument=f"{number}.X", lots=1, held=1) for number in range(50))
    held = [looked(lots=0, rows=rows)._replace(instrument=row.instrument) for row in rows for _ in range(2)]
    rows.passes = 0
    limiter = Limiter(load_limits(written(tmp_path, EVERY)))
    assert limiter.breached(held) == []
    assert rows.passes == 1


@pytest.mark.req("DOL-LIMIT-003")
def test_a_proposal_reads_each_position_once(tmp_path, monkeypatch):
    """Twelve positions under HEDGING: the rows that a proposal is judged by are twelve, not twelve for each of them."""
    read = []
    row = Limiting._row

    def counted(self, group, sums):
        read.append(group.key)
        return row(self, group, sums)

    answers = []
    said = to_object(load_limits(written(tmp_path, EVERY.replace("value = 1000000", "value = 2000000"))))

    def propose(s):
        read.clear()
        answers.append((s.command("limits-propose", limits=said), len(read), len(set(read))))

    file = written(tmp_path, EVERY)
    strategy = Scripted(INS, {3: chain(*[market(BUY, 1_000) for _ in range(12)]), 6: propose})
    rig = Rig(tmp_path / "book", INS, limits=str(file), oms=OmsType.HEDGING)
    monkeypatch.setattr(Limiting, "_row", counted)
    rig.add(strategy).run(quotes(INS, [65_000] * 9))
    assert rig.guard.failures == []
    ((answer, passes, positions),) = answers
    assert answer["ok"]
    assert positions >= 12
    assert passes == positions
