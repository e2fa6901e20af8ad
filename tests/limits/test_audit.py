"""The audit computes each cap anew: one that was changed, left out, or stands on other facts is found."""

import json

import pytest

from dolphin.audit.limits import Caps
from dolphin.audit.replay import audit
from dolphin.journal import read
from tests.audit.make_journal import Maker
from tests.audit.mutate import rechained


@pytest.fixture
def journal(tmp_path):
    """An order that a limit holds back, and one that a looser limit lets pass."""
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.equity(flat=1, stood=1)
    maker.limits(6)
    maker.order(1, 7, cap_lots=0, cap=2)
    maker.order(1, 6)
    maker.close()
    return tmp_path / "journal.jsonl"


def changed(journal, kind, change):
    """The journal with the first record of this kind that has limits changed, and every hash made anew."""
    lines = journal.read_text().splitlines()
    for index, line in enumerate(lines):
        record = json.loads(line)
        if record["kind"] == kind and "limits" in json.dumps(record["data"]):
            change(record["data"])
            data = json.dumps(record["data"], separators=(",", ":"))
            head, _, rest = line.partition('"data":')
            lines[index] = f'{head}"data":{data},"hash":{rest.rpartition(',"hash":')[2]}'
            journal.write_text("\n".join(rechained(lines, index)) + "\n")
            return audit(str(journal))
    raise AssertionError("no such record")


def test_as_it_was_written_it_conforms(journal):
    found = audit(str(journal))
    assert found.verdict == "conforms", found.findings


@pytest.mark.req("DOL-LIMIT-002")
@pytest.mark.parametrize(
    ("change", "field", "requirement"),
    [
        (lambda data: data.update(cap_lots=1), "fx", None),
        (lambda data: data.update(cap=3), "cap_lots", "DOL-LIMIT-002"),
        (lambda data: data["x"].pop("limits"), "x.limits", "DOL-LIMIT-002"),
        (lambda data: data["x"]["limits"]["facts"].update(list_lots=6), "cap_lots", "DOL-LIMIT-002"),
        (lambda data: data["x"]["limits"]["facts"].update(gross=1), "x.limits.facts.gross", "DOL-LIMIT-002"),
        (lambda data: data["x"]["limits"]["facts"].pop("gross"), "x.limits.facts", "DOL-LIMIT-002"),
        (lambda data: data["x"]["limits"].update(passive=["position"]), "x.limits.passive", "DOL-LIMIT-002"),
    ],
)
def test_a_wrong_cap_is_a_finding(journal, change, field, requirement):
    found = changed(journal, "ORDER", change)
    assert found.verdict == "violates"
    assert found.findings[0].field.startswith(field)
    assert requirement in (None, found.findings[0].requirement)


@pytest.mark.req("DOL-LIMIT-002")
def test_other_limits_in_force_are_a_finding(journal):
    def loosen(data):
        data["limits"]["rules"]["order_quantity"]["value"] = "7000000"

    (found,) = changed(journal, "NOTE", loosen).findings
    assert (found.field, found.expected, found.actual) == ("cap_lots", "no cap", "0 by order_quantity")


@pytest.mark.req("DOL-LIMIT-002")
def test_limits_that_are_none_are_a_finding(journal):
    (found,) = changed(journal, "NOTE", lambda data: data["limits"]["rules"].update(posit={})).findings
    assert found.field == "limits"


@pytest.mark.req("DOL-LIMIT-002")
def test_a_cap_that_was_left_out_shows_where_the_order_says_all_that_it_takes(tmp_path):
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.equity(flat=1, stood=1)
    rule = {"mode": "on", "value": "10000", "window_ns": "0", "each": {}, "names": [], "size": "0"}
    maker.other("NOTE", what="limits", limits={"rules": {"gross_leverage": rule}, "intervals_ns": {}})
    maker.order(1, 100)
    maker.order(1, 101)
    maker.close()
    (found,) = audit(str(tmp_path / "journal.jsonl"), all_=True).findings
    assert (found.field, found.expected, found.actual, found.requirement) == (
        "cap_lots",
        "100",
        "no cap",
        "DOL-LIMIT-002",
    )


def test_after_a_gap_nothing_is_said_of_caps(tmp_path):
    caps = Caps("j")
    caps.forget()
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.limits(6)
    maker.order(1, 7, cap_lots=0, cap=2)
    maker.close()
    orders = [record for record in read(str(tmp_path / "journal.jsonl")) if record.kind == "ORDER"]
    assert [caps.take(record) for record in orders] == [None]


@pytest.mark.req("DOL-LIMIT-002")
def test_a_journal_that_begins_with_a_checkpoint_has_its_limits_and_their_returns(tmp_path):
    """What retention leaves, or the live file alone: no NOTE says them."""
    maker = Maker(tmp_path / "journal.jsonl")
    maker.hear()
    maker.limits(6)
    maker.order(1, 7, cap_lots=0, cap=2)
    maker.close()
    records = list(read(str(tmp_path / "journal.jsonl")))
    (order,) = (record for record in records if record.kind == "ORDER")
    (note,) = (record for record in records if record.data.get("what") == "limits")
    said = note.data["limits"]
    caps = Caps("j")
    caps.begin(said)
    assert (caps.take(order), caps.checked) == (None, 1)
    said["rules"]["gap_sigma"] = said["rules"]["order_quantity"] | {"window_ns": "60", "size": "60000"}
    moves = {"horizon_ns": "60", "interval": 1, "base": {}, "moves": {"EURUSD.SIM": [10_000]}}
    caps.begin(said | {"returns": moves})
    found = caps.take(order)
    assert found is not None
    assert (found.field, found.expected) == ("x.limits.facts.sigma_ppm", "10000")
    caps = Caps("j")
    caps.begin({})
    assert (caps.take(order), caps.checked) == (None, 0)
    unread = Caps("j")
    unread.begin({"rules": {"posit": {}}})
    assert (unread.take(order), unread.checked) == (None, 0)
