"""A real HTTP server that stands for the receivers of notices: it records every request and behaves as it is told."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from tests.parts.net import eventually, free_port

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived, its body complete. `arrived_ns` is wall time, `arrived_s` `time.monotonic()`."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    arrived_ns: int
    arrived_s: float

    def json(self) -> Any:
        return json.loads(self.body)


def answer(status: int = 200, body: str = "", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer at once."""

    async def behave(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers=headers)

    return behave


def slow(seconds: float, then: Behaviour | None = None) -> Behaviour:
    """Answer (200 unless told otherwise) after a while."""

    async def behave(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await (then or answer())(request)

    return behave


def redirect(location: str, status: int = 302) -> Behaviour:
    """Send the client elsewhere."""
    return answer(status, headers={"Location": location})


def hang() -> Behaviour:
    """Take the request and never answer; the connection stays open."""

    async def behave(request: web.Request) -> web.StreamResponse:
        return await asyncio.Event().wait() and web.Response()

    return behave


def reset() -> Behaviour:
    """Take the request and break the connection off (TCP RST)."""

    async def behave(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        linger_no_time = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_no_time)
        request.transport.abort()
        return web.Response()

    return behave


class WebhookSink:
    """Listens on 127.0.0.1:`port` between `start` and `stop`; outside of that, connections are refused.

    Each path is an endpoint with a script of its own: `behave("/a", answer(500), hang())` says what the next requests
    meet, in order; after that, and on paths without a script, the path's `default` (200 unless `always` changed it).
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.requests: list[Received] = []
        self._scripts: dict[str, deque[Behaviour]] = defaultdict(deque)
        self._defaults: dict[str, Behaviour] = {}
        self._runner: web.AppRunner | None = None

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def behave(self, path: str, *script: Behaviour) -> None:
        """What the next requests for `path` meet, after what was said before."""
        self._scripts[path].extend(script)

    def always(self, path: str, behaviour: Behaviour) -> None:
        """What requests for `path` meet from now on once its script is used up."""
        self._defaults[path] = behaviour

    def to(self, path: str) -> list[Received]:
        """The requests that came to `path` so far."""
        return [request for request in self.requests if request.path == path]

    async def wait_for(self, count: int = 1, *, path: str | None = None, within_s: float = 20.0) -> list[Received]:
        """The requests so far (of one path), once there are at least `count`."""

        def enough() -> list[Received]:
            found = self.requests if path is None else self.to(path)
            assert len(found) >= count, f"{len(found)} of {count} requests"
            return list(found)

        return await eventually(enough, f"{count} requests arrived at {path or 'the sink'}", within_s=within_s)

    async def start(self) -> Self:
        app = web.Application(client_max_size=16 << 20)
        app.router.add_route("*", "/{any:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        return self

    async def stop(self) -> None:
        """Close all connections and refuse new ones; what was received stays."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(
            Received(request.method, request.path, request.headers.copy(), body, time.time_ns(), time.monotonic())
        )
        script = self._scripts[request.path]
        behaviour = script.popleft() if script else self._defaults.get(request.path, answer())
        return await behaviour(request)
