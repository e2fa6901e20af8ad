"""Letters: taken once, answered, hostile ones put aside."""

import json
import os
import stat
import threading
import time

import pytest

from dolphin.audit import pipeline
from dolphin.nautilus import mailbox
from tests.nautilus.rig import Rig, audusd, quotes, replays
from tests.nautilus.test_gates import BUY, X1, denials, market, net
from tests.nautilus.test_kill import make


def serve(state_dir, answers, stop):
    while not stop.is_set():
        for letter in mailbox.take(state_dir):
            answers.append(letter)
            mailbox.answer(state_dir, letter, {"ok": not letter.error, "verb": letter.verb, "error": letter.error})
        stop.wait(0.001)


@pytest.fixture
def served(tmp_path):
    mailbox.make(tmp_path)
    seen, stop = [], threading.Event()
    thread = threading.Thread(target=serve, args=(tmp_path, seen, stop), daemon=True)
    thread.start()
    yield tmp_path, seen
    stop.set()
    thread.join()


def test_post_is_answered_and_leaves_nothing_behind(served):
    state_dir, seen = served
    assert mailbox.post(state_dir, "kill", {}, "drill", 5)["ok"] is True
    assert [(letter.verb, letter.cause) for letter in seen] == [("kill", "drill")]
    assert os.listdir(mailbox.folder(state_dir)) == []


def test_owner_only(tmp_path):
    mailbox.send(tmp_path / "s", "status", {}, "")
    where = mailbox.folder(tmp_path / "s")
    assert stat.S_IMODE(where.stat().st_mode) == 0o700
    assert stat.S_IMODE(where.parent.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in where.iterdir()] == [0o600]


def test_a_letter_that_nobody_takes_is_withdrawn(tmp_path):
    with pytest.raises(mailbox.MailboxError, match="withdrawn"):
        mailbox.post(tmp_path, "kill", {}, "", 0.05)
    assert mailbox.take(tmp_path) == []


def test_a_letter_is_withdrawn_where_nobody_can_say_who_reads(tmp_path):
    def unknown():
        raise OSError("planted")

    with pytest.raises(OSError, match="planted"):
        mailbox.post(tmp_path, "flow", {}, "", 5, unknown)
    assert mailbox.take(tmp_path) == []


