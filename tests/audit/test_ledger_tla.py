"""Ledger records of a journal, judged by TLC through spec/Accounts.tla: honest ones conform, forged ones do not."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dolphin.audit import conformance, ledger_tla, replay
from dolphin.audit.finding import Finding, Verdict
from dolphin.audit.ledger_numbers import LOTS_MAX, MONEY_MAX, REFUSED, TooLarge, integer_of, pair, residues, said_money
from dolphin.audit.ledger_rows import Place, Rows
from dolphin.audit.replay import Auditor, scan
from dolphin.audit.tlc_runner import TlcRun, find_jar, run_tlc
from dolphin.audit.trace_tla import TlcFailed, spec_folder
from dolphin.journal import encode
from tests.audit import make_ledger as forge
from tests.audit.make_journal import POSITION
from tests.audit.make_ledger import EUR, Booked, Lines, booked, later, rescaled, taken_over, written

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="TLC needs Java")


class Asked(NamedTuple):
    """A journal's rows, before anybody judges them."""

    path: str
    start: str
    rows: list[Any]
    places: list[Place]


def asked(path: Path) -> Asked:
    """The rows of a journal, as `Judge` takes them."""
    auditor = Auditor(str(path), decisions=False, safety=False)
    rows = Rows()
    start = ledger_tla.Start(rows)
    for record in scan(auditor, None):
        rows.take(record)
        if rows.anew:
            rows.anew, start = False, ledger_tla.Start(rows)
    assert rows.stopped == ""
    assert auditor.last is not None
    rows.states(auditor.last, rows.accounts, rows.known(), ours=True)
    return Asked(str(path), start.text(rows), rows.rows, rows.places)


MANY = r"""---- MODULE Many ----
EXTENDS TraceLedgerFlaws
SaidOfOne(field, is, said) == IF is = said THEN TRUE ELSE PrintT(<<"differs", t, i + 1, field, is, said>>) /\ FALSE
ManyInit == t \in 1..Traces /\ TraceInit
ManyNext == TraceNext /\ t' = t
ManySpec == ManyInit /\ [][ManyNext]_<<t, vars>>
ManyView == <<t, i>>
====
"""
"""Several journals in one run of TLC, which takes a second to start: `t` says which."""


def ran(many: list[Asked], flaw: str = "") -> tuple[TlcRun, dict[int, str]]:
    """TLC on all of these journals, and what it prints of each that it rejects. `flaw`: an operator and a wrong one."""
    text = "---- MODULE LedgerRecords ----\nEXTENDS Integers\nVARIABLE t\n"
    for number, one in enumerate(many, 1):
        body = ledger_tla.module(one.start, one.rows).partition("EXTENDS Integers\n")[2].removesuffix("====\n")
        if number > 1:
            body = re.sub(r"^(O|PerChunk) == .*$", "", body, flags=re.MULTILINE)
        text += re.sub(r"\b(Start\w+|Chunks?\d*|Count)\b", rf"T{number}\1", body)
    for name in ("StartHeld", "StartWhere", "StartEnded", "StartPurse", "StartCounts", "Count", "Chunks"):
        text += f"{name} == CASE " + " [] ".join([f"t = {n} -> T{n}{name}" for n in range(1, len(many) + 1)]) + "\n"
    folder = spec_folder()
    cfg = (folder / "trace" / "Ledger.cfg").read_text()
    cfg = cfg.replace("TraceSpec", "ManySpec").replace("VIEW View", "VIEW ManyView") + "    Same <- SaidOfOne\n"
    if flaw:
        cfg = re.sub(rf"^ +{flaw.partition(' ')[0]} <- .*\n", "", cfg, flags=re.MULTILINE) + f"    {flaw}\n"
    sources = [folder / "Accounts.tla", *[folder / "trace" / f"TraceLedger{part}.tla" for part in ("", "Flaws")]]
    texts = {"LedgerRecords.tla": f"{text}Traces == {len(many)}\n====\n", "Many.tla": MANY}
    run = run_tlc("Many", cfg, sources, texts, jar=find_jar(), short=True)
    assert run.verdict == "passed", run.detail
    said = {}
    for one_said in re.split(r'(?=<<\s*"differs")', run.output.partition("Model checking completed")[0])[1:]:
        number_ = re.findall(r"\d+", one_said)[0]
        said[int(number_)] = one_said.replace(f"{number_},", "", 1)
    return run, said


