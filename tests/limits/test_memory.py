"""What the limits remember: windows, twins, how a day began."""

import pytest

from dolphin.limits.memory import DAY_NS, Day, Memory


def test_twins_out_of_the_window_are_forgotten():
    memory = Memory()
    for at in range(100):
        memory.twin((at % 50,), at, 10)
    assert memory.twins == {(at % 50,): at for at in range(90, 100)}


@pytest.mark.req("DOL-LIMIT-023")
def test_a_day_begins_with_the_last_equity_before_it():
    day = Day()
    assert day.loss(5, 100) is None
    assert day.sample(5, 100)
    assert not day.sample(6, 90)
    assert day.loss(7, 80) == 20
    assert day.loss(7, 0) is None
    day.flow(-30)
    assert day.loss(7, 60) == 10
    assert day.loss(DAY_NS, 60) is None, "nobody has looked yet"
    assert day.sample(DAY_NS + 1, 50)
    assert day.loss(DAY_NS + 1, 50) == 10, "60 was the last that was seen, the flow taken out"


@pytest.mark.req("DOL-LIMIT-022")
def test_what_lasts_comes_back():
    memory = Memory()
    memory.stopped.add("S")
    memory.day.sample(DAY_NS, 77)
    again = Memory()
    again.take_up(memory.lasting())
    assert again.stopped == {"S"}
    assert again.day.loss(DAY_NS + 1, 70) == 7
    assert again.enable("S")
    assert not again.enable("S")


def test_a_window_of_no_length_holds_nothing():
    memory = Memory()
    memory.twin(("one",), 5, 0)
    assert memory.twins == {}
