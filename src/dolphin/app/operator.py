"""The operator's hand: status, kill, arm, confirm, rebase, adopt, on a running or a stopped book.

What belongs here: the commands' arguments and what is printed. A running book is asked by letter (its mailbox), a
stopped one acted upon in its journal (`stopped`); both are journalled with their cause, refusals too. No network.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dolphin.app import args
from dolphin.app.errors import EXIT_NEGATIVE, EXIT_OK, UserError
from dolphin.app.state_dir import Holder, StateDir, checked, holder
from dolphin.kernel.policy import ARM_WAIT_NS
from dolphin.kernel.reasons import REQUIREMENT, Reason
from dolphin.kernel.state import Mode

EXIT_SILENT: Final = 3
"""A running book did not answer in time: whether it acted is in its journal."""

_POLL_S: Final = 0.02
_LETTER_S: Final = 0.05
"""A letter lies at least this long, however little of the wait is left."""
_SIMULATED_NS: Final = 3_600 * 10**9
"""A running book whose clock is further than this from ours lives in simulated time."""

_CODES: Final = {
    0: "done",
    1: "refused; the reason and its requirement are printed, and journalled",
    3: "the running book did not answer in time",
}
_FIX: Final[dict[Reason, str]] = {
    Reason.NOT_KILLED: "the latch is RUNNING, so there is nothing to arm",
    Reason.WRONG_EPISODE: "that episode is over; `dolphin status` shows the present one",
    Reason.NOT_FLAT: "the book holds something, or an order may fill (`dolphin status` tells): wait for the flatten to"
    " end, or take it over with --accept-position",
    Reason.NOT_GREEN: "a feed is silent or equity is unreadable; every feed must have spoken since the start. A stopped"
    " book hears none: start it first, it stays killed",
    Reason.NOT_PENDING: "no request is pending: the first step comes first",
    Reason.WRONG_NONCE: "that nonce is of another request; only the latest request can be confirmed",
    Reason.TOO_EARLY: f"{ARM_WAIT_NS // 10**9} real seconds must pass after the first step; the request stays pending",
    Reason.NOT_TRAPPED: "only a flat book that drawdown alone keeps out, for as long as the policy says, may re-base",
    Reason.REBASE_RATE: "the policy's rate of re-bases is spent; `dolphin policy show` says how long to wait",
    Reason.UNPRICED: "equity is not above zero: there is nothing to re-base to",
    Reason.LAPSED: "that request is too old: repeat the first step, and look again at what you confirm",
    Reason.CHANGED: "what is held is neither nothing nor what the request took over: wait for the flatten to end, or"
    " arm again with --accept-position. A stopped book cannot see what is held: start it first, it stays killed",
}


def moment(ts_ns: int) -> str:
    """`2026-11-21 09:30:00 UTC`."""
    return f"{datetime.fromtimestamp(ts_ns / 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _looker(verb: str, what: str, example: str, codes: dict[int, str]) -> args.Parser:
    parser = args.parser(f"dolphin {verb}", what, example, codes)
    parser.add_argument("--state", required=True, type=Path, metavar="DIR", help="the book's state directory")
    return parser


def _parser(verb: str, what: str, example: str) -> args.Parser:
    parser = _looker(verb, what, example, _CODES)
    parser.add_argument(
        "--timeout", type=args.seconds, default=10.0, metavar="S", help="how long to wait for a running book"
    )
    return parser


def book_parser(verb: str, what: str, example: str) -> args.Parser:
    """A parser for a command that acts on a book: --state, --timeout, --cause."""
    return _with_cause(_parser(verb, what, example))


def _with_cause(parser: args.Parser) -> args.Parser:
    parser.add_argument("--cause", type=args.text, default="", metavar="TEXT", help="why; journalled with the command")
    return parser


def ask(state: StateDir, verb: str, said: Mapping[str, Any], cause: str, timeout_s: float) -> dict[str, Any]:
    """Have `verb` done by whoever can: the running book, or the stopped one's journal. The answer is the guard's."""
    until_s = time.monotonic() + timeout_s
    while True:
        who = holder(state)
        if who is None:
            answer = _acted(state, verb, said, cause)
            if answer is not None:
                return answer
        elif not who.operator:
            answer = _posted(state, who, verb, said, cause, until_s - time.monotonic())
            if answer is not None:
                return answer
        # Another operator holds the journal for a few records: wait for him rather than refuse a kill.
        if time.monotonic() >= until_s:
            raise UserError(
                f"another operator's command is at work on this book (process {who.pid if who else 'unknown'})",
                path=state.path,
                fix="wait for it to end, then look at `dolphin status` before you repeat yours",
            )
        time.sleep(_POLL_S)


def _acted(state: StateDir, verb: str, said: Mapping[str, Any], cause: str) -> dict[str, Any] | None:
    """Done in the stopped book's journal; None where somebody took it up in the same moment."""
    from dolphin.app import stopped
    from dolphin.journal import JournalError, JournalLocked

    try:
        return stopped.act(state, verb, said, cause)
    except JournalError as error:
        # The base class itself says "not as it was when I recovered it": somebody was between the two.
        if type(error) in (JournalLocked, JournalError):
            return None
        raise


