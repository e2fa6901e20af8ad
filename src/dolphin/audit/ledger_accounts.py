"""Check d, the accounts: each fill is counted once, and CLOSE names the ledger that the journal folds to.

What belongs here: the two folds of `journal.entries`, over the whole journal and over the run that is on, what is held
against them, and the closing figures in words. CLOSE has the checksum of the ledger that the guard keeps over all runs
(`accounts`), or, in journals of before, of what it counted in its own (`ledger`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from dolphin.audit.gate import Wrong
from dolphin.journal import Record, integer
from dolphin.journal.entries import Accounts
from dolphin.kernel.ledger_books import by_instrument

ONCE: Final = "DOL-LEDGER-002"
CLOSING: Final = "DOL-LEDGER-003"
UNKNOWN: Final = "DOL-LEDGER-007"
ANCHOR: Final = "DOL-LEDGER-008"
ANSWERED: Final = "DOL-LEDGER-010"


class Sessions:
    """`whole`: of all runs of this journal. `run`: of the one that is on, as its guard counts it. `partial`: that run
    began before the first record that is here, so that not all of its fills are known.
    """

    def __init__(self) -> None:
        self.whole = Accounts()
        self.run = Accounts()
        self.partial = False

    def begin_later(self, accounts: Accounts) -> None:
        """The journal begins with a checkpoint, which has the ledger of all before it, and not that of its run."""
        self.whole = deepcopy(accounts)
        self.partial = True

    def take(self, record: Record) -> None:
        """One record that nothing else is wrong with."""
        data = record.data
        self.whole.each(record.kind, data)
        if record.kind == "NOTE" and data.get("what") == "resumed":
            units = self.run.units
            self.run = Accounts()
            self.run.units = units
            self.partial = False
        self.run.each(record.kind, data)

    def flow(self, amount: int) -> None:
        """A deposit or withdrawal."""
        self.whole.flow(amount)
        self.run.flow(amount)

    def again(self, data: Mapping[str, Any]) -> Wrong | None:
        """A fill that has come before must say so, and no other may. A guard of before knew those of its own run."""
        order, trade = str(data.get("id", "")), str(data.get("trade", ""))
        known = self.whole.knows(order, trade)
        if self.run.knows(order, trade) and data.get("again") != 1:
            return Wrong("again", "1", str(data.get("again")), ONCE, "its order has a fill of this trade id already")
        if "again" in data and not known and not self.partial:
            return Wrong("again", "no such field", str(data["again"]), ONCE, "its order has no fill of this trade id")
        return None

    def balance(self, data: Mapping[str, Any]) -> Wrong | None:
        """A balance that no record explains: by the ledger it is what the records before it come to."""
        whole = self.whole.money(str(data["currency"]))
        if whole is None or whole != integer(data["ledger"]):
            return Wrong("ledger", str(whole), str(data["ledger"]), UNKNOWN, "the fold of the records before it")
        apart = integer(data["account"]) - integer(data["ledger"])
        if apart != integer(data["apart"]):
            return Wrong("apart", str(apart), str(data["apart"]), UNKNOWN, "the account's less the ledger's")
        return None

    def day(self, data: Mapping[str, Any]) -> Wrong | None:
        """What a day began with: the capital is that of the flows before it."""
        if integer(data["capital"]) != self.whole.books.capital:
            hint = "the flows of the records before it"
            return Wrong("capital", str(self.whole.books.capital), str(data["capital"]), ANCHOR, hint)
        return None

    def close(self, data: Mapping[str, Any]) -> Wrong | None:
        """The checksum that the guard has kept, where it says one."""
        for field, fold in (("accounts", self.whole), ("ledger", self.run)):
            if field in data and data[field] != fold.digest():
                hint = "the fills and flows of the journal, or of this run, add up to another ledger"
                return Wrong(field, fold.digest(), str(data[field]), CLOSING, hint)
        return None

    def reconciled(self, data: Mapping[str, Any]) -> Wrong | None:
        """What the answer to a reconciliation says of the ledger. It is of the fills that the journal had then: where
        the disk refused, some were written after it was made and before its record, and it is of another moment.
        """
        answer = data.get("answer", {})
        if data.get("verb") != "reconcile" or answer.get("inflight", 1):
            return None
        fills, right = integer(answer["fills"]), self.whole.books.fills
        said = {str(row[0]): integer(row[1]) for row in answer["rows"]}
        if fills > right:
            return Wrong("answer.fills", str(right), str(fills), ANSWERED, "the journal has no more before it")
        lots = {name: total.lots for name, total in by_instrument(self.whole.books).items()}
        for name in sorted({*lots, *said}):
            if fills == right and said.get(name, 0) != lots.get(name, 0):
                was, is_ = str(lots.get(name, 0)), str(said.get(name, 0))
                return Wrong(f"answer.rows.{name}", was, is_, ANSWERED, "the ledger's lots at that moment")
        return None

    def figures(self) -> dict[str, Any]:
        """The closing figures as JSON has them; integers as text, in minor units."""
        whole = self.whole
        return {
            "fills": whole.books.fills,
            "again": whole.again,
            "capital": str(whole.books.capital),
            "fees": {currency: str(fee) for currency, fee in sorted(whole.books.fees.items())},
            "instruments": [
                {
                    "instrument": line.instrument,
                    "lots": str(line.lots),
                    "realised": str(line.realised) if line.exact else None,
                    "currency": line.currency,
                }
                for line in whole.lines()
            ],
            "unexplained": str(whole.unexplained),
            "checksum": whole.digest(),
        }


def rows(figures: Mapping[str, Any]) -> list[str]:
    """The closing figures for people: one line for all, one for each instrument, minor units as they are."""
    if not figures or figures["fills"] == 0:
        return []
    fees = ", ".join(f"{int(fee):,} {currency}" for currency, fee in figures["fees"].items())
    head = f"{figures['fills']:,} fills, fees {fees or '0'}, deposits {int(figures['capital']):,}"
    if figures["again"]:
        head += f", {figures['again']:,} came again and were not counted"
    if int(figures["unexplained"]):
        head += f", {int(figures['unexplained']):+,} in the account that no record explains"
    found = [f"{head} (minor units); {figures['checksum']}"]
    for line in figures["instruments"]:
        profit = "not known" if line["realised"] is None else f"{int(line['realised']):,} {line['currency']}"
        found.append(f"{line['instrument']}: {int(line['lots']):,} lots, realised {profit}")
    return found
