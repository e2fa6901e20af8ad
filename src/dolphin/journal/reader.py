"""Read a file of records, one by one, in constant memory, checking each against the chain before it is handed out.

What belongs here: one file, which is a journal or a segment of one (`chain.py` puts those together), and the diagnosis
of its first bad record. The path of a good record is short (one match, one hash, one decode); only a bad one is
looked at field by field, in `diagnose`. A line without its end is never a record.

The clock of a host may step back, and the record of that must be readable: times are checked for form, and
`verify` reports the largest step back; whether it was answered by the latch is for the audit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from dolphin.journal.encoding import FORMAT, GENESIS, LINE_BYTES_MAX, POLICY_CHARS, TAIL_BYTES, TS_MAX_NS, Head, decode
from dolphin.journal.errors import JournalBroken, JournalMissing, JournalTorn, JournalUnreadable
from dolphin.journal.files import PORT, READ, Port, let_go, word
from dolphin.journal.kinds import CHECKERS, HEADER, KERNEL, KINDS
from dolphin.journal.segments import FIRST, Opening, opening

BLOCK_BYTES: Final = 1 << 18
_LINE: Final = re.compile(
    rb'\{"seq":(0|[1-9][0-9]{0,15}),"ts":"(0|[1-9][0-9]{0,18})","kind":"([A-Z_]{1,16})","policy":"([0-9a-f]{16})","data":(?=\{)'
)
_FIRST_CHECKER: Final = {HEADER.encode(): (HEADER, CHECKERS[HEADER])}
_CHECKERS: Final = {name.encode(): (name, CHECKERS[name]) for name in KINDS.values()}
del _CHECKERS[HEADER.encode()]
_TAIL: Final = b',"hash":"%b"}'
_FIRST: Final = b'{"seq":'
_FOREIGN_FIX: Final = "name a journal that Dolphin wrote"
_FIELDS: Final = (
    ("seq", rb'\{"seq":', rb"(?:0|[1-9][0-9]{0,15})", "a sequence number"),
    ("ts", rb',"ts":', rb'"(?:0|[1-9][0-9]{0,18})"', "nanoseconds as a decimal string"),
    ("kind", rb',"kind":', rb'"[A-Z_]{1,16}"', "the name of a kind"),
    ("policy", rb',"policy":', rb'"[0-9a-f]{16}"', "16 lower-case hex digits"),
    ("data", rb',"data":', rb"(?=\{)", "an object"),
)


class Record(NamedTuple):
    """One checked record. `line` counts from 1 in the file `path`, `raw` is the text of `data`, `hash` is in lower-case
    hex.
    """

    line: int
    seq: int
    ts_ns: int
    kind: str
    policy: str
    hash: str
    raw: bytes
    body: Any
    path: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """The fields by name. What reads many records takes `body`: a struct for kernel kinds, this dict for others."""
        if type(self.body) is dict:
            return self.body
        data: dict[str, Any] = msgspec.to_builtins(self.body)
        return data

    @property
    def head(self) -> Head:
        """The head of a journal that ends here."""
        return Head(self.seq, self.hash)


class Place(NamedTuple):
    """A line in the middle of a file: where it begins, its sequence number, the hash of the line before it (raw).
    `first`: the sequence number of the file's first record.
    """

    offset: int
    seq: int
    digest: bytes
    first: int = 0


START: Final = Place(0, 0, GENESIS)


class Source:
    """Whole lines of a file, in batches. `torn`: what follows the last of them. `size`: bytes up to the end of the last
    whole line; it begins at `offset`.
    """

    def __init__(self, path: str, port: Port, offset: int = 0) -> None:
        self.path = path
        self.port = port
        self.torn = b""
        self.size = offset
        self.fd = opened(path, port)

    def close(self) -> None:
        let_go(self.port, self.fd)

    def block(self) -> bytes:
        return self.bytes_at(self.size + len(self.torn), BLOCK_BYTES)

    def bytes_at(self, offset: int, count: int) -> bytes:
        """What stands there. JournalUnreadable."""
        try:
            return self.port.pread(self.fd, count, offset)
        except IsADirectoryError:
            raise JournalUnreadable(self.path, "is a directory", "name the journal file in it") from None
        except OSError as error:
            raise JournalUnreadable(self.path, f"cannot be read ({word(error)})", "check the disk") from error

    def batches(self) -> Iterator[list[bytes]]:
        """Until the end of the file as it is now."""
        while block := self.block():
            whole, end, rest = (self.torn + block).rpartition(b"\n")
            self.torn = rest
            if end:
                self.size += len(whole) + 1
                yield whole.split(b"\n")
            if len(rest) > LINE_BYTES_MAX:
                raise JournalUnreadable(self.path, f"a line is longer than {LINE_BYTES_MAX} bytes", _FOREIGN_FIX)

    def growing(self, poll_s: float, sleep: Callable[[float], None], stop: Callable[[], bool]) -> Iterator[list[bytes]]:
        """As `batches`, and again whenever there is more, until `stop`. A part of a line is read anew each time."""
        while True:
            self.torn = b""
            yield from self.batches()
            if stop():
                return
            sleep(poll_s)
            self.shrunk()

    def shrunk(self) -> None:
        """A file that lost whole lines since they were read is not being written by a journal."""
        if self.length() < self.size:
            raise JournalUnreadable(self.path, "became shorter while it was read", "restore the file from a copy")

    def length(self) -> int:
        """Bytes in the file. JournalUnreadable."""
        try:
            return self.port.size(self.fd)
        except OSError as error:
            raise JournalUnreadable(self.path, f"cannot be read ({word(error)})", "check the disk") from error


def opened(path: str, port: Port) -> int:
    """A descriptor for reading. JournalUnreadable says why there is none."""
    try:
        return port.open(path, READ)
    except FileNotFoundError:
        raise JournalMissing(path, "there is no such file", "name an existing journal") from None
    except PermissionError:
        raise JournalUnreadable(path, "may not be read by this user", "run as the owner of the journal") from None
    except OSError as error:
        raise JournalUnreadable(path, f"cannot be opened ({word(error)})", "check the path and the disk") from error


def read_file(path: str, *, port: Port = PORT) -> Iterator[Record]:
    """The records of the one file `path`, first to last, each checked; in constant memory (one block of 256 KiB). Of a
    segment that is not the first, its header's word counts for the record before it.

    JournalUnreadable: no journal. JournalBroken: names the first bad record. JournalTorn, after the last whole record:
    the last line has no end.
    """
    source = Source(path, port)
    try:
        yield from walk(source, source.batches())
    finally:
        source.close()


def walk(
    source: Source, batches: Iterator[list[bytes]], *, growing: bool = False, at: Place = START, prefix: str = ""
) -> Iterator[Record]:
    """The checked records of a file, from the header on; or from the line `at` on, of a file under policy `prefix`."""
    path = source.path
    _, due, digest, first = at
    policy = prefix.encode()
    match = _LINE.match
    checkers = _FIRST_CHECKER
    if due > first:
        checkers = _CHECKERS
    make = tuple.__new__
    for batch in batches:
        for text in batch:
            found = match(text)
            if checkers is _FIRST_CHECKER:
                policy, begins = _opening(path, text)
                prefix = policy.decode()
                due = first = begins.before.seq + 1
                digest = bytes.fromhex(begins.before.hash)
            line = due - first + 1
            if found is None:
                raise diagnose(path, line, due, text, digest, policy)
            seq, ts, kind, named = found.groups()
            digest_before = digest
            digest = sha256(digest + text[:-TAIL_BYTES]).digest()
            hex_ = digest.hex()
            if text[-TAIL_BYTES:] != _TAIL % hex_.encode():
                raise diagnose(path, line, due, text, digest_before, policy)
            if int(seq) != due:
                raise diagnose(path, line, due, text, digest_before, policy)
            if named != policy:
                raise diagnose(path, line, due, text, digest_before, policy)
            known = checkers.get(kind)
            if known is None:
                raise diagnose(path, line, due, text, digest_before, policy)
            ts_ns = int(ts)
            if ts_ns > TS_MAX_NS:
                raise diagnose(path, line, due, text, digest_before, policy)
            raw = text[found.end() : -TAIL_BYTES]
            name, check = known
            try:
                body = check(raw)
            except ValueError as error:
                raise misshapen(path, line, due, name, str(error)) from None
            checkers = _CHECKERS
            yield make(Record, (line, due, ts_ns, name, prefix, hex_, raw, body, path))
            due += 1
    if growing:
        return
    _ended(source, due, first)


def _ended(source: Source, due: int, first: int) -> None:
    """The end of the file: nothing at all, a torn header, a torn line, or a clean end."""
    if due == 0:
        raise _headless(source)
    if source.torn:
        raise JournalTorn(source.path, due - first + 1, due, source.torn)


def _headless(source: Source) -> JournalUnreadable:
    if not source.torn:
        return JournalUnreadable(
            source.path, "is empty", "there is nothing in it to audit or recover; start a new journal"
        )
    if source.torn.startswith(_FIRST):
        return JournalUnreadable(
            source.path,
            f"is cut off inside its header, after {len(source.torn)} bytes",
            "nothing was acknowledged in it; remove it and start a new journal",
        )
    return JournalUnreadable(source.path, f"is no journal, it begins {source.torn[:30]!r}", _FOREIGN_FIX)


def _opening(path: str, text: bytes) -> tuple[bytes, Opening]:
    """The policy that the header names for the whole file, and where the file begins; refuses one that does not begin
    with a header.
    """
    found = _LINE.match(text)
    if found is None:
        raise _not_a_header(path, text)
    if found[3] != HEADER.encode():
        raise _not_a_header(path, text)
    try:
        header = decode(text[found.end() : -TAIL_BYTES])
    except ValueError:
        return found[4], FIRST
    version = header.get("format")
    if version != FORMAT:
        raise JournalUnreadable(
            path,
            f"has format {version!r}, or a damaged header",
            f"this version reads format {FORMAT}; use the version that wrote it",
        )
    try:
        begins = opening(header)
    except ValueError as error:
        raise JournalBroken(path, 1, int(found[1]), "data", "segment and previous of a header", str(error)) from None
    return str(header.get("policy_hash", ""))[:POLICY_CHARS].encode(), begins


def opening_of(source: Source) -> Opening:
    """Where the file begins, by its header; as the first segment where that cannot be read, which `walk` will say."""
    text, _, _ = source.bytes_at(0, LINE_BYTES_MAX).partition(b"\n")
    try:
        return _opening(source.path, text)[1]
    except (JournalBroken, JournalUnreadable):
        return FIRST


def _not_a_header(path: str, text: bytes) -> JournalUnreadable:
    if text.startswith(_FIRST):
        return JournalUnreadable(path, "its first record is no readable HEADER", "restore the file from a copy")
    return JournalUnreadable(path, f"is no journal, it begins {text[:30]!r}", _FOREIGN_FIX)


def misshapen(path: str, line: int, seq: int, kind: str, found: str) -> JournalBroken:
    """The finding for a record whose chain is right and whose data is not what its kind demands."""
    fields = KERNEL.get(kind)
    expected = "canonical JSON"
    if fields is not None:
        expected = f"canonical JSON of {', '.join(fields)} and perhaps x"
    return JournalBroken(path, line, seq, "data", expected, found)


def diagnose(path: str, line: int, seq: int, text: bytes, digest: bytes, policy: bytes) -> JournalBroken:
    """What is wrong with the line `text`, which the short path refused: the first field that is not as it must be."""

    def finding(field: str, expected: str, actual: bytes) -> JournalBroken:
        return JournalBroken(path, line, seq, field, expected, actual.decode("utf-8", "backslashreplace"))

    at = 0
    values: list[bytes] = []
    for field, label, form, expected in _FIELDS:
        found = re.compile(label + b"(" + form + b")").match(text, at)
        if found is None:
            return finding(field, expected, text[at : at + 40])
        values.append(found[1].strip(b'"'))
        at = found.end()
    if not re.fullmatch(rb',"hash":"[0-9a-f]{64}"\}', text[-TAIL_BYTES:]):
        return finding("hash", "64 lower-case hex digits at the end of the line", text[-TAIL_BYTES:])
    if int(values[0]) != seq:
        return finding("seq", str(seq), values[0])
    computed = sha256(digest + text[:-TAIL_BYTES]).hexdigest()
    actual = text[-TAIL_BYTES + 9 : -2]
    if actual != computed.encode():
        return finding("hash", f"{computed} (over this line and the hash of the one before)", actual)
    if values[2].decode() not in CHECKERS:
        return finding("kind", f"one of {', '.join(CHECKERS)}", values[2])
    if values[3] != policy:
        return finding("policy", f"{policy.decode()}, as in the header", values[3])
    if values[2] == HEADER.encode():
        return finding("kind", "one HEADER, at the beginning", values[2])
    return finding("ts", f"at most {TS_MAX_NS}", values[1])
