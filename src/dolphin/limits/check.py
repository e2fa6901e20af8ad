"""The limits: each a function of rule, names and facts that answers how many lots of the entry part it leaves.

Rules of this file: integers only; ALL where nothing is held back, below zero where what is held is already too much
(a breach: `holds` limits only), and nothing where the reading is missing. Which of them binds is `binding`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from dolphin.kernel.contracts import ensure
from dolphin.kernel.sizer import fit
from dolphin.kernel.units import ABSENT, BP, MICRO, notional, positive
from dolphin.limits.codes import Code, Mode
from dolphin.limits.config import Limits, Rule
from dolphin.limits.facts import Facts, Names
from dolphin.limits.tail import ALL, BREACHED, Measure, expected_shortfall, left, loss_with, value_at_risk


def lots_in(quantity: int, facts: Facts) -> int:
    """Lots in millionths of the instrument's unit, rounded down; none where its scales are not known."""
    if facts.lot_units <= 0:
        return 0
    return quantity * facts.size_power // (facts.lot_units * MICRO)


def minor_in(amount: int, facts: Facts) -> int:
    """Minor units in millionths of the currency, rounded down; none where the account is not known."""
    return amount * positive(facts.minor) // MICRO


@ensure(lambda facts, room, result: room >= 0 or result == BREACHED)
@ensure(lambda facts, room, result: result < 0 or notional(result, facts.value_u) <= room)
def fitting(facts: Facts, room: int) -> int:
    """Lots of the entry that are worth no more than `room` minor units; none where a lot has no price.

    Most entries fit whole, which is asked first: a multiplication instead of a division and its certificate.
    """
    if room < 0:
        return BREACHED
    value_u = facts.value_u
    if value_u > 0 and facts.entry_lots * value_u <= room * MICRO:
        return facts.entry_lots
    return fit(room, value_u)


def restricted(rule: Rule, names: Names, facts: Facts) -> int:
    """No entry on a listed instrument."""
    return 0 if facts.restricted else ALL


def order_quantity(rule: Rule, names: Names, facts: Facts) -> int:
    """All or nothing: what is left of a fat finger is an order that nobody meant."""
    return ALL if facts.list_lots <= lots_in(rule.value_for(names.instrument), facts) else 0


def order_notional(rule: Rule, names: Names, facts: Facts) -> int:
    """All or nothing, of a list by its sum; nothing where a lot has no price."""
    if facts.value_u <= 0:
        return 0
    return ALL if facts.list_minor <= minor_in(rule.value_for(names.instrument), facts) else 0


def price_collar(rule: Rule, names: Names, facts: Facts) -> int:
    """All or nothing: a limit price beyond the opposite quote (or the last price) by more than the share of it.

    An order without a price has none that could be wrong; one with a price and no market to compare it with is refused.
    """
    if not facts.priced:
        return ALL
    quote = facts.ask if facts.side > 0 else facts.bid
    market = quote or facts.last
    if market == 0:
        return 0
    beyond = facts.side * (facts.price - market)
    return ALL if beyond * BP <= rule.value_for(names.instrument) * abs(market) else 0


def stale_price(rule: Rule, names: Names, facts: Facts) -> int:
    """All or nothing: the instrument's last price is too old, or there was none."""
    if facts.price_age_ns == ABSENT:
        return 0
    return ALL if facts.price_age_ns <= rule.value_for(names.instrument) else 0


def order_rate(rule: Rule, names: Names, facts: Facts) -> int:
    """All or nothing: as many entries left within the window as may."""
    return ALL if facts.left < rule.value else 0


def cancel_rate(rule: Rule, names: Names, facts: Facts) -> int:
    """Watched elsewhere (memory.py): no order is held back for it."""
    return ALL


def position(rule: Rule, names: Names, facts: Facts) -> int:
    """What the instrument's side still takes."""
    return max(lots_in(rule.value_for(names.instrument), facts) - facts.side_lots, BREACHED)


def gross_leverage(rule: Rule, names: Names, facts: Facts) -> int:
    """What leverage over all strategies leaves; an exit part that executes at once has made room."""
    return fitting(facts, _allowed(rule, facts) - positive(facts.gross) + facts.freed - positive(facts.working))


