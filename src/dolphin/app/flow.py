"""`dolphin flow`: a deposit or withdrawal is announced, so that the guard takes it for neither profit nor loss.

What belongs here: the amount, said twice in two units before anything is told to the book. What a flow does is the
kernel's; who carries the word is `operator.ask`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from dolphin.app import args
from dolphin.app.errors import EXIT_OK, UserError
from dolphin.app.operator import ask, book_parser, refused, tell_latch
from dolphin.app.state_dir import StateDir, checked, holder

_AMOUNT: Final = re.compile(r"[+-]?[0-9]{1,99}(\.[0-9]{1,99})?")
_MINOR_MAX: Final = 10**18
_WHAT: Final = """\
Announce money that comes (positive) or goes (negative), before it does. A flow scales the high-water mark, so that the
drawdown stays what it was. A withdrawal that nobody announced looks like a loss, and a large one flattens the book.

Two steps, since a slip of a digit would move the mark. The first tells the book nothing: it prints the amount in the
currency and in its minor units, what equity becomes of it, and the command of the second step. Read both amounts.

A running book takes the next change of its balance by exactly this amount for the flow; an announcement is not kept
over a restart. A stopped book cannot see its balance: its journal records the flow at once, so announce what has moved
since it stopped."""
_EXAMPLE: Final = """\
dolphin flow -25000 --state ~/book                                  what a withdrawal of 25,000 would be
dolphin flow -25000 --confirm=-2500000 --state ~/book --cause rent  announced
dolphin flow 300.50 --state ~/book                                  a deposit
"""


def main(argv: list[str]) -> int:
    """`dolphin flow AMOUNT [--confirm MINOR]`."""
    parser = book_parser("flow", _WHAT, _EXAMPLE)
    parser.add_argument(
        "amount", metavar="AMOUNT", help="in the book's currency, 25000 or -300.50; in minor units if it names none"
    )
    parser.add_argument(
        "--confirm", type=args.whole, metavar="MINOR", help="second step: the same amount in minor units"
    )
    given = parser.parse_args(argv)
    state = checked(given.state)
    from dolphin.app import status

    now = status.of(state, holder(state))
    minor = minor_units(given.amount, now.get("minor_per_unit"))
    word = "deposit" if minor > 0 else "withdrawal"
    if given.confirm is None:
        for line in _shown(now, word, minor):
            print(line)
        print("nothing has been said to the book yet; if both amounts are right:")
        print(f"  dolphin flow {given.amount} --confirm={minor} --state {shlex.quote(str(state.path))}")
        return EXIT_OK
    if given.confirm != minor:
        raise UserError(
            f"the two amounts differ: {given.amount} is {minor} minor units",
            field="--confirm",
            expected=str(minor),
            actual=given.confirm,
            fix="repeat the first step and read both amounts",
        )
    return _announced(state, given, word, status.amount(now, abs(minor)), minor)


def minor_units(text: str, per: int | None) -> int:
    """The amount in minor units, exactly. UserError for what is no amount, nothing, or finer than they are."""
    accepted = "a number as 25000 or -300.50, without separators"
    if _AMOUNT.fullmatch(text) is None:
        raise UserError("is no amount", field="AMOUNT", expected=accepted, actual=text)
    exact = Fraction(text) * (per or 1)
    if exact.denominator != 1:
        unit = f"1/{per} of the currency" if per else "a whole minor unit: this journal does not name its currency"
        raise UserError("is finer than the account can hold", field="AMOUNT", expected=unit, actual=text)
    if abs(exact) > _MINOR_MAX:
        raise UserError("is more than any account holds", field="AMOUNT", expected=accepted, actual=text)
    if exact == 0:
        raise UserError("is nothing", field="AMOUNT", expected=accepted, actual=text)
    return int(exact)


def _shown(now: Mapping[str, Any], word: str, minor: int) -> list[str]:
    from dolphin.app import status

    said = [f"{word}: {status.amount(now, abs(minor))} ({minor:,} minor units)"]
    if "equity" in now:
        before, after = now["equity"], now["equity"] + minor
        said.append(f"equity: {status.amount(now, before)}, then {status.amount(now, after)}; the drawdown stays")
        if after <= 0:
            said.append("that leaves nothing: look at the amount again")
    how = "announced to" if now["running"] else "recorded in the journal of"
    said.append(f"it would be {how} this book, which is {'running' if now['running'] else 'stopped'}")
    return said


def _announced(state: StateDir, given: Any, word: str, amount: str, minor: int) -> int:
    answer = ask(state, "flow", {"amount": str(minor)}, given.cause, given.timeout)
    if answer.get("ok") is not True:
        return refused(answer)
    if answer.get("announced") != str(minor):
        raise UserError(f"the book understood another amount: {answer.get('announced')}", path=state.path)
    tell_latch(answer)
    if "mark" in answer:
        print(f"recorded: a {word} of {amount} ({minor:,} minor units); the mark is scaled, the drawdown stays")
    else:
        print(f"announced: a {word} of {amount} ({minor:,} minor units)")
        print("the next change of the balance by exactly that is a flow; a restart forgets the announcement")
    return EXIT_OK
