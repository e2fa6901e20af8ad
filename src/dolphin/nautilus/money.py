"""The balance by the ledger against the account's: when the two are compared, and what a difference is.

What belongs here: the looks at money, and what one that differs brings. Funding, interest and what nobody announced
change a balance without a record, so a difference is told and journalled once, as an entry (`entries.BALANCE`): from
then on ledger and account agree again, after a restart too. It accuses only where the user says so (`balance="on"`).

No look is: an account that is not of one currency or no margin account (what was bought has left the balance); a ledger
that does not know its beginning or a profit; lots that round; the time in which a fill, or money on its way, may still
change the balance. A difference counts where two looks in a row find the same one, beyond what rounding explains:
Nautilus rounds each fill to a minor unit, the ledger each instrument once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dolphin.journal import encode
from dolphin.journal.entries import BALANCE
from dolphin.kernel.events import Fault
from dolphin.kernel.ledger_books import by_instrument
from dolphin.kernel.reasons import Cause
from dolphin.kernel.units import BP
from dolphin.nautilus.balance import CLAIM_LIVE_NS
from dolphin.nautilus.fills import Fills

if TYPE_CHECKING:
    from dolphin.nautilus.parts import Parts

WHAT: Final = "account and ledger differ in money"
"""What the FAULT says."""


class Money:
    """The looks of one run. `before`: what the last look found apart, minor units; None: there was none."""

    def __init__(self, parts: Parts, fills: Fills) -> None:
        self._parts = parts
        self._guard = parts.guard
        self._fills = fills
        self.before: int | None = None
        self._fills_told = 0

    def both(self) -> tuple[int | None, int | None]:
        """The balance by the ledger, where it can be known, and the account's, minor units of its currency."""
        values = self._parts.values
        account = values.account
        if account is None:
            return None, None
        held = values.balance()
        if not account.is_margin_account:
            return None, held
        if account.base_currency != values.base:
            return None, held
        return self._guard.accounts.money(values.base.code), held

    def look(self, now_ns: int) -> None:
        """One look; the second in a row that finds the same difference tells it."""
        settings = self._parts.settings
        if settings.balance == "off":
            return
        if not self._settled(now_ns):
            return
        ledger, held = self.both()
        if ledger is None:
            return
        if held is None:
            return
        before = self.before
        apart = held - ledger
        self.before = apart
        allowed = self._rounding() + abs(held) * settings.balance_tolerance_bp // BP
        if abs(apart) <= allowed:
            return
        if before is None:
            return
        if abs(apart - before) > allowed:
            return
        self._told(ledger, held, now_ns)

    def _settled(self, now_ns: int) -> bool:
        """Whether nothing that is known of may still change the balance or the ledger."""
        if self._parts.flow.balance.waits:
            return False
        if self._guard.waiting() > 0:
            return False
        if now_ns - self._fills.filled_ns < CLAIM_LIVE_NS:
            return False
        if self._fills.spreads:
            return False
        for name in by_instrument(self._guard.accounts.books):
            scale = self._parts.scales.get(name)
            if scale is None:
                return False
            if scale.lot_units != 1:
                return False
        return True

    def _rounding(self) -> int:
        """Minor units that rounding explains: one a fill since the last difference was told, one an instrument."""
        books = self._guard.accounts.books
        return books.fills - self._fills_told + len(by_instrument(books))

    def _told(self, ledger: int, held: int, now_ns: int) -> None:
        parts = self._parts
        apart = held - ledger
        self.before = None
        self._fills_told = self._guard.accounts.books.fills
        code = parts.values.base.code
        parts.actor.tell(
            "BALANCE",
            f"{apart:+} minor units of {code} that no record explains (funding, interest, what was not announced): "
            f"{held} in the account, {ledger} by the ledger; taken as an entry [DOL-LEDGER-007]",
        )
        said = {"what": BALANCE, "currency": code, "ledger": ledger, "account": held, "apart": apart}
        self._guard.write(now_ns, "NOTE", encode(said))
        if parts.settings.balance == "on":
            self._guard.emit(Fault(now_ns, Cause.LEDGER_DESYNC), encode({"what": WHAT, "apart": apart}))
