"""The report of a calibration: one HTML file, no network, no script; the look of `dolphin report`.

What belongs here: the page around pictures and tables.
"""

from __future__ import annotations

from html import escape

from dolphin import __version__
from dolphin.app import calibrate_charts as charts
from dolphin.app import calibrate_text as text
from dolphin.app.calibrate_text import Sheet
from dolphin.app.calibrate_work import Calibration
from dolphin.app.report import asset
from dolphin.app.report_svg import span, swatch
from dolphin.kernel.policy import Posture

_NONE = ".p-none { fill: none; } td.text { min-width: 14rem; }"


def page(found: Calibration) -> str:
    """The whole document."""
    absent = ", ".join(found.absent) or "nothing: every sensor had something to read"
    first, *_ = text.lead(found)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Dolphin calibration: {escape(found.title)}</title>"
        f"<style>{asset('report.css')}{_NONE}</style></head><body>\n"
        f'<p class="absent"><strong>Not exercised by these data:</strong> {escape(absent)}.</p>\n'
        f"<header><h1>What the thresholds do on your data</h1><p class='lead'>{escape(first)}."
        f" {escape(span(found.from_ns, found.to_ns))} UTC.</p></header>\n"
        f"{asset('report_defs.svg')}<main>\n{_postures(found)}{_distribution(found)}{_trips(found)}"
        f"{_costs(found)}{_proposal(found)}{_notes(found)}</main>\n"
        f"<footer><p class='soft'>Dolphin {__version__}. Past data say nothing of future ones. Every figure follows"
        " from the journal beside this file and from the data; the proposal is a proposal.</p></footer></body></html>\n"
    )


def _figure(title: str, drawn: str, caption: str, after: str = "") -> str:
    if not drawn:
        return after
    heading = f"<h3>{escape(title)}</h3>" if title else ""
    return f"<figure>{heading}{drawn}<figcaption>{escape(caption)}</figcaption></figure>{after}"


def _legend(*names: tuple[str, str]) -> str:
    items = "".join(
        f'<li><svg viewBox="0 0 34 14" aria-hidden="true">{shape}</svg>{escape(name)}</li>' for shape, name in names
    )
    return f'<ul class="legend">{items}</ul>'


def _key() -> str:
    return _legend(*((swatch(posture), posture.name) for posture in Posture))


def _postures(found: Calibration) -> str:
    when = "the time that the market was open" if found.profile == "intraday" else "the whole time of these data"
    caption = f"Of {when}. Proposed: the same readings under the proposed thresholds."
    return (
        f"<section><h2>Hours per posture</h2>{_key()}"
        f"{_figure('', charts.postures(found), caption, table(text.postures(found.now, found.then)))}</section>"
    )


def _distribution(found: Calibration) -> str:
    caption = (
        "How much of the nominal time R was at or below a value (logarithmic). Nominal: market open, feed heard and not"
        " late, latch running. Dotted: where confidence falls to a worse posture, and where it may return to APEX."
    )
    measured = table(text.measured(found)) if found.measured else ""
    return (
        f"<section><h2>R in nominal time</h2><p><strong>{escape(text.goal(found.chance))}.</strong></p>"
        f"{charts.legend(found)}{_figure('', charts.distribution(found), caption)}"
        f"{table(text.multipliers(found))}{measured}</section>"
    )


def _trips(found: Calibration) -> str:
    sheet = text.trips(found)
    key = _legend(
        (swatch(Posture.TURTLE), "false"),
        (swatch(Posture.APEX), "the market did move"),
        ('<rect class="p-none edge" x="0.5" y="0.5" width="33" height="13"/>', "cannot be judged"),
    )
    drawn = charts.trips(found)
    shown = f"{key}{_figure('', drawn, sheet.below)}" if drawn else f"<p>{escape(sheet.below)}</p>"
    return f"<section><h2>Trips, by sensor</h2>{shown}{table(sheet)}</section>"


def _costs(found: Calibration) -> str:
    parts = [f"<section><h2>What each threshold would have cost</h2>{_key()}"]
    for sweep in found.sweeps:
        sheet = text.cost(sweep)
        behind = "" if sweep.key == "ceiling" else " Behind each bar: time away from APEX, false trips of all."
        caption = f"{sheet.below[:1].upper()}{sheet.below[1:]}. Framed: the value now.{behind}"
        parts.append(_figure(sweep.title, charts.sweep(sweep), caption))
        parts.append(f"<details><summary>The same as a table</summary>{table(sheet)}</details>")
    return "".join(parts) + "</section>"


def _proposal(found: Calibration) -> str:
    kinds = (
        "Tuned: the data support the value. As shipped: they do not speak to it. Off: nothing exercised it, or its"
        " trips are false as often as chance. Fixed: not to be set in this version. LOOSER: only a comment in the"
        " file, unless --loosen was said."
    )
    rows = []
    for one in found.proposal.said:
        name = f"{one.table}.{one.key}" if one.table else one.key
        value = one.value if one.value == one.shipped else f"{one.shipped} → {one.value}"
        status = f"{one.status}, LOOSER" if one.looser else one.status
        bad = ' class="text bad"' if one.looser else ' class="text"'
        rows.append(
            f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td><td{bad}>{escape(status)}</td>'
            f'<td class="text">{escape(one.why)}</td></tr>'
        )
    head = '<th scope="col"></th><th scope="col">value</th><th scope="col" class="text">status</th>'
    return (
        f"<section><h2>The proposed policy</h2><p>{kinds} The file is <code>proposed.toml</code>.</p>"
        f'<div class="scroll" role="region" aria-label="proposal" tabindex="0"><table><thead><tr>{head}'
        f'<th scope="col" class="text">why</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div></section>'
    )


def _notes(found: Calibration) -> str:
    notes = dict.fromkeys(found.notes)
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<section><h2>What to be honest about</h2><ul>{items}</ul></section>"


def table(sheet: Sheet) -> str:
    """A sheet as HTML."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in sheet.heads)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in sheet.rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{escape(sheet.title)}" tabindex="0"><table><thead>'
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
