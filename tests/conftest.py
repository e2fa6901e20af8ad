"""What holds for every test: the contracts are on. Dolphin reads the switch once, when it is first imported."""

import os

os.environ.setdefault("DOLPHIN_CONTRACTS", "1")
