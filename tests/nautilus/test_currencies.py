"""Money of several currencies, through a real engine: what an ORDER record says, against Decimals of the test's own.

Each test computes gross, working notional and equity on its own: quantities of Nautilus' positions, prices and rates of
the quotes that the test made. Minor units round up once per position, hence the small tolerance of `near`.
"""

from __future__ import annotations

from decimal import Decimal
from math import ceil

import pytest
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.model.currencies import BTC, ETH, EUR, GBP, JPY, USD, USDT
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.app.actor import DolphinGuard, DolphinGuardConfig
from dolphin.journal import read
from tests.nautilus.rig import LOG, SIM, T0, S, Scripted, replays
from tests.nautilus.test_gates import denials

D = Decimal
BUY, SELL = OrderSide.BUY, OrderSide.SELL
EURUSD, USDJPY, EURGBP, GBPUSD = (
    TestInstrumentProvider.default_fx_ccy(name, SIM) for name in ("EUR/USD", "USD/JPY", "EUR/GBP", "GBP/USD")
)
QUOTED = {EURUSD: ("1.10000", "1.10010"), USDJPY: ("150.000", "150.020"), EURGBP: ("0.86000", "0.86010"),
          GBPUSD: ("1.27900", "1.27920")}  # fmt: skip


def quote(instrument, bid, ask, ts, size=10**9):
    deep = Quantity(size, instrument.size_precision)
    return QuoteTick(
        instrument.id, Price(D(bid), instrument.price_precision), Price(D(ask), instrument.price_precision), deep, deep,
        ts, ts,
    )  # fmt: skip


def flat(quoted, n=20, start=0):
    """n seconds of the same quotes for each instrument, the last of `quoted` last in each second."""
    return [
        quote(instrument, *prices, T0 + (start + i) * S)
        for i in range(n)
        for instrument, prices in quoted.items()
    ]  # fmt: skip


class Desk:
    """Several instruments at one venue, a guard, and one scripted strategy that acts on the quotes of `clock`."""

    def __init__(self, path, instruments, balances, base, clock, script, account=AccountType.MARGIN, venue=SIM,
                 oms=OmsType.NETTING, exchange=None, **settings):  # fmt: skip
        self.path = path
        self.engine = BacktestEngine(BacktestEngineConfig(trader_id="T-1", logging=LOG, run_analysis=False))
        lent = {"default_leverage": D(50)} if account == AccountType.MARGIN else {}
        self.engine.add_venue(venue, oms, account, balances, base_currency=base, **lent, **(exchange or {}))
        for instrument in instruments:
            self.engine.add_instrument(instrument)
        self.guard = DolphinGuard(DolphinGuardConfig(state_dir=str(path), **settings))
        self.engine.add_actor(self.guard)
        self.strategy = Scripted(clock, script)
        self.engine.add_strategy(self.strategy)

    def run(self, data):
        self.engine.add_data(data)
        self.engine.run()
        assert self.guard.failures == []
        replays(self.path / "journal.jsonl")
        return self

    def records(self, *kinds):
        return [record.data for record in read(str(self.path / "journal.jsonl")) if record.kind in kinds]

    @property
    def account(self):
        return self.engine.cache.accounts()[0]

    def positions(self):
        return self.engine.cache.positions_open()


def order(instrument, side, quantity, limit=None, **kw):
    def act(s):
        size = Quantity(D(quantity), instrument.size_precision)
        if limit is None:
            made = s.order_factory.market(instrument.id, side, size, **kw)
        else:
            price = Price(D(limit), instrument.price_precision)
            made = s.order_factory.limit(instrument.id, side, size, price, **kw)
        s.submit_order(made)

    return act


def both(*acts):
    def act(s):
        for each in acts:
            each(s)

    return act


def mid(instrument, quoted=QUOTED):
    bid, ask = quoted[instrument]
    return (D(bid) + D(ask)) / 2


def exit_price(instrument, signed, quoted=QUOTED):
    bid, ask = quoted[instrument]
    return D(bid) if signed > 0 else D(ask)


def to_usd(currency):
    return {USD: D(1), JPY: 1 / mid(USDJPY), GBP: mid(GBPUSD), EUR: mid(EURUSD)}[currency]


def gross_cents(held):
    """`held`: instrument to signed quantity."""
    total = D(0)
    for instrument, signed in held.items():
        total += abs(D(signed)) * exit_price(instrument, signed) * to_usd(instrument.quote_currency) * 100
    return total


def near(found, expected, off=4):
    assert abs(D(int(found)) - expected) <= off, (int(found), expected)


