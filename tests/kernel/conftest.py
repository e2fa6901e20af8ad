"""What the kernel's tests share: the marker of the slow ones, and hypothesis without a clock (contracts are slow)."""

import os

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every machine; DOLPHIN_EXAMPLES=5000 looks further, with fresh ones.
_EXAMPLES = os.environ.get("DOLPHIN_EXAMPLES")
settings.register_profile(
    "kernel",
    deadline=None,
    derandomize=_EXAMPLES is None,
    max_examples=int(_EXAMPLES or 12),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("kernel")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes half a minute or more")