def judged(many: list[Asked]) -> list[Finding | None]:
    """What TLC says of each of these journals."""
    run, said = ran(many)
    found: list[Finding | None] = []
    states = 0
    for number, one in enumerate(many, 1):
        bad = int(re.findall(r"\d+", said[number])[0]) if number in said else len(one.rows) + 1
        end = run._replace(output=said.get(number, ""), distinct=bad)
        found.append(ledger_tla.differs(one.path, end, one.rows, one.places) if number in said else None)
        states += bad
    assert run.distinct == states
    return found


FORGED: tuple[tuple[Callable[[Lines], int], str], ...] = (
    (forge.fill_twice, "again"),
    (forge.first_time_again, "again"),
    (forge.fill_lost, "lots"),
    (forge.fill_twice_under_another_name, "accounts"),
    (forge.another_price, "accounts"),
    (forge.fee_forgotten, "fees"),
    (forge.deposit_changed, "capital"),
    (forge.position_that_does_not_follow, "lots"),
    (forge.entry_that_does_not_balance, "balance"),
    (forge.balanced_and_wrong, "cost"),
    (forge.fill_not_known_any_more, "known"),
    (forge.too_large_to_be_right, "fees"),
    (forge.position_left_out, "held"),
    (forge.reconciliation_of_other_books, "rows"),
    (forge.reconciliation_of_fills_to_come, "fills"),
    (forge.reading_of_another_position, "position_lots"),
)


