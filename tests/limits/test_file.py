"""The file of limits: what it says comes out exactly, and every mistake is named by file, line and key."""

import re
import threading
import time
import tomllib
from pathlib import Path

import pytest

from dolphin.app.actor import DolphinGuardConfig
from dolphin.app.config import ConfigErrors
from dolphin.app.errors import UserError
from dolphin.app.limits_cli import main, shown, table, windows
from dolphin.app.limits_file import keys_of, load_limits
from dolphin.limits.codes import NAMES, SPECS, Code, Mode, Unit
from dolphin.limits.config import NOTHING
from dolphin.nautilus.config import ConfigError
from tests.nautilus.rig import Rig, Scripted, audusd, quotes

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "limits.toml"
GUIDE = (ROOT / "docs" / "guide" / "limits.md").read_text()


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "limits.toml"
        path.write_text(text)
        return path

    return write


def test_the_example_has_every_limit_and_the_seeds_values():
    limits = load_limits(EXAMPLE)
    assert set(tomllib.loads(EXAMPLE.read_text())) == {"book", *NAMES}
    assert limits.rule(Code.POSITION)[:2] == (Mode.ON, 100_000 * 10**6)  # MAX_POSITION_SIZE
    assert limits.rule(Code.DAILY_LOSS)[:2] == (Mode.ON, 5_000 * 10**6)  # MAX_DAILY_LOSS
    assert limits.interval_ns("risk_check_interval") == 10**9
    assert limits.interval_ns("position_sync_interval") == 5 * 10**9
    assert limits.interval_ns("health_check_interval") == 30 * 10**9
    for code in SPECS:
        assert limits.rule(code).mode != Mode.OFF


def test_the_guide_lists_every_limit():
    assert re.findall(r"^\| `([a-z_]+)` \|", GUIDE, re.MULTILINE) == [spec.name for spec in SPECS.values()]


def test_values_come_out_in_their_units(file):
    limits = load_limits(
        file(
            """
            [position]
            mode = "on"
            value = "0.5"
            each = { "B.X" = 2, "A.X" = "0.000001" }
            [price_collar]
            mode = "passive"
            value = "2.5 %"
            [order_rate]
            mode = "on"
            value = 3
            [stale_price]
            mode = "on"
            value = "250 ms"
            [restricted]
            mode = "on"
            instruments = ["B.X", "A.X", "B.X"]
            [order_quantity]
            mode = "off"
            """
        )
    )
    assert limits.rule(Code.POSITION) == (Mode.ON, 500_000, 0, (("A.X", 1), ("B.X", 2_000_000)), (), 0, (), 0)
    assert limits.rule(Code.PRICE_COLLAR)[:2] == (Mode.PASSIVE, 250)
    assert limits.rule(Code.ORDER_RATE)[:3] == (Mode.ON, 3, 10**9)
    assert limits.rule(Code.STALE_PRICE).value == 250_000_000
    assert limits.rule(Code.RESTRICTED).names == ("A.X", "B.X")
    assert Code.ORDER_QUANTITY not in dict(limits.rules)


def test_the_benchmark_measures_with_every_limit():
    limits = load_limits(ROOT / "benchmarks" / "limits.toml")
    assert {code for code, _ in limits.rules} == set(SPECS)


