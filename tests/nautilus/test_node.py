"""BacktestNode with the config-only actor: nothing but a configuration, and the same results."""

from decimal import Decimal

import pytest
from nautilus_trader.backtest.config import (
    BacktestDataConfig,
    BacktestEngineConfig,
    BacktestRunConfig,
    BacktestVenueConfig,
)
from nautilus_trader.backtest.node import BacktestNode
from nautilus_trader.common.config import ImportableActorConfig, LoggingConfig
from nautilus_trader.config import ImportableStrategyConfig
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from dolphin.journal import read
from tests.nautilus.rig import S, audusd, quotes, replays
from tests.nautilus.test_neutral import walk

INS = audusd()


def config(catalog, actors, size="500000"):
    return BacktestRunConfig(
        engine=BacktestEngineConfig(
            trader_id="N-1", logging=LoggingConfig(bypass_logging=True), run_analysis=False, actors=actors,
            strategies=[
                ImportableStrategyConfig(
                    strategy_path="nautilus_trader.examples.strategies.ema_cross:EMACross",
                    config_path="nautilus_trader.examples.strategies.ema_cross:EMACrossConfig",
                    config={
                        "instrument_id": INS.id.value, "bar_type": f"{INS.id}-1-MINUTE-BID-INTERNAL",
                        "trade_size": Decimal(size), "fast_ema_period": 5, "slow_ema_period": 12,
                    },
                )
            ],
        ),
        venues=[
            BacktestVenueConfig(
                name="SIM", oms_type="NETTING", account_type="MARGIN", base_currency="USD",
                starting_balances=["1_000_000 USD"], default_leverage=50.0,
            )
        ],
        data=[BacktestDataConfig(catalog_path=str(catalog.path), data_cls=QuoteTick, instrument_id=INS.id)],
        dispose_on_completion=False,
        raise_exception=True,
    )  # fmt: skip


def guard(state_dir, **settings):
    return ImportableActorConfig(
        actor_path="dolphin.app.actor:DolphinGuard",
        config_path="dolphin.app.actor:DolphinGuardConfig",
        config={"state_dir": str(state_dir), **settings},
    )


def ran(catalog, actors):
    node = BacktestNode([config(catalog, actors)])
    node.run()
    engine = node.get_engines()[0]
    fills = [
        (order.client_order_id.value, order.status_string(), str(order.filled_qty), str(order.avg_px))
        for order in engine.cache.orders()
    ]
    balance = str(engine.cache.accounts()[0].balance_total(engine.cache.accounts()[0].base_currency))
    node.dispose()
    return sorted(fills), balance


@pytest.mark.req("DOL-PLUG-001")
@pytest.mark.req("DOL-PLUG-002")
def test_a_configuration_is_all_it_takes(tmp_path):
    catalog = ParquetDataCatalog(str(tmp_path / "catalog"))
    catalog.write_data([INS])
    catalog.write_data(quotes(INS, walk(2_500), step_ns=5 * S))
    plain = ran(catalog, [])
    assert len(plain[0]) > 6
    assert ran(catalog, [guard(tmp_path / "a")]) == plain
    assert ran(catalog, [guard(tmp_path / "b", mode="report")]) == plain
    assert replays(tmp_path / "a" / "journal.jsonl") > 6
    assert replays(tmp_path / "b" / "journal.jsonl") > 6
    bound = ran(catalog, [guard(tmp_path / "c", policy={"apex_entry_bp": 1000, "stalker_entry_bp": 1000})])
    assert bound != plain
    reasons = list(read(str(tmp_path / "c" / "journal.jsonl")))[-1].data["reasons"]
    assert reasons["LEVERAGE"] > 0