@needs_java
@pytest.mark.req("DOL-AUDIT-002", "DOL-LEDGER-010")
def test_an_honest_ledger_conforms_to_both(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    booked(path)
    ours, theirs = replay.audit(str(path)), conformance.audit(str(path))
    assert (ours.findings, theirs.findings) == ((), ())
    assert (ours.verdict, theirs.verdict) == (Verdict.CONFORMS, Verdict.CONFORMS), (ours.reasons, theirs.reasons)


@needs_java
@pytest.mark.req("DOL-AUDIT-002", "DOL-LEDGER-002", "DOL-LEDGER-003", "DOL-LEDGER-010")
def test_both_engines_reject_what_does_not_follow(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    booked(path)
    honest = path.read_text().splitlines()
    accepted = replay.audit(str(path))
    live = tmp_path / "live.jsonl"
    taken_over(live)
    assert replay.audit(str(live)).verdict == Verdict.CONFORMS
    segment = tmp_path / "later.jsonl"
    later(segment)
    assert replay.audit(str(segment)).findings == ()
    rejected, many, modelled = [], [asked(path), asked(live), asked(segment)], 0
    for forger, _ in FORGED:
        lines = [json.loads(line) for line in honest]
        index = forger(lines)
        forged = tmp_path / f"{forger.__name__}.jsonl"
        written(forged, lines)
        rejected.append((replay.audit(str(forged)), index + 1))
        many.append(asked(forged))
    assert len(many[2].rows) > 10
    first, second, third, *findings = judged(many)
    assert (first, second, third) == (None, None, None), "the honest ones among them"
    for (forger, field), (ours, line), theirs in zip(FORGED, rejected, findings, strict=True):
        name = forger.__name__
        assert ours.verdict == Verdict.VIOLATES, name
        assert theirs is not None, name
        assert (ours.findings[0].line, theirs.line) == (line, line), (name, ours.findings, theirs)
        assert field in theirs.field.split("."), (name, theirs)
        both = accepted._replace(findings=(theirs,), verdict=Verdict.VIOLATES)
        assert conformance.agreement(ours, both).disagreement == "", name
        alone = conformance.agreement(ours, accepted).disagreement
        assert ("TLC accepts" in alone) == ledger_tla.modelled(ours.findings[0]), name
        modelled += ledger_tla.modelled(ours.findings[0])
    assert modelled == len(FORGED) - 2, "of a reading replay claims more, and a lost fill it sees elsewhere first"


FLAWS: tuple[tuple[str, str], ...] = (
    ("Fresh <- CountsEveryNotice", "again"),
    ("KeptCost <- RoundsUp", "cost"),
    ("CashAfter <- ForgetsTheSide", "cash"),
    ("RealisedAfter <- AllOfItIsProfit", "realised"),
    ("Money <- FeesAreForeign", "fees"),
    ("LeftAtCost <- NothingCameBack", "cash"),
    ("AddLots <- LosesACarry", "lots"),
)


@needs_java
@pytest.mark.req("DOL-LEDGER-001", "DOL-LEDGER-010")
@pytest.mark.parametrize(("flaw", "field"), FLAWS)
def test_a_wrong_ledger_rejects_an_honest_journal(honest: list[Asked], flaw: str, field: str) -> None:
    _, said = ran(honest, flaw)
    assert f'"{field}"' in "".join(said.values())


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> list[Asked]:
    """The rows of both."""
    folder = tmp_path_factory.mktemp("honest")
    booked(folder / "booked.jsonl")
    taken_over(folder / "taken_over.jsonl")
    return [asked(folder / "booked.jsonl"), asked(folder / "taken_over.jsonl")]


@needs_java
@pytest.mark.req("DOL-LEDGER-005")
def test_windows_hand_over_what_is_held_and_what_is_known(tmp_path: Path) -> None:
    """Also where scales change: what is held is then counted in others, and TLC goes on with that."""
    path = tmp_path / "journal.jsonl"
    for make, window, first in ((booked, 25, 26), (rescaled, 1_000, 3)):
        make(path)
        judge = ledger_tla.Judge(str(path), find_jar(), window)
        auditor = Auditor(str(path), decisions=False, safety=False)
        judged_ = []
        for record in scan(auditor, None):
            judge.take(record)
            judged_.append(judge.judged)
        judge.finish(auditor.last)
        assert (judge.finding, judge.rows.stopped) == (None, "")
        assert first <= max(judged_) < judge.judged, "of the first window, and of both"
        path.unlink()
        path.with_name("journal.jsonl.head").unlink()


@needs_java
def test_a_fold_that_is_not_the_kernels_is_no_verdict_on_a_journal(honest: list[Asked]) -> None:
    """Of the last rows, which state what the audit's own fold holds, TLC may not blame the journal."""
    one = honest[0]
    rows = [*one.rows[:-2], (*one.rows[-2][:2], one.rows[-2][2] + 1, *one.rows[-2][3:])]
    run = ledger_tla.check(one.start, rows, jar=find_jar())
    with pytest.raises(TlcFailed, match=r"TLC's ledger is not the kernel's \(ledger.fills: 10, 11\)"):
        ledger_tla.differs(one.path, run, rows, one.places)


@needs_java
def test_the_sample_of_a_ledger_conforms() -> None:
    folder = spec_folder()
    sources = [
        folder / "Accounts.tla",
        *[folder / "trace" / f"{name}.tla" for name in ("TraceLedger", "LedgerRecords")],
    ]
    run = run_tlc("TraceLedger", (folder / "trace" / "Ledger.cfg").read_text(), sources, jar=find_jar(), short=True)
    assert (run.verdict, run.distinct) == ("passed", 5)


def test_a_number_is_read_back_from_its_residues() -> None:
    dice = random.Random(5)
    for bits in range(1, 150):
        number = dice.randrange(-(2**bits), 2**bits)
        assert integer_of(residues(number)) == number
        if abs(number) <= LOTS_MAX:
            assert integer_of(pair(number)) == number
    with pytest.raises(TooLarge):
        residues(MONEY_MAX + 1)
    with pytest.raises(TooLarge):
        pair(-LOTS_MAX - 1)
    assert said_money(-MONEY_MAX - 1) == REFUSED


@pytest.mark.parametrize(
    ("lots", "price", "said"),
    [
        (LOTS_MAX + 1, "1.00", "100000000000000001 lots is too large"),
        (1, "none", "line 7 on is not judged by TLC: ValueError"),
    ],
)
def test_what_cannot_be_judged_is_said_and_ends_it(tmp_path: Path, lots: int, price: str, said: str) -> None:
    path = tmp_path / "journal.jsonl"
    m = Booked(path)
    m.hear()
    fill = {"id": "O-1", "trade": "T-1", "instrument": EUR, "position": POSITION}
    m.journal.append(m.now, "FILL", encode(fill | {"side": 1, "lots": lots, "price": price}))
    m.journal.close(m.now)
    rows = Rows()
    for record in scan(Auditor(str(path), decisions=False, safety=False), None):
        rows.take(record)
    assert said in rows.stopped
    assert not rows.rows


def test_nothing_but_again_is_stated_after_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    m = Booked(path)
    m.deal(3, "1.01")
    m.held = 3
    m.other("GAP", **{"from": m.journal.head.seq + 1, "count": 1, "since_ns": m.now, "error": "ENOSPC", "unsynced": 0})
    m.deal(4, "1.02")
    m.reduce(3)
    m.checkpoint()
    m.answered()
    m.ended()
    rows = Rows()
    for record in scan(Auditor(str(path), decisions=False, safety=False), None):
        rows.take(record)
    assert [row[0] for row in rows.rows] == [1, 1]