FX = [EURUSD, USDJPY, EURGBP, GBPUSD]
MILLION = [Money(1_000_000, USD)]
FX_SCRIPT = {
    3: order(EURUSD, BUY, 100_000),
    4: order(USDJPY, SELL, 200_000),
    5: order(EURGBP, BUY, 300_000),
}


def equity_of(desk, quoted=QUOTED):
    """Cents: what Nautilus' account holds, and the open profit of each position at the exit side, by Decimals."""
    total = desk.account.balance_total(USD).as_decimal()
    for position in desk.positions():
        instrument = next(each for each in FX if each.id == position.instrument_id)
        gained = exit_price(instrument, position.signed_qty, quoted) - D(str(position.avg_px_open))
        total += D(str(position.signed_qty)) * gained * to_usd(instrument.quote_currency)
    return total * 100


@pytest.mark.req("DOL-ORDER-007", "DOL-CAPITAL-001")
def test_gross_and_equity_of_three_quote_currencies(tmp_path):
    script = FX_SCRIPT | {8: order(EURUSD, BUY, 1_000, limit="1.09000")}
    desk = Desk(tmp_path, FX, MILLION, USD, GBPUSD, script).run(flat(QUOTED))
    last = desk.records("ORDER")[-1]
    held = {EURUSD: 100_000, USDJPY: -200_000, EURGBP: 300_000}
    near(last["gross"], gross_cents(held))
    near(last["equity"], equity_of(desk))
    assert int(last["equity"]) < 100_000_000  # spreads and commissions cost


@pytest.mark.req("DOL-ORDER-007")
def test_working_entries_of_two_currencies_are_counted_at_the_side_at_which_they_would_be_left(tmp_path):
    script = {
        3: order(USDJPY, BUY, 100_000, limit="149.000"),
        4: order(EURGBP, SELL, 70_000, limit="0.87000"),
        6: order(EURUSD, BUY, 1_000, limit="1.09000"),
    }
    desk = Desk(tmp_path, FX, MILLION, USD, GBPUSD, script).run(flat(QUOTED))
    last = desk.records("ORDER")[-1]
    assert int(last["gross"]) == 0
    near(last["working"], gross_cents({USDJPY: 100_000, EURGBP: -70_000}))


@pytest.mark.req("DOL-ORDER-002", "DOL-ORDER-007")
@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("instrument", [EURUSD, USDJPY, EURGBP])
def test_an_entry_is_shrunk_at_the_right_lot_in_every_currency(tmp_path, instrument, side):
    sign = 1 if side == BUY else -1
    script = {
        2: order(GBPUSD, BUY, 100_000, limit="1.20000"),
        3: order(EURUSD, BUY, 400_000),
        5: order(instrument, side, 50_000_000, reduce_only=False),
    }
    if instrument is EURUSD:
        script.pop(3)
    desk = Desk(tmp_path, FX, MILLION, USD, GBPUSD, script).run(flat(QUOTED))
    shrunk = next(record for record in desk.records("ORDER") if int(record["lots"]) == 50_000_000)
    lots = int(shrunk["fx"][-1][1])
    lot = exit_price(instrument, sign) * to_usd(instrument.quote_currency) * 100
    before = D(0) if instrument is EURUSD else gross_cents({EURUSD: 400_000})
    room = 6 * D(int(shrunk["equity"])) - before - gross_cents({GBPUSD: 100_000})
    assert lots * lot <= room
    assert room - lots * lot < 4 * lot + 4  # the last lot that fits, but for rounding up to cents
    assert denials(desk.strategy) == []


@pytest.mark.req("DOL-CAPITAL-003")
def test_the_drawdown_of_a_yen_loss_in_dollars(tmp_path):
    moved = QUOTED | {USDJPY: ("154.500", "154.520")}
    script = {3: order(USDJPY, SELL, 2_000_000)}
    desk = Desk(tmp_path, FX, MILLION, USD, GBPUSD, script).run(flat(QUOTED, 10) + flat(moved, 80, 10))
    capital = desk.guard.parts.guard.state.capital
    loss = 2_000_000 * (D("154.520") - D("150.000")) / mid(USDJPY, moved)
    fee = 1_000_000 - desk.account.balance_total(USD).as_decimal()
    assert fee > 0
    near(capital.equity, (1_000_000 - loss - fee) * 100)
    assert capital.drawdown_bp == ceil((D(capital.mark) - capital.equity) * 10_000 / capital.mark)
    assert capital.drawdown_bp > 500