def net_leverage(rule: Rule, names: Names, facts: Facts) -> int:
    """What the net of all positions leaves on this side. An exit part moves the net to the order's side as well."""
    exit_u = facts.exit_u or facts.value_u
    moved = facts.side * facts.net + facts.side_minor + notional(facts.exit_lots, exit_u)
    return fitting(facts, _allowed(rule, facts) - moved)


def duplicate(rule: Rule, names: Names, facts: Facts) -> int:
    """All or nothing: one like it left within the window."""
    if facts.twin_age_ns == ABSENT:
        return ALL
    return ALL if facts.twin_age_ns >= rule.window_ns else 0


def self_trade(rule: Rule, names: Names, facts: Facts) -> int:
    """All or nothing: it would meet an order of this book."""
    return 0 if facts.crosses else ALL


def repeated_execution(rule: Rule, names: Names, facts: Facts) -> int:
    """All or nothing: the strategy is stopped until the operator enables it."""
    return 0 if facts.stopped else ALL


def daily_loss(rule: Rule, names: Names, facts: Facts) -> int:
    """All or nothing: the day has cost as much as it may, or nobody knows what it cost."""
    if not facts.known:
        return BREACHED
    return ALL if facts.day_loss < minor_in(rule.value, facts) else BREACHED


def drawdown(rule: Rule, names: Names, facts: Facts) -> int:
    """All or nothing: the drawdown has reached the limit."""
    return ALL if facts.drawdown_bp < rule.value else BREACHED


def gap_loss(rule: Rule, names: Names, facts: Facts) -> int:
    """What may be held so that a gap against all of it costs no more than the share of equity."""
    if rule.size <= 0:
        return ALL
    most = positive(facts.equity) * rule.value // rule.size
    return fitting(facts, most - positive(facts.gross) + facts.freed - positive(facts.working))


def free_margin(rule: Rule, names: Names, facts: Facts) -> int:
    """What leaves so much of equity free; nothing where nobody knows what a lot takes."""
    room = facts.free - _allowed(rule, facts)
    if room < 0:
        return BREACHED
    return fit(room, facts.margin_u)


def venue_exposure(rule: Rule, names: Names, facts: Facts) -> int:
    """What the venue's share leaves."""
    return fitting(facts, minor_in(rule.value_for(names.venue), facts) - facts.venue_used + facts.freed)


def strategy_exposure(rule: Rule, names: Names, facts: Facts) -> int:
    """What the strategy's budget leaves."""
    return fitting(facts, minor_in(rule.value_for(names.strategy), facts) - facts.strategy_used + facts.freed)


def sector_exposure(rule: Rule, names: Names, facts: Facts) -> int:
    """What the sector's share leaves; all where the instrument is in none."""
    return _group(rule, names.sector, facts.sector_used, facts)


def group_exposure(rule: Rule, names: Names, facts: Facts) -> int:
    """What the share of the correlated group leaves; all where the instrument is in none."""
    return _group(rule, names.group, facts.group_used, facts)


def _group(rule: Rule, name: str, used: int, facts: Facts) -> int:
    if not name:
        return ALL
    return fitting(facts, minor_in(rule.value_for(name), facts) - used + facts.freed)


