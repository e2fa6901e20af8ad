"""Orders of a journal, judged by TLC through spec/Judging.tla: honest ones conform, each changed number is found."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from dolphin.audit import conformance, order_tla, replay
from dolphin.audit.finding import Verdict
from dolphin.audit.order_tla import OrderRow, scaled
from dolphin.audit.tlc_runner import find_jar, run_tlc
from dolphin.audit.trace_tla import spec_folder
from dolphin.kernel import events as ev
from dolphin.kernel import orders
from dolphin.kernel.policy import INTRADAY, Posture
from dolphin.kernel.units import FULL_MS
from tests.audit import mutate
from tests.audit.make_journal import scripted

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="TLC needs Java")
UNIT = 1_000


def kernels(seed: int, count: int) -> list[OrderRow]:
    """Random orders as the kernel judges them: every posture, style and kind, small lots so that they meet."""
    dice = random.Random(seed)
    rows = []
    for _ in range(count):
        running = dice.random() < 0.9
        posture = dice.choice(list(Posture))
        standing = orders.Standing(posture, FULL_MS, running, dice.random() < 0.1, False, False, 10_000, False)
        order = ev.Order(
            0, 0, dice.choice((-1, 1)), UNIT * dice.randrange(-1, 7), dice.randrange(3), dice.choice((0, 1, 1, 1)),
            dice.choice((0, 0, 1)), dice.choice((0, 0, 1)), UNIT * dice.randrange(-5, 6), UNIT * dice.randrange(-1, 4),
            UNIT * dice.choice((0, 0, 1, 2)), UNIT * dice.choice((1, 1, 2)), 100, 0, 0, dice.choice((0, 3_000, 10**6)),
            60_000, UNIT * dice.choice((0, 0, 1)), dice.choice((-1, -1, UNIT)), 0,
        )  # fmt: skip
        cut = orders.Split(0, 0, order.lots, 0)
        if orders.opposes(order.side, order.position_lots, order.named):
            size = orders.remaining(abs(order.position_lots), order.leaving_lots, order.reduce_only)
            cut = orders.split(order.lots, size, order.own_lots, order.resting_lots, order.taking)
        room = orders.enter(INTRADAY, standing, order, cut).lots
        verdict = orders.judge(INTRADAY, standing, order)
        rows.append(
            OrderRow(
                order.side, order.lots, order.taking, order.named, order.reduce_only, order.whole, order.position_lots,
                order.resting_lots, order.own_lots, order.leaving_lots, order.min_lots, int(running), int(posture),
                room, verdict.lots, verdict.exit_lots, verdict.cancel_lots,
            )
        )  # fmt: skip
    return rows


@needs_java
@pytest.mark.req("DOL-EXIT-001", "DOL-EXIT-002", "DOL-EXIT-004", "DOL-EXIT-005", "DOL-ORDER-002", "DOL-KILL-002")
def test_the_kernel_judges_as_the_model_does() -> None:
    rows = [row for one in kernels(7, 4_000) if (row := scaled(one)) is not None]
    verdict = order_tla.check(rows)
    assert verdict.ok, rows[verdict.first_bad]
    kinds = {
        (row.out == row.lots, row.out == 0, row.exit > 0, row.cancel > 0, row.out > row.exit, row.whole) for row in rows
    }
    assert len(kinds) > 12, "what is judged is too much alike"


@needs_java
@pytest.mark.parametrize("field", ["out", "exit", "cancel"])
def test_one_lot_too_many_is_found(field: str) -> None:
    rows = [row for one in kernels(8, 300) if (row := scaled(one)) is not None]
    at = next(i for i, row in enumerate(rows) if i > 150 and row.exit > 0)
    rows[at] = rows[at]._replace(**{field: getattr(rows[at], field) + 1})
    verdict = order_tla.check(rows)
    assert (verdict.ok, verdict.first_bad) == (False, at)
    assert verdict.field == order_tla.FIELDS[["out", "exit", "cancel"].index(field)]


@needs_java
@pytest.mark.req("DOL-AUDIT-002")
@pytest.mark.parametrize("field", [1, 3])
def test_both_engines_reject_a_changed_verdict(tmp_path: Path, field: int) -> None:
    path = tmp_path / "journal.jsonl"
    scripted(path)
    lines = path.read_text().splitlines()
    index = [i for i, line in enumerate(lines) if json.loads(line)["kind"] == "ORDER"][-1]
    effect = json.loads(lines[index])["data"]["fx"][-1]
    changed = [*effect[:field], effect[field] + 1, *effect[field + 1 :]]
    before, after = (json.dumps(each, separators=(",", ":")) for each in (effect, changed))
    assert lines[index].count(before) == 1
    lines[index] = lines[index].replace(before, after)
    path.write_text("\n".join(mutate.rechained(lines, index)) + "\n")
    path.with_name("journal.jsonl.head").unlink()
    ours, theirs = replay.audit(str(path)), conformance.audit(str(path))
    assert (ours.verdict, theirs.verdict) == (Verdict.VIOLATES, Verdict.VIOLATES)
    assert (ours.findings[0].line, ours.findings[0].field) == (theirs.findings[0].line, theirs.findings[0].field)
    assert (ours.findings[0].expected, ours.findings[0].actual) == (
        theirs.findings[0].expected,
        theirs.findings[0].actual,
    )
    assert conformance.agreement(ours, theirs).disagreement == ""


def test_a_row_is_in_its_own_unit_and_one_that_does_not_fit_is_not_judged() -> None:
    large = OrderRow(1, 7 << 40, 0, 1, 0, 0, 0, 0, 0, 0, 1 << 40, 1, 0, 7 << 40, 7 << 40, 0, 0)
    assert scaled(large) == large._replace(lots=7, min_lots=1, room=7, out=7)
    assert scaled(large._replace(out=1)) == large._replace(lots=7, min_lots=1, room=7, out=-1)
    assert scaled(large._replace(lots=(7 << 40) + 1)) is None


@needs_java
def test_the_bad_one_is_named_in_a_later_window_and_past_one_that_is_not_judged() -> None:
    rows = kernels(9, 30)
    at = next(i for i, row in enumerate(rows) if i > 20 and row.exit > 0)
    taken = order_tla.Orders(find_jar(), window=20)
    taken.take(rows[0]._replace(lots=(7 << 40) + 1))
    for row in (*rows[:at], rows[at]._replace(exit=0), *rows[at + 1 :]):
        taken.take(row)
    taken.judge()
    assert (taken.unjudged, taken.count, taken.first_bad) == (1, 31, at + 1)
    assert (taken.verdict.field, taken.verdict.logged) == ("exit_lots", 0)


@needs_java
def test_the_sample_of_a_trace_conforms() -> None:
    folder = spec_folder()
    sources = [folder / "Judging.tla", folder / "trace" / "TraceOrder.tla", folder / "trace" / "OrderRecords.tla"]
    run = run_tlc("TraceOrder", order_tla.CFG, sources, jar=find_jar(), short=True)
    assert (run.verdict, run.distinct) == ("passed", 4)
