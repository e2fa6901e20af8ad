"""A third book of record, in a file, beside a real TradingNode and a real engine; and `dolphin reconcile --now`."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from dolphin.app import reconcile as cli
from dolphin.app.errors import UserError
from dolphin.app.third_book import FileBook, made_book, stated
from dolphin.audit import pipeline
from dolphin.journal import read
from dolphin.kernel.reasons import Cause
from dolphin.kernel.state import Mode
from dolphin.nautilus import mailbox
from dolphin.nautilus.config import ConfigError, PlugConfig
from dolphin.nautilus.ports import Stated
from dolphin.nautilus.third import AHEAD_NS, Third
from tests.nautilus.live_node import INS, guard_of
from tests.nautilus.rig import Rig, S, audusd, quotes
from tests.nautilus.test_gates import BUY, market
from tests.nautilus.test_kill import make
from tests.nautilus.test_live import run
from tests.nautilus.test_reconcile import Still, looked

NAME = INS.id.value


def say(path, quantity, **more):
    """The file as its writer puts it there: whole or not at all."""
    text = json.dumps({"as_of": datetime.now(UTC).isoformat(), "positions": {NAME: quantity, **more}})
    part = path.with_suffix(".part")
    part.write_text(text)
    os.replace(part, path)


async def bought(node):
    while not node.cache.positions_open():
        await asyncio.sleep(0.02)


async def asked(tmp_path, *more):
    arguments = ["--now", "--state", str(tmp_path), "--cause", "drill", "--timeout", "30", *more]
    return await asyncio.get_running_loop().run_in_executor(None, cli.main, arguments)


def said(tmp_path, kind):
    return [record.data for record in read(str(tmp_path / "journal.jsonl")) if record.kind == kind]


@pytest.mark.req("DOL-LEDGER-006")
def test_a_third_book_that_says_another_thing_twice_trips_the_latch(tmp_path, capsys):
    """Each look reads it anew; what it said once is one look, however often it is read."""
    path = tmp_path / "third.json"

    async def act(node):
        guard = guard_of(node)
        await bought(node)
        say(path, "10000", **{"ZZZ.SIM": "0"})
        codes = [await asked(tmp_path)]
        say(path, "7000")
        codes.append(await asked(tmp_path, "--json"))
        codes.append(await asked(tmp_path))
        first = guard.parts.guard.state.latch.mode
        say(path, "7000")
        codes.append(await asked(tmp_path))
        return codes, first, guard.parts.guard.state.latch

    settings = {"mode": "report", "position_sync_ms": 3_600_000, "third_book": str(path)}
    _, guard, (codes, first, latch) = run(tmp_path, act, trader=Still, **settings)
    assert codes == [0, 1, 1, 1]
    assert first == Mode.RUNNING
    assert (latch.mode, latch.cause) == (Mode.KILLED, Cause.LEDGER_DESYNC)
    faults = [fault["x"] for fault in said(tmp_path, "FAULT")]
    assert faults == [{"what": "third book and ledger differ", "instrument": NAME, "lots": -3_000}]
    out = capsys.readouterr().out
    assert out.startswith("instrument   ledger  nautilus  third book  difference\n")
    assert f"{NAME}  10,000  10,000    10,000      -\nbalance in minor units:" in out
    assert f"{NAME}  10,000  10,000    7,000       -3,000\nbalance in minor units:" in out
    assert out.count("in lots; they differ\n") == 2
    assert out.count("in lots; the same\n") == 1
    commands = said(tmp_path, "COMMAND")
    assert [command["verb"] for command in commands] == ["reconcile"] * 4
    assert commands[1]["cause"] == "drill"
    assert commands[1]["answer"]["rows"] == [[NAME, 10_000, 10_000, 7_000]]
    ledger, account = commands[1]["answer"]["money"]
    assert abs(ledger - account) <= 1
    assert account < 100_000_000  # a fee was paid
    assert "in the account: the same\n" in out
    assert pipeline.audit(str(tmp_path / "journal.jsonl")).findings == ()
    assert guard.failures == []


@pytest.mark.req("DOL-LEDGER-006")
def test_what_cannot_be_read_is_told_once_and_accuses_nobody(tmp_path, capsys):
    path = tmp_path / "third.json"

    async def act(node):
        guard = guard_of(node)
        told = []
        guard.on_change.append(lambda what, text: told.append(text) if what == "THIRD BOOK" else None)
        await bought(node)
        await looked(guard, 3)
        path.write_text('{"as_of": "2020-01-01T00:00:00Z", "positions": {}}')
        await looked(guard, 3)
        code = await asked(tmp_path)
        return code, told, guard.parts.guard.state.latch.mode

    settings = {"mode": "report", "position_sync_ms": 1_000, "third_book": str(path)}
    _, _, (code, told, mode) = run(tmp_path, act, trader=Still, **settings)
    assert (code, mode) == (0, Mode.RUNNING)
    # The first was told before or after somebody listened; each is told once, and the journal has both.
    assert told[-1] == "says nothing: it is older than 60000 ms (as_of 1577836800000000000)"
    assert len(told) == len(set(told))
    problems = [note["problem"] for note in said(tmp_path, "NOTE") if note["what"] == "third book"]
    assert len(problems) == 2
    assert problems[0].startswith(f"{path}: cannot be read (No such file or directory)")
    assert (
        "the third book says nothing: it is older than 60000 ms (as_of 1577836800000000000)" in capsys.readouterr().out
    )


@pytest.mark.req("DOL-LEDGER-006")
def test_a_backtest_compares_when_it_is_asked(tmp_path):
    """Without a third book, and with an order in flight, which makes the look none."""
    found = []

    def ask(s):
        s.command("reconcile")

    rig = Rig(tmp_path, audusd())

    def flying(s):
        reconcile = rig.guard.parts.flow.reconcile
        shown = reconcile._cache

        class Flying:
            def orders_inflight_count(self):
                return 2

        reconcile._cache = Flying()
        s.command("reconcile")
        reconcile._cache = shown

    rig.add(make({2: ask, 4: market(BUY, 9_000), 6: ask, 8: flying, 9: lambda s: s.command("reconcile", more=1)}))
    rig.run(quotes(audusd(), [65_000] * 12))
    assert rig.guard.failures == []
    found = [record.data["answer"] for record in rig.records("COMMAND")]
    assert found[0] == {
        "ok": True,
        "verb": "reconcile",
        "rows": [],
        "inflight": 0,
        "third": "",
        "unknown": [],
        "same": True,
        **NO_MONEY,
    }
    assert found[1]["rows"] == [[NAME, 9_000, 9_000, None]]
    assert found[2] == {
        "ok": True, "verb": "reconcile", "rows": [], "inflight": 2, "third": "", "unknown": [],
        "same": True, "money": [None, 99_999_988], "day": {}, "fills": 1,
    }  # fmt: skip
    assert found[3]["ok"] is False
    assert cli.told(found[0]) == ["nothing is held in any book", "in lots; the same"]
    assert cli.told(found[2]) == ["not compared: 2 orders are in flight; ask again"]


UNEXPLAINED = "which no record explains (funding, interest, what was not announced)"


@pytest.mark.parametrize(
    ("money", "says"),
    [
        ((None, 5), []),
        ((5, None), []),
        ((1_000, 1_003), ["balance in minor units: 1,000 by the ledger, 1,003 in the account: the same"]),
        (
            (1_000, "996"),
            [f"balance in minor units: 1,000 by the ledger, 996 in the account: -4, {UNEXPLAINED}"],
        ),
    ],
)
def test_the_balance_is_shown_where_both_know_it(money, says):
    answer = {
        "rows": [],
        "inflight": 0,
        "third": "",
        "unknown": [],
        "same": True,
        "money": money,
        "day": {},
        "fills": 3,
    }
    assert cli.told(answer) == ["nothing is held in any book", *says, "in lots; the same"]


class Says:
    def __init__(self, as_of_ns, problem="", **quantities):
        self.said = Stated(as_of_ns, {name: Decimal(text) for name, text in quantities.items()}, problem)

    def read(self):
        return self.said


class Scale:
    size_power, lot_units = 100, 5


@pytest.mark.req("DOL-LEDGER-006")
@pytest.mark.parametrize(
    ("book", "lots", "problem"),
    [
        (None, None, ""),
        (Says(0, "torn"), None, "torn"),
        (Says(100 * S - 1_000_001, X="1"), None, "it is older than 1 ms"),
        (Says(100 * S + AHEAD_NS + 1, X="1"), None, "its time has not come yet"),
        (Says(100 * S - 11, X="1"), None, "it is older than the last fill, or than this run"),
        (Says(100 * S - 10, X="1"), {"X": 20}, ""),
        (Says(100 * S, X="-0.01"), {"X": -1}, ""),
    ],
)
def test_when_it_says_something(book, lots, problem):
    found = Third(book, {"X": Scale}, 1).read(100 * S, 100 * S - 10)
    assert (found.lots, found.problem) == (lots, problem)


def test_of_what_is_not_loaded_nobody_knows_what_a_lot_is():
    many = {f"Y{i:02}": "1" for i in range(30)}
    found = Third(Says(9, X="-1.02", Z="0", **{"Y" * 300: "-2.5"}, **many), {"X": Scale}, 1).read(9, 9)
    assert found.lots == {"X": -21}
    assert found.unknown == (*sorted(many)[:20],)
    found = Third(Says(9, **{"Y" * 300: "-2.5"}), {"X": Scale}, 1).read(9, 9)
    assert (found.lots, found.unknown, found.said()) == ({}, ("Y" * 100,), "")


def when(ns):
    return datetime.fromtimestamp(ns // 10**9, UTC).isoformat()


def state(path, ns, quantity, **more):
    """What the file of a third book says at this simulated time."""
    path.write_text(json.dumps({"as_of": when(ns), "positions": {NAME: quantity, **more}}))


class Stating:
    """A backtest over one journal whose third book says a thing at each look."""

    def __init__(self, tmp_path, script):
        self.told, self.modes, self.path = [], [], tmp_path / "third.json"
        again = {}
        if (tmp_path / "journal.jsonl").exists():
            *_, last = read(str(tmp_path / "journal.jsonl"))
            again = {"start_ns": last.ts_ns // S * S + 2 * S}
        self.rig = Rig(
            tmp_path, audusd(), resume="always", mode="report", third_book=str(self.path), third_book_stale_ms=500
        )
        self.rig.guard.on_change.append(lambda what, text: self.told.append((what, text)))
        self.rig.add(make({at: self.step(act) for at, act in script.items()}))
        self.rig.run(quotes(audusd(), [65_000] * 110, **again))
        assert self.rig.guard.failures == []
        assert pipeline.audit(str(tmp_path / "journal.jsonl")).findings == ()

    def step(self, act):
        def inner(s):
            if not isinstance(act, str | dict):
                act(s)
                return
            more = act if isinstance(act, dict) else {NAME: act}
            state(self.path, s.clock.timestamp_ns(), "0", **more)
            self.answer = s.command("reconcile")
            self.modes.append(self.rig.guard.parts.guard.state.latch.mode)

        return inner

    def notes(self, what):
        return [record.data for record in self.rig.records("NOTE") if record.data["what"] == what]


def rearm_of(at, episode):
    """Arm at this quote, confirm a minute after it."""
    kept = []
    return {
        at: lambda s: kept.append(s.command("arm", episode=episode, observed_flat=1)),
        at + 65: lambda s: kept.append(s.command("confirm", nonce=kept[0]["nonce"])),
    }


@pytest.mark.req("DOL-LEDGER-006")
def test_a_difference_that_was_re_armed_over_is_known_after_a_restart_and_one_that_changes_is_not(tmp_path):
    first = Stating(tmp_path, {2: "5", 3: "5", **rearm_of(5, 1), 80: "5", 82: "5"})
    assert first.modes == [Mode.RUNNING, Mode.KILLED, Mode.RUNNING, Mode.RUNNING]
    apart = {"what": "third book apart", "lots": {NAME: 5}}
    assert first.notes("third book apart") == [apart]
    second = Stating(
        tmp_path, {2: "5", 3: "5", 4: "5", 6: "8", 7: "5", 8: "8", 9: "8", **rearm_of(11, 2), 90: "8", 91: "8"}
    )
    assert second.modes == [Mode.RUNNING] * 6 + [Mode.KILLED] + [Mode.RUNNING] * 2
    assert [fault["x"]["lots"] for fault in said(tmp_path, "FAULT")] == [5, 3]
    third = Stating(tmp_path, {2: "8", 3: "8", 4: "0", 5: "0", 6: "8", 7: "8"})
    assert third.modes == [Mode.RUNNING] * 5 + [Mode.KILLED]  # it had gone, and came back
    assert third.notes("third book apart") == [apart, {**apart, "lots": {NAME: 8}}, {**apart, "lots": {}}]


@pytest.mark.req("DOL-LEDGER-006")
def test_what_is_not_loaded_is_told_once_and_accuses_nobody(tmp_path):
    found = Stating(tmp_path, {2: {"ZZZ.SIM": "2.5"}, 3: {"ZZZ.SIM": "3"}, 4: {"ZZZ.SIM": "3"}, 5: "0"})
    assert found.modes == [Mode.RUNNING] * 4
    assert [text for what, text in found.told if what == "THIRD BOOK"] == [
        "not compared, for they are not loaded: ZZZ.SIM [DOL-LEDGER-006]"
    ]
    assert [note.get("unknown") for note in found.notes("third book")] == [["ZZZ.SIM"], []]
    answer = said(tmp_path, "COMMAND")[0]["answer"]
    assert (answer["rows"], answer["unknown"], answer["same"]) == ([], ["ZZZ.SIM"], True)
    line = "the third book names what is not loaded here, not compared: ZZZ.SIM"
    assert cli.told(answer)[:2] == ["nothing is held in any book", line]


@pytest.mark.req("DOL-LEDGER-006")
def test_a_writer_whose_clock_is_late_is_told_once_however_often_it_writes(tmp_path):
    def late(s):
        state(found["path"], s.clock.timestamp_ns() - 10 * S, "0")
        s.command("reconcile")

    found = {"path": tmp_path / "third.json"}
    rig = Stating(tmp_path, {2: late, 3: late, 4: late, 6: "0", 8: late})
    assert [text.partition(" (")[0] for what, text in rig.told if what == "THIRD BOOK"] == [
        "says nothing: it is older than 500 ms", "can be compared", "says nothing: it is older than 500 ms"
    ]  # fmt: skip


NO_MONEY = {"money": [None, 100_000_000], "day": {}, "fills": 0}
GOOD = '{"as_of":"2026-11-21T23:00:05.000001+01:00","positions":{"A":"-0.250","B":"3"}}'


def test_the_file_is_read():
    found = stated(GOOD)
    assert found == Stated(1_795_298_405_000_001_000, {"A": Decimal("-0.25"), "B": Decimal(3)}, "")


@pytest.mark.req("DOL-LEDGER-006")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1]", "expected the fields as_of, positions, found list"),
        ('{"as_of":"x"}', "expected the fields as_of, positions, found as_of"),
        ('{"as_of":"x",\n "positions":{}', "line 2: expected JSON"),
        ('{"as_of":"x","as_of":"y","positions":{}}', "as_of: expected once, found twice"),
        ('{"as_of":5,"positions":{}}', "as_of: expected a time with its zone, as 2026-11-21T22:00:05Z, found 5"),
        ('{"as_of":"noon","positions":{}}', "as_of: expected a time with its zone"),
        ('{"as_of":"2026-11-21T22:00:05","positions":{}}', "as_of: expected a time with its zone"),
        ('{"as_of":"2026-11-21T22:00:05Z","positions":[]}', "positions: expected an object, found []"),
        ('{"as_of":"2026-11-21T22:00:05Z","positions":{"A":1.5}}', "positions.A: expected a quantity as text"),
        ('{"as_of":"2026-11-21T22:00:05Z","positions":{"A":"x"}}', "positions.A: expected a quantity as text"),
        ('{"as_of":"2026-11-21T22:00:05Z","positions":{"A":"NaN"}}', "positions.A: expected a quantity as text"),
        ('{"as_of":"2026-11-21T22:00:05Z","positions":{"A":"1e99"}}', "positions.A: expected a quantity as text"),
        (
            '{"as_of":"2026-11-21T22:00:05Z","positions":{"A":"1.' + "1" * 63 + '"}}',
            'positions.A: expected a quantity as text, as "-0.250", found 65 characters (at most 64 are read)',
        ),
        ("[" * 100_000, "nested too deep"),
        ("\ud800", "utf-8"),
        (" " * ((1 << 20) + 1), "expected at most 1,048,576 bytes"),
    ],
)
def test_what_is_no_book_is_named(tmp_path, text, says):
    path = tmp_path / "third.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found = FileBook(str(path)).read()
    assert found.problem.startswith(f"{path}: ")
    assert says in found.problem
    assert found.quantities == {}


AT = "2026-11-21T23:00:05.000001+01:00"


def test_the_same_in_csv(tmp_path):
    path = tmp_path / "third.CSV"
    path.write_text(f'as_of,instrument,quantity\r\n{AT},A,-0.250\r\n\r\n{AT}, "B" ,3\r\n'.replace(' "B" ', "B "))
    assert FileBook(str(path)).read() == stated(GOOD)
    path.write_text(f"as_of,instrument,quantity\n{AT},,\n")
    assert FileBook(str(path)).read() == Stated(1_795_298_405_000_001_000, {}, "")


@pytest.mark.req("DOL-LEDGER-006")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: expected a line end, found the end of the file: it may be torn"),
        (f"as_of,instrument,quantity\n{AT},A,-0.2", "line 2: expected a line end, found the end of the file"),
        ("\n", "line 1: expected the columns as_of,instrument,quantity, found nothing"),
        ("as_of,name,quantity\n", "line 1: expected the columns as_of,instrument,quantity, found as_of,name,quantity"),
        ("as_of,instrument,quantity\n", "line 2: as_of: expected a row, found none; a book that holds nothing has one"),
        (f"as_of,instrument,quantity\n{AT},A\n", "line 2: expected 3 columns, found 2"),
        (f"as_of,instrument,quantity\n{AT},,\n{AT},A,1\n", "line 2: instrument: expected Nautilus' id of one, found"),
        (f"as_of,instrument,quantity\n{AT},,1\n", "line 2: instrument: expected Nautilus' id of one, found nothing"),
        (
            f"as_of,instrument,quantity\n{AT},A,\n",
            "line 2: quantity: expected a quantity as text, as \"-0.250\", found ''",
        ),
        (f"as_of,instrument,quantity\n{AT},A,1\n{AT},B,1.2.3\n", "line 3: quantity: expected a quantity as text"),
        (f"as_of,instrument,quantity\n{AT},A,1\n{AT},A,1\n", "line 3: instrument: expected A once, found it in line 2"),
        (
            f"as_of,instrument,quantity\n{AT},A,1\nnoon,B,1\n",
            f"line 3: as_of: expected '{AT}' as in line 2, found 'noon'",
        ),
        ("as_of,instrument,quantity\nnoon,A,1\n", "line 2: as_of: expected a time with its zone"),
        (f'as_of,instrument,quantity\n{AT},"A"x,1\n', "line 2: expected CSV, found ',' expected after '\"'"),
    ],
)
def test_what_is_no_book_in_csv_is_named(tmp_path, text, says):
    path = tmp_path / "third.csv"
    path.write_text(text)
    found = FileBook(str(path)).read()
    assert found.problem.startswith(f"{path}: {says}")
    assert found.problem.endswith("; see docs/guide/reconcile.md")
    assert found.quantities == {}


@pytest.mark.parametrize(("name", "text"), [("a.json", GOOD), ("a.csv", f"as_of,instrument,quantity\n{AT},A,-0.25\n")])
def test_what_a_spreadsheet_writes_before_the_first_letter_is_no_part_of_it(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8-sig")
    assert FileBook(str(path)).read().quantities["A"] == Decimal("-0.25")


def test_a_quantity_may_have_64_characters():
    digits = "1." + "1" * 62
    assert stated(GOOD.replace("-0.250", digits)).quantities["A"] == Decimal(digits)


def test_a_pipe_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "third.json")
    assert "expected a regular file" in FileBook(str(tmp_path / "third.json")).read().problem
    assert made_book("") is None


def test_the_settings_are_checked(tmp_path):
    with pytest.raises(ConfigError, match="third_book_stale_ms"):
        PlugConfig(state_dir=str(tmp_path), third_book_stale_ms=0)


def test_a_stopped_book_has_nothing_to_compare_with(tmp_path):
    Rig(tmp_path, audusd()).add(make({})).run(quotes(audusd(), [65_000] * 5))
    with pytest.raises(UserError, match="nobody runs this book"):
        cli.main(["--now", "--state", str(tmp_path)])
    assert "reconcile" in mailbox.VERBS