@pytest.mark.req("DOL-ORDER-004")
@pytest.mark.req("DOL-EXIT-001")
def test_a_rate_that_is_lost_denies_entries_lets_exits_pass_and_comes_back(tmp_path):
    """Without GBP/USD nobody knows what EUR/GBP is worth in dollars: not what is held either."""
    quoted = {each: QUOTED[each] for each in (USDJPY, EURGBP, GBPUSD)}  # no way round by EUR/USD
    blind = quoted | {GBPUSD: ("0.00000", "0.00000")}
    script = {
        3: order(EURGBP, BUY, 300_000),
        12: both(order(EURGBP, BUY, 1_000), order(USDJPY, BUY, 1_000)),
        13: order(EURGBP, SELL, 100_000),
        25: both(order(EURGBP, BUY, 1_000), order(USDJPY, BUY, 1_000)),
    }
    desk = Desk(tmp_path, FX, MILLION, USD, USDJPY, script)
    desk.run(flat(quoted, 10) + flat(blind, 5, 10) + flat(quoted, 30, 15))
    told = denials(desk.strategy)
    assert len(told) == 2
    assert all(text.startswith(("UNPRICED [DOL-ORDER-004]", "SENSOR_ERROR [DOL-SENSE-002]")) for text in told)
    held = {position.instrument_id: position.signed_qty for position in desk.positions()}
    assert held == {EURGBP.id: 201_000, USDJPY.id: 1_000}
    errors = [record["error"] for record in desk.records("EQUITY")]
    assert 1 in errors
    assert errors[-1] == 0


@pytest.mark.req("DOL-ORDER-004")
def test_a_rate_that_was_never_there_denies_with_its_reason_until_it_comes(tmp_path):
    yen = {USDJPY: QUOTED[USDJPY]}
    late = flat({GBPUSD: QUOTED[GBPUSD]}, 20, 10)
    script = {3: order(EURGBP, BUY, 10_000), 4: order(USDJPY, BUY, 10_000), 15: order(EURGBP, BUY, 10_000)}
    desk = Desk(tmp_path, FX, MILLION, USD, USDJPY, script)
    desk.run(sorted(flat(yen | {EURGBP: QUOTED[EURGBP]}, 30) + late, key=lambda q: q.ts_init))
    told = denials(desk.strategy)
    assert len(told) == 1
    assert told[0].startswith("UNPRICED [DOL-ORDER-004]")
    assert {position.instrument_id for position in desk.positions()} == {USDJPY.id, EURGBP.id}


@pytest.mark.req("DOL-CAPITAL-001")
def test_an_account_in_the_base_currency_of_its_pair(tmp_path):
    """Euros that trade EUR/USD: what is gained comes in dollars, worth one over the price."""
    script = {3: order(EURUSD, BUY, 1_000_000), 6: order(EURUSD, BUY, 50_000_000)}
    desk = Desk(tmp_path, [EURUSD], [Money(1_000_000, EUR)], EUR, EURUSD, script).run(flat({EURUSD: QUOTED[EURUSD]}))
    bid, rate = D(QUOTED[EURUSD][0]), 1 / mid(EURUSD)
    last = desk.records("ORDER")[-1]
    near(last["gross"], 1_000_000 * bid * rate * 100)
    lots = int(last["fx"][-1][1])
    room = 6 * D(int(last["equity"])) - 1_000_000 * bid * rate * 100
    assert lots * bid * rate * 100 <= room < (lots + 3) * bid * rate * 100 + 3


@pytest.mark.req("DOL-CAPITAL-001")
@pytest.mark.parametrize(("named", "expected"), [("USD", D(100_000_000)), ("GBP", None)])
def test_an_account_of_several_currencies_is_valued_in_the_one_that_is_named(tmp_path, named, expected):
    balances = [Money(445_000, USD), Money(500_000, EUR), Money(1_000, GBP)]
    desk = Desk(tmp_path, FX, balances, None, GBPUSD, {5: order(EURUSD, BUY, 1_000)}, currency=named)
    desk.run(flat(QUOTED))
    (asked,) = desk.records("ORDER")
    # A balance is left at the bid, as a long position is.
    dollars = 445_000 + 500_000 * D("1.10000") + 1_000 * D("1.27900")
    if named == "USD":
        near(asked["equity"], dollars * 100)
    else:
        pounds = 1_000 + 500_000 * D("0.86000") + 445_000 / D("1.27920")
        near(asked["equity"], pounds * 100, 10)


