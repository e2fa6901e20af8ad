"""`dolphin limits`: show and check a file of pre-trade limits, and change those of a running book in two steps.

What belongs here: the commands' arguments and what is printed. Which limits there are is `dolphin.limits.codes`', what
a file may say `limits_file`'s, what changes at once the running book's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dolphin.app import args
from dolphin.app.book import folded
from dolphin.app.config import ConfigErrors
from dolphin.app.errors import EXIT_NEGATIVE, EXIT_OK, UserError
from dolphin.app.limits_file import load_limits
from dolphin.app.state_dir import StateDir, checked, holder
from dolphin.kernel.units import BP, MICRO
from dolphin.limits.codes import SPECS, Code, Unit
from dolphin.limits.config import NOTHING, Limits, Rule, from_object, to_object
from dolphin.limits.returns import ROWS

_STEPS = {
    0: "done",
    1: "refused: it is breached, too early, or another proposal's nonce; the reason is printed and journalled",
    3: "the running book did not answer in time",
}


def shown(unit: Unit, value: int) -> str:
    """A value as its unit reads."""
    if unit == Unit.NONE:
        return ""
    if unit == Unit.COUNT:
        return f"{value:,}"
    if unit == Unit.SHARE:
        return f"{value / 100:g} % ({value / BP:g}x)"
    if unit == Unit.TIME:
        return f"{value / 10**9:g} s"
    return f"{value / MICRO:,.6f}".rstrip("0").rstrip(".")


def _line(code: Code, rule: Rule) -> str:
    spec = SPECS[code]
    parts = [shown(spec.unit, rule.value)]
    parts += [f"{name}: {shown(spec.unit, value)}" for name, value in rule.each]
    if spec.window_ns and rule.mode:
        parts.append(f"within {rule.window_ns / 10**9:g} s")
    if spec.sized and rule.mode:
        parts.append(f"{spec.sized} {shown(Unit.SHARE, rule.size)}")
    if spec.horizon_ns and rule.mode:
        parts.append(f"over {rule.window_ns / 10**9:g} s, {shown(Unit.SHARE, rule.assumed)} assumed")
    parts += rule.names
    said = ", ".join(part for part in parts if part) if rule.mode else ""
    return f"  {spec.name:<21}{rule.mode.name.lower():<9}{said:<31} {spec.what} [{spec.requirement}]"


def table(limits: Limits) -> str:
    """Every limit, those that are off too."""
    lines = [f"  {'limit':<21}{'mode':<9}{'value':<32}what it limits"]
    lines += [_line(code, limits.rule(code)) for code in SPECS]
    lines += [f"  {name:<30}{value / 10**9:g} s" for name, value in limits.intervals]
    return "\n".join(lines)


def said_in_force(state: StateDir) -> dict[str, Any]:
    """What the journal says of the limits in force, by its fold: the segment that said so may be gone. Nothing where it
    says nothing.
    """
    return folded(state.journal)[1].limits


def windows(said: Mapping[str, Any]) -> str:
    """How full the window of returns of each instrument is; nothing where no limit is judged on returns."""
    lines = []
    for name, moves in said.get("returns", {}).get("moves", {}).items():
        counts = "they count" if len(moves) == ROWS else "what is assumed counts until then"
        lines.append(f"\n  returns of {name:<21}{len(moves)} of {ROWS}: {counts}")
    return "".join(lines)


def show(options: list[str]) -> int:
    """`dolphin limits show [FILE | --state DIR]`."""
    parser = args.parser(
        "dolphin limits show",
        "Print every limit: its mode, its value and what it limits. Of a file, or with --state of the limits that a\n"
        "book's journal says are in force.",
        """
        dolphin limits show examples/limits.toml
        dolphin limits show --state book
        """,
    )
    parser.add_argument("file", nargs="?", help="a file of limits (TOML)")
    parser.add_argument("--state", help="a book's state directory")
    given = parser.parse_args(options)
    if (given.file is None) == (given.state is None):
        raise UserError("dolphin limits show: which limits?", fix="name a file, or a book with --state")
    if given.file:
        print(table(load_limits(given.file)))
        return EXIT_OK
    said = said_in_force(checked(given.state))
    print(table(from_object(said) if said else NOTHING) + windows(said))
    return EXIT_OK


def check(options: list[str]) -> int:
    """`dolphin limits check FILE`."""
    parser = args.parser(
        "dolphin limits check",
        "Check a file of limits: unknown tables and keys, wrong types, values below zero, a value that is missing.\n"
        "Every finding is one line, FILE:LINE: key: what is wrong. Nothing is changed.",
        """
        dolphin limits check limits.toml
        """,
        {0: "the file is right", 1: "it is not; every finding is printed"},
    )
    parser.add_argument("file", help="a file of limits (TOML)")
    given = parser.parse_args(options)
    try:
        limits = load_limits(given.file)
    except ConfigErrors as errors:
        for error in errors.errors:
            print(error)
        print(f"{given.file}: {len(errors.errors)} finding(s): no book will start with these limits")
        return EXIT_NEGATIVE
    modes = [rule.mode.name.lower() for _, rule in limits.rules]
    print(f"{given.file}: right; {modes.count('on')} limits on, {modes.count('passive')} passive")
    return EXIT_OK


def propose(options: list[str]) -> int:
    """`dolphin limits propose FILE --state DIR`."""
    parser = args.parser(
        "dolphin limits propose",
        "Ask a running book to take other limits, all of a file. What is tighter is in force at once. What is looser\n"
        "waits for `confirm`, a minute later, and is refused while the limit is breached.",
        """
        dolphin limits propose limits.toml --state book --cause "twice the equity"
        dolphin limits confirm --nonce 4711 --state book
        """,
        _STEPS,
    )
    parser.add_argument("file", help="a file of limits (TOML)")
    given = _common(parser, options)
    answer = _asked(given, "limits-propose", {"limits": to_object(load_limits(given.file))})
    for word in ("tightened", "looser"):
        print(f"{word}: {', '.join(answer.get(word, ())) or 'nothing'}")
    if answer.get("ok") is not True:
        return _refused(answer)
    if "nonce" in answer:
        print(f"what is looser waits: dolphin limits confirm --nonce {answer['nonce']} --state {given.state}")
        print(f"in {answer['wait_s']} s at the earliest, within a day")
    return EXIT_OK


def confirm(options: list[str]) -> int:
    """`dolphin limits confirm --nonce N --state DIR`."""
    parser = args.parser(
        "dolphin limits confirm",
        "The second step: what `propose` announced as looser is in force, if it is not breached now.",
        """
        dolphin limits confirm --nonce 4711 --state book
        """,
        _STEPS,
    )
    parser.add_argument("--nonce", type=args.whole, required=True, help="the nonce that `propose` printed")
    given = _common(parser, options)
    answer = _asked(given, "limits-confirm", {"nonce": str(given.nonce)})
    if answer.get("ok") is not True:
        return _refused(answer)
    print(f"loosened: {', '.join(answer['loosened']) or 'nothing'}")
    return EXIT_OK


def enable(options: list[str]) -> int:
    """`dolphin limits enable STRATEGY --state DIR`."""
    parser = args.parser(
        "dolphin limits enable",
        "Let a strategy enter again that `repeated_execution` stopped. Find out first why it entered so often.",
        """
        dolphin limits enable TREND-000 --state book --cause "a rebalance, and wanted"
        """,
        _STEPS,
    )
    parser.add_argument("strategy", help="the strategy's id, as the log says")
    given = _common(parser, options)
    answer = _asked(given, "limits-enable", {"strategy": given.strategy})
    if answer.get("ok") is not True:
        return _refused(answer)
    print(f"enabled: {answer['enabled']}")
    return EXIT_OK


def _common(parser: args.Parser, options: list[str]) -> Any:
    parser.add_argument("--state", required=True, help="the book's state directory")
    parser.add_argument("--cause", type=args.text, default="", help="why, in words, for the journal")
    parser.add_argument("--timeout", type=args.seconds, default=5.0, help="seconds to wait for the running book")
    return parser.parse_args(options)


def _asked(given: Any, verb: str, said: dict[str, Any]) -> dict[str, Any]:
    from dolphin.app.operator import ask

    state = checked(given.state)
    if holder(state) is None:
        raise UserError(
            "this book is stopped, and only a running one knows whether a limit is breached",
            path=state.path,
            fix="start it, then propose; a file that is tighter tightens with the start",
        )
    return ask(state, verb, said, given.cause, given.timeout)


def _refused(answer: dict[str, Any]) -> int:
    print(f"refused [DOL-LIMIT-003]: {answer.get('error', 'no reason was given')}")
    return EXIT_NEGATIVE


def main(argv: list[str]) -> int:
    """`dolphin limits show | check | propose | confirm | enable`."""
    verbs = {"show": show, "check": check, "propose": propose, "confirm": confirm, "enable": enable}
    if argv:
        if argv[0] in verbs:
            return verbs[argv[0]](argv[1:])
    parser = args.parser(
        "dolphin limits",
        "Pre-trade limits. `show` prints them, `check` validates a file, `propose` and `confirm` change those of a\n"
        "running book: tighter at once, looser in two steps.",
        """
        dolphin limits check limits.toml
        dolphin limits show --state book
        dolphin limits propose limits.toml --state book
        """,
    )
    parser.add_argument("verb", choices=tuple(verbs), help="`dolphin limits VERB --help` says more")
    parser.parse_args(argv[:1])
    raise AssertionError("argparse accepted a verb that is not in the table")
