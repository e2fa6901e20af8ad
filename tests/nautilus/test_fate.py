"""Orders that are told as over and may fill all the same: which they are, as what they count, and until when.

Through a real engine and the real order path; what ends them is said as Nautilus' adapters say it. On a real adapter
and a venue that answers 503 they are in scenarios/live: S8b, S8d.
"""

import pytest
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import LiquiditySide, OrderType
from nautilus_trader.model.events import OrderAccepted, OrderCanceled, OrderExpired, OrderFilled, OrderRejected
from nautilus_trader.model.identifiers import AccountId, PositionId, TradeId, VenueOrderId
from nautilus_trader.model.objects import Money

from dolphin.kernel.units import ABSENT
from dolphin.nautilus.config import ConfigError, PlugConfig
from dolphin.nautilus.unknown import Unknown, doubtful, refused
from tests.nautilus.rig import Rig, Scripted, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, denials, limit, market, px, q
from tests.nautilus.test_kill import chain

INS = audusd()
SPAN_NS = 10
UNKNOWN = "{'code': -1007, 'msg': 'Timeout waiting for response from backend server.'}"
MARGIN = "{'code': -2019, 'msg': 'Margin is insufficient.'}"


def ended(order, kind=OrderRejected, reason=UNKNOWN, post_only=False, reconciliation=False, reported_ns=0):
    """An end of an order. `reconciliation`: Nautilus' own; `reported_ns`: of a report of that age, not made up."""
    now_ns = order.ts_init + 1_000
    said = (order.venue_order_id, AccountId("SIM-001"))
    more = {}
    if kind is OrderRejected:
        said, more = (AccountId("SIM-001"), reason), {"due_post_only": post_only}
    return kind(
        order.trader_id, order.strategy_id, order.instrument_id, order.client_order_id, *said, UUID4(),
        now_ns - reported_ns, now_ns, reconciliation, **more,
    )  # fmt: skip


def accepted(order):
    return OrderAccepted(
        order.trader_id, order.strategy_id, order.instrument_id, order.client_order_id, VenueOrderId("V"),
        AccountId("SIM-001"), UUID4(), order.ts_init, order.ts_init,
    )  # fmt: skip


def filled(order, lots, trade):
    return OrderFilled(
        order.trader_id, order.strategy_id, order.instrument_id, order.client_order_id,
        order.venue_order_id or VenueOrderId("V"), AccountId("SIM-001"), TradeId(trade),
        PositionId(f"{INS.id}-{order.strategy_id}"), order.side, OrderType.LIMIT,
        q(lots), px(65_000), USD, Money(0, USD), LiquiditySide.TAKER, UUID4(), order.ts_init, order.ts_init,
    )  # fmt: skip


class Told:
    """A run of a strategy whose orders end as a test says. The time for which they count passes by `clock`."""

    def __init__(self, path, script, **settings):
        self.clock = [0]
        self.said = []
        self.strategy = Scripted(INS, {0: self.begin, **script})
        self.rig = Rig(path, INS, **settings).add(self.strategy)

    def begin(self, s):
        parts = self.parts = self.rig.guard.parts
        self.rig.guard.on_change.append(lambda what, text: self.said.append((what, text)))
        self.unknown = parts.flow._unknown = Unknown(
            parts.guard, parts.book, parts.actor.clock, parts.cache, parts.host.cancel, parts.actor.tell,
            parts.actor.failed, SPAN_NS, lambda: self.clock[0],
        )  # fmt: skip
        parts.killing.doubts = self.unknown.cancel
        parts.flow.unknown = self.unknown.told

    def run(self, prices=(65_000,) * 24):
        self.rig.run(quotes(INS, list(prices)))
        assert self.rig.guard.failures == []
        self.rig.engine.dispose()
        replays(self.rig.journal)
        return self

    def granted(self):
        """Lots that each verdict let leave."""
        return [r.data["fx"][-1][1] for r in self.rig.records("ORDER")]

    def notes(self):
        return [r.data for r in self.rig.records("NOTE") if r.data.get("what") == "order of unknown fate"]


def tell(make):
    """Say an event of the strategy's last order, as an execution client does."""
    return lambda s: s.msgbus.send("ExecEngine.process", make(s.last))


def see(found, what):
    return lambda s: found.append(what())


