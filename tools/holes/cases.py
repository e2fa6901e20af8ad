"""The holes H1-H12 and the exits that plain Nautilus denies: each is one short function, run plain and guarded.

What belongs here: what is sent, under which settings. What should come of it is in pins.toml. Sources: Nautilus' own
source and runs of 1.231; the numbers of the holes are those of the project's study of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from nautilus_trader.model.enums import AccountType, TradingState
from nautilus_trader.model.identifiers import ClientId, ClientOrderId, InstrumentId
from nautilus_trader.model.objects import Money, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.kernel.units import NS_PER_S
from tools.holes.desk import BUY, LOOKED_AT, SELL, SIM, T0_NS, Desk, Outcome

LARGE: Final = 692_000
"""Lots: about 450,000 USD."""


class Case(NamedTuple):
    """One row of the table."""

    name: str
    sent: str
    run: Callable[[Desk], Outcome]


def h1(desk: Desk) -> Outcome:
    """A limit on an order's notional, on a margin account."""
    risk = {"max_notional_per_order": {desk.instrument.id.value: 1_000}}
    limits = '[order_notional]\nmode = "on"\nvalue = 1000\n'
    return desk.run({3: lambda s: s.market(BUY, LARGE, True)}, risk=risk, limits=limits).looked_at()


def h2(desk: Desk) -> Outcome:
    """An instrument of another venue, routed to this broker: its venue has no account in the cache."""
    routed = TestInstrumentProvider.default_fx_ccy("AUD/USD")
    other = type(routed).from_dict({**routed.to_dict(routed), "id": "AUD/USD.ROUTED"})

    def send(s: Any) -> None:
        s.cache.add_instrument(other)
        order = s.order_factory.market(
            InstrumentId.from_str("AUD/USD.ROUTED"), BUY, Quantity.from_int(LARGE),
            client_order_id=ClientOrderId(LOOKED_AT),
        )  # fmt: skip
        s.submit_order(order, client_id=ClientId("SIM"))

    return desk.run({3: send}).looked_at()


def h3(desk: Desk) -> Outcome:
    """A cash account, and no price yet: what the order costs cannot be known."""
    desk.instrument = TestInstrumentProvider.equity("AAPL", "SIM")
    acts = {-1: lambda s: s.market(BUY, 4_500, True)}
    return desk.run(acts, [100.0] * 12, account=AccountType.CASH, balance=100_000).looked_at()


def h4(desk: Desk) -> Outcome:
    """HALTED, and the RiskEngine is configured to be bypassed."""
    acts = {3: desk.no_more(), 5: lambda s: s.market(BUY, LARGE, True)}
    return desk.run(acts, risk={"bypass": True}).looked_at()


def h5(desk: Desk) -> Outcome:
    """REDUCING while flat: a BUY."""
    return desk.run({3: desk.no_more(TradingState.REDUCING), 5: lambda s: s.market(BUY, LARGE, True)}).looked_at()


def h6(desk: Desk) -> Outcome:
    """REDUCING, long 100,000: a SELL of 1,000,000."""
    acts = {
        2: lambda s: s.market(BUY, 100_000),
        4: desk.no_more(TradingState.REDUCING),
        6: lambda s: s.market(SELL, 1_000_000, True),
    }
    found = desk.run(acts).looked_at()
    return found._replace(why=f"{found.why}; held then: {desk.net():,.0f}")


def h7(desk: Desk) -> Outcome:
    """An emulated stop is parked, entries are stopped, then it triggers."""
    acts = {2: lambda s: s.parked_stop(BUY, LARGE, 0.6505), 4: desk.no_more()}
    return desk.run(acts, [0.65] * 7 + [0.651] * 5).looked_at()


def h7b(desk: Desk) -> Outcome:
    """The same stop, parked after entries were stopped."""
    acts = {2: desk.no_more(), 4: lambda s: s.parked_stop(BUY, LARGE, 0.6505)}
    return desk.run(acts, [0.65] * 7 + [0.651] * 5).looked_at()


def h8(desk: Desk) -> Outcome:
    """A limit BUY at a hundred times the market."""
    limits = '[price_collar]\nmode = "on"\nvalue = "2 %"\n'
    return desk.run({3: lambda s: s.limit(BUY, 10_000, 65.0, True)}, limits=limits).looked_at()


