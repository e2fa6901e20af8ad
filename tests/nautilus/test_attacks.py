"""What a reviewer broke, each through a real engine: none of it may work again."""

import pytest
from nautilus_trader.model.identifiers import ClientOrderId

from dolphin.kernel.events import Fault
from dolphin.kernel.reasons import Cause
from dolphin.nautilus.guard import UNWRITABLE
from tests.nautilus.rig import Rig, Scripted, quotes, replays
from tests.nautilus.test_gates import BUY, FLAT, INS, X1, drive, market

DEEP = 2_000_000_000
"""A size of the market that fills everything at once."""


# --- 1: names with every sign -----------------------------------------------------------------------------------------


@pytest.mark.req("DOL-JOURNAL-008")
@pytest.mark.parametrize("mode", ["guard", "report"])
@pytest.mark.parametrize("name", ['O"1', "O\\1", "O-1\nx", "O\t1"])
def test_a_name_with_any_sign_is_written_and_read_again(tmp_path, name, mode):
    entry = market(BUY, X1, client_order_id=ClientOrderId(name))
    rig, _ = drive(tmp_path, {3: entry, 8: lambda s: s.command("kill")}, mode=mode)
    assert rig.records("ORDER")[0].data["x"]["id"] == name
    assert len(rig.records("TRIPPED", "KILL", "COMMAND")) > 0


@pytest.mark.req("DOL-JOURNAL-008")
def test_a_record_that_has_no_form_holds_nothing_up(tmp_path):
    def act(s):
        guard = rig.guard.parts.guard
        now_ns = s.clock.timestamp_ns()
        guard.write(now_ns, "NOTE", "{\n}")
        guard.emit(Fault(now_ns, Cause.EXCEPTION), '{\n"a":1}')

    strategy = Scripted(INS, {3: act})
    rig = Rig(tmp_path, INS)
    rig.add(strategy)
    rig.run(quotes(INS, FLAT))
    replays(rig.journal)
    assert [note.data["kind"] for note in rig.records("NOTE") if note.data["what"] == "unwritable"] == ["NOTE"]
    assert len(rig.records("FAULT")) == 1
    assert "x" not in rig.records("FAULT")[0].data
    assert UNWRITABLE % "NOTE" in rig.journal.read_text()
