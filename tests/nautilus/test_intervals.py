"""What is looked at without an order, as often as [book] says: limits as prices move; positions and health live."""

import asyncio

import pytest
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from dolphin.app.actor import DolphinGuardConfig
from dolphin.app.limits_file import load_limits
from dolphin.audit.replay import audit
from dolphin.kernel.units import NS_PER_MS
from dolphin.limits.config import to_object
from dolphin.nautilus.config import ConfigError
from dolphin.nautilus.intervals import RISK, Every
from dolphin.nautilus.values import NOT_YET, Sample
from tests.nautilus.live_node import guard_of
from tests.nautilus.rig import SIM, Rig, S, Scripted, audusd, quotes
from tests.nautilus.test_gates import BUY, SELL, drive, market
from tests.nautilus.test_live import run

INS = audusd()
KIWI = TestInstrumentProvider.default_fx_ccy("NZD/USD", SIM)


def written(tmp_path, text):
    file = tmp_path / "limits.toml"
    file.write_text(text)
    return str(file)


def notes(rig):
    return [(r.ts_ns, r.data["said"]) for r in rig.records("NOTE") if r.data["what"] == "limit"]


def loaded(limits):
    return to_object(load_limits(limits))


POSITION = '[venue_exposure]\nmode = "{}"\nvalue = 6500\n'


@pytest.mark.req("DOL-LIMIT-037")
@pytest.mark.parametrize(("mode", "interval", "count"), [("on", "1 s", 2), ("on", "4 s", 2), ("passive", "1 s", 0)])
def test_a_price_that_moves_into_a_limit_is_said_once_and_its_end_too(tmp_path, mode, interval, count):
    """10,000 units at 0.65 are within 6,500 of value; at 0.66 they are not, until some are sold."""
    limits = written(tmp_path, f'[book]\nrisk_check_interval = "{interval}"\n' + POSITION.format(mode))
    prices = [64_900] * 10 + [66_000] * 20
    rig, _ = drive(
        tmp_path / "book", {3: market(BUY, 10_000), 20: market(SELL, 2_000)}, quotes(INS, prices), limits=limits
    )
    assert rig.guard.failures == []
    found = notes(rig)
    assert [said.partition(": ")[2].split()[0] for _, said in found] == ["breached", "not"][:count]
    for _, said in found:
        assert said.startswith("venue_exposure [DOL-LIMIT-027]: ")
    assert len(rig.records("ORDER")) == 2
    assert audit(str(rig.journal)).verdict == "conforms"


@pytest.mark.req("DOL-LIMIT-037")
def test_without_an_interval_nothing_is_looked_at_and_one_that_is_proposed_holds_at_once(tmp_path):
    limits = written(tmp_path, POSITION.format("on"))
    prices = [64_900] * 10 + [66_000] * 30
    told = []

    def propose(s):
        rules = rig.guard.parts.limiting._limiter.said()
        told.append(s.command("limits-propose", limits=rules | {"intervals_ns": {RISK: str(S)}}))

    strategy = Scripted(INS, {3: market(BUY, 10_000), 25: propose})
    rig = Rig(tmp_path / "book", INS, limits=limits).add(strategy)
    rig.run(quotes(INS, prices))
    assert told[0]["ok"], told
    (begun,) = notes(rig)
    (proposed,) = [r.ts_ns for r in rig.records("COMMAND")]
    assert begun[0] >= proposed


@pytest.mark.req("DOL-LIMIT-037")
def test_nothing_is_said_of_an_account_that_cannot_be_read(tmp_path, monkeypatch):
    """That is a fault of its own, and said as one."""
    limits = written(tmp_path, POSITION.format("on").replace("6500", "0"))
    found = []

    def look(s):
        found.append(rig.guard.parts.limiting.exceeded())
        for sample in (Sample(1, 0, 0, 0, 1), NOT_YET):
            with monkeypatch.context() as patch:
                patch.setattr(rig.guard.parts.values, "sample", lambda sample=sample: sample)
                found.append(rig.guard.parts.limiting.exceeded())

    rig = Rig(tmp_path / "book", INS)
    acts = {3: market(BUY, 10_000), 4: lambda s: s.command("limits-propose", limits=loaded(limits)), 6: look}
    rig.add(Scripted(INS, acts)).run(quotes(INS, [65_000] * 8))
    assert found == [["venue_exposure [DOL-LIMIT-027]"], [], []]


