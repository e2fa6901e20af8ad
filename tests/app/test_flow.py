"""`dolphin flow`: the amount is said twice before a book hears of it; what is announced is no profit and no loss."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.objects import Money

from dolphin.app.book import folded
from dolphin.app.cli import main
from dolphin.audit import pipeline
from dolphin.journal import read
from dolphin.kernel.events import Equity
from dolphin.kernel.policy import INTRADAY
from tests.app.books import T0, Book
from tests.nautilus import live_node
from tests.nautilus.test_live import run as run_live

S = 10**9
USD_CENTS = {"currency": "USD", "minor_per_unit": 100}


def book(path: Path, **header: object) -> Book:
    made = Book(path, INTRADAY, header=header)
    made.emit(Equity(T0 + S, 1_250_000_00, flat=1, stood=1))
    made.emit(Equity(T0 + 2 * S, 1_000_000_00, flat=1, stood=1))
    made.close()
    return made


def records(path: Path) -> list[str]:
    return [record.kind for record in read(str(path / "journal.jsonl"))]


@pytest.mark.req("DOL-CAPITAL-003")
def test_the_first_step_tells_the_book_nothing_and_the_second_scales_the_mark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = book(tmp_path / "b", **USD_CENTS)
    where = ["--state", str(made.path)]
    before = (made.path / "journal.jsonl").read_bytes()
    assert main(["flow", "-300000", *where]) == 0
    out = capsys.readouterr().out
    assert "withdrawal: 300,000.00 USD (-30,000,000 minor units)" in out
    assert "equity: 1,000,000.00 USD, then 700,000.00 USD; the drawdown stays" in out
    assert (made.path / "journal.jsonl").read_bytes() == before
    command = out.splitlines()[-1].split()
    assert command[:4] == ["dolphin", "flow", "-300000", "--confirm=-30000000"]

    _, found = folded(made.path / "journal.jsonl")
    assert found.state is not None
    drawdown_bp = found.state.capital.drawdown_bp
    assert drawdown_bp == 2_000
    assert main([*command[1:], "--cause", "rent"]) == 0
    assert "recorded: a withdrawal of 300,000.00 USD" in capsys.readouterr().out
    _, found = folded(made.path / "journal.jsonl")
    assert found.state is not None
    capital = found.state.capital
    assert (capital.equity, capital.mark, capital.drawdown_bp) == (700_000_00, 875_000_00, drawdown_bp)
    assert records(made.path)[-4:] == ["RESUME", "FLOW", "COMMAND", "CLOSE"]
    assert pipeline.audit(str(made.path / "journal.jsonl")).findings == ()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["25,000"], "AMOUNT: is no amount"),
        (["nan"], "is no amount"),
        (["inf"], "is no amount"),
        (["1e9"], "is no amount"),
        (["0.00"], "is nothing"),
        (["0.001"], "is finer than the account can hold: expected 1/100 of the currency"),
        (
            ["-5", "--confirm=500"],
            "--confirm: the two amounts differ: -5 is -500 minor units",
        ),
        (["50", "--confirm=50"], "expected 5000, found 50"),
        (["50", "--confirm=half"], "--confirm"),
        ([], "AMOUNT"),
    ],
)
def test_an_amount_that_means_nothing_or_two_that_differ(
    tmp_path: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = book(tmp_path / "b", **USD_CENTS)
    before = (made.path / "journal.jsonl").read_bytes()
    assert main(["flow", *argv, "--state", str(made.path)]) == 2
    assert said in capsys.readouterr().err
    assert (made.path / "journal.jsonl").read_bytes() == before


def test_a_withdrawal_of_everything_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = book(tmp_path / "b", **USD_CENTS)
    assert main(["flow", "-1000000", "--state", str(made.path)]) == 0
    assert "leaves nothing" in capsys.readouterr().out
    assert main(["flow", "-1000000", "--confirm=-100000000", "--state", str(made.path)]) == 1
    assert "would leave none" in capsys.readouterr().out
    assert "FLOW" not in records(made.path)


def test_an_amount_of_many_digits_is_exact_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """28 digits and more were rounded before they were compared."""
    made = book(tmp_path / "b", **USD_CENTS)
    for text, why in (
        ("0." + "0" * 40 + "1", "finer than the account can hold"),
        ("9" * 30, "more than any account holds"),
        ("-" + "9" * 30, "more than any account holds"),
        ("9" * 5_000, "is no amount"),
    ):
        assert main(["flow", text, "--state", str(made.path)]) == 2
        assert why in capsys.readouterr().err
    assert main(["flow", "9999999999999999.99", "--state", str(made.path)]) == 0
    assert "(999,999,999,999,999,999 minor units)" in capsys.readouterr().out


def test_a_journal_that_names_no_currency_counts_in_minor_units(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = book(tmp_path / "b")
    assert main(["flow", "500", "--state", str(made.path)]) == 0
    assert "deposit: 500 minor units" in capsys.readouterr().out
    assert main(["flow", "0.5", "--state", str(made.path)]) == 2
    assert "does not name its currency" in capsys.readouterr().err


def exchange_of(node: Any) -> Any:
    """The sandbox's exchange: the one that writes to this node's cache."""
    for one in gc.get_objects():
        if type(one).__name__ == "SimulatedExchange" and one.cache is node.kernel.cache:
            return one
    raise LookupError


@pytest.mark.req("DOL-CAPITAL-003")
def test_a_running_node_takes_an_announced_withdrawal_for_no_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_node.Trader, "on_quote_tick", lambda self, tick: None)

    async def act(node: Any) -> list[int]:
        await asyncio.sleep(1.2)
        argv = ["flow", "-300000", "--confirm=-30000000", "--state", str(tmp_path), "--cause", "rent"]
        shown = await asyncio.to_thread(main, [*argv[:2], *argv[3:5]])
        said = await asyncio.to_thread(main, argv)
        exchange_of(node).adjust_account(Money(-300_000, USD))
        await asyncio.sleep(2.5)
        return [shown, said]

    _, guard, codes = run_live(tmp_path, act)
    assert codes == [0, 0]
    out = capsys.readouterr().out
    assert "equity: 1,000,000.00 USD, then 700,000.00 USD" in out
    assert "announced: a withdrawal of 300,000.00 USD" in out
    capital = guard.parts.guard.state.capital
    assert (capital.equity, capital.mark, capital.drawdown_bp) == (700_000_00, 700_000_00, 0)
    (told,) = [record.data for record in read(str(tmp_path / "journal.jsonl")) if record.kind == "COMMAND"]
    assert (told["verb"], told["cause"], told["answer"]["announced"]) == ("flow", "rent", "-30000000")
