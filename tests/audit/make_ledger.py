"""Journals whose ledgers have something in every account, and forgeries of them.

What belongs here: how they are made. Every forged journal has its hashes, its sequence and its counts made anew: only
what it says is wrong. A forgery returns the index of the record that cannot be as it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dolphin.journal import encode
from dolphin.journal.segments import name_of
from dolphin.kernel import events as ev
from tests.audit import mutate
from tests.audit.make_journal import POSITION, STRATEGY, Maker

EUR, COIN = "EURUSD.SIM", "COIN.SIM"
SCALES = [
    {"id": EUR, "lot": "1/1", "tick": "1/100", "currency": "USD", "inverse": 0, "value_num": 1, "value_den": 1},
    {"id": COIN, "lot": "1/1", "tick": "1/10", "currency": "BTC", "inverse": 1, "value_num": 1, "value_den": 1},
]
SHORT = f"{COIN}-{STRATEGY}"
BILLIONS = 3_000_000_001

type Lines = list[dict[str, Any]]


class Booked(Maker):
    """A journal whose ledger has something in every account."""

    def __init__(self, path: Path, host: str = "backtest") -> None:
        super().__init__(path, envelope=False, more={"host": host, "instruments": SCALES})
        self.trades = self.runs = 0

    def deal(self, signed: int, price: str, position: str = POSITION, instrument: str = EUR, **more: Any) -> None:
        """A fill of so many lots."""
        self.trades += 1
        said = {"id": f"O-{self.trades}", "trade": f"T-{self.trades}", "instrument": instrument, "strategy": STRATEGY}
        said |= {"position": position, "side": 1 if signed > 0 else -1, "lots": abs(signed), "price": price}
        self.other("FILL", **(said | {"commission": 0, "currency": "USD"} | more))

    def answered(self) -> None:
        """The operator asks for a reconciliation."""
        accounts = self.aside.accounts
        rows = [[line.instrument, line.lots, line.lots, None] for line in accounts.lines() if line.lots]
        said = {"rows": rows, "inflight": 0, "third": "", "same": True, "money": [None, None]}
        self.command("reconcile", "drill", {}, **said, fills=accounts.books.fills)

    def ended(self) -> None:
        """CLOSE, with the checksum of the ledger."""
        self.journal.close(self.now, encode({"accounts": self.aside.accounts.digest()}))


def booked(path: Path) -> None:
    """A backtest: both sides, a share with a rest, through zero, a price below it, what comes again, each kind of fee,
    an inverse instrument, more lots than 32 bits, a deposit, and every statement.
    """
    m = Booked(path)
    m.hear()
    m.equity(flat=1, stood=1)
    m.deal(3, "1.01", commission=7)
    m.deal(4, "-0.37", commission=-2)
    m.deal(4, "-0.37", id="O-2", trade="T-2", again=1)
    m.deal(-2, "1.13", trade="")
    m.checkpoint()
    m.deal(-9, "0.99", commission=5)
    m.deal(-30, "20000.1", SHORT, COIN, currency="BTC")
    m.deal(13, "19000.5", SHORT, COIN, currency="BTC")
    m.event(ev.Flow(m.now, -123_456))
    m.deal(BILLIONS, "1.00", "P-2", commission=3, currency="EUR")
    m.deal(-1_999_999_999, "1.01", "P-2")
    m.deal(1, "1.00", "P-3", spread=1)
    m.held = -4
    m.reduce(m.held, last_ns=-1)
    m.answered()
    m.checkpoint()
    m.deal(20, "19000.0", SHORT, COIN, currency="BTC")
    m.deal(-3, "19000.3", SHORT, COIN, currency="BTC")
    m.ended()


def taken_over(path: Path) -> None:
    """Live, over three runs: what is held at each start, and other scales."""
    m = Booked(path, "live")
    m.hear()

    def shown(*rows: tuple[str, str, int, str], instruments: tuple[str, ...] = (EUR,), **more: int) -> None:
        names = ("position", "instrument", "lots", "price")
        positions = [dict(zip(names, row, strict=True)) for row in rows]
        m.other("NOTE", what="opening", instruments=list(instruments), positions=positions, **more)

    shown((POSITION, EUR, 5, "1.10"), (SHORT, COIN, -3, "20000.7"), instruments=(EUR, COIN), balance=100_000)
    m.deal(2, "1.20")
    m.checkpoint()
    m.other("NOTE", what="resumed", instance="0" * 32, torn=0, missing=0)
    shown(("EXTERNAL", EUR, 7, "1.50"))
    m.deal(-1, "1.30", "EXTERNAL")
    m.other("NOTE", what="resumed", instance="0" * 32, torn=0, missing=0)
    shown(("EXTERNAL", EUR, 6, "1.50"), (SHORT, COIN, -4, "20000.7"), instruments=(EUR, COIN))
    m.deal(-8, "1.40", "OTHER")
    m.checkpoint()
    m.other("NOTE", what="resumed", instance="0" * 32, torn=0, missing=0)
    m.deal(2, "1.35", "OTHER")
    shown(instruments=(EUR,))
    m.deal(3, "1.30", "A")
    m.deal(-3, "1.40", "B")
    shown(instruments=(EUR,))
    m.checkpoint()
    m.ended()


def rescaled(path: Path) -> None:
    """A position whose lots and atoms become others between two runs."""
    m = Booked(path, "live")
    m.hear()
    m.deal(5, "1.10")
    m.deal(-2, "1.13")
    m.other("NOTE", what="resumed", instance="0" * 32, torn=0, missing=0)
    m.other("NOTE", what="scales", instruments=[{**SCALES[0], "lot": "1/10"}, {**SCALES[1], "id": "NEW.SIM"}])
    m.deal(-7, "1.20")
    m.checkpoint()
    m.ended()


def later(path: Path) -> None:
    """The second segment of a journal, whose first one is gone: it begins with a ledger that nothing here made."""
    m = Booked(path)
    m.hear()
    m.deal(3, "1.01", commission=7)
    m.deal(-5, "1.13", "P-2")
    m.event(ev.Flow(m.now, 1_000))
    m.rotate()
    m.deal(-1, "1.20")
    m.deal(-1, "1.20", id="O-3", trade="T-3", again=1)
    m.checkpoint()
    m.ended()
    Path(name_of(str(path), 1)).unlink()


def lines_of(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path: Path, lines: Lines) -> None:
    """The journal of these records: its sequence and its chain made anew."""
    made = []
    for seq, line in enumerate(lines):
        data = json.dumps(line["data"], separators=(",", ":"), ensure_ascii=False)
        made.append(
            f'{{"seq":{seq},"ts":"{line["ts"]}","kind":"{line["kind"]}","policy":"{line["policy"]}",'
            f'"data":{data},"hash":"{"0" * 64}"}}'
        )
    path.write_text("\n".join(mutate.rechained(made, 0)) + "\n")
    path.with_name(f"{path.name}.head").unlink(missing_ok=True)


def at(lines: Lines, kind: str, number: int = 0) -> int:
    """The index of the `number`th record of a kind."""
    return [index for index, line in enumerate(lines) if line["kind"] == kind][number]


def fill_twice(lines: Lines) -> int:
    index = at(lines, "FILL")
    lines.insert(index + 1, json.loads(json.dumps(lines[index])))
    return index + 1


def fill_lost(lines: Lines) -> int:
    del lines[at(lines, "FILL", 1)]
    del lines[at(lines, "FILL", 1)]  # and the same one again
    return at(lines, "CHECKPOINT")


def first_time_again(lines: Lines) -> int:
    index = at(lines, "FILL", 4)
    lines[index]["data"]["again"] = 1
    return index


def fill_twice_under_another_name(lines: Lines) -> int:
    """The last one of all, so that only the checksum of CLOSE can tell."""
    index = at(lines, "FILL", -1)
    copy = json.loads(json.dumps(lines[index]))
    copy["data"]["trade"] = "T-999"
    lines.insert(index + 1, copy)
    return at(lines, "CLOSE")


def another_price(lines: Lines) -> int:
    lines[at(lines, "FILL", -1)]["data"]["price"] = "19000.4"
    return at(lines, "CLOSE")


def fee_forgotten(lines: Lines) -> int:
    lines[at(lines, "FILL", 4)]["data"]["commission"] = 4
    return at(lines, "CHECKPOINT", 1)


def deposit_changed(lines: Lines) -> int:
    """A flow is a reading of the kernel too; the mark that follows from it is what its record claims."""
    lines[at(lines, "CHECKPOINT", 1)]["data"]["ledger"]["capital"] += 1
    return at(lines, "CHECKPOINT", 1)


def position_that_does_not_follow(lines: Lines) -> int:
    index = at(lines, "CHECKPOINT", 1)
    lines[index]["data"]["ledger"]["held"]["P-2"][0] += 1
    return index


def entry_that_does_not_balance(lines: Lines) -> int:
    index = at(lines, "CHECKPOINT")
    lines[index]["data"]["ledger"]["held"][POSITION][2] += 1
    return index


def balanced_and_wrong(lines: Lines) -> int:
    """Profit that was never made: debits still equal credits."""
    index = at(lines, "CHECKPOINT")
    for column in (1, 3):
        lines[index]["data"]["ledger"]["held"][POSITION][column] += 1
    return index


def fill_not_known_any_more(lines: Lines) -> int:
    index = at(lines, "CHECKPOINT", 1)
    del lines[index]["data"]["ledger"]["known"][0]
    return index


def too_large_to_be_right(lines: Lines) -> int:
    index = at(lines, "CHECKPOINT", 1)
    lines[index]["data"]["ledger"]["fees"]["USD"] = str(2**200)
    return index


def position_left_out(lines: Lines) -> int:
    index = at(lines, "CHECKPOINT", 1)
    del lines[index]["data"]["ledger"]["held"][SHORT]
    return index


def reconciliation_of_other_books(lines: Lines) -> int:
    index = at(lines, "COMMAND")
    lines[index]["data"]["answer"]["rows"][0][1] -= 1
    return index


def reconciliation_of_fills_to_come(lines: Lines) -> int:
    index = at(lines, "COMMAND")
    lines[index]["data"]["answer"]["fills"] += 1
    return index


def reading_of_another_position(lines: Lines) -> int:
    """The fill that made it and every statement after it are forged alike: only the reading is as it was."""
    index = at(lines, "REDUCE")
    lines[at(lines, "FILL", 4)]["data"]["lots"] = 8
    del lines[index + 1 :]
    del lines[at(lines, "CHECKPOINT")]
    return at(lines, "REDUCE")
