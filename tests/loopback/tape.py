"""What happened on the exchange, in one order: each request with its answer, each event, each fault that struck.

A test asserts on this and not on what the client believes. Entries are appended by the server's thread only, and a list
is safe to read from another.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Entry:
    """`kind`: request, event, quote, fault or socket. `what`: `POST /fapi/v1/order`, `ORDER_TRADE_UPDATE`, ..."""

    seq: int
    at_ns: int  # the monotonic clock, so that a stepped server clock does not reorder the tape
    kind: str
    what: str
    data: dict[str, Any] = field(default_factory=dict)
    status: int = 0  # of an answer; -1: the client got none
    answer: Any = None


class Tape(list[Entry]):
    def add(self, kind: str, what: str, data: dict[str, Any] | None = None, status: int = 0) -> Entry:
        entry = Entry(len(self), time.monotonic_ns(), kind, what, data or {}, status)
        self.append(entry)
        return entry

    def requests(self, what: str = "") -> list[Entry]:
        """Requests of this method and path, all without one."""
        return [entry for entry in self if entry.kind == "request" and entry.what.startswith(what)]

    def events(self, what: str = "") -> list[Entry]:
        return [entry for entry in self if entry.kind == "event" and entry.what.startswith(what)]

    def orders(self) -> list[tuple[str, str, str]]:
        """What the client asked of the book, in short: (method, side or '', size or order id)."""
        rows = []
        for entry in self.requests():
            method, path = entry.what.split()
            if path.endswith(("/order", "/algoOrder")) and method in ("POST", "PUT"):
                rows.append((method, entry.data.get("side", ""), entry.data.get("quantity", "")))
            elif method == "DELETE" and not path.endswith("listenKey"):
                rows.append((path.rsplit("/", 1)[1], "", entry.data.get("origClientOrderId", "")))
        return rows

    def fills(self) -> list[tuple[str, str, str]]:
        """(client id, side, size) of each fill that the stream was to tell, also those that a fault kept back."""
        found = []
        for entry in self.events("ORDER_TRADE_UPDATE"):
            order = entry.data["o"]
            if order["x"] in ("TRADE", "CALCULATED"):
                found.append((order["c"], order["S"], order["l"]))
        return found

    def lines(self) -> str:
        """One JSON object a line, for a person or another process."""
        return "".join(json.dumps(asdict(entry), default=str) + "\n" for entry in list(self))
