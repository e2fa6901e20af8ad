"""The request weight of an address, as Binance counts it: 429 where too much was spent, 418 for who goes on then.

What belongs here: what each request weighs, and the count. A window is `window_s` long (a minute at the venue), and
begins with its first request, so that a test need not wait for the clock's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

ALL_SYMBOLS = 40
WEIGHTS = {
    "GET /fapi/v1/openOrders": 1,
    "GET /fapi/v1/openAlgoOrders": 1,
    "GET /fapi/v3/positionRisk": 5,
    "POST /fapi/v1/countdownCancelAll": 10,
}
SHUT_OUT = 5
"""So many requests after a 429, before it is over, and the answer is 418."""


class Weight:
    """`limit` 0: nothing is counted."""

    def __init__(self, limit: int = 0, window_s: float = 60.0, hold_s: int = 1):
        self.limit, self.window_s, self.hold_s = limit, window_s, hold_s
        self.used = 0
        self.refused = 0
        self.early = 0
        self._since_s = self._until_s = 0.0

    def spend(self, what: str, params: Mapping[str, str]) -> int:
        """Count a request; 200, or how it is refused."""
        now_s = time.monotonic()
        if now_s - self._since_s > self.window_s:
            self._since_s, self.used = now_s, 0
        each = WEIGHTS.get(what, 1)
        if what.startswith("GET /fapi/v1/open") and "symbol" not in params:
            each = ALL_SYMBOLS
        self.used += each
        if now_s < self._until_s:
            self.early += 1
            return 418 if self.early >= SHUT_OUT else 429
        if not self.limit or self.used <= self.limit:
            return 200
        self.refused += 1
        self._until_s = now_s + self.hold_s
        return 429

    def headers(self, status: int) -> dict[str, str]:
        found = {"X-MBX-USED-WEIGHT-1M": str(self.used)} if self.limit else {}
        if status in (418, 429):
            found["Retry-After"] = str(self.hold_s)
        return found
