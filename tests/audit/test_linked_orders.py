"""Linked orders of a real engine's journal: TLC judges each list as the replay does, and finds each changed number."""

import json
import shutil

import pytest
from nautilus_trader.model.enums import OmsType

from dolphin.audit import conformance, replay
from dolphin.audit.finding import Verdict
from tests.audit.mutate import rechained
from tests.nautilus.rig import audusd, quotes
from tests.nautilus.test_attacks import DEEP, family
from tests.nautilus.test_brackets import run
from tests.nautilus.test_gates import BUY, SELL, X1, bracket, limit, market, oco
from tests.nautilus.test_kill import command

INS = audusd()
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="TLC needs Java")
SCRIPT = {
    1: bracket(BUY, 9 * X1, 64_000, 66_000),  # too large: denied whole
    2: bracket(BUY, X1, 64_000, 66_000),
    3: family("P", BUY, X1, 64_900, [(SELL, X1, 65_300)] * 2),  # two children, not linked: one of them enters
    4: lambda s: s.cancel_all_orders(INS.id),
    5: command("shock"),
    6: oco(X1, 64_000, 66_000),
    7: family("Q", SELL, X1, 64_900, [(BUY, X1, 64_950)]),  # an exit whose child enters again
    8: family("R", SELL, X1 // 2, 65_400, [(SELL, X1 // 2, 65_500)]),  # one exit too many beside the pair
    9: limit(SELL, X1, 65_400),
    10: market(SELL, X1),
    12: command("kill"),
}


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("linked")
    rig, _ = run(path, OmsType.NETTING, SCRIPT, quotes(INS, [65_000] * 20, size=DEEP))
    return rig.journal.read_text().splitlines()


def lists(lines):
    """Where the undivided orders are, and what was said of them."""
    found = []
    for at, line in enumerate(lines):
        record = json.loads(line)
        if record["kind"] == "ORDER" and record["data"]["whole"] == 1:
            found.append((at, record["data"]))
    return found


@needs_java
@pytest.mark.req("DOL-EXIT-004", "DOL-EXIT-007", "DOL-AUDIT-002")
def test_both_engines_pass_the_lists_of_a_run(tmp_path, lines):
    path = tmp_path / "journal.jsonl"
    path.write_text("\n".join(lines) + "\n")
    ours, theirs = replay.audit(str(path)), conformance.audit(str(path))
    assert conformance.agreement(ours, theirs).disagreement == ""
    assert ours.findings == theirs.findings == ()
    assert ours.verdict == Verdict.CONFORMS
    said = [(data["side"], data["lots"] // (X1 // 2), data["fx"][-1][1] > 0) for _, data in lists(lines)]
    assert {passed for _, _, passed in said} == {True, False}
    assert len(said) >= 7


@needs_java
@pytest.mark.req("DOL-AUDIT-002")
@pytest.mark.parametrize("passed", [True, False], ids=["a list that left", "a list that was refused"])
def test_both_engines_reject_a_list_that_left_in_part_or_though_it_was_refused(tmp_path, lines, passed):
    at, data = next(each for each in lists(lines) if (each[1]["fx"][-1][1] > 0) == passed)
    effect = data["fx"][-1]
    changed = [effect[0], effect[1] - 1 if passed else data["lots"], *effect[2:]]
    before, after = (json.dumps(each, separators=(",", ":")) for each in (effect, changed))
    made = list(lines)
    assert made[at].count(before) == 1
    made[at] = made[at].replace(before, after)
    path = tmp_path / "journal.jsonl"
    path.write_text("\n".join(rechained(made, at)) + "\n")
    ours, theirs = replay.audit(str(path)), conformance.audit(str(path))
    assert (ours.verdict, theirs.verdict) == (Verdict.VIOLATES, Verdict.VIOLATES)
    assert (ours.findings[0].line, ours.findings[0].field) == (theirs.findings[0].line, theirs.findings[0].field)
    assert conformance.agreement(ours, theirs).disagreement == ""