@pytest.mark.req("DOL-CAPITAL-001", "DOL-ORDER-004")
def test_a_balance_without_a_rate_makes_the_equity_unreadable(tmp_path):
    balances = [Money(1_000_000, USD), Money(1_000_000, JPY)]
    script = {4: order(EURUSD, BUY, 1_000)}
    desk = Desk(tmp_path, FX, balances, None, EURUSD, script, currency="USD")
    desk.run(flat({EURUSD: QUOTED[EURUSD]}, 8))
    assert len(denials(desk.strategy)) == 1
    assert [record["error"] for record in desk.records("EQUITY")] == [1]
    assert desk.guard.parts.holding() != 0


# --- the exit side: DOL-CAPITAL-001 -----------------------------------------------------------------------------------

WIDE = {EURUSD: ("1.09000", "1.11000")}


@pytest.mark.req("DOL-CAPITAL-001")
@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_position_is_valued_at_the_side_at_which_it_is_left(tmp_path, side):
    """Two cents of spread on 500,000: the loss of crossing it is there at once, gross is what leaving would bring."""
    script = {3: order(EURUSD, side, 500_000), 6: order(EURUSD, side, 1_000)}
    desk = Desk(tmp_path, [EURUSD], MILLION, USD, EURUSD, script, sensors={"spread_floor_bp": 1_000})
    desk.run(flat(WIDE))
    last = desk.records("ORDER")[-1]
    fee = D(sum(int(fill["commission"]) for fill in desk.records("FILL")[:1]))
    assert fee > 0
    near(last["equity"], D(100_000_000) - 500_000 * 2 - fee, 1)
    price = D("1.09000") if side == BUY else D("1.11000")
    near(last["gross"], 500_000 * price * 100, 1)
    value_u = D(int(last["value_u"]))
    assert value_u == price * 100 * 10**6


# --- what settles in coins --------------------------------------------------------------------------------------------

XBT = TestInstrumentProvider.xbtusd_bitmex()
BITMEX = XBT.id.venue
QUANTO = CryptoPerpetual(
    instrument_id=InstrumentId(Symbol("ETHUSD-Q"), BITMEX), raw_symbol=Symbol("ETHUSD"), base_currency=ETH,
    quote_currency=USD, settlement_currency=BTC, is_inverse=False, price_precision=2, price_increment=Price(0.05, 2),
    size_precision=0, size_increment=Quantity.from_int(1), multiplier=Quantity.from_str("0.000001"),
    margin_init=D("0.02"), margin_maint=D("0.007"), maker_fee=D("0"), taker_fee=D("0.00075"), ts_event=0, ts_init=0,
)  # fmt: skip
SATS = 10**8


@pytest.mark.req("DOL-ORDER-007", "DOL-ORDER-002")
@pytest.mark.parametrize("side", [BUY, SELL])
def test_an_inverse_perpetual(tmp_path, side):
    """A contract is a dollar: worth one over the price in bitcoins, more at the bid than at the ask."""
    quoted = {XBT: ("50000.0", "50010.0")}
    script = {3: order(XBT, side, 100_000), 6: order(XBT, side, 9_000_000)}
    desk = Desk(tmp_path, [XBT], [Money(10, BTC)], BTC, XBT, script, venue=BITMEX).run(flat(quoted))
    price = D("50000") if side == BUY else D("50010")
    entry = D("50010") if side == BUY else D("50000")
    last = desk.records("ORDER")[-1]
    near(last["gross"], 100_000 / price * SATS, 1)
    fee = 100_000 / entry * D("0.00075")
    sign = 1 if side == BUY else -1
    equity = 10 - fee + sign * 100_000 * (1 / entry - 1 / price)
    near(last["equity"], equity * SATS, 2)
    lots = int(last["fx"][-1][1])
    lot = 1 / price * SATS
    room = 6 * equity * SATS - 100_000 * lot
    assert lots * lot <= room + 13
    assert room < (lots + 1) * lot + 13


@pytest.mark.req("DOL-ORDER-007", "DOL-ORDER-002")
def test_a_quanto_future_is_worth_what_it_settles_in(tmp_path):
    """0.000001 bitcoins for each dollar of the price: the price of a bitcoin does not come in."""
    quoted = {QUANTO: ("3000.00", "3000.50")}
    script = {3: order(QUANTO, BUY, 1_000), 6: order(QUANTO, BUY, 100_000)}
    desk = Desk(tmp_path, [QUANTO], [Money(10, BTC)], BTC, QUANTO, script, venue=BITMEX).run(flat(quoted))
    last = desk.records("ORDER")[-1]
    near(last["gross"], 1_000 * D("0.000001") * 3000 * SATS, 1)
    lots = int(last["fx"][-1][1])
    lot = D("0.000001") * 3000 * SATS
    room = 6 * D(int(last["equity"])) - 1_000 * lot
    assert lots * lot <= room < (lots + 1) * lot
    assert sum(D(str(p.signed_qty)) for p in desk.positions()) == 1_000 + lots


