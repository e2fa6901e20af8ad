"""The famous failures, run: each as its file says, and none that would say the same of another expectation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dolphin.app.errors import UserError
from tools.scenarios import __main__ as runner
from tools.scenarios import form, judge, live, seen, traces
from tools.scenarios.form import Expect, Scenario
from tools.scenarios.seen import Seen
from tools.scenarios.values import offset_ns, offset_text

FILES = runner.files()
BUILT = [path for path in FILES if not (one := form.read(path)).not_built and one.engine == "backtest"]
NAMES = [path.stem for path in BUILT]


@pytest.fixture(params=BUILT, ids=NAMES)
def ran(request, tmp_path) -> tuple[Scenario, Seen]:
    """A scenario and what came of it."""
    scenario = form.read(request.param)
    found = runner.done(scenario, tmp_path / "run")
    assert found.seen is not None
    return scenario, found.seen


def planted(expect: Expect) -> Iterator[tuple[str, Expect]]:
    """Every expectation with one thing changed, by the name of what should then be told."""
    yield "verdict", replace(expect, verdict="violates" if expect.verdict == "conforms" else "conforms")
    for name in ("tape", "moves", "trips", "answers"):
        lines = getattr(expect, name)
        if lines is not None:
            for number, line in enumerate(lines):
                changed = (*lines[:number], f"{line}0", *lines[number + 1 :])
                yield f"{name}, line {number + 1}", replace(expect, **{name: changed})
            yield f"{name}, line {len(lines) + 1}", replace(expect, **{name: (*lines, "0:00:00 nothing")})
            if lines:
                yield f"{name}, line {len(lines)}", replace(expect, **{name: lines[:-1]})
    for name in ("denied", "positions", "counts", "final"):
        mapping = getattr(expect, name)
        for key, value in (mapping or {}).items():
            wrong = value + 1 if isinstance(value, int) else f"{value}?"
            yield f"{name}.{key}", replace(expect, **{name: {**mapping, key: wrong}})
    for name, by in (("at_most", -1), ("at_least", 1)):
        for key in getattr(expect, name):
            yield f"{name}.{key}", replace(expect, **{name: {key: by * 10**15}})
    for number, entry in enumerate(expect.states):
        for key, value in entry.values.items():
            if key != "at":
                wrong = value + 1 if isinstance(value, int) else f"{value}?"
                other = replace(entry, values={**entry.values, key: wrong})
                states = (*expect.states[:number], other, *expect.states[number + 1 :])
                yield f"state at {offset_text(entry['at'])}.{key}", replace(expect, states=states)


@pytest.mark.req("DOL-SCENARIO-001")
def test_each_is_as_its_file_says_and_a_planted_wrong_expectation_is_told_by_its_name(ran):
    scenario, found = ran
    assert [each.text() for each in judge.deviations(scenario.expect, found)] == [], found.findings
    assert scenario.expect.verdict != "conforms" or found.findings == []
    count = 0
    for name, wrong in planted(scenario.expect):
        told = judge.deviations(wrong, found)
        assert [each.observable for each in told] == [name], (name, told)
        count += 1
    assert count >= 5
    kept = traces.FOLDER / f"{Path(scenario.path).stem}.jsonl"
    assert traces.decisions(kept) == traces.decisions(found.journal), "run `make traces`, and look at what changed"
    assert scenario.expect.positions is not None
    assert scenario.expect.counts


def test_ids_are_unique_and_in_the_files_names():
    ids = [form.read(path).id for path in FILES]
    assert len(set(ids)) == len(ids)
    for path, name in zip(FILES, ids, strict=True):
        assert path.stem.partition("-")[0].replace("S0", "S") == name


def test_what_is_excused_is_not_built_and_has_a_reason():
    scenarios = {form.read(path).id: form.read(path) for path in FILES}
    for name, reason in runner.excused().items():
        one = scenarios.get(name)
        assert one is None or one.not_built, f"{name} is built"
        assert name not in {live.name_of(path) for path in live.files(runner.FOLDER)}, f"{name} is built"
        assert name.rstrip("b") in runner.ASKED
        assert len(reason) > 20


# --- traces/ --------------------------------------------------------------------------------------------------------


@pytest.mark.req("DOL-SCENARIO-002")
def test_each_trace_has_the_verdict_that_is_expected_of_it():
    said = traces.verdicts()
    assert sorted(said) == sorted(path.name for path in traces.FOLDER.glob("*.jsonl")) == [f"{n}.jsonl" for n in NAMES]
    for name, wanted in said.items():
        assert traces.audited(traces.FOLDER / name, wanted["anchor"]) == wanted["verdict"], name
        lines = (traces.FOLDER / name).read_text(encoding="utf-8").splitlines()
        assert len(lines) == wanted["records"]
        assert traces.neutral(lines) == lines


@pytest.mark.req("DOL-SCENARIO-002")
def test_a_trace_that_was_gone_over_has_another_verdict(tmp_path):
    name, wanted = next((name, said) for name, said in traces.verdicts().items() if name.startswith("S17"))
    lines = (traces.FOLDER / name).read_text(encoding="utf-8").splitlines()
    harmed = tmp_path / name
    for kept in (lines[:-1], [*lines[:5], *lines[6:]], traces.neutral([*lines[:5], *lines[6:]])):
        harmed.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        assert traces.audited(harmed, wanted["anchor"]) == "violates"


# --- the reader -----------------------------------------------------------------------------------------------------

GOOD = """\
id = "S99"
name = "none"
title = "nothing happens"
source = "nobody"
engine = "backtest"
start = 2020-01-01T00:00:00Z

