"""A TCP server that behaves as badly as receivers of webhooks do. Each behaviour is one function."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _request(reader: asyncio.StreamReader) -> bytes:
    """The head of the request; its body stays unread."""
    return await reader.readuntil(b"\r\n\r\n")


def status(code: int, headers: bytes = b"", body: bytes = b"no") -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request(reader)
        writer.write(b"HTTP/1.1 %d X\r\n%scontent-length: %d\r\n\r\n%s" % (code, headers, len(body), body))

    return behave


async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(reader)
    await asyncio.Event().wait()


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(reader)
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(reader)


async def drips_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(reader)
    for byte in b"HTTP/1.1 500 X\r\nx-drip: " + b"a" * 100_000:
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(reader)
    writer.write(b"HTTP/1.1 500 X\r\n")
    while True:
        writer.write(b"x-more: " + b"a" * 4000 + b"\r\n")
        await writer.drain()


async def endless_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(reader)
    writer.write(b"HTTP/1.1 500 X\r\ncontent-length: 100000000000\r\n\r\n")
    while True:
        writer.write(b"a" * 65536)
        await writer.drain()


async def cut_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(reader)
    writer.write(b"HTTP/1.1 503 X\r\ncontent-length: 100\r\n\r\nhalf")


async def not_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _request(reader)
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\x00\xff" * 40)


async def zip_bomb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await status(500, b"content-encoding: gzip\r\n", b"\x1f\x8b\x08\x00" + b"\x00" * 5000)(reader, writer)


@asynccontextmanager
async def serving(behave: Behaviour) -> AsyncIterator[int]:
    """The port of a server on 127.0.0.1 that meets every connection so."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        work.add(asyncio.current_task())
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await behave(reader, writer)
        finally:
            writer.close()

    work: set[asyncio.Task[None] | None] = set()
    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in work:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in work if task is not None), return_exceptions=True)
