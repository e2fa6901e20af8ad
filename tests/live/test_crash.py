"""SIGKILL within kill, flatten and re-arm, in short: a few of the deaths that `make crash` dies."""

import pytest

from tests.live.crash import crashed


@pytest.mark.req("DOL-KILL-001")
@pytest.mark.req("DOL-KILL-003")
@pytest.mark.req("DOL-KILL-006")
@pytest.mark.req("DOL-JOURNAL-002")
@pytest.mark.parametrize(
    "die_at", [-1, 3, 9], ids=["before the kill is written", "the flatten is written", "in the re-arm"]
)
def test_a_death_in_kill_flatten_or_re_arm_loses_nothing(die_at, tmp_path):
    assert crashed(die_at, tmp_path) == []