def _posted(
    state: StateDir, who: Holder, verb: str, said: Mapping[str, Any], cause: str, timeout_s: float
) -> dict[str, Any] | None:
    """Answered by the running book; None where there is none: it ended, or it was an operator who had not signed yet.

    Between taking the journal's lock and signing it, and while it is given back, nobody's name or an earlier one stands
    on it, so who seems to run the book is looked at again while the letter lies there.
    """
    from dolphin.nautilus.mailbox import MailboxError, post

    def runs() -> bool:
        now = holder(state)
        return now is not None and not now.operator

    try:
        return post(state.path, verb, said, cause, max(timeout_s, _LETTER_S), runs)
    except MailboxError as error:
        raise UserError(
            f"{f'process {who.pid}' if who.pid else 'an unnamed process'} runs this book and does not answer: {error}",
            path=state.path,
            fix=f"look at that process; if it hangs, end it and repeat the command: a stopped book obeys at once"
            f" ({verb} is then in its journal before the next start)",
            code=EXIT_SILENT,
        ) from error


def tell_latch(answer: Mapping[str, Any]) -> None:
    """Say what the command met at journal and latch file, whatever its verb and whether it was granted."""
    if "held" in answer:
        print(f"the kill that the journal did not know of is journalled now: {answer['held']}")
    if "unjournalled" in answer:
        print(f"kept by the latch file alone, the next start journals it: {answer['unjournalled']}")
    if "unlatched" in answer and answer.get("mode") == Mode.RUNNING.name:
        print(f"the latch file refuses, so the next start may come up KILLED: {answer['unlatched']}")
    elif "unlatched" in answer:
        print(f"kept by the journal alone, the latch file refuses: {answer['unlatched']}")
    if "uncommanded" in answer:
        print(f"the journal has the kill, but no record of this command and its cause: {answer['uncommanded']}")


def refused(answer: Mapping[str, Any]) -> int:
    """Say why not, with the requirement that stands against it."""
    tell_latch(answer)
    name = str(answer.get("reason", ""))
    if name in Reason.__members__:
        reason = Reason[name]
        print(f"refused: {name} [{REQUIREMENT[reason]}]: {_FIX.get(reason, 'see the guide, docs/guide/operate.md')}")
    else:
        print(f"refused: {answer.get('error', 'no reason was given')}")
    return EXIT_NEGATIVE


def _granted(answer: Mapping[str, Any]) -> bool:
    return answer.get("ok") is True


