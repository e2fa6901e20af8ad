"""What the report says in words and figures: first line, table, worst days, where the guard cost return, honest limits.

What belongs here: HTML of text and tables, from `RunResult`s. No drawing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape

from dolphin.app import outcome
from dolphin.app.policy_table import CATEGORIES
from dolphin.app.report_svg import GLYPHS, LANES, day, swatch
from dolphin.app.results import Figures, Mark, RunResult
from dolphin.kernel.policy import Posture

_EVENTS_MAX = 400
_RUIN_BP = 9_900


def percent(bp: int, digits: int = 1) -> str:
    """`-12.3 %` from basis points, with a real minus sign."""
    return f"{bp / 100:,.{digits}f} %".replace("-", "−")


def ppm(value: int) -> str:
    """`-12.34 %` from parts per million."""
    return f"{value / 10_000:.2f} %".replace("-", "−")


def counted(count: int, what: str) -> str:
    """`1 re-base`, `4 re-bases`."""
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def compact(value: float) -> str:
    """`1.23M`: three digits, with a unit."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def money(run: RunResult, minor: int) -> str:
    """`1.23M USD`."""
    return f"{compact(minor / run.minor_per_unit)} {run.currency}".replace("-", "−")


_PARTLY_NS = 30 * 86_400 * 10**9


def absent_line(runs: Sequence[RunResult]) -> str:
    """The report's first line: the categories that had no source, so that nobody takes 10,000 for a measurement."""
    names: dict[str, list[str]] = {}
    guarded = [run for run in runs if run.guarded]
    for run in guarded:
        for name in run.absent:
            names.setdefault(CATEGORIES.get(name, name), []).append(run.name)
    if not guarded:
        return "<strong>No run here was guarded:</strong> there are no categories to speak of."
    partly = _partly(guarded)
    if not names:
        return f"All five categories had a source in every guarded run.{partly}"
    told = []
    for name, who in names.items():
        few = "" if len(who) == len(guarded) else f" (in {', '.join(dict.fromkeys(who))})"
        told.append(f"{name}{few}")
    return (
        f"<strong>Absent categories: {escape('; '.join(told))}.</strong>"
        f" They had no source and counted as 100 %: what they would have seen, nobody saw.{partly}"
    )


def _partly(guarded: Sequence[RunResult]) -> str:
    """Feeds that spoke during a part of their run only."""
    said: dict[str, None] = {}
    for run in guarded:
        if run.equity:
            for name, first_ns, last_ns in run.spans:
                late = first_ns > run.equity[0].ts_ns + _PARTLY_NS
                early = last_ns < run.equity[-1].ts_ns - _PARTLY_NS
                if late or early:
                    said[f"{name} spoke from {day(first_ns)[:10]} to {day(last_ns)[:10]} only."] = None
    return "".join(f" {escape(text)}" for text in said)


def legend(runs: Sequence[RunResult], styles: Sequence[int]) -> str:
    """Each run's line."""
    items = "".join(
        f'<li><svg viewBox="0 0 34 14" aria-hidden="true"><path class="line s{style}" d="M0 7H34"/></svg>'
        f"{escape(run.name)}</li>"
        for run, style in zip(runs, styles, strict=True)
    )
    return f'<ul class="legend">{items}</ul>'


def postures_legend(runs: Sequence[RunResult]) -> str:
    """The look of each posture; the glyph of each kind of event that occurs, and how often in which run."""
    items = [_key(swatch(posture), f"{posture.name[0]} {posture.name}") for posture in Posture]
    shown = [run for run in runs if run.posture]
    marked = []
    for kind, name in LANES.items():
        counts = [sum(event.kind == kind for event in run.events) for run in shown]
        if any(counts):
            shape = f'<path class="m-{kind.lower()}" transform="translate(17 7)" d="{GLYPHS[kind]}"/>'
            said = ", ".join(f"{escape(run.name)} {count:,}" for run, count in zip(shown, counts, strict=True))
            marked.append(_key(shape, f"{name}: {said if len(shown) > 1 else f'{counts[0]:,}'}"))
    lists = [items, marked] if marked else [items]
    return "".join(f'<ul class="legend">{"".join(each)}</ul>' for each in lists)


def _key(shape: str, said: str) -> str:
    return f'<li><svg viewBox="0 0 34 14" aria-hidden="true">{shape}</svg>{said}</li>'


type Cell = Callable[[RunResult, Figures], str]


def _duration(ns: int) -> str:
    if ns <= 0:
        return "–"
    if ns >= 1_000_000:
        return f"{ns / 1_000_000:,.1f} ms"
    return f"{ns / 1_000:,.1f} µs"


