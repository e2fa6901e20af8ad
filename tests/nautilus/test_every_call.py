"""A fault at every call of the shell (DESIGN.md 4, DAL A): the lists are read from the code (faults.py), not written.

Each function and each call of the host raises once, at its first call from a point on. Then entries are denied, exits
pass, the latch is tripped, nothing works that could increase, and nothing escapes the engine. Three runs between them
pass nearly every place; what none of them passes is listed, and tested elsewhere.
"""

from __future__ import annotations

import functools
import os
import tempfile
import threading
import time
from pathlib import Path

import pytest
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import AggressorSide
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.kernel.state import Mode
from dolphin.nautilus import mailbox, parts
from tests.nautilus.faults import Fault, functions, look_everywhere, sites, watch_functions
from tests.nautilus.rig import SIM, T0, Rig, S, audusd, bars, quotes
from tests.nautilus.test_currencies import order as send
from tests.nautilus.test_currencies import quote
from tests.nautilus.test_flows import booked
from tests.nautilus.test_gates import BUY, SELL, X1, bracket, emulated, limit, market, q
from tests.nautilus.test_kill import chain, make

INS = audusd()
YEN = TestInstrumentProvider.default_fx_ccy("USD/JPY", SIM)
OUTERMOST = frozenset(
    (
        # What catches, and what stands between Nautilus and it: a fault there is the host's own.
        "Plug.hear_bar", "Plug.hear_order", "Plug.hear_position", "Plug.hear_account", "Plug.hear_system",
        "Plug.hear_wake", "Plug.hear_alert", "Plug.hear_timer", "Plug.hear_command", "Plug._hear",
        "Plug._handed", "Plug.gate_risk", "Plug.gate_exec", "Plug.on_start", "Plug.on_stop", "Plug.on_dispose",
        "Plug.on_reset", "Plug.wrapped",
        "Plug._over", "Plug.failed", "Plug.register_base", "Gates.at_risk", "Gates.at_exec", "Gates._at",
        "Gates._wrapped",
        "Gates._fallback", "Hook.forward_risk", "Hook.forward_exec", "plain.plain_gate", "Parts._look",
        "mailbox.waiting", "plug.told", "Limiting.canceled",
    )
)  # fmt: skip
FUNCTIONS = functions()
SITES = sites()
PLACES = sorted(set(FUNCTIONS) - OUTERMOST) + sorted(SITES)

LIMITS = '[book]\nrisk_check_interval = "1 s"\n' + "\n".join(
    f'[{name}]\nmode = "passive"\n{said}'
    for name, said in {
        "order_notional": "value = 1",
        "position": "value = 1",
        "stale_price": 'value = "1 h"',
        "cancel_rate": "value = 0",
        "self_trade": "",
        "free_margin": 'value = "0 %"',
        "daily_loss": "value = 1000000",
        "repeated_execution": "value = 2",
        "gap_sigma": 'value = "90 %"\nsigmas = "6x"\nassumed = "1 %"',
    }.items()
)
"""Limits that see all that limits may see, and hold nothing back."""

ARMED_AT, KILLED_AT, ROWS = 7, 30, 50