@pytest.mark.req("DOL-LIMIT-006")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[positions]\nmode = "on"', "limits.toml:1: positions: unknown table 'positions'"),
        ('[position]\nmode = "on"\nvalues = 3', "limits.toml:3: values: unknown key"),
        ("[position]\nvalue = 3", "position.mode: is missing"),
        ('[position]\nmode = "on"', "position.value: is missing"),
        ('[position]\nmode = "On"\nvalue = 3', 'limits.toml:2: mode: wrong value: expected "off" or "passive" or "on"'),
        ('[cancel_rate]\nmode = "on"\nvalue = 3', 'mode: wrong value: expected "off" or "passive", found \'on\''),
        ('[position]\nmode = "on"\nvalue = -3', "value: wrong value: expected nothing below zero, found -3"),
        ('[position]\nmode = "on"\nvalue = 0.5', "value: wrong value: expected a whole number, or a decimal in quotes"),
        ('[position]\nmode = "on"\nvalue = "1e-9"', "value: wrong value: expected a whole number, or a decimal in quo"),
        ('[position]\nmode = "on"\nvalue = "1e999999"', "value: wrong value: expected a whole number, or a decimal in"),
        ('[position]\nmode = "on"\nvalue = "1e400"', "value: wrong value: expected less than 1e22"),
        ('[position]\nmode = "on"\nvalue = 1' + "0" * 400, "value: wrong value: expected less than 1e22"),
        ('[gross_leverage]\nmode = "on"\nvalue = "1e999 %"', "value: wrong value: expected less than 1e22"),
        ('[order_rate]\nmode = "on"\nvalue = 1' + "0" * 400, "value: wrong value: expected less than 1e22"),
        ('[position]\nmode = "on"\nvalue = "nan"', "value: wrong value: expected a whole number, or a decimal in quot"),
        ('[position]\nmode = "on"\nvalue = "x"', "value: wrong value: expected a whole number, or a decimal in quotes"),
        ('[position]\nmode = "on"\neach = 3', "each: wrong value: expected a table"),
        ('[order_rate]\nmode = "on"\nvalue = true', "value: wrong value: expected an integer, found True"),
        ('[order_rate]\nmode = "on"\nvalue = 1\nwindow = "x"', "window: wrong value: expected a duration"),
        ('[restricted]\nmode = "on"\ninstruments = "A.X"', "instruments: wrong value: expected a list of names"),
        ('[sector_exposure]\nmode = "on"\nvalue = 5', "sector_exposure.sectors: is missing"),
        ('[sector_exposure]\nmode = "on"\nvalue = 5\nsectors = 3', "sectors: wrong value: expected a table"),
        ('[stress_loss]\nmode = "on"\nvalue = 5\nscenarios = { a = 3 }', "scenarios: wrong value: expected a table"),
        ('[gap_loss]\nmode = "on"\nvalue = "5 %"', "gap_loss.gap: is missing"),
        ('[gap_loss]\nmode = "on"\nvalue = "5 %"\ngap = 0', "gap_loss.gap: is missing"),
        ('[duplicate]\nmode = "on"\nwindow = "0 s"', "more than nothing"),
        ('[cvar]\nmode = "on"\nvalue = "5 %"\nassumed = "9 %"', "cvar.confidence: is missing"),
        ('[cvar]\nmode = "on"\nvalue = "5 %"\nconfidence = "99 %"', "cvar.assumed: is missing"),
        ('[cvar]\nmode = "on"\nvalue = "5 %"\nconfidence = "99 %"\nassumed = 0', "cvar.assumed: is missing"),
        (
            '[var]\nmode = "on"\nvalue = "5 %"\nconfidence = "1 %"\nassumed = "9 %"',
            "limits.toml:1: var.confidence: wrong value: expected 50 % to 99.99 %, found 1 %",
        ),
        ('[gap_sigma]\nmode = "on"\nvalue = 5\nsigmas = "6x"\nassumed = 1\nhorizon = "1 s"', "a minute or more"),
        ('[book]\nrisk_check = "1 s"', "limits.toml:2: risk_check: unknown key"),
        ("[book]\nrisk_check_interval = 0", "what is not to be looked at is left out"),
    ],
)
def test_every_mistake_is_named(file, text, said):
    with pytest.raises(UserError) as found:
        load_limits(file(text))
    assert said in str(found.value)


@pytest.mark.req("DOL-LIMIT-006")
def test_a_book_with_a_wrong_file_is_not_configured(file):
    with pytest.raises(ConfigError, match=r"limits: .*limits\.toml:3: value: wrong value"):
        DolphinGuardConfig(state_dir="s", limits=str(file('[position]\nmode = "on"\nvalue = -3')))
    with pytest.raises(ConfigError, match="there is no such file"):
        DolphinGuardConfig(state_dir="s", limits="/nowhere/limits.toml")


