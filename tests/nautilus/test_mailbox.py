"""Letters: taken once, answered, hostile ones put aside."""

import json
import os
import stat
import threading
import time

import pytest

from dolphin.nautilus import mailbox


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
