"""`dolphin report`: one HTML file of any journal, or of a run; no network, no script, no font from elsewhere.

What belongs here: the page around figures and text, and the command. Figures are `report_charts`', words are
`report_text`'s, the style sheet is `report.css`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from importlib import resources
from pathlib import Path

from dolphin import __version__
from dolphin.app import args, report_text
from dolphin.app.errors import EXIT_OK, UserError
from dolphin.app.outdir import ours
from dolphin.app.report_charts import extent, figures, styles
from dolphin.app.report_svg import span
from dolphin.app.results import RunResult


def asset(name: str) -> str:
    """A file that lies beside this module."""
    return (resources.files("dolphin.app") / name).read_text(encoding="utf-8")


def page(runs: Sequence[RunResult]) -> str:
    """The whole document."""
    if not runs:
        raise UserError("there is no run to report on", fix="name at least one journal")
    known = [extent(run) for run in runs if run.equity or run.posture]
    when = f"{span(min(known)[0], max(last for _, last in known))} UTC" if known else "no samples"
    groups: dict[str, list[RunResult]] = {}
    for run in runs:
        groups.setdefault(run.group, []).append(run)
    profiles = sorted({run.profile for run in runs if run.profile})
    lead = f"{when} · {len(runs)} run{'s' if len(runs) != 1 else ''}"
    if profiles:
        lead += f" · profile {', '.join(profiles)}"
    parts = [
        _group(name, found, f"g{index}", titled=len(groups) > 1) for index, (name, found) in enumerate(groups.items())
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Dolphin report: {escape(', '.join(groups))}</title><style>{asset('report.css')}</style></head><body>\n"
        f'<p class="absent">{report_text.absent_line(runs)}</p>\n'
        f"<header><h1>What the survival layer did</h1><p class='lead'>{escape(lead)}</p></header>\n"
        f"{asset('report_defs.svg')}<main>\n" + "\n".join(parts) + "</main>\n"
        f"<footer><p class='soft'>Dolphin {__version__}. Past runs say nothing of future ones: a path flips on details"
        " as small as one bar's delay. Every figure of a guarded run follows from its journal; check it with"
        " <code>trace-audit</code>.</p></footer></body></html>\n"
    )


def _group(name: str, runs: Sequence[RunResult], prefix: str, *, titled: bool) -> str:
    title = f"<h2>{escape(name)}</h2>" if titled else ""
    drawn = []
    for figure in figures(runs, prefix):
        below = report_text.postures_legend(runs) if figure.name == "postures" else ""
        heading = f"<h3>{escape(figure.title)}</h3>"
        caption = f"<figcaption>{escape(figure.caption)}</figcaption>"
        drawn.append(f"<figure>{heading}{figure.drawings}{below}{caption}</figure>")
    return (
        f"<section>{title}{report_text.legend(runs, styles(runs))}{drawn[0] if drawn else ''}"
        f"{report_text.table(runs)}{''.join(drawn[1:])}{report_text.worst_days(runs)}{report_text.honest(runs)}"
        f"{report_text.events_table(runs)}{report_text.sources(runs)}</section>"
    )


_BEGINS = "<!doctype html>"


def build(runs: Sequence[RunResult], path: str | Path) -> Path:
    """Write the report of `runs` to `path`, whole or not at all. UserError where it cannot be written."""
    return write(page(runs), Path(path))


def write(text: str, path: Path) -> Path:
    """Replace `path` by `text`, or leave nothing new behind."""
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_dir():
            if not path.is_file():
                raise UserError("is no regular file", path=path, fix="name another file with -o")
            ours(path, _BEGINS, "report")
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            name = file.name
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise UserError(f"cannot be written ({error.strerror})", path=path, fix="name another file with -o") from error
    return path


def main(argv: list[str]) -> int:
    """`dolphin report JOURNAL... [-o FILE]`."""
    parser = args.parser(
        "dolphin report",
        "Build the HTML report of one or more journals: equity, drawdown, confidence, postures, events, figures.\n"
        "One file without scripts, fonts or network; for screen, phone and paper. A journal that is still being\n"
        "written, or that was cut off, is reported as far as it goes.",
        """
        dolphin report out/guarded.jsonl
        dolphin report out/guarded.jsonl out/rebased.jsonl -o report.html
        """,
    )
    parser.add_argument(
        "journal", nargs="+", type=Path, help="journals that Dolphin wrote; of one currency: drawn together"
    )
    parser.add_argument("-o", "--output", type=Path, help="the HTML file (default: JOURNAL.html of the first)")
    given = parser.parse_args(argv)
    from dolphin.app.journal_run import read_journal

    runs = [read_journal(journal) for journal in given.journal]
    if len({(run.currency, run.minor_per_unit) for run in runs}) == 1:
        runs = [replace(run, group=", ".join(each.name for each in runs)) for run in runs]
    target = given.output or given.journal[0].with_suffix(".html")
    for journal in given.journal:
        if target.resolve() == journal.resolve():
            raise UserError("is the journal itself", path=target, fix="name another file with -o")
    print(build(runs, target))
    return EXIT_OK
