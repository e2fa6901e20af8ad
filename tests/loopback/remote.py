"""The exchange as another process sees it: the same methods, by `POST /loopback`, answered in JSON."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

from tests.loopback.exchange import KEY, SECRET


class Remote:
    """`Remote(port).adl(told=False)` and so on. Sizes come back as text."""

    def __init__(self, port: int):
        self.port, self.key, self.secret = port, KEY, SECRET
        self.url, self.ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def told(**keywords: Any) -> Any:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            try:
                connection.request("POST", "/loopback", json.dumps([name, keywords]))
                answer = connection.getresponse()
                text = answer.read().decode()
            finally:
                connection.close()
            if answer.status != 200:
                raise RuntimeError(f"the exchange answered {answer.status} to {name} {keywords}: {text}")
            if name == "tape":
                return [json.loads(line) for line in text.splitlines()]
            return json.loads(text)

        return told
