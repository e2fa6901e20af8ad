"""What the kernel's tests share: the marker of the slow ones, and how many examples are generated."""

import os

import pytest
from hypothesis import settings

# Few where contracts are slow; DOLPHIN_EXAMPLES=5000 looks further, with fresh ones (tests/conftest.py).
_EXAMPLES = os.environ.get("DOLPHIN_EXAMPLES")
settings.register_profile("kernel", settings.get_profile("suite"), max_examples=int(_EXAMPLES or 12))
settings.load_profile("kernel")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes half a minute or more")
