"""`dolphin watchdog`: the arguments, the keys, and the exit codes of the independent watchdog process.

What belongs here: what is told and how errors read; what is done is in dolphin.watchdog (docs/design/watchdog.md).
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dolphin.app import args
from dolphin.app.errors import EXIT_NEGATIVE, EXIT_OK, EXIT_USAGE, UserError
from dolphin.app.state_dir import folder

KEY, SECRET = "BINANCE_API_KEY", "BINANCE_API_SECRET"
COUNTDOWN_MS: Final = 30_000
WEIGHT_MAX: Final = 1_200
"""Half of what Binance accepts a minute from one address: the trading process needs the rest."""

_WHAT: Final = f"""
    Watch a trading process from outside, and cancel its orders when it hangs or dies.

    The guard beats every 100 ms into DIR/heartbeat. When three beats did not come, or the process died, the watchdog
    puts the file KILL into DIR, so that the process finds itself killed when it wakes or starts, and cancels at the
    venue, through its own connection, every order of the symbols that is not reduce-only; again and again until none is
    left. While beats come it arms the venue's own countdown, so that the venue cancels if both processes die. It does
    not flatten.

    Run it under a supervisor that restarts it, as the user of the book. Its log is DIR/watchdog.jsonl, hash-chained.
    The API key comes from {KEY} and {SECRET}, or from --keys FILE: two lines, key and secret, mode
    600. Give it a key of its own that may trade and not withdraw.
"""
_EXAMPLE: Final = """
    dolphin watchdog --state book --venue binance-futures --symbols BTCUSDT,ETHUSDT
    dolphin watchdog --state book --venue binance-futures --symbols BTCUSDT --dry-run  # look, change nothing
    dolphin watchdog --state book --venue binance-futures --symbols BTCUSDT --once     # from cron, or after a crash
    dolphin watchdog --state book --verify                                             # what its log says