@pytest.mark.parametrize(
    "reason",
    [
        UNKNOWN,
        "{'code': -1000, 'msg': 'An error occurred while processing the request.'}",
        "{'code': -1001, 'msg': 'Please try again.'}",
        "{'code': -1006, 'msg': 'An answer was received from the message bus.'}",
        '{"code":-1007}',
        "Unknown error, please check your request or try again later.",
        "UNKNOWN",
        "ORDER_NOT_FOUND_AT_VENUE",
        "HTTP error 503: rejected",
        "error code: 502",
        "{'code': 500, 'msg': 'rejected'}",
        "Order submission failed: context deadline exceeded",
        "DEADLINE_EXCEEDED",
        "{'code': 13888, 'msg': 'timed_out'}",
        "Retry budget exceeded",
        "invalid chunk size",
        "JSON error: invalid type: null, expected a string",
        "failed to parse the answer: rejected",
        "status: 502 order rejected",
        "Network error: operation timed out",
        "connection closed before message completed, order rejected",
        "Duplicate clOrdID",
        "{'code': -4116, 'msg': 'ClientOrderId is duplicated.'}",
        "Canceled retry",
        "None",
        "",
        "never seen before",
    ],
)
def test_what_is_no_refusal(reason):
    assert not refused(reason)


@pytest.mark.parametrize(
    "reason",
    [
        MARGIN,
        "{'code': -2022, 'msg': 'ReduceOnly Order is rejected.'}",
        "{'code': -5022, 'msg': 'The order could not be executed as maker.'}",
        "{'code': -1008, 'msg': 'Server is currently overloaded with other requests.'}",
        "{'code': -4164}",
        "REJECTED",
        "Order rejected by exchange",
        "INSUFFICIENT_FUNDS",
        "REDUCE_ONLY MARKET SELL order would have increased position",
        "no market for BTCUSDT-PERP.BINANCE",
        "SHORT SELLING not permitted on a CASH account with position None and order",
        "time in force AT_THE_OPEN is not currently supported",
        "Contingent order O-1 already closed",
        "Contract ESZ4.XCME not yet active, activation 2024-01-01",
        "BUY STOP order stop px of 1.0 was in the market: bid=2.0, ask=2.1",
        "Invalid size precision for order O-1, was 2 when BTCUSDT-PERP.BINANCE size precision is 3",
        "Instrument BTC-USD.DYDX not found",
    ],
)
def test_what_is_a_refusal(reason):
    assert refused(reason)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, True),
        ({"reason": MARGIN}, False),
        ({"post_only": True}, False),
        ({"reason": "UNKNOWN", "reconciliation": True}, True),  # the in-flight check gave up
        ({"reason": "UNKNOWN", "reconciliation": True, "reported_ns": 5}, False),  # the venue reports it so
        ({"kind": OrderCanceled}, False),
        ({"kind": OrderCanceled, "reconciliation": True}, True),  # a cancel that nobody answered
        ({"kind": OrderCanceled, "reconciliation": True, "reported_ns": 5}, False),
        ({"kind": OrderExpired, "reconciliation": True}, False),
    ],
)
def test_which_ends_are_doubtful(how, expected):
    made = []
    strategy = Scripted(INS, {1: chain(limit(BUY, X1, 64_000), lambda s: made.append(s.last))})
    rig = Rig(None, INS, guard=False).add(strategy)
    rig.run(quotes(INS, [65_000] * 3))
    assert doubtful(ended(made[0], **how)) is expected


@pytest.mark.req("DOL-ORDER-008")
def test_an_entry_of_unknown_fate_counts_at_full_size_until_it_is_filled(tmp_path):
    found = []
    told = Told(tmp_path, {
        2: limit(BUY, 4 * X1, 64_000),
        3: tell(ended),
        4: see(found, lambda: (told.parts.book.flat(), told.parts.holding(), told.parts.status()["unknown"])),
        5: market(BUY, 5 * X1),
        6: tell(lambda order: filled(order, X1, "t1")),
        7: tell(lambda order: filled(order, X1, "t1")),  # told twice
        8: see(found, lambda: told.unknown.lots(told.strategy.last.client_order_id.value)),
        9: market(BUY, X1),
        10: tell(lambda order: filled(order, 3 * X1, "t2")),
        11: see(found, lambda: (told.parts.book.holding() == ABSENT, sum(g.lots for g in told.parts.book.held()))),
        12: market(SELL, 3 * X1),
        14: market(BUY, 2 * X1),
    })  # fmt: skip
    told.run()
    first, none, exit_lots, again = told.granted()[1:]
    assert found[0] == (False, ABSENT, {told.strategy.last.client_order_id.value: 4 * X1})
    assert X1 < first < 2.01 * X1  # six times, less the four that may come
    assert found[1] == 3 * X1
    assert none == 0
    assert found[2] == (False, 4 * X1 + first)
    assert (exit_lots, again) == (3 * X1, 2 * X1)
    assert [note["counts_lots"] for note in told.notes()] == [4 * X1, 0]
    assert next(text for what, text in told.said if what == "UNKNOWN").endswith("[DOL-ORDER-008]")


