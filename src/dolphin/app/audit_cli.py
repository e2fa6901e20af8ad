"""`trace-audit`, also `dolphin audit`: check a journal, and say what was checked.

What belongs here: arguments, progress, printing and exit codes. What is checked is `dolphin.audit`'s.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from dolphin.app import args
from dolphin.app.errors import UserError
from dolphin.app.outdir import ours

CONFORMS, VIOLATES, INCOMPLETE, NOT_AUDITED = 0, 1, 2, 3
LONG_BYTES: Final = 8_000_000
"""From this size on a progress bar is shown, on a terminal."""

_WHAT: Final = """\
Check a journal, from the file alone:

  a  chain, sequence, form      every line's hash, place and spelling
  b  decisions recomputed       every event stepped again with the header's own policy, compared bit for bit
  c  TLA+ model (TLC)           filter, posture, latch, re-arm, re-base, orders, ledger by spec/ (--engine tlc, both)
  d  safety properties          over the whole run, straight from the records

Verdicts. conforms: all of it holds. violates: the first bad record is named with file:line, field, expected, actual and
requirement. incomplete: nothing is wrong with what is there, and not all of it is there (no CLOSE, a torn last line, a
GAP, no decision at all, still being written).

A chain alone cannot see a missing tail: give the head that the run printed as --anchor."""
_EXAMPLE: Final = """\
trace-audit out/guarded.jsonl                          the fast replay; seconds
trace-audit out/guarded.jsonl --anchor 81233:5f0c...   and nothing is missing at its end
trace-audit out/guarded.jsonl --engine both            TLC too (needs Java); says so if the two disagree
trace-audit live/journal.jsonl --follow                while it is being written; ends with CLOSE or Ctrl-C
trace-audit out/guarded.jsonl --json | jq .verdict     for programs; --junit FILE for build servers
"""


def _parser() -> args.Parser:
    parser = args.parser(
        "trace-audit",
        _WHAT,
        _EXAMPLE,
        {
            CONFORMS: "conforms",
            VIOLATES: "violates",
            INCOMPLETE: "incomplete",
            NOT_AUDITED: "could not audit: usage, unreadable or foreign file, no Java, or the engines disagree",
        },
    )
    parser.add_argument("journal", metavar="JOURNAL", help="the journal file")
    parser.add_argument(
        "--engine", choices=("replay", "tlc", "both"), default="replay",
        help="replay: a, b, d (default). tlc: a, c. both: all, compared with each other",
    )  # fmt: skip
    parser.add_argument("--anchor", metavar="SEQ:HASH", help="the head that the run printed at its end")
    parser.add_argument("--follow", action="store_true", help="audit a journal that is still being written")
    parser.add_argument("--all", action="store_true", help="go on after the first finding where that is possible")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--junit", metavar="FILE", help="write the report as JUnit XML, too")
    parser.add_argument("--quiet", action="store_true", help="print findings, and the verdict in one line, with why")
    parser.add_argument(
        "--jobs",
        type=int,
        default=0,
        choices=range(257),
        metavar="N",
        help="processes that recompute decisions, each from a checkpoint; 1: one for all (default, 0: cores, if long)",
    )
    return parser


def main(argv: list[str]) -> int:
    """`trace-audit JOURNAL ...`; the exit code is the verdict."""
    from dolphin.audit.tlc_runner import TlcMissing
    from dolphin.audit.trace_tla import TlcFailed
    from dolphin.journal import JournalError

    try:
        given = _parser().parse_args(argv)
        if given.follow and given.engine != "replay":
            raise UserError("--follow works with --engine replay alone", fix="audit with TLC when the run has ended")
        if given.follow:
            return _follow(given)
        return _audit(given)
    except (UserError, TlcMissing, TlcFailed, JournalError, ValueError) as error:
        print(f"trace-audit: not audited: {error}", file=sys.stderr)
        return NOT_AUDITED


def code(verdict: str) -> int:
    """The exit code of a verdict."""
    return {"conforms": CONFORMS, "violates": VIOLATES, "incomplete": INCOMPLETE}[verdict]


def _audit(given: Any) -> int:
    from dolphin.audit import conformance, pipeline, report

    disagreement = ""
    with _progress(given.journal, given.engine) as progress:
        if given.engine == "tlc":
            found = conformance.audit(given.journal, anchor=given.anchor, progress=progress)
        else:
            found = pipeline.audit(
                given.journal, anchor=given.anchor, all_=given.all, jobs=given.jobs, progress=progress
            )
        if given.engine == "both":
            tlc = conformance.audit(given.journal, anchor=given.anchor)
            pair = conformance.agreement(found, tlc)
            disagreement = pair.disagreement
            found = conformance.joined(pair)
    if given.junit is not None:
        _write(given.junit, report.junit(found))
    _show(given, found, disagreement)
    if disagreement:
        print(
            f"trace-audit: THE ENGINES DISAGREE: {disagreement}. One of them is wrong: please report this with the "
            "journal",
            file=sys.stderr,
        )
        return NOT_AUDITED
    return code(found.verdict)


def _show(given: Any, found: Any, disagreement: str = "") -> None:
    from dolphin.audit import report

    if given.json:
        print(report.to_json(found, disagreement))
        return
    if given.quiet:
        for finding in found.findings if given.all else found.findings[:1]:
            print("\n".join(finding.lines()))
        print(report.line(found))
        return
    print(report.text(found, all_=given.all))


def _write(path: str, content: str) -> None:
    try:
        if Path(path).is_file():
            ours(Path(path), "<?xml", "JUnit file")
        Path(path).write_text(content, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"the JUnit file cannot be written ({error.strerror})", path=path, fix="name a file that can"
        ) from error


@contextlib.contextmanager
def _progress(path: str, engine: str) -> Iterator[Callable[[Any], object]]:
    """A bar on stderr for long journals, if that is a terminal; else nothing."""
    try:
        size = os.path.getsize(path)
    except OSError:
        size = 0
    if size < LONG_BYTES or not sys.stderr.isatty():
        yield lambda record: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} records"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"audit ({engine})", total=None)
        known = False

        def each(record: Any) -> None:
            nonlocal known
            if record.seq % 2_000 == 0:
                total = None
                if not known:
                    known, total = True, max(size // (len(record.raw) + 180), record.seq)
                bar.update(task, completed=record.seq, **({"total": total} if total else {}))

        yield each


def _follow(given: Any) -> int:
    """Audit while the journal grows: findings and changes of posture or latch as they come, the report at the end."""
    import time

    from dolphin.audit import live, report

    began = time.perf_counter()
    watch = live.Watch(given.journal, anchor=given.anchor, all_=given.all)
    with contextlib.suppress(KeyboardInterrupt):
        for line in watch.lines():
            if not given.json:
                print(line, flush=True)
    found = watch.report(time.perf_counter() - began)
    if given.junit is not None:
        _write(given.junit, report.junit(found))
    _show(given, found._replace(findings=()) if not given.json and not given.all else found)
    return code(found.verdict)
