"""The ledger in a checkpoint: what a restart goes on with, there and back.

What belongs here: the form of `entries.Accounts`, and its strict reading. All of it is there: who begins from a
checkpoint sees no record before it, not even the scales of the header's instruments as a later start left them.
"""

from __future__ import annotations

from typing import Any, Final

from dolphin.journal.codec import Malformed, integer, listed, texts
from dolphin.journal.entries import Accounts, Day, Unit
from dolphin.kernel.ledger import Position
from dolphin.kernel.ledger_books import Books

FIELDS: Final = (
    "simulated", "opened", "capital", "fills", "again", "fees", "held", "ended", "units", "inexact", "found", "known",
)  # fmt: skip

APART: Final = "apart"
UNEXPLAINED: Final = "unexplained"
DAY: Final = "day"
LATER: Final = (APART, UNEXPLAINED, DAY)
"""Fields that came later, and stand only where there is something in them."""


def plain(accounts: Accounts) -> dict[str, object]:
    """As a checkpoint writes it: positions and scales as rows of numbers, names last."""
    books = accounts.books
    opened: list[int] = []
    if accounts.opened is not None:
        opened.append(accounts.opened)
    found: dict[str, object] = {
        "simulated": int(accounts.simulated),
        "opened": opened,
        "capital": books.capital,
        "fills": books.fills,
        "again": accounts.again,
        "fees": dict(books.fees),
        "held": {name: [*position, where] for name, (where, position) in books.held.items()},
        "ended": {name: [*position] for name, position in books.ended.items()},
        "units": {name: [*unit] for name, unit in accounts.units.items()},
        "inexact": sorted(accounts.inexact),
        "found": sorted(accounts.found),
        "known": [[*key] for key in accounts.known],
    }
    if accounts.apart:
        found[APART] = dict(accounts.apart)
    if accounts.unexplained != 0:
        found[UNEXPLAINED] = accounts.unexplained
    if accounts.day is not None:
        found[DAY] = [*accounts.day]
    return found


def restored(value: object) -> Accounts:
    """What `plain` wrote. Malformed names the field that is not as it would have written it."""
    said = _object("ledger", value)
    fields = list(FIELDS)
    for name in LATER:
        if name in said:
            fields.append(name)
    if list(said) != fields:
        raise Malformed("ledger", ", ".join(fields), ", ".join(said))
    made = Accounts()
    for name, lots in _object("ledger.apart", said.get(APART, {})).items():
        made.apart[name] = integer(f"ledger.apart.{name}", lots)
    made.unexplained = integer("ledger.unexplained", said.get(UNEXPLAINED, 0))
    if DAY in said:
        numbers, _ = _numbers("ledger.day", [*listed("ledger.day", said[DAY]), ""], 4)
        made.day = Day._make(numbers)
    simulated = integer("ledger.simulated", said["simulated"])
    if simulated not in (0, 1):
        raise Malformed("ledger.simulated", "0 or 1", simulated)
    made.simulated = simulated == 1
    opened = listed("ledger.opened", said["opened"])
    if len(opened) > 1:
        raise Malformed("ledger.opened", "one balance, or none", opened)
    for balance in opened:
        made.opened = integer("ledger.opened", balance)
    made.again = integer("ledger.again", said["again"])
    held = {}
    for name, row in _object("ledger.held", said["held"]).items():
        numbers, where = _numbers(f"ledger.held.{name}", row, 4)
        held[name] = (where, Position(*numbers))
    ended = {}
    for name, row in _object("ledger.ended", said["ended"]).items():
        field = f"ledger.ended.{name}"
        numbers, _ = _numbers(field, [*listed(field, row), ""], 4)
        ended[name] = Position(*numbers)
    for name, row in _object("ledger.units", said["units"]).items():
        numbers, currency = _numbers(f"ledger.units.{name}", row, 6)
        made.units[name] = Unit._make([*numbers, currency])
    fees = {name: integer(f"ledger.fees.{name}", fee) for name, fee in _object("ledger.fees", said["fees"]).items()}
    capital = integer("ledger.capital", said["capital"])
    made.books = Books(held, ended, fees, capital, integer("ledger.fills", said["fills"]))
    made.inexact = set(texts("ledger.inexact", said["inexact"]))
    made.found = set(texts("ledger.found", said["found"]))
    for pair in listed("ledger.known", said["known"]):
        names = texts("ledger.known", pair)
        if len(names) != 2:
            raise Malformed("ledger.known", "pairs of order and trade id", pair)
        made.known[(names[0], names[1])] = None
    return made


def _object(field: str, value: object) -> dict[str, Any]:
    if type(value) is not dict:
        raise Malformed(field, "an object", value)
    return value


def _numbers(field: str, value: object, count: int) -> tuple[list[int], str]:
    """So many integers, and the name after them."""
    row = listed(field, value)
    if len(row) != count + 1:
        raise Malformed(field, f"{count} numbers and a name", value)
    (name,) = texts(field, row[count:])
    return [integer(field, number) for number in row[:count]], name