def h9(desk: Desk) -> Outcome:
    """A BUY that crosses the account's own resting SELL."""
    limits = '[self_trade]\nmode = "on"\n'
    acts = {3: lambda s: s.limit(SELL, 10_000, 0.6502), 5: lambda s: s.limit(BUY, 10_000, 0.6503, True)}
    return desk.run(acts, limits=limits).looked_at()


def h10(desk: Desk) -> Outcome:
    """A market order ten days after the last quote."""

    def wait(s: Any) -> None:
        at_ns = T0_NS + (10 * 86_400 - 3_600) * NS_PER_S
        s.clock.set_time_alert_ns("later", at_ns, lambda _: s.market(BUY, LARGE, True))

    desk.gap_s = 11 * 86_400
    return desk.run({3: wait}).looked_at()


def h11(desk: Desk) -> Outcome:
    """An entry rests at the venue while entries are stopped."""
    return desk.run({3: lambda s: s.limit(BUY, 10_000, 0.64, True), 5: desk.no_more()}).cancels()


def h12(desk: Desk) -> Outcome:
    """Entries are stopped, the process ends, another begins and sends an entry."""
    desk.run({3: desk.no_more()})
    desk.engine.dispose()
    again: dict[str, Any] = {"resume": "always"} if desk.guarded else {}
    return desk.run({3: lambda s: s.market(BUY, LARGE, True)}, start=60, **again).looked_at()


def e1(desk: Desk) -> Outcome:
    """Long, entries are stopped for good: the exit."""

    def leave(s: Any) -> None:
        if not desk.guarded:
            s.market(SELL, 100_000, True, reduce_only=True)

    desk.run({2: lambda s: s.market(BUY, 100_000), 4: desk.no_more(), 6: leave})
    return desk.own() if desk.guarded else desk.looked_at()


def e2(desk: Desk) -> Outcome:
    """Long, no entries for now (HALTED; guarded, TURTLE): the strategy's own close."""
    halt = desk.no_more(TradingState.REDUCING if desk.guarded else TradingState.HALTED)
    acts = {2: lambda s: s.market(BUY, 100_000), 4: halt, 6: lambda s: s.market(SELL, 100_000, True)}
    return desk.run(acts).looked_at()


def e3(desk: Desk) -> Outcome:
    """Long below the smallest notional that the instrument allows: the exit, guarded by the operator's `flatten`."""
    said = desk.instrument.to_dict(desk.instrument)
    desk.instrument = type(desk.instrument).from_dict(
        {**said, "min_notional": str(Money(1_000, desk.instrument.quote_currency))}
    )

    def leave(s: Any) -> None:
        if desk.guarded:
            name = s.cache.positions_open()[0].id.value
            s.msgbus.send("Dolphin.command", {"verb": "flatten", "position": name, "cause": "holes"})
        else:
            s.market(SELL, 1_000, True, reduce_only=True)

    acts = {2: lambda s: s.market(BUY, 10_000), 4: lambda s: s.market(SELL, 9_000), 6: leave}
    desk.run(acts, account=AccountType.CASH, base=None)
    return desk.own() if desk.guarded else desk.looked_at()


CASES: Final = (
    Case("H1", "450,000 USD, limit 1,000, margin account", h1),
    Case("H2", "450,000 USD, its venue has no account", h2),
    Case("H3", "450,000 USD of 100,000 in cash, no price yet", h3),
    Case("H4", "entry when stopped, RiskEngine bypassed", h4),
    Case("H5", "entry while REDUCING and flat", h5),
    Case("H6", "SELL 1,000,000 while REDUCING, long 100,000", h6),
    Case("H7", "parked stop triggers after the stop of entries", h7),
    Case("H7b", "stop parked after the stop of entries", h7b),
    Case("H8", "limit BUY at a hundred times the market", h8),
    Case("H9", "BUY that crosses the own resting SELL", h9),
    Case("H10", "market order, last quote ten days old", h10),
    Case("H11", "a resting entry when entries are stopped", h11),
    Case("H12", "entry after stop and restart", h12),
    Case("E1", "exit after the stop of entries", e1),
    Case("E2", "the strategy's close while no entry is let in", e2),
    Case("E3", "exit below the smallest notional", e3),
)
"""H: dangerous, to be stopped. E: an exit, to pass."""
__all__ = ["CASES", "SIM", "Case"]