# --- cash accounts ----------------------------------------------------------------------------------------------------

COIN = TestInstrumentProvider.btcusdt_binance()
BINANCE = COIN.id.venue


@pytest.mark.req("DOL-CAPITAL-001")
@pytest.mark.req("DOL-EXIT-001")
def test_a_cash_account_has_a_coin_once(tmp_path):
    """Nautilus' equity of a cash account of several currencies adds the position to the balance that it became."""
    quoted = {COIN: ("50000.00", "50010.00")}
    script = {3: order(COIN, BUY, "0.5"), 6: order(COIN, BUY, "0.1"), 9: order(COIN, SELL, "0.6")}
    desk = Desk(tmp_path, [COIN], [Money(100_000, USDT)], None, COIN, script, account=AccountType.CASH, venue=BINANCE,
                currency="USDT").run(flat(quoted))  # fmt: skip
    asked = desk.records("ORDER")
    fees = [D(int(fill["commission"])) for fill in desk.records("FILL")]
    first = D(100_000 - 5) * SATS - fees[0]
    near(asked[1]["equity"], first)
    near(asked[1]["gross"], D("0.5") * 50_000 * SATS)
    near(asked[2]["equity"], first - 1 * SATS - fees[1])
    assert desk.positions() == []
    assert desk.account.balance_total(USDT).as_decimal() * SATS == first - 1 * SATS - fees[1] - fees[2]
    capital = desk.guard.parts.guard.state.capital
    assert capital.mark == 100_000 * SATS
    assert capital.flat == 1
    assert desk.records("FLOW") == []


@pytest.mark.req("DOL-CAPITAL-001")
def test_a_cash_account_of_several_currencies_has_its_shares_besides(tmp_path):
    """Shares stand in no balance: here the position is what was bought."""
    share = TestInstrumentProvider.equity("AAPL", "SIM")
    quoted = {EURUSD: QUOTED[EURUSD], share: ("180.00", "180.10")}
    balances = [Money(100_000, USD), Money(10_000, EUR)]
    script = {3: order(share, BUY, 100), 6: order(share, BUY, 10)}
    desk = Desk(tmp_path, [share, EURUSD], balances, None, share, script, account=AccountType.CASH, currency="USD",
                sensors={"sessions": "24/7"}).run(flat(quoted))  # fmt: skip
    last = desk.records("ORDER")[-1]
    near(last["equity"], (100_000 - 100 * D("180.10") + 100 * D("180.00") + 10_000 * D("1.10000")) * 100)
    near(last["gross"], 100 * D("180.00") * 100)


@pytest.mark.req("DOL-ORDER-004")
def test_a_rate_that_moves_while_the_instruments_own_quote_is_quiet_is_the_rate_of_now(tmp_path):
    """EUR/GBP is held and silent; GBP/USD, in which it is counted, rises."""
    rows = []
    for i in range(60):
        at = T0 + i * S
        pound = 1.279 + max(0, min(i, 50) - 19) * 0.02
        rows.append(quote(GBPUSD, f"{pound:.5f}", f"{pound + 0.0002:.5f}", at))
        if i < 6:
            rows.append(quote(EURGBP, *QUOTED[EURGBP], at))
        rows.append(quote(EURUSD, *QUOTED[EURUSD], at + 1))
    script = {3: order(EURGBP, BUY, 3_000_000)} | {at: order(EURUSD, BUY, 1_000) for at in (22, 30, 41, 50, 52, 55)}
    desk = Desk(tmp_path, [EURUSD, EURGBP, GBPUSD], [Money(1_000_000, USD)], USD, EURUSD, script)
    desk.run(rows)
    found = [record["gross"] for record in desk.records("ORDER")][1:]
    assert len(found) == 6
    held = 3_000_000 * Decimal(QUOTED[EURGBP][0])
    for at, gross in zip((22, 30, 41, 50, 52, 55), found, strict=True):
        pound = Decimal("1.279") + (min(at, 50) - 19) * Decimal("0.02")
        assert abs(gross / (100 * held * pound) - 1) < Decimal("0.02"), at  # what was bought since is below 1 %