def test_taken_but_not_answered_says_so(tmp_path):
    thread = threading.Timer(0.02, lambda: mailbox.take(tmp_path))
    thread.start()
    with pytest.raises(mailbox.MailboxError, match="taken"):
        mailbox.post(tmp_path, "kill", {}, "", 0.2)
    thread.join()


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", "[" * 100_000])
def test_an_answer_that_is_none_says_so(tmp_path, text):
    def answer():
        while not (letters := mailbox.take(tmp_path)):
            time.sleep(0.001)
        (mailbox.folder(tmp_path) / f"{letters[0].id}.answer.json").write_text(text)

    guard = threading.Thread(target=answer)
    guard.start()
    with pytest.raises(mailbox.MailboxError, match=r"its answer cannot be read .*see the journal"):
        mailbox.post(tmp_path, "kill", {}, "", 10)
    guard.join()


def test_each_letter_is_taken_once_and_in_order(tmp_path):
    for verb in ("kill", "arm", "confirm"):
        mailbox.send(tmp_path, verb, {"n": 1}, "c")
    assert [letter.verb for letter in mailbox.take(tmp_path)] == ["kill", "arm", "confirm"]
    assert mailbox.take(tmp_path) == []


HOSTILE = [
    "", "{", "[]", "null", '{"verb":"format-disk"}', '{"verb":"kill","args":[]}', '{"verb":"kill","cause":3}',
    '{"verb":"kill","extra":1}', '{"args":{}}', "[" * 20_000, '{"verb":"kill","cause":"' + "x" * 70_000 + '"}',
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_letters_are_put_aside_with_an_error(tmp_path, text):
    where = mailbox.make(tmp_path)
    (where / "a.json").write_text(text)
    (letter,) = mailbox.take(tmp_path)
    assert letter.error
    assert (where / "a.bad").exists()
    assert mailbox.answer(tmp_path, letter, {"error": letter.error})
    assert json.loads((where / "a.answer.json").read_text())["error"] == letter.error


def test_bytes_links_pipes_and_folders_are_put_aside(tmp_path):
    where = mailbox.make(tmp_path)
    (where / "a.json").write_bytes(b"\xff\xfe{}")
    (where / "b.json").symlink_to("/etc/passwd")
    os.mkfifo(where / "c.json")
    (where / "d.json").mkdir()
    letters = mailbox.take(tmp_path)
    assert [letter.id for letter in letters] == ["a", "b", "c", "d"]
    assert all(letter.error for letter in letters)


def test_other_names_are_left_alone(tmp_path):
    where = mailbox.make(tmp_path)
    for name in ("x.answer.json", ".y.json.abc", "UPPER.json", ".json", "z.taken"):
        (where / name).write_text("{}")
    assert mailbox.take(tmp_path) == []
    assert not mailbox.waiting(tmp_path)
    mailbox.send(tmp_path, "status", {}, "")
    assert mailbox.waiting(tmp_path)


def test_no_mailbox_no_letters(tmp_path):
    assert mailbox.take(tmp_path / "nowhere") == []
    assert not mailbox.waiting(tmp_path / "nowhere")


def test_cannot_post_where_there_is_a_file(tmp_path):
    (tmp_path / "s").write_text("")
    with pytest.raises(mailbox.MailboxError, match="cannot post"):
        mailbox.send(tmp_path / "s", "kill", {}, "")


def test_an_answer_that_cannot_be_written_is_false(tmp_path):
    letter = mailbox.Letter("a", "kill", {}, "", "")
    assert not mailbox.answer(tmp_path / "gone", letter, {})
    mailbox.make(tmp_path)
    assert not mailbox.answer(tmp_path, letter, {"x": object()})
    assert os.listdir(mailbox.folder(tmp_path)) == []


# --- what the journal could not write --------------------------------------------------------------------------------

LONE = "\ud800"


def deep(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


UNWRITABLE = {
    "5,000 digits": (
        {"verb": "flow", "args": {"amount": "9" * 5_000}},
        "amount: 5000 characters; accepted at most 1000",
    ),
    "999 digits": (
        {"verb": "flow", "args": {"amount": "-" + "9" * 998}},
        "amount: a number of 3316 bits; accepted at mo",
    ),
    "a number of 4,000": (
        {"verb": "arm", "args": {"episode": 10**4_000}},
        "episode: a number of 13288 bits; accepted at",
    ),
    "a value": (
        {"verb": "adopt", "args": {"position": LONE}},
        r"position '\ud800': a lone surrogate; accepted text that",
    ),
    "a name": ({"verb": "kill", "args": {LONE: 1}}, r"a name in args '\ud800': a lone surrogate; accepted text that"),
    "within": (
        {"verb": "adopt", "args": {"position": [{"x": [LONE]}]}},
        r"x '\ud800': a lone surrogate; accepted text t",
    ),
    "9 levels": (
        {"verb": "adopt", "args": {"position": deep(8)}},
        "position: nested too deep; accepted at most 8 levels",
    ),
    "800 levels": ({"verb": "adopt", "args": {"position": deep(800)}}, "position: nested too deep; accepted at most 8"),
    "of objects": (
        {"verb": "adopt", "args": {"position": [{"a": {"b": deep(900)}}]}},
        "nested too deep; accepted at mos",
    ),
}


def refused(tmp_path, send, said):
    """A book that holds something is sent `send(rig, strategy)`: refused, nothing done, its journal whole."""
    answers = []
    s = make({3: market(BUY, X1), 5: lambda s: answers.append(send(rig, s)), 8: market(BUY, 1000)})
    rig = Rig(tmp_path, audusd()).add(s)
    rig.run(quotes(audusd(), [65_000] * 12))
    assert rig.guard.failures == []
    assert denials(s) == []
    assert net(rig) == X1 + 1000
    assert rig.records("FAULT", "KILL", "OWN", "ARM", "FLOW") == []
    (record,) = rig.records("COMMAND")
    assert record.data["answer"]["ok"] is False
    assert said in record.data["answer"]["error"]
    replays(rig.journal)
    assert pipeline.audit(str(rig.journal)).findings == ()
    return answers[0], record


@pytest.mark.req("DOL-PLUG-004")
@pytest.mark.parametrize("case", UNWRITABLE)
def test_a_letter_that_the_journal_could_not_write_is_refused_and_trips_nothing(tmp_path, case):
    letter, said = UNWRITABLE[case]
    where = mailbox.make(tmp_path)

    def send(rig, s):
        (where / "a.json").write_text(json.dumps(letter))
        rig.guard.parts.letter_flag = True

    refused(tmp_path, send, said)
    answer = json.loads((where / "a.answer.json").read_text())
    assert answer["ok"] is False
    assert said in answer["error"]
    assert os.listdir(where) == ["a.answer.json"]


@pytest.mark.req("DOL-PLUG-004")
@pytest.mark.parametrize("case", UNWRITABLE)
def test_the_endpoint_refuses_it_in_the_same_words(tmp_path, case):
    letter, said = UNWRITABLE[case]
    message = {"verb": letter["verb"], "cause": letter.get("cause", ""), **letter["args"]}
    answer, _ = refused(
        tmp_path, lambda rig, s: [s.msgbus.send("Dolphin.command", message), message["answer"]][1], said
    )
    assert said in answer["error"]


@pytest.mark.req("DOL-PLUG-004")
@pytest.mark.parametrize(
    ("args", "said", "written"),
    [
        ({"episode": -(10**5_000)}, "episode: a number of 16610 bits", {"episode": hex(-(10**5_000))[:1_000]}),
        ({"episode": deep(5_000)}, "nested too deep", {"episode": [[[[[[["..."]]]]]]]}),
        ({"verb": LONE + "x" * 999}, r"verb '\ud800", {}),
        ({"verb": "x" * 2_000}, "verb: 2000 characters; accepted at most 1000", {}),
    ],
)
def test_what_only_code_of_this_process_can_send_is_cut_in_the_record(tmp_path, args, said, written):
    message = {"verb": "arm", **args}
    _, record = refused(tmp_path, lambda rig, s: s.msgbus.send("Dolphin.command", message), said)
    assert record.data["args"] == written
    assert len(record.data["cause"]) <= 1_000
    assert len(record.data["verb"]) <= 1_006


@pytest.mark.req("DOL-KILL-001")
@pytest.mark.parametrize(("cause", "written"), [(LONE + "found", r"\ud800found"), ("x" * 5_000, "x" * 1_000)])
def test_no_kill_is_refused_for_the_words_of_its_cause(tmp_path, cause, written):
    """A terminal of another encoding makes such words of an argument; they are written as far as they can be."""
    message = {"verb": "kill", "cause": cause}
    rig = Rig(tmp_path, audusd()).add(make({3: lambda s: s.msgbus.send("Dolphin.command", message)}))
    rig.run(quotes(audusd(), [65_000] * 6))
    assert message["answer"]["mode"] == "KILLED"
    (record,) = rig.records("COMMAND")
    assert record.data["cause"] == written
    assert rig.guard.failures == []
    replays(rig.journal)


@pytest.mark.parametrize("amount", [2**63 - 1, -(2**63 - 1), str(2**63 - 1)])
def test_the_largest_number_is_taken(tmp_path, amount):
    s = make({3: lambda s: s.answers.append(s.command("flow", amount=amount))})
    rig = Rig(tmp_path, audusd()).add(s)
    rig.run(quotes(audusd(), [65_000] * 6))
    assert s.answers[0]["announced"] == str(amount)
    replays(rig.journal)