def _ruin(run: RunResult) -> str:
    """The first day at 99 % drawdown, also where only a journal is known."""
    return next((day(point.ts_ns)[:10] for point in run.drawdown_bp if point.value >= _RUIN_BP), "no")


def _bankrupt(run: RunResult) -> str:
    return next((day(point.ts_ns)[:10] for point in run.equity if point.value <= 0), "no")


def _share(posture: Posture) -> Cell:
    def cell(run: RunResult, figures: Figures) -> str:
        if not run.posture:
            return "–"
        return percent(figures.posture_share_bp.get(posture, 0))

    return cell


def _guarded(count: Callable[[Figures], int]) -> Cell:
    return lambda run, figures: f"{count(figures):,}" if run.guarded else "–"


def _worst(run: RunResult, figures: Figures) -> str:
    worst = figures.worst_day
    if worst is None:
        return "–"
    return f"{ppm(worst.return_ppm)}<br><small>{escape(worst.day)}</small>"


def _held(run: RunResult, figures: Figures) -> str:
    """Leverage times move; where decisions fell within the day, the sum over them."""
    worst = figures.worst_day
    if worst is None:
        return "–"
    if worst.steps > 1:
        return f"{ppm(worst.explained_ppm)}<br><small>in {worst.steps:,} steps</small>"
    return f"{ppm(worst.explained_ppm)}<br><small>{worst.leverage_bp / 10_000:.2f}x × {_tied(worst.move_ppm)}</small>"


def _tied(value: int) -> str:
    """`ppm` that no line end parts: the words before it may be on the line above, on a phone."""
    return ppm(value).replace(" ", "\u00a0")


def _left(run: RunResult, figures: Figures) -> str:
    return "–" if figures.worst_day is None else ppm(figures.worst_day.unexplained_ppm)


_ROWS: tuple[tuple[str, Cell], ...] = (
    ("Return", lambda run, figures: percent(figures.return_bp)),
    ("Final equity", lambda run, figures: money(run, figures.final_equity)),
    ("Largest drawdown", lambda run, figures: percent(-figures.drawdown_bp)),
    ("Worst day", _worst),
    ("… leverage held × the day’s move", _held),
    ("… left over: spread, slippage, fees", _left),
    ("Ruin (equity ≤ 1 % of its peak)", lambda run, figures: escape(figures.ruin_day) or _ruin(run)),
    ("Bankrupt (equity ≤ 0)", lambda run, figures: escape(figures.bankrupt_day) or _bankrupt(run)),
    ("Time in APEX", _share(Posture.APEX)),
    ("Time in STALKER", _share(Posture.STALKER)),
    ("Time in TURTLE", _share(Posture.TURTLE)),
    ("Time in HIBERNATE", _share(Posture.HIBERNATE)),
    ("Orders passed", _guarded(lambda figures: figures.passed)),
    ("Orders shrunk", _guarded(lambda figures: figures.shrunk)),
    ("Orders denied", _guarded(lambda figures: sum(figures.denied.values()))),
)


def _marked(*kinds: str) -> Cell:
    return lambda run, figures: f"{sum(mark.kind in kinds for mark in run.events):,}" if run.guarded else "–"


_REST: tuple[tuple[str, Cell], ...] = (
    ("Feed stalls", _marked("STALL")),
    ("Shocks", _marked("SHOCK")),
    ("Kills (operator and faults)", _marked("KILL", "FAULT")),
    ("The guard’s own orders", _guarded(lambda figures: figures.own_orders)),
    ("Re-bases by the operator", _guarded(lambda figures: figures.rebases)),
    ("Fills", lambda run, figures: f"{figures.fills:,}"),
    ("Journal records", _guarded(lambda figures: figures.records)),
    ("Decision, median", lambda run, figures: _duration(figures.decision_p50_ns) if run.guarded else "–"),
    ("Decision, 99th percentile", lambda run, figures: _duration(figures.decision_p99_ns) if run.guarded else "–"),
)