def test_a_clock_that_stepped_back_makes_nobody_wait():
    every = Every(lambda name: 10, RISK)
    assert [every.due(at) for at in (10, 19, 20, 5, 14, 15)] == [True, False, True, True, False, True]
    assert not Every(lambda name: 0, RISK).due(10)


@pytest.mark.req("DOL-LIMIT-037")
def test_the_file_and_the_setting_may_not_say_something_else(tmp_path):
    limits = written(tmp_path, '[book]\nposition_sync_interval = "3 s"\n')
    with pytest.raises(ConfigError, match=r"position_sync_ms: 5000 ms here, and 3000 ms as position_sync_interval in "):
        DolphinGuardConfig(state_dir="s", limits=limits, position_sync_ms=5_000)
    with pytest.raises(ConfigError, match="accepted: one of the two"):
        DolphinGuardConfig(state_dir="s", limits=limits, position_sync_ms=0)
    for given in (None, 3_000):
        rig = Rig(tmp_path / f"book{given}", INS, limits=limits, position_sync_ms=given).run(quotes(INS, [65_000] * 3))
        assert rig.guard.parts.flow.intervals.sync_ns() == 3 * S
    assert Rig(tmp_path / "a", INS).run(quotes(INS, [65_000])).guard.parts.flow.intervals.sync_ns() == 5 * S
    rig = Rig(tmp_path / "b", INS, position_sync_ms=7).run(quotes(INS, [65_000]))
    assert rig.guard.parts.flow.intervals.sync_ns() == 7 * NS_PER_MS


@pytest.mark.req("DOL-LIMIT-037")
def test_live_positions_are_looked_at_and_health_is_said_as_often_as_the_file_says(tmp_path):
    limits = written(tmp_path, '[book]\nposition_sync_interval = "1 s"\nhealth_check_interval = "1 s"\n')
    said = []

    async def act(node):
        guard = guard_of(node)
        intervals = guard.parts.flow.intervals
        health = intervals.health
        intervals.health = lambda: said.append(health()) or said[-1]
        async with asyncio.timeout(300):
            while guard.parts.flow.reconcile.looks < 2 or len(said) < 2:
                await asyncio.sleep(0.02)

    run(tmp_path, act, limits=limits)
    assert said[-1].startswith("HEALTH latch=RUNNING posture=HIBERNATE confidence_ms=")
    assert " late=0 refused=0 failures=0" in said[-1]


@pytest.mark.req("DOL-LIMIT-037")
def test_of_two_breaches_each_is_said_at_its_own_time(tmp_path):
    """10,000 units are worth 6,550 and 6,650: of a million 0.655 and 0.665 %."""
    gross = '[gross_leverage]\nmode = "on"\nvalue = "0.66 %"\n'
    limits = written(tmp_path, '[book]\nrisk_check_interval = "1 s"\n' + POSITION.format("on") + gross)
    prices = [64_900] * 10 + [65_500] * 10 + [66_500] * 10 + [65_500] * 10 + [64_900] * 10
    rig, _ = drive(tmp_path / "book", {3: market(BUY, 10_000)}, quotes(INS, prices), limits=limits)
    said = [(text.split()[0], text.split()[2]) for _, text in notes(rig)]
    assert said == [
        ("venue_exposure", "breached"),
        ("gross_leverage", "breached"),
        ("gross_leverage", "not"),
        ("venue_exposure", "not"),
    ]


def test_health_counts_feeds_that_are_late(tmp_path):
    said = []

    def look(s):
        intervals = rig.guard.parts.flow.intervals
        intervals.beat(s.clock.timestamp_ns())
        said.append(intervals.health())

    rig = Rig(tmp_path / "book", INS, sensors={"sessions": "24/7", "max_silence_s": 60})
    rig.engine.add_instrument(KIWI)
    rig.add(Scripted(INS, {3: look, 150: look}))
    rig.run(quotes(INS, [65_000] * 200) + quotes(KIWI, [65_000] * 5))
    assert [" late=0 " in text for text in said] == [True, False]
