"""`dolphin policy show` and `dolphin policy check`.

What belongs here: arguments and printing. The rows are `policy_table`'s, the checks `config`'s and the kernel's.
"""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from dolphin.app import args
from dolphin.app.config import PROFILES, ConfigErrors, load_policy
from dolphin.app.errors import EXIT_NEGATIVE, EXIT_OK, UserError
from dolphin.app.policy_table import Row, rows
from dolphin.kernel.policy import INTRADAY, VERSION, Policy

_JOURNAL = b'{"seq":'


def policy_in(path: str) -> Policy:
    """The policy of a TOML file's `[policy]`, or of a journal's header."""
    try:
        with open(path, "rb") as file:
            begins = file.read(len(_JOURNAL))
    except OSError:
        begins = b""
    if begins != _JOURNAL:
        return load_policy(path)
    from dolphin.journal import codec
    from dolphin.journal.chain import header as header_of

    header = header_of(path).data
    try:
        return codec.policy_of(header["policy"])
    except (KeyError, codec.Malformed) as error:
        raise UserError(f"its header has no policy of this version ({error})", path=path, line=1) from error


def show(options: list[str]) -> int:
    """`dolphin policy show [FILE]`."""
    parser = args.parser(
        "dolphin policy show",
        "Print the policy in force: each value with its unit, its source (section of the design), and what it costs.\n"
        "FILE: a TOML policy file, or a journal (the policy that its run was under). Without FILE: the profile's own.",
        """
        dolphin policy show
        dolphin policy show --profile daily
        dolphin policy show policy.toml
        dolphin policy show out/guarded.jsonl --json
        """,
    )
    parser.add_argument("file", nargs="?", help="policy file (TOML) or journal")
    parser.add_argument("--profile", choices=tuple(PROFILES), help="where no FILE is given (default: intraday)")
    parser.add_argument("--json", action="store_true", help="machine-readable: policy, hash, rows")
    given = parser.parse_args(options)
    if given.file is not None:
        if given.profile is not None:
            parser.error("--profile and FILE exclude each other: the file says which profile it is")
        policy = policy_in(given.file)
    else:
        policy = PROFILES.get(given.profile, INTRADAY)
    from dolphin.journal.codec import policy_hash, policy_object

    found = rows(policy)
    if given.json:
        said = {"hash": policy_hash(policy), "policy": policy_object(policy), "rows": [row._asdict() for row in found]}
        print(json.dumps(said, indent=2))
        return EXIT_OK
    print(table(found, shutil.get_terminal_size((120, 24)).columns))
    print(f"policy version {VERSION}, hash {policy_hash(policy)}")
    return EXIT_OK


def table(found: Sequence[Row], columns: int) -> str:
    """The rows as text, the last column wrapped to the terminal."""
    wide = max(len(row.name) for row in found) + 2
    value = min(max(len(row.value) for row in found), 34) + 2
    rest = max(columns - wide - value - 12, 30)
    lines = []
    group = ""
    for row in found:
        if row.group != group:
            group = row.group
            lines += [
                "",
                group.upper(),
                f"{'':2}{'name':<{wide}}{'value':<{value}}{'source':<12}what it costs or means",
            ]
        texts, values = wrapped(row.costs, rest), wrapped(row.value, value - 2)
        for index in range(max(len(texts), len(values))):
            name, source = (row.name, row.source) if index == 0 else ("", "")
            left = values[index] if index < len(values) else ""
            right = texts[index] if index < len(texts) else ""
            lines.append(f"  {name:<{wide}}{left:<{value}}{source:<12}{right}".rstrip())
    return "\n".join(lines[1:])


def wrapped(text: str, columns: int) -> list[str]:
    """`text` in lines, a number never parted from its unit."""
    held = re.sub(r"(\d) (%|s|ms|d|min|policy s)\b|(\d) (%)", lambda m: m[0].replace(" ", "\xa0"), text)
    return [line.replace("\xa0", " ") for line in textwrap.wrap(held, columns)]


def check(options: list[str]) -> int:
    """`dolphin policy check FILE`."""
    parser = args.parser(
        "dolphin policy check",
        "Check a policy file: unknown keys, wrong types, values out of range, thresholds that contradict each other.\n"
        "Every finding is one line, FILE:LINE: key: what is wrong. Nothing is changed.",
        """
        dolphin policy check policy.toml
        """,
        {0: "the policy is consistent", 1: "it is not; every finding is printed"},
    )
    parser.add_argument("file", help="policy file (TOML, table [policy])")
    given = parser.parse_args(options)
    try:
        policy = load_policy(given.file)
    except ConfigErrors as errors:
        for error in errors.errors:
            print(error)
        print(f"{given.file}: {len(errors.errors)} finding(s): no run will start with this policy")
        return EXIT_NEGATIVE
    from dolphin.journal.codec import policy_hash

    print(f"{Path(given.file)}: consistent; policy version {VERSION}, hash {policy_hash(policy)}")
    return EXIT_OK


def main(argv: list[str]) -> int:
    """`dolphin policy show | check`."""
    verbs = {"show": show, "check": check}
    if argv:
        if argv[0] in verbs:
            return verbs[argv[0]](argv[1:])
    parser = args.parser(
        "dolphin policy",
        "What the guard decides by. `show` prints the policy in force, `check` validates a policy file.",
        """
        dolphin policy show --profile daily
        dolphin policy check policy.toml
        """,
    )
    parser.add_argument("verb", choices=tuple(verbs), help="`dolphin policy VERB --help` says more")
    parser.parse_args(argv[:1])
    raise AssertionError("argparse accepted a verb that is not in the table")