def table(runs: Sequence[RunResult]) -> str:
    """The figures of a group: a column for each run."""
    reasons = sorted({reason for run in runs for reason in run.figures.denied})
    denied: list[tuple[str, Cell]] = [(spoken(reason), _denied(reason)) for reason in reasons]
    head = "".join(f'<th scope="col">{escape(run.name)}</th>' for run in runs)
    body = []
    for name, cell in (*_ROWS, *denied, *_REST):
        cells = "".join(_cell(name, cell(run, run.figures)) for run in runs)
        body.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    return (
        '<div class="scroll" role="region" aria-label="figures" tabindex="0"><table><thead><tr><th scope="col"></th>'
        f"{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def spoken(reason: str) -> str:
    """`… posture no entry` of POSTURE_NO_ENTRY, with its requirement small, as HTML."""
    word, _, requirement = reason.partition(" ")
    small = f" <small>{escape(requirement)}</small>" if requirement else ""
    return f"… {escape(word.lower().replace('_', ' '))}{small}"


def _denied(reason: str) -> Cell:
    return lambda run, figures: f"{figures.denied.get(reason, 0):,}" if run.guarded else "–"


def _cell(name: str, text: str) -> str:
    bad = name.startswith(("Ruin", "Bankrupt"))
    if bad:
        if text != "no":
            return f'<td class="bad">{text}</td>'
    return f"<td>{text}</td>"


def worst_days(runs: Sequence[RunResult]) -> str:
    """Each run's worst day: leverage held at the last decision, times the market's move; and what that leaves over."""
    items = []
    for run in runs:
        worst = run.figures.worst_day
        if worst is None:
            continue
        leverage = f"{worst.leverage_bp / 10_000:.2f}x"
        if worst.steps == 1:
            how = (
                f"Held {leverage} at the last decision before it, times a move of {ppm(worst.move_ppm)},"
                f" gives {ppm(worst.explained_ppm)}"
            )
        else:
            how = (
                f"{worst.steps} decisions fell within the day (it began at {leverage}; the market moved"
                f" {ppm(worst.move_ppm)}); what was held times its move, summed, gives {ppm(worst.explained_ppm)}"
            )
        items.append(
            f"<li><strong>{escape(run.name)}</strong>: {ppm(worst.return_ppm)} on {escape(worst.day)}. {how};"
            f" {ppm(worst.unexplained_ppm)} is left unexplained.</li>"
        )
    if not items:
        return ""
    return f'<section class="worst"><h3>The worst day, explained</h3><ul>{"".join(items)}</ul></section>'


def honest(runs: Sequence[RunResult]) -> str:
    """Where the guard cost return, what it could not stop, and what the runs themselves ask to be told."""
    said = outcome.honest(runs)
    for run in runs:
        if run.guarded:
            said += _spent(run)
    said += dict.fromkeys(note for run in runs for note in run.notes)
    if not said:
        return ""
    items = "".join(f"<li>{escape(minus(text))}</li>" for text in said)
    return f"<section><h3>What to be honest about</h3><ul>{items}</ul></section>"


def minus(text: str) -> str:
    """Hyphens before numbers as minus signs."""
    return re.sub(r"(?<![\w-])-(?=[0-9])", "−", text)


def _spent(run: RunResult) -> list[str]:
    said = []
    if run.mode == "report":
        said.append(
            f"{run.name}: report-only. Everything was judged and journalled, nothing was changed; a guarded account"
            " would have taken another path."
        )
    if run.figures.rebases:
        said.append(
            f"{run.name}: {counted(run.figures.rebases, 're-base')}. Each forgets the drawdown before it: the guard's"
            " own mark is lower than the account's peak from there on."
        )
    return said


def events_table(runs: Sequence[RunResult]) -> str:
    """The marked events as a table: what the drawing shows, for those who cannot see it."""
    found = [(event, run) for run in runs for event in run.events if event.kind in LANES]
    if not found:
        return ""
    found.sort(key=lambda pair: pair[0].ts_ns)
    shown = found[:_EVENTS_MAX]
    rows = "".join(_event_row(event, run) for event, run in shown)
    more = f"<p>{len(found) - len(shown):,} more are in the journals.</p>" if len(found) > len(shown) else ""
    head = "".join(f'<th scope="col" class="text">{name}</th>' for name in ("time (UTC)", "what", "detail", "run"))
    return (
        f"<details><summary>What happened, as a table ({len(found):,})</summary>"
        f'<div class="scroll"><table><thead><tr>{head}<th scope="col">record</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{more}</details>"
    )


def _event_row(event: Mark, run: RunResult) -> str:
    texts = (day(event.ts_ns), LANES[event.kind], event.text, run.name)
    cells = "".join(f'<td class="text">{escape(text)}</td>' for text in texts)
    return f"<tr>{cells}<td>{event.seq if event.seq >= 0 else '–'}</td></tr>"


def sources(runs: Sequence[RunResult]) -> str:
    """Where the figures come from: journals, profiles, the spans of feeds."""
    items = []
    for run in runs:
        parts = []
        if run.journal is not None:
            parts.append(f"journal <code>{escape(run.journal.name)}</code>")
        if run.profile:
            parts.append(f"profile {escape(run.profile)}")
        parts += [f"{escape(name)} {day(first)} to {day(last)}" for name, first, last in run.spans if last > 0]
        if parts:
            items.append(f"<li>{escape(run.name)}: {', '.join(parts)}</li>")
    if not items:
        return ""
    return f'<details><summary>Journals and feeds</summary><ul class="soft">{"".join(items)}</ul></details>'
