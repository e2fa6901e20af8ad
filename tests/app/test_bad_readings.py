"""A price that is none, through the real engine: entries wait for a good row, exits pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.objects import Price, Quantity

from dolphin.kernel.state import Mode
from dolphin.nautilus.translate import scale_of, size_of, ticks_of
from tests.nautilus.rig import Rig, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, SELL, X1, denials, market, net
from tests.nautilus.test_kill import make

INS = audusd()
NAN, INF = float("nan"), float("inf")


class Number:
    """What Nautilus' own types refuse to hold, in case another version does not."""

    def __init__(self, value: float) -> None:
        self.value = value

    def as_double(self) -> float:
        return self.value


@pytest.mark.req("DOL-SENSE-004")
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_no_number_is_no_price_and_no_size(value: float) -> None:
    for made in (Price, Quantity):
        with pytest.raises(ValueError, match="invalid"):
            made(value, 5)
    scale = scale_of(INS)
    assert ticks_of(Number(value), scale) is None
    assert size_of(Number(value), scale) is None
    assert ticks_of(None, scale) is None
    assert size_of(None, scale) is None


def bad(row: QuoteTick, bid: str, ask: str) -> QuoteTick:
    return QuoteTick(
        row.instrument_id, Price.from_str(bid), Price.from_str(ask), row.bid_size, row.ask_size,
        row.ts_event, row.ts_init,
    )  # fmt: skip


NONE = {"zero": ("0.00000", "0.00000"), "crossed": ("0.65001", "0.64990"), "no bid": ("0.00000", "0.65001")}
NEGATIVE = {"negative": ("-0.65000", "-0.64998")}


def driven(tmp_path: Path, quote: tuple[str, str], script: dict[int, Any]) -> tuple[Rig, Any]:
    """Rows 5 to 7 of twelve are `quote`."""
    rows: list[Any] = quotes(INS, [65_000] * 12)
    rows[5:8] = [bad(row, *quote) for row in rows[5:8]]
    strategy = make(script)
    rig = Rig(tmp_path, INS).add(strategy)
    rig.run(rows)
    assert rig.guard.failures == []
    replays(rig.journal)
    return rig, strategy


@pytest.mark.req("DOL-SENSE-004")
@pytest.mark.parametrize("quote", NONE.values(), ids=NONE)
def test_a_quote_that_is_none_takes_no_entry_and_sells_nothing(tmp_path: Path, quote: tuple[str, str]) -> None:
    rig, strategy = driven(tmp_path, quote, {2: market(BUY, X1), 6: market(BUY, 1_000)})
    assert len(denials(strategy)) == 1
    assert net(rig) == X1
    assert rig.records("OWN") == []
    state = rig.guard.parts.guard.state
    assert state.latch.mode == Mode.RUNNING
    assert state.capital.error_ns < 0
    assert state.capital.drawdown_bp < 10


@pytest.mark.req("DOL-EXIT-001")
@pytest.mark.parametrize("quote", [*NONE.values(), *NEGATIVE.values()], ids=[*NONE, *NEGATIVE])
def test_an_exit_passes_whole_on_a_quote_that_is_none(tmp_path: Path, quote: tuple[str, str]) -> None:
    rig, strategy = driven(tmp_path, quote, {2: market(BUY, X1), 6: market(BUY, 1_000), 7: market(SELL, X1 // 2)})
    assert len(denials(strategy)) == 1
    verdicts = [record.data for record in rig.records("ORDER")]
    passed = [next(effect[1] for effect in data["fx"] if effect[0] == "VERDICT") for data in verdicts]
    assert passed == [X1, 0, X1 // 2]