def stress_loss(rule: Rule, names: Names, facts: Facts) -> int:
    """What may enter so that the worst scenario costs no more than the share of equity; all that none would cost."""
    if facts.stress_bp <= 0:
        return ALL
    room = _allowed(rule, facts) - facts.stress_loss
    return fitting(facts, room if room < 0 else room * BP // facts.stress_bp)


def var(rule: Rule, names: Names, facts: Facts) -> int:
    """What may enter so that the book's value at risk is within the share of equity; all that lowers one above it."""
    return _tail(value_at_risk, rule, facts)


def cvar(rule: Rule, names: Names, facts: Facts) -> int:
    """The same of its expected shortfall."""
    return _tail(expected_shortfall, rule, facts)


def _tail(measure: Measure, rule: Rule, facts: Facts) -> int:
    """What has no full window of returns adds what is assumed of it, whatever the others do."""
    if facts.value_u <= 0:
        return 0
    most = _allowed(rule, facts)
    if facts.tail_most <= most:
        return ALL
    stated = -(-facts.unseen * rule.assumed // BP)
    room_u = (most - stated) * MICRO
    if facts.moves:
        lot_u = facts.side * facts.value_u
        return left(measure, rule.size, facts.pnl, facts.moves, lot_u, facts.entry_lots, room_u)
    room_u -= loss_with(measure, rule.size, facts.pnl, facts.moves)
    if room_u < 0:
        return BREACHED
    if rule.assumed <= 0:
        return 0
    return fit(room_u * BP // (rule.assumed * MICRO), facts.value_u)


def gap_sigma(rule: Rule, names: Names, facts: Facts) -> int:
    """What may be held so that a gap of so many sigma against all of it costs no more than the share of equity."""
    if rule.size <= 0:
        return ALL
    room = _allowed(rule, facts) * BP // rule.size - facts.sigma_loss
    if room < 0:
        return BREACHED
    if facts.sigma_ppm <= 0:
        return 0
    return fit(room * MICRO // facts.sigma_ppm, facts.value_u)


def _allowed(rule: Rule, facts: Facts) -> int:
    return positive(facts.equity) * rule.value // BP


type Check = Callable[[Rule, Names, Facts], int]

CHECKS: Final[dict[Code, Check]] = {
    Code.RESTRICTED: restricted,
    Code.ORDER_QUANTITY: order_quantity,
    Code.ORDER_NOTIONAL: order_notional,
    Code.PRICE_COLLAR: price_collar,
    Code.STALE_PRICE: stale_price,
    Code.ORDER_RATE: order_rate,
    Code.CANCEL_RATE: cancel_rate,
    Code.POSITION: position,
    Code.GROSS_LEVERAGE: gross_leverage,
    Code.NET_LEVERAGE: net_leverage,
    Code.DUPLICATE: duplicate,
    Code.SELF_TRADE: self_trade,
    Code.REPEATED_EXECUTION: repeated_execution,
    Code.DAILY_LOSS: daily_loss,
    Code.DRAWDOWN: drawdown,
    Code.GAP_LOSS: gap_loss,
    Code.FREE_MARGIN: free_margin,
    Code.VENUE_EXPOSURE: venue_exposure,
    Code.STRATEGY_EXPOSURE: strategy_exposure,
    Code.SECTOR_EXPOSURE: sector_exposure,
    Code.GROUP_EXPOSURE: group_exposure,
    Code.STRESS_LOSS: stress_loss,
    Code.VAR: var,
    Code.CVAR: cvar,
    Code.GAP_SIGMA: gap_sigma,
}


class Cap(NamedTuple):
    """`lots` of the entry part are left (ABSENT: all of it), by the limit `code`; `passive`: those that would have."""

    lots: int
    code: Code
    passive: tuple[Code, ...]


FREE: Final = Cap(ABSENT, Code.NONE, ())


type Asked = tuple[tuple[Code, Rule, Check], ...]
"""Rules beside their checks: looked up once, asked at every order."""


def asked(limits: Limits) -> Asked:
    """The limits in force in the form in which `binding` takes them."""
    return tuple((code, rule, CHECKS[code]) for code, rule in limits.rules)


@ensure(lambda facts, result: result.lots == ABSENT or 0 <= result.lots < facts.entry_lots)
@ensure(lambda result: (result.lots == ABSENT) == (result.code == Code.NONE))
def binding(checks: Asked, names: Names, facts: Facts) -> Cap:
    """The limit that leaves least of the entry part, of equals the first; an order without an entry part has none."""
    if facts.entry_lots <= 0:
        return FREE
    least = facts.entry_lots
    code = Code.NONE
    passive: tuple[Code, ...] = ()
    entry_lots = facts.entry_lots
    for each, rule, check in checks:
        left = check(rule, names, facts)
        if left >= entry_lots:
            continue
        left = positive(left)
        if rule.mode == Mode.PASSIVE:
            passive = (*passive, each)
        elif left < least:
            least, code = left, each
    if code == Code.NONE:
        return Cap(ABSENT, code, passive)
    return Cap(least, code, passive)
