"""A report as people, programs and build servers read it: text, JSON, JUnit.

What belongs here: forms of `finding.Report`; nothing is checked. Equal reports give equal text (no clock, no machine),
but for the seconds that the audit took.
"""

from __future__ import annotations

import json
import textwrap
import xml.etree.ElementTree as ET
from typing import Any

from dolphin.audit.finding import CHECKS, Check, Finding, Report, Verdict, iso
from dolphin.audit.ledger_accounts import rows


def text(report: Report, *, all_: bool = False) -> str:
    """The summary table; the findings (the first, or `all_`) before it."""
    lines: list[str] = []
    shown = report.findings if all_ else report.findings[:1]
    for finding in shown:
        lines += [*finding.lines(), ""]
    lines.append(f"{report.path}: {report.verdict}")
    for reason in report.reasons:
        lines.append(f"  because      {reason}")
    if report.records == 0:
        return "\n".join(lines)
    rate = report.records / report.seconds if report.seconds > 0 else 0
    lines += [
        f"  engine       {report.engine}, {report.seconds:.2f} s, {rate:,.0f} records/s",
        f"  records      {report.records:,}",
        f"  span         {iso(report.first_ts_ns)} to {iso(report.last_ts_ns)}",
        f"  run          {report.run}",
        f"  policy       {report.policy_hash}",
    ]
    for name, check in report.checks.items():
        lines.append(f"  {name} {_row(name, check)}")
    if report.back_ns:
        lines.append(f"  clock        stepped back by up to {report.back_ns / 1e9:.3f} s")
    lines += [
        f"  head         {report.head.anchor}",
        f"  absent       {', '.join(report.absent) or 'no category'}",
        *_coverage(report),
    ]
    for place, row in enumerate(rows(report.ledger)):
        lines.append(f"  {'' if place else 'ledger':<12} {row}")
    return "\n".join(lines)


def _row(name: str, check: Check) -> str:
    return f"{CHECKS[name]:<24} {check.verdict:<12} {check.compared:>12,} {check.unit}"


def line(report: Report) -> str:
    """The verdict, and why it is not the best one, in one line."""
    why = f": {'; '.join(report.reasons)}" if report.reasons else ""
    return f"{report.path}: {report.verdict}{why}"


def not_compared(report: Report) -> str:
    """The fields that no check reads, kind by kind, in one line. Effects that never came are `not exercised`."""
    kinds: dict[str, list[str]] = {}
    for name in report.coverage.not_compared:
        kind, _, field = name.partition(".")
        if kind != "fx":
            kinds.setdefault(kind, []).append(field)
    said = [f"{kind} {' '.join(fields)}" for kind, fields in kinds.items() if kind != "any"]
    if "any" in kinds:
        said.append("the note x of an event")
    return f"  not compared {', '.join(said) or 'nothing'}"


def _coverage(report: Report) -> list[str]:
    coverage = report.coverage
    if not coverage.kinds:
        return []
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in coverage.kinds.items())
    missing = ", ".join(coverage.not_exercised) or "nothing"
    rows = (
        f"  kinds        {kinds}",
        f"  exercised    {len(coverage.actions)} actions; not exercised: {missing}",
    )
    wrap = textwrap.TextWrapper(width=118, subsequent_indent=" " * 15, break_on_hyphens=False)
    return [*(part for row in rows for part in wrap.wrap(row)), not_compared(report)]


def plain(report: Report) -> dict[str, Any]:
    """The report as JSON has it; `docs/guide/audit.md` names the fields."""
    return {
        "path": report.path,
        "engine": report.engine,
        "verdict": str(report.verdict),
        "reasons": list(report.reasons),
        "findings": [finding._asdict() | {"ts_ns": str(finding.ts_ns)} for finding in report.findings],
        "checks": {name: check._asdict() for name, check in report.checks.items()},
        "records": report.records,
        "first_ts_ns": str(report.first_ts_ns),
        "last_ts_ns": str(report.last_ts_ns),
        "run": report.run,
        "policy_hash": report.policy_hash,
        "head": report.head.anchor,
        "absent": list(report.absent),
        "clock_back_ns": str(report.back_ns),
        "coverage": {
            "kinds": report.coverage.kinds,
            "actions": report.coverage.actions,
            "not_exercised": list(report.coverage.not_exercised),
            "not_compared": list(report.coverage.not_compared),
        },
        "ledger": dict(report.ledger),
        "seconds": round(report.seconds, 3),
    }


def to_json(report: Report, disagreement: str = "") -> str:
    """The report as JSON text."""
    value = plain(report)
    if disagreement:
        value["disagreement"] = disagreement
    return json.dumps(value, indent=2, ensure_ascii=False)


def junit(report: Report) -> str:
    """The report as JUnit XML: a test case a check, and one for completeness. `incomplete` is a failure too."""
    failures = [name for name in report.checks if any(finding.check == name for finding in report.findings)]
    incomplete = report.verdict == Verdict.INCOMPLETE
    suite = ET.Element(
        "testsuite",
        name=f"trace-audit {report.path}",
        tests=str(len(report.checks) + 1),
        failures=str(len(failures) + incomplete),
        errors="0",
        time=f"{report.seconds:.3f}",
    )
    for name, check in report.checks.items():
        case = ET.SubElement(suite, "testcase", classname="trace-audit", name=f"{name}: {CHECKS[name]}")
        for finding in report.findings:
            if finding.check == name:
                _failure(case, finding)
        ET.SubElement(case, "system-out").text = _row(name, check)
    case = ET.SubElement(suite, "testcase", classname="trace-audit", name="complete")
    if incomplete:
        ET.SubElement(case, "failure", message=report.reasons[0]).text = "\n".join(report.reasons)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _failure(case: ET.Element, finding: Finding) -> None:
    message = f"{finding.where}: {finding.field}: expected {finding.expected}, found {finding.actual}"
    failure = ET.SubElement(case, "failure", message=message, type=finding.requirement)
    failure.text = "\n".join(finding.lines())
