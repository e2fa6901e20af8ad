"""A client of a few lines that is not Nautilus: signs, asks, gives status and answer. It tests the exchange itself."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
import urllib.parse
from typing import Any


class Caller:
    def __init__(self, port: int, key: str, secret: str):
        self.port, self.key, self.secret = port, key, secret

    def __call__(self, method: str, path: str, signed: bool = True, **params: Any) -> tuple[int, Any]:
        """(status, answer); (0, None) where the socket was closed without one."""
        if signed:
            params = {**params, "timestamp": params.get("timestamp", time.time_ns() // 1_000_000)}
        query = urllib.parse.urlencode(params)
        if signed:
            query += "&signature=" + hmac.new(self.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, f"{path}?{query}", headers={"X-MBX-APIKEY": self.key})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (http.client.HTTPException, ConnectionError):
            return 0, None
        finally:
            connection.close()

    def order(self, side: str, quantity: str, **more: Any) -> tuple[int, Any]:
        kind = {"type": "LIMIT", "timeInForce": "GTC"} if "price" in more else {"type": "MARKET"}
        return self(
            "POST", "/fapi/v1/order", **{"symbol": "BTCUSDT", "side": side, "quantity": quantity, **kind, **more}
        )