GIVEN_UP = {"reason": "UNKNOWN", "reconciliation": True}


def passes(told, clock):
    """That so much time passes; live the timer looks, each second."""

    def act(s):
        told[0].clock[0] = clock
        told[0].unknown.look()

    return act


@pytest.mark.req("DOL-ORDER-008")
def test_when_the_time_has_passed_and_nothing_was_heard_trading_goes_on(tmp_path):
    told = []
    told.append(Told(tmp_path, {
        2: limit(BUY, 4 * X1, 64_000),
        3: tell(lambda order: ended(order, **GIVEN_UP)),
        4: passes(told, SPAN_NS - 1),
        5: market(BUY, 5 * X1),
        6: passes(told, SPAN_NS),
        7: market(BUY, 3 * X1),
    }))  # fmt: skip
    cut, whole = told[0].run().granted()[1:]
    assert cut < 2.01 * X1
    assert whole == 3 * X1
    assert [note["why"] for note in told[0].notes()] == ["UNKNOWN", "nothing was heard of it"]


@pytest.mark.parametrize("latency_ns", [0, 1_500_000_000])
def test_one_that_works_at_the_venue_counts_until_its_end_is_heard(tmp_path, latency_ns):
    """Accepted before the answer, or after it (with latency); no report closes what Nautilus has closed."""
    told = []
    latency = LatencyModel(base_latency_nanos=latency_ns) if latency_ns else None
    told.append(Told(tmp_path, {
        2: limit(BUY, 4 * X1, 64_000),
        3: tell(ended),
        4: tell(accepted) if latency_ns else lambda s: None,
        5: chain(passes(told, 1_000 * SPAN_NS), market(BUY, 5 * X1)),
        8: tell(lambda order: ended(order, OrderCanceled)),
        9: market(BUY, 3 * X1),
    }, latency=latency))  # fmt: skip
    cut, whole = told[0].run().granted()[1:]
    assert told[0].strategy.names().count("OrderAccepted") == 1
    assert cut < 2.01 * X1
    assert whole == 3 * X1
    assert [note["why"] for note in told[0].notes()] == [UNKNOWN, "its fate was told"]


@pytest.mark.parametrize(
    "how",
    [{"reason": MARGIN}, {"post_only": True}, {"kind": OrderCanceled}, {"kind": OrderExpired}],
    ids=["margin", "post only", "canceled", "expired"],
)
def test_a_plain_end_counts_for_nothing(tmp_path, how):
    told = Told(tmp_path, {
        2: limit(BUY, 4 * X1, 64_000),
        3: tell(lambda order: ended(order, **how)),
        5: market(BUY, 5 * X1),
    })  # fmt: skip
    assert told.run().granted() == [4 * X1, 5 * X1]
    assert told.notes() == []


def test_in_a_backtest_no_end_is_doubtful(tmp_path):
    told = Told(tmp_path, {0: lambda s: None, 2: limit(BUY, 4 * X1, 64_000), 3: tell(ended), 5: market(BUY, 5 * X1)})
    assert told.run().granted() == [4 * X1, 5 * X1]


def test_a_refusal_that_comes_after_the_doubt_ends_it(tmp_path):
    told = Told(tmp_path, {
        2: limit(BUY, 4 * X1, 64_000),
        3: tell(lambda order: ended(order, **GIVEN_UP)),
        4: tell(ended),
        5: market(BUY, 5 * X1),
        6: tell(lambda order: ended(order, reason="REJECTED")),
        7: market(BUY, 3 * X1),
    })  # fmt: skip
    cut, whole = told.run().granted()[1:]
    assert cut < 2.01 * X1
    assert whole == 3 * X1


