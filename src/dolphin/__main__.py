"""`python -m dolphin` is the command `dolphin`."""

import sys

from dolphin.app.cli import main

sys.exit(main())
