"""A TCP proxy that a test puts between a client and a server, to make the network slow, silent or broken."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, cast

from tests.parts.net import free_port

_CHUNK = 1 << 16
_IN_FLIGHT = 64
"""Chunks held back per direction while they wait out the latency; a full line stops reading, as a real one does."""


@dataclass(frozen=True, eq=False, slots=True)
class _Line:
    """The two sides of one forwarded connection, and the task that forwards."""

    client: asyncio.StreamWriter
    upstream: asyncio.StreamWriter
    work: asyncio.Task[None]


class FaultProxy:
    """Forwards 127.0.0.1:`port` to 127.0.0.1:`target_port`; runs on the event loop that started it.

    Faults hold for connections that exist and for those to come, until `heal`; `reset` is a single blow.
    """

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self.latency_s = 0.0
        self._target_port = target_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._lost = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: set[_Line] = set()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._lines)

    async def start(self) -> Self:
        """Listen; connections are accepted from now on."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=_CHUNK)
        return self

    async def refuse(self) -> None:
        """Refuse new connections and reset the open ones, as a machine does whose server is down."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    def stall(self) -> None:
        """Forward nothing in either direction, keep everything: a frozen peer. What was sent arrives after `heal`."""
        self._flowing.clear()

    def half_open(self) -> None:
        """The servers see their clients gone; the clients see open connections on which nothing ever comes again."""
        self._lost = True
        for line in self._lines:
            line.upstream.close()

    def reset(self) -> None:
        """Break every open connection off, on both sides, with TCP RST."""
        for line in self._lines:
            _abort(line.client)
            _abort(line.upstream)
            line.work.cancel()

    async def heal(self) -> None:
        """Forward again, without latency; half-open connections stay lost and are reset."""
        self.latency_s = 0.0
        self._flowing.set()
        if self._lost:
            self._lost = False
            self.reset()
        if self._server is None:
            await self.start()

    async def close(self) -> None:
        """Stop listening and end every connection."""
        await self.refuse()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spawn(self._serve(reader, writer))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        try:
            up_in, up_out = await asyncio.open_connection("127.0.0.1", self._target_port, limit=_CHUNK)
        except OSError:
            _abort(client_out)
            return
        work = cast("asyncio.Task[None]", asyncio.current_task())
        line = _Line(client_out, up_out, work)
        self._lines.add(line)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forward(client_in, up_out))
                both.create_task(self._forward(up_in, client_out))
        finally:
            self._lines.discard(line)
            for writer in (client_out, up_out):
                writer.close()

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Move one direction until it ends; then pass the end on."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_FLIGHT)
        clock = asyncio.get_running_loop().time

        async def take() -> None:
            with suppress(ConnectionError):
                while data := await source.read(_CHUNK):
                    await line.put((clock() + self.latency_s, data))
            await line.put((0.0, b""))

        async def give() -> None:
            while True:
                due, data = await line.get()
                await asyncio.sleep(max(0.0, due - clock()))
                await self._flowing.wait()
                if self._lost:
                    await asyncio.Event().wait()
                if not data:
                    break
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()

        with suppress(ConnectionError, OSError):
            async with asyncio.TaskGroup() as pair:
                pair.create_task(take())
                pair.create_task(give())


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close at once with RST instead of an orderly end."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
