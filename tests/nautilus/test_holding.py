"""What is held as one number: equal for equal positions, whatever their order; 0 for none."""

import pytest

from dolphin.nautilus.holding import number


@pytest.mark.req("DOL-REARM-007")
def test_equal_positions_give_equal_numbers_and_others_do_not():
    held = [("AUD/USD.SIM-A", 5), ("AUD/USD.SIM-B", -7)]
    assert number([]) == 0
    assert number(held) == number(reversed(held)) == 2_264_914_310_914_849
    others = [
        held[:1], held[1:], [("AUD/USD.SIM-A", 5), ("AUD/USD.SIM-B", 7)], [("AUD/USD.SIM-A", -7), ("AUD/USD.SIM-B", 5)],
    ]  # fmt: skip
    numbers = {number(held), *(number(other) for other in others)}
    assert len(numbers) == 5
    assert all(0 < each <= 1 << 52 for each in numbers)
