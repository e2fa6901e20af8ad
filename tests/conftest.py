"""What holds for every test: the contracts are on, and generated examples are the same at any load.

Dolphin reads the switch once, when it is first imported. Settings of a test inherit from the profile that is loaded
when its module is imported, so it must stand here: below tests/kernel it missed what is collected before.
"""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("DOLPHIN_CONTRACTS", "1")

settings.register_profile(
    "suite",
    deadline=None,
    derandomize="DOLPHIN_EXAMPLES" not in os.environ,  # with it the kernel's tests look further; all of them afresh
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("suite")