def status(argv: list[str]) -> int:
    """`dolphin status`."""
    parser = _looker(
        "status",
        "Show a book: posture, confidence, R1..R5, latch, equity, drawdown, last record, feeds. Changes nothing.\n"
        "A stopped book's journal is folded and its chain checked; of a running one the last records are read.",
        """
        dolphin status --state ~/book
        dolphin status --state ~/book --json
        """,
        {2: "usage or bad input; where only the latch file cannot be read, all else is told"},
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")
    given = parser.parse_args(argv)
    from dolphin.app import status as book_status

    state = checked(given.state)
    said = book_status.of(state, holder(state))
    print(json.dumps(said, indent=2) if given.json else book_status.told(said))
    if "latch_unreadable" in said:
        raise UserError(said["latch_unreadable"])
    return EXIT_OK


def kill(argv: list[str]) -> int:
    """`dolphin kill`."""
    given = _with_cause(
        _parser(
            "kill",
            "Trip the kill switch: no entry leaves, increasing orders are cancelled, positions are flattened.\n"
            "It stays tripped over restarts, until `dolphin arm` and `dolphin confirm`. A stopped book is latched in\n"
            "its journal, and flattens when it is started.",
            """
            dolphin kill --state ~/book --cause "fills do not match the venue"
            """,
        )
    ).parse_args(argv)
    state = checked(given.state)
    try:
        answer = ask(state, "kill", {}, given.cause, given.timeout)
    except UserError as error:
        if error.code != EXIT_SILENT:
            raise
        raise _left_lying(state, given.cause, error) from error
    if not _granted(answer):
        return refused(answer)
    print(f"killed: episode {answer['episode']}, latch {answer['mode']}, posture {answer['posture']}")
    tell_latch(answer)
    print(f"next: {_command('status', state)}; when the cause is mended, {_command('arm', state)}")
    return EXIT_OK


def _left_lying(state: StateDir, cause: str, silent: UserError) -> UserError:
    """A book that does not answer is killed when it wakes: the file KILL is left for it. What to tell the operator."""
    from dolphin.journal import killfile

    path = state.path / killfile.NAME
    try:
        less = killfile.put(str(path), cause or killfile.NO_CAUSE)
    except OSError as error:
        print(f"the file KILL could not be left for it: {error}")
        return silent
    try:
        killfile.keep(str(path))
    except FileNotFoundError:
        pass  # it woke, and took it
    except OSError as error:
        less = less or str(error)
    if less:
        print(f"the file KILL lies there, but not all of it is on the disk: {less}")
    fix = f"{path} lies there now: the book is killed before its next order, when it wakes or starts; what works at"
    return UserError(silent.what, path=state.path, fix=f"{fix} the venue works on: look there", code=EXIT_SILENT)


def _command(verb: str, state: StateDir, more: str = "") -> str:
    return f"dolphin {verb} {more + ' ' if more else ''}--state {shlex.quote(str(state.path))}"


def arm(argv: list[str]) -> int:
    """`dolphin arm`."""
    parser = _with_cause(
        _parser(
            "arm",
            "First step of the re-arm after a kill. Prints the episode, why it was killed, what is held, and the\n"
            f"exact command of the second step, which is accepted {ARM_WAIT_NS // 10**9} real seconds later.\n"
            "Granted only for the present episode, with every feed green, and flat (the guard looks itself) or\n"
            "with the position explicitly taken over.",
            """
            dolphin arm --state ~/book --cause "feed handler replaced"
            dolphin arm --state ~/book --accept-position --cause "hedge, stays"
            """,
        )
    )
    settled = parser.add_mutually_exclusive_group()
    settled.add_argument("--flat", action="store_true", help="the book is flat; the guard checks it (default)")
    settled.add_argument("--accept-position", action="store_true", help="what is held is known and taken over")
    parser.add_argument("--episode", type=args.whole, metavar="N", help="the episode you mean (default: the present)")
    given = parser.parse_args(argv)
    state = checked(given.state)
    from dolphin.app import status as book_status

    now = book_status.of(state, holder(state))
    for line in book_status.killed(now):
        print(line)
    said: dict[str, Any] = {"observed_flat": int(not given.accept_position), "accepted": int(given.accept_position)}
    said["episode"] = now.get("episode", 0) if given.episode is None else given.episode
    answer = ask(state, "arm", said, given.cause, given.timeout)
    if not _granted(answer):
        return refused(answer)
    print(f"armed: episode {answer['episode']}, waiting for the second step")
    tell_latch(answer)
    if now["running"] and abs(int(now["last_record_ns"]) - _now_ns()) > _SIMULATED_NS:
        print(f"accepted {ARM_WAIT_NS // 10**9} s later by the book's own clock (simulated, or long silent):")
        return _second(answer, _command("confirm", state, str(answer["nonce"])), 0)
    return _second(answer, _command("confirm", state, str(answer["nonce"])))


def _second(answer: Mapping[str, Any], command: str, wait_ns: int = ARM_WAIT_NS) -> int:
    at_ns = int(answer.get("ts_ns") or _now_ns()) + wait_ns
    if wait_ns:
        print(f"accepted from {moment(at_ns)} on:")
    print(f"  {command}")
    return EXIT_OK


def _now_ns() -> int:
    return int(datetime.now(UTC).timestamp() * 10**9)


def confirm(argv: list[str]) -> int:
    """`dolphin confirm`."""
    parser = _with_cause(
        _parser(
            "confirm",
            "Second step of the re-arm, with the nonce that `dolphin arm` printed. The book runs again at confidence\n"
            "0 and earns its way back; entries return with STALKER.",
            """
            dolphin confirm 4823917 --state ~/book
            """,
        )
    )
    parser.add_argument("nonce", type=args.whole, help="as `dolphin arm` printed it")
    given = parser.parse_args(argv)
    state = checked(given.state)
    answer = ask(state, "confirm", {"nonce": given.nonce}, given.cause, given.timeout)
    if not _granted(answer):
        return refused(answer)
    print(f"running: latch {answer['mode']}, posture {answer['posture']}, confidence 0, earned back from here")
    tell_latch(answer)
    return EXIT_OK


def rebase(argv: list[str]) -> int:
    """`dolphin rebase`."""
    parser = _with_cause(
        _parser(
            "rebase",
            "Re-base the high-water mark to the present equity, in two steps. Only a trapped book may: flat, and kept\n"
            "out by its drawdown alone for as long as the policy says; and only as often as the policy says. Each\n"
            "re-base forgets the drawdown behind it, for good; the report counts them.",
            """
            dolphin rebase --state ~/book --cause "yearly review, board minute 12"
            dolphin rebase --state ~/book --confirm 4823917
            """,
        )
    )
    parser.add_argument("--confirm", type=args.whole, metavar="NONCE", help="second step, as the first one printed it")
    given = parser.parse_args(argv)
    state = checked(given.state)
    verb, said = ("rebase-arm", {}) if given.confirm is None else ("rebase-confirm", {"nonce": given.confirm})
    answer = ask(state, verb, said, given.cause, given.timeout)
    if not _granted(answer):
        return refused(answer)
    tell_latch(answer)
    if given.confirm is None:
        print("requested: nothing has changed yet; whether the book has the right to it is decided at the second step,")
        print("and the request ends with the trap, or when it is too old (a real day; thirty on daily bars):")
        return _second(answer, _command("rebase", state, f"--confirm {answer['nonce']}"), 0)
    print(f"re-based: the mark is the equity; posture {answer['posture']}, confidence is earned back from where it is")
    return EXIT_OK


def adopt(argv: list[str]) -> int:
    """`dolphin adopt`."""
    parser = _with_cause(
        _parser(
            "adopt",
            "Decide on positions that the guard found at a first live start: it leaves them alone until you take them\n"
            "over (they are then trimmed and flattened as any other), or want them gone (--flatten; running books).",
            """
            dolphin adopt --state ~/book
            dolphin adopt --state ~/book --position P-123 --flatten
            """,
        )
    )
    parser.add_argument("--position", type=args.text, help="one of them (default: all that wait)")
    parser.add_argument("--flatten", action="store_true", help="sell it instead")
    given = parser.parse_args(argv)
    state = checked(given.state)
    said = {} if given.position is None else {"position": given.position}
    answer = ask(state, "flatten" if given.flatten else "adopt", said, given.cause, given.timeout)
    if not _granted(answer):
        return refused(answer)
    print(f"{'flattening' if given.flatten else 'adopted'}: {', '.join(answer.get('positions', ()))}")
    tell_latch(answer)
    return EXIT_OK


COMMANDS: Final[dict[str, Callable[[list[str]], int]]] = {
    "status": status, "kill": kill, "arm": arm, "confirm": confirm, "rebase": rebase, "adopt": adopt,
}  # fmt: skip