"""
_CODES: Final = {
    0: "ended by a signal with nothing left to do; --once: the process beats, has ended, or never began",
    1: "orders may be left: an act was not done; --once: the process was gone (and what it left was cancelled)",
    2: "usage or bad input, another watchdog looks on already; with --verify: the log is broken",
}


def parser() -> args.Parser:
    """The command line."""
    made = args.parser("dolphin watchdog", _WHAT, _EXAMPLE, _CODES)
    made.add_argument("--state", required=True, type=Path, metavar="DIR", help="the book's state directory")
    made.add_argument("--venue", choices=["binance-futures"], help="where the orders are")
    made.add_argument("--symbols", metavar="A,B", default="", help="the book's symbols, in the venue's words: BTCUSDT")
    made.add_argument("--url", metavar="URL", default="", help="another address of the venue, a testnet's, say")
    made.add_argument("--keys", type=Path, metavar="FILE", help=f"key and secret, a line each; else {KEY}, {SECRET}")
    made.add_argument("--missed", type=_count, default=3, metavar="N", help="beats of 100 ms that may not come (3)")
    made.add_argument(
        "--countdown-ms", type=_milliseconds, default=COUNTDOWN_MS, metavar="MS",
        help=f"the venue's own countdown ({COUNTDOWN_MS}; 0: none is armed)",
    )  # fmt: skip
    made.add_argument("--cancel-all", action="store_true", help="cancel reduce-only orders too: stops and targets")
    made.add_argument("--dry-run", action="store_true", help="look and say what would be done; change nothing")
    made.add_argument("--once", action="store_true", help="look once; act if need be; end")
    made.add_argument(
        "--timeout", type=args.seconds, default=60.0, metavar="S", help="with --once: how long an act may be"
    )
    made.add_argument("--verify", action="store_true", help="check the watchdog's own log and show what it did")
    return made


def _count(text: str) -> int:
    found = args.whole(text)
    if 1 <= found <= 600:
        return found
    raise argparse.ArgumentTypeError(f"accepted 1 to 600, found {text!r}")


def _milliseconds(text: str) -> int:
    found = args.whole(text)
    if found == 0 or 5_000 <= found <= 600_000:
        return found
    raise argparse.ArgumentTypeError(f"accepted 0, or 5000 to 600000, found {text!r}")


def symbols_of(text: str) -> tuple[str, ...]:
    """`BTCUSDT,ETHUSDT`; UserError where there is none, or a name that no venue has."""
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in found:
        if re.fullmatch(r"[A-Z0-9_]{2,40}", name) is None:
            raise UserError(
                "no symbol of the venue's", field="--symbols", expected="names such as BTCUSDT", actual=name,
                fix="leave out `-PERP` and the venue: they are Nautilus' words",
            )  # fmt: skip
    if not found:
        raise UserError("names no symbol", field="--symbols", fix="name the book's symbols, such as BTCUSDT,ETHUSDT")
    return found


def keys_of(path: Path | None) -> tuple[str, str]:
    """Key and secret, from the file or the environment; never from the command line, which everybody can read."""
    if path is None:
        found = (os.environ.get(KEY, "").strip(), os.environ.get(SECRET, "").strip())
        if not all(found):
            raise UserError(
                "no API key", expected=f"{KEY} and {SECRET} in the environment, or --keys FILE", actual="neither",
                fix="make a key of its own at the venue: it may trade, and not withdraw",
            )  # fmt: skip
        return _legible(*found)
    try:
        seen = os.stat(path)
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read ({error})", path=path, fix="name a file of two lines with --keys") from error
    if seen.st_mode & 0o077 or seen.st_uid != os.geteuid():
        mode = f"{stat.S_IMODE(seen.st_mode):o}"
        raise UserError(
            "holds a secret and is open to others", path=path, expected="yours, mode 600", actual=mode,
            fix=f"`chmod 600 {path}`; if others have read it, make a new key",
        )  # fmt: skip
    if len(lines) != 2:
        raise UserError("is no key file", path=path, expected="two lines, key and secret", actual=f"{len(lines)} words")
    return _legible(*lines)


def _legible(key: str, secret: str) -> tuple[str, str]:
    """Both, if they can stand in a request; the message does not show them, and nothing later has to."""
    for name, value in (("key", key), ("secret", secret)):
        if not re.fullmatch(r"[!-~]+", value):
            raise UserError(f"the {name} has signs that no key has", expected="visible ASCII", fix="copy it again")
    return key, secret


def main(argv: list[str]) -> int:
    """`dolphin watchdog`."""
    asked = parser().parse_args(argv)
    state = folder(asked.state)
    if asked.verify:
        return _verified(state.path)
    if asked.venue is None:
        raise UserError("names no venue", field="--venue", fix="say `--venue binance-futures`")
    names = symbols_of(asked.symbols)
    _affordable(names, asked.countdown_ms)
    return _watched(asked, state.path, names)


def _affordable(names: tuple[str, ...], countdown_ms: int) -> None:
    from dolphin.watchdog.arming import weight_a_minute

    if countdown_ms and (weight := weight_a_minute(len(names), countdown_ms)) > WEIGHT_MAX:
        least_ms = -(-countdown_ms * weight // WEIGHT_MAX)
        raise UserError(
            f"arming {len(names)} symbols that often costs a weight of {weight} a minute", field="--countdown-ms",
            expected=f"at most {WEIGHT_MAX}", actual=countdown_ms, fix=f"say --countdown-ms {least_ms} or more",
        )  # fmt: skip


def _watched(asked: argparse.Namespace, where: Path, names: tuple[str, ...]) -> int:
    from dolphin.watchdog.arming import Arming
    from dolphin.watchdog.binance import URL, BadUrl, Binance, Keys
    from dolphin.watchdog.process import Settings, Watchdog
    from dolphin.watchdog.record import NAME, Log

    keys, url = Keys(*keys_of(asked.keys)), asked.url or URL
    try:
        acting, arming = Binance(keys, url), Binance(keys, url)
    except BadUrl as error:
        raise UserError(str(error), field="--url") from error
    settings = Settings(where, names, asked.missed, asked.cancel_all, asked.dry_run)
    told = {"symbols": list(names), "venue": asked.venue, "url": url, "missed": asked.missed, "pid": os.getpid()}
    told |= {"countdown_ms": asked.countdown_ms, "cancel_all": int(asked.cancel_all), "dry": int(asked.dry_run)}
    log = Log(str(where / NAME), told)
    countdown_ms = 0 if asked.dry_run or asked.once else asked.countdown_ms
    dog = Watchdog(settings, acting, Arming(arming, names, countdown_ms), log, _say)

    def stop(*_: Any) -> None:
        dog.stop = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    _say(f"looks on {where}: {', '.join(names)} at {url}, {asked.missed} beats, countdown {countdown_ms} ms")
    if not asked.once:
        dog.run()
        return EXIT_NEGATIVE if dog.left else EXIT_OK
    sight = dog.once(asked.timeout)
    _say(f"{sight.state.value}: {sight.why}")
    return EXIT_NEGATIVE if dog.acts else EXIT_OK


def _say(text: str) -> None:
    now_s = time.time()
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now_s))}.{int(now_s * 1_000) % 1_000:03d}Z"
    with suppress(OSError):  # a full disk, or a reader that has gone, must not end the watch
        print(f"{stamp} {text}", flush=True)


def _verified(where: Path) -> int:
    from dolphin.journal import JournalError, Record, verify
    from dolphin.watchdog.record import NAME

    path = where / NAME
    lines: list[str] = []

    def each(record: Record) -> None:
        said = record.data
        if record.kind == "NOTE":
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.ts_ns // 10**9))
            lines.append(f"{stamp} {said.get('what')}: {said.get('words', '')}")

    if not path.exists():
        raise UserError("no watchdog ever looked on here", path=path, fix="start one: `dolphin watchdog --help`")
    try:
        found = verify(str(path), each=each)
    except JournalError as error:
        print("\n".join(lines))
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    print("\n".join(lines))
    end = "closed" if found.closed else "not closed: it runs, or was killed"
    print(f"{found.records:,} records, chain good, {found.gaps} gaps, {end}")
    return EXIT_OK
