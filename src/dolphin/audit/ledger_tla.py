"""Check c, the ledger: each entry and statement of a journal as one step of spec/trace/TraceLedger.tla, judged by TLC.

What belongs here: the module that TLC reads, windows for long journals, and TLC's answer as the first bad record. What
becomes a row is ledger_rows.py's. A window ends with what the audit's own fold holds, stated as a checkpoint would be:
if TLC has the same, the next one begins with it. Two folds that differ are no journal's fault, and no verdict.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from dolphin.audit.finding import MODEL, Finding, found
from dolphin.audit.fold import CHECKPOINTS, named
from dolphin.audit.ledger_numbers import Row, integer_of, literal, residues, said_position
from dolphin.audit.ledger_rows import UNJUDGED, Place, Rows
from dolphin.audit.tlc_runner import TlcRun, run_tlc
from dolphin.audit.trace_tla import PER_CHUNK, TlcFailed, spec_folder
from dolphin.journal import Record
from dolphin.kernel.ledger import FLAT

__all__ = ["UNJUDGED", "Judge", "check", "differs", "modelled", "module"]

WINDOW: Final = 20_000
SHORT: Final = 5_000
"""Up to this many rows TLC's start is what its run takes."""

REQUIREMENT: Final = {
    "again": "DOL-LEDGER-002",
    "checksum": "DOL-LEDGER-003",
    "position_lots": "DOL-EXIT-006",
    "flat": "DOL-EXIT-006",
    "side": "DOL-JOURNAL-009",
}
_MODELLED: Final = re.compile(
    r"again|accounts|answer\.rows\..+|answer\.fills|ledger\.(capital|fills|again|known.*|held.*|(fees|ended)\..+)"
)
_DIFFERS: Final = re.compile(
    r'<<\s*"differs",\s*(\d+),\s*"(\w+)",\s*(.*?),\s*(<<[-\d,\s]*>>|-?\d+)\s*>>\s*$', re.MULTILINE | re.DOTALL
)


def modelled(finding: Finding) -> bool:
    """Whether TLC must reject what replay says of this field."""
    return finding.kind in ("FILL", "CHECKPOINT", "CLOSE", "COMMAND") and bool(_MODELLED.fullmatch(finding.field))


class Start:
    """What a window begins with, as definitions. Made once its last row is known: names may come until then."""

    def __init__(self, rows: Rows) -> None:
        self._open = rows.opens()
        books = rows.accounts.books
        self._ended, self._fees, self._capital = dict(books.ended), dict(books.fees), books.capital
        self._counts = (rows.items.remembered, rows.forgotten, rows.mine.remembered, books.fills, rows.accounts.again)

    def text(self, rows: Rows) -> str:
        """The definitions, as wide as the window's names need."""
        places = [self._open.get(place + 1, (0, FLAT)) for place in range(rows.places_of.width)]
        ended = [said_position(self._ended.get(name, FLAT)) for name in rows.instruments]
        purse = [(residues(0), residues(self._capital))]
        purse += [(residues(self._fees.get(code, 0)), residues(0)) for code in rows.currencies]
        lines = {
            "Held": tuple([said_position(position) for _, position in places]),
            "Where": tuple([where for where, _ in places]),
            "Ended": tuple(ended),
            "Purse": tuple(purse),
            "Counts": self._counts,
        }
        return "".join([f"Start{name} == {literal(value)}\n" for name, value in lines.items()])


def module(start: str, rows: list[Row]) -> str:
    """The module LedgerRecords.tla of one window."""
    chunks, names = "", []
    for number, at in enumerate(range(0, len(rows), PER_CHUNK), 1):
        body = ",\n".join([literal(row) for row in rows[at : at + PER_CHUNK]])
        chunks += f"Chunk{number} == <<\n{body}>>\n"
        names.append(f"Chunk{number}")
    return (
        f"---- MODULE LedgerRecords ----\nEXTENDS Integers\nO == {'<<' + ','.join(['0'] * 10) + '>>'}\n{start}"
        f"Count == {len(rows)}\nPerChunk == {PER_CHUNK}\n{chunks}Chunks == <<{', '.join(names)}>>\n====\n"
    )


def check(start: str, rows: list[Row], *, jar: Path, timeout_s: float = 600) -> TlcRun:
    """What TLC says of one window. TlcFailed: it could not judge."""
    folder = spec_folder()
    run = run_tlc(
        "TraceLedger", (folder / "trace" / "Ledger.cfg").read_text(encoding="utf-8"),
        [folder / "Accounts.tla", folder / "trace" / "TraceLedger.tla"],
        {"LedgerRecords.tla": module(start, rows)}, jar=jar, timeout_s=timeout_s, heap_mb=3_000,
        short=len(rows) <= SHORT,
    )  # fmt: skip
    if run.verdict != "passed":
        raise TlcFailed(f"TLC at {len(rows)} records of a ledger: {run.verdict}: {run.violated or run.detail}")
    return run


class Judge:
    """The ledger of one journal. `judged`: how many rows TLC has taken. `finding`: the first that does not follow."""

    def __init__(self, path: str, jar: Path, window: int = WINDOW) -> None:
        self.path = path
        self.judged = 0
        self.finding: Finding | None = None
        self.rows = Rows()
        self._jar = jar
        self._window = window
        self._start = Start(self.rows)

    def take(self, record: Record) -> None:
        """The next record of the journal, of any kind."""
        if self.finding is not None:
            return
        rows = self.rows
        rows.take(record)
        if rows.anew:
            rows.anew = False
            self.finish(record, False)
        elif len(rows.rows) >= self._window:
            self.finish(record)

    def finish(self, last: Record | None, stated: bool = True) -> None:
        """Have TLC judge what was taken since the last time. `stated`: what the fold holds now is what these rows make;
        not so where scales have changed, or a checkpoint is what there is of before.
        """
        rows = self.rows
        if rows.rows and self.finding is None:
            if stated and last is not None and not rows.stopped:
                rows.states(last, rows.accounts, rows.known(), ours=True)
            run = check(self._start.text(rows), rows.rows, jar=self._jar)
            self.judged += len(rows.rows)
            if run.distinct != len(rows.rows) + 1:
                self.finding = differs(self.path, run, rows.rows, rows.places)
        rows.rows, rows.places = [], []
        self._start = Start(rows)


def differs(path: str, run: TlcRun, rows: list[Row], places: list[Place]) -> Finding:
    """What TLC says of the first row that does not follow. TlcFailed: it is the audit's own."""
    at = run.distinct - 1
    place, field, expected, actual = places[at], "", "", ""
    for said in _DIFFERS.finditer(run.output):
        if int(said.group(1)) - 1 == at:
            field, expected, actual = said.group(2), _read(field, said.group(3)), _read(field, said.group(4))
    if place.ours or not field:
        raise TlcFailed(
            f"at line {place.record.line} TLC's ledger is not the kernel's ({place.field}.{field}: {expected}, "
            f"{actual}): please report this"
        )
    where = ".".join([name for name in (place.field, field) if name])
    if field == "checksum":
        where, expected, actual = place.field, place.right, place.said
    requirement = REQUIREMENT.get(field, CHECKPOINTS if place.record.kind == "CHECKPOINT" else "DOL-LEDGER-010")
    hint = f"{run.version}, spec/Accounts.tla: the entries before it do not come to this"
    return found(path, place.record, where, expected, actual, requirement, hint, check=MODEL)


def _read(field: str, text: str) -> str:
    """A number as TLC prints it: as it is, a pair, or residues."""
    return named(field, integer_of(tuple([int(part) for part in re.findall(r"-?\d+", text)])))
