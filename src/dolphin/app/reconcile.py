"""`dolphin reconcile --now`: the ledger beside the other books, asked of a running book.

What belongs here: the table, and the exit code. What is compared, and when a difference is a fault, is the guard's
(nautilus/reconcile.py); who carries the word is `operator.ask`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dolphin.app.book import folded
from dolphin.app.errors import EXIT_NEGATIVE, EXIT_OK, UserError
from dolphin.app.operator import ask, book_parser, refused
from dolphin.app.state_dir import checked, holder
from dolphin.app.status import day_line
from dolphin.app.venue_column import with_venue
from dolphin.app.watchdog_cli import KEY, SECRET, keys_of
from dolphin.watchdog.binance import URL, BadUrl, Binance, Keys

_WHAT: Final = """\
Ask a running book to hold its ledger against the other books now: the positions that Nautilus shows, and the third book
of record where one is configured. Prints lots, side by side. The command and its answer are journalled.

It is a look as those that the book takes by itself (position_sync_ms): two in a row that differ trip the latch. A look
while an order is in flight is none, and exits with 3: ask again.

--venue asks the venue itself too, by this command and not by the book: one request that reads, with the key of
`dolphin watchdog` or one that may read only. That column is printed and not journalled, and accuses nobody; a fill
between the two answers shows as a difference. A venue that does not answer exits with 3."""
_EXAMPLE: Final = """\
dolphin reconcile --now --state ~/book --cause "before the close"
dolphin reconcile --now --state ~/book --venue binance-futures --keys ~/read.key
"""
EXIT_UNKNOWN: Final = 3


def main(argv: list[str]) -> int:
    """`dolphin reconcile --now`."""
    parser = book_parser("reconcile", _WHAT, _EXAMPLE)
    parser.add_argument("--now", action="store_true", required=True, help="ask the running book now")
    parser.add_argument("--venue", choices=["binance-futures"], help="ask the venue itself too")
    parser.add_argument("--url", metavar="URL", default="", help="another address of the venue, a testnet's, say")
    parser.add_argument("--keys", type=Path, metavar="FILE", help=f"key and secret, a line each; else {KEY}, {SECRET}")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    given = parser.parse_args(argv)
    state = checked(given.state)
    if holder(state) is None:
        raise UserError(
            "nobody runs this book, so there is nothing to hold its ledger against",
            path=state.path,
            fix="start it; `trace-audit` shows the ledger of its journal",
        )
    venue = _venue(given) if given.venue else None
    answer = ask(state, "reconcile", {}, given.cause, given.timeout)
    if answer.get("ok") is not True:
        return refused(answer)
    if venue is not None and not answer["inflight"]:
        answer = with_venue(answer, folded(state.journal)[1].accounts.units, venue)
        venue.close()
    print(json.dumps(answer, indent=2) if given.json else "\n".join(told(answer)))
    if answer["inflight"] or answer.get("venue"):
        return EXIT_UNKNOWN
    return EXIT_OK if answer["same"] else EXIT_NEGATIVE


def _venue(given: argparse.Namespace) -> Binance:
    """The venue's connection; what is wrong with its key or address is said before the book is asked."""
    try:
        return Binance(Keys(*keys_of(given.keys)), given.url or URL)
    except BadUrl as error:
        raise UserError(str(error), field="--url") from error


def told(answer: Mapping[str, Any]) -> list[str]:
    """The answer for people: one line an instrument, then what was not compared."""
    if answer["inflight"]:
        return [f"not compared: {answer['inflight']} orders are in flight; ask again"]
    column = ["venue"] if "venue" in answer else []
    rows = [["instrument", "ledger", "nautilus", "third book", *column, "difference"]]
    for instrument, ledger, *others in answer["rows"]:
        apart = [lots - ledger for lots in others if lots not in (None, ledger)]
        said = ", ".join(f"{lots:+,}" for lots in apart) or "-"
        rows.append([instrument, f"{ledger:,}", *("-" if lots is None else f"{lots:,}" for lots in others), said])
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(rows) == 1:
        lines = ["nothing is held in any book"]
    if answer["third"]:
        lines.append(f"the third book says nothing: {answer['third']}")
    if answer.get("venue"):
        lines.append(f"the venue says nothing: {answer['venue']}")
    if answer["unknown"]:
        lines.append(f"the third book names what is not loaded here, not compared: {', '.join(answer['unknown'])}")
    ledger, account = answer["money"]
    lines += _money(ledger, account, answer["fills"])
    if answer["day"]:
        lines.append(f"day, in minor units: {day_line({}, answer['day'])}; mark {int(answer['day']['mark']):,}")
    lines.append("in lots; the same" if answer["same"] else "in lots; they differ")
    return lines


def _money(ledger: Any, account: Any, fills: int) -> list[str]:
    """The balance, where both know it: Nautilus rounds each fill to a minor unit, the ledger once."""
    if ledger is None or account is None:
        return []
    ledger, account = int(ledger), int(account)
    said = f"balance in minor units: {ledger:,} by the ledger, {account:,} in the account"
    if abs(account - ledger) <= fills:
        return [f"{said}: the same"]
    return [f"{said}: {account - ledger:+,}, which no record explains (funding, interest, what was not announced)"]