def test_check_and_show(file, capsys):
    assert main(["check", str(EXAMPLE)]) == 0
    assert "right; 22 limits on, 3 passive" in capsys.readouterr().out
    assert main(["check", str(file('[position]\nmode = "on"\nvalue = -3\neach = 1'))]) == 1
    assert "2 finding(s)" in capsys.readouterr().out
    assert main(["show", str(EXAMPLE)]) == 0
    said = capsys.readouterr().out
    for spec in SPECS.values():
        assert spec.requirement in said
    assert "position_sync_interval        5 s\n" in said
    with pytest.raises(UserError, match="which limits"):
        main(["show"])
    assert "off" in table(NOTHING)
    assert windows({}) == ""
    assert windows({"returns": {"moves": {"A.X": [1]}}}).endswith("1 of 250: what is assumed counts until then")


def test_how_values_read():
    assert shown(Unit.NONE, 3) == ""
    assert shown(Unit.COUNT, 3_000) == "3,000"
    assert shown(Unit.SHARE, 250) == "2.5 % (0.025x)"
    assert shown(Unit.TIME, 250_000_000) == "0.25 s"
    assert shown(Unit.QUANTITY, 500_000) == "0.5"
    assert shown(Unit.AMOUNT, 5_000_000_000) == "5,000"


def test_each_limit_has_the_keys_that_its_table_says():
    for spec in SPECS.values():
        names = [key.name for key in keys_of(spec)]
        assert names[0] == "mode"
        assert ("value" in names) == (spec.unit != Unit.NONE)
        assert ("window" in names) == bool(spec.window_ns)


@pytest.mark.req("DOL-LIMIT-003")
def test_the_two_steps_from_the_command_line_of_a_running_book(file, tmp_path, capsys):
    """The book runs in simulated time: the wait of a minute is its own."""
    low = file('[position]\nmode = "on"\nvalue = 5000\n[repeated_execution]\nmode = "on"\nvalue = 5\n')
    high = tmp_path / "high.toml"
    high.write_text('[position]\nmode = "on"\nvalue = 9000\n[order_quantity]\nmode = "on"\nvalue = 7000\n')
    book = tmp_path / "book"
    codes = []

    def asked(*argv):
        """The command in a thread, while the book looks into its mailbox."""

        def act(s):
            thread = threading.Thread(target=lambda: codes.append(main([*argv, "--state", str(book)])))
            thread.start()
            while thread.is_alive():
                rig.guard.parts.letter_flag = True
                rig.guard.parts.flow._letters()
                time.sleep(0.001)

        return act

    def confirm(s):
        nonce = re.search(r"--nonce (\d+)", capsys.readouterr().out)[1]
        asked("confirm", "--nonce", nonce)(s)

    acts = {3: asked("propose", str(high)), 70: confirm, 72: asked("confirm", "--nonce", "1"), 74: asked("enable", "S")}
    rig = Rig(book, limits=str(low)).add(Scripted(audusd(), acts))
    rig.run(quotes(audusd(), [65_000] * 80))
    assert rig.guard.failures == []
    assert codes == [0, 0, 1, 1]
    said = capsys.readouterr().out
    assert "loosened: position, repeated_execution" in said
    assert said.count("refused [DOL-LIMIT-003]") == 2
    assert main(["show", "--state", str(book)]) == 0
    assert "9,000" in capsys.readouterr().out
    with pytest.raises(UserError, match="this book is stopped"):
        main(["propose", str(low), "--state", str(book)])


@pytest.mark.req("DOL-LIMIT-006")
def test_limits_that_no_line_of_the_journal_holds_are_refused(file):
    names = ", ".join(f'"SYMBOL{n:07}-OPTION.VENUE"' for n in range(10_000))
    with pytest.raises(ConfigErrors) as refused:
        load_limits(file(f'[restricted]\nmode = "on"\ninstruments = [{names}]'))
    assert "limits.toml: they take" in str(refused.value.errors[0])
