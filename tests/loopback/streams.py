"""The sockets: market streams by subscription, the user's events by listen key. Faults of streams strike here.

A message is queued on each socket that hears it and sent by that socket's own task, so that a client that does not read
holds nobody up. A frozen stream queues nothing; pings are answered by the server all the same.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import WSMsgType, web

from tests.loopback.faults import Faults
from tests.loopback.tape import Tape


class Streams:
    def __init__(self, tape: Tape, faults: Faults):
        self.tape = tape
        self.faults = faults
        self.listen_key = "loopback"
        self.sockets: dict[web.WebSocketResponse, tuple[set[str], asyncio.Queue[str]]] = {}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """`/stream?streams=a/b`, `/ws/a` or `/ws?listenKey=k`, with any path before it."""
        socket = web.WebSocketResponse(autoping=True, compress=False)
        await socket.prepare(request)
        names = set(filter(None, request.query.get("streams", "").split("/")))
        if request.query.get("listenKey") == self.listen_key or request.path.endswith(f"/ws/{self.listen_key}"):
            names.add("user")
        queue: asyncio.Queue[str] = asyncio.Queue()
        self.sockets[socket] = (names, queue)
        self.tape.add("socket", "open", {"streams": sorted(names)})
        writer = asyncio.ensure_future(self._write(socket, queue))
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    await self._hear(queue, names, json.loads(message.data))
        finally:
            writer.cancel()
            self.sockets.pop(socket, None)
            self.tape.add("socket", "closed", {"streams": sorted(names)})
        return socket

    async def _write(self, socket: web.WebSocketResponse, queue: asyncio.Queue[str]) -> None:
        while True:
            text = await queue.get()
            try:
                await socket.send_str(text)
            except (ConnectionError, RuntimeError):
                return

    async def _hear(self, queue: asyncio.Queue[str], names: set[str], message: dict[str, Any]) -> None:
        if message.get("method") == "SUBSCRIBE":
            names.update(message["params"])
        elif message.get("method") == "UNSUBSCRIBE":
            names.difference_update(message["params"])
        queue.put_nowait(json.dumps({"result": None, "id": message.get("id")}))

    def send(self, stream: str, event: dict[str, Any]) -> None:
        """To all that hear the stream; `user` is the private one."""
        fault = self.faults.message(stream, event["e"])
        kind = fault.kind if fault else ""
        if stream == "user" or kind:
            self.tape.add("event", event["e"], {**event, "stream": stream, "struck": kind})
        if kind in ("freeze", "skip"):
            return
        text = json.dumps(event if stream == "user" else {"stream": stream, "data": event})
        for names, queue in self.sockets.values():
            if stream in names:
                queue.put_nowait(text)
                if kind == "twice":
                    queue.put_nowait(text)

    def close(self, stream: str = "", abruptly: bool = True) -> int:
        """Close the sockets that hear this stream (all); how many. Abruptly: without a word."""
        gone = 0
        for socket, (names, _) in list(self.sockets.items()):
            if not stream or any(stream in (name, name.partition("@")[2]) for name in names):
                gone += 1
                transport = socket._req.transport if socket._req is not None else None
                if abruptly and transport is not None:
                    transport.abort()
                else:
                    self.closing = asyncio.ensure_future(socket.close())
        return gone