@pytest.mark.req("DOL-ORDER-008", "DOL-EXIT-001")
def test_an_exit_of_unknown_fate_makes_no_room_and_blocks_no_other(tmp_path):
    found = []
    told = Told(tmp_path, {
        2: market(BUY, 3 * X1),
        3: limit(SELL, 3 * X1, 66_000),
        4: tell(ended),
        5: lambda s: found.append(told.parts.book.held()[0].increasing()),
        6: market(BUY, 5 * X1),
        7: limit(SELL, 2 * X1, 66_000),
        9: market(SELL, 4 * X1),
    })  # fmt: skip
    told.run()
    entry, resting, out = told.granted()[2:]
    assert 2.9 * X1 < entry < 3.01 * X1  # as if the exit were not there
    assert resting == 2 * X1
    assert out == 4 * X1
    assert found == [[]]
    assert denials(told.strategy) == []


@pytest.mark.req("DOL-ORDER-008")
def test_what_an_exit_of_unknown_fate_would_open_counts_once_the_position_is_gone(tmp_path):
    told = Told(tmp_path, {
        2: market(BUY, 3 * X1),
        3: limit(SELL, 3 * X1, 66_000),
        4: tell(ended),
        6: market(SELL, 3 * X1),
        8: market(BUY, 6 * X1),
    })  # fmt: skip
    out, entry = told.run().granted()[2:]
    assert out == 3 * X1
    assert 2.9 * X1 < entry < 3.01 * X1


@pytest.mark.req("DOL-KILL-002", "DOL-ORDER-008")
def test_a_kill_flattens_beside_what_nobody_knows_and_flattens_what_it_brings(tmp_path):
    told = Told(tmp_path, {
        2: market(BUY, 2 * X1),
        3: limit(BUY, X1, 64_000),
        4: tell(ended),
        5: lambda s: s.command("kill"),
        7: tell(lambda order: filled(order, X1, "late")),
    })  # fmt: skip
    told.run()
    own = [(r.data["lots"], r.data["side"]) for r in told.rig.records("OWN")]
    assert own == [(2 * X1, -1), (X1, -1)]


def test_an_own_order_of_unknown_fate_is_asked_for_again(tmp_path):
    found = []

    def answer(s):
        own = next(order for order in s.cache.orders_inflight() if order.client_order_id.value.startswith("DOLPHIN-"))
        s.msgbus.send("ExecEngine.process", ended(own))
        found.append(told.unknown.lots(own.client_order_id.value))

    told = Told(
        tmp_path,
        {2: market(BUY, 2 * X1), 6: lambda s: s.command("kill"), 7: answer},
        latency=LatencyModel(base_latency_nanos=1_500_000_000),
    )
    told.run()
    assert found == [0]
    assert len(told.rig.records("OWN")) > 1
    assert told.notes() == []


def test_what_is_filled_already_is_no_doubt(tmp_path):
    """The stream was quicker than the answer: whole, and in part, when Nautilus goes on with the order by itself."""
    found = []

    def again(s):
        s.last = s.cache.orders()[0]

    told = Told(tmp_path, {
        1: market(BUY, X1),
        2: chain(again, tell(ended)),
        3: limit(BUY, 3 * X1, 64_000),
        4: tell(lambda order: filled(order, X1, "part")),
        5: tell(ended),
        6: see(found, lambda: [working.lots for working in told.parts.book.working.values()]),
    })  # fmt: skip
    told.run()
    assert found == [[2 * X1]]
    assert told.notes() == []


def test_a_canceled_one_that_fills_is_open_again_and_counts_as_any_order(tmp_path):
    """Nautilus gave up a cancel that nobody answered, and canceled the order by itself."""
    found, told = [], []
    told.append(Told(tmp_path, {
        2: limit(BUY, 4 * X1, 64_000),
        3: tell(lambda order: ended(order, OrderCanceled, reconciliation=True)),
        4: market(BUY, 5 * X1),
        5: tell(lambda order: filled(order, X1, "t1")),
        6: passes(told, SPAN_NS),
        7: see(found, lambda: [working.lots for working in told[0].parts.book.working.values()]),
        8: tell(lambda order: ended(order, OrderCanceled)),
        9: see(found, lambda: [working.lots for working in told[0].parts.book.working.values()]),
    }))  # fmt: skip
    assert told[0].run().granted()[1] < 2.01 * X1
    assert found == [[3 * X1], []]
    assert [note["why"] for note in told[0].notes()] == ["no answer to its cancel", "it works"]


def test_a_time_below_zero_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="unknown_ms"):
        PlugConfig(state_dir=str(tmp_path), unknown_ms=-1)
