"""Values to text and back, and the one way to spell them."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dolphin.journal import Head, anchor, decode, encode, exact, integer, ready, text
from dolphin.journal.encoding import GENESIS


@pytest.mark.req("DOL-JOURNAL-009")
@given(st.integers() | st.integers(2**53 - 3, 2**53 + 3) | st.integers(-(2**53) - 3, -(2**53) + 3))
def test_integer_returns_what_exact_wrote(value: int) -> None:
    spelled = exact(value)
    assert integer(spelled) == value
    assert (type(spelled) is str) == (abs(value) > 2**53)


@given(st.dictionaries(st.text(), st.text() | st.integers().map(exact)))
def test_what_is_ready_is_written_as_encode_writes_it_and_read_back(fields: dict[str, int | str]) -> None:
    assume(not any(key.endswith("_ns") for key in fields))  # `encode` makes a string of a time, whatever its form
    spelled = ready(fields)
    assert spelled == encode(fields)
    assert decode(spelled.encode()) == fields


@pytest.mark.req("DOL-JOURNAL-009")
@pytest.mark.parametrize(
    "value", [2**53 + 1, -(2**53) - 1, True, None, 1.0, "", "-", "1_0", "+1", "01", "-0", "١", " 1"]
)
def test_integer_refuses_what_exact_cannot_have_written(value: object) -> None:
    with pytest.raises(ValueError, match=r"string|integer"):
        integer(value)


def test_a_time_is_a_string_whatever_its_size() -> None:
    spelled = encode({"due_ns": -1, "n": -1, "x_ns": "1", "big": 2**60})
    assert spelled == f'{{"due_ns":"-1","n":-1,"x_ns":"1","big":"{2**60}"}}'
    assert integer("-1") == -1


def test_encode_takes_what_json_has_words_for() -> None:
    spelled = encode({"a": (1, [None, True, "é\n"]), "b": {"c": 0.5}})
    assert spelled == '{"a":[1,[null,true,"é\\n"]],"b":{"c":0.5}}'
    assert decode(spelled.encode()) == {"a": [1, [None, True, "é\n"]], "b": {"c": 0.5}}
    assert text('"') == '"\\""'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), object(), b"x", {1: 2}, "\ud800"])
def test_encode_refuses_what_json_has_no_word_for(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON form|no string|surrogates"):
        encode({"a": value})


@pytest.mark.parametrize(
    "raw", [b'{"a": 1}', b'{"a":1,"a":1}', b'{"a":1e0}', b'{"a":"\\u0041"}', b"[1]", b"{", b"", b'{"a":01}']
)
def test_decode_accepts_one_spelling(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"canonical|object|JSON|truncated|malformed"):
        decode(raw)


@pytest.mark.req("DOL-JOURNAL-007")
def test_anchor_is_what_the_head_prints() -> None:
    head = Head(7, "ab" * 32)
    assert anchor(head.anchor) == head


@pytest.mark.parametrize(
    "value", ["", "7", "x:" + "a" * 64, "-1:" + "a" * 64, "٧:" + "a" * 64, "7:" + "A" * 64, "7:abc"]
)
def test_anchor_says_what_it_accepts(value: str) -> None:
    with pytest.raises(ValueError, match="accepted SEQ:HASH"):
        anchor(value)


def test_genesis_is_the_hash_of_the_name() -> None:
    assert sha256(b"dolphin-journal-1").digest() == GENESIS