def script(fault, rig_of, exits, late):
    """Everything that a strategy and an operator do, before and after the fault."""

    def arm(s):
        fault.armed = True

    def enter(s):
        order = s.order_factory.market(INS.id, BUY, q(1_000))
        late.append(order)
        s.submit_order(order)

    def probe(s):
        """The first row after the fault: the latch has tripped, and an entry is denied."""
        if fault.fired == 1:
            fault.fired = 2
            parts = rig_of().guard.parts
            if parts is not None:
                if hasattr(parts, "guard"):
                    assert parts.guard.state.latch.mode != Mode.RUNNING
            enter(s)

    def leave(s):
        for position in s.cache.positions_open():
            side = SELL if position.signed_qty > 0 else BUY
            order = s.order_factory.market(INS.id, side, position.quantity)
            exits.append(order)
            s.submit_order(order)

    def post(s):
        folder = rig_of().path / "mailbox"
        (folder / "a.json").write_text('{"verb":"status"}')
        (folder / "b.json").write_text("no letter")
        if rig_of().guard.parts is not None:
            rig_of().guard.parts.letter_flag = True

    def touch(s):
        (rig_of().path / "KILL").touch()

    acts = {
        2: market(BUY, X1),
        3: chain(limit(SELL, X1, 66_000), limit(BUY, 1_000, 64_000)),
        4: bracket(BUY, 1_000, 64_000, 66_000),
        5: emulated(BUY, 1_000, 66_500),
        ARMED_AT: arm,
        8: chain(market(BUY, 1_000), send(YEN, BUY, 1_000, limit="149.000")),
        9: lambda s: s.modify_order(s.last, quantity=q(2_000)),
        10: bracket(BUY, 1_000, 64_000, 66_000),
        11: market(BUY, 9 * X1),
        12: market(SELL, X1 // 2),
        13: lambda s: s.submit_order_list(s.order_factory.create_list([
            s.order_factory.limit(INS.id, BUY, q(1_000), INS.make_price(0.64)),
            s.order_factory.limit(INS.id, BUY, q(1_000), INS.make_price(0.63))])),
        14: market(SELL, 1_000, quote_quantity=True),
        15: lambda s: s.command("shock"),
        16: chain(lambda s: s.command("flow", amount=500), booked(5), booked(7)),
        17: lambda s: s.command("stall", until_ns=1),
        18: lambda s: s.command("sensor-error", category=4, error=0),
        19: post,
        20: lambda s: s.modify_order(s.last, quantity=q(900_000)),
        21: lambda s: s.command("flatten", position="none"),
        22: lambda s: s.command("rebase-arm"),
        23: lambda s: s.command("rebase-confirm", nonce=1),
        24: lambda s: s.command("arm", episode=1, observed_flat=1),
        25: lambda s: s.command("confirm", nonce=1),
        26: lambda s: s.command("adopt"),
        27: chain(
            lambda s: s.command("fault", name="nothing"),
            lambda s: s.command("limits-propose", limits={}),
            lambda s: s.command("limits-confirm", nonce=1),
            lambda s: s.command("limits-enable", strategy="none"),
            lambda s: s.command("reconcile"),
        ),
        28: limit(SELL, 1_000, 66_000),
        29: chain(lambda s: s.modify_order(s.last, price=INS.make_price(0.649)), market(SELL, 1_000)),
        KILLED_AT: lambda s: s.command("kill"),
        31: touch,
        32: enter,
        34: leave,
        36: enter,
    }  # fmt: skip
    return {at: chain(acts.get(at, lambda s: None), probe) for at in range(ROWS)}


def held(fault, exits, late, s, rig):
    """What holds after the fault, wherever it was."""
    assert s.seen == ROWS  # nothing escaped
    guard = rig.guard
    if fault.fired:
        assert guard.failures
    for order in late:
        assert order.status_string() in ("DENIED", "INITIALIZED"), order
    assert s.cache.positions_open() == []
    for order in exits:
        assert order.status_string() in ("FILLED", "DENIED", "REJECTED", "INITIALIZED"), order
    for order in s.cache.orders():
        if not order.is_closed and not order.is_reduce_only:
            assert order.status_string() == "INITIALIZED", order  # one whose denial could not be said; it never left


def drive(path, fault, **how):
    """One run (see `_drive`). The watcher's thread would pass some places at a time of its own: it sleeps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "WATCH_S", 3_600.0)
        _drive(path, fault, **how)


def _drive(path, fault, doubt=False, first=False, full=False, before=""):
    """One run. `first`: armed before the engine is built. `doubt`: the gates fail too, so that the plain rule judges.

    `full`: the disk is full for a while. `before`: an earlier run left its journal there, and what is done about that.
    """
    exits, late, made = [], [], []
    path.mkdir(parents=True, exist_ok=True)
    (path / "limits.toml").write_text(LIMITS)
    settings = {"limits": str(path / "limits.toml")}
    if before:
        earlier = Rig(path, INS).add(make({2: market(BUY, X1), 5: lambda s: s.command("kill")}))
        earlier.engine.add_instrument(YEN)
        earlier.run(quotes(INS, [65_000] * 8))
        settings["resume"] = before
    fault.armed = first
    s = make(script(fault, lambda: made[0], exits, late))
    try:
        rig = Rig(path, INS, **settings)
    except RuntimeError:
        assert fault.fired  # the guard is refused when the engine takes it in
        return
    made.append(rig)
    if doubt:
        s.script[6] = chain(s.script[6], lambda s: setattr(rig.guard.parts.asker, "catch_up", _broken))
    if full:
        s.script[8] = chain(lambda s: setattr(rig.guard.parts.guard.journal, "_write", _full), s.script[8])
        s.script[20] = chain(lambda s: setattr(rig.guard.parts.guard.journal, "_write", os.write), s.script[20])
    rig.engine.add_instrument(YEN)
    rig.add(s)
    rig.run(quotes(INS, [65_000 + i % 3 for i in range(ROWS - 6)] + [66_600] * 6) + rows())
    held(fault, exits, late, s, rig)
    if not fault.fired:
        rig.engine.reset()
    rig.engine.dispose()


def rows():
    """Bars and prints beside the quotes."""
    prints = [
        TradeTick(INS.id, INS.make_price(0.65), q(1_000), AggressorSide.BUYER, TradeId(str(i)), at, at)
        for i, at in enumerate(range(T0, T0 + ROWS * S, 3 * S + 7))
    ]
    yen = [quote(YEN, "150.000", "150.020", T0 + i * S) for i in range(ROWS)]
    return yen + prints + bars(INS, [65_000] * 3, step_ns=20 * S + 1)


def _full(fd, data):
    raise OSError(28, "no space left on device")


def _broken():
    raise RuntimeError("doubt")


RUNS = {
    "running": {},
    "in doubt": {"doubt": True},
    "starting": {"first": True},
    "the disk is full": {"full": True},
    "after an earlier run": {"first": True, "before": "never"},
    "taking it up again": {"first": True, "before": "always"},
}


@functools.cache
def passed():
    """Which places each run passes, seen once by a run without a fault."""
    found = {}
    for name, how in RUNS.items():
        fault = Fault()
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
            look_everywhere(patch, fault)
            watch_functions(patch, fault, FUNCTIONS, FUNCTIONS)
            drive(Path(folder) / "run", fault, **how)
        for place in fault.passed:
            found.setdefault(place, name)
    return found


def called(place):
    """A place by its function, without the line: what `ELSEWHERE` says."""
    if place not in SITES:
        return place
    return f"{SITES[place]}: {place.partition(' ')[2]}"


ELSEWHERE = frozenset(
    (
        # A parked order in quote currency: tests/tools/plans/parked-quote-quantity.json.
        "Values.in_lots",
        # Beats and the signal: test_watched.py.
        "Beating._announce", "Beating._hand", "Beating._said", "Beating._waited", "Beating._waits",
        "Beating._failed", "Beating.ending", "Beating.tick", "Commands.signal", "Plug.hear_signal", "commands.deaf",
        "commands.left", "commands.listen", "Commands._left",
        # Live, or the other side of the mailbox: the timer catches as every handler does (test_live.py). A start that
        # begins anew: what fails there denies entries, as at any start (test_latch_restart.py).
        "FlowOfEvents._stepped_back", "FlowOfEvents.timer", "Guard.settle", "Parts.begin: clock.set_timer_ns",
        "Parts.check_hook", "Plug._tick", "mailbox._always", "mailbox._answer_in", "mailbox._awaited",
        "mailbox._in_vain", "mailbox._withdrawn", "mailbox.post", "mailbox.send",
        "opening._tell_latch_file",
        # A start with another policy (test_other_policy.py): what fails there denies entries, as at any start.
        "other_policy._short", "other_policy.demand", "other_policy.differences", "other_policy.go_on",
        "other_policy.who", "other_policy.word_for",
        # Cash accounts, shares, instruments that come later, bars without quotes.
        "Book.scaled: _cache.instrument", "Book._without_name", "Moving._by_bars",
        "Values._amounts", "Values._portfolio_equity", "Values._rate_out", "Values._undelivered",
        # Positions and orders that are there at the start; an envelope, a re-base, a confirm that is granted.
        "Book._claim", "Book.loaded: _cache.position_id", "Sampler._may_rise",
        # Once in 50,000 records (test_checkpoints.py, test_rotation.py).
        "Guard._checkpoint", "Guard._checkpointed", "Guard._retire", "Guard._rotate",
        # The ledger against positions, live (test_reconcile.py), and a fee in what was bought (same).
        "Fills._in_kind", "Reconcile._accuse", "Reconcile.look",
        # A third book, which these runs have not, and a look with an order in flight (test_third_book.py).
        "Found.said", "Looks.none", "Plug.third_book", "Reconcile._tell_unknown", "third._lots",
        # Live: the balance against the ledger (test_money.py), what a day began with (test_anchor.py).
        "Money._rounding", "Money._told", "anchor.look",
        # A breach without an order, and what is looked at live (test_intervals.py).
        "Intervals._say", "Intervals.beat", "Intervals.health", "Intervals.sync_ns",
        # Where something else has failed already: no second fault is planted there.
        "Own.heard: _cache.position_id", "Book.lost",
        "Gates._fallback: _cache.order", "Guard._bare", "Parts.not_as_measured", "Parts.note",
        "Plug._plainly", "Waiting.bare", "_closed: journal.release", "_resumed: journal.release",
        "opened: journal.release",
        "plain._beside", "plain._plainly", "plainly_reduces: position.is_opposite_side",
        # Orders of other makes: an algorithm's, emulated and released, one with the guard's name.
        "Gates._refuse", "Host.cancel: _msgbus.send", "Host.deny: _cache.add_order", "Host.shrink: _cache.add_order",
        "Book.parked",
        # Children that are not reduce-only (test_linked.py).
        "counting.entered", "counting.undoes",
        # Said when all is well again, or asked by tools.
        "Latency.percentiles", "Plug.sensor_source", "Plug.limiter", "Plug.tell: log.info",
        # A fill that no position took (test_dropped_fills.py).
        "Fills._dropped", "Fills._of_spread", "fills._among", "took: cache.position_snapshot_bytes",
        # A cancel rate, and a price from bars alone (test_limits.py).
        "Limiting._count", "Limiting._last_bar_ns", "Limiting._take_up",
        # A list of several parts, and what gate 2 judges anew (test_limits_lists.py).
        "Limiting._entering", "Limiting.back",
        # An own order that filled nothing (test_own.py, test_own_live.py).
        "Own._vain",
        # Two strategies against each other on a netting venue that refuses both sides (test_trying.py, tests/live).
        "Refusals._claimed",
        # A fill that nobody here asked for (test_made_up.py, and tests/live on a loopback exchange).
        "made_up.beside", "made_up.lessened", "made_up.made_up", "made_up.net", "made_up.unasked",
        # Parts of an order, and what they filled together (test_part_of.py).
        "beyond_parent: cache.order", "beyond_parent: cache.orders_for_exec_spawn", "made_up.asked_for",
        # Live: an order that is told as over and may fill all the same (test_fate.py, test_reopening.py, which plants
        # faults; scenarios/live/S8d, S8e, S8f).
        "Doubt.accepted", "Doubt.filled", "Unknown._begin", "Unknown._end", "Unknown._note", "Unknown._open",
        "Unknown._remember", "Unknown._reopen", "Unknown._say", "Unknown._withdraw", "Unknown.look",
        "reopening._apply", "reopening._resize", "reopening.closed", "reopening.read", "reopening.reopened",
        "reopening.written", "unknown._largest", "unknown._open_end", "unknown.doubtful", "unknown.refused",
        "unknown.said",
        # Configuration, and rows that are no numbers.
        "config._hibernate", "config._policy_value", "feeds._careful", "feeds._error_of",
    )
)  # fmt: skip


def test_every_place_is_passed_by_some_run():
    """What no run passes is listed above, and covered by other tests; a new call must be passed or join the list."""
    unseen = {place for place in PLACES if place not in passed()}
    idle = {place.rpartition(".")[2] if place[0].islower() else place for place in unseen if place not in SITES}
    assert {called(place) for place in unseen if SITES.get(place) not in idle} == ELSEWHERE


@pytest.mark.req("DOL-KILL-005", "DOL-ORDER-005", "DOL-EXIT-001")
@pytest.mark.parametrize("place", PLACES)
def test_a_fault_at_each_call(tmp_path, monkeypatch, place):
    run = passed().get(place)
    if run is None:
        return  # listed above
    fault = Fault(place)
    if place in SITES:
        look_everywhere(monkeypatch, fault)
    else:
        watch_functions(monkeypatch, fault, [place], FUNCTIONS)
    drive(tmp_path, fault, **RUNS[run])
    assert fault.fired


def test_a_watcher_that_fails_lets_the_next_event_look(tmp_path, monkeypatch):
    looked = threading.Event()

    def waiting(state_dir):
        looked.set()
        raise OSError("planted")

    monkeypatch.setattr(mailbox, "waiting", waiting)
    monkeypatch.setattr(parts, "WATCH_S", 0.01)
    flags = []

    def wait(s):
        rig.guard.parts.letter_flag = False
        looked.clear()
        assert looked.wait(10)
        while not rig.guard.parts.letter_flag:
            time.sleep(0.001)
        flags.append(rig.guard.parts.letter_flag)

    rig = Rig(tmp_path, INS).add(make({3: wait}))
    rig.run(quotes(INS, [65_000] * 6))
    assert flags == [True]
    assert rig.guard.failures == []