[[instrument]]
id = "AUD/USD.SIM"
kind = "fx"

[[market]]
for = "10 s"
price = 0.65

[[order]]
at = "0:00:05"
name = "entry"
side = "buy"
type = "market"
quantity = 1_000

[expect]
verdict = "conforms"
tape = ["0:00:05 entry buy 1000 market filled"]

[expect.counts]
orders = 1
"""


def written(tmp_path, text):
    path = tmp_path / "S99-none.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('side = "buy"', 'side = "hold"', ":19: order.side: wrong value: expected buy | sell, found 'hold'"),
        ("quantity = 1_000", "quantity = 1.5", ":21: order.quantity: wrong value: expected a whole number, found 1.5"),
        ("quantity = 1_000", "quantities = 1", ":21: order.quantities: unknown key; did you mean 'quantity'?"),
        ('name = "entry"\n', "", ":16: order.name: is missing"),
        ('at = "0:00:05"', 'at = "5 s"', ":17: order.at: wrong value: expected an offset from the start such as"),
        ('engine = "backtest"', 'engine = "other"', ":5: engine: wrong value: expected backtest, found 'other'"),
        ("[expect.counts]\norders = 1", '[expect.counts]\norders = "1"', "expect.counts: wrong value"),
        ('verdict = "conforms"', 'verdict = "fine"', ":24: expect.verdict: wrong value: expected conforms | violates"),
        ("start = 2020-01-01T00:00:00Z", "start = 2020-01-01", ":6: start: wrong value: expected a time with its zone"),
        ("[[market]]", "[[markets]]", ":12: markets: unknown table; did you mean 'market'?"),
        ("id = \"S99\"", "id = ", "is no TOML"),
        ("[[order]]", '[[fault]]\nat = "0:00:01"\nkind = "flood"\n[[order]]', ":18: fault.kind: unknown fault"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_line_and_field(tmp_path, old, new, said):
    assert old in GOOD
    with pytest.raises(UserError) as error:
        form.read(written(tmp_path, GOOD.replace(old, new)))
    assert said in str(error.value)
    assert "S99-none.toml" in str(error.value)


def test_the_command_line_says_what_deviates_and_is_negative(tmp_path, capsys):
    good, wrong = written(tmp_path, GOOD), tmp_path / "S98-wrong.toml"
    wrong.write_text(GOOD.replace("orders = 1", "orders = 2"), encoding="utf-8")
    assert runner.main([str(good)]) == 0
    assert "as expected" in capsys.readouterr().out
    assert runner.main([str(wrong)]) == 1
    assert "counts.orders: expected 2, seen 1" in capsys.readouterr().out
    wrong.write_text(GOOD.replace('engine = "', 'not_built = "a part is not there"\nengine = "'), encoding="utf-8")
    assert runner.main([str(wrong)]) == 1
    assert "NOT BUILT" in capsys.readouterr().out
    assert runner.main([str(tmp_path / "none.toml")]) == 2


def test_live_ones_and_those_by_test_have_a_line_in_the_same_table(capsys):
    """tests/live and the watchdog's tests run each of them; here that the table has them, and that one is run by it."""
    assert runner.missing([form.read(path) for path in FILES]) == list(runner.excused())
    assert runner.main(["S11b"]) == 0
    assert "node     as expected journal conforms" in capsys.readouterr().out
    for said in live.by_test(runner.FOLDER).values():
        path, _, name = said["test"].partition("::")
        assert f"def {name}(" in (live.ROOT / path).read_text(encoding="utf-8")


def test_a_test_that_fails_is_a_deviation():
    said = {"name": "n", "title": "t", "test": "tests/scenarios/no_such_file.py::test_nothing"}
    code, line = live.tested("S99", said)
    assert code != 0
    assert "DEVIATES" in line


def test_offsets_are_read_and_written_alike():
    for text in ("0:00:00", "1:02:03", "12:59:59.25", "0:00:00.000000001"):
        assert offset_text(offset_ns(text)) == text


def test_an_asterisk_stands_for_any_time():
    expect = Expect(verdict="conforms", tape=("* entry buy 1 market filled",))
    found = seen.Seen(
        verdict="conforms", tape=["0:00:05 entry buy 1 market filled"], moves=[], trips=[], answers=[], denied={},
        positions={}, outs=[], counts={}, journal=Path(),
    )  # fmt: skip
    assert judge.deviations(expect, found) == []
    found.tape = ["0:00:05 entry buy 2 market filled"]
    assert [each.observable for each in judge.deviations(expect, found)] == ["tape, line 1"]
